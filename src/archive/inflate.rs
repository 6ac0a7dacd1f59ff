//! The uncompressed form of a stream, whichever of the known compressions it has: gzip, zstd, bzip2 and xz.
//!
//! No specification has the last two, but docker and podman read them, in layers and as the wrapping of whole archives.
//! Memory is bounded for each: a stream that demands more is refused.

use std::io::{self, BufReader, Read};

use bzip2::bufread::MultiBzDecoder;
use lzma_rust2::XzReader;

use super::{gzip, header};
use crate::base::Error;
use crate::oci::Compression;

/// Compressed bytes read at once.
const READ_AHEAD: usize = 128 << 10;
/// Largest zstd window accepted, as a power of two: 128 MiB, what the zstd tool itself accepts unless told otherwise.
const ZSTD_WINDOW_LOG: u32 = 27;
/// Most memory that an xz stream may demand, in KiB: 128 MiB. `xz -9` demands 65 MiB.
const XZ_MEMORY_KIB: u32 = 128 << 10;

/// The uncompressed form of `blob`. Its first bytes decide rather than the media type, as in docker, because some
/// publishers get the type wrong; a stream that claims to be compressed but looks like nothing at all is an error.
/// Whatever follows the last gzip member is passed over, see [`gzip`].
pub fn inflate<'a>(blob: impl Read + 'a, claimed: Compression) -> io::Result<Box<dyn Read + 'a>> {
    let mut blob = BufReader::with_capacity(READ_AHEAD, blob);
    let mut beginning = Vec::with_capacity(header::BLOCK);
    blob.by_ref().take(header::BLOCK as u64).read_to_end(&mut beginning)?;
    let actual = Compression::of_content(&beginning);
    let (is_bzip2, is_xz) = (is_bzip2(&beginning), beginning.starts_with(b"\xfd7zXZ\0"));
    let tar = || match beginning.first_chunk::<{ header::BLOCK }>() {
        Some(block) => *block == [0; header::BLOCK] || header::Header::parse(block).is_ok(),
        None => beginning.is_empty(),
    };
    if actual == Compression::None && claimed != Compression::None && !is_bzip2 && !is_xz && !tar() {
        return Err(io::Error::other(Error::invalid("the layer is neither a tar archive nor compressed")));
    }
    let blob = BufReader::with_capacity(READ_AHEAD, io::Cursor::new(beginning).chain(blob));
    Ok(match actual {
        Compression::None if is_bzip2 => Box::new(MultiBzDecoder::new(blob)),
        Compression::None if is_xz => Box::new(XzReader::new_mem_limit(blob, true, XZ_MEMORY_KIB)),
        Compression::None => Box::new(blob),
        Compression::Gzip => Box::new(gzip::Members::new(blob)),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(blob)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            Box::new(decoder)
        }
    })
}

/// The magic bytes, the block size and the beginning of the first block.
fn is_bzip2(beginning: &[u8]) -> bool {
    matches!(beginning, [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, ..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// `one ` and `two`, each a stream of its own, as xz(1) made them.
    const XZ: &[u8] = include_bytes!("inflate/two.xz");

    fn read(bytes: &[u8]) -> io::Result<String> {
        let mut text = String::new();
        inflate(bytes, Compression::None)?.read_to_string(&mut text).map(|_| text)
    }

    fn bzip2(text: &str) -> Vec<u8> {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn streams_of_bzip2_and_xz_are_read() {
        assert_eq!(read(&[bzip2("one "), bzip2("two")].concat()).unwrap(), "one two");
        assert_eq!(read(XZ).unwrap(), "one two");
    }

    #[test]
    fn what_breaks_off_is_an_error() {
        let bz = bzip2("one two");
        assert!(read(&bz[..bz.len() - 4]).is_err());
        assert!(read(&XZ[..XZ.len() - 4]).is_err());
    }

    #[test]
    fn xz_that_demands_much_memory_is_refused() {
        // The dictionary of a block is the property of its LZMA2 filter; the header's checksum follows.
        let mut hungry = XZ.to_vec();
        let header = 12..12 + 12;
        let property = hungry[header.clone()].windows(2).position(|pair| pair == [0x21, 1]).unwrap() + 12 + 2;
        hungry[property] = 40;
        let sum = crc32(&hungry[12..20]);
        hungry[20..24].copy_from_slice(&sum.to_le_bytes());
        let error = read(&hungry).unwrap_err();
        assert!(error.to_string().contains("memory"), "{error}");
    }

    fn crc32(bytes: &[u8]) -> u32 {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        crc.sum()
    }
}
