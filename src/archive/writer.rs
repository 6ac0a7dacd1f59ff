//! Tar headers as they are written: ustar (POSIX.1-1988), with PAX records (POSIX.1-2001) for what does not fit. The same
//! entry gives the same bytes.

use super::header::BLOCK;
use super::pax::Time;
use super::sparse::Segment;
use crate::base::{Error, Result};

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// A regular file.
    File,
    /// Another name of an earlier entry.
    HardLink,
    /// A symbolic link.
    SymbolicLink,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
}

impl Flag {
    fn byte(self) -> u8 {
        match self {
            Self::File => b'0',
            Self::HardLink => b'1',
            Self::SymbolicLink => b'2',
            Self::CharacterDevice => b'3',
            Self::BlockDevice => b'4',
            Self::Directory => b'5',
            Self::Fifo => b'6',
        }
    }
}

/// An entry to be written.
#[derive(Debug, Clone)]
pub struct Written {
    /// What it is.
    pub flag: Flag,
    /// Its name; that of a directory ends with `/`.
    pub name: Vec<u8>,
    /// Where a link leads.
    pub link: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The size of a regular file with its holes, in bytes.
    pub size: u64,
    /// When it was modified.
    pub mtime: Time,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Extended attributes.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// The parts of a sparse file that are written; `None`: all of it.
    pub segments: Option<Vec<Segment>>,
}

impl Written {
    /// An entry of this kind and name, with nothing else.
    pub fn new(flag: Flag, name: Vec<u8>) -> Self {
        Self {
            flag,
            name,
            link: Vec::new(),
            mode: 0,
            uid: 0,
            gid: 0,
            size: 0,
            mtime: Time::default(),
            device: (0, 0),
            xattrs: Vec::new(),
            segments: None,
        }
    }

    /// Appends everything of the entry but the contents: for a sparse file, the map too. The contents follow, padded to
    /// whole blocks.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        let mut records = Vec::new();
        let map = self.segments.as_ref().map(|segments| map(segments, self.size));
        let packed = self.packed();
        let size = packed + map.as_ref().map_or(0, |map| map.len() as u64);
        let name = match &map {
            None => self.name.clone(),
            Some(_) => {
                record(&mut records, b"GNU.sparse.major", b"1");
                record(&mut records, b"GNU.sparse.minor", b"0");
                record(&mut records, b"GNU.sparse.name", &self.name);
                record(&mut records, b"GNU.sparse.realsize", self.size.to_string().as_bytes());
                short(b"GNUSparseFile.0/", &self.name)
            }
        };
        let mut header = [0u8; BLOCK];
        if !fit_name(&mut header, &name) {
            record(&mut records, b"path", &name);
            fit_name(&mut header, &short(b"", &name));
        }
        match self.link.len() {
            0..=100 => header[157..157 + self.link.len()].copy_from_slice(&self.link),
            _ => record(&mut records, b"linkpath", &self.link),
        }
        for (range, value, key) in [
            (108..116, u64::from(self.uid), &b"uid"[..]),
            (116..124, u64::from(self.gid), b"gid"),
            (124..136, size, b"size"),
        ] {
            if !octal(&mut header[range], value) {
                record(&mut records, key, value.to_string().as_bytes());
            }
        }
        let whole = self.mtime.nanos == 0;
        let fits = u64::try_from(self.mtime.seconds).is_ok_and(|seconds| octal(&mut header[136..148], seconds));
        if !whole || !fits {
            record(&mut records, b"mtime", time(self.mtime).as_bytes());
        }
        for (key, value) in &self.xattrs {
            record(&mut records, &[b"SCHILY.xattr.", key.as_slice()].concat(), value);
        }
        octal(&mut header[100..108], u64::from(self.mode & 0o7777));
        header[156] = self.flag.byte();
        let (major, minor) = (u64::from(self.device.0), u64::from(self.device.1));
        if !octal(&mut header[329..337], major) || !octal(&mut header[337..345], minor) {
            return Err(Error::unsupported(format!("a device {major}:{minor} does not fit into a tar archive")));
        }
        if !records.is_empty() {
            extended(out, &name, &records);
        }
        finish(&mut header);
        out.extend_from_slice(&header);
        out.extend_from_slice(&map.unwrap_or_default());
        Ok(())
    }

    /// Bytes of contents that follow, without their padding.
    pub fn packed(&self) -> u64 {
        match &self.segments {
            None => self.size,
            Some(segments) => segments.iter().map(|segment| segment.length).sum(),
        }
    }
}

