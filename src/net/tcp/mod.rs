//! TCP between containers and the outside.
//!
//! # Theory of operation
//!
//! The kernel speaks TCP on both sides, and netd moves bytes in between. A flow is two sockets: `near`, in the router's
//! namespace (R), whose peer is the container, and `far`, in the host's (H), whose peer is outside.
//!
//! *Outbound* ([`tproxy`]): a container's SYN comes out of the TUN device. netd connects a socket of H to the
//! destination. Once that has succeeded, it writes the same SYN back into the device; a tproxy rule hands it to a
//! listener in R, as if the listener had the destination's address. The kernel completes the handshake, and the
//! accepted socket is the near end. If the connection fails, the container gets the equivalent error: a reset, or an
//! ICMP error. So a container's program learns when a connection is made, or why not, as a program of the host would.
//!
//! If the kernel has no tproxy, netd itself speaks TCP with the container ([`userspace`]); the far end is the same.
//!
//! *Inbound* ([`super::tcp_ports`]): the far end is a socket accepted in H. The near end is connected to the container
//! from the client's own address, or is a userspace connection under that address.
//!
//! [`pump`] moves the bytes and passes on half-closes, resets and urgent data. The kernel's keepalive probes detect
//! peers that vanished.
//!
//! Limits: flows, in all and per container ([`shares`]); buffered bytes, per flow and in all; work per call. If there
//! is no room for a flow, its SYN is dropped: the container's kernel sends it again after a second.
//!
//! What this needs of the router: SYNs from bridges must come out of the device whatever sockets R has, since a SYN
//! that reuses the ports of a connection in TIME_WAIT would be taken by that socket; SYNs from the device go to tproxy
//! at [`TPROXY_PORT`] of the loopback address of their family; other TCP from bridges goes to its socket in R, if there
//! is one. R must not look up sockets before routing (`net.ipv4.ip_early_demux` = 0, for both families): otherwise such
//! a SYN is tied to the socket in TIME_WAIT, and forwarding drops packets that belong to a socket (ip_forward in
//! net/ipv4/ip_forward.c, ip6_forward in net/ipv6/ip6_output.c) for the minute of TIME_WAIT.

mod keys;
mod pipes;
mod pump;
mod shares;
mod slab;
mod sockets;
mod tproxy;
mod userspace;
mod userspace_flows;

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use keys::{Key, Keys};
use pump::{Tools, Turn, Way};
use shares::{Place, Shares};
use slab::{Id, Slab};
use tproxy::{Syn, Tproxy};
use userspace::Connection;
use userspace_flows::UserspaceFlows;

pub(in crate::net) use sockets::{Called, family, listen_host, use_reno};
pub use tproxy::TPROXY_PORT;

use super::handler::{Context, Handler, Holder, Interest, Outside, Token};
use super::packet::{Ip, Transport};

/// The events that every descriptor of a flow is registered for, once.
const ALL: Interest =
    Interest::READ.union(Interest::WRITE).union(Interest::READ_CLOSED).union(Interest::URGENT).union(Interest::EDGE);
/// The pause after a lack of file descriptors or memory.
pub(in crate::net) const RETRY: Duration = Duration::from_millis(100);

/// The end of a flow towards the container.
const NEAR: usize = 0;
/// The end of a flow towards the outside.
const FAR: usize = 1;

/// Limits of the TCP handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Flows of all containers, in both directions. Each takes two descriptors; pipes take up to 48 more.
    pub flows: usize,
}

impl Limits {
    /// For a process that may have `limit` files open.
    pub fn for_descriptors(limit: u64) -> Self {
        // Two thirds for TCP: UDP flows, listeners and control connections want the rest.
        Self { flows: usize::try_from(limit / 3).unwrap_or(usize::MAX).clamp(16, 1 << 20) }
    }

    /// Flows of one container, over all its addresses: one container may not take all the room.
    fn per_member(self) -> usize {
        self.flows.div_ceil(2)
    }

    /// Flows of one container that are not connected yet.
    fn unmade(self) -> usize {
        (self.flows / 8).max(16)
    }
}

