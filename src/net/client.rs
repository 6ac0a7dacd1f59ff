//! The supervisor's side of netd: finds or starts it, joins, plugs the container in, and rejoins after netd's death.
//!
//! # Theory of operation
//!
//! netd listens on a socket in the runtime directory, one for each outer user namespace, because it has power only over
//! the containers of that namespace. A supervisor that finds no listener takes a lock, looks again, listens itself, and
//! starts a netd that inherits the listening socket. So it can connect at once, and the first request waits in the
//! socket while netd starts. A netd that cannot serve answers with the reason.
//!
//! The connection is the membership. It breaks when netd dies; the supervisor polls [`Membership::fd`] to notice. It
//! then joins the next netd, step by step from its own loop ([`Membership::begin_revival`]) or at once
//! ([`Membership::revive`]). The container keeps its interfaces and addresses meanwhile: the supervisor holds a file
//! descriptor of the router's namespace, which keeps the bridges and everything plugged into them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use super::netd::spawn;
use super::protocol::{self, Counters, Join, MAX_MESSAGE, Reply, Request};
use crate::base::error::if_absent;
use crate::base::id::Name;
use crate::base::lock::{self, Lock, Mode};
use crate::base::paths::private_dir;
use crate::base::{Error, Kind, Paths, Result, ResultExt, failpoint, poll, private};
use crate::spec::network::Joined;
use crate::spec::network::{Endpoint, Network, Wish};

/// The timeout of one answer: ample for a busy machine on which a hundred containers start.
const PATIENCE: Duration = Duration::from_secs(20);

/// The same while the container runs: other requests to the supervisor wait meanwhile, above all to stop it.
const PATIENCE_RUNNING: Duration = Duration::from_secs(10);

/// How long the end of a container waits for its ports to be closed.
const PATIENCE_LEAVING: Duration = Duration::from_secs(5);

/// How often a netd that exits during a request is replaced: it may just have been idle too long.
const ATTEMPTS: usize = 5;

/// How often a revival is retried, with [`PAUSE`] before each: the kernel may still be tearing down the dead netd and
/// its ports.
pub const REVIVALS: u32 = 25;
/// See [`REVIVALS`].
pub const PAUSE: Duration = Duration::from_millis(20);

/// A container's membership in its networks, as its supervisor holds it. Dropping it ends the membership: addresses,
/// names and ports are free again.
#[derive(Debug)]
pub struct Membership {
    socket: OwnedFd,
    router: OwnedFd,
    join: Join,
    joined: Joined,
    cut_off: Option<Error>,
    /// Of the netd at the other end.
    protocol: u32,
}

/// A membership that is being renewed after netd's death, while the supervisor does other things.
#[derive(Debug)]
pub struct Revival {
    socket: OwnedFd,
    deadline: Instant,
    join: Join,
    /// The answer to the first request, once it has arrived.
    joined: Option<(Joined, OwnedFd, u32)>,
}

impl Revival {
    /// Readable when [`Revival::advance`] has something to do.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// When to call [`Revival::advance`] at the latest.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Takes the next step without waiting. Returns the new membership once it is complete.
    pub fn advance(&mut self, netns: BorrowedFd<'_>) -> Result<Option<Membership>> {
        if !poll::readable(self.socket.as_fd(), Some(Duration::ZERO)).unwrap_or(false) {
            return if self.deadline > Instant::now() { Ok(None) } else { Err(silent()) };
        }
        let mut buffer = vec![0; MAX_MESSAGE];
        match (reply(self.socket.as_fd(), &mut buffer)?.ok_or_else(ended)?, &mut self.joined) {
            (Reply::Failed(error), _) => Err(error.into()),
            (Reply::Joined(joined, router, protocol), answer @ None) => {
                *answer = Some((*joined, router, protocol));
                let sent = protocol::send_request(self.socket.as_fd(), &Request::Plug(duplicate(netns)?));
                sent.map_err(|_| ended())?;
                Ok(None)
            }
            (Reply::Plugged(cut_off), Some((joined, router, protocol))) => {
                let join = Join { before: None, ..self.join.clone() };
                let (socket, router) = (duplicate(self.socket.as_fd())?, duplicate(router.as_fd())?);
                let cut_off = cut_off.map(Error::from);
                Ok(Some(Membership { socket, router, join, joined: joined.clone(), cut_off, protocol: *protocol }))
            }
            _ => Err(misunderstood()),
        }
    }
}