/// Magic, version and checksum.
fn finish(header: &mut [u8; BLOCK]) {
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[148..156].fill(b' ');
    let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
    octal(&mut header[148..155], sum);
    header[155] = b' ';
}

/// A header with PAX records for the next one.
fn extended(out: &mut Vec<u8>, name: &[u8], records: &[u8]) {
    let mut header = [0u8; BLOCK];
    fit_name(&mut header, &short(b"PaxHeaders.0/", name));
    for (range, value) in
        [(100..108, 0o644), (108..116, 0), (116..124, 0), (124..136, records.len() as u64), (136..148, 0)]
    {
        octal(&mut header[range], value);
    }
    octal(&mut header[329..337], 0);
    octal(&mut header[337..345], 0);
    header[156] = b'x';
    finish(&mut header);
    out.extend_from_slice(&header);
    out.extend_from_slice(records);
    pad(out);
}

/// Zeros up to a whole block.
fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(BLOCK), 0);
}

/// `"<length> <key>=<value>\n"`; the length counts itself.
fn record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    records.extend_from_slice(length.to_string().as_bytes());
    for part in [&b" "[..], key, b"=", value, b"\n"] {
        records.extend_from_slice(part);
    }
}

/// A number in octal digits with a final zero byte. False, and nothing written, if it does not fit.
fn octal(field: &mut [u8], value: u64) -> bool {
    let digits = field.len() - 1;
    let text = format!("{value:0digits$o}");
    let fits = text.len() == digits;
    if fits {
        field[..digits].copy_from_slice(text.as_bytes());
        field[digits] = 0;
    }
    fits
}

/// The name, if need be divided at a `/` into its two fields. False if it does not fit.
fn fit_name(header: &mut [u8; BLOCK], name: &[u8]) -> bool {
    if name.len() <= 100 {
        header[..name.len()].copy_from_slice(name);
        return true;
    }
    // The last byte may be the `/` of a directory, which is no place to divide.
    let slash = (0..name.len() - 1).find(|&at| name[at] == b'/' && name.len() - at - 1 <= 100);
    match slash {
        Some(at) if (1..=155).contains(&at) => {
            header[345..345 + at].copy_from_slice(&name[..at]);
            header[..name.len() - at - 1].copy_from_slice(&name[at + 1..]);
            true
        }
        _ => false,
    }
}

/// A name that fits, for readers that do not know the records: the last component, shortened.
fn short(before: &[u8], name: &[u8]) -> Vec<u8> {
    let end = name.strip_suffix(b"/").unwrap_or(name);
    let base = super::names::split(end).1;
    let mut short = before.to_vec();
    short.extend_from_slice(&base[..base.len().min(100 - before.len())]);
    short
}

/// Seconds with a fraction; before 1970 both are negative.
fn time(time: Time) -> String {
    let (seconds, nanos) = match (time.seconds < 0, time.nanos) {
        (true, nanos) if nanos > 0 => (time.seconds + 1, 1_000_000_000 - nanos),
        (_, nanos) => (time.seconds, nanos),
    };
    let sign = if time.seconds < 0 && seconds == 0 { "-" } else { "" };
    match nanos {
        0 => seconds.to_string(),
        nanos => format!("{sign}{seconds}.{}", format!("{nanos:09}").trim_end_matches('0')),
    }
}

