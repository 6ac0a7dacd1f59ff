//! The host itself, as containers reach it: by an address that is not loopback, and by loopback where that was chosen.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::process::Command;
use std::time::Duration;

use coracle::testing::net::Join;
use coracle::testing::net::{HOST_GATEWAY_V4, HOST_GATEWAY_V6};
use coracle::testing::spec::network::{Network, Protocol, PublishedPort, Wish};

use super::laptop::{Container, HOST, kill_netd, network, wait_for, wish};
use super::outside::{connect, datagrams, without_netfilter};

/// What containers call the host, its loopback, and its other address.
const CALLED: [(IpAddr, IpAddr, &str); 2] = [
    (IpAddr::V4(HOST_GATEWAY_V4), IpAddr::V4(Ipv4Addr::LOCALHOST), HOST[0]),
    (IpAddr::V6(HOST_GATEWAY_V6), IpAddr::V6(Ipv6Addr::LOCALHOST), HOST[1]),
];
const FORBIDDEN: [i32; 2] = [libc::EHOSTUNREACH, libc::EACCES];
const SHORT: Duration = Duration::from_millis(100);

/// A container that reaches loopback, or not.
fn member(name: &str, network: &Network, host_loopback: bool) -> Join {
    let wish_of = Wish { host_loopback: Some(host_loopback), ..Wish::default() };
    Join { networks: vec![(network.clone(), wish_of)], ..wish(name, &[network]) }
}

/// What a call of a container comes to: the address that the service sees, or the error.
fn call(from: &Container, called: IpAddr, service: &TcpListener) -> Result<IpAddr, i32> {
    let port = service.local_addr().unwrap().port();
    from.run(|| connect(called, port)).map_err(|error| error.raw_os_error().unwrap())?;
    let (mut stream, peer) = service.accept().unwrap();
    let _ = stream.read(&mut [0]);
    Ok(peer.ip())
}

/// The same with a datagram. What is said of it comes back to the second one.
fn tell(socket: &UdpSocket, service: &UdpSocket) -> Result<IpAddr, i32> {
    let sent = socket.send(b"hello");
    service.set_read_timeout(Some(SHORT)).unwrap();
    if let Ok((_, peer)) = service.recv_from(&mut [0; 16]) {
        return Ok(peer.ip());
    }
    socket.set_read_timeout(Some(SHORT)).unwrap();
    Err(sent.and_then(|_| socket.recv(&mut [0; 16])).unwrap_err().raw_os_error().unwrap())
}

fn ip(arguments: &str) {
    assert!(Command::new("ip").args(arguments.split(' ')).status().unwrap().success(), "{arguments}");
}

pub fn the_host_is_reached_but_not_its_loopback() {
    let network = network("one", 1);
    let a = Container::start(&wish("a", &[&network])).unwrap();
    let chosen = Container::start(&member("b", &network, true)).unwrap();
    for (called, loopback, own) in CALLED {
        let own: IpAddr = own.parse().unwrap();
        let any: IpAddr = if own.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let (trusting, open) = (TcpListener::bind((loopback, 0)).unwrap(), TcpListener::bind((any, 0)).unwrap());
        assert_eq!(call(&a, called, &trusting), Err(libc::ECONNREFUSED));
        assert_eq!(call(&a, own, &trusting), Err(libc::ECONNREFUSED));
        assert_eq!(call(&a, called, &open), Ok(own));
        assert_eq!(call(&chosen, called, &trusting), Ok(loopback));
        let (trusting, open) = (UdpSocket::bind((loopback, 0)).unwrap(), UdpSocket::bind((any, 0)).unwrap());
        let to = |from: &Container, service: &UdpSocket| {
            from.run(|| datagrams(SocketAddr::new(called, service.local_addr().unwrap().port())))
        };
        assert_eq!(tell(&to(&a, &trusting), &trusting), Err(libc::ECONNREFUSED));
        assert_eq!(tell(&to(&a, &open), &open), Ok(own));
        assert_eq!(tell(&to(&chosen, &trusting), &trusting), Ok(loopback));
    }
    // Without an address, there is no way to the host; with another one, there is.
    let open = TcpListener::bind("[::]:0").unwrap();
    let echo = UdpSocket::bind("[::]:0").unwrap();
    let sockets =
        CALLED.map(|(called, ..)| a.run(|| datagrams(SocketAddr::new(called, echo.local_addr().unwrap().port()))));
    sockets.iter().for_each(|socket| assert!(tell(socket, &echo).is_ok()));
    ip("addr del 10.99.0.1/32 dev lo");
    ip("addr del fd99::1/128 dev lo");
    wait_for("the host to be without addresses", || call(&a, CALLED[0].0, &open) == Err(libc::ENETUNREACH));
    assert_eq!(call(&a, CALLED[1].0, &open), Err(libc::ENETUNREACH));
    // A datagram's sender is not told of that (udp_err in net/ipv4/udp.c).
    sockets.iter().for_each(|socket| assert!(tell(socket, &echo).is_err()));
    ip("addr add 10.99.0.7/32 dev lo");
    wait_for("the other address", || call(&a, CALLED[0].0, &open).is_ok());
    // The name of the other family leads to what there is.
    for (called, socket) in CALLED.iter().map(|(called, ..)| *called).zip(&sockets) {
        assert_eq!(call(&a, called, &open).unwrap().to_canonical(), IpAddr::from([10, 99, 0, 7]));
        assert_eq!(tell(socket, &echo).unwrap().to_canonical(), IpAddr::from([10, 99, 0, 7]));
    }
}

