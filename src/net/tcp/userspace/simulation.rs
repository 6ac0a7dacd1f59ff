//! A simulation: a container's TCP in miniature, a wire that loses, duplicates, delays and reorders packets, and a
//! server in memory. The streams arrive whole whatever happens. Time is a number here.

use std::collections::{BTreeMap, VecDeque};

use super::*;
use crate::net::handler::Offload;
use crate::net::packet::{Ip, Transport};

/// xorshift64*: the same accidents in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}

/// The server at the far end.
#[derive(Default)]
struct Memory {
    /// What it has for the container, and how much of that was taken.
    has: Vec<u8>,
    taken: usize,
    ended: bool,
    /// What it got.
    got: Vec<u8>,
    finished: bool,
    /// How much it takes until it is asked again, and how much more it announces.
    room: usize,
    boast: usize,
}

impl Upstream for Memory {
    fn peek(&mut self, skip: usize, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let rest = &self.has[self.taken + skip..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok((length > 0 || self.ended).then_some(length))
    }

    fn take(&mut self, count: usize) -> io::Result<()> {
        self.taken += count;
        assert!(self.taken <= self.has.len(), "more was acknowledged than there is");
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert!(!self.finished);
        let length = bytes.len().min(self.room);
        self.got.extend(&bytes[..length]);
        self.room -= length;
        Ok(length)
    }

    fn room(&mut self) -> usize {
        self.room + self.boast
    }

    fn finish(&mut self) -> io::Result<()> {
        assert!(!self.finished, "once");
        self.finished = true;
        Ok(())
    }
}

/// Packets with the time of their arrival.
#[derive(Default)]
struct Wire {
    now: Option<Instant>,
    packets: BTreeMap<(Instant, u64), (Vec<u8>, Offload)>,
    count: u64,
    random: Option<Random>,
    /// Of a thousand packets.
    lost: u64,
    doubled: u64,
    late: u64,
    /// The device takes nothing.
    full: bool,
    /// By how much windows are scaled that are told here, and the edge of the last one.
    scale: Option<u8>,
    edge: Option<u32>,
}

impl Wire {
    /// An edge never goes back (RFC 9293 section 3.8.6), but for what the scale cuts off.
    fn check_window(&mut self, packet: &[u8], offload: Offload) {
        let Ok(Ip { transport: Transport::Tcp(tcp), .. }) = Ip::parse(packet, offload) else { panic!("packet") };
        if tcp.flags.contains(Flags::SYN) {
            self.scale = tcp.parsed_options().window_scale;
        } else if let Some(scale) = self.scale.filter(|_| !tcp.flags.contains(Flags::RST)) {
            let edge = tcp.acknowledgment.wrapping_add(u32::from(tcp.window) << scale);
            let former = self.edge.replace(edge).unwrap_or(edge);
            assert!(!before(edge.wrapping_add((1 << scale) - 1), former), "back by {}", former.wrapping_sub(edge));
        }
    }
}

impl Link for Wire {
    fn send(&mut self, packet: &[u8], offload: Offload) -> bool {
        if self.full {
            return false;
        }
        self.check_window(packet, offload);
        let random = self.random.as_mut().unwrap();
        let lost = random.below(1000) < self.lost;
        let copies = if random.below(1000) < self.doubled { 2 } else { u64::from(!lost) };
        for _ in 0..copies {
            let delay = 100 + if random.below(1000) < self.late { random.below(20_000) } else { 0 };
            self.count += 1;
            self.packets
                .insert((self.now.unwrap() + Duration::from_micros(delay), self.count), (packet.to_vec(), offload));
        }
        true
    }
}

fn wire(seed: u64, accidents: u64) -> Wire {
    let random = Some(Random(seed * 2 + 1));
    Wire { random, lost: accidents, doubled: accidents, late: accidents, ..Wire::default() }
}

const CLIENT: (&str, u16) = ("172.17.0.2", 40_000);
const SERVER: (&str, u16) = ("192.0.2.1", 80);
const SCALE: u8 = 2;

/// The container's side: go-back-N, as Linux does where windows are closed.
struct Client {
    start: u32,
    /// It is called.
    passive: bool,
    open: bool,
    has: Vec<u8>,
    acknowledged: usize,
    sent: usize,
    /// Including its FIN.
    most: usize,
    window: usize,
    scale: u8,
    their_start: u32,
    got: Vec<u8>,
    their_end: bool,
    /// What it has room for.
    room: usize,
    timer: Option<Instant>,
    /// How often the timer has gone off since something was acknowledged.
    tries: u32,
    /// What was sent again has not been acknowledged: nothing else is sent, whatever the window says.
    waits: bool,
    reset: bool,
    wire: Wire,
}

impl Client {
    fn new(start: u32, has: Vec<u8>, wire: Wire) -> Self {
        Self {
            start,
            passive: false,
            open: false,
            has,
            acknowledged: 0,
            sent: 0,
            most: 0,
            window: 0,
            scale: 0,
            their_start: 0,
            got: Vec::new(),
            their_end: false,
            room: 60_000,
            timer: None,
            tries: 0,
            waits: false,
            reset: false,
            wire,
        }
    }

