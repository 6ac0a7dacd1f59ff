//! The command's end of a container's streams: relays the user's terminal or pipes to the supervisor and back.
//!
//! Input is sent without waiting: a supervisor that cannot take it now is one whose container waits for us to take its
//! output, and waiting for each other would be for ever.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::base::poll::{PollFd, PollFlags};
use crate::base::{Error, Result, ResultExt, poll};
use crate::supervise::protocol::{self, CHUNK, MAX_MESSAGE, Reply, Request};
use crate::sys::tty::RawMode;

/// The user's side.
#[derive(Debug, Clone)]
pub struct Terminal<'a> {
    /// Input to pass on; none means that the container gets none.
    pub stdin: Option<BorrowedFd<'a>>,
    /// Where the container's output goes; none to leave it out (`-a`).
    pub stdout: Option<BorrowedFd<'a>>,
    /// Where its errors go.
    pub stderr: Option<BorrowedFd<'a>>,
    /// The keys that detach, as bytes; empty for none.
    pub detach_keys: Vec<u8>,
    /// Signals that reach this process go to the container. For a process with one thread; others must block them.
    pub sig_proxy: bool,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The process ended with this code.
    Exited(i32),
    /// The user pressed the detach keys; the process goes on.
    Detached,
    /// Whoever read our output has closed the pipe (`| head`); the process goes on.
    Unread,
}

/// docker's default detach keys: ctrl-p ctrl-q.
pub const DETACH_KEYS: &[u8] = &[16, 17];

/// Signals that are passed on. The others keep their meaning for this process: ^Z stops it, as a shell user expects.
const PROXIED: [Signal; 7] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
];

/// The size of a terminal as columns and rows; zeros when `fd` is none.
pub fn terminal_size(fd: BorrowedFd<'_>) -> (u16, u16) {
    rustix::termios::tcgetwinsize(fd).map_or((0, 0), |size| (size.ws_col, size.ws_row))
}

/// Signals as a file, blocked from their default action until it is dropped.
pub(super) struct Signals {
    pub(super) file: SignalFd,
    former: SigSet,
}

impl Signals {
    pub(super) fn catch(proxy: bool) -> Result<Self> {
        let mut wanted = SigSet::empty();
        wanted.add(Signal::SIGWINCH);
        if proxy {
            wanted.extend(PROXIED);
        }
        let former = SigSet::thread_get_mask().context(|| "cannot read the signal mask")?;
        wanted.thread_block().context(|| "cannot block signals")?;
        let file = SignalFd::with_flags(&wanted, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .context(|| "cannot watch signals")?;
        Ok(Self { file, former })
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        let _ = self.former.thread_set_mask();
    }
}

/// Relays until the process ends or the user detaches. `tty`: the container has a terminal, so the user's is raw
/// meanwhile and its size is passed on.
pub(super) fn relay(socket: &OwnedFd, terminal: &Terminal<'_>, tty: bool) -> Result<End> {
    let signals = Signals::catch(terminal.sig_proxy)?;
    let user = terminal.stdin.filter(|fd| nix::unistd::isatty(fd).unwrap_or(false));
    let _raw = match (tty, user) {
        (true, Some(user)) => Some(RawMode::enter(user).context(|| "cannot set the terminal to raw mode")?),
        _ => None,
    };
    rustix::io::ioctl_fionbio(socket, true).context(|| "cannot set up the supervisor's socket")?;
    let mut relay = Relay {
        socket,
        terminal,
        size_of: if tty { user.or(terminal.stdout) } else { None },
        keys: Keys::new(if tty { &terminal.detach_keys } else { &[] }),
        stdin: terminal.stdin,
        unsent: Vec::new(),
    };
    relay.run(&signals.file)
}

struct Relay<'a> {
    socket: &'a OwnedFd,
    terminal: &'a Terminal<'a>,
    /// Whose size changes are passed on.
    size_of: Option<BorrowedFd<'a>>,
    keys: Keys<'a>,
    stdin: Option<BorrowedFd<'a>>,
    /// Requests that the supervisor could not take yet, first in, first out.
    unsent: Vec<Request>,
}

