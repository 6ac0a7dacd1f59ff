//! File data: reading, writing, and other operations on open files.
//!
//! The kernel does not tell which files are open: it reads and writes by node. So a file is opened here on first use,
//! and a bounded number stays open (second-chance order). Since I/O goes by node, a program that opened a file before
//! its copy-up sees what is written afterwards.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::fs::{FallocateFlags, FileType, Mode, OFlags, SeekFrom};
use rustix::io::Errno;

use super::location::Location;
use super::node::{Node, Place, State};
use super::open_files;
use super::primitives::{Res, lock};
use super::tree::Fs;
use super::unsynced::Change;

impl Fs {
    /// The open file of a regular file: writable once it is in the upper.
    pub fn data(&self, node: &Arc<Node>) -> Res<Arc<OwnedFd>> {
        let fd = {
            let mut state = lock(&node.state);
            if let Some(fd) = state.data() {
                node.used.store(true, Ordering::Relaxed);
                return Ok(Arc::clone(fd));
            }
            let fd = self.open_data(node, &state)?;
            state.set_data(Some(Arc::clone(&fd)));
            fd
        };
        self.files.opened(node);
        Ok(fd)
    }

    /// Opens a regular file at its present location.
    pub fn open_data(&self, node: &Node, state: &State) -> Res<Arc<OwnedFd>> {
        match node.kind {
            FileType::RegularFile => {}
            FileType::Directory => return Err(Errno::ISDIR),
            _ => return Err(Errno::INVAL),
        }
        let common = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let access = match &state.place {
            Place::Detached(fd) => return Ok(Arc::clone(fd)),
            Place::Upper => OFlags::RDWR,
            Place::Lower(_) | Place::LowerAs(_) => OFlags::RDONLY,
        };
        match self.spot_in(node, state)? {
            Location::Named(layer, name) => {
                Ok(Arc::new(rustix::fs::openat(layer, &*name, common | access, Mode::empty())?))
            }
            Location::Open(fd) => Ok(fd),
            Location::Dir(_) => Err(Errno::ISDIR),
        }
    }

    /// Writes all of `bytes`.
    pub fn write(&self, node: &Arc<Node>, offset: u64, bytes: &[u8]) -> Res<()> {
        self.copy_up(node, Change::From(offset))?;
        let fd = self.data(node)?;
        self.metered(&fd, offset, bytes.len() as u64, || open_files::write(&fd, offset, bytes))
    }

    /// fallocate(2) with its flags as the program gave them.
    pub fn allocate(&self, node: &Arc<Node>, offset: u64, length: u64, mode: i32) -> Res<()> {
        self.copy_up(node, Change::From(offset))?;
        let flags = FallocateFlags::from_bits(mode as u32).ok_or(Errno::OPNOTSUPP)?;
        let fd = self.data(node)?;
        let frees = flags.intersects(FallocateFlags::PUNCH_HOLE | FallocateFlags::COLLAPSE_RANGE);
        let more = if frees { 0 } else { length };
        self.metered(&fd, offset, more, || rustix::fs::fallocate(&fd, flags, offset, length))
    }

    /// The offset of the next data or hole.
    pub fn seek(&self, node: &Arc<Node>, offset: i64, whence: i32) -> Res<u64> {
        let offset = u64::try_from(offset).map_err(|_| Errno::NXIO)?;
        let position = match whence {
            libc::SEEK_DATA => SeekFrom::Data(offset),
            libc::SEEK_HOLE => SeekFrom::Hole(offset),
            _ => return Err(Errno::INVAL),
        };
        rustix::fs::seek(self.data(node)?, position)
    }

    /// copy_file_range(2) within the union.
    pub fn copy_range(&self, from: &Arc<Node>, at: u64, to: &Arc<Node>, to_at: u64, length: u64) -> Res<usize> {
        self.copy_up(to, Change::From(to_at))?;
        let (mut at, mut to_at) = (at, to_at);
        let length = usize::try_from(length.min(1 << 30)).unwrap_or(usize::MAX);
        let (from, to) = (self.data(from)?, self.data(to)?);
        self.metered(&to, to_at, length as u64, || {
            rustix::fs::copy_file_range(&from, Some(&mut at), &to, Some(&mut to_at), length)
        })
    }

    /// Waits until the file or directory is on the disk.
    pub fn sync(&self, node: &Arc<Node>, data_only: bool) -> Res<()> {
        if node.kind == FileType::Directory {
            return match node.upper() {
                Some(upper) => rustix::fs::fsync(upper.open()?),
                None => Ok(()),
            };
        }
        if lock(&node.state).place.is_lower() {
            return Ok(());
        }
        let fd = self.data(node)?;
        match data_only {
            true => rustix::fs::fdatasync(fd),
            false => rustix::fs::fsync(fd),
        }
    }
}
