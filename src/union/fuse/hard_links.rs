//! Hard links of lower layers: a file with several names stays one file after its copy-up, also at the next mount.
//!
//! # Theory of operation
//!
//! The further names of a lower file become known only when they are looked up. Within a mount the node remembers them.
//! For later mounts, a copy whose original has names that are not linked yet gets a link in an index: a directory
//! beside the work directory, named by the inode number of the original. A lookup that finds a lower file with several
//! names checks the index first, and links the copy to the name. With the last name the index entry goes: the links are
//! ordinary ones.
//!
//! The copy's [`ATTRIBUTE`] has the number of names left, and identifies the original: a store that was copied to
//! another disk has other inode numbers, and an entry that does not match its original is ignored.
//!
//! The entry is made before the copy gets its first name, so a crash leaves either the original or one file. The
//! index's own link does not count as a name in link counts.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Mutex;

use rustix::fs::{AtFlags, Dir, Mode, OFlags, Stat, XattrFlags};
use rustix::io::Errno;

use super::layer::LayerDir;
use super::location::Location;
use super::primitives::{Res, lock};

/// `<size> <mtime> <nanoseconds> <names left>` of the original.
const ATTRIBUTE: &str = "user.overlay.coracle.original";

/// The directory beside the work directory.
const DIRECTORY: &str = "links";

/// An entry of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    /// Inode number of the copy.
    copy: u64,
    original: Original,
    /// Names in lower layers that are not linked to the copy yet.
    left: i64,
}

/// Identifies an original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Original {
    size: i64,
    modified: i64,
    nanoseconds: i64,
}

impl Original {
    fn of(stat: &Stat) -> Self {
        Self { size: stat.st_size, modified: stat.st_mtime, nanoseconds: stat.st_mtime_nsec as i64 }
    }
}

/// The index.
#[derive(Default)]
pub(super) struct HardLinks {
    /// The parent directory of the index.
    work: Option<OwnedFd>,
    index: Mutex<Index>,
}

#[derive(Default)]
struct Index {
    directory: Option<OwnedFd>,
    /// By the inode number of the original.
    entries: HashMap<u64, Entry>,
    /// From the inode number of a copy to that of its original.
    copies: HashMap<u64, u64>,
}

