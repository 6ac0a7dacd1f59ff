//! Layers: from staging to their place, and back by diff id or blob.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Store, StoreLock};
use crate::archive::pack::Packing;
use crate::archive::{self, Limits, Unpacked};
use crate::base::error::if_absent;
use crate::base::lock::{Lock, Mode};
use crate::base::publish::{self, Durability, Staging};
use crate::base::{Error, Result, ResultExt, failpoint};
use crate::oci::{Compression, Digest};

const TREE: &str = "tree";
const RECIPE: &str = "recipe";
pub(super) const RECORD: &str = "layer.json";

/// `layer.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct LayerRecord {
    version: u32,
    diff_id: Digest,
    /// Bytes in regular files.
    size: u64,
    /// Entries of the tar stream.
    entries: u64,
    /// Whether tree and recipe give the tar stream back.
    rebuildable: bool,
    /// Whether nothing below this layer is visible.
    hides_lower: bool,
}

/// A layer of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The digest of its tar stream.
    pub diff_id: Digest,
    /// Its directory, as overlayfs stacks it. Never to be written to.
    pub tree: PathBuf,
    /// The sum of the sizes of its regular files, in bytes.
    pub size: u64,
    /// Entries of its tar stream.
    pub entries: u64,
    /// Whether the tar stream can be had back byte for byte.
    pub rebuildable: bool,
    /// Whether nothing below it is visible: lower layers are left out of the stack (overlayfs does not look at the
    /// attributes of its roots).
    pub hides_lower: bool,
}

impl Layer {
    /// Writes the layer's tar stream to `out`.
    pub fn write_tar(&self, out: impl std::io::Write) -> Result<()> {
        let recipe = self.recipe()?;
        let tree = File::open(&self.tree).at(&self.tree, "cannot open")?;
        archive::rebuild(recipe, tree.as_fd(), out)
    }

    /// How long the tar stream is, in bytes. Does not read the files.
    pub fn tar_size(&self) -> Result<u64> {
        archive::rebuilt_size(self.recipe()?)
    }

    fn recipe(&self) -> Result<File> {
        if !self.rebuildable {
            return Err(Error::unsupported(format!("the archive of the layer `{}` was not kept", self.diff_id)));
        }
        let recipe = self.tree.with_file_name(RECIPE);
        File::open(&recipe).at(&recipe, "cannot open")
    }
}

/// The layers of an image (lowest first) that a union stacks. A layer that hides everything below it begins the stack.
///
/// Of a layer that occurs several times the highest occurrence stays, because overlayfs takes no directory twice (ELOOP).
/// Nothing changes by that. Every name that a lower occurrence could show is in the higher one as well, with the same
/// file; so it is either shown from there, or hidden by a layer above both. Every whiteout and opaque mark of the lower one
/// is repeated by the higher one, which lies above everything that the lower one lies above. docker, which unpacks a layer
/// once for each place in the chain, shows the same files.
pub fn stack(layers: Vec<Layer>) -> Vec<Layer> {
    let mut seen = HashSet::new();
    let mut stack: Vec<Layer> = Vec::with_capacity(layers.len());
    for layer in layers.into_iter().rev() {
        let last = layer.hides_lower;
        if seen.insert(layer.diff_id.clone()) {
            stack.push(layer);
        }
        if last {
            break;
        }
    }
    stack.reverse();
    stack
}

impl Store {
    /// The layer with this diff id. A damaged one counts as absent.
    pub fn layer(&self, diff_id: &Digest) -> Result<Option<Layer>> {
        let directory = self.layer_path(diff_id);
        let record = directory.join(RECORD);
        let Some(bytes) = if_absent(fs::read(&record)).at(&record, "cannot read")? else {
            return Ok(None);
        };
        let Ok(record) = serde_json::from_slice::<LayerRecord>(&bytes) else {
            return Ok(None);
        };
        if record.version > super::VERSION {
            return Err(Error::unsupported(format!("the layer `{diff_id}` was made by a newer coracle")));
        }
        Ok(Some(Layer {
            diff_id: record.diff_id,
            tree: directory.join(TREE),
            size: record.size,
            entries: record.entries,
            rebuildable: record.rebuildable,
            hides_lower: record.hides_lower,
        })
        .filter(|layer| layer.diff_id == *diff_id))
    }

    /// A place to unpack a layer in. Dropped without publication, it is removed again.
    pub fn stage_layer(&self) -> Result<StagedLayer> {
        self.writable()?;
        let staging = Staging::new(&self.path("staging"))?;
        let tree = staging.path().join(TREE);
        fs::create_dir(&tree).at(&tree, "cannot create the directory")?;
        Ok(StagedLayer { staging })
    }

