//! The machine's journal: entries are sent by its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL) and read with
//! journalctl(1), which knows the journal's files in all their formats.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use jiff::Timestamp;

use super::format::as_text;
use crate::base::{Error, Kind, Result, ResultExt, poll};
use crate::spec::logs::{Entry, Selection, Stream};

/// Where the journal takes entries.
const SOCKET: &str = "/run/systemd/journal/socket";

/// How long the journal may take nothing before what the container prints is dropped.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where journalctl(1) may be; the first that is there is run.
const JOURNALCTL: [&str; 3] = ["/usr/bin/journalctl", "/bin/journalctl", "/run/current-system/sw/bin/journalctl"];

/// The largest field that is read. What [`JournalWriter`] sends has [`super::LINE_MAX`] bytes at most.
const FIELD_MAX: u64 = 1024 * 1024;

/// syslog(3)'s priorities that docker and podman give to the two streams.
const INFO: &str = "6";
const ERR: &str = "3";

/// The writing end.
#[derive(Debug)]
pub(super) struct JournalWriter {
    socket: UnixDatagram,
    path: PathBuf,
    /// The fields of every entry, encoded.
    fields: Vec<u8>,
    /// The last entry could not be sent, and the caller was told.
    failing: bool,
}

impl JournalWriter {
    pub(super) fn open(fields: &[(String, String)]) -> Result<Self> {
        Self::at(Path::new(SOCKET), fields)
    }

    fn at(path: &Path, fields: &[(String, String)]) -> Result<Self> {
        if !path.exists() {
            return Err(Error::unsupported("the journal cannot be reached: journald is not running on this machine")
                .hint("--log-driver=json-file or k8s-file keeps the log in a file"));
        }
        let socket = UnixDatagram::unbound().context(|| "cannot make a socket for the journal")?;
        socket.set_write_timeout(Some(PATIENCE)).context(|| "cannot set up the journal's socket")?;
        let mut encoded = Vec::new();
        for (key, value) in fields {
            field(&mut encoded, key, &[value.as_bytes()]);
        }
        Ok(Self { socket, path: path.to_owned(), fields: encoded, failing: false })
    }

    /// Sends one entry. The socket is looked up each time, so that a journal that was restarted is found again.
    pub(super) fn put(&mut self, stream: Stream, pieces: &[&[u8]]) -> Result<()> {
        let mut message = pieces.concat();
        let complete = message.last() == Some(&b'\n');
        message.truncate(message.len() - usize::from(complete));
        let mut entry = self.fields.clone();
        field(&mut entry, "PRIORITY", &[if stream == Stream::Stdout { INFO } else { ERR }.as_bytes()]);
        field(&mut entry, "MESSAGE", &[&message]);
        if !complete {
            field(&mut entry, "CONTAINER_PARTIAL_MESSAGE", &[b"true"]);
        }
        // Whoever did not take the last one in time is not waited for again.
        let _ = self.socket.set_nonblocking(self.failing);
        let sent = self.socket.send_to(&entry, &self.path);
        let told = std::mem::replace(&mut self.failing, sent.is_err());
        match sent {
            Err(_) if told => Ok(()),
            sent => sent.map(drop).context(|| "cannot write to the journal"),
        }
    }
}

/// Appends a field: as text, or with its length where it has newlines.
fn field(out: &mut Vec<u8>, key: &str, pieces: &[&[u8]]) {
    let value = pieces.concat();
    out.extend_from_slice(key.as_bytes());
    match value.contains(&b'\n') {
        false => out.push(b'='),
        true => {
            out.push(b'\n');
            out.extend_from_slice(&(value.len() as u64).to_le_bytes());
        }
    }
    out.extend_from_slice(&value);
    out.push(b'\n');
}

/// The reading end: what journalctl(1) prints in the export format.
#[derive(Debug)]
pub(super) struct JournalReader {
    program: PathBuf,
    /// The container's id, all digits.
    id: String,
    selection: Selection,
    output: Option<Output>,
    /// Where the last entry is.
    cursor: Option<String>,
    ended: bool,
}

/// A journalctl(1) that runs.
#[derive(Debug)]
struct Output {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Drop for Output {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl JournalReader {
    pub(super) fn open(fields: &[(String, String)], selection: Selection) -> Result<Self> {
        let program = JOURNALCTL.into_iter().map(PathBuf::from).find(|program| program.exists()).ok_or_else(|| {
            Error::new(Kind::Unsupported, "the journal cannot be read: there is no `journalctl` on this machine")
                .hint("the program comes with systemd")
        })?;
        let id =
            fields.iter().find(|(key, _)| key == "CONTAINER_ID_FULL").map(|(_, id)| id.clone()).unwrap_or_default();
        Ok(Self { program, id, selection, output: None, cursor: None, ended: false })
    }

