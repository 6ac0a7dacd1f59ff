//! containers-registries.conf(5), version 2: which hosts serve a repository, in which order, and how far to trust them.
//!
//! Honoured: `unqualified-search-registries`, `short-name-mode`, `[aliases]` and `credential-helpers`; `[[registry]]` with
//! `prefix` (also `*.example.com`, and with a tag or digest), `location`, `insecure`, `blocked` and
//! `mirror-by-digest-only`; `[[registry.mirror]]` with `location`, `insecure` and `pull-from-mirror`. What short names mean
//! is decided in [`super::short_names`]. The tables of version 1 are understood as far as they have a counterpart.
//!
//! # Which files are read
//!
//! One main file: `CONTAINERS_REGISTRIES_CONF`, else the user's, else the first of the system's. Then the drop-ins
//! (`*.conf`, in order of their names): of the system first, then of the user. A user with a main file of their own gets
//! the user's drop-ins only, as containers/image does it. In a later file a `[[registry]]` replaces the earlier one of the
//! same prefix, an alias the earlier one of the same name (an empty one removes it), and every list as a whole.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::settings::{RegistriesFiles, Settings};
use super::short_names::{Mode, ShortNames, with_choice, wrong};
use crate::base::error::if_absent;
use crate::base::publish::{self, Durability};
use crate::base::{Error, Kind, Result, ResultExt, text};
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
    /// The tag there, where the configuration names another than the reference has.
    pub tag: Option<String>,
    /// Whether plain HTTP and unverified certificates are allowed by configuration.
    pub insecure: bool,
}

/// What the configuration files say.
#[derive(Debug, Clone, Default)]
pub struct Registries {
    /// By prefix: a later file replaces what an earlier one says.
    entries: BTreeMap<String, Entry>,
    /// What names without a registry mean.
    pub short_names: ShortNames,
    /// Programs that are asked for credentials, in this order; `containers-auth.json` stands for the files.
    pub credential_helpers: Option<Vec<String>>,
}

#[derive(Debug, Clone)]
struct Entry {
    registry: RegistryTable,
    file: PathBuf,
}

#[derive(Debug, Clone, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    unqualified_search_registries: Option<Vec<String>>,
    short_name_mode: Option<String>,
    credential_helpers: Option<Vec<String>>,
    #[serde(default)]
    registry: Vec<RegistryTable>,
    #[serde(default)]
    aliases: BTreeMap<String, String>,
    registries: Option<Version1>,
}

/// `[registries]`, the tables of version 1.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
struct Version1 {
    search: Version1Table,
    insecure: Version1Table,
    block: Version1Table,
}

#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
struct Version1Table {
    registries: Vec<String>,
}

