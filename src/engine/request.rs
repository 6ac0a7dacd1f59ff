//! What a face asks the engine to create: options as the user meant them, parsed but not yet decided against an image
//! or this machine. The same request is filled by every face; [`super::resolve`] turns it into a `ContainerConfig`, group by
//! group.

use std::collections::BTreeMap;

use crate::base::id::Name;
use crate::spec::cgroups::Cgroups;
use crate::spec::health::HealthRequest;
use crate::spec::identity::IdentityRequest;
use crate::spec::image::ImageRequest;
use crate::spec::lifecycle::LifecycleRequest;
use crate::spec::logging::Logging;
use crate::spec::namespaces::NamespacesRequest;
use crate::spec::networking::Networking;
use crate::spec::pod_member::PodRequest;
use crate::spec::process::ProcessRequest;
use crate::spec::resources::Resources;
use crate::spec::secret::SecretRequest;
use crate::spec::security::Security;
use crate::spec::storage::StorageRequest;

/// A container to create.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateRequest {
    /// `--name`; generated when none.
    pub name: Option<Name>,
    /// `--label`, `--label-file`.
    pub labels: BTreeMap<String, String>,
    /// The image, and whether to ask its registry.
    pub image: ImageRequest,
    /// The process to run.
    pub process: ProcessRequest,
    /// Host name and user.
    pub identity: IdentityRequest,
    /// Networks and ids.
    pub namespaces: NamespacesRequest,
    /// `-p`, `-P`, `--dns` and the like.
    pub networking: Networking,
    /// Its files.
    pub storage: StorageRequest,
    /// Capabilities, seccomp and the like.
    pub security: Security,
    /// How it stops and goes away.
    pub lifecycle: LifecycleRequest,
    /// How it is seen to do its work.
    pub health: HealthRequest,
    /// What it may take of the machine.
    pub resources: Resources,
    /// Where it stands among the control groups.
    pub cgroups: Cgroups,
    /// `--log-driver` and `--log-opt`.
    pub logging: Logging,
    /// `--secret`.
    pub secrets: Vec<SecretRequest>,
    /// The pod that it is to be in.
    pub pod: Option<PodRequest>,
}

/// A process to run in a running container.
#[derive(Debug, Clone, Default)]
pub struct ExecRequest {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// `NAME=value` over the container's environment.
    pub env: Vec<String>,
    /// `--user`; the container's when none.
    pub user: Option<String>,
    /// `--workdir`; the container's when none.
    pub cwd: Option<String>,
    /// `--tty`.
    pub tty: bool,
    /// `--interactive`.
    pub stdin: bool,
    /// `--detach`.
    pub detach: bool,
    /// `--privileged`: all capabilities of the container's user namespace, no seccomp filter.
    pub privileged: bool,
}
