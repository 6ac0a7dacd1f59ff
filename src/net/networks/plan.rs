//! Plans a new network: validates the request, and chooses free subnets. Pure.
//!
//! Rules and messages are docker's (`docker network create`); in addition, host routes are avoided, as podman does.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use jiff::Timestamp;

use crate::base::id::Name;
use crate::base::{ContainerId, Error, Result};
use crate::spec::network::{DEFAULT, FORMAT, Network, Subnet};
use crate::spec::range::AddressRange;

/// Wider routes than this are ignored: they are not a local network, but for example the two halves of a VPN's default
/// route.
const WIDEST_ROUTE_V4: u8 = 8;
/// The same for IPv6: ignores `fc00::/7` and `fd00::/8`.
const WIDEST_ROUTE_V6: u8 = 16;
/// The longest prefixes with room for a member beside the gateway and the reserved addresses.
const LONGEST_V4: u8 = 30;
const LONGEST_V6: u8 = 126;
/// The least MTU of IPv4 (RFC 791) and IPv6 (RFC 8200), and the greatest of any device here.
const MTU: std::ops::RangeInclusive<u32> = 68..=65535;
const MTU_MIN_V6: u32 = 1280;

/// What `network create` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNetwork {
    /// Its name.
    pub name: Name,
    /// `--subnet`.
    pub subnets: Vec<IpNet>,
    /// `--gateway`: each belongs to one of the subnets.
    pub gateways: Vec<IpAddr>,
    /// `--ip-range`: each belongs to one of the subnets.
    pub ranges: Vec<AddressRange>,
    /// IPv4 addresses, chosen when no subnet is given.
    pub ipv4: bool,
    /// IPv6 addresses, chosen when no subnet is given.
    pub ipv6: bool,
    /// As [`Network::internal`].
    pub internal: bool,
    /// As [`Network::isolate`].
    pub isolate: bool,
    /// As [`Network::dns`].
    pub dns: bool,
    /// As [`Network::dns_servers`].
    pub dns_servers: Vec<IpAddr>,
    /// As [`Network::mtu`].
    pub mtu: Option<u32>,
    /// As [`Network::host_loopback`].
    pub host_loopback: Option<bool>,
    /// As [`Network::labels`].
    pub labels: BTreeMap<String, String>,
    /// As [`Network::options`].
    pub options: BTreeMap<String, String>,
}

impl NewNetwork {
    /// With nothing but a name: IPv4, isolated, with names.
    pub fn named(name: Name) -> Self {
        Self {
            name,
            subnets: Vec::new(),
            gateways: Vec::new(),
            ranges: Vec::new(),
            ipv4: true,
            ipv6: false,
            internal: false,
            isolate: true,
            dns: true,
            dns_servers: Vec::new(),
            mtu: None,
            host_loopback: None,
            labels: BTreeMap::new(),
            options: BTreeMap::new(),
        }
    }
}

/// Whether the name is that of a predefined network or of a mode of `--network`.
pub fn is_predefined(name: &str) -> bool {
    matches!(name, DEFAULT | "host" | "none" | "default" | "private" | "pasta" | "slirp4netns")
}

