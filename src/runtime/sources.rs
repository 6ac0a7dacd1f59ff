//! What a container's mounts are made of: detached clones of what is mounted on the host, adapted to what was asked for.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::mount::{MountAttrFlags, OpenTreeFlags};

use super::child::PreparedMount;
use super::plan::{MountPlan, MountPlanSource};
use super::userns::namespace_of;
use crate::base::{Error, Kind, Result, ResultExt, text};
use crate::spec::idmap::IdMap;
use crate::spec::mount_options::Propagation;
use crate::sys::mount::{MountAttr, set_attributes};

/// A detached clone of what is mounted at `path` on the host, with attributes set on all of it.
pub(super) fn detach(path: &Path, recursive: bool, attributes: u64) -> Result<OwnedFd> {
    let mount = clone_of(path, recursive)?;
    let attr = MountAttr { set: attributes, propagation: libc::MS_PRIVATE, ..MountAttr::default() };
    set_attributes(mount.as_fd(), c"", recursive, &attr).at(path, "cannot set mount attributes of")?;
    Ok(mount)
}

/// A detached clone of what is mounted at `path`, which is the user's.
fn clone_of(path: &Path, recursive: bool) -> Result<OwnedFd> {
    let name = CString::new(path.as_os_str().as_encoded_bytes())
        .map_err(|_| Error::usage(format!("`{}` holds a zero byte", path.display())))?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | tree(recursive);
    rustix::mount::open_tree(CWD, name.as_c_str(), flags).map_err(|errno| not_mounted(path, recursive, errno))
}

/// The same of the place `subpath` below the directory `path`: whoever writes to that directory cannot lead it elsewhere.
fn clone_below(path: &Path, subpath: &str, recursive: bool) -> Result<OwnedFd> {
    let whole = path.join(subpath);
    let directory = rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .at(path, "cannot open")?;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let place = rustix::fs::openat2(&directory, subpath, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve)
        .map_err(|errno| {
            let error = Error::system(format!("cannot mount `{}`", text::clean(&whole.to_string_lossy())))
                .caused_by(io::Error::from(errno));
            match errno {
                rustix::io::Errno::NOENT => {
                    error.with_kind(Kind::NotFound).hint("a subpath must exist in the volume before it is mounted")
                }
                rustix::io::Errno::XDEV => error.hint("it leads out of the volume"),
                _ => error,
            }
        })?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    rustix::mount::open_tree(&place, c"", flags | tree(recursive))
        .map_err(|errno| not_mounted(&whole, recursive, errno))
}

fn tree(recursive: bool) -> OpenTreeFlags {
    if recursive { OpenTreeFlags::AT_RECURSIVE } else { OpenTreeFlags::empty() }
}

fn not_mounted(path: &Path, recursive: bool, errno: rustix::io::Errno) -> Error {
    let error = Error::system(format!("cannot mount `{}`", path.display())).caused_by(io::Error::from(errno));
    match errno {
        rustix::io::Errno::NOENT => error.with_kind(Kind::NotFound).hint("this path must exist on the host"),
        rustix::io::Errno::INVAL if !recursive => error.hint(
            "other file systems are mounted below it, which an ordinary user may not leave out: use a recursive bind",
        ),
        _ => error,
    }
}

/// Sets what a mount of existing files is given.
fn adapt(mount: BorrowedFd<'_>, plan: &MountPlan, recursive: bool) -> Result<()> {
    use Propagation as P;
    let (set, clear) = plan.attributes;
    let failed = || format!("cannot set the mount options of `{}`", text::clean(&plan.target));
    let read_only = if plan.read_only { u64::from(MountAttrFlags::MOUNT_ATTR_RDONLY.bits()) } else { 0 };
    // Nothing of the container ever travels to our own namespace.
    let first = if plan.propagation == P::Rprivate { libc::MS_PRIVATE } else { libc::MS_SLAVE };
    let attr = MountAttr { set: read_only, propagation: first, ..MountAttr::default() };
    set_attributes(mount, c"", recursive, &attr).context(failed)?;
    let second = match plan.propagation {
        P::Rprivate | P::Rslave | P::Slave => None,
        P::Private => Some((libc::MS_PRIVATE, false)),
        P::Shared => Some((libc::MS_SHARED, false)),
        P::Rshared => Some((libc::MS_SHARED, recursive)),
    };
    if let Some((propagation, recursive)) = second {
        set_attributes(mount, c"", recursive, &MountAttr { propagation, ..MountAttr::default() }).context(failed)?;
    }
    if (set, clear) != (0, 0) {
        let attr = MountAttr { set: set.into(), clear: clear.into(), ..MountAttr::default() };
        set_attributes(mount, c"", recursive, &attr).map_err(|error| {
            let error = Error::system(failed()).caused_by(error);
            match clear {
                0 => error,
                _ => error.hint("the host's mount has such an option itself, and an ordinary user may not lift it"),
            }
        })?;
    }
    match &plan.idmap {
        None => Ok(()),
        Some(maps) => map_ids(mount, maps).context(failed),
    }
}

