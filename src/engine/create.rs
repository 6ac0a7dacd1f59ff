//! `create`: an image and a request become a container that has not run yet.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::progress::Progress;
use super::pull::PullRequest;
use super::request::CreateRequest;
use super::resolve::{Facts, resolve};
use super::{Engine, auto_own, builtin, cdi, devices, image_name, names, namespaces, pod_setup, pull, secret};
use crate::archive::owners;
use crate::base::error::if_absent;
use crate::base::id::random_hex;
use crate::base::lock::Lock;
use crate::base::process::ProcessIdentity;
use crate::base::publish::Durability;
use crate::base::{ContainerId, Error, Kind, Result, ResultExt, failpoint, text, time, trace};
use crate::oci::Digest;
use crate::rootless::outer;
use crate::runtime::ownership;
use crate::spec::events::Action;
use crate::spec::image::{ImageOrigin, ImageRequest, PullPolicy};
use crate::spec::storage::{Mount, MountRequest, MountSource, StorageRequest};
use crate::spec::volume;
use crate::state::{ContainerConfig, ContainerGuard, Volumes};
use crate::store::{ImageRecord, Store, stack};

/// A container that was just created; the guard still holds its lock.
#[derive(Debug)]
pub(super) struct Created {
    pub(super) config: ContainerConfig,
    pub(super) guard: ContainerGuard,
    pub(super) layers: Vec<PathBuf>,
    /// The same for each image among its mounts.
    pub(super) images: Vec<Vec<PathBuf>>,
}

/// Creates a container and returns its id.
pub fn create(engine: &Engine, request: &CreateRequest, progress: &dyn Progress) -> Result<ContainerId> {
    create_guarded(engine, request, None, progress).map(|created| created.config.id)
}

/// `starter` is the process that is going to start it at once.
pub(super) fn create_guarded(
    engine: &Engine,
    request: &CreateRequest,
    starter: Option<ProcessIdentity>,
    progress: &dyn Progress,
) -> Result<Created> {
    let store = engine.store()?;
    let image = find_image(engine, &store, &request.image, progress)?;
    // Only now: a pod is held meanwhile, and fetching an image may take long.
    let mut joined = request.clone();
    let pod = pod_setup::join(engine, &mut joined)?;
    create_of_image(engine, &joined, starter, (&store, &image), pod.as_ref()).inspect_err(|_| {
        if let Some(pod) = pod {
            pod.give_up(engine);
        }
    })
}

