//! A size limit of the upper: `--storage-opt size=`.
//!
//! # Theory of operation
//!
//! No file system gives an ordinary user a quota on a directory, so the server counts. It starts with the sum of all
//! blocks in the upper, and adds the difference in blocks of each write, copy-up and creation. What it misses, such as
//! the last close of a removed file, makes the count too high, and too low only briefly. So before a request is
//! refused, the upper is summed up again; at most once a second, and with a pause of ten times the duration.
//!
//! A union has no write-back cache, which would accept data that has no room later: `write` reports a full quota at
//! once.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::fs::{FileType, Stat, StatVfs};

use super::layer::{LayerDir, walk};
use super::primitives::{Res, lock};

/// The most that a name costs: an inode's own block, or one more block in its directory.
pub(super) const NAME_COST: u64 = 4096;

/// The limit and the usage, in bytes.
pub(super) struct Quota {
    limit: u64,
    used: AtomicU64,
    /// When the upper may be summed up again.
    next_count: Mutex<Instant>,
}

/// The bytes that a file occupies.
pub(super) fn taken(stat: &Stat) -> u64 {
    u64::try_from(stat.st_blocks).unwrap_or(0) * 512
}

/// An upper bound of the growth by a write of `length` bytes at `offset`.
pub(super) fn growth(stat: &Stat, offset: u64, length: u64) -> u64 {
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    let end = offset.saturating_add(length);
    match taken(stat) >= size {
        // A file without holes grows only behind its end.
        true => end.saturating_sub(size.max(offset)),
        false => length,
    }
}

impl Quota {
    /// Counts what the upper occupies.
    pub fn new(limit: u64, upper: &LayerDir) -> Res<Self> {
        let used = AtomicU64::new(sum(upper)?);
        Ok(Self { limit, used, next_count: Mutex::new(Instant::now()) })
    }

    /// Notes that a file took `before` bytes and takes `after` now.
    pub fn charge(&self, before: u64, after: u64) {
        let _ = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            Some(used.saturating_add(after).saturating_sub(before))
        });
    }

    /// Whether `more` bytes fit.
    pub fn has_room(&self, more: u64) -> bool {
        self.used.load(Ordering::Relaxed).saturating_add(more) <= self.limit
    }

    /// Sums the upper up again, unless that was done a moment ago.
    pub fn recount(&self, upper: impl FnOnce() -> Res<Arc<LayerDir>>) -> Res<()> {
        let mut next = lock(&self.next_count);
        let start = Instant::now();
        if start >= *next {
            self.used.store(sum(&*upper()?)?, Ordering::Relaxed);
            *next = Instant::now() + Duration::from_secs(1).max(start.elapsed() * 10);
        }
        Ok(())
    }

    /// The numbers of statfs(2).
    pub fn show(&self, mut real: StatVfs) -> StatVfs {
        let unit = real.f_frsize.max(1);
        let left = self.limit.saturating_sub(self.used.load(Ordering::Relaxed)) / unit;
        real.f_blocks = self.limit / unit;
        real.f_bfree = left.min(real.f_bfree);
        real.f_bavail = left.min(real.f_bavail);
        real
    }
}

/// The bytes that a directory tree occupies. Hard links count once, and what is nested too deep counts nothing.
fn sum(root: &LayerDir) -> Res<u64> {
    let mut total = 0u64;
    let mut linked = HashSet::new();
    walk(root, |_, _, _, stat| {
        let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        if is_directory || stat.st_nlink < 2 || linked.insert(stat.st_ino) {
            total = total.saturating_add(taken(stat));
        }
        Ok(())
    })?;
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;
    use std::fs;

    #[test]
    fn what_is_linked_twice_counts_once() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let at = |name: &str| scratch.path().join(name);
        fs::create_dir_all(at("a/b")).unwrap();
        fs::write(at("a/b/file"), vec![1; 100_000]).unwrap();
        let before = sum(&LayerDir::root(scratch.path()).unwrap()).unwrap();
        assert!((100_000..200_000).contains(&before), "{before}");
        fs::hard_link(at("a/b/file"), at("a/other")).unwrap();
        assert_eq!(sum(&LayerDir::root(scratch.path()).unwrap()).unwrap(), before);
    }

    #[test]
    fn only_new_blocks_need_room() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let file = scratch.path().join("file");
        fs::write(&file, vec![1; 8192]).unwrap();
        let stat = rustix::fs::stat(&file).unwrap();
        assert_eq!((growth(&stat, 0, 8192), growth(&stat, 4096, 8192), growth(&stat, 1 << 30, 5)), (0, 4096, 5));
        fs::File::options().write(true).open(&file).unwrap().set_len(1 << 20).unwrap();
        let stat = rustix::fs::stat(&file).unwrap();
        assert_eq!(growth(&stat, 0, 100), 100, "it has holes");
    }

    #[test]
    fn a_limit_is_what_statfs_shows() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let quota = Quota::new(1 << 20, &LayerDir::root(scratch.path()).unwrap()).unwrap();
        quota.charge(0, 1 << 19);
        assert!(quota.has_room(1 << 19) && !quota.has_room((1 << 19) + 1));
        let shown = quota.show(rustix::fs::statvfs(scratch.path()).unwrap());
        assert_eq!((shown.f_blocks * shown.f_frsize, shown.f_bfree * shown.f_frsize), (1 << 20, 1 << 19));
        quota.charge(1 << 30, 0);
        assert!(quota.has_room(1 << 20));
    }
}
