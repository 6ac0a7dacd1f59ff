//! `pull`: an image from a registry into the store.
//!
//! # Theory of operation
//!
//! The reference is resolved to a manifest and a configuration, which are checked against each other before anything
//! large moves. Layers that the store has are left alone. The others are fetched [`LAYERS_AT_ONCE`] at a time, the
//! largest first, and unpacked while they arrive; each is compared with its blob's digest and with the diff id that the
//! configuration demands. Nothing of this can be seen: layers wait in staging. In the end one sync makes all of them
//! durable, and under the store's lock, held for milliseconds, layers, image and names appear, the tag last.
//!
//! *Interruption.* A pull that fails keeps the layers that were complete, and one that takes long publishes what is
//! complete every [`KEEP_EVERY`]; of the others it keeps the bytes that came over a network (see [`partial`]). So the next try need not
//! fetch anything again, even when the process was killed. Half-made trees go: a failing pull removes them, and those
//! of a killed one are removed during the next. Layers that no image came to use go after [`KEEP_LAYERS`], with the next
//! pull or removal of a container, or with the next `rmi`, whichever is first; never while another pull runs, which may
//! have found them present (see `Store::begin_adding`).
//!
//! *Concurrency.* A layer that several pulls want is downloaded once (see [`claim`]); otherwise they do not wait for each
//! other, and the second to finish a layer gives way to the first. Between finding a layer present and the publication of the image a removal may take the layer away; then it is
//! fetched after all, a bounded number of times.

mod claim;
mod fetch;
mod partial;

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::fetch::{Kept, fetch};
use super::progress::{Choice, Progress};
use super::rmi::layers_in_use;
use super::worker::{self, Given, Job, Place};
use super::{Engine, image_name};
use crate::base::{Error, Kind, Result, ResultExt, failpoint, text, trace};
use crate::oci::config::CONFIG_MAX;
use crate::oci::digest::Algorithm;
use crate::oci::reference::short_name;
use crate::oci::{Compression, Descriptor, Digest, ImageConfig, Platform, Reference, media};
use crate::registry::short_names::Meanings;
use crate::registry::signatures::{self, Demand};
use crate::registry::{Client, Policy, Registries, RemoteImage, is_loopback};
use crate::spec::events::Action;
use crate::spec::image::PullPolicy;
use crate::store::{FinishedLayer, ImageRecord, NewImage, Store};

/// Layers in transfer at a time. Two saturate two cores with a near registry; more hide the round trips of a far one.
/// Each needs some 3 MiB of memory.
const LAYERS_AT_ONCE: usize = 4;
/// How long the complete layers of a failed pull are kept for the next try. Unpacked layers take much space, so it is
/// shorter than for the beginnings of blobs.
pub(super) const KEEP_LAYERS: Duration = Duration::from_secs(24 * 3600);
/// How much work a killed pull can lose, beside layers that are not complete.
const KEEP_EVERY: Duration = Duration::from_secs(10);
/// The directory below the runtime directory in which pulls agree on who fetches a layer.
const CLAIMS: &str = "fetching";
/// The directory of the store for blobs that are not complete.
const PARTIAL: &str = "partial";
/// podman's word for a registry. What follows it is a whole name: it is not searched for.
const TRANSPORT: &str = "docker://";
/// How often layers that others removed meanwhile are fetched again.
const ROUNDS: usize = 3;

/// What to pull.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PullRequest {
    /// The reference as typed; podman's `docker://` before it is accepted.
    pub image: String,
    /// `--platform`; this machine's when none.
    pub platform: Option<Platform>,
    /// When to ask the registry at all.
    pub policy: PullPolicy,
}

/// What a pull did.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PullReport {
    /// The reference in full.
    pub reference: Reference,
    /// The image as stored.
    pub image: ImageRecord,
    /// What the registry has under the reference: the digest of its index, or of its only manifest. Unknown when the
    /// registry was not asked.
    pub digest: Option<Digest>,
    /// What had to be done.
    pub outcome: Outcome,
    /// Set when the image is not for this machine although no platform was asked for: it has only this one.
    pub foreign: Option<Platform>,
}

/// What had to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Nothing: the policy is content with the image that is there.
    Present,
    /// The registry has what is there.
    UpToDate,
    /// Something new came.
    Fetched,
}

