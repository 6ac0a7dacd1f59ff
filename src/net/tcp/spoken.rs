//! TCP spoken with a container on the device itself, where the kernel has no tproxy for the gate.
//!
//! # Theory of operation
//!
//! The far end is a socket of H as ever; the near end is a [`Conversation`]: what RFC 9293 asks of either side of a
//! connection, and no more, since there is a wire without delay in between and no congestion. It answers a container that
//! calls ([`Conversation::begin`]), or calls one for a client of a published port, under the client's address
//! ([`Conversation::call`]).
//!
//! What arrives from the container is written to the far end at once ([`incoming`]). What the far end has for the container is
//! looked at (MSG_PEEK), sent, and taken out of the socket when the container has acknowledged it; what is lost is looked at
//! again.
//!
//! - The window that the container gives grows with any of its segments, and shrinks with new ones only. Which are new
//!   cannot be seen from sequence numbers alone: Linux acknowledges with that of the window's edge
//!   while it has sent more than the window has room for (tcp_acceptable_seq in net/ipv4/tcp_output.c).
//! - Three acknowledgments of the same make us send again from there on; so does a timer.
//! - A window of zero is probed, since the packet that opens it may be lost.
//! - Neither time stamps nor selective acknowledgments: they are for networks. Windows are scaled (RFC 7323).
//! - Large packets go both ways: the device cuts what is longer than the container's maximum segment.
//!
//! Urgent data is part of the stream here.
//!
//! It is deterministic: the time is given, the far end is a trait, packets go into a [`Link`].

mod incoming;

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use crate::net::packet::{Envelope, Flags, Headers, Options, Pair, Segment, Tcp};
use crate::net::part::Link;
use incoming::Piece;

/// By how many bits the windows that we announce are shifted: enough for 16 MiB.
const SHIFT: u8 = 8;
/// As much may be on its way to the container, in bytes.
const MAX_FLIGHT: u32 = 512 * 1024;
/// What one packet for the device carries, in bytes: IPv4's limit, less headers.
const MAX_PAYLOAD: usize = 65_535 - Headers::MAX;
/// The room for what a far end shows.
pub(super) const BUFFER: usize = Headers::MAX + MAX_PAYLOAD;
/// The largest segments that we take. The container's own MTU makes them smaller.
const OUR_SEGMENT: u16 = 65_000;
/// Without an answer for so long, we send again; twice as long the next time. The container's kernel answers within
/// 40 ms (TCP_DELACK_MIN).
const PATIENCE: Duration = Duration::from_millis(200);
/// No longer than that.
const MAX_PATIENCE: Duration = Duration::from_secs(20);
/// So many times, then the container is given up: two minutes.
const TRIES: u32 = 12;
/// The same for the answer to its SYN: six seconds.
const SYN_TRIES: u32 = 5;
/// The far end.
pub(super) trait Upstream {
    /// Looks at what has arrived behind the first `skip` bytes: how many there are, zero at the end of the stream, `None`
    /// while there is nothing.
    fn look(&mut self, skip: usize, buffer: &mut [u8]) -> io::Result<Option<usize>>;
    /// Takes out bytes that were looked at.
    fn take(&mut self, count: usize) -> io::Result<()>;
    /// Writes what there is room for: how many bytes.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// About so many bytes would be taken now.
    fn room(&mut self) -> usize;
    /// Passes on that the container will send no more.
    fn finish(&mut self) -> io::Result<()>;
}

/// What a conversation works with.
pub(super) struct Scene<'a> {
    pub(super) now: Instant,
    pub(super) upstream: &'a mut dyn Upstream,
    pub(super) link: &'a mut dyn Link,
    /// [`BUFFER`] bytes.
    pub(super) buffer: &'a mut [u8],
    /// How many bytes all conversations keep and have put aside.
    pub(super) kept: &'a mut usize,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It goes on.
    On,
    /// Both directions are closed.
    Over,
    /// The container has reset it, or has not answered for too long.
    Broken,
}

