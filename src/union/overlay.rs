//! The kernel's overlayfs inside the user namespace (kernel 5.11), as a mount that is attached nowhere.
//!
//! The mount is made with mount(2) on a directory of the container and then taken as a detached clone: that works the
//! same on every kernel, while fsconfig(2) learned overlay's layer lists only in 6.7 and limits a string to 256 bytes.
//! Layers are named as `/proc/self/fd/N`: 127 of them fit the page that mount(2) passes, and a container that reads its
//! mount table learns nothing of the host's paths.

use std::ffi::CString;
use std::fmt::Write;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::mount::{MoveMountFlags, OpenTreeFlags};

use super::Union;
use crate::base::{Error, Kind, Result, ResultExt, failpoint, text};

/// The most layers overlayfs stacks (OVL_MAX_STACK is 500; a page of options holds fewer).
pub const MAX_LAYERS: usize = 200;

/// Mounts the union in this process's mount namespace and returns it detached: it ends with the last fd, or becomes
/// visible where a caller attaches it with move_mount(2).
///
/// Completes first what a power cut may have left unfinished in the upper.
pub fn mount_detached(union: &Union) -> Result<OwnedFd> {
    if union.layers.len() > MAX_LAYERS {
        return Err(too_many(union.layers.len()));
    }
    super::fuse::restore_upper(union)?;
    let lowers: Vec<File> = union.layers.iter().rev().map(|layer| open_dir(layer)).collect::<Result<_>>()?;
    mount_lowers(&union.container, union.volatile, &Upper::open(&union.container)?, &lowers)
}

/// A union whose changes go to directories of the user, `upper` and `work` on one file system. `place` is where it is mounted
/// for a moment.
pub fn mount_with(layers: &[PathBuf], place: &Path, upper: &Path, work: &Path) -> Result<OwnedFd> {
    let lowers: Vec<File> = layers.iter().rev().map(|layer| open_dir(layer)).collect::<Result<_>>()?;
    let open = |path: &Path| std::fs::canonicalize(path).at(path, "cannot find").and_then(|path| open_dir(&path));
    mount_lowers(place, false, &Upper { upper: open(upper)?, work: open(work)? }, &lowers)
}

/// Layers united without a place for changes: nobody can write to them. `place` is an empty directory where it is mounted for
/// a moment, and the lowest layer: overlayfs wants two where there is no upper.
pub fn mount_read_only(layers: &[PathBuf], place: &Path) -> Result<OwnedFd> {
    if layers.len() >= MAX_LAYERS {
        return Err(too_many(layers.len()));
    }
    let lowers: Vec<File> =
        layers.iter().rev().map(PathBuf::as_path).chain([place]).map(open_dir).collect::<Result<_>>()?;
    mount_options(place, String::from("userxattr"), &lowers)
}

/// The file or directory `subpath` of a mount that is attached nowhere, as a mount of its own. Links of the mount lead
/// nowhere else. `place` is a directory where it is attached for a moment: only then do kernels before 6.15 make a part of it.
pub fn part_of(mount: OwnedFd, place: &Path, subpath: &str) -> Result<OwnedFd> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    rustix::mount::move_mount(&mount, "", CWD, place, flags).at(place, "cannot attach a mount at")?;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let part =
        rustix::fs::openat2(&mount, subpath, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve).and_then(|part| {
            let clone =
                OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
            rustix::mount::open_tree(&part, "", clone)
        });
    let unmounted = umount2(place, MntFlags::MNT_DETACH).at(place, "cannot unmount");
    let part = part.context(|| format!("cannot open `{}` in it", text::clean(subpath)))?;
    unmounted.map(|()| part)
}

/// The directories for changes.
struct Upper {
    upper: File,
    work: File,
}

impl Upper {
    fn open(container: &Path) -> Result<Self> {
        Ok(Self { upper: open_dir(&container.join("upper"))?, work: open_dir(&container.join("work"))? })
    }
}

fn mount_lowers(place: &Path, volatile: bool, upper: &Upper, lowers: &[File]) -> Result<OwnedFd> {
    let mut options = String::from("userxattr,");
    if volatile {
        options.push_str("volatile,");
    }
    // Writing to a String cannot fail.
    let _ = write!(options, "upperdir={},workdir={}", fd_path(&upper.upper), fd_path(&upper.work));
    mount_options(place, options, lowers)
}

fn too_many(layers: usize) -> Error {
    Error::unsupported(format!("the image has {layers} layers, an overlay takes at most {MAX_LAYERS}"))
}

/// `lowers`: the highest first.
fn mount_options(place: &Path, mut options: String, lowers: &[File]) -> Result<OwnedFd> {
    for (i, lower) in lowers.iter().enumerate() {
        let _ = write!(options, "{}{}", if i == 0 { ",lowerdir=" } else { ":" }, fd_path(lower));
    }
    mount(Some("overlay"), place, Some("overlay"), MsFlags::empty(), Some(options.as_str()))
        .map_err(|errno| refused(errno, place))?;
    failpoint::here("overlay.mounted")?;
    let path = CString::new(place.as_os_str().as_encoded_bytes())
        .map_err(|_| Error::usage(format!("`{}` holds a zero byte", place.display())))?;
    let detached = rustix::mount::open_tree(
        CWD,
        path.as_c_str(),
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC,
    );
    let unmounted = umount2(place, MntFlags::MNT_DETACH);
    let detached = detached.at(place, "cannot take the union mounted at")?;
    unmounted.at(place, "cannot unmount")?;
    Ok(detached)
}

fn open_dir(path: &Path) -> Result<File> {
    File::options()
        .read(true)
        .custom_flags(libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC | libc::O_NOFOLLOW)
        .open(path)
        .at(path, "cannot open the layer")
}

fn fd_path(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

fn refused(errno: Errno, place: &Path) -> Error {
    let error = Error::new(Kind::System, format!("cannot mount the union at `{}`", place.display()))
        .caused_by(std::io::Error::from(errno));
    match errno {
        Errno::EPERM => error.hint("overlay mounts in user namespaces need Linux 5.11; `coracle doctor` checks it"),
        Errno::EINVAL | Errno::EOPNOTSUPP => error.hint(
            "the file system of the data directory may not carry an overlay (NFS, eCryptfs, another overlay): set XDG_DATA_HOME to a local one; `coracle doctor` checks it",
        ),
        Errno::ENODEV => error.hint("this kernel has no overlayfs: sudo modprobe overlay"),
        _ => error,
    }
}
