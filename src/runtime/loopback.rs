//! The one rtnetlink request of a container without a network: loopback up.

use netlink_packet_core::{NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkFlags, LinkMessage};

/// Loopback is the first interface of every network namespace (net/core/dev.c, LOOPBACK_IFINDEX).
const LOOPBACK_INDEX: u32 = 1;

/// RTM_SETLINK that sets IFF_UP on loopback (rtnetlink(7)), as bytes to send.
pub fn set_up_message() -> Vec<u8> {
    let mut link = LinkMessage::default();
    link.header.index = LOOPBACK_INDEX;
    link.header.flags = LinkFlags::Up;
    link.header.change_mask = LinkFlags::Up;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(RouteNetlinkMessage::SetLink(link)));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}