#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct RegistryTable {
    prefix: String,
    location: String,
    insecure: bool,
    blocked: bool,
    mirror: Vec<MirrorTable>,
    mirror_by_digest_only: bool,
    pull_from_mirror: String,
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
    /// Reads the files that `settings` names. Absent ones are skipped, but for one that the user has named; a malformed one
    /// is an error.
    pub fn load(settings: &Settings) -> Result<Self> {
        let files = &settings.registries;
        let mut registries = Self::default();
        let own = registries.add_main(files)?;
        let system = if own { &[] } else { files.system_drop_ins.as_slice() };
        for directory in system.iter().chain(&files.user_drop_ins) {
            for path in drop_ins(directory)? {
                if let Some(text) = read(&path)? {
                    registries.add(&path, &text)?;
                }
            }
        }
        if let Some(path) = &files.aliases
            && let Some(text) = read(path)?
        {
            registries.short_names.add_chosen(path, &text)?;
        }
        registries.short_names.docker_hub_only = files.docker_hub_only;
        Ok(registries)
    }

    /// Reads the main file. Whether it is the user's own.
    fn add_main(&mut self, files: &RegistriesFiles) -> Result<bool> {
        if let Some(path) = &files.named {
            let text = read(path)?.ok_or_else(|| {
                Error::not_found(format!("`{}` does not exist", path.display()))
                    .hint("CONTAINERS_REGISTRIES_CONF names it; unset that, or make the file")
            })?;
            return self.add(path, &text).map(|()| false);
        }
        for (path, own) in
            files.user.iter().map(|path| (path, true)).chain(files.system.iter().map(|path| (path, false)))
        {
            if let Some(text) = read(path)? {
                return self.add(path, &text).map(|()| own);
            }
        }
        Ok(false)
    }

    /// Keeps the user's choice that `short` means the repository of `reference`, for podman and its relatives as well.
    pub fn record_choice(settings: &Settings, short: &str, reference: &Reference) -> Result<()> {
        let Some(path) = &settings.registries.aliases else { return Ok(()) };
        let text = with_choice(path, &read(path)?.unwrap_or_default(), short, reference)?;
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).at(directory, "cannot create the directory")?;
        }
        publish::file(path, text.as_bytes(), Durability::Volatile)
    }

    fn add(&mut self, path: &Path, text: &str) -> Result<()> {
        let file: File = toml::from_str(text).map_err(|error| {
            Error::invalid(format!("cannot understand `{}`", path.display()))
                .caused_by(Error::invalid(error.message().to_owned()))
                .hint("containers-registries.conf(5) describes it")
        })?;
        let mut file = file;
        if let Some(old) = file.registries.take() {
            if !file.registry.is_empty() || file.unqualified_search_registries.is_some() {
                return Err(wrong(path, "it has tables of version 1 and of version 2")
                    .hint("move what is in `[registries.…]` to `unqualified-search-registries` and `[[registry]]`"));
            }
            file.take_version_1(old);
        }
        if let Some(search) = file.unqualified_search_registries {
            self.short_names.set_search(search, path)?;
        }
        if let Some(mode) = file.short_name_mode.filter(|mode| !mode.is_empty()) {
            self.short_names.mode = mode.parse::<Mode>().map_err(|error| wrong(path, error.message()))?;
        }
        if let Some(helpers) = file.credential_helpers.filter(|helpers| !helpers.is_empty()) {
            self.credential_helpers = Some(helpers);
        }
        self.short_names.add_aliases(file.aliases, path)?;
        for registry in file.registry {
            let prefix = registry.check(path)?;
            self.entries.insert(prefix, Entry { registry, file: path.to_owned() });
        }
        Ok(())
    }

    /// Where to look for `reference`, in order: mirrors first. Never empty.
    pub fn endpoints(&self, reference: &Reference) -> Result<Vec<Endpoint>> {
        let full = reference.to_string();
        let best = self
            .entries
            .iter()
            .filter_map(|(prefix, entry)| matched(prefix, &full).map(|length| (length, entry)))
            .max_by_key(|(length, _)| *length);
        let Some((length, Entry { registry, file })) = best else {
            return Ok(vec![Endpoint {
                host: reference.registry().to_owned(),
                repository: reference.repository().to_owned(),
                tag: None,
                insecure: false,
            }]);
        };
        if registry.blocked {
            return Err(Error::new(Kind::Denied, format!("`{}` is blocked", reference.familiar()))
                .hint(format!("`{}` blocks its registry", file.display())));
        }
        // What the prefix has left of the name; a prefix with a tag leaves nothing.
        let name = reference.name();
        let rest = name.get(length..).unwrap_or_default();
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
        let location =
            if registry.location.is_empty() { full.get(..length).unwrap_or(&name) } else { &registry.location };
        endpoints.push(endpoint(location, rest, registry.insecure, file)?);
        Ok(endpoints)
    }
}

impl File {
    /// Says the same in the tables of version 2.
    fn take_version_1(&mut self, old: Version1) {
        self.unqualified_search_registries = Some(old.search.registries).filter(|search| !search.is_empty());
        let mut tables: BTreeMap<String, RegistryTable> = BTreeMap::new();
        let table = |location: String| RegistryTable { location, ..RegistryTable::default() };
        for location in old.insecure.registries {
            tables.entry(location.clone()).or_insert_with(|| table(location)).insecure = true;
        }
        for location in old.block.registries {
            tables.entry(location.clone()).or_insert_with(|| table(location)).blocked = true;
        }
        self.registry = tables.into_values().collect();
    }
}

impl RegistryTable {
    /// The prefix, if the table makes sense.
    fn check(&self, path: &Path) -> Result<String> {
        let prefix = if self.prefix.is_empty() { &self.location } else { &self.prefix };
        let prefix = prefix.trim_end_matches('/').to_owned();
        if prefix.is_empty() {
            return Err(wrong(path, "a [[registry]] has neither `prefix` nor `location`"));
        }
        if !self.pull_from_mirror.is_empty() {
            return Err(wrong(
                path,
                &format!("`pull-from-mirror` is set for the registry `{}` itself", text::clean(&prefix)),
            )
            .hint("it belongs into a `[[registry.mirror]]`"));
        }
        for mirror in &self.mirror {
            let location = text::clean(&mirror.location);
            if mirror.location.is_empty() {
                return Err(wrong(path, &format!("a mirror of `{}` has no `location`", text::clean(&prefix))));
            }
            match mirror.pull_from_mirror.as_str() {
                "" => {}
                "all" | "digest-only" | "tag-only" if self.mirror_by_digest_only => {
                    return Err(wrong(
                        path,
                        &format!(
                            "`{}` has `mirror-by-digest-only`, and its mirror `{location}` `pull-from-mirror`",
                            text::clean(&prefix)
                        ),
                    )
                    .hint("leave out the first: it is the older form of the second"));
                }
                "all" | "digest-only" | "tag-only" => {}
                other => {
                    let problem =
                        format!("the mirror `{location}` has the unknown `pull-from-mirror` `{}`", text::clean(other));
                    return Err(wrong(path, &problem).hint("these are: all, digest-only, tag-only"));
                }
            }
        }
        Ok(prefix)
    }
}

