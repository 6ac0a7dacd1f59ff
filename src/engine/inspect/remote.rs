//! An image that is in a registry, in the shape of `skopeo inspect`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::base::{Result, ResultExt};
use crate::engine::Engine;
use crate::oci::{ImageConfig, Platform, Reference, manifest::MANIFEST_MAX};
use crate::registry::Client;

/// How the name of an image in a registry begins.
pub const SCHEME: &str = "docker://";

/// An image of a registry.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct RemoteReport {
    name: String,
    digest: String,
    repo_tags: Vec<String>,
    created: String,
    docker_version: &'static str,
    labels: Option<BTreeMap<String, String>>,
    architecture: String,
    os: String,
    layers: Vec<String>,
    layers_data: Vec<LayerData>,
    env: Vec<String>,
}

/// A layer as the manifest tells of it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct LayerData {
    #[serde(rename = "MIMEType")]
    mime_type: String,
    digest: String,
    /// Bytes.
    size: u64,
    annotations: Option<BTreeMap<String, String>>,
}

/// Asks the registry about the image `name` for `platform`, or for this machine's. A registry that does not list its tags
/// is believed to have none.
pub fn remote(engine: &Engine, name: &str, platform: Option<&Platform>) -> Result<RemoteReport> {
    let reference: Reference = name.strip_prefix(SCHEME).unwrap_or(name).parse()?;
    let failed = || format!("cannot read the image `{}`", reference.familiar());
    let client = Client::new(engine.registry.clone())?;
    let host = Platform::host();
    let image = client.resolve(&reference, platform.unwrap_or(&host)).context(failed)?;
    let config = client.small_blob(&image, &image.manifest.config, MANIFEST_MAX).context(failed)?;
    let config = ImageConfig::parse(&config).context(failed)?;
    let some = |map: BTreeMap<String, String>| Some(map).filter(|map| !map.is_empty());
    let layers = image.manifest.layers.iter().map(|layer| LayerData {
        mime_type: layer.media_type.clone(),
        digest: layer.digest.to_string(),
        size: layer.size,
        annotations: some(layer.annotations.clone()),
    });
    let platform = config.platform();
    Ok(RemoteReport {
        name: reference.name(),
        digest: image.digest.to_string(),
        repo_tags: client.tags(&reference).unwrap_or_default(),
        created: config.created.clone().unwrap_or_default(),
        docker_version: "",
        labels: some(config.config.labels.clone()),
        architecture: platform.architecture,
        os: platform.os,
        layers: image.manifest.layers.iter().map(|layer| layer.digest.to_string()).collect(),
        layers_data: layers.collect(),
        env: config.config.env.clone(),
    })
}
