//! The TUN device as netd's loop uses it.

use std::io::IoSlice;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::io::{Errno, read, writev};

use crate::net::packet::{self, MAX_PACKET, VNET_HEADER};
use crate::net::part::{Interest, Link, Offload, Part, Token, Wakes};
use crate::net::udp::pace::{Pace, REST, Turn};

/// How many packets are read before everything else has its turn.
const ROUND: usize = 64;

/// Reads and writes packets.
#[derive(Debug)]
pub struct Tun {
    fd: Option<OwnedFd>,
    cuts_udp: bool,
    counters: Counters,
    pace: Pace,
    /// When to look, while it is not waited for.
    look_at: Option<Instant>,
}

/// What has happened, for those who look for the reason of something.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Packets that nobody should have sent.
    pub malformed: u64,
    /// Packets that the device had no room for.
    pub lost: u64,
    /// Packets that were read or written.
    pub passed: u64,
}

impl Tun {
    /// No device: what is sent is lost.
    pub fn absent() -> Self {
        Self { fd: None, cuts_udp: false, counters: Counters::default(), pace: Pace::default(), look_at: None }
    }

    /// This device; whether it takes large packets of UDP.
    pub fn new(fd: OwnedFd, cuts_udp: bool) -> Self {
        Self { fd: Some(fd), cuts_udp, ..Self::absent() }
    }

    /// Reads the next packet into `buffer`; what is known of it besides its bytes. `None` when there is none.
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

    /// How many packets should be read before everything else has its turn. In a conversation, where each waits for the
    /// one before it, a second one is not looked for: if there is one, epoll(7) will say so.
    pub fn most(&self, now: Instant, in_conversation: bool) -> usize {
        if in_conversation && !self.pace.expects_more(now) { 1 } else { ROUND }
    }

    /// It was looked at, and there were so many packets: from now on it is waited for, or not.
    pub fn looked(&mut self, wakes: &dyn Wakes, count: usize, now: Instant) {
        let Some(fd) = &self.fd else { return };
        let wait_for = |interest| wakes.change(fd.as_fd(), interest, Token::new(Part::Tun, 0));
        let _ = match self.pace.came(count, now) {
            Turn::Stay => Ok(()),
            Turn::Rest => wait_for(Interest::empty()),
            Turn::Watch => wait_for(Interest::READ),
        };
        let rest = if count < ROUND { REST } else { Duration::ZERO };
        self.look_at = self.pace.is_resting().then(|| now + rest);
        if count >= ROUND {
            // Who receives all this may be waiting for this processor, and has only so much room.
            std::thread::yield_now();
        }
    }

    /// When to look at it although nothing is said of it.
    pub fn look_at(&self) -> Option<Instant> {
        self.look_at
    }

    /// How many packets were read or written so far.
    pub fn passed(&self) -> u64 {
        self.counters.passed
    }

    /// Counts a packet that nobody should have sent.
    pub fn count_malformed(&mut self) {
        self.counters.malformed += 1;
    }
}

/// Room for any packet.
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
                    self.pace.went(1);
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
