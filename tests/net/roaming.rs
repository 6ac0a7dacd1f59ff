//! What happens to laptops: other addresses, links that go and come, a VPN, other resolvers, a lid that is closed. Containers
//! that run meanwhile work afterwards without a restart, and what is new works at once.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::process::Command;
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use rustix::process::{Pid, Signal, kill_process};

use super::laptop::{Container, namespace, netd, network, wait_for, wish, within};
use super::outside::{ask, connect, datagrams, resolver};
use super::trouble::{Process, switches};

/// An address somewhere in the world, that every machine outside has: who answers tells which way packets went.
const WORLD: &str = "203.0.113.5";

/// Commands, one on each line, which must succeed.
fn run(lines: &str) {
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let done = Command::new("sh").args(["-ec", line]).output().unwrap();
        assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

fn world(port: u16) -> SocketAddr {
    SocketAddr::new(WORLD.parse().unwrap(), port)
}

/// A machine behind the laptop's interface `upN`, whose addresses are 10.98.N.2 and [`WORLD`]. It says its number first,
/// then whatever it hears; it resolves all names, to 9.9.9.N.
struct Machine {
    _netns: File,
    _server: Process,
}

impl Machine {
    fn new(number: u8) -> Self {
        let netns = namespace();
        let place = format!("/proc/{}/fd/{}", std::process::id(), netns.as_raw_fd());
        run(&format!(
            "echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter
             echo 0 >/proc/sys/net/ipv4/conf/default/rp_filter
             ip link add up{number} type veth peer name eth0 netns {place}
             ip addr add 10.98.{number}.1/24 dev up{number}
             ip link set up{number} up"
        ));
        within(netns.as_fd(), || {
            run(&format!(
                "ip link set lo up
                 ip addr add {WORLD}/32 dev lo
                 ip addr add 10.98.{number}.2/24 dev eth0
                 ip link set eth0 up
                 ip route add default via 10.98.{number}.1"
            ));
        });
        let server = Process::new(Some(netns.as_fd()), move || serve(number));
        wait_for("the machine outside", || connect(IpAddr::from([10, 98, number, 2]), 7).is_ok());
        Self { _netns: netns, _server: server }
    }
}

fn serve(number: u8) {
    resolver(WORLD, [9, 9, 9, number]);
    resolver(&format!("10.98.{number}.2"), [9, 9, 9, number]);
    let socket = UdpSocket::bind(world(7)).unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 2000];
        while let Ok((_, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&[number], from);
        }
    });
    for stream in TcpListener::bind("0.0.0.0:7").unwrap().incoming().flatten() {
        std::thread::spawn(move || {
            let mut stream = stream;
            let _ = stream.write_all(&[number]);
            let mut copy = stream.try_clone().unwrap();
            let _ = std::io::copy(&mut stream, &mut copy);
        });
    }
}

/// A new connection of a container to the world, and who has answered.
fn call(container: &Container) -> (TcpStream, u8) {
    let mut stream = container.run(|| connect(world(7).ip(), 7)).unwrap();
    let mut number = [0];
    stream.read_exact(&mut number).unwrap();
    (stream, number[0])
}

/// Says something on a connection and hears it.
fn echo(stream: &mut TcpStream, said: u8) {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(&[said]).unwrap();
    let mut heard = [0];
    stream.read_exact(&mut heard).unwrap();
    assert_eq!(heard, [said]);
}

/// Who answers datagrams of a socket that is kept. The first one after a change may be lost: it finds the change.
fn answers(socket: &UdpSocket) -> Option<u8> {
    let mut number = [0];
    (0..3).find_map(|_| {
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        socket.send(b"who?").ok()?;
        socket.recv(&mut number).is_ok().then_some(number[0])
    })
}

