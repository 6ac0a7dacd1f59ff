//! The container's root as a process in it sees it: the only place of `runtime` where a path is resolved that an image, a
//! volume or a running container decides.
//!
//! Every look-up is one of [`BeneathDir`]: it stays below the root, and it refuses magic links of procfs, which would
//! lead to the descriptors of the calling process. The result is a descriptor, and only that is used: fchdir(2),
//! move_mount(2) with empty paths. `tests/tidy.rs` refuses system calls on path strings elsewhere in this room.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use rustix::fs::{FileType, FsWord, Mode, OFlags, PROC_SUPER_MAGIC, ResolveFlags};
use rustix::mount::MoveMountFlags;

use crate::sys::beneath::{BeneathDir, Leaf};

/// `SYSFS_MAGIC` of linux/magic.h.
const SYSFS_MAGIC: FsWord = 0x6265_6572;
/// `DEVPTS_SUPER_MAGIC` of linux/magic.h.
const DEVPTS_SUPER_MAGIC: FsWord = 0x1cd1;

/// The files of `/proc` over which a container may have others: what lxcfs shows in their place, and runc allows
/// (opencontainers/runc, libcontainer/rootfs_linux.go, `checkProcMount`).
const PROC_FILES: &[&str] = &[
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/slabinfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
];

/// The directories that the kernel makes in sysfs for other file systems to be mounted on (`sysfs_create_mount_point`).
const SYS_PLACES: &[&str] = &[
    "/sys/fs/bpf",
    "/sys/fs/cgroup",
    "/sys/fs/fuse/connections",
    "/sys/fs/pstore",
    "/sys/fs/selinux",
    "/sys/firmware/efi/efivars",
    "/sys/kernel/config",
    "/sys/kernel/debug",
    "/sys/kernel/security",
    "/sys/kernel/tracing",
];

/// The root directory of the calling process, which is the container's.
#[derive(Debug)]
pub(super) struct Rootfs {
    root: BeneathDir,
}

/// What decides whether a mount may go to its target.
#[derive(Debug, Clone, Copy)]
pub(super) struct MountPoint<'a> {
    /// Absolute path in the container.
    pub target: &'a str,
    /// Whether the root of the mount is a directory.
    pub directory: bool,
    /// `f_type` of the mount's file system (statfs(2)).
    pub source: FsWord,
}

impl Rootfs {
    /// The caller must be inside the container: after pivot_root(2) or setns(2).
    pub(super) fn current() -> io::Result<Self> {
        Ok(Self { root: BeneathDir::current_root()? })
    }

    /// The root of a mount that is attached to a place which is not the root of this process yet.
    pub(super) fn of(mount: BorrowedFd<'_>) -> io::Result<Self> {
        Ok(Self { root: BeneathDir::from_borrowed(mount)? })
    }

    /// A directory of the host that is the supervisor's own: the place where hooks see the container's files.
    pub(super) fn directory(&self, path: &CStr) -> io::Result<OwnedFd> {
        self.root.open_at(path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())
    }

