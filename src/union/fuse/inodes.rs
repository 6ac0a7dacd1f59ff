//! The table of nodes by inode number, and the inode numbers that programs see.
//!
//! A node's number is the inode number that programs see: that of the real inode when it was first seen. A copy-up
//! keeps it ([`Origins`]), so it is stable for the life of the mount. Two live nodes never share a number: an inode of
//! a lower layer never goes away, and one of the upper is held open while the kernel knows it.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::{Arc, RwLock};

use rustix::fs::Stat;
use rustix::io::Errno;

use super::node::Node;
use super::primitives::{ROOT, Res, lock, read, write};

/// A hash function for inode numbers, which no attacker chooses.
#[derive(Default)]
pub(super) struct InodeHasher(u64);

impl Hasher for InodeHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // 2^64 divided by the golden ratio; the standard tables use the upper half as well.
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 ^= self.0 >> 32;
    }
}

/// A node in the table, found by its number.
struct Numbered(Arc<Node>);

impl Borrow<u64> for Numbered {
    fn borrow(&self) -> &u64 {
        &self.0.ino
    }
}

impl Hash for Numbered {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.ino.hash(state);
    }
}

impl PartialEq for Numbered {
    fn eq(&self, other: &Self) -> bool {
        self.0.ino == other.0.ino
    }
}

impl Eq for Numbered {}

type Table = HashSet<Numbered, BuildHasherDefault<InodeHasher>>;

/// Each time the table has grown by this many nodes, the process gives program pages back: megabytes that only its
/// start and rare requests need. Loading a page again takes some microseconds.
const TIDY_EVERY: usize = 2048;

/// All nodes by number.
#[derive(Default)]
pub(super) struct Nodes {
    table: RwLock<Table>,
}

impl Nodes {
    /// The node with a number from the kernel.
    pub fn get(&self, ino: u64) -> Res<Arc<Node>> {
        self.find(ino).ok_or(Errno::STALE)
    }

    pub fn find(&self, ino: u64) -> Option<Arc<Node>> {
        read(&self.table).get(&ino).map(|known| Arc::clone(&known.0))
    }

    /// The node `ino`, if it is known, with one more lookup to be forgotten.
    pub fn hold(&self, ino: u64) -> Option<Arc<Node>> {
        let table = read(&self.table);
        let Numbered(node) = table.get(&ino)?;
        node.lookups.add();
        Some(Arc::clone(node))
    }

    /// The node `ino`, made by `make` if it is unknown, with one more lookup to be forgotten.
    pub fn intern(&self, ino: u64, make: impl FnOnce() -> Node) -> (Arc<Node>, bool) {
        if let Some(node) = self.hold(ino) {
            return (node, false);
        }
        let mut table = write(&self.table);
        if let Some(Numbered(node)) = table.get(&ino) {
            node.lookups.add();
            return (Arc::clone(node), false);
        }
        let node = Arc::new(make());
        node.lookups.add();
        table.insert(Numbered(Arc::clone(&node)));
        let known = table.len();
        drop(table);
        if known.is_multiple_of(TIDY_EVERY) {
            // A failure costs only memory.
            let _ = crate::sys::memory::release_program_pages();
        }
        (node, true)
    }

    /// Counts one more lookup of `node`.
    pub fn remember(&self, node: &Arc<Node>) {
        let mut table = write(&self.table);
        node.lookups.add();
        if !table.contains(&node.ino) {
            table.insert(Numbered(Arc::clone(node)));
        }
    }

    /// Takes back `count` lookups. An unused node is dropped, and its directories if only it kept them.
    pub fn forget(&self, ino: u64, count: u64) {
        self.forget_held(ino, count, 0);
    }

    /// As [`Nodes::forget`], for a caller that still holds `held` references to the node.
    pub fn forget_held(&self, ino: u64, count: u64, held: usize) {
        let mut table = write(&self.table);
        let Some(Numbered(node)) = table.get(&ino) else { return };
        if node.lookups.take(count) {
            Self::release(&mut table, ino, held);
        }
    }

