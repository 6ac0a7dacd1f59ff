//! The TUN device as netd's loop uses it.

use std::io::IoSlice;
use std::os::fd::OwnedFd;

use rustix::io::{Errno, read, writev};

use crate::net::packet::{self, MAX_PACKET, VNET_HEADER};
use crate::net::part::{Link, Offload};

/// How many packets are read before everything else has its turn.
const ROUND: usize = 64;

/// Reads and writes packets.
#[derive(Debug)]
pub struct Tun {
    fd: Option<OwnedFd>,
    cuts_udp: bool,
    counters: Counters,
}

/// What has happened, for those who look for the reason of something.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Packets that nobody should have sent.
    pub malformed: u64,
    /// Packets that the device had no room for.
    pub lost: u64,
}

impl Tun {
    /// No device: what is sent is lost.
    pub fn absent() -> Self {
        Self { fd: None, cuts_udp: false, counters: Counters::default() }
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
                Some(Ok(_)) => return buffer.get(..length).and_then(|bytes| packet::decode(bytes).ok()),
                _ => self.counters.malformed += 1,
            }
        }
        None
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

/// How many packets are read before everything else has its turn.
pub fn round() -> std::ops::Range<usize> {
    0..ROUND
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
                Ok(_) => return true,
                Err(Errno::INTR) => {}
                Err(_) => {
                    self.counters.lost += 1;
                    return false;
                }
            }
        }
    }
}
