//! What `registry serve` keeps beside the store, byte for byte as it came: manifests, indexes and artifacts (signatures,
//! for example) that were pushed, and blobs that cannot be made again from the store. A cache of a remote registry has the
//! same form in another directory.
//!
//! ```text
//! registry/
//! ├── lock                                 flock(2): shared while something is added, exclusive for a collection
//! ├── blobs/<digest>                       layers, configurations, manifests
//! └── repositories/<name…>/
//!     ├── _manifests/<digest>              {"version":1,"mediaType":…}: see Record
//!     └── _tags/<tag>                      {"version":1,"digest":…}: see Tag
//! ```
//!
//! `<digest>` stands for the hexadecimal digits alone, whose number tells the algorithm.
//!
//! *Images belong to the store.* An image that is pushed under a tag is unpacked into the store, where it has the name
//! `localhost/<name>:<tag>`, and its manifest here says so. When the store forgets or changes that name, the tag and the
//! manifest here count no longer, and the next collection removes them with their blobs. Removing the image is enough.
//!
//! *Publication.* Blobs first, then the manifest's record, then the tag; each is complete and durable before the next
//! begins. A blob without a manifest is garbage, which [`Depot::collect`] removes; whoever adds holds the lock shared from
//! the first blob to the tag.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::base::error::if_absent;
use crate::base::lock::{Lock, Mode};
use crate::base::paths::private_dir;
use crate::base::publish::{self, Durability};
use crate::base::{Error, Paths, Result, ResultExt};
use crate::oci::{Digest, Parsed, Reference, parse_manifest};
use crate::registry::server::Repository;
use crate::store::Store;

/// The version of the records.
const VERSION: u32 = 1;
/// How long a manifest stays that nothing refers to: whoever pushes an index pushes its manifests before.
const ORPHANS: Duration = Duration::from_secs(24 * 3600);
const TAGS: &str = "_tags";
const MANIFESTS: &str = "_manifests";

/// What is known of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    version: u32,
    /// Its media type.
    pub media_type: String,
    /// What it is about, for the list of referrers.
    pub subject: Option<Digest>,
    /// The image of the store that it became, if it did.
    pub image: Option<Digest>,
}

impl Record {
    /// One of this version.
    pub fn new(media_type: &str, subject: Option<Digest>, image: Option<Digest>) -> Self {
        Self { version: VERSION, media_type: media_type.to_owned(), subject, image }
    }
}

/// What a tag stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    version: u32,
    /// The manifest.
    pub digest: Digest,
    /// The image that the store has under the name of this tag, as long as it counts.
    pub image: Option<Digest>,
}

impl Tag {
    /// One of this version.
    pub fn new(digest: Digest, image: Option<Digest>) -> Self {
        Self { version: VERSION, digest, image }
    }
}

/// The directory.
#[derive(Debug, Clone)]
pub struct Depot {
    root: PathBuf,
}

/// How the tags begin of what is attached to a manifest: signatures and attestations (cosign), and lists of referrers
/// (distribution specification, "Referrers Tag Schema").
fn attachments_of(digest: &Digest) -> String {
    format!("{}-{}", digest.algorithm().name(), digest.hex())
}

/// The name of pushed images in the store.
pub fn store_name(repository: &Repository) -> Result<Reference> {
    format!("localhost/{repository}").parse()
}

impl Depot {
    /// What was pushed to this user's registry.
    pub fn of(paths: &Paths) -> Self {
        Self { root: paths.data.join("registry") }
    }

    /// In another directory.
    pub fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// Whether anything was ever kept.
    pub fn exists(&self) -> bool {
        self.root.join("blobs").exists()
    }

    /// The directory, made if it is not there.
    pub fn open(&self) -> Result<&Path> {
        for name in ["blobs", "repositories"] {
            private_dir(&self.root.join(name))?;
        }
        Ok(&self.root)
    }

