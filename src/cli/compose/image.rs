//! `compose pull`, `build` and `push`: the images of a project.

use std::collections::BTreeMap;

use clap::Args;

use super::work::Work;
use crate::base::{Error, Result, text};
use crate::cli::context::Context;
use crate::cli::progress;
use crate::cli::verb::{Codes, Verb, typed};
use crate::compose::project::Project;
use crate::compose::up::{BuildOptions, Ensurer, ImageWishes};
use crate::engine::push::{PushRequest, push as engine_push};
use crate::spec::image::PullPolicy;

/// `compose pull`.
pub const PULL: Verb = Verb {
    name: "pull",
    about: "Pull the images of services",
    usage: "[SERVICE...]",
    arity: (0, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: PullArguments::augment_args,
    run: |context, matches| pull(context, &typed(matches)?),
};

/// `compose build`.
pub const BUILD: Verb = Verb {
    name: "build",
    about: "Build the images of services",
    usage: "[SERVICE...]",
    arity: (0, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: BuildArguments::augment_args,
    run: |context, matches| build(context, &typed(matches)?),
};

/// `compose push`.
pub const PUSH: Verb = Verb {
    name: "push",
    about: "Push the images of services that are built",
    usage: "[SERVICE...]",
    arity: (0, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: PushArguments::augment_args,
    run: |context, matches| push(context, &typed(matches)?),
};

/// Arguments of `compose pull`.
#[derive(Debug, Clone, Default, Args)]
struct PullArguments {
    /// Leave out images that can be built
    #[arg(long)]
    ignore_buildable: bool,
    /// Go on when an image cannot be pulled
    #[arg(long)]
    ignore_pull_failures: bool,
    /// Pull the images of services that the named ones depend on, too
    #[arg(long)]
    include_deps: bool,
    /// When to ask the registry: missing or always
    #[arg(long, value_name = "POLICY")]
    policy: Option<String>,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
    /// Services; all when none are named
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
}

/// The services that are meant, each after those that it depends on.
fn meant(project: &Project, named: &[String], with_dependencies: bool) -> Vec<String> {
    let is_meant = |name: &String| named.is_empty() || with_dependencies || named.contains(name);
    project.ordered_services().into_iter().filter(is_meant).collect()
}

fn ensurer<'a>(work: &'a Work<'_>, project: &'a Project, wishes: &'a ImageWishes) -> Ensurer<'a> {
    Ensurer {
        engine: &work.engine,
        project,
        report: &work.shown,
        wishes,
        driver: work.context.driver(),
        width: work.width,
        dry_run: work.options.dry_run,
    }
}

fn pull(context: &Context, arguments: &PullArguments) -> Result<u8> {
    let policy = match arguments.policy.as_deref() {
        None | Some("" | "always") => PullPolicy::Always,
        Some("missing") => PullPolicy::Missing,
        Some(other) => return Err(Error::usage(format!("invalid --policy option {:?}", text::clean(other)))),
    };
    let work = Work::with(context, arguments.quiet)?;
    let project = work.project(&arguments.services)?;
    let wishes = ImageWishes::default();
    let ensurer = ensurer(&work, &project, &wishes);
    let services = meant(&project, &arguments.services, arguments.include_deps);
    let named = |name: &String| {
        project.service(name).is_some_and(|service| {
            let has_image = service.text_of("image").is_some_and(|image| !image.is_empty());
            // What has no name in a registry is built.
            let can_be_pulled = has_image || service.get("build").is_none();
            can_be_pulled && !(arguments.ignore_buildable && service.get("build").is_some())
        })
    };
    let services: Vec<String> = services.into_iter().filter(named).collect();
    let mut failure = None;
    let results = ensurer.pull_all(&services, policy);
    for (name, error) in results {
        if arguments.ignore_pull_failures
            || project.service(&name).is_some_and(|service| service.get("build").is_some())
        {
            context.ui.warning(&format!("{name}: {}", error.chain()));
        } else {
            failure.get_or_insert(error);
        }
    }
    failure.map_or(Ok(0), Err)
}

/// Arguments of `compose build`.
#[derive(Debug, Clone, Default, Args)]
struct BuildArguments {
    /// Set an ARG of the Dockerfile; without a value, from the environment
    #[arg(long, value_name = "NAME[=VALUE]")]
    build_arg: Vec<String>,
    /// Do every step again, whatever is in the build cache
    #[arg(long)]
    no_cache: bool,
    /// Ask registries for newer images
    #[arg(long)]
    pull: bool,
    /// Push the images when they are built
    #[arg(long)]
    push: bool,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
    /// The socket of an agent for RUN --mount=type=ssh: default or ID[=SOCKET]
    #[arg(long, value_name = "ID[=SOCKET]")]
    ssh: Vec<String>,
    /// Build the images of services that the named ones depend on, too
    #[arg(long)]
    with_dependencies: bool,
    /// Services; all when none are named
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
}

fn build(context: &Context, arguments: &BuildArguments) -> Result<u8> {
    let work = Work::with(context, arguments.quiet)?;
    let project = work.project(&arguments.services)?;
    let mut given = BTreeMap::new();
    for argument in &arguments.build_arg {
        match argument.split_once('=') {
            Some((name, value)) => drop(given.insert(name.to_owned(), value.to_owned())),
            None => drop(project.variables.get(argument).map(|value| given.insert(argument.clone(), value.clone()))),
        }
    }
    let wishes = ImageWishes {
        build: true,
        options: BuildOptions {
            arguments: given,
            no_cache: arguments.no_cache,
            pull: arguments.pull,
            ssh: arguments.ssh.clone(),
        },
        ..ImageWishes::default()
    };
    let services = meant(&project, &arguments.services, arguments.with_dependencies);
    let can_be_built = |name: &String| project.service(name).is_some_and(|service| service.get("build").is_some());
    let services: Vec<String> = services.into_iter().filter(can_be_built).collect();
    if services.is_empty() {
        context.ui.warning("No services to build");
        return Ok(0);
    }
    ensurer(&work, &project, &wishes).all(&services)?;
    if arguments.push {
        push_all(&work, &project, &services, false)?;
    }
    Ok(0)
}

/// Arguments of `compose push`.
#[derive(Debug, Clone, Default, Args)]
struct PushArguments {
    /// Go on when an image cannot be pushed
    #[arg(long)]
    ignore_push_failures: bool,
    /// Push the images of services that the named ones depend on, too
    #[arg(long)]
    include_deps: bool,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
    /// Services; all when none are named
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
}

fn push(context: &Context, arguments: &PushArguments) -> Result<u8> {
    let work = Work::with(context, arguments.quiet)?;
    let project = work.project(&arguments.services)?;
    let services = meant(&project, &arguments.services, arguments.include_deps);
    push_all(&work, &project, &services, arguments.ignore_push_failures).map(|()| 0)
}

/// Pushes the images that services build and name.
fn push_all(work: &Work<'_>, project: &Project, services: &[String], goes_on: bool) -> Result<()> {
    for name in services {
        let Some(service) = project.service(name) else { continue };
        let Some(image) = service.text_of("image").filter(|_| service.get("build").is_some()) else { continue };
        if work.options.dry_run {
            work.context.ui.note(&format!("DRY-RUN MODE -  {name} Pushing"));
            continue;
        }
        let progress = progress::beside_output(work.context, true);
        let request = PushRequest { image: image.to_owned(), ..PushRequest::default() };
        match engine_push(&work.engine, &request, progress.as_ref()) {
            Err(error) if goes_on => work.context.ui.warning(&format!("{name}: {}", error.chain())),
            pushed => drop(pushed?),
        }
    }
    Ok(())
}
