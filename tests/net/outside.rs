//! What containers see of the outside, and the outside of them.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use coracle::testing::base::Kind;
use coracle::testing::base::Paths;
use coracle::testing::net::Join;
use coracle::testing::net::Networks;
use coracle::testing::spec::network::{Protocol, PublishedPort, Wish};

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketType, connect as connect_to, ipproto, recv, send, socket,
};

use super::laptop::{Container, HOST, kill_netd, network, paths, wait_for, wish};

const PATIENCE: Duration = Duration::from_secs(5);

pub fn connect(address: IpAddr, port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&SocketAddr::new(address, port), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Says something on one end, and hears it on the other, both ways and to the end.
pub fn converse(mut a: TcpStream, mut b: TcpStream) {
    b.set_read_timeout(Some(PATIENCE)).unwrap();
    a.write_all(b"question").unwrap();
    let mut heard = [0; 8];
    b.read_exact(&mut heard).unwrap();
    b.write_all(b"answer!!").unwrap();
    a.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"answer!!");
    drop(b);
    assert_eq!(a.read(&mut heard).unwrap(), 0);
}

pub fn the_outside_is_as_the_host_sees_it() {
    let network = network("one", 1);
    let a = Container::start(&wish("a", &[&network])).unwrap();
    for host in HOST.map(|host| host.parse::<IpAddr>().unwrap()) {
        let listener = TcpListener::bind((host, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        for _ in 0..20 {
            let stream = a.run(|| connect(host, port)).unwrap();
            converse(stream, listener.accept().unwrap().0);
        }
        drop(listener);
        assert_eq!(a.run(|| connect(host, port)).unwrap_err().raw_os_error(), Some(libc::ECONNREFUSED));
    }
    let nowhere = "192.0.2.1".parse().unwrap();
    let native = connect(nowhere, 80).unwrap_err().raw_os_error();
    assert_eq!(a.run(|| connect(nowhere, 80)).unwrap_err().raw_os_error(), native);
}

pub fn publishing(name: &str, network: &coracle::testing::spec::network::Network, host_port: u16) -> Join {
    let port = PublishedPort { host_ip: None, host_port, container_port: 80, protocol: Protocol::Tcp };
    Join { ports: vec![port.into()], ..wish(name, &[network]) }
}

/// By all addresses of the laptop, whichever families the program in the container listens on.
fn reach_published(container: &Container, port: u16) {
    let [v4, v6] = [0, 1].map(|family| SocketAddr::new(container.addresses(0)[family], 80));
    for listens in ["[::]:80".parse().unwrap(), "0.0.0.0:80".parse().unwrap(), v4, v6] {
        let listener = container.run(|| TcpListener::bind(listens)).unwrap();
        for address in ["127.0.0.1", "::1", HOST[0], HOST[1]] {
            let stream = connect(address.parse().unwrap(), port).unwrap();
            let (accepted, _) = listener.accept().unwrap();
            converse(stream, accepted);
        }
    }
    // Nobody listens: a reset, which may come before or after the client has been told that it is connected.
    let nobody = connect(IpAddr::from([127, 0, 0, 1]), port).and_then(|mut stream| stream.read(&mut [0]));
    assert_eq!(nobody.unwrap_err().raw_os_error(), Some(libc::ECONNRESET));
}

/// When a container leaves the network on which its ports are, they go on on another one; and never to whoever has its
/// former address.
pub fn published_ports_move_with_their_container() {
    let (one, two) = (network("one", 1), network("two", 2));
    let mut a = Container::start(&publishing("a", &one, 0)).unwrap();
    let port = a.joined.ports[0].host_port;
    let listener = a.run(|| TcpListener::bind("[::]:80")).unwrap();
    let is_reached = || {
        for host in ["127.0.0.1", HOST[0], HOST[1]] {
            converse(connect(host.parse().unwrap(), port).unwrap(), listener.accept().unwrap().0);
        }
    };
    is_reached();
    a.membership.connect(&two, &Wish::default(), a.netns.as_fd()).unwrap();
    is_reached();
    a.membership.disconnect(&one.name, a.netns.as_fd()).unwrap();
    let former = Wish { ipv4: a.joined.endpoints[0].ipv4.map(|net| net.addr()), ..Wish::default() };
    let b = Container::start(&Join { networks: vec![(one.clone(), former)], ..wish("b", &[&one]) }).unwrap();
    assert_eq!(b.addresses(0)[0], a.addresses(0)[0]);
    let _others = b.run(|| TcpListener::bind("[::]:80")).unwrap();
    is_reached();
    a.membership.disconnect(&two.name, a.netns.as_fd()).unwrap();
    let nobody = connect(IpAddr::from([127, 0, 0, 1]), port).and_then(|mut stream| stream.read(&mut [0]));
    assert_eq!(nobody.unwrap_err().raw_os_error(), Some(libc::ECONNRESET));
    a.membership.connect(&one, &Wish::default(), a.netns.as_fd()).unwrap();
    is_reached();
}

pub fn published_udp_ports_lead_to_containers() {
    let network = network("one", 1);
    let port = PublishedPort { host_ip: None, host_port: 0, container_port: 53, protocol: Protocol::Udp };
    let join = Join { ports: vec![port.into()], ..wish("a", &[&network]) };
    let mut a = Container::start(&join).unwrap();
    let port = a.joined.ports[0].host_port;
    for (round, listens) in ["[::]:53", "0.0.0.0:53"].into_iter().enumerate() {
        let server = a.run(|| UdpSocket::bind(listens)).unwrap();
        server.set_read_timeout(Some(PATIENCE)).unwrap();
        for address in ["127.0.0.1", "::1", HOST[0], HOST[1]] {
            let client = datagrams(SocketAddr::new(address.parse().unwrap(), port));
            let mut buffer = [0; 2000];
            for size in [1, 1200, 1800] {
                client.send(&vec![7; size]).unwrap();
                let (length, from) = server.recv_from(&mut buffer).unwrap();
                assert_eq!((length, buffer[0]), (size, 7), "{address} {round}");
                server.send_to(&buffer[..length], from).unwrap();
                assert_eq!(client.recv(&mut buffer).unwrap(), size, "{address} {round}");
            }
        }
        kill_netd();
        a.revive();
    }
}

/// Lets root have ping sockets, here and in a container.
fn allow_pings(container: &Container) {
    let range = "/proc/sys/net/ipv4/ping_group_range";
    std::fs::write(range, "0 0").unwrap();
    container.run(|| std::fs::write(range, "0 0")).unwrap();
}

/// A ping socket in the namespace of the caller.
fn pinger(host: IpAddr) -> OwnedFd {
    let (family, protocol) = match host {
        IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP),
        IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6),
    };
    let socket = socket(family, SocketType::DGRAM, Some(protocol)).unwrap();
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE)).unwrap();
    connect_to(&socket, &SocketAddr::new(host, 0)).unwrap();
    socket
}

