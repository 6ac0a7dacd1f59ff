//! The checksum of the internet protocols (RFC 1071), in one go or incrementally.

use super::Pair;
use crate::net::handler::Offload;

/// A running sum. Handlers may be added in any order, but all except the last one added must have an even length.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sum(u64);

impl Sum {
    /// Of the pseudo header (RFC 9293 section 3.1, RFC 8200 section 8.1) that TCP, UDP and ICMPv6 cover.
    pub fn pseudo(pair: &Pair, protocol: u8, length: usize) -> Self {
        let sum = match pair {
            Pair::V4 { source, destination } => Self::default().with(&source.octets()).with(&destination.octets()),
            Pair::V6 { source, destination } => Self::default().with(&source.octets()).with(&destination.octets()),
        };
        // No length here exceeds 65,575; the sum of its halves is what adding it as 32 bits would give.
        Self(sum.0 + u64::from(protocol) + length as u64)
    }

    /// With more bytes.
    #[must_use]
    pub fn with(self, bytes: &[u8]) -> Self {
        let mut sum = self.0;
        let (words, rest) = bytes.as_chunks::<4>();
        for word in words {
            sum += u64::from(u32::from_be_bytes(*word));
        }
        let mut last = [0; 4];
        last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        sum += u64::from(u32::from_be_bytes(last));
        // The next call must not overflow: 2^32 words are more than any packet has.
        Self((sum & 0xffff_ffff) + (sum >> 32))
    }

    /// As 16 bits, not complemented: the value of a checksum field that the device completes.
    pub fn folded(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        u16::try_from(sum).unwrap_or(u16::MAX)
    }

    /// As a header has it.
    pub fn complemented(self) -> u16 {
        !self.folded()
    }

    /// Whether the bytes, their checksum included, are as they were sent.
    pub fn is_valid(self) -> bool {
        self.folded() == 0xffff
    }
}

/// Fills in the checksum that `offload` leaves to the device, as the device would (skb_checksum_help in net/core/dev.c).
/// False when it points outside of the packet.
#[must_use]
pub fn complete(packet: &mut [u8], offload: Offload) -> bool {
    let Some((start, offset)) = offload.checksum else { return true };
    let (start, at) = (usize::from(start), usize::from(start) + usize::from(offset));
    let Some(covered) = packet.get(start..) else { return false };
    let sum = match Sum::default().with(covered).complemented() {
        0 => 0xffff,
        sum => sum,
    };
    let Some(field) = packet.get_mut(at..at + 2) else { return false };
    field.copy_from_slice(&sum.to_be_bytes());
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_1071() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::default().with(&bytes).folded(), 0xddf2);
        assert_eq!(Sum::default().with(&bytes[..6]).with(&bytes[6..]).folded(), 0xddf2);
        assert_eq!(Sum::default().with(&bytes[..2]).with(&bytes[2..]).folded(), 0xddf2);
        assert_eq!(Sum::default().with(&[0xff]).folded(), 0xff00);
    }

    #[test]
    fn pseudo_headers_of_both_families() {
        let four = Pair::V4 { source: [192, 0, 2, 1].into(), destination: [198, 51, 100, 2].into() };
        let bytes = [192, 0, 2, 1, 198, 51, 100, 2, 0, 17, 0x20, 0x01];
        assert_eq!(Sum::pseudo(&four, 17, 0x2001).folded(), Sum::default().with(&bytes).folded());
        let six = Pair::V6 { source: 1.into(), destination: 2.into() };
        assert_eq!(Sum::pseudo(&six, 6, 0x1_0003).folded(), 1 + 2 + 6 + 1 + 3);
    }

    #[test]
    fn completing_stays_inside() {
        let mut packet = [0u8; 8];
        assert!(complete(&mut packet, Offload::default()));
        assert_eq!(packet, [0; 8]);
        assert!(complete(&mut packet, Offload { checksum: Some((4, 2)), segments: None }));
        assert_eq!(packet, [0, 0, 0, 0, 0, 0, 0xff, 0xff]);
        assert!(!complete(&mut packet, Offload { checksum: Some((4, 3)), segments: None }));
        assert!(!complete(&mut packet, Offload { checksum: Some((9, 0)), segments: None }));
        assert!(!complete(&mut packet, Offload { checksum: Some((u16::MAX, u16::MAX)), segments: None }));
    }
}
