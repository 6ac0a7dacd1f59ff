//! New images in the store: those of `commit` and of builds. Layers made from upper directories of unions, put on the
//! layers of another image, with another configuration.
//!
//! # How to use it
//!
//! As root of the namespace that owns the store's trees (in a job of [`Place::Outer`](crate::engine::worker)), with
//! [`Store::begin_adding`] held from before the first layer until the image is there:
//!
//! 1. [`MadeLayer::of_upper`] for each layer: it reads the upper directory once, and writes the layer's tree and recipe into
//!    the store's staging.
//! 2. [`publish`] makes the layers durable and visible.
//! 3. [`put`] stores the image, and names it.
//!
//! A process that ends in between leaves layers without an image, which a later sweep reclaims, and nothing else.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use serde::Serialize;

use crate::archive::pack::Packing;
use crate::archive::{Limits, Unpacked};
use crate::base::{Error, Result, ResultExt};
use crate::engine::push::{Format, layer_type};
use crate::oci::config::RootFs;
use crate::oci::{Compression, Descriptor, Digest, ImageConfig, Manifest, Parsed, Reference, media, parse_manifest};
use crate::store::{FinishedLayer, ImageRecord, NewImage, Store};
use crate::sys::beneath::BeneathDir;

/// A layer that was made here and is not visible yet.
#[derive(Debug)]
pub struct MadeLayer {
    finished: FinishedLayer,
    placed: PlacedLayer,
}

/// What the manifest and the configuration of an image say of a layer that was made here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedLayer {
    /// The digest of its tar stream.
    pub diff_id: Digest,
    /// Bytes of the tar stream.
    pub tar_size: u64,
    /// Bytes of its regular files.
    pub size: u64,
    /// Entries of the tar stream: 0 if nothing was changed.
    pub entries: u64,
}

impl MadeLayer {
    /// Makes a layer of the directory `upper` (`containers/<id>/upper`, or a build step's). [`Packing::union`] is implied.
    pub fn of_upper(store: &Store, upper: &Path, packing: &Packing) -> Result<Self> {
        let upper = BeneathDir::open(upper).at(upper, "cannot open")?;
        Self::of(store, upper.as_fd(), &Packing { union: true, layer: true, ..packing.clone() })
    }

    /// Makes a layer of all files in the directory `tree`, which is no part of a union, or the whole one.
    pub fn of_tree(store: &Store, tree: BorrowedFd<'_>, packing: &Packing) -> Result<Self> {
        Self::of(store, tree, &Packing { union: false, layer: true, ..packing.clone() })
    }

    fn of(store: &Store, tree: BorrowedFd<'_>, packing: &Packing) -> Result<Self> {
        let staged = store.stage_layer()?;
        let unpacked = staged.repack(tree, packing, &Limits::default())?;
        let Unpacked { diff_id, tar_size, size, entries, .. } = unpacked.clone();
        let placed = PlacedLayer { diff_id, tar_size, size, entries };
        Ok(Self { finished: staged.finish(&unpacked), placed })
    }

    /// What was made.
    pub fn placed(&self) -> &PlacedLayer {
        &self.placed
    }
}

/// Makes layers durable and visible, with one sync for all of them.
pub fn publish(store: &Store, layers: Vec<MadeLayer>) -> Result<Vec<PlacedLayer>> {
    let (finished, placed): (Vec<_>, Vec<_>) = layers.into_iter().map(|layer| (layer.finished, layer.placed)).unzip();
    let synced = store.sync_layers(finished)?;
    synced.publish(&store.lock_shared()?)?;
    Ok(placed)
}

/// An image to be stored.
#[derive(Debug, Clone)]
pub struct Derived<'a> {
    /// The image whose layers come first.
    pub base: Option<&'a ImageRecord>,
    /// The layers on top of them, lowest first; they have been published.
    pub layers: &'a [PlacedLayer],
    /// The whole configuration but for the layers, which are filled in. Begin with the base's
    /// ([`Store::image_config`]) and add an entry of history for each step.
    pub config: ImageConfig,
    /// The format of the manifest; as the base has it when none.
    pub format: Option<Format>,
    /// Annotations of the manifest, which docker's format does not have.
    pub annotations: &'a [(String, String)],
    /// The names of the image. It may have none.
    pub names: &'a [Reference],
}

