//! A cache of a remote registry: what clients pull is fetched from there once, and kept.
//!
//! What a tag stands for is asked again after [`FRESH`]; when the remote registry cannot be reached or refuses, what is
//! kept of it is served. Manifests and blobs are known by their digests and never change. A blob is sent while it arrives,
//! to all who want it, and kept once it is complete and verified. Blobs that were used longest ago make room for others.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::base::error::WireError;
use crate::base::publish::nameless;
use crate::base::{Error, Kind, Result, ResultExt, trace};
use crate::engine::Engine;
use crate::engine::depot::{Depot, Record, Tag};
use crate::oci::{Descriptor, Digest, Reference};
use crate::registry::Client;
use crate::registry::server::{Blob, Content, Document, Repository, Sent, Target, Uploaded, subject_of};

/// How long a tag is believed.
const FRESH: Duration = Duration::from_secs(60);
/// Most tags whose age is remembered.
const AGES: usize = 10_000;
/// Most blobs that are fetched at a time.
const FETCHES: usize = 16;

/// A cache of one registry.
pub struct Proxy {
    inner: Arc<Inner>,
    registry: String,
    ages: Mutex<HashMap<(Repository, String), Instant>>,
}

struct Inner {
    client: Client,
    depot: Depot,
    limit: u64,
    fetches: Mutex<HashMap<Digest, Arc<Fetch>>>,
}

/// A blob on its way into the cache.
struct Fetch {
    file: File,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    received: u64,
    ended: Option<Result<(), WireError>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Proxy {
    /// Of a registry, with blobs of at most `limit` bytes.
    pub fn new(engine: &Engine, registry: &str, limit: u64) -> Result<Self> {
        let depot = Depot::at(directory(engine, registry));
        depot.open()?;
        let client = Client::new(engine.registry.clone())?;
        let inner = Inner { client, depot, limit, fetches: Mutex::default() };
        Ok(Self { inner: Arc::new(inner), registry: registry.to_owned(), ages: Mutex::default() })
    }

    fn reference(&self, repository: &Repository) -> Result<Reference> {
        format!("{}/{repository}", self.registry).parse()
    }

    fn cached(&self, repository: &Repository, digest: &Digest) -> Result<Option<Document>> {
        let found = self.inner.depot.manifest(repository, digest)?;
        Ok(found.map(|(record, bytes)| Document { media_type: record.media_type, digest: digest.clone(), bytes }))
    }

    fn fetch(&self, repository: &Repository, target: &Target) -> Result<Document> {
        let name = self.reference(repository)?;
        let name = match target {
            Target::Tag(tag) => name.with_tag(tag)?,
            Target::Digest(digest) => name.with_digest(digest.clone()),
        };
        let found = self.inner.client.document(&name)?;
        let media_type = found.parsed.media_type().to_owned();
        let depot = &self.inner.depot;
        let _adding = depot.adding()?;
        let record = Record::new(&media_type, subject_of(&found.bytes), None);
        depot.put_manifest(repository, &found.digest, &record, &found.bytes)?;
        if let Target::Tag(tag) = target {
            depot.put_tag(repository, tag, &Tag::new(found.digest.clone(), None))?;
            let mut ages = locked(&self.ages);
            if ages.len() >= AGES {
                ages.clear();
            }
            ages.insert((repository.clone(), tag.clone()), Instant::now());
        }
        Ok(Document { media_type, digest: found.digest, bytes: found.bytes })
    }

    /// How large a blob is, as a manifest of the repository says.
    fn described(&self, repository: &Repository, digest: &Digest) -> Result<Option<Descriptor>> {
        for (manifest, _) in self.inner.depot.manifests(repository)? {
            let Some(document) = self.cached(repository, &manifest)? else { continue };
            let document: Value = serde_json::from_slice(&document.bytes).unwrap_or_default();
            let layers = document.get("layers").and_then(Value::as_array).into_iter().flatten();
            let found = layers
                .chain(document.get("config"))
                .find(|blob| blob.get("digest").and_then(Value::as_str) == Some(digest.as_str()));
            if let Some(found) = found {
                return serde_json::from_value(found.clone()).map(Some).context(|| "the manifest is damaged");
            }
        }
        Ok(None)
    }
}

/// Where the cache of a registry is.
fn directory(engine: &Engine, registry: &str) -> PathBuf {
    engine.paths.data.join("registry-cache").join(registry.replace(['/', ':'], "_"))
}

/// Whether what is kept will do instead.
fn is_of_the_network(error: &Error) -> bool {
    matches!(error.kind(), Kind::Network | Kind::Denied)
}

impl Inner {
    /// The fetch of a blob: one that goes on, or a new one.
    fn begin(self: &Arc<Self>, name: &Reference, blob: &Descriptor) -> Result<Arc<Fetch>> {
        let mut fetches = locked(&self.fetches);
        if let Some(fetch) = fetches.get(&blob.digest) {
            return Ok(fetch.clone());
        }
        if fetches.len() >= FETCHES {
            return Err(Error::conflict("too many blobs are being fetched").hint("try again in a while"));
        }
        let file = nameless(self.depot.open()?)?;
        let fetch = Arc::new(Fetch { file, state: Mutex::default(), changed: Condvar::new() });
        let (inner, ours, name, wanted) = (self.clone(), fetch.clone(), name.clone(), blob.clone());
        std::thread::Builder::new()
            .name("fetch".into())
            .spawn(move || {
                let ended = inner.receive(&ours, &name, &wanted);
                if let Err(error) = &ended {
                    trace::step(|| format!("cannot fetch the blob {}: {}", wanted.digest.short(), error.chain()));
                }
                // Whoever comes now finds it in the depot, or tries again.
                locked(&inner.fetches).remove(&wanted.digest);
                locked(&ours.state).ended = Some(ended.map_err(|error| WireError::from(&error)));
                ours.changed.notify_all();
            })
            .context(|| "cannot start a thread")?;
        fetches.insert(blob.digest.clone(), fetch.clone());
        Ok(fetch)
    }

