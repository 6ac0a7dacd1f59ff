//! ICMP of both families (RFC 792, RFC 4443): echo, and errors about packets that could not be delivered.

use std::net::{IpAddr, Ipv4Addr};

use super::Malformed;
use super::checksum::Sum;
use super::ip::{Envelope, Ip, Transport, V4_HEADER, V6_HEADER};
use super::{Pair, protocol, u16_at, u32_at};

/// The length of the header, which is the same for all messages here.
const HEADER: usize = 8;
/// An error of IPv4 is at most as long as every host must take (RFC 1812 section 4.3.2.3).
const MAX_ERROR_V4: usize = 576;
/// An error of IPv6 is at most as long as every link must carry (RFC 4443 section 2.4 c).
const MAX_ERROR_V6: usize = 1280;

/// A message that was received.
#[derive(Debug, Clone, Copy)]
pub enum Icmp<'a> {
    /// "ping".
    EchoRequest(Echo<'a>),
    /// Its answer.
    EchoReply(Echo<'a>),
    /// A packet could not be delivered.
    Error(Quoted<'a>),
    /// Anything else: router and neighbour discovery, multicast listeners, time stamps.
    Other {
        /// The type of the message.
        kind: u8,
        /// Its code.
        code: u8,
    },
}

/// Echo, request or reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Echo<'a> {
    /// Which program asks.
    pub identifier: u16,
    /// Which of its questions.
    pub sequence: u16,
    /// What is to come back.
    pub payload: &'a [u8],
}

/// An error message and what it quotes of the packet that it is about. A quotation is cut off anywhere; its lengths and
/// checksums are not checked.
#[derive(Debug, Clone, Copy)]
pub struct Quoted<'a> {
    /// The type of the message.
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// The second word of the message: for "too big", the MTU.
    pub value: u32,
    /// From where and to where the quoted packet went.
    pub pair: Pair,
    /// What it carried.
    pub protocol: u8,
    /// Source and destination port of TCP and UDP; for echo the identifier twice.
    pub ports: Option<(u16, u16)>,
    /// As much as there is of it, from its IP header on.
    pub packet: &'a [u8],
}

impl<'a> Icmp<'a> {
    pub(super) fn parse_v4(body: &'a [u8]) -> Result<Self, Malformed> {
        Self::parse(body, |kind| match kind {
            8 => Kind::Request,
            0 => Kind::Reply,
            3 | 4 | 11 | 12 => Kind::Error,
            _ => Kind::Other,
        })
    }

    pub(super) fn parse_v6(body: &'a [u8]) -> Result<Self, Malformed> {
        Self::parse(body, |kind| match kind {
            128 => Kind::Request,
            129 => Kind::Reply,
            1..128 => Kind::Error,
            _ => Kind::Other,
        })
    }

    fn parse(body: &'a [u8], meaning: impl Fn(u8) -> Kind) -> Result<Self, Malformed> {
        let (header, payload) = body.split_first_chunk::<HEADER>().ok_or(Malformed("truncated ICMP message"))?;
        let [kind, code, _, _, rest @ ..] = *header;
        let [i0, i1, s0, s1] = rest;
        let echo = Echo { identifier: u16::from_be_bytes([i0, i1]), sequence: u16::from_be_bytes([s0, s1]), payload };
        match meaning(kind) {
            Kind::Request => Ok(Self::EchoRequest(echo)),
            Kind::Reply => Ok(Self::EchoReply(echo)),
            Kind::Error => Quoted::parse(kind, code, u32::from_be_bytes(rest), payload).map(Self::Error),
            Kind::Other => Ok(Self::Other { kind, code }),
        }
    }
}

enum Kind {
    Request,
    Reply,
    Error,
    Other,
}

impl<'a> Quoted<'a> {
    fn parse(kind: u8, code: u8, value: u32, packet: &'a [u8]) -> Result<Self, Malformed> {
        let (pair, protocol, body) = quoted(packet).ok_or(Malformed("quotation in an ICMP error"))?;
        let ports = match protocol {
            protocol::TCP | protocol::UDP => u16_at(body, 0).zip(u16_at(body, 2)),
            protocol::ICMP | protocol::ICMPV6 => u16_at(body, 4).map(|identifier| (identifier, identifier)),
            _ => None,
        };
        Ok(Self { kind, code, value, pair, protocol, ports, packet })
    }
}

