//! Sockets of flows and their listeners: no Nagle delay (RFC 896 is the programs' own matter), keepalive, and no pacing
//! on host-local connections ([`use_reno`]).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::sockopt::{
    set_ipv6_v6only, set_socket_keepalive, set_socket_reuseaddr, set_tcp_congestion, set_tcp_nodelay,
};
use rustix::net::{AddressFamily, SocketType, bind, connect, ipproto, listen};

use crate::net::handler::Context;
use crate::sys::tcp::set_transparent;

/// The listen backlog; Linux limits it (net.core.somaxconn, 4096 by default).
const BACKLOG: i32 = 4096;

/// The family of an address.
pub(in crate::net) fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::INET,
        IpAddr::V6(_) => AddressFamily::INET6,
    }
}

/// A socket of H that listens on one family only. Accepted sockets inherit its options (tcp(7)).
pub(in crate::net) fn listen_host(cx: &Context<'_>, address: SocketAddr) -> io::Result<OwnedFd> {
    listening(cx.sockets.host(family(address.ip()), SocketType::STREAM, Some(ipproto::TCP))?, address)
}

/// A socket of R that accepts what a tproxy rule hands it.
pub(super) fn listen_transparent(cx: &Context<'_>, address: SocketAddr) -> io::Result<OwnedFd> {
    let socket = cx.sockets.router(family(address.ip()), SocketType::STREAM, Some(ipproto::TCP))?;
    set_transparent(socket.as_fd(), address.is_ipv6())?;
    listening(socket, address)
}

fn listening(socket: OwnedFd, address: SocketAddr) -> io::Result<OwnedFd> {
    set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        set_ipv6_v6only(&socket, true)?;
    }
    set_options(&socket)?;
    bind(&socket, &address)?;
    // SO_REUSEADDR lets two sockets bind one port, but not listen.
    listen(&socket, BACKLOG)?;
    Ok(socket)
}

fn set_options(socket: &OwnedFd) -> io::Result<()> {
    set_tcp_nodelay(socket, true)?;
    Ok(set_socket_keepalive(socket, true)?)
}

/// Connects; whether it has connected already.
fn call(socket: &OwnedFd, target: SocketAddr) -> io::Result<bool> {
    match connect(socket, &target) {
        Ok(()) => Ok(true),
        Err(Errno::INPROGRESS | Errno::INTR) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// No pacing on host-local connections. The host's congestion control is made for networks; one that paces (BBR) arms a
/// timer for each packet, which costs half as much processor time again as the bytes. R and containers are set up with
/// Reno as a whole.
pub(in crate::net) fn use_reno(socket: &OwnedFd) {
    // Linux always has Reno and allows it to everybody. It slows down for losses, and there are none.
    let _ = set_tcp_congestion(socket, "reno");
}

/// Connects a socket of H: the socket, and whether it has connected already.
pub(super) fn call_outside(cx: &Context<'_>, target: SocketAddr) -> io::Result<(OwnedFd, bool)> {
    let socket = cx.sockets.host(family(target.ip()), SocketType::STREAM, Some(ipproto::TCP))?;
    set_options(&socket)?;
    if cx.policy.is_on_host(target.ip()) {
        use_reno(&socket);
    }
    let connected = call(&socket, target)?;
    Ok((socket, connected))
}

/// A socket of R that connects to a container.
#[derive(Debug)]
pub(in crate::net) struct Called {
    pub(super) socket: OwnedFd,
    /// The container's address.
    pub(super) member: IpAddr,
    /// It has connected already.
    pub(super) connected: bool,
    /// The address to try if the connection is refused.
    pub(in crate::net) other: Option<SocketAddr>,
}

impl Called {
    /// Connects from the client's address, or from one of R's own.
    pub(in crate::net) fn from_router(
        cx: &Context<'_>,
        from: Option<SocketAddr>,
        target: SocketAddr,
    ) -> io::Result<Self> {
        let socket = cx.sockets.router(family(target.ip()), SocketType::STREAM, Some(ipproto::TCP))?;
        set_options(&socket)?;
        if let Some(from) = from.filter(|from| from.is_ipv4() == target.is_ipv4()) {
            set_transparent(socket.as_fd(), target.is_ipv6())?;
            // The same client may have a connection from the same port to another container.
            set_socket_reuseaddr(&socket, true)?;
            bind(&socket, &from)?;
        }
        let connected = call(&socket, target)?;
        Ok(Self { socket, member: target.ip(), connected, other: None })
    }
}