    fn receive(&self, fetch: &Fetch, name: &Reference, blob: &Descriptor) -> Result<()> {
        let mut reader = self.client.blob_in(name, blob)?;
        let mut buffer = vec![0; 128 << 10];
        let mut at = 0;
        loop {
            let count = reader.read(&mut buffer).map_err(|error| {
                error.downcast::<Error>().unwrap_or_else(|error| Error::system("cannot fetch a blob").caused_by(error))
            })?;
            if count == 0 {
                break;
            }
            fetch.file.write_all_at(&buffer[..count], at).context(|| "cannot keep a blob")?;
            at += count as u64;
            locked(&fetch.state).received = at;
            fetch.changed.notify_all();
        }
        {
            let _adding = self.depot.adding()?;
            self.depot.put_file(&fetch.file, &blob.digest)?;
        }
        self.depot.shrink(self.limit)
    }
}

impl Fetch {
    /// Writes a part of the blob as it arrives.
    fn send(&self, (mut offset, mut length): (u64, u64), out: &mut dyn Write) -> Result<()> {
        let mut buffer = vec![0; 128 << 10];
        while length > 0 {
            let mut state = locked(&self.state);
            while state.received <= offset {
                match &state.ended {
                    Some(Err(error)) => return Err(error.clone().into()),
                    Some(Ok(())) => return Err(Error::invalid("the blob is shorter than its manifest says")),
                    None => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                }
            }
            let there = (state.received - offset).min(length).min(buffer.len() as u64) as usize;
            // The last byte goes out only when the whole is known to be right.
            let is_last = there as u64 == length;
            while is_last && state.ended.is_none() {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if let (true, Some(Err(error))) = (is_last, &state.ended) {
                return Err(error.clone().into());
            }
            drop(state);
            self.file.read_exact_at(&mut buffer[..there], offset).context(|| "cannot read a blob")?;
            out.write_all(&buffer[..there]).context(|| "cannot send a blob")?;
            offset += there as u64;
            length -= there as u64;
        }
        Ok(())
    }
}

impl Content for Proxy {
    fn repositories(&self) -> Result<Vec<String>> {
        Ok(self.inner.depot.repositories()?.iter().map(Repository::to_string).collect())
    }

    fn tags(&self, repository: &Repository) -> Result<Option<Vec<String>>> {
        match self.inner.client.tags(&self.reference(repository)?) {
            Ok(mut tags) => {
                tags.sort();
                Ok(Some(tags))
            }
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            Err(error) if is_of_the_network(&error) => {
                let tags = self.inner.depot.tags(repository)?;
                match tags.is_empty() {
                    true => Err(error),
                    false => Ok(Some(tags.into_iter().map(|(tag, _)| tag).collect())),
                }
            }
            Err(error) => Err(error),
        }
    }

    fn manifest(&self, repository: &Repository, target: &Target) -> Result<Option<Document>> {
        let kept = match target {
            Target::Digest(digest) => self.cached(repository, digest)?,
            Target::Tag(tag) => match self.inner.depot.tag(repository, tag)? {
                Some(value) => self.cached(repository, &value.digest)?,
                None => None,
            },
        };
        let is_fresh = match target {
            Target::Digest(_) => true,
            Target::Tag(tag) => {
                locked(&self.ages).get(&(repository.clone(), tag.clone())).is_some_and(|asked| asked.elapsed() < FRESH)
            }
        };
        if let (Some(kept), true) = (&kept, is_fresh) {
            return Ok(Some(kept.clone()));
        }
        match (self.fetch(repository, target), kept) {
            (Ok(document), _) => Ok(Some(document)),
            (Err(error), _) if error.kind() == Kind::NotFound => Ok(None),
            (Err(error), Some(kept)) if is_of_the_network(&error) => {
                trace::step(|| format!("serves what is kept: {}", error.chain()));
                Ok(Some(kept))
            }
            (Err(error), _) => Err(error),
        }
    }

    fn blob(&self, repository: &Repository, digest: &Digest) -> Result<Option<Blob>> {
        let Some(described) = self.described(repository, digest)? else { return Ok(None) };
        if let Some((file, size)) = self.inner.depot.blob(digest)? {
            self.inner.depot.touch(&file);
            return Ok(Some(Blob::of_file(file, size)));
        }
        let (inner, name) = (self.inner.clone(), self.reference(repository)?.with_digest(digest.clone()));
        let size = described.size;
        let write = move |offset, length, out: &mut dyn Write| match inner.depot.blob(&described.digest)? {
            // It has arrived meanwhile.
            Some((file, size)) => (Blob::of_file(file, size).write)(offset, length, out),
            None => inner.begin(&name, &described)?.send((offset, length), out),
        };
        Ok(Some(Blob { size, write: Box::new(write) }))
    }

    fn referrers(&self, repository: &Repository, digest: &Digest) -> Result<Vec<Value>> {
        super::own::referrers_in(&self.inner.depot, repository, digest)
    }

    fn put_manifest(&self, _: &Sent<'_>, _: &dyn Uploaded) -> Result<Digest> {
        Err(self.is_a_cache())
    }

    fn remove_manifest(&self, _: &Repository, _: &Target) -> Result<bool> {
        Err(self.is_a_cache())
    }
}

impl Proxy {
    fn is_a_cache(&self) -> Error {
        Error::unsupported(format!("this is a cache of `{}`: push there", self.registry))
    }
}
