//! The secrets of a container that are files: each lies in a file system of its own in memory that is never swapped out
//! (ramfs), and is mounted for reading. Nothing of them reaches the container's writable layer.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Gid, Mode, OFlags, Uid};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

use super::ids::ContainerIds;
use crate::base::{Error, Paths, Result, ResultExt, failpoint, text};
use crate::spec::container::ContainerConfig;
use crate::spec::secret::{Exposure, SecretUse, Value};
use crate::state::secrets;
use crate::union::overlay;

/// The only file of such a file system.
const FILE: &str = "secret";

/// The files, attached nowhere, by their places in the container.
pub(super) fn mounts(paths: &Paths, config: &ContainerConfig, ids: &ContainerIds) -> Result<BTreeMap<String, OwnedFd>> {
    let mut mounts = BTreeMap::new();
    for used in &config.secrets {
        if let Exposure::Mount { target, .. } = &used.exposure {
            let value = secrets::of_container(paths, &config.id, used)?;
            let mount = mount(used, &value, ids, &paths.container(&config.id).join("work"))
                .context(|| format!("cannot mount the secret `{}`", text::clean(&used.name)))?;
            failpoint::here("supervisor.secret.mounted")?;
            mounts.insert(target.clone(), mount);
        }
    }
    Ok(mounts)
}

/// One file. `place` is a directory where it is attached for a moment.
fn mount(used: &SecretUse, value: &Value, ids: &ContainerIds, place: &Path) -> Result<OwnedFd> {
    let Exposure::Mount { uid, gid, mode, .. } = used.exposure else { return Err(Error::system("it is no file")) };
    let (owner, group) = ids.uids.to_outside(uid).zip(ids.gids.to_outside(gid)).ok_or_else(|| {
        Error::unsupported(format!("you have no ids for its owner {uid}:{gid}"))
            .hint("`uid=` and `gid=` of --secret name the owner; `coracle doctor` shows which ids you have")
    })?;
    let context =
        rustix::mount::fsopen(c"ramfs", FsOpenFlags::FSOPEN_CLOEXEC).context(|| "cannot make a file system")?;
    rustix::mount::fsconfig_set_string(context.as_fd(), c"mode", c"0700").context(|| "cannot make a file system")?;
    rustix::mount::fsconfig_create(context.as_fd()).context(|| "cannot make a file system")?;
    let attributes =
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let whole = rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
        .context(|| "cannot make a file system")?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file =
        rustix::fs::openat(&whole, FILE, flags, Mode::from_raw_mode(0o600)).context(|| "cannot make its file")?;
    let mut file = File::from(file);
    file.write_all(value.bytes()).context(|| "cannot write its file")?;
    rustix::fs::fchown(&file, Some(Uid::from_raw(owner)), Some(Gid::from_raw(group)))
        .context(|| "cannot set the owner of its file")?;
    // After the owner: a change of that takes set-user-id bits away.
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode)).context(|| "cannot set the mode of its file")?;
    overlay::part_of(whole, place, FILE)
}
