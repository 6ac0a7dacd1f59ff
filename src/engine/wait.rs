//! `wait`: until a container has ended.

use std::os::fd::{AsFd, OwnedFd};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::Engine;
use crate::base::{ContainerId, Kind, Result, ResultExt};
use crate::spec::container::Status;
use crate::state::Container;
use crate::supervise::protocol::{self, MAX_MESSAGE, Reply, Request};

/// What to wait for (docker's `--condition`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Condition {
    /// The container does not run: at once for one that never did.
    #[default]
    NotRunning,
    /// The next end of a run: a stopped container must be started first.
    NextExit,
    /// The container does not exist any more.
    Removed,
}

/// Waits and returns the exit code.
pub fn wait(engine: &Engine, name: &str, condition: Condition) -> Result<i32> {
    let id = engine.containers().find(name)?;
    let watch = Watch::of(engine, &id)?;
    loop {
        if let Some(socket) = crate::supervise::connect(&engine.paths.container_socket(&id))?
            && let Some(code) = end_of(&socket)?
            && condition != Condition::Removed
        {
            return Ok(code);
        }
        let status = match engine.containers().load(&id) {
            Ok(container) => container.status,
            Err(error) if error.kind() == Kind::NotFound => return Ok(0),
            Err(error) => return Err(error),
        };
        match (condition, status) {
            (Condition::NotRunning, Status::Created) => return Ok(0),
            (Condition::NotRunning, Status::Exited { code, .. }) => return Ok(code),
            // Its processes live, but nobody listens: it is about to be recorded, or its supervisor was killed.
            (Condition::NotRunning, Status::Running { .. }) => watch.pause_at_most(100)?,
            _ => watch.pause_at_most(1000)?,
        }
    }
}

/// The container, once its supervisor has recorded an end that has happened already: until then a record says that it runs
/// whose process is gone.
pub(super) fn settled(engine: &Engine, id: &ContainerId) -> Result<Container> {
    for _ in 0..1000 {
        let container = engine.containers().load(id)?;
        if !matches!(container.status, Status::Running { pid: 0, .. }) {
            return Ok(container);
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    engine.containers().load(id)
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

/// Wakes when anything about a container changes.
struct Watch {
    inotify: Inotify,
}

impl Watch {
    fn of(engine: &Engine, id: &ContainerId) -> Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).context(|| "cannot watch files")?;
        let directory = engine.paths.container(id);
        let flags = AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_MOVE_SELF | AddWatchFlags::IN_DELETE_SELF;
        inotify.add_watch(&directory, flags).at(&directory, "cannot watch")?;
        Ok(Self { inotify })
    }

    /// Until something happens, or `milliseconds` have passed: a killed process changes no file.
    fn pause_at_most(&self, milliseconds: u16) -> Result<()> {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        let mut fds = [PollFd::new(self.inotify.as_fd(), PollFlags::POLLIN)];
        let _ = poll(&mut fds, PollTimeout::from(milliseconds));
        let _ = self.inotify.read_events();
        Ok(())
    }
}
