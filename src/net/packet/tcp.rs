//! TCP headers and their options (RFC 9293, RFC 7323, RFC 2018).

use super::Malformed;
use super::ip::{Envelope, Headers};
use super::{protocol, u16_at, u32_at};

/// The length of the header without options.
const HEADER: usize = 20;
/// The most that options may take.
const MAX_OPTIONS: usize = 40;

bitflags::bitflags! {
    /// Control bits.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Flags: u8 {
        /// The sender will send no more.
        const FIN = 1;
        /// Opens a connection.
        const SYN = 2;
        /// Ends it at once.
        const RST = 4;
        /// To be given to the reader at once.
        const PSH = 8;
        /// The acknowledgment number counts.
        const ACK = 16;
        /// The urgent pointer counts.
        const URG = 32;
        /// Explicit congestion notification: echo.
        const ECE = 64;
        /// Explicit congestion notification: window reduced.
        const CWR = 128;
    }
}

/// A segment that was received.
#[derive(Debug, Clone, Copy)]
pub struct Tcp<'a> {
    /// From which port.
    pub source_port: u16,
    /// To which port.
    pub destination_port: u16,
    /// Of the first byte, or of the SYN.
    pub sequence: u32,
    /// What the sender expects next, if [`Flags::ACK`].
    pub acknowledgment: u32,
    /// Control bits.
    pub flags: Flags,
    /// As in the header, not scaled.
    pub window: u16,
    /// Where urgent data ends, from the sequence number on, if [`Flags::URG`].
    pub urgent: u16,
    /// The options, as bytes.
    pub options: &'a [u8],
    /// What it carries.
    pub payload: &'a [u8],
}

impl<'a> Tcp<'a> {
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let short = Malformed("truncated TCP header");
        let word = u16_at(body, 12).ok_or(short)?;
        let (header, payload) = body.split_at_checked(usize::from(word >> 12) * 4).ok_or(short)?;
        let options = header.get(HEADER..).ok_or(Malformed("length of the TCP header"))?;
        let (Some(source_port), Some(destination_port)) = (u16_at(header, 0), u16_at(header, 2)) else {
            return Err(short);
        };
        // Port zero cannot be bound, and no socket of the host could stand for it.
        if source_port == 0 || destination_port == 0 {
            return Err(Malformed("TCP port zero"));
        }
        Ok(Self {
            source_port,
            destination_port,
            sequence: u32_at(header, 4).ok_or(short)?,
            acknowledgment: u32_at(header, 8).ok_or(short)?,
            flags: Flags::from_bits_truncate(word.to_be_bytes()[1]),
            window: u16_at(header, 14).ok_or(short)?,
            urgent: u16_at(header, 18).ok_or(short)?,
            options,
            payload,
        })
    }

    /// How much of the sequence space it takes: the payload, SYN and FIN.
    pub fn length(&self) -> u32 {
        let flags = u32::from(self.flags.contains(Flags::SYN)) + u32::from(self.flags.contains(Flags::FIN));
        u32::try_from(self.payload.len()).unwrap_or(0) + flags
    }

    /// The options, as far as they make sense: the rest is as if it were not there (RFC 9293 section 3.1, MUST-7).
    pub fn parsed_options(&self) -> Options {
        Options::parse(self.options)
    }
}

/// Options of TCP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// The largest segment that the sender of a SYN takes, without headers.
    pub maximum_segment: Option<u16>,
    /// By how many bits windows are shifted, at most 14.
    pub window_scale: Option<u8>,
    /// Selective acknowledgments may be sent.
    pub sack_permitted: bool,
    /// Time stamp and the one that it answers.
    pub timestamps: Option<(u32, u32)>,
    /// Ranges of sequence numbers that arrived: first, one behind the last.
    pub sack: [Option<(u32, u32)>; 4],
}

impl Options {
    fn parse(mut bytes: &[u8]) -> Self {
        let mut options = Self::default();
        while let Some((kind, rest)) = bytes.split_first() {
            bytes = match kind {
                0 => break,
                1 => rest,
                _ => {
                    let length = rest.first().map_or(0, |length| usize::from(*length));
                    let (Some(value), Some(next)) = (bytes.get(2..length), bytes.get(length..)) else { break };
                    options.take(*kind, value);
                    next
                }
            };
        }
        options
    }

