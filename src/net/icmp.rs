//! Outbound ICMP echo ("ping"), and errors for protocols that do not leave the container networks.
//!
//! Echo uses the kernel's ping sockets (icmp(7), since Linux 3.0), which are allowed to groups in
//! `net.ipv4.ping_group_range`. The kernel chooses the identifier, so each pinging program gets a socket. Where they
//! are not allowed, pings are dropped, as by a firewall.
//!
//! Protocols other than TCP, UDP and echo stay within the container networks: the sender gets "protocol unreachable".

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use rustix::net::{AddressFamily, SocketType, ipproto, sockopt};

use super::flows::{self, Flows, Limits};
use super::handler::{Context, Handler, Interest, Offload, Outside, Token};
use super::packet::{self, Echo, Envelope, Ip, Pair, Refusal, Transport};
use super::udp::outgoing::SendOptions;
use super::udp::{is_lost, relayed};
use crate::sys::datagram::{self, Inbox, Sending};

/// The header of echo, before its payload.
const HEADER: usize = 8;
/// The largest message.
const MAX_MESSAGE: usize = 65_536;
/// How many queued errors are read at a time.
const MAX_ERRORS: usize = 16;

/// The key of an echo flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    member: IpAddr,
    remote: IpAddr,
    identifier: u16,
}

impl flows::Key for Key {
    fn member(&self) -> IpAddr {
        self.member
    }
}

#[derive(Debug)]
struct Flow {
    socket: OwnedFd,
    peer: IpAddr,
    manner: Option<SendOptions>,
}

/// Echo from containers to the outside.
#[derive(Debug)]
pub struct Icmp {
    flows: Flows<Key, Flow>,
    inbox: Inbox,
    scratch: Vec<u8>,
}

impl Icmp {
    /// Each flow takes one descriptor.
    pub fn new(limits: Limits) -> Self {
        Self { flows: Flows::new(limits), inbox: Inbox::new(MAX_MESSAGE), scratch: Vec::new() }
    }

    /// Handles a packet of a container that is neither TCP nor UDP nor a fragment.
    pub fn packet(&mut self, cx: &mut Context<'_>, ip: &Ip<'_>) {
        let to = match (ip.transport, cx.policy.outside(ip.pair.source(), ip.pair.destination(), None)) {
            // ICMP errors of containers cannot be forwarded.
            (Transport::Icmp(packet::Icmp::Error(_) | packet::Icmp::EchoReply(_)), _) | (_, Outside::Nothing) => return,
            (_, Outside::Prohibited) => return self.refuse(cx, ip, ip.pair.destination(), Refusal::Prohibited),
            (_, Outside::Unreachable) => return self.refuse(cx, ip, ip.pair.destination(), Refusal::Network),
            (_, Outside::To(to)) => to,
        };
        match ip.transport {
            Transport::Icmp(packet::Icmp::EchoRequest(echo)) => self.echo(cx, ip, &echo, to),
            Transport::Other(_) => self.refuse(cx, ip, ip.pair.destination(), Refusal::Protocol),
            _ => {}
        }
    }

    /// Handles events of a socket.
    pub fn ready(&mut self, cx: &mut Context<'_>, index: u64, what: Interest) {
        let Ok(index) = usize::try_from(index) else { return };
        if what.contains(Interest::ERROR) {
            self.take_errors(cx, index);
        }
        let Some((key, flow)) = self.flows.get(index) else { return };
        match self.inbox.receive(flow.socket.as_fd()) {
            Ok(_) => {
                let peer = flow.peer;
                for reply in self.inbox.received().iter().filter(|it| it.from.is_some_and(|from| from.ip() == peer)) {
                    let message = self.inbox.payload(reply);
                    let Some((header, payload)) = message.split_first_chunk::<HEADER>() else { continue };
                    let [0 | 129, 0, _, _, _, _, high, low] = *header else { continue };
                    let Some(pair) = Pair::new(key.remote, key.member) else { continue };
                    let echo = Echo { identifier: key.identifier, sequence: u16::from_be_bytes([high, low]), payload };
                    let envelope = Envelope {
                        traffic_class: reply.class.unwrap_or(0),
                        identification: Some(echo.sequence),
                        ..Envelope::new(pair)
                    };
                    if packet::echo_reply(&mut self.scratch, &envelope, &echo) {
                        send(cx, &self.scratch, key.member, echo.sequence);
                    }
                }
                self.flows.touch(index, cx.now, true);
            }
            Err(error) if is_lost(&error) => {}
            Err(_) => self.take_errors(cx, index),
        }
    }

