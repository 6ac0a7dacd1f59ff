//! Control groups of version 2: where a container's own can be made, what is set in it, what it has used, and its end.
//!
//! # Theory of operation
//!
//! A user may make groups only in a part of the hierarchy that was left to them, and the kernel moves a process only for
//! somebody who may write to the nearest group above both its old and its new place (cgroups(7), "Delegation"). A login
//! session is not such a part. So the supervisor asks the user's systemd for a scope with `Delegate=yes` that it is moved
//! into ([`systemd`]); or it finds a group above its own that it may divide ([`hierarchy`]).
//!
//! ```text
//! user@1000.service/user.slice/
//!   coracle-ID.scope/       made by systemd, ours to divide
//!     supervisor/           the supervisor, and what it starts besides the container
//!     container/            the container: pid 1 is born here, and so is every process of exec
//! ```
//!
//! The kernel passes controllers on only from groups without processes, hence the two groups below the scope. pid 1 is made
//! in its group by clone3(2) (`CLONE_INTO_CGROUP`): it never runs outside its limits, and nothing is moved, for which the
//! kernel would wait for all processors. It then takes a cgroup namespace with that group as the root.
//!
//! [`Placement::begin`] only asks: systemd works while the supervisor mounts. [`Placement::settle`] waits for the answer.
//! There is one [`Place`] for each supervisor and one [`Own`] group for each run: its counters begin with zero, and its
//! removal ends every process that is left in it. What a killed supervisor leaves goes with the scope, or at the
//! container's next start.
//!
//! Nobody needs control groups to run a container: where none can be had, [`Placement::Absent`] has the reason, which is an
//! error for whoever asks for a limit or a place.

mod dbus;
pub mod group;
pub mod hierarchy;
pub mod stat;
mod systemd;

use std::io;
use std::path::Path;
use std::time::Duration;

use group::{Failed, Group};
use hierarchy::Hierarchy;

use crate::base::{Error, Result, text};
use crate::spec::cgroup2::Setting;
use crate::spec::cgroups::{Cgroups, DELEGATE, Manager, Mode};

/// How long the processes of a group may take to end after SIGKILL.
const LAST_BREATH: Duration = Duration::from_secs(5);

/// The group of the supervisor in a scope.
const SUPERVISOR: &str = "supervisor";

/// The group of the container in a scope.
const CONTAINER: &str = "container";

/// podman's slice of the containers of a user; there is none by that name in the system's manager.
const SLICE: &str = "user.slice";

/// The same for root's.
const SYSTEM_SLICE: &str = "machine.slice";

/// What a place is needed for.
#[derive(Debug)]
pub struct Wish<'a> {
    /// The container's whole id.
    pub id: &'a str,
    /// Its name, for people.
    pub name: &'a str,
    /// What was asked for.
    pub cgroups: &'a Cgroups,
    /// How long its processes may take to end when systemd stops the scope.
    pub stop_timeout: Duration,
    /// coracle's runtime directory.
    pub runtime: &'a Path,
    /// The user as the host knows them.
    pub uid: u32,
    /// This is root of the machine.
    pub real_root: bool,
}

/// Where groups are made, as far as it is known.
#[derive(Debug)]
pub enum Placement {
    /// systemd was asked; with what is tried when it refuses, if anything.
    Asked(Box<systemd::Pending>, Option<Fallback>),
    /// It is known.
    Found(Place),
    /// There is none, for this reason.
    Absent(Error),
}

/// The other way, for when systemd refuses.
#[derive(Debug, Clone)]
pub struct Fallback {
    hierarchy: Hierarchy,
    name: String,
}

/// A group that groups may be made in.
#[derive(Debug)]
pub struct Place {
    hierarchy: Hierarchy,
    /// From the root of the hierarchy.
    path: String,
    /// The container's group in it.
    name: String,
    /// The manager that made it.
    pub manager: Manager,
}

impl Placement {
    /// Begins to find one. What was asked for by name and cannot be had is an error.
    pub fn begin(wish: &Wish<'_>) -> Result<Self> {
        match Self::found(wish) {
            Ok(placement) => Ok(placement),
            Err(error) if wish.cgroups.is_explicit() => Err(error),
            Err(error) => Ok(Self::Absent(error)),
        }
    }

