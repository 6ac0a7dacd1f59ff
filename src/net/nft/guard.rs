//! Filters the frames of a bridge port: hardware and IP source addresses must be those that its container was given. So
//! no container answers for a neighbour, redirects its traffic, or sends in its name.
//!
//! Each port has a chain in the family `netdev`: it sees frames before the bridge does, goes with its device, and costs
//! the frames of other ports nothing. The first rule of each family accepts nearly all frames; the policy is drop.
//!
//! ```text
//! table netdev coracle { chain PORT { type filter hook ingress device PORT priority 0; policy drop;
//!     MAC ip  saddr IPV4, not icmp                                accept
//!     MAC ip  saddr IPV4, a later fragment                        accept
//!     MAC ip, icmp redirect                                       drop
//!     MAC ip  saddr IPV4                                          accept
//!     MAC ip6 saddr IPV6 | LINK-LOCAL, not icmpv6                 accept
//!     MAC ip6 saddr IPV6 | LINK-LOCAL, a later fragment           accept
//!     MAC ip6, router advertisement | redirect                    drop
//!     MAC ip6 saddr ::, neighbour solicitation for IPV6 | LINK-LOCAL (is it mine alone?)                    accept
//!     MAC ip6 saddr IPV6 | LINK-LOCAL, neighbour advertisement of IPV6 | LINK-LOCAL                         accept
//!     MAC ip6, neighbour advertisement                            drop
//!     MAC ip6 saddr IPV6 | LINK-LOCAL                             accept
//!     MAC arp of IPv4 on Ethernet, sender MAC and IPV4, or MAC and 0.0.0.0 (is it mine alone?)              accept
//! } }
//! ```
//!
//! MAC and the type of the frame are compared as the eight bytes that they are: a frame with a VLAN tag or an LLC header has
//! another type there, however the receiver would read it (CVE-2021-27853 and following). ICMPv6 is found behind extension
//! headers (ipv6_find_hdr in net/ipv6/exthdrs_core.c). Neighbour discovery in fragments is not recognised here, and ignored
//! by receivers (RFC 6980, ndisc_suppress_frag_ndisc in net/ipv6/ndisc.c). Later fragments are told apart, because some kernels
//! take their data for a transport header (nft_payload_fast_eval in net/netfilter/nf_tables_core.c).

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::{
    ACCEPT, BATCH_BEGIN, BATCH_END, CREATE, DELETE_CHAIN, DROP, EQUAL, EXCLUSIVE, NEW_CHAIN, NEW_TABLE, NOT_EQUAL,
    Place, SUBSYSTEM, TABLE, Writer, execute,
};
use crate::spec::network::Mac;

/// NFPROTO_NETDEV.
const NETDEV: u8 = 5;
/// NF_NETDEV_INGRESS.
const INGRESS: u32 = 0;

/// NFT_PAYLOAD_LL_HEADER, NFT_PAYLOAD_NETWORK_HEADER, NFT_PAYLOAD_TRANSPORT_HEADER.
const LINK: u32 = 0;
const NETWORK: u32 = 1;
const TRANSPORT: u32 = 2;

/// Types of frames (linux/if_ether.h).
const IPV4: [u8; 2] = [0x08, 0x00];
const ARP: [u8; 2] = [0x08, 0x06];
const IPV6: [u8; 2] = [0x86, 0xdd];

const ICMP: u8 = 1;
const ICMP_REDIRECT: u8 = 5;
const ICMPV6: u8 = 58;
const FRAGMENT: u8 = 44;
const ROUTER_ADVERTISEMENT: u8 = 134;
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const ICMPV6_REDIRECT: u8 = 137;

/// A port, and the addresses of its container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard<'a> {
    /// Its name in R, which is also that of its chain.
    pub port: &'a str,
    /// Its container's hardware address.
    pub mac: Mac,
    /// Its IPv4 address.
    pub ipv4: Option<Ipv4Addr>,
    /// Its IPv6 address.
    pub ipv6: Option<Ipv6Addr>,
}

/// What to do if the port has a chain already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Former {
    /// It belongs to the same port: keep it.
    Keep,
    /// It belongs to a removed port of the same name: since Linux 6.16 a chain waits for the next such device. Replace
    /// it.
    Replace,
}

/// Installs the filter in the network namespace of this thread. If the kernel lacks a feature, the error is one of
/// [`is_unsupported`], and nothing has changed.
pub fn install(guard: Guard<'_>, former: Former) -> io::Result<()> {
    match execute(&transaction(guard, false)) {
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => match former {
            Former::Keep => Ok(()),
            Former::Replace => execute(&transaction(guard, true)),
        },
        result => result,
    }
}

