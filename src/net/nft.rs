//! nf_tables rules of the router's namespace, written as netlink messages. This file has the tproxy rules; [`guard`]
//! filters the frames of containers.
//!
//! The only chain sees TCP before routing. A SYN from the TUN device, written by netd, goes to netd's listener whatever
//! its destination (tproxy). A SYN from a container is routed. Any other TCP segment goes to its socket in R, if that
//! is a transparent one; the rest is routed.
//!
//! ```text
//! table inet coracle { chain gate { type filter hook prerouting priority mangle;
//!     iif TUN tcp flags & (fin|syn|rst|ack) == syn tproxy ip to 127.0.0.1:PORT meta mark set 1 accept
//!     iif TUN tcp flags & (fin|syn|rst|ack) == syn tproxy ip6 to [::1]:PORT meta mark set 1 accept
//!     iif != TUN tcp flags & (syn|ack) != syn socket transparent 1 meta mark set 1 accept
//! } }
//! ```
//!
//! The messages form a transaction: all or nothing. The table of an earlier netd is replaced only if the new one
//! collides, since the kernel makes the remover of a table wait for 10 ms. Format: linux/netfilter/nfnetlink.h and
//! nf_tables.h; numbers are in network order unless they are data. The kernel loads the modules that it needs.

pub mod guard;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

/// The name of the tables, one in each family.
const TABLE: &[u8] = b"coracle\0";
/// The place of the tproxy rules.
const TPROXY: Place<'static> = Place { family: INET, chain: b"gate\0" };

/// NFPROTO_INET: both families.
const INET: u8 = 1;
/// NFNL_SUBSYS_NFTABLES, in the upper byte of message types.
const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEW_TABLE: u16 = 0;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const DELETE_CHAIN: u16 = 5;
const NEW_RULE: u16 = 6;

const REQUEST: u16 = 0x1;
const ACK: u16 = 0x4;
const EXCLUSIVE: u16 = 0x200;
const CREATE: u16 = 0x400;
const APPEND: u16 = 0x800;

/// NLMSG_ERROR.
const ERROR: u16 = 2;
/// Flag of an attribute's type: it contains attributes.
const NESTED: u16 = 0x8000;

/// NF_IP_PRI_MANGLE.
const PRIORITY: i32 = -150;
/// NF_DROP, NF_ACCEPT.
const DROP: u32 = 0;
const ACCEPT: u32 = 1;
const REGISTER_VERDICT: u32 = 0;
/// Two registers of 16 bytes.
const REGISTER: u32 = 1;
const REGISTER_PORT: u32 = 2;

/// Keys of "meta".
const META_MARK: u32 = 3;
const META_IIF: u32 = 4;
const META_L4PROTO: u32 = 16;
/// Comparisons.
const EQUAL: u32 = 0;
const NOT_EQUAL: u32 = 1;

/// Flags of TCP, in byte 13 of its header.
const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACKNOWLEDGED: u8 = 16;

/// The parameters of the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tproxy {
    /// Interface index of the TUN device in R.
    pub device: u32,
    /// The listeners' port on the loopback addresses.
    pub port: u16,
    /// The mark of packets that belong to sockets.
    pub mark: u32,
}

/// Installs the rules in the network namespace of this thread. If the kernel lacks a feature, the error says so
/// (ENOENT, EOPNOTSUPP, EPROTONOSUPPORT), and nothing has changed.
pub fn install(tproxy: Tproxy) -> io::Result<()> {
    match execute(&transaction(tproxy, false)) {
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => execute(&transaction(tproxy, true)),
        result => result,
    }
}

/// Sends a batch and waits for its outcome.
fn execute((batch, last): &(Vec<u8>, u32)) -> io::Result<()> {
    let kind = SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Netlink, SockType::Raw, kind, SockProtocol::NetlinkNetFilter)?;
    // Modules may have to be loaded.
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::seconds(10))?;
    send(socket.as_raw_fd(), batch, MsgFlags::empty())?;
    let mut buffer = vec![0; 8192];
    loop {
        let length = match recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            Err(nix::errno::Errno::EINTR) => continue,
            result => result?,
        };
        for (sequence, code) in answers(buffer.get(..length).unwrap_or_default()) {
            match code {
                0 if sequence == *last => return Ok(()),
                0 => {}
                code => return Err(io::Error::from_raw_os_error(code.wrapping_neg())),
            }
        }
    }
}

