//! The layout of the router's namespace, as pure functions: names, numbers, settings and routes.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use netlink_packet_route::AddressFamily;

use crate::base::ContainerId;
use crate::net::netlink::message::{Hop, Selector, Verdict};
use crate::spec::network::{Endpoint, Mac, Network};

/// Packets with this mark belong to sockets in R, whatever their destination (tproxy).
pub const MARK: u32 = 1;
/// The routing table for marked packets.
pub const LOCAL_TABLE: u32 = 100;
/// RT_TABLE_MAIN.
pub const MAIN_TABLE: u32 = 254;
/// The rules for marked packets come before those of networks.
pub const PRIORITY_MARK: u32 = 100;
/// Those of networks come before the main table (32766).
pub const PRIORITY_NETWORKS: u32 = 1000;
/// Drops packets that enter by a bridge with a source outside its network. No kernel needs more against forged
/// addresses.
pub const PRIORITY_FORGED: u32 = 1001;

/// Settings below `/proc/sys/net`, in this order: switching forwarding on resets others.
pub const SETTINGS: &[(&str, &str)] = &[
    // With br_netfilter loaded: packets within a bridge skip the rules, which cost time for each.
    ("bridge/bridge-nf-call-iptables", "0"),
    ("bridge/bridge-nf-call-ip6tables", "0"),
    ("bridge/bridge-nf-call-arptables", "0"),
    ("ipv4/ip_forward", "1"),
    // All traffic of R's sockets stays on this machine (see net::tcp::use_reno).
    ("ipv4/tcp_congestion_control", "reno"),
    // For both families: a packet tied to a socket is not forwarded (see the head of net::tcp).
    ("ipv4/ip_early_demux", "0"),
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
    ("ipv4/conf/all/accept_redirects", "0"),
    ("ipv4/conf/default/accept_redirects", "0"),
    ("ipv4/conf/all/accept_source_route", "0"),
    ("ipv6/conf/all/forwarding", "1"),
    ("ipv6/conf/all/accept_dad", "0"),
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv6/conf/default/accept_redirects", "0"),
];

/// Settings of a container's namespace, below the same path: neighbours cannot change its routes. For all present and
/// future interfaces.
pub const INSIDE: &[(&str, &str)] = &[
    ("ipv4/conf/all/accept_redirects", "0"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/accept_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv6/conf/default/accept_redirects", "0"),
];

/// The same per interface, below `ipv4/conf/NAME` or `ipv6/conf/NAME`. It also announces a new hardware address, as
/// podman's do (arp_notify in netavark).
pub const INSIDE_EACH: &[(&str, &str, &str)] = &[
    ("ipv4", "accept_redirects", "0"),
    ("ipv4", "send_redirects", "0"),
    ("ipv4", "arp_notify", "1"),
    ("ipv6", "accept_ra", "0"),
    ("ipv6", "accept_redirects", "0"),
    ("ipv6", "ndisc_notify", "1"),
];

/// The routing table of packets that enter by an interface.
pub fn table(index: u32) -> u32 {
    1000 + index
}

/// The prefix of bridge names.
pub const BRIDGE: &str = "br-";

/// The name of a network's bridge: 15 characters, the maximum.
pub fn bridge_name(network: &ContainerId) -> String {
    format!("{BRIDGE}{}", network.short())
}

/// The bridge's hardware address: locally administered, the same each time.
pub fn bridge_mac(network: &ContainerId) -> Mac {
    let bits = bits(network, 10);
    let [.., a, b, c, d, e] = bits.to_be_bytes();
    Mac([0x02, a, b, c, d, e])
}

/// The name of our end of a container's interface: 40 bits of the container's id and 28 of the network's.
pub fn veth_name(container: &ContainerId, network: &ContainerId) -> String {
    let mut name = String::from("v");
    for (value, digits) in [(bits(container, 10), 8), (bits(network, 7), 6)] {
        for digit in (0..digits).rev() {
            let digit = (value >> (5 * digit) & 31) as u32;
            name.push(char::from_digit(digit, 32).unwrap_or('0'));
        }
    }
    name
}

/// The first hexadecimal digits of an id, as a number.
fn bits(id: &ContainerId, digits: usize) -> u64 {
    id.as_str().get(..digits).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(0)
}

/// A network and the index of its bridge.
#[derive(Debug, Clone, Copy)]
pub struct Neighbour<'a> {
    /// The network.
    pub network: &'a Network,
    /// Interface index of its bridge.
    pub index: u32,
}

