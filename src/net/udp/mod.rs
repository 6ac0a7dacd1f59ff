//! UDP from containers to the outside.
//!
//! # Theory of operation
//!
//! A flow is what goes between one port of a container and one port outside. Each has a socket of the host, connected to
//! the other end: so the kernel gives back the errors that concern it, and a stranger's datagrams do not get in. All
//! flows of one port of a container share one port of the host (SO_REUSEPORT), so that whoever is told that port by a
//! third party can be reached from it (RFC 4787, "endpoint-independent mapping"): that is what telephony, games and peer-to-peer
//! programs count on.
//!
//! What the container's packet says beyond its payload goes along: DSCP and ECN; "don't fragment", so that the
//! container's kernel learns the path's MTU; a small TTL, so that traceroute works. What comes back as an error on the
//! socket (IP_RECVERR) becomes the ICMP message that the container would have got had it been on the host's network,
//! quoting its own packet.
//!
//! Datagrams of equal size in a row go to the host's kernel in one call and come from it in one; both directions also have
//! large packets on the TUN device. Nothing waits for more to come: [`Udp::flush`] ends each round of the loop. Only a
//! stream that goes one way is looked at less often than it could be ([`pace`]).

pub(super) mod delivery;
pub(super) mod outgoing;
pub(super) mod pace;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use rustix::net::{AddressFamily, SocketType, sockopt};

use self::delivery::{Delivery, Label};
use self::outgoing::{Batch, SendOptions, Outgoing};
use self::pace::{Pace, Resting, Turn};
use super::flows::{self, Flows, Limits};
use super::packet::{self, Envelope, Ip, Pair, Refusal, Transport};
use super::handler::{Context, Holder, Interest, Outside, Handler, Token};
use crate::spec::network::Protocol;
use crate::sys::datagram::{self, Inbox, SendError, Sending};

/// The largest datagram, and the most that the kernel joins.
const MAX_DATAGRAM: usize = 65_536;
/// How much may wait in a socket; the kernel cuts it to `net.core.rmem_max`.
const RECEIVE_BUFFER: usize = 1024 * 1024;
/// How often one call receives before other parts have their turn.
const ROUNDS: usize = 4;
/// How many kept errors are taken at a time.
const MAX_ERRORS: usize = 16;

/// Who talks to whom, as the container sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    member: SocketAddr,
    remote: SocketAddr,
}

impl flows::Key for Key {
    fn member(&self) -> IpAddr {
        self.member.ip()
    }
}

impl Key {
    fn outside(&self, cx: &Context<'_>) -> Outside {
        cx.policy.outside(self.member.ip(), self.remote.ip(), Some((Protocol::Udp, self.remote.port())))
    }
}

/// What stands for a flow on the host.
#[derive(Debug)]
struct Flow {
    socket: OwnedFd,
    /// The other end, as the host sees it.
    peer: SocketAddr,
    /// The host's address that the socket has.
    local: IpAddr,
    /// How the socket sends, once it was told.
    send_options: Option<SendOptions>,
    /// Datagrams of at least this size are not sent together.
    never_joined: usize,
    /// The state of the host's network that it was made in.
    generation: u32,
    /// How datagrams come from the other end.
    pace: Pace,
}

/// A port of the host that stands for a port of a container, and how many flows have it.
#[derive(Debug, Clone, Copy)]
struct Mapped {
    port: u16,
    flows: usize,
}

/// UDP from containers to the outside.
#[derive(Debug)]
pub struct Udp {
    flows: Flows<Key, Flow>,
    /// By the container's end and whether the host's is IPv6.
    mapped: HashMap<(SocketAddr, bool), Mapped>,
    outgoing: Outgoing,
    outgoing_since: Option<Instant>,
    delivery: Delivery,
    inbox: Inbox,
    resting: Resting,
    /// For refusals.
    scratch: Vec<u8>,
    generation: u32,
}

impl Udp {
    /// Each flow takes one descriptor.
    pub fn new(limits: Limits) -> Self {
        Self {
            flows: Flows::new(limits),
            mapped: HashMap::new(),
            outgoing: Outgoing::default(),
            outgoing_since: None,
            delivery: Delivery::default(),
            inbox: Inbox::new(MAX_DATAGRAM),
            resting: Resting::default(),
            scratch: Vec::new(),
            generation: 0,
        }
    }

