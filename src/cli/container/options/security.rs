//! Options about what the processes of a container may do.

use std::fs;
use std::path::Path;

use super::Around;
use crate::base::{Kind, Result, ResultExt};
use crate::spec::security::{Security, SecurityHost, device_rule};
use crate::spec::{cdi, sysctl};

/// Options about capabilities, seccomp and the like.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct SecurityOptions {
    /// Add a Linux capability
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_add: Vec<String>,
    /// Drop a Linux capability
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_drop: Vec<String>,
    /// Add a device of the host, all in a directory, those that fit a pattern, or one of a vendor (CDI): vendor.com/class=name
    #[arg(long, value_name = "HOST-DEVICE[:CONTAINER-DEVICE]")]
    pub device: Vec<String>,
    /// Allow devices by type and number: 'c 189:* rmw'; the owner and mode of a device decide here, and no rule forbids any
    #[arg(long, value_name = "RULE")]
    pub device_cgroup_rule: Vec<String>,
    /// Add GPUs by what their vendor's CDI file says: all, a number, or device=ID
    #[arg(long, value_name = "GPUS")]
    pub gpus: Vec<String>,
    /// Take off the limits on what the container may do within its user namespace
    #[arg(long)]
    pub privileged: bool,
    /// Security options: no-new-privileges, seccomp=FILE|unconfined, systempaths=unconfined, mask=PATH, unmask=PATH|ALL, proc-opts=OPTIONS, label=…, apparmor=unconfined
    #[arg(long, value_name = "OPTION")]
    pub security_opt: Vec<String>,
    /// Set a setting of the kernel for the container's own namespaces
    #[arg(long, value_name = "NAME=VALUE")]
    pub sysctl: Vec<String>,
}

impl SecurityOptions {
    /// The group these options stand for.
    pub fn group(self, around: &Around<'_>) -> Result<Security> {
        let host = SecurityHost {
            profile: &|file| profile(&around.cwd.join(file)),
            has_selinux: Path::new("/sys/fs/selinux/enforce").exists(),
            has_apparmor: Path::new("/sys/kernel/security/apparmor/profiles").exists(),
        };
        let mut security = Security::new(&self.cap_add, &self.cap_drop, self.privileged)?;
        for device in &self.device {
            match cdi::is_name(device) {
                true => security.cdi.push(device.clone()),
                false => security.devices.push(device.parse()?),
            }
        }
        for gpus in &self.gpus {
            security.cdi.extend(cdi::gpus(gpus)?);
        }
        security.device_rules = self.device_cgroup_rule.iter().map(|rule| device_rule(rule)).collect::<Result<_>>()?;
        security.sysctls = sysctl::all(&self.sysctl)?;
        self.security_opt.iter().try_for_each(|option| security.set(option, &host))?;
        Ok(security)
    }
}

/// The text of a seccomp profile; the record of the container keeps it.
fn profile(path: &Path) -> Result<String> {
    fs::read_to_string(path).at(path, "cannot read the seccomp profile").map_err(|error| error.with_kind(Kind::Usage))
}
