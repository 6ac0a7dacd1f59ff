//! The header before each packet of a device with `IFF_VNET_HDR` (struct virtio_net_hdr in linux/virtio_net.h, legacy: ten
//! bytes in the machine's own order).

use super::Malformed;
use crate::net::handler::{Offload, Segments};

/// Its length in bytes, unless TUNSETVNETHDRSZ changes it.
pub const VNET_HEADER: usize = 10;

const NEEDS_CHECKSUM: u8 = 1;
const NONE: u8 = 0;
const TCP4: u8 = 1;
const TCP6: u8 = 4;
const UDP: u8 = 5;
/// Beside a kind: the first segment has CWR set. Asked for with TUN_F_TSO_ECN only.
const ECN: u8 = 0x80;

/// As the device wants it.
pub fn encode(offload: Offload) -> [u8; VNET_HEADER] {
    let flags = if offload.checksum.is_some() { NEEDS_CHECKSUM } else { 0 };
    let (kind, headers, size) = match offload.segments {
        None => (NONE, 0, 0),
        Some((Segments::Tcp4, headers, size)) => (TCP4, headers, size),
        Some((Segments::Tcp6, headers, size)) => (TCP6, headers, size),
        Some((Segments::Udp, headers, size)) => (UDP, headers, size),
    };
    let (start, offset) = offload.checksum.unwrap_or((0, 0));
    let [h0, h1] = headers.to_ne_bytes();
    let [s0, s1] = size.to_ne_bytes();
    let [c0, c1] = start.to_ne_bytes();
    let [o0, o1] = offset.to_ne_bytes();
    [flags, kind, h0, h1, s0, s1, c0, c1, o0, o1]
}

/// What the device said, and the packet.
pub fn decode(bytes: &[u8]) -> Result<(Offload, &[u8]), Malformed> {
    let (header, packet) = bytes.split_first_chunk::<VNET_HEADER>().ok_or(Malformed("truncated device header"))?;
    let [flags, kind, h0, h1, s0, s1, c0, c1, o0, o1] = *header;
    let kind = match kind & !ECN {
        NONE => None,
        TCP4 => Some(Segments::Tcp4),
        TCP6 => Some(Segments::Tcp6),
        UDP => Some(Segments::Udp),
        _ => return Err(Malformed("kind of large packet")),
    };
    let (headers, size) = (u16::from_ne_bytes([h0, h1]), u16::from_ne_bytes([s0, s1]));
    if kind.is_some() && size == 0 {
        return Err(Malformed("large packet of empty segments"));
    }
    let checksum = (u16::from_ne_bytes([c0, c1]), u16::from_ne_bytes([o0, o1]));
    let offload = Offload {
        checksum: (flags & NEEDS_CHECKSUM != 0).then_some(checksum),
        segments: kind.map(|kind| (kind, headers, size)),
    };
    Ok((offload, packet))
}
