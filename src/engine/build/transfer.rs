//! `--cache-from` and `--cache-to`: the records of a build go to another machine and come back.
//!
//! A cache travels as an image: its layers are those of the steps, and a label of its configuration says which key each of
//! them has ([`LABEL`]). So registries, layouts and signatures of images serve for caches as well. `inline` puts the same
//! label on the image that is built, whose layers are there anyway.
//!
//! Importing fetches the layers that are not here and records them in the build cache of the store. Whoever may write
//! there decides what a build contains: name only places that you trust as you trust a base image. A cache that cannot be
//! read is no reason to fail: its steps are done again.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::events::{Event, Events, Numbers, Watcher};
use super::jobs::{ImageFormat, PutImage};
use super::request::{BuildRequest, CachePlace, CacheTarget};
use super::solve::{Build, Built};
use crate::base::id::random_hex;
use crate::base::{Error, Result, ResultExt, text};
use crate::engine::archives::load::{LoadRequest, load};
use crate::engine::archives::save::{Format, Output, SaveRequest, save};
use crate::engine::progress::Silent;
use crate::engine::pull::{PullRequest, pull};
use crate::engine::push::{PushRequest, push};
use crate::engine::rmi::{How, remove};
use crate::engine::{Engine, worker};
use crate::oci::config::History;
use crate::oci::{Digest, ImageConfig};
use crate::registry::Client;
use crate::spec::image::PullPolicy;
use crate::store::{ImageRecord, MadeLayer, Store};

/// The label with the records.
pub const LABEL: &str = "io.coracle.build.cache";

/// The most records that are read or written.
const RECORDS_MAX: usize = 10_000;

/// A step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    key: Digest,
    layer: Digest,
    created: String,
    step: String,
}

/// Brings the records of other machines into the build cache.
pub fn import(engine: &Engine, request: &BuildRequest, numbers: &Numbers, watcher: &dyn Watcher) -> Result<()> {
    for place in &request.cache_from {
        let name = match place {
            CachePlace::Registry(reference) => reference.familiar(),
            CachePlace::Local(path) => path.display().to_string(),
            CachePlace::Inline => continue,
        };
        let events = numbers.begin(watcher, &format!("importing cache manifest from {}", text::clean(&name)));
        match import_one(engine, request, place) {
            Ok(count) => {
                events.tell(Event::Note(format!("{count} steps")));
                events.done();
            }
            Err(error) => events.tell(Event::Failed(&error.chain())),
        }
    }
    Ok(())
}

fn import_one(engine: &Engine, request: &BuildRequest, place: &CachePlace) -> Result<usize> {
    let store = engine.store()?;
    let platform = request.platforms.first().cloned();
    let (image, name) = match place {
        CachePlace::Registry(reference) => {
            let wanted = platform.clone().unwrap_or_else(crate::oci::Platform::host);
            let found = Client::new(engine.registry.clone())?.resolve(reference, &wanted)?;
            // By digest, so that no name of an image that is here changes.
            let exact = found.reference.with_digest(found.digest.clone());
            let was_there = store.lookup(&exact.to_string())?.is_some();
            let pulled = PullRequest { image: exact.to_string(), platform, policy: PullPolicy::Missing };
            let image = pull(engine, &pulled, &Silent)?.image;
            (image, (!was_there).then(|| exact.to_string()))
        }
        CachePlace::Local(path) => {
            let layout = File::open(path).at(path, "cannot open the cache")?;
            let wanted = LoadRequest { unnamed: true, ..LoadRequest::default() };
            let loaded = load(engine, &wanted, layout.into(), &Silent)?;
            let first = loaded.into_iter().next().ok_or_else(|| Error::not_found("the cache is empty"))?;
            let id = first.image.id.to_string();
            (first.image, Some(id))
        }
        CachePlace::Inline => return Ok(0),
    };
    let count = record(&store, &image)?;
    if let Some(name) = name {
        // The layers stay with the records.
        for removed in remove(engine, &[name], &How::default())? {
            let _ = removed?;
        }
    }
    Ok(count)
}

/// Records what the label of an image says, as far as the layers are its own.
fn record(store: &Store, image: &ImageRecord) -> Result<usize> {
    let config = store.image_config(image)?;
    let label = config.config.labels.get(LABEL);
    let label = label.ok_or_else(|| Error::not_found("the image holds no build cache"))?;
    let kept: Vec<Kept> = serde_json::from_str(label)
        .map_err(|error| Error::invalid("the build cache of the image cannot be read").caused_by(error))?;
    let cache = store.build_cache();
    let mut count = 0;
    for Kept { key, layer, created, step } in kept.into_iter().take(RECORDS_MAX) {
        if !image.layers.contains(&layer) || cache.find(&key)?.is_some() {
            continue;
        }
        let Some(found) = store.layer(&layer)? else { continue };
        // What the label says of sizes is not believed.
        let made = MadeLayer { tar_size: found.tar_size()?, size: found.size, entries: found.entries, diff_id: layer };
        let step: String = text::clean(&step).chars().take(1000).collect();
        cache.put(&key, made, &text::clean(&created), &step)?;
        count += 1;
    }
    Ok(count)
}

