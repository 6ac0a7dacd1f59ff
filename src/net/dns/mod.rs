//! Names for containers: a forwarder on the gateway of every network that has names.
//!
//! # Theory of operation
//!
//! Each gateway has a UDP and a TCP socket in the router's namespace. Who asks is told by the source address, which is
//! that of a member ([`Table`]); nobody else is answered. [`local`] decides: what is known here is answered at once,
//! everything else goes unread to a resolver, over the protocol it came with, and its answer goes back unread: EDNS,
//! signatures and types nobody has thought of yet survive. Two things are changed on the way: the number of the question is
//! replaced by a random one, since those of some containers can be guessed, and put back in the answer. An answer counts
//! only if it has that number and repeats the question.
//!
//! Every relayed question has a socket of its own in the host's namespace: a random port, errors that belong to it alone,
//! and no state when it is closed. A resolver that says that it cannot (SERVFAIL, REFUSED), or where nobody listens, is
//! followed by the next one at once; one that says nothing, after [`PATIENCE`], while an answer of the first would still
//! be taken. A container that repeats its question meanwhile changes nothing.
//!
//! Nothing is cached: the host's resolver does that, and knows when the network has changed. The host's resolvers are
//! those of the moment ([`Dns::set_resolv`]).
//!
//! Bounds: [`QUERIES_MAX`] questions under way, [`QUERIES_EACH`] of one container; [`CONNECTIONS_MAX`] connections,
//! [`CONNECTIONS_EACH`] of one container. A question beyond them is not answered, so that it is asked again. When there is no
//! room for anybody, whoever has most gives up its oldest: so many together cannot keep another one out either.

mod local;
mod message;
mod relay;
mod resolv;
mod slots;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, sockopt};

use super::handler::{Context, Holder, Interest, Handler, Token};
use super::table::Table;
use crate::base::{Error, Result, ResultExt};
use local::Decision;
use message::Rejected;
use relay::Query;
pub use resolv::Resolv;
use slots::{Key, Slots};
use stream::Connection;

/// In a full table, what goes so that `holder` can have one more: the oldest of whoever has most, unless `holder` would then
/// have as many. Each entry is told with whose it is, and since when.
fn oldest_of_largest<K: Copy>(entries: impl Iterator<Item = (K, Holder, Instant)>, holder: Holder) -> Option<K> {
    let mut held: HashMap<Holder, (usize, Instant, K)> = HashMap::new();
    for (key, of, since) in entries {
        let (count, oldest, which) = held.entry(of).or_insert((0, since, key));
        *count += 1;
        if since < *oldest {
            (*oldest, *which) = (since, key);
        }
    }
    let own = held.get(&holder).map_or(0, |(count, ..)| *count);
    held.values().max_by_key(|(count, ..)| *count).filter(|(most, ..)| own + 1 < *most).map(|(.., key)| *key)
}

/// Where questions come in.
const PORT: u16 = 53;
/// Questions under way.
const QUERIES_MAX: usize = 1024;
/// Those of one container.
const QUERIES_EACH: usize = 256;
/// Connections of containers.
const CONNECTIONS_MAX: usize = 256;
/// Those of one container.
const CONNECTIONS_EACH: usize = 16;
/// How long a resolver may be silent before the next one is asked, too.
const PATIENCE: Duration = Duration::from_millis(1500);
/// The same over TCP, where the kernel repeats what is lost.
const PATIENCE_TCP: Duration = Duration::from_secs(4);
/// How long a question is under way at most.
const LIFE: Duration = Duration::from_secs(10);
/// How long a connection may be silent.
const IDLE: Duration = Duration::from_secs(10);
/// How long nobody is accepted after a lack of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The longest question that is read.
const QUESTION_MAX: usize = 4096;
/// Messages that are taken from a socket before others have their turn.
const BATCH: usize = 32;
/// Waiting connections of one listening socket.
const BACKLOG: i32 = 64;

/// The forwarder.
#[derive(Debug)]
pub struct Dns {
    port: u16,
    resolv: Resolv,
    listeners: Slots<Listener>,
    connections: Slots<Connection>,
    queries: Slots<Query>,
    /// Questions over UDP that are under way, by listener, sender and number.
    pending: HashMap<(Key, SocketAddr, u16), Key>,
    timers: BTreeSet<(Instant, Timer)>,
    /// Which of several addresses comes first.
    turn: usize,
    buffer: Vec<u8>,
}

/// Whose time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Query(Key),
    Connection(Key),
    Listener(Key),
}

/// One gateway.
#[derive(Debug)]
struct Listener {
    address: IpAddr,
    udp: OwnedFd,
    tcp: OwnedFd,
}

