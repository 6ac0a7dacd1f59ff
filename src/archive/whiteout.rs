//! Whiteouts and opaque directories as overlayfs reads them with the `userxattr` option
//! (Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories").
//!
//! * A whiteout is a character device 0:0, which every user namespace may make since kernel 5.8. Where the file system
//!   or a seccomp filter refuses, it is an empty file with `user.overlay.whiteout` in a directory with
//!   `user.overlay.opaque=x` (read by kernel 6.7 and later, "Nesting overlayfs mounts").
//! * An opaque directory has `user.overlay.opaque=y`. It holds no whiteouts: there is nothing for them to hide, and
//!   overlayfs would list them.
//! * A directory with whiteouts has an empty `user.overlay.origin`: overlayfs then filters its listing also where no
//!   lower layer has the directory. Else such whiteouts, which some build tools leave, show up as names without files.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, XattrFlags};
use rustix::io::Errno;

use super::entries::shown;
use crate::base::{Result, ResultExt};

const OPAQUE: &str = "user.overlay.opaque";
const WHITEOUT: &str = "user.overlay.whiteout";
const ORIGIN: &str = "user.overlay.origin";

/// Makes the whiteout `base` in `directory`, where nothing has this name.
pub fn make(directory: BorrowedFd<'_>, base: &[u8]) -> Result<()> {
    let failed = || format!("cannot make the whiteout `{}`", shown(base));
    if is_opaque(directory) {
        return Ok(());
    }
    rustix::fs::fsetxattr(directory, ORIGIN, b"", XattrFlags::empty()).context(failed)?;
    match rustix::fs::mknodat(directory, base, FileType::CharacterDevice, Mode::empty(), 0) {
        Err(Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP | Errno::NOSYS) => {
            rustix::fs::fsetxattr(directory, OPAQUE, b"x", XattrFlags::empty()).context(failed)?;
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
            let file = rustix::fs::openat(directory, base, flags, Mode::RUSR).context(failed)?;
            rustix::fs::fsetxattr(file, WHITEOUT, b"", XattrFlags::empty()).context(failed)
        }
        made => made.context(failed),
    }
}

/// Whether `base` in `directory`, of which `stat` tells, is a whiteout of either form.
pub fn is_whiteout(directory: BorrowedFd<'_>, base: &[u8], stat: &Stat) -> bool {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::CharacterDevice => stat.st_rdev == 0,
        FileType::RegularFile if stat.st_size == 0 => {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            rustix::fs::openat(directory, base, flags, Mode::empty())
                .is_ok_and(|file: OwnedFd| rustix::fs::fgetxattr(file, WHITEOUT, &mut [0u8; 1][..]).is_ok())
        }
        _ => false,
    }
}

/// Makes a directory hide what lower layers have in it.
pub fn make_opaque(directory: BorrowedFd<'_>) -> Result<()> {
    let failed = || "cannot mark a directory as opaque".to_owned();
    for entry in Dir::read_from(directory).context(failed)? {
        let entry = entry.context(failed)?;
        let base = entry.file_name().to_bytes();
        if matches!(base, b"." | b"..")
            || !matches!(entry.file_type(), FileType::CharacterDevice | FileType::RegularFile)
        {
            continue;
        }
        let stat = rustix::fs::statat(directory, base, AtFlags::SYMLINK_NOFOLLOW).context(failed)?;
        if is_whiteout(directory, base, &stat) {
            rustix::fs::unlinkat(directory, base, AtFlags::empty()).context(failed)?;
        }
    }
    rustix::fs::fsetxattr(directory, OPAQUE, b"y", XattrFlags::empty()).context(failed)
}

/// Whether a directory hides what lower layers have in it.
pub fn is_opaque(directory: impl AsFd) -> bool {
    let mut value = [0u8; 1];
    rustix::fs::fgetxattr(directory, OPAQUE, &mut value[..]).is_ok_and(|length| length == 1) && value == *b"y"
}
