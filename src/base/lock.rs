//! flock(2) locks: on files that are never deleted, or on the very directories that they protect.
//!
//! A lock belongs to the open file description: it ends with the last copy of the fd, so a killed process never leaves
//! one behind, and one that is passed to a child lives on in the child.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::error::{Result, ResultExt, if_absent};

/// A held lock; dropping it (and every copy of its fd) releases it.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

/// How a lock is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Many holders at once.
    Shared,
    /// One holder, and no shared ones.
    Exclusive,
}

impl Lock {
    /// Waits for the lock on the file at `path`, which is made when absent.
    pub fn wait(path: &Path, mode: Mode) -> Result<Self> {
        let file = open(path)?;
        match mode {
            Mode::Shared => file.lock_shared(),
            Mode::Exclusive => file.lock(),
        }
        .at(path, "cannot lock")?;
        Ok(Self { file })
    }

    /// Takes the lock if it is free; `None` if somebody holds it.
    pub fn attempt(path: &Path, mode: Mode) -> Result<Option<Self>> {
        let file = open(path)?;
        let taken = match mode {
            Mode::Shared => file.try_lock_shared(),
            Mode::Exclusive => file.try_lock(),
        };
        taken_or_busy(taken, file, path)
    }

    /// The same lock for another holder: it is released when both are gone.
    pub fn share(&self) -> Result<Self> {
        self.file.try_clone().map(|file| Self { file }).context(|| "cannot share a lock")
    }

    /// Takes the exclusive lock of a directory itself: it goes where the directory is renamed to. `None` if somebody
    /// holds it or the directory is not there.
    pub fn attempt_directory(path: &Path) -> Result<Option<Self>> {
        let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
        let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
        let Some(directory) = if_absent(opened).at(path, "cannot open")? else { return Ok(None) };
        let taken = directory.try_lock();
        taken_or_busy(taken, directory, path)
    }
}

fn taken_or_busy(taken: Result<(), TryLockError>, file: File, path: &Path) -> Result<Option<Lock>> {
    match taken {
        Ok(()) => Ok(Some(Lock { file })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).at(path, "cannot lock"),
    }
}

fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .at(path, "cannot open the lock file")
}
