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
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{FileType, Stat};
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

/// Bytes of holes in a file that are worth a map.
const HOLES_FROM: u64 = 1 << 20;

/// The times of entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Times {
    /// As on disk.
    #[default]
    Kept,
    /// Later ones become this one, in seconds since 1970: `SOURCE_DATE_EPOCH` as reproducible-builds.org defines it.
    AtMost(i64),
    /// All are this one, in seconds since 1970: podman's `--timestamp`.
    Fixed(i64),
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
    /// All entries belong to root instead.
    pub root_owned: bool,
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
        let mut pack = Self {
            walk: Walk::new(root)?,
            packing,
            links: HashMap::new(),
            pending: Vec::new(),
            at: 0,
            contents: None,
            prefix: Vec::new(),
            finished: false,
        };
        if packing.union && whiteout::is_opaque(root) {
            pack.mark(b"", b".wh..wh..opq")?;
        }
        Ok(pack)
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
        let Some((file, stat)) = self.walk.open(found)? else { return Ok(()) };
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let xattrs = attributes::read(file.as_fd(), &found.path)?;
        let segments = segments(&file, &stat);
        let name = [&self.prefix[..], &found.path].concat();
        let written = Written { xattrs, size, segments, ..self.written(Flag::File, name, &stat) };
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
        let (uid, gid) = match self.packing.root_owned {
            true => (0, 0),
            false => (inside(uids, stat.st_uid), inside(gids, stat.st_gid)),
        };
        let nanos = if self.packing.nanoseconds { stat.st_mtime_nsec as u32 } else { 0 };
        let time = Time { seconds: stat.st_mtime, nanos };
        let mtime = match self.packing.times {
            Times::Kept => time,
            Times::AtMost(most) if time.seconds < most => time,
            Times::AtMost(most) => Time { seconds: most, nanos: 0 },
            Times::Fixed(seconds) => Time { seconds, nanos: 0 },
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
