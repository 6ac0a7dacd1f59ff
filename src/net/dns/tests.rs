//! The forwarder between a container and a resolver, on sockets of loopback and an epoll of their own.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, epoll, poll};
use rustix::net::{Protocol, SocketFlags};

use super::message::tests::{outcome, question};
use super::message::{TYPE_A, TYPE_AAAA};
use super::*;
use crate::net::handler::{Link, Offload, Sockets, Wakes};
use crate::net::table::fixtures;

/// The gateway, and the container that asks.
const GATEWAY: &str = "127.5.0.1";
const CONTAINER: &str = "127.5.0.2";

struct Loop(OwnedFd);

fn flags(interest: Interest) -> epoll::EventFlags {
    epoll::EventFlags::from_bits_retain(interest.bits())
}

impl Wakes for Loop {
    fn watch(&self, fd: BorrowedFd<'_>, interest: Interest, token: Token) -> io::Result<()> {
        Ok(epoll::add(&self.0, fd, epoll::EventData::new_u64(token.raw()), flags(interest))?)
    }

    fn change(&self, fd: BorrowedFd<'_>, interest: Interest, token: Token) -> io::Result<()> {
        Ok(epoll::modify(&self.0, fd, epoll::EventData::new_u64(token.raw()), flags(interest))?)
    }

    fn ignore(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        Ok(epoll::delete(&self.0, fd)?)
    }
}

/// Sockets of this namespace, as many as are left.
struct Here {
    left: Cell<usize>,
}

impl Sockets for Here {
    fn host(&self, family: AddressFamily, kind: SocketType, protocol: Option<Protocol>) -> io::Result<OwnedFd> {
        match self.left.get() {
            0 => Err(io::Error::from_raw_os_error(libc::EMFILE)),
            left => {
                self.left.set(left - 1);
                self.router(family, kind, protocol)
            }
        }
    }

    fn router(&self, family: AddressFamily, kind: SocketType, protocol: Option<Protocol>) -> io::Result<OwnedFd> {
        Ok(rustix::net::socket_with(family, kind, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, protocol)?)
    }
}

struct Nowhere;

impl Link for Nowhere {
    fn send(&mut self, _: &[u8], _: Offload) -> bool {
        panic!("names are not a matter of packets")
    }
}

/// The forwarder with a container on its network, and the time as the test wants it.
struct Fixture {
    dns: Dns,
    table: Table,
    wakes: Loop,
    sockets: Here,
    now: Instant,
    server: SocketAddr,
}

impl Fixture {
    fn new(servers: Vec<SocketAddr>) -> Self {
        let mut table = Table::default();
        let network = fixtures::network('a', "net", &["127.5.0.0/16"]);
        assert_eq!(fixtures::enter(&mut table, '1', "web", &network, &[]).ipv4.unwrap().addr().to_string(), CONTAINER);
        let mut dns = Dns::new(Resolv { servers });
        dns.port = 0;
        let wakes = Loop(epoll::create(epoll::CreateFlags::CLOEXEC).unwrap());
        let server = SocketAddr::from(([0, 0, 0, 0], 0));
        let sockets = Here { left: Cell::new(usize::MAX) };
        let mut fixture = Self { dns, table, wakes, sockets, now: Instant::now(), server };
        fixture.with(|dns, cx, _| dns.listen(cx, &[GATEWAY.parse().unwrap()]).unwrap());
        let listener = fixture.dns.listeners.iter().next().unwrap().1;
        fixture.server = SocketAddr::new(listener.address, local_port(&listener.udp).unwrap());
        fixture
    }

