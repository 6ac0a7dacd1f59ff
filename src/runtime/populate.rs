//! Filling a new volume with what the image has at its place: docker's rule for empty volumes.
//!
//! The source is untrusted: it is walked through fds below the container's root, and symbolic links are copied, never
//! followed. Everything of a tree is kept: owners, modes, times, extended attributes with access lists and file
//! capabilities, hard links among its files, holes, FIFOs and sockets. Device nodes are left out: nobody can make or open
//! them in a user namespace. Runs in the outer user namespace, where owners can be set.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::XattrFlags;
use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, ResolveFlags, SeekFrom, Stat, Timespec, Timestamps, Uid};
use rustix::io::Errno;

use crate::base::{Error, Result, ResultExt};
use crate::sys::beneath::BeneathDir;

/// Deeper trees than this are refused rather than copied halfway.
const MAX_DEPTH: usize = 256;

/// The most names, and the largest value, of a file's extended attributes (`XATTR_LIST_MAX` and `XATTR_SIZE_MAX`).
const MAX_XATTR: usize = 64 << 10;

/// Copies the directory `target` of `root` into the empty directory `volume`; owner and mode of the directory itself,
/// too. Nothing happens when `volume` holds anything or the image has no such directory.
pub fn fill(root: BorrowedFd<'_>, target: &str, volume: &Path) -> Result<()> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(source) = rustix::fs::openat2(root, target, flags, Mode::empty(), resolve) else { return Ok(()) };
    let into = BeneathDir::open(volume).at(volume, "cannot open")?;
    if entries(into.as_fd()).at(volume, "cannot list")?.next().is_some() {
        return Ok(());
    }
    let mut copy = Copy { links: HashMap::new(), here: Vec::new(), root: &into };
    copy.directory(source.as_fd(), into.as_fd()).at(volume, "cannot copy into")
}

/// Copies what is in the directory `source` into an empty file system, of which `root` is the root: not owner and mode of
/// the directory itself. For a process of the container, which is as trusted as what it copies.
pub(super) fn copy(source: BorrowedFd<'_>, root: BorrowedFd<'_>) -> io::Result<()> {
    let open = |fd| rustix::fs::openat(fd, c".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let (source, into) = (open(source)?, open(root)?);
    let beneath = BeneathDir::from_borrowed(into.as_fd())?;
    let mut copy = Copy { links: HashMap::new(), here: Vec::new(), root: &beneath };
    entries(source.as_fd())?.try_for_each(|entry| copy.entry(source.as_fd(), into.as_fd(), entry?.file_name()))
}

/// Gives an empty directory that belongs to nobody in the container, as `known` tells, to `owner`.
pub fn own(volume: &Path, (uid, gid): (u32, u32), known: impl FnOnce(u32) -> bool) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(volume, flags, Mode::empty()).at(volume, "cannot open")?;
    let stat = rustix::fs::fstat(&directory).at(volume, "cannot examine")?;
    let empty = entries(directory.as_fd()).at(volume, "cannot list")?.next().is_none();
    match empty && !known(stat.st_uid) {
        true => rustix::fs::fchown(&directory, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
            .at(volume, "cannot chown"),
        false => Ok(()),
    }
}

fn entries(directory: BorrowedFd<'_>) -> io::Result<impl Iterator<Item = io::Result<rustix::fs::DirEntry>>> {
    Ok(Dir::read_from(directory)?
        .map(|entry| entry.map_err(io::Error::from))
        .filter(|entry| !entry.as_ref().is_ok_and(|entry| matches!(entry.file_name().to_bytes(), b"." | b".."))))
}

/// A copy in the making.
struct Copy<'a> {
    /// Where files with several names were copied to, from the root of the copy, by device and inode number.
    links: HashMap<(u64, u64), Vec<u8>>,
    /// The names that lead to the directory that is being copied.
    here: Vec<CString>,
    root: &'a BeneathDir,
}

