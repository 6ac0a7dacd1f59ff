//! Containers that are meant without their names: podman's `--all` and `--latest`.

use clap::Args;

use crate::base::{Error, Result};
use crate::engine::Engine;
use crate::engine::ps::{self, Query};
use crate::spec::container::Status;

/// The flags of commands that take several containers.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Chosen {
    /// All containers for which it makes sense
    #[arg(short, long)]
    all: bool,
    /// The container that was created last
    #[arg(short, long)]
    latest: bool,
}

impl Chosen {
    /// The containers: those that were named, or those that are meant. `fits` tells for which of them `--all` makes sense.
    pub fn names(self, engine: &Engine, given: &[String], fits: impl Fn(&Status) -> bool) -> Result<Vec<String>> {
        match (self.all, self.latest) {
            (false, false) => Ok(given.to_vec()),
            (true, true) => Err(Error::usage("--all and --latest cannot be used together")),
            _ if !given.is_empty() => {
                Err(Error::usage("either the containers are named, or --all or --latest finds them"))
            }
            (false, true) => latest(engine).map(|name| vec![name]),
            (true, false) => {
                let found = ps::list(engine, &Query { all: true, ..Query::default() })?.containers.into_iter();
                Ok(found.filter(|container| fits(&container.status)).map(|c| c.config.id.as_str().to_owned()).collect())
            }
        }
    }
}

/// The id of the container that was created last.
pub fn latest(engine: &Engine) -> Result<String> {
    let found = ps::list(engine, &Query { last: Some(1), ..Query::default() })?.containers;
    let newest = found.first().map(|container| container.config.id.as_str().to_owned());
    newest.ok_or_else(|| Error::not_found("there is no container, and so no latest one"))
}

/// The container of a command that takes one.
pub fn only(engine: &Engine, is_latest: bool, given: Option<&str>) -> Result<String> {
    match (is_latest, given) {
        (true, None) => latest(engine),
        (true, Some(_)) => Err(Error::usage("either the container is named, or --latest finds it")),
        (false, Some(name)) => Ok(name.to_owned()),
        (false, None) => Err(Error::usage("a container must be named")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures;

    #[test]
    fn names_and_flags_exclude_each_other() {
        let (engine, _scratch) = fixtures::engine();
        let chosen = |all, latest, given: &[&str]| {
            let given: Vec<String> = given.iter().map(|name| (*name).into()).collect();
            Chosen { all, latest }.names(&engine, &given, |_| true).map_err(|error| error.message().to_owned())
        };
        assert_eq!(chosen(false, false, &["a"]), Ok(vec!["a".into()]));
        assert_eq!(chosen(true, false, &[]), Ok(vec![]));
        assert!(chosen(true, false, &["a"]).is_err() && chosen(true, true, &[]).is_err());
        assert!(chosen(false, true, &[]).unwrap_err().contains("no container"));
        assert_eq!(only(&engine, false, Some("a")).unwrap(), "a");
        assert!(only(&engine, true, Some("a")).is_err() && only(&engine, false, None).is_err());
    }
}