/// Pings, and gets an answer.
fn ping(socket: &OwnedFd, host: IpAddr, sequence: u8) {
    // The kernel fills in checksum and identifier.
    let kind = if host.is_ipv4() { 8 } else { 128 };
    let echo = [kind, 0, 0, 0, 0, 0, 0, sequence, b'p', b'i', b'n', b'g'];
    send(socket, &echo, SendFlags::empty()).unwrap();
    let mut answer = [0u8; 64];
    let length = recv(socket, &mut answer[..], RecvFlags::empty())
        .unwrap_or_else(|error| panic!("{host} {sequence}: {error}"))
        .0;
    assert_eq!(answer[7..length], [sequence, b'p', b'i', b'n', b'g'], "{host}");
}

pub fn pings_are_answered() {
    let network = network("one", 1);
    let a = Container::start(&wish("a", &[&network])).unwrap();
    allow_pings(&a);
    for host in HOST.map(|host| host.parse::<IpAddr>().unwrap()) {
        let socket = a.run(|| pinger(host));
        (1..4).for_each(|sequence| ping(&socket, host, sequence));
    }
}

pub fn more_programs_ping_than_netd_has_room_for() {
    // With so few descriptors there are 16 flows, and 8 for each address.
    let files = rustix::process::Resource::Nofile;
    let few = rustix::process::Rlimit { current: Some(768), maximum: Some(768) };
    rustix::process::setrlimit(files, few).unwrap();
    let network = network("one", 1);
    let containers = ["a", "b", "c"].map(|name| Container::start(&wish(name, &[&network])).unwrap());
    let host = HOST[0].parse().unwrap();
    for (container, expected) in containers.iter().zip([8, 16, 16]) {
        allow_pings(container);
        let sockets: Vec<_> = (0..24).map(|_| container.run(|| pinger(host))).collect();
        // The second time, each flow has been given up for another one.
        for sequence in 1..3 {
            sockets.iter().for_each(|socket| ping(socket, host, sequence));
        }
        // Below a line of titles.
        let flows = std::fs::read_to_string("/proc/net/icmp").unwrap().lines().count() - 1;
        assert_eq!(flows, expected);
    }
}

