//! Copy-up: copies a file of a lower layer to the upper before it is changed.
//!
//! # Theory of operation
//!
//! A regular file is copied into an unnamed file in the work directory (`O_TMPFILE`), gets owner, mode, attributes and
//! times, and is then linked into place with one system call. No intermediate state is visible, to programs or after a
//! crash. The data is copied with the first of these that works: a clone that shares blocks (`FICLONE`),
//! copy_file_range(2) over the extents with data, read and write; holes stay holes. A copy that must survive a power
//! cut has its data on the disk before it is linked, or a mark by which it is copied again ([`super::unsynced`]).
//! Otherwise the name could point at an empty file that hides the original.
//!
//! Only the node's `copying` claim is held during the copy: reads continue from the lower file, and other operations
//! are not affected. All known names of the inode are linked at once, further ones when they are looked up
//! ([`Fs::lookup`]), so hard links stay together.
//!
//! A directory is made in the work directory and renamed into place.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::fs::{AtFlags, CWD, FallocateFlags, FileType, Gid, Mode, OFlags, SeekFrom, Stat, Uid, XattrFlags};
use rustix::io::Errno;

use super::layer::{DirHandle, LayerDir, path_of};
use super::location::{Location, times};
use super::node::{Link, Node, Place};
use super::primitives::{Res, lock};
use super::tree::{Fs, only_link};
use super::unsynced::{Change, Marked};
use super::xattr::{OWN_PREFIX, names_at};

/// From this size on, blocks are preallocated.
const LARGE: u64 = 1 << 20;

/// A copy that is not in place yet.
enum Copy {
    Unnamed(Arc<OwnedFd>),
    Named(String),
}

impl Fs {
    /// Makes sure that the node is in the upper before a change. If the data is about to be truncated, only the rest is
    /// copied.
    pub fn copy_up(&self, node: &Arc<Node>, change: Change) -> Res<()> {
        if node.kind == FileType::Directory {
            return self.upper_of(node).map(drop);
        }
        if !lock(&node.state).place.is_lower() {
            return self.before_change(node, change);
        }
        let _claim = self.copying.claim(node);
        let place = lock(&node.state).lower().map(|(layer, name)| (Arc::clone(layer), name.clone()));
        let Some((layer, name)) = place else {
            // Another thread was faster.
            return self.before_change(node, change);
        };
        let stat = layer.open()?.stat_at(&name)?;
        match node.kind {
            FileType::RegularFile => {
                let (copy, _marked) = self.copy_file(node, (&layer, &name), &stat, change)?;
                self.settle(node, copy, &stat)
            }
            _ => self.settle(node, self.copy_special(&*layer.open()?, &name, &stat)?, &stat),
        }
    }

    /// The directory in the upper, made with all its ancestors if need be.
    pub fn upper_of(&self, node: &Arc<Node>) -> Res<Arc<LayerDir>> {
        if let Some(upper) = node.upper() {
            return upper.open();
        }
        let _stacks = lock(&self.stacks);
        self.make_upper(node)?.open()
    }

    fn make_upper(&self, node: &Arc<Node>) -> Res<Arc<DirHandle>> {
        let layers = self.open_layers(node)?;
        if let Some(upper) = layers.upper {
            return Ok(upper);
        }
        let link = only_link(node)?;
        let handle = self.make_upper(&link.parent)?;
        let parent = handle.open()?;
        let source = layers.lowers.first().ok_or(Errno::NOENT)?.open()?;
        let stat = source.stat()?;
        let temporary = self.work.fresh_name();
        rustix::fs::mkdirat(&self.work, &temporary, Mode::RWXU)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let done = rustix::fs::openat(&self.work, &temporary, flags, Mode::empty()).and_then(|fd| {
            copy_metadata(&proc_path(source.as_fd()), &stat, fd.as_fd())?;
            self.origins.copied(&rustix::fs::fstat(&fd)?, node.ino);
            rustix::fs::renameat(&self.work, &temporary, &parent, &*link.name)?;
            LayerDir::fresh(fd)
        });
        let upper = done.inspect_err(|_| self.work.discard_directory(&temporary))?;
        Ok(Arc::clone(node.dir()?.upper.get_or_init(|| handle.child(&link.name, upper))))
    }

