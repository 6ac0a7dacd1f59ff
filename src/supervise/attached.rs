//! The container's streams and the clients that are attached to them.
//!
//! Bounded everywhere: one chunk of output may wait for each client, and while one waits, no output is read; one chunk
//! of input may wait for the container, and while it waits, no message is taken from clients that give input.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use nix::poll::{PollFd, PollFlags};

use super::protocol::{self, CHUNK, Reply};
use crate::base::{Result, ResultExt, time};
use crate::logs::{Stream, Writer};

/// One end of a connection.
pub(super) struct Client {
    socket: OwnedFd,
    /// Gets the output.
    attached: bool,
    /// May give input.
    stdin: bool,
    /// The end of its input is the end of the container's (a foreground `run -i`).
    owns_stdin: bool,
    /// Output that did not fit into its socket: stderr or not, and the bytes.
    waiting: Option<(bool, Vec<u8>)>,
}

impl Client {
    pub(super) fn new(socket: OwnedFd) -> Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true).context(|| "cannot set up a client's socket")?;
        Ok(Self { socket, attached: false, stdin: false, owns_stdin: false, waiting: None })
    }

    pub(super) fn attach(&mut self, stdin: bool, owns_stdin: bool) {
        self.attached = true;
        self.stdin = stdin;
        self.owns_stdin = owns_stdin && stdin;
    }

    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(super) fn interest(&self) -> PollFlags {
        match self.waiting {
            Some(_) => PollFlags::POLLIN | PollFlags::POLLOUT,
            None => PollFlags::POLLIN,
        }
    }

    /// A small message; a client that cannot take one is about to be dropped anyway.
    pub(super) fn tell(&self, reply: &Reply) {
        let _ = protocol::send_reply(self.socket.as_fd(), reply);
    }

    /// Sends output, or keeps it. False when the client is gone.
    fn give(&mut self, stderr: bool, bytes: &[u8]) -> bool {
        match protocol::send_output(self.socket.as_fd(), stderr, bytes) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.waiting = Some((stderr, bytes.to_vec()));
                true
            }
            Err(_) => false,
        }
    }
}

/// A stream that the container writes.
pub(super) struct Output {
    file: File,
    stream: Stream,
}

impl Output {
    pub(super) fn new(fd: OwnedFd, stream: Stream) -> Self {
        let _ = rustix::io::ioctl_fionbio(&fd, true);
        Self { file: File::from(fd), stream }
    }
}

/// The stream that the container reads.
pub(super) struct Stdin {
    file: File,
    waiting: Vec<u8>,
    /// Close it when everything was taken.
    ending: bool,
}

impl Stdin {
    pub(super) fn new(fd: OwnedFd) -> Self {
        let _ = rustix::io::ioctl_fionbio(&fd, true);
        Self { file: File::from(fd), waiting: Vec::new(), ending: false }
    }
}

/// All streams and clients of a container.
pub(super) struct Attached {
    outputs: Vec<Output>,
    stdin: Option<Stdin>,
    terminal: Option<OwnedFd>,
    log: Log,
    clients: Vec<Client>,
    buffer: Vec<u8>,
}

/// The log, made when there is something to write: many containers print nothing.
struct Log {
    path: PathBuf,
    writer: Option<Writer>,
}

impl Log {
    /// A full disk must not stop the container; what cannot be logged is still shown.
    fn append(&mut self, stream: Stream, bytes: &[u8]) {
        if self.writer.is_none() {
            self.writer = Writer::open(&self.path).ok();
        }
        if let Some(writer) = &mut self.writer {
            let _ = writer.append(stream, bytes, time::now());
        }
    }

    fn finish(&mut self, stream: Stream) {
        if let Some(writer) = &mut self.writer {
            let _ = writer.finish(stream, time::now());
        }
    }
}

impl Attached {
    pub(super) fn new(outputs: Vec<Output>, stdin: Option<Stdin>, terminal: Option<OwnedFd>, log: PathBuf) -> Self {
        let log = Log { path: log, writer: None };
        Self { outputs, stdin, terminal, log, clients: Vec::new(), buffer: vec![0; CHUNK] }
    }

    pub(super) fn add(&mut self, client: Client) {
        self.clients.push(client);
    }

    pub(super) fn clients(&self) -> &[Client] {
        &self.clients
    }

    pub(super) fn client(&self, index: usize) -> &Client {
        &self.clients[index]
    }

    pub(super) fn client_mut(&mut self, index: usize) -> &mut Client {
        &mut self.clients[index]
    }

    /// Takes a client out, as the owner of its socket.
    pub(super) fn take_client(&mut self, index: usize) -> OwnedFd {
        self.clients.remove(index).socket
    }

    /// A client has gone. If its input was the container's, that ends, too.
    pub(super) fn drop_client(&mut self, index: usize) {
        self.input_ended(index);
        self.clients.remove(index);
    }

