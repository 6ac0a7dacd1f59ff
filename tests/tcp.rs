//! TCP of containers against TCP of the host: in namespaces of its own, programs in a container and programs of the host
//! call each other, and must see what they would see without coracle in between.
//!
//! A test program of its own (no harness): it changes namespaces, and counts what the process has open. It takes `ip` and
//! `nft` to build its world; with `CORACLE_TEST_SOAK` set, it makes more connections.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "net/world.rs"]
mod world;

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use coracle::testing::base::Kind;
use coracle::testing::net::Limits;
use coracle::testing::net::Target;
use coracle::testing::spec::network::{Protocol, PublishedPort};
use coracle::testing::sys::at_mark;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::{set_socket_linger, set_socket_reuseaddr};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, connect, recv, send, socket_with,
};
use world::{Place, World};

const V4: &str = "10.99.0.1";
const V6: &str = "fd99::1";
/// Longer than anything that works takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A test and its name.
type Test = (&'static str, fn(&Setting));

const TESTS: &[Test] = &[
    ("refused", refused),
    ("unreachable", unreachable),
    ("echo_and_half_close", echo_and_half_close),
    ("server_speaks_first", server_speaks_first),
    ("resets", resets),
    ("urgent", urgent),
    ("streams", streams),
    ("published", published),
    ("published_twice", published_twice),
    ("published_to_one_family", published_to_one_family),
    ("published_ports_clash", published_ports_clash),
    ("no_descriptors", no_descriptors),
    ("abandoned", abandoned),
    ("member_left", member_left),
    ("late_syns", late_syns),
    ("ports_are_used_again", ports_are_used_again),
    ("flat", flat),
];

struct Setting {
    world: World,
    member: Arc<Place>,
    number: usize,
    /// With the gate; otherwise TCP is spoken on the device.
    gate: bool,
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if args.iter().any(|arg| arg == "--list") {
        return;
    }
    match args.iter().position(|arg| arg == "inside") {
        Some(at) => inside(args.get(at + 1).map_or("", String::as_str)),
        None => {
            let filter = args.iter().skip(1).find(|arg| !arg.starts_with('-')).cloned().unwrap_or_default();
            let status = Command::new("unshare")
                .args(["-U", "--map-root-user", "-n", "--kill-child"])
                .arg(std::env::current_exe().unwrap())
                .args(["inside", &filter])
                .status();
            assert!(status.unwrap().success(), "see above");
        }
    }
}

fn inside(filter: &str) {
    rustix::process::setrlimit(
        rustix::process::Resource::Nofile,
        rustix::process::Rlimit {
            current: rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum,
            maximum: rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum,
        },
    )
    .unwrap();
    for gate in [true, false] {
        let world = World::new(Limits { flows: 20_000 }, gate);
        let (member, number) = world.member();
        let setting = Setting { world, member, number, gate };
        for (name, test) in TESTS {
            if filter.split(',').any(|part| name.contains(part)) {
                let since = Instant::now();
                test(&setting);
                setting.world.await_no_flows();
                println!("{name} (gate: {gate}): {:?}", since.elapsed());
            }
        }
    }
}

// -------------------------------------------------------------------------------------------------------- tools

fn address(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), port)
}

/// A server of H for so many connections, each served by `serve`, one after the other.
fn server(ip: &str, count: usize, serve: impl Fn(TcpStream) + Send + 'static) -> (SocketAddr, thread::JoinHandle<()>) {
    let listener = TcpListener::bind(address(ip, 0)).unwrap();
    let here = listener.local_addr().unwrap();
    let thread = thread::spawn(move || {
        for _ in 0..count {
            serve(patient(listener.accept().unwrap().0));
        }
    });
    (here, thread)
}

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

impl Setting {
    /// Runs a client in the container with a connection to `to`.
    fn client<T: Send + 'static>(&self, to: SocketAddr, what: impl FnOnce(TcpStream) -> T + Send + 'static) -> T {
        self.member.inside(move || what(patient(TcpStream::connect_timeout(&to, PATIENCE).unwrap())))
    }

    /// What a client in the container gets for an error.
    fn error(&self, to: SocketAddr) -> Option<i32> {
        self.member.inside(move || TcpStream::connect_timeout(&to, PATIENCE).unwrap_err().raw_os_error())
    }

    fn own(&self, v6: bool) -> IpAddr {
        let text = if v6 { format!("fd88::{}", self.number) } else { format!("10.88.0.{}", self.number) };
        text.parse().unwrap()
    }
}

