//! From a container's record to what the runtime starts: mounts the union, looks the user up in it, fills new volumes,
//! and decides environment, capabilities and filter.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::ids::ContainerIds;
use super::protocol::{Exec, Launch};
use crate::base::error::if_absent;
use crate::base::id::Name;
use crate::base::{Error, Paths, Result, ResultExt};
use crate::rootless::outer;
use crate::runtime::process::{DEFAULT_PATH, ProcessLimits, ProcessPlan, SeccompFilter};
use crate::runtime::user::{self, Identity};
use crate::runtime::{populate, seccomp};
use crate::spec::capabilities::CapSet;
use crate::spec::cdi::Edits;
use crate::spec::container::ContainerConfig;
use crate::spec::process::Personality;
use crate::spec::security::Seccomp;
use crate::spec::storage::{MountSource, StorageDriver};
use crate::spec::variables::{merged, name};
use crate::spec::volume::Directory;
use crate::state::Volumes;
use crate::sys::process::Cloned;
use crate::union::Union;
use crate::union::{fuse, mountpoints, overlay};

/// Mounts the container's root file system, attached nowhere yet; with the process that serves it, if one does.
/// `exe` is this program.
pub(super) fn mount_root(
    paths: &Paths,
    config: &ContainerConfig,
    launch: &Launch,
    ids: &ContainerIds,
    exe: &File,
) -> Result<(OwnedFd, Option<Cloned>)> {
    let mut layers = vec![mountpoints::layer(&paths.data)?];
    layers.extend(launch.layers.iter().cloned());
    let union = Union { layers, container: paths.container(&config.id), volatile: config.lifecycle.remove };
    match config.storage.driver {
        StorageDriver::Overlay => Ok((overlay::mount_detached(&union)?, None)),
        StorageDriver::Fuse => {
            let options = fuse::Options { owners: owners(config, ids), size: config.storage.size };
            let (mount, server) = fuse::mount_with(&union, &options, exe)?;
            Ok((mount, Some(server)))
        }
    }
}

/// Lets a container that is to be removed be mounted again (`restart`): its changes are not synced, and overlayfs refuses
/// such a union a second time because of what a crash of the machine may have left (`volatile`,
/// Documentation/filesystems/overlayfs.rst). After one of those nobody starts it any more.
pub(super) fn forget_volatile(container: &Path, config: &ContainerConfig) -> Result<()> {
    if config.lifecycle.remove && config.storage.driver == StorageDriver::Overlay {
        let mark = container.join("work/work/incompat/volatile");
        if_absent(fs::remove_dir_all(&mark)).at(&mark, "cannot remove")?;
    }
    Ok(())
}

/// The owners that the container's files are shown with, when its ids are not those on disk.
pub(super) fn owners(config: &ContainerConfig, ids: &ContainerIds) -> fuse::Owners {
    match config.namespaces.user.shifts() {
        true => fuse::Owners { uids: ids.uids.clone(), gids: ids.gids.clone() },
        false => fuse::Owners::default(),
    }
}

/// Where the files of the container's volumes are.
pub(super) fn volumes(paths: &Paths, config: &ContainerConfig) -> Result<BTreeMap<Name, Directory>> {
    let known = Volumes::new(paths);
    let names = config.storage.mounts.iter().filter_map(|mount| match &mount.source {
        MountSource::Volume { name, .. } => Some(name),
        _ => None,
    });
    names.map(|name| Ok((name.clone(), known.place_of(name)?))).collect()
}