/// All TCP flows.
#[derive(Debug)]
pub struct Tcp {
    limits: Limits,
    tproxy: Option<Tproxy>,
    keys: Keys,
    flows: Slab<Flow>,
    /// The flows per container.
    shares: Shares,
    tools: Tools,
    /// Flows with work left after their last call.
    again: VecDeque<Id>,
    /// Since when there are such flows.
    again_since: Option<Instant>,
    /// When to check SYNs that the listener should have accepted, in order.
    waiting: VecDeque<(Instant, Id)>,
    /// What all userspace connections share.
    userspace: UserspaceFlows,
    /// Buffer for packets.
    out: Vec<u8>,
}

/// One connection.
#[derive(Debug)]
struct Flow {
    /// The container.
    holder: Holder,
    origin: Origin,
    progress: Progress,
    /// The near and the far socket.
    ends: [Option<OwnedFd>; 2],
    /// From near to far, and from far to near.
    ways: [Way; 2],
    /// Whether it is in [`Tcp::again`].
    queued: bool,
    /// The next timer of a userspace flow in [`UserspaceFlows`].
    alarm: Option<Instant>,
    /// Its place in [`Shares`].
    place: Place,
    /// When it last moved a byte.
    used: Instant,
}

/// The initial state of a flow.
#[derive(Debug)]
struct NewFlow {
    holder: Holder,
    origin: Origin,
    progress: Progress,
    ends: [Option<OwnedFd>; 2],
}

/// How a flow began.
#[derive(Debug, Clone, Copy)]
enum Origin {
    /// Outbound: the container connected.
    Outward(Key),
    /// Inbound, to this address of the container.
    Inward(IpAddr),
    /// Inbound, userspace: the container's end is the key's source; and the other address to try.
    Called(Key, Option<SocketAddr>),
}

impl Origin {
    fn member(&self) -> IpAddr {
        match self {
            Origin::Outward(key) | Origin::Called(key, _) => key.source.0,
            Origin::Inward(member) => *member,
        }
    }

    /// The key by which packets from the device are matched.
    fn key(&self) -> Option<&Key> {
        match self {
            Origin::Outward(key) | Origin::Called(key, _) => Some(key),
            Origin::Inward(_) => None,
        }
    }
}

/// The state of a flow.
#[derive(Debug)]
enum Progress {
    /// Outbound: the far end is connecting.
    Connecting(Syn),
    /// Outbound: the listener in R has this SYN, or will have it; how often it was checked.
    Injected(Syn, u32),
    /// Inbound: the near end is connecting; the other address to try.
    Reaching(Option<SocketAddr>),
    /// Connected: bytes are moved.
    Live,
    /// Userspace TCP: the near end is this connection.
    Userspace(Box<Connection>),
}

/// What the index of a descriptor means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Index {
    Listener(bool),
    End(Id, usize),
}

impl Index {
    const END: u64 = 1 << (Id::BITS + 1);

    fn token(self) -> Token {
        Token::new(
            Handler::Tcp,
            match self {
                Index::Listener(v6) => u64::from(v6),
                Index::End(id, side) => Self::END | (side as u64) << Id::BITS | id.raw(),
            },
        )
    }

    fn of(index: u64) -> Self {
        match index & Self::END {
            0 => Index::Listener(index & 1 == 1),
            _ => Index::End(Id::from_raw(index), if index >> Id::BITS & 1 == 1 { FAR } else { NEAR }),
        }
    }
}

