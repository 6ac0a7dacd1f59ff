//! The options between `runtime` and its command.

use std::path::PathBuf;

use clap::{Args, Command, FromArgMatches};

use crate::base::{Error, Result, text};
use crate::cli::argv;
use crate::cli::context::Context;
use crate::cli::verb::of_clap;

/// Options of every command of `runtime`.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct RuntimeOptions {
    /// Accepted for runc's sake: more is not told
    #[arg(long, hide = true)]
    debug: bool,
    /// What makes control groups: disabled
    #[arg(long, value_name = "MANAGER")]
    cgroup_manager: Option<String>,
    /// The file that errors are appended to
    #[arg(long, value_name = "FILE")]
    pub(super) log: Option<PathBuf>,
    /// The form of that file: text or json
    #[arg(long, value_name = "FORMAT")]
    pub(super) log_format: Option<String>,
    /// The directory with the state of containers
    #[arg(long, value_name = "DIRECTORY")]
    pub(super) root: Option<PathBuf>,
    /// Refused: this runtime makes no control groups yet
    #[arg(long)]
    systemd_cgroup: bool,
}

/// Adds the options to the definition of the noun.
pub fn flags(command: Command) -> Command {
    RuntimeOptions::augment_args(command).args_override_self(true)
}

impl RuntimeOptions {
    /// The options that were given.
    pub(super) fn given(context: &Context) -> Result<Self> {
        let command = flags(Command::new("runtime").disable_help_flag(true));
        let line = argv::read(&command, true, &context.before)?;
        let matches = command.try_get_matches_from(line.for_clap()).map_err(|error| of_clap(&error))?;
        Self::from_arg_matches(&matches).map_err(|error| of_clap(&error))
    }

    /// Fails for what cannot be.
    pub(super) fn check(&self) -> Result<()> {
        if self.systemd_cgroup || !matches!(self.cgroup_manager.as_deref(), None | Some("disabled" | "cgroupfs")) {
            return Err(Error::unsupported("this runtime does not ask systemd for control groups")
                .hint("use --cgroup-manager=disabled (podman: --cgroups=disabled)"));
        }
        match self.log_format.as_deref() {
            None | Some("text" | "json") => Ok(()),
            Some(other) => Err(Error::usage(format!("invalid log format `{}`: text or json", text::clean(other)))),
        }
    }
}
