//! newuidmap(1) and newgidmap(1), the setuid programs that write the maps of a user namespace: run, waited for with a
//! deadline, and told apart when they fail.
//!
//! Both ask the name service for the user, and a directory service or a network file system may keep them waiting for
//! ever. They run under a lock that every start needs, so they are given up after [`PATIENCE`].

use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::base::process::{ends_within, signal_name};
use crate::base::{Error, Kind, Result, ResultExt, text};
use crate::spec::idmap::IdMap;

/// How long a helper program may take. It needs 2 ms.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most bytes of its error output that are shown.
const MOST_SAID: u64 = 4096;

/// Writes both maps of the process `pid`, which is in a new user namespace. The caller is in its parent namespace.
pub(super) fn write_maps(pid: u32, uid_map: &IdMap, gid_map: &IdMap) -> Result<()> {
    write_maps_within(PATIENCE, pid, uid_map, gid_map)
}

fn write_maps_within(limit: Duration, pid: u32, uid_map: &IdMap, gid_map: &IdMap) -> Result<()> {
    // At the same time: one after the other takes twice as long.
    let running = [Helper::start("newuidmap", pid, uid_map)?, Helper::start("newgidmap", pid, gid_map)?];
    let until = Instant::now() + limit;
    running.map(|helper| helper.finish(until, limit)).into_iter().collect()
}

/// One of the two, running.
struct Helper {
    program: &'static str,
    child: Child,
}

impl Helper {
    fn start(program: &'static str, pid: u32, map: &IdMap) -> Result<Self> {
        let started = Command::new(program)
            .arg(pid.to_string())
            .args(map.to_args())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let child = started.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                Error::new(Kind::Unsupported, format!("`{program}` is not installed")).hint(
                    "install it once: `sudo apt install uidmap` (Debian, Ubuntu), `shadow-utils` (Fedora), `shadow` (Arch, openSUSE), `shadow-uidmap` (Alpine)",
                )
            }
            _ => Error::system(format!("cannot run `{program}`")).caused_by(error),
        })?;
        Ok(Self { program, child })
    }

    /// Waits for its end. An error unless it has succeeded.
    fn finish(mut self, until: Instant, limit: Duration) -> Result<()> {
        let program = self.program;
        let waiting = || format!("cannot wait for `{program}`");
        let pid = rustix::process::Pid::from_child(&self.child);
        let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).context(waiting)?;
        if !ends_within(&pidfd, until.saturating_duration_since(Instant::now())) {
            // One that hangs in the kernel does not die now, and is not waited for.
            let _ = self.child.kill();
            return Err(Error::system(format!("`{program}` did not end within {} seconds", limit.as_secs()))
                .hint("it asks the system's name service for your account: does a directory service or a network file system hang? `getent passwd $USER` and `getsubids $USER` show it"));
        }
        let status = self.child.wait().context(waiting)?;
        match status.success() {
            true => Ok(()),
            false => Err(self.failure(status)),
        }
    }

    fn failure(&mut self, status: ExitStatus) -> Error {
        let program = self.program;
        if let Some(signal) = status.signal() {
            return Error::system(format!("`{program}` was killed by {}", signal_name(signal)))
                .hint("is the machine short of memory? try again");
        }
        let said = self.said();
        let said = text::clean(said.trim());
        let what = match said.is_empty() {
            true => format!("`{program}` failed with status {}", status.code().unwrap_or_default()),
            false => format!("`{program}` failed: {said}"),
        };
        Error::new(Kind::Unsupported, what)
            .hint("it must be setuid root or have file capabilities, and its file system must not be mounted nosuid; `coracle doctor` tells which")
    }

    /// What it has written. Not waited for: something that it started may still hold the pipe.
    fn said(&mut self) -> String {
        let Some(stderr) = self.child.stderr.take() else { return String::new() };
        let mut said = Vec::new();
        if rustix::io::ioctl_fionbio(&stderr, true).is_ok() {
            let _ = stderr.take(MOST_SAID).read_to_end(&mut said);
        }
        String::from_utf8_lossy(&said).into_owned()
    }
}
