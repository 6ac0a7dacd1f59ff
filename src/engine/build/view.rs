//! Files as a union of layers shows them, read without a mount; a plain directory is a union of one.
//!
//! Every look-up opens one component below the descriptor of its parent and follows no symbolic link; the text of a link
//! is read and resolved here, with the view's root as `/`. So nothing in a build context, a stage or an image leads out
//! of it, whatever it holds and whatever changes meanwhile.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::archive::whiteout;
use crate::base::{Error, Result, ResultExt, text};

/// Most symbolic links of one look-up, as in the kernel (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Most components that are open at once.
pub const MAX_DEPTH: usize = 500;

/// Most names in one directory.
const MAX_NAMES: usize = 5_000_000;

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

/// A tree of files.
#[derive(Debug)]
pub struct View {
    /// Highest first.
    layers: Vec<OwnedFd>,
    union: bool,
}

/// A directory of a view.
#[derive(Debug)]
pub struct Directory {
    layers: Vec<OwnedFd>,
    union: bool,
}

/// Where a name leads.
#[derive(Debug)]
pub struct Found {
    /// Its attributes.
    pub stat: Stat,
    /// Which of the layers has it.
    layer: usize,
}

impl Found {
    /// The kind of file.
    pub fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }
}

/// What a path leads to.
#[derive(Debug)]
pub struct Resolved {
    /// The path without links: names below the root.
    pub path: Vec<Vec<u8>>,
    /// The directories on the way that exist, the root first; the last one is the path itself if that is a directory.
    pub directories: Vec<Directory>,
    /// What is there, unless it is the root, or nothing.
    pub found: Option<Found>,
}

impl Resolved {
    /// How many names of the path exist as directories.
    pub fn existing(&self) -> usize {
        self.directories.len() - 1
    }

    /// Whether the path is a directory.
    pub fn is_directory(&self) -> bool {
        self.existing() == self.path.len()
    }

    /// The last directory that exists.
    pub fn last_directory(&self) -> Result<&Directory> {
        self.directories.last().ok_or_else(|| Error::system("a look-up lost its root"))
    }
}

/// A path for messages.
pub fn shown(path: &[u8]) -> String {
    text::clean(&String::from_utf8_lossy(path)).into_owned()
}

/// The names joined by `/`.
pub fn joined(names: &[Vec<u8>]) -> Vec<u8> {
    names.join(&b'/')
}

impl View {
    /// A union of layer trees, lowest first.
    pub fn of_layers<P: AsRef<Path>>(trees: &[P]) -> Result<Self> {
        let open = |tree: &Path| rustix::fs::open(tree, DIRECTORY, Mode::empty()).at(tree, "cannot open");
        let layers = trees.iter().rev().map(|tree| open(tree.as_ref())).collect::<Result<_>>()?;
        Ok(Self { layers, union: true })
    }

    /// A plain directory.
    pub fn of_directory(directory: OwnedFd) -> Self {
        Self { layers: vec![directory], union: false }
    }

    /// The tree of a layer.
    pub fn of_tree(directory: OwnedFd) -> Self {
        Self { layers: vec![directory], union: true }
    }

    /// Whether it is a plain directory.
    pub fn is_plain(&self) -> bool {
        !self.union
    }

    /// Its root.
    pub fn root(&self) -> Result<Directory> {
        let again =
            |fd: &OwnedFd| rustix::fs::openat(fd, c".", DIRECTORY, Mode::empty()).context(|| "cannot open the root");
        Ok(Directory { layers: self.layers.iter().map(again).collect::<Result<_>>()?, union: self.union })
    }

