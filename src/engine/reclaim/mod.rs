//! Frees the space of what was removed, in the background: nobody waits for it.

pub(super) mod check;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Engine;
use super::rmi::layers_in_use;
use super::worker::{self, Given, Job, Place};
use crate::base::{Paths, Result, ResultExt, publish, streams};
use crate::rootless::outer;
use crate::state::Containers;
use crate::store::Store;
use crate::sys::process::{Forked, exit_now, fork};

/// Starts it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Reclaim {
    /// Layers that failed pulls left so long ago go as well.
    age: Duration,
}

/// Reclaims the space of what was removed, in a process of its own that nobody waits for; also that of layers which failed
/// pulls left at least `age` ago.
pub(super) fn reclaim(engine: &Engine, age: Duration) -> Result<()> {
    worker::call_silently(engine, Reclaim { age })
}

impl Job for Reclaim {
    const NAME: &'static str = "reclaim";
    const PLACE: Place = Place::Here;
    type Report = ();

    /// Returns as soon as the process is there.
    fn run(self, engine: &Engine, _given: Given<'_>) -> Result<()> {
        let paths = &engine.paths;
        match fork().context(|| "cannot fork")? {
            Forked::Parent(_) => Ok(()),
            Forked::Child => {
                // Not a job of this terminal, and no holder of the caller's pipes.
                let _ = rustix::process::setsid();
                let _ = rustix::process::chdir("/");
                let _ = streams::leave();
                let done = outer::enter(paths).and_then(|()| in_outer(paths, self.age));
                outer::forget_dead_keepers(paths);
                outer::forget_keeper(paths);
                exit_now(i32::from(done.is_err()));
            }
        }
    }
}

fn in_outer(paths: &Paths, age: Duration) -> Result<()> {
    publish::empty_trash(&paths.trash())?;
    let store = Store::open(&paths.store())?;
    store.resume_removals(|| layers_in_use(&Containers::new(paths)))?;
    store.sweep_names()?;
    store.reclaim_layers(age, || layers_in_use(&Containers::new(paths)))?;
    super::depot::Depot::of(paths).collect(&store)?;
    store.sweep()
}
