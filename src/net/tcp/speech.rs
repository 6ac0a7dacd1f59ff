//! Spoken flows: what [`super::spoken`] decides, done with sockets.

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

use super::gate::Syn;
use super::keys::Key;
use super::slab::Id;
use super::spoken::{BUFFER, Conversation, Fate, Scene, Upstream};
use super::{FAR, Flow, NewFlow, Origin, Progress, Tcp};
use crate::net::packet::{self, Pair};
use crate::net::part::{Context, Interest};
use crate::sys::tcp::{discard, set_peek_offset, unacknowledged};

/// How many ports of a client's are tried for a connection of its, and how far they are apart.
const PORTS: u16 = 16;
const STEP: u16 = 1013;

/// What all spoken flows share. It takes memory from the first one on.
#[derive(Debug, Default)]
pub(super) struct Speech {
    buffer: Vec<u8>,
    /// For kernels that look at the beginning only.
    look: Vec<u8>,
    /// When to call which flow; some entries are too early, see [`Flow::alarm`].
    alarms: BinaryHeap<Reverse<(Instant, u64)>>,
    /// How many bytes they keep.
    kept: usize,
    /// For numbers that nobody guesses.
    secret: RandomState,
}

impl Speech {
    /// When a flow wants to be called.
    pub(super) fn next(&self) -> Option<Instant> {
        self.alarms.peek().map(|Reverse((when, _))| *when)
    }

    /// A flow is over: what it kept is not any more.
    pub(super) fn release(&mut self, progress: &Progress) {
        if let Progress::Spoken(conversation) = progress {
            self.kept = self.kept.saturating_sub(conversation.kept());
        }
    }

    /// What a conversation does at the far end `far`, and with all that flows share.
    fn play<T>(&mut self, cx: &mut Context<'_>, far: &OwnedFd, what: impl FnOnce(&mut Scene<'_>) -> T) -> T {
        let mut upstream = Far { socket: far.as_fd(), look: &mut self.look };
        what(&mut Scene {
            now: cx.now,
            upstream: &mut upstream,
            link: &mut *cx.link,
            buffer: &mut self.buffer,
            kept: &mut self.kept,
        })
    }

    /// A number to begin with (RFC 6528): a clock of 4 microseconds, from a place that depends on the ends.
    fn start(&self, key: &Key, now: Instant) -> u32 {
        static BEGINNING: OnceLock<Instant> = OnceLock::new();
        let clock = now.saturating_duration_since(*BEGINNING.get_or_init(|| now)).as_micros() / 4;
        let place = self.secret.hash_one(key);
        // The lower half of both is meant.
        u32::try_from((clock + u128::from(place)) & 0xffff_ffff).unwrap_or(0)
    }
}

/// A socket of H.
struct Far<'a> {
    socket: BorrowedFd<'a>,
    look: &'a mut Vec<u8>,
}

