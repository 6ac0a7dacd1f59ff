//! Relays queries to resolvers, and their answers back.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType};

use super::message::{self, Answer, Code, MESSAGE_MAX, Question};
use super::slots::Key;
use super::{
    ATTEMPTS_MAX, Dns, LIFE, PATIENCE, PATIENCE_TCP, QUERIES_EACH, QUERIES_MAX, ReplyTo, Source, Timer,
    oldest_of_largest, random_id,
};
use crate::net::handler::{Context, Holder, Interest};

/// How often each resolver is asked over UDP, where packets may be lost.
const ROUNDS: usize = 3;

/// A pending query.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) asker: IpAddr,
    holder: Holder,
    back: ReplyTo,
    question: Question,
    /// As it is sent: with the random id.
    message: Vec<u8>,
    id: u16,
    servers: Vec<SocketAddr>,
    /// How many attempts were made.
    tried: usize,
    attempts: Vec<Option<Attempt>>,
    /// The answer of a resolver that failed.
    useless: Option<Vec<u8>>,
    end: Instant,
    /// When its timer is due.
    timer: Instant,
}

/// One attempt: a resolver and its socket.
#[derive(Debug)]
struct Attempt {
    socket: OwnedFd,
    /// State of a TCP attempt.
    stream: Option<Stream>,
}

/// Progress of a TCP attempt.
#[derive(Debug, Default)]
pub(super) struct Stream {
    sent: usize,
    received: Vec<u8>,
}

/// The result of reading from an attempt.
enum Received {
    /// Nothing yet.
    Nothing,
    /// A message.
    Message(Vec<u8>),
    /// The attempt has failed.
    Failure,
}

impl Query {
    fn is_tcp(&self) -> bool {
        matches!(self.back, ReplyTo::Tcp { .. })
    }

    /// The most attempts of this query.
    fn attempts_max(&self) -> usize {
        let rounds = if self.is_tcp() { 1 } else { ROUNDS };
        (self.servers.len() * rounds).min(ATTEMPTS_MAX)
    }

    /// Whether an answer may still arrive.
    fn is_hopeful(&self) -> bool {
        self.attempts.iter().any(Option::is_some)
    }

    /// Whether some resolver was not asked at all.
    fn has_others(&self) -> bool {
        self.tried < self.servers.len().min(ATTEMPTS_MAX)
    }

    fn section(&self) -> &[u8] {
        self.question.section(&self.message)
    }
}

impl Dns {
    /// Relays a query, unless the same one is pending or a limit is reached.
    pub(super) fn relay(
        &mut self,
        cx: &mut Context<'_>,
        message: &[u8],
        question: Question,
        asker: IpAddr,
        back: ReplyTo,
        servers: Vec<SocketAddr>,
    ) {
        if let ReplyTo::Udp { listener, peer } = back
            && self.pending.contains_key(&(listener, peer, question.id))
        {
            return;
        }
        let holder = cx.policy.holder(asker);
        if self.queries.len() >= QUERIES_MAX {
            let queries = self.queries.iter().map(|(key, query)| (key, query.holder, query.end));
            if let Some(oldest) = oldest_of_largest(queries, holder) {
                self.finish(cx, oldest, None);
            }
        }
        let full = self.queries.len() >= QUERIES_MAX
            || self.queries.iter().filter(|(_, query)| query.holder == holder).count() >= QUERIES_EACH;
        let (Ok(id), false) = (random_id(), full) else {
            // A TCP client waits for an answer; a UDP client retries.
            if let ReplyTo::Tcp { .. } = back {
                let answer = question.answer(message, Code::ServFail, &[], MESSAGE_MAX);
                self.deliver(cx, back, &answer);
            }
            return;
        };
        let mut message = message.to_vec();
        message::set_id(&mut message, id);
        let end = cx.now + LIFE;
        let (attempts, number) = (Vec::new(), question.id);
        let query = Query {
            asker,
            holder,
            back,
            question,
            message,
            id,
            servers,
            tried: 0,
            attempts,
            useless: None,
            end,
            timer: end,
        };
        let key = self.queries.insert(query);
        self.timers.insert((end, Timer::Query(key)));
        if let ReplyTo::Udp { listener, peer } = back {
            self.pending.insert((listener, peer, number), key);
        }
        self.try_next(cx, key);
    }

