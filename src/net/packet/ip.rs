//! IPv4 and IPv6 headers (RFC 791, RFC 8200): read with everything that follows them, and written.

use super::checksum::Sum;
use super::piece::Piece;
use super::{Icmp, Malformed, Pair, Tcp, Udp, protocol, u16_at};
use crate::net::handler::{Offload, Segments};

/// The smallest IPv4 header.
pub(super) const V4_HEADER: usize = 20;
/// The IPv6 header without extensions.
pub(super) const V6_HEADER: usize = 40;
/// The IPv6 extension header of fragments.
pub(super) const FRAGMENT_HEADER: usize = 8;
/// More extension headers than that are not looked through (each kind makes sense once, destination options twice).
const MAX_EXTENSIONS: usize = 8;
/// "Don't fragment", in the word of flags and offset of IPv4.
const DONT_FRAGMENT: u16 = 0x4000;
/// "More fragments", in the same word.
const MORE_FRAGMENTS: u16 = 0x2000;

/// One IP packet: its bytes, and what they mean. All that it says has been checked.
#[derive(Debug, Clone, Copy)]
pub struct Ip<'a> {
    /// From where and to where.
    pub pair: Pair,
    /// How many routers it may still pass: TTL or hop limit.
    pub hops: u8,
    /// DSCP and ECN.
    pub traffic_class: u8,
    /// Routers must not fragment it: the DF bit; always so for IPv6.
    pub dont_fragment: bool,
    /// What is behind the IP headers (IANA's number).
    pub protocol: u8,
    /// The same, taken apart.
    pub transport: Transport<'a>,
    /// What the device said of it.
    pub offload: Offload,
    /// All of it, without trailing bytes that its length does not cover.
    bytes: &'a [u8],
    /// Where the transport header begins, or the data of a fragment.
    payload_at: usize,
}

