//! Networks, as users name them: those that are defined, and `host` and `none`, which are there without a definition.
//! One verb per file.

pub mod create;
mod filter;
pub mod inspect;
pub mod list;
pub mod membership;
pub mod remove;

use jiff::Timestamp;

pub use filter::Filters;

use super::Engine;
use crate::base::{ContainerId, Error, Kind, Result};
use crate::net::networks::Networks;
use crate::oci::Digest;
use crate::spec::events::{Action, Event, Subject};
use crate::spec::namespaces::NetworkMode;
use crate::spec::network::{DEFAULT, Network};
use crate::state::Container;

/// A network that a container can be on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub name: String,
    /// 64 hexadecimal digits.
    pub id: String,
    /// docker's name of what it is: `bridge`, `host` or `null`.
    pub driver: &'static str,
    /// When it was made; `host` and `none` with the default network.
    pub created: Timestamp,
    /// Its definition; none for `host` and `none`.
    pub network: Option<Network>,
}

impl Known {
    fn defined(network: Network) -> Self {
        Self {
            name: network.name.to_string(),
            id: network.id.to_string(),
            driver: "bridge",
            created: network.created,
            network: Some(network),
        }
    }

    /// Made with the installation: it is neither removed nor counted among the users' own.
    pub fn is_builtin(&self) -> bool {
        self.network.as_ref().is_none_or(|network| network.name.as_str() == DEFAULT)
    }

    /// Whether the container would use it when it is started next.
    pub fn is_of(&self, container: &Container) -> bool {
        match (&container.config.namespaces.network, self.driver) {
            (NetworkMode::Networks(members), _) => members.iter().any(|member| member.network.as_str() == self.name),
            (mode, "host") => *mode == NetworkMode::Host,
            (mode, "null") => *mode == NetworkMode::None,
            _ => false,
        }
    }

    /// Whether the container is on it now.
    pub fn is_used_by(&self, container: &Container) -> bool {
        match &container.joined {
            Some(joined) => joined.endpoints.iter().any(|endpoint| endpoint.network_id.as_str() == self.id),
            None => self.network.is_none() && container.status.is_running() && self.is_of(container),
        }
    }
}

/// All networks: the default one, `host`, `none` and those that users made. Definitions that cannot be read are told
/// beside.
pub fn all(engine: &Engine) -> Result<(Vec<Known>, Vec<Error>)> {
    let networks = Networks::new(&engine.paths);
    let default = networks.default()?;
    let (mut known, mut broken) = (builtin(default.created).to_vec(), Vec::new());
    for network in networks.list()? {
        match network {
            Ok(network) => known.push(Known::defined(network)),
            Err(error) => broken.push(error),
        }
    }
    Ok((known, broken))
}

/// Something has happened to a network.
fn tell(engine: &Engine, network: &Network, action: Action) {
    let event = Event::new(Subject::Network, action, &network.id);
    engine.journal().record(event.with("name", &network.name).with("type", "bridge"));
}

/// The network of a name, an id or the beginning of one.
pub fn find(engine: &Engine, asked: &str) -> Result<Known> {
    let networks = Networks::new(&engine.paths);
    let by_name = |known: &Known| known.name == asked;
    let by_id = |known: &Known| asked.len() >= 4 && known.id.starts_with(asked);
    let of_builtin = |fits: &dyn Fn(&Known) -> bool| {
        let found = builtin(Timestamp::UNIX_EPOCH).into_iter().find(|known| fits(known));
        found.map(|known| networks.default().map(|default| Known { created: default.created, ..known })).transpose()
    };
    if let Some(known) = of_builtin(&by_name)? {
        return Ok(known);
    }
    match networks.find(asked) {
        Ok(network) => Ok(Known::defined(network)),
        Err(error) if error.kind() == Kind::NotFound => of_builtin(&by_id)?.ok_or(error),
        Err(error) => Err(error),
    }
}

