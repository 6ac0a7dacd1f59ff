//! Moves bytes from one socket to another.
//!
//! # Theory of operation
//!
//! A flow has two [`Way`]s, one per direction. Descriptors are registered edge-triggered, once. An event is noted in
//! the ways (`readable`, `writable`) and stays true until a call returns EAGAIN. A short read means "no more for now"
//! only while neither an end nor an error was reported: those come without another edge.
//!
//! Small messages are read into one buffer that all flows share and written at once; only what the other socket does
//! not take is kept. When a read returns much, the way switches to splice(2) through a pipe, which it holds only while
//! bytes are stuck in it. At the limit of kept bytes, bytes stay in the source socket: they are peeked (MSG_PEEK),
//! written, and as many as were taken are removed. So memory is bounded, whatever containers and servers do.
//!
//! The end of one direction is passed on by shutdown(2), in one packet with the last bytes if they arrived together
//! (MSG_MORE, send(2)); the other direction goes on. The flow ends when both have ended. A socket error is passed on as
//! a reset, behind all bytes that had arrived before it.
//!
//! Linux treats urgent data (RFC 9293 section 3.8.5) as one byte beside the stream: reads stop in front of it. It is
//! read with MSG_OOB and sent the same way.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use rustix::pipe::{SpliceFlags, splice};

use super::pipes::{Pipe, Pipes};
use crate::net::handler::Interest;
use crate::sys::tcp::{at_mark, discard};

/// The shared buffer, in bytes.
const BUFFER: usize = 64 * 1024;
/// A read of at least this many bytes is bulk traffic.
const MANY: usize = 32 * 1024;
/// Bulk traffic with smaller reads goes back to the buffer.
const FEW: usize = 8 * 1024;
/// What one way moves per call, in bytes.
const TURN: usize = 512 * 1024;
/// The most bytes that all ways together keep in memory.
const MAX_KEPT: usize = 16 * 1024 * 1024;

/// What all flows share.
#[derive(Debug)]
pub(super) struct Tools {
    buffer: Box<[u8]>,
    pipes: Pipes,
    /// How many bytes all ways keep, pipes not counted.
    kept: usize,
    limit: usize,
}