    /// Appends what is to be watched; [`Attached::relay`] takes the answers in the same order.
    pub(super) fn interests<'a>(&'a self, fds: &mut Vec<PollFd<'a>>) {
        let reads = match self.clients.iter().any(|client| client.waiting.is_some()) {
            true => PollFlags::empty(),
            false => PollFlags::POLLIN,
        };
        fds.extend(self.outputs.iter().map(|output| PollFd::new(output.file.as_fd(), reads)));
        if let Some(stdin) = &self.stdin {
            let writes = if stdin.waiting.is_empty() { PollFlags::empty() } else { PollFlags::POLLOUT };
            fds.push(PollFd::new(stdin.file.as_fd(), writes));
        }
    }

    /// Moves what can be moved.
    pub(super) fn relay(&mut self, ready: &[bool]) {
        if self.clients.iter().all(|client| client.waiting.is_none()) {
            let readable: Vec<usize> = (0..self.outputs.len()).filter(|at| ready.get(*at) == Some(&true)).collect();
            for at in readable.into_iter().rev() {
                // The first stream may have filled a client: then the second waits.
                if self.clients.iter().all(|client| client.waiting.is_none()) {
                    self.read_output(at);
                }
            }
        }
        self.write_input();
    }

    /// Reads one chunk; false when there is nothing now. A stream that has ended is dropped.
    fn read_output(&mut self, at: usize) -> bool {
        let output = &mut self.outputs[at];
        let stream = output.stream;
        match output.file.read(&mut self.buffer) {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => false,
            // EIO: the last process has closed the terminal.
            Ok(0) | Err(_) => {
                self.log.finish(stream);
                self.outputs.remove(at);
                false
            }
            Ok(length) => {
                let bytes = &self.buffer[..length];
                self.log.append(stream, bytes);
                let stderr = stream == Stream::Stderr;
                self.clients.retain_mut(|client| !client.attached || client.give(stderr, bytes));
                true
            }
        }
    }

    /// A message of ours among the errors of the container: in the log and to every client that keeps up.
    pub(super) fn announce(&mut self, text: &str) {
        self.log.finish(Stream::Stderr);
        self.log.append(Stream::Stderr, text.as_bytes());
        let bytes = text.as_bytes();
        self.clients.retain_mut(|client| !client.attached || client.waiting.is_some() || client.give(true, bytes));
    }

    /// Sends what waits for a client. False when it has gone.
    pub(super) fn flush(&mut self, index: usize) -> bool {
        let client = &mut self.clients[index];
        match client.waiting.take() {
            Some((stderr, bytes)) => client.give(stderr, &bytes),
            None => true,
        }
    }

    /// Whether messages of this client are taken now: not while its input still waits for the container.
    pub(super) fn listens_to(&self, index: usize) -> bool {
        let Some(client) = self.clients.get(index) else { return false };
        !client.stdin || self.stdin.as_ref().is_none_or(|stdin| stdin.waiting.is_empty())
    }

    pub(super) fn input(&mut self, index: usize, bytes: Vec<u8>) {
        if let (true, Some(stdin)) = (self.clients[index].stdin, &mut self.stdin) {
            stdin.waiting.extend(bytes);
            self.write_input();
        }
    }

    pub(super) fn input_ended(&mut self, index: usize) {
        // A terminal's input does not end; ^D is a key.
        if let (true, None, Some(stdin)) = (self.clients[index].owns_stdin, &self.terminal, &mut self.stdin) {
            stdin.ending = true;
            self.write_input();
        }
    }

    fn write_input(&mut self) {
        let Some(stdin) = &mut self.stdin else { return };
        while !stdin.waiting.is_empty() {
            match stdin.file.write(&stdin.waiting) {
                Ok(written) => drop(stdin.waiting.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // The container has closed its input.
                Err(_) => {
                    self.stdin = None;
                    return;
                }
            }
        }
        if stdin.ending {
            self.stdin = None;
        }
    }

    pub(super) fn resize(&mut self, columns: u16, rows: u16) {
        if let Some(terminal) = &self.terminal {
            let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
            let _ = rustix::termios::tcsetwinsize(terminal, size);
        }
    }

    /// Takes everything that ended processes have left in the pipes; clients get it while they keep up, and wait for
    /// at most a second for those that do not.
    pub(super) fn drain(&mut self) {
        self.push_waiting();
        for at in (0..self.outputs.len()).rev() {
            while self.read_output(at) {
                self.push_waiting();
            }
        }
        for stream in self.outputs.iter().map(|output| output.stream).collect::<Vec<_>>() {
            self.log.finish(stream);
        }
    }

    /// Blocks for clients that have output waiting; one that takes nothing for ten seconds is dropped.
    fn push_waiting(&mut self) {
        for index in (0..self.clients.len()).rev() {
            while self.clients[index].waiting.is_some() {
                let mut fds = [PollFd::new(self.clients[index].socket.as_fd(), PollFlags::POLLOUT)];
                let writable = nix::poll::poll(&mut fds, nix::poll::PollTimeout::from(10_000u16)).is_ok_and(|n| n > 0);
                if !writable || !self.flush(index) {
                    self.clients.remove(index);
                    break;
                }
            }
        }
    }

    /// The last message to everyone.
    pub(super) fn tell_end(&mut self, code: i32) {
        for client in &self.clients {
            // Blocking now: the message is small, and nothing else is left to do.
            let _ = rustix::io::ioctl_fionbio(&client.socket, false);
            client.tell(&Reply::Exited(code));
        }
    }
}
