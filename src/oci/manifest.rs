//! Manifests and indexes, OCI's and docker's (schema 2): which configuration and layers make an image, and which image
//! is meant for which platform.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::digest::Digest;
use super::platform::Platform;
use super::{document, media};
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
    #[serde(default)]
    pub media_type: String,
    /// What the content must hash to.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// What the image runs on; in indexes.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "platform_or_none")]
    pub platform: Option<Platform>,
    /// Free text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
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
    /// The entries that may lead to an image where `wanted` is wanted, the most promising first: those whose platform
    /// runs there, the best before the others and among equals the publisher's first (containerd's choice), then those
    /// without a platform, of which only their own documents tell.
    pub fn candidates(&self, wanted: &Platform) -> Vec<&Descriptor> {
        let leads_on = |descriptor: &&Descriptor| {
            let kind = descriptor.media_type.as_str();
            kind.is_empty() || media::is_manifest(kind) || media::is_index(kind)
        };
        let ranked = self.manifests.iter().filter(leads_on).filter_map(|descriptor| match &descriptor.platform {
            Some(platform) => wanted.rank(platform).map(|rank| (rank, descriptor)),
            None => Some((u32::MAX, descriptor)),
        });
        let mut ranked: Vec<_> = ranked.collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        ranked.into_iter().map(|(_, descriptor)| descriptor).collect()
    }

    /// The platforms it has images for.
    pub fn platforms(&self) -> Vec<&Platform> {
        self.manifests.iter().filter_map(|descriptor| descriptor.platform.as_ref()).collect()
    }
}

/// That none of the `offered` platforms runs where `wanted` is wanted.
pub fn no_variant<'a>(wanted: &Platform, offered: impl IntoIterator<Item = &'a Platform>) -> Error {
    let mut names: Vec<String> = Vec::new();
    for platform in offered.into_iter().filter(|platform| platform.os != "unknown") {
        let name = platform.to_string();
        if !names.contains(&name) && names.len() < 32 {
            names.push(name);
        }
    }
    let error = Error::not_found(format!("the image has no variant for `{wanted}`"));
    match names.is_empty() {
        true => error,
        false => error.hint(format!(
            "it is made for {}; choose one with --platform if this machine can emulate it",
            names.join(", ")
        )),
    }
}

