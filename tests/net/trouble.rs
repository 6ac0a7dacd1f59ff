//! What netd survives, and what it leaves behind: nothing.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use coracle::testing::sys::{Forked, exit_now, fork};
use nix::sched::{CloneFlags, setns};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::process::{Pid, Signal, kill_process};

use super::laptop::{Container, HOST, kill_netd, netd, network, wait_for, wish};

const PATIENCE: Duration = Duration::from_secs(10);
/// Resident memory that an idle netd may have, in KiB.
const RESIDENT: u64 = 3 * 1024;

/// A process that does something until it is dropped.
pub struct Process(Pid);

impl Process {
    /// In a network namespace, or in the laptop's.
    pub fn new(netns: Option<BorrowedFd<'_>>, what: impl FnOnce()) -> Self {
        match fork().unwrap() {
            Forked::Parent(pid) => Self(Pid::from_raw(pid).unwrap()),
            Forked::Child => {
                if let Some(netns) = netns {
                    setns(netns, CloneFlags::CLONE_NEWNET).unwrap();
                }
                what();
                exit_now(0);
            }
        }
    }

    /// Waits for its end.
    pub fn join(self) {
        let status = rustix::process::waitpid(Some(self.0), rustix::process::WaitOptions::empty()).unwrap();
        assert_eq!(status.unwrap().1.exit_status(), Some(0));
        std::mem::forget(self);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::KILL);
        let _ = rustix::process::waitpid(Some(self.0), rustix::process::WaitOptions::empty());
    }
}

/// A server on the host that sends back what it gets, and its address.
fn echo_server() -> (Process, SocketAddr) {
    let listener = TcpListener::bind((HOST[0].parse::<IpAddr>().unwrap(), 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let serve = move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let Ok(mut stream) = stream else { return };
                let Ok(mut copy) = stream.try_clone() else { return };
                let _ = std::io::copy(&mut stream, &mut copy);
            });
        }
    };
    (Process::new(None, serve), address)
}

/// One conversation of 64 KiB.
fn echo(address: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let sent = vec![7; 65536];
    let mut heard = vec![0; sent.len()];
    stream.write_all(&sent)?;
    stream.read_exact(&mut heard)?;
    assert_eq!(sent, heard);
    Ok(())
}

fn descriptors() -> usize {
    fs::read_dir(format!("/proc/{}/fd", netd().unwrap())).unwrap().count()
}

/// How often netd was woken, or put aside while it had something to do: its busiest thread.
pub fn switches() -> u64 {
    status("voluntary_ctxt_switches") + status("nonvoluntary_ctxt_switches")
}

fn status(field: &str) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{}/task", netd().unwrap())).unwrap();
    let one = |text: String| {
        let line = text.lines().find(|line| line.starts_with(field)).unwrap().to_owned();
        line.split_ascii_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    tasks.map(|task| one(fs::read_to_string(task.unwrap().path().join("status")).unwrap())).max().unwrap()
}

pub fn killed_under_load() {
    let network = network("one", 1);
    let mut a = Container::start(&wish("a", &[&network])).unwrap();
    let (_server, address) = echo_server();
    a.run(|| echo(address)).unwrap();
    let load = || {
        loop {
            let _ = echo(address);
        }
    };
    let loads: Vec<Process> = (0..3).map(|_| Process::new(Some(a.netns.as_fd()), load)).collect();
    for _ in 0..8 {
        std::thread::sleep(Duration::from_millis(50));
        kill_netd();
        a.revive();
        a.run(|| echo(address)).unwrap();
    }
    drop(loads);
    a.run(|| echo(address)).unwrap();
    let b = Container::start(&wish("b", &[&network])).unwrap();
    b.run(|| echo(address)).unwrap();
    drop(b);
    // What the load had open is closed on all sides.
    wait_for("descriptors of dead connections to be closed", || descriptors() < 40);
}

pub fn ten_thousand_connections_leave_nothing() {
    let network = network("one", 1);
    let a = Container::start(&wish("a", &[&network])).unwrap();
    let listener = TcpListener::bind((HOST[0].parse::<IpAddr>().unwrap(), 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let _server = Process::new(None, move || {
        for stream in listener.incoming() {
            let mut byte = [0];
            let Ok(mut stream) = stream else { continue };
            let _ = stream.read_exact(&mut byte).and_then(|()| stream.write_all(&byte));
        }
    });
    a.run(|| echo_byte(address)).unwrap();
    let before = descriptors();
    // From few ports, so that they are used again while the kernel remembers them.
    a.run(|| fs::write("/proc/sys/net/ipv4/ip_local_port_range", "40000 42500")).unwrap();
    a.run(|| fs::write("/proc/sys/net/ipv4/tcp_tw_reuse", "1")).unwrap();
    let many = || (0..2500).for_each(|_| echo_byte(address).unwrap());
    let clients: Vec<Process> = (0..4).map(|_| Process::new(Some(a.netns.as_fd()), many)).collect();
    clients.into_iter().for_each(Process::join);
    wait_for("descriptors of connections to be closed", || descriptors() <= before);
    wait_for("memory to be given back", || status("VmRSS") <= RESIDENT);
}

fn echo_byte(address: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&[7])?;
    stream.read_exact(&mut [0])?;
    // The end comes from the other side first, mostly; a reset leaves no TIME_WAIT here.
    Ok(())
}

pub fn few_descriptors() {
    let files = rustix::process::Resource::Nofile;
    let limit = rustix::process::Rlimit { current: Some(120), maximum: Some(120) };
    rustix::process::setrlimit(files, limit).unwrap();
    let network = network("one", 1);
    let a = Container::start(&wish("a", &[&network])).unwrap();
    let (_server, address) = echo_server();
    let hold = || {
        let streams: Vec<_> =
            (0..60).map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(300))).collect();
        drop(streams);
    };
    let holders: Vec<Process> = (0..4).map(|_| Process::new(Some(a.netns.as_fd()), hold)).collect();
    let mut kept = Vec::new();
    for n in 0..10 {
        kept.push(Container::start(&wish(&format!("c{n}"), &[&network])).unwrap());
    }
    holders.into_iter().for_each(Process::join);
    drop(kept);
    // Connections that found no room are asked for again by the kernel, for a while.
    wait_for("room for connections", || a.run(|| echo(address)).is_ok());
}

