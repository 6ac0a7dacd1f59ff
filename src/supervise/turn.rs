//! One turn of the supervisor's loop: waits for anything to happen, and does what follows from it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::sched::CloneFlags;
use rustix::process::WaitIdOptions;

use super::added::Added;
use super::attached::Client;
use super::health::Monitor;
use super::life::{Ending, Supervisor};
use super::network::{self, Networked};
use super::notify::Notifier;
use super::protocol::{self, Exec, Hello, NetworkChange, PROTOCOL, Reply, Request};
use super::sockets::peer_of;
use super::timers::Timer;
use super::{joined, prepare};
use crate::base::error::WireError;
use crate::base::id::random_hex;
use crate::base::poll::{PollFd, PollFlags};
use crate::base::process::{ProcessIdentity, ends_within, exit_code};
use crate::base::publish::{self, Durability};
use crate::base::{Error, Result, poll, private, time};
use crate::runtime::enter::{self, EnterStreams};
use crate::runtime::launch;
use crate::spec::container::ContainerConfig;
use crate::spec::events::Action;
use crate::spec::health::{HealthStatus, LogDestination, OnFailure};
use crate::spec::namespaces::NetworkMode;
use crate::state::secrets::variables;
use crate::state::sessions::{Session, Sessions};
use crate::state::{Containers, durability};
use crate::sys::process::Cloned;

/// How long nothing must happen before the pages of the program are given back that the last events needed.
const SETTLE: Duration = Duration::from_secs(1);

/// How long to wait after a call has failed for lack of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a container may take to end whose files are gone already because it does.
const LAST_BREATH: Duration = Duration::from_secs(1);

/// What [`Supervisor::wait`] found.
struct Ready {
    init: bool,
    listener: bool,
    terminations: bool,
    file_server: bool,
    network: bool,
    notifier: bool,
    attached: Vec<bool>,
    clients: Vec<usize>,
}

/// A process that was added to the container, and the master of its terminal if it has one.
type Entered = (Cloned, Option<OwnedFd>);

impl Supervisor {
    /// One turn. False once pid 1 has ended.
    pub(super) fn turn(&mut self) -> bool {
        let ready = self.wait();
        if ready.terminations {
            self.stop_on_signal();
        }
        if ready.file_server {
            self.lose_files();
        }
        for timer in self.timers.due(Instant::now()) {
            match timer {
                Timer::Kill => {
                    self.tell_signal(libc::SIGKILL);
                    self.signal(libc::SIGKILL);
                }
                Timer::Check => self.begin_check(),
                Timer::CheckTimeout => self.monitor(Monitor::time_out),
                Timer::Expire => self.expire(),
                Timer::Listen => self.accept(),
                // The wait for the next run ends: it is due.
                Timer::NextRun => {}
            }
        }
        if ready.notifier
            && let Some(notifier) = &mut self.notifier
        {
            notifier.relay();
        }
        if ready.network || self.retries_network() {
            self.revive_network();
        }
        if ready.listener {
            self.accept();
        }
        // Backwards, and before the relay: both take clients away that have gone, and the numbers are from before.
        for index in ready.clients.into_iter().rev() {
            self.serve(index);
        }
        self.attached.drop_stalled(Instant::now());
        self.attached.relay(&ready.attached);
        self.tend_added();
        self.tend_check();
        !ready.init
    }

