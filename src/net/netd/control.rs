//! Requests of supervisors. A connection is a membership: when it closes, the container leaves.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::net::{SocketFlags, accept_with};

use super::router_threads::Job;
use super::{Netd, context};
use crate::base::error::WireError;
use crate::base::id::Name;
use crate::base::private::check_peer;
use crate::base::{ContainerId, Error, Result, failpoint, poll, trace};
use crate::net::handler::{Context, Handler, Interest, Token, Wakes};
use crate::net::protocol::{Counters, Join, MAX_MESSAGE, PROTOCOL, Reply, Request, receive_request, send_reply};
use crate::net::router::Plug;
use crate::net::table;
use crate::net::tcp_ports::Target;
use crate::spec::network::Joined;
use crate::spec::network::{Endpoint, Network, Publish, PublishedPort, Rate, Wish};

/// How long a netd that cannot serve stays to report why.
const REFUSAL: Duration = Duration::from_millis(500);

/// A connected supervisor.
pub struct Client {
    socket: OwnedFd,
    member: Option<Member>,
    /// The request in progress. No further request is read until it is answered.
    pending: Option<Pending>,
}

/// The supervisor's container.
struct Member {
    container: ContainerId,
    /// The container has its interfaces already, and has not plugged in since.
    before: bool,
    ports: Vec<PublishedPort>,
    rate: Option<Rate>,
}

enum Pending {
    Plug,
    Connect(Box<Endpoint>),
    Disconnect,
    Count,
}

fn not_joined() -> Error {
    Error::conflict("the container has not joined")
}

impl Client {
    /// A supervisor that has sent no request yet.
    pub fn new(socket: OwnedFd) -> Self {
        Self { socket, member: None, pending: None }
    }

    fn tell(&self, reply: &Reply) {
        // If the one answer cannot be sent, the supervisor is about to hang up.
        let _ = send_reply(self.socket.as_fd(), reply);
    }
}

impl Netd {
    /// Handles an event of a supervisor's connection: a request, or its end.
    pub(super) fn serve(&mut self, id: u64, what: Interest) {
        let Some(client) = self.clients.get(&id) else { return };
        if client.pending.is_some() {
            if what.intersects(Interest::CLOSED | Interest::ERROR) {
                self.drop_client(id);
            }
            return;
        }
        match receive_request(client.socket.as_fd(), &mut self.buffer) {
            Ok(Some(request)) => {
                if let Err(error) = self.answer(id, request) {
                    self.reply(id, &Reply::Failed(WireError::from(&error)));
                }
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                let error = Error::invalid("netd does not understand the request")
                    .hint("was coracle updated while containers run? restart them");
                self.reply(id, &Reply::Failed(WireError::from(&error)));
            }
            _ => self.drop_client(id),
        }
    }

    fn answer(&mut self, id: u64, request: Request) -> Result<()> {
        match request {
            Request::Join(join) => {
                let joined = self.join(id, &join)?;
                failpoint::pass("netd.join");
                trace::step(|| {
                    let (endpoints, ports) = (joined.endpoints.len(), joined.ports.len());
                    format!(
                        "container {} joins {endpoints} networks and publishes {ports} ports",
                        join.container.short()
                    )
                });
                let namespace = self.router_threads.namespace().try_clone_to_owned();
                let namespace =
                    namespace.map_err(|error| Error::system("cannot hand over the router").caused_by(error))?;
                self.reply(id, &Reply::Joined(Box::new(joined), namespace, PROTOCOL));
            }
            Request::Plug(namespace) => {
                failpoint::pass("netd.plug");
                let member = self.clients.get_mut(&id).and_then(|client| client.member.as_mut());
                let member = member.ok_or_else(not_joined)?;
                trace::step(|| format!("plugs in container {}", member.container.short()));
                // Only the first time: whoever plugs in once more is a new run of the container, with a new namespace.
                let again = std::mem::take(&mut member.before);
                let (container, rate) = (member.container.clone(), member.rate);
                let endpoints = self.table.endpoints(&container).to_vec();
                let plug = Plug { container, missing: endpoints.clone(), endpoints, rate, again };
                self.router_threads.order(Job::Plug(id, Box::new(plug), namespace));
                self.wait_for(id, Pending::Plug);
            }
            Request::Connect(what, namespace) => {
                let (network, wish) = *what;
                trace::step(|| format!("connects another network: `{}`", network.name));
                self.connect(id, &network, &wish, namespace)?;
            }
            Request::Disconnect(network, namespace) => {
                trace::step(|| format!("disconnects the network `{network}`"));
                self.disconnect(id, &network, namespace)?;
            }
            Request::Rename(name) => {
                let container = self.member(id)?.container.clone();
                trace::step(|| format!("container {} is `{name}` now", container.short()));
                self.table.rename(&container, &name);
                self.reply(id, &Reply::Done);
            }
            Request::Count => {
                let container = self.member(id)?.container.clone();
                let endpoints = self.table.endpoints(&container).to_vec();
                self.router_threads.order(Job::Count(id, container, endpoints));
                self.wait_for(id, Pending::Count);
            }
            Request::Leave => {
                let member = self.clients.get_mut(&id).and_then(|client| client.member.take());
                trace::step(|| match &member {
                    Some(member) => format!("container {} leaves", member.container.short()),
                    None => "somebody leaves who was no member".into(),
                });
                self.leave(member);
                self.reply(id, &Reply::Done);
            }
        }
        Ok(())
    }