    /// Looks a path up. `follow`: a link at its end is followed. What does not exist is no error: see [`Resolved`].
    pub fn resolve(&self, path: &[u8], follow: bool) -> Result<Resolved> {
        let mut todo: Vec<Vec<u8>> = path.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec).collect();
        let mut at = Resolved { path: Vec::new(), directories: vec![self.root()?], found: None };
        let mut links = 0;
        while let Some(name) = todo.pop() {
            match name.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    if at.existing() == at.path.len() && at.existing() > 0 {
                        at.directories.pop();
                    }
                    at.path.pop();
                    at.found = None;
                    continue;
                }
                _ => {}
            }
            if at.path.len() >= MAX_DEPTH {
                return Err(Error::invalid(format!("`{}` is too deep", shown(path))));
            }
            if at.found.take().is_some_and(|found| found.kind() != FileType::Directory) {
                return Err(Error::invalid(format!("`{}` is not a directory", shown(&joined(&at.path)))));
            }
            let looked = match at.is_directory() {
                true => at.last_directory()?.look(&name)?,
                false => None,
            };
            if let Some(found) = looked {
                let kind = found.kind();
                let last = todo.iter().all(|rest| rest.is_empty() || rest == b".");
                if kind == FileType::Symlink && (follow || !last) {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Error::invalid(format!("`{}` leads through too many links", shown(path))));
                    }
                    let target = at.last_directory()?.read_link(&name, &found)?;
                    if target.starts_with(b"/") {
                        at.directories.truncate(1);
                        at.path.clear();
                    }
                    todo.extend(target.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec));
                    continue;
                }
                if kind == FileType::Directory {
                    let child = at.last_directory()?.child(&name)?;
                    at.directories.push(child);
                }
                at.found = Some(found);
            }
            at.path.push(name);
        }
        Ok(at)
    }

    /// The small text file at `path`; empty when there is none.
    pub fn small_file(&self, path: &str, limit: u64) -> Result<String> {
        use std::io::Read;
        let resolved = self.resolve(path.as_bytes(), true)?;
        let (Some(found), Some(name)) = (&resolved.found, resolved.path.last()) else { return Ok(String::new()) };
        if found.kind() != FileType::RegularFile {
            return Ok(String::new());
        }
        let mut bytes = Vec::new();
        let file = resolved.last_directory()?.open(name, found)?;
        file.take(limit).read_to_end(&mut bytes).context(|| format!("cannot read `{path}`"))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Directory {
    /// What a name is; links are not followed.
    pub fn look(&self, name: &[u8]) -> Result<Option<Found>> {
        for (layer, fd) in self.layers.iter().enumerate() {
            match rustix::fs::statat(fd, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if self.union && whiteout::is_whiteout(fd.as_fd(), name, &stat) => return Ok(None),
                Ok(stat) => return Ok(Some(Found { stat, layer })),
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno).context(|| format!("cannot examine `{}`", shown(name))),
            }
        }
        Ok(None)
    }

    /// The directory of a name.
    pub fn child(&self, name: &[u8]) -> Result<Directory> {
        let mut layers = Vec::new();
        for fd in &self.layers {
            match rustix::fs::openat(fd, name, DIRECTORY, Mode::empty()) {
                Ok(child) => {
                    let opaque = self.union && whiteout::is_opaque(&child);
                    layers.push(child);
                    if opaque {
                        break;
                    }
                }
                Err(Errno::NOENT) => {}
                // Something else hides the layers below.
                Err(Errno::NOTDIR | Errno::LOOP) => break,
                Err(errno) => return Err(errno).context(|| format!("cannot open `{}`", shown(name))),
            }
        }
        match layers.is_empty() {
            true => {
                Err(Error::conflict(format!("`{}` is gone", shown(name))).hint("does something else change the files?"))
            }
            false => Ok(Directory { layers, union: self.union }),
        }
    }

    /// Whether one of its layers says that nothing below it is visible.
    pub fn is_opaque(&self) -> bool {
        self.union && self.layers.last().is_some_and(whiteout::is_opaque)
    }

    /// The names that a whiteout hides, sorted.
    pub fn hidden_names(&self) -> Result<Vec<Vec<u8>>> {
        let mut hidden = BTreeSet::new();
        for fd in &self.layers {
            for entry in Dir::read_from(fd).context(|| "cannot list a directory")? {
                let name = entry.context(|| "cannot list a directory")?.file_name().to_bytes().to_vec();
                if name != b"." && name != b".." && self.look(&name)?.is_none() {
                    hidden.insert(name);
                }
            }
        }
        Ok(hidden.into_iter().collect())
    }

    /// Its own attributes.
    pub fn stat(&self) -> Result<Stat> {
        let top = self.layers.first().ok_or_else(|| Error::system("a directory without layers"))?;
        rustix::fs::fstat(top).context(|| "cannot examine a directory")
    }

    /// The names in it, sorted.
    pub fn names(&self) -> Result<Vec<Vec<u8>>> {
        let mut names = BTreeSet::new();
        let mut hidden = BTreeSet::new();
        for fd in &self.layers {
            let mut here = Vec::new();
            for entry in Dir::read_from(fd).context(|| "cannot list a directory")? {
                let entry = entry.context(|| "cannot list a directory")?;
                let name = entry.file_name().to_bytes().to_vec();
                if name == b"." || name == b".." || names.contains(&name) || hidden.contains(&name) {
                    continue;
                }
                let may_hide = self.union
                    && matches!(
                        entry.file_type(),
                        FileType::CharacterDevice | FileType::RegularFile | FileType::Unknown
                    );
                let hides = may_hide
                    && rustix::fs::statat(fd, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW)
                        .is_ok_and(|stat| whiteout::is_whiteout(fd.as_fd(), &name, &stat));
                here.push((name, hides));
                if names.len() + here.len() > MAX_NAMES {
                    return Err(Error::invalid("a directory has more than 5,000,000 entries"));
                }
            }
            for (name, hides) in here {
                if hides {
                    hidden.insert(name)
                } else {
                    names.insert(name)
                };
            }
        }
        Ok(names.into_iter().collect())
    }

    /// Opens a regular file for reading. Anything else is refused, and a fifo does not block.
    pub fn open(&self, name: &[u8], found: &Found) -> Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let failed = || format!("cannot open `{}`", shown(name));
        let layer = self.layers.get(found.layer).ok_or_else(|| Error::system(failed()))?;
        let file: OwnedFd = rustix::fs::openat(layer, name, flags, Mode::empty()).context(failed)?;
        match FileType::from_raw_mode(rustix::fs::fstat(&file).context(failed)?.st_mode) {
            FileType::RegularFile => Ok(file.into()),
            _ => Err(Error::invalid(format!("`{}` is not a regular file any more", shown(name)))),
        }
    }

    /// The text of a symbolic link.
    pub fn read_link(&self, name: &[u8], found: &Found) -> Result<Vec<u8>> {
        let failed = || format!("cannot read the link `{}`", shown(name));
        let layer = self.layers.get(found.layer).ok_or_else(|| Error::system(failed()))?;
        Ok(rustix::fs::readlinkat(layer, name, Vec::new()).context(failed)?.into_bytes())
    }
}

