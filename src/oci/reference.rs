//! Image references: `[registry/]repository[:tag][@digest]`, with docker's defaults.
//!
//! The grammar and the normalisation are those of <https://pkg.go.dev/github.com/distribution/reference>: what it accepts
//! as a normalised name is accepted here, and means the same.

use std::fmt;
use std::str::FromStr;

use super::digest::Digest;
use crate::base::{Error, Result, text};

/// The registry that is meant when none is named.
pub const DOCKER_HUB: &str = "docker.io";
/// The namespace of Docker Hub's own images.
const OFFICIAL: &str = "library/";
/// The tag that is meant when neither tag nor digest is given.
pub const DEFAULT_TAG: &str = "latest";
/// Longest repository, in bytes (distribution's `RepositoryNameTotalLengthMax`).
const REPOSITORY_MAX: usize = 255;
/// Longest registry, in bytes: it must fit a file name.
const REGISTRY_MAX: usize = 255;
/// Longest tag, in bytes.
const TAG_MAX: usize = 128;

/// A parsed reference. It always has a tag or a digest, and may have both; then the digest decides what is fetched.
///
/// Each part is safe in a path and in a URL: no component is empty, `.` or `..`, or begins with `_`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// Host with optional port: `docker.io`, `localhost:5000`, `[::1]:5000`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path within the registry: `library/alpine`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, if it has one.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if it has one.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// `registry/repository`, without tag and digest.
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The same repository with another tag and no digest. The tag is checked.
    pub fn with_tag(&self, tag: &str) -> Result<Self> {
        match is_tag(tag) {
            true => Ok(Self { tag: Some(tag.to_owned()), digest: None, ..self.clone() }),
            false => Err(malformed(tag, "is not a valid tag")),
        }
    }

    /// The same repository with this digest and no tag.
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// The same tag and digest in the repository of `other`.
    pub fn in_repository(&self, other: &Self) -> Self {
        Self { registry: other.registry.clone(), repository: other.repository.clone(), ..self.clone() }
    }

    /// What docker shows in its REPOSITORY column: `alpine`, `user/app`, `localhost:5000/app`.
    pub fn familiar_repository(&self) -> String {
        if self.registry != DOCKER_HUB {
            return self.name();
        }
        match self.repository.strip_prefix(OFFICIAL) {
            Some(short) if !short.contains('/') => short.to_owned(),
            _ => self.repository.clone(),
        }
    }

    /// The short form that docker shows: `alpine:latest`.
    pub fn familiar(&self) -> String {
        self.suffixed(self.familiar_repository())
    }

    fn suffixed(&self, mut name: String) -> String {
        if let Some(tag) = &self.tag {
            name.push(':');
            name.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            name.push('@');
            name.push_str(digest.as_str());
        }
        name
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(value: &str) -> Result<Self> {
        // Generous: the parts are bounded each, this only keeps error messages and work small.
        if value.len() > 1024 {
            return Err(malformed(&value.chars().take(64).collect::<String>(), "is too long for an image reference"));
        }
        let (rest, digest) = match value.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse::<Digest>().map_err(|error| error.hint(SHAPE))?)),
            None => (value, None),
        };
        let (name, tag) = split_tag(rest);
        if name.len() == 64 && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(malformed(value, "is an image id, not a reference")
                .hint("a registry knows names, not ids; a repository cannot be named by 64 hexadecimal digits"));
        }
        let (registry, path) = split_registry(name);
        let repository = match registry == DOCKER_HUB && !path.contains('/') {
            true => format!("{OFFICIAL}{path}"),
            false => path.to_owned(),
        };
        check_name(value, registry, &repository)?;
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(malformed(value, "has an invalid tag").hint(
                "a tag has 1 to 128 letters, digits, `_`, `.` and `-`, and begins with a letter, a digit or `_`",
            ));
        }
        let tag = tag.or(digest.is_none().then_some(DEFAULT_TAG)).map(str::to_owned);
        Ok(Self { registry: registry.to_owned(), repository, tag, digest })
    }
}

