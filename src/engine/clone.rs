//! `container clone`: a new container with the configuration of another one. Its files are those of the image: what the other
//! has written is not copied, as with podman. Named volumes are shared, anonymous ones are new.

use super::create::{find_image, image_mounts, layer_trees, make_volumes, root_mode};
use super::progress::Progress;
use super::remove::{Removal, remove};
use super::start::start;
use super::{Engine, pod_setup};
use crate::base::id::{Name, random_hex};
use crate::base::{ContainerId, Error, Kind, Result, text, time};
use crate::oci::Digest;
use crate::spec::container::ContainerConfig;
use crate::spec::events::Action;
use crate::spec::image::{ImageOrigin, ImageRequest};
use crate::spec::pod_member::{Membership, PodRole};
use crate::spec::resources::Resources;
use crate::spec::secret::Value;
use crate::spec::storage::{MountSource, StorageDriver};
use crate::state::{Pods, secrets};

/// A container to clone.
#[derive(Debug, Clone, Default)]
pub struct CloneRequest {
    /// Name or id of the other one.
    pub source: String,
    /// Of the new one; made of the other's when none.
    pub name: Option<Name>,
    /// Another image.
    pub image: Option<String>,
    /// Limits that take the place of the other's.
    pub limits: Resources,
    /// The pod that it is to be in.
    pub pod: Option<String>,
    /// The other one goes.
    pub destroy: bool,
    /// Also when it runs.
    pub force: bool,
    /// The new one is started.
    pub run: bool,
}

/// Clones a container. `note` is called with what the user should know of the new one when it was started.
pub fn clone(
    engine: &Engine,
    request: &CloneRequest,
    progress: &dyn Progress,
    note: &mut dyn FnMut(&str),
) -> Result<ContainerId> {
    if request.force && !request.destroy {
        return Err(Error::usage("cannot set --force without --destroy"));
    }
    let containers = engine.containers();
    let source = containers.load(&containers.find(&request.source)?)?;
    if source.config.is_infra() {
        return Err(
            Error::usage("an infra container cannot be cloned").hint("`coracle pod create` makes a pod with one")
        );
    }
    let id = make(engine, request, &source.config, progress)?;
    if request.destroy {
        let removal = Removal { force: request.force, ..Removal::default() };
        remove(engine, &[source.config.id.to_string()], removal).pop().map_or(Ok(()), |removed| removed.map(drop))?;
    }
    if request.run {
        start(engine, id.as_str(), None, note)?;
    }
    Ok(id)
}

fn make(
    engine: &Engine,
    request: &CloneRequest,
    source: &ContainerConfig,
    progress: &dyn Progress,
) -> Result<ContainerId> {
    let store = engine.store()?;
    let mut template = source.clone();
    if let Some(name) = &request.image {
        let wanted = ImageRequest { name: name.clone(), ..ImageRequest::default() };
        let image = find_image(engine, &store, &wanted, progress)?;
        let layers = image.layers.iter().map(ToString::to_string).collect();
        template.image = ImageOrigin {
            name: name.clone(),
            id: image.id.to_string(),
            layers,
            architecture: image.platform.architecture.clone(),
        };
    }
    // From here to the container's publication its layers must not be removed.
    let _using = store.lock_shared()?;
    let digests: Vec<Digest> = template.image.layers.iter().map(|layer| layer.parse()).collect::<Result<_>>()?;
    let layers = layer_trees(&store, &digests, &format!("image `{}`", text::clean(&template.image.name)))?;
    let root_mode = root_mode(&layers)?;
    image_mounts(&store, &template.storage.mounts)?;
    let pods = Pods::new(&engine.paths);
    let _held = match (&request.pod, &source.pod) {
        (Some(name), _) => {
            let held = pods.hold()?;
            join(&mut template, &pods.find(name)?);
            Some(held)
        }
        (None, Some(_)) => Some(pods.hold()?),
        (None, None) => None,
    };
    let value = |used| secrets::of_container(&engine.paths, &source.id, used);
    let values: Vec<Value> = source.secrets.iter().map(value).collect::<Result<_>>()?;
    template.resources = template.resources.updated(&request.limits)?;
    for attempt in 0.. {
        let mut config = template.clone();
        config.id = ContainerId::random()?;
        config.name = match &request.name {
            Some(name) => name.clone(),
            None => cloned_name(&source.name, attempt)?,
        };
        config.created = time::now();
        config.creator = None;
        if source.identity.hostname == source.id.short() {
            config.identity.hostname = config.id.short().to_owned();
        }
        for mount in &mut config.storage.mounts {
            if let MountSource::Volume { name, anonymous: true, .. } = &mut mount.source {
                *name = random_hex()?.parse()?;
            }
        }
        let _volumes = make_volumes(engine, &config, &[])?;
        let hostname = format!("{}\n", config.identity.hostname);
        let own = [("hosts", &[][..]), ("hostname", hostname.as_bytes()), ("resolv.conf", &[])];
        match engine.containers().create(&config, root_mode, &own, &values) {
            Ok(_guard) => {
                engine.tell(&config, Action::Create);
                return Ok(config.id);
            }
            Err(error) if error.kind() == Kind::Conflict && request.name.is_none() && attempt < 100 => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::system("no free name was found for the container"))
}

/// podman's: `web-clone`, then `web-clone1` and so on.
fn cloned_name(source: &Name, attempt: u32) -> Result<Name> {
    match attempt {
        0 => format!("{source}-clone").parse(),
        number => format!("{source}-clone{number}").parse(),
    }
}

/// Puts a container that was in no pod, or in another one, into a pod.
fn join(config: &mut ContainerConfig, pod: &crate::spec::pod::Pod) {
    pod_setup::share_decided(&mut config.namespaces, pod);
    if config.namespaces.user.shifts() {
        config.storage.driver = StorageDriver::Fuse;
    }
    config.networking.ports.clear();
    config.networking.publish_all = false;
    let role = config.pod_role();
    config.pod = Some(Membership {
        pod: pod.id.clone(),
        name: pod.name.clone(),
        role: if role == PodRole::Infra { PodRole::Member } else { role },
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_podmans() {
        let web: Name = "web".parse().unwrap();
        assert_eq!(cloned_name(&web, 0).unwrap().as_str(), "web-clone");
        assert_eq!(cloned_name(&web, 2).unwrap().as_str(), "web-clone2");
    }
}