fn reset(stream: TcpStream) {
    set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
}

/// Bytes that depend on their place.
fn pattern(length: usize) -> Vec<u8> {
    (0..length as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

// -------------------------------------------------------------------------------------------------------- semantics

fn refused(setting: &Setting) {
    for ip in [V4, V6] {
        let closed = TcpListener::bind(address(ip, 0)).unwrap().local_addr().unwrap();
        let since = Instant::now();
        assert_eq!(setting.error(closed), Some(libc::ECONNREFUSED));
        assert!(since.elapsed() < Duration::from_millis(900), "a retransmission was needed");
    }
}

fn unreachable(setting: &Setting) {
    for (ip, errno) in [
        ("10.97.1.1", libc::EHOSTUNREACH),
        ("10.97.2.1", libc::EHOSTUNREACH), // no ICMP message for IPv4 means EACCES
        ("10.94.0.1", libc::ENETUNREACH),
        ("10.95.0.1", libc::EHOSTUNREACH), // prohibited by policy
        ("fd97:1::1", libc::EHOSTUNREACH),
        ("fd97:2::1", libc::EACCES),
        ("fd94::1", libc::ENETUNREACH),
    ] {
        assert_eq!(setting.error(address(ip, 80)), Some(errno), "{ip}");
    }
}

fn echo_and_half_close(setting: &Setting) {
    for ip in [V4, V6] {
        let (to, server) = server(ip, 1, |mut stream| {
            let mut all = Vec::new();
            stream.read_to_end(&mut all).unwrap();
            // Only now, after the end of the other direction.
            stream.write_all(&all).unwrap();
        });
        setting.client(to, |mut stream| {
            stream.write_all(b"hello").unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).unwrap();
            assert_eq!(all, b"hello");
        });
        server.join().unwrap();
    }
}

fn server_speaks_first(setting: &Setting) {
    let (to, server) = server(V4, 1, |mut stream| stream.write_all(b"220 ready\r\n").unwrap());
    setting.client(to, |mut stream| {
        let mut all = String::new();
        stream.read_to_string(&mut all).unwrap();
        assert_eq!(all, "220 ready\r\n");
    });
    server.join().unwrap();
}

fn resets(setting: &Setting) {
    for ip in [V4, V6] {
        let (to, by_server) = server(ip, 1, |mut stream| {
            stream.read_exact(&mut [0]).unwrap();
            stream.write_all(b"last words").unwrap();
            reset(stream);
        });
        setting.client(to, |mut stream| {
            stream.write_all(b"x").unwrap();
            let mut all = Vec::new();
            assert_eq!(stream.read_to_end(&mut all).unwrap_err().kind(), ErrorKind::ConnectionReset);
        });
        by_server.join().unwrap();
        let (to, by_client) = server(ip, 1, |mut stream| {
            let error = stream.read_to_end(&mut Vec::new()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        });
        setting.client(to, reset);
        by_client.join().unwrap();
    }
    // The other end does not read, and both directions are full: a reset gets through nevertheless.
    let (to, stuck) = server(V4, 1, |mut stream| {
        let error = loop {
            if let Err(error) = stream.write_all(&[0; 65536]) {
                break error;
            }
        };
        assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
    });
    setting.client(to, |mut stream| {
        stream.set_nonblocking(true).unwrap();
        let mut quiet = Instant::now();
        while quiet.elapsed() < Duration::from_millis(300) {
            if stream.write(&[0; 65536]).is_ok() {
                quiet = Instant::now();
            }
            thread::yield_now();
        }
        reset(stream);
    });
    stuck.join().unwrap();
}

fn urgent(setting: &Setting) {
    if !setting.gate {
        return;
    }
    let exchange = |mut from: TcpStream| {
        from.write_all(b"before").unwrap();
        assert_eq!(send(&from, b"!", SendFlags::OOB).unwrap(), 1);
        from.write_all(b"after").unwrap();
        from
    };
    let check = |mut stream: TcpStream| {
        let mut fds = [PollFd::new(&stream, PollFlags::PRI)];
        poll(&mut fds, Some(&Timespec { tv_sec: 20, tv_nsec: 0 })).unwrap();
        let mut text = [0; 20];
        let mut got = 0;
        while !at_mark(stream.as_fd()).unwrap() {
            got += stream.read(&mut text[got..]).unwrap();
        }
        assert_eq!(&text[..got], b"before");
        assert_eq!(recv(&stream, &mut text, RecvFlags::OOB).unwrap().0, 1);
        assert_eq!(text[0], b'!');
        stream.read_exact(&mut text[..5]).unwrap();
        assert_eq!(&text[..5], b"after");
        stream
    };
    let (to, up) = server(V4, 1, move |stream| drop(check(stream)));
    setting.client(to, move |stream| drop(exchange(stream)));
    up.join().unwrap();
    let (to, down) = server(V4, 1, move |stream| drop(exchange(stream)));
    setting.client(to, move |stream| drop(check(stream)));
    down.join().unwrap();
}

/// More than all buffers hold, in both directions at once, by several clients.
fn streams(setting: &Setting) {
    const CLIENTS: usize = 4;
    let length = 24 << 20;
    let listener = TcpListener::bind(address(V4, 0)).unwrap();
    let to = listener.local_addr().unwrap();
    let echo = thread::spawn(move || {
        let serving = (0..CLIENTS).map(|_| {
            let mut stream = patient(listener.accept().unwrap().0);
            thread::spawn(move || {
                let mut buffer = vec![0; 100_000];
                loop {
                    match stream.read(&mut buffer).unwrap() {
                        0 => break,
                        count => stream.write_all(&buffer[..count]).unwrap(),
                    }
                }
            })
        });
        serving.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().unwrap());
    });
    let clients = (0..CLIENTS).map(|_| {
        setting.member.spawn(move || {
            let mut stream = patient(TcpStream::connect(to).unwrap());
            let bytes = pattern(length);
            let (mut writer, sent) = (stream.try_clone().unwrap(), bytes.clone());
            let writing = thread::spawn(move || {
                writer.write_all(&sent).unwrap();
                writer.shutdown(Shutdown::Write).unwrap();
            });
            let mut all = Vec::new();
            stream.read_to_end(&mut all).unwrap();
            assert!(all == bytes);
            writing.join().unwrap();
        })
    });
    clients.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().unwrap());
    echo.join().unwrap();
}

