//! DNS over TCP for containers. Each message follows its length (RFC 1035, 4.2.2); several queries may be pipelined,
//! and answers go back in the order in which they are found (RFC 7766, 6.2.1.1).

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags};

use super::slots::Key;
use super::{
    ACCEPT_PAUSE, BATCH, CONNECTIONS_EACH, CONNECTIONS_MAX, Dns, IDLE, QUESTION_MAX, ReplyTo, Source, Timer,
    oldest_of_largest,
};
use crate::net::handler::{Context, Holder, Interest};
use crate::net::table::Table;

/// The most pending queries of one connection; further ones are not read.
const PIPELINE: usize = 8;

/// A connection of a container.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) asker: IpAddr,
    holder: Holder,
    socket: OwnedFd,
    input: Vec<u8>,
    output: Vec<u8>,
    /// Pending queries.
    waiting: usize,
    /// The client has ended its stream.
    ended: bool,
    /// The events that epoll waits for.
    interest: Interest,
    last: Instant,
    /// When its timer is due.
    timer: Instant,
}

impl Connection {
    /// Whether a query may be read now.
    fn takes(&self) -> bool {
        self.waiting < PIPELINE && self.output.is_empty()
    }

    fn is_over(&self) -> bool {
        self.ended && self.waiting == 0 && self.output.is_empty() && !self.has_more()
    }

    /// Whether a complete query is buffered that may be taken now. Then writability resumes the connection.
    fn has_more(&self) -> bool {
        self.takes() && first(&self.input).is_some()
    }

    /// Reads what is there; false if the connection is broken.
    fn read(&mut self) -> bool {
        let mut buffer = [0; QUESTION_MAX + 2];
        let room = buffer.len().saturating_sub(self.input.len());
        let Some(buffer) = buffer.get_mut(..room).filter(|room| !room.is_empty()) else { return true };
        match rustix::net::recv(&self.socket, &mut *buffer, RecvFlags::DONTWAIT) {
            Ok((_, 0)) => self.ended = true,
            Ok((_, length)) => self.input.extend(buffer.get(..length).unwrap_or_default()),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => return false,
        }
        true
    }

    /// Writes what it can; false if the connection is broken.
    fn write(&mut self) -> bool {
        while !self.output.is_empty() {
            match rustix::net::send(&self.socket, &self.output, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(sent) => drop(self.output.drain(..sent)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => return false,
            }
        }
        true
    }

    /// The next complete query; an error if it is too long.
    fn next_question(&mut self) -> Result<Option<Vec<u8>>, ()> {
        if !self.takes() {
            return Ok(None);
        }
        if self.input.first_chunk().is_some_and(|length| usize::from(u16::from_be_bytes(*length)) > QUESTION_MAX) {
            return Err(());
        }
        let question = first(&self.input).map(<[u8]>::to_vec);
        if let Some(question) = &question {
            self.input.drain(..question.len() + 2);
            self.waiting += 1;
        }
        Ok(question)
    }
}

impl Dns {
    /// Accepts connections of containers.
    pub(super) fn accept(&mut self, cx: &mut Context<'_>, table: &Table, key: Key) {
        for _ in 0..BATCH {
            let Some(listener) = self.listeners.get(key) else { return };
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let (socket, peer) = match rustix::net::acceptfrom_with(&listener.tcp, flags) {
                Ok(accepted) => accepted,
                // The client has closed this one; others may wait.
                Err(Errno::INTR | Errno::CONNABORTED) => continue,
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                    return self.pause_accepting(cx, key);
                }
                Err(_) => return,
            };
            let Some(asker) = peer.and_then(|peer| SocketAddr::try_from(peer).ok()).map(|peer| peer.ip()) else {
                continue;
            };
            let holder = cx.policy.holder(asker);
            if self.connections.len() >= CONNECTIONS_MAX {
                let connections = self.connections.iter().map(|(key, it)| (key, it.holder, it.last));
                if let Some(oldest) = oldest_of_largest(connections, holder) {
                    self.close_connection(oldest);
                }
            }
            let theirs = self.connections.iter().filter(|(_, connection)| connection.holder == holder).count();
            if table.owner(asker).is_none() || theirs >= CONNECTIONS_EACH || self.connections.len() >= CONNECTIONS_MAX {
                continue;
            }
            let timer = cx.now + IDLE;
            let connection = Connection {
                asker,
                holder,
                socket,
                input: Vec::new(),
                output: Vec::new(),
                waiting: 0,
                ended: false,
                interest: Interest::READ,
                last: cx.now,
                timer,
            };
            let key = self.connections.insert(connection);
            self.timers.insert((timer, Timer::Connection(key)));
            let Some(connection) = self.connections.get(key) else { continue };
            if cx.wakes.watch(connection.socket.as_fd(), Interest::READ, Source::Connection(key).token()).is_err() {
                self.close_connection(key);
            }
        }
    }

    /// Pauses accepting for lack of file descriptors, so that the loop does not spin.
    pub(super) fn pause_accepting(&mut self, cx: &Context<'_>, key: Key) {
        if let Some(listener) = self.listeners.get(key)
            && cx.wakes.ignore(listener.tcp.as_fd()).is_ok()
        {
            self.timers.insert((cx.now + ACCEPT_PAUSE, Timer::Listener(key)));
        }
    }

    /// Resumes accepting.
    pub(super) fn resume_accepting(&mut self, cx: &Context<'_>, key: Key) {
        let Some(listener) = self.listeners.get(key) else { return };
        let token = Source::Accept(key).token();
        if cx.wakes.watch(listener.tcp.as_fd(), Interest::READ, token).is_err() {
            self.timers.insert((cx.now + ACCEPT_PAUSE, Timer::Listener(key)));
        }
    }

