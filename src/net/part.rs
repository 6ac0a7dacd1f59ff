//! How the parts of netd share one loop: what wakes a part, and what it works with.
//!
//! netd's main thread waits with epoll(7) and calls the part whose descriptor is ready. A part owns its descriptors and
//! its tables, never blocks, and does a bounded amount of work at a time. It learns the time from its caller, so that
//! tests decide what time it is.

use std::io;
use std::net::IpAddr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::net::{AddressFamily, Protocol as Transport, SocketType};

use crate::spec::network::Protocol;

/// The parts that own descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Part {
    /// Supervisors' connections and netd's own listening socket.
    Control = 0,
    /// The TUN device.
    Tun,
    /// UDP to the outside.
    Udp,
    /// ICMP echo to the outside.
    Icmp,
    /// TCP: connections being made, and bytes being moved.
    Tcp,
    /// Published TCP ports.
    TcpPorts,
    /// Published UDP ports.
    UdpPorts,
    /// Questions from containers, and the host's resolvers.
    Dns,
    /// Changes of the host: routes, resolvers.
    Host,
}

/// What epoll gives back for a descriptor: the part that owns it, and the part's own number for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token(u64);

impl Token {
    /// The most that a part's own number may be.
    pub const MAX_INDEX: u64 = (1 << 56) - 1;

    /// `index` is what the part likes; its upper byte is cut off.
    pub fn new(part: Part, index: u64) -> Self {
        Self((part as u64) << 56 | index & Self::MAX_INDEX)
    }

    /// As handed to the kernel.
    pub fn raw(self) -> u64 {
        self.0
    }

    /// As received from the kernel.
    pub fn from_raw(raw: u64) -> Option<(Part, u64)> {
        use Part::{Control, Dns, Host, Icmp, Tcp, TcpPorts, Tun, Udp, UdpPorts};
        let parts = [Control, Tun, Udp, Icmp, Tcp, TcpPorts, UdpPorts, Dns, Host];
        let part = *parts.get(usize::try_from(raw >> 56).ok()?)?;
        Some((part, raw & Self::MAX_INDEX))
    }
}

bitflags::bitflags! {
    /// What to wait for, or what has happened (epoll(7)); errors and hang-ups are always reported.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Interest: u32 {
        /// There is something to read, or to accept.
        const READ = libc::EPOLLIN as u32;
        /// There is room to write, or a connection was made.
        const WRITE = libc::EPOLLOUT as u32;
        /// Urgent data.
        const URGENT = libc::EPOLLPRI as u32;
        /// The other end will send no more.
        const READ_CLOSED = libc::EPOLLRDHUP as u32;
        /// An error is pending.
        const ERROR = libc::EPOLLERR as u32;
        /// Both directions are closed.
        const CLOSED = libc::EPOLLHUP as u32;
        /// Reported once, until something new happens.
        const EDGE = libc::EPOLLET as u32;
    }
}

/// Where parts say what they wait for. netd implements it on epoll, tests on a list.
pub trait Wakes {
    /// Starts waiting on a descriptor. It ends by itself when the last copy of the descriptor is closed.
    fn watch(&self, fd: BorrowedFd<'_>, interest: Interest, token: Token) -> io::Result<()>;
    /// Changes what is waited for.
    fn change(&self, fd: BorrowedFd<'_>, interest: Interest, token: Token) -> io::Result<()>;
    /// Stops waiting on a descriptor that stays open.
    fn ignore(&self, fd: BorrowedFd<'_>) -> io::Result<()>;
}

/// Where sockets come from: a socket belongs to the network namespace of the thread that makes it (socket(2)), whoever
/// uses it afterwards. All are non-blocking and closed on exec.
pub trait Sockets {
    /// In the host's namespace.
    fn host(&self, family: AddressFamily, kind: SocketType, protocol: Option<Transport>) -> io::Result<OwnedFd>;
    /// In the router's namespace.
    fn router(&self, family: AddressFamily, kind: SocketType, protocol: Option<Transport>) -> io::Result<OwnedFd>;
}

/// What a virtual device knows of a packet besides its bytes (struct virtio_net_hdr, linux/virtio_net.h).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Offload {
    /// The checksum of the transport header is still to be filled in: where the header starts, and where in it the
    /// checksum is, in bytes.
    pub checksum: Option<(u16, u16)>,
    /// One large packet instead of many: of which kind, how many bytes of headers, how many of data in each.
    pub segments: Option<(Segments, u16, u16)>,
}

/// Kinds of large packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segments {
    /// TCP over IPv4.
    Tcp4,
    /// TCP over IPv6.
    Tcp6,
    /// UDP (since Linux 6.2).
    Udp,
}

/// The TUN device, seen from the parts: IP packets without a link header go into the router namespace.
pub trait Link {
    /// Sends one packet; false when the queue is full and the packet is lost, as on any wire.
    fn send(&mut self, packet: &[u8], offload: Offload) -> bool;

