//! Published UDP ports: datagrams from clients to a container, which sees the clients' addresses.
//!
//! # Theory of operation
//!
//! Each port has one socket of the host per family. It reports the host's address that a datagram was sent to
//! (IP_PKTINFO), so that the answer leaves from there. A datagram becomes a packet with the client's own address, sent
//! to the container through the TUN device. Answers come back there, because the router namespace has no other way out,
//! and are matched by the table of clients.
//!
//! A client that the container could not answer, such as the host's loopback, is shown as the gateway. Since the router
//! namespace owns that address, such a client gets a socket there, connected to the container.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::net::{SocketType, bind, connect, sockopt};

use super::flows::{self, Flows, Limits};
use super::handler::{Context, Handler, Interest, Token};
use super::packet::{Ip, Transport};
use super::tcp::family;
use super::tcp_ports::{Target, describe, in_use, listen_on};
use super::udp::delivery::{Delivery, Label};
use super::udp::is_lost;
use super::udp::outgoing::{self, Outgoing, SendOptions};
use super::udp::pace::{Pace, Resting, Turn};
use crate::base::{Error, Result};
use crate::spec::network::PublishedPort;
use crate::sys::datagram::{self, Datagram, Inbox, Sending};

/// The largest datagram, and the largest GRO batch.
const MAX_DATAGRAM: usize = 65_536;
/// The receive buffer of a socket; the kernel limits it to `net.core.rmem_max`.
const RECEIVE_BUFFER: usize = 1024 * 1024;
/// How often one call receives before other handlers have their turn.
const ROUNDS: usize = 4;
/// Flag in the index of a descriptor that belongs to a client.
const CLIENT: u64 = 1 << 48;

/// The key of a client of a container's port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    /// Seen under its own address: matched by the addresses in packets. If a client uses two published ports for the
    /// same container port at once, answers come from the one it used last.
    Itself { member: SocketAddr, client: SocketAddr },
    /// Seen as the gateway: matched by the socket that it sent to.
    Gateway { member: SocketAddr, client: SocketAddr, listener: u64 },
}

impl flows::Key for Key {
    fn member(&self) -> IpAddr {
        match self {
            Self::Itself { member, .. } | Self::Gateway { member, .. } => member.ip(),
        }
    }
}

/// How to answer a client.
#[derive(Debug)]
struct Client {
    address: SocketAddr,
    /// The index of the listener that it sent to.
    listener: u64,
    /// The host's address that it sent to.
    called: Option<IpAddr>,
    /// In the router's namespace, connected to the container; `None` for clients seen under their own address.
    socket: Option<OwnedFd>,
}

#[derive(Debug)]
struct Port {
    /// Indexes of its listeners.
    listeners: Vec<u64>,
    container_port: u16,
    target: Option<Target>,
}

#[derive(Debug)]
struct Listener {
    socket: OwnedFd,
    port: (Option<IpAddr>, u16),
    /// Decides between waiting and polling for datagrams.
    pace: Pace,
}

/// All published UDP ports.
#[derive(Debug)]
pub struct UdpPorts {
    ports: HashMap<(Option<IpAddr>, u16), Port>,
    listeners: HashMap<u64, Listener>,
    next: u64,
    clients: Flows<Key, Client>,
    inbox: Inbox,
    delivery: Delivery,
    outgoing: Outgoing,
    outgoing_since: Option<Instant>,
    /// The listeners that are polled.
    resting: Resting,
}

impl UdpPorts {
    /// Clients that are seen as the gateway take one file descriptor each.
    pub fn new(limits: Limits) -> Self {
        Self {
            ports: HashMap::new(),
            listeners: HashMap::new(),
            next: 0,
            clients: Flows::new(limits),
            inbox: Inbox::new(MAX_DATAGRAM),
            delivery: Delivery::default(),
            outgoing: Outgoing::default(),
            outgoing_since: None,
            resting: Resting::default(),
        }
    }

