//! Pods: containers that share namespaces, as podman has them. What a pod is, and how its state follows from those of its
//! containers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::container::{ContainerConfig, Phase};
use super::pod_member::PodRole;
use super::restart::RestartPolicy;
use crate::base::id::Name;
use crate::base::{ContainerId, Error, Result, text};

/// The newest record format this program reads and the one it writes.
pub const FORMAT: u32 = 1;

/// The image that an infra container is shown with: coracle itself, from no image.
pub const INFRA_IMAGE: &str = "coracle-pause";

/// A pod: what `pod create` decides and never changes afterwards. Which containers it has, their own records say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pod {
    /// [`FORMAT`] of the writer.
    pub format: u32,
    /// 64 hexadecimal digits.
    pub id: ContainerId,
    /// Unique among pods.
    pub name: Name,
    /// When it was created.
    pub created: Timestamp,
    /// `--label`.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The namespaces that its containers share with the infra container.
    #[serde(default)]
    pub share: Vec<Share>,
    /// The container whose namespaces they are, in full: it is made anew when it is missing.
    #[serde(default)]
    pub infra: Option<Box<ContainerConfig>>,
    /// What follows when the last container has ended.
    #[serde(default)]
    pub exit_policy: ExitPolicy,
    /// The policy of containers that have none of their own.
    #[serde(default)]
    pub restart: RestartPolicy,
}

impl Pod {
    /// Whether its containers share a kind of namespace.
    pub fn shares(&self, kind: Share) -> bool {
        self.infra.is_some() && self.share.contains(&kind)
    }
}

/// A kind of namespace that a pod can share. The order is that of podman's `inspect`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Share {
    /// Host name.
    Uts,
    /// Memory and queues.
    Ipc,
    /// Networks.
    Net,
    /// Processes.
    Pid,
    /// Control groups.
    Cgroup,
}

impl Share {
    /// All of them.
    const ALL: [Self; 5] = [Self::Uts, Self::Ipc, Self::Net, Self::Pid, Self::Cgroup];
    /// Those that are shared unless somebody says something else.
    pub const USUAL: [Self; 3] = [Self::Uts, Self::Ipc, Self::Net];

    /// podman's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Uts => "uts",
            Self::Ipc => "ipc",
            Self::Net => "net",
            Self::Pid => "pid",
            Self::Cgroup => "cgroup",
        }
    }

    /// The value of `--share`: words with commas, `none`, or `+` before what is shared besides the usual.
    pub fn parse_list(given: &str) -> Result<Vec<Self>> {
        let (mut shared, words) = match given.strip_prefix('+') {
            Some(more) => (Self::USUAL.to_vec(), more),
            None => (Vec::new(), given),
        };
        for word in words.split(',').filter(|word| !matches!(*word, "" | "none")) {
            let kind = Self::ALL.into_iter().find(|kind| kind.word() == word);
            shared.push(kind.ok_or_else(|| {
                Error::usage(format!("invalid kernel namespace to share: {}", text::clean(word)))
                    .hint("options are: cgroup, ipc, net, pid, uts or none")
            })?);
        }
        shared.sort_unstable();
        shared.dedup();
        Ok(shared)
    }
}

/// `--exit-policy`: what follows when the last container of a pod has ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExitPolicy {
    /// Nothing: the infra container goes on.
    #[default]
    Continue,
    /// The infra container is stopped, too.
    Stop,
}

impl ExitPolicy {
    /// podman's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Continue => "continue",
            Self::Stop => "stop",
        }
    }

    /// The value of the option.
    pub fn parse(given: &str) -> Result<Self> {
        match given {
            "continue" => Ok(Self::Continue),
            "stop" => Ok(Self::Stop),
            other => Err(Error::usage(format!("invalid pod exit policy: \"{}\"", text::clean(other)))
                .hint("it is one of: continue, stop")),
        }
    }
}

