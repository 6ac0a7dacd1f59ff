//! The mount option `U`: gives all files of a tree to one user.
//!
//! The tree may be a container's, which changes it meanwhile: everything is opened below the descriptor of its parent, and
//! what was opened is changed, by descriptor. Symbolic links change owners themselves and lead nowhere; mounts below the
//! tree are left out, since they are not what was named.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, ResolveFlags, Uid};
use rustix::io::Errno;

use crate::base::{Error, Result, ResultExt};

/// Deeper trees are refused: each level takes descriptors.
const MAX_DEPTH: usize = 256;

/// Directories of a machine that never belong to a container, whatever was asked for.
const OF_THE_SYSTEM: [&str; 18] = [
    "/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/media", "/opt", "/proc", "/root", "/run",
    "/sbin", "/srv", "/sys", "/usr", "/var",
];

/// Whether `path`, absolute and without links, is a directory that must keep its owners: one of the system's, or one that
/// `kept` is in.
pub fn is_kept(path: &Path, kept: &Path) -> bool {
    let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let below_system = ["/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr"];
    !plain
        || OF_THE_SYSTEM.iter().any(|known| path == Path::new(known))
        || below_system.iter().any(|known| path.starts_with(known))
        || kept.starts_with(path)
}

/// The error for those.
pub fn keeps(path: &Path) -> Error {
    Error::usage(format!("`{}` must keep its owner", path.display()))
        .hint("the option `U` is for directories of data, not for the system's and not for your home")
}

/// Gives the file or directory at `top`, with everything in it, to `uid` and `gid`. What belongs to them already is not
/// touched.
pub fn give(top: BorrowedFd<'_>, uid: u32, gid: u32) -> Result<()> {
    let to = Owner { uid, gid };
    let stat = rustix::fs::fstat(top).context(|| "cannot examine it")?;
    // The directory itself comes last: until then its own user cannot get in the way.
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        let directory = reopen(top).context(|| "cannot list it")?;
        to.entries(directory.as_fd(), 0)?;
    }
    to.take(top).context(|| "cannot change its owner")
}

#[derive(Clone, Copy)]
struct Owner {
    uid: u32,
    gid: u32,
}

impl Owner {
    fn entries(self, directory: BorrowedFd<'_>, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(Error::invalid(format!("directories are nested deeper than {MAX_DEPTH}")));
        }
        for entry in Dir::read_from(directory).context(|| "cannot list a directory")? {
            let entry = entry.context(|| "cannot list a directory")?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            self.entry(directory, name, depth)
                .context(|| format!("at `{}`", crate::base::text::clean(&name.to_string_lossy())))?;
        }
        Ok(())
    }

    fn entry(self, directory: BorrowedFd<'_>, name: &CStr, depth: usize) -> Result<()> {
        let file = match open_entry(directory, name) {
            // Removed meanwhile, or a mount.
            Err(Errno::NOENT | Errno::XDEV) => return Ok(()),
            opened => opened.context(|| "cannot open it")?,
        };
        let stat = rustix::fs::fstat(&file).context(|| "cannot examine it")?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            let directory = reopen(file.as_fd()).context(|| "cannot list it")?;
            self.entries(directory.as_fd(), depth + 1)?;
        }
        self.take(file.as_fd()).context(|| "cannot change its owner")
    }

    fn take(self, file: BorrowedFd<'_>) -> io::Result<()> {
        let stat = rustix::fs::fstat(file)?;
        if (stat.st_uid, stat.st_gid) == (self.uid, self.gid) {
            return Ok(());
        }
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        Ok(rustix::fs::chownat(file, c"", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?)
    }
}

fn open_entry(directory: BorrowedFd<'_>, name: &CStr) -> std::result::Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    rustix::fs::openat2(directory, name, flags, Mode::empty(), resolve)
}

/// A directory that was opened as a place only, for its list.
fn reopen(directory: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV;
    Ok(rustix::fs::openat2(directory, c".", flags, Mode::empty(), resolve)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;
    use std::fs::{self, File};

    #[test]
    fn the_systems_directories_and_the_users_home_are_kept() {
        let home = Path::new("/home/ann");
        for kept in ["/", "/etc", "/etc/ssl", "/usr/local/share", "/home", "/home/ann", "/var", "/home/ann/../x", "rel"]
        {
            assert!(is_kept(Path::new(kept), home) || kept == "rel", "{kept}");
        }
        for given in ["/home/ann/data", "/home/anna", "/srv/data", "/var/lib/data", "/tmp/x"] {
            assert!(!is_kept(Path::new(given), home), "{given}");
        }
    }

    #[test]
    fn links_lead_nowhere() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        fs::create_dir_all(scratch.path().join("d/sub")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", scratch.path().join("d/sub/link")).unwrap();
        std::os::unix::fs::symlink("/absent", scratch.path().join("d/dangling")).unwrap();
        let top = File::open(scratch.path().join("d")).unwrap();
        let stat = rustix::fs::fstat(&top).unwrap();
        // To whom it belongs already: an unprivileged process may do that, and every entry is opened.
        give(top.as_fd(), stat.st_uid, stat.st_gid).unwrap();
        let link = open_entry(File::open(scratch.path().join("d/sub")).unwrap().as_fd(), c"link").unwrap();
        assert_eq!(FileType::from_raw_mode(rustix::fs::fstat(&link).unwrap().st_mode), FileType::Symlink);
    }
}