    /// Handles events of an attempt.
    pub(super) fn attempt_ready(&mut self, cx: &mut Context<'_>, key: Key, number: usize, what: Interest) {
        // Several messages may wait, and answers to other queries are skipped.
        for _ in 0..super::BATCH {
            let mut buffer = std::mem::take(&mut self.buffer);
            let heard = self.queries.get_mut(key).map(|query| query.listen_to(cx, key, number, what, &mut buffer));
            self.buffer = buffer;
            let Some(heard) = heard else { return };
            let Some(query) = self.queries.get_mut(key) else { return };
            match heard {
                Received::Nothing => return,
                Received::Failure => {
                    query.attempts.get_mut(number).and_then(Option::take);
                    return self.go_on(cx, key);
                }
                Received::Message(answer) => match message::judge(&answer, query.id, query.section()) {
                    Answer::Good => return self.finish(cx, key, Some(answer)),
                    Answer::Foreign if !query.is_tcp() => {}
                    verdict => {
                        query.attempts.get_mut(number).and_then(Option::take);
                        if verdict == Answer::Useless {
                            query.useless = Some(answer);
                        }
                        return self.go_on(cx, key);
                    }
                },
            }
        }
    }

    /// The timer of a query is due: asks another resolver, or ends the query.
    pub(super) fn attempt_timeout(&mut self, cx: &mut Context<'_>, key: Key) {
        let Some(query) = self.queries.get(key) else { return };
        match query.end <= cx.now {
            true => self.fail(cx, key),
            false => self.try_next(cx, key),
        }
    }

    /// Drops a query.
    pub(super) fn forget(&mut self, key: Key) -> Option<Query> {
        let query = self.queries.remove(key)?;
        self.timers.remove(&(query.timer, Timer::Query(key)));
        if let ReplyTo::Udp { listener, peer } = query.back {
            self.pending.remove(&(listener, peer, query.question.id));
        }
        Some(query)
    }

    /// After a failed attempt: asks a resolver that was not asked yet, else waits for the others.
    fn go_on(&mut self, cx: &mut Context<'_>, key: Key) {
        let Some(query) = self.queries.get(key) else { return };
        match (query.has_others(), query.is_hopeful()) {
            (true, _) => self.try_next(cx, key),
            (false, true) => {}
            (false, false) => self.fail(cx, key),
        }
    }

    /// Asks the next resolver that can be reached.
    fn try_next(&mut self, cx: &mut Context<'_>, key: Key) {
        let Some(query) = self.queries.get_mut(key) else { return };
        let mut starved = false;
        while query.tried < query.attempts_max() {
            let Some(server) = query.servers.get(query.tried % query.servers.len()).copied() else { break };
            query.tried += 1;
            let number = query.attempts.len();
            match query.ask(cx, server, Source::Attempt(key, number)) {
                Ok(attempt) => {
                    query.attempts.push(Some(attempt));
                    let patience = if query.is_tcp() { PATIENCE_TCP } else { PATIENCE };
                    let next = (cx.now + patience).min(query.end);
                    return self.look_again(key, next);
                }
                Err(error) => starved |= is_shortage(&error),
            }
        }
        match (query.is_hopeful(), starved) {
            (true, _) => {
                let end = query.end;
                self.look_again(key, end);
            }
            // The client retries, and there may be descriptors then.
            (false, true) => self.finish(cx, key, None),
            (false, false) => self.fail(cx, key),
        }
    }

    fn look_again(&mut self, key: Key, at: Instant) {
        let Some(query) = self.queries.get_mut(key) else { return };
        self.timers.remove(&(query.timer, Timer::Query(key)));
        query.timer = at;
        self.timers.insert((at, Timer::Query(key)));
    }

    /// No resolver has answered: relays a failure answer, or SERVFAIL.
    fn fail(&mut self, cx: &mut Context<'_>, key: Key) {
        let Some(query) = self.queries.get_mut(key) else { return };
        let said = query.useless.take();
        let failure = || query.question.answer(&query.message, Code::ServFail, &[], message::UDP_PLAIN);
        let answer = said.unwrap_or_else(failure);
        self.finish(cx, key, Some(answer));
    }

