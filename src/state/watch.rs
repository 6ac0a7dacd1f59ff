//! Waits for a change of one container: of its records, of its lock, of its being there. No timer looks again and again.
//!
//! inotify(7) on the container's directory tells of a record that was replaced and of the directory's going. The lock is the
//! directory itself, held by an open file: where that is closed, by whatever end of its holder, inotify tells of it, too
//! (`IN_CLOSE_NOWRITE` without a name). So a waiter keeps its own file open between two attempts at the lock: to close it
//! would wake every other waiter, and itself.
//!
//! Where the user has no inotify instance left (`fs.inotify.max_user_instances`), a waiter looks again after [`FALLBACK`].

use std::fs::File;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::{ContainerGuard, Containers};
use crate::base::error::if_absent;
use crate::base::lock::Lock;
use crate::base::{ContainerId, Error, Result, ResultExt, poll};

/// The longest wait at once. What a record means depends on processes as well, and the end of one that holds nothing open
/// is no change of a file.
const LONGEST: Duration = Duration::from_secs(1);

/// The wait where there is no inotify.
const FALLBACK: Duration = Duration::from_millis(10);

/// Tells of changes of one container since it was made.
#[derive(Debug)]
pub struct Watch {
    inotify: Option<Inotify>,
    /// For attempts at the lock; none before the first.
    directory: Option<File>,
    path: PathBuf,
    id: ContainerId,
}

impl Containers {
    /// A watch of a container, which must be there.
    pub fn watch(&self, id: &ContainerId) -> Result<Watch> {
        let path = self.paths.container(id);
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).ok();
        if let Some(inotify) = &inotify {
            let changes = AddWatchFlags::IN_MOVED_TO
                | AddWatchFlags::IN_CLOSE_NOWRITE
                | AddWatchFlags::IN_MOVE_SELF
                | AddWatchFlags::IN_DELETE_SELF
                | AddWatchFlags::IN_ONLYDIR
                | AddWatchFlags::IN_DONT_FOLLOW;
            match inotify.add_watch(&path, changes) {
                Err(Errno::ENOENT | Errno::ENOTDIR) => return Err(absent(id)),
                added => drop(added.at(&path, "cannot watch")?),
            }
        }
        Ok(Watch { inotify, directory: None, path, id: id.clone() })
    }

    /// Waits until `look` finds something, which is asked again after each change of the container; none when `patience` is
    /// over. An error when the container is not there to begin with.
    pub fn until<T>(
        &self,
        id: &ContainerId,
        patience: Duration,
        mut look: impl FnMut(&mut Watch) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let mut watch = self.watch(id)?;
        let end = Instant::now() + patience;
        loop {
            if let Some(found) = look(&mut watch)? {
                return Ok(Some(found));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            watch.wait(left)?;
        }
    }
}

impl Watch {
    /// Takes the container's lock; none while somebody holds it. As [`Containers::guard`], but to be used with this watch.
    pub fn guard(&mut self) -> Result<Option<ContainerGuard>> {
        let directory = match self.directory.take() {
            Some(directory) => directory,
            None => {
                let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
                let opened = File::options().read(true).custom_flags(flags).open(&self.path);
                if_absent(opened).at(&self.path, "cannot open")?.ok_or_else(|| absent(&self.id))?
            }
        };
        match Lock::attempt_opened(directory).at(&self.path, "cannot lock")? {
            Ok(lock) if self.is_at_its_place(&lock)? => Ok(Some(ContainerGuard { _lock: lock, id: self.id.clone() })),
            // It was removed, and this is the lock of what is left of it.
            Ok(_) => Err(absent(&self.id)),
            Err(busy) => {
                self.directory = Some(busy);
                Ok(None)
            }
        }
    }

    fn is_at_its_place(&self, lock: &Lock) -> Result<bool> {
        let there = if_absent(std::fs::symlink_metadata(&self.path)).at(&self.path, "cannot examine")?;
        let locked = lock.metadata().at(&self.path, "cannot examine")?;
        Ok(there.is_some_and(|there| (there.dev(), there.ino()) == (locked.dev(), locked.ino())))
    }