/// The fields of both documents; which are there tells them apart.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(default)]
    schema_version: Option<i64>,
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
    let document: Document = document::from_slice(bytes)
        .map_err(|error| Error::invalid("the manifest is not a valid JSON document").caused_by(error))?;
    // Nobody else looks at the version of a document that has the right fields.
    if document.schema_version == Some(1) || document.fs_layers.is_some() {
        return Err(schema1());
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

/// What the fields make of it. A manifest without layers is an image without files, an index without manifests one that
/// has nothing for anybody.
fn from_document(document: Document, media_type: &str) -> Result<Parsed> {
    let (index, manifest) = (media::is_index(media_type), media::is_manifest(media_type));
    let unknown = !index && !manifest;
    match document {
        Document { config: None, layers: None, manifests, .. } if index || unknown && manifests.is_some() => {
            let media_type = if unknown { media::OCI_INDEX } else { media_type }.to_owned();
            Ok(Parsed::Index(Index { media_type, manifests: manifests.unwrap_or_default() }))
        }
        Document { config: Some(config), layers, manifests: None, .. } if manifest || unknown => {
            let layers = layers.unwrap_or_default();
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
        #[serde(default)]
        os: String,
        #[serde(default)]
        architecture: String,
        #[serde(default)]
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
        let chosen = |wanted: &str| {
            index.candidates(&wanted.parse().unwrap()).first().map(|d| d.platform.as_ref().unwrap().to_string())
        };
        assert_eq!(chosen("linux/amd64").unwrap(), "linux/amd64");
        assert_eq!(chosen("linux/arm64").unwrap(), "linux/arm64");
        assert_eq!(chosen("linux/arm/v7").unwrap(), "linux/arm/v6");
        assert_eq!(chosen("linux/s390x"), None);
        let error = no_variant(&"linux/s390x".parse().unwrap(), index.platforms());
        assert_eq!(error.kind(), Kind::NotFound);
        assert!(error.hints()[0].contains("linux/386, linux/arm64") && !error.hints()[0].contains("unknown"));
    }

    #[test]
    fn entries_without_a_platform_come_last_and_without_a_type_count() {
        let entry = |size: u32, rest: &str| format!(r#"{{"digest":"{D}","size":{size}{rest}}}"#);
        let amd64 = r#","platform":{"architecture":"amd64","os":"linux"}"#;
        let arm64 = r#","platform":{"architecture":"arm64","os":"linux"}"#;
        let artifact = format!(r#","mediaType":"application/vnd.example"{amd64}"#);
        let nested = format!(r#","mediaType":"{}""#, media::OCI_INDEX);
        let entries = [
            entry(1, &nested),
            entry(2, ""),
            entry(3, arm64),
            entry(4, amd64),
            entry(5, &artifact),
            entry(6, r#","platform":{},"mediaType":"""#),
            entry(7, r#","platform":null,"MediaType":null"#),
        ];
        let text = format!(r#"{{"Manifests":[{}]}}"#, entries.join(","));
        let Parsed::Index(index) = parse_manifest(text.as_bytes(), None).unwrap() else { panic!("not an index") };
        let sizes = |wanted: &str| {
            let candidates = index.candidates(&wanted.parse().unwrap());
            candidates.iter().map(|descriptor| descriptor.size).collect::<Vec<_>>()
        };
        assert_eq!(sizes("linux/amd64"), [4, 1, 2, 6, 7]);
        assert_eq!(sizes("linux/s390x"), [1, 2, 6, 7]);
    }

    /// Every field of the OCI manifest, index and descriptor, and of docker's, in a form that only a lenient reader takes.
    #[test]
    fn each_field_is_read_as_go_reads_it() {
        let layer = format!(
            r#"{{"MEDIATYPE":null,"Digest":"{D}","SIZE":7,"urls":null,"Annotations":{{"a":null}},"data":"","artifactType":null,"Platform":{{"OS":"linux","Architecture":"arm","VARIANT":null,"os.version":"x","features":null}}}}"#
        );
        let text = format!(
            r#"{{"SchemaVersion":2,"MediaType":"{}","artifactType":null,"CONFIG":{layer},"Layers":[{layer}],"subject":null,"annotations":null,"manifests":null}}"#,
            media::OCI_MANIFEST
        );
        let Parsed::Manifest(parsed) = parse_manifest(text.as_bytes(), None).unwrap() else { panic!("not a manifest") };
        let layer = &parsed.layers[0];
        assert_eq!((layer.media_type.as_str(), layer.digest.as_str(), layer.size), ("", D, 7));
        assert_eq!(layer.platform.as_ref().unwrap().to_string(), "linux/arm/v7");
        assert_eq!((parsed.config == *layer, &layer.annotations["a"]), (true, &String::new()));
        // What may be absent.
        let bare = format!(r#"{{"config":{}}}"#, descriptor("", ""));
        for (text, declared, layers) in [
            (bare.clone(), None, Some(0)),
            (bare.clone(), Some(media::DOCKER_MANIFEST), Some(0)),
            (bare.replace("}}", r#"},"layers":null,"schemaVersion":null,"fsLayers":null}"#), None, Some(0)),
            (r#"{"manifests":[]}"#.into(), None, None),
            (r#"{"manifests":null}"#.into(), Some(media::OCI_INDEX), None),
            (format!(r#"{{"mediaType":"{}"}}"#, media::DOCKER_INDEX), None, None),
        ] {
            match (parse_manifest(text.as_bytes(), declared).unwrap(), layers) {
                (Parsed::Manifest(manifest), Some(layers)) => assert_eq!(manifest.layers.len(), layers, "{text}"),
                (Parsed::Index(index), None) => assert_eq!(index.manifests, [], "{text}"),
                (parsed, _) => panic!("{text}: {parsed:?}"),
            }
        }
        // What must be there.
        for (text, what) in [
            (bare.replace(&format!(r#""digest":"{D}","#), ""), "digest"),
            (bare.replace(r#","size":7"#, ""), "size"),
            (bare.replace(":7", ":null"), "size"),
            (bare.replace(D, ""), "digest"),
        ] {
            let error = parse_manifest(text.as_bytes(), None).unwrap_err();
            assert!(error.chain().contains(what), "{text}: {}", error.chain());
        }
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
