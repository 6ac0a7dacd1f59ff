//! What a stack of layers changes over another: of a container over its image, of an image over another one.
//!
//! Both stacks are compared directory by directory. Where both have the same directories of the same layers nothing can
//! differ; and where the new stack only adds directories on top, only the names in those are looked at. So what a
//! container has changed is found by reading its upper directory, however large the image is.
//!
//! As for docker, a directory in which something was added or deleted counts as modified, an added directory is listed
//! with everything in it, and a deleted one alone.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::attributes;
use super::entries::shown;
use super::names::{NAME_MAX, join};
use super::whiteout;
use crate::base::{Error, Result, ResultExt};
use crate::sys::beneath;

/// What happened to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum ChangeKind {
    /// docker's `C`.
    Modified,
    /// docker's `A`.
    Added,
    /// docker's `D`.
    Deleted,
}

/// A path that differs. Paths are absolute and bytes, as the container chose them: clean them before they are shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Change {
    /// The path, beginning with `/`.
    pub path: Vec<u8>,
    /// What happened to it.
    pub kind: ChangeKind,
}

/// Most changes of one list: some 100 bytes each.
const CHANGES_MAX: usize = 10_000_000;
/// The deepest directory.
const DEPTH_MAX: usize = NAME_MAX / 2;

const FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

/// What differs between two stacks of layer trees (lowest first), in the order of paths. `mount_points` (without the first
/// `/`) are left out where the new stack has an empty directory or file there: they are places for mounts.
///
/// Reads files of users' subordinate ids: call it as root of the namespace that owns the trees.
pub fn list<P: AsRef<Path>>(old: &[P], new: &[P], mount_points: &[Vec<u8>]) -> Result<Vec<Change>> {
    let mut comparison = Comparison { mount_points, changes: Vec::new() };
    comparison.directories(&Stacked::root(old)?, &Stacked::root(new)?, b"", 0)?;
    comparison.changes.sort();
    Ok(comparison.changes)
}

/// A directory as a union shows it: the directories of the layers that have it, highest first.
struct Stacked {
    layers: Vec<(OwnedFd, (u64, u64))>,
}

/// What a union has at a name.
struct Seen {
    stat: Stat,
    /// Which of the directories has it.
    layer: usize,
}

impl Stacked {
    fn root<P: AsRef<Path>>(trees: &[P]) -> Result<Self> {
        let mut layers = Vec::with_capacity(trees.len());
        for tree in trees.iter().rev().map(AsRef::as_ref) {
            let fd = rustix::fs::open(tree, FLAGS, Mode::empty()).at(tree, "cannot open")?;
            let id = identity(&fd).at(tree, "cannot examine")?;
            layers.push((fd, id));
        }
        Ok(Self { layers })
    }

    /// The directory `name` in this one; no layer has it where it is something else.
    fn child(&self, name: &[u8], path: &[u8]) -> Result<Self> {
        let failed = || format!("cannot open `/{}`", shown(path));
        let mut layers = Vec::new();
        for (fd, _) in &self.layers {
            match rustix::fs::openat(fd, name, FLAGS, Mode::empty()) {
                Ok(child) => {
                    let opaque = whiteout::is_opaque(&child);
                    let id = identity(&child).context(failed)?;
                    layers.push((child, id));
                    if opaque {
                        break;
                    }
                }
                Err(Errno::NOENT) => {}
                Err(Errno::NOTDIR | Errno::LOOP) => break,
                Err(errno) => return Err(errno).context(failed),
            }
        }
        Ok(Self { layers })
    }

    fn look(&self, name: &[u8], path: &[u8]) -> Result<Option<Seen>> {
        use std::os::fd::AsFd;
        for (layer, (fd, _)) in self.layers.iter().enumerate() {
            match rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if whiteout::is_whiteout(fd.as_fd(), name, &stat) => return Ok(None),
                Ok(stat) => return Ok(Some(Seen { stat, layer })),
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno).context(|| format!("cannot examine `/{}`", shown(path))),
            }
        }
        Ok(None)
    }

    /// The names in the highest `count` directories, whiteouts too.
    fn names(&self, count: usize, path: &[u8], names: &mut BTreeSet<Vec<u8>>) -> Result<()> {
        let failed = || format!("cannot list `/{}`", shown(path));
        for (fd, _) in &self.layers[..count] {
            for entry in Dir::read_from(fd).context(failed)? {
                let entry = entry.context(failed)?;
                let name = entry.file_name().to_bytes();
                if !matches!(name, b"." | b"..") {
                    names.insert(name.to_vec());
                }
            }
        }
        Ok(())
    }

    fn identities(&self) -> impl DoubleEndedIterator<Item = (u64, u64)> {
        self.layers.iter().map(|(_, id)| *id)
    }

    /// How many directories this one has on top of all of `old`; `None` if it is not that one with some on top.
    fn on_top_of(&self, old: &Self) -> Option<usize> {
        let more = self.layers.len().checked_sub(old.layers.len())?;
        self.identities().skip(more).eq(old.identities()).then_some(more)
    }
}

fn identity(fd: &OwnedFd) -> rustix::io::Result<(u64, u64)> {
    let stat = rustix::fs::fstat(fd)?;
    Ok((stat.st_dev, stat.st_ino))
}

struct Comparison<'a> {
    mount_points: &'a [Vec<u8>],
    changes: Vec<Change>,
}

