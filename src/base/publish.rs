//! How files and directories come into being and go: the only place that makes something visible under its final name.
//!
//! # Theory of operation
//!
//! A reader must never see half of anything, whatever is killed and wherever the power fails. So everything is staged
//! under a name nobody looks at, made durable, and then renamed: rename(2) is the commit point. What was not renamed is
//! garbage, which the next run may remove.
//!
//! * [`file`] replaces one file: temporary file beside it, write, fsync, rename, fsync of the directory.
//! * [`Staging`] makes a directory: fill it, then [`Staging::publish`] renames it into place.
//! * [`discard`] removes a directory: one rename into the trash, and it is gone for every reader; [`empty_trash`]
//!   reclaims the space at leisure.
//!
//! [`Durability::Volatile`] leaves out the syncs, for what need not survive a power cut (`--rm` containers). After a
//! power cut such a file may be old, new or, on file systems without ext4's `auto_da_alloc`, empty: readers treat an
//! empty record as a lost one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::{Result, ResultExt, if_absent};
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
    let staged = beside(path);
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&staged)?;
        file.write_all(contents)?;
        if durability == Durability::Durable {
            file.sync_all()?;
        }
        fs::rename(&staged, path)
    })();
    if let Err(error) = written {
        let _ = fs::remove_file(&staged);
        return Err(error).at(path, "cannot write");
    }
    match durability {
        Durability::Durable => sync_parent(path),
        Durability::Volatile => Ok(()),
    }
}

/// A record as JSON through [`file`].
pub fn json<T: serde::Serialize>(path: &Path, record: &T, durability: Durability) -> Result<()> {
    let mut text = serde_json::to_vec(record).at(path, "cannot encode the record of")?;
    text.push(b'\n');
    file(path, &text, durability)
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
