//! What a face asks the engine to create: options as the user meant them, parsed but not yet decided against an image
//! or this machine. The same request is filled by every face; [`super::resolve`] turns it into a `ContainerConfig`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::base::id::Name;
use crate::oci::Platform;
use crate::spec::container::{Mount, Networking, Seccomp, StorageDriver};
use crate::spec::network::Wish;

/// A container to create.
#[derive(Debug, Clone, Default)]
pub struct CreateRequest {
    /// Image name, id or digest as typed.
    pub image: String,
    /// Command and arguments; empty means the image's.
    pub command: Vec<String>,
    /// `--name`; generated when none.
    pub name: Option<Name>,
    /// `--entrypoint`; `Some("")` clears the image's.
    pub entrypoint: Option<String>,
    /// `--env` and `--env-file` in their order: `NAME=value`. A bare `NAME` was already looked up by the face.
    pub env: Vec<String>,
    /// `--workdir`.
    pub cwd: Option<String>,
    /// `--user`.
    pub user: Option<String>,
    /// `--tty`.
    pub tty: bool,
    /// `--interactive`.
    pub stdin: bool,
    /// `--hostname`.
    pub hostname: Option<String>,
    /// `--network`, each; none means the default.
    pub networks: Vec<NetworkRequest>,
    /// `--ip`, `--ip6`, `--mac-address`, `--network-alias`: of the only network.
    pub wish: Wish,
    /// `-p`, `-P`, `--dns` and the like.
    pub networking: Networking,
    /// `--expose`: as `80/tcp`, `8000-8010/udp`.
    pub expose: Vec<String>,
    /// `-v`, `--mount`, `--tmpfs` in their order. Anonymous volumes arrive with a generated name.
    pub mounts: Vec<MountRequest>,
    /// `--storage-driver`.
    pub driver: StorageDriver,
    /// `--userns`, `--uidmap`, `--gidmap`.
    pub user_namespace: UserNamespaceRequest,
    /// `--storage-opt size=`, bytes.
    pub storage_size: Option<u64>,
    /// `--read-only`.
    pub read_only: bool,
    /// `--init`.
    pub init: bool,
    /// `--label`, `--label-file`.
    pub labels: BTreeMap<String, String>,
    /// `--rm`.
    pub remove: bool,
    /// `--stop-signal`, by name or number.
    pub stop_signal: Option<String>,
    /// `--stop-timeout`, seconds.
    pub stop_timeout: Option<u32>,
    /// `--cap-add`.
    pub cap_add: Vec<String>,
    /// `--cap-drop`.
    pub cap_drop: Vec<String>,
    /// `--privileged`.
    pub privileged: bool,
    /// `--security-opt no-new-privileges`.
    pub no_new_privileges: bool,
    /// `--security-opt seccomp=…`.
    pub seccomp: Option<Seccomp>,
    /// `--shm-size`, bytes.
    pub shm_size: Option<u64>,
    /// `--pull`.
    pub pull: PullPolicy,
    /// `--platform`.
    pub platform: Option<Platform>,
    /// `--quiet`: no progress of a pull.
    pub quiet: bool,
}

/// One `--network`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkRequest {
    /// Nothing but loopback.
    None,
    /// The user's own network.
    Host,
    /// That of another container, by name or id.
    Container(String),
    /// A network namespace, by its path.
    Path(PathBuf),
    /// A network, by name or id, and what is asked of it.
    Named(String, Wish),
}

/// Whose ids the container's are to be, as it was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum UserNamespaceRequest {
    /// The user's as they are: the container's root is the user.
    #[default]
    Host,
    /// The user keeps its ids, or has these in the container.
    KeepId {
        /// Instead of the user's own.
        uid: Option<u32>,
        /// Instead of the user's own group.
        gid: Option<u32>,
    },
    /// The user is nobody in the container.
    NoMap,
    /// Ids that no other container with this mode has.
    Auto {
        /// How many; by the image's users when none.
        size: Option<u32>,
        /// User ids that must be mapped in this way.
        uids: Vec<MapRequest>,
        /// Group ids that must be.
        gids: Vec<MapRequest>,
    },
    /// Exactly these.
    Maps {
        /// User ids.
        uids: Vec<MapRequest>,
        /// Group ids.
        gids: Vec<MapRequest>,
    },
}

/// Consecutive ids of a container and what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapRequest {
    /// The first in the container.
    pub inside: u32,
    /// What it is.
    pub outside: Outside,
    /// How many.
    pub count: u32,
}

/// An id outside of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    /// Among the user's: 0 is the user, 1 and up are the subordinate ids.
    User(u32),
    /// The host's.
    Host(u32),
}

/// A mount option, and what its short form leaves to the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountRequest {
    /// The mount.
    pub mount: Mount,
    /// `-v` makes a missing bind source as a directory, as docker does; `--mount` refuses it.
    pub create_source: bool,
}

/// When to ask the registry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PullPolicy {
    /// Before every use.
    Always,
    /// When the image is not there.
    #[default]
    Missing,
    /// Not at all.
    Never,
}

/// A process to run in a running container.
#[derive(Debug, Clone, Default)]
pub struct ExecRequest {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// `NAME=value` over the container's environment.
    pub env: Vec<String>,
    /// `--user`; the container's when none.
    pub user: Option<String>,
    /// `--workdir`; the container's when none.
    pub cwd: Option<String>,
    /// `--tty`.
    pub tty: bool,
    /// `--interactive`.
    pub stdin: bool,
    /// `--detach`.
    pub detach: bool,
    /// `--privileged`: all capabilities of the container's user namespace, no seccomp filter.
    pub privileged: bool,
}
