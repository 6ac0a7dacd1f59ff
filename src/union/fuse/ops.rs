//! The FUSE protocol: decodes requests, calls the union, and replies. It decides only what the kernel may cache.
//!
//! The kernel may cache everything forever, absent names included: layers never change, and nothing else writes the
//! upper. OPEN, CREATE, OPENDIR and FLUSH are answered with ENOSYS once; the kernel then stops sending them (protocol
//! 7.23 and 7.29). So opening a file costs no message, and a file is created by MKNOD.
//!
//! There is no write-back caching (`FUSE_WRITEBACK_CACHE`), although it would merge several small writes to one file
//! into one message. It costs more than it saves. The kernel then does not count blocks, so each close makes it ask for
//! the attributes again at the next stat (fuse_flush in fs/fuse/file.c), even if nothing was written: one message per
//! library of a program that starts. A file that is written once and closed takes one more message, for its times. And
//! large folios are for mounts without it (Linux 6.18). Without it, written data is in the upper when write(2) returns,
//! `write` reports a full disk at once, and the server's death loses nothing. The price: a small write is a message;
//! one that ends in a page which another write began and nobody has read is two.
//!
//! Attributes come with the first part of a listing, and while a program uses them (`FUSE_READDIRPLUS_AUTO`), unless
//! the kernel has cached the names. Attributes with every part would make the
//! first listing of 5,000 files five times slower (33 instead of 6.5 ms), and a stat of each after a plain listing
//! three times faster (20 instead of some 60 ms). They are not sent, since a program that lists a large directory need
//! not stat it.
//!
//! A panic in a request becomes EIO for it ([`super::fault`]); the others go on.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fuser::{
    AccessFlags, BsdFileFlags, CopyFileRangeFlags, Errno as Answer, FileAttr, FileHandle, FileType as Kind, Filesystem,
    Generation, INodeNo, InitFlags, KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyWrite,
    ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

use super::attr::Changes;
use super::create::{Maker, New};
use super::fault;
use super::idle::Idle;
use super::node::Node;
use super::open_files;
use super::primitives::{Res, lock};
use super::splice::Splicer;
use super::tree::Fs;
use super::wire::{attributes, attributes_of_nothing, kind_of, spec_or_now};

/// How long the kernel may cache an answer.
const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);

/// The most bytes of one WRITE: the kernel's own limit without privileges (256 pages).
const MAX_WRITE: u32 = 1 << 20;

/// Entries that are taken per lock of a listing.
const BATCH: usize = 64;

const GENERATION: Generation = Generation(0);

/// Kernel features that save messages.
const WANTED: [InitFlags; 12] = [
    InitFlags::FUSE_ASYNC_READ,
    InitFlags::FUSE_DO_READDIRPLUS,
    InitFlags::FUSE_READDIRPLUS_AUTO,
    InitFlags::FUSE_NO_OPEN_SUPPORT,
    InitFlags::FUSE_NO_OPENDIR_SUPPORT,
    InitFlags::FUSE_PARALLEL_DIROPS,
    InitFlags::FUSE_HANDLE_KILLPRIV_V2,
    InitFlags::FUSE_POSIX_ACL,
    InitFlags::FUSE_DONT_MASK,
    InitFlags::FUSE_CACHE_SYMLINKS,
    InitFlags::FUSE_ASYNC_DIO,
    InitFlags::FUSE_MAX_PAGES,
];

/// The union as a `fuser` file system.
pub(super) struct Server {
    fs: Fs,
    idle: Idle,
    spliced: Splicer,
}

thread_local! {
    /// The buffer of reads.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Runs a request; a panic in it is an error of this request alone.
fn guard<T>(work: impl FnOnce() -> Res<T>) -> Result<T, Answer> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or(Err(Errno::IO))
        .map_err(|errno| Answer::from_i32(errno.raw_os_error()))
}

fn answer(reply: ReplyEmpty, result: Result<(), Answer>) {
    match result {
        Ok(()) => reply.ok(),
        Err(errno) => reply.error(errno),
    }
}

/// Answers with a value or list of names: its size, itself, or that it exceeds the program's buffer.
fn answer_xattr(reply: ReplyXattr, room: u32, result: Result<Vec<u8>, Answer>) {
    match result {
        Ok(value) if room == 0 => reply.size(u32::try_from(value.len()).unwrap_or(u32::MAX)),
        Ok(value) if value.len() > room as usize => reply.error(Answer::ERANGE),
        Ok(value) => reply.data(&value),
        Err(errno) => reply.error(errno),
    }
}

