//! Filling a new volume with what the image has at its place: docker's rule for empty volumes.
//!
//! The source is untrusted: it is walked through fds below the container's root, symbolic links are copied, never
//! followed, and special files are left out. Runs in the outer user namespace, where owners can be set.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps, Uid};

use crate::base::{Error, Result, ResultExt};

/// Deeper trees than this are refused rather than copied halfway.
const MAX_DEPTH: usize = 256;

/// Copies the directory `target` of `root` into the empty directory `volume`; owner and mode of the directory itself,
/// too. Nothing happens when `volume` holds anything or the image has no such directory.
pub fn fill(root: BorrowedFd<'_>, target: &str, volume: &Path) -> Result<()> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(source) = rustix::fs::openat2(root, target, flags, Mode::empty(), resolve) else { return Ok(()) };
    let into = rustix::fs::open(volume, flags, Mode::empty()).at(volume, "cannot open")?;
    if entries(into.as_fd()).at(volume, "cannot list")?.next().is_some() {
        return Ok(());
    }
    copy_directory(source.as_fd(), into.as_fd(), 0).at(volume, "cannot copy into")
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

fn copy_directory(source: BorrowedFd<'_>, into: BorrowedFd<'_>, depth: usize) -> io::Result<()> {
    if depth > MAX_DEPTH {
        return Err(io::Error::other(Error::invalid(format!("directories are nested deeper than {MAX_DEPTH}"))));
    }
    for entry in entries(source)? {
        copy_entry(source, into, entry?.file_name(), depth)?;
    }
    let stat = rustix::fs::fstat(source)?;
    give_owner(into, &stat)?;
    rustix::fs::fchmod(into, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    Ok(rustix::fs::futimens(into, &times(&stat))?)
}

fn copy_entry(source: BorrowedFd<'_>, into: BorrowedFd<'_>, name: &CStr, depth: usize) -> io::Result<()> {
    let stat = rustix::fs::statat(source, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let open = |at: BorrowedFd<'_>, flags: OFlags, mode: u32| -> io::Result<OwnedFd> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(at, name, flags, Mode::from_raw_mode(mode))?)
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            rustix::fs::mkdirat(into, name, Mode::from_raw_mode(0o700))?;
            let (from, to) = (open(source, OFlags::DIRECTORY, 0)?, open(into, OFlags::DIRECTORY, 0)?);
            copy_directory(from.as_fd(), to.as_fd(), depth + 1)
        }
        FileType::RegularFile => {
            let mut from = File::from(open(source, OFlags::NONBLOCK, 0)?);
            let mut to = File::from(open(into, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL, 0o600)?);
            io::copy(&mut from, &mut to)?;
            give_owner(to.as_fd(), &stat)?;
            rustix::fs::fchmod(&to, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
            Ok(rustix::fs::futimens(&to, &times(&stat))?)
        }
        FileType::Symlink => {
            let link = rustix::fs::readlinkat(source, name, Vec::new())?;
            rustix::fs::symlinkat(link.as_c_str(), into, name)?;
            let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
            Ok(rustix::fs::chownat(into, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?)
        }
        _ => Ok(()),
    }
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
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

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
}
