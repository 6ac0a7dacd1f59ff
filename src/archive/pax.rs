//! PAX extended header records (pax(1), "pax Extended Header"): what overrides the fixed fields of the next entry.
//! Pure.

use crate::base::{Error, Result};

/// A point in time as tar states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Time {
    /// Seconds since 1970, rounded down.
    pub seconds: i64,
    /// 0..=999_999_999.
    pub nanos: u32,
}

/// The records of one header that mean something to us. An empty value restores the fixed field, so it is `None` here.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// `path`.
    pub path: Option<Vec<u8>>,
    /// `linkpath`.
    pub link: Option<Vec<u8>>,
    /// `size`, in bytes.
    pub size: Option<u64>,
    /// `uid`.
    pub uid: Option<u64>,
    /// `gid`.
    pub gid: Option<u64>,
    /// `mtime`.
    pub mtime: Option<Time>,
    /// `SCHILY.xattr.<name>`: name and value; a value may be empty.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// `GNU.sparse.*`.
    pub sparse: SparseRecords,
}

/// The `GNU.sparse.*` records of the formats 0.0, 0.1 and 1.0 ("Storing Sparse Files", GNU tar manual).
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SparseRecords {
    /// 1.0: the map stands in front of the contents.
    pub map_in_contents: bool,
    /// 0.0 and 0.1: the map, as offset, length, offset, length ...
    pub map: Option<Vec<u64>>,
    /// The file's size, in bytes (`realsize`, or `size` in 0.x).
    pub size: Option<u64>,
    /// The file's name, where `path` holds a replacement.
    pub name: Option<Vec<u8>>,
}

/// Reads the records in `bytes`: `"<length> <key>=<value>\n"` each.
pub fn parse(mut bytes: &[u8]) -> Result<Records> {
    let mut records = Records::default();
    let mut version = (None, None);
    while !bytes.is_empty() {
        let (key, value, rest) = record(bytes).ok_or_else(|| damaged("a malformed record"))?;
        bytes = rest;
        match key {
            b"GNU.sparse.major" => version.0 = integer(value),
            b"GNU.sparse.minor" => version.1 = integer(value),
            _ => apply(&mut records, key, value)?,
        }
    }
    records.sparse.map_in_contents = version == (Some(1), Some(0));
    match version {
        (None, None) | (Some(0), Some(0 | 1)) | (Some(1), Some(0)) => Ok(records),
        _ => Err(damaged("an unknown version of sparse file")),
    }
}

fn apply(records: &mut Records, key: &[u8], value: &[u8]) -> Result<()> {
    let some = (!value.is_empty()).then_some(value);
    let number = |what| some.map(|value| integer(value).ok_or_else(|| damaged(what))).transpose();
    match key {
        b"path" => records.path = some.map(name).transpose()?,
        b"linkpath" => records.link = some.map(name).transpose()?,
        b"size" => records.size = number("an invalid size")?,
        b"uid" => records.uid = number("an invalid user id")?,
        b"gid" => records.gid = number("an invalid group id")?,
        b"mtime" => {
            records.mtime = some.map(|value| time(value).ok_or_else(|| damaged("an invalid time"))).transpose()?
        }
        b"GNU.sparse.name" => records.sparse.name = some.map(name).transpose()?,
        b"GNU.sparse.size" | b"GNU.sparse.realsize" => records.sparse.size = number("an invalid size")?,
        b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => {
            let value = integer(value).ok_or_else(|| damaged("an invalid sparse map"))?;
            let map = records.sparse.map.get_or_insert_default();
            // 0.0: the two keys take turns.
            if map.len().is_multiple_of(2) != (key == b"GNU.sparse.offset") {
                return Err(damaged("an invalid sparse map"));
            }
            map.push(value);
        }
        b"GNU.sparse.map" => {
            let numbers = value.split(|&byte| byte == b',').map(integer).collect::<Option<Vec<_>>>();
            let map = if value.is_empty() { Some(Vec::new()) } else { numbers };
            records.sparse.map = Some(map.ok_or_else(|| damaged("an invalid sparse map"))?);
        }
        _ => {
            if let Some(attribute) = key.strip_prefix(b"SCHILY.xattr.") {
                records.xattrs.retain(|(known, _)| known != attribute);
                records.xattrs.push((name(attribute)?, value.to_vec()));
            }
        }
    }
    Ok(())
}

/// The first record, as key, value and what follows it.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().take(20).position(|&byte| byte == b' ')?;
    let length = usize::try_from(integer(&bytes[..space])?).ok()?;
    let body = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|&byte| byte == b'=').filter(|&at| at > 0)?;
    Some((&body[..equals], &body[equals + 1..], &bytes[length..]))
}