/// The repository as typed, without tag and digest, of a reference that names no registry.
pub fn short_name(typed: &str) -> Option<&str> {
    let (name, _) = split_tag(typed.split('@').next().unwrap_or_default());
    let (registry, path) = split_registry(name);
    (registry == DOCKER_HUB && path.len() == name.len() && !name.is_empty()).then_some(name)
}

const SHAPE: &str =
    "a reference is [REGISTRY/]REPOSITORY[:TAG][@DIGEST], as in `alpine`, `debian:13` or `localhost:5000/app`";

fn malformed(value: &str, problem: &str) -> Error {
    Error::usage(format!("`{}` {problem}", text::clean(value))).hint(SHAPE)
}

/// The last `:` begins a tag, unless a `/` follows it: then it was a port.
fn split_tag(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (name, None),
    }
}

/// The first component is a registry if it looks like a host: has a dot or a port, is `localhost`, or has upper-case
/// letters (which no repository has).
fn split_registry(name: &str) -> (&str, &str) {
    let Some((first, rest)) = name.split_once('/') else { return (DOCKER_HUB, name) };
    let is_host = first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|b| b.is_ascii_uppercase());
    match first {
        "index.docker.io" => (DOCKER_HUB, rest),
        _ if is_host => (first, rest),
        _ => (DOCKER_HUB, name),
    }
}

fn check_name(value: &str, registry: &str, repository: &str) -> Result<()> {
    if !is_registry(registry) {
        return Err(malformed(value, "names an invalid registry host"));
    }
    if repository.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(malformed(value, "is not a valid image reference: the repository must be lower-case"));
    }
    if repository.len() > REPOSITORY_MAX {
        return Err(malformed(value, "has a repository of more than 255 characters"));
    }
    match repository.split('/').all(is_path_component) {
        true => Ok(()),
        false => Err(malformed(value, "is not a valid image reference")),
    }
}

/// `host[:port]`; the host is a domain name, an IPv4 address or an IPv6 address in brackets.
fn is_registry(registry: &str) -> bool {
    let (host, port) = match registry.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (registry, None),
    };
    let host_fits = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        }),
    };
    let port_fits = port.is_none_or(|port| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok());
    registry.len() <= REGISTRY_MAX && host_fits && port_fits
}

/// Runs of lower-case letters and digits, between them `.`, `_`, `__` or any number of `-`.
fn is_path_component(component: &str) -> bool {
    let is_word = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = component.as_bytes();
    let separators_fit = bytes
        .split(is_word)
        .all(|separator| matches!(separator, b"" | b"." | b"_" | b"__") || separator.iter().all(|b| *b == b'-'));
    bytes.first().is_some_and(is_word) && bytes.last().is_some_and(is_word) && separators_fit
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= TAG_MAX
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'))
}

/// The canonical form, with registry and tag.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.suffixed(self.name()))
    }
}

impl TryFrom<String> for Reference {
    type Error = Error;

