//! `system df`: what takes how much space, and how much of it nothing needs.
//!
//! Sizes are those of files. A layer that several images share counts once in the sum, and as shared in each of them.

use std::collections::{HashMap, HashSet};

use super::images::{NamedImage, Query};
use super::volume::{self, Listed};
use super::{Engine, build, images, usage};
use crate::base::Result;
use crate::oci::Digest;
use crate::state::Container;
use crate::store::CachedStep;

/// An image and its space, in bytes.
#[derive(Debug, Clone)]
pub struct ImageUsage {
    /// The image under one of its names.
    pub image: NamedImage,
    /// Of layers that other images have, too.
    pub shared: u64,
    /// Of the others.
    pub unique: u64,
}

/// A container and its space.
#[derive(Debug, Clone)]
pub struct ContainerUsage {
    /// The container.
    pub container: Container,
    /// Bytes it wrote; unknown when that cannot be told.
    pub size: Option<u64>,
}

/// A volume and its space.
#[derive(Debug, Clone)]
pub struct VolumeUsage {
    /// The volume.
    pub volume: Listed,
    /// Bytes in it; unknown when that cannot be told. None for a directory of the user's.
    pub size: Option<u64>,
}

/// One line of the summary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many there are.
    pub total: usize,
    /// How many are in use.
    pub active: usize,
    /// Bytes of all.
    pub size: u64,
    /// Bytes of those that are not in use.
    pub reclaimable: u64,
}

/// What takes space.
#[derive(Debug, Clone)]
pub struct Usage {
    /// All images, a row for each name.
    pub images: Vec<ImageUsage>,
    /// The images in sum, each once.
    pub image_sum: Sum,
    /// All containers.
    pub containers: Vec<ContainerUsage>,
    /// All volumes.
    pub volumes: Vec<VolumeUsage>,
    /// The build cache, the least recently used first.
    pub cache: Vec<build::Usage>,
    /// The layers of it that no image has, each once.
    pub cache_sum: Sum,
}

impl Usage {
    /// The containers in sum: those that run are in use.
    pub fn container_sum(&self) -> Sum {
        let of = |usage: &ContainerUsage| (usage.container.status.is_running(), usage.size.unwrap_or(0));
        sum(self.containers.iter().map(of))
    }

    /// The volumes in sum: those that a container has are in use.
    pub fn volume_sum(&self) -> Sum {
        sum(self.volumes.iter().map(|usage| (usage.volume.users > 0, usage.size.unwrap_or(0))))
    }
}

/// Sums up things that are in use or not, and their sizes.
fn sum(things: impl Iterator<Item = (bool, u64)>) -> Sum {
    things.fold(Sum::default(), |sum, (active, size)| Sum {
        total: sum.total + 1,
        active: sum.active + usize::from(active),
        size: sum.size.saturating_add(size),
        reclaimable: sum.reclaimable.saturating_add(if active { 0 } else { size }),
    })
}

/// Measures everything.
pub fn df(engine: &Engine) -> Result<Usage> {
    let store = engine.store()?;
    let listed = images::list(engine, &Query::default())?;
    let mut sizes = HashMap::new();
    for layer in listed.iter().flat_map(|image| &image.record.layers) {
        if !sizes.contains_key(layer) {
            sizes.insert(layer.clone(), store.layer(layer)?.map_or(0, |layer| layer.size));
        }
    }
    let image_sum = image_sum(&listed, &sizes);
    let shares = shares(&listed);
    let of = |image: NamedImage| {
        let layers: HashSet<&Digest> = image.record.layers.iter().collect();
        let (mut shared, mut unique) = (0u64, 0u64);
        for layer in layers {
            let size = sizes.get(layer).copied().unwrap_or(0);
            match shares.get(layer).copied().unwrap_or(0) > 1 {
                true => shared = shared.saturating_add(size),
                false => unique = unique.saturating_add(size),
            }
        }
        ImageUsage { image, shared, unique }
    };
    let images = listed.iter().cloned().map(of).collect();
    let containers: Vec<Container> = engine.containers().list()?.into_iter().flatten().collect();
    let configs: Vec<_> = containers.iter().map(|container| &container.config).collect();
    let written: Vec<Option<u64>> =
        usage::sizes(engine, &configs)?.into_iter().map(|sizes| sizes.ok().map(|sizes| sizes.writable)).collect();
    let containers = containers.into_iter().zip(written).map(|(container, size)| ContainerUsage { container, size });
    let (volumes, _) = volume::list(engine, &volume::Filters::default())?;
    let ours = volumes.iter().filter(|listed| listed.volume.device.is_none());
    let measured = usage::volumes(engine, ours.map(|listed| listed.volume.name.clone()).collect())?;
    let of = |volume: Listed| VolumeUsage { size: measured.get(&volume.volume.name).copied(), volume };
    Ok(Usage {
        images,
        image_sum,
        containers: containers.collect(),
        volumes: volumes.into_iter().map(of).collect(),
        cache: build::usage(engine)?,
        cache_sum: cache_sum(&store.build_cache().list()?, &sizes),
    })
}

