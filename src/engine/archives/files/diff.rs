//! `diff`: what a container has changed, or an image over the one below it.

use serde::{Deserialize, Serialize};

use super::{mount_points, root};
use crate::archive::changes;
pub use crate::archive::changes::{Change, ChangeKind};
use crate::base::{ContainerId, Error, Kind, Result, ResultExt, text};
use crate::engine::worker::{self, Given, Job, Place};
use crate::engine::{Engine, create};
use crate::oci::Digest;
use crate::store::ImageRecord;

/// What is compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Subject {
    /// A container with its image.
    Container(ContainerId),
    /// Layers with others, lowest first.
    Layers(Vec<Digest>, Vec<Digest>),
}

/// Compares layers, as root of the namespace that owns them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DiffJob {
    subject: Subject,
}

/// What the container `name` has changed; with `against`, what differs from that image or container.
pub fn container(engine: &Engine, name: &str) -> Result<Vec<Change>> {
    let id = engine.containers().find(name)?;
    run(engine, Subject::Container(id)).context(|| format!("cannot compare the container `{}`", text::clean(name)))
}

/// What the image `name` changes over `other`; without another, what its last layer does.
pub fn image(engine: &Engine, name: &str, other: Option<&str>) -> Result<Vec<Change>> {
    let new = find(engine, name)?.layers;
    let old = match other {
        Some(other) => find(engine, other)?.layers,
        None => new[..new.len().saturating_sub(1)].to_vec(),
    };
    run(engine, Subject::Layers(old, new)).context(|| format!("cannot compare the image `{}`", text::clean(name)))
}

/// podman's `diff NAME`: a container, or else an image.
pub fn either(engine: &Engine, name: &str) -> Result<Vec<Change>> {
    match engine.containers().find(name) {
        Err(error) if error.kind() == Kind::NotFound => match engine.store()?.lookup(name)? {
            Some(_) => image(engine, name, None),
            None => Err(error),
        },
        found => {
            found?;
            container(engine, name)
        }
    }
}

fn find(engine: &Engine, name: &str) -> Result<ImageRecord> {
    engine.store()?.lookup(name)?.ok_or_else(|| {
        Error::not_found(format!("no such image: `{}`", text::clean(name)))
            .hint("`coracle images` lists the images there are")
    })
}

fn run(engine: &Engine, subject: Subject) -> Result<Vec<Change>> {
    worker::call_silently(engine, DiffJob { subject })
}

impl Job for DiffJob {
    const NAME: &'static str = "diff";
    const PLACE: Place = Place::Outer;
    type Report = Vec<Change>;

    fn run(self, engine: &Engine, _given: Given<'_>) -> Result<Vec<Change>> {
        match self.subject {
            Subject::Container(id) => {
                let containers = engine.containers();
                let config = containers.config(&id)?;
                let union = root::union(engine, &config)?;
                // Another command that starts it meanwhile completes the upper directory itself.
                let guard = match root::running(&containers, &id)? {
                    None => containers.guard(&id)?,
                    Some(_) => None,
                };
                if guard.is_some() {
                    root::complete(&union)?;
                }
                let mut new = union.layers.clone();
                new.push(union.container.join("upper"));
                changes::list(&union.layers, &new, &mount_points(&config))
            }
            Subject::Layers(old, new) => {
                let store = engine.store()?;
                let trees = |layers: &[Digest]| create::layer_trees(&store, layers, "the image");
                changes::list(&trees(&old)?, &trees(&new)?, &[])
            }
        }
    }
}
