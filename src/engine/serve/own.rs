//! The user's own registry: the store's images, and what was pushed.

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::Arc;

use serde_json::{Value, json};

use super::receive::Received;
use super::view::View;
use crate::base::publish::nameless;
use crate::base::{Error, Result, trace};
use crate::engine::Engine;
use crate::engine::depot::{Depot, Record, Tag, store_name};
use crate::engine::rmi::layers_in_use;
use crate::oci::{Descriptor, Digest, Index, Parsed, Platform, Reference, media, parse_manifest};
use crate::registry::server::{Blob, Content, Document, Repository, Sent, Target, Uploaded, subject_of};
use crate::spec::events::Action;
use crate::store::{ImageRecord, Store};

/// The registry of a user.
pub struct Own {
    engine: Engine,
    store: Store,
    depot: Depot,
    view: View,
    /// Whether only some images are shown: then nothing else that was pushed is.
    is_limited: bool,
}

impl Own {
    /// Of the images with the names `only`, or of all that have a name.
    pub fn new(engine: &Engine, only: Option<Vec<Reference>>) -> Result<Self> {
        let (store, depot) = (engine.store()?, Depot::of(&engine.paths));
        depot.collect(&store)?;
        let is_limited = only.is_some();
        let view = View::new(store.clone(), depot.clone(), only);
        Ok(Self { engine: engine.clone(), store, depot, view, is_limited })
    }

    /// The tag of something that was pushed, as long as it counts.
    fn pushed(&self, repository: &Repository, tag: &str) -> Result<Option<Tag>> {
        let Some(value) = self.depot.tag(repository, tag)? else { return Ok(None) };
        let may = match &value.image {
            Some(_) => self.view.allows(&store_name(repository)?.with_tag(tag)?),
            None => !self.is_limited,
        };
        let counts = may && self.depot.counts(&self.store, repository, tag, &value)?;
        Ok(Some(value).filter(|_| counts))
    }

    /// A manifest that was pushed.
    fn kept(&self, repository: &Repository, digest: &Digest) -> Result<Option<Document>> {
        if !self.view.allows_repository(repository) {
            return Ok(None);
        }
        let Some((record, bytes)) = self.depot.manifest(repository, digest)? else { return Ok(None) };
        let counts = self.depot.counts_by_digest(&self.store, repository, digest, &record)?;
        Ok(counts.then(|| Document { media_type: record.media_type, digest: digest.clone(), bytes }))
    }

