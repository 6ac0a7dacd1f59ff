//! `push`: an image from the store into a registry.
//!
//! # Theory of operation
//!
//! The store keeps layers unpacked, with what is needed to get their tar streams back byte for byte, but not their
//! compressed blobs: compressors differ, and the same layer compressed anew has another digest. Yet people compare the
//! digests of what they pulled and pushed. So for each layer, the first of these is done that works:
//!
//! 1. The destination has the blob already.
//! 2. The registry takes it from another of its repositories that is known to have it (see [`places`]).
//! 3. It is the tar stream itself, which is rebuilt.
//! 4. It is fetched from a registry that is known to have it, verified, and sent on.
//! 5. The layer is packed anew: then the manifest is a new one, and whoever pushes is told.
//!
//! With 1 to 4 for all layers the manifest is sent as it was pulled, with its digest. The same packing gives the same bytes
//! again, so that pushing an image twice uploads nothing the second time. A user who asks for a compression or a manifest
//! format gets 5.
//!
//! The configuration goes first: it is small, and a registry that refuses the push refuses it at once. Then
//! [`LAYERS_AT_ONCE`] layers at a time; the manifest last, so that a push that fails shows nobody half of an image.

pub mod list;
mod places;
mod plan;
pub(super) mod spool;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::places::Places;
use self::plan::NewManifest;
pub use self::plan::{Format, Packing};
pub(super) use self::plan::{Placed, layer_type, manifest};
use self::spool::Spool;
use super::progress::Progress;
use super::worker::{self, Given, Job, Place};
use super::{Engine, image_name};
use crate::base::{Error, Kind, Result, ResultExt, failpoint, text, trace};
use crate::oci::{Compression, Descriptor, Digest, Manifest, Parsed, Platform, Reference, media, parse_manifest};
use crate::registry::signatures;
pub use crate::registry::signatures::PrivateKey;
use crate::registry::{Client, Destination, Mounted, Patience, Settings};
use crate::spec::events::Action;
use crate::store::{ImageRecord, ListedImage, NewImage, Store};

/// Layers in work at a time. Packing takes a core each, sending waits.
const LAYERS_AT_ONCE: usize = 3;
/// How many other repositories are asked for a blob.
const TRIES: usize = 3;

/// What to push.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct PushRequest {
    /// The image: a name, or an id when there is a destination.
    pub image: String,
    /// Where to, if not to where its name says; podman's `docker://` before it is accepted.
    pub destination: Option<String>,
    /// All tags that the store has of the repository `image`.
    pub all_tags: bool,
    /// Refuse an image for another platform.
    pub platform: Option<Platform>,
    /// How to pack it.
    pub packing: Packing,
    /// The key to sign it with.
    pub sign: Option<PrivateKey>,
}

/// What a push did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushReport {
    /// Where the image is now.
    pub reference: Reference,
    /// The digest of its manifest there.
    pub digest: Digest,
    /// Bytes of that manifest.
    pub size: usize,
    /// Layers that had to be packed anew although nobody asked for it, by diff id: the digest is not that of the image that
    /// was pulled.
    pub repacked: Vec<Digest>,
}

/// Pushes an image, or all tags of a repository.
pub fn push(engine: &Engine, request: &PushRequest, progress: &dyn Progress) -> Result<Vec<PushReport>> {
    // Layers belong to the user's subordinate ids.
    worker::call(engine, request.clone(), progress)
}

/// Pushes an image under its digest alone, as a part of an index in the repository of `to`. For a job in the namespace that
/// owns the layers.
pub(super) fn instance(
    engine: &Engine,
    image: &ImageRecord,
    to: &Reference,
    packing: &Packing,
    progress: &dyn Progress,
) -> Result<PushReport> {
    let store = engine.store()?;
    let images = store.list()?;
    let client = Client::new(engine.registry.clone())?;
    let reference = to.with_digest(image.manifest.clone());
    one(engine, (&store, &images), &client, (image, &reference), packing, progress)
}

impl Job for PushRequest {
    const NAME: &'static str = "push";
    const PLACE: Place = Place::Outer;
    type Report = Vec<PushReport>;

