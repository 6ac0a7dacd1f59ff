//! Trying things in a child process, so that this one stays what it is.

use std::fs;
use std::io::{self, Read, Write};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::base::process;
use crate::sys::process::{Forked, exit_now, fork};

/// One thing to try, and how to say it: ``cannot {name}``.
pub type Step<'a> = (&'static str, &'a dyn Fn() -> Result<(), Errno>);

/// The step that did not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Its name.
    pub step: &'static str,
    /// What the kernel said; `None` when it ended the child instead.
    pub errno: Option<Errno>,
}

impl Refusal {
    /// ``cannot make a user namespace (operation not permitted)``
    pub fn sentence(&self) -> String {
        match self.errno {
            Some(errno) => format!("cannot {} ({})", self.step, errno.desc().to_lowercase()),
            None => format!("the kernel ended a process that tried to {}", self.step),
        }
    }
}

/// Tries the steps in order in one child. `Ok(None)` means that all worked.
pub fn in_child(steps: &[Step<'_>]) -> io::Result<Option<Refusal>> {
    let (mut report, mut answer) = io::pipe()?;
    match fork()? {
        Forked::Child => {
            for (number, (_, step)) in steps.iter().enumerate() {
                // The number first, so that a killed child has said where.
                let _ = answer.write_all(&(number as u32).to_ne_bytes());
                if let Err(errno) = step() {
                    let _ = answer.write_all(&(errno as i32).to_ne_bytes());
                    exit_now(1);
                }
                let _ = answer.write_all(&0i32.to_ne_bytes());
            }
            exit_now(0);
        }
        Forked::Parent(child) => {
            drop(answer);
            let mut said = Vec::new();
            let read = report.read_to_end(&mut said);
            process::wait(child)?;
            read?;
            Ok(refusal(steps, &said))
        }
    }
}

/// What the child's report means: for each step its number, and then its errno or 0.
fn refusal(steps: &[Step<'_>], said: &[u8]) -> Option<Refusal> {
    let words: Vec<i32> =
        said.chunks_exact(4).map(|word| i32::from_ne_bytes([word[0], word[1], word[2], word[3]])).collect();
    for (number, (step, _)) in steps.iter().enumerate() {
        match words.get(2 * number + 1) {
            Some(0) => {}
            Some(&errno) => return Some(Refusal { step, errno: Some(Errno::from_raw(errno)) }),
            None => return Some(Refusal { step, errno: None }),
        }
    }
    None
}

/// Into a new user and mount namespace.
pub fn unshare_user() -> Result<(), Errno> {
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)
}

/// Maps only root, to the given ids of the parent namespace: what every user may do without helpers.
pub fn map_root(uid: u32, gid: u32) -> Result<(), Errno> {
    write("/proc/self/setgroups", "deny")?;
    write("/proc/self/uid_map", &format!("0 {uid} 1\n"))?;
    write("/proc/self/gid_map", &format!("0 {gid} 1\n"))
}

/// Keeps the mounts of this mount namespace from the one it was copied from.
pub fn private_mounts() -> Result<(), Errno> {
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
}

fn write(path: &str, text: &str) -> Result<(), Errno> {
    fs::write(path, text).map_err(errno_of)
}

/// The errno of a failed call.
pub fn errno_of(error: io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_that_fails_is_named() {
        let fine: &dyn Fn() -> Result<(), Errno> = &|| Ok(());
        let refuse: &dyn Fn() -> Result<(), Errno> = &|| Err(Errno::EPERM);
        let die: &dyn Fn() -> Result<(), Errno> = &|| exit_now(0);
        assert_eq!(in_child(&[("a", fine), ("b", fine)]).unwrap(), None);
        let refused = in_child(&[("a", fine), ("b", refuse), ("c", fine)]).unwrap().unwrap();
        assert_eq!(refused, Refusal { step: "b", errno: Some(Errno::EPERM) });
        assert_eq!(refused.sentence(), "cannot b (operation not permitted)");
        let killed = in_child(&[("a", die)]).unwrap().unwrap();
        assert_eq!(killed.sentence(), "the kernel ended a process that tried to a");
    }
}
