//! The unions among the mounts of a container: images (`--mount type=image`), and sources whose changes go elsewhere (`-v …:O`).
//!
//! What is written to them ends with the run. It goes to `mounts/N` in the container's directory, which is made anew for each
//! run; the directories of a user (`upperdir=`, `workdir=`) are the user's to keep.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::ids::ContainerIds;
use super::prepare::owners;
use super::protocol::Launch;
use crate::base::id::Name;
use crate::base::publish::{self, Durability};
use crate::base::{Error, Paths, Result, ResultExt, failpoint, text};
use crate::spec::container::ContainerConfig;
use crate::spec::storage::{Mount, MountSource, StorageDriver};
use crate::spec::volume::Directory;
use crate::sys::process::Cloned;
use crate::union::{Union, fuse, overlay};

/// The unions, and the processes that serve some of them.
#[derive(Debug, Default)]
pub(super) struct Unions {
    /// By target, attached nowhere.
    pub(super) mounts: BTreeMap<String, OwnedFd>,
    pub(super) servers: Vec<Cloned>,
}

/// Takes away what the unions of an earlier run have written. True when there was anything.
pub(super) fn discard(paths: &Paths, config: &ContainerConfig) -> Result<bool> {
    let directory = paths.container(&config.id).join(DIRECTORY);
    publish::discard(&directory, &paths.trash(), Durability::Volatile)
}

/// In the container's directory.
const DIRECTORY: &str = "mounts";

/// Makes them. `exe` is this program.
pub(super) fn make(
    paths: &Paths,
    config: &ContainerConfig,
    launch: &Launch,
    ids: &ContainerIds,
    volumes: &BTreeMap<Name, Directory>,
    exe: &File,
) -> Result<Unions> {
    let mut unions = Unions::default();
    let mut images = launch.images.iter();
    let wanted = config.storage.mounts.iter().enumerate();
    let wanted: Vec<_> = wanted.filter(|(_, mount)| is_union(mount)).collect();
    if wanted.is_empty() {
        return Ok(unions);
    }
    discard(paths, config)?;
    for (index, mount) in wanted {
        let place = paths.container(&config.id).join(DIRECTORY).join(index.to_string());
        let owners = match &mount.source {
            MountSource::Image { .. } => owners(config, ids),
            _ => fuse::Owners::default(),
        };
        let made = layers(mount, &mut images, volumes)
            .and_then(|layers| one(mount, config.storage.driver, Place { layers, place: &place, owners, exe }));
        let (made, server) = made.context(|| format!("cannot mount `{}`", text::clean(&mount.target)))?;
        failpoint::here("supervisor.union.mounted")?;
        unions.mounts.insert(mount.target.clone(), made);
        unions.servers.extend(server);
    }
    Ok(unions)
}

/// Whether a mount is made by this file.
fn is_union(mount: &Mount) -> bool {
    mount.options.overlay.is_some() || matches!(mount.source, MountSource::Image { .. })
}

/// The directories to unite, base first.
fn layers<'a>(
    mount: &Mount,
    images: &mut impl Iterator<Item = &'a Vec<PathBuf>>,
    volumes: &BTreeMap<Name, Directory>,
) -> Result<Vec<PathBuf>> {
    let source = match &mount.source {
        MountSource::Image { .. } => {
            return images.next().cloned().ok_or_else(|| Error::system("the layers of an image were not handed over"));
        }
        MountSource::Bind { path } => path.as_path(),
        MountSource::Volume { name, .. } => volumes.get(name).map_or(Path::new(""), |volume| &volume.path),
        _ => return Err(Error::usage("`O` does not go with this type of mount")),
    };
    // Of the user: links on the way to it count.
    let source = fs::canonicalize(source).at(source, "cannot find")?;
    match source.is_dir() {
        true => Ok(vec![source]),
        false => Err(Error::usage(format!("`{}` is not a directory", source.display()))
            .hint("the option `O` is for directories")),
    }
}

/// What a union is made of.
struct Place<'a> {
    layers: Vec<PathBuf>,
    /// A directory that is not there yet.
    place: &'a Path,
    owners: fuse::Owners,
    exe: &'a File,
}

fn one(mount: &Mount, driver: StorageDriver, of: Place<'_>) -> Result<(OwnedFd, Option<Cloned>)> {
    let Place { layers, place, owners, exe } = of;
    for name in ["upper", "work"] {
        let directory = place.join(name);
        fs::create_dir_all(&directory).at(&directory, "cannot create")?;
    }
    if let Some(top) = layers.last() {
        resemble(&place.join("upper"), top)?;
    }
    let kept = mount.options.overlay.as_ref().and_then(|overlay| overlay.kept.as_ref());
    let union = Union { layers, container: place.to_owned(), volatile: true };
    let (made, server) = match (kept, driver) {
        (Some((upper, work)), _) => (overlay::mount_with(&union.layers, place, upper, work)?, None),
        (None, StorageDriver::Overlay) => (overlay::mount_detached(&union)?, None),
        (None, StorageDriver::Fuse) => {
            let (made, server) = fuse::mount_with(&union, &fuse::Options { owners, size: None }, exe)?;
            (made, Some(server))
        }
    };
    let made = match &mount.options.subpath {
        None => made,
        Some(subpath) => overlay::part_of(made, place, subpath)?,
    };
    Ok((made, server))
}

/// Gives an upper directory the mode and, if we have such ids, the owner of what it covers: a union shows those of its top.
fn resemble(upper: &Path, lower: &Path) -> Result<()> {
    let metadata = fs::metadata(lower).at(lower, "cannot examine")?;
    let _ = std::os::unix::fs::chown(upper, Some(metadata.uid()), Some(metadata.gid()));
    fs::set_permissions(upper, fs::Permissions::from_mode(metadata.mode() & 0o7777)).at(upper, "cannot set the mode of")
}
