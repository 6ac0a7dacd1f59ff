//! What a container is, and what it is doing: plain values, which `state` keeps on disk. `container.json` is a
//! [`ContainerConfig`], immutable but for its networks.
//!
//! What belongs together is a group: a struct in a file of its own, which also has the form in which it is asked for, and
//! the pure function from one to the other where an image or the machine has a say.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::cgroups::Cgroups;
use super::health::{Health, HealthState};
use super::identity::Identity;
use super::image::ImageOrigin;
use super::lifecycle::Lifecycle;
use super::namespaces::Namespaces;
use super::network::Joined;
use super::networking::Networking;
use super::process::Process;
use super::resources::Resources;
use super::security::Security;
use super::storage::Storage;
use crate::base::ContainerId;
use crate::base::id::Name;
use crate::base::process::ProcessIdentity;

/// The newest format of the record that this program reads, and the one it writes. 1 had no groups.
pub const FORMAT: u32 = 2;

/// What a container is: everything `start` needs, decided when it was created and, but for its networks, never changed
/// afterwards.
///
/// A group that is added later is `#[serde(default)]`, and the groups themselves take what is missing in an older record
/// from their defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerConfig {
    /// [`FORMAT`] of the writer.
    pub format: u32,
    /// Which container.
    pub id: ContainerId,
    /// The name it was created with.
    pub name: Name,
    /// When it was created.
    pub created: Timestamp,
    /// The command that creates and starts it in one go, if it is to be removed: when that dies in between, nobody will
    /// ever start it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creator: Option<ProcessIdentity>,
    /// Where its root file system comes from.
    pub image: ImageOrigin,
    /// User labels over the image's.
    pub labels: BTreeMap<String, String>,
    /// The process to run.
    pub process: Process,
    /// Host name and user.
    pub identity: Identity,
    /// What it shares with whom.
    pub namespaces: Namespaces,
    /// Ports and names.
    #[serde(default, skip_serializing_if = "Networking::is_default")]
    pub networking: Networking,
    /// Its files.
    pub storage: Storage,
    /// Capabilities, seccomp and the like.
    pub security: Security,
    /// How it stops and goes away.
    pub lifecycle: Lifecycle,
    /// How it is seen to do its work.
    #[serde(default, skip_serializing_if = "Health::is_default")]
    pub health: Health,
    /// What it may take of the machine.
    #[serde(default, skip_serializing_if = "Resources::is_default")]
    pub resources: Resources,
    /// Where it stands among the control groups.
    #[serde(default, skip_serializing_if = "Cgroups::is_default")]
    pub cgroups: Cgroups,
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
    /// The rest of what is known of its last run.
    pub run: LastRun,
}

/// What is known of the last run of a container besides its status and its networks.
#[derive(Debug, Clone, Default)]
pub struct LastRun {
    /// What its health checks have found, if it has any.
    pub health: Option<HealthState>,
    /// How often its restart policy has started it again.
    pub restarts: u32,
    /// Somebody has stopped it.
    pub stopped: bool,
    /// How its limits are in force.
    pub limits: Enforced,
    /// The kernel has killed a process of it for want of memory.
    pub oom_killed: bool,
}

/// How the limits of a run are in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Enforced {
    /// The container's control group, from the root of the hierarchy; none when it has none of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<String>,
    /// What is only near to what was asked for: an option, and what it is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approximate: Vec<(String, String)>,
    /// The options that are not in force.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
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
    /// It ended, and its supervisor is about to start it again.
    Restarting {
        /// As a shell sees it: the exit code, or 128 + the signal.
        code: i32,
        /// When the run began.
        started: Timestamp,
        /// When it ended.
        finished: Timestamp,
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
    /// docker's word: `created`, `running`, `restarting` or `exited`.
    pub fn word(&self) -> &'static str {
        match self {
            Status::Created => "created",
            Status::Running { .. } => "running",
            Status::Restarting { .. } => "restarting",
            Status::Exited { .. } => "exited",
        }
    }

    /// Whether it runs; as with docker, that is true between the runs of one that is restarting, too.
    pub fn is_running(&self) -> bool {
        matches!(self, Status::Running { .. } | Status::Restarting { .. })
    }
}