/// What a pod is doing, in podman's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PodStatus {
    /// None of its containers was started.
    Created,
    /// Some run, others do not.
    Degraded,
    /// Something else.
    Error,
    /// All have ended.
    Exited,
    /// All are frozen.
    Paused,
    /// All run.
    Running,
    /// Some have ended, none runs.
    Stopped,
}

impl PodStatus {
    /// All of them.
    const ALL: [Self; 7] =
        [Self::Created, Self::Degraded, Self::Error, Self::Exited, Self::Paused, Self::Running, Self::Stopped];

    /// As podman shows it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "Created",
            Self::Degraded => "Degraded",
            Self::Error => "Error",
            Self::Exited => "Exited",
            Self::Paused => "Paused",
            Self::Running => "Running",
            Self::Stopped => "Stopped",
        }
    }

    /// The status of a word in any case.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.word().eq_ignore_ascii_case(word))
    }

    /// The status of a pod whose containers are in these phases. An init container is no reason to call a pod degraded that
    /// has done its work and ended.
    pub fn of<'a>(containers: impl Iterator<Item = (PodRole, Phase)> + 'a) -> Self {
        let phases: Vec<Phase> = containers
            .filter(|(role, phase)| !(role.is_init() && *phase == Phase::Exited))
            .map(|(_, phase)| phase)
            .collect();
        let count = |wanted: &[Phase]| phases.iter().filter(|phase| wanted.contains(phase)).count();
        let running = count(&[Phase::Running, Phase::Stopping]);
        let (paused, created, ended) = (count(&[Phase::Paused]), count(&[Phase::Created]), count(&[Phase::Exited]));
        match phases.len() {
            0 => Self::Created,
            all if running == all => Self::Running,
            _ if running > 0 => Self::Degraded,
            all if paused == all => Self::Paused,
            all if ended == all => Self::Exited,
            _ if ended > 0 => Self::Stopped,
            all if created == all => Self::Created,
            _ => Self::Error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_a_pod_follows_from_its_containers() {
        use Phase::*;
        let of = |phases: &[Phase]| PodStatus::of(phases.iter().map(|phase| (PodRole::Member, *phase))).word();
        for (phases, status) in [
            (&[][..], "Created"),
            (&[Created, Created], "Created"),
            (&[Running, Running], "Running"),
            (&[Running, Stopping], "Running"),
            (&[Running, Exited], "Degraded"),
            (&[Running, Created], "Degraded"),
            (&[Running, Paused], "Degraded"),
            (&[Paused, Paused], "Paused"),
            (&[Exited, Exited], "Exited"),
            (&[Exited, Created], "Stopped"),
            (&[Exited, Paused], "Stopped"),
            (&[Restarting], "Error"),
        ] {
            assert_eq!(of(phases), status, "{phases:?}");
        }
        let with_init = [(PodRole::Infra, Running), (PodRole::InitAlways, Exited), (PodRole::Member, Running)];
        assert_eq!(PodStatus::of(with_init.into_iter()), PodStatus::Running);
        for status in PodStatus::ALL {
            assert_eq!(PodStatus::parse(&status.word().to_lowercase()), Some(status));
        }
    }

    #[test]
    fn lists_of_namespaces() {
        let words = |given: &str| {
            Share::parse_list(given).map(|shared| shared.iter().map(|kind| kind.word()).collect::<Vec<_>>().join(" "))
        };
        for (given, expected) in [
            ("ipc,net,uts", "uts ipc net"),
            ("", ""),
            ("none", ""),
            ("+pid", "uts ipc net pid"),
            ("pid,pid", "pid"),
            ("cgroup,net", "net cgroup"),
        ] {
            assert_eq!(words(given).unwrap(), expected, "{given}");
        }
        assert!(words("frob").unwrap_err().message().contains("invalid kernel namespace"));
        assert!(ExitPolicy::parse("x").is_err());
        assert_eq!(ExitPolicy::parse(ExitPolicy::Stop.word()).unwrap(), ExitPolicy::Stop);
    }
}
