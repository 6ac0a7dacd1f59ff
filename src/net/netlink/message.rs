//! The rtnetlink requests of coracle, each built from plain values.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, BorrowedFd};

use ipnet::IpNet;
use netlink_packet_core::DefaultNla;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope};
use netlink_packet_route::link::{
    AfSpecInet6, AfSpecUnspec, BridgePortState, In6AddrGenMode, InfoBridge, InfoBridgePort, InfoData, InfoKind,
    InfoPortData, InfoPortKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState};
use netlink_packet_route::route::{RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use netlink_packet_route::tc::{TcAttribute, TcHandle, TcMessage, TcOption};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::net::protocol::Counters;
use crate::spec::network::{Mac, Rate};

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

/// A pair of virtual Ethernet interfaces, the second in another namespace; neither is up.
pub fn veth(name: &str, mtu: u32, peer: (&str, Mac, BorrowedFd<'_>)) -> RouteNetlinkMessage {
    let (peer_name, peer_mac, namespace) = peer;
    let mut other = LinkMessage::default();
    other.attributes = vec![
        LinkAttribute::IfName(peer_name.to_owned()),
        LinkAttribute::Address(peer_mac.0.to_vec()),
        LinkAttribute::Mtu(mtu),
        LinkAttribute::NetNsFd(namespace.as_raw_fd()),
    ];
    let mut message = LinkMessage::default();
    message.attributes = vec![
        LinkAttribute::IfName(name.to_owned()),
        LinkAttribute::Mtu(mtu),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(other))),
        ]),
    ];
    RouteNetlinkMessage::NewLink(message)
}

/// Adds an interface to a bridge.
pub fn enslave(index: u32, bridge: u32) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes = vec![LinkAttribute::Controller(bridge)];
    RouteNetlinkMessage::SetLink(message)
}

/// Makes a bridge port static (bridge(8)): it learns no addresses, drops frames from unknown hardware addresses (set
/// with [`station`]; since Linux 5.18), and gets no frames for unknown destinations. The port must be in its bridge
/// already.
pub fn distrust(index: u32) -> RouteNetlinkMessage {
    let port = vec![InfoBridgePort::Learning(false), InfoBridgePort::UnicastFlood(false), InfoBridgePort::Locked(true)];
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes = vec![LinkAttribute::LinkInfo(vec![
        LinkInfo::PortKind(InfoPortKind::Bridge),
        LinkInfo::PortData(InfoPortData::BridgePort(port)),
    ])];
    // Not SetLink, which ignores bridge ports (rtnl_changelink in net/core/rtnetlink.c).
    RouteNetlinkMessage::NewLink(message)
}

/// Makes the kernel derive an interface's link-local address from its hardware address, whatever the default is.
pub fn link_local_by_mac(index: u32) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes.push(address_generation(In6AddrGenMode::Eui64));
    RouteNetlinkMessage::SetLink(message)
}

fn address_generation(mode: In6AddrGenMode) -> LinkAttribute {
    LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(vec![AfSpecInet6::AddrGenMode(mode)])])
}

/// Adds a permanent entry to a bridge's forwarding table: the hardware address is behind this port.
pub fn station(port: u32, mac: Mac) -> RouteNetlinkMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Bridge;
    message.header.ifindex = port;
    message.header.state = NeighbourState::Noarp;
    message.header.flags = NeighbourFlags::Controller;
    message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.0.to_vec()));
    RouteNetlinkMessage::NewNeighbour(message)
}

/// Removes a neighbour entry: the address is resolved again.
pub fn forget_neighbour(index: u32, neighbour: IpAddr) -> RouteNetlinkMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = family(neighbour);
    message.header.ifindex = index;
    message.attributes.push(NeighbourAttribute::Destination(neighbour.into()));
    RouteNetlinkMessage::DelNeighbour(message)
}

/// Brings an interface up; sets its MTU and suppresses automatic addresses, if asked.
pub fn link_up(index: u32, mtu: Option<u32>, without_link_local: bool) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    up(&mut message);
    message.header.index = index;
    message.attributes.extend(mtu.map(LinkAttribute::Mtu));
    if without_link_local {
        message.attributes.push(address_generation(In6AddrGenMode::None));
    }
    RouteNetlinkMessage::SetLink(message)
}

/// Sets an interface's hardware address. Setting the same one again announces the addresses of both families where
/// arp_notify and ndisc_notify are set (inetdev_event in net/ipv4/devinet.c, ndisc_netdev_event in net/ipv6/ndisc.c).
pub fn hardware_address(index: u32, mac: Mac) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes.push(LinkAttribute::Address(mac.0.to_vec()));
    RouteNetlinkMessage::SetLink(message)
}

