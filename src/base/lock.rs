//! flock(2) locks: on files that are never deleted, or on the very directories that they protect.
//!
//! A lock belongs to the open file description: it ends with the last copy of the fd, so a killed process never leaves
//! one behind, and one that is passed to a child lives on in the child.
//!
//! # Long waits
//!
//! [`Lock::wait`] is for locks that are held for moments. While a thread holds one, ^Z does not stop it: it takes effect
//! when the lock is released. The holder can still be stopped, traced or starved by others. A waiter therefore reports
//! after [`PATIENCE`] which process holds the lock, to the one function that [`tell_waits`] was given. There is one for the
//! whole process, because locks are taken everywhere and only the command line knows where a message can be shown.

use std::cell::{Cell, RefCell};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask};
use rustix::fs::FlockOperation;

use super::error::{Result, ResultExt, if_absent};
use super::{Error, failpoint, text, trace};
use crate::sys::interrupt::Interrupts;

/// How long a waiter waits before it reports the holder.
const PATIENCE: Duration = Duration::from_secs(2);

/// The most characters of a command line that are shown.
const LONGEST: usize = 100;

/// Receives the message of a waiter.
type Listener = Box<dyn Fn(&str) + Send>;

static LISTENER: Mutex<Option<Listener>> = Mutex::new(None);

/// Sets the function that receives the message of a thread that waits long for a lock; `None` drops such messages. It is
/// called at most once for each wait, while the lock is not held.
pub fn tell_waits(listener: Option<Listener>) {
    *LISTENER.lock().unwrap_or_else(PoisonError::into_inner) = listener;
}

/// Passes on the message of a waiter in another process of coracle to the function that [`tell_waits`] was given.
pub fn pass_on_wait(message: &str) {
    if let Some(listener) = &*LISTENER.lock().unwrap_or_else(PoisonError::into_inner) {
        listener(message);
    }
}

/// A held lock; dropping it (and every copy of its fd) releases it.
#[derive(Debug)]
pub struct Lock {
    // In this order: unlocked first, stopped then.
    file: File,
    _steady: Option<Steady>,
}

/// How a lock is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Many holders at once.
    Shared,
    /// One holder, and no shared ones.
    Exclusive,
}

impl Mode {
    fn blocking(self) -> FlockOperation {
        match self {
            Mode::Shared => FlockOperation::LockShared,
            Mode::Exclusive => FlockOperation::LockExclusive,
        }
    }
}

impl Lock {
    /// Waits for the lock on the file at `path`, which is made when absent. It must be held for a short time only, and
    /// dropped by the thread that took it. See the module for what a long wait does.
    pub fn wait(path: &Path, mode: Mode) -> Result<Self> {
        Self::take(path, mode, None)
    }

    /// The same, for a lock whose holder may be stopped or hang: not longer than `limit`, after which it is an error that
    /// names the holder.
    pub fn wait_at_most(path: &Path, mode: Mode, limit: Duration) -> Result<Self> {
        Self::take(path, mode, Some(limit))
    }

    fn take(path: &Path, mode: Mode, limit: Option<Duration>) -> Result<Self> {
        let file = open(path)?;
        let steady = Steady::begin();
        match attempt(&file, mode) {
            Ok(()) => {
                failpoint::here("lock.held")?;
                return Ok(Self { file, _steady: Some(steady) });
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error).at(path, "cannot lock"),
        }
        // A waiter holds nothing: ^Z may stop it.
        drop(steady);
        trace::step(|| format!("waits for the lock `{}`", path.display()));
        match wait_long(&file, path, mode, limit) {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return Err(held_too_long(path)),
            waited => waited.at(path, "cannot lock")?,
        }
        Ok(Self { file, _steady: Some(Steady::begin()) })
    }

    /// Takes the lock if it is free; `None` if somebody holds it.
    pub fn attempt(path: &Path, mode: Mode) -> Result<Option<Self>> {
        let file = open(path)?;
        taken_or_busy(attempt(&file, mode), file, path)
    }

    /// The same lock for another holder: it is released when both are gone.
    pub fn share(&self) -> Result<Self> {
        self.file.try_clone().map(|file| Self { file, _steady: None }).context(|| "cannot share a lock")
    }