    /// Whether something that was pushed to a repository refers to the blob.
    fn refers(&self, repository: &Repository, digest: &Digest) -> Result<bool> {
        if !self.view.allows_repository(repository) {
            return Ok(false);
        }
        for (manifest, _) in self.depot.manifests(repository)? {
            let bytes = self.kept(repository, &manifest)?.map(|document| document.bytes).unwrap_or_default();
            if String::from_utf8_lossy(&bytes).contains(digest.as_str()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The blob of a manifest that is pushed: uploaded, or in the repository, or in the one from which it is taken.
    fn open(&self, repository: &Repository, blob: &Descriptor, uploaded: &dyn Uploaded) -> Result<Arc<File>> {
        let digest = &blob.digest;
        let sized = |file: Arc<File>, size: u64| match size == blob.size {
            true => Ok(file),
            false => Err(Error::invalid(format!(
                "the blob `{}` has {size} bytes, the manifest says {}",
                digest.short(),
                blob.size
            ))),
        };
        if let Some((file, size)) = uploaded.file(digest) {
            return sized(file, size);
        }
        let places = [Some(repository.clone()), uploaded.mounted(digest)];
        for place in places.into_iter().flatten() {
            if let Some(found) = self.blob(&place, digest)? {
                if let Some((file, size)) = self.depot.blob(digest)? {
                    return sized(Arc::new(file), size);
                }
                let mut file = nameless(self.depot.open()?)?;
                (found.write)(0, found.size, &mut file)?;
                return sized(Arc::new(file), found.size);
            }
        }
        Err(Error::not_found(format!("the blob `{digest}` was not uploaded to `{repository}`")))
    }

    /// Takes in a manifest of an image or of an artifact.
    fn put_image(&self, sent: &Sent<'_>, parsed: &Parsed, uploaded: &dyn Uploaded) -> Result<Record> {
        let Parsed::Manifest(manifest) = parsed else { return Err(Error::invalid("it is an index")) };
        let repository = sent.repository;
        // The uploads are this thread's; the files that they are can be used by all.
        let mut files = std::collections::HashMap::new();
        let needed = |blob: &&Descriptor| !media::is_foreign(&blob.media_type);
        for blob in std::iter::once(&manifest.config).chain(&manifest.layers).filter(needed) {
            files.insert(blob.digest.clone(), self.open(repository, blob, uploaded)?);
        }
        let open = |blob: &Descriptor| {
            files.get(&blob.digest).cloned().ok_or_else(|| {
                Error::not_found(format!("the blob `{}` was not uploaded to `{repository}`", blob.digest))
            })
        };
        let digest = Digest::sha256(sent.bytes);
        let mut image = None;
        let mut received = None;
        if let Target::Tag(tag) = sent.target
            && let Some(found) = Received::of(manifest, sent.bytes, &open)?
        {
            let name = store_name(repository)?;
            let names = [name.with_digest(digest), name.with_tag(tag)?];
            image = Some(found.store(&self.store, &names, &open)?.id);
            received = Some(found);
        }
        for (digest, file) in &files {
            let made_again = received.as_ref().is_some_and(|image| image.is_made_again(digest, &self.store));
            if !made_again && !self.depot.has(digest) {
                self.depot.put_file(file, digest)?;
            }
        }
        Ok(Record::new(manifest.media_type.as_str(), subject_of(sent.bytes), image))
    }

    /// Takes in an index. The image in it that is for this machine becomes one of the store.
    fn put_index(&self, sent: &Sent<'_>, index: &Index) -> Result<Record> {
        let repository = sent.repository;
        for child in &index.manifests {
            if self.manifest(repository, &Target::Digest(child.digest.clone()))?.is_none() {
                return Err(Error::not_found(format!("the manifest `{}` is not in `{repository}`", child.digest)));
            }
        }
        let mut image = None;
        if let Target::Tag(tag) = sent.target
            && let Some(child) = index.candidates(&Platform::host()).into_iter().find(|child| child.platform.is_some())
            && let Some(document) = self.manifest(repository, &Target::Digest(child.digest.clone()))?
            && let Parsed::Manifest(manifest) = parse_manifest(&document.bytes, Some(&document.media_type))?
        {
            let none = NothingUploaded;
            let open = |blob: &Descriptor| self.open(repository, blob, &none);
            if let Some(found) = Received::of(&manifest, &document.bytes, &open)? {
                let name = store_name(repository)?;
                let names = [name.with_digest(Digest::sha256(sent.bytes)), name.with_tag(tag)?];
                image = Some(found.store(&self.store, &names, &open)?.id);
            }
        }
        Ok(Record::new(&index.media_type, subject_of(sent.bytes), image))
    }

    /// Takes a name of a pushed image away; an image without names and containers goes.
    fn untag(&self, names: &[Reference], image: &ImageRecord) -> Result<()> {
        let lock = self.store.lock_exclusive()?;
        for name in names {
            if self.store.resolve(name)?.is_some_and(|named| named.id == image.id) {
                self.store.untag(&lock, name)?;
                self.engine.tell_of_image(Action::Untag, &image.id.to_string(), &name.familiar());
            }
        }
        let id = image.id.to_string();
        let containers = self.engine.containers();
        let used = containers.list()?.into_iter().any(|container| match container {
            Ok(container) => container.config.image.id == id,
            // One that cannot be read might be made of it.
            Err(_) => true,
        });
        if self.store.names_of(&image.id)?.is_empty() && !used {
            self.store.remove_image(&lock, image, &layers_in_use(&containers)?)?;
            self.engine.tell_of_image(Action::Destroy, &id, &id);
        }
        Ok(())
    }

    /// The names in `localhost/` that an image has in a repository: those that were pushed, or could have been.
    fn own_names(&self, repository: &Repository, image: &ImageRecord) -> Result<Vec<Reference>> {
        let own = store_name(repository)?;
        let mut names = self.store.names_of(&image.id)?;
        names.retain(|name| name.name() == own.name());
        Ok(names)
    }

    fn remove_tagged(&self, repository: &Repository, tag: &str) -> Result<bool> {
        let pushed = self.depot.remove_tag(repository, tag)?;
        let Some((name, image)) = self.view.tagged(repository, tag)? else { return Ok(pushed) };
        if name.registry() != "localhost" {
            return match pushed {
                true => Ok(true),
                false => Err(belongs_to_the_store(&name)),
            };
        }
        // With its last tag in the repository an image loses the digests that it has there.
        let mut names = self.own_names(repository, &image)?;
        let others = names.iter().any(|other| other.digest().is_none() && *other != name);
        names.retain(|other| *other == name || !others);
        self.untag(&names, &image)?;
        Ok(true)
    }

    fn remove_by_digest(&self, repository: &Repository, digest: &Digest) -> Result<bool> {
        let record = self.depot.manifest(repository, digest)?.map(|(record, _)| record);
        let tags = self.depot.tags(repository)?.into_iter().filter(|(_, value)| value.digest == *digest);
        let mut image = record.as_ref().and_then(|record| record.image.clone());
        for (tag, _) in tags {
            self.depot.remove_tag(repository, &tag)?;
        }
        let pushed = self.depot.remove_manifest(repository, digest)?;
        if image.is_none() && !pushed {
            let shown = self
                .view
                .images(repository)?
                .into_iter()
                .find(|(_, image)| self.view.shown(image).is_ok_and(|shown| shown.document.digest == *digest));
            let Some((name, found)) = shown else { return Ok(false) };
            if self.own_names(repository, &found)?.is_empty() {
                return Err(belongs_to_the_store(&name));
            }
            image = Some(found.id);
        }
        if let Some(image) = image.map(|id| self.store.image(&id)).transpose()?.flatten() {
            self.untag(&self.own_names(repository, &image)?, &image)?;
        }
        Ok(true)
    }

    /// Reclaims what was removed. What cannot be done now is done later.
    fn reclaim(&self) {
        let swept = self.depot.collect(&self.store).and_then(|_| self.store.sweep());
        if let Err(error) = swept {
            trace::step(|| format!("cannot reclaim what was removed: {}", error.chain()));
        }
    }
}

/// An image that came from elsewhere is not a client's to remove.
fn belongs_to_the_store(name: &Reference) -> Error {
    Error::unsupported(format!(
        "`{}` was not pushed here: whoever runs the registry removes it with `coracle rmi`",
        name.familiar()
    ))
}

/// No uploads.
struct NothingUploaded;

impl Uploaded for NothingUploaded {
    fn file(&self, _: &Digest) -> Option<(Arc<File>, u64)> {
        None
    }

    fn mounted(&self, _: &Digest) -> Option<Repository> {
        None
    }
}

impl Content for Own {
    fn repositories(&self) -> Result<Vec<String>> {
        let mut all = self.view.repositories()?;
        for repository in self.depot.repositories()? {
            for (tag, _) in self.depot.tags(&repository)? {
                if self.pushed(&repository, &tag)?.is_some() {
                    all.insert(repository.to_string());
                    break;
                }
            }
        }
        Ok(all.into_iter().collect())
    }

    fn tags(&self, repository: &Repository) -> Result<Option<Vec<String>>> {
        let mut all: BTreeSet<String> = self.view.tags(repository)?;
        for (tag, _) in self.depot.tags(repository)? {
            if self.pushed(repository, &tag)?.is_some() {
                all.insert(tag);
            }
        }
        Ok(Some(all.into_iter().collect::<Vec<_>>()).filter(|tags| !tags.is_empty()))
    }

    fn manifest(&self, repository: &Repository, target: &Target) -> Result<Option<Document>> {
        match target {
            Target::Digest(digest) => match self.kept(repository, digest)? {
                Some(document) => Ok(Some(document)),
                None => Ok(self.view.with_manifest(repository, digest)?.map(|shown| shown.document.clone())),
            },
            Target::Tag(tag) => {
                if let Some(pushed) = self.pushed(repository, tag)?
                    && let Some((record, bytes)) = self.depot.manifest(repository, &pushed.digest)?
                {
                    return Ok(Some(Document { media_type: record.media_type, digest: pushed.digest, bytes }));
                }
                match self.view.tagged(repository, tag)? {
                    Some((_, image)) => self.view.shown(&image).map(|shown| Some(shown.document.clone())),
                    None => Ok(None),
                }
            }
        }
    }

    fn blob(&self, repository: &Repository, digest: &Digest) -> Result<Option<Blob>> {
        if self.depot.has(digest) && self.refers(repository, digest)? {
            return Ok(self.depot.blob(digest)?.map(|(file, size)| Blob::of_file(file, size)));
        }
        self.view.blob(repository, digest)
    }

    fn referrers(&self, repository: &Repository, digest: &Digest) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        for (manifest, record) in self.depot.manifests(repository)? {
            if record.subject.as_ref() == Some(digest)
                && let Some(document) = self.kept(repository, &manifest)?
            {
                all.push(descriptor(&document));
            }
        }
        Ok(all)
    }

    fn put_manifest(&self, sent: &Sent<'_>, uploaded: &dyn Uploaded) -> Result<Digest> {
        let own = match sent.target {
            Target::Digest(digest) if !digest.is_of(sent.bytes) => {
                return Err(Error::invalid("the manifest does not have the digest that it was sent under"));
            }
            Target::Digest(digest) => digest.clone(),
            Target::Tag(_) => Digest::sha256(sent.bytes),
        };
        let parsed = parse_manifest(sent.bytes, sent.media_type)?;
        let _adding = self.depot.adding()?;
        let record = match &parsed {
            Parsed::Manifest(_) => self.put_image(sent, &parsed, uploaded)?,
            Parsed::Index(index) => self.put_index(sent, index)?,
        };
        self.depot.put_manifest(sent.repository, &own, &record, sent.bytes)?;
        if let Target::Tag(tag) = sent.target {
            self.depot.put_tag(sent.repository, tag, &Tag::new(own.clone(), record.image.clone()))?;
            if let Some(id) = record.image {
                let name = store_name(sent.repository)?.with_tag(tag)?.familiar();
                self.engine.tell_of_image(Action::Load, &id.to_string(), &name);
            }
        }
        Ok(own)
    }

    fn remove_manifest(&self, repository: &Repository, target: &Target) -> Result<bool> {
        let removed = match target {
            Target::Tag(tag) => self.remove_tagged(repository, tag)?,
            Target::Digest(digest) => self.remove_by_digest(repository, digest)?,
        };
        if removed {
            self.reclaim();
        }
        Ok(removed)
    }
}

/// The referrers that a depot has, whatever the store says of them.
pub fn referrers_in(depot: &Depot, repository: &Repository, digest: &Digest) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    for (manifest, record) in depot.manifests(repository)? {
        if record.subject.as_ref() == Some(digest)
            && let Some((record, bytes)) = depot.manifest(repository, &manifest)?
        {
            all.push(descriptor(&Document { media_type: record.media_type, digest: manifest, bytes }));
        }
    }
    Ok(all)
}

/// The entry of a manifest in the list of referrers (distribution specification, "Listing Referrers").
fn descriptor(document: &Document) -> Value {
    let manifest: Value = serde_json::from_slice(&document.bytes).unwrap_or_default();
    let kind = manifest.get("artifactType").or_else(|| manifest.get("config")?.get("mediaType"));
    let mut entry = json!({
        "mediaType": document.media_type,
        "digest": document.digest.as_str(),
        "size": document.bytes.len(),
    });
    if let Some(kind) = kind {
        entry["artifactType"] = kind.clone();
    }
    if let Some(annotations) = manifest.get("annotations") {
        entry["annotations"] = annotations.clone();
    }
    entry
}
