//! How files and directories come into being and go: the only place that makes something visible under its final name.
//!
//! # Theory of operation
//!
//! A reader must never see half of anything, whatever is killed and wherever the power fails. So everything is staged
//! under a name nobody looks at, made durable, and then renamed: rename(2) is the commit point. What was not renamed is
//! garbage, which the next run may remove.
//!
//! * [`file`] replaces one file: temporary file beside it, write, fsync, rename, fsync of the directory. What a killed
//!   writer left beside it goes with [`sweep_files`]. A [`Reserve`] keeps room for a record that a full disk must not stop.
//! * [`Staging`] makes a directory: fill it, then [`Staging::publish`] renames it into place.
//! * [`nameless`] makes a file that nobody sees until [`link`] names it, for what is large.
//! * [`discard`] removes a directory: one rename into the trash, and it is gone for every reader; [`empty_trash`]
//!   reclaims the space at leisure.
//!
//! [`Durability::Volatile`] leaves out the syncs, for what need not survive a power cut (`--rm` containers). After a
//! power cut such a file may be old, new or, on file systems without ext4's `auto_da_alloc`, empty: readers treat an
//! empty record as a lost one.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::{Result, ResultExt, if_absent};
use super::failpoint;
use super::lock::Lock;
use crate::sys::beneath;

/// Whether a publication must survive a power cut before it returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// fsync file and directory.
    Durable,
    /// Atomic, but not synced.
    Volatile,
}

/// Puts `contents` at `path` (mode 0600) in one step: readers see the old file or the new one.
pub fn file(path: &Path, contents: &[u8], durability: Durability) -> Result<()> {
    let (staged, mut file) = temporary(path).at(path, "cannot write")?;
    let written = (|| {
        file.write_all(contents)?;
        if durability == Durability::Durable {
            file.sync_all()?;
        }
        failpoint::here_io("publish.file.rename")?;
        fs::rename(&staged, path)
    })();
    if let Err(error) = written {
        let _ = fs::remove_file(&staged);
        return Err(error).at(path, "cannot write");
    }
    failpoint::here("publish.file.renamed")?;
    match durability {
        Durability::Durable => sync_parent(path),
        Durability::Volatile => Ok(()),
    }
}

/// A new file (0600) beside `path`, locked as long as it is open, so that [`sweep_files`] tells work from garbage.
fn temporary(path: &Path) -> io::Result<(PathBuf, File)> {
    loop {
        let staged = beside(path);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&staged)?;
        // A sweep may come between the two, and then the file has no name any more: another one is made.
        match file.try_lock() {
            Ok(()) if file.metadata()?.nlink() > 0 => return Ok((staged, file)),
            Ok(()) | Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => {
                let _ = fs::remove_file(&staged);
                return Err(error);
            }
        }
    }
}

/// A new file (0600) without a name, on the file system of `directory`: for bytes on their way, of which a killed process
/// leaves nothing.
pub fn nameless(directory: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    match options.clone().custom_flags(libc::O_TMPFILE).open(directory) {
        // File systems that do not know it.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR | libc::ENOENT)) => {}
        opened => return opened.at(directory, "cannot write in"),
    }
    let path = directory.join(unique());
    let file = options.create_new(true).open(&path).at(&path, "cannot create")?;
    fs::remove_file(&path).at(&path, "cannot remove")?;
    Ok(file)
}

/// Gives a complete file that [`nameless`] made the name `path`, on the same file system. A file that is there already stays.
/// Durable on return.
pub fn link(file: &File, path: &Path) -> Result<()> {
    file.sync_all().at(path, "cannot write")?;
    let own = format!("/proc/self/fd/{}", file.as_raw_fd());
    let flags = rustix::fs::AtFlags::SYMLINK_FOLLOW;
    match rustix::fs::linkat(rustix::fs::CWD, own.as_str(), rustix::fs::CWD, path, flags) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        // Where there is no O_TMPFILE the file had a name, and cannot get another one.
        Err(_) => {
            let (staged, mut copy) = temporary(path).at(path, "cannot write")?;
            let copied = (|| {
                let mut from = file.try_clone()?;
                from.rewind()?;
                io::copy(&mut from, &mut copy)?;
                copy.sync_all()?;
                fs::rename(&staged, path)
            })();
            if let Err(error) = copied {
                let _ = fs::remove_file(&staged);
                return Err(error).at(path, "cannot write");
            }
        }
    }
    sync_parent(path)
}