    /// Removes `ino`, and the ancestors that only it kept.
    #[expect(clippy::mutable_key_type, reason = "only the number counts, and it stays")]
    fn release(table: &mut Table, ino: u64, held: usize) {
        let mut candidates = vec![(ino, held)];
        while let Some((ino, held)) = candidates.pop() {
            let Some(Numbered(node)) = table.get(&ino) else { continue };
            let unused = ino != ROOT && node.lookups.none() && Arc::strong_count(node) == 1 + held;
            // A file with names that are not linked yet must not be found as its lower original again.
            if !unused || lock(&node.state).more_links() > 0 {
                continue;
            }
            let parents: Vec<_> = lock(&node.state).names().map(|link| (link.parent.ino, 0)).collect();
            table.remove(&ino);
            candidates.extend(parents);
        }
    }
}

/// The inode numbers that programs see.
#[derive(Default)]
pub(super) struct Origins {
    devices: RwLock<Vec<u64>>,
    /// Copies in the upper, with the inode numbers of their originals.
    copies: RwLock<HashMap<(u64, u64), u64>>,
}

impl Origins {
    /// The number to show for the inode `ino` of `device`.
    pub fn shown(&self, device: u64, ino: u64) -> u64 {
        if let Some(shown) = read(&self.copies).get(&(device, ino)) {
            return *shown;
        }
        let known = read(&self.devices).iter().position(|known| *known == device);
        let index = known.unwrap_or_else(|| {
            let mut devices = write(&self.devices);
            devices.iter().position(|known| *known == device).unwrap_or_else(|| {
                devices.push(device);
                devices.len() - 1
            })
        }) as u64;
        // 0 and 1 are reserved by the protocol.
        let ino = if ino <= ROOT { ino | 1 << 55 } else { ino };
        ino ^ index << 56
    }

    pub fn shown_stat(&self, stat: &Stat) -> u64 {
        self.shown(stat.st_dev, stat.st_ino)
    }

    /// Notes that the upper's inode of `stat` is a copy and is shown as `shown`.
    pub fn copied(&self, stat: &Stat, shown: u64) {
        write(&self.copies).insert((stat.st_dev, stat.st_ino), shown);
    }

    /// As [`Origins::copied`], for the inode with this device and number.
    pub fn copied_as(&self, copy: (u64, u64), shown: u64) {
        write(&self.copies).insert(copy, shown);
    }

    /// Whether any inode is the copy of another.
    pub fn has_copies(&self) -> bool {
        !read(&self.copies).is_empty()
    }

    /// The inode is gone; the file system may reuse its number.
    pub fn gone(&self, stat: &Stat) {
        let key = (stat.st_dev, stat.st_ino);
        if read(&self.copies).contains_key(&key) {
            write(&self.copies).remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use rustix::fs::FileType;

    use super::super::name::Name;
    use super::super::node::{Link, Place};
    use super::*;

    fn file(ino: u64, parent: &Arc<Node>) -> Node {
        let link = Link { parent: Arc::clone(parent), name: Name::from(OsStr::new("f")) };
        Node::new(ino, FileType::RegularFile, Some(link), Place::Upper)
    }

    #[test]
    fn a_directory_outlives_what_is_in_it() {
        let nodes = Nodes::default();
        let (directory, made) = nodes.intern(5, || Node::new(5, FileType::Directory, None, Place::Upper));
        assert!(made);
        nodes.intern(6, || file(6, &directory));
        drop(directory);
        nodes.forget(5, 1);
        assert!(nodes.find(5).is_some(), "its file still needs it");
        nodes.forget(6, 1);
        assert!(nodes.find(6).is_none() && nodes.find(5).is_none());
    }

    #[test]
    fn looking_up_twice_takes_two_to_forget() {
        let nodes = Nodes::default();
        for _ in 0..2 {
            nodes.intern(9, || Node::new(9, FileType::Symlink, None, Place::Upper));
        }
        nodes.forget(9, 1);
        assert!(nodes.get(9).is_ok());
        nodes.forget(9, 1);
        assert!(matches!(nodes.get(9), Err(Errno::STALE)));
    }

    #[test]
    fn numbers_of_different_devices_differ_and_copies_keep_theirs() {
        let origins = Origins::default();
        assert_eq!(origins.shown(8, 100), 100);
        assert_ne!(origins.shown(9, 100), 100);
        assert!(origins.shown(8, 1) > ROOT && origins.shown(8, 0) > ROOT);
        write(&origins.copies).insert((8, 200), 100);
        assert_eq!(origins.shown(8, 200), 100);
    }
}
