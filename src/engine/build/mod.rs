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

mod context;
pub mod events;
pub mod export;
mod inputs;
mod interpret;
pub(super) mod jobs;
mod layer;
mod modes;
mod mounts;
mod prune;
mod run_step;
mod solve;
mod sources;
mod stages;
pub(super) mod unpack;
mod view;

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use self::context::Context;
use self::events::{Event, Numbers, Watcher};
pub use self::jobs::ImageFormat;
use self::jobs::PutImage;
pub use self::prune::{Usage, prune, usage};
use self::run_step::Surroundings;
use self::solve::{Build, Built, Failure};
use self::stages::{Wanted, Wrong, plan};
pub(super) use self::unpack::UnpackContext;
use crate::base::poll::{PollFd, PollFlags};
use crate::base::{Error, Result, ResultExt, poll, text};
use crate::dockerfile::{Diagnostic, Dockerfile, Position, parse};
use crate::engine::Engine;
use crate::engine::worker;
use crate::oci::{Platform, Reference};
use crate::spec::namespaces::NetworkRequest;
use crate::spec::network::HostEntry;
use crate::spec::storage::StorageDriver;
use crate::store::ImageRecord;

/// What to build, with everything read that the command line names.
#[derive(Debug, Clone, Default)]
pub struct BuildRequest {
    /// `--file`: its name and its content; the context's own Dockerfile when none.
    pub dockerfile: Option<(String, String)>,
    /// The list of ignored files that belongs to that Dockerfile.
    pub ignored: Option<String>,
    /// The name of a Dockerfile in the context.
    pub dockerfile_in_context: Option<String>,
    /// `--tag`.
    pub names: Vec<Reference>,
    /// `--target`.
    pub target: Option<String>,
    /// `--build-arg`.
    pub build_args: BTreeMap<String, String>,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
    /// `--annotation`.
    pub annotations: Vec<(String, String)>,
    /// `--pull`.
    pub pull: bool,
    /// `--no-cache`.
    pub no_cache: bool,
    /// `--no-cache-filter`: stages whose steps are done again.
    pub no_cache_filter: Vec<String>,
    /// `--build-context`.
    pub contexts: BTreeMap<String, NamedContext>,
    /// `--platform`.
    pub platform: Option<Platform>,
    /// `--secret`, by id.
    pub secrets: BTreeMap<String, Vec<u8>>,
    /// `--ssh`: sockets of agents by id.
    pub ssh: BTreeMap<String, PathBuf>,
    /// `SOURCE_DATE_EPOCH`, in seconds since 1970: no time in the image is later.
    pub epoch: Option<i64>,
    /// `--format`; OCI when none.
    pub format: Option<ImageFormat>,
    /// The storage driver of steps.
    pub driver: StorageDriver,
    /// `--network`.
    pub networks: Vec<NetworkRequest>,
    /// `--shm-size`, in bytes.
    pub shm_size: Option<u64>,
    /// `--add-host`.
    pub add_hosts: Vec<HostEntry>,
}

/// What a name of `--build-context` stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedContext {
    /// A directory.
    Directory(PathBuf),
    /// An image, by name.
    Image(String),
}

/// Where the files of a build come from.
#[derive(Debug)]
pub enum Files {
    /// A directory.
    Directory(PathBuf),
    /// A tar archive, perhaps compressed: a file.
    Archive(File),
    /// Nowhere.
    None,
}