/// A layer of the image to pull.
#[derive(Debug, Clone)]
struct LayerPlan {
    blob: Descriptor,
    diff_id: Digest,
    compression: Compression,
}

/// What the registry has, understood and checked.
struct Plan {
    remote: RemoteImage,
    config_bytes: Vec<u8>,
    config: ImageConfig,
    /// Lowest first; a layer that occurs twice is there once.
    layers: Vec<LayerPlan>,
}

/// Pulls an image: the first that a registry has of those that the name may mean.
pub fn pull(engine: &Engine, request: &PullRequest, progress: &dyn Progress) -> Result<PullReport> {
    let here = match request.policy {
        PullPolicy::Always => None,
        _ => present(engine, request)?,
    };
    match (request.policy, here) {
        (PullPolicy::Missing | PullPolicy::Never, Some(report)) => Ok(report),
        (PullPolicy::Never, None) => {
            let name = text::clean(&request.image);
            Err(Error::not_found(format!("no such image: `{name}`")).hint(format!("`coracle pull {name}` fetches it")))
        }
        (PullPolicy::Newer, Some(report)) => match fetched(engine, request, progress) {
            Err(error) if is_of_the_registry(&error) => {
                trace::step(|| format!("the image that is here will do: {}", error.chain()));
                Ok(report)
            }
            fetched => fetched,
        },
        _ => fetched(engine, request, progress),
    }
}

/// Whether another registry might do better.
fn is_of_the_registry(error: &Error) -> bool {
    matches!(error.kind(), Kind::NotFound | Kind::Denied | Kind::Network)
}

fn fetched(engine: &Engine, request: &PullRequest, progress: &dyn Progress) -> Result<PullReport> {
    let (candidates, chosen) = candidates(engine, request, progress)?;
    let mut failed = Vec::new();
    for reference in candidates {
        let one = PullRequest { image: format!("{TRANSPORT}{reference}"), ..request.clone() };
        // Layers belong to the user's subordinate ids.
        match worker::call(engine, one, progress) {
            Ok(report) => {
                if let Some(short) = &chosen {
                    Registries::record_choice(&engine.registry, short, &reference)?;
                }
                return Ok(report);
            }
            Err(error) if is_of_the_registry(&error) => failed.push(error),
            Err(error) => return Err(error),
        }
    }
    match (failed.len(), failed.pop()) {
        (_, None) => Err(Error::system("no registry was asked")),
        (1, Some(error)) => Err(error),
        (_, Some(last)) => {
            Err(failed.into_iter().fold(last, |last, other| last.hint(format!("before: {}", other.chain()))))
        }
    }
}

/// What to try in order; and the short name that the user has chosen the only one for.
fn candidates(
    engine: &Engine,
    request: &PullRequest,
    progress: &dyn Progress,
) -> Result<(Vec<Reference>, Option<String>)> {
    if request.image.starts_with(TRANSPORT) || short_name(&request.image).is_none() {
        return Ok((vec![request.reference()?], None));
    }
    let Meanings { candidates, reason, choose, enforced } =
        Registries::load(&engine.registry)?.short_names.meanings(&request.image)?;
    let choice = match &choose {
        Some(_) => progress.choose(&candidates)?,
        None => Choice::Impossible,
    };
    match (choice, choose) {
        (Choice::Of(at), Some(short)) => {
            let chosen = candidates.into_iter().nth(at).ok_or_else(|| Error::system("what was chosen is not there"))?;
            Ok((vec![chosen], Some(short)))
        }
        (_, Some(short)) if enforced => {
            let names: Vec<String> = candidates.iter().map(Reference::familiar).collect();
            Err(Error::usage(format!(
                "the name `{short}` could be in several registries, and there is no terminal to ask"
            ))
            .hint(format!("say which: {}; `short-name-mode` in registries.conf is `enforcing`", names.join(", "))))
        }
        _ => {
            reason.iter().for_each(|reason| progress.understood(reason));
            Ok((candidates, None))
        }
    }
}

impl Job for PullRequest {
    const NAME: &'static str = "pull";
    const PLACE: Place = Place::Outer;
    type Report = PullReport;

