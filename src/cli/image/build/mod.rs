//! `build`: an image from a Dockerfile.

mod arguments;
mod cache;
mod call;
mod output;
mod places;
mod step;
mod values;

use std::fs::{self, File};

use clap::{Args, Command};
use serde_json::{Value, json};

use self::arguments::BuildArguments;
use self::call::{Asked, Call};
use self::output::{BuildOutput, OutputKind};
use crate::base::{Error, Result, ResultExt, text};
use crate::cli::build_progress::{Quiet, Way};
use crate::cli::container::{proxies, run};
use crate::cli::context::{Context, Persona};
use crate::cli::progress;
use crate::cli::verb::{Codes, Parsed, Verb, typed};
use crate::dockerfile::IGNORE_MAX;
use crate::engine::Engine;
use crate::engine::build::{
    BuildError, BuildReport, BuildRequest, Changed, Files, GIT_VARIABLES, Squash, build as engine_build, survey,
};
use crate::engine::push::list::{SendList, send};
use crate::engine::push::{PushRequest, push};
use crate::oci::Digest;

/// The command.
pub const VERB: Verb = Verb {
    name: "build",
    about: "Build an image from a Dockerfile",
    usage: "DIRECTORY|-",
    arity: (0, Some(1)),
    greedy: false,
    codes: Codes::Plain,
    arguments: BuildArguments::augment_args,
    run: |context, matches| build(context, typed(matches)?),
};

/// What is built and where it goes.
struct Work {
    engine: Engine,
    request: BuildRequest,
    outputs: Vec<BuildOutput>,
    quiet: bool,
}

fn build(context: &Context, arguments: BuildArguments) -> Result<u8> {
    let (file, is_quiet) = (arguments.metadata_file.clone(), arguments.quiet);
    let finished = one(context, arguments, None)?;
    let Some(id) = &finished.image else { return Ok(finished.code) };
    if let Some(path) = file {
        let path = context.path(&path);
        fs::write(&path, format!("{:#}\n", finished.metadata)).at(&path, "cannot write")?;
    }
    if is_quiet || context.persona == Persona::Podman {
        let bare = id.strip_prefix("sha256:").unwrap_or(id);
        context.ui.line(if context.persona == Persona::Podman { bare } else { id })?;
    }
    Ok(finished.code)
}

/// A build that has come to its end.
#[derive(Debug, Default)]
pub struct Finished {
    /// The exit code.
    pub code: u8,
    /// The id of the image.
    pub image: Option<String>,
    /// What `--metadata-file` has.
    pub metadata: Value,
}

impl Finished {
    fn with_code(code: u8) -> Self {
        Self { code, ..Self::default() }
    }
}

/// Builds, with a Dockerfile that is given as text.
pub fn one(context: &Context, arguments: BuildArguments, inline: Option<String>) -> Result<Finished> {
    refuse(&arguments)?;
    let engine = arguments.registry.engine(context)?;
    context.tell_of_single_id(&engine)?;
    let outputs: Vec<BuildOutput> = arguments.output.iter().map(|given| given.parse()).collect::<Result<_>>()?;
    let way = way(context, &arguments)?;
    let quiet = way == Way::Quiet;
    let mut work = Work { engine, request: request(context, &arguments)?, outputs, quiet };
    let sends = arguments.push || work.outputs.iter().any(|output| output.kind == OutputKind::Registry);
    if sends && work.request.names.is_empty() {
        return Err(Error::usage("an image that is sent to a registry needs a name").hint("give it with -t"));
    }
    let files = places::files(context, &work.engine, &arguments, &mut work.request)?;
    if let Some(path) = &arguments.ignorefile {
        let opened = File::open(context.path(path)).at(&context.path(path), "cannot open the list of ignored files")?;
        work.request.ignored = Some(places::limited(opened, path, IGNORE_MAX)?);
    }
    if let Some(text) = inline {
        work.request.dockerfile = Some(("Dockerfile".into(), text));
    }
    let call = if arguments.check { "check" } else { arguments.call.as_deref().unwrap_or_default() };
    if let Some(call) = Call::parse(call)? {
        return answer(context, &work, call, files).map(Finished::with_code);
    }
    let colors = context.environment.get("NO_COLOR").is_none_or(str::is_empty);
    let watcher = way.watcher(colors);
    let built = engine_build(&work.engine, &work.request, files, watcher.as_ref());
    // It draws its last picture before anything else is said.
    drop(watcher);
    let report = match built {
        Ok(report) => report,
        Err(mut failed) => {
            let before = failed.before.take();
            let error = explained(context, failed, way != Way::Plain);
            if let Some(image) = before {
                context.ui.error(&error);
                look_into(context, &image)?;
                return Ok(Finished::with_code(context.persona.failure()));
            }
            return Err(error);
        }
    };
    for warning in &report.warnings {
        context.ui.warning(warning);
    }
    if !work.quiet {
        call::summary(context, &report.checked, arguments.debug || context.ui.shows_debug());
    }
    deliver(context, &arguments, &work, &report)?;
    let mut sent = None;
    if sends {
        for name in &work.request.names {
            let progress = progress::beside_output(context, work.quiet);
            if report.images.len() > 1 {
                let request = SendList { list: name.clone(), to: name.clone(), all: true, docker: None };
                sent = Some(send(&work.engine, &request, progress.as_ref())?);
                continue;
            }
            let request = PushRequest { image: name.to_string(), ..PushRequest::default() };
            let pushed = push(&work.engine, &request, progress.as_ref())?;
            sent = pushed.into_iter().next().map(|pushed| pushed.digest).or(sent);
        }
    }
    Ok(Finished { code: 0, image: Some(report.image.id.to_string()), metadata: metadata(&work.request, &report, sent) })
}

