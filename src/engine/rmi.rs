//! `rmi`: take names from images, and images that have none left from the store.
//!
//! Everything happens under the store's exclusive lock: creating a container holds the shared one, so that no container
//! comes to use an image between the check and the removal.

use std::collections::HashSet;
use std::time::Duration;

use super::depot::Depot;
use super::reclaim::reclaim;
use super::{Engine, image_name};
use crate::base::{Error, Result, text};
use crate::oci::{Digest, Platform, Reference};
use crate::spec::events::Action;
use crate::state::mounts::Mounts;
use crate::state::{Container, ContainerConfig, Containers};
use crate::store::{Exclusive, ImageRecord, ListedImage, Store, StoreLock};

/// What the removal of one image did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// Names that were taken away, in docker's short form.
    pub untagged: Vec<String>,
    /// The image and the layers that went, the image first.
    pub deleted: Vec<Digest>,
}

/// How to remove.
#[derive(Debug, Clone, Default)]
pub struct How {
    /// An id with several names goes with all of them, an image that only stopped containers use goes, too (its layers stay
    /// as long as the containers), and one that a running container uses loses the name.
    pub force: bool,
    /// Refuse images for another platform.
    pub platform: Option<Platform>,
}

/// Removes each of the images `names`, by name or id.
pub fn remove(engine: &Engine, names: &[String], how: &How) -> Result<Vec<Result<Removed>>> {
    let store = engine.store()?;
    let results: Vec<Result<Removed>> = names
        .iter()
        .map(|name| {
            let lock = store.lock_exclusive()?;
            remove_one(engine, &store, &lock, name, how)
        })
        .collect();
    reclaim_after(engine, &results);
    Ok(results)
}

/// Removes all images with all their names, each for itself: one that a container uses stays, unless `force` says otherwise
/// and the container does not run.
pub fn remove_all(engine: &Engine, force: bool) -> Result<Vec<(Digest, Result<Removed>)>> {
    let store = engine.store()?;
    let lock = store.lock_exclusive()?;
    let mut results = Vec::new();
    for listed in store.list()? {
        let users = users(engine, &listed.record)?;
        let running = users.iter().find(|container| container.status.is_running());
        let removed = match (running.or(users.first()), running.is_some()) {
            _ if mounted(engine)?.contains(&listed.record.id) => Err(is_mounted(&listed.record)),
            (Some(user), running) if running || !force => Err(in_use(&listed, user, running)),
            _ => delete(engine, &store, &lock, &listed.record),
        };
        results.push((listed.record.id, removed));
    }
    drop(lock);
    let (ids, results): (Vec<_>, Vec<_>) = results.into_iter().unzip();
    reclaim_after(engine, &results);
    Ok(ids.into_iter().zip(results).collect())
}

fn reclaim_after(engine: &Engine, results: &[Result<Removed>]) {
    // What was pushed to `registry serve` is kept as long as it has its name.
    let is_own = |name: &String| name.starts_with("localhost/");
    let pushed = results.iter().flatten().any(|removed| removed.untagged.iter().any(is_own));
    let deleted = results.iter().flatten().any(|removed| !removed.deleted.is_empty());
    if deleted || (pushed && Depot::of(&engine.paths).exists()) {
        // Nobody waits for it, and what it cannot do now the next sweep does. Who removes images wants the space: what
        // failed pulls left goes as well, however new it is.
        let _ = reclaim(engine, Duration::ZERO);
    }
}

/// An image goes with all its names, and with the layers that nothing else needs.
fn delete(engine: &Engine, store: &Store, lock: &StoreLock<Exclusive>, image: &ImageRecord) -> Result<Removed> {
    let gone = store.remove_image(lock, image, &layers_in_use(&engine.containers())?)?;
    let id = image.id.to_string();
    for reference in &gone.references {
        engine.tell_of_image(Action::Untag, &id, &reference.familiar());
    }
    engine.tell_of_image(Action::Destroy, &id, &id);
    Ok(Removed {
        untagged: gone.references.iter().map(Reference::familiar).collect(),
        deleted: std::iter::once(image.id.clone()).chain(gone.layers).collect(),
    })
}

