//! The container's streams and the clients that are attached to them.
//!
//! Bounded everywhere. The client that started the container sets the pace, as a pipe's reader does: while output waits
//! for it, none is read, and the container waits in turn. Every other client has a [`BACKLOG`]; one that is so far behind
//! and takes nothing for [`GRACE`] has stopped reading: it is told so and gets no more, so that the container, its log and
//! everybody else go on. One chunk of input may wait for the container, and while it waits, no message is taken from
//! clients that give input.
//!
//! At the end, what is left in the pipes is queued for everybody, so that nothing else waits for a client that does not
//! read now; it can still take its time.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use super::protocol::{self, CHUNK, Reply};
use crate::base::error::WireError;
use crate::base::poll::{PollFd, PollFlags};
use crate::base::{Error, Result, ResultExt, poll, time, trace};
use crate::logs::{Place, Writer};
use crate::spec::logs::Stream;

/// The most output that waits for a client that did not start the container, but for the last chunk.
const BACKLOG: usize = 1024 * 1024;

/// How long a client with a full backlog may take nothing. One that is merely slower than the container keeps its session.
const GRACE: Duration = Duration::from_secs(1);

/// The most that is read of one stream after the end: more than a pipe holds (`/proc/sys/fs/pipe-max-size`). Somebody
/// outside may have got hold of the other end and write for ever.
const LEFT: usize = 2 * 1024 * 1024;

/// What waits for a client.
enum Message {
    /// Stderr or not, and the bytes.
    Output(bool, Vec<u8>),
    Other(Reply),
}

/// One end of a connection.
pub(super) struct Client {
    socket: OwnedFd,
    /// Gets the output.
    attached: bool,
    /// Hears of the end of the run, whatever follows it.
    awaits: bool,
    /// May give input.
    stdin: bool,
    /// Has started the container: its input's end is the container's (a foreground `run -i`), and the container waits
    /// until it has taken the output.
    owner: bool,
    /// What did not fit into its socket, first in, first out.
    queue: VecDeque<Message>,
    /// Bytes of output in the queue.
    queued: usize,
    /// Since when its backlog is full and it has taken nothing.
    stalled: Option<Instant>,
    /// Nothing follows what is queued.
    closing: bool,
    /// It has said hello: what is not known is refused, and not ignored.
    pub(super) greeted: bool,
}

