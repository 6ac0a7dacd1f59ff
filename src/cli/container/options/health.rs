//! Options about health checks.

use std::path::Path;

use crate::base::{Error, Result, text};
use crate::oci::config::HealthCheck;
use crate::spec::health::{HealthLog, HealthRequest, LogDestination, OnFailure, Startup, nanoseconds, test};

/// Options about the health check.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Health")]
pub struct HealthOptions {
    /// Command to run to check health: a line for the shell, or a JSON list of words; none for no check
    #[arg(long, value_name = "COMMAND")]
    pub health_cmd: Option<String>,
    /// Time between two checks (default 30s)
    #[arg(long, value_name = "DURATION")]
    pub health_interval: Option<String>,
    /// Where the results of checks are, besides in inspect: local (nowhere else), a directory, or events_logger
    #[arg(long, value_name = "DESTINATION")]
    pub health_log_destination: Option<String>,
    /// How many results are kept (default 5); 0 for 1000
    #[arg(long, value_name = "NUMBER")]
    pub health_max_log_count: Option<u32>,
    /// Bytes that are kept of what a check prints (default 4096); 0 for 65536
    #[arg(long, value_name = "BYTES")]
    pub health_max_log_size: Option<u32>,
    /// What happens to an unhealthy container: none, kill, restart or stop
    #[arg(long, value_name = "ACTION")]
    pub health_on_failure: Option<String>,
    /// Failures in a row that make the container unhealthy (default 3)
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub health_retries: Option<i64>,
    /// Time between two checks in the start period (default 5s)
    #[arg(long, value_name = "DURATION")]
    pub health_start_interval: Option<String>,
    /// Time for the container to start, in which failures do not count (default 0s)
    #[arg(long, value_name = "DURATION")]
    pub health_start_period: Option<String>,
    /// Command to run to check that the container has started, before the other checks begin
    #[arg(long, value_name = "COMMAND")]
    pub health_startup_cmd: Option<String>,
    /// Time between two of these checks (default 30s)
    #[arg(long, value_name = "DURATION")]
    pub health_startup_interval: Option<String>,
    /// Failures in a row after which the container is started anew (default 0: never)
    #[arg(long, value_name = "NUMBER")]
    pub health_startup_retries: Option<u32>,
    /// Successes in a row after which the other checks begin (default 1)
    #[arg(long, value_name = "NUMBER")]
    pub health_startup_success: Option<u32>,
    /// Time that one of these checks may take (default 30s)
    #[arg(long, value_name = "DURATION")]
    pub health_startup_timeout: Option<String>,
    /// Time that one check may take (default 30s)
    #[arg(long, value_name = "DURATION")]
    pub health_timeout: Option<String>,
    /// Run the container without the image's health check
    #[arg(long)]
    pub no_healthcheck: bool,
}

impl HealthOptions {
    /// The group these options stand for.
    pub fn group(self, cwd: &Path) -> Result<HealthRequest> {
        let time = |given: &Option<String>, name| given.as_deref().map_or(Ok(0), |given| nanoseconds(given, name));
        let check = HealthCheck {
            test: self.health_cmd.as_deref().map(test).unwrap_or_default(),
            interval: time(&self.health_interval, "interval")?,
            timeout: time(&self.health_timeout, "timeout")?,
            start_period: time(&self.health_start_period, "start-period")?,
            start_interval: time(&self.health_start_interval, "start-interval")?,
            retries: self.health_retries.unwrap_or(0),
        };
        if check.retries < 0 {
            return Err(Error::usage("--health-retries cannot be negative"));
        }
        let on_failure = self.health_on_failure.as_deref().map_or(Ok(OnFailure::None), OnFailure::parse)?;
        let said = check != HealthCheck::default();
        let (startup, log) = (self.startup()?, self.log(cwd)?);
        match self.no_healthcheck {
            true if said || on_failure != OnFailure::None || startup.is_some() => {
                Err(Error::usage("--no-healthcheck conflicts with --health-* options"))
            }
            true => Ok(HealthRequest::disabled()),
            false => Ok(HealthRequest { check: said.then_some(check), on_failure, startup, log }),
        }
    }

    fn startup(&self) -> Result<Option<Startup>> {
        let time = |given: &Option<String>, name| given.as_deref().map_or(Ok(0), |given| nanoseconds(given, name));
        let startup = Startup {
            test: self.health_startup_cmd.as_deref().map(test).unwrap_or_default(),
            interval: time(&self.health_startup_interval, "startup-interval")?,
            timeout: time(&self.health_startup_timeout, "startup-timeout")?,
            retries: self.health_startup_retries.unwrap_or(0),
            successes: self.health_startup_success.unwrap_or(0),
        };
        match startup.test.is_empty() {
            false => Ok(Some(startup)),
            true if startup == Startup::default() => Ok(None),
            true => Err(Error::usage("options of the startup check need its command: --health-startup-cmd")),
        }
    }

    fn log(&self, cwd: &Path) -> Result<HealthLog> {
        let destination = match self.health_log_destination.as_deref() {
            None | Some("" | "local") => LogDestination::Local,
            Some("events_logger") => LogDestination::Events,
            Some(directory) => {
                let path = cwd.join(directory);
                if !path.is_dir() {
                    return Err(Error::usage(format!(
                        "invalid argument `{}` for `--health-log-destination`: no such directory",
                        text::clean(directory)
                    )));
                }
                LogDestination::Directory(path)
            }
        };
        Ok(HealthLog { destination, count: self.health_max_log_count, size: self.health_max_log_size })
    }
}