/// Where an answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReplyTo {
    Udp { listener: Key, peer: SocketAddr },
    Tcp { connection: Key },
}

/// A descriptor of this part, as its token tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Udp(Key),
    Accept(Key),
    Connection(Key),
    Attempt(Key, usize),
}

/// Attempts that one question has at most, as far as tokens go.
const ATTEMPTS_MAX: usize = 16;

impl Source {
    fn token(self) -> Token {
        let (kind, key, attempt) = match self {
            Source::Udp(key) => (0, key, 0),
            Source::Accept(key) => (1, key, 0),
            Source::Connection(key) => (2, key, 0),
            Source::Attempt(key, attempt) => (3, key, attempt as u64),
        };
        Token::new(Handler::Dns, kind << (Key::BITS + 4) | attempt << Key::BITS | key.raw())
    }

    fn from_index(index: u64) -> Option<Self> {
        let key = Key::from_raw(index);
        let attempt = (index >> Key::BITS) as usize & (ATTEMPTS_MAX - 1);
        match index >> (Key::BITS + 4) {
            0 => Some(Source::Udp(key)),
            1 => Some(Source::Accept(key)),
            2 => Some(Source::Connection(key)),
            3 => Some(Source::Attempt(key, attempt)),
            _ => None,
        }
    }
}

impl Dns {
    /// Listens nowhere yet, and asks the resolvers of `resolv`.
    pub fn new(resolv: Resolv) -> Self {
        Self {
            port: PORT,
            resolv,
            listeners: Slots::new(),
            connections: Slots::new(),
            queries: Slots::new(),
            pending: HashMap::new(),
            timers: BTreeSet::new(),
            turn: 0,
            buffer: Vec::new(),
        }
    }

    /// The host's resolv.conf has changed. Questions under way go on as they are.
    pub fn set_resolv(&mut self, resolv: Resolv) {
        self.resolv = resolv;
    }

    /// Listens on these gateways and no others. Goes on after a failure and returns the first one; it may be called again.
    pub fn listen(&mut self, cx: &mut Context<'_>, gateways: &[IpAddr]) -> Result<()> {
        let gone: Vec<Key> =
            self.listeners.iter().filter(|(_, l)| !gateways.contains(&l.address)).map(|(k, _)| k).collect();
        for key in gone {
            self.listeners.remove(key);
        }
        let mut first = Ok(());
        for address in gateways {
            if self.listeners.iter().any(|(_, listener)| listener.address == *address) {
                continue;
            }
            let opened = self.open(cx, *address);
            first = first.and(opened.context(|| format!("cannot answer questions on the gateway {address}")));
        }
        first
    }

    /// A descriptor of this part is ready.
    pub fn ready(&mut self, cx: &mut Context<'_>, table: &Table, index: u64, what: Interest) {
        match Source::from_index(index) {
            Some(Source::Udp(listener)) => self.receive(cx, table, listener),
            Some(Source::Accept(listener)) => self.accept(cx, table, listener),
            Some(Source::Connection(connection)) => self.connection_ready(cx, table, connection, what),
            Some(Source::Attempt(query, attempt)) => self.attempt_ready(cx, query, attempt, what),
            None => {}
        }
    }

    /// When [`Dns::expire`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Does what is due.
    pub fn expire(&mut self, cx: &mut Context<'_>) {
        while let Some((_, timer)) = self.timers.first().copied().filter(|(at, _)| *at <= cx.now) {
            self.timers.pop_first();
            match timer {
                Timer::Query(query) => self.attempt_timeout(cx, query),
                Timer::Connection(connection) => self.close_if_idle(cx.now, connection),
                Timer::Listener(listener) => self.resume_accepting(cx, listener),
            }
        }
    }

    /// Forgets what was asked from these addresses: others may have them next.
    pub fn member_left(&mut self, addresses: &[IpAddr]) {
        let is_theirs = |asker: &IpAddr| addresses.contains(asker);
        let queries: Vec<Key> = self.queries.iter().filter(|(_, q)| is_theirs(&q.asker)).map(|(key, _)| key).collect();
        for key in queries {
            self.forget(key);
        }
        let connections = self.connections.iter().filter(|(_, connection)| is_theirs(&connection.asker));
        let connections: Vec<Key> = connections.map(|(key, _)| key).collect();
        for key in connections {
            self.close_connection(key);
        }
    }