    /// Takes the exclusive lock of a directory itself: it goes where the directory is renamed to. `None` if somebody
    /// holds it or the directory is not there.
    pub fn attempt_directory(path: &Path) -> Result<Option<Self>> {
        let flags = libc::O_DIRECTORY | libc::O_NOFOLLOW;
        let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
        let Some(directory) = if_absent(opened).at(path, "cannot open")? else { return Ok(None) };
        taken_or_busy(directory.try_lock(), directory, path)
    }

    /// The same for a directory that is open already; gives it back if somebody holds the lock.
    pub fn attempt_opened(directory: File) -> io::Result<Result<Self, File>> {
        match directory.try_lock() {
            Ok(()) => Ok(Ok(Self { file: directory, _steady: None })),
            Err(TryLockError::WouldBlock) => Ok(Err(directory)),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// What is locked.
    pub fn metadata(&self) -> io::Result<fs::Metadata> {
        self.file.metadata()
    }
}

/// The process that holds the lock on the file or directory at `path`, for messages; `None` when it is not found. A lock
/// that a dead process has passed on to its child cannot be told from a free one.
pub fn holder(path: &Path) -> Option<String> {
    let inode = fs::metadata(path).ok()?.ino();
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let holders = locks.lines().filter_map(|line| holder_in(line, inode));
    holders.filter(|pid| *pid != std::process::id()).find_map(describe)
}

/// The process of a line of `/proc/locks` (proc_locks(5)) that says that an flock(2) lock on this inode is held.
fn holder_in(line: &str, inode: u64) -> Option<u32> {
    // `1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF`; who waits has `->` after the number.
    let mut fields = line.split_ascii_whitespace().skip(1);
    if fields.next()? != "FLOCK" {
        return None;
    }
    let (pid, file) = (fields.nth(2)?, fields.next()?);
    // Not the device: btrfs has another number here than in stat(2).
    (file.rsplit(':').next()?.parse() == Ok(inode)).then(|| pid.parse().ok()).flatten().filter(|pid| *pid > 0)
}

/// A living process in words.
fn describe(pid: u32) -> Option<String> {
    let command = fs::read(format!("/proc/{pid}/cmdline")).ok().filter(|command| !command.is_empty())?;
    let words: Vec<_> = command.strip_suffix(&[0]).unwrap_or(&command).split(|byte| *byte == 0).collect();
    let line = words.iter().map(|word| String::from_utf8_lossy(word)).collect::<Vec<_>>().join(" ");
    let short: String = line.chars().take(LONGEST).collect();
    let dots = if short.len() < line.len() { "…" } else { "" };
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rfind(')').and_then(|end| stat[end + 1..].split_ascii_whitespace().next());
    let stopped = match state {
        Some("T" | "t") => format!(", which is stopped (`kill -CONT {pid}` lets it go on)"),
        _ => String::new(),
    };
    Some(format!("process {pid}, `{}{dots}`{stopped}", text::clean(&short)))
}

/// The error of a wait that was given up.
fn held_too_long(path: &Path) -> Error {
    let holder = holder(path).unwrap_or_else(|| "another process".into());
    Error::conflict(format!("cannot lock `{}`: it is held by {holder}", path.display()))
        .hint("let that process go on, or end it, and try again")
}

/// [`io::ErrorKind::TimedOut`] when the limit has passed.
fn wait_long(file: &File, path: &Path, mode: Mode, limit: Option<Duration>) -> io::Result<()> {
    let begun = Instant::now();
    let mut told = false;
    // Without a timer the wait is the same, but silent; one with a limit needs it.
    let interrupts = Interrupts::every(limit.map_or(PATIENCE, |limit| limit.min(PATIENCE)));
    if let (Some(_), Err(error)) = (limit, interrupts.as_ref()) {
        return Err(io::Error::new(error.kind(), error.to_string()));
    }
    loop {
        if limit.is_some_and(|limit| begun.elapsed() >= limit) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match rustix::fs::flock(file, mode.blocking()) {
            Err(rustix::io::Errno::INTR) if !told && begun.elapsed() >= PATIENCE => {
                told = true;
                tell(path);
            }
            Err(rustix::io::Errno::INTR) => {}
            locked => return Ok(locked?),
        }
    }
}

fn tell(path: &Path) {
    let listener = LISTENER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(listener) = &*listener {
        let holder = holder(path).unwrap_or_else(|| "another process".into());
        listener(&format!("waiting for {holder}, which holds `{}`", path.display()));
    }
}

fn attempt(file: &File, mode: Mode) -> Result<(), TryLockError> {
    match mode {
        Mode::Shared => file.try_lock_shared(),
        Mode::Exclusive => file.try_lock(),
    }
}

fn taken_or_busy(taken: Result<(), TryLockError>, file: File, path: &Path) -> Result<Option<Lock>> {
    match taken {
        Ok(()) => Ok(Some(Lock { file, _steady: None })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error).at(path, "cannot lock"),
    }
}

fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .at(path, "cannot open the lock file")
}

/// While a thread has one, the signals with which a terminal stops a job wait.
#[derive(Debug)]
struct Steady(());

thread_local! {
    /// How many locks this thread holds, and its signal mask from before the first.
    static HELD: Cell<usize> = const { Cell::new(0) };
    static BEFORE: RefCell<Option<SigSet>> = const { RefCell::new(None) };
}

impl Steady {
    fn begin() -> Self {
        if HELD.replace(HELD.get() + 1) == 0 {
            let stops: SigSet = [Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU].into_iter().collect();
            let mut before = SigSet::empty();
            let blocked = pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&stops), Some(&mut before));
            BEFORE.set(blocked.is_ok().then_some(before));
        }
        Self(())
    }
}

