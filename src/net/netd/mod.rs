//! netd, the network process: one for each user with a container on a network.
//!
//! # Theory of operation
//!
//! The main thread waits with epoll(7) and calls the handler that owns the ready file descriptor ([`super::handler`]).
//! It stays in the host's network namespace. Two more threads live in the router's ([`router_threads`]). [`control`]
//! serves the supervisors' connections; each connection is the membership of one container.
//!
//! Waking a thread costs more than handling a packet. A one-way stream is therefore polled at intervals instead of per
//! packet ([`super::udp::pace`]).
//!
//! netd exits a few seconds after the last connection has closed. It takes the lock under which supervisors start a
//! netd, so that none connects meanwhile, checks for connections once more, and removes its socket. A supervisor that
//! connects between that check and the exit sees its connection closed without an answer, and tries again.
//!
//! It enters a sandbox before it starts threads ([`sandbox`]): packets and queries of containers are hostile.
//!
//! It writes nothing to disk but a log of its own faults. It may be killed at any time; [`super::client`] says what
//! happens then.

mod control;
mod device;
mod handlers;
mod host;
mod router_threads;
mod sandbox;
pub mod spawn;
mod wakes;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};

use super::handler::{Context, Handler, Interest, Token, Wakes};
use super::networks::{Networks, share_addresses};
use super::packet::Ip;
use super::router::Device;
use super::table::{self, Table};
use crate::base::error::WireError;
use crate::base::lock::{Lock, Mode};
use crate::base::private::check_peer;
use crate::base::{ContainerId, Paths, Result, ResultExt, failpoint, fault_log, trace};
use crate::spec::network::Joined;
use crate::spec::network::Network;
use crate::sys::process::inherited_fd;
use control::Client;
use device::Tun;
use handlers::Handlers;
use host::Host;
use router_threads::{Job, Outcome, RouterThreads};
use wakes::Epoll;

/// The program name that makes coracle netd. Its arguments: the data and the runtime directory, the path of its socket,
/// whether it adopts a namespace, and whether its steps are traced in its log.
pub const ROLE: &str = "coracle-netd";

/// The log of panics, fatal errors and, with `--debug`, steps: a file among the logs of the data directory.
const LOG: &str = "netd.log";

/// How long netd waits for another container after the last one has gone, and how long a bridge without members stays.
const IDLE: Duration = Duration::from_secs(5);

/// How long nothing must happen before netd gives memory back.
const SETTLE: Duration = Duration::from_secs(1);

/// How long a new netd waits for containers of the netd before it: supervisors reconnect at once and retry each second.
const AWAIT: Duration = Duration::from_secs(30);

/// The pause after a lack of file descriptors.
const RETRY: Duration = Duration::from_millis(100);

/// Indexes of the host handler.
const CHANGES: u64 = 0;
const FILES: u64 = 1;

/// Indexes of the control handler that are no client's.
const LISTENER: u64 = 0;
const OUTCOMES: u64 = 1;
const FIRST_CLIENT: u64 = 16;

/// Running containers, and what each has on its networks.
pub type Running = BTreeMap<ContainerId, Joined>;

/// The role's entry, with the arguments after its name. `running` lists the containers on networks that run when netd
/// starts: they had an earlier netd and are about to reconnect. Returns the exit status.
pub fn main(args: &[OsString], running: &dyn Fn() -> Running) -> u8 {
    let [data, runtime, address, adoption, traced] = args else { return 125 };
    let Ok(listener) = inherited_fd(spawn::LISTENER) else { return 125 };
    let address = PathBuf::from(address);
    let lock = Path::new(runtime).join(spawn::LOCK);
    let Ok(spare) = listener.try_clone() else { return 125 };
    failpoint::watch(Path::new(runtime));
    failpoint::pass("netd.begin");
    let logs = Paths::logs_in(Path::new(data));
    let log = logs.join(LOG);
    // If the log cannot be written, netd runs without one.
    let _ = fs::create_dir(&logs);
    if traced.as_encoded_bytes() == spawn::TRACED {
        trace::listen_in_log(&logs, LOG, format!("netd {}", std::process::id()));
    }
    trace::step(|| format!("begins; its namespace is {}", adoption.display()));
    fault_log::fatal_panics_to(log.clone());
    let networks = Networks::below(Path::new(data));
    let running = running();
    let confined = sandbox::enter(networks.directory(), Path::new(runtime), &logs);
    let started = confined.and_then(|()| spawn::is_adoption(adoption));
    match started.and_then(|adopts| Netd::start(listener, networks, adopts, running)) {
        Ok(mut netd) => {
            drop(spare);
            let ran = netd.run(&address, &lock);
            if let Err(error) = &ran {
                fault_log::append(&log, &error.chain());
            }
            u8::from(ran.is_err())
        }
        Err(error) => {
            control::refuse(&spare, &WireError::from(&error));
            let _ = fs::remove_file(&address);
            1
        }
    }
}