/// What cannot be, although it has a flag.
fn refuse(arguments: &BuildArguments) -> Result<()> {
    if let Some(name) = arguments.builder.as_deref().filter(|name| !["", "default"].contains(name)) {
        return Err(Error::not_found(format!("no builder \"{}\" found", text::clean(name)))
            .hint("there is one, called `default`: nothing runs when nothing is built"));
    }
    for (flag, given) in [("--rm", arguments.rm), ("--force-rm", arguments.force_rm)] {
        if given == Some(false) {
            return Err(Error::unsupported(format!("{flag}=false is not supported")).hint(
                "containers of steps never stay; --target builds up to a stage, to look at it with `coracle run`",
            ));
        }
    }
    if arguments.identity_label == Some(true) {
        return Err(Error::unsupported(
            "--identity-label=true is not supported: images carry no label of their builder",
        ));
    }
    for (flag, given) in [("--provenance", &arguments.provenance), ("--sbom", &arguments.sbom)] {
        if given.as_deref().is_some_and(|given| given != "false") {
            return Err(no_attestation(flag));
        }
    }
    if !arguments.attest.iter().all(|given| given.split(',').any(|field| field == "disabled=true")) {
        return Err(no_attestation("--attest"));
    }
    if let Some(other) = arguments.allow.iter().find(|allowed| *allowed != "network.host") {
        return Err(Error::unsupported(format!("cannot allow `{}` to the steps", text::clean(other)))
            .hint("the only entitlement is `network.host`: every step is confined"));
    }
    Ok(())
}

fn no_attestation(flag: &str) -> Error {
    Error::unsupported(format!("{flag} is not supported: coracle makes no attestations yet"))
        .hint("leave it out, or say `--provenance=false --sbom=false`")
}

fn answer(context: &Context, work: &Work, call: Call, files: Files) -> Result<u8> {
    let Work { engine, request, .. } = work;
    let failed = |error: BuildError| explained(context, error, false);
    match call.asked {
        Asked::Check => {
            let checked = survey::check(engine, request, files, &Quiet).map_err(failed)?;
            call::checked(context, &checked, call.json)
        }
        Asked::Outline => {
            let outline = survey::outline(engine, request, files, &Quiet).map_err(failed)?;
            call::outline(context, &outline, call.json)
        }
        Asked::Targets => {
            let targets = survey::targets(engine, request, files, &Quiet).map_err(failed)?;
            call::targets(context, &targets, call.json)
        }
    }
}

/// Writes the files and outputs that were asked for.
fn deliver(context: &Context, arguments: &BuildArguments, work: &Work, report: &BuildReport) -> Result<()> {
    let id = report.image.id.to_string();
    if let Some(path) = &arguments.iidfile {
        let path = context.path(path);
        fs::write(&path, &id).at(&path, "cannot write")?;
    }
    work.outputs.iter().try_for_each(|output| output.write(context, &work.engine, report, &work.request))
}

/// What is known of the image; `sent` is the digest of what a registry has.
fn metadata(request: &BuildRequest, report: &BuildReport, sent: Option<Digest>) -> Value {
    let names: Vec<String> = request.names.iter().map(ToString::to_string).collect();
    json!({
        "containerimage.config.digest": report.image.id.to_string(),
        "containerimage.digest": sent.as_ref().or(report.index.as_ref()).unwrap_or(&report.image.manifest).to_string(),
        "image.name": names.join(","),
    })
}

