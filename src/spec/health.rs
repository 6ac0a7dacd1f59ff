//! Health checks: a command that tells from inside whether a container does its work. As asked for, as kept, as carried out,
//! and what became of it.
//!
//! The values are docker's: nanoseconds, and 0 for "not said", so that an image's check and the options can be laid over each
//! other. [`Health::plan`] has the values that hold.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::times;
use crate::base::{Error, Result, text};
use crate::oci::config::{Defaults, HealthCheck};

/// docker's defaults: between two checks, and before one counts as failed.
const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(30);
/// Between two checks of a container that is starting, when it has time for that.
const START_INTERVAL: Duration = Duration::from_secs(5);
/// Failures in a row that make a container unhealthy.
const RETRIES: u32 = 3;

/// What docker takes for the shortest time, in nanoseconds.
const SHORTEST: i64 = 1_000_000;

/// No pause between two checks is shorter, whatever an image says: each costs a process and a record.
const PAUSE: Duration = Duration::from_millis(10);

/// How many results are kept, and how many bytes of the output of each: docker's.
const KEPT: u32 = 5;
const OUTPUT: u32 = 4096;

/// The most that can be asked for: all of it is in the record of the run.
const MOST_KEPT: u32 = 1000;
const MOST_OUTPUT: u32 = 64 * 1024;

/// The health check of a container, as decided.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    /// The check, if there is one or the user has switched it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<HealthCheck>,
    /// The image's shell, for checks that are a line of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shell: Vec<String>,
    /// What happens to an unhealthy container.
    pub on_failure: OnFailure,
    /// The check that comes before, until it succeeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup: Option<Startup>,
    /// What is kept of the results.
    #[serde(skip_serializing_if = "HealthLog::is_default")]
    pub log: HealthLog,
}

/// podman's startup check: as long as it has not succeeded, the other one is not made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Startup {
    /// The command, in the form of a health check's.
    pub test: Vec<String>,
    /// Nanoseconds between two checks; 0 is the default.
    pub interval: i64,
    /// Nanoseconds that one may take; 0 is the default.
    pub timeout: i64,
    /// Failures in a row after which the container is started anew; 0 for never.
    pub retries: u32,
    /// Successes in a row after which the other check takes over; 0 is 1.
    pub successes: u32,
}

/// podman's `--health-log-destination`, `--health-max-log-count` and `--health-max-log-size`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthLog {
    /// Where the results are, besides in the record of the run.
    #[serde(skip_serializing_if = "LogDestination::is_local")]
    pub destination: LogDestination,
    /// How many results are kept; none for the default, 0 for as many as possible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// How many bytes of the output of each; none for the default, 0 for as many as possible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u32>,
}

impl HealthLog {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Where the results of health checks are, besides in the record of the run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogDestination {
    /// Nowhere.
    #[default]
    Local,
    /// In a file `ID-healthcheck.log` of this directory.
    Directory(PathBuf),
    /// Each is an event.
    Events,
}

impl LogDestination {
    fn is_local(&self) -> bool {
        *self == Self::Local
    }
}

/// The health check as asked for: what is not said is the image's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HealthRequest {
    /// What was said; none when nothing was.
    pub check: Option<HealthCheck>,
    /// `--health-on-failure`.
    pub on_failure: OnFailure,
    /// `--health-startup-…`.
    pub startup: Option<Startup>,
    /// `--health-log-destination`, `--health-max-log-…`.
    pub log: HealthLog,
}

/// podman's `--health-on-failure`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// It is shown.
    #[default]
    None,
    /// SIGKILL; the restart policy decides what follows.
    Kill,
    /// Stopped and started again.
    Restart,
    /// Stopped for good.
    Stop,
}

impl OnFailure {
    /// Reads the option's value.
    pub fn parse(given: &str) -> Result<Self> {
        match given {
            "none" => Ok(Self::None),
            "kill" => Ok(Self::Kill),
            "restart" => Ok(Self::Restart),
            "stop" => Ok(Self::Stop),
            _ => Err(Error::usage(format!("invalid argument `{}` for `--health-on-failure`", text::clean(given)))
                .hint("it is none, kill, restart or stop")),
        }
    }