impl Copy<'_> {
    fn directory(&mut self, source: BorrowedFd<'_>, into: BorrowedFd<'_>) -> io::Result<()> {
        if self.here.len() > MAX_DEPTH {
            return Err(io::Error::other(Error::invalid(format!("directories are nested deeper than {MAX_DEPTH}"))));
        }
        for entry in entries(source)? {
            self.entry(source, into, entry?.file_name())?;
        }
        finish(source, into, &rustix::fs::fstat(source)?)
    }

    fn entry(&mut self, source: BorrowedFd<'_>, into: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
        let stat = rustix::fs::statat(source, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if matches!(kind, FileType::CharacterDevice | FileType::BlockDevice) {
            return Ok(());
        }
        if kind != FileType::Directory && stat.st_nlink > 1 && self.link(into, name, &stat)? {
            return Ok(());
        }
        let open = |at: BorrowedFd<'_>, flags: OFlags, mode: u32| -> io::Result<OwnedFd> {
            let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            Ok(rustix::fs::openat(at, name, flags, Mode::from_raw_mode(mode))?)
        };
        match kind {
            FileType::Directory => {
                rustix::fs::mkdirat(into, name, Mode::from_raw_mode(0o700))?;
                let (from, to) = (open(source, OFlags::DIRECTORY, 0)?, open(into, OFlags::DIRECTORY, 0)?);
                self.here.push(name.to_owned());
                let copied = self.directory(from.as_fd(), to.as_fd());
                self.here.pop();
                copied
            }
            FileType::RegularFile => {
                let from = open(source, OFlags::NONBLOCK, 0)?;
                let to = open(into, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL, 0o600)?;
                let stat = rustix::fs::fstat(&from)?;
                copy_data(&from, &to, stat.st_size.unsigned_abs())?;
                finish(from.as_fd(), to.as_fd(), &stat)
            }
            FileType::Symlink => {
                let link = rustix::fs::readlinkat(source, name, Vec::new())?;
                rustix::fs::symlinkat(link.as_c_str(), into, name)?;
                finish_at(into, name, &stat)
            }
            FileType::Fifo | FileType::Socket => {
                rustix::fs::mknodat(into, name, kind, Mode::from_raw_mode(0o600), 0)?;
                finish_at(into, name, &stat)?;
                // The name is what was just made: nobody else knows the volume yet.
                rustix::fs::chmodat(into, name, Mode::from_raw_mode(stat.st_mode & 0o7777), AtFlags::empty())?;
                Ok(rustix::fs::utimensat(into, name, &times(&stat), AtFlags::SYMLINK_NOFOLLOW)?)
            }
            _ => Ok(()),
        }
    }

    /// Makes `name` a further name of a file that was copied before. False, and the name is remembered, for the first of
    /// its names.
    fn link(&mut self, into: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> io::Result<bool> {
        let inode = (stat.st_dev, stat.st_ino);
        if let Some(path) = self.links.get(&inode) {
            let (directory, first) = match path.iter().rposition(|byte| *byte == b'/') {
                Some(at) => (&path[..at], &path[at + 1..]),
                None => (&b"."[..], &path[..]),
            };
            let directory = match self.root.open_dir(directory) {
                // Longer than a path may be: a file of its own.
                Err(error) if error.raw_os_error() == Some(libc::ENAMETOOLONG) => return Ok(false),
                opened => opened?,
            };
            rustix::fs::linkat(&directory, first, into, name, AtFlags::empty())?;
            return Ok(true);
        }
        let names = self.here.iter().map(|name| name.as_bytes()).chain([name.to_bytes()]);
        self.links.insert(inode, names.collect::<Vec<_>>().join(&b'/'));
        Ok(false)
    }
}

