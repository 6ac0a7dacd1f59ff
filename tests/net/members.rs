//! Who can reach whom, and what netd's end and beginning change about it: nothing.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use coracle::testing::base::Kind;
use coracle::testing::net::Join;
use coracle::testing::net::Membership;
use coracle::testing::spec::network::{Protocol, Publish, PublishedPort, Rate, Wish};

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::process::{Pid, Signal, kill_process};

use super::laptop::{Container, kill_netd, namespace, netd, network, paths, program, record, wait_for, wish};

const PATIENCE: Duration = Duration::from_secs(5);

/// Connects from one container to another and sends a word there.
fn reaches(from: &Container, to: &Container, address: IpAddr) -> std::io::Result<()> {
    let listener = to.run(|| TcpListener::bind((address, 0)))?;
    let port = listener.local_addr()?.port();
    let mut stream = from.run(|| TcpStream::connect_timeout(&SocketAddr::new(address, port), PATIENCE))?;
    stream.write_all(b"hello")?;
    drop(stream);
    let mut heard = String::new();
    listener.accept()?.0.read_to_string(&mut heard)?;
    assert_eq!(heard, "hello");
    Ok(())
}

pub fn containers_reach_each_other() {
    let network = network("one", 1);
    let a = Container::start(&wish("a", &[&network])).unwrap();
    let b = Container::start(&wish("b", &[&network])).unwrap();
    assert_eq!(a.addresses(0).len(), 2);
    for (from, to) in [(&a, &b), (&b, &a)] {
        for address in to.addresses(0) {
            reaches(from, to, address).unwrap();
        }
    }
    // Both families have a way out, and the gateway answers: nobody listens there.
    for gateway in network.subnets.iter().map(|subnet| subnet.gateway) {
        let refused = a.run(|| TcpStream::connect_timeout(&SocketAddr::new(gateway, 9), PATIENCE)).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::ECONNREFUSED));
    }
}

pub fn networks_are_apart() {
    let (one, two) = (network("one", 1), network("two", 2));
    let mut open = [network("three", 3), network("four", 4)];
    open.iter_mut().for_each(|network| network.isolate = false);
    let mut closed = network("five", 5);
    closed.internal = true;
    let a = Container::start(&wish("a", &[&one])).unwrap();
    let b = Container::start(&wish("b", &[&two])).unwrap();
    let both = Container::start(&wish("both", &[&one, &two])).unwrap();
    let c = Container::start(&wish("c", &[&open[0]])).unwrap();
    let d = Container::start(&wish("d", &[&open[1]])).unwrap();
    let e = Container::start(&wish("e", &[&closed])).unwrap();
    for (from, to) in [(&a, &b), (&b, &a), (&a, &c), (&c, &a), (&a, &e), (&e, &a), (&e, &c)] {
        for address in to.addresses(0) {
            let errno = reaches(from, to, address).unwrap_err().raw_os_error().unwrap();
            assert!([libc::EHOSTUNREACH, libc::EACCES, libc::ENETUNREACH].contains(&errno), "{address}: {errno}");
        }
    }
    for (n, to) in [(0, &a), (1, &b)] {
        to.addresses(0).into_iter().for_each(|address| reaches(&both, to, address).unwrap());
        both.addresses(n).into_iter().for_each(|address| reaches(to, &both, address).unwrap());
    }
    for (from, to) in [(&c, &d), (&d, &c)] {
        to.addresses(0).into_iter().for_each(|address| reaches(from, to, address).unwrap());
    }
}

pub fn a_killed_netd_is_revived() {
    let network = network("one", 1);
    let mut a = Container::start(&wish("a", &[&network])).unwrap();
    let mut b = Container::start(&wish("b", &[&network])).unwrap();
    let address = b.addresses(0)[0];
    let listener = b.run(|| TcpListener::bind((address, 0))).unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut here = a.run(|| TcpStream::connect((address, port))).unwrap();
    let mut there = listener.accept().unwrap().0;
    for round in 0..5u8 {
        let first = netd().unwrap();
        kill_netd();
        // Nobody is there, and all the same:
        here.write_all(&[round]).unwrap();
        let mut heard = [0];
        there.read_exact(&mut heard).unwrap();
        assert_eq!(heard, [round]);
        a.revive();
        b.revive();
        assert_ne!(netd().unwrap(), first);
        let c = Container::start(&wish("c", &[&network])).unwrap();
        assert!(![&a, &b].iter().any(|other| other.addresses(0) == c.addresses(0)));
        for other in [&a, &b] {
            c.addresses(0).into_iter().for_each(|address| reaches(other, &c, address).unwrap());
        }
    }
}

