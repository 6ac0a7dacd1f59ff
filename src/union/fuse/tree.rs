//! The union: its shared state, and lookup of names.
//!
//! A name is looked up in the upper, then in the lower layers from the top. The first layer that has it decides; a
//! whiteout means that it does not exist. Once a directory was listed, absent names are answered without a system call.

use std::ffi::OsStr;
use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use rustix::fs::{AtFlags, FileType, Stat};
use rustix::io::Errno;

use super::entries::Known;
use super::hard_links::HardLinks;
use super::inodes::{Nodes, Origins};
use super::layer::{DirHandle, LayerDir, OpenDirs, Opened};
use super::location::Location;
use super::name::Name;
use super::node::{Copying, Link, Node, Place};
use super::open_files::OpenFiles;
use super::owners::Owners;
use super::primitives::{NAME_MAX, ROOT, Res, lock, read, write};
use super::quota::Quota;
use super::unsynced::Unsynced;
use super::whiteout::{WorkDir, is_whiteout};

/// A mounted union.
pub(super) struct Fs {
    pub nodes: Nodes,
    pub origins: Origins,
    pub work: WorkDir,
    pub files: OpenFiles,
    /// The id map between programs and the disk, which has the image's ids.
    pub owners: Owners,
    /// The limit of what the upper may take.
    pub quota: Option<Quota>,
    /// Nothing needs to survive a power cut.
    pub volatile: bool,
    /// Copies that are not on the disk yet; `None` if they need not be.
    pub unsynced: Option<Arc<Unsynced>>,
    /// Copies whose originals have further names in lower layers.
    pub hard_links: HardLinks,
    /// Whether layers and upper are known to share blocks (`FICLONE`).
    pub clones: AtomicBool,
    /// One rename at a time.
    pub renames: Mutex<()>,
    /// Held while directories are opened, copied up or moved, so that their paths stay the same.
    pub stacks: Mutex<()>,
    /// Copy-ups in progress.
    pub copying: Copying,
}

/// The directory in each layer that has it.
#[derive(Clone)]
pub(super) struct Layers {
    pub upper: Option<Arc<DirHandle>>,
    pub lowers: Arc<[Arc<DirHandle>]>,
}

impl Layers {
    /// The topmost one, whose owner, mode and times are shown.
    pub fn top(&self) -> Res<&Arc<DirHandle>> {
        self.upper.as_ref().or_else(|| self.lowers.first()).ok_or(Errno::NOENT)
    }
}

/// What a name is on disk.
pub(super) struct Found {
    pub layer: Arc<DirHandle>,
    pub in_upper: bool,
    pub stat: Stat,
}

/// A node that an operation has looked up for itself; dropping it forgets the lookup.
pub(super) struct Held<'a> {
    nodes: &'a Nodes,
    node: Arc<Node>,
}

impl Deref for Held<'_> {
    type Target = Arc<Node>;

    fn deref(&self) -> &Arc<Node> {
        &self.node
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.nodes.forget_held(self.node.ino, 1, 1);
    }
}

impl Fs {
    /// A union with these roots. Lower layers are given topmost first.
    pub fn new(upper: LayerDir, lowers: Vec<LayerDir>, work: WorkDir, volatile: bool) -> Res<Self> {
        let fs = Self::without_roots(work, volatile);
        // Inode numbers of the upper's device are shown unchanged.
        fs.origins.shown(upper.device, ROOT);
        fs.set_roots(upper, lowers)?;
        Ok(fs)
    }

    fn set_roots(&self, upper: LayerDir, lowers: Vec<LayerDir>) -> Res<()> {
        let (root, _) = self.nodes.intern(ROOT, || Node::new(ROOT, FileType::Directory, None, Place::Upper));
        let dir = root.dir()?;
        let open_dirs = Arc::new(OpenDirs::new());
        let lowers = (0u32..).zip(lowers).map(|(number, lower)| DirHandle::root(lower, number, &open_dirs));
        *write(&dir.lowers) = Some(lowers.collect());
        let _ = dir.upper.set(DirHandle::root(upper, 0, &open_dirs));
        Ok(())
    }

