//! containers-registries.conf(5), version 2: which hosts serve a repository, in which order, and how far to trust them.
//!
//! Honoured: `[[registry]]` with `prefix` (also `*.example.com`), `location`, `insecure`, `blocked`, and
//! `[[registry.mirror]]` with `location`, `insecure`, `pull-from-mirror`, and `mirror-by-digest-only`. Short-name aliases
//! and search registries are not: a name without a registry always means Docker Hub.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::settings::Settings;
use crate::base::error::if_absent;
use crate::base::{Error, Kind, Result, ResultExt};
use crate::oci::Reference;

/// Largest configuration file, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// A place from which a repository can be fetched.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// `host[:port]`, as the user knows it (`docker.io`, not the host behind it).
    pub host: String,
    /// The path there.
    pub repository: String,
    /// Whether plain HTTP and unverified certificates are allowed by configuration.
    pub insecure: bool,
}

/// What the configuration files say.
#[derive(Debug, Clone, Default)]
pub struct Registries {
    /// By prefix: a later file replaces what an earlier one says.
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    registry: RegistryTable,
    file: PathBuf,
}

#[derive(Debug, Clone, serde::Deserialize)]
struct File {
    #[serde(default)]
    registry: Vec<RegistryTable>,
}

#[derive(Debug, Clone, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RegistryTable {
    #[serde(default)]
    prefix: String,
    #[serde(default)]
    location: String,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    blocked: bool,
    #[serde(default)]
    mirror: Vec<MirrorTable>,
    #[serde(default)]
    mirror_by_digest_only: bool,
}

#[derive(Debug, Clone, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct MirrorTable {
    location: String,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    pull_from_mirror: String,
}

impl Registries {
    /// Reads the files that `settings` names. Absent ones are skipped; a malformed one is an error.
    pub fn load(settings: &Settings) -> Result<Self> {
        let mut registries = Self::default();
        for path in &settings.registries_conf {
            if let Some(text) = read(path)? {
                registries.add(path, &text)?;
                break;
            }
        }
        for directory in &settings.registries_conf_dirs {
            for path in drop_ins(directory)? {
                if let Some(text) = read(&path)? {
                    registries.add(&path, &text)?;
                }
            }
        }
        Ok(registries)
    }

    fn add(&mut self, path: &Path, text: &str) -> Result<()> {
        let file: File = toml::from_str(text).map_err(|error| {
            Error::invalid(format!("cannot understand `{}`", path.display()))
                .caused_by(Error::invalid(error.message().to_owned()))
                .hint("containers-registries.conf(5) describes it")
        })?;
        for registry in file.registry {
            let prefix = if registry.prefix.is_empty() { &registry.location } else { &registry.prefix };
            let prefix = prefix.trim_end_matches('/').to_owned();
            if prefix.is_empty() {
                return Err(Error::invalid(format!(
                    "`{}` has a [[registry]] with neither `prefix` nor `location`",
                    path.display()
                )));
            }
            self.entries.insert(prefix, Entry { registry, file: path.to_owned() });
        }
        Ok(())
    }

    /// Where to look for `reference`, in order: mirrors first. Never empty.
    pub fn endpoints(&self, reference: &Reference) -> Result<Vec<Endpoint>> {
        let name = reference.name();
        let best = self
            .entries
            .iter()
            .filter_map(|(prefix, entry)| matched(prefix, &name).map(|length| (length, entry)))
            .max_by_key(|(length, _)| *length);
        let Some((length, Entry { registry, file })) = best else {
            return Ok(vec![Endpoint {
                host: reference.registry().to_owned(),
                repository: reference.repository().to_owned(),
                insecure: false,
            }]);
        };
        if registry.blocked {
            return Err(Error::new(Kind::Denied, format!("`{}` is blocked", reference.familiar()))
                .hint(format!("`{}` blocks its registry", file.display())));
        }
        let rest = &name[length..];
        let by_digest = reference.digest().is_some();
        let mut endpoints = Vec::new();
        for mirror in &registry.mirror {
            let wanted = match mirror.pull_from_mirror.as_str() {
                "digest-only" => by_digest,
                "tag-only" => !by_digest,
                _ => by_digest || !registry.mirror_by_digest_only,
            };
            if wanted {
                endpoints.push(endpoint(&mirror.location, rest, mirror.insecure, file)?);
            }
        }
        let location = if registry.location.is_empty() { &name[..length] } else { &registry.location };
        endpoints.push(endpoint(location, rest, registry.insecure, file)?);
        Ok(endpoints)
    }
}

/// How many bytes of `name` the prefix covers, if it does: whole components only.
fn matched(prefix: &str, name: &str) -> Option<usize> {
    if let Some(domain) = prefix.strip_prefix('*') {
        let host = name.split('/').next().unwrap_or_default();
        return (domain.starts_with('.') && host.ends_with(domain) && host.len() > domain.len()).then_some(host.len());
    }
    let rest = name.strip_prefix(prefix)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(prefix.len())
}

