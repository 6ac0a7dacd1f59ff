//! A container in a pod: what it gets from the pod when it is made, and that the pod's namespaces are there when it starts.

use super::create::{ensure_infra, for_one_container};
use crate::base::lock::Lock;
use crate::base::publish::Durability;
use crate::base::{Error, Result};
use crate::engine::Engine;
use crate::engine::request::CreateRequest;
use crate::spec::ids::UserNamespaceRequest;
use crate::spec::namespaces::{NamespaceMode, Namespaces, NetworkMode, NetworkRequest};
use crate::spec::pod::{Pod, Share};
use crate::spec::pod_member::{Membership, PodRequest};
use crate::state::Pods;

/// The pod of a container that is being made.
pub(in crate::engine) struct Joining {
    /// For its record.
    pub(in crate::engine) membership: Membership,
    /// The pod was made for this container.
    made: bool,
    /// The pod stays until the record is there.
    held: Lock,
}

impl Joining {
    /// The container was not made: nor does its pod stay, if it was made for it.
    pub(in crate::engine) fn give_up(self, engine: &Engine) {
        let Self { membership, made, held } = self;
        drop(held);
        if made {
            // What cannot be removed now is shown by `pod ps`.
            let _ = discard(engine, &membership);
        }
    }
}

/// Looks the pod of a new container up and gives the container what the pod shares. None without a pod.
pub(in crate::engine) fn join(engine: &Engine, request: &mut CreateRequest) -> Result<Option<Joining>> {
    let Some(asked) = request.pod.clone() else { return Ok(None) };
    let pods = Pods::new(&engine.paths);
    let made = if asked.new { Some(for_one_container(engine, &asked.name, request)?) } else { None };
    let held = pods.hold()?;
    let pod = match made {
        Some(pod) => pod,
        None => pods.find(&asked.name)?,
    };
    ensure_infra(engine, &pod)?;
    if asked.role.is_init() && pods.containers(&pod)?.iter().any(|container| container.status.is_running()) {
        return Err(Error::conflict(format!("cannot add an init container to pod `{}`: it is running", pod.name))
            .hint(format!("stop it first with `coracle pod stop {}`", pod.name)));
    }
    share(request, &pod, &asked)?;
    let membership = Membership { pod: pod.id, name: pod.name, role: asked.role };
    Ok(Some(Joining { membership, made: asked.new, held }))
}

/// What was asked for, with what the pod shares in the place of what was not.
fn share(request: &mut CreateRequest, pod: &Pod, asked: &PodRequest) -> Result<()> {
    if request.lifecycle.restart.is_no() && !request.lifecycle.remove && !asked.role.is_init() {
        request.lifecycle.restart = pod.restart;
    }
    let Some(infra) = &pod.infra else { return Ok(()) };
    let infra = infra.id.to_string();
    let namespaces = &mut request.namespaces;
    if pod.shares(Share::Net) && namespaces.networks.is_empty() {
        let networking = &request.networking;
        if !networking.ports.is_empty() || networking.publish_all || namespaces.wish != Default::default() {
            return Err(Error::usage(
                "published ports and addresses must be defined when the pod is created: its containers share its network",
            )
            .hint(format!("coracle pod create --publish … ; or --network for one of the container's own, in pod `{}`", pod.name)));
        }
        namespaces.networks = vec![NetworkRequest::Container(infra.clone())];
    }
    if pod.shares(Share::Uts) && namespaces.uts == NamespaceMode::Private {
        if request.identity.hostname.is_some() {
            return Err(Error::usage("cannot set hostname when joining the pod UTS namespace")
                .hint("the host name of a pod is set when it is created: coracle pod create --hostname NAME"));
        }
        namespaces.uts = NamespaceMode::Container(infra.clone());
    }
    for (kind, mode) in [(Share::Pid, &mut namespaces.pid), (Share::Cgroup, &mut namespaces.cgroup)] {
        if pod.shares(kind) && *mode == NamespaceMode::Private {
            *mode = NamespaceMode::Container(infra.clone());
        }
    }
    // What podman does unasked, a shareable one of its own, is no wish either.
    let unasked = matches!(namespaces.ipc, NamespaceMode::Private | NamespaceMode::Shareable);
    if pod.shares(Share::Ipc) && unasked {
        namespaces.ipc = NamespaceMode::Container(infra.clone());
    }
    if namespaces.user == UserNamespaceRequest::Usual {
        namespaces.user = UserNamespaceRequest::Container(infra);
    }
    Ok(())
}