    fn with<T>(&mut self, work: impl FnOnce(&mut Dns, &mut Context<'_>, &Table) -> T) -> T {
        let mut cx = Context {
            now: self.now,
            wakes: &self.wakes,
            sockets: &self.sockets,
            link: &mut Nowhere,
            policy: &self.table,
        };
        work(&mut self.dns, &mut cx, &self.table)
    }

    /// Serves until `fd` has something to read.
    fn serve_until(&mut self, fd: &impl AsFd) {
        loop {
            let mut fds = [PollFd::new(fd, PollFlags::IN), PollFd::new(&self.wakes.0, PollFlags::IN)];
            poll(&mut fds, None).unwrap();
            if !fds[0].revents().is_empty() {
                return;
            }
            self.turn();
        }
    }

    /// Does what can be done now, all of it.
    fn settle(&mut self) {
        while {
            let mut fds = [PollFd::new(&self.wakes.0, PollFlags::IN)];
            poll(&mut fds, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() > 0
        } {
            self.turn();
        }
    }

    /// One round of events; waits for the first.
    fn turn(&mut self) {
        let mut events = Vec::with_capacity(16);
        epoll::wait(&self.wakes.0, rustix::buffer::spare_capacity(&mut events), None).unwrap();
        for event in events {
            let (data, flags) = (event.data, event.flags);
            let (part, index) = Token::from_raw(data.u64()).unwrap();
            assert_eq!(part, Handler::Dns);
            let what = Interest::from_bits_retain(flags.bits());
            self.with(|dns, cx, table| dns.ready(cx, table, index, what));
        }
    }

    /// Lets time pass up to the next thing that is due.
    fn wait(&mut self) {
        self.now = self.dns.deadline().unwrap();
        self.with(|dns, cx, _| dns.expire(cx));
    }
}

/// The container's socket for questions.
fn client(fixture: &Fixture) -> UdpSocket {
    let socket = UdpSocket::bind((CONTAINER, 0)).unwrap();
    socket.connect(fixture.server).unwrap();
    socket
}

/// A resolver.
fn resolver() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

fn take(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 70_000];
    let (length, peer) = socket.recv_from(&mut buffer).unwrap();
    (buffer[..length].to_vec(), peer)
}

fn answer_to(message: &[u8], code: message::Code, address: &str) -> Vec<u8> {
    let data = [message::Data::Address(address.parse().unwrap())];
    let data = if code == message::Code::NoError { &data[..] } else { &[] };
    message::parse(message).unwrap().answer(message, code, data, message::MESSAGE_MAX)
}

#[test]
fn containers_are_answered_here_and_strangers_not_at_all() {
    let mut fixture = Fixture::new(Vec::new());
    let client = client(&fixture);
    client.send(&question(9, "web", TYPE_A, None)).unwrap();
    client.send(&question(10, "WEB", TYPE_AAAA, Some(4096))).unwrap();
    client.send(&[1, 2, 3]).unwrap();
    client.send(&question(11, "x", TYPE_A, None)[..18]).unwrap();
    for expected in [(0, false, 1), (0, false, 0), (1, false, 0)] {
        fixture.serve_until(&client);
        assert_eq!(outcome(&take(&client).0), expected);
    }
    let stranger = UdpSocket::bind("127.5.0.77:0").unwrap();
    stranger.connect(fixture.server).unwrap();
    stranger.send(&question(9, "web", TYPE_A, None)).unwrap();
    fixture.settle();
    stranger.set_nonblocking(true).unwrap();
    assert_eq!(stranger.recv(&mut [0; 512]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn everything_else_is_relayed_as_it_is() {
    let (upstream, address) = resolver();
    let mut fixture = Fixture::new(vec![address]);
    let client = client(&fixture);
    let asked = question(77, "Host.Example", 65, Some(1400));
    client.send(&asked).unwrap();
    // Repeated, it is not asked twice.
    client.send(&asked).unwrap();
    fixture.serve_until(&upstream);
    fixture.settle();
    let (relayed, peer) = take(&upstream);
    assert_eq!(relayed[2..], asked[2..]);
    upstream.set_nonblocking(true).unwrap();
    assert!(upstream.recv_from(&mut [0; 512]).is_err());
    // A guess with another number or question counts for nothing; nor does one from another sender.
    let good = answer_to(&relayed, message::Code::NoError, "192.0.2.1");
    let mut guess = good.clone();
    message::set_id(&mut guess, u16::from_be_bytes([relayed[0], relayed[1]]).wrapping_add(1));
    upstream.send_to(&guess, peer).unwrap();
    let other = question(u16::from_be_bytes([relayed[0], relayed[1]]), "bad.example", 65, None);
    upstream.send_to(&answer_to(&other, message::Code::NoError, "192.0.2.66"), peer).unwrap();
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(&good, peer).unwrap();
    upstream.send_to(&good, peer).unwrap();
    fixture.serve_until(&client);
    let (answer, _) = take(&client);
    assert_eq!((&answer[..2], &answer[2..]), (&[0, 77][..], &good[2..]));
    assert_eq!((fixture.dns.queries.len(), fixture.dns.pending.len()), (0, 0));
}

#[test]
fn the_next_resolver_is_asked_when_one_cannot_or_is_silent() {
    let (silent, first) = resolver();
    let (refusing, second) = resolver();
    let (dead, third) = resolver();
    drop(dead);
    let (good, fourth) = resolver();
    let mut fixture = Fixture::new(vec![first, second, third, fourth]);
    let client = client(&fixture);
    client.send(&question(5, "host.example", TYPE_A, None)).unwrap();
    fixture.serve_until(&silent);
    fixture.wait();
    let (relayed, peer) = take(&refusing);
    refusing.send_to(&answer_to(&relayed, message::Code::ServFail, "192.0.2.1"), peer).unwrap();
    fixture.serve_until(&good);
    // The silent one speaks after all.
    let (relayed, peer) = take(&silent);
    silent.send_to(&answer_to(&relayed, message::Code::NoError, "192.0.2.9"), peer).unwrap();
    fixture.serve_until(&client);
    assert_eq!(outcome(&take(&client).0), (0, false, 1));
}

#[test]
fn a_failure_is_told_with_what_the_resolver_said() {
    let (dead, address) = resolver();
    drop(dead);
    let mut fixture = Fixture::new(vec![address]);
    let client = client(&fixture);
    client.send(&question(5, "host.example", TYPE_A, None)).unwrap();
    fixture.serve_until(&client);
    assert_eq!(outcome(&take(&client).0), (2, false, 0));

    let (refusing, address) = resolver();
    fixture.with(|dns, _, _| dns.set_resolv(Resolv { servers: vec![address] }));
    client.send(&question(6, "host.example", TYPE_A, None)).unwrap();
    fixture.serve_until(&refusing);
    let (relayed, peer) = take(&refusing);
    refusing.send_to(&message::refuse(&relayed, message::Code::NotImp).unwrap(), peer).unwrap();
    fixture.serve_until(&client);
    assert_eq!(outcome(&take(&client).0), (4, false, 0));

    // One that never says anything.
    client.send(&question(7, "host.example", TYPE_A, None)).unwrap();
    fixture.serve_until(&refusing);
    let start = fixture.now;
    while fixture.dns.deadline().is_some() {
        fixture.wait();
    }
    assert!(fixture.now <= start + LIFE);
    fixture.serve_until(&client);
    assert_eq!(outcome(&take(&client).0), (2, false, 0));
    let asked = std::iter::from_fn(|| {
        refusing.set_nonblocking(true).unwrap();
        refusing.recv(&mut [0; 512]).ok()
    });
    assert_eq!(asked.count(), 3);
}

#[test]
fn without_descriptors_nothing_is_answered_and_it_works_again_later() {
    let (upstream, address) = resolver();
    let mut fixture = Fixture::new(vec![address]);
    let client = client(&fixture);
    fixture.sockets.left.set(0);
    client.send(&question(5, "host.example", TYPE_A, None)).unwrap();
    client.send(&question(6, "web", TYPE_A, None)).unwrap();
    fixture.serve_until(&client);
    assert_eq!(take(&client).0[..2], [0, 6]);
    assert_eq!((fixture.dns.queries.len(), fixture.dns.timers.len()), (0, 0));
    fixture.sockets.left.set(1);
    client.send(&question(5, "host.example", TYPE_A, None)).unwrap();
    fixture.serve_until(&upstream);
}

#[test]
fn without_descriptors_connections_wait_and_nobody_is_kept_busy() {
    let mut fixture = Fixture::new(Vec::new());
    let listener = fixture.dns.listeners.iter().next().unwrap().0;
    fixture.with(|dns, cx, _| dns.pause_accepting(cx, listener));
    let mut client = dial(&fixture);
    client.write_all(&stream::framed(&question(1, "web", TYPE_A, None))).unwrap();
    fixture.settle();
    assert_eq!(fixture.dns.connections.len(), 0);
    assert_eq!(fixture.dns.deadline(), Some(fixture.now + ACCEPT_PAUSE));
    fixture.wait();
    fixture.serve_until(&client);
    assert_eq!(read_message(&mut client)[..2], [0, 1]);
    // A gateway that goes meanwhile is not waited for.
    fixture.with(|dns, cx, _| {
        dns.pause_accepting(cx, listener);
        dns.listen(cx, &[]).unwrap();
    });
    while fixture.dns.deadline().is_some() {
        fixture.wait();
    }
    assert_eq!(fixture.dns.listeners.len(), 0);
}

#[test]
fn the_tables_are_bounded() {
    let (upstream, address) = resolver();
    let mut fixture = Fixture::new(vec![address]);
    let client = client(&fixture);
    for id in 0..QUERIES_EACH as u16 + 20 {
        client.send(&question(id, "host.example", TYPE_A, None)).unwrap();
        fixture.settle();
    }
    assert_eq!((fixture.dns.queries.len(), fixture.dns.pending.len()), (QUERIES_EACH, QUERIES_EACH));
    drop(upstream);
    fixture.with(|dns, _, _| dns.member_left(&[CONTAINER.parse().unwrap()]));
    assert_eq!((fixture.dns.queries.len(), fixture.dns.pending.len(), fixture.dns.timers.len()), (0, 0, 0));
}

fn read_message(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message).unwrap();
    message
}

/// The container's connection.
fn dial(fixture: &Fixture) -> TcpStream {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &SocketAddr::new(CONTAINER.parse().unwrap(), 0)).unwrap();
    rustix::net::connect(&socket, &fixture.server).unwrap();
    TcpStream::from(socket)
}

#[test]
fn questions_over_tcp_are_relayed_over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut fixture = Fixture::new(vec![listener.local_addr().unwrap()]);
    let mut client = dial(&fixture);
    // Two at once, the first in pieces.
    let two =
        [stream::framed(&question(1, "big.example", TYPE_A, None)), stream::framed(&question(2, "web", TYPE_A, None))];
    let two = two.concat();
    client.write_all(&two[..5]).unwrap();
    fixture.turn();
    fixture.settle();
    client.write_all(&two[5..]).unwrap();
    fixture.serve_until(&listener);
    let (mut upstream, _) = listener.accept().unwrap();
    fixture.serve_until(&upstream);
    let relayed = read_message(&mut upstream);
    // A name of a container need not wait.
    assert_eq!(read_message(&mut client)[..2], [0, 2]);
    let large: Vec<message::Data> = (0..2000).map(|_| message::Data::Address([192, 0, 2, 1].into())).collect();
    let large =
        message::parse(&relayed).unwrap().answer(&relayed, message::Code::NoError, &large, message::MESSAGE_MAX);
    assert!(large.len() > 30_000);
    let framed = stream::framed(&large);
    upstream.write_all(&framed[..1]).unwrap();
    fixture.turn();
    upstream.write_all(&framed[1..]).unwrap();
    fixture.serve_until(&client);
    fixture.settle();
    let mut received = read_message(&mut client);
    assert_eq!(received[..2], [0, 1]);
    received[..2].copy_from_slice(&large[..2]);
    assert!(received == large);
    // Its end is seen, and nothing stays.
    drop(client);
    fixture.turn();
    assert_eq!((fixture.dns.connections.len(), fixture.dns.queries.len(), fixture.dns.timers.len()), (0, 0, 0));
}

#[test]
fn idle_and_senseless_connections_end() {
    let mut fixture = Fixture::new(Vec::new());
    let mut senseless = dial(&fixture);
    senseless.write_all(&[0xff; 10]).unwrap();
    fixture.serve_until(&senseless);
    assert_eq!(senseless.read(&mut [0; 10]).unwrap_or(0), 0);
    let idle = dial(&fixture);
    fixture.turn();
    assert_eq!(fixture.dns.connections.len(), 1);
    fixture.wait();
    assert_eq!((fixture.dns.connections.len(), fixture.dns.timers.len()), (0, 0));
    drop(idle);
    // Half closed, it is still answered.
    let mut half = dial(&fixture);
    half.write_all(&stream::framed(&question(3, "web", TYPE_A, None))).unwrap();
    half.shutdown(std::net::Shutdown::Write).unwrap();
    fixture.serve_until(&half);
    assert_eq!(outcome(&read_message(&mut half)), (0, false, 1));
    fixture.settle();
    assert_eq!(half.read(&mut [0; 1]).unwrap(), 0);
    let many: Vec<TcpStream> = (0..CONNECTIONS_EACH + 4).map(|_| dial(&fixture)).collect();
    fixture.turn();
    fixture.settle();
    assert_eq!(fixture.dns.connections.len(), CONNECTIONS_EACH);
    drop(many);
}

#[test]
fn gateways_come_and_go() {
    let mut fixture = Fixture::new(Vec::new());
    let (one, two) = (IpAddr::from([127, 5, 0, 1]), IpAddr::from([127, 6, 0, 1]));
    fixture.with(|dns, cx, _| dns.listen(cx, &[one, two, "::1".parse().unwrap()]).unwrap());
    assert_eq!(fixture.dns.listeners.len(), 3);
    fixture.with(|dns, cx, _| dns.listen(cx, &[two]).unwrap());
    assert_eq!(fixture.dns.listeners.iter().map(|(_, l)| l.address).collect::<Vec<_>>(), [two]);
    assert_eq!(
        Source::from_index(Token::from_raw(Source::Attempt(Key::from_raw(7), 15).token().raw()).unwrap().1),
        Some(Source::Attempt(Key::from_raw(7), 15))
    );
}

#[test]
fn in_a_full_table_whoever_has_most_gives_up_its_oldest() {
    let start = Instant::now();
    let at = |seconds: u64| start + Duration::from_secs(seconds);
    let entries = [(1, Holder(1), at(9)), (2, Holder(2), at(3)), (3, Holder(2), at(2)), (4, Holder(2), at(4))];
    let victim = |holder| oldest_of_largest(entries.into_iter(), Holder(holder));
    assert_eq!([victim(1), victim(2), victim(3)], [Some(3), None, Some(3)]);
    // A container that would have as many as any other takes none from others.
    let entries = [(1, Holder(1), at(1)), (2, Holder(2), at(2))];
    let victim = |holder| oldest_of_largest(entries.into_iter(), Holder(holder));
    assert_eq!([victim(1), victim(2), victim(3)], [None, None, None]);
    assert_eq!(oldest_of_largest(std::iter::empty::<(u8, Holder, Instant)>(), Holder(1)), None);
}
