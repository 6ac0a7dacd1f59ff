//! Appends a container's output to its log. See the parent module for the format.
//!
//! Promises: memory is bounded whatever the container prints ([`LINE_MAX`] for each stream and [`FLUSH_AT`] plus one entry
//! for what is being encoded); a chunk costs one write(2) unless its encoding is larger than [`FLUSH_AT`]; a failing disk
//! is reported once and never stops the container.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::LINE_MAX;
use crate::base::{Result, ResultExt, time};
use crate::spec::logs::Stream;

/// Encoded bytes after which a write is made although the chunk goes on.
const FLUSH_AT: usize = 64 * 1024;

/// The writing end of a log.
#[derive(Debug)]
pub struct Writer {
    file: File,
    path: PathBuf,
    /// Output without a newline yet.
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    /// Encoded entries on their way to the file.
    encoded: Vec<u8>,
    /// The last bytes in the file are half an entry.
    torn: bool,
    /// The last write failed, and the caller was told.
    failing: bool,
}

impl Writer {
    /// Opens the log at `path` for appending; it is made (mode 0600) when absent.
    pub fn open(path: &Path) -> Result<Self> {
        let mut file =
            OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path).at(path, "cannot open")?;
        let torn = is_torn(&mut file).at(path, "cannot read")?;
        Ok(Self {
            file,
            path: path.to_owned(),
            stdout: Vec::new(),
            stderr: Vec::new(),
            encoded: Vec::new(),
            torn,
            failing: false,
        })
    }

    /// Takes a chunk that `stream` printed at `time`: complete lines are written, the rest waits for its newline.
    ///
    /// An error says that entries were lost. It is returned once; while the file keeps failing, output is dropped
    /// silently, and the next failure after a success is reported again.
    pub fn append(&mut self, stream: Stream, chunk: &[u8], time: Timestamp) -> Result<()> {
        let stamp = time::rfc3339_nanos(time);
        let mut outcome = Ok(());
        let mut rest = chunk;
        while !rest.is_empty() {
            rest = self.take_entry(stream, rest, &stamp);
            if self.encoded.len() >= FLUSH_AT {
                outcome = outcome.and(self.flush());
            }
        }
        outcome.and(self.flush())
    }

    /// Writes what waits for a newline: call it at the end of the stream. Errors as for [`Writer::append`].
    pub fn finish(&mut self, stream: Stream, time: Timestamp) -> Result<()> {
        let waiting = std::mem::take(self.waiting(stream));
        if !waiting.is_empty() {
            encode(&mut self.encoded, stream, &[&waiting], &time::rfc3339_nanos(time));
        }
        self.flush()
    }

    /// Encodes at most one entry from what waits and `chunk`, or keeps all of `chunk` waiting; returns the rest of it.
    fn take_entry<'a>(&mut self, stream: Stream, chunk: &'a [u8], stamp: &str) -> &'a [u8] {
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
                return &[];
            }
            None => room,
        };
        let (piece, rest) = chunk.split_at(cut);
        if newline.is_some() || waiting.is_empty() {
            let piece_whole = if newline.is_some() { piece } else { &piece[..whole_characters(piece)] };
            encode(&mut self.encoded, stream, &[waiting, piece_whole], stamp);
            waiting.clear();
            waiting.extend_from_slice(&piece[piece_whole.len()..]);
        } else {
            waiting.extend_from_slice(piece);
            let whole = whole_characters(waiting);
            encode(&mut self.encoded, stream, &[&waiting[..whole]], stamp);
            waiting.drain(..whole);
        }
        rest
    }

    fn waiting(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
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
        if let Some(last) = written.checked_sub(1) {
            self.torn = self.encoded[last] != b'\n';
        }
        self.encoded.clear();
        self.encoded.shrink_to(FLUSH_AT);
        let told = std::mem::replace(&mut self.failing, outcome.is_err());
        match outcome {
            Err(_) if told => Ok(()),
            outcome => outcome.at(&self.path, "cannot write to the log"),
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
fn is_torn(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
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

/// Appends one entry, whose text is all `pieces` together, to `out`.
fn encode(out: &mut Vec<u8>, stream: Stream, pieces: &[&[u8]], stamp: &str) {
    out.extend_from_slice(b"{\"log\":\"");
    match pieces {
        [[], rest @ ..] => rest.iter().for_each(|piece| escape(out, piece)),
        [only] => escape(out, only),
        // A character may lie across two pieces.
        pieces => escape(out, &pieces.concat()),
    }
    out.extend_from_slice(b"\",\"stream\":\"");
    out.extend_from_slice(stream.word().as_bytes());
    out.extend_from_slice(b"\",\"time\":\"");
    out.extend_from_slice(stamp.as_bytes());
    out.extend_from_slice(b"\"}\n");
}

/// The inside of a JSON string. Beyond what JSON needs, `<`, `>`, `&` and the line separators are escaped, as Go does.
fn escape(out: &mut Vec<u8>, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        let text = chunk.valid();
        let mut plain = 0;
        for (at, c) in text.char_indices() {
            let escape: &[u8] = match c {
                '"' => b"\\\"",
                '\\' => b"\\\\",
                '\n' => b"\\n",
                '\r' => b"\\r",
                '\t' => b"\\t",
                '\0'..='\x1f' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => b"",
                _ => continue,
            };
            out.extend_from_slice(&text.as_bytes()[plain..at]);
            match escape {
                b"" => out.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes()),
                escape => out.extend_from_slice(escape),
            }
            plain = at + c.len_utf8();
        }
        out.extend_from_slice(&text.as_bytes()[plain..]);
        for _ in chunk.invalid() {
            out.extend_from_slice(b"\\ufffd");
        }
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
        let mut log = Writer::open(&path).unwrap();
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
        let mut log = Writer::open(&path).unwrap();
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
        let mut log = Writer::open(&path).unwrap();
        let good = std::mem::replace(&mut log.file, OpenOptions::new().write(true).open("/dev/full").unwrap());
        let error = log.append(Stream::Stdout, b"lost\n", time()).unwrap_err();
        assert_eq!(error.errno(), Some(libc::ENOSPC));
        log.append(Stream::Stdout, b"lost too\n", time()).unwrap();
        log.file = good;
        log.append(Stream::Stdout, b"back\n", time()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("{\"log\":\"to\n{\"log\":\"back\\n\""), "{text}");
        assert!(!log.failing && !log.torn);
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
