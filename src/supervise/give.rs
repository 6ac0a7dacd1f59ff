//! The mount option `U`: what is mounted belongs to the container's user.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};

use super::ids::ContainerIds;
use super::unions::Unions;
use crate::base::id::Name;
use crate::base::{Error, Result, ResultExt};
use crate::runtime::ownership;
use crate::runtime::user::Identity;
use crate::spec::container::ContainerConfig;
use crate::spec::storage::MountSource;
use crate::spec::volume::Directory;

/// The mount option `U`: gives what is mounted to the container's user, at every start. The directories that `data` is in,
/// coracle's own, are refused.
pub(super) fn give(
    config: &ContainerConfig,
    user: &Identity,
    ids: &ContainerIds,
    volumes: &BTreeMap<Name, Directory>,
    unions: &Unions,
    data: &Path,
) -> Result<()> {
    let wanted = config.storage.mounts.iter().filter(|mount| mount.options.chown);
    for mount in wanted {
        let failed = || format!("cannot give `{}` to the container's user", crate::base::text::clean(&mount.target));
        let path = match &mount.source {
            MountSource::Bind { path } => path.as_path(),
            MountSource::Volume { name, .. } => volumes.get(name).map_or(Path::new(""), |volume| &volume.path),
            // Made for its user.
            _ => continue,
        };
        let (uid, gid) = ids.uids.to_outside(user.uid).zip(ids.gids.to_outside(user.gid)).ok_or_else(|| {
            Error::unsupported(format!("{}: you have no ids for {}:{}", failed(), user.uid, user.gid))
        })?;
        if let Some(union) = unions.mounts.get(&mount.target) {
            ownership::give(union.as_fd(), uid, gid).context(failed)?;
            continue;
        }
        let top = open(path, mount.options.subpath.as_deref(), data).context(failed)?;
        ownership::give(top.as_fd(), uid, gid).context(failed)?;
    }
    Ok(())
}

/// Opens what is given away: `path` is the user's, `subpath` below it may be a container's. The system's
/// directories and those that `data` is in are refused.
fn open(path: &Path, subpath: Option<&str>, data: &Path) -> Result<OwnedFd> {
    let path = fs::canonicalize(path).at(path, "cannot find")?;
    if ownership::is_kept(&path, data) {
        return Err(ownership::keeps(&path));
    }
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let top =
        rustix::fs::openat2(CWD, &path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS).at(&path, "cannot open")?;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    match subpath {
        None => Ok(top),
        Some(subpath) => {
            rustix::fs::openat2(&top, subpath, flags, Mode::empty(), resolve).at(&path, "cannot open a part of")
        }
    }
}
