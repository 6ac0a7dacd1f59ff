//! Signatures of images, as cosign and podman keep them in registries: under the tag `sha256-<digits>.sig` of the image's
//! repository there is a manifest whose layers are what was signed, each with its signature as an annotation.
//!
//! Registries and whoever writes to them are not trusted: at most [`SIGNATURES_MAX`] signatures of [`PAYLOAD_MAX`] bytes are
//! looked at; one counts when a key of the policy has made it, and it names the digest of the manifest that was fetched and
//! an identity that fits. An index that is signed vouches for the manifests in it, because it names their digests.

mod demand;
mod key;
mod payload;
mod private_key;
mod sign;

use std::collections::HashMap;
use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::client::Client;
use crate::base::{Error, Kind, Result, ResultExt};
use crate::oci::{Digest, Parsed, Reference};

pub use demand::Demand;
use payload::Payload;
pub use private_key::PrivateKey;
pub use sign::sign;

#[cfg(test)]
pub(super) use key::tests::P256 as A_KEY;

/// Most signatures of one image that are looked at.
const SIGNATURES_MAX: usize = 64;
/// Largest thing that was signed, in bytes.
const PAYLOAD_MAX: u64 = 64 << 10;
/// The media type of what was signed.
const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The annotation with the signature.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// A signature as it was found.
#[derive(Debug, Clone)]
struct Found {
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// The tag of the signatures of a manifest.
fn tag_of(digest: &Digest) -> String {
    format!("{}-{}.sig", digest.algorithm().name(), digest.hex())
}

/// Refuses an image that lacks a signature. `asked` is what the user asked for, `digests` are those of the manifest and, if
/// it was chosen from one, of the index.
pub fn verify(client: &Client, demands: &[Demand], asked: &Reference, digests: &[Digest]) -> Result<()> {
    let mut known: HashMap<&Digest, Vec<Found>> = HashMap::new();
    for demand in demands {
        let mut why = Vec::new();
        let mut met = false;
        for digest in digests {
            if !known.contains_key(digest) {
                known.insert(digest, fetch(client, asked, digest)?);
            }
            let found = known.get(digest).map(Vec::as_slice).unwrap_or_default();
            met = met
                || found.iter().any(|one| match one.meets(demand, asked, digest) {
                    Ok(()) => true,
                    Err(error) => {
                        why.push(error.message().to_owned());
                        false
                    }
                });
        }
        if !met {
            why.dedup();
            let name = asked.familiar();
            let error = match why.is_empty() {
                true => {
                    Error::new(Kind::Denied, format!("the policy demands a signature of `{name}`, and it has none"))
                }
                false => Error::new(
                    Kind::Denied,
                    format!(
                        "the policy demands a signature of `{name}`, and none that it has will do: {}",
                        why.join("; ")
                    ),
                ),
            };
            return Err(error.hint("`coracle image trust show --raw` shows the policy"));
        }
    }
    Ok(())
}

impl Found {
    fn meets(&self, demand: &Demand, asked: &Reference, digest: &Digest) -> Result<()> {
        if !demand.keys.iter().any(|key| key.verifies(&self.payload, &self.signature)) {
            return Err(Error::invalid("it is not signed with a key of the policy"));
        }
        let payload = Payload::parse(&self.payload)?;
        if payload.digest != *digest {
            return Err(Error::invalid("the signature is for another manifest"));
        }
        match demand.identity.fits(asked, &payload.reference) {
            true => Ok(()),
            false => {
                Err(Error::invalid(format!("the signature is for `{}`", crate::base::text::clean(&payload.reference))))
            }
        }
    }
}

/// The signatures that a registry has of a manifest.
fn fetch(client: &Client, image: &Reference, digest: &Digest) -> Result<Vec<Found>> {
    let name = image.with_tag(&tag_of(digest))?;
    let document = match client.document(&name) {
        Ok(document) => document,
        Err(error) if error.kind() == Kind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).context(|| "cannot fetch the signatures"),
    };
    let Parsed::Manifest(manifest) = &document.parsed else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    let layers = manifest.layers.iter().filter(|layer| layer.media_type == PAYLOAD && layer.size <= PAYLOAD_MAX);
    for layer in layers.take(SIGNATURES_MAX) {
        let Some(signature) = layer.annotations.get(SIGNATURE).and_then(|text| STANDARD.decode(text).ok()) else {
            continue;
        };
        let mut payload = Vec::new();
        client
            .blob_in(&name, layer)?
            .read_to_end(&mut payload)
            .map_err(|error| {
                error.downcast::<Error>().unwrap_or_else(|error| Error::system("cannot read").caused_by(error))
            })
            .context(|| "cannot fetch a signature")?;
        found.push(Found { payload, signature });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_is_cosigns() {
        let digest = format!("sha256:{}", "a".repeat(64)).parse().unwrap();
        assert_eq!(tag_of(&digest), format!("sha256-{}.sig", "a".repeat(64)));
    }
}
