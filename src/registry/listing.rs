//! What a registry has: tags of a repository, its repositories, and the search of Docker Hub.
//!
//! Lists come in pages, which a `Link` header joins (RFC 8288). The next page is asked of the registry itself only, and
//! pages, entries and bytes are bounded: a registry could make them endless.

use reqwest::header::LINK;
use reqwest::{Method, Response, Url};

use super::client::{Client, Shared, Source, read_bounded};
use super::content::Content;
use super::failure;
use super::registries::Endpoint;
use super::transport::Ask;
use crate::base::{Error, Kind, Result, text};
use crate::oci::reference::DOCKER_HUB;
use crate::oci::{Reference, document};

/// Largest page, in bytes.
const PAGE_MAX: usize = 4 << 20;
/// Most pages of one list.
const PAGES_MAX: usize = 1000;
/// Most entries of one list.
const ENTRIES_MAX: usize = 100_000;
/// Entries that are asked for at once.
const PAGE_ENTRIES: usize = 1000;
/// Where Docker Hub is searched: not where its images are.
const HUB_SEARCH: &str = "https://index.docker.io/";

/// An entry of the answer to a search.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default)]
pub struct Match {
    /// The repository, as the registry writes it.
    pub name: String,
    /// Free text.
    pub description: String,
    /// How many users like it.
    pub star_count: u64,
    /// Whether it is one of Docker Hub's own images.
    pub is_official: bool,
    /// Whether it was built by Docker Hub.
    pub is_automated: bool,
}

#[derive(serde::Deserialize)]
struct Matches {
    #[serde(default)]
    results: Vec<Match>,
}

#[derive(serde::Deserialize)]
struct Names {
    #[serde(default, alias = "repositories")]
    tags: Vec<String>,
}

impl Client {
    /// The tags of a repository, in the registry's order. Names that are no tags are left out.
    pub fn tags(&self, reference: &Reference) -> Result<Vec<String>> {
        let (shared, wanted) = (self.shared(), reference.clone());
        let tags = self.run(async move {
            let mut failed = None;
            for endpoint in shared.registries.endpoints(&wanted)? {
                let source = match shared.source(endpoint).await {
                    Ok(source) => source,
                    Err(error) => {
                        failed = Some(error);
                        continue;
                    }
                };
                let path = format!("tags/list?n={PAGE_ENTRIES}");
                match names(&shared, &source, source.url(&path)?, usize::MAX, |_| true).await {
                    Ok(tags) => return Ok(tags),
                    Err(error) => failed = Some(error),
                }
            }
            Err(failed.unwrap_or_else(|| Error::system("no registry was asked")))
        })??;
        Ok(tags.into_iter().filter(|tag| reference.with_tag(tag).is_ok()).collect())
    }

    /// Searches a registry for repositories: by its own search, where it has Docker Hub's, else by the names in its catalog.
    /// At most `limit` are given.
    pub fn search(&self, registry: &str, term: &str, limit: usize) -> Result<Vec<Match>> {
        // Some repository there, to be led by the configuration.
        let probe: Reference = format!("{registry}/x/x")
            .parse()
            .map_err(|_| Error::usage(format!("`{}` is not a registry", text::clean(registry))))?;
        let (shared, term) = (self.shared(), term.to_owned());
        self.run(async move {
            let endpoint = shared.registries.endpoints(&probe)?.pop();
            let endpoint = endpoint.ok_or_else(|| Error::system("a registry has no endpoint"))?;
            let endpoint = Endpoint { repository: String::new(), ..endpoint };
            shared.authorizer.expect(&endpoint, "registry:catalog:*").await;
            let mut source = shared.source(endpoint).await?;
            let is_hub = source.endpoint.host == DOCKER_HUB;
            if is_hub {
                source.base = HUB_SEARCH.parse().map_err(|_| Error::system("Docker Hub's address is malformed"))?;
            }
            match by_search(&shared, &source, &term, limit).await {
                Ok(found) => Ok(found),
                // Only Docker Hub's relatives have it.
                Err(error) if is_hub || error.kind() == Kind::Network && !error.message().contains("unexpected") => {
                    Err(error)
                }
                Err(_) => by_catalog(&shared, &source, &term, limit).await,
            }
        })?
    }
}

async fn by_search(shared: &Shared, source: &Source, term: &str, limit: usize) -> Result<Vec<Match>> {
    let mut url = below(source, "v1/search")?;
    url.query_pairs_mut().append_pair("q", term).append_pair("n", &limit.to_string());
    let bytes = page(shared, source, url).await?.1;
    let matches: Matches = understood(source, &bytes)?;
    let mut matches = matches.results;
    matches.retain(|found| !found.name.is_empty());
    matches.truncate(limit);
    Ok(matches)
}

async fn by_catalog(shared: &Shared, source: &Source, term: &str, limit: usize) -> Result<Vec<Match>> {
    let url = below(source, &format!("v2/_catalog?n={PAGE_ENTRIES}"))?;
    let found = names(shared, source, url, limit, |name| name.contains(term)).await?;
    Ok(found.into_iter().map(|name| Match { name, ..Match::default() }).collect())
}

fn below(source: &Source, path: &str) -> Result<Url> {
    source
        .base
        .join(path)
        .map_err(|_| Error::invalid(format!("`{}` is not a host", text::clean(&source.endpoint.host))))
}

/// All pages from `url` on, as far as `limit` names that fit are needed.
async fn names(
    shared: &Shared,
    source: &Source,
    url: Url,
    limit: usize,
    fits: impl Fn(&str) -> bool,
) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut next = Some(url);
    for _ in 0..PAGES_MAX {
        let Some(url) = next.take() else { break };
        let (following, bytes) = page(shared, source, url).await?;
        let Names { tags } = understood(source, &bytes)?;
        found.extend(tags.into_iter().filter(|name| fits(name)));
        if found.len() >= limit.min(ENTRIES_MAX) {
            break;
        }
        next = following;
    }
    found.truncate(limit);
    Ok(found)
}

/// One page, and where the next one is.
async fn page(shared: &Shared, source: &Source, url: Url) -> Result<(Option<Url>, Vec<u8>)> {
    let ask = Ask { method: Method::GET, content: Content::None, ..Ask::get(url.clone(), source.trust) };
    let response = shared.exchange(source, ask).await.map_err(|failure| failure.error)?;
    if !response.status().is_success() {
        return Err(failure::of_status(response).await.error);
    }
    let next = following(&response, &url);
    let bytes = read_bounded(response, PAGE_MAX, shared.settings.patience.document, "a list").await?;
    Ok((next, bytes))
}

/// `Link: </v2/…?last=x&n=1000>; rel="next"`, if it stays at the same origin.
fn following(response: &Response, url: &Url) -> Option<Url> {
    let link = response.headers().get(LINK)?.to_str().ok()?;
    let (target, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    let next = url.join(target).ok()?;
    (rest.contains("next") && next.origin() == url.origin()).then_some(next)
}

fn understood<T: serde::de::DeserializeOwned>(source: &Source, bytes: &[u8]) -> Result<T> {
    document::from_slice(bytes).map_err(|error| {
        Error::invalid(format!(
            "the registry `{}` sent a list that cannot be understood",
            text::clean(&source.endpoint.host)
        ))
        .caused_by(Error::invalid(text::clean(&error.to_string()).into_owned()))
    })
}
