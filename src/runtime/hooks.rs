//! Hooks: programs of the host that prepare a container or clean up behind it (OCI runtime specification). They are the
//! user's own, named by the files of a vendor or by a bundle; nothing in an image can name one.
//!
//! # Theory of operation
//!
//! Hooks see the container as files below a directory of the host (the `rootfs` of its bundle), and learn which one from the
//! state that they read on standard input. So for a container with hooks the union is attached there, and pid 1 leaves the
//! host's root only when the hooks are done. Until then it reaches the container's files by descriptor, as always.
//!
//! `prestart` and `createRuntime` run in the parent, once the mounts are there; `createContainer` in pid 1 before it
//! changes its root, `startContainer` after that. What they print goes into a sealed file in memory of [`OUTPUT`] bytes,
//! whose end is part of the error.

use std::ffi::CString;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::base::{Error, Result, ResultExt, poll, text};
use crate::spec::hooks::{Hook, HookPoint};

/// The most bytes that hooks can print.
const OUTPUT: u64 = 64 << 10;

/// How many of them an error shows.
const SHOWN: usize = 2048;

/// What is run around a container, and what it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hooks {
    /// In their order.
    pub hooks: Vec<Hook>,
    /// Where the container's root file system is seen, absolute; the directory is empty.
    pub rootfs: String,
    /// Tells them which container it is.
    pub state: State,
}

/// The state of a container as the specification has it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The version of the specification.
    pub oci_version: &'static str,
    /// The container.
    pub id: String,
    /// `creating`, `created`, `running` or `stopped`.
    pub status: &'static str,
    /// Pid 1 in the numbers of the runtime.
    #[serde(skip_serializing_if = "is_zero")]
    pub pid: i32,
    /// The directory with `config.json`.
    pub bundle: String,
    /// Whatever its maker has noted.
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub annotations: std::collections::BTreeMap<String, String>,
}

fn is_zero(pid: &i32) -> bool {
    *pid == 0
}

impl Hooks {
    /// Those of one point, with their places.
    pub fn at(&self, point: HookPoint) -> impl Iterator<Item = (usize, &Hook)> {
        self.hooks.iter().enumerate().filter(move |(_, hook)| hook.at == point)
    }

    /// The state that a hook reads.
    pub fn state(&self, status: &'static str, pid: i32) -> Vec<u8> {
        serde_json::to_vec(&State { status, pid, ..self.state.clone() }).unwrap_or_default()
    }

    /// Runs those of one point in this process's namespaces.
    pub fn run(&self, point: HookPoint, status: &'static str, pid: i32) -> Result<()> {
        if self.at(point).next().is_none() {
            return Ok(());
        }
        let output = output().context(|| "cannot make a file for what hooks print")?;
        let state = self.state(status, pid);
        for (_, hook) in self.at(point) {
            run(hook, &state, output.as_fd()).map_err(|error| explain(hook, error, output.as_fd()))?;
        }
        Ok(())
    }
}

