//! The merged listing of a directory.
//!
//! # Theory of operation
//!
//! It is read once, on first use, and from then on updated by every operation that changes a name; nothing else writes
//! the upper. A new directory starts complete and empty. An entry's readdir cookie is a number that only grows: a
//! program that removes entries while it lists misses none and sees none twice, and removed entries can be dropped at
//! any time.

use std::ffi::OsStr;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::FileType;

use super::name::Name;

/// The cookie of the first real entry; `.` and `..` come before.
const FIRST_COOKIE: u64 = 3;

/// What a listing says about a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// The directory was not listed yet.
    Unknown,
    /// The name does not exist.
    Absent,
    /// It exists in the upper, or in the lower layer with this index or a deeper one.
    Lower(usize),
}

/// A name in a listing.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub cookie: u64,
    pub name: Name,
    pub ino: u64,
    pub kind: FileType,
}

/// An entry as it is stored: 24 bytes, and its name elsewhere.
struct Slot {
    cookie: u64,
    ino: u64,
    /// The offset of its name in `text`.
    at: u32,
    length: u8,
    /// The first lower layer that may have it.
    depth: u8,
    /// The file type bits of the mode.
    kind: u8,
    live: bool,
}

impl Slot {
    fn kind(&self) -> FileType {
        FileType::from_raw_mode(u32::from(self.kind) << KIND_SHIFT)
    }
}

/// The position of the file type in the mode (S_IFMT, inode(7)).
const KIND_SHIFT: u32 = 12;

fn bits_of(kind: FileType) -> u8 {
    // Four bits.
    (kind.as_raw_mode() >> KIND_SHIFT) as u8
}

/// The names of a directory, complete once they were all read.
#[derive(Default)]
pub(super) struct Entries {
    complete: bool,
    /// Sorted by cookie.
    slots: Vec<Slot>,
    /// The names, back to back.
    text: Vec<u8>,
    /// Positions in `slots` by the hash of the name: an open-addressing table with linear probing. Empty, or its size
    /// is a power of two.
    index: Vec<u32>,
    /// How many places of `index` are not free, those of removed names included.
    taken: usize,
    live: usize,
    last_cookie: u64,
    hasher: RandomState,
    /// Whether new files inherit a default ACL from this directory; `None` if that is unknown.
    pub default_acl: Option<bool>,
}

/// Markers in the index: a free place, and a removed name.
const FREE: u32 = u32::MAX;
const REMOVED: u32 = u32::MAX - 1;

impl Entries {
    /// The listing of a directory that was just made.
    pub fn of_new_directory(inherits: Option<bool>) -> Self {
        Self { complete: true, default_acl: inherits, ..Self::default() }
    }

    /// Whether all layers were read.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// What is known about a name.
    pub fn known(&self, name: &OsStr) -> Known {
        match (self.complete, self.slot(name)) {
            (false, _) => Known::Unknown,
            (true, None) => Known::Absent,
            (true, Some(slot)) => Known::Lower(usize::from(slot.depth)),
        }
    }

    /// The inode number at this name, if it is listed.
    pub fn number(&self, name: &OsStr) -> Option<u64> {
        self.slot(name).map(|slot| slot.ino)
    }

    fn slot(&self, name: &OsStr) -> Option<&Slot> {
        self.slots.get(self.find(name)?.1)
    }

    fn name_of(&self, slot: &Slot) -> &OsStr {
        let start = slot.at as usize;
        OsStr::from_bytes(self.text.get(start..start + usize::from(slot.length)).unwrap_or_default())
    }

    /// The places of the index where the name may be, in probing order; endless if the index has no free place.
    fn places(&self, name: &OsStr) -> impl Iterator<Item = usize> + use<> {
        let mask = self.index.len().wrapping_sub(1);
        let hash = self.hasher.hash_one(name.as_bytes()) as usize;
        (0..self.index.len()).map(move |step| hash.wrapping_add(step) & mask)
    }

    /// The positions of a name in the index and in the slots.
    pub fn find(&self, name: &OsStr) -> Option<(usize, usize)> {
        for place in self.places(name) {
            match *self.index.get(place)? {
                FREE => return None,
                REMOVED => {}
                at => {
                    let slot = self.slots.get(at as usize)?;
                    if self.name_of(slot) == name {
                        return Some((place, at as usize));
                    }
                }
            }
        }
        None
    }

    /// A name was made, or belongs to another inode now.
    pub fn set(&mut self, name: &OsStr, ino: u64, kind: FileType) {
        if !self.complete {
            return;
        }
        match self.find(name).and_then(|(_, at)| self.slots.get_mut(at)) {
            Some(slot) => (slot.ino, slot.kind) = (ino, bits_of(kind)),
            None => self.push(name, ino, kind, 0),
        }
    }

    /// Appends a name that the listing does not have.
    pub fn push(&mut self, name: &OsStr, ino: u64, kind: FileType, depth: u16) {
        if (self.taken + 1) * 4 > self.index.len() * 3 {
            self.compact();
        }
        let cookie = (self.last_cookie + 1).max(FIRST_COOKIE);
        self.last_cookie = cookie;
        // Names have at most NAME_MAX bytes; beyond 4 GiB of names, lookup in the listing fails.
        let at = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
        let depth = u8::try_from(depth).unwrap_or(u8::MAX);
        self.text.extend_from_slice(name.as_bytes());
        self.slots.push(Slot { cookie, ino, at, length, depth, kind: bits_of(kind), live: true });
        self.live += 1;
        self.enter(self.slots.len() - 1);
    }

