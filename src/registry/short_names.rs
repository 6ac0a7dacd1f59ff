//! Names without a registry: what `alpine` means where containers-registries.conf(5) has aliases or a list of registries to
//! search.
//!
//! # Theory of operation
//!
//! A name with a registry means itself. For another the aliases are looked at first: those that this user has chosen at a
//! prompt, which are in a file of their own (`short-name-aliases.conf`, shared with podman), then those of the
//! configuration. Without an alias each registry of `unqualified-search-registries` is a candidate. Where there are several,
//! `short-name-mode` says whether the user is to choose, because somebody else may own the name in the first of them.
//! Without any such configuration a short name means Docker Hub, as it does to docker; so it does to all of docker's own
//! commands, whatever the files say.
//!
//! An image that is here is found by the same candidates, by `localhost/` and by Docker Hub's name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::base::{Error, Result, text};
use crate::oci::Reference;
use crate::oci::reference::{DOCKER_HUB, short_name};

/// Registries that are searched at most: each costs a request.
const SEARCH_MAX: usize = 32;

/// `short-name-mode`: what happens where a name could be in several registries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// The user chooses; without a terminal it is an error.
    Enforcing,
    /// The user chooses; without a terminal all are tried in order.
    #[default]
    Permissive,
    /// All are tried in order.
    Disabled,
}

impl FromStr for Mode {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        match word {
            "enforcing" => Ok(Self::Enforcing),
            "permissive" => Ok(Self::Permissive),
            "disabled" => Ok(Self::Disabled),
            other => Err(Error::invalid(format!("the unknown `short-name-mode` `{}`", text::clean(other)))),
        }
    }
}

/// What the configuration says about names without a registry.
#[derive(Debug, Clone, Default)]
pub struct ShortNames {
    /// See [`Mode`].
    pub mode: Mode,
    /// docker's rule: all of them mean Docker Hub.
    pub docker_hub_only: bool,
    /// The registries to search, and the file that names them. Unlike none an empty list allows no short names.
    search: Option<(Vec<String>, PathBuf)>,
    /// By short name without a tag: the repository, and the file that says so.
    aliases: BTreeMap<String, (Reference, PathBuf)>,
    /// Those that the user has chosen; `None` takes away one of the configuration.
    chosen: BTreeMap<String, (Option<Reference>, PathBuf)>,
}

/// What a name may mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meanings {
    /// In the order in which to try them; never empty.
    pub candidates: Vec<Reference>,
    /// How they were found, if not by the name alone.
    pub reason: Option<String>,
    /// The short name to record a choice under; none when there is nothing to choose.
    pub choose: Option<String>,
    /// Without a choice there must be none.
    pub enforced: bool,
}

impl ShortNames {
    /// Takes the list of a file, which replaces an earlier one.
    pub(super) fn set_search(&mut self, search: Vec<String>, path: &Path) -> Result<()> {
        if search.len() > SEARCH_MAX {
            return Err(wrong(path, &format!("it searches more than {SEARCH_MAX} registries")));
        }
        let registries: Vec<String> = search.iter().map(|registry| registry.trim_end_matches('/').to_owned()).collect();
        for registry in &registries {
            let is_host = in_registry(registry, "x").is_ok_and(|reference| reference.registry() == registry);
            if !is_host {
                return Err(wrong(path, &format!("`{}` in its list of registries is no host", text::clean(registry)))
                    .hint("`unqualified-search-registries` has hosts with an optional port, without a path"));
            }
        }
        self.search = Some((registries, path.to_owned()));
        Ok(())
    }

    /// Takes the `[aliases]` of a file.
    pub(super) fn add_aliases(&mut self, aliases: BTreeMap<String, String>, path: &Path) -> Result<()> {
        for (name, value) in aliases {
            match alias(&name, &value, path)? {
                Some(repository) => drop(self.aliases.insert(name, (repository, path.to_owned()))),
                None => drop(self.aliases.remove(&name)),
            }
        }
        Ok(())
    }

    /// Takes the file with the user's choices.
    pub(super) fn add_chosen(&mut self, path: &Path, text: &str) -> Result<()> {
        for (name, value) in chosen_in(path, text)?.aliases {
            self.chosen.insert(name.clone(), (alias(&name, &value, path)?, path.to_owned()));
        }
        Ok(())
    }

