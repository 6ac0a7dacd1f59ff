//! A registry: the server's side of the OCI distribution specification 1.1, over HTTP/1.1 with or without TLS.
//!
//! [`serve`] accepts connections and answers for a [`Content`], which knows what there is. The protocol is here: routes,
//! pages, ranges, uploads, authentication and error documents. Clients are strangers:
//!
//! * At most [`CONNECTIONS_MAX`] connections, and [`PER_ADDRESS_MAX`] from one address that is not this machine's. More
//!   wait in the kernel's queue.
//! * A request's header has some 100 KiB at most and arrives within [`Limits::header`]; a manifest has at most 4 MiB. Content
//!   that is sent or taken slower than [`Limits::least`] bytes in [`Limits::window`] ends the connection.
//! * Uploads lie in files without a name, so that nothing is left of them when the server ends. Their number, size and age
//!   are bounded, see [`uploads`].
//! * Names reach the content only as a [`Repository`], a tag or a [`Digest`], all of which are safe as parts of paths.
//! * A registry for the user's own programs answers no pages in the user's browser.
//! * Errors of this machine are told to the user (`--debug`) and not to clients, because paths are in them.
//!
//! Work that reads or writes files is done in threads beside the one that speaks HTTP.

mod access;
mod body;
mod certificate;
mod connection;
mod handler;
mod outcome;
mod peer;
mod push;
mod range;
mod route;
mod uploads;

#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::base::Result;
use crate::oci::Digest;

pub use access::Login;
pub use certificate::{Certificate, Identity};
pub use connection::{Listening, serve};
pub use peer::PeerTables;
pub use push::subject_of;
pub use route::{Repository, Target};
pub use uploads::Uploaded;

/// Most connections at a time.
const CONNECTIONS_MAX: usize = 128;
/// Most of them from one address that is not this machine's.
const PER_ADDRESS_MAX: usize = 32;

/// What a registry has. Calls may take long and come from several threads at once.
pub trait Content: Send + Sync + 'static {
    /// All repositories that can be seen, in order of the alphabet.
    fn repositories(&self) -> Result<Vec<String>>;
    /// The tags of a repository, in order of the alphabet. None: there is no such repository.
    fn tags(&self, repository: &Repository) -> Result<Option<Vec<String>>>;
    /// A manifest or index.
    fn manifest(&self, repository: &Repository, target: &Target) -> Result<Option<Document>>;
    /// A blob of a repository.
    fn blob(&self, repository: &Repository, digest: &Digest) -> Result<Option<Blob>>;
    /// Descriptors of the manifests whose subject is `digest`.
    fn referrers(&self, repository: &Repository, digest: &Digest) -> Result<Vec<Value>>;
    /// Takes a manifest in. What it refers to must be there, or be among what was uploaded.
    fn put_manifest(&self, sent: &Sent<'_>, uploaded: &dyn Uploaded) -> Result<Digest>;
    /// Removes a manifest, or the name of one. False: there is none.
    fn remove_manifest(&self, repository: &Repository, target: &Target) -> Result<bool>;
}

/// A manifest that a client sends.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    /// Where it belongs.
    pub repository: &'a Repository,
    /// Its tag, or the digest that it must have.
    pub target: &'a Target,
    /// What the client says that it is.
    pub media_type: Option<&'a str>,
    /// The manifest.
    pub bytes: &'a [u8],
}

/// A manifest or index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its media type.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Writes `length` bytes from byte `offset` on.
pub type WriteRange = Box<dyn FnOnce(u64, u64, &mut dyn Write) -> Result<()> + Send>;

/// A blob that can be sent.
pub struct Blob {
    /// Bytes.
    pub size: u64,
    /// Sends a part of it.
    pub write: WriteRange,
}

/// What is allowed, and to whom.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The user that is let in; anybody when none.
    pub login: Option<Login>,
    /// Whether clients may push and delete.
    pub writable: bool,
    /// Only programs of this machine that belong to this user or to root, by what the kernel says of their sockets.
    pub own_programs_only: bool,
    /// Where uploads lie.
    pub spool: PathBuf,
    /// See [`Limits`].
    pub limits: Limits,
}

/// Bounds that tests make smaller.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For a request's header, and between requests of one connection.
    pub header: Duration,
    /// In which [`Limits::least`] bytes must move while content is on its way.
    pub window: Duration,
    /// In bytes.
    pub least: u64,
    /// Bytes of all uploads that no manifest refers to yet.
    pub uploads: u64,
    /// After which time without a request an unfinished upload is forgotten.
    pub upload_idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header: Duration::from_secs(30),
            window: Duration::from_secs(60),
            least: 16 << 10,
            uploads: 32 << 30,
            upload_idle: Duration::from_secs(900),
        }
    }
}

/// What all connections share.
struct Shared {
    content: Arc<dyn Content>,
    rules: Rules,
    uploads: uploads::Uploads,
}
