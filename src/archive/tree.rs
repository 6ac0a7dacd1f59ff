//! Entries become files: the executor of unpacking.
//!
//! What becomes of each kind, where it is not plain:
//! * A later entry replaces an earlier one of the same name, whatever kinds they are; a directory over a directory only
//!   changes its attributes. A directory that replaces something else is opaque.
//! * Whiteouts hide what lower layers have, never what this layer has, in whatever order they come: a whiteout of a
//!   directory of this layer makes it opaque. Below a whiteout or a file of this layer they mean nothing.
//! * Hard links lead to entries of the same layer, to symbolic links too.
//! * Device nodes are left out, as docker and podman do in a user namespace, where nobody can make or open them; so are
//!   hard links to them. A container gets its devices from its own `/dev`.
//! * Holes of sparse files stay holes, and long runs of zeros in large files become some.
//! * Times of access are not kept; modes, owners and times of modification are, see [`super::attributes`].

use std::collections::HashSet;
use std::io::{BufRead, Write};
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::attributes::{apply, apply_at, failed, timestamps};
use super::directories::{Directories, Directory};
use super::entries::{Entries, Entry, Kind, shown};
use super::names::{self, Subject, split};
use super::whiteout;
use crate::base::{Error, Result, ResultExt};
use crate::sys::{beneath, writeback};

/// Files at least this large start their way to the disk as soon as they are written, so that the sync before
/// publication finds little left to do.
const WRITEBACK_FROM: u64 = 1 << 20;

/// Zeros that are worth a hole, in bytes; and files that are searched for them.
const HOLE: usize = 32 << 10;
const HOLES_FROM: u64 = 256 << 10;

/// Most skipped device nodes that are remembered for hard links to them.
const SKIPPED: usize = 10_000;

/// What was unpacked.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    /// Bytes in regular files.
    pub size: u64,
    /// Entries, whatever became of them.
    pub entries: u64,
    /// See [`super::Unpacked::rebuildable`].
    pub rebuildable: bool,
    /// See [`super::Unpacked::hides_lower`].
    pub hides_lower: bool,
}

/// A tree in the making.
#[derive(Debug)]
pub struct Tree {
    directories: Directories,
    skipped: HashSet<Vec<u8>>,
    counts: Counts,
}

impl Tree {
    /// A tree in the empty directory `root`, which becomes what a layer's root is by default.
    pub fn new(root: BorrowedFd<'_>) -> Result<Self> {
        // A default ACL, inherited from the user's home, would reach every file in it.
        match rustix::fs::fremovexattr(root, "system.posix_acl_default") {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            refused => refused.context(|| "cannot remove the inherited access list of the layer's directory")?,
        }
        rustix::fs::fchmod(root, Mode::from_raw_mode(0o755)).context(|| "cannot set the mode of the layer's root")?;
        let counts = Counts { size: 0, entries: 0, rebuildable: true, hides_lower: false };
        Ok(Self { directories: Directories::new(root)?, skipped: HashSet::new(), counts })
    }

    /// Unpacks `entry`, whose contents come next in `entries`.
    pub fn put<R: BufRead, W: Write>(&mut self, entry: &Entry, entries: &mut Entries<'_, R, W>) -> Result<()> {
        self.counts.entries += 1;
        match Subject::of(&entry.name)? {
            Subject::Ignored => Ok(()),
            Subject::Opaque(name) => match self.directories.get_for_whiteout(&name)? {
                Some(directory) => whiteout::make_opaque(directory.fd()),
                None => Ok(()),
            },
            Subject::Whiteout(name) => self.whiteout(&name),
            Subject::Entry(name) => match entry.kind {
                Kind::Directory => self.directory(&name, entry),
                _ if name.is_empty() => Err(Error::invalid("the layer's root is something else than a directory")),
                Kind::File => self.file(&name, entry, entries),
                Kind::HardLink => self.hard_link(&name, entry),
                Kind::SymbolicLink => self.symbolic_link(&name, entry),
                Kind::Fifo => self.fifo(&name, entry),
                Kind::Device => self.device(name),
            },
        }
    }

    /// Completes the tree.
    pub fn finish(mut self) -> Result<Counts> {
        let root = self.directories.get(b"")?;
        self.counts.hides_lower = whiteout::is_opaque(root.fd());
        super::owners::mark_root(root.fd())?;
        self.directories.close_all()?;
        Ok(self.counts)
    }

