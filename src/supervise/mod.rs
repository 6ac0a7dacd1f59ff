//! The per-container process: starts the container, holds its streams, writes its log, relays to attached clients, adds
//! processes to it, and records how it ended. It outlives the command that made it and ends with the container.
//!
//! # Theory of operation
//!
//! The command forks it ([`spawn`]) before it has even decided what to run. The fork makes a session of its own, enters
//! the user's outer namespace, and executes coracle again from a read-only clone of the mount that holds it: a fresh
//! program holds a fraction of the memory, and nothing in a container can ever open coracle for writing through
//! `/proc/PID/exe` (the class of CVE-2019-5736). The new role ([`main`]) then waits for a `Launch` on its socket; end
//! of file means that the command gave up.
//!
//! It is one loop around poll(2) with one thread. Output goes first to the log, then to every attached client; while the
//! client that started the container has output to take, no more is read, so that a slow reader slows the container, as
//! with docker and with a pipe. Other clients may fall behind so far ([`attached`]). Input waits in the same way for the
//! container.
//!
//! While nothing happens, the pages of the program that the last events needed are given back: an idle supervisor is
//! little more than its stack.
//!
//! The end: pid 1's pidfd becomes readable. What is left in the pipes is drained, the record is written, a `--rm`
//! container is removed, then the clients are told, and only then are namespaces and trash let go: they take longer
//! than everything else (the kernel tears a network namespace down before it reports pid 1's death, unless somebody
//! still holds it). A client that does not read now holds none of that up; the supervisor stays until it has everything.

mod account;
mod added;
mod attached;
mod ids;
mod network;
mod prepare;
pub mod protocol;
mod sockets;
mod spawn;
mod start;

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::process::{WaitId, WaitIdOptions};

pub use ids::ContainerIds;
pub use sockets::connect;
pub(crate) use sockets::control_pair;
pub use spawn::{ROLE, spawn};

use crate::base::error::WireError;
use crate::base::process::{ProcessIdentity, ends_within};
use crate::base::publish::{self, Durability};
use crate::base::{ContainerId, Error, Paths, Result, ResultExt, failpoint, limits, lock, private, time, trace};
use crate::rootless::outer;
use crate::runtime::enter;
use crate::spec::namespaces::NetworkMode;
use crate::state::record::FORMAT;
use crate::state::record::Phase;
use crate::state::{ContainerConfig, ContainerGuard, Containers, RunState, Status, durability};
use crate::sys::process::{Cloned, inherited_fd};
use added::Added;
use attached::{Attached, Client};
use network::Networked;
use protocol::{Launch, MAX_MESSAGE, NetworkChange, Reply, Request};
use sockets::peer_of;
use start::Started;

/// The role's entry: `paths` were handed over by [`spawn`], the control socket is fd 3. Returns the exit status.
pub fn main(paths: &Paths) -> i32 {
    // Neither a core dump nor a debugger of another user shows what it holds.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    failpoint::watch(&paths.runtime);
    limits::raise();
    limits::ignore_file_size_signal();
    let outcome = inherited_fd(3).context(|| "the supervisor was started without its socket").and_then(|control| {
        let mut buffer = vec![0; MAX_MESSAGE];
        match protocol::receive_request(control.as_fd(), &mut buffer) {
            Ok(Some(Request::Launch(launch))) => supervise(paths, control, launch),
            _ => Ok(()),
        }
    });
    outer::forget_keeper(paths);
    i32::from(outcome.is_err())
}

