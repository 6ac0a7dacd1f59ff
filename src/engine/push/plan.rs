//! What a push decides without looking at anything: how layers are to be packed, and the manifest that follows.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::base::{Error, Result, ResultExt};
use crate::oci::{Compression, Descriptor, Digest, Manifest, document, media};

/// In which of the two formats a manifest is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// The OCI image specification's.
    Oci,
    /// docker's image manifest version 2, schema 2.
    Docker,
}

/// How the user wants an image to be packed. Nothing: as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packing {
    /// `--compression-format`: every layer gets this compression.
    pub compression: Option<Compression>,
    /// `--compression-level`: every layer is compressed anew with it.
    pub level: Option<i32>,
    /// `--force-compression`: as if the default compression had been named.
    pub force: bool,
    /// `--format`
    pub format: Option<Format>,
}

impl Packing {
    /// Refuses what contradicts itself, and levels that the compression does not have.
    pub fn check(&self) -> Result<()> {
        if self.compression == Some(Compression::Zstd) && self.format == Some(Format::Docker) {
            return Err(Error::usage("docker's manifest format (v2s2) knows no layers that are compressed with zstd")
                .hint("leave out `--format`, or say `--format oci`"));
        }
        let (name, most) = match self.compression {
            Some(Compression::Zstd) => ("zstd", 20),
            _ => ("gzip", 9),
        };
        match self.level {
            Some(level) if !(1..=most).contains(&level) => {
                Err(Error::usage(format!("{name} has compression levels from 1 to {most}, not {level}")))
            }
            _ => Ok(()),
        }
    }

    /// The compression that a layer must get, when it cannot stay as it is. `published`: a registry has the image, so that
    /// others may know its digest; layers of an image that nobody knows are not sent without compression.
    pub fn repack(&self, original: Compression, published: bool) -> Option<Compression> {
        let wanted = match self.compression {
            Some(wanted) => wanted,
            None if self.force || self.level.is_some() => Compression::Gzip,
            None if original == Compression::None && !published => Compression::Gzip,
            None if original == Compression::Zstd && self.format == Some(Format::Docker) => Compression::Gzip,
            None => return None,
        };
        (wanted != original || self.level.is_some()).then_some(wanted)
    }

    /// The format of the manifest: the original's, unless the user or zstd says otherwise.
    fn format_for(&self, original: Format) -> Format {
        match (self.format, self.compression) {
            (Some(format), _) => format,
            (None, Some(Compression::Zstd)) => Format::Oci,
            (None, _) => original,
        }
    }
}

/// How a layer is in the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The digest of the blob.
    pub digest: Digest,
    /// Bytes of the blob.
    pub size: u64,
    /// How it is compressed.
    pub compression: Compression,
}

/// A manifest to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewManifest {
    /// Its type.
    pub media_type: String,
    /// Its bytes: the original's where nothing has changed.
    pub bytes: Vec<u8>,
}

/// The manifest of an image whose layers are in the registry as `placed` says, by the digest of the original blob. Layers
/// that are not mentioned are as they were.
pub fn manifest(
    original: (&Manifest, &[u8]),
    config: &Descriptor,
    placed: &HashMap<Digest, Placed>,
    packing: &Packing,
) -> Result<NewManifest> {
    let (parsed, bytes) = original;
    let was = if parsed.media_type == media::DOCKER_MANIFEST { Format::Docker } else { Format::Oci };
    let format = packing.format_for(was);
    let is_as_before =
        |layer: &Descriptor| placed.get(&layer.digest).is_none_or(|placed| placed.digest == layer.digest);
    if format == was && parsed.layers.iter().all(is_as_before) {
        return Ok(NewManifest { media_type: parsed.media_type.clone(), bytes: bytes.to_vec() });
    }
    let layers = parsed.layers.iter().map(|layer| match placed.get(&layer.digest) {
        Some(placed) if placed.digest != layer.digest || format != was => Descriptor {
            media_type: layer_type(format, placed.compression).into(),
            digest: placed.digest.clone(),
            size: placed.size,
            platform: None,
            // Annotations tell about the bytes that were (`zstd:chunked`, eStargz).
            annotations: match placed.digest == layer.digest && format == Format::Oci {
                true => layer.annotations.clone(),
                false => BTreeMap::new(),
            },
        },
        _ => layer.clone(),
    });
    let config = Descriptor {
        media_type: match format {
            _ if format == was => config.media_type.clone(),
            Format::Oci => media::OCI_CONFIG.into(),
            Format::Docker => media::DOCKER_CONFIG.into(),
        },
        annotations: if format == Format::Docker { BTreeMap::new() } else { config.annotations.clone() },
        ..config.clone()
    };
    let media_type = match format {
        Format::Oci => media::OCI_MANIFEST,
        Format::Docker => media::DOCKER_MANIFEST,
    };
    let annotations = match format {
        Format::Oci => document::from_slice::<Annotations>(bytes).map(|found| found.annotations).unwrap_or_default(),
        Format::Docker => BTreeMap::new(),
    };
    let written = Written { schema_version: 2, media_type, config, layers: layers.collect(), annotations };
    let bytes = serde_json::to_vec(&written).context(|| "cannot write the manifest")?;
    Ok(NewManifest { media_type: media_type.into(), bytes })
}

