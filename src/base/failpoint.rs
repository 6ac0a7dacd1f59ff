//! Failpoints: named steps at which a test can have a process killed, stopped or delayed, or the step fail. With them the
//! crash test goes through every step of a command instead of guessing at moments.
//!
//! They are in builds with `debug_assertions` only; elsewhere [`here`] and [`pass`] are empty and their names are not in
//! the executable.
//!
//! # How one is armed
//!
//! The file [`FILE`] in the runtime directory has one line: `NAME ACTION SKIP`, the last as eight decimal digits. It is a
//! file and no variable because supervisors, netd and fused start with an empty environment, and because a file can be
//! taken away: the first process that passes the step for the (SKIP + 1)th time removes it and acts, so exactly one process
//! fails, once, and the test sees by the file whether it did. Each process learns its runtime directory by [`watch`] when it
//! begins; a forked child has it from its parent.
//!
//! | action | what happens |
//! |---|---|
//! | `kill` | the process is killed with SIGKILL |
//! | `stop` | the process is stopped with SIGSTOP |
//! | `error` | the step fails with EIO |
//! | `delay` | the step takes [`DELAY`] longer |
//! | `trace` | with the name `*`: the names of all steps that are passed are appended to [`PASSED`] |

use std::path::Path;
use std::time::Duration;

use super::Result;

/// The file in the runtime directory that arms one.
pub const FILE: &str = "failpoint";

/// The file beside it that `trace` writes.
pub const PASSED: &str = "failpoint.passed";

/// How long `delay` takes.
pub const DELAY: Duration = Duration::from_millis(200);

/// The effect of an injected error on the command that passes the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The command that passed the step fails, and says why.
    Fails,
    /// The work goes on without what failed: another process repeats it, or it can be done later.
    Tolerated,
    /// Nothing can fail there ([`pass`]).
    None,
}

use Effect::{Fails, None as Never};

/// All failpoints, by name; what an error means at each.
pub const POINTS: &[(&str, Effect)] = &[
    ("build.copy.made", Fails),
    ("build.copy.published", Fails),
    ("build.step.created", Fails),
    ("build.upper.made", Fails),
    ("build.upper.published", Fails),
    ("compose.down.removed", Fails),
    ("compose.down.stopped", Fails),
    ("compose.replace.created", Fails),
    ("compose.replace.removed", Fails),
    ("container.create.named", Never),
    ("container.create.published", Fails),
    ("container.create.staged", Fails),
    ("container.remove.locked", Fails),
    ("container.remove.unnamed", Fails),
    ("container.rename", Fails),
    ("container.renamed", Fails),
    ("create.image.found", Fails),
    ("fused.exec", Fails),
    ("fused.mounted", Fails),
    ("load.unpacked", Fails),
    ("lock.held", Fails),
    ("mount.made", Fails),
    ("mount.undone", Fails),
    ("netd.begin", Never),
    ("netd.join", Never),
    ("netd.listening", Fails),
    ("netd.locked", Fails),
    ("netd.plug", Never),
    ("netd.spawned", Fails),
    ("network.connected", Fails),
    ("network.define", Fails),
    ("network.disconnected", Fails),
    ("network.remove", Fails),
    ("outer.created", Fails),
    ("outer.joined", Fails),
    ("overlay.mounted", Fails),
    ("publish.directory", Fails),
    ("publish.discard", Fails),
    ("publish.file.rename", Fails),
    ("publish.file.renamed", Fails),
    ("pull.layer.unpacked", Fails),
    ("pull.planned", Fails),
    ("push.blob", Fails),
    ("push.list", Fails),
    ("push.manifest", Fails),
    ("runtime.child.begin", Fails),
    ("runtime.cloned", Fails),
    ("runtime.mapped", Fails),
    ("runtime.plugged", Fails),
    ("save.written", Fails),
    ("secret.create.published", Fails),
    ("secret.create.staged", Fails),
    ("secret.remove.discarded", Fails),
    ("start.launch", Fails),
    ("start.spawn", Fails),
    ("stop.sent", Fails),
    ("store.image.recorded", Never),
    ("store.layer.published", Fails),
    ("store.layers.synced", Fails),
    ("store.removal.begun", Fails),
    ("store.removal.layers_gone", Fails),
    ("store.tag", Fails),
    ("store.untagged", Fails),
    ("supervisor.ended", Never),
    ("supervisor.exec", Fails),
    ("supervisor.finished", Never),
    ("supervisor.joined", Fails),
    ("supervisor.launched", Fails),
    ("supervisor.limited", Fails),
    ("supervisor.listening", Fails),
    ("supervisor.locked", Fails),
    ("supervisor.mounted", Fails),
    ("supervisor.placed", Fails),
    ("supervisor.recorded", Never),
    ("supervisor.reserved", Fails),
    ("supervisor.secret.mounted", Fails),
    ("supervisor.stop_heard", Never),
    ("supervisor.union.mounted", Fails),
    ("volume.create.published", Never),
    ("volume.create.staged", Fails),
    ("volume.remove.locked", Fails),
    ("worker.begin", Fails),
    ("worker.done", Never),
    ("worker.spawned", Fails),
];