/// A route of R.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// The routing table.
    pub table: u32,
    /// The destination.
    pub destination: IpNet,
    /// The next hop.
    pub hop: Hop,
}

/// The routes that a network adds: from it to itself, to the outside and to other networks, and from those to it.
pub fn routes(me: Neighbour<'_>, others: &[Neighbour<'_>], tun: Option<u32>) -> Vec<Reach> {
    let mine = table(me.index);
    let outside = tun.filter(|_| !me.network.internal).map_or(Hop::Prohibit, Hop::Link);
    let mut routes = Vec::new();
    for everything in [IpNet::V4(ipnet::Ipv4Net::default()), IpNet::V6(ipnet::Ipv6Net::default())] {
        routes.push(Reach { table: mine, destination: everything, hop: outside });
    }
    let nets = |of: &Neighbour<'_>| of.network.subnets.iter().map(|subnet| subnet.net).collect::<Vec<_>>();
    for destination in nets(&me) {
        routes.push(Reach { table: mine, destination, hop: Hop::Link(me.index) });
    }
    for other in others {
        let apart = [me.network, other.network].iter().any(|network| network.isolate || network.internal);
        let hop = |index| if apart { Hop::Prohibit } else { Hop::Link(index) };
        for destination in nets(other) {
            routes.push(Reach { table: mine, destination, hop: hop(other.index) });
        }
        for destination in nets(&me) {
            routes.push(Reach { table: table(other.index), destination, hop: hop(me.index) });
        }
    }
    routes
}

/// Which packets use the table of a network, and which are dropped: those that enter by its bridge, by their source
/// address. This is reverse path filtering for both families (RFC 3704); IPv6 has no setting for it.
pub fn rules(
    bridge: &str,
    nets: &[IpNet],
    index: u32,
    families: &[AddressFamily],
) -> Vec<(AddressFamily, u32, Selector, Verdict)> {
    let mut rules = Vec::new();
    for family in families {
        let is_v4 = *family == AddressFamily::Inet;
        for net in nets.iter().filter(|net| net.addr().is_ipv4() == is_v4) {
            let selector = Selector::ByFrom(bridge.to_owned(), *net);
            rules.push((*family, PRIORITY_NETWORKS, selector, Verdict::Table(table(index))));
        }
        rules.push((*family, PRIORITY_FORGED, Selector::By(bridge.to_owned()), Verdict::Drop));
    }
    rules
}

/// The default route of a container: by the first network that has a way out.
pub fn default_route4(endpoints: &[Endpoint]) -> Option<(Ipv4Addr, &str)> {
    endpoints.iter().find_map(|endpoint| Some((endpoint.gateway4?, endpoint.interface.as_str())))
}