// -------------------------------------------------------------------------------------------------------- published

fn port(host_ip: Option<&str>, host_port: u16, container_port: u16) -> PublishedPort {
    let host_ip = host_ip.map(|ip| ip.parse().unwrap());
    PublishedPort { host_ip, host_port, container_port, protocol: Protocol::Tcp }
}

/// Calls from this address and port.
fn call_from(from: SocketAddr, to: SocketAddr) -> TcpStream {
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket: OwnedFd = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
    set_socket_reuseaddr(&socket, true).unwrap();
    bind(&socket, &from).unwrap();
    connect(&socket, &to).unwrap();
    patient(socket.into())
}

fn published(setting: &Setting) {
    const CALLS: usize = 50;
    let listener = setting.member.inside(|| TcpListener::bind("[::]:80").unwrap());
    let inside = thread::spawn(move || {
        // It says who it was that called.
        for _ in 0..1 + 2 * (2 + CALLS) {
            let (mut stream, peer) = listener.accept().unwrap();
            let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
            stream.write_all(peer.to_string().as_bytes()).unwrap();
        }
    });
    let (v4, v6) = (setting.own(false), setting.own(true));
    let (IpAddr::V4(ipv4), IpAddr::V6(ipv6)) = (v4, v6) else { panic!("families") };
    let target = Target { ipv4: Some(ipv4), ipv6: Some(ipv6) };
    let open = setting.world.with(|_, ports, cx| ports.open(cx, &port(None, 0, 80)).unwrap());
    let number = open.host_port;
    // Whoever comes early waits.
    let early = patient(TcpStream::connect((Ipv4Addr::LOCALHOST, number)).unwrap());
    let aimed = open.clone();
    setting.world.with(move |_, ports, cx| ports.aim(cx, &aimed, target).unwrap());
    let said = |mut stream: TcpStream| {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text.parse::<SocketAddr>().unwrap()
    };
    assert_eq!(said(early).ip(), "10.88.0.1".parse::<IpAddr>().unwrap(), "loopback is seen as the gateway");
    for ip in ["10.99.0.7", "fd99::7"] {
        let own = address(ip, 41_007);
        let to = address(if own.is_ipv4() { V4 } else { V6 }, number);
        for own in [own, address(ip, 41_008)] {
            assert_eq!(said(call_from(own, to)), own);
        }
        thread::scope(|scope| {
            let calls: Vec<_> = (0..CALLS).map(|_| scope.spawn(|| said(call_from(address(ip, 0), to)))).collect();
            for call in calls {
                assert_eq!(call.join().unwrap().ip(), own.ip());
            }
        });
    }
    inside.join().unwrap();
    // Nobody listens any more.
    let mut dead = patient(TcpStream::connect((V4, number)).unwrap());
    assert_eq!(dead.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    setting.world.with(move |_, ports, _| ports.close(&open));
    assert_eq!(TcpStream::connect((V4, number)).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

/// A client that uses one port of its own for two published ones, whose container has one: in R, the second connection
/// would have the addresses and ports of the first, which is in TIME_WAIT.
fn published_twice(setting: &Setting) {
    // With time stamps, a pair in TIME_WAIT can be used again (tcp_twsk_unique in net/ipv4/tcp_ipv4.c).
    let stamps = |value: &'static str| {
        setting.member.inside(move || std::fs::write("/proc/sys/net/ipv4/tcp_timestamps", value).unwrap());
    };
    stamps("0");
    let listener = setting.member.inside(|| TcpListener::bind("0.0.0.0:81").unwrap());
    let inside = thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, peer) = listener.accept().unwrap();
            patient(stream.try_clone().unwrap()).read_to_end(&mut Vec::new()).unwrap();
            stream.write_all(peer.to_string().as_bytes()).unwrap();
        }
    });
    let IpAddr::V4(ipv4) = setting.own(false) else { panic!("family") };
    let mut seen = Vec::new();
    for _ in 0..2 {
        let open = setting.world.with(move |_, ports, cx| {
            let open = ports.open(cx, &port(Some(V4), 0, 81)).unwrap();
            ports.aim(cx, &open, Target { ipv4: Some(ipv4), ipv6: None }).unwrap();
            open
        });
        let mut stream = call_from(address("10.99.0.7", 41_010), address(V4, open.host_port));
        stream.shutdown(Shutdown::Write).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        seen.push(text.parse::<SocketAddr>().unwrap());
        setting.world.with(move |_, ports, _| ports.close(&open));
    }
    inside.join().unwrap();
    stamps("1");
    assert_eq!(seen[0], address("10.99.0.7", 41_010));
    assert_eq!(seen[1].ip(), seen[0].ip());
    assert_ne!(seen[1].port(), seen[0].port());
}

