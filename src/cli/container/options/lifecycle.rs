//! Options about how a container starts, stops and goes away.

use std::path::PathBuf;

use super::Around;
use crate::base::{Error, Result, text};
use crate::cli::context::Persona;
use crate::spec::lifecycle::{Chosen, LifecycleRequest, PidFiles, SdNotify, stop_signal, stop_timeout};
use crate::spec::restart::RestartPolicy;
use crate::spec::systemd::Systemd;

/// Options about the life of a container.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Life")]
pub struct LifecycleOptions {
    /// Run an init as pid 1 that forwards signals and reaps processes
    #[arg(long)]
    pub init: bool,
    /// Write the number of the container's supervisor to a file
    #[arg(long, value_name = "FILE")]
    pub conmon_pidfile: Option<String>,
    /// Write the number of the container's first process to a file
    #[arg(long, value_name = "FILE")]
    pub pidfile: Option<String>,
    /// The program of this machine that is the init of --init
    #[arg(long, value_name = "PATH")]
    pub init_path: Option<PathBuf>,
    /// What follows when the container ends by itself: no, on-failure[:COUNT], always or unless-stopped
    #[arg(long, value_name = "POLICY")]
    pub restart: Option<String>,
    /// Remove the container and its anonymous volumes when it exits
    #[arg(long)]
    pub rm: bool,
    /// The side that tells the service manager (NOTIFY_SOCKET) that the container is ready: container, conmon, healthy or ignore
    #[arg(long, value_name = "MODE")]
    pub sdnotify: Option<String>,
    /// Refused unless it is coracle: containers run in coracle's own runtime
    #[arg(long, value_name = "RUNTIME", hide = true)]
    pub runtime: Option<String>,
    /// The signal that stops the container
    #[arg(long, value_name = "SIGNAL")]
    pub stop_signal: Option<String>,
    /// Seconds between that signal and SIGKILL
    #[arg(long, value_name = "SECONDS")]
    pub stop_timeout: Option<String>,
    /// Seconds after which the container is killed; 0 for never
    #[arg(long, value_name = "SECONDS", default_value = "0", hide_default_value = true)]
    pub timeout: u32,
    /// Prepare the container for systemd: true (if its command is systemd or an init), false or always; true is usual, but for docker
    #[arg(long, value_name = "MODE")]
    pub systemd: Option<String>,
}

impl LifecycleOptions {
    /// The group these options stand for.
    pub fn group(self, around: &Around<'_>, cid: Option<&str>) -> Result<LifecycleRequest> {
        let usual = LifecycleRequest::default();
        let restart = RestartPolicy::parse(self.restart.as_deref().unwrap_or_default())?;
        if self.rm && restart != RestartPolicy::No {
            return Err(Error::usage("conflicting options: cannot specify both --restart and --rm")
                .hint("a container that is removed with its end cannot be started again"));
        }
        if let Some(other) = self.runtime.as_deref().filter(|name| !matches!(*name, "" | "coracle")) {
            let error = Error::unsupported(format!("`--runtime {}` cannot be used", text::clean(other)));
            return Err(match other {
                "nvidia" => {
                    error.hint("--gpus gives a container GPUs by the vendor's CDI file, in coracle's own runtime")
                }
                _ => error.hint("containers run in coracle's own runtime; leave the option out"),
            });
        }
        let systemd = match self.systemd.as_deref() {
            Some(word) => Systemd::parse(word)?,
            None if around.persona == Persona::Docker => Systemd::False,
            None => Systemd::True,
        };
        Ok(LifecycleRequest {
            remove: self.rm,
            init: self.init,
            init_path: self.init_path.map(|path| around.cwd.join(path)),
            systemd,
            stop_signal: self.stop_signal.as_deref().map_or(Ok(None), stop_signal)?,
            stop_timeout: self.stop_timeout.as_deref().map_or(Ok(usual.stop_timeout), stop_timeout)?,
            chosen: Chosen { stop_signal: false, stop_timeout: self.stop_timeout.is_some() },
            restart,
            timeout: self.timeout,
            sdnotify: match &self.sdnotify {
                Some(given) => SdNotify::parse(given)?,
                // docker's containers know nothing of service managers.
                None if around.persona == Persona::Docker => SdNotify::Ignore,
                None => SdNotify::default(),
            },
            files: PidFiles {
                cid: cid.filter(|_| around.persona != Persona::Docker).map(|file| around.cwd.join(file)),
                pid: self.pidfile.map(|file| around.cwd.join(file)),
                supervisor: self.conmon_pidfile.map(|file| around.cwd.join(file)),
            },
        })
    }
}
