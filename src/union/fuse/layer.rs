//! A directory as one layer has it, and the marks overlayfs keeps on it.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use super::node::Res;

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
        Self::at(self, name)
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
        Ok((Self { fd, device, marked: AtomicBool::new(marked) }, opaque))
    }

    /// A directory that was just made: it has no marks.
    pub fn fresh(fd: OwnedFd) -> Res<Self> {
        let device = rustix::fs::fstat(&fd)?.st_dev;
        Ok(Self { fd, device, marked: AtomicBool::new(false) })
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
