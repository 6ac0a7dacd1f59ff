//! rtnetlink(7): batches of requests, lists, and change notifications.
//!
//! A [`Batch`] is sent with one system call, and the kernel executes it in order. Only the last request asks for an
//! acknowledgement; the kernel reports failures in any case, so one round trip tells the outcome of all. The kernel
//! goes on after a failure: the steps of a batch must be harmless alone, and a failure means that all are undone.
//!
//! A [`Socket`] belongs to the network namespace of the thread that opens it, whichever thread uses it.

pub mod message;

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkBuffer, NetlinkMessage, NetlinkPayload, Parseable,
};
use netlink_packet_route::RouteNetlinkMessage;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, setsockopt, socket,
    sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

/// The timeout of an answer: the kernel answers at once, or never.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most that the kernel puts into one answer (NLMSG_GOODSIZE is 8 KiB, lists use up to 32 KiB).
const ANSWER: usize = 32 * 1024;

/// Length of struct nlmsghdr.
const HEADER: usize = 16;

/// A step of a batch that failed.
#[derive(Debug)]
pub struct Failure {
    /// What was attempted, for the message.
    pub step: String,
    /// Why it failed.
    pub error: io::Error,
}

impl From<Failure> for crate::base::Error {
    fn from(failure: Failure) -> Self {
        crate::base::Error::system(format!("cannot {}", failure.step)).caused_by(failure.error)
    }
}

/// Requests that are sent together.
#[derive(Debug, Default)]
pub struct Batch {
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    name: String,
    flags: u16,
    message: RouteNetlinkMessage,
    /// Errors that count as success.
    harmless: &'static [i32],
}

impl Batch {
    /// Adds a request; `flags` are `NLM_F_CREATE` and the like. `name` completes "cannot …".
    pub fn push(&mut self, name: impl Into<String>, flags: u16, message: RouteNetlinkMessage) {
        self.push_unless(name, flags, message, &[]);
    }

    /// As [`Batch::push`]; `harmless` errors count as success.
    pub fn push_unless(
        &mut self,
        name: impl Into<String>,
        flags: u16,
        message: RouteNetlinkMessage,
        harmless: &'static [i32],
    ) {
        self.steps.push(Step { name: name.into(), flags, message, harmless });
    }

    /// Whether it has no requests.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The bytes of all requests, numbered from `first`.
    fn serialize(&self, first: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (sequence, step) in (first..).zip(&self.steps) {
            let mut flags = step.flags | NLM_F_REQUEST;
            if sequence == first.wrapping_add(self.steps.len() as u32 - 1) {
                flags |= NLM_F_ACK;
            }
            append(&mut bytes, step.message.clone(), flags, sequence);
        }
        bytes
    }
}

fn append(bytes: &mut Vec<u8>, message: RouteNetlinkMessage, flags: u16, sequence: u32) {
    let mut message = NetlinkMessage::from(message);
    message.header.flags = flags;
    message.header.sequence_number = sequence;
    message.finalize();
    let start = bytes.len();
    bytes.resize(start + message.buffer_len().next_multiple_of(4), 0);
    message.serialize(&mut bytes[start..]);
}

/// A socket for requests.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    sequence: u32,
    answer: Vec<u8>,
}

