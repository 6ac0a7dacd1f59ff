//! A directory tree becomes a tar stream: a new layer from the upper directory of a union, or an archive of files.
//!
//! What becomes of each kind, where it is not plain:
//! * With [`Packing::union`], the marks of overlayfs become those of a layer: a whiteout is an empty file `.wh.NAME`, an
//!   opaque directory has an entry `.wh..wh..opq`.
//! * With [`Packing::layer`], a file whose own name begins with `.wh.` is refused: in a layer it would delete another.
//! * The root of the tree has no entry, as in the layers that docker makes.
//! * A file with several names in the tree is a file once and a hard link from then on.
//! * Holes of a mebibyte and more stay holes (GNU sparse format 1.0, which Go, GNU tar and libarchive read).
//! * Times of modification are whole seconds, as docker and podman write them, unless [`Packing::nanoseconds`].
//! * Of extended attributes, those of `user.*`, ACLs and file capabilities are kept; not the union's own and not
//!   recorded owners. A name with `=` cannot be written and is left out.
//! * Sockets are left out. Devices are entries; unpacking leaves them out ([`super::tree`]).
//!
//! Entries come in the order of their names, so that the same tree gives the same bytes.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{FileType, FsWord, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::attributes;
use super::entries::shown;
use super::header::BLOCK;
use super::names::{join, split};
use super::pax::Time;
use super::sparse::{MAX_SEGMENTS, Segment};
use super::walk::{Found, Step, Walk};
use super::whiteout;
use super::writer::{Flag, Written};
use crate::base::{Error, Result, ResultExt};
use crate::spec::idmap::IdMap;
use crate::sys::beneath;

/// Bytes of holes in a file that are worth a map.
const HOLES_FROM: u64 = 1 << 20;

/// The times of entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Times {
    /// As on disk.
    #[default]
    Kept,
    /// Later ones become this one, in seconds since 1970: `SOURCE_DATE_EPOCH` as reproducible-builds.org defines it.
    AtMost(i64),
    /// All are this one: buildah's `--timestamp`.
    Exactly(i64),
}

impl Times {
    /// The time of an entry that has these seconds on disk.
    pub fn of(self, seconds: i64) -> i64 {
        match self {
            Self::Kept => seconds,
            Self::AtMost(most) => seconds.min(most),
            Self::Exactly(time) => time,
        }
    }
}

/// How a tree is packed.
#[derive(Debug, Clone, Default)]
pub struct Packing {
    /// The tree is the upper directory of a union.
    pub union: bool,
    /// The archive will be a layer.
    pub layer: bool,
    /// The times of entries.
    pub times: Times,
    /// Whether times have fractions of seconds.
    pub nanoseconds: bool,
    /// Paths below the root to leave out: empty directories and empty files there are places for mounts.
    pub mount_points: Vec<Vec<u8>>,
    /// Ids on disk to those in the archive (`to_inside`); empty maps change nothing. An id without a partner is kept.
    pub owners: (IdMap, IdMap),
    /// Directories on which the kernel's own file systems are mounted are empty.
    pub without_kernel: bool,
}

/// A tar stream that is read from a tree.
pub struct Pack<'a> {
    walk: Walk,
    packing: &'a Packing,
    /// First names of files with several, by device and inode number.
    links: HashMap<(u64, u64), Vec<u8>>,
    /// Headers and padding to be read before the contents.
    pending: Vec<u8>,
    at: usize,
    contents: Option<Contents>,
    /// What the names in the archive begin with.
    prefix: Vec<u8>,
    finished: bool,
}

/// Contents that are being read.
struct Contents {
    file: File,
    /// What is left, the next part last.
    segments: Vec<Segment>,
    padding: usize,
}

impl<'a> Pack<'a> {
    /// Packs what is in the directory `root`.
    pub fn new(root: BorrowedFd<'_>, packing: &'a Packing) -> Result<Self> {
        let mut pack = Self::empty(Walk::new(root)?, packing);
        if packing.union && whiteout::is_opaque(root) {
            pack.mark(b"", b".wh..wh..opq")?;
        }
        Ok(pack)
    }

