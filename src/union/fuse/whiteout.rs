//! Whiteouts: creating and recognising them, and replacing files by them atomically.
//!
//! They are those of overlayfs with `userxattr` (Documentation/filesystems/overlayfs.rst): a character device 0:0, or,
//! if devices cannot be made, an empty file with `user.overlay.whiteout` in a directory with `user.overlay.opaque=x`.
//! All whiteouts of a mount are links of one inode in the work directory, so each costs one system call.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, Stat, XattrFlags};
use rustix::io::Errno;

use super::layer::LayerDir;
use super::primitives::{Res, lock};

const MARK: &str = "user.overlay.whiteout";

/// The directory for unfinished files, on the file system of the upper. Emptied at each start.
pub(super) struct WorkDir {
    fd: OwnedFd,
    serial: AtomicU64,
    /// The whiteout to link; replaced at the link limit of the file system.
    whiteout: Mutex<Option<String>>,
    /// Whether whiteouts are attributes instead of devices.
    marked: bool,
}

impl AsFd for WorkDir {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl WorkDir {
    /// Tests which whiteouts this file system can hold.
    pub fn new(fd: OwnedFd) -> Res<Self> {
        let probe = rustix::fs::mknodat(&fd, "probe", FileType::CharacterDevice, Mode::empty(), 0);
        let marked = match probe {
            Ok(()) => {
                rustix::fs::unlinkat(&fd, "probe", AtFlags::empty())?;
                false
            }
            Err(Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP | Errno::NOSYS) => true,
            Err(errno) => return Err(errno),
        };
        Ok(Self { fd, serial: AtomicU64::new(0), whiteout: Mutex::new(None), marked })
    }

    /// Whether whiteouts are attributes of empty files here.
    pub fn marks(&self) -> bool {
        self.marked
    }

    /// A name that is unused in the work directory.
    pub fn fresh_name(&self) -> String {
        format!("{:x}", self.serial.fetch_add(1, Ordering::Relaxed))
    }

    /// Makes a whiteout at `name`, where the upper has no file.
    pub fn whiteout(&self, upper: &LayerDir, name: &OsStr) -> Res<()> {
        self.prepare(upper)?;
        self.link_whiteout(upper, name)
    }

    /// Replaces `name`, which is not a directory, by a whiteout atomically: a crash cannot reveal what it hides.
    pub fn whiteout_over(&self, upper: &LayerDir, name: &OsStr) -> Res<()> {
        self.prepare(upper)?;
        let temporary = self.fresh_name();
        self.link_whiteout(&self.fd, OsStr::new(&temporary))?;
        rustix::fs::renameat(&self.fd, &temporary, upper, name).inspect_err(|_| self.discard(&temporary))
    }

    /// Replaces the directory `name` by a whiteout, and moves it to the work directory.
    pub fn whiteout_over_directory(&self, upper: &LayerDir, name: &OsStr) -> Res<()> {
        self.prepare(upper)?;
        let temporary = self.fresh_name();
        self.link_whiteout(&self.fd, OsStr::new(&temporary))?;
        rustix::fs::renameat_with(&self.fd, &temporary, upper, name, RenameFlags::EXCHANGE)
            .inspect_err(|_| self.discard(&temporary))?;
        self.discard_directory(&temporary);
        Ok(())
    }

    /// Makes an ordinary overlayfs recognise whiteouts in this directory.
    fn prepare(&self, upper: &LayerDir) -> Res<()> {
        match self.marked {
            true => upper.allow_marked_whiteouts(),
            false => Ok(()),
        }
    }

    fn link_whiteout(&self, directory: impl AsFd, name: &OsStr) -> Res<()> {
        let mut current = lock(&self.whiteout);
        for _ in 0..2 {
            let source = match current.take() {
                Some(source) => source,
                None => self.make_whiteout()?,
            };
            match rustix::fs::linkat(&self.fd, &source, &directory, name, AtFlags::empty()) {
                // At the link limit, or without hard links on this file system (then each whiteout is new).
                Err(Errno::MLINK) => self.discard(&source),
                Err(Errno::PERM | Errno::OPNOTSUPP) => {
                    return rustix::fs::renameat(&self.fd, &source, &directory, name);
                }
                linked => {
                    *current = Some(source);
                    return linked;
                }
            }
        }
        Err(Errno::MLINK)
    }

    fn make_whiteout(&self) -> Res<String> {
        let name = self.fresh_name();
        if self.marked {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
            let file = rustix::fs::openat(&self.fd, &name, flags, Mode::RUSR)?;
            rustix::fs::fsetxattr(file, MARK, b"", XattrFlags::empty())?;
        } else {
            rustix::fs::mknodat(&self.fd, &name, FileType::CharacterDevice, Mode::empty(), 0)?;
        }
        Ok(name)
    }

    /// Removes the leftover of a failed operation. It is invisible; if this fails, the next start removes it.
    pub fn discard(&self, name: &str) {
        let _ = rustix::fs::unlinkat(&self.fd, name, AtFlags::empty());
    }

    /// Removes a directory that has only whiteouts.
    pub fn discard_directory(&self, name: &str) {
        if let Ok(super::layer::Opened::Directory(directory, _)) = open_in(&self.fd, name) {
            let _ = remove_whiteouts(&directory);
        }
        let _ = rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR);
    }
}

fn open_in(fd: &OwnedFd, name: &str) -> Res<super::layer::Opened> {
    LayerDir::at(fd, OsStr::new(name))
}

/// Whether `name` in `directory`, with attributes `stat`, is a whiteout.
pub(super) fn is_whiteout(directory: &LayerDir, name: &OsStr, stat: &Stat) -> bool {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::CharacterDevice => stat.st_rdev == 0,
        FileType::RegularFile if stat.st_size == 0 && directory.has_marked_whiteouts() => {
            let path = super::layer::path_of(directory, name);
            rustix::fs::lgetxattr(path, MARK, &mut [0u8; 1][..]).is_ok()
        }
        _ => false,
    }
}

/// Whether the upper has a whiteout at `name`.
pub(super) fn whiteout_at(upper: &LayerDir, name: &OsStr) -> Res<bool> {
    match rustix::fs::statat(upper, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(is_whiteout(upper, name, &stat)),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Removes all whiteouts in a directory.
pub(super) fn remove_whiteouts(directory: &LayerDir) -> Res<()> {
    use std::os::unix::ffi::OsStrExt;
    for entry in rustix::fs::Dir::read_from(directory)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." && whiteout_at(directory, name)? {
            rustix::fs::unlinkat(directory, name, AtFlags::empty())?;
        }
    }
    Ok(())
}
