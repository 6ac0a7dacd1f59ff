//! One 512-byte tar header block as values: ustar (POSIX.1-1988), GNU and v7 layouts. Pure; what an entry means is
//! decided in [`super::entries`].
//!
//! Sources: tar(5) of libarchive, "Basic Tar Format" and "Storing Sparse Files" of the GNU tar manual. Where the two
//! leave a choice, Go's `archive/tar` decides, because it is what made and read nearly every layer in a registry.

use crate::base::{Error, Result};

/// The unit of a tar stream, in bytes: headers, and the padding of contents.
pub const BLOCK: usize = 512;

/// What a type flag says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypeFlag {
    /// `0`, `7` (contiguous: no difference here).
    Regular,
    /// NUL, from v7: a file, or a directory when the name ends in `/`.
    Old,
    /// `1`.
    HardLink,
    /// `2`.
    SymbolicLink,
    /// `3`.
    CharacterDevice,
    /// `4`.
    BlockDevice,
    /// `5`.
    Directory,
    /// `6`.
    Fifo,
    /// `S`: a file of which only the written parts are in the archive.
    GnuSparse,
    /// `L`: the contents are the name of the next entry.
    GnuLongName,
    /// `K`: the contents are the link target of the next entry.
    GnuLongLink,
    /// `x`: the contents are PAX records for the next entry.
    Pax,
    /// `g`: PAX records for all entries. Ignored, as docker does.
    PaxGlobal,
}

impl TypeFlag {
    /// Whether contents may follow. Other entries have none whatever their size field says (Go's rule).
    pub fn has_contents(self) -> bool {
        !matches!(
            self,
            Self::HardLink
                | Self::SymbolicLink
                | Self::CharacterDevice
                | Self::BlockDevice
                | Self::Directory
                | Self::Fifo
        )
    }
}

/// A header block whose checksum is right.
#[derive(Debug, Clone, Copy)]
pub struct Header<'a> {
    block: &'a [u8; BLOCK],
}

impl<'a> Header<'a> {
    /// Checks the checksum: the sum of all bytes with its own field taken as spaces, unsigned or, as some old tars wrote
    /// it, signed.
    pub fn parse(block: &'a [u8; BLOCK]) -> Result<Self> {
        let stated = number(&block[148..156]);
        let (mut unsigned, mut signed) = (0i64, 0i64);
        for (at, &byte) in block.iter().enumerate() {
            let byte = if (148..156).contains(&at) { b' ' } else { byte };
            unsigned += i64::from(byte);
            signed += i64::from(byte as i8);
        }
        match stated {
            Some(sum) if sum == unsigned || sum == signed => Ok(Self { block }),
            _ => Err(Error::invalid("the tar archive is damaged: a header has a wrong checksum")),
        }
    }

    /// The kind of entry.
    pub fn type_flag(&self) -> Result<TypeFlag> {
        Ok(match self.block[156] {
            b'0' | b'7' => TypeFlag::Regular,
            0 => TypeFlag::Old,
            b'1' => TypeFlag::HardLink,
            b'2' => TypeFlag::SymbolicLink,
            b'3' => TypeFlag::CharacterDevice,
            b'4' => TypeFlag::BlockDevice,
            b'5' => TypeFlag::Directory,
            b'6' => TypeFlag::Fifo,
            b'S' => TypeFlag::GnuSparse,
            b'L' => TypeFlag::GnuLongName,
            b'K' => TypeFlag::GnuLongLink,
            b'x' => TypeFlag::Pax,
            b'g' => TypeFlag::PaxGlobal,
            other => {
                return Err(Error::invalid(format!(
                    "the tar archive has an entry of the unknown type `{}`",
                    other.escape_ascii()
                )));
            }
        })
    }

    /// The name, with the ustar prefix in front where the layout has one.
    pub fn name(&self) -> Vec<u8> {
        let name = text(&self.block[0..100]);
        let ustar = &self.block[257..265] == b"ustar\x0000";
        // star(1) keeps times where the prefix's end would be, and marks that in the last bytes of the block.
        let prefix_end = if &self.block[508..512] == b"tar\0" { 345 + 131 } else { 345 + 155 };
        let prefix = if ustar { text(&self.block[345..prefix_end]) } else { b"" };
        match prefix {
            b"" => name.to_vec(),
            prefix => [prefix, b"/", name].concat(),
        }
    }

