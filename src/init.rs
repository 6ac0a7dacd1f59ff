//! coracle's init (`--init`): pid 1 of a container that starts the real program, passes signals on to it, reaps what
//! others leave behind, and ends with the program's status. The same job as docker-init (tini).

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

pub use crate::runtime::launch::INIT_ROLE as ROLE;

/// Runs `command` as pid 1's only concern. Returns its exit status as a shell sees it, 126 and 127 when it cannot run.
pub fn main(command: &[OsString]) -> u8 {
    let Some((program, arguments)) = command.split_first() else { return 127 };
    let signals = SigSet::all();
    let _ = signals.thread_block();
    let mut program = Command::new(program);
    // A group and, where there is a terminal, its foreground of its own: ^C reaches the program, not us.
    let started = program.args(arguments).process_group(0).spawn();
    let child = match started {
        Ok(child) => Pid::from_raw(child.id() as i32),
        Err(error) => {
            let _ = io::Write::write_all(&mut io::stderr(), format!("coracle-init: {error}\n").as_bytes());
            return if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
        }
    };
    if nix::unistd::isatty(io::stdin()).unwrap_or(false) {
        let _ = nix::unistd::tcsetpgrp(io::stdin(), child);
    }
    loop {
        match signals.wait() {
            Ok(Signal::SIGCHLD) => {
                if let Some(code) = reap(child) {
                    return code;
                }
            }
            Ok(Signal::SIGTTIN | Signal::SIGTTOU) | Err(_) => {}
            Ok(signal) => {
                let _ = kill(child, signal);
            }
        }
    }
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
