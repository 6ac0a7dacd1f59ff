//! TCP in userspace, with a container on the TUN device where the kernel has no tproxy.
//!
//! # Theory of operation
//!
//! The far end is a socket of H as usual; the near end is a [`Connection`]. It implements what RFC 9293 requires of an
//! endpoint and no more: the wire has neither delay nor congestion. It answers a container's SYN
//! ([`Connection::begin`]), or connects to a container for a client of a published port, under the client's address
//! ([`Connection::call`]).
//!
//! Payload from the container is written to the far end at once ([`incoming`]). Payload for the container is peeked
//! from the far socket (MSG_PEEK), sent, and removed from the socket when the container has acknowledged it. Lost
//! payload is peeked again.
//!
//! - The send window grows with any segment of the container, but shrinks with new segments only. Sequence numbers alone
//!   do not tell which are new: Linux acknowledges with that of the window's edge while it has sent more than the window
//!   has room for (tcp_acceptable_seq in net/ipv4/tcp_output.c).
//! - Three duplicate acknowledgments trigger a retransmission; so does a timer.
//! - A zero window is probed, since the packet that opens it may be lost.
//! - No timestamps and no selective acknowledgments: they serve networks. Windows are scaled (RFC 7323).
//! - GSO packets go both ways: the device splits what exceeds the container's maximum segment size.
//!
//! Urgent data is treated as part of the stream.
//!
//! It is deterministic: the time is an argument, the far end is a trait, packets go into a [`Link`].

mod incoming;

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use crate::net::handler::Link;
use crate::net::packet::{Envelope, Flags, Headers, Options, Pair, Segment, Tcp};
use incoming::Piece;

/// The scale of the windows announced here, in bits: enough for 16 MiB.
const SHIFT: u8 = 8;
/// The most unacknowledged bytes on the way to the container.
const MAX_FLIGHT: u32 = 512 * 1024;
/// The most payload of one packet for the device, in bytes: IPv4's limit, less headers.
const MAX_PAYLOAD: usize = 65_535 - Headers::MAX;
/// The size of the peek buffer.
pub(super) const BUFFER: usize = Headers::MAX + MAX_PAYLOAD;
/// The maximum segment size announced here. The container's own MTU lowers it.
const OUR_SEGMENT: u16 = 65_000;
/// The first retransmission timeout; it doubles each time. The container's kernel acknowledges within 40 ms
/// (TCP_DELACK_MIN).
const PATIENCE: Duration = Duration::from_millis(200);
/// The longest retransmission timeout.
const MAX_PATIENCE: Duration = Duration::from_secs(20);
/// Retransmissions before the container is given up: two minutes.
const TRIES: u32 = 12;
/// The same for an unanswered SYN: six seconds.
const SYN_TRIES: u32 = 5;
/// The far end of a connection.
pub(super) trait Upstream {
    /// Peeks at the stream behind the first `skip` bytes: the count, zero at the end of the stream, `None` while there
    /// is nothing.
    fn peek(&mut self, skip: usize, buffer: &mut [u8]) -> io::Result<Option<usize>>;
    /// Removes bytes that were peeked.
    fn take(&mut self, count: usize) -> io::Result<()>;
    /// Writes as much as there is room for, and returns the count.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// An estimate of how many bytes a write would take.
    fn room(&mut self) -> usize;
    /// Passes on the container's FIN.
    fn finish(&mut self) -> io::Result<()>;
}

/// What a call of a connection works with.
pub(super) struct Env<'a> {
    pub(super) now: Instant,
    pub(super) upstream: &'a mut dyn Upstream,
    pub(super) link: &'a mut dyn Link,
    /// [`BUFFER`] bytes.
    pub(super) buffer: &'a mut [u8],
    /// How many bytes all connections have buffered, out-of-order segments included.
    pub(super) kept: &'a mut usize,
}

/// What a call means for the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It stays open.
    Continue,
    /// Both directions are closed.
    Closed,
    /// The container has reset it, or has not answered in time.
    Aborted,
}

