//! `pod create`: a pod and the container that holds its namespaces.

use crate::base::id::Name;
use crate::base::{ContainerId, Error, Kind, Result, time, trace};
use crate::engine::namespaces::network_mode;
use crate::engine::request::CreateRequest;
use crate::engine::resolve::{Facts, resolve};
use crate::engine::{Engine, names, userns};
use crate::oci::ImageConfig;
use crate::spec::capabilities::CapSet;
use crate::spec::container::ContainerConfig;
use crate::spec::events::Action;
use crate::spec::image::ImageOrigin;
use crate::spec::namespaces::{NamespaceMode, Namespaces, NetworkRequest};
use crate::spec::pod::{ExitPolicy, FORMAT, INFRA_IMAGE, Pod, Share};
use crate::spec::pod_member::{Membership, PodRole};
use crate::spec::restart::RestartPolicy;
use crate::spec::storage::StorageRequest;
use crate::state::Pods;

/// A pod to create.
#[derive(Debug, Clone)]
pub struct NewPod {
    /// `--name`; generated when none.
    pub name: Option<Name>,
    /// What its infra container is to have: host name, networks, namespaces, labels; none for a pod without one.
    pub infra: Option<CreateRequest>,
    /// `--infra-name`.
    pub infra_name: Option<Name>,
    /// `--label`.
    pub labels: std::collections::BTreeMap<String, String>,
    /// `--share`.
    pub share: Vec<Share>,
    /// `--exit-policy`.
    pub exit_policy: ExitPolicy,
    /// `--restart`.
    pub restart: RestartPolicy,
}

impl Default for NewPod {
    fn default() -> Self {
        Self {
            name: None,
            infra: Some(CreateRequest::default()),
            infra_name: None,
            labels: Default::default(),
            share: Share::USUAL.to_vec(),
            exit_policy: ExitPolicy::default(),
            restart: RestartPolicy::default(),
        }
    }
}

/// Creates a pod.
pub fn create(engine: &Engine, new: &NewPod) -> Result<Pod> {
    let pods = Pods::new(&engine.paths);
    for attempt in 0.. {
        let name = match &new.name {
            Some(name) => name.clone(),
            None => names::generate(attempt)?,
        };
        let id = ContainerId::random()?;
        let mut pod = Pod {
            format: FORMAT,
            id: id.clone(),
            name: name.clone(),
            created: time::now(),
            labels: new.labels.clone(),
            share: new.share.clone(),
            infra: None,
            exit_policy: new.exit_policy,
            restart: new.restart,
        };
        let decided = new.infra.as_ref().map(|request| infra(engine, request, new, &pod)).transpose()?;
        pod.infra = decided.map(Box::new);
        // The name of its infra container is taken before it is there: what is in the way is told now.
        if let Some(infra) = &pod.infra
            && engine.containers().find(infra.name.as_str()).is_ok()
        {
            return Err(Error::conflict(format!("the container name `{}` is already in use", infra.name))
                .hint("give the infra container another name with --infra-name"));
        }
        match pods.create(&pod) {
            Ok(()) => {
                trace::step(|| format!("pod `{name}` is {id}"));
                ensure_infra(engine, &pod)?;
                return Ok(pod);
            }
            // A generated name that is taken already.
            Err(error) if error.kind() == Kind::Conflict && new.name.is_none() && attempt < 20 => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::system("no free name was found for the pod"))
}

/// `--pod new:NAME`: a pod for one container, which gets the networks, ports and host name that the container asks for. The
/// container asks for nothing of that any more.
pub(super) fn for_one_container(engine: &Engine, name: &str, request: &mut CreateRequest) -> Result<Pod> {
    let mut infra = CreateRequest {
        networking: std::mem::take(&mut request.networking),
        storage: StorageRequest { driver: request.storage.driver, ..StorageRequest::default() },
        ..CreateRequest::default()
    };
    infra.namespaces.networks = std::mem::take(&mut request.namespaces.networks);
    infra.namespaces.wish = std::mem::take(&mut request.namespaces.wish);
    infra.namespaces.user = std::mem::take(&mut request.namespaces.user);
    infra.identity.hostname = request.identity.hostname.take();
    let new = NewPod { name: Some(name.parse()?), infra: Some(infra), ..NewPod::default() };
    create(engine, &new)
}

/// What the infra container of a pod is.
fn infra(engine: &Engine, request: &CreateRequest, new: &NewPod, pod: &Pod) -> Result<ContainerConfig> {
    let mut request = request.clone();
    let has_own_name = new.share.contains(&Share::Uts) && request.namespaces.uts.is_own();
    let has_others_network =
        |network: &NetworkRequest| matches!(network, NetworkRequest::Host | NetworkRequest::Container(_));
    if has_own_name && !request.namespaces.networks.iter().any(has_others_network) {
        // podman's: it is the pod's.
        request.identity.hostname.get_or_insert_with(|| pod.name.to_string());
    }
    let (network, hostname) = network_mode(engine, &request.namespaces)?;
    let decided = userns::decide(engine, &request, &[])?;
    let containers = engine.containers();
    let find = |name: &String| containers.find(name);
    let ipc = match &request.namespaces.ipc {
        NamespaceMode::Private => NamespaceMode::Shareable,
        asked => asked.resolve(find)?,
    };
    let namespaces = Namespaces {
        network,
        user: decided.namespace.clone(),
        joined_user: decided.joined.clone(),
        pid: request.namespaces.pid.resolve(find)?,
        ipc,
        uts: request.namespaces.uts.resolve(find)?,
        cgroup: request.namespaces.cgroup.resolve(find)?,
    };
    // What it runs is coracle itself, which needs no power over anything.
    request.process.command = vec!["/pause".into()];
    request.process.cwd = Some("/".into());
    request.security.capabilities = CapSet::from_bits(0);
    request.security.no_new_privileges = true;
    request.lifecycle.stop_timeout = 1;
    request.labels.clone_from(&new.labels);
    let id = ContainerId::random()?;
    let facts = Facts {
        name: match &new.infra_name {
            Some(name) => name.clone(),
            None => format!("{}-infra", pod.id.short()).parse()?,
        },
        id,
        created: pod.created,
        image: ImageOrigin { name: INFRA_IMAGE.into(), ..ImageOrigin::default() },
        namespaces,
        hostname,
        pod: Some(Membership { pod: pod.id.clone(), name: pod.name.clone(), role: PodRole::Infra }),
        recorded_owners: false,
        volume_names: &mut || Err(Error::system("an infra container has no volumes")),
    };
    resolve(&request, &ImageConfig::default(), facts)
}

/// Makes the infra container of a pod where it is missing.
pub(in crate::engine) fn ensure_infra(engine: &Engine, pod: &Pod) -> Result<()> {
    let Some(config) = &pod.infra else { return Ok(()) };
    let containers = engine.containers();
    if containers.config(&config.id).is_ok() {
        return Ok(());
    }
    let hostname = format!("{}\n", config.identity.hostname);
    let own = [("hosts", &[][..]), ("hostname", hostname.as_bytes()), ("resolv.conf", &[])];
    match containers.create(config, 0o755, &own, &[]) {
        Ok(_guard) => {
            engine.tell(config, Action::Create);
            Ok(())
        }
        // Another command was faster.
        Err(error) if error.kind() == Kind::Conflict && containers.config(&config.id).is_ok() => Ok(()),
        Err(error) => Err(error),
    }
}