/// Copies what the image has at the places of new, empty volumes into them, but not into directories of the host. Such a volume belongs to the container's root
/// if the image has nothing there and the container could not use it otherwise.
pub(super) fn fill_volumes(
    volumes: &BTreeMap<Name, Directory>,
    config: &ContainerConfig,
    ids: &ContainerIds,
    root: BorrowedFd<'_>,
) -> Result<()> {
    for mount in &config.storage.mounts {
        // A part of a volume, and a volume that is only looked at through an overlay, stay as they are.
        let as_it_is = mount.options.subpath.is_some() || mount.options.overlay.is_some();
        if let MountSource::Volume { name, no_copy: false, .. } = &mount.source
            && !as_it_is
        {
            let Some(directory) = volumes.get(name).filter(|volume| volume.ours) else { continue };
            let volume = &directory.path;
            let is_empty = fs::read_dir(volume).at(volume, "cannot list")?.next().is_none();
            if config.namespaces.user.shifts() {
                populate::own(volume, ids.root(), |uid| ids.uids.to_inside(uid).is_some())
                    .context(|| format!("cannot give the volume `{name}` to the container"))?;
            }
            populate::fill(root, &mount.target, volume)
                .context(|| format!("cannot fill the volume `{name}` from the image"))?;
            if let (Some((uid, gid)), true) = (directory.owner, is_empty) {
                let outside = ids.uids.to_outside(uid).zip(ids.gids.to_outside(gid));
                let (uid, gid) = outside.ok_or_else(|| {
                    Error::unsupported(format!("you have no ids for {uid}:{gid}, to whom the volume `{name}` belongs"))
                })?;
                std::os::unix::fs::chown(volume, Some(uid), Some(gid)).at(volume, "cannot set the owner of")?;
            }
        }
    }
    Ok(())
}

/// The main process. `secrets` are variables.
pub(super) fn main_process(
    config: &ContainerConfig,
    secrets: &[String],
    root: BorrowedFd<'_>,
    limits: ProcessLimits,
    edits: &Edits,
) -> Result<ProcessPlan> {
    let argv = config.process.argv();
    if argv.is_empty() {
        return Err(Error::usage("no command: the image names none and none was given"));
    }
    let identity = with_groups(look_up(root, &config.identity.user, &config.identity.groups)?, edits);
    let capabilities = config.security.capabilities;
    Ok(ProcessPlan {
        argv,
        env: environment(config, &identity, &merged(edits.env.iter().cloned(), secrets), config.process.tty),
        cwd: config.process.cwd.clone(),
        make_cwd: true,
        identity,
        keep_groups: keeps_groups(config),
        capabilities: capabilities.bits(),
        no_new_privileges: config.security.no_new_privileges,
        seccomp: filter(&config.security.seccomp, config.security.privileged, capabilities)?,
        limits,
        umask: config.process.umask,
        personality: config.process.personality.map(Personality::number),
        ..ProcessPlan::default()
    })
}

/// A process of `exec`. `secrets` are variables.
pub(super) fn added_process(
    config: &ContainerConfig,
    secrets: &[String],
    exec: &Exec,
    root: BorrowedFd<'_>,
    limits: ProcessLimits,
    edits: &Edits,
) -> Result<ProcessPlan> {
    if exec.argv.is_empty() {
        return Err(Error::usage("no command to run"));
    }
    let user = exec.user.as_deref().unwrap_or(&config.identity.user);
    let identity = with_groups(look_up(root, user, &config.identity.groups)?, edits);
    let capabilities = if exec.privileged { CapSet::ALL } else { config.security.capabilities };
    let unconfined = exec.privileged || config.security.privileged;
    let more = merged(merged(edits.env.iter().cloned(), secrets), &exec.env);
    Ok(ProcessPlan {
        argv: exec.argv.clone(),
        env: environment(config, &identity, &more, exec.terminal.is_some()),
        cwd: exec.cwd.clone().unwrap_or_else(|| config.process.cwd.clone()),
        make_cwd: false,
        identity,
        keep_groups: keeps_groups(config),
        capabilities: capabilities.bits(),
        no_new_privileges: config.security.no_new_privileges && !exec.privileged,
        seccomp: filter(&config.security.seccomp, unconfined, capabilities)?,
        limits,
        umask: config.process.umask,
        personality: config.process.personality.map(Personality::number),
        ..ProcessPlan::default()
    })
}

/// With the groups that devices of vendors bring.
fn with_groups(mut identity: Identity, edits: &Edits) -> Identity {
    let more: Vec<u32> = edits.groups.iter().copied().filter(|group| !identity.groups.contains(group)).collect();
    identity.groups.extend(more);
    identity
}

