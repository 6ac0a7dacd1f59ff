//! The life of a container under its supervisor: run after run, as its restart policy has it, to the record of its end.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::process::WaitIdOptions;

use super::added::Added;
use super::attached::{Attached, Client};
use super::backoff::Backoff;
use super::handed::Handed;
use super::health::Monitor;
use super::limited::Limits;
use super::network::Networked;
use super::notify::Notifier;
use super::protocol::{Launch, MAX_MESSAGE, PROTOCOL, Reply};
use super::sockets::peer_of;
use super::start::{self, Started};
use super::timers::{Timer, Timers};
use super::{hooked, pod, sweep_dead, take_lock, this_process, unions};
use crate::base::members::Members;
use crate::base::process::{ProcessIdentity, ends_within, exit_code};
use crate::base::publish::{self, Durability};
use crate::base::{Error, Paths, Result, failpoint, lock, time, trace};
use crate::logs::Place;
use crate::runtime::hooks::Hooks;
use crate::spec::events::{Action, Event};
use crate::spec::settings::Settings;
use crate::state::events::Journal;
use crate::state::mounts::Mounts;
use crate::state::record::Phase;
use crate::state::sessions::Sessions;
use crate::state::{ContainerConfig, ContainerGuard, Containers, RunState, durability};
use crate::sys::process::Cloned;

/// How long the end is held up for clients that do not read, so that those that do have it before anything else.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long the process that served the files of a run may take to end after it.
const LAST_BREATH: Duration = Duration::from_secs(10);

/// The exit code of a container that could not be started again after a run that went well: docker's.
const NOT_STARTED: i32 = 128;

/// The exit code of a run that was ended because its time was over, and of one whose code nobody knows: podman's.
const EXPIRED: i32 = 255;

/// A container's supervisor.
pub(super) struct Supervisor {
    pub(super) paths: Paths,
    pub(super) launch: Launch,
    /// What it is, with [`Self::settings`] applied.
    pub(super) config: ContainerConfig,
    /// What was changed of it.
    pub(super) settings: Settings,
    pub(super) guard: ContainerGuard,
    pub(super) state: RunState,
    /// None between two runs.
    pub(super) run: Option<Run>,
    /// What the command has handed over.
    handed: Handed,
    /// The service manager that wants to know of it, if there is one.
    pub(super) notifier: Option<Notifier>,
    /// Its networks, if it has any.
    pub(super) network: Option<Networked>,
    /// Its control group.
    pub(super) limits: Limits,
    pub(super) listener: OwnedFd,
    pub(super) attached: Attached,
    pub(super) timers: Timers,
    pub(super) ending: Ending,
    backoff: Backoff,
    /// Somebody wanted it to end, and did not just kill it (`rm -f`).
    pub(super) was_stopped: bool,
    /// Room for the record of the end; none for a `--rm` container, which leaves none.
    reserve: Option<publish::Reserve>,
    pub(super) terminations: OwnedFd,
    pub(super) buffer: Vec<u8>,
}

/// One run of the container.
pub(super) struct Run {
    pub(super) init: Cloned,
    /// The process that serves the root file system, unless the kernel does or it has ended.
    pub(super) file_server: Option<Cloned>,
    /// Those that serve unions among its mounts. They end with the mounts.
    union_servers: Vec<Cloned>,
    /// By which its processes are known when its first process is not that of a pid namespace, with which all others end.
    members: Option<Members>,
    /// What cut the container off.
    pub(super) disaster: String,
    /// Keeps the container's namespaces from being torn down before its end was reported.
    namespaces: Vec<fs::File>,
    pub(super) added: Vec<Added>,
    /// Its health check, if it has one.
    pub(super) monitor: Option<Monitor>,
    /// It was ended because its time was over.
    expired: bool,
    began: Instant,
    /// What is run around it.
    hooks: Option<Hooks>,
}

/// What the end of the present run means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The restart policy decides.
    Policy,
    /// Another run follows at once.
    Again,
    /// It is the last one.
    Last,
}

/// How a run went.
struct Over {
    code: i32,
    disaster: String,
    ran: Duration,
    added: Vec<Added>,
    namespaces: Vec<fs::File>,
    servers: Vec<Cloned>,
}