/// Asks for an interface by name.
pub fn get_link(name: &str) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_owned()));
    RouteNetlinkMessage::GetLink(message)
}

/// Lists interfaces.
pub fn list_links() -> RouteNetlinkMessage {
    RouteNetlinkMessage::GetLink(LinkMessage::default())
}

/// Removes an interface by name.
pub fn delete_link(name: &str) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_owned()));
    RouteNetlinkMessage::DelLink(message)
}

/// Gives an interface an address that is usable at once: it is unique, so IPv6 skips duplicate address detection.
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

/// The next hop of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hop {
    /// Directly connected on this interface.
    Link(u32),
    /// To this neighbour on this interface.
    Via(IpAddr, u32),
    /// This machine, by this interface.
    Local(u32),
    /// None: "administratively prohibited".
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

/// Which packets a rule matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// Those with this mark.
    Mark(u32),
    /// Those that enter by this interface.
    By(String),
    /// Those that enter by this interface from these addresses.
    ByFrom(String, IpNet),
}

/// The action of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Look up this table.
    Table(u32),
    /// Drop the packet.
    Drop,
}

/// A rule for one family; lower `priority` comes first.
pub fn rule(of: AddressFamily, priority: u32, selector: &Selector, verdict: Verdict) -> RouteNetlinkMessage {
    RouteNetlinkMessage::NewRule(rule_message(of, priority, selector, verdict))
}

/// Removes such a rule.
pub fn delete_rule(of: AddressFamily, priority: u32, selector: &Selector, verdict: Verdict) -> RouteNetlinkMessage {
    RouteNetlinkMessage::DelRule(rule_message(of, priority, selector, verdict))
}

fn rule_message(of: AddressFamily, priority: u32, selector: &Selector, verdict: Verdict) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = of;
    message.attributes = vec![RuleAttribute::Priority(priority)];
    match verdict {
        Verdict::Table(table) => {
            message.header.action = RuleAction::ToTable;
            message.attributes.push(RuleAttribute::Table(table));
        }
        Verdict::Drop => message.header.action = RuleAction::Blackhole,
    }
    match selector {
        Selector::Mark(mark) => message.attributes.push(RuleAttribute::FwMark(*mark)),
        Selector::By(name) => message.attributes.push(RuleAttribute::Iifname(name.clone())),
        Selector::ByFrom(name, from) => {
            message.header.src_len = from.prefix_len();
            message.attributes.push(RuleAttribute::Source(from.network()));
            message.attributes.push(RuleAttribute::Iifname(name.clone()));
        }
    }
    message
}

/// The interface index in an answer to [`get_link`].
pub fn link_index(answer: &RouteNetlinkMessage) -> Option<u32> {
    match answer {
        RouteNetlinkMessage::NewLink(message) => Some(message.header.index),
        _ => None,
    }
}

/// The interface name in an answer to [`list_links`].
pub fn link_name(answer: &RouteNetlinkMessage) -> Option<&str> {
    let RouteNetlinkMessage::NewLink(message) = answer else { return None };
    message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.as_str()),
        _ => None,
    })
}

/// Whether the interface in an answer to [`get_link`] is a bridge port in forwarding state.
pub fn forwards(answer: &RouteNetlinkMessage) -> bool {
    let RouteNetlinkMessage::NewLink(message) = answer else { return false };
    let info = message.attributes.iter().filter_map(|attribute| match attribute {
        LinkAttribute::LinkInfo(info) => Some(info),
        _ => None,
    });
    let state = InfoBridgePort::State(BridgePortState::Forwarding);
    info.flatten().any(|info| match info {
        LinkInfo::PortData(InfoPortData::BridgePort(port)) => port.contains(&state),
        _ => false,
    })
}

/// The network of the address in an answer to [`list_addresses`], and its interface index; `None` for link-local scope.
pub fn net_of_address(answer: &RouteNetlinkMessage) -> Option<(u32, IpNet)> {
    let RouteNetlinkMessage::NewAddress(message) = answer else { return None };
    let address = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Address(address) => Some(*address),
        _ => None,
    })?;
    let net = IpNet::new(address, message.header.prefix_len).ok()?.trunc();
    (message.header.scope == AddressScope::Universe).then_some((message.header.index, net))
}