    /// Frees memory that bursts have used, in quiet times.
    pub fn settle(&mut self) {
        self.inbox.release();
    }

    /// When [`Icmp::expire`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        self.flows.deadline()
    }

    /// Ends expired flows.
    pub fn expire(&mut self, cx: &mut Context<'_>) {
        while self.flows.expired(cx.now).is_some() {}
    }

    /// Ends the flows of addresses that no container has any more.
    pub fn member_left(&mut self, _: &mut Context<'_>, addresses: &[IpAddr]) {
        self.flows.remove_members(addresses);
    }

    /// Ends flows to the host itself that would not be allowed as new flows, or would reach another address.
    pub fn recheck_policy(&mut self, cx: &mut Context<'_>) {
        self.flows.remove_if(|key, flow| {
            let outside = || cx.policy.outside(key.member, key.remote, None);
            cx.policy.stands_for_host(key.remote) && outside() != Outside::To(flow.peer)
        });
    }

    fn echo(&mut self, cx: &mut Context<'_>, ip: &Ip<'_>, echo: &Echo<'_>, to: IpAddr) {
        let key = Key { member: ip.pair.source(), remote: ip.pair.destination(), identifier: echo.identifier };
        let index = match self.flows.find(&key) {
            Some(index) => index,
            None => match self.open(cx, key, to) {
                Ok(index) => index,
                Err(error) => {
                    let errno = error.raw_os_error();
                    let is_denied = errno == Some(libc::EACCES);
                    if let Some(refusal) = errno.and_then(Refusal::from_errno).filter(|_| !is_denied) {
                        self.refuse(cx, ip, key.remote, refusal);
                    }
                    return;
                }
            },
        };
        self.flows.touch(index, cx.now, false);
        let manner = SendOptions::of(ip, cx.policy.mtu(key.member));
        let kind = if to.is_ipv6() { 128 } else { 8 };
        let [high, low] = echo.sequence.to_be_bytes();
        let message = [&[kind, 0, 0, 0, 0, 0, high, low], echo.payload].concat();
        for _ in 0..MAX_ERRORS {
            let Some((_, flow)) = self.flows.get(index) else { return };
            if flow.manner != Some(manner) {
                manner.apply(flow.manner.replace(manner), flow.socket.as_fd(), flow.peer.is_ipv6());
            }
            let Err(error) = datagram::send(flow.socket.as_fd(), &message, Sending::default()) else { return };
            let mtu = || match flow.peer.is_ipv6() {
                true => sockopt::ipv6_mtu(&flow.socket),
                false => sockopt::ip_mtu(&flow.socket),
            };
            match error.raw_os_error() {
                Some(libc::EMSGSIZE) => {
                    if let Ok(mtu) = mtu() {
                        self.refuse(cx, ip, key.remote, Refusal::TooBig(mtu));
                    }
                    return;
                }
                _ if is_lost(&error) => return,
                // A queued error of an earlier ping.
                _ if self.take_errors_of(cx, index) > 0 => {}
                errno => {
                    if let Some(refusal) = errno.and_then(Refusal::from_errno) {
                        self.refuse(cx, ip, key.remote, refusal);
                    }
                    // The source address may be gone: the next ping makes a new socket.
                    self.flows.remove(index);
                    return;
                }
            }
        }
    }

    fn open(&mut self, cx: &mut Context<'_>, key: Key, peer: IpAddr) -> std::io::Result<usize> {
        let holder = cx.policy.holder(key.member);
        while self.flows.crowded(holder, cx.now).is_some() {}
        let (family, protocol) = match peer.is_ipv6() {
            false => (AddressFamily::INET, ipproto::ICMP),
            true => (AddressFamily::INET6, ipproto::ICMPV6),
        };
        let mut socket = cx.sockets.host(family, SocketType::DGRAM, Some(protocol));
        if socket.as_ref().is_err_and(|error| matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)))
            && self.flows.evict_largest(cx.now).is_some()
        {
            socket = cx.sockets.host(family, SocketType::DGRAM, Some(protocol));
        }
        let socket = socket?;
        datagram::keep_errors(socket.as_fd(), peer.is_ipv6())?;
        rustix::net::connect(&socket, &SocketAddr::new(peer, 0))?;
        let token = Token::new(Handler::Icmp, self.flows.next_index() as u64);
        cx.wakes.watch(socket.as_fd(), Interest::READ, token)?;
        let flow = Flow { socket, peer, manner: None };
        self.flows.insert(key, flow, holder, cx.now).map_err(|_| std::io::Error::from_raw_os_error(libc::ENOBUFS))
    }

    fn take_errors(&mut self, cx: &mut Context<'_>, index: usize) {
        self.take_errors_of(cx, index);
    }

    /// Reports the queued errors; returns how many.
    fn take_errors_of(&mut self, cx: &mut Context<'_>, index: usize) -> usize {
        let mut buffer = [0; 2048];
        for count in 0..MAX_ERRORS {
            let Some((key, flow)) = self.flows.get(index) else { return count };
            let Ok(Some(error)) = datagram::receive_error(flow.socket.as_fd(), &mut buffer) else { return count };
            let Some((from, refusal)) = relayed(&error, flow.peer, key.remote) else { continue };
            // The error has the message as it was sent: the request is rebuilt with the container's identifier.
            let message = buffer.get(..error.length).and_then(|message| message.split_first_chunk::<HEADER>());
            let Some(([_, _, _, _, _, _, high, low], payload)) = message else { continue };
            let Some(pair) = Pair::new(key.member, key.remote) else { continue };
            let sequence = u16::from_be_bytes([*high, *low]);
            let echo = Echo { identifier: key.identifier, sequence, payload };
            let mut request = Vec::new();
            if packet::echo_request(&mut request, &Envelope::new(pair), &echo)
                && let Ok(ip) = Ip::parse(&request, Offload::default())
            {
                self.refuse(cx, &ip, from, refusal);
            }
        }
        MAX_ERRORS
    }

    fn refuse(&mut self, cx: &mut Context<'_>, ip: &Ip<'_>, from: IpAddr, why: Refusal) {
        if packet::refuse(&mut self.scratch, ip, Some(from), why) {
            cx.link.send(&self.scratch, Offload::default());
        }
    }
}

