//! Datagrams on their way to containers: consecutive ones of one flow and size become one large packet, which the
//! container's kernel takes apart; what exceeds the MTU of a network is sent in fragments.
//!
//! IPv4 packets that are too large for a bridge are fragmented by the router namespace, like by any router. Routers do not
//! fragment IPv6: there it happens here.

use std::net::SocketAddr;

use crate::net::packet::{self, Envelope, Headers, Pair};
use crate::net::handler::{Link, Offload};
use crate::sys::datagram::HEADROOM;

/// Datagrams in one large packet, as in the kernel (UDP_MAX_SEGMENTS before Linux 6.9).
const MAX_SEGMENTS: usize = 64;
/// Bytes in it, so that any headers fit.
const MAX_PAYLOAD: usize = 65_000;

/// From where, to where and how a datagram goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// Whom the container sees as its sender.
    pub from: SocketAddr,
    /// The container's end.
    pub to: SocketAddr,
    /// DSCP and ECN.
    pub class: u8,
    /// What reaches the container in one piece, in bytes.
    pub mtu: usize,
}

/// Datagrams that wait to be sent together. Nothing waits longer than the call that brought it: [`Delivery::flush`].
#[derive(Debug, Default)]
pub struct Delivery {
    label: Option<Label>,
    /// Of each datagram except the last one.
    size: usize,
    count: usize,
    /// Room for headers, then all datagrams behind each other.
    buffer: Vec<u8>,
    /// Of the next packet, which tells its fragments from others.
    identification: u32,
}

impl Delivery {
    /// Takes one datagram, or with `segment` several of that size, of which the last may be shorter.
    pub fn add(&mut self, link: &mut dyn Link, label: Label, payload: &[u8], segment: Option<u16>) {
        let size = segment.map_or(payload.len(), usize::from);
        let count = if size == 0 { 1 } else { payload.len().div_ceil(size) };
        if !self.continues(&label, size, count, payload.len()) {
            self.flush(link);
            self.label = Some(label);
            self.size = size;
            self.buffer.resize(HEADROOM, 0);
        }
        self.count += count;
        self.buffer.extend_from_slice(payload);
        // A short one ends the row, and an empty one cannot be in any.
        if size == 0 || !(self.buffer.len() - HEADROOM).is_multiple_of(self.size) {
            self.flush(link);
        }
    }

    /// Whether it can be appended to what waits. What waits has no short datagram at its end.
    fn continues(&self, label: &Label, size: usize, count: usize, length: usize) -> bool {
        let fits = self.count + count <= MAX_SEGMENTS && self.buffer.len() + length <= HEADROOM + MAX_PAYLOAD;
        let same_size = size == self.size || (count == 1 && size > 0 && size < self.size);
        self.label == Some(*label) && fits && same_size
    }

    /// Sends what waits.
    pub fn flush(&mut self, link: &mut dyn Link) {
        let Some(label) = self.label.take() else { return };
        let (size, count) = (self.size.max(1), std::mem::take(&mut self.count));
        let mut buffer = std::mem::take(&mut self.buffer);
        let end = buffer.len();
        if count == 1 {
            self.send_one(link, &label, &mut buffer, HEADROOM, end);
        } else if !self.send_large(link, &label, &mut buffer, size) {
            for start in (HEADROOM..end).step_by(size) {
                // Headers overwrite the end of the datagram before, which is already sent.
                self.send_one(link, &label, &mut buffer, start, end.min(start + size));
            }
        }
        buffer.clear();
        self.buffer = buffer;
    }

    /// Sends all as one packet, if the device and the MTU allow it.
    fn send_large(&mut self, link: &mut dyn Link, label: &Label, buffer: &mut [u8], size: usize) -> bool {
        let Ok(segment) = u16::try_from(size) else { return false };
        if !link.cuts_udp() {
            return false;
        }
        let Some(headers) = self.headers(label, buffer.len() - HEADROOM) else { return false };
        let headers = headers.segmented(segment);
        if headers.as_slice().len() + size > label.mtu {
            return false;
        }
        match place(buffer, &headers, HEADROOM, buffer.len()) {
            Some(packet) => link.send(packet, headers.offload()),
            None => return false,
        };
        true
    }

    fn send_one(&mut self, link: &mut dyn Link, label: &Label, buffer: &mut [u8], start: usize, end: usize) {
        let Some(headers) = self.headers(label, end - start) else { return };
        let Some(packet) = place(buffer, &headers, start, end) else { return };
        if packet.len() <= label.mtu || label.to.is_ipv4() {
            link.send(packet, headers.offload());
        } else if packet::checksum::complete(packet, headers.offload()) {
            let sent = |fragment: &[u8]| {
                link.send(fragment, Offload::default());
            };
            let _ = packet::split(packet, self.identification, label.mtu, sent);
        }
    }

    /// None for families that differ and datagrams that are too large for their family: nobody can have sent these.
    fn headers(&mut self, label: &Label, payload: usize) -> Option<Headers> {
        self.identification = self.identification.wrapping_add(1);
        let [_, _, high, low] = self.identification.to_be_bytes();
        let envelope = Envelope {
            traffic_class: label.class,
            identification: Some(u16::from_be_bytes([high, low])),
            ..Envelope::new(Pair::new(label.from.ip(), label.to.ip())?)
        };
        packet::udp_headers(&envelope, label.from.port(), label.to.port(), payload)
    }
}

/// Puts headers before a payload in `buffer`; the packet.
fn place<'a>(buffer: &'a mut [u8], headers: &Headers, start: usize, end: usize) -> Option<&'a mut [u8]> {
    let headers = headers.as_slice();
    let packet = buffer.get_mut(start.checked_sub(headers.len())?..end)?;
    packet.get_mut(..headers.len())?.copy_from_slice(headers);
    Some(packet)
}
