//! Images: a configuration, a manifest and the layers they name, under the digest of the configuration.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Layer, Store, StoreLock, digest_of_name, stack};
use crate::base::error::if_absent;
use crate::base::publish::{self, Durability};
use crate::base::{Error, Result, ResultExt, failpoint};
use crate::oci::{Digest, ImageConfig, Parsed, Platform, Reference, parse_manifest};

/// `images/<id>.json`: what is asked about an image without reading its configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRecord {
    pub(super) version: u32,
    /// The image's id: the digest of its configuration.
    pub id: Digest,
    /// The digest of its manifest.
    pub manifest: Digest,
    /// The manifest's media type.
    pub manifest_media_type: String,
    /// What it was built for.
    pub platform: Platform,
    /// When it was built, if it tells.
    pub created: Option<Timestamp>,
    /// The sum of the sizes of its layers, in bytes.
    pub size: u64,
    /// The diff ids of its layers, lowest first.
    pub layers: Vec<Digest>,
}

/// An image to be stored, as it came from a registry or archive.
#[derive(Debug, Clone, Copy)]
pub struct NewImage<'a> {
    /// The manifest's bytes.
    pub manifest: &'a [u8],
    /// The manifest's media type.
    pub manifest_media_type: &'a str,
    /// The configuration's bytes.
    pub config: &'a [u8],
}

/// An image with its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedImage {
    /// The image.
    pub record: ImageRecord,
    /// Its tags, in order of the alphabet; none for a dangling image.
    pub references: Vec<Reference>,
    /// The digests under which registries have it (docker's RepoDigests).
    pub digests: Vec<Reference>,
}

impl Store {
    /// Stores an image whose layers are all there ([`Kind::NotFound`](crate::base::Kind::NotFound) if one is not: it was
    /// removed meanwhile). Durable on return. The same image again is no error; with another manifest (the same layers
    /// compressed otherwise) the newer replaces the older.
    pub fn put_image<M>(&self, _lock: &StoreLock<M>, image: NewImage<'_>) -> Result<ImageRecord> {
        self.writable()?;
        let config = ImageConfig::parse(image.config)?;
        let layers = config.rootfs.diff_ids.clone();
        if let Parsed::Manifest(manifest) = parse_manifest(image.manifest, Some(image.manifest_media_type))?
            && manifest.layers.len() != layers.len()
        {
            return Err(Error::invalid(format!(
                "the image's manifest has {} layers, its configuration {}",
                manifest.layers.len(),
                layers.len()
            )));
        }
        let mut size = 0u64;
        for diff_id in &layers {
            let layer = self.layer(diff_id)?;
            size = size.saturating_add(layer.ok_or_else(|| missing_layer(diff_id))?.size);
        }
        let record = ImageRecord {
            version: super::VERSION,
            id: self.put_blob(image.config)?,
            manifest: self.put_blob(image.manifest)?,
            manifest_media_type: image.manifest_media_type.to_owned(),
            platform: config.platform(),
            created: config.created_at(),
            size,
            layers,
        };
        let earlier = self.image(&record.id)?;
        if earlier.as_ref() != Some(&record) {
            publish::json(&self.image_path(&record.id), &record, Durability::Durable)?;
            failpoint::pass("store.image.recorded");
        }
        if let Some(earlier) = earlier.filter(|earlier| earlier.manifest != record.manifest) {
            self.discard_blob(&earlier.manifest)?;
        }
        Ok(record)
    }

    /// The image with this id. A damaged record counts as absent.
    pub fn image(&self, id: &Digest) -> Result<Option<ImageRecord>> {
        read_record(&self.image_path(id))
    }

    /// The configuration of an image.
    pub fn image_config(&self, image: &ImageRecord) -> Result<ImageConfig> {
        ImageConfig::parse(&self.image_config_bytes(image)?)
    }

    /// The configuration of an image as it came.
    pub fn image_config_bytes(&self, image: &ImageRecord) -> Result<Vec<u8>> {
        self.blob(&image.id)?.ok_or_else(|| damaged(image, "its configuration is missing or damaged"))
    }

    /// The manifest of an image as it came.
    pub fn image_manifest_bytes(&self, image: &ImageRecord) -> Result<Vec<u8>> {
        self.blob(&image.manifest)?.ok_or_else(|| damaged(image, "its manifest is missing or damaged"))
    }

    /// The layers of an image that are visible in it, lowest first: what a union stacks.
    pub fn image_layers(&self, image: &ImageRecord) -> Result<Vec<Layer>> {
        let mut layers = Vec::with_capacity(image.layers.len());
        for diff_id in &image.layers {
            let layer =
                self.layer(diff_id)?.ok_or_else(|| damaged(image, &format!("its layer `{diff_id}` is missing")))?;
            layers.push(layer);
        }
        Ok(stack(layers))
    }

    /// All images with their names, the newest first.
    pub fn list(&self) -> Result<Vec<ListedImage>> {
        let mut images = Vec::new();
        for id in names_in(&self.path("images"))? {
            if let Some(record) = self.image(&id)? {
                images.push(ListedImage { record, references: Vec::new(), digests: Vec::new() });
            }
        }
        // By id for the search below, by age in the end.
        images.sort_by(|a, b| a.record.id.cmp(&b.record.id));
        for (reference, id) in self.references()? {
            if let Ok(at) = images.binary_search_by(|image| image.record.id.cmp(&id)) {
                match reference.digest() {
                    Some(_) => images[at].digests.push(reference),
                    None => images[at].references.push(reference),
                }
            }
        }
        for image in &mut images {
            image.references.sort();
            image.digests.sort();
        }
        images.sort_by_key(|image| std::cmp::Reverse(image.record.created));
        Ok(images)
    }

    pub(super) fn image_path(&self, id: &Digest) -> PathBuf {
        self.path("images").join(format!("{}.json", id.hex()))
    }
}

/// Reads an image record. An unreadable one counts as absent, one of a newer format is refused.
pub(super) fn read_record(path: &Path) -> Result<Option<ImageRecord>> {
    let Some(bytes) = if_absent(fs::read(path)).at(path, "cannot read")? else {
        return Ok(None);
    };
    let record = serde_json::from_slice::<ImageRecord>(&bytes).ok();
    match record {
        Some(record) if record.version > super::VERSION => {
            Err(Error::unsupported(format!("the image `{}` was stored by a newer coracle", record.id)))
        }
        record => Ok(record),
    }
}

/// The digests whose digits are names of files in `directory`.
pub(super) fn names_in(directory: &Path) -> Result<Vec<Digest>> {
    let mut digests = Vec::new();
    for entry in fs::read_dir(directory).at(directory, "cannot list")? {
        let name = entry.at(directory, "cannot list")?.file_name();
        digests.extend(digest_of_name(OsStr::new(&name)));
    }
    Ok(digests)
}

fn missing_layer(diff_id: &Digest) -> Error {
    Error::not_found(format!("the layer `{diff_id}` is not in the store")).hint("it was removed meanwhile: try again")
}

fn damaged(image: &ImageRecord, what: &str) -> Error {
    Error::system(format!("the image `{}` cannot be used: {what}", image.id.short()))
        .hint("pull the image again: what is missing is fetched")
}
