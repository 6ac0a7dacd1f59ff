//! `images`: the images there are, one row for each name, filtered as docker filters them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::{Engine, image_name};
use crate::base::{Error, Result, text};
use crate::oci::{Digest, Parsed, Reference, parse_manifest};
use crate::spec::filter::{Any, Filter, Keys, Labels};
pub use crate::store::ImageRecord;
use crate::store::{ListedImage, Store};

/// Which images to list. References are alternatives; so are the values of one key, but all labels must fit.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Globs over names, with or without tags: `--filter reference=` and the argument of `images`.
    pub references: Vec<String>,
    /// One row for each digest, too.
    pub digests: bool,
    dangling: Option<bool>,
    labels: Labels,
    before: Vec<String>,
    since: Vec<String>,
    until: Option<Timestamp>,
    /// Beginnings of ids.
    ids: Any<String>,
    /// Whether a container was made from it.
    used: Option<bool>,
    /// An answer that is the same for all images here: `intermediate`, `readonly` and `manifest`, which only other stores have.
    none: bool,
}

impl Query {
    /// Adds one `--filter key=value`. `time` reads a point in time.
    pub fn add(&mut self, filter: &str, time: &dyn Fn(&str) -> Result<Timestamp>) -> Result<()> {
        let filter = Filter::parse(filter, &KEYS)?;
        match filter.key {
            "dangling" => self.dangling = Some(filter.switch()?),
            "label" => self.labels.add(&filter),
            "before" => self.before.push(filter.value),
            "since" => self.since.push(filter.value),
            "reference" => self.references.push(filter.value),
            "until" => self.until = Some(time(&filter.value)?),
            "id" => self.ids.push(filter.value.trim_start_matches("sha256:").to_owned()),
            "containers" => self.used = Some(filter.switch()?),
            "intermediate" | "readonly" | "manifest" => self.none |= filter.switch()?,
            _ => return Err(filter.wrong()),
        }
        Ok(())
    }
}

/// docker's keys, then podman's.
const KEYS: Keys = Keys {
    known: &[
        "dangling",
        "label",
        "before",
        "since",
        "reference",
        "until",
        "id",
        "containers",
        "intermediate",
        "readonly",
        "manifest",
    ],
    excludable: &["label"],
};

/// One row: an image under one of its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedImage {
    /// The image.
    pub record: ImageRecord,
    /// docker's short name of the repository; none for an image without a name.
    pub repository: Option<String>,
    /// The whole name of the repository, with its registry.
    pub whole: Option<String>,
    /// The tag.
    pub tag: Option<String>,
    /// The digest in that repository.
    pub digest: Option<Digest>,
    /// How many containers were made from it.
    pub containers: usize,
    /// All names of the image: the same in each of its rows.
    pub names: Arc<Names>,
}

/// The names of an image, whole and in order of the alphabet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// With tags.
    pub tags: Vec<String>,
    /// With digests.
    pub digests: Vec<String>,
}

/// Lists images, the newest first.
pub fn list(engine: &Engine, query: &Query) -> Result<Vec<NamedImage>> {
    let store = engine.store()?;
    let created = |names: &[String]| {
        let times = names.iter().map(|name| created_of(engine, &store, name));
        times.collect::<Result<Vec<Timestamp>>>()
    };
    let before = created(&query.before)?.into_iter().max();
    let since = created(&query.since)?.into_iter().min();
    let mut rows = Vec::new();
    let images = store.list()?;
    let mut used: HashMap<String, usize> = HashMap::new();
    for container in engine.containers().list()?.into_iter().flatten() {
        *used.entry(container.config.image.id).or_default() += 1;
    }
    for mut image in images {
        let made = image.record.created.unwrap_or_default();
        let containers = used.get(image.record.id.as_str()).copied().unwrap_or(0);
        let fits = !query.none
            && query.ids.fits(|id| image.record.id.hex().starts_with(id.as_str()))
            && query.used.is_none_or(|used| used == (containers > 0))
            && before.is_none_or(|before| made < before)
            && since.is_none_or(|since| made > since)
            && query.until.is_none_or(|until| made < until)
            && (query.labels.is_empty() || query.labels.fit(&store.image_config(&image.record)?.config.labels));
        let whole = |names: &[Reference]| names.iter().map(Reference::to_string).collect();
        let names = Names { tags: whole(&image.references), digests: whole(&image.digests) };
        if !fits || !select_names(&mut image, query, !engine.registry.registries.docker_hub_only) {
            continue;
        }
        rows.extend(rows_of(&image, query.digests, containers, Arc::new(names)));
    }
    Ok(rows)
}

