//! What the container sends in a spoken conversation, on its way to the far end.
//!
//! # Theory of operation
//!
//! - The window that the container gets is what the far end's send buffer has room for, which can only be estimated: what
//!   was promised and is not taken after all, is kept. The window's edge never goes back. A container that has sent what
//!   suddenly is out of the window would send it again in ever longer intervals, until long after the window has opened
//!   (tcp_retransmit_timer in net/ipv4/tcp_timer.c). Only when too much is kept for all, the container keeps it.
//! - While something is kept, the window is as large as what is left of the promise, down to zero.
//! - Segments out of order are put aside, and answered by an acknowledgment. They are no rarity: what the container's kernel
//!   sends from two processors overtakes itself. Were they dropped, it would have to send all of them again, and what it
//!   sends meanwhile is out of order as well; since a large packet gets one acknowledgment only, those are never as many as
//!   it wants to see before it believes in a loss (tcp_newreno_mark_lost in net/ipv4/tcp_recovery.c), and each round waits
//!   for a timer that takes twice as long.
//!
//! What is kept and put aside is bounded by the window, and for all conversations together.

use std::collections::VecDeque;
use std::io;

use super::{Conversation, Scene, before, count, size};
use crate::net::packet::{Flags, Tcp};

/// The most that a container may send before we have taken it, in bytes.
const MAX_WINDOW: usize = 4 * 1024 * 1024;
/// So many segments of one conversation are put aside.
const MAX_ASIDE: usize = 1024;
/// What all conversations together keep and put aside, in bytes.
pub(super) const MAX_KEPT: usize = 16 * 1024 * 1024;

/// A segment behind one that is missing.
#[derive(Debug)]
pub(super) struct Piece {
    sequence: u32,
    bytes: Box<[u8]>,
    /// The container sends no more behind it.
    end: bool,
}

impl Conversation {
    /// How many bytes it keeps of those in [`Scene::kept`].
    pub(in crate::net::tcp) fn kept(&self) -> usize {
        self.kept.len() + self.aside.iter().map(|piece| piece.bytes.len()).sum::<usize>()
    }

    /// How much more the container may send.
    pub(super) fn promised(&self) -> u32 {
        if before(self.expected, self.edge) { self.edge.wrapping_sub(self.expected) } else { 0 }
    }

    /// Takes what is new and within the window.
    pub(super) fn receive(&mut self, tcp: &Tcp<'_>, scene: &mut Scene<'_>) -> io::Result<()> {
        let end = tcp.flags.contains(Flags::FIN);
        match before(self.expected, tcp.sequence) {
            true => self.put_aside(tcp.sequence, tcp.payload, end, scene),
            false => self.take(tcp.sequence, tcp.payload, end, scene)?,
        }
        while self.aside.first().is_some_and(|piece| !before(self.expected, piece.sequence)) {
            let piece = self.aside.remove(0);
            *scene.kept = scene.kept.saturating_sub(piece.bytes.len());
            self.take(piece.sequence, &piece.bytes, piece.end, scene)?;
        }
        self.acknowledge(scene);
        Ok(())
    }

    /// Takes what begins no later than what is expected.
    fn take(&mut self, sequence: u32, bytes: &[u8], end: bool, scene: &mut Scene<'_>) -> io::Result<()> {
        let old = self.expected.wrapping_sub(sequence);
        let Some(fresh) = bytes.get(size(old)..).filter(|_| !self.their_end) else { return Ok(()) };
        let taken = self.hand_over(fresh.get(..size(self.promised())).unwrap_or(fresh), scene)?;
        self.expected = self.expected.wrapping_add(count(taken));
        if taken == fresh.len() && end {
            self.expected = self.expected.wrapping_add(1);
            self.their_end = true;
            if self.kept.is_empty() {
                scene.upstream.finish()?;
            }
        }
        Ok(())
    }

    /// Remembers what is within the window, behind something that is missing.
    fn put_aside(&mut self, sequence: u32, bytes: &[u8], end: bool, scene: &mut Scene<'_>) {
        let distance = |sequence: u32| size(sequence.wrapping_sub(self.expected));
        let at = self.aside.partition_point(|piece| distance(piece.sequence) < distance(sequence));
        let known = self.aside.get(at).is_some_and(|piece| piece.sequence == sequence);
        let inside = distance(sequence) + bytes.len() <= size(self.promised());
        // No container gains by sending the same in many ways.
        let room = scene.kept.saturating_add(bytes.len()) <= MAX_KEPT
            && self.kept() + bytes.len() <= MAX_WINDOW
            && self.aside.len() < MAX_ASIDE;
        if inside && room && !known && !self.their_end {
            *scene.kept += bytes.len();
            self.aside.insert(at, Piece { sequence, bytes: bytes.into(), end });
        }
    }

    /// Gives bytes to the far end, and keeps what it does not take: how many were given or kept.
    fn hand_over(&mut self, bytes: &[u8], scene: &mut Scene<'_>) -> io::Result<usize> {
        let mut written = 0;
        if self.kept.is_empty() && !bytes.is_empty() {
            written = scene.upstream.write(bytes)?;
            self.blocked = written < bytes.len();
        }
        let rest = bytes.get(written..).unwrap_or_default();
        let rest = rest.get(..MAX_KEPT.saturating_sub(*scene.kept)).unwrap_or(rest);
        self.kept.extend(rest);
        *scene.kept += rest.len();
        Ok(written + rest.len())
    }

    /// The far end takes something again: what is kept, first.
    pub(super) fn flush(&mut self, scene: &mut Scene<'_>) -> io::Result<()> {
        while !self.blocked && !self.kept.is_empty() {
            let (bytes, _) = self.kept.as_slices();
            let (all, written) = (bytes.len(), scene.upstream.write(bytes)?);
            self.kept.drain(..written);
            *scene.kept = scene.kept.saturating_sub(written);
            self.blocked = written < all;
            if self.kept.is_empty() {
                self.kept = VecDeque::new();
                if self.their_end {
                    scene.upstream.finish()?;
                }
            }
        }
        Ok(())
    }

    /// As much as the far end has room for, and no less than was promised; that of a SYN is never scaled (RFC 7323
    /// section 2.2).
    pub(super) fn our_window(&mut self, scene: &mut Scene<'_>, flags: Flags) -> u16 {
        let room = match self.blocked {
            true => 0,
            // Never so little that the container would wait for more.
            false => scene.upstream.room().clamp(2 * usize::from(self.segment), MAX_WINDOW),
        };
        let shift = if flags.contains(Flags::SYN) { 0 } else { self.our_shift };
        let window = u16::try_from(count(room).max(self.promised()) >> shift).unwrap_or(u16::MAX);
        // What the scale cuts off was promised nevertheless.
        let edge = self.expected.wrapping_add(u32::from(window) << shift);
        if before(self.edge, edge) {
            self.edge = edge;
        }
        window
    }
}