fn supervise(paths: &Paths, control: OwnedFd, launch: Launch) -> Result<()> {
    if let Ok(ears) = control.try_clone() {
        lock::tell_waits(Some(Box::new(move |words| {
            let _ = protocol::send_reply(ears.as_fd(), &Reply::Note(words.to_owned()));
        })));
    }
    let started = Supervisor::start(paths, &launch);
    // From here on nobody hears it, and the client must see when we close the socket.
    lock::tell_waits(None);
    let mut supervisor = match started {
        Ok(supervisor) => supervisor,
        Err(error) => {
            let _ = protocol::send_reply(control.as_fd(), &Reply::Failed(WireError::from(&error)));
            return Err(error);
        }
    };
    let mut client = Client::new(control)?;
    if launch.attach {
        client.attach(launch.stdin, true);
    }
    for note in supervisor.network.iter().flat_map(|network| network.notes(&supervisor.config)) {
        client.tell(Reply::Note(note));
    }
    client.tell(Reply::Started(supervisor.init.pid, None));
    supervisor.attached.add(client);
    supervisor.run();
    supervisor.finish()
}

struct Supervisor {
    paths: Paths,
    config: ContainerConfig,
    guard: ContainerGuard,
    state: RunState,
    init: Cloned,
    /// The process that serves the root file system, unless the kernel does or it has ended.
    file_server: Option<Cloned>,
    /// Its networks, if it has any.
    network: Option<Networked>,
    /// What cut the container off.
    disaster: String,
    /// Keeps the container's namespaces from being torn down before its end was reported.
    namespaces: Vec<fs::File>,
    listener: OwnedFd,
    attached: Attached,
    added: Vec<Added>,
    /// When SIGKILL follows a stop request.
    kill_at: Option<Instant>,
    /// Until when nobody is accepted, for lack of descriptors or memory.
    deaf_until: Option<Instant>,
    /// Room for the record of the end; none for a `--rm` container, which leaves none.
    reserve: Option<publish::Reserve>,
    terminations: OwnedFd,
    buffer: Vec<u8>,
}

/// How long nothing must happen before the pages of the program are given back that the last events needed.
const SETTLE: Duration = Duration::from_secs(1);

/// How long to wait after a call has failed for lack of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(100);

/// How long the end is held up for clients that do not read, so that those that do have it before anything else.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long a container may take to end whose files are gone already because it does.
const LAST_BREATH: Duration = Duration::from_secs(1);

impl Supervisor {
    /// Starts the container and records that it runs. On failure nothing of it is left running, and a `--rm` container
    /// is gone.
    fn start(paths: &Paths, launch: &Launch) -> Result<Self> {
        let containers = Containers::new(paths);
        let config = containers.config(&launch.id)?;
        let guard = take_lock(&containers, &launch.id)?.ok_or_else(|| {
            let name = &config.name;
            let error = Error::conflict(format!("container `{name}` is running, or being changed by another command"));
            match lock::holder(&paths.container(&launch.id)) {
                Some(holder) => error.hint(format!("it is held by {holder}")),
                None => error,
            }
        })?;
        failpoint::here("supervisor.locked")?;
        let first = containers.state(&guard.id)?.is_none();
        let reserve = if config.lifecycle.remove { None } else { Some(containers.reserve_state(&guard)?) };
        match start::start(paths, launch, &config, first) {
            Ok(Started { launched: running, file_server, mut network, listener, attached, terminations }) => {
                let state = RunState {
                    format: FORMAT,
                    phase: Phase::Running,
                    supervisor: this_process()?,
                    init: ProcessIdentity::of(running.init.pid),
                    started: time::now(),
                    joined: network.as_ref().map(|network| network.joined().clone()),
                    restarter: None,
                };
                containers.set_state(&guard, &state, Durability::Volatile)?;
                failpoint::pass("supervisor.recorded");
                if let Some(network) = &mut network {
                    network.recorded();
                }
                let namespaces = ["mnt", "net"]
                    .iter()
                    .filter_map(|kind| fs::File::open(format!("/proc/{}/ns/{kind}", running.init.pid)).ok())
                    .collect();
                Ok(Self {
                    paths: paths.clone(),
                    config,
                    guard,
                    state,
                    init: running.init,
                    file_server,
                    network,
                    disaster: String::new(),
                    namespaces,
                    listener,
                    attached,
                    added: Vec::new(),
                    kill_at: None,
                    deaf_until: None,
                    reserve,
                    terminations,
                    buffer: vec![0; MAX_MESSAGE],
                })
            }
            Err(error) => {
                let _ = fs::remove_file(paths.container_socket(&config.id));
                if config.lifecycle.remove {
                    containers.remove_with_volumes(guard, &config, Durability::Volatile)?;
                    let _ = publish::empty_trash(&paths.trash());
                }
                Err(error)
            }
        }
    }

