//! `import`: an image of one layer from an archive of files.

use std::io::{self, Read};
use std::os::fd::OwnedFd;

use serde::{Deserialize, Serialize};

use super::write;
use crate::archive::Limits;
use crate::base::{Error, Kind, Result, ResultExt, time};
use crate::engine::Engine;
use crate::engine::progress::Progress;
use crate::engine::push::{Format, Placed};
use crate::engine::worker::{self, Given, Job, Place};
use crate::oci::config::{Defaults, History, RootFs};
use crate::oci::{Compression, Digest, ImageConfig, Platform, Reference, media};
use crate::spec::change;
use crate::spec::events::Action;
use crate::store::{ImageRecord, NewImage, Store};

/// What to make.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ImportRequest {
    /// The name of the image; it may have none.
    pub name: Option<String>,
    /// `--change`: lines of a Dockerfile.
    pub changes: Vec<String>,
    /// `--message`: what the history says of it.
    pub message: Option<String>,
    /// What the files are for; this machine when none.
    pub platform: Option<Platform>,
    /// Where the files come from, for the history.
    pub origin: String,
}

/// Makes an image of the tar archive `input`, which may be compressed: a file or a pipe.
pub fn import(
    engine: &Engine,
    request: &ImportRequest,
    input: OwnedFd,
    progress: &dyn Progress,
) -> Result<ImageRecord> {
    // What was typed wrong is told before anything is read.
    request.reference()?;
    request.defaults()?;
    let given = Given { progress, descriptor: Some(input) };
    worker::call_with(engine, request.clone(), given).context(|| "cannot import the archive")
}

impl ImportRequest {
    fn reference(&self) -> Result<Option<Reference>> {
        let reference: Option<Reference> = self.name.as_deref().map(str::parse).transpose()?;
        match reference.as_ref().and_then(Reference::digest) {
            Some(_) => Err(Error::usage("cannot import under a digest reference")),
            None => Ok(reference),
        }
    }

    fn defaults(&self) -> Result<Defaults> {
        let mut defaults = Defaults::default();
        self.changes.iter().try_for_each(|line| change::apply(&mut defaults, line))?;
        Ok(defaults)
    }

    fn config(&self, diff_id: &Digest, now: &str) -> Result<ImageConfig> {
        let platform = self.platform.clone().unwrap_or_else(Platform::host);
        let comment = self.message.clone().unwrap_or_else(|| format!("Imported from {}", self.origin));
        Ok(ImageConfig {
            architecture: platform.architecture,
            os: platform.os,
            variant: platform.variant,
            created: Some(now.to_owned()),
            author: None,
            config: self.defaults()?,
            rootfs: RootFs { kind: "layers".into(), diff_ids: vec![diff_id.clone()] },
            history: vec![History { created: Some(now.to_owned()), comment, ..History::default() }],
        })
    }
}

impl Job for ImportRequest {
    const NAME: &'static str = "import";
    const PLACE: Place = Place::Outer;
    type Report = ImageRecord;

    fn run(self, engine: &Engine, given: Given<'_>) -> Result<ImageRecord> {
        let input = given.descriptor.ok_or_else(|| Error::system("no archive was passed on"))?;
        let store = engine.store()?;
        let _adding = store.begin_adding()?;
        let _ = store.sweep();
        let image = into_store(&store, &self, std::fs::File::from(input))?;
        let id = image.id.to_string();
        engine.tell_of_image(Action::Import, &id, self.name.as_deref().unwrap_or(&id));
        Ok(image)
    }
}

fn into_store(store: &Store, request: &ImportRequest, input: impl Read + Send) -> Result<ImageRecord> {
    let mut input = io::BufReader::new(input);
    if io::BufRead::fill_buf(&mut input).context(|| "cannot read the archive")?.is_empty() {
        return Err(Error::invalid("the archive is empty").hint("did the command that should write it fail?"));
    }
    let staged = store.stage_layer()?;
    let unpacked = staged.unpack(input, Compression::None, &Limits::default()).map_err(|error| match error.kind() {
        Kind::Invalid => {
            error.hint("`import` takes a tar archive of files; an archive of images is for `coracle load`")
        }
        _ => error,
    })?;
    let config = request.config(&unpacked.diff_id, &time::rfc3339(time::now()))?;
    let config = serde_json::to_vec(&config).context(|| "cannot describe the image")?;
    let layer = Placed { digest: unpacked.diff_id.clone(), size: unpacked.tar_size, compression: Compression::None };
    let manifest = write::manifest(Format::Oci, &config, &[layer])?;
    let layers = store.sync_layers(vec![staged.finish(&unpacked)])?;
    let lock = store.lock_shared()?;
    layers.publish(&lock)?;
    let new = NewImage { manifest: &manifest, manifest_media_type: media::OCI_MANIFEST, config: &config };
    let image = store.put_image(&lock, new)?;
    if let Some(name) = request.reference()? {
        store.tag(&lock, &name, &image)?;
    }
    Ok(image)
}