/// Removes the chain of a port that is gone. Many kernels have removed it already.
pub fn remove(port: &str) {
    let mut writer = Writer::default();
    writer.message(BATCH_BEGIN, 0, 0, SUBSYSTEM, |_| {});
    let last = writer.sequence;
    let name = terminated(port);
    let place = Place { family: NETDEV, chain: &name };
    writer.message(SUBSYSTEM << 8 | DELETE_CHAIN, super::ACK, NETDEV, 0, |writer| writer.chain(&place));
    writer.message(BATCH_END, 0, 0, SUBSYSTEM, |_| {});
    let _ = execute(&(writer.bytes, last));
}

/// Whether an error means that the kernel has no such rules, rather than a failure.
pub fn is_unsupported(error: &io::Error) -> bool {
    let known = [libc::ENOENT, libc::EOPNOTSUPP, libc::EAFNOSUPPORT, libc::EPROTONOSUPPORT];
    error.raw_os_error().is_some_and(|errno| known.contains(&errno))
}

/// The link-local address that the kernel derives from a hardware address (RFC 4291, appendix A).
pub fn link_local(Mac([a, b, c, d, e, f]): Mac) -> Ipv6Addr {
    Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f])
}

fn terminated(name: &str) -> Vec<u8> {
    [name.as_bytes(), b"\0"].concat()
}

/// The whole batch, and the sequence number of the acknowledged message.
fn transaction(guard: Guard<'_>, replace: bool) -> (Vec<u8>, u32) {
    let name = terminated(guard.port);
    let place = Place { family: NETDEV, chain: &name };
    let mut writer = Writer::default();
    writer.message(BATCH_BEGIN, 0, 0, SUBSYSTEM, |_| {});
    writer.message(SUBSYSTEM << 8 | NEW_TABLE, CREATE, NETDEV, 0, |writer| writer.bytes(1, TABLE));
    if replace {
        writer.message(SUBSYSTEM << 8 | DELETE_CHAIN, 0, NETDEV, 0, |writer| writer.chain(&place));
    }
    writer.message(SUBSYSTEM << 8 | NEW_CHAIN, CREATE | EXCLUSIVE, NETDEV, 0, |writer| {
        writer.chain(&place);
        writer.nested(4, |writer| {
            writer.number(1, INGRESS);
            writer.number(2, 0);
            writer.bytes(3, &name);
        });
        writer.number(5, DROP);
        writer.bytes(7, b"filter\0");
    });
    let mut rules = Rules { writer, place, mac: guard.mac };
    rules.ipv4(guard.ipv4);
    let own: Vec<[u8; 16]> = guard.ipv6.into_iter().chain([link_local(guard.mac)]).map(|own| own.octets()).collect();
    rules.ipv6(&own);
    let last = rules.arp(guard.ipv4);
    let mut writer = rules.writer;
    writer.message(BATCH_END, 0, 0, SUBSYSTEM, |_| {});
    (writer.bytes, last)
}

/// Writes the rules of a chain.
struct Rules<'a> {
    writer: Writer,
    place: Place<'a>,
    mac: Mac,
}

/// One condition of a rule: bytes at an offset of the packet, or the protocol.
#[derive(Clone, Copy)]
enum Is<'a> {
    Bytes(u32, u32, &'a [u8]),
    NotByte(u32, u32, u8),
    /// Any of these bits of two bytes is set.
    AnyOf(u32, u32, [u8; 2]),
    Protocol(u8),
    NotProtocol(u8),
}