impl Membership {
    /// Reserves addresses and opens ports with the running netd, or with a new one: started from `program`, this
    /// executable, in the namespace `router` of a dead netd if given. The caller must have one thread and be in the
    /// outer user namespace and the host's network namespace.
    pub fn join(
        paths: &Paths,
        program: BorrowedFd<'_>,
        join: &Join,
        router: Option<BorrowedFd<'_>>,
    ) -> Result<(Self, Joined)> {
        let request = Request::Join(Box::new(join.clone()));
        for _ in 0..ATTEMPTS {
            let socket = find_or_start(paths, program, router)?;
            match ask(socket.as_fd(), &request) {
                Ok(Some(Reply::Joined(joined, router, protocol))) => {
                    let (join, known) = (join.clone(), (*joined).clone());
                    let membership = Self { socket, router, join, joined: known, cut_off: None, protocol };
                    return Ok((membership, *joined));
                }
                Ok(None) => continue,
                Ok(Some(Reply::Failed(error))) => return Err(error.into()),
                Ok(Some(_)) => return Err(misunderstood()),
                // Its socket is there before it is.
                Err(error) => {
                    return Err(match lock::holder(&paths.runtime.join(spawn::LOCK)) {
                        Some(starter) => error.hint(format!("it is being started by {starter}")),
                        None => error,
                    });
                }
            }
        }
        Err(Error::system("netd, coracle's network process, ends as soon as it has started")
            .hint("`coracle doctor` checks what this machine allows"))
    }

    /// Makes the interfaces in the container's network namespace, brings its loopback up, and makes its names known.
    pub fn plug(&mut self, netns: BorrowedFd<'_>) -> Result<()> {
        match self.request(&Request::Plug(duplicate(netns)?))? {
            Reply::Plugged(cut_off) => {
                self.cut_off = cut_off.map(Error::from);
                Ok(())
            }
            _ => Err(misunderstood()),
        }
    }

    /// Why the plugged container does not reach the outside although it should: what this machine lacks.
    pub fn cut_off(&self) -> Option<&Error> {
        let has_way_out = |endpoint: &Endpoint| endpoint.gateway4.is_some() || endpoint.gateway6.is_some();
        self.cut_off.as_ref().filter(|_| self.joined.endpoints.iter().any(has_way_out))
    }

    /// Adds a network to the plugged container.
    pub fn connect(&mut self, network: &Network, wish: &Wish, netns: BorrowedFd<'_>) -> Result<Endpoint> {
        let request = Request::Connect(Box::new((network.clone(), wish.clone())), duplicate(netns)?);
        wait_at_most(self.socket.as_fd(), PATIENCE_RUNNING)?;
        match self.request(&request)? {
            Reply::Connected(endpoint) => {
                self.join.networks.push((network.clone(), wish.clone()));
                self.joined.endpoints.push((*endpoint).clone());
                Ok(*endpoint)
            }
            _ => Err(misunderstood()),
        }
    }

    /// Takes a network away from the plugged container.
    pub fn disconnect(&mut self, network: &Name, netns: BorrowedFd<'_>) -> Result<()> {
        wait_at_most(self.socket.as_fd(), PATIENCE_RUNNING)?;
        match self.request(&Request::Disconnect(network.clone(), duplicate(netns)?))? {
            Reply::Done => {
                self.join.networks.retain(|(known, _)| known.name != *network);
                self.joined.endpoints.retain(|endpoint| endpoint.network != *network);
                Ok(())
            }
            _ => Err(misunderstood()),
        }
    }

    /// The container has another name: others find it by that from now on, also with a netd that comes later.
    pub fn rename(&mut self, name: &Name) -> Result<()> {
        self.join.name.clone_from(name);
        if self.protocol < 1 {
            return Err(Error::unsupported("netd was started by an older coracle, which renames no containers"));
        }
        wait_at_most(self.socket.as_fd(), PATIENCE_RUNNING)?;
        match self.request(&Request::Rename(name.clone()))? {
            Reply::Done => Ok(()),
            _ => Err(misunderstood()),
        }
    }

