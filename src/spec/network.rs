//! What networks, their members and published ports are, as plain values: in records, in messages, in tables.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::range::AddressRange;
use crate::base::id::Name;
use crate::base::{ContainerId, Error, Result, text};

/// The newest record format this program reads and the one it writes.
pub const FORMAT: u32 = 1;

/// The name of the network that containers get without being asked.
pub const DEFAULT: &str = "bridge";

/// The most ports that one container publishes: each takes a listening socket or two.
pub const MAX_PORTS: usize = 2048;

/// A network that containers can join: what `network create` decides and never changes afterwards, but for what
/// `network update` may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// [`FORMAT`] of the writer.
    pub format: u32,
    /// 64 hexadecimal digits.
    pub id: ContainerId,
    /// Unique.
    pub name: Name,
    /// When it was created.
    pub created: Timestamp,
    /// At most one of each family, IPv4 first.
    pub subnets: Vec<Subnet>,
    /// No way out and no published ports: its members see each other alone.
    pub internal: bool,
    /// Members of other networks cannot reach this one. docker isolates all networks from each other; podman only on request.
    pub isolate: bool,
    /// The gateway answers DNS questions.
    pub dns: bool,
    /// Resolvers to ask instead of the host's.
    pub dns_servers: Vec<IpAddr>,
    /// Of every interface, in bytes; 1500 when none.
    pub mtu: Option<u32>,
    /// Whether its members reach the host's loopback, unless they say something else themselves (`--opt host-loopback`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_loopback: Option<bool>,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
    /// `--opt`, as given, for `inspect`.
    pub options: BTreeMap<String, String>,
}

/// The addresses of a network in one family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// Truncated: no host bits set.
    pub net: IpNet,
    /// The bridge's own address, in `net`.
    pub gateway: IpAddr,
    /// Where members' addresses come from, within `net`; all of it when none.
    pub range: Option<AddressRange>,
}

/// What a container asks of one network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// `--ip`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv4: Option<Ipv4Addr>,
    /// `--ip6`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<Ipv6Addr>,
    /// `--mac-address`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// Name of the interface inside; `eth0`, `eth1` … when none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// More names on this network (`--network-alias`, `--alias`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Whether the names of the host lead to its loopback; as the network has it when none
    /// (`--network NAME:host-loopback`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_loopback: Option<bool>,
}

/// How fast a container may send, and how fast receive, by each of its interfaces (`--net-rate`).
///
/// What it receives is held back outside of it, what it sends at its own interface, where that costs senders nothing but
/// time: a container with CAP_NET_ADMIN could lift that half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rate {
    bytes_per_second: u64,
}

impl Rate {
    /// One packet of ordinary size in a second and a half.
    const SLOWEST: u64 = 1000;
    /// A terabit.
    const FASTEST: u64 = 125_000_000_000;

    /// With the headers of Ethernet; `None` for what is too slow for packets, or faster than any machine.
    pub fn new(bytes_per_second: u64) -> Option<Self> {
        (Self::SLOWEST..=Self::FASTEST).contains(&bytes_per_second).then_some(Self { bytes_per_second })
    }

    /// With the headers of Ethernet.
    pub fn bytes_per_second(self) -> u64 {
        self.bytes_per_second
    }
}

/// What a running container was given of one network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The network's name.
    pub network: Name,
    /// The network's id.
    pub network_id: ContainerId,
    /// The interface inside the container.
    pub interface: String,
    /// Its hardware address.
    pub mac: Mac,
    /// Its IPv4 address with the length of the network's prefix.
    pub ipv4: Option<Ipv4Net>,
    /// Its IPv6 address with the length of the network's prefix.
    pub ipv6: Option<Ipv6Net>,
    /// Default route of IPv4; none on an internal network.
    pub gateway4: Option<Ipv4Addr>,
    /// Default route of IPv6; none on an internal network.
    pub gateway6: Option<Ipv6Addr>,
    /// More names on this network, as wished.
    pub aliases: Vec<String>,
    /// The names of the host lead to its loopback.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub host_loopback: bool,
}

/// A published port: one port of the container, one of the host. Ranges are expanded before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedPort {
    /// The host's address to listen on; both families' wildcards when none.
    pub host_ip: Option<IpAddr>,
    /// The host's port; 0 for any free one.
    pub host_port: u16,
    /// The container's port.
    pub container_port: u16,
    /// Of both.
    pub protocol: Protocol,
}

impl PublishedPort {
    /// Whether both want the same port of the host.
    pub fn clashes(&self, other: &Self) -> bool {
        let same_address = self.host_ip.is_none() || other.host_ip.is_none() || self.host_ip == other.host_ip;
        self.host_port != 0 && (self.host_port, self.protocol) == (other.host_port, other.protocol) && same_address
    }

    /// The container's end, as docker writes it: `80/tcp`.
    pub fn container(&self) -> String {
        format!("{}/{}", self.container_port, self.protocol)
    }
}

