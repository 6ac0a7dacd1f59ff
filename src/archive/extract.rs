//! A tar stream becomes files in a directory that somebody else may be changing: the receiving side of `cp`.
//!
//! Neither the archive nor the directory is trusted. Every directory is opened below the descriptor of its parent, and no
//! symbolic link is followed on the way, whether it was there, came with the archive, or was put there a moment ago. What
//! is made is made by descriptor, and given its owner and mode by descriptor.
//!
//! Files that are there already: a file replaces a file, a directory goes into a directory, whose owner and mode stay
//! unless [`Extraction::archive`]. A file never replaces a directory nor the other way round unless
//! [`Extraction::overwrite`]. A file on which something is mounted is written to instead. Device nodes are left out.

use std::io::{BufRead, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use super::attributes::{self, failed, timestamps};
use super::entries::{Entries, Entry, Kind, shown};
use super::header::BLOCK;
use super::names::{clean, join, split};
use super::tree::{write_at, write_segments};
use super::{Limits, pax::Time};
use crate::base::{Error, Result, ResultExt};
use crate::spec::idmap::IdMap;
use crate::sys::beneath;

/// How often a name is freed again that somebody keeps taking.
const ATTEMPTS: usize = 64;

/// The owners that the files get.
#[derive(Debug, Clone, Default)]
pub enum Owner {
    /// Whoever extracts.
    #[default]
    Caller,
    /// This user and group, in ids of our user namespace.
    Fixed(u32, u32),
    /// As the archive says; its ids are translated by `to_outside` where the maps are not empty.
    Archive(IdMap, IdMap),
}

/// How files are made.
#[derive(Debug, Clone, Default)]
pub struct Extraction {
    /// The owners that they get.
    pub owner: Owner,
    /// Directories that are there get owner, mode and time of the archive's.
    pub archive: bool,
    /// Files may replace directories, and directories files.
    pub overwrite: bool,
    /// Files keep the permissions to run as their owner or group.
    pub set_ids: bool,
}

/// How the archive begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begins {
    /// With a directory.
    pub directory: bool,
    /// With the contents of a directory: the first name is `.`.
    pub contents: bool,
}

/// Where an archive goes.
#[derive(Debug)]
pub enum Goes {
    /// Into this directory.
    Into(OwnedFd),
    /// Into this directory, with this name instead of the first component of all names.
    As(OwnedFd, Vec<u8>),
    /// Its only file is written over this one.
    Over(OwnedFd),
}

/// Extracts an archive and returns how many bytes docker would say that it has: headers, contents and the end. `place`
/// decides where it goes, when it is known how it begins.
pub fn extract(stream: impl BufRead, how: &Extraction, place: impl FnOnce(Begins) -> Result<Goes>) -> Result<u64> {
    let limits = Limits { unpacked_bytes: u64::MAX, entries: u64::MAX };
    let mut entries = Entries::new(stream, std::io::sink(), &limits);
    let Some(mut entry) = entries.next()? else {
        return Err(Error::invalid("the archive is empty"));
    };
    let contents = clean(&entry.name)?.is_empty();
    let goes = place(Begins { directory: entry.kind == Kind::Directory, contents })?;
    let mut bytes = 2 * BLOCK as u64;
    let (root, name) = match goes {
        Goes::Into(root) => (root, None),
        Goes::As(root, name) => (root, Some(name)),
        Goes::Over(file) => {
            write(&file, &entry, &mut entries)?;
            finish_file(&file, &entry, how)?;
            entries.next()?;
            return Ok(bytes + BLOCK as u64 + entry.size.next_multiple_of(BLOCK as u64));
        }
    };
    let mut tree = Tree { how, levels: vec![Level { name: Vec::new(), fd: root, pending: None }] };
    loop {
        bytes += BLOCK as u64 + entry.size.next_multiple_of(BLOCK as u64);
        let path = rebased(&entry.name, name.as_deref(), contents)?;
        let link = match entry.kind {
            Kind::HardLink => rebased(&entry.link, name.as_deref(), contents)?,
            _ => Vec::new(),
        };
        if !path.is_empty() {
            tree.put(&path, &link, &entry, &mut entries)?;
        }
        match entries.next()? {
            Some(next) => entry = next,
            None => break,
        }
    }
    tree.leave(0)?;
    Ok(bytes)
}

