//! The kernel's file systems of a container, `/proc`, `/sys` and `/dev`: made, attached, filled and masked.
//!
//! # Theory of operation
//!
//! They are made as detached mounts, attached to the fresh root, and masked at once, before any volume of the image or
//! mount of the user is attached. From the first step on they are reached only by the descriptors that fsmount(2) gave,
//! never by a path through the root: an image that replaces `/proc` or `/dev/null` by a link changes nothing here
//! (CVE-2025-31133, CVE-2025-52565).
//!
//! A masked file is covered by the container's own `/dev/null`, which the parent has verified by its device number.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags};

use super::rootfs::{Rootfs, attach, open_on};
use crate::sys::mount::{MountAttr, set_attributes};

/// File systems and places by index, for messages.
pub const KERNEL_FS: [(&str, &str); 7] = [
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("tmpfs", "/dev"),
    ("devpts", "/dev/pts"),
    ("tmpfs", "/dev/shm"),
    ("mqueue", "/dev/mqueue"),
    ("binfmt_misc", "/proc/sys/fs/binfmt_misc"),
];
const PROC: u16 = 0;
const SYS: u16 = 1;
const DEV: u16 = 2;
const DEVPTS: u16 = 3;
const SHM: u16 = 4;
const MQUEUE: u16 = 5;
/// Of [`KERNEL_FS`].
pub(super) const BINFMT: u16 = 6;

/// An index of [`KERNEL_FS`] and why it failed.
pub(super) type Failure = (u16, io::Error);

/// `/sys`, detached, of a network namespace that others own.
#[derive(Debug)]
pub enum SharedSys {
    /// The host's own, with what is mounted below it.
    Host(OwnedFd),
    /// One for that namespace, with nothing below it.
    Fresh(OwnedFd),
}

/// Paths to hide or protect, relative to the root of their file system.
#[derive(Debug, Default)]
pub struct Masks {
    /// Hidden behind an empty file or directory: in procfs, in sysfs.
    pub hidden: [Vec<CString>; 2],
    /// Made read-only: in procfs, in sysfs.
    pub read_only: [Vec<CString>; 2],
}

impl Masks {
    /// Sorts absolute paths below `/proc` and `/sys` by their file system. Others are refused with `EINVAL`.
    pub fn new(hidden: &[String], read_only: &[String]) -> io::Result<Self> {
        let sort = |paths: &[String]| -> io::Result<[Vec<CString>; 2]> {
            let mut sorted = [Vec::new(), Vec::new()];
            for path in paths {
                let (at, rest) = match (path.strip_prefix("/proc/"), path.strip_prefix("/sys/")) {
                    (Some(rest), _) => (0, rest),
                    (_, Some(rest)) => (1, rest),
                    _ => return Err(Errno::EINVAL.into()),
                };
                sorted[at].push(CString::new(rest).map_err(|_| Errno::EINVAL)?);
            }
            Ok(sorted)
        };
        Ok(Self { hidden: sort(hidden)?, read_only: sort(read_only)? })
    }
}

/// Options of a file system for fsconfig(2).
pub type FsOptions = Vec<(CString, CString)>;

/// What is not the same for every container.
#[derive(Debug)]
pub struct KernelFsOptions {
    /// `size=` of `/dev/shm`.
    pub shm_size: CString,
    /// `/sys` and the cgroups are writable.
    pub privileged: bool,
    /// Of `/proc`.
    pub proc: FsOptions,
    /// `MOUNT_ATTR_*` of `/proc`, as bits.
    pub proc_attributes: u32,
    /// Of `/dev/pts`, instead of the usual ones.
    pub pts: Option<FsOptions>,
    /// What registers an emulator.
    pub emulator: Option<String>,
}

fn borrowed(options: &FsOptions) -> Vec<(&CStr, &CStr)> {
    options.iter().map(|(name, value)| (name.as_c_str(), value.as_c_str())).collect()
}

/// The file systems, made and attached nowhere yet.
#[derive(Debug)]
pub(super) struct Detached {
    proc: OwnedFd,
    /// All of procfs, when the container's own may show less.
    full_proc: Option<OwnedFd>,
    sys: OwnedFd,
    cgroup: Option<OwnedFd>,
    dev: OwnedFd,
    pts: OwnedFd,
    shm: OwnedFd,
    mqueue: OwnedFd,
    binfmt: Option<OwnedFd>,
}

