//! `manifest`: images for several platforms under one name. A list is put together here (see [`crate::store::ListRecord`])
//! and pushed as an OCI index or docker's manifest list. `buildx imagetools` makes one in a registry at once: [`tools`].

pub mod tools;

use std::collections::BTreeMap;

use super::{Engine, image_name};
use crate::base::{Error, Kind, Result, ResultExt, text};
use crate::oci::index::{self, Change};
use crate::oci::{Digest, Parsed, Platform, Reference, media};
use crate::registry::Client;
use crate::store::{ListEntry, ListRecord, Origin, Store, no_list};

/// Where an image of a list is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Here first, then in its registry: podman's way.
    Here,
    /// In its registry: docker's way.
    Registry,
}

/// A list in the making.
#[derive(Debug, Clone, Default)]
pub struct NewList {
    /// Its images.
    pub images: Vec<String>,
    /// All images of those that are indexes, instead of the one for this machine.
    pub all: bool,
    /// Add to a list that exists.
    pub amend: bool,
    /// Of the list.
    pub annotations: BTreeMap<String, String>,
}

/// Makes a list.
pub fn create(engine: &Engine, name: &str, new: &NewList, look: Look) -> Result<(Reference, Digest)> {
    let (store, name) = (engine.store()?, name_of(name)?);
    if !new.amend && store.list_of_images(&name)?.is_some() {
        return Err(exists_already(&name));
    }
    let mut added = Vec::new();
    for image in &new.images {
        added.extend(found(engine, &store, image, new.all, look)?);
    }
    let lock = store.lock_exclusive()?;
    let mut record = match store.list_of_images(&name)? {
        Some(_) if !new.amend => return Err(exists_already(&name)),
        record => record.unwrap_or_default(),
    };
    record.annotations.extend(new.annotations.clone());
    added.into_iter().for_each(|entry| put(&mut record, entry));
    store.put_list_of_images(&lock, &name, &record)?;
    digest_of(&record).map(|digest| (name, digest))
}

fn exists_already(name: &Reference) -> Error {
    Error::conflict(format!("the list `{}` exists already", name.familiar())).hint("--amend adds to it")
}

/// Adds an image to a list, with changes of its entry. Returns the digest that the list has now.
pub fn add(engine: &Engine, list: &str, image: &str, all: bool, change: &Change, look: Look) -> Result<Digest> {
    let (store, list) = (engine.store()?, name_of(list)?);
    store.list_of_images(&list)?.ok_or_else(|| no_list(&list))?;
    let mut added = found(engine, &store, image, all, look)?;
    added.iter_mut().for_each(|entry| change.apply(&mut entry.descriptor));
    edit(&store, &list, |record| {
        added.into_iter().for_each(|entry| put(record, entry));
        Ok(())
    })
}

/// Changes the entry of an image, which is named by its digest or as it was added.
pub fn annotate(engine: &Engine, list: &str, image: &str, change: &Change, look: Look) -> Result<Digest> {
    let (store, list) = (engine.store()?, name_of(list)?);
    let record = store.list_of_images(&list)?.ok_or_else(|| no_list(&list))?;
    let digests = match image.parse::<Digest>() {
        Ok(digest) => vec![digest],
        Err(_) => found(engine, &store, image, true, look)?.iter().filter_map(ListEntry::digest).collect(),
    };
    if !record.entries.iter().any(|entry| digests.iter().any(|digest| index::is_of(&entry.descriptor, digest))) {
        return Err(not_in(&list, image));
    }
    edit(&store, &list, |record| {
        let entries = record.entries.iter_mut().map(|entry| &mut entry.descriptor);
        entries
            .filter(|entry| digests.iter().any(|digest| index::is_of(entry, digest)))
            .for_each(|entry| change.apply(entry));
        Ok(())
    })
}

/// Adds annotations to the list itself.
pub fn annotate_list(engine: &Engine, list: &str, annotations: &BTreeMap<String, String>) -> Result<Digest> {
    edit(&engine.store()?, &name_of(list)?, |record| {
        record.annotations.extend(annotations.clone());
        Ok(())
    })
}

/// Takes an image out of a list.
pub fn remove(engine: &Engine, list: &str, digest: &str) -> Result<Digest> {
    let list = name_of(list)?;
    let wanted: Digest = digest.parse()?;
    edit(&engine.store()?, &list, |record| {
        let before = record.entries.len();
        record.entries.retain(|entry| !index::is_of(&entry.descriptor, &wanted));
        match record.entries.len() < before {
            true => Ok(()),
            false => Err(not_in(&list, digest)),
        }
    })
}

