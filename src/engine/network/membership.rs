//! `network connect` and `network disconnect`: the networks of a container change. A running one is asked for by its
//! supervisor, which changes interfaces and records; of one that does not run only the record is changed.

use std::time::Duration;

use super::Engine;
use crate::base::id::Name;
use crate::base::{ContainerId, Error, Kind, Result, text, trace};
use crate::engine::settings::demand;
use crate::net::networks::Networks;
use crate::spec::container::ContainerConfig;
use crate::spec::namespaces::{Member, NetworkMode};
use crate::spec::network::{Network, Wish};
use crate::spec::settings::Settings;
use crate::state::durability;
use crate::supervise::protocol::{NetworkChange, Request};

/// How long a container may be in the course of being started or stopped.
const PATIENCE: Duration = Duration::from_secs(5);

/// Adds a network to a container.
pub fn connect(engine: &Engine, network: &str, container: &str, wish: &Wish) -> Result<()> {
    let id = engine.containers().find(container)?;
    if network == "host" {
        return Err(Error::conflict("container cannot be disconnected from host network or connected to host network"));
    }
    if network == "none" {
        return Err(Error::conflict(
            "container cannot be connected to multiple networks with one of the networks in private (none) mode",
        ));
    }
    let network = Networks::new(&engine.paths).find(network)?;
    refuse_foreign_addresses(&network, wish)?;
    change(engine, &id, &NetworkChange::Connect(Member { network: network.name, wish: wish.clone() }))
}

/// Takes a network away from a container.
pub fn disconnect(engine: &Engine, network: &str, container: &str) -> Result<()> {
    let id = engine.containers().find(container)?;
    if network == "host" {
        return Err(Error::conflict("container cannot be disconnected from host network or connected to host network"));
    }
    let name = match Networks::new(&engine.paths).find(network) {
        Ok(network) => network.name,
        // Its definition may be gone while a container still has it.
        Err(error) if error.kind() == Kind::NotFound => network.parse::<Name>().map_err(|_| error)?,
        Err(error) => return Err(error),
    };
    change(engine, &id, &NetworkChange::Disconnect(name))
}

/// Has the supervisor make the change, or makes it in the record when there is none. A container that is just being
/// started or stopped is waited for.
fn change(engine: &Engine, id: &ContainerId, change: &NetworkChange) -> Result<()> {
    let containers = engine.containers();
    let changed = containers.until(id, PATIENCE, |watch| {
        if let Some(socket) = crate::supervise::connect(&engine.paths.container_socket(id))? {
            trace::step(|| format!("asks the supervisor of {}: {change:?}", id.short()));
            if demand(&socket, &Request::ChangeNetwork(change.clone()))?.is_some() {
                return Ok(Some(()));
            }
            // It has gone without an answer: what has become of the container is looked up.
        }
        let Some(guard) = watch.guard()? else { return Ok(None) };
        if containers.state(id)?.is_some_and(|state| state.status().is_running()) {
            return Err(Error::conflict(format!("the supervisor of container `{}` is gone", id.short()))
                .hint(format!("stop the container with `coracle stop {}` and start it again", id.short())));
        }
        trace::step(|| format!("{} does not run: changes its record", id.short()));
        let mut config = containers.config(id)?;
        apply(&mut config, change)?;
        let networks = Some(config.namespaces.network.members().to_vec());
        let settings = Settings { networks, ..containers.settings(id)? };
        containers.set_settings(&guard, &settings, durability(&config)).map(Some)
    });
    changed?.ok_or_else(|| {
        Error::conflict(format!("container `{}` is being changed by another command", id.short()))
            .hint("try again in a moment")
    })
}