    /// Makes layers durable, with one sync of the file system for all of them. It may take as long as the disk needs for
    /// what was unpacked: hold no lock meanwhile.
    pub fn sync_layers(&self, layers: Vec<FinishedLayer>) -> Result<SyncedLayers> {
        for layer in &layers {
            let path = layer.staging.path().join(RECORD);
            publish::json(&path, &layer.record, Durability::Volatile)?;
        }
        if !layers.is_empty() {
            let staging = self.path("staging");
            let directory = File::open(&staging).at(&staging, "cannot open")?;
            rustix::fs::syncfs(directory).at(&staging, "cannot sync the file system of")?;
        }
        failpoint::here("store.layers.synced")?;
        Ok(SyncedLayers { store: self.clone(), layers })
    }

    pub(super) fn layer_path(&self, diff_id: &Digest) -> PathBuf {
        self.path("layers").join(diff_id.hex())
    }

    /// The diff ids of all layers, damaged ones too.
    pub(super) fn layer_ids(&self) -> Result<Vec<Digest>> {
        super::images::names_in(&self.path("layers"))
    }

    fn publish_layer(&self, layer: FinishedLayer) -> Result<Layer> {
        let diff_id = layer.record.diff_id.clone();
        let target = self.layer_path(&diff_id);
        let mut mending = None;
        if target.exists() && self.layer(&diff_id)?.is_none() {
            // What is left of a layer makes room, once: not what somebody else has just put there.
            mending = Some(Lock::wait(&self.path("mending"), Mode::Exclusive)?);
            if self.layer(&diff_id)?.is_none() {
                publish::discard(&target, &self.path("trash"), Durability::Volatile)?;
            }
        }
        // The second one gives way: the layer is the same.
        layer.staging.publish(&target, Durability::Volatile)?;
        failpoint::here("store.layer.published")?;
        drop(mending);
        self.layer(&diff_id)?.ok_or_else(|| Error::system(format!("the layer `{diff_id}` was not published")))
    }
}

/// A layer in the making.
#[derive(Debug)]
pub struct StagedLayer {
    staging: Staging,
}

impl StagedLayer {
    /// The empty directory for the layer's tree.
    pub fn dir(&self) -> Result<OwnedFd> {
        let tree = self.staging.path().join(TREE);
        Ok(File::open(&tree).at(&tree, "cannot open")?.into())
    }

    /// Unpacks the blob into it; see [`archive::unpack_layer`]. Nothing is published yet: the caller compares digests
    /// first.
    pub fn unpack(&self, blob: impl Read + Send, compression: Compression, limits: &Limits) -> Result<Unpacked> {
        let recipe = self.staging.path().join(RECIPE);
        let recipe = File::create_new(&recipe).at(&recipe, "cannot create")?;
        archive::unpack_layer(blob, compression, self.dir()?.as_fd(), recipe, limits)
    }

    /// The same for a tar stream that is made while it is read, whatever its first bytes look like.
    pub fn unpack_plain<R: Read>(
        &self,
        open: impl FnOnce() -> std::io::Result<R> + Send,
        limits: &Limits,
    ) -> Result<Unpacked> {
        let recipe = self.staging.path().join(RECIPE);
        let recipe = File::create_new(&recipe).at(&recipe, "cannot create")?;
        archive::unpack_stream(open, self.dir()?.as_fd(), recipe, limits)
    }

    /// Makes the layer of the upper directory of a union; see [`archive::repack_layer`].
    pub fn repack(&self, upper: BorrowedFd<'_>, packing: &Packing, limits: &Limits) -> Result<Unpacked> {
        let recipe = self.staging.path().join(RECIPE);
        let recipe = File::create_new(&recipe).at(&recipe, "cannot create")?;
        archive::repack_layer(upper, packing, self.dir()?.as_fd(), recipe, limits)
    }

    /// Says that the layer is complete and verified: it is what `unpacked` tells.
    pub fn finish(self, unpacked: &Unpacked) -> FinishedLayer {
        let Unpacked { diff_id, size, entries, rebuildable, hides_lower, .. } = unpacked.clone();
        let record = LayerRecord { version: super::VERSION, diff_id, size, entries, rebuildable, hides_lower };
        FinishedLayer { staging: self.staging, record }
    }
}

/// A complete layer that is not durable yet.
#[derive(Debug)]
pub struct FinishedLayer {
    staging: Staging,
    record: LayerRecord,
}

/// Complete, durable layers that nobody sees yet.
#[derive(Debug)]
pub struct SyncedLayers {
    store: Store,
    layers: Vec<FinishedLayer>,
}

impl SyncedLayers {
    /// Makes the layers visible, in the order in which they were given. Durable on return.
    pub fn publish<M>(self, _lock: &StoreLock<M>) -> Result<Vec<Layer>> {
        if self.layers.is_empty() {
            return Ok(Vec::new());
        }
        let published = self.layers.into_iter().map(|layer| self.store.publish_layer(layer)).collect::<Result<_>>()?;
        publish::sync_dir(&self.store.path("layers"))?;
        Ok(published)
    }
}