fn not_in(list: &Reference, image: &str) -> Error {
    Error::not_found(format!("`{}` is not in the list `{}`", text::clean(image), list.familiar()))
        .hint(format!("`coracle manifest inspect {}` shows what is", list.familiar()))
}

/// Removes a list; its images stay.
pub fn delete(engine: &Engine, list: &str) -> Result<Reference> {
    let (store, list) = (engine.store()?, name_of(list)?);
    let lock = store.lock_exclusive()?;
    match store.remove_list_of_images(&lock, &list)? {
        true => Ok(list),
        false => Err(no_list(&list)),
    }
}

/// Whether there is such a list.
pub fn exists(engine: &Engine, list: &str) -> Result<bool> {
    Ok(engine.store()?.list_of_images(&name_of(list)?)?.is_some())
}

/// The name of a list.
pub fn name_of(typed: &str) -> Result<Reference> {
    let reference: Reference = typed.parse()?;
    match reference.digest() {
        None => Ok(reference),
        Some(_) => Err(Error::usage("a list has a name with a tag, not with a digest")),
    }
}

/// A list that is here as an index; else what the registry has under the name.
pub fn inspect(engine: &Engine, name: &str) -> Result<Vec<u8>> {
    let bare = name.strip_prefix("docker://").unwrap_or(name);
    let reference: Reference = bare.parse()?;
    if reference.digest().is_none()
        && let Some(record) = engine.store()?.list_of_images(&reference)?
    {
        return document_of(&record);
    }
    let client = Client::new(engine.registry.clone())?;
    client
        .document(&reference)
        .map(|document| document.bytes)
        .context(|| format!("cannot read the manifest of `{}`", reference.familiar()))
}

/// The manifests of a list's entries, or of the only image that the registry has under the name; each with its entry.
pub fn inspect_images(engine: &Engine, name: &str) -> Result<Vec<ListEntry>> {
    let bare = name.strip_prefix("docker://").unwrap_or(name);
    let reference: Reference = bare.parse()?;
    let store = engine.store()?;
    match store.list_of_images(&reference)? {
        Some(record) => Ok(record.entries),
        None => from_registry(engine, &reference, true),
    }
}

fn edit(store: &Store, list: &Reference, change: impl FnOnce(&mut ListRecord) -> Result<()>) -> Result<Digest> {
    let lock = store.lock_exclusive()?;
    let mut record = store.list_of_images(list)?.ok_or_else(|| no_list(list))?;
    change(&mut record)?;
    store.put_list_of_images(&lock, list, &record)?;
    digest_of(&record)
}

fn document_of(record: &ListRecord) -> Result<Vec<u8>> {
    let entries: Vec<_> = record.entries.iter().map(|entry| &entry.descriptor).collect();
    index::write(index::media_type(&entries), &entries, &record.annotations)
}

fn digest_of(record: &ListRecord) -> Result<Digest> {
    if record.entries.len() > index::ENTRIES_MAX {
        return Err(Error::invalid(format!("a list has at most {} images", index::ENTRIES_MAX)));
    }
    document_of(record).map(|bytes| Digest::sha256(&bytes))
}

/// Adds an entry, in the place of an earlier one of the same image.
fn put(record: &mut ListRecord, entry: ListEntry) {
    let same =
        entry.digest().and_then(|digest| record.entries.iter().position(|old| index::is_of(&old.descriptor, &digest)));
    match same {
        Some(at) => record.entries[at] = entry,
        None => record.entries.push(entry),
    }
}

/// The entries for an image as typed.
fn found(engine: &Engine, store: &Store, image: &str, all: bool, look: Look) -> Result<Vec<ListEntry>> {
    let whole = image.strip_prefix("docker://");
    if whole.is_none()
        && look == Look::Here
        && let Some(image) = image_name::lookup(engine, store, image)?
    {
        let bytes = store.image_manifest_bytes(&image)?;
        let media_type = &image.manifest_media_type;
        return Ok(vec![ListEntry {
            descriptor: index::descriptor(media_type, &image.manifest, bytes.len(), Some(&image.platform)),
            manifest: text_of(bytes)?,
            from: Origin::Store(image.id),
        }]);
    }
    from_registry(engine, &whole.unwrap_or(image).parse()?, all)
}