/// Sends a whole packet to a member; fragments it if need be, since routers do not fragment IPv6.
fn send(cx: &mut Context<'_>, packet: &[u8], member: IpAddr, identification: u16) {
    if member.is_ipv4() {
        cx.link.send(packet, Offload::default());
        return;
    }
    let mtu = cx.policy.mtu(member);
    let _ = packet::split(packet, identification.into(), mtu, |fragment| {
        cx.link.send(fragment, Offload::default());
    });
}

#[cfg(test)]
mod tests {
    use rustix::net::Protocol;

    use super::*;
    use crate::net::fake::{World, host, loopback, member};
    use crate::net::handler::{Holder, Sockets};
    use crate::net::packet::{Reassembly, echo_request};

    fn may_ping() -> bool {
        socket_allowed(AddressFamily::INET)
    }

    fn socket_allowed(family: AddressFamily) -> bool {
        rustix::net::socket(family, SocketType::DGRAM, Some(ipproto::ICMP)).is_ok()
    }

    fn request(v6: bool, payload: &[u8]) -> Vec<u8> {
        let mut packet = Vec::new();
        let echo = Echo { identifier: 77, sequence: 3, payload };
        let pair = Pair::new(member(v6), host(v6)).unwrap();
        assert!(echo_request(&mut packet, &Envelope::new(pair), &echo));
        packet
    }

    #[test]
    fn pings_come_back_or_are_known_to_be_denied() {
        for v6 in [false, true] {
            let mut world = World::new();
            let mut icmp = Icmp::new(Limits { flows: 4, per_member: 4 });
            let payload = vec![9; 3000];
            let packet = request(v6, &payload);
            icmp.packet(&mut world.context(), &Ip::parse(&packet, Offload::default()).unwrap());
            if !may_ping() {
                assert!(world.wire.sent.is_empty());
                continue;
            }
            let (part, index, what) = world.wait();
            assert_eq!(part, Handler::Icmp);
            icmp.ready(&mut world.context(), index, what);
            let mut reassembly = Reassembly::default();
            let mut packets: Vec<_> = world.wire.sent.drain(..).map(|(packet, _)| packet).collect();
            if v6 {
                let whole = packets.iter().filter_map(|it| {
                    reassembly.push(&Ip::parse(it, Offload::default()).unwrap(), Holder(1), world.now)
                });
                packets = whole.collect();
            }
            let [reply] = packets.as_slice() else { panic!("{packets:?}") };
            let ip = Ip::parse(reply, Offload::default()).unwrap();
            assert_eq!((ip.pair.source(), ip.pair.destination()), (host(v6), member(v6)));
            let Transport::Icmp(packet::Icmp::EchoReply(echo)) = ip.transport else { panic!("{ip:?}") };
            assert_eq!((echo.identifier, echo.sequence, echo.payload), (77, 3, &payload[..]));
            world.pass(31);
            icmp.expire(&mut world.context());
            assert!(icmp.flows.is_empty());
        }
    }

