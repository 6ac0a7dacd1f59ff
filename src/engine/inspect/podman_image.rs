//! An image in the shape of `podman image inspect`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::image::{self, Found, GraphDriver, RootFs};
use super::podman::bare;
use crate::base::Result;
use crate::engine::Engine;
use crate::oci::config::{Defaults, HealthCheck, History};

/// An image as `podman image inspect` shows it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PodmanImage {
    id: String,
    digest: String,
    repo_tags: Vec<String>,
    repo_digests: Vec<String>,
    parent: &'static str,
    comment: String,
    created: String,
    config: Config,
    version: &'static str,
    author: String,
    architecture: String,
    os: String,
    size: u64,
    virtual_size: u64,
    graph_driver: GraphDriver,
    #[serde(rename = "RootFS")]
    root_fs: RootFs,
    labels: Option<BTreeMap<String, String>>,
    annotations: BTreeMap<String, String>,
    manifest_type: String,
    user: String,
    history: Vec<History>,
    names_history: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    healthcheck: Option<HealthCheck>,
}

/// The image's defaults, without those that it does not have.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    #[serde(skip_serializing_if = "String::is_empty")]
    user: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    exposed_ports: BTreeMap<String, Empty>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    env: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entrypoint: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cmd: Option<Vec<String>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    volumes: BTreeMap<String, Empty>,
    #[serde(skip_serializing_if = "String::is_empty")]
    working_dir: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_signal: Option<String>,
}

/// `{}`.
#[derive(Debug, Clone, Serialize)]
struct Empty {}

/// Looks up the image `name`.
pub fn image(engine: &Engine, name: &str) -> Result<PodmanImage> {
    Ok(report(image::look_up(engine, name)?))
}

/// The report, from what is known of the image. Pure.
fn report(found: Found) -> PodmanImage {
    let Found { record, names, config, report: docker } = found;
    let tags: Vec<String> = names.references.iter().map(ToString::to_string).collect();
    PodmanImage {
        id: bare(&docker.id),
        digest: record.manifest.to_string(),
        repo_digests: names.digests.iter().map(ToString::to_string).collect(),
        parent: "",
        comment: docker.comment,
        created: docker.created,
        version: "",
        author: docker.author,
        architecture: docker.architecture,
        os: docker.os,
        size: docker.size,
        virtual_size: docker.size,
        graph_driver: docker.graph_driver,
        root_fs: docker.root_fs,
        labels: docker.config.labels,
        annotations: BTreeMap::new(),
        manifest_type: record.manifest_media_type,
        user: config.config.user.clone(),
        names_history: tags.clone(),
        repo_tags: tags,
        healthcheck: config.config.healthcheck.clone(),
        config: defaults(config.config),
        history: config.history,
    }
}

fn defaults(config: Defaults) -> Config {
    let set = |keys: std::collections::BTreeSet<String>| keys.into_iter().map(|key| (key, Empty {})).collect();
    Config {
        user: config.user,
        exposed_ports: set(config.exposed_ports),
        env: config.env,
        entrypoint: config.entrypoint,
        cmd: config.cmd,
        volumes: set(config.volumes),
        working_dir: config.working_dir,
        labels: config.labels,
        stop_signal: config.stop_signal,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::engine::fixtures;

    #[test]
    fn names_and_values_are_podmans() {
        let (engine, _scratch) = fixtures::engine();
        let record = fixtures::image(&engine, "x", &["busybox"]);
        let value = serde_json::to_value(super::image(&engine, "busybox").unwrap()).unwrap();
        let id = record.id.to_string();
        for (pointer, expected) in [
            ("/Id", json!(id.strip_prefix("sha256:").unwrap())),
            ("/Digest", json!(record.manifest.to_string())),
            ("/RepoTags", json!(["docker.io/library/busybox:latest"])),
            ("/NamesHistory", json!(["docker.io/library/busybox:latest"])),
            ("/Labels", json!({"name": "x"})),
            ("/Config", json!({"Cmd": ["sh"], "Labels": {"name": "x"}})),
            ("/History/0/created_by", json!("x")),
            ("/User", json!("")),
        ] {
            assert_eq!(value.pointer(pointer), Some(&expected), "{pointer}");
        }
    }
}