/// A name for the kernel: it cannot hold NUL.
fn name(value: &[u8]) -> Result<Vec<u8>> {
    match value.contains(&0) {
        true => Err(damaged("a name with a NUL in it")),
        false => Ok(value.to_vec()),
    }
}

/// Decimal digits, nothing else.
pub fn integer(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(text).ok()?.parse().ok())?
}

/// `[-]seconds[.fraction]`; digits beyond nanoseconds are dropped.
fn time(text: &[u8]) -> Option<Time> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(text) => (true, text),
        None => (false, text),
    };
    let mut parts = text.splitn(2, |&byte| byte == b'.');
    let seconds = i64::try_from(integer(parts.next()?)?).ok()?;
    let fraction = parts.next().unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let nanos = (0..9).fold(0, |nanos, at| nanos * 10 + fraction.get(at).map_or(0, |digit| u32::from(digit - b'0')));
    Some(match (negative, nanos) {
        (false, _) => Time { seconds, nanos },
        (true, 0) => Time { seconds: -seconds, nanos },
        (true, _) => Time { seconds: -seconds - 1, nanos: 1_000_000_000 - nanos },
    })
}

fn damaged(what: &str) -> Error {
    Error::invalid(format!("the tar archive is damaged: an extended header has {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record with its length in front.
    fn line(key: &str, value: &str) -> Vec<u8> {
        let body = format!(" {key}={value}\n");
        let length =
            (1..4).map(|digits| digits + body.len()).find(|length| length.to_string().len() + body.len() == *length);
        format!("{}{body}", length.unwrap()).into_bytes()
    }

    #[test]
    fn records_override_and_empty_ones_do_not() {
        let bytes = [
            line("path", "a/ü=b"),
            line("size", "12345678901"),
            line("mtime", "1700000000.123456789123"),
            line("uid", ""),
            line("comment", "ignored"),
            line("SCHILY.xattr.user.a", "one"),
            line("SCHILY.xattr.user.a", "two"),
            line("SCHILY.xattr.user.empty", ""),
        ]
        .concat();
        let records = parse(&bytes).unwrap();
        assert_eq!(records.path.unwrap(), "a/ü=b".as_bytes());
        assert_eq!(records.size, Some(12_345_678_901));
        assert_eq!(records.mtime, Some(Time { seconds: 1_700_000_000, nanos: 123_456_789 }));
        assert_eq!(records.uid, None);
        assert_eq!(records.xattrs, [(b"user.a".to_vec(), b"two".to_vec()), (b"user.empty".to_vec(), Vec::new())]);
    }

    #[test]
    fn times_before_1970_round_down() {
        assert_eq!(time(b"-1.25"), Some(Time { seconds: -2, nanos: 750_000_000 }));
        assert_eq!(time(b"-3"), Some(Time { seconds: -3, nanos: 0 }));
        assert_eq!(time(b"5.1"), Some(Time { seconds: 5, nanos: 100_000_000 }));
        for bad in ["", "-", "1.x", "1e3", "99999999999999999999"] {
            assert_eq!(time(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn sparse_maps_of_both_old_forms_are_one() {
        let split = [
            line("GNU.sparse.size", "100"),
            line("GNU.sparse.offset", "10"),
            line("GNU.sparse.numbytes", "5"),
            line("GNU.sparse.offset", "50"),
            line("GNU.sparse.numbytes", "1"),
        ]
        .concat();
        let joined = [line("GNU.sparse.size", "100"), line("GNU.sparse.map", "10,5,50,1")].concat();
        assert_eq!(parse(&split).unwrap().sparse, parse(&joined).unwrap().sparse);
        assert_eq!(parse(&joined).unwrap().sparse.map.unwrap(), [10, 5, 50, 1]);
        assert!(
            parse(&[line("GNU.sparse.major", "1"), line("GNU.sparse.minor", "0")].concat())
                .unwrap()
                .sparse
                .map_in_contents
        );
    }

    #[test]
    fn malformed_records_are_refused() {
        for bad in [
            &b"5 a=b"[..],
            b"a=b\n",
            b"0 a=b\n",
            b"6 a=b\n\n",
            b"99 a=b\n",
            b"6 =ab\n",
            b"18446744073709551615 a=b\n",
            b"12 path=a\0b\n",
            b"11 size=-1\n",
            b"14 size=1e3 \n",
            b"23 GNU.sparse.map=1,a\n",
            b"27 GNU.sparse.numbytes=12\n",
            b"22 GNU.sparse.major=2\n",
        ] {
            assert!(parse(bad).is_err(), "{}", bad.escape_ascii());
        }
    }
}