    /// The traffic counters of the container, by interface name.
    pub fn count(&mut self) -> Result<BTreeMap<String, Counters>> {
        match self.request(&Request::Count)? {
            Reply::Counters(counters) => Ok(counters),
            _ => Err(misunderstood()),
        }
    }

    /// Ends the membership, and waits until ports are closed and addresses free. An error means that netd did not
    /// confirm it; it will when it runs again.
    pub fn leave(self) -> Result<()> {
        wait_at_most(self.socket.as_fd(), PATIENCE_LEAVING)?;
        match ask(self.socket.as_fd(), &Request::Leave)? {
            // If netd has ended, so have its ports and addresses.
            None | Some(Reply::Done) => Ok(()),
            Some(Reply::Failed(error)) => Err(error.into()),
            Some(_) => Err(misunderstood()),
        }
    }

    /// Readable, or hung up, once netd has died or was given up because it did not answer, and never before.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// What the container has now.
    pub fn joined(&self) -> &Joined {
        &self.joined
    }

    /// After netd's death: asks the next netd, started by this supervisor or another, for what the container has. The
    /// answer makes a membership, and missing interfaces are made again. After a failure it can be retried, with a
    /// pause.
    pub fn begin_revival(&self, paths: &Paths, program: BorrowedFd<'_>) -> Result<Revival> {
        let join = Join { before: Some(self.joined.clone()), ..self.join.clone() };
        let socket = find_or_start(paths, program, Some(self.router.as_fd()))?;
        protocol::send_request(socket.as_fd(), &Request::Join(Box::new(join.clone()))).map_err(|_| ended())?;
        Ok(Revival { socket, deadline: Instant::now() + PATIENCE, join, joined: None })
    }

    /// The same, blocking, with retries.
    pub fn revive(&mut self, paths: &Paths, program: BorrowedFd<'_>, netns: BorrowedFd<'_>) -> Result<()> {
        let mut revived = self.revived(paths, program, netns);
        for _ in 1..REVIVALS {
            if !revived.as_ref().is_err_and(|error| matches!(error.kind(), Kind::Conflict | Kind::Network)) {
                break;
            }
            std::thread::sleep(PAUSE);
            revived = self.revived(paths, program, netns);
        }
        *self = revived?;
        Ok(())
    }

    fn revived(&self, paths: &Paths, program: BorrowedFd<'_>, netns: BorrowedFd<'_>) -> Result<Self> {
        let mut revival = self.begin_revival(paths, program)?;
        loop {
            let left = revival.deadline().saturating_duration_since(Instant::now());
            let _ = poll::readable(revival.fd(), Some(left));
            if let Some(membership) = revival.advance(netns)? {
                return Ok(membership);
            }
        }
    }

    fn request(&self, request: &Request) -> Result<Reply> {
        match ask(self.socket.as_fd(), request)? {
            Some(Reply::Failed(error)) => Err(error.into()),
            Some(reply) => Ok(reply),
            None => Err(ended()),
        }
    }
}

/// Sends a request and waits for its answer; `None` when netd is gone.
fn ask(socket: BorrowedFd<'_>, request: &Request) -> Result<Option<Reply>> {
    match protocol::send_request(socket, request) {
        Err(error) if is_gone(&error) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(silent()),
        result => result.context(|| "cannot ask netd")?,
    }
    reply(socket, &mut vec![0; MAX_MESSAGE])
}

/// Waits for an answer; `None` when netd is gone.
fn reply(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<Option<Reply>> {
    loop {
        match protocol::receive_reply(socket, buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // The late answer must not be taken for the answer to the next request, so the connection is closed.
                // The supervisor notices it at the file descriptor, and rejoins with what the container has.
                let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Both);
                return Err(silent());
            }
            result => return result.context(|| "cannot understand netd"),
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::NotConnected)
}

fn ended() -> Error {
    Error::new(Kind::Network, "netd, coracle's network process, has ended")
        .hint("it is started again at once: try again")
}

fn silent() -> Error {
    Error::system("netd, coracle's network process, does not answer")
        .hint("the machine may be very busy, or the process `coracle-netd` be stopped: try again, or send it SIGCONT")
}