    fn run(self, engine: &Engine, given: Given<'_>) -> Result<Vec<PushReport>> {
        push_inside(engine, &self, given.progress)
    }
}

/// [`push`] by the root of the namespace that owns the layers.
fn push_inside(engine: &Engine, request: &PushRequest, progress: &dyn Progress) -> Result<Vec<PushReport>> {
    request.packing.check()?;
    let store = engine.store()?;
    let images = store.list()?;
    let targets = targets(engine, &store, &images, request)?;
    let client = Client::new(engine.registry.clone())?;
    let mut reports = Vec::new();
    for (image, reference) in targets {
        let report = one(engine, (&store, &images), &client, (&image, &reference), &request.packing, progress)
            .context(|| format!("cannot push `{}`", reference.familiar()))?;
        if let Some(key) = &request.sign {
            let to = client.destination(&reference)?;
            signatures::sign(&client, (&to, &reference), &report.digest, key, &spool_directory(engine)?)
                .context(|| format!("cannot sign `{}`, which was pushed", reference.familiar()))?;
        }
        engine.tell_of_image(Action::Push, &reference.familiar(), &reference.familiar());
        progress.pushed(&report);
        reports.push(report);
    }
    Ok(reports)
}

/// Which images go where.
fn targets(
    engine: &Engine,
    store: &Store,
    images: &[ListedImage],
    request: &PushRequest,
) -> Result<Vec<(ImageRecord, Reference)>> {
    let destination: Option<Reference> = request.destination.as_deref().map(destination_of).transpose()?;
    let own = request.image.strip_prefix("docker://").unwrap_or(&request.image);
    let missing = || {
        Error::not_found(format!("an image does not exist locally with the tag: {}", text::clean(own)))
            .hint("`coracle images` lists the images there are; `coracle tag` gives one the name of a repository")
    };
    let targets: Vec<(ImageRecord, Reference)> = match (request.all_tags, destination) {
        (true, Some(_)) => return Err(Error::usage("--all-tags pushes to where the tags say: give no destination")),
        (true, None) => {
            let named: Reference = own.parse()?;
            if has_suffix(own) {
                return Err(Error::usage("tag can't be used with --all-tags/-a"));
            }
            let tags = images.iter().flat_map(|image| image.references.iter().map(move |name| (&image.record, name)));
            let mut tags: Vec<_> = tags.filter(|(_, name)| name.name() == named.name()).collect();
            tags.sort_by_key(|(_, name)| *name);
            tags.into_iter().map(|(image, name)| (image.clone(), name.clone())).collect()
        }
        (false, Some(destination)) => {
            vec![(image_name::lookup(engine, store, own)?.ok_or_else(missing)?, destination)]
        }
        (false, None) => {
            let reference: Reference = own.parse()?;
            if reference.digest().is_some() {
                return Err(
                    Error::usage("cannot push a digest reference").hint("push a tag; it brings its digest along")
                );
            }
            vec![(store.resolve(&reference)?.ok_or_else(missing)?, reference)]
        }
    };
    if targets.is_empty() {
        return Err(missing());
    }
    match request.platform.as_ref() {
        Some(wanted) => match targets.iter().find(|(image, _)| !wanted.matches(&image.platform)) {
            Some((image, name)) => Err(Error::not_found(format!(
                "`{}` is here for `{}` only, not for `{wanted}`",
                name.familiar(),
                image.platform
            ))
            .hint("`coracle pull --platform` fetches it for another")),
            None => Ok(targets),
        },
        None => Ok(targets),
    }
}

/// Whether a name was typed with a tag or digest.
pub fn has_suffix(name: &str) -> bool {
    name.contains('@') || name.rsplit('/').next().is_some_and(|last| last.contains(':'))
}

