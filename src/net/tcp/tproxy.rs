//! Outbound connections by tproxy: a container's SYN is held until the host has connected. See the head of [`super`],
//! and [`super::keys`] for repeated SYNs.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::sockopt::socket_error;
use rustix::net::{SocketFlags, acceptfrom_with, getsockname};

use super::keys::{self, Key};
use super::sockets::{call_outside, listen_transparent};
use super::{FAR, Flow, Index, NEAR, NewFlow, Origin, Progress, RETRY, Tcp, reset};
use crate::net::handler::{Context, Interest, Offload, Outside};
use crate::net::packet::{self, Envelope, Flags, Ip, Refusal, Segment, Transport, checksum};

/// The port of the listeners in R, on the loopback address of each family. The tproxy rules name it.
pub const TPROXY_PORT: u16 = 6;

/// How many connections are accepted per call.
const ACCEPTS: usize = 64;
/// How often an injected SYN is checked: if it was lost, it is injected again before the container retransmits it.
const PATIENCE: Duration = Duration::from_millis(250);
/// After this many checks the container no longer wants the connection: if it did, it would answer within microseconds;
/// only R's kernel learns that it gave up. If all injections were lost, the container retransmits, and it starts over.
const LOOKS: u32 = 6;

/// The listeners of R.
#[derive(Debug)]
pub(super) struct Tproxy {
    /// One for IPv4 and one for IPv6.
    listeners: Vec<OwnedFd>,
    /// When to accept again after a lack of file descriptors.
    pub(super) retry: Option<Instant>,
}

/// The SYN of a connection, with its checksum filled in.
#[derive(Debug)]
pub(super) struct Syn(Box<[u8]>);

impl Syn {
    fn of(packet: &Ip<'_>) -> Option<Self> {
        let mut bytes: Box<[u8]> = packet.bytes().into();
        checksum::complete(&mut bytes, packet.offload).then_some(Self(bytes))
    }

    /// The SYN, parsed.
    pub(super) fn packet(&self) -> Option<(packet::Pair, packet::Tcp<'_>)> {
        match Ip::parse(&self.0, Offload::default()) {
            Ok(Ip { pair, transport: Transport::Tcp(tcp), .. }) => Some((pair, tcp)),
            _ => None,
        }
    }

    fn send(&self, cx: &mut Context<'_>) {
        // If it is lost, a later check injects it again.
        let _ = cx.link.send(&self.0, Offload::default());
    }
}

impl Tcp {
    /// Opens the listeners in R to which the tproxy rules hand SYNs from the device. R must have an IPv4 loopback
    /// address. Without IPv6 in R there is no IPv6 listener.
    pub fn open_tproxy(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let mut listeners = vec![listen_transparent(cx, SocketAddr::from((Ipv4Addr::LOCALHOST, TPROXY_PORT)))?];
        listeners.extend(listen_transparent(cx, SocketAddr::from((Ipv6Addr::LOCALHOST, TPROXY_PORT))).ok());
        self.tproxy = Some(Tproxy { listeners, retry: None });
        self.watch_listeners(cx)
    }

    fn watch_listeners(&mut self, cx: &Context<'_>) -> io::Result<()> {
        let Some(tproxy) = &mut self.tproxy else { return Ok(()) };
        tproxy.retry = None;
        for (v6, listener) in [false, true].into_iter().zip(&tproxy.listeners) {
            cx.wakes.watch(listener.as_fd(), Interest::READ, Index::Listener(v6).token())?;
        }
        Ok(())
    }

    /// Handles a TCP packet from the device: a SYN, or a packet that no socket of R takes.
    pub(super) fn device_packet(&mut self, cx: &mut Context<'_>, packet: &Ip<'_>, tcp: &packet::Tcp<'_>) {
        let opening = Flags::SYN | Flags::ACK | Flags::RST | Flags::FIN;
        let (source, destination) = packet.pair.with_ports(tcp.source_port, tcp.destination_port);
        let key = Key::new(source, destination);
        if tcp.flags & opening != Flags::SYN {
            return match self.keys.find(&key) {
                Some(id) if self.tproxy.is_none() => self.userspace_segment(cx, id, tcp),
                // While one socket replaces another (the request socket, or TIME_WAIT), the kernel's lookup finds
                // neither for a moment (inet_ehash_insert in net/ipv4/inet_hashtables.c deletes one, then adds the
                // other) and routes the packet here. It will be retransmitted.
                _ if self.tproxy.is_some() && self.keys.knows(&key) => {}
                _ => self.send_reset(cx, packet, tcp),
            };
        }
        match self.keys.syn(&key, tcp.sequence) {
            keys::Syn::Begin => self.begin(cx, packet, tcp, key),
            keys::Syn::Replace(former) => {
                self.abort(cx, former);
                self.keys.forget(&key, former);
                self.begin(cx, packet, tcp, key);
            }
            keys::Syn::Remember(id) | keys::Syn::Inject(id) => self.remember(cx, packet, id),
            keys::Syn::Drop => {}
        }
    }