/// A file in memory for what hooks print: it does not grow beyond [`OUTPUT`] bytes.
pub(super) fn output() -> io::Result<OwnedFd> {
    let file = memfd_create(c"hooks", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    ftruncate(&file, OUTPUT)?;
    fcntl_add_seals(&file, SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(file)
}

/// Runs one hook to its end. It reads `state`; what it prints goes to `output`. A hook that does not succeed is
/// `ECANCELED`, one that takes too long `ETIMEDOUT`.
pub(super) fn run(hook: &Hook, state: &[u8], output: BorrowedFd<'_>) -> io::Result<()> {
    let mut command = Command::new(&hook.path);
    if let Some((name, arguments)) = hook.args.split_first() {
        command.arg0(name).args(arguments);
    }
    let pairs = hook.env.iter().filter_map(|pair| pair.split_once('='));
    command.env_clear().envs(pairs).stdin(Stdio::piped());
    command.stdout(output.try_clone_to_owned()?).stderr(output.try_clone_to_owned()?);
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read it has its reasons.
        let _ = stdin.write_all(state);
    }
    let status = match hook.timeout {
        None => child.wait()?,
        Some(seconds) => wait(&mut child, Duration::from_secs(seconds.into()))?,
    };
    match status.success() {
        true => Ok(()),
        false => {
            let _ = rustix::io::write(output, format!("\n{status}").as_bytes());
            Err(Errno::ECANCELED.into())
        }
    }
}

/// Waits for a child, which is ended after `limit`.
fn wait(child: &mut Child, limit: Duration) -> io::Result<std::process::ExitStatus> {
    let pid = Pid::from_raw(child.id().cast_signed()).ok_or(Errno::ESRCH)?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    if !poll::readable(&pidfd, Some(limit))? {
        child.kill()?;
        child.wait()?;
        return Err(Errno::ETIMEDOUT.into());
    }
    child.wait()
}

/// The error of a hook, with the end of what hooks have printed.
pub(super) fn explain(hook: &Hook, error: io::Error, output: BorrowedFd<'_>) -> Error {
    let path = hook.path.display().to_string();
    let failed = Error::system(format!("the {} hook `{}` failed", hook.at.name(), text::clean(&path)));
    let failed = match error.raw_os_error() {
        Some(libc::ECANCELED) => failed,
        Some(libc::ETIMEDOUT) => failed.hint(format!("it took longer than {} s", hook.timeout.unwrap_or_default())),
        _ => failed.caused_by(error),
    };
    let mut bytes = vec![0; OUTPUT as usize];
    let length = rustix::io::pread(output, &mut bytes[..], 0).unwrap_or(0);
    let printed = bytes[..length].iter().position(|byte| *byte == 0).unwrap_or(length);
    let said = String::from_utf8_lossy(&bytes[printed.saturating_sub(SHOWN)..printed]).into_owned();
    match said.trim() {
        "" => failed,
        said => failed.hint(format!("it said: {}", text::clean(said))),
    }
}

/// For the child: hooks with what it needs to run them.
#[derive(Debug)]
pub struct PreparedHooks {
    /// In their order.
    pub(super) hooks: Vec<Hook>,
    /// Where the container's root file system is attached, without the leading `/`.
    pub(super) rootfs: CString,
    /// What they print.
    pub(super) output: OwnedFd,
}

impl PreparedHooks {
    /// Runs those of one point. The error has the place of the one that failed.
    pub(super) fn run(&self, point: HookPoint, state: &[u8]) -> std::result::Result<(), (u16, io::Error)> {
        for (index, hook) in self.hooks.iter().enumerate().filter(|(_, hook)| hook.at == point) {
            run(hook, state, self.output.as_fd()).map_err(|error| (index as u16, error))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(words: &[&str], timeout: Option<u32>) -> Hook {
        let args = words.iter().map(|word| (*word).to_owned()).collect();
        Hook { at: HookPoint::Poststop, path: "/bin/sh".into(), args, env: vec!["A=b".into()], timeout }
    }

    #[test]
    fn hooks_read_the_state_and_say_why_they_fail() {
        let state = State {
            oci_version: "1.2.0",
            id: "c".into(),
            status: "stopped",
            pid: 0,
            bundle: "/b".into(),
            annotations: Default::default(),
        };
        let all = |hook: Hook| Hooks { hooks: vec![hook], rootfs: "/r".into(), state: state.clone() };
        let run = |hook: Hook| all(hook).run(HookPoint::Poststop, "stopped", 7);
        let reads =
            r#"read line; [ "$line" = '{"ociVersion":"1.2.0","id":"c","status":"stopped","pid":7,"bundle":"/b"}' ]"#;
        run(hook(&["sh", "-c", &format!("{reads} && [ $A = b ] && [ -z \"$HOME\" ]")], Some(20))).unwrap();
        let error = run(hook(&["sh", "-c", "echo no\u{1b}pe >&2; exit 3"], None)).unwrap_err();
        assert_eq!(error.message(), "the poststop hook `/bin/sh` failed");
        let said = error.hints().join(" ");
        assert!(said.contains("pe") && said.contains("exit status: 3") && !said.contains('\u{1b}'), "{said}");
        let slow = run(hook(&["sh", "-c", "sleep 1000"], Some(1))).unwrap_err();
        assert!(slow.hints().join(" ").contains("longer than 1 s"));
        // What is too much is not kept, and ends nobody but the writer.
        let output = output().unwrap();
        let much = hook(&["sh", "-c", "head -c 200000 /dev/zero | tr '\\0' x; true"], None);
        super::run(&much, b"", output.as_fd()).unwrap();
        assert_eq!(rustix::fs::fstat(&output).unwrap().st_size as u64, OUTPUT);
        let missing = run(Hook { path: "/absent".into(), ..hook(&[], None) }).unwrap_err();
        assert!(
            missing.chain().contains("os error 2") || missing.chain().contains("o such file"),
            "{}",
            missing.chain()
        );
    }
}
