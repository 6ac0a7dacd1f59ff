//! The journal of events: the only writer of its files. No process keeps it; whoever does a thing writes the event of it.
//!
//! # Format
//!
//! ```text
//! <data>/events/journal      the newest events, a line of JSON each (`spec::events::Event`), between empty lines
//!              /journal.1    those before, kept when the journal had become too long
//!              /lock         held for the moment of that change
//! ```
//!
//! The directory and its files are the user's alone: an event tells commands and labels.
//!
//! # Theory of operation
//!
//! A record is one write(2) to a file opened with `O_APPEND`, which puts it behind everything else as a whole; nothing is
//! locked and nothing waited for. A full disk or the end of power can leave a torn record. It spoils nothing but itself,
//! because each record brings the end of the line before it, too. Lines that are no events are passed over, as are those of
//! a newer coracle with words that this one does not know.
//!
//! Whoever finds the journal longer than [`SEGMENT`] renames it over the older one, so that both together have a bound. A
//! reader opens the new file before the old one and looks again when they are the same. A follower keeps both open and reads
//! on in both, because a writer may have opened a file before it was renamed and write to it afterwards.
//!
//! An event that cannot be written is lost: what it tells of has been done, and must not fail afterwards.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::base::error::if_absent;
use crate::base::lock::{Lock, Mode};
use crate::base::poll::{PollFd, PollFlags};
use crate::base::{Paths, Result, ResultExt, paths, poll, time, trace};
use crate::spec::events::Event;

/// The newest events.
const JOURNAL: &str = "journal";
/// Those before.
const OLDER: &str = "journal.1";

/// Bytes after which the journal is begun anew: some 8,000 events.
const SEGMENT: u64 = 2 << 20;

/// The longest record that is written or read.
const LONGEST: usize = 64 * 1024;

/// The longest wait for an event at once, where nobody tells that the reader of our output has gone.
const PATIENCE: Duration = Duration::from_secs(3600);

/// The journal of one user.
#[derive(Debug, Clone)]
pub struct Journal {
    directory: PathBuf,
}

/// What wakes a follower besides events.
#[derive(Debug, Clone, Copy, Default)]
pub struct Until<'a> {
    /// It ends at this time, in nanoseconds since 1970.
    pub time: Option<i64>,
    /// It ends when the other end of this pipe has gone.
    pub output: Option<BorrowedFd<'a>>,
}

impl Journal {
    /// The journal below `paths`.
    pub fn new(paths: &Paths) -> Self {
        Self { directory: paths.data.join("events") }
    }

    /// Writes an event, at the present time.
    pub fn record(&self, event: Event) {
        let event = Event { time: nanoseconds(), ..event };
        if let Err(error) = self.append(&event) {
            trace::step(|| format!("an event is lost: {error}"));
        }
    }

    fn append(&self, event: &Event) -> io::Result<()> {
        let mut record = b"\n".to_vec();
        serde_json::to_writer(&mut record, event)?;
        record.push(b'\n');
        if record.len() > LONGEST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let path = self.directory.join(JOURNAL);
        let open = || {
            let mut options = OpenOptions::new();
            options.append(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC).open(&path)
        };
        let mut file = match if_absent(open())? {
            Some(file) => file,
            None => {
                paths::private_dir(&self.directory).map_err(io::Error::other)?;
                open()?
            }
        };
        // Not `write_all`: the rest of a torn record would not be with its beginning.
        if file.write(&record)? < record.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        match file.metadata()?.len() > SEGMENT {
            true => self.turn_over(&path),
            false => Ok(()),
        }
    }

    /// Begins a new file. Somebody else may just be doing so, or have done it.
    fn turn_over(&self, path: &Path) -> io::Result<()> {
        let lock = Lock::attempt(&self.directory.join("lock"), Mode::Exclusive).map_err(io::Error::other)?;
        if lock.is_some() && if_absent(fs::metadata(path))?.is_some_and(|now| now.len() > SEGMENT) {
            fs::rename(path, self.directory.join(OLDER))?;
        }
        Ok(())
    }

    /// Gives the events since `since` (nanoseconds since 1970) to `sink`, in the order in which they were written; then, with
    /// `follow`, those that happen, until it is time or nobody reads any more. `sink` is told when everything that there is
    /// now was given.
    pub fn read(
        &self,
        since: i64,
        follow: Option<Until<'_>>,
        sink: &mut dyn FnMut(Option<Event>) -> Result<()>,
    ) -> Result<()> {
        let watch = follow.map(|_| self.watch()).transpose()?;
        let (mut older, mut newer) = self.open()?;
        loop {
            // The older file again: a record may come to a file that its writer had opened before it was renamed.
            if let Some(older) = &mut older {
                older.read(since, sink).at(&self.directory.join(OLDER), "cannot read")??;
            }
            if let Some(newer) = &mut newer {
                newer.read(since, sink).at(&self.directory.join(JOURNAL), "cannot read")??;
            }
            if !self.is_current(newer.as_ref())? {
                self.advance(&mut older, &mut newer, &mut |segment| {
                    segment.read(since, sink).at(&self.directory.join(OLDER), "cannot read")?
                })?;
                continue;
            }
            sink(None)?;
            let (Some(until), Some(watch)) = (follow, &watch) else { return Ok(()) };
            if !wait(watch, until)? {
                return Ok(());
            }
        }
    }