/// What an IP packet carries.
#[derive(Debug, Clone, Copy)]
pub enum Transport<'a> {
    /// TCP.
    Tcp(Tcp<'a>),
    /// UDP.
    Udp(Udp<'a>),
    /// ICMP, of the packet's family.
    Icmp(Icmp<'a>),
    /// A part of a packet: to be given to [`super::Reassembly`].
    Fragment(Piece<'a>),
    /// Another protocol, unchecked.
    Other(&'a [u8]),
}

/// Where the headers of IP end, and what they say.
struct Head<'a> {
    pair: Pair,
    hops: u8,
    traffic_class: u8,
    dont_fragment: bool,
    protocol: u8,
    bytes: &'a [u8],
    payload_at: usize,
    fragment: Option<Piece<'a>>,
}

impl<'a> Ip<'a> {
    /// `bytes` is what a TUN device without link headers gave, `offload` what came with it. The checksum of the transport
    /// header is verified unless the device has left it open.
    pub fn parse(bytes: &'a [u8], offload: Offload) -> Result<Self, Malformed> {
        let head = match bytes.first().map(|first| first >> 4) {
            Some(4) => v4(bytes)?,
            Some(6) => v6(bytes)?,
            _ => return Err(Malformed("neither IPv4 nor IPv6")),
        };
        let body = head.bytes.get(head.payload_at..).unwrap_or_default();
        let transport = match head.fragment {
            Some(piece) => Transport::Fragment(piece),
            None => transport(&head, body, offload)?,
        };
        Ok(Self {
            pair: head.pair,
            hops: head.hops,
            traffic_class: head.traffic_class,
            dont_fragment: head.dont_fragment,
            protocol: head.protocol,
            transport,
            offload,
            bytes: head.bytes,
            payload_at: head.payload_at,
        })
    }

    /// The whole packet, as it was given: with [`Ip::offload`], it can be sent again.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Everything behind the IP headers.
    pub fn body(&self) -> &'a [u8] {
        self.bytes.get(self.payload_at..).unwrap_or_default()
    }

    /// How many bytes of IP headers there are.
    pub fn header_length(&self) -> usize {
        self.payload_at
    }
}

fn transport<'a>(head: &Head<'a>, body: &'a [u8], offload: Offload) -> Result<Transport<'a>, Malformed> {
    let left_open = offload.checksum.is_some_and(|(start, _)| usize::from(start) == head.payload_at);
    let verified = |sum: Sum| match left_open || sum.with(body).is_valid() {
        true => Ok(()),
        false => Err(Malformed("checksum of the transport header")),
    };
    let pseudo = || Sum::pseudo(&head.pair, head.protocol, body.len());
    match (head.protocol, head.pair.is_v6()) {
        (protocol::TCP, _) => {
            verified(pseudo())?;
            Tcp::parse(body).map(Transport::Tcp)
        }
        (protocol::UDP, v6) => {
            let (udp, covered, sum) = Udp::parse(body)?;
            // RFC 768: zero is no checksum at all; RFC 8200 section 8.1: not with IPv6.
            let verified = left_open
                || (sum == 0 && !v6)
                || (sum != 0 && Sum::pseudo(&head.pair, head.protocol, covered.len()).with(covered).is_valid());
            match verified {
                true => Ok(Transport::Udp(udp)),
                false => Err(Malformed("checksum of UDP")),
            }
        }
        (protocol::ICMP, false) => {
            verified(Sum::default())?;
            Icmp::parse_v4(body).map(Transport::Icmp)
        }
        (protocol::ICMPV6, true) => {
            verified(pseudo())?;
            Icmp::parse_v6(body).map(Transport::Icmp)
        }
        _ => Ok(Transport::Other(body)),
    }
}

fn v4(bytes: &[u8]) -> Result<Head<'_>, Malformed> {
    let short = Malformed("truncated IPv4 header");
    let fixed: &[u8; V4_HEADER] = bytes.first_chunk().ok_or(short)?;
    let (rest, addresses) = fixed.split_first_chunk::<12>().ok_or(short)?;
    let [first, traffic_class, l0, l1, i0, i1, f0, f1, hops, protocol, _, _] = *rest;
    let (source, destination): (&[u8; 4], &[u8]) = addresses.split_first_chunk().ok_or(short)?;
    let destination: &[u8; 4] = destination.first_chunk().ok_or(short)?;
    let (header, total) = (usize::from(first & 15) * 4, usize::from(u16::from_be_bytes([l0, l1])));
    if header < V4_HEADER || total < header {
        return Err(Malformed("length of the IPv4 header"));
    }
    let bytes = bytes.get(..total).ok_or(Malformed("truncated IPv4 packet"))?;
    let (head, body) = bytes.split_at_checked(header).ok_or(short)?;
    if !Sum::default().with(head).is_valid() {
        return Err(Malformed("checksum of the IPv4 header"));
    }
    let word = u16::from_be_bytes([f0, f1]);
    let (offset, more) = (usize::from(word & 0x1fff) * 8, word & MORE_FRAGMENTS != 0);
    let identification = u32::from(u16::from_be_bytes([i0, i1]));
    let fragment = match more || offset > 0 {
        true => Some(Piece::new(identification, offset, more, head, None, body)?),
        false => None,
    };
    Ok(Head {
        pair: Pair::V4 { source: (*source).into(), destination: (*destination).into() },
        hops,
        traffic_class,
        dont_fragment: word & DONT_FRAGMENT != 0,
        protocol,
        bytes,
        payload_at: header,
        fragment,
    })
}

fn v6(bytes: &[u8]) -> Result<Head<'_>, Malformed> {
    let short = Malformed("truncated IPv6 header");
    let fixed: &[u8; V6_HEADER] = bytes.first_chunk().ok_or(short)?;
    let (first, rest) = fixed.split_first_chunk::<8>().ok_or(short)?;
    let [c0, c1, _, _, l0, l1, protocol, hops] = *first;
    let (source, destination): (&[u8; 16], &[u8]) = rest.split_first_chunk().ok_or(short)?;
    let destination: &[u8; 16] = destination.first_chunk().ok_or(short)?;
    let total = V6_HEADER + usize::from(u16::from_be_bytes([l0, l1]));
    let mut head = Head {
        pair: Pair::V6 { source: (*source).into(), destination: (*destination).into() },
        hops,
        traffic_class: c0 << 4 | c1 >> 4,
        dont_fragment: true,
        protocol,
        bytes: bytes.get(..total).ok_or(Malformed("truncated IPv6 packet"))?,
        payload_at: V6_HEADER,
        fragment: None,
    };
    extensions(&mut head)?;
    Ok(head)
}

/// Goes through the extension headers (RFC 8200 section 4) up to the transport header or the data of a fragment.
fn extensions(head: &mut Head<'_>) -> Result<(), Malformed> {
    const HOP_BY_HOP: u8 = 0;
    const ROUTING: u8 = 43;
    const FRAGMENT: u8 = 44;
    const AUTHENTICATION: u8 = 51;
    const DESTINATION: u8 = 60;
    let short = Malformed("truncated IPv6 extension header");
    // Where the number of the header stands that is looked at: byte 6 of the fixed header, then byte 0 of each extension.
    let mut named_at = 6;
    for _ in 0..MAX_EXTENSIONS {
        let rest = head.bytes.get(head.payload_at..).unwrap_or_default();
        let length = match (head.protocol, rest) {
            (HOP_BY_HOP | ROUTING | DESTINATION, [_, length, ..]) => (usize::from(*length) + 1) * 8,
            // RFC 4302 section 2.2: in words of four bytes, less two.
            (AUTHENTICATION, [_, length, ..]) => (usize::from(*length) + 2) * 4,
            (FRAGMENT, [..]) => FRAGMENT_HEADER,
            (HOP_BY_HOP | ROUTING | DESTINATION | AUTHENTICATION, _) => return Err(short),
            _ => return Ok(()),
        };
        let (extension, body) = rest.split_at_checked(length).ok_or(short)?;
        let next = extension.first().copied().ok_or(short)?;
        if head.protocol == FRAGMENT {
            let word = u16_at(extension, 2).ok_or(short)?;
            let (offset, more) = (usize::from(word & 0xfff8), word & 1 != 0);
            // RFC 6946: a fragment that is the whole packet is just that.
            if more || offset > 0 {
                let identification = super::u32_at(extension, 4).ok_or(short)?;
                let before = head.bytes.get(..head.payload_at).unwrap_or_default();
                head.fragment = Some(Piece::new(identification, offset, more, before, Some(named_at), body)?);
                head.protocol = next;
                head.payload_at += length;
                return Ok(());
            }
        }
        named_at = head.payload_at;
        head.protocol = next;
        head.payload_at += length;
    }
    Err(Malformed("too many IPv6 extension headers"))
}