    /// The option's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Kill => "kill",
            Self::Restart => "restart",
            Self::Stop => "stop",
        }
    }
}

/// `--health-cmd`: a line for the shell; podman's JSON list of words, which are run without one; `none` for no check.
pub fn test(given: &str) -> Vec<String> {
    let word = |word: &str| vec![word.to_owned()];
    match serde_json::from_str::<Vec<String>>(given) {
        Ok(words) => match words.first().map(String::as_str) {
            None => Vec::new(),
            Some("NONE" | "CMD" | "CMD-SHELL") => words,
            Some(_) => [word("CMD"), words].concat(),
        },
        Err(_) if given.is_empty() => Vec::new(),
        Err(_) if given == "none" => word("NONE"),
        Err(_) => vec!["CMD-SHELL".into(), given.into()],
    }
}

/// A duration of the option `--health-NAME`, in nanoseconds; 0 is the image's or the default.
pub fn nanoseconds(given: &str, name: &str) -> Result<i64> {
    let wrong = |why: &str| {
        Err(Error::usage(format!("invalid argument `{}` for `--health-{name}`: {why}", text::clean(given)))
            .hint("give a duration such as `30s` or `1m30s`"))
    };
    match times::duration(given) {
        _ if given == "0" => Ok(0),
        None => wrong("not a duration"),
        Some((duration, true)) if !duration.is_zero() => wrong("it cannot be negative"),
        Some((duration, _)) => Ok(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)),
    }
}

impl HealthRequest {
    /// The request that switches the image's check off.
    pub fn disabled() -> Self {
        let check = HealthCheck { test: vec!["NONE".into()], ..HealthCheck::default() };
        Self { check: Some(check), ..Self::default() }
    }

    /// Decides: what was not said is the image's.
    pub fn resolve(&self, image: &Defaults) -> Result<Health> {
        let check = match (&self.check, &image.healthcheck) {
            (None, image) => image.clone(),
            (Some(asked), None) => Some(asked.clone()),
            (Some(asked), Some(image)) => Some(over(asked, image)),
        };
        if let Some(check) = &check {
            verify(check)?;
        }
        let is_line = check.as_ref().is_some_and(|check| check.test.first().is_some_and(|kind| kind == "CMD-SHELL"));
        let shell = if is_line { image.shell.clone() } else { Vec::new() };
        let (startup, log) = (self.startup.clone(), self.log.clone());
        let health = Health { check, shell, on_failure: self.on_failure, startup, log };
        if health.plan().is_none() && self.startup.is_some() {
            return Err(Error::usage("a startup health check needs a health check that follows it")
                .hint("the image has none: give one with --health-cmd"));
        }
        match self.on_failure {
            OnFailure::None => Ok(health),
            _ if health.plan().is_some() => Ok(health),
            action => Err(Error::usage(format!("--health-on-failure={} needs a health check", action.name()))
                .hint("the image has none: give one with --health-cmd")),
        }
    }
}

fn over(asked: &HealthCheck, image: &HealthCheck) -> HealthCheck {
    let first = |asked: i64, image: i64| if asked == 0 { image } else { asked };
    HealthCheck {
        test: if asked.test.is_empty() { image.test.clone() } else { asked.test.clone() },
        interval: first(asked.interval, image.interval),
        timeout: first(asked.timeout, image.timeout),
        start_period: first(asked.start_period, image.start_period),
        start_interval: first(asked.start_interval, image.start_interval),
        retries: first(asked.retries, image.retries),
    }
}

