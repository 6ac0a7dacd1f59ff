//! Datagrams to containers. Consecutive ones of one flow and size become one GSO packet, which the container's kernel
//! splits; a datagram that exceeds the MTU of a network is sent in fragments.
//!
//! IPv4 packets that are too large for a bridge are fragmented by the router namespace, as by any router. Routers do
//! not fragment IPv6, so this file does.

use std::net::SocketAddr;

use crate::net::handler::{Link, Offload};
use crate::net::packet::{self, Envelope, Headers, Pair};

/// The most datagrams in one GSO packet, as in the kernel (UDP_MAX_SEGMENTS before Linux 6.9).
const MAX_SEGMENTS: usize = 64;
/// Room before the payload, for the longest headers.
const HEADROOM: usize = 128;
/// The most payload of one GSO packet; leaves room for any headers.
const MAX_PAYLOAD: usize = 65_000;

/// Addresses and headers of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// The source that the container sees.
    pub from: SocketAddr,
    /// The container's address and port.
    pub to: SocketAddr,
    /// DSCP and ECN.
    pub class: u8,
    /// The MTU on the way to the container, in bytes.
    pub mtu: usize,
}

/// The pending batch. A datagram waits no longer than the call that brought it: see [`Delivery::flush`].
#[derive(Debug, Default)]
pub struct Delivery {
    label: Option<Label>,
    /// The size of each datagram except the last one.
    size: usize,
    count: usize,
    /// Room for headers, then the datagrams back to back.
    buffer: Vec<u8>,
    /// The identification of the next packet, for its fragments.
    identification: u32,
}

impl Delivery {
    /// Adds one datagram, or with `segment` several of that size, of which the last may be shorter.
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
        // A short datagram ends a batch, and an empty one cannot be in a batch.
        if size == 0 || !(self.buffer.len() - HEADROOM).is_multiple_of(self.size) {
            self.flush(link);
        }
    }

    /// Whether the datagram can join the batch, whose datagrams all have the full size.
    fn continues(&self, label: &Label, size: usize, count: usize, length: usize) -> bool {
        let fits = self.count + count <= MAX_SEGMENTS && self.buffer.len() + length <= HEADROOM + MAX_PAYLOAD;
        let same_size = size == self.size || (count == 1 && size > 0 && size < self.size);
        self.label == Some(*label) && fits && same_size
    }

    /// Sends the batch.
    pub fn flush(&mut self, link: &mut dyn Link) {
        let Some(label) = self.label.take() else { return };
        let (size, count) = (self.size.max(1), std::mem::take(&mut self.count));
        let mut buffer = std::mem::take(&mut self.buffer);
        let end = buffer.len();
        if count == 1 {
            self.send_one(link, &label, &mut buffer, HEADROOM, end);
        } else if !self.send_large(link, &label, &mut buffer, size) {
            for start in (HEADROOM..end).step_by(size) {
                // The headers overwrite the end of the datagram before, which is already sent.
                self.send_one(link, &label, &mut buffer, start, end.min(start + size));
            }
        }
        buffer.clear();
        self.buffer = buffer;
    }

    /// Sends the batch as one GSO packet, if the device and the MTU allow it.
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

    /// `None` if the families differ or the datagram is too large for its family: no sender can have made these.
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

/// Writes headers in front of a payload in `buffer`; returns the packet.
fn place<'a>(buffer: &'a mut [u8], headers: &Headers, start: usize, end: usize) -> Option<&'a mut [u8]> {
    let headers = headers.as_slice();
    let packet = buffer.get_mut(start.checked_sub(headers.len())?..end)?;
    packet.get_mut(..headers.len())?.copy_from_slice(headers);
    Some(packet)
}
