//! What a container is to its pod, in its record and as it was asked for.

use serde::{Deserialize, Serialize};

use crate::base::id::Name;
use crate::base::{ContainerId, Error, Result};

/// What a container is to its pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Which pod.
    pub pod: ContainerId,
    /// The pod's name, which never changes.
    pub name: Name,
    /// What it does there.
    #[serde(default)]
    pub role: PodRole,
}

/// What a container does in its pod.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PodRole {
    /// It works.
    #[default]
    Member,
    /// It holds the namespaces.
    Infra,
    /// It runs to its end at every start of the pod, before the others.
    InitAlways,
    /// The same once, and is removed.
    InitOnce,
}

impl PodRole {
    /// Whether it runs before the others.
    pub fn is_init(self) -> bool {
        matches!(self, Self::InitAlways | Self::InitOnce)
    }

    /// The value of `--init-ctr`.
    pub fn parse_init(given: &str) -> Result<Self> {
        match given {
            "always" => Ok(Self::InitAlways),
            "once" => Ok(Self::InitOnce),
            _ => Err(Error::usage("init-ctr value must be 'always' or 'once'")),
        }
    }
}

/// The pod that a new container is to be in: `--pod`, `--pod-id-file`, `--init-ctr`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodRequest {
    /// Its name or id.
    pub name: String,
    /// It is to be made first (`--pod new:NAME`).
    pub new: bool,
    /// What the container is to be there.
    pub role: PodRole,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn init_containers_run_always_or_once() {
        assert_eq!(PodRole::parse_init("always").unwrap(), PodRole::InitAlways);
        assert!(PodRole::parse_init("once").unwrap().is_init() && !PodRole::Infra.is_init());
        assert!(PodRole::parse_init("never").is_err());
    }
}
