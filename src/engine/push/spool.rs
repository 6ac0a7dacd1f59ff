//! Blobs before they are sent, in files without a name: a killed push leaves nothing.
//!
//! A blob is sent only after it is complete and verified here, so that a registry never gets half of one under a digest
//! that would have to be guessed, and a broken connection can go on from any byte.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::plan::Placed;
use crate::base::publish::nameless;
use crate::base::{Error, Kind, Result, ResultExt};
use crate::oci::{Compression, Descriptor, DigestHasher};
use crate::store::Layer;

/// gzip's own default level, which docker and podman use.
const GZIP_LEVEL: u32 = 6;
/// zstd's own default level, which podman uses.
const ZSTD_LEVEL: i32 = 3;

/// A complete blob.
#[derive(Debug)]
pub struct Spool {
    /// Its bytes.
    pub file: File,
    /// What they are.
    pub blob: Placed,
}

/// Packs a layer. The same layer, compression and level give the same bytes. Fails when the layer is not what it was when
/// it was unpacked, or when `stop` is set.
pub fn pack(
    directory: &Path,
    layer: &Layer,
    compression: Compression,
    level: Option<i32>,
    stop: &AtomicBool,
) -> Result<Spool> {
    let sink = Sink::new(directory, stop)?;
    let tar = |out: &mut dyn Write| {
        let mut tar = Hashed { out, hasher: DigestHasher::new() };
        layer.write_tar(&mut tar)?;
        match tar.hasher.finish() == layer.diff_id {
            true => Ok(()),
            false => Err(Error::system(format!("the layer `{}` was changed in the store", layer.diff_id.short()))
                .hint("remove the image and pull it again")),
        }
    };
    let failed = || format!("cannot pack the layer `{}`", layer.diff_id.short());
    let sink = match compression {
        Compression::None => {
            let mut sink = sink;
            tar(&mut sink)?;
            sink
        }
        Compression::Gzip => {
            let level = level.and_then(|level| u32::try_from(level).ok()).unwrap_or(GZIP_LEVEL);
            let mut encoder = flate2::write::GzEncoder::new(sink, flate2::Compression::new(level));
            tar(&mut encoder)?;
            encoder.finish().context(failed)?
        }
        Compression::Zstd => {
            let level = level.unwrap_or(ZSTD_LEVEL);
            let mut encoder = zstd::stream::write::Encoder::new(sink, level).context(failed)?;
            tar(&mut encoder)?;
            encoder.finish().context(failed)?
        }
    };
    sink.finish(compression).context(failed)
}

/// Copies a blob that comes from a registry. `from` verifies it: its end is the end of the right bytes.
pub fn copy(
    directory: &Path,
    mut from: impl Read,
    blob: &Descriptor,
    compression: Compression,
    stop: &AtomicBool,
) -> Result<Spool> {
    let mut sink = Sink::new(directory, stop)?;
    io::copy(&mut from, &mut sink)
        .map_err(|error| {
            error.downcast::<Error>().unwrap_or_else(|error| Error::system("cannot copy").caused_by(error))
        })
        .context(|| format!("cannot fetch the blob `{}`", blob.digest.short()))?;
    let mut spool = sink.finish(compression).context(|| "cannot keep a blob".to_owned())?;
    // The reader has verified it by whichever algorithm the manifest uses.
    spool.blob.digest = blob.digest.clone();
    Ok(spool)
}

/// A small blob that is here already.
pub fn hold(directory: &Path, bytes: &[u8]) -> Result<File> {
    let mut file = nameless(directory)?;
    file.write_all(bytes).at(directory, "cannot write in")?;
    Ok(file)
}

/// Writes to a file, counts and hashes.
struct Sink<'a> {
    file: BufWriter<File>,
    size: u64,
    hasher: DigestHasher,
    stop: &'a AtomicBool,
}

impl<'a> Sink<'a> {
    fn new(directory: &Path, stop: &'a AtomicBool) -> Result<Self> {
        let file = BufWriter::with_capacity(256 << 10, nameless(directory)?);
        Ok(Self { file, size: 0, hasher: DigestHasher::new(), stop })
    }

    fn finish(self, compression: Compression) -> io::Result<Spool> {
        let file = self.file.into_inner().map_err(|error| error.into_error())?;
        Ok(Spool { file, blob: Placed { digest: self.hasher.finish(), size: self.size, compression } })
    }
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other(Error::new(Kind::Network, "another layer failed")));
        }
        let count = self.file.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Passes bytes on and hashes them.
struct Hashed<'a> {
    out: &'a mut dyn Write,
    hasher: DigestHasher,
}

impl Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