pub fn published_ports_lead_to_containers() {
    let network = network("one", 1);
    let a = Container::start(&publishing("a", &network, 0)).unwrap();
    let port = a.joined.ports[0].host_port;
    assert_ne!(port, 0);
    reach_published(&a, port);
    let clash = Container::start(&publishing("b", &network, port)).err().unwrap();
    assert_eq!(clash.kind(), Kind::Conflict, "{}", clash.chain());
    // What failed has left nothing behind: the same name and all addresses are free.
    let b = Container::start(&publishing("b", &network, 0)).unwrap();
    reach_published(&b, b.joined.ports[0].host_port);
    drop(a);
    let again = Container::start(&publishing("a", &network, port)).unwrap();
    reach_published(&again, port);
}

pub fn ports_come_back_after_netd_was_killed() {
    let network = network("one", 1);
    let mut a = Container::start(&publishing("a", &network, 0)).unwrap();
    let port = a.joined.ports[0].host_port;
    for _ in 0..3 {
        kill_netd();
        assert!(connect(IpAddr::from([127, 0, 0, 1]), port).is_err());
        a.revive();
        assert_eq!(a.membership.joined().ports[0].host_port, port);
        reach_published(&a, port);
        let host = HOST[0].parse().unwrap();
        let listener = TcpListener::bind((host, 0)).unwrap();
        let stream = a.run(|| connect(host, listener.local_addr().unwrap().port())).unwrap();
        converse(stream, listener.accept().unwrap().0);
    }
}

/// A socket that talks to one address, in the namespace of the caller.
pub fn datagrams(to: SocketAddr) -> UdpSocket {
    let any: SocketAddr = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }.parse().unwrap();
    let socket = UdpSocket::bind(any).unwrap();
    socket.connect(to).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

pub fn datagrams_go_out_and_back() {
    let network = network("one", 1);
    let a = Container::start(&wish("a", &[&network])).unwrap();
    for host in HOST.map(|host| host.parse::<IpAddr>().unwrap()) {
        let echo = UdpSocket::bind((host, 0)).unwrap();
        echo.set_read_timeout(Some(PATIENCE)).unwrap();
        let address = echo.local_addr().unwrap();
        let socket = a.run(|| datagrams(address));
        let mut buffer = vec![0; 65536];
        for size in [0, 1, 1400, 1472, 1473, 9000, 60000] {
            let sent: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
            socket.send(&sent).unwrap();
            let (length, from) = echo.recv_from(&mut buffer).unwrap_or_else(|error| panic!("{host} {size}: {error}"));
            assert_eq!(buffer[..length], sent);
            echo.send_to(&buffer[..length], from).unwrap();
            let length = socket.recv(&mut buffer).unwrap_or_else(|error| panic!("{host} {size} back: {error}"));
            assert_eq!(buffer[..length], sent);
        }
        drop(echo);
        let socket = a.run(|| datagrams(address));
        socket.send(b"anybody?").unwrap();
        assert_eq!(socket.recv(&mut buffer).unwrap_err().raw_os_error(), Some(libc::ECONNREFUSED));
    }
}

/// A question for the IPv4 address of a name.
fn question(name: &str) -> Vec<u8> {
    let mut question = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        question.push(label.len() as u8);
        question.extend(label.as_bytes());
    }
    question.extend([0, 0, 1, 0, 1]);
    question
}

/// Asks a gateway for the IPv4 address of a name: code and addresses of the answer.
pub fn ask(container: &Container, name: &str) -> (u8, Vec<[u8; 4]>) {
    let gateway = SocketAddr::new(container.joined.resolvers[0], 53);
    ask_through(&container.run(|| datagrams(gateway)), name)
}

