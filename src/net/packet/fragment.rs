//! Reassembly and fragmentation of packets (RFC 791, RFC 8200 section 4.5, RFC 5722).

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::checksum::Sum;
use super::ip::{FRAGMENT_HEADER, Ip, Transport, V4_HEADER, V6_HEADER};
use super::piece::Piece;
use super::{MAX_PACKET, Pair, u16_at};
use crate::net::handler::Holder;

/// How long fragments wait for the rest of their packet, as Linux' `ipfrag_time`.
pub const REASSEMBLY_TIMEOUT: Duration = Duration::from_secs(30);
/// The most bytes of waiting fragments, overhead included; Linux allows 4 MiB for each family and namespace.
const MAX_WAITING: usize = 1024 * 1024;
/// The most fragments of one packet: with the smallest MTU of IPv4 in use, 576 bytes, there are 119.
const MAX_PIECES: usize = 256;
/// The overhead of a stored fragment, estimated.
const PIECE_COST: usize = 64;
/// The overhead of a stored packet, estimated.
const PACKET_COST: usize = 256;

/// The key of the fragments of one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    pair: Pair,
    /// `None` for IPv6, where the identification alone decides (RFC 8200 section 4.5).
    protocol: Option<u8>,
    identification: u32,
}

/// An incomplete packet.
#[derive(Debug)]
struct Waiting {
    since: Instant,
    holder: Holder,
    /// Its place in the order of arrival.
    number: u64,
    /// Sorted by offset, without overlaps.
    pieces: Vec<(usize, Vec<u8>)>,
    /// The headers of the whole packet, from the first fragment.
    head: Option<Vec<u8>>,
    /// The length of all data, once the last fragment has arrived.
    total: Option<usize>,
    cost: usize,
}

/// Incomplete packets, bounded in bytes: at the limit, the member with the most loses its oldest packet.
#[derive(Debug, Default)]
pub struct Reassembly {
    waiting: HashMap<Key, Waiting>,
    /// The packets by arrival, oldest first.
    order: BTreeMap<u64, Key>,
    members: HashMap<Holder, Share>,
    next: u64,
    cost: usize,
}

/// The incomplete packets of one member.
#[derive(Debug, Default)]
struct Share {
    /// Its packets, as in [`Reassembly::order`].
    order: BTreeMap<u64, Key>,
    cost: usize,
}

/// What adding a fragment has led to.
enum Added {
    Known,
    New,
    /// It contradicts earlier fragments: the whole packet is dropped (RFC 5722 section 4).
    Contradicts,
}

impl Reassembly {
    /// Adds a fragment of this member. Returns the packet once it is complete: to be parsed again, without offload. A
    /// packet that is no fragment gives `None`.
    pub fn push(&mut self, packet: &Ip<'_>, holder: Holder, now: Instant) -> Option<Vec<u8>> {
        let Transport::Fragment(piece) = packet.transport else { return None };
        let protocol = piece.named_at.is_none().then_some(packet.protocol);
        let key = Key { pair: packet.pair, protocol, identification: piece.identification };
        if !self.waiting.contains_key(&key) {
            self.start(key, holder, now);
        }
        let waiting = self.waiting.get_mut(&key)?;
        let before = waiting.cost;
        let added = waiting.add(&piece, packet.protocol);
        self.cost = self.cost + waiting.cost - before;
        if let Some(share) = self.members.get_mut(&waiting.holder) {
            share.cost = share.cost + waiting.cost - before;
        }
        match added {
            Added::Known => None,
            Added::Contradicts => {
                self.remove(&key);
                None
            }
            Added::New => {
                if waiting.is_complete() {
                    return self.remove(&key)?.join();
                }
                while self.cost > MAX_WAITING {
                    let largest = self.members.values().max_by_key(|share| share.cost)?;
                    let oldest = *largest.order.first_key_value()?.1;
                    self.remove(&oldest);
                }
                None
            }
        }
    }

