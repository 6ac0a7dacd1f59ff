//! Media types: how a document or layer is encoded. OCI's (image specification, "Media Types") and docker's (distribution
//! specification, "Image Manifest V 2, Schema 2").

use crate::base::{Error, Result, text};

/// An OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An OCI image index: one manifest for each platform.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// An OCI image configuration.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// An OCI layer, not compressed; `+gzip` and `+zstd` are its compressed forms.
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// An OCI layer compressed with gzip.
pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// An OCI layer compressed with zstd.
pub const OCI_LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
/// docker's image manifest, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// docker's manifest list: its form of an index.
pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// docker's image configuration.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// docker's layer, not compressed.
pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
/// docker's layer compressed with gzip.
pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// docker's layer compressed with zstd.
pub const DOCKER_LAYER_ZSTD: &str = "application/vnd.docker.image.rootfs.diff.tar.zstd";

/// Everything that a registry may answer when asked for a manifest, in order of preference.
pub const MANIFESTS: [&str; 4] = [OCI_INDEX, OCI_MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST];

/// Whether documents of this type list manifests for platforms.
pub fn is_index(media_type: &str) -> bool {
    matches!(media_type, OCI_INDEX | DOCKER_INDEX)
}

/// Whether documents of this type are an image's manifest.
pub fn is_manifest(media_type: &str) -> bool {
    matches!(media_type, OCI_MANIFEST | DOCKER_MANIFEST)
}

/// Whether it is one of docker's manifests of schema 1, with or without signature.
pub fn is_schema1(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.docker.distribution.manifest.v1+")
}

/// Whether documents of this type are the configuration of a container image. The last four are what old registries and
/// tools call such a document; docker takes the same (`defaultImageTypes` in moby's `distribution/registry.go`).
pub fn is_image_config(media_type: &str) -> bool {
    matches!(
        media_type,
        OCI_CONFIG | DOCKER_CONFIG | "" | "application/octet-stream" | "application/json" | "text/html"
    )
}

/// How a layer's tar stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// Not at all.
    None,
    /// One or more gzip members, RFC 1952.
    Gzip,
    /// One or more zstd frames, RFC 8878; `zstd:chunked` is one of these with skippable frames.
    Zstd,
}

/// The types of tar layers before their compression is named. Layers called foreign or non-distributable are like others
/// where the registry has them; docker and podman ask it first, too.
const TARS: [&str; 4] = [
    OCI_LAYER,
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    DOCKER_LAYER,
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
];

/// Whether layers of this type need not be in the registry of their image.
pub fn is_foreign(media_type: &str) -> bool {
    media_type.contains(".foreign.") || media_type.contains(".nondistributable.")
}

impl Compression {
    /// What the media type of a layer says. Other kinds of content are refused with the reason. The content itself has the
    /// last word, see [`Compression::of_content`]; so a type that tells nothing is taken for plain tar.
    ///
    /// OCI separates the compression with `+`, docker with `.`; both are taken for both, as tools have mixed them up.
    /// Layers without a type, or with the one for any bytes, come from the same registries that do so with configurations.
    pub fn of_layer(media_type: &str) -> Result<Self> {
        if matches!(media_type, "" | "application/octet-stream") {
            return Ok(Self::None);
        }
        let suffix = TARS.iter().find_map(|tar| media_type.strip_prefix(tar));
        match suffix {
            Some("") => Ok(Self::None),
            Some("+gzip" | ".gzip") => Ok(Self::Gzip),
            Some("+zstd" | ".zstd") => Ok(Self::Zstd),
            _ => Err(refuse(media_type)),
        }
    }

    /// What the first bytes of a compressed stream tell. Four are enough; an unknown beginning is plain tar.
    pub fn of_content(beginning: &[u8]) -> Self {
        match beginning {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A frame, or a skippable frame before it (RFC 8878, 3.1.2).
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }
}

fn refuse(media_type: &str) -> Error {
    let name = text::clean(media_type);
    if media_type.ends_with("+encrypted") {
        return Error::unsupported(format!("the layer is encrypted (type `{name}`), which is not supported"));
    }
    Error::unsupported(format!("layers of type `{name}` are not supported")).hint(
        "container images have tar layers, plain or compressed with gzip or zstd; is this an artifact of another kind?",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Kind;

    #[test]
    fn layers_tell_their_compression() {
        let kinds = [(Compression::None, ""), (Compression::Gzip, "gzip"), (Compression::Zstd, "zstd")];
        for base in [
            "application/vnd.oci.image.layer.v1.tar",
            "application/vnd.oci.image.layer.nondistributable.v1.tar",
            "application/vnd.docker.image.rootfs.diff.tar",
            "application/vnd.docker.image.rootfs.foreign.diff.tar",
        ] {
            for (expected, name) in kinds {
                for separator in ["+", "."].iter().take(if name.is_empty() { 0 } else { 2 }) {
                    assert_eq!(Compression::of_layer(&format!("{base}{separator}{name}")).unwrap(), expected);
                }
            }
            assert_eq!(Compression::of_layer(base).unwrap(), Compression::None);
        }
        for unnamed in ["", "application/octet-stream"] {
            assert_eq!(Compression::of_layer(unnamed).unwrap(), Compression::None);
        }
        for (refused, word) in [
            ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", "encrypted"),
            ("application/vnd.oci.image.layer.v1.tar+xz", "not supported"),
            ("application/vnd.oci.image.layer.v1.tarball", "not supported"),
            ("application/vnd.cncf.helm.chart.content.v1.tar+gzip", "not supported"),
            ("application/vnd.in-toto+json", "not supported"),
        ] {
            let error = Compression::of_layer(refused).unwrap_err();
            assert_eq!(error.kind(), Kind::Unsupported);
            assert!(error.message().contains(word), "{refused}");
        }
        assert!(is_foreign("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip") && !is_foreign(OCI_LAYER));
    }

    #[test]
    fn content_tells_its_compression() {
        assert_eq!(Compression::of_content(b"\x1f\x8b\x08\0"), Compression::Gzip);
        assert_eq!(Compression::of_content(b"\x28\xb5\x2f\xfd"), Compression::Zstd);
        assert_eq!(Compression::of_content(b"\x50\x2a\x4d\x18"), Compression::Zstd);
        for plain in [&b"etc/\0"[..], b"", b"\x1f"] {
            assert_eq!(Compression::of_content(plain), Compression::None);
        }
    }
}
