//! Signs an image in a registry: adds a signature to those that it has there.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::payload::Payload;
use super::{PAYLOAD, PrivateKey, SIGNATURE, tag_of};
use crate::base::publish::nameless;
use crate::base::{Error, Kind, Result, ResultExt};
use crate::oci::{Descriptor, Digest, Reference, media};
use crate::registry::{Client, Destination};

/// Most signatures that an image may have before another is added.
const SIGNATURES_MAX: usize = 60;

/// Signs the manifest `digest`, which was pushed as `reference` to the place `to`. `spool` is a directory for files on their
/// way.
pub fn sign(
    client: &Client,
    (to, reference): (&Destination, &Reference),
    digest: &Digest,
    key: &PrivateKey,
    spool: &Path,
) -> Result<()> {
    let payload = Payload::write(digest, reference, jiff::Timestamp::now().as_second())?;
    let signature = STANDARD.encode(key.sign(&payload)?);
    let tag = tag_of(digest);
    let mut layers = match client.document(&reference.with_tag(&tag)?) {
        Ok(document) => layers_of(&document.bytes)?,
        Err(error) if error.kind() == Kind::NotFound => Vec::new(),
        Err(error) => return Err(error).context(|| "cannot fetch the signatures that the image has"),
    };
    layers.push(json!({
        "mediaType": PAYLOAD,
        "size": payload.len(),
        "digest": Digest::sha256(&payload).as_str(),
        "annotations": { SIGNATURE: signature },
    }));
    // What an image of these layers would have: that is how cosign's signatures look to a registry.
    let diff_ids: Vec<&Value> = layers.iter().filter_map(|layer| layer.get("digest")).collect();
    let config = json!({
        "architecture": "", "os": "", "config": {}, "rootfs": { "type": "layers", "diff_ids": diff_ids },
    })
    .to_string();
    let config_digest = Digest::sha256(config.as_bytes());
    upload(client, to, PAYLOAD, &payload, spool)?;
    upload(client, to, media::OCI_CONFIG, config.as_bytes(), spool)?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media::OCI_MANIFEST,
        "config": { "mediaType": media::OCI_CONFIG, "size": config.len(), "digest": config_digest.as_str() },
        "layers": layers,
    });
    client.put_manifest(to, &tag, media::OCI_MANIFEST, manifest.to_string().as_bytes()).map(drop)
}

/// The signatures that there are, as they stand in the manifest.
fn layers_of(manifest: &[u8]) -> Result<Vec<Value>> {
    let document: Value = serde_json::from_slice(manifest).context(|| "the image's signatures are damaged")?;
    let layers = document.get("layers").and_then(Value::as_array).cloned().unwrap_or_default();
    match layers.len() > SIGNATURES_MAX {
        true => Err(Error::invalid(format!("the image has more than {SIGNATURES_MAX} signatures"))),
        false => Ok(layers),
    }
}

fn upload(client: &Client, to: &Destination, media_type: &str, bytes: &[u8], spool: &Path) -> Result<()> {
    let blob = Descriptor {
        media_type: media_type.to_owned(),
        digest: Digest::sha256(bytes),
        size: bytes.len() as u64,
        platform: None,
        annotations: Default::default(),
    };
    if client.has_blob(to, &blob)? {
        return Ok(());
    }
    let mut file: File = nameless(spool)?;
    file.write_all(bytes).at(spool, "cannot write in")?;
    client.upload(to, &blob, file, |_| true)
}
