//! Lists of images for several platforms (OCI indexes, docker's manifest lists) that are being put together here, before
//! they are pushed.
//!
//! A list is one file, `lists/<registry>/<repository…>/_tags/<tag>`, which is replaced whole. It keeps the manifests of its
//! entries as they came, so that what is pushed has the digests that were shown; the blobs stay where they are. Names of
//! lists and names of images do not know of each other, as with docker.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Store, StoreLock};
use crate::base::error::if_absent;
use crate::base::publish::{self, Durability};
use crate::base::{Error, Result, ResultExt};
use crate::oci::reference::DEFAULT_TAG;
use crate::oci::{Digest, Reference};

/// The version of the file's format.
const VERSION: u32 = 1;

/// A list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListRecord {
    version: u32,
    /// In order.
    pub entries: Vec<ListEntry>,
    /// Of the list itself.
    #[serde(default)]
    pub annotations: std::collections::BTreeMap<String, String>,
}

/// One image of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListEntry {
    /// The entry of the index, as it will be written: media type, size, digest, platform, annotations.
    pub descriptor: Value,
    /// The image's manifest, byte for byte.
    pub manifest: String,
    /// Where it and its blobs are.
    pub from: Origin,
}

/// Where an image of a list is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// In this repository; the reference has a digest.
    Registry(Reference),
    /// In this store, with this id.
    Store(Digest),
}

/// That there is no list of this name.
pub fn no_list(name: &Reference) -> Error {
    Error::not_found(format!("no such list of images: `{}`", name.familiar()))
        .hint("`coracle manifest create` makes one")
}

impl ListEntry {
    /// The digest of the manifest.
    pub fn digest(&self) -> Option<Digest> {
        self.descriptor.get("digest")?.as_str()?.parse().ok()
    }
}

impl Default for ListRecord {
    fn default() -> Self {
        Self { version: VERSION, entries: Vec::new(), annotations: Default::default() }
    }
}

impl Store {
    /// The list of this name.
    pub fn list_of_images(&self, name: &Reference) -> Result<Option<ListRecord>> {
        let path = self.list_path(name);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::EISDIR)) => {
                return Ok(None);
            }
            Err(error) => return Err(error).at(&path, "cannot read"),
        };
        let record: ListRecord = serde_json::from_slice(&bytes).map_err(|error| {
            Error::invalid(format!("the list `{}` is damaged", name.familiar()))
                .caused_by(error)
                .hint(format!("`coracle manifest rm {}` removes it", name.familiar()))
        })?;
        match record.version > VERSION {
            true => Err(Error::unsupported(format!("the list `{}` was made by a newer coracle", name.familiar()))),
            false => Ok(Some(record)),
        }
    }

    /// Writes the list of this name. Durable on return.
    pub fn put_list_of_images<M>(&self, _lock: &StoreLock<M>, name: &Reference, record: &ListRecord) -> Result<()> {
        let path = self.list_path(name);
        if let Some(parent) = path.parent() {
            super::names::make_durable_dirs(parent)?;
        }
        publish::json(&path, record, Durability::Durable)
    }

    /// Removes the list of this name. False when there is none.
    pub fn remove_list_of_images<M>(&self, _lock: &StoreLock<M>, name: &Reference) -> Result<bool> {
        let path = self.list_path(name);
        let removed = match fs::remove_file(&path) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOTDIR | libc::EISDIR)) => None,
            removed => if_absent(removed).at(&path, "cannot remove")?,
        };
        let root = self.path("lists");
        if removed.is_some() {
            // Directories that are empty now; the first that is not ends it.
            let _ = path
                .ancestors()
                .skip(1)
                .take_while(|directory| **directory != *root)
                .find(|d| fs::remove_dir(d).is_err());
        }
        Ok(removed.is_some())
    }

    fn list_path(&self, name: &Reference) -> PathBuf {
        let repository = self.path("lists").join(name.registry()).join(name.repository());
        repository.join("_tags").join(name.tag().unwrap_or(DEFAULT_TAG))
    }
}
