//! The image that is built into the binary: `hello`. Its only layer holds coracle itself, whose `hello` role reports what
//! it sees from inside; installing it takes the same way through archive and store as a pulled image.

use std::fs::File;
use std::io::{Cursor, Read};
use std::os::unix::fs::MetadataExt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Engine;
use super::worker::{self, Given, Job, Place};
use crate::archive::Limits;
use crate::base::{Error, Result, ResultExt};
use crate::oci::{Compression, Digest, Platform, Reference};
use crate::store::{ImageRecord, NewImage};

/// The argument that makes coracle the program of the image.
pub const ROLE: &str = "coracle-hello";

/// Whether the name means the built-in image, where the store has none of that name.
pub(super) fn is_hello(name: &str) -> bool {
    matches!(name, "hello" | "hello:latest")
}

/// Puts the image into the store under `hello:latest`.
pub(super) fn install(engine: &Engine) -> Result<ImageRecord> {
    worker::call_silently(engine, InstallHello {}).map_err(|error: Error| {
        Error::system("cannot install the built-in image `hello`").with_kind(error.kind()).caused_by(error)
    })
}

/// Does it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct InstallHello {}

impl Job for InstallHello {
    const NAME: &'static str = "hello";
    const PLACE: Place = Place::Outer;
    type Report = ImageRecord;

    fn run(self, engine: &Engine, _given: Given<'_>) -> Result<ImageRecord> {
        let mut program = File::open("/proc/self/exe").context(|| "cannot open coracle's own program")?;
        let modified = program.metadata().context(|| "cannot examine coracle's own program")?.mtime();
        let mut bytes = Vec::new();
        program.read_to_end(&mut bytes).context(|| "cannot read coracle's own program")?;
        let layer = layer_of(&bytes).context(|| "cannot make the layer of `hello`")?;
        drop(bytes);
        let store = engine.store()?;
        let staged = store.stage_layer()?;
        let unpacked = staged.unpack(Cursor::new(&layer), Compression::None, &Limits::default())?;
        let created = Timestamp::from_second(modified).unwrap_or_default().to_string();
        let invalid = |error: oci_spec::OciSpecError| Error::system("cannot describe the image").caused_by(error);
        let config = config_of(&unpacked.diff_id, &created).map_err(invalid)?;
        let manifest = manifest_of(&config, &unpacked.diff_id, layer.len() as u64).map_err(invalid)?;
        let synced = store.sync_layers(vec![staged.finish(&unpacked)])?;
        let lock = store.lock_shared()?;
        synced.publish(&lock)?;
        let image = store.put_image(
            &lock,
            NewImage {
                manifest: manifest.as_bytes(),
                manifest_media_type: "application/vnd.oci.image.manifest.v1+json",
                config: config.as_bytes(),
            },
        )?;
        let reference: Reference = "hello:latest".parse()?;
        store.tag(&lock, &reference, &image)?;
        Ok(image)
    }
}

fn layer_of(program: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut layer = tar::Builder::new(Vec::with_capacity(program.len() + 8192));
    let mut entry = |path: &str, kind: tar::EntryType, mode: u32, content: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        header.set_mtime(0);
        layer.append_data(&mut header, path, content)
    };
    entry("etc/", tar::EntryType::Directory, 0o755, b"")?;
    entry("etc/passwd", tar::EntryType::Regular, 0o644, b"root:x:0:0:root:/:/hello\n")?;
    entry("etc/group", tar::EntryType::Regular, 0o644, b"root:x:0:\n")?;
    entry("hello", tar::EntryType::Regular, 0o755, program)?;
    layer.into_inner()
}

fn config_of(diff_id: &Digest, created: &str) -> std::result::Result<String, oci_spec::OciSpecError> {
    use oci_spec::image::{Arch, ConfigBuilder, HistoryBuilder, ImageConfigurationBuilder, Os, RootFsBuilder};
    let platform = Platform::host();
    let labels = [
        ("org.opencontainers.image.title".to_owned(), "hello".to_owned()),
        ("org.opencontainers.image.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
    ];
    let config = ImageConfigurationBuilder::default()
        .architecture(Arch::from(platform.architecture.as_str()))
        .os(Os::from(platform.os.as_str()))
        .created(created)
        .config(
            ConfigBuilder::default()
                .entrypoint(["/hello".to_owned(), ROLE.to_owned()])
                .working_dir("/")
                .env(["PATH=/".to_owned()])
                .labels(labels)
                .build()?,
        )
        .rootfs(RootFsBuilder::default().typ("layers").diff_ids([diff_id.to_string()]).build()?)
        .history([HistoryBuilder::default().created(created).created_by("built into coracle").build()?])
        .build()?
        .to_string()?;
    // Labels come in any order: sorted, so that the image has the same id whenever it is installed.
    let sorted: serde_json::Value = serde_json::from_str(&config)?;
    Ok(sorted.to_string())
}

fn manifest_of(config: &str, diff_id: &Digest, layer_size: u64) -> std::result::Result<String, oci_spec::OciSpecError> {
    use oci_spec::image::{Descriptor, ImageManifestBuilder, MediaType, SCHEMA_VERSION, Sha256Digest};
    let digest = |digest: &Digest| digest.hex().parse::<Sha256Digest>();
    let config_digest = Digest::sha256(config.as_bytes());
    ImageManifestBuilder::default()
        .schema_version(SCHEMA_VERSION)
        .media_type(MediaType::ImageManifest)
        .config(Descriptor::new(MediaType::ImageConfig, config.len() as u64, digest(&config_digest)?))
        .layers([Descriptor::new(MediaType::ImageLayer, layer_size, digest(diff_id)?)])
        .build()?
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{ImageConfig, Parsed, parse_manifest};

    #[test]
    fn the_image_is_one_that_a_registry_could_serve() {
        let layer = layer_of(b"program").unwrap();
        let diff_id = Digest::sha256(&layer);
        let config = config_of(&diff_id, "2026-11-21T09:26:00Z").unwrap();
        assert!((0..16).all(|_| config_of(&diff_id, "2026-11-21T09:26:00Z").unwrap() == config));
        let parsed = ImageConfig::parse(config.as_bytes()).unwrap();
        assert_eq!(parsed.rootfs.diff_ids, std::slice::from_ref(&diff_id));
        assert_eq!(parsed.config.entrypoint.clone().unwrap(), ["/hello", ROLE]);
        assert!(Platform::host().matches(&parsed.platform()));
        let manifest = manifest_of(&config, &diff_id, layer.len() as u64).unwrap();
        match parse_manifest(manifest.as_bytes(), None).unwrap() {
            Parsed::Manifest(manifest) => {
                assert_eq!(manifest.config.digest, Digest::sha256(config.as_bytes()));
                assert_eq!(manifest.layers[0].size, layer.len() as u64);
            }
            Parsed::Index(_) => panic!("an index"),
        }
    }
}