    /// Whether [`Segments::Udp`] can be sent: since Linux 6.2, when TUNSETOFFLOAD takes TUN_F_USO4 and TUN_F_USO6.
    fn cuts_udp(&self) -> bool {
        false
    }
}

/// Where a packet of a container wants to go, as the tables of networks decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    /// To this address, in the host's namespace. It is not always the one in the packet: the address of
    /// `host.containers.internal` stands for one of the host's own.
    To(IpAddr),
    /// Nowhere: it is for the host itself, which has no address that containers may reach. Answered as "network
    /// unreachable".
    Unreachable,
    /// Nowhere: the network is internal, or the address belongs to nobody. Answered as "administratively prohibited".
    Prohibited,
    /// Nowhere, and without an answer: multicast, broadcast, what no member sent.
    Nothing,
}

/// A member, as shares are counted: a number that no other member has had since netd started. One member may have many
/// addresses, two on each of its networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Holder(pub u64);

impl Holder {
    /// Of addresses that are nobody's.
    pub const NOBODY: Self = Self(0);
}

/// Decides what is allowed, from the tables of networks and members.
pub trait Policy {
    /// For the packet of a container at `source`, on whatever network. `port` is the destination's, of protocols that have
    /// ports.
    fn outside(&self, source: IpAddr, destination: IpAddr, port: Option<(Protocol, u16)>) -> Outside;
    /// Whether the address is one of those that stand for the host: what [`Policy::outside`] says of it may change.
    fn stands_for_host(&self, address: IpAddr) -> bool;
    /// The address under which a host process at `client` that uses a published port is seen by a container at `member`: its own,
    /// unless nobody could answer it (loopback, addresses that the host itself has, those within a container network).
    fn visible(&self, client: IpAddr, member: IpAddr) -> IpAddr;

    /// Whether the host itself has this address: what it sends there stays on this machine.
    fn is_on_host(&self, address: IpAddr) -> bool;

    /// Whose address it is.
    fn holder(&self, address: IpAddr) -> Holder;

    /// The largest packet that reaches a member in one piece, in bytes: the MTU of its network.
    fn mtu(&self, member: IpAddr) -> usize {
        let _ = member;
        1500
    }
}

/// What a part works with during one call.
pub struct Context<'a> {
    /// The time of this round of the loop.
    pub now: Instant,
    /// For descriptors that it makes or gives up.
    pub wakes: &'a dyn Wakes,
    /// For sockets that it makes.
    pub sockets: &'a dyn Sockets,
    /// The way to containers.
    pub link: &'a mut dyn Link,
    /// What is allowed.
    pub policy: &'a dyn Policy,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back() {
        for (part, index) in [(Part::Control, 0), (Part::Tcp, Token::MAX_INDEX), (Part::Host, 7)] {
            assert_eq!(Token::from_raw(Token::new(part, index).raw()), Some((part, index)));
        }
        assert_eq!(Token::from_raw(200 << 56), None);
    }
}