    fn found(wish: &Wish<'_>) -> Result<Self> {
        let cgroups = wish.cgroups;
        if cgroups.is_disabled() {
            let option = if cgroups.mode == Mode::Disabled { "--cgroups" } else { "--cgroup-manager" };
            return Ok(Self::Absent(Error::unsupported(format!(
                "the container has no control group: `{option}` is `disabled`"
            ))));
        }
        let hierarchy = Hierarchy::of_machine().ok_or_else(not_version_2)?;
        let name = format!("coracle-{}", wish.id);
        if cgroups.mode == Mode::Split {
            let path = hierarchy.own.clone();
            return Ok(Self::Found(Place::divided(hierarchy, path, name, Manager::Cgroupfs)?));
        }
        let slice = cgroups.parent.as_deref().map(|parent| parent.trim_start_matches('/'));
        let is_slice = slice.is_none_or(|parent| parent.ends_with(".slice"));
        if cgroups.manager == Some(Manager::Systemd) && !is_slice {
            return Err(Error::usage("the control group above a container's must be a slice when systemd makes it")
                .hint("use a name that ends with .slice, or --cgroup-manager=cgroupfs with a path"));
        }
        let mut refused = None;
        if cgroups.manager != Some(Manager::Cgroupfs) && is_slice {
            let usual = if wish.real_root { SYSTEM_SLICE } else { SLICE };
            // Slices are named by their last part, which names those above, too.
            let slice = slice.map_or(usual, |slice| slice.rsplit('/').next().unwrap_or(slice));
            match systemd::ask(wish.scope(&name, slice), &wish.sockets()) {
                Ok(pending) => {
                    let fallback = (!cgroups.is_explicit()).then_some(Fallback { hierarchy, name });
                    return Ok(Self::Asked(Box::new(pending), fallback));
                }
                Err(error) if cgroups.manager == Some(Manager::Systemd) || cgroups.parent.is_some() => {
                    return Err(error.hint(no_manager(wish.real_root)));
                }
                Err(error) => refused = Some(error),
            }
        }
        let path = match &cgroups.parent {
            Some(parent) => format!("/{}", parent.trim_matches('/')),
            None => hierarchy.divisible().ok_or_else(|| not_delegated(refused, wish.real_root))?,
        };
        Place::found(hierarchy, path, name).map(Self::Found)
    }

    /// Waits until it is known.
    pub fn settle(self) -> Result<Self> {
        let Self::Asked(pending, fallback) = self else { return Ok(self) };
        let place = pending.wait().and_then(|unit| {
            let hierarchy = Hierarchy::of_machine().ok_or_else(not_version_2)?;
            if !hierarchy.own.ends_with(&format!("/{unit}")) {
                return Err(Error::system(format!(
                    "systemd started `{unit}` and left this process in `{}`",
                    text::clean(&hierarchy.own)
                )));
            }
            let path = hierarchy.own.clone();
            Place::divided(hierarchy, path, CONTAINER.into(), Manager::Systemd)
        });
        match (place, fallback) {
            (Ok(place), _) => Ok(Self::Found(place)),
            (Err(error), None) => Err(error),
            (Err(error), Some(Fallback { hierarchy, name })) => {
                let Some(path) = hierarchy.divisible() else { return Ok(Self::Absent(error)) };
                Ok(Place::found(hierarchy, path, name).map_or(Self::Absent(error), Self::Found))
            }
        }
    }
}

impl Wish<'_> {
    fn scope(&self, name: &str, slice: &str) -> systemd::Scope {
        systemd::Scope {
            name: name.to_owned(),
            description: format!("coracle container {}", self.name),
            slice: slice.to_owned(),
            pid: std::process::id(),
            // The supervisor needs the container's time, and a little to record the end.
            stop_timeout: self.stop_timeout + LAST_BREATH,
        }
    }

    fn sockets(&self) -> Vec<(std::path::PathBuf, bool)> {
        systemd::sockets(&hierarchy::runtime_directories(self.runtime, self.uid), self.real_root)
    }
}

impl Place {
    /// A group that holds this process and perhaps others: they are moved to one below, so that it may be divided.
    fn divided(hierarchy: Hierarchy, path: String, name: String, manager: Manager) -> Result<Self> {
        let at = |error: io::Error| {
            Error::system(format!("cannot divide the control group `{}`", text::clean(&path))).caused_by(error)
        };
        let group = Group::open(&hierarchy.mount, &path).map_err(at)?;
        let supervisor = group.make(SUPERVISOR).map_err(at)?;
        group.move_processes(&supervisor).map_err(at)?;
        group.pass_on_controllers();
        Ok(Self { hierarchy, path, name, manager })
    }

    /// A group without processes.
    fn found(hierarchy: Hierarchy, path: String, name: String) -> Result<Self> {
        let at = |error: io::Error| {
            Error::system(format!("cannot use the control group `{}`", text::clean(&path))).caused_by(error)
        };
        let group = Group::open(&hierarchy.mount, &path).map_err(at)?;
        if !group.may_write("cgroup.procs") {
            return Err(at(io::ErrorKind::PermissionDenied.into()).hint(
                "it must be delegated to you: owned by you, with its `cgroup.procs` and `cgroup.subtree_control`",
            ));
        }
        group.pass_on_controllers();
        Ok(Self { hierarchy, path, name, manager: Manager::Cgroupfs })
    }

