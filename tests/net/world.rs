//! A small world for tests of TCP: the host H (this process), a router R with a TUN device, a bridge and the rules that
//! the gate wants, and containers, each a thread in a network namespace of its own.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use coracle::testing::net::TcpPorts;
use coracle::testing::net::packet::{self, Flags, Ip, Transport};
use coracle::testing::net::{
    Context, Handler, Holder, Interest, Link, Offload, Outside, Policy, Sockets, Token, Wakes,
};
use coracle::testing::net::{Limits, TPROXY_PORT, Tcp};
use coracle::testing::spec::network;
use coracle::testing::sys as tun;
use nix::sched::{CloneFlags, unshare};
use rustix::event::epoll;
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, socket_with};

/// What a thread in another namespace is asked to do.
type Job = Box<dyn FnOnce() + Send>;
/// What netd's thread is asked to do.
type Order = Box<dyn FnOnce(&mut Netd) + Send>;
/// Which socket of R is wanted, and where it goes.
type Wanted = (AddressFamily, SocketType, Option<Protocol>, Sender<io::Result<OwnedFd>>);

/// A thread in a network namespace of its own.
pub struct Place {
    jobs: Sender<Job>,
    /// By which others know its namespace.
    pub tid: i32,
}

impl Place {
    /// A new namespace, with its loopback up.
    pub fn new() -> Self {
        let (jobs, todo) = channel::<Job>();
        let (tell, told) = channel();
        thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            run("ip link set lo up");
            tell.send(rustix::thread::gettid().as_raw_nonzero().get()).unwrap();
            for job in todo {
                job();
            }
        });
        Self { jobs, tid: told.recv().unwrap() }
    }

    /// Runs something there and waits for it.
    pub fn inside<T: Send + 'static>(&self, what: impl FnOnce() -> T + Send + 'static) -> T {
        let (tell, told) = channel();
        self.jobs.send(Box::new(move || tell.send(what()).unwrap_or(()))).unwrap();
        told.recv().expect("what was done there has panicked")
    }

    /// Runs something there on a thread of its own.
    pub fn spawn<T: Send + 'static>(&self, what: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        self.inside(move || thread::spawn(what))
    }
}

