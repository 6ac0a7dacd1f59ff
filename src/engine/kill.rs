//! `kill`: a signal for pid 1 of a running container.

use std::os::fd::AsFd;

use super::wait::{ask, end_of, settled};
use super::{Engine, not_running};
use crate::base::{ContainerId, Kind, Result, ResultExt};
use crate::spec::container::Status;
use crate::supervise::protocol::Request;

/// Sends `signal` (see [`crate::spec::signal::parse`]). Returns the container's id; after SIGKILL, which nothing survives, once
/// the end has been recorded.
pub fn kill(engine: &Engine, name: &str, signal: i32) -> Result<ContainerId> {
    let id = engine.containers().find(name)?;
    match crate::supervise::connect(&engine.paths.container_socket(&id))? {
        Some(supervisor) => match (ask(&supervisor, &Request::Signal(signal))?, signal) {
            (true, libc::SIGKILL) => drop(end_of(&supervisor)?),
            (true, _) => {}
            // Somebody else was faster, and its end is being recorded.
            (false, libc::SIGKILL) => match settled(engine, &id) {
                Err(error) if error.kind() != Kind::NotFound => return Err(error),
                _ => {}
            },
            (false, _) => return Err(not_running(name)),
        },
        None => signal_orphan(engine, &id, name, signal)?,
    }
    Ok(id)
}

/// Signals the pid 1 of a container whose supervisor is gone.
pub(super) fn signal_orphan(engine: &Engine, id: &ContainerId, name: &str, signal: i32) -> Result<()> {
    match engine.containers().load(id)?.status {
        Status::Running { pid, .. } if pid > 0 => {
            let pid = rustix::process::Pid::from_raw(pid).ok_or_else(|| not_running(name))?;
            let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())
                .context(|| format!("cannot find the process of container `{name}`"))?;
            // The pid may have been reused between the check and the open; now it cannot be any more.
            if !engine.containers().load(id)?.status.is_running() {
                return Err(not_running(name));
            }
            crate::sys::process::send_signal(pidfd.as_fd(), signal)
                .context(|| format!("cannot signal container `{name}`"))
        }
        _ => Err(not_running(name)),
    }
}
