//! Published TCP ports: listening sockets of the host, and connections from there to containers.
//!
//! # Theory of operation
//!
//! A port is opened before its container starts, so that a conflict is reported in time. It listens from then on: a
//! client that connects early waits until the port is aimed at the container. Each accepted connection gets a second
//! socket, in the router's namespace, bound to the client's own address and port (IP_TRANSPARENT, ip(7)), so that the
//! container sees the client. Without tproxy, whose rules deliver answers to such sockets, [`Tcp`] speaks for the
//! client. If answers to the client's address would not return, the gateway's address is used. If the container refuses
//! the connection on the client's family, the other family is tried, from the gateway: many programs listen on IPv4
//! only, while clients take `localhost` for `::1`. Both sockets are then a flow of [`Tcp`].

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with, getsockname};

use super::handler::{Context, Handler, Holder, Interest, Token};
use super::tcp::{Called, RETRY, Tcp, listen_host, reset, use_reno};
use crate::base::error::Kind;
use crate::base::{Error, Result};
use crate::spec::network::{Publish, PublishedPort};

/// How many connections are accepted per call.
const ACCEPTS: usize = 32;
/// How often a port is searched that is free on both families.
const ATTEMPTS: usize = 16;

/// All published TCP ports.
#[derive(Debug, Default)]
pub struct TcpPorts {
    ports: HashMap<(Option<IpAddr>, u16), Port>,
    /// By the indexes of their listeners.
    listeners: HashMap<u64, (Option<IpAddr>, u16)>,
    next: u64,
    /// When to resume listeners that paused for lack of room.
    retry: Option<Instant>,
}

#[derive(Debug)]
struct Port {
    /// With their indexes.
    listeners: Vec<(u64, OwnedFd)>,
    container_port: u16,
    /// The container, once it is known.
    target: Option<Target>,
}

/// The addresses of a container. Without any, connections are reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Its IPv4 address.
    pub ipv4: Option<Ipv4Addr>,
    /// Its IPv6 address.
    pub ipv6: Option<Ipv6Addr>,
}

impl Target {
    /// For a client of this family: the address of the same family, or the other one.
    pub(super) fn address(&self, client: IpAddr) -> Option<IpAddr> {
        let (v4, v6) = (self.ipv4.map(IpAddr::V4), self.ipv6.map(IpAddr::V6));
        if client.is_ipv4() { v4.or(v6) } else { v6.or(v4) }
    }

    /// Either address.
    fn any(&self) -> Option<IpAddr> {
        self.ipv4.map(IpAddr::V4).or(self.ipv6.map(IpAddr::V6))
    }

    /// The address of the other family.
    fn other(&self, address: IpAddr) -> Option<IpAddr> {
        let (v4, v6) = (self.ipv4.map(IpAddr::V4), self.ipv6.map(IpAddr::V6));
        if address.is_ipv4() { v6 } else { v4 }
    }
}

impl TcpPorts {
    /// No ports.
    pub fn new() -> Self {
        Self::default()
    }

    /// Listens on a port of the host, on both families if no address is given. Returns the port with its real number.
    pub fn open(&mut self, cx: &mut Context<'_>, port: &PublishedPort) -> Result<PublishedPort> {
        if self.ports.contains_key(&(port.host_ip, port.host_port)) {
            return Err(in_use(port));
        }
        let (number, sockets) = listen_on(cx, port, listen_host)?;
        let key = (port.host_ip, number);
        let listeners: Vec<(u64, OwnedFd)> = (self.next..).zip(sockets).collect();
        self.next = (self.next + 2) & Token::MAX_INDEX;
        self.listeners.extend(listeners.iter().map(|(index, _)| (*index, key)));
        self.ports.insert(key, Port { listeners, container_port: port.container_port, target: None });
        Ok(PublishedPort { host_port: number, ..port.clone() })
    }

    /// Aims an open port at a container. Waiting clients are accepted.
    pub fn aim(&mut self, cx: &mut Context<'_>, port: &PublishedPort, target: Target) -> Result<()> {
        let Some(open) = self.ports.get_mut(&(port.host_ip, port.host_port)) else {
            return Err(Error::not_found(format!("{} is not open", describe(port))));
        };
        if open.target.replace(target).is_none() {
            for (index, listener) in &open.listeners {
                cx.wakes
                    .watch(listener.as_fd(), Interest::READ, Token::new(Handler::TcpPorts, *index))
                    .map_err(|error| Error::system(format!("cannot wait for {}", describe(port))).caused_by(error))?;
            }
        }
        Ok(())
    }

    /// Stops listening. Established connections go on.
    pub fn close(&mut self, port: &PublishedPort) {
        if let Some(closed) = self.ports.remove(&(port.host_ip, port.host_port)) {
            for (index, _) in closed.listeners {
                self.listeners.remove(&index);
            }
        }
    }

