//! What supervisors and netd say to each other: one SOCK_SEQPACKET packet for each message, a tag byte and JSON, with
//! descriptors beside it. A supervisor asks one thing at a time and waits for its answer; the connection itself is the
//! membership: when it closes, its container leaves all networks and its ports are free.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use serde::{Deserialize, Serialize};

use super::model::{Endpoint, Network, PublishedPort, Rate, Wish};
use crate::base::ContainerId;
use crate::base::error::WireError;
use crate::base::id::Name;
use crate::sys::socket;

/// The largest message: a few thousand published ports.
pub const MAX_MESSAGE: usize = 200 * 1024;

/// A container that wants networks. Nothing of it is visible to others before it is plugged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// Whose.
    pub container: ContainerId,
    /// Its name, for DNS.
    pub name: Name,
    /// Its host name, for DNS.
    pub hostname: String,
    /// The networks in the order of their interfaces; the first one has the default route and the published ports.
    pub networks: Vec<(Network, Wish)>,
    /// Ports to open on the host.
    pub ports: Vec<PublishedPort>,
    /// Which host ports below the unprivileged limit are moved up instead of refused.
    pub remap_low_ports: bool,
    /// Resolvers of this container (`--dns`) instead of the host's.
    pub dns_servers: Vec<IpAddr>,
    /// How fast each of its interfaces may send and receive, those of networks that it joins later too.
    #[serde(default)]
    pub rate: Option<Rate>,
    /// After a netd has died: what the container was given and still has. These are taken over instead of chosen.
    pub before: Option<Joined>,
}

/// What a container was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// One for each network, in the same order.
    pub endpoints: Vec<Endpoint>,
    /// One for each published port, in the same order, with the host's real port.
    pub ports: Vec<PublishedPort>,
    /// What goes into `/etc/resolv.conf`: addresses of gateways that answer questions.
    pub resolvers: Vec<IpAddr>,
    /// What `host.docker.internal` stands for.
    pub host_gateway: Option<IpAddr>,
}

/// From a supervisor to netd.
#[derive(Debug)]
pub enum Request {
    /// Reserves addresses, opens ports. The answer is [`Reply::Joined`] with a descriptor of the router's namespace.
    Join(Box<Join>),
    /// Makes the interfaces in the container's network namespace, given as a descriptor, and its names known. The answer
    /// is [`Reply::Plugged`].
    Plug(OwnedFd),
    /// Adds a network to a plugged container; with its network namespace. The answer is [`Reply::Connected`].
    Connect(Box<(Network, Wish)>, OwnedFd),
    /// Takes one away, by name. The answer is [`Reply::Done`].
    Disconnect(Name, OwnedFd),
    /// Asks for counters. The answer is [`Reply::Counters`].
    Count,
}

/// What has passed an interface of a container, as the container sees it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Bytes the container received.
    pub received_bytes: u64,
    /// Packets the container received.
    pub received_packets: u64,
    /// Packets that were damaged before it received them.
    pub receive_errors: u64,
    /// Packets that it should have received but for lack of room.
    pub receive_drops: u64,
    /// Bytes the container sent.
    pub sent_bytes: u64,
    /// Packets the container sent.
    pub sent_packets: u64,
    /// Packets that it could not send.
    pub send_errors: u64,
    /// Packets that it sent and that were lost for lack of room.
    pub send_drops: u64,
}

/// From netd to a supervisor.
#[derive(Debug)]
pub enum Reply {
    /// See [`Request::Join`]. The descriptor keeps the router's namespace alive and is what a new netd is started with.
    Joined(Box<Joined>, OwnedFd),
    /// See [`Request::Plug`]. With the reason why containers of this machine reach each other alone, if it is so.
    Plugged(Option<WireError>),
    /// See [`Request::Connect`].
    Connected(Box<Endpoint>),
    /// See [`Request::Count`]: by the names of its interfaces.
    Counters(BTreeMap<String, Counters>),
    /// It is done.
    Done,
    /// It is not.
    Failed(WireError),
}

/// Sends a request.
pub fn send_request(socket: BorrowedFd<'_>, request: &Request) -> io::Result<()> {
    match request {
        Request::Join(join) => socket::send(socket, b"J", &json(join)?, &[]),
        Request::Plug(netns) => socket::send(socket, b"P", &[], &[netns.as_fd()]),
        Request::Connect(what, netns) => socket::send(socket, b"C", &json(what)?, &[netns.as_fd()]),
        Request::Disconnect(network, netns) => socket::send(socket, b"D", &json(network)?, &[netns.as_fd()]),
        Request::Count => socket::send(socket, b"N", &[], &[]),
    }
}

/// Receives a request into `buffer`; `None` when the supervisor is gone. A malformed message is an error of the kind
/// InvalidData.
pub fn receive_request(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Option<Request>> {
    let (length, mut fds) = socket::receive(socket, buffer)?;
    let Some((tag, body)) = buffer.get(..length).and_then(<[u8]>::split_first) else { return Ok(None) };
    let mut fd = || fds.pop().ok_or_else(malformed);
    Ok(Some(match tag {
        b'J' => Request::Join(parse(body)?),
        b'P' => Request::Plug(fd()?),
        b'C' => Request::Connect(parse(body)?, fd()?),
        b'D' => Request::Disconnect(parse(body)?, fd()?),
        b'N' => Request::Count,
        _ => return Err(malformed()),
    }))
}

/// Sends a reply.
pub fn send_reply(socket: BorrowedFd<'_>, reply: &Reply) -> io::Result<()> {
    match reply {
        Reply::Joined(joined, router) => socket::send(socket, b"j", &json(joined)?, &[router.as_fd()]),
        Reply::Plugged(cut_off) => socket::send(socket, b"p", &json(cut_off)?, &[]),
        Reply::Connected(endpoint) => socket::send(socket, b"c", &json(endpoint)?, &[]),
        Reply::Counters(counters) => socket::send(socket, b"n", &json(counters)?, &[]),
        Reply::Done => socket::send(socket, b"d", &[], &[]),
        Reply::Failed(error) => socket::send(socket, b"F", &json(error)?, &[]),
    }
}

/// Receives a reply into `buffer`; `None` when netd is gone.
pub fn receive_reply(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Option<Reply>> {
    let (length, mut fds) = socket::receive(socket, buffer)?;
    let Some((tag, body)) = buffer.get(..length).and_then(<[u8]>::split_first) else { return Ok(None) };
    Ok(Some(match tag {
        b'j' => Reply::Joined(parse(body)?, fds.pop().ok_or_else(malformed)?),
        b'p' => Reply::Plugged(parse(body)?),
        b'c' => Reply::Connected(parse(body)?),
        b'n' => Reply::Counters(parse(body)?),
        b'd' => Reply::Done,
        b'F' => Reply::Failed(parse(body)?),
        _ => return Err(malformed()),
    }))
}

fn json<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(io::Error::other)
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> io::Result<T> {
    serde_json::from_slice(body).map_err(|_| malformed())
}

fn malformed() -> io::Error {
    io::ErrorKind::InvalidData.into()
}