/// The entries for what a registry has: all images of an index, or the one for this machine.
fn from_registry(engine: &Engine, reference: &Reference, all: bool) -> Result<Vec<ListEntry>> {
    let client = Client::new(engine.registry.clone())?;
    entries_of(&client, reference, all).context(|| format!("cannot read the manifest of `{}`", reference.familiar()))
}

pub(super) fn entries_of(client: &Client, reference: &Reference, all: bool) -> Result<Vec<ListEntry>> {
    let document = client.document(reference)?;
    let from = |digest: &Digest| reference.with_digest(digest.clone());
    let Parsed::Index(list) = &document.parsed else {
        let platform = client.platform_of(reference, &document)?;
        let kind = document.parsed.media_type();
        let descriptor = index::descriptor(kind, &document.digest, document.bytes.len(), platform.as_ref());
        let from = Origin::Registry(from(&document.digest));
        return Ok(vec![ListEntry { descriptor, manifest: text_of(document.bytes)?, from }]);
    };
    let wanted: Vec<Digest> = match all {
        true => list.manifests.iter().map(|descriptor| descriptor.digest.clone()).collect(),
        false => {
            list.candidates(&Platform::host()).first().map(|descriptor| descriptor.digest.clone()).into_iter().collect()
        }
    };
    if wanted.is_empty() && !all {
        return Err(Error::not_found("it has no image for this machine").hint("--all takes all of its images"));
    }
    let mut entries = Vec::new();
    for descriptor in index::entries(&document.bytes)? {
        let Some(digest) = wanted.iter().find(|digest| index::is_of(&descriptor, digest)) else { continue };
        let image = client.document(&from(digest))?;
        if media::is_index(image.parsed.media_type()) {
            return Err(Error::new(Kind::Unsupported, "it is an index within an index"));
        }
        entries.push(ListEntry { descriptor, manifest: text_of(image.bytes)?, from: Origin::Registry(from(digest)) });
    }
    Ok(entries)
}

fn text_of(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|_| Error::invalid("the image's manifest is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures;

    #[test]
    fn a_list_of_images_that_are_here_grows_changes_and_goes() {
        let (engine, _scratch) = fixtures::engine();
        let first = fixtures::image(&engine, "one", &["app:one"]);
        let second = fixtures::image(&engine, "two", &["app:two"]);
        let new = NewList { images: vec!["app:one".into()], ..NewList::default() };
        let (name, before) = create(&engine, "list:1", &new, Look::Here).unwrap();
        assert_eq!(name.familiar(), "list:1");
        assert_eq!(create(&engine, "list:1", &new, Look::Here).unwrap_err().kind(), Kind::Conflict);
        let amend = NewList { amend: true, ..new.clone() };
        assert_eq!(create(&engine, "list:1", &amend, Look::Here).unwrap().1, before, "the same image is there once");
        let change = Change { architecture: Some("riscv64".into()), ..Change::default() };
        let after = add(&engine, "list:1", "app:two", false, &change, Look::Here).unwrap();
        assert_ne!(before, after);
        let shown = || serde_json::from_slice::<serde_json::Value>(&inspect(&engine, "list:1").unwrap()).unwrap();
        assert_eq!(shown()["manifests"][1]["platform"]["architecture"], "riscv64");
        assert_eq!(shown()["manifests"][0]["digest"], first.manifest.as_str());
        let change = Change { os: Some("plan9".into()), ..Change::default() };
        annotate(&engine, "list:1", "app:one", &change, Look::Here).unwrap();
        annotate(&engine, "list:1", second.manifest.as_str(), &change, Look::Here).unwrap();
        assert_eq!(
            (&shown()["manifests"][0]["platform"]["os"], &shown()["manifests"][1]["platform"]["os"]),
            (&"plan9".into(), &"plan9".into())
        );
        remove(&engine, "list:1", first.manifest.as_str()).unwrap();
        assert_eq!(remove(&engine, "list:1", first.manifest.as_str()).unwrap_err().kind(), Kind::NotFound);
        assert_eq!(shown()["manifests"].as_array().unwrap().len(), 1);
        assert!(
            exists(&engine, "list:1").unwrap()
                && !exists(&engine, "list").unwrap()
                && !exists(&engine, "list/1").unwrap()
        );
        delete(&engine, "list:1").unwrap();
        assert_eq!(delete(&engine, "list:1").unwrap_err().kind(), Kind::NotFound);
        assert!(!exists(&engine, "list:1").unwrap());
    }
}
