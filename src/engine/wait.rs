//! `wait`: until a container has ended, or is healthy, or gone.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use super::Engine;
use crate::base::{ContainerId, Error, Kind, Result, ResultExt, text};
use crate::spec::container::{Phase, Status};
use crate::spec::health::HealthStatus;
use crate::state::Container;
use crate::supervise::protocol::{self, MAX_MESSAGE, Reply, Request};

/// The longest wait at once.
const LONGEST: Duration = Duration::from_secs(1);

/// How long the records of a container without a supervisor are not looked at again.
const UNWATCHED: Duration = Duration::from_millis(100);

/// How long a supervisor may take to record what has happened.
const PATIENCE: Duration = Duration::from_secs(2);

/// What to wait for (`--condition`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Condition {
    /// The container does not run: at once for one that never did. One that restarts does not run in between.
    #[default]
    NotRunning,
    /// The next end of a run: a stopped container must be started first.
    NextExit,
    /// The container does not exist any more.
    Removed,
    /// It was created: at once.
    Created,
    /// It runs.
    Running,
    /// It is in this phase: what podman can wait for besides.
    In(Phase),
    /// Its health check says so.
    Health(HealthStatus),
}

impl Condition {
    /// docker's words, and podman's for the same and more.
    pub fn parse(word: &str) -> Result<Self> {
        Ok(match word {
            "not-running" | "stopped" | "exited" => Self::NotRunning,
            "next-exit" => Self::NextExit,
            "removed" => Self::Removed,
            "created" | "configured" | "initialized" => Self::Created,
            "running" => Self::Running,
            "paused" => Self::In(Phase::Paused),
            "stopping" => Self::In(Phase::Stopping),
            "removing" => Self::In(Phase::Removing),
            "healthy" => Self::Health(HealthStatus::Healthy),
            "unhealthy" => Self::Health(HealthStatus::Unhealthy),
            _ => {
                return Err(Error::usage(format!("invalid condition: `{}`", text::clean(word))).hint(
                    "wait for not-running (also stopped, exited), next-exit, removed, created, running, paused, stopping, removing, healthy or unhealthy",
                ));
            }
        })
    }

    /// Whether it is about the end of a run, which has an exit code.
    pub fn has_code(self) -> bool {
        matches!(self, Self::NotRunning | Self::NextExit | Self::Removed)
    }
}

/// Waits until one of the conditions holds, and returns the exit code; none where there is none. Without conditions it waits
/// for the end. `next-exit` cannot be combined with others: records do not tell a new end from an old one.
pub fn wait(engine: &Engine, name: &str, conditions: &[Condition]) -> Result<Option<i32>> {
    match conditions {
        [] => wait_for(engine, name, &[Condition::NotRunning]),
        [_, _, ..] if conditions.contains(&Condition::NextExit) => {
            Err(Error::usage("`next-exit` cannot be waited for together with other conditions"))
        }
        conditions => wait_for(engine, name, conditions),
    }
}

fn wait_for(engine: &Engine, name: &str, conditions: &[Condition]) -> Result<Option<i32>> {
    let id = engine.containers().find(name)?;
    let watch = engine.containers().watch(&id)?;
    // The supervisor tells the end at once, and is asked when nothing else is of interest.
    let listens = conditions.iter().all(|condition| condition.has_code());
    let awaits_removal = conditions == [Condition::Removed];
    let mut last = 0;
    loop {
        if listens
            && let Some(socket) = crate::supervise::connect(&engine.paths.container_socket(&id))?
            && (awaits_removal || ask(&socket, &Request::Await)?)
            && let Some(code) = end_of(&socket)?
        {
            if !awaits_removal {
                return Ok(Some(code));
            }
            last = code;
        }
        let container = match engine.containers().load(&id) {
            Ok(container) => container,
            Err(error) if error.kind() == Kind::NotFound && conditions.iter().any(|condition| condition.has_code()) => {
                return Ok(Some(last));
            }
            Err(error) => return Err(error),
        };
        if let Status::Exited { code, .. } = container.status {
            last = code;
        }
        for condition in conditions {
            if let Some(code) = met(*condition, &container)? {
                return Ok(code);
            }
        }
        // Its processes live, but nobody listens: it is about to be recorded, or its supervisor was killed, and the end of its
        // first process changes no file then.
        let unheard = conditions.contains(&Condition::NotRunning) && container.status.is_running();
        watch.wait(if unheard { UNWATCHED } else { LONGEST })?;
    }
}

/// Whether a condition holds of a container as it is now, and the exit code if it is about an end. An error when it cannot come
/// to hold.
fn met(condition: Condition, container: &Container) -> Result<Option<Option<i32>>> {
    let name = &container.config.name;
    let is_running = container.status.pid().is_some();
    let health = container.run.health.as_ref().map(|health| health.status);
    let holds = match (condition, &container.status) {
        (Condition::NotRunning, Status::Created) => return Ok(Some(Some(0))),
        (Condition::NotRunning, Status::Exited { code, .. }) => return Ok(Some(Some(*code))),
        (Condition::NotRunning | Condition::NextExit | Condition::Removed, _) => false,
        (Condition::Created, _) => true,
        (Condition::Running, _) => is_running,
        (Condition::In(phase), _) => container.status.phase() == phase,
        (Condition::Health(_), _) if container.config.health.plan().is_none() => {
            return Err(Error::usage(format!("container `{name}` has no defined healthcheck")));
        }
        (Condition::Health(HealthStatus::Healthy), Status::Exited { code, .. }) => {
            return Err(Error::conflict(format!("container `{name}` ended with {code} before it was healthy"))
                .hint(format!("`coracle logs {name}` shows what it printed")));
        }
        (Condition::Health(wanted), _) => is_running && health == Some(wanted),
    };
    Ok(holds.then_some(None))
}

/// The container, once its supervisor has recorded an end that has happened already: until then a record says that it runs
/// whose process is gone.
pub(super) fn settled(engine: &Engine, id: &ContainerId) -> Result<Container> {
    let containers = engine.containers();
    let container = containers.load(id)?;
    if !container.status.is_unsettled() {
        return Ok(container);
    }
    let settled = containers
        .until(id, PATIENCE, |_| Ok(Some(containers.load(id)?).filter(|container| !container.status.is_unsettled())));
    settled?.map_or_else(|| containers.load(id), Ok)
}

/// Sends a request to a container's supervisor. False when that has just ended: what was asked for is done, or cannot be.
pub(super) fn ask(socket: &OwnedFd, request: &Request) -> Result<bool> {
    match protocol::send_request(socket.as_fd(), request) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EPIPE | libc::ECONNRESET)) => Ok(false),
        sent => sent.map(|()| true).context(|| "cannot reach the container's supervisor"),
    }
}

/// Listens until the container has ended; none when the supervisor vanished.
pub(super) fn end_of(socket: &OwnedFd) -> Result<Option<i32>> {
    let mut buffer = vec![0; MAX_MESSAGE];
    loop {
        match protocol::receive_reply(socket.as_fd(), &mut buffer)? {
            Some(Reply::Exited(code)) => return Ok(Some(code)),
            Some(_) => {}
            None => return Ok(None),
        }
    }
}
