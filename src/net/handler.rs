//! The interface between netd's event loop and its protocol handlers: readiness events, and what a handler may use.
//!
//! netd's main thread waits with epoll(7) and calls the handler whose file descriptor is ready. A handler owns its
//! descriptors and tables, never blocks, and does a bounded amount of work per call. The caller passes the time in, so
//! tests control the clock.

use std::io;
use std::net::IpAddr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::net::{AddressFamily, Protocol as Transport, SocketType};

use crate::spec::network::Protocol;

/// The handlers that own file descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Handler {
    /// Supervisors' connections and netd's own listening socket.
    Control = 0,
    /// The TUN device.
    Tun,
    /// UDP to the outside.
    Udp,
    /// ICMP echo to the outside.
    Icmp,
    /// TCP: connections being made, and data transfer.
    Tcp,
    /// Published TCP ports.
    TcpPorts,
    /// Published UDP ports.
    UdpPorts,
    /// DNS queries of containers, and the host's resolvers.
    Dns,
    /// Changes of the host: routes, resolvers.
    Host,
}

/// The epoll data of a file descriptor: the handler that owns it, and the handler's index for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token(u64);

impl Token {
    /// The largest index.
    pub const MAX_INDEX: u64 = (1 << 56) - 1;

    /// The upper byte of `index` is cut off.
    pub fn new(handler: Handler, index: u64) -> Self {
        Self((handler as u64) << 56 | index & Self::MAX_INDEX)
    }

    /// The value for the kernel.
    pub fn raw(self) -> u64 {
        self.0
    }

    /// The value from the kernel.
    pub fn from_raw(raw: u64) -> Option<(Handler, u64)> {
        use Handler::{Control, Dns, Host, Icmp, Tcp, TcpPorts, Tun, Udp, UdpPorts};
        let parts = [Control, Tun, Udp, Icmp, Tcp, TcpPorts, UdpPorts, Dns, Host];
        let handler = *parts.get(usize::try_from(raw >> 56).ok()?)?;
        Some((handler, raw & Self::MAX_INDEX))
    }
}

bitflags::bitflags! {
    /// Events to wait for, or that have happened (epoll(7)); errors and hang-ups are always reported.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Interest: u32 {
        /// There is something to read, or to accept.
        const READ = libc::EPOLLIN as u32;
        /// There is room to write, or a connection was made.
        const WRITE = libc::EPOLLOUT as u32;
        /// Urgent data.
        const URGENT = libc::EPOLLPRI as u32;
        /// The peer will send no more.
        const READ_CLOSED = libc::EPOLLRDHUP as u32;
        /// An error is pending.
        const ERROR = libc::EPOLLERR as u32;
        /// Both directions are closed.
        const CLOSED = libc::EPOLLHUP as u32;
        /// Edge-triggered: reported once, until something new happens.
        const EDGE = libc::EPOLLET as u32;
    }
}

/// Registers file descriptors with the event loop. netd implements it with epoll, tests with a list.
pub trait Wakes {
    /// Starts waiting on a descriptor. The wait ends when the last copy of the descriptor is closed.
    fn watch(&self, fd: BorrowedFd<'_>, interest: Interest, token: Token) -> io::Result<()>;
    /// Changes what is waited for.
    fn change(&self, fd: BorrowedFd<'_>, interest: Interest, token: Token) -> io::Result<()>;
    /// Stops waiting on a descriptor that stays open.
    fn ignore(&self, fd: BorrowedFd<'_>) -> io::Result<()>;
}

/// Makes sockets, non-blocking and close-on-exec. A socket belongs to the network namespace of the thread that makes it
/// (socket(2)), whichever thread uses it afterwards.
pub trait Sockets {
    /// In the host's namespace.
    fn host(&self, family: AddressFamily, kind: SocketType, protocol: Option<Transport>) -> io::Result<OwnedFd>;
    /// In the router's namespace.
    fn router(&self, family: AddressFamily, kind: SocketType, protocol: Option<Transport>) -> io::Result<OwnedFd>;
}

/// What a virtual device says of a packet besides its bytes (struct virtio_net_hdr, linux/virtio_net.h).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Offload {
    /// The checksum of the transport header is not filled in yet: where the header starts, and the checksum's offset in
    /// it, in bytes.
    pub checksum: Option<(u16, u16)>,
    /// A GSO packet: its kind, the bytes of headers, and the payload bytes of each segment.
    pub segments: Option<(Segments, u16, u16)>,
}

/// Kinds of GSO packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segments {
    /// TCP over IPv4.
    Tcp4,
    /// TCP over IPv6.
    Tcp6,
    /// UDP (since Linux 6.2).
    Udp,
}

/// The TUN device as handlers see it: IP packets without a link header go into the router namespace.
pub trait Link {
    /// Sends one packet; false when the queue is full and the packet is lost, as on any wire.
    fn send(&mut self, packet: &[u8], offload: Offload) -> bool;