/// What an IP header says that is neither a length nor a checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// From where and to where.
    pub pair: Pair,
    /// TTL or hop limit.
    pub hops: u8,
    /// DSCP and ECN.
    pub traffic_class: u8,
    /// With a number, routers may fragment an IPv4 packet, whose fragments are known by that number (RFC 6864); IPv6 packets
    /// ignore it ([`super::split`]).
    pub identification: Option<u16>,
}

impl Envelope {
    /// An ordinary packet that is not fragmented on its way.
    pub fn new(pair: Pair) -> Self {
        Self { pair, hops: 64, traffic_class: 0, identification: None }
    }

    /// The header in front of `body` bytes; `None` if they are too many.
    pub(super) fn header(&self, protocol: u8, body: usize) -> Option<Headers> {
        let mut headers = Headers::empty();
        match self.pair {
            Pair::V4 { source, destination } => {
                let length = u16::try_from(V4_HEADER.checked_add(body)?).ok()?;
                let flags = if self.identification.is_some() { 0 } else { DONT_FRAGMENT };
                headers.push(&[0x45, self.traffic_class])?;
                headers.push(&length.to_be_bytes())?;
                headers.push(&self.identification.unwrap_or(0).to_be_bytes())?;
                headers.push(&flags.to_be_bytes())?;
                headers.push(&[self.hops, protocol, 0, 0])?;
                headers.push(&source.octets())?;
                headers.push(&destination.octets())?;
                let sum = Sum::default().with(headers.as_slice()).complemented();
                headers.put(10, sum)?;
            }
            Pair::V6 { source, destination } => {
                let length = u16::try_from(body).ok()?;
                let class = self.traffic_class;
                headers.push(&[0x60 | class >> 4, class << 4, 0, 0])?;
                headers.push(&length.to_be_bytes())?;
                headers.push(&[protocol, self.hops])?;
                headers.push(&source.octets())?;
                headers.push(&destination.octets())?;
            }
        }
        Some(headers)
    }
}

/// IP and transport headers for a payload that comes behind them, with what the device still has to do.
#[derive(Debug, Clone, Copy)]
pub struct Headers {
    bytes: [u8; Headers::MAX],
    length: usize,
    offload: Offload,
}

impl Headers {
    /// The longest: IPv6 and TCP with all options. Room for that before a payload is enough for any.
    pub const MAX: usize = V6_HEADER + 60;

    pub(super) fn empty() -> Self {
        Self { bytes: [0; Self::MAX], length: 0, offload: Offload::default() }
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// What the device has to do: the checksum over headers and payload, and the cutting.
    pub fn offload(&self) -> Offload {
        self.offload
    }

    /// For a payload that the device cuts into packets of `size` bytes each, which must be smaller than the payload.
    #[must_use]
    pub fn segmented(mut self, size: u16) -> Self {
        let v6 = self.bytes.first().is_some_and(|first| first >> 4 == 6);
        let kind = match (self.bytes.get(if v6 { 6 } else { 9 }), v6) {
            (Some(&protocol::TCP), false) => Segments::Tcp4,
            (Some(&protocol::TCP), true) => Segments::Tcp6,
            _ => Segments::Udp,
        };
        self.offload.segments = u16::try_from(self.length).ok().map(|length| (kind, length, size));
        self
    }

    /// Appends.
    pub(super) fn push(&mut self, more: &[u8]) -> Option<()> {
        self.bytes.get_mut(self.length..self.length + more.len())?.copy_from_slice(more);
        self.length += more.len();
        Some(())
    }

    /// Overwrites two bytes.
    pub(super) fn put(&mut self, at: usize, value: u16) -> Option<()> {
        self.bytes.get_mut(..self.length)?.get_mut(at..at + 2)?.copy_from_slice(&value.to_be_bytes());
        Some(())
    }

    /// Leaves the checksum of the transport header, which covers `length` bytes, to the device: `field` is its
    /// place in that header.
    pub(super) fn leave_checksum(
        &mut self,
        envelope: &Envelope,
        protocol: u8,
        field: u16,
        length: usize,
    ) -> Option<()> {
        let start = if envelope.pair.is_v6() { V6_HEADER } else { V4_HEADER };
        self.put(start + usize::from(field), Sum::pseudo(&envelope.pair, protocol, length).folded())?;
        self.offload.checksum = Some((u16::try_from(start).ok()?, field));
        Some(())
    }
}