    /// How many flows there are.
    pub fn len(&self) -> usize {
        self.flows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    /// A datagram of a container, from the TUN device. It may wait until [`Udp::flush`].
    pub fn packet(&mut self, cx: &mut Context<'_>, ip: &Ip<'_>) {
        let Transport::Udp(udp) = ip.transport else { return };
        let (member, remote) = ip.pair.with_ports(udp.source_port, udp.destination_port);
        let Some(index) = self.flow(cx, ip, Key { member, remote }) else { return };
        self.flows.touch(index, cx.now, false);
        let send_options = SendOptions::of(ip, cx.policy.mtu(member.ip()));
        let size = outgoing::size(ip, udp.payload);
        if !self.outgoing.add(index, send_options, udp.payload, size) {
            self.flush(cx);
            // Empty now: it always takes one.
            let _ = self.outgoing.add(index, send_options, udp.payload, size);
        }
        self.outgoing_since.get_or_insert(cx.now);
    }

    /// Sends what waits. To be called when no more packets are at hand, before waiting for anything.
    pub fn flush(&mut self, cx: &mut Context<'_>) {
        self.outgoing_since = None;
        let Some(batch) = self.outgoing.take() else { return };
        if let Some((_, flow)) = self.flows.get(batch.flow) {
            flow.apply(batch.send_options);
            flow.pace.note_sent(batch.count);
            let joined = batch.count > 1 && batch.size < flow.never_joined;
            let segment = u16::try_from(batch.size).ok().filter(|_| joined);
            let sent = segment.map(|_| {
                datagram::send(flow.socket.as_fd(), &batch.payload, Sending { segment, ..Sending::default() })
            });
            match sent {
                Some(Ok(())) => {}
                Some(Err(error)) if is_lost(&error) => {}
                // Too large for the route, a device that cannot do it, or an error that was kept: one by one tells.
                Some(Err(error)) => {
                    if matches!(error.raw_os_error(), Some(libc::EMSGSIZE | libc::EINVAL | libc::EIO)) {
                        flow.never_joined = batch.size;
                    }
                    self.send_singly(cx, &batch);
                }
                None => self.send_singly(cx, &batch),
            }
        }
        self.outgoing.recycle(batch);
    }

    /// One of its sockets has something.
    pub fn ready(&mut self, cx: &mut Context<'_>, index: u64, what: Interest) {
        let Ok(index) = usize::try_from(index) else { return };
        if what.contains(Interest::ERROR) {
            self.take_errors(cx, index);
        }
        let count = self.receive(cx, index);
        let Some((_, flow)) = self.flows.get(index) else { return };
        let token = Token::new(Handler::Udp, index as u64);
        let _ = match flow.pace.note_received(count, cx.now) {
            Turn::Stay => Ok(()),
            Turn::Rest => cx.wakes.change(flow.socket.as_fd(), Interest::empty(), token),
            Turn::Watch => cx.wakes.change(flow.socket.as_fd(), Interest::READ, token),
        };
        if flow.pace.is_resting() {
            self.resting.add(index as u64, cx.now);
        }
    }

    /// Passes on what one of its sockets has; how many datagrams, of which those that the kernel has joined are one.
    fn receive(&mut self, cx: &mut Context<'_>, index: usize) -> usize {
        let mut all = 0;
        for _ in 0..ROUNDS {
            let Some((key, flow)) = self.flows.get(index) else { return all };
            match self.inbox.receive(flow.socket.as_fd()) {
                Ok(count) => {
                    let label =
                        Label { from: key.remote, to: key.member, class: 0, mtu: cx.policy.mtu(key.member.ip()) };
                    // Between bind and connect, the socket was open to strangers.
                    for datagram in self.inbox.received().iter().filter(|it| it.from == Some(flow.peer)) {
                        let label = Label { class: datagram.class.unwrap_or(0), ..label };
                        self.delivery.add(cx.link, label, self.inbox.payload(datagram), datagram.segment);
                    }
                    self.delivery.flush(cx.link);
                    self.flows.touch(index, cx.now, true);
                    all += count;
                    if count < datagram::SLOTS {
                        return all;
                    }
                }
                Err(error) if is_lost(&error) => return all,
                // An error that was kept was told instead; datagrams may be behind it.
                Err(_) => {
                    self.take_errors(cx, index);
                }
            }
        }
        all
    }

    /// Gives back memory that bursts have used; for quiet times.
    pub fn settle(&mut self) {
        self.inbox.release();
    }

    /// When [`Udp::expire`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        let rest = [self.outgoing_since, self.resting.deadline()].into_iter().flatten().min();
        rest.or(self.flows.deadline())
    }

