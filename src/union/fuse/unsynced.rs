//! Copies whose data is not on the disk yet, and their recovery after a power cut.
//!
//! # Theory of operation
//!
//! A copy hides its original. If its name reaches the disk before its data, a power cut leaves an empty file in place
//! of a good one. Waiting for the disk at each copy-up, as overlayfs does, takes longer than the rest of the copy-up.
//! So a copy gets its name at once, but before that a mark ([`ATTRIBUTE`]) that identifies the original and the length.
//! While the mark counts, those bytes are those of the original: before a change of them, they are written to the disk
//! and the mark is removed ([`Fs::before_change`](super::tree::Fs::before_change)). So copying them again is always
//! right, and the next mount does it ([`restore`]), with either driver, if it finds the list still open.
//!
//! Marks count while the file [`LIST`] beside the work directory has their number. The list is durable before the first
//! mark is set. When all data has reached the disk (syncfs(2), at the end of the mount and when it is idle), the list
//! is removed, which voids all marks with its number; the marks themselves may stay. fsync(2) and sync(2) need no extra
//! work: the data is on the disk then, and the mark is harmless.
//!
//! Order on the disk: mark before name, which the file system guarantees for its own metadata; list before mark, and
//! data before the removal of list or mark, for which this module waits.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rustix::fs::{FileType, Mode, OFlags, Stat, XattrFlags};
use rustix::io::Errno;

use super::layer::{LayerDir, walk};
use super::location::times;
use super::open_files;
use super::primitives::{Res, lock};
use crate::base::error::if_absent;
use crate::base::publish::{self, Durability};
use crate::base::{Error, Result, ResultExt, id};
use crate::sys::beneath::BeneathDir;

/// A [`Mark`].
const ATTRIBUTE: &str = "user.overlay.coracle.copied";

/// The list, beside the work directory: the number of the marks that count, and the inode number of the upper, both in
/// hexadecimal. A store that was copied elsewhere has another inode number, and all its data.
const LIST: &str = "unsynced";

/// The most copies of one list.
const MAX_COPIES: usize = 32 * 1024;

/// What is compared or copied at a time, in bytes.
const PIECE: usize = 256 * 1024;

const CAPABILITY: &str = "security.capability";

/// A change of a file's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Nothing,
    /// Changes bytes from this one on.
    From(u64),
    /// Truncates the data to this length.
    Cut(u64),
}

impl Change {
    /// The first byte that may change.
    fn first(self) -> u64 {
        match self {
            Change::Nothing => u64::MAX,
            Change::From(first) | Change::Cut(first) => first,
        }
    }

    /// Whether any of the first `length` bytes may change, apart from truncation.
    pub fn alters(self, length: u64) -> bool {
        self.first() < length
    }
}

/// The contents of a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    /// The number of its list.
    number: u64,
    /// The layer of the original, counted from the top.
    layer: u32,
    /// The original's inode number.
    original: u64,
    /// The length of the copy.
    length: u64,
    /// Identifies the original.
    modified: i64,
    nanoseconds: u32,
}

/// The size of a [`Mark`]: small enough to be stored in the inode (ext4).
const MARK: usize = 40;

impl Mark {
    fn bytes(&self) -> [u8; MARK] {
        let mut bytes = [0; MARK];
        bytes[..8].copy_from_slice(&self.number.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.original.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.length.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.modified.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.nanoseconds.to_le_bytes());
        bytes[36..].copy_from_slice(&self.layer.to_le_bytes());
        bytes
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let long = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let short = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        if bytes.len() != MARK {
            return None;
        }
        Some(Self {
            number: long(0)?,
            original: long(8)?,
            length: long(16)?,
            modified: long(24)? as i64,
            nanoseconds: short(32)?,
            layer: short(36)?,
        })
    }

    fn fits(&self, original: &Stat) -> bool {
        (original.st_mtime, original.st_mtime_nsec as u32) == (self.modified, self.nanoseconds)
            && u64::try_from(original.st_size).is_ok_and(|size| size >= self.length)
    }
}

/// The copies of one mount.
pub(super) struct Unsynced {
    list: PathBuf,
    upper: OwnedFd,
    /// Whether there are any.
    some: AtomicBool,
    copies: Mutex<Copies>,
}