/// The program listens on IPv4 alone, and the client calls by IPv6: it gets through, seen as the gateway.
fn published_to_one_family(setting: &Setting) {
    let listener = setting.member.inside(|| TcpListener::bind("0.0.0.0:82").unwrap());
    let inside = thread::spawn(move || {
        let (mut stream, peer) = listener.accept().unwrap();
        stream.write_all(peer.to_string().as_bytes()).unwrap();
        patient(stream).read_to_end(&mut Vec::new()).unwrap();
    });
    let (IpAddr::V4(ipv4), IpAddr::V6(ipv6)) = (setting.own(false), setting.own(true)) else { panic!("families") };
    let open = setting.world.with(move |_, ports, cx| {
        let open = ports.open(cx, &port(Some(V6), 0, 82)).unwrap();
        ports.aim(cx, &open, Target { ipv4: Some(ipv4), ipv6: Some(ipv6) }).unwrap();
        open
    });
    let mut stream = call_from(address("fd99::7", 0), address(V6, open.host_port));
    // What is said early is not lost on the way.
    stream.write_all(b"early").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(text.parse::<SocketAddr>().unwrap().ip(), "10.88.0.1".parse::<IpAddr>().unwrap());
    inside.join().unwrap();
    setting.world.with(move |_, ports, _| ports.close(&open));
}