    /// Accepts connections of a listener.
    pub fn ready(&mut self, cx: &mut Context<'_>, index: u64, tcp: &mut Tcp) {
        let Some(key) = self.listeners.get(&index) else { return };
        let Some(port) = self.ports.get(key) else { return };
        let Some((_, listener)) = port.listeners.iter().find(|(number, _)| *number == index) else { return };
        let Some(target) = port.target else { return };
        let holder = target.any().map_or(Holder::NOBODY, |address| cx.policy.holder(address));
        for _ in 0..ACCEPTS {
            if !tcp.make_room(cx, holder, true) {
                pause(cx, listener, &mut self.retry);
                return;
            }
            match acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok((far, client)) => {
                    let client = client.and_then(|client| SocketAddr::try_from(client).ok());
                    if let Err(far) = forward(cx, tcp, far, client, target, port.container_port) {
                        reset(far);
                    }
                }
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                    pause(cx, listener, &mut self.retry);
                    return;
                }
                Err(_) => return,
            }
        }
    }

    /// When [`TcpPorts::expire`] should be called.
    pub fn deadline(&self) -> Option<Instant> {
        self.retry
    }

    /// Resumes listeners that are due.
    pub fn expire(&mut self, cx: &mut Context<'_>) {
        if self.retry.is_some_and(|when| when <= cx.now) {
            self.retry = None;
            let aimed = self.ports.values().filter(|port| port.target.is_some());
            for (index, listener) in aimed.flat_map(|port| &port.listeners) {
                // Those that did not pause are registered already.
                let _ = cx.wakes.watch(listener.as_fd(), Interest::READ, Token::new(Handler::TcpPorts, *index));
            }
        }
    }
}

/// Pauses a listener: there is no room for the container's flows.
fn pause(cx: &Context<'_>, listener: &OwnedFd, retry: &mut Option<Instant>) {
    retry.get_or_insert(cx.now + RETRY);
    let _ = cx.wakes.ignore(listener.as_fd());
}

/// Connects to the container; gives the client's socket back if that fails at once.
fn forward(
    cx: &mut Context<'_>,
    tcp: &mut Tcp,
    far: OwnedFd,
    client: Option<SocketAddr>,
    target: Target,
    port: u16,
) -> std::result::Result<(), OwnedFd> {
    let Some(client) = client.map(|client| SocketAddr::new(client.ip().to_canonical(), client.port())) else {
        return Err(far);
    };
    if cx.policy.is_on_host(client.ip()) {
        use_reno(&far);
    }
    let Some(member) = target.address(client.ip()) else { return Err(far) };
    let other = target.other(member).map(|other| SocketAddr::new(other, port));
    let target = SocketAddr::new(member, port);
    let seen = cx.policy.visible(client.ip(), member);
    let own = seen == client.ip();
    if own && !tcp.is_transparent() {
        return tcp.connect_userspace(cx, far, client, target, other);
    }
    // While these addresses and ports are in TIME_WAIT in R, another source port is used.
    let mut called = match own {
        true => Called::from_router(cx, Some(client), target),
        // The kernel chooses an address of R.
        false => Called::from_router(cx, None, target),
    };
    if own && called.as_ref().is_err_and(taken) {
        called = Called::from_router(cx, Some(SocketAddr::new(seen, 0)), target);
    }
    match called {
        Ok(mut called) => {
            called.other = other;
            tcp.adopt(cx, called, far);
            Ok(())
        }
        Err(_) => Err(far),
    }
}

fn taken(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::EADDRINUSE))
}

/// Makes one socket of a published port.
type Listener = fn(&Context<'_>, SocketAddr) -> io::Result<OwnedFd>;

/// One listening socket, or one per family with the same port number; and that number.
pub(super) fn listen_on(cx: &Context<'_>, port: &PublishedPort, listener: Listener) -> Result<(u16, Vec<OwnedFd>)> {
    let bound = |socket: &OwnedFd| match getsockname(socket).map(SocketAddr::try_from) {
        Ok(Ok(address)) => Ok(address.port()),
        _ => Err(Error::system(format!("cannot tell which port of the host stands for {}", describe(port)))),
    };
    let address = port.host_ip.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    for attempt in 1.. {
        let first = listener(cx, SocketAddr::new(address, port.host_port)).map_err(|error| explain(port, error))?;
        let number = bound(&first)?;
        if port.host_ip.is_some() {
            return Ok((number, vec![first]));
        }
        match listener(cx, SocketAddr::from((Ipv6Addr::UNSPECIFIED, number))) {
            Ok(v6) => return Ok((number, vec![first, v6])),
            // A host without IPv6.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)) => {
                return Ok((number, vec![first]));
            }
            Err(_) if port.host_port == 0 && attempt < ATTEMPTS => {}
            Err(error) => return Err(explain(port, error)),
        }
    }
    Err(in_use(port))
}