    fn expected(&self) -> u32 {
        self.their_start.wrapping_add(1 + self.got.len() as u32 + u32::from(self.their_end))
    }

    fn send(&mut self, flags: Flags, at: usize, length: usize) {
        let pair = Pair::new(CLIENT.0.parse().unwrap(), SERVER.0.parse().unwrap()).unwrap();
        let syn = flags.contains(Flags::SYN);
        let segment = Segment {
            source_port: CLIENT.1,
            destination_port: SERVER.1,
            sequence: self.start.wrapping_add(if syn { 0 } else { 1u32.wrapping_add(at as u32) }),
            acknowledgment: if flags.contains(Flags::ACK) { self.expected() } else { 0 },
            flags,
            window: (self.room >> if syn { 0 } else { SCALE }) as u16,
            options: match syn {
                true => Options { maximum_segment: Some(1000), window_scale: Some(SCALE), ..Options::default() },
                false => Options::default(),
            },
            ..Segment::default()
        };
        let headers = segment.headers(&Envelope::new(pair), length).unwrap();
        let mut packet = headers.as_slice().to_vec();
        packet.extend(self.has.get(at..at + length).unwrap_or_default());
        self.wire.send(&packet, headers.offload());
    }

    /// With the number of the window's edge if more was sent than that has room for now (tcp_acceptable_seq).
    fn acknowledge(&mut self) {
        self.send(Flags::ACK, self.most.min(self.acknowledged + self.window), 0);
    }

    fn set_timer(&mut self, now: Instant) {
        let patience = Duration::from_millis(200 << self.tries.min(9));
        self.timer.get_or_insert(now + patience);
    }

    /// Sends what the window allows, its end included.
    fn push(&mut self, now: Instant) {
        if !self.open || self.reset || self.waits {
            return;
        }
        let limit = self.acknowledged + self.window;
        while self.sent < self.has.len().min(limit) {
            let length = (self.has.len().min(limit) - self.sent).min(1000);
            self.send(Flags::ACK, self.sent, length);
            self.sent += length;
        }
        if self.sent == self.has.len() && self.sent < limit {
            self.send(Flags::ACK | Flags::FIN, self.sent, 0);
            self.sent += 1;
        }
        self.most = self.most.max(self.sent);
        self.set_timer(now);
    }

    /// A SYN, or the answer to its own.
    fn greet(&mut self, tcp: &Tcp<'_>, now: Instant) {
        assert_eq!(tcp.flags.contains(Flags::ACK), !self.passive);
        if self.window == 0 {
            self.open = !self.passive;
            self.their_start = tcp.sequence;
            self.scale = tcp.parsed_options().window_scale.unwrap_or(0);
            self.window = usize::from(tcp.window);
        }
        match self.passive {
            true => self.send(Flags::SYN | Flags::ACK, 0, 0),
            false => {
                assert_eq!(tcp.acknowledgment, self.start.wrapping_add(1));
                self.acknowledge();
                self.push(now);
            }
        }
    }