/// Steps may have made the same layer, and images may have it. Nothing of the cache is ever in use: what a build needs and
/// does not find, it makes again.
fn cache_sum(steps: &[CachedStep], in_images: &HashMap<Digest, u64>) -> Sum {
    let layers = steps.iter().map(|step| &step.record.layer).filter(|layer| !in_images.contains_key(&layer.diff_id));
    let own: HashMap<&Digest, u64> = layers.map(|layer| (&layer.diff_id, layer.size)).collect();
    let size = own.values().fold(0u64, |sum, size| sum.saturating_add(*size));
    Sum { total: steps.len(), active: 0, size, reclaimable: size }
}

/// In how many images each layer is. An image with several names has several rows.
fn shares(images: &[NamedImage]) -> HashMap<Digest, usize> {
    let (mut seen, mut shares) = (HashSet::new(), HashMap::new());
    for image in images.iter().filter(|image| seen.insert(image.record.id.clone())) {
        let layers: HashSet<&Digest> = image.record.layers.iter().collect();
        layers.into_iter().for_each(|layer| *shares.entry(layer.clone()).or_default() += 1);
    }
    shares
}

/// All layers once; reclaimable are those that no image with a container has: what `image prune -a` frees.
fn image_sum(images: &[NamedImage], sizes: &HashMap<Digest, u64>) -> Sum {
    let mut seen = HashSet::new();
    let (mut total, mut active) = (0, 0);
    let mut used = HashSet::new();
    for image in images.iter().filter(|image| seen.insert(&image.record.id)) {
        total += 1;
        if image.containers > 0 {
            active += 1;
            used.extend(&image.record.layers);
        }
    }
    let size = sizes.values().fold(0u64, |sum, size| sum.saturating_add(*size));
    let unused = sizes.iter().filter(|(layer, _)| !used.contains(layer));
    let reclaimable = unused.fold(0u64, |sum, (_, size)| sum.saturating_add(*size));
    Sum { total, active, size, reclaimable }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures;

    #[test]
    fn layers_count_once_and_are_reclaimable_when_no_container_needs_them() {
        let (engine, _scratch) = fixtures::engine();
        let layer = |name: &str| Digest::sha256(name.as_bytes());
        let image = |name: &str, layers: &[&str], containers| {
            let mut record = fixtures::image(&engine, name, &[]);
            record.layers = layers.iter().map(|name| layer(name)).collect();
            NamedImage {
                record,
                repository: None,
                whole: None,
                tag: None,
                digest: None,
                containers,
                names: Default::default(),
            }
        };
        let one = image("one", &["base", "one"], 1);
        let images = [one.clone(), one, image("two", &["base", "two", "two"], 0)];
        let sizes = [("base", 100), ("one", 10), ("two", 1)].map(|(name, size)| (layer(name), size)).into();
        assert_eq!(image_sum(&images, &sizes), Sum { total: 2, active: 1, size: 111, reclaimable: 1 });
        let shares = shares(&images);
        assert_eq!([shares[&layer("base")], shares[&layer("one")], shares[&layer("two")]], [2, 1, 1]);
        let things = [(true, 5), (false, 7)];
        assert_eq!(sum(things.into_iter()), Sum { total: 2, active: 1, size: 12, reclaimable: 7 });
        let usage = df(&engine).unwrap();
        assert_eq!((usage.image_sum.total, usage.container_sum().total, usage.volume_sum().total), (2, 0, 0));
    }
}
