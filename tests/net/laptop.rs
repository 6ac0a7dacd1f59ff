//! The machine that a test runs on, and containers on it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use coracle::testing::base::Name;
use coracle::testing::base::{ContainerId, Paths, Result};
use coracle::testing::net::Join;
use coracle::testing::net::Membership;
use coracle::testing::net::Running;
use coracle::testing::spec::network::Joined;
use coracle::testing::spec::network::{FORMAT, Network, Subnet, Wish};
use coracle::testing::sys::{Forked, exit_now, fork};
use nix::sched::{CloneFlags, setns, unshare};

static AREA: OnceLock<PathBuf> = OnceLock::new();

/// Runs one test as the first process of a pid namespace: what is left of it ends with it.
pub fn inside(name: &str, run: impl FnOnce(&str)) {
    let area = std::env::temp_dir().join(format!("coracle-netd-{}-{name}", rustix::process::getpid().as_raw_nonzero()));
    // The pid namespace is new, so the number is not unique: a file system of its own makes the place so.
    fs::create_dir_all(&area).unwrap();
    nix::mount::mount(Some("tmpfs"), &area, Some("tmpfs"), nix::mount::MsFlags::empty(), None::<&str>).unwrap();
    AREA.set(area).unwrap();
    for line in ["link set lo up", "addr add 10.99.0.1/32 dev lo", "addr add fd99::1/128 dev lo"] {
        assert!(Command::new("ip").args(line.split(' ')).status().unwrap().success(), "{line}");
    }
    run(name);
}

/// Addresses of the laptop that are no loopback addresses.
pub const HOST: [&str; 2] = ["10.99.0.1", "fd99::1"];

fn area() -> &'static PathBuf {
    AREA.get().unwrap()
}

/// Where coracle's files are.
pub fn paths() -> Paths {
    let area = area();
    let at = |name: &str| area.join(name);
    let paths = Paths { data: at("data"), runtime: at("run"), config: at("config"), home: at("home") };
    paths.ensure().unwrap();
    paths
}

/// For the next netd: the containers that run when it starts, as their records would tell.
pub fn record(running: &Running) {
    fs::write(area().join("running"), serde_json::to_vec(running).unwrap()).unwrap();
}

/// What [`record`] has written, for netd, which shares nothing with the test but its files.
pub fn running() -> Running {
    let data = std::env::args_os().nth(1).unwrap();
    let record = fs::read(PathBuf::from(data).parent().unwrap().join("running"));
    record.map(|record| serde_json::from_slice(&record).unwrap()).unwrap_or_default()
}

/// This very program, which is netd when it is called so.
pub fn program() -> File {
    File::open("/proc/self/exe").unwrap()
}

/// A network with a subnet of each family.
pub fn network(name: &str, number: u8) -> Network {
    let v4 = format!("172.30.{number}.0/24").parse().unwrap();
    let v6 = format!("fd00:30:{number:x}::/64").parse().unwrap();
    let subnet = |net: ipnet::IpNet, gateway: String| Subnet { net, gateway: gateway.parse().unwrap(), range: None };
    Network {
        format: FORMAT,
        id: ContainerId::random().unwrap(),
        name: name.parse().unwrap(),
        created: jiff::Timestamp::UNIX_EPOCH,
        subnets: vec![subnet(v4, format!("172.30.{number}.1")), subnet(v6, format!("fd00:30:{number:x}::1"))],
        internal: false,
        isolate: true,
        dns: true,
        dns_servers: Vec::new(),
        mtu: None,
        host_loopback: None,
        labels: BTreeMap::new(),
        options: BTreeMap::new(),
    }
}

/// A container as netd sees it: a network namespace that belongs to a user namespace of its own.
pub struct Container {
    pub netns: File,
    pub membership: Membership,
    pub joined: Joined,
}

/// What a container with this name asks for.
pub fn wish(name: &str, networks: &[&Network]) -> Join {
    Join {
        container: ContainerId::random().unwrap(),
        name: name.parse::<Name>().unwrap(),
        hostname: name.to_owned(),
        networks: networks.iter().map(|network| ((*network).clone(), Wish::default())).collect(),
        ports: Vec::new(),
        remap_low_ports: false,
        dns_servers: Vec::new(),
        rate: None,
        host_loopback: false,
        before: None,
    }
}

/// A network namespace below this one.
pub fn namespace() -> File {
    settle();
    let (wait_out, wait_in) = nix::unistd::pipe().unwrap();
    let (go_out, go_in) = nix::unistd::pipe().unwrap();
    match fork().unwrap() {
        Forked::Child => {
            let done = unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET).is_ok();
            let _ = rustix::io::write(&wait_in, &[u8::from(done)]);
            drop(go_in);
            let _ = rustix::io::read(&go_out, &mut [0]);
            exit_now(0);
        }
        Forked::Parent(pid) => {
            let mut done = [0];
            rustix::io::read(&wait_out, &mut done).unwrap();
            assert_eq!(done, [1], "no user namespace");
            let netns = File::open(format!("/proc/{pid}/ns/net")).unwrap();
            drop(go_in);
            nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid), None).unwrap();
            netns
        }
    }
}

impl Container {
    /// Joins and is plugged in.
    pub fn start(join: &Join) -> Result<Self> {
        settle();
        let program = program();
        let (mut membership, joined) = Membership::join(&paths(), program.as_fd(), join, None)?;
        let netns = namespace();
        membership.plug(netns.as_fd())?;
        Ok(Self { netns, membership, joined })
    }

    /// Its addresses on its `n`th network, IPv4 first.
    pub fn addresses(&self, n: usize) -> Vec<IpAddr> {
        let endpoint = &self.joined.endpoints[n];
        let v4 = endpoint.ipv4.map(|v4| IpAddr::V4(v4.addr()));
        v4.into_iter().chain(endpoint.ipv6.map(|v6| IpAddr::V6(v6.addr()))).collect()
    }

    /// Runs something in its network.
    pub fn run<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        within(self.netns.as_fd(), what)
    }

    /// After netd has died.
    pub fn revive(&mut self) {
        settle();
        let program = program();
        self.membership.revive(&paths(), program.as_fd(), self.netns.as_fd()).unwrap();
    }
}

/// Runs something in a network namespace, on a thread of its own.
pub fn within<T: Send>(netns: BorrowedFd<'_>, what: impl FnOnce() -> T + Send) -> T {
    let result = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            setns(netns, CloneFlags::CLONE_NEWNET).unwrap();
            what()
        });
        thread.join()
    });
    settle();
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// A joined thread is still counted for a moment, and what forks counts them.
fn settle() {
    wait_for("the threads that have ended", || fs::read_dir("/proc/self/task").unwrap().count() == 1);
}

/// Waits until something is so.
pub fn wait_for(what: &str, so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !so() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// As if the kernel was short of memory. Returns when nothing of it is left.
pub fn kill_netd() {
    let pid = rustix::process::Pid::from_raw(netd().unwrap()).unwrap();
    let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    rustix::event::poll(&mut [rustix::event::PollFd::new(&pidfd, rustix::event::PollFlags::IN)], None).unwrap();
}

/// The process id of netd, if it runs.
pub fn netd() -> Option<i32> {
    fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let state = fs::read_to_string(entry.path().join("stat")).ok()?;
        let dead = state.rsplit(") ").next()?.starts_with(['Z', 'X']);
        (line.starts_with(coracle::testing::net::ROLE.as_bytes()) && !dead).then_some(pid)
    })
}
