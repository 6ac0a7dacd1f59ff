//! Manifests and indexes, OCI's and docker's (schema 2): which configuration and layers make an image, and which image
//! is meant for which platform.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::digest::Digest;
use super::media;
use super::platform::Platform;
use crate::base::{Error, Kind, Result, text};

/// Largest manifest or index, in bytes: what registries must accept (distribution specification, "Pushing Manifests") and
/// what docker and containerd read.
pub const MANIFEST_MAX: usize = 4 << 20;
/// Most layers of an image: what the kernel's overlayfs can stack (`OVL_MAX_STACK`).
pub const LAYERS_MAX: usize = 500;

/// Where some content is: its type, digest and size.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// One of [`media`]'s, or anything else.
    #[serde(default, deserialize_with = "super::null_is_empty")]
    pub media_type: String,
    /// What the content must hash to.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// What the image runs on; in indexes.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "platform_or_none")]
    pub platform: Option<Platform>,
    /// Free text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "super::null_is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// The manifest of one image for one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// [`media::OCI_MANIFEST`] or [`media::DOCKER_MANIFEST`].
    pub media_type: String,
    /// The image configuration.
    pub config: Descriptor,
    /// The layers, lowest first.
    pub layers: Vec<Descriptor>,
}

/// Manifests for several platforms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// [`media::OCI_INDEX`] or [`media::DOCKER_INDEX`].
    pub media_type: String,
    /// In the publisher's order.
    pub manifests: Vec<Descriptor>,
}

/// What a registry's manifest endpoint answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// One image.
    Manifest(Manifest),
    /// A choice of images.
    Index(Index),
}

impl Parsed {
    /// The media type of the document.
    pub fn media_type(&self) -> &str {
        match self {
            Self::Manifest(manifest) => &manifest.media_type,
            Self::Index(index) => &index.media_type,
        }
    }
}

impl Index {
    /// The manifest that runs best where `wanted` is wanted; among equals the first, which is containerd's choice.
    pub fn select(&self, wanted: &Platform) -> Result<&Descriptor> {
        let ranked = self.manifests.iter().filter_map(|descriptor| {
            let rank = wanted.rank(descriptor.platform.as_ref()?)?;
            let is_image = media::is_manifest(&descriptor.media_type) || media::is_index(&descriptor.media_type);
            is_image.then_some((rank, descriptor))
        });
        if let Some((_, best)) = ranked.min_by_key(|(rank, _)| *rank) {
            return Ok(best);
        }
        let offered: Vec<String> = self
            .platforms()
            .iter()
            .filter(|platform| platform.os != "unknown")
            .take(32)
            .map(ToString::to_string)
            .collect();
        let error = Error::not_found(format!("the image has no variant for `{wanted}`"));
        Err(match offered.is_empty() {
            true => error,
            false => error.hint(format!(
                "it is made for {}; choose one with --platform if this machine can emulate it",
                offered.join(", ")
            )),
        })
    }

    /// The platforms it has images for.
    pub fn platforms(&self) -> Vec<&Platform> {
        self.manifests.iter().filter_map(|descriptor| descriptor.platform.as_ref()).collect()
    }
}

/// The fields of both documents; which are there tells them apart.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(default)]
    schema_version: Option<u32>,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Option<Vec<Descriptor>>,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
    /// Of schema 1.
    #[serde(default)]
    fs_layers: Option<serde::de::IgnoredAny>,
}