    /// Ends a query, with an answer or without.
    fn finish(&mut self, cx: &mut Context<'_>, key: Key, answer: Option<Vec<u8>>) {
        let Some(query) = self.forget(key) else { return };
        match (answer, query.back) {
            (Some(mut answer), back) => {
                message::set_id(&mut answer, query.question.id);
                self.deliver(cx, back, &answer);
            }
            (None, ReplyTo::Tcp { connection }) => self.close_connection(connection),
            (None, ReplyTo::Udp { .. }) => {}
        }
    }
}

impl Query {
    fn ask(&self, cx: &Context<'_>, server: SocketAddr, source: Source) -> io::Result<Attempt> {
        let family = if server.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let (kind, interest) = match self.is_tcp() {
            true => (SocketType::STREAM, Interest::WRITE | Interest::READ),
            false => (SocketType::DGRAM, Interest::READ),
        };
        let socket = cx.sockets.host(family, kind, None)?;
        match rustix::net::connect(&socket, &server) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(errno) => return Err(errno.into()),
        }
        if !self.is_tcp() {
            rustix::net::send(&socket, &self.message, SendFlags::DONTWAIT)?;
        }
        cx.wakes.watch(socket.as_fd(), interest, source.token())?;
        Ok(Attempt { socket, stream: self.is_tcp().then(Stream::default) })
    }

    fn listen_to(
        &mut self,
        cx: &Context<'_>,
        key: Key,
        number: usize,
        what: Interest,
        buffer: &mut Vec<u8>,
    ) -> Received {
        let message = &self.message;
        let Some(Some(attempt)) = self.attempts.get_mut(number) else { return Received::Nothing };
        buffer.resize(MESSAGE_MAX, 0);
        let Some(stream) = &mut attempt.stream else {
            return match rustix::net::recv(&attempt.socket, &mut buffer[..], RecvFlags::DONTWAIT) {
                Ok((_, length)) => Received::Message(buffer.get(..length).unwrap_or_default().to_vec()),
                Err(Errno::AGAIN | Errno::INTR) => Received::Nothing,
                // The port is closed or unreachable, as ICMP reported.
                Err(_) => Received::Failure,
            };
        };
        if what.contains(Interest::WRITE) {
            match stream.send(&attempt.socket, message) {
                Ok(true) => {
                    let token = Source::Attempt(key, number).token();
                    if cx.wakes.change(attempt.socket.as_fd(), Interest::READ, token).is_err() {
                        return Received::Failure;
                    }
                }
                Ok(false) => {}
                Err(_) => return Received::Failure,
            }
        }
        stream.receive(&attempt.socket, buffer)
    }
}

impl Stream {
    /// The answer, once it is complete.
    #[cfg(test)]
    pub(super) fn take(&mut self, socket: &OwnedFd) -> Option<Vec<u8>> {
        match self.receive(socket, &mut [0; 512]) {
            Received::Message(message) => Some(message),
            Received::Nothing | Received::Failure => None,
        }
    }

    /// Sends the rest of length and message; true once all is sent.
    fn send(&mut self, socket: &OwnedFd, message: &[u8]) -> Result<bool, Errno> {
        let framed = super::stream::framed(message);
        while let Some(rest) = framed.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match rustix::net::send(socket, rest, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(sent) => self.sent += sent,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(false),
                Err(errno) => return Err(errno),
            }
        }
        Ok(true)
    }

    fn receive(&mut self, socket: &OwnedFd, buffer: &mut [u8]) -> Received {
        loop {
            if let Some(message) = super::stream::first(&self.received) {
                return Received::Message(message.to_vec());
            }
            match rustix::net::recv(socket, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((_, 0)) => return Received::Failure,
                Ok((_, length)) => self.received.extend(buffer.get(..length).unwrap_or_default()),
                Err(Errno::INTR) => {}
                // Not connected yet, or no data yet.
                Err(Errno::AGAIN) => return Received::Nothing,
                Err(_) => return Received::Failure,
            }
        }
    }
}

/// Errors of a local shortage rather than of the resolver.
fn is_shortage(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM | libc::EAGAIN))
}