/// Space on the disk for one record that must be written when the disk is full. It has a name of its own in the directory
/// of the record and is gone with the value; after a kill, the next one takes its place.
#[derive(Debug)]
pub struct Reserve {
    path: PathBuf,
    file: File,
}

/// More than a record has whose texts are ours.
const RESERVED: usize = 8 * 1024;

impl Reserve {
    /// For the record at `path`. An error when there is no space already.
    pub fn new(path: &Path) -> Result<Self> {
        let place = path.with_extension("reserve");
        let taken = (|| {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&place)?;
            match rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, RESERVED as u64) {
                // A file system that cannot promise: what is written is at least there as long as it is not changed.
                Err(rustix::io::Errno::OPNOTSUPP) => file.write_all(&[0; RESERVED])?,
                allocated => allocated?,
            }
            Ok::<_, io::Error>(file)
        })();
        match taken {
            Ok(file) => Ok(Self { path: place, file }),
            Err(error) => {
                let _ = fs::remove_file(&place);
                Err(error).at(&place, "cannot reserve space for")
            }
        }
    }

    /// [`json`], in the reserved space if there is no other.
    pub fn json<T: serde::Serialize>(self, path: &Path, record: &T, durability: Durability) -> Result<()> {
        match json(path, record, durability) {
            Err(error) if matches!(error.errno(), Some(libc::ENOSPC | libc::EDQUOT)) => {
                let text = encode(path, record)?;
                self.write(path, &text).at(path, "cannot write")?;
                match durability {
                    Durability::Durable => sync_parent(path),
                    Durability::Volatile => Ok(()),
                }
            }
            written => written,
        }
    }

    fn write(&self, path: &Path, text: &[u8]) -> io::Result<()> {
        self.file.write_all_at(text, 0)?;
        self.file.set_len(text.len() as u64)?;
        self.file.sync_all()?;
        fs::rename(&self.path, path)
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// A record as JSON through [`file`].
pub fn json<T: serde::Serialize>(path: &Path, record: &T, durability: Durability) -> Result<()> {
    file(path, &encode(path, record)?, durability)
}

fn encode<T: serde::Serialize>(path: &Path, record: &T) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec(record).at(path, "cannot encode the record of")?;
    text.push(b'\n');
    Ok(text)
}

/// Reads a record that [`json`] wrote; `None` when it is not there.
pub fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match if_absent(fs::read(path)).at(path, "cannot read")? {
        Some(bytes) => serde_json::from_slice(&bytes).at(path, "cannot understand the record").map(Some),
        None => Ok(None),
    }
}

/// A directory in the making. Dropped without [`Staging::publish`], it is removed again.
///
/// The directory is locked meanwhile, so that [`sweep`] tells work from garbage.
#[derive(Debug)]
pub struct Staging {
    path: PathBuf,
    lock: Lock,
    published: bool,
}

impl Staging {
    /// A new empty directory (0700) below `area`.
    pub fn new(area: &Path) -> Result<Self> {
        loop {
            let path = area.join(unique());
            fs::DirBuilder::new().mode(0o700).create(&path).at(&path, "cannot create the directory")?;
            // A sweep may come between the two and take the new directory for garbage: then another is made.
            if let Some(lock) = Lock::attempt_directory(&path)?
                && path.exists()
            {
                return Ok(Self { path, lock, published: false });
            }
        }
    }

