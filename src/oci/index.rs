//! Indexes as JSON: entries of other indexes are kept as they came, with every field that somebody has put there. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Digest, Platform, media};
use crate::base::{Error, Result, ResultExt, text};

/// Most entries of a list.
pub const ENTRIES_MAX: usize = 1000;

/// What `annotate` and its relatives change of an entry. Nothing: it stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// `--arch`
    pub architecture: Option<String>,
    /// `--os`
    pub os: Option<String>,
    /// `--variant`
    pub variant: Option<String>,
    /// `--os-version`
    pub os_version: Option<String>,
    /// `--os-features`, which replace the earlier ones.
    pub os_features: Vec<String>,
    /// `--features`, docker's for the processor; they replace the earlier ones.
    pub features: Vec<String>,
    /// `--annotation`, which are added.
    pub annotations: BTreeMap<String, String>,
}

/// `KEY=VALUE` of `--annotation`.
pub fn annotation(given: &str) -> Result<(String, String)> {
    match given.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(Error::usage(format!("`{}` is not an annotation of the form KEY=VALUE", text::clean(given)))),
    }
}

/// The entry for a manifest.
pub fn descriptor(media_type: &str, digest: &Digest, size: usize, platform: Option<&Platform>) -> Value {
    let mut entry = json!({ "mediaType": media_type, "digest": digest.as_str(), "size": size });
    if let Some(platform) = platform {
        let mut fields = json!({ "architecture": platform.architecture, "os": platform.os });
        if let Some(variant) = &platform.variant {
            fields["variant"] = json!(variant);
        }
        entry["platform"] = fields;
    }
    entry
}

impl Change {
    /// Makes the change.
    pub fn apply(&self, entry: &mut Value) {
        let texts = [
            ("architecture", &self.architecture),
            ("os", &self.os),
            ("variant", &self.variant),
            ("os.version", &self.os_version),
        ];
        let lists = [("os.features", &self.os_features), ("features", &self.features)];
        let changes_platform =
            texts.iter().any(|(_, value)| value.is_some()) || lists.iter().any(|(_, values)| !values.is_empty());
        if changes_platform && let Some(platform) = object(entry, "platform") {
            for (key, value) in texts {
                if let Some(value) = value {
                    platform.insert(key.to_owned(), json!(value));
                }
            }
            for (key, values) in lists.into_iter().filter(|(_, values)| !values.is_empty()) {
                platform.insert(key.to_owned(), json!(values));
            }
        }
        if !self.annotations.is_empty()
            && let Some(annotations) = object(entry, "annotations")
        {
            annotations.extend(self.annotations.iter().map(|(key, value)| (key.clone(), json!(value))));
        }
    }
}

/// A field that is an object, made where there is none.
fn object<'a>(entry: &'a mut Value, key: &str) -> Option<&'a mut Map<String, Value>> {
    let field = entry.as_object_mut()?.entry(key).or_insert_with(|| json!({}));
    if !field.is_object() {
        *field = json!({});
    }
    field.as_object_mut()
}

/// Whether two entries are the same image.
pub fn is_of(entry: &Value, digest: &Digest) -> bool {
    entry.get("digest").and_then(Value::as_str) == Some(digest.as_str())
}

/// The entries of an index, as they stand in it.
pub fn entries(bytes: &[u8]) -> Result<Vec<Value>> {
    let document: Value = serde_json::from_slice(bytes).context(|| "the index is not a valid JSON document")?;
    let entries = document.get("manifests").and_then(Value::as_array).cloned().unwrap_or_default();
    match entries.len() > ENTRIES_MAX {
        true => Err(Error::invalid(format!("the index has more than {ENTRIES_MAX} entries"))),
        false => Ok(entries),
    }
}

/// The media type of an index of these entries, where nobody demands one: docker's if all of them are docker's.
pub fn media_type(entries: &[&Value]) -> &'static str {
    let is_docker = |entry: &&Value| {
        matches!(entry.get("mediaType").and_then(Value::as_str), Some(media::DOCKER_MANIFEST | media::DOCKER_INDEX))
    };
    match !entries.is_empty() && entries.iter().all(is_docker) {
        true => media::DOCKER_INDEX,
        false => media::OCI_INDEX,
    }
}

/// The index, as it is sent. docker's manifest lists have no annotations.
pub fn write(media_type: &str, entries: &[&Value], annotations: &BTreeMap<String, String>) -> Result<Vec<u8>> {
    let mut index = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": entries });
    if !annotations.is_empty() && media_type == media::OCI_INDEX {
        index["annotations"] = json!(annotations);
    }
    serde_json::to_vec_pretty(&index).context(|| "cannot write the index")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_keep_what_is_not_known_and_change_what_is_named() {
        let digest = Digest::sha256(b"x");
        let index = format!(
            r#"{{"manifests":[{{"mediaType":"m","digest":"{digest}","size":3,"artifactType":"a/b","platform":{{"os":"windows","architecture":"amd64","os.version":"10"}}}}]}}"#
        );
        let mut entries = entries(index.as_bytes()).unwrap();
        let change = Change {
            variant: Some("v3".into()),
            os_features: vec!["win32k".into()],
            annotations: [annotation("a=b=c").unwrap()].into(),
            ..Change::default()
        };
        change.apply(&mut entries[0]);
        assert!(is_of(&entries[0], &digest));
        assert_eq!(entries[0]["artifactType"], "a/b");
        assert_eq!(
            entries[0]["platform"],
            json!({"os":"windows","architecture":"amd64","os.version":"10","variant":"v3","os.features":["win32k"]})
        );
        assert_eq!(entries[0]["annotations"], json!({"a": "b=c"}));
        let before = entries[0].clone();
        Change::default().apply(&mut entries[0]);
        assert_eq!(entries[0], before);
        let mut hostile = json!({"platform": 7});
        change.apply(&mut hostile);
        assert_eq!(hostile["platform"]["variant"], "v3");
        assert!(annotation("x").is_err() && annotation("=x").is_err());
    }

    #[test]
    fn an_index_of_dockers_images_is_dockers() {
        let entry = |kind| descriptor(kind, &Digest::sha256(b"x"), 7, Some(&Platform::new("linux", "arm", Some("v7"))));
        let (docker, oci) = (entry(media::DOCKER_MANIFEST), entry(media::OCI_MANIFEST));
        assert_eq!(media_type(&[&docker, &docker]), media::DOCKER_INDEX);
        assert_eq!(media_type(&[&docker, &oci]), media::OCI_INDEX);
        assert_eq!(media_type(&[]), media::OCI_INDEX);
        let notes = [("a".to_owned(), "b".to_owned())].into();
        let written: Value = serde_json::from_slice(&write(media::OCI_INDEX, &[&oci], &notes).unwrap()).unwrap();
        assert_eq!(written["manifests"][0]["platform"], json!({"architecture":"arm","os":"linux","variant":"v7"}));
        assert_eq!(written["annotations"]["a"], "b");
        let written = write(media::DOCKER_INDEX, &[&docker], &notes).unwrap();
        assert!(
            crate::oci::parse_manifest(&written, None).is_ok()
                && !String::from_utf8(written).unwrap().contains("annotations")
        );
    }

    #[test]
    fn too_many_entries_are_refused() {
        let many = format!(r#"{{"manifests":[{}{{}}]}}"#, "{},".repeat(ENTRIES_MAX));
        assert!(entries(many.as_bytes()).is_err());
        assert!(entries(b"[]").unwrap().is_empty() && entries(b"<").is_err());
    }
}