/// Reads a manifest or index. `content_type` is what the registry declared, with or without parameters; registries that
/// declare `application/json` or nothing are understood by the document's own `mediaType` or by its fields. A document
/// that could be read both ways is refused (CVE-2021-41190).
pub fn parse_manifest(bytes: &[u8], content_type: Option<&str>) -> Result<Parsed> {
    if bytes.len() > MANIFEST_MAX {
        return Err(Error::invalid("the manifest is larger than 4 MiB"));
    }
    let declared = content_type.map(|value| value.split(';').next().unwrap_or_default().trim());
    if declared.is_some_and(media::is_schema1) {
        return Err(schema1());
    }
    let document: Document = serde_json::from_slice(bytes)
        .map_err(|error| Error::invalid("the manifest is not a valid JSON document").caused_by(error))?;
    if document.schema_version == Some(1) || document.fs_layers.is_some() {
        return Err(schema1());
    }
    if document.schema_version != Some(2) {
        return Err(Error::invalid("the manifest has no schema version 2"));
    }
    let own = document.media_type.as_deref().filter(|own| !own.is_empty());
    if let (Some(own), Some(declared)) = (own, declared)
        && (media::is_index(own) && media::is_manifest(declared)
            || media::is_manifest(own) && media::is_index(declared))
    {
        return Err(Error::invalid(format!(
            "the registry declares the manifest as `{declared}`, but it calls itself `{own}`"
        )));
    }
    let media_type = own.or(declared).unwrap_or_default().to_owned();
    from_document(document, &media_type)
}

fn from_document(document: Document, media_type: &str) -> Result<Parsed> {
    let unknown = !media::is_index(media_type) && !media::is_manifest(media_type);
    match document {
        Document { config: None, layers: None, manifests: Some(manifests), .. }
            if media::is_index(media_type) || unknown =>
        {
            let media_type = if unknown { media::OCI_INDEX } else { media_type }.to_owned();
            Ok(Parsed::Index(Index { media_type, manifests }))
        }
        Document { config: Some(config), layers: Some(layers), manifests: None, .. }
            if media::is_manifest(media_type) || unknown =>
        {
            if layers.len() > LAYERS_MAX {
                return Err(Error::new(
                    Kind::Unsupported,
                    format!("the image has {} layers; at most {LAYERS_MAX} can be stacked", layers.len()),
                ));
            }
            let media_type = if unknown { media::OCI_MANIFEST } else { media_type }.to_owned();
            Ok(Parsed::Manifest(Manifest { media_type, config, layers }))
        }
        _ => Err(Error::invalid(format!(
            "the manifest of type `{}` has the fields of neither or of both an image and an index",
            text::clean(media_type)
        ))),
    }
}

fn schema1() -> Error {
    Error::unsupported("the image is in docker's manifest format of before 2016 (schema 1)")
        .hint("nobody can pull it safely any more; ask its publisher to push it again with a current tool")
}

