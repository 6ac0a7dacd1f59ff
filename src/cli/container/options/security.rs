//! Options about what the processes of a container may do.

use std::fs;
use std::path::Path;

use super::Around;
use crate::base::{Kind, Result, ResultExt};
use crate::spec::security::{Device, Security, SecurityHost};

/// Options about capabilities, seccomp and the like.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Security")]
pub struct SecurityOptions {
    /// Add a Linux capability
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_add: Vec<String>,
    /// Drop a Linux capability
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_drop: Vec<String>,
    /// Add a device of the host, or all in a directory
    #[arg(long, value_name = "HOST-DEVICE[:CONTAINER-DEVICE]")]
    pub device: Vec<Device>,
    /// Take off the limits on what the container may do within its user namespace
    #[arg(long)]
    pub privileged: bool,
    /// Security options: no-new-privileges, seccomp=FILE|unconfined, systempaths=unconfined, mask=PATH, unmask=PATH|ALL, proc-opts=OPTIONS, label=…, apparmor=unconfined
    #[arg(long, value_name = "OPTION")]
    pub security_opt: Vec<String>,
}

impl SecurityOptions {
    /// The group these options stand for.
    pub fn group(self, around: &Around<'_>) -> Result<Security> {
        let host = SecurityHost {
            profile: &|file| profile(&around.cwd.join(file)),
            has_selinux: Path::new("/sys/fs/selinux/enforce").exists(),
        };
        let mut security = Security::new(&self.cap_add, &self.cap_drop, self.privileged)?;
        security.devices = self.device;
        self.security_opt.iter().try_for_each(|option| security.set(option, &host))?;
        Ok(security)
    }
}

/// The text of a seccomp profile; the record of the container keeps it.
fn profile(path: &Path) -> Result<String> {
    fs::read_to_string(path).at(path, "cannot read the seccomp profile").map_err(|error| error.with_kind(Kind::Usage))
}