/// Connections that nobody answers.
fn call_the_dead(container: &Container, count: usize) -> Vec<OwnedFd> {
    let call = |number: usize| {
        let socket =
            rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::NONBLOCK, None).unwrap();
        let dead = SocketAddr::from(([198, 18, 1, (number % 250) as u8], 80));
        assert_eq!(rustix::net::connect(&socket, &dead), Err(rustix::io::Errno::INPROGRESS));
        socket
    };
    container.run(|| (0..count).map(call).collect())
}

/// There are 256 flows, 128 for one container.
pub fn others_keep_room_for_connections() {
    let files = rustix::process::Resource::Nofile;
    let limit = rustix::process::Rlimit { current: Some(768), maximum: Some(768) };
    rustix::process::setrlimit(files, limit).unwrap();
    // Nobody reads what goes there.
    let (_void, void) = coracle::testing::sys::create().unwrap();
    for line in [format!("link set {void} up"), format!("route add 198.18.0.0/15 dev {void}")] {
        assert!(std::process::Command::new("ip").args(line.split(' ')).status().unwrap().success(), "{line}");
    }
    let network = network("one", 1);
    let holders = ["a", "b", "c"].map(|name| Container::start(&wish(name, &[&network])).unwrap());
    let neighbour = Container::start(&wish("neighbour", &[&network])).unwrap();
    let (_server, address) = echo_server();
    // Less than the time after which a kernel asks again: there is room at once.
    let at_once = || {
        neighbour.run(|| TcpStream::connect_timeout(&address, Duration::from_millis(900))).unwrap();
        neighbour.run(|| echo(address)).unwrap();
    };
    let dead: Vec<_> = holders.iter().map(|holder| call_the_dead(holder, 150)).collect();
    wait_for("netd to have taken them", || descriptors() > 90);
    at_once();
    // Each of them has no more than its small share, which does not keep it from others that are answered.
    assert!(descriptors() < 150, "{}", descriptors());
    holders.iter().for_each(|holder| holder.run(|| echo(address)).unwrap());
    drop(dead);
    // Connections that are made, and used, as many as there is room for: whoever comes has a place nevertheless.
    let hold = || {
        let streams: Vec<_> = (0..120).map(|_| TcpStream::connect_timeout(&address, PATIENCE)).collect();
        loop {
            for mut stream in streams.iter().flatten() {
                let _ = stream.write_all(&[7]).and_then(|()| stream.read_exact(&mut [0]));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    let loads: Vec<Process> = holders.iter().map(|holder| Process::new(Some(holder.netns.as_fd()), hold)).collect();
    wait_for("a full table", || descriptors() > 2 * 250);
    (0..20).for_each(|_| at_once());
    drop(loads);
}

pub fn others_keep_room_for_connections_without_a_gate() {
    super::outside::without_netfilter();
    let files = rustix::process::Resource::Nofile;
    let limit = rustix::process::Rlimit { current: Some(768), maximum: Some(768) };
    rustix::process::setrlimit(files, limit).unwrap();
    let network = network("one", 1);
    let holders = ["a", "b", "c"].map(|name| Container::start(&wish(name, &[&network])).unwrap());
    let neighbour = Container::start(&wish("neighbour", &[&network])).unwrap();
    let (_server, address) = echo_server();
    let hold = || {
        let streams: Vec<_> = (0..120).map(|_| TcpStream::connect_timeout(&address, PATIENCE)).collect();
        let _ = rustix::event::poll(&mut [], None);
        drop(streams);
    };
    let loads: Vec<Process> = holders.iter().map(|holder| Process::new(Some(holder.netns.as_fd()), hold)).collect();
    wait_for("a full table", || descriptors() > 250);
    (0..20).for_each(|_| {
        neighbour.run(|| TcpStream::connect_timeout(&address, Duration::from_millis(900))).unwrap();
        neighbour.run(|| echo(address)).unwrap();
    });
    drop(loads);
}

pub fn idle_netd_is_small_and_asleep() {
    let network = network("one", 1);
    let a = Container::start(&wish("a", &[&network])).unwrap();
    let (server, address) = echo_server();
    a.run(|| echo(address)).unwrap();
    drop(server);
    wait_for("memory to be given back", || status("VmRSS") <= RESIDENT);
    // This is about time passing without anything happening in it.
    wait_for("netd to be asleep for half a second", || {
        let before = switches();
        std::thread::sleep(Duration::from_millis(500));
        before == switches()
    });
}
