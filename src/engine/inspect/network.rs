//! What `inspect` says about a container's networks and ports, with docker's names.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Serialize;

use crate::spec::container::ContainerConfig;
use crate::spec::namespaces::{Member, NetworkMode};
use crate::spec::network::Joined;
use crate::spec::network::{self, PublishedPort};
use crate::state::Container;

/// `NetworkSettings`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NetworkSettings {
    bridge: &'static str,
    #[serde(rename = "SandboxID")]
    sandbox_id: &'static str,
    sandbox_key: String,
    ports: Bindings,
    hairpin_mode: bool,
    #[serde(rename = "LinkLocalIPv6Address")]
    link_local_ipv6_address: &'static str,
    #[serde(rename = "LinkLocalIPv6PrefixLen")]
    link_local_ipv6_prefix_len: u8,
    #[serde(rename = "SecondaryIPAddresses")]
    secondary_ip_addresses: Option<[(); 0]>,
    #[serde(rename = "SecondaryIPv6Addresses")]
    secondary_ipv6_addresses: Option<[(); 0]>,
    #[serde(rename = "EndpointID")]
    endpoint_id: String,
    gateway: String,
    #[serde(rename = "GlobalIPv6Address")]
    global_ipv6_address: String,
    #[serde(rename = "GlobalIPv6PrefixLen")]
    global_ipv6_prefix_len: u8,
    #[serde(rename = "IPAddress")]
    ip_address: String,
    #[serde(rename = "IPPrefixLen")]
    ip_prefix_len: u8,
    #[serde(rename = "IPv6Gateway")]
    ipv6_gateway: String,
    mac_address: String,
    networks: BTreeMap<String, Endpoint>,
}

/// From `80/tcp` to where it is published; null for a port that is only exposed.
pub(super) type Bindings = BTreeMap<String, Option<Vec<Binding>>>;

/// One end of a published port on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Binding {
    host_ip: String,
    host_port: String,
}

#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Endpoint {
    #[serde(rename = "IPAMConfig")]
    ipam_config: Option<IpamConfig>,
    links: Option<Vec<String>>,
    aliases: Option<Vec<String>>,
    mac_address: String,
    driver_opts: Option<BTreeMap<&'static str, String>>,
    gw_priority: i32,
    #[serde(rename = "NetworkID")]
    network_id: String,
    #[serde(rename = "EndpointID")]
    endpoint_id: String,
    gateway: String,
    #[serde(rename = "IPAddress")]
    ip_address: String,
    #[serde(rename = "IPPrefixLen")]
    ip_prefix_len: u8,
    #[serde(rename = "IPv6Gateway")]
    ipv6_gateway: String,
    #[serde(rename = "GlobalIPv6Address")]
    global_ipv6_address: String,
    #[serde(rename = "GlobalIPv6PrefixLen")]
    global_ipv6_prefix_len: u8,
    #[serde(rename = "DNSNames")]
    dns_names: Option<Vec<String>>,
}

#[derive(Debug, Clone, Default, Serialize)]
struct IpamConfig {
    #[serde(rename = "IPv4Address", skip_serializing_if = "Option::is_none")]
    ipv4: Option<Ipv4Addr>,
    #[serde(rename = "IPv6Address", skip_serializing_if = "Option::is_none")]
    ipv6: Option<Ipv6Addr>,
}