    /// Whether nothing is stored or counted.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.order.is_empty() && self.members.is_empty() && self.cost == 0
    }

    /// When [`Reassembly::expire`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        let (_, oldest) = self.order.first_key_value()?;
        self.waiting.get(oldest).map(|waiting| waiting.since + REASSEMBLY_TIMEOUT)
    }

    /// Drops packets that have waited too long.
    pub fn expire(&mut self, now: Instant) {
        while self.deadline().is_some_and(|at| at <= now)
            && let Some((_, oldest)) = self.order.first_key_value()
        {
            let oldest = *oldest;
            self.remove(&oldest);
        }
    }

    fn start(&mut self, key: Key, holder: Holder, now: Instant) {
        let (pieces, number) = (Vec::new(), self.next);
        let waiting = Waiting { since: now, holder, number, pieces, head: None, total: None, cost: PACKET_COST };
        self.waiting.insert(key, waiting);
        self.order.insert(number, key);
        let share = self.members.entry(holder).or_default();
        share.order.insert(number, key);
        share.cost += PACKET_COST;
        self.next += 1;
        self.cost += PACKET_COST;
    }

    fn remove(&mut self, key: &Key) -> Option<Waiting> {
        let waiting = self.waiting.remove(key)?;
        self.order.remove(&waiting.number);
        self.cost -= waiting.cost;
        if let Some(share) = self.members.get_mut(&waiting.holder) {
            share.order.remove(&waiting.number);
            share.cost -= waiting.cost;
            if share.order.is_empty() {
                self.members.remove(&waiting.holder);
            }
        }
        Some(waiting)
    }
}

impl Waiting {
    fn add(&mut self, piece: &Piece<'_>, protocol: u8) -> Added {
        let end = piece.offset + piece.data.len();
        if !piece.more && self.total.is_some_and(|total| total != end) {
            return Added::Contradicts;
        }
        let place = self.pieces.partition_point(|(offset, _)| *offset < piece.offset);
        if let Some((offset, data)) = self.pieces.get(place)
            && *offset == piece.offset
            && data == piece.data
        {
            return Added::Known;
        }
        let after = |(offset, data): &(usize, Vec<u8>)| offset + data.len();
        let overlaps = self.pieces.get(place).is_some_and(|(offset, _)| *offset < end)
            || place.checked_sub(1).and_then(|place| self.pieces.get(place)).is_some_and(|it| after(it) > piece.offset);
        let last = if piece.more { self.total } else { Some(end) };
        let furthest = self.pieces.last().map_or(0, after).max(end);
        if overlaps || last.is_some_and(|total| furthest > total) || self.pieces.len() >= MAX_PIECES {
            return Added::Contradicts;
        }
        self.total = last;
        if piece.offset == 0 {
            self.head = Some(whole_head(piece, protocol));
        }
        self.pieces.insert(place, (piece.offset, piece.data.to_vec()));
        self.cost += piece.data.len() + PIECE_COST + if piece.offset == 0 { piece.head.len() } else { 0 };
        Added::New
    }

    /// There are no overlaps, so the sum of the lengths decides.
    fn is_complete(&self) -> bool {
        self.total == Some(self.pieces.iter().map(|(_, data)| data.len()).sum())
    }

    /// Joins headers and data, with the lengths of the whole.
    fn join(self) -> Option<Vec<u8>> {
        let mut packet = self.head?;
        let v6 = packet.first()? >> 4 == 6;
        let head = packet.len();
        for (_, data) in &self.pieces {
            packet.extend_from_slice(data);
        }
        if packet.len() > MAX_PACKET {
            return None;
        }
        let length = u16::try_from(packet.len() - if v6 { V6_HEADER } else { 0 }).ok()?;
        let at = if v6 { 4 } else { 2 };
        packet.get_mut(at..at + 2)?.copy_from_slice(&length.to_be_bytes());
        if !v6 {
            let sum = Sum::default().with(packet.get(..head)?).complemented();
            packet.get_mut(10..12)?.copy_from_slice(&sum.to_be_bytes());
        }
        Some(packet)
    }
}

