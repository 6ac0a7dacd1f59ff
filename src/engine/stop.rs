//! `stop` and `restart`: the stop signal, patience, SIGKILL.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::Engine;
use super::kill::signal_orphan;
use super::start::start;
use super::wait::{end_of, settled};
use crate::base::{ContainerId, Kind, Result, ResultExt};
use crate::supervise::protocol::{self, Request};

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
    let id = engine.containers().find(name)?;
    let config = engine.containers().config(&id)?;
    let signal = how.signal.unwrap_or(config.stop_signal);
    let seconds = how.timeout.unwrap_or(i64::from(config.stop_timeout));
    match crate::supervise::connect(&engine.paths.container_socket(&id))? {
        Some(socket) => {
            let request = Request::Stop(signal, seconds.saturating_mul(1000));
            protocol::send_request(socket.as_fd(), &request).context(|| "cannot reach the container's supervisor")?;
            end_of(&socket)?;
        }
        None => match settled(engine, &id) {
            Ok(container) if container.status.is_running() => stop_orphan(engine, &id, name, signal, seconds)?,
            // A `--rm` container is gone with its end.
            Err(error) if error.kind() != Kind::NotFound => return Err(error),
            _ => {}
        },
    }
    Ok(id)
}

/// Stops a container whose supervisor was killed while its setuid pid 1 lived on.
fn stop_orphan(engine: &Engine, id: &ContainerId, name: &str, signal: i32, seconds: i64) -> Result<()> {
    let over = |until: Option<Instant>| -> Result<bool> {
        while until.is_none_or(|until| Instant::now() < until) {
            if !engine.containers().load(id)?.status.is_running() {
                return Ok(true);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(false)
    };
    if signal_orphan(engine, id, name, signal).is_err() {
        return Ok(());
    }
    let until = (seconds >= 0).then(|| Instant::now() + Duration::from_secs(seconds.unsigned_abs()));
    if !over(until)? {
        let _ = signal_orphan(engine, id, name, libc::SIGKILL);
        over(None)?;
    }
    Ok(())
}

/// Stops the container when it runs, and starts it.
pub fn restart(engine: &Engine, name: &str, how: How, note: &mut dyn FnMut(&str)) -> Result<ContainerId> {
    let id = stop(engine, name, how)?;
    start(engine, name, None, note).map(|_| id)
}
