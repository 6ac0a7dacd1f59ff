//! The per-container process: starts the container, holds its streams, writes its log, relays to attached clients, adds
//! processes to it, checks its health, starts it again where its policy says so, and records how it ended. It outlives the
//! command that made it and ends with the container.
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
//! # Runs
//!
//! A supervisor has one container and a run of it at a time ([`life`]): pid 1, its streams, its files, its health check. What
//! outlives a run is the supervisor's: lock, socket, clients, log, and the membership in networks, so that addresses and
//! ports of a container that is restarting are nobody else's. Between two runs it waits as long as [`backoff`] says, in the
//! same loop ([`turn`]). Who has waited for the end of the run (attached clients, `wait`) hears of it and goes; who wants the
//! container stopped hears when it is. Any stop, and any signal between two runs, makes the present run the last one.
//!
//! The record says in which phase it is, and who the supervisor is: whoever reads that a dead one runs or waits knows that
//! the run was lost.
//!
//! Nothing ticks. A health check is a process of the container, as `exec` would make it, and the loop's next moment
//! ([`timers`]); between two checks there is nothing but that moment.
//!
//! # The end
//!
//! pid 1's pidfd becomes readable. What is left in the pipes is drained, the record is written, a `--rm`
//! container is removed, then the clients are told, and only then are namespaces and trash let go: they take longer
//! than everything else (the kernel tears a network namespace down before it reports pid 1's death, unless somebody
//! still holds it). A client that does not read now holds none of that up; the supervisor stays until it has everything.

mod account;
mod added;
mod attached;
mod backoff;
mod devices;
mod emulator;
mod events;
mod freeze;
mod give;
mod handed;
mod health;
mod hooked;
mod ids;
mod joined;
mod life;
mod limited;
mod network;
mod notify;
mod pause;
mod pod;
mod prepare;
pub mod protocol;
mod secrets;
mod settings;
mod sockets;
mod spawn;
mod start;
mod timers;
mod timezone;
mod turn;
mod unions;

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

pub use ids::ContainerIds;
pub use settings::apply;
pub use sockets::connect;
pub(crate) use sockets::control_pair;
pub use spawn::{ROLE, spawn};

use crate::base::error::WireError;
use crate::base::process::ProcessIdentity;
use crate::base::{ContainerId, Error, Paths, Result, ResultExt, failpoint, limits, lock};
use crate::rootless::outer;
use crate::state::{ContainerGuard, Containers, Status};
use crate::sys::process::inherited_fd;
use attached::Client;
use handed::Handed;
use life::Supervisor;
use protocol::{Launch, MAX_MESSAGE, Reply, Request};

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
            Ok(Some(Request::Launch(launch, fds))) => supervise(paths, control, launch, fds),
            _ => Ok(0),
        }
    });
    outer::forget_keeper(paths);
    // For a service manager this process is the container.
    outcome.unwrap_or(1)
}

fn supervise(paths: &Paths, control: OwnedFd, launch: Launch, fds: Vec<OwnedFd>) -> Result<i32> {
    let (control, handed) = Handed::take(control, &launch.handover, fds)?;
    if let Ok(ears) = control.try_clone() {
        lock::tell_waits(Some(Box::new(move |words| {
            let _ = protocol::send_reply(ears.as_fd(), &Reply::Note(words.to_owned()));
        })));
    }
    let (attach, stdin) = (launch.attach, launch.stdin);
    let started = Supervisor::start(paths, launch, handed);
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
    if attach {
        client.attach(stdin, true);
    }
    supervisor.welcome(client);
    supervisor.live()
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
    if let Some(guard) = containers.guard(id)? {
        return Ok(Some(guard));
    }
    let settled = |status: Status| status.pid().is_some() || matches!(status, Status::Restarting { .. });
    let taken = containers.until(id, Duration::from_secs(2), |watch| {
        Ok(match watch.guard()? {
            Some(guard) => Some(Some(guard)),
            None if containers.state(id)?.is_some_and(|state| settled(state.status())) => Some(None),
            None => None,
        })
    });
    taken.map(Option::flatten)
}

fn this_process() -> Result<ProcessIdentity> {
    ProcessIdentity::of(std::process::id() as i32).ok_or_else(|| Error::system("cannot read `/proc/self/stat`"))
}
