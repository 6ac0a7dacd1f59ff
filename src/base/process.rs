//! The identity of a process that outlives its pid: pid, start time and boot id together never come again. And the ends of
//! children: the one way to call waitpid(2) and waitid(2) for one of them.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::process::{WaitId, WaitIdOptions, WaitIdStatus, waitid};

use super::poll;
use crate::sys::process::Cloned;

/// A process, as records name it. A pid alone may be reused; with the start time (clock ticks since boot, field 22 of
/// proc_pid_stat(5)) and the boot id it may not.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ProcessIdentity {
    /// The pid in the initial (or at least our) pid namespace.
    pub pid: i32,
    /// Clock ticks since boot.
    pub start_time: u64,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
}

impl ProcessIdentity {
    /// The identity of the living process `pid`; `None` when there is no such process.
    pub fn of(pid: i32) -> Option<Self> {
        Some(Self { pid, start_time: start_time(pid)?, boot_id: boot_id().to_owned() })
    }

    /// Whether this very process still exists and has not ended (a zombie has).
    pub fn is_alive(&self) -> bool {
        self.boot_id == boot_id() && start_time(self.pid) == Some(self.start_time)
    }
}

/// This boot's id; empty where the kernel does not tell.
pub fn boot_id() -> &'static str {
    static BOOT_ID: OnceLock<String> = OnceLock::new();
    BOOT_ID.get_or_init(|| fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned())
}

/// The start time of a living process. A zombie counts as gone.
fn start_time(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command name may hold spaces and parentheses: fields count from the last `)`; the first after it is field 3.
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Whether a process has ended (its pidfd is readable, pidfd_open(2)), or does so within `limit`; one
/// that no clock reaches is none.
pub fn ends_within(pidfd: impl AsFd, limit: Duration) -> bool {
    poll::readable(pidfd, Some(limit)).unwrap_or(false)
}

/// Waits for a child that was forked.
pub fn wait(pid: i32) -> io::Result<WaitStatus> {
    loop {
        match waitpid(Pid::from_raw(pid), None) {
            Err(Errno::EINTR) => {}
            ended => return Ok(ended?),
        }
    }
}

/// How a child has ended; `None` while it runs (with NOHANG), or when it is no child.
pub fn end(pidfd: impl AsFd, options: WaitIdOptions) -> Option<WaitIdStatus> {
    loop {
        match waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED | options) {
            Err(rustix::io::Errno::INTR) => {}
            status => return status.ok()?,
        }
    }
}

/// The same as a shell sees it.
pub fn exit_code(pidfd: impl AsFd, options: WaitIdOptions) -> Option<i32> {
    let status = end(pidfd, options)?;
    status.exit_status().or(status.terminating_signal().map(|signal| 128 + signal))
}

/// Ends a child that is of no use, and waits for its end.
pub fn kill(child: &Cloned) {
    let _ = rustix::process::pidfd_send_signal(&child.pidfd, rustix::process::Signal::KILL);
    exit_code(&child.pidfd, WaitIdOptions::empty());
}

/// The name of a signal in messages: `SIGKILL`, or `signal 35` for one without a name.
pub fn signal_name(number: i32) -> String {
    match nix::sys::signal::Signal::try_from(number) {
        Ok(signal) => signal.as_str().to_owned(),
        Err(_) => format!("signal {number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_another_start_time_does_not() {
        let me = ProcessIdentity::of(std::process::id() as i32).unwrap();
        assert!(me.is_alive());
        assert!(!ProcessIdentity { start_time: me.start_time + 1, ..me.clone() }.is_alive());
        assert!(!ProcessIdentity { boot_id: "other".into(), ..me }.is_alive());
    }
}
