//! What `auto-update` asks: whether there is a newer image under the name that a container was made from.

use serde::{Deserialize, Serialize};

use super::progress::Progress;
use super::pull::{PullRequest, pull};
use super::{Engine, image_name, lists, tag};
use crate::base::{Error, Result, text};
use crate::oci::Reference;
use crate::spec::image::{ImageOrigin, PullPolicy};

/// Where newer images come from: the policies of the label `io.containers.autoupdate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// A registry.
    Registry,
    /// This machine: a build, or a pull by hand.
    Local,
}

impl Source {
    /// The policy that a label names; none for one that is switched off.
    pub fn parse(policy: &str) -> Result<Option<Self>> {
        match policy {
            "registry" | "image" => Ok(Some(Source::Registry)),
            "local" => Ok(Some(Source::Local)),
            "" | "disabled" => Ok(None),
            other => Err(Error::invalid(format!("unknown policy of auto-update: `{}`", text::clean(other)))
                .hint("registry and local are known")),
        }
    }
}

/// The name, which must say its registry: what a short one means can change.
fn whole_name(name: &str) -> Result<Reference> {
    let registry = name.split_once('/').map_or("", |(first, _)| first);
    let reference: Reference = name.parse()?;
    if !(registry.contains(['.', ':']) || registry == "localhost") {
        return Err(Error::invalid(format!("`{}` does not say its registry", text::clean(name)))
            .hint(format!("name the image `{reference}` when the container is made")));
    }
    match reference.digest() {
        Some(_) => Err(Error::invalid(format!("`{}` is one image for good", text::clean(name)))
            .hint("name it by its tag when the container is made")),
        None => Ok(reference),
    }
}

/// Whether there is a newer image than the container's. Nothing is fetched but a manifest.
pub fn is_newer(engine: &Engine, image: &ImageOrigin, source: Source) -> Result<bool> {
    let store = engine.store()?;
    match source {
        Source::Local => {
            let now = image_name::lookup(engine, &store, &image.name)?;
            Ok(now.is_some_and(|now| now.id.to_string() != image.id))
        }
        Source::Registry => {
            let reference = whole_name(&image.name)?;
            let (_, remote) = lists::tools::inspect(engine, &reference.to_string())?;
            let Some(own) = store.image(&image.id.parse()?)? else { return Ok(true) };
            let names = store.names_of(&own.id)?;
            let same = |name: &Reference| name.name() == reference.name() && name.digest() == Some(&remote.digest);
            Ok(own.manifest != remote.digest && !names.iter().any(same))
        }
    }
}

/// Fetches the newer image, and says its id. Nothing is fetched for [`Source::Local`].
pub fn fetch(engine: &Engine, image: &ImageOrigin, source: Source, progress: &dyn Progress) -> Result<String> {
    match source {
        Source::Registry => {
            let request =
                PullRequest { image: whole_name(&image.name)?.to_string(), platform: None, policy: PullPolicy::Always };
            Ok(pull(engine, &request, progress)?.image.id.to_string())
        }
        Source::Local => {
            let now = image_name::lookup(engine, &engine.store()?, &image.name)?;
            Ok(now.map_or_else(|| image.id.clone(), |now| now.id.to_string()))
        }
    }
}

/// What the image itself says under a label: a container has its image's labels too, and nobody else vouches for those.
pub fn own_label(engine: &Engine, image: &ImageOrigin, label: &str) -> Result<Option<String>> {
    let store = engine.store()?;
    let Some(record) = store.image(&image.id.parse()?)? else { return Ok(None) };
    Ok(store.image_config(&record)?.config.labels.get(label).cloned())
}

/// Gives the container's image its name again.
pub fn put_back(engine: &Engine, image: &ImageOrigin) -> Result<()> {
    tag::tag(engine, &image.id, std::slice::from_ref(&image.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_must_be_whole() {
        for (name, whole) in [
            ("quay.io/a/b:1", true),
            ("localhost/a", true),
            ("localhost:5000/a", true),
            ("alpine", false),
            ("library/alpine", false),
            ("quay.io/a@sha256:0123456789012345678901234567890123456789012345678901234567890123", false),
        ] {
            assert_eq!(whole_name(name).is_ok(), whole, "{name}");
        }
        assert_eq!(Source::parse("registry").unwrap(), Some(Source::Registry));
        assert_eq!(Source::parse("disabled").unwrap(), None);
        assert!(Source::parse("always").is_err());
    }
}