/// The same for IPv6.
pub fn default_route6(endpoints: &[Endpoint]) -> Option<(Ipv6Addr, &str)> {
    endpoints.iter().find_map(|endpoint| Some((endpoint.gateway6?, endpoint.interface.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::network::{FORMAT, Subnet};

    fn id(digit: char) -> ContainerId {
        digit.to_string().repeat(64).parse().unwrap()
    }

    fn network(digit: char, net: &str, isolate: bool, internal: bool) -> Network {
        let net: IpNet = net.parse().unwrap();
        Network {
            format: FORMAT,
            id: id(digit),
            name: format!("net{digit}").parse().unwrap(),
            created: jiff::Timestamp::UNIX_EPOCH,
            subnets: vec![Subnet { net, gateway: net.addr(), range: None }],
            internal,
            isolate,
            dns: true,
            dns_servers: Vec::new(),
            mtu: None,
            host_loopback: None,
            labels: Default::default(),
            options: Default::default(),
        }
    }

    #[test]
    fn names_fit_and_differ() {
        let bridge = bridge_name(&id('a'));
        assert_eq!(bridge, "br-aaaaaaaaaaaa");
        let names = [veth_name(&id('a'), &id('b')), veth_name(&id('b'), &id('a')), veth_name(&id('f'), &id('f'))];
        assert_eq!(names, ["vlalalala5rnetr", "vnetrnetr5alala", "vvvvvvvvv7vvvvv"]);
        assert!(names.iter().chain([&bridge]).all(|name| name.len() == 15));
        assert_eq!(bridge_mac(&id('a')).to_string(), "02:aa:aa:aa:aa:aa");
    }

    /// Follows the routes: where a packet goes that enters by the bridge of `from`.
    #[test]
    fn what_comes_from_elsewhere_is_dropped() {
        let both = [AddressFamily::Inet, AddressFamily::Inet6];
        let mut network = network('a', "172.20.0.0/16", true, false);
        let net: IpNet = "fd00:a::/64".parse().unwrap();
        network.subnets.push(Subnet { net, gateway: net.addr(), range: None });
        let name = bridge_name(&network.id);
        let own = |net: &str| (Selector::ByFrom(name.clone(), net.parse().unwrap()), Verdict::Table(1007));
        let forged = (Selector::By(name.clone()), Verdict::Drop);
        let of = |network: &Network, family| {
            let nets: Vec<_> = network.subnets.iter().map(|subnet| subnet.net).collect();
            let mut rules = rules(&name, &nets, 7, &both);
            rules.sort_by_key(|(_, priority, ..)| *priority);
            let rules = rules.into_iter().filter(|(of, ..)| *of == family);
            rules.map(|(.., selector, verdict)| (selector, verdict)).collect::<Vec<_>>()
        };
        assert_eq!(of(&network, both[0]), [own("172.20.0.0/16"), forged.clone()]);
        assert_eq!(of(&network, both[1]), [own("fd00:a::/64"), forged.clone()]);
        // A network without addresses of a family gets no routes of it.
        network.subnets.pop();
        assert_eq!(of(&network, both[1]), [forged]);
        assert_eq!(rules(&name, &["172.20.0.0/16".parse().unwrap()], 7, &both[..1]).len(), 2);
    }

    fn hop(routes: &[Reach], from: u32, to: &str) -> Option<Hop> {
        let to: std::net::IpAddr = to.parse().unwrap();
        let matching = routes.iter().filter(|route| route.table == table(from) && route.destination.contains(&to));
        matching.max_by_key(|route| route.destination.prefix_len()).map(|route| route.hop)
    }

    #[test]
    fn networks_reach_what_they_may() {
        let all = [
            network('a', "172.18.0.0/16", true, false),
            network('b', "172.19.0.0/16", false, false),
            network('c', "172.20.0.0/16", false, false),
            network('d', "172.21.0.0/16", false, true),
        ];
        let known: Vec<_> = (10..).zip(&all).map(|(index, network)| Neighbour { network, index }).collect();
        // Networks are added one by one.
        let made: Vec<Reach> = (0..known.len()).flat_map(|n| routes(known[n], &known[..n], Some(2))).collect();
        let (a, b, c, d) = (10, 11, 12, 13);
        for (from, to, expected) in [
            (a, "172.18.0.9", Hop::Link(a)),
            (a, "1.1.1.1", Hop::Link(2)),
            (a, "2001:db8::1", Hop::Link(2)),
            (a, "172.19.0.9", Hop::Prohibit),
            (b, "172.18.0.9", Hop::Prohibit),
            (b, "172.20.0.9", Hop::Link(c)),
            (c, "172.19.0.9", Hop::Link(b)),
            (c, "172.21.0.9", Hop::Prohibit),
            (d, "172.21.0.9", Hop::Link(d)),
            (d, "172.20.0.9", Hop::Prohibit),
            (d, "1.1.1.1", Hop::Prohibit),
        ] {
            assert_eq!(hop(&made, from, to), Some(expected), "{from} {to}");
        }
        assert!(routes(known[0], &[], None).iter().all(|route| route.hop != Hop::Link(2)));
    }
}
