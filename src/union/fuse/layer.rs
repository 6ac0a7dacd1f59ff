//! A directory in one layer, and overlayfs's marks on it.
//!
//! # Theory of operation
//!
//! A [`LayerDir`] is open. A [`DirHandle`] stands for a directory for as long as it may be needed, and opens it on use;
//! a bounded number is open at a time ([`OpenDirs`], second-chance order). It is reopened by its name in the parent
//! directory, and must be the same inode. The path is always known: layers do not change, and a rename of a directory
//! in the upper holds the path's lock meanwhile ([`DirHandle::moving`]). A directory is opened before its removal and
//! stays open ([`DirHandle::keep`]): programs may still be in it.
//!
//! Locks: the path of a directory, then that of its parent, up to the root; then the slots of open directories, one at
//! a time, then [`OpenDirs`]. None of the union's other locks is taken under them.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::name::Name;
use super::primitives::{Res, lock};
use super::recorded;

/// `y`: hides lower layers; `x`: empty files in it may be whiteouts.
pub(super) const OPAQUE: &str = "user.overlay.opaque";

/// The most open directories; fewer if the limit of open files is low.
const MAX_OPEN: usize = 512;

/// An open directory of one layer.
pub(super) struct LayerDir {
    fd: OwnedFd,
    /// Its `st_dev`.
    pub device: u64,
    /// Its `st_ino`.
    inode: u64,
    /// Whether empty files in it may be whiteouts.
    marked: Arc<AtomicBool>,
    /// Whether owners may be recorded in attributes.
    recorded: bool,
}

/// What a layer has at a name that is a directory in a layer above.
pub(super) enum Opened {
    /// A directory, and whether it hides the layers below.
    Directory(LayerDir, bool),
    Absent,
    /// A whiteout or another kind of file: the layers below are hidden.
    Blocked,
}

impl AsFd for LayerDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

const FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

impl LayerDir {
    /// The root of a layer.
    pub fn root(path: &Path) -> Res<Self> {
        Ok(Self::new(rustix::fs::openat(CWD, path, FLAGS, Mode::empty())?)?.0)
    }

    /// The directory `name` in this one.
    pub fn open(&self, name: &OsStr) -> Res<Opened> {
        Ok(match Self::at(self, name)? {
            Opened::Directory(dir, opaque) => Opened::Directory(Self { recorded: self.recorded, ..dir }, opaque),
            other => other,
        })
    }

    /// For a layer's root: reads recorded owners in this layer, if the root itself has one.
    pub fn with_recorded_owners(mut self) -> Self {
        let mut value = [0u8; 64];
        self.recorded = rustix::fs::fgetxattr(&self, recorded::NAME, &mut value[..]).is_ok();
        self
    }

    /// The attributes of the directory.
    pub fn stat(&self) -> Res<Stat> {
        let stat = rustix::fs::fstat(self)?;
        Ok(self.with_recorded(stat, |name, value| rustix::fs::fgetxattr(self, name, value)))
    }

    /// The attributes of `name` in it.
    pub fn stat_at(&self, name: &OsStr) -> Res<Stat> {
        let stat = rustix::fs::statat(self, name, AtFlags::SYMLINK_NOFOLLOW)?;
        match self.recorded {
            true => {
                let path = path_of(self, name);
                Ok(self.with_recorded(stat, |name, value| rustix::fs::lgetxattr(&path, name, value)))
            }
            false => Ok(stat),
        }
    }

    fn with_recorded(&self, stat: Stat, read: impl Fn(&str, &mut [u8]) -> Res<usize>) -> Stat {
        let mut value = [0u8; 64];
        match self.recorded.then(|| read(recorded::NAME, &mut value)) {
            Some(Ok(length)) => recorded::apply(stat, value.get(..length).unwrap_or_default()),
            _ => stat,
        }
    }

    /// The directory `name` in `directory`.
    pub fn at(directory: impl AsFd, name: &OsStr) -> Res<Opened> {
        match rustix::fs::openat(directory, name, FLAGS, Mode::empty()) {
            Ok(fd) => {
                let (dir, opaque) = Self::new(fd)?;
                Ok(Opened::Directory(dir, opaque))
            }
            Err(Errno::NOENT) => Ok(Opened::Absent),
            Err(Errno::NOTDIR | Errno::LOOP) => Ok(Opened::Blocked),
            Err(errno) => Err(errno),
        }
    }