    fn open(&mut self, cx: &Context<'_>, address: IpAddr) -> io::Result<()> {
        let make = |kind| {
            let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
            let socket = cx.sockets.router(family, kind, None)?;
            // The bridge may be given its address a moment later (ip(7), IP_FREEBIND).
            match address {
                IpAddr::V4(_) => sockopt::set_ip_freebind(&socket, true)?,
                IpAddr::V6(_) => sockopt::set_ipv6_freebind(&socket, true)?,
            }
            if kind == SocketType::STREAM {
                sockopt::set_socket_reuseaddr(&socket, true)?;
            }
            Ok::<_, io::Error>(socket)
        };
        let udp = make(SocketType::DGRAM)?;
        rustix::net::bind(&udp, &SocketAddr::new(address, self.port))?;
        // Where the port was left to the kernel, both have the same.
        let port = local_port(&udp)?;
        let tcp = make(SocketType::STREAM)?;
        rustix::net::bind(&tcp, &SocketAddr::new(address, port))?;
        rustix::net::listen(&tcp, BACKLOG)?;
        let key = self.listeners.insert(Listener { address, udp, tcp });
        let Some(listener) = self.listeners.get(key) else { return Ok(()) };
        let watched = cx
            .wakes
            .watch(listener.udp.as_fd(), Interest::READ, Source::Udp(key).token())
            .and_then(|()| cx.wakes.watch(listener.tcp.as_fd(), Interest::READ, Source::Accept(key).token()));
        if watched.is_err() {
            self.listeners.remove(key);
        }
        watched
    }

    /// Questions over UDP.
    fn receive(&mut self, cx: &mut Context<'_>, table: &Table, listener: Key) {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(QUESTION_MAX, 0);
        for _ in 0..BATCH {
            let Some(udp) = self.listeners.get(listener).map(|listener| &listener.udp) else { break };
            // TRUNC: the real length comes back, and a question that is too long is seen to be.
            let received = rustix::net::recvfrom(udp, &mut buffer[..], RecvFlags::DONTWAIT | RecvFlags::TRUNC);
            let (length, peer) = match received {
                Ok((_, length, peer)) => (length, peer.and_then(|peer| SocketAddr::try_from(peer).ok())),
                Err(rustix::io::Errno::INTR) => continue,
                // Errors of an earlier answer (ICMP) are taken away by this, and nobody's business.
                Err(rustix::io::Errno::AGAIN) | Err(_) => break,
            };
            if let (Some(question), Some(peer)) = (buffer.get(..length), peer) {
                self.question(cx, table, question, peer.ip(), ReplyTo::Udp { listener, peer });
            }
        }
        self.buffer = buffer;
    }

    /// One question, wherever it came from.
    fn question(&mut self, cx: &mut Context<'_>, table: &Table, message: &[u8], asker: IpAddr, back: ReplyTo) {
        if table.owner(asker).is_none() {
            return;
        }
        let question = match message::parse(message) {
            Ok(question) => question,
            Err(Rejected::Noise) => {
                if let ReplyTo::Tcp { connection } = back {
                    self.close_connection(connection);
                }
                return;
            }
            Err(Rejected::Answer(code)) => {
                if let Some(answer) = message::refuse(message, code) {
                    self.deliver(cx, back, &answer);
                }
                return;
            }
        };
        let limit = match back {
            ReplyTo::Udp { .. } => question.udp_limit(),
            ReplyTo::Tcp { .. } => message::MESSAGE_MAX,
        };
        let servers = match local::decide(table, asker, &question, self.turn) {
            Decision::Answer(code, data) => {
                self.turn = self.turn.wrapping_add(1);
                let answer = question.answer(message, code, &data, limit);
                self.deliver(cx, back, &answer);
                return;
            }
            Decision::AskHost => self.resolv.servers.clone(),
            Decision::Ask(servers) => Resolv::at(&servers),
        };
        self.relay(cx, message, question, asker, back, servers);
    }

    /// Sends an answer to whom it belongs, if it is still there.
    fn deliver(&mut self, cx: &mut Context<'_>, back: ReplyTo, answer: &[u8]) {
        match back {
            ReplyTo::Udp { listener, peer } => {
                if let Some(listener) = self.listeners.get(listener) {
                    // What is lost is asked for again.
                    let _ = rustix::net::sendto(&listener.udp, answer, SendFlags::DONTWAIT, &peer);
                }
            }
            ReplyTo::Tcp { connection } => self.answer_on(cx, connection, answer),
        }
    }
}

fn local_port(socket: &OwnedFd) -> io::Result<u16> {
    let address = SocketAddr::try_from(rustix::net::getsockname(socket)?)?;
    Ok(address.port())
}

/// The number of a relayed question, from the kernel's random numbers.
fn random_id() -> Result<u16> {
    let mut bytes = [0; 2];
    crate::base::id::random_bytes(&mut bytes).map_err(|error| Error::system("no random number").caused_by(error))?;
    Ok(u16::from_be_bytes(bytes))
}
