//! Reads a container's log, once or for as long as the container lives. See the parent module for the format.
//!
//! # Theory of operation
//!
//! A file only grows and its writer takes no lock. A line is parsed when its newline is there; until then it stays in
//! the buffer. The files of a log are opened from the newest to the oldest while the writer may be putting them aside: each
//! only ever moves to the next higher number, so that none is missed, and one that is met twice is known by its inode. At
//! the end of the newest, the reader looks whether another one has its name: then it reads to the end of its own once more,
//! and goes on with what came after it.
//!
//! Following sleeps on inotify(7), on the directory of the log: it tells of every write to the log and also
//! of the container's record being replaced, which is how a run ends. The order of each round matters: first ask whether
//! the container is over, then read to the end, then stop if it was. So what is written before the end is never missed.
//! A supervisor that is killed changes no file, therefore no sleep is longer than [`PATIENCE`].

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::format::decode;
use super::journal::JournalReader;
use super::place::{FilePlace, Place};
use crate::base::error::if_absent;
use crate::base::{Error, Result, ResultExt, poll, time};
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
pub struct Reader(Source);

#[derive(Debug)]
enum Source {
    Files(FileReader),
    Journal(JournalReader),
}

impl Reader {
    /// Opens a log at the first of the `selection`'s last entries. A file that is not there is empty.
    pub fn open(place: &Place, selection: Selection) -> Result<Self> {
        Ok(Self(match place {
            Place::File(place) => Source::Files(FileReader::open(place, selection)?),
            Place::Journal(fields) => Source::Journal(JournalReader::open(fields, selection)?),
            Place::Nowhere => {
                return Err(Error::unsupported("configured logging driver does not support reading")
                    .hint("the container keeps no log (--log-driver none or passthrough)"));
            }
        }))
    }

    /// The next entry; `None` when there is none for now.
    pub fn next_entry(&mut self) -> Result<Option<Entry>> {
        match &mut self.0 {
            Source::Files(files) => files.next_entry(),
            Source::Journal(journal) => journal.next_entry(),
        }
    }

    /// Gives every entry there is to `sink`.
    #[cfg(test)]
    fn read(&mut self, sink: &mut dyn FnMut(Entry) -> Result<()>) -> Result<()> {
        while let Some(entry) = self.next_entry()? {
            sink(entry)?;
        }
        Ok(())
    }

    /// As [`Reader::read`], then goes on with what is appended, until `is_over` says that nothing more will be written
    /// and everything was read, or until the selection's end. A change in the directory `beside` may be that end.
    pub fn follow(
        &mut self,
        beside: &Path,
        is_over: &mut dyn FnMut() -> Result<bool>,
        sink: &mut dyn FnMut(Entry) -> Result<()>,
    ) -> Result<()> {
        match &mut self.0 {
            Source::Files(files) => files.follow(beside, is_over, sink),
            Source::Journal(journal) => journal.follow(is_over, PATIENCE, sink),
        }
    }
}

/// A file of the log.
#[derive(Debug)]
struct Opened {
    file: File,
    /// Tells it from others as long as it is open.
    inode: (u64, u64),
}

/// The files of a log, read one after the other.
#[derive(Debug)]
struct FileReader {
    place: FilePlace,
    /// None as long as there is no log yet.
    file: Option<Opened>,
    /// Those that were begun after it, oldest first.
    newer: VecDeque<Opened>,
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

impl FileReader {
    fn open(place: &FilePlace, selection: Selection) -> Result<Self> {
        let mut files = open_all(place, None).at(&place.path, "cannot open")?;
        if let Some(lines) = selection.tail {
            from_last(&mut files, lines).at(&place.path, "cannot read")?;
        }
        let file = files.pop_front();
        let place = place.clone();
        let (buffer, newer) = (Vec::new(), files);
        Ok(Self { place, file, newer, selection, buffer, start: 0, searched: 0, skipping: false, ended: false })
    }

