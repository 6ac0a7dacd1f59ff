//! Requests that read, and what all requests go through: who asks, what for, and what became of it.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_RANGES, AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HOST, HeaderName, HeaderValue, LINK,
    ORIGIN, RANGE, WWW_AUTHENTICATE,
};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use serde_json::json;

use super::access::CHALLENGE;
use super::body::Answer;
use super::outcome::{DIGEST, Outcome, Refusal, value, work};
use super::range::{self, Part};
use super::route::{Query, Repository, Route, Target, route};
use super::{Blob, Shared, push};
use crate::base::{Error, Result, trace};
use crate::oci::{Digest, media};
use crate::registry::transport::is_loopback;

/// Longest page of a list, and the length of one when the client does not say.
const PAGE: usize = 1000;
/// The header that says which protocol this is, docker's.
const VERSION: (HeaderName, HeaderValue) =
    (HeaderName::from_static("docker-distribution-api-version"), HeaderValue::from_static("registry/2.0"));

/// Answers a request. `known`: it comes from a program that may come in, as far as its user counts.
pub async fn answer(shared: Arc<Shared>, request: Request<Incoming>, known: bool) -> Response<Answer> {
    let asked = trace::is_on().then(|| format!("{} {}", request.method(), request.uri()));
    let head = request.method() == Method::HEAD;
    let outcome = match admitted(&shared, request.headers(), known) {
        Ok(()) => dispatch(&shared, request).await,
        Err(refusal) => Err(refusal),
    };
    let mut response = outcome.unwrap_or_else(refused);
    let (name, value) = VERSION;
    response.headers_mut().insert(name, value);
    if response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
    }
    if head {
        let length = hyper::body::Body::size_hint(response.body()).exact();
        if let Some(length) = length.filter(|_| !response.headers().contains_key(CONTENT_LENGTH)) {
            response.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        *response.body_mut() = Answer::Whole(None);
    }
    if let Some(asked) = asked {
        trace::step(|| format!("{asked}: {}", response.status().as_u16()));
    }
    response
}

/// The document of an error.
fn refused(refusal: Refusal) -> Response<Answer> {
    let document = json!({ "errors": [{ "code": refusal.code, "message": refusal.message }] });
    let mut response = Response::new(Answer::of(document.to_string()));
    *response.status_mut() = refusal.status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Whether a request is what a registry's client on this machine sends. The user's browser is a program of the user, too, and
/// pages in it belong to strangers: their requests have an `Origin`, or, when a stranger's name leads to this machine (DNS
/// rebinding), that name as `Host`.
fn is_from_here(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    host.is_some_and(is_loopback) && !headers.contains_key(ORIGIN)
}

fn admitted(shared: &Shared, headers: &HeaderMap, known: bool) -> Result<(), Refusal> {
    if !known {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "DENIED",
            "this registry is for the programs of the user who runs it; started with --auth it is for others, too",
        ));
    }
    if shared.rules.own_programs_only && !is_from_here(headers) {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "DENIED",
            "this registry is reached by its address or as localhost, and not from pages in a browser",
        ));
    }
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    match shared.rules.login.as_ref().is_none_or(|login| login.admits(given)) {
        true => Ok(()),
        false => Err(Refusal::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "user name and password are needed")),
    }
}

async fn dispatch(shared: &Arc<Shared>, request: Request<Incoming>) -> Outcome {
    let invalid = |code| move |error: Error| Refusal::new(StatusCode::BAD_REQUEST, code, error.chain());
    let route = route(request.uri().path()).map_err(invalid("NAME_INVALID"))?;
    let query = Query::parse(request.uri().query().unwrap_or_default()).map_err(invalid("UNSUPPORTED"))?;
    let route = route.ok_or_else(|| Refusal::unknown("NAME_UNKNOWN"))?;
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads && !shared.rules.writable {
        return Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "DENIED",
            "nothing can be pushed or deleted here; whoever runs the registry can allow it with --auth",
        ));
    }
    match route {
        Route::Upload(..) | Route::Uploads(_) => push::upload(shared, route, request, &query).await,
        _ if !reads => push::change(shared, route, request).await,
        Route::Root => Ok(json_page(json!({}))),
        Route::Catalog => {
            let all = work(shared, |shared| shared.content.repositories()).await?;
            Ok(page(all, &query, "/v2/_catalog", |names| json!({ "repositories": names }))?)
        }
        Route::Tags(repository) => {
            let of = repository.clone();
            let tags = work(shared, move |shared| shared.content.tags(&of)).await?;
            let tags = tags.ok_or_else(|| Refusal::unknown("NAME_UNKNOWN"))?;
            let path = format!("/v2/{repository}/tags/list");
            page(tags, &query, &path, |tags| json!({ "name": repository.as_str(), "tags": tags }))
        }
        Route::Manifest(repository, target) => manifest(shared, repository, target).await,
        Route::Blob(repository, digest) => {
            let whole = *request.method() == Method::GET;
            blob(shared, (repository, digest), request.headers(), whole).await
        }
        Route::Referrers(repository, digest) => referrers(shared, repository, digest, &query).await,
    }
}

