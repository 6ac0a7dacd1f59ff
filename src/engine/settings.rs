//! `rename`, `update`, `pause` and `unpause`: a container changes while it runs or while it does not. The supervisor of a
//! running one is asked; the records of others are changed here.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use super::{Engine, not_running};
use crate::base::id::Name;
use crate::base::{ContainerId, Error, Result, ResultExt, trace};
use crate::spec::container::Status;
use crate::spec::resources::Resources;
use crate::spec::restart::RestartPolicy;
use crate::supervise::protocol::{self, Change, Hello, MAX_MESSAGE, PROTOCOL, Reply, Request};

/// How long a container may be in the course of being started or stopped.
const PATIENCE: Duration = Duration::from_secs(5);

/// Gives a container another name.
pub fn rename(engine: &Engine, container: &str, name: &str) -> Result<()> {
    let id = engine.containers().find(container)?;
    let name: Name = name.strip_prefix('/').unwrap_or(name).parse()?;
    change(engine, &id, &Change::Name(name))
}

/// What `update` changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// `--restart`.
    pub restart: Option<RestartPolicy>,
    /// The limits that are given.
    pub limits: Resources,
}

impl Update {
    fn changes(&self) -> Vec<Change> {
        let limits = Some(&self.limits).filter(|limits| !limits.is_default());
        let limits = limits.map(|limits| Change::Limits(Box::new(limits.clone())));
        // A limit that cannot be set leaves the rest as it was.
        limits.into_iter().chain(self.restart.map(Change::Restart)).collect()
    }
}

/// Changes the settings of a container.
pub fn update(engine: &Engine, container: &str, update: &Update) -> Result<ContainerId> {
    let id = engine.containers().find(container)?;
    update.changes().iter().try_for_each(|one| change(engine, &id, one))?;
    Ok(id)
}

/// Freezes a container's processes, or lets them go on.
pub fn set_paused(engine: &Engine, container: &str, paused: bool) -> Result<ContainerId> {
    let id = engine.containers().find(container)?;
    let socket = crate::supervise::connect(&engine.paths.container_socket(&id))?;
    if socket.is_some() {
        refuse_older(engine, &id)?;
    }
    let done = socket.map(|socket| demand(&socket, &Request::Pause(paused))).transpose()?.flatten();
    match done {
        Some(()) => Ok(id),
        None => Err(not_running(container)),
    }
}

/// Has the supervisor make a change, or makes it in the records when there is none. A container that is just being started
/// or stopped is waited for.
fn change(engine: &Engine, id: &ContainerId, change: &Change) -> Result<()> {
    let containers = engine.containers();
    let changed = containers.until(id, PATIENCE, |watch| {
        if let Some(socket) = crate::supervise::connect(&engine.paths.container_socket(id))? {
            refuse_older(engine, id)?;
            trace::step(|| format!("asks the supervisor of {}: {change:?}", id.short()));
            if demand(&socket, &Request::Change(change.clone()))?.is_some() {
                return Ok(Some(()));
            }
            // It has gone without an answer: what has become of the container is looked up.
        }
        let Some(guard) = watch.guard()? else { return Ok(None) };
        if containers.state(id)?.is_some_and(|state| state.status().is_running()) {
            return Err(Error::conflict(format!("the supervisor of container `{}` is gone", id.short()))
                .hint(format!("stop the container with `coracle stop {}` and start it again", id.short())));
        }
        trace::step(|| format!("{} does not run: changes its records", id.short()));
        let (mut config, mut settings) = (containers.config(id)?, containers.settings(id)?);
        let event = crate::supervise::apply(&containers, &guard, &mut config, &mut settings, change)?;
        engine.journal().record(event);
        Ok(Some(()))
    });
    changed?.ok_or_else(|| {
        Error::conflict(format!("container `{}` is being changed by another command", id.short()))
            .hint("try again in a moment")
    })
}

/// Refuses what supervisors of the first protocol do not know: they would not answer.
fn refuse_older(engine: &Engine, id: &ContainerId) -> Result<()> {
    match engine.containers().state(id)? {
        Some(state) if state.protocol < 1 && state.status().is_running() => {
            Err(Error::unsupported(format!("the supervisor of container `{}` is of an older coracle", id.short()))
                .hint(format!("`coracle restart {}` gives it a new one", id.short())))
        }
        _ => Ok(()),
    }
}

/// Sends a request that is answered with [`Reply::Done`]; none when the supervisor has gone without an answer. It says hello
/// first, so that a supervisor refuses what it does not know.
pub(super) fn demand(socket: &OwnedFd, request: &Request) -> Result<Option<()>> {
    let hello = Request::Hello(Hello { protocol: PROTOCOL });
    let sent = protocol::send_request(socket.as_fd(), &hello);
    match sent.and_then(|()| protocol::send_request(socket.as_fd(), request)) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(None),
        sent => sent.context(|| "cannot reach the container's supervisor")?,
    }
    let mut buffer = vec![0; MAX_MESSAGE];
    loop {
        match protocol::receive_reply(socket.as_fd(), &mut buffer)? {
            Some(Reply::Done) => return Ok(Some(())),
            Some(Reply::Failed(error)) => return Err(error.into()),
            Some(_) => {}
            None => return Ok(None),
        }
    }
}

/// Refuses what a frozen container cannot do, in docker's words.
pub(super) fn refuse_paused(status: &Status, name: &str, words: &str) -> Result<()> {
    match status {
        Status::Paused { .. } => {
            Err(Error::conflict(words.to_owned()).hint(format!("let it go on with `coracle unpause {name}`")))
        }
        _ => Ok(()),
    }
}
