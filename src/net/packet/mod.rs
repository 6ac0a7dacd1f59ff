//! IP packets of both families: parsing and building.
//!
//! # Theory of operation
//!
//! Parsing: [`Ip::parse`] checks every length and checksum of a packet once, and returns a view that borrows the bytes:
//! addresses, and a [`Transport`] with its parsed header and payload. An invalid packet gives [`Malformed`], so later
//! code needs no checks. A fragment is marked as such; [`Reassembly`] makes whole packets of fragments, which are
//! parsed again.
//!
//! Building: TCP and UDP headers are built for a payload of a given length without reading it ([`Headers`]). The
//! checksum over the payload is left to the device ([`Offload`]) or filled in by [`checksum::complete`]. So a payload
//! can be received directly behind the place of its headers. ICMP messages are small and built whole.
//!
//! Nothing here panics, whatever the bytes are, and nothing here makes a system call. Memory is bounded: only
//! [`Reassembly`] stores anything.

pub mod checksum;
mod fragment;
mod icmp;
mod ip;
mod offload;
mod piece;
mod tcp;
mod udp;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

pub use fragment::{Reassembly, split};
#[cfg(test)]
pub use icmp::Quoted;
pub use icmp::{Echo, Icmp, Refusal, echo_reply, echo_request, refuse};
pub use ip::{Envelope, Headers, Ip, Transport};
pub use offload::{VNET_HEADER, decode, encode};
pub use tcp::{Flags, Options, Segment, Tcp};
pub use udp::{Udp, udp_headers};

/// A packet that no sender should have sent, or that was damaged on its way: it is dropped without an answer, as the kernel
/// does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(
    /// What is wrong, for counters and tests.
    pub &'static str,
);

/// The largest packet of either family: 40 bytes of IPv6 header and 65,535 behind it.
pub const MAX_PACKET: usize = 65_575;

/// Protocol numbers (IANA, protocol-numbers).
pub mod protocol {
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
}

/// Source and destination, of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pair {
    /// IPv4.
    V4 {
        /// From where.
        source: Ipv4Addr,
        /// To where.
        destination: Ipv4Addr,
    },
    /// IPv6.
    V6 {
        /// From where.
        source: Ipv6Addr,
        /// To where.
        destination: Ipv6Addr,
    },
}

impl Pair {
    /// `None` when the families differ.
    pub fn new(source: IpAddr, destination: IpAddr) -> Option<Self> {
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => Some(Self::V4 { source, destination }),
            (IpAddr::V6(source), IpAddr::V6(destination)) => Some(Self::V6 { source, destination }),
            _ => None,
        }
    }

    /// From where.
    pub fn source(&self) -> IpAddr {
        match *self {
            Self::V4 { source, .. } => source.into(),
            Self::V6 { source, .. } => source.into(),
        }
    }

    /// To where.
    pub fn destination(&self) -> IpAddr {
        match *self {
            Self::V4 { destination, .. } => destination.into(),
            Self::V6 { destination, .. } => destination.into(),
        }
    }

    /// Source and destination swapped.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::V4 { source, destination } => Self::V4 { source: destination, destination: source },
            Self::V6 { source, destination } => Self::V6 { source: destination, destination: source },
        }
    }

    /// Whether it is IPv6.
    pub fn is_v6(&self) -> bool {
        matches!(self, Self::V6 { .. })
    }

    /// With the ports of a transport header: source, destination.
    pub fn with_ports(&self, source: u16, destination: u16) -> (SocketAddr, SocketAddr) {
        (SocketAddr::new(self.source(), source), SocketAddr::new(self.destination(), destination))
    }
}

/// Two bytes at an offset, if they are there.
fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_be_bytes)
}

/// Four bytes at an offset, if they are there.
fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests;