/// The same from a process with threads.
fn ask_quietly(container: &Container, name: &str) -> (u8, Vec<[u8; 4]>) {
    let gateway = SocketAddr::new(container.joined.resolvers[0], 53);
    let asked = std::thread::scope(|scope| {
        let ask = || {
            nix::sched::setns(&container.netns, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            ask_through(&datagrams(gateway), name)
        };
        scope.spawn(ask).join()
    });
    asked.unwrap()
}

fn ask_through(socket: &UdpSocket, name: &str) -> (u8, Vec<[u8; 4]>) {
    let question = question(name);
    socket.send(&question).unwrap();
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer).unwrap();
    let count = usize::from(answer[7]);
    let records = answer[question.len()..length].chunks(16).take(count);
    (answer[3] & 15, records.map(|record| record[12..16].try_into().unwrap()).collect())
}

pub fn an_updated_network_asks_other_resolvers() {
    // Nobody listens there: the answer is a failure, and comes at once.
    let network =
        coracle::testing::spec::network::Network { dns_servers: vec![HOST[1].parse().unwrap()], ..network("one", 1) };
    let paths = paths();
    let definitions = Paths::networks_in(&paths.data);
    std::fs::create_dir_all(&definitions).unwrap();
    std::fs::write(definitions.join("one.json"), serde_json::to_vec(&network).unwrap()).unwrap();
    let a = Container::start(&wish("a", &[&network])).unwrap();
    let resolver = UdpSocket::bind((HOST[0], 53)).unwrap();
    resolver.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert_eq!(ask(&a, "host.example"), (2, Vec::new()));
    let add = |network: &mut coracle::testing::spec::network::Network| {
        network.dns_servers.push(HOST[0].parse().unwrap());
        Ok(())
    };
    Networks::new(&paths).update(&network.name, add).unwrap();
    let socket = a.run(|| datagrams(SocketAddr::new(a.joined.resolvers[0], 53)));
    wait_for("the new resolver is asked", || {
        socket.send(&question("host.example")).unwrap();
        resolver.recv(&mut [0; 512]).is_ok()
    });
}

pub fn names_are_known_on_their_networks() {
    let (one, two) = (network("one", 1), network("two", 2));
    let a = Container::start(&wish("a", &[&one])).unwrap();
    let mut b = Container::start(&wish("b", &[&one])).unwrap();
    let c = Container::start(&wish("c", &[&two])).unwrap();
    let v4 = |container: &Container| container.joined.endpoints[0].ipv4.unwrap().addr().octets();
    for _ in 0..2 {
        assert_eq!(ask(&a, "b"), (0, vec![v4(&b)]));
        assert_eq!(ask(&b, "a"), (0, vec![v4(&a)]));
        assert_eq!(ask(&c, "c"), (0, vec![v4(&c)]));
        assert_eq!(ask(&a, "c").1, Vec::<[u8; 4]>::new());
        b.membership
            .connect(&two, &coracle::testing::spec::network::Wish::default(), std::os::fd::AsFd::as_fd(&b.netns))
            .unwrap();
        assert_eq!(ask(&b, "c"), (0, vec![v4(&c)]));
        b.membership.disconnect(&two.name, std::os::fd::AsFd::as_fd(&b.netns)).unwrap();
    }
    drop(b);
    wait_for("the name to be forgotten", || ask(&a, "b").1.is_empty());
}

/// A resolver on the host that knows one address for all names.
pub fn resolver(at: &str, answer: [u8; 4]) {
    let socket = UdpSocket::bind((at.parse::<IpAddr>().unwrap(), 53)).unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            // The name's end, and behind it type and class.
            let end = 12 + buffer[12..length].iter().position(|byte| *byte == 0).unwrap() + 5;
            let mut reply = buffer[..end].to_vec();
            reply[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
            reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
            reply.extend(answer);
            socket.send_to(&reply, from).unwrap();
        }
    });
}