#[derive(Default)]
struct Copies {
    /// The number of the open list, if any.
    number: Option<u64>,
    /// The lengths of the copies, by inode number of the node.
    lengths: HashMap<u64, u64>,
    /// How many copies have a mark but no name yet.
    unnamed: usize,
    /// The list is about to be closed: no new marks.
    closing: bool,
}

/// A copy with a mark, until it has its name.
pub(super) struct Marked<'a>(&'a Unsynced);

impl Drop for Marked<'_> {
    fn drop(&mut self) {
        lock(&self.0.copies).unnamed -= 1;
    }
}

impl Unsynced {
    /// For the container in this directory; `None` if the upper cannot survive a power cut anyway.
    pub fn new(container: &Path, upper: &LayerDir) -> Res<Option<Self>> {
        if rustix::fs::fstatfs(upper)?.f_type == libc::TMPFS_MAGIC {
            return Ok(None);
        }
        let upper = rustix::io::fcntl_dupfd_cloexec(upper, 3)?;
        let list = container.join("work").join(LIST);
        Ok(Some(Self { list, upper, some: AtomicBool::new(false), copies: Mutex::default() }))
    }

    /// Marks a complete copy without a name: the first `length` bytes of the file `original` in the layer `layer`, for
    /// the node `ino`. `None` if it must be on the disk before it gets its name.
    pub fn mark(
        self: &Arc<Self>,
        copy: &OwnedFd,
        ino: u64,
        layer: u32,
        original: &Stat,
        length: u64,
    ) -> Option<Marked<'_>> {
        let mut copies = lock(&self.copies);
        if copies.closing {
            return None;
        }
        if copies.lengths.len() >= MAX_COPIES {
            drop(copies);
            self.sync_soon();
            return None;
        }
        let number = match copies.number {
            Some(number) => number,
            None => *copies.number.insert(self.open_list().ok()?),
        };
        let mark = Mark {
            number,
            layer,
            original: original.st_ino,
            length,
            modified: original.st_mtime,
            nanoseconds: original.st_mtime_nsec as u32,
        };
        rustix::fs::fsetxattr(copy, ATTRIBUTE, &mark.bytes(), XattrFlags::empty()).ok()?;
        copies.lengths.insert(ino, length);
        copies.unnamed += 1;
        self.some.store(true, Ordering::SeqCst);
        Some(Marked(self))
    }

    fn open_list(&self) -> Result<u64> {
        let mut number = [0; 8];
        id::random_bytes(&mut number)?;
        let number = u64::from_le_bytes(number);
        let upper = rustix::fs::fstat(&self.upper).context(|| "cannot examine the upper layer")?.st_ino;
        publish::file(&self.list, format!("{number:x} {upper:x}\n").as_bytes(), Durability::Durable)?;
        Ok(number)
    }

    /// How many bytes of a node are those of its original, as the mark says.
    fn length(&self, ino: u64) -> Option<u64> {
        match self.some.load(Ordering::SeqCst) {
            true => lock(&self.copies).lengths.get(&ino).copied(),
            false => None,
        }
    }

    /// Whether a change alters bytes of a copy that are not on the disk yet.
    pub fn is_altered(&self, ino: u64, change: Change) -> bool {
        change != Change::Nothing && self.length(ino).is_some_and(|length| change.alters(length))
    }

    /// Writes one copy, open as `file`, to the disk and removes its mark.
    pub fn sync_copy(&self, ino: u64, file: &OwnedFd) -> Res<()> {
        rustix::fs::fdatasync(file)?;
        match rustix::fs::fremovexattr(file, ATTRIBUTE) {
            Ok(()) | Err(Errno::NODATA) => {}
            Err(errno) => return Err(errno),
        }
        // A later write may reach the disk at any time: the mark must be gone from the disk before it.
        rustix::fs::fsync(file)?;
        lock(&self.copies).lengths.remove(&ino);
        Ok(())
    }

    /// Writes everything to the disk and closes the list. After a failure the list stays open.
    pub fn sync(&self) {
        {
            let mut copies = lock(&self.copies);
            if copies.number.is_none() || copies.unnamed > 0 || copies.closing {
                return;
            }
            copies.closing = true;
        }
        let closed = rustix::fs::syncfs(&self.upper).is_ok() && close_list(&self.list).is_ok();
        let mut copies = lock(&self.copies);
        copies.closing = false;
        if closed {
            (copies.number, copies.lengths) = (None, HashMap::new());
            self.some.store(false, Ordering::SeqCst);
        }
    }

    /// As [`Unsynced::sync`], on another thread.
    pub fn sync_soon(self: &Arc<Self>) {
        if self.some.load(Ordering::SeqCst) {
            let this = Arc::clone(self);
            // Without a thread it happens at the end of the mount.
            let _ = std::thread::Builder::new().name("sync".into()).stack_size(64 << 10).spawn(move || this.sync());
        }
    }
}

