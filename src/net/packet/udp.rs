//! UDP headers (RFC 768).

use super::Malformed;
use super::ip::{Envelope, Headers};
use super::{protocol, u16_at};

/// The length of the header.
const HEADER: usize = 8;

/// A datagram.
#[derive(Debug, Clone, Copy)]
pub struct Udp<'a> {
    /// From which port.
    pub source_port: u16,
    /// To which port.
    pub destination_port: u16,
    /// What it carries; with `offload.segments`, several datagrams of that size, of which the last may be shorter.
    pub payload: &'a [u8],
}

impl<'a> Udp<'a> {
    /// With all that its checksum covers, and its checksum.
    pub(super) fn parse(body: &'a [u8]) -> Result<(Self, &'a [u8], u16), Malformed> {
        let short = Malformed("truncated UDP header");
        let length = usize::from(u16_at(body, 4).ok_or(short)?);
        let sum = u16_at(body, 6).ok_or(short)?;
        let covered = body.get(..length).ok_or(Malformed("truncated UDP datagram"))?;
        let payload = covered.get(HEADER..).ok_or(Malformed("length of the UDP header"))?;
        let source_port = u16_at(body, 0).ok_or(short)?;
        let destination_port = u16_at(body, 2).ok_or(short)?;
        // RFC 768 allows a source port of zero, which says that no answer is expected.
        match destination_port {
            0 => Err(Malformed("UDP port zero")),
            _ => Ok((Self { source_port, destination_port, payload }, covered, sum)),
        }
    }
}

/// The headers of a datagram with `payload` bytes; `None` if it is too large.
pub fn udp_headers(envelope: &Envelope, source_port: u16, destination_port: u16, payload: usize) -> Option<Headers> {
    let length = HEADER.checked_add(payload)?;
    let mut headers = envelope.header(protocol::UDP, length)?;
    headers.push(&source_port.to_be_bytes())?;
    headers.push(&destination_port.to_be_bytes())?;
    headers.push(&u16::try_from(length).ok()?.to_be_bytes())?;
    headers.push(&[0, 0])?;
    headers.leave_checksum(envelope, protocol::UDP, 6, length)?;
    Some(headers)
}
