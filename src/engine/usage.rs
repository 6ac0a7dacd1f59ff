//! How much space containers take: what they wrote, and the layers below it.

use std::collections::{BTreeMap, HashSet};
use std::os::fd::AsFd;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Engine;
use super::worker::{self, Given, Job, Place};
use crate::base::error::{WireError, if_absent};
use crate::base::id::Name;
use crate::base::{ContainerId, Error, Result, ResultExt};
use crate::oci::Digest;
use crate::state::{ContainerConfig, Volumes};
use crate::store::Layer;
use crate::sys::beneath::{BeneathDir, each_file};

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

/// Measures containers, each for itself: that one cannot be measured says nothing of the others. Their files belong to the
/// user's subordinate ids and may be closed to the user, so that the outer namespace is entered for it, once.
pub fn sizes(engine: &Engine, containers: &[&ContainerConfig]) -> Result<Vec<Result<Sizes>>> {
    if containers.is_empty() {
        return Ok(Vec::new());
    }
    let measure = Measure { containers: containers.iter().map(|config| config.id.clone()).collect() };
    let written = worker::call_silently(engine, measure).context(|| "cannot measure containers")?;
    let sizes = |(written, config): (Result<u64, WireError>, &&ContainerConfig)| {
        let layers = layers(engine, config)?.iter().map(|layer| layer.size).sum();
        Ok::<_, Error>(Sizes { writable: written.map_err(Error::from)?, layers })
    };
    let failed = |config: &ContainerConfig| format!("cannot measure the container `{}`", config.name);
    let name = |(written, config)| sizes((written, config)).context(|| failed(config));
    Ok(written.into_iter().zip(containers).map(name).collect())
}

/// How many bytes the files of volumes take; one that cannot be measured is left out.
pub fn volumes(engine: &Engine, names: Vec<Name>) -> Result<BTreeMap<Name, u64>> {
    match names.is_empty() {
        true => Ok(BTreeMap::new()),
        false => worker::call_silently(engine, MeasureVolumes { names }).context(|| "cannot measure volumes"),
    }
}

/// Adds up the files of volumes, in bytes for each that can be measured.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MeasureVolumes {
    names: Vec<Name>,
}

impl Job for MeasureVolumes {
    const NAME: &'static str = "measure";
    const PLACE: Place = Place::Outer;
    type Report = BTreeMap<Name, u64>;

    fn run(self, engine: &Engine, _given: Given<'_>) -> Result<Self::Report> {
        let volumes = Volumes::new(&engine.paths);
        let size = |name: Name| {
            let size = tree_size(&volumes.place_of(&name).ok()?.path).ok()?;
            Some((name, size))
        };
        Ok(self.names.into_iter().filter_map(size).collect())
    }
}

/// Adds up what containers wrote, in bytes for each.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Measure {
    containers: Vec<ContainerId>,
}

impl Job for Measure {
    const NAME: &'static str = "measure";
    const PLACE: Place = Place::Outer;
    type Report = Vec<Result<u64, WireError>>;

    fn run(self, engine: &Engine, _given: Given<'_>) -> Result<Self::Report> {
        let size = |id| tree_size(&engine.paths.container(id).join("upper")).map_err(|error| WireError::from(&error));
        Ok(self.containers.iter().map(size).collect())
    }
}

/// The layers of a container's image that are there, lowest first.
pub fn layers(engine: &Engine, config: &ContainerConfig) -> Result<Vec<Layer>> {
    let store = engine.store()?;
    let digests = config.image.layers.iter().filter_map(|layer| layer.parse::<Digest>().ok());
    let layers: Vec<Option<Layer>> = digests.map(|digest| store.layer(&digest)).collect::<Result<_>>()?;
    Ok(layers.into_iter().flatten().collect())
}

/// The sum of the sizes of all files but directories; one of several names counts once. The container may change the tree
/// meanwhile, and make it as deep as it likes: it is gone through by descriptors, and errors do not repeat its names.
fn tree_size(root: &Path) -> Result<u64> {
    let Some(tree) = if_absent(BeneathDir::open(root)).at(root, "cannot open")? else { return Ok(0) };
    let (mut total, mut seen) = (0u64, HashSet::new());
    let count = |stat: &rustix::fs::Stat| {
        if stat.st_nlink == 1 || seen.insert((stat.st_dev, stat.st_ino)) {
            total = total.saturating_add(u64::try_from(stat.st_size).unwrap_or(0));
        }
    };
    match each_file(tree.as_fd(), count).at(root, "cannot measure")? {
        true => Ok(total),
        false => Err(Error::conflict(format!("the directories in `{}` are moved faster than counted", root.display()))),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

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