/// From now on the failpoint that is armed in this runtime directory is looked at.
pub fn watch(runtime: &Path) {
    #[cfg(debug_assertions)]
    armed::watch(runtime);
    #[cfg(not(debug_assertions))]
    let _ = runtime;
}

/// A step that can fail.
#[inline(always)]
pub fn here(name: &'static str) -> Result<()> {
    #[cfg(debug_assertions)]
    if armed::reach(name) {
        let cause = std::io::Error::from_raw_os_error(libc::EIO);
        return Err(super::Error::system(format!("injected failure at `{name}`")).caused_by(cause));
    }
    #[cfg(not(debug_assertions))]
    let _ = name;
    Ok(())
}

/// [`here`] among system calls.
#[inline(always)]
pub fn here_io(name: &'static str) -> std::io::Result<()> {
    #[cfg(debug_assertions)]
    if armed::reach(name) {
        return Err(std::io::Error::from_raw_os_error(libc::EIO));
    }
    #[cfg(not(debug_assertions))]
    let _ = name;
    Ok(())
}

/// A step that cannot fail, only be the last one of a process.
#[inline(always)]
pub fn pass(name: &'static str) {
    #[cfg(debug_assertions)]
    let _ = armed::reach(name);
    #[cfg(not(debug_assertions))]
    let _ = name;
}

#[cfg(debug_assertions)]
mod armed {
    use std::fs::{self, File};
    use std::io::{Read, Seek, Write};
    use std::os::unix::fs::MetadataExt;
    use std::path::{Path, PathBuf};
    use std::sync::{Mutex, PoisonError};

    use nix::sys::signal::{Signal, raise};

    use super::{DELAY, FILE, PASSED};
    use crate::sys::process::exit_now;

    static DIRECTORY: Mutex<Option<PathBuf>> = Mutex::new(None);

    pub(super) fn watch(runtime: &Path) {
        *DIRECTORY.lock().unwrap_or_else(PoisonError::into_inner) = Some(runtime.to_owned());
    }

    /// What the file says.
    #[derive(Debug, PartialEq, Eq)]
    pub(super) struct Order {
        pub(super) name: String,
        pub(super) action: String,
        pub(super) skip: u32,
    }

    impl Order {
        pub(super) fn parse(line: &str) -> Option<Self> {
            let mut words = line.split_ascii_whitespace();
            let (name, action) = (words.next()?.to_owned(), words.next()?.to_owned());
            let skip = words.next().map_or(Some(0), |word| word.parse().ok())?;
            Some(Self { name, action, skip })
        }

        pub(super) fn line(&self) -> String {
            format!("{} {} {:08}\n", self.name, self.action, self.skip)
        }
    }