/// One `-p`: a port of the container, and the ports of the host of which one, the first that is free, leads there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publish {
    /// With the first of them.
    #[serde(flatten)]
    pub port: PublishedPort,
    /// The last of them; none after the first if it is less.
    #[serde(default)]
    pub last_host_port: u16,
}

impl Publish {
    /// Each of them in turn.
    pub fn candidates(&self) -> impl Iterator<Item = PublishedPort> {
        let last = self.last_host_port.max(self.port.host_port);
        (self.port.host_port..=last).map(|host_port| PublishedPort { host_port, ..self.port.clone() })
    }
}

impl From<PublishedPort> for Publish {
    fn from(port: PublishedPort) -> Self {
        Self { last_host_port: port.host_port, port }
    }
}

/// The ports of an entry of an image's `ExposedPorts` (`80/tcp`, `8000-8009`), each to be published on a free port of the
/// host; none of one that cannot be understood.
pub fn exposed(entry: &str) -> Vec<PublishedPort> {
    let (ports, protocol) = match entry.split_once('/') {
        None | Some((_, "tcp")) => (entry.split('/').next().unwrap_or_default(), Protocol::Tcp),
        Some((ports, "udp")) => (ports, Protocol::Udp),
        Some(_) => return Vec::new(),
    };
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let (Ok(first), Ok(last)) = (first.parse::<u16>(), last.parse::<u16>()) else { return Vec::new() };
    let port = |container_port| PublishedPort { host_ip: None, host_port: 0, container_port, protocol };
    (first.max(1)..=last).take(MAX_PORTS).map(port).collect()
}

/// A transport protocol of a published port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// As in `80/tcp`.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A hardware address of Ethernet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Mac {
    type Err = Error;

    /// Six pairs of hexadecimal digits with `:` or `-` between them, for one station: neither multicast nor zero.
    fn from_str(given: &str) -> Result<Self> {
        let bad = || {
            Error::usage(format!("invalid hardware address `{}`", text::clean(given)))
                .hint("it looks like `02:42:ac:11:00:02`; its first byte is even")
        };
        let mut bytes = [0; 6];
        let mut pairs = given.split([':', '-']);
        for byte in &mut bytes {
            let pair = pairs.next().filter(|pair| pair.len() == 2 && !pair.starts_with('+')).ok_or_else(bad)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
        }
        match pairs.next().is_none() && bytes[0] & 1 == 0 && bytes != [0; 6] {
            true => Ok(Self(bytes)),
            false => Err(bad()),
        }
    }
}

impl TryFrom<String> for Mac {
    type Error = Error;

    fn try_from(given: String) -> Result<Self> {
        given.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> Self {
        mac.to_string()
    }
}

/// What a container was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// One for each network, in the same order.
    pub endpoints: Vec<Endpoint>,
    /// One for each published port, in the same order, with the host's real port.
    pub ports: Vec<PublishedPort>,
    /// What goes into `/etc/resolv.conf`: addresses of gateways that answer questions.
    pub resolvers: Vec<IpAddr>,
    /// What `host.docker.internal` stands for.
    pub host_gateway: Option<IpAddr>,
}

impl Joined {
    /// The ports that lead to the container: none while it is on no network that has a way out. They are open meanwhile, so
    /// that they are the same afterwards.
    pub fn reachable_ports(&self) -> &[PublishedPort] {
        let has_way_out = |endpoint: &Endpoint| endpoint.gateway4.is_some() || endpoint.gateway6.is_some();
        if self.endpoints.iter().any(has_way_out) { &self.ports } else { &[] }
    }
}

/// One `--add-host`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostEntry {
    /// At least one.
    pub names: Vec<String>,
    /// None is `host-gateway`: whatever leads to the host from where the container is.
    pub address: Option<IpAddr>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_of_images() {
        let shown = |entry: &str| exposed(entry).iter().map(PublishedPort::container).collect::<Vec<_>>().join(" ");
        for (entry, expected) in [
            ("80", "80/tcp"),
            ("80/tcp", "80/tcp"),
            ("53/udp", "53/udp"),
            ("8000-8002", "8000/tcp 8001/tcp 8002/tcp"),
            ("0-1", "1/tcp"),
            ("2-1", ""),
            ("1/sctp", ""),
            ("x", ""),
            ("", ""),
        ] {
            assert_eq!(shown(entry), expected, "{entry}");
        }
        assert_eq!(exposed("1-65535").len(), MAX_PORTS);
    }

    #[test]
    fn hardware_addresses() {
        let mac: Mac = "02:42:AC-11:00:02".parse().unwrap();
        assert_eq!(mac.to_string(), "02:42:ac:11:00:02");
        for bad in [
            "",
            "02:42:ac:11:00",
            "02:42:ac:11:00:02:03",
            "01:00:5e:00:00:01",
            "0:1:2:3:4:5",
            "+2:42:ac:11:00:02",
            "00:00:00:00:00:00",
            "02:42:ac:11:00:zz",
        ] {
            assert!(bad.parse::<Mac>().is_err(), "{bad}");
        }
    }
}
