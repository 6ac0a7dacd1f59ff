//! DNS for containers: a forwarder on the gateway of each network with DNS.
//!
//! # Theory of operation
//!
//! Each gateway has a UDP and a TCP socket in the router's namespace. A client is identified by its source address,
//! which must be that of a member ([`Table`]); other queries are ignored. [`local`] decides: names of containers are
//! answered here. Every other query is relayed to a resolver over the protocol it came with, and the answer is relayed
//! back, both unparsed: EDNS, signatures and future types survive. Only the id of the query is replaced by a random
//! one, since some containers choose guessable ones, and restored in the answer. An answer counts only if it has that
//! id and repeats the question.
//!
//! Every relayed query has a socket of its own in the host's namespace: a random port, errors that concern it alone,
//! and no state when it is closed. If a resolver fails (SERVFAIL, REFUSED) or its port is closed, the next one is asked
//! at once; if it is silent, after [`PATIENCE`], while a late answer of the first still counts. A query that the
//! container repeats meanwhile is dropped.
//!
//! There is no cache: the host's resolver has one, and knows when the network has changed. The resolvers are the host's
//! current ones ([`Dns::set_resolv`]).
//!
//! Limits: [`QUERIES_MAX`] pending queries, [`QUERIES_EACH`] per container; [`CONNECTIONS_MAX`] connections,
//! [`CONNECTIONS_EACH`] per container. A query beyond them is dropped, so that the client retries. In a full table the
//! container with the most entries loses its oldest, so several containers together cannot lock another one out.

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

use super::handler::{Context, Handler, Holder, Interest, Token};
use super::table::Table;
use crate::base::{Error, Result, ResultExt};
use local::Decision;
use message::Rejected;
use relay::Query;
pub use resolv::Resolv;
use slots::{Key, Slots};
use stream::Connection;

/// Chooses the entry of a full table that makes room for `holder`: the oldest of the container with the most entries,
/// unless `holder` would then have as many. Each entry comes with its container and its age.
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

/// The port of the forwarder.
const PORT: u16 = 53;
/// The most pending queries.
const QUERIES_MAX: usize = 1024;
/// The most of one container.
const QUERIES_EACH: usize = 256;
/// The most connections of containers.
const CONNECTIONS_MAX: usize = 256;
/// The most of one container.
const CONNECTIONS_EACH: usize = 16;
/// How long a resolver may be silent before the next one is asked as well.
const PATIENCE: Duration = Duration::from_millis(1500);
/// The same over TCP, where the kernel retransmits.
const PATIENCE_TCP: Duration = Duration::from_secs(4);
/// The longest life of a query.
const LIFE: Duration = Duration::from_secs(10);
/// The idle timeout of a connection.
const IDLE: Duration = Duration::from_secs(10);
/// How long accepting pauses after a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The longest query that is read.
const QUESTION_MAX: usize = 4096;
/// Messages that are read from a socket per call.
const BATCH: usize = 32;
/// The listen backlog.
const BACKLOG: i32 = 64;

/// The forwarder.
#[derive(Debug)]
pub struct Dns {
    port: u16,
    resolv: Resolv,
    listeners: Slots<Listener>,
    connections: Slots<Connection>,
    queries: Slots<Query>,
    /// Pending UDP queries, by listener, sender and id.
    pending: HashMap<(Key, SocketAddr, u16), Key>,
    timers: BTreeSet<(Instant, Timer)>,
    /// Rotates the order of several addresses.
    turn: usize,
    buffer: Vec<u8>,
}

/// What a timer is for.
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

/// What a descriptor of this handler is, as its token tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Udp(Key),
    Accept(Key),
    Connection(Key),
    Attempt(Key, usize),
}

/// The most attempts per query, limited by the token.
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
    /// Without listeners; asks the resolvers of `resolv`.
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

    /// The host's resolv.conf has changed. Pending queries keep their resolvers.
    pub fn set_resolv(&mut self, resolv: Resolv) {
        self.resolv = resolv;
    }

    /// Listens on exactly these gateways. Continues after a failure and returns the first one; a later call retries.
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

    /// Handles events of a descriptor.
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

    /// Runs the timers that are due.
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

    /// Drops the queries of these addresses: another container may get them next.
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
            // The bridge may get its address a moment later (ip(7), IP_FREEBIND).
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
        // If the kernel chose the port, both sockets use the same one.
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

    /// Reads UDP queries.
    fn receive(&mut self, cx: &mut Context<'_>, table: &Table, listener: Key) {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(QUESTION_MAX, 0);
        for _ in 0..BATCH {
            let Some(udp) = self.listeners.get(listener).map(|listener| &listener.udp) else { break };
            // TRUNC returns the real length, which shows that a query is too long.
            let received = rustix::net::recvfrom(udp, &mut buffer[..], RecvFlags::DONTWAIT | RecvFlags::TRUNC);
            let (length, peer) = match received {
                Ok((_, length, peer)) => (length, peer.and_then(|peer| SocketAddr::try_from(peer).ok())),
                Err(rustix::io::Errno::INTR) => continue,
                // This also clears errors of an earlier answer (ICMP), which concern nobody.
                Err(rustix::io::Errno::AGAIN) | Err(_) => break,
            };
            if let (Some(question), Some(peer)) = (buffer.get(..length), peer) {
                self.question(cx, table, question, peer.ip(), ReplyTo::Udp { listener, peer });
            }
        }
        self.buffer = buffer;
    }

    /// Handles one query, from either protocol.
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

    /// Sends an answer, if the client still waits.
    fn deliver(&mut self, cx: &mut Context<'_>, back: ReplyTo, answer: &[u8]) {
        match back {
            ReplyTo::Udp { listener, peer } => {
                if let Some(listener) = self.listeners.get(listener) {
                    // If the answer is lost, the client retries.
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

/// A random id for a relayed query, from the kernel.
fn random_id() -> Result<u16> {
    let mut bytes = [0; 2];
    crate::base::id::random_bytes(&mut bytes).map_err(|error| Error::system("no random number").caused_by(error))?;
    Ok(u16::from_be_bytes(bytes))
}
