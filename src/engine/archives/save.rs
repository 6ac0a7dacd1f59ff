//! `save`: images of the store in an archive.
//!
//! Layers are rebuilt while they are written, and compared with their diff ids: a layer that was changed in the store ends
//! the work, and then no file appears. The same images give the same bytes.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};

use super::origin;
pub use super::output::Output;
use super::write::{self, Listed, Naming, Target, blob_path};
use crate::base::{Error, Result, ResultExt, text};
use crate::engine::push::spool::{self, Spool};
use crate::engine::push::{Format as ManifestFormat, Placed};
use crate::engine::worker::{self, Given, Job, Place};
use crate::engine::{Engine, image_name};
use crate::oci::{Compression, Digest, DigestHasher, Platform, Reference};
use crate::spec::events::Action;
use crate::store::{ImageRecord, Layer, Store};

/// How the archive is laid out: see the parent module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// What docker writes.
    #[default]
    DockerArchive,
    /// An OCI layout in a tar file.
    OciArchive,
    /// An OCI layout.
    OciDirectory,
    /// A registry's manifest and blobs.
    DockerDirectory,
}

impl Format {
    /// Whether it is a directory.
    pub fn is_directory(self) -> bool {
        matches!(self, Self::OciDirectory | Self::DockerDirectory)
    }
}

/// What to save.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SaveRequest {
    /// Names and ids of images.
    pub images: Vec<String>,
    /// Further names that the first image gets in the archive.
    pub names: Vec<String>,
    /// A name without a tag means all tags of the repository, as for docker.
    pub all_tags: bool,
    /// The layout.
    pub format: Format,
    /// How layers are compressed.
    pub gzip: bool,
    /// Refuse images for another platform.
    pub platform: Option<Platform>,
}

/// Writes the archive.
pub fn save(engine: &Engine, request: &SaveRequest, output: Output) -> Result<()> {
    // Before any file is made.
    selected(engine, &engine.store()?, request)?;
    let (fd, opened) = output.open()?;
    worker::call_with(engine, request.clone(), Given::of_descriptor(fd))?;
    opened.finish()
}

impl Job for SaveRequest {
    const NAME: &'static str = "save";
    // Layers have files that only their owners may read, and those are subordinate ids.
    const PLACE: Place = Place::Outer;
    type Report = ();

    fn run(self, engine: &Engine, given: Given<'_>) -> Result<()> {
        let out = given.descriptor.ok_or_else(|| Error::system("no output was passed on"))?;
        let store = engine.store()?;
        let images = selected(engine, &store, &self)?;
        write((engine, &store), &self, &images, out)?;
        for Selected { image, names } in &images {
            let id = image.id.to_string();
            engine.tell_of_image(Action::Save, &id, &names.first().map_or(id.clone(), Reference::familiar));
        }
        Ok(())
    }
}

/// An image with the names that it has in the archive.
#[derive(Debug)]
struct Selected {
    image: ImageRecord,
    names: Vec<Reference>,
}

/// The images that are asked for, each once.
fn selected(engine: &Engine, store: &Store, request: &SaveRequest) -> Result<Vec<Selected>> {
    let mut selected: Vec<Selected> = Vec::new();
    let mut add = |image: ImageRecord, names: Vec<Reference>| match selected
        .iter_mut()
        .find(|known| known.image.id == image.id)
    {
        Some(known) => known.names.extend(names),
        None => selected.push(Selected { image, names }),
    };
    for name in &request.images {
        let found = image_name::find(engine, store, name)?;
        let named = found.as_ref().and_then(|(_, name)| name.clone());
        let reference = named.or_else(|| name.parse::<Reference>().ok());
        let of_repository = match &reference {
            Some(reference) if request.all_tags && is_repository(name, reference) => tags_of(store, reference)?,
            _ => Vec::new(),
        };
        match (found, of_repository.is_empty()) {
            (_, false) => of_repository.into_iter().for_each(|(name, image)| add(image, vec![name])),
            (Some((image, name)), true) => {
                add(image, name.filter(|name| name.digest().is_none()).into_iter().collect());
            }
            (None, true) => return Err(no_such_image(name)),
        }
    }
    if let Some(first) = selected.first_mut() {
        for name in &request.names {
            first.names.push(name.parse()?);
        }
    }
    for selected in &mut selected {
        selected.names.sort();
        selected.names.dedup();
        let platform = &selected.image.platform;
        if let Some(wanted) = request.platform.as_ref().filter(|wanted| !wanted.matches(platform)) {
            return Err(Error::not_found(format!(
                "the image `{}` is for `{platform}`, not for `{wanted}`",
                selected.image.id.short()
            )));
        }
    }
    Ok(selected)
}

/// Whether the name leaves the tag to be understood.
fn is_repository(name: &str, reference: &Reference) -> bool {
    reference.digest().is_none() && reference.tag().is_some_and(|tag| !name.ends_with(&format!(":{tag}")))
}

fn tags_of(store: &Store, repository: &Reference) -> Result<Vec<(Reference, ImageRecord)>> {
    let mut found = Vec::new();
    for image in store.list()? {
        let of_it = image.references.iter().filter(|name| name.name() == repository.name());
        found.extend(of_it.map(|name| (name.clone(), image.record.clone())));
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found)
}

fn no_such_image(name: &str) -> Error {
    Error::not_found(format!("no such image: `{}`", text::clean(name)))
        .hint("`coracle images` lists the images there are")
}

