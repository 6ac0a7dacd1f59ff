//! Flows with a userspace connection: gives [`super::userspace`] its sockets, timers and packets.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::time::Instant;

use rustix::io::Errno;
use rustix::net::sockopt::socket_send_buffer_size;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};

use super::keys::Key;
use super::slab::Id;
use super::tproxy::Syn;
use super::userspace::{BUFFER, Connection, Env, Upstream, Verdict};
use super::{FAR, Flow, NewFlow, Origin, Progress, Tcp};
use crate::net::handler::{Context, Interest};
use crate::net::packet::{self, Pair};
use crate::sys::tcp::{discard, set_peek_offset, unacknowledged};

/// How many source ports are tried for a client, and the distance between them.
const PORTS: u16 = 16;
const STEP: u16 = 1013;

/// What all userspace flows share. It allocates with the first one.
#[derive(Debug, Default)]
pub(super) struct UserspaceFlows {
    buffer: Vec<u8>,
    /// For kernels without SO_PEEK_OFF on TCP.
    peek_buffer: Vec<u8>,
    /// The timers of flows; outdated entries stay, see [`Flow::alarm`].
    alarms: BinaryHeap<Reverse<(Instant, u64)>>,
    /// How many bytes they have buffered.
    kept: usize,
    /// For initial sequence numbers that cannot be guessed.
    secret: RandomState,
}

impl UserspaceFlows {
    /// When the next timer of a flow is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.alarms.peek().map(|Reverse((when, _))| *when)
    }

    /// A flow has ended: its buffered bytes no longer count.
    pub(super) fn release(&mut self, progress: &Progress) {
        if let Progress::Userspace(connection) = progress {
            self.kept = self.kept.saturating_sub(connection.kept());
        }
    }

    /// Runs a call of a connection with the far socket `far` and the shared state.
    fn play<T>(&mut self, cx: &mut Context<'_>, far: &OwnedFd, what: impl FnOnce(&mut Env<'_>) -> T) -> T {
        let mut upstream = Far { socket: far.as_fd(), peek_buffer: &mut self.peek_buffer };
        what(&mut Env {
            now: cx.now,
            upstream: &mut upstream,
            link: &mut *cx.link,
            buffer: &mut self.buffer,
            kept: &mut self.kept,
        })
    }

    /// The initial sequence number (RFC 6528): a clock of 4 microseconds, plus a hash of the two ends.
    fn start(&self, key: &Key, now: Instant) -> u32 {
        static BEGINNING: OnceLock<Instant> = OnceLock::new();
        let clock = now.saturating_duration_since(*BEGINNING.get_or_init(|| now)).as_micros() / 4;
        let place = self.secret.hash_one(key);
        // Only the lower half of both counts.
        u32::try_from((clock + u128::from(place)) & 0xffff_ffff).unwrap_or(0)
    }
}

/// A socket of H.
struct Far<'a> {
    socket: BorrowedFd<'a>,
    peek_buffer: &'a mut Vec<u8>,
}