/// The near end of a flow, spoken by ourselves.
#[derive(Debug)]
pub(super) struct Conversation {
    /// From the outside to the container.
    pair: Pair,
    ports: (u16, u16),
    /// What the container is to send next, and the end of the window that it was told.
    expected: u32,
    edge: u32,
    /// Acknowledged, and not taken by the far end.
    kept: VecDeque<u8>,
    /// What has come too early, in order.
    aside: Vec<Piece>,
    /// The first byte that it has not acknowledged, the next one to be sent, one behind the last that was ever sent.
    first: u32,
    next: u32,
    last: u32,
    /// The end of the window that the container gave us, in bytes from `first` on, and the segment that said so.
    window: u32,
    said_by: (u32, u32),
    their_shift: u8,
    our_shift: u8,
    segment: u16,
    /// We have called, and it has not answered.
    calling: bool,
    /// It has acknowledged our SYN.
    open: bool,
    /// It will send no more, and the far end knows, or will when it has taken what is kept.
    their_end: bool,
    /// The far end will send no more.
    our_end: bool,
    /// Our FIN was sent at least once.
    end_sent: bool,
    /// The far end may have something to look at.
    readable: bool,
    /// It has told of its end, which some kernels show only when everything before it was taken out.
    ending: bool,
    /// The far end takes nothing.
    blocked: bool,
    /// Acknowledgments in a row that say the same.
    same: u32,
    /// What was sent again once, up to here.
    repaired: u32,
    tries: u32,
    timer: Option<Instant>,
}

/// Whether a sequence number comes before another one (RFC 9293 section 3.4).
fn before(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() < 0
}