/// The map of a sparse file in format 1.0: decimal numbers, each on a line.
fn map(segments: &[Segment], size: u64) -> Vec<u8> {
    // GNU tar ends the map of a file that ends with a hole with an empty segment.
    let end = segments.last().map_or(0, |last| last.offset + last.length);
    let closing = (end < size).then_some(Segment { offset: size, length: 0 });
    let mut text = format!("{}\n", segments.len() + usize::from(closing.is_some()));
    for segment in segments.iter().chain(&closing) {
        text.push_str(&format!("{}\n{}\n", segment.offset, segment.length));
    }
    let mut map = text.into_bytes();
    pad(&mut map);
    map
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Limits;
    use crate::archive::entries::{Entries, Kind};

    /// What our reader makes of an entry.
    fn read_back(written: &Written) -> (Vec<u8>, super::super::entries::Entry) {
        let mut bytes = Vec::new();
        written.encode(&mut bytes).unwrap();
        let headers = bytes.len();
        bytes.resize(headers + written.packed() as usize, b'x');
        pad(&mut bytes);
        bytes.extend_from_slice(&[0; 1024]);
        let limits = Limits::default();
        let mut entries = Entries::new(&bytes[..], std::io::sink(), &limits);
        let entry = entries.next().unwrap().unwrap();
        entries.contents(|_| Ok(())).unwrap();
        assert!(entries.next().unwrap().is_none());
        (bytes[..headers].to_vec(), entry)
    }

    #[test]
    fn what_is_written_is_read_again() {
        let long = |length: usize| [&b"d".repeat(length / 2)[..], b"/", &b"f".repeat(length - length / 2)].concat();
        for (name, plain) in [(b"a".to_vec(), true), (long(150), true), (long(300), false), (vec![b'x'; 150], false)] {
            let written = Written {
                link: Vec::new(),
                mode: 0o4755,
                uid: 1000,
                gid: 100_000,
                size: 5,
                mtime: Time { seconds: 1_700_000_000, nanos: 0 },
                ..Written::new(Flag::File, name.clone())
            };
            let (headers, entry) = read_back(&written);
            assert_eq!(headers.len() == BLOCK, plain, "{}", name.len());
            assert_eq!((entry.name, entry.kind, entry.mode), (name, Kind::File, 0o4755));
            assert_eq!((entry.uid, entry.gid, entry.size, entry.mtime), (1000, 100_000, 5, written.mtime));
        }
    }

    #[test]
    fn records_hold_what_headers_cannot() {
        let link = vec![b'l'; 200];
        let written = Written {
            link: link.clone(),
            uid: 4_000_000_000,
            gid: u32::MAX - 1,
            mtime: Time { seconds: -2, nanos: 250_000_000 },
            xattrs: vec![(b"user.x".to_vec(), b"a\n=\0b".to_vec())],
            ..Written::new(Flag::SymbolicLink, b"link".to_vec())
        };
        let (_, entry) = read_back(&written);
        assert_eq!((entry.link, entry.uid, entry.gid), (link, 4_000_000_000, u32::MAX - 1));
        assert_eq!((entry.mtime, entry.xattrs), (written.mtime, written.xattrs.clone()));
        for (moment, text) in
            [((-1, 500_000_000), "-0.5"), ((-2, 250_000_000), "-1.75"), ((5, 10), "5.00000001"), ((-3, 0), "-3")]
        {
            assert_eq!(time(Time { seconds: moment.0, nanos: moment.1 }), text);
        }
    }

    #[test]
    fn sparse_files_have_a_map() {
        let segments = vec![Segment { offset: 4096, length: 10 }, Segment { offset: 1 << 33, length: 3 }];
        for size in [(1 << 33) + 3, 1u64 << 34] {
            let written =
                Written { size, segments: Some(segments.clone()), ..Written::new(Flag::File, vec![b'n'; 120]) };
            let (_, entry) = read_back(&written);
            assert_eq!((entry.name, entry.size, entry.segments), (vec![b'n'; 120], size, Some(segments.clone())));
        }
    }
}
