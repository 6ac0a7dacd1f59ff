//! Test doubles for handlers: sockets of the test's own namespace, a real epoll, and a device that stores packets.

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, socket_with};

use super::handler::{Context, Handler, Holder, Interest, Link, Offload, Outside, Policy, Sockets, Token, Wakes};
use super::packet::{Envelope, Headers, Ip, Pair, Transport, checksum, udp_headers};
use crate::spec::network;

/// The container's address.
pub fn member(v6: bool) -> IpAddr {
    if v6 { "fd00::2".parse().unwrap() } else { [172, 17, 0, 2].into() }
}

/// What a container calls the host's loopback.
pub fn host(v6: bool) -> IpAddr {
    if v6 { "fd00::fffe".parse().unwrap() } else { [172, 17, 255, 254].into() }
}

/// The host's loopback.
pub fn loopback(v6: bool) -> IpAddr {
    if v6 { "::1".parse().unwrap() } else { [127, 0, 0, 1].into() }
}

/// Everything that a context borrows.
pub struct World {
    /// The time of the next call.
    pub now: Instant,
    /// A real one.
    pub epoll: OwnedFd,
    /// How many sockets there may still be.
    pub sockets_left: Limited,
    /// What was sent to containers.
    pub wire: Wire,
    /// What is allowed.
    pub rules: Rules,
}

/// Makes sockets up to a limit.
pub struct Limited(pub Cell<usize>);

/// Packets that were sent to containers.
#[derive(Default)]
pub struct Wire {
    /// Not yet examined.
    pub sent: Vec<(Vec<u8>, Offload)>,
    /// Whether UDP GSO packets can be sent.
    pub cuts: bool,
}

/// [`host`] stands for [`loopback`], loopback itself for itself; everything else is forbidden.
pub struct Rules {
    /// Of all networks.
    pub mtu: usize,
    /// The source address that containers see for clients of published ports; the client's own if `None`.
    pub visible: Option<IpAddr>,
}

impl World {
    /// An empty one.
    pub fn new() -> Self {
        Self {
            now: Instant::now(),
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).unwrap(),
            sockets_left: Limited(Cell::new(usize::MAX)),
            wire: Wire::default(),
            rules: Rules { mtu: 1500, visible: None },
        }
    }

    /// The context for a call of a handler.
    pub fn context(&mut self) -> Context<'_> {
        Context {
            now: self.now,
            wakes: &self.epoll,
            sockets: &self.sockets_left,
            link: &mut self.wire,
            policy: &self.rules,
        }
    }

    /// Lets time pass.
    pub fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    /// Waits for an event: handler, index, events. The test fails after ten seconds.
    pub fn wait(&self) -> (Handler, u64, Interest) {
        self.poll(10).expect("nothing happened")
    }

    /// The event that is ready within a time, if any.
    pub fn poll(&self, seconds: i64) -> Option<(Handler, u64, Interest)> {
        let mut events = Vec::with_capacity(1);
        let patience = Timespec { tv_sec: seconds, tv_nsec: 0 };
        epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), Some(&patience)).unwrap();
        let event = events.first()?;
        let (handler, index) = Token::from_raw(event.data.u64()).unwrap();
        let flags = event.flags;
        Some((handler, index, Interest::from_bits_truncate(flags.bits())))
    }

    /// A packet of the container's, with its checksum filled in.
    pub fn datagram(&self, from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
        let envelope = Envelope::new(Pair::new(from.ip(), to.ip()).unwrap());
        whole(&udp_headers(&envelope, from.port(), to.port(), payload.len()).unwrap(), payload)
    }

    /// Takes the datagrams that were sent to containers, splitting GSO packets.
    pub fn datagrams(&mut self) -> Vec<(SocketAddr, SocketAddr, Vec<u8>)> {
        let mut all = Vec::new();
        for (packet, offload) in self.wire.sent.drain(..) {
            let ip = Ip::parse(&packet, offload).unwrap();
            let Transport::Udp(udp) = ip.transport else { panic!("{ip:?}") };
            let (from, to) = ip.pair.with_ports(udp.source_port, udp.destination_port);
            match offload.segments {
                Some((_, _, size)) => {
                    all.extend(udp.payload.chunks(size.into()).map(|payload| (from, to, payload.to_vec())));
                }
                None => all.push((from, to, udp.payload.to_vec())),
            }
        }
        all
    }
}

/// Headers and payload in one, the checksum filled in.
pub fn whole(headers: &Headers, payload: &[u8]) -> Vec<u8> {
    let mut packet = [headers.as_slice(), payload].concat();
    assert!(checksum::complete(&mut packet, headers.offload()));
    packet
}

impl Wakes for OwnedFd {
    fn watch(&self, fd: BorrowedFd<'_>, interest: Interest, token: Token) -> io::Result<()> {
        let flags = epoll::EventFlags::from_bits_retain(interest.bits());
        Ok(epoll::add(self, fd, epoll::EventData::new_u64(token.raw()), flags)?)
    }

    fn change(&self, fd: BorrowedFd<'_>, interest: Interest, token: Token) -> io::Result<()> {
        let flags = epoll::EventFlags::from_bits_retain(interest.bits());
        Ok(epoll::modify(self, fd, epoll::EventData::new_u64(token.raw()), flags)?)
    }

    fn ignore(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        Ok(epoll::delete(self, fd)?)
    }
}

impl Sockets for Limited {
    fn host(&self, family: AddressFamily, kind: SocketType, protocol: Option<Protocol>) -> io::Result<OwnedFd> {
        let left = self.0.get().checked_sub(1).ok_or(io::Error::from_raw_os_error(libc::EMFILE))?;
        self.0.set(left);
        Ok(socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, protocol)?)
    }

    fn router(&self, family: AddressFamily, kind: SocketType, protocol: Option<Protocol>) -> io::Result<OwnedFd> {
        self.host(family, kind, protocol)
    }
}

impl Link for Wire {
    fn send(&mut self, packet: &[u8], offload: Offload) -> bool {
        self.sent.push((packet.to_vec(), offload));
        true
    }

    fn cuts_udp(&self) -> bool {
        self.cuts
    }
}

impl Policy for Rules {
    fn outside(&self, _: IpAddr, destination: IpAddr, _: Option<(network::Protocol, u16)>) -> Outside {
        match destination {
            it if it == host(it.is_ipv6()) => Outside::To(loopback(it.is_ipv6())),
            it if it.is_loopback() => Outside::To(it),
            it if it.is_multicast() => Outside::Nothing,
            _ => Outside::Prohibited,
        }
    }

    fn stands_for_host(&self, address: IpAddr) -> bool {
        address == host(address.is_ipv6())
    }

    fn is_on_host(&self, address: IpAddr) -> bool {
        address.is_loopback()
    }

    fn visible(&self, client: IpAddr, _: IpAddr) -> IpAddr {
        self.visible.unwrap_or(client)
    }

    /// Addresses with the same last byte belong to one container.
    fn holder(&self, address: IpAddr) -> Holder {
        let last = match address {
            IpAddr::V4(address) => address.octets()[3],
            IpAddr::V6(address) => address.octets()[15],
        };
        Holder(last.into())
    }

    fn mtu(&self, _: IpAddr) -> usize {
        self.mtu
    }
}