    /// Where to put the contents.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the directory visible as `target`. Contents must be synced by the caller before a durable publication;
    /// the directory entries on both sides are synced here. Returns the lock of the directory, or none when `target`
    /// exists already: what was staged is then removed.
    pub fn publish(mut self, target: &Path, durability: Durability) -> Result<Option<Lock>> {
        use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
        if durability == Durability::Durable {
            sync_dir(&self.path)?;
        }
        failpoint::here("publish.directory")?;
        match renameat2(AT_FDCWD, &self.path, AT_FDCWD, target, RenameFlags::RENAME_NOREPLACE) {
            Ok(()) => {}
            Err(nix::errno::Errno::EEXIST) => return Ok(None),
            Err(errno) => return Err(errno).at(target, "cannot publish"),
        }
        self.published = true;
        if durability == Durability::Durable {
            sync_parent(target)?;
        }
        self.lock.share().map(Some)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.published {
            let _ = remove_tree(&self.path);
        }
    }
}

/// Takes `path` out of everyone's sight by moving it into `trash`. False when it was not there.
pub fn discard(path: &Path, trash: &Path, durability: Durability) -> Result<bool> {
    let hidden = trash.join(unique());
    failpoint::here("publish.discard")?;
    match if_absent(fs::rename(path, &hidden)).at(path, "cannot remove")? {
        None => return Ok(false),
        Some(()) if durability == Durability::Durable => sync_parent(path)?,
        Some(()) => {}
    }
    Ok(true)
}

/// Reclaims what [`discard`] hid. Trees may hold files of subordinate ids and directories without permissions: call it
/// inside the user namespace that owns them. Goes on after a failure and returns the first.
pub fn empty_trash(trash: &Path) -> Result<()> {
    let mut first = Ok(());
    for entry in list(trash)? {
        let removed = match entry.file_type() {
            Ok(kind) if kind.is_dir() => remove_tree(&entry.path()),
            _ => fs::remove_file(entry.path()),
        };
        if let Err(error) = if_absent(removed).at(&entry.path(), "cannot remove") {
            first = first.and(Err(error));
        }
    }
    first
}

/// Removes the staged directories below `area` whose makers have died. Living work is recognised by its lock.
pub fn sweep(area: &Path) -> Result<()> {
    for entry in list(area)? {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir())
            && let Some(_lock) = Lock::attempt_directory(&path)?
        {
            if_absent(remove_tree(&path)).at(&path, "cannot remove what is left at")?;
        }
    }
    Ok(())
}

/// Removes the files beside records of `directory` whose writers were killed before the rename. Living work is recognised
/// by its lock.
pub fn sweep_files(directory: &Path) -> Result<()> {
    for entry in list(directory)? {
        let path = entry.path();
        if entry.file_name().to_str().is_some_and(is_temporary)
            && entry.file_type().is_ok_and(|kind| kind.is_file())
            && let Some(file) = if_absent(OpenOptions::new().write(true).open(&path)).at(&path, "cannot open")?
            && file.try_lock().is_ok()
        {
            if_absent(fs::remove_file(&path)).at(&path, "cannot remove what is left at")?;
        }
    }
    Ok(())
}

/// [`sweep_files`] in `directory` and all directories below it.
pub fn sweep_files_below(directory: &Path) -> Result<()> {
    sweep_files(directory)?;
    let children = list(directory)?.into_iter().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    children.into_iter().try_for_each(|entry| sweep_files_below(&entry.path()))
}

/// Whether [`beside`] makes such names.
fn is_temporary(name: &str) -> bool {
    let Some(mut parts) = name.strip_prefix('.').map(|name| name.split('-')) else { return false };
    let is = |part: Option<&str>, radix| part.is_some_and(|part| u128::from_str_radix(part, radix).is_ok());
    is(parts.next(), 10) && is(parts.next(), 16) && is(parts.next(), 16) && parts.next().is_none()
}