    /// The next entry; `None` when there is none for now.
    fn next_entry(&mut self) -> Result<Option<Entry>> {
        while !self.ended {
            let Some(line) = self.next_line()? else { return Ok(None) };
            let Some(entry) = decode(self.place.format, &self.buffer[line]) else { continue };
            if self.selection.until.is_some_and(|until| entry.time > until) {
                self.ended = true;
            } else if self.selection.since.is_none_or(|since| entry.time >= since) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    fn read(&mut self, sink: &mut dyn FnMut(Entry) -> Result<()>) -> Result<()> {
        while let Some(entry) = self.next_entry()? {
            sink(entry)?;
        }
        Ok(())
    }

    fn follow(
        &mut self,
        beside: &Path,
        is_over: &mut dyn FnMut() -> Result<bool>,
        sink: &mut dyn FnMut(Entry) -> Result<()>,
    ) -> Result<()> {
        let own = self.place.path.parent().unwrap_or(Path::new("."));
        let watch = Watch::new(&[own, beside]);
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
            if !self.fill().at(&self.place.path, "cannot read")? {
                return Ok(None);
            }
        }
    }

    /// Reads a block; false at the end of the newest file.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        loop {
            if self.file.is_some() {
                if self.read_block()? {
                    return Ok(true);
                }
                if self.newer.is_empty() {
                    if !self.is_put_aside()? {
                        return Ok(false);
                    }
                    // The last entries may have come between the two looks.
                    if self.read_block()? {
                        return Ok(true);
                    }
                }
            }
            if self.newer.is_empty() {
                self.newer = open_all(&self.place, self.file.as_ref().map(|file| file.inode))?;
            }
            let Some(next) = self.newer.pop_front() else { return Ok(false) };
            if self.file.replace(next).is_some() {
                // A torn line at the end of a file has no rest.
                self.buffer.clear();
                (self.start, self.searched, self.skipping) = (0, 0, false);
            }
        }
    }

    fn read_block(&mut self) -> io::Result<bool> {
        let Some(Opened { file, .. }) = &mut self.file else { return Ok(false) };
        Ok(file.take(BLOCK as u64).read_to_end(&mut self.buffer)? > 0)
    }

    /// Whether the file that is being read has not its name any more, and another one has.
    fn is_put_aside(&self) -> io::Result<bool> {
        let named = if_absent(fs::metadata(&self.place.path))?.map(|metadata| (metadata.dev(), metadata.ino()));
        Ok(named.is_some_and(|named| self.file.as_ref().is_none_or(|file| file.inode != named)))
    }
}

/// The files of a log, oldest first; with `after`, those that were begun after that one.
fn open_all(place: &FilePlace, after: Option<(u64, u64)>) -> io::Result<VecDeque<Opened>> {
    let mut files: VecDeque<Opened> = VecDeque::new();
    for number in 0..place.max_files {
        let Some(file) = if_absent(open(&place.aside(number)))? else { continue };
        let metadata = file.metadata()?;
        let inode = (metadata.dev(), metadata.ino());
        if Some(inode) == after {
            break;
        }
        // It was put aside meanwhile.
        if files.iter().all(|known| known.inode != inode) {
            files.push_front(Opened { file, inode });
        }
    }
    Ok(files)
}

/// Drops what comes before the last `lines` complete lines.
fn from_last(files: &mut VecDeque<Opened>, lines: u64) -> io::Result<()> {
    let mut missing = lines;
    for at in (0..files.len()).rev() {
        let (position, found) = start_of_last(&mut files[at].file, missing)?;
        files[at].file.seek(SeekFrom::Start(position))?;
        missing -= found;
        if missing == 0 {
            files.drain(..at);
            return Ok(());
        }
    }
    Ok(())
}

/// Never blocks, whatever the file is.
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)
}

/// Where the last `lines` complete lines begin, and how many there are. Reads from the end, block by block.
fn start_of_last(file: &mut File, lines: u64) -> io::Result<(u64, u64)> {
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
                return Ok((begin + at as u64 + 1, lines));
            }
        }
        end = begin;
    }
    Ok((0, newlines))
}

/// Tells when something in one of some directories was written or replaced.
struct Watch {
    inotify: Option<Inotify>,
}

impl Watch {
    /// Watches these directories.
    fn new(directories: &[&Path]) -> Self {
        let changes = AddWatchFlags::IN_MODIFY
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_DELETE_SELF;
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).ok();
        let watched = |inotify: &Inotify| directories.iter().all(|path| inotify.add_watch(*path, changes).is_ok());
        Self { inotify: inotify.filter(watched) }
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
    use std::io::Write;

    use proptest::prelude::*;

    use jiff::Timestamp;

    use super::*;
    use crate::base::publish::Staging;
    use crate::logs::format::as_text;
    use crate::logs::place::Format;
    use crate::logs::{LINE_MAX, Writer};
    use crate::spec::logs::Stream;

    fn place(path: &Path) -> Place {
        Place::File(FilePlace::plain(path))
    }

