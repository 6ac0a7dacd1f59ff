//! `load`: images from an archive into the store.
//!
//! An archive becomes visible as a whole or not at all, see the parent module. Layers that the store has are not unpacked
//! again. An image that it has keeps its manifest, under whose digest a registry may know it; it only gets the names.

use std::collections::HashMap;
use std::os::fd::OwnedFd;

use serde::{Deserialize, Serialize};

use super::found::{self, Found, FoundLayer};
use super::source::{Source, Verified};
use super::write;
use crate::archive::Limits;
use crate::base::{Error, Kind, Result, ResultExt, failpoint, text};
use crate::engine::Engine;
use crate::engine::progress::Progress;
use crate::engine::push::{Format, Placed};
use crate::engine::worker::{self, Given, Job, Place};
use crate::oci::{Compression, Digest, Platform, Reference, media};
use crate::spec::events::Action;
use crate::store::{FinishedLayer, ImageRecord, NewImage, Store};

/// How often layers that others removed meanwhile are unpacked again.
const ROUNDS: usize = 3;

/// What to load.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LoadRequest {
    /// `--platform`: only images for it. Otherwise those for this machine where there are several.
    pub platform: Option<Platform>,
    /// Only the image with this tag or digest.
    #[serde(default)]
    pub only: Option<String>,
    /// The images get no names.
    #[serde(default)]
    pub unnamed: bool,
}

impl LoadRequest {
    /// The images that are asked for.
    fn of(&self, mut images: Vec<Found>) -> Result<Vec<Found>> {
        if let Some(wanted) = &self.only {
            images.retain(|image| image.is_called(wanted));
            if images.is_empty() {
                return Err(Error::not_found(format!("the archive has no image `{}`", text::clean(wanted))));
            }
        }
        if self.unnamed {
            images.iter_mut().for_each(|image| image.names.clear());
        }
        Ok(images)
    }
}

/// An image that was loaded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Loaded {
    /// The names that it got, in the archive's order.
    pub names: Vec<Reference>,
    /// The image.
    pub image: ImageRecord,
    /// Names that other images had before, with the ids of those.
    pub taken: Vec<(Reference, Digest)>,
}

/// Loads the images of the archive `input`: a file, a pipe, or a directory.
pub fn load(engine: &Engine, request: &LoadRequest, input: OwnedFd, progress: &dyn Progress) -> Result<Vec<Loaded>> {
    let given = Given { progress, descriptor: Some(input) };
    worker::call_with(engine, request.clone(), given).context(|| "cannot load the archive")
}

impl Job for LoadRequest {
    const NAME: &'static str = "load";
    const PLACE: Place = Place::Outer;
    type Report = Vec<Loaded>;

    fn run(self, engine: &Engine, given: Given<'_>) -> Result<Vec<Loaded>> {
        let input = given.descriptor.ok_or_else(|| Error::system("no archive was passed on"))?;
        let store = engine.store()?;
        let source = Source::open(input, &store.staging())?;
        let images = self.of(found::images(&source, self.platform.as_ref())?)?;
        let loaded = into_store(&store, &source, &images, given.progress)?;
        for Loaded { names, image, .. } in &loaded {
            let id = image.id.to_string();
            engine.tell_of_image(Action::Load, &id, &names.first().map_or(id.clone(), Reference::familiar));
        }
        Ok(loaded)
    }
}

/// Unpacks what is missing, then makes everything visible.
pub(super) fn into_store(
    store: &Store,
    source: &Source,
    images: &[Found],
    progress: &dyn Progress,
) -> Result<Vec<Loaded>> {
    let _adding = store.begin_adding()?;
    // What killed ones left. It can wait.
    let _ = store.sweep();
    let mut sizes = HashMap::new();
    for _ in 0..ROUNDS {
        let mut fresh = Vec::new();
        for layer in found::layers(images) {
            match store.layer(&layer.diff_id)? {
                Some(_) => progress.layer_exists(&layer.diff_id),
                None => fresh.push(unpack(store, source, layer, &mut sizes, progress)?),
            }
        }
        progress.storing();
        failpoint::here("load.unpacked")?;
        match publish(store, source, images, fresh, &mut sizes) {
            // A layer that was there has been removed meanwhile.
            Err(error) if error.kind() == Kind::NotFound => {}
            loaded => return loaded,
        }
    }
    Err(Error::conflict("its layers are removed as fast as they come").hint("is a cleanup running? try again after it"))
}

