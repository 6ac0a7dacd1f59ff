//! What a tree does not hold: the recipe from which, together with the tree, a layer's tar stream comes back byte for
//! byte, so that it can be pushed and saved under its own digest without keeping it twice.
//!
//! # Format
//!
//! One line, `coracle tar recipe 1`, then one zstd stream: the tar stream without the contents of the regular files that
//! were unpacked (holes are no contents). Headers, extended headers, sparse maps, padding and everything that was not
//! unpacked are all in it, in order. Reading it as a tar archive tells where contents belong and in which file they are.
//!
//! Which contents are left out is decided by [`is_in_tree`]: changing it needs a new version of the format.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;

use super::entries::{Entries, Entry, Kind};
use super::names::Subject;
use super::{Limits, read_error};
use crate::base::{Error, Result, ResultExt};
use crate::sys::beneath::BeneathDir;

/// The first line.
const MAGIC: &[u8] = b"coracle tar recipe 1\n";

/// Headers compress to a few percent even at the fastest level.
const LEVEL: i32 = 1;

/// Writes a recipe.
pub struct Recorder {
    encoder: zstd::stream::write::Encoder<'static, BufWriter<File>>,
}

impl Recorder {
    /// Begins a recipe in the empty file `file`.
    pub fn new(mut file: File) -> Result<Self> {
        let begin = |file: &mut File| file.write_all(MAGIC);
        begin(&mut file).context(failed)?;
        Ok(Self { encoder: zstd::stream::write::Encoder::new(BufWriter::new(file), LEVEL).context(failed)? })
    }

    /// Completes the recipe. It is not synced.
    pub fn finish(self) -> Result<()> {
        let mut file = self.encoder.finish().context(failed)?;
        file.flush().context(failed)
    }
}

impl Write for Recorder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.encoder.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn failed() -> String {
    "cannot record the headers of the layer".into()
}

/// Whether the contents of `entry` are a file of the tree and not in the recipe.
pub fn is_in_tree(subject: &Subject, entry: &Entry) -> bool {
    matches!((subject, entry.kind), (Subject::Entry(name), Kind::File) if !name.is_empty())
}

/// How long the tar stream is that [`rebuild`] writes, in bytes. Reads the recipe alone.
pub fn rebuilt_size(recipe: impl Read) -> Result<u64> {
    let limits = Limits { unpacked_bytes: u64::MAX, entries: u64::MAX };
    let mut entries = Entries::new(BufReader::new(headers(recipe)?), io::sink(), &limits);
    let mut contents = 0u64;
    while let Some(entry) = entries.next()? {
        if is_in_tree(&Subject::of(&entry.name)?, &entry) {
            contents = contents.saturating_add(entries.contents_elsewhere());
        }
    }
    Ok(entries.position().saturating_add(contents))
}

/// The stream without contents.
fn headers(mut recipe: impl Read) -> Result<impl Read> {
    let mut magic = [0; MAGIC.len()];
    recipe.read_exact(&mut magic).map_err(read_error)?;
    match magic == *MAGIC {
        true => zstd::stream::read::Decoder::new(recipe).map_err(read_error),
        false => Err(Error::invalid("the layer's recipe has an unknown format")),
    }
}

/// Writes the tar stream of the layer in `tree` to `out`. Who needs certainty compares its digest with the diff id: this
/// notices a file that is missing or has another size, not one that was changed.
pub fn rebuild(recipe: impl Read, tree: BorrowedFd<'_>, out: impl Write) -> Result<()> {
    let headers = headers(recipe)?;
    let tree = BeneathDir::from_borrowed(tree).context(|| "cannot keep the layer's directory open")?;
    let limits = Limits { unpacked_bytes: u64::MAX, entries: u64::MAX };
    let mut entries = Entries::new(BufReader::new(headers), out, &limits);
    while let Some(entry) = entries.next()? {
        let subject = Subject::of(&entry.name)?;
        if !is_in_tree(&subject, &entry) {
            continue;
        }
        if let Subject::Entry(name) = &subject {
            let packed = entries.contents_elsewhere();
            copy(&tree, name, &entry, packed, entries.recorder())
                .context(|| format!("cannot rebuild the layer: `{}` is not as it was unpacked", entry.shown()))?;
        }
    }
    entries.into_parts().1.flush().context(|| "cannot write the layer")
}

/// Writes the contents of the file `name` as they were in the archive.
fn copy(tree: &BeneathDir, name: &[u8], entry: &Entry, packed: u64, out: &mut impl Write) -> Result<()> {
    let file = tree.open_file(name).context(|| "cannot open it")?;
    if file.metadata().context(|| "cannot examine it")?.len() != entry.size {
        return Err(Error::invalid("its size has changed"));
    }
    let whole = [super::sparse::Segment { offset: 0, length: packed }];
    let mut buffer = vec![0; 64 << 10];
    for segment in entry.segments.as_deref().unwrap_or(&whole) {
        let mut done = 0;
        while done < segment.length {
            let length = buffer.len().min(usize::try_from(segment.length - done).unwrap_or(usize::MAX));
            file.read_exact_at(&mut buffer[..length], segment.offset + done).context(|| "cannot read it")?;
            out.write_all(&buffer[..length]).context(|| "cannot write the layer")?;
            done += length as u64;
        }
    }
    Ok(())
}