pub fn the_host_is_reached_without_a_gate_but_not_its_loopback() {
    without_netfilter();
    the_host_is_reached_but_not_its_loopback();
}

/// A container that publishes a port of the host on its loopback, for both protocols and on both families.
fn publishing(name: &str, network: &Network, port: u16) -> Join {
    let publish = |protocol| {
        let all = CALLED.map(|(_, loopback, _)| PublishedPort {
            host_ip: Some(loopback),
            host_port: port,
            container_port: 80,
            protocol,
        });
        all.map(Into::into)
    };
    Join { ports: [publish(Protocol::Tcp), publish(Protocol::Udp)].concat(), ..wish(name, &[network]) }
}

pub fn published_ports_are_not_reached_by_the_hosts_loopback() {
    const PORT: u16 = 8123;
    let (one, two) = (network("one", 1), network("two", 2));
    let mut early = Container::start(&member("early", &one, true)).unwrap();
    // These have flows before the port is published: nobody is there.
    let told = CALLED.map(|(called, ..)| early.run(|| datagrams(SocketAddr::new(called, PORT))));
    for ((_, loopback, _), socket) in CALLED.iter().zip(&told) {
        let service = UdpSocket::bind((*loopback, PORT)).unwrap();
        assert_eq!(tell(socket, &service), Ok(*loopback));
    }
    let mut web = Container::start(&publishing("web", &two, PORT)).unwrap();
    let server = web.run(|| TcpListener::bind("[::]:80")).unwrap();
    let echo = web.run(|| UdpSocket::bind("[::]:80")).unwrap();
    let mut late = Container::start(&member("late", &one, true)).unwrap();
    let mut friend = Container::start(&member("friend", &two, true)).unwrap();
    let is_refused = |from: &Container, called: IpAddr, why: &str| {
        let error = from.run(|| connect(called, PORT)).unwrap_err().raw_os_error().unwrap();
        assert!(FORBIDDEN.contains(&error), "{why}, {called}: {error}");
        let socket = from.run(|| datagrams(SocketAddr::new(called, PORT)));
        let error = tell(&socket, &echo).unwrap_err();
        assert!(FORBIDDEN.contains(&error), "{why}, {called}: {error}");
    };
    for round in 0..3 {
        for ((called, loopback, _), socket) in CALLED.iter().zip(&told) {
            assert!(FORBIDDEN.contains(&tell(socket, &echo).unwrap_err()), "a flow of before, {round}");
            is_refused(&early, *called, "early");
            is_refused(&late, *called, "late");
            drop(connect(*loopback, PORT).unwrap());
            drop(server.accept().unwrap());
            friend.run(|| connect(*called, PORT)).unwrap();
            drop(server.accept().unwrap());
            tell(&friend.run(|| datagrams(SocketAddr::new(*called, PORT))), &echo).unwrap();
        }
        kill_netd();
        // Both orders: who publishes comes back first, or last.
        let mut members = [&mut web, &mut late, &mut friend, &mut early];
        if round == 1 {
            members.reverse();
        }
        for member in members {
            member.revive();
        }
    }
    // Who joins its network is a neighbour; who leaves it is none.
    late.membership.connect(&two, &Wish::default(), late.netns.as_fd()).unwrap();
    let kept = late.run(|| connect(CALLED[0].0, PORT)).unwrap();
    let mut accepted = server.accept().unwrap().0;
    late.membership.disconnect(&two.name, late.netns.as_fd()).unwrap();
    accepted.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let error = accepted.read(&mut [0]).map_err(|error| error.raw_os_error());
    assert!(matches!(error, Ok(0) | Err(Some(libc::ECONNRESET))), "{error:?}");
    drop(kept);
    is_refused(&late, CALLED[0].0, "after it has left");
}