/// A layer, unpacked and verified. Its size as a tar stream is noted in `sizes`.
fn unpack(
    store: &Store,
    source: &Source,
    layer: &FoundLayer,
    sizes: &mut HashMap<Digest, u64>,
    progress: &dyn Progress,
) -> Result<FinishedLayer> {
    let failed = || format!("cannot unpack the layer `{}`", layer.diff_id.short());
    let (contents, size) = source.file(&layer.file)?.ok_or_else(|| found::absent(&layer.file))?;
    progress.layer_started(&layer.diff_id, size);
    let mut contents = Verified::new(contents, layer.blob.as_ref().map_or(&layer.diff_id, |(digest, _)| digest));
    let staged = store.stage_layer()?;
    let counted = Counted { inner: &mut contents, count: 0, layer: &layer.diff_id, progress };
    let unpacked = staged.unpack(counted, layer.compression, &Limits::default());
    let unpacked = match (unpacked, &layer.blob) {
        (Ok(unpacked), None) => unpacked,
        (Ok(unpacked), Some((digest, size))) => contents.finish((digest, *size)).map(|()| unpacked)?,
        // Content that makes no sense is often just not the content that it should be: say that instead.
        (Err(error), Some((digest, size))) if error.kind() == Kind::Invalid => {
            contents.finish((digest, *size))?;
            return Err(error).context(failed);
        }
        (Err(error), _) => return Err(error).context(failed),
    };
    if unpacked.diff_id != layer.diff_id {
        return Err(Error::invalid(format!(
            "the layer `{}` unpacks to `{}`, but the image demands `{}`",
            layer.file, unpacked.diff_id, layer.diff_id
        ))
        .hint("the archive was damaged or changed; nothing of it was kept"));
    }
    sizes.insert(layer.diff_id.clone(), unpacked.tar_size);
    progress.layer_done(&layer.diff_id);
    Ok(staged.finish(&unpacked))
}

/// Makes layers, images and names visible, in this order.
fn publish(
    store: &Store,
    source: &Source,
    images: &[Found],
    layers: Vec<FinishedLayer>,
    sizes: &mut HashMap<Digest, u64>,
) -> Result<Vec<Loaded>> {
    let layers = store.sync_layers(layers)?;
    let lock = store.lock_shared()?;
    layers.publish(&lock)?;
    let mut loaded = Vec::new();
    for image in images {
        let id = Digest::sha256(&image.config_bytes);
        let known = store.image(&id)?.filter(|known| {
            let layers = known.layers.iter().all(|layer| matches!(store.layer(layer), Ok(Some(_))));
            layers && store.image_manifest_bytes(known).is_ok() && store.image_config_bytes(known).is_ok()
        });
        let record = match known {
            Some(known) => known,
            None => {
                let (manifest, media_type) = match &image.manifest {
                    Some(manifest) => manifest.clone(),
                    None => (manifest_of(store, source, image, sizes)?, media::DOCKER_MANIFEST.to_owned()),
                };
                let new =
                    NewImage { manifest: &manifest, manifest_media_type: &media_type, config: &image.config_bytes };
                store.put_image(&lock, new)?
            }
        };
        loaded.push(Loaded { names: image.names.clone(), image: record, taken: Vec::new() });
    }
    for image in &mut loaded {
        for name in &image.names {
            let before = store.resolve(name)?.filter(|before| before.id != image.image.id);
            image.taken.extend(before.map(|before| (name.clone(), before.id)));
            store.tag(&lock, name, &image.image)?;
        }
    }
    Ok(loaded)
}

/// The manifest of an image that came without one: its layers are not compressed.
fn manifest_of(store: &Store, source: &Source, image: &Found, sizes: &mut HashMap<Digest, u64>) -> Result<Vec<u8>> {
    let mut layers = Vec::new();
    for layer in &image.layers {
        let size = match sizes.get(&layer.diff_id) {
            Some(size) => *size,
            None => {
                let present = store.layer(&layer.diff_id)?;
                let present = present.filter(|layer| layer.rebuildable).map(|layer| layer.tar_size()).transpose()?;
                let held = || Ok::<_, Error>(source.file(&layer.file)?.map_or(0, |(_, size)| size));
                let size = present.map_or_else(held, Ok)?;
                sizes.insert(layer.diff_id.clone(), size);
                size
            }
        };
        layers.push(Placed { digest: layer.diff_id.clone(), size, compression: Compression::None });
    }
    write::manifest(Format::Docker, &image.config_bytes, &layers)
}

/// Tells how far a layer is.
struct Counted<'a, R> {
    inner: R,
    count: u64,
    layer: &'a Digest,
    progress: &'a dyn Progress,
}

impl<R: std::io::Read> std::io::Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count += count as u64;
        if count > 0 {
            self.progress.layer_moved(self.layer, self.count);
        }
        Ok(count)
    }
}
