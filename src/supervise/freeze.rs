//! Freezes all processes of a container with SIGSTOP, and lets them go on with SIGCONT: where the container has no cgroup of
//! its own, whose freezer would do it unseen.
//!
//! # Theory of operation
//!
//! SIGSTOP cannot be caught or ignored, and the first process of a pid namespace obeys it when it comes from outside. So that
//! is stopped first, and makes no processes then. All others are reached with one kill(2) of -1 by a process in their
//! namespace: the kernel sends the signal to all of them under one lock, and a fork that has begun meanwhile takes the signal
//! over (kernel 4.19, commit c3ad2c3b02e9), so that a container that forks as fast as it can is frozen like any other.
//! Namespaces below it are reached, too. What `exec` added is in the namespace.
//!
//! The process that sends it is made as that of `exec` is ([`crate::runtime::enter`]): it has nothing open and nobody may look into
//! it. A container's root has the same user id as this process, and may kill it before it has sent anything: that is seen,
//! and tried again.
//!
//! Then every process is looked at until a full pass over `/proc` finds all threads of all of them stopped: a signal needs a
//! moment to arrive.
//!
//! Unlike a freezer this can be noticed: parents hear of stopped children (SIGCHLD), and a process that was stopped before
//! goes on with all others.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use rustix::process::WaitIdOptions;

use crate::base::{Error, Result, ResultExt, process};
use crate::sys::process::{Cloned, Forked, clone3, close_all_but, exit_now, send_signal, signal_all_others};

/// How often a signal is sent whose sender was killed.
const ATTEMPTS: u32 = 16;

/// How long processes may take to stop. One that waits for a disk that does not answer does not.
const PATIENCE: Duration = Duration::from_secs(5);

/// The pause before processes that have not stopped yet are looked at again.
const MOMENT: Duration = Duration::from_micros(200);

/// The exit status of a sender that found nobody to signal (ESRCH): all others of the namespace are gone.
const NOBODY: i32 = 3;

/// Freezes the container of `init`, whose pid is `pid`. After an error everything goes on.
pub fn freeze(init: BorrowedFd<'_>, pid: i32) -> Result<()> {
    let frozen = (|| {
        send_signal(init, libc::SIGSTOP).context(|| "cannot stop the container's first process")?;
        signal_members(init, libc::SIGSTOP)?;
        wait_until_stopped(pid)
    })();
    if frozen.is_err() {
        let _ = thaw(init);
    }
    frozen
}

/// Lets all processes go on.
pub fn thaw(init: BorrowedFd<'_>) -> Result<()> {
    let others = signal_members(init, libc::SIGCONT);
    send_signal(init, libc::SIGCONT).context(|| "cannot let the container's first process go on")?;
    others
}

/// Signals all processes in the pid namespace of `init` but that one.
fn signal_members(init: BorrowedFd<'_>, signal: i32) -> Result<()> {
    for _ in 0..ATTEMPTS {
        let intermediate = match clone3(CloneFlags::empty()).context(|| "cannot fork")? {
            Forked::Child => send_from_inside(init, signal),
            Forked::Parent(intermediate) => intermediate,
        };
        match status_of(&intermediate) {
            Some(0 | NOBODY) => return Ok(()),
            Some(errno @ 16..) => {
                let error = io::Error::from_raw_os_error(errno - 16);
                return Err(Error::system("cannot signal the container's processes").caused_by(error));
            }
            _ => {}
        }
    }
    Err(Error::system("cannot signal the container's processes: something in it kills whoever does"))
}

/// The intermediate: makes the sender in the namespace, and passes its status on.
fn send_from_inside(init: BorrowedFd<'_>, signal: i32) -> ! {
    let sent = (|| {
        close_all_but(&[init])?;
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
        setns(init, CloneFlags::CLONE_NEWPID)?;
        match clone3(CloneFlags::empty())? {
            Forked::Child => match signal_all_others(signal) {
                Ok(()) => exit_now(0),
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => exit_now(NOBODY),
                Err(error) => exit_now(16 + error.raw_os_error().unwrap_or(libc::EIO)),
            },
            Forked::Parent(sender) => Ok(sender),
        }
    })();
    match sent {
        Ok(sender) => exit_now(status_of(&sender).unwrap_or(1)),
        Err(error) => exit_now(16 + io::Error::raw_os_error(&error).unwrap_or(libc::EIO)),
    }
}

/// The exit status of a child, once it has ended; none when it was killed.
fn status_of(child: &Cloned) -> Option<i32> {
    process::end(&child.pidfd, WaitIdOptions::empty())?.exit_status()
}

/// Returns when a pass over `/proc` has found every process of the namespace of `init` stopped.
fn wait_until_stopped(init: i32) -> Result<()> {
    let namespace = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/pid"));
    let theirs = namespace(init).context(|| "cannot find the container's processes")?;
    let until = Instant::now() + PATIENCE;
    // Those that were seen stopped stay so.
    let mut stopped = HashSet::new();
    loop {
        let mut moving = None;
        for entry in fs::read_dir("/proc").context(|| "cannot list `/proc`")?.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            if stopped.contains(&pid) || namespace(pid).is_ok_and(|namespace| namespace != theirs) {
                continue;
            }
            match namespace(pid).is_err() || is_stopped(pid) {
                true => drop(stopped.insert(pid)),
                false => moving = Some(pid),
            }
        }
        match moving {
            None => return Ok(()),
            Some(pid) if Instant::now() > until => {
                return Err(Error::system(format!("process {pid} of the container does not stop"))
                    .hint("it may wait for a disk or a network file system that does not answer"));
            }
            Some(_) => std::thread::sleep(MOMENT),
        }
    }
}

/// Whether all threads of a process are stopped, or it has ended.
fn is_stopped(pid: i32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads.filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok()).all(|stat| {
        // The name may hold anything; the state follows the last parenthesis (proc_pid_stat(5)).
        let state = stat.rfind(')').and_then(|end| stat[end + 1..].split_ascii_whitespace().next());
        matches!(state, Some("T" | "t" | "Z" | "X") | None)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_runs_is_not_stopped() {
        assert!(!is_stopped(std::process::id() as i32));
        assert!(is_stopped(i32::MAX), "one that is gone does nothing");
    }
}