/// The ids of all images, the newest first.
pub fn ids(engine: &Engine) -> Result<Vec<String>> {
    Ok(engine.store()?.list()?.into_iter().map(|listed| listed.record.id.to_string()).collect())
}

/// The labels of an image.
pub fn labels(engine: &Engine, image: &ImageRecord) -> Result<BTreeMap<String, String>> {
    Ok(engine.store()?.image_config(image)?.config.labels)
}

/// How many bytes an image has as registries keep it: its documents and its compressed layers. None when its manifest is
/// damaged.
pub fn content_size(engine: &Engine, image: &ImageRecord) -> Result<Option<u64>> {
    let manifest = engine.store()?.image_manifest_bytes(image);
    let parsed =
        manifest.and_then(|bytes| Ok((bytes.len(), parse_manifest(&bytes, Some(&image.manifest_media_type))?)));
    Ok(match parsed {
        Ok((own, Parsed::Manifest(manifest))) => {
            let parts = manifest.layers.iter().chain([&manifest.config]);
            Some(parts.fold(own as u64, |sum, part| sum.saturating_add(part.size)))
        }
        _ => None,
    })
}

/// Whether there is an image of this name or id.
pub fn exists(engine: &Engine, name: &str) -> Result<bool> {
    image_name::lookup(engine, &engine.store()?, name).map(|image| image.is_some())
}

fn created_of(engine: &Engine, store: &Store, name: &str) -> Result<Timestamp> {
    let image = image_name::lookup(engine, store, name)?;
    let image = image.ok_or_else(|| Error::not_found(format!("no such image: `{}`", text::clean(name))))?;
    Ok(image.created.unwrap_or_default())
}

/// Leaves the names that were asked for; false when the image is not to be shown.
fn select_names(image: &mut ListedImage, query: &Query, suffixes: bool) -> bool {
    // docker: dangling is what has no tag; what has neither tag nor digest is hidden from `dangling=false`.
    match query.dangling {
        Some(true) if !image.references.is_empty() => return false,
        Some(false) if image.references.is_empty() && image.digests.is_empty() => return false,
        _ => {}
    }
    if query.references.is_empty() {
        return true;
    }
    let asked = |reference: &Reference| query.references.iter().any(|pattern| matches(pattern, reference, suffixes));
    image.references.retain(asked);
    // A tag that was asked for brings the digests of its repository.
    let references = &image.references;
    image.digests.retain(|digest| asked(digest) || references.iter().any(|tag| tag.name() == digest.name()));
    !image.references.is_empty() || !image.digests.is_empty()
}

/// Whether a name fits docker's pattern; with `suffixes` as well podman's, which may leave out registry and namespace.
fn matches(pattern: &str, reference: &Reference, suffixes: bool) -> bool {
    let exact = pattern.parse::<Reference>().ok();
    glob(pattern, &reference.familiar())
        || glob(pattern, &reference.familiar_repository())
        || glob(pattern, &reference.name())
        || exact.is_some_and(|exact| exact == *reference)
        || suffixes && endings(reference).any(|ending| glob(pattern, &ending))
}

