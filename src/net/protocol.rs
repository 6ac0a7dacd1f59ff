//! The protocol between supervisors and netd: one SOCK_SEQPACKET packet per message, a tag byte and JSON, with file
//! descriptors attached. A supervisor sends one request at a time and waits for the answer. The connection itself is
//! the membership: when it closes, its container leaves all networks and its ports are closed soon after. A supervisor
//! that must know when they are closed sends [`Request::Leave`].
//!
//! # Versions
//!
//! Supervisors and netd live on while coracle is updated, so that both ends may be of another version. The first message of
//! each side has its [`PROTOCOL`] ([`Hello`]): 0 where none is given.
//!
//! | protocol | what came with it |
//! |---|---|
//! | 0 | everything but |
//! | 1 | the number itself, [`Request::Rename`] |
//!
//! What a message gains later has a default, and what the receiver does not know in it is passed over. A request that is newer
//! than the other side's protocol is not sent. Nothing is ever taken away or given another meaning.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use serde::{Deserialize, Serialize};

use crate::base::ContainerId;
use crate::base::error::WireError;
use crate::base::id::Name;
use crate::spec::network::{Endpoint, Joined, Network, Publish, Rate, Wish};
use crate::sys::socket;

/// The protocol of this program.
pub const PROTOCOL: u32 = 1;

/// The first message of a side: what it is about, and the protocol of the sender.
#[derive(Debug, Serialize, Deserialize)]
struct Hello<T> {
    #[serde(default)]
    protocol: u32,
    #[serde(flatten)]
    body: T,
}

/// The largest message: a few thousand published ports.
pub const MAX_MESSAGE: usize = 200 * 1024;

/// A container that joins networks. Others see nothing of it before it is plugged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    /// The container's id.
    pub container: ContainerId,
    /// Its name, for DNS.
    pub name: Name,
    /// Its host name, for DNS.
    pub hostname: String,
    /// The networks in the order of their interfaces; the first one has the default route and the published ports.
    pub networks: Vec<(Network, Wish)>,
    /// Ports to open on the host.
    pub ports: Vec<Publish>,
    /// Which host ports below the unprivileged limit are moved up instead of refused.
    pub remap_low_ports: bool,
    /// Resolvers of this container (`--dns`), used instead of the host's.
    pub dns_servers: Vec<IpAddr>,
    /// The rate limit of each interface, also on networks joined later.
    #[serde(default)]
    pub rate: Option<Rate>,
    /// Whether it reaches the host's loopback if neither the endpoint nor the network says so.
    #[serde(default)]
    pub host_loopback: bool,
    /// After the death of a netd: what the container was given and still has. netd takes it over as it is.
    pub before: Option<Joined>,
}

/// From a supervisor to netd.
#[derive(Debug)]
pub enum Request {
    /// Reserves addresses, opens ports. The answer is [`Reply::Joined`] with a descriptor of the router's namespace.
    Join(Box<Join>),
    /// Makes the interfaces in the container's network namespace, given as a descriptor, and its names known. The answer
    /// is [`Reply::Plugged`]. Once more for each further run of the container, which keeps its addresses and ports.
    Plug(OwnedFd),
    /// Adds a network to a plugged container; with its network namespace. The answer is [`Reply::Connected`].
    Connect(Box<(Network, Wish)>, OwnedFd),
    /// Takes one away, by name. The answer is [`Reply::Done`].
    Disconnect(Name, OwnedFd),
    /// The container has another name. The answer is [`Reply::Done`].
    Rename(Name),
    /// Asks for counters. The answer is [`Reply::Counters`].
    Count,
    /// The container has ended. The answer is [`Reply::Done`], when its ports are closed and its addresses are free.
    Leave,
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
    /// See [`Request::Join`]. The descriptor keeps the router's namespace alive and is what a new netd is started with. The
    /// number is the sender's [`PROTOCOL`].
    Joined(Box<Joined>, OwnedFd, u32),
    /// See [`Request::Plug`]. `Some(reason)` if there is no uplink: containers reach only each other.
    Plugged(Option<WireError>),
    /// See [`Request::Connect`].
    Connected(Box<Endpoint>),
    /// See [`Request::Count`]: by interface name.
    Counters(BTreeMap<String, Counters>),
    /// The request is done.
    Done,
    /// The request has failed.
    Failed(WireError),
}

