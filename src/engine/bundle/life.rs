//! The life of a container after `create`: start, signals, state, and its end.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::Serialize;

use super::plan::VERSION;
use super::{Container, FIFO, PLACE, Root};
use crate::base::error::if_absent;
use crate::base::process::ends_within;
use crate::base::{Error, Kind, Result, ResultExt, text};
use crate::runtime::hooks::{Hooks, State};
use crate::spec::hooks::HookPoint;
use crate::spec::signal;
use crate::sys::process::send_signal;

/// How long a container may take to end after SIGKILL.
const LAST_BREATH: Duration = Duration::from_secs(10);

/// The state of a container: what the specification wants, and what runc and crun add.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    oci_version: &'static str,
    id: String,
    pid: i32,
    status: &'static str,
    bundle: String,
    rootfs: String,
    created: String,
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    annotations: std::collections::BTreeMap<String, String>,
}

impl Report {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its first process; 0 when it has ended.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// `created`, `running` or `stopped`.
    pub fn status(&self) -> &'static str {
        self.status
    }

    /// Its bundle.
    pub fn bundle(&self) -> &str {
        &self.bundle
    }

    /// When it was created.
    pub fn created(&self) -> &str {
        &self.created
    }
}

fn report(container: &Container) -> Report {
    let (record, status) = (&container.record, container.status());
    Report {
        oci_version: VERSION,
        id: container.id.clone(),
        pid: if status == "stopped" { 0 } else { record.process.pid },
        status,
        bundle: record.bundle.display().to_string(),
        rootfs: record.rootfs.display().to_string(),
        created: record.created.clone(),
        annotations: record.annotations.clone(),
    }
}

/// `state`.
pub fn state(root: &Root, id: &str) -> Result<Report> {
    root.find(id).map(|container| report(&container))
}

/// `list`.
pub fn states(root: &Root) -> Result<Vec<Report>> {
    Ok(root.all()?.iter().map(report).collect())
}

/// `start`: lets the first process become the program.
pub fn start(root: &Root, id: &str) -> Result<()> {
    let container = root.find(id)?;
    let fifo = container.directory.join(FIFO);
    let refused = |status: &str| Error::conflict(format!("cannot start a container in the {status} state"));
    if container.status() != "created" {
        return Err(refused(container.status()));
    }
    let opened = File::options().write(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open(&fifo);
    let mut gate = match opened {
        // The process has ended, or another `start` was first.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENXIO | libc::ENOENT)) => {
            return Err(refused("stopped"));
        }
        opened => opened.at(&fifo, "cannot open")?,
    };
    // Whoever removes it is the one that starts it.
    fs::remove_file(&fifo).at(&fifo, "cannot remove")?;
    gate.write_all(&[1]).context(|| "cannot wake the container")?;
    run_hooks(&container, HookPoint::Poststart, "running", container.record.process.pid)
}

fn run_hooks(container: &Container, point: HookPoint, status: &'static str, pid: i32) -> Result<()> {
    let state = State {
        oci_version: VERSION,
        id: container.id.clone(),
        status,
        pid,
        bundle: container.record.bundle.display().to_string(),
        annotations: container.record.annotations.clone(),
    };
    Hooks { hooks: container.record.hooks.clone(), rootfs: String::new(), state }.run(point, status, pid)
}

/// `kill`: a signal to the first process, or with `all` to every process of the container.
pub fn kill(root: &Root, id: &str, signal: &str, all: bool) -> Result<()> {
    let container = root.find(id)?;
    let number = signal::parse(signal)?;
    if container.status() == "stopped" {
        return match all {
            true => Ok(()),
            false => Err(Error::conflict("container not running")),
        };
    }
    if all {
        for pid in inside(&container)? {
            // One that has ended meanwhile needs no signal.
            let _ = signal_to(pid, number);
        }
        return Ok(());
    }
    signal_to(container.record.process.pid, number).map_err(|error| match error.errno() {
        Some(libc::ESRCH) => error.with_kind(Kind::Conflict),
        _ => error,
    })
}

fn signal_to(pid: i32, number: i32) -> Result<()> {
    let failed = || format!("cannot send signal {number} to the process {pid}");
    let pidfd = pidfd(pid).context(failed)?;
    send_signal(pidfd.as_fd(), number).context(failed)
}

fn pidfd(pid: i32) -> std::io::Result<std::os::fd::OwnedFd> {
    let pid = Pid::from_raw(pid).ok_or(rustix::io::Errno::SRCH)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

/// `ps`: the processes in the container's pid namespace, by the numbers of this one.
pub fn processes(root: &Root, id: &str) -> Result<Vec<i32>> {
    let container = root.find(id)?;
    match container.status() {
        "stopped" => Ok(Vec::new()),
        _ => inside(&container),
    }
}

fn inside(container: &Container) -> Result<Vec<i32>> {
    let init = container.record.process.pid;
    let of = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let own = of(std::process::id() as i32);
    let Some(namespace) = of(init).filter(|namespace| Some(namespace) != own.as_ref()) else {
        // It shares ours: the first process is the only one that is known to be its own.
        return Ok(vec![init]);
    };
    let entries = fs::read_dir("/proc").context(|| "cannot list `/proc`")?.flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut pids: Vec<i32> = pids.filter(|pid| of(*pid).as_ref() == Some(&namespace)).collect();
    pids.sort_unstable();
    Ok(pids)
}

/// `delete`: takes a container away that has ended; with `force` also one that has not, and none is no error.
pub fn delete(root: &Root, id: &str, force: bool) -> Result<()> {
    let container = match root.find(id) {
        Err(error) if force && error.kind() == Kind::NotFound => {
            // What a `create` has left that was killed.
            return if_absent(fs::remove_dir_all(root.directory.join(id))).context(|| "cannot remove it").map(drop);
        }
        found => found?,
    };
    let status = container.status();
    if status == "running" && !force {
        return Err(Error::conflict(format!(
            "cannot delete container `{}` that is not stopped: {status}",
            text::clean(id)
        )));
    }
    if status != "stopped"
        && let Ok(pidfd) = pidfd(container.record.process.pid)
    {
        let _ = send_signal(pidfd.as_fd(), libc::SIGKILL);
        if !ends_within(pidfd.as_fd(), LAST_BREATH) {
            return Err(Error::system(format!("container `{}` does not end", text::clean(id))));
        }
    }
    let hooks = run_hooks(&container, HookPoint::Poststop, "stopped", 0);
    let _ = fs::remove_dir(container.directory.join(PLACE));
    fs::remove_dir_all(&container.directory).at(&container.directory, "cannot remove")?;
    hooks
}