/// What podman compares a pattern with: all of a name, without its registry, and its last component; each with and without
/// the tag or digest.
fn endings(reference: &Reference) -> impl Iterator<Item = String> {
    let (whole, name) = (reference.to_string(), reference.name());
    // docker's own images have no namespace that anybody would type.
    let path = reference.repository();
    let path = path.strip_prefix("library/").unwrap_or(path).to_owned();
    let suffix = whole.get(name.len()..).unwrap_or_default().to_owned();
    let last = path.rsplit('/').next().unwrap_or_default().to_owned();
    [name, path, last].into_iter().flat_map(move |ending| [format!("{ending}{suffix}"), ending])
}

/// Go's `path.Match`: `*` and `?` do not match a slash, `[a-z]` is a class, `\` takes away a meaning.
fn glob(pattern: &str, text: &str) -> bool {
    fn fits(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (None, Some(_)) => false,
            (Some(('*', rest)), _) => {
                let end = text.iter().position(|c| *c == '/').unwrap_or(text.len());
                (0..=end).any(|skip| fits(rest, &text[skip..]))
            }
            (Some(_), None) => false,
            (Some(('?', rest)), Some((c, after))) => *c != '/' && fits(rest, after),
            (Some(('[', rest)), Some((c, after))) => {
                let Some(close) = rest.iter().position(|c| *c == ']') else { return false };
                class(&rest[..close], *c) && fits(&rest[close + 1..], after)
            }
            (Some(('\\', [quoted, rest @ ..])), Some((c, after))) => quoted == c && fits(rest, after),
            (Some((wanted, rest)), Some((c, after))) => wanted == c && fits(rest, after),
        }
    }
    fn class(class: &[char], c: char) -> bool {
        let (negated, mut class) = match class {
            ['^', rest @ ..] => (true, rest),
            class => (false, class),
        };
        let mut found = false;
        while let [first, rest @ ..] = class {
            let (last, rest) = match rest {
                ['-', last, rest @ ..] => (last, rest),
                rest => (first, rest),
            };
            found |= (*first..=*last).contains(&c);
            class = rest;
        }
        found != negated
    }
    let chars = |text: &str| text.chars().collect::<Vec<_>>();
    // Names are short and stars few: more would only waste time.
    pattern.matches('*').count() <= 8 && fits(&chars(pattern), &chars(text))
}

