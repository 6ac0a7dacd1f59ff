//! `kill`: a signal for pid 1 of a running container.

use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags};

use super::wait::{ask, end_of, settled};
use super::{Engine, not_running};
use crate::base::{ContainerId, Kind, Result, ResultExt};
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
        None => drop(signal_orphan(engine, &id, name, signal)?),
    }
    Ok(id)
}

/// The first process of a container; none when it has ended.
pub(super) fn orphan(engine: &Engine, id: &ContainerId) -> Result<Option<OwnedFd>> {
    let Some(pid) = engine.containers().load(id)?.status.pid().and_then(Pid::from_raw) else { return Ok(None) };
    let pidfd = match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
        Err(Errno::SRCH) => return Ok(None),
        opened => opened.context(|| format!("cannot find the process of container `{}`", id.short()))?,
    };
    // The pid may have been reused between the check and the open; now it cannot be any more.
    let same = engine.containers().load(id)?.status.pid() == Some(pid.as_raw_nonzero().get());
    Ok(same.then_some(pidfd))
}

/// Signals the pid 1 of a container whose supervisor is gone.
pub(super) fn signal_orphan(engine: &Engine, id: &ContainerId, name: &str, signal: i32) -> Result<OwnedFd> {
    let init = orphan(engine, id)?.ok_or_else(|| not_running(name))?;
    crate::sys::process::send_signal(init.as_fd(), signal).context(|| format!("cannot signal container `{name}`"))?;
    Ok(init)
}