/// Removes a directory with everything in it, however deep it is: layers may be deeper than descriptors last for
/// `std::fs::remove_dir_all`.
fn remove_tree(path: &Path) -> io::Result<()> {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => beneath::remove_tree(File::open(parent)?.as_fd(), name.as_bytes()),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// fsync(2) of a directory: its entries are durable afterwards.
pub fn sync_dir(path: &Path) -> Result<()> {
    File::open(path).and_then(|directory| directory.sync_all()).at(path, "cannot sync")
}

fn sync_parent(path: &Path) -> Result<()> {
    path.parent().map_or(Ok(()), sync_dir)
}

fn list(directory: &Path) -> Result<Vec<fs::DirEntry>> {
    let entries = if_absent(fs::read_dir(directory)).at(directory, "cannot list")?;
    entries.into_iter().flatten().collect::<io::Result<_>>().at(directory, "cannot list")
}

/// A temporary name in the same directory, hidden from everyone who lists it.
fn beside(path: &Path) -> PathBuf {
    path.with_file_name(format!(".{}", unique()))
}

/// A name no other process or thread makes.
fn unique() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let nanos = super::time::now().as_nanosecond() as u64;
    format!("{}-{:x}-{nanos:x}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> Staging {
        Staging::new(&std::env::temp_dir()).unwrap()
    }

    #[test]
    fn a_file_is_replaced_whole_and_leaves_nothing_beside_it() {
        let scratch = scratch();
        let path = scratch.path().join("record");
        for contents in ["one", "two"] {
            file(&path, contents.as_bytes(), Durability::Durable).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), contents);
        }
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1);
    }

    #[test]
    fn sweeping_files_takes_those_of_the_dead() {
        let scratch = scratch();
        let record = scratch.path().join("record");
        let (living, _file) = temporary(&record).unwrap();
        let (dead, file) = temporary(&record).unwrap();
        drop(file);
        let others = [".lock", ".1-2", ".x-1-2", "1-2-3", ".1-2-3-4"].map(|name| scratch.path().join(name));
        others.iter().for_each(|other| fs::write(other, "").unwrap());
        sweep_files(scratch.path()).unwrap();
        assert!(living.exists() && !dead.exists() && others.iter().all(|other| other.exists()));
    }

    #[test]
    fn a_reserve_goes_with_its_record() {
        let scratch = scratch();
        let record = scratch.path().join("record.json");
        let names = || fs::read_dir(scratch.path()).unwrap().map(|e| e.unwrap().file_name()).collect::<Vec<_>>();
        let reserve = Reserve::new(&record).unwrap();
        assert!(fs::metadata(scratch.path().join("record.reserve")).unwrap().blocks() * 512 >= RESERVED as u64);
        reserve.json(&record, &"plenty", Durability::Durable).unwrap();
        assert_eq!((read_json::<String>(&record).unwrap().as_deref(), names().len()), (Some("plenty"), 1));
        // As on a full disk.
        let reserve = Reserve::new(&record).unwrap();
        reserve.write(&record, b"\"full\"\n").unwrap();
        drop(reserve);
        assert_eq!((read_json::<String>(&record).unwrap().as_deref(), names().len()), (Some("full"), 1));
    }

    #[test]
    fn a_directory_is_published_once_and_the_second_gives_way() {
        let scratch = scratch();
        let target = scratch.path().join("target");
        for (content, first) in [("one", true), ("two", false)] {
            let staging = Staging::new(scratch.path()).unwrap();
            fs::write(staging.path().join("file"), content).unwrap();
            assert_eq!(staging.publish(&target, Durability::Durable).unwrap().is_some(), first);
        }
        assert_eq!(fs::read_to_string(target.join("file")).unwrap(), "one");
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1, "nothing staged is left");
    }

    #[test]
    fn sweeping_spares_living_work() {
        let scratch = scratch();
        let living = Staging::new(scratch.path()).unwrap();
        let dead = scratch.path().join("dead");
        fs::create_dir(&dead).unwrap();
        sweep(scratch.path()).unwrap();
        assert!(living.path().is_dir());
        assert!(!dead.exists());
    }

    #[test]
    fn discarding_hides_at_once_and_the_trash_can_be_emptied() {
        let scratch = scratch();
        let (thing, trash) = (scratch.path().join("thing"), scratch.path().join("trash"));
        fs::create_dir(&trash).unwrap();
        fs::create_dir(&thing).unwrap();
        assert!(discard(&thing, &trash, Durability::Durable).unwrap());
        assert!(!discard(&thing, &trash, Durability::Durable).unwrap());
        empty_trash(&trash).unwrap();
        assert_eq!(fs::read_dir(&trash).unwrap().count(), 0);
    }
}