    /// Turns to the files that have the journal's names now. What was read so far of a file is not read again, whatever its
    /// name is now; one that has no name any more is read to its end by `finish`.
    fn advance(
        &self,
        older: &mut Option<Segment>,
        newer: &mut Option<Segment>,
        finish: &mut dyn FnMut(&mut Segment) -> Result<()>,
    ) -> Result<()> {
        let (now_older, now_newer) = self.open()?;
        let mut known = [older.take(), newer.take()];
        let mut keep = |opened: Option<Segment>| {
            let opened = opened?;
            let known = known.iter_mut().find(|known| known.as_ref().is_some_and(|known| known.inode == opened.inode));
            known.and_then(Option::take).or(Some(opened))
        };
        *older = keep(now_older);
        *newer = keep(now_newer);
        known.iter_mut().flatten().try_for_each(finish)
    }

    /// The older file and the newer one, which are not the same.
    fn open(&self) -> Result<(Option<Segment>, Option<Segment>)> {
        loop {
            let newer = self.segment(JOURNAL)?;
            let older = self.segment(OLDER)?;
            match (&older, &newer) {
                (Some(older), Some(newer)) if older.inode == newer.inode => {}
                _ => return Ok((older, newer)),
            }
        }
    }

    fn segment(&self, name: &str) -> Result<Option<Segment>> {
        let path = self.directory.join(name);
        let opened = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(&path);
        let Some(file) = if_absent(opened).at(&path, "cannot open")? else { return Ok(None) };
        let inode = file.metadata().at(&path, "cannot examine")?.ino();
        Ok(Some(Segment { file, inode, rest: Vec::new(), skipping: false }))
    }

    /// Whether a file, or none, has the journal's name still.
    fn is_current(&self, segment: Option<&Segment>) -> Result<bool> {
        let path = self.directory.join(JOURNAL);
        let there = if_absent(fs::symlink_metadata(&path)).at(&path, "cannot examine")?;
        Ok(there.map(|there| there.ino()) == segment.map(|segment| segment.inode))
    }

    fn watch(&self) -> Result<Inotify> {
        paths::private_dir(&self.directory)?;
        let changes = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO;
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).context(|| "cannot watch files")?;
        inotify.add_watch(&self.directory, changes).at(&self.directory, "cannot watch")?;
        Ok(inotify)
    }
}

/// Now, in nanoseconds since 1970.
pub fn nanoseconds() -> i64 {
    i64::try_from(time::now().as_nanosecond()).unwrap_or(i64::MAX)
}

/// Waits for a change. False when it is time to end.
fn wait(watch: &Inotify, until: Until<'_>) -> Result<bool> {
    let left = match until.time {
        Some(end) => match end.saturating_sub(nanoseconds()) {
            left if left <= 0 => return Ok(false),
            left => Duration::from_nanos(left.unsigned_abs()).min(PATIENCE),
        },
        None => PATIENCE,
    };
    let mut fds = vec![PollFd::new(watch, PollFlags::IN)];
    fds.extend(until.output.map(|output| PollFd::from_borrowed_fd(output, PollFlags::empty())));
    poll::wait(&mut fds, Some(left)).context(|| "cannot wait for events")?;
    if fds.get(1).is_some_and(|output| output.revents().intersects(PollFlags::ERR | PollFlags::HUP)) {
        return Ok(false);
    }
    match watch.read_events() {
        Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => Ok(true),
        Err(errno) => Err(errno).context(|| "cannot wait for events"),
    }
}

/// A file of the journal that is being read.
struct Segment {
    file: File,
    inode: u64,
    /// The beginning of a line whose end has not been read.
    rest: Vec<u8>,
    /// That line is too long to be an event.
    skipping: bool,
}

impl Segment {
    /// Gives the events that were added since the last call.
    fn read(&mut self, since: i64, sink: &mut dyn FnMut(Option<Event>) -> Result<()>) -> io::Result<Result<()>> {
        let mut buffer = vec![0; LONGEST];
        loop {
            let length = match self.file.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            if length == 0 {
                return Ok(Ok(()));
            }
            for piece in buffer[..length].split_inclusive(|byte| *byte == b'\n') {
                if !self.skipping {
                    self.rest.extend_from_slice(piece);
                }
                if piece.ends_with(b"\n") {
                    let line = std::mem::take(&mut self.rest);
                    if !std::mem::take(&mut self.skipping)
                        && let Some(event) = parse(&line, since)
                        && let Err(error) = sink(Some(event))
                    {
                        return Ok(Err(error));
                    }
                } else if self.rest.len() > LONGEST {
                    self.rest.clear();
                    self.skipping = true;
                }
            }
        }
    }
}