/// Decides what the network is.
pub(super) fn plan(
    new: &NewNetwork,
    id: ContainerId,
    created: Timestamp,
    others: &[Network],
    routes: &[IpNet],
) -> Result<Network> {
    let mut subnets = given(new)?;
    for subnet in &subnets {
        refuse_overlap(subnet, others)?;
    }
    let taken: Vec<IpNet> = others.iter().flat_map(|other| &other.subnets).map(|subnet| subnet.net).collect();
    let has = |subnets: &[Subnet], family: fn(&IpAddr) -> bool| subnets.iter().any(|subnet| family(&subnet.gateway));
    if new.ipv4 && !has(&subnets, IpAddr::is_ipv4) {
        let is_default = new.name.as_str() == DEFAULT;
        let net = free_ipv4(is_default, &taken, routes)?;
        subnets.insert(0, Subnet { net: net.into(), gateway: first_host(&net.into()), range: None });
    }
    if new.ipv6 && !has(&subnets, IpAddr::is_ipv6) {
        let net = free_ipv6(&id, &taken, routes)?.into();
        subnets.push(Subnet { net, gateway: first_host(&net), range: None });
    }
    subnets.sort_by_key(|subnet| subnet.net.addr().is_ipv6());
    if subnets.is_empty() {
        return Err(Error::usage("IPv4 or IPv6 must be enabled"));
    }
    check_mtu(new.mtu, has(&subnets, IpAddr::is_ipv6))?;
    Ok(Network {
        format: FORMAT,
        id,
        name: new.name.clone(),
        created,
        subnets,
        internal: new.internal,
        isolate: new.isolate,
        dns: new.dns,
        dns_servers: new.dns_servers.clone(),
        mtu: new.mtu,
        host_loopback: new.host_loopback,
        labels: new.labels.clone(),
        options: new.options.clone(),
    })
}

/// The requested subnets, with their gateways and ranges.
fn given(new: &NewNetwork) -> Result<Vec<Subnet>> {
    if new.subnets.len() < new.ranges.len() || new.subnets.len() < new.gateways.len() {
        return Err(Error::usage("every ip-range or gateway must have a corresponding subnet"));
    }
    let mut subnets = Vec::new();
    for net in &new.subnets {
        check_subnet(net)?;
        if subnets.iter().any(|other: &Subnet| other.net.addr().is_ipv4() == net.addr().is_ipv4()) {
            return Err(Error::usage("a network has at most one subnet of each family, IPv4 and IPv6"));
        }
        subnets.push(Subnet { net: *net, gateway: first_host(net), range: None });
    }
    for range in &new.ranges {
        let no_subnet = || Error::usage(format!("no matching subnet for range {range}"));
        let subnet = subnets.iter_mut().find(|subnet| range.is_in(&subnet.net)).ok_or_else(no_subnet)?;
        if let Some(other) = subnet.range.replace(*range) {
            return Err(Error::usage(format!(
                "cannot configure multiple ranges ({range}, {other}) on the same subnet ({})",
                subnet.net
            )));
        }
    }
    let mut with_gateway = Vec::new();
    for gateway in &new.gateways {
        let no_subnet = || Error::usage(format!("no matching subnet for gateway {gateway}"));
        let subnet = subnets.iter_mut().find(|subnet| subnet.net.contains(gateway)).ok_or_else(no_subnet)?;
        if with_gateway.contains(&subnet.net) {
            return Err(Error::usage(format!(
                "cannot configure multiple gateways ({gateway}, {}) for the same subnet ({})",
                subnet.gateway, subnet.net
            )));
        }
        let is_broadcast = gateway.is_ipv4() && *gateway == subnet.net.broadcast();
        if *gateway == subnet.net.network() || is_broadcast {
            return Err(Error::usage(format!("the gateway {gateway} is not an address of a host in {}", subnet.net)));
        }
        subnet.gateway = *gateway;
        with_gateway.push(subnet.net);
    }
    Ok(subnets)
}

fn check_subnet(net: &IpNet) -> Result<()> {
    if net.trunc() != *net {
        return Err(Error::usage(format!("invalid subnet {net}: it should be {}", net.trunc())));
    }
    let (longest, address) = match net {
        IpNet::V4(_) => (LONGEST_V4, net.addr()),
        IpNet::V6(_) => (LONGEST_V6, net.addr()),
    };
    if net.prefix_len() > longest {
        return Err(Error::usage(format!("invalid subnet {net}: it has no room for containers"))
            .hint(format!("its prefix has at most {longest} bits")));
    }
    // Addresses that no host can have, or that a host uses for itself.
    let unusable =
        |nets: &[&str]| nets.iter().filter_map(|net| net.parse::<IpNet>().ok()).find(|bad| overlap(bad, net));
    let bad = unusable(&[
        "0.0.0.0/8",
        "127.0.0.0/8",
        "224.0.0.0/3",
        "::/96",
        "::ffff:0:0/96",
        "fe80::/10",
        "ff00::/8",
        "169.254.1.2/32",
    ]);
    match bad {
        Some(bad) => Err(Error::usage(format!(
            "invalid subnet {net}: it contains addresses of {bad}, which have another meaning"
        ))),
        None if address.is_ipv4() && net.prefix_len() < 8 => {
            Err(Error::usage(format!("invalid subnet {net}: it is too large")))
        }
        None => Ok(()),
    }
}