    /// Does what is ordered for this step. Whether it is to fail.
    pub(super) fn reach(name: &str) -> bool {
        let Some(directory) = DIRECTORY.lock().unwrap_or_else(PoisonError::into_inner).clone() else { return false };
        match due(&directory, name).as_deref() {
            Some("kill") => {
                let _ = raise(Signal::SIGKILL);
                // The first process of a pid namespace does not take it from itself.
                exit_now(128 + libc::SIGKILL)
            }
            Some("stop") => {
                let _ = raise(Signal::SIGSTOP);
                false
            }
            Some("delay") => {
                std::thread::sleep(DELAY);
                false
            }
            Some("error") => true,
            _ => false,
        }
    }

    /// The action, if it is the turn of this step. The lock makes it the turn of one process only.
    pub(super) fn due(directory: &Path, name: &str) -> Option<String> {
        let path = directory.join(FILE);
        let mut file = File::options().read(true).write(true).open(&path).ok()?;
        file.lock().ok()?;
        if file.metadata().ok()?.nlink() == 0 {
            return None;
        }
        let mut line = String::new();
        file.read_to_string(&mut line).ok()?;
        let mut order = Order::parse(&line)?;
        if order.action == "trace" {
            let mut passed = File::options().append(true).create(true).open(directory.join(PASSED)).ok()?;
            let _ = passed.write_all(format!("{name}\n").as_bytes());
            return None;
        }
        if order.name != name {
            return None;
        }
        if order.skip > 0 {
            order.skip -= 1;
            file.rewind().ok()?;
            // Not longer than before.
            let _ = file.write_all(order.line().as_bytes());
            return None;
        }
        fs::remove_file(&path).ok().map(|()| order.action)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;
    use crate::base::publish::Staging;

    #[test]
    #[cfg(debug_assertions)]
    fn the_last_that_was_to_be_passed_acts_once() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let order = armed::Order { name: "one".into(), action: "error".into(), skip: 1 };
        assert_eq!(armed::Order::parse(&order.line()), Some(order));
        assert_eq!(armed::due(scratch.path(), "one"), None, "nothing is armed");
        fs::write(scratch.path().join(FILE), "one error 00000001\n").unwrap();
        for (name, action) in [("two", None), ("one", None), ("two", None), ("one", Some("error")), ("one", None)] {
            assert_eq!(armed::due(scratch.path(), name).as_deref(), action, "{name}");
        }
        fs::write(scratch.path().join(FILE), "* trace 00000000\n").unwrap();
        assert_eq!((armed::due(scratch.path(), "a"), armed::due(scratch.path(), "b")), (None, None));
        assert_eq!(fs::read_to_string(scratch.path().join(PASSED)).unwrap(), "a\nb\n");
    }

    /// The names in the source, by the function that is called with them.
    fn called(directory: &Path, function: &str, found: &mut Vec<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                called(&path, function, found);
            } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("base/failpoint.rs") {
                let text = fs::read_to_string(&path).unwrap();
                let call = format!("failpoint::{function}(\"");
                let calls = text.split(&call).skip(1);
                found.extend(calls.map(|call| call.split('"').next().unwrap().to_owned()));
            }
        }
    }

    #[test]
    fn the_list_has_what_the_source_has() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let (mut failing, mut passing) = (Vec::new(), Vec::new());
        called(&source, "here", &mut failing);
        called(&source, "here_io", &mut failing);
        called(&source, "pass", &mut passing);
        let all: Vec<&String> = failing.iter().chain(&passing).collect();
        let names: BTreeSet<&String> = all.iter().copied().collect();
        assert_eq!(all.len(), names.len(), "each name stands once: {all:?}");
        let listed = |fails: bool| {
            let points = POINTS.iter().filter(move |(_, effect)| (*effect != Never) == fails);
            points.map(|(name, _)| (*name).to_owned()).collect::<BTreeSet<_>>()
        };
        assert_eq!(listed(true), failing.into_iter().collect());
        assert_eq!(listed(false), passing.into_iter().collect());
        assert!(POINTS.is_sorted_by_key(|(name, _)| *name));
    }
}