    /// Serves until pid 1 has ended.
    fn run(&mut self) {
        loop {
            let ready = self.wait();
            if ready.terminations {
                self.stop_on_signal();
            }
            if ready.file_server {
                self.lose_files();
            }
            if self.kill_at.is_some_and(|at| at <= Instant::now()) {
                self.kill_at = None;
                self.signal(libc::SIGKILL);
            }
            if ready.network || self.retries_network() {
                self.revive_network();
            }
            let heard_again = self.deaf_until.is_some_and(|until| until <= Instant::now());
            if ready.listener || heard_again {
                self.deaf_until = None;
                self.accept();
            }
            // Backwards, and before the relay: both take clients away that have gone, and the numbers are from before.
            for index in ready.clients.into_iter().rev() {
                self.serve(index);
            }
            self.attached.drop_stalled(Instant::now());
            self.attached.relay(&ready.attached);
            self.reap_added();
            if ready.init {
                return;
            }
        }
    }

    /// Waits for anything to happen, or for nothing to.
    fn wait(&self) -> Ready {
        use nix::poll::{PollFd, PollFlags, PollTimeout};
        let mut fds = vec![
            PollFd::new(self.init.pidfd.as_fd(), PollFlags::POLLIN),
            PollFd::new(
                self.listener.as_fd(),
                if self.deaf_until.is_some() { PollFlags::empty() } else { PollFlags::POLLIN },
            ),
            PollFd::new(self.terminations.as_fd(), PollFlags::POLLIN),
        ];
        let file_server = self.file_server.as_ref().map(|server| server.pidfd.as_fd());
        let network = self.network.as_ref().and_then(Networked::fd);
        let (file_server_at, network_at) = (fds.len(), fds.len() + usize::from(file_server.is_some()));
        fds.extend(file_server.iter().chain(&network).map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN)));
        fds.extend(self.added.iter().flat_map(Added::interests));
        let first_attached = fds.len();
        self.attached.interests(&mut fds);
        let first_client = fds.len();
        // Not those whose input waits for the container: their next message would wake us for nothing.
        let clients = self.attached.clients_to_watch();
        fds.extend(clients.iter().map(|(at, interest)| PollFd::new(self.attached.client(*at).socket(), *interest)));
        let now = Instant::now();
        let retry = self.network.as_ref().and_then(Networked::retry_at);
        let due = [self.kill_at, self.deaf_until, self.attached.stalled_at(), retry].into_iter().flatten().min();
        let left = due.map_or(SETTLE, |at| at.saturating_duration_since(now) + Duration::from_millis(1));
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let polled = nix::poll::poll(&mut fds, timeout);
        if polled.is_err_and(|errno| errno != nix::errno::Errno::EINTR) {
            // No memory, or a limit that somebody has lowered (prlimit(1)): not again at once.
            std::thread::sleep(PAUSE);
        }
        let idle = polled == Ok(0);
        if idle && due.is_none() {
            // Straight to sleep: what runs in between is mapped again.
            let _ = crate::sys::memory::release_program_pages();
            let _ = nix::poll::poll(&mut fds, PollTimeout::NONE);
        }
        let happened = |at: usize| fds[at].revents().is_some_and(|events| !events.is_empty());
        Ready {
            init: happened(0),
            listener: happened(1),
            terminations: happened(2),
            file_server: file_server.is_some() && happened(file_server_at),
            network: network.is_some() && happened(network_at),
            attached: (first_attached..first_client).map(happened).collect(),
            clients: (0..clients.len()).filter(|at| happened(first_client + at)).map(|at| clients[at].0).collect(),
        }
    }

    /// Takes in everybody who has connected.
    fn accept(&mut self) {
        use rustix::io::Errno;
        loop {
            match rustix::net::accept_with(&self.listener, rustix::net::SocketFlags::CLOEXEC) {
                // The socket and its directory are the user's alone, and so is who connects.
                Ok(socket) => {
                    if private::check_peer(socket.as_fd()).is_ok()
                        && let Ok(client) = Client::new(socket)
                    {
                        self.attached.add(client);
                    }
                }
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                    // Who waits there stays there, and the socket readable.
                    self.deaf_until = Some(Instant::now() + PAUSE);
                    return;
                }
                Err(_) => return,
            }
        }
    }

    /// Takes what a client sent, or notices that it has gone.
    fn serve(&mut self, index: usize) {
        if !self.attached.flush(index) {
            self.attached.drop_client(index);
            return;
        }
        while self.attached.listens_to(index) {
            let request = match protocol::receive_request(self.attached.client(index).socket(), &mut self.buffer) {
                Ok(Some(request)) => request,
                Ok(None) => return self.attached.drop_client(index),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => return,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => continue,
                // Descriptors came with it, and some did not fit (unix(7), MSG_CTRUNC).
                Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => {
                    let error = Error::system("the container's supervisor has too many open files")
                        .hint("raise the hard limit of open files (`ulimit -Hn`) and restart the container");
                    return self.attached.client_mut(index).refuse(&error);
                }
                Err(_) => return self.attached.drop_client(index),
            };
            match request {
                Request::Launch(_) => {}
                Request::Exec(exec, fds) => {
                    let added = self.add_process(&exec, fds);
                    let client = self.attached.take_client(index);
                    match added {
                        Ok((process, terminal, mut outputs)) => {
                            outputs.extend(terminal.as_ref().and_then(|master| master.try_clone().ok()));
                            let _ = protocol::send_reply(client.as_fd(), &Reply::Started(process.pid, terminal));
                            self.added.push(Added::new(process, client, outputs));
                        }
                        Err(error) => {
                            let _ = protocol::send_reply(client.as_fd(), &Reply::Failed(WireError::from(&error)));
                        }
                    }
                    return;
                }
                Request::Attach(stdin) => {
                    self.attached.client_mut(index).attach(stdin, false);
                    self.attached.client_mut(index).tell(Reply::Started(self.init.pid, None));
                }
                Request::ChangeNetwork(change) => {
                    let reply = match self.change_network(&change) {
                        Ok(()) => Reply::Done,
                        Err(error) => Reply::Failed(WireError::from(&error)),
                    };
                    self.attached.client_mut(index).tell(reply);
                }
                Request::Stdin(bytes) => self.attached.input(index, bytes),
                Request::StdinEnd => self.attached.input_ended(index),
                Request::Resize(columns, rows) => self.attached.resize(columns, rows),
                Request::Signal(signal) => self.signal(signal),
                Request::Keep => self.state.restarter = peer_of(self.attached.client(index).socket()),
                Request::Stop(signal, patience) => self.stop(signal, patience),
            }
        }
    }

    /// The process, the master of its terminal, and the read ends of its pipes if the client sent them.
    fn add_process(
        &mut self,
        exec: &protocol::Exec,
        mut fds: Vec<OwnedFd>,
    ) -> Result<(Cloned, Option<OwnedFd>, Vec<OwnedFd>)> {
        let root = prepare::root_of(self.init.pid)?;
        let plan = prepare::added_process(&self.config, exec, root.as_fd())?;
        let outputs = fds.split_off(fds.len().min(3));
        let streams = match exec.terminal {
            Some((columns, rows)) => enter::EnterStreams::Terminal(columns, rows),
            None => enter::EnterStreams::Fds(
                fds.try_into().map_err(|_| Error::system("an exec request came without its standard streams"))?,
            ),
        };
        let own_network = self.config.namespaces.network.is_own();
        let (process, terminal) = enter::enter(&plan, self.init.pidfd.as_fd(), own_network, streams)?;
        Ok((process, terminal, outputs))
    }

    fn reap_added(&mut self) {
        let buffer = &mut self.buffer;
        self.added.retain_mut(|added| added.tend(buffer));
    }

    /// SIGTERM or SIGINT to the supervisor itself, as at the end of a login session: the container is stopped properly.
    fn stop_on_signal(&mut self) {
        let mut info = [0u8; 1024];
        let _ = rustix::io::read(&self.terminations, &mut info[..]);
        self.stop(self.config.lifecycle.stop_signal.0, i64::from(self.config.lifecycle.stop_timeout) * 1000);
    }

    /// The root file system's server has ended before the container: nothing in it can read or write a file any more.
    fn lose_files(&mut self) {
        let Some(server) = self.file_server.take() else { return };
        let code = exit_code(server.pidfd.as_fd(), WaitIdOptions::empty());
        let how = match code {
            Some(code @ 129..) => format!("killed by signal {}", code - 128),
            Some(code) => format!("exit code {code}"),
            None => "unknown cause".into(),
        };
        // The mount goes with the container and its server with the mount, which may be seen before pid 1 has ended for
        // good: that is no disaster. But a server that has failed may have taken pid 1 with it, by SIGBUS.
        if code != Some(0) || !ends_within(self.init.pidfd.as_fd(), LAST_BREATH) {
            self.disaster = format!("the process that served the container's files ended ({how})");
            self.attached.announce(&format!("coracle: {}\n", self.disaster));
            self.signal(libc::SIGKILL);
        }
    }

    fn retries_network(&self) -> bool {
        self.network.as_ref().and_then(Networked::retry_at).is_some_and(|at| at <= Instant::now())
    }

    fn revive_network(&mut self) {
        let Some(network) = &mut self.network else { return };
        network.revive(&self.paths);
    }

    /// `network connect` and `disconnect`.
    fn change_network(&mut self, change: &NetworkChange) -> Result<()> {
        let changed = self.change_network_and_records(change);
        if let Some(network) = &mut self.network {
            network.recorded();
        }
        changed
    }

    /// The records follow what was done.
    fn change_network_and_records(&mut self, change: &NetworkChange) -> Result<()> {
        let network = self.network.as_mut().ok_or_else(|| {
            Error::conflict(format!("container `{}` is on no network that can be changed", self.config.name))
                .hint("its network was chosen with --network none, host, container: or ns:")
        })?;
        let NetworkMode::Networks(members) = &mut self.config.namespaces.network else {
            return Err(Error::system("a networked container without networks"));
        };
        match change {
            NetworkChange::Connect(member) => {
                network.connect(&self.paths, member)?;
                members.push(member.clone());
            }
            NetworkChange::Disconnect(name) => {
                network.disconnect(name)?;
                members.retain(|member| member.network != *name);
            }
        }
        self.state.joined = Some(network.joined().clone());
        let containers = Containers::new(&self.paths);
        containers.set_config(&self.guard, &self.config)?;
        containers.set_state(&self.guard, &self.state, Durability::Volatile)?;
        network::write_files(&self.paths, &self.config, self.state.joined.as_ref())
    }

    fn stop(&mut self, signal: i32, patience: i64) {
        failpoint::pass("supervisor.stop_heard");
        trace::step(|| format!("sends signal {signal}; SIGKILL follows after {patience} ms"));
        self.signal(signal);
        if patience >= 0 {
            let at = Instant::now() + Duration::from_millis(patience.unsigned_abs());
            self.kill_at = Some(self.kill_at.map_or(at, |earlier| earlier.min(at)));
        }
    }

    fn signal(&self, signal: i32) {
        // A pid 1 that has ended meanwhile is noticed by its pidfd.
        let _ = crate::sys::process::send_signal(self.init.pidfd.as_fd(), signal);
    }

    /// Pid 1 has ended: drain, record, remove, tell, let go.
    fn finish(mut self) -> Result<()> {
        failpoint::pass("supervisor.ended");
        let code = exit_code(self.init.pidfd.as_fd(), WaitIdOptions::empty()).unwrap_or(255);
        // Those who have connected in the last moment hear of it, too; the next ones are refused.
        self.accept();
        drop(self.listener);
        self.attached.drain();
        // Its ports and addresses are free before anybody hears of its end.
        if let Some(Err(error)) = self.network.take().map(Networked::leave) {
            self.attached.announce(&format!("coracle: its ports may still be open: {}\n", error.chain()));
        }
        self.state.joined = None;
        self.state.phase = Phase::Exited { code, finished: time::now(), error: std::mem::take(&mut self.disaster) };
        let containers = Containers::new(&self.paths);
        let _ = fs::remove_file(self.paths.container_socket(&self.config.id));
        let goes =
            self.config.lifecycle.remove && !self.state.restarter.as_ref().is_some_and(ProcessIdentity::is_alive);
        let recorded = match goes {
            true => containers.remove_with_volumes(self.guard, &self.config, Durability::Volatile),
            false => {
                let recorded =
                    containers.set_last_state(&self.guard, &self.state, durability(&self.config), self.reserve);
                drop(self.guard);
                recorded
            }
        };
        failpoint::pass("supervisor.finished");
        let _ = recorded.as_ref().inspect_err(|error| self.attached.announce(&format!("coracle: {}\n", error.chain())));
        self.added.iter().for_each(Added::finish);
        self.attached.tell_end(code);
        self.attached.linger(Some(LAST_WORDS), self.terminations.as_fd());
        drop(self.namespaces);
        let _ = sweep_dead(&self.paths);
        if goes {
            let _ = publish::empty_trash(&self.paths.trash());
        }
        self.attached.linger(None, self.terminations.as_fd());
        recorded
    }
}

