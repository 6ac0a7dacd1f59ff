//! The build cache: which layer a step of a build has made, under the digest of everything the step depends on.
//!
//! ```text
//! store/buildcache/<key>.json     CacheRecord; its time of modification is when it was last used
//!                 /locks/<3 digits>   flock(2): held while a step of such a key is done
//! ```
//!
//! A record is written when its layer is in the store, and the layer stays as long as the record does: whoever removes
//! layers asks [`BuildCache::layers`]. A record whose layer is gone counts as absent. There is no index: the directory is
//! the list.

use std::fs::{self, File, TryLockError};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::Store;
use crate::base::error::if_absent;
use crate::base::paths::private_dir;
use crate::base::publish::{self, Durability};
use crate::base::{Result, ResultExt};
use crate::oci::Digest;

/// The version of a record.
const VERSION: u32 = 1;

/// How often a lock is tried that somebody else holds: a step takes longer.
const AGAIN: Duration = Duration::from_millis(20);

/// A layer that a step has made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeLayer {
    /// The digest of its tar stream.
    pub diff_id: Digest,
    /// Bytes of the tar stream.
    pub tar_size: u64,
    /// Bytes of its files.
    pub size: u64,
    /// Entries.
    pub entries: u64,
}

/// What a step has made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheRecord {
    version: u32,
    /// The layer.
    pub layer: MadeLayer,
    /// When it was made, RFC 3339.
    pub created: String,
    /// The step in words, for `buildx du`.
    pub description: String,
}

/// A record in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedStep {
    /// The digest of what the step depends on.
    pub key: String,
    /// What it has made.
    pub record: CacheRecord,
    /// When it was last used.
    pub used: SystemTime,
}

/// The build cache of a store.
#[derive(Debug, Clone)]
pub struct BuildCache {
    store: Store,
    directory: PathBuf,
}

/// Held while a step is done, so that nobody else does the same.
#[derive(Debug)]
pub struct StepLock {
    _file: File,
}

impl Store {
    /// Its build cache.
    pub fn build_cache(&self) -> BuildCache {
        BuildCache { store: self.clone(), directory: self.path("buildcache") }
    }
}

impl BuildCache {
    fn make(&self) -> Result<()> {
        private_dir(&self.directory.join("locks"))
    }

    fn path(&self, key: &Digest) -> PathBuf {
        self.directory.join(format!("{}.json", key.hex()))
    }

    /// Takes the lock of a step. `waits` is called when somebody else holds it, and then again and again: an error of it
    /// ends the wait. The argument is whether it is called for the first time.
    pub fn lock(&self, key: &Digest, waits: &mut dyn FnMut(bool) -> Result<()>) -> Result<StepLock> {
        self.make()?;
        let path = self.directory.join("locks").join(&key.hex()[..3]);
        let file = File::options().create(true).truncate(false).write(true).open(&path).at(&path, "cannot open")?;
        let mut first = true;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(StepLock { _file: file }),
                Err(TryLockError::WouldBlock) => waits(first)?,
                Err(TryLockError::Error(error)) => return Err(error).at(&path, "cannot lock"),
            }
            first = false;
            std::thread::sleep(AGAIN);
        }
    }

    /// What the step with this key has made, if its layer is there.
    pub fn find(&self, key: &Digest) -> Result<Option<CacheRecord>> {
        let path = self.path(key);
        let Some(bytes) = if_absent(fs::read(&path)).at(&path, "cannot read")? else { return Ok(None) };
        // Damaged by a power cut, or of another version: made again.
        let Ok(record) = serde_json::from_slice::<CacheRecord>(&bytes) else { return Ok(None) };
        if record.version != VERSION || self.store.layer(&record.layer.diff_id)?.is_none() {
            return Ok(None);
        }
        if let Ok(file) = File::open(&path) {
            let _ = file.set_modified(SystemTime::now());
        }
        Ok(Some(record))
    }

    /// Records what a step has made.
    pub fn put(&self, key: &Digest, layer: MadeLayer, created: &str, description: &str) -> Result<CacheRecord> {
        self.make()?;
        let description = description.chars().take(500).collect();
        let record = CacheRecord { version: VERSION, layer, created: created.to_owned(), description };
        publish::json(&self.path(key), &record, Durability::Volatile)?;
        Ok(record)
    }

    /// All records, the least recently used first.
    pub fn list(&self) -> Result<Vec<CachedStep>> {
        let Some(entries) = if_absent(fs::read_dir(&self.directory)).at(&self.directory, "cannot list")? else {
            return Ok(Vec::new());
        };
        let mut listed = Vec::new();
        for entry in entries.flatten() {
            let Some(key) = entry.file_name().to_str().and_then(|name| name.strip_suffix(".json")).map(str::to_owned)
            else {
                continue;
            };
            let record = fs::read(entry.path()).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
            if let (Some(record), Ok(used)) = (record, entry.metadata().and_then(|metadata| metadata.modified())) {
                listed.push(CachedStep { key, record, used });
            }
        }
        listed.sort_by(|a, b| a.used.cmp(&b.used).then_with(|| a.key.cmp(&b.key)));
        Ok(listed)
    }

    /// The layers that records need.
    pub fn layers(&self) -> Result<Vec<Digest>> {
        Ok(self.list()?.into_iter().map(|listed| listed.record.layer.diff_id).collect())
    }

    /// Forgets what a step has made.
    pub fn remove(&self, key: &str) -> Result<()> {
        let path = self.directory.join(format!("{key}.json"));
        if_absent(fs::remove_file(&path)).at(&path, "cannot remove").map(drop)
    }
}