/// How many bytes of the reference the prefix covers, if it does: whole components only.
fn matched(prefix: &str, reference: &str) -> Option<usize> {
    if let Some(domain) = prefix.strip_prefix('*') {
        let host = reference.split('/').next().unwrap_or_default();
        return (domain.starts_with('.') && host.ends_with(domain) && host.len() > domain.len()).then_some(host.len());
    }
    let rest = reference.strip_prefix(prefix)?;
    (rest.is_empty() || rest.starts_with(['/', '@']) || rest.starts_with(':') && !rest.contains('/'))
        .then_some(prefix.len())
}

/// `location` with what the prefix left of the name. The result is checked like any reference.
fn endpoint(location: &str, rest: &str, insecure: bool, file: &Path) -> Result<Endpoint> {
    let full = format!("{}{rest}", location.trim_end_matches('/'));
    let malformed = || {
        Error::invalid(format!(
            "`{}` leads to the repository `{}`, which is malformed",
            file.display(),
            text::clean(&full)
        ))
        .hint("a `location` is HOST[:PORT][/PATH], without `https://`")
    };
    let (host, path) = full.split_once('/').ok_or_else(malformed)?;
    // The grammar of references keeps surprises out of URLs. A host without a dot or port is one here.
    let named = host.contains(['.', ':']) || host == "localhost";
    let checked: Reference = match named {
        true => full.parse().map_err(|_| malformed())?,
        false => format!("{host}.invalid/{path}").parse().map_err(|_| malformed())?,
    };
    let tag = checked.tag().filter(|tag| path.ends_with(&format!(":{tag}"))).map(str::to_owned);
    let path = tag.as_ref().map_or(path, |tag| &path[..path.len() - tag.len() - 1]);
    // `docker.io/library/x` stays itself; a mirror's path must not get `library/` added.
    let repository = if host == checked.registry() { checked.repository() } else { path };
    Ok(Endpoint { host: host.to_owned(), repository: repository.to_owned(), tag, insecure })
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

        [[registry]]
        prefix = "example.com/team/app:bad"
        blocked = true

        [[registry]]
        prefix = "example.com/team/app:moved"
        location = "example.org/other/app:stays"

        [[registry]]
        prefix = "*.far.example"
        location = "near.example/cache"

        [aliases]
        "fedora" = "registry.fedoraproject.org/fedora"
    "#;

    fn show(registries: &Registries, reference: &str) -> String {
        match registries.endpoints(&reference.parse().unwrap()) {
            Err(error) => error.chain(),
            Ok(endpoints) => endpoints
                .iter()
                .map(|e| {
                    let tag = e.tag.as_ref().map_or(String::new(), |tag| format!(":{tag}"));
                    format!("{}|{}{tag}{}", e.host, e.repository, if e.insecure { "!" } else { "" })
                })
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
            ("example.com/team/app:bad", "`example.com/team/app:bad` is blocked"),
            ("example.com/team/app:badly", "registry.internal:443|x/app"),
            ("example.com/team/app:moved", "example.org|other/app:stays"),
            ("x.far.example/y/z", "near.example|cache/y/z"),
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
        for bad in [
            "[[registry]]\n",
            "registry = 1",
            "[[registry]",
            "[[registry]]\nlocation='h'\n[[registry.mirror]]\n",
            "[[registry]]\nlocation='h'\n[[registry.mirror]]\nlocation=''\n",
            "[[registry]]\nlocation='h'\npull-from-mirror='all'\n",
            "[[registry]]\nlocation='h'\n[[registry.mirror]]\nlocation='m'\npull-from-mirror='some'\n",
            "[[registry]]\nlocation='h'\nmirror-by-digest-only=true\n[[registry.mirror]]\nlocation='m'\npull-from-mirror='all'\n",
            "short-name-mode = 'strict'",
            "unqualified-search-registries = ['a/b']",
            "[aliases]\nx = 'y'\n",
            "[registries.block]\nregistries = ['h']\n[[registry]]\nlocation = 'h'\n",
        ] {
            let error = registries.add(Path::new("/etc/bad.conf"), bad).unwrap_err();
            assert!(error.chain().contains("/etc/bad.conf"), "{bad}");
        }
    }

    #[test]
    fn files_go_before_each_other_as_documented() {
        let scratch = crate::base::publish::Staging::new(&std::env::temp_dir()).unwrap();
        let root = scratch.path();
        let write = |name: &str, search: &str| {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, format!("unqualified-search-registries = ['{search}']\n")).unwrap();
            path
        };
        let files = RegistriesFiles {
            user: vec![root.join("user.conf")],
            system: vec![root.join("etc.conf"), root.join("usr.conf")],
            system_drop_ins: vec![root.join("etc.d")],
            user_drop_ins: vec![root.join("user.d")],
            ..RegistriesFiles::default()
        };
        let paths =
            crate::base::Paths { data: root.into(), runtime: root.into(), config: root.into(), home: root.into() };
        let settings = Settings { registries: files.clone(), ..Settings::of(&paths) };
        let first = |settings: &Settings| {
            Registries::load(settings)
                .map(|read| read.short_names.meanings("x").unwrap().candidates[0].registry().to_owned())
        };
        let mut seen = vec![first(&settings).unwrap()];
        for name in
            ["usr.conf", "etc.conf", "etc.d/1.conf", "etc.d/2.conf", "etc.d/3.off", "user.conf", "user.d/0.conf"]
        {
            write(name, &format!("{}.example", name.replace(['.', '/'], "-")));
            seen.push(first(&settings).unwrap());
        }
        let expected = [
            "docker.io",
            "usr-conf",
            "etc-conf",
            "etc-d-1-conf",
            "etc-d-2-conf",
            "etc-d-2-conf",
            "user-conf",
            "user-d-0-conf",
        ];
        assert_eq!(seen.iter().map(|name| name.trim_end_matches(".example")).collect::<Vec<_>>(), expected);
        let named = |name: &str| {
            let registries =
                RegistriesFiles { named: Some(root.join(name)), user_drop_ins: Vec::new(), ..files.clone() };
            first(&Settings { registries, ..settings.clone() })
        };
        assert_eq!(named("usr.conf").unwrap(), "etc-d-2-conf.example");
        assert_eq!(named("absent.conf").unwrap_err().kind(), Kind::NotFound);
    }

    #[test]
    fn version_1_says_the_same() {
        let mut registries = Registries::default();
        let text = "[registries.search]\nregistries = ['quay.io']\n[registries.insecure]\nregistries = ['h.io']\n[registries.block]\nregistries = ['b.io', 'h.io/x']\n";
        registries.add(Path::new("/etc/old.conf"), text).unwrap();
        assert_eq!(show(&registries, "h.io/y"), "h.io|y!");
        assert!(
            show(&registries, "b.io/y").contains("is blocked") && show(&registries, "h.io/x").contains("is blocked")
        );
        assert_eq!(registries.short_names.meanings("a").unwrap().candidates[0].registry(), "quay.io");
    }

    #[test]
    fn a_choice_is_recorded_and_found_again() {
        let scratch = crate::base::publish::Staging::new(&std::env::temp_dir()).unwrap();
        let root = scratch.path();
        let paths =
            crate::base::Paths { data: root.into(), runtime: root.into(), config: root.into(), home: root.into() };
        let aliases = root.join("cache/containers/short-name-aliases.conf");
        let registries = RegistriesFiles { aliases: Some(aliases.clone()), ..RegistriesFiles::default() };
        let settings = Settings { registries, ..Settings::of(&paths) };
        Registries::record_choice(&settings, "app", &"quay.io/t/app:3".parse().unwrap()).unwrap();
        Registries::record_choice(&settings, "b/c", &"ghcr.io/c".parse().unwrap()).unwrap();
        let names = Registries::load(&settings).unwrap().short_names;
        assert_eq!(names.meanings("app:4").unwrap().candidates[0].to_string(), "quay.io/t/app:4");
        assert!(fs::read_to_string(&aliases).unwrap().starts_with("[aliases]\n"));
    }

    proptest::proptest! {
        #[test]
        fn no_configuration_makes_it_panic(
            lines in proptest::collection::vec(proptest::sample::select(vec![
                "[[registry]]", "[[registry.mirror]]", "[registries.search]", "[aliases]", "prefix = \"*.a.io\"",
                "prefix = \"a.io/b\"", "prefix = 7", "location = \"b.io:5000/x\"", "location = \"\"", "location = \"../x\"",
                "insecure = true", "blocked = true", "mirror-by-digest-only = true", "pull-from-mirror = \"tag-only\"",
                "pull-from-mirror = \"x\"", "unqualified-search-registries = [\"a.io\", \"\"]", "short-name-mode = \"x\"",
                "\"app\" = \"a.io/app\"", "registries = ['a.io']", "credential-helpers = [\"../../bin/sh\"]", "\u{1b}[2J", "= ]",
            ]), 0..12),
            name in "[a-z*./:@\\[\\]]{0,24}",
        ) {
            let mut registries = Registries::default();
            if registries.add(Path::new("x.conf"), &lines.join("\n")).is_ok() && let Ok(reference) = name.parse() {
                let _ = registries.endpoints(&reference);
            }
        }
    }
}
