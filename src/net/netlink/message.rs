//! The requests that coracle makes, each built from plain values.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, BorrowedFd};

use ipnet::IpNet;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope};
use netlink_packet_route::link::{
    AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoBridge, InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags,
    LinkInfo, LinkMessage,
};
use netlink_packet_route::route::{RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::net::model::Mac;

fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

fn up(message: &mut LinkMessage) {
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
}

/// A bridge that is up.
pub fn bridge(name: &str, mac: Mac, mtu: u32) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    up(&mut message);
    let data = vec![InfoBridge::MulticastSnooping(false), InfoBridge::ForwardDelay(0)];
    message.attributes = vec![
        LinkAttribute::IfName(name.to_owned()),
        LinkAttribute::Address(mac.0.to_vec()),
        LinkAttribute::Mtu(mtu),
        LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge), LinkInfo::Data(InfoData::Bridge(data))]),
    ];
    RouteNetlinkMessage::NewLink(message)
}

/// A pair of virtual Ethernet interfaces: one here, in a bridge and up, the other one in another namespace. That one cannot
/// be up yet: it is made before the pair is one (`veth_newlink` in drivers/net/veth.c).
pub fn veth(name: &str, bridge: u32, mtu: u32, peer: (&str, Mac, BorrowedFd<'_>)) -> RouteNetlinkMessage {
    let (peer_name, peer_mac, namespace) = peer;
    let mut other = LinkMessage::default();
    other.attributes = vec![
        LinkAttribute::IfName(peer_name.to_owned()),
        LinkAttribute::Address(peer_mac.0.to_vec()),
        LinkAttribute::Mtu(mtu),
        LinkAttribute::NetNsFd(namespace.as_raw_fd()),
    ];
    let mut message = LinkMessage::default();
    up(&mut message);
    message.attributes = vec![
        LinkAttribute::IfName(name.to_owned()),
        LinkAttribute::Mtu(mtu),
        LinkAttribute::Controller(bridge),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(other))),
        ]),
    ];
    RouteNetlinkMessage::NewLink(message)
}

/// Brings an interface up; with its maximum packet size and no addresses of its own making, where asked.
pub fn link_up(index: u32, mtu: Option<u32>, without_link_local: bool) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    up(&mut message);
    message.header.index = index;
    message.attributes.extend(mtu.map(LinkAttribute::Mtu));
    if without_link_local {
        let mode = AfSpecUnspec::Inet6(vec![AfSpecInet6::AddrGenMode(In6AddrGenMode::None)]);
        message.attributes.push(LinkAttribute::AfSpecUnspec(vec![mode]));
    }
    RouteNetlinkMessage::SetLink(message)
}

/// Asks for an interface by name.
pub fn get_link(name: &str) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_owned()));
    RouteNetlinkMessage::GetLink(message)
}

/// Removes an interface by name.
pub fn delete_link(name: &str) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_owned()));
    RouteNetlinkMessage::DelLink(message)
}

/// Lists interfaces.
pub fn list_links() -> RouteNetlinkMessage {
    RouteNetlinkMessage::GetLink(LinkMessage::default())
}

/// Gives an interface an address, ready for use at once: nobody else has it, so IPv6 need not search for a duplicate.
pub fn address(index: u32, address: IpAddr, prefix: u8) -> RouteNetlinkMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(address);
    message.header.prefix_len = prefix;
    message.header.index = index;
    message.header.scope = AddressScope::Universe;
    message.attributes = vec![AddressAttribute::Local(address), AddressAttribute::Address(address)];
    match address {
        IpAddr::V4(v4) if prefix < 31 => {
            let hosts = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
            message.attributes.push(AddressAttribute::Broadcast(Ipv4Addr::from_bits(v4.to_bits() | hosts)));
        }
        IpAddr::V4(_) => {}
        IpAddr::V6(_) => message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad)),
    }
    RouteNetlinkMessage::NewAddress(message)
}

/// Lists addresses of both families.
pub fn list_addresses() -> RouteNetlinkMessage {
    RouteNetlinkMessage::GetAddress(AddressMessage::default())
}

/// Lists the routes of one family.
pub fn list_routes(of: AddressFamily) -> RouteNetlinkMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = of;
    RouteNetlinkMessage::GetRoute(message)
}