    fn scratch() -> Staging {
        Staging::new(&std::env::temp_dir()).unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn texts(path: &Path, selection: Selection) -> Vec<String> {
        let mut texts = Vec::new();
        Reader::open(&place(path), selection)
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
        let mut log = Writer::open(&place(&path)).unwrap();
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
        let mut log = Writer::open(&place(&path)).unwrap();
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
        let mut log = Writer::open(&place(&path)).unwrap();
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
            let mut log = Writer::open(&place(&writer_path)).unwrap();
            for number in 0..200 {
                log.append(Stream::Stdout, format!("{number}\n").as_bytes(), time::now()).unwrap();
                if number % 50 == 0 {
                    std::thread::yield_now();
                }
            }
            fs::write(writer_end, "").unwrap();
        });
        let mut read = Vec::new();
        Reader::open(&place(&path), Selection::default())
            .unwrap()
            .follow(scratch.path(), &mut || Ok(end.exists()), &mut |entry| {
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
            Reader::open(&place(&scratch.path().join("log")), Selection { until, ..Selection::default() }).unwrap();
        reader.follow(scratch.path(), &mut || Ok(false), &mut |_| Ok(())).unwrap();
        assert!(Some(time::now()) >= until);
    }

    /// The log is put aside again and again while it is read and followed: no line is missed or shown twice.
    #[test]
    fn nothing_is_missed_over_rotations() {
        for format in [Format::Json, Format::K8s] {
            let scratch = scratch();
            let path = scratch.path().join("log");
            let limits = FilePlace { format, max_size: Some(4000), max_files: 100, ..FilePlace::plain(&path) };
            let place = Place::File(limits);
            let end = scratch.path().join("end");
            let (writer_place, writer_end) = (place.clone(), end.clone());
            let writer = std::thread::spawn(move || {
                let mut log = Writer::open(&writer_place).unwrap();
                for number in 0..3000 {
                    log.append(Stream::Stdout, format!("{number}\n").as_bytes(), time::now()).unwrap();
                    if number % 64 == 0 {
                        std::thread::yield_now();
                    }
                }
                fs::write(writer_end, "").unwrap();
            });
            let mut read: Vec<String> = Vec::new();
            Reader::open(&place, Selection::default())
                .unwrap()
                .follow(scratch.path(), &mut || Ok(end.exists()), &mut |entry| {
                    read.push(entry.text);
                    Ok(())
                })
                .unwrap();
            writer.join().unwrap();
            assert_eq!(read, (0..3000).map(|number| format!("{number}\n")).collect::<Vec<_>>(), "{format:?}");
            assert!(scratch.path().join("log.3").exists());
            let tail = |lines| {
                let mut texts = Vec::new();
                let selection = Selection { tail: Some(lines), ..Selection::default() };
                let mut reader = Reader::open(&place, selection).unwrap();
                while let Some(entry) = reader.next_entry().unwrap() {
                    texts.push(entry.text);
                }
                texts
            };
            for lines in [0, 1, 60, 61, 500, 2999] {
                let last = tail(lines);
                assert_eq!(
                    (last.len() as u64, last.last().map(String::as_str)),
                    (lines, read.last().map(String::as_str).filter(|_| lines > 0))
                );
            }
            assert_eq!(tail(9999).len(), 3000);
        }
    }

    /// A follower that was left behind by all files goes on with the oldest there is.
    #[test]
    fn a_follower_goes_on_after_what_is_gone() {
        let scratch = scratch();
        let path = scratch.path().join("log");
        let place = Place::File(FilePlace { max_size: Some(300), max_files: 2, ..FilePlace::plain(&path) });
        let mut log = Writer::open(&place).unwrap();
        log.append(Stream::Stdout, b"first\n", at(0)).unwrap();
        let mut reader = Reader::open(&place, Selection::default()).unwrap();
        assert_eq!(reader.next_entry().unwrap().unwrap().text, "first\n");
        for number in 0..20 {
            log.append(Stream::Stdout, format!("{number}\n").as_bytes(), at(0)).unwrap();
        }
        let mut rest = Vec::new();
        while let Some(entry) = reader.next_entry().unwrap() {
            rest.push(entry.text.trim().parse::<u32>().unwrap());
        }
        // The rest of its own file, and both that are there.
        assert_eq!(rest.last(), Some(&19));
        assert!(rest.windows(2).all(|pair| pair[0] < pair[1]) && rest.len() >= 6, "{rest:?}");
        log.append(Stream::Stdout, b"20\n", at(0)).unwrap();
        assert_eq!(reader.next_entry().unwrap().unwrap().text, "20\n");
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
            let mut log = Writer::open(&place(&path)).unwrap();
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
            let mut reader = Reader::open(&place(&path), Selection::default()).unwrap();
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
