//! The store's images as a registry has them.
//!
//! A registry serves manifests and blobs by their digests. The store has the manifest of an image as it came, but of its
//! layers the tar streams only: how somebody has compressed them cannot be done again byte for byte. So an image is shown
//! with the manifest that it came with if all blobs of that can be had: those that are tar streams, and those that the depot
//! keeps because they were pushed to this registry. Otherwise it is shown with a manifest in which the other layers are
//! not compressed; then the image's id is the same, and the digest of its manifest is another.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use super::names::{meanings, shown};
use crate::base::{Error, Result, ResultExt};
use crate::engine::depot::Depot;
use crate::engine::push::{Packing, Placed, manifest as written_manifest};
use crate::oci::{Compression, Descriptor, Digest, DigestHasher, Parsed, Reference, parse_manifest};
use crate::registry::server::{Blob, Document, Repository};
use crate::store::{ImageRecord, Layer, Store};

/// Most images whose manifests are remembered.
const REMEMBERED: usize = 1000;

/// The images of a store.
pub struct View {
    store: Store,
    depot: Depot,
    /// Only images of these names.
    only: Option<Vec<Reference>>,
    /// By the id of the image and the digest of its own manifest.
    known: Mutex<HashMap<(Digest, Digest), Arc<Shown>>>,
}

/// An image as it is shown.
pub struct Shown {
    /// Its manifest.
    pub document: Document,
    /// Where its blobs come from.
    sources: HashMap<Digest, Source>,
}

#[derive(Debug, Clone)]
enum Source {
    /// The configuration of the image.
    Config,
    /// The tar stream of the layer, of this many bytes.
    Layer(Digest, u64),
    /// A file of the depot.
    Kept,
}

impl View {
    /// Of the images with the names `only`, or of all that have a name.
    pub fn new(store: Store, depot: Depot, only: Option<Vec<Reference>>) -> Self {
        Self { store, depot, only, known: Mutex::default() }
    }

    /// Whether an image may be seen under this name.
    pub fn allows(&self, name: &Reference) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(name))
    }

    /// Whether anything of a repository may be seen.
    pub fn allows_repository(&self, repository: &Repository) -> bool {
        let Some(only) = &self.only else { return true };
        let meanings = meanings(repository);
        only.iter().any(|name| meanings.iter().any(|meaning| meaning.name() == name.name()))
    }

    /// Names and images that can be seen.
    fn visible(&self) -> Result<Vec<(Reference, ImageRecord)>> {
        let mut visible = Vec::new();
        for image in self.store.list()? {
            let names = image.references.into_iter().chain(image.digests);
            visible.extend(names.filter(|name| self.allows(name)).map(|name| (name, image.record.clone())));
        }
        Ok(visible)
    }

    /// The repositories.
    pub fn repositories(&self) -> Result<BTreeSet<String>> {
        let tagged = self.visible()?.into_iter().filter(|(name, _)| name.digest().is_none());
        Ok(tagged.filter_map(|(name, _)| shown(&name)).map(|name| name.to_string()).collect())
    }

    /// The tags of a repository.
    pub fn tags(&self, repository: &Repository) -> Result<BTreeSet<String>> {
        let meanings = meanings(repository);
        let is_in = |name: &Reference| meanings.iter().any(|meaning| meaning.name() == name.name());
        let names = self.visible()?.into_iter().map(|(name, _)| name);
        Ok(names.filter(is_in).filter_map(|name| name.tag().map(str::to_owned)).collect())
    }

    /// The image with a tag, and its name.
    pub fn tagged(&self, repository: &Repository, tag: &str) -> Result<Option<(Reference, ImageRecord)>> {
        for meaning in meanings(repository) {
            let name = meaning.with_tag(tag)?;
            if self.allows(&name)
                && let Some(image) = self.store.resolve(&name)?
            {
                return Ok(Some((name, image)));
            }
        }
        Ok(None)
    }

    /// The images of a repository, with their names.
    pub fn images(&self, repository: &Repository) -> Result<Vec<(Reference, ImageRecord)>> {
        let meanings = meanings(repository);
        let mut visible = self.visible()?;
        visible.retain(|(name, _)| meanings.iter().any(|meaning| meaning.name() == name.name()));
        Ok(visible)
    }

    /// The image of a repository that is shown with this manifest. One that cannot be shown is none.
    pub fn with_manifest(&self, repository: &Repository, digest: &Digest) -> Result<Option<Arc<Shown>>> {
        for (_, image) in self.images(repository)? {
            if let Ok(shown) = self.shown(&image)
                && shown.document.digest == *digest
            {
                return Ok(Some(shown));
            }
        }
        Ok(None)
    }

    /// How an image is shown.
    pub fn shown(&self, image: &ImageRecord) -> Result<Arc<Shown>> {
        let key = (image.id.clone(), image.manifest.clone());
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        // Blobs of the depot may go.
        if let Some(known) = known.filter(|known| known.is_kept_by(&self.depot)) {
            return Ok(known);
        }
        let shown = Arc::new(self.show(image)?);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(key, shown.clone());
        Ok(shown)
    }

    fn show(&self, image: &ImageRecord) -> Result<Shown> {
        let bytes = self.store.image_manifest_bytes(image)?;
        let Parsed::Manifest(manifest) = parse_manifest(&bytes, Some(&image.manifest_media_type))? else {
            return Err(Error::invalid("the image's manifest is an index"));
        };
        let mut sources = HashMap::from([(manifest.config.digest.clone(), Source::Config)]);
        let mut placed = HashMap::new();
        for (blob, diff_id) in manifest.layers.iter().zip(&image.layers) {
            let plain = self.plain(diff_id)?;
            if let Some(size) = plain {
                sources.insert(diff_id.clone(), Source::Layer(diff_id.clone(), size));
            }
            if self.depot.has(&blob.digest) {
                sources.insert(blob.digest.clone(), Source::Kept);
                continue;
            }
            let size = plain.ok_or_else(|| {
                Error::not_found(format!("the layer `{}` cannot be put together again", diff_id.short()))
            })?;
            let tar = Placed { digest: diff_id.clone(), size, compression: Compression::None };
            placed.insert(blob.digest.clone(), tar);
        }
        let config = Descriptor { size: self.store.image_config_bytes(image)?.len() as u64, ..manifest.config.clone() };
        let new = written_manifest((&manifest, &bytes), &config, &placed, &Packing::default())?;
        let digest = Digest::sha256(&new.bytes);
        Ok(Shown { document: Document { media_type: new.media_type, digest, bytes: new.bytes }, sources })
    }

    /// The size of a layer's tar stream, if that can be rebuilt.
    fn plain(&self, diff_id: &Digest) -> Result<Option<u64>> {
        let layer = self.store.layer(diff_id)?.filter(|layer| layer.rebuildable);
        layer.map(|layer| layer.tar_size()).transpose()
    }

    /// A blob of an image of a repository.
    pub fn blob(&self, repository: &Repository, digest: &Digest) -> Result<Option<Blob>> {
        for (_, image) in self.images(repository)? {
            if let Ok(shown) = self.shown(&image)
                && let Some(source) = shown.sources.get(digest)
            {
                return self.open(&image, digest, source.clone());
            }
        }
        Ok(None)
    }

    fn open(&self, image: &ImageRecord, digest: &Digest, source: Source) -> Result<Option<Blob>> {
        match source {
            Source::Kept => Ok(self.depot.blob(digest)?.map(|(file, size)| Blob::of_file(file, size))),
            Source::Config => {
                let bytes = self.store.image_config_bytes(image)?;
                let size = bytes.len() as u64;
                let write = move |offset: u64, length: u64, out: &mut dyn Write| {
                    let part = bytes.iter().skip(offset as usize).take(length as usize).copied().collect::<Vec<u8>>();
                    out.write_all(&part).context(|| "cannot send a configuration")
                };
                Ok(Some(Blob { size, write: Box::new(write) }))
            }
            Source::Layer(diff_id, size) => {
                let Some(layer) = self.store.layer(&diff_id)? else { return Ok(None) };
                let write = move |offset, length, out: &mut dyn Write| write_layer(&layer, (offset, length), size, out);
                Ok(Some(Blob { size, write: Box::new(write) }))
            }
        }
    }
}