/// The processes of a run that has just begun.
struct Begun {
    init: Cloned,
    file_server: Option<Cloned>,
    union_servers: Vec<Cloned>,
    members: Option<Members>,
    hooks: Option<Hooks>,
}

impl Run {
    /// A run that has just begun.
    fn new(started: Begun, config: &ContainerConfig) -> Self {
        let Begun { init, file_server, union_servers, members, hooks } = started;
        let namespace = |kind: &&str| fs::File::open(format!("/proc/{}/ns/{kind}", init.pid)).ok();
        let namespaces = ["mnt", "net"].iter().filter_map(namespace).collect();
        let monitor = config.health.plan().map(Monitor::new);
        Self {
            init,
            file_server,
            union_servers,
            members,
            disaster: String::new(),
            namespaces,
            added: Vec::new(),
            monitor,
            expired: false,
            began: Instant::now(),
            hooks,
        }
    }
}

/// The error of a container whose lock somebody else has.
fn busy(paths: &Paths, config: &ContainerConfig) -> Error {
    let error = Error::conflict(format!("container `{}` is running, or being changed by another command", config.name));
    match lock::holder(&paths.container(&config.id)) {
        Some(holder) => error.hint(format!("it is held by {holder}")),
        None => error,
    }
}

/// Where the output is kept, and the service manager that wants to know of the container.
fn told(paths: &Paths, launch: &Launch, config: &ContainerConfig) -> Result<(Place, Option<Notifier>)> {
    let directory = paths.container(&config.id);
    let log = Place::of(config, &directory);
    log.check(&directory)?;
    Ok((log, Notifier::new(&launch.handover, config.lifecycle.sdnotify, &directory)?))
}