/// The state of the process.
struct Netd {
    epoll: Epoll,
    listener: OwnedFd,
    router_threads: RouterThreads,
    /// The definitions on disk.
    networks: Networks,
    table: Table,
    host: Host,
    handlers: Handlers,
    tun: Tun,
    /// The time of this round of the loop.
    now: Instant,
    /// Why containers do not reach the outside, if they do not.
    cut_off: Option<WireError>,
    /// Containers of the former netd that have not reconnected, and until when they are awaited.
    awaited: Running,
    give_up: Option<Instant>,
    /// R may hold networks of a former netd that no container uses.
    unswept: bool,
    clients: BTreeMap<u64, Client>,
    next_client: u64,
    /// Networks whose bridges were requested.
    bridges: BTreeMap<ContainerId, Network>,
    /// Bridges without members, and since when.
    unused: BTreeMap<ContainerId, Instant>,
    /// Since when there is no client.
    idle: Option<Instant>,
    /// Until when no connection is accepted.
    deaf: Option<Instant>,
    /// For messages, and for packets.
    buffer: Vec<u8>,
    packet: Vec<u8>,
}

/// Borrows the handlers' context from a `Netd`.
macro_rules! context {
    ($netd:ident) => {
        Context {
            now: $netd.now,
            wakes: &$netd.epoll,
            sockets: $netd.router_threads.sockets(),
            link: &mut $netd.tun,
            policy: &$netd.table,
        }
    };
}
use context;

impl Netd {
    fn start(listener: OwnedFd, networks: Networks, adopts: bool, running: Running) -> Result<Self> {
        let descriptors = become_background()?;
        let adopted = match adopts {
            true => Some(inherited_fd(spawn::ROUTER).context(|| "netd was started without its namespace")?),
            false => None,
        };
        let router_threads = RouterThreads::start(adopted)?;
        let epoll = Epoll::new().context(|| "cannot wait for events")?;
        let watch = |fd, index| {
            epoll.watch(fd, Interest::READ, Token::new(Handler::Control, index)).context(|| "cannot wait for events")
        };
        rustix::io::ioctl_fionbio(&listener, true).context(|| "cannot set up the socket")?;
        watch(listener.as_fd(), LISTENER)?;
        watch(router_threads.event(), OUTCOMES)?;
        let host = Host::new(networks.directory()).context(|| "cannot look at the host's network")?;
        for (fd, index) in [(host.changes(), CHANGES), (host.files(), FILES)] {
            epoll.watch(fd, Interest::READ, Token::new(Handler::Host, index)).context(|| "cannot wait for events")?;
        }
        let addresses = |joined: &Joined| joined.endpoints.iter().flat_map(table::addresses).collect();
        let table = Table::awaiting(running.iter().map(|(id, joined)| (id.clone(), addresses(joined))).collect());
        let mut netd = Self {
            epoll,
            listener,
            router_threads,
            networks,
            table,
            handlers: Handlers::new(descriptors, host.resolv_conf()),
            host,
            tun: Tun::absent(),
            now: Instant::now(),
            cut_off: None,
            give_up: (!running.is_empty()).then(|| Instant::now() + AWAIT),
            awaited: running,
            unswept: adopts,
            clients: BTreeMap::new(),
            next_client: FIRST_CLIENT,
            bridges: BTreeMap::new(),
            unused: BTreeMap::new(),
            idle: Some(Instant::now()),
            deaf: None,
            buffer: vec![0; super::protocol::MAX_MESSAGE],
            packet: device::buffer(),
        };
        netd.look_at_host();
        Ok(netd)
    }

