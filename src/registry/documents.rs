//! Manifests and indexes as they are, for whoever shows them or puts them into another index.

use super::client::{Client, Source, last_of};
use crate::base::{Error, Result};
use crate::oci::{Digest, Parsed, Platform, Reference};

/// A manifest or index as it came.
#[derive(Debug, Clone)]
pub struct RemoteDocument {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The digest of these.
    pub digest: Digest,
    /// What they say.
    pub parsed: Parsed,
}

impl Client {
    /// What the registry has under a reference, without a choice among platforms.
    pub fn document(&self, reference: &Reference) -> Result<RemoteDocument> {
        let (shared, wanted) = (self.shared(), reference.clone());
        self.run(async move {
            let mut failed = Vec::new();
            for endpoint in shared.registries.endpoints(&wanted)? {
                let found = match shared.source(endpoint).await {
                    Ok(source) => shared.manifest(&source, &wanted).await,
                    Err(error) => Err(error),
                };
                match found {
                    Ok(document) => {
                        return Ok(RemoteDocument {
                            bytes: document.bytes,
                            digest: document.digest,
                            parsed: document.parsed,
                        });
                    }
                    Err(error) => failed.push(error),
                }
            }
            Err(last_of(failed))
        })?
    }

    /// What an image was built for, as its configuration says; none for something that is no image.
    pub fn platform_of(&self, reference: &Reference, document: &RemoteDocument) -> Result<Option<Platform>> {
        let Parsed::Manifest(manifest) = document.parsed.clone() else { return Ok(None) };
        let (shared, wanted) = (self.shared(), reference.clone());
        self.run(async move {
            let mut sources: Vec<Source> = Vec::new();
            for endpoint in shared.registries.endpoints(&wanted)? {
                sources.extend(shared.source(endpoint).await.ok());
            }
            match sources.is_empty() {
                true => Err(Error::system("no registry could be reached")),
                false => shared.platform_of(&sources, &manifest).await,
            }
        })?
    }
}