impl Detached {
    /// Makes them.
    ///
    /// The kernel gives a user namespace a proc and a sysfs only while whole ones are visible (`mount_too_revealing` in
    /// fs/namespace.c), so this comes before the host's `/proc` is left behind.
    pub(super) fn make(
        options: &KernelFsOptions,
        shared_sys: Option<SharedSys>,
        cgroups: Cgroups,
    ) -> Result<Self, Failure> {
        use MountAttrFlags as A;
        let strict = A::MOUNT_ATTR_NOSUID | A::MOUNT_ATTR_NODEV | A::MOUNT_ATTR_NOEXEC;
        let at = |index: u16| move |error: io::Error| (index, error);
        let proc_attributes = A::from_bits_retain(options.proc_attributes);
        let proc = make(c"proc", proc_attributes, &borrowed(&options.proc)).map_err(at(PROC))?;
        let full_proc = match options.proc.is_empty() {
            true => None,
            false => Some(make(c"proc", strict, &[]).map_err(at(PROC))?),
        };
        let (sys, has_cgroup) = match (make(c"sysfs", sys_attributes(options.privileged), &[]), shared_sys) {
            (Ok(sys), _) => (sys, false),
            // In a network namespace of others a sysfs may not be mounted.
            (Err(_), Some(SharedSys::Host(sys))) => (sys, true),
            (Err(_), Some(SharedSys::Fresh(sys))) => (sys, false),
            (Err(error), None) => return Err((SYS, error)),
        };
        // Not every machine has cgroup v2, and not every container tool above us allows it: without it, no limits show.
        let cgroup = match cgroups {
            Cgroups::Host(mount) => Some(mount),
            // The host's `/sys` has the host's control groups in it, and is read-only.
            Cgroups::Own { .. } if has_cgroup => None,
            Cgroups::Own { writable } => make_cgroup(writable),
        };
        let dev = make(c"tmpfs", A::MOUNT_ATTR_NOSUID, &[(c"mode", c"755"), (c"size", c"65536k")]).map_err(at(DEV))?;
        let pts = make_pts(options.pts.as_ref()).map_err(at(DEVPTS))?;
        let shm =
            make(c"tmpfs", strict, &[(c"mode", c"1777"), (c"size", options.shm_size.as_c_str())]).map_err(at(SHM))?;
        let mqueue = make(c"mqueue", strict, &[]).map_err(at(MQUEUE))?;
        let binfmt = options.emulator.as_deref().map(register).transpose().map_err(at(BINFMT))?;
        Ok(Self { proc, full_proc, sys, cgroup, dev, pts, shm, mqueue, binfmt })
    }

    /// Attaches them to the container's root.
    pub(super) fn attach(self, root: &Rootfs) -> Result<KernelFs, Failure> {
        let at = |index: u16| move |error: io::Error| (index, error);
        for (index, name, mount) in [(PROC, c"proc", &self.proc), (SYS, c"sys", &self.sys), (DEV, c"dev", &self.dev)] {
            let place = root.kernel_directory(name).map_err(at(index))?;
            attach(mount.as_fd(), place.as_fd()).map_err(at(index))?;
        }
        if let Some(binfmt) = &self.binfmt {
            let place = open_on(self.proc.as_fd(), c"sys/fs/binfmt_misc");
            place.and_then(|place| attach(binfmt.as_fd(), place.as_fd())).map_err(at(BINFMT))?;
        }
        if let Some(cgroup) = &self.cgroup {
            // The place exists in every sysfs of a kernel with cgroups.
            let _ = open_on(self.sys.as_fd(), c"fs/cgroup").and_then(|place| attach(cgroup.as_fd(), place.as_fd()));
        }
        for (index, name, mount) in
            [(DEVPTS, c"pts", &self.pts), (SHM, c"shm", &self.shm), (MQUEUE, c"mqueue", &self.mqueue)]
        {
            let placed = || -> io::Result<()> {
                rustix::fs::mkdirat(&self.dev, name, Mode::from_raw_mode(0o755))?;
                attach(mount.as_fd(), open_on(self.dev.as_fd(), name)?.as_fd())
            };
            placed().map_err(at(index))?;
        }
        Ok(KernelFs { proc: self.proc, full_proc: self.full_proc, sys: self.sys, dev: self.dev, pts: self.pts })
    }
}

