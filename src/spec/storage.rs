//! The files of a container: who unites its layers, what it may write, and what is mounted over them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::mount_options::MountOptions;
pub use super::mount_options::Propagation;
use super::units;
use crate::base::id::Name;
use crate::base::{Error, Result, ResultExt, text};
use crate::oci::config::{Defaults, from_root};

/// docker's default of `--shm-size`, in bytes.
const SHM_SIZE: u64 = 64 << 20;

/// The files of a container, with its mounts as decided ([`Mount`]) or as asked for ([`MountRequest`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Storage<M = Mount> {
    /// The driver that unites its layers. Both drivers read what the other one wrote.
    pub driver: StorageDriver,
    /// The most bytes its changes to the image may take.
    pub size: Option<u64>,
    /// Whether the root file system is mounted read-only.
    pub read_only: bool,
    /// Size of `/dev/shm` in bytes.
    pub shm_size: u64,
    /// Mounts beyond the standard ones, in the order in which they were given.
    pub mounts: Vec<M>,
}

/// The files as they were asked for. Anonymous volumes of the command line arrive with a generated name.
pub type StorageRequest = Storage<MountRequest>;

impl<M> Default for Storage<M> {
    fn default() -> Self {
        Self { driver: StorageDriver::default(), size: None, read_only: false, shm_size: SHM_SIZE, mounts: Vec::new() }
    }
}

impl StorageRequest {
    /// Decides. `other_owners`: the files of the image have other owners on disk than the container is to see.
    /// `volume_names` names the anonymous volumes of the image.
    pub fn resolve(
        &self,
        image: &Defaults,
        other_owners: bool,
        volume_names: &mut dyn FnMut() -> Result<Name>,
    ) -> Result<Storage> {
        Ok(Storage {
            driver: driver(self.driver, self.size, other_owners)?,
            size: self.size,
            read_only: self.read_only,
            shm_size: self.shm_size,
            mounts: mounts(&self.mounts, image, volume_names)?,
        })
    }
}

/// Only coracle's own union shows the files of an image with other owners than they have on disk.
fn driver(asked: StorageDriver, size: Option<u64>, other_owners: bool) -> Result<StorageDriver> {
    match (asked, other_owners, size) {
        (StorageDriver::Overlay, false, Some(_)) => {
            Err(Error::unsupported("the overlay storage driver cannot limit the size of a container's files")
                .hint("coracle's own driver can: --storage-driver fuse"))
        }
        (_, true, _) => Ok(StorageDriver::Fuse),
        (driver, false, _) => Ok(driver),
    }
}

fn mounts(
    asked: &[MountRequest],
    image: &Defaults,
    volume_names: &mut dyn FnMut() -> Result<Name>,
) -> Result<Vec<Mount>> {
    let mut mounts: Vec<Mount> = Vec::new();
    for asked in asked {
        let mount = Mount { target: normalise(&asked.mount.target)?, ..asked.mount.clone() };
        if mounts.iter().any(|other| other.target == mount.target) {
            return Err(Error::usage(format!("duplicate mount point: {}", text::clean(&mount.target))));
        }
        mounts.push(mount);
    }
    for target in &image.volumes {
        let target = normalise(target)?;
        if !mounts.iter().any(|other| other.target == target) {
            let source = MountSource::Volume { name: volume_names()?, anonymous: true, no_copy: false };
            mounts.push(Mount::plain(source, target));
        }
    }
    Ok(mounts)
}

/// An absolute path without `.`, `..` and doubled slashes, and not the root itself.
fn normalise(path: &str) -> Result<String> {
    let shown = text::clean(path);
    if !path.starts_with('/') {
        return Err(Error::usage(format!("invalid mount path `{shown}`: mount path must be absolute")));
    }
    let clean = from_root(path);
    match clean == "/" {
        true => Err(Error::usage(format!("invalid mount path `{shown}`: destination can't be `/`"))),
        false => Ok(clean),
    }
}

