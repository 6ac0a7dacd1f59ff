//! Where the inode of a node is on disk, and the system calls on it: stat, link, chmod, chown, utimensat.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, Gid, Mode, Stat, Timespec, Timestamps, Uid};

use super::layer::{LayerDir, path_of};
use super::name::Name;
use super::primitives::Res;

/// Where an inode is. Valid while the node's state is locked.
pub(super) enum Location {
    /// A name in a directory.
    Named(Arc<LayerDir>, Name),
    /// An open unlinked file.
    Open(Arc<OwnedFd>),
    /// An open directory.
    Dir(Arc<LayerDir>),
}

impl Location {
    /// The attributes of the inode.
    pub fn stat(&self) -> Res<Stat> {
        match self {
            Location::Named(layer, name) => layer.stat_at(name),
            Location::Open(fd) => rustix::fs::fstat(fd),
            Location::Dir(layer) => layer.stat(),
        }
    }

    /// A path to the inode, and whether a symbolic link at its end must be followed.
    pub fn path(&self) -> (PathBuf, bool) {
        match self {
            Location::Named(layer, name) => (path_of(layer, name), false),
            Location::Open(fd) => (format!("/proc/self/fd/{}", fd.as_raw_fd()).into(), true),
            Location::Dir(layer) => (format!("/proc/self/fd/{}", layer.as_fd().as_raw_fd()).into(), true),
        }
    }

    /// Links the inode to another name.
    pub fn link_to(&self, directory: impl AsFd, name: &OsStr) -> Res<()> {
        match self {
            Location::Named(layer, old) => rustix::fs::linkat(layer, &**old, directory, name, AtFlags::empty()),
            _ => rustix::fs::linkat(CWD, self.path().0, directory, name, AtFlags::SYMLINK_FOLLOW),
        }
    }

    /// Sets the mode.
    pub fn chmod(&self, mode: u32) -> Res<()> {
        let mode = Mode::from_raw_mode(mode & 0o7777);
        match self {
            Location::Named(layer, name) => rustix::fs::chmodat(layer, &**name, mode, AtFlags::empty()),
            _ => rustix::fs::chmodat(CWD, self.path().0, mode, AtFlags::empty()),
        }
    }

    /// Sets owner and group, each if given.
    pub fn chown(&self, uid: Option<u32>, gid: Option<u32>) -> Res<()> {
        let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
        match self {
            Location::Named(layer, name) => rustix::fs::chownat(layer, &**name, uid, gid, AtFlags::SYMLINK_NOFOLLOW),
            _ => rustix::fs::chownat(CWD, self.path().0, uid, gid, AtFlags::empty()),
        }
    }

    /// Sets access and modification time.
    pub fn set_times(&self, times: &Timestamps) -> Res<()> {
        match self {
            Location::Named(layer, name) => rustix::fs::utimensat(layer, &**name, times, AtFlags::SYMLINK_NOFOLLOW),
            _ => rustix::fs::utimensat(CWD, self.path().0, times, AtFlags::empty()),
        }
    }
}

/// The times of a file, to be set.
pub(super) fn times(stat: &Stat) -> Timestamps {
    let spec = |seconds: i64, nanoseconds: u64| Timespec { tv_sec: seconds, tv_nsec: nanoseconds as _ };
    Timestamps {
        last_access: spec(stat.st_atime, stat.st_atime_nsec),
        last_modification: spec(stat.st_mtime, stat.st_mtime_nsec),
    }
}