    fn file<R: BufRead, W: Write>(
        &mut self,
        name: &[u8],
        entry: &Entry,
        entries: &mut Entries<'_, R, W>,
    ) -> Result<()> {
        let (directory, base) = split(name);
        let parent = self.directories.get(directory)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file: OwnedFd = self.replacing(&parent, name, entry, || {
            rustix::fs::openat(parent.fd(), base, flags, Mode::RUSR | Mode::WUSR)
        })?;
        match &entry.segments {
            Some(_) => write_segments(&file, entry, entries)?,
            None if entry.size >= HOLES_FROM => write_with_holes(&file, entry, entries)?,
            None => {
                let mut offset = 0;
                entries.contents(|piece| write_at(&file, piece, &mut offset, entry))?;
            }
        }
        self.counts.size = self.counts.size.saturating_add(entry.size);
        apply(&file, entry)?;
        rustix::fs::futimens(&file, &timestamps(entry.mtime)).context(|| failed("set the time of", entry))?;
        if entry.size >= WRITEBACK_FROM {
            // Only a hint: file systems without it are synced all the same.
            let _ = writeback::start(&file, 0, 0);
        }
        Ok(())
    }

    fn directory(&mut self, name: &[u8], entry: &Entry) -> Result<()> {
        let directory = match name {
            b"" => self.directories.get(b"")?,
            name => {
                let (parent, base) = split(name);
                let parent = self.directories.get(parent)?;
                match look(&parent, base, entry)? {
                    Some(stat) if is_directory(&stat) => self.directories.open_child(&parent, name)?,
                    None => self.directories.make(&parent, name)?,
                    Some(stat) => {
                        self.clear(&parent, name, &stat, entry)?;
                        let made = self.directories.make(&parent, name)?;
                        whiteout::make_opaque(made.fd())?;
                        made
                    }
                }
            }
        };
        apply(directory.fd(), entry)?;
        directory.set_time(entry.mtime);
        Ok(())
    }

    fn symbolic_link(&mut self, name: &[u8], entry: &Entry) -> Result<()> {
        let (directory, base) = split(name);
        if entry.link.is_empty() || entry.link.len() > names::NAME_MAX {
            return Err(Error::invalid(format!("the symbolic link `{}` has no valid target", entry.shown())));
        }
        let parent = self.directories.get(directory)?;
        self.replacing(&parent, name, entry, || rustix::fs::symlinkat(entry.link.as_slice(), parent.fd(), base))?;
        apply_at(parent.fd(), base, entry)
    }

    fn fifo(&mut self, name: &[u8], entry: &Entry) -> Result<()> {
        let (directory, base) = split(name);
        let parent = self.directories.get(directory)?;
        self.replacing(&parent, name, entry, || rustix::fs::mkfifoat(parent.fd(), base, Mode::RUSR | Mode::WUSR))?;
        // Nobody else touches the tree, so that the name is still the fifo.
        rustix::fs::chmodat(parent.fd(), base, Mode::from_raw_mode(entry.mode), AtFlags::empty())
            .context(|| failed("set the mode of", entry))?;
        apply_at(parent.fd(), base, entry)
    }

    fn hard_link(&mut self, name: &[u8], entry: &Entry) -> Result<()> {
        let target = names::clean(&entry.link).context(|| format!("the hard link `{}` is not valid", entry.shown()))?;
        let (directory, base) = split(&target);
        let source = self.directories.find(directory)?;
        let found = match &source {
            Some(source) => look(source, base, entry)?.filter(|stat| !whiteout::is_whiteout(source.fd(), base, stat)),
            None => None,
        };
        let (Some(source), Some(stat)) = (source, found) else {
            if self.skipped.contains(&target) {
                return self.device(name.to_vec());
            }
            return Err(Error::invalid(format!(
                "the hard link `{}` leads to `{}`, which is not in the layer",
                entry.shown(),
                shown(&entry.link)
            )));
        };
        if is_directory(&stat) {
            return Err(Error::invalid(format!("the hard link `{}` leads to a directory", entry.shown())));
        }
        let (into, link) = split(name);
        let parent = self.directories.get(into)?;
        if look(&parent, link, entry)?.is_some_and(|there| (there.st_dev, there.st_ino) == (stat.st_dev, stat.st_ino)) {
            return Ok(());
        }
        self.replacing(&parent, name, entry, || {
            rustix::fs::linkat(source.fd(), base, parent.fd(), link, AtFlags::empty())
        })
    }

    /// A device node replaces what was there, and is left out.
    fn device(&mut self, name: Vec<u8>) -> Result<()> {
        let (directory, base) = split(&name);
        if let Some(parent) = self.directories.find(directory)?
            && let Ok(stat) = rustix::fs::statat(parent.fd(), base, AtFlags::SYMLINK_NOFOLLOW)
        {
            self.remove(&parent, &name, &stat).context(|| format!("cannot remove `{}`", shown(&name)))?;
        }
        if self.skipped.len() < SKIPPED {
            self.skipped.insert(name);
        }
        Ok(())
    }