/// The name in the directory, for one in the archive.
fn rebased(raw: &[u8], name: Option<&[u8]>, contents: bool) -> Result<Vec<u8>> {
    let path = clean(raw)?;
    Ok(match (name, contents) {
        (None, _) => path,
        (Some(name), true) if path.is_empty() => name.to_vec(),
        (Some(name), true) => join(name, &path),
        (Some(name), false) => match path.iter().position(|byte| *byte == b'/') {
            Some(at) => join(name, &path[at + 1..]),
            None => name.to_vec(),
        },
    })
}

/// A directory that is open, and what it gets when it is left.
struct Level {
    name: Vec<u8>,
    fd: OwnedFd,
    pending: Option<Entry>,
}

struct Tree<'a> {
    how: &'a Extraction,
    /// From the root to where we are.
    levels: Vec<Level>,
}

impl Tree<'_> {
    fn put<R: BufRead, W: Write>(
        &mut self,
        path: &[u8],
        link: &[u8],
        entry: &Entry,
        entries: &mut Entries<'_, R, W>,
    ) -> Result<()> {
        let (directory, name) = split(path);
        self.go_to(directory)?;
        let parent = &self.here().fd;
        match entry.kind {
            Kind::Directory => self.directory(name, entry),
            Kind::Device => Ok(()),
            Kind::File => {
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let make = || rustix::fs::openat(parent, name, flags, Mode::RUSR | Mode::WUSR).map(Some);
                let file = match self.replacing(name, entry, make)? {
                    Some(file) => file,
                    None => mounted_over(parent, name).context(|| failed("write", entry))?,
                };
                write(&file, entry, entries)?;
                finish_file(&file, entry, self.how)
            }
            Kind::SymbolicLink => {
                let make = || rustix::fs::symlinkat(entry.link.as_slice(), parent, name).map(Some);
                self.replacing(name, entry, make)?;
                self.finish_node(name, entry)
            }
            Kind::Fifo => {
                let make = || rustix::fs::mkfifoat(parent, name, Mode::RUSR | Mode::WUSR).map(Some);
                self.replacing(name, entry, make)?;
                let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let fifo = rustix::fs::openat(parent, name, flags, Mode::empty()).context(|| failed("open", entry))?;
                let stat = rustix::fs::fstat(&fifo).context(|| failed("open", entry))?;
                if FileType::from_raw_mode(stat.st_mode) == FileType::Fifo {
                    use std::os::fd::AsRawFd;
                    let place = format!("/proc/self/fd/{}", fifo.as_raw_fd());
                    rustix::fs::chmod(place, mode_of(entry, self.how)).context(|| failed("set the mode of", entry))?;
                }
                self.finish_node(name, entry)
            }
            Kind::HardLink => {
                let (above, first) = split(link);
                let source = self.open_beneath(above)?;
                let linked = self.replacing(name, entry, || {
                    rustix::fs::linkat(&source, first, parent, name, AtFlags::empty()).map(Some)
                });
                linked.map(|_| ())
            }
        }
    }

    fn here(&self) -> &Level {
        // The root is never left while entries come.
        &self.levels[self.levels.len() - 1]
    }

    /// Makes the directory `path` the current one; made where it is missing.
    fn go_to(&mut self, path: &[u8]) -> Result<()> {
        let wanted: Vec<&[u8]> = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect();
        let same = self.levels[1..].iter().zip(&wanted).take_while(|(level, name)| level.name == **name).count();
        self.leave(same + 1)?;
        for name in &wanted[same..] {
            let missing = Entry {
                name: path.to_vec(),
                kind: Kind::Directory,
                link: Vec::new(),
                mode: 0o755,
                uid: 0,
                gid: 0,
                mtime: Time::default(),
                size: 0,
                segments: None,
                xattrs: Vec::new(),
            };
            let parent = &self.here().fd;
            let (fd, made) = open_or_make(parent, name).context(|| failed("open", &missing))?;
            if made {
                finish_directory(&fd, &missing, self.how, false)?;
            }
            self.levels.push(Level { name: name.to_vec(), fd, pending: None });
        }
        Ok(())
    }

    /// Leaves directories until `depth` are open, and gives each its owner, mode and time: nothing is made in it any more.
    fn leave(&mut self, depth: usize) -> Result<()> {
        while self.levels.len() > depth {
            if let Some(Level { fd, pending: Some(entry), .. }) = self.levels.pop() {
                finish_directory(&fd, &entry, self.how, true)?;
            }
        }
        Ok(())
    }

    fn directory(&mut self, name: &[u8], entry: &Entry) -> Result<()> {
        let parent = &self.here().fd;
        let (fd, made) = match open_or_make(parent, name) {
            Err(Errno::NOTDIR | Errno::LOOP) if self.how.overwrite => {
                rustix::fs::unlinkat(parent, name, AtFlags::empty()).context(|| failed("replace", entry))?;
                open_or_make(parent, name).context(|| failed("make", entry))?
            }
            Err(Errno::NOTDIR | Errno::LOOP) => {
                return Err(Error::conflict(format!(
                    "cannot overwrite non-directory `{}` with a directory",
                    shown(name)
                ))
                .hint("--overwrite allows it"));
            }
            opened => opened.context(|| failed("make", entry))?,
        };
        let pending = (made || self.how.archive).then(|| Entry {
            name: entry.name.clone(),
            link: Vec::new(),
            segments: None,
            xattrs: entry.xattrs.clone(),
            ..*entry
        });
        self.levels.push(Level { name: name.to_vec(), fd, pending });
        Ok(())
    }

    /// Runs `make`; as long as something else has the name, removes that and tries again. `None` if something is mounted
    /// there.
    fn replacing<T>(
        &self,
        name: &[u8],
        entry: &Entry,
        make: impl Fn() -> Result<Option<T>, Errno>,
    ) -> Result<Option<T>> {
        let parent = &self.here().fd;
        for _ in 0..ATTEMPTS {
            match make() {
                Err(Errno::EXIST) => {}
                made => return made.context(|| failed("make", entry)),
            }
            match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(Errno::BUSY) if entry.kind == Kind::File => return Ok(None),
                Err(Errno::ISDIR) if self.how.overwrite => {
                    beneath::remove_tree(parent.as_fd(), name).context(|| failed("replace", entry))?;
                }
                Err(Errno::ISDIR) => {
                    let shown = shown(name);
                    return Err(Error::conflict(format!("cannot overwrite directory `{shown}` with a non-directory"))
                        .hint("--overwrite allows it"));
                }
                Err(errno) => return Err(errno).context(|| failed("replace", entry)),
            }
        }
        Err(Error::conflict(format!("`{}` is made anew as fast as it is replaced", shown(name))))
    }

    /// Owner and time of what cannot be opened.
    fn finish_node(&self, name: &[u8], entry: &Entry) -> Result<()> {
        let parent = &self.here().fd;
        if let Some((uid, gid)) = owner_of(entry, self.how)? {
            let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            rustix::fs::chownat(parent, name, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)
                .context(|| failed("set the owner of", entry))?;
        }
        rustix::fs::utimensat(parent, name, &timestamps(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)
            .context(|| failed("set the time of", entry))
    }

    /// A directory of the archive, by its path.
    fn open_beneath(&self, path: &[u8]) -> Result<OwnedFd> {
        let failed = || format!("cannot open `{}`", shown(path));
        let mut fd = self.levels[0].fd.try_clone().context(failed)?;
        for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
            fd = rustix::fs::openat(&fd, name, DIRECTORY, Mode::empty()).context(failed)?;
        }
        Ok(fd)
    }
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Opens the directory `name`; whether it was made.
fn open_or_make(parent: &OwnedFd, name: &[u8]) -> Result<(OwnedFd, bool), Errno> {
    match rustix::fs::openat(parent, name, DIRECTORY, Mode::empty()) {
        Err(Errno::NOENT) => {}
        opened => return opened.map(|fd| (fd, false)),
    }
    let made = match rustix::fs::mkdirat(parent, name, Mode::RWXU) {
        Err(Errno::EXIST) => false,
        made => made.map(|()| true)?,
    };
    rustix::fs::openat(parent, name, DIRECTORY, Mode::empty()).map(|fd| (fd, made))
}

