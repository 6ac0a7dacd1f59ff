//! `images` as podman has it: its columns, the fields of its templates, and its JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use gotmpl::Value;
use serde::Serialize;

use crate::base::{Result, time};
use crate::cli::container::list::one_line;
use crate::cli::inspect::indented;
use crate::cli::template::Row;
use crate::engine::images::NamedImage;
use crate::spec::units::human_size;

/// podman's default columns.
pub const DEFAULT: &str = r"table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.Created}}\t{{.Size}}";
/// Those of `--digests`.
pub const WITH_DIGESTS: &str = r"table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.Created}}\t{{.Size}}";

/// Headers of the fields that docker has not.
pub const HEADERS: &[(&str, &str)] = &[
    ("Arch", "ARCH"),
    ("Created", "CREATED"),
    ("CreatedTime", "CREATEDTIME"),
    ("Dangling", "DANGLING"),
    ("Id", "ID"),
    ("IsManifestList", "ISMANIFESTLIST"),
    ("Labels", "LABELS"),
    ("Names", "NAMES"),
    ("Os", "OS"),
    ("ParentId", "PARENTID"),
    ("ReadOnly", "R/O"),
    ("RepoDigests", "REPODIGESTS"),
    ("RepoTags", "REPOTAGS"),
];

/// Looks up the labels of an image.
pub type Labels<'a> = dyn Fn(&NamedImage) -> Result<BTreeMap<String, String>> + 'a;

/// Adds podman's fields to a row, and shows in podman's way what both have. Labels cost reading the configuration: without
/// `labels` there is no such field.
pub fn extend(row: &mut Row, image: &NamedImage, labels: Option<&Labels<'_>>) -> Result<()> {
    let record = &image.record;
    let created = record.created.map(|created| created.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string());
    let created = created.unwrap_or_else(|| "N/A".into());
    let text = |text: String| Value::String(one_line(&text).into());
    let list = |names: &[String]| Value::List(names.iter().map(|name| text(name.clone())).collect::<Vec<_>>().into());
    let since = row.get("CreatedSince").cloned().unwrap_or_else(|| text(String::new()));
    let mut fields = vec![
        ("Arch", text(record.platform.architecture.clone())),
        ("Created", since),
        ("CreatedAt", text(created.clone())),
        ("CreatedTime", text(created)),
        ("Dangling", Value::Bool(image.names.tags.is_empty())),
        ("Digest", text(record.manifest.to_string())),
        ("Id", text(record.id.hex().to_owned())),
        ("IsManifestList", Value::Bool(false)),
        ("Names", list(&image.names.tags)),
        ("Os", text(record.platform.os.clone())),
        ("ParentId", text(String::new())),
        ("ReadOnly", Value::Bool(false)),
        ("RepoDigests", list(&image.names.digests)),
        ("RepoTags", list(&image.names.tags)),
        ("Repository", text(image.whole.clone().unwrap_or_else(|| "<none>".into()))),
        ("SharedSize", text("0".into())),
        ("Size", text(spaced(&human_size(record.size)))),
        ("VirtualSize", text(record.size.to_string())),
    ];
    if let Some(labels) = labels {
        let labels = labels(image)?.into_iter().map(|(key, value)| (Arc::from(key), text(value)));
        fields.push(("Labels", Value::Map(Arc::new(labels.collect()))));
    }
    row.extend(fields.into_iter().map(|(name, value)| (Arc::from(name), value)));
    Ok(())
}

/// podman puts a space before the unit: `1.99 MB`.
fn spaced(size: &str) -> String {
    let unit = size.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(size.len());
    format!("{} {}", &size[..unit], &size[unit..])
}

/// An image in podman's list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Report {
    id: String,
    parent_id: &'static str,
    repo_tags: Option<Vec<String>>,
    repo_digests: Vec<String>,
    size: u64,
    shared_size: u64,
    virtual_size: u64,
    labels: Option<BTreeMap<String, String>>,
    containers: usize,
    arch: String,
    digest: String,
    history: Vec<String>,
    is_manifest_list: bool,
    names: Vec<String>,
    os: String,
    created: i64,
    created_at: String,
}

/// `--format json`: one list of objects, a row for each name.
pub fn json(images: &[NamedImage], labels: &Labels<'_>) -> Result<String> {
    let report = |image: &NamedImage| {
        let (record, names) = (&image.record, &image.names);
        Ok(Report {
            id: record.id.hex().to_owned(),
            parent_id: "",
            repo_tags: None,
            repo_digests: names.digests.clone(),
            size: record.size,
            shared_size: 0,
            virtual_size: record.size,
            labels: Some(labels(image)?).filter(|labels| !labels.is_empty()),
            containers: image.containers,
            arch: record.platform.architecture.clone(),
            digest: record.manifest.to_string(),
            history: names.tags.clone(),
            is_manifest_list: false,
            names: names.tags.clone(),
            os: record.platform.os.clone(),
            created: record.created.map_or(0, |created| created.as_second()),
            created_at: record.created.map_or_else(|| time::ZERO.into(), time::rfc3339),
        })
    };
    indented(&images.iter().map(report).collect::<Result<Vec<_>>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_space_before_the_unit() {
        for (ours, podmans) in [("1.99MB", "1.99 MB"), ("0B", "0 B"), ("12kB", "12 kB"), ("", " ")] {
            assert_eq!(spaced(ours), podmans);
        }
    }
}