/// Writes everything, the documents that refer to others last.
fn write((engine, store): (&Engine, &Store), request: &SaveRequest, images: &[Selected], out: OwnedFd) -> Result<()> {
    let compression = if request.gzip { Compression::Gzip } else { Compression::None };
    let mut archive = Archive {
        target: if request.format.is_directory() { Target::Directory(out) } else { Target::tar(out) },
        engine,
        store,
        beside: request.format == Format::DockerDirectory,
        written: HashMap::new(),
        blobs: HashSet::new(),
    };
    if !archive.beside {
        archive.target.directory("blobs")?;
        archive.target.directory("blobs/sha256")?;
    }
    let mut listed = Vec::new();
    for selected in images {
        let mut layers = Vec::new();
        for diff_id in &selected.image.layers {
            let layer = store.layer(diff_id)?.ok_or_else(|| incomplete(&selected.image))?;
            layers.push(archive.layer(&layer, compression).context(|| {
                format!("cannot save the layer `{}` of `{}`", diff_id.short(), selected.image.id.short())
            })?);
        }
        let config = store.image_config_bytes(&selected.image)?;
        archive.blob(&selected.image.id, &config)?;
        let format = if archive.beside { ManifestFormat::Docker } else { ManifestFormat::Oci };
        let manifest = write::manifest(format, &config, &layers)?;
        let digest = Digest::sha256(&manifest);
        match archive.beside {
            true => archive.target.bytes("manifest.json", &manifest)?,
            false => archive.blob(&digest, &manifest)?,
        }
        listed.push(Listed {
            names: selected.names.clone(),
            digest,
            size: manifest.len() as u64,
            platform: selected.image.platform.clone(),
            config: selected.image.id.clone(),
            layers,
        });
    }
    match request.format {
        Format::DockerDirectory => archive.target.bytes("version", b"Directory Transport Version: 1.1\n")?,
        Format::DockerArchive => {
            archive.target.bytes("manifest.json", &write::docker_manifest(&listed)?)?;
            archive.layout(&listed, Naming::Containerd)?;
        }
        Format::OciArchive | Format::OciDirectory => archive.layout(&listed, Naming::Oci)?,
    }
    archive.target.finish()
}

fn incomplete(image: &ImageRecord) -> Error {
    Error::system(format!("the image `{}` cannot be saved: a layer is missing", image.id.short()))
        .hint("pull the image again: what is missing is fetched")
}

/// An archive in the making.
struct Archive<'a> {
    engine: &'a Engine,
    store: &'a Store,
    target: Target,
    /// Whether blobs lie beside the manifest.
    beside: bool,
    /// The layers that are in it, by diff id.
    written: HashMap<Digest, Placed>,
    /// The other blobs that are in it.
    blobs: HashSet<Digest>,
}

impl Archive<'_> {
    fn path(&self, digest: &Digest) -> String {
        if self.beside { digest.hex().to_owned() } else { blob_path(digest) }
    }

    fn blob(&mut self, digest: &Digest, bytes: &[u8]) -> Result<()> {
        match self.blobs.insert(digest.clone()) {
            false => Ok(()),
            true => self.target.bytes(&self.path(digest), bytes),
        }
    }

    fn layout(&mut self, listed: &[Listed], naming: Naming) -> Result<()> {
        self.target.bytes("index.json", &write::index(listed, naming)?)?;
        self.target.bytes("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)
    }

    /// Writes a layer, unless it is there.
    fn layer(&mut self, layer: &Layer, compression: Compression) -> Result<Placed> {
        if let Some(placed) = self.written.get(&layer.diff_id) {
            return Ok(placed.clone());
        }
        let placed = match compression {
            compression if !layer.rebuildable => {
                let fetched = origin::fetch(self.engine, self.store, layer, compression != Compression::None)?;
                self.packed(fetched)?
            }
            Compression::None => self.plain(layer)?,
            compression => {
                let packed = spool::pack(&self.store.staging(), layer, compression, None, &AtomicBool::new(false))?;
                self.packed(packed)?
            }
        };
        self.written.insert(layer.diff_id.clone(), placed.clone());
        Ok(placed)
    }

    fn plain(&mut self, layer: &Layer) -> Result<Placed> {
        let size = layer.tar_size()?;
        let path = self.path(&layer.diff_id);
        self.target.file(&path, size, |out| {
            let mut hashed = Hashed { out, hasher: DigestHasher::new() };
            layer.write_tar(&mut hashed)?;
            match hashed.hasher.finish() == layer.diff_id {
                true => Ok(()),
                false => Err(Error::system("it was changed in the store").hint("remove the image and pull it again")),
            }
        })?;
        Ok(Placed { digest: layer.diff_id.clone(), size, compression: Compression::None })
    }

    fn packed(&mut self, packed: Spool) -> Result<Placed> {
        use std::os::unix::fs::FileExt;
        let Spool { file, blob } = packed;
        // Two layers may pack to the same bytes only if they are the same.
        self.target.file(&self.path(&blob.digest), blob.size, |out| {
            let mut buffer = vec![0; 256 << 10];
            let mut at = 0;
            while at < blob.size {
                let count = file.read_at(&mut buffer, at).context(|| "cannot read a packed layer")?;
                if count == 0 {
                    return Err(Error::system("a packed layer was cut"));
                }
                out.write_all(&buffer[..count]).context(|| "cannot write the archive")?;
                at += count as u64;
            }
            Ok(())
        })?;
        Ok(blob)
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