fn refuse_overlap(subnet: &Subnet, others: &[Network]) -> Result<()> {
    let clash = others.iter().find(|other| other.subnets.iter().any(|theirs| overlap(&theirs.net, &subnet.net)));
    match clash {
        Some(other) => Err(Error::conflict(format!(
            "invalid pool request: Pool overlaps with other one on this address space: {} has addresses of network `{}`",
            subnet.net, other.name
        ))
        .hint("`coracle network ls` and `coracle network inspect` show what is taken")),
        None => Ok(()),
    }
}

fn check_mtu(mtu: Option<u32>, has_ipv6: bool) -> Result<()> {
    let Some(mtu) = mtu else { return Ok(()) };
    if !MTU.contains(&mtu) {
        return Err(Error::usage(format!("invalid MTU {mtu}")).hint(format!(
            "it is a number of bytes from {} to {}",
            MTU.start(),
            MTU.end()
        )));
    }
    match has_ipv6 && mtu < MTU_MIN_V6 {
        true => Err(Error::usage(format!("invalid MTU {mtu}: IPv6 needs {MTU_MIN_V6} at least"))),
        false => Ok(()),
    }
}

/// docker's pools: 172.17 to 172.31, then sixteenths of 192.168; beyond them the upper half of 10. The first is kept for
/// the default network.
fn free_ipv4(is_default: bool, taken: &[IpNet], routes: &[IpNet]) -> Result<Ipv4Net> {
    let net = |a, b, c, length| Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), length);
    let kept = is_default.then(|| net(172, 17, 0, 16));
    let first = (18..=31).map(|second| net(172, second, 0, 16));
    let second = (0..=240).step_by(16).map(|third| net(192, 168, third, 20));
    let third = (128..=255).map(|second| net(10, second, 0, 16));
    let mut all = kept.into_iter().chain(first).chain(second).chain(third);
    all.find(|net| is_free(&(*net).into(), taken, routes)).ok_or_else(|| {
        Error::conflict("all predefined address pools have been fully subnetted")
            .hint("networks and the host's routes take all of 172.18/12, 192.168/16 and 10.128/9: give a `--subnet`, or remove networks with `coracle network prune`")
    })
}