impl Shown {
    fn is_kept_by(&self, depot: &Depot) -> bool {
        self.sources.iter().all(|(digest, source)| !matches!(source, Source::Kept) || depot.has(digest))
    }
}

/// Writes a part of a layer's tar stream. The whole is compared with its digest: a layer that was changed in the store fails
/// before its last piece is sent.
fn write_layer(layer: &Layer, (offset, length): (u64, u64), size: u64, out: &mut dyn Write) -> Result<()> {
    let whole = offset == 0 && length == size;
    let mut part = Part { out, skip: offset, left: length, hasher: whole.then(DigestHasher::new) };
    let written = layer.write_tar(&mut part);
    let (left, hasher) = (part.left, part.hasher);
    match written {
        Err(_) if left == 0 && !whole => Ok(()),
        Err(error) => Err(error),
        Ok(()) => match hasher.is_none_or(|hasher| hasher.finish() == layer.diff_id) {
            true => Ok(()),
            false => Err(Error::system(format!("the layer `{}` was changed in the store", layer.diff_id.short()))),
        },
    }
}

/// A part of what is written to it. Fails, to end the writing, when it has all.
struct Part<'a> {
    out: &'a mut dyn Write,
    skip: u64,
    left: u64,
    hasher: Option<DigestHasher>,
}

impl Write for Part<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        if self.skip >= bytes.len() as u64 {
            self.skip -= bytes.len() as u64;
            return Ok(bytes.len());
        }
        let wanted = &bytes[self.skip as usize..];
        self.skip = 0;
        let count = wanted.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.out.write_all(&wanted[..count])?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&wanted[..count]);
        }
        self.left -= count as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_stream_is_taken_out_of_it() {
        let part = |offset, length| {
            let mut out = Vec::new();
            let mut part = Part { out: &mut out, skip: offset, left: length, hasher: None };
            let pieces: [&[u8]; 3] = [b"0123", b"45", b"6789"];
            let all = pieces.iter().try_for_each(|piece| part.write_all(piece));
            assert!(all.is_ok() || part.left == 0);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(part(0, 10), "0123456789");
        assert_eq!(part(3, 4), "3456");
        assert_eq!(part(4, 2), "45");
        assert_eq!(part(9, 1), "9");
    }
}
