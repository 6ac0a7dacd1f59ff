//! What the kernel knows by number: the nodes of the union, their names, and where their bytes are.
//!
//! # Theory of operation
//!
//! A node's number is at once its inode number as programs see it: the number of the real inode it had when it was
//! first seen. A copy-up keeps it ([`Origins`]), so it is stable for the life of the mount, and since the inode of a
//! lower layer never goes away and that of an upper one is held open while the kernel knows it, no two living nodes
//! share one.
//!
//! A directory owns open directories of its upper and of each lower layer that takes part. A file owns nothing: it is
//! (directory, name), and each operation is one `*at` call with a single component. Renaming a directory so costs the
//! same for any number of files below it.
//!
//! Locks, in the order in which they may be taken: `Fs::renames`, `Fs::stacks`, `Dir::entries` (of two directories: the
//! smaller number first), `Node::state`, then leaves (tables, caches). No lock is held while a file's data is copied up,
//! but for the node's own `copying`.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

use super::layer::LayerDir;
use super::listing::Entries;

/// The result of an operation: a failure is the number the kernel gets as the answer.
pub(super) type Res<T> = Result<T, Errno>;

/// The number of the root, given by the protocol.
pub(super) const ROOT: u64 = 1;

/// One name of a node.
#[derive(Clone)]
pub(super) struct Link {
    pub parent: Arc<Node>,
    pub name: Arc<OsStr>,
}

/// Where the inode of a file is.
pub(super) enum Place {
    /// In the upper of the directory of each of its names.
    Upper,
    /// In a lower layer; for ever there, whatever happens to its names.
    Lower { layer: Arc<LayerDir>, name: Arc<OsStr> },
    /// In the upper, without a name. Regular files are open for reading and writing, others as `O_PATH`.
    Detached(Arc<OwnedFd>),
}

/// What can change of a node that is not a directory, and the names of any node.
pub(super) struct State {
    /// Known names. A directory has one; a file without any has been removed.
    pub names: Vec<Link>,
    /// Meaningless for directories.
    pub place: Place,
    /// Names that lower layers still show while the inode was copied up, less those that were removed: what to add to the
    /// link count of the real inode.
    pub more_links: i64,
    /// Made by this mount and never given attributes: no message about them needs a system call.
    pub bare: bool,
}

/// What a directory has besides.
pub(super) struct Dir {
    /// Its part in the upper layer; once made, it stays the same.
    pub upper: OnceLock<Arc<LayerDir>>,
    /// Its parts in lower layers, topmost first; `None` before the directory was first used.
    pub lowers: RwLock<Option<Arc<[Arc<LayerDir>]>>>,
    /// The merged listing, and the lock under which names in it change.
    pub entries: Mutex<Entries>,
}

/// A file, directory or anything else of the union.
pub(super) struct Node {
    pub ino: u64,
    pub kind: FileType,
    /// How many answers named it to the kernel, less those that it forgot.
    lookups: AtomicU64,
    pub state: Mutex<State>,
    /// Held while this node is copied up.
    pub copying: Mutex<()>,
    /// An open file for its data, owned by [`super::data::OpenFiles`].
    pub data: Mutex<Option<Arc<OwnedFd>>>,
    /// Whether `data` was used since the cache looked last.
    pub used: AtomicBool,
    dir: Option<Box<Dir>>,
}

impl Node {
    pub fn new(ino: u64, kind: FileType, names: Vec<Link>, place: Place) -> Self {
        let dir = (kind == FileType::Directory).then(|| {
            Box::new(Dir { upper: OnceLock::new(), lowers: RwLock::new(None), entries: Mutex::new(Entries::default()) })
        });
        Self {
            ino,
            kind,
            lookups: AtomicU64::new(0),
            state: Mutex::new(State { names, place, more_links: 0, bare: false }),
            copying: Mutex::new(()),
            data: Mutex::new(None),
            used: AtomicBool::new(false),
            dir,
        }
    }

    /// The node as a directory.
    pub fn dir(&self) -> Res<&Dir> {
        self.dir.as_deref().ok_or(Errno::NOTDIR)
    }

    /// The part of a directory in the upper layer, if it has one.
    pub fn upper(&self) -> Option<&Arc<LayerDir>> {
        self.dir.as_ref()?.upper.get()
    }

    /// Whether names in this directory are now only made and removed in the upper layer: no lower one has it.
    pub fn is_pure(&self) -> bool {
        self.dir.as_ref().is_some_and(|dir| read(&dir.lowers).as_ref().is_some_and(|lowers| lowers.is_empty()))
    }
}

/// Takes a lock; a thread that panicked with it has left nothing half-done that matters: the disk decides.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As [`lock`].
pub(super) fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// As [`lock`].
pub(super) fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// All nodes by number.
#[derive(Default)]
pub(super) struct Nodes {
    table: RwLock<HashMap<u64, Arc<Node>>>,
}

