//! The network process: one for each user with a container that has a network.
//!
//! # Theory of operation
//!
//! One thread waits for everything with epoll(7) and calls the part that owns what has happened ([`super::part`]); it
//! lives in the host's network namespace. Two more live in the router's ([`inside`]). Supervisors' connections are served
//! by [`control`]; each is a container's membership.
//!
//! What a packet costs is mostly waking somebody up for it. Streams are therefore looked at now and then instead of at
//! each packet ([`super::udp::pace`]), and conversations are waited for awake for a moment ([`wakes::Vigil`]).
//!
//! A few seconds after the last connection has closed, netd goes: it takes the lock under which supervisors start one, so
//! that nobody is about to connect, looks for connections once more, and removes its socket. Who connects between that
//! look and the end sees the connection break unanswered, and tries again.
//!
//! Before it starts threads, it enters a sandbox ([`sandbox`]): packets and questions of containers are hostile.
//!
//! It keeps nothing on disk but a log of its own faults. It may be killed at any time: see [`super::client`] for what
//! happens then.

mod control;
mod device;
mod host;
mod inside;
mod parts;
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

use super::client;
use super::networks::{Networks, share_addresses};
use super::packet::Ip;
use super::part::{Context, Interest, Part, Token, Wakes};
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
use host::Host;
use inside::{Inside, Job, Outcome};
use parts::Parts;
use wakes::{Epoll, Vigil};

/// The program name that makes coracle netd; followed by the data and the runtime directory, the address of its socket,
/// whether it takes over a namespace, and whether its steps are traced in its log.
pub const ROLE: &str = "coracle-netd";

/// Where it writes what ended it before its time, and its steps with `--debug`: a file among the logs of the data directory.
const LOG: &str = "netd.log";

/// How long it waits for the next container after the last one has gone; also how long a bridge without members stays.
const IDLE: Duration = Duration::from_secs(5);

/// How long nothing must happen before memory is given back.
const SETTLE: Duration = Duration::from_secs(1);

/// How long containers that ran before it are awaited: their supervisors come at once, and try again each second.
const AWAIT: Duration = Duration::from_secs(30);

/// After a lack of descriptors.
const RETRY: Duration = Duration::from_millis(100);

/// Tokens of the host part.
const CHANGES: u64 = 0;
const FILES: u64 = 1;

/// Tokens of the control part that are no client's.
const LISTENER: u64 = 0;
const OUTCOMES: u64 = 1;
const FIRST_CLIENT: u64 = 16;

/// Containers, and what they have.
pub type Running = BTreeMap<ContainerId, Joined>;