/// As `u32`; what is longer than a packet does not occur.
fn count(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn size(bytes: u32) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

impl Conversation {
    /// Nothing has been said. `pair` is from the outside to the container, and so are `ports`; `start` is the sequence
    /// number to begin with.
    fn silent(pair: Pair, ports: (u16, u16), start: u32) -> Self {
        Self {
            pair,
            ports,
            expected: 0,
            edge: 0,
            kept: VecDeque::new(),
            aside: Vec::new(),
            first: start,
            next: start.wrapping_add(1),
            last: start.wrapping_add(1),
            window: 0,
            said_by: (0, start),
            their_shift: 0,
            our_shift: SHIFT,
            segment: 64,
            calling: false,
            open: false,
            their_end: false,
            our_end: false,
            end_sent: false,
            readable: false,
            ending: false,
            blocked: false,
            same: 0,
            repaired: start,
            tries: 0,
            timer: None,
        }
    }

    /// Answers a SYN; `start` is the sequence number to begin with.
    pub(super) fn begin(pair: Pair, syn: &Tcp<'_>, start: u32, scene: &mut Scene<'_>) -> Self {
        let mut new = Self::silent(pair.reversed(), (syn.destination_port, syn.source_port), start);
        new.learn(syn);
        new.welcome(scene);
        new
    }

    /// Calls the container: `pair` and `ports` are those of the client and of the container. What the container sees first is
    /// this SYN; that it does not want the connection ends it ([`Fate::Broken`]).
    pub(super) fn call(pair: Pair, ports: (u16, u16), start: u32, scene: &mut Scene<'_>) -> Self {
        let mut new = Self { calling: true, ..Self::silent(pair, ports, start) };
        new.welcome(scene);
        new
    }

    /// What its SYN says.
    fn learn(&mut self, syn: &Tcp<'_>) {
        let options = syn.parsed_options();
        // RFC 7323 section 2.2: both sides scale, or none.
        (self.their_shift, self.our_shift) = options.window_scale.map_or((0, 0), |shift| (shift, SHIFT));
        // RFC 9293 section 3.7.1: what is assumed without the option.
        let segment = options.maximum_segment.unwrap_or(if self.pair.is_v6() { 1220 } else { 536 });
        self.segment = segment.max(64);
        self.window = u32::from(syn.window);
        self.said_by = (syn.sequence, self.first);
        let promised = self.promised();
        self.expected = syn.sequence.wrapping_add(1);
        self.edge = self.expected.wrapping_add(promised);
    }

    /// The SYN has come again: so has its answer.
    pub(super) fn again(&mut self, syn: &Tcp<'_>, scene: &mut Scene<'_>) {
        if !self.open && !self.calling {
            self.learn(syn);
            self.welcome(scene);
        }
    }

    /// When [`Conversation::timeout`] wants to be called.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.timer
    }

    /// The far end may have something to look at, or room to write.
    pub(super) fn note(&mut self, readable: bool, writable: bool, ending: bool) {
        self.readable |= readable || ending;
        self.ending |= ending;
        self.blocked &= !writable;
    }

    /// The far end has told something ([`Conversation::note`]); `was_blocked` when it had taken nothing before.
    pub(super) fn proceed(&mut self, was_blocked: bool, scene: &mut Scene<'_>) -> io::Result<Fate> {
        if was_blocked && !self.blocked {
            self.flush(scene)?;
            if !self.blocked && self.open && !self.their_end {
                self.acknowledge(scene);
            }
        }
        self.push(scene)?;
        Ok(self.fate())
    }

    /// Whether the far end takes nothing.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// The container has acknowledged our SYN.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    fn fate(&self) -> Fate {
        match self.their_end && self.kept.is_empty() && self.end_sent && self.first == self.last {
            true => Fate::Over,
            false => Fate::On,
        }
    }

    // ---------------------------------------------------------------------------------------------- from the container

    /// A segment from the container, other than a SYN without ACK.
    pub(super) fn segment(&mut self, tcp: &Tcp<'_>, scene: &mut Scene<'_>) -> io::Result<Fate> {
        if self.calling {
            return self.answered(tcp, scene);
        }
        if tcp.flags.contains(Flags::RST) {
            return Ok(self.reset_by(tcp, scene));
        }
        if !tcp.flags.contains(Flags::ACK) {
            return Ok(Fate::On);
        }
        // RFC 9293 section 3.10.7.4: what acknowledges something that was never sent is answered and dropped.
        if before(self.last, tcp.acknowledgment) {
            self.acknowledge(scene);
            return Ok(Fate::On);
        }
        self.acknowledged(tcp, scene)?;
        if self.open && tcp.length() > 0 {
            self.receive(tcp, scene)?;
        } else if self.open && before(tcp.sequence, self.expected) {
            // A probe: keepalive, or of a window of zero. What comes too early says that something is lost, and is no
            // question: two ends that answered that would never end.
            self.acknowledge(scene);
        }
        self.push(scene)?;
        Ok(self.fate())
    }

    /// RFC 9293 section 3.10.7.3: the container answers our SYN.
    fn answered(&mut self, tcp: &Tcp<'_>, scene: &mut Scene<'_>) -> io::Result<Fate> {
        let ours = tcp.flags.contains(Flags::ACK) && tcp.acknowledgment == self.last;
        if tcp.flags.contains(Flags::RST) {
            return Ok(if ours { Fate::Broken } else { Fate::On });
        }
        if tcp.flags.contains(Flags::ACK) && !ours {
            // It still knows a former connection of this client. When it has forgotten that, the next SYN gets through.
            self.send(scene, Flags::RST, tcp.acknowledgment, 0, Options::default());
            return Ok(Fate::On);
        }
        if !ours || !tcp.flags.contains(Flags::SYN) {
            return Ok(Fate::On);
        }
        self.learn(tcp);
        self.first = self.last;
        (self.calling, self.open, self.tries, self.timer) = (false, true, 0, None);
        self.acknowledge(scene);
        self.push(scene)?;
        Ok(self.fate())
    }

    /// RFC 5961 section 3.2: only the exact number resets, any other one is asked about.
    fn reset_by(&mut self, tcp: &Tcp<'_>, scene: &mut Scene<'_>) -> Fate {
        if tcp.sequence == self.expected {
            return Fate::Broken;
        }
        if self.open && before(self.expected, tcp.sequence) {
            self.acknowledge(scene);
        }
        Fate::On
    }

    fn acknowledged(&mut self, tcp: &Tcp<'_>, scene: &mut Scene<'_>) -> io::Result<()> {
        let number = tcp.acknowledgment;
        let former = self.window;
        self.take_window(tcp);
        if before(self.first, number) {
            let mut bytes = number.wrapping_sub(self.first);
            if !self.open {
                self.open = true;
                bytes = bytes.saturating_sub(1);
            }
            // Our FIN is no byte of the far end.
            if self.end_sent && number == self.last {
                bytes = bytes.saturating_sub(1);
            }
            scene.upstream.take(size(bytes))?;
            self.first = number;
            if before(self.next, number) {
                self.next = number;
            }
            self.readable |= self.ending;
            (self.same, self.tries) = (0, 0);
            self.timer = (self.first != self.last).then(|| scene.now + PATIENCE);
        } else if number == self.first && self.window == 0 {
            // The reader is slow, and says so.
            self.tries = 0;
        } else if number == self.first && tcp.length() == 0 && self.first != self.last && self.window == former {
            self.same += 1;
            if self.same == 3 && !before(self.first, self.repaired) {
                self.repaired = self.last;
                self.next = self.first;
            }
        }
        Ok(())
    }

    /// The window that this segment gives: see the head of this file.
    fn take_window(&mut self, tcp: &Tcp<'_>) {
        if before(tcp.acknowledgment, self.first) {
            return;
        }
        let (sequence, number) = self.said_by;
        let newer = before(sequence, tcp.sequence)
            || (sequence == tcp.sequence && !before(tcp.acknowledgment, number))
            || before(self.first, tcp.acknowledgment);
        let window = u32::from(tcp.window) << self.their_shift;
        let end = tcp.acknowledgment.wrapping_add(window);
        if newer || before(self.first.wrapping_add(self.window), end) {
            self.said_by = (tcp.sequence, tcp.acknowledgment);
            self.window = window;
        }
    }

    // ---------------------------------------------------------------------------------------------- to the container

    /// Sends what the far end has and the container has room for.
    fn push(&mut self, scene: &mut Scene<'_>) -> io::Result<()> {
        let limit = self.window.min(MAX_FLIGHT);
        while self.open && !self.end_sent_now() {
            let flight = self.next.wrapping_sub(self.first);
            let again = before(self.next, self.last);
            if !self.readable && !again {
                break;
            }
            let room = size(limit.saturating_sub(flight));
            if room == 0 && !self.our_end {
                // Something must be on its way or a timer running, for the window to be heard of again.
                if self.first == self.next {
                    self.timer.get_or_insert(scene.now + PATIENCE);
                }
                break;
            }
            // No crumbs (RFC 9293 section 3.8.6.2.1): what is on its way opens the window further.
            if room < usize::from(self.segment) && flight > 0 && !self.our_end {
                break;
            }
            if !self.send_some(scene, flight, room)? {
                break;
            }
        }
        Ok(())
    }

    /// Whether everything including our FIN is on its way.
    fn end_sent_now(&self) -> bool {
        self.end_sent && self.next == self.last
    }

    /// Sends one packet; false when there is nothing to send.
    fn send_some(&mut self, scene: &mut Scene<'_>, flight: u32, room: usize) -> io::Result<bool> {
        let segment = usize::from(self.segment);
        // Whole segments, but for the last one.
        let most = (MAX_PAYLOAD / segment * segment).min(room.max(1));
        let place = scene.buffer.get_mut(Headers::MAX..Headers::MAX + most).unwrap_or_default();
        let length = match scene.upstream.look(size(flight), place)? {
            None => {
                self.readable = false;
                return Ok(false);
            }
            Some(0) => {
                self.our_end = true;
                0
            }
            // The end was seen, and the window is closed: nothing but our FIN may go.
            Some(_) if room == 0 => return Ok(false),
            Some(length) => length,
        };
        let flags = match length {
            0 => Flags::ACK | Flags::FIN,
            _ => Flags::ACK | Flags::PSH,
        };
        let sent = self.send(scene, flags, self.next, length, Options::default());
        self.timer.get_or_insert(scene.now + PATIENCE);
        if !sent {
            // The device's queue is full: as good as lost.
            return Ok(false);
        }
        self.next = self.next.wrapping_add(count(length).max(1));
        if before(self.last, self.next) {
            self.last = self.next;
        }
        self.end_sent |= length == 0;
        Ok(length > 0)
    }

    /// What was sent last has not been answered.
    pub(super) fn timeout(&mut self, scene: &mut Scene<'_>) -> io::Result<Fate> {
        if self.timer.is_none_or(|when| when > scene.now) {
            return Ok(Fate::On);
        }
        self.tries += 1;
        if self.tries > if self.open || self.calling { TRIES } else { SYN_TRIES } {
            return Ok(Fate::Broken);
        }
        let patience = PATIENCE.saturating_mul(1 << self.tries.min(10)).min(MAX_PATIENCE);
        self.timer = None;
        if !self.open {
            self.welcome(scene);
        } else if self.first == self.last {
            // Nothing is on its way, but the window is closed. A number that was acknowledged asks for an answer.
            if self.window == 0 && self.readable {
                self.send(scene, Flags::ACK, self.first.wrapping_sub(1), 0, Options::default());
                self.timer = Some(scene.now + patience);
            }
        } else {
            self.next = self.first;
            self.repaired = self.last;
            self.same = 0;
            if self.window == 0 {
                self.send(scene, Flags::ACK, self.first.wrapping_sub(1), 0, Options::default());
            }
        }
        self.push(scene)?;
        if self.first != self.last {
            self.timer = Some(scene.now + patience);
        }
        Ok(self.fate())
    }

    /// Sends our SYN.
    fn welcome(&mut self, scene: &mut Scene<'_>) {
        let options = Options {
            maximum_segment: Some(OUR_SEGMENT),
            window_scale: (self.our_shift > 0).then_some(self.our_shift),
            ..Options::default()
        };
        let flags = if self.calling { Flags::SYN } else { Flags::SYN | Flags::ACK };
        self.send(scene, flags, self.first, 0, options);
        let patience = PATIENCE.saturating_mul(1 << self.tries.min(10)).min(MAX_PATIENCE);
        self.timer = Some(scene.now + patience);
    }

    fn acknowledge(&mut self, scene: &mut Scene<'_>) {
        // What is beyond the container's window, it would not look at.
        let end = self.first.wrapping_add(self.window);
        let sequence = if before(end, self.last) { end } else { self.last };
        self.send(scene, Flags::ACK, sequence, 0, Options::default());
    }

    /// Resets it.
    pub(super) fn reset(&mut self, scene: &mut Scene<'_>) {
        self.send(scene, Flags::RST | Flags::ACK, self.next, 0, Options::default());
    }

    /// Sends a segment whose payload is in the buffer already; false when the device did not take it.
    fn send(&mut self, scene: &mut Scene<'_>, flags: Flags, sequence: u32, payload: usize, options: Options) -> bool {
        let segment = Segment {
            source_port: self.ports.0,
            destination_port: self.ports.1,
            sequence,
            acknowledgment: self.expected,
            flags,
            window: self.our_window(scene, flags),
            urgent: 0,
            options,
        };
        let Some(mut headers) = segment.headers(&Envelope::new(self.pair), payload) else { return false };
        if payload > usize::from(self.segment) {
            headers = headers.segmented(self.segment);
        }
        let bytes = headers.as_slice();
        let start = Headers::MAX - bytes.len();
        if let Some(place) = scene.buffer.get_mut(start..Headers::MAX) {
            place.copy_from_slice(bytes);
        }
        let packet = scene.buffer.get(start..Headers::MAX + payload).unwrap_or_default();
        scene.link.send(packet, headers.offload())
    }
}

#[cfg(test)]
mod play;