    fn copy_file(
        &self,
        node: &Node,
        (layer, name): (&Arc<DirHandle>, &OsStr),
        stat: &Stat,
        change: Change,
    ) -> Res<(Copy, Option<Marked<'_>>)> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let source = Arc::new(rustix::fs::openat(layer.open()?, name, flags, Mode::empty())?);
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let length = match change {
            Change::Cut(keep) => keep.min(size),
            Change::Nothing | Change::From(_) => size,
        };
        self.admit(length.min(u64::try_from(stat.st_blocks).unwrap_or(0) * 512))?;
        let (copy, named) = self.new_copy()?;
        let done = (|| {
            let dense = u64::try_from(stat.st_blocks).is_ok_and(|blocks| blocks * 512 >= size);
            let cloned = self.copy_data(&source, &copy, length, dense)?;
            copy_metadata(&proc_path(source.as_fd()), stat, copy.as_fd())?;
            if self.volatile || cloned || length == 0 {
                return Ok(None);
            }
            let unsynced = self.unsynced.as_ref().filter(|_| !change.alters(length));
            let marked = unsynced.and_then(|unsynced| unsynced.mark(&copy, node.ino, layer.layer, stat, length));
            if marked.is_none() {
                rustix::fs::fdatasync(&copy)?;
            }
            Ok(marked)
        })();
        match (done, named) {
            (Ok(marked), None) => Ok((Copy::Unnamed(copy), marked)),
            (Ok(marked), Some(temporary)) => Ok((Copy::Named(temporary), marked)),
            (Err(errno), named) => {
                if let Some(temporary) = named {
                    self.work.discard(&temporary);
                }
                Err(errno)
            }
        }
    }

