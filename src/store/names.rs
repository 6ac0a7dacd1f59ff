//! Names of images: tags and digests, and finding an image by what people type.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::images::names_in;
use super::{Exclusive, ImageRecord, Store, StoreLock};
use crate::base::error::if_absent;
use crate::base::publish::{self, Durability};
use crate::base::{Error, Result, ResultExt, failpoint, text};
use crate::oci::{Digest, Reference};

const TAGS: &str = "_tags";
const DIGESTS: &str = "_digests";

/// A file below `refs`.
#[derive(Debug, Serialize, Deserialize)]
struct Name {
    version: u32,
    image: Digest,
}

impl Store {
    /// Gives an image the name `reference`, which another image may have had: its digest if it has one, else its tag.
    /// Durable on return.
    pub fn tag<M>(&self, _lock: &StoreLock<M>, reference: &Reference, image: &ImageRecord) -> Result<()> {
        self.writable()?;
        let path = self.name_path(reference);
        let name = Name { version: super::VERSION, image: image.id.clone() };
        let text = serde_json::to_vec(&name).at(&path, "cannot encode the record of")?;
        if fs::read(&path).is_ok_and(|present| present == text) {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            make_durable_dirs(parent)?;
        }
        failpoint::here("store.tag")?;
        publish::file(&path, &text, Durability::Durable)
    }

    /// Takes the name `reference` away. False when nothing had it.
    pub fn untag(&self, _lock: &StoreLock<Exclusive>, reference: &Reference) -> Result<bool> {
        let path = self.name_path(reference);
        if if_absent(fs::remove_file(&path)).at(&path, "cannot remove")?.is_none() {
            return Ok(false);
        }
        failpoint::here("store.untagged")?;
        // Directories that are empty now; the first that is not ends it.
        let refs = self.path("refs");
        let mut directories = path.ancestors().skip(1).take_while(|directory| **directory != *refs);
        let kept = directories.find(|directory| fs::remove_dir(directory).is_err()).unwrap_or(&refs);
        publish::sync_dir(kept)?;
        Ok(true)
    }

    /// The image named `reference`.
    pub fn resolve(&self, reference: &Reference) -> Result<Option<ImageRecord>> {
        match read_name(&self.name_path(reference))? {
            Some(id) => self.image(&id),
            None => Ok(None),
        }
    }

    /// The image that a person means by `text`: a reference with docker's defaults, a whole id, or the beginning of one
    /// that no other image's id has. A name goes before the beginning of an id.
    pub fn lookup(&self, text: &str) -> Result<Option<ImageRecord>> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        let is_hex = !digits.is_empty() && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if is_hex
            && digits.len() == 64
            && let Ok(id) = format!("sha256:{digits}").parse()
        {
            return self.image(&id);
        }
        let reference = text.parse::<Reference>();
        if let Ok(reference) = &reference
            && let Some(image) = self.resolve(reference)?
        {
            return Ok(Some(image));
        }
        if is_hex && digits.len() < 64 {
            return self.image_by_prefix(digits);
        }
        reference.map(|_| None)
    }

    fn image_by_prefix(&self, digits: &str) -> Result<Option<ImageRecord>> {
        let mut found: Vec<Digest> = names_in(&self.path("images"))?;
        found.retain(|id| id.hex().starts_with(digits));
        match found.as_slice() {
            [] => Ok(None),
            [id] => self.image(id),
            many => Err(Error::usage(format!("{} images have an id that begins with `{digits}`", many.len()))
                .hint("give more digits of the id")),
        }
    }

    /// All names of an image, in order of the alphabet.
    pub fn names_of(&self, id: &Digest) -> Result<Vec<Reference>> {
        let mut names: Vec<Reference> =
            self.references()?.into_iter().filter(|(_, named)| named == id).map(|(reference, _)| reference).collect();
        names.sort();
        Ok(names)
    }

    /// All names with the id they stand for. Unreadable ones are left out.
    pub(super) fn references(&self) -> Result<Vec<(Reference, Digest)>> {
        let refs = self.path("refs");
        let mut found = Vec::new();
        let mut pending = vec![refs.clone()];
        while let Some(directory) = pending.pop() {
            let Some(entries) = if_absent(fs::read_dir(&directory)).at(&directory, "cannot list")? else {
                continue;
            };
            let separator = match directory.file_name().and_then(|name| name.to_str()) {
                Some(TAGS) => Some(":"),
                Some(DIGESTS) => Some("@"),
                _ => None,
            };
            for entry in entries {
                let path = entry.at(&directory, "cannot list")?.path();
                match separator {
                    None => pending.push(path),
                    Some(separator) => {
                        if let (Some(reference), Some(id)) = (reference_of(&refs, &path, separator), read_name(&path)?)
                        {
                            found.push((reference, id));
                        }
                    }
                }
            }
        }
        Ok(found)
    }

    fn name_path(&self, reference: &Reference) -> PathBuf {
        let repository = self.path("refs").join(reference.registry()).join(reference.repository());
        match (reference.digest(), reference.tag()) {
            (Some(digest), _) => repository.join(DIGESTS).join(digest.hex()),
            (None, tag) => repository.join(TAGS).join(tag.unwrap_or(crate::oci::reference::DEFAULT_TAG)),
        }
    }
}

/// The reference whose file is at `path`.
fn reference_of(refs: &Path, path: &Path, separator: &str) -> Option<Reference> {
    let repository = path.parent()?.parent()?.strip_prefix(refs).ok()?.to_str()?;
    let name = path.file_name()?;
    match separator {
        ":" => format!("{repository}:{}", name.to_str()?).parse().ok(),
        _ => format!("{repository}@{}", super::digest_of_name(name)?).parse().ok(),
    }
}

/// The id in a name's file; `None` when it is not there or cannot be understood (then the name is free).
pub(super) fn read_name(path: &Path) -> Result<Option<Digest>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        // A directory where a part of the name is a file, and the other way round.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::EISDIR)) => {
            return Ok(None);
        }
        Err(error) => return Err(error).at(path, "cannot read"),
    };
    match serde_json::from_slice::<Name>(&bytes) {
        Ok(name) if name.version > super::VERSION => Err(Error::unsupported(format!(
            "the name `{}` was given by a newer coracle",
            text::clean(&path.display().to_string())
        ))),
        Ok(name) => Ok(Some(name.image)),
        Err(_) => Ok(None),
    }
}

/// Makes the directory `path` and its missing parents (0700), and their names durable.
pub(super) fn make_durable_dirs(path: &Path) -> Result<()> {
    let missing: Vec<&Path> = path.ancestors().take_while(|directory| !directory.is_dir()).collect();
    crate::base::paths::private_dir(path)?;
    missing.iter().filter_map(|directory| directory.parent()).try_for_each(publish::sync_dir)
}
