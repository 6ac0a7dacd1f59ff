//! Taking things out of the store, and putting in order what an interrupted process left.

use std::collections::HashSet;
use std::fs;

use super::images::{names_in, read_record};
use super::{Exclusive, ImageRecord, Store, StoreLock};
use crate::base::error::if_absent;
use crate::base::lock::{Lock, Mode};
use crate::base::publish::{self, Durability};
use crate::base::{Result, ResultExt};
use crate::oci::{Digest, Reference};

/// What a removal took away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// Names, in order of the alphabet.
    pub references: Vec<Reference>,
    /// Layers that no other image has, the highest first.
    pub layers: Vec<Digest>,
}

impl Store {
    /// Removes an image with all its names, and the layers that no other image has. The caller has made sure that no
    /// container uses it, under this very lock. Durable on return; the space is free after the next [`Store::sweep`].
    pub fn remove_image(&self, lock: &StoreLock<Exclusive>, image: &ImageRecord) -> Result<Removed> {
        let mut references: Vec<Reference> =
            self.references()?.into_iter().filter(|(_, id)| *id == image.id).map(|(reference, _)| reference).collect();
        references.sort();
        for reference in &references {
            self.untag(lock, reference)?;
        }
        let (from, to) = (self.image_path(&image.id), self.removing_path(&image.id));
        if if_absent(fs::rename(&from, &to)).at(&from, "cannot remove")?.is_some() {
            publish::sync_dir(&self.path("images"))?;
        }
        let layers = self.complete_removal(image)?;
        Ok(Removed { references, layers })
    }

    /// Removes the layers that no image has and `keep` does not claim, and returns them. Interrupted pulls leave such
    /// layers, so that the next try need not fetch them again.
    pub fn collect_layers(&self, _lock: &StoreLock<Exclusive>, keep: impl Fn(&Digest) -> bool) -> Result<Vec<Digest>> {
        let mut unused = self.layer_ids()?;
        unused.retain(|layer| !keep(layer));
        self.discard_layers(unused)
    }

    /// Puts in order what interrupted processes left: staged layers of the dead, removals that were not completed, the
    /// trash. Living work is left alone. Call it as root of the user namespace that owns the trees.
    pub fn sweep(&self) -> Result<()> {
        publish::sweep(&self.path("staging"))?;
        if !names_in(&self.path("removing"))?.is_empty()
            && let Some(_lock) = Lock::attempt(&self.path("lock"), Mode::Exclusive)?
        {
            for id in names_in(&self.path("removing"))? {
                self.resume_removal(&id)?;
            }
        }
        publish::empty_trash(&self.path("trash"))
    }

    fn resume_removal(&self, id: &Digest) -> Result<()> {
        let path = self.removing_path(id);
        match read_record(&path)? {
            Some(image) => self.complete_removal(&image).map(|_| ()),
            None => if_absent(fs::remove_file(&path)).at(&path, "cannot remove").map(|_| ()),
        }
    }

    /// From the commit point of a removal to its end. May be repeated.
    fn complete_removal(&self, image: &ImageRecord) -> Result<Vec<Digest>> {
        let layers = self.discard_layers(image.layers.iter().rev().cloned().collect())?;
        // The same image may have been pulled again since.
        if self.image(&image.id)?.is_none() {
            self.discard_blob(&image.id)?;
            self.discard_blob(&image.manifest)?;
        }
        let path = self.removing_path(&image.id);
        if_absent(fs::remove_file(&path)).at(&path, "cannot remove")?;
        Ok(layers)
    }

    /// Moves those of `layers` that no image has into the trash.
    fn discard_layers(&self, mut layers: Vec<Digest>) -> Result<Vec<Digest>> {
        let mut needed = HashSet::new();
        for id in names_in(&self.path("images"))? {
            needed.extend(self.image(&id)?.into_iter().flat_map(|image| image.layers));
        }
        layers.retain(|layer| !needed.contains(layer));
        let mut gone = Vec::new();
        for layer in layers {
            if publish::discard(&self.layer_path(&layer), &self.path("trash"), Durability::Volatile)? {
                gone.push(layer);
            }
        }
        if !gone.is_empty() {
            self.forget_blobs()?;
            publish::sync_dir(&self.path("layers"))?;
        }
        Ok(gone)
    }

    /// Removes the links of blobs to layers that are gone.
    fn forget_blobs(&self) -> Result<()> {
        let directory = self.path("layers-by-blob");
        for entry in fs::read_dir(&directory).at(&directory, "cannot list")? {
            let link = entry.at(&directory, "cannot list")?.path();
            if !link.exists() {
                if_absent(fs::remove_file(&link)).at(&link, "cannot remove")?;
            }
        }
        Ok(())
    }

    pub(super) fn discard_blob(&self, digest: &Digest) -> Result<()> {
        let path = self.path("blobs").join(digest.hex());
        if_absent(fs::remove_file(&path)).at(&path, "cannot remove").map(|_| ())
    }

    fn removing_path(&self, id: &Digest) -> std::path::PathBuf {
        self.path("removing").join(format!("{}.json", id.hex()))
    }
}
