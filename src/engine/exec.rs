//! `exec`: another process in a running container. The supervisor forks it, so that no second start is paid for; its
//! streams come straight to this process, through pipes or the master of its terminal.

use std::os::fd::{AsFd, BorrowedFd};

use super::attach::connect;
use super::request::ExecRequest;
use super::session::{End, Terminal, terminal_size};
use super::{Engine, streams};
use crate::base::streams::null;
use crate::base::{Error, Result, poll};
use crate::supervise::protocol::{self, Exec, MAX_MESSAGE, Reply, Request};

/// Runs a process in a container: to its end with `terminal`, or in the background without one.
pub fn exec(
    engine: &Engine,
    name: &str,
    request: &ExecRequest,
    terminal: Option<&Terminal<'_>>,
) -> Result<Option<End>> {
    let id = engine.containers().find(name)?;
    let socket = connect(engine, &id, name)?;
    let size = terminal.and_then(|terminal| terminal.stdin.or(terminal.stdout)).map_or((0, 0), terminal_size);
    let exec = Exec {
        argv: request.argv.clone(),
        env: request.env.clone(),
        user: request.user.clone(),
        cwd: request.cwd.clone(),
        terminal: (request.tty && terminal.is_some()).then_some(size),
        privileged: request.privileged,
    };
    let (theirs, ours) = match (terminal, request.tty) {
        (None, _) => (vec![null()?, null()?, null()?], None),
        (Some(_), true) => (Vec::new(), None),
        (Some(terminal), false) => {
            let (theirs, ours) = streams::pipes(request.stdin && terminal.stdin.is_some())?;
            (theirs, Some(ours))
        }
    };
    let sent = protocol::send_request(socket.as_fd(), &Request::Exec(exec, theirs));
    sent.map_err(|error| match error.raw_os_error() {
        Some(libc::EMSGSIZE) => Error::usage("the command and environment of `exec` are too long together"),
        _ => Error::system("cannot reach the container's supervisor").caused_by(error),
    })?;
    let mut buffer = vec![0; MAX_MESSAGE];
    let master = match protocol::receive_reply(socket.as_fd(), &mut buffer)? {
        Some(Reply::Started(_, master)) => master,
        Some(Reply::Failed(error)) => return Err(error.into()),
        _ => return Err(Error::conflict(format!("container `{name}` ended before the command could run"))),
    };
    let Some(terminal) = terminal else { return Ok(None) };
    match (master, ours) {
        (Some(master), _) => streams::relay_terminal(&socket, master, terminal, request.stdin).map(Some),
        (None, Some(ours)) => streams::relay_pipes(&socket, ours, terminal).map(Some),
        (None, None) => Err(Error::system("the container did not hand over the terminal")),
    }
}

/// The code that the supervisor reports for a process it forked for us.
pub(super) fn exit_of(socket: BorrowedFd<'_>) -> Result<i32> {
    let mut buffer = vec![0; 4096];
    // The socket may be non-blocking by now.
    let _ = poll::readable(socket, None);
    match protocol::receive_reply(socket, &mut buffer)? {
        Some(Reply::Exited(code)) => Ok(code),
        _ => Err(Error::system("the container's supervisor has gone without telling how the command ended")),
    }
}
