//! Options about who a container is to its own programs.

use crate::spec::identity::IdentityRequest;

/// Options about host name and user.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct IdentityOptions {
    /// Add a group to those of the user: a name or ID of the container, or keep-groups for those that you have on this machine
    #[arg(long, value_name = "GROUP")]
    pub group_add: Vec<String>,
    /// The container's host name
    #[arg(short = 'h', long, value_name = "NAME")]
    pub hostname: Option<String>,
    /// User name or ID, and optionally group: user[:group]
    #[arg(short, long, value_name = "USER")]
    pub user: Option<String>,
}

impl IdentityOptions {
    /// The group these options stand for.
    pub fn group(self) -> IdentityRequest {
        IdentityRequest { hostname: self.hostname, user: self.user, groups: self.group_add }
    }
}
