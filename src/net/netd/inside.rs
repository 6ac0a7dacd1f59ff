//! The threads that live in the router's namespace: one makes sockets there, one changes what is there.
//!
//! A thread that has left the host's network namespace cannot come back (setns(2): the host's belongs to somebody else's
//! user namespace), so the main thread never leaves it, and these never return to it. They are two because sockets are
//! wanted within microseconds, while making an interface takes a millisecond, in which the main thread goes on moving
//! packets: it hears of what was done by an event.
//!
//! To wait for another thread costs more than the rest of a connection to a published port. So sockets for TCP are made in
//! advance: some lie ready once there was need of them ([`Factory`]).

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
use crate::net::part::Sockets;
use crate::net::protocol::Counters;
use crate::net::router::{Device, Plug, Router};
use crate::net::table::addresses;
use crate::spec::network::{Endpoint, Network};

/// Enough for netlink messages, which are on the heap, and the C library's own needs.
const STACK: usize = 128 * 1024;

/// Interfaces of containers that have ended go with their namespaces; after this time it is made sure of.
const GRACE: Duration = Duration::from_secs(2);

/// Something to be done in R. A ticket comes back with its outcome.
#[derive(Debug)]
pub enum Job {
    /// Makes a network's bridge.
    AddNetwork(Box<Network>),
    /// Removes it.
    RemoveNetwork(ContainerId),
    /// Removes all networks that were not made since this netd began, but for these.
    Sweep(Vec<ContainerId>),
    /// Makes interfaces of a container, in its namespace.
    Plug(u64, Box<Plug>, OwnedFd),
    /// Removes one, at once; with what is left.
    Disconnect(u64, ContainerId, ContainerId, Vec<Endpoint>, OwnedFd),
    /// Makes sure, later, that these interfaces of a container that has left are gone.
    Left(ContainerId, Vec<Endpoint>),
    /// Counts what has passed these interfaces of a container.
    Count(u64, ContainerId, Vec<Endpoint>),
}

/// What has been done.
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

/// The way to the threads in R. They end when this is dropped.
#[derive(Debug)]
pub struct Inside {
    namespace: OwnedFd,
    jobs: Sender<Job>,
    outcomes: Receiver<Outcome>,
    event: OwnedFd,
    sockets: Factory,
}

/// Makes sockets on either side.
#[derive(Debug)]
pub struct Factory {
    wishes: Sender<(Wish, usize)>,
    made: Receiver<(Wish, io::Result<OwnedFd>)>,
    stock: RefCell<Stock>,
}

type Wish = (AddressFamily, SocketType, Option<Protocol>);

/// Sockets of R that nobody has asked for yet, all for TCP.
#[derive(Debug, Default)]
struct Stock {
    ready: Vec<(Wish, OwnedFd)>,
    /// How many were ordered and have not come.
    ordered: usize,
    /// How many there should be: the more were asked for, the more, up to [`STOCK`].
    wanted: usize,
}

/// How many sockets for TCP lie ready at most, of both families together.
const STOCK: usize = 16;

impl Inside {
    /// Makes R, or enters that of an earlier netd, and starts setting it up: [`Outcome::Ready`] tells when that is done.
    pub fn start(adopted: Option<OwnedFd>) -> Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).context(|| "cannot make an event")?;
        let signal = event.try_clone().context(|| "cannot duplicate an event")?;
        let (jobs, orders) = mpsc::channel();
        let (reports, outcomes) = mpsc::channel();
        let (wishes, wanted) = mpsc::channel();
        let (makes, made) = mpsc::channel();
        let (entered, entry) = mpsc::channel();
        let run = move || {
            let router = Router::enter(adopted.as_ref());
            let mut router = match router {
                Ok(router) => router,
                Err(error) => return drop(entered.send(Err(error))),
            };
            let make = move || make_sockets(&wanted, &makes);
            // Threads inherit the namespace of the one that starts them.
            let sockets = thread::Builder::new().stack_size(STACK).spawn(make).context(|| "cannot start a thread");
            let _ = entered.send(sockets.and_then(|_| router.namespace()));
            work(&mut router, &orders, &Reports { reports, signal });
        };
        thread::Builder::new().stack_size(STACK).spawn(run).context(|| "cannot start a thread")?;
        let namespace = entry.recv().unwrap_or_else(|_| Err(Error::system("the router's thread has ended")))?;
        Ok(Self { namespace, jobs, outcomes, event, sockets: Factory::new(wishes, made) })
    }

    /// R itself: who holds it keeps it.
    pub fn namespace(&self) -> BorrowedFd<'_> {
        self.namespace.as_fd()
    }

    /// Readable when there are outcomes.
    pub fn event(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }

    /// The sockets' maker.
    pub fn sockets(&self) -> &Factory {
        &self.sockets
    }

    /// Has something done, after everything that was asked for before.
    pub fn order(&self, job: Job) {
        // A thread in R ends before us only by a defect: then the process is of no use, and `outcomes` says so.
        let _ = self.jobs.send(job);
    }

    /// What has been done since the last call.
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
        let wish = (family, kind, protocol);
        let mut stock = self.stock.borrow_mut();
        while let Ok(made) = self.made.try_recv() {
            stock.take_in(made);
        }
        let socket = match stock.ready.iter().position(|(of, _)| *of == wish) {
            Some(at) => Ok(stock.ready.swap_remove(at).1),
            None => self.wait_for(wish, &mut stock),
        };
        if kind == SocketType::STREAM && socket.is_ok() {
            self.restock(wish, &mut stock);
        }
        socket
    }
}