    /// Held by whoever adds something.
    pub fn adding(&self) -> Result<Lock> {
        self.open()?;
        Lock::wait(&self.root.join("lock"), Mode::Shared)
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs").join(digest.hex())
    }

    fn repository(&self, repository: &Repository) -> PathBuf {
        self.root.join("repositories").join(repository.as_str())
    }

    /// A blob and its size.
    pub fn blob(&self, digest: &Digest) -> Result<Option<(File, u64)>> {
        let path = self.blob_path(digest);
        let Some(file) = if_absent(File::open(&path)).at(&path, "cannot open")? else { return Ok(None) };
        let size = file.metadata().at(&path, "cannot read")?.len();
        Ok(Some((file, size)))
    }

    /// Whether the blob is here.
    pub fn has(&self, digest: &Digest) -> bool {
        self.blob_path(digest).exists()
    }

    /// A small blob.
    fn bytes(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        let path = self.blob_path(digest);
        Ok(if_absent(fs::read(&path)).at(&path, "cannot read")?.filter(|bytes| digest.is_of(bytes)))
    }

    /// Keeps a file without a name that is known to have this digest. Durable on return.
    pub fn put_file(&self, file: &File, digest: &Digest) -> Result<()> {
        let path = self.blob_path(digest);
        publish::link(file, &path)
    }

    /// Keeps a small blob. Durable on return.
    pub fn put_bytes(&self, bytes: &[u8], digest: &Digest) -> Result<()> {
        match self.bytes(digest)? {
            Some(_) => Ok(()),
            None => publish::file(&self.blob_path(digest), bytes, Durability::Durable),
        }
    }

    /// A manifest with what is known of it.
    pub fn manifest(&self, repository: &Repository, digest: &Digest) -> Result<Option<(Record, Vec<u8>)>> {
        let path = self.manifest_path(repository, digest);
        let Some(record) = read::<Record>(&path)? else { return Ok(None) };
        Ok(self.bytes(digest)?.map(|bytes| (record, bytes)))
    }

    /// Keeps a manifest. Durable on return.
    pub fn put_manifest(&self, repository: &Repository, digest: &Digest, record: &Record, bytes: &[u8]) -> Result<()> {
        self.put_bytes(bytes, digest)?;
        let directory = self.repository(repository).join(MANIFESTS);
        private_dir(&directory)?;
        publish::json(&directory.join(digest.hex()), record, Durability::Durable)
    }

    /// What a tag stands for.
    pub fn tag(&self, repository: &Repository, tag: &str) -> Result<Option<Tag>> {
        read(&self.repository(repository).join(TAGS).join(tag))
    }

    /// Sets a tag. Durable on return.
    pub fn put_tag(&self, repository: &Repository, tag: &str, value: &Tag) -> Result<()> {
        let directory = self.repository(repository).join(TAGS);
        private_dir(&directory)?;
        publish::json(&directory.join(tag), value, Durability::Durable)
    }

    /// Takes a tag away. False: there is none.
    pub fn remove_tag(&self, repository: &Repository, tag: &str) -> Result<bool> {
        remove(&self.repository(repository).join(TAGS).join(tag))
    }

    /// Takes a manifest away, with what is about it (signatures, for example) and has no tag of its own. False: there is none.
    pub fn remove_manifest(&self, repository: &Repository, digest: &Digest) -> Result<bool> {
        let (tags, manifests) = (self.tags(repository)?, self.manifests(repository)?);
        let removed = remove(&self.manifest_path(repository, digest))?;
        let (mut pending, mut seen) = (vec![digest.clone()], HashSet::new());
        while let Some(gone) = pending.pop() {
            if !seen.insert(gone.clone()) {
                continue;
            }
            let attached = attachments_of(&gone);
            let is_attached =
                |tag: &str| tag.strip_prefix(&attached).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
            let is_named =
                |digest: &Digest| tags.iter().any(|(tag, value)| value.digest == *digest && !is_attached(tag));
            let mut about: Vec<&Digest> = Vec::new();
            for (tag, value) in tags.iter().filter(|(tag, _)| is_attached(tag)) {
                self.remove_tag(repository, tag)?;
                about.push(&value.digest);
            }
            about.extend(
                manifests.iter().filter(|(_, of)| of.subject.as_ref() == Some(&gone)).map(|(digest, _)| digest),
            );
            for digest in about.into_iter().filter(|digest| !is_named(digest)) {
                remove(&self.manifest_path(repository, digest))?;
                pending.push(digest.clone());
            }
        }
        Ok(removed)
    }

