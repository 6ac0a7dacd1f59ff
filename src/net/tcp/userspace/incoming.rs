//! Bytes from the container to the far end of a userspace connection.
//!
//! # Theory of operation
//!
//! - The window announced to the container is the estimated room in the far end's send buffer. Bytes that fit the window
//!   but not the buffer are kept here, and the window's edge never goes back: a container whose sent bytes fall out of the
//!   window would retransmit them in ever longer intervals, until long after the window has opened
//!   (tcp_retransmit_timer in net/ipv4/tcp_timer.c). Only at the limit for all connections does the container keep them.
//! - While bytes are kept, the window is what is left of the announced one, down to zero.
//! - Out-of-order segments are queued and acknowledged. They are common: segments that the container's kernel sends from
//!   two processors overtake each other. If they were dropped, it would have to send all of them again, and what it sends
//!   meanwhile would be out of order too. Since a GSO packet gets one acknowledgment, there are never enough duplicates
//!   for its loss detection (tcp_newreno_mark_lost in net/ipv4/tcp_recovery.c), and each round would wait for a timer
//!   that doubles.
//!
//! Kept and queued bytes are bounded by the window, and in all by [`MAX_KEPT`].

use std::collections::VecDeque;
use std::io;

use super::{Connection, Env, before, count, size};
use crate::net::packet::{Flags, Tcp};

/// The largest window, in bytes.
const MAX_WINDOW: usize = 4 * 1024 * 1024;
/// The most out-of-order segments of one connection.
const MAX_OUT_OF_ORDER: usize = 1024;
/// The most bytes that all connections keep and queue.
pub(super) const MAX_KEPT: usize = 16 * 1024 * 1024;

/// A segment behind a gap.
#[derive(Debug)]
pub(super) struct Piece {
    sequence: u32,
    bytes: Box<[u8]>,
    /// It carries the FIN.
    end: bool,
}

impl Connection {
    /// How many bytes of [`Env::kept`] are this connection's.
    pub(in crate::net::tcp) fn kept(&self) -> usize {
        self.kept.len() + self.out_of_order.iter().map(|piece| piece.bytes.len()).sum::<usize>()
    }

    /// What is left of the announced window.
    pub(super) fn promised(&self) -> u32 {
        if before(self.expected, self.edge) { self.edge.wrapping_sub(self.expected) } else { 0 }
    }

    /// Takes the new bytes within the window.
    pub(super) fn receive(&mut self, tcp: &Tcp<'_>, env: &mut Env<'_>) -> io::Result<()> {
        let end = tcp.flags.contains(Flags::FIN);
        match before(self.expected, tcp.sequence) {
            true => self.queue_out_of_order(tcp.sequence, tcp.payload, end, env),
            false => self.take(tcp.sequence, tcp.payload, end, env)?,
        }
        while self.out_of_order.first().is_some_and(|piece| !before(self.expected, piece.sequence)) {
            let piece = self.out_of_order.remove(0);
            *env.kept = env.kept.saturating_sub(piece.bytes.len());
            self.take(piece.sequence, &piece.bytes, piece.end, env)?;
        }
        self.acknowledge(env);
        Ok(())
    }

    /// Takes a segment without a gap before it.
    fn take(&mut self, sequence: u32, bytes: &[u8], end: bool, env: &mut Env<'_>) -> io::Result<()> {
        let old = self.expected.wrapping_sub(sequence);
        let Some(fresh) = bytes.get(size(old)..).filter(|_| !self.their_end) else { return Ok(()) };
        let taken = self.hand_over(fresh.get(..size(self.promised())).unwrap_or(fresh), env)?;
        self.expected = self.expected.wrapping_add(count(taken));
        if taken == fresh.len() && end {
            self.expected = self.expected.wrapping_add(1);
            self.their_end = true;
            if self.kept.is_empty() {
                env.upstream.finish()?;
            }
        }
        Ok(())
    }

    /// Queues a segment behind a gap, as far as it is within the window.
    fn queue_out_of_order(&mut self, sequence: u32, bytes: &[u8], end: bool, env: &mut Env<'_>) {
        let distance = |sequence: u32| size(sequence.wrapping_sub(self.expected));
        let at = self.out_of_order.partition_point(|piece| distance(piece.sequence) < distance(sequence));
        let known = self.out_of_order.get(at).is_some_and(|piece| piece.sequence == sequence);
        let inside = distance(sequence) + bytes.len() <= size(self.promised());
        // A container gains nothing by sending the same bytes in many ways.
        let room = env.kept.saturating_add(bytes.len()) <= MAX_KEPT
            && self.kept() + bytes.len() <= MAX_WINDOW
            && self.out_of_order.len() < MAX_OUT_OF_ORDER;
        if inside && room && !known && !self.their_end {
            *env.kept += bytes.len();
            self.out_of_order.insert(at, Piece { sequence, bytes: bytes.into(), end });
        }
    }

    /// Writes bytes to the far end and keeps the rest: how many were written or kept.
    fn hand_over(&mut self, bytes: &[u8], env: &mut Env<'_>) -> io::Result<usize> {
        let mut written = 0;
        if self.kept.is_empty() && !bytes.is_empty() {
            written = env.upstream.write(bytes)?;
            self.blocked = written < bytes.len();
        }
        let rest = bytes.get(written..).unwrap_or_default();
        let rest = rest.get(..MAX_KEPT.saturating_sub(*env.kept)).unwrap_or(rest);
        self.kept.extend(rest);
        *env.kept += rest.len();
        Ok(written + rest.len())
    }

    /// Writes the kept bytes first: the far end takes bytes again.
    pub(super) fn flush(&mut self, env: &mut Env<'_>) -> io::Result<()> {
        while !self.blocked && !self.kept.is_empty() {
            let (bytes, _) = self.kept.as_slices();
            let (all, written) = (bytes.len(), env.upstream.write(bytes)?);
            self.kept.drain(..written);
            *env.kept = env.kept.saturating_sub(written);
            self.blocked = written < all;
            if self.kept.is_empty() {
                self.kept = VecDeque::new();
                if self.their_end {
                    env.upstream.finish()?;
                }
            }
        }
        Ok(())
    }

    /// The window to announce: the room in the far end, and at least what was announced before. The window of a SYN is
    /// never scaled (RFC 7323 section 2.2).
    pub(super) fn our_window(&mut self, env: &mut Env<'_>, flags: Flags) -> u16 {
        let room = match self.blocked {
            true => 0,
            // Large enough that the container does not wait for more.
            false => env.upstream.room().clamp(2 * usize::from(self.segment), MAX_WINDOW),
        };
        let shift = if flags.contains(Flags::SYN) { 0 } else { self.our_shift };
        let window = u16::try_from(count(room).max(self.promised()) >> shift).unwrap_or(u16::MAX);
        // What the scale cuts off was announced nevertheless.
        let edge = self.expected.wrapping_add(u32::from(window) << shift);
        if before(self.edge, edge) {
            self.edge = edge;
        }
        window
    }
}