    /// An empty file in the work directory, and its name if it needs one.
    fn new_copy(&self) -> Res<(Arc<OwnedFd>, Option<String>)> {
        let unnamed = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.work, ".", unnamed, Mode::RUSR | Mode::WUSR) {
            Ok(fd) => Ok((Arc::new(fd), None)),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
                let temporary = self.work.fresh_name();
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
                let fd = rustix::fs::openat(&self.work, &temporary, flags, Mode::RUSR | Mode::WUSR)?;
                Ok((Arc::new(fd), Some(temporary)))
            }
            Err(errno) => Err(errno),
        }
    }

    /// Copies the first `length` bytes, holes as holes. Returns whether the blocks are shared, which is as durable as
    /// the original.
    fn copy_data(&self, from: &Arc<OwnedFd>, to: &Arc<OwnedFd>, length: u64, dense: bool) -> Res<bool> {
        if length == 0 {
            return Ok(false);
        }
        if self.clones.load(Ordering::Relaxed) {
            match rustix::fs::ioctl_ficlone(to, from) {
                Ok(()) => {
                    rustix::fs::ftruncate(to, length)?;
                    return Ok(true);
                }
                // Files on other file systems exist, but a store is mostly on one.
                Err(_) => self.clones.store(false, Ordering::Relaxed),
            }
        }
        copy_extents(from, to, length, dense).map(|()| false)
    }

    /// Copies a symbolic link, pipe, socket or device.
    fn copy_special(&self, layer: &LayerDir, name: &OsStr, stat: &Stat) -> Res<Copy> {
        let temporary = self.work.fresh_name();
        let kind = FileType::from_raw_mode(stat.st_mode);
        match kind {
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(layer, name, Vec::new())?;
                rustix::fs::symlinkat(target, &self.work, &temporary)?;
            }
            _ => rustix::fs::mknodat(&self.work, &temporary, kind, Mode::from_raw_mode(stat.st_mode), stat.st_rdev)?,
        }
        let done = (|| {
            let owner = (Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)));
            rustix::fs::chownat(&self.work, &temporary, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)?;
            if kind != FileType::Symlink {
                let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
                rustix::fs::chmodat(&self.work, &temporary, mode, AtFlags::empty())?;
            }
            let to = proc_path(self.work.as_fd()).join(&temporary);
            copy_xattrs(&path_of(layer, name), &to)?;
            rustix::fs::utimensat(&self.work, &temporary, &times(stat), AtFlags::SYMLINK_NOFOLLOW)
        })();
        done.inspect_err(|_| self.work.discard(&temporary))?;
        Ok(Copy::Named(temporary))
    }

    /// Links a copy to each known name of its original.
    fn settle(&self, node: &Arc<Node>, copy: Copy, original: &Stat) -> Res<()> {
        let settled = self.try_settle(node, &copy, original);
        if let Copy::Named(temporary) = &copy {
            self.work.discard(temporary);
        }
        settled?;
        if let Copy::Unnamed(fd) = copy {
            lock(&node.state).set_data(Some(fd));
            self.files.opened(node);
        }
        Ok(())
    }

    fn try_settle(&self, node: &Arc<Node>, copy: &Copy, original: &Stat) -> Res<()> {
        let stat = match copy {
            Copy::Unnamed(fd) => rustix::fs::fstat(fd)?,
            Copy::Named(temporary) => rustix::fs::statat(&self.work, temporary, AtFlags::SYMLINK_NOFOLLOW)?,
        };
        self.count(&stat, true);
        // Once it has a name, a lookup must find it as the copy of its original.
        self.origins.copied(&stat, node.ino);
        loop {
            let names: Vec<Link> = lock(&node.state).names().cloned().collect();
            let uppers: Vec<_> = names.iter().map(|link| self.upper_of(&link.parent)).collect::<Res<_>>()?;
            let mut state = lock(&node.state);
            let same = |(a, b): (&Link, &Link)| a.is(&b.parent, &b.name);
            if state.names().count() != names.len() || !state.names().zip(&names).all(same) {
                continue;
            }
            let shown = i64::try_from(original.st_nlink).unwrap_or(1) + state.more_links();
            let indexed = node.kind == FileType::RegularFile
                && original.st_nlink > 1
                && shown > 0
                && self.hard_links.add(&self.spot_of(copy)?, &stat, original, shown)?;
            for (link, upper) in names.iter().zip(&uppers) {
                match copy {
                    Copy::Unnamed(fd) => {
                        rustix::fs::linkat(CWD, proc_path(fd.as_fd()), upper, &*link.name, AtFlags::SYMLINK_FOLLOW)?;
                    }
                    Copy::Named(temporary) if names.len() == 1 && !indexed => {
                        rustix::fs::renameat(&self.work, temporary, upper, &*link.name)?;
                    }
                    Copy::Named(temporary) => {
                        rustix::fs::linkat(&self.work, temporary, upper, &*link.name, AtFlags::empty())?;
                    }
                }
            }
            let left = (shown - names.len() as i64).max(0);
            let indexed = indexed && self.hard_links.set_left(original.st_ino, left)?;
            // The link in the index is not a name.
            state.set_more_links(left - i64::from(indexed));
            state.place = match (names.is_empty(), copy) {
                (false, _) => Place::Upper,
                (true, Copy::Unnamed(fd)) => Place::Detached(Arc::clone(fd)),
                (true, Copy::Named(temporary)) => {
                    let flags = match node.kind {
                        FileType::RegularFile => OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                        _ => OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                    };
                    Place::Detached(Arc::new(rustix::fs::openat(&self.work, temporary, flags, Mode::empty())?))
                }
            };
            state.set_data(None);
            self.copying.settle();
            return Ok(());
        }
    }
}

impl Fs {
    fn spot_of(&self, copy: &Copy) -> Res<Location> {
        match copy {
            Copy::Unnamed(fd) => Ok(Location::Open(Arc::clone(fd))),
            Copy::Named(temporary) => {
                let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let fd = rustix::fs::openat(&self.work, temporary, flags, Mode::empty())?;
                Ok(Location::Open(Arc::new(fd)))
            }
        }
    }
}

impl Fs {
    /// Call this before a change of a file's data in the upper.
    pub fn before_change(&self, node: &Arc<Node>, change: Change) -> Res<()> {
        let Some(unsynced) = &self.unsynced else { return Ok(()) };
        match unsynced.is_altered(node.ino, change) {
            true => unsynced.sync_copy(node.ino, &*self.data(node)?),
            false => Ok(()),
        }
    }
}

/// The path of an open file.
fn proc_path(fd: BorrowedFd<'_>) -> std::path::PathBuf {
    format!("/proc/self/fd/{}", fd.as_raw_fd()).into()
}

/// Sets owner, mode, times and attributes of an open file to those of the file at `from`.
fn copy_metadata(from: &Path, stat: &Stat, to: BorrowedFd<'_>) -> Res<()> {
    // Files made here belong to root already.
    if (stat.st_uid, stat.st_gid) != (0, 0) {
        rustix::fs::fchown(to, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))?;
    }
    rustix::fs::fchmod(to, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    copy_xattrs(from, &proc_path(to))?;
    rustix::fs::futimens(to, &times(stat))
}