impl Tcp {
    /// Without flows and without tproxy ([`Tcp::open_tproxy`]).
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            tproxy: None,
            keys: Keys::default(),
            flows: Slab::default(),
            shares: Shares::default(),
            tools: Tools::new(),
            again: VecDeque::new(),
            again_since: None,
            waiting: VecDeque::new(),
            userspace: UserspaceFlows::default(),
            out: Vec::new(),
        }
    }

    /// How many flows there are, including those being connected.
    pub fn flows(&self) -> usize {
        self.flows.len()
    }

    /// Handles a TCP packet from the device.
    pub fn packet(&mut self, cx: &mut Context<'_>, packet: &Ip<'_>) {
        if let Transport::Tcp(tcp) = &packet.transport {
            self.device_packet(cx, packet, tcp);
        }
    }

    /// Handles events of the descriptor with this index.
    pub fn ready(&mut self, cx: &mut Context<'_>, index: u64, what: Interest) {
        match Index::of(index) {
            Index::Listener(_) => self.accept_all(cx),
            Index::End(id, side) => self.end_ready(cx, id, side, what),
        }
    }

    fn end_ready(&mut self, cx: &mut Context<'_>, id: Id, side: usize, what: Interest) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        // Events before the connection is complete are noted too: they are edge-triggered, so reported only once.
        flow.note(side, what);
        if let Progress::Userspace(_) = &flow.progress {
            return self.userspace_ready(cx, id, what);
        }
        let done = what.intersects(Interest::WRITE | Interest::ERROR | Interest::CLOSED);
        match (&flow.progress, side) {
            (Progress::Connecting(_), FAR) if done => self.connected(cx, id),
            (Progress::Reaching(_), NEAR) if done => self.reached(cx, id),
            (Progress::Live, _) => self.pump(cx, id, what.contains(Interest::ERROR).then_some(side)),
            _ => {}
        }
    }

    /// When [`Tcp::expire`] should be called. It may be in the past: there is more work than one call may do.
    pub fn deadline(&self) -> Option<Instant> {
        let waiting = self.waiting.front().map(|(when, _)| *when);
        let accept = self.tproxy.as_ref().and_then(|tproxy| tproxy.retry);
        [self.again_since, waiting, accept, self.userspace.next()].into_iter().flatten().min()
    }

    /// Runs the timers that are due, and unfinished flows.
    pub fn expire(&mut self, cx: &mut Context<'_>) {
        self.again_since = None;
        for _ in 0..self.again.len() {
            let Some(id) = self.again.pop_front() else { break };
            if let Some(flow) = self.flows.get_mut(id) {
                flow.queued = false;
                self.pump(cx, id, None);
            }
        }
        self.expire_injected(cx);
        self.expire_userspace(cx);
    }

    /// A container has left: resets its flows.
    pub fn member_left(&mut self, cx: &mut Context<'_>, addresses: &[IpAddr]) {
        let theirs = self.flows.iter().filter(|(_, flow)| addresses.contains(&flow.origin.member()));
        let theirs: Vec<Id> = theirs.map(|(id, _)| id).collect();
        for id in theirs {
            self.abort(cx, id);
        }
    }

    /// Ends flows to the host that would not be allowed as new ones. One that is still connecting always ends: another
    /// program may answer than was meant, and the container's kernel tries again.
    pub fn recheck_policy(&mut self, cx: &mut Context<'_>) {
        let is_over = |flow: &Flow| match &flow.origin {
            Origin::Outward(key) if cx.policy.stands_for_host(key.destination.0) => {
                matches!(flow.progress, Progress::Connecting(_)) || !matches!(key.outside(cx), Outside::To(_))
            }
            _ => false,
        };
        let over: Vec<Id> = self.flows.iter().filter(|(_, flow)| is_over(flow)).map(|(id, _)| id).collect();
        for id in over {
            self.abort(cx, id);
        }
    }

    /// Whether sockets of R may have foreign addresses: the tproxy rules deliver answers to them.
    pub(super) fn is_transparent(&self) -> bool {
        self.tproxy.is_some()
    }

    fn add(&mut self, new: NewFlow, now: Instant) -> Option<Id> {
        let id = self.flows.next_id()?;
        let NewFlow { holder, origin, progress, ends } = new;
        let place = self.shares.add(holder, id, matches!(progress, Progress::Live), now);
        let ways = [Way::default(), Way::default()];
        self.flows.insert(Flow { holder, origin, progress, ends, ways, queued: false, alarm: None, place, used: now })
    }

    fn take(&mut self, id: Id) -> Option<Flow> {
        let flow = self.flows.remove(id)?;
        self.shares.remove(flow.holder, flow.place);
        Some(flow)
    }

    /// Adds an inbound flow: the accepted socket, and the socket of R that is connecting to the container.
    pub(super) fn adopt(&mut self, cx: &mut Context<'_>, called: Called, far: OwnedFd) {
        let progress = if called.connected { Progress::Live } else { Progress::Reaching(called.other) };
        let holder = cx.policy.holder(called.member);
        let ends = [Some(called.socket), Some(far)];
        let origin = Origin::Inward(called.member);
        let Some(id) = self.add(NewFlow { holder, origin, progress, ends }, cx.now) else { return };
        if self.watch(cx, id, NEAR).and_then(|()| self.watch(cx, id, FAR)).is_err() {
            self.abort(cx, id);
        }
    }

    /// Inbound: the near end has connected, or failed to.
    fn reached(&mut self, cx: &mut Context<'_>, id: Id) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        let error = flow.ends[NEAR].as_ref().map(rustix::net::sockopt::socket_error);
        match error {
            Some(Ok(Ok(()))) => {
                flow.progress = Progress::Live;
                self.made(cx.now, id);
                self.pump(cx, id, None);
            }
            _ => self.reach_elsewhere(cx, id),
        }
    }

    /// Inbound: the connection was refused. Many programs listen on one family only, so the container's other address
    /// is tried.
    fn reach_elsewhere(&mut self, cx: &mut Context<'_>, id: Id) {
        let other = self.flows.get(id).and_then(|flow| match flow.progress {
            Progress::Reaching(other) => other,
            _ => None,
        });
        let called = other.and_then(|other| Called::from_router(cx, None, other).ok());
        // Otherwise the client gets a reset; it is too late to refuse the connection.
        let Some(called) = called else { return self.abort(cx, id) };
        let Some(flow) = self.take(id) else { return };
        if let Some(key) = flow.origin.key() {
            self.keys.close(key, id, cx.now);
        }
        flow.ways.into_iter().for_each(|way| way.release(&mut self.tools));
        let [_, Some(far)] = flow.ends else { return };
        // The next registration reports its pending events again.
        let _ = cx.wakes.ignore(far.as_fd());
        self.adopt(cx, called, far);
    }

    fn watch(&mut self, cx: &Context<'_>, id: Id, side: usize) -> io::Result<()> {
        match self.flows.get(id).and_then(|flow| flow.ends.get(side)) {
            Some(Some(end)) => cx.wakes.watch(end.as_fd(), ALL, Index::End(id, side).token()),
            _ => Ok(()),
        }
    }

    /// Moves bytes in both directions; `broken` is the end that reported an error.
    fn pump(&mut self, cx: &mut Context<'_>, id: Id, broken: Option<usize>) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        let [Some(near), Some(far)] = &flow.ends else { return };
        let (near, far) = (near.as_fd(), far.as_fd());
        flow.used = cx.now;
        let [out, back] = &mut flow.ways;
        let turns = (out.run(near, far, &mut self.tools), back.run(far, near, &mut self.tools));
        let (Ok(out), Ok(back)) = turns else { return self.abort(cx, id) };
        match (out, back) {
            (Turn::Over, Turn::Over) => self.finish(cx.now, id),
            (Turn::More, _) | (_, Turn::More) => self.queue(cx.now, id),
            // Bytes from before the error were moved as far as the other end takes them, or its direction is closed.
            _ if broken.is_some() => self.abort(cx, id),
            _ => {}
        }
    }

    fn queue(&mut self, now: Instant, id: Id) {
        self.again_since.get_or_insert(now);
        if let Some(flow) = self.flows.get_mut(id).filter(|flow| !flow.queued) {
            flow.queued = true;
            self.again.push_back(id);
        }
    }

    /// Both directions are closed. What the sockets still have to send, the kernel sends.
    fn finish(&mut self, now: Instant, id: Id) {
        let Some(flow) = self.take(id) else { return };
        if let Some(key) = flow.origin.key() {
            self.keys.close(key, id, now);
        }
        self.userspace.release(&flow.progress);
        flow.ways.into_iter().for_each(|way| way.release(&mut self.tools));
    }

    /// Ends a flow with resets on both sides.
    fn abort(&mut self, cx: &mut Context<'_>, id: Id) {
        self.reset_userspace(cx, id);
        let Some(flow) = self.take(id) else { return };
        if let Some(key) = flow.origin.key() {
            match flow.progress {
                Progress::Connecting(_) | Progress::Injected(..) => self.keys.forget(key, id),
                Progress::Reaching(_) | Progress::Live | Progress::Userspace(_) => self.keys.close(key, id, cx.now),
            }
        }
        self.userspace.release(&flow.progress);
        flow.ends.into_iter().flatten().for_each(reset);
        flow.ways.into_iter().for_each(|way| way.release(&mut self.tools));
    }
}

