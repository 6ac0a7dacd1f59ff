//! Going through a directory tree by descriptors, in an order that depends on names alone.
//!
//! Somebody may change the tree meanwhile (a container that runs): each directory is opened below the descriptor of its
//! parent and never through a symbolic link, so the walk stays in the tree; what vanishes is left out.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::entries::shown;
use super::names::{NAME_MAX, join, split};
use crate::base::{Error, Result, ResultExt};
use crate::sys::beneath;

/// Deepest tree, in directories: deeper ones have no name that fits into an archive.
const DEPTH_MAX: usize = NAME_MAX / 2;

const FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

/// What a walk comes to.
#[derive(Debug)]
pub enum Step {
    /// Something in the current directory.
    Entry(Found),
    /// A directory that was entered is done; its parent is the current one again.
    Leave,
}

/// Something in the tree.
#[derive(Debug)]
pub struct Found {
    /// Its path below the root of the walk.
    pub path: Vec<u8>,
    /// Its attributes; symbolic links are not followed.
    pub stat: Stat,
}

impl Found {
    /// The last component of the path.
    pub fn name(&self) -> &[u8] {
        split(&self.path).1
    }

    /// The kind of file.
    pub fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }
}

struct Level {
    directory: OwnedFd,
    names: std::vec::IntoIter<Vec<u8>>,
    path: Vec<u8>,
}

/// A walk in progress.
pub struct Walk {
    levels: Vec<Level>,
}

impl Walk {
    /// Begins in the directory `root`, whose path is empty.
    pub fn new(root: BorrowedFd<'_>) -> Result<Self> {
        // A descriptor of its own: reading names moves its position.
        let directory = rustix::fs::openat(root, ".", FLAGS, Mode::empty()).context(|| "cannot open the directory")?;
        let names = names_in(&directory)?;
        Ok(Self { levels: vec![Level { directory, names, path: Vec::new() }] })
    }

    /// A walk that is over.
    pub fn done() -> Self {
        Self { levels: Vec::new() }
    }

    /// The next step; `None` at the end. Entries come in the order of their names; character devices first, because
    /// whiteouts are, and those belong before their siblings (OCI image specification, "Whiteouts").
    pub fn next(&mut self) -> Result<Option<Step>> {
        while let Some(level) = self.levels.last_mut() {
            let Some(name) = level.names.next() else {
                self.levels.pop();
                return Ok((!self.levels.is_empty()).then_some(Step::Leave));
            };
            let path = join(&level.path, &name);
            if path.len() > NAME_MAX {
                return Err(too_deep(&path));
            }
            match rustix::fs::statat(&level.directory, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => return Ok(Some(Step::Entry(Found { path, stat }))),
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno).context(|| format!("cannot examine `{}`", shown(&path))),
            }
        }
        Ok(None)
    }

    /// The current directory: the one that holds the last entry, until that is entered.
    pub fn directory(&self) -> Result<BorrowedFd<'_>> {
        let level = self.levels.last().ok_or_else(|| Error::system("the walk has ended"))?;
        Ok(level.directory.as_fd())
    }

    /// Makes the directory that was just found the current one. False if it is gone, or no directory any more.
    pub fn enter(&mut self, found: &Found) -> Result<bool> {
        let failed = || format!("cannot open `{}`", shown(&found.path));
        if self.levels.len() >= DEPTH_MAX {
            return Err(too_deep(&found.path));
        }
        match rustix::fs::openat(self.directory()?, found.name(), FLAGS, Mode::empty()) {
            Ok(directory) => {
                let names = names_in(&directory).context(failed)?;
                self.levels.push(Level { directory, names, path: found.path.clone() });
                Ok(true)
            }
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(false),
            Err(errno) => Err(errno).context(failed),
        }
    }

    /// Opens the regular file that was just found, with its attributes as they are now. `None` if it is gone, or no
    /// regular file any more.
    pub fn open(&self, found: &Found) -> Result<Option<(std::fs::File, Stat)>> {
        beneath::open_regular(self.directory()?, found.name())
            .context(|| format!("cannot open `{}`", shown(&found.path)))
    }
}

fn too_deep(path: &[u8]) -> Error {
    Error::unsupported(format!("`{}…` lies too deep: its path is longer than {NAME_MAX} bytes", shown(path)))
}

/// The names in a directory, in order.
fn names_in(directory: &OwnedFd) -> Result<std::vec::IntoIter<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory).context(|| "cannot list the directory")? {
        let entry = entry.context(|| "cannot list the directory")?;
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") {
            names.push((entry.file_type() != FileType::CharacterDevice, name.to_vec()));
        }
    }
    names.sort_unstable();
    Ok(names.into_iter().map(|(_, name)| name).collect::<Vec<_>>().into_iter())
}