/// Refuses what docker refuses.
fn verify(check: &HealthCheck) -> Result<()> {
    for (value, name) in [
        (check.interval, "interval"),
        (check.timeout, "timeout"),
        (check.start_period, "start period"),
        (check.start_interval, "start interval"),
    ] {
        if value != 0 && value < SHORTEST {
            return Err(Error::usage(format!("the {name} of a health check cannot be less than 1ms"))
                .hint("0 is its default; --no-healthcheck runs the container without"));
        }
    }
    match check.retries {
        ..0 => Err(Error::usage("the retries of a health check cannot be negative")
            .hint("0 is the default, 3; --no-healthcheck runs the container without")),
        _ => Ok(()),
    }
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The command.
    pub argv: Vec<String>,
    /// From the end of one check to the next, or from the start to the first.
    pub interval: Duration,
    /// How long one may take.
    pub timeout: Duration,
    /// How long after the start failures do not count.
    pub start_period: Duration,
    /// The interval in that time, until the container was healthy once.
    pub start_interval: Duration,
    /// Failures in a row that make the container unhealthy.
    pub retries: u32,
    /// What happens then.
    pub on_failure: OnFailure,
    /// What comes before.
    pub startup: Option<StartupPlan>,
    /// How many results are kept.
    pub kept: usize,
    /// How many bytes of the output of a check are kept.
    pub output: usize,
}

/// What is done until the container has started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartupPlan {
    /// The command.
    pub argv: Vec<String>,
    /// Between two checks.
    pub interval: Duration,
    /// How long one may take.
    pub timeout: Duration,
    /// Failures in a row after which the container is started anew; 0 for never.
    pub retries: u32,
    /// Successes in a row that are enough.
    pub successes: u32,
}

impl Health {
    /// Whether nothing was said about it.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The check that is made; none where there is none, it is switched off, or it is of a kind that nobody knows.
    pub fn plan(&self) -> Option<Plan> {
        let check = self.check.as_ref()?;
        let time = |nanoseconds: i64, usual: Duration| match u64::try_from(nanoseconds) {
            Ok(nanoseconds @ 1..) => Duration::from_nanos(nanoseconds),
            _ => usual,
        };
        Some(Plan {
            argv: self.argv(&check.test)?,
            interval: time(check.interval, INTERVAL).max(PAUSE),
            timeout: time(check.timeout, TIMEOUT),
            start_period: time(check.start_period, Duration::ZERO),
            start_interval: time(check.start_interval, START_INTERVAL).max(PAUSE),
            retries: u32::try_from(check.retries).ok().filter(|retries| *retries > 0).unwrap_or(RETRIES),
            on_failure: self.on_failure,
            startup: self.startup.as_ref().and_then(|startup| {
                Some(StartupPlan {
                    argv: self.argv(&startup.test)?,
                    interval: time(startup.interval, INTERVAL).max(PAUSE),
                    timeout: time(startup.timeout, TIMEOUT),
                    retries: startup.retries,
                    successes: startup.successes.max(1),
                })
            }),
            kept: limited(self.log.count, KEPT, MOST_KEPT),
            output: limited(self.log.size, OUTPUT, MOST_OUTPUT),
        })
    }

    /// The command of a check; none if it is of a kind that nobody knows.
    fn argv(&self, test: &[String]) -> Option<Vec<String>> {
        let (kind, words) = test.split_first()?;
        let argv = match kind.as_str() {
            "CMD" => words.to_vec(),
            "CMD-SHELL" => {
                let usual = || vec!["/bin/sh".to_owned(), "-c".to_owned()];
                let shell = if self.shell.is_empty() { usual() } else { self.shell.clone() };
                [shell, vec![words.join(" ")]].concat()
            }
            _ => return None,
        };
        Some(argv).filter(|argv| !argv.is_empty())
    }
}

/// A number that was asked for, within its limit.
fn limited(asked: Option<u32>, usual: u32, most: u32) -> usize {
    match asked {
        None => usual as usize,
        Some(0) => most as usize,
        Some(asked) => asked.min(most) as usize,
    }
}

/// docker's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthStatus {
    /// No check has succeeded yet, nor have too many failed.
    Starting,
    /// The last check has succeeded, or not enough of them have failed since one did.
    Healthy,
    /// Too many checks in a row have failed, or the container has ended.
    Unhealthy,
}