    fn remember(&mut self, cx: &mut Context<'_>, packet: &Ip<'_>, id: super::Id) {
        let (Some(flow), Some(syn)) = (self.flows.get_mut(id), Syn::of(packet)) else { return };
        match &mut flow.progress {
            Progress::Connecting(former) => *former = syn,
            Progress::Injected(former, _) => {
                syn.send(cx);
                *former = syn;
            }
            Progress::Userspace(_) => self.userspace_syn(cx, id, &syn),
            Progress::Reaching(_) | Progress::Live => {}
        }
    }

    fn begin(&mut self, cx: &mut Context<'_>, packet: &Ip<'_>, tcp: &packet::Tcp<'_>, key: Key) {
        let member = packet.pair.source();
        let holder = cx.policy.holder(member);
        let target = match key.outside(cx) {
            Outside::To(address) => SocketAddr::new(address, tcp.destination_port),
            Outside::Unreachable => return self.refuse(cx, packet, Errno::NETUNREACH.raw_os_error()),
            Outside::Prohibited => return self.refuse(cx, packet, Errno::ACCESS.raw_os_error()),
            Outside::Nothing => return,
        };
        let Some(syn) = Syn::of(packet) else { return };
        if !self.make_room(cx, holder, false) {
            return;
        }
        let (far, connected) = match call_outside(cx, target) {
            Ok(called) => called,
            Err(error) => return self.refuse(cx, packet, error.raw_os_error().unwrap_or(0)),
        };
        let (origin, progress) = (Origin::Outward(key), Progress::Connecting(syn));
        let Some(id) = self.add(NewFlow { holder, origin, progress, ends: [None, Some(far)] }, cx.now) else { return };
        self.keys.begin(key, tcp.sequence, id);
        match self.watch(cx, id, FAR) {
            Err(_) => self.abort(cx, id),
            Ok(()) if connected => self.inject(cx, id),
            Ok(()) => {}
        }
    }