    /// What `typed` means to somebody who wants to fetch it.
    pub fn meanings(&self, typed: &str) -> Result<Meanings> {
        let hub: Reference = typed.parse()?;
        let plain = |reference| Meanings { candidates: vec![reference], reason: None, choose: None, enforced: false };
        let Some(short) = short_name(typed).filter(|_| !self.docker_hub_only) else { return Ok(plain(hub)) };
        if let Some((repository, file)) = self.alias(short) {
            let reason = Some(format!("Resolved \"{short}\" as an alias ({})", file.display()));
            return Ok(Meanings { reason, ..plain(hub.in_repository(repository)) });
        }
        let Some((search, file)) = &self.search else { return Ok(plain(hub)) };
        if search.is_empty() {
            return Err(Error::usage(format!("the name `{short}` has no registry, and none is searched")).hint(
                format!(
                    "`{}` has an empty `unqualified-search-registries`; say docker.io/{short}, for example",
                    file.display()
                ),
            ));
        }
        let candidates = search.iter().map(|registry| in_registry(registry, typed)).collect::<Result<Vec<_>>>()?;
        let is_ambiguous = candidates.len() > 1 && self.mode != Mode::Disabled;
        Ok(Meanings {
            candidates,
            reason: Some(format!("Resolving \"{short}\" using unqualified-search registries ({})", file.display())),
            choose: is_ambiguous.then(|| short.to_owned()),
            enforced: is_ambiguous && self.mode == Mode::Enforcing,
        })
    }

    /// The names under which an image that is here may be meant by `typed`, in order.
    pub fn local(&self, typed: &str) -> Result<Vec<Reference>> {
        let hub: Reference = typed.parse()?;
        let Some(short) = short_name(typed).filter(|_| !self.docker_hub_only) else { return Ok(vec![hub]) };
        let mut names: Vec<Reference> = Vec::new();
        names.extend(self.alias(short).map(|(repository, _)| hub.in_repository(repository)));
        let searched = self.search.iter().flat_map(|(search, _)| search.iter().map(String::as_str));
        for registry in ["localhost"].into_iter().chain(searched).chain([DOCKER_HUB]) {
            names.push(in_registry(registry, typed)?);
        }
        Ok(names)
    }

    fn alias(&self, short: &str) -> Option<(&Reference, &Path)> {
        match self.chosen.get(short) {
            Some((chosen, file)) => chosen.as_ref().map(|repository| (repository, file.as_path())),
            None => self.aliases.get(short).map(|(repository, file)| (repository, file.as_path())),
        }
    }
}

/// A file that was read and makes no sense.
pub(super) fn wrong(path: &Path, problem: &str) -> Error {
    Error::invalid(format!("cannot use `{}`", path.display())).caused_by(Error::invalid(problem.to_owned()))
}

fn in_registry(registry: &str, typed: &str) -> Result<Reference> {
    format!("{registry}/{typed}").parse()
}

/// One alias: the repository that it names; none for an empty one.
fn alias(name: &str, value: &str, path: &Path) -> Result<Option<Reference>> {
    let shown = text::clean(name);
    if short_name(name) != Some(name) || name.parse::<Reference>().is_err() {
        return Err(wrong(path, &format!("the alias `{shown}` is not a name without registry, tag and digest")));
    }
    if value.is_empty() {
        return Ok(None);
    }
    let reference = value.parse::<Reference>().ok();
    let is_whole = reference.as_ref().is_some_and(|reference| {
        reference.digest().is_none() && !value.ends_with(&format!(":{}", reference.tag().unwrap_or_default()))
    });
    match reference.filter(|_| is_whole && short_name(value).is_none()) {
        Some(reference) => Ok(Some(reference)),
        None => Err(wrong(path, &format!("the alias `{shown}` stands for `{}`", text::clean(value)))
            .hint("an alias stands for REGISTRY/REPOSITORY, without a tag or digest")),
    }
}

/// `short-name-aliases.conf`.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
struct Chosen {
    #[serde(default)]
    aliases: BTreeMap<String, String>,
}

fn chosen_in(path: &Path, text: &str) -> Result<Chosen> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        wrong(path, error.message()).hint("remove the file: it only has choices that were made at a prompt")
    })
}

