//! Options about the control group of a container.

use super::Around;
use crate::base::Result;
use crate::cli::config::Config;
use crate::spec::cgroups::{self, Cgroups, Manager, Mode};

/// Options about control groups.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct CgroupOptions {
    /// Write a file of the container's control group: memory.high=100M
    #[arg(long, value_name = "FILE=VALUE")]
    pub cgroup_conf: Vec<String>,
    /// The control group above the container's: a slice of systemd, or a path
    #[arg(long, value_name = "GROUP")]
    pub cgroup_parent: Option<String>,
    /// Whether the container has a control group of its own: enabled, no-conmon, split or disabled
    #[arg(long, value_name = "MODE")]
    pub cgroups: Option<String>,
}

impl CgroupOptions {
    /// The group these options stand for.
    pub fn group(self, around: &Around<'_>) -> Result<Cgroups> {
        Ok(Cgroups {
            manager: match around.cgroup_manager {
                Some(word) => Some(Manager::parse(word)?),
                None => Config::read(&around.environment.configuration()?)?.cgroups.manager,
            },
            mode: self.cgroups.as_deref().map_or(Ok(Mode::default()), Mode::parse)?,
            parent: self.cgroup_parent.as_deref().map_or(Ok(None), cgroups::parent)?,
            conf: cgroups::conf(&self.cgroup_conf)?,
        })
    }
}