    fn whiteout(&mut self, name: &[u8]) -> Result<()> {
        let (directory, base) = split(name);
        let Some(parent) = self.directories.get_for_whiteout(directory)? else {
            return Ok(());
        };
        match rustix::fs::statat(parent.fd(), base, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if is_directory(&stat) => whiteout::make_opaque(self.directories.open_child(&parent, name)?.fd()),
            Ok(_) => Ok(()),
            Err(Errno::NOENT) => whiteout::make(parent.fd(), base),
            refused => refused.map(|_| ()).context(|| format!("cannot examine `{}`", shown(name))),
        }
    }

    /// Runs `make` for `name` in `parent`; when something is there already, removes it and runs `make` again.
    fn replacing<T>(
        &mut self,
        parent: &Directory,
        name: &[u8],
        entry: &Entry,
        make: impl Fn() -> Result<T, Errno>,
    ) -> Result<T> {
        let mut made = make();
        if matches!(made, Err(Errno::EXIST))
            && let Some(stat) = look(parent, split(name).1, entry)?
        {
            self.clear(parent, name, &stat, entry)?;
            made = make();
        }
        made.context(|| failed("unpack", entry))
    }

    fn clear(&mut self, parent: &Directory, name: &[u8], stat: &Stat, entry: &Entry) -> Result<()> {
        self.remove(parent, name, stat).context(|| failed("replace", entry))
    }

    /// Removes what an earlier entry made.
    fn remove(&mut self, parent: &Directory, name: &[u8], stat: &Stat) -> Result<()> {
        let base = split(name).1;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                self.counts.rebuildable = false;
                // Before the removal: the times of directories inside no longer matter, those of others do.
                self.directories.close_all()?;
                beneath::remove_tree(parent.fd(), base).context(|| "cannot remove the directory")?;
                return Ok(());
            }
            FileType::Symlink => self.directories.close_all()?,
            FileType::RegularFile if !whiteout::is_whiteout(parent.fd(), base, stat) => self.counts.rebuildable = false,
            _ => {}
        }
        rustix::fs::unlinkat(parent.fd(), base, AtFlags::empty()).context(|| "cannot remove the file")
    }
}

/// What has the name `base` in `parent`.
fn look(parent: &Directory, base: &[u8], entry: &Entry) -> Result<Option<Stat>> {
    match rustix::fs::statat(parent.fd(), base, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(None),
        result => result.map(Some).context(|| failed("unpack", entry)),
    }
}

fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

pub fn write_at(file: &OwnedFd, mut piece: &[u8], offset: &mut u64, entry: &Entry) -> Result<()> {
    while !piece.is_empty() {
        match rustix::io::pwrite(file, piece, *offset) {
            Ok(0) => return Err(Error::system(failed("write", entry))),
            Ok(length) => {
                piece = &piece[length..];
                *offset += length as u64;
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno).context(|| failed("write", entry)),
        }
    }
    Ok(())
}

/// Writes a file of which the archive has every byte, and leaves out long runs of zeros: most tools cannot write sparse
/// archives, and turn one `/var/log/lastlog` into gigabytes.
fn write_with_holes<R: BufRead, W: Write>(
    file: &OwnedFd,
    entry: &Entry,
    entries: &mut Entries<'_, R, W>,
) -> Result<()> {
    let mut offset = 0;
    entries.contents(|piece| {
        let mut written = 0;
        let mut at = 0;
        while at < piece.len() {
            let length = HOLE.min(piece.len() - at);
            if is_zero(&piece[at..at + length]) {
                write_at(file, &piece[written..at], &mut offset, entry)?;
                offset += length as u64;
                written = at + length;
            }
            at += length;
        }
        write_at(file, &piece[written..], &mut offset, entry)
    })?;
    rustix::fs::ftruncate(file, entry.size).context(|| failed("extend", entry))
}

/// The first byte is zero and each is like the one before: two comparisons of memory, most end at the first byte.
fn is_zero(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0) && bytes[1..] == bytes[..bytes.len() - 1]
}

/// Writes the segments of a sparse file where they belong and leaves the rest holes.
pub fn write_segments<R: BufRead, W: Write>(
    file: &OwnedFd,
    entry: &Entry,
    entries: &mut Entries<'_, R, W>,
) -> Result<()> {
    let mut segments = entry.segments.iter().flatten();
    let (mut offset, mut left) = (0, 0);
    entries.contents(|mut piece| {
        while !piece.is_empty() {
            if left == 0 {
                // The map accounts for every byte of the contents.
                let Some(next) = segments.next() else {
                    return Err(Error::invalid(format!("`{}` has more contents than its map", entry.shown())));
                };
                (offset, left) = (next.offset, next.length);
            }
            let length = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            write_at(file, &piece[..length], &mut offset, entry)?;
            piece = &piece[length..];
            left -= length as u64;
        }
        Ok(())
    })?;
    rustix::fs::ftruncate(file, entry.size).context(|| failed("extend", entry))
}