/// A destination as typed. Other places than registries are named by podman's other transports.
fn destination_of(text: &str) -> Result<Reference> {
    const OTHERS: [&str; 7] =
        ["containers-storage:", "dir:", "docker-archive:", "docker-daemon:", "oci:", "oci-archive:", "sif:"];
    if let Some(other) = OTHERS.iter().find(|other| text.starts_with(**other)) {
        return Err(Error::unsupported(format!("cannot push to `{other}…`: only to registries")));
    }
    let reference: Reference = text.strip_prefix("docker://").unwrap_or(text).parse()?;
    match reference.digest() {
        Some(_) => Err(Error::usage("a destination has no digest: what is pushed decides it")),
        None => Ok(reference),
    }
}

/// A layer of the image.
#[derive(Debug, Clone)]
struct LayerPlan {
    blob: Descriptor,
    diff_id: Digest,
    compression: Compression,
}

fn one(
    engine: &Engine,
    (store, images): (&Store, &[ListedImage]),
    client: &Client,
    (image, reference): (&ImageRecord, &Reference),
    packing: &Packing,
    progress: &dyn Progress,
) -> Result<PushReport> {
    let manifest_bytes = store.image_manifest_bytes(image)?;
    let Parsed::Manifest(manifest) = parse_manifest(&manifest_bytes, Some(&image.manifest_media_type))? else {
        return Err(Error::invalid("its record names an index for a manifest"));
    };
    let config_bytes = store.image_config_bytes(image)?;
    let layers = layers(&manifest, image)?;
    let published = images.iter().any(|listed| listed.record.id == image.id && !listed.digests.is_empty());
    progress.push_began(
        reference,
        &layers.iter().map(|layer| (layer.diff_id.clone(), layer.blob.size)).collect::<Vec<_>>(),
    );
    let work = Work {
        engine,
        store,
        client,
        to: client.destination(reference)?,
        places: places::places(store, images, &image.layers),
        spool: spool_directory(engine)?,
        packing,
        published,
        progress,
        relay: OnceLock::new(),
        unreachable: Mutex::default(),
        queue: Mutex::new(layers.into_iter()),
        placed: Mutex::default(),
        repacked: Mutex::default(),
        failure: Mutex::default(),
        failed: AtomicBool::new(false),
    };
    let config = work.config(&manifest, &config_bytes)?;
    let (placed, repacked) = work.layers()?;
    let new = plan::manifest((&manifest, &manifest_bytes), &config, &placed, packing)?;
    let own = Digest::sha256(&new.bytes);
    let tag = match reference.digest() {
        Some(_) => own.as_str(),
        None => reference.tag().unwrap_or(crate::oci::reference::DEFAULT_TAG),
    };
    failpoint::here("push.manifest")?;
    trace::step(|| format!("all blobs are at {reference}: sends the manifest"));
    let digest = client.put_manifest(&work.to, tag, &new.media_type, &new.bytes)?;
    remember(store, image, reference, (&new, &digest, &config_bytes), published)?;
    Ok(PushReport { reference: reference.clone(), digest, size: new.bytes.len(), repacked })
}

/// Where blobs wait.
fn spool_directory(engine: &Engine) -> Result<PathBuf> {
    let directory = engine.paths.staging();
    crate::base::paths::private_dir(&directory)?;
    Ok(directory)
}

/// The blobs with their layers; one that occurs twice is there once.
fn layers(manifest: &Manifest, image: &ImageRecord) -> Result<Vec<LayerPlan>> {
    let mut seen = HashSet::new();
    let mut layers = Vec::new();
    for (blob, diff_id) in manifest.layers.iter().zip(&image.layers) {
        let compression = Compression::of_layer(&blob.media_type)?;
        if seen.insert(&blob.digest) {
            layers.push(LayerPlan { blob: blob.clone(), diff_id: diff_id.clone(), compression });
        }
    }
    Ok(layers)
}

/// The store learns that the registry has the image. One that no registry had before is from now on what was pushed: the
/// next push need not pack it again.
fn remember(
    store: &Store,
    image: &ImageRecord,
    reference: &Reference,
    (new, digest, config): (&NewManifest, &Digest, &[u8]),
    published: bool,
) -> Result<()> {
    let lock = store.lock_shared()?;
    // Removed meanwhile: then there is nothing to remember.
    if store.image(&image.id)?.is_none() {
        return Ok(());
    }
    if !published && *digest != image.manifest {
        store.put_image(&lock, NewImage { manifest: &new.bytes, manifest_media_type: &new.media_type, config })?;
    }
    store.tag(&lock, &reference.with_digest(digest.clone()), image)
}