/// The near end of a flow, implemented here.
#[derive(Debug)]
pub(super) struct Connection {
    /// Addresses, from the outside to the container.
    pair: Pair,
    ports: (u16, u16),
    /// The next sequence number expected from the container, and the end of the window announced to it.
    expected: u32,
    edge: u32,
    /// Bytes that were acknowledged but not yet taken by the far end.
    kept: VecDeque<u8>,
    /// Segments that arrived out of order, sorted.
    out_of_order: Vec<Piece>,
    /// The first unacknowledged sequence number, the next to send, and one behind the highest ever sent.
    first: u32,
    next: u32,
    last: u32,
    /// The send window, in bytes from `first` on, and the segment that announced it.
    window: u32,
    said_by: (u32, u32),
    their_shift: u8,
    our_shift: u8,
    segment: u16,
    /// Our SYN is unanswered.
    calling: bool,
    /// Our SYN was acknowledged.
    open: bool,
    /// The container has sent FIN; the far end learns it once it has taken the buffered bytes.
    their_end: bool,
    /// The far end has ended its stream.
    our_end: bool,
    /// Our FIN was sent at least once.
    end_sent: bool,
    /// The far end may have bytes to peek.
    readable: bool,
    /// The far end has reported its end. Some kernels show it to reads only when everything before it was removed.
    ending: bool,
    /// The far end takes no more bytes.
    blocked: bool,
    /// Duplicate acknowledgments in a row.
    same: u32,
    /// Retransmitted once up to here.
    repaired: u32,
    tries: u32,
    timer: Option<Instant>,
}

/// Whether a sequence number comes before another one (RFC 9293 section 3.4).
fn before(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() < 0
}

