//! The threads in the router's namespace: one makes sockets there, one changes interfaces, routes and rules.
//!
//! A thread that has left the host's network namespace cannot return (setns(2): that namespace belongs to another user
//! namespace). So the main thread never leaves it, and these threads never enter it. There are two, because a socket is
//! wanted within microseconds, while making an interface takes a millisecond. Meanwhile the main thread goes on moving
//! packets; an eventfd reports finished jobs.
//!
//! Waiting for another thread costs more than the rest of a connection to a published port. So after the first request,
//! TCP sockets are made in advance ([`Factory`]).

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, socket_with};

use crate::base::{ContainerId, Error, Result, ResultExt};
use crate::net::handler::Sockets;
use crate::net::protocol::Counters;
use crate::net::router::{Device, Plug, Router};
use crate::net::table::addresses;
use crate::spec::network::{Endpoint, Network};

/// Enough for netlink messages, which are on the heap, and the C library's own needs.
const STACK: usize = 128 * 1024;

/// How long after a container's end its interfaces are checked: they should go with its namespace.
const GRACE: Duration = Duration::from_secs(2);

/// A job in R. Its ticket comes back with the outcome.
#[derive(Debug)]
pub enum Job {
    /// Makes a network's bridge.
    AddNetwork(Box<Network>),
    /// Removes it.
    RemoveNetwork(ContainerId),
    /// Removes all networks that were not added since this netd began, except these.
    Sweep(Vec<ContainerId>),
    /// Makes interfaces of a container, in its namespace.
    Plug(u64, Box<Plug>, OwnedFd),
    /// Removes an interface of a container at once; with the endpoints that remain.
    Disconnect(u64, ContainerId, ContainerId, Vec<Endpoint>, OwnedFd),
    /// Checks later that these interfaces of a container that has left are gone.
    Left(ContainerId, Vec<Endpoint>),
    /// Reads the traffic counters of these interfaces of a container.
    Count(u64, ContainerId, Vec<Endpoint>),
}

/// The outcome of a job.
#[derive(Debug)]
pub enum Outcome {
    /// The namespace forwards packets; the device, or why there is none.
    Ready(Result<Device>),
    /// Of [`Job::AddNetwork`].
    Network(Result<()>),
    /// Of [`Job::Plug`] and [`Job::Disconnect`].
    Done(u64, Result<()>),
    /// Of [`Job::Count`].
    Counted(u64, Result<BTreeMap<String, Counters>>),
}

/// The handle of the threads in R. They end when it is dropped.
#[derive(Debug)]
pub struct RouterThreads {
    namespace: OwnedFd,
    jobs: Sender<Job>,
    outcomes: Receiver<Outcome>,
    event: OwnedFd,
    sockets: Factory,
}

/// Makes sockets in either namespace.
#[derive(Debug)]
pub struct Factory {
    requests: Sender<(SocketSpec, usize)>,
    made: Receiver<(SocketSpec, io::Result<OwnedFd>)>,
    pool: RefCell<SocketPool>,
}

type SocketSpec = (AddressFamily, SocketType, Option<Protocol>);

/// TCP sockets of R that were made in advance.
#[derive(Debug, Default)]
struct SocketPool {
    ready: Vec<(SocketSpec, OwnedFd)>,
    /// How many were ordered and have not arrived.
    ordered: usize,
    /// How many should be ready: grows with demand, up to [`POOL`].
    wanted: usize,
}

/// How many TCP sockets are kept ready at most, of both families together.
const POOL: usize = 16;

