//! What a container is, and what it is doing: plain values, which `state` keeps on disk. `container.json` is a
//! [`ContainerConfig`], immutable but for its networks.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::UserNamespace;
use super::network::{HostEntry, Joined, Publish, Rate, Wish};
use crate::base::id::Name;
use crate::base::process::ProcessIdentity;
use crate::base::{ContainerId, Error, Result, text};

/// The newest record format this program reads and the one it writes.
pub const FORMAT: u32 = 1;

/// How the program calls itself when it is `--init`, pid 1 of a container.
pub const INIT_ROLE: &str = "coracle-init";

/// What a container is: everything `start` needs, decided when it was created and, but for its networks, never changed
/// afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerConfig {
    /// [`FORMAT`] of the writer.
    pub format: u32,
    /// Its identity.
    pub id: ContainerId,
    /// The name it was created with.
    pub name: Name,
    /// When it was created.
    pub created: Timestamp,
    /// Where its root file system comes from.
    pub image: ImageOrigin,
    /// The process to run.
    pub process: Process,
    /// Its host name (uts namespace).
    pub hostname: String,
    /// Which network it sees. `network connect` and `disconnect` change it.
    pub network: NetworkMode,
    /// Ports and names.
    #[serde(default, skip_serializing_if = "Networking::is_default")]
    pub networking: Networking,
    /// Mounts beyond the standard ones, in the order of their mounting (parents first).
    pub mounts: Vec<Mount>,
    /// Who unites its layers. Both drivers read what the other one wrote.
    #[serde(default)]
    pub driver: StorageDriver,
    /// Whose ids its own are.
    #[serde(default)]
    pub user_namespace: UserNamespace,
    /// The most bytes its changes to the image may take.
    #[serde(default)]
    pub storage_size: Option<u64>,
    /// Whether the root file system is mounted read-only.
    pub read_only: bool,
    /// Whether pid 1 is coracle's own init, which reaps and forwards signals.
    pub init: bool,
    /// User labels over the image's.
    pub labels: BTreeMap<String, String>,
    /// Removed together with its anonymous volumes when it exits.
    pub remove: bool,
    /// The command that creates and starts it in one go, if it is to be removed: when that dies in between, nobody will
    /// ever start it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creator: Option<ProcessIdentity>,
    /// The signal of `stop`, by number.
    pub stop_signal: i32,
    /// Seconds between that signal and SIGKILL.
    pub stop_timeout: u32,
    /// Capabilities, seccomp and the like.
    pub security: Security,
    /// Ports that the image or the user exposes, as `80/tcp`.
    pub exposed_ports: Vec<String>,
    /// Size of `/dev/shm` in bytes.
    pub shm_size: u64,
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

/// The image a container was made from; its layers stay referenced as long as the container exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageOrigin {
    /// As the user named it.
    pub name: String,
    /// The image id: the digest of its config, with `sha256:`.
    pub id: String,
    /// Diff ids with `sha256:`, base layer first.
    pub layers: Vec<String>,
}

/// The container's main process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The image's or the user's entrypoint.
    pub entrypoint: Vec<String>,
    /// Command or arguments after the entrypoint.
    pub command: Vec<String>,
    /// `NAME=value` pairs.
    pub env: Vec<String>,
    /// The working directory, absolute.
    pub cwd: String,
    /// `user[:group]` by names or ids; empty for root.
    pub user: String,
    /// Runs on a terminal of its own (`-t`).
    pub tty: bool,
    /// Keeps standard input open (`-i`).
    pub stdin: bool,
}

impl Process {
    /// Entrypoint and command as one argument vector.
    pub fn argv(&self) -> Vec<String> {
        self.entrypoint.iter().chain(&self.command).cloned().collect()
    }
}

/// Which network a container sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkMode {
    /// Its own network namespace with nothing but loopback.
    None,
    /// The user's own network.
    Host,
    /// That of another container, which must run.
    Container(ContainerId),
    /// A network namespace that somebody else made, by its path.
    Path(PathBuf),
    /// Its own network namespace on these networks, in the order of their interfaces; none after the last `disconnect`.
    Networks(Vec<Member>),
}