    /// Serves until no container needs netd.
    fn run(&mut self, address: &Path, lock: &Path) -> Result<()> {
        let mut events = Vec::new();
        let mut settled = false;
        loop {
            let now = Instant::now();
            let deadline = self.deadline();
            let settle = (!settled).then_some(now + SETTLE);
            let timeout = deadline.into_iter().chain(settle).min().map(|at| at.saturating_duration_since(now));
            self.epoll.wait(&mut events, timeout).context(|| "cannot wait for events")?;
            let now = Instant::now();
            self.now = now;
            if events.is_empty() && !settled && settle.is_some_and(|at| at <= now) {
                self.handlers.settle();
                crate::sys::memory::trim();
                // Gives program pages back before the first sleep: what runs next is mapped again.
                let _ = crate::sys::memory::release_program_pages();
                settled = true;
            }
            settled &= events.is_empty();
            for (raw, what) in events.drain(..) {
                if let Some((handler, index)) = Token::from_raw(raw) {
                    self.ready(handler, index, what);
                }
            }
            if self.tun.look_at().is_some_and(|at| at <= now) {
                self.packets();
            }
            self.expire(now);
            if self.idle.is_some_and(|since| since + IDLE <= now) && self.may_go(address, lock)? {
                return Ok(());
            }
        }
    }

    fn ready(&mut self, handler: Handler, index: u64, what: Interest) {
        match (handler, index) {
            (Handler::Control, LISTENER) => self.accept(),
            (Handler::Control, OUTCOMES) => {
                for outcome in self.router_threads.outcomes() {
                    self.take(outcome);
                }
            }
            (Handler::Control, client) => self.serve(client, what),
            (Handler::Tun, _) => self.packets(),
            (Handler::Host, CHANGES) => {
                if self.host.drain() {
                    self.look_at_host();
                }
            }
            (Handler::Host, _) => {
                if self.host.reread() {
                    self.handlers.resolvers_changed(self.host.resolv_conf());
                }
                self.look_at_definitions();
            }
            (handler, index) => self.handlers.ready(&mut context!(self), &self.table, handler, index, what),
        }
    }

    /// Handles packets of containers, up to a limit.
    fn packets(&mut self) {
        let (most, mut count) = (self.tun.most(self.now), 0);
        while count < most {
            let Some((offload, bytes)) = self.tun.receive(&mut self.packet) else { break };
            count += 1;
            match Ip::parse(bytes, offload) {
                Ok(packet) => self.handlers.packet(&mut context!(self), &packet),
                Err(_) => self.tun.count_malformed(),
            }
        }
        self.handlers.flush(&mut context!(self));
        self.tun.looked(&self.epoll, count, self.now);
    }

    /// Reads the host's addresses again.
    fn look_at_host(&mut self) {
        // On failure the former addresses stay in use.
        if let Ok(addresses) = self.host.addresses() {
            self.table.set_host_addresses(addresses);
        }
        self.handlers.host_changed();
        self.handlers.recheck_policy(&mut context!(self));
    }

    /// Follows `network update`. A definition that is gone or unreadable changes nothing.
    fn look_at_definitions(&mut self) {
        let used: Vec<Network> = self.table.networks().cloned().collect();
        for network in used {
            if let Ok(Some(now)) = self.networks.load(&network.name)
                && now.id == network.id
                && now != network
            {
                self.table.update(&now);
            }
        }
    }

    fn take(&mut self, outcome: Outcome) {
        match outcome {
            // This comes before any `Plug`, so each container learns why it is cut off.
            Outcome::Ready(result) => {
                let used = result.and_then(|device| self.use_device(device));
                self.cut_off = used.err().as_ref().map(WireError::from);
            }
            // A failure is reported when a container is plugged into the network.
            Outcome::Network(result) => drop(result.and_then(|()| self.answer_questions())),
            Outcome::Done(ticket, result) => self.done(ticket, result),
            Outcome::Counted(ticket, result) => self.counted(ticket, result),
        }
    }

    /// Starts outbound traffic. Without tproxy, netd speaks TCP itself.
    fn use_device(&mut self, device: Device) -> Result<()> {
        let token = Token::new(Handler::Tun, 0);
        self.epoll.watch(device.fd.as_fd(), Interest::READ, token).context(|| "cannot wait for packets")?;
        self.tun = Tun::new(device.fd, device.cuts_udp);
        match device.has_tproxy {
            true => self.handlers.open_tproxy(&mut context!(self)),
            false => Ok(()),
        }
    }

    /// When the next timer is due.
    fn deadline(&self) -> Option<Instant> {
        let idle = self.idle.map(|since| since + IDLE);
        let unused = self.unused.values().min().map(|since| *since + IDLE);
        let handlers = [self.tun.look_at(), self.handlers.deadline()];
        [idle, unused, self.deaf, self.give_up].into_iter().chain(handlers).flatten().min()
    }