/// Clears up after supervisors that were killed: their sockets, and containers that were to go with their process. A
/// socket whose container's lock is free belongs to the dead: a living supervisor takes the lock before it listens.
fn sweep_dead(paths: &Paths) -> Result<()> {
    outer::forget_dead_keepers(paths);
    let containers = Containers::new(paths);
    let directory = paths.runtime.join("containers");
    for socket in fs::read_dir(&directory).at(&directory, "cannot list")?.flatten() {
        let prefix = socket.file_name();
        // Whoever is found was not to go with its process; those that were are taken away by the search.
        let Ok(id) = containers.find(&prefix.to_string_lossy()) else { continue };
        if let Ok(Some(_guard)) = containers.guard(&id) {
            let _ = fs::remove_file(socket.path());
        }
    }
    Ok(())
}

/// Takes the lock of a container that is to be started. One that does not run has its lock held only for moments, by a
/// supervisor that has just recorded the end, or by a command that looks at it: that is waited for.
fn take_lock(containers: &Containers, id: &ContainerId) -> Result<Option<ContainerGuard>> {
    let patience = Instant::now() + Duration::from_secs(2);
    loop {
        let guard = containers.guard(id)?;
        let running = || -> Result<bool> {
            let status = containers.state(id)?.map(|state| state.status());
            Ok(matches!(status, Some(Status::Running { pid, .. }) if pid > 0))
        };
        if guard.is_some() || Instant::now() > patience || running()? {
            return Ok(guard);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// What [`Supervisor::wait`] found.
struct Ready {
    init: bool,
    listener: bool,
    terminations: bool,
    file_server: bool,
    network: bool,
    attached: Vec<bool>,
    clients: Vec<usize>,
}

fn this_process() -> Result<ProcessIdentity> {
    ProcessIdentity::of(std::process::id() as i32).ok_or_else(|| Error::system("cannot read `/proc/self/stat`"))
}

/// The status of an ended child as a shell sees it; `None` while it runs (with NOHANG).
fn exit_code(pidfd: BorrowedFd<'_>, options: WaitIdOptions) -> Option<i32> {
    let status = loop {
        match rustix::process::waitid(WaitId::PidFd(pidfd), WaitIdOptions::EXITED | options) {
            Err(rustix::io::Errno::INTR) => {}
            status => break status.ok()??,
        }
    };
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Some(code),
        (None, Some(signal)) => Some(128 + signal),
        (None, None) => None,
    }
}