impl Server {
    /// A server of this union, which reads requests from `device`.
    pub fn new(fs: Fs, device: OwnedFd) -> Self {
        let unsynced = fs.unsynced.clone();
        let idle = Idle::new(move || {
            give_back();
            if let Some(unsynced) = &unsynced {
                unsynced.sync_soon();
            }
        });
        Self { fs, idle, spliced: Splicer::new(device) }
    }

    /// How many threads serve.
    pub fn threads() -> usize {
        std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 4))
    }

    /// Attributes with the owners that programs see.
    fn show(&self, stat: &Stat) -> FileAttr {
        let owners = &self.fs.owners;
        FileAttr { uid: owners.shown_uid(stat.st_uid), gid: owners.shown_gid(stat.st_gid), ..attributes(stat) }
    }

    fn answer_entry(&self, reply: ReplyEntry, result: Result<Option<Stat>, Answer>) {
        match result {
            Ok(Some(stat)) => reply.entry(&FOREVER, &self.show(&stat), GENERATION),
            Ok(None) => reply.entry(&FOREVER, &FileAttr { ino: INodeNo(0), ..attributes_of_nothing() }, GENERATION),
            Err(errno) => reply.error(errno),
        }
    }

    fn answer_attr(&self, reply: ReplyAttr, result: Result<Stat, Answer>) {
        match result {
            Ok(stat) => reply.attr(&FOREVER, &self.show(&stat)),
            Err(errno) => reply.error(errno),
        }
    }

    /// Whether the request comes from the container's root, which may keep set-id bits.
    fn is_root(&self, req: &Request) -> bool {
        self.fs.owners.caller(req.uid(), req.gid()).0 == 0
    }

    fn node(&self, ino: INodeNo) -> Res<Arc<Node>> {
        self.fs.nodes.get(ino.0)
    }

    fn make(&self, req: &Request, parent: INodeNo, name: &OsStr, new: &New<'_>, mode: u32, umask: u32) -> Res<Stat> {
        let (uid, gid) = self.fs.owners.caller(req.uid(), req.gid());
        let maker = Maker { uid, gid, mode, umask };
        Ok(self.fs.create(&self.node(parent)?, name, new, &maker)?.1)
    }

    /// Calls `add` for each entry after `offset` until it reports a full buffer. `.` and `..` come first.
    fn each(
        &self,
        ino: INodeNo,
        offset: u64,
        mut add: impl FnMut(&Arc<Node>, u64, Option<&super::entries::Entry>) -> Res<bool>,
    ) -> Res<()> {
        let node = self.node(ino)?;
        self.fs.list(&node)?;
        for dot in offset..2 {
            if add(&node, dot + 1, None)? {
                return Ok(());
            }
        }
        let mut after = offset;
        loop {
            let batch = lock(&node.dir()?.entries).after(after, BATCH);
            let Some(last) = batch.last() else { return Ok(()) };
            after = last.cookie;
            for entry in &batch {
                if add(&node, entry.cookie, Some(entry))? {
                    return Ok(());
                }
            }
        }
    }
}

/// Frees memory that is not needed while the mount is idle. A failure costs only memory.
fn give_back() {
    crate::sys::memory::trim();
    let _ = crate::sys::memory::release_program_pages();
}