impl Socket {
    /// Opens one in the network namespace of this thread.
    pub fn open() -> io::Result<Self> {
        let fd = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)?;
        let patience = TimeVal::milliseconds(i64::try_from(PATIENCE.as_millis()).unwrap_or(i64::MAX));
        setsockopt(&fd, sockopt::ReceiveTimeout, &patience)?;
        Ok(Self { fd, sequence: 0, answer: vec![0; ANSWER] })
    }

    /// Executes a batch. Returns the first failure that matters; the other requests were executed.
    pub fn run(&mut self, batch: &Batch) -> Result<(), Failure> {
        let Some(last) = batch.steps.last() else { return Ok(()) };
        let trouble = |error| Failure { step: last.name.clone(), error };
        let first = self.next_sequence(batch.steps.len());
        self.send(&batch.serialize(first)).map_err(trouble)?;
        let mut outcome = Ok(());
        loop {
            let length = self.receive().map_err(trouble)?;
            for answer in answers(&self.answer[..length]) {
                let (sequence, code) = answer.map_err(trouble)?;
                let at = sequence.wrapping_sub(first) as usize;
                // An answer to an earlier batch that was abandoned.
                let Some(step) = batch.steps.get(at) else { continue };
                if code != 0 && !step.harmless.contains(&code) && outcome.is_ok() {
                    let error = io::Error::from_raw_os_error(code);
                    outcome = Err(Failure { step: step.name.clone(), error });
                }
                if at + 1 == batch.steps.len() {
                    return outcome;
                }
            }
        }
    }

    /// Asks for one object; `None` when there is none.
    pub fn get(&mut self, message: RouteNetlinkMessage) -> io::Result<Option<RouteNetlinkMessage>> {
        let sequence = self.next_sequence(1);
        let mut bytes = Vec::new();
        append(&mut bytes, message, NLM_F_REQUEST, sequence);
        self.send(&bytes)?;
        loop {
            let length = self.receive()?;
            for message in messages(&self.answer[..length]) {
                let message = message?;
                match message.payload {
                    _ if message.header.sequence_number != sequence => {}
                    NetlinkPayload::InnerMessage(found) => return Ok(Some(found)),
                    NetlinkPayload::Error(error) if absent(error.raw_code()) => return Ok(None),
                    NetlinkPayload::Error(error) => return Err(io::Error::from_raw_os_error(-error.raw_code())),
                    _ => {}
                }
            }
        }
    }

    /// Lists all objects that the request matches.
    pub fn list(&mut self, message: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
        let sequence = self.next_sequence(1);
        let mut bytes = Vec::new();
        append(&mut bytes, message, NLM_F_REQUEST | NLM_F_DUMP, sequence);
        self.send(&bytes)?;
        let mut found = Vec::new();
        loop {
            let length = self.receive()?;
            for message in messages(&self.answer[..length]) {
                let message = message?;
                match message.payload {
                    _ if message.header.sequence_number != sequence => {}
                    NetlinkPayload::InnerMessage(object) => found.push(object),
                    NetlinkPayload::Done(_) => return Ok(found),
                    NetlinkPayload::Error(error) if error.raw_code() != 0 => {
                        return Err(io::Error::from_raw_os_error(-error.raw_code()));
                    }
                    _ => {}
                }
            }
        }
    }

    fn next_sequence(&mut self, count: usize) -> u32 {
        let first = self.sequence;
        self.sequence = self.sequence.wrapping_add(count as u32);
        first
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        send(self.fd.as_raw_fd(), bytes, MsgFlags::empty())?;
        Ok(())
    }

    fn receive(&mut self) -> io::Result<usize> {
        receive(self.fd.as_fd(), &mut self.answer)
    }
}

fn receive(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match recv(fd.as_raw_fd(), buffer, MsgFlags::empty()) {
            Err(nix::errno::Errno::EINTR) => {}
            result => return Ok(result?),
        }
    }
}

/// Whether an NLMSG_ERROR code means that the object does not exist.
fn absent(code: i32) -> bool {
    [-libc::ENODEV, -libc::ENOENT, -libc::ESRCH, -libc::EADDRNOTAVAIL].contains(&code)
}

/// The messages in what the kernel has sent, without their attributes.
fn frames(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let length = bytes.get(..4).map(|length| u32::from_ne_bytes([length[0], length[1], length[2], length[3]]))?;
        let length = length as usize;
        let frame = bytes.get(..length).filter(|_| length >= HEADER)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(frame)
    })
}