pub fn the_host_s_resolvers_are_followed() {
    use nix::mount::{MsFlags, mount};
    use std::fs;
    mount(Some("tmpfs"), "/etc", Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
    fs::create_dir("/etc/one").unwrap();
    fs::write("/etc/one/stub", "nameserver 127.0.0.1").unwrap();
    std::os::unix::fs::symlink("one/stub", "/etc/resolv.conf").unwrap();
    let network = network("one", 1);
    let a = Container::start(&wish("a", &[&network])).unwrap();
    // Threads from here on: nothing is forked any more.
    resolver("127.0.0.1", [9, 9, 9, 1]);
    resolver(HOST[0], [9, 9, 9, 2]);
    let answers = |expected: u8| ask_quietly(&a, "example.com") == (0, vec![[9, 9, 9, expected]]);
    assert!(answers(1));
    // The link's target changes.
    fs::write("/etc/one/stub", format!("nameserver {}", HOST[0])).unwrap();
    wait_for("the other resolver", || answers(2));
    // The link is replaced, as by a rename.
    fs::write("/etc/new", "nameserver 127.0.0.1").unwrap();
    fs::rename("/etc/new", "/etc/resolv.conf").unwrap();
    wait_for("the first resolver", || answers(1));
}

/// What this machine has not, as a name that is not there and a family of sockets that the kernel does not know.
fn without_device() {
    nix::mount::mount(Some("tmpfs"), "/dev/net", Some("tmpfs"), nix::mount::MsFlags::empty(), None::<&str>).unwrap();
}

pub fn without_netfilter() {
    let step = |code: u32, k: u32, jt: u8, jf: u8| libc::sock_filter { code: code as u16, jt, jf, k };
    let load = |at: u32| step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, at, 0, 0);
    let unless = |k: u32, skip: u8| step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, k, 0, skip);
    let end = |k: u32| step(libc::BPF_RET | libc::BPF_K, k, 0, 0);
    // socket(AF_NETLINK, _, NETLINK_NETFILTER), with the low halves of struct seccomp_data's arguments.
    let filter = [
        load(0),
        unless(libc::SYS_socket as u32, 5),
        load(16),
        unless(libc::AF_NETLINK as u32, 3),
        load(32),
        unless(libc::NETLINK_NETFILTER as u32, 1),
        end(libc::SECCOMP_RET_ERRNO | libc::EPROTONOSUPPORT as u32),
        end(libc::SECCOMP_RET_ALLOW),
    ];
    coracle::testing::sys::set_seccomp_filter(&filter, 0).unwrap();
}

pub fn without_a_device_there_are_neighbours() {
    without_device();
    let network = network("one", 1);
    let inner = coracle::testing::spec::network::Network { internal: true, ..super::laptop::network("inner", 2) };
    let mut a = Container::start(&publishing("a", &network, 0)).unwrap();
    let b = Container::start(&wish("b", &[&network])).unwrap();
    let said = a.membership.cut_off().unwrap().chain();
    assert!(said.contains("TUN device") && said.contains("no such file"), "{said}");
    assert!(Container::start(&wish("c", &[&inner])).unwrap().membership.cut_off().is_none(), "it wants no way out");
    assert_eq!(ask(&b, "a").1.len(), 1);
    // Local clients come from the gateway, which is in R.
    reach_published(&a, a.joined.ports[0].host_port);
    let listener = TcpListener::bind((HOST[0].parse::<IpAddr>().unwrap(), 0)).unwrap();
    let outside = listener.local_addr().unwrap();
    let errno = b.run(|| connect(outside.ip(), outside.port())).unwrap_err().raw_os_error().unwrap();
    assert!([libc::EHOSTUNREACH, libc::EACCES, libc::ENETUNREACH].contains(&errno), "{errno}");
    // The next netd finds what was missing.
    nix::mount::umount("/dev/net").unwrap();
    kill_netd();
    a.revive();
    assert!(a.membership.cut_off().is_none());
    converse(a.run(|| connect(outside.ip(), outside.port())).unwrap(), listener.accept().unwrap().0);
}

pub fn without_a_gate_connections_are_spoken() {
    without_netfilter();
    assert!(
        std::process::Command::new("nft").args(["list", "tables"]).output().is_ok_and(|done| !done.status.success())
    );
    let network = network("one", 1);
    let a = Container::start(&publishing("a", &network, 0)).unwrap();
    assert!(a.membership.cut_off().is_none());
    reach_published(&a, a.joined.ports[0].host_port);
    for host in HOST.map(|host| host.parse::<IpAddr>().unwrap()) {
        let listener = TcpListener::bind((host, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        converse(a.run(|| connect(host, port)).unwrap(), listener.accept().unwrap().0);
        drop(listener);
        assert_eq!(a.run(|| connect(host, port)).unwrap_err().raw_os_error(), Some(libc::ECONNREFUSED));
    }
}
