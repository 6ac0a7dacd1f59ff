//! `wait`: until a container has ended, or is healthy, or gone.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use super::Engine;
use crate::base::{ContainerId, Error, Kind, Result, ResultExt, text};
use crate::spec::container::Status;
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
            "healthy" => Self::Health(HealthStatus::Healthy),
            "unhealthy" => Self::Health(HealthStatus::Unhealthy),
            _ => {
                return Err(Error::usage(format!("invalid condition: `{}`", text::clean(word))).hint(
                    "wait for not-running (also stopped, exited), next-exit, removed, created, running, healthy or unhealthy",
                ));
            }
        })
    }

    /// Whether it is about the end of a run, which has an exit code.
    pub fn has_code(self) -> bool {
        matches!(self, Self::NotRunning | Self::NextExit | Self::Removed)
    }
}

/// Waits and returns the exit code; 0 where there is none.
pub fn wait(engine: &Engine, name: &str, condition: Condition) -> Result<i32> {
    let id = engine.containers().find(name)?;
    let watch = engine.containers().watch(&id)?;
    let mut last = 0;
    loop {
        if condition.has_code()
            && let Some(socket) = crate::supervise::connect(&engine.paths.container_socket(&id))?
            && (condition == Condition::Removed || ask(&socket, &Request::Await)?)
            && let Some(code) = end_of(&socket)?
        {
            if condition != Condition::Removed {
                return Ok(code);
            }
            last = code;
        }
        let container = match engine.containers().load(&id) {
            Ok(container) => container,
            Err(error) if error.kind() == Kind::NotFound && condition.has_code() => return Ok(last),
            Err(error) => return Err(error),
        };
        let health = container.run.health.as_ref().map(|health| health.status);
        match (condition, container.status) {
            (Condition::Created, _) => return Ok(0),
            (Condition::NotRunning, Status::Created) => return Ok(0),
            (Condition::NotRunning, Status::Exited { code, .. }) => return Ok(code),
            (Condition::Running, status) if status.pid().is_some() => return Ok(0),
            (Condition::Health(_), _) if container.config.health.plan().is_none() => {
                return Err(Error::usage(format!("container `{name}` has no defined healthcheck")));
            }
            (Condition::Health(wanted), status) if status.pid().is_some() && health == Some(wanted) => return Ok(0),
            (Condition::Health(HealthStatus::Healthy), Status::Exited { code, .. }) => {
                return Err(Error::conflict(format!("container `{name}` ended with {code} before it was healthy"))
                    .hint(format!("`coracle logs {name}` shows what it printed")));
            }
            (Condition::Removed, Status::Exited { code, .. }) => {
                last = code;
                watch.wait(LONGEST)?;
            }
            // Its processes live, but nobody listens: it is about to be recorded, or its supervisor was killed, and the end
            // of its first process changes no file then.
            (Condition::NotRunning, status) if status.is_running() => watch.wait(UNWATCHED)?,
            _ => watch.wait(LONGEST)?,
        }
    }
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
