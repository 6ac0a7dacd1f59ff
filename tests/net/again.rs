//! Networks and addresses that somebody has had before: nothing of the former ones is left.

use std::fs::File;
use std::net::{IpAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::Command;
use std::time::{Duration, Instant};

use coracle::testing::net::Join;
use coracle::testing::spec::network::{Mac, Network, Wish};

use rustix::process::{Pid, Signal, kill_process};

use super::laptop::{Container, kill_netd, netd, network, paths, program, record, wait_for, wish, within};
use super::outside::{ask, connect, converse, publishing};

/// Less than the kernel waits before it asks a second time for a neighbour.
const QUICK: Duration = Duration::from_millis(900);

/// What `ip` tells of the router's namespace, which threads of netd are in.
fn in_router(command: &str) -> String {
    let tasks = format!("/proc/{}/task", netd().unwrap());
    let main = std::fs::read_link("/proc/self/ns/net").unwrap();
    let mut namespaces = std::fs::read_dir(tasks).unwrap().map(|task| task.unwrap().path().join("ns/net"));
    let router = namespaces.find(|path| std::fs::read_link(path).is_ok_and(|link| link != main)).unwrap();
    let run = || Command::new("ip").args(command.split(' ')).output().unwrap();
    let output = within(File::open(router).unwrap().as_fd(), run);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Bridges, rules of networks, and ways to 172.30.1.0/24.
fn left_in_router() -> (usize, usize, String) {
    let count = |command: &str, what: &str| in_router(command).matches(what).count();
    let bridges = count("-o link show type bridge", "br-");
    let rules = count("-4 rule", "iif br-") + count("-6 rule", "iif br-");
    let routes = in_router("-4 route show table all") + &in_router("-6 route show table all");
    let ways = routes.lines().filter(|line| line.contains("172.30.1.0/24") || line.contains("fd00:30:1::/64"));
    (bridges, rules, ways.map(|line| format!("{line}\n")).collect())
}

/// Who calls, and calls at once.
fn accept(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).unwrap();
    let begin = Instant::now();
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).unwrap();
                return stream;
            }
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
        }
        assert!(begin.elapsed() < QUICK, "nobody calls at {:?}", listener.local_addr());
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A published port of a container answers at once, by both families, and it knows names and its gateway.
fn serves(container: &Container) {
    let port = container.joined.ports[0].host_port;
    for address in container.addresses(0) {
        let listener = container.run(|| TcpListener::bind((address, 80))).unwrap();
        let begin = Instant::now();
        converse(connect(IpAddr::from([127, 0, 0, 1]), port).unwrap(), accept(&listener));
        assert!(begin.elapsed() < QUICK, "{:?} by {address}", begin.elapsed());
    }
    let begin = Instant::now();
    assert_eq!(ask(container, "web").1.len(), 1);
    assert!(begin.elapsed() < QUICK, "{:?} for a name", begin.elapsed());
}

/// What `compose down` and `compose up` do.
pub fn a_network_is_made_again() {
    let two = Network { isolate: false, ..network("two", 2) };
    let join = wish("keeper", &[&two]);
    let mut keeper = Container::start(&join).unwrap();
    let one = |number| Network { isolate: false, ..network("one", number) };
    for (round, kills) in [false, false, true, false, true].into_iter().enumerate() {
        // The same addresses under another id.
        let web = Container::start(&publishing("web", &one(1), 0)).unwrap();
        serves(&web);
        assert_eq!(web.joined.endpoints[0].ipv4.unwrap().to_string(), "172.30.1.2/24", "{round}");
        let listener = web.run(|| TcpListener::bind("[::]:81")).unwrap();
        for address in web.addresses(0) {
            converse(keeper.run(|| connect(address, 81)).unwrap(), accept(&listener));
        }
        drop(web);
        if kills {
            record(&[(join.container.clone(), keeper.joined.clone())].into());
            kill_netd();
            keeper.revive();
        }
    }
    // When the last one has gone, so does its network.
    wait_for("the bridge to go", || left_in_router() == (1, 4, String::new()));
}

/// A netd that is killed leaves bridges behind which nobody will ever ask for again.
pub fn networks_of_a_killed_netd_are_swept() {
    let two = network("two", 2);
    let join = wish("keeper", &[&two]);
    let mut keeper = Container::start(&join).unwrap();
    let web = Container::start(&publishing("web", &network("one", 1), 0)).unwrap();
    record(&[(join.container.clone(), keeper.joined.clone())].into());
    assert_eq!(left_in_router().0, 2);
    kill_netd();
    drop(web);
    keeper.revive();
    wait_for("the bridge to go", || left_in_router() == (1, 4, String::new()));
}

/// An address moves to a container with another hardware address: neither the router nor the neighbours go on sending to
/// the former one, whose namespace may still be there.
pub fn an_address_gets_another_hardware_address() {
    let one = network("one", 1);
    let neighbour = Container::start(&wish("neighbour", &[&one])).unwrap();
    let wishing = |last: u8| {
        let wish = Wish {
            ipv4: Some([172, 30, 1, 77].into()),
            ipv6: Some("fd00:30:1::77".parse().unwrap()),
            mac: Some(Mac([2, 0, 0, 0, 0, last])),
            ..Wish::default()
        };
        Join { networks: vec![(one.clone(), wish)], ..publishing("web", &one, 0) }
    };
    let mut lingering = Vec::new();
    for last in 1..5 {
        let web = Container::start(&wishing(last)).unwrap();
        serves(&web);
        let listener = web.run(|| TcpListener::bind("[::]:81")).unwrap();
        for address in web.addresses(0) {
            let begin = Instant::now();
            converse(neighbour.run(|| connect(address, 81)).unwrap(), accept(&listener));
            assert!(begin.elapsed() < QUICK, "{:?} by {address}", begin.elapsed());
        }
        drop(web.membership);
        lingering.push(web.netns);
    }
}

/// When the end of a membership is told, ports are closed and addresses free.
pub fn ports_are_closed_when_a_container_has_left() {
    let one = network("one", 1);
    let keeper = Container::start(&wish("keeper", &[&one])).unwrap();
    let join = publishing("web", &one, 0);
    let mut port = 0;
    for _ in 0..30 {
        let web = Container::start(&Join { ports: publishing("web", &one, port).ports, ..join.clone() }).unwrap();
        port = web.joined.ports[0].host_port;
        web.membership.leave().unwrap();
        drop(TcpListener::bind(("0.0.0.0", port)).unwrap());
    }
    // A netd that is stopped keeps nobody waiting for ever, neither at the end nor for its successor.
    let web = Container::start(&join).unwrap();
    let netd = Pid::from_raw(netd().unwrap()).unwrap();
    kill_process(netd, Signal::STOP).unwrap();
    let begin = Instant::now();
    let mut revival = web.membership.begin_revival(&paths(), program().as_fd()).unwrap();
    assert!(revival.advance(web.netns.as_fd()).unwrap().is_none());
    assert!(begin.elapsed() < QUICK, "{:?}", begin.elapsed());
    let error = keeper.membership.leave().unwrap_err();
    assert!(error.message().contains("netd") && error.message().contains("does not answer"), "{error:?}");
    drop(revival);
    kill_process(netd, Signal::CONT).unwrap();
    // What was asked in vain has changed nothing.
    serves(&web);
}
