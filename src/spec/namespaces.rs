//! Which namespaces a container has: of each kind one value, which says whether it is the container's own, the host's, or
//! that of somebody else. Kinds that are not here are always the container's own.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ids::{UserNamespace, UserNamespaceRequest};
use super::network::Wish;
use crate::base::ContainerId;
use crate::base::id::Name;

/// The namespaces, decided.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespaces {
    /// Which network it sees. `network connect` and `disconnect` change it.
    pub network: NetworkMode,
    /// Whose ids its own are.
    #[serde(default)]
    pub user: UserNamespace,
}

/// The namespaces as they were asked for; names of networks and containers are not looked up yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamespacesRequest {
    /// `--network`, each; none means the default.
    pub networks: Vec<NetworkRequest>,
    /// `--ip`, `--ip6`, `--mac-address`, `--network-alias`: of the only network.
    pub wish: Wish,
    /// `--userns`, `--uidmap`, `--gidmap`.
    pub user: UserNamespaceRequest,
}

impl NamespacesRequest {
    /// Whether the container gets networks of its own, rather than none or those of somebody else.
    pub fn has_networks(&self) -> bool {
        self.networks.iter().all(|network| matches!(network, NetworkRequest::Named(..)))
    }
}

/// Which network a container sees.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkMode {
    /// Its own network namespace with nothing but loopback.
    #[default]
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
