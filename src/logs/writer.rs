//! Takes what a container prints, cuts it into entries, and writes them to its log. See the parent module for the formats.
//!
//! Promises: memory is bounded whatever the container prints ([`LINE_MAX`] for each stream and [`FLUSH_AT`] plus one entry
//! for what is being encoded); a chunk costs one write(2) unless its encoding is larger than [`FLUSH_AT`] or the file is put
//! aside meanwhile; a failing disk is reported once and never stops the container.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;

use jiff::Timestamp;

use super::LINE_MAX;
use super::format::{attributes, encode};
use super::journal::JournalWriter;
use super::place::{FilePlace, Place};
use crate::base::error::if_absent;
use crate::base::{Result, ResultExt, time};
use crate::spec::logs::Stream;

/// Encoded bytes after which a write is made although the chunk goes on.
const FLUSH_AT: usize = 64 * 1024;

/// The writing end of a log.
#[derive(Debug)]
pub struct Writer {
    /// Output without a newline yet.
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    sink: Sink,
}

/// Where entries go.
#[derive(Debug)]
enum Sink {
    File(FileSink),
    Journal(JournalWriter),
    Nowhere,
}

impl Writer {
    /// Opens a log for appending; a file is made (mode 0600) when absent.
    pub fn open(place: &Place) -> Result<Self> {
        let sink = match place {
            Place::File(place) => Sink::File(FileSink::open(place)?),
            Place::Journal(fields) => Sink::Journal(JournalWriter::open(fields)?),
            Place::Nowhere => Sink::Nowhere,
        };
        Ok(Self { stdout: Vec::new(), stderr: Vec::new(), sink })
    }

    /// Takes a chunk that `stream` printed at `time`: complete lines are written, the rest waits for its newline.
    ///
    /// An error says that entries were lost. It is returned once; while writing keeps failing, output is dropped
    /// silently, and the next failure after a success is reported again.
    pub fn append(&mut self, stream: Stream, chunk: &[u8], time: Timestamp) -> Result<()> {
        if matches!(self.sink, Sink::Nowhere) {
            return Ok(());
        }
        let stamp = time::rfc3339_nanos(time);
        let mut outcome = Ok(());
        let mut rest = chunk;
        while !rest.is_empty() {
            let (after, put) = self.take_entry(stream, rest, &stamp);
            outcome = outcome.and(put);
            rest = after;
        }
        outcome.and(self.sink.flush())
    }

    /// Writes what waits for a newline: call it at the end of the stream. Errors as for [`Writer::append`].
    pub fn finish(&mut self, stream: Stream, time: Timestamp) -> Result<()> {
        let waiting = std::mem::take(match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        });
        let put = match waiting.is_empty() {
            true => Ok(()),
            false => self.sink.put(stream, &[&waiting], &time::rfc3339_nanos(time)),
        };
        put.and(self.sink.flush())
    }

    /// Hands on at most one entry from what waits and `chunk`, or keeps all of `chunk` waiting; returns the rest of it.
    fn take_entry<'a>(&mut self, stream: Stream, chunk: &'a [u8], stamp: &str) -> (&'a [u8], Result<()>) {
        let waiting = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let room = LINE_MAX - waiting.len();
        let newline = chunk.iter().take(room).position(|&byte| byte == b'\n');
        let cut = match newline {
            Some(at) => at + 1,
            None if chunk.len() < room => {
                waiting.extend_from_slice(chunk);
                return (&[], Ok(()));
            }
            None => room,
        };
        let (piece, rest) = chunk.split_at(cut);
        let put = if newline.is_some() || waiting.is_empty() {
            let whole = if newline.is_some() { piece } else { &piece[..whole_characters(piece)] };
            let put = self.sink.put(stream, &[waiting, whole], stamp);
            waiting.clear();
            waiting.extend_from_slice(&piece[whole.len()..]);
            put
        } else {
            waiting.extend_from_slice(piece);
            let whole = whole_characters(waiting);
            let put = self.sink.put(stream, &[&waiting[..whole]], stamp);
            waiting.drain(..whole);
            put
        };
        (rest, put)
    }
}

impl Sink {
    /// Takes one entry, all `pieces` together.
    fn put(&mut self, stream: Stream, pieces: &[&[u8]], stamp: &str) -> Result<()> {
        match self {
            Self::File(file) => file.put(stream, pieces, stamp),
            Self::Journal(journal) => journal.put(stream, pieces),
            Self::Nowhere => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Journal(_) | Self::Nowhere => Ok(()),
        }
    }
}

/// The file that is written, and those that were put aside.
#[derive(Debug)]
struct FileSink {
    file: File,
    place: FilePlace,
    /// What is added to each line.
    attributes: Vec<u8>,
    /// Bytes in the file.
    size: u64,
    /// Encoded entries on their way to the file.
    encoded: Vec<u8>,
    /// The last bytes in the file are half an entry.
    torn: bool,
    /// The last write failed, and the caller was told.
    failing: bool,
}