fn published_ports_clash(setting: &Setting) {
    let taken = TcpListener::bind(address(V4, 0)).unwrap();
    let number = taken.local_addr().unwrap().port();
    for host_ip in [None, Some(V4)] {
        let error = setting.world.with(move |_, ports, cx| ports.open(cx, &port(host_ip, number, 80)).unwrap_err());
        assert_eq!(error.kind(), Kind::Conflict, "{error}");
        assert!(error.message().contains(&number.to_string()), "{error}");
    }
    let error = setting.world.with(|_, ports, cx| ports.open(cx, &port(Some("10.1.2.3"), 0, 80)).unwrap_err());
    assert_eq!(error.kind(), Kind::Usage, "{error}");
    setting.world.with(move |_, ports, cx| {
        let open = ports.open(cx, &port(Some("127.0.0.1"), 0, 80)).unwrap();
        assert_eq!(ports.open(cx, &open).unwrap_err().kind(), Kind::Conflict);
        ports.close(&open);
        let again = ports.open(cx, &open).unwrap();
        ports.close(&again);
    });
}

// -------------------------------------------------------------------------------------------------------- trouble

/// Without descriptors, a connection takes longer; it does not fail.
fn no_descriptors(setting: &Setting) {
    let (to, server) = server(V4, 1, |mut stream| stream.write_all(b"ok").unwrap());
    setting.world.order(|netd| netd.refuse_sockets(1));
    let since = Instant::now();
    setting.client(to, |mut stream| {
        let mut all = String::new();
        stream.read_to_string(&mut all).unwrap();
        assert_eq!(all, "ok");
    });
    assert!(since.elapsed() > Duration::from_millis(900), "the container's kernel has asked again");
    server.join().unwrap();
}