impl NetworkMode {
    /// docker's `HostConfig.NetworkMode`.
    pub fn name(&self) -> String {
        match self {
            NetworkMode::None => "none".into(),
            NetworkMode::Host => "host".into(),
            NetworkMode::Container(id) => format!("container:{id}"),
            NetworkMode::Path(path) => format!("ns:{}", path.display()),
            NetworkMode::Networks(members) => members.first().map_or("none".into(), |first| first.network.to_string()),
        }
    }

    /// The names of the networks it is on, as tables show them.
    pub fn networks(&self) -> Vec<&str> {
        match self {
            NetworkMode::None => vec!["none"],
            NetworkMode::Host => vec!["host"],
            NetworkMode::Container(_) | NetworkMode::Path(_) => Vec::new(),
            NetworkMode::Networks(members) => members.iter().map(|member| member.network.as_str()).collect(),
        }
    }

    /// Whether the container is given a network namespace of its own.
    pub fn is_own(&self) -> bool {
        matches!(self, NetworkMode::None | NetworkMode::Networks(_))
    }

    /// The networks to join.
    pub fn members(&self) -> &[Member] {
        match self {
            NetworkMode::Networks(members) => members,
            _ => &[],
        }
    }
}

/// A network that a container is on, and what it asks of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The network.
    pub network: Name,
    /// Addresses, aliases.
    #[serde(flatten)]
    pub wish: Wish,
}

/// What a container wants of its networks as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Networking {
    /// `-p`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Publish>,
    /// `-P`: every exposed port on a free port of the host.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub publish_all: bool,
    /// A host port below the unprivileged limit is moved up instead of refused.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub remap_low_ports: bool,
    /// `--dns`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<IpAddr>,
    /// `--dns-search`; a single `.` clears the host's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_search: Vec<String>,
    /// `--dns-option`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_options: Vec<String>,
    /// `--add-host`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub add_hosts: Vec<HostEntry>,
    /// `--no-hosts`: `/etc/hosts` is the image's.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_hosts: bool,
    /// `--net-rate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Whether the container reaches the host's loopback where neither it nor the network says so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub host_loopback: bool,
}

impl Networking {
    fn is_default(&self) -> bool {
        *self == Self::default()
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
}

/// Mount propagation (mount_namespaces(7)).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Propagation {
    /// Neither way: docker's default.
    #[default]
    Rprivate,
    /// Later mounts of the host appear in the container.
    Rslave,
}

/// What the container's processes may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Security {
    /// The bounding set, as the bit mask of capabilities(7).
    pub capabilities: u64,
    /// Names given with `--cap-add`, for `inspect`.
    pub cap_add: Vec<String>,
    /// Names given with `--cap-drop`, for `inspect`.
    pub cap_drop: Vec<String>,
    /// Setuid programs and file capabilities give nothing.
    pub no_new_privileges: bool,
    /// Which system calls are filtered.
    pub seccomp: Seccomp,
    /// No masked or read-only paths, no seccomp, all capabilities of the container's user namespace.
    pub privileged: bool,
}

/// The seccomp filter of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seccomp {
    /// docker's default profile.
    Default,
    /// None.
    Unconfined,
    /// The text of a profile file, read when the container was created.
    Profile(String),
}

/// A container as its records show it.
#[derive(Debug, Clone)]
pub struct Container {
    /// What it is.
    pub config: ContainerConfig,
    /// Its name now.
    pub name: Name,
    /// What it does now.
    pub status: Status,
    /// What its networks gave it, while it runs.
    pub joined: Option<Joined>,
}

/// What a container is doing, as seen now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Never started.
    Created,
    /// Its pid 1 or its supervisor lives.
    Running {
        /// Since when.
        started: Timestamp,
        /// pid 1 in the host's numbers.
        pid: i32,
    },
    /// It ended.
    Exited {
        /// As a shell sees it: the exit code, or 128 + the signal.
        code: i32,
        /// When the run began.
        started: Timestamp,
        /// When it ended; unknown when nobody was there to record it.
        finished: Option<Timestamp>,
        /// Why it could not be started or was cut off; empty otherwise.
        error: String,
    },
}

impl Status {
    /// docker's word: `created`, `running` or `exited`.
    pub fn word(&self) -> &'static str {
        match self {
            Status::Created => "created",
            Status::Running { .. } => "running",
            Status::Exited { .. } => "exited",
        }
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        matches!(self, Status::Running { .. })
    }
}
