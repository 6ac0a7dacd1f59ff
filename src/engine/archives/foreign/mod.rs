//! Images of podman's and docker's own stores, for `system migrate`. The stores are read, never written, and neither
//! program is needed for it.
//!
//! Both keep a layer as a directory of files beside a tar-split record of its archive. The stream of the two ([`Unpacked`]) is
//! unpacked as any archive's layer is: it has to hash to the diff id that the image's configuration demands. So what is in
//! these stores is as hostile as in an archive, and whatever was changed there is noticed.

mod docker;
mod podman;

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::found::{Found, FoundLayer};
use super::load::{Loaded, into_store};
use super::source::Source;
use super::unpacked::Unpacked;
use crate::base::error::{WireError, if_absent};
use crate::base::{Error, Result, ResultExt, text};
use crate::engine::Engine;
use crate::engine::progress::Progress;
use crate::engine::worker::{self, Given, Job, Place};
use crate::oci::{Compression, Digest, ImageConfig, Reference};
use crate::sys::beneath::BeneathDir;

/// The largest list of images or layers, in bytes.
const LIST_MAX: u64 = 256 << 20;

/// Whose store it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Owner {
    /// podman, buildah, skopeo and CRI-O: containers/storage.
    Podman,
    /// docker with one of its own storage drivers.
    Docker,
}

/// What to take over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MigrateRequest {
    /// Whose store it is.
    pub owner: Owner,
    /// Its directory.
    #[serde(with = "crate::base::paths::lossless")]
    pub store: PathBuf,
    /// Names or beginnings of ids of images; all that have a name when there are none.
    pub images: Vec<String>,
}

/// What became of one image: what it is called there, and the image here or why there is none.
pub type Migrated = (String, Result<Loaded, WireError>);

/// Takes images over from another program's store. Each is for itself: one that is damaged does not keep the others.
pub fn migrate(engine: &Engine, request: &MigrateRequest, progress: &dyn Progress) -> Result<Vec<Migrated>> {
    worker::call(engine, request.clone(), progress)
}

impl Job for MigrateRequest {
    const NAME: &'static str = "migrate";
    // The files belong to the user's subordinate ids.
    const PLACE: Place = Place::Outer;
    type Report = Vec<Migrated>;

    fn run(self, engine: &Engine, given: Given<'_>) -> Result<Vec<Migrated>> {
        let root = BeneathDir::open(&self.store).at(&self.store, "cannot open")?;
        let images = match self.owner {
            Owner::Podman => podman::images(&root)?,
            Owner::Docker => docker::images(&root)?,
        };
        let store = engine.store()?;
        let mut migrated = Vec::new();
        for image in selected(images, &self.images)? {
            let called = image.called();
            let taken = image.open(&root).and_then(|(source, found)| {
                let loaded = into_store(&store, &source, &[found], given.progress)?;
                loaded.into_iter().next().ok_or_else(|| Error::system("nothing was stored"))
            });
            migrated.push((called, taken.map_err(|error| WireError::from(&error))));
        }
        Ok(migrated)
    }
}

/// An image as the other store lists it.
#[derive(Debug)]
struct Foreign {
    /// The hexadecimal digits of its id.
    id: String,
    names: Vec<Reference>,
    /// Where its configuration is.
    config: PathBuf,
    /// Where its manifest is, if it has one.
    manifest: Option<PathBuf>,
    layers: Layers,
}

/// How the layers of an image are found.
#[derive(Debug)]
enum Layers {
    /// Lowest first: the tar-split record and the files of each.
    Known(Vec<(PathBuf, PathBuf)>),
    /// By the diff ids of the configuration: docker's driver.
    Docker(String),
}

impl Foreign {
    /// For messages and the report.
    fn called(&self) -> String {
        self.names.first().map_or_else(|| self.id.chars().take(12).collect(), Reference::familiar)
    }

