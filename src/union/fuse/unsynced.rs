//! Copies whose data is not on the disk yet, and getting it back after a power cut.
//!
//! # Theory of operation
//!
//! A copy hides its original. If its name reaches the disk before its data, a power cut leaves an empty file where there
//! was a good one. To wait for the disk at each copy-up, as overlayfs does, takes longer than all the rest of it. So a
//! copy gets its name at once, but before that a mark ([`ATTRIBUTE`]), which says what it is a copy of, and of how many
//! bytes. For as long as the mark counts, those bytes are those of the original: who is about to change them has them
//! written to the disk and the mark removed first ([`Fs::before_change`]). So it is always right to copy them again, and
//! that is what the next mount does ([`restore`]), by whichever driver, if it finds the list still open.
//!
//! Marks count while there is a file [`LIST`] beside the work directory with the number they carry. It is made durable
//! before the first mark is. When everything has reached the disk (syncfs(2), at the end of the mount and when it is idle)
//! the file is removed, which makes all marks void that carry its number; they need not be removed themselves. Where
//! something is reported to be on the disk (fsync(2), sync(2)) nothing is to be done: it is, and the mark does no harm.
//!
//! What the order of changes on the disk must be: mark before name, which are changes of one file system, in that order;
//! list before mark and data before the end of list or mark, for which this module waits.

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

/// The file beside the work directory: the number of the marks that count, and that of the upper's inode, for a store that
/// was copied elsewhere has everything that was written. Both as hexadecimal digits.
const LIST: &str = "unsynced";

/// Copies in one list, at most.
const MAX_COPIES: usize = 32 * 1024;

/// What is compared or copied at a time, in bytes.
const PIECE: usize = 256 * 1024;

const CAPABILITY: &str = "security.capability";

/// What is about to change of a file's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Nothing,
    /// Bytes from this one on.
    From(u64),
    /// There will be no more than so many.
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

    /// Whether any of the first `length` bytes may change, that are more than what is cut off anyway.
    pub fn alters(self, length: u64) -> bool {
        self.first() < length
    }
}

/// What a copy says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    /// That of the list.
    number: u64,
    /// The layer of the original, counted from the top.
    layer: u32,
    /// The original's inode.
    original: u64,
    /// How many of its bytes were copied.
    length: u64,
    /// By what it is known again.
    modified: i64,
    nanoseconds: u32,
}

/// The bytes of a [`Mark`]: few enough to be kept within the inode (ext4).
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
    /// That of the list, if there is one.
    number: Option<u64>,
    /// How many bytes are the original's, by the number of the node.
    lengths: HashMap<u64, u64>,
    /// How many have a mark but no name yet.
    unnamed: usize,
    /// The list is about to be closed: nothing comes in.
    closing: bool,
}

/// A copy that has its mark, until it has its name.
pub(super) struct Marked<'a>(&'a Unsynced);

impl Drop for Marked<'_> {
    fn drop(&mut self) {
        lock(&self.0.copies).unnamed -= 1;
    }
}

impl Unsynced {
    /// For the container with this directory; `None` where nothing can survive a power cut.
    pub fn new(container: &Path, upper: &LayerDir) -> Res<Option<Self>> {
        if rustix::fs::fstatfs(upper)?.f_type == libc::TMPFS_MAGIC {
            return Ok(None);
        }
        let upper = rustix::io::fcntl_dupfd_cloexec(upper, 3)?;
        let list = container.join("work").join(LIST);
        Ok(Some(Self { list, upper, some: AtomicBool::new(false), copies: Mutex::default() }))
    }

    /// Marks a copy, complete but for its name, of the first `length` bytes of a file with attributes `original` in the
    /// layer `layer`, for the node `ino`. `None` where it must be on the disk before it gets its name.
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

    /// How many bytes of a node are those of its original, as far as the disk is concerned.
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

    /// Waits until everything is on the disk, and closes the list. If that fails, it stays open.
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

    /// As [`Unsynced::sync`], without waiting.
    pub fn sync_soon(self: &Arc<Self>) {
        if self.some.load(Ordering::SeqCst) {
            let this = Arc::clone(self);
            // Without a thread it is done at the end.
            let _ = std::thread::Builder::new().name("sync".into()).stack_size(64 << 10).spawn(move || this.sync());
        }
    }
}

fn close_list(list: &Path) -> Result<()> {
    if_absent(fs::remove_file(list)).at(list, "cannot remove")?;
    list.parent().map_or(Ok(()), publish::sync_dir)
}

/// Whether the upper of a container may have copies whose data is not on the disk.
pub(super) fn is_open(container: &Path) -> bool {
    fs::symlink_metadata(container.join("work").join(LIST)).is_ok()
}

/// Makes all copies in the upper of a container whole. Layers are given base first. To be called with the lock of the work
/// directory, before the upper is used.
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

/// As [`walk`], where nothing may be left out.
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

/// What copies were made of. Layers are counted from the top.
#[derive(Default)]
struct Originals {
    wanted: HashSet<(u32, u64)>,
    layers: HashMap<u32, BeneathDir>,
    paths: HashMap<(u32, u64), PathBuf>,
}

impl Originals {
    /// Finds them by their inodes.
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

    /// Makes a copy whole again. What is not a copy of anything that is there is left as it is.
    fn restore(&self, directory: BorrowedFd<'_>, name: &OsStr, mark: &Mark) -> Res<()> {
        let Some(original) = self.open(mark).filter(|file| rustix::fs::fstat(file).is_ok_and(|stat| mark.fits(&stat)))
        else {
            return Ok(());
        };
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let copy = rustix::fs::openat(directory, name, flags, Mode::empty())?;
        let before = rustix::fs::fstat(&copy)?;
        // Writing takes these away.
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

/// Writes what differs of the first `length` bytes; returns whether anything did. Parts without data stay so.
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
            // A broken disk says that it is shorter now.
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
        // Of what was cut off only the rest was copied.
        assert_eq!(files(&original, b"", 10), (true, original[..10].to_vec()));
    }
}
