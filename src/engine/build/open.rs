//! The beginning of a build: contexts are opened or fetched, and the Dockerfile is read.

// An error is made once in a build, and carries what a person wants to see.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;

use super::context::{self, Context};
use super::events::{Event, Numbers, Watcher};
use super::remote::{self, Remote, Trust};
use super::request::{BuildError, BuildRequest, Files, NamedContext};
use super::stages::{Plan, Wanted, Wrong, plan};
use super::{sources, unpack};
use crate::base::{Error, Result, ResultExt, text};
use crate::dockerfile::{Diagnostic, Dockerfile, MAX_FILE, Position, parse};
use crate::engine::Engine;
use crate::engine::archives::load::{LoadRequest, load};
use crate::engine::progress::Silent;

/// A Dockerfile that was read, with its context.
pub(super) struct Opened {
    pub(super) context: Context,
    /// Its name.
    pub(super) name: String,
    pub(super) source: String,
    pub(super) file: Dockerfile,
    pub(super) numbers: Numbers,
}

/// Reads the Dockerfile.
pub(super) fn open(
    engine: &Engine,
    request: &BuildRequest,
    files: Files,
    watcher: &dyn Watcher,
) -> Result<Opened, BuildError> {
    engine.paths.ensure()?;
    let numbers = Numbers::default();
    let (mut context, dockerfile) = match files {
        Files::Directory(path) => (Context::of_directory(&path)?, None),
        Files::Archive(file) => (Context::of_unpacked(unpack::unpack(engine, OwnedFd::from(file))?)?, None),
        Files::Remote(remote) => {
            let events = numbers.begin(watcher, &format!("[internal] load remote build context {}", remote.shown()));
            let fetched = fetched_context(engine, request, &remote);
            match &fetched {
                Ok(_) => events.done(),
                Err(error) => events.tell(Event::Failed(&error.chain())),
            }
            fetched?
        }
        Files::None => (Context::empty(), None),
    };
    let (name, source) = match dockerfile {
        Some(given) if request.dockerfile.is_none() => given,
        _ => read_dockerfile(&context, request, &numbers, watcher)?,
    };
    let file = parse(&source).map_err(|wrong| misread(wrong, &name, &source))?;
    match &request.ignored {
        Some(lines) => context.ignored.clone_from(lines),
        None => context.read_ignored(&name)?,
    }
    Ok(Opened { context, name, source, file, numbers })
}

/// A context that is somewhere else; of a Dockerfile, its name and text.
fn fetched_context(
    engine: &Engine,
    request: &BuildRequest,
    remote: &Remote,
) -> Result<(Context, Option<(String, String)>)> {
    let around = request.remote(engine, Trust::User);
    match remote {
        Remote::Git(repository) => {
            let keep = request.build_args.get("BUILDKIT_CONTEXT_KEEP_GIT_DIR");
            let keep = keep.is_some_and(|given| given == "1" || given == "true");
            let fetched = remote::git::fetch(&around, &remote::git::resolve(&around, repository, None)?, keep)?;
            Ok((Context::of_fetched(fetched)?, None))
        }
        Remote::Http(url) => {
            let fetched = remote::http::look(&around, url, None)?.fetched(&around)?;
            let file = fetched.file()?;
            if sources::is_archive(&file)? {
                return Ok((Context::of_unpacked(unpack::unpack(engine, OwnedFd::from(file))?)?, None));
            }
            let text = context::read_limited(file, url, MAX_FILE)?;
            Ok((Context::empty(), Some(("Dockerfile".into(), text))))
        }
    }
}

/// The directories of named contexts.
pub(super) fn named_contexts(engine: &Engine, request: &BuildRequest) -> Result<BTreeMap<String, Context>> {
    let mut contexts = BTreeMap::new();
    for (name, named) in &request.contexts {
        let mut context = match named {
            NamedContext::Directory(path) => Context::of_directory(path)?,
            NamedContext::Remote(remote) => match fetched_context(engine, request, remote)? {
                (context, None) => context,
                (_, Some(_)) => {
                    let name = text::clean(name);
                    return Err(Error::invalid(format!(
                        "the build context `{name}` is neither an archive nor a repository"
                    )));
                }
            },
            NamedContext::Image(_) | NamedContext::Layout(..) => continue,
        };
        context.read_ignored("Dockerfile")?;
        contexts.insert(name.clone(), context);
    }
    Ok(contexts)
}

/// What the images of named contexts are called here; those of layouts are stored without a name.
pub(super) fn named_images(engine: &Engine, request: &BuildRequest) -> Result<BTreeMap<String, String>> {
    let mut images = BTreeMap::new();
    for (name, named) in &request.contexts {
        match named {
            NamedContext::Image(image) => drop(images.insert(name.clone(), image.clone())),
            NamedContext::Layout(path, wanted) => {
                let layout = File::open(path).at(path, "cannot open the OCI layout")?;
                let platform = request.platforms.first().cloned();
                let wanted = LoadRequest { platform, only: wanted.clone(), unnamed: true };
                let loaded = load(engine, &wanted, layout.into(), &Silent)?;
                let [only] = &loaded[..] else {
                    return Err(Error::invalid(format!("the layout `{}` has {} images", path.display(), loaded.len()))
                        .hint("name one of them: oci-layout://DIRECTORY:TAG or @DIGEST"));
                };
                images.insert(name.clone(), only.image.id.to_string());
            }
            NamedContext::Directory(_) | NamedContext::Remote(_) => {}
        }
    }
    Ok(images)
}

impl Opened {
    pub(super) fn plan(&self, request: &BuildRequest) -> Result<Plan, BuildError> {
        let wanted = Wanted {
            target: request.target.as_deref(),
            build_args: request.build_args.clone(),
            platform: request.platforms.first().cloned(),
            contexts: request.contexts.keys().cloned().collect(),
            first_base: request.first_base.as_deref(),
            all: request.all_stages,
        };
        plan(&self.file, &wanted).map_err(|wrong| match wrong {
            Wrong::File(wrong) => misread(wrong, &self.name, &self.source),
            Wrong::Request(error) => error.into(),
        })
    }
}

fn misread(wrong: Diagnostic, name: &str, source: &str) -> BuildError {
    at_fault(wrong.position, name, source, wrong.into_error(name))
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

pub(super) fn at_fault(position: Position, name: &str, source: &str, error: Error) -> BuildError {
    let excerpt = Diagnostic { message: String::new(), position, hint: None }.excerpt(source);
    let excerpt = Box::new((format!("{name}:{}", position.line), excerpt));
    BuildError { error, excerpt: Some(excerpt), output: None, before: None }
}
