//! Invalidates cached directory listings that are being walked with stat.
//!
//! # Theory of operation
//!
//! When a directory was listed to its end, the kernel caches the names, without attributes, and serves the next listing
//! from this cache. A program that stats each entry then sends a message for each unknown one. If the server notices
//! this early, it is cheaper to drop the cache (`FUSE_NOTIFY_INVAL_INODE`): the kernel then asks for the rest of the
//! current listing by its readdir cookie, and, because of the lookups, with attributes (`FUSE_READDIRPLUS_AUTO`;
//! fuse_readdir_cached and fuse_use_readdirplus in fs/fuse/readdir.c).
//!
//! The sign is [`STEPS`] lookups of listed names in the order of the listing. The program has a part of the listing
//! already, so a directory that is not longer than that gains nothing ([`AHEAD`]). If the program had all of it, one
//! more listing is requested; so the cache is dropped once per time that the kernel got the end of the listing.

use std::sync::{Arc, OnceLock};

use fuser::{INodeNo, Notifier};

use super::placement;

/// How many lookups in the order of the listing mean that a program walks it.
const STEPS: u8 = 32;

/// Entries that a program may hold already: the short names that fit 32 KiB of struct linux_dirent64, the buffer of
/// readdir(3) in glibc.
const AHEAD: usize = 1024;

/// The progress of a walk through a directory's listing, as lookups show it.
#[derive(Debug, Default)]
pub(super) struct ListingWalk {
    /// Whether the kernel may cache the names, and was not told to drop them.
    kept: bool,
    steps: u8,
    /// The lower half of the position of the last lookup; small, as there is one per directory.
    last: u16,
}

impl ListingWalk {
    /// The kernel got a part of the listing; `end` if it was the last.
    pub fn given(&mut self, end: bool) {
        *self = Self { kept: end, ..Self::default() };
    }

    /// Notes a lookup of the entry at a position of a listing with this many entries. Returns whether to drop the
    /// cache.
    pub fn looked_up(&mut self, position: usize, entries: usize) -> bool {
        let further = (position as u16).wrapping_sub(self.last);
        self.steps = if (1..=u16::MAX / 2).contains(&further) { self.steps.saturating_add(1) } else { 1 };
        self.last = position as u16;
        let due = self.kept && self.steps >= STEPS && entries.saturating_sub(position) > AHEAD;
        self.kept &= !due;
        due
    }
}

/// The kernel's end of the session, for notifications. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Kernel(Arc<OnceLock<Notifier>>);

impl Kernel {
    /// Sets the session's notifier.
    pub fn listens(&self, notifier: Notifier) {
        let _ = self.0.set(notifier);
    }

    /// Drops the cached names of a directory, on the monitor thread: the call waits for readers of the cache, which may
    /// wait for an answer of this server.
    pub fn drop_names(&self, directory: u64) {
        let kernel = self.clone();
        placement::defer(move || {
            // A failure is harmless.
            let _ = kernel.0.get().map(|notifier| notifier.inval_inode(INodeNo(directory), 0, 0));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: [usize; 0] = [];

    /// At which look-ups of these positions the names are to be dropped.
    fn dropped(walk: &mut ListingWalk, positions: impl Iterator<Item = usize>, entries: usize) -> Vec<usize> {
        positions.filter(|position| walk.looked_up(*position, entries)).collect()
    }

    fn given() -> ListingWalk {
        let mut walk = ListingWalk::default();
        walk.given(true);
        walk
    }

    #[test]
    fn who_goes_through_a_long_listing_has_it_dropped_once() {
        let mut walk = given();
        assert_eq!(dropped(&mut walk, 100..5000, 5000), [131]);
        assert_eq!(dropped(&mut walk, 0..5000, 5000), NEVER);
        walk.given(false);
        assert_eq!(dropped(&mut walk, 0..5000, 5000), NEVER, "a listing is under way");
        walk.given(true);
        assert_eq!(dropped(&mut walk, (1..5000).step_by(3), 5000), [94]);
        assert_eq!(dropped(&mut given(), 65_530..70_000, 70_000), [65_561], "across the halves");
    }

    #[test]
    fn others_do_not() {
        assert_eq!(dropped(&mut ListingWalk::default(), 0..5000, 5000), NEVER, "never listed");
        assert_eq!(dropped(&mut given(), 0..1000, 1000), NEVER, "short");
        assert_eq!(dropped(&mut given(), 4000..5000, 5000), NEVER, "at the end");
        assert_eq!(dropped(&mut given(), (0..5000).rev(), 5000), NEVER, "backwards");
        assert_eq!(dropped(&mut given(), (0..5000).map(|at| at * 7919 % 5000), 5000), NEVER, "anywhere");
        assert_eq!(dropped(&mut given(), std::iter::repeat_n(7, 100), 5000), NEVER, "one name");
    }
}
