//! The health check of one run: the process that is checking now, what it prints, and what the checks have found.
//!
//! One at a time, however many ask for it. A check gets its time and no more; then, and when it has ended, whatever is left
//! of its process group is killed: what a check starts cannot pile up. Of its output the first bytes are kept, and the rest
//! is read and forgotten, so that a check that prints much ends all the same.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::process::{Pid, Signal, WaitIdOptions, kill_process_group};

use super::protocol::{self, Reply};
use crate::base::error::WireError;
use crate::base::poll::{PollFd, PollFlags};
use crate::base::process::{self, exit_code};
use crate::base::streams::{null, pipe};
use crate::base::{Error, Result, ResultExt, time};
use crate::spec::health::{HealthState, OUTPUT, Plan, Probe};
use crate::sys::process::Cloned;

/// Bytes that are read before the supervisor does something else.
const AT_ONCE: usize = 256 * 1024;

/// The exit code of a check that could not be made or took too long: docker's.
const NONE: i32 = -1;

/// The checks of one run.
#[derive(Debug)]
pub(super) struct Monitor {
    plan: Plan,
    state: HealthState,
    /// When the run began.
    began: Instant,
    checking: Option<Checking>,
    /// Clients that wait for the result of the check that is being made.
    askers: Vec<OwnedFd>,
}

/// A check that is being made.
#[derive(Debug)]
struct Checking {
    process: Cloned,
    /// None once it has been closed.
    output: Option<OwnedFd>,
    printed: Printed,
    start: Timestamp,
    began: Instant,
    /// It was killed for that.
    late: bool,
}

impl Monitor {
    /// For a run that begins now.
    pub(super) fn new(plan: Plan) -> Self {
        Self { plan, state: HealthState::default(), began: Instant::now(), checking: None, askers: Vec::new() }
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(super) fn state(&self) -> &HealthState {
        &self.state
    }

    pub(super) fn is_checking(&self) -> bool {
        self.checking.is_some()
    }

    /// When the next check is to begin, if none is being made.
    pub(super) fn next_at(&self) -> Instant {
        Instant::now() + self.state.pause(&self.plan, self.began.elapsed())
    }

    /// `client` hears the result of the check that is being made.
    pub(super) fn ask(&mut self, client: OwnedFd) {
        self.askers.push(client);
    }

    /// Begins a check: `enter` starts its process with these streams. Returns when it is to be over; an error when the
    /// process could not be started, which [`Monitor::fail`] takes.
    pub(super) fn begin(&mut self, enter: impl FnOnce([OwnedFd; 3]) -> Result<Cloned>) -> Result<Instant> {
        let null = null()?;
        let (output, theirs) = pipe()?;
        rustix::io::ioctl_fionbio(&output, true).context(|| "cannot set up a pipe")?;
        let errors = theirs.try_clone().context(|| "cannot share a pipe")?;
        let (start, began) = (time::now(), Instant::now());
        let process = enter([null, theirs, errors])?;
        let printed = Printed::default();
        self.checking = Some(Checking { process, output: Some(output), printed, start, began, late: false });
        Ok(began + self.plan.timeout)
    }

    /// What is to be watched: when any of it is ready, [`Monitor::tend`] wants to be called.
    pub(super) fn interests(&self) -> impl Iterator<Item = PollFd<'_>> {
        let fds = self.checking.iter().flat_map(|checking| {
            [checking.process.pidfd.as_fd()].into_iter().chain(checking.output.iter().map(AsFd::as_fd))
        });
        fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
    }

    /// The time of the check is over.
    pub(super) fn time_out(&mut self) {
        if let Some(checking) = &mut self.checking {
            checking.late = true;
            checking.kill();
        }
    }