/// The client has given up when the server answers at last: the server is not left with a connection to nobody.
fn abandoned(setting: &Setting) {
    // A full backlog: the kernel drops SYNs until there is room.
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
    bind(&socket, &address(V4, 0)).unwrap();
    rustix::net::listen(&socket, 0).unwrap();
    let listener = TcpListener::from(socket);
    let to = listener.local_addr().unwrap();
    let filler = TcpStream::connect(to).unwrap();
    setting.member.inside(move || {
        assert_eq!(
            TcpStream::connect_timeout(&to, Duration::from_millis(300)).unwrap_err().kind(),
            ErrorKind::TimedOut
        );
    });
    drop((filler, listener.accept().unwrap()));
    let (stream, _) = listener.accept().unwrap();
    let error = patient(stream).read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

fn member_left(setting: &Setting) {
    let (to, server) = server(V4, 1, |mut stream| {
        assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
    let kept = setting.client(to, |stream| stream);
    let addresses = [setting.own(false)];
    while setting.world.flows() == 0 {
        thread::yield_now();
    }
    setting.world.with(move |tcp, _, cx| tcp.member_left(cx, &addresses));
    server.join().unwrap();
    let mut kept = patient(kept);
    assert_eq!(kept.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

// -------------------------------------------------------------------------------------------------------- many

/// One exchange: 64 bytes there, 1 KiB back.
fn exchange(to: SocketAddr, how: usize) {
    let mut stream = patient(TcpStream::connect(to).unwrap());
    stream.write_all(&[how as u8; 64]).unwrap();
    let mut answer = vec![0; 1024];
    stream.read_exact(&mut answer).unwrap();
    assert!(answer.iter().all(|byte| *byte == how as u8));
    match how % 3 {
        // The server closes first: the port is free for the client at once, and R is in TIME_WAIT.
        0 => assert_eq!(stream.read(&mut [0]).unwrap(), 0),
        // The same without waiting.
        1 => reset(stream),
        _ => {}
    }
}

/// A server that serves one at a time, and on which a silent connection shows: it counts those. It ends with its flag.
fn one_at_a_time(listener: TcpListener, served: Arc<AtomicUsize>, silent: Arc<AtomicUsize>) {
    while let Ok((stream, _)) = listener.accept() {
        let mut stream = stream;
        stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
        let mut question = [0; 64];
        match stream.read_exact(&mut question) {
            Ok(()) if question[0] == 255 => return,
            Ok(()) => {
                let _ = stream.write_all(&[question[0]; 1024]);
                served.fetch_add(1, Ordering::Relaxed);
                if question[0] % 3 == 2 {
                    let _ = stream.read(&mut [0]);
                }
            }
            Err(_) => {
                silent.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// So many connections by several clients to a server that serves one at a time: how many it saw silent.
fn many(setting: &Setting, count: usize, clients: usize) -> usize {
    let listener = TcpListener::bind(address(V4, 0)).unwrap();
    let to = listener.local_addr().unwrap();
    let (served, silent) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let server = {
        let (served, silent) = (Arc::clone(&served), Arc::clone(&silent));
        thread::spawn(move || one_at_a_time(listener, served, silent))
    };
    let calling = (0..clients).map(|_| {
        setting.member.spawn(move || {
            let mut slowest = Duration::ZERO;
            for how in 0..count / clients {
                let since = Instant::now();
                exchange(to, how % 250);
                slowest = slowest.max(since.elapsed());
            }
            slowest
        })
    });
    let calling: Vec<_> = calling.collect();
    let slowest = calling.into_iter().map(|thread| thread.join().unwrap()).max().unwrap();
    println!("  slowest of {count}: {slowest:?}");
    patient(TcpStream::connect(to).unwrap()).write_all(&[255; 64]).unwrap();
    server.join().unwrap();
    assert_eq!(served.load(Ordering::Relaxed), count / clients * clients);
    silent.load(Ordering::Relaxed)
}

/// SYNs that come when their connections are live or over: that is what left a server of one client at a time with
/// connections on which nobody spoke.
fn late_syns(setting: &Setting) {
    for late in [Duration::from_micros(200), Duration::from_millis(5), Duration::from_millis(100)] {
        setting.world.order(move |netd| netd.late = Some(late));
        assert_eq!(many(setting, 600, 3), 0, "late by {late:?}");
        setting.world.order(|netd| netd.late = None);
    }
    assert!(setting.world.order(|netd| netd.came_late) > 1000);
}

/// Fewer ports than connections, within TIME_WAIT's minute.
fn ports_are_used_again(setting: &Setting) {
    // Without the gate there are no time stamps, and the container's kernel keeps its own ports for TIME_WAIT's minute.
    let soak = std::env::var_os("CORACLE_TEST_SOAK").is_some() && setting.gate;
    let count = if soak { 100_000 } else { 10_000 };
    setting.member.inside(|| {
        std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", "20000 24999").unwrap();
        std::fs::write("/proc/sys/net/ipv4/tcp_tw_reuse", "1").unwrap();
    });
    let since = Instant::now();
    assert_eq!(many(setting, count, 4), 0);
    let rate = count as f64 / since.elapsed().as_secs_f64();
    println!("  {rate:.0} connections/s");
    assert!(since.elapsed() < Duration::from_secs(60 * (count as u64).div_ceil(10_000)));
}

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Memory and descriptors after many flows are what they were after some.
fn flat(setting: &Setting) {
    let count = if std::env::var_os("CORACLE_TEST_SOAK").is_some() { 100_000 } else { 6_000 };
    many(setting, 10_000, 4);
    setting.world.await_no_flows();
    let (before, open) = (resident(), descriptors());
    many(setting, count, 4);
    setting.world.await_no_flows();
    let (after, left) = (resident(), descriptors());
    println!("  {before} KiB and {open} descriptors, after {count} more flows {after} KiB and {left} descriptors");
    assert!(after < before + 1024, "memory");
    assert!(left <= open + 4, "descriptors");
}
