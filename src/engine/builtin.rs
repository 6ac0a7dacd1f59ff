//! The image that is built into the binary: `hello`. Its only layer holds coracle itself, whose `hello` role reports what
//! it sees from inside; installing it takes the same way through archive and store as a pulled image.

use std::fs::File;
use std::io::{Cursor, Read};
use std::os::unix::fs::MetadataExt;

use jiff::Timestamp;

use super::{Engine, isolated};
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
    isolated::inside(&engine.paths, || {
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
        let config = config_of(&unpacked.diff_id, &created);
        let manifest = manifest_of(&config, &unpacked.diff_id, layer.len());
        let synced = store.sync_layers(vec![staged.finish(&unpacked, None)])?;
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
    })
    .map_err(|error: Error| {
        Error::system("cannot install the built-in image `hello`").with_kind(error.kind()).caused_by(error)
    })
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

fn config_of(diff_id: &Digest, created: &str) -> String {
    let platform = Platform::host();
    serde_json::json!({
        "architecture": platform.architecture,
        "os": platform.os,
        "created": created,
        "config": {
            "Entrypoint": ["/hello", ROLE],
            "WorkingDir": "/",
            "Env": ["PATH=/"],
            "Labels": { "org.opencontainers.image.title": "hello", "org.opencontainers.image.version": env!("CARGO_PKG_VERSION") },
        },
        "rootfs": { "type": "layers", "diff_ids": [diff_id.to_string()] },
        "history": [{ "created": created, "created_by": "built into coracle" }],
    })
    .to_string()
}

fn manifest_of(config: &str, diff_id: &Digest, layer_size: usize) -> String {
    serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": Digest::sha256(config.as_bytes()).to_string(),
            "size": config.len(),
        },
        "layers": [{
            "mediaType": "application/vnd.oci.image.layer.v1.tar",
            "digest": diff_id.to_string(),
            "size": layer_size,
        }],
    })
    .to_string()
}
