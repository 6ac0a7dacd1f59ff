//! Options about health checks.

use crate::base::{Error, Result};
use crate::oci::config::HealthCheck;
use crate::spec::health::{HealthRequest, OnFailure, nanoseconds, test};

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
    /// Time that one check may take (default 30s)
    #[arg(long, value_name = "DURATION")]
    pub health_timeout: Option<String>,
    /// Run the container without the image's health check
    #[arg(long)]
    pub no_healthcheck: bool,
}

impl HealthOptions {
    /// The group these options stand for.
    pub fn group(self) -> Result<HealthRequest> {
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
        match self.no_healthcheck {
            true if said || on_failure != OnFailure::None => {
                Err(Error::usage("--no-healthcheck conflicts with --health-* options"))
            }
            true => Ok(HealthRequest::disabled()),
            false => Ok(HealthRequest { check: said.then_some(check), on_failure }),
        }
    }
}
