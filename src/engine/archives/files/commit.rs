//! `commit`: an image of what a container has become.
//!
//! The new layer is the container's upper directory, read as it is: what is mounted in the container is not in it, and
//! empty files and directories that were made for mounts are left out. A container that runs stands still meanwhile.

use std::os::fd::AsFd;

use serde::{Deserialize, Serialize};

use super::freeze::Frozen;
use super::mount_points;
use super::root::{self, Root, View};
use crate::archive::pack::Packing;
use crate::base::{ContainerId, Error, Result, ResultExt, text, time};
use crate::engine::Engine;
use crate::engine::new_image::{self, Derived, MadeLayer, PlacedLayer};
use crate::engine::push::Format;
use crate::engine::worker::{self, Given, Job, Place};
use crate::oci::config::{Defaults, History};
use crate::oci::{Digest, ImageConfig, Platform, Reference};
use crate::spec::change;
use crate::spec::storage::{MountSource, StorageDriver};
use crate::state::ContainerConfig;
use crate::store::{ImageRecord, Store};

/// What to make of which container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitRequest {
    /// The container.
    pub container: String,
    /// The name of the image; it may have none.
    pub name: Option<String>,
    /// `--author`
    pub author: Option<String>,
    /// `--message`
    pub message: Option<String>,
    /// `--change`: lines of a Dockerfile.
    pub changes: Vec<String>,
    /// Whether a running container stands still meanwhile.
    pub pause: bool,
    /// The format of the manifest; that of the container's image when none.
    pub format: Option<Format>,
    /// One layer instead of the image's and another.
    pub squash: bool,
    /// The container's volumes become volumes of the image.
    pub include_volumes: bool,
}

/// A commit of a container that was found.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CommitJob {
    id: ContainerId,
    request: CommitRequest,
}

/// Makes an image of a container.
pub fn commit(engine: &Engine, request: &CommitRequest) -> Result<ImageRecord> {
    // What was typed wrong is told before anything is done.
    request.reference()?;
    request.changes.iter().try_for_each(|line| change::apply(&mut Defaults::default(), line))?;
    let id = engine.containers().find(&request.container)?;
    worker::call_silently(engine, CommitJob { id, request: request.clone() })
        .context(|| format!("cannot commit the container `{}`", text::clean(&request.container)))
}

impl CommitRequest {
    fn reference(&self) -> Result<Option<Reference>> {
        let reference: Option<Reference> = self.name.as_deref().map(str::parse).transpose()?;
        match reference.as_ref().and_then(Reference::digest) {
            Some(_) => Err(Error::usage("an image cannot be named by a digest: what is in it decides that")),
            None => Ok(reference),
        }
    }
}

impl Job for CommitJob {
    const NAME: &'static str = "commit";
    const PLACE: Place = Place::Outer;
    type Report = ImageRecord;

    fn run(self, engine: &Engine, _given: Given<'_>) -> Result<ImageRecord> {
        let (store, request) = (engine.store()?, &self.request);
        let _adding = store.begin_adding()?;
        let _ = store.sweep();
        let containers = engine.containers();
        let config = containers.config(&self.id)?;
        let made = read(engine, &store, &config, request)?;
        let base = store.image(&config.image.id.parse()?)?;
        let base_config = match &base {
            Some(image) => store.image_config(image)?,
            None => without_image(),
        };
        let changed = request.squash || made.placed().entries > 0;
        let mut layers = Vec::new();
        if base.is_none() && !request.squash {
            layers = config.image.layers.iter().map(|layer| placed(&store, layer)).collect::<Result<_>>()?;
        }
        match changed {
            true => layers.extend(new_image::publish(&store, vec![made])?),
            false => drop(made),
        }
        let derived = Derived {
            base: base.as_ref().filter(|_| !request.squash),
            layers: &layers,
            config: image_config(base_config, &config, request, &time::rfc3339(time::now()), changed)?,
            format: request.format,
            annotations: &[],
            names: &request.reference()?.into_iter().collect::<Vec<_>>(),
        };
        new_image::put(&store, derived)
    }
}

