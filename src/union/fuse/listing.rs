//! The merged listing of a directory.
//!
//! # Theory of operation
//!
//! It is read once, when it is first asked for, and from then on kept up to date by every operation that changes a name;
//! nobody else writes the upper. A new directory begins complete and empty. An entry's cookie is a number that only
//! grows: whoever lists and removes at the same time misses nothing and sees nothing twice, and removed entries can be
//! dropped at any time.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir as DirStream, FileType};
use rustix::io::Errno;

use super::layer::LayerDir;
use super::node::{Node, Res, lock};
use super::tree::{Fs, Layers};
use super::whiteout::is_whiteout;

/// The cookie of the first real entry; those of `.` and `..` come before.
const FIRST_COOKIE: u64 = 3;

/// What a listing knows of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// The directory was not listed yet.
    Unknown,
    /// There is no such name.
    Absent,
    /// It is there: in the upper, or in the lower part with this index or one below it.
    Lower(usize),
}

/// A name in a listing.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub cookie: u64,
    pub name: Arc<OsStr>,
    pub ino: u64,
    pub kind: FileType,
    depth: u16,
    live: bool,
}

/// The names of a directory, once they were all read.
#[derive(Default)]
pub(super) struct Entries {
    complete: bool,
    /// By ascending cookie.
    slots: Vec<Entry>,
    by_name: HashMap<Arc<OsStr>, u64>,
    last_cookie: u64,
    /// Whether new files get an access control list from this directory; `None` when nobody looked yet.
    pub default_acl: Option<bool>,
}

impl Entries {
    /// The listing of a directory that was just made.
    pub fn of_new_directory(inherits: Option<bool>) -> Self {
        Self { complete: true, default_acl: inherits, ..Self::default() }
    }

    /// What is known of a name.
    pub fn known(&self, name: &OsStr) -> Known {
        match (self.complete, self.slot(name)) {
            (false, _) => Known::Unknown,
            (true, None) => Known::Absent,
            (true, Some(at)) => Known::Lower(usize::from(self.slots[at].depth)),
        }
    }

    fn slot(&self, name: &OsStr) -> Option<usize> {
        let cookie = *self.by_name.get(name)?;
        self.slots.binary_search_by_key(&cookie, |slot| slot.cookie).ok()
    }

    /// A name was made, or stands for another inode now.
    pub fn set(&mut self, name: &Arc<OsStr>, ino: u64, kind: FileType) {
        if !self.complete {
            return;
        }
        match self.slot(name) {
            Some(at) => {
                let slot = &mut self.slots[at];
                (slot.ino, slot.kind) = (ino, kind);
            }
            None => self.push(Arc::clone(name), ino, kind, 0),
        }
    }

    fn push(&mut self, name: Arc<OsStr>, ino: u64, kind: FileType, depth: u16) {
        let cookie = (self.last_cookie + 1).max(FIRST_COOKIE);
        self.last_cookie = cookie;
        self.by_name.insert(Arc::clone(&name), cookie);
        self.slots.push(Entry { cookie, name, ino, kind, depth, live: true });
    }

    /// A name was removed.
    pub fn remove(&mut self, name: &OsStr) {
        if let Some(at) = self.slot(name) {
            self.slots[at].live = false;
            self.by_name.remove(name);
            if self.slots.len() > 2 * self.by_name.len() + 64 {
                self.slots.retain(|slot| slot.live);
            }
        }
    }

    /// Whether the complete listing has no name.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Up to `count` entries after the one with the cookie `after`.
    pub fn after(&self, after: u64, count: usize) -> Vec<Entry> {
        let start = self.slots.partition_point(|slot| slot.cookie <= after);
        self.slots[start..].iter().filter(|slot| slot.live).take(count).cloned().collect()
    }

    /// Every entry.
    pub fn all(&self) -> Vec<Entry> {
        self.after(0, usize::MAX)
    }
}

impl Fs {
    /// Reads the listing of a directory if that was not done yet.
    pub fn list(&self, node: &Arc<Node>) -> Res<()> {
        let dir = node.dir()?;
        if lock(&dir.entries).complete {
            return Ok(());
        }
        let layers = self.layers(node)?;
        let mut entries = lock(&dir.entries);
        match entries.complete {
            true => Ok(()),
            false => self.merge(&layers, &mut entries),
        }
    }

    fn merge(&self, layers: &Layers, entries: &mut Entries) -> Res<()> {
        let mut merged = Entries { complete: true, default_acl: entries.default_acl, ..Entries::default() };
        // Names of whiteouts, and the fact that the name is taken by a layer above.
        let mut hidden: std::collections::HashSet<Box<OsStr>> = std::collections::HashSet::new();
        if let Some(upper) = &layers.upper {
            self.read_layer(upper, 0, layers.lowers.is_empty(), &mut merged, &mut hidden)?;
        }
        for (depth, lower) in layers.lowers.iter().enumerate() {
            let last = depth + 1 == layers.lowers.len();
            self.read_layer(lower, u16::try_from(depth).unwrap_or(u16::MAX), last, &mut merged, &mut hidden)?;
        }
        *entries = merged;
        Ok(())
    }

    fn read_layer(
        &self,
        layer: &LayerDir,
        depth: u16,
        last: bool,
        merged: &mut Entries,
        hidden: &mut std::collections::HashSet<Box<OsStr>>,
    ) -> Res<()> {
        for entry in DirStream::read_from(layer)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." || merged.by_name.contains_key(name) || hidden.contains(name) {
                continue;
            }
            let mut kind = entry.file_type();
            let suspicious = matches!(kind, FileType::Unknown | FileType::CharacterDevice)
                || kind == FileType::RegularFile && layer.has_marked_whiteouts();
            if suspicious {
                let stat = match rustix::fs::statat(layer, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => stat,
                    Err(Errno::NOENT) => continue,
                    Err(errno) => return Err(errno),
                };
                kind = FileType::from_raw_mode(stat.st_mode);
                if is_whiteout(layer, name, &stat) {
                    if !last {
                        hidden.insert(name.into());
                    }
                    continue;
                }
            }
            merged.push(Arc::from(name), self.origins.shown(layer.device, entry.ino()), kind, depth);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Arc<OsStr> {
        Arc::from(OsStr::new(text))
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