/// Opens a regular file that cannot be removed because something is mounted on it.
fn mounted_over(parent: &OwnedFd, name: &[u8]) -> std::io::Result<OwnedFd> {
    let place = rustix::fs::openat(parent, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    match FileType::from_raw_mode(rustix::fs::fstat(&place)?.st_mode) {
        FileType::RegularFile => beneath::reopen(&place, OFlags::WRONLY | OFlags::TRUNC),
        _ => Err(Errno::BUSY.into()),
    }
}

fn write<R: BufRead, W: Write>(file: &OwnedFd, entry: &Entry, entries: &mut Entries<'_, R, W>) -> Result<()> {
    match &entry.segments {
        Some(_) => write_segments(file, entry, entries),
        None => {
            let mut offset = 0;
            entries.contents(|piece| write_at(file, piece, &mut offset, entry))
        }
    }
}

/// The owner that an entry gets, if any is to be set.
fn owner_of(entry: &Entry, how: &Extraction) -> Result<Option<(u32, u32)>> {
    let outside = |map: &IdMap, id: u32| match map.is_empty() {
        true => Ok(id),
        false => map.to_outside(id).ok_or_else(|| {
            Error::unsupported(format!("the owner {id} of `{}` is no id of the container", entry.shown()))
        }),
    };
    match &how.owner {
        Owner::Caller => Ok(None),
        Owner::Fixed(uid, gid) => Ok(Some((*uid, *gid))),
        Owner::Archive(uids, gids) => Ok(Some((outside(uids, entry.uid)?, outside(gids, entry.gid)?))),
    }
}

fn mode_of(entry: &Entry, how: &Extraction) -> Mode {
    Mode::from_raw_mode(if how.set_ids { entry.mode } else { entry.mode & 0o1777 })
}

fn finish_file(file: &OwnedFd, entry: &Entry, how: &Extraction) -> Result<()> {
    finish_open(file, entry, how)?;
    rustix::fs::futimens(file, &timestamps(entry.mtime)).context(|| failed("set the time of", entry))
}

fn finish_directory(fd: &OwnedFd, entry: &Entry, how: &Extraction, time: bool) -> Result<()> {
    finish_open(fd, entry, how)?;
    match time {
        true => rustix::fs::futimens(fd, &timestamps(entry.mtime)).context(|| failed("set the time of", entry)),
        false => Ok(()),
    }
}

/// Owner first: changing it takes away permissions and capabilities.
fn finish_open(fd: &OwnedFd, entry: &Entry, how: &Extraction) -> Result<()> {
    if let Some((uid, gid)) = owner_of(entry, how)? {
        rustix::fs::fchown(fd, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
            .context(|| failed("set the owner of", entry))?;
    }
    rustix::fs::fchmod(fd, mode_of(entry, how)).context(|| failed("set the mode of", entry))?;
    // ACLs and capabilities name ids of another namespace: they are of no use on the host.
    let kept = entry.xattrs.iter().filter(|(name, _)| how.set_ids || name.starts_with(b"user."));
    for (name, value) in kept {
        attributes::set_xattr(fd.as_fd(), entry, name, value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::Path;

    use super::*;
    use crate::archive::pack::{Pack, Packing};
    use crate::base::publish::Staging;

    fn area() -> Staging {
        Staging::new(&std::env::temp_dir()).unwrap()
    }

    fn open(path: &Path) -> OwnedFd {
        fs::File::open(path).unwrap().into()
    }

    /// Copies `from` into the directory `to`, under another name if one is given.
    fn copied(from: &Path, to: &Path, name: Option<&str>, how: &Extraction) -> Result<u64> {
        let place = rustix::fs::open(from, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty()).unwrap();
        let base = from.file_name().unwrap().as_encoded_bytes();
        let packing = Packing { nanoseconds: true, ..Packing::default() };
        let pack = Pack::of_place(&place, base, &packing)?;
        extract(std::io::BufReader::new(pack), how, |_| {
            Ok(match name {
                Some(name) => Goes::As(open(to), name.as_bytes().to_vec()),
                None => Goes::Into(open(to)),
            })
        })
    }

    #[test]
    fn a_tree_arrives_as_it_was() {
        let (from, to) = (area(), area());
        let source = from.path().join("src");
        fs::create_dir_all(source.join("a/b")).unwrap();
        fs::write(source.join("a/b/file"), "text").unwrap();
        fs::set_permissions(source.join("a/b/file"), fs::Permissions::from_mode(0o4751)).unwrap();
        fs::hard_link(source.join("a/b/file"), source.join("a/link")).unwrap();
        symlink("/nowhere", source.join("soft")).unwrap();
        fs::set_permissions(source.join("a"), fs::Permissions::from_mode(0o555)).unwrap();
        let how = Extraction { set_ids: true, ..Extraction::default() };
        let bytes = copied(&source, to.path(), None, &how).unwrap();
        // Root, a, b, file with contents, hard link, symbolic link, the end.
        assert_eq!(bytes, 512 * (6 + 1 + 2));
        let meta = |name: &str| fs::symlink_metadata(to.path().join(name)).unwrap();
        assert_eq!((meta("src/a/b/file").mode() & 0o7777, meta("src/a/b/file").nlink()), (0o4751, 2));
        assert_eq!(meta("src/a").mode() & 0o7777, 0o555);
        assert_eq!(meta("src/a/b/file").mtime_nsec(), fs::metadata(source.join("a/b/file")).unwrap().mtime_nsec());
        assert_eq!(fs::read_link(to.path().join("src/soft")).unwrap(), Path::new("/nowhere"));
        copied(&source.join("a/b"), to.path(), Some("renamed"), &Extraction::default()).unwrap();
        assert_eq!(meta("renamed/file").mode() & 0o7777, 0o751);
        for place in ["src/a", "../src/a"] {
            let _ = fs::set_permissions(to.path().join(place), fs::Permissions::from_mode(0o755));
        }
        fs::set_permissions(source.join("a"), fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn no_link_is_followed_and_kinds_do_not_mix() {
        let (from, to, outside) = (area(), area(), area());
        let source = from.path().join("src");
        fs::create_dir_all(source.join("d")).unwrap();
        fs::write(source.join("d/file"), "new").unwrap();
        fs::write(source.join("plain"), "new").unwrap();
        fs::write(outside.path().join("victim"), "old").unwrap();
        fs::create_dir(to.path().join("src")).unwrap();
        // A file behind a link is not written to; the link is replaced.
        symlink(outside.path().join("victim"), to.path().join("src/plain")).unwrap();
        let how = Extraction::default();
        fs::create_dir(to.path().join("src/d")).unwrap();
        copied(&source, to.path(), None, &how).unwrap();
        assert_eq!(fs::read_to_string(outside.path().join("victim")).unwrap(), "old");
        assert_eq!(fs::read_to_string(to.path().join("src/plain")).unwrap(), "new");
        // A directory that is a link.
        fs::remove_dir_all(to.path().join("src/d")).unwrap();
        symlink(outside.path(), to.path().join("src/d")).unwrap();
        let error = copied(&source, to.path(), None, &how).unwrap_err();
        assert!(error.message().contains("cannot overwrite non-directory"), "{}", error.chain());
        assert!(!outside.path().join("file").exists());
        let overwrite = Extraction { overwrite: true, ..Extraction::default() };
        copied(&source, to.path(), None, &overwrite).unwrap();
        assert_eq!(fs::read_to_string(to.path().join("src/d/file")).unwrap(), "new");
        // A file where a directory is.
        fs::remove_file(to.path().join("src/plain")).unwrap();
        fs::create_dir_all(to.path().join("src/plain/in")).unwrap();
        assert!(copied(&source, to.path(), None, &how).unwrap_err().message().contains("cannot overwrite directory"));
        copied(&source, to.path(), None, &overwrite).unwrap();
        assert!(to.path().join("src/plain").is_file());
    }

    #[test]
    fn archives_of_strangers_stay_inside() {
        let to = area();
        let into = to.path().join("into");
        for (name, kind, link) in
            [("../out", tar::EntryType::Regular, ""), ("link", tar::EntryType::Link, "../../etc/passwd")]
        {
            fs::create_dir_all(&into).unwrap();
            let mut header = tar::Header::new_ustar();
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
            header.set_entry_type(kind);
            header.set_size(0);
            header.set_mode(0o644);
            header.set_cksum();
            let bytes = [&header.as_bytes()[..], &[0; 1024]].concat();
            let error = extract(&bytes[..], &Extraction::default(), |_| Ok(Goes::Into(open(&into)))).unwrap_err();
            assert!(error.chain().contains("leads out"), "{}", error.chain());
            assert!(!to.path().join("out").exists());
        }
        assert!(extract(&[][..], &Extraction::default(), |_| Ok(Goes::Into(open(&into)))).is_err());
    }
}
