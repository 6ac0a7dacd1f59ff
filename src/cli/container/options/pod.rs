//! Options about the pod that a container is in.

use std::fs;

use super::Around;
use crate::base::{Error, Result, ResultExt};
use crate::spec::pod_member::{PodRequest, PodRole};

/// Options about pods.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct PodOptions {
    /// Run to the end before the other containers of the pod: always at its start, or once
    #[arg(long, value_name = "WHEN")]
    pub init_ctr: Option<String>,
    /// The pod that the container is in; new:NAME makes one that gets its ports and networks
    #[arg(long, value_name = "POD")]
    pub pod: Option<String>,
    /// Read the pod's ID from a file
    #[arg(long, value_name = "FILE")]
    pub pod_id_file: Option<String>,
}

impl PodOptions {
    /// The group these options stand for.
    pub fn group(self, around: &Around<'_>) -> Result<Option<PodRequest>> {
        let role = self.init_ctr.as_deref().filter(|when| !when.is_empty()).map(PodRole::parse_init).transpose()?;
        let pod = self.pod.filter(|pod| !pod.is_empty());
        let name = match (pod, self.pod_id_file) {
            (Some(_), Some(_)) => return Err(Error::usage("cannot specify both --pod and --pod-id-file")),
            (Some(pod), None) => pod,
            (None, Some(file)) => {
                let path = around.cwd.join(file);
                fs::read_to_string(&path).at(&path, "cannot read")?.trim().to_owned()
            }
            (None, None) if role.is_some() => return Err(Error::usage("must specify pod value with init-ctr")),
            (None, None) => return Ok(None),
        };
        let (name, new) = match name.strip_prefix("new:") {
            Some("") => return Err(Error::usage("new pod name must be at least one character")),
            Some(name) => (name.to_owned(), true),
            None => (name, false),
        };
        Ok(Some(PodRequest { name, new, role: role.unwrap_or_default() }))
    }
}