    /// The far end has connected, or failed to.
    pub(super) fn connected(&mut self, cx: &mut Context<'_>, id: super::Id) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        let error = match flow.ends[FAR].as_ref().map(socket_error) {
            Some(Ok(Ok(()))) => return self.inject(cx, id),
            Some(Ok(Err(errno)) | Err(errno)) => errno.raw_os_error(),
            None => 0,
        };
        let Some(flow) = self.take(id) else { return };
        if let Origin::Outward(key) = flow.origin {
            self.keys.forget(&key, id);
        }
        if let Progress::Connecting(syn) = flow.progress
            && let Ok(packet) = Ip::parse(&syn.0, Offload::default())
        {
            self.refuse(cx, &packet, error);
        }
    }

    /// Injects the SYN into R. The listener has often accepted it when this returns.
    fn inject(&mut self, cx: &mut Context<'_>, id: super::Id) {
        let Some(flow) = self.flows.get_mut(id) else { return };
        let former = std::mem::replace(&mut flow.progress, Progress::Live);
        let (Progress::Connecting(syn), Origin::Outward(key)) = (former, flow.origin) else { return };
        self.keys.inject(&key);
        if self.tproxy.is_none() {
            return self.accept_userspace(cx, id, &syn);
        }
        syn.send(cx);
        flow.progress = Progress::Injected(syn, 0);
        self.waiting.push_back((cx.now + PATIENCE, id));
        self.accept_all(cx);
    }

    /// Sends a container the equivalent of a socket error. An error without an equivalent, or a local shortage, is not
    /// reported: the container retransmits, or gives up after the same time as the host.
    fn refuse(&mut self, cx: &mut Context<'_>, packet: &Ip<'_>, errno: i32) {
        let refusal = match errno {
            libc::ECONNREFUSED | libc::ECONNRESET => {
                if let Transport::Tcp(tcp) = &packet.transport {
                    self.send_reset(cx, packet, tcp);
                }
                return;
            }
            // IPv4: the host has no free port. IPv6: it has no source address.
            libc::EADDRNOTAVAIL if !packet.pair.is_v6() => return,
            libc::EAFNOSUPPORT | libc::EINVAL => Refusal::Network,
            errno => match Refusal::from_errno(errno) {
                Some(refusal) => refusal,
                None => return,
            },
        };
        if packet::refuse(&mut self.out, packet, None, refusal) {
            let _ = cx.link.send(&self.out, Offload::default());
        }
    }

    fn send_reset(&mut self, cx: &mut Context<'_>, packet: &Ip<'_>, tcp: &packet::Tcp<'_>) {
        let headers =
            Segment::reset(tcp).and_then(|segment| segment.headers(&Envelope::new(packet.pair.reversed()), 0));
        if let Some(headers) = headers {
            let _ = cx.link.send(headers.as_slice(), headers.offload());
        }
    }

    /// Accepts the connections that wait at the listeners.
    pub(super) fn accept_all(&mut self, cx: &mut Context<'_>) {
        let count = self.tproxy.as_ref().map_or(0, |tproxy| tproxy.listeners.len());
        for which in 0..count {
            for _ in 0..ACCEPTS {
                let Some(listener) = self.tproxy.as_ref().and_then(|tproxy| tproxy.listeners.get(which)) else {
                    return;
                };
                match acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                    Ok((near, peer)) => {
                        let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
                        self.admit(cx, near, peer);
                    }
                    Err(Errno::INTR | Errno::CONNABORTED) => {}
                    Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => return self.pause(cx),
                    Err(_) => break,
                }
            }
        }
        // Drops checks of SYNs that were accepted.
        while let Some((_, id)) = self.waiting.front()
            && !matches!(self.flows.get(*id), Some(Flow { progress: Progress::Injected(..), .. }))
        {
            self.waiting.pop_front();
        }
    }

    /// Pauses accepting for lack of file descriptors.
    fn pause(&mut self, cx: &mut Context<'_>) {
        let Some(tproxy) = self.tproxy.as_mut().filter(|tproxy| tproxy.retry.is_none()) else { return };
        tproxy.retry = Some(cx.now + RETRY);
        for listener in &tproxy.listeners {
            let _ = cx.wakes.ignore(listener.as_fd());
        }
    }

    /// Joins an accepted connection with its far end.
    fn admit(&mut self, cx: &mut Context<'_>, near: OwnedFd, peer: Option<SocketAddr>) {
        let called = getsockname(&near).ok().and_then(|called| SocketAddr::try_from(called).ok());
        let flow = peer.zip(called).and_then(|(peer, called)| self.keys.accept(&Key::new(peer, called)));
        let Some((id, flow)) = flow.and_then(|id| Some((id, self.flows.get_mut(id)?))) else {
            return reset(near);
        };
        flow.ends[NEAR] = Some(near);
        flow.progress = Progress::Live;
        self.made(cx.now, id);
        match self.watch(cx, id, NEAR) {
            // Events of the near end will be reported; those of the far end were noted before.
            Ok(()) => self.pump(cx, id, None),
            Err(_) => self.abort(cx, id),
        }
    }

    /// Checks injected SYNs that the listener has not accepted.
    pub(super) fn expire_injected(&mut self, cx: &mut Context<'_>) {
        if self.tproxy.as_ref().is_some_and(|tproxy| tproxy.retry.is_some_and(|when| when <= cx.now)) {
            // If the listener cannot be registered, the next connection tries again.
            let _ = self.watch_listeners(cx);
            self.accept_all(cx);
        }
        if self.waiting.front().is_none_or(|(when, _)| *when > cx.now) {
            return;
        }
        // They may have been accepted while this process was not running.
        self.accept_all(cx);
        while let Some(&(when, id)) = self.waiting.front()
            && when <= cx.now
        {
            self.waiting.pop_front();
            let Some(flow) = self.flows.get_mut(id) else { continue };
            let Progress::Injected(syn, looks) = &mut flow.progress else { continue };
            *looks += 1;
            match *looks {
                LOOKS.. => {
                    self.abort(cx, id);
                    continue;
                }
                1 | 3 => syn.send(cx),
                _ => {}
            }
            self.waiting.push_back((cx.now + PATIENCE, id));
        }
    }
}