/// The event of a line, if it is one and not older than `since`.
fn parse(line: &[u8], since: i64) -> Option<Event> {
    // The time stands first: the older ones of a long journal are not read any further.
    let digits = line.strip_prefix(b"{\"time\":")?;
    let end = digits.iter().position(|byte| *byte == b',')?;
    let time: i64 = str::from_utf8(&digits[..end]).ok()?.parse().ok()?;
    (time >= since).then(|| serde_json::from_slice(line).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;
    use crate::spec::events::{Action, Subject};
    use std::os::fd::AsFd;
    use std::os::unix::fs::PermissionsExt;

    fn journal() -> (Journal, Staging) {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        (Journal { directory: scratch.path().join("events") }, scratch)
    }

    fn event(id: impl ToString) -> Event {
        Event::new(Subject::Container, Action::Start, id)
    }

    fn ids(journal: &Journal, since: i64) -> Vec<String> {
        let mut ids = Vec::new();
        journal
            .read(since, None, &mut |event| {
                ids.extend(event.map(|event| event.id));
                Ok(())
            })
            .unwrap();
        ids
    }

    #[test]
    fn events_are_kept_for_the_user_alone() {
        let (journal, _scratch) = journal();
        assert!(ids(&journal, 0).is_empty(), "no journal is an empty one");
        journal.record(event("one"));
        let middle = nanoseconds();
        journal.record(event("two"));
        assert_eq!(ids(&journal, 0), ["one", "two"]);
        assert_eq!(ids(&journal, middle), ["two"]);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&journal.directory), mode(&journal.directory.join(JOURNAL))), (0o700, 0o600));
    }

    #[test]
    fn torn_foreign_and_endless_lines_spoil_only_themselves() {
        let (journal, _scratch) = journal();
        journal.record(event("one"));
        let raw = |bytes: &[u8]| {
            let mut file = OpenOptions::new().append(true).open(journal.directory.join(JOURNAL)).unwrap();
            file.write_all(bytes).unwrap();
        };
        raw(b"\n{\"time\":1,\"type\":\"contai");
        journal.record(event("two"));
        raw(b"\n{\"time\":1,\"type\":\"pod\",\"action\":\"create\",\"id\":\"later\"}\n{\"time\":x,\nnull\n\0\0\n");
        raw(&vec![b'x'; 3 * LONGEST]);
        journal.record(event("three"));
        assert_eq!(ids(&journal, 0), ["one", "two", "three"]);
    }

    #[test]
    fn the_journal_has_a_bound_and_the_newest_events() {
        let (journal, _scratch) = journal();
        let big = |number: usize| event(number).with("command", "x".repeat(LONGEST - 1000));
        let count = 3 * SEGMENT as usize / LONGEST + 10;
        (0..count).for_each(|number| journal.record(big(number)));
        let size = |name: &str| fs::metadata(journal.directory.join(name)).map_or(0, |metadata| metadata.len());
        assert!(size(JOURNAL) + size(OLDER) <= 2 * (SEGMENT + LONGEST as u64));
        let kept = ids(&journal, 0);
        let expected: Vec<String> = (count - kept.len()..count).map(|number| number.to_string()).collect();
        assert_eq!(kept, expected, "the newest, in order, without a gap");
        assert!(kept.len() as u64 >= SEGMENT / LONGEST as u64);
        journal.record(event("huge").with("command", "x".repeat(2 * LONGEST)));
        assert!(!ids(&journal, 0).contains(&"huge".to_owned()));
    }

    #[test]
    fn a_follower_misses_nothing_while_many_write() {
        let (journal, _scratch) = journal();
        journal.record(event("before"));
        let (ready, told) = std::sync::mpsc::channel();
        let follower = std::thread::spawn({
            let journal = journal.clone();
            move || {
                let mut read = Vec::new();
                let mut sink = |event: Option<Event>| {
                    match event {
                        Some(event) if event.id == "end" => return Err(crate::base::Error::usage("done")),
                        Some(event) => read.push(event.id),
                        None => drop(ready.send(())),
                    }
                    Ok(())
                };
                journal.read(0, Some(Until::default()), &mut sink).unwrap_err();
                read
            }
        });
        told.recv().unwrap();
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let journal = &journal;
                // More than a file has, so that it is turned over while all write.
                scope.spawn(move || {
                    (0..40).for_each(|number| {
                        journal.record(event(format!("{writer}-{number}")).with("x", "y".repeat(16 * 1024)));
                    });
                });
            }
        });
        journal.record(event("end"));
        let mut read = follower.join().unwrap();
        assert_eq!(read.len(), 161);
        read.sort();
        read.dedup();
        assert_eq!(read.len(), 161);
    }

    #[test]
    fn following_ends_in_time_and_with_its_reader() {
        let (journal, _scratch) = journal();
        journal.record(event("one"));
        let mut seen = 0;
        let mut count = |event: Option<Event>| {
            seen += usize::from(event.is_some());
            Ok(())
        };
        let end = Until { time: Some(nanoseconds() + 20_000_000), output: None };
        journal.read(0, Some(end), &mut count).unwrap();
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        drop(reader);
        let end = Until { time: None, output: Some(writer.as_fd()) };
        journal.read(0, Some(end), &mut count).unwrap();
        assert_eq!(seen, 2);
    }
}