impl Nodes {
    /// The node the kernel means.
    pub fn get(&self, ino: u64) -> Res<Arc<Node>> {
        self.find(ino).ok_or(Errno::STALE)
    }

    pub fn find(&self, ino: u64) -> Option<Arc<Node>> {
        read(&self.table).get(&ino).cloned()
    }

    /// The node `ino`, made by `make` when nobody knows it yet, with one more look-up to be forgotten.
    pub fn intern(&self, ino: u64, make: impl FnOnce() -> Node) -> (Arc<Node>, bool) {
        if let Some(node) = read(&self.table).get(&ino) {
            node.lookups.fetch_add(1, Ordering::AcqRel);
            return (Arc::clone(node), false);
        }
        let mut table = write(&self.table);
        let mut made = false;
        let node = table.entry(ino).or_insert_with(|| {
            made = true;
            Arc::new(make())
        });
        node.lookups.fetch_add(1, Ordering::AcqRel);
        (Arc::clone(node), made)
    }

    /// One more answer names `node` to the kernel.
    pub fn remember(&self, node: &Arc<Node>) {
        let mut table = write(&self.table);
        node.lookups.fetch_add(1, Ordering::AcqRel);
        table.entry(node.ino).or_insert_with(|| Arc::clone(node));
    }

    /// Takes back `count` look-ups. A node that nobody needs any more goes, and so may its directories.
    pub fn forget(&self, ino: u64, count: u64) {
        self.forget_held(ino, count, 0);
    }

    /// As [`Nodes::forget`], by one who still holds the node itself `held` times.
    pub fn forget_held(&self, ino: u64, count: u64, held: usize) {
        let mut table = write(&self.table);
        let Some(node) = table.get(&ino) else { return };
        let left = node.lookups.fetch_sub(count, Ordering::AcqRel).saturating_sub(count);
        if left == 0 {
            Self::release(&mut table, ino, held);
        }
    }

    /// Removes `ino` and then those of its ancestors that only it kept.
    fn release(table: &mut HashMap<u64, Arc<Node>>, ino: u64, held: usize) {
        let mut candidates = vec![(ino, held)];
        while let Some((ino, held)) = candidates.pop() {
            let Some(node) = table.get(&ino) else { continue };
            let unused =
                ino != ROOT && node.lookups.load(Ordering::Acquire) == 0 && Arc::strong_count(node) == 1 + held;
            // A file whose other names are not linked yet must not be found as its lower self again.
            if !unused || lock(&node.state).more_links > 0 {
                continue;
            }
            let parents: Vec<_> = lock(&node.state).names.iter().map(|link| (link.parent.ino, 0)).collect();
            table.remove(&ino);
            candidates.extend(parents);
        }
    }
}

/// The numbers that programs see for real inodes.
#[derive(Default)]
pub(super) struct Origins {
    devices: RwLock<Vec<u64>>,
    /// Inodes of the upper that are copies, with the number their originals had.
    copies: RwLock<HashMap<(u64, u64), u64>>,
}

impl Origins {
    /// The number shown for the inode `ino` of `device`.
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
        // 0 and 1 mean something to the protocol.
        let ino = if ino <= ROOT { ino | 1 << 55 } else { ino };
        ino ^ index << 56
    }

    pub fn shown_stat(&self, stat: &Stat) -> u64 {
        self.shown(stat.st_dev, stat.st_ino)
    }

    /// The inode of `stat`, in the upper, is the copy of what is shown as `shown`.
    pub fn copied(&self, stat: &Stat, shown: u64) {
        write(&self.copies).insert((stat.st_dev, stat.st_ino), shown);
    }

    /// As [`Origins::copied`], for the inode with this device and number.
    pub fn copied_as(&self, copy: (u64, u64), shown: u64) {
        write(&self.copies).insert(copy, shown);
    }

    /// The inode is gone; its number may come back for another file.
    pub fn gone(&self, stat: &Stat) {
        let key = (stat.st_dev, stat.st_ino);
        if read(&self.copies).contains_key(&key) {
            write(&self.copies).remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(ino: u64, parent: &Arc<Node>) -> Node {
        let link = Link { parent: Arc::clone(parent), name: Arc::from(OsStr::new("f")) };
        Node::new(ino, FileType::RegularFile, vec![link], Place::Upper)
    }

    #[test]
    fn a_directory_outlives_what_is_in_it() {
        let nodes = Nodes::default();
        let (directory, made) = nodes.intern(5, || Node::new(5, FileType::Directory, Vec::new(), Place::Upper));
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
            nodes.intern(9, || Node::new(9, FileType::Symlink, Vec::new(), Place::Upper));
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