/// The same in namespaces that were decided: those that a pod shares take the place of what is there.
pub(in crate::engine) fn share_decided(namespaces: &mut Namespaces, pod: &Pod) {
    let Some(infra) = &pod.infra else { return };
    if pod.shares(Share::Net) {
        namespaces.network = NetworkMode::Container(infra.id.clone());
    }
    for (kind, mode) in [
        (Share::Uts, &mut namespaces.uts),
        (Share::Ipc, &mut namespaces.ipc),
        (Share::Pid, &mut namespaces.pid),
        (Share::Cgroup, &mut namespaces.cgroup),
    ] {
        if pod.shares(kind) {
            *mode = NamespaceMode::Container(infra.id.clone());
        }
    }
    namespaces.user = infra.namespaces.user.clone();
    namespaces.joined_user = NamespaceMode::Container(infra.id.clone());
}

/// Removes a pod that has nothing but its infra container, which was never started.
fn discard(engine: &Engine, membership: &Membership) -> Result<()> {
    let pods = Pods::new(&engine.paths);
    let pod = pods.find(membership.pod.as_str())?;
    let containers = engine.containers();
    if let Some(infra) = &pod.infra
        && let Some(guard) = containers.guard(&infra.id)?
    {
        containers.remove(guard, Durability::Volatile)?;
    }
    pods.remove(&pod).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures;
    use crate::spec::container::Status;
    use crate::spec::pod_member::PodRole;
    use crate::spec::restart::RestartPolicy;

    fn pod(shared: &[Share]) -> Pod {
        let infra = fixtures::container("infra", 1, Status::Created).config;
        Pod {
            format: crate::spec::pod::FORMAT,
            id: "ab".repeat(32).parse().unwrap(),
            name: "web".parse().unwrap(),
            created: jiff::Timestamp::UNIX_EPOCH,
            labels: Default::default(),
            share: shared.to_vec(),
            infra: Some(Box::new(infra)),
            exit_policy: Default::default(),
            restart: RestartPolicy::Always,
        }
    }

    #[test]
    fn a_container_gets_what_the_pod_shares() {
        let asked = PodRequest { name: "web".into(), new: false, role: PodRole::Member };
        let mut request = CreateRequest::default();
        let pod = pod(&[Share::Uts, Share::Net, Share::Ipc]);
        let infra = pod.infra.as_ref().unwrap().id.to_string();
        share(&mut request, &pod, &asked).unwrap();
        let namespaces = &request.namespaces;
        assert_eq!(namespaces.networks, [NetworkRequest::Container(infra.clone())]);
        assert_eq!(namespaces.ipc, NamespaceMode::Container(infra.clone()));
        assert_eq!(namespaces.uts, NamespaceMode::Container(infra.clone()));
        assert!(namespaces.pid.is_private() && namespaces.cgroup.is_private());
        assert_eq!(namespaces.user, UserNamespaceRequest::Container(infra));
        assert_eq!(request.lifecycle.restart, RestartPolicy::Always);
    }

    #[test]
    fn what_was_asked_for_stays_or_is_refused() {
        let asked = PodRequest { name: "web".into(), new: false, role: PodRole::InitOnce };
        let mut own = CreateRequest::default();
        own.namespaces.networks = vec![NetworkRequest::Host];
        own.namespaces.uts = NamespaceMode::Host;
        own.namespaces.user = UserNamespaceRequest::Host;
        let before = own.clone();
        share(&mut own, &pod(&[Share::Uts, Share::Net]), &asked).unwrap();
        assert_eq!(own, before);
        let mut named = CreateRequest::default();
        named.identity.hostname = Some("x".into());
        assert!(share(&mut named, &pod(&[Share::Uts]), &asked).unwrap_err().message().contains("UTS namespace"));
        let mut published = CreateRequest::default();
        published.networking.publish_all = true;
        assert!(share(&mut published, &pod(&[Share::Net]), &asked).unwrap_err().message().contains("published ports"));
        assert!(share(&mut published, &pod(&[Share::Uts]), &asked).is_ok());
    }
}
