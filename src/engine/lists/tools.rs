//! `buildx imagetools`: indexes that are made and looked at in a registry, without a copy here.

use std::collections::BTreeMap;

use serde_json::Value;

use super::entries_of;
use crate::base::paths::private_dir;
use crate::base::{Error, Result, ResultExt};
use crate::engine::Engine;
use crate::engine::push::list;
use crate::oci::reference::DEFAULT_TAG;
use crate::oci::{Digest, Parsed, Platform, Reference, index, media};
use crate::registry::Client;
use crate::registry::RemoteDocument;
use crate::store::{ListEntry, Origin};

/// What to make.
#[derive(Debug, Clone, Default)]
pub struct NewIndex {
    /// References of images and indexes, in order.
    pub sources: Vec<String>,
    /// The names that the result gets, all of one or several repositories.
    pub tags: Vec<String>,
    /// Begin with what the first name has now.
    pub append: bool,
    /// Only images for these platforms.
    pub platforms: Vec<Platform>,
    /// Of the index.
    pub annotations: BTreeMap<String, String>,
    /// An index even of a single image.
    pub prefer_index: bool,
}

/// What was made.
#[derive(Debug, Clone)]
pub struct Made {
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The names that have it now, with its digest.
    pub names: Vec<(Reference, Digest)>,
}

/// Makes an index of `sources` and gives it to the registries of the names. With `dry` nothing is sent.
pub fn create(engine: &Engine, new: &NewIndex, dry: bool) -> Result<Made> {
    let names = new.tags.iter().map(|tag| super::name_of(tag)).collect::<Result<Vec<_>>>()?;
    if names.is_empty() && !dry {
        return Err(Error::usage("no name is given for the result").hint("-t NAME[:TAG] gives one"));
    }
    let client = Client::new(engine.registry.clone())?;
    let mut sources = new.sources.iter().map(|source| source.parse()).collect::<Result<Vec<Reference>>>()?;
    if new.append {
        sources.insert(0, names.first().cloned().ok_or_else(|| Error::usage("--append needs a name: -t"))?);
    }
    if sources.is_empty() {
        return Err(Error::usage("no sources are given"));
    }
    let mut entries: Vec<ListEntry> = Vec::new();
    for source in &sources {
        let found = entries_of(&client, source, true);
        entries.extend(found.context(|| format!("cannot read the manifest of `{}`", source.familiar()))?);
    }
    let is_wanted =
        |entry: &ListEntry| new.platforms.is_empty() || platform(entry).is_some_and(|own| new.platforms.contains(&own));
    entries.retain(is_wanted);
    let mut seen = Vec::new();
    entries.retain(|entry| {
        let digest = entry.digest();
        let is_new = !seen.contains(&digest);
        seen.push(digest);
        is_new
    });
    if entries.is_empty() {
        return Err(Error::not_found("no source has an image for the platforms that are wanted"));
    }
    let (media_type, bytes) = document(&client, &sources, &entries, new)?;
    let mut made = Made { media_type, bytes, names: Vec::new() };
    if dry {
        return Ok(made);
    }
    let spool = engine.paths.staging();
    private_dir(&spool)?;
    for name in names {
        let to = client.destination(&name)?;
        for entry in &entries {
            if let Origin::Registry(from) = &entry.from {
                let kind = entry.descriptor.get("mediaType").and_then(Value::as_str).unwrap_or_default();
                list::copy(&client, &spool, (from, kind, entry.manifest.as_bytes()), (&to, &name))?;
            }
        }
        let digest = client.put_manifest(&to, name.tag().unwrap_or(DEFAULT_TAG), &made.media_type, &made.bytes)?;
        made.names.push((name, digest));
    }
    Ok(made)
}

/// The result: a single source as it is where nothing changes it, else a new index.
fn document(
    client: &Client,
    sources: &[Reference],
    entries: &[ListEntry],
    new: &NewIndex,
) -> Result<(String, Vec<u8>)> {
    if let ([only], true, true) = (sources, new.platforms.is_empty(), new.annotations.is_empty()) {
        let RemoteDocument { bytes, parsed, .. } = client.document(only)?;
        if matches!(parsed, Parsed::Index(_)) || !new.prefer_index {
            return Ok((parsed.media_type().to_owned(), bytes));
        }
    }
    let descriptors: Vec<_> = entries.iter().map(|entry| &entry.descriptor).collect();
    let media_type = match new.annotations.is_empty() {
        true => index::media_type(&descriptors),
        false => media::OCI_INDEX,
    };
    Ok((media_type.to_owned(), index::write(media_type, &descriptors, &new.annotations)?))
}

fn platform(entry: &ListEntry) -> Option<Platform> {
    let platform = entry.descriptor.get("platform")?;
    let field = |key: &str| platform.get(key).and_then(Value::as_str);
    Some(Platform::new(field("os")?, field("architecture")?, field("variant")))
}

/// What a registry has under a name, as it is.
pub fn inspect(engine: &Engine, name: &str) -> Result<(Reference, RemoteDocument)> {
    let reference: Reference = name.strip_prefix("docker://").unwrap_or(name).parse()?;
    let document = Client::new(engine.registry.clone())?.document(&reference);
    document
        .context(|| format!("cannot read the manifest of `{}`", reference.familiar()))
        .map(|document| (reference, document))
}