    fn new(fd: OwnedFd) -> Res<(Self, bool)> {
        let (opaque, marked) = marks(fd.as_fd())?;
        let dir = Self::with(fd, Arc::new(AtomicBool::new(marked)))?;
        Ok((dir, opaque))
    }

    fn with(fd: OwnedFd, marked: Arc<AtomicBool>) -> Res<Self> {
        let stat = rustix::fs::fstat(&fd)?;
        Ok(Self { fd, device: stat.st_dev, inode: stat.st_ino, marked, recorded: false })
    }

    /// A directory that was just made: it has no marks.
    pub fn fresh(fd: OwnedFd) -> Res<Self> {
        Self::with(fd, Arc::default())
    }

    /// Whether empty files in this directory may be whiteouts.
    pub fn has_marked_whiteouts(&self) -> bool {
        self.marked.load(Ordering::Relaxed)
    }

    /// Marks the directory so that empty files in it may be whiteouts.
    pub fn allow_marked_whiteouts(&self) -> Res<()> {
        if !self.has_marked_whiteouts() {
            rustix::fs::fsetxattr(self, OPAQUE, b"x", rustix::fs::XattrFlags::empty())?;
            self.marked.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Makes the directory hide lower layers.
    pub fn make_opaque(&self) -> Res<()> {
        rustix::fs::fsetxattr(self, OPAQUE, b"y", rustix::fs::XattrFlags::empty())?;
        self.marked.store(false, Ordering::Relaxed);
        Ok(())
    }
}

/// A path to `name` in `directory`, for system calls without an `at` variant.
pub(super) fn path_of(directory: &LayerDir, name: &OsStr) -> PathBuf {
    let mut path = OsString::with_capacity(32 + name.len());
    path.push(format!("/proc/self/fd/{}/", directory.as_fd().as_raw_fd()));
    path.push(name);
    path.into()
}

/// The open directories, oldest first.
pub(super) struct OpenDirs {
    order: Mutex<VecDeque<Weak<DirHandle>>>,
    limit: usize,
}

impl OpenDirs {
    pub fn new() -> Self {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
        Self::of(usize::try_from(limit / 8).unwrap_or(MAX_OPEN).clamp(16, MAX_OPEN))
    }

    fn of(limit: usize) -> Self {
        Self { order: Mutex::default(), limit }
    }

    /// Registers `handle` as open, and closes another if there are too many.
    fn opened(&self, handle: &Arc<DirHandle>) {
        let mut order = lock(&self.order);
        order.push_back(Arc::downgrade(handle));
        let mut chances = order.len();
        while order.len() > self.limit && chances > 0 {
            chances -= 1;
            let Some(oldest) = order.pop_front() else { break };
            let Some(victim) = oldest.upgrade() else { continue };
            let mut open = lock(&victim.open);
            match (victim.held.load(Ordering::SeqCst), victim.used.swap(false, Ordering::Relaxed)) {
                (true, _) => {}
                (false, true) => order.push_back(oldest),
                (false, false) => *open = None,
            }
        }
    }
}

/// The path of a directory: parent and name. `None` for a layer's root.
type Way = Option<(Arc<DirHandle>, Name)>;

/// A directory of one layer, open or not.
pub(super) struct DirHandle {
    /// Its `st_dev`.
    pub device: u64,
    inode: u64,
    /// Its lower layer, counted from the top.
    pub layer: u32,
    /// As in the [`LayerDir`].
    marked: Arc<AtomicBool>,
    recorded: bool,
    way: Mutex<Way>,
    open: Mutex<Option<Arc<LayerDir>>>,
    /// Whether it was used since the last check.
    used: AtomicBool,
    /// Whether it is never closed.
    held: AtomicBool,
    open_dirs: Arc<OpenDirs>,
}

impl DirHandle {
    /// A layer's root, which stays open. Lower layers are counted from the top; the upper's number is unused.
    pub fn root(dir: LayerDir, layer: u32, open_dirs: &Arc<OpenDirs>) -> Arc<Self> {
        let dir = Arc::new(dir);
        Arc::new(Self {
            device: dir.device,
            inode: dir.inode,
            layer,
            marked: Arc::clone(&dir.marked),
            recorded: dir.recorded,
            way: Mutex::new(None),
            open: Mutex::new(Some(dir)),
            used: AtomicBool::new(true),
            held: AtomicBool::new(true),
            open_dirs: Arc::clone(open_dirs),
        })
    }

    /// The handle of a directory that was opened as `name` in this one.
    pub fn child(self: &Arc<Self>, name: &OsStr, dir: LayerDir) -> Arc<Self> {
        let child = self.known_child(name, (dir.device, dir.inode), Arc::clone(&dir.marked));
        *lock(&child.open) = Some(Arc::new(dir));
        self.open_dirs.opened(&child);
        child
    }

    /// The handle of a directory that was just made as `name` in this one: it has no marks.
    pub fn fresh_child(self: &Arc<Self>, name: &OsStr, stat: &Stat) -> Arc<Self> {
        self.known_child(name, (stat.st_dev, stat.st_ino), Arc::default())
    }

    fn known_child(self: &Arc<Self>, name: &OsStr, (device, inode): (u64, u64), marked: Arc<AtomicBool>) -> Arc<Self> {
        Arc::new(Self {
            device,
            inode,
            layer: self.layer,
            marked,
            recorded: self.recorded,
            way: Mutex::new(Some((Arc::clone(self), Name::from(name)))),
            open: Mutex::new(None),
            used: AtomicBool::new(false),
            held: AtomicBool::new(false),
            open_dirs: Arc::clone(&self.open_dirs),
        })
    }

    /// The directory, opened if need be.
    pub fn open(self: &Arc<Self>) -> Res<Arc<LayerDir>> {
        if let Some(dir) = &*lock(&self.open) {
            self.used.store(true, Ordering::Relaxed);
            return Ok(Arc::clone(dir));
        }
        let way = lock(&self.way);
        if let Some(dir) = &*lock(&self.open) {
            return Ok(Arc::clone(dir));
        }
        let (above, name) = way.as_ref().ok_or(Errno::STALE)?;
        let fd = rustix::fs::openat(&above.open()?, &**name, FLAGS, Mode::empty())?;
        let dir = LayerDir { recorded: self.recorded, ..LayerDir::with(fd, Arc::clone(&self.marked))? };
        if (dir.device, dir.inode) != (self.device, self.inode) {
            return Err(Errno::STALE);
        }
        let dir = Arc::new(dir);
        *lock(&self.open) = Some(Arc::clone(&dir));
        drop(way);
        self.open_dirs.opened(self);
        Ok(dir)
    }

    /// Opens the directory for good: it is about to lose its name.
    pub fn keep(self: &Arc<Self>) -> Res<Arc<LayerDir>> {
        self.held.store(true, Ordering::SeqCst);
        self.open()
    }

    /// Locks the path while the directory is renamed.
    pub fn moving(&self) -> Moving<'_> {
        Moving(lock(&self.way))
    }
}

/// The path of a directory that is being renamed; openers wait.
pub(super) struct Moving<'a>(MutexGuard<'a, Way>);

