//! All containers at once: what `ps` shows. A thousand of them are read in milliseconds: paths are looked up from open
//! directories, each container costs a link and three records of three system calls, and beyond a few dozen other threads
//! help. Each is put where it stays: to copy a thousand of them is a megabyte of fresh memory each time.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{Mode, OFlags};

use super::{CONFIG, Container, Containers, SETTINGS, STATE, Status, now, record};
use crate::base::error::if_absent;
use crate::base::{ContainerId, Kind, Result, ResultExt};

/// This number of containers is worth the start of another thread.
const MANY: usize = 64;

/// No more threads than that: where files are cached, more of them only wait for the processors.
const THREADS: usize = 4;

/// More than any record has; a longer one is read in several pieces.
const PIECE: usize = 32 * 1024;

/// What became of a name: not looked at yet, then a container, or none.
type Slot = Option<Option<Result<Container>>>;

impl Containers {
    /// All containers, newest first. One that vanishes meanwhile is left out; one that cannot be read is reported and
    /// does not hide the others. The threads that help have ended when this returns.
    pub fn list(&self) -> Result<Vec<Result<Container>>> {
        let directory = self.paths.containers();
        let opened = if_absent(File::open(&directory)).at(&directory, "cannot open")?;
        let (Some(names), Some(opened)) = (self.links()?, opened) else { return Ok(Vec::new()) };
        let load_all = |entries: &[OsString], slots: &mut [Slot]| {
            let mut buffer = Vec::with_capacity(PIECE);
            for (entry, slot) in entries.iter().zip(slots).filter(|(_, slot)| slot.is_none()) {
                *slot = Some(self.load_from(&names, opened.as_fd(), entry, &mut buffer).transpose());
            }
        };
        let mut slots: Vec<Slot> = names.entries.iter().map(|_| None).collect();
        let piece = names.entries.len().div_ceil(THREADS).max(MANY);
        std::thread::scope(|scope| {
            let mut pieces = names.entries.chunks(piece).zip(slots.chunks_mut(piece));
            let own = pieces.next();
            let load_all = &load_all;
            let start = |(entries, slots)| {
                std::thread::Builder::new().spawn_scoped(scope, move || load_all(entries, slots)).ok()
            };
            let threads: Vec<_> = pieces.filter_map(start).collect();
            if let Some((entries, slots)) = own {
                load_all(entries, slots);
            }
            // One that fails has left its part undone.
            threads.into_iter().for_each(|thread| drop(thread.join()));
        });
        load_all(&names.entries, &mut slots);
        let is_gone = |found: &Result<Container>| found.as_ref().is_err_and(|error| error.kind() == Kind::NotFound);
        let found = slots.into_iter().filter_map(Option::flatten).filter(|found| !is_gone(found));
        let mut containers: Vec<_> = found.collect();
        let created = |container: &Result<Container>| container.as_ref().map(|c| c.config.created).ok();
        containers.sort_by_cached_key(|container| std::cmp::Reverse(created(container)));
        Ok(containers)
    }

    fn load_from(
        &self,
        names: &super::Links,
        directory: BorrowedFd<'_>,
        entry: &OsStr,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<Container>> {
        let Some((name, id)) = names.read(entry) else { return Ok(None) };
        if !self.read_record(directory, &id, CONFIG, buffer)? {
            return Ok(None);
        }
        let mut config = self.parse_config(&id, buffer)?;
        if self.read_record(directory, &id, SETTINGS, buffer)? {
            self.parse_settings(&id, buffer)?.apply(&mut config);
        }
        let state = match self.read_record(directory, &id, STATE, buffer)? {
            true => self.parse_state(&id, buffer)?,
            false => None,
        };
        let abandoned = record::is_abandoned(&config, state.as_ref());
        if abandoned && self.sweep_abandoned(&id).unwrap_or(false) {
            return Ok(None);
        }
        let (mut status, joined, run) = now(state);
        if abandoned && !status.is_running() && status != Status::Created {
            // The holder of its lock does it.
            status = Status::Removing;
        }
        config.name.clone_from(&name);
        Ok(Some(Container { config, name, status, joined, run }))
    }

    /// Reads a record into `buffer`; false when there is none.
    fn read_record(&self, at: BorrowedFd<'_>, id: &ContainerId, file: &str, buffer: &mut Vec<u8>) -> Result<bool> {
        match if_absent(read(at, &format!("{id}/{file}"), buffer)) {
            Ok(found) => Ok(found.is_some()),
            Err(error) => Err(error).at(&self.paths.container(id).join(file), "cannot read"),
        }
    }
}

/// Reads a whole file below `directory` into `buffer`, in place of what was there.
fn read(directory: BorrowedFd<'_>, path: &str, buffer: &mut Vec<u8>) -> io::Result<()> {
    let file = rustix::fs::openat(directory, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    buffer.clear();
    loop {
        let before = buffer.len();
        buffer.reserve(PIECE);
        let room = buffer.capacity() - before;
        match rustix::io::read(&file, rustix::buffer::spare_capacity(buffer)) {
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
            // A regular file that gives less than was asked for has no more.
            Ok(n) if n < room => return Ok(()),
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Paths;
    use crate::base::publish::Staging;

    #[test]
    fn files_of_any_length_are_read_whole() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let directory = File::open(scratch.path()).unwrap();
        let mut buffer = b"before".to_vec();
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE] {
            let content: Vec<u8> = (0..length).map(|at| at as u8).collect();
            std::fs::write(scratch.path().join("file"), &content).unwrap();
            read(directory.as_fd(), "file", &mut buffer).unwrap();
            assert!(buffer == content, "{length} bytes");
        }
        assert_eq!(read(directory.as_fd(), "absent", &mut buffer).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn many_are_listed_and_broken_ones_do_not_hide_them() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let data = scratch.path().to_owned();
        let paths = Paths { data, runtime: "/r".into(), config: "/c".into(), home: "/h".into() };
        assert!(Containers::new(&paths).list().unwrap().is_empty());
        std::fs::create_dir_all(paths.names()).unwrap();
        for number in 0..3 * MANY {
            let id: ContainerId = format!("{number:064x}").parse().unwrap();
            std::fs::create_dir_all(paths.container(&id)).unwrap();
            // Records that say nothing: each is an error of its own. Every third vanishes.
            if number % 3 > 0 {
                std::fs::write(paths.container(&id).join(CONFIG), "{}").unwrap();
            }
            let target = std::path::Path::new("../containers").join(id.as_str());
            std::os::unix::fs::symlink(target, paths.names().join(format!("n{number}"))).unwrap();
        }
        let listed = Containers::new(&paths).list().unwrap();
        assert_eq!((listed.len(), listed.iter().filter(|found| found.is_err()).count()), (2 * MANY, 2 * MANY));
    }
}
