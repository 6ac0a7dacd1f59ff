//! Which namespaces a container has: of each kind one value, which says whether it is the container's own, the host's, or
//! that of somebody else. The mount namespace is always the container's own.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ids::{UserNamespace, UserNamespaceRequest};
use super::network::Wish;
use crate::base::id::Name;
use crate::base::{ContainerId, Error, Result, text};

/// The namespaces, decided.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespaces {
    /// Which network it sees. `network connect` and `disconnect` change it.
    pub network: NetworkMode,
    /// Whose ids its own are.
    #[serde(default)]
    pub user: UserNamespace,
    /// Whose user namespace it is in, when not one of its own: `user` has the map of that one.
    #[serde(default, skip_serializing_if = "NamespaceMode::is_private")]
    pub joined_user: NamespaceMode,
    /// Which processes it sees.
    #[serde(default, skip_serializing_if = "NamespaceMode::is_private")]
    pub pid: NamespaceMode,
    /// With whom it shares memory and queues.
    #[serde(default, skip_serializing_if = "NamespaceMode::is_private")]
    pub ipc: NamespaceMode,
    /// Whose host name it has.
    #[serde(default, skip_serializing_if = "NamespaceMode::is_private")]
    pub uts: NamespaceMode,
    /// Which control groups it sees.
    #[serde(default, skip_serializing_if = "NamespaceMode::is_private")]
    pub cgroup: NamespaceMode,
}

impl Namespaces {
    /// The containers whose namespaces it joins, each once.
    pub fn targets(&self) -> Vec<&ContainerId> {
        let network = match &self.network {
            NetworkMode::Container(id) => Some(id),
            _ => None,
        };
        let others = [&self.joined_user, &self.pid, &self.ipc, &self.uts, &self.cgroup];
        let mut targets: Vec<&ContainerId> = Vec::new();
        for target in network.into_iter().chain(others.into_iter().filter_map(NamespaceMode::container)) {
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        targets
    }
}

/// Whose namespace of one kind a container has. `C` names a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NamespaceMode<C = ContainerId> {
    /// Its own.
    #[default]
    Private,
    /// Its own, which other containers may join. Of the ipc namespace alone: others can be joined without.
    Shareable,
    /// Its own, without `/dev/shm`. Of the ipc namespace alone.
    None,
    /// The host's.
    Host,
    /// That of another container, which must run.
    Container(C),
    /// One that somebody else made, by its path.
    Path(PathBuf),
}

impl<C> NamespaceMode<C> {
    /// Whether it is its own, and nothing was said about it.
    pub fn is_private(&self) -> bool {
        matches!(self, Self::Private)
    }

    /// Whether the container is given a namespace of its own.
    pub fn is_own(&self) -> bool {
        matches!(self, Self::Private | Self::Shareable | Self::None)
    }

    /// The container that it is shared with.
    pub fn container(&self) -> Option<&C> {
        match self {
            Self::Container(id) => Some(id),
            _ => None,
        }
    }

    /// The same with the container looked up.
    pub fn resolve<D>(&self, find: impl FnOnce(&C) -> Result<D>) -> Result<NamespaceMode<D>> {
        Ok(match self {
            Self::Private => NamespaceMode::Private,
            Self::Shareable => NamespaceMode::Shareable,
            Self::None => NamespaceMode::None,
            Self::Host => NamespaceMode::Host,
            Self::Container(name) => NamespaceMode::Container(find(name)?),
            Self::Path(path) => NamespaceMode::Path(path.clone()),
        })
    }
}

impl<C: std::fmt::Display> NamespaceMode<C> {
    /// The word of the option; `private` for a namespace of its own.
    pub fn word(&self) -> String {
        match self {
            Self::Private => "private".into(),
            Self::Shareable => "shareable".into(),
            Self::None => "none".into(),
            Self::Host => "host".into(),
            Self::Container(id) => format!("container:{id}"),
            Self::Path(path) => format!("ns:{}", path.display()),
        }
    }
}

impl NamespaceMode<String> {
    /// The value of `--pid`, `--ipc`, `--uts` or `--cgroupns`: `kind` is the option without its dashes.
    pub fn parse(kind: &str, given: &str) -> Result<Self> {
        let ipc = kind == "ipc";
        let invalid = || {
            let also = if ipc { "shareable, none, " } else { "" };
            Error::usage(format!("invalid argument `{}` for `--{kind}`", text::clean(given)))
                .hint(format!("it is one of: private, host, {also}container:NAME, ns:PATH"))
        };
        match (given, given.split_once(':')) {
            ("" | "private", _) => Ok(Self::Private),
            ("host", _) => Ok(Self::Host),
            ("shareable", _) if ipc => Ok(Self::Shareable),
            ("none", _) if ipc => Ok(Self::None),
            (_, Some(("container", name))) if !name.is_empty() => Ok(Self::Container(name.into())),
            (_, Some(("ns", path))) if path.starts_with('/') && !path.contains('\0') => Ok(Self::Path(path.into())),
            _ => Err(invalid()),
        }
    }
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
    /// `--pid`.
    pub pid: NamespaceMode<String>,
    /// `--ipc`.
    pub ipc: NamespaceMode<String>,
    /// `--uts`.
    pub uts: NamespaceMode<String>,
    /// `--cgroupns`.
    pub cgroup: NamespaceMode<String>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_and_told() {
        for (kind, given, word) in [
            ("pid", "", "private"),
            ("pid", "private", "private"),
            ("pid", "host", "host"),
            ("uts", "container:web", "container:web"),
            ("cgroupns", "ns:/proc/7/ns/cgroup", "ns:/proc/7/ns/cgroup"),
            ("ipc", "shareable", "shareable"),
            ("ipc", "none", "none"),
        ] {
            assert_eq!(NamespaceMode::parse(kind, given).unwrap().word(), word, "{kind} {given}");
        }
        for (kind, given) in [
            ("pid", "shareable"),
            ("uts", "none"),
            ("pid", "container:"),
            ("pid", "container"),
            ("ipc", "ns:relative"),
            ("ipc", "ns:/a\0b"),
            ("pid", "service:web"),
            ("pid", "Host"),
        ] {
            let error = NamespaceMode::parse(kind, given).unwrap_err();
            assert!(error.message().contains(&format!("--{kind}")), "{given}: {error}");
        }
    }

    #[test]
    fn the_containers_that_are_needed() {
        let id = |digit: &str| digit.repeat(64).parse::<ContainerId>().unwrap();
        let namespaces = Namespaces {
            network: NetworkMode::Container(id("a")),
            pid: NamespaceMode::Container(id("a")),
            ipc: NamespaceMode::Container(id("b")),
            uts: NamespaceMode::Host,
            ..Namespaces::default()
        };
        assert_eq!(namespaces.targets(), [&id("a"), &id("b")]);
        assert!(Namespaces::default().targets().is_empty());
    }
}
