//! Containers that are found instead of named, as podman has it: `--all`, `--latest`, `--filter`, `--cidfile`.

use std::fs::File;
use std::io::{ErrorKind, Read};

use clap::Args;

use std::path::Path;

use crate::base::{Error, Result, ResultExt};
use crate::cli::context::{Context, Persona};
use crate::engine::Engine;
use crate::engine::ps::{self, Query};
use crate::spec::container::{Container, Status};

/// `--latest` and `--cidfile`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(super) struct Found {
    /// Read the container's ID from a file
    #[arg(long, value_name = "FILE")]
    pub cidfile: Vec<String>,
    #[command(flatten)]
    pub latest: Latest,
}

/// `--latest`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub(in crate::cli) struct Latest {
    /// The container that was created last
    #[arg(short, long)]
    pub latest: bool,
}

/// What `--all` and `--filter` choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Among {
    All,
    Running,
    Stopped,
}

impl Among {
    fn has(self, status: &Status) -> bool {
        match self {
            Self::All => true,
            Self::Running => status.is_running(),
            Self::Stopped => !status.is_running(),
        }
    }
}

/// Which containers a command line means.
#[derive(Debug)]
pub(super) struct Selection<'a> {
    /// The command, for messages.
    pub verb: &'a str,
    pub named: &'a [String],
    pub all: bool,
    pub filters: &'a [String],
    pub found: &'a Found,
    /// Whether it does not matter that one is missing.
    pub ignore: bool,
    pub among: Among,
}

impl Selection<'_> {
    /// The containers as the command shall call them: as they are named; those that were found by their names, or by
    /// their ids in podman's way. The newest comes first.
    pub fn resolve(&self, context: &Context, engine: &Engine) -> Result<Vec<String>> {
        self.check(context.persona.program())?;
        let (all, latest) = (self.all || !self.filters.is_empty(), self.found.latest.latest);
        if !all && !latest {
            let mut names = self.named.to_vec();
            for file in &self.found.cidfile {
                names.extend(read_cidfile(file, self.ignore)?);
            }
            return Ok(names);
        }
        let mut query = Query { all: true, last: latest.then_some(1), ..Query::default() };
        self.filters.iter().try_for_each(|filter| query.filters.add(filter))?;
        let listing = ps::list(engine, &query)?;
        listing.broken.iter().for_each(|error| context.ui.warning(&error.chain()));
        let meant = |container: &&Container| latest || self.among.has(&container.status);
        let call = |container: &Container| match context.persona {
            Persona::Podman => container.config.id.to_string(),
            _ => container.name.to_string(),
        };
        let names: Vec<String> = listing.containers.iter().filter(meant).map(call).collect();
        if latest && names.is_empty() {
            return Err(Error::not_found("there is no container"));
        }
        Ok(names)
    }

    fn check(&self, program: &str) -> Result<()> {
        let Self { verb, all, .. } = self;
        let named = !self.named.is_empty() || !self.found.cidfile.is_empty();
        let found = *all || !self.filters.is_empty();
        match (named, found, self.found.latest.latest) {
            (true, false, false) | (false, true, false) | (false, false, true) => Ok(()),
            (false, true, true) => Err(Error::usage("--latest cannot be used with --all or --filter")),
            (true, ..) => Err(Error::usage("either the containers are named, or an option finds them")
                .hint("--all, --latest and --filter cannot be used with names or --cidfile")),
            (false, false, false) => Err(Error::usage(format!("'{program} {verb}' requires at least 1 argument"))
                .hint("name the containers, or let --latest, --cidfile or, where there is one, --all find them")),
        }
    }
}

/// The only container of a command: the latest, or the one that is named first among `words`, which it is taken from.
pub(super) fn one(
    context: &Context,
    engine: &Engine,
    verb: &str,
    latest: &Latest,
    words: &mut Vec<String>,
) -> Result<String> {
    let found = Found { latest: latest.clone(), cidfile: Vec::new() };
    let named = match latest.latest || words.is_empty() {
        true => Vec::new(),
        false => vec![words.remove(0)],
    };
    let selection =
        Selection { verb, named: &named, all: false, filters: &[], found: &found, ignore: false, among: Among::All };
    selection.resolve(context, engine)?.pop().ok_or_else(|| Error::not_found("there is no container"))
}

/// The id in a file that `--cidfile` of `run` wrote; none when it may be missing and is.
fn read_cidfile(path: &str, may_be_missing: bool) -> Result<Option<String>> {
    /// Far more than an id has.
    const MOST: u64 = 4096;
    let mut text = String::new();
    match File::open(path) {
        Err(error) if may_be_missing && error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened
            .at(Path::new(path), "cannot open")?
            .take(MOST)
            .read_to_string(&mut text)
            .at(Path::new(path), "cannot read")?,
    };
    match text.lines().next().unwrap_or_default().trim() {
        "" => Err(Error::usage(format!("there is no container id in `{path}`"))),
        id => Ok(Some(id.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(named: &[&str], all: bool, filters: &[&str], latest: bool, cidfile: &[&str]) -> Result<(), String> {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let (named, filters) = (owned(named), owned(filters));
        let found = Found { cidfile: owned(cidfile), latest: Latest { latest } };
        let selection = Selection {
            verb: "stop",
            named: &named,
            all,
            filters: &filters,
            found: &found,
            ignore: false,
            among: Among::Running,
        };
        selection.check("podman").map_err(|error| error.to_string())
    }

    #[test]
    fn ways_to_mean_a_container_do_not_mix() {
        for good in [
            checked(&["a"], false, &[], false, &[]),
            checked(&["a"], false, &[], false, &["f"]),
            checked(&[], true, &["name=x"], false, &[]),
            checked(&[], false, &[], true, &[]),
        ] {
            assert_eq!(good, Ok(()));
        }
        for (bad, reason) in [
            (checked(&[], false, &[], false, &[]), "'podman stop' requires at least 1 argument"),
            (checked(&["a"], true, &[], false, &[]), "either the containers are named"),
            (checked(&["a"], false, &[], true, &[]), "either the containers are named"),
            (checked(&[], false, &["name=x"], true, &[]), "--latest cannot be used"),
            (checked(&[], true, &[], false, &["f"]), "either the containers are named"),
        ] {
            assert!(bad.as_ref().is_err_and(|error| error.contains(reason)), "{bad:?}");
        }
    }

    #[test]
    fn ids_in_files() {
        let directory = crate::base::publish::Staging::new(&std::env::temp_dir()).unwrap();
        let file = directory.path().join("cid");
        let path = file.to_str().unwrap();
        assert!(read_cidfile(path, false).is_err());
        assert_eq!(read_cidfile(path, true).unwrap(), None);
        for (text, id) in [("abc", "abc"), ("abc\nother\n", "abc"), (" abc \n", "abc")] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(read_cidfile(path, false).unwrap().as_deref(), Some(id));
        }
        std::fs::write(&file, "\n").unwrap();
        assert!(read_cidfile(path, true).is_err());
    }
}