/// Of a container as it is now. Pure.
pub(super) fn settings(container: &Container) -> NetworkSettings {
    let config = &container.config;
    let pid = container.status.pid().filter(|_| config.namespaces.network.is_own());
    let sandbox_key = pid.map_or(String::new(), |pid| format!("/proc/{pid}/ns/net"));
    let joined = container.joined.as_ref();
    let networks: BTreeMap<String, Endpoint> = match &config.namespaces.network {
        NetworkMode::Networks(members) => members
            .iter()
            .map(|member| {
                let given = joined.and_then(|joined| joined.endpoints.iter().find(|e| e.network == member.network));
                (member.network.to_string(), endpoint(container, member, given))
            })
            .collect(),
        other => other.networks().into_iter().map(|name| (name.to_owned(), Endpoint::default())).collect(),
    };
    let first = config.namespaces.network.members().first().and_then(|member| networks.get(member.network.as_str()));
    let first = first.cloned().unwrap_or_default();
    NetworkSettings {
        bridge: "",
        sandbox_id: "",
        sandbox_key,
        ports: joined.map(|joined| published(config, joined)).unwrap_or_default(),
        hairpin_mode: false,
        link_local_ipv6_address: "",
        link_local_ipv6_prefix_len: 0,
        secondary_ip_addresses: None,
        secondary_ipv6_addresses: None,
        endpoint_id: first.endpoint_id,
        ip_address: first.ip_address,
        ip_prefix_len: first.ip_prefix_len,
        gateway: first.gateway,
        global_ipv6_address: first.global_ipv6_address,
        global_ipv6_prefix_len: first.global_ipv6_prefix_len,
        ipv6_gateway: first.ipv6_gateway,
        mac_address: first.mac_address,
        networks,
    }
}

fn endpoint(container: &Container, member: &Member, given: Option<&network::Endpoint>) -> Endpoint {
    let wish = &member.wish;
    let asked = wish.ipv4.is_some() || wish.ipv6.is_some();
    // What is so while it runs, whoever said it; otherwise what was asked for.
    let reached = given.filter(|given| given.host_loopback).map(|_| true).or(wish.host_loopback);
    let wished = Endpoint {
        ipam_config: asked.then_some(IpamConfig { ipv4: wish.ipv4, ipv6: wish.ipv6 }),
        aliases: Some(wish.aliases.clone()).filter(|aliases| !aliases.is_empty()),
        mac_address: wish.mac.map(|mac| mac.to_string()).unwrap_or_default(),
        driver_opts: reached.map(|reached| BTreeMap::from([("host-loopback", reached.to_string())])),
        ..Endpoint::default()
    };
    let Some(given) = given else { return wished };
    let text = |address: Option<IpAddr>| address.map(|address| address.to_string()).unwrap_or_default();
    let mut names = vec![container.name.to_string()];
    names.extend(wish.aliases.iter().cloned());
    names.push(container.config.id.short().to_owned());
    names.dedup();
    Endpoint {
        mac_address: given.mac.to_string(),
        network_id: given.network_id.to_string(),
        endpoint_id: container.config.id.to_string(),
        gateway: text(given.gateway4.map(IpAddr::from)),
        ip_address: text(given.ipv4.map(|net| net.addr().into())),
        ip_prefix_len: given.ipv4.map_or(0, |net| net.prefix_len()),
        ipv6_gateway: text(given.gateway6.map(IpAddr::from)),
        global_ipv6_address: text(given.ipv6.map(|net| net.addr().into())),
        global_ipv6_prefix_len: given.ipv6.map_or(0, |net| net.prefix_len()),
        dns_names: Some(names),
        ..wished
    }
}

/// `NetworkSettings.Ports`.
fn published(config: &ContainerConfig, joined: &Joined) -> Bindings {
    // A range that is exposed stands there port by port, as with docker.
    let singles = |entry: &String| match network::exposed(entry) {
        ports if ports.is_empty() => vec![entry.clone()],
        ports => ports.iter().map(PublishedPort::container).collect(),
    };
    let mut bindings: Bindings = config.networking.exposed.iter().flat_map(singles).map(|port| (port, None)).collect();
    for port in joined.reachable_ports() {
        let ends = bindings.entry(port.container()).or_default().get_or_insert_default();
        ends.extend(host_addresses(port).into_iter().map(|ip| binding(ip.to_string(), port.host_port)));
    }
    bindings
}