    fn without_roots(work: WorkDir, volatile: bool) -> Self {
        Self {
            nodes: Nodes::default(),
            origins: Origins::default(),
            work,
            files: OpenFiles::new(),
            owners: Owners::default(),
            quota: None,
            volatile,
            unsynced: None,
            hard_links: HardLinks::default(),
            clones: AtomicBool::new(true),
            renames: Mutex::new(()),
            stacks: Mutex::new(()),
            copying: Copying::default(),
        }
    }

    /// Reads which copies have names that are not linked yet. They are shown with the inode numbers of their originals.
    pub fn load_hard_links(&mut self, work: OwnedFd) -> Res<()> {
        self.hard_links = HardLinks::open(work)?;
        let root = self.nodes.get(ROOT)?;
        let device = root.upper().ok_or(Errno::STALE)?.device;
        for (copy, original) in self.hard_links.copies() {
            self.origins.copied_as((device, copy), original);
        }
        Ok(())
    }

    /// The directory in each layer, opened if need be.
    pub fn layers(&self, node: &Arc<Node>) -> Res<Layers> {
        if let Some(layers) = known_layers(node)? {
            return Ok(layers);
        }
        let _stacks = lock(&self.stacks);
        self.open_layers(node)
    }

    /// As [`Fs::layers`], with `stacks` held.
    pub fn open_layers(&self, node: &Arc<Node>) -> Res<Layers> {
        if let Some(layers) = known_layers(node)? {
            return Ok(layers);
        }
        let link = only_link(node)?;
        let above = self.open_layers(&link.parent)?;
        let mut upper = None;
        let mut lowers = Vec::new();
        let chain =
            above.upper.iter().map(|layer| (layer, true)).chain(above.lowers.iter().map(|layer| (layer, false)));
        for (layer, in_upper) in chain {
            match layer.open()?.open(&link.name)? {
                Opened::Directory(dir, opaque) => {
                    let handle = layer.child(&link.name, dir);
                    match in_upper {
                        true => upper = Some(handle),
                        false => lowers.push(handle),
                    }
                    if opaque {
                        break;
                    }
                }
                Opened::Absent => {}
                Opened::Blocked => break,
            }
        }
        let dir = node.dir()?;
        if let Some(upper) = upper {
            let _ = dir.upper.set(upper);
        }
        *write(&dir.lowers) = Some(lowers.into());
        known_layers(node)?.filter(|layers| layers.top().is_ok()).ok_or(Errno::NOENT)
    }

    /// Looks up `name` in the layers that may have it.
    pub fn find(&self, layers: &Layers, name: &OsStr, known: Known) -> Res<Option<Found>> {
        if name.len() > NAME_MAX {
            return Err(Errno::NAMETOOLONG);
        }
        let from = match known {
            Known::Absent => return Ok(None),
            Known::Unknown => 0,
            Known::Lower(depth) => depth,
        };
        if let Some(upper) = &layers.upper
            && let Some(found) = probe(upper, name, true)?
        {
            return Ok(found);
        }
        find_lower(layers, name, from)
    }

    /// Whether lower layers show something at `name`: then removing it needs a whiteout.
    pub fn lower_has(&self, layers: &Layers, name: &OsStr) -> Res<bool> {
        Ok(find_lower(layers, name, 0)?.is_some())
    }

    /// The node at `name`, with one more lookup to be forgotten, and its attributes.
    pub fn lookup(&self, parent: &Arc<Node>, name: &OsStr) -> Res<Option<(Arc<Node>, Stat)>> {
        let known = lock(&parent.dir()?.entries).known(name);
        self.lookup_known(parent, name, known)
    }

    /// As [`Fs::lookup`], with what the directory's listing says of the name.
    pub fn lookup_known(&self, parent: &Arc<Node>, name: &OsStr, known: Known) -> Res<Option<(Arc<Node>, Stat)>> {
        let layers = self.layers(parent)?;
        let settled = self.copying.settled();
        let Some(found) = self.find(&layers, name, known)? else { return Ok(None) };
        let lower = !found.in_upper;
        let (node, stat) = self.node_of(parent, name, found)?;
        Ok(Some(match lower && self.copying.settled() != settled {
            true => self.seen_again(&layers, node, name, stat),
            false => (node, stat),
        }))
    }