/// Sequence numbers and errors in the kernel's answer.
fn answers(bytes: &[u8]) -> Vec<(u32, i32)> {
    let mut answers = Vec::new();
    let mut rest = bytes;
    while let Some((header, body)) = rest.split_first_chunk::<16>() {
        let [l0, l1, l2, l3, t0, t1, _, _, s0, s1, s2, s3, ..] = *header;
        let length = u32::from_ne_bytes([l0, l1, l2, l3]) as usize;
        if u16::from_ne_bytes([t0, t1]) == ERROR
            && let Some(code) = body.first_chunk::<4>()
        {
            answers.push((u32::from_ne_bytes([s0, s1, s2, s3]), i32::from_ne_bytes(*code)));
        }
        match rest.get(length.max(16).next_multiple_of(4)..) {
            Some(next) => rest = next,
            None => break,
        }
    }
    answers
}

/// Where a rule goes: a family, and the name of a chain with its zero byte.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    family: u8,
    chain: &'a [u8],
}

/// Builds messages and attributes. A length is filled in when its contents are complete.
#[derive(Debug, Default)]
struct Writer {
    bytes: Vec<u8>,
    sequence: u32,
    /// Where the last message begins.
    last: usize,
}

impl Writer {
    fn message(&mut self, kind: u16, flags: u16, family: u8, resource: u16, body: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.last = start;
        self.bytes.extend([0; 4]);
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend((REQUEST | flags).to_ne_bytes());
        self.bytes.extend(self.sequence.to_ne_bytes());
        self.bytes.extend([0; 4]);
        self.sequence += 1;
        // struct nfgenmsg: family, version, resource.
        self.bytes.extend([family, 0]);
        self.bytes.extend(resource.to_be_bytes());
        body(self);
        let length = (self.bytes.len() - start) as u32;
        self.patch(start, &length.to_ne_bytes());
    }

    /// Requests an acknowledgement of the last message; returns its sequence number.
    fn acknowledge_last(&mut self) -> u32 {
        let at = self.last + 6;
        if let Some(flags) = self.bytes.get(at..at + 2).and_then(|flags| flags.first_chunk().copied()) {
            self.patch(at, &(u16::from_ne_bytes(flags) | ACK).to_ne_bytes());
        }
        self.sequence - 1
    }

