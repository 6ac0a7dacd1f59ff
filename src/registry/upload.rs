//! The registry protocol's other direction (OCI distribution specification, "Push"): blobs, then the manifest.
//!
//! # Theory of operation
//!
//! A blob is a file whose digest is known, so that it can be sent again from any byte. The registry opens a session (POST)
//! and names its URL; everything that is missing goes there in one request (PATCH), and a last one names the digest (PUT),
//! which the registry verifies. When the connection breaks, the session is asked what has arrived (GET, `Range`), and the
//! rest is sent; when the session is gone, another begins. (The registry of the distribution project gives up a session in
//! which a request broke, and so everything is sent again there, which pieces would not change.) Attempts are bounded, and counted anew after progress.
//!
//! The URL of a session is the registry's choice. It is held to the rules of redirects, and at another origin than the
//! registry's nobody is shown who we are: a registry that names the upload URL of another gets nothing that it could not
//! ask for itself.
//!
//! A registry that says where something is says so for the digest that it was asked for. An answer that names another
//! digest is not believed.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::header::{CONTENT_LENGTH, LOCATION};
use reqwest::{Method, Response, StatusCode, Url};

use super::client::{Client, Shared, Source};
use super::content::{Content, Piece};
use super::failure::{self, Failure};
use super::transport::{Ask, Trust, authority, follow};
use crate::base::{Error, Kind, Result};
use crate::oci::manifest::MANIFEST_MAX;
use crate::oci::{Descriptor, Digest, Reference};

/// Progress, in bytes, after which attempts count anew.
const PROGRESS: u64 = 1 << 20;
/// The header by which registries name what they have.
const CONTENT_DIGEST: &str = "docker-content-digest";

/// A repository to push to.
#[derive(Debug, Clone)]
pub struct Destination {
    source: Source,
}

impl Destination {
    /// Whether the registry is known by this name.
    pub fn is_in(&self, registry: &str) -> bool {
        self.source.endpoint.host == registry
    }
}

/// What a registry said when it was asked to take a blob from another of its repositories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mounted {
    /// It is there now.
    Yes,
    /// It must be sent.
    No,
}

impl Client {
    /// Finds the registry of `reference`: never a mirror. Tokens will allow to push to its repository.
    pub fn destination(&self, reference: &Reference) -> Result<Destination> {
        let (shared, wanted) = (self.shared(), reference.clone());
        self.run(async move {
            // Mirrors come first, the registry itself last.
            let endpoint = shared.registries.endpoints(&wanted)?.pop();
            let endpoint = endpoint.ok_or_else(|| Error::system("a registry has no endpoint"))?;
            shared.authorizer.expect(&endpoint, &format!("repository:{}:pull,push", endpoint.repository)).await;
            Ok(Destination { source: shared.source(endpoint).await? })
        })?
    }

    /// Whether the repository has a blob. Where the registry refuses to tell, it has not: the upload will say why.
    pub fn has_blob(&self, to: &Destination, blob: &Descriptor) -> Result<bool> {
        let (shared, source, blob) = (self.shared(), to.source.clone(), blob.clone());
        self.run(async move { has_blob(&shared, &source, &blob).await })?
    }

    /// Asks the registry to take a blob from the repository of `from`. No when that is in another registry.
    pub fn mount(&self, to: &Destination, blob: &Digest, from: &Reference) -> Result<Mounted> {
        let (shared, source, blob, from) = (self.shared(), to.source.clone(), blob.clone(), from.clone());
        self.run(async move {
            match shared.registries.endpoints(&from)?.pop() {
                Some(other) if other.host == source.endpoint.host && other.repository != source.endpoint.repository => {
                    mount(&shared, &source, &blob, &other.repository).await
                }
                _ => Ok(Mounted::No),
            }
        })?
    }

    /// Sends a blob, which `file` holds from its first byte to its last. `look` is told how many bytes have gone, and may
    /// end it by `false`.
    pub fn upload(
        &self,
        to: &Destination,
        blob: &Descriptor,
        file: File,
        mut look: impl FnMut(u64) -> bool,
    ) -> Result<()> {
        let taken = Arc::new(AtomicU64::new(0));
        let piece = Piece { file: Arc::new(file), from: 0, size: blob.size, taken: taken.clone() };
        let upload = Upload { shared: self.shared(), source: to.source.clone(), blob: blob.clone(), piece };
        self.run_watched(upload.run(), move || look(taken.load(Ordering::Relaxed)))?
    }

