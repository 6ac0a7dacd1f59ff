//! `exec`: another process in a container.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::sched::CloneFlags;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::document::{Capabilities, Process};
use super::make::{attend, named, write_pid};
use super::plan::process_plan;
use super::{Container, Root};
use crate::base::{Error, Result, ResultExt};
use crate::runtime::enter::{self, EnterStreams, enter};
use crate::sys::socket;

/// A process to add.
#[derive(Debug)]
pub struct ExecRequest<'a> {
    /// Where containers are.
    pub root: &'a Root,
    /// The container.
    pub id: &'a str,
    /// `--process`: all of it.
    pub process: Option<&'a Path>,
    /// The command line otherwise.
    pub args: &'a [String],
    /// Variables over the container's.
    pub env: &'a [String],
    /// The working directory; the container's when none.
    pub cwd: Option<&'a str>,
    /// `UID[:GID]`.
    pub user: Option<(u32, Option<u32>)>,
    /// Capabilities beside the container's.
    pub capabilities: &'a [String],
    /// With a terminal.
    pub tty: bool,
    /// Where the terminal goes.
    pub console_socket: Option<&'a Path>,
    /// The file for its pid.
    pub pid_file: Option<&'a Path>,
    /// It is left alone.
    pub detach: bool,
}

/// Adds the process; returns its exit code, or 0 when it is left alone.
pub fn exec(request: &ExecRequest<'_>) -> Result<i32> {
    let container = request.root.find(request.id)?;
    if container.status() == "stopped" {
        return Err(Error::conflict(format!("cannot exec in a stopped container: `{}`", named(&container))));
    }
    let process = process(request, &container)?;
    if process.terminal && request.console_socket.is_none() {
        return Err(Error::usage("cannot allocate a terminal without --console-socket"));
    }
    let mut plan = process_plan(&process, container.record.seccomp.as_ref(), true, None)?;
    plan.make_cwd = false;
    plan.outlives_parent = request.detach;
    let init = container.record.process.pid;
    let pid = Pid::from_raw(init).ok_or_else(|| Error::conflict("the container has no process"))?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).context(|| "cannot open the container's first process")?;
    // Whoever has its pid by now is not it.
    if !container.record.process.is_alive() {
        return Err(Error::conflict(format!("the container `{}` has just ended", named(&container))));
    }
    let streams = match process.terminal {
        true => {
            let size = process.console_size.unwrap_or_default();
            EnterStreams::Terminal(size.width, size.height)
        }
        false => EnterStreams::Fds([
            own(rustix::stdio::stdin())?,
            own(rustix::stdio::stdout())?,
            own(rustix::stdio::stderr())?,
        ]),
    };
    let place = enter::Container { namespaces: Some(others(init)), ..enter::Container::of(pidfd.as_fd()) };
    let (child, terminal) = enter(&plan, place, streams)?;
    let handed_over = hand_over(request, child.pid, terminal);
    if let Err(error) = handed_over {
        crate::base::process::kill(&child);
        return Err(error);
    }
    if request.detach { Ok(0) } else { attend(&child) }
}

fn own(fd: BorrowedFd<'_>) -> Result<OwnedFd> {
    fd.try_clone_to_owned().context(|| "cannot pass on a standard stream")
}

fn hand_over(request: &ExecRequest<'_>, pid: i32, terminal: Option<OwnedFd>) -> Result<()> {
    if let (Some(path), Some(terminal)) = (request.console_socket, terminal) {
        let stream = UnixStream::connect(path).at(path, "cannot connect to the console socket")?;
        socket::send(stream.as_fd(), b"/dev/pts/ptmx", &[], &[terminal.as_fd()])
            .at(path, "cannot send the terminal to the console socket")?;
    }
    request.pid_file.map_or(Ok(()), |path| write_pid(path, pid))
}

/// The namespaces in which a process is and this one is not.
fn others(pid: i32) -> CloneFlags {
    let of = |pid: &str, kind: &str| fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok();
    let kinds = [
        ("user", CloneFlags::CLONE_NEWUSER),
        ("mnt", CloneFlags::CLONE_NEWNS),
        ("ipc", CloneFlags::CLONE_NEWIPC),
        ("uts", CloneFlags::CLONE_NEWUTS),
        ("net", CloneFlags::CLONE_NEWNET),
        ("cgroup", CloneFlags::CLONE_NEWCGROUP),
    ];
    let differs = |kind: &&(&str, CloneFlags)| of("self", kind.0) != of(&pid.to_string(), kind.0);
    kinds.iter().filter(differs).fold(CloneFlags::empty(), |all, (_, kind)| all | *kind)
}

/// The process as it was asked for, over that of the container.
fn process(request: &ExecRequest<'_>, container: &Container) -> Result<Process> {
    if let Some(path) = request.process {
        let process = Process::read(path)?;
        return Ok(Process { terminal: process.terminal || request.tty, ..process });
    }
    let mut process = container.record.main.clone();
    process.args = request.args.to_vec();
    process.terminal = request.tty;
    process.env = crate::spec::variables::merged(process.env.iter().cloned(), request.env);
    if let Some(cwd) = request.cwd {
        process.cwd = cwd.to_owned();
    }
    if let Some((uid, gid)) = request.user {
        process.user.uid = uid;
        process.user.gid = gid.unwrap_or(0);
        process.user.additional_gids.clear();
    }
    if !request.capabilities.is_empty() {
        let sets = process.capabilities.get_or_insert_with(Capabilities::default);
        for set in [&mut sets.bounding, &mut sets.effective, &mut sets.permitted] {
            set.extend(request.capabilities.iter().cloned());
        }
    }
    Ok(process)
}
