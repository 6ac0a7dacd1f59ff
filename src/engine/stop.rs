//! `stop` and `restart`: the stop signal, patience, SIGKILL.

use std::os::fd::AsFd;
use std::time::Duration;

use super::Engine;
use super::kill::signal_orphan;
use super::start::start;
use super::wait::{ask, end_of, settled};
use crate::base::process::ends_within;
use crate::base::{ContainerId, Kind, Result, failpoint, trace};
use crate::spec::events::Action;
use crate::supervise::protocol::Request;
use crate::sys::process::send_signal;

/// How to stop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct How {
    /// Instead of the container's stop signal.
    pub signal: Option<i32>,
    /// Seconds until SIGKILL instead of the container's; negative: never.
    pub timeout: Option<i64>,
}

/// Stops a container and waits until it has ended. One that does not run is no error.
pub fn stop(engine: &Engine, name: &str, how: How) -> Result<ContainerId> {
    stop_and(engine, name, how, false)
}

/// `keep`: this process is about to start it again, so that a `--rm` container stays.
fn stop_and(engine: &Engine, name: &str, how: How, keep: bool) -> Result<ContainerId> {
    let id = engine.containers().find(name)?;
    let config = match engine.containers().config(&id) {
        // A `--rm` container is gone with its end.
        Err(error) if error.kind() == Kind::NotFound => return Ok(id),
        config => config?,
    };
    let signal = how.signal.unwrap_or(config.lifecycle.stop_signal.0);
    let seconds = how.timeout.unwrap_or(i64::from(config.lifecycle.stop_timeout));
    let socket = engine.paths.container_socket(&id);
    if let Some(supervisor) = crate::supervise::connect(&socket)? {
        let asked = (!keep || ask(&supervisor, &Request::Keep)?)
            && ask(&supervisor, &Request::Stop(signal, seconds.saturating_mul(1000)))?;
        failpoint::here("stop.sent")?;
        trace::step(|| {
            format!(
                "asked the supervisor of {name} for signal {signal}, waits for its end for {seconds} s until SIGKILL"
            )
        });
        if asked && end_of(&supervisor)?.is_some() {
            return Ok(id);
        }
    }
    match settled(engine, &id) {
        // Not one that somebody else has started again meanwhile.
        Ok(container) if container.status.is_running() && crate::supervise::connect(&socket)?.is_none() => {
            stop_orphan(engine, &id, name, signal, seconds)?;
        }
        Err(error) if error.kind() != Kind::NotFound => return Err(error),
        _ => {}
    }
    Ok(id)
}

/// Stops a container whose supervisor was killed while its setuid pid 1 lived on.
fn stop_orphan(engine: &Engine, id: &ContainerId, name: &str, signal: i32, seconds: i64) -> Result<()> {
    let Ok(init) = signal_orphan(engine, id, name, signal) else { return Ok(()) };
    if seconds < 0 {
        ends_within(&init, Duration::MAX);
    } else if !ends_within(&init, Duration::from_secs(seconds.unsigned_abs())) {
        let _ = send_signal(init.as_fd(), libc::SIGKILL);
        ends_within(&init, Duration::MAX);
    }
    Ok(())
}

/// Stops the container when it runs, and starts it. A `--rm` container stays, as with docker and podman.
pub fn restart(engine: &Engine, name: &str, how: How, note: &mut dyn FnMut(&str)) -> Result<ContainerId> {
    let id = stop_and(engine, name, how, true)?;
    start(engine, name, None, note)?;
    if let Ok(config) = engine.containers().config(&id) {
        engine.tell(&config, Action::Restart);
    }
    Ok(id)
}
