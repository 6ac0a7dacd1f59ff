//! A stub resolver: asks the servers of resolv.conf(5) for the addresses of a name, in the order and with the patience that
//! the file says (glibc's `res_search` and `res_send`).
//!
//! Both families are asked for at the same time, each on a socket of its own. Once one has addresses the other has
//! [`GRACE`]: some servers never answer for AAAA. A server that is silent, refuses or fails makes room for the next one; one
//! that says that there is no such name is believed. Answers count only from the server's address, with the question's
//! number and text.
//!
//! Differs from glibc where the whole search must end in time: a server gets no more than its share of the limit, so
//! that the last of three is asked although the others are dead.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::files::{ResolvConf, Status};
use crate::base::text;

/// How much longer the second family may take than the first.
const GRACE: Duration = Duration::from_secs(1);
/// Longest chain of aliases in an answer.
const ALIASES_MAX: usize = 16;
/// Largest datagram that is read: none may be larger than 512 bytes without EDNS, which is not offered.
const DATAGRAM: usize = 4096;

/// The addresses of `host`, which is absolute if it ends in a dot. The caller ends the search after `limit`.
pub async fn addresses(conf: &Arc<ResolvConf>, host: &str, limit: Duration) -> Status {
    let wait = conf.timeout.min(limit.mul_f64(0.9) / u32::try_from(conf.servers.len()).unwrap_or(1).max(1));
    let mut failed = None;
    for name in candidates(conf, host) {
        match both_families(conf, name, wait).await {
            Outcome::Found(addresses) => return Status::Found(addresses),
            Outcome::Absent => {}
            Outcome::Refused(why) => failed = Some(why),
            // The servers are out of reach: other names would take as long.
            Outcome::Silent(why) => return Status::TryAgain(why),
        }
    }
    failed.map_or(Status::NotFound, Status::TryAgain)
}

/// What to ask for, in order.
fn candidates(conf: &ResolvConf, host: &str) -> Vec<Name> {
    let absolute = |text: &str| {
        let mut name = Name::from_ascii(text).ok()?;
        name.set_fqdn(true);
        Some(name)
    };
    if host.ends_with('.') {
        return absolute(host).into_iter().collect();
    }
    let as_it_is = absolute(host);
    let searched = conf.search.iter().filter_map(|domain| absolute(&format!("{host}.{domain}")));
    match host.matches('.').count() >= conf.ndots {
        true => as_it_is.into_iter().chain(searched).collect(),
        false => searched.chain(as_it_is).collect(),
    }
}

/// How a question ended.
#[derive(Debug)]
enum Outcome {
    Found(Vec<IpAddr>),
    /// There is no such name, or it has no such addresses.
    Absent,
    /// Servers answer, but not this.
    Refused(String),
    /// No server answers.
    Silent(String),
}

async fn both_families(conf: &Arc<ResolvConf>, name: Name, wait: Duration) -> Outcome {
    let kinds: &[RecordType] = if conf.no_aaaa { &[RecordType::A] } else { &[RecordType::A, RecordType::AAAA] };
    let (sender, mut receiver) = mpsc::channel(kinds.len());
    for kind in kinds {
        let (conf, name, sender, kind) = (conf.clone(), name.clone(), sender.clone(), *kind);
        tokio::spawn(async move {
            let _ = sender.send(one_family(&conf, name, kind, wait).await).await;
        });
    }
    drop(sender);
    let first = receiver.recv().await.unwrap_or(Outcome::Absent);
    let second = match first {
        Outcome::Found(_) => timeout(GRACE, receiver.recv()).await.ok().flatten(),
        _ => receiver.recv().await,
    };
    match (first, second.unwrap_or(Outcome::Absent)) {
        (Outcome::Found(one), Outcome::Found(other)) => Outcome::Found([one, other].concat()),
        (found @ Outcome::Found(_), _) | (_, found @ Outcome::Found(_)) => found,
        (Outcome::Absent, other) | (other, Outcome::Absent) => other,
        (refused @ Outcome::Refused(_), _) | (_, refused @ Outcome::Refused(_)) => refused,
        (silent, _) => silent,
    }
}

