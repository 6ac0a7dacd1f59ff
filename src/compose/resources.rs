//! The networks and volumes of a project as the engine's requests, and whether those that are there are the project's. Pure.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::labels;
use super::node::Node;
use super::print;
use super::read::{pairs, placed, switch, text};
use crate::base::{Error, Result};
use crate::engine::network::create::NewNetwork;
use crate::engine::volume::CreateRequest;
use crate::spec::range::AddressRange;

/// docker's key for the size of packets.
const MTU: &str = "com.docker.network.driver.mtu";

/// The key under which the host's loopback can be reached.
const HOST_LOOPBACK: &str = "host-loopback";

/// A digest of a network's definition: one whose label has another was made of another file.
pub fn network_hash(network: &Node) -> String {
    let digest = Sha256::digest(print::yaml_by_alphabet(network));
    crate::base::id::hex(&digest)
}

/// The request for a network of a project.
///
/// # Errors
///
/// With the place of what cannot be done.
pub fn network(project: &str, key: &str, network: &Node) -> Result<NewNetwork> {
    let wrong = |what: &str, error: &Error| placed(network, &format!("networks.{key}.{what}"), error);
    match text(network, "driver").as_deref() {
        None | Some("bridge" | "default") => {}
        Some(driver) => {
            let error =
                Error::unsupported(format!("there is no network driver `{}`", crate::base::text::clean(driver))).hint(
                    "leave `driver` out: networks are bridges; `network_mode: host` is the machine's own network",
                );
            return Err(wrong("driver", &error));
        }
    }
    let name = text(network, "name").unwrap_or_else(|| format!("{project}_{key}"));
    let mut new = NewNetwork::named(name.parse().map_err(|error| wrong("name", &error))?);
    new.internal = network.is_true("internal");
    new.ipv4 = switch(network, "enable_ipv4").unwrap_or(true);
    new.ipv6 = switch(network, "enable_ipv6").unwrap_or(false);
    new.labels = labels::of_resource(project, labels::NETWORK, key, network);
    new.labels.insert(labels::CONFIG_HASH.into(), network_hash(network));
    for (option, value) in pairs(network, "driver_opts") {
        match option.as_str() {
            MTU | "mtu" => {
                let mtu = value.parse().map_err(|_| Error::usage(format!("`{value}` is no number of bytes")));
                new.mtu = Some(mtu.map_err(|error| wrong("driver_opts", &error))?);
            }
            HOST_LOOPBACK => new.host_loopback = Some(value == "true"),
            "isolate" => new.isolate = value == "true",
            // They mean something on a bridge of the host, which there is none of here.
            option if option.starts_with("com.docker.network.") => {}
            option => {
                let error = Error::unsupported(format!("unknown option `{}`", crate::base::text::clean(option)));
                return Err(wrong("driver_opts", &error));
            }
        }
        new.options.insert(option, value);
    }
    addresses(&mut new, network).map_err(|error| wrong("ipam", &error))?;
    Ok(new)
}

fn addresses(new: &mut NewNetwork, network: &Node) -> Result<()> {
    let Some(ipam) = network.get("ipam") else { return Ok(()) };
    if let Some(driver) = text(ipam, "driver").filter(|driver| driver != "default") {
        return Err(Error::unsupported(format!("there is no driver `{}`", crate::base::text::clean(&driver))));
    }
    for pool in ipam.get("config").map(Node::items).unwrap_or_default() {
        let bad = |key: &str, given: &str| {
            Error::usage(format!("{key}: `{}` is not what it should be", crate::base::text::clean(given)))
        };
        if let Some(subnet) = text(pool, "subnet") {
            let net: ipnet::IpNet = subnet.parse().map_err(|_| bad("subnet", &subnet))?;
            new.ipv6 |= net.addr().is_ipv6();
            new.subnets.push(net);
        }
        if let Some(gateway) = text(pool, "gateway") {
            new.gateways.push(gateway.parse().map_err(|_| bad("gateway", &gateway))?);
        }
        if let Some(range) = text(pool, "ip_range") {
            new.ranges.push(range.parse::<AddressRange>().map_err(|_| bad("ip_range", &range))?);
        }
        if !pairs(pool, "aux_addresses").is_empty() {
            return Err(
                Error::unsupported("`aux_addresses` is not supported").hint("keep addresses free with `ip_range`")
            );
        }
    }
    Ok(())
}

/// The request for a volume of a project.
///
/// # Errors
///
/// With the place of what cannot be done.
pub fn volume(project: &str, key: &str, volume: &Node) -> CreateRequest {
    CreateRequest {
        name: Some(text(volume, "name").unwrap_or_else(|| format!("{project}_{key}"))),
        driver: text(volume, "driver").unwrap_or_default(),
        labels: labels::of_resource(project, labels::VOLUME, key, volume),
        options: pairs(volume, "driver_opts"),
    }
}

/// What is wrong with using a network or volume that is there.
pub fn foreign(kind: &str, name: &str, project: &str, theirs: &BTreeMap<String, String>) -> Option<String> {
    match theirs.get(labels::PROJECT).map(String::as_str) {
        Some(owner) if owner == project => None,
        Some(owner) => Some(format!(
            "{kind} \"{name}\" already exists but was created for project \"{owner}\" (expected \"{project}\"). Use `external: true` to use an existing {kind}"
        )),
        None => Some(format!(
            "{kind} \"{name}\" already exists but was not created by Docker Compose. Use `external: true` to use an existing {kind}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::fixtures::project;

    #[test]
    fn networks_and_volumes_become_requests() {
        let project = project(
            "services: {web: {image: i, networks: [back], volumes: ['data:/d']}}\nnetworks:\n  back:\n    internal: true\n    driver_opts: {com.docker.network.driver.mtu: 1400}\n    ipam: {config: [{subnet: 10.5.0.0/16, gateway: 10.5.0.9, ip_range: 10.5.1.0/24}]}\nvolumes: {data: {labels: {a: b}}}\n",
        );
        let (_, back) = project.model.entries("networks").next().unwrap();
        let new = network("p", "back", back).unwrap();
        assert_eq!((new.name.as_str(), new.internal, new.mtu, new.ipv6), ("p_back", true, Some(1400), false));
        assert_eq!(new.subnets, ["10.5.0.0/16".parse().unwrap()]);
        assert_eq!(new.labels["com.docker.compose.network"], "back");
        let (_, data) = project.model.entries("volumes").next().unwrap();
        let request = volume("p", "data", data);
        assert_eq!((request.name.as_deref(), request.labels["a"].as_str()), (Some("p_data"), "b"));
        assert!(foreign("network", "p_back", "p", &new.labels).is_none());
        assert!(foreign("network", "p_back", "q", &new.labels).unwrap().contains("project \"p\""));
        assert!(foreign("volume", "x", "q", &BTreeMap::new()).unwrap().contains("not created by"));
    }

    #[test]
    fn what_networks_cannot_be_is_refused() {
        for definition in
            ["driver: overlay", "ipam: {config: [{subnet: x}]}", "driver_opts: {frob: 1}", "ipam: {driver: dhcp}"]
        {
            let project = project(&format!(
                "services: {{web: {{image: i, networks: [n]}}}}\nnetworks: {{n: {{{definition}}}}}\n"
            ));
            let (_, node) = project.model.entries("networks").next().unwrap();
            let error = network("p", "n", node).unwrap_err();
            assert!(error.message().contains("/p/compose.yaml:2:"), "{error}");
        }
    }
}