fn remove_one(engine: &Engine, store: &Store, lock: &StoreLock<Exclusive>, name: &str, how: &How) -> Result<Removed> {
    let (image, reference) = image_name::find(engine, store, name)?.ok_or_else(|| no_such_image(name))?;
    let listed = store.list()?.into_iter().find(|listed| listed.record.id == image.id);
    let listed = listed.ok_or_else(|| no_such_image(name))?;
    if let Some(wanted) = how.platform.as_ref().filter(|wanted| !wanted.matches(&image.platform)) {
        return Err(Error::not_found(format!(
            "the image `{}` is for `{}`, not for `{wanted}`",
            text::clean(name),
            image.platform
        )));
    }
    let users = users(engine, &image)?;
    match plan(&listed, reference.as_ref(), &users, how.force)? {
        Plan::Untag(names) => {
            let mut removed = Removed::default();
            for name in names {
                if store.untag(lock, &name)? {
                    engine.tell_of_image(Action::Untag, &image.id.to_string(), &name.familiar());
                    removed.untagged.push(name.familiar());
                }
            }
            Ok(removed)
        }
        Plan::Delete if mounted(engine)?.contains(&image.id) => Err(is_mounted(&image)),
        Plan::Delete => delete(engine, store, lock, &image),
    }
}

/// The images that users have mounted (`image mount`), which stay. The caller holds the store's lock alone, those who mount
/// hold it with others.
pub(super) fn mounted(engine: &Engine) -> Result<Vec<Digest>> {
    Mounts::new(&engine.paths).images()
}

fn is_mounted(image: &ImageRecord) -> Error {
    let id = image.id.short();
    Error::conflict(format!("cannot remove image {id}: its files are mounted"))
        .hint(format!("run `coracle image unmount {id}` where they are, or leave that `coracle unshare`"))
}

fn no_such_image(name: &str) -> Error {
    Error::not_found(format!("no such image: `{}`", text::clean(name)))
        .hint("`coracle images` lists the images there are")
}

/// The containers that were made from the image.
fn users(engine: &Engine, image: &ImageRecord) -> Result<Vec<Container>> {
    let id = image.id.to_string();
    // One that cannot be read might be a user, too: then nothing is removed.
    let containers: Vec<Container> = engine.containers().list()?.into_iter().collect::<Result<_>>()?;
    Ok(containers.into_iter().filter(|container| container.config.image.id == id).collect())
}

