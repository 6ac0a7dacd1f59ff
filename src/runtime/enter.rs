//! Another process in a running container: `exec`, and whatever the supervisor runs inside.
//!
//! The caller is the container's supervisor. It has put its children into the container's pid namespace already
//! (setns(2) with CLONE_NEWPID changes only where children are made), so one fork is enough; the child joins the other
//! namespaces through pid 1's pidfd (kernel 5.8) and goes the same last stretch as pid 1 did.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use super::process::{PreparedProcess, ProcessPlan, Stage, take_streams, take_terminal};
use crate::base::{Error, Result, ResultExt};
use crate::sys::process::{Cloned, Forked, clone3, exit_now};
use crate::sys::socket;

/// The stage number of joining the namespaces.
const JOIN: u16 = 200;
/// The stage number of taking the terminal or the streams.
const STREAMS: u16 = 201;

/// Streams of the new process.
#[derive(Debug)]
pub enum EnterStreams {
    /// A new terminal of the container with this many columns and rows.
    Terminal(u16, u16),
    /// stdin, stdout, stderr.
    Fds([OwnedFd; 3]),
}

/// Starts `plan` in the container of `init`. Returns the process and the master of its terminal.
pub fn enter(
    plan: &ProcessPlan,
    init: BorrowedFd<'_>,
    own_network: bool,
    streams: EnterStreams,
) -> Result<(Cloned, Option<OwnedFd>)> {
    let process = PreparedProcess::new(plan)
        .map_err(|error| Error::usage("the command or the environment holds a zero byte").caused_by(error))?;
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .context(|| "cannot make a socket pair")?;
    let child = match clone3(CloneFlags::empty()) {
        Err(error) if error.raw_os_error() == Some(libc::ENOMEM) => {
            return Err(Error::conflict("the container is not running any more"));
        }
        cloned => match cloned.context(|| "cannot fork")? {
            Forked::Child => {
                drop(ours);
                let (stage, errno) = run(&process, init, own_network, &streams, theirs.as_fd());
                let mut message = [b'F', 0, 0, 0, 0, 0, 0];
                message[1..3].copy_from_slice(&stage.to_ne_bytes());
                message[3..7].copy_from_slice(&(errno as i32).to_ne_bytes());
                let _ = socket::send(theirs.as_fd(), &message, &[], &[]);
                exit_now(127);
            }
            Forked::Parent(child) => child,
        },
    };
    drop(theirs);
    drop(streams);
    match hear(plan, ours.as_fd()) {
        Ok(terminal) => Ok((child, terminal)),
        Err(error) => {
            let _ = rustix::process::pidfd_send_signal(&child.pidfd, rustix::process::Signal::KILL);
            let _ = rustix::process::waitid(
                rustix::process::WaitId::PidFd(child.pidfd.as_fd()),
                rustix::process::WaitIdOptions::EXITED,
            );
            Err(error)
        }
    }
}

fn run(
    process: &PreparedProcess,
    init: BorrowedFd<'_>,
    own_network: bool,
    streams: &EnterStreams,
    parent: BorrowedFd<'_>,
) -> (u16, Errno) {
    let mut namespaces = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWCGROUP;
    if own_network {
        namespaces |= CloneFlags::CLONE_NEWNET;
    }
    // Nothing in the container may look at this process before it is the container's own: it runs coracle's program
    // and holds the supervisor's fds.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    if let Err(errno) = setns(init, namespaces) {
        return (JOIN, errno);
    }
    if let Err(error) = super::process::become_root() {
        return (JOIN, Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)));
    }
    if let Err(error) = give_streams(streams, parent) {
        return (STREAMS, Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)));
    }
    let (stage, errno) = process.become_program(parent);
    (stage as u16, errno)
}

fn give_streams(streams: &EnterStreams, parent: BorrowedFd<'_>) -> io::Result<()> {
    rustix::process::setsid()?;
    match streams {
        EnterStreams::Fds([stdin, stdout, stderr]) => take_streams(stdin, stdout, stderr),
        EnterStreams::Terminal(columns, rows) => {
            let master = take_terminal(c"/dev/pts/ptmx", *columns, *rows)?;
            socket::send(parent, b"T", &[], &[master.as_fd()])
        }
    }
}

fn hear(plan: &ProcessPlan, socket: BorrowedFd<'_>) -> Result<Option<OwnedFd>> {
    let mut terminal = None;
    loop {
        let mut message = [0u8; 16];
        let (length, fds) = match socket::receive(socket, &mut message) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            received => received.context(|| "cannot hear the process's start")?,
        };
        match &message[..length] {
            [] => return Ok(terminal),
            [b'T'] => terminal = fds.into_iter().next(),
            [b'F', s0, s1, errno @ ..] => {
                let stage = u16::from_ne_bytes([*s0, *s1]);
                let errno = Errno::from_raw(errno.try_into().map_or(libc::EIO, i32::from_ne_bytes));
                return Err(match Stage::from_number(stage) {
                    Some(stage) => stage.describe(plan, errno),
                    None if stage == JOIN => {
                        Error::system("cannot join the container's namespaces").caused_by(io::Error::from(errno))
                    }
                    None => {
                        Error::system("cannot give the process its standard streams").caused_by(io::Error::from(errno))
                    }
                });
            }
            _ => return Err(Error::system("the process's start sent a message that is not understood")),
        }
    }
}