impl Upstream for Far<'_> {
    fn peek(&mut self, skip: usize, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let looked = match set_peek_offset(self.socket, skip) {
            Ok(()) => recv(self.socket, &mut *buffer, flags).map(|(count, _)| count),
            // Before Linux 6.9.
            Err(_) => {
                self.peek_buffer.resize(skip + buffer.len(), 0);
                recv(self.socket, self.peek_buffer.as_mut_slice(), flags).and_then(|(count, _)| {
                    let seen = self.peek_buffer.get(skip..count).unwrap_or_default();
                    if let Some(place) = buffer.get_mut(..seen.len()) {
                        place.copy_from_slice(seen);
                    }
                    match seen.len() {
                        // `skip` covers all there is. Whether the stream has ended shows once the bytes are removed.
                        0 if skip > 0 => Err(Errno::AGAIN),
                        length => Ok(length),
                    }
                })
            }
        };
        match looked {
            Ok(count) => Ok(Some(count)),
            Err(Errno::AGAIN) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    fn take(&mut self, mut count: usize) -> io::Result<()> {
        while count > 0 {
            match discard(self.socket, count)? {
                0 => break,
                taken => count -= taken.min(count),
            }
        }
        Ok(())
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        // Write until there is no room: only then does epoll report new room.
        while !bytes.is_empty() {
            match send(self.socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(count) => {
                    written += count;
                    bytes = bytes.get(count..).unwrap_or_default();
                }
                Err(Errno::AGAIN) => break,
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(written)
    }

    fn room(&mut self) -> usize {
        // The kernel charges its bookkeeping to the buffer; half of it surely holds data.
        let size = socket_send_buffer_size(self.socket).unwrap_or(0) / 2;
        size.saturating_sub(unacknowledged(self.socket).unwrap_or(0))
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(shutdown(self.socket, Shutdown::Write)?)
    }
}

impl Tcp {
    /// The far end has connected: answers the container's SYN.
    pub(super) fn accept_userspace(&mut self, cx: &mut Context<'_>, id: Id, syn: &Syn) {
        let (Some(flow), Some((pair, syn))) = (self.flows.get_mut(id), syn.packet()) else { return };
        let (Origin::Outward(key), Some(far)) = (flow.origin, &flow.ends[FAR]) else { return };
        self.userspace.buffer.resize(BUFFER, 0);
        let start = self.userspace.start(&key, cx.now);
        let connection = self.userspace.play(cx, far, |env| Connection::begin(pair, &syn, start, env));
        flow.progress = Progress::Userspace(Box::new(connection));
        // Events of the far end while it was connecting are not reported again.
        self.userspace_ready(cx, id, Interest::READ | Interest::WRITE);
    }

    /// Adds an inbound flow: connects to `target` under the client's address, and, if that is refused, to `other` as
    /// the gateway. Gives the client's socket back if it cannot.
    pub(in crate::net) fn connect_userspace(
        &mut self,
        cx: &mut Context<'_>,
        far: OwnedFd,
        client: SocketAddr,
        target: SocketAddr,
        other: Option<SocketAddr>,
    ) -> Result<(), OwnedFd> {
        // The same client may have a connection from the same port to the same container through another published
        // port, or may have had one a moment ago.
        let ports = (0..PORTS).map(|number| client.port().wrapping_add(number.wrapping_mul(STEP)));
        let keys = ports.filter(|port| *port == client.port() || *port >= 1024).map(|port| {
            let client = SocketAddr::new(client.ip(), port);
            Key::new(target, client)
        });
        let key = keys.into_iter().find(|key| !self.keys.knows(key));
        let (Some(key), Some(pair)) = (key, Pair::new(client.ip(), target.ip())) else { return Err(far) };
        self.userspace.buffer.resize(BUFFER, 0);
        let start = self.userspace.start(&key, cx.now);
        let ports = (key.destination.1, key.source.1);
        let connection = self.userspace.play(cx, &far, |env| Connection::call(pair, ports, start, env));
        let holder = cx.policy.holder(target.ip());
        let progress = Progress::Userspace(Box::new(connection));
        let (origin, ends) = (Origin::Called(key, other), [None, Some(far)]);
        let Some(id) = self.add(NewFlow { holder, origin, progress, ends }, cx.now) else { return Ok(()) };
        self.keys.called(key, id);
        self.set_alarm(id);
        if self.watch(cx, id, FAR).is_err() {
            self.abort(cx, id);
        }
        Ok(())
    }

    /// The SYN of a userspace flow was retransmitted.
    pub(super) fn userspace_syn(&mut self, cx: &mut Context<'_>, id: Id, syn: &Syn) {
        if let Some((_, syn)) = syn.packet() {
            self.drive(cx, id, |connection, env| {
                connection.again(&syn, env);
                Ok(Verdict::Continue)
            });
        }
    }

    /// A segment of a userspace flow.
    pub(super) fn userspace_segment(&mut self, cx: &mut Context<'_>, id: Id, tcp: &packet::Tcp<'_>) {
        self.drive(cx, id, |connection, env| connection.segment(tcp, env));
    }

    /// Events of the far end of a userspace flow.
    pub(super) fn userspace_ready(&mut self, cx: &mut Context<'_>, id: Id, what: Interest) {
        let ending = what.intersects(Interest::READ_CLOSED | Interest::CLOSED | Interest::ERROR);
        let broken = what.contains(Interest::ERROR);
        self.drive(cx, id, |connection, env| {
            let was_blocked = connection.is_blocked();
            connection.note(what.contains(Interest::READ), what.contains(Interest::WRITE), ending);
            let verdict = connection.proceed(was_blocked, env)?;
            // Bytes before the reset were sent as far as the container's window allowed.
            if broken { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(verdict) }
        });
    }

    /// Sends the container of a userspace flow a reset.
    pub(super) fn reset_userspace(&mut self, cx: &mut Context<'_>, id: Id) {
        if matches!(self.flows.get(id), Some(Flow { progress: Progress::Userspace(_), .. })) {
            self.drive(cx, id, |connection, env| {
                connection.reset(env);
                Ok(Verdict::Continue)
            });
        }
    }

    /// Runs the timers that are due.
    pub(super) fn expire_userspace(&mut self, cx: &mut Context<'_>) {
        while let Some(Reverse((when, raw))) = self.userspace.alarms.peek().copied()
            && when <= cx.now
        {
            self.userspace.alarms.pop();
            let id = Id::from_raw(raw);
            if let Some(flow) = self.flows.get_mut(id).filter(|flow| flow.alarm == Some(when)) {
                flow.alarm = None;
                self.drive(cx, id, Connection::timeout);
            }
        }
    }

    fn drive(
        &mut self,
        cx: &mut Context<'_>,
        id: Id,
        what: impl FnOnce(&mut Connection, &mut Env<'_>) -> io::Result<Verdict>,
    ) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        let (Progress::Userspace(connection), Some(far)) = (&mut flow.progress, &flow.ends[FAR]) else { return };
        let was_open = connection.is_open();
        let verdict = self.userspace.play(cx, far, |env| what(connection, env));
        flow.used = cx.now;
        if let (false, true, Some(key)) = (was_open, connection.is_open(), flow.origin.key()) {
            self.keys.accept(key);
            self.made(cx.now, id);
        }
        let Some(flow) = self.flows.get_mut(id) else { return };
        let Progress::Userspace(connection) = &mut flow.progress else { return };
        match verdict {
            Ok(Verdict::Continue) => self.set_alarm(id),
            Ok(Verdict::Closed) => self.finish(cx.now, id),
            Ok(Verdict::Aborted) => {
                // The container has forgotten the connection: no more packets.
                let other = match flow.origin {
                    Origin::Called(_, other) if !connection.is_open() => other,
                    _ => None,
                };
                let progress = std::mem::replace(&mut flow.progress, Progress::Reaching(other));
                self.userspace.release(&progress);
                self.reach_elsewhere(cx, id);
            }
            Err(_) => self.abort(cx, id),
        }
    }

    fn set_alarm(&mut self, id: Id) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        let Progress::Userspace(connection) = &flow.progress else { return };
        if let Some(when) = connection.deadline()
            && flow.alarm.is_none_or(|alarm| when < alarm)
        {
            flow.alarm = Some(when);
            self.userspace.alarms.push(Reverse((when, id.raw())));
        }
    }
}
