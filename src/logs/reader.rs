//! Reads a container's log, once or for as long as the container lives. See the parent module for the format.
//!
//! # Theory of operation
//!
//! The file only grows and its writer takes no lock. A line is parsed when its newline is there; until then it stays in
//! the buffer. Following sleeps on inotify(7), on the directory of the log: it tells of every write to the log and also
//! of the container's record being replaced, which is how a run ends. The order of each round matters: first ask whether
//! the container is over, then read to the end, then stop if it was. So what is written before the end is never missed.
//! A supervisor that is killed changes no file, therefore no sleep is longer than [`PATIENCE`].

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::base::error::if_absent;
use crate::base::{Result, ResultExt, poll, time};
use crate::spec::logs::{Entry, Selection};

/// How much is read at once.
const BLOCK: usize = 64 * 1024;

/// The longest line that is parsed; a longer one is none of a log writer and is skipped without being kept.
const ENTRY_MAX: usize = 1024 * 1024;

/// The longest sleep of a follower.
const PATIENCE: Duration = Duration::from_millis(500);

/// Sleep between two looks where inotify cannot be had (its per-user limit is low on some machines).
const POLL: Duration = Duration::from_millis(100);

/// The reading end of a log.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    /// None as long as there is no log yet.
    file: Option<File>,
    selection: Selection,
    /// What was read; lines before `start` are done with, and there is no newline in `start..searched`.
    buffer: Vec<u8>,
    start: usize,
    searched: usize,
    /// Within a line that is too long.
    skipping: bool,
    /// An entry after `until` was seen.
    ended: bool,
}

impl Reader {
    /// Opens the log at `path` at the first of the `selection`'s last entries. A log that is not there is empty.
    pub fn open(path: &Path, selection: Selection) -> Result<Self> {
        let mut file = if_absent(open(path)).at(path, "cannot open")?;
        if let (Some(file), Some(lines)) = (&mut file, selection.tail) {
            let position = start_of_last(file, lines).at(path, "cannot read")?;
            file.seek(SeekFrom::Start(position)).at(path, "cannot read")?;
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            selection,
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            skipping: false,
            ended: false,
        })
    }

    /// The next entry; `None` when there is none for now.
    pub fn next_entry(&mut self) -> Result<Option<Entry>> {
        while !self.ended {
            let Some(line) = self.next_line()? else { return Ok(None) };
            let Ok(entry) = serde_json::from_slice::<Entry>(&self.buffer[line]) else { continue };
            if self.selection.until.is_some_and(|until| entry.time > until) {
                self.ended = true;
            } else if self.selection.since.is_none_or(|since| entry.time >= since) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// Gives every entry there is to `sink`.
    pub fn read(&mut self, sink: &mut dyn FnMut(Entry) -> Result<()>) -> Result<()> {
        while let Some(entry) = self.next_entry()? {
            sink(entry)?;
        }
        Ok(())
    }

    /// As [`Reader::read`], then goes on with what is appended, until `is_over` says that nothing more will be written
    /// and everything was read, or until the selection's end.
    pub fn follow(
        &mut self,
        is_over: &mut dyn FnMut() -> Result<bool>,
        sink: &mut dyn FnMut(Entry) -> Result<()>,
    ) -> Result<()> {
        let watch = Watch::new(&self.path);
        loop {
            let left = self.selection.until.map(|until| until.duration_since(time::now()));
            let last_round = is_over()? || left.is_some_and(|left| !left.is_positive());
            self.read(sink)?;
            if last_round || self.ended {
                return Ok(());
            }
            let left = left.and_then(|left| Duration::try_from(left).ok());
            watch.sleep(left.map_or(PATIENCE, |left| left.clamp(Duration::from_millis(1), PATIENCE)))?;
        }
    }

    /// The next complete line, as a range of the buffer that is valid until the next call.
    fn next_line(&mut self) -> Result<Option<std::ops::Range<usize>>> {
        loop {
            if let Some(at) = self.buffer[self.searched..].iter().position(|&byte| byte == b'\n') {
                let line = self.start..self.searched + at;
                self.start = line.end + 1;
                self.searched = self.start;
                if !std::mem::take(&mut self.skipping) {
                    return Ok(Some(line));
                }
                continue;
            }
            self.searched = self.buffer.len();
            if self.searched - self.start > ENTRY_MAX {
                self.skipping = true;
                self.start = self.searched;
            }
            if !self.fill().at(&self.path, "cannot read")? {
                return Ok(None);
            }
        }
    }

    /// Reads a block; false at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        if self.file.is_none() {
            self.file = if_absent(open(&self.path))?;
        }
        let Some(file) = &mut self.file else { return Ok(false) };
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        Ok(file.take(BLOCK as u64).read_to_end(&mut self.buffer)? > 0)
    }
}

