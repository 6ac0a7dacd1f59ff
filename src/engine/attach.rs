//! `attach`: the streams of a running container.

use std::os::fd::{AsFd, OwnedFd};

use super::session::{End, Terminal, relay};
use super::{Engine, not_running};
use crate::base::{ContainerId, Result, ResultExt};
use crate::supervise::protocol::{self, Request};

/// Attaches `terminal` to a running container until it ends or the user detaches. Output from now on is shown.
pub fn attach(engine: &Engine, name: &str, terminal: &Terminal<'_>) -> Result<End> {
    let id = engine.containers().find(name)?;
    let socket = connect(engine, &id, name)?;
    let config = engine.containers().config(&id)?;
    let request = Request::Attach(terminal.stdin.is_some() && config.process.stdin);
    protocol::send_request(socket.as_fd(), &request).context(|| "cannot reach the container's supervisor")?;
    relay(&socket, terminal, config.process.tty)
}

/// The socket of a running container's supervisor.
pub(super) fn connect(engine: &Engine, id: &ContainerId, name: &str) -> Result<OwnedFd> {
    crate::supervise::connect(&engine.paths.container_socket(id))?.ok_or_else(|| not_running(name))
}
