//! An image in the shape of docker's `GET /images/{name}/json` (API 1.48).

use std::collections::BTreeMap;

use serde::Serialize;

use crate::base::time::{self, rfc3339};
use crate::base::{Error, Result, text};
use crate::engine::{Engine, image_name};
use crate::oci::{ImageConfig, Platform, config};
use crate::store::{ImageRecord, Layer, ListedImage};

/// An image as `inspect` shows it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageReport {
    pub(super) id: String,
    pub(super) repo_tags: Vec<String>,
    pub(super) repo_digests: Vec<String>,
    pub(super) parent: &'static str,
    pub(super) comment: String,
    pub(super) created: String,
    pub(super) docker_version: &'static str,
    pub(super) author: String,
    pub(super) config: Config,
    pub(super) architecture: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) variant: Option<String>,
    pub(super) os: String,
    pub(super) size: u64,
    pub(super) graph_driver: GraphDriver,
    #[serde(rename = "RootFS")]
    pub(super) root_fs: RootFs,
    pub(super) metadata: Metadata,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Config {
    pub(super) user: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) exposed_ports: BTreeMap<String, Empty>,
    pub(super) env: Vec<String>,
    pub(super) entrypoint: Option<Vec<String>>,
    pub(super) cmd: Option<Vec<String>>,
    pub(super) volumes: Option<BTreeMap<String, Empty>>,
    pub(super) working_dir: String,
    pub(super) labels: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stop_signal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) healthcheck: Option<config::HealthCheck>,
    pub(super) on_build: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) shell: Vec<String>,
}

/// `{}`.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Empty {}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GraphDriver {
    pub(super) data: GraphData,
    pub(super) name: &'static str,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GraphData {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) lower_dir: String,
    /// Empty: no image is mounted.
    pub(super) merged_dir: &'static str,
    pub(super) upper_dir: String,
    /// Empty, as the one before.
    pub(super) work_dir: &'static str,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RootFs {
    pub(super) r#type: String,
    pub(super) layers: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Metadata {
    pub(super) last_tag_time: &'static str,
}

/// Looks up the image `name`.
pub fn image(engine: &Engine, name: &str) -> Result<ImageReport> {
    look_up(engine, name).map(|found| found.report)
}

/// The manifest of the image `name`, byte for byte.
pub fn manifest(engine: &Engine, name: &str) -> Result<Vec<u8>> {
    let store = engine.store()?;
    let record = image_name::lookup(engine, &store, name)?.ok_or_else(|| absent(name))?;
    store.image_manifest_bytes(&record)
}

/// Fails when the image `name` is for another platform than `wanted`.
pub fn refuse_platform(engine: &Engine, name: &str, wanted: &Platform) -> Result<()> {
    let record = image_name::lookup(engine, &engine.store()?, name)?.ok_or_else(|| absent(name))?;
    match wanted.matches(&record.platform) {
        true => Ok(()),
        false => Err(Error::not_found(format!(
            "the image `{}` is for `{}`, not for `{wanted}`",
            text::clean(name),
            record.platform
        ))),
    }
}

fn absent(name: &str) -> Error {
    Error::not_found(format!("no such image: `{}`", text::clean(name)))
        .hint("`coracle images` lists the images there are")
}

/// An image and what is known of it.
pub(super) struct Found {
    pub(super) record: ImageRecord,
    pub(super) names: ListedImage,
    pub(super) config: ImageConfig,
    pub(super) report: ImageReport,
}

/// Looks up the image `name`.
pub(super) fn look_up(engine: &Engine, name: &str) -> Result<Found> {
    let store = engine.store()?;
    let record = image_name::lookup(engine, &store, name)?.ok_or_else(|| absent(name))?;
    let listed = store.list()?.into_iter().find(|listed| listed.record.id == record.id);
    let names = listed.unwrap_or(ListedImage { record: record.clone(), references: Vec::new(), digests: Vec::new() });
    let config = store.image_config(&record)?;
    let report = report(&record, &names, &config, &store.image_layers(&record)?);
    Ok(Found { record, names, config, report })
}

/// The report, from what is known of the image. Pure.
fn report(record: &ImageRecord, names: &ListedImage, config: &ImageConfig, layers: &[Layer]) -> ImageReport {
    let tree = |layer: &Layer| layer.tree.display().to_string();
    let (top, below) = layers.split_last().map_or((String::new(), &[][..]), |(top, below)| (tree(top), below));
    ImageReport {
        id: record.id.to_string(),
        repo_tags: names.references.iter().map(crate::oci::Reference::familiar).collect(),
        repo_digests: names.digests.iter().map(crate::oci::Reference::familiar).collect(),
        parent: "",
        comment: config.history.last().map(|step| step.comment.clone()).unwrap_or_default(),
        created: record.created.map_or_else(|| time::ZERO.to_owned(), rfc3339),
        docker_version: "",
        author: config.author.clone().unwrap_or_default(),
        config: defaults(&config.config),
        architecture: config.architecture.clone(),
        variant: config.variant.clone(),
        os: config.os.clone(),
        size: record.size,
        graph_driver: GraphDriver {
            data: GraphData {
                lower_dir: below.iter().rev().map(tree).collect::<Vec<_>>().join(":"),
                merged_dir: "",
                upper_dir: top,
                work_dir: "",
            },
            name: "overlay",
        },
        root_fs: RootFs { r#type: "layers".into(), layers: record.layers.iter().map(ToString::to_string).collect() },
        metadata: Metadata { last_tag_time: time::ZERO },
    }
}

fn defaults(config: &config::Defaults) -> Config {
    let set = |keys: &std::collections::BTreeSet<String>| -> BTreeMap<String, Empty> {
        keys.iter().map(|key| (key.clone(), Empty {})).collect()
    };
    Config {
        user: config.user.clone(),
        exposed_ports: set(&config.exposed_ports),
        env: config.env.clone(),
        entrypoint: config.entrypoint.clone(),
        cmd: config.cmd.clone(),
        volumes: Some(set(&config.volumes)).filter(|volumes| !volumes.is_empty()),
        working_dir: config.working_dir.clone(),
        labels: Some(config.labels.clone()).filter(|labels| !labels.is_empty()),
        stop_signal: config.stop_signal.clone(),
        healthcheck: config.healthcheck.clone(),
        on_build: Some(config.on_build.clone()).filter(|steps| !steps.is_empty()),
        shell: config.shell.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::engine::fixtures;

    #[test]
    fn names_and_values_are_dockers() {
        let (engine, _scratch) = fixtures::engine();
        let digest = fixtures::image(&engine, "x", &["busybox"]).id;
        let report = super::image(&engine, "busybox").unwrap();
        let value = serde_json::to_value(report).unwrap();
        for (pointer, expected) in [
            ("/Id", json!(digest.to_string())),
            ("/RepoTags", json!(["busybox:latest"])),
            ("/RepoDigests", json!([])),
            ("/Created", json!("2026-11-21T09:30:00Z")),
            ("/Comment", json!("made by hand")),
            ("/Config/Cmd", json!(["sh"])),
            ("/Config/Entrypoint", json!(null)),
            ("/Config/Labels", json!({"name": "x"})),
            ("/Architecture", json!("amd64")),
            ("/RootFS/Type", json!("layers")),
            ("/RootFS/Layers", json!([])),
        ] {
            assert_eq!(value.pointer(pointer), Some(&expected), "{pointer}");
        }
        let error = super::image(&engine, "absent").unwrap_err();
        assert_eq!((error.kind(), error.message()), (crate::base::Kind::NotFound, "no such image: `absent`"));
    }
}