    /// As [`Fs::lookup`], within an operation. A listed name of a known node needs no system call.
    pub fn resolve(&self, parent: &Arc<Node>, name: &OsStr) -> Res<Option<Held<'_>>> {
        let number = lock(&parent.dir()?.entries).number(name);
        if let Some(node) = number.and_then(|number| self.nodes.hold(number)) {
            let held = Held { nodes: &self.nodes, node };
            if lock(&held.state).names().any(|link| link.is(parent, name)) {
                return Ok(Some(held));
            }
        }
        Ok(self.lookup(parent, name)?.map(|(node, _)| Held { nodes: &self.nodes, node }))
    }

    /// Looks again at a file that was found in a lower layer while copy-ups finished. It may have been copied, and its
    /// node forgotten ([`Fs::rename`] of a directory): then the node was just made again, for the lower file.
    fn seen_again(&self, layers: &Layers, node: Arc<Node>, name: &OsStr, stat: Stat) -> (Arc<Node>, Stat) {
        let is_copy = |found: &Found| found.in_upper && self.origins.shown_stat(&found.stat) == node.ino;
        let Some(copy) = self.find(layers, name, Known::Unknown).ok().flatten().filter(is_copy) else {
            return (node, stat);
        };
        let mut state = lock(&node.state);
        if state.place.is_lower() {
            state.place = Place::Upper;
        }
        let more = state.more_links();
        drop(state);
        let stat = self.shown_attributes(&node, copy.stat, more);
        (node, stat)
    }

    /// The node of what was found at `name`.
    fn node_of(&self, parent: &Arc<Node>, name: &OsStr, found: Found) -> Res<(Arc<Node>, Stat)> {
        let kind = FileType::from_raw_mode(found.stat.st_mode);
        let linked = kind == FileType::RegularFile && found.stat.st_nlink > 1;
        if linked && !found.in_upper && self.hard_links.has_copy_of(&found.stat) {
            return self.adopt(parent, name, &found.stat);
        }
        let ino = self.origins.shown_stat(&found.stat);
        let link = Link { parent: Arc::clone(parent), name: Name::from(name) };
        let in_upper = found.in_upper;
        let (node, made) = self.nodes.intern(ino, || {
            let place = match in_upper {
                true => Place::Upper,
                false => Place::Lower(Arc::clone(&found.layer)),
            };
            Node::new(ino, kind, Some(link.clone()), place)
        });
        if made {
            let mut more = 0;
            if linked && in_upper {
                // One link is that of the index.
                more = self.hard_links.left(found.stat.st_ino).map_or(0, |left| left - 1);
                lock(&node.state).set_more_links(more);
            }
            let stat = self.shown_attributes(&node, found.stat, more);
            return Ok((node, stat));
        }
        if node.kind != kind {
            self.nodes.forget(ino, 1);
            return Err(Errno::STALE);
        }
        if kind == FileType::Directory {
            let stat = self.shown_attributes(&node, found.stat, 0);
            return Ok((node, stat));
        }
        let copied_since = {
            let mut state = lock(&node.state);
            let known = state.names().any(|known| known.is(parent, name));
            let copied_since = !in_upper && !state.place.is_lower();
            if !known && !copied_since {
                state.add_name(link.clone());
                if in_upper {
                    // The node may have lost the name it was known by.
                    state.place = Place::Upper;
                }
            }
            copied_since.then_some(known)
        };
        match copied_since {
            None => {
                let more = lock(&node.state).more_links();
                let stat = self.shown_attributes(&node, found.stat, more);
                Ok((node, stat))
            }
            Some(known) => {
                if !known {
                    self.link_further_name(&node, link)?;
                }
                let stat = self.stat(&node)?;
                Ok((node, stat))
            }
        }
    }

    /// Links the copy that the index has of a file to a further name of its original.
    fn adopt(&self, parent: &Arc<Node>, name: &OsStr, original: &Stat) -> Res<(Arc<Node>, Stat)> {
        let upper = self.upper_of(parent)?;
        let copy = self.hard_links.copy_of(original.st_ino).ok_or(Errno::STALE)?;
        let node = self.nodes.find(self.origins.shown(upper.device, copy));
        let linked = {
            let mut state = node.as_ref().map(|node| lock(&node.state));
            let linked = self.hard_links.link(original.st_ino, &upper, name);
            if let (Ok(true), Some(state)) = (linked, &mut state) {
                // One more link, one fewer name left. The last one replaces the index's link.
                let more = state.more_links() - 1;
                state.set_more_links(more);
            }
            linked
        };
        match linked {
            // Another thread was faster.
            Ok(_) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
        let stat = rustix::fs::statat(&upper, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if is_whiteout(&upper, name, &stat) {
            // It was removed in the meantime.
            return Err(Errno::NOENT);
        }
        let layer = Arc::clone(parent.upper().ok_or(Errno::STALE)?);
        self.node_of(parent, name, Found { layer, in_upper: true, stat })
    }

    /// Links the copy of a file to a further name of its original in a lower layer, so that they stay one file.
    fn link_further_name(&self, node: &Arc<Node>, link: Link) -> Res<()> {
        let upper = self.upper_of(&link.parent)?;
        let mut state = lock(&node.state);
        let linked = self.spot_in(node, &state)?.link_to(&upper, &link.name);
        match linked {
            Ok(()) => {
                state.add_name(link);
                let more = state.more_links() - 1;
                state.set_more_links(more);
                Ok(())
            }
            // Its last name was removed in the meantime: it is read and written through its open file.
            Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// The attributes to show for a node whose real inode has `stat`.
    pub fn shown_attributes(&self, node: &Node, mut stat: Stat, more_links: i64) -> Stat {
        stat.st_ino = node.ino;
        if node.kind == FileType::Directory {
            // As overlayfs does for a merged directory: counting its subdirectories costs too much. 1 means unknown.
            if !node.is_pure() {
                stat.st_nlink = 1;
            }
        } else {
            stat.st_nlink = stat.st_nlink.saturating_add_signed(more_links as _);
        }
        stat
    }

    /// The attributes of a node.
    pub fn stat(&self, node: &Arc<Node>) -> Res<Stat> {
        let (stat, more_links) = match node.kind {
            FileType::Directory => (Location::Dir(self.layers(node)?.top()?.open()?).stat()?, 0),
            _ => {
                let state = lock(&node.state);
                (self.spot_in(node, &state)?.stat()?, state.more_links())
            }
        };
        Ok(self.shown_attributes(node, stat, more_links))
    }
}

/// The one name of a directory.
pub(super) fn only_link(node: &Node) -> Res<Link> {
    lock(&node.state).first().cloned().ok_or(Errno::NOENT)
}

fn known_layers(node: &Node) -> Res<Option<Layers>> {
    let dir = node.dir()?;
    Ok(read(&dir.lowers).as_ref().map(|lowers| Layers { upper: dir.upper.get().cloned(), lowers: Arc::clone(lowers) }))
}

fn find_lower(layers: &Layers, name: &OsStr, from: usize) -> Res<Option<Found>> {
    for lower in layers.lowers.iter().skip(from) {
        if let Some(found) = probe(lower, name, false)? {
            return Ok(found);
        }
    }
    Ok(None)
}

/// What one layer says about a name: nothing, a file, or a whiteout.
fn probe(layer: &Arc<DirHandle>, name: &OsStr, in_upper: bool) -> Res<Option<Option<Found>>> {
    let open = layer.open()?;
    match open.stat_at(name) {
        Ok(stat) if is_whiteout(&open, name, &stat) => Ok(Some(None)),
        Ok(stat) => Ok(Some(Some(Found { layer: Arc::clone(layer), in_upper, stat }))),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}
