//! Taking things out of the store, and putting in order what an interrupted process left.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::images::{names_in, read_record};
use super::layers::RECORD;
use super::{Exclusive, ImageRecord, Store, StoreLock};
use crate::base::error::if_absent;
use crate::base::lock::{Lock, Mode};
use crate::base::publish::{self, Durability};
use crate::base::{Result, ResultExt, failpoint};
use crate::oci::{Digest, Reference};

/// What a removal took away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// Names, in order of the alphabet.
    pub references: Vec<Reference>,
    /// Layers that no other image has, the highest first.
    pub layers: Vec<Digest>,
}

/// Held by whoever publishes layers before their image, see [`Store::begin_adding`].
#[derive(Debug)]
pub struct Adding {
    _lock: Lock,
}

impl Store {
    /// Removes an image with all its names, and the layers that no other image has. Layers `in_use` (by containers, as the
    /// caller found under this very lock) stay until [`Store::resume_removals`] finds them unused. Durable on return; space
    /// is free after the next sweep.
    pub fn remove_image(
        &self,
        lock: &StoreLock<Exclusive>,
        image: &ImageRecord,
        in_use: &HashSet<Digest>,
    ) -> Result<Removed> {
        let references = self.names_of(&image.id)?;
        for reference in &references {
            self.untag(lock, reference)?;
        }
        let (from, to) = (self.image_path(&image.id), self.removing_path(&image.id));
        if if_absent(fs::rename(&from, &to)).at(&from, "cannot remove")?.is_some() {
            publish::sync_dir(&self.path("images"))?;
        }
        failpoint::here("store.removal.begun")?;
        let layers = self.complete_removal(image, in_use)?;
        Ok(Removed { references, layers })
    }

    /// Says that layers are being published for an image that comes later. As long as the returned value lives, in this or
    /// any other process, no such layer is reclaimed. Waits only for a removal, which takes milliseconds.
    pub fn begin_adding(&self) -> Result<Adding> {
        self.writable()?;
        Ok(Adding { _lock: Lock::wait(&self.path("adding"), Mode::Shared)? })
    }

    /// Removes layers that no image has, that nobody is about to make an image of, that are not `in_use` (asked only when
    /// something is to be removed), and that were published at least `age` ago; returns them. Pulls that failed or were
    /// killed leave such layers, so that the next try need not fetch them again. Nothing happens while anybody adds
    /// something or holds the store's lock: there will be a next time.
    pub fn reclaim_layers(
        &self,
        age: Duration,
        in_use: impl FnOnce() -> Result<HashSet<Digest>>,
    ) -> Result<Vec<Digest>> {
        self.writable()?;
        let needed = self.layers_of_images()?;
        // Most of the time there is none, which is found out without a lock.
        let orphans: Vec<Digest> = self.layer_ids()?.into_iter().filter(|layer| !needed.contains(layer)).collect();
        let old: Vec<Digest> = orphans.into_iter().filter(|layer| self.is_older(layer, age)).collect();
        if old.is_empty() {
            return Ok(Vec::new());
        }
        let Some(_adding) = Lock::attempt(&self.path("adding"), Mode::Exclusive)? else { return Ok(Vec::new()) };
        let Some(_lock) = Lock::attempt(&self.path("lock"), Mode::Exclusive)? else { return Ok(Vec::new()) };
        Ok(self.discard_layers(old, &in_use()?)?.0)
    }

    /// Whether a layer was published at least `age` ago. A time in the future is none.
    pub(super) fn is_older(&self, layer: &Digest, age: Duration) -> bool {
        let directory = self.layer_path(layer);
        let made = fs::metadata(directory.join(RECORD)).or_else(|_| fs::metadata(&directory));
        let made = made.and_then(|metadata| metadata.modified()).ok();
        made.is_some_and(|made| made.elapsed().unwrap_or_default() >= age)
    }

    /// Removes what interrupted processes left: staged layers and records of the dead, and the trash. Living work is left alone. Call it
    /// as root of the user namespace that owns the trees.
    pub fn sweep(&self) -> Result<()> {
        self.writable()?;
        publish::sweep_files(&self.root)?;
        ["blobs", "images", "refs", "lists"]
            .iter()
            .try_for_each(|name| publish::sweep_files_below(&self.path(name)))?;
        publish::sweep(&self.path("staging"))?;
        publish::empty_trash(&self.path("trash"))
    }