/// What the threads of one push share.
struct Work<'a> {
    engine: &'a Engine,
    store: &'a Store,
    client: &'a Client,
    to: Destination,
    places: Places,
    spool: PathBuf,
    packing: &'a Packing,
    published: bool,
    progress: &'a dyn Progress,
    /// For registries that the user's options are not about.
    relay: OnceLock<Option<Client>>,
    /// Registries that did not answer: they are not asked again.
    unreachable: Mutex<HashSet<String>>,
    queue: Mutex<std::vec::IntoIter<LayerPlan>>,
    /// By the digest of the original blob.
    placed: Mutex<HashMap<Digest, Placed>>,
    repacked: Mutex<Vec<Digest>>,
    /// The first failure.
    failure: Mutex<Option<Error>>,
    failed: AtomicBool,
}

/// The value of a lock, whatever became of who held it.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Work<'_> {
    /// Sends the configuration.
    fn config(&self, manifest: &Manifest, bytes: &[u8]) -> Result<Descriptor> {
        let config = Descriptor { size: bytes.len() as u64, ..manifest.config.clone() };
        if !config.digest.is_of(bytes) {
            return Err(Error::system("its configuration is not the one that its manifest names")
                .hint("pull the image again: what is damaged is fetched"));
        }
        if !self.client.has_blob(&self.to, &config)? {
            self.client.upload(&self.to, &config, spool::hold(&self.spool, bytes)?, |_| true)?;
        }
        Ok(config)
    }

    /// Brings all layers to the registry, several at a time.
    fn layers(&self) -> Result<(HashMap<Digest, Placed>, Vec<Digest>)> {
        std::thread::scope(|scope| {
            for _ in 0..LAYERS_AT_ONCE {
                let started = std::thread::Builder::new().name("layer".into()).spawn_scoped(scope, || self.run());
                if let Err(error) = started {
                    self.fail(Error::system("cannot start a thread").caused_by(error));
                }
            }
        });
        match locked(&self.failure).take() {
            Some(error) => Err(error),
            None => Ok((std::mem::take(&mut *locked(&self.placed)), std::mem::take(&mut *locked(&self.repacked)))),
        }
    }

    /// One thread's part.
    fn run(&self) {
        while !self.failed.load(Ordering::Relaxed) {
            let next = locked(&self.queue).next();
            let Some(layer) = next else { return };
            match self.layer(&layer) {
                Ok(placed) => drop(locked(&self.placed).insert(layer.blob.digest.clone(), placed)),
                Err(error) => self.fail(error),
            }
        }
    }

    fn fail(&self, error: Error) {
        self.failed.store(true, Ordering::Relaxed);
        locked(&self.failure).get_or_insert(error);
    }

    /// Brings one layer to the registry.
    fn layer(&self, layer: &LayerPlan) -> Result<Placed> {
        let original =
            Placed { digest: layer.blob.digest.clone(), size: layer.blob.size, compression: layer.compression };
        if media::is_foreign(&layer.blob.media_type) {
            self.progress.layer_skipped(&layer.diff_id);
            return Ok(original);
        }
        let spool = match self.packing.repack(layer.compression, self.published) {
            Some(compression) => self.pack(layer, compression)?,
            None if self.is_there(layer, &layer.blob)? => return Ok(original),
            None if layer.blob.digest == layer.diff_id => self.pack(layer, Compression::None)?,
            None => match self.relay(layer) {
                Ok(spool) => spool,
                Err(why) => {
                    let spool = self.pack(layer, layer.compression).map_err(|error| self.hopeless(error, why))?;
                    if spool.blob.digest != layer.blob.digest {
                        locked(&self.repacked).push(layer.diff_id.clone());
                    }
                    spool
                }
            },
        };
        self.send(layer, spool)
    }

    /// A layer that can be had neither here nor elsewhere.
    fn hopeless(&self, error: Error, elsewhere: Option<Error>) -> Error {
        match elsewhere {
            Some(elsewhere) => error.hint(format!("nor can it be copied: {}", elsewhere.chain())),
            None => error,
        }
    }

    /// Whether the destination has the blob, or has got it from another of its repositories.
    fn is_there(&self, layer: &LayerPlan, blob: &Descriptor) -> Result<bool> {
        if self.client.has_blob(&self.to, blob)? {
            self.progress.layer_exists(&layer.diff_id);
            return Ok(true);
        }
        for from in self.places_of(blob) {
            if self.client.mount(&self.to, &blob.digest, from)? == Mounted::Yes {
                self.progress.layer_mounted(&layer.diff_id, from);
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn places_of(&self, blob: &Descriptor) -> impl Iterator<Item = &Reference> {
        self.places.get(&blob.digest).into_iter().flatten().take(TRIES)
    }

    fn pack(&self, layer: &LayerPlan, compression: Compression) -> Result<Spool> {
        self.progress.layer_preparing(&layer.diff_id);
        let stored = self.store.layer(&layer.diff_id)?.ok_or_else(|| {
            Error::not_found(format!("the layer `{}` is not in the store any more", layer.diff_id.short()))
                .hint("was the image removed meanwhile? pull it again")
        })?;
        spool::pack(&self.spool, &stored, compression, self.packing.level, &self.failed)
    }

    /// Fetches the original blob from where it is known to be. The error is that of the last place, if there is one.
    fn relay(&self, layer: &LayerPlan) -> Result<Spool, Option<Error>> {
        let mut failed = None;
        for from in self.places_of(&layer.blob) {
            if locked(&self.unreachable).contains(from.registry()) {
                continue;
            }
            self.progress.layer_preparing(&layer.diff_id);
            let Some(client) = self.client_for(from) else { continue };
            let copied = client
                .blob_in(from, &layer.blob)
                .and_then(|blob| spool::copy(&self.spool, blob, &layer.blob, layer.compression, &self.failed));
            match copied {
                Ok(spool) => return Ok(spool),
                Err(error) => {
                    if error.kind() == Kind::Network {
                        locked(&self.unreachable).insert(from.registry().to_owned());
                    }
                    failed = Some(error);
                }
            }
        }
        Err(failed)
    }

    /// The client for the registry of `from`: options such as `--creds` are about the destination's alone. To others nobody
    /// waits long, as there is another way.
    fn client_for(&self, from: &Reference) -> Option<&Client> {
        if self.to.is_in(from.registry()) {
            return Some(self.client);
        }
        let make = || {
            let patience = Patience {
                connect: Duration::from_secs(5),
                attempts: 2,
                exchange: Duration::from_secs(30),
                ..self.engine.registry.patience
            };
            let settings = Settings {
                tls_verify: None,
                credentials: None,
                certificates: None,
                patience,
                ..self.engine.registry.clone()
            };
            Client::new(settings).ok()
        };
        self.relay.get_or_init(make).as_ref()
    }

    fn send(&self, layer: &LayerPlan, spool: Spool) -> Result<Placed> {
        let Spool { file, blob } = spool;
        let descriptor = Descriptor { digest: blob.digest.clone(), size: blob.size, ..layer.blob.clone() };
        // What was packed anew may be there from an earlier push.
        if blob.digest != layer.blob.digest && self.is_there(layer, &descriptor)? {
            return Ok(blob);
        }
        self.upload(layer, &descriptor, file)?;
        self.progress.layer_done(&layer.diff_id);
        Ok(blob)
    }

    fn upload(&self, layer: &LayerPlan, blob: &Descriptor, file: File) -> Result<()> {
        self.progress.layer_started(&layer.diff_id, blob.size);
        failpoint::here("push.blob")?;
        trace::step(|| {
            format!("uploads the layer {} as the blob {} of {} bytes", layer.diff_id.short(), blob.digest, blob.size)
        });
        self.client.upload(&self.to, blob, file, |sent| {
            self.progress.layer_moved(&layer.diff_id, sent);
            !self.failed.load(Ordering::Relaxed)
        })
    }
}

#[cfg(test)]
mod tests;