/// The text of the file at `path` with one more choice. `text` is what it has now.
pub(super) fn with_choice(path: &Path, text: &str, short: &str, repository: &Reference) -> Result<String> {
    let mut chosen = chosen_in(path, text)?;
    chosen.aliases.insert(short.to_owned(), repository.name());
    toml::to_string(&chosen).map_err(|error| {
        Error::system(format!("cannot encode `{}`", path.display())).caused_by(Error::system(error.to_string()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(search: Option<&[&str]>, mode: Mode, aliases: &[(&str, &str)], chosen: &str) -> ShortNames {
        let mut names = ShortNames { mode, ..ShortNames::default() };
        if let Some(search) = search {
            names.set_search(search.iter().map(|registry| (*registry).into()).collect(), Path::new("r.conf")).unwrap();
        }
        let aliases = aliases.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        names.add_aliases(aliases.collect(), Path::new("a.conf")).unwrap();
        names.add_chosen(Path::new("c.conf"), chosen).unwrap();
        names
    }

    fn show(references: &[Reference]) -> String {
        references.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    const SEARCH: &[&str] = &["quay.io", "docker.io", "localhost:5000/"];

    #[test]
    fn candidates_follow_aliases_then_the_search_list() {
        let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let names = names(Some(SEARCH), Mode::Disabled, &[("f", "reg.example/x/f"), ("a/b", "docker.io/b")], "");
        for (typed, expected) in [
            ("f", "reg.example/x/f:latest".to_owned()),
            ("f:1", "reg.example/x/f:1".to_owned()),
            (&format!("f@{digest}"), format!("reg.example/x/f@{digest}")),
            ("a/b", "docker.io/library/b:latest".to_owned()),
            ("x", "quay.io/x:latest docker.io/library/x:latest localhost:5000/x:latest".to_owned()),
            ("u/x:2", "quay.io/u/x:2 docker.io/u/x:2 localhost:5000/u/x:2".to_owned()),
            ("ghcr.io/x", "ghcr.io/x:latest".to_owned()),
            ("localhost/f", "localhost/f:latest".to_owned()),
        ] {
            assert_eq!(show(&names.meanings(typed).unwrap().candidates), expected, "{typed}");
        }
        assert!(names.meanings("x y").is_err());
        assert_eq!(
            show(&names.local("f").unwrap()),
            "reg.example/x/f:latest localhost/f:latest quay.io/f:latest docker.io/library/f:latest localhost:5000/f:latest docker.io/library/f:latest"
        );
        let docker = ShortNames { docker_hub_only: true, ..names };
        assert_eq!(show(&docker.meanings("f").unwrap().candidates), "docker.io/library/f:latest");
        assert_eq!(show(&docker.local("f").unwrap()), "docker.io/library/f:latest");
    }

    #[test]
    fn without_configuration_a_short_name_is_docker_hubs_and_an_empty_list_allows_none() {
        let unsaid = names(None, Mode::Enforcing, &[], "").meanings("x").unwrap();
        assert_eq!((show(&unsaid.candidates), unsaid.choose), ("docker.io/library/x:latest".into(), None));
        let error = names(Some(&[]), Mode::Permissive, &[], "").meanings("x").unwrap_err();
        assert!(error.hints().join(" ").contains("r.conf"), "{error}");
    }

    #[test]
    fn the_mode_says_who_chooses() {
        for (mode, search, choose, enforced) in [
            (Mode::Enforcing, SEARCH, true, true),
            (Mode::Permissive, SEARCH, true, false),
            (Mode::Disabled, SEARCH, false, false),
            (Mode::Enforcing, &SEARCH[..1], false, false),
        ] {
            let meanings = names(Some(search), mode, &[], "").meanings("x:1").unwrap();
            assert_eq!((meanings.choose, meanings.enforced), (choose.then(|| "x".to_owned()), enforced), "{mode:?}");
        }
        assert!("strict".parse::<Mode>().is_err());
    }

    #[test]
    fn choices_go_before_the_configuration_and_are_kept() {
        let conf = &[("f", "reg.example/f"), ("g", "reg.example/g")];
        let text = with_choice(Path::new("c"), "[aliases]\nf = ''\n", "h", &"quay.io/t/h:9".parse().unwrap()).unwrap();
        let names = names(Some(&["quay.io"]), Mode::Permissive, conf, &text);
        let first = |typed| show(&names.meanings(typed).unwrap().candidates);
        assert_eq!((first("f"), first("g")), ("quay.io/f:latest".into(), "reg.example/g:latest".into()));
        assert_eq!(first("h:2"), "quay.io/t/h:2");
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_file() {
        let mut names = ShortNames::default();
        for (name, value) in [
            ("f", "f"),
            ("f", "reg.example/f:1"),
            ("f:1", "reg.example/f"),
            ("reg.example/f", "reg.example/g"),
            ("f", "https://reg.example/f"),
            ("F", "reg.example/f"),
            ("../f", "reg.example/f"),
        ] {
            let one = [(name.to_owned(), value.to_owned())].into();
            let error = names.add_aliases(one, Path::new("/etc/a.conf")).unwrap_err();
            assert!(error.message().contains("/etc/a.conf"), "{name} {value}: {error}");
        }
        for search in ["", "a b", "https://x.example", "quay.io/team", "plain"] {
            assert!(names.set_search(vec![search.into()], Path::new("/etc/a.conf")).is_err(), "{search}");
        }
        assert!(names.set_search(vec!["quay.io".into(); SEARCH_MAX + 1], Path::new("/etc/a.conf")).is_err());
        assert!(names.add_chosen(Path::new("c"), "aliases = 1").is_err());
    }
}
