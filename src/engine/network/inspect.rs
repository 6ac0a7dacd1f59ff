//! What `network inspect` says, in docker's shape and in podman's.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

use super::{Engine, Known, containers, endpoint_id, find};
use crate::base::{Result, time};
use crate::spec::network::{DEFAULT, Endpoint, Network, Subnet};
use crate::spec::range::AddressRange;
use crate::state::Container;

/// What is sent in one packet when nothing else was asked for, in bytes.
const MTU: u32 = 1500;

/// docker's object.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Report {
    name: String,
    id: String,
    created: String,
    scope: &'static str,
    driver: &'static str,
    #[serde(rename = "EnableIPv4")]
    ipv4: bool,
    #[serde(rename = "EnableIPv6")]
    ipv6: bool,
    #[serde(rename = "IPAM")]
    ipam: Ipam,
    internal: bool,
    attachable: bool,
    ingress: bool,
    config_from: ConfigFrom,
    config_only: bool,
    containers: BTreeMap<String, Attached>,
    options: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Ipam {
    driver: &'static str,
    options: Option<BTreeMap<String, String>>,
    config: Vec<IpamConfig>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct IpamConfig {
    subnet: IpNet,
    #[serde(rename = "IPRange", skip_serializing_if = "Option::is_none")]
    range: Option<AddressRange>,
    gateway: IpAddr,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ConfigFrom {
    network: &'static str,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Attached {
    name: String,
    #[serde(rename = "EndpointID")]
    endpoint_id: String,
    mac_address: String,
    #[serde(rename = "IPv4Address")]
    ipv4: String,
    #[serde(rename = "IPv6Address")]
    ipv6: String,
}

/// podman's object.
#[derive(Debug, Clone, Serialize)]
pub struct PodmanReport {
    name: String,
    id: String,
    driver: &'static str,
    network_interface: String,
    created: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subnets: Vec<PodmanSubnet>,
    ipv6_enabled: bool,
    internal: bool,
    dns_enabled: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    network_dns_servers: Vec<IpAddr>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    options: BTreeMap<String, String>,
    ipam_options: BTreeMap<&'static str, &'static str>,
    containers: BTreeMap<String, PodmanAttached>,
}

#[derive(Debug, Clone, Serialize)]
struct PodmanSubnet {
    subnet: IpNet,
    gateway: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_range: Option<Range>,
}

#[derive(Debug, Clone, Serialize)]
struct Range {
    start_ip: IpAddr,
    end_ip: IpAddr,
}

#[derive(Debug, Clone, Serialize)]
struct PodmanAttached {
    name: String,
    interfaces: BTreeMap<String, Interface>,
}

#[derive(Debug, Clone, Serialize)]
struct Interface {
    subnets: Vec<InterfaceSubnet>,
    mac_address: String,
}

#[derive(Debug, Clone, Serialize)]
struct InterfaceSubnet {
    ipnet: IpNet,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
}

/// Everything about a network, as docker tells it.
pub fn inspect(engine: &Engine, asked: &str) -> Result<Report> {
    let known = find(engine, asked)?;
    Ok(report(&known, &containers(engine)?))
}

/// Everything about a network, as podman tells it.
pub fn inspect_for_podman(engine: &Engine, asked: &str) -> Result<PodmanReport> {
    let known = find(engine, asked)?;
    Ok(podman_report(&known, &containers(engine)?))
}

/// podman's objects of networks that were listed.
pub fn for_podman(engine: &Engine, listed: &[Known]) -> Result<Vec<PodmanReport>> {
    let containers = containers(engine)?;
    Ok(listed.iter().map(|known| podman_report(known, &containers)).collect())
}

fn report(known: &Known, containers: &[Container]) -> Report {
    let network = known.network.as_ref();
    let attached = |container: &Container| {
        let endpoint = endpoint_on(known, container);
        let text = |net: Option<String>| net.unwrap_or_default();
        let attached = Attached {
            name: container.name.to_string(),
            endpoint_id: endpoint_id(&container.config.id),
            mac_address: text(endpoint.map(|endpoint| endpoint.mac.to_string())),
            ipv4: text(endpoint.and_then(|endpoint| endpoint.ipv4).map(|net| net.to_string())),
            ipv6: text(endpoint.and_then(|endpoint| endpoint.ipv6).map(|net| net.to_string())),
        };
        (container.config.id.to_string(), attached)
    };
    Report {
        name: known.name.clone(),
        id: known.id.clone(),
        created: time::rfc3339(known.created),
        scope: "local",
        driver: known.driver,
        ipv4: network.is_none_or(|network| has(network, IpAddr::is_ipv4)),
        ipv6: network.is_some_and(|network| has(network, IpAddr::is_ipv6)),
        ipam: Ipam {
            driver: "default",
            options: network.filter(|_| !known.is_builtin()).map(|_| BTreeMap::new()),
            config: network.into_iter().flat_map(|network| &network.subnets).map(ipam_config).collect(),
        },
        internal: network.is_some_and(|network| network.internal),
        attachable: false,
        ingress: false,
        config_from: ConfigFrom { network: "" },
        config_only: false,
        containers: containers.iter().filter(|container| known.is_used_by(container)).map(attached).collect(),
        options: network.map(options).unwrap_or_default(),
        labels: network.map(|network| network.labels.clone()).unwrap_or_default(),
    }
}

/// As given; docker's default network tells what it is.
fn options(network: &Network) -> BTreeMap<String, String> {
    let mut options = network.options.clone();
    if network.name.as_str() == DEFAULT {
        let mtu = network.mtu.unwrap_or(MTU).to_string();
        for (key, value) in [("bridge.default_bridge", "true"), ("driver.mtu", mtu.as_str())] {
            options.insert(format!("com.docker.network.{key}"), value.to_owned());
        }
    }
    options
}

fn ipam_config(subnet: &Subnet) -> IpamConfig {
    IpamConfig { subnet: subnet.net, range: subnet.range, gateway: subnet.gateway }
}

fn podman_report(known: &Known, containers: &[Container]) -> PodmanReport {
    let network = known.network.as_ref();
    let attached = |container: &Container| {
        let interfaces = endpoint_on(known, container).into_iter();
        let attached = PodmanAttached {
            name: container.name.to_string(),
            interfaces: interfaces.map(|endpoint| (endpoint.interface.clone(), interface(endpoint))).collect(),
        };
        (container.config.id.to_string(), attached)
    };
    PodmanReport {
        name: known.name.clone(),
        id: known.id.clone(),
        driver: known.driver,
        network_interface: network.map(|network| format!("br-{}", network.id.short())).unwrap_or_default(),
        created: time::rfc3339(known.created),
        subnets: network.into_iter().flat_map(|network| &network.subnets).map(podman_subnet).collect(),
        ipv6_enabled: network.is_some_and(|network| has(network, IpAddr::is_ipv6)),
        internal: network.is_some_and(|network| network.internal),
        dns_enabled: network.is_some_and(|network| network.dns),
        network_dns_servers: network.map(|network| network.dns_servers.clone()).unwrap_or_default(),
        labels: network.map(|network| network.labels.clone()).unwrap_or_default(),
        options: network.map(|network| network.options.clone()).unwrap_or_default(),
        ipam_options: [("driver", if network.is_some() { "host-local" } else { "none" })].into(),
        containers: containers.iter().filter(|container| known.is_used_by(container)).map(attached).collect(),
    }
}

fn podman_subnet(subnet: &Subnet) -> PodmanSubnet {
    let range = |range: AddressRange| Range { start_ip: range.first(), end_ip: range.last() };
    PodmanSubnet { subnet: subnet.net, gateway: subnet.gateway, lease_range: subnet.range.map(range) }
}

fn interface(endpoint: &Endpoint) -> Interface {
    let ipv4 = endpoint.ipv4.map(|net| (IpNet::V4(net), endpoint.gateway4.map(IpAddr::V4)));
    let ipv6 = endpoint.ipv6.map(|net| (IpNet::V6(net), endpoint.gateway6.map(IpAddr::V6)));
    let subnets = ipv4.into_iter().chain(ipv6).map(|(ipnet, gateway)| InterfaceSubnet { ipnet, gateway });
    Interface { subnets: subnets.collect(), mac_address: endpoint.mac.to_string() }
}

fn endpoint_on<'a>(known: &Known, container: &'a Container) -> Option<&'a Endpoint> {
    container.joined.as_ref()?.endpoints.iter().find(|endpoint| endpoint.network_id.as_str() == known.id)
}