    /// The descriptor of the root itself.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// A directory right below the root that gets one of the kernel's file systems. It is made when it is missing. A
    /// symbolic link is refused (`ELOOP`): an image could otherwise move `/proc` to where its volumes change it
    /// (CVE-2023-27561). Anything else that is not a directory: `ENOTDIR`.
    pub(super) fn kernel_directory(&self, name: &CStr) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let open = || rustix::fs::openat2(&self.root, name, flags, Mode::empty(), resolve);
        match open() {
            Err(rustix::io::Errno::NOENT) => {}
            result => return Ok(result?),
        }
        rustix::fs::mkdirat(&self.root, name, Mode::from_raw_mode(0o755))?;
        Ok(open()?)
    }

    /// The place for a mount that the user or the image asks for; made when it is missing. A final symbolic link is
    /// followed, as docker does: the dangling `/etc/resolv.conf -> ../run/…` of an image gets its target.
    ///
    /// In procfs and sysfs only known places are accepted (`EXDEV` otherwise): a mount there could make the kernel's own
    /// files lie to the next process that coracle adds to the container (CVE-2025-52881).
    pub(super) fn mount_point(&self, wanted: MountPoint<'_>) -> io::Result<OwnedFd> {
        let leaf = if wanted.directory { Leaf::Directory } else { Leaf::File };
        let place = self.root.make(wanted.target.as_bytes(), leaf)?;
        let is_directory = FileType::from_raw_mode(rustix::fs::fstat(&place)?.st_mode) == FileType::Directory;
        if is_directory != wanted.directory {
            return Err(if wanted.directory { Errno::ENOTDIR } else { Errno::EISDIR }.into());
        }
        match allows(rustix::fs::fstatfs(&place)?.f_type, wanted) {
            true => Ok(place),
            false => Err(Errno::EXDEV.into()),
        }
    }

    /// The permissions of a directory of the container, if there is one at `path`.
    pub(super) fn mode_of(&self, path: &str) -> Option<u32> {
        let directory = self.root.open_at(path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).ok()?;
        rustix::fs::fstat(&directory).ok().map(|stat| stat.st_mode & 0o7777)
    }

    /// Makes `path` the working directory; made first when it is missing and `make` says so.
    ///
    /// The kernel is asked where that is: a directory that cannot be reached from this root is `ENOENT`, whatever led
    /// to it (CVE-2024-21626).
    pub(super) fn enter_directory(&self, path: &str, make: bool) -> io::Result<()> {
        let directory = match make {
            true => self.root.make(path.as_bytes(), Leaf::Directory)?,
            false => self.root.open_at(path, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?,
        };
        nix::unistd::fchdir(&directory)?;
        match rustix::process::getcwd(Vec::new()) {
            // "(unreachable)/…", see getcwd(3).
            Ok(here) if !here.as_bytes().starts_with(b"/") => {
                nix::unistd::fchdir(&self.root)?;
                Err(Errno::ENOENT.into())
            }
            result => Ok(result.map(drop)?),
        }
    }

    /// The devpts of the container. Something else at its place is refused with `ENODEV`.
    pub(super) fn devpts(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
        let directory = rustix::fs::openat2(&self.root, c"dev/pts", flags, Mode::empty(), resolve)?;
        match rustix::fs::fstatfs(&directory)?.f_type {
            DEVPTS_SUPER_MAGIC => Ok(directory),
            _ => Err(Errno::ENODEV.into()),
        }
    }
}

/// Whether a mount may go to a place on a file system of the type `at`. A place below `/proc` or `/sys` that something is
/// mounted on already, a mask for example, counts as one of procfs or sysfs.
fn allows(at: FsWord, MountPoint { target, source, .. }: MountPoint<'_>) -> bool {
    let is_below = |top: &str| target.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let at = match at {
        _ if is_below("/proc") => PROC_SUPER_MAGIC,
        _ if is_below("/sys") => SYSFS_MAGIC,
        at => at,
    };
    match at {
        PROC_SUPER_MAGIC => PROC_FILES.contains(&target) || (target == "/proc" && source == PROC_SUPER_MAGIC),
        // Parts of the host's sysfs may be shown at any place of the container's.
        SYSFS_MAGIC => SYS_PLACES.contains(&target) || source == SYSFS_MAGIC,
        _ => true,
    }
}

/// Attaches a detached mount on top of what `place` is.
pub(super) fn attach(mount: BorrowedFd<'_>, place: BorrowedFd<'_>) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(rustix::mount::move_mount(mount, c"", place, c"", flags)?)
}

/// Opens `path` (`O_PATH`) on a kernel file system of which `mount` is the root. No symbolic link is followed.
pub(super) fn open_on(mount: BorrowedFd<'_>, path: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    Ok(rustix::fs::openat2(mount, path, flags, Mode::empty(), resolve)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_file_systems_take_mounts_at_known_places_only() {
        let allowed = |at, target, source| allows(at, MountPoint { target, directory: true, source });
        let (ext4, proc, sys) = (0xef53, PROC_SUPER_MAGIC, SYSFS_MAGIC);
        assert!(allowed(ext4, "/process/x", ext4) && !allowed(ext4, "/proc/keys", ext4));
        assert!(allowed(proc, "/proc/uptime", ext4) && allowed(proc, "/proc", proc));
        for target in ["/proc", "/proc/sys", "/proc/self/attr/exec", "/data", "/proc/uptime/"] {
            assert!(!allowed(proc, target, ext4), "{target}");
        }
        assert!(!allowed(proc, "/proc/sys", proc));
        assert!(
            allowed(sys, "/sys/kernel/debug", ext4)
                && allowed(sys, "/sys/class/gpio", sys)
                && allowed(sys, "/sys", sys)
        );
        assert!(!allowed(sys, "/sys/firmware", ext4) && !allowed(sys, "/data", ext4) && !allowed(sys, "/sys", ext4));
    }
}
