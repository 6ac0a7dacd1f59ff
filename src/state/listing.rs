//! All containers at once: what `ps` shows. A thousand of them are read in milliseconds: paths are looked up from one
//! open directory, each record costs three system calls, and beyond a few dozen a second thread helps.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{Mode, OFlags};

use super::{CONFIG, Container, Containers, STATE, now};
use crate::base::error::if_absent;
use crate::base::id::Name;
use crate::base::{ContainerId, Kind, Result, ResultExt};

/// From this number of containers on, a second thread is worth its start.
const MANY: usize = 64;

/// More than any record has; a longer one is read in several pieces.
const PIECE: usize = 32 * 1024;

impl Containers {
    /// All containers, newest first. One that vanishes meanwhile is left out; one that cannot be read is reported and
    /// does not hide the others. The thread that helps has ended when this returns.
    pub fn list(&self) -> Result<Vec<Result<Container>>> {
        let names = self.names()?;
        let directory = self.paths.containers();
        let Some(opened) = if_absent(File::open(&directory)).at(&directory, "cannot open")? else {
            return Ok(Vec::new());
        };
        let half = if names.len() < MANY { names.len() } else { names.len() / 2 };
        let (first, second) = names.split_at(half);
        let mut containers = std::thread::scope(|scope| {
            let load = |names| self.load_all(opened.as_fd(), names);
            let helper = std::thread::Builder::new();
            let helper = (!second.is_empty()).then(|| helper.spawn_scoped(scope, move || load(second)));
            let mut containers = load(first);
            let rest = match helper {
                Some(Ok(thread)) => thread.join().unwrap_or_else(|_| load(second)),
                _ => load(second),
            };
            containers.extend(rest);
            containers
        });
        let created = |container: &Result<Container>| container.as_ref().map(|c| c.config.created).ok();
        containers.sort_by_key(|container| std::cmp::Reverse(created(container)));
        Ok(containers)
    }

    fn load_all(&self, directory: BorrowedFd<'_>, names: &[(Name, ContainerId)]) -> Vec<Result<Container>> {
        let mut buffer = Vec::with_capacity(PIECE);
        let mut containers = Vec::with_capacity(names.len());
        for (name, id) in names {
            match self.load_from(directory, name, id, &mut buffer) {
                Ok(Some(container)) => containers.push(Ok(container)),
                Ok(None) => {}
                Err(error) if error.kind() == Kind::NotFound => {}
                Err(error) => containers.push(Err(error)),
            }
        }
        containers
    }

    fn load_from(
        &self,
        directory: BorrowedFd<'_>,
        name: &Name,
        id: &ContainerId,
        buffer: &mut Vec<u8>,
    ) -> Result<Option<Container>> {
        if !self.read_record(directory, id, CONFIG, buffer)? {
            return Ok(None);
        }
        let config = self.parse_config(id, buffer)?;
        let state = match self.read_record(directory, id, STATE, buffer)? {
            true => self.parse_state(id, buffer)?,
            false => None,
        };
        let (status, joined) = now(state);
        Ok(Some(Container { config, name: name.clone(), status, joined }))
    }

    /// Reads a record into `buffer`; false when there is none.
    fn read_record(&self, at: BorrowedFd<'_>, id: &ContainerId, file: &str, buffer: &mut Vec<u8>) -> Result<bool> {
        let found = if_absent(read(at, &format!("{id}/{file}"), buffer));
        found.map(|found| found.is_some()).at(&self.paths.container(id).join(file), "cannot read")
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
