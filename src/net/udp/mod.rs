//! UDP from containers to the outside.
//!
//! # Theory of operation
//!
//! A flow joins one port of a container and one port outside. Each flow has a socket of the host, connected to its
//! peer: so the kernel reports the errors of this flow, and drops datagrams of strangers. All flows of one container
//! port share one port of the host (SO_REUSEPORT), so that a peer which learns that port from a third party can reach
//! the container on it (RFC 4787, "endpoint-independent mapping"). Telephony, games and peer-to-peer programs depend on
//! that.
//!
//! Header fields are carried over: DSCP and ECN; "don't fragment", so that the container's kernel discovers the path
//! MTU; a small TTL, so that traceroute works. An error on the socket (IP_RECVERR) becomes the ICMP message that the
//! container would have got on the host's network, quoting its own packet.
//!
//! Consecutive datagrams of one size are sent and received in one call (GSO, GRO), and pass the TUN device as one
//! packet. None waits for more to come: [`Udp::flush`] ends each round of the loop. Only a one-way stream is polled at
//! intervals ([`pace`]).

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
use self::outgoing::{Batch, Outgoing, SendOptions};
use self::pace::{Pace, Resting, Turn};
use super::flows::{self, Flows, Limits};
use super::handler::{Context, Handler, Holder, Interest, Outside, Token};
use super::packet::{self, Envelope, Ip, Pair, Refusal, Transport};
use crate::spec::network::Protocol;
use crate::sys::datagram::{self, Inbox, SendError, Sending};

/// The largest datagram, and the largest GRO batch.
const MAX_DATAGRAM: usize = 65_536;
/// The receive buffer of a socket; the kernel limits it to `net.core.rmem_max`.
const RECEIVE_BUFFER: usize = 1024 * 1024;
/// How often one call receives before other handlers have their turn.
const ROUNDS: usize = 4;
/// How many queued errors are read at a time.
const MAX_ERRORS: usize = 16;

/// The two ends of a flow, as the container sees them.
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

/// The host's side of a flow.
#[derive(Debug)]
struct Flow {
    socket: OwnedFd,
    /// The peer, as the host sees it.
    peer: SocketAddr,
    /// The host's address of the socket.
    local: IpAddr,
    /// The options that were set on the socket.
    send_options: Option<SendOptions>,
    /// Datagrams of at least this size are not batched.
    never_joined: usize,
    /// The state of the host's network when it was made.
    generation: u32,
    /// Decides between waiting and polling for the peer's datagrams.
    pace: Pace,
}