    /// Binds a port of the host, on both families if no address is given. Returns the port with its real number.
    /// Datagrams that arrive before [`UdpPorts::aim`] wait.
    pub fn open(&mut self, cx: &mut Context<'_>, port: &PublishedPort) -> Result<PublishedPort> {
        if self.ports.contains_key(&(port.host_ip, port.host_port)) {
            return Err(in_use(port));
        }
        let (number, sockets) = listen_on(cx, port, listener)?;
        let key = (port.host_ip, number);
        let mut listeners = Vec::new();
        for socket in sockets {
            listeners.push(self.next);
            self.listeners.insert(self.next, Listener { socket, port: key, pace: Pace::default() });
            self.next = (self.next + 1) & (CLIENT - 1);
        }
        self.ports.insert(key, Port { listeners, container_port: port.container_port, target: None });
        Ok(PublishedPort { host_port: number, ..port.clone() })
    }

    /// Aims an open port at a container.
    pub fn aim(&mut self, cx: &mut Context<'_>, port: &PublishedPort, target: Target) -> Result<()> {
        let Some(open) = self.ports.get_mut(&(port.host_ip, port.host_port)) else {
            return Err(Error::not_found(format!("{} is not open", describe(port))));
        };
        if open.target.replace(target).is_none() {
            for index in &open.listeners {
                let Some(listener) = self.listeners.get(index) else { continue };
                cx.wakes
                    .watch(listener.socket.as_fd(), Interest::READ, Token::new(Handler::UdpPorts, *index))
                    .map_err(|error| Error::system(format!("cannot wait for {}", describe(port))).caused_by(error))?;
            }
        }
        Ok(())
    }

    /// Closes a port, and forgets its clients.
    pub fn close(&mut self, port: &PublishedPort) {
        let Some(closed) = self.ports.remove(&(port.host_ip, port.host_port)) else { return };
        // The pending batch may be for one of them and could not be sent any more.
        let _ = self.outgoing.take();
        self.outgoing_since = None;
        for index in &closed.listeners {
            self.listeners.remove(index);
        }
        self.clients.remove_if(|_, client| closed.listeners.contains(&client.listener));
    }

    /// Handles a datagram of a container, from the TUN device: whether it answers a client. If not, it is outbound.
    pub fn packet(&mut self, cx: &mut Context<'_>, ip: &Ip<'_>) -> bool {
        let Transport::Udp(udp) = ip.transport else { return false };
        if self.clients.is_empty() {
            return false;
        }
        let (member, client) = ip.pair.with_ports(udp.source_port, udp.destination_port);
        let Some(index) = self.clients.find(&Key::Itself { member, client }) else { return false };
        self.clients.touch(index, cx.now, true);
        let send_options = SendOptions { class: ip.traffic_class, hops: None, may_fragment: true };
        let size = outgoing::size(ip, udp.payload);
        if !self.outgoing.add(index, send_options, udp.payload, size) {
            self.flush(cx);
            let _ = self.outgoing.add(index, send_options, udp.payload, size);
        }
        self.outgoing_since.get_or_insert(cx.now);
        true
    }

    /// Sends the batch. Called when no more packets are at hand, before the loop waits.
    pub fn flush(&mut self, _: &mut Context<'_>) {
        self.outgoing_since = None;
        let Some(batch) = self.outgoing.take() else { return };
        if let Some((_, client)) = self.clients.get(batch.flow)
            && let Some(listener) = self.listeners.get_mut(&client.listener)
        {
            listener.pace.note_sent(batch.count);
            answer(listener.socket.as_fd(), client, &batch.payload, batch.size, batch.send_options.class);
        }
        self.outgoing.recycle(batch);
    }

    /// Handles events of a socket.
    pub fn ready(&mut self, cx: &mut Context<'_>, index: u64, _: Interest) {
        match index & CLIENT {
            0 => self.arrived(cx, index),
            _ => self.answered(cx, usize::try_from(index & !CLIENT).unwrap_or(usize::MAX)),
        }
    }

    /// Frees memory that bursts have used, in quiet times.
    pub fn settle(&mut self) {
        self.inbox.release();
    }