impl RouterThreads {
    /// Makes R, or enters that of an earlier netd, and starts to set it up. [`Outcome::Ready`] reports the end.
    pub fn start(adopted: Option<OwnedFd>) -> Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).context(|| "cannot make an event")?;
        let signal = event.try_clone().context(|| "cannot duplicate an event")?;
        let (jobs, orders) = mpsc::channel();
        let (reports, outcomes) = mpsc::channel();
        let (requests, wanted) = mpsc::channel();
        let (makes, made) = mpsc::channel();
        let (entered, entry) = mpsc::channel();
        let run = move || {
            let router = Router::enter(adopted.as_ref());
            let mut router = match router {
                Ok(router) => router,
                Err(error) => return drop(entered.send(Err(error))),
            };
            let make = move || make_sockets(&wanted, &makes);
            // A new thread inherits the namespace of the thread that starts it.
            let sockets = thread::Builder::new().stack_size(STACK).spawn(make).context(|| "cannot start a thread");
            let _ = entered.send(sockets.and_then(|_| router.namespace()));
            work(&mut router, &orders, &Reports { reports, signal });
        };
        thread::Builder::new().stack_size(STACK).spawn(run).context(|| "cannot start a thread")?;
        let namespace = entry.recv().unwrap_or_else(|_| Err(Error::system("the router's thread has ended")))?;
        Ok(Self { namespace, jobs, outcomes, event, sockets: Factory::new(requests, made) })
    }

    /// The namespace R, which exists as long as the descriptor is open.
    pub fn namespace(&self) -> BorrowedFd<'_> {
        self.namespace.as_fd()
    }

    /// Readable when there are outcomes.
    pub fn event(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }

    /// The socket factory.
    pub fn sockets(&self) -> &Factory {
        &self.sockets
    }

    /// Queues a job behind all earlier ones.
    pub fn order(&self, job: Job) {
        // A thread in R ends early only by a defect; `outcomes` reports it, and netd exits.
        let _ = self.jobs.send(job);
    }

    /// The outcomes since the last call.
    pub fn outcomes(&self) -> VecDeque<Outcome> {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.event, &mut count);
        self.outcomes.try_iter().collect()
    }
}

impl Sockets for Factory {
    fn host(&self, family: AddressFamily, kind: SocketType, protocol: Option<Protocol>) -> io::Result<OwnedFd> {
        make_socket((family, kind, protocol))
    }

    fn router(&self, family: AddressFamily, kind: SocketType, protocol: Option<Protocol>) -> io::Result<OwnedFd> {
        let spec = (family, kind, protocol);
        let mut pool = self.pool.borrow_mut();
        while let Ok(made) = self.made.try_recv() {
            pool.take_in(made);
        }
        let socket = match pool.ready.iter().position(|(of, _)| *of == spec) {
            Some(at) => Ok(pool.ready.swap_remove(at).1),
            None => self.wait_for(spec, &mut pool),
        };
        if kind == SocketType::STREAM && socket.is_ok() {
            self.refill(spec, &mut pool);
        }
        socket
    }
}

impl Factory {
    fn new(requests: Sender<(SocketSpec, usize)>, made: Receiver<(SocketSpec, io::Result<OwnedFd>)>) -> Self {
        Self { requests, made, pool: RefCell::default() }
    }

    fn order(&self, spec: SocketSpec, count: usize, pool: &mut SocketPool) -> io::Result<()> {
        self.requests.send((spec, count)).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        pool.ordered += count;
        Ok(())
    }

    /// Orders a socket, unless one is on its way, and waits for it.
    fn wait_for(&self, spec: SocketSpec, pool: &mut SocketPool) -> io::Result<OwnedFd> {
        self.order(spec, 1, pool)?;
        loop {
            let (of, socket) = self.made.recv().map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
            if of == spec {
                pool.ordered = pool.ordered.saturating_sub(1);
                return socket;
            }
            pool.take_in((of, socket));
        }
    }

    /// Orders many sockets at once where one was wanted, so that the other thread wakes up rarely.
    fn refill(&self, spec: SocketSpec, pool: &mut SocketPool) {
        pool.wanted = POOL.min(pool.wanted + 1);
        if pool.ready.len() + pool.ordered > pool.wanted / 4 {
            return;
        }
        // Sockets of a family that is not in demand any more are dropped.
        pool.ready.retain(|(of, _)| *of == spec);
        let there = pool.ready.len() + pool.ordered;
        // If the thread is gone, the next caller that wants a socket gets the error.
        let _ = self.order(spec, pool.wanted.saturating_sub(there), pool);
    }
}

impl SocketPool {
    /// A socket that could not be made in advance is made on request, and the failure is reported then.
    fn take_in(&mut self, (spec, socket): (SocketSpec, io::Result<OwnedFd>)) {
        self.ordered = self.ordered.saturating_sub(1);
        self.ready.extend(socket.ok().map(|socket| (spec, socket)));
    }
}

fn make_socket((family, kind, protocol): SocketSpec) -> io::Result<OwnedFd> {
    Ok(socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, protocol)?)
}

fn make_sockets(requests: &Receiver<(SocketSpec, usize)>, made: &Sender<(SocketSpec, io::Result<OwnedFd>)>) {
    for (spec, count) in requests {
        for _ in 0..count {
            if made.send((spec, make_socket(spec))).is_err() {
                return;
            }
        }
    }
}