    /// Ends flows that are over, and looks at those that rest.
    pub fn expire(&mut self, cx: &mut Context<'_>) {
        self.flush(cx);
        for index in self.resting.due(cx.now) {
            self.ready(cx, index, Interest::READ);
        }
        while let Some((key, flow)) = self.flows.expired(cx.now) {
            self.forget(key, &flow);
        }
    }

    /// Ends the flows of addresses that nobody has any more.
    pub fn member_left(&mut self, cx: &mut Context<'_>, addresses: &[IpAddr]) {
        self.flush(cx);
        for (key, flow) in self.flows.remove_members(addresses) {
            self.forget(key, &flow);
        }
    }

    /// The host's addresses or routes have changed: flows go on from another address when theirs is not the right one any
    /// more.
    pub fn host_changed(&mut self) {
        self.generation = self.generation.wrapping_add(1);
    }

    /// Ends flows to the host itself that would not be made, or not to the same address, if they began now.
    pub fn recheck_policy(&mut self, cx: &mut Context<'_>) {
        self.flush(cx);
        let is_over = |key: &Key, flow: &Flow| {
            cx.policy.stands_for_host(key.remote.ip()) && key.outside(cx) != Outside::To(flow.peer.ip())
        };
        for (key, flow) in self.flows.remove_if(is_over) {
            self.forget(key, &flow);
        }
    }

    /// The flow of a packet, made if necessary; none when it may not go out or cannot, of which the container is told.
    fn flow(&mut self, cx: &mut Context<'_>, ip: &Ip<'_>, key: Key) -> Option<usize> {
        if let Some(index) = self.flows.find(&key) {
            if self.flows.get(index).is_some_and(|(_, flow)| flow.generation != self.generation) {
                self.renew(cx, index);
            }
            return Some(index);
        }
        let to = match key.outside(cx) {
            Outside::To(to) => to,
            Outside::Unreachable => {
                self.refuse(cx, ip, None, Refusal::Network);
                return None;
            }
            Outside::Prohibited => {
                self.refuse(cx, ip, None, Refusal::Prohibited);
                return None;
            }
            Outside::Nothing => return None,
        };
        self.flush(cx);
        let holder = cx.policy.holder(key.member.ip());
        while let Some((old, flow)) = self.flows.crowded(holder, cx.now) {
            self.forget(old, &flow);
        }
        let index = self.flows.next_index();
        match self.open_or_evict(cx, key, SocketAddr::new(to, key.remote.port()), index) {
            Ok(flow) => self.remember(cx, key, flow, holder),
            Err(error) => {
                if let Some(refusal) = error.raw_os_error().and_then(Refusal::from_errno) {
                    self.refuse(cx, ip, None, refusal);
                }
                None
            }
        }
    }