    fn manifest_path(&self, repository: &Repository, digest: &Digest) -> PathBuf {
        self.repository(repository).join(MANIFESTS).join(digest.hex())
    }

    /// All tags of a repository.
    pub fn tags(&self, repository: &Repository) -> Result<Vec<(String, Tag)>> {
        let directory = self.repository(repository).join(TAGS);
        let mut tags = Vec::new();
        for name in names_in(&directory)? {
            tags.extend(read(&directory.join(&name))?.map(|tag| (name, tag)));
        }
        Ok(tags)
    }

    /// All manifests of a repository.
    pub fn manifests(&self, repository: &Repository) -> Result<Vec<(Digest, Record)>> {
        let directory = self.repository(repository).join(MANIFESTS);
        let mut manifests = Vec::new();
        for name in names_in(&directory)? {
            if let Some(digest) = digest_of(&name) {
                manifests.extend(read(&directory.join(&name))?.map(|record| (digest, record)));
            }
        }
        Ok(manifests)
    }

    /// All repositories.
    pub fn repositories(&self) -> Result<Vec<Repository>> {
        let root = self.root.join("repositories");
        let mut found = Vec::new();
        let mut pending = vec![String::new()];
        while let Some(name) = pending.pop() {
            for component in names_in(&root.join(&name))? {
                match component.starts_with('_') {
                    true => found.extend(Repository::parse(&name)),
                    false if name.is_empty() => pending.push(component),
                    false => pending.push(format!("{name}/{component}")),
                }
            }
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// Whether a tag counts: what became an image is what the store has under that name.
    pub fn counts(&self, store: &Store, repository: &Repository, tag: &str, value: &Tag) -> Result<bool> {
        let Some(id) = &value.image else { return Ok(true) };
        let named = store.resolve(&store_name(repository)?.with_tag(tag)?)?;
        Ok(named.is_some_and(|image| image.id == *id))
    }

    /// Whether a manifest counts, by its digest.
    pub fn counts_by_digest(
        &self,
        store: &Store,
        repository: &Repository,
        digest: &Digest,
        record: &Record,
    ) -> Result<bool> {
        let Some(id) = &record.image else { return Ok(true) };
        let named = store.resolve(&store_name(repository)?.with_digest(digest.clone()))?;
        Ok(named.is_some_and(|image| image.id == *id))
    }

    /// Removes what counts no longer, and blobs that nothing refers to. Nothing happens while somebody adds something:
    /// there will be a next time. Returns how many bytes became free.
    pub fn collect(&self, store: &Store) -> Result<u64> {
        if !self.exists() {
            return Ok(0);
        }
        let Some(_lock) = Lock::attempt(&self.root.join("lock"), Mode::Exclusive)? else { return Ok(0) };
        publish::sweep_files_below(&self.root)?;
        let mut needed = HashSet::new();
        for repository in self.repositories()? {
            // What was attached to something that goes, goes next. Each time there are fewer.
            loop {
                let (kept, changed) = self.collect_repository(store, &repository)?;
                if !changed {
                    needed.extend(kept);
                    break;
                }
            }
        }
        let mut free = 0;
        let blobs = self.root.join("blobs");
        for name in names_in(&blobs)? {
            if digest_of(&name).is_some_and(|digest| !needed.contains(&digest)) {
                let path = blobs.join(&name);
                free += fs::symlink_metadata(&path).map_or(0, |metadata| metadata.len());
                remove(&path)?;
            }
        }
        Ok(free)
    }

    /// Removes what counts no longer in a repository. Gives what the rest refers to, and whether a manifest was removed.
    fn collect_repository(&self, store: &Store, repository: &Repository) -> Result<(HashSet<Digest>, bool)> {
        let mut kept: HashSet<Digest> = HashSet::new();
        for (tag, value) in self.tags(repository)? {
            match self.counts(store, repository, &tag, &value)? {
                true => drop(kept.insert(value.digest)),
                false => drop(self.remove_tag(repository, &tag)?),
            }
        }
        let mut manifests: HashMap<Digest, (Record, References)> = HashMap::new();
        for (digest, record) in self.manifests(repository)? {
            let references = self.bytes(&digest)?;
            let references = references.map(|bytes| References::of(&bytes, &record.media_type)).unwrap_or_default();
            manifests.insert(digest, (record, references));
        }
        for (digest, (record, _)) in &manifests {
            let counts = self.counts_by_digest(store, repository, digest, record)?;
            let is_new = record.image.is_none() && self.is_new(repository, digest);
            if (counts && record.image.is_some()) || is_new {
                kept.insert(digest.clone());
            }
        }
        // What an index that stays names, and what is about something that stays.
        loop {
            let before = kept.len();
            for (digest, (record, references)) in &manifests {
                if kept.contains(digest) {
                    kept.extend(references.0.iter().filter(|child| manifests.contains_key(*child)).cloned());
                } else if record.subject.as_ref().is_some_and(|subject| kept.contains(subject)) {
                    kept.insert(digest.clone());
                }
            }
            if kept.len() == before {
                break;
            }
        }
        let (mut needed, mut changed) = (HashSet::new(), false);
        for (digest, (_, references)) in manifests {
            match kept.contains(&digest) {
                true => {
                    needed.insert(digest);
                    needed.extend(references.0);
                }
                false => changed |= self.remove_manifest(repository, &digest)?,
            }
        }
        self.remove_empty(repository);
        Ok((needed, changed))
    }

    fn is_new(&self, repository: &Repository, digest: &Digest) -> bool {
        let path = self.manifest_path(repository, digest);
        let made = fs::symlink_metadata(path).and_then(|metadata| metadata.modified());
        made.is_ok_and(|made| SystemTime::now().duration_since(made).unwrap_or_default() < ORPHANS)
    }

    /// Removes directories of a repository that are empty; the first that is not ends it.
    fn remove_empty(&self, repository: &Repository) {
        let directory = self.repository(repository);
        for name in [TAGS, MANIFESTS] {
            let _ = fs::remove_dir(directory.join(name));
        }
        let root = self.root.join("repositories");
        let _ = directory
            .ancestors()
            .take_while(|directory| **directory != *root)
            .find(|directory| fs::remove_dir(directory).is_err());
    }

    /// Removes the blobs that were used longest ago until those that stay have at most `limit` bytes.
    pub fn shrink(&self, limit: u64) -> Result<()> {
        let Some(_lock) = Lock::attempt(&self.root.join("lock"), Mode::Exclusive)? else { return Ok(()) };
        let blobs = self.root.join("blobs");
        let mut all = Vec::new();
        for name in names_in(&blobs)? {
            let path = blobs.join(&name);
            if let Ok(metadata) = fs::symlink_metadata(&path) {
                all.push((metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), metadata.len(), path));
            }
        }
        all.sort();
        let mut total: u64 = all.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in all {
            if total <= limit {
                break;
            }
            remove(&path)?;
            total -= size;
        }
        Ok(())
    }

    /// Notes that a blob was used now, for [`Depot::shrink`].
    pub fn touch(&self, file: &File) {
        let _ = file.set_modified(SystemTime::now());
    }
}

/// The digests that a manifest or index refers to, whatever kind it is.
#[derive(Debug, Default)]
struct References(Vec<Digest>);

impl References {
    fn of(bytes: &[u8], media_type: &str) -> Self {
        // As manifests are read elsewhere: keys may be written in any case.
        let read: Vec<Digest> = match parse_manifest(bytes, Some(media_type)) {
            Ok(Parsed::Manifest(manifest)) => {
                std::iter::once(manifest.config).chain(manifest.layers).map(|blob| blob.digest).collect()
            }
            Ok(Parsed::Index(index)) => index.manifests.into_iter().map(|child| child.digest).collect(),
            Err(_) => Vec::new(),
        };
        let document: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
        let lists = ["layers", "manifests", "blobs"].into_iter().filter_map(|key| document.get(key)?.as_array());
        let digest = |one: &serde_json::Value| one.get("digest")?.as_str()?.parse().ok();
        Self(
            read.into_iter()
                .chain(document.get("config").into_iter().chain(lists.flatten()).filter_map(digest))
                .collect(),
        )
    }
}

/// A record; a damaged one counts as absent, one of a newer version is refused.
fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::EISDIR)) => {
            return Ok(None);
        }
        Err(error) => return Err(error).at(path, "cannot read"),
    };
    if serde_json::from_slice::<Versioned>(&bytes).is_ok_and(|record| record.version > VERSION) {
        return Err(Error::unsupported(format!("`{}` was written by a newer coracle", path.display())));
    }
    Ok(serde_json::from_slice(&bytes).ok())
}

