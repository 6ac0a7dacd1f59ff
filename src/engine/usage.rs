//! How much space containers take: what they wrote, and the layers below it.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Engine, isolated};
use crate::base::error::if_absent;
use crate::base::{Result, ResultExt};
use crate::oci::Digest;
use crate::state::ContainerConfig;
use crate::store::Layer;

/// The sizes of a container, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// What it wrote: docker's `SizeRw`.
    pub writable: u64,
    /// The layers of its image.
    pub layers: u64,
}

impl Sizes {
    /// Everything it sees: docker's `SizeRootFs`.
    pub fn total(self) -> u64 {
        self.writable.saturating_add(self.layers)
    }
}

/// Measures containers. Their files belong to the user's subordinate ids and may be closed to the user, so that the
/// outer namespace is entered for it, once.
pub fn sizes(engine: &Engine, containers: &[&ContainerConfig]) -> Result<Vec<Sizes>> {
    if containers.is_empty() {
        return Ok(Vec::new());
    }
    let layers = containers.iter().map(|config| Ok(layers(engine, config)?.iter().map(|layer| layer.size).sum()));
    let layers: Vec<u64> = layers.collect::<Result<_>>()?;
    let written: Vec<u64> = isolated::inside(&engine.paths, || {
        containers.iter().map(|config| tree_size(&engine.paths.container(&config.id).join("upper"))).collect()
    })
    .context(|| "cannot measure containers")?;
    Ok(written.into_iter().zip(layers).map(|(writable, layers)| Sizes { writable, layers }).collect())
}

/// The layers of a container's image that are there, lowest first.
pub fn layers(engine: &Engine, config: &ContainerConfig) -> Result<Vec<Layer>> {
    let store = engine.store()?;
    let digests = config.image.layers.iter().filter_map(|layer| layer.parse::<Digest>().ok());
    let layers: Vec<Option<Layer>> = digests.map(|digest| store.layer(&digest)).collect::<Result<_>>()?;
    Ok(layers.into_iter().flatten().collect())
}

/// The sum of the sizes of all files but directories; one of several names counts once.
fn tree_size(root: &Path) -> Result<u64> {
    let mut total = 0u64;
    let mut seen = HashSet::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        // Running containers add and remove files meanwhile.
        let Some(entries) = if_absent(fs::read_dir(&directory)).at(&directory, "cannot list")? else { continue };
        for entry in entries.flatten() {
            let Some(metadata) = if_absent(entry.metadata()).at(&entry.path(), "cannot examine")? else { continue };
            if metadata.is_dir() {
                pending.push(entry.path());
            } else if metadata.nlink() == 1 || seen.insert((metadata.dev(), metadata.ino())) {
                total = total.saturating_add(metadata.len());
            }
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;

    #[test]
    fn files_count_once_and_directories_not() {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let root = scratch.path();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/one"), [0; 1000]).unwrap();
        fs::hard_link(root.join("a/one"), root.join("a/b/two")).unwrap();
        fs::write(root.join("a/b/three"), [0; 24]).unwrap();
        std::os::unix::fs::symlink("0123456789", root.join("link")).unwrap();
        assert_eq!(tree_size(root).unwrap(), 1034);
        assert_eq!(tree_size(&root.join("absent")).unwrap(), 0);
    }
}
