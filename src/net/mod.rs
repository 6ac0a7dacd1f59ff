//! Rootless container networks: bridges, addresses, DNS, outbound traffic and published ports, in one process per user.
//!
//! # Theory of operation
//!
//! [`netd`] runs once per user. The first supervisor whose container needs a network starts it; it exits a few seconds
//! after the last container has left. It belongs to the user's outer user namespace and to two network namespaces.
//! Sockets that face the outside are made in the host's (H), so they follow its routes, VPNs and resolvers. Everything
//! that faces containers is in a router namespace (R): a bridge for each network, with the gateway's address; a virtual
//! Ethernet pair for each container and network; and a TUN device as the default route.
//!
//! Containers of one network reach each other through their bridge, in the kernel. Other packets arrive at the TUN
//! device. For UDP and ICMP echo, netd makes a socket of H. A TCP SYN is held until a socket of H has connected; netd
//! then writes the same SYN back, and a tproxy rule hands it to a listener in R. So the kernel speaks TCP on both
//! sides, and netd only moves bytes between two sockets. Without nf_tables or tproxy, netd speaks TCP on the TUN device
//! itself.
//!
//! netd keeps no state that cannot be rebuilt. Each supervisor holds a connection to it, a file descriptor of R, and
//! what its container was given ([`protocol`]). When netd dies, containers of one network still reach each other; the
//! first supervisor that notices starts a new netd in the same R, and all supervisors join again.
//!
//! Files: [`networks`] definitions on disk ([`crate::spec::network`] has the types); [`protocol`] messages between
//! supervisors and netd, [`client`] the supervisors' end; [`netd`] the process; [`handler`] what protocol handlers and
//! the event loop share; `router` the namespace R, made with `netlink` and `nft`; [`table`] members, addresses and
//! names; [`dns`] the DNS forwarder; [`packet`] parsing and building IP packets; [`tcp`], [`udp`] and [`icmp`] outbound
//! traffic, [`tcp_ports`] and [`udp_ports`] published ports; [`etc`] hosts and resolv.conf of containers; [`trial`]
//! kernel checks.

pub mod client;
pub mod dns;
pub mod etc;
#[cfg(test)]
mod fake;
mod flows;
pub mod handler;
pub mod icmp;
pub mod netd;
mod netlink;
pub mod networks;
mod nft;
pub mod packet;
pub mod protocol;
mod router;
pub mod table;
pub mod tcp;
pub mod tcp_ports;
pub mod trial;
pub mod udp;
pub mod udp_ports;