    fn receive(&mut self, tcp: &Tcp<'_>, now: Instant) {
        if tcp.flags.contains(Flags::RST) {
            self.reset = true;
            return;
        }
        if tcp.flags.contains(Flags::SYN) {
            return self.greet(tcp, now);
        }
        self.open |= self.passive && self.window > 0;
        if !self.open {
            return;
        }
        let number = tcp.acknowledgment.wrapping_sub(self.start).wrapping_sub(1) as usize;
        if number <= self.most && number >= self.acknowledged {
            let window = usize::from(tcp.window) << self.scale;
            if self.window == 0 && window > 0 && self.most == self.acknowledged {
                // It probed.
                (self.timer, self.tries) = (None, 0);
            }
            self.window = window;
            if number > self.acknowledged {
                self.acknowledged = number;
                self.sent = self.sent.max(number);
                (self.timer, self.tries, self.waits) = (None, 0, false);
                if number <= self.has.len() {
                    self.set_timer(now);
                }
            }
        }
        if tcp.length() > 0 {
            let old = self.expected().wrapping_sub(tcp.sequence) as usize;
            if let Some(fresh) = tcp.payload.get(old..).filter(|_| !before(self.expected(), tcp.sequence)) {
                let taken = fresh.len().min(self.room);
                self.got.extend(&fresh[..taken]);
                self.room -= taken;
                self.their_end |= tcp.flags.contains(Flags::FIN) && taken == fresh.len();
            }
            self.acknowledge();
        } else if before(tcp.sequence, self.expected()) {
            self.acknowledge();
        }
        self.push(now);
    }

    fn timeout(&mut self, now: Instant) {
        self.timer = None;
        self.tries += 1;
        if !self.open {
            if !self.passive {
                self.send(Flags::SYN, 0, 0);
                self.set_timer(now);
            }
        } else if self.acknowledged <= self.has.len() && !self.reset {
            if self.most > self.acknowledged {
                // One segment, even if the window is closed meanwhile (tcp_retransmit_timer).
                let length = (self.has.len() - self.acknowledged).min(1000).min(self.most - self.acknowledged);
                let end = if length == 0 { Flags::ACK | Flags::FIN } else { Flags::ACK };
                self.send(end, self.acknowledged, length);
                self.sent = self.acknowledged + length.max(1);
                self.waits = true;
            } else if self.window == 0 {
                // A probe: with a number that was acknowledged already.
                self.send(Flags::ACK, self.sent.wrapping_sub(1), 0);
            }
            self.push(now);
            self.set_timer(now);
        }
    }

    fn is_done(&self) -> bool {
        self.their_end && self.acknowledged > self.has.len()
    }
}

/// All of it.
struct Simulation {
    now: Instant,
    client: Client,
    near: Option<Connection>,
    far: Memory,
    wire: Wire,
    verdict: Verdict,
    /// How often the server takes how much more, and the client's reader too.
    pace: usize,
    buffer: Vec<u8>,
    kept: usize,
    packets: usize,
}

impl Simulation {
    fn new(seed: u64, accidents: u64, up: usize, down: usize) -> Self {
        let bytes = |length: usize| (0..length).map(|at| (at * 7 + at / 251) as u8).collect::<Vec<_>>();
        // Close to the end of the numbers, so that they go around.
        let client = Client::new(0xffff_f000 ^ seed as u32, bytes(up), wire(seed, accidents));
        let far = Memory { has: bytes(down), ended: true, room: 30_000, ..Memory::default() };
        let wire = wire(seed + 77, accidents);
        let buffer = vec![0; BUFFER];
        let now = Instant::now();
        Self {
            now,
            client,
            near: None,
            far,
            wire,
            verdict: Verdict::Continue,
            pace: 20_000,
            buffer,
            kept: 0,
            packets: 0,
        }
    }