/// The acknowledgements and errors: request number, and errno or 0. Other messages are skipped.
fn answers(bytes: &[u8]) -> impl Iterator<Item = io::Result<(u32, i32)>> {
    const ERROR: u16 = 2;
    frames(bytes).filter_map(|frame| {
        let buffer = NetlinkBuffer::new(frame);
        if buffer.message_type() != ERROR {
            return None;
        }
        let code = frame.get(HEADER..HEADER + 4)?;
        let code = i32::from_ne_bytes([code[0], code[1], code[2], code[3]]);
        Some(Ok((buffer.sequence_number(), code.wrapping_neg())))
    })
}

/// The messages of the kernel. Those that cannot be parsed are skipped.
fn messages(bytes: &[u8]) -> impl Iterator<Item = io::Result<NetlinkMessage<RouteNetlinkMessage>>> {
    frames(bytes).filter_map(|frame| {
        let message = NetlinkMessage::<RouteNetlinkMessage>::parse(&NetlinkBuffer::new(&frame));
        message.ok().map(Ok)
    })
}

/// Groups of change notifications (RTMGRP_* of rtnetlink(7)).
pub const CHANGES_OF_ROUTES_AND_ADDRESSES: u32 =
    (libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR | libc::RTMGRP_IPV4_ROUTE | libc::RTMGRP_IPV6_ROUTE) as u32;

/// A non-blocking socket for change notifications in the network namespace of this thread.
pub fn listen(groups: u32) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
    bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
    Ok(fd)
}

/// Discards pending notifications; true if there were any.
pub fn drain(fd: BorrowedFd<'_>) -> bool {
    let mut buffer = [0; 4096];
    let mut heard = false;
    loop {
        match recv(fd.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
            // The queue overflowed (netlink(7)): that something has changed is all that matters.
            Ok(_) | Err(nix::errno::Errno::ENOBUFS | nix::errno::Errno::EINTR) => heard = true,
            Err(_) => return heard,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_request_of_a_batch_is_acknowledged() {
        let mut batch = Batch::default();
        batch.push("a", 0, message::get_link("a"));
        batch.push("b", 0, message::delete_link("bcd"));
        let bytes = batch.serialize(7);
        let seen: Vec<_> = frames(&bytes)
            .map(|frame| {
                let buffer = NetlinkBuffer::new(frame);
                (buffer.sequence_number(), buffer.flags() & NLM_F_ACK != 0)
            })
            .collect();
        assert_eq!(seen, [(7, false), (8, true)]);
    }

    #[test]
    fn answers_are_read_with_bounds() {
        let mut bytes = Vec::new();
        for (sequence, code) in [(1u32, -libc::EEXIST), (2, 0)] {
            bytes.extend(36u32.to_ne_bytes());
            bytes.extend(2u16.to_ne_bytes());
            bytes.extend([0; 2]);
            bytes.extend(sequence.to_ne_bytes());
            bytes.extend([0; 4]);
            bytes.extend(code.to_ne_bytes());
            bytes.extend([0; 16]);
        }
        let read = |bytes: &[u8]| answers(bytes).collect::<io::Result<Vec<_>>>().unwrap();
        assert_eq!(read(&bytes), [(1, libc::EEXIST), (2, 0)]);
        for length in 0..bytes.len() {
            read(&bytes[..length]);
        }
        for wrong in [0u32, 15, u32::MAX] {
            bytes[..4].copy_from_slice(&wrong.to_ne_bytes());
            assert!(read(&bytes).is_empty());
        }
    }

    proptest::proptest! {
        #[test]
        fn any_answer_is_harmless(words in proptest::collection::vec(proptest::prop_oneof![0u32..64, proptest::prelude::any::<u32>()], 0..60), cut in 0usize..4) {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
            let bytes = &bytes[..bytes.len().saturating_sub(cut)];
            proptest::prop_assert!(frames(bytes).all(|frame| frame.len() >= HEADER));
            proptest::prop_assert!(answers(bytes).count() <= bytes.len() / HEADER);
        }
    }
}