    /// Reads what the check prints and notices its end. With the end, whether the container has just become unhealthy.
    pub(super) fn tend(&mut self, buffer: &mut [u8]) -> Option<bool> {
        let checking = self.checking.as_mut()?;
        let ended = process::end(&checking.process.pidfd, WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT);
        checking.read(buffer);
        ended?;
        let mut checking = self.checking.take()?;
        // Before it is reaped: until then its group has its number.
        checking.kill();
        checking.read(buffer);
        let code = exit_code(checking.process.pidfd.as_fd(), WaitIdOptions::empty()).unwrap_or(NONE);
        let printed = checking.printed.text();
        let (exit_code, output) = match checking.late {
            false => (code, printed),
            true => (NONE, too_late(self.plan.timeout, &printed)),
        };
        let after = checking.began.saturating_duration_since(self.began);
        Some(self.take(Probe { start: checking.start, end: time::now(), exit_code, output }, after))
    }

    /// The check could not be made. Whether the container has just become unhealthy.
    pub(super) fn fail(&mut self, error: &Error) -> bool {
        let mut printed = Printed::default();
        printed.add(error.chain().as_bytes());
        let now = time::now();
        let probe = Probe { start: now, end: now, exit_code: NONE, output: printed.text() };
        self.take(probe, self.began.elapsed())
    }

    fn take(&mut self, probe: Probe, after: Duration) -> bool {
        self.state.take(&self.plan, probe, after)
    }

    /// Tells those who wait for the check what it has found: once that is on record, so that they find it there.
    pub(super) fn answer(&mut self) {
        for asker in std::mem::take(&mut self.askers) {
            let _ = protocol::send_reply(asker.as_fd(), &Reply::Health(self.state.clone()));
        }
    }

    /// After pid 1, with which the kernel ends the check.
    pub(super) fn finish(mut self) -> HealthState {
        if let Some(checking) = &self.checking {
            exit_code(checking.process.pidfd.as_fd(), WaitIdOptions::empty());
        }
        let error = Error::conflict("the container has ended");
        for asker in &self.askers {
            let _ = protocol::send_reply(asker.as_fd(), &Reply::Failed(WireError::from(&error)));
        }
        // docker: what does not run is not healthy.
        self.state.status = crate::spec::health::HealthStatus::Unhealthy;
        self.state
    }
}

impl Checking {
    /// Ends it and what it has started, but for what has made a session of its own.
    fn kill(&self) {
        if let Some(group) = Pid::from_raw(self.process.pid) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    fn read(&mut self, buffer: &mut [u8]) {
        let mut count = 0;
        while let Some(output) = self.output.as_ref().filter(|_| count < AT_ONCE) {
            match rustix::io::read(output, &mut *buffer) {
                Ok(length @ 1..) => {
                    self.printed.add(&buffer[..length]);
                    count += length;
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return,
                Ok(0) | Err(_) => self.output = None,
            }
        }
    }
}

/// docker's words.
fn too_late(timeout: Duration, printed: &str) -> String {
    let why = format!("Health check exceeded timeout ({timeout:?})");
    if printed.is_empty() { why } else { format!("{why}: {printed}") }
}

/// The beginning of what a check prints.
#[derive(Debug, Default)]
struct Printed {
    bytes: Vec<u8>,
    more: bool,
}

impl Printed {
    fn add(&mut self, bytes: &[u8]) {
        let room = OUTPUT - self.bytes.len();
        self.more |= bytes.len() > room;
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// As text, with docker's dots for what is missing.
    fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        if self.more { format!("{text}...") } else { text.into_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_is_printed_the_beginning_is_kept() {
        let mut printed = Printed::default();
        printed.add(b"one ");
        printed.add(b"two\xff");
        assert_eq!(printed.text(), "one two\u{fffd}");
        for _ in 0..1000 {
            printed.add(&[b'x'; 100]);
        }
        assert_eq!((printed.bytes.len(), printed.text().len()), (OUTPUT, OUTPUT + 2 + 3));
        let mut exact = Printed::default();
        exact.add(&[b'x'; OUTPUT]);
        assert_eq!(exact.text().len(), OUTPUT);
    }

    #[test]
    fn a_late_check_says_so() {
        assert_eq!(too_late(Duration::from_secs(30), ""), "Health check exceeded timeout (30s)");
        assert_eq!(too_late(Duration::from_millis(1500), "x"), "Health check exceeded timeout (1.5s): x");
    }
}