    fn with(&mut self, what: impl FnOnce(&mut Connection, &mut Env<'_>) -> io::Result<Verdict>) {
        let Some(mut near) = self.near.take() else { return };
        match self.stage(|env| what(&mut near, env)).unwrap() {
            Verdict::Continue => self.near = Some(near),
            verdict => self.verdict = verdict,
        }
    }

    fn stage<T>(&mut self, what: impl FnOnce(&mut Env<'_>) -> T) -> T {
        self.wire.now = Some(self.now);
        what(&mut Env {
            now: self.now,
            upstream: &mut self.far,
            link: &mut self.wire,
            buffer: &mut self.buffer,
            kept: &mut self.kept,
        })
    }

    /// The container is called.
    fn called(mut self) -> Self {
        let pair = Pair::new(SERVER.0.parse().unwrap(), CLIENT.0.parse().unwrap()).unwrap();
        self.client.passive = true;
        let mut near = self.stage(|env| Connection::call(pair, (SERVER.1, CLIENT.1), 0xffff_ff00, env));
        near.note(true, true, true);
        self.near = Some(near);
        self
    }

    fn arrive(&mut self, bytes: &[u8], offload: Offload) {
        let Ok(Ip { pair, transport: Transport::Tcp(tcp), .. }) = Ip::parse(bytes, offload) else { panic!("packet") };
        self.packets += 1;
        if tcp.flags & (Flags::SYN | Flags::ACK) != Flags::SYN {
            return self.with(|near, env| near.segment(&tcp, env));
        }
        match self.near {
            Some(_) => self.with(|near, env| {
                near.again(&tcp, env);
                Ok(Verdict::Continue)
            }),
            None if self.verdict == Verdict::Continue => {
                let mut near = self.stage(|env| Connection::begin(pair, &tcp, 0xffff_ff00, env));
                near.note(true, true, true);
                self.near = Some(near);
            }
            None => {}
        }
    }

    /// Runs the next event; false if there is none.
    fn step(&mut self) -> bool {
        let up = self.client.wire.packets.keys().next().map(|(when, _)| *when);
        let down = self.wire.packets.keys().next().map(|(when, _)| *when);
        let near = self.near.as_ref().and_then(Connection::deadline);
        let Some(next) = [up, down, near, self.client.timer].into_iter().flatten().min() else { return false };
        self.now = self.now.max(next);
        self.client.wire.now = Some(self.now);
        if up == Some(next) {
            let (_, (bytes, offload)) = self.client.wire.packets.pop_first().unwrap();
            self.arrive(&bytes, offload);
        } else if down == Some(next) {
            let (_, (bytes, offload)) = self.wire.packets.pop_first().unwrap();
            let Ok(Ip { transport: Transport::Tcp(tcp), .. }) = Ip::parse(&bytes, offload) else { panic!("packet") };
            self.client.receive(&tcp, self.now);
        } else if near == Some(next) {
            self.with(Connection::timeout);
        } else {
            self.client.timeout(self.now);
        }
        true
    }

    /// The readers read: the server makes room, and the client's program too, whose kernel tells so once.
    fn read(&mut self) {
        let blocked = self.near.as_ref().is_some_and(Connection::is_blocked);
        self.far.room = self.far.room.max(self.pace);
        if blocked {
            self.with(|near, env| {
                near.note(false, true, false);
                near.proceed(true, env)
            });
        }
        self.read_inside();
    }

    fn read_inside(&mut self) {
        let closed = self.client.room >> SCALE == 0;
        self.client.room = self.client.room.max(self.pace.min(200_000));
        if closed && self.client.open {
            self.client.wire.now = Some(self.now);
            self.client.acknowledge();
        }
    }

    /// The server echoes, with room for `room` bytes in each direction. What waits on room, and what is
    /// new, is told.
    fn echo(&mut self, room: usize) {
        let far = &mut self.far;
        let (at, place) = (far.has.len(), room - (far.has.len() - far.taken));
        let end = far.got.len().min(at + place);
        far.has.extend_from_slice(&far.got[at..end]);
        far.room = room - (far.got.len() - far.has.len());
        far.ended = far.finished && far.has.len() == far.got.len();
        let (readable, ending) = (end > at, far.ended);
        let blocked = self.near.as_ref().is_some_and(Connection::is_blocked);
        let writable = blocked && self.far.room > room / 3;
        if readable || writable || ending {
            self.with(|near, env| {
                near.note(readable, writable, ending);
                near.proceed(blocked, env)
            });
        }
    }

    fn run(self) -> Self {
        self.run_with(|play, step| {
            if step % 10 == 0 {
                play.read();
            }
        })
    }

    fn run_with(mut self, each: impl Fn(&mut Self, usize)) -> Self {
        self.client.wire.now = Some(self.now);
        self.client.timeout(self.now);
        for step in 0..200_000 {
            if self.client.is_done() && self.near.is_none() {
                break;
            }
            if self.step() {
                each(&mut self, step);
            } else {
                let waits = self.near.as_ref().is_some_and(Connection::is_blocked);
                assert!(waits, "nobody has anything to do, and it is not over");
                each(&mut self, 0);
            }
        }
        assert_eq!(self.verdict, Verdict::Closed);
        assert!(self.client.got == self.far.has, "down: {} of {}", self.client.got.len(), self.far.has.len());
        assert!(self.far.got == self.client.has, "up: {} of {}", self.far.got.len(), self.client.has.len());
        assert!(self.far.finished && !self.client.reset);
        assert_eq!(self.kept, 0);
        self
    }
}

mod tests;
