//! One fragment of a packet, as its headers describe it.

use super::Malformed;

/// A fragment of a packet.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// The same for all fragments of a packet.
    pub(super) identification: u32,
    /// The offset of its data behind the headers of the whole packet, in bytes.
    pub(super) offset: usize,
    /// Whether more fragments follow.
    pub(super) more: bool,
    /// The headers before the fragment header.
    pub(super) head: &'a [u8],
    /// The offset in `head` of the next-header field that names the fragment header; `None` for IPv4, which has no such
    /// header.
    pub(super) named_at: Option<usize>,
    /// Its part of the packet.
    pub(super) data: &'a [u8],
}

impl<'a> Piece<'a> {
    /// Checks the extent of a fragment.
    pub(super) fn new(
        identification: u32,
        offset: usize,
        more: bool,
        head: &'a [u8],
        named_at: Option<usize>,
        data: &'a [u8],
    ) -> Result<Self, Malformed> {
        // All except the last one are a multiple of eight bytes (RFC 791 section 3.2, RFC 8200 section 4.5); an empty
        // one is useless; a packet that would become too large is the "ping of death".
        if data.is_empty() || (more && !data.len().is_multiple_of(8)) || offset + data.len() > 65_535 {
            return Err(Malformed("extent of a fragment"));
        }
        Ok(Self { identification, offset, more, head, named_at, data })
    }

    /// Whether it has the transport header.
    pub fn is_first(&self) -> bool {
        self.offset == 0
    }
}
