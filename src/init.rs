//! coracle's init (`--init`): pid 1 of a container that starts the real program, passes signals on to it, reaps what
//! others leave behind, and ends with the program's status. The same job as docker-init (tini). Without a program it is all
//! that an infra container of a pod runs: it reaps, and ends when it is told to.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::sys::process::{Forked, exit_now, fork_in_init, reset_signals};

use crate::spec::lifecycle::INIT_LISTENS;
pub use crate::spec::lifecycle::INIT_ROLE as ROLE;

/// Runs `command` as pid 1's only concern. Returns its exit status as a shell sees it, 126 and 127 when it cannot run.
///
/// Before the `--` stands what the init does besides: [`INIT_LISTENS`].
pub fn main(arguments: &[OsString]) -> u8 {
    let (listens, command) = match arguments.split_first() {
        Some((first, rest)) if first == INIT_LISTENS => (true, rest.get(1..).unwrap_or_default()),
        _ => (false, arguments.get(1..).unwrap_or_default()),
    };
    let signals = SigSet::all();
    let _ = signals.thread_block();
    if command.is_empty() {
        return pause(&signals);
    }
    let program = match fork_in_init() {
        Ok(Forked::Child) => become_program(command, listens),
        Ok(Forked::Parent(pid)) => Pid::from_raw(pid),
        Err(error) => {
            complain(&error);
            return 126;
        }
    };
    loop {
        match signals.wait() {
            Ok(Signal::SIGCHLD) => {
                if let Some(code) = reap(program) {
                    return code;
                }
            }
            Ok(Signal::SIGTTIN | Signal::SIGTTOU) | Err(_) => {}
            Ok(signal) => {
                let _ = kill(program, signal);
            }
        }
    }
}

/// Waits for a signal that asks for the end, and reaps meanwhile what others of the pod leave behind.
fn pause(signals: &SigSet) -> u8 {
    loop {
        match signals.wait() {
            Ok(Signal::SIGTERM | Signal::SIGINT | Signal::SIGQUIT) => return 0,
            Ok(Signal::SIGCHLD) => drop(reap(Pid::from_raw(0))),
            Ok(_) | Err(_) => {}
        }
    }
}

/// The child: a process group and, where there is a terminal, its foreground of its own, so that ^C reaches the program
/// and not pid 1; signals as a program expects them.
fn become_program(command: &[OsString], listens: bool) -> ! {
    let Some((program, arguments)) = command.split_first() else { exit_now(127) };
    let _ = nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0));
    if nix::unistd::isatty(io::stdin()).unwrap_or(false) {
        // SIGTTOU is blocked still: a background process may do this.
        let _ = nix::unistd::tcsetpgrp(io::stdin(), nix::unistd::getpid());
    }
    let _ = reset_signals();
    let mut command = Command::new(program);
    if listens {
        command.env("LISTEN_PID", std::process::id().to_string());
    }
    let error = command.args(arguments).exec();
    complain(&error);
    exit_now(if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 })
}

fn complain(error: &io::Error) {
    let _ = io::Write::write_all(&mut io::stderr(), format!("{ROLE}: {error}\n").as_bytes());
}

/// Takes the status of every ended process; the program's own as the result.
fn reap(program: Pid) -> Option<u8> {
    let mut result = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == program => result = Some(code as u8),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == program => result = Some(128 + signal as u8),
            Ok(WaitStatus::StillAlive) | Err(_) => return result,
            Ok(_) => {}
        }
    }
}