impl Upstream for Far<'_> {
    fn look(&mut self, skip: usize, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let looked = match set_peek_offset(self.socket, skip) {
            Ok(()) => recv(self.socket, &mut *buffer, flags).map(|(count, _)| count),
            // Before Linux 6.9.
            Err(_) => {
                self.look.resize(skip + buffer.len(), 0);
                recv(self.socket, self.look.as_mut_slice(), flags).and_then(|(count, _)| {
                    let seen = self.look.get(skip..count).unwrap_or_default();
                    if let Some(place) = buffer.get_mut(..seen.len()) {
                        place.copy_from_slice(seen);
                    }
                    match seen.len() {
                        // What was sent is all there is: whether that is the end shows when it has been taken out.
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
        // Until it says that there is no room: only then it tells when there is some.
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
        // The kernel counts its own records against the buffer; half of it is what holds data for sure.
        let size = socket_send_buffer_size(self.socket).unwrap_or(0) / 2;
        size.saturating_sub(unacknowledged(self.socket).unwrap_or(0))
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(shutdown(self.socket, Shutdown::Write)?)
    }
}

impl Tcp {
    /// The far end has connected: the container's SYN is answered.
    pub(super) fn speak(&mut self, cx: &mut Context<'_>, id: Id, syn: &Syn) {
        let (Some(flow), Some((pair, syn))) = (self.flows.get_mut(id), syn.packet()) else { return };
        let (Origin::Outward(key), Some(far)) = (flow.origin, &flow.ends[FAR]) else { return };
        self.speech.buffer.resize(BUFFER, 0);
        let start = self.speech.start(&key, cx.now);
        let conversation = self.speech.play(cx, far, |scene| Conversation::begin(pair, &syn, start, scene));
        flow.progress = Progress::Spoken(Box::new(conversation));
        // What the far end reported while it was connecting is not reported again.
        self.spoken_ready(cx, id, Interest::READ | Interest::WRITE);
    }

    /// Takes over a connection from outside: calls `target` as its client, whose answers come out of the device; and if
    /// that does not want it, `other`, as the gateway. Gives the connection back if that cannot be.
    pub(in crate::net) fn speak_for(
        &mut self,
        cx: &mut Context<'_>,
        far: OwnedFd,
        client: SocketAddr,
        target: SocketAddr,
        other: Option<SocketAddr>,
    ) -> Result<(), OwnedFd> {
        // The same client may have a connection from the same port to the same container through another published port,
        // or have had one a moment ago.
        let ports = (0..PORTS).map(|number| client.port().wrapping_add(number.wrapping_mul(STEP)));
        let keys = ports.filter(|port| *port == client.port() || *port >= 1024).map(|port| {
            let client = SocketAddr::new(client.ip(), port);
            Key::new(target, client)
        });
        let key = keys.into_iter().find(|key| !self.keys.knows(key));
        let (Some(key), Some(pair)) = (key, Pair::new(client.ip(), target.ip())) else { return Err(far) };
        self.speech.buffer.resize(BUFFER, 0);
        let start = self.speech.start(&key, cx.now);
        let ports = (key.destination.1, key.source.1);
        let conversation = self.speech.play(cx, &far, |scene| Conversation::call(pair, ports, start, scene));
        let holder = cx.policy.holder(target.ip());
        let progress = Progress::Spoken(Box::new(conversation));
        let (origin, ends) = (Origin::Called(key, other), [None, Some(far)]);
        let Some(id) = self.add(NewFlow { holder, origin, progress, ends }, cx.now) else { return Ok(()) };
        self.keys.called(key, id);
        self.set_alarm(id);
        if self.watch(cx, id, FAR).is_err() {
            self.abort(cx, id);
        }
        Ok(())
    }

    /// The SYN of a spoken flow has come again.
    pub(super) fn spoken_again(&mut self, cx: &mut Context<'_>, id: Id, syn: &Syn) {
        if let Some((_, syn)) = syn.packet() {
            self.converse(cx, id, |conversation, scene| {
                conversation.again(&syn, scene);
                Ok(Fate::On)
            });
        }
    }

    /// A packet of a spoken flow.
    pub(super) fn spoken_segment(&mut self, cx: &mut Context<'_>, id: Id, tcp: &packet::Tcp<'_>) {
        self.converse(cx, id, |conversation, scene| conversation.segment(tcp, scene));
    }

    /// Something happened to the far end of a spoken flow.
    pub(super) fn spoken_ready(&mut self, cx: &mut Context<'_>, id: Id, what: Interest) {
        let ending = what.intersects(Interest::READ_CLOSED | Interest::CLOSED | Interest::ERROR);
        let broken = what.contains(Interest::ERROR);
        self.converse(cx, id, |conversation, scene| {
            let was_blocked = conversation.is_blocked();
            conversation.note(what.contains(Interest::READ), what.contains(Interest::WRITE), ending);
            let fate = conversation.proceed(was_blocked, scene)?;
            // What had arrived before the reset was sent as far as the container's window goes.
            if broken { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(fate) }
        });
    }

    /// Tells the container of a spoken flow that it has been reset.
    pub(super) fn say_reset(&mut self, cx: &mut Context<'_>, id: Id) {
        if matches!(self.flows.get(id), Some(Flow { progress: Progress::Spoken(_), .. })) {
            self.converse(cx, id, |conversation, scene| {
                conversation.reset(scene);
                Ok(Fate::On)
            });
        }
    }

    /// Calls those whose time has come.
    pub(super) fn look_after_spoken(&mut self, cx: &mut Context<'_>) {
        while let Some(Reverse((when, raw))) = self.speech.alarms.peek().copied()
            && when <= cx.now
        {
            self.speech.alarms.pop();
            let id = Id::from_raw(raw);
            if let Some(flow) = self.flows.get_mut(id).filter(|flow| flow.alarm == Some(when)) {
                flow.alarm = None;
                self.converse(cx, id, Conversation::timeout);
            }
        }
    }

    fn converse(
        &mut self,
        cx: &mut Context<'_>,
        id: Id,
        what: impl FnOnce(&mut Conversation, &mut Scene<'_>) -> io::Result<Fate>,
    ) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        let (Progress::Spoken(conversation), Some(far)) = (&mut flow.progress, &flow.ends[FAR]) else { return };
        let was_open = conversation.is_open();
        let fate = self.speech.play(cx, far, |scene| what(conversation, scene));
        flow.used = cx.now;
        if let (false, true, Some(key)) = (was_open, conversation.is_open(), flow.origin.key()) {
            self.keys.accept(key);
            self.made(cx.now, id);
        }
        let Some(flow) = self.flows.get_mut(id) else { return };
        let Progress::Spoken(conversation) = &mut flow.progress else { return };
        match fate {
            Ok(Fate::On) => self.set_alarm(id),
            Ok(Fate::Over) => self.finish(cx.now, id),
            Ok(Fate::Broken) => {
                // It is gone for the container: nothing is said about it any more.
                let other = match flow.origin {
                    Origin::Called(_, other) if !conversation.is_open() => other,
                    _ => None,
                };
                let progress = std::mem::replace(&mut flow.progress, Progress::Reaching(other));
                self.speech.release(&progress);
                self.reach_elsewhere(cx, id);
            }
            Err(_) => self.abort(cx, id),
        }
    }

    fn set_alarm(&mut self, id: Id) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        let Progress::Spoken(conversation) = &flow.progress else { return };
        if let Some(when) = conversation.deadline()
            && flow.alarm.is_none_or(|alarm| when < alarm)
        {
            flow.alarm = Some(when);
            self.speech.alarms.push(Reverse((when, id.raw())));
        }
    }
}
