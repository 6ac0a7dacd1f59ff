//! The result of a command, with assertions that show everything when they fail; and a command that still runs.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::PATIENCE;

/// What a command left. Whoever gets one first has to assert on it; the assertions hand it on.
#[derive(Debug, Clone)]
pub struct Output {
    /// The command line, for messages.
    pub command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
}

impl Output {
    /// The exit code as a shell shows it: 128 + n after signal n.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }

    #[track_caller]
    fn check(&self, holds: bool, wanted: &str) {
        assert!(
            holds,
            "wanted {wanted}\n$ {}\nexit code {}\n--- stdout\n{}\n--- stderr\n{}\n---",
            self.command,
            self.code(),
            self.stdout,
            self.stderr
        );
    }

    /// Exit code 0.
    #[track_caller]
    pub fn succeeds(self) -> Self {
        self.check(self.code() == 0, "success");
        self
    }

    /// This exit code, and not a death by signal that looks the same.
    #[track_caller]
    pub fn exits_with(self, code: i32) -> Self {
        self.check(self.status.code() == Some(code), &format!("exit code {code}"));
        self
    }

    /// [`Self::exits_with`] a code that is not 0.
    #[track_caller]
    pub fn fails_with(self, code: i32) -> Self {
        assert_ne!(code, 0, "0 is a success");
        self.exits_with(code)
    }

    /// Any exit code but 0.
    #[track_caller]
    pub fn fails(self) -> Self {
        self.check(self.status.code().is_some_and(|code| code != 0), "a failure");
        self
    }

    /// The whole standard output.
    #[track_caller]
    pub fn stdout_is(self, text: &str) -> Self {
        self.check(self.stdout == text, &format!("stdout {text:?}"));
        self
    }

    /// The whole standard error.
    #[track_caller]
    pub fn stderr_is(self, text: &str) -> Self {
        self.check(self.stderr == text, &format!("stderr {text:?}"));
        self
    }

    /// A part of standard output.
    #[track_caller]
    pub fn stdout_has(self, text: &str) -> Self {
        self.check(self.stdout.contains(text), &format!("{text:?} in stdout"));
        self
    }

    /// Nothing of the kind in standard output.
    #[track_caller]
    pub fn stdout_lacks(self, text: &str) -> Self {
        self.check(!self.stdout.contains(text), &format!("no {text:?} in stdout"));
        self
    }

    /// A part of standard error, in any letter case: docker writes `No such image`, we `no such image`.
    #[track_caller]
    pub fn stderr_has(self, text: &str) -> Self {
        self.check(
            self.stderr.to_lowercase().contains(&text.to_lowercase()),
            &format!("{text:?} in stderr, in any letter case"),
        );
        self
    }

    /// A failure that is an error message and not a crash of ours.
    #[track_caller]
    pub fn explains(self) -> Self {
        self.check(
            !self.stderr.trim().is_empty() && !self.stderr.contains("panicked at"),
            "an error message on stderr, and no panic",
        );
        self
    }

    /// A part of a report that goes to standard output, or of the error that took its place.
    #[track_caller]
    pub fn explains_on_stdout(self, text: &str) -> Self {
        let holds = self.stdout.contains(text) || self.stderr.contains(text);
        self.check(holds && !self.stderr.contains("panicked at"), &format!("{text:?} in what it says"));
        self
    }

    /// The only line of standard output, without its line end.
    #[track_caller]
    pub fn line(&self) -> &str {
        let line = self.stdout.strip_suffix('\n').unwrap_or(&self.stdout);
        self.check(!line.is_empty() && !line.contains('\n'), "exactly one line of stdout");
        line
    }

    /// The lines of standard output.
    pub fn lines(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }

    /// Standard output as one JSON document.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        let parsed = serde_json::from_str(&self.stdout);
        self.check(parsed.is_ok(), "JSON on stdout");
        parsed.unwrap_or_default()
    }
}

/// Bytes that a thread collects from a stream, and that others wait for.
#[derive(Debug, Clone, Default)]
pub struct Collected {
    shared: Arc<(Mutex<Bytes>, Condvar)>,
}

#[derive(Debug, Default)]
struct Bytes {
    seen: Vec<u8>,
    ended: bool,
}

