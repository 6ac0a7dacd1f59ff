//! Where blobs are known to be: in the repositories that the store's images came from or went to.
//!
//! Nothing is recorded for this. An image's digest names (docker's RepoDigests) say which repositories have it, and its
//! manifest says which blobs that means. So a base image that was pulled once tells where the layers of everything that is
//! built on it can be had. It is a hint, no promise: whoever uses it asks the registry.

use std::collections::HashMap;

use crate::oci::{Digest, Parsed, Reference, parse_manifest};
use crate::store::{ListedImage, Store};

/// Most repositories that are remembered for one blob.
const PLACES_MAX: usize = 8;

/// Repositories by the digest of the blob. References have a digest.
pub type Places = HashMap<Digest, Vec<Reference>>;

/// The places of all blobs of the layers in `wanted`.
pub fn places(store: &Store, images: &[ListedImage], wanted: &[Digest]) -> Places {
    let mut places = Places::new();
    for image in images {
        let shared = image.record.layers.iter().any(|layer| wanted.contains(layer));
        if image.digests.is_empty() || !shared {
            continue;
        }
        // A damaged image tells nothing.
        let Ok(bytes) = store.image_manifest_bytes(&image.record) else { continue };
        let Ok(Parsed::Manifest(manifest)) = parse_manifest(&bytes, Some(&image.record.manifest_media_type)) else {
            continue;
        };
        for (blob, _) in manifest.layers.iter().zip(&image.record.layers).filter(|(_, layer)| wanted.contains(layer)) {
            let known = places.entry(blob.digest.clone()).or_default();
            for reference in &image.digests {
                if known.len() < PLACES_MAX && known.iter().all(|other| other.name() != reference.name()) {
                    known.push(reference.clone());
                }
            }
        }
    }
    places
}
