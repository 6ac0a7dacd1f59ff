//! Containers that pretend to be somebody else: a neighbour, a router, a member of another network. They may use raw frames
//! (CAP_NET_RAW is one of docker's capabilities), and here even change their interface.

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::Command;
use std::time::{Duration, Instant};

use coracle::testing::net::Join;
use coracle::testing::spec::network::{Mac, Network, Protocol, PublishedPort, Wish};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrLike, bind, recv, send, socket,
};

use super::laptop::{Container, HOST, kill_netd, namespace, netd, network, wait_for, wish, within};
use super::outside::{datagrams, without_netfilter};

const PATIENCE: Duration = Duration::from_secs(5);
/// Behind each frame that nobody may see, and behind the last one of all.
const FORGED: &str = "FORGED ";
const LAST: &str = "THE LAST ONE";
const EVERYBODY: Mac = Mac([0xff; 6]);

/// What a container has on its first network.
#[derive(Debug, Clone, Copy)]
struct Own {
    mac: Mac,
    v4: Ipv4Addr,
    v6: Ipv6Addr,
}

impl Own {
    fn of(container: &Container) -> Self {
        let endpoint = &container.joined.endpoints[0];
        Self { mac: endpoint.mac, v4: endpoint.ipv4.unwrap().addr(), v6: endpoint.ipv6.unwrap().addr() }
    }

    fn link_local(&self) -> Ipv6Addr {
        let [a, b, c, d, e, f] = self.mac.0;
        Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f])
    }
}

/// Sends and hears frames of `eth0`, in the namespace of the caller.
fn wire() -> OwnedFd {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll).unwrap();
    let mut addresses = nix::ifaddrs::getifaddrs().unwrap().filter(|it| it.interface_name == "eth0");
    let eth0 = addresses.find_map(|it| it.address.filter(|address| address.as_link_addr().is_some())).unwrap();
    assert_eq!(eth0.family(), Some(AddressFamily::Packet));
    bind(socket.as_raw_fd(), eth0.as_link_addr().unwrap()).unwrap();
    socket
}