    fn run(self, engine: &Engine, given: Given<'_>) -> Result<PullReport> {
        let (reference, store) = (self.reference()?, engine.store()?);
        let demands = demands(engine, &reference)?;
        // What comes from this machine is there again faster than it could be kept.
        let partials = (!is_loopback(reference.registry())).then(|| engine.paths.store().join(PARTIAL));
        let wanted = Wanted { reference: &reference, platform: self.platform.as_ref(), demands: &demands };
        from_registry((engine, &store), wanted, partials.as_deref(), given.progress)
            .context(|| format!("cannot pull `{}`", reference.familiar()))
            .inspect(|_| engine.tell_of_image(Action::Pull, &reference.familiar(), &reference.familiar()))
    }
}

impl PullRequest {
    fn reference(&self) -> Result<Reference> {
        self.image.strip_prefix(TRANSPORT).unwrap_or(&self.image).parse()
    }
}

/// The image that is here under the name, if it is for the platform and complete.
fn present(engine: &Engine, request: &PullRequest) -> Result<Option<PullReport>> {
    let store = engine.store()?;
    let typed = request.image.strip_prefix(TRANSPORT);
    let found = match typed {
        Some(whole) => {
            let reference: Reference = whole.parse()?;
            store.resolve(&reference)?.map(|image| (image, Some(reference)))
        }
        None => image_name::find(engine, &store, &request.image)?,
    };
    let Some((image, name)) = found else { return Ok(None) };
    let fits = request.platform.as_ref().is_none_or(|wanted| wanted.matches(&image.platform));
    let Some(reference) = name.filter(|_| fits && store.image_layers(&image).is_ok()) else { return Ok(None) };
    Ok(Some(PullReport { reference, image, digest: None, outcome: Outcome::Present, foreign: None }))
}

/// The signatures that an image must have.
fn demands(engine: &Engine, reference: &Reference) -> Result<Vec<Demand>> {
    let demands = Policy::load(&engine.registry)?.demands(reference)?;
    // A digest is as good as a signature: the user says which image it is (docker's rule).
    if engine.registry.demand_signatures && reference.digest().is_none() && demands.is_empty() {
        let name = reference.familiar();
        return Err(Error::new(
            Kind::Denied,
            format!("DOCKER_CONTENT_TRUST demands that `{name}` is signed, and no key is known for it"),
        )
        .hint(format!(
            "with a key: `coracle image trust set -t sigstoreSigned -f KEY.pub {}`",
            reference.familiar_repository()
        ))
        .hint("for this command: --disable-content-trust; for good: unset DOCKER_CONTENT_TRUST"));
    }
    Ok(demands)
}

/// What is pulled.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    reference: &'a Reference,
    platform: Option<&'a Platform>,
    /// The signatures that it must have.
    demands: &'a [Demand],
}

/// `partials` is where to keep what has come of a blob when it breaks off.
fn from_registry(
    (engine, store): (&Engine, &Store),
    Wanted { reference, platform: wanted, demands }: Wanted<'_>,
    partials: Option<&Path>,
    progress: &dyn Progress,
) -> Result<PullReport> {
    let client = Client::new(engine.registry.clone())?;
    let remote = client.resolve(reference, wanted.unwrap_or(&Platform::host()))?;
    if !demands.is_empty() {
        signatures::verify(&client, demands, reference, &[remote.manifest_digest.clone(), remote.digest.clone()])?;
    }
    let plan = plan(store, &client, remote)?;
    failpoint::here("pull.planned")?;
    trace::step(|| format!("{reference} is {} with {} layers", plan.remote.digest, plan.layers.len()));
    // What this pull needs of old leftovers is fetched again. What cannot be reclaimed now can wait.
    let _ = store.reclaim_layers(KEEP_LAYERS, || layers_in_use(&engine.containers()));
    let _adding = store.begin_adding()?;
    let platform = plan.config.platform();
    if let Some(wanted) = wanted.filter(|wanted| !wanted.matches(&platform)) {
        return Err(Error::not_found(format!("the image is for `{platform}` only, not for `{wanted}`")));
    }
    let described: Vec<_> = plan.layers.iter().map(|layer| (layer.blob.digest.clone(), layer.blob.size)).collect();
    progress.resolved(reference, &described);
    let earlier = store.resolve(reference)?.map(|image| image.id);
    let mut fetched = false;
    for _ in 0..ROUNDS {
        let missing = missing(store, &plan.layers, |layer| {
            if !fetched {
                progress.layer_exists(&layer.blob.digest);
            }
        })?;
        fetched |= !missing.is_empty();
        trace::step(|| format!("{} of them are not here and will be fetched", missing.len()));
        let claims = engine.paths.runtime.join(CLAIMS);
        let places = Kept { partials, claims: &claims };
        let (layers, claims) = fetch(store, (&client, &plan.remote), places, missing, progress)?;
        progress.storing();
        let published = publish(store, &plan, layers)?;
        drop(claims);
        if let Some(image) = published {
            let unchanged = !fetched && earlier.as_ref() == Some(&image.id);
            return Ok(PullReport {
                reference: reference.clone(),
                image,
                digest: Some(plan.remote.digest),
                outcome: if unchanged { Outcome::UpToDate } else { Outcome::Fetched },
                foreign: Some(platform).filter(|platform| wanted.is_none() && !Platform::host().matches(platform)),
            });
        }
    }
    Err(Error::conflict("its layers are removed as fast as they come").hint("is a cleanup running? try again after it"))
}

