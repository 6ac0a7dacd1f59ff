//! Processes that `exec` added to containers and that have not ended: the only writer of their records.
//!
//! ```text
//! <runtime>/execs/<half of the container's id>/<session>.json     what runs; gone when it has ended
//! ```
//!
//! A session is over when its process is: a record that a killed supervisor has left counts as none, and goes with the next
//! run of the container or with the container.

use std::fs;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::error::if_absent;
use crate::base::process::ProcessIdentity;
use crate::base::publish::{self, Durability};
use crate::base::{ContainerId, Paths, Result, ResultExt, paths};

/// A process that was added to a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// 64 hexadecimal digits.
    pub id: String,
    /// The process, as the host sees it.
    pub process: ProcessIdentity,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The user that was asked for; none for the container's.
    pub user: Option<String>,
    /// It has a terminal.
    pub tty: bool,
    /// It has all capabilities.
    pub privileged: bool,
    /// When it was started.
    pub started: Timestamp,
}

/// The sessions of one user's containers.
#[derive(Debug, Clone)]
pub struct Sessions {
    directory: PathBuf,
}

impl Sessions {
    /// Those below `paths`.
    pub fn new(paths: &Paths) -> Self {
        Self { directory: paths.runtime.join("execs") }
    }

    /// Records one that has begun.
    pub fn record(&self, container: &ContainerId, session: &Session) -> Result<()> {
        let directory = self.of(container);
        if !directory.is_dir() {
            paths::private_dir(&self.directory)?;
            paths::private_dir(&directory)?;
        }
        publish::json(&directory.join(format!("{}.json", session.id)), session, Durability::Volatile)
    }

    /// One is over.
    pub fn forget(&self, container: &ContainerId, id: &str) {
        let _ = fs::remove_file(self.of(container).join(format!("{id}.json")));
    }

    /// All of a container are over.
    pub fn forget_all(&self, container: &ContainerId) {
        let _ = fs::remove_dir_all(self.of(container));
    }

    /// Those that run, the oldest first. What cannot be read is none.
    pub fn list(&self, container: &ContainerId) -> Result<Vec<Session>> {
        let directory = self.of(container);
        let entries = if_absent(fs::read_dir(&directory)).at(&directory, "cannot list")?;
        let records = entries.into_iter().flatten().flatten();
        let records = records.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "json"));
        let read = records.filter_map(|entry| publish::read_json::<Session>(&entry.path()).ok().flatten());
        let mut sessions: Vec<Session> = read.filter(|session| session.process.is_alive()).collect();
        sessions.sort_by(|a, b| (a.started, &a.id).cmp(&(b.started, &b.id)));
        Ok(sessions)
    }

    fn of(&self, container: &ContainerId) -> PathBuf {
        self.directory.join(&container.as_str()[..32])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;

    #[test]
    fn sessions_are_listed_as_long_as_they_run() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let sessions = Sessions { directory: scratch.path().join("execs") };
        let container: ContainerId = "ab".repeat(32).parse().unwrap();
        assert!(sessions.list(&container).unwrap().is_empty());
        let me = ProcessIdentity::of(std::process::id() as i32).unwrap();
        let session = |id: &str, second: i64, process: &ProcessIdentity| Session {
            id: id.into(),
            process: process.clone(),
            argv: vec!["sh".into()],
            user: None,
            tty: false,
            privileged: false,
            started: Timestamp::from_second(second).unwrap(),
        };
        let dead = ProcessIdentity { start_time: 1, ..me.clone() };
        for one in [session("b", 1, &me), session("a", 2, &me), session("c", 3, &dead)] {
            sessions.record(&container, &one).unwrap();
        }
        fs::write(sessions.of(&container).join("x.json"), "{").unwrap();
        let ids = || sessions.list(&container).unwrap().into_iter().map(|one| one.id).collect::<Vec<_>>();
        assert_eq!(ids(), ["b", "a"]);
        sessions.forget(&container, "b");
        assert_eq!(ids(), ["a"]);
        sessions.forget_all(&container);
        assert!(ids().is_empty());
    }
}