    /// A socket for a new flow. Without a free descriptor, an old flow gives up its own.
    fn open_or_evict(&mut self, cx: &mut Context<'_>, key: Key, peer: SocketAddr, index: usize) -> io::Result<Flow> {
        match self.open(cx, key, peer, index) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) => {
                let (old, flow) = self.flows.evict_largest(cx.now).ok_or(error)?;
                self.forget(old, &flow);
                drop(flow);
                self.open(cx, key, peer, self.flows.next_index())
            }
            result => result,
        }
    }

    fn open(&self, cx: &Context<'_>, key: Key, peer: SocketAddr, index: usize) -> io::Result<Flow> {
        let v6 = peer.is_ipv6();
        let family = if v6 { AddressFamily::INET6 } else { AddressFamily::INET };
        let socket = cx.sockets.host(family, SocketType::DGRAM, None)?;
        let fd = socket.as_fd();
        datagram::keep_errors(fd, v6)?;
        // What follows makes it faster or more exact; nothing depends on it.
        let _ = datagram::coalesce(fd);
        let _ = sockopt::set_socket_recv_buffer_size(fd, RECEIVE_BUFFER);
        let _ = if v6 { sockopt::set_ipv6_recvtclass(fd, true) } else { sockopt::set_ip_recvtos(fd, true) };
        if let Some(mapped) = self.mapped.get(&(key.member, v6)).filter(|_| !peer.ip().is_loopback()) {
            let any: IpAddr = if v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
            let _ = sockopt::set_socket_reuseport(fd, true);
            let _ = rustix::net::bind(fd, &SocketAddr::new(any, mapped.port));
        }
        rustix::net::connect(fd, &peer)?;
        let local = SocketAddr::try_from(rustix::net::getsockname(fd)?)?;
        // Only now: a port that the kernel chooses for a socket that may share could be another one's.
        let _ = sockopt::set_socket_reuseport(fd, true);
        cx.wakes.watch(fd, Interest::READ, Token::new(Handler::Udp, index as u64))?;
        let generation = self.generation;
        Ok(Flow {
            socket,
            peer,
            local: local.ip(),
            send_options: None,
            never_joined: usize::MAX,
            generation,
            pace: Pace::default(),
        })
    }

    fn remember(&mut self, cx: &Context<'_>, key: Key, flow: Flow, holder: Holder) -> Option<usize> {
        let port = flow.port();
        let v6 = flow.peer.is_ipv6();
        let index = self.flows.insert(key, flow, holder, cx.now).ok()?;
        let mapped = self.mapped.entry((key.member, v6)).or_insert(Mapped { port, flows: 0 });
        mapped.flows += 1;
        Some(index)
    }

    /// What is to be done for a flow that was taken out of the table.
    fn forget(&mut self, key: Key, flow: &Flow) {
        let mapped = (key.member, flow.peer.is_ipv6());
        if let Some(it) = self.mapped.get_mut(&mapped) {
            it.flows = it.flows.saturating_sub(1);
            if it.flows == 0 {
                self.mapped.remove(&mapped);
            }
        }
    }

    /// Gives a flow a new socket, if the host would now talk to the other end from another address.
    fn renew(&mut self, cx: &mut Context<'_>, index: usize) {
        let Some((key, flow)) = self.flows.get(index) else { return };
        flow.generation = self.generation;
        let (peer, local) = (flow.peer, flow.local);
        // Not with a socket that shares the flow's port: for a moment it could be given what is the flow's.
        if address_towards(cx, peer).is_ok_and(|now| now != local)
            && let Ok(new) = self.open(cx, key, peer, index)
            && let Some((_, flow)) = self.flows.get(index)
        {
            *flow = new;
        }
    }

    /// Sends each datagram by itself, and tells the container what is wrong with it.
    fn send_singly(&mut self, cx: &mut Context<'_>, batch: &Batch) {
        for payload in batch.datagrams() {
            self.send_one(cx, batch.flow, batch.send_options, payload);
        }
    }

    fn send_one(&mut self, cx: &mut Context<'_>, index: usize, send_options: SendOptions, payload: &[u8]) {
        let mut renewed = false;
        // Errors of earlier datagrams come first, one for each of them.
        for _ in 0..MAX_ERRORS {
            let Some((key, flow)) = self.flows.get(index) else { return };
            flow.apply(send_options);
            let Err(error) = datagram::send(flow.socket.as_fd(), payload, Sending::default()) else { return };
            match error.raw_os_error() {
                Some(libc::EMSGSIZE) => return self.too_big(cx, index, send_options, payload),
                _ if is_lost(&error) => return,
                _ if self.take_errors(cx, index) => {}
                // The address that it sends from is gone, or the way.
                Some(libc::EINVAL | libc::EADDRNOTAVAIL | libc::ENETUNREACH | libc::ENODEV) if !renewed => {
                    renewed = true;
                    self.renew(cx, index);
                }
                errno => {
                    if let Some(refusal) = errno.and_then(Refusal::from_errno) {
                        self.refuse_datagram(cx, key, payload, None, refusal);
                    }
                    return;
                }
            }
        }
    }

    /// A datagram that the host's way cannot take in one piece: the container learns how much would fit. With IPv6, where
    /// the container cannot tell whether it is the one who fragments, it is sent all the same.
    fn too_big(&mut self, cx: &mut Context<'_>, index: usize, send_options: SendOptions, payload: &[u8]) {
        self.take_errors(cx, index);
        let Some((key, flow)) = self.flows.get(index) else { return };
        let v6 = flow.peer.is_ipv6();
        let mtu = if v6 { sockopt::ipv6_mtu(&flow.socket) } else { sockopt::ip_mtu(&flow.socket) };
        if v6 {
            flow.apply(SendOptions { may_fragment: true, ..send_options });
            let _ = datagram::send(flow.socket.as_fd(), payload, Sending::default());
        }
        if let Ok(mtu) = mtu {
            self.refuse_datagram(cx, key, payload, None, Refusal::TooBig(mtu));
        }
    }

    /// Passes on the errors that the kernel kept; whether there were any.
    fn take_errors(&mut self, cx: &mut Context<'_>, index: usize) -> bool {
        let mut buffer = [0; 2048];
        let mut any = false;
        for _ in 0..MAX_ERRORS {
            let Some((key, flow)) = self.flows.get(index) else { return any };
            let Ok(Some(error)) = datagram::receive_error(flow.socket.as_fd(), &mut buffer) else { return any };
            any = true;
            let payload = buffer.get(..error.length).unwrap_or_default();
            if let Some((from, refusal)) = relayed(&error, flow.peer.ip(), key.remote.ip()) {
                self.refuse_datagram(cx, key, payload, Some(from), refusal);
            }
        }
        any
    }

    /// Tells a container why a datagram that it sent earlier was not delivered.
    fn refuse_datagram(&mut self, cx: &mut Context<'_>, key: Key, payload: &[u8], from: Option<IpAddr>, why: Refusal) {
        let Some(pair) = Pair::new(key.member.ip(), key.remote.ip()) else { return };
        let (source, destination) = (key.member.port(), key.remote.port());
        let Some(headers) = packet::udp_headers(&Envelope::new(pair), source, destination, payload.len()) else {
            return;
        };
        let packet = [headers.as_slice(), payload].concat();
        if let Ok(ip) = Ip::parse(&packet, headers.offload()) {
            self.refuse(cx, &ip, from, why);
        }
    }

    fn refuse(&mut self, cx: &mut Context<'_>, ip: &Ip<'_>, from: Option<IpAddr>, why: Refusal) {
        if packet::refuse(&mut self.scratch, ip, from, why) {
            cx.link.send(&self.scratch, Default::default());
        }
    }
}