/// Understands and checks what the registry has.
fn plan(store: &Store, client: &Client, remote: RemoteImage) -> Result<Plan> {
    let descriptor = &remote.manifest.config;
    if !media::is_image_config(&descriptor.media_type) {
        let kind = text::clean(&descriptor.media_type);
        return Err(Error::unsupported(format!("it is not a container image: its content is of type `{kind}`")));
    }
    let known = store.image(&descriptor.digest)?.and_then(|image| store.image_config_bytes(&image).ok());
    let config_bytes = match known {
        Some(bytes) => bytes,
        None => client.small_blob(&remote, descriptor, CONFIG_MAX)?,
    };
    let config = ImageConfig::parse(&config_bytes)?;
    if config.platform().os != "linux" {
        return Err(Error::unsupported(format!("the image is for `{}`, not for Linux", config.platform())));
    }
    let layers = layers(&remote.manifest.layers, &config.rootfs.diff_ids)?;
    Ok(Plan { remote, config_bytes, config, layers })
}

/// Pairs the manifest's blobs with the configuration's diff ids.
fn layers(blobs: &[Descriptor], diff_ids: &[Digest]) -> Result<Vec<LayerPlan>> {
    if blobs.len() != diff_ids.len() {
        return Err(Error::invalid(format!(
            "its manifest has {} layers, but its configuration {}",
            blobs.len(),
            diff_ids.len()
        )));
    }
    let mut seen = HashSet::new();
    let mut layers = Vec::with_capacity(blobs.len());
    for (blob, diff_id) in blobs.iter().zip(diff_ids) {
        if diff_id.algorithm() != Algorithm::Sha256 {
            return Err(Error::unsupported("its layers are not identified by sha256"));
        }
        let compression = Compression::of_layer(&blob.media_type)?;
        if seen.insert(diff_id) {
            layers.push(LayerPlan { blob: blob.clone(), diff_id: diff_id.clone(), compression });
        }
    }
    Ok(layers)
}

/// The layers that the store does not have, the largest first: the longest work must not begin last. `exists` is told of
/// the others.
fn missing(store: &Store, layers: &[LayerPlan], exists: impl Fn(&LayerPlan)) -> Result<Vec<LayerPlan>> {
    let mut missing = Vec::new();
    for layer in layers {
        match store.layer(&layer.diff_id)? {
            Some(_) => exists(layer),
            None => missing.push(layer.clone()),
        }
    }
    missing.sort_by_key(|layer| std::cmp::Reverse(layer.blob.size));
    Ok(missing)
}

/// Makes everything visible: `None` when a layer that was there has been removed meanwhile.
fn publish(store: &Store, plan: &Plan, layers: Vec<FinishedLayer>) -> Result<Option<ImageRecord>> {
    let layers = store.sync_layers(layers)?;
    let lock = store.lock_shared()?;
    layers.publish(&lock)?;
    let image = store.put_image(
        &lock,
        NewImage {
            manifest: &plan.remote.manifest_bytes,
            manifest_media_type: &plan.remote.manifest.media_type,
            config: &plan.config_bytes,
        },
    );
    let image = match image {
        Err(error) if error.kind() == Kind::NotFound => return Ok(None),
        image => image?,
    };
    let reference = &plan.remote.reference;
    store.tag(&lock, &reference.with_digest(plan.remote.digest.clone()), &image)?;
    if reference.digest().is_none() {
        store.tag(&lock, reference, &image)?;
    }
    Ok(Some(image))
}

#[cfg(test)]
mod tests;
