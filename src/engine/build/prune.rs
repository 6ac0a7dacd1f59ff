//! What the build cache takes, and how it is kept small.

use super::cache_mount::PruneMounts;
use crate::base::Result;
use crate::engine::Engine;
use crate::engine::reclaim::reclaim;
use crate::engine::worker;
use crate::store::{CachedStep, beyond_budget};
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

/// A record of the cache as `buildx du` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Its key.
    pub id: String,
    /// The bytes of its files.
    pub size: u64,
    /// When it was last used.
    pub used: SystemTime,
    /// When it was made, RFC 3339.
    pub created: String,
    /// An image has the layer too: removing the record frees nothing.
    pub shared: bool,
    /// The step.
    pub description: String,
}

/// What was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The keys of the records.
    pub ids: Vec<String>,
    /// The bytes that are free now, or soon.
    pub freed: u64,
}

fn shared(engine: &Engine) -> Result<BTreeSet<String>> {
    let images = engine.store()?.list()?;
    Ok(images.into_iter().flat_map(|image| image.record.layers).map(|layer| layer.to_string()).collect())
}

/// What the cache holds, the least recently used first.
pub fn usage(engine: &Engine) -> Result<Vec<Usage>> {
    let shared = shared(engine)?;
    let usage = |listed: CachedStep| Usage {
        shared: shared.contains(&listed.record.layer.diff_id.to_string()),
        id: listed.key,
        size: listed.record.layer.size,
        used: listed.used,
        created: listed.record.created,
        description: listed.record.description,
    };
    Ok(engine.store()?.build_cache().list()?.into_iter().map(usage).collect())
}

/// Removes records: without `all` those whose layers no image has. `older`: only those that were not used for this long.
/// `keep`: the records that were used last stay, up to this number of bytes. With `all`, the directories of cache mounts
/// that no step uses go as well.
pub fn prune(engine: &Engine, all: bool, older: Option<Duration>, keep: Option<u64>) -> Result<Pruned> {
    let cache = engine.store()?.build_cache();
    let shared = shared(engine)?;
    let listed = cache.list()?;
    let going: Vec<&CachedStep> = keep.map_or_else(|| listed.iter().collect(), |keep| beyond_budget(&listed, keep));
    let mut pruned = Pruned::default();
    for listed in going {
        let is_shared = shared.contains(&listed.record.layer.diff_id.to_string());
        let recent = older.is_some_and(|older| listed.used.elapsed().is_ok_and(|age| age < older));
        if recent || (is_shared && !all) {
            continue;
        }
        cache.remove(&listed.key)?;
        pruned.ids.push(listed.key.clone());
        pruned.freed += if is_shared { 0 } else { listed.record.layer.size };
    }
    if all && older.is_none() && keep.is_none() {
        worker::call_silently(engine, PruneMounts {})?;
    }
    reclaim(engine, Duration::ZERO)?;
    Ok(pruned)
}

/// The bytes that the cache may take: a tenth of the file system.
fn budget(engine: &Engine) -> u64 {
    let total = rustix::fs::statvfs(&engine.paths.data).map_or(0, |fs| fs.f_blocks.saturating_mul(fs.f_frsize));
    (total / 10).max(1 << 30)
}

/// Removes the least recently used records beyond the budget.
pub fn keep_to_budget(engine: &Engine) -> Result<()> {
    let cache = engine.store()?.build_cache();
    let listed = cache.list()?;
    let going = beyond_budget(&listed, budget(engine));
    if going.is_empty() {
        return Ok(());
    }
    going.iter().try_for_each(|listed| cache.remove(&listed.key))?;
    reclaim(engine, Duration::from_secs(3600))
}
