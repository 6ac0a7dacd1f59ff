//! Shared by all files of the union, and imports none of them: the result type, protocol constants, and locks that
//! survive a panic.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use rustix::io::Errno;

/// The result of an operation; the kernel gets the errno as the answer.
pub(super) type Res<T> = Result<T, Errno>;

/// The root's inode number, given by the protocol.
pub(super) const ROOT: u64 = 1;

/// The longest name (NAME_MAX). No layer can have a longer one, so none is asked for it.
pub(super) const NAME_MAX: usize = 255;

/// Takes a lock, also after a panic in a thread that held it: tables in memory are rebuilt from the disk, which decides.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As [`lock`], for reading.
pub(super) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// As [`lock`], for writing.
pub(super) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