impl Collected {
    /// Collects `stream` until its end.
    pub fn from(mut stream: impl Read + Send + 'static) -> Self {
        let collected = Self::default();
        let (writer, mut buffer) = (collected.clone(), [0u8; 16384]);
        std::thread::spawn(move || {
            loop {
                // EIO is how a terminal says that the other side is gone.
                let count = stream.read(&mut buffer).unwrap_or(0);
                let (lock, changed) = &*writer.shared;
                let mut bytes = lock.lock().unwrap_or_else(PoisonError::into_inner);
                bytes.seen.extend_from_slice(&buffer[..count]);
                bytes.ended = count == 0;
                changed.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        collected
    }

    /// Everything so far, as text.
    pub fn text(&self) -> String {
        let bytes = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes.seen).into_owned()
    }

    /// Waits until `condition` holds for what was seen (its second argument: the stream has ended), at most `limit`.
    pub fn wait_for(&self, limit: Duration, mut condition: impl FnMut(&[u8], bool) -> bool) -> bool {
        let deadline = Instant::now() + limit;
        let (lock, changed) = &*self.shared;
        let mut bytes = lock.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if condition(&bytes.seen, bytes.ended) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || bytes.ended {
                return false;
            }
            bytes = changed.wait_timeout(bytes, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for the end of the stream.
    pub fn ends_within(&self, limit: Duration) -> bool {
        self.wait_for(limit, |_, ended| ended)
    }
}

/// What a command reads on its standard input.
#[derive(Debug, Default)]
pub enum Input {
    /// Nothing: /dev/null.
    #[default]
    Null,
    /// These bytes, then the end.
    Bytes(Vec<u8>),
    /// What the test sends while it runs.
    Open,
}

/// A command that runs. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    command: String,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Collected,
    stderr: Collected,
    limit: Duration,
}

impl Running {
    /// Starts `command` with `input` on its standard input.
    #[track_caller]
    pub fn start(shown: String, mut command: std::process::Command, input: Input, limit: Duration) -> Self {
        command.stdin(if matches!(input, Input::Null) { Stdio::null() } else { Stdio::piped() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {shown}: {error}"));
        let mut stdin = child.stdin.take();
        if let Input::Bytes(bytes) = input {
            let mut stdin = stdin.take().expect("piped");
            // From a thread: the command may read late, or never.
            std::thread::spawn(move || drop(stdin.write_all(&bytes)));
        }
        let stdout = Collected::from(child.stdout.take().expect("piped"));
        let stderr = Collected::from(child.stderr.take().expect("piped"));
        Self { command: shown, child, stdin, stdout, stderr, limit }
    }

    /// Writes to its standard input, when it was left open.
    pub fn send(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("started with open_stdin()");
        stdin.write_all(text.as_bytes()).and_then(|()| stdin.flush()).expect("it reads its standard input");
    }

    /// Ends its standard input.
    pub fn close_stdin(&mut self) {
        drop(self.stdin.take());
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap_or_else(|errno| panic!("cannot signal {}: {errno}", self.command));
    }

    /// Waits until its standard output contains `text`.
    #[track_caller]
    pub fn prints(&self, text: &str) {
        let found = self.stdout.wait_for(self.limit, |seen, _| String::from_utf8_lossy(seen).contains(text));
        assert!(
            found,
            "waited in vain for {text:?}\n$ {}\n--- stdout\n{}\n--- stderr\n{}",
            self.command,
            self.stdout.text(),
            self.stderr.text()
        );
    }

    /// Its standard output so far.
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// Its standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits for its end and for the end of its streams: a command that leaves its standard output open in something
    /// that it started would block `x=$(coracle run -d …)` in everybody's scripts.
    #[must_use = "assert on it: .succeeds(), .fails_with(125)"]
    #[track_caller]
    pub fn wait(mut self) -> Output {
        let deadline = Instant::now() + self.limit;
        let status = loop {
            match self.child.try_wait().expect("a child of ours") {
                Some(status) => break status,
                None if Instant::now() > deadline => {
                    let (stdout, stderr) = (self.stdout.text(), self.stderr.text());
                    panic!("still runs after {:?}\n$ {}\n{stdout}\n{stderr}", self.limit, self.command);
                }
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        };
        for (name, stream) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            let text = stream.text();
            assert!(
                stream.ends_within(Duration::from_secs(10)),
                "ended ({status}), but something still holds its {name}\n$ {}\n{text}\n{}",
                self.command,
                self.stderr.text()
            );
        }
        Output { command: self.command.clone(), status, stdout: self.stdout.text(), stderr: self.stderr.text() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// A command of ours or of another tool, until it is run.
#[must_use = "run() it or spawn() it"]
#[derive(Debug)]
pub struct Command {
    shown: String,
    inner: std::process::Command,
    input: Input,
    limit: Duration,
}

impl Command {
    /// `inner`, shown as `shown` in messages.
    pub fn new(shown: String, inner: std::process::Command) -> Self {
        Self { shown, inner, input: Input::Null, limit: PATIENCE }
    }

    /// Feeds it standard input, then closes it.
    pub fn stdin(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = Input::Bytes(input.into());
        self
    }

    /// Leaves its standard input open for [`Running::send`].
    pub fn open_stdin(mut self) -> Self {
        self.input = Input::Open;
        self
    }

    /// One more variable in its environment.
    pub fn var(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.inner.env(name, value);
        self
    }

    /// One variable less.
    pub fn without_var(mut self, name: &str) -> Self {
        self.inner.env_remove(name);
        self
    }

    /// More arguments, exactly as they are.
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.shown = format!("{} {}", self.shown, arguments.join(" "));
        self.inner.args(arguments);
        self
    }

    /// Runs it to its end.
    #[must_use = "assert on it: .succeeds(), .fails_with(125)"]
    #[track_caller]
    pub fn run(self) -> Output {
        self.spawn().wait()
    }

    /// Starts it.
    #[track_caller]
    pub fn spawn(self) -> Running {
        Running::start(self.shown, self.inner, self.input, self.limit)
    }

    /// The parts, for a start that this type does not know (a terminal).
    pub fn into_parts(self) -> (String, std::process::Command) {
        (self.shown, self.inner)
    }
}