impl Supervisor {
    /// Starts the container and records that it runs. On failure nothing of it is left running, and a `--rm` container
    /// is gone.
    pub(super) fn start(paths: &Paths, launch: Launch, handed: Handed) -> Result<Self> {
        let containers = Containers::new(paths);
        let config = containers.config(&launch.id)?;
        let guard = take_lock(&containers, &launch.id)?.ok_or_else(|| busy(paths, &config))?;
        failpoint::here("supervisor.locked")?;
        Mounts::new(paths).refuse(&launch.id)?;
        // Under the lock nobody changes them.
        let config = containers.load(&launch.id)?.config;
        let settings = containers.settings(&launch.id)?;
        if launch.traced {
            // Before netd is started, which traces its steps if we do.
            trace::listen_in_log(&Paths::logs_in(&paths.data), "supervisor.log", config.id.short().to_owned());
        }
        let first = containers.state(&guard.id)?.is_none();
        let reserve = if config.lifecycle.remove { None } else { Some(containers.reserve_state(&guard)?) };
        let begun = || -> Result<_> {
            failpoint::here("supervisor.reserved")?;
            let mut network = Networked::join(paths, &config, &start::own_program()?)?;
            failpoint::here("supervisor.joined")?;
            // After the networks: a netd that they need is not part of this container.
            let mut limits = Limits::begin(paths, &config)?;
            failpoint::here("supervisor.placed")?;
            let listener = start::listen_at(&paths.container_socket(&config.id))?;
            failpoint::here("supervisor.listening")?;
            let terminations = start::termination_signals()?;
            let (log, notifier) = told(paths, &launch, &config)?;
            let around = start::Around {
                network: &mut network,
                limits: &mut limits,
                handed: &handed,
                notifier: notifier.as_ref(),
            };
            let started = start::start(paths, &launch, &config, around, first)?;
            Ok((network, limits, listener, terminations, log, notifier, started))
        };
        match begun() {
            Ok((network, limits, listener, terminations, log, notifier, started)) => {
                let begun = RunState::begun(this_process()?);
                let state = RunState { limits: limits.in_force(), protocol: PROTOCOL, ..begun };
                let mut supervisor = Self {
                    paths: paths.clone(),
                    attached: Attached::new(log),
                    launch,
                    config,
                    settings,
                    guard,
                    state,
                    run: None,
                    handed,
                    notifier,
                    network,
                    limits,
                    listener,
                    timers: Timers::default(),
                    ending: Ending::Policy,
                    backoff: Backoff::default(),
                    was_stopped: false,
                    reserve,
                    terminations,
                    buffer: vec![0; MAX_MESSAGE],
                };
                supervisor.begin_run(started)?;
                Ok(supervisor)
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

    /// Takes in the client that has started the container.
    pub(super) fn welcome(&mut self, mut client: Client) {
        if self.launch.keep {
            self.state.restarter = peer_of(client.socket());
        }
        for note in self.network.iter().flat_map(|network| network.notes(&self.config)) {
            client.tell(Reply::Note(note));
        }
        for option in &self.state.limits.missing {
            client.tell(Reply::Note(format!("`{option}` is not in force: it needs a control group")));
        }
        client.tell(Reply::Started(self.run.as_ref().map_or(0, |run| run.init.pid), None));
        self.attached.add(client);
    }

    /// From the beginning of the first run to the end of the last.
    pub(super) fn live(mut self) -> Result<i32> {
        loop {
            while self.turn() {}
            let Some(over) = self.end_run() else { return self.finish(NOT_STARTED, String::new(), None) };
            let Some(pause) = self.pause_after(&over) else {
                return self.finish(over.code, over.disaster.clone(), Some(over));
            };
            let code = over.code;
            if let Err(error) = self.rest(over, pause) {
                return self.finish(code, error.chain(), None);
            }
            while self.timers.is_set(Timer::NextRun) && self.ending != Ending::Last {
                self.turn();
            }
            if self.ending == Ending::Last {
                return self.finish(code, String::new(), None);
            }
            if let Err(error) = self.begin_again() {
                let error = format!("cannot start it again: {}", error.chain());
                self.attached.announce(&format!("coracle: {error}\n"));
                return self.finish(if code == 0 { NOT_STARTED } else { code }, error, None);
            }
        }
    }

    /// Another run.
    fn begin_again(&mut self) -> Result<()> {
        self.state.restarts = self.state.restarts.saturating_add(1);
        let around = start::Around {
            network: &mut self.network,
            limits: &mut self.limits,
            handed: &self.handed,
            notifier: self.notifier.as_ref(),
        };
        let started = start::start(&self.paths, &self.launch, &self.config, around, false)?;
        self.begin_run(started)
    }

    /// A run has begun: records it.
    fn begin_run(&mut self, started: Started) -> Result<()> {
        let Started { init, file_server, union_servers, streams, members, hooks } = started;
        self.attached.begin(streams);
        self.state.phase = Phase::Running;
        self.state.init = ProcessIdentity::of(init.pid);
        self.state.started = time::now();
        self.state.limits = self.limits.in_force();
        (self.state.oom_killed, self.state.paused, self.state.stopping) = (false, false, false);
        self.state.joined = self.network.as_ref().map(|network| network.joined().clone());
        let run = Run::new(Begun { init, file_server, union_servers, members, hooks }, &self.config);
        self.state.health = run.monitor.as_ref().map(|monitor| monitor.state().clone());
        if let Some(monitor) = &run.monitor {
            self.timers.set(Timer::Check, monitor.next_at());
        }
        self.run = Some(run);
        if self.config.lifecycle.timeout > 0 {
            let limit = Duration::from_secs(self.config.lifecycle.timeout.into());
            self.timers.set(Timer::Expire, Instant::now() + limit);
        }
        Containers::new(&self.paths).set_state(&self.guard, &self.state, Durability::Volatile)?;
        self.write_pid_files();
        failpoint::pass("supervisor.recorded");
        Sessions::new(&self.paths).forget_all(&self.config.id);
        if self.state.restarts == 0 && self.launch.attach {
            self.tell(Action::Attach);
        }
        self.tell_start();
        if let Some(network) = &mut self.network {
            network.recorded();
        }
        if let Some(notifier) = &mut self.notifier {
            notifier.begun();
        }
        Ok(())
    }

    /// `--pidfile` and `--conmon-pidfile`. A file that cannot be written stops no container.
    fn write_pid_files(&mut self) {
        let files = &self.config.lifecycle.files;
        let init = self.run.as_ref().map_or(0, |run| run.init.pid);
        let numbers = [(&files.pid, init), (&files.supervisor, std::process::id() as i32)];
        let errors: Vec<Error> = numbers
            .into_iter()
            .filter_map(|(path, number)| {
                publish::file(path.as_ref()?, number.to_string().as_bytes(), Durability::Volatile).err()
            })
            .collect();
        errors.iter().for_each(|error| self.attached.announce(&format!("coracle: {}\n", error.chain())));
    }

    /// `--timeout`: the time of the run is over.
    pub(super) fn expire(&mut self) {
        if let Some(run) = &mut self.run {
            run.expired = true;
            self.tell_signal(libc::SIGKILL);
            self.signal(libc::SIGKILL);
            self.thaw_to_end();
        }
    }

    /// Pid 1 has ended: takes what is left of the run.
    fn end_run(&mut self) -> Option<Over> {
        let mut run = self.run.take()?;
        let code = exit_code(run.init.pidfd.as_fd(), WaitIdOptions::empty()).unwrap_or(EXPIRED);
        let code = if run.expired { EXPIRED } else { code };
        let ran = run.began.elapsed();
        if run.members.as_ref().is_some_and(|members| !members.kill(LAST_BREATH)) {
            self.attached.announce("coracle: some of its processes do not end\n");
        }
        hooked::ended(&self.paths, &self.config, run.hooks.take().as_ref());
        self.state.oom_killed = self.limits.end_run();
        self.state.limits.cgroup = None;
        // Those who have connected in the last moment hear of it, too, and what they have asked for counts.
        self.accept();
        self.serve_all();
        self.attached.drain();
        for timer in [Timer::Kill, Timer::Check, Timer::CheckTimeout, Timer::Expire] {
            self.timers.clear(timer);
        }
        self.state.health = run.monitor.take().map(Monitor::finish);
        let Run { disaster, namespaces, added, file_server, union_servers, .. } = run;
        let servers = file_server.into_iter().chain(union_servers).collect();
        Some(Over { code, disaster, ran, added, namespaces, servers })
    }

    /// How long to wait for the next run, if there is one.
    fn pause_after(&mut self, over: &Over) -> Option<Duration> {
        match self.ending {
            Ending::Last => None,
            Ending::Again => Some(Duration::ZERO),
            Ending::Policy if self.config.lifecycle.restart.continues(over.code, self.state.restarts) => {
                Some(self.backoff.after(over.ran))
            }
            Ending::Policy => None,
        }
    }

    /// Between two runs: records it, tells those who have waited for the end of this one, and lets go what was its own.
    fn rest(&mut self, over: Over, pause: Duration) -> Result<()> {
        let Over { code, ran, added, namespaces, servers, .. } = over;
        self.ending = Ending::Policy;
        self.timers.set(Timer::NextRun, Instant::now() + pause);
        self.state.phase = Phase::Restarting { code, finished: time::now() };
        Containers::new(&self.paths).set_state(&self.guard, &self.state, Durability::Volatile)?;
        self.end_events(code, ran).into_iter().for_each(|event| self.record(event));
        added.iter().for_each(|added| added.finish(&self.paths, &self.config));
        self.attached.tell_end_of_run(code);
        // With its mounts its root file system goes, which the next run mounts anew.
        drop(namespaces);
        for server in servers {
            if !ends_within(server.pidfd.as_fd(), LAST_BREATH) {
                return Err(Error::system("the process that served the container's files does not end"));
            }
            exit_code(server.pidfd.as_fd(), WaitIdOptions::empty());
        }
        Ok(())
    }

    /// The container has ended for good: record, remove, tell, let go.
    fn finish(mut self, code: i32, error: String, over: Option<Over>) -> Result<i32> {
        // A run that could not be recorded is not one.
        self.signal(libc::SIGKILL);
        drop(self.end_run());
        failpoint::pass("supervisor.ended");
        // Those who connect from now on are refused.
        self.accept();
        // Of the end of a run that was followed by a pause the journal knows already.
        let end = over.as_ref().map_or(Vec::new(), |over| self.end_events(code, over.ran));
        let events: Vec<Event> = end.into_iter().chain(self.release_events()).collect();
        drop(self.listener);
        // Its ports and addresses are free before anybody hears of its end.
        if let Some(Err(error)) = self.network.take().map(Networked::leave) {
            self.attached.announce(&format!("coracle: its ports may still be open: {}\n", error.chain()));
        }
        (self.state.joined, self.state.paused, self.state.stopping) = (None, false, false);
        self.state.phase = match self.state.phase {
            Phase::Restarting { finished, .. } => Phase::Exited { code, finished, error },
            _ => Phase::Exited { code, finished: time::now(), error },
        };
        let containers = Containers::new(&self.paths);
        let _ = fs::remove_file(self.paths.container_socket(&self.config.id));
        let goes =
            self.config.lifecycle.remove && !self.state.restarter.as_ref().is_some_and(ProcessIdentity::is_alive);
        let tell = || events.into_iter().for_each(|event| Journal::new(&self.paths).record(event));
        let recorded = match goes {
            true => {
                tell();
                containers.remove_with_volumes(self.guard, &self.config, Durability::Volatile)
            }
            false => {
                let recorded =
                    containers.set_last_state(&self.guard, &self.state, durability(&self.config), self.reserve);
                drop(self.guard);
                tell();
                recorded
            }
        };
        failpoint::pass("supervisor.finished");
        if let Err(error) = pod::left(&self.paths, &self.config) {
            trace::step(|| format!("its pod is left as it is: {}", error.chain()));
        }
        let has_unions = unions::discard(&self.paths, &self.config).unwrap_or(false);
        let _ = recorded.as_ref().inspect_err(|error| self.attached.announce(&format!("coracle: {}\n", error.chain())));
        if let Some(over) = &over {
            over.added.iter().for_each(|added| added.finish(&self.paths, &self.config));
        }
        self.attached.tell_end(code);
        self.attached.linger(Some(LAST_WORDS), self.terminations.as_fd());
        drop(over);
        let _ = sweep_dead(&self.paths);
        if goes || has_unions {
            let _ = publish::empty_trash(&self.paths.trash());
        }
        self.attached.linger(None, self.terminations.as_fd());
        let told = self.notifier.is_some();
        recorded.map(|()| if told { code } else { 0 })
    }

    /// Makes the present run, or the one that has ended last, the last one.
    pub(super) fn end_for_good(&mut self) {
        self.ending = Ending::Last;
        self.timers.clear(Timer::NextRun);
    }

    /// Asks the run to end, and makes sure after `patience` milliseconds; never when that is negative.
    pub(super) fn stop(&mut self, signal: i32, patience: i64) {
        failpoint::pass("supervisor.stop_heard");
        self.was_stopped |= self.run.is_some() && (signal, patience) != (libc::SIGKILL, 0);
        if self.run.is_some() && !self.state.stopping {
            self.state.stopping = true;
            // The caller that cannot be told, because the disk is full, sees it run to its end.
            let _ = Containers::new(&self.paths).set_state(&self.guard, &self.state, Durability::Volatile);
        }
        trace::step(|| format!("sends signal {signal}; SIGKILL follows after {patience} ms"));
        if self.run.is_some() {
            self.tell_signal(signal);
        }
        self.signal(signal);
        self.thaw_to_end();
        // Nothing is stronger than the first one.
        if patience >= 0 && signal != libc::SIGKILL {
            let at = Instant::now() + Duration::from_millis(patience.unsigned_abs());
            self.timers.set_at_latest(Timer::Kill, at);
        }
    }

    /// [`Self::stop`] as the container itself wants it.
    pub(super) fn stop_usually(&mut self) {
        let lifecycle = &self.config.lifecycle;
        self.stop(lifecycle.stop_signal.0, i64::from(lifecycle.stop_timeout) * 1000);
    }

    pub(super) fn signal(&self, signal: i32) {
        if let Some(run) = &self.run {
            // A pid 1 that has ended meanwhile is noticed by its pidfd.
            let _ = crate::sys::process::send_signal(run.init.pidfd.as_fd(), signal);
            if signal == libc::SIGKILL {
                // Also those that are not below pid 1.
                self.limits.kill();
            }
        }
    }
}