impl Client {
    pub(super) fn new(socket: OwnedFd) -> Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true).context(|| "cannot set up a client's socket")?;
        let queue = VecDeque::new();
        let (attached, awaits, stdin, owner, closing) = (false, false, false, false, false);
        Ok(Self { socket, attached, awaits, stdin, owner, queue, queued: 0, stalled: None, closing, greeted: false })
    }

    pub(super) fn attach(&mut self, stdin: bool, owner: bool) {
        self.attached = true;
        self.awaits = true;
        self.stdin = stdin;
        self.owner = owner;
    }

    pub(super) fn await_end(&mut self) {
        self.awaits = true;
    }

    /// Tells it the last that it hears, after what is queued. It holds nothing up any more.
    fn end(&mut self, code: i32) {
        self.queue.push_back(Message::Other(Reply::Exited(code)));
        (self.attached, self.stdin, self.owner, self.closing) = (false, false, false, true);
        self.stalled = None;
    }

    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Whether the container waits for it.
    fn holds_up(&self) -> bool {
        match self.owner {
            true => !self.queue.is_empty(),
            false => self.stalled.is_some(),
        }
    }

    /// Sends a message, or keeps it. One that cannot be sent is to a client that has gone, which is noticed elsewhere.
    pub(super) fn tell(&mut self, reply: Reply) {
        self.queue.push_back(Message::Other(reply));
        let _ = self.flush();
    }

    /// Sends output, or keeps it. False when the client is gone.
    fn give(&mut self, stderr: bool, bytes: &[u8]) -> bool {
        if self.queue.is_empty() {
            match protocol::send_output(self.socket.as_fd(), stderr, bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return sent.is_ok(),
            }
        }
        self.queued += bytes.len();
        self.queue.push_back(Message::Output(stderr, bytes.to_vec()));
        if !self.owner && self.queued > BACKLOG {
            self.stalled = Some(Instant::now());
        }
        true
    }

    fn fall_behind(&mut self) {
        let error = Error::system("the output came faster than it was read here: this session has ended")
            .hint("the container goes on; `coracle logs` has all of its output");
        self.refuse(&error);
    }

    /// It gets what is queued, why that is all, and nothing more.
    pub(super) fn refuse(&mut self, error: &Error) {
        self.queue.push_back(Message::Other(Reply::Failed(WireError::from(error))));
        self.attached = false;
        self.closing = true;
        self.stalled = None;
    }

    /// Sends what is queued, as far as the socket takes it. False when the client has gone or wants no more.
    fn flush(&mut self) -> bool {
        while let Some(message) = self.queue.front() {
            let sent = match message {
                Message::Output(stderr, bytes) => protocol::send_output(self.socket.as_fd(), *stderr, bytes),
                Message::Other(reply) => protocol::send_reply(self.socket.as_fd(), reply),
            };
            match sent {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            }
            if let Some(Message::Output(_, bytes)) = self.queue.pop_front() {
                self.queued -= bytes.len();
            }
            let full = self.queued > BACKLOG;
            self.stalled = self.stalled.and_then(|_| full.then(Instant::now));
        }
        !self.closing
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

/// Our ends of the streams of one run.
pub(super) struct Streams {
    pub(super) outputs: Vec<Output>,
    pub(super) stdin: Option<Stdin>,
    /// The master of the terminal, if it has one.
    pub(super) terminal: Option<OwnedFd>,
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
    place: Place,
    writer: Option<Writer>,
    /// Opening or writing has failed, and the clients were told.
    told: bool,
}

impl Log {
    /// A full disk must not stop the container; what cannot be logged is still shown. Returns why it cannot, once.
    fn append(&mut self, stream: Stream, bytes: &[u8]) -> Option<Error> {
        let appended = match &mut self.writer {
            Some(writer) => writer.append(stream, bytes, time::now()),
            None => Writer::open(&self.place).and_then(|mut writer| {
                let appended = writer.append(stream, bytes, time::now());
                self.writer = Some(writer);
                appended
            }),
        };
        let first = appended.is_err() && !self.told;
        self.told = appended.is_err();
        appended.err().filter(|_| first)
    }

    fn finish(&mut self, stream: Stream) {
        if let Some(writer) = &mut self.writer {
            let _ = writer.finish(stream, time::now());
        }
    }
}

impl Attached {
    /// Without streams yet.
    pub(super) fn new(log: Place) -> Self {
        let log = Log { place: log, writer: None, told: false };
        let (outputs, clients) = (Vec::new(), Vec::new());
        Self { outputs, stdin: None, terminal: None, log, clients, buffer: vec![0; CHUNK] }
    }

    /// A run begins, with these streams.
    pub(super) fn begin(&mut self, Streams { outputs, stdin, terminal }: Streams) {
        (self.outputs, self.stdin, self.terminal) = (outputs, stdin, terminal);
    }

    pub(super) fn add(&mut self, client: Client) {
        self.clients.push(client);
    }

    /// The clients to watch, and for what: those from whom something is taken now, and those for whom something waits.
    pub(super) fn clients_to_watch(&self) -> Vec<(usize, PollFlags)> {
        let interest = |index: usize| {
            let reads = if self.listens_to(index) { PollFlags::IN } else { PollFlags::empty() };
            let writes = if self.clients[index].queue.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
            (index, reads | writes)
        };
        (0..self.clients.len()).map(interest).filter(|(_, interest)| !interest.is_empty()).collect()
    }

    pub(super) fn count(&self) -> usize {
        self.clients.len()
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
        let reads = if self.holds_up() { PollFlags::empty() } else { PollFlags::IN };
        fds.extend(self.outputs.iter().map(|output| PollFd::new(&output.file, reads)));
        if let Some(stdin) = &self.stdin {
            let writes = if stdin.waiting.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
            fds.push(PollFd::new(&stdin.file, writes));
        }
    }

    /// Moves what can be moved.
    pub(super) fn relay(&mut self, ready: &[bool]) {
        if !self.holds_up() {
            let readable: Vec<usize> = (0..self.outputs.len()).filter(|at| ready.get(*at) == Some(&true)).collect();
            for at in readable.into_iter().rev() {
                // The first stream may have filled the owner's socket: then the second waits.
                if !self.holds_up() {
                    self.read_output(at);
                }
            }
        }
        self.write_input();
    }

    /// When [`Attached::drop_stalled`] wants to be called.
    pub(super) fn stalled_at(&self) -> Option<Instant> {
        self.clients.iter().filter_map(|client| client.stalled).map(|since| since + GRACE).min()
    }

    /// Ends the sessions of those who have stopped reading by `now`.
    pub(super) fn drop_stalled(&mut self, now: Instant) {
        let stalled = |client: &&mut Client| client.stalled.is_some_and(|since| since + GRACE <= now);
        self.clients.iter_mut().filter(stalled).for_each(Client::fall_behind);
    }

    /// Whether no output is read until somebody has taken what waits for it.
    fn holds_up(&self) -> bool {
        self.clients.iter().any(Client::holds_up)
    }

    /// Reads one chunk; its length, or 0 when there is nothing now. A stream that has ended is dropped.
    fn read_output(&mut self, at: usize) -> usize {
        let output = &mut self.outputs[at];
        let stream = output.stream;
        match output.file.read(&mut self.buffer) {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => 0,
            // EIO: the last process has closed the terminal.
            Ok(0) | Err(_) => {
                self.log.finish(stream);
                self.outputs.remove(at);
                0
            }
            Ok(length) => {
                let lost = self.log.append(stream, &self.buffer[..length]);
                self.give(stream == Stream::Stderr, length);
                if let Some(error) = lost {
                    self.announce(&format!("coracle: output is not in the log: {}\n", error.chain()));
                }
                length
            }
        }
    }

    /// Gives the first `length` bytes of the buffer to every attached client.
    fn give(&mut self, stderr: bool, length: usize) {
        for index in (0..self.clients.len()).rev() {
            let client = &mut self.clients[index];
            if client.attached && !client.give(stderr, &self.buffer[..length]) {
                self.drop_client(index);
            }
        }
    }

    /// A message of the supervisor among the errors of the container: in the log and to every attached client.
    pub(super) fn announce(&mut self, text: &str) {
        self.log.finish(Stream::Stderr);
        let _ = self.log.append(Stream::Stderr, text.as_bytes());
        let length = text.len().min(self.buffer.len());
        self.buffer[..length].copy_from_slice(&text.as_bytes()[..length]);
        self.give(true, length);
    }

    /// Sends what waits for a client. False when it has gone.
    pub(super) fn flush(&mut self, index: usize) -> bool {
        self.clients[index].flush()
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
        if let (true, None, Some(stdin)) =
            (self.clients[index].owner && self.clients[index].stdin, &self.terminal, &mut self.stdin)
        {
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

    /// The run is over: takes everything that ended processes have left in the pipes, for the log and for whoever is
    /// attached, who gets it in their own time, and closes them.
    pub(super) fn drain(&mut self) {
        for at in (0..self.outputs.len()).rev() {
            let mut count = 0;
            while count < LEFT {
                match self.read_output(at) {
                    0 => break,
                    length => count += length,
                }
            }
        }
        for stream in self.outputs.iter().map(|output| output.stream).collect::<Vec<_>>() {
            self.log.finish(stream);
        }
        (self.outputs, self.stdin, self.terminal) = (Vec::new(), None, None);
    }

    /// The last message to those who have waited for the end of this run; another one follows.
    pub(super) fn tell_end_of_run(&mut self, code: i32) {
        for client in self.clients.iter_mut().filter(|client| client.awaits && !client.closing) {
            client.end(code);
        }
        self.clients.retain_mut(|client| !client.closing || client.flush());
    }

    /// The last message to everyone. Who can take it has it when this returns.
    pub(super) fn tell_end(&mut self, code: i32) {
        trace::step(|| format!("the container has ended with {code}"));
        self.clients.iter_mut().filter(|client| !client.closing).for_each(|client| client.end(code));
        self.clients.retain_mut(Client::flush);
    }

    /// After [`Attached::tell_end`]: waits until everyone has taken everything or has gone, for at most `limit`, or until
    /// `stop` is readable. Without a limit a stopped reader keeps this process: it is a part of what the user has stopped.
    pub(super) fn linger(&mut self, limit: Option<Duration>, stop: BorrowedFd<'_>) {
        let until = limit.map(|limit| Instant::now() + limit);
        while !self.clients.is_empty() {
            let mut fds = vec![PollFd::from_borrowed_fd(stop, PollFlags::IN)];
            fds.extend(self.clients.iter().map(|client| PollFd::from_borrowed_fd(client.socket(), PollFlags::OUT)));
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if poll::wait(&mut fds, left).unwrap_or(0) == 0 || !fds[0].revents().is_empty() {
                return;
            }
            self.clients.retain_mut(Client::flush);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;
    use crate::logs::FilePlace;
    use crate::supervise::control_pair;

    /// What the container writes to, and the end of a client that attached.
    struct Rig {
        attached: Attached,
        output: OwnedFd,
        _scratch: Staging,
    }

    fn rig() -> Rig {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let (read, output) = rustix::pipe::pipe().unwrap();
        let mut attached = Attached::new(Place::File(FilePlace::plain(&scratch.path().join("log"))));
        let outputs = vec![Output::new(read, Stream::Stdout)];
        attached.begin(Streams { outputs, stdin: None, terminal: None });
        Rig { attached, output, _scratch: scratch }
    }

    impl Rig {
        fn client(&mut self, owner: bool) -> OwnedFd {
            let (theirs, ours) = control_pair().unwrap();
            let mut client = Client::new(ours).unwrap();
            client.attach(false, owner);
            self.attached.add(client);
            theirs
        }

        /// Writes and relays this number of bytes; false when no more is read.
        fn write(&mut self, length: usize) -> bool {
            for _ in 0..length / 4096 {
                if self.attached.holds_up() {
                    return false;
                }
                rustix::io::write(&self.output, &[b'x'; 4096]).unwrap();
                self.attached.relay(&[true]);
            }
            true
        }
    }

    /// Everything that comes, as bytes of output and what came last.
    fn read_all(client: &OwnedFd) -> (usize, Option<Reply>) {
        let (mut length, mut last) = (0, None);
        let mut buffer = vec![0; protocol::MAX_MESSAGE];
        while let Some(reply) = protocol::receive_reply(client.as_fd(), &mut buffer).unwrap() {
            match reply {
                Reply::Stdout(bytes) => length += bytes.len(),
                other => last = Some(other),
            }
        }
        (length, last)
    }

    #[test]
    fn the_owner_holds_the_output_up_and_others_for_a_while() {
        let mut rig = rig();
        let other = rig.client(false);
        assert!(!rig.write(8 << 20));
        rig.attached.drop_stalled(Instant::now());
        assert!(!rig.write(4096), "it may be about to read");
        rig.attached.drop_stalled(Instant::now() + GRACE);
        assert!(rig.write(8 << 20), "nobody waits for it any more");
        let stop = rustix::pipe::pipe().unwrap();
        let reader = std::thread::spawn(move || read_all(&other));
        rig.attached.linger(None, stop.0.as_fd());
        let (length, last) = reader.join().unwrap();
        assert!((BACKLOG..2 << 20).contains(&length), "{length}");
        assert!(matches!(last, Some(Reply::Failed(_))), "{last:?}");
        let _owner = rig.client(true);
        assert!(!rig.write(8 << 20));
        rig.attached.drop_stalled(Instant::now() + GRACE);
        assert!(!rig.write(4096), "the container waits for it");
    }

    #[test]
    fn a_slow_reader_keeps_its_session() {
        let mut rig = rig();
        let other = rig.client(false);
        let mut buffer = vec![0; protocol::MAX_MESSAGE];
        let mut got = 0;
        for _ in 0..100 {
            while rig.write(4096) {}
            // It takes something, and the rest follows into its socket.
            for _ in 0..64 {
                match protocol::receive_reply(other.as_fd(), &mut buffer).unwrap() {
                    Some(Reply::Stdout(bytes)) => got += bytes.len(),
                    reply => panic!("{reply:?}"),
                }
                assert!(rig.attached.flush(0));
            }
            rig.attached.drop_stalled(Instant::now());
        }
        assert_eq!(got, 100 * 64 * 4096);
    }

    #[test]
    fn the_end_of_a_run_is_told_to_those_who_wait_for_it() {
        let mut rig = rig();
        let (owner, other) = (rig.client(true), rig.client(false));
        let (stopper, ours) = control_pair().unwrap();
        rig.attached.add(Client::new(ours).unwrap());
        while rig.write(4096) {}
        rig.attached.drain();
        rig.attached.tell_end_of_run(3);
        let (read, output) = rustix::pipe::pipe().unwrap();
        rig.output = output;
        let outputs = vec![Output::new(read, Stream::Stdout)];
        rig.attached.begin(Streams { outputs, stdin: None, terminal: None });
        assert!(rig.write(8 << 20), "what waits for those of the run before holds nothing up");
        rig.attached.tell_end(4);
        let readers = [owner, other, stopper].map(|client| std::thread::spawn(move || read_all(&client)));
        let stop = rustix::pipe::pipe().unwrap();
        rig.attached.linger(None, stop.0.as_fd());
        drop(rig.attached);
        let heard = readers.map(|reader| reader.join().unwrap());
        for ((length, last), expected) in heard.iter().zip([3, 3, 4]) {
            assert!(matches!(last, Some(Reply::Exited(code)) if *code == expected), "{length} {last:?}");
        }
        assert_eq!(heard[2].0, 0, "it was not attached");
        assert_eq!(heard[0].0, heard[1].0, "nothing of the second run");
    }

    #[test]
    fn a_reader_that_has_stopped_delays_nobody_and_loses_nothing() {
        let mut rig = rig();
        let (owner, other) = (rig.client(true), rig.client(false));
        while rig.write(4096) {}
        rustix::io::write(&rig.output, b"last").unwrap();
        let begun = Instant::now();
        rig.attached.drain();
        rig.attached.tell_end(0);
        let stop = rustix::pipe::pipe().unwrap();
        rig.attached.linger(Some(Duration::from_millis(50)), stop.0.as_fd());
        assert!(begun.elapsed() < Duration::from_secs(5));
        drop(other);
        let reader = std::thread::spawn(move || read_all(&owner));
        rig.attached.linger(None, stop.0.as_fd());
        drop(rig.attached);
        let (length, last) = reader.join().unwrap();
        assert!(length % 4096 == 4 && matches!(last, Some(Reply::Exited(0))), "{length} {last:?}");
    }
}
