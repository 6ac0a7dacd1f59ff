//! Attributes of nodes: reading them, and changing owner, mode, size and times.

use std::sync::Arc;

use rustix::fs::{FileType, Stat, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::Errno;

use super::location::Location;
use super::node::{KnownAbsent, Node, Place, State};
use super::primitives::{Res, lock};
use super::tree::Fs;
use super::unsynced::Change;

/// The changes that SETATTR requests.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub size: Option<u64>,
    pub atime: Option<Timespec>,
    pub mtime: Option<Timespec>,
    /// Clears set-id bits when data changes: the caller may not keep them.
    pub kill_privileges: bool,
}

/// A timestamp that leaves the time unchanged.
pub(super) const KEEP: Timespec = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT as _ };

impl Fs {
    /// Where the inode of a file is; its state must be locked.
    pub fn spot_in(&self, node: &Node, state: &State) -> Res<Location> {
        match &state.place {
            _ if node.kind == FileType::Directory => Err(Errno::ISDIR),
            Place::Upper => {
                let link = state.first().ok_or(Errno::STALE)?;
                let upper = link.parent.upper().ok_or(Errno::STALE)?;
                Ok(Location::Named(upper.open()?, link.name.clone()))
            }
            Place::Lower(_) | Place::LowerAs(_) => {
                let (layer, name) = state.lower().ok_or(Errno::STALE)?;
                Ok(Location::Named(layer.open()?, name.clone()))
            }
            Place::Detached(fd) => Ok(Location::Open(Arc::clone(fd))),
        }
    }

    /// Calls `work` with the location of a node, which cannot change meanwhile.
    pub fn at<T>(&self, node: &Arc<Node>, work: impl FnOnce(&Location) -> Res<T>) -> Res<T> {
        if node.kind == FileType::Directory {
            return work(&Location::Dir(self.layers(node)?.top()?.open()?));
        }
        let state = lock(&node.state);
        work(&self.spot_in(node, &state)?)
    }

    /// Changes attributes, in an order in which none undoes another.
    pub fn set_attributes(&self, node: &Arc<Node>, changes: &Changes) -> Res<Stat> {
        self.copy_up(node, changes.size.map_or(Change::Nothing, Change::Cut))?;
        if let Some(size) = changes.size {
            let file = self.data(node)?;
            self.metered(&file, 0, 0, || rustix::fs::ftruncate(&file, size))?;
            if changes.kill_privileges && changes.mode.is_none() {
                self.kill_privileges(node)?;
            }
        }
        self.at(node, |spot| {
            if changes.uid.is_some() || changes.gid.is_some() {
                spot.chown(changes.uid, changes.gid)?;
            }
            if let Some(mode) = changes.mode {
                match node.kind {
                    FileType::Symlink => return Err(Errno::OPNOTSUPP),
                    _ => {
                        node.known_absent.note(KnownAbsent::SET_ID, false);
                        spot.chmod(mode)?;
                    }
                }
            }
            if changes.atime.is_some() || changes.mtime.is_some() {
                let times = Timestamps {
                    last_access: changes.atime.unwrap_or(KEEP),
                    last_modification: changes.mtime.unwrap_or(KEEP),
                };
                spot.set_times(&times)?;
            }
            Ok(())
        })?;
        self.stat(node)
    }

    /// Clears set-id bits, as the kernel does after a write without privilege to keep them: in a user namespace no
    /// process has it. Remembers that there are none.
    pub fn kill_privileges(&self, node: &Arc<Node>) -> Res<()> {
        if node.known_absent.has_none(KnownAbsent::SET_ID) {
            return Ok(());
        }
        self.at(node, |spot| {
            let mode = spot.stat()?.st_mode;
            if mode & (libc::S_ISUID | libc::S_ISGID) == 0 && node.kind != FileType::Directory {
                node.known_absent.note(KnownAbsent::SET_ID, true);
            }
            let mut kept = mode & !libc::S_ISUID;
            if mode & libc::S_IXGRP != 0 {
                kept &= !libc::S_ISGID;
            }
            match kept == mode {
                true => Ok(()),
                false => spot.chmod(kept),
            }
        })
    }

    /// The target of a symbolic link.
    pub fn read_link(&self, node: &Arc<Node>) -> Res<Vec<u8>> {
        if node.kind != FileType::Symlink {
            return Err(Errno::INVAL);
        }
        self.at(node, |spot| match spot {
            Location::Named(layer, name) => Ok(rustix::fs::readlinkat(layer, &**name, Vec::new())?.into_bytes()),
            // An empty path reads the link behind the descriptor itself (readlinkat(2)).
            Location::Open(fd) => Ok(rustix::fs::readlinkat(fd, "", Vec::new())?.into_bytes()),
            Location::Dir(_) => Err(Errno::INVAL),
        })
    }
}