fn close_list(list: &Path) -> Result<()> {
    if_absent(fs::remove_file(list)).at(list, "cannot remove")?;
    list.parent().map_or(Ok(()), publish::sync_dir)
}

/// Whether a container's upper may have copies whose data is not on the disk.
pub(super) fn is_open(container: &Path) -> bool {
    fs::symlink_metadata(container.join("work").join(LIST)).is_ok()
}

/// Completes all copies in a container's upper. Layers are given base first. The caller holds the lock of the work
/// directory, and the upper is not in use.
pub(super) fn restore(container: &Path, layers: &[PathBuf]) -> Result<()> {
    let list = container.join("work").join(LIST);
    let Some(text) = if_absent(fs::read_to_string(&list)).at(&list, "cannot read")? else { return Ok(()) };
    let place = container.join("upper");
    let upper = LayerDir::root(&place).at(&place, "cannot open the layer")?;
    let inode = rustix::fs::fstat(&upper).at(&place, "cannot examine")?.st_ino;
    let mut words = text.split_ascii_whitespace().map(|word| u64::from_str_radix(word, 16).ok());
    if let (Some(Some(number)), true) = (words.next(), words.next() == Some(Some(inode))) {
        let mut originals = Originals::default();
        everywhere(&place, &upper, |directory, _, name, stat| {
            if let Some(mark) = mark_of(directory, name, stat, number) {
                originals.wanted.insert((mark.layer, mark.original));
            }
            Ok(())
        })?;
        originals.find(layers)?;
        everywhere(&place, &upper, |directory, _, name, stat| match mark_of(directory, name, stat, number) {
            Some(mark) => originals.restore(directory, name, &mark),
            None => Ok(()),
        })?;
        rustix::fs::syncfs(&upper).at(&place, "cannot sync")?;
    }
    close_list(&list)
}

/// As [`walk`], but an incomplete walk is an error.
fn everywhere(
    place: &Path,
    root: &LayerDir,
    visit: impl FnMut(BorrowedFd<'_>, &Path, &OsStr, &Stat) -> Res<()>,
) -> Result<()> {
    match walk(root, visit).at(place, "cannot look for unfinished copies in")? {
        true => Ok(()),
        false => Err(Error::system(format!("cannot look for unfinished copies everywhere in `{}`", place.display()))
            .hint("it has directories that are nested too deep, or that cannot be opened")),
    }
}

/// The mark of a file in the upper, if it counts.
fn mark_of(directory: BorrowedFd<'_>, name: &OsStr, stat: &Stat, number: u64) -> Option<Mark> {
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return None;
    }
    let path = Path::new(&format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name);
    let mut value = [0; MARK + 1];
    let length = rustix::fs::lgetxattr(path, ATTRIBUTE, &mut value[..]).ok()?;
    Mark::parse(value.get(..length)?).filter(|mark| mark.number == number)
}

/// The originals of copies. Layers are counted from the top.
#[derive(Default)]
struct Originals {
    wanted: HashSet<(u32, u64)>,
    layers: HashMap<u32, BeneathDir>,
    paths: HashMap<(u32, u64), PathBuf>,
}

impl Originals {
    /// Finds the originals by their inodes.
    fn find(&mut self, layers: &[PathBuf]) -> Result<()> {
        for (number, layer) in (0u32..).zip(layers.iter().rev()) {
            if !self.wanted.iter().any(|(wanted, _)| *wanted == number) {
                continue;
            }
            let root = LayerDir::root(layer).at(layer, "cannot open the layer")?;
            everywhere(layer, &root, |_, directory, name, stat| {
                let key = (number, stat.st_ino);
                if self.wanted.contains(&key) {
                    self.paths.insert(key, directory.join(name));
                }
                Ok(())
            })?;
            self.layers.insert(number, BeneathDir::open(layer).at(layer, "cannot open the layer")?);
        }
        Ok(())
    }