/// What it was asked in vain is forgotten: its late answer is not that to the next question.
pub fn a_netd_that_does_not_answer_is_joined_again() {
    let network = network("one", 1);
    let mut a = Container::start(&wish("a", &[&network])).unwrap();
    let addresses = a.addresses(0);
    let pid = Pid::from_raw(netd().unwrap()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    set_socket_timeout(a.membership.fd(), Timeout::Recv, Some(Duration::from_millis(100))).unwrap();
    a.membership.count().unwrap_err();
    kill_process(pid, Signal::CONT).unwrap();
    assert!(a.membership.count().is_err(), "nobody is asked any more");
    a.revive();
    assert_eq!((netd(), a.addresses(0)), (Some(pid.as_raw_nonzero().get()), addresses));
    assert!(a.membership.count().unwrap().contains_key("eth0"));
    let b = Container::start(&wish("b", &[&network])).unwrap();
    reaches(&b, &a, a.addresses(0)[0]).unwrap();
}

/// Somebody starts the next netd before those who had the last one notice, and so in another namespace.
pub fn a_netd_that_knew_nobody_is_joined_by_everybody() {
    let network = network("one", 1);
    let port = PublishedPort { host_ip: None, host_port: 0, container_port: 80, protocol: Protocol::Tcp };
    let joins = ["a", "b"].map(|name| Join { ports: vec![port.clone().into()], ..wish(name, &[&network]) });
    let mut old = joins.each_ref().map(|join| Container::start(join).unwrap());
    let address = old[1].addresses(0)[0];
    let listener = old[1].run(|| TcpListener::bind((address, 0))).unwrap();
    let mut here = old[0].run(|| TcpStream::connect((address, listener.local_addr().unwrap().port()))).unwrap();
    let mut there = listener.accept().unwrap().0;
    let ids = joins.iter().map(|join| join.container.clone());
    record(&ids.zip(&old).map(|(id, container)| (id, container.joined.clone())).collect());
    kill_netd();
    // Addresses and ports of those who are not back yet are not given away.
    let theirs =
        Join { ports: old[0].joined.ports.iter().cloned().map(Publish::from).collect(), ..wish("thief", &[&network]) };
    assert_eq!(Container::start(&theirs).err().unwrap().kind(), Kind::Conflict);
    let mut c = Container::start(&wish("c", &[&network])).unwrap();
    assert!(old.iter().all(|other| other.addresses(0).iter().all(|address| !c.addresses(0).contains(address))));
    for round in 0..2u8 {
        old.iter_mut().for_each(Container::revive);
        if round > 0 {
            c.revive();
        }
        for other in &old {
            c.addresses(0).into_iter().for_each(|address| reaches(other, &c, address).unwrap());
            other.addresses(0).into_iter().for_each(|address| reaches(&c, other, address).unwrap());
        }
        here.write_all(&[round]).unwrap();
        let mut heard = [0];
        there.read_exact(&mut heard).unwrap();
        assert_eq!(heard, [round]);
        // The second time, in a namespace that cannot be entered: any file that is none.
        kill_netd();
        let (program, nothing) = (program(), std::fs::File::open("/dev/null").unwrap());
        let before = Join { before: Some(old[1].joined.clone()), ..joins[1].clone() };
        let (mut membership, joined) =
            Membership::join(&paths(), program.as_fd(), &before, Some(nothing.as_fd())).unwrap();
        membership.plug(old[1].netns.as_fd()).unwrap();
        assert_eq!(joined.endpoints, old[1].joined.endpoints);
        drop(membership);
    }
}

pub fn networks_come_and_go() {
    let (one, two) = (network("one", 1), network("two", 2));
    let mut a = Container::start(&wish("a", &[&one])).unwrap();
    let b = Container::start(&wish("b", &[&two])).unwrap();
    for _ in 0..3 {
        let endpoint = a.membership.connect(&two, &Wish::default(), a.netns.as_fd()).unwrap();
        assert_eq!(endpoint.interface, "eth1");
        a.joined.endpoints = a.membership.joined().endpoints.clone();
        b.addresses(0).into_iter().for_each(|address| reaches(&a, &b, address).unwrap());
        a.addresses(1).into_iter().for_each(|address| reaches(&b, &a, address).unwrap());
        a.membership.disconnect(&two.name, a.netns.as_fd()).unwrap();
        assert!(reaches(&a, &b, b.addresses(0)[0]).is_err());
    }
    assert!(a.membership.disconnect(&two.name, a.netns.as_fd()).is_err());
    // The default route moves to what is left.
    a.membership.connect(&two, &Wish::default(), a.netns.as_fd()).unwrap();
    a.membership.disconnect(&one.name, a.netns.as_fd()).unwrap();
    b.addresses(0).into_iter().for_each(|address| reaches(&a, &b, address).unwrap());
    let gateway = one.subnets[0].gateway;
    let refused = a.run(|| TcpStream::connect_timeout(&SocketAddr::new(gateway, 9), PATIENCE)).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(libc::ECONNREFUSED));
    let counted = a.membership.count().unwrap();
    assert_eq!(counted.keys().collect::<Vec<_>>(), ["eth1"]);
}

/// Sends so many bytes from one container to another; how long it takes until the last one is there.
fn transfer(from: &Container, to: &Container, size: usize) -> Duration {
    let address = to.addresses(0)[0];
    let listener = to.run(|| TcpListener::bind((address, 0))).unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut stream = from.run(|| TcpStream::connect((address, port))).unwrap();
    let mut there = listener.accept().unwrap().0;
    let start = Instant::now();
    let sender = std::thread::spawn(move || stream.write_all(&vec![0; size]).unwrap());
    let mut heard = Vec::new();
    there.read_to_end(&mut heard).unwrap();
    assert_eq!(heard.len(), size);
    let took = start.elapsed();
    sender.join().unwrap();
    took
}