    /// A fresh group for a run. What an earlier run has left in it is ended.
    pub fn make_own(&self) -> Result<Own> {
        let at = |error: io::Error| {
            Error::system(format!("cannot make the container's control group in `{}`", text::clean(&self.path)))
                .caused_by(error)
        };
        let above = Group::open(&self.hierarchy.mount, &self.path).map_err(at)?;
        above.remove(&self.name, LAST_BREATH).map_err(at)?;
        let group = above.make(&self.name).map_err(at)?;
        let path = format!("{}/{}", self.path.trim_end_matches('/'), self.name);
        Ok(Own { above, group, name: self.name.clone(), path })
    }
}

/// A container's own group.
#[derive(Debug)]
pub struct Own {
    above: Group,
    group: Group,
    name: String,
    /// From the root of the hierarchy.
    pub path: String,
}

impl Own {
    /// The group itself.
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// Makes settings of `--cgroup-conf`.
    pub fn configure(&self, conf: &[(String, String)]) -> Result<()> {
        conf.iter().try_for_each(|(file, value)| {
            self.group.write(file, value).map_err(|cause| {
                let hint = match cause.kind() {
                    io::ErrorKind::NotFound => {
                        format!("the group has the controllers {}", self.group.controllers().join(", "))
                    }
                    _ => "the kernel's cgroup-v2.rst says what may be written".to_owned(),
                };
                let value = text::clean(value);
                Error::system(format!("cannot set `{file}` to `{value}` in the container's control group"))
                    .caused_by(cause)
                    .hint(hint)
            })
        })
    }

    /// Ends what is left in the group, and removes it.
    pub fn remove(self) -> io::Result<()> {
        drop(self.group);
        self.above.remove(&self.name, LAST_BREATH)
    }
}

/// The group at `path`, which a run has recorded; none when it is gone or not visible here.
pub fn recorded(path: &str) -> Option<Group> {
    let hierarchy = Hierarchy::of_machine()?;
    Group::open(&hierarchy.mount, path).ok()
}

/// Removes a group that a killed supervisor has left. Another container's is not meant by it: the path holds the id.
pub fn forget(path: &str, id: &str) {
    let Some((above, name)) = path.rsplit_once('/') else { return };
    if path.contains(id)
        && let Some(above) = recorded(above)
    {
        let _ = above.remove(name, LAST_BREATH);
    }
}

/// The error of a limit that could not be set.
pub fn explain(failed: &Failed, group: &Group) -> Error {
    let Failed { setting, error, has_controller } = failed;
    let (option, controller) = (setting.option, setting.controller());
    let os = || io::Error::from(error.kind());
    let cause = error.raw_os_error().map_or_else(os, io::Error::from_raw_os_error);
    if !has_controller {
        let has = group.controllers().join(" ");
        let has = if has.is_empty() { "none".to_owned() } else { has };
        return Error::unsupported(format!(
            "`{option}` cannot be set: the controller `{controller}` is not delegated to you (delegated: {has})"
        ))
        .hint(format!("for all limits: {DELEGATE}"))
        .hint(best_effort());
    }
    let out_of_range = matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ERANGE));
    match (setting.file, error.kind()) {
        ("cpuset.cpus" | "cpuset.mems", _) if out_of_range => Error::usage(format!(
            "`{option}` asks for `{}`, which this machine does not have",
            text::clean(&setting.value)
        )),
        ("memory.swap.max", io::ErrorKind::NotFound) => {
            Error::unsupported(format!("`{option}` cannot be set: this kernel does not account swap"))
                .hint("start the machine with `swapaccount=1` on the kernel's command line")
        }
        ("io.weight", io::ErrorKind::NotFound) => {
            Error::unsupported(format!("`{option}` cannot be set: this kernel has no weights for disks"))
                .hint("it needs CONFIG_BLK_CGROUP_IOCOST or the I/O scheduler bfq")
        }
        _ => Error::system(format!(
            "`{option}` cannot be set: `{}` for `{}` is refused",
            text::clean(&setting.value),
            setting.file
        ))
        .caused_by(cause),
    }
}

/// The error of limits where no group can be had, for `option`, which was asked for.
pub fn without_group(option: &str, reason: &Error) -> Error {
    let mut error = Error::unsupported(format!("`{option}` cannot be set: {}", reason.chain()));
    for hint in reason.hints() {
        error = error.hint(hint);
    }
    error.hint(best_effort())
}

fn best_effort() -> &'static str {
    "--limits=best-effort does what an ordinary user can do instead, and `coracle inspect` then says what differs"
}

