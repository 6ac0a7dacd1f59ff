//! Charges the union's operations to its [`Quota`](super::quota): asks for room before, counts blocks after.

use std::os::fd::AsFd;

use rustix::fs::Stat;
use rustix::io::Errno;

use super::primitives::{ROOT, Res};
use super::quota::{growth, taken};
use super::tree::Fs;

impl Fs {
    /// Makes sure that `more` bytes fit, or fails with ENOSPC.
    pub fn admit(&self, more: u64) -> Res<()> {
        let Some(quota) = &self.quota else { return Ok(()) };
        if quota.has_room(more) {
            return Ok(());
        }
        quota.recount(|| self.nodes.get(ROOT)?.upper().ok_or(Errno::STALE)?.open())?;
        match quota.has_room(more) {
            true => Ok(()),
            false => Err(Errno::NOSPC),
        }
    }

    /// Runs an operation that may change an open file's size on disk: a write of `length` bytes at `offset`, or none.
    pub fn metered<T>(&self, file: impl AsFd, offset: u64, length: u64, work: impl FnOnce() -> Res<T>) -> Res<T> {
        let Some(quota) = &self.quota else { return work() };
        let before = rustix::fs::fstat(&file)?;
        self.admit(growth(&before, offset, length))?;
        let done = work();
        if let Ok(after) = rustix::fs::fstat(&file) {
            quota.charge(taken(&before), taken(&after));
        }
        done
    }

    /// Counts a file of the upper that appeared or lost its last name.
    pub fn count(&self, stat: &Stat, appeared: bool) {
        if let Some(quota) = &self.quota {
            match appeared {
                true => quota.charge(0, taken(stat)),
                false => quota.charge(taken(stat), 0),
            }
        }
    }
}
