//! A directory as one layer has it, and the marks overlayfs keeps on it.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::node::Res;
use super::recorded;

/// `y`: hides what lower layers have; `x`: may hold whiteouts that are attributes of empty files.
pub(super) const OPAQUE: &str = "user.overlay.opaque";
/// What fuse-overlayfs and containers/storage wrote for the first of these.
const OLD_OPAQUE: &str = "user.fuseoverlayfs.opaque";

/// An open directory of one layer.
pub(super) struct LayerDir {
    fd: OwnedFd,
    /// Its `st_dev`.
    pub device: u64,
    /// Whether empty files in it may be whiteouts.
    marked: AtomicBool,
    /// Whether owners in it may be recorded in attributes.
    recorded: bool,
}

/// What a layer has under a name that is a directory in a layer above.
pub(super) enum Opened {
    /// A directory, and whether it hides what is below.
    Directory(LayerDir, bool),
    Absent,
    /// A whiteout or another file: nothing below is to be seen.
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

    /// Makes it the root of a layer in which owners may be recorded in attributes, if it has one itself.
    pub fn with_recorded_owners(mut self) -> Self {
        let mut value = [0u8; 64];
        self.recorded = recorded::NAMES.iter().any(|name| rustix::fs::fgetxattr(&self, *name, &mut value[..]).is_ok());
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
                let path = super::attr::path_of(self, name);
                Ok(self.with_recorded(stat, |name, value| rustix::fs::lgetxattr(&path, name, value)))
            }
            false => Ok(stat),
        }
    }

    fn with_recorded(&self, stat: Stat, read: impl Fn(&str, &mut [u8]) -> Res<usize>) -> Stat {
        let mut value = [0u8; 64];
        let names = if self.recorded { &recorded::NAMES[..] } else { &[] };
        match names.iter().find_map(|name| read(name, &mut value).ok()) {
            Some(length) => recorded::apply(stat, value.get(..length).unwrap_or_default()),
            None => stat,
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
        let device = rustix::fs::fstat(&fd)?.st_dev;
        let (opaque, marked) = marks(fd.as_fd())?;
        Ok((Self { fd, device, marked: AtomicBool::new(marked), recorded: false }, opaque))
    }

    /// A directory that was just made: it has no marks.
    pub fn fresh(fd: OwnedFd) -> Res<Self> {
        let device = rustix::fs::fstat(&fd)?.st_dev;
        Ok(Self { fd, device, marked: AtomicBool::new(false), recorded: false })
    }

    /// Whether empty files in this directory may be whiteouts.
    pub fn has_marked_whiteouts(&self) -> bool {
        self.marked.load(Ordering::Relaxed)
    }

    /// Prepares the directory for a whiteout that is an attribute of an empty file.
    pub fn allow_marked_whiteouts(&self) -> Res<()> {
        if !self.has_marked_whiteouts() {
            rustix::fs::fsetxattr(self, OPAQUE, b"x", rustix::fs::XattrFlags::empty())?;
            self.marked.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Makes the directory hide what lower layers have in it.
    pub fn make_opaque(&self) -> Res<()> {
        rustix::fs::fsetxattr(self, OPAQUE, b"y", rustix::fs::XattrFlags::empty())?;
        self.marked.store(false, Ordering::Relaxed);
        Ok(())
    }
}

/// Whether a directory is opaque, and whether it may hold whiteouts as attributes.
fn marks(fd: BorrowedFd<'_>) -> Res<(bool, bool)> {
    let mut names = [0u8; 4096];
    let listed = match rustix::fs::flistxattr(fd, &mut names[..]) {
        Ok(length) => &names[..length],
        // More names than that: ask for each.
        Err(Errno::RANGE) => b"user.overlay.opaque\0user.fuseoverlayfs.opaque\0",
        Err(Errno::OPNOTSUPP) => b"",
        Err(errno) => return Err(errno),
    };
    let (mut opaque, mut marked) = (false, false);
    for name in [OPAQUE, OLD_OPAQUE] {
        let has = listed.split(|byte| *byte == 0).any(|listed| listed == name.as_bytes());
        let mut value = [0u8; 1];
        if has && rustix::fs::fgetxattr(fd, name, &mut value[..]) == Ok(1) {
            opaque |= value == *b"y";
            marked |= value == *b"x" && name == OPAQUE;
        }
    }
    Ok((opaque, marked))
}
