//! Pushed images: from blobs to layers of the store.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::archive::Limits;
use crate::base::{Error, Kind, Result, ResultExt};
use crate::oci::config::CONFIG_MAX;
use crate::oci::digest::Algorithm;
use crate::oci::{Compression, Descriptor, Digest, ImageConfig, Manifest, Reference, media};
use crate::store::{FinishedLayer, ImageRecord, NewImage, Store};

/// Layers that are unpacked at a time.
const AT_ONCE: usize = 2;
/// How often layers that others removed meanwhile are unpacked again.
const ROUNDS: usize = 3;

/// Gives the blob of a descriptor as a file.
pub type Opener<'a> = dyn Fn(&Descriptor) -> Result<Arc<File>> + Sync + 'a;

/// An image that was pushed.
pub struct Received<'a> {
    /// Its manifest.
    pub manifest: &'a Manifest,
    /// As it came.
    pub bytes: &'a [u8],
    /// Its configuration, as it came.
    pub config: Vec<u8>,
    layers: Vec<(Descriptor, Digest, Compression)>,
}

impl<'a> Received<'a> {
    /// Understands a manifest. None if it is something else than an image for Linux: an artifact, for example.
    pub fn of(manifest: &'a Manifest, bytes: &'a [u8], open: &Opener<'_>) -> Result<Option<Self>> {
        let is_image = matches!(manifest.config.media_type.as_str(), media::OCI_CONFIG | media::DOCKER_CONFIG);
        let compressions: Result<Vec<Compression>> =
            manifest.layers.iter().map(|layer| Compression::of_layer(&layer.media_type)).collect();
        let Ok(compressions) = compressions else { return Ok(None) };
        if !is_image || manifest.config.digest.algorithm() != Algorithm::Sha256 {
            return Ok(None);
        }
        let config = read_small(&*open(&manifest.config)?)?;
        let parsed = ImageConfig::parse(&config)?;
        if parsed.platform().os != "linux" {
            return Ok(None);
        }
        let diff_ids = parsed.rootfs.diff_ids;
        if diff_ids.len() != manifest.layers.len() {
            return Err(Error::invalid(format!(
                "the manifest has {} layers, the configuration {}",
                manifest.layers.len(),
                diff_ids.len()
            )));
        }
        let mut layers = Vec::new();
        for ((layer, diff_id), compression) in manifest.layers.iter().zip(diff_ids).zip(compressions) {
            if diff_id.algorithm() != Algorithm::Sha256 {
                return Err(Error::invalid("its layers are not identified by sha256"));
            }
            layers.push((layer.clone(), diff_id, compression));
        }
        Ok(Some(Self { manifest, bytes, config, layers }))
    }

    /// Whether the store makes this blob again from the layer, byte for byte.
    pub fn is_made_again(&self, digest: &Digest, store: &Store) -> bool {
        let is_plain = self.layers.iter().any(|(blob, diff_id, _)| blob.digest == *digest && diff_id == digest);
        is_plain && store.layer(digest).is_ok_and(|layer| layer.is_some_and(|layer| layer.rebuildable))
    }

    /// Unpacks what the store does not have, and makes the image visible there under `names`. An image that it has keeps its
    /// manifest, under whose digest another registry may know it.
    pub fn store(&self, store: &Store, names: &[Reference], open: &Opener<'_>) -> Result<ImageRecord> {
        let _adding = store.begin_adding()?;
        for _ in 0..ROUNDS {
            let fresh = self.unpack(store, open)?;
            let layers = store.sync_layers(fresh)?;
            let lock = store.lock_shared()?;
            layers.publish(&lock)?;
            let id = Digest::sha256(&self.config);
            let known = store.image(&id)?.filter(|known| {
                let layers = known.layers.iter().all(|layer| matches!(store.layer(layer), Ok(Some(_))));
                layers && store.image_manifest_bytes(known).is_ok() && store.image_config_bytes(known).is_ok()
            });
            let new =
                NewImage { manifest: self.bytes, manifest_media_type: &self.manifest.media_type, config: &self.config };
            let stored = match known {
                Some(known) => Ok(known),
                None => store.put_image(&lock, new),
            };
            match stored {
                // A layer that was there has been removed meanwhile.
                Err(error) if error.kind() == Kind::NotFound => {}
                Err(error) => return Err(error),
                Ok(image) => {
                    names.iter().try_for_each(|name| store.tag(&lock, name, &image))?;
                    return Ok(image);
                }
            }
        }
        Err(Error::conflict("its layers are removed as fast as they come"))
    }

    fn unpack(&self, store: &Store, open: &Opener<'_>) -> Result<Vec<FinishedLayer>> {
        let mut missing: Vec<&(Descriptor, Digest, Compression)> = Vec::new();
        for layer in &self.layers {
            if store.layer(&layer.1)?.is_none() && missing.iter().all(|other| other.1 != layer.1) {
                missing.push(layer);
            }
        }
        let threads = missing.len().min(AT_ONCE);
        let queue = Mutex::new(missing.into_iter());
        let done: Mutex<Result<Vec<FinishedLayer>>> = Mutex::new(Ok(Vec::new()));
        let locked = || done.lock().unwrap_or_else(PoisonError::into_inner);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while locked().is_ok() {
                        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                        let Some((blob, diff_id, compression)) = next else { return };
                        let unpacked = unpack(store, open, (blob, diff_id, *compression));
                        let mut done = locked();
                        match (&mut *done, unpacked) {
                            (Ok(all), Ok(layer)) => all.push(layer),
                            (Ok(_), Err(error)) => *done = Err(error),
                            (Err(_), _) => {}
                        }
                    }
                });
            }
        });
        done.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unpack(
    store: &Store,
    open: &Opener<'_>,
    (blob, diff_id, compression): (&Descriptor, &Digest, Compression),
) -> Result<FinishedLayer> {
    let staged = store.stage_layer()?;
    let reader = FromBeginning { file: open(blob)?, at: 0 };
    let unpacked = staged
        .unpack(reader, compression, &Limits::default())
        .context(|| format!("cannot unpack the layer `{}`", blob.digest.short()))?;
    match unpacked.diff_id == *diff_id {
        true => Ok(staged.finish(&unpacked)),
        false => Err(Error::invalid(format!(
            "the layer `{}` unpacks to `{}`, but the image demands `{diff_id}`",
            blob.digest.short(),
            unpacked.diff_id
        ))),
    }
}

/// A file from its beginning, however far others have read it.
struct FromBeginning {
    file: Arc<File>,
    at: u64,
}

impl Read for FromBeginning {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// A configuration.
fn read_small(file: &File) -> Result<Vec<u8>> {
    let failed = || "cannot read the configuration";
    let size = file.metadata().context(failed)?.len();
    if size > CONFIG_MAX as u64 {
        return Err(Error::invalid(format!("the configuration has more than {CONFIG_MAX} bytes")));
    }
    let mut bytes = vec![0; size as usize];
    file.read_exact_at(&mut bytes, 0).context(failed)?;
    Ok(bytes)
}
