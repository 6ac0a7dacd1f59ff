//! What the router's namespace looks like, as pure functions: names, numbers, settings and routes.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use netlink_packet_route::AddressFamily;

use crate::base::ContainerId;
use crate::net::netlink::message::{Hop, Selector, Verdict};
use crate::spec::network::{Endpoint, Mac, Network};

/// Packets with this mark belong to sockets in R whatever address they are for (tproxy).
pub const MARK: u32 = 1;
/// The table that they look up.
pub const LOCAL_TABLE: u32 = 100;
/// RT_TABLE_MAIN.
pub const MAIN_TABLE: u32 = 254;
/// Rules for marked packets come before those of networks.
pub const PRIORITY_MARK: u32 = 100;
/// And these before the main table (32766).
pub const PRIORITY_NETWORKS: u32 = 1000;
/// What comes in by a bridge from addresses that are not those of its network: on no kernel is more needed to forge none.
pub const PRIORITY_FORGED: u32 = 1001;

/// Below `/proc/sys/net`, in this order: switching forwarding on resets other settings.
pub const SETTINGS: &[(&str, &str)] = &[
    // Where br_netfilter is loaded: packets within a bridge are no business of the rules, which cost each of them time.
    ("bridge/bridge-nf-call-iptables", "0"),
    ("bridge/bridge-nf-call-ip6tables", "0"),
    ("bridge/bridge-nf-call-arptables", "0"),
    ("ipv4/ip_forward", "1"),
    // All that sockets of R send, they send within this machine (see net::tcp::use_reno).
    ("ipv4/tcp_congestion_control", "reno"),
    // Of both families: a packet that is tied to a socket is not forwarded (see the head of net::tcp).
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

/// Settings of a container's namespace, in the same place: nobody on its networks tells it the way. Of all interfaces, and
/// of those that are still to come.
pub const INSIDE: &[(&str, &str)] = &[
    ("ipv4/conf/all/accept_redirects", "0"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/accept_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv6/conf/default/accept_redirects", "0"),
];

/// The same of one interface, below `ipv4/conf/NAME` or `ipv6/conf/NAME`; and it tells its neighbours its hardware address
/// when that changes, as podman's do (arp_notify in netavark).
pub const INSIDE_EACH: &[(&str, &str, &str)] = &[
    ("ipv4", "accept_redirects", "0"),
    ("ipv4", "send_redirects", "0"),
    ("ipv4", "arp_notify", "1"),
    ("ipv6", "accept_ra", "0"),
    ("ipv6", "accept_redirects", "0"),
    ("ipv6", "ndisc_notify", "1"),
];

/// The routing table of what comes in by an interface.
pub fn table(index: u32) -> u32 {
    1000 + index
}

/// How names of bridges begin.
pub const BRIDGE: &str = "br-";

/// The bridge of a network: 15 characters, as many as there may be.
pub fn bridge_name(network: &ContainerId) -> String {
    format!("{BRIDGE}{}", network.short())
}

/// The bridge's own hardware address: locally administered, always the same for a network.
pub fn bridge_mac(network: &ContainerId) -> Mac {
    let bits = bits(network, 10);
    let [.., a, b, c, d, e] = bits.to_be_bytes();
    Mac([0x02, a, b, c, d, e])
}

/// Our end of a container's interface: 40 bits of the container's id and 28 of the network's.
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

/// A network and the number of its bridge.
#[derive(Debug, Clone, Copy)]
pub struct Neighbour<'a> {
    /// The network.
    pub network: &'a Network,
    /// Its bridge.
    pub index: u32,
}

/// A route of R.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// In this table.
    pub table: u32,
    /// To these addresses.
    pub destination: IpNet,
    /// This way.
    pub hop: Hop,
}

/// The routes that a network brings: from it to itself, to the outside and to the others, and from the others to it.
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

/// Which packets look up the table of a network, and which are dropped: those that come in by its bridge, from addresses of
/// its own or from others. It is the reverse path rule of both families (RFC 3704), which IPv6 has no setting for.
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

    /// Where a packet that comes in by the bridge of `from` goes, as the routes say.
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
        // A network without addresses of a family has no business with it.
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
        // One after the other, as they come.
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