/// `--debug-on-error`: a shell in the files of the stage as they were before the step that failed.
fn look_into(context: &Context, id: &str) -> Result<()> {
    if !context.ui.in_is_terminal() {
        context.ui.note(&format!("the files before the step are in the image {id}"));
        return Ok(());
    }
    context.ui.note(&format!("a shell in the files before the step (image {id}); leave it with `exit`"));
    let command = (run::VERB.arguments)(Command::new("run").disable_help_flag(true));
    let words = ["-it", "--rm", "--entrypoint", "/bin/sh", id].map(str::to_owned);
    if let Parsed::Arguments(matches) = run::VERB.parse(&command, "run", &words).map_err(|wrong| wrong.error)? {
        (run::VERB.run)(context, &matches)?;
    }
    Ok(())
}

fn way(context: &Context, arguments: &BuildArguments) -> Result<Way> {
    let given = arguments.progress.as_deref().or_else(|| context.environment.get("BUILDKIT_PROGRESS"));
    let is_terminal = context.ui.err_is_terminal() && context.environment.get("TERM").is_none_or(|term| term != "dumb");
    let way = Way::parse(given.unwrap_or("auto"), is_terminal)?;
    Ok(if arguments.quiet { Way::Quiet } else { way })
}

fn request(context: &Context, arguments: &BuildArguments) -> Result<BuildRequest> {
    let mut build_args = values::build_args(context, arguments)?;
    let epoch = values::epoch(context, arguments, &build_args)?;
    if arguments.step.http_proxy.unwrap_or(true) {
        for variable in proxies::variables(context.persona, &context.environment, &context.docker_directory()) {
            if let Some((name, value)) = variable.split_once('=') {
                build_args.entry(name.to_owned()).or_insert_with(|| value.to_owned());
            }
        }
    }
    let has_layers = arguments.layers != Some(false);
    let changed = Changed {
        labels: values::pairs("--label", &arguments.label)?.into_iter().collect(),
        drops_labels: arguments.inherit_labels == Some(false),
        without_labels: arguments.unsetlabel.clone(),
        env: values::variables(context, "--env", &arguments.env)?,
        without_env: arguments.unsetenv.clone(),
        without_history: arguments.omit_history,
        squash: match (arguments.squash_all, arguments.squash || !has_layers) {
            (true, _) => Squash::All,
            (false, true) => Squash::New,
            (false, false) => Squash::No,
        },
    };
    Ok(BuildRequest {
        names: arguments.tag.iter().map(|name| values::tag(name)).collect::<Result<_>>()?,
        target: arguments.target.clone().filter(|target| !target.is_empty()),
        build_args,
        annotations: values::pairs("--annotation", &arguments.annotation)?,
        pull: values::pull(arguments.pull.as_deref())?,
        no_cache: arguments.no_cache || !has_layers,
        no_cache_filter: arguments.no_cache_filter.clone(),
        cache_from: arguments.cache_from.iter().map(|given| cache::from(context, given)).collect::<Result<_>>()?,
        cache_to: arguments.cache_to.iter().map(|given| cache::to(context, given)).collect::<Result<_>>()?,
        lists: arguments.manifest.iter().map(|name| values::tag(name)).collect::<Result<_>>()?,
        contexts: arguments.build_context.iter().map(|given| values::named(context, given)).collect::<Result<_>>()?,
        platforms: values::platforms(context, arguments)?,
        secrets: arguments.secret.iter().map(|given| values::secret(context, given)).collect::<Result<_>>()?,
        ssh: arguments.ssh.iter().map(|given| values::ssh(context, given)).collect::<Result<_>>()?,
        epoch,
        all_times: arguments.timestamp.is_some(),
        format: values::format(arguments.format.as_deref())?,
        step: arguments.step.clone().request(&context.around())?,
        environment: {
            let given = |name: &str| Some((name.to_owned(), context.environment.get(name)?.to_owned()));
            GIT_VARIABLES.iter().filter_map(|(name, _)| given(name)).collect()
        },
        keeps_failed: arguments.debug_on_error,
        allows_host_network: arguments.allow.iter().any(|allowed| allowed == "network.host"),
        first_base: arguments.from.clone(),
        all_stages: arguments.skip_unused_stages == Some(false),
        jobs: arguments.jobs.filter(|jobs| *jobs > 0),
        changed,
        ..BuildRequest::default()
    })
}

/// What went wrong, with the lines of the Dockerfile and the last output.
fn explained(context: &Context, failed: BuildError, shows_output: bool) -> Error {
    if let Some((step, tail)) = failed.output.map(|output| *output).filter(|(_, tail)| !tail.is_empty() && shows_output)
    {
        context.ui.note("------");
        context.ui.note(&format!(" > {step}:"));
        context.ui.note(String::from_utf8_lossy(&tail).trim_end());
        context.ui.note("------");
    }
    if let Some((place, lines)) = failed.excerpt.map(|excerpt| *excerpt) {
        context.ui.note(&format!("{place}\n--------------------\n{}--------------------", lines));
    }
    failed.error
}