fn has(network: &Network, family: fn(&IpAddr) -> bool) -> bool {
    network.subnets.iter().any(|subnet| family(&subnet.gateway))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::member;
    use super::*;
    use crate::engine::fixtures;
    use crate::net::networks::{Networks, NewNetwork};

    #[test]
    fn both_shapes_tell_the_same() {
        let (engine, _scratch) = fixtures::engine();
        let new = NewNetwork {
            subnets: vec!["172.18.0.0/16".parse().unwrap()],
            ranges: vec!["172.18.5.0/24".parse().unwrap()],
            internal: true,
            labels: [("app".into(), "shop".into())].into(),
            ..NewNetwork::named("web".parse().unwrap())
        };
        let network = Networks::new(&engine.paths).create(&new).unwrap();
        let known = find(&engine, "web").unwrap();
        let containers = [member("front", &[&network], true), member("idle", &[&network], false)];
        let id = containers[0].config.id.as_str();
        let docker = serde_json::to_value(report(&known, &containers)).unwrap();
        for (pointer, value) in [
            ("/Name", json!("web")),
            ("/Id", json!(network.id.as_str())),
            ("/Scope", json!("local")),
            ("/Driver", json!("bridge")),
            ("/EnableIPv4", json!(true)),
            ("/EnableIPv6", json!(false)),
            ("/IPAM/Driver", json!("default")),
            ("/IPAM/Options", json!({})),
            ("/IPAM/Config", json!([{"Subnet": "172.18.0.0/16", "IPRange": "172.18.5.0/24", "Gateway": "172.18.0.1"}])),
            ("/Internal", json!(true)),
            ("/ConfigFrom/Network", json!("")),
            ("/Options", json!({})),
            ("/Labels/app", json!("shop")),
        ] {
            assert_eq!(docker.pointer(pointer), Some(&value), "{pointer}");
        }
        let attached = json!({"Name": "front", "EndpointID": id, "MacAddress": "02:42:ac:12:00:02", "IPv4Address": "172.18.0.2/16", "IPv6Address": ""});
        assert_eq!(docker["Containers"], json!({ id: attached }));
        let podman = serde_json::to_value(podman_report(&known, &containers)).unwrap();
        assert_eq!(
            podman["subnets"],
            json!([{"subnet": "172.18.0.0/16", "gateway": "172.18.0.1", "lease_range": {"start_ip": "172.18.5.0", "end_ip": "172.18.5.255"}}])
        );
        let interface = json!({"subnets": [{"ipnet": "172.18.0.2/16", "gateway": "172.18.0.1"}], "mac_address": "02:42:ac:12:00:02"});
        assert_eq!(podman["containers"], json!({ id: {"name": "front", "interfaces": {"eth0": interface}} }));
        assert_eq!((&podman["internal"], &podman["dns_enabled"]), (&json!(true), &json!(true)));
    }

    #[test]
    fn what_is_there_without_a_definition() {
        let (engine, _scratch) = fixtures::engine();
        let host = serde_json::to_value(inspect(&engine, "host").unwrap()).unwrap();
        assert_eq!((&host["Driver"], &host["IPAM"]["Config"]), (&json!("host"), &json!([])));
        let bridge = serde_json::to_value(inspect(&engine, "bridge").unwrap()).unwrap();
        assert_eq!(bridge["Options"]["com.docker.network.bridge.default_bridge"], json!("true"));
        assert_eq!((&bridge["IPAM"]["Options"], &bridge["EnableIPv6"]), (&json!(null), &json!(true)));
        let none = serde_json::to_value(inspect_for_podman(&engine, "none").unwrap()).unwrap();
        assert_eq!((&none["driver"], &none["ipam_options"]["driver"]), (&json!("null"), &json!("none")));
    }
}
