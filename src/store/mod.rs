//! The image store: layers, images and the names by which people call them.
//!
//! # On disk (format 1)
//!
//! ```text
//! store/
//! ├── meta.json                        {"format":"coracle store","version":1,"features":{…}}: see below
//! ├── lock                             flock(2): see below
//! ├── adding                           flock(2): held shared from an image's first layer to the image
//! ├── mending                          flock(2): held while a damaged layer is replaced
//! ├── layers/<diff id>/                a layer, immutable from its first appearance on
//! │   ├── tree/                        what overlayfs stacks (see the `archive` module)
//! │   ├── recipe                       with the tree: the tar stream, byte for byte
//! │   └── layer.json                   LayerRecord
//! ├── blobs/<digest>                   manifests and image configurations, as they came
//! ├── images/<id>.json                 ImageRecord; the id is the digest of the configuration
//! ├── refs/<registry>/<repository…>/   names of images: {"version":1,"image":"sha256:…"}
//! │   ├── _tags/<tag>                  (no component of a repository begins with `_`)
//! │   └── _digests/<digest>
//! ├── lists/<registry>/<repository…>/_tags/<tag>   lists of images in the making (see `lists`)
//! ├── buildcache/                      what steps of builds have made: see `build_cache`
//! ├── removing/<id>.json               ImageRecords of images whose removal has begun
//! ├── partial/                         blobs of interrupted pulls: the engine's, not looked at here
//! ├── staging/<random>/                layers in the making, with <random>.lock held by their maker
//! ├── partial/<digest>                 what interrupted pulls have of compressed blobs (see `engine::pull`)
//! └── trash/<random>                   what is to be deleted
//! ```
//!
//! `<diff id>`, `<digest>` and `<id>` are the hexadecimal digits alone; their number tells the algorithm.
//!
//! # Features
//!
//! `meta.json` may name features that the store makes use of, in three lists. A coracle that does not know one of them
//!
//! * `compatible`: reads and changes the store all the same;
//! * `read_only_compatible`: reads it, and refuses to change it;
//! * `incompatible`: refuses it.
//!
//! So a later format that older programs can live with in part need not raise the version, which refuses all of them. A store
//! without lists, as format 1 was at first, uses none.
//!
//! # Theory of operation
//!
//! *Commit points.* A layer appears by the rename of its directory from `staging`, after everything in it was synced. An
//! image appears with its record, when its layers and blobs are there. A tag is one file that is replaced; it is written
//! last. Whatever happens before a commit point leaves garbage that nobody sees: [`Store::sweep`] removes it.
//!
//! *Removal* is the reverse: names first, then the image record moves to `removing` (the commit point), then what no other
//! image needs moves to the trash, then the record in `removing` goes. Layers that a container still uses stay, and the
//! record with them; [`Store::resume_removals`] completes what had to wait or was interrupted. Deletion of trees takes long
//! and is left for [`Store::sweep`].
//!
//! *Locking.* Readers take no lock: all files are replaced whole, and what a reader found may be gone when it uses it, which
//! it reports as absent. Publishing holds `lock` shared, removal holds it exclusively; both for a few milliseconds, not
//! while something is downloaded or synced. Who makes something refer to layers or images (a container, an image) must
//! hold it shared from checking that they exist until the reference is on disk.
//!
//! *Layers without an image* are what a pull publishes while it goes on, and what it leaves when it fails, for the next
//! try. A pull holds `adding` shared from before it looks which layers are there until its image is on disk, or for as long
//! as it lives. [`Store::reclaim_layers`] removes old ones only when it gets that lock alone.
//!
//! *Healing.* A layer directory without a readable record is no layer: it is replaced when the layer is pulled again. A
//! name whose image is gone names nothing. An image whose layers are gone says so and how to get them back.
//!
//! Trees contain files of subordinate ids: publishing and lookups work anywhere, but whoever unpacks layers or sweeps must be
//! root of the user namespace that owns them.

mod build_cache;
mod check;
mod images;
mod layers;
mod lists;
mod names;
mod removal;

#[cfg(test)]
mod tests;

use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use crate::base::lock::{Lock, Mode};
use crate::base::paths::private_dir;
use crate::base::publish::{self, Durability};
use crate::base::{Error, Result, ResultExt, text};
use crate::oci::Digest;
use crate::sys::placement;

pub use build_cache::{BuildCache, CacheRecord, CachedStep, MadeLayer, beyond_budget};
pub use check::{Problem, Subject};
pub use images::{ImageRecord, ListedImage, NewImage};
pub use layers::{FinishedLayer, Layer, StagedLayer, stack};
pub use lists::{ListEntry, ListRecord, Origin, no_list};

/// The version of the format above.
const VERSION: u32 = 1;
/// `meta.json`'s name for it.
const FORMAT: &str = "coracle store";

/// The features that this program knows.
const KNOWN: &[&str] = &[];

/// `meta.json`.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Meta {
    format: String,
    version: u32,
    #[serde(default)]
    features: Features,
}

/// What a store makes use of, by what a program may do that does not know it.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
struct Features {
    compatible: Vec<String>,
    read_only_compatible: Vec<String>,
    incompatible: Vec<String>,
}

