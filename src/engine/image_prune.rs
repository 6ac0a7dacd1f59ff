//! `image prune`: images that nothing needs go, and with them the space of layers that no other image has.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;

use super::Engine;
use super::reclaim::reclaim;
use super::rmi::{Removed, layers_in_use, mounted};
use crate::base::Result;
use crate::oci::{Digest, Reference};
use crate::spec::filter::{Filter, Keys, Labels};
use crate::state::Container;

/// Which images may go, see [`crate::spec::filter`].
#[derive(Debug, Clone, Default)]
pub struct Filters {
    labels: Labels,
    until: Option<Timestamp>,
    /// Only images without a tag. Says more than `--all`.
    dangling: Option<bool>,
}

impl Filters {
    /// The keys of `image prune`.
    pub const PRUNE: Keys = Keys { known: &["dangling", "label", "until"], excludable: &["label"] };

    /// Adds one `key=value`. `time` reads a point in time.
    pub fn add(&mut self, filter: &str, time: &dyn Fn(&str) -> Result<Timestamp>) -> Result<()> {
        let filter = Filter::parse(filter, &Self::PRUNE)?;
        match filter.key {
            "dangling" => self.dangling = Some(filter.switch()?),
            "label" => self.labels.add(&filter),
            "until" => self.until = Some(time(&filter.value)?),
            _ => return Err(filter.wrong()),
        }
        Ok(())
    }
}

/// Removes the images that no container has and the filters allow: those without a tag, and with `all` the others, too.
/// Returns what went of each, and how many bytes the layers took. Everything happens under the store's exclusive lock, as
/// in [`super::rmi`].
pub fn prune(engine: &Engine, filters: &Filters, all: bool) -> Result<(Vec<Removed>, u64)> {
    let store = engine.store()?;
    let all = filters.dangling.map_or(all, |dangling| !dangling);
    let lock = store.lock_exclusive()?;
    // One that cannot be read might have any image: then nothing is removed.
    let containers: Vec<Container> = engine.containers().list()?.into_iter().collect::<Result<_>>()?;
    let mut used: HashSet<String> = containers.into_iter().map(|container| container.config.image.id).collect();
    used.extend(mounted(engine)?.iter().map(Digest::to_string));
    let (mut removed, mut freed) = (Vec::new(), 0u64);
    for listed in store.list()? {
        let image = listed.record;
        let fits = filters.until.is_none_or(|until| image.created.unwrap_or_default() < until)
            && (filters.labels.is_empty() || filters.labels.fit(&store.image_config(&image)?.config.labels));
        if !fits || used.contains(&image.id.to_string()) || !(all || listed.references.is_empty()) {
            continue;
        }
        let mut sizes = Vec::new();
        for layer in &image.layers {
            sizes.extend(store.layer(layer)?.map(|layer| (layer.diff_id, layer.size)));
        }
        let gone = store.remove_image(&lock, &image, &layers_in_use(&engine.containers())?)?;
        let of_gone = sizes.into_iter().collect::<std::collections::HashMap<_, _>>();
        freed = gone
            .layers
            .iter()
            .filter_map(|layer| of_gone.get(layer))
            .fold(freed, |sum, size| sum.saturating_add(*size));
        removed.push(Removed {
            untagged: gone.references.iter().map(Reference::familiar).collect(),
            deleted: std::iter::once(image.id).chain(gone.layers).collect(),
        });
    }
    drop(lock);
    // Nobody waits for it, and what it cannot do now the next sweep does.
    let _ = reclaim(engine, Duration::ZERO);
    Ok((removed, freed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures;

    #[test]
    fn what_has_no_tag_goes_and_the_rest_when_asked() {
        let (engine, _scratch) = fixtures::engine();
        fixtures::image(&engine, "named", &["app:v1"]);
        fixtures::image(&engine, "dangling", &[]);
        let left = || engine.store().unwrap().list().unwrap().len();
        let filtered = |filters: &[&str], all| {
            let mut parsed = Filters::default();
            filters.iter().try_for_each(|filter| parsed.add(filter, &|_| Ok(Timestamp::UNIX_EPOCH)))?;
            prune(&engine, &parsed, all).map(|(removed, _)| removed.len())
        };
        for (filters, all, expected) in [
            (&["until=then"][..], true, 0),
            (&["label=name=named"], false, 0),
            (&["label!=name"], true, 0),
            (&["dangling=true", "label=name=named"], true, 0),
            (&[], false, 1),
            (&[], false, 0),
            (&["dangling=false"], false, 1),
        ] {
            assert_eq!(filtered(filters, all).unwrap(), expected, "{filters:?}");
        }
        assert_eq!(left(), 0);
        assert!(filtered(&["frob=1"], false).is_err());
    }
}