fn builtin(created: Timestamp) -> [Known; 2] {
    [("host", "host"), ("none", "null")].map(|(name, driver)| Known {
        name: name.into(),
        // The same on every machine: there is nothing to tell apart.
        id: Digest::sha256(format!("coracle network {name}").as_bytes()).hex().to_owned(),
        driver,
        created,
        network: None,
    })
}

/// All containers that can be read.
fn containers(engine: &Engine) -> Result<Vec<Container>> {
    Ok(engine.containers().list()?.into_iter().flatten().collect())
}

/// docker's id of a container's end on a network.
fn endpoint_id(container: &ContainerId) -> String {
    container.to_string()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::engine::fixtures;
    use crate::net::networks::NewNetwork;
    use crate::spec::namespaces::Member;
    use crate::spec::network::Joined;
    use crate::spec::network::{Endpoint, Wish};
    use crate::state::Status;

    /// A container that is configured for networks, and on them if it runs.
    pub fn member(name: &str, networks: &[&Network], running: bool) -> Container {
        let status = match running {
            true => Status::Running { pid: 1, started: Timestamp::UNIX_EPOCH },
            false => Status::Created,
        };
        let mut container = fixtures::container(name, 0, status);
        let member = |network: &&Network| Member { network: network.name.clone(), wish: Wish::default() };
        container.config.namespaces.network = NetworkMode::Networks(networks.iter().map(member).collect());
        let endpoint = |network: &&Network| Endpoint {
            network: network.name.clone(),
            network_id: network.id.clone(),
            interface: "eth0".into(),
            mac: "02:42:ac:12:00:02".parse().unwrap(),
            ipv4: Some("172.18.0.2/16".parse().unwrap()),
            ipv6: None,
            gateway4: Some("172.18.0.1".parse().unwrap()),
            gateway6: None,
            aliases: Vec::new(),
            host_loopback: false,
        };
        let endpoints = networks.iter().map(endpoint).collect();
        let joined = Joined { endpoints, ports: Vec::new(), resolvers: Vec::new(), host_gateway: None };
        container.joined = running.then_some(joined);
        container
    }

    #[test]
    fn networks_are_found_however_they_are_called() {
        let (engine, _scratch) = fixtures::engine();
        let networks = Networks::new(&engine.paths);
        let web = networks.create(&NewNetwork::named("web".parse().unwrap())).unwrap();
        for (asked, driver) in
            [("web", "bridge"), (web.id.short(), "bridge"), ("bridge", "bridge"), ("host", "host"), ("none", "null")]
        {
            let known = find(&engine, asked).unwrap();
            assert_eq!(known.driver, driver, "{asked}");
            assert_eq!(find(&engine, &known.id).unwrap(), known);
            assert_eq!(known.is_builtin(), asked != "web" && asked != web.id.short(), "{asked}");
        }
        assert_eq!(find(&engine, "nobody").unwrap_err().message(), "network `nobody` not found");
        let names: Vec<String> = all(&engine).unwrap().0.into_iter().map(|known| known.name).collect();
        assert_eq!(names, ["host", "none", "bridge", "web"]);
    }

    #[test]
    fn who_uses_a_network() {
        let (engine, _scratch) = fixtures::engine();
        let networks = Networks::new(&engine.paths);
        let web = networks.create(&NewNetwork::named("web".parse().unwrap())).unwrap();
        let known = find(&engine, "web").unwrap();
        let (running, stopped) = (member("a", &[&web], true), member("b", &[&web], false));
        assert!(known.is_of(&running) && known.is_used_by(&running));
        assert!(known.is_of(&stopped) && !known.is_used_by(&stopped));
        assert!(!find(&engine, "none").unwrap().is_of(&running));
        let alone = fixtures::container("c", 0, Status::Created);
        assert!(find(&engine, "none").unwrap().is_of(&alone) && !known.is_of(&alone));
    }
}