impl Flow {
    /// Its port on the host.
    fn port(&self) -> u16 {
        let local = rustix::net::getsockname(&self.socket).ok().and_then(|it| SocketAddr::try_from(it).ok());
        local.map_or(0, |local| local.port())
    }

    /// Makes the socket send as a packet was sent.
    fn apply(&mut self, send_options: SendOptions) {
        if self.send_options != Some(send_options) {
            send_options.apply(self.send_options.replace(send_options), self.socket.as_fd(), self.peer.is_ipv6());
        }
    }
}

/// The host's address from which it talks to `peer` now.
fn address_towards(cx: &Context<'_>, peer: SocketAddr) -> io::Result<IpAddr> {
    let family = if peer.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let probe = cx.sockets.host(family, SocketType::DGRAM, None)?;
    rustix::net::connect(&probe, &peer)?;
    Ok(SocketAddr::try_from(rustix::net::getsockname(&probe)?)?.ip())
}

/// What to tell a container that calls `remote` what is `peer` to the host, about an error that the kernel kept: from
/// whom, and why.
pub(super) fn relayed(error: &SendError, peer: IpAddr, remote: IpAddr) -> Option<(IpAddr, Refusal)> {
    let same_family = peer.is_ipv6() == remote.is_ipv6();
    // The kernel gives the place of a parameter problem as a number; in the message it is the first byte (RFC 792).
    let value = if peer.is_ipv4() && error.kind == 12 { error.info << 24 } else { error.info };
    let refusal = match same_family {
        _ if !error.is_icmp => None,
        true => Some(Refusal::Relayed { kind: error.kind, code: error.code, value }),
        false => Refusal::from_errno(error.errno),
    };
    // The other end itself, under the name that the container knows; or a router on the way.
    let router = error.offender.filter(|from| same_family && *from != peer && !from.is_loopback());
    let refusal = refusal.filter(|refusal| refusal.is_about_delivery(peer.is_ipv6()))?;
    Some((router.unwrap_or(remote), refusal))
}

/// Whether a datagram is lost for lack of room, as on any wire, or there is nothing to receive.
pub(super) fn is_lost(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM | libc::EINTR))
}

#[cfg(test)]
mod tests;