    /// Packs what `place` (`O_PATH`) stands for, whatever it is, under `name`; a directory with all that is in it.
    pub fn of_place(place: &OwnedFd, name: &[u8], packing: &'a Packing) -> Result<Self> {
        let failed = || format!("cannot read `{}`", shown(name));
        let stat = rustix::fs::fstat(place).context(failed)?;
        let found = Found { path: name.to_vec(), stat };
        if found.kind() == FileType::Directory {
            let directory = beneath::reopen(place, OFlags::RDONLY | OFlags::DIRECTORY).context(failed)?;
            let mut pack = Self::empty(Walk::new(directory.as_fd())?, packing);
            pack.prefix = [name, b"/"].concat();
            let xattrs = attributes::read(directory.as_fd(), name)?;
            let written = Written { xattrs, ..pack.written(Flag::Directory, pack.prefix.clone(), &stat) };
            written.encode(&mut pack.pending)?;
            return Ok(pack);
        }
        let mut pack = Self::empty(Walk::done(), packing);
        match found.kind() {
            FileType::RegularFile => {
                let file = File::from(beneath::reopen(place, OFlags::RDONLY).context(failed)?);
                pack.regular(&found, file, &stat)?;
            }
            FileType::Symlink => {
                let link = rustix::fs::readlinkat(place, "", Vec::new()).context(failed)?;
                pack.node(&found, Flag::SymbolicLink, link.into_bytes())?;
            }
            FileType::Fifo => pack.node(&found, Flag::Fifo, Vec::new())?,
            FileType::CharacterDevice => pack.node(&found, Flag::CharacterDevice, Vec::new())?,
            FileType::BlockDevice => pack.node(&found, Flag::BlockDevice, Vec::new())?,
            _ => return Err(Error::unsupported(format!("`{}` is a socket, which cannot be copied", shown(name)))),
        }
        Ok(pack)
    }

    fn empty(walk: Walk, packing: &'a Packing) -> Self {
        Self {
            walk,
            packing,
            links: HashMap::new(),
            pending: Vec::new(),
            at: 0,
            contents: None,
            prefix: Vec::new(),
            finished: false,
        }
    }

    /// Continues after the last entry, with the next file's header in `pending`.
    fn advance(&mut self) -> Result<()> {
        self.pending.clear();
        self.at = 0;
        while self.pending.is_empty() && !self.finished {
            match self.walk.next()? {
                Some(Step::Entry(found)) => self.entry(&found)?,
                Some(Step::Leave) => {}
                None => {
                    self.pending = vec![0; 2 * BLOCK];
                    self.finished = true;
                }
            }
        }
        Ok(())
    }

    fn entry(&mut self, found: &Found) -> Result<()> {
        if self.packing.union && whiteout::is_whiteout(self.walk.directory()?, found.name(), &found.stat) {
            let (directory, name) = split(&found.path);
            return self.mark(directory, &[b".wh.", name].concat());
        }
        if self.packing.layer && found.name().starts_with(b".wh.") {
            return Err(Error::unsupported(format!(
                "`/{}` cannot be in a layer: names that begin with `.wh.` mean deletions there",
                shown(&found.path)
            ))
            .hint("rename or remove the file"));
        }
        match found.kind() {
            FileType::Directory => self.directory(found),
            FileType::RegularFile => self.file(found),
            FileType::Symlink => {
                let link = match rustix::fs::readlinkat(self.walk.directory()?, found.name(), Vec::new()) {
                    Err(Errno::NOENT | Errno::INVAL) => return Ok(()),
                    link => link.context(|| format!("cannot read the link `{}`", shown(&found.path)))?,
                };
                self.node(found, Flag::SymbolicLink, link.into_bytes())
            }
            FileType::Fifo => self.node(found, Flag::Fifo, Vec::new()),
            FileType::CharacterDevice => self.node(found, Flag::CharacterDevice, Vec::new()),
            FileType::BlockDevice => self.node(found, Flag::BlockDevice, Vec::new()),
            _ => Ok(()),
        }
    }