impl Flow {
    /// Epoll reports something of one end.
    fn note(&mut self, side: usize, what: Interest) {
        let [out, back] = &mut self.ways;
        let (source, sink) = if side == NEAR { (out, back) } else { (back, out) };
        source.note_source(what);
        sink.note_sink(what);
    }
}

/// Closes a socket so that its peer sees a reset (socket(7),
pub(in crate::net) fn reset(socket: OwnedFd) {
    // If it fails, the other end sees an ordinary end.
    let _ = rustix::net::sockopt::set_socket_linger(&socket, Some(Duration::ZERO));
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::net::fake::{self, World, host, loopback};
    use crate::net::handler::Offload;
    use crate::net::packet::{Envelope, Flags, Options, Pair, Segment};

    #[test]
    fn indexes_come_back() {
        let mut slab = Slab::default();
        let first = slab.insert(()).unwrap();
        slab.remove(first);
        let id = slab.insert(()).unwrap();
        for index in [Index::Listener(false), Index::Listener(true), Index::End(id, NEAR), Index::End(id, FAR)] {
            let (part, raw) = Token::from_raw(index.token().raw()).unwrap();
            assert_eq!((part, Index::of(raw)), (Handler::Tcp, index));
        }
    }

    #[test]
    fn limits_leave_descriptors_for_others() {
        assert_eq!(Limits::for_descriptors(1024).flows, 341);
        assert_eq!(Limits::for_descriptors(0).flows, 16);
        assert_eq!(Limits::for_descriptors(u64::MAX).flows, 1 << 20);
    }

    #[test]
    fn a_share_is_of_all_addresses_of_a_container() {
        let mut world = World::new();
        let mut tcp = Tcp::new(Limits { flows: 6 });
        let server = TcpListener::bind((loopback(false), 0)).unwrap();
        let port = server.local_addr().unwrap().port();
        let server6 = TcpListener::bind((loopback(true), port)).unwrap();
        let mut call = |last: u8, v6: bool, source_port: u16| {
            let source: IpAddr =
                if v6 { [0xfd00, 0, 0, 0, 0, 0, 0, last.into()].into() } else { [172, 17, 0, last].into() };
            let pair = Pair::new(source, host(v6)).unwrap();
            let (destination_port, flags, window) = (port, Flags::SYN, 1000);
            let (sequence, acknowledgment, urgent, options) = (1, 0, 0, Options::default());
            let syn =
                Segment { source_port, destination_port, sequence, acknowledgment, flags, window, urgent, options };
            let packet = fake::whole(&syn.headers(&Envelope::new(pair), 0).unwrap(), b"");
            tcp.packet(&mut world.context(), &Ip::parse(&packet, Offload::default()).unwrap());
            tcp.flows()
        };
        // At its limit a container loses its own oldest flow; in a full table, the one with the most flows does.
        assert_eq!([call(2, false, 1), call(2, true, 1), call(2, false, 2), call(2, true, 2)], [1, 2, 3, 3]);
        assert_eq!([call(3, false, 1), call(3, true, 1), call(4, true, 1), call(5, true, 1)], [4, 5, 6, 6]);
        drop((server, server6));
        // Those who leave make room for others.
        let gone = [[172, 17, 0, 2].into(), "fd00::2".parse().unwrap()];
        tcp.member_left(&mut world.context(), &gone);
        assert_eq!((tcp.flows(), tcp.shares.holders()), (4, 3));
    }
}