/// Makes the layer, while the container stands still or is kept from being started.
fn read(engine: &Engine, store: &Store, config: &ContainerConfig, request: &CommitRequest) -> Result<MadeLayer> {
    let containers = engine.containers();
    let init = root::running(&containers, &config.id)?;
    let packing = Packing { mount_points: mount_points(config), ..Packing::default() };
    let _frozen = match init.as_ref().filter(|_| request.pause) {
        Some(init) => Some(Frozen::of(init.pid)?),
        None => None,
    };
    if request.squash {
        let root = Root::open(engine, &config.id, View::Own)?;
        let packing = Packing { owners: root.owners.clone(), ..packing };
        return MadeLayer::of_tree(store, root.fd.as_fd(), &packing);
    }
    let union = root::union(engine, config)?;
    let _guard = match &init {
        None => {
            let guard = root::hold(&containers, &config.id, config)?;
            root::complete(&union)?;
            Some(guard)
        }
        Some(_) => {
            if config.storage.driver == StorageDriver::Fuse {
                // What was written through mappings is still in the mount's page cache.
                let root = Root::open(engine, &config.id, View::Own)?;
                let top = root.beneath()?.open_dir(".").context(|| "cannot open the container's root")?;
                rustix::fs::syncfs(top).context(|| "cannot write the container's changes")?;
            }
            None
        }
    };
    MadeLayer::of_upper(store, &union.container.join("upper"), &packing)
}

/// A layer whose image is gone.
fn placed(store: &Store, layer: &str) -> Result<PlacedLayer> {
    let diff_id: Digest = layer.parse()?;
    let layer = store.layer(&diff_id)?.ok_or_else(|| Error::not_found(format!("the layer `{diff_id}` is gone")))?;
    Ok(PlacedLayer { tar_size: layer.tar_size()?, size: layer.size, entries: 1, diff_id })
}

/// What is known of an image that is gone.
fn without_image() -> ImageConfig {
    let Platform { os, architecture, variant, .. } = Platform::host();
    ImageConfig { os, architecture, variant, ..ImageConfig::default() }
}

/// The configuration: the image's, over it what the container was made with, over that the changes.
fn image_config(
    base: ImageConfig,
    container: &ContainerConfig,
    request: &CommitRequest,
    now: &str,
    changed: bool,
) -> Result<ImageConfig> {
    let mut config = base.config;
    let words = |words: &[String]| Some(words.to_vec()).filter(|words| !words.is_empty());
    config.entrypoint = words(&container.process.entrypoint);
    config.cmd = words(&container.process.command);
    config.env.clone_from(&container.process.env);
    config.user.clone_from(&container.identity.user);
    config.labels.clone_from(&container.labels);
    config.exposed_ports.extend(container.networking.exposed.iter().cloned());
    if container.process.cwd != "/" || !config.working_dir.is_empty() {
        config.working_dir.clone_from(&container.process.cwd);
    }
    if container.health.check.is_some() {
        config.healthcheck.clone_from(&container.health.check);
    }
    if request.include_volumes {
        let is_volume = |source: &MountSource| matches!(source, MountSource::Volume { .. });
        let volumes = container.storage.mounts.iter().filter(|mount| is_volume(&mount.source));
        config.volumes.extend(volumes.map(|mount| mount.target.clone()));
    }
    request.changes.iter().try_for_each(|line| change::apply(&mut config, line))?;
    let mut history = if request.squash { Vec::new() } else { base.history };
    history.push(History {
        created: Some(now.to_owned()),
        author: request.author.clone(),
        created_by: container.process.argv().join(" "),
        comment: request.message.clone().unwrap_or_default(),
        empty_layer: !changed,
    });
    let author = request.author.clone().or(base.author);
    Ok(ImageConfig { created: Some(now.to_owned()), author, config, history, ..base })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures;
    use crate::state::Status;

    #[test]
    fn the_configuration_is_the_containers_with_changes() {
        let container = fixtures::container("one", 0, Status::Created).config;
        let base = ImageConfig {
            author: Some("them".into()),
            config: Defaults { entrypoint: Some(vec!["/old".into()]), working_dir: "/w".into(), ..Defaults::default() },
            history: vec![History { created_by: "FROM".into(), ..History::default() }],
            ..ImageConfig::default()
        };
        let request = CommitRequest {
            changes: vec!["CMD [\"new\"]".into(), "WORKDIR sub".into(), "ENV A=1".into()],
            message: Some("words".into()),
            ..CommitRequest::default()
        };
        let made = image_config(base.clone(), &container, &request, "now", true).unwrap();
        assert_eq!((made.config.entrypoint, made.config.cmd), (None, Some(vec!["new".to_owned()])));
        assert_eq!((made.config.working_dir.as_str(), made.author.as_deref()), ("/sub", Some("them")));
        assert_eq!(made.config.env, ["PATH=/bin", "A=1"]);
        assert_eq!((made.history.len(), made.history[1].comment.as_str()), (2, "words"));
        assert!(!made.history[1].empty_layer && made.history[1].created_by.starts_with("sh -c"));
        let squashed = CommitRequest { squash: true, ..request };
        assert_eq!(image_config(base, &container, &squashed, "now", true).unwrap().history.len(), 1);
    }
}