/// Sends a request.
pub fn send_request(socket: BorrowedFd<'_>, request: &Request) -> io::Result<()> {
    match request {
        Request::Join(join) => socket::send(socket, b"J", &json(&Hello { protocol: PROTOCOL, body: join })?, &[]),
        Request::Plug(netns) => socket::send(socket, b"P", &[], &[netns.as_fd()]),
        Request::Connect(what, netns) => socket::send(socket, b"C", &json(what)?, &[netns.as_fd()]),
        Request::Disconnect(network, netns) => socket::send(socket, b"D", &json(network)?, &[netns.as_fd()]),
        Request::Rename(name) => socket::send(socket, b"R", &json(name)?, &[]),
        Request::Count => socket::send(socket, b"N", &[], &[]),
        Request::Leave => socket::send(socket, b"L", &[], &[]),
    }
}

/// Receives a request into `buffer`; `None` when the supervisor is gone. A malformed message is an error of the kind
/// InvalidData.
pub fn receive_request(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Option<Request>> {
    let (length, mut fds) = socket::receive(socket, buffer)?;
    let Some((tag, body)) = buffer.get(..length).and_then(<[u8]>::split_first) else { return Ok(None) };
    let mut fd = || fds.pop().ok_or_else(malformed);
    Ok(Some(match tag {
        b'J' => Request::Join(parse::<Hello<_>>(body)?.body),
        b'P' => Request::Plug(fd()?),
        b'C' => Request::Connect(parse(body)?, fd()?),
        b'D' => Request::Disconnect(parse(body)?, fd()?),
        b'R' => Request::Rename(parse(body)?),
        b'N' => Request::Count,
        b'L' => Request::Leave,
        _ => return Err(malformed()),
    }))
}

/// Sends a reply.
pub fn send_reply(socket: BorrowedFd<'_>, reply: &Reply) -> io::Result<()> {
    match reply {
        Reply::Joined(joined, router, protocol) => {
            socket::send(socket, b"j", &json(&Hello { protocol: *protocol, body: joined })?, &[router.as_fd()])
        }
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
        b'j' => {
            let Hello { protocol, body } = parse(body)?;
            Reply::Joined(body, fds.pop().ok_or_else(malformed)?, protocol)
        }
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

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use proptest::prelude::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    use super::*;
    use crate::spec::network::PublishedPort;

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::NONBLOCK, None).unwrap()
    }

    fn join() -> Join {
        Join {
            container: "ab".repeat(32).parse().unwrap(),
            name: "web".parse().unwrap(),
            hostname: "web".into(),
            networks: Vec::new(),
            ports: vec![Publish {
                port: PublishedPort {
                    host_ip: Some([127, 0, 0, 1].into()),
                    host_port: 80,
                    container_port: 80,
                    protocol: crate::spec::network::Protocol::Udp,
                },
                last_host_port: 90,
            }],
            remap_low_ports: true,
            dns_servers: vec![[192, 0, 2, 1].into()],
            rate: Rate::new(1_000_000),
            host_loopback: true,
            before: None,
        }
    }

    #[test]
    fn requests_and_replies_arrive_as_they_were_sent() {
        let (a, b) = pair();
        let mut buffer = vec![0; MAX_MESSAGE];
        let fd = || OwnedFd::from(UnixStream::pair().unwrap().0);
        let name: Name = "front".parse().unwrap();
        let with_fds = [Request::Plug(fd()), Request::Disconnect(name, fd())];
        let new: Name = "db".parse().unwrap();
        let without = [Request::Join(Box::new(join())), Request::Rename(new), Request::Count, Request::Leave];
        for request in with_fds.into_iter().chain(without) {
            send_request(a.as_fd(), &request).unwrap();
            let received = receive_request(b.as_fd(), &mut buffer).unwrap().unwrap();
            match (&received, &request) {
                (Request::Join(received), Request::Join(sent)) => assert_eq!(received, sent),
                (received, sent) => assert_eq!(std::mem::discriminant(received), std::mem::discriminant(sent)),
            }
        }
        let counted = BTreeMap::from([("eth0".to_owned(), Counters { sent_bytes: 7, ..Counters::default() })]);
        send_reply(a.as_fd(), &Reply::Counters(counted.clone())).unwrap();
        let reply = receive_reply(b.as_fd(), &mut buffer).unwrap().unwrap();
        assert!(matches!(reply, Reply::Counters(received) if received == counted));
        drop(a);
        assert!(receive_request(b.as_fd(), &mut buffer).unwrap().is_none());
    }

    /// What a supervisor of protocol 0 said, and what its netd answered: both must be understood for ever.
    #[test]
    fn the_first_protocol_is_still_understood() {
        const JOIN: &str = r#"J{"container":"abababababababababababababababababababababababababababababababab","name":"web","hostname":"web","networks":[],"ports":[{"host_ip":"127.0.0.1","host_port":80,"container_port":80,"protocol":"udp","last_host_port":90}],"remap_low_ports":true,"dns_servers":["192.0.2.1"],"before":null}"#;
        const JOINED: &str = r#"j{"endpoints":[{"network":"front","network_id":"cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd","interface":"eth0","mac":"02:00:00:00:00:01","ipv4":"10.0.0.2/24","ipv6":null,"gateway4":"10.0.0.1","gateway6":null,"aliases":[]}],"ports":[],"resolvers":["10.0.0.1"],"host_gateway":null}"#;
        let (a, b) = pair();
        let mut buffer = vec![0; MAX_MESSAGE];
        let other = UnixStream::pair().unwrap().0;
        socket::send(a.as_fd(), JOIN.as_bytes(), &[], &[]).unwrap();
        match receive_request(b.as_fd(), &mut buffer).unwrap().unwrap() {
            Request::Join(received) => {
                assert_eq!(*received, Join { rate: None, host_loopback: false, ..join() });
            }
            other => panic!("{other:?}"),
        }
        socket::send(b.as_fd(), JOINED.as_bytes(), &[], &[other.as_fd()]).unwrap();
        match receive_reply(a.as_fd(), &mut buffer).unwrap().unwrap() {
            Reply::Joined(joined, _, 0) => assert_eq!(joined.endpoints[0].network.as_str(), "front"),
            other => panic!("{other:?}"),
        }
        // And the other way round: what is said today is read by one that does not know the new values.
        send_request(a.as_fd(), &Request::Join(Box::new(join()))).unwrap();
        let length = socket::receive(b.as_fd(), &mut buffer).unwrap().0;
        let said: serde_json::Value = serde_json::from_slice(&buffer[1..length]).unwrap();
        let first: serde_json::Value = serde_json::from_str(&JOIN[1..]).unwrap();
        for (key, value) in first.as_object().unwrap() {
            assert_eq!(&said[key], value, "{key}");
        }
        assert_eq!(said["protocol"], PROTOCOL);
    }

    proptest! {
        /// A peer of another version must not end netd: its messages are understood or rejected.
        #[test]
        fn any_message_is_harmless(
            tag in prop_oneof![Just(b'J'), Just(b'P'), Just(b'C'), Just(b'D'), Just(b'R'), Just(b'N'), Just(b'L'), any::<u8>()],
            damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
            noise in proptest::collection::vec(any::<u8>(), 0..200),
            end in any::<prop::sample::Index>(),
            with_fd: bool,
        ) {
            let mut body = json(&join()).unwrap();
            damage.iter().for_each(|(at, value)| *at.get_mut(&mut body) = *value);
            body.truncate(end.index(body.len() + 1));
            let (a, b) = pair();
            let mut buffer = vec![0; MAX_MESSAGE];
            let other = UnixStream::pair().unwrap().0;
            let fds = if with_fd { vec![other.as_fd()] } else { Vec::new() };
            for body in [body, noise] {
                socket::send(a.as_fd(), &[tag], &body, &fds).unwrap();
                socket::send(a.as_fd(), &[tag.to_ascii_lowercase()], &body, &fds).unwrap();
                for received in [receive_request(b.as_fd(), &mut buffer).map(drop), receive_reply(b.as_fd(), &mut buffer).map(drop)] {
                    prop_assert!(received.is_ok() || received.is_err_and(|error| error.kind() == io::ErrorKind::InvalidData));
                }
            }
        }
    }
}