/// Changes the record of a container that does not run.
fn apply(config: &mut ContainerConfig, change: &NetworkChange) -> Result<()> {
    let name = &config.name;
    let members = match &mut config.namespaces.network {
        NetworkMode::Networks(members) => members,
        NetworkMode::None => {
            return Err(Error::conflict(
                "container cannot be connected to multiple networks with one of the networks in private (none) mode",
            )
            .hint(format!("container `{name}` was created with `--network none`")));
        }
        _ => {
            return Err(Error::conflict(
                "container sharing network namespace with another container or host cannot be connected to any other network",
            )
            .hint(format!("container `{name}` was created with `--network {}`", config.namespaces.network.name())));
        }
    };
    match change {
        NetworkChange::Connect(member) if members.iter().any(|other| other.network == member.network) => {
            Err(Error::conflict(format!("endpoint with name {name} already exists in network {}", member.network)))
        }
        NetworkChange::Connect(member) => {
            members.push(member.clone());
            Ok(())
        }
        NetworkChange::Disconnect(network) => {
            let before = members.len();
            members.retain(|member| member.network != *network);
            match members.len() < before {
                true => Ok(()),
                false => Err(Error::not_found(format!(
                    "container {} is not connected to network {network}",
                    config.id.short()
                ))),
            }
        }
    }
}

/// Addresses that the network does not have are refused at once, not when the container is started.
fn refuse_foreign_addresses(network: &Network, wish: &Wish) -> Result<()> {
    let addresses = wish.ipv4.map(std::net::IpAddr::V4).into_iter().chain(wish.ipv6.map(std::net::IpAddr::V6));
    for address in addresses {
        if !network.subnets.iter().any(|subnet| subnet.net.contains(&address)) {
            let subnets: Vec<String> = network.subnets.iter().map(|subnet| subnet.net.to_string()).collect();
            return Err(Error::usage(format!(
                "invalid endpoint settings: no configured subnet contains IP address {address}"
            ))
            .hint(format!(
                "network `{}` has {}",
                text::clean(network.name.as_str()),
                subnets.join(" and ")
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures;
    use crate::net::networks::NewNetwork;
    use crate::state::Status;

    fn member(name: &str) -> Member {
        Member { network: name.parse().unwrap(), wish: Wish::default() }
    }

    #[test]
    fn records_change_as_docker_allows_it() {
        let mut config = fixtures::container("web", 0, Status::Created).config;
        config.namespaces.network = NetworkMode::Networks(vec![member("front")]);
        let connect = |name: &str| NetworkChange::Connect(member(name));
        let disconnect = |name: &str| NetworkChange::Disconnect(name.parse().unwrap());
        apply(&mut config, &connect("back")).unwrap();
        let again = apply(&mut config, &connect("back")).unwrap_err();
        assert_eq!(again.message(), "endpoint with name web already exists in network back");
        apply(&mut config, &disconnect("front")).unwrap();
        apply(&mut config, &disconnect("back")).unwrap();
        assert_eq!(config.namespaces.network, NetworkMode::Networks(Vec::new()));
        let absent = apply(&mut config, &disconnect("back")).unwrap_err();
        assert_eq!(absent.message(), "container 776562000000 is not connected to network back");
        apply(&mut config, &connect("front")).unwrap();
        for mode in [NetworkMode::None, NetworkMode::Host, NetworkMode::Path("/x".into())] {
            config.namespaces.network = mode;
            assert_eq!(apply(&mut config, &connect("front")).unwrap_err().kind(), Kind::Conflict);
        }
    }

    #[test]
    fn addresses_of_elsewhere_are_refused_at_once() {
        let (engine, _scratch) = fixtures::engine();
        let new =
            NewNetwork { subnets: vec!["10.7.0.0/24".parse().unwrap()], ..NewNetwork::named("web".parse().unwrap()) };
        let network = Networks::new(&engine.paths).create(&new).unwrap();
        let wish = |address: &str| Wish { ipv4: Some(address.parse().unwrap()), ..Wish::default() };
        refuse_foreign_addresses(&network, &wish("10.7.0.9")).unwrap();
        let error = refuse_foreign_addresses(&network, &wish("10.8.0.9")).unwrap_err();
        assert_eq!(error.message(), "invalid endpoint settings: no configured subnet contains IP address 10.8.0.9");
        let wish = Wish { ipv6: Some("fd00::9".parse().unwrap()), ..Wish::default() };
        assert!(refuse_foreign_addresses(&network, &wish).is_err());
    }
}