impl FileSink {
    fn open(place: &FilePlace) -> Result<Self> {
        let mut options = OpenOptions::new();
        // Whatever the user has put there: a pipe without a reader must not hold the container up.
        options.read(true).append(true).create(true).mode(0o600).custom_flags(libc::O_NONBLOCK);
        let mut file = options.open(&place.path).at(&place.path, "cannot open")?;
        let size = file.metadata().at(&place.path, "cannot examine")?.len();
        let torn = is_torn(&mut file, size).at(&place.path, "cannot read")?;
        let attributes = attributes(&place.attributes);
        Ok(Self { file, place: place.clone(), attributes, size, encoded: Vec::new(), torn, failing: false })
    }

    fn put(&mut self, stream: Stream, pieces: &[&[u8]], stamp: &str) -> Result<()> {
        let before = self.encoded.len();
        encode(&mut self.encoded, self.place.format, &self.attributes, stream, pieces, stamp);
        let mut outcome = Ok(());
        let begun = self.size + before as u64;
        if let Some(max_size) = self.place.max_size
            && begun > 0
            && begun + (self.encoded.len() - before) as u64 > max_size
        {
            let entry = self.encoded.split_off(before);
            outcome = self.flush();
            // Without room for another file this one grows on.
            let _ = self.rotate();
            self.encoded = entry;
        }
        if self.encoded.len() >= FLUSH_AT {
            outcome = outcome.and(self.flush());
        }
        outcome
    }