    /// Sends a manifest under a tag. The registry has it under its digest, too.
    pub fn put_manifest(&self, to: &Destination, tag: &str, media_type: &str, manifest: &[u8]) -> Result<Digest> {
        if manifest.len() > MANIFEST_MAX {
            return Err(Error::invalid("the image's manifest is larger than 4 MiB: no registry takes that"));
        }
        let (shared, source) = (self.shared(), to.source.clone());
        let (digest, tag) = (Digest::sha256(manifest), tag.to_owned());
        let content = Content::Document(media_type.to_owned(), manifest.to_vec());
        self.run(async move {
            let url = source.url(&format!("manifests/{tag}"))?;
            let response = ask(&shared, &source, Method::PUT, url, content).await.map_err(|failure| failure.error)?;
            expect_success(response, &digest).await.map_err(|failure| failure.error).map(|()| digest)
        })?
    }
}

/// One request, at the registry or where it has sent us.
async fn ask(
    shared: &Shared,
    source: &Source,
    method: Method,
    url: Url,
    content: Content,
) -> Result<Response, Failure> {
    let trust = match url.host_str() == source.base.host_str() {
        true => source.trust,
        false => Trust::in_host(&authority(&url), shared.settings.tls_verify, false),
    };
    shared.exchange(source, Ask { method, content, ..Ask::get(url, trust) }).await
}

async fn has_blob(shared: &Shared, source: &Source, blob: &Descriptor) -> Result<bool> {
    let url = source.url(&format!("blobs/{}", blob.digest))?;
    let response = match ask(shared, source, Method::HEAD, url, Content::None).await {
        Ok(response) => response,
        Err(failure) if failure.error.kind() == Kind::Denied => return Ok(false),
        Err(failure) => return Err(failure.error),
    };
    let length = response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let fits = length.is_none_or(|length| length == blob.size) && names(&response, &blob.digest);
    Ok(response.status().is_success() && fits)
}

async fn mount(shared: &Shared, source: &Source, blob: &Digest, from: &str) -> Result<Mounted> {
    let mut url = source.url("blobs/uploads/")?;
    url.query_pairs_mut().append_pair("mount", blob.as_str()).append_pair("from", from);
    shared.authorizer.expect(&source.endpoint, &format!("repository:{from}:pull")).await;
    // Only a way to save work: whatever is wrong will be told by the upload.
    let Ok(response) = ask(shared, source, Method::POST, url.clone(), Content::Empty).await else {
        return Ok(Mounted::No);
    };
    match response.status() {
        StatusCode::CREATED if names(&response, blob) => Ok(Mounted::Yes),
        StatusCode::ACCEPTED => {
            // A session that nobody needs yet. It would go by itself some day.
            if let Ok(session) = location(&response, &url, source.trust) {
                let _ = ask(shared, source, Method::DELETE, session, Content::None).await;
            }
            Ok(Mounted::No)
        }
        _ => Ok(Mounted::No),
    }
}

/// Whether an answer is about this digest, as far as it tells.
fn names(response: &Response, digest: &Digest) -> bool {
    let named = response.headers().get(CONTENT_DIGEST).and_then(|value| value.to_str().ok());
    // Registries may name the digest of another algorithm.
    named
        .and_then(|value| value.parse::<Digest>().ok())
        .is_none_or(|named| named.algorithm() != digest.algorithm() || named == *digest)
}

/// The answer to what completes something.
async fn expect_success(response: Response, digest: &Digest) -> Result<(), Failure> {
    if !response.status().is_success() {
        return Err(failure::of_status(response).await);
    }
    match names(&response, digest) {
        true => Ok(()),
        false => Err(Failure::lasting(
            Error::invalid(format!(
                "the registry `{}` says that it has stored something else than `{digest}`",
                authority(response.url())
            ))
            .hint("do not trust what it has under this name now; something on the way to it may change what is sent"),
        )),
    }
}

/// Where the registry wants the next request of a session to go.
fn location(response: &Response, asked: &Url, trust: Trust) -> Result<Url, Failure> {
    let Some(location) = response.headers().get(LOCATION) else {
        return Err(Failure::lasting(Error::new(
            Kind::Network,
            format!("the registry `{}` does not say where to upload to", authority(asked)),
        )));
    };
    follow(asked, location.as_bytes(), trust == Trust::Any).map_err(Failure::lasting)
}

/// The number of bytes that have arrived, of `Range: 0-N` or `bytes=0-N`. None has when there is no such header.
fn arrived(response: &Response) -> Option<u64> {
    let range = response.headers().get("range")?.to_str().ok()?;
    let last: u64 = range.trim_start_matches("bytes=").strip_prefix("0-")?.parse().ok()?;
    // `0-0` is what registries say for nothing; for one byte, too, which is then sent again.
    Some(if last == 0 { 0 } else { last.saturating_add(1) })
}

