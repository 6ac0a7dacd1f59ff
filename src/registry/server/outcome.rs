//! What becomes of a request: an answer, or a refusal in the specification's form.

use std::sync::Arc;

use hyper::header::{HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use super::Shared;
use super::body::Answer;
use crate::base::{Error, Kind, Result, trace};

/// The header with a digest, docker's.
pub const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// Why a request is not done, as the specification says it ("Error Codes").
#[derive(Debug)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// The code of the error.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

impl Refusal {
    /// One of these.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// Something that is not here. `code` names its kind.
    pub fn unknown(code: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, "there is no such thing here")
    }

    /// A request that nothing here answers.
    pub fn unsupported() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "this cannot be done here")
    }
}

/// Failures of this machine are the user's to know; those of the request are told.
impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let (status, code) = match error.kind() {
            Kind::NotFound => (StatusCode::NOT_FOUND, "MANIFEST_BLOB_UNKNOWN"),
            Kind::Usage | Kind::Invalid => (StatusCode::BAD_REQUEST, "MANIFEST_INVALID"),
            Kind::Unsupported => (StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED"),
            Kind::Conflict => (StatusCode::CONFLICT, "UNKNOWN"),
            Kind::Denied => (StatusCode::FORBIDDEN, "DENIED"),
            Kind::Network => (StatusCode::BAD_GATEWAY, "UNKNOWN"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN"),
        };
        let message = match status {
            StatusCode::INTERNAL_SERVER_ERROR => {
                trace::step(|| format!("a request failed: {}", error.chain()));
                "the registry failed; whoever runs it sees why with --debug".to_owned()
            }
            _ => error.chain(),
        };
        Self::new(status, code, message)
    }
}

/// What a request comes to.
pub type Outcome = Result<Response<Answer>, Refusal>;

/// A digest or media type as the value of a header.
pub fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"))
}

/// Does something that may take long, in a thread beside.
pub async fn work<T: Send + 'static>(
    shared: &Arc<Shared>,
    work: impl FnOnce(&Shared) -> Result<T> + Send + 'static,
) -> Result<T, Refusal> {
    let shared = shared.clone();
    match tokio::task::spawn_blocking(move || work(&shared)).await {
        Ok(done) => done.map_err(Refusal::from),
        Err(_) => Err(Refusal::from(Error::system("a thread of the registry has failed"))),
    }
}