/// Shows the owners of a mount through a map. The kernel allows it to whoever has power over the file system.
fn map_ids(mount: BorrowedFd<'_>, maps: &(IdMap, IdMap)) -> Result<()> {
    let namespace = namespace_of(maps)?;
    let attr = MountAttr {
        set: u64::from(MountAttrFlags::MOUNT_ATTR_IDMAP.bits()),
        userns_fd: namespace.as_raw_fd().unsigned_abs().into(),
        ..MountAttr::default()
    };
    set_attributes(mount, c"", false, &attr).map_err(|error| match error.raw_os_error() {
        Some(libc::EPERM) => Error::unsupported("the kernel lets only root of the machine map the ids of this file system (`idmap`)")
            .hint("--userns=keep-id shows your own files as yours, and the option `U` gives the files to the container's user"),
        Some(libc::EINVAL | libc::EOPNOTSUPP) => {
            Error::unsupported("this file system cannot be mounted with mapped ids (`idmap`)").caused_by(error)
        }
        _ => Error::system("cannot map the ids").caused_by(error),
    })
}

/// Opens what a mount of the plan needs. `made` are the mounts that were made before, by target.
pub(super) fn prepare_mount(plan: &MountPlan, made: &mut BTreeMap<String, OwnedFd>) -> Result<PreparedMount> {
    let c =
        |text: &str| CString::new(text).map_err(|_| Error::usage(format!("`{}` holds a zero byte", text::clean(text))));
    let target = c(&plan.target).map(|_| plan.target.clone())?;
    let (mount, recursive) = match &plan.source {
        MountPlanSource::Bind { path, recursive, subpath: None } => (clone_of(path, *recursive)?, *recursive),
        MountPlanSource::Bind { path, recursive, subpath: Some(subpath) } => {
            (clone_below(path, subpath, *recursive)?, *recursive)
        }
        MountPlanSource::Made => {
            let missing = || Error::system(format!("nothing was made for `{}`", text::clean(&plan.target)));
            (made.remove(&plan.target).ok_or_else(missing)?, false)
        }
        MountPlanSource::New { kind, options, attributes, copy_up } => {
            let read_only = if plan.read_only { MountAttrFlags::MOUNT_ATTR_RDONLY.bits() } else { 0 };
            return Ok(PreparedMount::New {
                kind: *kind,
                options: c_pairs(options)?,
                attributes: attributes | read_only,
                copy_up: *copy_up,
                target,
            });
        }
    };
    adapt(mount.as_fd(), plan, recursive)?;
    let failed = || format!("cannot examine what is to be mounted at `{}`", text::clean(&plan.target));
    let stat = rustix::fs::fstat(&mount).context(failed)?;
    let directory = rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Directory;
    let kind = rustix::fs::fstatfs(&mount).context(failed)?.f_type;
    Ok(PreparedMount::Detached { mount, directory, kind, target })
}

/// Options for fsconfig(2).
pub(super) fn c_pairs(options: &[(String, String)]) -> Result<Vec<(CString, CString)>> {
    let c =
        |text: &str| CString::new(text).map_err(|_| Error::usage(format!("`{}` holds a zero byte", text::clean(text))));
    options.iter().map(|(name, value)| Ok((c(name)?, c(value)?))).collect()
}
