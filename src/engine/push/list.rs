//! Images from repository to repository, and lists to a registry.
//!
//! An image is sent under its digest before the index that names it. Blobs that the destination has are left alone, those
//! of another repository of the same registry are taken from there, the others are fetched, verified and sent, one after
//! the other: an image of a list is usually there already.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Packing, instance, spool};
use crate::base::paths::private_dir;
use crate::base::{Error, Result, ResultExt, failpoint};
use crate::engine::Engine;
use crate::engine::progress::Progress;
use crate::engine::worker::{self, Given, Job, Place};
use crate::oci::{Compression, Descriptor, Digest, Parsed, Reference, index, media, parse_manifest};
use crate::registry::{Client, Destination, Mounted};
use crate::store::{Origin, no_list};

/// What to send.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SendList {
    /// The list here.
    pub list: Reference,
    /// Where it goes.
    pub to: Reference,
    /// The images go along; else they must be there.
    pub all: bool,
    /// docker's media type or OCI's; what fits the images when none.
    pub docker: Option<bool>,
}

/// Sends a list.
pub fn send(engine: &Engine, request: &SendList, progress: &dyn Progress) -> Result<Digest> {
    // Layers of images that are here belong to the user's subordinate ids.
    worker::call(engine, request.clone(), progress)
}

impl Job for SendList {
    const NAME: &'static str = "send-list";
    const PLACE: Place = Place::Outer;
    type Report = Digest;

    fn run(self, engine: &Engine, given: Given<'_>) -> Result<Digest> {
        let store = engine.store()?;
        let record = store.list_of_images(&self.list)?;
        let mut record = record.ok_or_else(|| no_list(&self.list))?;
        if record.entries.is_empty() {
            return Err(Error::usage(format!("the list `{}` has no images", self.list.familiar()))
                .hint(format!("`coracle manifest add {} IMAGE` adds one", self.list.familiar())));
        }
        let client = Client::new(engine.registry.clone())?;
        let to = client.destination(&self.to)?;
        let spool = engine.paths.staging();
        private_dir(&spool)?;
        for entry in record.entries.iter_mut().filter(|_| self.all) {
            match &entry.from {
                Origin::Registry(from) => {
                    let kind = entry.descriptor.get("mediaType").and_then(|kind| kind.as_str()).unwrap_or_default();
                    copy(&client, &spool, (from, kind, entry.manifest.as_bytes()), (&to, &self.to))?;
                }
                Origin::Store(id) => {
                    let image = store.image(id)?.ok_or_else(|| {
                        Error::not_found(format!("the image `{}` of the list is not here any more", id.short()))
                            .hint("remove it from the list, or pull it again")
                    })?;
                    let report = instance(engine, &image, &self.to, &Packing::default(), given.progress)?;
                    // A layer that was packed for the first time gives another manifest.
                    entry.descriptor["digest"] = json!(report.digest.as_str());
                    entry.descriptor["size"] = json!(report.size);
                }
            }
        }
        let entries: Vec<_> = record.entries.iter().map(|entry| &entry.descriptor).collect();
        let media_type = match self.docker {
            Some(true) => media::DOCKER_INDEX,
            Some(false) => media::OCI_INDEX,
            None => index::media_type(&entries),
        };
        let bytes = index::write(media_type, &entries, &record.annotations)?;
        failpoint::here("push.list")?;
        let tag = self.to.tag().unwrap_or(crate::oci::reference::DEFAULT_TAG);
        client.put_manifest(&to, tag, media_type, &bytes)
    }
}

/// Brings an image to a repository, under its digest. `from` is where it is known to be.
pub fn copy(
    client: &Client,
    spool: &Path,
    (from, media_type, bytes): (&Reference, &str, &[u8]),
    (to, name): (&Destination, &Reference),
) -> Result<()> {
    let digest = Digest::sha256(bytes);
    let Parsed::Manifest(manifest) = parse_manifest(bytes, Some(media_type))? else {
        return Err(Error::unsupported(format!("`{}` is an index within an index", from.familiar())));
    };
    for blob in std::iter::once(&manifest.config).chain(&manifest.layers) {
        if from.name() != name.name() && !media::is_foreign(&blob.media_type) {
            copy_blob(client, spool, from, blob, to)
                .context(|| format!("cannot copy the blob `{}` of `{}`", blob.digest.short(), from.familiar()))?;
        }
    }
    client.put_manifest(to, digest.as_str(), &manifest.media_type, bytes).map(|_| ())
}

fn copy_blob(client: &Client, spool: &Path, from: &Reference, blob: &Descriptor, to: &Destination) -> Result<()> {
    if client.has_blob(to, blob)? || client.mount(to, &blob.digest, from)? == Mounted::Yes {
        return Ok(());
    }
    let copied = spool::copy(spool, client.blob_in(from, blob)?, blob, Compression::None, &AtomicBool::new(false))?;
    client.upload(to, blob, copied.file, |_| true)
}