/// Where a route leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hop {
    /// To whoever is there on this interface.
    Link(u32),
    /// To this neighbour on this interface.
    Via(IpAddr, u32),
    /// To this machine, by this interface.
    Local(u32),
    /// Nowhere: "administratively prohibited".
    Prohibit,
}

/// Adds a route to a table.
pub fn route(table: u32, destination: IpNet, hop: Hop) -> RouteNetlinkMessage {
    let mut message = RouteMessage::default();
    let header = &mut message.header;
    header.address_family = family(destination.addr());
    header.destination_prefix_length = destination.prefix_len();
    header.table = RouteHeader::RT_TABLE_UNSPEC;
    header.protocol = RouteProtocol::Static;
    (header.kind, header.scope) = match hop {
        Hop::Link(_) if destination.addr().is_ipv4() => (RouteType::Unicast, RouteScope::Link),
        Hop::Link(_) | Hop::Via(..) => (RouteType::Unicast, RouteScope::Universe),
        Hop::Local(_) => (RouteType::Local, RouteScope::Host),
        Hop::Prohibit => (RouteType::Prohibit, RouteScope::Universe),
    };
    message.attributes.push(RouteAttribute::Table(table));
    if destination.prefix_len() > 0 {
        message.attributes.push(RouteAttribute::Destination(destination.network().into()));
    }
    match hop {
        Hop::Link(index) | Hop::Local(index) => message.attributes.push(RouteAttribute::Oif(index)),
        Hop::Via(gateway, index) => {
            message.attributes.push(RouteAttribute::Gateway(gateway.into()));
            message.attributes.push(RouteAttribute::Oif(index));
        }
        Hop::Prohibit => {}
    }
    RouteNetlinkMessage::NewRoute(message)
}

/// Removes a route from a table, whatever its kind.
pub fn delete_route(table: u32, destination: IpNet) -> RouteNetlinkMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family(destination.addr());
    message.header.destination_prefix_length = destination.prefix_len();
    message.header.scope = RouteScope::NoWhere;
    message.attributes.push(RouteAttribute::Table(table));
    if destination.prefix_len() > 0 {
        message.attributes.push(RouteAttribute::Destination(destination.network().into()));
    }
    RouteNetlinkMessage::DelRoute(message)
}

/// Which packets look up a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// Those with this mark.
    Mark(u32),
    /// Those that come in by this interface.
    From(String),
}

/// A rule for one family: matching packets look up `table`, before those of a higher `priority`.
pub fn rule(of: AddressFamily, priority: u32, selector: &Selector, table: u32) -> RouteNetlinkMessage {
    RouteNetlinkMessage::NewRule(rule_message(of, priority, selector, table))
}

/// Removes such a rule.
pub fn delete_rule(of: AddressFamily, priority: u32, selector: &Selector, table: u32) -> RouteNetlinkMessage {
    RouteNetlinkMessage::DelRule(rule_message(of, priority, selector, table))
}

fn rule_message(of: AddressFamily, priority: u32, selector: &Selector, table: u32) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = of;
    message.header.action = RuleAction::ToTable;
    message.attributes = vec![RuleAttribute::Priority(priority), RuleAttribute::Table(table)];
    message.attributes.push(match selector {
        Selector::Mark(mark) => RuleAttribute::FwMark(*mark),
        Selector::From(name) => RuleAttribute::Iifname(name.clone()),
    });
    message
}

/// The number of the interface in an answer to [`get_link`].
pub fn link_index(answer: &RouteNetlinkMessage) -> Option<u32> {
    match answer {
        RouteNetlinkMessage::NewLink(message) => Some(message.header.index),
        _ => None,
    }
}

/// The name of the interface in an answer.
pub fn link_name(answer: &RouteNetlinkMessage) -> Option<&str> {
    let RouteNetlinkMessage::NewLink(message) = answer else { return None };
    message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.as_str()),
        _ => None,
    })
}

/// Bytes and packets received and sent by the interface in an answer: (bytes, packets) in, (bytes, packets) out.
pub fn link_counters(answer: &RouteNetlinkMessage) -> Option<((u64, u64), (u64, u64))> {
    let RouteNetlinkMessage::NewLink(message) = answer else { return None };
    message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Stats64(stats) => Some(((stats.rx_bytes, stats.rx_packets), (stats.tx_bytes, stats.tx_packets))),
        _ => None,
    })
}
