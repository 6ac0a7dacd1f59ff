//! Rank 1: the formats of the OCI image and distribution specifications, and docker's older forms of them. Digests,
//! references, platforms, manifests, indexes and image configurations, as typed values.
//!
//! Everything here is pure: text or bytes in, a value or an error out. Nothing panics on any input; sizes and counts are
//! bounded. Documents are hashed and stored as the bytes that arrived, never as something serialised again from these types.

pub mod config;
pub mod digest;
pub mod document;
pub mod index;
pub mod manifest;
pub mod media;
pub mod platform;
pub mod reference;

pub use config::ImageConfig;
pub use digest::{Digest, DigestHasher};
pub use manifest::{Descriptor, Index, Manifest, Parsed, parse_manifest};
pub use media::Compression;
pub use platform::Platform;
pub use reference::Reference;