impl HealthStatus {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// What the checks of a run have found. On disk and in `inspect`, docker's shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HealthState {
    /// In one word.
    pub status: HealthStatus,
    /// How many have failed since one succeeded.
    pub failing_streak: u32,
    /// The last ones, oldest first.
    pub log: Vec<Probe>,
}

/// One check that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Probe {
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// As a shell sees it; -1 when it could not be made or took too long.
    pub exit_code: i32,
    /// The beginning of what it printed, or why there is none.
    pub output: String,
}

impl Default for HealthState {
    fn default() -> Self {
        Self { status: HealthStatus::Starting, failing_streak: 0, log: Vec::new() }
    }
}

impl HealthState {
    /// Takes in a check that began so long after the container's start. True when the container has just become unhealthy.
    pub fn take(&mut self, plan: &Plan, probe: Probe, after: Duration) -> bool {
        let before = self.status;
        let forgiven = before == HealthStatus::Starting && after < plan.start_period;
        match probe.exit_code {
            0 => (self.status, self.failing_streak) = (HealthStatus::Healthy, 0),
            _ if forgiven => {}
            _ => {
                self.failing_streak = self.failing_streak.saturating_add(1);
                if self.failing_streak >= plan.retries {
                    self.status = HealthStatus::Unhealthy;
                }
            }
        }
        self.keep(plan, probe);
        before != HealthStatus::Unhealthy && self.status == HealthStatus::Unhealthy
    }

    /// Keeps what a check has found, which says nothing of the container's health yet.
    pub fn keep(&mut self, plan: &Plan, probe: Probe) {
        let excess = (self.log.len() + 1).saturating_sub(plan.kept);
        self.log.drain(..excess);
        self.log.push(probe);
    }