/// Stores an image. Durable on return.
pub fn put(store: &Store, derived: Derived<'_>) -> Result<ImageRecord> {
    let lock = store.lock_shared()?;
    let base = match derived.base {
        Some(image) => {
            let bytes = store.image_manifest_bytes(image)?;
            let Parsed::Manifest(manifest) = parse_manifest(&bytes, Some(&image.manifest_media_type))? else {
                return Err(Error::invalid("the manifest of the base image is an index"));
            };
            Some((image, manifest))
        }
        None => None,
    };
    let lower = base.iter().flat_map(|(image, _)| image.layers.iter().cloned());
    let diff_ids = lower.chain(derived.layers.iter().map(|layer| layer.diff_id.clone())).collect();
    let config = ImageConfig { rootfs: RootFs { kind: "layers".into(), diff_ids }, ..derived.config };
    let config = serde_json::to_vec(&config).context(|| "cannot describe the image")?;
    let (manifest, media_type) =
        manifest(derived.format, base.as_ref().map(|(_, base)| base), &config, derived.layers, derived.annotations)?;
    let new = NewImage { manifest: &manifest, manifest_media_type: media_type, config: &config };
    let image = store.put_image(&lock, new)?;
    for name in derived.names {
        store.tag(&lock, name, &image)?;
    }
    Ok(image)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    schema_version: u32,
    media_type: &'a str,
    config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    annotations: std::collections::BTreeMap<&'a str, &'a str>,
}

/// The manifest: the base's layers as a registry has them, then the new ones, which nobody has compressed yet.
fn manifest(
    format: Option<Format>,
    base: Option<&Manifest>,
    config: &[u8],
    layers: &[PlacedLayer],
    annotations: &[(String, String)],
) -> Result<(Vec<u8>, &'static str)> {
    let was = match base {
        Some(base) if base.media_type == media::DOCKER_MANIFEST => Format::Docker,
        _ => Format::Oci,
    };
    let format = format.unwrap_or(was);
    let (media_type, config_type) = match format {
        Format::Oci => (media::OCI_MANIFEST, media::OCI_CONFIG),
        Format::Docker => (media::DOCKER_MANIFEST, media::DOCKER_CONFIG),
    };
    let descriptor = |media_type: &str, digest, size| Descriptor {
        media_type: media_type.to_owned(),
        digest,
        size,
        platform: None,
        annotations: Default::default(),
    };
    let mut all = Vec::new();
    for layer in base.iter().flat_map(|base| &base.layers) {
        let compression = Compression::of_layer(&layer.media_type)?;
        if format == Format::Docker && compression == Compression::Zstd {
            return Err(Error::unsupported(
                "docker's format knows no layers that are compressed with zstd, as the base image has",
            )
            .hint("choose `--format oci`"));
        }
        all.push(match format == was {
            true => layer.clone(),
            false => descriptor(layer_type(format, compression), layer.digest.clone(), layer.size),
        });
    }
    let plain = layer_type(format, Compression::None);
    all.extend(layers.iter().map(|layer| descriptor(plain, layer.diff_id.clone(), layer.tar_size)));
    let written = Written {
        schema_version: 2,
        media_type,
        config: descriptor(config_type, Digest::sha256(config), config.len() as u64),
        layers: all,
        annotations: match format {
            Format::Oci => annotations.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect(),
            Format::Docker => Default::default(),
        },
    };
    Ok((serde_json::to_vec(&written).context(|| "cannot write the manifest")?, media_type))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;
    use crate::engine::fixtures;

    #[test]
    fn an_image_goes_on_from_another_one() {
        let (engine, _scratch) = fixtures::engine();
        let base = fixtures::image(&engine, "a", &["base"]);
        let store = engine.store().unwrap();
        let upper = Staging::new(&std::env::temp_dir()).unwrap();
        std::fs::create_dir(upper.path().join("d")).unwrap();
        std::fs::write(upper.path().join("d/f"), "text").unwrap();
        // Unit tests cannot give files to others.
        let made = MadeLayer::of_upper(&store, upper.path(), &Packing::default()).unwrap();
        assert_eq!((made.placed().size, made.placed().entries), (4, 2));
        let placed = publish(&store, vec![made]).unwrap();
        let mut config = store.image_config(&base).unwrap();
        let step = crate::oci::config::History { created_by: "RUN x".into(), ..Default::default() };
        config.history.push(step);
        let names = ["new:1".parse().unwrap()];
        let derived = |format, config| Derived {
            base: Some(&base),
            layers: &placed,
            config,
            format,
            annotations: &[],
            names: &names,
        };
        let image = put(&store, derived(None, config.clone())).unwrap();
        assert_eq!(store.lookup("new:1").unwrap().unwrap(), image);
        assert_eq!((image.layers.as_slice(), image.size), (&[placed[0].diff_id.clone()][..], 4));
        let stored = store.image_config(&image).unwrap();
        assert_eq!((stored.history.len(), stored.config.labels["name"].as_str()), (2, "a"));
        let layer = store.layer(&placed[0].diff_id).unwrap().unwrap();
        let mut tar = Vec::new();
        layer.write_tar(&mut tar).unwrap();
        assert_eq!((Digest::sha256(&tar), tar.len() as u64), (placed[0].diff_id.clone(), placed[0].tar_size));
        let docker = put(&store, derived(Some(Format::Docker), config)).unwrap();
        assert_eq!(docker.manifest_media_type, media::DOCKER_MANIFEST);
        let manifest = String::from_utf8(store.image_manifest_bytes(&docker).unwrap()).unwrap();
        assert!(manifest.contains(media::DOCKER_LAYER) && !manifest.contains("oci"), "{manifest}");
    }
}