/// Never blocks, whatever the file is.
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)
}

/// Where the last `lines` complete lines begin. Reads from the end, block by block.
fn start_of_last(file: &mut File, lines: u64) -> io::Result<u64> {
    let mut newlines = 0;
    let mut end = file.seek(SeekFrom::End(0))?;
    let mut block = Vec::with_capacity(BLOCK);
    while end > 0 {
        let begin = end.saturating_sub(BLOCK as u64);
        file.seek(SeekFrom::Start(begin))?;
        block.clear();
        file.take(end - begin).read_to_end(&mut block)?;
        for (at, _) in block.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            newlines += 1;
            if newlines > lines {
                return Ok(begin + at as u64 + 1);
            }
        }
        end = begin;
    }
    Ok(0)
}

/// Tells when something in a directory was written or replaced.
struct Watch {
    inotify: Option<Inotify>,
}

impl Watch {
    /// Watches the directory of `path`.
    fn new(path: &Path) -> Self {
        let changes = AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_DELETE_SELF;
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).ok();
        let directory = path.parent().unwrap_or(Path::new("."));
        Self { inotify: inotify.filter(|inotify| inotify.add_watch(directory, changes).is_ok()) }
    }

    /// Returns at a change, or after `longest`.
    fn sleep(&self, longest: Duration) -> Result<()> {
        let Some(inotify) = &self.inotify else {
            std::thread::sleep(longest.min(POLL));
            return Ok(());
        };
        if !poll::readable(inotify, Some(longest)).context(|| "cannot wait for the log")? {
            return Ok(());
        }
        match inotify.read_events() {
            Ok(_) | Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno).context(|| "cannot wait for the log"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use proptest::prelude::*;

    use jiff::Timestamp;

    use super::*;
    use crate::base::publish::Staging;
    use crate::logs::{LINE_MAX, Writer};
    use crate::spec::logs::Stream;

    fn scratch() -> Staging {
        Staging::new(&std::env::temp_dir()).unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn texts(path: &Path, selection: Selection) -> Vec<String> {
        let mut texts = Vec::new();
        Reader::open(path, selection)
            .unwrap()
            .read(&mut |entry| {
                texts.push(entry.text);
                Ok(())
            })
            .unwrap();
        texts
    }

    #[test]
    fn tail_since_and_until_select() {
        let scratch = scratch();
        let path = scratch.path().join("log");
        assert!(texts(&path, Selection::default()).is_empty(), "no log is an empty log");
        let mut log = Writer::open(&path).unwrap();
        for second in 0..5 {
            log.append(Stream::Stdout, format!("{second}\n").as_bytes(), at(second)).unwrap();
        }
        // A half-written line is none.
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"log\":\"half").unwrap();
        for (tail, since, until, expected) in [
            (None, None, None, "0\n1\n2\n3\n4\n"),
            (Some(2), None, None, "3\n4\n"),
            (Some(0), None, None, ""),
            (Some(99), None, None, "0\n1\n2\n3\n4\n"),
            (None, Some(3), None, "3\n4\n"),
            (None, None, Some(1), "0\n1\n"),
            (Some(4), Some(2), Some(3), "2\n3\n"),
        ] {
            let selection = Selection { tail, since: since.map(at), until: until.map(at) };
            assert_eq!(texts(&path, selection).concat(), expected, "{selection:?}");
        }
    }

    #[test]
    fn tail_crosses_blocks() {
        let scratch = scratch();
        let path = scratch.path().join("log");
        let mut log = Writer::open(&path).unwrap();
        for number in 0..3000 {
            log.append(Stream::Stdout, format!("{number} {}\n", "x".repeat(100)).as_bytes(), at(0)).unwrap();
        }
        let last = texts(&path, Selection { tail: Some(2500), ..Selection::default() });
        assert_eq!((last.len(), &last[0][..4]), (2500, "500 "));
    }

    #[test]
    fn corrupted_and_endless_lines_are_skipped() {
        let scratch = scratch();
        let path = scratch.path().join("log");
        let mut log = Writer::open(&path).unwrap();
        log.append(Stream::Stdout, b"one\n", at(0)).unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"log\":\"torn\n\n\0\0\0\nnull\n").unwrap();
        file.write_all(&vec![b'x'; 3 * ENTRY_MAX]).unwrap();
        file.write_all(b"\n").unwrap();
        log.append(Stream::Stderr, b"two\n", at(0)).unwrap();
        assert_eq!(texts(&path, Selection::default()), ["one\n", "two\n"]);
    }

    #[test]
    fn a_follower_reads_everything_up_to_the_end() {
        let scratch = scratch();
        let path = scratch.path().join("log");
        let end = scratch.path().join("end");
        let (writer_path, writer_end) = (path.clone(), end.clone());
        let writer = std::thread::spawn(move || {
            let mut log = Writer::open(&writer_path).unwrap();
            for number in 0..200 {
                log.append(Stream::Stdout, format!("{number}\n").as_bytes(), time::now()).unwrap();
                if number % 50 == 0 {
                    std::thread::yield_now();
                }
            }
            fs::write(writer_end, "").unwrap();
        });
        let mut read = Vec::new();
        Reader::open(&path, Selection::default())
            .unwrap()
            .follow(&mut || Ok(end.exists()), &mut |entry| {
                read.push(entry.text);
                Ok(())
            })
            .unwrap();
        writer.join().unwrap();
        assert_eq!(read, (0..200).map(|number| format!("{number}\n")).collect::<Vec<_>>());
    }

    #[test]
    fn following_ends_at_until() {
        let scratch = scratch();
        let until = Some(time::now() + Duration::from_millis(30));
        let mut reader =
            Reader::open(&scratch.path().join("log"), Selection { until, ..Selection::default() }).unwrap();
        reader.follow(&mut || Ok(false), &mut |_| Ok(())).unwrap();
        assert!(Some(time::now()) >= until);
    }

    /// What the reader must give back: Go's idea of text, one U+FFFD for each byte that is not UTF-8.
    fn as_text(bytes: &[u8]) -> String {
        bytes.utf8_chunks().map(|chunk| chunk.valid().to_owned() + &"\u{fffd}".repeat(chunk.invalid().len())).collect()
    }

    /// Lines, and bytes that like to break encodings; sometimes longer than an entry may be.
    fn output() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            8 => proptest::collection::vec(any::<u8>(), 0..40),
            8 => "[a-zé€😀\"\\\\<\u{2028}\t\r]{0,30}\n".prop_map(String::into_bytes),
            1 => (1..3usize).prop_map(|n| "é".repeat(n * LINE_MAX / 2 + 7).into_bytes()),
            1 => Just(vec![0xf0; LINE_MAX + 5]),
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_is_read_back(
            stdout in output(),
            stderr in output(),
            sizes in proptest::collection::vec(1..40_000usize, 1..20),
        ) {
            let scratch = scratch();
            let path = scratch.path().join("log");
            let mut log = Writer::open(&path).unwrap();
            let (mut out, mut err) = (&stdout[..], &stderr[..]);
            for (turn, size) in sizes.iter().cycle().enumerate() {
                let (stream, rest) = match turn % 2 {
                    0 => (Stream::Stdout, &mut out),
                    _ => (Stream::Stderr, &mut err),
                };
                let (chunk, after) = rest.split_at(rest.len().min(*size));
                log.append(stream, chunk, at(turn as i64)).unwrap();
                *rest = after;
                if out.is_empty() && err.is_empty() {
                    break;
                }
            }
            log.finish(Stream::Stdout, at(1000)).unwrap();
            log.finish(Stream::Stderr, at(1000)).unwrap();
            let mut reader = Reader::open(&path, Selection::default()).unwrap();
            let (mut got_out, mut got_err) = (String::new(), String::new());
            while let Some(entry) = reader.next_entry().unwrap() {
                prop_assert!(entry.text.len() <= 3 * LINE_MAX, "an entry of {} bytes", entry.text.len());
                let newline = entry.text.find('\n');
                prop_assert!(newline.is_none() || newline == Some(entry.text.len() - 1), "two lines in one entry");
                match entry.stream {
                    Stream::Stdout => got_out.push_str(&entry.text),
                    Stream::Stderr => got_err.push_str(&entry.text),
                }
            }
            prop_assert_eq!(got_out, as_text(&stdout));
            prop_assert_eq!(got_err, as_text(&stderr));
        }
    }
}