/// Removes the least recently used records until the rest takes no more than `budget` bytes; returns those that went.
/// Pure: `listed` in the order of [`BuildCache::list`].
pub fn beyond_budget(listed: &[CachedStep], budget: u64) -> Vec<&CachedStep> {
    let mut total: u64 = listed.iter().map(|listed| listed.record.layer.size).sum();
    let goes = |listed: &&CachedStep| {
        let over = total > budget;
        if over {
            total -= listed.record.layer.size;
        }
        over
    };
    listed.iter().take_while(goes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Error;
    use crate::base::publish::Staging;

    fn cache() -> (BuildCache, Staging) {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        (Store::open(&scratch.path().join("store")).unwrap().build_cache(), scratch)
    }

    fn layer(size: u64) -> MadeLayer {
        MadeLayer { diff_id: Digest::sha256(b"none"), tar_size: 0, size, entries: 1 }
    }

    #[test]
    fn records_without_layers_are_absent() {
        let ((cache, _scratch), key) = (cache(), Digest::sha256(b"key"));
        assert_eq!(cache.find(&key).unwrap(), None);
        cache.put(&key, layer(1), "then", "RUN x").unwrap();
        assert_eq!(cache.find(&key).unwrap(), None);
        assert_eq!(cache.list().unwrap()[0].record.description, "RUN x");
        cache.remove(key.hex()).unwrap();
        assert!(cache.layers().unwrap().is_empty());
    }

    #[test]
    fn the_oldest_go_first() {
        let listed = |seconds: u64, size: u64| CachedStep {
            key: seconds.to_string(),
            record: CacheRecord {
                version: VERSION,
                layer: layer(size),
                created: String::new(),
                description: String::new(),
            },
            used: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
        };
        let all = [listed(1, 10), listed(2, 20), listed(3, 30)];
        let gone = |budget| beyond_budget(&all, budget).iter().map(|listed| listed.key.as_str()).collect::<String>();
        assert_eq!(
            (gone(60), gone(59), gone(50), gone(49), gone(0)),
            ("".into(), "1".into(), "1".into(), "12".into(), "123".into())
        );
    }

    #[test]
    fn one_step_at_a_time() {
        let ((cache, _scratch), key) = (cache(), Digest::sha256(b"key"));
        let held = cache.lock(&key, &mut |_| Err(Error::system("it is free"))).unwrap();
        let waited = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let second = scope.spawn(|| {
                cache.lock(&key, &mut |_| {
                    waited.store(true, std::sync::atomic::Ordering::SeqCst);
                    Ok(())
                })
            });
            while !waited.load(std::sync::atomic::Ordering::SeqCst) {
                std::thread::yield_now();
            }
            drop(held);
            second.join().unwrap().unwrap();
        });
        let _held = cache.lock(&key, &mut |_| Ok(())).unwrap();
        assert!(cache.lock(&key, &mut |_| Err(Error::system("over"))).is_err());
    }
}
