//! Resource limits (getrlimit(2)) of our own processes.
//!
//! They are the caller's, and some are made for interactive programs: a supervisor, a file system's server or netd that
//! has 24 descriptors or may not write more than a megabyte serves everybody badly. So each of our servers raises its soft
//! limits to the hard ones ([`raise`]), which needs no privilege. A container's processes get what the caller had
//! ([`restore`]), as podman's do.
//!
//! The hard limits remain. With [`ignore_file_size_signal`] a write beyond the hard limit of file sizes fails with EFBIG
//! instead of ending the process.

use std::io;
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Those that end or starve a server. Not the stack's, which only counts at exec and changes the layout of memory.
const RAISED: [Resource; 8] = [
    Resource::As,
    Resource::Cpu,
    Resource::Data,
    Resource::Fsize,
    Resource::Memlock,
    Resource::Nofile,
    Resource::Nproc,
    Resource::Sigpending,
];

/// The soft limits that were below the hard ones.
static BEFORE: OnceLock<Vec<(Resource, Option<u64>)>> = OnceLock::new();

/// Raises this process's soft limits. What cannot be raised stays.
pub fn raise() {
    let mut before = Vec::new();
    for resource in RAISED {
        let limit = getrlimit(resource);
        if limit.current != limit.maximum
            && setrlimit(resource, Rlimit { current: limit.maximum, maximum: limit.maximum }).is_ok()
        {
            before.push((resource, limit.current));
        }
    }
    let _ = BEFORE.set(before);
}

/// Gives a child of this process the limits from before [`raise`], for a program of somebody else. Allocates nothing.
pub fn restore() -> io::Result<()> {
    for (resource, current) in BEFORE.get().into_iter().flatten() {
        let maximum = getrlimit(*resource).maximum;
        setrlimit(*resource, Rlimit { current: *current, maximum })?;
    }
    Ok(())
}

/// Makes a write beyond the limit of a file's size fail with EFBIG. An ignored signal stays so across exec: our servers
/// inherit it, and `sys::process::reset_signals` takes it back for the programs of containers.
pub fn ignore_file_size_signal() {
    crate::sys::process::ignore_signal(libc::SIGXFSZ);
}

#[cfg(test)]
mod tests {
    use nix::sys::wait::{WaitStatus, waitpid};

    use super::*;
    use crate::sys::process::{Forked, exit_now, fork};

    /// In a child, because limits are the whole process's.
    #[test]
    fn limits_are_raised_and_restored() {
        let child = match fork().unwrap() {
            Forked::Parent(child) => child,
            Forked::Child => {
                let soft = || getrlimit(Resource::Nofile).current;
                let maximum = getrlimit(Resource::Nofile).maximum;
                let lowered = setrlimit(Resource::Nofile, Rlimit { current: Some(24), maximum }).is_ok();
                raise();
                let raised = soft() == maximum;
                let restored = restore().is_ok() && soft() == Some(24);
                exit_now(i32::from(!(lowered && raised && restored)));
            }
        };
        let child = nix::unistd::Pid::from_raw(child);
        assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
    }
}