/// `location` with what the prefix left of the name. The result is checked like any reference.
fn endpoint(location: &str, rest: &str, insecure: bool, file: &Path) -> Result<Endpoint> {
    let full = format!("{}{rest}", location.trim_end_matches('/'));
    let malformed = || {
        Error::invalid(format!(
            "`{}` leads to the repository `{}`, which is malformed",
            file.display(),
            crate::base::text::clean(&full)
        ))
        .hint("a `location` is HOST[:PORT][/PATH], without `https://`")
    };
    let (host, repository) = full.split_once('/').ok_or_else(malformed)?;
    // The grammar of references keeps surprises out of URLs. A host without a dot or port is one here.
    let checked: Reference = match host.contains(['.', ':']) || host == "localhost" {
        true => full.parse().map_err(|_| malformed())?,
        false => format!("{host}.invalid/{repository}").parse().map_err(|_| malformed())?,
    };
    // `docker.io/library/x` stays itself; a mirror's path must not get `library/` added.
    let repository = if host == checked.registry() { checked.repository() } else { repository };
    Ok(Endpoint { host: host.to_owned(), repository: repository.to_owned(), insecure })
}

fn read(path: &Path) -> Result<Option<String>> {
    let Some(metadata) = if_absent(fs::metadata(path)).at(path, "cannot read")? else { return Ok(None) };
    if metadata.len() > FILE_MAX {
        return Err(Error::invalid(format!("`{}` is larger than 1 MiB", path.display())));
    }
    if_absent(fs::read_to_string(path)).at(path, "cannot read")
}

fn drop_ins(directory: &Path) -> Result<Vec<PathBuf>> {
    let Some(entries) = if_absent(fs::read_dir(directory)).at(directory, "cannot list")? else { return Ok(Vec::new()) };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "conf"))
        .collect();
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONF: &str = r#"
        unqualified-search-registries = ["quay.io"]
        short-name-mode = "enforcing"

        [[registry]]
        location = "docker.io"
        [[registry.mirror]]
        location = "mirror.local:5000/hub"
        insecure = true
        [[registry.mirror]]
        location = "pinned.example"
        pull-from-mirror = "digest-only"

        [[registry]]
        prefix = "example.com/team"
        location = "registry.internal:443/x"

        [[registry]]
        prefix = "example.com/team/secret"
        blocked = true

        [[registry]]
        prefix = "*.lab.example"
        insecure = true

        [aliases]
        "fedora" = "registry.fedoraproject.org/fedora"
    "#;

    fn show(registries: &Registries, reference: &str) -> String {
        match registries.endpoints(&reference.parse().unwrap()) {
            Err(error) => error.chain(),
            Ok(endpoints) => endpoints
                .iter()
                .map(|e| format!("{}|{}{}", e.host, e.repository, if e.insecure { "!" } else { "" }))
                .collect::<Vec<_>>()
                .join(" "),
        }
    }

    #[test]
    fn the_longest_prefix_decides() {
        let mut registries = Registries::default();
        registries.add(Path::new("/etc/r.conf"), CONF).unwrap();
        let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for (reference, expected) in [
            ("alpine", "mirror.local:5000|hub/library/alpine! docker.io|library/alpine"),
            (
                &format!("alpine@{digest}"),
                "mirror.local:5000|hub/library/alpine! pinned.example|library/alpine docker.io|library/alpine",
            ),
            ("example.com/team/app", "registry.internal:443|x/app"),
            ("example.com/teams/app", "example.com|teams/app"),
            ("example.com/team/secret/app", "`example.com/team/secret/app:latest` is blocked"),
            ("a.b.lab.example/x/y", "a.b.lab.example|x/y!"),
            ("lab.example/x", "lab.example|x"),
            ("quay.io/x", "quay.io|x"),
        ] {
            assert_eq!(show(&registries, reference), expected, "{reference}");
        }
    }

    #[test]
    fn later_files_override_and_bad_ones_are_named() {
        let mut registries = Registries::default();
        registries.add(Path::new("a"), "[[registry]]\nlocation = 'h.io'\ninsecure = true\n").unwrap();
        registries.add(Path::new("b"), "[[registry]]\nprefix = 'h.io/'\nlocation = 'https://x'\n").unwrap();
        assert!(show(&registries, "h.io/app").starts_with("`b` leads to the repository"));
        for bad in
            ["[[registry]]\n", "registry = 1", "[[registry]", "[[registry]]\nlocation='h'\n[[registry.mirror]]\n"]
        {
            let error = registries.add(Path::new("/etc/bad.conf"), bad).unwrap_err();
            assert!(error.chain().contains("/etc/bad.conf"), "{bad}");
        }
    }
}
