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
use crate::spec::health::{HealthState, OnFailure, Plan, Probe, StartupPlan};
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
    /// As long as the container has not started: what its startup check has found in a row.
    starting: Option<Starting>,
    /// The check that follows the startup check is due.
    soon: bool,
    /// The startup check has failed too often.
    given_up: bool,
    /// When the run began.
    began: Instant,
    checking: Option<Checking>,
    /// Clients that wait for the result of the check that is being made.
    askers: Vec<OwnedFd>,
}

/// Results of the startup check in a row.
#[derive(Debug, Default)]
struct Starting {
    successes: u32,
    failures: u32,
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
        let starting = plan.startup.as_ref().map(|_| Starting::default());
        let (state, began) = (HealthState::default(), Instant::now());
        Self { plan, state, starting, soon: false, given_up: false, began, checking: None, askers: Vec::new() }
    }

    pub(super) fn state(&self) -> &HealthState {
        &self.state
    }

    pub(super) fn is_checking(&self) -> bool {
        self.checking.is_some()
    }

    /// When the next check is to begin, if none is being made.
    pub(super) fn next_at(&self) -> Instant {
        let pause = match self.startup() {
            Some(startup) => startup.interval,
            None if self.soon => Duration::ZERO,
            None => self.state.pause(&self.plan, self.began.elapsed()),
        };
        Instant::now() + pause
    }

    /// The startup check, as long as it is the one that is made.
    fn startup(&self) -> Option<&StartupPlan> {
        self.plan.startup.as_ref().filter(|_| self.starting.is_some())
    }

    /// The command of the next check.
    pub(super) fn argv(&self) -> Vec<String> {
        self.startup().map_or(&self.plan.argv, |startup| &startup.argv).clone()
    }

    fn timeout(&self) -> Duration {
        self.startup().map_or(self.plan.timeout, |startup| startup.timeout)
    }

    /// What follows from the last result, should it be a bad one.
    pub(super) fn action(&self) -> OnFailure {
        if self.given_up { OnFailure::Restart } else { self.plan.on_failure }
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
        let printed = Printed::new(self.plan.output);
        self.checking = Some(Checking { process, output: Some(output), printed, start, began, late: false });
        Ok(began + self.timeout())
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
            true => (NONE, too_late(self.timeout(), &printed)),
        };
        let after = checking.began.saturating_duration_since(self.began);
        Some(self.take(Probe { start: checking.start, end: time::now(), exit_code, output }, after))
    }

    /// The check could not be made. Whether the container has just become unhealthy.
    pub(super) fn fail(&mut self, error: &Error) -> bool {
        let mut printed = Printed::new(self.plan.output);
        printed.add(error.chain().as_bytes());
        let now = time::now();
        let probe = Probe { start: now, end: now, exit_code: NONE, output: printed.text() };
        self.take(probe, self.began.elapsed())
    }

    fn take(&mut self, probe: Probe, after: Duration) -> bool {
        self.soon = false;
        let (Some(startup), Some(starting)) = (&self.plan.startup, &mut self.starting) else {
            return self.state.take(&self.plan, probe, after);
        };
        match probe.exit_code {
            0 => (starting.successes, starting.failures) = (starting.successes + 1, 0),
            _ => (starting.successes, starting.failures) = (0, starting.failures.saturating_add(1)),
        }
        let started = starting.successes >= startup.successes;
        self.given_up = startup.retries > 0 && starting.failures >= startup.retries;
        if started {
            (self.starting, self.soon) = (None, true);
        }
        self.state.keep(&self.plan, probe);
        self.given_up
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
#[derive(Debug)]
struct Printed {
    limit: usize,
    bytes: Vec<u8>,
    more: bool,
}

impl Printed {
    fn new(limit: usize) -> Self {
        Self { limit, bytes: Vec::new(), more: false }
    }

    fn add(&mut self, bytes: &[u8]) {
        let room = self.limit - self.bytes.len();
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

    const OUTPUT: usize = 4096;

    #[test]
    fn of_what_is_printed_the_beginning_is_kept() {
        let mut printed = Printed::new(OUTPUT);
        printed.add(b"one ");
        printed.add(b"two\xff");
        assert_eq!(printed.text(), "one two\u{fffd}");
        for _ in 0..1000 {
            printed.add(&[b'x'; 100]);
        }
        assert_eq!((printed.bytes.len(), printed.text().len()), (OUTPUT, OUTPUT + 2 + 3));
        let mut exact = Printed::new(OUTPUT);
        exact.add(&[b'x'; OUTPUT]);
        assert_eq!(exact.text().len(), OUTPUT);
    }

    #[test]
    fn the_startup_check_gives_way_or_up() {
        let startup = StartupPlan {
            argv: vec!["up".into()],
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(2),
            retries: 2,
            successes: 2,
        };
        let check = crate::oci::config::HealthCheck { test: vec!["CMD".into(), "well".into()], ..Default::default() };
        let health = crate::spec::health::Health { check: Some(check), ..Default::default() };
        let plan = || Plan { startup: Some(startup.clone()), ..health.plan().unwrap() };
        let probe = |exit_code| Probe { start: time::now(), end: time::now(), exit_code, output: String::new() };
        let mut monitor = Monitor::new(plan());
        let mut take = |code| {
            let acts = monitor.take(probe(code), Duration::ZERO);
            (acts, monitor.argv().concat(), monitor.state.status.word(), monitor.state.failing_streak)
        };
        assert_eq!(take(1), (false, "up".into(), "starting", 0));
        assert_eq!(take(0), (false, "up".into(), "starting", 0));
        assert_eq!(take(1), (false, "up".into(), "starting", 0));
        assert_eq!(take(0), (false, "up".into(), "starting", 0));
        assert_eq!(take(0), (false, "well".into(), "starting", 0));
        assert!(monitor.next_at() <= Instant::now(), "the other one comes at once");
        assert!(!monitor.take(probe(0), Duration::ZERO) && monitor.state.status.word() == "healthy");
        let mut monitor = Monitor::new(plan());
        assert!(!monitor.take(probe(1), Duration::ZERO) && monitor.take(probe(-1), Duration::ZERO));
        assert_eq!((monitor.action(), monitor.state.log.len()), (OnFailure::Restart, 2));
    }

    #[test]
    fn a_late_check_says_so() {
        assert_eq!(too_late(Duration::from_secs(30), ""), "Health check exceeded timeout (30s)");
        assert_eq!(too_late(Duration::from_millis(1500), "x"), "Health check exceeded timeout (1.5s): x");
    }
}