/// An image was built.
#[derive(Debug)]
pub struct BuildReport {
    /// The image.
    pub image: ImageRecord,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// A build has failed.
#[derive(Debug)]
pub struct BuildError {
    /// Why.
    pub error: Error,
    /// The Dockerfile's name, and the lines of it that are at fault.
    pub excerpt: Option<Box<(String, String)>>,
    /// The name of the step that failed, and the last bytes that its command said.
    pub output: Option<Box<(String, Vec<u8>)>>,
}

impl From<Error> for BuildError {
    fn from(error: Error) -> Self {
        Self { error, excerpt: None, output: None }
    }
}

/// Builds an image.
pub fn build(
    engine: &Engine,
    request: &BuildRequest,
    files: Files,
    watcher: &dyn Watcher,
) -> Result<BuildReport, BuildError> {
    engine.paths.ensure()?;
    mounts::sweep(&engine.paths);
    let numbers = Numbers::default();
    let mut context = match files {
        Files::Directory(path) => Context::of_directory(&path)?,
        Files::Archive(file) => Context::of_unpacked(unpack::unpack(engine, OwnedFd::from(file))?)?,
        Files::None => Context::empty(),
    };
    let (name, source) = read_dockerfile(&context, request, &numbers, watcher)?;
    let misread = |wrong: Diagnostic| at_fault(wrong.position, &name, &source, wrong.clone().into_error(&name));
    let file = parse(&source).map_err(misread)?;
    match &request.ignored {
        Some(lines) => context.ignored.clone_from(lines),
        None => context.read_ignored(&name)?,
    }
    let wanted = Wanted {
        target: request.target.as_deref(),
        build_args: request.build_args.clone(),
        platform: request.platform.clone(),
        contexts: request.contexts.keys().cloned().collect(),
    };
    let mut contexts = BTreeMap::new();
    for (name, named) in &request.contexts {
        if let NamedContext::Directory(path) = named {
            let mut named = Context::of_directory(path)?;
            named.read_ignored("Dockerfile")?;
            contexts.insert(name.clone(), named);
        }
    }
    let plan = plan(&file, &wanted).map_err(|wrong| match wrong {
        Wrong::File(wrong) => misread(wrong),
        Wrong::Request(error) => error.into(),
    })?;
    let around = Surroundings {
        driver: request.driver,
        networks: request.networks.clone(),
        shm_size: request.shm_size,
        add_hosts: request.add_hosts.clone(),
    };
    let store = engine.store()?;
    // From here on layers appear that no image names yet.
    let _adding = store.begin_adding()?;
    let mut build =
        Build::new((engine, &store), (&file, &name), &plan, (&context, &contexts), request, around, watcher);
    build.numbers = numbers;
    let built = interruptible(&build).map_err(|failure| explained(failure, &name, &source))?;
    let image = put(engine, request, &built, &build)?;
    let mut warnings: Vec<String> =
        file.warnings.iter().map(|(at, what)| format!("{name}:{}: {what}", at.line)).collect();
    warnings.extend(unused(request, &file, &build));
    prune::keep_to_budget(engine)?;
    Ok(BuildReport { image, warnings })
}

fn read_dockerfile(
    context: &Context,
    request: &BuildRequest,
    numbers: &Numbers,
    watcher: &dyn Watcher,
) -> Result<(String, String)> {
    let asked =
        request.dockerfile.as_ref().map(|(name, _)| name.clone()).or_else(|| request.dockerfile_in_context.clone());
    let shown = asked.clone().unwrap_or_else(|| "Dockerfile".into());
    let events = numbers.begin(watcher, &format!("[internal] load build definition from {}", text::clean(&shown)));
    let read = match &request.dockerfile {
        Some(given) => Ok(given.clone()),
        None => context.dockerfile(request.dockerfile_in_context.as_deref()),
    };
    match &read {
        Ok(_) => events.done(),
        Err(error) => events.tell(Event::Failed(&error.chain())),
    }
    read
}

fn at_fault(position: Position, name: &str, source: &str, error: Error) -> BuildError {
    let excerpt = Diagnostic { message: String::new(), position, hint: None }.excerpt(source);
    let excerpt = Box::new((format!("{name}:{}", position.line), excerpt));
    BuildError { error, excerpt: Some(excerpt), output: None }
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
    let mut config = built.state.config.clone();
    config.created = Some(built.state.created().to_owned());
    config.config.labels.extend(request.labels.clone());
    let job = PutImage {
        base: built.base.clone(),
        layers: built.layers.clone(),
        config,
        format: request.format,
        annotations: request.annotations.clone(),
        names: request.names.clone(),
    };
    let image = worker::call_silently(engine, job);
    match &image {
        Ok(_) => events.done(),
        Err(error) => events.tell(Event::Failed(&error.chain())),
    }
    image
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
