//! `search`: repositories of registries by a part of their name, and the tags of one.

use super::Engine;
use crate::base::{Error, Result, ResultExt};
use crate::oci::Reference;
use crate::oci::reference::{DOCKER_HUB, short_name};
pub use crate::registry::Match;
use crate::registry::{Client, Registries};
use crate::spec::filter::{Filter, Keys};

/// docker's and podman's number of results.
pub const USUAL: usize = 25;
/// docker's largest.
pub const MOST: usize = 100;

/// Which results are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters {
    official: Option<bool>,
    automated: Option<bool>,
    stars: u64,
}

const KEYS: Keys = Keys { known: &["is-official", "is-automated", "stars"], excludable: &[] };

impl Filters {
    /// Adds one `--filter key=value`.
    pub fn add(&mut self, filter: &str) -> Result<()> {
        let filter = Filter::parse(filter, &KEYS)?;
        match filter.key {
            "is-official" => self.official = Some(filter.switch()?),
            "is-automated" => self.automated = Some(filter.switch()?),
            "stars" => self.stars = filter.parsed()?,
            _ => return Err(filter.wrong()),
        }
        Ok(())
    }

    fn fit(&self, found: &Match) -> bool {
        found.star_count >= self.stars
            && self.official.is_none_or(|official| official == found.is_official)
            && self.automated.is_none_or(|automated| automated == found.is_automated)
    }
}

/// A repository that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The registry.
    pub registry: String,
    /// What it says.
    pub repository: Match,
}

/// Searches for `term`, in the registry that it names, else in all that are searched for short names. Gives at most `limit`
/// results of each; and with the results what failed, unless nothing else came of it.
pub fn search(engine: &Engine, term: &str, filters: &Filters, limit: usize) -> Result<(Vec<Found>, Vec<Error>)> {
    let (registries, term) = places(engine, term)?;
    let client = Client::new(engine.registry.clone())?;
    let (mut found, mut failed) = (Vec::new(), Vec::new());
    for registry in &registries {
        match client.search(registry, &term, limit).context(|| format!("cannot search `{registry}`")) {
            Ok(matches) => found.extend(
                matches
                    .into_iter()
                    .filter(|found| filters.fit(found))
                    .map(|repository| Found { registry: registry.clone(), repository }),
            ),
            Err(error) => failed.push(error),
        }
    }
    match failed.pop() {
        Some(error) if found.is_empty() && failed.len() + 1 == registries.len() => Err(error),
        last => {
            failed.extend(last);
            Ok((found, failed))
        }
    }
}

/// Where to look, and what for.
fn places(engine: &Engine, term: &str) -> Result<(Vec<String>, String)> {
    let term = term.strip_prefix("docker://").unwrap_or(term);
    if term.is_empty() {
        return Err(Error::usage("search term cannot be empty"));
    }
    // A reference with the first component alone tells whether that is a registry.
    if let Some((first, rest)) = term.split_once('/')
        && format!("{first}/x").parse::<Reference>().is_ok_and(|reference| reference.registry() == first)
    {
        return Ok((vec![first.to_owned()], rest.to_owned()));
    }
    let names = Registries::load(&engine.registry)?.short_names;
    let registries = names.searched().map_or_else(|| vec![DOCKER_HUB.to_owned()], <[String]>::to_vec);
    Ok((registries, term.to_owned()))
}

/// The tags of a repository, at most `limit`.
pub fn tags(engine: &Engine, name: &str, limit: usize) -> Result<(Reference, Vec<String>)> {
    let name = name.strip_prefix("docker://").unwrap_or(name);
    let reference = match short_name(name) {
        Some(_) => Registries::load(&engine.registry)?.short_names.meanings(name)?.candidates.swap_remove(0),
        None => name.parse()?,
    };
    let mut tags = Client::new(engine.registry.clone())?.tags(&reference)?;
    tags.truncate(limit);
    Ok((reference, tags))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures;

    #[test]
    fn filters_are_dockers() {
        let official = Match { is_official: true, star_count: 10, ..Match::default() };
        let other = Match { star_count: 3, ..Match::default() };
        for (given, fits) in [
            (&[][..], (true, true)),
            (&["is-official=true"], (true, false)),
            (&["is-official=false"], (false, true)),
            (&["stars=4"], (true, false)),
            (&["is-automated=true"], (false, false)),
            (&["stars=3", "is-automated=false"], (true, true)),
        ] {
            let mut filters = Filters::default();
            given.iter().for_each(|filter| filters.add(filter).unwrap());
            assert_eq!((filters.fit(&official), filters.fit(&other)), fits, "{given:?}");
        }
        for bad in ["stars=many", "is-official=perhaps", "name=x", "stars"] {
            assert!(Filters::default().add(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_term_may_name_its_registry() {
        let (engine, _scratch) = fixtures::engine();
        let show = |term: &str| places(&engine, term).map(|(registries, term)| (registries.join(" "), term));
        let expect = |registries: &str, term: &str| (registries.to_owned(), term.to_owned());
        assert_eq!(show("alpine").unwrap(), expect("docker.io", "alpine"));
        assert_eq!(show("team/alpine").unwrap(), expect("docker.io", "team/alpine"));
        assert_eq!(show("quay.io/team/x").unwrap(), expect("quay.io", "team/x"));
        assert_eq!(show("localhost:5000/").unwrap(), expect("localhost:5000", ""));
        assert!(show("").is_err());
    }
}
