//! Which image a person means: by id, by a whole name, or by a short one that the configuration of registries completes.
//!
//! In this order: a whole id; the names that the configuration allows (an alias, `localhost/`, the registries that are
//! searched, Docker Hub); the beginning of an id; a name that ends with what was typed. The last is podman's:
//! `alpine` finds `quay.io/team/alpine`. Where several images have such names nothing is guessed. Called as docker, only
//! Docker Hub's names and ids count.

use super::Engine;
use crate::base::{Error, Result, text};
use crate::oci::Reference;
use crate::oci::reference::short_name;
use crate::registry::Registries;
use crate::store::{ImageRecord, Store};

/// An image, and the name by which it was found; none when that was an id.
pub(super) type Found = (ImageRecord, Option<Reference>);

/// The image that `typed` means.
pub(super) fn lookup(engine: &Engine, store: &Store, typed: &str) -> Result<Option<ImageRecord>> {
    Ok(find(engine, store, typed)?.map(|(image, _)| image))
}

/// The image that `typed` means, with its name.
pub(super) fn find(engine: &Engine, store: &Store, typed: &str) -> Result<Option<Found>> {
    let Ok(reference) = typed.parse::<Reference>() else {
        return Ok(store.lookup(typed)?.map(|image| (image, None)));
    };
    let short = short_name(typed).filter(|_| !engine.registry.registries.docker_hub_only);
    let names = match short {
        Some(_) => Registries::load(&engine.registry)?.short_names.local(typed)?,
        None => vec![reference.clone()],
    };
    for name in names {
        if let Some(image) = store.resolve(&name)? {
            return Ok(Some((image, Some(name))));
        }
    }
    match (store.lookup(typed)?, short) {
        (Some(image), _) => Ok(Some((image, None))),
        (None, Some(short)) => by_suffix(store, short, &reference),
        (None, None) => Ok(None),
    }
}

/// The image with a name that ends with `short`, and has the tag or digest of `typed`.
fn by_suffix(store: &Store, short: &str, typed: &Reference) -> Result<Option<Found>> {
    let mut found: Vec<Found> = Vec::new();
    for image in store.list()? {
        let names = image.references.iter().chain(&image.digests);
        let fits = |name: &&Reference| {
            ends_with(name, short)
                && match typed.digest() {
                    Some(digest) => name.digest() == Some(digest),
                    None => name.digest().is_none() && name.tag() == typed.tag(),
                }
        };
        if let Some(name) = names.clone().find(fits) {
            found.push((image.record.clone(), Some(name.clone())));
        }
    }
    if found.len() > 1 {
        let names: Vec<String> = found.iter().filter_map(|(_, name)| name.as_ref().map(Reference::familiar)).collect();
        return Err(Error::conflict(format!("several images have a name that ends with `{}`", text::clean(short)))
            .hint(format!("give the whole name: {}", names.join(", "))));
    }
    Ok(found.pop())
}

/// Whether the last components of a repository are these.
pub(super) fn ends_with(name: &Reference, short: &str) -> bool {
    let whole = name.name();
    whole.strip_suffix(short).is_some_and(|rest| rest.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures;

    fn found(engine: &Engine, typed: &str) -> String {
        match lookup(engine, &engine.store().unwrap(), typed) {
            Ok(None) => "-".into(),
            Ok(Some(image)) => image.id.short().to_owned(),
            Err(error) => error.message().to_owned(),
        }
    }

    #[test]
    fn short_names_find_what_the_configuration_means_then_what_ends_so() {
        let (mut engine, scratch) = fixtures::engine();
        let image = |name: &str, names: &[&str]| fixtures::image(&engine, name, names).id.short().to_owned();
        let hub = image("hub", &["app"]);
        let quay = image("quay", &["quay.io/team/app:v1", "quay.io/app"]);
        let local = image("local", &["localhost/own:2"]);
        let other = image("other", &["ghcr.io/x/own:2", "ghcr.io/y/own:3"]);
        for (typed, expected) in [
            ("app", hub.as_str()),
            ("app:v1", &quay),
            ("team/app:v1", &quay),
            ("eam/app:v1", "-"),
            ("own:2", &local),
            ("x/own:2", &other),
            ("own", "-"),
            ("quay.io/app", &quay),
            ("docker.io/app", &hub),
            ("docker.io/team/app:v1", "-"),
        ] {
            assert_eq!(found(&engine, typed), expected, "{typed}");
        }
        fixtures::image(&engine, "twin", &["mirror.example/app:v1"]);
        assert!(found(&engine, "app:v1").starts_with("several images"));
        let conf = scratch.path().join("registries.conf");
        std::fs::write(&conf, "unqualified-search-registries = ['quay.io']\n[aliases]\nown = 'ghcr.io/y/own'\n")
            .unwrap();
        engine.registry.registries.system = vec![conf];
        assert_eq!((found(&engine, "app"), found(&engine, "own:3")), (quay, other));
        engine.registry.registries.docker_hub_only = true;
        assert_eq!((found(&engine, "app"), found(&engine, "own:2")), (hub, "-".into()));
    }
}