/// The layers that containers were made of and those of images they mount, also when the image is gone.
pub(super) fn layers_in_use(containers: &Containers) -> Result<HashSet<Digest>> {
    let mut all: Vec<Container> = containers.list()?.into_iter().collect::<Result<_>>()?;
    // A step of a build that ends meanwhile is gone.
    all.extend(Containers::new(&containers.paths().build_steps()).list()?.into_iter().flatten());
    let mut digests: HashSet<Digest> =
        Store::open(&containers.paths().store())?.build_cache().layers()?.into_iter().collect();
    for ContainerConfig { image, storage, .. } in all.iter().map(|container| &container.config) {
        let mounted = storage.mounts.iter().flat_map(|mount| mount.source.layers());
        for layer in image.layers.iter().chain(mounted) {
            digests.insert(layer.parse()?);
        }
    }
    Ok(digests)
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
enum Plan {
    /// Take these names away.
    Untag(Vec<Reference>),
    /// Remove the image with all its names.
    Delete,
}

/// Decides as docker does. Pure. `reference` is the name that was given; without one it was an id.
fn plan(image: &ListedImage, reference: Option<&Reference>, users: &[Container], force: bool) -> Result<Plan> {
    let going: Vec<Reference> = match reference {
        Some(reference) => with_digests(image, reference),
        None if image.references.len() > 1 && !force => {
            let names: Vec<String> = image.references.iter().map(Reference::familiar).collect();
            return Err(Error::conflict(format!(
                "cannot remove image {}: it has several names: {}",
                image.record.id.short(),
                names.join(", ")
            ))
            .hint("remove it by its names, or all of them with `--force`"));
        }
        None => image.references.iter().chain(&image.digests).cloned().collect(),
    };
    let all = image.references.iter().chain(&image.digests);
    if all.clone().any(|name| !going.contains(name)) {
        return Ok(Plan::Untag(going));
    }
    let running = users.iter().find(|container| container.status.is_running());
    match (running.or(users.first()), running.is_some(), force) {
        (None, ..) | (Some(_), false, true) => Ok(Plan::Delete),
        (Some(_), true, true) if reference.is_some() => Ok(Plan::Untag(going)),
        (Some(user), running, _) => Err(in_use(image, user, running)),
    }
}

/// A name, and the digests of its repository when it is the last tag there.
fn with_digests(image: &ListedImage, reference: &Reference) -> Vec<Reference> {
    let same = |other: &&Reference| other.name() == reference.name();
    let all = image.references.iter().chain(&image.digests);
    let mut going: Vec<Reference> = all.filter(|name| *name == reference).cloned().collect();
    let last = !image.references.iter().filter(same).any(|name| !going.contains(name));
    if last {
        going.extend(image.digests.iter().filter(same).filter(|digest| *digest != reference).cloned());
    }
    going
}

fn in_use(image: &ListedImage, user: &Container, running: bool) -> Error {
    let name = &user.name;
    let how = if running { "running container" } else { "stopped container" };
    Error::conflict(format!("cannot remove image {}: it is used by the {how} `{name}`", image.record.id.short()))
        .hint(format!("remove the container first: `coracle rm {}{name}`", if running { "-f " } else { "" }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures;
    use crate::state::Status;

    fn stopped() -> Container {
        fixtures::container("user", 0, Status::Created)
    }

    fn running() -> Container {
        fixtures::container("user", 0, Status::Running { started: Default::default(), pid: 1 })
    }

    #[test]
    fn names_go_first_and_the_image_with_the_last() {
        let (engine, _scratch) = fixtures::engine();
        let record = fixtures::image(&engine, "a", &[]);
        let digest = record.manifest.to_string();
        let reference = |name: &str| name.replace("DIGEST", &digest).parse::<Reference>().unwrap();
        let image = |names: &[&str], digests: &[&str]| ListedImage {
            record: record.clone(),
            references: names.iter().map(|name| reference(name)).collect(),
            digests: digests.iter().map(|name| reference(name)).collect(),
        };
        let one = image(&["app:one"], &["app@DIGEST"]);
        let two = image(&["app:one", "app:two"], &["app@DIGEST"]);
        let elsewhere = image(&["app:one", "other"], &["app@DIGEST"]);
        let untag = |names: &[&str]| Plan::Untag(names.iter().map(|name| reference(name)).collect());
        let by = |image: &ListedImage, name: &str, users: &[Container], force| {
            plan(image, Some(&reference(name)), users, force).ok()
        };
        assert_eq!(by(&one, "app:one", &[], false), Some(Plan::Delete));
        assert_eq!(by(&two, "app:one", &[running()], false), Some(untag(&["app:one"])));
        assert_eq!(by(&elsewhere, "app:one", &[], false), Some(untag(&["app:one", "app@DIGEST"])));
        assert_eq!(by(&one, "app@DIGEST", &[], false), Some(untag(&["app@DIGEST"])));
        assert_eq!(by(&one, "app:one", &[stopped()], false), None);
        assert_eq!(by(&one, "app:one", &[stopped()], true), Some(Plan::Delete));
        assert_eq!(by(&one, "app:one", &[running()], false), None);
        assert_eq!(by(&one, "app:one", &[running()], true), Some(untag(&["app:one", "app@DIGEST"])));
        assert_eq!(plan(&one, None, &[running()], true).ok(), None);
        assert_eq!(plan(&one, None, &[], false).ok(), Some(Plan::Delete));
        assert_eq!(plan(&two, None, &[], false).ok(), None);
        assert_eq!(plan(&two, None, &[], true).ok(), Some(Plan::Delete));
        assert_eq!(plan(&image(&[], &[]), None, &[stopped()], true).ok(), Some(Plan::Delete));
        assert_eq!(plan(&image(&[], &[]), None, &[stopped()], false).ok(), None);
    }

    #[test]
    fn what_is_removed_is_reported() {
        let (engine, _scratch) = fixtures::engine();
        let image = fixtures::image(&engine, "a", &["app:one", "app:two"]);
        fixtures::image(&engine, "b", &["other:one", "other:two"]);
        let store = engine.store().unwrap();
        let lock = store.lock_exclusive().unwrap();
        let remove = |name: &str| remove_one(&engine, &store, &lock, name, &How::default());
        let first = remove("app:one").unwrap();
        assert_eq!((first.untagged.as_slice(), first.deleted.len()), (&["app:one".to_owned()][..], 0));
        let short = image.id.hex()[..12].to_owned();
        let second = remove(&short).unwrap();
        assert_eq!((second.untagged, second.deleted), (vec!["app:two".to_owned()], vec![image.id]));
        assert!(remove("app:two").unwrap_err().message().starts_with("no such image"));
        let elsewhere = How { platform: Some("linux/mips".parse().unwrap()), ..How::default() };
        assert!(
            remove_one(&engine, &store, &lock, "other:one", &elsewhere).unwrap_err().message().contains("linux/mips")
        );
        drop(lock);
        let all = remove_all(&engine, false).unwrap();
        assert_eq!(all.iter().map(|(_, removed)| removed.as_ref().unwrap().untagged.len()).collect::<Vec<_>>(), [2]);
    }
}
