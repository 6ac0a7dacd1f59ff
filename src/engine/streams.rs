//! Streams of a process that `exec` added: they do not pass through the supervisor, so its end is heard on the
//! supervisor's socket while the data come and go here.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use super::exec::exit_of;
use super::session::{End, Keys, Signals, Terminal, show, terminal_size};
use crate::base::poll::{PollFd, PollFlags};
use crate::base::streams::{null, pipe};
use crate::base::{Result, ResultExt, poll};
use crate::supervise::protocol::CHUNK;
use crate::sys::tty::RawMode;

/// Our ends of a process's pipes.
pub(super) struct Pipes {
    stdin: Option<OwnedFd>,
    stdout: OwnedFd,
    stderr: OwnedFd,
}

/// Pipes for a process: what the supervisor gets, and our ends. Without `stdin`, its input is /dev/null.
///
/// The supervisor gets the process's three ends, and a second hold on the two that are read here: once we are gone, it
/// reads what the process writes, which would be killed by SIGPIPE otherwise.
pub(super) fn pipes(stdin: bool) -> Result<(Vec<OwnedFd>, Pipes)> {
    let ((out_read, out_write), (err_read, err_write)) = (pipe()?, pipe()?);
    let (in_read, in_write) = match stdin {
        true => pipe().map(|(read, write)| (read, Some(write)))?,
        false => (null()?, None),
    };
    let spare = |fd: &OwnedFd| fd.try_clone().context(|| "cannot share a pipe");
    let theirs = vec![in_read, out_write, err_write, spare(&out_read)?, spare(&err_read)?];
    Ok((theirs, Pipes { stdin: in_write, stdout: out_read, stderr: err_read }))
}

/// Bytes on their way to an fd that may not take them now.
struct Input {
    to: Option<OwnedFd>,
    waiting: Vec<u8>,
    ended: bool,
}

impl Input {
    fn new(to: Option<OwnedFd>) -> Result<Self> {
        if let Some(to) = &to {
            rustix::io::ioctl_fionbio(to, true).context(|| "cannot set up a pipe")?;
        }
        Ok(Self { ended: to.is_none(), to, waiting: Vec::new() })
    }

    /// Writes what can be written; an end that nobody reads any more swallows the rest.
    fn push(&mut self) {
        let Some(to) = &self.to else { return self.waiting.clear() };
        while !self.waiting.is_empty() {
            match rustix::io::write(to, &self.waiting) {
                Ok(written) => drop(self.waiting.drain(..written)),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return,
                Err(_) => {
                    self.waiting.clear();
                    self.ended = true;
                }
            }
        }
        if self.ended {
            self.to = None;
        }
    }
}

/// Relays pipes until the process ends; what it has written by then is shown in full.
pub(super) fn relay_pipes(socket: &OwnedFd, pipes: Pipes, terminal: &Terminal<'_>) -> Result<End> {
    let mut input = Input::new(pipes.stdin)?;
    let mut outputs = vec![(pipes.stdout, terminal.stdout), (pipes.stderr, terminal.stderr)];
    let mut buffer = vec![0; CHUNK];
    let mut over = false;
    loop {
        let reads_user = !over && !input.ended && input.waiting.is_empty();
        let mut fds: Vec<PollFd<'_>> = outputs.iter().map(|(from, _)| PollFd::new(from, PollFlags::IN)).collect();
        let first = fds.len();
        fds.push(PollFd::new(&socket, if over { PollFlags::empty() } else { PollFlags::IN }));
        let user = terminal.stdin.filter(|_| reads_user);
        if let Some(user) = user {
            fds.push(PollFd::from_borrowed_fd(user, PollFlags::IN));
        }
        if let (Some(to), false) = (&input.to, input.waiting.is_empty()) {
            fds.push(PollFd::new(to, PollFlags::OUT));
        }
        // Once the process is over, only what is in the pipes already counts: a child it left behind may hold them open.
        let limit = over.then_some(Duration::ZERO);
        let count = poll::wait(&mut fds, limit).context(|| "cannot wait for the command")?;
        let happened = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
        let readable: Vec<usize> = (0..first).filter(|at| happened(*at)).collect();
        let ended = happened(first);
        let typed = user.is_some() && happened(first + 1);
        if over && (count == 0 || readable.is_empty()) {
            return exit_of(socket.as_fd()).map(End::Exited);
        }
        over |= ended;
        for at in readable.into_iter().rev() {
            match copy(outputs[at].0.as_fd(), outputs[at].1, &mut buffer)? {
                Copied::Some => {}
                Copied::End => drop(outputs.remove(at)),
                Copied::Unread => return Ok(End::Unread),
            }
        }
        if let (true, Some(user)) = (typed, user) {
            match rustix::io::read(user, &mut buffer) {
                Ok(length) if length > 0 => input.waiting.extend(&buffer[..length]),
                Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
                _ => input.ended = true,
            }
        }
        input.push();
    }
}

