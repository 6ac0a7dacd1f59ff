//! Options about how a container starts, stops and goes away.

use crate::base::{Error, Result};
use crate::spec::lifecycle::{Chosen, LifecycleRequest, stop_signal, stop_timeout};
use crate::spec::restart::RestartPolicy;

/// Options about the life of a container.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Life")]
pub struct LifecycleOptions {
    /// Run an init as pid 1 that forwards signals and reaps processes
    #[arg(long)]
    pub init: bool,
    /// What follows when the container ends by itself: no, on-failure[:COUNT], always or unless-stopped
    #[arg(long, value_name = "POLICY")]
    pub restart: Option<String>,
    /// Remove the container and its anonymous volumes when it exits
    #[arg(long)]
    pub rm: bool,
    /// The signal that stops the container
    #[arg(long, value_name = "SIGNAL")]
    pub stop_signal: Option<String>,
    /// Seconds between that signal and SIGKILL
    #[arg(long, value_name = "SECONDS")]
    pub stop_timeout: Option<String>,
}

impl LifecycleOptions {
    /// The group these options stand for.
    pub fn group(self) -> Result<LifecycleRequest> {
        let usual = LifecycleRequest::default();
        let restart = RestartPolicy::parse(self.restart.as_deref().unwrap_or_default())?;
        if self.rm && restart != RestartPolicy::No {
            return Err(Error::usage("conflicting options: cannot specify both --restart and --rm")
                .hint("a container that is removed with its end cannot be started again"));
        }
        Ok(LifecycleRequest {
            remove: self.rm,
            init: self.init,
            stop_signal: self.stop_signal.as_deref().map_or(Ok(None), stop_signal)?,
            stop_timeout: self.stop_timeout.as_deref().map_or(Ok(usual.stop_timeout), stop_timeout)?,
            chosen: Chosen { stop_signal: false, stop_timeout: self.stop_timeout.is_some() },
            restart,
        })
    }
}