    /// How long to wait for the next check, so long after the container's start.
    pub fn pause(&self, plan: &Plan, after: Duration) -> Duration {
        match self.status == HealthStatus::Starting && after < plan.start_period {
            true => plan.start_interval,
            false => plan.interval,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time;

    fn check(test: &[&str]) -> HealthCheck {
        HealthCheck { test: test.iter().map(|word| (*word).into()).collect(), ..HealthCheck::default() }
    }

    fn image(check: Option<HealthCheck>) -> Defaults {
        Defaults { healthcheck: check, shell: vec!["/bin/ash".into(), "-ec".into()], ..Defaults::default() }
    }

    fn argv(asked: Option<HealthCheck>, of_image: Option<HealthCheck>) -> Option<String> {
        let request = HealthRequest { check: asked, ..HealthRequest::default() };
        request.resolve(&image(of_image)).unwrap().plan().map(|plan| plan.argv.join(" "))
    }

    #[test]
    fn commands_are_dockers_and_podmans() {
        for (given, expected) in [
            ("", &[][..]),
            ("[]", &[]),
            ("none", &["NONE"]),
            ("test -e /x || exit 1", &["CMD-SHELL", "test -e /x || exit 1"]),
            (r#"["CMD", "a", "b c"]"#, &["CMD", "a", "b c"]),
            (r#"["CMD-SHELL", "a b"]"#, &["CMD-SHELL", "a b"]),
            (r#"["a", "b"]"#, &["CMD", "a", "b"]),
            ("[ -e /x ]", &["CMD-SHELL", "[ -e /x ]"]),
        ] {
            assert_eq!(test(given), expected, "{given}");
        }
    }

    #[test]
    fn what_was_not_said_is_the_images() {
        assert_eq!(argv(None, None), None);
        assert_eq!(argv(None, Some(check(&["CMD", "a", "b"]))).as_deref(), Some("a b"));
        assert_eq!(argv(None, Some(check(&["CMD-SHELL", "a"]))).as_deref(), Some("/bin/ash -ec a"));
        assert_eq!(argv(Some(check(&["CMD", "x"])), Some(check(&["CMD", "a"]))).as_deref(), Some("x"));
        assert_eq!(argv(HealthRequest::disabled().check, Some(check(&["CMD", "a"]))), None);
        assert_eq!(argv(None, Some(check(&["CMD"]))), None);
        assert_eq!(argv(None, Some(check(&["FROB", "a"]))), None);
        let asked = HealthCheck { interval: 5_000_000_000, retries: 9, ..HealthCheck::default() };
        let of_image = HealthCheck { interval: 1, timeout: 7_000_000, ..check(&["CMD", "a"]) };
        let request = HealthRequest { check: Some(asked), on_failure: OnFailure::Kill, ..HealthRequest::default() };
        let plan = request.resolve(&image(Some(of_image))).unwrap().plan().unwrap();
        let expected = Plan {
            argv: vec!["a".into()],
            interval: Duration::from_secs(5),
            timeout: Duration::from_millis(7),
            start_period: Duration::ZERO,
            start_interval: START_INTERVAL,
            retries: 9,
            on_failure: OnFailure::Kill,
            startup: None,
            kept: 5,
            output: 4096,
        };
        assert_eq!(plan, expected);
    }

    #[test]
    fn what_docker_refuses_is_refused() {
        for bad in [
            HealthCheck { interval: 999_999, ..check(&["CMD", "a"]) },
            HealthCheck { timeout: -1, ..check(&["CMD", "a"]) },
            HealthCheck { retries: -1, ..check(&["CMD", "a"]) },
        ] {
            assert!(HealthRequest::default().resolve(&image(Some(bad.clone()))).is_err(), "{bad:?}");
        }
        let action = HealthRequest { on_failure: OnFailure::Stop, ..HealthRequest::default() };
        assert!(action.resolve(&image(None)).unwrap_err().message().contains("needs a health check"));
        assert_eq!(nanoseconds("1m30s", "interval").unwrap(), 90_000_000_000);
        assert_eq!(nanoseconds("0", "interval").unwrap(), 0);
        for bad in ["30", "-1s", "disable", ""] {
            assert!(nanoseconds(bad, "interval").unwrap_err().message().contains("--health-interval"), "{bad}");
        }
        assert!(OnFailure::parse("panic").is_err());
    }

    #[test]
    fn a_startup_check_goes_before_another() {
        let startup = Startup { test: test("up"), retries: 2, ..Startup::default() };
        let log = HealthLog { count: Some(2), size: Some(0), ..HealthLog::default() };
        let request = HealthRequest { startup: Some(startup), log, ..HealthRequest::default() };
        assert!(request.resolve(&image(None)).unwrap_err().message().contains("needs a health check"));
        let plan = request.resolve(&image(Some(check(&["CMD", "a"])))).unwrap().plan().unwrap();
        let expected = StartupPlan {
            argv: ["/bin/sh", "-c", "up"].map(String::from).to_vec(),
            interval: INTERVAL,
            timeout: TIMEOUT,
            retries: 2,
            successes: 1,
        };
        assert_eq!((plan.startup, plan.kept, plan.output), (Some(expected), 2, MOST_OUTPUT as usize));
    }

    #[test]
    fn failures_in_a_row_make_unhealthy_but_not_while_starting() {
        let check = HealthCheck { retries: 2, start_period: 1_000_000_000, ..check(&["CMD", "a"]) };
        let plan = Health { check: Some(check), ..Health::default() }.plan().unwrap();
        let mut state = HealthState::default();
        let mut take = |code, millis| {
            let probe = Probe { start: time::now(), end: time::now(), exit_code: code, output: String::new() };
            let after = Duration::from_millis(millis);
            let became = state.take(&plan, probe, after);
            (state.status.word(), state.failing_streak, became, state.pause(&plan, after).as_secs(), state.log.len())
        };
        assert_eq!(take(1, 500), ("starting", 0, false, 5, 1));
        assert_eq!(take(1, 1500), ("starting", 1, false, 30, 2));
        assert_eq!(take(-1, 1600), ("unhealthy", 2, true, 30, 3));
        assert_eq!(take(1, 1700), ("unhealthy", 3, false, 30, 4));
        assert_eq!(take(0, 1800), ("healthy", 0, false, 30, 5));
        assert_eq!(take(1, 500), ("healthy", 1, false, 30, 5));
        assert_eq!(take(1, 500), ("unhealthy", 2, true, 30, 5));
    }
}