/// The extended attributes of a file that a copy keeps, in the order of their names: file capabilities, ACLs and the
/// user's; instructions for unions are dropped when a layer is unpacked.
pub fn attributes(file: &File) -> Vec<(String, Vec<u8>)> {
    let mut names = vec![0u8; 4096];
    let Ok(length) = rustix::fs::flistxattr(file, &mut names[..]) else { return Vec::new() };
    let mut kept = Vec::new();
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let Ok(name) = std::str::from_utf8(name) else { continue };
        if name != "security.capability" && (!name.starts_with("user.") || name.starts_with("user.overlay.")) {
            continue;
        }
        let mut value = vec![0u8; 4096];
        if let Ok(length) = rustix::fs::fgetxattr(file, name, &mut value[..]) {
            value.truncate(length);
            kept.push((name.to_owned(), value));
        }
    }
    kept.sort();
    kept
}

/// The error of a path that is not there, in the words of BuildKit.
pub fn not_found(path: &str) -> Error {
    let path = text::clean(path);
    let error = io::Error::from(io::ErrorKind::NotFound);
    Error::not_found(format!("\"/{}\": not found", path.trim_start_matches('/'))).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn scratch() -> Staging {
        Staging::new(&std::env::temp_dir()).unwrap()
    }

    #[test]
    fn links_stay_inside_and_layers_are_united() {
        let scratch = scratch();
        let (low, high) = (scratch.path().join("low"), scratch.path().join("high"));
        for directory in [low.join("d/e"), high.join("d"), high.join("out")] {
            fs::create_dir_all(directory).unwrap();
        }
        fs::write(low.join("d/a"), "low").unwrap();
        fs::write(low.join("d/b"), "b").unwrap();
        fs::write(high.join("d/a"), "high").unwrap();
        symlink("/d/../../../etc", high.join("link")).unwrap();
        symlink("d", low.join("to")).unwrap();
        symlink("loop", low.join("loop")).unwrap();
        let view = View::of_layers(&[&low, &high]).unwrap();
        let names = |directory: &Directory| -> Vec<String> {
            directory.names().unwrap().iter().map(|name| shown(name)).collect()
        };
        assert_eq!(names(&view.root().unwrap()), ["d", "link", "loop", "out", "to"]);
        let d = view.resolve(b"to", true).unwrap();
        assert!(d.is_directory() && d.path == [b"d"]);
        assert_eq!(names(d.last_directory().unwrap()), ["a", "b", "e"]);
        assert_eq!(view.small_file("/to/a", 100).unwrap(), "high");
        let out = view.resolve(b"link/passwd", true).unwrap();
        assert_eq!((joined(&out.path), out.existing(), out.found.is_none()), (b"etc/passwd".to_vec(), 0, true));
        assert!(view.resolve(b"loop", true).is_err() && view.resolve(b"d/a/x", true).is_err());
        assert_eq!(view.resolve(b"loop", false).unwrap().found.unwrap().kind(), FileType::Symlink);
        assert_eq!(joined(&view.resolve(b"x/../../d/./e/..", true).unwrap().path), b"d");
        assert_eq!(view.small_file("/etc/passwd", 100).unwrap(), "");
    }

    #[test]
    fn fifos_do_not_block() {
        let scratch = scratch();
        nix::unistd::mkfifo(&scratch.path().join("f"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        let view = View::of_directory(File::open(scratch.path()).unwrap().into());
        let found = view.resolve(b"f", true).unwrap();
        assert!(found.last_directory().unwrap().open(b"f", found.found.as_ref().unwrap()).is_err());
    }
}