    /// The next entry of those that are there.
    pub(super) fn next_entry(&mut self) -> Result<Option<Entry>> {
        if self.ended {
            return Ok(None);
        }
        if self.output.is_none() {
            self.start(false)?;
        }
        let entry = self.take()?;
        if entry.is_none() {
            self.ended = true;
            self.output = None;
        }
        Ok(entry)
    }

    /// As [`super::Reader::follow`].
    pub(super) fn follow(
        &mut self,
        is_over: &mut dyn FnMut() -> Result<bool>,
        patience: Duration,
        sink: &mut dyn FnMut(Entry) -> Result<()>,
    ) -> Result<()> {
        self.start(true)?;
        loop {
            let until = self.selection.until.is_some_and(|until| until <= crate::base::time::now());
            let last_round = until || is_over()?;
            while !last_round && self.is_ready(patience)? {
                match self.take()? {
                    Some(entry) => sink(entry)?,
                    // journalctl has ended: there is no journal any more.
                    None => return Ok(()),
                }
            }
            if last_round {
                // What came after the last look: a journalctl that does not wait reads to the end.
                self.output = None;
                self.start(false)?;
                while let Some(entry) = self.take()? {
                    sink(entry)?;
                }
                return Ok(());
            }
        }
    }

    /// Whether a line can be read now, or within `patience`.
    fn is_ready(&self, patience: Duration) -> Result<bool> {
        let Some(output) = &self.output else { return Ok(false) };
        if !output.lines.buffer().is_empty() {
            return Ok(true);
        }
        poll::readable(output.lines.get_ref(), Some(patience)).context(|| "cannot wait for the journal")
    }

    fn start(&mut self, follow: bool) -> Result<()> {
        let mut command = Command::new(&self.program);
        command.args(arguments(&self.id, &self.selection, self.cursor.as_deref(), follow));
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = spawned.at(&self.program, "cannot run")?;
        let stdout = child.stdout.take().ok_or_else(|| Error::system("journalctl has no output"))?;
        self.output = Some(Output { child, lines: BufReader::new(stdout) });
        Ok(())
    }