/// A bucket of tokens passes no more than what is in it at first and what flows in since.
pub fn rates_hold_both_ways() {
    const SIZE: usize = 300_000;
    let network = network("one", 1);
    let rate = Rate::new(1_000_000);
    let mut slow = Container::start(&Join { rate, ..wish("slow", &[&network]) }).unwrap();
    let fast = Container::start(&wish("fast", &[&network])).unwrap();
    let other = Container::start(&wish("other", &[&network])).unwrap();
    let least = Duration::from_millis(280);
    for round in 0..2 {
        for (from, to) in [(&slow, &fast), (&fast, &slow)] {
            let took = transfer(from, to, SIZE);
            assert!(took >= least, "{took:?} in round {round}");
        }
        // They stay where they are when netd comes back.
        kill_netd();
        slow.revive();
    }
    assert!((0..100).any(|_| transfer(&fast, &other, SIZE) < least), "the others are not held back");
    // Networks that come later are limited, too.
    let two = super::laptop::network("two", 2);
    let there = Container::start(&wish("there", &[&two])).unwrap();
    slow.membership.connect(&two, &Wish::default(), slow.netns.as_fd()).unwrap();
    assert!(transfer(&slow, &there, SIZE) >= least);
}

pub fn traffic_is_counted() {
    const SIZE: usize = 100_000;
    let network = network("one", 1);
    let mut a = Container::start(&wish("a", &[&network])).unwrap();
    let mut b = Container::start(&wish("b", &[&network])).unwrap();
    // What was sent to an interface before it was up may have been dropped; from now on nothing is.
    let dropped = b.membership.count().unwrap()["eth0"].receive_drops;
    transfer(&a, &b, SIZE);
    let (of_a, of_b) = (a.membership.count().unwrap()["eth0"], b.membership.count().unwrap()["eth0"]);
    let size = SIZE as u64..2 * SIZE as u64;
    assert!(size.contains(&of_a.sent_bytes) && size.contains(&of_b.received_bytes), "{of_a:?} {of_b:?}");
    assert!(of_a.received_bytes < size.start && of_b.sent_bytes < size.start, "{of_a:?} {of_b:?}");
    assert!(of_a.sent_packets > 0 && of_b.received_packets > 0);
    assert_eq!((of_a.send_errors, of_a.receive_errors, of_b.receive_drops), (0, 0, dropped));
}

pub fn many_join_at_once() {
    let network = network("one", 1);
    let started: Vec<_> = (0..60)
        .map(|n| {
            let join = wish(&format!("c{n}"), &[&network]);
            let program = program();
            (Membership::join(&paths(), program.as_fd(), &join, None).unwrap(), namespace())
        })
        .collect();
    let mut addresses = std::collections::BTreeSet::new();
    std::thread::scope(|scope| {
        let threads: Vec<_> = started
            .into_iter()
            .map(|((mut membership, joined), netns)| {
                scope.spawn(move || {
                    membership.plug(netns.as_fd()).unwrap();
                    (membership, joined, netns)
                })
            })
            .collect();
        let members: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        addresses.extend(members.iter().map(|(_, joined, _)| joined.endpoints[0].ipv4));
    });
    assert_eq!(addresses.len(), 60);
}

pub fn nothing_runs_when_nothing_runs() {
    let network = network("one", 1);
    let a = Container::start(&wish("a", &[&network])).unwrap();
    let pid = netd().unwrap();
    drop(a);
    let b = Container::start(&wish("b", &[&network])).unwrap();
    assert_eq!(netd(), Some(pid), "the next container finds it");
    drop(b);
    wait_for("netd's end", || netd().is_none());
    assert_eq!(std::fs::read_dir(paths().runtime.join("netd")).unwrap().count(), 0);
}

/// Nothing in an attachment waits for a timer: addresses are usable when it is done, because nobody asks the network whether
/// they are taken (IPv6 duplicate address detection takes a second; netd knows that they are not).
pub fn attaching_waits_for_no_timer() {
    const TENTATIVE: u32 = 0x40;
    let network = network("one", 1);
    let container = Container::start(&wish("first", &[&network])).unwrap();
    // if_inet6 has the flags of linux/if_addr.h in its fifth column.
    let listed = container.run(|| std::fs::read_to_string("/proc/thread-self/net/if_inet6").unwrap());
    let flags = |line: &str| u32::from_str_radix(line.split_whitespace().nth(4).unwrap(), 16).unwrap();
    let ours: Vec<_> = listed.lines().filter(|line| line.starts_with("fd00")).collect();
    assert!(!ours.is_empty() && ours.iter().all(|line| flags(line) & TENTATIVE == 0), "{listed}");
    for address in container.addresses(0) {
        container.run(|| TcpListener::bind((address, 0))).unwrap();
    }
}