    /// Returns after a change since the last call, or since the watch was made; after `longest` or a second at the latest.
    pub fn wait(&self, longest: Duration) -> Result<()> {
        let Some(inotify) = &self.inotify else {
            std::thread::sleep(longest.min(FALLBACK));
            return Ok(());
        };
        let end = Instant::now() + longest.min(LONGEST);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if !poll::readable(inotify, Some(left)).context(|| "cannot wait for a change of a container")? {
                return Ok(());
            }
            match inotify.read_events() {
                // To read a record closes a file, too, and this process does so itself.
                Ok(events) => {
                    let reads = AddWatchFlags::IN_CLOSE_NOWRITE;
                    if events.iter().any(|event| event.name.is_none() || !event.mask.contains(reads)) {
                        return Ok(());
                    }
                }
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(errno) => return Err(errno).context(|| "cannot wait for a change of a container"),
            }
        }
    }
}

fn absent(id: &ContainerId) -> Error {
    Error::not_found(format!("no such container: `{}`", id.short()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;
    use crate::base::{Kind, Paths};

    /// More than any of these waits takes; what is waited for comes at once.
    const LONG: Duration = Duration::from_secs(60);

    fn container() -> (Containers, ContainerId, PathBuf, Staging) {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let below = |name: &str| scratch.path().join(name);
        let paths = Paths { data: below("d"), runtime: below("r"), config: below("c"), home: below("h") };
        let id: ContainerId = "ab".repeat(32).parse().unwrap();
        std::fs::create_dir_all(paths.container(&id)).unwrap();
        (Containers::new(&paths), id.clone(), paths.container(&id), scratch)
    }

    #[test]
    fn a_replaced_record_wakes_and_a_read_one_does_not() {
        let (containers, id, directory, _scratch) = container();
        std::fs::write(directory.join("record"), "old").unwrap();
        let watch = containers.watch(&id).unwrap();
        let before = Instant::now();
        assert_eq!(std::fs::read(directory.join("record")).unwrap(), b"old");
        watch.wait(Duration::from_millis(20)).unwrap();
        assert!(before.elapsed() >= Duration::from_millis(20), "a record that is read wakes nobody");
        std::fs::write(directory.join("new"), "new").unwrap();
        std::fs::rename(directory.join("new"), directory.join("record")).unwrap();
        let found = containers.until(&id, LONG, |_| {
            Ok(Some(std::fs::read(directory.join("record")).unwrap()).filter(|text| text == b"new"))
        });
        assert!(found.unwrap().is_some());
    }

    #[test]
    fn a_lock_that_is_released_is_taken() {
        let (containers, id, _, _scratch) = container();
        let held = containers.guard(&id).unwrap().unwrap();
        assert!(containers.until(&id, Duration::ZERO, Watch::guard).unwrap().is_none());
        let (waits, told) = std::sync::mpsc::channel();
        let waiter = std::thread::spawn({
            let (containers, id) = (containers.clone(), id.clone());
            move || {
                containers.until(&id, LONG, |watch| {
                    let guard = watch.guard();
                    let _ = waits.send(());
                    guard
                })
            }
        });
        told.recv().unwrap();
        drop(held);
        let guard = waiter.join().unwrap().unwrap().unwrap();
        assert!(containers.guard(&id).unwrap().is_none(), "the waiter has it");
        drop(guard);
        assert!(containers.guard(&id).unwrap().is_some());
    }

    #[test]
    fn a_container_that_goes_is_not_waited_for() {
        let (containers, id, directory, scratch) = container();
        let held = containers.guard(&id).unwrap().unwrap();
        let mut watch = containers.watch(&id).unwrap();
        assert!(watch.guard().unwrap().is_none());
        std::fs::rename(&directory, scratch.path().join("trash")).unwrap();
        watch.wait(LONG).unwrap();
        drop(held);
        assert_eq!(watch.guard().unwrap_err().kind(), Kind::NotFound);
        assert_eq!(containers.watch(&id).unwrap_err().kind(), Kind::NotFound);
    }
}