pub fn addresses_and_links_come_and_go() {
    let _outside = Machine::new(1);
    run("ip route add default via 10.98.1.2");
    let network = network("one", 1);
    let a = Container::start(&wish("a", &[&network])).unwrap();
    let asking = a.run(|| datagrams(world(7)));
    assert_eq!((call(&a).1, answers(&asking)), (1, Some(1)));
    // Another lease.
    run("ip addr del 10.98.1.1/24 dev up1
         ip addr add 10.98.1.77/24 dev up1
         ip route add default via 10.98.1.2");
    assert_eq!((call(&a).1, answers(&asking)), (1, Some(1)));
    let (mut kept, _) = call(&a);
    // The cable is pulled: an error, and the host's own.
    run("ip link set up1 down");
    let native = connect(world(7).ip(), 7).unwrap_err().raw_os_error();
    assert_eq!(a.run(|| connect(world(7).ip(), 7)).unwrap_err().raw_os_error(), native);
    kept.write_all(&[42]).unwrap();
    run("ip link set up1 up
         ip route add default via 10.98.1.2");
    assert_eq!((call(&a).1, answers(&asking)), (1, Some(1)));
    // What was said meanwhile arrives.
    kept.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut heard = [0];
    kept.read_exact(&mut heard).unwrap();
    assert_eq!(heard, [42]);
    let b = Container::start(&wish("b", &[&network])).unwrap();
    assert_eq!(call(&b).1, 1);
}

pub fn a_vpn_comes_and_goes() {
    mount(Some("tmpfs"), "/etc", Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
    fs::write("/etc/resolv.conf", format!("nameserver {WORLD}\n")).unwrap();
    let (_outside, _vpn) = (Machine::new(1), Machine::new(2));
    run("ip route add default via 10.98.1.2");
    let network = network("one", 1);
    let a = Container::start(&wish("a", &[&network])).unwrap();
    let asking = a.run(|| datagrams(world(7)));
    let (mut kept, number) = call(&a);
    assert_eq!((number, answers(&asking), ask(&a, "x.example").1), (1, Some(1), vec![[9, 9, 9, 1]]));
    for round in 0..3 {
        // As VPN programs do: halves of everything, which leave the default route alone, and a resolver behind them.
        run("ip route add 0.0.0.0/1 via 10.98.2.2
             ip route add 128.0.0.0/1 via 10.98.2.2
             echo 'nameserver 10.98.2.2' >/etc/new; echo 'nameserver 203.0.113.5' >>/etc/new
             mv /etc/new /etc/resolv.conf");
        assert_eq!((call(&a).1, answers(&asking)), (2, Some(2)), "up, {round}");
        wait_for("the VPN's resolver", || ask(&a, "x.example").1 == [[9, 9, 9, 2]]);
        run("ip route del 0.0.0.0/1
             ip route del 128.0.0.0/1
             echo 'nameserver 203.0.113.5' >/etc/resolv.conf");
        assert_eq!((call(&a).1, answers(&asking)), (1, Some(1)), "down, {round}");
        wait_for("the first resolver", || ask(&a, "x.example").1 == [[9, 9, 9, 1]]);
        // A connection from before has its old way back, as it would have on the host.
        echo(&mut kept, round);
    }
    // The first interface goes for good: another default route.
    run("ip link del up1
         ip route add default via 10.98.2.2");
    assert_eq!((call(&a).1, answers(&asking)), (2, Some(2)));
}

pub fn the_host_may_have_the_same_addresses() {
    let _outside = Machine::new(1);
    run("ip route add default via 10.98.1.2");
    let network = network("one", 1);
    let a = Container::start(&wish("a", &[&network])).unwrap();
    let b = Container::start(&wish("b", &[&network])).unwrap();
    let reaches = |from: &Container, to: &Container| {
        let address = to.addresses(0)[0];
        let listener = to.run(|| TcpListener::bind((address, 0))).unwrap();
        let port = listener.local_addr().unwrap().port();
        from.run(|| connect(address, port)).unwrap();
    };
    // A route to the containers' own subnet, to a part and to the whole of it, then even an address in it.
    for line in [
        "ip route add 172.30.1.0/25 via 10.98.1.2",
        "ip route add 172.30.0.0/16 via 10.98.1.2",
        "ip addr add 172.30.1.2/24 dev up1",
    ] {
        run(line);
        reaches(&a, &b);
        reaches(&b, &a);
        assert_eq!((call(&a).1, ask(&a, "b").1.len()), (1, 1), "{line}");
        let c = Container::start(&wish("c", &[&network])).unwrap();
        reaches(&c, &a);
        assert_eq!(call(&c).1, 1, "{line}");
    }
}

pub fn resolv_conf_changes_in_every_way() {
    mount(Some("tmpfs"), "/etc", Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
    let (_one, _two) = (Machine::new(1), Machine::new(2));
    // Each resolver at an address that leads to one machine alone.
    let servers = ["10.98.1.2", "10.98.2.2"].map(|server| format!("nameserver {server}\n"));
    fs::write("/etc/resolv.conf", &servers[0]).unwrap();
    let network = network("one", 1);
    let a = Container::start(&wish("a", &[&network])).unwrap();
    let is_asked = |number: u8, how: &str| {
        wait_for(how, || ask(&a, "x.example") == (0, vec![[9, 9, 9, number]]));
    };
    is_asked(1, "the first resolver");
    fs::write("/etc/resolv.conf", &servers[1]).unwrap();
    is_asked(2, "one that was written in place");
    fs::write("/etc/new", &servers[0]).unwrap();
    fs::rename("/etc/new", "/etc/resolv.conf").unwrap();
    is_asked(1, "one that was renamed");
    // systemd-resolved's place, which exists before anything links to it.
    fs::create_dir_all("/etc/run/resolve").unwrap();
    fs::write("/etc/run/resolve/stub", &servers[1]).unwrap();
    std::os::unix::fs::symlink("run/resolve/stub", "/etc/link").unwrap();
    fs::rename("/etc/link", "/etc/resolv.conf").unwrap();
    is_asked(2, "a link in its place");
    fs::write("/etc/run/resolve/next", &servers[0]).unwrap();
    fs::rename("/etc/run/resolve/next", "/etc/run/resolve/stub").unwrap();
    is_asked(1, "the link's target, renamed");
    fs::remove_file("/etc/resolv.conf").unwrap();
    fs::write("/etc/resolv.conf", &servers[1]).unwrap();
    is_asked(2, "one that was removed and made again");
    fs::write("/etc/resolv.conf", "").unwrap();
    fs::write("/etc/resolv.conf", &servers[0]).unwrap();
    is_asked(1, "one that was empty for a moment");
    // The directory behind the link is replaced by another one of its name.
    fs::remove_file("/etc/resolv.conf").unwrap();
    std::os::unix::fs::symlink("run/resolve/stub", "/etc/resolv.conf").unwrap();
    fs::rename("/etc/run/resolve", "/etc/run/old").unwrap();
    // That there is none for a moment is noticed first: then nothing is watched that the new one will be in.
    wait_for("no resolver", || ask(&a, "x.example").0 == 2);
    fs::create_dir("/etc/run/resolve").unwrap();
    fs::write("/etc/run/resolve/stub", &servers[1]).unwrap();
    is_asked(2, "the link's target in a new directory");
}

pub fn a_suspended_netd_goes_on() {
    let _outside = Machine::new(1);
    run("ip route add default via 10.98.1.2");
    let network = network("one", 1);
    let a = Container::start(&wish("a", &[&network])).unwrap();
    let asking = a.run(|| datagrams(world(7)));
    let mut kept: Vec<TcpStream> = (0..50).map(|_| call(&a).0).collect();
    assert_eq!(answers(&asking), Some(1));
    let pid = Pid::from_raw(netd().unwrap()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    for (said, stream) in kept.iter_mut().enumerate() {
        stream.write_all(&[said as u8]).unwrap();
    }
    asking.send(b"who?").unwrap();
    // This is about time passing: longer than the kernel waits before it repeats a SYN, and than any short timer here.
    let calling = Process::new(Some(a.netns.as_fd()), || {
        let mut stream = connect(world(7).ip(), 7).unwrap();
        stream.read_exact(&mut [0]).unwrap();
    });
    std::thread::sleep(Duration::from_millis(2500));
    let before = switches();
    kill_process(pid, Signal::CONT).unwrap();
    for (said, stream) in kept.iter_mut().enumerate() {
        let mut heard = [0];
        stream.read_exact(&mut heard).unwrap();
        assert_eq!(heard, [said as u8]);
    }
    asking.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut number = [0];
    assert_eq!(asking.recv(&mut number).map(|_| number[0]).unwrap(), 1);
    calling.join();
    assert_eq!(call(&a).1, 1);
    let woken = switches() - before;
    assert!(woken < 2000, "netd was woken {woken} times");
    // And then it sleeps.
    wait_for("netd to be asleep for half a second", || {
        let before = switches();
        std::thread::sleep(Duration::from_millis(500));
        before == switches()
    });
}
