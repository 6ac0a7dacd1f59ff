//! What a face asks the engine to create: options as the user meant them, parsed but not yet decided against an image
//! or this machine. The same request is filled by every face; [`super::resolve`] turns it into a `ContainerConfig`.

use std::collections::BTreeMap;

use crate::base::id::Name;
use crate::oci::Platform;
use crate::spec::asked::{MountRequest, NetworkRequest, PullPolicy, UserNamespaceRequest};
use crate::spec::container::{Networking, Seccomp, StorageDriver};
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
