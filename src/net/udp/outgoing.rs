//! Datagrams to the outside: consecutive ones of one flow, size and options are sent with one call (GSO).

use std::os::fd::BorrowedFd;

use rustix::net::sockopt::{self, Ipv4PathMtuDiscovery as V4, Ipv6PathMtuDiscovery as V6};

use crate::net::handler::Segments;
use crate::net::packet::{Ip, Pair};

/// A TTL below this was set on purpose, as by traceroute; higher ones are defaults, less the routers passed.
const MEANT_HOPS: u8 = 32;
/// The most datagrams per call (UDP_MAX_SEGMENTS before Linux 6.9).
const MAX_SEGMENTS: usize = 64;
/// The most bytes per call; leaves room for any headers.
const MAX_PAYLOAD: usize = 65_000;

/// Options for sending, from the IP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendOptions {
    /// DSCP and ECN.
    pub class: u8,
    /// The hop limit, if the container has set one on purpose.
    pub hops: Option<u8>,
    /// Whether the host may fragment it.
    pub may_fragment: bool,
}

impl SendOptions {
    /// The options of a container's packet, on a network with this MTU.
    pub fn of(ip: &Ip<'_>, mtu: usize) -> Self {
        Self {
            class: ip.traffic_class,
            hops: (ip.hops < MEANT_HOPS).then_some(ip.hops),
            // An IPv6 packet larger than its network's MTU was fragmented by the container.
            may_fragment: match ip.pair {
                Pair::V4 { .. } => !ip.dont_fragment,
                Pair::V6 { .. } => ip.offload.segments.is_none() && ip.bytes().len() > mtu,
            },
        }
    }

    /// Sets these options on a socket that has those of `before`, if known. Failures are ignored: a datagram with
    /// slightly different headers is better than none.
    pub fn apply(self, before: Option<Self>, fd: BorrowedFd<'_>, v6: bool) {
        if before.map_or(0, |it| it.class) != self.class {
            let class = self.class;
            let _ = if v6 { sockopt::set_ipv6_tclass(fd, class.into()) } else { sockopt::set_ip_tos(fd, class) };
        }
        if before.and_then(|it| it.hops) != self.hops {
            let _ = match (v6, self.hops) {
                (true, hops) => sockopt::set_ipv6_unicast_hops(fd, hops),
                (false, Some(hops)) => sockopt::set_ip_ttl(fd, hops.max(1).into()),
                // ip(7): -1 restores the default.
                (false, None) => sockopt::set_ip_ttl(fd, u32::MAX),
            };
        }
        if before.map(|it| it.may_fragment) != Some(self.may_fragment) {
            let _ = match (v6, self.may_fragment) {
                (false, true) => sockopt::set_ip_mtu_discover(fd, V4::DONT),
                (false, false) => sockopt::set_ip_mtu_discover(fd, V4::DO),
                (true, true) => sockopt::set_ipv6_mtu_discover(fd, V6::DONT),
                (true, false) => sockopt::set_ipv6_mtu_discover(fd, V6::DO),
            };
        }
    }
}

/// Segment size of a GSO batch, or the payload length of a single datagram.
pub fn size(ip: &Ip<'_>, payload: &[u8]) -> usize {
    match ip.offload.segments {
        Some((Segments::Udp, _, size)) => usize::from(size),
        _ => payload.len(),
    }
}

/// The pending batch.
#[derive(Debug, Default)]
pub struct Outgoing {
    what: Option<(usize, SendOptions)>,
    size: usize,
    count: usize,
    payload: Vec<u8>,
}

/// A batch to send.
#[derive(Debug)]
pub struct Batch {
    /// The index of the flow.
    pub flow: usize,
    /// How they are sent.
    pub send_options: SendOptions,
    /// The size of each datagram except the last one; 0 for a single empty one.
    pub size: usize,
    /// How many there are.
    pub count: usize,
    /// The datagrams back to back.
    pub payload: Vec<u8>,
}

impl Batch {
    /// Each datagram.
    pub fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        // An empty datagram counts as one, although it has no chunk.
        let single = (self.count == 1).then_some(self.payload.as_slice());
        let many = if self.count > 1 { self.payload.as_slice() } else { &[] };
        single.into_iter().chain(many.chunks(self.size.max(1)))
    }
}

impl Outgoing {
    /// Adds a datagram, or several of `size` bytes each, of which the last may be shorter. False if the pending batch
    /// must be sent first.
    #[must_use]
    pub fn add(&mut self, flow: usize, send_options: SendOptions, payload: &[u8], size: usize) -> bool {
        let count = if size == 0 { 1 } else { payload.len().div_ceil(size) };
        if self.what.is_none() {
            self.what = Some((flow, send_options));
            self.size = size;
        } else {
            let complete = self.size > 0 && self.payload.len() == self.size * self.count;
            let same_size = size == self.size || (count == 1 && size > 0 && size < self.size);
            let fits = self.count + count <= MAX_SEGMENTS && self.payload.len() + payload.len() <= MAX_PAYLOAD;
            if self.what != Some((flow, send_options)) || !complete || !same_size || !fits {
                return false;
            }
        }
        self.count += count;
        self.payload.extend_from_slice(payload);
        true
    }

    /// Takes the pending batch. Its memory is returned with [`Outgoing::recycle`].
    pub fn take(&mut self) -> Option<Batch> {
        let (flow, send_options) = self.what.take()?;
        let count = std::mem::take(&mut self.count);
        Some(Batch { flow, send_options, size: self.size, count, payload: std::mem::take(&mut self.payload) })
    }

    /// Reuses the memory of a batch.
    pub fn recycle(&mut self, batch: Batch) {
        self.payload = batch.payload;
        self.payload.clear();
    }
}