    fn patch(&mut self, at: usize, value: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..at + value.len()) {
            place.copy_from_slice(value);
        }
    }

    fn attribute(&mut self, kind: u16, body: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend([0; 2]);
        self.bytes.extend(kind.to_ne_bytes());
        body(self);
        let length = (self.bytes.len() - start) as u16;
        self.patch(start, &length.to_ne_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn bytes(&mut self, kind: u16, value: &[u8]) {
        self.attribute(kind, |writer| writer.bytes.extend(value));
    }

    fn number(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_be_bytes());
    }

    fn nested(&mut self, kind: u16, body: impl FnOnce(&mut Self)) {
        self.attribute(kind | NESTED, body);
    }

    /// NFTA_DATA_VALUE.
    fn value(&mut self, kind: u16, value: &[u8]) {
        self.nested(kind, |writer| writer.bytes(1, value));
    }

    /// Names a chain, in a message about chains.
    fn chain(&mut self, place: &Place<'_>) {
        self.bytes(1, TABLE);
        self.bytes(3, place.chain);
    }

    fn rule(&mut self, place: &Place<'_>, flags: u16, expressions: impl FnOnce(&mut Self)) {
        self.message(SUBSYSTEM << 8 | NEW_RULE, CREATE | APPEND | flags, place.family, 0, |writer| {
            writer.bytes(1, TABLE);
            writer.bytes(2, place.chain);
            writer.nested(4, expressions);
        });
    }

    /// An element of a list of expressions: its name and attributes.
    fn expression(&mut self, name: &[u8], data: impl FnOnce(&mut Self)) {
        self.nested(1, |writer| {
            writer.bytes(1, name);
            writer.nested(2, data);
        });
    }

    fn load_meta(&mut self, key: u32) {
        self.expression(b"meta\0", |writer| {
            writer.number(2, key);
            writer.number(1, REGISTER);
        });
    }

    /// Loads bytes of a packet, relative to one of its headers; at most 16.
    fn load_payload(&mut self, header: u32, offset: u32, length: u32) {
        self.expression(b"payload\0", |writer| {
            writer.number(1, REGISTER);
            writer.number(2, header);
            writer.number(3, offset);
            writer.number(4, length);
        });
    }

    /// Keeps these bits of what was loaded.
    fn mask(&mut self, mask: &[u8]) {
        self.expression(b"bitwise\0", |writer| {
            writer.number(1, REGISTER);
            writer.number(2, REGISTER);
            writer.number(3, mask.len() as u32);
            writer.value(4, mask);
            writer.value(5, &vec![0; mask.len()]);
        });
    }

    fn compare(&mut self, how: u32, with: &[u8]) {
        self.expression(b"cmp\0", |writer| {
            writer.number(1, REGISTER);
            writer.number(2, how);
            writer.value(3, with);
        });
    }

    /// Matches TCP segments whose flags, within `mask`, are or are not `flags`.
    fn tcp_flags(&mut self, mask: u8, how: u32, flags: u8) {
        self.load_meta(META_L4PROTO);
        self.compare(EQUAL, &[libc::IPPROTO_TCP as u8]);
        // NFT_PAYLOAD_TRANSPORT_HEADER.
        self.load_payload(2, 13, 1);
        self.mask(&[mask]);
        self.compare(how, &[flags]);
    }

    fn load(&mut self, register: u32, value: &[u8]) {
        self.expression(b"immediate\0", |writer| {
            writer.number(1, register);
            writer.value(2, value);
        });
    }

    fn mark_and_accept(&mut self, mark: u32) {
        self.load(REGISTER, &mark.to_ne_bytes());
        self.expression(b"meta\0", |writer| {
            writer.number(2, META_MARK);
            writer.number(3, REGISTER);
        });
        self.verdict(ACCEPT);
    }

    fn verdict(&mut self, verdict: u32) {
        self.expression(b"immediate\0", |writer| {
            writer.number(1, REGISTER_VERDICT);
            // NFTA_DATA_VERDICT, NFTA_VERDICT_CODE.
            writer.nested(2, |writer| writer.nested(2, |writer| writer.number(1, verdict)));
        });
    }

    /// SYNs from the device go to the listener.
    fn tproxy_rule(&mut self, tproxy: Tproxy, listener: IpAddr) {
        self.rule(&TPROXY, 0, |writer| {
            writer.load_meta(META_IIF);
            writer.compare(EQUAL, &tproxy.device.to_ne_bytes());
            writer.tcp_flags(FIN | SYN | RST | ACKNOWLEDGED, EQUAL, SYN);
            let family = match listener {
                IpAddr::V4(address) => {
                    writer.load(REGISTER, &address.octets());
                    libc::AF_INET as u32
                }
                IpAddr::V6(address) => {
                    writer.load(REGISTER, &address.octets());
                    libc::AF_INET6 as u32
                }
            };
            writer.load(REGISTER_PORT, &tproxy.port.to_be_bytes());
            writer.expression(b"tproxy\0", |writer| {
                writer.number(1, family);
                writer.number(2, REGISTER);
                writer.number(3, REGISTER_PORT);
            });
            writer.mark_and_accept(tproxy.mark);
        });
    }

    /// Other segments go to the transparent socket that they belong to.
    fn socket_rule(&mut self, tproxy: Tproxy) {
        self.rule(&TPROXY, ACK, |writer| {
            writer.load_meta(META_IIF);
            writer.compare(NOT_EQUAL, &tproxy.device.to_ne_bytes());
            writer.tcp_flags(SYN | ACKNOWLEDGED, NOT_EQUAL, SYN);
            writer.expression(b"socket\0", |writer| {
                // NFT_SOCKET_TRANSPARENT.
                writer.number(1, 0);
                writer.number(2, REGISTER);
            });
            writer.compare(EQUAL, &[1]);
            writer.mark_and_accept(tproxy.mark);
        });
    }
}

