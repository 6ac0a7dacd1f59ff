//! Requests that write: uploads, manifests, deletions.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RANGE};
use hyper::{Method, Request, Response, StatusCode};

use super::body::Answer;
use super::outcome::{DIGEST, Outcome, Refusal, value, work};
use super::range;
use super::route::{Query, Repository, Route, Target};
use super::uploads::{OfRepository, Writing};
use super::{Blob, Limits, Sent, Shared};
use crate::base::{Error, Result, ResultExt};
use crate::oci::Digest;
use crate::oci::manifest::MANIFEST_MAX;

/// docker's header with the id of an upload.
const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");
/// The header that says that a manifest's subject was noted.
const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

/// A request about an upload.
pub async fn upload(shared: &Arc<Shared>, route: Route, request: Request<Incoming>, query: &Query) -> Outcome {
    let method = request.method().clone();
    match route {
        Route::Uploads(repository) if method == Method::POST => begin(shared, repository, request, query).await,
        Route::Upload(repository, id) => match method {
            Method::GET => match shared.uploads.length(&repository, &id) {
                Some(length) => Ok(progress(StatusCode::NO_CONTENT, &repository, &id, length)),
                None => Err(unknown_upload()),
            },
            Method::PATCH => {
                let length = receive(shared, &repository, &id, request).await?.1;
                Ok(progress(StatusCode::ACCEPTED, &repository, &id, length))
            }
            Method::PUT => finish(shared, repository, &id, request, query.digest.as_deref()).await,
            Method::DELETE if shared.uploads.cancel(&repository, &id) => Ok(empty(StatusCode::NO_CONTENT)),
            Method::DELETE => Err(unknown_upload()),
            _ => Err(Refusal::unsupported()),
        },
        _ => Err(Refusal::unsupported()),
    }
}

fn unknown_upload() -> Refusal {
    Refusal::unknown("BLOB_UPLOAD_UNKNOWN")
}

fn empty(status: StatusCode) -> Response<Answer> {
    let mut response = Response::new(Answer::Whole(None));
    *response.status_mut() = status;
    response
}

/// Where an upload is and how far it has come.
fn progress(status: StatusCode, repository: &Repository, id: &str, length: u64) -> Response<Answer> {
    let mut response = empty(status);
    let headers = response.headers_mut();
    headers.insert(LOCATION, value(&format!("/v2/{repository}/blobs/uploads/{id}")));
    // An empty range cannot be written; docker's registry writes this as well.
    headers.insert(RANGE, value(&format!("0-{}", length.saturating_sub(1))));
    headers.insert(UPLOAD_ID, value(id));
    response
}

/// A blob that is there now.
fn created(repository: &Repository, digest: &Digest) -> Response<Answer> {
    let mut response = empty(StatusCode::CREATED);
    response.headers_mut().insert(LOCATION, value(&format!("/v2/{repository}/blobs/{digest}")));
    response.headers_mut().insert(DIGEST, value(digest.as_str()));
    response
}

fn digest(given: Option<&str>) -> Result<Digest, Refusal> {
    let invalid = |message: String| Refusal::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message);
    let given = given.ok_or_else(|| invalid("the digest of the blob is missing".into()))?;
    given.parse().map_err(|error: Error| invalid(error.chain()))
}

async fn begin(shared: &Arc<Shared>, repository: Repository, request: Request<Incoming>, query: &Query) -> Outcome {
    if let (Some(blob), Some(from)) = (&query.mount, &query.from) {
        let blob = digest(Some(blob))?;
        let invalid = |error: Error| Refusal::new(StatusCode::BAD_REQUEST, "NAME_INVALID", error.chain());
        let from = Repository::parse(from).map_err(invalid)?;
        let (wanted, place) = (blob.clone(), from.clone());
        if work(shared, move |shared| shared.content.blob(&place, &wanted)).await?.is_some() {
            shared.uploads.mount(&repository, &blob, &from);
            return Ok(created(&repository, &blob));
        }
    }
    let id = shared.uploads.begin(&repository).map_err(busy)?;
    match query.digest.as_deref() {
        Some(given) => {
            let given = given.to_owned();
            let done = finish(shared, repository.clone(), &id, request, Some(&given)).await;
            if done.is_err() {
                shared.uploads.cancel(&repository, &id);
            }
            done
        }
        None => Ok(progress(StatusCode::ACCEPTED, &repository, &id, 0)),
    }
}