/// Commands, one on each line, which must succeed.
pub fn run(lines: &str) {
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let output = Command::new("sh").args(["-c", line]).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Sockets of H are made by the loop itself, those of R by a thread there.
struct Makers {
    router: Sender<Wanted>,
    /// So many of H's are refused with EMFILE.
    refusals: Cell<usize>,
}

fn make(family: AddressFamily, kind: SocketType, protocol: Option<Protocol>) -> io::Result<OwnedFd> {
    Ok(socket_with(family, kind, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, protocol)?)
}

impl Sockets for Makers {
    fn host(&self, family: AddressFamily, kind: SocketType, protocol: Option<Protocol>) -> io::Result<OwnedFd> {
        if self.refusals.get() > 0 {
            self.refusals.set(self.refusals.get() - 1);
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        make(family, kind, protocol)
    }

    fn router(&self, family: AddressFamily, kind: SocketType, protocol: Option<Protocol>) -> io::Result<OwnedFd> {
        let (tell, told) = channel();
        self.router.send((family, kind, protocol, tell)).unwrap();
        told.recv().unwrap()
    }
}

struct Epoll(OwnedFd);

impl Wakes for Epoll {
    fn watch(&self, fd: BorrowedFd<'_>, interest: Interest, token: Token) -> io::Result<()> {
        let flags = epoll::EventFlags::from_bits_retain(interest.bits());
        Ok(epoll::add(&self.0, fd, epoll::EventData::new_u64(token.raw()), flags)?)
    }

    fn change(&self, fd: BorrowedFd<'_>, interest: Interest, token: Token) -> io::Result<()> {
        let flags = epoll::EventFlags::from_bits_retain(interest.bits());
        Ok(epoll::modify(&self.0, fd, epoll::EventData::new_u64(token.raw()), flags)?)
    }

    fn ignore(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        Ok(epoll::delete(&self.0, fd)?)
    }
}

struct Tun(OwnedFd);

impl Link for Tun {
    fn send(&mut self, packet: &[u8], offload: Offload) -> bool {
        let head = packet::encode(offload);
        rustix::io::writev(&self.0, &[io::IoSlice::new(&head), io::IoSlice::new(packet)]).is_ok()
    }
}

/// Everything is allowed, but for one network; the host's loopback is seen as the gateway.
struct Open;

impl Policy for Open {
    fn outside(&self, _: IpAddr, destination: IpAddr, _: Option<(network::Protocol, u16)>) -> Outside {
        match destination.to_string().starts_with("10.95.") {
            true => Outside::Prohibited,
            false => Outside::To(destination),
        }
    }

    fn stands_for_host(&self, _: IpAddr) -> bool {
        false
    }

    fn is_on_host(&self, address: IpAddr) -> bool {
        address.is_loopback()
    }

    fn holder(&self, address: IpAddr) -> Holder {
        Holder(u64::from(address.is_ipv4()))
    }

    fn visible(&self, client: IpAddr, member: IpAddr) -> IpAddr {
        match (client.is_loopback() || client.is_ipv4() != member.is_ipv4(), member.is_ipv4()) {
            (false, _) => client,
            (true, true) => "10.88.0.1".parse().unwrap(),
            (true, false) => "fd88::1".parse().unwrap(),
        }
    }
}

/// netd, as far as TCP is concerned.
pub struct Netd {
    pub tcp: Tcp,
    pub ports: TcpPorts,
    makers: Makers,
    epoll: Epoll,
    tun: Tun,
    /// SYNs come again after this time, as after a queue in which they waited.
    pub late: Option<Duration>,
    again: VecDeque<(Instant, Vec<u8>, Offload)>,
    /// How many late SYNs have come.
    pub came_late: usize,
    stop: bool,
}

impl Netd {
    /// Lets the parts work with what this one has.
    fn with(&mut self, what: impl FnOnce(&mut Tcp, &mut TcpPorts, &mut Context<'_>)) {
        let mut cx = Context {
            now: Instant::now(),
            wakes: &self.epoll,
            sockets: &self.makers,
            link: &mut self.tun,
            policy: &Open,
        };
        what(&mut self.tcp, &mut self.ports, &mut cx);
    }

    fn run(mut self, orders: &Receiver<Order>, wake: &OwnedFd) {
        self.epoll.watch(wake.as_fd(), Interest::READ, Token::new(Handler::Control, 0)).unwrap();
        let tun = self.tun.0.try_clone().unwrap();
        self.epoll.watch(tun.as_fd(), Interest::READ, Token::new(Handler::Tun, 0)).unwrap();
        let mut buffer = vec![0; packet::MAX_PACKET + packet::VNET_HEADER];
        let mut events = Vec::with_capacity(64);
        while !self.stop {
            events.clear();
            let timeout = self.timeout();
            let spare = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(&self.epoll.0, spare, timeout.as_ref()) {
                Err(rustix::io::Errno::INTR) => continue,
                other => other.unwrap(),
            };
            for event in &events {
                let epoll::Event { flags, data } = *event;
                let what = Interest::from_bits_truncate(flags.bits());
                match Token::from_raw(data.u64()) {
                    Some((Handler::Tun, _)) => self.read_tun(&tun, &mut buffer),
                    Some((Handler::Tcp, index)) => self.with(|tcp, _, cx| tcp.ready(cx, index, what)),
                    Some((Handler::TcpPorts, index)) => self.with(|tcp, ports, cx| ports.ready(cx, index, tcp)),
                    _ => {
                        rustix::io::read(wake, &mut [0; 8]).unwrap();
                        while let Ok(order) = orders.try_recv() {
                            order(&mut self);
                        }
                    }
                }
            }
            self.replay();
            let now = Instant::now();
            if [self.tcp.deadline(), self.ports.deadline()].into_iter().flatten().any(|when| when <= now) {
                self.with(|tcp, ports, cx| {
                    tcp.expire(cx);
                    ports.expire(cx);
                });
            }
        }
    }

    fn timeout(&self) -> Option<rustix::event::Timespec> {
        let replay = self.again.front().map(|(when, ..)| *when);
        let next = [self.tcp.deadline(), self.ports.deadline(), replay].into_iter().flatten().min()?;
        next.saturating_duration_since(Instant::now()).try_into().ok()
    }

    fn read_tun(&mut self, tun: &OwnedFd, buffer: &mut [u8]) {
        for _ in 0..32 {
            let length = match rustix::io::read(tun, &mut *buffer) {
                Ok(length) => length,
                Err(_) => return,
            };
            let Ok((offload, bytes)) = packet::decode(&buffer[..length]) else { continue };
            let Ok(ip) = Ip::parse(bytes, offload) else { continue };
            if let (Some(late), Transport::Tcp(tcp)) = (self.late, &ip.transport)
                && tcp.flags.contains(Flags::SYN)
            {
                self.again.push_back((Instant::now() + late, bytes.to_vec(), offload));
            }
            self.with(|tcp, _, cx| tcp.packet(cx, &ip));
        }
    }

    fn replay(&mut self) {
        while self.again.front().is_some_and(|(when, ..)| *when <= Instant::now()) {
            let Some((_, bytes, offload)) = self.again.pop_front() else { return };
            self.came_late += 1;
            let ip = Ip::parse(&bytes, offload).unwrap();
            self.with(|tcp, _, cx| tcp.packet(cx, &ip));
        }
    }

    /// The next sockets of H cannot be made.
    pub fn refuse_sockets(&mut self, count: usize) {
        self.makers.refusals.set(count);
    }
}

/// All of it.
pub struct World {
    pub router: Place,
    orders: Sender<Order>,
    wake: OwnedFd,
    loop_thread: Option<JoinHandle<()>>,
    members: AtomicUsize,
}

const ROUTER: &str = "
    echo 1 >/proc/sys/net/ipv4/ip_forward
    echo 0 >/proc/sys/net/ipv4/ip_early_demux
    echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter
    echo 0 >/proc/sys/net/ipv4/conf/default/rp_filter
    echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
    ip link add br0 type bridge
    ip addr add 10.88.0.1/24 dev br0
    ip addr add fd88::1/64 dev br0 nodad
    ip link set br0 up
    ip rule add fwmark 1 lookup 100
    ip -6 rule add fwmark 1 lookup 100
    ip route add local default dev lo table 100
    ip -6 route add local default dev lo table 100";

const HOST: &str = "
    ip link set lo up
    ip addr add 10.99.0.1/24 dev lo
    ip addr add 10.99.0.7/32 dev lo
    ip addr add fd99::1/128 dev lo
    ip addr add fd99::7/128 dev lo
    ip route add unreachable 10.97.1.0/24
    ip route add prohibit 10.97.2.0/24
    ip -6 route add unreachable fd97:1::/64
    ip -6 route add prohibit fd97:2::/64";

/// `gate` or not: the rules that hand connections to sockets.
fn rules(device: &str) -> String {
    format!(
        "table inet coracle {{ chain gate {{ type filter hook prerouting priority mangle; policy accept;
            iifname {device} meta nfproto ipv4 tcp flags & (fin|syn|rst|ack) == syn tproxy ip to 127.0.0.1:{TPROXY_PORT} meta mark set 1 accept
            iifname {device} meta nfproto ipv6 tcp flags & (fin|syn|rst|ack) == syn tproxy ip6 to [::1]:{TPROXY_PORT} meta mark set 1 accept
            tcp flags & (syn|ack) == syn accept
            meta l4proto tcp socket transparent 1 meta mark set 1 accept
        }}
        }}"
    )
}

