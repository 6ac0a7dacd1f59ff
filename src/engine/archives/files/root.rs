//! The root of a container as a descriptor, for a worker in the user's outer namespace.

use std::fs::{self, File};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns, unshare};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::mount::{MoveMountFlags, OpenTreeFlags};

use crate::base::process::ProcessIdentity;
use crate::base::{ContainerId, Error, Result, ResultExt};
use crate::engine::{Engine, create};
use crate::oci::Digest;
use crate::spec::idmap::IdMap;
use crate::spec::storage::MountSource;
use crate::state::{ContainerConfig, ContainerGuard, Containers, Volumes};
use crate::sys::beneath::{BeneathDir, Leaf};
use crate::union::{Union, fuse, mountpoints, overlay};

/// Whether mounts are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// The container's own files alone.
    Own,
    /// Also what is mounted in it: of a container that does not run, its volumes and directories of the host.
    Mounted,
}

const READ_ONLY: u64 = rustix::mount::MountAttrFlags::MOUNT_ATTR_RDONLY.bits() as u64;

/// The root of a container.
pub(super) struct Root {
    /// The directory.
    pub(super) fd: OwnedFd,
    /// The container's ids to those that are seen here; empty where they are the same.
    pub(super) owners: (IdMap, IdMap),
    /// The container cannot be started while this is held.
    _guard: Option<ContainerGuard>,
}

impl Root {
    /// Opens the root of a container. The caller is in the outer namespace, with a mount namespace of its own.
    pub(super) fn open(engine: &Engine, id: &ContainerId, view: View) -> Result<Self> {
        let containers = engine.containers();
        let config = containers.config(id)?;
        match running(&containers, id)? {
            Some(init) => of_process(&init, view).context(|| format!("cannot reach the files of `{}`", config.name)),
            None => {
                let guard = hold(&containers, id, &config)?;
                let mut root = mounted(engine, &config, view)
                    .context(|| format!("cannot mount the files of the container `{}`", config.name))?;
                root._guard = Some(guard);
                Ok(root)
            }
        }
    }

    /// The directory as the root of look-ups.
    pub(super) fn beneath(&self) -> Result<BeneathDir> {
        BeneathDir::from_borrowed(self.fd.as_fd()).context(|| "cannot keep the container's root open")
    }
}

/// The container's pid 1, if it lives.
pub(super) fn running(containers: &Containers, id: &ContainerId) -> Result<Option<ProcessIdentity>> {
    Ok(containers.state(id)?.and_then(|state| state.init).filter(ProcessIdentity::is_alive))
}

/// Keeps a container that does not run from being started.
pub(super) fn hold(containers: &Containers, id: &ContainerId, config: &ContainerConfig) -> Result<ContainerGuard> {
    containers.guard(id)?.ok_or_else(|| {
        Error::conflict(format!("container `{}` is just being started, restarted or removed", config.name))
            .hint("try again in a moment, or stop it first")
    })
}

/// The union of a container, with the trees of its layers.
pub(super) fn union(engine: &Engine, config: &ContainerConfig) -> Result<Union> {
    let digests = config.image.layers.iter().map(|layer| layer.parse()).collect::<Result<Vec<Digest>>>()?;
    let mut layers = vec![mountpoints::layer(&engine.paths.data)?];
    layers.extend(create::layer_trees(&engine.store()?, &digests, &format!("container `{}`", config.name))?);
    Ok(Union { layers, container: engine.paths.container(&config.id), volatile: config.lifecycle.remove })
}

/// Completes what a power cut may have left unfinished in the upper directory of a container that is held.
pub(super) fn complete(union: &Union) -> Result<()> {
    fuse::restore_upper(union)
}

/// The root of a living process. A process that takes over its number is noticed.
fn of_process(init: &ProcessIdentity, view: View) -> Result<Root> {
    let process = format!("/proc/{}", init.pid);
    let failed = || "it has just ended";
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let process = rustix::fs::open(&process, flags, Mode::empty()).context(failed)?;
    if !init.is_alive() {
        return Err(Error::conflict(failed()));
    }
    let open = |name: &str, flags| rustix::fs::openat(&process, name, flags | OFlags::CLOEXEC, Mode::empty());
    let owners = match same_namespace(&process)? {
        true => Default::default(),
        false => {
            let map = |name| -> Result<IdMap> {
                let file = File::from(open(name, OFlags::RDONLY).context(failed)?);
                let text = std::io::read_to_string(file).context(failed)?;
                let map = IdMap::parse(&text);
                // Where ids are the same, there is nothing to translate.
                Ok(if map.extents.iter().all(|run| run.inside == run.outside) { IdMap::default() } else { map })
            };
            (map("uid_map")?, map("gid_map")?)
        }
    };
    let fd = match view {
        View::Mounted => open("root", flags).context(failed)?,
        View::Own => own_mount(open("ns/mnt", OFlags::RDONLY).context(failed)?.as_fd())?,
    };
    Ok(Root { fd, owners, _guard: None })
}