impl Filesystem for Server {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        for flag in WANTED {
            // An older kernel works without these features, with more messages.
            let _ = config.add_capabilities(flag);
        }
        let _ = config.set_max_write(MAX_WRITE);
        let _ = config.set_max_background(64);
        Ok(())
    }

    fn destroy(&mut self) {
        if let Some(unsynced) = &self.fs.unsynced {
            unsynced.sync();
        }
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        self.idle.note();
        let found = guard(|| {
            fault::trap(name);
            let parent = self.node(parent)?;
            let known = lock(&parent.dir()?.entries).known(name);
            Ok(self.fs.lookup_known(&parent, name, known)?.map(|(_, stat)| stat))
        });
        self.answer_entry(reply, found);
    }

    fn forget(&self, _: &Request, ino: INodeNo, count: u64) {
        let _ = guard(|| {
            self.fs.nodes.forget(ino.0, count);
            Ok(())
        });
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        self.idle.note();
        self.answer_attr(reply, guard(|| self.fs.stat(&self.node(ino)?)));
    }

    fn setattr(
        &self,
        req: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        self.idle.note();
        let changed = guard(|| {
            let owners = &self.fs.owners;
            let changes = Changes {
                mode,
                uid: uid.map(|uid| owners.stored_uid(uid)).transpose()?,
                gid: gid.map(|gid| owners.stored_gid(gid)).transpose()?,
                size,
                atime: atime.map(spec_or_now),
                mtime: mtime.map(spec_or_now),
                // The protocol has a flag for it, which this version of fuser does not pass on.
                kill_privileges: !self.is_root(req),
            };
            self.fs.set_attributes(&self.node(ino)?, &changes)
        });
        self.answer_attr(reply, changed);
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        self.idle.note();
        match guard(|| self.fs.read_link(&self.node(ino)?)) {
            Ok(target) => reply.data(&target),
            Err(errno) => reply.error(errno),
        }
    }

    fn mknod(&self, req: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, rdev: u32, reply: ReplyEntry) {
        self.idle.note();
        let kind = match FileType::from_raw_mode(mode) {
            FileType::Unknown => FileType::RegularFile,
            kind => kind,
        };
        let made = guard(|| self.make(req, parent, name, &New::Node(kind, u64::from(rdev)), mode, umask));
        self.answer_entry(reply, made.map(Some));
    }

    fn mkdir(&self, req: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, reply: ReplyEntry) {
        self.idle.note();
        self.answer_entry(reply, guard(|| self.make(req, parent, name, &New::Directory, mode, umask)).map(Some));
    }

    fn symlink(&self, req: &Request, parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        self.idle.note();
        let new = New::Symlink(target.as_os_str());
        self.answer_entry(reply, guard(|| self.make(req, parent, name, &new, 0o777, 0)).map(Some));
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.idle.note();
        answer(reply, guard(|| self.fs.unlink(&self.node(parent)?, name)));
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.idle.note();
        answer(reply, guard(|| self.fs.rmdir(&self.node(parent)?, name)));
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        self.idle.note();
        let renamed = guard(|| {
            let flags = rustix::fs::RenameFlags::from_bits(flags.bits()).ok_or(Errno::INVAL)?;
            let (from, to) = (self.node(parent)?, self.node(new_parent)?);
            self.fs.rename((&from, name), (&to, new_name), flags)
        });
        answer(reply, renamed);
    }

    fn link(&self, _: &Request, ino: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        self.idle.note();
        let linked = guard(|| {
            let node = self.node(ino)?;
            let stat = self.fs.link(&node, &self.node(parent)?, name)?;
            self.fs.nodes.remember(&node);
            Ok(stat)
        });
        self.answer_entry(reply, linked.map(Some));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.error(Answer::ENOSYS);
    }

    fn opendir(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.error(Answer::ENOSYS);
    }

    fn create(&self, _: &Request, _: INodeNo, _: &OsStr, _: u32, _: u32, _: i32, reply: ReplyCreate) {
        reply.error(Answer::ENOSYS);
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.error(Answer::ENOSYS);
    }

    fn access(&self, _: &Request, _: INodeNo, _: AccessFlags, reply: ReplyEmpty) {
        reply.error(Answer::ENOSYS);
    }

    fn read(
        &self,
        req: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        self.idle.note();
        let size = size as usize;
        let file = match guard(|| self.fs.data(&self.node(ino)?)) {
            Ok(file) => file,
            Err(errno) => return reply.error(errno),
        };
        if self.spliced.answer(req.unique().0, &file, offset, size) {
            // Dropping it would answer the request. It holds only a reference to the device.
            std::mem::forget(reply);
            return;
        }
        BUFFER.with_borrow_mut(|buffer| {
            if buffer.len() < size {
                buffer.resize(size, 0);
            }
            match guard(|| open_files::read(&file, offset, &mut buffer[..size])) {
                Ok(length) => reply.data(&buffer[..length]),
                Err(errno) => reply.error(errno),
            }
        });
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        flags: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        self.idle.note();
        let written = guard(|| {
            let node = self.node(ino)?;
            self.fs.write(&node, offset, data)?;
            match flags.contains(WriteFlags::FUSE_WRITE_KILL_SUIDGID) {
                true => self.fs.kill_privileges(&node),
                false => Ok(()),
            }
        });
        match written {
            Ok(()) => reply.written(data.len() as u32),
            Err(errno) => reply.error(errno),
        }
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, data_only: bool, reply: ReplyEmpty) {
        self.idle.note();
        match self.fs.volatile {
            true => reply.error(Answer::ENOSYS),
            false => answer(reply, guard(|| self.fs.sync(&self.node(ino)?, data_only))),
        }
    }

    fn fsyncdir(&self, req: &Request, ino: INodeNo, handle: FileHandle, data_only: bool, reply: ReplyEmpty) {
        self.fsync(req, ino, handle, data_only, reply);
    }

    fn readdir(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        self.idle.note();
        let listed = guard(|| {
            self.each(ino, offset, |node, cookie, entry| {
                Ok(match entry {
                    None => {
                        let name = if cookie == 1 { "." } else { ".." };
                        reply.add(INodeNo(node.ino), cookie, Kind::Directory, name)
                    }
                    Some(entry) => reply.add(INodeNo(entry.ino), cookie, kind_of(entry.kind), &*entry.name),
                })
            })
        });
        match listed {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(errno),
        }
    }

    fn readdirplus(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectoryPlus) {
        self.idle.note();
        let listed = guard(|| {
            self.each(ino, offset, |node, cookie, entry| {
                let Some(entry) = entry else {
                    let name = if cookie == 1 { "." } else { ".." };
                    // The kernel reads only the name and the kind of these two.
                    let attr = FileAttr { ino: INodeNo(node.ino), kind: Kind::Directory, ..attributes_of_nothing() };
                    return Ok(reply.add(INodeNo(node.ino), cookie, name, &FOREVER, &attr, GENERATION));
                };
                // An entry that is gone meanwhile, or cannot be read, is left to a separate lookup.
                let Ok(Some((child, stat))) = self.fs.lookup(node, &entry.name) else { return Ok(false) };
                let full = reply.add(INodeNo(child.ino), cookie, &*entry.name, &FOREVER, &self.show(&stat), GENERATION);
                if full {
                    self.fs.nodes.forget(child.ino, 1);
                }
                Ok(full)
            })
        });
        match listed {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(errno),
        }
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        self.idle.note();
        let found = guard(|| {
            let real = rustix::fs::fstatvfs(&self.fs.work)?;
            Ok(match &self.fs.quota {
                Some(quota) => quota.show(real),
                None => real,
            })
        });
        match found {
            Ok(s) => reply.statfs(
                s.f_blocks,
                s.f_bfree,
                s.f_bavail,
                s.f_files,
                s.f_ffree,
                s.f_bsize as u32,
                s.f_namemax as u32,
                s.f_frsize as u32,
            ),
            Err(errno) => reply.error(errno),
        }
    }

    fn setxattr(&self, _: &Request, ino: INodeNo, name: &OsStr, value: &[u8], flags: i32, _: u32, reply: ReplyEmpty) {
        self.idle.note();
        let set = guard(|| {
            let value = self.fs.owners.stored_attribute(name.as_bytes(), value)?;
            self.fs.set_xattr(&self.node(ino)?, name, &value, flags)
        });
        answer(reply, set);
    }

    fn getxattr(&self, _: &Request, ino: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        self.idle.note();
        let found = guard(|| {
            let value = self.fs.get_xattr(&self.node(ino)?, name)?;
            Ok(self.fs.owners.shown_attribute(name.as_bytes(), value))
        });
        answer_xattr(reply, size, found);
    }

    fn listxattr(&self, _: &Request, ino: INodeNo, size: u32, reply: ReplyXattr) {
        self.idle.note();
        answer_xattr(reply, size, guard(|| self.fs.list_xattrs(&self.node(ino)?)));
    }

    fn removexattr(&self, _: &Request, ino: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.idle.note();
        answer(reply, guard(|| self.fs.remove_xattr(&self.node(ino)?, name)));
    }

    fn fallocate(
        &self,
        req: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        self.idle.note();
        let done = guard(|| {
            let node = self.node(ino)?;
            self.fs.allocate(&node, offset, length, mode)?;
            match self.is_root(req) {
                true => Ok(()),
                false => self.fs.kill_privileges(&node),
            }
        });
        answer(reply, done);
    }

    fn lseek(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: i64, whence: i32, reply: ReplyLseek) {
        self.idle.note();
        match guard(|| self.fs.seek(&self.node(ino)?, offset, whence)) {
            Ok(position) => reply.offset(position as i64),
            Err(errno) => reply.error(errno),
        }
    }

    fn copy_file_range(
        &self,
        _: &Request,
        from: INodeNo,
        _: FileHandle,
        at: u64,
        to: INodeNo,
        _: FileHandle,
        to_at: u64,
        length: u64,
        _: CopyFileRangeFlags,
        reply: ReplyWrite,
    ) {
        self.idle.note();
        match guard(|| self.fs.copy_range(&self.node(from)?, at, &self.node(to)?, to_at, length)) {
            Ok(copied) => reply.written(copied as u32),
            Err(errno) => reply.error(errno),
        }
    }
}