/// The headers of the whole packet: for IPv4 with the fragment fields cleared (the checksum is filled in later), for
/// IPv6 without the fragment header.
fn whole_head(piece: &Piece<'_>, protocol: u8) -> Vec<u8> {
    let mut head = piece.head.to_vec();
    match piece.named_at {
        None => {
            let flags = u16_at(&head, 6).unwrap_or(0) & 0x4000;
            let fields = head.iter_mut().skip(6).zip(flags.to_be_bytes());
            fields.for_each(|(to, from)| *to = from);
            head.iter_mut().skip(10).take(2).for_each(|byte| *byte = 0);
        }
        Some(at) => head.iter_mut().skip(at).take(1).for_each(|byte| *byte = protocol),
    }
    head
}

/// Splits a packet into fragments of at most `mtu` bytes and passes each to `send`; a packet that fits is passed as it
/// is. `identification` marks its fragments. False if it cannot be split: it is malformed, has options or extension
/// headers (packets built here have none), or the MTU leaves no room for data. Its checksum must be complete.
#[must_use]
pub fn split(packet: &[u8], identification: u32, mtu: usize, mut send: impl FnMut(&[u8])) -> bool {
    if packet.len() <= mtu {
        send(packet);
        return true;
    }
    let v6 = match packet.first() {
        Some(0x45) => false,
        Some(first) if first >> 4 == 6 => true,
        _ => return false,
    };
    let (header, more_header) = if v6 { (V6_HEADER, FRAGMENT_HEADER) } else { (V4_HEADER, 0) };
    let (Some(room), Some((head, data))) = (mtu.checked_sub(header + more_header), packet.split_at_checked(header))
    else {
        return false;
    };
    let room = room & !7;
    if room == 0 || data.len() > 65_535 {
        return false;
    }
    let mut out = Vec::with_capacity(mtu);
    let mut offset = 0;
    for chunk in data.chunks(room) {
        let more = offset + chunk.len() < data.len();
        let Ok(at) = u16::try_from(offset) else { return false };
        out.clear();
        out.extend_from_slice(head);
        let header = if v6 {
            fragment_v6(&mut out, identification, at, more, chunk)
        } else {
            fragment_v4(&mut out, identification, at, more, chunk)
        };
        if header.is_none() {
            return false;
        }
        out.extend_from_slice(chunk);
        send(&out);
        offset += chunk.len();
    }
    true
}

fn fragment_v4(out: &mut [u8], identification: u32, offset: u16, more: bool, data: &[u8]) -> Option<()> {
    let length = u16::try_from(V4_HEADER + data.len()).ok()?;
    let [_, _, i0, i1] = identification.to_be_bytes();
    let word = (offset / 8) | if more { 0x2000 } else { 0 };
    out.get_mut(2..4)?.copy_from_slice(&length.to_be_bytes());
    out.get_mut(4..6)?.copy_from_slice(&[i0, i1]);
    out.get_mut(6..8)?.copy_from_slice(&word.to_be_bytes());
    out.get_mut(10..12)?.copy_from_slice(&[0, 0]);
    let sum = Sum::default().with(out).complemented();
    out.get_mut(10..12)?.copy_from_slice(&sum.to_be_bytes());
    Some(())
}

fn fragment_v6(out: &mut Vec<u8>, identification: u32, offset: u16, more: bool, data: &[u8]) -> Option<()> {
    const FRAGMENT: u8 = 44;
    let length = u16::try_from(FRAGMENT_HEADER + data.len()).ok()?;
    out.get_mut(4..6)?.copy_from_slice(&length.to_be_bytes());
    let next = std::mem::replace(out.get_mut(6)?, FRAGMENT);
    out.extend_from_slice(&[next, 0]);
    out.extend_from_slice(&(offset | u16::from(more)).to_be_bytes());
    out.extend_from_slice(&identification.to_be_bytes());
    Some(())
}