/// docker's rows of one image: one for each tag (with `digests`, for each digest of its repository), one for each
/// repository that is only known by digest, or one without a name.
fn rows_of(image: &ListedImage, digests: bool, containers: usize, names: Arc<Names>) -> Vec<NamedImage> {
    let row = |name: Option<&Reference>, tag: Option<String>, digest: Option<Digest>| NamedImage {
        record: image.record.clone(),
        repository: name.map(Reference::familiar_repository),
        whole: name.map(Reference::name),
        tag,
        digest,
        containers,
        names: names.clone(),
    };
    let mut rows = Vec::new();
    for reference in &image.references {
        let of_repository = image.digests.iter().filter(|digest| digest.name() == reference.name());
        let known: Vec<Option<Digest>> = of_repository.map(|digest| digest.digest().cloned()).collect();
        let known = if digests && !known.is_empty() { known } else { vec![None] };
        let tag = reference.tag().map(String::from);
        rows.extend(known.into_iter().map(|digest| row(Some(reference), tag.clone(), digest)));
    }
    let tagged = |digest: &&Reference| !image.references.iter().any(|reference| reference.name() == digest.name());
    let mut shown: Vec<String> = Vec::new();
    for reference in image.digests.iter().filter(tagged) {
        if digests || !shown.contains(&reference.name()) {
            shown.push(reference.name());
            rows.push(row(Some(reference), None, reference.digest().cloned()));
        }
    }
    if rows.is_empty() {
        rows.push(row(None, None, None));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures;

    #[test]
    fn globs_are_those_of_go() {
        for (pattern, text, fits) in [
            ("busybox", "busybox", true),
            ("busy*", "busybox", true),
            ("*", "a/b", false),
            ("*/b", "a/b", true),
            ("*/*:v?", "host:5000/b:v2", true),
            ("b[a-u]sybox", "busybox", true),
            ("b[^a-u]sybox", "busybox", false),
            ("b\\*", "b*", true),
            ("b\\*", "bx", false),
            ("[", "x", false),
            ("", "", true),
        ] {
            assert_eq!(glob(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn rows_are_dockers() {
        let (engine, _scratch) = fixtures::engine();
        let record = fixtures::image(&engine, "a", &["app:one", "app:two", "other:latest"]);
        let digest = record.manifest.to_string();
        let listed = |references: &[&str], digests: &[String]| ListedImage {
            record: record.clone(),
            references: references.iter().map(|name| name.parse().unwrap()).collect(),
            digests: digests.iter().map(|name| name.parse().unwrap()).collect(),
        };
        let show = |image: &ListedImage, digests| -> Vec<String> {
            let show = |text: Option<String>| text.unwrap_or_else(|| "-".into());
            rows_of(image, digests, 0, Arc::default())
                .into_iter()
                .map(|row| format!("{} {} {}", show(row.repository), show(row.tag), row.digest.is_some()))
                .collect()
        };
        let all = listed(&["app:one", "app:two", "other"], &[format!("app@{digest}"), format!("third@{digest}")]);
        assert_eq!(show(&all, false), ["app one false", "app two false", "other latest false", "third - true"]);
        assert_eq!(show(&all, true), ["app one true", "app two true", "other latest false", "third - true"]);
        assert_eq!(show(&listed(&[], &[]), false), ["- - false"]);
    }

    #[test]
    fn filters_select() {
        let (engine, _scratch) = fixtures::engine();
        fixtures::image(&engine, "old", &["app:v1", "localhost:5000/app:v1"]);
        fixtures::image(&engine, "new", &["base"]);
        fixtures::image(&engine, "dangling", &[]);
        let names = |filters: &[&str]| {
            let mut query = Query::default();
            for filter in filters {
                query.add(filter, &|_| Ok(Timestamp::UNIX_EPOCH)).unwrap();
            }
            let rows = list(&engine, &query).unwrap().into_iter();
            let mut names: Vec<String> = rows.map(|row| row.repository.unwrap_or_else(|| "-".into())).collect();
            names.sort();
            names.join(" ")
        };
        for (filters, expected) in [
            (&[][..], "- app base localhost:5000/app"),
            (&["dangling=true"], "-"),
            (&["dangling=false"], "app base localhost:5000/app"),
            (&["reference=app"], "app localhost:5000/app"),
            (&["reference=*/app:v*"], "localhost:5000/app"),
            (&["reference=docker.io/library/base"], "base"),
            (&["reference=app", "reference=base"], "app base localhost:5000/app"),
            (&["label=name=old"], "app localhost:5000/app"),
            (&["label=name", "label=absent"], ""),
            (&["until=x"], ""),
            (&["label!=name=old"], "- base"),
            (&["containers=true"], ""),
            (&["containers=false", "reference=app"], "app localhost:5000/app"),
            (&["intermediate=true"], ""),
            (&["readonly=false", "manifest=false", "reference=base"], "base"),
            (&["id=zz"], ""),
        ] {
            assert_eq!(names(filters), expected, "{filters:?}");
        }
        // docker's patterns are for whole names.
        let mut docker = engine.clone();
        docker.registry.registries.docker_hub_only = true;
        let mut query = Query::default();
        query.add("reference=app", &|_| Ok(Timestamp::UNIX_EPOCH)).unwrap();
        assert_eq!(list(&docker, &query).unwrap().len(), 1);
        for bad in ["nonsense=1", "dangling=maybe", "dangling"] {
            assert!(Query::default().add(bad, &|_| Ok(Timestamp::UNIX_EPOCH)).is_err(), "{bad}");
        }
        let mut query = Query::default();
        query.add("before=absent", &|_| Ok(Timestamp::UNIX_EPOCH)).unwrap();
        assert!(list(&engine, &query).is_err());
    }
}