    fn take(&mut self, kind: u8, value: &[u8]) {
        match (kind, value) {
            (2, &[high, low]) => self.maximum_segment = Some(u16::from_be_bytes([high, low])),
            // RFC 7323 section 2.3: more than 14 means 14.
            (3, &[scale]) => self.window_scale = Some(scale.min(14)),
            (4, []) => self.sack_permitted = true,
            (5, ranges) => {
                for (to, range) in self.sack.iter_mut().zip(ranges.as_chunks::<8>().0) {
                    *to = u32_at(range, 0).zip(u32_at(range, 4));
                }
            }
            (8, value) if value.len() == 8 => self.timestamps = u32_at(value, 0).zip(u32_at(value, 4)),
            _ => {}
        }
    }

    /// As bytes: a multiple of four, at most 40. Ranges that do not fit are left out.
    fn encode(&self, out: &mut Headers) -> Option<usize> {
        let before = out.as_slice().len();
        let length = |out: &Headers| out.as_slice().len() - before;
        if let Some(maximum) = self.maximum_segment {
            let [high, low] = maximum.to_be_bytes();
            out.push(&[2, 4, high, low])?;
        }
        if self.sack_permitted {
            out.push(&[4, 2])?;
            if self.timestamps.is_none() {
                out.push(&[1, 1])?;
            }
        }
        if let Some((value, answered)) = self.timestamps {
            if !self.sack_permitted {
                out.push(&[1, 1])?;
            }
            out.push(&[8, 10])?;
            out.push(&value.to_be_bytes())?;
            out.push(&answered.to_be_bytes())?;
        }
        if let Some(scale) = self.window_scale {
            out.push(&[1, 3, 3, scale])?;
        }
        let room = MAX_OPTIONS.saturating_sub(length(out) + 4) / 8;
        let ranges = self.sack.iter().flatten().take(room);
        if let Ok(count @ 1..) = u8::try_from(ranges.clone().count()) {
            out.push(&[1, 1, 5, 2 + count * 8])?;
            for (first, end) in ranges {
                out.push(&first.to_be_bytes())?;
                out.push(&end.to_be_bytes())?;
            }
        }
        Some(length(out))
    }
}

/// A segment to be sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Segment {
    /// From which port.
    pub source_port: u16,
    /// To which port.
    pub destination_port: u16,
    /// Of the first byte, or of the SYN.
    pub sequence: u32,
    /// What is expected next, with [`Flags::ACK`].
    pub acknowledgment: u32,
    /// Control bits.
    pub flags: Flags,
    /// As in the header, already scaled.
    pub window: u16,
    /// Where urgent data ends, from the sequence number on, with [`Flags::URG`].
    pub urgent: u16,
    /// Options.
    pub options: Options,
}

impl Segment {
    /// The headers for `payload` bytes; `None` if they are too many. For more than one segment's worth of
    /// payload, [`Headers::segmented`] lets the device cut it.
    pub fn headers(&self, envelope: &Envelope, payload: usize) -> Option<Headers> {
        // The length of the options is known only when they are written: twice is simpler than counting.
        let options = self.options.encode(&mut Headers::empty())?;
        let length = (HEADER + options).checked_add(payload)?;
        let mut headers = envelope.header(protocol::TCP, length)?;
        headers.push(&self.source_port.to_be_bytes())?;
        headers.push(&self.destination_port.to_be_bytes())?;
        headers.push(&self.sequence.to_be_bytes())?;
        headers.push(&self.acknowledgment.to_be_bytes())?;
        headers.push(&[u8::try_from((HEADER + options) / 4 * 16).ok()?, self.flags.bits()])?;
        headers.push(&self.window.to_be_bytes())?;
        headers.push(&[0, 0])?;
        headers.push(&self.urgent.to_be_bytes())?;
        self.options.encode(&mut headers)?;
        headers.leave_checksum(envelope, protocol::TCP, 16, length)?;
        Some(headers)
    }

    /// The reset that answers a segment to a connection that does not exist (RFC 9293 section 3.10.7.1); none to a
    /// reset.
    pub fn reset(answered: &Tcp<'_>) -> Option<Self> {
        let ports = Self {
            source_port: answered.destination_port,
            destination_port: answered.source_port,
            flags: Flags::RST,
            ..Self::default()
        };
        match (answered.flags.contains(Flags::RST), answered.flags.contains(Flags::ACK)) {
            (true, _) => None,
            (false, true) => Some(Self { sequence: answered.acknowledgment, ..ports }),
            (false, false) => Some(Self {
                acknowledgment: answered.sequence.wrapping_add(answered.length()),
                flags: Flags::RST | Flags::ACK,
                ..ports
            }),
        }
    }
}
