//! The namespaces of others that a container is to join, opened for each run anew: the container that it shares them with
//! may have been started again in between.
//!
//! Only the user's own containers are looked up, by the id in the record. A process is never taken for another one that has
//! got its number: it is held by a pidfd, compared with the record of its start, and compared again once its namespaces are
//! open. A path (`ns:`) is the user's own word; what it leads to must be a namespace.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::sched::CloneFlags;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::base::process::ProcessIdentity;
use crate::base::{ContainerId, Error, Kind, Paths, Result, ResultExt, text};
use crate::runtime::joined::Joined;
use crate::runtime::plan::{Source, Whose};
use crate::spec::namespaces::{NamespaceMode, Namespaces};
use crate::state::Containers;

/// `NSFS_MAGIC` of linux/magic.h.
const NSFS_MAGIC: rustix::fs::FsWord = 0x6e73_6673;

/// The kinds of namespaces by their names in `/proc/PID/ns`.
const KINDS: [(&str, CloneFlags); 7] = [
    ("user", CloneFlags::CLONE_NEWUSER),
    ("mnt", CloneFlags::CLONE_NEWNS),
    ("pid", CloneFlags::CLONE_NEWPID),
    ("net", CloneFlags::CLONE_NEWNET),
    ("ipc", CloneFlags::CLONE_NEWIPC),
    ("uts", CloneFlags::CLONE_NEWUTS),
    ("cgroup", CloneFlags::CLONE_NEWCGROUP),
];

/// The namespaces of a container's first process that are not this process's.
pub(super) fn of_process(pid: i32) -> CloneFlags {
    let link = |pid: &str, kind: &str| std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok();
    let pid = pid.to_string();
    let differ = KINDS.into_iter().filter(|(kind, _)| link("self", kind) != link(&pid, kind));
    differ.fold(CloneFlags::empty(), |all, (_, flag)| all | flag)
}

/// The first process of another container.
struct Target {
    pidfd: OwnedFd,
    process: ProcessIdentity,
    shown: String,
}

