//! Which processes of this machine are a container's, also when it shares its pid namespace with others.
//!
//! A container's mount namespace is always its own, so every process in it belongs to the container. Some leave it (unshare(2),
//! with the capabilities for that): they count as long as a process of the container is among their parents, and in a pid
//! namespace of the container's own every orphan has its first process as the parent. In a shared pid namespace a process
//! with CAP_SYS_ADMIN can therefore hide: it leaves the mount namespace, and its parents end. Only a control group holds
//! that one.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// The namespaces by which the processes of a container are known. They stay its own as long as one of its processes lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    pid: PathBuf,
    mount: PathBuf,
}

/// What a look at all processes of the machine has found.
#[derive(Debug, Default)]
pub struct Found {
    /// The container's, in no order.
    pub members: Vec<i32>,
    /// Nobody else's process is in their pid namespace.
    pub alone: bool,
}

/// The link that names a namespace of a process. None of a process that has ended, or that we may not look into.
fn namespace(pid: i32, kind: &str) -> io::Result<PathBuf> {
    fs::read_link(format!("/proc/{pid}/ns/{kind}"))
}

impl Members {
    /// Those of the container whose first process this is.
    pub fn of(init: i32) -> io::Result<Self> {
        Ok(Self { pid: namespace(init, "pid")?, mount: namespace(init, "mnt")? })
    }

    /// Whether they are in the pid namespace of the calling process.
    pub fn are_among_ours(&self) -> bool {
        namespace(std::process::id() as i32, "pid").is_ok_and(|ours| ours == self.pid)
    }

    /// Looks for them.
    pub fn find(&self) -> io::Result<Found> {
        let mut members = HashSet::new();
        let mut others = Vec::new();
        for entry in fs::read_dir("/proc")?.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
            if !namespace(pid, "pid").is_ok_and(|namespace| namespace == self.pid) {
                continue;
            }
            match namespace(pid, "mnt") {
                Ok(mount) if mount == self.mount => drop(members.insert(pid)),
                Ok(_) => others.extend(parent(pid).map(|parent| (pid, parent))),
                Err(_) => {}
            }
        }
        loop {
            let before = others.len();
            others.retain(|(pid, parent)| {
                let belongs = members.contains(parent);
                if belongs {
                    members.insert(*pid);
                }
                !belongs
            });
            if others.len() == before {
                break;
            }
        }
        Ok(Found { members: members.into_iter().collect(), alone: others.is_empty() && !self.are_among_ours() })
    }

    /// Sends a signal to each of them that is found. What comes to be meanwhile is not among them.
    pub fn signal(&self, signal: Signal) -> io::Result<Vec<i32>> {
        let members = self.find()?.members;
        for pid in &members {
            let Some(pidfd) = Pid::from_raw(*pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) else {
                continue;
            };
            // The number may be that of another process by now, in a shared namespace one of somebody else: the descriptor
            // stands for the one that has it, which must belong here.
            let is_inside = namespace(*pid, "mnt").is_ok_and(|mount| mount == self.mount);
            let is_child = || parent(*pid).is_some_and(|parent| members.contains(&parent));
            if namespace(*pid, "pid").is_ok_and(|namespace| namespace == self.pid) && (is_inside || is_child()) {
                let _ = pidfd_send_signal(&pidfd, signal);
            }
        }
        Ok(members)
    }

    /// Kills all of them, also those that come to be meanwhile. False when some are left after `patience`.
    pub fn kill(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        loop {
            match self.signal(Signal::KILL) {
                Ok(found) if found.is_empty() => return true,
                _ if Instant::now() > until => return false,
                _ => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }
}

/// The parent of a process (proc_pid_stat(5)).
fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything; fields count from the last parenthesis.
    stat[stat.rfind(')')? + 1..].split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processes_of_this_mount_namespace_are_found() {
        let me = std::process::id() as i32;
        let members = Members::of(me).unwrap();
        assert!(members.are_among_ours());
        let found = members.find().unwrap();
        assert!(found.members.contains(&me) && !found.alone);
        assert!(Members::of(i32::MAX).is_err());
        let nobody = Members { mount: "mnt:[0]".into(), ..members };
        assert!(nobody.find().unwrap().members.is_empty());
        assert!(nobody.kill(Duration::ZERO));
    }

    #[test]
    fn parents_are_read() {
        assert_eq!(parent(std::process::id() as i32), Some(nix::unistd::getppid().as_raw()));
        assert_eq!(parent(i32::MAX), None);
    }
}