/// Copies extended attributes, except those that describe the layer. Those of security modules may be refused, and are
/// not needed.
fn copy_xattrs(from: &Path, to: &Path) -> Res<()> {
    // `/proc/self/fd/N` is a symbolic link to follow; `/proc/self/fd/N/name` must not be followed.
    let follow = |path: &Path| path.parent() == Some(Path::new("/proc/self/fd"));
    let (from_follows, to_follows) = (follow(from), follow(to));
    let mut value = Vec::new();
    for name in names_at(from, from_follows)?.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        if name.starts_with(OWN_PREFIX) && !name[OWN_PREFIX.len()..].starts_with(b"overlay.") {
            continue;
        }
        if name == super::recorded::NAME.as_bytes() {
            continue;
        }
        let name = OsStr::from_bytes(name);
        value.resize(65536, 0);
        let read = match from_follows {
            true => rustix::fs::getxattr(from, name, &mut value[..]),
            false => rustix::fs::lgetxattr(from, name, &mut value[..]),
        };
        let length = match read {
            Ok(length) => length,
            Err(Errno::NODATA) => continue,
            Err(errno) => return Err(errno),
        };
        let flags = XattrFlags::empty();
        let written = match to_follows {
            true => rustix::fs::setxattr(to, name, &value[..length], flags),
            false => rustix::fs::lsetxattr(to, name, &value[..length], flags),
        };
        match written {
            Err(Errno::OPNOTSUPP | Errno::PERM)
                if !name.as_bytes().starts_with(b"user.") && name != "security.capability" => {}
            written => written?,
        }
    }
    Ok(())
}

/// Copies the first `length` bytes; a `dense` file has no holes.
fn copy_extents(from: &OwnedFd, to: &OwnedFd, length: u64, dense: bool) -> Res<()> {
    if dense {
        preallocate(to, length);
        return copy_extent(from, to, 0, length);
    }
    rustix::fs::ftruncate(to, length)?;
    let mut at = 0;
    while at < length {
        let start = match rustix::fs::seek(from, SeekFrom::Data(at)) {
            Ok(start) => start.min(length),
            Err(Errno::NXIO) => break,
            // This file system cannot report holes: all is data.
            Err(_) => at,
        };
        let end = rustix::fs::seek(from, SeekFrom::Hole(start)).map_or(length, |end| end.min(length));
        copy_extent(from, to, start, end)?;
        // Guarantees progress if the file became shorter.
        at = end.max(start + 1);
    }
    Ok(())
}

/// Preallocates a file's blocks: on ext4 that takes a sixth of the time of allocating them with each write. A failure
/// is harmless.
fn preallocate(file: &OwnedFd, length: u64) {
    if length >= LARGE && rustix::fs::fstatfs(file).is_ok_and(|of| of.f_type == libc::EXT4_SUPER_MAGIC) {
        let _ = rustix::fs::fallocate(file, FallocateFlags::empty(), 0, length);
    }
}

fn copy_extent(from: &OwnedFd, to: &OwnedFd, mut at: u64, end: u64) -> Res<()> {
    while at < end {
        let (mut source, mut target) = (at, at);
        let wanted = usize::try_from((end - at).min(1 << 30)).unwrap_or(1 << 30);
        match rustix::fs::copy_file_range(from, Some(&mut source), to, Some(&mut target), wanted) {
            // The file became shorter. Layers do not change, but a broken disk may do this.
            Ok(0) => return Ok(()),
            Ok(length) => at += length as u64,
            Err(Errno::INTR) => {}
            Err(Errno::XDEV | Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS | Errno::PERM) => {
                return copy_by_hand(from, to, at, end);
            }
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn copy_by_hand(from: &OwnedFd, to: &OwnedFd, mut at: u64, end: u64) -> Res<()> {
    let mut buffer = vec![0; 256 * 1024];
    while at < end {
        let wanted = buffer.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
        let length = rustix::io::pread(from, &mut buffer[..wanted], at)?;
        if length == 0 {
            return Ok(());
        }
        let mut written = 0;
        while written < length {
            written += rustix::io::pwrite(to, &buffer[written..length], at + written as u64)?;
        }
        at += length as u64;
    }
    Ok(())
}
