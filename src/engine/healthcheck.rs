//! `healthcheck run`: a health check now, whenever the next one is due.

use std::os::fd::AsFd;

use super::attach::connect;
use super::wait::ask;
use super::{Engine, not_running};
use crate::base::{Error, Result};
use crate::spec::health::HealthState;
use crate::supervise::protocol::{self, MAX_MESSAGE, Reply, Request};

/// Has the container's health check made and waits for it; or for the one that is being made already. The result is the
/// last of the log.
pub fn run(engine: &Engine, name: &str) -> Result<HealthState> {
    let id = engine.containers().find(name)?;
    if engine.containers().config(&id)?.health.plan().is_none() {
        return Err(Error::usage(format!("container `{name}` has no defined healthcheck"))
            .hint("give it one with `coracle run --health-cmd`"));
    }
    let supervisor = connect(engine, &id, name)?;
    if !ask(&supervisor, &Request::Check)? {
        return Err(not_running(name));
    }
    match protocol::receive_reply(supervisor.as_fd(), &mut vec![0; MAX_MESSAGE])? {
        Some(Reply::Health(state)) => Ok(state),
        Some(Reply::Failed(error)) => Err(error.into()),
        _ => Err(not_running(name)),
    }
}
