//! What a mount is given besides source and target: plain values.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::idmap::IdMap;

/// What a mount is given besides its place. The defaults are those of older records.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MountOptions {
    /// `U`: everything in the source belongs to the container's user.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub chown: bool,
    /// `O`: changes go to a directory of their own, and the source stays as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlay: Option<Overlay>,
    /// `exec` or `noexec`; none leaves what the source or the type of the mount has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<bool>,
    /// `dev` or `nodev`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dev: Option<bool>,
    /// `suid` or `nosuid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suid: Option<bool>,
    /// `idmap`: owners are shown through a map of ids.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idmap: Option<IdMapOption>,
    /// The directory or file of the volume or image that is mounted, instead of all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subpath: Option<String>,
    /// A new tmpfs begins with what the image has at its place.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub copy_up: bool,
}

/// Where the changes of an overlay mount go: the user's directories, or without them one that ends with the run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Overlay {
    /// `upperdir=` and `workdir=`, absolute. They stay when the container is removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<(PathBuf, PathBuf)>,
}

/// The map of an `idmap` mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdMapOption {
    /// Owner N on the disk is N in the container.
    Container,
    /// First id on the disk, first id on the host, how many; for users and for groups.
    Given {
        /// `uids=`.
        uids: Shift,
        /// `gids=`.
        gids: Shift,
    },
}

/// One of the two maps of [`IdMapOption::Given`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shift {
    /// From ids on the disk.
    pub map: IdMap,
    /// To ids in the container (`@`) instead of the host.
    pub in_container: bool,
}

/// Mount propagation (mount_namespaces(7)). The `r` forms hold for the mounts below the source, too. Mounts of the host
/// never follow those of the container: "shared" is among the namespaces that the container makes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Propagation {
    /// Neither way: docker's default.
    #[default]
    Rprivate,
    /// As `Rprivate`, for the top mount; those below are slaves.
    Private,
    /// Later mounts of the host appear in the container.
    Rslave,
    /// The same, for the top mount.
    Slave,
    /// As `Rslave`, and the namespaces that the container makes share its mounts.
    Rshared,
    /// The same, for the top mount.
    Shared,
}

impl Propagation {
    /// All of them.
    pub const ALL: [Propagation; 6] = [
        Propagation::Rprivate,
        Propagation::Private,
        Propagation::Rslave,
        Propagation::Slave,
        Propagation::Rshared,
        Propagation::Shared,
    ];

    /// The word of mount(8), docker and podman.
    pub fn name(self) -> &'static str {
        match self {
            Propagation::Rprivate => "rprivate",
            Propagation::Private => "private",
            Propagation::Rslave => "rslave",
            Propagation::Slave => "slave",
            Propagation::Rshared => "rshared",
            Propagation::Shared => "shared",
        }
    }
}