impl Tools {
    pub(super) fn new() -> Self {
        Self { buffer: vec![0; BUFFER].into(), pipes: Pipes::default(), kept: 0, limit: MAX_KEPT }
    }
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing to do until the next event.
    Idle,
    /// There is more to do.
    More,
    /// The direction is closed.
    Over,
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Way {
    stuck: Stuck,
    /// A byte to be sent as urgent, behind the stuck bytes.
    urgent: Option<u8>,
    readable: bool,
    /// Reading continues up to the end or error that was reported.
    ending: bool,
    /// The last bytes have arrived: they are sent together with the FIN.
    complete: bool,
    /// Urgent data was reported.
    marked: bool,
    blocked: bool,
    stream: bool,
    ended: bool,
    over: bool,
}

/// Bytes that were read and not written.
#[derive(Debug, Default)]
enum Stuck {
    #[default]
    Nothing,
    Bytes(Box<[u8]>, usize),
    Piped(Pipe, usize),
}

/// `None` for EAGAIN.
fn would<T>(result: rustix::io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(rustix::io::Errno::AGAIN) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

impl Way {
    /// Notes events of the socket that this way reads.
    pub(super) fn note_source(&mut self, what: Interest) {
        let ending = Interest::READ_CLOSED | Interest::CLOSED | Interest::ERROR;
        self.ending |= what.intersects(ending);
        self.complete |= what.contains(Interest::READ_CLOSED);
        self.complete &= !what.contains(Interest::ERROR);
        self.marked |= what.contains(Interest::URGENT);
        self.readable |= what.intersects(ending | Interest::READ | Interest::URGENT);
    }

    /// Notes events of the socket that this way writes.
    pub(super) fn note_sink(&mut self, what: Interest) {
        if what.intersects(Interest::WRITE | Interest::ERROR | Interest::CLOSED) {
            self.blocked = false;
        }
    }

    /// Moves bytes, up to a limit. An error means that the flow is broken.
    pub(super) fn run(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, tools: &mut Tools) -> io::Result<Turn> {
        let mut moved = 0;
        loop {
            if self.over {
                return Ok(Turn::Over);
            }
            if !self.flush(to, tools)? {
                return Ok(Turn::Idle);
            }
            if self.ended {
                shutdown(to, Shutdown::Write)?;
                self.over = true;
                return Ok(Turn::Over);
            }
            if !self.readable || self.blocked {
                return Ok(Turn::Idle);
            }
            if moved >= TURN {
                return Ok(Turn::More);
            }
            moved += self.fill(from, to, tools)?;
        }
    }

    /// Writes the stuck bytes; false while the socket does not take all of them.
    fn flush(&mut self, to: BorrowedFd<'_>, tools: &mut Tools) -> io::Result<bool> {
        while !self.blocked {
            let sent = match &self.stuck {
                Stuck::Nothing => match self.urgent {
                    None => return Ok(true),
                    Some(byte) => would(send(to, &[byte], SendFlags::OOB | SendFlags::NOSIGNAL))?,
                },
                Stuck::Bytes(bytes, at) => would(send(to, bytes.get(*at..).unwrap_or_default(), SendFlags::NOSIGNAL))?,
                Stuck::Piped(pipe, left) => would(splice(&pipe.read, None, to, None, *left, SpliceFlags::NONBLOCK))?,
            };
            match sent {
                Some(count) => self.sent(count, tools),
                None => self.blocked = true,
            }
        }
        Ok(matches!(self.stuck, Stuck::Nothing) && self.urgent.is_none())
    }

    fn sent(&mut self, count: usize, tools: &mut Tools) {
        let rest = match &mut self.stuck {
            Stuck::Nothing => {
                self.urgent = None;
                return;
            }
            Stuck::Bytes(bytes, at) => {
                *at += count;
                bytes.len().saturating_sub(*at)
            }
            Stuck::Piped(_, left) => {
                *left = left.saturating_sub(count);
                *left
            }
        };
        if rest == 0 {
            match std::mem::take(&mut self.stuck) {
                Stuck::Nothing => {}
                Stuck::Bytes(bytes, _) => tools.kept = tools.kept.saturating_sub(bytes.len()),
                Stuck::Piped(pipe, _) => tools.pipes.give_back(pipe),
            }
        }
    }

    /// Reads once and writes as much as possible: the bytes read. Nothing may be stuck before.
    fn fill(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, tools: &mut Tools) -> io::Result<usize> {
        if self.marked && at_mark(from)? {
            self.take_urgent(from);
            return Ok(1);
        }
        if self.stream && !self.marked {
            match self.fill_pipe(from, tools)? {
                0 => self.stream = false,
                count => return Ok(count),
            }
        }
        match tools.kept < tools.limit {
            true => self.copy(from, to, tools),
            false => self.pass(from, to, tools),
        }
    }

    /// Leaves the end of a stream to an ordinary read: splice also returns zero in front of urgent data
    /// (tcp_splice_read).
    fn fill_pipe(&mut self, from: BorrowedFd<'_>, tools: &mut Tools) -> io::Result<usize> {
        let Some(pipe) = tools.pipes.take() else { return Ok(0) };
        match would(splice(from, None, &pipe.write, None, pipe.size, SpliceFlags::NONBLOCK | SpliceFlags::MOVE)) {
            Ok(Some(count @ 1..)) => {
                self.stream = count >= FEW;
                self.stuck = Stuck::Piped(pipe, count);
                Ok(count)
            }
            nothing => {
                tools.pipes.give_back(pipe);
                nothing.map(|_| 0)
            }
        }
    }

    fn copy(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, tools: &mut Tools) -> io::Result<usize> {
        let Some(count) = self.received(recv(from, &mut *tools.buffer, RecvFlags::DONTWAIT), from, BUFFER)? else {
            return Ok(0);
        };
        self.stream = count >= MANY;
        let mut rest = tools.buffer.get(..count).unwrap_or_default();
        let is_last = self.complete && count < BUFFER && !self.marked;
        let more = if is_last { SendFlags::MORE } else { SendFlags::empty() };
        while !rest.is_empty() {
            match would(send(to, rest, SendFlags::NOSIGNAL | more))? {
                Some(sent) => rest = rest.get(sent..).unwrap_or_default(),
                None => {
                    self.blocked = true;
                    tools.kept += rest.len();
                    self.stuck = Stuck::Bytes(rest.into(), 0);
                    break;
                }
            }
        }
        Ok(count)
    }

    /// As [`Way::copy`], but unwritten bytes stay in the socket.
    fn pass(&mut self, from: BorrowedFd<'_>, to: BorrowedFd<'_>, tools: &mut Tools) -> io::Result<usize> {
        let flags = RecvFlags::DONTWAIT | RecvFlags::PEEK;
        // A peek is no read: a short one says nothing about what follows.
        let Some(count) = self.received(recv(from, &mut *tools.buffer, flags), from, 0)? else { return Ok(0) };
        match would(send(to, tools.buffer.get(..count).unwrap_or_default(), SendFlags::NOSIGNAL))? {
            Some(sent) => discard(from, sent),
            None => {
                self.blocked = true;
                Ok(0)
            }
        }
    }

    /// Interprets a read into a buffer of this size: the count, or none at a pause or an end.
    fn received(
        &mut self,
        result: rustix::io::Result<(usize, usize)>,
        from: BorrowedFd<'_>,
        asked: usize,
    ) -> io::Result<Option<usize>> {
        let count = would(result)?.map(|(count, _)| count);
        match count {
            // Urgent data that was read past before it was reported, or whose last byte has not arrived.
            None | Some(0) if self.marked => self.take_urgent(from),
            None => self.readable = false,
            Some(0) => self.ended = true,
            Some(count) if count < asked && !self.ending && !self.marked => self.readable = false,
            Some(_) => {}
        }
        Ok(count.filter(|count| *count > 0))
    }

    fn take_urgent(&mut self, from: BorrowedFd<'_>) {
        let mut byte = [0];
        if let Ok((1, _)) = recv(from, &mut byte, RecvFlags::OOB | RecvFlags::DONTWAIT) {
            self.urgent = Some(byte[0]);
        }
        self.marked = false;
    }

    /// Frees what it holds: its flow has ended.
    pub(super) fn release(self, tools: &mut Tools) {
        match self.stuck {
            Stuck::Nothing => {}
            Stuck::Bytes(bytes, _) => tools.kept = tools.kept.saturating_sub(bytes.len()),
            // A pipe with bytes in it cannot be reused.
            Stuck::Piped(..) => tools.pipes.lost(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::time::Duration;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    /// Two connections, and between them the way that the test looks at.
    struct Bench {
        writer: TcpStream,
        from: TcpStream,
        to: TcpStream,
        reader: TcpStream,
        way: Way,
        tools: Tools,
    }

    fn connection() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    fn bench() -> Bench {
        let ((writer, from), (to, reader)) = (connection(), connection());
        from.set_nonblocking(true).unwrap();
        to.set_nonblocking(true).unwrap();
        reader.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Bench { writer, from, to, reader, way: Way::default(), tools: Tools::new() }
    }

    impl Bench {
        /// What epoll would report, without edges: more often than it does, which must do no harm.
        fn step(&mut self) -> io::Result<Turn> {
            let events = PollFlags::IN | PollFlags::PRI | PollFlags::RDHUP;
            let source = self.poll(|bench| &bench.from, events);
            let sink = self.poll(|bench| &bench.to, PollFlags::OUT);
            self.way.note_source(Interest::from_bits_truncate(u32::from(source.bits())));
            self.way.note_sink(Interest::from_bits_truncate(u32::from(sink.bits())));
            self.way.run(self.from.as_fd(), self.to.as_fd(), &mut self.tools)
        }

        fn poll(&self, of: impl Fn(&Self) -> &TcpStream, events: PollFlags) -> PollFlags {
            let mut fds = [PollFd::new(of(self), events)];
            poll(&mut fds, Some(&Timespec::default())).unwrap();
            fds[0].revents()
        }

        /// Until the source has something to tell.
        fn await_source(&self, events: PollFlags) {
            let mut fds = [PollFd::new(&self.from, events)];
            poll(&mut fds, Some(&Timespec { tv_sec: 10, tv_nsec: 0 })).unwrap();
            assert!(fds[0].revents().intersects(events));
        }
    }

    #[test]
    fn a_message_and_its_end() {
        let mut bench = bench();
        bench.writer.write_all(b"hello").unwrap();
        bench.writer.shutdown(std::net::Shutdown::Write).unwrap();
        bench.await_source(PollFlags::RDHUP);
        assert_eq!(bench.step().unwrap(), Turn::Over);
        let mut all = Vec::new();
        bench.reader.read_to_end(&mut all).unwrap();
        assert_eq!(all, b"hello");
        assert!(bench.way.over);
    }

    /// A pseudo-random stream of `length` bytes, larger than all buffers, arrives whole.
    fn stream(mut bench: Bench, length: usize) -> Bench {
        let bytes: Vec<u8> =
            (0..length as u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
        let mut writer = bench.writer.try_clone().unwrap();
        let copy = bytes.clone();
        let sending = std::thread::spawn(move || {
            writer.write_all(&copy).unwrap();
            writer.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let mut reader = bench.reader.try_clone().unwrap();
        let receiving = std::thread::spawn(move || {
            let mut all = Vec::new();
            reader.read_to_end(&mut all).unwrap();
            all
        });
        while bench.step().unwrap() != Turn::Over {
            std::thread::yield_now();
        }
        sending.join().unwrap();
        assert!(receiving.join().unwrap() == bytes);
        bench
    }

    #[test]
    fn streams_through_pipes_copies_and_looks() {
        let through_pipes = stream(bench(), 32 << 20);
        assert!(matches!(through_pipes.tools.pipes.free_count(), 1), "the pipe was used and came back");
        let mut copying = bench();
        copying.tools.pipes = Pipes::none();
        assert_eq!(stream(copying, 8 << 20).tools.kept, 0);
        let mut looking = bench();
        looking.tools.pipes = Pipes::none();
        looking.tools.limit = 0;
        stream(looking, 8 << 20);
    }

    #[test]
    fn what_is_stuck_is_bounded_and_given_back() {
        let mut bench = bench();
        bench.writer.set_nonblocking(true).unwrap();
        let block = vec![7; 1 << 20];
        let mut quiet = 0;
        while quiet < 3 {
            let wrote = bench.writer.write(&block).is_ok();
            let turn = bench.step().unwrap();
            quiet = if wrote || turn == Turn::More { 0 } else { quiet + 1 };
        }
        assert!(bench.way.blocked && bench.tools.kept <= BUFFER);
        std::mem::take(&mut bench.way).release(&mut bench.tools);
        assert_eq!(bench.tools.kept, 0);
    }

    #[test]
    fn a_reset_is_an_error_behind_what_had_arrived() {
        let mut bench = bench();
        bench.writer.write_all(b"last words").unwrap();
        bench.await_source(PollFlags::IN);
        rustix::net::sockopt::set_socket_linger(&bench.writer, Some(Duration::ZERO)).unwrap();
        let (placeholder, _other) = connection();
        drop(std::mem::replace(&mut bench.writer, placeholder));
        bench.await_source(PollFlags::ERR);
        assert_eq!(bench.step().unwrap_err().raw_os_error(), Some(libc::ECONNRESET));
        let mut words = [0; 10];
        bench.reader.read_exact(&mut words).unwrap();
        assert_eq!(&words, b"last words");
    }

    #[test]
    fn urgent_data_stays_in_its_place() {
        let mut bench = bench();
        bench.writer.write_all(b"before").unwrap();
        assert_eq!(send(&bench.writer, b"!", SendFlags::OOB).unwrap(), 1);
        bench.writer.write_all(b"after").unwrap();
        bench.await_source(PollFlags::PRI);
        bench.step().unwrap();
        bench.step().unwrap();
        let mut text = [0; 20];
        let mut fds = [PollFd::new(&bench.reader, PollFlags::PRI)];
        poll(&mut fds, Some(&Timespec { tv_sec: 10, tv_nsec: 0 })).unwrap();
        assert!(fds[0].revents().contains(PollFlags::PRI));
        // Reads stop at the mark.
        assert_eq!(bench.reader.read(&mut text).unwrap(), 6);
        assert_eq!(&text[..6], b"before");
        assert!(at_mark(bench.reader.as_fd()).unwrap());
        assert_eq!(recv(&bench.reader, &mut text, RecvFlags::OOB).unwrap().0, 1);
        assert_eq!(text[0], b'!');
        bench.reader.read_exact(&mut text[..5]).unwrap();
        assert_eq!(&text[..5], b"after");
    }
}