impl Moving<'_> {
    /// Sets the new path.
    pub fn arrived(mut self, above: &Arc<DirHandle>, name: &OsStr) {
        *self.0 = Some((Arc::clone(above), Name::from(name)));
    }
}

/// Whether a directory is opaque, and whether it may hold whiteouts as attributes.
///
/// fuse-overlayfs' `user.fuseoverlayfs.opaque` is ignored: layers come from the archive module, which drops it, and a
/// container's own attribute of that name is an ordinary one.
fn marks(fd: BorrowedFd<'_>) -> Res<(bool, bool)> {
    let mut value = [0u8; 1];
    match rustix::fs::fgetxattr(fd, OPAQUE, &mut value[..]) {
        Ok(length) => Ok((length == 1 && value == *b"y", length == 1 && value == *b"x")),
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::RANGE) => Ok((false, false)),
        Err(errno) => Err(errno),
    }
}

/// The depth limit of [`walk`].
const MAX_DEPTH: usize = 4096;

/// Calls `visit` for everything in a directory, at any depth: with the parent directory, the path, the name and the
/// attributes. Returns whether it covered everything.
pub(super) fn walk(
    root: &LayerDir,
    mut visit: impl FnMut(BorrowedFd<'_>, &Path, &OsStr, &Stat) -> Res<()>,
) -> Res<bool> {
    let mut way = PathBuf::new();
    let mut everywhere = true;
    // Directories that are open and have names left. They are not reopened by path, which may change meanwhile.
    let mut open = vec![Dir::read_from(root)?];
    loop {
        let depth = open.len();
        let Some(directory) = open.last_mut() else { return Ok(everywhere) };
        let Some(entry) = directory.read() else {
            open.pop();
            way.pop();
            continue;
        };
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        let fd = directory.fd()?;
        // Skips what was removed meanwhile.
        let Ok(stat) = rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        visit(fd, &way, name, &stat)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            continue;
        }
        let inner = match depth < MAX_DEPTH {
            true => rustix::fs::openat(fd, name, FLAGS, Mode::empty()).and_then(Dir::new),
            false => Err(Errno::NAMETOOLONG),
        };
        match inner {
            Ok(inner) => {
                way.push(name);
                open.push(inner);
            }
            Err(Errno::NOENT) => {}
            Err(_) => everywhere = false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;

    fn open_in(parent: &Arc<DirHandle>, name: &str) -> Arc<DirHandle> {
        match parent.open().unwrap().open(OsStr::new(name)).unwrap() {
            Opened::Directory(dir, _) => parent.child(OsStr::new(name), dir),
            _ => panic!("no directory {name}"),
        }
    }

    fn is_open(handle: &DirHandle) -> bool {
        lock(&handle.open).is_some()
    }

    #[test]
    fn few_are_open_and_each_is_found_again_wherever_it_went() {
        let area = Staging::new(&std::env::temp_dir()).unwrap();
        let open_dirs = Arc::new(OpenDirs::of(4));
        let root = DirHandle::root(LayerDir::root(area.path()).unwrap(), 0, &open_dirs);
        let mut handles = Vec::new();
        for number in 0..20 {
            std::fs::create_dir_all(area.path().join(format!("a{number}/b"))).unwrap();
            let above = open_in(&root, &format!("a{number}"));
            handles.push((open_in(&above, "b"), above));
        }
        assert!(handles.iter().filter(|(below, above)| is_open(below) || is_open(above)).count() <= 4);
        let (below, above) = &handles[3];
        assert!(!is_open(below) && !is_open(above));
        let moving = above.moving();
        std::fs::rename(area.path().join("a3"), area.path().join("z")).unwrap();
        moving.arrived(&root, OsStr::new("z"));
        let stat = rustix::fs::fstat(below.open().unwrap()).unwrap();
        assert_eq!((stat.st_dev, stat.st_ino), (below.device, below.inode));
        // Another inode under the same name is refused.
        let (below, above) = &handles[4];
        std::fs::rename(area.path().join("a4/b"), area.path().join("a4/c")).unwrap();
        std::fs::create_dir(area.path().join("a4/b")).unwrap();
        assert!(above.open().is_ok());
        assert!(matches!(below.open(), Err(Errno::STALE)));
    }

    #[test]
    fn a_removed_one_stays() {
        let area = Staging::new(&std::env::temp_dir()).unwrap();
        let open_dirs = Arc::new(OpenDirs::of(1));
        let root = DirHandle::root(LayerDir::root(area.path()).unwrap(), 0, &open_dirs);
        for name in ["a", "b", "c"] {
            std::fs::create_dir(area.path().join(name)).unwrap();
        }
        let removed = open_in(&root, "a");
        removed.keep().unwrap();
        std::fs::remove_dir(area.path().join("a")).unwrap();
        let (b, c) = (open_in(&root, "b"), open_in(&root, "c"));
        assert!(is_open(&removed) && removed.open().is_ok());
        assert!(!is_open(&b) || !is_open(&c));
    }
}
