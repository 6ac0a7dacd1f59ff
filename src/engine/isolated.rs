//! Work that needs the user's outer namespace, or threads, done in a child, so that the command itself stays outside and
//! single-threaded.

use std::fs::File;
use std::io::{Read, Write};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::rmi::layers_in_use;
use crate::base::error::WireError;
use crate::base::id::random_bytes;
use crate::base::{Error, Paths, Result, ResultExt, fault_log, limits, publish};
use crate::rootless::outer;
use crate::state::Containers;
use crate::store::Store;
use crate::sys::process::{Forked, exit_now, fork};

/// Runs `work` in a child inside the outer namespace and returns its result. The child shares the standard streams, so
/// progress can be shown. Dies with this process's terminal like any foreground job.
pub(super) fn inside<T: Serialize + DeserializeOwned>(paths: &Paths, work: impl FnOnce() -> Result<T>) -> Result<T> {
    paths.ensure()?;
    let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).context(|| "cannot make a pipe")?;
    let (mut read, mut write) = (File::from(read), File::from(write));
    let child = match fork().context(|| "cannot fork")? {
        Forked::Child => {
            drop(read);
            // The registry's connections and the layers' trees need more files than some shells allow.
            limits::raise();
            // What work uses panics without random numbers, and says less clearly why.
            let work = || random_bytes(&mut [0; 1]).and_then(|()| outer::enter(paths)).and_then(|()| work());
            let result = fault_log::caught(work).and_then(|result| result);
            outer::forget_keeper(paths);
            let wire: Result<T, WireError> = result.map_err(|error| WireError::from(&error));
            let sent = serde_json::to_vec(&wire).ok().map(|bytes| write.write_all(&bytes));
            exit_now(i32::from(!matches!(sent, Some(Ok(())))));
        }
        Forked::Parent(child) => child,
    };
    drop(write);
    let mut bytes = Vec::new();
    read.read_to_end(&mut bytes).context(|| "cannot read a child's result")?;
    let _ = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(child), None);
    let result: Result<T, WireError> = serde_json::from_slice(&bytes)
        .map_err(|error| Error::system("a child process ended without a result").caused_by(error))?;
    result.map_err(Error::from)
}

/// Reclaims the space of what was removed, in a process of its own that nobody waits for; also that of layers which failed
/// pulls left at least `age` ago.
pub(super) fn reclaim(paths: &Paths, age: Duration) -> Result<()> {
    match fork().context(|| "cannot fork")? {
        Forked::Parent(_) => Ok(()),
        Forked::Child => {
            // Not a job of this terminal, and no holder of the caller's pipes.
            let _ = rustix::process::setsid();
            let _ = rustix::process::chdir("/");
            if let Ok(null) = File::options().read(true).write(true).open("/dev/null") {
                let _ = crate::runtime::process::take_streams(&null, &null, &null);
            }
            let done = outer::enter(paths).and_then(|()| publish::empty_trash(&paths.trash())).and_then(|()| {
                let store = Store::open(&paths.store())?;
                store.resume_removals(|| layers_in_use(&Containers::new(paths)))?;
                store.reclaim_layers(age, || layers_in_use(&Containers::new(paths)))?;
                store.sweep()
            });
            outer::forget_dead_keepers(paths);
            outer::forget_keeper(paths);
            exit_now(i32::from(done.is_err()));
        }
    }
}