fn json_page(document: serde_json::Value) -> Response<Answer> {
    let mut response = Response::new(Answer::of(document.to_string()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// One page of a list, with a link to the next (distribution specification, "Listing Tags").
fn page(all: Vec<String>, query: &Query, path: &str, document: impl FnOnce(&[String]) -> serde_json::Value) -> Outcome {
    let count = match query.n.as_deref().map(str::parse::<usize>) {
        None => PAGE,
        Some(Ok(count)) => count.min(PAGE),
        Some(Err(_)) => {
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "PAGINATION_NUMBER_INVALID", "`n` is not a number"));
        }
    };
    let begin = query.last.as_ref().map_or(0, |last| all.partition_point(|name| name <= last));
    let rest = &all[begin..];
    let shown = &rest[..count.min(rest.len())];
    let mut response = json_page(document(shown));
    if let Some(last) = shown.last().filter(|_| shown.len() < rest.len()) {
        // Names have no characters that a query could not have.
        let link = format!("<{path}?n={count}&last={last}>; rel=\"next\"");
        if let Ok(link) = HeaderValue::from_str(&link) {
            response.headers_mut().insert(LINK, link);
        }
    }
    Ok(response)
}

async fn manifest(shared: &Arc<Shared>, repository: Repository, target: Target) -> Outcome {
    let found = work(shared, move |shared| shared.content.manifest(&repository, &target)).await?;
    let document = found.ok_or_else(|| Refusal::unknown("MANIFEST_UNKNOWN"))?;
    let mut response = Response::new(Answer::of(document.bytes));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, value(&document.media_type));
    headers.insert(DIGEST, value(document.digest.as_str()));
    Ok(response)
}

/// `send`: with its content, and not the header alone.
async fn blob(
    shared: &Arc<Shared>,
    (repository, digest): (Repository, Digest),
    headers: &HeaderMap,
    send: bool,
) -> Outcome {
    let wanted = digest.clone();
    let found = work(shared, move |shared| shared.blob(&repository, &wanted)).await?;
    let Blob { size, write } = found.ok_or_else(|| Refusal::unknown("BLOB_UNKNOWN"))?;
    let range = headers.get(RANGE).and_then(|range| range.to_str().ok());
    let (status, offset, length) = match range::part(range, size) {
        Part::Whole => (StatusCode::OK, 0, size),
        Part::Of { offset, length } => (StatusCode::PARTIAL_CONTENT, offset, length),
        Part::Beyond => {
            let message = format!("the blob has {size} bytes");
            return Err(Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, "RANGE_INVALID", message));
        }
    };
    let (answer, mut pieces) = Answer::stream();
    let mut response = Response::new(answer);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_LENGTH, length.into());
    headers.insert(DIGEST, value(digest.as_str()));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if status == StatusCode::PARTIAL_CONTENT {
        headers.insert(CONTENT_RANGE, value(&format!("bytes {offset}-{}/{size}", offset + length - 1)));
    }
    if !send {
        return Ok(response);
    }
    tokio::task::spawn_blocking(move || {
        let written = write(offset, length, &mut pieces);
        match written {
            Ok(()) => drop(pieces.finish()),
            Err(error) => trace::step(|| format!("the blob {} was not sent: {}", digest.short(), error.chain())),
        }
    });
    Ok(response)
}

impl Shared {
    /// A blob of a repository, or a complete upload.
    pub(super) fn blob(&self, repository: &Repository, digest: &Digest) -> Result<Option<Blob>> {
        if let Some((file, size)) = self.uploads.complete(repository, digest) {
            return Ok(Some(super::push::of_file(file, size)));
        }
        if let Some(blob) = self.content.blob(repository, digest)? {
            return Ok(Some(blob));
        }
        match self.uploads.mounted(repository, digest) {
            Some(from) => self.content.blob(&from, digest),
            None => Ok(None),
        }
    }
}

async fn referrers(shared: &Arc<Shared>, repository: Repository, digest: Digest, query: &Query) -> Outcome {
    let mut all = work(shared, move |shared| shared.content.referrers(&repository, &digest)).await?;
    let wanted = query.artifact_type.as_deref();
    if let Some(wanted) = wanted {
        all.retain(|one| one.get("artifactType").and_then(serde_json::Value::as_str) == Some(wanted));
    }
    let index = json!({ "schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": all });
    let mut response = json_page(index);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media::OCI_INDEX));
    if wanted.is_some() {
        let name = HeaderName::from_static("oci-filters-applied");
        response.headers_mut().insert(name, HeaderValue::from_static("artifactType"));
    }
    Ok(response)
}