    /// When [`UdpPorts::expire`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        let rest = [self.outgoing_since, self.resting.deadline()].into_iter().flatten().min();
        rest.or(self.clients.deadline())
    }

    /// Forgets expired clients, and polls listeners that are not watched.
    pub fn expire(&mut self, cx: &mut Context<'_>) {
        self.flush(cx);
        for index in self.resting.due(cx.now) {
            self.arrived(cx, index);
        }
        while self.clients.expired(cx.now).is_some() {}
    }

    /// Forgets the clients of addresses that no container has any more.
    pub fn member_left(&mut self, cx: &mut Context<'_>, addresses: &[IpAddr]) {
        self.flush(cx);
        self.clients.remove_members(addresses);
    }

    /// Handles datagrams of clients.
    fn arrived(&mut self, cx: &mut Context<'_>, index: u64) {
        let count = self.receive(cx, index);
        let Some(listener) = self.listeners.get_mut(&index) else { return };
        let token = Token::new(Handler::UdpPorts, index);
        let _ = match listener.pace.note_received(count, cx.now) {
            Turn::Stay => Ok(()),
            Turn::Rest => cx.wakes.change(listener.socket.as_fd(), Interest::empty(), token),
            Turn::Watch => cx.wakes.change(listener.socket.as_fd(), Interest::READ, token),
        };
        if listener.pace.is_resting() {
            self.resting.add(index, cx.now);
        }
    }

    /// Forwards the datagrams of a listener; returns how many, a GRO batch counting as one.
    fn receive(&mut self, cx: &mut Context<'_>, index: u64) -> usize {
        let mut all = 0;
        for _ in 0..ROUNDS {
            let Some(listener) = self.listeners.get(&index) else { return all };
            let Some(port) = self.ports.get(&listener.port) else { return all };
            let (target, container_port) = (port.target, port.container_port);
            let count = match self.inbox.receive(listener.socket.as_fd()) {
                Ok(count) => count,
                Err(error) if is_lost(&error) => return all,
                // A queued error about an earlier answer, which concerns nobody here.
                Err(_) => continue,
            };
            all += count;
            let datagrams: Vec<Datagram> = self.inbox.received().to_vec();
            for datagram in &datagrams {
                if let (Some(from), Some(target)) = (datagram.from, target) {
                    self.forward(cx, index, datagram, from, target, container_port);
                }
            }
            self.delivery.flush(cx.link);
            if count < datagram::SLOTS {
                return all;
            }
        }
        all
    }

    /// Sends one datagram, or several of one size, to the container.
    fn forward(
        &mut self,
        cx: &mut Context<'_>,
        listener: u64,
        datagram: &Datagram,
        from: SocketAddr,
        target: Target,
        port: u16,
    ) {
        let plain = SocketAddr::new(from.ip().to_canonical(), from.port());
        let Some(address) = target.address(plain.ip()) else { return };
        let seen = cx.policy.visible(plain.ip(), address);
        if seen == plain.ip() {
            let member = SocketAddr::new(address, port);
            let key = Key::Itself { member, client: plain };
            let client = Client { address: from, listener, called: datagram.to, socket: None };
            if self.client(cx, key, client).is_some() {
                let label =
                    Label { from: plain, to: member, class: datagram.class.unwrap_or(0), mtu: cx.policy.mtu(address) };
                self.delivery.add(cx.link, label, self.inbox.payload(datagram), datagram.segment);
            }
            return;
        }
        // The gateway sends by IPv4 for any client: more programs listen on it than on IPv6.
        let member = SocketAddr::new(target.ipv4.map_or(address, IpAddr::V4), port);
        let key = Key::Gateway { member, client: plain, listener };
        let index = match self.clients.find(&key) {
            Some(index) => index,
            None => {
                let Ok(socket) = self.call(cx, seen, member) else { return };
                let client = Client { address: from, listener, called: datagram.to, socket: Some(socket) };
                let Some(index) = self.client(cx, key, client) else { return };
                index
            }
        };
        self.clients.touch(index, cx.now, false);
        let Some((_, Client { socket: Some(socket), called, .. })) = self.clients.get(index) else { return };
        *called = datagram.to;
        let payload = self.inbox.payload(datagram);
        let how = Sending { segment: datagram.segment, ..Sending::default() };
        // The error of an earlier datagram to a closed port is returned for this one: it is sent again.
        if datagram::send(socket.as_fd(), payload, how).is_err_and(|error| !is_lost(&error)) {
            let _ = datagram::send(socket.as_fd(), payload, how);
        }
    }

    /// The index of a client, which is added if it is new; `None` if there is no room.
    fn client(&mut self, cx: &mut Context<'_>, key: Key, client: Client) -> Option<usize> {
        if let Some(index) = self.clients.find(&key) {
            if let Some((_, known)) = self.clients.get(index) {
                (known.listener, known.called, known.address) = (client.listener, client.called, client.address);
            }
            self.clients.touch(index, cx.now, false);
            return Some(index);
        }
        self.flush(cx);
        let holder = cx.policy.holder(flows::Key::member(&key));
        while self.clients.crowded(holder, cx.now).is_some() {}
        let index = self.clients.next_index();
        if let Some(socket) = &client.socket {
            let token = Token::new(Handler::UdpPorts, CLIENT | index as u64);
            cx.wakes.watch(socket.as_fd(), Interest::READ, token).ok()?;
        }
        self.clients.insert(key, client, holder, cx.now).ok()
    }

    /// A socket of the router's namespace that is connected to a container. Without a free descriptor, an old client is
    /// evicted.
    fn call(&mut self, cx: &Context<'_>, from: IpAddr, member: SocketAddr) -> io::Result<OwnedFd> {
        let socket = || cx.sockets.router(family(member.ip()), SocketType::DGRAM, None);
        let socket = match socket() {
            Err(error) if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) => {
                self.clients.evict_largest(cx.now).ok_or(error)?;
                socket()
            }
            made => made,
        }?;
        if from.is_ipv4() == member.is_ipv4() {
            bind(&socket, &SocketAddr::new(from, 0))?;
        }
        connect(&socket, &member)?;
        let _ = datagram::coalesce(socket.as_fd());
        Ok(socket)
    }

    /// Forwards datagrams of the container to a client that it sees as the gateway.
    fn answered(&mut self, cx: &mut Context<'_>, index: usize) {
        for _ in 0..ROUNDS {
            let Some((_, client)) = self.clients.get(index) else { return };
            let (Some(socket), Some(listener)) = (&client.socket, self.listeners.get(&client.listener)) else { return };
            let count = match self.inbox.receive(socket.as_fd()) {
                Ok(count) => count,
                Err(error) if is_lost(&error) => return,
                // The container's port is closed, which the client cannot be told.
                Err(_) => continue,
            };
            for datagram in self.inbox.received() {
                let payload = self.inbox.payload(datagram);
                let size = datagram.segment.map_or(payload.len(), usize::from);
                answer(listener.socket.as_fd(), client, payload, size, datagram.class.unwrap_or(0));
            }
            self.clients.touch(index, cx.now, true);
            if count < datagram::SLOTS {
                return;
            }
        }
    }
}