/// Copies what is not a hole (lseek(2), `SEEK_DATA`). A file system that does not know holes says that all is data.
fn copy_data(from: &OwnedFd, to: &OwnedFd, size: u64) -> io::Result<()> {
    let mut at = 0;
    while at < size {
        let start = match rustix::fs::seek(from, SeekFrom::Data(at)) {
            // Nothing but a hole is left.
            Err(Errno::NXIO) => break,
            Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) => at,
            found => found?,
        };
        let end = match rustix::fs::seek(from, SeekFrom::Hole(start)) {
            Err(_) => size,
            Ok(end) => end.min(size),
        };
        copy_range(from, to, start, end)?;
        at = end.max(start + 1);
    }
    Ok(rustix::fs::ftruncate(to, size)?)
}

/// By copy_file_range(2) where both file systems can, which shares blocks or copies within the kernel; else through memory.
fn copy_range(from: &OwnedFd, to: &OwnedFd, start: u64, end: u64) -> io::Result<()> {
    let (mut read_at, mut write_at) = (start, start);
    let mut buffer = Vec::new();
    while read_at < end {
        let left = usize::try_from(end - read_at).unwrap_or(usize::MAX);
        let copied = match buffer.is_empty() {
            true => rustix::fs::copy_file_range(from, Some(&mut read_at), to, Some(&mut write_at), left.min(1 << 30)),
            false => {
                let wanted = left.min(buffer.len());
                let length = rustix::io::pread(from, &mut buffer[..wanted], read_at)?;
                let mut done = 0;
                while done < length {
                    done += rustix::io::pwrite(to, &buffer[done..length], write_at + done as u64)?;
                }
                (read_at, write_at) = (read_at + length as u64, write_at + length as u64);
                Ok(length)
            }
        };
        match copied {
            // The file got shorter meanwhile.
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::XDEV | Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS | Errno::PERM) if buffer.is_empty() => {
                buffer.resize(256 << 10, 0);
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Gives a file or directory what `source` has besides its content. Owners come first: to change them takes away setuid
/// and file capabilities; times come last.
fn finish(source: BorrowedFd<'_>, into: BorrowedFd<'_>, stat: &Stat) -> io::Result<()> {
    give_owner(into, stat)?;
    rustix::fs::fchmod(into, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    copy_xattrs(source, into)?;
    Ok(rustix::fs::futimens(into, &times(stat))?)
}

/// The same for what cannot be opened: a symbolic link, which has an owner and times only, and the owner of a FIFO.
fn finish_at(into: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    rustix::fs::chownat(into, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(rustix::fs::utimensat(into, name, &times(stat), AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Copies extended attributes, access lists (`system.posix_acl_*`) and file capabilities among them. Those that the file
/// system of the volume does not take, or that belong to the host's security module, are left.
fn copy_xattrs(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<()> {
    let mut names = vec![0; 1024];
    let length = loop {
        match rustix::fs::flistxattr(from, &mut names[..]) {
            Err(Errno::RANGE) if names.len() < MAX_XATTR => names.resize(MAX_XATTR, 0),
            Err(Errno::OPNOTSUPP) => return Ok(()),
            listed => break listed?,
        }
    };
    for name in names[..length].split_inclusive(|byte| *byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        let bytes = name.to_bytes();
        let wanted = bytes.starts_with(b"user.") || bytes.starts_with(b"system.posix_acl_");
        if !wanted && bytes != b"security.capability" {
            continue;
        }
        let mut value = vec![0; 256];
        let length = loop {
            match rustix::fs::fgetxattr(from, name, &mut value[..]) {
                Err(Errno::RANGE) if value.len() < MAX_XATTR => value.resize(MAX_XATTR, 0),
                // Taken away meanwhile.
                Err(Errno::NODATA) => break None,
                read => break Some(read?),
            }
        };
        let Some(length) = length else { continue };
        match rustix::fs::fsetxattr(to, name, &value[..length], XattrFlags::empty()) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::PERM) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

fn give_owner(file: BorrowedFd<'_>, stat: &Stat) -> io::Result<()> {
    Ok(rustix::fs::fchown(file, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))?)
}

fn times(stat: &Stat) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: stat.st_atime, tv_nsec: stat.st_atime_nsec as _ },
        last_modification: Timespec { tv_sec: stat.st_mtime, tv_nsec: stat.st_mtime_nsec as _ },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;
    use std::fs::{self, File};
    use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};

    #[test]
    fn an_empty_volume_takes_the_images_tree_and_a_used_one_keeps_its_own() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let (root, volume) = (scratch.path().join("root"), scratch.path().join("volume"));
        fs::create_dir_all(root.join("data/sub")).unwrap();
        fs::create_dir(&volume).unwrap();
        fs::write(root.join("data/sub/file"), "text").unwrap();
        fs::set_permissions(root.join("data/sub/file"), fs::Permissions::from_mode(0o640)).unwrap();
        symlink("/etc/shadow", root.join("data/link")).unwrap();
        symlink("/data", root.join("alias")).unwrap();
        let handle = File::open(&root).unwrap();
        fill(handle.as_fd(), "/alias", &volume).unwrap();
        assert_eq!(fs::read_to_string(volume.join("sub/file")).unwrap(), "text");
        assert_eq!(fs::metadata(volume.join("sub/file")).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_link(volume.join("link")).unwrap(), Path::new("/etc/shadow"));
        fs::remove_file(volume.join("sub/file")).unwrap();
        fill(handle.as_fd(), "/alias", &volume).unwrap();
        assert!(!volume.join("sub/file").exists());
        fill(handle.as_fd(), "/absent", &volume).unwrap();
    }

    #[test]
    fn links_holes_attributes_and_fifos_are_kept() {
        // On a disk: a tmpfs knows no attributes of users before Linux 6.6.
        let scratch = Staging::new(Path::new("/var/tmp")).unwrap();
        let (root, volume) = (scratch.path().join("root"), scratch.path().join("volume"));
        fs::create_dir_all(root.join("d/sub")).unwrap();
        fs::create_dir(&volume).unwrap();
        fs::write(root.join("d/one"), "linked").unwrap();
        fs::hard_link(root.join("d/one"), root.join("d/sub/two")).unwrap();
        fs::hard_link(root.join("d/one"), root.join("d/three")).unwrap();
        let sparse = File::create(root.join("d/sparse")).unwrap();
        sparse.write_all_at(b"middle", 4 << 20).unwrap();
        sparse.set_len(16 << 20).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, root.join("d/fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        rustix::fs::fsetxattr(&sparse, "user.mine", b"value", XattrFlags::empty()).unwrap();
        let directory = File::open(root.join("d/sub")).unwrap();
        rustix::fs::fsetxattr(&directory, "user.of-directory", &[7; 3000], XattrFlags::empty()).unwrap();
        let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        for name in ["d/sparse", "d/sub"] {
            File::open(root.join(name)).unwrap().set_modified(old).unwrap();
        }
        let handle = File::open(&root).unwrap();
        fill(handle.as_fd(), "/d", &volume).unwrap();
        let data = |name: &str| fs::symlink_metadata(volume.join(name)).unwrap();
        assert_eq!(
            (data("one").nlink(), data("one").ino(), data("one").ino()),
            (3, data("sub/two").ino(), data("three").ino())
        );
        assert_eq!((data("sparse").len(), data("sparse").modified().unwrap()), (16 << 20, old));
        assert!(data("sparse").blocks() * 512 < 1 << 20, "{} blocks", data("sparse").blocks());
        let mut middle = [0; 6];
        File::open(volume.join("sparse")).unwrap().read_exact_at(&mut middle, 4 << 20).unwrap();
        assert_eq!(&middle, b"middle");
        assert_eq!(
            (FileType::from_raw_mode(data("fifo").mode()), data("fifo").mode() & 0o777),
            (FileType::Fifo, 0o400)
        );
        assert_eq!(data("sub").modified().unwrap(), old);
        let mut value = [0; 4096];
        assert_eq!(rustix::fs::getxattr(volume.join("sparse"), "user.mine", &mut value[..]), Ok(5));
        assert_eq!(rustix::fs::getxattr(volume.join("sub"), "user.of-directory", &mut value[..]), Ok(3000));
    }
}