/// Which file system unites the layers of a container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StorageDriver {
    /// The kernel's overlayfs.
    #[default]
    Overlay,
    /// coracle's own, a process per running container.
    Fuse,
}

impl StorageDriver {
    /// Its name on the command line and in `inspect`.
    pub fn name(self) -> &'static str {
        match self {
            StorageDriver::Overlay => "overlay",
            StorageDriver::Fuse => "fuse",
        }
    }
}

impl FromStr for StorageDriver {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "overlay" | "overlay2" => Ok(StorageDriver::Overlay),
            "fuse" => Ok(StorageDriver::Fuse),
            other => Err(Error::usage(format!("unknown storage driver `{}`", text::clean(other)))
                .hint("`overlay` is the kernel's, `fuse` coracle's own")),
        }
    }
}

/// One mount that the user or the image asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Where it comes from.
    pub source: MountSource,
    /// Where it appears in the container, absolute and normalised.
    pub target: String,
    /// Mounted read-only.
    pub read_only: bool,
    /// How mounts made on either side later travel to the other.
    #[serde(default)]
    pub propagation: Propagation,
    /// For binds: without the mounts below the source.
    #[serde(default)]
    pub non_recursive: bool,
    /// What fewer mounts have.
    #[serde(default, flatten)]
    pub options: MountOptions,
}

impl Mount {
    /// One without options.
    pub fn plain(source: MountSource, target: String) -> Self {
        Self {
            source,
            target,
            read_only: false,
            propagation: Propagation::default(),
            non_recursive: false,
            options: MountOptions::default(),
        }
    }
}

/// The source of a [`Mount`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum MountSource {
    /// A file or directory of the host.
    Bind {
        /// Absolute path on the host.
        path: PathBuf,
    },
    /// A directory below [`crate::base::Paths::volumes`]; filled from the image when it is empty.
    Volume {
        /// The volume's name.
        name: Name,
        /// Made for this container alone: removed with `rm -v` and `--rm`.
        anonymous: bool,
        /// Left empty instead of being filled from the image (`volume-nocopy`).
        #[serde(default)]
        no_copy: bool,
    },
    /// Memory.
    Tmpfs {
        /// tmpfs(5) options such as `size=64m,mode=1777`, already validated.
        options: String,
        /// Mount flags by name: `noexec`, `nosuid`, `nodev`, `exec`, `suid`, `dev`.
        flags: Vec<String>,
    },
    /// Memory that is never swapped out and has no limit of its own.
    Ramfs {
        /// `mode=…`, or empty.
        options: String,
    },
    /// Pseudo-terminals of their own.
    Devpts {
        /// devpts options such as `mode=600,max=16`, already validated.
        options: String,
    },
    /// The files of an image. What is written to them ends with the run.
    Image {
        /// As it was asked for.
        name: String,
        /// Its id, once it was found.
        #[serde(default)]
        id: String,
        /// Diff ids of its layers, base first, once it was found.
        #[serde(default)]
        layers: Vec<String>,
    },
}

impl MountSource {
    /// The diff ids of the layers that are mounted.
    pub fn layers(&self) -> &[String] {
        match self {
            MountSource::Image { layers, .. } => layers,
            _ => &[],
        }
    }
}

/// A mount option, and what its short form leaves to the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountRequest {
    /// The mount.
    pub mount: Mount,
    /// `-v` makes a missing bind source as a directory, as docker does; `--mount` refuses it.
    pub create_source: bool,
    /// `volume-label=`, for a volume that is made now.
    pub volume_labels: BTreeMap<String, String>,
    /// `volume-opt=`, for a volume that is made now: the driver's options.
    pub volume_options: BTreeMap<String, String>,
}

impl MountRequest {
    /// One whose volume gets neither labels nor options.
    pub fn plain(mount: Mount, create_source: bool) -> Self {
        Self { mount, create_source, volume_labels: BTreeMap::new(), volume_options: BTreeMap::new() }
    }
}