impl Build<'_> {
    /// The label for an image with these layers.
    pub fn cache_label(&self, layers: &[Digest]) -> Result<String> {
        let kept: Vec<Kept> = self
            .used_records()
            .into_iter()
            .filter(|(_, record)| layers.contains(&record.layer.diff_id))
            .take(RECORDS_MAX)
            .map(|(key, record)| Kept {
                key,
                layer: record.layer.diff_id,
                created: record.created,
                step: record.description,
            })
            .collect();
        serde_json::to_string(&kept).context(|| "cannot describe the cache")
    }

    /// Sends the records of this build to where the user wants them.
    pub fn export_cache(&self, built: &Built) -> Result<()> {
        for target in self.request.cache_to.iter().filter(|target| target.place != CachePlace::Inline) {
            let events = self.numbers.begin(self.watcher, "exporting cache");
            match self.export_one(built, target, &events) {
                Ok(()) => events.done(),
                Err(error) => {
                    events.tell(Event::Failed(&error.chain()));
                    if !target.may_fail {
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }

    fn export_one(&self, built: &Built, target: &CacheTarget, events: &Events<'_>) -> Result<()> {
        let own: BTreeSet<Digest> = built.layers.iter().map(|layer| layer.diff_id.clone()).collect();
        let (mut layers, mut seen) = (Vec::new(), BTreeSet::new());
        for (_, record) in self.used_records() {
            let wanted = target.all || own.contains(&record.layer.diff_id);
            if wanted && seen.insert(record.layer.diff_id.clone()) {
                layers.push(record.layer);
            }
        }
        if layers.is_empty() {
            events.tell(Event::Note("no step has made a layer".into()));
            return Ok(());
        }
        let image = self.cache_image(layers)?;
        let id = image.id.to_string();
        let sent = match &target.place {
            CachePlace::Registry(reference) => {
                let request = PushRequest {
                    image: id.clone(),
                    destination: Some(reference.to_string()),
                    ..PushRequest::default()
                };
                push(self.engine, &request, &Silent).map(drop)
            }
            CachePlace::Local(path) => write_layout(self.engine, &id, path),
            CachePlace::Inline => Ok(()),
        };
        for removed in remove(self.engine, &[id], &How::default())? {
            let _ = removed?;
        }
        sent
    }

    /// The image that carries the layers.
    fn cache_image(&self, layers: Vec<MadeLayer>) -> Result<ImageRecord> {
        let ids: Vec<Digest> = layers.iter().map(|layer| layer.diff_id.clone()).collect();
        let mut config = ImageConfig {
            architecture: self.platform.architecture.clone(),
            os: self.platform.os.clone(),
            variant: self.platform.variant.clone(),
            ..ImageConfig::default()
        };
        config.config.labels.insert(LABEL.to_owned(), self.cache_label(&ids)?);
        config.history =
            ids.iter().map(|_| History { created_by: "build cache".into(), ..History::default() }).collect();
        let format = Some(ImageFormat::Oci);
        let job = PutImage { base: None, layers, config, format, annotations: Vec::new(), names: Vec::new() };
        worker::call_silently(self.engine, job)
    }
}

/// Writes a layout that takes the place of a former one.
fn write_layout(engine: &Engine, id: &str, path: &Path) -> Result<()> {
    let is_former = path.join("oci-layout").is_file();
    let is_free = std::fs::read_dir(path).map_or(true, |mut entries| entries.next().is_none());
    if !is_former && !is_free {
        return Err(Error::usage(format!("`{}` holds something else than a cache", path.display()))
            .hint("name a directory of its own for the cache"));
    }
    let name = path.file_name().ok_or_else(|| Error::usage("the cache needs a directory of its own"))?;
    let mut beside = name.to_owned();
    beside.push(format!(".{}", random_hex()?));
    let beside = path.with_file_name(beside);
    let request = SaveRequest {
        images: vec![id.to_owned()],
        names: vec!["localhost/build-cache:latest".into()],
        format: Format::OciDirectory,
        ..SaveRequest::default()
    };
    let written = save(engine, &request, Output::Directory(beside.clone())).and_then(|()| {
        if path.exists() {
            use rustix::fs::{CWD, RenameFlags, renameat_with};
            renameat_with(CWD, &beside, CWD, path, RenameFlags::EXCHANGE).at(path, "cannot replace")
        } else {
            std::fs::rename(&beside, path).at(path, "cannot create")
        }
    });
    if beside.exists() {
        std::fs::remove_dir_all(&beside).at(&beside, "cannot remove")?;
    }
    written
}
