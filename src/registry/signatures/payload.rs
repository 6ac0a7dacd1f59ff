//! What is signed: a small JSON document that says which manifest is meant and what it is called ("simple signing", as
//! cosign and podman write it). Pure.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::base::{Error, Result, ResultExt};
use crate::oci::{Digest, Reference};

/// The kind of signatures.
const KIND: &str = "cosign container image signature";

/// What a signature says. Nothing of it counts before the signature is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// The digest of the manifest.
    pub digest: Digest,
    /// The name of the image.
    pub reference: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Document {
    critical: Critical,
    #[serde(default)]
    optional: Value,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Critical {
    identity: Identity,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    #[serde(rename = "docker-reference")]
    reference: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: Digest,
}

impl Payload {
    /// Reads what was signed.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let document: Document = serde_json::from_slice(bytes).context(|| "what was signed is not understood")?;
        match document.critical.kind == KIND {
            true => {
                Ok(Self { digest: document.critical.image.digest, reference: document.critical.identity.reference })
            }
            false => Err(Error::invalid("what was signed is no image")),
        }
    }

    /// What is to be signed for an image.
    pub fn write(digest: &Digest, reference: &Reference, seconds: i64) -> Result<Vec<u8>> {
        let document = Document {
            critical: Critical {
                identity: Identity { reference: reference.to_string() },
                image: Image { digest: digest.clone() },
                kind: KIND.into(),
            },
            optional: json!({ "creator": concat!("coracle/", env!("CARGO_PKG_VERSION")), "timestamp": seconds }),
        };
        serde_json::to_vec(&document).context(|| "cannot write a signature")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let digest = Digest::sha256(b"manifest");
        let reference = "h.io/app:1".parse().unwrap();
        let bytes = Payload::write(&digest, &reference, 7).unwrap();
        let read = Payload::parse(&bytes).unwrap();
        assert_eq!(read, Payload { digest, reference: "h.io/app:1".into() });
        let text = String::from_utf8(bytes).unwrap();
        for (from, to) in [
            ("cosign container", "atomic container"),
            ("\"critical\":", "\"Critical\":"),
            ("\"image\":", "\"extra\":1,\"image\":"),
            ("sha256:", "sha256"),
            ("docker-reference", "reference"),
        ] {
            assert!(Payload::parse(text.replace(from, to).as_bytes()).is_err(), "{from}");
        }
        assert!(Payload::parse(b"").is_err());
    }
}