/// The whole batch, and the sequence number of the acknowledged message. Without `replace` the rules must not exist.
fn transaction(tproxy: Tproxy, replace: bool) -> (Vec<u8>, u32) {
    let mut writer = Writer::default();
    writer.message(BATCH_BEGIN, 0, 0, SUBSYSTEM, |_| {});
    let table = |writer: &mut Writer| writer.bytes(1, TABLE);
    if replace {
        writer.message(SUBSYSTEM << 8 | DELETE_TABLE, 0, INET, 0, table);
    }
    writer.message(SUBSYSTEM << 8 | NEW_TABLE, CREATE | EXCLUSIVE, INET, 0, table);
    writer.message(SUBSYSTEM << 8 | NEW_CHAIN, CREATE, INET, 0, |writer| {
        writer.chain(&TPROXY);
        writer.nested(4, |writer| {
            // NF_INET_PRE_ROUTING.
            writer.number(1, 0);
            writer.number(2, PRIORITY.cast_unsigned());
        });
        writer.number(5, ACCEPT);
        writer.bytes(7, b"filter\0");
    });
    writer.tproxy_rule(tproxy, Ipv4Addr::LOCALHOST.into());
    writer.tproxy_rule(tproxy, Ipv6Addr::LOCALHOST.into());
    let last = writer.sequence;
    writer.socket_rule(tproxy);
    writer.message(BATCH_END, 0, 0, SUBSYSTEM, |_| {});
    (writer.bytes, last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_adds_up() {
        let (bytes, last) = transaction(Tproxy { device: 2, port: 6, mark: 1 }, true);
        assert_eq!((messages_of(&bytes), last), (8, 6));
    }

    /// How many messages these are; each is checked.
    pub(super) fn messages_of(bytes: &[u8]) -> u32 {
        let (mut rest, mut count) = (bytes, 0);
        while !rest.is_empty() {
            let length = u32::from_ne_bytes(*rest.first_chunk().unwrap()) as usize;
            assert_eq!(u32::from_ne_bytes(rest[8..12].try_into().unwrap()), count);
            attributes(&rest[20..length]);
            rest = &rest[length..];
            count += 1;
        }
        count
    }

    fn attributes(mut rest: &[u8]) {
        while !rest.is_empty() {
            let length = usize::from(u16::from_ne_bytes(*rest.first_chunk().unwrap()));
            let kind = u16::from_ne_bytes(rest[2..4].try_into().unwrap());
            assert!(length > 4, "an attribute without contents");
            if kind & NESTED != 0 {
                attributes(&rest[4..length]);
            }
            rest = &rest[length.next_multiple_of(4)..];
        }
    }

    #[test]
    fn answers_are_bounded() {
        let mut answer = Vec::new();
        for (sequence, code) in [(3u32, -libc::ENOENT), (7, 0)] {
            answer.extend(36u32.to_ne_bytes());
            answer.extend(ERROR.to_ne_bytes());
            answer.extend([0; 2]);
            answer.extend(sequence.to_ne_bytes());
            answer.extend([0; 4]);
            answer.extend(code.to_ne_bytes());
            answer.extend([0; 16]);
        }
        assert_eq!(answers(&answer), [(3, -libc::ENOENT), (7, 0)]);
        for length in 0..answer.len() {
            answers(&answer[..length]);
        }
        answer[..4].fill(0);
        answers(&answer);
        answer[..4].fill(0xff);
        answers(&answer);
    }

    proptest::proptest! {
        #[test]
        fn any_answer_is_harmless(words in proptest::collection::vec(proptest::prop_oneof![0u32..64, proptest::prelude::any::<u32>()], 0..60), cut in 0usize..4) {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
            let bytes = &bytes[..bytes.len().saturating_sub(cut)];
            proptest::prop_assert!(answers(bytes).len() <= bytes.len() / 16);
        }
    }
}
