//! `build`: an image from a Dockerfile, without a builder process.
//!
//! # Theory of operation
//!
//! The Dockerfile becomes typed instructions (`dockerfile`), and these a plan of the stages that are needed ([`stages`],
//! pure). A thread walks each needed stage ([`solve`]); it waits for others where the stage names them. An instruction
//! changes the configuration ([`interpret`], pure) and may ask for files to be changed. Such a step has a key, the digest
//! of the layers below it and of everything that it depends on; with a record in the build cache of the store it costs no more. Otherwise
//! it is done under a lock of its key, so that two builds do the same once:
//!
//! * `COPY`, `ADD`, `WORKDIR`: [`sources`] finds the files through descriptors, [`layer`] writes them as a tar stream into
//!   the store, in a worker that is root of the user's namespace ([`jobs`]).
//! * `RUN`: a container that nobody sees ([`run_step`]); its upper directory becomes the layer.
//!
//! The image is stored when all is done. A builder that is killed leaves layers with their records, for the next one, and
//! containers that whoever meets them removes.

// An error is made once in a build, and carries what a person wants to see.

pub(super) mod cache_mount;
pub mod checked;
mod context;
pub mod events;
pub mod export;
mod index;
mod inputs;
mod interpret;
pub(super) mod jobs;
mod layer;
mod modes;
mod mounts;
mod open;
mod permits;
mod prune;
mod remote;
mod request;
mod run_step;
mod solve;
mod sources;
pub(super) mod squash;
mod stages;
mod stream;
pub mod survey;
mod transfer;
pub(super) mod unpack;
mod view;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use self::events::{Event, Watcher};
pub use self::jobs::ImageFormat;
use self::jobs::PutImage;
use self::open::{Opened, at_fault, named_contexts, named_images, open};
pub use self::prune::{Usage, prune, usage};
pub use self::remote::Remote;
pub use self::remote::git::VARIABLES as GIT_VARIABLES;
pub use self::request::{BuildError, BuildReport, BuildRequest, CachePlace, CacheTarget, Changed, Files, NamedContext};
use self::solve::{Build, Built, Failure};
pub use self::squash::Squash;
pub(super) use self::unpack::UnpackContext;
use crate::base::poll::{PollFd, PollFlags};
use crate::base::{Error, Result, ResultExt, poll, text, time};
use crate::dockerfile::{Dockerfile, Position};
use crate::engine::Engine;
use crate::engine::worker;
use crate::oci::{Digest, Platform, Reference};
use crate::store::ImageRecord;

/// Builds an image.
pub fn build(
    engine: &Engine,
    request: &BuildRequest,
    files: Files,
    watcher: &dyn Watcher,
) -> Result<BuildReport, BuildError> {
    let mut opened = open(engine, request, files, watcher)?;
    mounts::sweep(&engine.paths);
    let store = engine.store()?;
    let plan = opened.plan(request)?;
    let checked = survey::checked(&store, request, &opened, &plan)?;
    checked
        .failure()
        .map_err(|error| at_fault(Position { line: 1, column: 0 }, &opened.name, &opened.source, error))?;
    let mut numbers = std::mem::take(&mut opened.numbers);
    // From here on layers appear that no image names yet.
    let _adding = store.begin_adding()?;
    transfer::import(engine, request, &numbers, watcher)?;
    let contexts = named_contexts(engine, request)?;
    let images = named_images(engine, request)?;
    let Opened { context, name, source, file, .. } = &opened;
    let platforms = if request.platforms.is_empty() { vec![Platform::host()] } else { request.platforms.clone() };
    let (mut done, mut warnings) = (Vec::new(), Vec::new());
    for platform in &platforms {
        // Without a wish, an image for another machine is better than none.
        let alone = match request.platforms.is_empty() {
            true => request.clone(),
            false => request.for_platform(platform),
        };
        let alone = &alone;
        let plan = opened.plan(alone)?;
        let mut build = Build::new((engine, &store), (file, name), &plan, (context, &contexts), alone, watcher);
        build.numbers = numbers;
        build.images.clone_from(&images);
        build.several = platforms.len() > 1;
        let built = match interruptible(&build) {
            Ok(built) => built,
            Err(mut failure) => {
                let before = failure.before.take().map(|before| stored(engine, &alone.nameless(), &before, &build));
                let error = explained(failure, name, source);
                return Err(BuildError { before: before.transpose()?.map(|image| image.id.to_string()), ..error });
            }
        };
        done.push((platform.clone(), put(engine, alone, &built, &build)?));
        build.export_cache(&built)?;
        warnings = unused(alone, file, &build).into_iter().collect();
        numbers = build.numbers;
    }
    let index = index::put(engine, request, &done)?;
    // The bases are here now, so that more can be said.
    let checked = survey::checked(&store, request, &opened, &plan)?;
    prune::keep_to_budget(engine)?;
    let chosen = BuildRequest::chosen(&platforms);
    let image = done.iter().find(|(platform, _)| Some(platform) == chosen).map(|(_, image)| image.clone());
    let image = image.ok_or_else(|| Error::system("the build has made no image"))?;
    Ok(BuildReport { image, images: done, index, warnings, checked })
}