/// A binfmt_misc with one handler, for reading from now on. It is gone with its last mount.
fn register(line: &str) -> io::Result<OwnedFd> {
    use MountAttrFlags as A;
    let strict = A::MOUNT_ATTR_NOSUID | A::MOUNT_ATTR_NODEV | A::MOUNT_ATTR_NOEXEC;
    let mount = make(c"binfmt_misc", strict, &[])?;
    let (flags, resolve) = (OFlags::WRONLY | OFlags::CLOEXEC, ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS);
    let register = rustix::fs::openat2(&mount, c"register", flags, Mode::empty(), resolve)?;
    rustix::io::write(&register, line.as_bytes())?;
    drop(register);
    protect(mount.as_fd(), A::MOUNT_ATTR_RDONLY, false)?;
    Ok(mount)
}

/// The container's terminals.
fn make_pts(options: Option<&FsOptions>) -> io::Result<OwnedFd> {
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    if let Some(options) = options {
        // A ptmx that nobody may open is the kernel's default, and of no use.
        let mut options = borrowed(options);
        if !options.iter().any(|(name, _)| *name == c"ptmxmode") {
            options.push((c"ptmxmode", c"0666"));
        }
        return make(c"devpts", attributes, &options);
    }
    let usual = [(c"newinstance", c""), (c"ptmxmode", c"0666"), (c"mode", c"0620"), (c"gid", c"5")];
    match make(c"devpts", attributes, &usual) {
        // Without group 5 in the map, terminals belong to the user's own group.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => make(c"devpts", attributes, &usual[..3]),
        made => made,
    }
}

/// The control groups that a container sees.
#[derive(Debug)]
pub(super) enum Cgroups {
    /// The host's: this mount of them.
    Host(OwnedFd),
    /// Those from its own downwards.
    Own {
        /// It may make groups and settings there.
        writable: bool,
    },
}

/// cgroup v2. Symbolic links in it are not followed (kernel 5.14): a container that may write there could otherwise lead
/// a manager on the host astray.
fn make_cgroup(writable: bool) -> Option<OwnedFd> {
    let attributes = sys_attributes(writable);
    make(c"cgroup2", attributes | MountAttrFlags::MOUNT_ATTR_NOSYMFOLLOW, &[])
        .or_else(|_| make(c"cgroup2", attributes, &[]))
        .ok()
}

/// How `/sys` is mounted.
pub fn sys_attributes(privileged: bool) -> MountAttrFlags {
    use MountAttrFlags as A;
    let strict = A::MOUNT_ATTR_NOSUID | A::MOUNT_ATTR_NODEV | A::MOUNT_ATTR_NOEXEC;
    if privileged { strict } else { strict | A::MOUNT_ATTR_RDONLY }
}

/// fsopen(2) to fsmount(2).
pub fn make(kind: &CStr, attributes: MountAttrFlags, options: &[(&CStr, &CStr)]) -> io::Result<OwnedFd> {
    let context = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    // What the first column of a mount table shows.
    rustix::mount::fsconfig_set_string(context.as_fd(), c"source", kind)?;
    for (name, value) in options {
        match value.is_empty() {
            true => rustix::mount::fsconfig_set_flag(context.as_fd(), *name)?,
            false => rustix::mount::fsconfig_set_string(context.as_fd(), *name, *value)?,
        }
    }
    rustix::mount::fsconfig_create(context.as_fd())?;
    Ok(rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

/// The file systems, attached. The descriptors are those of the mounts' roots.
#[derive(Debug)]
pub(super) struct KernelFs {
    proc: OwnedFd,
    full_proc: Option<OwnedFd>,
    sys: OwnedFd,
    dev: OwnedFd,
    pts: OwnedFd,
}

impl KernelFs {
    /// Fills `/dev`: the given devices by name, each a detached mount, and the usual links. Returns `/dev/null`.
    pub(super) fn fill_dev(&self, devices: Vec<(CString, OwnedFd)>) -> io::Result<OwnedFd> {
        let mut null = None;
        for (name, device) in devices {
            attach(device.as_fd(), self.new_device(&name)?.as_fd())?;
            if name.as_c_str() == c"null" {
                null = Some(device);
            }
        }
        for (target, link) in [
            (c"/proc/self/fd", c"fd"),
            (c"/proc/self/fd/0", c"stdin"),
            (c"/proc/self/fd/1", c"stdout"),
            (c"/proc/self/fd/2", c"stderr"),
            (c"/proc/kcore", c"core"),
            (c"pts/ptmx", c"ptmx"),
        ] {
            rustix::fs::symlinkat(target, &self.dev, link)?;
        }
        null.ok_or_else(|| Errno::ENODEV.into())
    }

    /// Shows the terminal of `slave` as `/dev/console`, as docker does.
    pub(super) fn show_console(&self, slave: BorrowedFd<'_>) -> io::Result<()> {
        attach(clone_mount(slave, false)?.as_fd(), self.new_device(c"console")?.as_fd())
    }

    fn new_device(&self, name: &CStr) -> io::Result<OwnedFd> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.dev, name, flags, Mode::from_raw_mode(0o644))?)
    }

    /// The root of the devpts.
    pub(super) fn pts(&self) -> BorrowedFd<'_> {
        self.pts.as_fd()
    }

    /// `/proc/sys`, which stays writable through this descriptor when it is masked.
    pub(super) fn settings(&self) -> io::Result<OwnedFd> {
        open_on(self.full_proc.as_ref().unwrap_or(&self.proc).as_fd(), c"sys")
    }

    /// Hides and protects the kernel's files. Absent ones need no mask.
    pub(super) fn mask(&self, masks: &Masks, null: BorrowedFd<'_>) -> io::Result<()> {
        mask_one(self.proc.as_fd(), &masks.hidden[0], &masks.read_only[0], null)?;
        mask_one(self.sys.as_fd(), &masks.hidden[1], &masks.read_only[1], null)
    }
}