/// Addresses, protocol and the beginning of the transport header of a quoted packet. Behind extension headers and within
/// fragments nothing is looked for: no packet that this program sends has them before its transport header.
fn quoted(packet: &[u8]) -> Option<(Pair, u8, &[u8])> {
    let first = *packet.first()?;
    match first >> 4 {
        4 => {
            let (source, destination) = (u32_at(packet, 12)?, u32_at(packet, 16)?);
            let later = u16_at(packet, 6)? & 0x1fff != 0;
            let body = if later { None } else { packet.get(usize::from(first & 15) * 4..) };
            let pair = Pair::V4 { source: source.into(), destination: destination.into() };
            Some((pair, *packet.get(9)?, body.unwrap_or_default()))
        }
        6 => {
            let source: [u8; 16] = *packet.get(8..)?.first_chunk()?;
            let destination: [u8; 16] = *packet.get(24..)?.first_chunk()?;
            let pair = Pair::V6 { source: source.into(), destination: destination.into() };
            Some((pair, *packet.get(6)?, packet.get(V6_HEADER..).unwrap_or_default()))
        }
        _ => None,
    }
}

/// Writes the answer to an echo request; `envelope` is that of the answer. False when the payload is too long.
#[must_use]
pub fn echo_reply(out: &mut Vec<u8>, envelope: &Envelope, echo: &Echo<'_>) -> bool {
    let kind = if envelope.pair.is_v6() { 129 } else { 0 };
    let value = u32::from(echo.identifier) << 16 | u32::from(echo.sequence);
    message(out, envelope, kind, 0, value, echo.payload)
}

/// Writes an echo request. False when the payload is too long.
#[must_use]
pub fn echo_request(out: &mut Vec<u8>, envelope: &Envelope, echo: &Echo<'_>) -> bool {
    let kind = if envelope.pair.is_v6() { 128 } else { 8 };
    let value = (u32::from(echo.identifier) << 16) | u32::from(echo.sequence);
    message(out, envelope, kind, 0, value, echo.payload)
}

/// Why a packet is not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No route to its network.
    Network,
    /// No way to the host.
    Host,
    /// The host does not answer on its link: what Linux knows as EHOSTDOWN.
    HostDown,
    /// The host does not speak that protocol.
    Protocol,
    /// Nobody has that port.
    Port,
    /// It is not allowed.
    Prohibited,
    /// It is longer than this many bytes, and must not be fragmented.
    TooBig(u32),
    /// What another router or host said of the packet that this one became, of the same family.
    Relayed {
        /// The type of the message.
        kind: u8,
        /// Its code.
        code: u8,
        /// Its second word.
        value: u32,
    },
}

impl Refusal {
    /// The refusal that makes a kernel tell its programs the same as a socket told this program, as far as there is one
    /// (`icmp_err_convert` in net/ipv4/icmp.c, `tab_unreach` in net/ipv6/icmp.c). The MTU of EMSGSIZE is not part of it.
    pub fn from_errno(errno: i32) -> Option<Self> {
        match errno {
            libc::ECONNREFUSED => Some(Self::Port),
            libc::EHOSTUNREACH => Some(Self::Host),
            libc::ENETUNREACH | libc::ENETDOWN | libc::EADDRNOTAVAIL => Some(Self::Network),
            libc::EHOSTDOWN => Some(Self::HostDown),
            libc::EACCES | libc::EPERM => Some(Self::Prohibited),
            libc::ENOPROTOOPT | libc::EPROTO | libc::EPROTONOSUPPORT => Some(Self::Protocol),
            _ => None,
        }
    }

    /// Whether it is one of the errors that tell of a packet that did not arrive, in a message of that family: anything
    /// else that a relayed message could be (a redirect, say) concerns the host alone.
    pub fn is_about_delivery(self, is_v6: bool) -> bool {
        match self {
            Self::Relayed { kind, .. } => matches!((is_v6, kind), (false, 3 | 11 | 12) | (true, 1..=4)),
            _ => true,
        }
    }