/// The role's entry, with the arguments after its name. `running` tells which containers run on networks when it starts:
/// they had an earlier netd and are about to come back. Returns the exit status.
pub fn main(args: &[OsString], running: &dyn Fn() -> Running) -> u8 {
    let [data, runtime, address, adoption, traced] = args else { return 125 };
    let Ok(listener) = inherited_fd(spawn::LISTENER) else { return 125 };
    let address = PathBuf::from(address);
    let lock = Path::new(runtime).join(client::LOCK);
    let Ok(spare) = listener.try_clone() else { return 125 };
    failpoint::watch(Path::new(runtime));
    failpoint::pass("netd.begin");
    let logs = Paths::logs_in(Path::new(data));
    let log = logs.join(LOG);
    // A log that cannot be written is done without.
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

/// The whole of it.
struct Netd {
    epoll: Epoll,
    listener: OwnedFd,
    inside: Inside,
    /// As they are defined.
    networks: Networks,
    table: Table,
    host: Host,
    parts: Parts,
    tun: Tun,
    vigil: Vigil,
    /// Of this round.
    now: Instant,
    /// Why containers do not reach the outside, if they do not.
    cut_off: Option<WireError>,
    /// Containers of before that are not back yet, and until when they are awaited.
    awaited: Running,
    give_up: Option<Instant>,
    /// There may be networks in R that nobody comes back to.
    unswept: bool,
    clients: BTreeMap<u64, Client>,
    next_client: u64,
    /// Networks whose bridges were asked for.
    bridges: BTreeMap<ContainerId, Network>,
    /// Those without members, and since when.
    unused: BTreeMap<ContainerId, Instant>,
    /// Since when there is no client.
    idle: Option<Instant>,
    /// Until when nobody is accepted.
    deaf: Option<Instant>,
    /// For messages, and for packets.
    buffer: Vec<u8>,
    packet: Vec<u8>,
}

/// What parts work with, made of what a [`Netd`] has.
macro_rules! context {
    ($netd:ident) => {
        Context {
            now: $netd.now,
            wakes: &$netd.epoll,
            sockets: $netd.inside.sockets(),
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
        let inside = Inside::start(adopted)?;
        let epoll = Epoll::new().context(|| "cannot wait for events")?;
        let watch = |fd, index| {
            epoll.watch(fd, Interest::READ, Token::new(Part::Control, index)).context(|| "cannot wait for events")
        };
        rustix::io::ioctl_fionbio(&listener, true).context(|| "cannot set up the socket")?;
        watch(listener.as_fd(), LISTENER)?;
        watch(inside.event(), OUTCOMES)?;
        let host = Host::new(networks.directory()).context(|| "cannot look at the host's network")?;
        for (fd, index) in [(host.changes(), CHANGES), (host.files(), FILES)] {
            epoll.watch(fd, Interest::READ, Token::new(Part::Host, index)).context(|| "cannot wait for events")?;
        }
        let addresses = |joined: &Joined| joined.endpoints.iter().flat_map(table::addresses).collect();
        let table = Table::awaiting(running.iter().map(|(id, joined)| (id.clone(), addresses(joined))).collect());
        let mut netd = Self {
            epoll,
            listener,
            inside,
            networks,
            table,
            parts: Parts::new(descriptors, host.resolv_conf()),
            host,
            tun: Tun::absent(),
            vigil: Vigil::new(),
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

    /// Serves until nobody needs it.
    fn run(&mut self, address: &Path, lock: &Path) -> Result<()> {
        let mut events = Vec::new();
        let mut settled = false;
        loop {
            let now = Instant::now();
            let deadline = self.deadline();
            let settle = (!settled).then_some(now + SETTLE);
            let timeout = deadline.into_iter().chain(settle).min().map(|at| at.saturating_duration_since(now));
            self.epoll.wait(&mut events, timeout, &mut self.vigil).context(|| "cannot wait for events")?;
            let waited = now.elapsed();
            let now = now + waited;
            self.now = now;
            if events.is_empty() && !settled && settle.is_some_and(|at| at <= now) {
                self.parts.settle();
                crate::sys::memory::trim();
                // Straight to sleep: what runs next is mapped again.
                let _ = crate::sys::memory::release_program_pages();
                settled = true;
            }
            settled &= events.is_empty();
            let (happened, moved) = (events.len(), self.moved());
            for (raw, what) in events.drain(..) {
                if let Some((part, index)) = Token::from_raw(raw) {
                    self.ready(part, index, what);
                }
            }
            if self.tun.look_at().is_some_and(|at| at <= now) {
                self.packets();
            }
            self.expire(now);
            self.vigil.note(waited, happened, self.moved() - moved);
            if self.idle.is_some_and(|since| since + IDLE <= now) && self.may_go(address, lock)? {
                return Ok(());
            }
        }
    }

    /// How many packets and messages netd has had in its hands.
    fn moved(&self) -> u64 {
        self.tun.passed() + self.parts.messages()
    }

    fn ready(&mut self, part: Part, index: u64, what: Interest) {
        match (part, index) {
            (Part::Control, LISTENER) => self.accept(),
            (Part::Control, OUTCOMES) => {
                for outcome in self.inside.outcomes() {
                    self.take(outcome);
                }
            }
            (Part::Control, client) => self.serve(client, what),
            (Part::Tun, _) => self.packets(),
            (Part::Host, CHANGES) => {
                if self.host.drain() {
                    self.look_at_host();
                }
            }
            (Part::Host, _) => {
                if self.host.reread() {
                    self.parts.resolvers_changed(self.host.resolv_conf());
                }
                self.look_at_definitions();
            }
            (part, index) => self.parts.ready(&mut context!(self), &self.table, part, index, what),
        }
    }

    /// Takes packets of containers, as many as there are but not for ever.
    fn packets(&mut self) {
        let (most, mut count) = (self.tun.most(self.now, self.vigil.sees_conversation()), 0);
        while count < most {
            let Some((offload, bytes)) = self.tun.receive(&mut self.packet) else { break };
            count += 1;
            match Ip::parse(bytes, offload) {
                Ok(packet) => self.parts.packet(&mut context!(self), &packet),
                Err(_) => self.tun.count_malformed(),
            }
        }
        self.parts.flush(&mut context!(self));
        self.tun.looked(&self.epoll, count, self.now);
    }

    /// Learns which addresses are the host's.
    fn look_at_host(&mut self) {
        // Without an answer, what was known before is the best there is.
        if let Ok(addresses) = self.host.addresses() {
            self.table.set_host_addresses(addresses);
        }
        self.parts.host_changed();
        self.parts.judge_again(&mut context!(self));
    }

    /// Follows `network update`. A definition that is gone or cannot be read leaves things as they are.
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
            // Before anybody is plugged in, so that everybody who is hears of it.
            Outcome::Ready(result) => {
                let used = result.and_then(|device| self.use_device(device));
                self.cut_off = used.err().as_ref().map(WireError::from);
            }
            // A failure comes back when somebody wants to be plugged into it.
            Outcome::Network(result) => drop(result.and_then(|()| self.answer_questions())),
            Outcome::Done(ticket, result) => self.done(ticket, result),
            Outcome::Counted(ticket, result) => self.counted(ticket, result),
        }
    }

    /// From now on there is a way out. Without a gate, TCP is spoken here.
    fn use_device(&mut self, device: Device) -> Result<()> {
        let token = Token::new(Part::Tun, 0);
        self.epoll.watch(device.fd.as_fd(), Interest::READ, token).context(|| "cannot wait for packets")?;
        self.tun = Tun::new(device.fd, device.cuts_udp);
        match device.has_gate {
            true => self.parts.open_gate(&mut context!(self)),
            false => Ok(()),
        }
    }

    /// When something is due without anything having happened.
    fn deadline(&self) -> Option<Instant> {
        let idle = self.idle.map(|since| since + IDLE);
        let unused = self.unused.values().min().map(|since| *since + IDLE);
        let parts = [self.tun.look_at(), self.parts.deadline()];
        [idle, unused, self.deaf, self.give_up].into_iter().chain(parts).flatten().min()
    }

    fn expire(&mut self, now: Instant) {
        self.parts.expire(&mut context!(self));
        if self.deaf.is_some_and(|until| until <= now) {
            let listening = Token::new(Part::Control, LISTENER);
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
            self.inside.order(Job::RemoveNetwork(id));
        }
        if removed {
            let _ = self.answer_questions();
        }
    }

    /// Everybody who was here before is back, or does not come: networks of an earlier netd that nobody has asked for are
    /// not needed. Those of containers that could not come yet stay, so that their neighbours do.
    fn sweep(&mut self) {
        if std::mem::take(&mut self.unswept) {
            let late = self.awaited.values().flat_map(|joined| &joined.endpoints);
            self.inside.order(Job::Sweep(late.map(|endpoint| endpoint.network_id.clone()).collect()));
        }
    }

    /// Asks for the bridge of a network, unless it is there.
    fn need_bridge(&mut self, network: &Network) {
        self.unused.remove(&network.id);
        if self.bridges.get(&network.id) != Some(network) {
            // Whoever had its addresses before loses its bridge (`Router::displace`).
            self.bridges.retain(|id, other| *id == network.id || !share_addresses(other, network));
            self.unused.retain(|id, _| self.bridges.contains_key(id));
            self.table.update(network);
            self.bridges.insert(network.id.clone(), network.clone());
            self.inside.order(Job::AddNetwork(Box::new(network.clone())));
        }
    }

    /// Listens on the gateways of all networks whose members want names.
    fn answer_questions(&mut self) -> Result<()> {
        let networks = self.bridges.values().filter(|network| network.dns);
        let gateways: Vec<_> = networks.flat_map(|network| &network.subnets).map(|subnet| subnet.gateway).collect();
        self.parts.answer_on(&mut context!(self), &gateways)
    }

    /// Looks which bridges have no members any more.
    fn note_unused(&mut self) {
        let now = Instant::now();
        for id in self.bridges.keys() {
            if self.table.network(id).is_none() {
                self.unused.entry(id.clone()).or_insert(now);
            }
        }
    }

    fn accept(&mut self) {
        // The socket and its directory are the user's alone, and so is who connects.
        loop {
            let socket = match accept_with(&self.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(socket) => socket,
                Err(Errno::INTR | Errno::CONNABORTED) => continue,
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => return self.deafen(),
                Err(_) => return,
            };
            if check_peer(socket.as_fd()).is_err() {
                continue;
            }
            let id = self.next_client;
            let watched = self.epoll.watch(socket.as_fd(), Interest::READ, Token::new(Part::Control, id));
            if watched.is_ok() {
                self.next_client += 1;
                self.clients.insert(id, Client::new(socket));
                self.idle = None;
            }
        }
    }

    /// There is no room for another supervisor: who connects waits a moment.
    fn deafen(&mut self) {
        if self.epoll.ignore(self.listener.as_fd()).is_ok() {
            self.deaf = Some(self.now + RETRY);
        }
    }

    /// Whether nobody is about to connect; then the socket is gone.
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

/// netd ends when nobody needs it and not before: what ends a login session must not cut containers off. It opens many
/// files: so many.
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