    /// Puts the file aside and begins another one.
    fn rotate(&mut self) -> io::Result<()> {
        let mut fresh = self.place.path.clone().into_os_string();
        fresh.push(".new");
        let mut options = OpenOptions::new();
        let file =
            options.read(true).append(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(&fresh)?;
        // One that a killed supervisor has left.
        file.set_len(0)?;
        // From the oldest on, so that each finds its place free: whoever reads them meanwhile opens them the other way round.
        for number in (0..self.place.max_files.saturating_sub(1)).rev() {
            if_absent(fs::rename(self.place.aside(number), self.place.aside(number + 1)))?;
        }
        fs::rename(&fresh, &self.place.path)?;
        (self.file, self.size, self.torn) = (file, 0, false);
        Ok(())
    }

    /// Writes the encoded entries and forgets them, written or not.
    fn flush(&mut self) -> Result<()> {
        if self.encoded.is_empty() {
            return Ok(());
        }
        if self.torn {
            self.encoded.insert(0, b'\n');
        }
        let (written, outcome) = write_all(&mut self.file, &self.encoded);
        self.size += written as u64;
        if let Some(last) = written.checked_sub(1) {
            self.torn = self.encoded[last] != b'\n';
        }
        self.encoded.clear();
        self.encoded.shrink_to(FLUSH_AT);
        let told = std::mem::replace(&mut self.failing, outcome.is_err());
        match outcome {
            Err(_) if told => Ok(()),
            outcome => outcome.at(&self.place.path, "cannot write to the log"),
        }
    }
}

/// As `Write::write_all`, telling how far it came.
fn write_all(file: &mut File, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match file.write(&bytes[written..]) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(n) => written += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

/// Whether the file ends within a line.
fn is_torn(file: &mut File, size: u64) -> io::Result<bool> {
    if size == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

/// How much of `bytes` can be cut off without cutting a character in two: all but an unfinished UTF-8 sequence.
fn whole_characters(bytes: &[u8]) -> usize {
    let tail = bytes.len().saturating_sub(3);
    let lead = bytes[tail..].iter().rposition(|&byte| byte & 0b1100_0000 != 0b1000_0000);
    match lead.map(|at| (tail + at, bytes[tail + at])) {
        Some((at, lead)) if at > 0 && at + sequence_length(lead) > bytes.len() => at,
        _ => bytes.len(),
    }
}

/// The length of the UTF-8 sequence that `lead` begins; 1 for bytes that begin none.
fn sequence_length(lead: u8) -> usize {
    match lead {
        0b1100_0000..=0b1101_1111 => 2,
        0b1110_0000..=0b1110_1111 => 3,
        0b1111_0000..=0b1111_0111 => 4,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::base::publish::Staging;

    fn time() -> Timestamp {
        "2026-11-21T09:26:00.5Z".parse().unwrap()
    }

    #[test]
    fn entries_look_as_docker_writes_them() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let path = scratch.path().join("log");
        let mut log = Writer::open(&Place::File(FilePlace::plain(&path))).unwrap();
        log.append(Stream::Stdout, b"hel", time()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "", "a line waits for its newline");
        log.append(Stream::Stderr, b"a\t\"<\x01\xff\xe2\x82\n", time()).unwrap();
        log.append(Stream::Stdout, b"lo\r\nrest", time()).unwrap();
        log.finish(Stream::Stdout, time()).unwrap();
        log.finish(Stream::Stderr, time()).unwrap();
        let stamp = "\"time\":\"2026-11-21T09:26:00.500000000Z\"}\n";
        let expected = [
            r#"{"log":"a\t\"\u003c\u0001\ufffd\ufffd\ufffd\n","stream":"stderr","#,
            r#"{"log":"hello\r\n","stream":"stdout","#,
            r#"{"log":"rest","stream":"stdout","#,
        ]
        .map(|line| format!("{line}{stamp}"))
        .concat();
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    }

    #[test]
    fn long_lines_are_split_between_characters() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let path = scratch.path().join("log");
        let mut log = Writer::open(&Place::File(FilePlace::plain(&path))).unwrap();
        let line = format!("{}é{}\n", "x".repeat(LINE_MAX - 1), "y".repeat(LINE_MAX));
        log.append(Stream::Stdout, line.as_bytes(), time()).unwrap();
        let lengths: Vec<usize> = fs::read_to_string(&path)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["log"].as_str().unwrap().len())
            .collect();
        assert_eq!(lengths, [LINE_MAX - 1, LINE_MAX, 3]);
    }

    #[test]
    fn a_failing_disk_is_told_once_and_a_torn_line_is_closed() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let path = scratch.path().join("log");
        fs::write(&path, "{\"log\":\"to").unwrap();
        let place = FilePlace::plain(&path);
        let mut sink = FileSink::open(&place).unwrap();
        let good = std::mem::replace(&mut sink.file, OpenOptions::new().write(true).open("/dev/full").unwrap());
        let put = |sink: &mut FileSink, text: &[u8]| {
            sink.put(Stream::Stdout, &[text], "2026-11-21T09:26:00Z").and_then(|()| sink.flush())
        };
        assert_eq!(put(&mut sink, b"lost\n").unwrap_err().errno(), Some(libc::ENOSPC));
        put(&mut sink, b"lost too\n").unwrap();
        sink.file = good;
        put(&mut sink, b"back\n").unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("{\"log\":\"to\n{\"log\":\"back\\n\""), "{text}");
        assert!(!sink.failing && !sink.torn);
    }

    /// Every entry is in exactly one file, none is larger than allowed, and the oldest go.
    #[test]
    fn files_are_put_aside() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let path = scratch.path().join("log");
        let place = FilePlace { max_size: Some(1000), max_files: 3, ..FilePlace::plain(&path) };
        let mut log = Writer::open(&Place::File(place.clone())).unwrap();
        for number in 0..100 {
            log.append(Stream::Stdout, format!("{number}\n").as_bytes(), time()).unwrap();
        }
        drop(log);
        // Another run goes on in the same file.
        let mut log = Writer::open(&Place::File(place.clone())).unwrap();
        log.append(Stream::Stdout, (100..130).map(|n| format!("{n}\n")).collect::<String>().as_bytes(), time())
            .unwrap();
        let files: Vec<String> = [2, 1, 0].iter().map(|n| fs::read_to_string(place.aside(*n)).unwrap()).collect();
        assert!(files.iter().all(|file| file.len() <= 1000 && file.len() > 500), "{files:?}");
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 3);
        let numbers: Vec<u32> = files
            .concat()
            .lines()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["log"]
                    .as_str()
                    .unwrap()
                    .trim()
                    .parse()
                    .unwrap()
            })
            .collect();
        assert_eq!(numbers, (numbers[0]..130).collect::<Vec<_>>());
        // With a single file, what it had is dropped.
        let single = FilePlace { max_files: 1, ..place };
        let mut log = Writer::open(&Place::File(single)).unwrap();
        for number in 0..20 {
            log.append(Stream::Stdout, format!("{number}\n").as_bytes(), time()).unwrap();
        }
        assert!(fs::metadata(&path).unwrap().len() <= 1000);
        // No room for another file: the old one grows on.
        fs::create_dir(scratch.path().join("log.new")).unwrap();
        for number in 0..20 {
            log.append(Stream::Stdout, format!("{number}\n").as_bytes(), time()).unwrap();
        }
        assert!(fs::metadata(&path).unwrap().len() > 1000);
    }

    #[test]
    fn cuts_never_fall_into_a_character() {
        for (bytes, whole) in [
            (&b"ab"[..], 2),
            (b"a\xc3", 1),
            (b"a\xc3\xa9", 3),
            (b"a\xf0\x9f\x98", 1),
            (b"a\xf0\x9f\x98\x80", 5),
            (b"\x80\x80\x80\x80", 4),
            (b"\xf0", 1),
            (b"", 0),
        ] {
            assert_eq!(whole_characters(bytes), whole, "{bytes:?}");
        }
    }
}
