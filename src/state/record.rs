//! The record of how a container's last run went (`state.json`, written by its supervisor alone). It carries a format
//! version, as that of the container does; a newer one is refused, never guessed at.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::process::ProcessIdentity;
use crate::base::{Error, Kind, Result, time};
use crate::spec::container::{ContainerConfig, Enforced, Status};
use crate::spec::health::HealthState;
use crate::spec::network::Joined;

/// The newest format of this record that this program reads, and the one it writes.
pub const FORMAT: u32 = 1;

/// How the last run of a container went. Absent as long as it was never started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunState {
    /// [`FORMAT`] of the writer.
    pub format: u32,
    /// Running, over, or between two runs.
    pub phase: Phase,
    /// The supervising process of this run.
    pub supervisor: ProcessIdentity,
    /// The protocol of its socket (`supervise::protocol`); 0 before there was a number.
    #[serde(default)]
    pub protocol: u32,
    /// The container's pid 1, as the host sees it; none when it never started.
    pub init: Option<ProcessIdentity>,
    /// When pid 1 was started.
    pub started: Timestamp,
    /// What its networks gave it, while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined: Option<Joined>,
    /// After the end of a run of a container that is to be removed: the command that is about to start it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarter: Option<ProcessIdentity>,
    /// How often the restart policy has started the container again since somebody did.
    #[serde(default)]
    pub restarts: u32,
    /// Whether somebody has stopped it.
    #[serde(default)]
    pub stopped: bool,
    /// What its health checks have found, if it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthState>,
    /// How its limits are in force.
    #[serde(default)]
    pub limits: Enforced,
    /// Whether the kernel has killed a process of the container in this run because it had used up its memory.
    #[serde(default)]
    pub oom_killed: bool,
    /// Whether its processes are frozen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// Whether it was asked to end and has not ended yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopping: bool,
}

/// Where a run is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// pid 1 runs.
    Running,
    /// A run is over, and the supervisor waits before it begins the next one.
    Restarting {
        /// As a shell sees it: the exit code, or 128 + the signal.
        code: i32,
        /// When.
        finished: Timestamp,
    },
    /// It is over.
    Exited {
        /// As a shell sees it: the exit code, or 128 + the signal.
        code: i32,
        /// When.
        finished: Timestamp,
        /// Why it could not be started or was cut off; empty otherwise.
        error: String,
    },
}

/// The exit code shown for a run that ended without anybody recording it: docker's after a crash of the machine.
pub const LOST_EXIT_CODE: i32 = 255;

impl RunState {
    /// That of a run which begins now, before its first process is known.
    pub fn begun(supervisor: ProcessIdentity) -> Self {
        Self {
            format: FORMAT,
            phase: Phase::Running,
            supervisor,
            protocol: 0,
            init: None,
            started: time::now(),
            joined: None,
            restarter: None,
            restarts: 0,
            stopped: false,
            health: None,
            limits: Enforced::default(),
            oom_killed: false,
            paused: false,
            stopping: false,
        }
    }

    /// The status this record stands for, given whether its processes still live.
    pub fn status(&self) -> Status {
        let lost = || "the container's supervisor was killed or the machine restarted".to_owned();
        match &self.phase {
            Phase::Restarting { code, finished } => {
                let (code, started, finished) = (*code, self.started, *finished);
                match self.supervisor.is_alive() {
                    true => Status::Restarting { code, started, finished },
                    false => Status::Exited { code, started, finished: Some(finished), error: lost() },
                }
            }
            Phase::Exited { code, finished, error } => {
                Status::Exited { code: *code, started: self.started, finished: Some(*finished), error: error.clone() }
            }
            Phase::Running => {
                let init = self.init.as_ref().filter(|init| init.is_alive());
                match init.is_some() || self.supervisor.is_alive() {
                    true => {
                        let (started, pid) = (self.started, init.map_or(0, |init| init.pid));
                        match (self.paused, self.stopping) {
                            (true, _) => Status::Paused { started, pid },
                            (false, true) => Status::Stopping { started, pid },
                            (false, false) => Status::Running { started, pid },
                        }
                    }
                    false => {
                        Status::Exited { code: LOST_EXIT_CODE, started: self.started, finished: None, error: lost() }
                    }
                }
            }
        }
    }
}

/// Whether a container was to be removed with its end, and nobody is left to do so: its supervisor was killed, the machine
/// restarted, or the command that would have started it is gone. A living owner holds its lock or is named in a record.
pub(super) fn is_abandoned(config: &ContainerConfig, state: Option<&RunState>) -> bool {
    let dead = |process: &ProcessIdentity| !process.is_alive();
    config.lifecycle.remove
        && match state {
            None => config.creator.as_ref().is_some_and(dead),
            Some(state) => !state.status().is_running() && state.restarter.as_ref().is_none_or(dead),
        }
}

/// Refuses records of a newer program.
pub(super) fn check_format(format: u32, newest: u32, what: impl FnOnce() -> String) -> Result<()> {
    match format <= newest {
        true => Ok(()),
        false => Err(Error::new(
            Kind::Unsupported,
            format!("{} has format {format}, this coracle reads up to {newest}", what()),
        )
        .hint("a newer coracle wrote it: use that one")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::now;
    use crate::spec::container::Phase as Condition;

    #[test]
    fn a_run_is_over_when_nobody_of_it_lives() {
        let me = ProcessIdentity::of(std::process::id() as i32).unwrap();
        let dead = ProcessIdentity { start_time: 1, ..me.clone() };
        let state = |supervisor: &ProcessIdentity, init: &ProcessIdentity| RunState {
            format: FORMAT,
            phase: Phase::Running,
            supervisor: supervisor.clone(),
            protocol: 0,
            init: Some(init.clone()),
            started: now(),
            joined: None,
            restarter: None,
            restarts: 0,
            stopped: false,
            health: None,
            limits: Enforced::default(),
            oom_killed: false,
            paused: false,
            stopping: false,
        };
        assert!(state(&me, &dead).status().is_running());
        assert!(state(&dead, &me).status().is_running());
        match state(&dead, &dead).status() {
            Status::Exited { code, finished, .. } => assert_eq!((code, finished), (LOST_EXIT_CODE, None)),
            other => panic!("{other:?}"),
        }
        let frozen = RunState { paused: true, stopping: true, ..state(&me, &me) };
        assert_eq!((frozen.status().phase(), frozen.status().pid()), (Condition::Paused, Some(me.pid)));
        assert_eq!(RunState { paused: false, ..frozen.clone() }.status().phase(), Condition::Stopping);
        assert!(!RunState { supervisor: dead.clone(), init: Some(dead.clone()), ..frozen }.status().is_running());
        let between =
            |supervisor| RunState { phase: Phase::Restarting { code: 3, finished: now() }, ..state(supervisor, &dead) };
        assert_eq!(between(&me).status().phase(), Condition::Restarting);
        match between(&dead).status() {
            Status::Exited { code: 3, finished: Some(_), .. } => {}
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn records_of_before_are_read() {
        let old = r#"{"format":1,"phase":{"exited":{"code":1,"finished":"2026-11-21T09:31:00Z","error":""}},
            "supervisor":{"pid":1,"start_time":2,"boot_id":"x"},"init":null,"started":"2026-11-21T09:30:00Z"}"#;
        let state: RunState = serde_json::from_str(old).unwrap();
        assert_eq!(
            (state.restarts, state.stopped, state.health, state.oom_killed, state.protocol),
            (0, false, None, false, 0)
        );
    }
}