    /// The target of a hard or symbolic link.
    pub fn link(&self) -> &'a [u8] {
        text(&self.block[157..257])
    }

    /// The size field: bytes that follow in the archive.
    pub fn size(&self) -> Result<u64> {
        self.unsigned(124..136, "size")
    }

    /// Permission bits with setuid, setgid and sticky.
    pub fn mode(&self) -> Result<u32> {
        Ok((self.unsigned(100..108, "mode")? & 0o7777) as u32)
    }

    /// The owner's id as stated, not yet checked to be one.
    pub fn uid(&self) -> Result<u64> {
        self.unsigned(108..116, "user id")
    }

    /// The group's id as stated, not yet checked to be one.
    pub fn gid(&self) -> Result<u64> {
        self.unsigned(116..124, "group id")
    }

    /// The modification time, in seconds since 1970; may be negative.
    pub fn mtime(&self) -> Result<i64> {
        self.field(136..148, "time")
    }

    /// The four (offset, length) pairs of an old GNU sparse header, whether blocks with more of them follow, and the
    /// file's size.
    pub fn gnu_sparse(&self) -> Result<(SparsePairs, bool, u64)> {
        let pairs = sparse_pairs(&self.block[386..482])?;
        Ok((pairs, self.block[482] != 0, self.unsigned(483..495, "sparse size")?))
    }

    fn field(&self, range: std::ops::Range<usize>, what: &str) -> Result<i64> {
        number(&self.block[range])
            .ok_or_else(|| Error::invalid(format!("the tar archive is damaged: a header has no valid {what}")))
    }

    fn unsigned(&self, range: std::ops::Range<usize>, what: &str) -> Result<u64> {
        u64::try_from(self.field(range, what)?)
            .map_err(|_| Error::invalid(format!("the tar archive is damaged: a header has a negative {what}")))
    }
}

/// (offset, length) in bytes, as they stand in a header; the list ends at the first empty pair.
pub type SparsePairs = Vec<(u64, u64)>;

/// The pairs of one old GNU sparse extension block, and whether another block follows.
pub fn gnu_sparse_extension(block: &[u8; BLOCK]) -> Result<(SparsePairs, bool)> {
    Ok((sparse_pairs(&block[..504])?, block[504] != 0))
}

fn sparse_pairs(bytes: &[u8]) -> Result<SparsePairs> {
    let mut pairs = Vec::new();
    for pair in bytes.chunks_exact(24) {
        if pair[0] == 0 {
            break;
        }
        let read = |field: &[u8]| number(field).and_then(|n| u64::try_from(n).ok());
        match (read(&pair[..12]), read(&pair[12..])) {
            (Some(offset), Some(length)) => pairs.push((offset, length)),
            _ => return Err(Error::invalid("the tar archive is damaged: a sparse file has an invalid map")),
        }
    }
    Ok(pairs)
}

/// Up to the first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// A numeric field: octal digits among spaces and NULs (nothing at all is 0), or base 256 in two's complement when the
/// top bit is set (GNU).
fn number(field: &[u8]) -> Option<i64> {
    match field.first() {
        Some(&first) if first & 0x80 != 0 => {
            // Bit 6 of the first byte is the sign; bit 7 is the mark.
            let negative = first & 0x40 != 0;
            let mut value: i128 = if negative { -1 } else { 0 };
            for (at, &byte) in field.iter().enumerate() {
                let byte = if at == 0 && !negative { byte & 0x7f } else { byte };
                value = (value << 8) | i128::from(byte);
                i64::try_from(value).ok()?;
            }
            i64::try_from(value).ok()
        }
        _ => {
            let padding = |byte: &u8| matches!(byte, b' ' | 0);
            let start = field.iter().position(|byte| !padding(byte)).unwrap_or(field.len());
            let digits = field[start..].split(padding).next().unwrap_or_default();
            digits.iter().try_fold(0i64, |value, &digit| match digit {
                b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
                _ => None,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_base_256() {
        for (field, value) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"    644 ", Some(0o644)),
            (b"644\0\0\0\0\0", Some(0o644)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"        ", Some(0)),
            (b"0000648\0", None),
            (b"-000644\0", None),
            (b"\x80\0\0\0\xff\xff\xff\xfe", Some(4_294_967_294)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff", Some(-1)),
            (b"\x80\0\0\0\x80\0\0\0\0\0\0\0", None),
            (b"\x80\0\0\0\0\x01\0\0\0\0\0\0", Some(1 << 48)),
            (b"777777777777", Some(0o777_777_777_777)),
        ] {
            assert_eq!(number(field), value, "{}", field.escape_ascii());
        }
    }

    #[test]
    fn a_prefix_counts_in_ustar_only() {
        let mut header = tar::Header::new_ustar();
        let long = format!("{}/{}", "d".repeat(120), "file");
        header.set_path(&long).unwrap();
        header.set_size(5);
        header.set_cksum();
        assert_eq!(Header::parse(header.as_bytes()).unwrap().name(), long.as_bytes());
        let mut header = tar::Header::new_gnu();
        header.set_path("file").unwrap();
        header.as_mut_bytes()[345..349].copy_from_slice(b"1234");
        header.set_cksum();
        assert_eq!(Header::parse(header.as_bytes()).unwrap().name(), b"file");
    }

    #[test]
    fn a_flipped_bit_is_noticed() {
        let mut header = tar::Header::new_ustar();
        header.set_size(1);
        header.set_cksum();
        let mut bytes = *header.as_bytes();
        assert!(Header::parse(&bytes).is_ok());
        bytes[0] ^= 1;
        assert!(Header::parse(&bytes).is_err());
    }
}
