//! What a container is, and what it is doing: plain values, which `state` keeps on disk. `container.json` is a
//! [`ContainerConfig`], which never changes; what changes later is in [`settings`](super::settings).
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
use super::logging::Logging;
use super::namespaces::Namespaces;
use super::network::Joined;
use super::networking::Networking;
use super::pod_member::{Membership, PodRole};
use super::process::Process;
use super::resources::Resources;
use super::secret::SecretUse;
use super::security::Security;
use super::storage::Storage;
use crate::base::ContainerId;
use crate::base::id::Name;
use crate::base::process::ProcessIdentity;

/// The newest format of the record that this program reads, and the one it writes. 1 had no groups.
pub const FORMAT: u32 = 2;

/// What a container is: everything `start` needs, decided when it was created. `state` gives it out with the container's
/// settings applied.
///
/// A group that is added later is `#[serde(default)]`, and the groups themselves take what is missing in an older record
/// from their defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerConfig {
    /// [`FORMAT`] of the writer.
    pub format: u32,
    /// Which container.
    pub id: ContainerId,
    /// Its name.
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
    /// Where its output is kept.
    #[serde(default, skip_serializing_if = "Logging::is_default")]
    pub logging: Logging,
    /// The secrets it has, without their values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretUse>,
    /// The pod that it is in, if it is in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<Membership>,
}

impl ContainerConfig {
    /// What it is to its pod.
    pub fn pod_role(&self) -> PodRole {
        self.pod.as_ref().map(|membership| membership.role).unwrap_or_default()
    }

    /// Whether it holds the namespaces of a pod.
    pub fn is_infra(&self) -> bool {
        self.pod.as_ref().is_some_and(|membership| membership.role == PodRole::Infra)
    }
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
    /// The kernel has killed a process of it for lack of memory.
    pub oom_killed: bool,
    /// How its limits are in force.
    pub limits: Enforced,
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

/// The phases of a container's life, in docker's words and podman's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Never started.
    Created,
    /// It runs.
    Running,
    /// Its processes are frozen.
    Paused,
    /// It ended, and its supervisor is about to start it again.
    Restarting,
    /// It was asked to end and still runs: podman's word, where docker says `running`.
    Stopping,
    /// It ended.
    Exited,
    /// Somebody is taking it away.
    Removing,
    /// It could not be taken away whole. A removal here is one rename, so that no container is ever found like this.
    Dead,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Created,
        Self::Restarting,
        Self::Running,
        Self::Removing,
        Self::Paused,
        Self::Exited,
        Self::Dead,
        Self::Stopping,
    ];

    /// `created`, `running` and so on.
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Stopping => "stopping",
            Self::Exited => "exited",
            Self::Removing => "removing",
            Self::Dead => "dead",
        }
    }

    /// The word in docker's API, which has none for a container that is being stopped.
    pub fn docker_word(self) -> &'static str {
        match self {
            Self::Stopping => Self::Running.word(),
            phase => phase.word(),
        }
    }

    /// The phase of a word, of podman's other words, too.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "configured" | "initialized" => Some(Self::Created),
            "stopped" => Some(Self::Exited),
            word => Self::ALL.into_iter().find(|phase| phase.word() == word),
        }
    }
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
        /// pid 1 in the host's numbers; 0 while it is being started or its end is being recorded.
        pid: i32,
    },
    /// The same, but its processes are frozen.
    Paused {
        /// Since when it runs.
        started: Timestamp,
        /// pid 1 in the host's numbers.
        pid: i32,
    },
    /// It runs, and was asked to end.
    Stopping {
        /// Since when it runs.
        started: Timestamp,
        /// As that of [`Self::Running`].
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
    /// It ended, goes with its end, and somebody is taking it away.
    Removing,
}

impl Status {
    /// The phase of its life.
    pub fn phase(&self) -> Phase {
        match self {
            Self::Created => Phase::Created,
            Self::Running { .. } => Phase::Running,
            Self::Paused { .. } => Phase::Paused,
            Self::Stopping { .. } => Phase::Stopping,
            Self::Restarting { .. } => Phase::Restarting,
            Self::Exited { .. } => Phase::Exited,
            Self::Removing => Phase::Removing,
        }
    }

    /// Whether it runs; as with docker, that is true while it is paused and between the runs of one that is restarting, too.
    pub fn is_running(&self) -> bool {
        matches!(self.phase(), Phase::Running | Phase::Paused | Phase::Stopping | Phase::Restarting)
    }

    /// pid 1 in the host's numbers, if it lives.
    pub fn pid(&self) -> Option<i32> {
        match self {
            Self::Running { pid, .. } | Self::Paused { pid, .. } | Self::Stopping { pid, .. } => {
                Some(*pid).filter(|pid| *pid > 0)
            }
            _ => None,
        }
    }

    /// Whether its record says that it runs while pid 1 is gone: it is being started, or its end is being recorded.
    pub fn is_unsettled(&self) -> bool {
        matches!(self, Self::Running { pid: 0, .. } | Self::Paused { pid: 0, .. } | Self::Stopping { pid: 0, .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_has_a_word() {
        for phase in Phase::ALL {
            assert_eq!(Phase::parse(phase.word()), Some(phase));
        }
        assert_eq!((Phase::parse("stopped"), Phase::parse("configured")), (Some(Phase::Exited), Some(Phase::Created)));
        assert_eq!((Phase::parse("x"), Phase::Stopping.docker_word()), (None, "running"));
    }

    #[test]
    fn a_frozen_container_runs() {
        let started = Timestamp::UNIX_EPOCH;
        let paused = Status::Paused { started, pid: 7 };
        assert!(paused.is_running() && !paused.is_unsettled() && paused.pid() == Some(7));
        let ending = Status::Stopping { started, pid: 0 };
        assert!(ending.is_running() && ending.is_unsettled() && ending.pid().is_none());
        assert!(!Status::Removing.is_running() && !Status::Created.is_running());
    }
}