    /// Waits for anything to happen, or for nothing to.
    fn wait(&self) -> Ready {
        let deaf = self.timers.is_set(Timer::Listen);
        let listens = if deaf { PollFlags::empty() } else { PollFlags::IN };
        let mut fds = vec![PollFd::new(&self.listener, listens), PollFd::new(&self.terminations, PollFlags::IN)];
        let run = self.run.as_ref();
        let init = run.map(|run| run.init.pidfd.as_fd());
        let file_server = run.and_then(|run| run.file_server.as_ref()).map(|server| server.pidfd.as_fd());
        let network = self.network.as_ref().and_then(Networked::fd);
        let notifier = self.notifier.as_ref().and_then(Notifier::fd);
        let init_at = fds.len();
        let file_server_at = init_at + usize::from(init.is_some());
        let network_at = file_server_at + usize::from(file_server.is_some());
        let notifier_at = network_at + usize::from(network.is_some());
        let single = init.iter().chain(&file_server).chain(&network).chain(&notifier);
        fds.extend(single.map(|fd| PollFd::new(fd, PollFlags::IN)));
        fds.extend(run.iter().flat_map(|run| run.added.iter().flat_map(Added::interests)));
        fds.extend(run.iter().flat_map(|run| run.monitor.iter().flat_map(Monitor::interests)));
        let first_attached = fds.len();
        self.attached.interests(&mut fds);
        let first_client = fds.len();
        // Not those whose input waits for the container: their next message would wake us for nothing.
        let clients = self.attached.clients_to_watch();
        fds.extend(
            clients
                .iter()
                .map(|(at, interest)| PollFd::from_borrowed_fd(self.attached.client(*at).socket(), *interest)),
        );
        let retry = self.network.as_ref().and_then(Networked::retry_at);
        let due = [self.timers.next(), self.attached.stalled_at(), retry].into_iter().flatten().min();
        let left = |due: Option<Instant>| due.map(|at| at.saturating_duration_since(Instant::now()));
        let long = left(due).is_none_or(|left| left > SETTLE);
        let polled = poll::wait(&mut fds, if long { Some(SETTLE) } else { left(due) });
        if polled.is_err() {
            // No memory, or a limit that somebody has lowered (prlimit(1)): not again at once.
            std::thread::sleep(PAUSE);
        }
        if polled.is_ok_and(|ready| ready == 0) && long {
            // Straight to sleep: what runs in between is mapped again.
            let _ = crate::sys::memory::release_program_pages();
            let _ = poll::wait(&mut fds, left(due));
        }
        let happened = |at: usize| !fds[at].revents().is_empty();
        Ready {
            listener: happened(0),
            terminations: happened(1),
            init: init.is_some() && happened(init_at),
            file_server: file_server.is_some() && happened(file_server_at),
            network: network.is_some() && happened(network_at),
            notifier: notifier.is_some() && happened(notifier_at),
            attached: (first_attached..first_client).map(happened).collect(),
            clients: (0..clients.len()).filter(|at| happened(first_client + at)).map(|at| clients[at].0).collect(),
        }
    }

