//! Processes that `exec` added to the container. Their streams go straight to the client; this is for when the client has
//! gone: the process goes on, as with docker and podman, so somebody must read what it writes.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::process::WaitIdOptions;

use super::protocol::{self, Reply};
use crate::base::Paths;
use crate::base::poll::{PollFd, PollFlags};
use crate::base::process::exit_code;
use crate::spec::container::ContainerConfig;
use crate::spec::events::{Action, Event};
use crate::state::events::Journal;
use crate::state::sessions::Sessions;
use crate::sys::process::Cloned;

/// Bytes that are read of one stream before the supervisor does something else.
const AT_ONCE: usize = 256 * 1024;

/// A process, and who started it.
pub(super) struct Added {
    process: Cloned,
    /// The id of its session.
    session: String,
    /// Told of the end; none once it has gone.
    client: Option<OwnedFd>,
    /// The read ends of the process's pipes, or the master of its terminal. Not read while there is a client.
    outputs: Vec<OwnedFd>,
}

impl Added {
    pub(super) fn new(process: Cloned, session: String, client: OwnedFd, outputs: Vec<OwnedFd>) -> Self {
        Self { process, session, client: Some(client), outputs }
    }

    /// What is to be watched: when any of it is ready, [`Added::tend`] wants to be called.
    pub(super) fn interests(&self) -> impl Iterator<Item = PollFd<'_>> {
        let outputs = if self.client.is_some() { &[][..] } else { &self.outputs };
        let fds = [self.process.pidfd.as_fd()].into_iter().chain(self.client.iter().map(AsFd::as_fd));
        fds.chain(outputs.iter().map(AsFd::as_fd)).map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
    }

    /// Notices the end of the process and of its client, and reads what nobody else does. False once the process has
    /// ended; the client has been told then, and the session is over.
    pub(super) fn tend(&mut self, paths: &Paths, config: &ContainerConfig, buffer: &mut [u8]) -> bool {
        if let Some(code) = exit_code(self.process.pidfd.as_fd(), WaitIdOptions::NOHANG) {
            end_session(paths, config, &self.session, code);
            self.tell(code);
            return false;
        }
        if self.client.as_ref().is_some_and(|client| has_gone(client.as_fd(), buffer)) {
            self.client = None;
            for output in &self.outputs {
                let _ = rustix::io::ioctl_fionbio(output, true);
            }
        }
        if self.client.is_none() {
            self.outputs.retain(|output| discard(output.as_fd(), buffer));
        }
        true
    }

    /// After pid 1, with which the kernel ends all others.
    pub(super) fn finish(&self, paths: &Paths, config: &ContainerConfig) {
        let code = exit_code(self.process.pidfd.as_fd(), WaitIdOptions::empty()).unwrap_or(128 + libc::SIGKILL);
        end_session(paths, config, &self.session, code);
        self.tell(code);
    }

    fn tell(&self, code: i32) {
        if let Some(client) = &self.client {
            let _ = protocol::send_reply(client.as_fd(), &Reply::Exited(code));
        }
    }
}

/// A process that was added has ended: its record goes, and the journal is told.
fn end_session(paths: &Paths, config: &ContainerConfig, session: &str, code: i32) {
    Sessions::new(paths).forget(&config.id, session);
    let event = Event::of_container(config, Action::ExecDie).with("execID", session).with("exitCode", code);
    Journal::new(paths).record(event);
}

/// Whether a client has closed its socket. It has nothing more to say; what it says all the same is passed over.
fn has_gone(client: BorrowedFd<'_>, buffer: &mut [u8]) -> bool {
    use rustix::io::Errno;
    match rustix::net::recv(client, buffer, rustix::net::RecvFlags::DONTWAIT) {
        Ok((_, length)) => length == 0,
        Err(Errno::AGAIN | Errno::INTR) => false,
        Err(_) => true,
    }
}

/// Reads what is there. False at the end of the stream.
fn discard(output: BorrowedFd<'_>, buffer: &mut [u8]) -> bool {
    let mut count = 0;
    while count < AT_ONCE {
        match rustix::io::read(output, &mut *buffer) {
            Ok(0) => return false,
            Ok(length) => count += length,
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => return true,
            // EIO: the last process has closed the terminal.
            Err(_) => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_read_to_their_end() {
        let (read, write) = rustix::pipe::pipe().unwrap();
        rustix::io::ioctl_fionbio(&read, true).unwrap();
        let mut buffer = [0; 16];
        assert!(discard(read.as_fd(), &mut buffer));
        rustix::io::write(&write, &[7; 1000]).unwrap();
        assert!(discard(read.as_fd(), &mut buffer));
        drop(write);
        assert!(!discard(read.as_fd(), &mut buffer));
    }

    #[test]
    fn a_client_that_has_closed_its_socket_has_gone() {
        let (client, ours) = super::super::control_pair().unwrap();
        let mut buffer = [0; 16];
        assert!(!has_gone(ours.as_fd(), &mut buffer));
        rustix::io::write(&client, b"x").unwrap();
        assert!(!has_gone(ours.as_fd(), &mut buffer));
        drop(client);
        assert!(has_gone(ours.as_fd(), &mut buffer));
    }
}