/// A platform without architecture or os (or `null`) is none.
fn platform_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Platform>, D::Error> {
    #[derive(Deserialize)]
    struct Raw {
        #[serde(default, deserialize_with = "super::null_is_empty")]
        os: String,
        #[serde(default, deserialize_with = "super::null_is_empty")]
        architecture: String,
        #[serde(default, deserialize_with = "super::null_is_empty")]
        variant: String,
    }
    Ok(Option::<Raw>::deserialize(deserializer)?
        .filter(|raw| !raw.os.is_empty() && !raw.architecture.is_empty())
        .map(|raw| Platform::new(&raw.os, &raw.architecture, Some(&raw.variant))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const D: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn descriptor(media_type: &str, platform: &str) -> String {
        format!(r#"{{"mediaType":"{media_type}","digest":"{D}","size":7{platform}}}"#)
    }

    fn manifest(own: &str) -> String {
        let (config, layer) = (descriptor(media::OCI_CONFIG, ""), descriptor(media::OCI_LAYER_GZIP, ""));
        format!(r#"{{"schemaVersion":2,{own}"config":{config},"layers":[{layer}],"annotations":{{"a":"b"}}}}"#)
    }

    fn index(platforms: &[&str]) -> String {
        let entries: Vec<String> = platforms
            .iter()
            .map(|platform| {
                let mut parts = platform.split('/');
                let (os, architecture, variant) =
                    (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap_or(""));
                descriptor(
                    media::OCI_MANIFEST,
                    &format!(r#","platform":{{"os":"{os}","architecture":"{architecture}","variant":"{variant}"}}"#),
                )
            })
            .collect();
        format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","))
    }

    #[test]
    fn the_type_comes_from_the_document_then_the_registry_then_the_fields() {
        let docker = format!(r#""mediaType":"{}","#, media::DOCKER_MANIFEST);
        for (own, declared, expected) in [
            ("", None, media::OCI_MANIFEST),
            ("", Some("application/json; charset=utf-8"), media::OCI_MANIFEST),
            ("", Some(media::DOCKER_MANIFEST), media::DOCKER_MANIFEST),
            (docker.as_str(), Some(media::DOCKER_MANIFEST), media::DOCKER_MANIFEST),
            (docker.as_str(), Some("text/plain"), media::DOCKER_MANIFEST),
        ] {
            let parsed = parse_manifest(manifest(own).as_bytes(), declared).unwrap();
            assert_eq!(parsed.media_type(), expected);
            let Parsed::Manifest(manifest) = parsed else { panic!("not a manifest") };
            assert_eq!((manifest.layers.len(), manifest.layers[0].size), (1, 7));
        }
    }

    #[test]
    fn contradictions_and_old_formats_are_refused() {
        let (m, i) = (manifest(""), index(&["linux/amd64"]));
        let both = format!("{},{}", &m[..m.len() - 1], &i[r#"{"schemaVersion":2,"#.len()..]);
        let as_index = manifest(&format!(r#""mediaType":"{}","#, media::OCI_INDEX));
        let many = m.replace("\"layers\":[", &format!("\"layers\":[{}", (descriptor("x", "") + ",").repeat(500)));
        for (name, bytes, declared) in [
            ("both", both.as_str(), None),
            ("index fields", i.as_str(), Some(media::OCI_MANIFEST)),
            ("calls itself index", as_index.as_str(), Some(media::OCI_MANIFEST)),
            ("index type, manifest fields", as_index.as_str(), None),
            ("schema 1", r#"{"schemaVersion":1,"fsLayers":[]}"#, None),
            ("signed schema 1", m.as_str(), Some("application/vnd.docker.distribution.manifest.v1+prettyjws")),
            ("no version", r#"{"manifests":[]}"#, None),
            ("nothing", r#"{"schemaVersion":2}"#, None),
            ("not JSON", "<html>", None),
            ("negative size", &m.replace(":7", ":-7"), None),
            ("bad digest", &m.replace("e3b0", "E3B0"), None),
            ("too many layers", &many, None),
        ] {
            assert!(parse_manifest(bytes.as_bytes(), declared).is_err(), "{name}");
        }
        assert!(parse_manifest(&vec![b' '; MANIFEST_MAX + 1], None).unwrap_err().message().contains("4 MiB"));
    }

    #[test]
    fn an_index_gives_the_best_image_or_lists_what_there_is() {
        let Parsed::Index(index) = parse_manifest(
            index(&["unknown/unknown", "linux/386", "linux/arm64/v8", "linux/amd64", "linux/arm/v6", "windows/amd64"])
                .as_bytes(),
            None,
        )
        .unwrap() else {
            panic!("not an index")
        };
        let chosen =
            |wanted: &str| index.select(&wanted.parse().unwrap()).map(|d| d.platform.as_ref().unwrap().to_string());
        assert_eq!(chosen("linux/amd64").unwrap(), "linux/amd64");
        assert_eq!(chosen("linux/arm64").unwrap(), "linux/arm64");
        assert_eq!(chosen("linux/arm/v7").unwrap(), "linux/arm/v6");
        let error = chosen("linux/s390x").unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        assert!(error.hints()[0].contains("linux/386, linux/arm64") && !error.hints()[0].contains("unknown"));
    }

    #[test]
    fn nulls_are_empty() {
        let text = manifest("").replace(r#""size":7"#, r#""size":7,"annotations":null,"platform":null"#);
        assert!(parse_manifest(text.as_bytes(), None).is_ok());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), content_type in "\\PC{0,20}") {
            let _ = parse_manifest(&bytes, Some(&content_type));
        }

        #[test]
        fn a_damaged_manifest_does_not_make_it_panic(at in 0usize..400, byte in any::<u8>()) {
            let mut bytes = manifest("").into_bytes();
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = parse_manifest(&bytes, None);
        }
    }
}