/// A unique local prefix (RFC 4193) made of the network's id, which is random.
fn free_ipv6(id: &ContainerId, taken: &[IpNet], routes: &[IpNet]) -> Result<Ipv6Net> {
    let digits = id.as_str().as_bytes();
    let mut random =
        digits.chunks(4).filter_map(|digits| u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
    let mut prefixes = std::iter::from_fn(|| Some((random.next()?, random.next()?, random.next()?)));
    let net = |(a, b, c)| Ipv6Net::new_assert(Ipv6Addr::new(0xfd00 | a & 0xff, b, c, 0, 0, 0, 0, 0), 64);
    let free = prefixes.by_ref().map(net).find(|net| is_free(&(*net).into(), taken, routes));
    free.ok_or_else(|| {
        Error::conflict("no unique local IPv6 subnet is free: the host has routes to all of them")
            .hint("give an IPv6 `--subnet`")
    })
}

fn is_free(net: &IpNet, taken: &[IpNet], routes: &[IpNet]) -> bool {
    let widest = if net.addr().is_ipv4() { WIDEST_ROUTE_V4 } else { WIDEST_ROUTE_V6 };
    let routes = routes.iter().filter(|route| route.prefix_len() >= widest);
    !taken.iter().chain(routes).any(|other| overlap(other, net))
}

/// Whether two networks share addresses.
pub fn share_addresses(a: &Network, b: &Network) -> bool {
    a.subnets.iter().any(|a| b.subnets.iter().any(|b| overlap(&a.net, &b.net)))
}

/// Whether two subnets overlap.
pub fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

/// The address after the subnet's own.
fn first_host(net: &IpNet) -> IpAddr {
    match net.network() {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() | 1).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() | 1).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> ContainerId {
        "a1b2c3d4e5f60718".repeat(4).parse().unwrap()
    }

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn new(subnets: &[&str], gateways: &[&str], ranges: &[&str]) -> NewNetwork {
        NewNetwork {
            subnets: nets(subnets),
            gateways: gateways.iter().map(|gateway| gateway.parse().unwrap()).collect(),
            ranges: ranges.iter().map(|range| range.parse().unwrap()).collect(),
            ..NewNetwork::named("web".parse().unwrap())
        }
    }

    fn planned(new: &NewNetwork, others: &[Network], routes: &[&str]) -> Result<Network> {
        plan(new, id(), Timestamp::UNIX_EPOCH, others, &nets(routes))
    }

    fn shown(network: &Network) -> String {
        let subnet = |subnet: &Subnet| {
            let range = subnet.range.map(|range| format!(" in {range}")).unwrap_or_default();
            format!("{} by {}{range}", subnet.net, subnet.gateway)
        };
        network.subnets.iter().map(subnet).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn what_is_given_is_completed() {
        for (new, expected) in [
            (new(&["10.1.0.0/16"], &[], &[]), "10.1.0.0/16 by 10.1.0.1"),
            (new(&["10.1.0.0/16"], &["10.1.9.9"], &["10.1.5.0/24"]), "10.1.0.0/16 by 10.1.9.9 in 10.1.5.0/24"),
            (new(&["10.1.0.0/16"], &[], &["10.1.5.3/24"]), "10.1.0.0/16 by 10.1.0.1 in 10.1.5.0/24"),
            (
                new(&["fd00:5::/64", "10.1.0.0/16"], &["fd00:5::9"], &[]),
                "10.1.0.0/16 by 10.1.0.1, fd00:5::/64 by fd00:5::9",
            ),
            (NewNetwork { ipv4: false, ..new(&["fd00:5::/64"], &[], &[]) }, "fd00:5::/64 by fd00:5::1"),
            (new(&[], &[], &[]), "172.18.0.0/16 by 172.18.0.1"),
            (
                NewNetwork { ipv6: true, ..new(&[], &[], &[]) },
                "172.18.0.0/16 by 172.18.0.1, fdb2:c3d4:e5f6::/64 by fdb2:c3d4:e5f6::1",
            ),
        ] {
            assert_eq!(shown(&planned(&new, &[], &[]).unwrap()), expected);
        }
    }

    #[test]
    fn what_cannot_be_is_refused_in_dockers_words() {
        for (new, expected) in [
            (new(&[], &["10.1.0.1"], &[]), "every ip-range or gateway must have a corresponding subnet"),
            (new(&["10.1.2.3/16"], &[], &[]), "invalid subnet 10.1.2.3/16: it should be 10.1.0.0/16"),
            (new(&["10.1.0.0/16"], &["10.2.0.1"], &[]), "no matching subnet for gateway 10.2.0.1"),
            (
                new(&["10.1.0.0/16"], &["10.1.0.0"], &[]),
                "the gateway 10.1.0.0 is not an address of a host in 10.1.0.0/16",
            ),
            (new(&["10.1.0.0/16"], &[], &["10.2.0.0/24"]), "no matching subnet for range 10.2.0.0/24"),
            (new(&["10.1.0.0/16"], &[], &["10.1.0.9-10.2.0.1"]), "no matching subnet for range 10.1.0.9-10.2.0.1"),
            (new(&["10.1.0.0/16"], &[], &["10.0.0.0/8"]), "no matching subnet for range 10.0.0.0/8"),
            (
                new(&["10.1.0.0/16", "10.2.0.0/16"], &[], &[]),
                "a network has at most one subnet of each family, IPv4 and IPv6",
            ),
            (new(&["10.1.0.0/31"], &[], &[]), "invalid subnet 10.1.0.0/31: it has no room for containers"),
            (
                new(&["127.1.0.0/16"], &[], &[]),
                "invalid subnet 127.1.0.0/16: it contains addresses of 127.0.0.0/8, which have another meaning",
            ),
            (new(&["64.0.0.0/4"], &[], &[]), "invalid subnet 64.0.0.0/4: it is too large"),
            (NewNetwork { ipv4: false, ..new(&[], &[], &[]) }, "IPv4 or IPv6 must be enabled"),
            (NewNetwork { mtu: Some(20), ..new(&[], &[], &[]) }, "invalid MTU 20"),
            (
                NewNetwork { mtu: Some(1000), ipv6: true, ..new(&[], &[], &[]) },
                "invalid MTU 1000: IPv6 needs 1280 at least",
            ),
        ] {
            assert_eq!(planned(&new, &[], &[]).unwrap_err().message(), expected);
        }
    }

    #[test]
    fn addresses_are_nobody_elses() {
        let other = planned(&new(&["172.18.0.0/16"], &[], &[]), &[], &[]).unwrap();
        let others = [other];
        let first = |routes: &[&str]| {
            planned(&new(&[], &[], &[]), &others, routes).map(|network| network.subnets[0].net.to_string())
        };
        assert_eq!(first(&[]).unwrap(), "172.19.0.0/16");
        assert_eq!(first(&["172.19.3.0/24", "172.20.0.5/32"]).unwrap(), "172.21.0.0/16");
        assert_eq!(first(&["172.16.0.0/12"]).unwrap(), "192.168.0.0/20");
        assert_eq!(first(&["172.16.0.0/12", "192.168.1.0/24"]).unwrap(), "192.168.16.0/20");
        assert_eq!(first(&["172.16.0.0/12", "192.168.0.0/16", "10.128.0.0/16"]).unwrap(), "10.129.0.0/16");
        assert_eq!(first(&["0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1"]).unwrap(), "172.19.0.0/16");
        let none = first(&["172.16.0.0/12", "192.168.0.0/16", "10.0.0.0/8"]).unwrap_err();
        assert_eq!(none.message(), "all predefined address pools have been fully subnetted");
        let clash = planned(&new(&["172.18.5.0/24"], &[], &[]), &others, &[]).unwrap_err();
        assert!(clash.message().contains("overlaps"), "{clash}");
        // An explicit subnet may overlap with host routes: the user knows why.
        assert!(planned(&new(&["10.5.0.0/16"], &[], &[]), &others, &["10.0.0.0/8"]).is_ok());
    }

    #[test]
    fn the_default_network_moves_away_from_the_hosts_routes() {
        let bridge = NewNetwork { ipv6: true, ..NewNetwork::named(DEFAULT.parse().unwrap()) };
        let first = |routes: &[&str]| shown(&planned(&bridge, &[], routes).unwrap());
        assert_eq!(first(&[]), "172.17.0.0/16 by 172.17.0.1, fdb2:c3d4:e5f6::/64 by fdb2:c3d4:e5f6::1");
        assert_eq!(
            first(&["172.17.0.0/16", "fdb2:c3d4::/32", "fc00::/7"]),
            "172.18.0.0/16 by 172.18.0.1, fd18:a1b2:c3d4::/64 by fd18:a1b2:c3d4::1"
        );
    }
}
