//! `coracle doctor`: is this machine ready for containers of an ordinary user, and if not, what is the exact fix?
//!
//! Each check reads the real machine, or tries the thing in a child process that ends at once, and hands what it found to
//! a pure function that judges it. Nothing is changed: trials happen in namespaces of their own and in a directory below
//! staging that is removed. The caller has one thread (checks fork).

mod cgroups;
mod devices;
mod ids;
mod machine;
mod namespaces;
pub mod probe;
mod session;
mod storage;

use std::borrow::Cow;
use std::ffi::OsStr;

use crate::base::Paths;
use machine::Machine;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Nothing to do.
    Ok,
    /// Containers run, but something that is named in the detail does not.
    Warning,
    /// Containers do not run.
    Failed,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Check {
    /// What was checked: `subordinate ids`.
    pub name: Cow<'static, str>,
    /// The verdict.
    pub status: Status,
    /// What was found, and what it means; one line.
    pub detail: String,
    /// One line for a shell that repairs it. `None` when nothing is wrong, or no command can help.
    pub fix: Option<String>,
}

impl Check {
    /// All is well.
    pub fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name: name.into(), status: Status::Ok, detail: detail.into(), fix: None }
    }

    /// Something does not work.
    pub fn warning(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name: name.into(), status: Status::Warning, detail: detail.into(), fix: None }
    }

    /// Nothing works.
    pub fn failed(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name: name.into(), status: Status::Failed, detail: detail.into(), fix: None }
    }

    /// With a command that repairs it.
    pub fn fix(mut self, command: impl Into<String>) -> Self {
        self.fix = Some(command.into());
        self
    }
}

/// Checks everything, in the order in which it is needed. `search_path` is the user's `PATH`, where newuidmap is sought.
pub fn examine(paths: &Paths, search_path: &OsStr) -> Vec<Check> {
    let machine = Machine::read(search_path);
    let mut checks =
        vec![namespaces::kernel(&machine), namespaces::user_namespaces(&machine), namespaces::procfs(&machine)];
    checks.push(namespaces::seccomp());
    checks.extend(ids::all(&machine));
    checks.extend(storage::all(paths, &machine));
    checks.extend(cgroups::all(&machine));
    checks.extend(devices::all(&machine));
    checks.extend(session::all(&machine));
    checks
}

/// The worst status of all.
pub fn verdict(checks: &[Check]) -> Status {
    checks.iter().map(|check| check.status).max().unwrap_or(Status::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_examined_without_a_trace() {
        let directory = std::env::temp_dir().join(format!("coracle-doctor-{}", std::process::id()));
        let paths = Paths {
            data: directory.join("data"),
            runtime: directory.join("run/coracle"),
            config: directory.join("config"),
            home: directory.clone(),
        };
        std::fs::create_dir_all(&paths.data).unwrap();
        let checks = examine(&paths, OsStr::new("/usr/bin:/bin"));
        let left: Vec<_> = std::fs::read_dir(paths.staging()).into_iter().flatten().collect();
        std::fs::remove_dir_all(&directory).unwrap();
        assert!(left.is_empty());
        let mut names: Vec<&str> = checks.iter().map(|check| &*check.name).collect();
        assert_eq!(names.first(), Some(&"kernel"));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), checks.len(), "{names:?}");
        for check in &checks {
            assert!(!check.detail.is_empty() && !check.detail.contains('\n'), "{check:?}");
            assert!(check.fix.as_deref().is_none_or(|fix| !fix.contains('\n') && !fix.is_empty()), "{check:?}");
        }
        // The tests of containers run here, so these hold.
        for name in ["kernel", "user namespaces", "overlayfs"] {
            let check = checks.iter().find(|check| check.name == name).unwrap();
            assert_ne!(check.status, Status::Failed, "{check:?}");
        }
        assert!(verdict(&checks) >= checks[0].status);
    }
}