fn busy(error: Error) -> Refusal {
    match error.kind() {
        crate::base::Kind::Conflict => {
            Refusal::new(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", error.message().to_owned())
        }
        _ => error.into(),
    }
}

/// Takes the content of a request into an upload. Gives the upload and how long it is now.
async fn receive(
    shared: &Arc<Shared>,
    repository: &Repository,
    id: &str,
    request: Request<Incoming>,
) -> Result<(Arc<Writing>, u64), Refusal> {
    let writing = shared.uploads.write(repository, id)?.ok_or_else(unknown_upload)?;
    let writing = Arc::new(writing);
    let length = shared.uploads.length(repository, id).unwrap_or_default();
    if let Some(given) = request.headers().get(CONTENT_RANGE) {
        let chunk = given.to_str().ok().and_then(range::chunk);
        if chunk.is_none_or(|(first, _)| first != length) {
            let message = format!("the upload goes on at byte {length}");
            return Err(Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID", message));
        }
    }
    let mut incoming = Paced::new(request.into_body(), &shared.rules.limits);
    while let Some(bytes) = incoming.next().await? {
        let writing = writing.clone();
        let appended = work(shared, move |shared| shared.uploads.append(&writing, &bytes)).await;
        appended.map_err(|refusal| match refusal.status {
            StatusCode::FORBIDDEN => Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID", refusal.message),
            _ => refusal,
        })?;
    }
    Ok((writing, shared.uploads.length(repository, id).unwrap_or_default()))
}

async fn finish(
    shared: &Arc<Shared>,
    repository: Repository,
    id: &str,
    request: Request<Incoming>,
    given: Option<&str>,
) -> Outcome {
    let digest = digest(given)?;
    let (writing, _) = receive(shared, &repository, id, request).await?;
    // What was appended is done, so that nobody else has it.
    let writing = Arc::into_inner(writing).ok_or_else(|| Error::system("an upload is still written to"))?;
    let (id, expected) = (id.to_owned(), digest.clone());
    let finished = work(shared, move |shared| shared.uploads.finish(&id, writing, &expected)).await;
    match finished {
        Ok(()) => Ok(created(&repository, &digest)),
        Err(refusal) if refusal.status == StatusCode::BAD_REQUEST => Err(Refusal { code: "DIGEST_INVALID", ..refusal }),
        Err(refusal) => Err(refusal),
    }
}

/// A request that changes something else than an upload.
pub async fn change(shared: &Arc<Shared>, route: Route, request: Request<Incoming>) -> Outcome {
    match (request.method().clone(), route) {
        (Method::PUT, Route::Manifest(repository, target)) => put_manifest(shared, repository, target, request).await,
        (Method::DELETE, Route::Manifest(repository, target)) => {
            let remove = move |shared: &Shared| shared.content.remove_manifest(&repository, &target);
            match work(shared, remove).await? {
                true => Ok(empty(StatusCode::ACCEPTED)),
                false => Err(Refusal::unknown("MANIFEST_UNKNOWN")),
            }
        }
        (Method::DELETE, Route::Blob(repository, digest)) => {
            if shared.uploads.forget(&repository, |uploaded| *uploaded == digest) {
                return Ok(empty(StatusCode::ACCEPTED));
            }
            let of = repository.clone();
            match work(shared, move |shared| shared.content.blob(&of, &digest)).await?.is_some() {
                true => Err(Refusal::new(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "UNSUPPORTED",
                    "a blob goes with the last manifest that refers to it",
                )),
                false => Err(Refusal::unknown("BLOB_UNKNOWN")),
            }
        }
        _ => Err(Refusal::unsupported()),
    }
}

async fn put_manifest(
    shared: &Arc<Shared>,
    repository: Repository,
    target: Target,
    request: Request<Incoming>,
) -> Outcome {
    let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut incoming = Paced::new(request.into_body(), &shared.rules.limits);
    let mut bytes = Vec::new();
    while let Some(piece) = incoming.next().await? {
        if bytes.len() + piece.len() > MANIFEST_MAX {
            let message = "a manifest has at most 4 MiB";
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "MANIFEST_INVALID", message));
        }
        bytes.extend_from_slice(&piece);
    }
    let of = repository.clone();
    let (digest, subject) = work(shared, move |shared| {
        let sent = Sent { repository: &of, target: &target, media_type: media_type.as_deref(), bytes: &bytes };
        let digest = shared.content.put_manifest(&sent, &OfRepository(&shared.uploads, &of))?;
        let text = String::from_utf8_lossy(&bytes);
        shared.uploads.forget(&of, |uploaded| text.contains(uploaded.as_str()));
        Ok((digest, subject_of(&bytes)))
    })
    .await
    .map_err(|refusal| match refusal.status {
        StatusCode::NOT_FOUND => Refusal { status: StatusCode::BAD_REQUEST, ..refusal },
        _ => refusal,
    })?;
    let mut response = empty(StatusCode::CREATED);
    let headers = response.headers_mut();
    headers.insert(LOCATION, value(&format!("/v2/{repository}/manifests/{digest}")));
    headers.insert(DIGEST, value(digest.as_str()));
    if let Some(subject) = subject.as_ref().and_then(|subject| HeaderValue::from_str(subject.as_str()).ok()) {
        headers.insert(SUBJECT, subject);
    }
    Ok(response)
}

