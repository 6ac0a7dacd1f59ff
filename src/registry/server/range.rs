//! `Range` and `Content-Range` headers (RFC 9110, 14; distribution specification, "Pushing a blob in chunks"). Pure.

/// What part of a blob is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// This many bytes from this one on; never nothing.
    Of {
        /// The first byte.
        offset: u64,
        /// How many.
        length: u64,
    },
    /// Something that it does not have.
    Beyond,
}

/// Reads a `Range` header for a blob of `size` bytes. A header that makes no sense, or asks for several parts, counts as
/// none: a server may answer so.
pub fn part(header: Option<&str>, size: u64) -> Part {
    let Some(range) = header.and_then(|header| header.trim().strip_prefix("bytes=")) else { return Part::Whole };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let Some((first, last)) = range.split_once('-') else { return Part::Whole };
    match (first.trim(), last.trim()) {
        ("", last) => match number(last) {
            Some(0) => Part::Beyond,
            Some(count) if size > 0 => Part::Of { offset: size.saturating_sub(count), length: count.min(size) },
            Some(_) => Part::Beyond,
            None => Part::Whole,
        },
        (first, last) => {
            let Some(offset) = number(first) else { return Part::Whole };
            let last = if last.is_empty() { Some(u64::MAX) } else { number(last) };
            match last {
                Some(last) if last >= offset && offset < size => {
                    Part::Of { offset, length: last.min(size - 1) - offset + 1 }
                }
                Some(last) if last >= offset => Part::Beyond,
                _ => Part::Whole,
            }
        }
    }
}

/// The first and last byte of a chunk: `0-99`, or `bytes 0-99/*` as some clients write it.
pub fn chunk(header: &str) -> Option<(u64, u64)> {
    let header = header.trim().strip_prefix("bytes").map_or(header.trim(), str::trim_start);
    let range = header.split('/').next().unwrap_or_default();
    let (first, last) = range.split_once('-')?;
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_blob_of_100_bytes() {
        for (header, expected) in [
            (None, Part::Whole),
            (Some("bytes=0-"), Part::Of { offset: 0, length: 100 }),
            (Some("bytes=10-19"), Part::Of { offset: 10, length: 10 }),
            (Some("bytes=90-1000"), Part::Of { offset: 90, length: 10 }),
            (Some("bytes=-5"), Part::Of { offset: 95, length: 5 }),
            (Some("bytes=-500"), Part::Of { offset: 0, length: 100 }),
            (Some("bytes=100-"), Part::Beyond),
            (Some("bytes=-0"), Part::Beyond),
            (Some("bytes=5-4"), Part::Whole),
            (Some("bytes=0-1,5-6"), Part::Whole),
            (Some("bytes=99999999999999999999-"), Part::Whole),
            (Some("lines=1-2"), Part::Whole),
        ] {
            assert_eq!(part(header, 100), expected, "{header:?}");
        }
        assert_eq!(part(Some("bytes=0-0"), 0), Part::Beyond);
        assert_eq!(part(Some("bytes=0-18446744073709551615"), 7), Part::Of { offset: 0, length: 7 });
    }

    #[test]
    fn chunks() {
        assert_eq!(chunk("0-99"), Some((0, 99)));
        assert_eq!(chunk("bytes 5-9/*"), Some((5, 9)));
        assert_eq!((chunk("9-5"), chunk("x"), chunk("")), (None, None, None));
    }
}