/// Whether a process has our user namespace.
fn same_namespace(process: &OwnedFd) -> Result<bool> {
    let theirs =
        rustix::fs::statat(process, "ns/user", rustix::fs::AtFlags::empty()).context(|| "it has just ended")?;
    let ours = fs::metadata("/proc/self/ns/user").context(|| "cannot examine our user namespace")?;
    Ok((theirs.st_dev, theirs.st_ino) == (ours.dev(), ours.ino()))
}

/// A copy of the root mount of a mount namespace, without what is mounted below it. Only a process in that namespace may
/// make one (open_tree(2)): this thread goes there and back, and looks at nothing on the way.
fn own_mount(namespace: BorrowedFd<'_>) -> Result<OwnedFd> {
    let failed = || "cannot enter its mount namespace";
    let back = File::open("/proc/self/ns/mnt").context(|| "cannot keep our mount namespace")?;
    unshare(CloneFlags::CLONE_FS).context(failed)?;
    setns(namespace, CloneFlags::CLONE_NEWNS).context(failed)?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let mount = rustix::mount::open_tree(CWD, "/", flags);
    setns(&back, CloneFlags::CLONE_NEWNS).context(|| "cannot go back to our mount namespace")?;
    mount.context(|| "cannot take its root file system")
}

/// The union of a container that does not run, mounted over its directory in this mount namespace. The kernel's driver
/// mounts what either has written.
fn mounted(engine: &Engine, config: &ContainerConfig, view: View) -> Result<Root> {
    let union = union(engine, config)?;
    let mount = overlay::mount_detached(&Union { volatile: false, ..union })?;
    if view == View::Mounted {
        let place = engine.paths.container(&config.id);
        attach(&mount, &BeneathDir::open(&place).at(&place, "cannot open")?.as_fd())?;
        let root = BeneathDir::from_borrowed(mount.as_fd()).context(|| "cannot keep the union open")?;
        volumes(engine, config, &root)?;
        if config.storage.read_only {
            let read_only = crate::sys::mount::MountAttr { set: READ_ONLY, ..Default::default() };
            crate::sys::mount::set_attributes(mount.as_fd(), c"", false, &read_only)
                .context(|| "cannot make the files read-only")?;
        }
    }
    Ok(Root { fd: mount, owners: Default::default(), _guard: None })
}

pub(super) fn attach(mount: &impl AsFd, place: &impl AsFd) -> Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(mount, "", place, "", flags).context(|| "cannot attach the files")
}

/// The source of a mount, or the place `subpath` below it: whoever writes to the source cannot lead that elsewhere.
fn open_source(source: &Path, subpath: Option<&str>) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let whole = rustix::fs::open(source, flags, Mode::empty())?;
    match subpath {
        None => Ok(whole),
        Some(subpath) => {
            let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
            rustix::fs::openat2(&whole, subpath, flags, Mode::empty(), resolve)
        }
    }
}

/// Mounts the volumes of the record and the directories of the host, in the order in which a start mounts them. One whose
/// source is gone is left out: only a start would need it. One whose changes end with each run (`O`) can be read.
fn volumes(engine: &Engine, config: &ContainerConfig, root: &BeneathDir) -> Result<()> {
    let known = Volumes::new(&engine.paths);
    let mut mounts: Vec<_> = config.storage.mounts.iter().collect();
    mounts.sort_by_key(|mount| mount.target.matches('/').count());
    for mount in mounts {
        let (source, recursive): (PathBuf, bool) = match &mount.source {
            MountSource::Bind { path } => (path.clone(), !mount.non_recursive),
            MountSource::Volume { name, .. } => match known.place_of(name) {
                Ok(directory) => (directory.path, false),
                Err(_) => continue,
            },
            MountSource::Tmpfs { .. }
            | MountSource::Ramfs { .. }
            | MountSource::Devpts { .. }
            | MountSource::Image { .. } => continue,
        };
        let failed = || format!("cannot mount `{}`", mount.target);
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let flags = if recursive { flags | OpenTreeFlags::AT_RECURSIVE } else { flags };
        let Ok(place) = open_source(&source, mount.options.subpath.as_deref()) else { continue };
        let tree = rustix::mount::open_tree(&place, "", flags | OpenTreeFlags::AT_EMPTY_PATH).context(failed)?;
        if mount.read_only || mount.options.overlay.is_some() {
            let read_only = crate::sys::mount::MountAttr { set: READ_ONLY, ..Default::default() };
            crate::sys::mount::set_attributes(tree.as_fd(), c"", recursive, &read_only).context(failed)?;
        }
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&place).context(failed)?.st_mode);
        let leaf = if kind == FileType::Directory { Leaf::Directory } else { Leaf::File };
        let place = root.make(mount.target.as_bytes(), leaf).context(failed)?;
        attach(&tree, &place).context(failed)?;
    }
    Ok(())
}