/// `HostConfig.PortBindings`: as asked.
pub(super) fn asked(config: &ContainerConfig) -> Bindings {
    let mut bindings = Bindings::new();
    for publish in &config.networking.ports {
        let ends = bindings.entry(publish.port.container()).or_default().get_or_insert_default();
        let ip = publish.port.host_ip.map(|ip| ip.to_string()).unwrap_or_default();
        ends.push(match publish.port.host_port {
            0 => Binding { host_ip: ip, host_port: String::new() },
            port if publish.last_host_port > port => {
                Binding { host_ip: ip, host_port: format!("{port}-{}", publish.last_host_port) }
            }
            port => binding(ip, port),
        });
    }
    bindings
}

fn binding(host_ip: String, port: u16) -> Binding {
    Binding { host_ip, host_port: port.to_string() }
}

/// Where a published port is listened on: both wildcards when nothing else was said.
pub fn host_addresses(port: &PublishedPort) -> Vec<IpAddr> {
    match port.host_ip {
        Some(ip) => vec![ip],
        None => vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::engine::fixtures::container as fixture;
    use crate::spec::network::{Protocol, Publish, Wish};

    #[test]
    fn a_container_on_a_network() {
        let mut web =
            fixture("web", 10, crate::state::Status::Running { started: jiff::Timestamp::UNIX_EPOCH, pid: 7 });
        let wish = Wish { ipv4: Some([10, 0, 0, 5].into()), aliases: vec!["front".into()], ..Wish::default() };
        web.config.namespaces.network = NetworkMode::Networks(vec![Member { network: "shop".parse().unwrap(), wish }]);
        web.config.networking.exposed = vec!["443/tcp".into(), "80/tcp".into()];
        let port = PublishedPort { host_ip: None, host_port: 8080, container_port: 80, protocol: Protocol::Tcp };
        web.config.networking.ports = vec![Publish { port: port.clone(), last_host_port: 8090 }];
        web.joined = Some(Joined {
            endpoints: vec![network::Endpoint {
                network: "shop".parse().unwrap(),
                network_id: "cd".repeat(32).parse().unwrap(),
                interface: "eth0".into(),
                mac: "02:42:0a:00:00:05".parse().unwrap(),
                ipv4: Some("10.0.0.5/24".parse().unwrap()),
                ipv6: None,
                gateway4: Some([10, 0, 0, 1].into()),
                gateway6: None,
                aliases: vec!["front".into()],
                host_loopback: true,
            }],
            ports: vec![port],
            resolvers: Vec::new(),
            host_gateway: None,
        });
        let value = serde_json::to_value(settings(&web)).unwrap();
        for (pointer, expected) in [
            ("/SandboxKey", json!("/proc/7/ns/net")),
            ("/IPAddress", json!("10.0.0.5")),
            ("/Ports/443~1tcp", json!(null)),
            (
                "/Ports/80~1tcp",
                json!([{"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "::", "HostPort": "8080"}]),
            ),
            ("/Networks/shop/IPAddress", json!("10.0.0.5")),
            ("/Networks/shop/IPPrefixLen", json!(24)),
            ("/Networks/shop/Gateway", json!("10.0.0.1")),
            ("/Networks/shop/MacAddress", json!("02:42:0a:00:00:05")),
            ("/Networks/shop/IPAMConfig/IPv4Address", json!("10.0.0.5")),
            ("/Networks/shop/Aliases", json!(["front"])),
            ("/Networks/shop/DriverOpts", json!({"host-loopback": "true"})),
            ("/Networks/shop/DNSNames", json!(["web", "front", web.config.id.short()])),
        ] {
            assert_eq!(value.pointer(pointer), Some(&expected), "{pointer}");
        }
        let bindings = serde_json::to_value(asked(&web.config)).unwrap();
        assert_eq!(bindings, json!({"80/tcp": [{"HostIp": "", "HostPort": "8080-8090"}]}));
        web.joined = None;
        let stopped = serde_json::to_value(settings(&web)).unwrap();
        assert_eq!(stopped.pointer("/Networks/shop/IPAddress"), Some(&json!("")));
        assert_eq!(stopped.pointer("/Networks/shop/IPAMConfig/IPv4Address"), Some(&json!("10.0.0.5")));
        assert_eq!(stopped.pointer("/Ports"), Some(&json!({})));
    }
}
