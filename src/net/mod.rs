//! Networks without root: bridges, addresses, names, the way out and published ports, in one small process per user.
//!
//! # Theory of operation
//!
//! [`netd`] is one process per user, started by the first supervisor whose container needs a network and gone
//! a few seconds after the last one. It lives in the user's outer user namespace and in two network namespaces: sockets
//! that face the world are made in the host's (H), where routes, VPNs and resolvers are whatever they are at the moment;
//! everything that faces containers is in a router namespace (R) of its own: a bridge for each network, with the
//! gateway's address, one virtual Ethernet pair for each container and network, and one TUN device as the default route.
//!
//! Containers of one network talk through their bridge, by the kernel alone. What they send elsewhere arrives as packets
//! on the TUN device: UDP and ICMP echo become sockets of H. A TCP SYN waits there until a socket of
//! H has connected: then the very same SYN is written back, and a tproxy rule hands it to a listener in R, so
//! that the kernel speaks TCP on both sides and netd only moves bytes between two sockets. Where nf_tables or tproxy is
//! missing, netd speaks TCP on the TUN device itself.
//!
//! netd keeps no state that cannot be rebuilt: each supervisor holds a connection to it, a descriptor of R, and what its
//! container was given ([`protocol`]). When netd dies, containers keep talking to each other; whichever supervisor sees
//! it first starts another one in the same R, and all of them join again.
//!
//! Subjects ([`crate::spec::network`] is what a network and a member of it are): [`networks`] the
//! definitions on disk; [`protocol`] what supervisors and netd say to each other, [`client`] the supervisors' end of it;
//! [`netd`] the process; [`part`] how its parts share one loop; `router` the namespace R, made with `netlink` and `nft`;
//! [`table`] who is where, and under which names; [`dns`] questions from containers; [`packet`] IP packets, read and
//! written; [`tcp`], [`udp`] and [`icmp`] traffic to the outside, [`tcp_ports`] and [`udp_ports`] from it; [`etc`] the files
//! by which containers know names; [`trial`] whether this machine has what all of it needs.

pub mod client;
pub mod dns;
pub mod etc;
#[cfg(test)]
mod fake;
mod flows;
pub mod icmp;
pub mod netd;
mod netlink;
pub mod networks;
mod nft;
pub mod packet;
pub mod part;
pub mod protocol;
mod router;
pub mod table;
pub mod tcp;
pub mod tcp_ports;
pub mod trial;
pub mod udp;
pub mod udp_ports;