impl Drop for Steady {
    fn drop(&mut self) {
        if HELD.replace(HELD.get().saturating_sub(1)) == 1
            && let Some(before) = BEFORE.take()
        {
            let _ = before.thread_set_mask();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::base::publish::Staging;

    #[test]
    fn lines_of_the_kernels_list() {
        let holder = |line| holder_in(line, 5678);
        assert_eq!(holder("1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF"), Some(1234));
        for other in [
            "1: -> FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF",
            "1: POSIX  ADVISORY  WRITE 1234 08:01:5678 0 EOF",
            "1: FLOCK  ADVISORY  WRITE 1234 08:01:56780 0 EOF",
            "1: FLOCK  ADVISORY  WRITE 0 08:01:5678 0 EOF",
            "1: FLOCK  ADVISORY  WRITE -1 08:01:5678 0 EOF",
            "",
        ] {
            assert_eq!(holder(other), None, "{other}");
        }
    }

    #[test]
    fn who_waits_says_for_whom() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let path = scratch.path().join("lock");
        fs::write(&path, "").unwrap();
        let script = r#"flock "$1" sh -c 'echo held; read line'"#;
        let mut holder = std::process::Command::new("sh")
            .args(["-c", script, "sh\x1b[31m"])
            .arg(&path)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut [0; 5]).unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (ears, mut input) = (Arc::clone(&said), holder.stdin.take());
        let end = Mutex::new(input.take());
        tell_waits(Some(Box::new(move |words| {
            ears.lock().unwrap().push_str(words);
            drop(end.lock().unwrap().take());
        })));
        drop(Lock::wait(&path, Mode::Exclusive).unwrap());
        tell_waits(None);
        let said = said.lock().unwrap().clone();
        assert!(said.starts_with("waiting for process ") && said.contains("`flock "), "{said}");
        assert!(said.ends_with(&format!("which holds `{}`", path.display())), "{said}");
        holder.wait().unwrap();
    }

    #[test]
    fn a_wait_with_a_limit_ends_with_the_name_of_the_holder() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let path = scratch.path().join("lock");
        fs::write(&path, "").unwrap();
        let mut holder = std::process::Command::new("flock")
            .arg(&path)
            .args(["sh", "-c", "echo held; read line"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut [0; 5]).unwrap();
        let wait = || Lock::wait_at_most(&path, Mode::Exclusive, Duration::from_millis(20));
        let error = wait().unwrap_err();
        assert!(error.message().contains("it is held by process ") && error.message().contains("`flock "), "{error:?}");
        drop(holder.stdin.take());
        holder.wait().unwrap();
        wait().unwrap();
    }

    #[test]
    fn a_holder_is_stopped_when_it_has_let_go() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let path = scratch.path().join("lock");
        let stoppable = || !SigSet::thread_get_mask().unwrap().contains(Signal::SIGTSTP);
        assert!(stoppable());
        let one = Lock::wait(&path, Mode::Shared).unwrap();
        let two = Lock::wait(&path, Mode::Shared).unwrap();
        assert!(!stoppable());
        drop(one);
        assert!(!stoppable());
        drop(two);
        assert!(stoppable());
    }
}