    /// Handles events of a connection.
    pub(super) fn connection_ready(&mut self, cx: &mut Context<'_>, table: &Table, key: Key, what: Interest) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.last = cx.now;
        let is_broken = what.intersects(Interest::ERROR | Interest::CLOSED);
        let reads = !is_broken && connection.takes() && !connection.ended;
        if is_broken || !connection.write() || reads && !connection.read() {
            return self.close_connection(key);
        }
        loop {
            let Some(connection) = self.connections.get_mut(key) else { return };
            let asker = connection.asker;
            match connection.next_question() {
                Ok(Some(question)) => self.question(cx, table, &question, asker, ReplyTo::Tcp { connection: key }),
                Ok(None) => break,
                Err(()) => return self.close_connection(key),
            }
        }
        self.settle(cx, key);
    }

    /// Sends an answer over a connection.
    pub(super) fn answer_on(&mut self, cx: &mut Context<'_>, key: Key, answer: &[u8]) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.last = cx.now;
        connection.waiting = connection.waiting.saturating_sub(1);
        connection.output.extend(framed(answer));
        match connection.write() {
            true => self.settle(cx, key),
            false => self.close_connection(key),
        }
    }

    /// Closes a connection that was idle for too long. Pending queries have a timer of their own.
    pub(super) fn close_if_idle(&mut self, now: Instant, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.waiting == 0 && connection.last + IDLE <= now {
            return self.close_connection(key);
        }
        connection.timer = (connection.last + IDLE).max(now + IDLE / 10);
        self.timers.insert((connection.timer, Timer::Connection(key)));
    }

    /// Closes a connection. Answers to its queries are dropped.
    pub(super) fn close_connection(&mut self, key: Key) {
        if let Some(connection) = self.connections.remove(key) {
            self.timers.remove(&(connection.timer, Timer::Connection(key)));
        }
    }

    /// Waits for the events that the connection needs next, or closes it.
    fn settle(&mut self, cx: &mut Context<'_>, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.is_over() {
            return self.close_connection(key);
        }
        let mut interest = Interest::empty();
        interest.set(Interest::READ, connection.takes() && !connection.ended);
        interest.set(Interest::WRITE, !connection.output.is_empty() || connection.has_more());
        if interest == connection.interest {
            return;
        }
        connection.interest = interest;
        if cx.wakes.change(connection.socket.as_fd(), interest, Source::Connection(key).token()).is_err() {
            self.close_connection(key);
        }
    }
}

/// A message with its length before it.
pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    let body = message.get(..usize::from(length)).unwrap_or_default();
    length.to_be_bytes().into_iter().chain(body.iter().copied()).collect()
}

/// The first message of a stream, once it is complete.
pub(super) fn first(stream: &[u8]) -> Option<&[u8]> {
    let (length, rest) = stream.split_first_chunk()?;
    rest.get(..usize::from(u16::from_be_bytes(*length)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use proptest::prelude::*;

    use super::super::relay;
    use super::*;

    fn connection(socket: UnixStream) -> Connection {
        socket.set_nonblocking(true).unwrap();
        let now = Instant::now();
        Connection {
            asker: [10, 0, 0, 2].into(),
            holder: Holder(2),
            socket: socket.into(),
            input: Vec::new(),
            output: Vec::new(),
            waiting: 0,
            ended: false,
            interest: Interest::READ,
            last: now,
            timer: now,
        }
    }

    proptest! {
        /// Queries are parsed from any split of the stream, and the buffer holds one query at most.
        #[test]
        fn questions_come_out_of_any_stream(
            questions in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..20),
            noise in proptest::collection::vec(any::<u8>(), 0..10),
            cut in 1usize..700,
        ) {
            let (mut there, here) = UnixStream::pair().unwrap();
            let mut connection = connection(here);
            let bytes: Vec<u8> = questions.iter().flat_map(|question| framed(question)).chain(noise).collect();
            let mut found = Vec::new();
            for part in bytes.chunks(cut) {
                there.write_all(part).unwrap();
                // Twice: what did not fit at first is still buffered.
                for _ in 0..2 {
                    prop_assert!(connection.read());
                    prop_assert!(connection.input.len() <= QUESTION_MAX + 2);
                    while let Ok(Some(question)) = connection.next_question() {
                        connection.waiting = 0;
                        found.push(question);
                    }
                }
            }
            prop_assert!(found.len() >= questions.len());
            prop_assert_eq!(&found[..questions.len()], &questions[..]);
        }

        /// Answers of a resolver over TCP, in any split.
        #[test]
        fn answers_come_out_of_any_stream(bytes in proptest::collection::vec(any::<u8>(), 0..2000), cut in 1usize..700, short: bool) {
            let mut bytes = bytes;
            if let (true, Some(first)) = (short, bytes.first_mut()) {
                *first = 0;
            }
            let (mut there, here) = UnixStream::pair().unwrap();
            here.set_nonblocking(true).unwrap();
            let (socket, mut stream, mut sent) = (OwnedFd::from(here), relay::Stream::default(), 0);
            for part in bytes.chunks(cut) {
                there.write_all(part).unwrap();
                sent += part.len();
                let (whole, answer) = (first(&bytes[..sent]), stream.take(&socket));
                prop_assert_eq!(answer.as_deref(), whole);
                if whole.is_some() {
                    return Ok(());
                }
            }
        }
    }
}