fn remove(path: &Path) -> Result<bool> {
    Ok(if_absent(fs::remove_file(path)).at(path, "cannot remove")?.is_some())
}

/// The names in a directory that may not exist; those of files in the making are left out.
fn names_in(directory: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR)) => return Ok(Vec::new()),
        Err(error) => return Err(error).at(directory, "cannot list"),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.at(directory, "cannot list")?.file_name();
        names.extend(name.into_string().ok().filter(|name| !name.starts_with('.')));
    }
    names.sort();
    Ok(names)
}

fn digest_of(hex: &str) -> Option<Digest> {
    let algorithm = if hex.len() == 128 { "sha512" } else { "sha256" };
    format!("{algorithm}:{hex}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures;
    use crate::oci::media::OCI_MANIFEST;

    fn app() -> Repository {
        Repository::parse("team/app").unwrap()
    }

    /// A manifest with one blob, as it is pushed.
    fn put(depot: &Depot, blob: &str, image: Option<&Digest>) -> Digest {
        let digest = Digest::sha256(blob.as_bytes());
        depot.put_bytes(blob.as_bytes(), &digest).unwrap();
        let config = format!(r#"{{"mediaType":"text/x","digest":"{digest}","size":{}}}"#, blob.len());
        // Keys in another case are read as well.
        let manifest = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","CONFIG":{config},"layers":[]}}"#);
        let own = Digest::sha256(manifest.as_bytes());
        let record = Record::new(OCI_MANIFEST, None, image.cloned());
        depot.put_manifest(&app(), &own, &record, manifest.as_bytes()).unwrap();
        own
    }

    fn has(depot: &Depot, blob: &str) -> bool {
        depot.has(&Digest::sha256(blob.as_bytes()))
    }

    #[test]
    fn what_nothing_refers_to_is_collected() {
        let (engine, _scratch) = fixtures::engine();
        let (store, depot) = (engine.store().unwrap(), Depot::of(&engine.paths));
        assert_eq!(depot.collect(&store).unwrap(), 0, "nothing was ever pushed");
        let adding = depot.adding().unwrap();
        let tagged = put(&depot, "tagged", None);
        depot.put_tag(&app(), "1", &Tag::new(tagged.clone(), None)).unwrap();
        depot.put_bytes(b"garbage", &Digest::sha256(b"garbage")).unwrap();
        assert_eq!(depot.collect(&store).unwrap(), 0, "somebody adds something");
        drop(adding);
        assert_eq!(depot.collect(&store).unwrap(), 7);
        assert!(has(&depot, "tagged") && !has(&depot, "garbage"));
        assert_eq!(depot.manifest(&app(), &tagged).unwrap().unwrap().0.media_type, OCI_MANIFEST);
        assert_eq!(depot.repositories().unwrap(), [app()]);
        assert!(depot.remove_tag(&app(), "1").unwrap() && !depot.remove_tag(&app(), "1").unwrap());
        depot.collect(&store).unwrap();
        assert!(has(&depot, "tagged"), "an index may come to refer to it");
        assert!(depot.remove_manifest(&app(), &tagged).unwrap());
        depot.collect(&store).unwrap();
        assert!(!has(&depot, "tagged"));
        assert_eq!(depot.repositories().unwrap(), []);
    }

    #[test]
    fn an_image_of_the_store_takes_everything_along() {
        let (engine, _scratch) = fixtures::engine();
        let (store, depot) = (engine.store().unwrap(), Depot::of(&engine.paths));
        depot.open().unwrap();
        let image = fixtures::image(&engine, "a", &["localhost/team/app:1"]);
        let manifest = put(&depot, "image", Some(&image.id));
        let name = store_name(&app()).unwrap();
        store.tag(&store.lock_shared().unwrap(), &name.with_digest(manifest.clone()), &image).unwrap();
        let tag = Tag::new(manifest.clone(), Some(image.id.clone()));
        depot.put_tag(&app(), "1", &tag).unwrap();
        let signature = put(&depot, "signature", None);
        depot.put_tag(&app(), &format!("sha256-{}.sig", manifest.hex()), &Tag::new(signature, None)).unwrap();
        // Of something else, whose name only begins alike.
        let other = put(&depot, "other", None);
        depot.put_tag(&app(), &format!("sha256-{}0.sig", manifest.hex()), &Tag::new(other, None)).unwrap();
        depot.collect(&store).unwrap();
        assert!(depot.counts(&store, &app(), "1", &tag).unwrap() && has(&depot, "image") && has(&depot, "signature"));
        // Another image gets the tag.
        let next = fixtures::image(&engine, "b", &[]);
        store.tag(&store.lock_shared().unwrap(), &name.with_tag("1").unwrap(), &next).unwrap();
        assert!(!depot.counts(&store, &app(), "1", &tag).unwrap());
        depot.collect(&store).unwrap();
        assert!(has(&depot, "image"), "it has its digest");
        store.untag(&store.lock_exclusive().unwrap(), &name.with_digest(manifest.clone())).unwrap();
        depot.collect(&store).unwrap();
        assert!(depot.manifest(&app(), &manifest).unwrap().is_none() && !has(&depot, "image"));
        assert!(has(&depot, "other") && !has(&depot, "signature"));
        assert_eq!(depot.tags(&app()).unwrap().len(), 1, "the signature's went");
    }

    #[test]
    fn a_cache_makes_room_by_what_was_used_longest_ago() {
        let (engine, _scratch) = fixtures::engine();
        let depot = Depot::of(&engine.paths);
        depot.open().unwrap();
        for (age, blob) in [(300, "oldest"), (200, "middle"), (100, "newest")] {
            let digest = Digest::sha256(blob.as_bytes());
            depot.put_bytes(blob.as_bytes(), &digest).unwrap();
            let (file, size) = depot.blob(&digest).unwrap().unwrap();
            assert_eq!(size, 6);
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        }
        depot.touch(&depot.blob(&Digest::sha256(b"oldest")).unwrap().unwrap().0);
        depot.shrink(12).unwrap();
        assert!(has(&depot, "oldest") && !has(&depot, "middle") && has(&depot, "newest"));
    }
}
