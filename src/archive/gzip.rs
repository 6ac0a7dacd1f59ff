//! gzip streams (RFC 1952) of one or more members, and whatever follows the last.
//!
//! Parallel packers write many members. Some publishers' tools leave bytes behind the last one: padding to a block, a
//! checksum. gzip(1) and pigz(1) say so and go on. What follows is passed over here without a word: it counts for the digest
//! of the blob, and what was unpacked is compared with the diff id, so that nothing can hide behind it. Damage within a
//! member is an error, and so is a member that breaks off.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// How a member begins: the magic bytes and the only method there is.
const BEGINNING: [u8; 3] = [0x1f, 0x8b, 8];

/// The uncompressed bytes of all members.
pub struct Members<R> {
    /// None when the last member has ended.
    current: Option<GzDecoder<Ahead<R>>>,
}

impl<R: BufRead> Members<R> {
    /// Begins with the first member, which must be one.
    pub fn new(input: R) -> Self {
        Self { current: Some(GzDecoder::new(Ahead { input, seen: Vec::new(), taken: 0 })) }
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while let Some(member) = &mut self.current {
            let length = member.read(buffer)?;
            if length > 0 {
                return Ok(length);
            }
            if let Some(ended) = self.current.take() {
                let (rest, another) = ended.into_inner().begins_with(&BEGINNING)?;
                self.current = another.then(|| GzDecoder::new(rest));
            }
        }
        Ok(0)
    }
}

/// An input of which some bytes were looked at and are still to be read.
struct Ahead<R> {
    input: R,
    seen: Vec<u8>,
    taken: usize,
}

impl<R: BufRead> Ahead<R> {
    /// Whether the next bytes are these. They stay to be read.
    fn begins_with(mut self, bytes: &[u8]) -> io::Result<(Self, bool)> {
        let mut seen = self.seen.split_off(self.taken);
        self.taken = 0;
        let missing = bytes.len().saturating_sub(seen.len());
        self.input.by_ref().take(missing as u64).read_to_end(&mut seen)?;
        self.seen = seen;
        let found = self.seen.starts_with(bytes);
        Ok((self, found))
    }
}

impl<R: BufRead> Read for Ahead<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(buffer)?;
        self.consume(length);
        Ok(length)
    }
}

impl<R: BufRead> BufRead for Ahead<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self.taken < self.seen.len() {
            true => Ok(&self.seen[self.taken..]),
            false => self.input.fill_buf(),
        }
    }

    fn consume(&mut self, amount: usize) {
        match self.taken < self.seen.len() {
            true => self.taken += amount,
            false => self.input.consume(amount),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufReader, Write};

    fn member(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    /// Whatever the size of the input's buffer: members may begin and end anywhere in it.
    fn read(bytes: &[u8]) -> Vec<io::Result<String>> {
        let read = |capacity| {
            let mut text = String::new();
            Members::new(BufReader::with_capacity(capacity, bytes)).read_to_string(&mut text).map(|_| text)
        };
        [1, 2, 3, 7, 64, 4096].map(read).into()
    }

    #[test]
    fn members_follow_each_other_and_the_rest_is_passed_over() {
        let members: Vec<u8> = ["one ", "", "two ", "three"].iter().flat_map(|text| member(text)).collect();
        for rest in [&b""[..], b"\0\0\0\0", b"\x1f", b"\x1f\x8b", b"\x1f\x8b\x09rest", b"anything"] {
            for text in read(&[&members[..], rest].concat()) {
                assert_eq!(text.unwrap(), "one two three", "{}", rest.escape_ascii());
            }
        }
    }

    #[test]
    fn damage_is_an_error() {
        let (good, mut flipped) = (member("text"), member("text"));
        let last = flipped.len() - 5;
        flipped[last] ^= 1;
        for bytes in [
            &b"nothing"[..],
            b"",
            &good[..good.len() - 1],
            &flipped,
            &[&good[..], &flipped].concat(),
            &[&good[..], &good[..3]].concat(),
        ] {
            assert!(read(bytes).iter().all(Result::is_err), "{}", bytes.escape_ascii());
        }
    }
}