    /// Reads its documents, and makes a source of its layers.
    fn open(self, root: &BeneathDir) -> Result<(Source, Found)> {
        let config_bytes = document(root, &self.config)?
            .ok_or_else(|| Error::invalid(format!("the image `{}` has no configuration", self.id)))?;
        let config = ImageConfig::parse(&config_bytes)?;
        if Digest::sha256(&config_bytes).hex() != self.id {
            return Err(Error::invalid("its configuration does not have the digest that is its id")
                .hint("pull the image again: it is damaged, or in a format from before 2016"));
        }
        let diff_ids = &config.rootfs.diff_ids;
        let places = match self.layers {
            Layers::Known(places) => places,
            Layers::Docker(driver) => docker::layers(root, &driver, diff_ids)?,
        };
        if places.len() != diff_ids.len() {
            let (has, demands) = (places.len(), diff_ids.len());
            return Err(Error::invalid(format!("it has {has} layers, but its configuration tells of {demands}")));
        }
        let mut files = HashMap::new();
        let mut layers = Vec::new();
        for (diff_id, place) in diff_ids.iter().zip(places) {
            let file = diff_id.to_string();
            let (diff_id, compression) = (diff_id.clone(), Compression::None);
            layers.push(FoundLayer { file: file.clone(), blob: None, diff_id, compression });
            files.insert(file, place);
        }
        let manifest = self.manifest.as_deref().map(|path| document(root, path)).transpose()?.flatten();
        let manifest = manifest.and_then(|bytes| manifest_of(bytes, &config_bytes));
        let root = BeneathDir::from_borrowed(root.as_fd()).context(|| "cannot keep the store open")?;
        let source = Source::Unpacked(Unpacked::new(root, files));
        Ok((source, Found { names: self.names, config_bytes, config, manifest, layers }))
    }
}

/// The manifest with its media type, if it is one of this configuration.
fn manifest_of(bytes: Vec<u8>, config: &[u8]) -> Option<(Vec<u8>, String)> {
    match crate::oci::parse_manifest(&bytes, None).ok()? {
        crate::oci::Parsed::Manifest(manifest) if manifest.config.digest == Digest::sha256(config) => {
            Some((bytes, manifest.media_type))
        }
        _ => None,
    }
}

/// The images that are asked for.
fn selected(images: Vec<Foreign>, asked: &[String]) -> Result<Vec<Foreign>> {
    if asked.is_empty() {
        return Ok(images.into_iter().filter(|image| !image.names.is_empty()).collect());
    }
    let is = |image: &Foreign, name: &String| {
        let digits = name.strip_prefix("sha256:").unwrap_or(name);
        let named = |reference: &Reference| {
            let suffix = format!("/{name}");
            reference.to_string() == *name
                || name.parse::<Reference>().is_ok_and(|asked| asked == *reference)
                || reference.to_string().ends_with(&suffix)
                || format!("{}:latest", suffix)
                    == format!("/{}", reference.familiar().rsplit('/').next().unwrap_or_default())
        };
        (digits.len() >= 3 && image.id.starts_with(digits)) || image.names.iter().any(named)
    };
    for name in asked {
        if !images.iter().any(|image| is(image, name)) {
            return Err(Error::not_found(format!("there is no image `{}` in that store", text::clean(name))));
        }
    }
    Ok(images.into_iter().filter(|image| asked.iter().any(|name| is(image, name))).collect())
}

/// A small document of the store; none when it is not there.
fn document(root: &BeneathDir, path: &Path) -> Result<Option<Vec<u8>>> {
    let failed = || format!("cannot read `{}` of the store", path.display());
    let Some(file) = if_absent(root.open_file(path)).context(failed)? else { return Ok(None) };
    bounded(file, path).map(Some)
}

fn bounded(file: File, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let failed = || format!("cannot read `{}` of the store", path.display());
    file.take(LIST_MAX + 1).read_to_end(&mut bytes).context(failed)?;
    match bytes.len() as u64 > LIST_MAX {
        true => Err(Error::invalid(format!("`{}` of the store is too large", path.display()))),
        false => Ok(bytes),
    }
}

/// A list in JSON; none when it is not there.
fn list<T: serde::de::DeserializeOwned>(root: &BeneathDir, path: &Path) -> Result<Option<T>> {
    let Some(bytes) = document(root, path)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        Error::invalid(format!("cannot understand `{}` of the store", path.display())).caused_by(error)
    })
}

/// The names of the entries of a directory; none when it is not there.
fn entries(root: &BeneathDir, path: &Path) -> Result<Option<Vec<String>>> {
    let failed = || format!("cannot list `{}` of the store", path.display());
    let Some(directory) = if_absent(root.open_dir(path)).context(failed)? else { return Ok(None) };
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::new(directory).context(failed)? {
        let entry = entry.context(failed)?;
        names.extend(entry.file_name().to_str().ok().filter(|name| !name.starts_with('.')).map(str::to_owned));
    }
    names.sort();
    Ok(Some(names))
}

/// Whether a word of a list may be a component of a path: ids and names of drivers.
fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.len() <= 128 && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}