/// The type of a layer.
pub fn layer_type(format: Format, compression: Compression) -> &'static str {
    match (format, compression) {
        (Format::Oci, Compression::None) => media::OCI_LAYER,
        (Format::Oci, Compression::Gzip) => media::OCI_LAYER_GZIP,
        (Format::Oci, Compression::Zstd) => media::OCI_LAYER_ZSTD,
        (Format::Docker, Compression::None) => media::DOCKER_LAYER,
        (Format::Docker, Compression::Gzip) => media::DOCKER_LAYER_GZIP,
        (Format::Docker, Compression::Zstd) => media::DOCKER_LAYER_ZSTD,
    }
}

/// A manifest as it is written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    schema_version: u32,
    media_type: &'static str,
    config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Annotations {
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{Parsed, parse_manifest};

    fn descriptor(media_type: &str, content: &[u8]) -> Descriptor {
        Descriptor {
            media_type: media_type.into(),
            digest: Digest::sha256(content),
            size: content.len() as u64,
            platform: None,
            annotations: BTreeMap::from([("a".into(), "b".into())]),
        }
    }

    fn packed(placed: &[(&[u8], &[u8], Compression)], packing: Packing) -> (Vec<u8>, NewManifest) {
        let config = descriptor(media::OCI_CONFIG, b"config");
        let written = Written {
            schema_version: 2,
            media_type: media::OCI_MANIFEST,
            config: config.clone(),
            layers: vec![descriptor(media::OCI_LAYER_GZIP, b"one"), descriptor(media::OCI_LAYER_ZSTD, b"two")],
            annotations: BTreeMap::from([("x".into(), "y".into())]),
        };
        let mut bytes = serde_json::to_vec_pretty(&written).unwrap();
        bytes.push(b'\n');
        let Parsed::Manifest(parsed) = parse_manifest(&bytes, None).unwrap() else { panic!("a manifest") };
        let placed = placed.iter().map(|(from, to, compression)| {
            let placed = Placed { digest: Digest::sha256(to), size: to.len() as u64, compression: *compression };
            (Digest::sha256(from), placed)
        });
        let made = manifest((&parsed, &bytes), &config, &placed.collect(), &packing).unwrap();
        (bytes, made)
    }

    #[test]
    fn nothing_changed_is_byte_for_byte_the_original() {
        let (bytes, made) =
            packed(&[(b"one", b"one", Compression::Gzip), (b"two", b"two", Compression::Zstd)], Packing::default());
        assert_eq!((made.bytes, made.media_type.as_str()), (bytes, media::OCI_MANIFEST));
        // Asking for what it is changes nothing.
        let oci = Packing { format: Some(Format::Oci), ..Packing::default() };
        let (bytes, made) = packed(&[], oci);
        assert_eq!(made.bytes, bytes);
    }

    #[test]
    fn a_layer_that_was_packed_anew_is_described_anew() {
        let (_, made) =
            packed(&[(b"one", b"ONE!", Compression::Zstd), (b"two", b"two", Compression::Zstd)], Packing::default());
        let Parsed::Manifest(read) = parse_manifest(&made.bytes, None).unwrap() else { panic!("a manifest") };
        assert_eq!(read.layers[0].media_type, media::OCI_LAYER_ZSTD);
        assert_eq!((read.layers[0].size, read.layers[0].digest.clone()), (4, Digest::sha256(b"ONE!")));
        assert!(read.layers[0].annotations.is_empty(), "they told of other bytes");
        assert_eq!(read.layers[1].annotations.len(), 1);
        assert!(String::from_utf8(made.bytes).unwrap().contains(r#""annotations":{"x":"y"}"#));
    }

    #[test]
    fn a_format_is_changed_throughout() {
        let docker = Packing { format: Some(Format::Docker), ..Packing::default() };
        let (_, made) = packed(&[(b"one", b"one", Compression::Gzip), (b"two", b"TWO", Compression::Gzip)], docker);
        let text = String::from_utf8(made.bytes).unwrap();
        assert_eq!(made.media_type, media::DOCKER_MANIFEST);
        assert!(!text.contains("oci") && !text.contains("annotations"), "{text}");
        assert_eq!(text.matches(media::DOCKER_LAYER_GZIP).count(), 2, "{text}");
    }

    #[test]
    fn layers_are_packed_anew_only_when_they_must() {
        use Compression::{Gzip, None as Plain, Zstd};
        let as_is = Packing::default();
        let zstd = Packing { compression: Some(Zstd), ..as_is };
        let level = Packing { level: Some(9), ..as_is };
        let force = Packing { force: true, ..as_is };
        let docker = Packing { format: Some(Format::Docker), ..as_is };
        for (packing, original, published, expected) in [
            (as_is, Gzip, true, None),
            (as_is, Zstd, true, None),
            (as_is, Plain, true, None),
            (as_is, Plain, false, Some(Gzip)),
            (as_is, Zstd, false, None),
            (zstd, Gzip, true, Some(Zstd)),
            (zstd, Zstd, true, None),
            (level, Gzip, true, Some(Gzip)),
            (force, Zstd, true, Some(Gzip)),
            (force, Gzip, true, None),
            (docker, Zstd, true, Some(Gzip)),
        ] {
            assert_eq!(packing.repack(original, published), expected, "{packing:?} {original:?} {published}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        let check = |compression, level, format| {
            Packing { compression, level, format, force: false }.check().map_err(|error| error.message().to_owned())
        };
        assert!(check(Some(Compression::Zstd), Some(20), None).is_ok());
        assert!(check(None, Some(9), Some(Format::Docker)).is_ok());
        assert!(check(Some(Compression::Zstd), None, Some(Format::Docker)).is_err());
        assert!(check(Some(Compression::Gzip), Some(10), None).unwrap_err().contains("1 to 9"));
        assert!(check(None, Some(0), None).is_err());
    }
}