    fn join(&mut self, id: u64, join: &Join) -> Result<Joined> {
        if self.clients.get(&id).is_none_or(|client| client.member.is_some()) {
            return Err(Error::conflict("this connection is a container's already"));
        }
        let endpoints = self.table.join(join)?;
        let wanted = match &join.before {
            None => join.ports.clone(),
            // Ports that were chosen by the kernel have numbers by now, which clients know.
            Some(before) => before.ports.iter().cloned().map(Publish::from).collect(),
        };
        // Published ports of containers that are about to reconnect stay reserved.
        let others = self.awaited.iter().filter(|(container, _)| **container != join.container);
        let reserved: Vec<_> = others.flat_map(|(_, joined)| &joined.ports).cloned().collect();
        let ports = match self.handlers.open(&mut context!(self), &wanted, &reserved, join.remap_low_ports) {
            Ok(ports) => ports,
            Err(error) => {
                self.table.leave(&join.container);
                return Err(error);
            }
        };
        self.table.publish(&join.container, &ports);
        self.recheck_policy(&ports);
        for (network, _) in &join.networks {
            self.need_bridge(network);
        }
        self.awaited.remove(&join.container);
        if self.awaited.is_empty() {
            self.sweep();
        }
        if let Some(client) = self.clients.get_mut(&id) {
            let before = join.before.is_some();
            client.member =
                Some(Member { container: join.container.clone(), before, ports: ports.clone(), rate: join.rate });
        }
        let resolvers = self.table.resolvers(&join.container);
        let host_gateway = self.table.host_gateway(&join.container);
        Ok(Joined { endpoints, ports, resolvers, host_gateway })
    }

    /// Checks flows to the host's loopback again: they may reach ports that are published from now on.
    fn recheck_policy(&mut self, opened: &[PublishedPort]) {
        if !opened.is_empty() {
            self.handlers.recheck_policy(&mut context!(self));
        }
    }

    fn connect(&mut self, id: u64, network: &Network, wish: &Wish, namespace: OwnedFd) -> Result<()> {
        let member = self.member(id)?;
        let (container, rate) = (member.container.clone(), member.rate);
        let endpoint = self.table.connect(&container, network, wish)?;
        self.need_bridge(network);
        let endpoints = self.table.endpoints(&container).to_vec();
        let plug = Plug { container, endpoints, missing: vec![endpoint.clone()], rate, again: false };
        self.router_threads.order(Job::Plug(id, Box::new(plug), namespace));
        self.wait_for(id, Pending::Connect(Box::new(endpoint)));
        Ok(())
    }

    fn disconnect(&mut self, id: u64, network: &Name, namespace: OwnedFd) -> Result<()> {
        let container = self.member(id)?.container.clone();
        let gone = self.table.disconnect(&container, network)?;
        let addresses: Vec<_> = table::addresses(&gone).collect();
        self.handlers.left(&mut context!(self), &addresses);
        // Before another container may get its address.
        self.aim_ports(id)?;
        // Containers that shared only this network with it no longer reach its ports, nor it theirs.
        self.handlers.recheck_policy(&mut context!(self));
        let left = self.table.endpoints(&container).to_vec();
        self.router_threads.order(Job::Disconnect(id, container, gone.network_id, left, namespace));
        self.wait_for(id, Pending::Disconnect);
        self.note_unused();
        Ok(())
    }