impl Comparison<'_> {
    /// Compares two directories of the same path. Whether something in them was added, deleted or modified.
    fn directories(&mut self, old: &Stacked, new: &Stacked, path: &[u8], depth: usize) -> Result<bool> {
        if depth > DEPTH_MAX || path.len() > NAME_MAX {
            return Err(Error::unsupported(format!("`/{}…` lies too deep", shown(path))));
        }
        let mut names = BTreeSet::new();
        match new.on_top_of(old) {
            Some(0) => return Ok(false),
            Some(more) => new.names(more, path, &mut names)?,
            None => {
                new.names(new.layers.len(), path, &mut names)?;
                old.names(old.layers.len(), path, &mut names)?;
            }
        }
        let mut changed = false;
        for name in names {
            changed |= self.name(old, new, &name, join(path, &name), depth)?;
        }
        Ok(changed)
    }

    fn name(&mut self, old: &Stacked, new: &Stacked, name: &[u8], path: Vec<u8>, depth: usize) -> Result<bool> {
        let (was, is) = (old.look(name, &path)?, new.look(name, &path)?);
        let children = |stacked: &Stacked, seen: &Option<Seen>| match seen {
            Some(seen) if is_directory(seen) => stacked.child(name, &path),
            _ => Ok(Stacked { layers: Vec::new() }),
        };
        let kind = match (&was, &is) {
            (None, None) => return Ok(false),
            (Some(_), None) => ChangeKind::Deleted,
            (None, Some(seen)) => {
                if self.is_mount_point(new, seen, name, &path)? {
                    return Ok(false);
                }
                self.directories(&Stacked { layers: Vec::new() }, &children(new, &is)?, &path, depth + 1)?;
                ChangeKind::Added
            }
            (Some(before), Some(after)) => {
                let inside = match is_directory(after) {
                    true => self.directories(&children(old, &was)?, &children(new, &is)?, &path, depth + 1)?,
                    false => false,
                };
                if !inside && is_same((old, before), (new, after), name, &path)? {
                    return Ok(false);
                }
                ChangeKind::Modified
            }
        };
        if self.changes.len() == CHANGES_MAX {
            return Err(Error::unsupported(format!("there are more than {CHANGES_MAX} changes")));
        }
        self.changes.push(Change { path: [b"/", path.as_slice()].concat(), kind });
        Ok(true)
    }

    /// Whether `path` is an empty file or directory where something is mounted.
    fn is_mount_point(&self, new: &Stacked, seen: &Seen, name: &[u8], path: &[u8]) -> Result<bool> {
        if !self.mount_points.iter().any(|mount_point| mount_point == path) {
            return Ok(false);
        }
        let mut names = BTreeSet::new();
        let inside = new.child(name, path)?;
        inside.names(inside.layers.len(), path, &mut names)?;
        Ok(names.is_empty() && (is_directory(seen) || seen.stat.st_size == 0))
    }
}

fn is_directory(seen: &Seen) -> bool {
    FileType::from_raw_mode(seen.stat.st_mode) == FileType::Directory
}

/// Whether what two stacks have at `name` is the same, apart from what is inside a directory. A file that was only
/// copied up is: its contents are compared when nothing else differs.
fn is_same(
    (old, before): (&Stacked, &Seen),
    (new, after): (&Stacked, &Seen),
    name: &[u8],
    path: &[u8],
) -> Result<bool> {
    let (a, b) = (&before.stat, &after.stat);
    if (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino) {
        return Ok(true);
    }
    if (a.st_mode, a.st_uid, a.st_gid, a.st_rdev) != (b.st_mode, b.st_uid, b.st_gid, b.st_rdev) {
        return Ok(false);
    }
    let ((old, _), (new, _)) = (&old.layers[before.layer], &new.layers[after.layer]);
    let failed = || format!("cannot compare `/{}`", shown(path));
    let times = |stat: &Stat| (stat.st_size, stat.st_mtime, stat.st_mtime_nsec);
    match FileType::from_raw_mode(b.st_mode) {
        FileType::Directory => {
            let open = |fd: &OwnedFd| rustix::fs::openat(fd, name, FLAGS, Mode::empty()).context(failed);
            same_attributes(&open(old)?, &open(new)?, path)
        }
        FileType::Symlink => {
            let read = |fd: &OwnedFd| rustix::fs::readlinkat(fd, name, Vec::new()).context(failed);
            Ok(read(old)? == read(new)?)
        }
        FileType::RegularFile if times(a) == times(b) => {
            use std::os::fd::AsFd;
            let open = |fd: &OwnedFd| beneath::open_regular(fd.as_fd(), name).context(failed);
            match (open(old)?, open(new)?) {
                (Some((old, _)), Some((new, _))) => {
                    Ok(same_attributes(&old, &new, path)? && same_contents(old, new).context(failed)?)
                }
                _ => Ok(false),
            }
        }
        FileType::RegularFile => Ok(false),
        _ => Ok(true),
    }
}

fn same_attributes(a: &impl std::os::fd::AsFd, b: &impl std::os::fd::AsFd, path: &[u8]) -> Result<bool> {
    Ok(attributes::read(a.as_fd(), path)? == attributes::read(b.as_fd(), path)?)
}

fn same_contents(a: std::fs::File, b: std::fs::File) -> std::io::Result<bool> {
    use std::os::unix::fs::FileExt;
    let (mut left, mut right) = (vec![0; 128 << 10], vec![0; 128 << 10]);
    let mut offset = 0;
    loop {
        let length = a.read_at(&mut left, offset)?;
        let mut done = 0;
        while done < length {
            match b.read_at(&mut right[done..length], offset + done as u64)? {
                0 => return Ok(false),
                read => done += read,
            }
        }
        if length == 0 || left[..length] != right[..length] {
            return Ok(length == 0);
        }
        offset += length as u64;
    }
}
