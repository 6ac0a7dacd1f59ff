//! What steps take in: images, other stages, contexts, and the digests of the files that they copy.

use super::context::Context;
use super::events::{Event, Events};
use super::interpret::CopyAction;
use super::jobs::{self, DigestSources, MakeLayer, Making, RemoteTree};
use super::remote::{self, Fetched, Looked, RemoteSource};
use super::solve::{Build, Built, lock};
use super::sources::{self, field, finish};
use super::squash::SquashLayers;
use super::stages::stage_of;
use crate::base::{Error, Kind as ErrorKind, Result, time};
use crate::engine::create::find_image;
use crate::engine::progress::Silent;
use crate::engine::worker::{self, Given};
use crate::oci::{Digest, Platform};
use crate::spec::image::{ImageRequest, PullPolicy};
use crate::store::{ImageRecord, MadeLayer};

impl Build<'_> {
    /// An image, pulled if it must be.
    pub fn image(&self, name: &str, platform: Option<Platform>, events: &Events<'_>) -> Result<ImageRecord> {
        let store = self.engine.store()?;
        let name = self.named_image(name);
        let request = ImageRequest { name: name.to_owned(), pull: self.request.pull, platform };
        let asks = matches!(self.request.pull, PullPolicy::Always | PullPolicy::Newer);
        let present = !asks && store.lookup(name)?.is_some();
        let image = find_image(self.engine, &store, &request, &Silent).map_err(|error| match error.kind() {
            ErrorKind::Usage => error,
            _ => error.hint(format!("it is the base of a stage of {}", self.file_name)),
        })?;
        if present {
            events.tell(Event::Cached);
        } else {
            events.done();
        }
        Ok(image)
    }

    /// The layers of what `--from` names: a stage, or an image.
    pub fn origin(&self, index: usize, from: &str, events: &Events<'_>) -> Result<Vec<Digest>> {
        if let Some(stage) = stage_of(self.file, index, from) {
            return Ok(self.built(stage)?.stack());
        }
        let from = self.named_image(from);
        if from.eq_ignore_ascii_case("scratch") {
            return Ok(Vec::new());
        }
        let store = self.engine.store()?;
        let request = ImageRequest {
            name: from.to_owned(),
            pull: self.request.pull,
            platform: self.request.platforms.first().cloned(),
        };
        events.tell(Event::Note(format!("FROM {from}")));
        let image = find_image(self.engine, &store, &request, &Silent);
        Ok(image
            .map_err(|error| error.hint("no stage before this one has that name, so it is taken for an image"))?
            .layers)
    }

    /// Where the sources of a copy are, and the digest of what they are.
    pub fn inputs(
        &self,
        index: usize,
        copy: &CopyAction,
        events: &Events<'_>,
    ) -> Result<(jobs::Inputs, Option<Digest>)> {
        if copy.sources.is_empty() {
            return Ok((jobs::Inputs::Nowhere, None));
        }
        let context = match &copy.from {
            None => self.context,
            Some(from) => match self.contexts.get(from).filter(|_| stage_of(self.file, index, from).is_none()) {
                Some(context) => context,
                None => {
                    let layers = self.origin(index, from, events)?;
                    let job = DigestSources { layers: layers.clone(), action: copy.clone() };
                    let digest = worker::call_silently(self.engine, job)?;
                    return Ok((jobs::Inputs::Layers(layers), Some(digest)));
                }
            },
        };
        let from = jobs::Inputs::Directory(context.ignored.clone());
        let store = self.engine.store()?;
        let view =
            jobs::source_view(&store, &from, context.descriptor()?).map_err(|error| match context.identity() {
                Some(_) => error,
                None => {
                    Error::usage("there is no build context to copy files from").hint("give a directory instead of `-`")
                }
            })?;
        let Some((view, ignore)) = view else {
            return Err(Error::system("the build context is gone"));
        };
        let found = sources::find(&view, copy, &ignore)?;
        let digest = sources::digest(&view, &found, &mut lock(&self.known), time::now().as_second())?;
        Ok((from, Some(digest)))
    }

    /// The image that a name of `--build-context` stands for, or the name itself.
    fn named_image<'n>(&'n self, name: &'n str) -> &'n str {
        self.images.get(name).map_or(name, String::as_str)
    }

    /// The context that a copy is from.
    fn context_of(&self, copy: &CopyAction) -> &Context {
        copy.from.as_ref().and_then(|from| self.contexts.get(from)).unwrap_or(self.context)
    }

    /// Finds out what the remote sources of an `ADD` are now.
    pub fn look(&self, copy: &CopyAction, events: &Events<'_>) -> Result<Vec<Looked>> {
        let around = self.request.remote(self.engine, self.request.file_trust());
        let look = |source: &RemoteSource| {
            events.tell(Event::Note(format!("looks at {}", remote::shown(&source.url))));
            Looked::look(&around, source)
        };
        copy.remotes.iter().map(look).collect()
    }

    /// Fetches them.
    pub fn fetch(&self, looked: Vec<Looked>) -> Result<Vec<Fetched>> {
        let around = self.request.remote(self.engine, self.request.file_trust());
        looked.into_iter().map(|looked| looked.fetch(&around)).collect()
    }

    /// Makes the layer of a copy.
    pub fn make_copy(
        &self,
        copy: &CopyAction,
        from: jobs::Inputs,
        fetched: &[Fetched],
        stack: &[Digest],
    ) -> Result<MadeLayer> {
        let descriptor =
            if matches!(from, jobs::Inputs::Directory(_)) { self.context_of(copy).descriptor()? } else { None };
        let trees = fetched.iter().map(|fetched| RemoteTree {
            directory: fetched.directory().to_owned(),
            source: fetched.source.clone(),
            is_file: fetched.is_file,
        });
        let what = Making::Copy(Box::new(copy.clone()), from, trees.collect());
        let job = MakeLayer { layers: stack.to_vec(), what, times: self.request.times() };
        worker::call_with(self.engine, job, Given { progress: &Silent, descriptor })
    }

    /// The layer with the files of a bind mount, from the cache if they have not changed.
    pub fn bound(&self, index: usize, copy: &CopyAction, events: &Events<'_>) -> Result<MadeLayer> {
        let (from, digest) = self.inputs(index, copy, events)?;
        let mut sum = self.key("bind", &[]);
        field(&mut sum, b"action", format!("{:?}", CopyAction { from: None, ..copy.clone() }).as_bytes());
        field(&mut sum, b"inputs", format!("{digest:?}").as_bytes());
        let key = finish(sum)?;
        let _doing = self.cache.lock(&key, &mut |first| self.waits(events, first))?;
        if let Some(record) = self.cache.find(&key)? {
            return Ok(record.layer);
        }
        let layer = self.make_copy(copy, from, &[], &[])?;
        self.cache.put(&key, layer, &time::rfc3339(time::now()), "files of a bind mount").map(|record| record.layer)
    }

    /// One layer that does what the layers of a stage do, from the cache if it was made before.
    pub fn squashed(&self, built: &Built, whole: bool) -> Result<MadeLayer> {
        let stack = built.stack();
        let layers = match whole {
            true => stack.clone(),
            false => built.layers.iter().map(|layer| layer.diff_id.clone()).collect(),
        };
        let mut sum = self.key("squash", &layers);
        field(&mut sum, b"whole", format!("{whole}").as_bytes());
        let key = finish(sum)?;
        let _doing = self.cache.lock(&key, &mut |_| Ok(()))?;
        if let Some(record) = self.cache.find(&key)? {
            return Ok(record.layer);
        }
        let job = SquashLayers { layers, whole, times: self.request.times() };
        let layer = worker::call_silently(self.engine, job)?;
        self.cache.put(&key, layer, &time::rfc3339(time::now()), "squashed layers").map(|record| record.layer)
    }
}
