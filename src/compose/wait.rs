//! Waits for what `depends_on` and `--wait` ask of containers, in docker compose's words where it does not come.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::base::{ContainerId, Error, Kind, Result};
use crate::engine::Engine;
use crate::spec::container::{Container, Status};
use crate::spec::health::HealthStatus;

/// The longest sleep between two looks.
const LONGEST: Duration = Duration::from_secs(1);

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Its health check succeeds.
    Healthy,
    /// It runs, and its health check succeeds if it has one.
    RunningOrHealthy,
    /// It has ended with 0.
    Completed,
}

impl Until {
    /// The condition of a dependency that takes time.
    pub fn of(condition: &str) -> Option<Self> {
        match condition {
            "service_healthy" => Some(Self::Healthy),
            "service_completed_successfully" => Some(Self::Completed),
            _ => None,
        }
    }

    /// docker compose's word once it has come.
    pub fn word(self) -> &'static str {
        match self {
            Self::Healthy | Self::RunningOrHealthy => "Healthy",
            Self::Completed => "Exited",
        }
    }
}

/// When waiting ends without success.
#[derive(Debug, Clone, Copy)]
pub struct Limits<'a> {
    /// The user has interrupted it.
    pub cancelled: &'a AtomicBool,
    /// The time is over.
    pub until: Option<Instant>,
}

/// The error of an interrupted command.
pub fn interrupted() -> Error {
    Error::conflict("canceled")
}

/// Waits for a container of a service.
///
/// # Errors
///
/// When it cannot come any more, or waiting ends.
pub fn wait(engine: &Engine, id: &str, service: &str, until: Until, limits: Limits<'_>) -> Result<()> {
    let containers = engine.containers();
    let id: ContainerId = containers.find(id)?;
    let watch = containers.watch(&id)?;
    loop {
        let container = match containers.load(&id) {
            Err(error) if error.kind() == Kind::NotFound => {
                return Err(Error::not_found(format!("the container of service `{service}` was removed")));
            }
            container => container?,
        };
        if look(&container, service, until)? {
            return Ok(());
        }
        if limits.cancelled.load(Ordering::Relaxed) {
            return Err(interrupted());
        }
        let left = limits.until.map_or(LONGEST, |until| until.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return Err(Error::conflict(format!("timeout waiting for dependencies: container {}", container.name))
                .hint("--wait-timeout is the time that it has"));
        }
        watch.wait(left.min(LONGEST))?;
    }
}

/// Whether it has come.
fn look(container: &Container, service: &str, until: Until) -> Result<bool> {
    let name = &container.name;
    let health = container.run.health.as_ref().map(|health| health.status);
    let has_check = container.config.health.plan().is_some();
    match (until, &container.status) {
        (Until::Completed, Status::Exited { code: 0, .. }) => Ok(true),
        (Until::Completed, Status::Exited { code, .. }) => {
            Err(Error::conflict(format!("service {service:?} didn't complete successfully: exit {code}"))
                .hint(format!("`coracle compose logs {service}` shows what it printed")))
        }
        (Until::Completed, _) => Ok(false),
        (_, Status::Exited { code, .. }) => Err(Error::conflict(format!("container {name} exited ({code})"))
            .hint(format!("`coracle compose logs {service}` shows what it printed"))),
        (Until::Healthy, _) if !has_check => {
            Err(Error::usage(format!("container {name} has no healthcheck configured"))
                .hint("give the service a `healthcheck`, or depend on `service_started`"))
        }
        (Until::RunningOrHealthy, status) if !has_check => Ok(status.pid().is_some()),
        (_, status) if status.pid().is_some() => match health {
            Some(HealthStatus::Healthy) => Ok(true),
            Some(HealthStatus::Unhealthy) => Err(Error::conflict(format!("container {name} is unhealthy"))
                .hint(format!("`coracle inspect -f '{{{{json .State.Health}}}}' {name}` shows its last checks"))),
            _ => Ok(false),
        },
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures::container;
    use crate::oci::config::HealthCheck;
    use crate::spec::health::{Health, HealthState};

    fn looked(until: Until, status: Status, health: Option<HealthStatus>) -> Result<bool> {
        let mut container = container("p-db-1", 0, status);
        if let Some(status) = health {
            let check = HealthCheck { test: vec!["CMD".into(), "true".into()], ..HealthCheck::default() };
            container.config.health = Health { check: Some(check), ..Health::default() };
            container.run.health = Some(HealthState { status, ..HealthState::default() });
        }
        look(&container, "db", until)
    }

    #[test]
    fn conditions_come_or_say_why_they_do_not() {
        let runs = || Status::Running { started: Default::default(), pid: 1 };
        let ended = |code| Status::Exited { code, started: Default::default(), finished: None, error: String::new() };
        assert!(looked(Until::RunningOrHealthy, runs(), None).unwrap());
        assert!(looked(Until::Healthy, runs(), Some(HealthStatus::Healthy)).unwrap());
        assert!(!looked(Until::Healthy, runs(), Some(HealthStatus::Starting)).unwrap());
        assert!(!looked(Until::Completed, runs(), None).unwrap());
        assert!(looked(Until::Completed, ended(0), None).unwrap());
        let message = |looked: Result<bool>| looked.unwrap_err().message().to_owned();
        assert_eq!(
            message(looked(Until::Healthy, runs(), Some(HealthStatus::Unhealthy))),
            "container p-db-1 is unhealthy"
        );
        assert_eq!(message(looked(Until::Healthy, runs(), None)), "container p-db-1 has no healthcheck configured");
        assert_eq!(message(looked(Until::Healthy, ended(3), None)), "container p-db-1 exited (3)");
        assert_eq!(
            message(looked(Until::Completed, ended(3), None)),
            "service \"db\" didn't complete successfully: exit 3"
        );
    }
}