/// The digest of the subject of a manifest that is known to be one.
pub fn subject_of(bytes: &[u8]) -> Option<Digest> {
    #[derive(serde::Deserialize)]
    struct Manifest {
        subject: Option<Subject>,
    }
    #[derive(serde::Deserialize)]
    struct Subject {
        digest: Digest,
    }
    serde_json::from_slice::<Manifest>(bytes).ok()?.subject.map(|subject| subject.digest)
}

/// The content of a request, which must come at a certain pace. Only time in which the client lets us wait counts.
struct Paced {
    body: Incoming,
    window: Duration,
    least: u64,
    waited: Duration,
    came: u64,
}

impl Paced {
    fn new(body: Incoming, limits: &Limits) -> Self {
        Self { body, window: limits.window, least: limits.least, waited: Duration::ZERO, came: 0 }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        loop {
            let begin = Instant::now();
            let body = &mut self.body;
            let frame = std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context));
            let frame = tokio::time::timeout(self.window.saturating_sub(self.waited), frame).await;
            self.waited += begin.elapsed();
            if self.waited >= self.window {
                if self.came < self.least {
                    let message = "the content comes too slowly";
                    return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "UNKNOWN", message));
                }
                (self.waited, self.came) = (Duration::ZERO, 0);
            }
            let Ok(frame) = frame else { continue };
            match frame {
                None => return Ok(None),
                Some(Err(_)) => {
                    let message = "the content broke off";
                    return Err(Refusal::new(StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID", message));
                }
                Some(Ok(frame)) => {
                    // Trailers are nothing to us.
                    if let Ok(bytes) = frame.into_data() {
                        self.came += bytes.len() as u64;
                        return Ok(Some(bytes));
                    }
                }
            }
        }
    }
}

/// A blob that lies in a file.
pub fn of_file(file: Arc<File>, size: u64) -> Blob {
    let write = move |offset: u64, length: u64, out: &mut dyn Write| {
        copy_range(&file, offset, length, out).context(|| "cannot send a blob")
    };
    Blob { size, write: Box::new(write) }
}

/// Writes a part of a file, which others may read at the same time.
fn copy_range(file: &File, mut offset: u64, mut length: u64, out: &mut dyn Write) -> io::Result<()> {
    let mut buffer = vec![0; 128 << 10];
    while length > 0 {
        let most = buffer.len().min(usize::try_from(length).unwrap_or(usize::MAX));
        let count = file.read_at(&mut buffer[..most], offset)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        out.write_all(&buffer[..count])?;
        offset += count as u64;
        length -= count as u64;
    }
    Ok(())
}

impl Blob {
    /// Of a file.
    pub fn of_file(file: File, size: u64) -> Self {
        of_file(Arc::new(file), size)
    }
}