    fn take(&mut self) -> Result<Option<Entry>> {
        let Some(output) = &mut self.output else { return Ok(None) };
        loop {
            let Some(fields) = fields(&mut output.lines).context(|| "cannot read the journal")? else {
                return Ok(None);
            };
            if let Some(cursor) = fields.get("__CURSOR") {
                self.cursor = Some(String::from_utf8_lossy(cursor).into_owned());
            }
            if let Some(entry) = entry(&fields) {
                return Ok(Some(entry));
            }
        }
    }
}

fn arguments(id: &str, selection: &Selection, after: Option<&str>, follow: bool) -> Vec<String> {
    let mut arguments = vec!["--quiet".to_owned(), "--no-pager".into(), "--output=export".into()];
    let moment = |time: Timestamp| format!("@{}.{:06}", time.as_second(), time.subsec_nanosecond().max(0) / 1000);
    arguments.push(match (after, selection.tail) {
        (Some(cursor), _) => format!("--after-cursor={cursor}"),
        (None, Some(lines)) => format!("--lines={lines}"),
        // With --follow the last ten are usual.
        (None, None) => "--lines=all".into(),
    });
    arguments.extend(selection.since.map(|since| format!("--since={}", moment(since))));
    // journalctl does not take both.
    if !follow {
        arguments.extend(selection.until.map(|until| format!("--until={}", moment(until))));
    }
    arguments.extend(follow.then(|| "--follow".to_owned()));
    arguments.push(format!("CONTAINER_ID_FULL={id}"));
    arguments
}

/// The fields of the next entry; none at the end.
fn fields(input: &mut impl BufRead) -> io::Result<Option<BTreeMap<String, Vec<u8>>>> {
    let mut fields = BTreeMap::new();
    loop {
        let mut line = Vec::new();
        if input.by_ref().take(FIELD_MAX).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        if line.last() != Some(&b'\n') {
            return Err(io::ErrorKind::InvalidData.into());
        }
        line.pop();
        if line.is_empty() {
            if fields.is_empty() {
                continue;
            }
            return Ok(Some(fields));
        }
        let (key, value) = match line.iter().position(|byte| *byte == b'=') {
            Some(at) => (line[..at].to_vec(), line[at + 1..].to_vec()),
            None => {
                let mut length = [0; 8];
                input.read_exact(&mut length)?;
                let length = u64::from_le_bytes(length);
                if length > FIELD_MAX {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                let mut value = vec![0; length as usize];
                input.read_exact(&mut value)?;
                input.read_exact(&mut [0])?;
                (line, value)
            }
        };
        fields.insert(String::from_utf8_lossy(&key).into_owned(), value);
    }
}

fn entry(fields: &BTreeMap<String, Vec<u8>>) -> Option<Entry> {
    let text = |key: &str| fields.get(key).and_then(|value| std::str::from_utf8(value).ok());
    let time = Timestamp::from_microsecond(text("__REALTIME_TIMESTAMP")?.parse().ok()?).ok()?;
    let end = if text("CONTAINER_PARTIAL_MESSAGE") == Some("true") { "" } else { "\n" };
    let stream = if text("PRIORITY") == Some(ERR) { Stream::Stderr } else { Stream::Stdout };
    Some(Entry { time, stream, text: as_text(fields.get("MESSAGE")?) + end, attributes: BTreeMap::new() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;

    #[test]
    fn entries_are_sent_as_the_journal_takes_them() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let path = scratch.path().join("socket");
        let own = [("CONTAINER_ID_FULL".to_owned(), "ab".to_owned())];
        assert_eq!(JournalWriter::at(&path, &own).unwrap_err().kind(), Kind::Unsupported);
        let journal = UnixDatagram::bind(&path).unwrap();
        let mut writer = JournalWriter::at(&path, &own).unwrap();
        let received = || {
            let mut buffer = vec![0; 100_000];
            let length = journal.recv(&mut buffer).unwrap();
            let mut bytes = buffer[..length].to_vec();
            // What journalctl adds, and the empty line behind an entry.
            bytes.extend_from_slice(b"__REALTIME_TIMESTAMP=1700000000000001\n\n");
            entry(&fields(&mut &bytes[..]).unwrap().unwrap()).unwrap()
        };
        writer.put(Stream::Stdout, &[b"hel", b"lo=1\n"]).unwrap();
        let first = received();
        assert_eq!((first.stream, first.text.as_str()), (Stream::Stdout, "hello=1\n"));
        assert_eq!(first.time.as_microsecond(), 1_700_000_000_000_001);
        writer.put(Stream::Stderr, &[b"part"]).unwrap();
        let second = received();
        assert_eq!((second.stream, second.text.as_str()), (Stream::Stderr, "part"));
    }

    /// A journal that takes nothing holds the container up once, and that is told once.
    #[test]
    fn a_journal_that_stands_still_is_told_once() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let path = scratch.path().join("socket");
        let _journal = UnixDatagram::bind(&path).unwrap();
        let mut writer = JournalWriter::at(&path, &[]).unwrap();
        writer.socket.set_write_timeout(Some(Duration::from_millis(10))).unwrap();
        let errors = (0..2000).filter(|_| writer.put(Stream::Stdout, &[b"x\n"]).is_err()).count();
        assert_eq!(errors, 1);
    }

    #[test]
    fn the_export_format_is_read() {
        let mut bytes =
            b"\n__CURSOR=s=1;i=2\nMESSAGE\n\x03\0\0\0\0\0\0\0a\nb\nPRIORITY=3\n__REALTIME_TIMESTAMP=5\n\nMESSAGE=x\n"
                .to_vec();
        let mut input = &bytes[..];
        let first = fields(&mut input).unwrap().unwrap();
        assert_eq!((&first["MESSAGE"][..], &first["__CURSOR"][..]), (&b"a\nb"[..], &b"s=1;i=2"[..]));
        assert_eq!(entry(&first).unwrap().text, "a\nb\n");
        assert!(fields(&mut input).unwrap().is_none(), "an entry that is not complete is none");
        bytes.splice(.., b"MESSAGE\n\xff\xff\xff\xff\xff\xff\xff\xff".iter().copied());
        assert!(fields(&mut &bytes[..]).is_err());
        let selection = Selection { tail: Some(3), until: Some(Timestamp::UNIX_EPOCH), ..Selection::default() };
        let line = |after, follow| arguments("ab", &selection, after, follow).join(" ");
        assert!(line(None, false).ends_with("--lines=3 --until=@0.000000 CONTAINER_ID_FULL=ab"));
        assert!(line(Some("c"), true).ends_with("--after-cursor=c --follow CONTAINER_ID_FULL=ab"));
    }
}