/// Sets the timeout of each later exchange with netd.
fn wait_at_most(socket: BorrowedFd<'_>, patience: Duration) -> Result<()> {
    let patience = TimeVal::milliseconds(i64::try_from(patience.as_millis()).unwrap_or(i64::MAX));
    let set = setsockopt(&socket, sockopt::ReceiveTimeout, &patience);
    set.and_then(|()| setsockopt(&socket, sockopt::SendTimeout, &patience)).context(|| "cannot set up a socket")
}

fn misunderstood() -> Error {
    Error::system("netd answered something else than it was asked")
        .hint("was coracle updated while containers run? restart them")
}

fn duplicate(fd: BorrowedFd<'_>) -> Result<OwnedFd> {
    fd.try_clone_to_owned().context(|| "cannot duplicate a descriptor")
}

/// The path of the socket of the netd of this user namespace.
fn address(paths: &Paths) -> Result<PathBuf> {
    let namespace = fs::metadata("/proc/self/ns/user").context(|| "cannot examine the user namespace")?.ino();
    Ok(paths.runtime.join("netd").join(namespace.to_string()))
}

/// Connects to netd, and starts one if none runs.
fn find_or_start(paths: &Paths, program: BorrowedFd<'_>, router: Option<BorrowedFd<'_>>) -> Result<OwnedFd> {
    let path = address(paths)?;
    let address = UnixAddr::new(&path).context(|| format!("the name of `{}` is too long", path.display()))?;
    if let Some(connected) = attempt(&address)? {
        return Ok(connected);
    }
    private_dir(&paths.runtime.join("netd"))?;
    let _starting = Lock::wait_at_most(&paths.runtime.join(spawn::LOCK), Mode::Exclusive, PATIENCE)
        .context(|| "cannot start netd")?;
    failpoint::here("netd.locked")?;
    if let Some(connected) = attempt(&address)? {
        return Ok(connected);
    }
    remove_dead_sockets(&paths.runtime.join("netd"))?;
    let listener = seqpacket()?;
    private::close_to_others(listener.as_fd()).at(&path, "cannot close to others")?;
    bind(std::os::fd::AsRawFd::as_raw_fd(&listener), &address).at(&path, "cannot make the socket")?;
    listen(&listener, Backlog::MAXCONN).at(&path, "cannot listen on")?;
    failpoint::here("netd.listening")?;
    spawn::spawn(paths, &path, program, listener.as_fd(), router)?;
    failpoint::here("netd.spawned")?;
    attempt(&address)?.ok_or_else(|| Error::system("cannot reach netd, coracle's network process"))
}

/// Removes the sockets of killed netds, of this user namespace and of others that are gone. The caller must hold the
/// lock under which netds are started.
fn remove_dead_sockets(directory: &Path) -> Result<()> {
    for entry in fs::read_dir(directory).at(directory, "cannot list")? {
        let path = entry.at(directory, "cannot list")?.path();
        if let Ok(address) = UnixAddr::new(&path)
            && matches!(attempt(&address), Ok(None))
        {
            if_absent(fs::remove_file(&path)).at(&path, "cannot remove the socket")?;
        }
    }
    Ok(())
}

/// Connects; `None` if there is no listener.
fn attempt(address: &UnixAddr) -> Result<Option<OwnedFd>> {
    let socket = seqpacket()?;
    // Set before connecting, since connect(2) also blocks when the backlog of a netd that hangs is full.
    wait_at_most(socket.as_fd(), PATIENCE)?;
    match connect(std::os::fd::AsRawFd::as_raw_fd(&socket), address) {
        Ok(()) => private::check_peer(socket.as_fd()).context(|| "cannot trust netd, coracle's network process")?,
        Err(nix::errno::Errno::ENOENT | nix::errno::Errno::ECONNREFUSED) => return Ok(None),
        Err(nix::errno::Errno::EAGAIN) => return Err(silent()),
        Err(errno) => return Err(errno).context(|| "cannot reach netd, coracle's network process"),
    }
    Ok(Some(socket))
}

fn seqpacket() -> Result<OwnedFd> {
    socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None).context(|| "cannot make a socket")
}