/// Masks the procfs or sysfs of the host that was mounted over the container's own.
pub(super) fn mask_replacement(
    target: &str,
    mount: BorrowedFd<'_>,
    masks: &Masks,
    null: BorrowedFd<'_>,
) -> io::Result<()> {
    match target {
        "/proc" => mask_one(mount, &masks.hidden[0], &masks.read_only[0], null),
        "/sys" => mask_one(mount, &masks.hidden[1], &masks.read_only[1], null),
        _ => Ok(()),
    }
}

fn mask_one(mount: BorrowedFd<'_>, hidden: &[CString], read_only: &[CString], null: BorrowedFd<'_>) -> io::Result<()> {
    use MountAttrFlags as A;
    let protected = A::MOUNT_ATTR_RDONLY | A::MOUNT_ATTR_NOSUID | A::MOUNT_ATTR_NODEV | A::MOUNT_ATTR_NOEXEC;
    for path in hidden {
        let Some(place) = open_if_present(mount, path)? else { continue };
        let cover = match FileType::from_raw_mode(rustix::fs::fstat(&place)?.st_mode) {
            FileType::Directory => make(c"tmpfs", protected, &[(c"nr_inodes", c"1")])?,
            _ => {
                let cover = clone_mount(null, false)?;
                protect(cover.as_fd(), protected.difference(A::MOUNT_ATTR_NODEV), false)?;
                cover
            }
        };
        attach(cover.as_fd(), place.as_fd())?;
    }
    for path in read_only {
        if let Some(place) = open_if_present(mount, path)? {
            let cover = clone_mount(place.as_fd(), true)?;
            protect(cover.as_fd(), A::MOUNT_ATTR_RDONLY, true)?;
            attach(cover.as_fd(), place.as_fd())?;
        }
    }
    Ok(())
}

fn protect(mount: BorrowedFd<'_>, attributes: MountAttrFlags, recursive: bool) -> io::Result<()> {
    let attr = MountAttr { set: u64::from(attributes.bits()), ..MountAttr::default() };
    set_attributes(mount, c"", recursive, &attr)
}

/// A detached clone of the mount at `fd`, from there on.
fn clone_mount(fd: BorrowedFd<'_>, recursive: bool) -> io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    Ok(rustix::mount::open_tree(fd, c"", flags)?)
}

fn open_if_present(mount: BorrowedFd<'_>, path: &CStr) -> io::Result<Option<OwnedFd>> {
    match open_on(mount, path) {
        Ok(place) => Ok(Some(place)),
        Err(error) => match error.raw_os_error() {
            Some(libc::ENOENT | libc::ENOTDIR | libc::EACCES) => Ok(None),
            _ => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(paths: &[&str]) -> Vec<String> {
        paths.iter().map(|path| (*path).to_owned()).collect()
    }

    #[test]
    fn masks_are_sorted_by_file_system() {
        let masks = Masks::new(&owned(&["/proc/keys", "/sys/firmware"]), &owned(&["/proc/sys"])).unwrap();
        assert_eq!(masks.hidden, [vec![c"keys".to_owned()], vec![c"firmware".to_owned()]]);
        assert_eq!(masks.read_only, [vec![c"sys".to_owned()], vec![]]);
        assert!(Masks::new(&owned(&["/etc/passwd"]), &owned(&[])).is_err());
    }
}