    fn directory(&mut self, found: &Found) -> Result<()> {
        if self.packing.without_kernel && is_kernel_mount(self.walk.directory()?, found)? {
            let name = [&self.prefix[..], &found.path, b"/"].concat();
            return self.written(Flag::Directory, name, &found.stat).encode(&mut self.pending);
        }
        if !self.walk.enter(found)? {
            return Ok(());
        }
        let directory = self.walk.directory()?;
        if self.is_mount_point(found) && rustix::fs::Dir::read_from(directory).is_ok_and(|entries| entries.count() <= 2)
        {
            return Ok(());
        }
        let opaque = self.packing.union && whiteout::is_opaque(directory);
        let xattrs = attributes::read(directory, &found.path)?;
        let name = [&self.prefix[..], &found.path, b"/"].concat();
        let written = Written { xattrs, ..self.written(Flag::Directory, name, &found.stat) };
        written.encode(&mut self.pending)?;
        match opaque {
            true => self.mark(&found.path, b".wh..wh..opq"),
            false => Ok(()),
        }
    }

    fn file(&mut self, found: &Found) -> Result<()> {
        if found.stat.st_size == 0 && self.is_mount_point(found) {
            return Ok(());
        }
        if self.is_link(found)? {
            return Ok(());
        }
        match self.walk.open(found)? {
            Some((file, stat)) => self.regular(found, file, &stat),
            None => Ok(()),
        }
    }

    fn regular(&mut self, found: &Found, file: File, stat: &Stat) -> Result<()> {
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let xattrs = attributes::read(file.as_fd(), &found.path)?;
        let segments = segments(&file, stat);
        let name = [&self.prefix[..], &found.path].concat();
        let written = Written { xattrs, size, segments, ..self.written(Flag::File, name, stat) };
        written.encode(&mut self.pending)?;
        let packed = written.packed();
        if packed > 0 {
            let whole = vec![Segment { offset: 0, length: size }];
            let mut segments = written.segments.unwrap_or(whole);
            segments.reverse();
            let padding = (packed.next_multiple_of(BLOCK as u64) - packed) as usize;
            self.contents = Some(Contents { file, segments, padding });
        }
        Ok(())
    }

    fn node(&mut self, found: &Found, flag: Flag, link: Vec<u8>) -> Result<()> {
        if self.is_link(found)? {
            return Ok(());
        }
        let name = [&self.prefix[..], &found.path].concat();
        let device = (rustix::fs::major(found.stat.st_rdev), rustix::fs::minor(found.stat.st_rdev));
        let device = if matches!(flag, Flag::CharacterDevice | Flag::BlockDevice) { device } else { (0, 0) };
        Written { link, device, ..self.written(flag, name, &found.stat) }.encode(&mut self.pending)
    }

    /// Writes another name of what was packed before as a hard link.
    fn is_link(&mut self, found: &Found) -> Result<bool> {
        if found.stat.st_nlink < 2 {
            return Ok(false);
        }
        let name = [&self.prefix[..], &found.path].concat();
        match self.links.entry((found.stat.st_dev, found.stat.st_ino)) {
            std::collections::hash_map::Entry::Occupied(first) => {
                let link = first.get().clone();
                let written = Written { link, ..self.written(Flag::HardLink, name, &found.stat) };
                written.encode(&mut self.pending).map(|()| true)
            }
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(name);
                Ok(false)
            }
        }
    }

    /// An empty file that is an instruction for whoever unpacks.
    fn mark(&mut self, directory: &[u8], name: &[u8]) -> Result<()> {
        let name = [&self.prefix[..], &join(directory, name)].concat();
        Written { mode: 0o600, ..Written::new(Flag::File, name) }.encode(&mut self.pending)
    }

    fn is_mount_point(&self, found: &Found) -> bool {
        self.packing.mount_points.contains(&found.path)
    }

    fn written(&self, flag: Flag, name: Vec<u8>, stat: &Stat) -> Written {
        let (uids, gids) = &self.packing.owners;
        let inside = |map: &IdMap, id| if map.is_empty() { id } else { map.to_inside(id).unwrap_or(id) };
        let (uid, gid) = (inside(uids, stat.st_uid), inside(gids, stat.st_gid));
        let nanos = if self.packing.nanoseconds { stat.st_mtime_nsec as u32 } else { 0 };
        let time = Time { seconds: stat.st_mtime, nanos };
        let seconds = self.packing.times.of(time.seconds);
        let mtime = if seconds == time.seconds && !matches!(self.packing.times, Times::AtMost(most) if most == seconds)
        {
            time
        } else {
            Time { seconds, nanos: 0 }
        };
        let mode = if flag == Flag::SymbolicLink { 0o777 } else { stat.st_mode & 0o7777 };
        Written { mode, uid, gid, mtime, ..Written::new(flag, name) }
    }
}