fn sum(parts: &[&[u8]]) -> [u8; 2] {
    let mut sum = 0u32;
    for part in parts {
        for pair in part.chunks(2) {
            sum += u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

fn frame(to: Mac, from: Mac, kind: u16, payload: &[u8]) -> Vec<u8> {
    [&to.0[..], &from.0, &kind.to_be_bytes(), payload].concat()
}

fn ip4(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, fragment: u16, payload: &[u8]) -> Vec<u8> {
    let length = (20 + payload.len()) as u16;
    let [l0, l1] = length.to_be_bytes();
    let [f0, f1] = fragment.to_be_bytes();
    let mut header = vec![0x45, 0, l0, l1, 0, 7, f0, f1, 64, protocol, 0, 0];
    header.extend(from.octets());
    header.extend(to.octets());
    let checksum = sum(&[&header]);
    header[10..12].copy_from_slice(&checksum);
    [header, payload.to_vec()].concat()
}

fn ip6(from: Ipv6Addr, to: Ipv6Addr, next: u8, payload: &[u8]) -> Vec<u8> {
    let [l0, l1] = (payload.len() as u16).to_be_bytes();
    [&[0x60, 0, 0, 0, l0, l1, next, 255], &from.octets()[..], &to.octets(), payload].concat()
}

fn pseudo(from: Ipv6Addr, to: Ipv6Addr, next: u8, length: usize) -> Vec<u8> {
    [&from.octets()[..], &to.octets(), &(length as u32).to_be_bytes(), &[0, 0, 0, next]].concat()
}

fn udp(ports: (u16, u16), said: &str, pseudo: impl Fn(usize) -> Option<Vec<u8>>) -> Vec<u8> {
    let length = 8 + said.len();
    let [from, to] = [ports.0, ports.1].map(u16::to_be_bytes);
    let mut packet = [&from[..], &to, &(length as u16).to_be_bytes(), &[0, 0], said.as_bytes()].concat();
    if let Some(pseudo) = pseudo(length) {
        let checksum = sum(&[&pseudo, &packet]);
        packet[6..8].copy_from_slice(&checksum);
    }
    packet
}

fn udp4(from: Ipv4Addr, to: Ipv4Addr, ports: (u16, u16), said: &str) -> Vec<u8> {
    ip4(from, to, 17, 0, &udp(ports, said, |_| None))
}

fn udp6(from: Ipv6Addr, to: Ipv6Addr, ports: (u16, u16), said: &str) -> Vec<u8> {
    ip6(from, to, 17, &udp(ports, said, |length| Some(pseudo(from, to, 17, length))))
}

fn icmp6(from: Ipv6Addr, to: Ipv6Addr, kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = [&[kind, 0, 0, 0], body].concat();
    let checksum = sum(&[&pseudo(from, to, 58, message.len()), &message]);
    message[2..4].copy_from_slice(&checksum);
    message
}

/// A router advertisement: a default route, and a prefix to make addresses of.
fn advertisement(from: Ipv6Addr) -> Vec<u8> {
    let prefix: Ipv6Addr = "2001:db8:bad::".parse().unwrap();
    let option = [&[3, 4, 64, 0xc0, 0, 0, 255, 255, 0, 0, 255, 255, 0, 0, 0, 0], &prefix.octets()[..]].concat();
    let body = [&[64, 0, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0], &option[..]].concat();
    icmp6(from, ALL_NODES, 134, &body)
}

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// Extension headers that say nothing.
const NOTHING: [u8; 7] = [0, 1, 4, 0, 0, 0, 0];

/// Neighbour discovery: a message about an address, with the hardware address that it is said to have.
fn neighbour(from: Ipv6Addr, to: Ipv6Addr, kind: u8, target: Ipv6Addr, mac: Mac) -> Vec<u8> {
    let (flags, option) = if kind == 136 { (0x20, 2) } else { (0, 1) };
    let option = if from.is_unspecified() { Vec::new() } else { [&[option, 1], &mac.0[..]].concat() };
    icmp6(from, to, kind, &[&[flags, 0, 0, 0], &target.octets()[..], &option].concat())
}

fn arp(operation: u8, sender: (Mac, Ipv4Addr), target: (Mac, Ipv4Addr)) -> Vec<u8> {
    let ends = [&sender.0.0[..], &sender.1.octets(), &target.0.0, &target.1.octets()].concat();
    [&[0, 1, 8, 0, 6, 4, 0, operation], &ends[..]].concat()
}

/// Frames that nobody may see: what they are, and they themselves.
fn forged(me: Own, victim: Own, gateway: Ipv4Addr, stranger: Own) -> Vec<(String, Vec<u8>)> {
    let (mine, local) = (me.mac, me.link_local());
    let none = (Mac([0; 6]), me.v4);
    let plain = |from: Mac, from4: Ipv4Addr| frame(EVERYBODY, from, 0x800, &udp4(from4, victim.v4, (7, 9), "x"));
    let plain6 = |from: Mac, from6: Ipv6Addr| frame(EVERYBODY, from, 0x86dd, &udp6(from6, victim.v6, (7, 9), "x"));
    let six = |packet: Vec<u8>| frame(EVERYBODY, mine, 0x86dd, &packet);
    let message = |from: Ipv6Addr, to: Ipv6Addr, message: &[u8]| six(ip6(from, to, 58, message));
    let claim = arp(2, (mine, victim.v4), (EVERYBODY, victim.v4));
    let router = advertisement(local);
    let tagged = |tags: &[u16], kind: u16, packet: &[u8]| {
        let mut inner = Vec::new();
        for tag in &tags[1..] {
            inner.extend([0, 0]);
            inner.extend(tag.to_be_bytes());
        }
        inner.extend([0, 0]);
        inner.extend(kind.to_be_bytes());
        frame(EVERYBODY, mine, tags[0], &[&inner, packet].concat())
    };
    let snap = |kind: u16, packet: &[u8]| {
        let inner = [&[0xaa, 0xaa, 3, 0, 0, 0], &kind.to_be_bytes()[..], packet].concat();
        frame(EVERYBODY, mine, inner.len() as u16, &inner)
    };
    let redirect = icmp6(local, victim.v6, 137, &[&[0; 4], &me.v6.octets()[..], &victim.v6.octets()].concat());
    let advertised = |from: Ipv6Addr, target| neighbour(from, ALL_NODES, 136, target, mine);
    let extended =
        |next: u8, header: &[u8], message: &[u8]| six(ip6(local, ALL_NODES, next, &[header, message].concat()));
    let behind = |next: u8| [&[next], &NOTHING[..]].concat();
    let mut all = vec![
        ("ARP answer for a neighbour", frame(victim.mac, mine, 0x806, &claim)),
        ("ARP answer for a neighbour, to all", frame(EVERYBODY, mine, 0x806, &claim)),
        ("ARP question of a neighbour", frame(EVERYBODY, mine, 0x806, &arp(1, (mine, victim.v4), none))),
        ("ARP answer for the gateway", frame(EVERYBODY, mine, 0x806, &arp(2, (mine, gateway), none))),
        ("ARP with another's hardware address", frame(EVERYBODY, mine, 0x806, &arp(2, (victim.mac, me.v4), none))),
        ("ARP of another kind of hardware", {
            let mut packet = arp(2, (mine, me.v4), none);
            packet[1] = 6;
            frame(EVERYBODY, mine, 0x806, &packet)
        }),
        ("all of a neighbour's", plain(victim.mac, victim.v4)),
        ("a neighbour's hardware address", plain(victim.mac, me.v4)),
        ("nobody's hardware address", plain(Mac([2, 9, 9, 9, 9, 9]), me.v4)),
        ("everybody's hardware address", plain(EVERYBODY, me.v4)),
        ("a neighbour's IPv4 address", plain(mine, victim.v4)),
        ("a stranger's IPv4 address", plain(mine, stranger.v4)),
        ("the gateway's IPv4 address", plain(mine, gateway)),
        ("loopback", plain(mine, Ipv4Addr::LOCALHOST)),
        ("no IPv4 address", plain(mine, Ipv4Addr::UNSPECIFIED)),
        ("an IPv4 redirect", {
            let body = [&[5, 1, 0, 0], &me.v4.octets()[..], &udp4(victim.v4, stranger.v4, (7, 9), "x")].concat();
            frame(victim.mac, mine, 0x800, &ip4(me.v4, victim.v4, 1, 0, &body))
        }),
        ("a neighbour's IPv6 address", plain6(mine, victim.v6)),
        ("a neighbour's link-local address", plain6(mine, victim.link_local())),
        ("a stranger's IPv6 address", plain6(mine, stranger.v6)),
        ("no IPv6 address", plain6(mine, Ipv6Addr::UNSPECIFIED)),
        ("a neighbour's hardware and own IPv6 address", plain6(victim.mac, me.v6)),
        ("a router", message(local, ALL_NODES, &router)),
        ("a router to one", frame(victim.mac, mine, 0x86dd, &ip6(local, ALL_NODES, 58, &router))),
        ("a router behind options", extended(0, &behind(58), &router)),
        ("a router behind a routing header", extended(43, &[58, 0, 0, 0, 0, 0, 0, 0], &router)),
        ("a router behind many options", extended(0, &[behind(60), behind(60), behind(58)].concat(), &router)),
        ("a router in the first fragment", extended(44, &[58, 0, 0, 1, 0, 0, 0, 7], &[&router[..], &[0; 8]].concat())),
        ("an IPv6 redirect", message(local, victim.v6, &redirect)),
        ("a neighbour advertised", message(me.v6, ALL_NODES, &advertised(me.v6, victim.v6))),
        ("a neighbour advertised from link-local", message(local, ALL_NODES, &advertised(local, victim.v6))),
        ("a neighbour's link-local advertised", message(local, ALL_NODES, &advertised(local, victim.link_local()))),
        ("a neighbour advertised behind options", extended(60, &behind(58), &advertised(local, victim.v6))),
        ("a neighbour's address taken from it", {
            let unspecified = Ipv6Addr::UNSPECIFIED;
            message(unspecified, ALL_NODES, &neighbour(unspecified, ALL_NODES, 135, victim.v6, mine))
        }),
        ("an unknown protocol", frame(EVERYBODY, mine, 0x88b5, b"whatever")),
        ("LLC and SNAP with ARP", snap(0x806, &claim)),
        ("LLC and SNAP with a router", snap(0x86dd, &ip6(local, ALL_NODES, 58, &router))),
    ];
    for (name, tags) in [("a VLAN tag", &[0x8100][..]), ("a service tag", &[0x88a8]), ("two tags", &[0x8100, 0x8100])] {
        all.push((name, tagged(tags, 0x806, &claim)));
        all.push((name, tagged(tags, 0x86dd, &ip6(local, ALL_NODES, 58, &router))));
        all.push((name, tagged(tags, 0x800, &udp4(victim.v4, me.v4, (7, 9), "x"))));
    }
    let numbered = all.into_iter().zip(0..).map(|((name, mut frame), number)| {
        let name = format!("{FORGED}{number}: {name}.");
        // Behind the packet, where only those look who see frames.
        frame.extend(name.as_bytes());
        (name, frame)
    });
    numbered.collect()
}

/// Frames that a neighbour must get.
fn honest(me: Own, victim: Own) -> Vec<(String, Vec<u8>)> {
    let (mine, local) = (me.mac, me.link_local());
    let four = |packet: &[u8]| frame(victim.mac, mine, 0x800, packet);
    let six = |packet: &[u8]| frame(victim.mac, mine, 0x86dd, packet);
    let message = |from, to, message: &[u8]| six(&ip6(from, to, 58, message));
    let nobody = Ipv6Addr::UNSPECIFIED;
    let all = [
        ("UDP", four(&udp4(me.v4, victim.v4, (7, 9), "x"))),
        (
            "IPv4 multicast",
            frame(Mac([1, 0, 0x5e, 0, 0, 251]), mine, 0x800, &udp4(me.v4, [224, 0, 0, 251].into(), (7, 9), "x")),
        ),
        ("another protocol", four(&ip4(me.v4, victim.v4, 132, 0, &[0; 12]))),
        ("echo", four(&ip4(me.v4, victim.v4, 1, 0, &[8, 0, 0xf7, 0xff, 0, 0, 0, 0]))),
        ("a later fragment of echo", four(&ip4(me.v4, victim.v4, 1, 185, &[5; 8]))),
        ("UDP of IPv6", six(&udp6(me.v6, victim.v6, (7, 9), "x"))),
        ("UDP of link-local", six(&udp6(local, victim.link_local(), (7, 9), "x"))),
        ("UDP behind options", six(&ip6(me.v6, victim.v6, 60, &[&[59], &NOTHING[..]].concat()))),
        (
            "a later fragment of IPv6",
            six(&ip6(me.v6, victim.v6, 44, &[58, 0, 1, 1, 0, 0, 0, 7, 136, 0, 3, 4, 5, 6, 7, 8])),
        ),
        ("echo of IPv6", message(me.v6, victim.v6, &icmp6(me.v6, victim.v6, 128, &[0; 4]))),
        ("who has it", message(me.v6, victim.v6, &neighbour(me.v6, victim.v6, 135, victim.v6, mine))),
        ("who has it from link-local", message(local, ALL_NODES, &neighbour(local, ALL_NODES, 135, victim.v6, mine))),
        ("is it mine alone", message(nobody, ALL_NODES, &neighbour(nobody, ALL_NODES, 135, local, mine))),
        ("I have it", message(me.v6, victim.v6, &neighbour(me.v6, victim.v6, 136, me.v6, mine))),
        ("I have link-local", message(local, ALL_NODES, &neighbour(local, ALL_NODES, 136, local, mine))),
        ("a router is sought", message(local, ALL_NODES, &icmp6(local, ALL_NODES, 133, &[0; 4]))),
        ("ARP question", frame(EVERYBODY, mine, 0x806, &arp(1, (mine, me.v4), (Mac([0; 6]), victim.v4)))),
        ("ARP answer", frame(victim.mac, mine, 0x806, &arp(2, (mine, me.v4), (victim.mac, victim.v4)))),
        ("ARP probe", frame(EVERYBODY, mine, 0x806, &arp(1, (mine, Ipv4Addr::UNSPECIFIED), (Mac([0; 6]), me.v4)))),
    ];
    let named = all.into_iter().map(|(name, mut frame)| {
        let name = format!("HONEST {name}.");
        frame.extend(name.as_bytes());
        (name, frame)
    });
    named.collect()
}

/// Everything that is heard up to the last frame of all.
fn hear(wire: &OwnedFd) -> Vec<u8> {
    let (mut heard, mut buffer, deadline) = (Vec::new(), [0; 4096], Instant::now() + PATIENCE);
    loop {
        match recv(wire.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            Ok(length) => heard.extend(&buffer[..length]),
            Err(nix::errno::Errno::EAGAIN) if holds(&heard, LAST) => return heard,
            Err(nix::errno::Errno::EAGAIN) => {
                assert!(Instant::now() < deadline, "the last frame did not come");
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn holds(heard: &[u8], name: &str) -> bool {
    heard.windows(name.len()).any(|window| window == name.as_bytes())
}

fn put(wire: &OwnedFd, frame: &[u8]) {
    loop {
        match send(wire.as_raw_fd(), frame, MsgFlags::empty()) {
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::ENOBUFS) => std::thread::sleep(Duration::from_millis(1)),
            sent => {
                sent.unwrap();
                return;
            }
        }
    }
}

pub fn nobody_is_taken_for_another() {
    let (one, two) = (network("one", 1), network("two", 2));
    let mut victim = Container::start(&wish("victim", &[&one])).unwrap();
    let mut other = Container::start(&wish("other", &[&one])).unwrap();
    let mut forger = Container::start(&wish("forger", &[&one])).unwrap();
    let stranger = Container::start(&wish("stranger", &[&two])).unwrap();
    let IpAddr::V4(gateway) = one.subnets[0].gateway else { panic!() };
    let (me, them) = (Own::of(&forger), Own::of(&victim));
    let (forged, honest) = (forged(me, them, gateway, Own::of(&stranger)), honest(me, them));
    let last = [frame(EVERYBODY, me.mac, 0x800, &udp4(me.v4, [255; 4].into(), (7, 9), "x")), LAST.into()].concat();
    // The guard stays where it is while there is no netd, and when there is another one.
    for netd in ["the first", "none", "another"] {
        let [first, second] = [&victim, &other].map(|container| container.run(wire));
        forger.run(|| {
            let wire = wire();
            forged.iter().chain(&honest).for_each(|(_, frame)| put(&wire, frame));
            put(&wire, &last);
        });
        let heard = hear(&first);
        let seen: Vec<&String> = forged.iter().map(|(name, _)| name).filter(|name| holds(&heard, name)).collect();
        assert!(seen.is_empty(), "{netd} netd: {seen:?}");
        let missed: Vec<&String> = honest.iter().map(|(name, _)| name).filter(|name| !holds(&heard, name)).collect();
        assert!(missed.is_empty(), "{netd} netd: {missed:?}");
        let heard = hear(&second);
        assert!(!holds(&heard, FORGED), "{netd} netd");
        assert!(!holds(&heard, "HONEST UDP"), "what is for one is seen by another");
        match netd {
            "the first" => kill_netd(),
            _ => [&mut victim, &mut other, &mut forger].into_iter().for_each(|it| {
                if it.membership.count().is_err() {
                    it.revive();
                }
            }),
        }
    }
    victim.run(|| {
        let shown = Command::new("ip").args(["-6", "route"]).output().unwrap().stdout;
        assert!(
            !holds(&shown, "2001:db8:bad") && !holds(&shown, "default via fe80"),
            "{}",
            String::from_utf8_lossy(&shown)
        );
    });
}

fn run(line: &str) {
    let done = Command::new("sh").args(["-ec", line]).output().unwrap();
    assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
}

/// The namespace of the bridges, by the thread of netd that lives there.
fn router() -> File {
    let pid = netd().unwrap();
    let ours = fs::read_link("/proc/self/ns/net").unwrap();
    let mut tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().map(|task| task.unwrap().path().join("ns/net"));
    File::open(tasks.find(|it| fs::read_link(it).unwrap() != ours).unwrap()).unwrap()
}

fn stations() -> usize {
    within(router().as_fd(), || {
        let shown = Command::new("bridge").args(["fdb", "show"]).output().unwrap();
        assert!(shown.status.success());
        shown.stdout.iter().filter(|byte| **byte == b'\n').count()
    })
}

/// Says something by UDP, both ways.
fn talk(from: &Container, to: &Container) -> std::io::Result<()> {
    for address in to.addresses(0) {
        let server = to.run(|| UdpSocket::bind((address, 0))).unwrap();
        server.set_read_timeout(Some(Duration::from_millis(500)))?;
        let client = from.run(|| datagrams(SocketAddr::new(address, server.local_addr().unwrap().port())));
        client.set_read_timeout(Some(Duration::from_millis(500)))?;
        client.send(b"ping")?;
        let (_, peer) = server.recv_from(&mut [0; 8])?;
        server.send_to(b"pong", peer)?;
        client.recv(&mut [0; 8])?;
    }
    Ok(())
}

/// With CAP_NET_ADMIN: whoever changes its interface loses its own connections, and nobody else any.
fn stolen_addresses_serve_nobody(with_guard: bool) {
    let one = network("one", 1);
    let [a, b, thief] = ["a", "b", "thief"].map(|name| Container::start(&wish(name, &[&one])).unwrap());
    let (victim, me) = (Own::of(&a), Own::of(&thief));
    for (from, to) in [(&a, &b), (&b, &a), (&thief, &a)] {
        talk(from, to).unwrap();
    }
    let flood = || {
        let wire = wire();
        for number in 0..5000u16 {
            let [high, low] = number.to_be_bytes();
            put(&wire, &frame(EVERYBODY, Mac([2, 7, 7, 7, high, low]), 0x88b5, b"here I am"));
        }
    };
    let before = stations();
    thief.run(flood);
    assert_eq!(stations(), before, "the bridge has learned from a port");
    let set_mac = |mac: Mac| {
        thief.run(|| {
            run(&format!("ip link set eth0 down; ip link set eth0 address {mac}; ip link set eth0 up"));
            let wire = wire();
            for _ in 0..50 {
                put(&wire, &frame(EVERYBODY, mac, 0x800, &udp4(me.v4, [255; 4].into(), (7, 9), "x")));
            }
        });
    };
    set_mac(victim.mac);
    assert!(talk(&thief, &b).is_err());
    for _ in 0..5 {
        talk(&b, &a).unwrap();
        talk(&a, &b).unwrap();
    }
    set_mac(me.mac);
    thief.run(|| run(&format!("ip addr add {}/64 dev eth0 nodad || true", me.v6)));
    wait_for("the thief's own connection", || talk(&thief, &b).is_ok());
    if !with_guard {
        return;
    }
    thief.run(|| {
        run("echo 1 >/proc/sys/net/ipv4/conf/eth0/arp_notify; echo 1 >/proc/sys/net/ipv6/conf/eth0/ndisc_notify");
        run(&format!("ip addr add {}/24 dev eth0; ip addr add {}/64 dev eth0 nodad", victim.v4, victim.v6));
        run("ip link set eth0 down; ip link set eth0 up");
        run(&format!(
            "ip addr add {}/64 dev eth0 nodad || true; ip addr add {}/64 dev eth0 nodad || true",
            me.v6, victim.v6
        ));
    });
    // Everybody asks anew who has the address: the thief answers, too.
    b.run(|| run("ip neigh flush all"));
    for _ in 0..5 {
        talk(&b, &a).unwrap();
    }
    let known = b.run(|| Command::new("ip").arg("neigh").output().unwrap().stdout);
    let known = String::from_utf8(known).unwrap();
    for address in a.addresses(0) {
        let mut lines = known.lines().filter(|line| line.starts_with(&format!("{address} ")));
        assert!(lines.all(|line| line.contains(&victim.mac.to_string())), "{known}");
    }
}

pub fn stolen_addresses_serve_nobody_with_the_guard() {
    stolen_addresses_serve_nobody(true);
}

pub fn stolen_hardware_addresses_serve_nobody_without_netfilter() {
    without_netfilter();
    stolen_addresses_serve_nobody(false);
}

pub fn nobody_inside_tells_containers_the_way() {
    let (one, two) = (network("one", 1), network("two", 2));
    let mut a = Container::start(&wish("a", &[&one])).unwrap();
    a.membership.connect(&two, &Wish::default(), a.netns.as_fd()).unwrap();
    let setting = |name: &str| fs::read_to_string(format!("/proc/sys/net/{name}")).unwrap().trim().to_owned();
    a.run(|| {
        for interface in ["eth0", "eth1", "default"] {
            for name in [
                "ipv4/conf/X/accept_redirects",
                "ipv4/conf/X/send_redirects",
                "ipv6/conf/X/accept_ra",
                "ipv6/conf/X/accept_redirects",
            ] {
                assert_eq!(setting(&name.replace('X', interface)), "0", "{interface} {name}");
            }
        }
        assert_eq!(setting("ipv4/conf/all/accept_redirects"), "0");
        assert_eq!(setting("ipv4/conf/all/send_redirects"), "0");
    });
    // Even if its administrator wants that, there is nobody: what he has set is left alone.
    a.run(|| fs::write("/proc/sys/net/ipv6/conf/eth0/accept_ra", "1")).unwrap();
    a.membership.disconnect(&two.name, a.netns.as_fd()).unwrap();
    a.membership.connect(&two, &Wish::default(), a.netns.as_fd()).unwrap();
    a.run(|| {
        assert_eq!((setting("ipv6/conf/eth0/accept_ra"), setting("ipv6/conf/eth1/accept_ra")), ("1".into(), "0".into()))
    });
    within(router().as_fd(), || {
        for entry in fs::read_dir("/proc/sys/net/ipv4/conf").unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.starts_with("br-") {
                assert_eq!(setting(&format!("ipv4/conf/{name}/rp_filter")), "1");
                assert_eq!(setting(&format!("ipv6/conf/{name}/accept_ra")), "0");
            }
        }
    });
}

/// The hardware address of a container's gateway, which it has just talked to.
fn gateway_mac(container: &Container, gateway: IpAddr) -> Mac {
    container.run(|| {
        let socket = datagrams(SocketAddr::new(gateway, 9));
        let _ = socket.send(b"hello").and_then(|_| socket.recv(&mut [0]));
        let shown = Command::new("ip").args(["neigh", "show", &gateway.to_string()]).output().unwrap().stdout;
        let shown = String::from_utf8(shown).unwrap();
        shown.split("lladdr ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap()
    })
}

fn open_network(name: &str, number: u8) -> Network {
    Network { isolate: false, ..network(name, number) }
}

/// What a server has heard when the last word has come.
fn heard(server: &UdpSocket) -> Vec<String> {
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut all, mut buffer) = (Vec::new(), [0; 100]);
    loop {
        let length = server.recv(&mut buffer).expect("the last word did not come");
        all.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        if all.last().is_some_and(|word| word == LAST) {
            return all;
        }
    }
}

fn nobody_speaks_for_another_network() {
    let (one, two) = (open_network("one", 1), network("two", 2));
    let three = open_network("three", 3);
    let forger = Container::start(&wish("forger", &[&one])).unwrap();
    let reachable = Container::start(&wish("reachable", &[&three])).unwrap();
    let port = PublishedPort { host_ip: None, host_port: 0, container_port: 53, protocol: Protocol::Udp };
    let served = Container::start(&Join { ports: vec![port.into()], ..wish("served", &[&two]) }).unwrap();
    let published = served.joined.ports[0].host_port;
    let (me, them, there) = (Own::of(&forger), Own::of(&served), Own::of(&reachable));
    let gateway = gateway_mac(&forger, one.subnets[0].gateway);
    // A client outside, which has been answered by the container that it called.
    let outside = namespace();
    let place = format!("/proc/{}/fd/{}", std::process::id(), outside.as_raw_fd());
    run(&format!(
        "ip link add up1 type veth peer name eth0 netns {place}; ip addr add 10.98.1.1/24 dev up1; ip link set up1 up
         ip addr add fd98:1::1/64 dev up1 nodad"
    ));
    within(outside.as_fd(), || {
        run("ip addr add 10.98.1.2/24 dev eth0; ip addr add fd98:1::2/64 dev eth0 nodad; ip link set eth0 up");
    });
    let server = served.run(|| UdpSocket::bind("[::]:53")).unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    let clients = ["10.98.1.1", "fd98:1::1"].map(|laptop| {
        let laptop = SocketAddr::new(laptop.parse().unwrap(), published);
        let client = within(outside.as_fd(), || datagrams(laptop));
        client.send(b"question").unwrap();
        let (_, peer) = server.recv_from(&mut [0; 16]).unwrap();
        assert!(!peer.ip().to_canonical().to_string().ends_with(":1"), "it sees the client itself: {peer}");
        server.send_to(b"answer", peer).unwrap();
        let mut answer = [0; 16];
        assert_eq!(client.recv(&mut answer).map(|length| answer[..length].to_vec()).unwrap(), b"answer");
        (client, peer)
    });
    let hosts = HOST.map(|host| UdpSocket::bind((host.parse::<IpAddr>().unwrap(), 0)).unwrap());
    let there_server = [there.v4.into(), there.v6.into()]
        .map(|address: IpAddr| reachable.run(|| UdpSocket::bind((address, 0))).unwrap());
    let v4 = |from: Ipv4Addr, to: SocketAddr, sport: u16, word: &str| {
        let IpAddr::V4(to4) = to.ip().to_canonical() else { panic!() };
        frame(gateway, me.mac, 0x800, &udp4(from, to4, (sport, to.port()), word))
    };
    let v6 = |from: Ipv6Addr, to: SocketAddr, sport: u16, word: &str| {
        let IpAddr::V6(to6) = to.ip() else { panic!() };
        frame(gateway, me.mac, 0x86dd, &udp6(from, to6, (sport, to.port()), word))
    };
    let at = |socket: &UdpSocket| socket.local_addr().unwrap();
    let mut frames = Vec::new();
    for from in [them.v4, there.v4, Ipv4Addr::LOCALHOST, [8, 8, 8, 8].into(), [10, 99, 0, 1].into()] {
        frames.push(v4(from, at(&hosts[0]), 53, FORGED));
        frames.push(v4(from, at(&there_server[0]), 53, FORGED));
        frames.push(v4(from, clients[0].1, 53, FORGED));
    }
    for from in [them.v6, there.v6, Ipv6Addr::LOCALHOST, "2001:db8::8".parse().unwrap(), HOST[1].parse().unwrap()] {
        frames.push(v6(from, at(&hosts[1]), 53, FORGED));
        frames.push(v6(from, at(&there_server[1]), 53, FORGED));
        frames.push(v6(from, clients[1].1, 53, FORGED));
    }
    // All this goes the same way as what is in order, which comes last.
    frames.push(v4(me.v4, at(&hosts[0]), 7, LAST));
    frames.push(v6(me.v6, at(&hosts[1]), 7, LAST));
    frames.push(v4(me.v4, at(&there_server[0]), 7, LAST));
    frames.push(v6(me.v6, at(&there_server[1]), 7, LAST));
    forger.run(|| {
        let wire = wire();
        frames.iter().for_each(|frame| put(&wire, frame));
    });
    for server in hosts.iter().chain(&there_server) {
        assert_eq!(heard(server), [LAST], "{server:?}");
    }
    for (client, peer) in &clients {
        server.send_to(LAST.as_bytes(), peer).unwrap();
        assert_eq!(heard(client), [LAST]);
    }
}

pub fn nobody_speaks_for_another_network_with_the_guard() {
    nobody_speaks_for_another_network();
}

/// By routes alone.
pub fn nobody_speaks_for_another_network_without_netfilter() {
    without_netfilter();
    nobody_speaks_for_another_network();
}