    /// Removes the directories of names that hold none any more: somebody was killed after the last one went. Nothing happens
    /// while somebody holds the store's lock, as those do who give names.
    pub fn sweep_names(&self) -> Result<()> {
        let Some(_lock) = Lock::attempt(&self.path("lock"), Mode::Exclusive)? else { return Ok(()) };
        ["refs", "lists"].iter().for_each(|name| remove_empty_below(&self.path(name)));
        Ok(())
    }

    /// Completes removals that were interrupted, or that left layers for the sake of containers. `in_use` tells the layers
    /// of containers; it is asked under the lock, and only when there is something to complete. Nothing happens while
    /// somebody holds the lock.
    pub fn resume_removals(&self, in_use: impl FnOnce() -> Result<HashSet<Digest>>) -> Result<()> {
        self.writable()?;
        if names_in(&self.path("removing"))?.is_empty() {
            return Ok(());
        }
        let Some(_lock) = Lock::attempt(&self.path("lock"), Mode::Exclusive)? else {
            return Ok(());
        };
        let in_use = in_use()?;
        names_in(&self.path("removing"))?.iter().try_for_each(|id| self.resume_removal(id, &in_use))
    }

    pub(super) fn resume_removal(&self, id: &Digest, in_use: &HashSet<Digest>) -> Result<()> {
        let path = self.removing_path(id);
        match read_record(&path)? {
            Some(image) => self.complete_removal(&image, in_use).map(|_| ()),
            None => if_absent(fs::remove_file(&path)).at(&path, "cannot remove").map(|_| ()),
        }
    }

    /// From the commit point of a removal to its end. May be repeated: while layers stay for the sake of containers, the
    /// record stays, too.
    fn complete_removal(&self, image: &ImageRecord, in_use: &HashSet<Digest>) -> Result<Vec<Digest>> {
        let (layers, kept) = self.discard_layers(image.layers.iter().rev().cloned().collect(), in_use)?;
        failpoint::here("store.removal.layers_gone")?;
        // The same image may have been pulled again since.
        let again = self.image(&image.id)?;
        if again.is_none() {
            self.discard_blob(&image.id)?;
        }
        if again.is_none_or(|again| again.manifest != image.manifest) {
            self.discard_blob(&image.manifest)?;
        }
        if !kept {
            let path = self.removing_path(&image.id);
            if_absent(fs::remove_file(&path)).at(&path, "cannot remove")?;
        }
        Ok(layers)
    }

    /// Moves those of `layers` that no image has into the trash, and returns them; and whether one stays only because it
    /// is `in_use`.
    fn discard_layers(&self, mut layers: Vec<Digest>, in_use: &HashSet<Digest>) -> Result<(Vec<Digest>, bool)> {
        let needed = self.layers_of_images()?;
        layers.retain(|layer| !needed.contains(layer));
        let unneeded = layers.len();
        layers.retain(|layer| !in_use.contains(layer));
        let kept = layers.len() < unneeded;
        let mut gone = Vec::new();
        for layer in layers {
            if publish::discard(&self.layer_path(&layer), &self.path("trash"), Durability::Volatile)? {
                gone.push(layer);
            }
        }
        if !gone.is_empty() {
            publish::sync_dir(&self.path("layers"))?;
        }
        Ok((gone, kept))
    }

    fn layers_of_images(&self) -> Result<HashSet<Digest>> {
        let mut layers = HashSet::new();
        for id in names_in(&self.path("images"))? {
            layers.extend(self.image(&id)?.into_iter().flat_map(|image| image.layers));
        }
        Ok(layers)
    }

    pub(super) fn discard_blob(&self, digest: &Digest) -> Result<()> {
        let path = self.path("blobs").join(digest.hex());
        if_absent(fs::remove_file(&path)).at(&path, "cannot remove").map(|_| ())
    }

    fn removing_path(&self, id: &Digest) -> std::path::PathBuf {
        self.path("removing").join(format!("{}.json", id.hex()))
    }
}

/// Removes empty directories below one, the deepest first. A name has few components, so that it is not deep.
fn remove_empty_below(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_empty_below(&entry.path());
            let _ = fs::remove_dir(entry.path());
        }
    }
}