impl Target {
    /// The container must run; `what` is what it shares.
    fn of(paths: &Paths, id: &ContainerId, what: &str) -> Result<Self> {
        let containers = Containers::new(paths);
        let name = containers.config(id).map_or_else(|_| id.short().to_owned(), |config| config.name.to_string());
        let not_running = || {
            Error::conflict(format!("cannot join the {what} namespace of container `{name}`: it is not running"))
                .hint(format!("start it first: coracle start {name}"))
        };
        let state = containers.state(id)?.filter(|state| state.status().pid().is_some());
        let process = state.and_then(|state| state.init).ok_or_else(not_running)?;
        let pidfd = Pid::from_raw(process.pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        match pidfd {
            Some(pidfd) if process.is_alive() => Ok(Self { pidfd, process, shown: name }),
            _ => Err(not_running()),
        }
    }

    /// Opens one of its namespaces.
    fn namespace(&self, kind: &str) -> Result<OwnedFd> {
        let path = format!("/proc/{}/ns/{kind}", self.process.pid);
        let opened =
            File::open(&path).context(|| format!("cannot open the {kind} namespace of container `{}`", self.shown))?;
        match self.process.is_alive() {
            true => Ok(opened.into()),
            false => Err(Error::conflict(format!("container `{}` has just ended", self.shown))),
        }
    }
}

/// Opens a namespace by a path of the user's.
fn at_path(path: &Path, kind: &str) -> Result<OwnedFd> {
    let shown = text::clean(&path.to_string_lossy()).into_owned();
    // A pipe at that place must not hold us.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = File::options().read(true).custom_flags(flags).open(path).at(path, "cannot open the namespace")?;
    match rustix::fs::fstatfs(&file).at(path, "cannot examine")?.f_type {
        NSFS_MAGIC => Ok(file.into()),
        _ => Err(Error::usage(format!("`{shown}` is not a namespace"))
            .hint(format!("it must be one of kind {kind}, such as /proc/PID/ns/{kind}"))),
    }
}

/// Whether a namespace is the one that this process is in.
fn is_ours(namespace: &OwnedFd, kind: &str) -> Result<bool> {
    let theirs = rustix::fs::fstat(namespace).context(|| "cannot examine a namespace")?;
    let path = format!("/proc/self/ns/{kind}");
    let ours = std::fs::metadata(&path).context(|| format!("cannot examine `{path}`"))?;
    Ok((theirs.st_dev, theirs.st_ino) == (ours.dev(), ours.ino()))
}

/// Opens a namespace of this kind. None when it is the container's own, or ours already.
fn open(paths: &Paths, mode: &NamespaceMode, kind: &str) -> Result<(Option<OwnedFd>, Source)> {
    let opened = match mode {
        NamespaceMode::Private | NamespaceMode::Shareable | NamespaceMode::None => return Ok((None, Source::Own)),
        NamespaceMode::Host => return Ok((None, Source::Host)),
        NamespaceMode::Container(id) => Target::of(paths, id, kind)?.namespace(kind)?,
        NamespaceMode::Path(path) => at_path(path, kind)?,
    };
    match is_ours(&opened, kind)? {
        // That of a container which has the host's, or the host's by its path.
        true => Ok((None, Source::Host)),
        false => Ok((Some(opened), Source::Joined)),
    }
}

/// Opens everything that a container joins, but for the network.
pub(super) fn join(paths: &Paths, namespaces: &Namespaces) -> Result<(Joined, Whose)> {
    let (user, of_user) = open(paths, &namespaces.joined_user, "user")?;
    let (pid, of_pid) = open(paths, &namespaces.pid, "pid")?;
    let (ipc, of_ipc) = open(paths, &namespaces.ipc, "ipc")?;
    let (uts, of_uts) = open(paths, &namespaces.uts, "uts")?;
    let (cgroup, of_cgroup) = open(paths, &namespaces.cgroup, "cgroup")?;
    let memory = match (&namespaces.ipc, of_ipc) {
        (NamespaceMode::Container(id), Source::Joined) => Some(Target::of(paths, id, "ipc")?.pidfd),
        _ => None,
    };
    if of_user == Source::Host {
        // Its root would be our own, with power over every container of the user.
        return Err(Error::usage("the user namespace to join is that of coracle itself, not one of a container"));
    }
    let whose = Whose { user: of_user, pid: of_pid, ipc: of_ipc, uts: of_uts, cgroup: of_cgroup };
    Ok((Joined { user, pid, ipc, uts, cgroup, memory }, whose))
}

/// Opens the network namespace of another container.
pub(super) fn network_of(paths: &Paths, id: &ContainerId) -> Result<OwnedFd> {
    Target::of(paths, id, "network")?.namespace("net")
}

/// Opens a network namespace by a path of the user's.
pub(super) fn network_at(path: &Path) -> Result<OwnedFd> {
    at_path(path, "net").map_err(|error| match error.kind() {
        Kind::Usage => error,
        _ => error.hint("`--network ns:` takes the path of a network namespace"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_must_be_a_namespace() {
        let own = at_path(Path::new("/proc/self/ns/uts"), "uts").unwrap();
        assert!(is_ours(&own, "uts").unwrap() && !is_ours(&own, "ipc").unwrap());
        let error = at_path(Path::new("/dev/null"), "uts").unwrap_err();
        assert!(error.message().contains("is not a namespace"), "{error}");
        assert!(at_path(Path::new("/nonexistent"), "uts").is_err());
        assert!(of_process(std::process::id() as i32).is_empty());
    }

    #[test]
    fn a_pipe_does_not_hold_us() {
        let path = std::env::temp_dir().join(format!("coracle-fifo-{}", std::process::id()));
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let opened = at_path(&path, "uts");
        std::fs::remove_file(&path).unwrap();
        assert!(opened.unwrap_err().message().contains("is not a namespace"));
    }
}