    /// Takes in everybody who has connected.
    pub(super) fn accept(&mut self) {
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
                    // Clients that wait there stay there, and the socket stays readable.
                    self.timers.set(Timer::Listen, Instant::now() + PAUSE);
                    return;
                }
                Err(_) => return,
            }
        }
    }

    /// Takes what every client has sent already.
    pub(super) fn serve_all(&mut self) {
        for index in (0..self.attached.count()).rev() {
            self.serve(index);
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
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    self.not_understood(index);
                    continue;
                }
                // Descriptors came with it, and some did not fit (unix(7), MSG_CTRUNC).
                Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => {
                    let error = Error::system("the container's supervisor has too many open files")
                        .hint("raise the hard limit of open files (`ulimit -Hn`) and restart the container");
                    return self.attached.client_mut(index).refuse(&error);
                }
                Err(_) => return self.attached.drop_client(index),
            };
            match request {
                Request::Launch(..) => {}
                Request::Hello(_) => {
                    let client = self.attached.client_mut(index);
                    client.greeted = true;
                    client.tell(Reply::Hello(Hello { protocol: PROTOCOL }));
                }
                Request::Exec(exec, fds) => {
                    let client = self.attached.take_client(index);
                    return self.exec(&exec, fds, client);
                }
                Request::Check => {
                    let client = self.attached.take_client(index);
                    return self.check_for(client);
                }
                Request::Attach(_) if self.state.paused => {
                    let error = Error::conflict("cannot attach to a paused container, unpause it first");
                    return self.attached.client_mut(index).refuse(&error);
                }
                Request::Attach(stdin) => match &self.run {
                    Some(run) => {
                        let pid = run.init.pid;
                        self.attached.client_mut(index).attach(stdin, false);
                        self.attached.client_mut(index).tell(Reply::Started(pid, None));
                        self.tell(Action::Attach);
                    }
                    None => {
                        let error = self.between_runs();
                        return self.attached.client_mut(index).refuse(&error);
                    }
                },
                Request::Await => self.attached.client_mut(index).await_end(),
                Request::ChangeNetwork(change) => {
                    let reply = answer(self.change_network(&change));
                    self.attached.client_mut(index).tell(reply);
                }
                Request::Change(change) => {
                    let reply = answer(self.change_settings(&change));
                    self.attached.client_mut(index).tell(reply);
                }
                Request::Pause(paused) => {
                    let reply = answer(self.set_paused(paused));
                    self.attached.client_mut(index).tell(reply);
                }
                Request::Stdin(bytes) => self.attached.input(index, bytes),
                Request::StdinEnd => self.attached.input_ended(index),
                Request::Resize(columns, rows) => self.attached.resize(columns, rows),
                Request::Signal(signal) => self.signal_by_request(signal),
                Request::Keep => self.state.restarter = peer_of(self.attached.client(index).socket()),
                Request::Stop(signal, patience) => {
                    self.state.stopped = true;
                    self.end_for_good();
                    self.stop(signal, patience);
                }
            }
        }
    }

    /// A request of a newer client, or none at all.
    fn not_understood(&mut self, index: usize) {
        let client = self.attached.client_mut(index);
        if client.greeted {
            let error = Error::unsupported("the container's supervisor does not know this request")
                .hint("it was started by an older coracle: restart the container");
            client.tell(Reply::Failed(WireError::from(&error)));
        }
    }

    /// `kill`: a signal that asks for the end makes the present run the last one.
    fn signal_by_request(&mut self, signal: i32) {
        if self.run.is_none() || ends(signal, &self.config) {
            self.state.stopped = true;
            self.end_for_good();
        }
        if self.run.is_some() {
            self.tell_signal(signal);
        }
        self.signal(signal);
        if ends(signal, &self.config) {
            self.thaw_to_end();
        }
    }

    /// The error of what needs a run.
    pub(super) fn between_runs(&self) -> Error {
        Error::conflict(format!("container `{}` is restarting", self.config.name))
            .hint("wait until it runs: `coracle ps` shows its state, and `coracle logs` why it has ended")
    }

    fn exec(&mut self, exec: &Exec, mut fds: Vec<OwnedFd>, client: OwnedFd) {
        let mut outputs = fds.split_off(fds.len().min(3));
        let streams = match exec.terminal {
            Some((columns, rows)) => Ok(EnterStreams::Terminal(columns, rows)),
            None => fds
                .try_into()
                .map(EnterStreams::Fds)
                .map_err(|_| Error::system("an exec request came without its standard streams")),
        };
        let entered = streams.and_then(|streams| {
            let session = random_hex()?;
            let event = |action| self.event(action).with("execID", &session).with_detail(&exec.argv.join(" "));
            self.record(event(Action::ExecCreate));
            let entered = self.enter(exec, streams)?;
            self.record(event(Action::ExecStart));
            Ok((session, entered))
        });
        match entered {
            Ok((session, (process, terminal))) => {
                outputs.extend(terminal.as_ref().and_then(|master| master.try_clone().ok()));
                self.record_session(&session, exec, process.pid);
                let _ = protocol::send_reply(client.as_fd(), &Reply::Started(process.pid, terminal));
                if let Some(run) = &mut self.run {
                    run.added.push(Added::new(process, session, client, outputs));
                }
            }
            Err(error) => {
                let _ = protocol::send_reply(client.as_fd(), &Reply::Failed(WireError::from(&error)));
            }
        }
    }

    /// Somebody may want to know what runs in the container. A disk without room for that must not stop the process.
    fn record_session(&self, id: &str, exec: &Exec, pid: i32) {
        let Some(process) = ProcessIdentity::of(pid) else { return };
        let session = Session {
            id: id.to_owned(),
            process,
            argv: exec.argv.clone(),
            user: exec.user.clone(),
            tty: exec.terminal.is_some(),
            privileged: exec.privileged,
            started: time::now(),
        };
        let _ = Sessions::new(&self.paths).record(&self.config.id, &session);
    }

    /// Starts another process in the container.
    fn enter(&self, exec: &Exec, streams: EnterStreams) -> Result<Entered> {
        let run = self.run.as_ref().ok_or_else(|| self.between_runs())?;
        self.refuse_paused()?;
        let root = prepare::root_of(run.init.pid)?;
        let limits = self.limits.of_processes(&self.config.resources)?;
        let secrets = variables(&self.paths, &self.config)?;
        let plan = prepare::added_process(&self.config, &secrets, exec, root.as_fd(), limits, &self.launch.edits)?;
        let divided = self.limits.group_for(run.init.pid);
        let namespaces = joined::of_process(run.init.pid);
        let container = enter::Container {
            init: run.init.pidfd.as_fd(),
            keeps_signals: !namespaces.contains(CloneFlags::CLONE_NEWPID) && !self.config.security.privileged,
            namespaces,
            user_first: false,
            cgroup: divided.as_ref().map(AsFd::as_fd).or_else(|| self.limits.group()),
        };
        let entered = enter::enter(&plan, container, streams)?;
        if let Some(score) = self.config.resources.oom_score_adj {
            // It inherits the supervisor's. One that has ended needs none.
            let _ = launch::adjust_oom_score(entered.0.pid, score);
        }
        Ok(entered)
    }

    fn tend_added(&mut self) {
        let (buffer, paths, config) = (&mut self.buffer, &self.paths, &self.config);
        if let Some(run) = &mut self.run {
            run.added.retain_mut(|added| added.tend(paths, config, buffer));
        }
    }

    fn monitor(&mut self, act: impl FnOnce(&mut Monitor)) {
        if let Some(monitor) = self.run.as_mut().and_then(|run| run.monitor.as_mut()) {
            act(monitor);
        }
    }

    /// A client wants a check made now, or the result of the one that is being made.
    fn check_for(&mut self, client: OwnedFd) {
        let error = match &self.run {
            None => self.between_runs(),
            Some(run) => match &run.monitor {
                Some(monitor) => {
                    let begins = !monitor.is_checking();
                    self.monitor(|monitor| monitor.ask(client));
                    if begins {
                        self.begin_check();
                    }
                    return;
                }
                None => Error::usage(format!("container `{}` has no defined healthcheck", self.config.name))
                    .hint("`coracle run --health-cmd` gives a container one"),
            },
        };
        let _ = protocol::send_reply(client.as_fd(), &Reply::Failed(WireError::from(&error)));
    }

    fn begin_check(&mut self) {
        self.timers.clear(Timer::Check);
        if self.state.paused {
            // With `unpause` it goes on.
            return;
        }
        let Some(mut monitor) = self.run.as_mut().and_then(|run| run.monitor.take()) else { return };
        if !monitor.is_checking() {
            let argv = monitor.argv();
            let exec = Exec { argv, env: Vec::new(), user: None, cwd: None, terminal: None, privileged: false };
            let begun = monitor.begin(|streams| Ok(self.enter(&exec, EnterStreams::Fds(streams))?.0));
            let failed = begun.map(|until| self.timers.set(Timer::CheckTimeout, until));
            let became_unhealthy = failed.map_err(|error| monitor.fail(&error));
            if let Some(run) = &mut self.run {
                run.monitor = Some(monitor);
            }
            if let Err(became_unhealthy) = became_unhealthy {
                self.checked(became_unhealthy);
            }
        } else if let Some(run) = &mut self.run {
            run.monitor = Some(monitor);
        }
    }

    fn tend_check(&mut self) {
        let buffer = &mut self.buffer;
        let monitor = self.run.as_mut().and_then(|run| run.monitor.as_mut());
        if let Some(became_unhealthy) = monitor.and_then(|monitor| monitor.tend(buffer)) {
            self.timers.clear(Timer::CheckTimeout);
            self.checked(became_unhealthy);
        }
    }

    /// A check has been made: records what it has found, and acts on it.
    fn checked(&mut self, became_unhealthy: bool) {
        let Some(monitor) = self.run.as_ref().and_then(|run| run.monitor.as_ref()) else { return };
        let action = monitor.action();
        let health = monitor.state().clone();
        let tells = self.config.health.log.destination == LogDestination::Events;
        if tells || self.state.health.as_ref().map(|health| health.status) != Some(health.status) {
            self.record(self.event(Action::HealthStatus).with_detail(health.status.word()));
        }
        let healthy = health.status == HealthStatus::Healthy;
        if let LogDestination::Directory(directory) = &self.config.health.log.destination {
            let path = directory.join(format!("{}-healthcheck.log", self.config.id));
            let _ = publish::json(&path, &health, Durability::Volatile);
        }
        self.state.health = Some(health);
        self.timers.set(Timer::Check, monitor.next_at());
        if let (true, Some(notifier)) = (healthy, &mut self.notifier) {
            notifier.healthy();
        }
        // A full disk must not stop the container: the next check brings a record of all that is kept.
        let _ = Containers::new(&self.paths).set_state(&self.guard, &self.state, Durability::Volatile);
        self.monitor(Monitor::answer);
        if !became_unhealthy || action == OnFailure::None || self.ending == Ending::Last || self.is_ending() {
            return;
        }
        match action {
            OnFailure::None => {}
            OnFailure::Kill => self.signal(libc::SIGKILL),
            OnFailure::Restart => {
                self.ending = Ending::Again;
                self.stop_usually();
            }
            OnFailure::Stop => {
                self.state.stopped = true;
                self.end_for_good();
                self.stop_usually();
            }
        }
    }

    /// Whether pid 1 has ended by itself: the kernel ends a check with it, which then fails.
    fn is_ending(&self) -> bool {
        self.run.as_ref().is_none_or(|run| ends_within(run.init.pidfd.as_fd(), PAUSE))
    }

    /// SIGTERM or SIGINT to the supervisor itself, as at the end of a login session: the container is stopped properly.
    fn stop_on_signal(&mut self) {
        let mut info = [0u8; 1024];
        let _ = rustix::io::read(&self.terminations, &mut info[..]);
        self.end_for_good();
        self.stop_usually();
    }

    /// The root file system's server has ended before the container: nothing in it can read or write a file any more.
    fn lose_files(&mut self) {
        let Some(run) = &mut self.run else { return };
        let Some(server) = run.file_server.take() else { return };
        let code = exit_code(server.pidfd.as_fd(), WaitIdOptions::empty());
        let how = match code {
            Some(code @ 129..) => format!("killed by signal {}", code - 128),
            Some(code) => format!("exit code {code}"),
            None => "unknown cause".into(),
        };
        // The mount goes with the container and its server with the mount, which may be seen before pid 1 has ended for
        // good: that is no disaster. But a server that has failed may have taken pid 1 with it, by SIGBUS.
        if code != Some(0) || !ends_within(run.init.pidfd.as_fd(), LAST_BREATH) {
            run.disaster = format!("the process that served the container's files ended ({how})");
            let words = format!("coracle: {}\n", run.disaster);
            self.attached.announce(&words);
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
        if self.run.is_none() {
            return Err(self.between_runs());
        }
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
        let joined = Some(network.joined().clone());
        let event = match change {
            NetworkChange::Connect(member) => {
                self.state.joined = joined;
                self.network_event(Action::Connect, member.network.as_str())
            }
            NetworkChange::Disconnect(name) => {
                let event = self.network_event(Action::Disconnect, name.as_str());
                self.state.joined = joined;
                event
            }
        };
        self.record(event);
        let containers = Containers::new(&self.paths);
        self.settings.networks = Some(self.config.namespaces.network.members().to_vec());
        containers.set_settings(&self.guard, &self.settings, durability(&self.config))?;
        containers.set_state(&self.guard, &self.state, Durability::Volatile)?;
        network::write_files(&self.paths, &self.config, self.state.joined.as_ref())
    }
}

/// The answer to a request that is done or has failed.
fn answer(done: Result<()>) -> Reply {
    match done {
        Ok(()) => Reply::Done,
        Err(error) => Reply::Failed(WireError::from(&error)),
    }
}

/// Whether somebody who sends this signal wants the container to end, not only to take notice: it is not started again then.
fn ends(signal: i32, config: &ContainerConfig) -> bool {
    matches!(signal, libc::SIGKILL | libc::SIGTERM | libc::SIGINT | libc::SIGQUIT)
        || signal == config.lifecycle.stop_signal.0
}
