//! Rank 2: images from and to registries over HTTP(S), after the OCI distribution specification.
//!
//! [`Client`] offers blocking calls: [`Client::resolve`] turns a reference into an image's manifest, [`Client::blob`] gives a
//! verified stream of one blob; [`Client::destination`] and what follows in [`upload`] send images, [`Client::log_in`] checks
//! who the user is. Behind them is async code, on one thread. [`server`] is the other side: a registry.
//!
//! # What is promised
//!
//! * Nothing unverified: manifests and blobs are compared with size and digest wherever one is known.
//! * Nothing unbounded: manifests 4 MiB, tokens 256 KiB, error bodies 64 KiB, some 2 MiB of memory for each blob on its
//!   way; bounded redirects, attempts and waits.
//! * Nothing endless: headers, manifests, tokens and configurations have total deadlines. A blob may take as long as it
//!   takes, but a connection counts as broken when no byte comes for a while, or too few in a longer while.
//! * Credentials go to the registry that they belong to and to the token server that it names, never along a redirect
//!   to another origin, and in clear only where plain HTTP is allowed.
//! * Names are resolved as the machine says, in ten seconds or not at all, see [`resolver`].
//! * Certificates must lead to an anchor of the system or the host, or be one, see [`anchors`].

mod anchors;
mod auth_file;
mod authorizer;
#[cfg(test)]
#[path = "../../tests/support/bad_registry.rs"]
pub(crate) mod bad_registry;
mod blob;
mod challenge;
mod client;
mod content;
mod credential_helper;
pub mod credentials;
mod documents;
mod failure;
#[cfg(test)]
mod faults;
mod listing;
mod login;
mod policy;
mod registries;
mod resolver;
mod scopes;
pub mod server;
pub mod settings;
pub mod short_names;
pub mod signatures;
mod transport;
mod upload;

pub use auth_file::{AuthFile, Erased, Stored, Style, scope_of_server, user_of};
pub use blob::BlobReader;
pub use client::{Client, RemoteImage};
pub use credentials::Credentials;
pub use documents::RemoteDocument;
pub use listing::Match;
pub use policy::{Policy, Rule, Verdict};
pub use registries::Registries;
pub use settings::{Patience, Settings};
pub use transport::is_loopback;
pub use upload::{Destination, Mounted};