pub(super) fn describe(port: &PublishedPort) -> String {
    match port.host_ip {
        Some(address) => format!("port `{}/{}`", SocketAddr::new(address, port.host_port), port.protocol),
        None => format!("port `{}/{}`", port.host_port, port.protocol),
    }
}

pub(super) fn in_use(port: &PublishedPort) -> Error {
    Error::conflict(format!("{} of the host is already in use", describe(port)))
        .hint("stop what listens there, or publish another port of the host")
}

/// No host port of one `-p` is free.
pub(super) fn all_in_use(publish: &Publish) -> Error {
    match publish.last_host_port > publish.port.host_port {
        false => in_use(&publish.port),
        true => Error::conflict(format!(
            "all ports of the host from {} to {} are already in use",
            describe(&publish.port),
            describe(&PublishedPort { host_port: publish.last_host_port, ..publish.port.clone() })
        ))
        .hint("publish another range of ports of the host"),
    }
}

/// Explains why a port of the host cannot be listened on.
fn explain(port: &PublishedPort, error: io::Error) -> Error {
    match error.raw_os_error() {
        Some(libc::EADDRINUSE) => in_use(port).caused_by(error),
        Some(libc::EACCES | libc::EPERM) => {
            Error::new(Kind::Denied, format!("{} of the host needs privileges", describe(port)))
                .caused_by(error)
                .hint("`--low-ports=remap` publishes it 8000 higher; or publish a port from 1024 up, or lower the limit for everybody: `sudo sysctl net.ipv4.ip_unprivileged_port_start=80`")
        }
        Some(libc::EADDRNOTAVAIL) => Error::usage(format!("{} is not on an address of this machine", describe(port)))
            .caused_by(error)
            .hint("`ip address` shows the addresses of this machine"),
        _ => Error::system(format!("cannot listen on {} of the host", describe(port))).caused_by(error),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::net::fake::World;
    use crate::net::tcp::Limits;
    use crate::spec::network::Protocol;

    /// A container at this address of the host, and a published port aimed at it.
    fn publish(world: &mut World, ports: &mut TcpPorts, address: [u8; 4]) -> (TcpListener, PublishedPort) {
        let container = TcpListener::bind((Ipv4Addr::from(address), 0)).unwrap();
        let port = PublishedPort {
            host_ip: Some(Ipv4Addr::LOCALHOST.into()),
            host_port: 0,
            container_port: container.local_addr().unwrap().port(),
            protocol: Protocol::Tcp,
        };
        let open = ports.open(&mut world.context(), &port).unwrap();
        ports.aim(&mut world.context(), &open, Target { ipv4: Some(address.into()), ipv6: None }).unwrap();
        (container, open)
    }

    /// Handles all pending events; the number of flows afterwards.
    fn serve(world: &mut World, ports: &mut TcpPorts, tcp: &mut Tcp) -> usize {
        while let Some((part, index, what)) = world.poll(0) {
            match part {
                Handler::TcpPorts => ports.ready(&mut world.context(), index, tcp),
                _ => tcp.ready(&mut world.context(), index, what),
            }
        }
        tcp.flows()
    }

    #[test]
    fn a_container_that_has_its_share_keeps_clients_waiting_and_others_none() {
        let mut world = World::new();
        world.rules.visible = Some([127, 0, 0, 2].into());
        let (mut ports, mut tcp) = (TcpPorts::new(), Tcp::new(Limits { flows: 4 }));
        let (_crowded, first) = publish(&mut world, &mut ports, [127, 0, 0, 3]);
        let (_quiet, second) = publish(&mut world, &mut ports, [127, 0, 0, 4]);
        let call = |port: &PublishedPort| TcpStream::connect((Ipv4Addr::LOCALHOST, port.host_port)).unwrap();
        let clients = [call(&first), call(&first), call(&first)];
        assert_eq!(serve(&mut world, &mut ports, &mut tcp), 2);
        let _client = call(&second);
        assert_eq!(serve(&mut world, &mut ports, &mut tcp), 3);
        world.now = ports.deadline().unwrap();
        ports.expire(&mut world.context());
        assert_eq!(serve(&mut world, &mut ports, &mut tcp), 3, "it has not become less");
        // Flows that end make room for clients that wait.
        let gone = [[127, 0, 0, 3].into()];
        tcp.member_left(&mut world.context(), &gone);
        assert_eq!(serve(&mut world, &mut ports, &mut tcp), 1);
        world.now = ports.deadline().unwrap();
        ports.expire(&mut world.context());
        assert_eq!(serve(&mut world, &mut ports, &mut tcp), 2);
        assert_eq!(ports.deadline(), None);
        drop(clients);
    }
}