    /// Whether [`Segments::Udp`] can be sent: since Linux 6.2, when TUNSETOFFLOAD takes TUN_F_USO4 and TUN_F_USO6.
    fn cuts_udp(&self) -> bool {
        false
    }
}

/// Where a packet of a container goes, as the tables of networks decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    /// To this address, in the host's namespace. It is not always the one in the packet: the address of
    /// `host.containers.internal` stands for one of the host's own.
    To(IpAddr),
    /// Nowhere: it is for the host itself, which has no address that containers may reach. Answered as "network
    /// unreachable".
    Unreachable,
    /// Nowhere: the network is internal, or no member has the address. Answered as "administratively prohibited".
    Prohibited,
    /// Nowhere, and without an answer: multicast, broadcast, and packets with a source that no member has.
    Nothing,
}

/// The number of a member for per-member limits, unique since netd started. A member may have many addresses, two on
/// each of its networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Holder(pub u64);

impl Holder {
    /// Of addresses that no member has.
    pub const NOBODY: Self = Self(0);
}

/// Decides what traffic is allowed, from the tables of networks and members.
pub trait Policy {
    /// Decides about a packet of the container at `source`. `port` is the destination's, for protocols that have ports.
    fn outside(&self, source: IpAddr, destination: IpAddr, port: Option<(Protocol, u16)>) -> Outside;
    /// Whether the address is one of those that stand for the host: what [`Policy::outside`] says of it may change.
    fn stands_for_host(&self, address: IpAddr) -> bool;
    /// The address under which a host process at `client` that uses a published port is seen by a container at `member`: its own,
    /// unless nobody could answer it (loopback, addresses that the host itself has, those within a container network).
    fn visible(&self, client: IpAddr, member: IpAddr) -> IpAddr;

    /// Whether the host itself has this address: traffic to it stays on this machine.
    fn is_on_host(&self, address: IpAddr) -> bool;

    /// The member that has an address.
    fn holder(&self, address: IpAddr) -> Holder;

    /// The largest packet that reaches a member in one piece, in bytes: the MTU of its network.
    fn mtu(&self, member: IpAddr) -> usize {
        let _ = member;
        1500
    }
}

/// What a handler may use during one call.
pub struct Context<'a> {
    /// The time of this round of the loop.
    pub now: Instant,
    /// Registers and unregisters file descriptors.
    pub wakes: &'a dyn Wakes,
    /// Makes sockets.
    pub sockets: &'a dyn Sockets,
    /// The device that leads to containers.
    pub link: &'a mut dyn Link,
    /// What is allowed.
    pub policy: &'a dyn Policy,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back() {
        for (handler, index) in [(Handler::Control, 0), (Handler::Tcp, Token::MAX_INDEX), (Handler::Host, 7)] {
            assert_eq!(Token::from_raw(Token::new(handler, index).raw()), Some((handler, index)));
        }
        assert_eq!(Token::from_raw(200 << 56), None);
    }
}