/// Creates a container of an image that is there.
fn create_of_image(
    engine: &Engine,
    request: &CreateRequest,
    starter: Option<ProcessIdentity>,
    (store, image): (&Store, &ImageRecord),
    pod: Option<&pod_setup::Joining>,
) -> Result<Created> {
    failpoint::here("create.image.found")?;
    trace::step(|| format!("the image is {} with {} layers", image.id, image.layers.len()));
    // From here to the container's publication its layers must not be removed.
    let _using = store.lock_shared()?;
    let image_config = store.image_config(image)?;
    let layers = layer_trees(store, &image.layers, &format!("image `{}`", request.image.name))?;
    let root_mode = root_mode(&layers)?;
    let request = &auto_own::decide(request, &image_config, &layers, &engine.paths.home)?;
    let decided = namespaces::decide(engine, request, &layers)?;
    let (namespaces, hostname) = (&decided.namespaces, &decided.hostname);
    trace::step(|| {
        format!("its network is {}, its user namespace is {:?}", namespaces.network.name(), namespaces.user)
    });
    let mut mounts = request.storage.mounts.clone();
    mounts.iter_mut().try_for_each(|mount| find_mounted_image(engine, store, mount))?;
    let request = &CreateRequest { storage: StorageRequest { mounts, ..request.storage.clone() }, ..request.clone() };
    let images = image_mounts(store, request.storage.mounts.iter().map(|request| &request.mount))?;
    // From a time when the user had a single id: now they can be shown.
    let recorded = owners::recorded_in(&layers) || images.iter().any(|layers| owners::recorded_in(layers));
    let recorded_owners = recorded && !outer::has_single_id()?;
    request.storage.mounts.iter().try_for_each(|mount| prepare_source(mount, &engine.paths.home))?;
    let devices = devices::expand(&request.security.devices)?;
    let vendors = cdi::names(engine, &request.security.cdi)?;
    let (secrets, values) = secret::of_container(engine, request)?;
    for attempt in 0.. {
        let name = match &request.name {
            Some(name) => name.clone(),
            None => names::generate(attempt)?,
        };
        let facts = Facts {
            id: ContainerId::random()?,
            name,
            created: time::now(),
            image: ImageOrigin {
                name: request.image.name.clone(),
                id: image.id.to_string(),
                layers: image.layers.iter().map(ToString::to_string).collect(),
                architecture: image.platform.architecture.clone(),
            },
            namespaces: namespaces.clone(),
            hostname: hostname.clone(),
            pod: pod.map(|pod| pod.membership.clone()),
            recorded_owners,
            volume_names: &mut || random_hex()?.parse(),
        };
        let mut config = resolve(request, &image_config, facts)?;
        config.creator = starter.clone().filter(|_| config.lifecycle.remove);
        config.security.devices.clone_from(&devices);
        config.security.cdi.clone_from(&vendors);
        config.secrets.clone_from(&secrets);
        let _volumes = make_volumes(engine, &config, &request.storage.mounts)?;
        // The supervisor fills the other two, at every start anew.
        let hostname = format!("{}\n", config.identity.hostname);
        let own = [("hosts", &[][..]), ("hostname", hostname.as_bytes()), ("resolv.conf", &[])];
        match engine.containers().create(&config, root_mode, &own, &values) {
            Ok(guard) => {
                trace::step(|| format!("container `{}` is {}", config.name, config.id));
                engine.tell(&config, Action::Create);
                return Ok(Created { config, guard, layers, images });
            }
            // A generated name that is taken already.
            Err(error) if error.kind() == Kind::Conflict && request.name.is_none() && attempt < 20 => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::system("no free name was found for the container"))
}

/// The mode of a container's root. podman takes it from the highest layer, docker takes 0755 whatever the image says. A layer
/// packed from a private directory has 0700 there, and would keep every user but root out: everybody may enter.
pub(super) fn root_mode(layers: &[PathBuf]) -> Result<u32> {
    match layers.last() {
        Some(top) => Ok(fs::metadata(top).at(top, "cannot examine the layer")?.permissions().mode() & 0o7777 | 0o555),
        None => Ok(0o755),
    }
}

/// The image of a request, for a container that is created later.
///
/// # Errors
///
/// When it is not there and cannot be, or must not be, pulled.
pub fn image(engine: &Engine, request: &ImageRequest, progress: &dyn Progress) -> Result<ImageRecord> {
    find_image(engine, &engine.store()?, request, progress)
}

/// The image of the request: from the store, the binary itself or a registry, as the policy says.
pub(super) fn find_image(
    engine: &Engine,
    store: &Store,
    request: &ImageRequest,
    progress: &dyn Progress,
) -> Result<ImageRecord> {
    let asks = matches!(request.pull, PullPolicy::Always | PullPolicy::Newer);
    if !asks
        && let Some(image) = image_name::lookup(engine, store, &request.name)?
        && request.platform.as_ref().is_none_or(|wanted| wanted.matches(&image.platform))
    {
        return Ok(image);
    }
    if !asks && builtin::is_hello(&request.name) {
        return builtin::install(engine);
    }
    if request.pull == PullPolicy::Never {
        return Err(Error::not_found(format!("no such image: `{}`", crate::base::text::clean(&request.name)))
            .hint(format!("`coracle pull {}` fetches it", crate::base::text::clean(&request.name))));
    }
    if !asks {
        progress.absent(&request.name);
    }
    let policy = if request.pull == PullPolicy::Newer { PullPolicy::Newer } else { PullPolicy::Always };
    let wanted = PullRequest { image: request.name.clone(), platform: request.platform.clone(), policy };
    let report = pull::pull(engine, &wanted, progress)?;
    progress.arrived(&report);
    Ok(report.image)
}

/// Finds the image of a mount, which must be in the store.
fn find_mounted_image(engine: &Engine, store: &Store, request: &mut MountRequest) -> Result<()> {
    let MountSource::Image { name, id, layers } = &mut request.mount.source else { return Ok(()) };
    let image = match store.lookup(name)? {
        Some(image) => image,
        None if builtin::is_hello(name) => builtin::install(engine)?,
        None => {
            let name = text::clean(name);
            return Err(Error::not_found(format!("no such image: `{name}`"))
                .hint(format!("`coracle pull {name}` fetches it, and then it can be mounted")));
        }
    };
    *id = image.id.to_string();
    *layers = image.layers.iter().map(ToString::to_string).collect();
    Ok(())
}

/// For each image among the mounts of a container, the directories to stack.
pub(super) fn image_mounts<'a>(
    store: &Store,
    mounts: impl IntoIterator<Item = &'a Mount>,
) -> Result<Vec<Vec<PathBuf>>> {
    let images = mounts.into_iter().filter_map(|mount| match &mount.source {
        MountSource::Image { name, layers, .. } => Some((name, layers)),
        _ => None,
    });
    let trees = |(name, layers): (&String, &Vec<String>)| {
        let digests: Vec<Digest> = layers.iter().map(|layer| layer.parse()).collect::<Result<_>>()?;
        layer_trees(store, &digests, &format!("image `{}`", text::clean(name)))
    };
    images.map(trees).collect()
}

