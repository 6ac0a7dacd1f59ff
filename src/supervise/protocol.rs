//! What is said on a supervisor's socket, from both sides. Each message is one SOCK_SEQPACKET packet: a tag byte, then
//! raw bytes or JSON.
//!
//! # Versions
//!
//! A container lives on while coracle is updated, so that both ends may be of another version. A client that wants to know
//! sends [`Request::Hello`] first, and the supervisor answers with its own; each has the sender's [`PROTOCOL`]. The record of a
//! run has that of its supervisor, too.
//!
//! | protocol | what came with it |
//! |---|---|
//! | 0 | everything but |
//! | 1 | hello, [`Request::Change`], [`Request::Pause`] |
//!
//! What a message gains later has a default, and what the receiver does not know in it is passed over. A request that a
//! supervisor does not know is refused if the client has said hello, and ignored otherwise, as in protocol 0. A client is sent
//! no reply that is newer than its hello. Nothing is ever taken away or given another meaning.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::base::error::WireError;
use crate::base::id::Name;
use crate::base::{ContainerId, Error, Result, ResultExt};
use crate::spec::cdi::Edits;
use crate::spec::health::HealthState;
use crate::spec::namespaces::Member;
use crate::spec::resources::Resources;
use crate::spec::restart::RestartPolicy;
use crate::sys::socket;

/// The protocol of this program.
pub const PROTOCOL: u32 = 1;

/// The first message of a side that gives its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`] of the sender.
    pub protocol: u32,
}

/// The most bytes of a stream in one message.
pub const CHUNK: usize = 32 * 1024;

/// The largest message: an `exec` with a long environment. The kernel's default send buffer takes 208 KiB.
pub const MAX_MESSAGE: usize = 200 * 1024;

/// The first message to a new supervisor: which container, and for whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// The container to start.
    pub id: ContainerId,
    /// Trees of its layers, base first.
    pub layers: Vec<PathBuf>,
    /// The same for each image among its mounts.
    #[serde(default)]
    pub images: Vec<Vec<PathBuf>>,
    /// Attach the sender to its output.
    pub attach: bool,
    /// The sender's standard input goes to the container and its end is passed on.
    pub stdin: bool,
    /// Columns and rows of the sender's terminal; zeros when it has none.
    pub terminal: (u16, u16),
    /// Its steps are traced in a log.
    #[serde(default)]
    pub traced: bool,
    /// A `--rm` container stays when it has ended, as long as the sender lives: from the beginning, as with
    /// [`Request::Keep`] later.
    #[serde(default)]
    pub keep: bool,
    /// What its devices of vendors bring with them.
    #[serde(default, skip_serializing_if = "Edits::is_empty")]
    pub edits: Edits,
    /// What the sender hands over from its own surroundings.
    #[serde(default)]
    pub handover: Handover,
}

/// What the command that starts a container has from a service manager or a shell, for the container's program. Its
/// descriptors come with the message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Handover {
    /// The first three descriptors are the program's standard streams (`--log-driver passthrough`).
    pub streams: bool,
    /// The numbers under which the program has the others.
    pub numbers: Vec<i32>,
    /// Variables for the program, those of sd_listen_fds(3).
    pub variables: Vec<String>,
    /// The service manager's socket (sd_notify(3)): a path, or a name in the abstract namespace after an `@`.
    pub notify: Option<String>,
    /// The service manager expects a sign of life within that time, in microseconds.
    pub watchdog: Option<u64>,
}

/// A process to add to the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exec {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Over the container's environment.
    pub env: Vec<String>,
    /// The container's when none.
    pub user: Option<String>,
    /// The container's when none.
    pub cwd: Option<String>,
    /// A terminal is made and its master sent back with [`Reply::Started`]. Otherwise the process's standard streams come
    /// with the message as three descriptors, and after them the read ends of its output, for when the client has gone.
    pub terminal: Option<(u16, u16)>,
    /// All capabilities, no filter.
    pub privileged: bool,
}