    /// Adds a slot to the index.
    fn enter(&mut self, at: usize) {
        let Some(slot) = self.slots.get(at) else { return };
        let free = self.places(self.name_of(slot)).find(|place| self.index.get(*place) == Some(&FREE));
        if let (Some(place), Ok(at)) = (free.and_then(|place| self.index.get_mut(place)), u32::try_from(at)) {
            *place = at;
            self.taken += 1;
        }
    }

    /// Drops removed entries, and makes room for twice as many names.
    fn compact(&mut self) {
        if self.live < self.slots.len() {
            let mut text = Vec::with_capacity(self.text.len());
            let slots = std::mem::take(&mut self.slots);
            self.slots.reserve(self.live + 1);
            for mut slot in slots.into_iter().filter(|slot| slot.live) {
                let at = u32::try_from(text.len()).unwrap_or(u32::MAX);
                text.extend_from_slice(self.name_of(&slot).as_bytes());
                slot.at = at;
                self.slots.push(slot);
            }
            self.text = text;
        }
        self.index_all(((self.live + 1) * 2).next_power_of_two().max(8));
    }

    fn index_all(&mut self, places: usize) {
        self.index = vec![FREE; places];
        self.taken = 0;
        for at in 0..self.slots.len() {
            self.enter(at);
        }
    }

    /// Frees spare capacity.
    pub fn shrink(&mut self) {
        self.slots.shrink_to_fit();
        self.text.shrink_to_fit();
        let places = (self.live * 4 / 3 + 1).next_power_of_two();
        if places < self.index.len() {
            self.index_all(places);
        }
    }

    /// A name was removed.
    pub fn remove(&mut self, name: &OsStr) {
        let Some((place, at)) = self.find(name) else { return };
        if let (Some(slot), Some(place)) = (self.slots.get_mut(at), self.index.get_mut(place)) {
            slot.live = false;
            *place = REMOVED;
            self.live -= 1;
        }
        if self.slots.len() > 2 * self.live + 64 {
            self.compact();
        }
    }

    /// Whether the complete listing is empty.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Up to `count` entries after the cookie `after`.
    pub fn after(&self, after: u64, count: usize) -> Vec<Entry> {
        let start = self.slots.partition_point(|slot| slot.cookie <= after);
        let entry = |slot: &Slot| {
            let name = Name::from(self.name_of(slot));
            Entry { cookie: slot.cookie, name, ino: slot.ino, kind: slot.kind() }
        };
        self.slots.iter().skip(start).filter(|slot| slot.live).take(count).map(entry).collect()
    }

    /// Every entry.
    pub fn all(&self) -> Vec<Entry> {
        self.after(0, usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ffi::OsString;

    use super::*;

    fn name(text: &str) -> OsString {
        OsString::from(text)
    }

    #[test]
    fn listing_while_removing_misses_nothing() {
        let mut entries = Entries::of_new_directory(None);
        for i in 0..500 {
            entries.set(&name(&format!("f{i}")), i, FileType::RegularFile);
        }
        let mut seen = Vec::new();
        let mut cookie = 0;
        loop {
            let batch = entries.after(cookie, 7);
            let Some(last) = batch.last() else { break };
            cookie = last.cookie;
            for entry in batch {
                entries.remove(&entry.name);
                seen.push(entry.ino);
            }
        }
        assert_eq!(seen, (0..500).collect::<Vec<_>>());
        assert!(entries.is_empty());
    }

    #[test]
    fn any_order_of_changes_leaves_what_a_map_has() {
        let mut entries = Entries::of_new_directory(None);
        let mut model = BTreeMap::new();
        let mut state = 1u64;
        for step in 0..20_000u64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let text = format!("{:0width$}", (state >> 33) % 700, width = (state >> 50) as usize % 40);
            match (state >> 40) % 3 {
                0 => {
                    entries.remove(OsStr::new(&text));
                    model.remove(&text);
                }
                _ => {
                    entries.set(OsStr::new(&text), step, FileType::RegularFile);
                    model.insert(text.clone(), step);
                }
            }
            assert_eq!(entries.number(OsStr::new(&text)), model.get(&text).copied());
        }
        entries.shrink();
        assert!(model.iter().all(|(name, ino)| entries.number(OsStr::new(name)) == Some(*ino)));
        let all = entries.all();
        assert!(all.is_sorted_by_key(|entry| entry.cookie) && all.len() == model.len());
        assert!(all.iter().all(|entry| model.get(entry.name.to_str().unwrap()) == Some(&entry.ino)));
    }

    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<Slot>() <= 24);
        assert!(size_of::<Entries>() <= 120, "{}", size_of::<Entries>());
    }

    #[test]
    fn a_complete_listing_knows_what_is_absent() {
        let mut entries = Entries::default();
        entries.set(&name("a"), 1, FileType::RegularFile);
        assert_eq!(entries.known(OsStr::new("a")), Known::Unknown);
        let mut entries = Entries::of_new_directory(None);
        entries.set(&name("a"), 1, FileType::RegularFile);
        assert_eq!(entries.known(OsStr::new("a")), Known::Lower(0));
        entries.remove(OsStr::new("a"));
        assert_eq!(entries.known(OsStr::new("a")), Known::Absent);
        entries.set(&name("a"), 2, FileType::Directory);
        assert_eq!(entries.all().iter().map(|entry| entry.ino).collect::<Vec<_>>(), [2]);
    }
}