/// The host port of a container port, and how many flows use it.
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
    /// Buffer for ICMP errors.
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
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.flows.len()
    }

    /// Whether there are none.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty()
    }

    /// Handles a datagram of a container, from the TUN device. It may wait until [`Udp::flush`].
    pub fn packet(&mut self, cx: &mut Context<'_>, ip: &Ip<'_>) {
        let Transport::Udp(udp) = ip.transport else { return };
        let (member, remote) = ip.pair.with_ports(udp.source_port, udp.destination_port);
        let Some(index) = self.flow(cx, ip, Key { member, remote }) else { return };
        self.flows.touch(index, cx.now, false);
        let send_options = SendOptions::of(ip, cx.policy.mtu(member.ip()));
        let size = outgoing::size(ip, udp.payload);
        if !self.outgoing.add(index, send_options, udp.payload, size) {
            self.flush(cx);
            // The batch is empty now, so this succeeds.
            let _ = self.outgoing.add(index, send_options, udp.payload, size);
        }
        self.outgoing_since.get_or_insert(cx.now);
    }

    /// Sends the batch. Called when no more packets are at hand, before the loop waits.
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
                // Too large for the route, no GSO on the device, or a queued error: sending singly tells which.
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

    /// Handles events of a socket.
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

    /// Forwards the datagrams of a socket; returns how many, a GRO batch counting as one.
    fn receive(&mut self, cx: &mut Context<'_>, index: usize) -> usize {
        let mut all = 0;
        for _ in 0..ROUNDS {
            let Some((key, flow)) = self.flows.get(index) else { return all };
            match self.inbox.receive(flow.socket.as_fd()) {
                Ok(count) => {
                    let label =
                        Label { from: key.remote, to: key.member, class: 0, mtu: cx.policy.mtu(key.member.ip()) };
                    // Between bind and connect, the socket took datagrams from anywhere.
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
                // A queued error was returned instead; datagrams may be behind it.
                Err(_) => {
                    self.take_errors(cx, index);
                }
            }
        }
        all
    }

    /// Frees memory that bursts have used, in quiet times.
    pub fn settle(&mut self) {
        self.inbox.release();
    }

    /// When [`Udp::expire`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        let rest = [self.outgoing_since, self.resting.deadline()].into_iter().flatten().min();
        rest.or(self.flows.deadline())
    }

    /// Ends expired flows, and polls flows that are not watched.
    pub fn expire(&mut self, cx: &mut Context<'_>) {
        self.flush(cx);
        for index in self.resting.due(cx.now) {
            self.ready(cx, index, Interest::READ);
        }
        while let Some((key, flow)) = self.flows.expired(cx.now) {
            self.forget(key, &flow);
        }
    }

    /// Ends the flows of addresses that no container has any more.
    pub fn member_left(&mut self, cx: &mut Context<'_>, addresses: &[IpAddr]) {
        self.flush(cx);
        for (key, flow) in self.flows.remove_members(addresses) {
            self.forget(key, &flow);
        }
    }

    /// The host's addresses or routes have changed: a flow whose source address is no longer the right one gets a new
    /// socket.
    pub fn host_changed(&mut self) {
        self.generation = self.generation.wrapping_add(1);
    }

    /// Ends flows to the host itself that would not be allowed as new flows, or would reach another address.
    pub fn recheck_policy(&mut self, cx: &mut Context<'_>) {
        self.flush(cx);
        let is_over = |key: &Key, flow: &Flow| {
            cx.policy.stands_for_host(key.remote.ip()) && key.outside(cx) != Outside::To(flow.peer.ip())
        };
        for (key, flow) in self.flows.remove_if(is_over) {
            self.forget(key, &flow);
        }
    }

    /// The flow of a packet, made if necessary. `None` if it is not allowed or fails; the container gets an ICMP error.
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

    /// Makes the socket of a new flow. Without a free descriptor, an old flow is evicted.
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
        // The following options only make it faster or more exact.
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
        // Only now: a port that the kernel chooses for a sharing socket could belong to another one.
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

    /// Cleans up after a flow that was removed from the table.
    fn forget(&mut self, key: Key, flow: &Flow) {
        let mapped = (key.member, flow.peer.is_ipv6());
        if let Some(it) = self.mapped.get_mut(&mapped) {
            it.flows = it.flows.saturating_sub(1);
            if it.flows == 0 {
                self.mapped.remove(&mapped);
            }
        }
    }

    /// Gives a flow a new socket, if the host's source address towards the peer has changed.
    fn renew(&mut self, cx: &mut Context<'_>, index: usize) {
        let Some((key, flow)) = self.flows.get(index) else { return };
        flow.generation = self.generation;
        let (peer, local) = (flow.peer, flow.local);
        // Not with a socket that shares the flow's port: it could receive the flow's datagrams for a moment.
        if address_towards(cx, peer).is_ok_and(|now| now != local)
            && let Ok(new) = self.open(cx, key, peer, index)
            && let Some((_, flow)) = self.flows.get(index)
        {
            *flow = new;
        }
    }

    /// Sends each datagram singly, and reports errors to the container.
    fn send_singly(&mut self, cx: &mut Context<'_>, batch: &Batch) {
        for payload in batch.datagrams() {
            self.send_one(cx, batch.flow, batch.send_options, payload);
        }
    }

    fn send_one(&mut self, cx: &mut Context<'_>, index: usize, send_options: SendOptions, payload: &[u8]) {
        let mut renewed = false;
        // Errors of earlier datagrams come first, one per call.
        for _ in 0..MAX_ERRORS {
            let Some((key, flow)) = self.flows.get(index) else { return };
            flow.apply(send_options);
            let Err(error) = datagram::send(flow.socket.as_fd(), payload, Sending::default()) else { return };
            match error.raw_os_error() {
                Some(libc::EMSGSIZE) => return self.too_big(cx, index, send_options, payload),
                _ if is_lost(&error) => return,
                _ if self.take_errors(cx, index) => {}
                // The source address or the route is gone.
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

    /// A datagram exceeds the path MTU: tells the container the MTU. With IPv6 the container may not know whether it
    /// fragments itself, so the datagram is also sent.
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

    /// Reports the queued errors; whether there were any.
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

    /// Reports to a container that an earlier datagram was not delivered.
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
    /// The host port.
    fn port(&self) -> u16 {
        let local = rustix::net::getsockname(&self.socket).ok().and_then(|it| SocketAddr::try_from(it).ok());
        local.map_or(0, |local| local.port())
    }

    /// Sets the socket's options to those of a packet.
    fn apply(&mut self, send_options: SendOptions) {
        if self.send_options != Some(send_options) {
            send_options.apply(self.send_options.replace(send_options), self.socket.as_fd(), self.peer.is_ipv6());
        }
    }
}

/// The host's present source address towards `peer`.
fn address_towards(cx: &Context<'_>, peer: SocketAddr) -> io::Result<IpAddr> {
    let family = if peer.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let probe = cx.sockets.host(family, SocketType::DGRAM, None)?;
    rustix::net::connect(&probe, &peer)?;
    Ok(SocketAddr::try_from(rustix::net::getsockname(&probe)?)?.ip())
}

/// The ICMP error for a container about a queued socket error: `remote` is the container's name for `peer`. Returns
/// source and reason.
pub(super) fn relayed(error: &SendError, peer: IpAddr, remote: IpAddr) -> Option<(IpAddr, Refusal)> {
    let same_family = peer.is_ipv6() == remote.is_ipv6();
    // The kernel gives the pointer of a parameter problem as a number; in the message it is the first byte (RFC 792).
    let value = if peer.is_ipv4() && error.kind == 12 { error.info << 24 } else { error.info };
    let refusal = match same_family {
        _ if !error.is_icmp => None,
        true => Some(Refusal::Relayed { kind: error.kind, code: error.code, value }),
        false => Refusal::from_errno(error.errno),
    };
    // The peer, under the address that the container knows, or a router on the way.
    let router = error.offender.filter(|from| same_family && *from != peer && !from.is_loopback());
    let refusal = refusal.filter(|refusal| refusal.is_about_delivery(peer.is_ipv6()))?;
    Some((router.unwrap_or(remote), refusal))
}

/// Whether the datagram was dropped for lack of room, or there is none to receive.
pub(super) fn is_lost(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM | libc::EINTR))
}

#[cfg(test)]
mod tests;