/// A change of the networks that a running container is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NetworkChange {
    /// `network connect`.
    Connect(Member),
    /// `network disconnect`.
    Disconnect(Name),
}

/// A change of what a container is, which its settings keep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// `rename`.
    Name(Name),
    /// `update --restart`.
    Restart(RestartPolicy),
    /// `update` of limits: those that are given.
    Limits(Box<Resources>),
}

/// From a client to the supervisor.
#[derive(Debug)]
pub enum Request {
    /// See [`Hello`]. The answer is [`Reply::Hello`].
    Hello(Hello),
    /// See [`Launch`]; only as the first message on the socket the supervisor was born with.
    Launch(Launch, Vec<OwnedFd>),
    /// See [`Exec`].
    Exec(Exec, Vec<OwnedFd>),
    /// Wants the output from now on; true: its `Stdin` messages count.
    Attach(bool),
    /// Bytes for the container's standard input or terminal.
    Stdin(Vec<u8>),
    /// The client's standard input has ended.
    StdinEnd,
    /// Columns and rows of the client's terminal.
    Resize(u16, u16),
    /// See [`NetworkChange`]. The answer is [`Reply::Done`].
    ChangeNetwork(NetworkChange),
    /// See [`Change`]. The answer is [`Reply::Done`].
    Change(Change),
    /// Freezes the container's processes (true) or lets them go on. The answer is [`Reply::Done`].
    Pause(bool),
    /// The sender is about to start the container again: a `--rm` container stays for as long as the sender lives.
    Keep,
    /// Wants to hear of the end of the run: [`Reply::Exited`]. Everybody else hears only of the end of the last one.
    Await,
    /// Wants a health check made, or the result of the one that is being made: [`Reply::Health`].
    Check,
    /// A signal for pid 1.
    Signal(i32),
    /// Signal now, SIGKILL after that many milliseconds; negative: never.
    Stop(i32, i64),
}

/// From the supervisor to a client.
#[derive(Debug)]
pub enum Reply {
    /// See [`Request::Hello`].
    Hello(Hello),
    /// The container's or the added process runs; its pid on the host, and its terminal if one was made for an `exec`.
    Started(i32, Option<OwnedFd>),
    /// Before [`Reply::Started`]: what the user should know of this run.
    Note(String),
    /// What was asked is done.
    Done,
    /// It is not, or it does not run.
    Failed(WireError),
    /// Output.
    Stdout(Vec<u8>),
    /// Output.
    Stderr(Vec<u8>),
    /// It ended with this code.
    Exited(i32),
    /// What the health checks have found, the one that was asked for being the last of them.
    Health(HealthState),
}

/// Sends a request; waits while the supervisor is busy.
pub fn send_request(socket: BorrowedFd<'_>, request: &Request) -> io::Result<()> {
    let json = |value: serde_json::Result<Vec<u8>>| value.map_err(io::Error::other);
    match request {
        Request::Hello(hello) => socket::send(socket, b"h", &json(serde_json::to_vec(hello))?, &[]),
        Request::Launch(launch, fds) => {
            let fds: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
            socket::send(socket, b"L", &json(serde_json::to_vec(launch))?, &fds)
        }
        Request::Exec(exec, fds) => {
            let fds: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
            socket::send(socket, b"x", &json(serde_json::to_vec(exec))?, &fds)
        }
        Request::Attach(stdin) => socket::send(socket, b"a", &[u8::from(*stdin)], &[]),
        Request::Stdin(bytes) => socket::send(socket, b"i", bytes, &[]),
        Request::StdinEnd => socket::send(socket, b"I", &[], &[]),
        Request::Resize(columns, rows) => {
            let (c, r) = (columns.to_ne_bytes(), rows.to_ne_bytes());
            socket::send(socket, b"r", &[c[0], c[1], r[0], r[1]], &[])
        }
        Request::ChangeNetwork(change) => socket::send(socket, b"n", &json(serde_json::to_vec(change))?, &[]),
        Request::Change(change) => socket::send(socket, b"u", &json(serde_json::to_vec(change))?, &[]),
        Request::Pause(paused) => socket::send(socket, b"p", &[u8::from(*paused)], &[]),
        Request::Keep => socket::send(socket, b"K", &[], &[]),
        Request::Await => socket::send(socket, b"w", &[], &[]),
        Request::Check => socket::send(socket, b"c", &[], &[]),
        Request::Signal(signal) => socket::send(socket, b"k", &signal.to_ne_bytes(), &[]),
        Request::Stop(signal, patience) => {
            socket::send(socket, b"s", &[&i64::from(*signal).to_ne_bytes()[..], &patience.to_ne_bytes()].concat(), &[])
        }
    }
}

