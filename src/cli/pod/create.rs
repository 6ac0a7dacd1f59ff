//! `pod create`: a pod without containers of its own yet.

use std::fs;

use clap::Args;

use super::refuse_existing;
use crate::base::{Error, Kind, Result, ResultExt};
use crate::cli::config::Config;
use crate::cli::container::options::Around;
use crate::cli::container::options::namespaces::NamespaceOptions;
use crate::cli::container::options::networking::NetworkingOptions;
use crate::cli::container::variables;
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::pod::{self, Removal};
use crate::engine::pod_setup::{self, NewPod};
use crate::engine::request::CreateRequest;
use crate::spec::identity::IdentityRequest;
use crate::spec::pod::{ExitPolicy, Share};
use crate::spec::restart::RestartPolicy;
use crate::spec::storage::StorageRequest;
use crate::spec::units;

/// The command.
pub const VERB: Verb = Verb {
    name: "create",
    about: "Create a pod: containers will share its network and more",
    usage: "[NAME]",
    arity: (0, Some(1)),
    greedy: false,
    codes: Codes::Container,
    arguments: CreateArguments::augment_args,
    run: |context, matches| create(context, typed(matches)?),
};

/// The namespaces that are shared unless somebody says something else.
const USUAL: &str = "ipc,net,uts";

/// Arguments of `pod create`.
#[derive(Debug, Clone, Args)]
struct CreateArguments {
    /// What follows when the last container has ended: continue, or stop the infra container, too
    #[arg(long, value_name = "POLICY", default_value = "continue")]
    exit_policy: String,
    /// The host name of the pod's containers
    #[arg(short = 'h', long, value_name = "NAME")]
    hostname: Option<String>,
    /// Make a container that holds the shared namespaces
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true")]
    infra: bool,
    /// The name of that container
    #[arg(long, value_name = "NAME")]
    infra_name: Option<String>,
    /// Set a label on the pod
    #[arg(short, long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// Read labels from a file
    #[arg(long, value_name = "FILE")]
    label_file: Vec<String>,
    /// Give the pod a name
    #[arg(short, long, value_name = "NAME")]
    name: Option<String>,
    /// Write the pod's ID to a file
    #[arg(long, value_name = "FILE")]
    pod_id_file: Option<String>,
    /// Remove a pod of the same name first
    #[arg(long)]
    replace: bool,
    /// The restart policy of containers that have none of their own: no, on-failure[:COUNT], always or unless-stopped
    #[arg(long, value_name = "POLICY")]
    restart: Option<String>,
    /// The namespaces to share: cgroup, ipc, net, pid, uts, or none; with + before them, besides the usual ones
    #[arg(long, value_name = "NAMESPACES", default_value = USUAL)]
    share: String,
    /// Size of /dev/shm that the containers share
    #[arg(long, value_name = "BYTES")]
    shm_size: Option<String>,
    #[command(flatten)]
    namespaces: NamespaceOptions,
    #[command(flatten)]
    networking: NetworkingOptions,
    /// The name
    #[arg(value_name = "NAME")]
    pod: Option<String>,
}

impl CreateArguments {
    /// The pod these arguments stand for.
    fn new_pod(self, around: &Around<'_>) -> Result<NewPod> {
        let name = match (&self.name, &self.pod) {
            (Some(_), Some(_)) => return Err(Error::usage("cannot specify --name and NAME at the same time")),
            (name, pod) => name.as_deref().or(pod.as_deref()),
        };
        let share = Share::parse_list(&self.share)?;
        // podman: who shares nothing needs nobody to hold it.
        let has_infra = self.infra && !(share.is_empty() && matches!(self.share.as_str(), "" | "none"));
        if !has_infra {
            self.needs_no_infra()?;
        }
        let namespaces = self.namespaces.group(around)?;
        let configured = || Ok(Config::read(&around.environment.configuration()?)?.network);
        let networking = self.networking.group(namespaces.has_networks(), configured)?;
        let labels = variables::labels(&self.label_file, &self.label, around.cwd)?;
        let mut storage = StorageRequest { driver: around.driver, ..StorageRequest::default() };
        if let Some(size) = &self.shm_size {
            storage.shm_size = units::parse_size(size).map_err(|_| {
                Error::usage(format!("invalid argument `{}` for `--shm-size`", crate::base::text::clean(size)))
            })?;
        }
        let infra = CreateRequest {
            identity: IdentityRequest { hostname: self.hostname, ..IdentityRequest::default() },
            namespaces,
            networking,
            storage,
            ..CreateRequest::default()
        };
        Ok(NewPod {
            name: name.map(str::parse).transpose()?,
            infra: Some(infra).filter(|_| has_infra),
            infra_name: self.infra_name.as_deref().map(str::parse).transpose()?,
            labels,
            share: if has_infra { share } else { Vec::new() },
            exit_policy: ExitPolicy::parse(&self.exit_policy)?,
            restart: RestartPolicy::parse(self.restart.as_deref().unwrap_or_default())?,
        })
    }

    /// Refuses what an infra container would be for.
    fn needs_no_infra(&self) -> Result<()> {
        let refuse = |what: &str| Err(Error::usage(format!("cannot set {what} without an infra container")));
        let (networking, namespaces) = (&self.networking, &self.namespaces);
        if self.infra_name.is_some() {
            return refuse("infra-name");
        }
        if !matches!(self.share.as_str(), "" | "none" | USUAL) {
            return refuse(&format!("share({}) namespaces", crate::base::text::clean(&self.share)));
        }
        if !networking.publish.is_empty() || networking.publish_all {
            return Err(Error::usage("you must have an infra container to publish port bindings to the host"));
        }
        if networking.no_hosts || !networking.add_host.is_empty() || !networking.dns.is_empty() {
            return refuse("names and resolvers");
        }
        if self.hostname.is_some() || !namespaces.network.is_empty() || self.shm_size.is_some() {
            return refuse("host name, networks and shared memory");
        }
        Ok(())
    }
}

fn create(context: &Context, arguments: CreateArguments) -> Result<u8> {
    let engine = context.engine()?;
    let file = arguments.pod_id_file.as_deref().map(|file| context.path(file));
    file.as_deref().map_or(Ok(()), refuse_existing)?;
    let replace = arguments.replace;
    let new = arguments.new_pod(&context.around())?;
    if replace {
        let Some(name) = &new.name else {
            return Err(Error::usage("cannot replace pod without --name being set"));
        };
        match pod::remove(&engine, name.as_str(), Removal { force: true, timeout: None }) {
            Err(error) if error.kind() != Kind::NotFound => return Err(error),
            _ => {}
        }
    }
    context.tell_of_single_id(&engine)?;
    let pod = pod_setup::create(&engine, &new)?;
    if let Some(file) = file {
        fs::write(&file, pod.id.as_str()).at(&file, "cannot write the pod ID file")?;
    }
    context.ui.line(pod.id.as_str()).map(|()| 0)
}