/// As `u32`; a length never exceeds a packet.
fn count(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn size(bytes: u32) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

impl Connection {
    /// The state before any segment. `pair` and `ports` are from the outside to the container; `start` is the initial
    /// sequence number.
    fn silent(pair: Pair, ports: (u16, u16), start: u32) -> Self {
        Self {
            pair,
            ports,
            expected: 0,
            edge: 0,
            kept: VecDeque::new(),
            out_of_order: Vec::new(),
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

    /// Answers a SYN; `start` is the initial sequence number.
    pub(super) fn begin(pair: Pair, syn: &Tcp<'_>, start: u32, env: &mut Env<'_>) -> Self {
        let mut new = Self::silent(pair.reversed(), (syn.destination_port, syn.source_port), start);
        new.learn(syn);
        new.welcome(env);
        new
    }

    /// Connects to the container: `pair` and `ports` are those of the client and of the container. This SYN is the
    /// first packet that the container sees; a refusal ends the connection ([`Verdict::Aborted`]).
    pub(super) fn call(pair: Pair, ports: (u16, u16), start: u32, env: &mut Env<'_>) -> Self {
        let mut new = Self { calling: true, ..Self::silent(pair, ports, start) };
        new.welcome(env);
        new
    }

    /// Reads the options of the container's SYN.
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

    /// The SYN was retransmitted: so is the answer.
    pub(super) fn again(&mut self, syn: &Tcp<'_>, env: &mut Env<'_>) {
        if !self.open && !self.calling {
            self.learn(syn);
            self.welcome(env);
        }
    }

    /// When [`Connection::timeout`] should be called.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.timer
    }

    /// Notes events of the far end.
    pub(super) fn note(&mut self, readable: bool, writable: bool, ending: bool) {
        self.readable |= readable || ending;
        self.ending |= ending;
        self.blocked &= !writable;
    }

    /// Continues after [`Connection::note`]; `was_blocked` if the far end took no bytes before.
    pub(super) fn proceed(&mut self, was_blocked: bool, env: &mut Env<'_>) -> io::Result<Verdict> {
        if was_blocked && !self.blocked {
            self.flush(env)?;
            if !self.blocked && self.open && !self.their_end {
                self.acknowledge(env);
            }
        }
        self.push(env)?;
        Ok(self.verdict())
    }

    /// Whether the far end takes no more bytes.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Whether the container has acknowledged our SYN.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    fn verdict(&self) -> Verdict {
        match self.their_end && self.kept.is_empty() && self.end_sent && self.first == self.last {
            true => Verdict::Closed,
            false => Verdict::Continue,
        }
    }

    // ---------------------------------------------------------------------------------------------- from the container

    /// Handles a segment from the container, other than a SYN without ACK.
    pub(super) fn segment(&mut self, tcp: &Tcp<'_>, env: &mut Env<'_>) -> io::Result<Verdict> {
        if self.calling {
            return self.answered(tcp, env);
        }
        if tcp.flags.contains(Flags::RST) {
            return Ok(self.reset_by(tcp, env));
        }
        if !tcp.flags.contains(Flags::ACK) {
            return Ok(Verdict::Continue);
        }
        // RFC 9293 section 3.10.7.4: an acknowledgment of something never sent is answered and dropped.
        if before(self.last, tcp.acknowledgment) {
            self.acknowledge(env);
            return Ok(Verdict::Continue);
        }
        self.acknowledged(tcp, env)?;
        if self.open && tcp.length() > 0 {
            self.receive(tcp, env)?;
        } else if self.open && before(tcp.sequence, self.expected) {
            // A keepalive or a window probe. A segment from the future only shows a loss and is not answered: two
            // endpoints that answered it would never stop.
            self.acknowledge(env);
        }
        self.push(env)?;
        Ok(self.verdict())
    }

    /// RFC 9293 section 3.10.7.3: the container answers our SYN.
    fn answered(&mut self, tcp: &Tcp<'_>, env: &mut Env<'_>) -> io::Result<Verdict> {
        let ours = tcp.flags.contains(Flags::ACK) && tcp.acknowledgment == self.last;
        if tcp.flags.contains(Flags::RST) {
            return Ok(if ours { Verdict::Aborted } else { Verdict::Continue });
        }
        if tcp.flags.contains(Flags::ACK) && !ours {
            // It still knows a former connection of this client. The next SYN gets through once it has forgotten that.
            self.send(env, Flags::RST, tcp.acknowledgment, 0, Options::default());
            return Ok(Verdict::Continue);
        }
        if !ours || !tcp.flags.contains(Flags::SYN) {
            return Ok(Verdict::Continue);
        }
        self.learn(tcp);
        self.first = self.last;
        (self.calling, self.open, self.tries, self.timer) = (false, true, 0, None);
        self.acknowledge(env);
        self.push(env)?;
        Ok(self.verdict())
    }

    /// RFC 5961 section 3.2: only the exact sequence number resets; any other is challenged.
    fn reset_by(&mut self, tcp: &Tcp<'_>, env: &mut Env<'_>) -> Verdict {
        if tcp.sequence == self.expected {
            return Verdict::Aborted;
        }
        if self.open && before(self.expected, tcp.sequence) {
            self.acknowledge(env);
        }
        Verdict::Continue
    }

    fn acknowledged(&mut self, tcp: &Tcp<'_>, env: &mut Env<'_>) -> io::Result<()> {
        let number = tcp.acknowledgment;
        let former = self.window;
        self.take_window(tcp);
        if before(self.first, number) {
            let mut bytes = number.wrapping_sub(self.first);
            if !self.open {
                self.open = true;
                bytes = bytes.saturating_sub(1);
            }
            // Our FIN is not a byte of the far end's stream.
            if self.end_sent && number == self.last {
                bytes = bytes.saturating_sub(1);
            }
            env.upstream.take(size(bytes))?;
            self.first = number;
            if before(self.next, number) {
                self.next = number;
            }
            self.readable |= self.ending;
            (self.same, self.tries) = (0, 0);
            self.timer = (self.first != self.last).then(|| env.now + PATIENCE);
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

    /// Reads the send window of a segment: see the head of this file.
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

    /// Sends payload of the far end, as far as the window allows.
    fn push(&mut self, env: &mut Env<'_>) -> io::Result<()> {
        let limit = self.window.min(MAX_FLIGHT);
        while self.open && !self.end_sent_now() {
            let flight = self.next.wrapping_sub(self.first);
            let again = before(self.next, self.last);
            if !self.readable && !again {
                break;
            }
            let room = size(limit.saturating_sub(flight));
            if room == 0 && !self.our_end {
                // Something must be in flight or a timer running, so that the window's opening is noticed.
                if self.first == self.next {
                    self.timer.get_or_insert(env.now + PATIENCE);
                }
                break;
            }
            // Silly window avoidance (RFC 9293 section 3.8.6.2.1): acknowledgments of what is in flight open the window
            // further.
            if room < usize::from(self.segment) && flight > 0 && !self.our_end {
                break;
            }
            if !self.send_some(env, flight, room)? {
                break;
            }
        }
        Ok(())
    }

    /// Whether everything including our FIN is in flight.
    fn end_sent_now(&self) -> bool {
        self.end_sent && self.next == self.last
    }

    /// Sends one packet; false if there is nothing to send.
    fn send_some(&mut self, env: &mut Env<'_>, flight: u32, room: usize) -> io::Result<bool> {
        let segment = usize::from(self.segment);
        // Whole segments, except the last one.
        let most = (MAX_PAYLOAD / segment * segment).min(room.max(1));
        let place = env.buffer.get_mut(Headers::MAX..Headers::MAX + most).unwrap_or_default();
        let length = match env.upstream.peek(size(flight), place)? {
            None => {
                self.readable = false;
                return Ok(false);
            }
            Some(0) => {
                self.our_end = true;
                0
            }
            // The stream has ended and the window is closed: only our FIN may go.
            Some(_) if room == 0 => return Ok(false),
            Some(length) => length,
        };
        let flags = match length {
            0 => Flags::ACK | Flags::FIN,
            _ => Flags::ACK | Flags::PSH,
        };
        let sent = self.send(env, flags, self.next, length, Options::default());
        self.timer.get_or_insert(env.now + PATIENCE);
        if !sent {
            // The device's queue is full: treated as a loss.
            return Ok(false);
        }
        self.next = self.next.wrapping_add(count(length).max(1));
        if before(self.last, self.next) {
            self.last = self.next;
        }
        self.end_sent |= length == 0;
        Ok(length > 0)
    }

    /// The retransmission timer has expired.
    pub(super) fn timeout(&mut self, env: &mut Env<'_>) -> io::Result<Verdict> {
        if self.timer.is_none_or(|when| when > env.now) {
            return Ok(Verdict::Continue);
        }
        self.tries += 1;
        if self.tries > if self.open || self.calling { TRIES } else { SYN_TRIES } {
            return Ok(Verdict::Aborted);
        }
        let patience = PATIENCE.saturating_mul(1 << self.tries.min(10)).min(MAX_PATIENCE);
        self.timer = None;
        if !self.open {
            self.welcome(env);
        } else if self.first == self.last {
            // Nothing is in flight, but the window is closed: an acknowledged sequence number demands an answer.
            if self.window == 0 && self.readable {
                self.send(env, Flags::ACK, self.first.wrapping_sub(1), 0, Options::default());
                self.timer = Some(env.now + patience);
            }
        } else {
            self.next = self.first;
            self.repaired = self.last;
            self.same = 0;
            if self.window == 0 {
                self.send(env, Flags::ACK, self.first.wrapping_sub(1), 0, Options::default());
            }
        }
        self.push(env)?;
        if self.first != self.last {
            self.timer = Some(env.now + patience);
        }
        Ok(self.verdict())
    }

    /// Sends our SYN.
    fn welcome(&mut self, env: &mut Env<'_>) {
        let options = Options {
            maximum_segment: Some(OUR_SEGMENT),
            window_scale: (self.our_shift > 0).then_some(self.our_shift),
            ..Options::default()
        };
        let flags = if self.calling { Flags::SYN } else { Flags::SYN | Flags::ACK };
        self.send(env, flags, self.first, 0, options);
        let patience = PATIENCE.saturating_mul(1 << self.tries.min(10)).min(MAX_PATIENCE);
        self.timer = Some(env.now + patience);
    }

    fn acknowledge(&mut self, env: &mut Env<'_>) {
        // Payload beyond the container's window would be ignored.
        let end = self.first.wrapping_add(self.window);
        let sequence = if before(end, self.last) { end } else { self.last };
        self.send(env, Flags::ACK, sequence, 0, Options::default());
    }

    /// Resets the connection.
    pub(super) fn reset(&mut self, env: &mut Env<'_>) {
        self.send(env, Flags::RST | Flags::ACK, self.next, 0, Options::default());
    }

    /// Sends a segment whose payload is in the buffer already; false if the device did not take it.
    fn send(&mut self, env: &mut Env<'_>, flags: Flags, sequence: u32, payload: usize, options: Options) -> bool {
        let segment = Segment {
            source_port: self.ports.0,
            destination_port: self.ports.1,
            sequence,
            acknowledgment: self.expected,
            flags,
            window: self.our_window(env, flags),
            urgent: 0,
            options,
        };
        let Some(mut headers) = segment.headers(&Envelope::new(self.pair), payload) else { return false };
        if payload > usize::from(self.segment) {
            headers = headers.segmented(self.segment);
        }
        let bytes = headers.as_slice();
        let start = Headers::MAX - bytes.len();
        if let Some(place) = env.buffer.get_mut(start..Headers::MAX) {
            place.copy_from_slice(bytes);
        }
        let packet = env.buffer.get(start..Headers::MAX + payload).unwrap_or_default();
        env.link.send(packet, headers.offload())
    }
}

#[cfg(test)]
mod simulation;