impl Features {
    /// Those of a list that this program does not know, for messages.
    fn unknown(list: &[String]) -> Option<String> {
        let unknown: Vec<_> = list.iter().filter(|name| !KNOWN.contains(&name.as_str())).collect();
        let shown = unknown.iter().take(5).map(|name| format!("`{}`", text::clean(name)));
        (!unknown.is_empty()).then(|| shown.collect::<Vec<_>>().join(", "))
    }
}

/// The image store below one directory.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    /// The features for lack of which it must not be changed.
    read_only: Option<String>,
}

/// Held by whoever adds; many at once.
#[derive(Debug)]
pub struct Shared;
/// Held by whoever removes; alone.
#[derive(Debug)]
pub struct Exclusive;

/// The store's lock, as a proof. Publishing accepts either kind, removal only `StoreLock<Exclusive>`.
#[derive(Debug)]
pub struct StoreLock<M> {
    _lock: Lock,
    _mode: PhantomData<M>,
}

impl Store {
    /// Opens the store in the directory `root`, and makes it on first use. A store of a newer format is refused.
    pub fn open(root: &Path) -> Result<Self> {
        let mut store = Self { root: root.to_owned(), read_only: None };
        match publish::read_json::<Meta>(&store.path("meta.json"))? {
            Some(meta) => {
                store.check(&meta)?;
                store.read_only = Features::unknown(&meta.features.read_only_compatible);
            }
            None => store.create()?,
        }
        Ok(store)
    }

    fn check(&self, meta: &Meta) -> Result<()> {
        if meta.format != FORMAT {
            return Err(Error::invalid(format!("`{}` is not an image store of coracle", self.root.display())));
        }
        match meta.version > VERSION {
            true => Err(Error::unsupported(format!(
                "the image store `{}` has format {}, this version knows {VERSION}",
                self.root.display(),
                meta.version
            ))
            .hint("use the newer coracle that made it, or another XDG_DATA_HOME")),
            false => match Features::unknown(&meta.features.incompatible) {
                Some(features) => Err(self.foreign("cannot be used", &features)),
                None => Ok(()),
            },
        }
    }

    /// Fails for a store that must not be changed by this version.
    fn writable(&self) -> Result<()> {
        match &self.read_only {
            Some(features) => Err(self.foreign("can be read, but not changed", features)),
            None => Ok(()),
        }
    }

    fn foreign(&self, what: &str, features: &str) -> Error {
        Error::unsupported(format!(
            "the image store `{}` {what}: it has {features}, which this version does not know",
            self.root.display()
        ))
        .hint("use the newer coracle that made it, or another XDG_DATA_HOME")
    }

    /// Two processes may do this at once: they do the same. `meta.json` comes last and says that all is there.
    fn create(&self) -> Result<()> {
        for name in ["layers", "blobs", "images", "refs", "removing", "staging", "trash"] {
            private_dir(&self.path(name))?;
        }
        // Only a hint: file systems that do not know it do without.
        let _ = placement::spread_children(&self.path("staging"));
        let meta = Meta { format: FORMAT.into(), version: VERSION, features: Features::default() };
        publish::json(&self.path("meta.json"), &meta, Durability::Durable)
    }

    /// The lock for adding to the store. Others may add meanwhile; nobody removes.
    pub fn lock_shared(&self) -> Result<StoreLock<Shared>> {
        let lock = Lock::wait(&self.path("lock"), Mode::Shared)?;
        Ok(StoreLock { _lock: lock, _mode: PhantomData })
    }

    /// The lock for removing. Hold it for as short as possible.
    pub fn lock_exclusive(&self) -> Result<StoreLock<Exclusive>> {
        self.writable()?;
        let lock = Lock::wait(&self.path("lock"), Mode::Exclusive)?;
        Ok(StoreLock { _lock: lock, _mode: PhantomData })
    }

    /// A directory on the store's file system, for files without a name.
    pub fn staging(&self) -> PathBuf {
        self.path("staging")
    }

    /// Something in the store's directory.
    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// A manifest or configuration. What is there but damaged counts as absent.
    fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        let path = self.path("blobs").join(digest.hex());
        let bytes = crate::base::error::if_absent(std::fs::read(&path)).at(&path, "cannot read")?;
        Ok(bytes.filter(|bytes| digest.is_of(bytes)))
    }

    /// Makes sure that a manifest or configuration is there, durably.
    fn put_blob(&self, content: &[u8]) -> Result<Digest> {
        let digest = Digest::sha256(content);
        if self.blob(&digest)?.is_none() {
            publish::file(&self.path("blobs").join(digest.hex()), content, Durability::Durable)?;
        }
        Ok(digest)
    }
}

/// The digest whose hexadecimal digits are a file's name (with or without a suffix).
fn digest_of_name(name: &std::ffi::OsStr) -> Option<Digest> {
    let digits = name.to_str()?.trim_end_matches(".json");
    let algorithm = if digits.len() == 128 { "sha512" } else { "sha256" };
    format!("{algorithm}:{digits}").parse().ok()
}