    /// Type, code and second word.
    fn v4(self) -> (u8, u8, u32) {
        match self {
            Self::Network => (3, 0, 0),
            Self::Host => (3, 1, 0),
            Self::Protocol => (3, 2, 0),
            Self::Port => (3, 3, 0),
            Self::TooBig(mtu) => (3, 4, mtu.min(0xffff)),
            Self::HostDown => (3, 7, 0),
            Self::Prohibited => (3, 13, 0),
            Self::Relayed { kind, code, value } => (kind, code, value),
        }
    }

    /// The same for IPv6.
    fn v6(self, next_header_at: u32) -> (u8, u8, u32) {
        match self {
            Self::Network => (1, 0, 0),
            Self::Prohibited => (1, 1, 0),
            Self::Host | Self::HostDown => (1, 3, 0),
            Self::Port => (1, 4, 0),
            Self::TooBig(mtu) => (2, 0, mtu),
            // The next header is not recognized; the value points at its number.
            Self::Protocol => (4, 1, next_header_at),
            Self::Relayed { kind, code, value } => (kind, code, value),
        }
    }
}

/// Writes the error message that tells the sender of a packet why it is not delivered. It comes from `from`, or from where
/// the packet wanted to go. False when no error may answer that packet (RFC 1122 section 3.2.2, RFC 4443 section 2.4 e)
/// or when `from` is of the other family.
#[must_use]
pub fn refuse(out: &mut Vec<u8>, packet: &Ip<'_>, from: Option<IpAddr>, refusal: Refusal) -> bool {
    if !may_be_answered(packet) {
        return false;
    }
    let from = from.unwrap_or(packet.pair.destination());
    let Some(pair) = Pair::new(from, packet.pair.source()) else { return false };
    let (kind, code, value, most) = match pair {
        Pair::V4 { .. } => {
            let (kind, code, value) = refusal.v4();
            (kind, code, value, MAX_ERROR_V4 - V4_HEADER - HEADER)
        }
        // Packets with extension headers are refused as a whole: byte 6 of the fixed header names the first of them.
        Pair::V6 { .. } => {
            let (kind, code, value) = refusal.v6(6);
            (kind, code, value, MAX_ERROR_V6 - V6_HEADER - HEADER)
        }
    };
    let quotation = packet.bytes().get(..most).unwrap_or(packet.bytes());
    // RFC 1812 section 4.3.2.5: precedence of internetwork control.
    let class = if pair.is_v6() { 0 } else { 0xc0 };
    message(out, &Envelope { traffic_class: class, ..Envelope::new(pair) }, kind, code, value, quotation)
}

/// Not errors, not packets to or from more than one host, not later fragments.
fn may_be_answered(packet: &Ip<'_>) -> bool {
    let one_host = match packet.pair {
        Pair::V4 { source, destination } => {
            let one =
                |address: Ipv4Addr| !address.is_multicast() && !address.is_broadcast() && !address.is_unspecified();
            one(source) && one(destination)
        }
        Pair::V6 { source, destination } => {
            !source.is_multicast() && !source.is_unspecified() && !destination.is_multicast()
        }
    };
    one_host
        && match packet.transport {
            Transport::Icmp(Icmp::EchoRequest(_) | Icmp::EchoReply(_)) => true,
            Transport::Icmp(_) => false,
            Transport::Fragment(piece) => piece.is_first(),
            Transport::Tcp(_) | Transport::Udp(_) | Transport::Other(_) => true,
        }
}

/// A whole message with its checksum.
fn message(out: &mut Vec<u8>, envelope: &Envelope, kind: u8, code: u8, value: u32, payload: &[u8]) -> bool {
    let length = HEADER + payload.len();
    let (protocol, sum) = match envelope.pair {
        Pair::V4 { .. } => (protocol::ICMP, Sum::default()),
        Pair::V6 { .. } => (protocol::ICMPV6, Sum::pseudo(&envelope.pair, protocol::ICMPV6, length)),
    };
    let Some(headers) = envelope.header(protocol, length) else { return false };
    let value = value.to_be_bytes();
    let sum = sum.with(&[kind, code]).with(&value).with(payload).complemented().to_be_bytes();
    out.clear();
    for part in [headers.as_slice(), &[kind, code], &sum, &value, payload] {
        out.extend_from_slice(part);
    }
    true
}