/// The counters of the other end of the pair in an answer: this end's, swapped.
pub fn counters_of_peer(answer: &RouteNetlinkMessage) -> Option<Counters> {
    let RouteNetlinkMessage::NewLink(message) = answer else { return None };
    message.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Stats64(stats) => Some(Counters {
            received_bytes: stats.tx_bytes,
            received_packets: stats.tx_packets,
            receive_errors: stats.tx_errors,
            receive_drops: stats.tx_dropped,
            sent_bytes: stats.rx_bytes,
            sent_packets: stats.rx_packets,
            send_errors: stats.rx_errors,
            send_drops: stats.rx_dropped,
        }),
        _ => None,
    })
}

/// Limits the rate of what leaves an interface (tc-tbf(8)); excess waits for up to a tenth of a second, and is then
/// dropped. Replaces an existing limit.
pub fn shaper(index: u32, rate: Rate, mtu: u32) -> RouteNetlinkMessage {
    // Attributes of linux/pkt_sched.h.
    const PARAMETERS: u16 = 1;
    const RATE64: u16 = 4;
    const BURST: u16 = 6;
    let rate = rate.bytes_per_second();
    let frame = u64::from(mtu) + ETHERNET_HEADER;
    let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX).to_ne_bytes();
    // The burst: a hundredth of a second's worth, or what one wake-up of a slow sender brings.
    let burst = (rate / 100).max(2 * frame);
    let waiting = (rate / 10).max(8 * frame);
    // struct tc_tbf_qopt: struct tc_ratespec (cell_log, linklayer, overhead, cell_align, mpu, rate) twice, the second one, of
    // peaks, unused; limit, buffer, mtu. The buffer is told as BURST, in bytes instead of ticks.
    let mut parameters = Vec::with_capacity(36);
    parameters.extend([0, LINK_LAYER_ETHERNET, 0, 0, 0, 0, 0, 0]);
    parameters.extend(number(rate));
    parameters.extend([0; 12]);
    parameters.extend(number(waiting));
    parameters.extend([0; 8]);
    let option = |kind, value: Vec<u8>| TcOption::Other(DefaultNla::new(kind, value));
    let mut options = vec![option(PARAMETERS, parameters), option(BURST, number(burst).to_vec())];
    if rate > u64::from(u32::MAX) {
        options.push(option(RATE64, rate.to_ne_bytes().to_vec()));
    }
    let mut message = TcMessage::default();
    message.header.index = index.cast_signed();
    message.header.handle = TcHandle { major: 1, minor: 0 };
    message.header.parent = TcHandle::ROOT;
    message.attributes = vec![TcAttribute::Kind("tbf".to_owned()), TcAttribute::Options(options)];
    RouteNetlinkMessage::NewQueueDiscipline(message)
}

/// Included in the frame lengths that the limit counts.
const ETHERNET_HEADER: u64 = 14;
/// TC_LINKLAYER_ETHERNET: the time that a packet takes is proportional to its length.
const LINK_LAYER_ETHERNET: u8 = 1;

#[cfg(test)]
mod tests {
    use netlink_packet_core::Emitable;

    use super::*;

    /// As `tc qdisc replace dev 7 root tbf` sends it; checks rate, queue and burst.
    #[test]
    fn shapers_are_token_buckets() {
        let numbers = |rate, mtu| {
            let message = shaper(7, Rate::new(rate).unwrap(), mtu);
            let mut bytes = vec![0; message.buffer_len()];
            message.emit(&mut bytes);
            let at = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
            assert_eq!((at(4), at(8), at(12)), (7, 0x1_0000, u32::MAX));
            assert_eq!(&bytes[20..28], b"\x08\0\x01\0tbf\0");
            // TCA_OPTIONS, TCA_TBF_PARMS of 36 bytes, TCA_TBF_BURST, and TCA_TBF_RATE64 for large ones.
            assert_eq!((bytes[30], bytes[32], bytes[34], bytes[37], bytes[72 + 2]), (2, 40, 1, 1, 6));
            let rate64 = bytes.get(80..).filter(|rest| !rest.is_empty());
            let rate64 = rate64.map(|rest| u64::from_ne_bytes(rest[4..12].try_into().unwrap()));
            (at(44), rate64, at(60), at(76))
        };
        assert_eq!(numbers(1_250_000, 1500), (1_250_000, None, 125_000, 12_500));
        assert_eq!(numbers(1000, 1500), (1000, None, 8 * 1514, 2 * 1514));
        assert_eq!(numbers(1000, 65_535), (1000, None, 8 * 65_549, 2 * 65_549));
        assert_eq!(numbers(12_500_000_000, 1500), (u32::MAX, Some(12_500_000_000), 1_250_000_000, 125_000_000));
    }
}