/// Relays the master of the process's terminal until the process ends or the user detaches.
pub(super) fn relay_terminal(socket: &OwnedFd, master: OwnedFd, terminal: &Terminal<'_>, stdin: bool) -> Result<End> {
    let signals = Signals::catch(false)?;
    let user = terminal.stdin.filter(|_| stdin);
    let _raw = match user.filter(|fd| nix::unistd::isatty(fd).unwrap_or(false)) {
        Some(user) => Some(RawMode::enter(user).context(|| "cannot set the terminal to raw mode")?),
        None => None,
    };
    let size_of = terminal.stdin.or(terminal.stdout);
    let mut keys = Keys::new(&terminal.detach_keys);
    let output = master.try_clone().context(|| "cannot share the terminal")?;
    rustix::io::ioctl_fionbio(&output, true).context(|| "cannot set up the terminal")?;
    let mut input = Input::new(Some(master))?;
    let mut buffer = vec![0; CHUNK];
    let mut over = false;
    loop {
        let mut fds = vec![
            PollFd::new(&output, PollFlags::IN),
            PollFd::new(&socket, if over { PollFlags::empty() } else { PollFlags::IN }),
            PollFd::new(&signals.file, PollFlags::IN),
        ];
        let user = user.filter(|_| !input.ended && input.waiting.is_empty());
        if let Some(user) = user {
            fds.push(PollFd::from_borrowed_fd(user, PollFlags::IN));
        }
        if let (Some(to), false) = (&input.to, input.waiting.is_empty()) {
            fds.push(PollFd::new(to, PollFlags::OUT));
        }
        let limit = over.then_some(Duration::ZERO);
        poll::wait(&mut fds, limit).context(|| "cannot wait for the command")?;
        let events = |at: usize| fds.get(at).map_or(PollFlags::empty(), PollFd::revents);
        let (readable, ended, signalled) = (!events(0).is_empty(), !events(1).is_empty(), !events(2).is_empty());
        let typed = user.is_some() && !events(3).is_empty();
        let copied = match readable {
            true => copy(output.as_fd(), terminal.stdout, &mut buffer)?,
            false => Copied::Some,
        };
        match copied {
            Copied::Some if readable || !over => {}
            Copied::Some | Copied::End => return exit_of(socket.as_fd()).map(End::Exited),
            Copied::Unread => return Ok(End::Unread),
        }
        over |= ended;
        if signalled {
            while let Ok(Some(_)) = signals.file.read_signal() {}
            if let Some((columns, rows)) = size_of.map(terminal_size).filter(|size| *size != (0, 0)) {
                let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
                let _ = rustix::termios::tcsetwinsize(&output, size);
            }
        }
        if let (true, Some(user)) = (typed, user) {
            match rustix::io::read(user, &mut buffer) {
                Ok(length) if length > 0 => {
                    let (bytes, detach) = keys.filter(&buffer[..length]);
                    input.waiting.extend(bytes);
                    if detach {
                        return Ok(End::Detached);
                    }
                }
                Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
                _ => {
                    // A terminal's input has no end: the end of a pipe that was typed into it becomes ^D.
                    input.waiting.push(4);
                    input.push();
                    input.ended = true;
                    continue;
                }
            }
        }
        if !input.ended {
            input.push();
        }
    }
}

/// What became of a chunk of output.
enum Copied {
    /// It was shown, or there was none now.
    Some,
    /// The stream has ended.
    End,
    /// Nobody reads our own output any more.
    Unread,
}

/// Copies one chunk.
fn copy(from: BorrowedFd<'_>, to: Option<BorrowedFd<'_>>, buffer: &mut [u8]) -> Result<Copied> {
    let length = match rustix::io::read(from, &mut *buffer) {
        Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => return Ok(Copied::Some),
        // EIO: the last process has closed the terminal.
        Ok(0) | Err(_) => return Ok(Copied::End),
        Ok(length) => length,
    };
    Ok(if show(to, &buffer[..length])? { Copied::Some } else { Copied::Unread })
}