impl Contents {
    /// Reads on. A file that has become shorter meanwhile ends with zeros, as GNU tar does. 0 at the end.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(segment) = self.segments.last_mut() else { return Ok(0) };
        let length = buffer.len().min(usize::try_from(segment.length).unwrap_or(usize::MAX));
        let read = match self.file.read_at(&mut buffer[..length], segment.offset)? {
            0 => {
                buffer[..length].fill(0);
                length
            }
            read => read,
        };
        segment.offset += read as u64;
        segment.length -= read as u64;
        if segment.length == 0 {
            self.segments.pop();
        }
        Ok(read)
    }
}

impl Read for Pack<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if self.at < self.pending.len() {
                let length = buffer.len().min(self.pending.len() - self.at);
                buffer[..length].copy_from_slice(&self.pending[self.at..self.at + length]);
                self.at += length;
                return Ok(length);
            }
            if let Some(contents) = &mut self.contents {
                match contents.read(buffer)? {
                    0 => {
                        let padding = contents.padding;
                        self.contents = None;
                        self.pending.clear();
                        self.pending.resize(padding, 0);
                        self.at = 0;
                        continue;
                    }
                    read => return Ok(read),
                }
            }
            if self.finished {
                return Ok(0);
            }
            self.advance().map_err(io::Error::other)?;
        }
    }
}

/// File systems that have no files of anybody (linux/magic.h): procfs, sysfs, cgroup, cgroup2, devpts, debugfs, tracefs,
/// securityfs and mqueue.
const KERNEL: [FsWord; 9] =
    [0x9fa0, 0x6265_6572, 0x0027_e0eb, 0x6367_7270, 0x1cd1, 0x6462_6720, 0x7472_6163, 0x7363_6673, 0x1980_0202];

/// Whether one of the kernel's own file systems is mounted on a directory.
fn is_kernel_mount(parent: BorrowedFd<'_>, found: &Found) -> Result<bool> {
    if rustix::fs::fstat(parent).is_ok_and(|parent| parent.st_dev == found.stat.st_dev) {
        return Ok(false);
    }
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let place = rustix::fs::openat(parent, found.name(), flags, Mode::empty());
    let mounted = place.and_then(rustix::fs::fstatfs);
    Ok(mounted.is_ok_and(|mounted| KERNEL.contains(&mounted.f_type)))
}

/// The written parts of a file whose holes are worth a map.
pub fn segments(file: &File, stat: &Stat) -> Option<Vec<Segment>> {
    use rustix::fs::SeekFrom;
    let size = u64::try_from(stat.st_size).ok()?;
    let on_disk = u64::try_from(stat.st_blocks).ok()?.saturating_mul(512);
    if size.saturating_sub(on_disk) < HOLES_FROM {
        return None;
    }
    let (mut segments, mut at) = (Vec::new(), 0);
    while at < size {
        let offset = match rustix::fs::seek(file, SeekFrom::Data(at)) {
            Ok(offset) => offset,
            Err(Errno::NXIO) => break,
            Err(_) => return None,
        };
        let end = rustix::fs::seek(file, SeekFrom::Hole(offset)).ok()?.min(size);
        if offset >= end || segments.len() == MAX_SEGMENTS - 1 {
            return None;
        }
        segments.push(Segment { offset, length: end - offset });
        at = end;
    }
    let data: u64 = segments.iter().map(|segment| segment.length).sum();
    (size - data >= HOLES_FROM).then_some(segments)
}
