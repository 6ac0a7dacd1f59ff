//! A container's TCP in miniature, a wire that loses, doubles, delays and turns around packets, and a server in memory: what
//! is said arrives, whatever happens on the way. Time is a number here.

use std::collections::{BTreeMap, VecDeque};

use super::*;
use crate::net::packet::{Ip, Transport};
use crate::net::part::Offload;

/// xorshift64*: the same accidents every time.
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
    /// What it takes until it is asked again.
    room: usize,
}

impl Upstream for Memory {
    fn look(&mut self, skip: usize, buffer: &mut [u8]) -> io::Result<Option<usize>> {
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
        self.room
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
}

impl Link for Wire {
    fn send(&mut self, packet: &[u8], offload: Offload) -> bool {
        if self.full {
            return false;
        }
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

/// The container's side: stop, go back, send again.
struct Client {
    start: u32,
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
    reset: bool,
    wire: Wire,
}

impl Client {
    fn new(start: u32, has: Vec<u8>, wire: Wire) -> Self {
        Self {
            start,
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
            acknowledgment: if syn { 0 } else { self.expected() },
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

    /// Sends what the window allows, its end included.
    fn push(&mut self, now: Instant) {
        if !self.open || self.reset {
            return;
        }
        let limit = self.acknowledged + self.window;
        while self.sent < self.has.len().min(limit) {
            let length = (self.has.len().min(limit) - self.sent).min(1000);
            self.send(Flags::ACK, self.sent, length);
            self.sent += length;
        }
        if self.sent == self.has.len() {
            self.send(Flags::ACK | Flags::FIN, self.sent, 0);
            self.sent += 1;
        }
        self.most = self.most.max(self.sent);
        self.timer.get_or_insert(now + Duration::from_millis(100));
    }

    fn receive(&mut self, tcp: &Tcp<'_>, now: Instant) {
        if tcp.flags.contains(Flags::RST) {
            self.reset = true;
            return;
        }
        if tcp.flags.contains(Flags::SYN) {
            assert_eq!(tcp.acknowledgment, self.start.wrapping_add(1));
            if !self.open {
                self.open = true;
                self.their_start = tcp.sequence;
                self.scale = tcp.parsed_options().window_scale.unwrap_or(0);
                self.window = usize::from(tcp.window);
            }
            self.send(Flags::ACK, self.most, 0);
            return self.push(now);
        }
        if !self.open {
            return;
        }
        let number = tcp.acknowledgment.wrapping_sub(self.start).wrapping_sub(1) as usize;
        if number <= self.most && number >= self.acknowledged {
            self.window = usize::from(tcp.window) << self.scale;
            if number > self.acknowledged {
                self.acknowledged = number;
                self.sent = self.sent.max(number);
                self.timer = (number <= self.has.len()).then(|| now + Duration::from_millis(100));
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
            self.send(Flags::ACK, self.most, 0);
        } else if before(tcp.sequence, self.expected()) {
            self.send(Flags::ACK, self.most, 0);
        }
        self.push(now);
    }

    fn timeout(&mut self, now: Instant) {
        self.timer = None;
        match self.open {
            false => {
                self.send(Flags::SYN, 0, 0);
                self.timer = Some(now + Duration::from_millis(100));
            }
            true if self.acknowledged <= self.has.len() && !self.reset => {
                self.sent = self.acknowledged;
                if self.window == 0 {
                    // A probe: with a number that was acknowledged already.
                    self.send(Flags::ACK, self.sent.wrapping_sub(1), 0);
                }
                self.push(now);
            }
            true => {}
        }
    }

    fn is_done(&self) -> bool {
        self.their_end && self.acknowledged > self.has.len()
    }
}

/// All of it.
struct Play {
    now: Instant,
    client: Client,
    near: Option<Conversation>,
    far: Memory,
    wire: Wire,
    fate: Fate,
    /// How often the server takes how much more, and the client's reader too.
    pace: usize,
    buffer: Vec<u8>,
    packets: usize,
}

impl Play {
    fn new(seed: u64, accidents: u64, up: usize, down: usize) -> Self {
        let bytes = |length: usize| (0..length).map(|at| (at * 7 + at / 251) as u8).collect::<Vec<_>>();
        // Close to the end of the numbers, so that they go around.
        let client = Client::new(0xffff_f000 ^ seed as u32, bytes(up), wire(seed, accidents));
        let far = Memory { has: bytes(down), ended: true, room: 30_000, ..Memory::default() };
        let wire = wire(seed + 77, accidents);
        let buffer = vec![0; BUFFER];
        let now = Instant::now();
        Self { now, client, near: None, far, wire, fate: Fate::On, pace: 20_000, buffer, packets: 0 }
    }

    fn with(&mut self, what: impl FnOnce(&mut Conversation, &mut Scene<'_>) -> io::Result<Fate>) {
        let Some(near) = &mut self.near else { return };
        self.wire.now = Some(self.now);
        let mut scene =
            Scene { now: self.now, upstream: &mut self.far, link: &mut self.wire, buffer: &mut self.buffer };
        match what(near, &mut scene).unwrap() {
            Fate::On => {}
            fate => {
                self.fate = fate;
                self.near = None;
            }
        }
    }

    fn arrive(&mut self, bytes: &[u8], offload: Offload) {
        let Ok(Ip { pair, transport: Transport::Tcp(tcp), .. }) = Ip::parse(bytes, offload) else { panic!("packet") };
        self.packets += 1;
        if !tcp.flags.contains(Flags::SYN) {
            return self.with(|near, scene| near.segment(&tcp, scene));
        }
        match self.near {
            Some(_) => self.with(|near, scene| {
                near.again(&tcp, scene);
                Ok(Fate::On)
            }),
            None if self.fate == Fate::On => {
                self.wire.now = Some(self.now);
                let mut scene =
                    Scene { now: self.now, upstream: &mut self.far, link: &mut self.wire, buffer: &mut self.buffer };
                let mut near = Conversation::begin(pair, &tcp, 0xffff_ff00, &mut scene);
                near.note(true, true, true);
                self.near = Some(near);
            }
            None => {}
        }
    }

    /// The next thing that happens; false when nothing will.
    fn step(&mut self) -> bool {
        let up = self.client.wire.packets.keys().next().map(|(when, _)| *when);
        let down = self.wire.packets.keys().next().map(|(when, _)| *when);
        let near = self.near.as_ref().and_then(Conversation::deadline);
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
            self.with(Conversation::timeout);
        } else {
            self.client.timeout(self.now);
        }
        true
    }

    /// The readers read: the server makes room, and the client's program too, whose kernel tells so once.
    fn read(&mut self) {
        let blocked = self.near.as_ref().is_some_and(Conversation::is_blocked);
        self.far.room = self.far.room.max(self.pace);
        if blocked {
            self.with(|near, scene| {
                near.note(false, true, false);
                near.proceed(true, scene)
            });
        }
        let closed = self.client.room >> SCALE == 0;
        self.client.room = self.client.room.max(self.pace.min(200_000));
        if closed && self.client.open {
            self.client.wire.now = Some(self.now);
            self.client.send(Flags::ACK, self.client.most, 0);
        }
    }

    fn run(mut self) -> Self {
        self.client.wire.now = Some(self.now);
        self.client.timeout(self.now);
        for step in 0..200_000 {
            if self.client.is_done() && self.near.is_none() {
                break;
            }
            assert!(self.step(), "nobody has anything to do, and it is not over");
            if step % 10 == 0 {
                self.read();
            }
        }
        assert_eq!(self.fate, Fate::Over);
        assert!(self.client.got == self.far.has, "down: {} of {}", self.client.got.len(), self.far.has.len());
        assert!(self.far.got == self.client.has, "up: {} of {}", self.far.got.len(), self.client.has.len());
        assert!(self.far.finished && !self.client.reset);
        self
    }
}

#[test]
fn without_accidents_nothing_waits() {
    let mut play = Play::new(1, 0, 200_000, 400_000);
    (play.pace, play.far.room, play.client.room) = (1 << 20, 1 << 20, 200_000);
    let since = play.now;
    let play = play.run();
    assert!(play.now - since < Duration::from_millis(100), "{:?}", play.now - since);
    assert!(play.packets < 900, "{}", play.packets);
}

#[test]
fn loss_doubles_and_disorder() {
    for seed in 1..=60 {
        Play::new(seed, 20 + seed * 4, 60_000, 60_000).run();
    }
}

#[test]
fn small_and_empty_ones() {
    for seed in 1..=20 {
        for (up, down) in [(0, 0), (1, 0), (0, 1), (999, 1001)] {
            Play::new(seed, 100, up, down).run();
        }
    }
}

#[test]
fn slow_readers_close_their_windows() {
    for seed in 1..=20 {
        let mut play = Play::new(seed, 50, 40_000, 40_000);
        (play.pace, play.client.room, play.far.room) = (1500, 3000, 0);
        play.run();
    }
}

/// The client's window is closed, and the packet that opens it is lost: we ask.
#[test]
fn a_window_is_probed() {
    let mut play = Play::new(1, 0, 0, 10_000);
    play.client.room = 4000;
    play.client.wire.now = Some(play.now);
    play.client.timeout(play.now);
    while play.client.got.len() < 4000 {
        assert!(play.step());
    }
    let since = play.now;
    while play.now - since < Duration::from_secs(300) {
        assert!(play.step(), "nobody asks");
    }
    assert!(play.near.is_some(), "a slow reader is no dead one");
    play.client.room = 60_000;
    play.run();
}

#[test]
fn a_container_that_says_nothing_is_given_up() {
    let mut play = Play::new(1, 0, 0, 10_000);
    play.client.wire.now = Some(play.now);
    play.client.timeout(play.now);
    while !play.near.as_ref().is_some_and(Conversation::is_open) {
        assert!(play.step());
    }
    let since = play.now;
    play.client.wire.lost = 1000;
    play.client.timer = None;
    while play.near.is_some() {
        play.client.timer = None;
        assert!(play.step());
    }
    assert_eq!(play.fate, Fate::Broken);
    assert!(play.now - since > Duration::from_secs(60) && play.now - since < Duration::from_secs(300));
}

#[test]
fn a_full_device_is_a_loss() {
    let mut play = Play::new(1, 0, 0, 10_000);
    play.client.wire.now = Some(play.now);
    play.client.timeout(play.now);
    while !play.near.as_ref().is_some_and(Conversation::is_open) {
        assert!(play.step());
        play.wire.full = play.near.as_ref().is_some();
        if play.wire.full && play.wire.packets.is_empty() && play.client.wire.packets.is_empty() {
            play.wire.full = false;
        }
    }
    play.wire.full = false;
    play.run();
}

#[test]
fn only_the_right_number_resets() {
    for (offset, fate) in [(0, Fate::Broken), (1, Fate::On), (u32::MAX, Fate::On)] {
        let mut play = Play::new(1, 0, 10, 0);
        play.far.ended = false;
        play.client.wire.now = Some(play.now);
        play.client.timeout(play.now);
        while play.far.got.len() < 10 {
            assert!(play.step());
        }
        let expected = play.near.as_ref().unwrap().expected;
        let tcp = Tcp {
            source_port: CLIENT.1,
            destination_port: SERVER.1,
            sequence: expected.wrapping_add(offset),
            acknowledgment: 0,
            flags: Flags::RST,
            window: 0,
            urgent: 0,
            options: &[],
            payload: &[],
        };
        play.with(|near, scene| near.segment(&tcp, scene));
        assert_eq!(play.fate, fate, "{offset}");
    }
}

/// Whatever comes, nothing panics and nothing is acknowledged that does not exist.
#[test]
fn random_segments_do_no_harm() {
    for seed in 1..=200 {
        let mut play = Play::new(seed, 0, 10, 5000);
        play.client.wire.now = Some(play.now);
        play.client.timeout(play.now);
        play.step();
        let mut random = Random(seed);
        for _ in 0..200 {
            let Some(near) = &play.near else { break };
            let about = |random: &mut Random, number: u32| match random.below(4) {
                0 => random.below(u64::from(u32::MAX)) as u32,
                _ => number.wrapping_add(random.below(3000) as u32).wrapping_sub(1500),
            };
            let (sequence, acknowledgment) = (about(&mut random, near.expected), about(&mut random, near.first));
            let payload = vec![0; random.below(2000) as usize];
            let tcp = Tcp {
                source_port: CLIENT.1,
                destination_port: SERVER.1,
                sequence,
                acknowledgment,
                flags: Flags::from_bits_truncate(random.below(256) as u8) - Flags::SYN - Flags::RST,
                window: random.below(65_536) as u16,
                urgent: 0,
                options: &[],
                payload: &payload,
            };
            play.now += Duration::from_millis(random.below(500));
            play.far.room = random.below(3000) as usize;
            play.with(|near, scene| near.segment(&tcp, scene));
            play.with(Conversation::timeout);
        }
    }
}

#[test]
fn ten_thousand_take_little() {
    let mut flows = VecDeque::new();
    for seed in 0..10_000 {
        let mut play = Play::new(1, 0, 0, 0);
        (play.buffer, play.client.start) = (vec![0; 1000], seed);
        play.client.wire.now = Some(play.now);
        play.client.timeout(play.now);
        play.step();
        play.step();
        play.buffer = Vec::new();
        flows.push_back(play.near.unwrap());
    }
    assert!(size_of::<Conversation>() <= 192, "{}", size_of::<Conversation>());
    assert_eq!(flows.len(), 10_000);
}
