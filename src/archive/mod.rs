//! Layers: tar streams, plain or compressed, and the directory trees they become.
//!
//! [`unpack_layer`] turns a stream into a tree in the format that overlayfs stacks, and [`rebuild`] turns such a tree back
//! into the very same tar bytes. Layers come from strangers: no name in them leads out of the tree, nothing in them can
//! forge what only the format may say (whiteouts, opaque directories), and sizes and counts have limits.
//!
//! Trees belong to the user namespace they were unpacked in: run as its root, the owners of the archive are real owners
//! of that namespace. What becomes of each kind of entry is told in [`tree`].

mod attributes;
pub mod changes;
mod directories;
mod entries;
pub mod extract;
mod gzip;
mod header;
pub mod index;
mod inflate;
mod names;
pub mod owners;
pub mod pack;
mod pax;
mod pipeline;
mod recipe;
mod sparse;
mod tree;
mod walk;
pub mod whiteout;
mod writer;

#[cfg(test)]
mod pack_tests;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::BorrowedFd;

use crate::base::{Error, Kind, Result};
use crate::oci::{Compression, Digest};

pub use inflate::inflate;
pub use recipe::{rebuild, rebuilt_size};

/// How much a layer may be. A layer that exceeds a limit is refused while it is unpacked. Memory does not grow with either;
/// docker and podman know no limit but the disk, and layers with models of hundreds of gigabytes or with millions of small
/// files are real. So these only end a stream that would never end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the tar stream after decompression: 1 TiB.
    pub unpacked_bytes: u64,
    /// Tar headers, those of extended headers counted: a hundred million.
    pub entries: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { unpacked_bytes: 1 << 40, entries: 100_000_000 }
    }
}

/// A layer that has been unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// The SHA-256 digest of the whole tar stream: the layer's identity.
    pub diff_id: Digest,
    /// The sum of the sizes of its regular files, in bytes: what docker calls a layer's size.
    pub size: u64,
    /// Entries in the archive.
    pub entries: u64,
    /// Bytes of the whole tar stream.
    pub tar_size: u64,
    /// Whether the tree and the recipe together hold everything: whether [`rebuild`] can give the stream back. An
    /// archive that has the same file twice, for one, loses the first.
    pub rebuildable: bool,
    /// Whether the layer says that nothing below it is visible (an opaque root). overlayfs does not look at its root's
    /// attributes: who stacks layers leaves the lower ones out.
    pub hides_lower: bool,
}

/// Unpacks the layer `blob` into the empty directory `into` and writes to `recipe` what [`rebuild`] needs besides the tree.
///
/// Call it as root of the user namespace the tree shall belong to. Nothing is synced. On failure the directory holds
/// rubbish, to be removed by the caller.
pub fn unpack_layer(
    blob: impl Read + Send,
    compression: Compression,
    into: BorrowedFd<'_>,
    recipe: File,
    limits: &Limits,
) -> Result<Unpacked> {
    pipeline::run(blob, compression, |stream| unpack(stream, into, recipe, limits)).map(Unpacked::of)
}

/// [`unpack_layer`] for a tar stream that is made while it is read, in a thread of its own.
pub fn unpack_stream<R: Read>(
    open: impl FnOnce() -> io::Result<R> + Send,
    into: BorrowedFd<'_>,
    recipe: File,
    limits: &Limits,
) -> Result<Unpacked> {
    pipeline::run_plain(open, |stream| unpack(stream, into, recipe, limits)).map(Unpacked::of)
}

/// Makes a layer of the directory `from`, the upper one of a union, in the empty directory `into`, with its recipe: packs
/// and unpacks it in one go. Else as [`unpack_layer`].
pub fn repack_layer(
    from: BorrowedFd<'_>,
    packing: &pack::Packing,
    into: BorrowedFd<'_>,
    recipe: File,
    limits: &Limits,
) -> Result<Unpacked> {
    let pack = pack::Pack::new(from, packing)?;
    pipeline::run_plain(move || Ok(pack), |stream| unpack(stream, into, recipe, limits)).map(Unpacked::of)
}

fn unpack(
    stream: &mut pipeline::Stream,
    into: BorrowedFd<'_>,
    recipe: File,
    limits: &Limits,
) -> Result<(tree::Counts, u64)> {
    let mut entries = entries::Entries::new(stream, recipe::Recorder::new(recipe)?, limits);
    let mut tree = tree::Tree::new(into)?;
    while let Some(entry) = entries.next()? {
        tree.put(&entry, &mut entries)?;
    }
    let counts = tree.finish()?;
    let tar_size = entries.position();
    entries.into_parts().1.finish()?;
    Ok((counts, tar_size))
}

impl Unpacked {
    fn of(((counts, tar_size), diff_id): ((tree::Counts, u64), Digest)) -> Self {
        let tree::Counts { size, entries, rebuildable, hides_lower } = counts;
        Self { diff_id, size, entries, tar_size, rebuildable, hides_lower }
    }
}

/// The reason why reading the stream failed. An error of coracle that `std::io` carried comes out unchanged, and an error of
/// a system call stays one; anything else comes from a decoder and means that the stream is damaged.
fn read_error(error: io::Error) -> Error {
    error.downcast::<Error>().unwrap_or_else(|error| {
        let kind = if error.raw_os_error().is_some() { Kind::System } else { Kind::Invalid };
        Error::new(kind, "cannot read the layer").caused_by(error)
    })
}
