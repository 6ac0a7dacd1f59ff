//! The TUN device of netd's event loop.

use std::io::IoSlice;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::io::{Errno, read, writev};

use crate::net::handler::{Handler, Interest, Link, Offload, Token, Wakes};
use crate::net::packet::{self, MAX_PACKET, VNET_HEADER};
use crate::net::udp::pace::{Pace, REST, Turn};

/// How many packets are read before other descriptors have their turn.
const ROUND: usize = 64;

/// Reads and writes packets.
#[derive(Debug)]
pub struct Tun {
    fd: Option<OwnedFd>,
    cuts_udp: bool,
    counters: Counters,
    pace: Pace,
    /// When to poll the device, while epoll does not watch it.
    look_at: Option<Instant>,
}

/// Counters for diagnosis.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Packets that no sender should have sent.
    pub malformed: u64,
    /// Packets dropped because the queue of the device was full.
    pub lost: u64,
    /// Packets that were read or written.
    pub passed: u64,
}

impl Tun {
    /// No device: packets sent to it are lost.
    pub fn absent() -> Self {
        Self { fd: None, cuts_udp: false, counters: Counters::default(), pace: Pace::default(), look_at: None }
    }

    /// Wraps a device. `cuts_udp`: whether it takes UDP GSO packets.
    pub fn new(fd: OwnedFd, cuts_udp: bool) -> Self {
        Self { fd: Some(fd), cuts_udp, ..Self::absent() }
    }

    /// Reads the next packet into `buffer`, with its offload information. `None` if there is none.
    pub fn receive<'a>(&mut self, buffer: &'a mut [u8]) -> Option<(Offload, &'a [u8])> {
        let fd = self.fd.as_ref()?;
        for _ in 0..ROUND {
            let length = match read(fd, &mut *buffer) {
                Ok(length) => length,
                Err(Errno::INTR) => continue,
                Err(_) => return None,
            };
            match buffer.get(..length).map(packet::decode) {
                Some(Ok(_)) => {
                    self.counters.passed += 1;
                    return buffer.get(..length).and_then(|bytes| packet::decode(bytes).ok());
                }
                _ => self.counters.malformed += 1,
            }
        }
        None
    }

    /// How many packets to read before other descriptors have their turn. After a pause or an answer no second packet
    /// is looked for: epoll(7) reports one if it comes.
    pub fn most(&self, now: Instant) -> usize {
        if self.pace.expects_more(now) { ROUND } else { 1 }
    }

    /// Notes how many packets a poll has found, and decides whether epoll watches the device from now on.
    pub fn looked(&mut self, wakes: &dyn Wakes, count: usize, now: Instant) {
        let Some(fd) = &self.fd else { return };
        let wait_for = |interest| wakes.change(fd.as_fd(), interest, Token::new(Handler::Tun, 0));
        let _ = match self.pace.note_received(count, now) {
            Turn::Stay => Ok(()),
            Turn::Rest => wait_for(Interest::empty()),
            Turn::Watch => wait_for(Interest::READ),
        };
        let rest = if count < ROUND { REST } else { Duration::ZERO };
        self.look_at = self.pace.is_resting().then(|| now + rest);
        if count >= ROUND {
            // The receiver may be waiting for this processor, and its buffer is bounded.
            std::thread::yield_now();
        }
    }

    /// When to poll the device without an event.
    pub fn look_at(&self) -> Option<Instant> {
        self.look_at
    }

    /// Counts a packet that no sender should have sent.
    pub fn count_malformed(&mut self) {
        self.counters.malformed += 1;
    }
}

/// A buffer for any packet.
pub fn buffer() -> Vec<u8> {
    vec![0; VNET_HEADER + MAX_PACKET]
}

impl Link for Tun {
    fn cuts_udp(&self) -> bool {
        self.cuts_udp
    }

    fn send(&mut self, packet: &[u8], offload: Offload) -> bool {
        let Some(fd) = &self.fd else { return false };
        let header = packet::encode(offload);
        loop {
            match writev(fd, &[IoSlice::new(&header), IoSlice::new(packet)]) {
                Ok(_) => {
                    self.counters.passed += 1;
                    self.pace.note_sent(1);
                    return true;
                }
                Err(Errno::INTR) => {}
                Err(_) => {
                    self.counters.lost += 1;
                    return false;
                }
            }
        }
    }
}
