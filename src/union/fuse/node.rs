//! The nodes of the union: their names, and the place of their data. The kernel knows them by number
//! ([`super::inodes`]).
//!
//! # Theory of operation
//!
//! A directory has a handle in its upper and in each lower layer that has it ([`DirHandle`]). A file is only a pair
//! (directory, name), and each operation is one `*at` call with a single component. So renaming a directory costs the
//! same for any number of files below it.
//!
//! Lock order: `Fs::renames`, `Fs::stacks`, `Dir::entries` (of two directories: the smaller inode number first),
//! `Node::state`, then leaves (tables, caches, the locks of [`super::layer`]). No lock is held while a file's data is
//! copied up, except for the [`Claim`] on that node.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, RwLock};

use rustix::fs::FileType;
use rustix::io::Errno;

use super::entries::Entries;
use super::layer::DirHandle;
use super::lookups::Lookups;
use super::name::Name;
use super::primitives::{Res, lock, read};

/// One name of a node.
#[derive(Clone)]
pub(super) struct Link {
    pub parent: Arc<Node>,
    pub name: Name,
}

impl Link {
    /// Whether it is this name.
    pub fn is(&self, parent: &Arc<Node>, name: &OsStr) -> bool {
        Arc::ptr_eq(&self.parent, parent) && *self.name == *name
    }
}

/// Where the inode of a file is.
pub(super) enum Place {
    /// In the upper of the directory of each of its names.
    Upper,
    /// In a lower layer, under its first name.
    Lower(Arc<DirHandle>),
    /// In a lower layer under this name, whatever happens to the node's names.
    LowerAs(Box<(Arc<DirHandle>, Name)>),
    /// In the upper, unlinked. Regular files are open for reading and writing, others as `O_PATH`.
    Detached(Arc<OwnedFd>),
}

impl Place {
    /// Whether the inode is in a lower layer.
    pub fn is_lower(&self) -> bool {
        matches!(self, Place::Lower(_) | Place::LowerAs(_))
    }
}

/// The mutable part of a node that is not a directory, and the names of any node. Small: most nodes have one name and
/// nothing else.
pub(super) struct State {
    first: Option<Link>,
    extra: Option<Box<Extra>>,
    /// Unused for directories.
    pub place: Place,
}

/// Fields that few nodes need.
#[derive(Default)]
struct Extra {
    /// All names except the first.
    names: Vec<Link>,
    /// Names that lower layers still show after a copy-up, less the removed ones: added to the link count of the real
    /// inode.
    more_links: i64,
    /// An open file for its data, owned by [`super::open_files::OpenFiles`].
    data: Option<Arc<OwnedFd>>,
}

impl State {
    /// The first known name. A directory has exactly one; a file without any was removed.
    pub fn first(&self) -> Option<&Link> {
        self.first.as_ref()
    }

    /// All known names.
    pub fn names(&self) -> impl Iterator<Item = &Link> {
        self.first.iter().chain(self.extra.iter().flat_map(|extra| &extra.names))
    }

    /// One more name is known.
    pub fn add_name(&mut self, link: Link) {
        match self.first {
            None => self.first = Some(link),
            Some(_) => self.extra().names.push(link),
        }
    }

    /// Removes a known name.
    pub fn remove_name(&mut self, parent: &Arc<Node>, name: &OsStr) {
        if let Some(extra) = &mut self.extra {
            extra.names.retain(|link| !link.is(parent, name));
        }
        let Some(first) = self.first.take_if(|first| first.is(parent, name)) else { return };
        if let Place::Lower(layer) = &self.place {
            self.place = Place::LowerAs(Box::new((Arc::clone(layer), first.name)));
        }
        self.first = self.extra.as_mut().and_then(|extra| extra.names.pop());
    }

    /// Replaces a name of a directory, or of a file that is not in a lower layer.
    pub fn move_name(&mut self, parent: &Arc<Node>, name: &OsStr, to: Link) {
        let more = self.extra.iter_mut().flat_map(|extra| &mut extra.names);
        if let Some(link) = self.first.iter_mut().chain(more).find(|link| link.is(parent, name)) {
            *link = to;
        }
    }

    /// The directory has been removed.
    pub fn clear_names(&mut self) {
        self.first = None;
    }

    /// Where the inode is in a lower layer.
    pub fn lower(&self) -> Option<(&Arc<DirHandle>, &Name)> {
        match &self.place {
            Place::Lower(layer) => Some((layer, &self.first.as_ref()?.name)),
            Place::LowerAs(place) => Some((&place.0, &place.1)),
            Place::Upper | Place::Detached(_) => None,
        }
    }

    /// The number to add to the link count of the real inode.
    pub fn more_links(&self) -> i64 {
        self.extra.as_ref().map_or(0, |extra| extra.more_links)
    }

    /// As [`State::more_links`].
    pub fn set_more_links(&mut self, more: i64) {
        if more != self.more_links() {
            self.extra().more_links = more;
        }
    }

    /// The open file for the data, if there is one.
    pub fn data(&self) -> Option<&Arc<OwnedFd>> {
        self.extra.as_ref()?.data.as_ref()
    }

    /// As [`State::data`].
    pub fn set_data(&mut self, data: Option<Arc<OwnedFd>>) {
        match data {
            Some(_) => self.extra().data = data,
            None => {
                if let Some(extra) = &mut self.extra {
                    extra.data = None;
                }
                self.extra.take_if(|extra| extra.names.is_empty() && extra.more_links == 0);
            }
        }
    }

    fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }
}

/// The part of a node that only directories have.
pub(super) struct Dir {
    /// The directory in the upper; set once.
    pub upper: OnceLock<Arc<DirHandle>>,
    /// The directory in lower layers, topmost first; `None` before its first use.
    pub lowers: RwLock<Option<Arc<[Arc<DirHandle>]>>>,
    /// The merged listing; its lock guards changes of names in the directory.
    pub entries: Mutex<Entries>,
}

/// What a node is known to lack, to save system calls. Of a file, it changes with `state` locked.
#[derive(Default)]
pub(super) struct KnownAbsent(AtomicU8);

impl KnownAbsent {
    /// Extended attributes.
    pub const ATTRIBUTES: u8 = 1;
    /// Set-id bits.
    pub const SET_ID: u8 = 2;

    pub fn has_none(&self, what: u8) -> bool {
        self.0.load(Ordering::Relaxed) & what != 0
    }

    pub fn note(&self, what: u8, none: bool) {
        match none {
            true => self.0.fetch_or(what, Ordering::Relaxed),
            false => self.0.fetch_and(!what, Ordering::Relaxed),
        };
    }
}

/// A file, directory or anything else of the union.
pub(super) struct Node {
    pub ino: u64,
    pub kind: FileType,
    /// Whether its open file was used since the cache's last check.
    pub used: AtomicBool,
    pub known_absent: KnownAbsent,
    pub lookups: Lookups,
    pub state: Mutex<State>,
    dir: Option<Box<Dir>>,
}

impl Node {
    pub fn new(ino: u64, kind: FileType, name: Option<Link>, place: Place) -> Self {
        let dir = (kind == FileType::Directory).then(|| {
            Box::new(Dir { upper: OnceLock::new(), lowers: RwLock::new(None), entries: Mutex::new(Entries::default()) })
        });
        Self {
            ino,
            kind,
            used: AtomicBool::new(false),
            known_absent: KnownAbsent::default(),
            lookups: Lookups::default(),
            state: Mutex::new(State { first: name, extra: None, place }),
            dir,
        }
    }

    /// The node as a directory.
    pub fn dir(&self) -> Res<&Dir> {
        self.dir.as_deref().ok_or(Errno::NOTDIR)
    }

    /// The directory in the upper, if it exists.
    pub fn upper(&self) -> Option<&Arc<DirHandle>> {
        self.dir.as_ref()?.upper.get()
    }

    /// Whether no lower layer has this directory, so that names change in the upper only.
    pub fn is_pure(&self) -> bool {
        self.dir.as_ref().is_some_and(|dir| read(&dir.lowers).as_ref().is_some_and(|lowers| lowers.is_empty()))
    }
}

/// The nodes that are being copied up, each by one thread at a time.
#[derive(Default)]
pub(super) struct Copying {
    busy: Mutex<HashSet<u64>>,
    done: Condvar,
    settled: AtomicU64,
}

/// The exclusive right to copy a node up.
pub(super) struct Claim<'a>(&'a Copying, u64);

impl Copying {
    /// How many copies were put in place. A thread that saw a file in a lower layer at a smaller count must look again.
    pub fn settled(&self) -> u64 {
        self.settled.load(Ordering::SeqCst)
    }

    /// A copy was put in place, and its node is up to date.
    pub fn settle(&self) {
        self.settled.fetch_add(1, Ordering::SeqCst);
    }

    /// Waits until no thread copies the node up.
    pub fn claim(&self, node: &Node) -> Claim<'_> {
        let mut busy = lock(&self.busy);
        while !busy.insert(node.ino) {
            busy = self.done.wait(busy).unwrap_or_else(PoisonError::into_inner);
        }
        Claim(self, node.ino)
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        lock(&self.0.busy).remove(&self.1);
        self.0.done.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(parent: &Arc<Node>, name: &str) -> Link {
        Link { parent: Arc::clone(parent), name: Name::from(OsStr::new(name)) }
    }

    #[test]
    fn names_come_and_go() {
        let directory = Arc::new(Node::new(5, FileType::Directory, None, Place::Upper));
        let node = Node::new(6, FileType::RegularFile, Some(link(&directory, "f")), Place::Upper);
        let mut state = lock(&node.state);
        let names = |state: &State| state.names().map(|link| format!("{:?}", link.name)).collect::<Vec<_>>().join(" ");
        state.add_name(link(&directory, "g"));
        state.add_name(link(&directory, "h"));
        state.remove_name(&directory, OsStr::new("f"));
        assert_eq!(names(&state), r#""h" "g""#);
        state.move_name(&directory, OsStr::new("g"), link(&directory, "i"));
        assert_eq!(names(&state), r#""h" "i""#);
        state.remove_name(&directory, OsStr::new("i"));
        state.remove_name(&directory, OsStr::new("h"));
        state.remove_name(&directory, OsStr::new("x"));
        assert_eq!(names(&state), "");
        assert!(state.first().is_none() && state.lower().is_none());
        state.set_more_links(2);
        state.set_data(None);
        assert_eq!(state.more_links(), 2);
    }

    #[test]
    fn most_nodes_are_small() {
        // The two reference counts and the allocator's header come on top.
        assert!(size_of::<Node>() <= 88, "{}", size_of::<Node>());
    }

    #[test]
    fn one_copies_at_a_time() {
        let copying = Copying::default();
        let node = Arc::new(Node::new(5, FileType::RegularFile, None, Place::Upper));
        let inside = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let _claim = copying.claim(&node);
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
    }
}
