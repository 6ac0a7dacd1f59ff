//! A container stands still while its files are read.
//!
//! Its threads are traced (ptrace(2), `PTRACE_SEIZE`) and stopped. That needs neither a cgroup nor a signal that the
//! container could see, and the kernel lets them go on when the tracer ends, however it ends: a command that is killed never
//! leaves a container that stands still.

use std::collections::HashSet;
use std::fs;

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use crate::base::members::Members;
use crate::base::{Error, Result, ResultExt};

/// How often the list of threads is read again: a container that makes threads all the time is stopped in the end, because
/// those that are stopped make none.
const ROUNDS: usize = 1000;

/// Stopped threads; they go on when it is dropped. Only for the thread that made it.
#[derive(Debug)]
pub(super) struct Frozen {
    threads: HashSet<i32>,
}

impl Frozen {
    /// Stops all threads of the container whose first process is `init`. Those that somebody else traces are left alone.
    pub(super) fn of(init: i32) -> Result<Self> {
        let members = Members::of(init).map_err(|_| Error::conflict("the container has just ended"))?;
        let mut frozen = Self { threads: HashSet::new() };
        let mut left = HashSet::new();
        for _ in 0..ROUNDS {
            let mut found = false;
            for thread in threads_of(&members)? {
                if frozen.threads.contains(&thread) || left.contains(&thread) {
                    continue;
                }
                found = true;
                match stop(Pid::from_raw(thread)) {
                    Ok(()) => frozen.threads.insert(thread),
                    Err(Errno::ESRCH | Errno::ECHILD) => false,
                    // Traced by somebody, or ending.
                    Err(Errno::EPERM) => left.insert(thread),
                    Err(errno) => return Err(errno).context(|| "cannot stop a thread of the container"),
                };
            }
            if !found {
                return Ok(frozen);
            }
        }
        Err(Error::conflict("the container starts processes faster than they can be stopped")
            .hint("--pause=false does without"))
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        for thread in &self.threads {
            let _ = ptrace::detach(Pid::from_raw(*thread), None);
        }
    }
}

fn stop(thread: Pid) -> Result<(), Errno> {
    ptrace::seize(thread, ptrace::Options::empty())?;
    ptrace::interrupt(thread)?;
    loop {
        match waitpid(thread, Some(WaitPidFlag::__WALL)) {
            Err(Errno::EINTR) => {}
            waited => return waited.map(|_| ()),
        }
    }
}

/// All threads of the container's processes.
fn threads_of(members: &Members) -> Result<Vec<i32>> {
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<i32>().ok();
    let tasks = |process: i32| fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let found = members.find().context(|| "cannot find the container's processes")?;
    Ok(found.members.into_iter().flat_map(tasks).filter_map(number).collect())
}