/// The directories to stack for these layers, base first; see [`stack`].
pub(super) fn layer_trees(store: &Store, diff_ids: &[Digest], what: &str) -> Result<Vec<PathBuf>> {
    let layer = |diff_id: &Digest| {
        store.layer(diff_id)?.ok_or_else(|| {
            Error::invalid(format!("the layer {diff_id} of {what} is missing from the store"))
                .hint("pull the image again: the missing layer will be fetched")
        })
    };
    let layers = diff_ids.iter().map(layer).collect::<Result<Vec<_>>>()?;
    Ok(stack(layers).into_iter().map(|layer| layer.tree).collect())
}

/// `-v` makes a missing host directory, as docker does; everything else must exist. A directory that the user's `home` is
/// in is not given away (`U`).
fn prepare_source(request: &MountRequest, home: &Path) -> Result<()> {
    let MountSource::Bind { path } = &request.mount.source else { return Ok(()) };
    if request.mount.options.chown
        && let Ok(path) = fs::canonicalize(path)
        && ownership::is_kept(&path, home)
    {
        return Err(ownership::keeps(&path));
    }
    match if_absent(fs::metadata(path)).at(path, "cannot examine the mount source")? {
        Some(_) => Ok(()),
        None if request.create_source => fs::create_dir_all(path).at(path, "cannot create the mount source"),
        None => Err(Error::not_found(format!("the mount source `{}` does not exist", path.display()))
            .hint("create it first, or use -v, which makes a missing directory")),
    }
}

/// Makes the container's volumes that do not exist yet, with the labels and options that were asked for. They stay as long
/// as the lock is held.
pub(super) fn make_volumes(engine: &Engine, config: &ContainerConfig, asked: &[MountRequest]) -> Result<Option<Lock>> {
    let volumes = Volumes::new(&engine.paths);
    let mut held = None;
    for mount in &config.storage.mounts {
        if let MountSource::Volume { name, anonymous, .. } = &mount.source {
            if held.is_none() {
                held = Some(volumes.hold()?);
            }
            let mut wanted = volume::new(name.clone(), *anonymous);
            let asked = asked.iter().find(|asked| asked.mount.source == mount.source);
            if let Some(asked) = asked {
                wanted.device = volume::device(&asked.volume_options)
                    .context(|| format!("invalid options of the volume `{name}`"))?;
                wanted.labels.clone_from(&asked.volume_labels);
                wanted.options.clone_from(&asked.volume_options);
            }
            volumes.create(&wanted, Durability::Volatile)?;
        }
    }
    Ok(held)
}