impl Rules<'_> {
    /// Matches frames of this type from the container's hardware address that meet all conditions.
    fn rule(&mut self, kind: [u8; 2], conditions: &[Is<'_>], verdict: u32) {
        let [a, b, c, d, e, f] = self.mac.0;
        let [high, low] = kind;
        let origin = [a, b, c, d, e, f, high, low];
        self.writer.rule(&self.place, 0, |writer| {
            for condition in [Is::Bytes(LINK, 6, &origin)].iter().chain(conditions) {
                match *condition {
                    Is::Bytes(base, offset, bytes) => {
                        writer.load_payload(base, offset, bytes.len() as u32);
                        writer.compare(EQUAL, bytes);
                    }
                    Is::NotByte(base, offset, byte) => {
                        writer.load_payload(base, offset, 1);
                        writer.compare(NOT_EQUAL, &[byte]);
                    }
                    Is::AnyOf(base, offset, bits) => {
                        writer.load_payload(base, offset, 2);
                        writer.mask(&bits);
                        writer.compare(NOT_EQUAL, &[0, 0]);
                    }
                    Is::Protocol(protocol) => {
                        writer.load_meta(super::META_L4PROTO);
                        writer.compare(EQUAL, &[protocol]);
                    }
                    Is::NotProtocol(protocol) => {
                        writer.load_meta(super::META_L4PROTO);
                        writer.compare(NOT_EQUAL, &[protocol]);
                    }
                }
            }
            writer.verdict(verdict);
        });
    }

    fn ipv4(&mut self, own: Option<Ipv4Addr>) {
        let Some(own) = own.map(|own| own.octets()) else { return };
        let source = Is::Bytes(NETWORK, 12, &own);
        self.rule(IPV4, &[source, Is::NotByte(NETWORK, 9, ICMP)], ACCEPT);
        self.rule(IPV4, &[source, Is::AnyOf(NETWORK, 6, [0x1f, 0xff])], ACCEPT);
        self.rule(IPV4, &[Is::Bytes(NETWORK, 9, &[ICMP]), Is::Bytes(TRANSPORT, 0, &[ICMP_REDIRECT])], DROP);
        self.rule(IPV4, &[source], ACCEPT);
    }

    fn ipv6(&mut self, own: &[[u8; 16]]) {
        let (source, target) = (|own| Is::Bytes(NETWORK, 8, own), |own| Is::Bytes(TRANSPORT, 8, own));
        let icmp = Is::Protocol(ICMPV6);
        for address in own {
            self.rule(IPV6, &[source(address), Is::NotProtocol(ICMPV6)], ACCEPT);
        }
        // The fragment header comes first but for options that are not in use; its offset field is the upper 13 bits.
        let (fragment, later) = (Is::Bytes(NETWORK, 6, &[FRAGMENT]), Is::AnyOf(NETWORK, 42, [0xff, 0xf8]));
        for address in own {
            self.rule(IPV6, &[source(address), fragment, later], ACCEPT);
        }
        for kind in [ROUTER_ADVERTISEMENT, ICMPV6_REDIRECT] {
            self.rule(IPV6, &[icmp, Is::Bytes(TRANSPORT, 0, &[kind])], DROP);
        }
        for address in own {
            let solicits = Is::Bytes(TRANSPORT, 0, &[NEIGHBOUR_SOLICITATION]);
            self.rule(IPV6, &[source(&[0; 16]), icmp, solicits, target(address)], ACCEPT);
        }
        let advertises = Is::Bytes(TRANSPORT, 0, &[NEIGHBOUR_ADVERTISEMENT]);
        for address in own {
            for advertised in own {
                self.rule(IPV6, &[source(address), icmp, advertises, target(advertised)], ACCEPT);
            }
        }
        self.rule(IPV6, &[icmp, advertises], DROP);
        for address in own {
            self.rule(IPV6, &[source(address)], ACCEPT);
        }
    }

    /// Returns the number of the last message.
    fn arp(&mut self, own: Option<Ipv4Addr>) -> u32 {
        // Ethernet, IPv4, and the lengths of their addresses.
        let kind = Is::Bytes(NETWORK, 0, &[0, 1, 0x08, 0x00, 6, 4]);
        let sender = |ip: [u8; 4]| [self.mac.0.as_slice(), &ip].concat();
        let senders: Vec<Vec<u8>> = own.map(|own| own.octets()).into_iter().chain([[0; 4]]).map(sender).collect();
        for sender in &senders {
            self.rule(ARP, &[kind, Is::Bytes(NETWORK, 8, sender)], ACCEPT);
        }
        self.writer.acknowledge_last()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::messages_of;
    use super::*;

    const GUARD: Guard<'_> = Guard {
        port: "v0123456789abcd",
        mac: Mac([2, 0x42, 172, 17, 0, 2]),
        ipv4: Some(Ipv4Addr::new(172, 17, 0, 2)),
        ipv6: Some(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2)),
    };

    #[test]
    fn link_local_addresses_are_made_of_hardware_addresses() {
        assert_eq!(link_local(GUARD.mac).to_string(), "fe80::42:acff:fe11:2");
    }

    #[test]
    fn every_length_adds_up_and_the_last_rule_is_acknowledged() {
        for (guard, rules) in [
            (GUARD, 4 + 2 + 2 + 2 + 2 + 4 + 1 + 2 + 2),
            (Guard { ipv6: None, ..GUARD }, 4 + 1 + 1 + 2 + 1 + 1 + 1 + 1 + 2),
            (Guard { ipv4: None, ..GUARD }, 2 + 2 + 2 + 2 + 4 + 1 + 2 + 1),
        ] {
            for replace in [false, true] {
                let (bytes, last) = transaction(guard, replace);
                // Beginning, table, chain, rules, end.
                let count = 4 + u32::from(replace) + rules;
                assert_eq!((messages_of(&bytes), last), (count, count - 2));
            }
        }
    }
}