/// Receives a request into `buffer`; `None` when the client is gone. An unknown or malformed message is an error of the
/// kind InvalidData: the supervisor ignores it.
pub fn receive_request(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Option<Request>> {
    let (length, fds) = socket::receive(socket, buffer)?;
    let bad = || io::Error::from(io::ErrorKind::InvalidData);
    let Some((tag, body)) = buffer[..length].split_first() else { return Ok(None) };
    let i64_at = |at: usize| Some(i64::from_ne_bytes(body.get(at..at + 8)?.try_into().ok()?));
    let u16_at = |at: usize| Some(u16::from_ne_bytes(body.get(at..at + 2)?.try_into().ok()?));
    Ok(Some(match tag {
        b'h' => Request::Hello(serde_json::from_slice(body).map_err(|_| bad())?),
        b'L' => Request::Launch(serde_json::from_slice(body).map_err(|_| bad())?, fds),
        b'x' => Request::Exec(serde_json::from_slice(body).map_err(|_| bad())?, fds),
        b'a' => Request::Attach(body == [1]),
        b'i' => Request::Stdin(body.to_vec()),
        b'I' => Request::StdinEnd,
        b'r' => Request::Resize(u16_at(0).ok_or_else(bad)?, u16_at(2).ok_or_else(bad)?),
        b'n' => Request::ChangeNetwork(serde_json::from_slice(body).map_err(|_| bad())?),
        b'u' => Request::Change(serde_json::from_slice(body).map_err(|_| bad())?),
        b'p' => Request::Pause(body == [1]),
        b'K' => Request::Keep,
        b'w' => Request::Await,
        b'c' => Request::Check,
        b'k' => Request::Signal(body.try_into().map(i32::from_ne_bytes).map_err(|_| bad())?),
        b's' => {
            let signal = i64_at(0).and_then(|signal| i32::try_from(signal).ok());
            Request::Stop(signal.ok_or_else(bad)?, i64_at(8).ok_or_else(bad)?)
        }
        _ => return Err(bad()),
    }))
}

/// Sends a reply that is not output.
pub fn send_reply(socket: BorrowedFd<'_>, reply: &Reply) -> io::Result<()> {
    match reply {
        Reply::Hello(hello) => socket::send(socket, b"h", &serde_json::to_vec(hello).map_err(io::Error::other)?, &[]),
        Reply::Started(pid, terminal) => {
            let fds: Vec<BorrowedFd<'_>> = terminal.iter().map(AsFd::as_fd).collect();
            socket::send(socket, b"S", &pid.to_ne_bytes(), &fds)
        }
        Reply::Note(note) => socket::send(socket, b"N", note.as_bytes(), &[]),
        Reply::Done => socket::send(socket, b"d", &[], &[]),
        Reply::Failed(error) => socket::send(socket, b"F", &serde_json::to_vec(error).map_err(io::Error::other)?, &[]),
        Reply::Stdout(bytes) => socket::send(socket, b"o", bytes, &[]),
        Reply::Stderr(bytes) => socket::send(socket, b"e", bytes, &[]),
        Reply::Exited(code) => socket::send(socket, b"X", &code.to_ne_bytes(), &[]),
        Reply::Health(health) => {
            socket::send(socket, b"H", &serde_json::to_vec(health).map_err(io::Error::other)?, &[])
        }
    }
}

/// Sends output without copying it first.
pub fn send_output(socket: BorrowedFd<'_>, stderr: bool, bytes: &[u8]) -> io::Result<()> {
    socket::send(socket, if stderr { b"e" } else { b"o" }, bytes, &[])
}

/// Receives a reply; `None` when the supervisor is gone.
pub fn receive_reply(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<Option<Reply>> {
    let (length, fds) = loop {
        match socket::receive(socket, buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // The supervisor ended without having read a message from here. The error comes before what it sent, and once.
            Err(error) if error.raw_os_error() == Some(libc::ECONNRESET) => {}
            received => break received.context(|| "cannot hear the container's supervisor")?,
        }
    };
    let Some((tag, body)) = buffer[..length].split_first() else { return Ok(None) };
    let number = || body.try_into().map(i32::from_ne_bytes);
    let bad = |_| Error::system("the container's supervisor sent a message that is not understood");
    Ok(Some(match tag {
        b'h' => Reply::Hello(serde_json::from_slice(body).context(|| "cannot understand the supervisor's hello")?),
        b'N' => Reply::Note(String::from_utf8_lossy(body).into_owned()),
        b'S' => Reply::Started(number().map_err(bad)?, fds.into_iter().next()),
        b'd' => Reply::Done,
        b'F' => Reply::Failed(serde_json::from_slice(body).context(|| "cannot understand the supervisor's error")?),
        b'o' => Reply::Stdout(body.to_vec()),
        b'e' => Reply::Stderr(body.to_vec()),
        b'X' => Reply::Exited(number().map_err(bad)?),
        b'H' => Reply::Health(serde_json::from_slice(body).context(|| "cannot understand the supervisor's answer")?),
        _ => {
            return Err(Error::system("the container's supervisor speaks a newer protocol")
                .hint("it was started by another version of coracle: restart the container"));
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

    #[test]
    fn messages_round_trip() {
        let (a, b) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
        let mut buffer = vec![0; MAX_MESSAGE];
        let launch = Launch {
            traced: true,
            handover: Handover { numbers: vec![3], ..Handover::default() },
            keep: true,
            id: ContainerId::random().unwrap(),
            layers: vec!["/l".into()],
            images: vec![vec!["/m".into()]],
            attach: true,
            stdin: false,
            terminal: (80, 25),
            edits: Edits { env: vec!["A=1".into()], ..Edits::default() },
        };
        for request in [
            Request::Hello(Hello { protocol: 7 }),
            Request::Launch(launch, Vec::new()),
            Request::Stop(15, -1),
            Request::Resize(80, 25),
            Request::Signal(9),
            Request::Stdin(b"hello".to_vec()),
            Request::StdinEnd,
            Request::Keep,
            Request::Await,
            Request::Check,
            Request::Attach(true),
            Request::ChangeNetwork(NetworkChange::Disconnect("front".parse().unwrap())),
            Request::Change(Change::Name("front".parse().unwrap())),
            Request::Change(Change::Restart(RestartPolicy::OnFailure(3))),
            Request::Pause(true),
        ] {
            send_request(a.as_fd(), &request).unwrap();
            let got = receive_request(b.as_fd(), &mut buffer).unwrap().unwrap();
            assert_eq!(format!("{got:?}"), format!("{request:?}"));
        }
        for reply in [
            Reply::Hello(Hello { protocol: 7 }),
            Reply::Note("x".into()),
            Reply::Started(7, None),
            Reply::Done,
            Reply::Exited(-3),
            Reply::Health(HealthState { failing_streak: 3, ..HealthState::default() }),
            Reply::Stderr(vec![0; CHUNK]),
        ] {
            send_reply(b.as_fd(), &reply).unwrap();
            assert_eq!(format!("{:?}", receive_reply(a.as_fd(), &mut buffer).unwrap().unwrap()), format!("{reply:?}"));
        }
        socket::send(a.as_fd(), b"?", &[], &[]).unwrap();
        assert_eq!(receive_request(b.as_fd(), &mut buffer).unwrap_err().kind(), io::ErrorKind::InvalidData);
        drop(a);
        assert!(receive_request(b.as_fd(), &mut buffer).unwrap().is_none());
    }

    /// What clients of protocol 0 said: a supervisor must understand it for ever.
    #[test]
    fn requests_of_the_first_protocol_are_understood() {
        let (a, b) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
        let mut buffer = vec![0; MAX_MESSAGE];
        for (packet, understood) in [
            (&br#"L{"id":"abababababababababababababababababababababababababababababababab","layers":["/l"],"attach":true,"stdin":false,"terminal":[80,25]}"#[..], "Launch(Launch { id"),
            (br#"x{"argv":["true"],"env":["A=1"],"user":null,"cwd":"/","terminal":[80,25],"privileged":false}"#, "Exec(Exec { argv: [\"true\"], env: [\"A=1\"], user: None, cwd: Some(\"/\")"),
            (b"a\x01", "Attach(true)"),
            (b"ihello", "Stdin([104"),
            (b"I", "StdinEnd"),
            (b"r\x50\0\x19\0", "Resize(80, 25)"),
            (br#"n{"Connect":{"network":"front","aliases":["w"]}}"#, "ChangeNetwork(Connect(Member { network"),
            (br#"n{"Disconnect":"front"}"#, "ChangeNetwork(Disconnect("),
            (b"K", "Keep"),
            (b"w", "Await"),
            (b"c", "Check"),
            (b"k\x09\0\0\0", "Signal(9)"),
            (b"s\x0f\0\0\0\0\0\0\0\x10\x27\0\0\0\0\0\0", "Stop(15, 10000)"),
            // One of a client that is newer: what is not known in it is passed over.
            (br#"h{"protocol":9,"later":[1]}"#, "Hello(Hello { protocol: 9 })"),
        ] {
            socket::send(a.as_fd(), packet, &[], &[]).unwrap();
            let got = format!("{:?}", receive_request(b.as_fd(), &mut buffer).unwrap().unwrap());
            assert!(got.starts_with(understood), "{got}");
        }
    }

    /// What supervisors of protocol 0 said: a client must understand it for ever.
    #[test]
    fn replies_of_the_first_protocol_are_understood() {
        let (a, b) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
        let mut buffer = vec![0; MAX_MESSAGE];
        for (packet, understood) in [
            (&b"S\x07\0\0\0"[..], "Started(7, None)"),
            (b"Nx", "Note(\"x\")"),
            (b"d", "Done"),
            (br#"F{"kind":"conflict","message":"m","hints":["h"]}"#, "Failed(WireError { kind: Conflict"),
            (b"oab", "Stdout([97, 98])"),
            (b"e", "Stderr([])"),
            (b"X\xfd\xff\xff\xff", "Exited(-3)"),
            (br#"H{"Status":"healthy","FailingStreak":0,"Log":[]}"#, "Health(HealthState { status: Healthy"),
        ] {
            socket::send(a.as_fd(), packet, &[], &[]).unwrap();
            let got = format!("{:?}", receive_reply(b.as_fd(), &mut buffer).unwrap().unwrap());
            assert!(got.starts_with(understood), "{got}");
        }
    }

    #[test]
    fn fds_travel_with_an_exec() {
        let (a, b) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
        let exec =
            Exec { argv: vec!["true".into()], env: vec![], user: None, cwd: None, terminal: None, privileged: false };
        let null = || std::fs::File::open("/dev/null").unwrap().into();
        send_request(a.as_fd(), &Request::Exec(exec.clone(), vec![null(), null(), null()])).unwrap();
        match receive_request(b.as_fd(), &mut vec![0; MAX_MESSAGE]).unwrap() {
            Some(Request::Exec(got, fds)) => assert_eq!((got, fds.len()), (exec, 3)),
            other => panic!("{other:?}"),
        }
    }
}