/// Whether the processes of a container have the groups that the user has on the host: if they must, if that was asked for,
/// or if one of them is what gives the user access to a device of the container. A group that is not in the user's map can
/// only be kept, together with all others; so groups that were asked for by name come first.
fn keeps_groups(config: &ContainerConfig) -> bool {
    outer::groups_are_fixed()
        || config.identity.keep_groups
        || (config.identity.groups.is_empty()
            && config.security.devices.iter().any(|device| opens_by_group(&device.host)))
}

/// Whether this process may use a device because of a supplementary group alone that is not in its map.
fn opens_by_group(device: &Path) -> bool {
    use rustix::fs::{Access, AtFlags};
    let Ok(stat) = rustix::fs::stat(device) else { return false };
    let (mode, is_foreign) = (Mode::from_raw_mode(stat.st_mode), stat.st_gid == OVERFLOW);
    let others = mode.contains(Mode::ROTH | Mode::WOTH);
    let group = mode.intersects(Mode::RGRP | Mode::WGRP);
    let wanted = if mode.contains(Mode::WGRP) { Access::READ_OK | Access::WRITE_OK } else { Access::READ_OK };
    let may = rustix::fs::accessat(rustix::fs::CWD, device, wanted, AtFlags::EACCESS).is_ok();
    group && !others && is_foreign && stat.st_uid != 0 && may
}

/// What an id that is not in the map of a namespace is shown as (user_namespaces(7)).
const OVERFLOW: u32 = 65534;

fn filter(wanted: &Seccomp, privileged: bool, capabilities: CapSet) -> Result<Option<SeccompFilter>> {
    let profile = match wanted {
        _ if privileged => return Ok(None),
        Seccomp::Unconfined => return Ok(None),
        Seccomp::Default => seccomp::Profile::default_profile(),
        Seccomp::Profile(text) => seccomp::Profile::parse(text.as_bytes())?,
    };
    let program = seccomp::compile(&profile, capabilities)?;
    Ok(Some(SeccompFilter { program, flags: profile.flags }))
}

/// The image's and the user's variables, then those docker adds when they are missing.
fn environment(config: &ContainerConfig, identity: &Identity, more: &[String], terminal: bool) -> Vec<String> {
    let mut env = merged(config.process.env.iter().cloned(), more);
    for (key, value) in [
        ("PATH", Some(DEFAULT_PATH)),
        ("HOSTNAME", Some(config.identity.hostname.as_str())),
        ("TERM", terminal.then_some("xterm")),
        ("HOME", Some(identity.home.as_str())),
    ] {
        if let Some(value) = value
            && !env.iter().any(|pair| name(pair) == key)
        {
            env.push(format!("{key}={value}"));
        }
    }
    env
}

/// The user `spec` of the container, with further groups.
fn look_up(root: BorrowedFd<'_>, spec: &str, groups: &[String]) -> Result<Identity> {
    let group = read_inside(root, "etc/group")?;
    let mut identity = user::resolve(spec, &read_inside(root, "etc/passwd")?, &group)?;
    user::add_groups(&mut identity, groups, &group)?;
    Ok(identity)
}

/// A small text file of the container; empty when it is absent or not a file. Nothing in the container can lead the path
/// out of it.
fn read_inside(root: BorrowedFd<'_>, path: &str) -> Result<String> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let Ok(file) = rustix::fs::openat2(root, path, flags, Mode::empty(), resolve) else { return Ok(String::new()) };
    let file = File::from(file);
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Ok(String::new());
    }
    let mut bytes = Vec::new();
    file.take(user::MAX_FILE).read_to_end(&mut bytes).context(|| format!("cannot read the container's `/{path}`"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The container's root as an fd for [`added_process`]: through pid 1, with all its mounts.
pub(super) fn root_of(pid: i32) -> Result<OwnedFd> {
    let path = format!("/proc/{pid}/root");
    let file = File::open(&path).context(|| format!("cannot open `{path}`"))?;
    file.as_fd().try_clone_to_owned().context(|| format!("cannot open `{path}`"))
}