    /// The job that a client waited for is done, or has failed.
    pub(super) fn done(&mut self, id: u64, result: Result<()>) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let Some(pending) = client.pending.take() else { return };
        let container = client.member.as_ref().map(|member| member.container.clone());
        let reply = match (pending, result) {
            (Pending::Connect(endpoint), Err(error)) => {
                if let Some(container) = container {
                    let _ = self.table.disconnect(&container, &endpoint.network);
                    self.note_unused();
                }
                Reply::Failed(WireError::from(&error))
            }
            (_, Err(error)) => Reply::Failed(WireError::from(&error)),
            (Pending::Connect(endpoint), Ok(())) => match self.aim_ports(id) {
                Ok(()) => Reply::Connected(endpoint),
                Err(error) => Reply::Failed(WireError::from(&error)),
            },
            (Pending::Plug, Ok(())) => match self.plugged(id) {
                Ok(()) => Reply::Plugged(self.cut_off.clone()),
                Err(error) => Reply::Failed(WireError::from(&error)),
            },
            (Pending::Disconnect | Pending::Count, Ok(())) => Reply::Done,
        };
        self.finish(id, &reply);
    }

    /// A container has its interfaces: its names resolve from now on, and its ports are forwarded.
    fn plugged(&mut self, id: u64) -> Result<()> {
        if let Some(member) = self.clients.get(&id).and_then(|client| client.member.as_ref()) {
            self.table.plugged(&member.container);
        }
        self.aim_ports(id)
    }

    /// Aims the ports of a container at its first network with a way out. Without such a network, connections to them
    /// are reset.
    fn aim_ports(&mut self, id: u64) -> Result<()> {
        let Some(member) = self.clients.get(&id).and_then(|client| client.member.as_ref()) else { return Ok(()) };
        let endpoints = self.table.endpoints(&member.container);
        let published = endpoints.iter().find(|endpoint| endpoint.gateway4.is_some() || endpoint.gateway6.is_some());
        let target = Target {
            ipv4: published.and_then(|endpoint| endpoint.ipv4).map(|v4| v4.addr()),
            ipv6: published.and_then(|endpoint| endpoint.ipv6).map(|v6| v6.addr()),
        };
        self.handlers.aim(&mut context!(self), &member.ports, target)
    }

    /// The counters that a client asked for.
    pub(super) fn counted(&mut self, id: u64, result: Result<BTreeMap<String, Counters>>) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        if client.pending.take().is_some() {
            let reply = match result {
                Ok(counters) => Reply::Counters(counters),
                Err(error) => Reply::Failed(WireError::from(&error)),
            };
            self.finish(id, &reply);
        }
    }

    fn member(&self, id: u64) -> Result<&Member> {
        let member = self.clients.get(&id).and_then(|client| client.member.as_ref());
        member.ok_or_else(not_joined)
    }

    fn reply(&self, id: u64, reply: &Reply) {
        if let Some(client) = self.clients.get(&id) {
            client.tell(reply);
        }
    }

    /// Reads nothing more from a client until [`Netd::finish`].
    fn wait_for(&mut self, id: u64, pending: Pending) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.pending = Some(pending);
            let _ = self.epoll.change(client.socket.as_fd(), Interest::empty(), Token::new(Handler::Control, id));
        }
    }

    fn finish(&self, id: u64, reply: &Reply) {
        if let Some(client) = self.clients.get(&id) {
            client.tell(reply);
            let _ = self.epoll.change(client.socket.as_fd(), Interest::READ, Token::new(Handler::Control, id));
        }
    }

    /// A supervisor has gone, and its container with it.
    fn drop_client(&mut self, id: u64) {
        let Some(client) = self.clients.remove(&id) else { return };
        self.leave(client.member);
        if self.clients.is_empty() {
            self.idle = Some(Instant::now());
        }
    }

    /// A container has ended.
    fn leave(&mut self, member: Option<Member>) {
        let Some(member) = member else { return };
        let endpoints = self.table.endpoints(&member.container).to_vec();
        let addresses = self.table.addresses(&member.container);
        self.handlers.close(&member.ports);
        self.table.leave(&member.container);
        self.handlers.left(&mut context!(self), &addresses);
        self.router_threads.order(Job::Left(member.container, endpoints));
        self.note_unused();
    }
}

/// Reports to every supervisor that connects, for a moment, why netd cannot serve.
pub fn refuse(listener: &OwnedFd, error: &WireError) {
    let mut buffer = vec![0; MAX_MESSAGE];
    let readable = |fd: &OwnedFd| poll::readable(fd, Some(REFUSAL)).unwrap_or(false);
    while readable(listener) {
        let Ok(socket) = accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) else { return };
        if check_peer(socket.as_fd()).is_ok()
            && readable(&socket)
            && matches!(receive_request(socket.as_fd(), &mut buffer), Ok(Some(_)))
        {
            let _ = send_reply(socket.as_fd(), &Reply::Failed(error.clone()));
        }
    }
}