/// Asks the servers for one kind of address, `wait` each, in as many rounds as the file says.
async fn one_family(conf: &ResolvConf, name: Name, kind: RecordType, wait: Duration) -> Outcome {
    static TURN: AtomicUsize = AtomicUsize::new(0);
    let mut servers = conf.servers.clone();
    if conf.rotate {
        let turn = TURN.fetch_add(1, Ordering::Relaxed) % servers.len().max(1);
        servers.rotate_left(turn);
    }
    let question = Query::query(name, kind);
    let mut outcome = Outcome::Absent;
    for _ in 0..conf.attempts {
        for server in &servers {
            let answer = match timeout(wait, exchange(*server, &question, conf.use_tcp)).await {
                Ok(answer) => answer,
                Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no answer")),
            };
            outcome = match answer {
                Ok(answer) => match answer.metadata.response_code {
                    ResponseCode::NoError => {
                        let found = addresses_in(&answer, &question);
                        return if found.is_empty() { Outcome::Absent } else { Outcome::Found(found) };
                    }
                    ResponseCode::NXDomain => return Outcome::Absent,
                    code => Outcome::Refused(format!("the name server {} fails ({code})", server.ip())),
                },
                Err(error) => {
                    let error = error.to_string().to_lowercase();
                    let silent = format!("the name server {} does not answer: {}", server.ip(), text::clean(&error));
                    // That one has answered at all tells more.
                    if matches!(outcome, Outcome::Refused(_)) { outcome } else { Outcome::Silent(silent) }
                }
            };
        }
    }
    outcome
}

/// One question to one server: over UDP, and over TCP when the answer does not fit. The caller limits the time.
async fn exchange(server: SocketAddr, question: &Query, tcp: bool) -> io::Result<Message> {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(question.clone());
    let bytes = message.to_vec().map_err(io::Error::other)?;
    let is_answer = |answer: &Message| {
        answer.metadata.id == message.metadata.id
            && answer.metadata.message_type == MessageType::Response
            && answer.queries.len() == 1
            && answer.queries[0] == *question
    };
    if !tcp {
        let answer = over_udp(server, &bytes, &is_answer).await?;
        if !answer.metadata.truncation {
            return Ok(answer);
        }
    }
    let answer = over_tcp(server, &bytes).await?;
    match is_answer(&answer) {
        true => Ok(answer),
        false => Err(io::Error::other("it answers another question")),
    }
}

/// A connected socket takes datagrams of the server alone, and is told when nobody listens there.
async fn over_udp(server: SocketAddr, question: &[u8], is_answer: &impl Fn(&Message) -> bool) -> io::Result<Message> {
    let any: IpAddr = if server.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let length = socket.recv(&mut buffer).await?;
        // What makes no sense may be forged: the real answer may still come.
        if let Ok(answer) = Message::from_vec(&buffer[..length])
            && is_answer(&answer)
        {
            return Ok(answer);
        }
    }
}

/// RFC 1035, 4.2.2: each message has its length in front.
async fn over_tcp(server: SocketAddr, question: &[u8]) -> io::Result<Message> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(question.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), question].concat()).await?;
    let mut length = [0; 2];
    stream.read_exact(&mut length).await?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer).await?;
    Message::from_vec(&answer).map_err(io::Error::other)
}

/// The addresses of the name that was asked for, through its aliases.
fn addresses_in(answer: &Message, question: &Query) -> Vec<IpAddr> {
    let mut name = question.name();
    for _ in 0..ALIASES_MAX {
        let alias = answer.answers.iter().filter(|record| record.name == *name).find_map(|record| match &record.data {
            RData::CNAME(target) => Some(&target.0),
            _ => None,
        });
        match alias {
            Some(target) => name = target,
            None => break,
        }
    }
    let records = answer.answers.iter().filter(|record| record.name == *name);
    records
        .filter_map(|record| match &record.data {
            RData::A(address) if question.query_type() == RecordType::A => Some(address.0.into()),
            RData::AAAA(address) if question.query_type() == RecordType::AAAA => Some(address.0.into()),
            _ => None,
        })
        .collect()
}