fn not_version_2() -> Error {
    Error::unsupported("this machine does not use cgroup v2 alone").hint("`coracle doctor` names the fix")
}

fn no_manager(real_root: bool) -> &'static str {
    match real_root {
        true => "is systemd running? --cgroup-manager=cgroupfs works without it",
        false => {
            "systemd runs for you after a login through the console, a display manager or ssh, not su; `sudo loginctl enable-linger` keeps it"
        }
    }
}

fn not_delegated(refused: Option<Error>, real_root: bool) -> Error {
    let error = Error::unsupported("no control group is delegated to you");
    let error = error.hint(no_manager(real_root));
    match refused {
        Some(refused) => error.caused_by(refused),
        None => error,
    }
}

/// What can be had on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlook {
    /// The manager that would make the groups.
    pub manager: Manager,
    /// The controllers that they would have.
    pub controllers: Vec<String>,
}

/// What a container of this user would get, without asking for it.
pub fn outlook(runtime: &Path, uid: u32, real_root: bool) -> Outlook {
    let none = Outlook { manager: Manager::Disabled, controllers: Vec::new() };
    let Some(hierarchy) = Hierarchy::of_machine() else { return none };
    let sockets = systemd::sockets(&hierarchy::runtime_directories(runtime, uid), real_root);
    if sockets.iter().any(|(socket, _)| socket.exists()) {
        let manager = match real_root {
            true => "/".to_owned(),
            false => format!("/user.slice/user-{uid}.slice/user@{uid}.service"),
        };
        if let Some(controllers) = hierarchy.controllers(&manager) {
            return Outlook { manager: Manager::Systemd, controllers };
        }
    }
    match hierarchy.divisible().and_then(|path| hierarchy.controllers(&path)) {
        Some(controllers) => Outlook { manager: Manager::Cgroupfs, controllers },
        None => none,
    }
}

/// The first of `settings` that was asked for.
pub fn asked_for(settings: &[Setting]) -> Option<&Setting> {
    settings.iter().find(|setting| !setting.implied)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_controller_and_the_fix() {
        let scratch = crate::base::publish::Staging::new(&std::env::temp_dir()).unwrap();
        std::fs::write(scratch.path().join("cgroup.controllers"), "memory pids\n").unwrap();
        let group = Group::open(scratch.path(), "").unwrap();
        let failed = |file, option, kind: io::ErrorKind, has_controller| Failed {
            setting: Setting { file, value: "9".into(), option, implied: false },
            error: kind.into(),
            has_controller,
        };
        let missing = explain(&failed("cpu.max", "--cpus", io::ErrorKind::NotFound, false), &group);
        assert_eq!(
            missing.message(),
            "`--cpus` cannot be set: the controller `cpu` is not delegated to you (delegated: memory pids)"
        );
        assert!(missing.hints().iter().any(|hint| hint.contains("Delegate=")), "{:?}", missing.hints());
        let swap = explain(&failed("memory.swap.max", "--memory-swap", io::ErrorKind::NotFound, true), &group);
        assert!(swap.hints()[0].contains("swapaccount=1"));
        let cpus = explain(
            &Failed {
                error: io::Error::from_raw_os_error(libc::ERANGE),
                ..failed("cpuset.cpus", "--cpuset-cpus", io::ErrorKind::Other, true)
            },
            &group,
        );
        assert!(cpus.message().contains("asks for `9`"));
        let absent = without_group("--memory", &not_delegated(None, false));
        assert!(absent.message().starts_with("`--memory` cannot be set: no control group is delegated"));
        assert!(absent.hints().iter().any(|hint| hint.contains("enable-linger")), "{:?}", absent.hints());
    }

    #[test]
    fn only_what_holds_the_id_is_forgotten() {
        // No panic and no effect on paths that are not a container's.
        for path in ["", "/", "x", "/user.slice", "/../a"] {
            forget(path, "0123");
        }
    }

    #[test]
    fn a_place_that_was_asked_for_is_an_error_when_it_cannot_be_had() {
        let wish = |cgroups: &Cgroups| {
            let wish = Wish {
                id: "0123",
                name: "x",
                cgroups,
                stop_timeout: Duration::ZERO,
                runtime: Path::new("/nowhere/coracle"),
                uid: 4_000_000_000,
                real_root: false,
            };
            Placement::begin(&wish)
        };
        let disabled = Cgroups { manager: Some(Manager::Disabled), ..Cgroups::default() };
        assert!(matches!(wish(&disabled).unwrap(), Placement::Absent(_)));
        let systemd = Cgroups { manager: Some(Manager::Systemd), ..Cgroups::default() };
        assert!(wish(&systemd).is_err());
    }
}