impl Relay<'_> {
    fn run(&mut self, signals: &SignalFd) -> Result<End> {
        let mut buffer = vec![0; MAX_MESSAGE];
        self.send_size();
        loop {
            let sends = if self.unsent.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
            let mut fds = vec![PollFd::new(&self.socket, PollFlags::IN | sends), PollFd::new(&signals, PollFlags::IN)];
            // Input waits while earlier input is unsent.
            if let (Some(stdin), true) = (self.stdin, self.unsent.is_empty()) {
                fds.push(PollFd::from_borrowed_fd(stdin, PollFlags::IN));
            }
            poll::wait(&mut fds, None).context(|| "cannot wait for the container")?;
            let events = |at: usize| fds.get(at).map_or(PollFlags::empty(), PollFd::revents);
            let (socket, signal, input) = (events(0), events(1), events(2));
            if socket.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR)
                && let Some(end) = self.take_replies(&mut buffer)?
            {
                return Ok(end);
            }
            if socket.contains(PollFlags::OUT) {
                self.send_waiting();
            }
            if !signal.is_empty() {
                self.pass_signals(signals);
            }
            if !input.is_empty()
                && let Some(end) = self.take_input(&mut buffer)
            {
                return Ok(end);
            }
        }
    }

    fn take_replies(&mut self, buffer: &mut [u8]) -> Result<Option<End>> {
        loop {
            match protocol::receive_reply(self.socket.as_fd(), buffer) {
                Err(error) if error.errno() == Some(libc::EAGAIN) => return Ok(None),
                Err(error) => return Err(error),
                Ok(None) => {
                    return Err(Error::system(
                        "the container's supervisor has gone without telling how the container ended",
                    )
                    .hint("`coracle ps -a` tells what is known"));
                }
                Ok(Some(Reply::Stdout(bytes))) if !show(self.terminal.stdout, &bytes)? => return Ok(Some(End::Unread)),
                Ok(Some(Reply::Stderr(bytes))) if !show(self.terminal.stderr, &bytes)? => return Ok(Some(End::Unread)),
                Ok(Some(Reply::Exited(code))) => return Ok(Some(End::Exited(code))),
                Ok(Some(Reply::Failed(error))) => return Err(error.into()),
                Ok(Some(Reply::Started(..))) => self.send_size(),
                Ok(Some(
                    Reply::Stdout(_)
                    | Reply::Stderr(_)
                    | Reply::Done
                    | Reply::Note(_)
                    | Reply::Health(_)
                    | Reply::Hello(_),
                )) => {}
            }
        }
    }

    fn take_input(&mut self, buffer: &mut [u8]) -> Option<End> {
        let stdin = self.stdin?;
        match rustix::io::read(stdin, &mut buffer[..CHUNK]) {
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => None,
            Ok(0) | Err(_) => {
                self.stdin = None;
                self.send(Request::StdinEnd);
                None
            }
            Ok(length) => {
                let (bytes, detach) = self.keys.filter(&buffer[..length]);
                if !bytes.is_empty() {
                    self.send(Request::Stdin(bytes));
                }
                detach.then_some(End::Detached)
            }
        }
    }

    fn pass_signals(&mut self, signals: &SignalFd) {
        while let Ok(Some(info)) = signals.read_signal() {
            match info.ssi_signo as i32 {
                libc::SIGWINCH => self.send_size(),
                signal => self.send(Request::Signal(signal)),
            }
        }
    }

    fn send_size(&mut self) {
        if let Some((columns, rows)) = self.size_of.map(terminal_size).filter(|size| *size != (0, 0)) {
            self.send(Request::Resize(columns, rows));
        }
    }

    fn send(&mut self, request: Request) {
        self.unsent.push(request);
        self.send_waiting();
    }

    fn send_waiting(&mut self) {
        while let Some(request) = self.unsent.first() {
            match protocol::send_request(self.socket.as_fd(), request) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // A supervisor that has gone is noticed where replies are read.
                _ => drop(self.unsent.remove(0)),
            }
        }
    }
}

/// Writes output of a container. False when nobody reads ours any more: the session ends, and the container, which may
/// be anything from a filter to a database, goes on, as with docker and podman.
pub(super) fn show(to: Option<BorrowedFd<'_>>, bytes: &[u8]) -> Result<bool> {
    let Some(to) = to else { return Ok(true) };
    let mut rest = bytes;
    while !rest.is_empty() {
        match rustix::io::write(to, rest) {
            Ok(written) => rest = &rest[written..],
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                let _ = poll::writable(to);
            }
            Err(rustix::io::Errno::PIPE) => return Ok(false),
            Err(errno) => {
                return Err(Error::system("cannot write the container's output")
                    .caused_by(io::Error::from(errno))
                    .hint("the container goes on; `coracle ps` lists it"));
            }
        }
    }
    Ok(true)
}

/// Looks for the detach keys in what is typed. A beginning of them is held back until it is clear.
pub(super) struct Keys<'a> {
    sequence: &'a [u8],
    matched: usize,
}

impl<'a> Keys<'a> {
    pub(super) fn new(sequence: &'a [u8]) -> Self {
        Self { sequence, matched: 0 }
    }

    /// The bytes to pass on, and whether the whole sequence was seen; what follows it is dropped.
    pub(super) fn filter(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        if self.sequence.is_empty() {
            return (typed.to_vec(), false);
        }
        let mut out = Vec::with_capacity(typed.len());
        for &byte in typed {
            if byte != self.sequence[self.matched] {
                out.extend(&self.sequence[..self.matched]);
                self.matched = 0;
            }
            match byte == self.sequence[self.matched] {
                true => self.matched += 1,
                false => out.push(byte),
            }
            if self.matched == self.sequence.len() {
                self.matched = 0;
                return (out, true);
            }
        }
        (out, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detach_keys_are_found_across_reads_and_pass_when_incomplete() {
        let mut keys = Keys::new(DETACH_KEYS);
        assert_eq!(keys.filter(b"ab\x10"), (b"ab".to_vec(), false));
        assert_eq!(keys.filter(b"c"), (b"\x10c".to_vec(), false));
        assert_eq!(keys.filter(b"\x10\x10"), (b"\x10".to_vec(), false));
        assert_eq!(keys.filter(b"\x11rest"), (Vec::new(), true));
        let mut none = Keys::new(&[]);
        assert_eq!(none.filter(b"\x10\x11"), (b"\x10\x11".to_vec(), false));
    }
}