/// A blob on its way to a registry.
struct Upload {
    shared: Arc<Shared>,
    source: Source,
    blob: Descriptor,
    piece: Piece,
}

/// Where an upload stands.
#[derive(Default)]
struct Stand {
    session: Option<Url>,
    /// What the registry has confirmed.
    arrived: u64,
}

impl Upload {
    async fn run(self) -> Result<()> {
        let patience = self.shared.settings.patience;
        let mut stand = Stand::default();
        let (mut attempt, mut best) = (1, 0);
        loop {
            let failure = match self.attempt(&mut stand).await {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            if stand.arrived >= best + PROGRESS {
                (attempt, best) = (1, stand.arrived);
            }
            match failure.pause(attempt, &patience) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(failure.error),
            }
            attempt += 1;
            // The answer to the last request may be what was lost.
            if has_blob(&self.shared, &self.source, &self.blob).await.is_ok_and(|has| has) {
                return Ok(());
            }
        }
    }

    async fn attempt(&self, stand: &mut Stand) -> Result<(), Failure> {
        let resumed = match stand.session.take() {
            Some(session) => self.resume(&session).await,
            None => None,
        };
        let (session, from) = match resumed {
            Some(resumed) => resumed,
            None => (self.begin().await?, 0),
        };
        stand.arrived = from;
        stand.session = Some(session.clone());
        let session = match from < self.blob.size {
            true => self.send_rest(stand, session, from).await?,
            false => session,
        };
        self.complete(stand, session).await
    }

    async fn ask(&self, method: Method, url: Url, content: Content) -> Result<Response, Failure> {
        ask(&self.shared, &self.source, method, url, content).await
    }

    async fn begin(&self) -> Result<Url, Failure> {
        let url = self.source.url("blobs/uploads/").map_err(Failure::lasting)?;
        let response = self.ask(Method::POST, url.clone(), Content::Empty).await?;
        match response.status() {
            StatusCode::ACCEPTED => location(&response, &url, self.source.trust),
            status if status.is_success() => Err(Failure::lasting(Error::new(
                Kind::Network,
                format!("`{}` does not begin an upload: it answers {status}", authority(&url)),
            ))),
            _ => Err(failure::of_status(response).await),
        }
    }

    /// The session as it stands, if it still does.
    async fn resume(&self, session: &Url) -> Option<(Url, u64)> {
        let response = self.ask(Method::GET, session.clone(), Content::None).await.ok()?;
        if !response.status().is_success() {
            return None;
        }
        let next = match response.headers().contains_key(LOCATION) {
            true => location(&response, session, self.source.trust).ok()?,
            false => session.clone(),
        };
        let arrived = arrived(&response).unwrap_or(0);
        (arrived <= self.blob.size).then_some((next, arrived))
    }

    async fn send_rest(&self, stand: &mut Stand, session: Url, from: u64) -> Result<Url, Failure> {
        let piece = Piece { from, ..self.piece.clone() };
        let response = self.ask(Method::PATCH, session.clone(), Content::Piece(piece)).await?;
        if !response.status().is_success() {
            return Err(self.refused(stand, response).await);
        }
        let next = match response.headers().contains_key(LOCATION) {
            true => location(&response, &session, self.source.trust)?,
            false => session,
        };
        stand.session = Some(next.clone());
        Ok(next)
    }

    async fn complete(&self, stand: &mut Stand, mut session: Url) -> Result<(), Failure> {
        session.query_pairs_mut().append_pair("digest", self.blob.digest.as_str());
        // Without content, but watched like the rest: the registry may have to copy all of it.
        let piece = Piece { from: self.blob.size, ..self.piece.clone() };
        let response = self.ask(Method::PUT, session, Content::Piece(piece)).await?;
        match response.status().is_success() {
            true => expect_success(response, &self.blob.digest).await,
            false => Err(self.refused(stand, response).await),
        }
    }

    /// What a refusal within a session means: one that is gone or stands elsewhere is no reason to give up.
    async fn refused(&self, stand: &mut Stand, response: Response) -> Failure {
        let status = response.status();
        let failure = failure::of_status(response).await;
        match status {
            StatusCode::NOT_FOUND => {
                stand.session = None;
                Failure::passing(failure.error)
            }
            StatusCode::RANGE_NOT_SATISFIABLE => Failure::passing(failure.error),
            _ => failure,
        }
    }
}