    fn try_from(value: String) -> Result<Self> {
        value.parse()
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const D: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn defaults_are_dockers() {
        let pinned = format!("alpine@{D}");
        let both = format!("quay.io/a/b:1@{D}");
        for (given, canonical, familiar) in [
            ("alpine", "docker.io/library/alpine:latest", "alpine:latest"),
            ("alpine:3.20", "docker.io/library/alpine:3.20", "alpine:3.20"),
            ("docker.io/alpine", "docker.io/library/alpine:latest", "alpine:latest"),
            ("index.docker.io/user/app", "docker.io/user/app:latest", "user/app:latest"),
            ("user/app:v1", "docker.io/user/app:v1", "user/app:v1"),
            ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
            ("localhost:5000/app", "localhost:5000/app:latest", "localhost:5000/app:latest"),
            ("127.0.0.1:5000/a/b/c:x", "127.0.0.1:5000/a/b/c:x", "127.0.0.1:5000/a/b/c:x"),
            ("[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000/app:latest"),
            ("[fe80::1]/app", "[fe80::1]/app:latest", "[fe80::1]/app:latest"),
            ("Host/app", "Host/app:latest", "Host/app:latest"),
            ("library/x/y", "docker.io/library/x/y:latest", "library/x/y:latest"),
            ("f_g/a__b.c-d---e", "docker.io/f_g/a__b.c-d---e:latest", "f_g/a__b.c-d---e:latest"),
            (&pinned, &format!("docker.io/library/alpine@{D}"), &pinned),
            (&both, &both, &both),
        ] {
            let reference: Reference = given.parse().unwrap();
            assert_eq!(reference.to_string(), canonical, "{given}");
            assert_eq!(reference.familiar(), familiar, "{given}");
            assert_eq!(canonical.parse::<Reference>().unwrap(), reference);
            assert_eq!(familiar.parse::<Reference>().unwrap(), reference);
        }
    }

    #[test]
    fn short_names_have_no_registry() {
        for (typed, short) in [
            ("alpine", Some("alpine")),
            ("alpine:3", Some("alpine")),
            (&format!("u/app:1@{D}"), Some("u/app")),
            ("docker.io/alpine", None),
            ("index.docker.io/alpine", None),
            ("localhost/a", None),
            ("localhost:5000/a", None),
            ("quay.io/a:1", None),
            ("", None),
        ] {
            assert_eq!(short_name(typed), short, "{typed}");
        }
        let typed: Reference = "app:1".parse().unwrap();
        assert_eq!(typed.in_repository(&"quay.io/x/y:2".parse().unwrap()).to_string(), "quay.io/x/y:1");
    }

    #[test]
    fn malformed_references_are_refused_with_the_shape() {
        let long_repository = "a/".repeat(130) + "a";
        let long_tag = format!("a:{}", "t".repeat(129));
        for bad in [
            "",
            ":",
            "@",
            "/",
            "a/",
            "/a",
            "a//b",
            "a:",
            "a:b:c",
            "a:-x",
            "a b",
            "A",
            "repo/A",
            "ä",
            "-a",
            "a-",
            "a..b",
            "a___b",
            "a._b",
            "a@sha256:12",
            "a@",
            "_a",
            "a/_tags/x",
            "../x",
            "a/../b",
            "./a",
            "host:port/a",
            "host:99999/a",
            "-host.io/a",
            "ho..st/a",
            "[::g]/a",
            "[::1]:x/a",
            "localhost:5000",
            "https://a.b/c",
            "a\x1b[2J",
            "a:\u{202e}x",
            "x@sha256:e3b0@sha256:e3b0",
            &D[7..],
            &long_repository,
            &long_tag,
        ] {
            // `localhost:5000` alone is the repository `localhost` with the tag `5000`, as in docker.
            let parsed = bad.parse::<Reference>();
            match bad {
                "localhost:5000" => assert_eq!(parsed.unwrap().to_string(), "docker.io/library/localhost:5000"),
                _ => {
                    let error = parsed.expect_err(bad);
                    assert!(!error.chain().contains(|c: char| c.is_control()), "{bad}");
                    assert!(!error.hints().is_empty(), "{bad}");
                }
            }
        }
    }

    #[test]
    fn another_tag_or_digest_of_the_same_repository() {
        let reference: Reference = format!("quay.io/a/b:1@{D}").parse().unwrap();
        assert_eq!(reference.with_tag("2").unwrap().to_string(), "quay.io/a/b:2");
        assert!(reference.with_tag("a/b").is_err());
        assert_eq!(reference.with_digest(D.parse().unwrap()).to_string(), format!("quay.io/a/b@{D}"));
    }

    proptest! {
        #[test]
        fn any_text_parses_to_its_canonical_form_or_fails(text in "\\PC{0,40}|[a-zA-Z0-9./:@_\\[\\]-]{0,40}") {
            if let Ok(reference) = text.parse::<Reference>() {
                let canonical = reference.to_string();
                prop_assert_eq!(canonical.parse::<Reference>().unwrap(), reference);
                prop_assert!(canonical.split('/').all(|part| !part.is_empty() && part != ".." && !part.starts_with('_')));
            }
        }
    }
}
