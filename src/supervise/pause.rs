//! `pause` and `unpause`: the container's processes are frozen and go on, by the freezer of its control group or, where it has
//! none of its own, by signals.

use std::os::fd::AsFd;

use super::freeze;
use super::life::{Run, Supervisor};
use super::timers::Timer;
use crate::base::publish::Durability;
use crate::base::{Error, Result};
use crate::spec::events::Action;
use crate::state::Containers;

impl Supervisor {
    /// Freezes the container or lets it go on, and records it.
    pub(super) fn set_paused(&mut self, paused: bool) -> Result<()> {
        let name = &self.config.name;
        let Some(run) = &self.run else {
            return Err(Error::conflict(format!(
                "container {name} is restarting, wait until the container is running"
            )));
        };
        match (self.state.paused, paused) {
            (true, true) => return Err(Error::conflict(format!("container {name} is already paused"))),
            (false, false) => return Err(Error::conflict(format!("container {name} is not paused"))),
            (false, true) if !self.limits.freeze(true)? => freeze::freeze(run.init.pidfd.as_fd(), run.init.pid)?,
            (true, false) => self.thaw(run)?,
            // The freezer of its control group has done it.
            (false, true) => {}
        }
        self.state.paused = paused;
        let recorded = Containers::new(&self.paths).set_state(&self.guard, &self.state, Durability::Volatile);
        if recorded.is_err() {
            // What is not known to be frozen must not be.
            let _ = self.thaw(run);
            self.state.paused = !paused;
        }
        recorded?;
        if let Some(monitor) = self.run.as_ref().and_then(|run| run.monitor.as_ref()).filter(|_| !paused) {
            self.timers.set(Timer::Check, monitor.next_at());
        }
        self.tell(if paused { Action::Pause } else { Action::Unpause });
        Ok(())
    }

    /// Lets the processes go on, in the way in which they were stopped: a container has a control group for its whole run or
    /// not at all.
    fn thaw(&self, run: &Run) -> Result<()> {
        match self.limits.freeze(false)? {
            true => Ok(()),
            false => freeze::thaw(run.init.pidfd.as_fd(), run.init.pid),
        }
    }

    /// What a paused container was sent to end it does so, as with docker: a frozen process would keep it for ever.
    pub(super) fn thaw_to_end(&mut self) {
        if let Some(run) = self.run.as_ref().filter(|_| self.state.paused) {
            let _ = self.thaw(run);
            self.state.paused = false;
            let _ = Containers::new(&self.paths).set_state(&self.guard, &self.state, Durability::Volatile);
        }
    }

    /// The error of what a frozen container cannot do.
    pub(super) fn refuse_paused(&self) -> Result<()> {
        match self.state.paused {
            false => Ok(()),
            true => {
                let name = &self.config.name;
                Err(Error::conflict(format!("container {name} is paused, unpause the container before exec"))
                    .hint(format!("let it go on with `coracle unpause {name}`")))
            }
        }
    }
}
