//! Which listings the kernel should ask for again, because somebody goes through them and looks at each entry.
//!
//! # Theory of operation
//!
//! The kernel keeps the names of a directory that was listed to its end, without attributes, and answers the next listing
//! from them. Who then looks at each entry makes a message for each that the kernel does not know. If it is known early
//! enough that somebody does, the cheaper way is that the kernel throws the names away (`FUSE_NOTIFY_INVAL_INODE`): it
//! then asks for the rest of the listing that is going on, by the cookie where that is, and, because of the look-ups, with
//! attributes (`FUSE_READDIRPLUS_AUTO`; fuse_readdir_cached and fuse_use_readdirplus in fs/fuse/readdir.c).
//!
//! The sign is [`STEPS`] look-ups of listed names, each further on in the listing than the one before. A program has a
//! part of the listing already, so nothing is won in a directory that is not longer than that ([`AHEAD`]). The price, if it
//! had all of it, is that the next listing is asked for once more; so this happens once for each time that the kernel was
//! given the end of the listing.

use std::sync::{Arc, OnceLock};

use fuser::{INodeNo, Notifier};

use super::placement;

/// Look-ups of entries in the order of the listing that mean that somebody goes through it.
const STEPS: u8 = 32;

/// Entries that a program may have taken already: as many short names as there are in 32 KiB of struct linux_dirent64, the
/// buffer of readdir(3) in glibc.
const AHEAD: usize = 1024;

/// How somebody goes through the listing of a directory, as far as look-ups tell.
#[derive(Debug, Default)]
pub(super) struct ListingWalk {
    /// Whether the kernel may have the names, and was not told to drop them.
    kept: bool,
    steps: u8,
    /// The lower half of the position of the last entry that was looked up: there is one of this for each directory.
    last: u16,
}

impl ListingWalk {
    /// The kernel was given a part of the listing, and its end or not.
    pub fn given(&mut self, end: bool) {
        *self = Self { kept: end, ..Self::default() };
    }

    /// The entry at a position in a listing with so many was looked up. Returns whether the kernel is to drop the names.
    pub fn looked_up(&mut self, position: usize, entries: usize) -> bool {
        let further = (position as u16).wrapping_sub(self.last);
        self.steps = if (1..=u16::MAX / 2).contains(&further) { self.steps.saturating_add(1) } else { 1 };
        self.last = position as u16;
        let due = self.kept && self.steps >= STEPS && entries.saturating_sub(position) > AHEAD;
        self.kept &= !due;
        due
    }
}

/// Who is to be told to drop names. Copies are one.
#[derive(Clone, Default)]
pub(super) struct Kernel(Arc<OnceLock<Notifier>>);

impl Kernel {
    /// There is a session, and this is the way to talk in it.
    pub fn listens(&self, notifier: Notifier) {
        let _ = self.0.set(notifier);
    }

    /// Has the names dropped that are kept of a directory. That waits for who is just reading them, who may wait for an
    /// answer of ours to have room for them: no thread that serves does it.
    pub fn drop_names(&self, directory: u64) {
        let kernel = self.clone();
        placement::defer(move || {
            // Names that are not dropped are no error.
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