/// Sends datagrams of `size` bytes each, of which the last may be shorter, to a client from the address that it used.
fn answer(listener: BorrowedFd<'_>, client: &Client, payload: &[u8], size: usize, class: u8) {
    let are_several = size > 0 && payload.len() > size;
    let how = Sending {
        to: Some(client.address),
        from: client.called,
        segment: u16::try_from(size).ok().filter(|_| are_several),
        class: Some(class),
    };
    let sent = datagram::send(listener, payload, how);
    if are_several && sent.is_err_and(|error| !is_lost(&error)) {
        // Too large for the route, or no GSO on the device.
        for datagram in payload.chunks(size) {
            let _ = datagram::send(listener, datagram, Sending { segment: None, ..how });
        }
    }
}

fn listener(cx: &Context<'_>, address: SocketAddr) -> io::Result<OwnedFd> {
    let socket = cx.sockets.host(family(address.ip()), SocketType::DGRAM, None)?;
    let (fd, v6) = (socket.as_fd(), address.is_ipv6());
    if v6 {
        sockopt::set_ipv6_v6only(fd, true)?;
    }
    datagram::tell_destination(fd, v6)?;
    // The following options only make it faster or more exact.
    let _ = datagram::coalesce(fd);
    let _ = sockopt::set_socket_recv_buffer_size(fd, RECEIVE_BUFFER);
    let _ = if v6 { sockopt::set_ipv6_recvtclass(fd, true) } else { sockopt::set_ip_recvtos(fd, true) };
    bind(fd, &address)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::Duration;

    use super::*;
    use crate::base::error::Kind;
    use crate::net::fake::{World, loopback, member};
    use crate::net::handler::Offload;
    use crate::spec::network::Protocol;

    const LIMITS: Limits = Limits { flows: 8, per_member: 8 };

    fn published(host_ip: Option<IpAddr>, host_port: u16) -> PublishedPort {
        PublishedPort { host_ip, host_port, container_port: 53, protocol: Protocol::Udp }
    }

    fn target() -> Target {
        let (IpAddr::V4(v4), IpAddr::V6(v6)) = (member(false), member(true)) else { panic!() };
        Target { ipv4: Some(v4), ipv6: Some(v6) }
    }

    fn client(v6: bool) -> UdpSocket {
        let client = UdpSocket::bind((loopback(v6), 0)).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        client
    }

    #[test]
    fn containers_see_clients_and_answer_them() {
        let mut world = World::new();
        let mut ports = UdpPorts::new(LIMITS);
        let open = ports.open(&mut world.context(), &published(None, 0)).unwrap();
        assert_ne!(open.host_port, 0);
        let early = client(false);
        early.send_to(b"early", (loopback(false), open.host_port)).unwrap();
        assert_eq!(world.poll(0), None);
        ports.aim(&mut world.context(), &open, target()).unwrap();
        for v6 in [false, true] {
            let late = client(v6);
            let client = if v6 { &late } else { &early };
            client.connect((loopback(v6), open.host_port)).unwrap();
            if v6 {
                client.send(b"early").unwrap();
            }
            let (part, index, what) = world.wait();
            assert_eq!(part, Handler::UdpPorts);
            ports.ready(&mut world.context(), index, what);
            let (seen, server) = (client.local_addr().unwrap(), SocketAddr::new(member(v6), 53));
            assert_eq!(world.datagrams(), [(seen, server, b"early".to_vec())]);
            // Several answers; the client's socket is connected, so it takes them from the address that it used only.
            for payload in [&b"answer"[..], b"second", b"end"] {
                let answer = world.datagram(server, seen, payload);
                assert!(ports.packet(&mut world.context(), &Ip::parse(&answer, Offload::default()).unwrap()));
            }
            assert!(ports.deadline().is_some_and(|at| at <= world.now));
            ports.expire(&mut world.context());
            let mut buffer = [0; 100];
            for payload in [&b"answer"[..], b"second", b"end"] {
                let length = client.recv(&mut buffer).unwrap();
                assert_eq!(&buffer[..length], payload);
            }
            let other = world.datagram(server, SocketAddr::new(seen.ip(), 1), b"not an answer");
            assert!(!ports.packet(&mut world.context(), &Ip::parse(&other, Offload::default()).unwrap()));
        }
        ports.close(&open);
        assert!(ports.clients.is_empty() && ports.listeners.is_empty());
        UdpSocket::bind((loopback(false), open.host_port)).unwrap();
    }

    #[test]
    fn clients_that_cannot_be_answered_are_seen_as_the_gateway() {
        let mut world = World::new();
        world.rules.visible = Some([127, 0, 0, 2].into());
        let container = UdpSocket::bind("127.0.0.3:0").unwrap();
        container.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut ports = UdpPorts::new(LIMITS);
        let wanted = PublishedPort {
            container_port: container.local_addr().unwrap().port(),
            ..published(Some(loopback(false)), 0)
        };
        let open = ports.open(&mut world.context(), &wanted).unwrap();
        let target = Target { ipv4: Some([127, 0, 0, 3].into()), ipv6: None };
        ports.aim(&mut world.context(), &open, target).unwrap();
        let client = client(false);
        client.connect((loopback(false), open.host_port)).unwrap();
        let mut buffer = [0; 9000];
        for size in [5, 9000] {
            client.send(&vec![1; size]).unwrap();
            let (_, index, what) = world.wait();
            ports.ready(&mut world.context(), index, what);
            let (length, seen) = container.recv_from(&mut buffer).unwrap();
            assert_eq!((length, seen.ip()), (size, [127, 0, 0, 2].into()));
            container.send_to(&buffer[..length], seen).unwrap();
            let (_, index, what) = world.wait();
            assert_ne!(index & CLIENT, 0);
            ports.ready(&mut world.context(), index, what);
            assert_eq!(client.recv(&mut buffer).unwrap(), size);
        }
        assert_eq!(ports.clients.len(), 1);
        world.pass(31);
        ports.expire(&mut world.context());
        assert!(ports.clients.is_empty());
    }

    #[test]
    fn a_full_table_gives_up_its_oldest_client() {
        let mut world = World::new();
        let mut ports = UdpPorts::new(LIMITS);
        let open = ports.open(&mut world.context(), &published(Some(loopback(false)), 0)).unwrap();
        ports.aim(&mut world.context(), &open, target()).unwrap();
        let clients: Vec<UdpSocket> = (0..LIMITS.flows + 4).map(|_| client(false)).collect();
        for client in &clients {
            client.send_to(b"question", (loopback(false), open.host_port)).unwrap();
            let (_, index, what) = world.wait();
            ports.ready(&mut world.context(), index, what);
            world.pass(1);
        }
        assert_eq!((world.datagrams().len(), ports.clients.len()), (clients.len(), LIMITS.flows));
        let server = SocketAddr::new(member(false), 53);
        for (client, is_known) in [(&clients[0], false), (&clients[4], true), (clients.last().unwrap(), true)] {
            let answer = world.datagram(server, client.local_addr().unwrap(), b"answer");
            let known = ports.packet(&mut world.context(), &Ip::parse(&answer, Offload::default()).unwrap());
            assert_eq!(known, is_known);
        }
    }

    #[test]
    fn a_stream_is_looked_at_now_and_then() {
        let mut world = World::new();
        let mut ports = UdpPorts::new(LIMITS);
        let open = ports.open(&mut world.context(), &published(Some(loopback(false)), 0)).unwrap();
        ports.aim(&mut world.context(), &open, target()).unwrap();
        let client = client(false);
        client.connect((loopback(false), open.host_port)).unwrap();
        let send = |count| (0..count).for_each(|_| assert_eq!(client.send(b"more").unwrap(), 4));
        send(40);
        let (_, index, what) = world.wait();
        ports.ready(&mut world.context(), index, what);
        assert_eq!(world.datagrams().len(), 40);
        for count in [10, 20, 1] {
            send(count);
            assert_eq!(world.poll(0), None, "it rests");
            world.now = ports.deadline().unwrap();
            ports.expire(&mut world.context());
            assert_eq!(world.datagrams().len(), count);
        }
        // The last call received a single datagram.
        send(1);
        let (_, index, what) = world.wait();
        ports.ready(&mut world.context(), index, what);
        assert_eq!(world.datagrams().len(), 1);
        // Each answer counts against a stream: request-response traffic is not delayed.
        let (server, seen) = (SocketAddr::new(member(false), 53), client.local_addr().unwrap());
        for _ in 0..100 {
            send(1);
            let (_, index, what) = world.wait();
            ports.ready(&mut world.context(), index, what);
            let answer = world.datagram(server, seen, b"answer");
            assert!(ports.packet(&mut world.context(), &Ip::parse(&answer, Offload::default()).unwrap()));
            ports.flush(&mut world.context());
        }
        assert_eq!(world.datagrams().len(), 100);
    }

    #[test]
    fn a_port_that_is_taken_is_a_conflict() {
        let mut world = World::new();
        let mut ports = UdpPorts::new(LIMITS);
        let taken = client(false);
        let port = taken.local_addr().unwrap().port();
        for host_ip in [None, Some(loopback(false))] {
            let error = ports.open(&mut world.context(), &published(host_ip, port)).unwrap_err();
            assert_eq!(error.kind(), Kind::Conflict);
            assert!(error.to_string().contains(&port.to_string()), "{error}");
        }
        let open = ports.open(&mut world.context(), &published(Some(loopback(false)), 0)).unwrap();
        assert_eq!(ports.open(&mut world.context(), &open).unwrap_err().kind(), Kind::Conflict);
    }
}