struct Reports {
    reports: Sender<Outcome>,
    signal: OwnedFd,
}

impl Reports {
    fn tell(&self, outcome: Outcome) {
        if self.reports.send(outcome).is_ok() {
            let _ = rustix::io::write(&self.signal, &1u64.to_ne_bytes());
        }
    }
}

/// Containers that have left, their endpoints, and when to check that their interfaces are gone.
type Leaving = VecDeque<(Instant, ContainerId, Vec<Endpoint>)>;

fn work(router: &mut Router, orders: &Receiver<Job>, reports: &Reports) {
    reports.tell(Outcome::Ready(router.set_up()));
    let mut leaving = Leaving::new();
    loop {
        let job = match leaving.front() {
            None => orders.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
            Some((at, ..)) => orders.recv_timeout(at.saturating_duration_since(Instant::now())),
        };
        match job {
            Ok(job) => perform(router, job, &mut leaving, reports),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                if let Some((_, container, endpoints)) = leaving.pop_front() {
                    router.unplug(&container, endpoints.iter().map(|endpoint| &endpoint.network_id));
                }
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn perform(router: &mut Router, job: Job, leaving: &mut Leaving, reports: &Reports) {
    match job {
        Job::AddNetwork(network) => {
            reports.tell(Outcome::Network(router.add_network(&network)));
        }
        Job::RemoveNetwork(id) => router.remove_network(&id),
        Job::Sweep(spared) => router.sweep(&spared),
        Job::Plug(ticket, plug, namespace) => {
            // The container may have come back within the grace period.
            leaving.retain(|(_, container, _)| *container != plug.container);
            for (container, endpoint) in holders(leaving, &plug.missing) {
                router.unplug(container, [&endpoint.network_id].into_iter());
            }
            reports.tell(Outcome::Done(ticket, router.plug(&plug, namespace.as_fd())));
        }
        Job::Disconnect(ticket, container, network, left, namespace) => {
            router.unplug(&container, [&network].into_iter());
            reports.tell(Outcome::Done(ticket, router.reroute(&container, &left, namespace.as_fd())));
        }
        Job::Left(container, endpoints) => leaving.push_back((Instant::now() + GRACE, container, endpoints)),
        Job::Count(ticket, container, endpoints) => {
            reports.tell(Outcome::Counted(ticket, router.count(&container, &endpoints)));
        }
    }
}

/// Containers that have left with one of these addresses, but whose namespace may still answer for them.
fn holders<'a>(leaving: &'a Leaving, taken: &[Endpoint]) -> impl Iterator<Item = (&'a ContainerId, &'a Endpoint)> {
    let theirs = leaving.iter().flat_map(|(_, container, had)| had.iter().map(move |endpoint| (container, endpoint)));
    theirs.filter(|(_, had)| {
        let mut taken = taken.iter().filter(|taken| taken.network_id == had.network_id);
        taken.any(|taken| addresses(taken).any(|address| addresses(had).any(|theirs| theirs == address)))
    })
}

#[cfg(test)]
mod tests {
    use rustix::net::{ipproto, sockopt::socket_type};

    use super::*;

    /// The test plays the thread in R: a call that waited for it would never return.
    #[test]
    fn sockets_lie_ready() {
        let (requests, wanted) = mpsc::channel();
        let (makes, made) = mpsc::channel();
        let factory = Factory::new(requests, made);
        let stream: SocketSpec = (AddressFamily::INET, SocketType::STREAM, Some(ipproto::TCP));
        let datagram: SocketSpec = (AddressFamily::INET, SocketType::DGRAM, None);
        let make = |spec| makes.send((spec, make_socket(spec))).unwrap();
        make(stream);
        let mut most = 0;
        for _ in 0..100 {
            let socket = factory.router(stream.0, stream.1, stream.2).unwrap();
            assert_eq!(socket_type(&socket).unwrap(), SocketType::STREAM);
            wanted.try_iter().for_each(|(spec, count)| (0..count).for_each(|_| make(spec)));
            let pool = factory.pool.borrow();
            most = most.max(pool.ready.len() + pool.ordered);
        }
        assert_eq!(most, POOL);
        // The pool serves only what was asked for, and an old failure is not reported later.
        makes.send((datagram, Err(io::ErrorKind::OutOfMemory.into()))).unwrap();
        make(datagram);
        let socket = factory.router(datagram.0, datagram.1, datagram.2).unwrap();
        assert_eq!(socket_type(&socket).unwrap(), SocketType::DGRAM);
    }
}