impl Factory {
    fn new(wishes: Sender<(Wish, usize)>, made: Receiver<(Wish, io::Result<OwnedFd>)>) -> Self {
        Self { wishes, made, stock: RefCell::default() }
    }

    fn order(&self, wish: Wish, count: usize, stock: &mut Stock) -> io::Result<()> {
        self.wishes.send((wish, count)).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        stock.ordered += count;
        Ok(())
    }

    /// Has one made, or gets one that is being made already.
    fn wait_for(&self, wish: Wish, stock: &mut Stock) -> io::Result<OwnedFd> {
        self.order(wish, 1, stock)?;
        loop {
            let (of, socket) = self.made.recv().map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
            if of == wish {
                stock.ordered = stock.ordered.saturating_sub(1);
                return socket;
            }
            stock.take_in((of, socket));
        }
    }

    /// Where one was wanted, more will be: many are ordered at once, so that their maker wakes up rarely.
    fn restock(&self, wish: Wish, stock: &mut Stock) {
        stock.wanted = STOCK.min(stock.wanted + 1);
        if stock.ready.len() + stock.ordered > stock.wanted / 4 {
            return;
        }
        // Those of a family that nobody asks for any more give way.
        stock.ready.retain(|(of, _)| *of == wish);
        let there = stock.ready.len() + stock.ordered;
        // Without a maker, whoever wants a socket hears of it.
        let _ = self.order(wish, stock.wanted.saturating_sub(there), stock);
    }
}

impl Stock {
    /// What cannot be made now is made when it is wanted, or said then.
    fn take_in(&mut self, (wish, socket): (Wish, io::Result<OwnedFd>)) {
        self.ordered = self.ordered.saturating_sub(1);
        self.ready.extend(socket.ok().map(|socket| (wish, socket)));
    }
}

fn make_socket((family, kind, protocol): Wish) -> io::Result<OwnedFd> {
    Ok(socket_with(family, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, protocol)?)
}

fn make_sockets(wishes: &Receiver<(Wish, usize)>, made: &Sender<(Wish, io::Result<OwnedFd>)>) {
    for (wish, count) in wishes {
        for _ in 0..count {
            if made.send((wish, make_socket(wish))).is_err() {
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

/// Containers that have left, with what they had, and when to look after them.
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
            // It may be back within the grace.
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

/// Who had these addresses and has left, but whose namespace may still be there and answer for them.
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

    /// The maker's side is played by the test: a call that waited for it would never return.
    #[test]
    fn sockets_lie_ready() {
        let (wishes, wanted) = mpsc::channel();
        let (makes, made) = mpsc::channel();
        let factory = Factory::new(wishes, made);
        let stream: Wish = (AddressFamily::INET, SocketType::STREAM, Some(ipproto::TCP));
        let datagram: Wish = (AddressFamily::INET, SocketType::DGRAM, None);
        let make = |wish| makes.send((wish, make_socket(wish))).unwrap();
        make(stream);
        let mut most = 0;
        for _ in 0..100 {
            let socket = factory.router(stream.0, stream.1, stream.2).unwrap();
            assert_eq!(socket_type(&socket).unwrap(), SocketType::STREAM);
            wanted.try_iter().for_each(|(wish, count)| (0..count).for_each(|_| make(wish)));
            let stock = factory.stock.borrow();
            most = most.max(stock.ready.len() + stock.ordered);
        }
        assert_eq!(most, STOCK);
        // What is asked for is what comes, and a lack of something now is none later.
        makes.send((datagram, Err(io::ErrorKind::OutOfMemory.into()))).unwrap();
        make(datagram);
        let socket = factory.router(datagram.0, datagram.1, datagram.2).unwrap();
        assert_eq!(socket_type(&socket).unwrap(), SocketType::DGRAM);
    }
}