    fn open(&self, mark: &Mark) -> Option<File> {
        let path = self.paths.get(&(mark.layer, mark.original))?;
        self.layers.get(&mark.layer)?.open_file(path.as_path()).ok()
    }

    /// Completes one copy. A copy whose original is not found stays as it is.
    fn restore(&self, directory: BorrowedFd<'_>, name: &OsStr, mark: &Mark) -> Res<()> {
        let Some(original) = self.open(mark).filter(|file| rustix::fs::fstat(file).is_ok_and(|stat| mark.fits(&stat)))
        else {
            return Ok(());
        };
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let copy = rustix::fs::openat(directory, name, flags, Mode::empty())?;
        let before = rustix::fs::fstat(&copy)?;
        // Writing clears these.
        let mut capability = [0; 64];
        let capability = rustix::fs::fgetxattr(&copy, CAPABILITY, &mut capability[..])
            .ok()
            .and_then(|length| capability.get(..length));
        if !fill(&original, &copy, mark.length, before.st_size)? {
            return Ok(());
        }
        rustix::fs::fchmod(&copy, Mode::from_raw_mode(before.st_mode & 0o7777))?;
        if let Some(capability) = capability {
            rustix::fs::fsetxattr(&copy, CAPABILITY, capability, XattrFlags::empty())?;
        }
        rustix::fs::futimens(&copy, &times(&before))
    }
}

/// Writes those of the first `length` bytes that differ; returns whether any did. Holes stay holes.
fn fill(original: &File, copy: &OwnedFd, length: u64, size: i64) -> Res<bool> {
    let mut changed = false;
    if u64::try_from(size).unwrap_or(0) < length {
        rustix::fs::ftruncate(copy, length)?;
        changed = true;
    }
    let (mut wanted, mut got) = (vec![0; PIECE], vec![0; PIECE]);
    let mut at = 0;
    while at < length {
        let piece = usize::try_from(length - at).unwrap_or(PIECE).min(PIECE);
        let read = open_files::read(original, at, &mut wanted[..piece])?;
        let there = open_files::read(copy, at, &mut got[..read])?;
        if wanted[..read] != got[..there] {
            open_files::write(copy, at, &wanted[..read])?;
            changed = true;
        }
        if read < piece {
            // A broken disk may report a shorter file now.
            break;
        }
        at += piece as u64;
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_small_and_says_what_it_said() {
        let mark = Mark { number: 1, layer: 2, original: 3, length: 4, modified: -5, nanoseconds: 6 };
        assert_eq!(Mark::parse(&mark.bytes()), Some(mark));
        assert_eq!(Mark::parse(&mark.bytes()[1..]), None);
        assert_eq!(Mark::parse(&[0; MARK + 1]), None);
    }

    #[test]
    fn what_a_change_alters() {
        assert!(!Change::Nothing.alters(u64::MAX) && !Change::From(5).alters(5) && !Change::Cut(5).alters(5));
        assert!(Change::From(0).alters(1) && Change::Cut(4).alters(5));
        assert!(!Change::From(0).alters(0));
    }

    fn files(original: &[u8], copy: &[u8], length: u64) -> (bool, Vec<u8>) {
        let area = crate::base::publish::Staging::new(&std::env::temp_dir()).unwrap();
        let (from, to) = (area.path().join("original"), area.path().join("copy"));
        fs::write(&from, original).unwrap();
        fs::write(&to, copy).unwrap();
        let fd = OwnedFd::from(File::options().read(true).write(true).open(&to).unwrap());
        let changed = fill(&File::open(&from).unwrap(), &fd, length, copy.len() as i64).unwrap();
        (changed, fs::read(to).unwrap())
    }

    #[test]
    fn only_what_is_missing_is_written() {
        let original: Vec<u8> = (0..700_000u32).map(|at| (at % 251) as u8).collect();
        assert_eq!(files(&original, &original, 700_000), (false, original.clone()));
        assert_eq!(files(&original, b"", 700_000), (true, original.clone()));
        let mut hollow = original.clone();
        hollow[300_000..400_000].fill(0);
        hollow.extend_from_slice(b"appended");
        let whole = [&original[..], b"appended"].concat();
        assert_eq!(files(&original, &hollow, 700_000), (true, whole.clone()));
        assert_eq!(files(&original, &whole, 700_000), (false, whole));
        // Of a truncated file only the rest was copied.
        assert_eq!(files(&original, b"", 10), (true, original[..10].to_vec()));
    }
}