impl HardLinks {
    /// Reads the index beside the work directory.
    pub fn open(work: OwnedFd) -> Res<Self> {
        let mut index = Index::default();
        match open_directory(&work) {
            Ok(directory) => {
                index.read(&directory)?;
                index.directory = Some(directory);
            }
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
        Ok(Self { work: Some(work), index: Mutex::new(index) })
    }

    /// Inode numbers of copies with those of their originals.
    pub fn copies(&self) -> Vec<(u64, u64)> {
        lock(&self.index).copies.iter().map(|(copy, original)| (*copy, *original)).collect()
    }

    /// Whether the index has a copy of this lower file.
    pub fn has_copy_of(&self, stat: &Stat) -> bool {
        lock(&self.index).entries.get(&stat.st_ino).is_some_and(|entry| entry.original == Original::of(stat))
    }

    /// How many names are left for the copy with this inode number, if it is in the index.
    pub fn left(&self, copy: u64) -> Option<i64> {
        let index = lock(&self.index);
        Some(index.entries.get(index.copies.get(&copy)?)?.left)
    }

    /// Adds a copy that has no name yet to the index. False if this file system cannot hold the entry.
    pub fn add(&self, copy: &Location, stat: &Stat, original: &Stat, left: i64) -> Res<bool> {
        let Some(work) = &self.work else { return Ok(false) };
        let mut index = lock(&self.index);
        if index.directory.is_none() {
            match rustix::fs::mkdirat(work, DIRECTORY, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => index.directory = Some(open_directory(work)?),
                Err(errno) => return Err(errno),
            }
        }
        let entry = Entry { copy: stat.st_ino, original: Original::of(original), left };
        let name = name_of(original.st_ino);
        let Some(directory) = &index.directory else { return Ok(false) };
        let added = entry.write(copy).and_then(|()| match copy.link_to(directory, OsStr::new(&name)) {
            // A leftover of another original.
            Err(Errno::EXIST) => {
                rustix::fs::unlinkat(directory, &name, AtFlags::empty())?;
                copy.link_to(directory, OsStr::new(&name))
            }
            linked => linked,
        });
        match added {
            Ok(()) => {
                if let Some(replaced) = index.entries.insert(original.st_ino, entry) {
                    index.copies.remove(&replaced.copy);
                }
                index.copies.insert(entry.copy, original.st_ino);
                Ok(true)
            }
            Err(Errno::OPNOTSUPP | Errno::PERM | Errno::MLINK) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// Links the copy of an original to `name`, a name of the original in a lower layer. Returns whether it is still in
    /// the index.
    pub fn link(&self, original: u64, upper: &LayerDir, name: &OsStr) -> Res<bool> {
        let mut index = lock(&self.index);
        let entry = *index.entries.get(&original).ok_or(Errno::STALE)?;
        let directory = index.directory.as_ref().ok_or(Errno::STALE)?;
        rustix::fs::linkat(directory, name_of(original), upper, name, AtFlags::empty())?;
        index.set_left(original, entry.left - 1)
    }

    /// Sets how many names are left. Returns whether the copy is still in the index: with none it is not.
    pub fn set_left(&self, original: u64, left: i64) -> Res<bool> {
        lock(&self.index).set_left(original, left)
    }

    /// The inode number of the copy of an original.
    pub fn copy_of(&self, original: u64) -> Option<u64> {
        lock(&self.index).entries.get(&original).map(|entry| entry.copy)
    }
}

impl Index {
    fn read(&mut self, directory: &OwnedFd) -> Res<()> {
        for entry in Dir::read_from(directory)? {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().ok().filter(|name| !name.starts_with('.')) else { continue };
            let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
            match (u64::from_str_radix(name, 16), Entry::read(&path_in(directory, name), stat.st_ino)) {
                (Ok(original), Some(entry)) => {
                    self.copies.insert(entry.copy, original);
                    self.entries.insert(original, entry);
                }
                // An entry without a valid original.
                _ => rustix::fs::unlinkat(directory, name, AtFlags::empty())?,
            }
        }
        Ok(())
    }

    fn set_left(&mut self, original: u64, left: i64) -> Res<bool> {
        let (Some(entry), Some(directory)) = (self.entries.get_mut(&original), &self.directory) else {
            return Ok(false);
        };
        let name = name_of(original);
        if left <= 0 {
            rustix::fs::unlinkat(directory, name, AtFlags::empty())?;
            let copy = entry.copy;
            self.entries.remove(&original);
            self.copies.remove(&copy);
            return Ok(false);
        }
        entry.left = left;
        let path = path_in(directory, &name);
        rustix::fs::lsetxattr(path, ATTRIBUTE, entry.text().as_bytes(), XattrFlags::empty())?;
        Ok(true)
    }
}

impl Entry {
    fn text(&self) -> String {
        let Original { size, modified, nanoseconds } = self.original;
        format!("{size} {modified} {nanoseconds} {}", self.left)
    }

    fn parse(text: &str, copy: u64) -> Option<Self> {
        let mut numbers = text.split(' ').map(|word| word.parse::<i64>().ok());
        let mut number = || numbers.next().flatten();
        let original = Original { size: number()?, modified: number()?, nanoseconds: number()? };
        Some(Self { copy, original, left: number()? })
    }

    fn read(path: &PathBuf, copy: u64) -> Option<Self> {
        let mut value = [0; 128];
        let length = rustix::fs::lgetxattr(path, ATTRIBUTE, &mut value[..]).ok()?;
        Self::parse(std::str::from_utf8(value.get(..length)?).ok()?, copy)
    }

    fn write(&self, copy: &Location) -> Res<()> {
        let (path, follow) = copy.path();
        let text = self.text();
        match follow {
            true => rustix::fs::setxattr(path, ATTRIBUTE, text.as_bytes(), XattrFlags::empty()),
            false => rustix::fs::lsetxattr(path, ATTRIBUTE, text.as_bytes(), XattrFlags::empty()),
        }
    }
}

fn name_of(original: u64) -> String {
    format!("{original:x}")
}

fn path_in(directory: &OwnedFd, name: &str) -> PathBuf {
    format!("/proc/self/fd/{}/{name}", directory.as_raw_fd()).into()
}

fn open_directory(work: impl AsFd) -> Res<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(work, DIRECTORY, flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_copy_says_of_its_original() {
        let original = Original { size: 5, modified: -1, nanoseconds: 999_999_999 };
        let entry = Entry { copy: 7, original, left: 2 };
        assert_eq!(Entry::parse(&entry.text(), 7), Some(entry));
        for bad in ["", "1 2 3", "1 2 3 x", "a 2 3 4"] {
            assert_eq!(Entry::parse(bad, 7), None, "{bad}");
        }
    }
}