    /// UDP sockets in place of ping sockets, which not every user may have.
    struct UdpSockets;

    impl Sockets for UdpSockets {
        fn host(&self, family: AddressFamily, kind: SocketType, _: Option<Protocol>) -> std::io::Result<OwnedFd> {
            Ok(rustix::net::socket(family, kind, None)?)
        }

        fn router(&self, family: AddressFamily, kind: SocketType, _: Option<Protocol>) -> std::io::Result<OwnedFd> {
            self.host(family, kind, None)
        }
    }

    #[test]
    fn a_full_table_gives_up_its_oldest_flow_and_a_full_share_its_own() {
        let mut world = World::new();
        let mut icmp = Icmp::new(Limits { flows: 4, per_member: 2 });
        let source = |last: u8, v6: bool| -> IpAddr {
            if v6 { [0xfd00, 0, 0, 0, 0, 0, 0, last.into()].into() } else { [172, 17, 0, last].into() }
        };
        // Which container pings, from which of its addresses, and the pings that have a flow afterwards.
        let pings = [
            (2, false, "1......"),
            (2, true, "12....."),
            (3, true, "123...."),
            (2, false, ".234..."),
            (2, true, "..345.."),
            (3, false, "..3456."),
            (4, false, "...4567"),
        ];
        for (number, (last, v6, expected)) in (1..).zip(pings) {
            let mut packet = Vec::new();
            let pair = Pair::new(source(last, v6), host(v6)).unwrap();
            let echo = Echo { identifier: number, sequence: 1, payload: b"" };
            assert!(echo_request(&mut packet, &Envelope::new(pair), &echo));
            let cx = &mut Context { sockets: &UdpSockets, ..world.context() };
            icmp.packet(cx, &Ip::parse(&packet, Offload::default()).unwrap());
            world.pass(1);
            let there = (1..).zip(pings).map(|(number, (last, v6, _))| {
                let key = Key { member: source(last, v6), remote: host(v6), identifier: number };
                icmp.flows.find(&key).map_or(".".to_owned(), |_| number.to_string())
            });
            assert_eq!(there.collect::<String>(), expected);
        }
        assert!(world.wire.sent.is_empty(), "nobody is refused");
    }

    #[test]
    fn other_protocols_are_told_that_they_stay_inside() {
        for v6 in [false, true] {
            let mut world = World::new();
            let mut icmp = Icmp::new(Limits { flows: 4, per_member: 4 });
            let mut packet = request(v6, b"12345678");
            // SCTP instead of ICMP.
            if v6 {
                packet[6] = 132;
            } else {
                packet[9] = 132;
                packet[10..12].fill(0);
                let sum = packet::checksum::Sum::default().with(&packet[..20]).complemented();
                packet[10..12].copy_from_slice(&sum.to_be_bytes());
            }
            icmp.packet(&mut world.context(), &Ip::parse(&packet, Offload::default()).unwrap());
            let (told, _) = world.wire.sent.pop().unwrap();
            let ip = Ip::parse(&told, Offload::default()).unwrap();
            let Transport::Icmp(packet::Icmp::Error(quoted)) = ip.transport else { panic!("{ip:?}") };
            assert_eq!((quoted.kind, quoted.code), if v6 { (4, 1) } else { (3, 2) });
        }
    }

    #[test]
    fn forbidden_pings_are_told_so() {
        let mut world = World::new();
        let mut icmp = Icmp::new(Limits { flows: 4, per_member: 4 });
        let pair = Pair::new(member(false), [192, 0, 2, 1].into()).unwrap();
        let mut packet = Vec::new();
        assert!(echo_request(&mut packet, &Envelope::new(pair), &Echo { identifier: 1, sequence: 1, payload: b"" }));
        icmp.packet(&mut world.context(), &Ip::parse(&packet, Offload::default()).unwrap());
        assert_eq!(world.wire.sent.len(), 1);
        assert_ne!(pair.destination(), loopback(false));
    }
}