impl World {
    /// H is this thread's namespace.
    pub fn new(limits: Limits, gate: bool) -> Self {
        static HOST_IS_MADE: std::sync::Once = std::sync::Once::new();
        HOST_IS_MADE.call_once(|| run(HOST));
        let router = Place::new();
        let device = router.inside(move || {
            run(ROUTER);
            let (fd, name) = tun::create().unwrap();
            // TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6.
            tun::set_offloads(&fd, 7).unwrap();
            run(&format!(
                "ip link set {name} up mtu 65520\nip route add default dev {name}\nip -6 route add default dev {name}"
            ));
            if gate {
                let script = std::env::temp_dir().join(format!("coracle-tcp-{}.nft", std::process::id()));
                std::fs::write(&script, rules(&name)).unwrap();
                run(&format!("nft -f {}", script.display()));
                std::fs::remove_file(script).unwrap();
            }
            fd
        });
        let (make_socket, wanted) = channel::<Wanted>();
        router.inside(move || {
            thread::spawn(move || {
                for (family, kind, protocol, tell) in wanted {
                    tell.send(make(family, kind, protocol)).unwrap_or(());
                }
            });
        });
        let (orders, todo) = channel::<Order>();
        let wake = rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).unwrap();
        let woken = wake.try_clone().unwrap();
        let loop_thread = thread::spawn(move || {
            let mut netd = Netd {
                tcp: Tcp::new(limits),
                ports: TcpPorts::new(),
                makers: Makers { router: make_socket, refusals: Cell::new(0) },
                epoll: Epoll(epoll::create(epoll::CreateFlags::CLOEXEC).unwrap()),
                tun: Tun(device),
                late: None,
                again: VecDeque::new(),
                came_late: 0,
                stop: false,
            };
            if gate {
                netd.with(|tcp, _, cx| tcp.open_tproxy(cx).unwrap());
            }
            netd.run(&todo, &woken);
        });
        Self { router, orders, wake, loop_thread: Some(loop_thread), members: AtomicUsize::new(2) }
    }

    /// Asks netd's thread to do something.
    pub fn order<T: Send + 'static>(&self, what: impl FnOnce(&mut Netd) -> T + Send + 'static) -> T {
        let (tell, told) = channel();
        self.orders.send(Box::new(move |netd| tell.send(what(netd)).unwrap_or(()))).unwrap();
        rustix::io::write(&self.wake, &1u64.to_ne_bytes()).unwrap();
        told.recv().expect("netd's thread has panicked")
    }

    /// Asks netd's thread to do something with its parts.
    pub fn with<T: Send + 'static>(
        &self,
        what: impl FnOnce(&mut Tcp, &mut TcpPorts, &mut Context<'_>) -> T + Send + 'static,
    ) -> T {
        self.order(move |netd| {
            let mut result = None;
            netd.with(|tcp, ports, cx| result = Some(what(tcp, ports, cx)));
            result.unwrap()
        })
    }

    /// How many flows there are.
    pub fn flows(&self) -> usize {
        self.order(|netd| netd.tcp.flows())
    }

    /// Until there are no flows left.
    pub fn await_no_flows(&self) {
        let give_up = Instant::now() + Duration::from_secs(20);
        while self.flows() > 0 {
            assert!(Instant::now() < give_up, "{} flows are left", self.flows());
            thread::yield_now();
        }
    }

    /// A container: its place, and the last part of its addresses 10.88.0.x and fd88::x.
    pub fn member(&self) -> (Arc<Place>, usize) {
        let (place, number) = (Place::new(), self.members.fetch_add(1, Ordering::Relaxed));
        let tid = place.tid;
        self.router.inside(move || {
            run(&format!(
                "ip link add v{number} type veth peer name eth0 netns {tid}
                 ip link set v{number} master br0 up"
            ));
        });
        place.inside(move || {
            run(&format!(
                "ip addr add 10.88.0.{number}/24 dev eth0
                 ip addr add fd88::{number}/64 dev eth0 nodad
                 ip link set eth0 up
                 ip route add default via 10.88.0.1
                 ip -6 route add default via fd88::1"
            ));
        });
        (Arc::new(place), number)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.order(|netd| netd.stop = true);
        if let Some(thread) = self.loop_thread.take() {
            thread.join().unwrap();
        }
    }
}