    fn expire(&mut self, now: Instant) {
        self.handlers.expire(&mut context!(self));
        if self.deaf.is_some_and(|until| until <= now) {
            let listening = Token::new(Handler::Control, LISTENER);
            let heard = self.epoll.watch(self.listener.as_fd(), Interest::READ, listening);
            self.deaf = heard.is_err().then(|| now + RETRY);
        }
        if self.give_up.is_some_and(|at| at <= now) {
            self.give_up = None;
            self.sweep();
            self.awaited.clear();
            self.table.give_up_awaited();
        }
        let due: Vec<_> =
            self.unused.iter().filter(|(_, since)| **since + IDLE <= now).map(|(id, _)| id.clone()).collect();
        let removed = !due.is_empty();
        for id in due {
            self.unused.remove(&id);
            self.bridges.remove(&id);
            self.router_threads.order(Job::RemoveNetwork(id));
        }
        if removed {
            let _ = self.answer_questions();
        }
    }

    /// Ends the wait for containers of the former netd. Networks that none of them uses are removed; those of
    /// containers that could not reconnect yet stay, for the sake of their neighbours.
    fn sweep(&mut self) {
        if std::mem::take(&mut self.unswept) {
            let late = self.awaited.values().flat_map(|joined| &joined.endpoints);
            self.router_threads.order(Job::Sweep(late.map(|endpoint| endpoint.network_id.clone()).collect()));
        }
    }

    /// Requests the bridge of a network, unless it exists.
    fn need_bridge(&mut self, network: &Network) {
        self.unused.remove(&network.id);
        if self.bridges.get(&network.id) != Some(network) {
            // A network that had the same addresses loses its bridge (`Router::remove_overlapping`).
            self.bridges.retain(|id, other| *id == network.id || !share_addresses(other, network));
            self.unused.retain(|id, _| self.bridges.contains_key(id));
            self.table.update(network);
            self.bridges.insert(network.id.clone(), network.clone());
            self.router_threads.order(Job::AddNetwork(Box::new(network.clone())));
        }
    }

    /// Makes the DNS forwarder listen on the gateways of all networks whose members want names.
    fn answer_questions(&mut self) -> Result<()> {
        let networks = self.bridges.values().filter(|network| network.dns);
        let gateways: Vec<_> = networks.flat_map(|network| &network.subnets).map(|subnet| subnet.gateway).collect();
        self.handlers.answer_on(&mut context!(self), &gateways)
    }

    /// Notes which bridges have no members any more.
    fn note_unused(&mut self) {
        let now = Instant::now();
        for id in self.bridges.keys() {
            if self.table.network(id).is_none() {
                self.unused.entry(id.clone()).or_insert(now);
            }
        }
    }

    fn accept(&mut self) {
        // The socket and its directory are the user's alone, and so are the peers.
        loop {
            let socket = match accept_with(&self.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(socket) => socket,
                Err(Errno::INTR | Errno::CONNABORTED) => continue,
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => return self.pause_accepting(),
                Err(_) => return,
            };
            if check_peer(socket.as_fd()).is_err() {
                continue;
            }
            let id = self.next_client;
            let watched = self.epoll.watch(socket.as_fd(), Interest::READ, Token::new(Handler::Control, id));
            if watched.is_ok() {
                self.next_client += 1;
                self.clients.insert(id, Client::new(socket));
                self.idle = None;
            }
        }
    }

    /// Pauses accepting: there is no room for another supervisor.
    fn pause_accepting(&mut self) {
        if self.epoll.ignore(self.listener.as_fd()).is_ok() {
            self.deaf = Some(self.now + RETRY);
        }
    }

    /// Whether netd may exit: no supervisor is about to connect. The socket is removed then.
    fn may_go(&mut self, address: &Path, lock: &Path) -> Result<bool> {
        let Some(_lock) = Lock::attempt(lock, Mode::Exclusive)? else {
            self.idle = Some(Instant::now());
            return Ok(false);
        };
        self.accept();
        if self.idle.is_none() {
            return Ok(false);
        }
        let _ = fs::remove_file(address);
        trace::step(|| "nobody needs it: it goes".into());
        Ok(true)
    }
}

/// Blocks the signals that end a login session, which must not cut containers off. Raises the limit of open files, and
/// returns it.
fn become_background() -> Result<u64> {
    use nix::sys::signal::{SigSet, Signal};
    let signals: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT].into_iter().collect();
    signals.thread_block().context(|| "cannot block signals")?;
    crate::sys::memory::share_one_arena();
    let files = rustix::process::Resource::Nofile;
    let limit = rustix::process::getrlimit(files);
    rustix::process::setrlimit(files, rustix::process::Rlimit { current: limit.maximum, ..limit })
        .context(|| "cannot raise the limit of open files")?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}
