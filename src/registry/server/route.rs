//! What a request is about, by its path and query (distribution specification, "Endpoints"). Pure.

use std::fmt;

use crate::base::{Error, Result, text};
use crate::oci::{Digest, Reference};

/// Longest path and query, in bytes.
const PATH_MAX: usize = 4096;

/// The name of a repository: components of lower-case letters, digits and separators, none of which is `..` or begins with
/// `_`; safe in paths.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repository(String);

impl Repository {
    /// Checks it.
    pub fn parse(name: &str) -> Result<Self> {
        let reference = format!("localhost/{name}").parse::<Reference>();
        match reference {
            Ok(reference) if reference.repository() == name => Ok(Self(name.to_owned())),
            _ => {
                let shown: String = name.chars().take(64).collect();
                Err(Error::invalid(format!("`{}` is not a repository", text::clean(&shown))))
            }
        }
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which manifest of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// By its tag, which is safe in paths.
    Tag(String),
    /// By its digest.
    Digest(Digest),
}

impl Target {
    fn parse(repository: &Repository, given: &str) -> Result<Self> {
        if given.contains(':') {
            return given.parse().map(Self::Digest);
        }
        let name: Reference = format!("localhost/{repository}").parse()?;
        name.with_tag(given).map(|_| Self::Tag(given.to_owned()))
    }
}

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// `/v2/`
    Root,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/<name>/tags/list`
    Tags(Repository),
    /// `/v2/<name>/manifests/<reference>`
    Manifest(Repository, Target),
    /// `/v2/<name>/blobs/<digest>`
    Blob(Repository, Digest),
    /// `/v2/<name>/blobs/uploads/`
    Uploads(Repository),
    /// `/v2/<name>/blobs/uploads/<id>`
    Upload(Repository, String),
    /// `/v2/<name>/referrers/<digest>`
    Referrers(Repository, Digest),
}

/// Reads a path. None: there is nothing of this kind.
pub fn route(path: &str) -> Result<Option<Route>> {
    if path.len() > PATH_MAX {
        return Err(Error::invalid("the path is too long"));
    }
    let path = decoded(path).ok_or_else(|| Error::invalid("the path is not valid"))?;
    let Some(rest) = path.strip_prefix("/v2") else { return Ok(None) };
    let rest = match rest {
        "" | "/" => return Ok(Some(Route::Root)),
        "/_catalog" => return Ok(Some(Route::Catalog)),
        rest => rest.trim_start_matches('/'),
    };
    let parts: Vec<&str> = rest.split('/').collect();
    let name = |parts: &[&str]| Repository::parse(&parts.join("/"));
    Ok(Some(match parts.as_slice() {
        [names @ .., "tags", "list"] => Route::Tags(name(names)?),
        [names @ .., "blobs", "uploads"] | [names @ .., "blobs", "uploads", ""] => Route::Uploads(name(names)?),
        [names @ .., "blobs", "uploads", id] => Route::Upload(name(names)?, (*id).to_owned()),
        [names @ .., "manifests", target] => {
            let repository = name(names)?;
            let target = Target::parse(&repository, target)?;
            Route::Manifest(repository, target)
        }
        [names @ .., "blobs", digest] => Route::Blob(name(names)?, digest.parse()?),
        [names @ .., "referrers", digest] => Route::Referrers(name(names)?, digest.parse()?),
        _ => return Ok(None),
    }))
}

/// The values of a query that registries understand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// `digest`: of an upload that is complete.
    pub digest: Option<String>,
    /// `mount`: a blob to take from another repository.
    pub mount: Option<String>,
    /// `from`: that repository.
    pub from: Option<String>,
    /// `n`: the length of a page.
    pub n: Option<String>,
    /// `last`: the end of the page before.
    pub last: Option<String>,
    /// `artifactType`: only referrers of this kind.
    pub artifact_type: Option<String>,
}

impl Query {
    /// Reads a query; unknown keys are left out, of several equal ones the first counts.
    pub fn parse(query: &str) -> Result<Self> {
        let mut found = Self::default();
        if query.len() > PATH_MAX {
            return Err(Error::invalid("the query is too long"));
        }
        for pair in query.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let field = match key {
                "digest" => &mut found.digest,
                "mount" => &mut found.mount,
                "from" => &mut found.from,
                "n" => &mut found.n,
                "last" => &mut found.last,
                "artifactType" => &mut found.artifact_type,
                _ => continue,
            };
            let value = decoded(value).ok_or_else(|| Error::invalid("the query is not valid"))?;
            field.get_or_insert(value);
        }
        Ok(found)
    }
}

/// Without percent signs (RFC 3986, 2.1).
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| (byte as char).to_digit(16));
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> Repository {
        Repository::parse(name).unwrap()
    }

    #[test]
    fn paths_lead_where_the_specification_says() {
        let digest: Digest = format!("sha256:{}", "a".repeat(64)).parse().unwrap();
        let tag = |tag: &str| Target::Tag(tag.to_owned());
        for (path, expected) in [
            ("/v2", Some(Route::Root)),
            ("/v2/", Some(Route::Root)),
            ("/v2/_catalog", Some(Route::Catalog)),
            ("/v2/app/tags/list", Some(Route::Tags(name("app")))),
            ("/v2/a/b/manifests/v1", Some(Route::Manifest(name("a/b"), tag("v1")))),
            (
                &format!("/v2/app/manifests/{digest}"),
                Some(Route::Manifest(name("app"), Target::Digest(digest.clone()))),
            ),
            (
                &format!("/v2/app/blobs/{}", digest.as_str().replace(':', "%3A")),
                Some(Route::Blob(name("app"), digest.clone())),
            ),
            ("/v2/app/blobs/uploads/", Some(Route::Uploads(name("app")))),
            ("/v2/app/blobs/uploads/1f", Some(Route::Upload(name("app"), "1f".into()))),
            ("/v2/blobs/uploads/manifests/x", Some(Route::Manifest(name("blobs/uploads"), tag("x")))),
            (&format!("/v2/app/referrers/{digest}"), Some(Route::Referrers(name("app"), digest.clone()))),
            ("/v1/search", None),
            ("/v2/app", None),
            ("/", None),
        ] {
            assert_eq!(route(path).unwrap(), expected, "{path}");
        }
    }

    #[test]
    fn what_could_leave_a_directory_is_no_name() {
        for bad in [
            "/v2/../manifests/x",
            "/v2/a/%2e%2e/b/manifests/x",
            "/v2/a//b/manifests/x",
            "/v2/_tags/manifests/x",
            "/v2/APP/tags/list",
            "/v2/manifests/x",
            "/v2/app/manifests/..",
            "/v2/app/manifests/a%2Fb",
            "/v2/app/manifests/sha256:../../etc/passwd",
            "/v2/app/blobs/sha256:zz",
            "/v2/app/manifests/%ff",
            "/v2/app/manifests/%4",
        ] {
            assert!(!matches!(route(bad), Ok(Some(_))), "{bad}");
        }
        assert!(route(&format!("/v2/{}/tags/list", "a/".repeat(3000))).is_err());
        assert!(Repository::parse(&"a/".repeat(200)).is_err());
    }

    #[test]
    fn queries() {
        let query = Query::parse("digest=sha256%3Aab&n=5&last=x&unknown=1&n=6").unwrap();
        assert_eq!((query.digest.as_deref(), query.n.as_deref()), (Some("sha256:ab"), Some("5")));
        assert_eq!(Query::parse("").unwrap(), Query::default());
        assert!(Query::parse("mount=%zz").is_err());
    }
}