/// `--shm-size`.
pub fn shm_size(size: &str) -> Result<u64> {
    match units::parse_size(size).context(|| format!("invalid argument `{}` for `--shm-size`", text::clean(size)))? {
        0 => Err(Error::usage("`--shm-size` must be greater than 0")),
        bytes => Ok(bytes),
    }
}

/// `--storage-opt size=`, docker's only one that is not a driver's own.
pub fn size_of_options(options: &[String]) -> Result<Option<u64>> {
    let mut size = None;
    for option in options {
        match option.split_once('=') {
            Some(("size", bytes)) => {
                let bytes = units::parse_size(bytes)
                    .context(|| format!("invalid argument `{}` for `--storage-opt`", text::clean(option)))?;
                size = Some(bytes).filter(|bytes| *bytes > 0);
            }
            _ => {
                return Err(
                    Error::usage(format!("unknown storage option `{}`", text::clean(option))).hint("`size=10G`")
                );
            }
        }
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_owners_and_a_size_need_coracles_own_union() {
        use StorageDriver::{Fuse, Overlay};
        assert_eq!(driver(Overlay, None, false).unwrap(), Overlay);
        assert_eq!(driver(Overlay, None, true).unwrap(), Fuse);
        assert_eq!(driver(Fuse, Some(1), false).unwrap(), Fuse);
        assert!(driver(Overlay, Some(1), false).unwrap_err().message().contains("cannot limit"));
    }

    #[test]
    fn volumes_of_the_image_are_mounted_where_the_user_mounts_nothing() {
        let image = Defaults { volumes: ["/data/", "/x"].map(String::from).into(), ..Defaults::default() };
        let mount = Mount::plain(MountSource::Bind { path: "/a".into() }, "/x/.".into());
        let request = StorageRequest {
            mounts: vec![MountRequest::plain(mount, false)],
            read_only: true,
            ..StorageRequest::default()
        };
        let mut names = (0..).map(|n| format!("v{n}").parse::<Name>());
        let storage = request.resolve(&image, false, &mut || names.next().unwrap()).unwrap();
        let shown = |mount: &Mount| match &mount.source {
            MountSource::Volume { name, anonymous: true, .. } => format!("{name} {}", mount.target),
            _ => mount.target.clone(),
        };
        assert_eq!(storage.mounts.iter().map(shown).collect::<Vec<_>>(), ["/x", "v0 /data"]);
        assert!(storage.read_only && storage.shm_size == 64 << 20);
        let twice = StorageRequest { mounts: [&request.mounts[..], &request.mounts].concat(), ..request };
        let error = twice.resolve(&image, false, &mut || "v".parse()).unwrap_err();
        assert!(error.message().starts_with("duplicate mount point"), "{error}");
    }

    #[test]
    fn targets_are_normalised() {
        assert!(normalise("/").is_err() && normalise("a").is_err() && normalise("/..").is_err());
        assert_eq!(normalise("//a/./b/../c/").unwrap(), "/a/c");
    }

    #[test]
    fn sizes_of_options() {
        let options = |options: &[&str]| size_of_options(&options.iter().map(|o| (*o).into()).collect::<Vec<_>>());
        assert_eq!(options(&["size=1g", "size=10G"]).unwrap(), Some(10 << 30));
        assert_eq!((options(&[]).unwrap(), options(&["size=0"]).unwrap()), (None, None));
        assert!(options(&["dm.size=1"]).is_err() && options(&["size=x"]).is_err());
        assert_eq!(shm_size("1m").unwrap(), 1 << 20);
        assert!(shm_size("0").is_err() && shm_size("4zz").is_err());
    }

    #[test]
    fn drivers_have_names() {
        for (name, driver) in
            [("overlay", StorageDriver::Overlay), ("overlay2", StorageDriver::Overlay), ("fuse", StorageDriver::Fuse)]
        {
            assert_eq!(name.parse::<StorageDriver>().unwrap(), driver, "{name}");
        }
        assert!("vfs".parse::<StorageDriver>().is_err());
    }
}