fn explained(failure: Failure, name: &str, source: &str) -> BuildError {
    let mut error = match failure.position {
        Some(position) => at_fault(position, name, source, failure.error),
        None => failure.error.into(),
    };
    error.output = failure.output;
    error
}

/// Builds; ^C and the like end the steps that run.
fn interruptible(build: &Build<'_>) -> Result<std::sync::Arc<Built>, Failure> {
    let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
    let former = SigSet::thread_get_mask().context(|| "cannot read the signal mask")?;
    signals.thread_block().context(|| "cannot block signals")?;
    let file = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .context(|| "cannot watch signals")?;
    let (done, ended) = std::io::pipe().context(|| "cannot make a pipe")?;
    let built = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut fds = [PollFd::new(&file, PollFlags::IN), PollFd::new(&done, PollFlags::IN)];
            let _ = poll::wait(&mut fds, None);
            if !fds[0].revents().is_empty() {
                // It has been heard: it must not end this process later, before the reason is told.
                let _ = file.read_signal();
                build.cancel();
            }
        });
        let built = build.run();
        drop(ended);
        built
    });
    let _ = former.thread_set_mask();
    built
}

fn put(engine: &Engine, request: &BuildRequest, built: &Built, build: &Build<'_>) -> Result<ImageRecord> {
    let names = request.names.iter().map(Reference::familiar).collect::<Vec<_>>().join(", ");
    let title = if names.is_empty() { "exporting to image".to_owned() } else { format!("exporting to image {names}") };
    let events = build.numbers.begin(build.watcher, &title);
    let image = stored(engine, request, built, build);
    match &image {
        Ok(_) => events.done(),
        Err(error) => events.tell(Event::Failed(&error.chain())),
    }
    image
}

fn stored(engine: &Engine, request: &BuildRequest, built: &Built, build: &Build<'_>) -> Result<ImageRecord> {
    let mut config = built.state.config.clone();
    config.created = Some(match request.epoch.map(jiff::Timestamp::from_second) {
        Some(Ok(epoch)) if request.all_times => time::rfc3339(epoch),
        _ => built.state.created().to_owned(),
    });
    let (mut base, mut layers) = (built.base.clone(), built.layers.clone());
    let squash = request.changed.squash;
    if squash == Squash::All || (squash == Squash::New && layers.len() > 1) {
        layers = vec![build.squashed(built, squash == Squash::All)?];
        let from = match squash {
            Squash::All => 0,
            _ => match &base {
                Some(base) => engine.store()?.image_config(base)?.history.len(),
                None => 0,
            },
        };
        squash::merge_history(&mut config, from);
        base = base.filter(|_| squash == Squash::New);
    }
    if request.is_inline() {
        let layers: Vec<Digest> = layers.iter().map(|layer| layer.diff_id.clone()).collect();
        config.config.labels.insert(transfer::LABEL.to_owned(), build.cache_label(&layers)?);
    }
    request.changed.finish(&mut config);
    let (annotations, names) = (request.annotations.clone(), request.names.clone());
    worker::call_silently(engine, PutImage { base, layers, config, format: request.format, annotations, names })
}

/// The build arguments that no `ARG` declares.
fn unused(request: &BuildRequest, file: &Dockerfile, build: &Build<'_>) -> Option<String> {
    let consumed = build.consumed();
    let global = |name: &str| {
        file.arguments.iter().any(|line| match &line.kind {
            crate::dockerfile::Kind::Arg(args) => args.iter().any(|(declared, _)| declared.raw == name),
            _ => false,
        })
    };
    let names = request.build_args.keys().filter(|name| {
        !consumed.contains(*name) && !global(name) && !interpret::is_proxy(name) && *name != "SOURCE_DATE_EPOCH"
    });
    let names: Vec<String> = names.map(|name| text::clean(name).into_owned()).collect();
    (!names.is_empty()).then(|| format!("one or more build-args [{}] were not consumed", names.join(" ")))
}
