//! Layers whose tar stream cannot be rebuilt from what the store has of them, for `save`: they are fetched once more from a
//! registry that their image came from or went to.

use std::fs::File;
use std::io::{self, Seek};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use crate::archive::inflate;
use crate::base::publish::nameless;
use crate::base::{Error, Result, ResultExt};
use crate::engine::Engine;
use crate::engine::push::Placed;
use crate::engine::push::spool::{self, Spool};
use crate::oci::{Compression, Descriptor, Digest, DigestHasher, Parsed, Reference, parse_manifest};
use crate::registry::Client;
use crate::store::{Layer, Store};

/// The layer's blob: the tar stream itself, or as the registry has it when `compressed` will do. Verified.
pub fn fetch(engine: &Engine, store: &Store, layer: &Layer, compressed: bool) -> Result<Spool> {
    let mut failed = Error::unsupported(
        "its files cannot be put together to the archive that they came from, and no registry is known to have it",
    );
    let client = Client::new(engine.registry.clone())?;
    for (blob, from) in places(store, &layer.diff_id)? {
        match fetch_from(&client, (&blob, &from), &store.staging(), layer, compressed) {
            Ok(spool) => return Ok(spool),
            Err(error) => {
                failed = error.hint(
                    "its files cannot be put together to the archive that they came from, so that it is fetched again",
                );
            }
        }
    }
    Err(failed)
}

fn fetch_from(
    client: &Client,
    (blob, from): (&Descriptor, &Reference),
    directory: &Path,
    layer: &Layer,
    compressed: bool,
) -> Result<Spool> {
    let compression = Compression::of_layer(&blob.media_type)?;
    let reader = client.blob_in(from, blob)?;
    let spool = spool::copy(directory, reader, blob, compression, &AtomicBool::new(false))?;
    match compressed && compression != Compression::None {
        true => Ok(spool),
        false => plain(spool, directory, layer),
    }
}

/// The uncompressed form of a blob, compared with the diff id.
fn plain(spool: Spool, directory: &Path, layer: &Layer) -> Result<Spool> {
    let Spool { mut file, blob } = spool;
    file.rewind().context(|| "cannot read a layer that was fetched")?;
    let mut out = Hashed { file: nameless(directory)?, hasher: DigestHasher::new() };
    let copied = inflate(file, blob.compression).and_then(|mut stream| io::copy(&mut stream, &mut out));
    let size = copied.context(|| "cannot unpack a layer that was fetched")?;
    match out.hasher.finish() {
        digest if digest == layer.diff_id => {
            Ok(Spool { file: out.file, blob: Placed { digest, size, compression: Compression::None } })
        }
        digest => Err(Error::invalid(format!("what the registry has is `{digest}`"))),
    }
}

/// Blobs that unpack to the layer, and repositories that have them.
fn places(store: &Store, diff_id: &Digest) -> Result<Vec<(Descriptor, Reference)>> {
    let mut places = Vec::new();
    for image in store.list()? {
        let Some(at) = image.record.layers.iter().position(|layer| layer == diff_id) else { continue };
        // A damaged image tells nothing.
        let Ok(bytes) = store.image_manifest_bytes(&image.record) else { continue };
        if let Ok(Parsed::Manifest(manifest)) = parse_manifest(&bytes, Some(&image.record.manifest_media_type))
            && let Some(blob) = manifest.layers.get(at)
        {
            places.extend(image.digests.into_iter().map(|from| (blob.clone(), from)));
        }
    }
    Ok(places)
}

struct Hashed {
    file: File,
    hasher: DigestHasher,
}

impl io::Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
