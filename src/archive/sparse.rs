//! Which parts of a sparse file are in the archive. Pure.

use crate::base::{Error, Result};

/// One written part of a file, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Where it begins in the file.
    pub offset: u64,
    /// How long it is.
    pub length: u64,
}

/// Most segments of one file. GNU tar writes one for each run of data; a map beyond this is an attack or an accident.
pub const MAX_SEGMENTS: usize = 1 << 18;

/// Checks a map as it stood in the archive: in order, without overlap, within the file, and as long in sum as the
/// contents that follow. Empty segments, with which GNU tar marks the end of a file, are left out.
pub fn segments(pairs: impl IntoIterator<Item = (u64, u64)>, file_size: u64, packed: u64) -> Result<Vec<Segment>> {
    let mut segments = Vec::new();
    let (mut end, mut sum) = (0u64, 0u64);
    for (offset, length) in pairs {
        let next = offset.checked_add(length).filter(|&next| offset >= end && next <= file_size);
        end = next.ok_or_else(invalid)?;
        sum += length;
        if length > 0 {
            segments.push(Segment { offset, length });
        }
        if segments.len() > MAX_SEGMENTS {
            return Err(Error::invalid(format!("a sparse file has more than {MAX_SEGMENTS} segments")));
        }
    }
    if sum == packed { Ok(segments) } else { Err(invalid()) }
}

/// Reads the map of format 1.0 from the beginning of the contents: decimal numbers, one on a line, the number of pairs
/// first.
#[derive(Debug, Default)]
pub struct MapReader {
    expected: Option<usize>,
    numbers: Vec<u64>,
    digits: Option<u64>,
}

impl MapReader {
    /// Takes the next block of contents. True when the map is complete; what is left of the block is padding.
    pub fn take(&mut self, block: &[u8]) -> Result<bool> {
        for &byte in block {
            match byte {
                b'0'..=b'9' => {
                    let shifted = self.digits.unwrap_or(0).checked_mul(10);
                    self.digits = shifted.and_then(|value| value.checked_add(u64::from(byte - b'0')));
                    if self.digits.is_none() {
                        return Err(invalid());
                    }
                }
                b'\n' => {
                    let number = self.digits.take().ok_or_else(invalid)?;
                    self.number(number)?;
                    if self.expected == Some(self.numbers.len()) {
                        return Ok(true);
                    }
                }
                _ => return Err(invalid()),
            }
        }
        Ok(false)
    }

    fn number(&mut self, number: u64) -> Result<()> {
        match self.expected {
            Some(_) => self.numbers.push(number),
            None if number <= MAX_SEGMENTS as u64 => self.expected = Some(number as usize * 2),
            None => return Err(Error::invalid(format!("a sparse file has more than {MAX_SEGMENTS} segments"))),
        }
        Ok(())
    }

    /// The (offset, length) pairs read.
    pub fn pairs(&self) -> impl Iterator<Item = (u64, u64)> {
        self.numbers.chunks_exact(2).map(|pair| (pair[0], pair[1]))
    }
}

fn invalid() -> Error {
    Error::invalid("the tar archive is damaged: a sparse file has an invalid map")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_ordered_and_accounts_for_every_byte() {
        let pairs = [(0, 10), (100, 5), (200, 0)];
        assert_eq!(
            segments(pairs, 200, 15).unwrap(),
            [Segment { offset: 0, length: 10 }, Segment { offset: 100, length: 5 }]
        );
        for (what, pairs, size, packed) in [
            ("overlap", vec![(0, 10), (9, 5)], 200, 15),
            ("order", vec![(100, 5), (0, 10)], 200, 15),
            ("beyond the end", vec![(0, 10), (198, 5)], 200, 15),
            ("too little", vec![(0, 10)], 200, 15),
            ("too much", vec![(0, 10), (50, 50)], 200, 15),
            ("overflow", vec![(u64::MAX, 2)], u64::MAX, 2),
        ] {
            assert!(segments(pairs, size, packed).is_err(), "{what}");
        }
    }

    #[test]
    fn the_map_of_format_1_0_may_span_blocks() {
        let mut map = MapReader::default();
        assert!(!map.take(b"2\n0\n51").unwrap());
        assert!(map.take(b"2\n1024\n7\n\0\0\0").unwrap());
        assert_eq!(map.pairs().collect::<Vec<_>>(), [(0, 512), (1024, 7)]);
        assert!(MapReader::default().take(b"0\n\0").unwrap());
        for bad in [&b"\n"[..], b"x", b"99999999\n", b"1\n99999999999999999999999\n"] {
            assert!(MapReader::default().take(bad).is_err(), "{}", bad.escape_ascii());
        }
    }
}
