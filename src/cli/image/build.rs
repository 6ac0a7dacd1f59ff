//! `build`: an image from a Dockerfile.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::base::error::if_absent;
use crate::base::{Error, Result, ResultExt, publish, text};
use crate::cli::build_progress::{Plain, Quiet};
use crate::cli::context::{Context, Persona};
use crate::cli::image::build_output::{BuildOutput, OutputKind};
use crate::cli::progress;
use crate::cli::registry_options::RegistryOptions;
use crate::cli::verb::{Codes, Verb, typed};
use crate::dockerfile::{IGNORE_MAX, MAX_FILE};
use crate::engine::Engine;
use crate::engine::build::events::Watcher;
use crate::engine::build::{BuildError, BuildRequest, Files, ImageFormat, NamedContext, build as engine_build};
use crate::engine::push::{PushRequest, push};
use crate::oci::{Platform, Reference};
use crate::spec::attachment::host_entry;
use crate::spec::namespaces::NetworkRequest;
use crate::spec::network::Wish;
use crate::spec::{csv, storage};

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

/// The largest secret, in bytes: BuildKit's limit.
const SECRET_MAX: usize = 500 << 10;

/// Arguments of `build`.
#[derive(Debug, Clone, Args)]
struct BuildArguments {
    #[command(flatten)]
    registry: RegistryOptions,
    /// Add a name to /etc/hosts of the steps: NAME:ADDRESS
    #[arg(long, value_name = "NAME:ADDRESS")]
    add_host: Vec<String>,
    /// Add an annotation to the manifest of the image
    #[arg(long, value_name = "NAME=VALUE")]
    annotation: Vec<String>,
    /// Set an ARG of the Dockerfile; without a value, from the environment
    #[arg(long, value_name = "NAME[=VALUE]")]
    build_arg: Vec<String>,
    /// A directory or image (docker-image://NAME) that FROM and --from know by a name
    #[arg(long, value_name = "NAME=WHERE")]
    build_context: Vec<String>,
    /// The Dockerfile; - for standard input (default Dockerfile in the context)
    #[arg(short, long, value_name = "FILE")]
    file: Option<String>,
    /// The format of the image's manifest: oci or docker (default oci)
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Write the id of the image to a file
    #[arg(long, value_name = "FILE")]
    iidfile: Option<String>,
    /// Add a label to the image
    #[arg(long, value_name = "NAME=VALUE")]
    label: Vec<String>,
    /// Store the image here, which is always done
    #[arg(long)]
    load: bool,
    /// Write what is known of the image to a file, as JSON
    #[arg(long, value_name = "FILE")]
    metadata_file: Option<String>,
    /// The network of the steps: default, none, host or the name of a network
    #[arg(long, value_name = "NETWORK")]
    network: Option<String>,
    /// Do every step again, whatever is in the build cache
    #[arg(long)]
    no_cache: bool,
    /// Do the steps of this stage again
    #[arg(long, value_name = "STAGE", value_delimiter = ',')]
    no_cache_filter: Vec<String>,
    /// Build for this platform: os/architecture[/variant]
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// Write the result somewhere: type=local|tar|oci|docker|image|registry[,dest=PATH], or a directory, or - for a tar
    /// stream on standard output
    #[arg(short, long, value_name = "OUTPUT")]
    output: Vec<String>,
    /// How progress is shown: auto, plain or quiet
    #[arg(long, value_name = "WAY")]
    progress: Option<String>,
    /// Ask registries for newer images
    #[arg(long)]
    pull: bool,
    /// Send the image to the registries of its names
    #[arg(long)]
    push: bool,
    /// Show no progress, print the id of the image only
    #[arg(short, long)]
    quiet: bool,
    /// A secret for RUN --mount=type=secret: id=NAME[,src=FILE|,env=VARIABLE]
    #[arg(long, value_name = "SECRET")]
    secret: Vec<String>,
    /// Size of /dev/shm of the steps
    #[arg(long, value_name = "BYTES")]
    shm_size: Option<String>,
    /// No time in the image is later, in seconds since 1970 (default SOURCE_DATE_EPOCH of the environment)
    #[arg(long, value_name = "SECONDS")]
    source_date_epoch: Option<i64>,
    /// The socket of an agent for RUN --mount=type=ssh: default or ID[=SOCKET]
    #[arg(long, value_name = "ID[=SOCKET]")]
    ssh: Vec<String>,
    /// A name of the image
    #[arg(short, long, value_name = "NAME[:TAG]")]
    tag: Vec<String>,
    /// Build this stage of the Dockerfile
    #[arg(long, value_name = "STAGE")]
    target: Option<String>,
    /// The directory with the files that are copied; - for a Dockerfile or an archive on standard input
    #[arg(value_name = "CONTEXT")]
    files: Option<String>,
}

fn build(context: &Context, arguments: BuildArguments) -> Result<u8> {
    let engine = arguments.registry.engine(context)?;
    context.tell_of_single_id(&engine)?;
    let mut request = request(context, &arguments)?;
    let outputs: Vec<BuildOutput> = arguments.output.iter().map(|given| given.parse()).collect::<Result<_>>()?;
    if outputs.iter().any(|output| output.kind == OutputKind::Registry) && request.names.is_empty() {
        return Err(Error::usage("--output type=registry needs a name for the image").hint("give it with -t"));
    }
    let quiet = arguments.quiet || shown(context, &arguments)? == Shown::Quiet;
    let watcher: Box<dyn Watcher> = if quiet { Box::new(Quiet) } else { Box::new(Plain::new()) };
    let files = files(context, &engine, &arguments, &mut request)?;
    let report = match engine_build(&engine, &request, files, watcher.as_ref()) {
        Ok(report) => report,
        Err(failed) => return Err(explained(context, failed, quiet)),
    };
    drop(watcher);
    for warning in &report.warnings {
        context.ui.warning(warning);
    }
    let id = report.image.id.to_string();
    if let Some(path) = &arguments.iidfile {
        let path = context.path(path);
        fs::write(&path, &id).at(&path, "cannot write")?;
    }
    if let Some(path) = &arguments.metadata_file {
        let path = context.path(path);
        let names: Vec<String> = request.names.iter().map(ToString::to_string).collect();
        let metadata = json!({
            "containerimage.config.digest": id,
            "containerimage.digest": report.image.manifest.to_string(),
            "image.name": names.join(","),
        });
        fs::write(&path, format!("{metadata:#}\n")).at(&path, "cannot write")?;
    }
    for output in &outputs {
        output.write(context, &engine, &report, &request)?;
    }
    if arguments.push || outputs.iter().any(|output| output.kind == OutputKind::Registry) {
        for name in &request.names {
            let progress = progress::beside_output(context, quiet);
            let request = PushRequest { image: name.to_string(), ..PushRequest::default() };
            push(&engine, &request, progress.as_ref())?;
        }
    }
    if arguments.quiet || context.persona == Persona::Podman {
        let id = if context.persona == Persona::Podman { report.image.id.hex() } else { &id };
        context.ui.line(id)?;
    }
    Ok(0)
}

#[derive(Debug, PartialEq, Eq)]
enum Shown {
    Plain,
    Quiet,
}

fn shown(context: &Context, arguments: &BuildArguments) -> Result<Shown> {
    let way = arguments.progress.as_deref().or_else(|| context.environment.get("BUILDKIT_PROGRESS")).unwrap_or("auto");
    match way {
        "auto" | "plain" | "" => Ok(Shown::Plain),
        "quiet" | "none" => Ok(Shown::Quiet),
        other => Err(Error::usage(format!("invalid argument `{}` for `--progress`", text::clean(other)))
            .hint("it is `auto`, `plain` or `quiet`")),
    }
}

fn request(context: &Context, arguments: &BuildArguments) -> Result<BuildRequest> {
    let environment = |name: &str| context.environment.get(name).map(str::to_owned);
    let platform = arguments.platform.clone().or_else(|| environment("DOCKER_DEFAULT_PLATFORM"));
    let platform: Option<Platform> = platform.filter(|text| !text.is_empty()).map(|text| text.parse()).transpose()?;
    if arguments.push && arguments.tag.is_empty() {
        return Err(Error::usage("--push needs a name for the image").hint("give it with -t"));
    }
    let mut build_args = BTreeMap::new();
    for given in &arguments.build_arg {
        match given.split_once('=') {
            Some((name, value)) => drop(build_args.insert(name.to_owned(), value.to_owned())),
            None => drop(environment(given).map(|value| build_args.insert(given.clone(), value))),
        }
    }
    let epoch = match (
        arguments.source_date_epoch,
        build_args.get("SOURCE_DATE_EPOCH").cloned().or_else(|| environment("SOURCE_DATE_EPOCH")),
    ) {
        (Some(epoch), _) => Some(epoch),
        (None, Some(text)) if !text.is_empty() => Some(
            text.parse()
                .map_err(|_| Error::usage(format!("SOURCE_DATE_EPOCH is no number: `{}`", text::clean(&text))))?,
        ),
        (None, _) => None,
    };
    Ok(BuildRequest {
        names: arguments.tag.iter().map(|name| tag(name)).collect::<Result<_>>()?,
        target: arguments.target.clone().filter(|target| !target.is_empty()),
        build_args,
        labels: pairs("--label", &arguments.label)?.into_iter().collect(),
        annotations: pairs("--annotation", &arguments.annotation)?,
        pull: arguments.pull,
        no_cache: arguments.no_cache,
        no_cache_filter: arguments.no_cache_filter.clone(),
        contexts: arguments.build_context.iter().map(|given| named(context, given)).collect::<Result<_>>()?,
        platform,
        secrets: arguments.secret.iter().map(|given| secret(context, given)).collect::<Result<_>>()?,
        ssh: arguments.ssh.iter().map(|given| ssh(context, given)).collect::<Result<_>>()?,
        epoch,
        format: format(arguments.format.as_deref())?,
        driver: context.driver(),
        networks: networks(arguments.network.as_deref()),
        shm_size: arguments.shm_size.as_deref().map(storage::shm_size).transpose()?,
        add_hosts: arguments.add_host.iter().map(|given| host_entry(given)).collect::<Result<_>>()?,
        ..BuildRequest::default()
    })
}

fn tag(name: &str) -> Result<Reference> {
    let reference: Reference = name.parse()?;
    match reference.digest() {
        Some(_) => Err(Error::usage(format!(
            "invalid tag `{}`: a name of an image that is built has no digest",
            text::clean(name)
        ))),
        None => Ok(reference),
    }
}

fn pairs(option: &str, given: &[String]) -> Result<Vec<(String, String)>> {
    let pair = |given: &String| match given.split_once('=') {
        Some(("", _)) => Err(Error::usage(format!("invalid argument `{}` for `{option}`", text::clean(given)))),
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Ok((given.clone(), String::new())),
    };
    given.iter().map(pair).collect()
}

fn format(given: Option<&str>) -> Result<Option<ImageFormat>> {
    match given {
        None => Ok(None),
        Some("oci") => Ok(Some(ImageFormat::Oci)),
        Some("docker") => Ok(Some(ImageFormat::Docker)),
        Some(other) => Err(Error::usage(format!("invalid argument `{}` for `--format`", text::clean(other)))
            .hint("it is `oci` or `docker`")),
    }
}

fn networks(given: Option<&str>) -> Vec<NetworkRequest> {
    match given {
        None | Some("default" | "") => Vec::new(),
        Some("none") => vec![NetworkRequest::None],
        Some("host") => vec![NetworkRequest::Host],
        Some(name) => vec![NetworkRequest::Named(name.to_owned(), Wish::default())],
    }
}

/// `NAME=DIRECTORY` or `NAME=docker-image://IMAGE`.
fn named(context: &Context, given: &str) -> Result<(String, NamedContext)> {
    let wrong = || {
        Error::usage(format!("invalid argument `{}` for `--build-context`", text::clean(given)))
            .hint("it is NAME=DIRECTORY or NAME=docker-image://IMAGE")
    };
    match given.split_once('=') {
        Some(("", _) | (_, "")) | None => Err(wrong()),
        Some((name, place)) => match (place.strip_prefix("docker-image://"), place.contains("://")) {
            (Some(image), _) => Ok((name.to_owned(), NamedContext::Image(image.to_owned()))),
            (None, true) => Err(wrong()),
            (None, false) => Ok((name.to_owned(), NamedContext::Directory(context.path(place)))),
        },
    }
}

/// `id=NAME[,src=FILE|,env=VARIABLE][,type=file|env]`.
fn secret(context: &Context, given: &str) -> Result<(String, Vec<u8>)> {
    let wrong = |why: &str| Error::usage(format!("invalid argument `{}` for `--secret`: {why}", text::clean(given)));
    let (mut id, mut source, mut variable, mut kind) = (None, None, None, None);
    for field in csv::fields(given)? {
        match field.split_once('=') {
            Some(("id", value)) => id = Some(value.to_owned()),
            Some(("src" | "source", value)) => source = Some(value.to_owned()),
            Some(("env", value)) => variable = Some(value.to_owned()),
            Some(("type", value @ ("file" | "env"))) => kind = Some(value.to_owned()),
            _ => return Err(wrong("it is id=NAME[,src=FILE|,env=VARIABLE]")),
        }
    }
    let id = id.filter(|id| !id.is_empty()).ok_or_else(|| wrong("it has no id"))?;
    if kind.as_deref() == Some("env") && variable.is_none() {
        variable = source.take();
    }
    // Neither: a variable of that name, or a file.
    if variable.is_none() && source.is_none() {
        match context.environment.get(&id) {
            Some(_) if kind.as_deref() != Some("file") => variable = Some(id.clone()),
            _ => source = Some(id.clone()),
        }
    }
    if let Some(variable) = variable {
        let value = context.environment.get(&variable).ok_or_else(|| wrong("the variable is not set"))?;
        return Ok((id, value.as_bytes().to_vec()));
    }
    let path = context.path(&source.unwrap_or_default());
    let mut content = Vec::new();
    let opened = File::open(&path).and_then(|file| file.take(SECRET_MAX as u64 + 1).read_to_end(&mut content));
    opened.at(&path, "cannot read the secret")?;
    match content.len() > SECRET_MAX {
        true => Err(wrong("the file is larger than 500 KiB")),
        false => Ok((id, content)),
    }
}

/// `default`, `ID` or `ID=SOCKET`.
fn ssh(context: &Context, given: &str) -> Result<(String, PathBuf)> {
    use std::os::unix::fs::FileTypeExt;
    let wrong = |why: &str| Error::usage(format!("invalid argument `{}` for `--ssh`: {why}", text::clean(given)));
    let (id, path) = given.split_once('=').map_or((given, None), |(id, path)| (id, Some(path)));
    let path = match path.or_else(|| context.environment.get("SSH_AUTH_SOCK")) {
        Some(path) if !path.is_empty() => context.path(path),
        _ => return Err(wrong("no agent runs: SSH_AUTH_SOCK is not set")),
    };
    match fs::metadata(&path).at(&path, "cannot examine")?.file_type().is_socket() {
        true => Ok((id.to_owned(), path)),
        false => Err(wrong("it is not the socket of an agent").hint("load the key into an agent: ssh-add FILE")),
    }
}

/// Where the files are; what the command line names is read.
fn files(context: &Context, engine: &Engine, arguments: &BuildArguments, request: &mut BuildRequest) -> Result<Files> {
    let from = match (arguments.files.as_deref(), arguments.file.as_deref()) {
        (Some(from), _) => from,
        // podman takes the directory of the command.
        (None, _) if context.persona != Persona::Docker => ".",
        (None, _) => {
            return Err(Error::usage("'docker build' requires 1 argument")
                .hint("name the directory of the build context, often `.`"));
        }
    };
    if ["http://", "https://", "git://", "git@", "ssh://", "github.com/"].iter().any(|scheme| from.starts_with(scheme))
    {
        return Err(Error::unsupported(format!(
            "cannot build from `{}`: only directories and standard input",
            text::clean(from)
        ))
        .hint("fetch it first: git clone, or curl and tar"));
    }
    if from == "-" {
        if arguments.file.as_deref() == Some("-") {
            return Err(Error::usage("invalid argument: can't use stdin for both build context and dockerfile"));
        }
        request.dockerfile_in_context.clone_from(&arguments.file);
        return standard_input(engine, request);
    }
    let directory = context.path(from);
    if let Some(file) = &arguments.file {
        dockerfile(context, file, request)?;
    }
    Ok(Files::Directory(directory))
}

fn dockerfile(context: &Context, file: &str, request: &mut BuildRequest) -> Result<()> {
    if file == "-" {
        let content = limited(io::stdin().lock(), "standard input", MAX_FILE)?;
        request.dockerfile = Some(("Dockerfile".into(), content));
        return Ok(());
    }
    let path = context.path(file);
    match if_absent(File::open(&path)).at(&path, "cannot open the Dockerfile")? {
        Some(opened) => {
            request.dockerfile = Some((file.to_owned(), limited(opened, file, MAX_FILE)?));
            request.ignored = beside(&path)?;
            Ok(())
        }
        // podman looks in the context as well.
        None => {
            request.dockerfile_in_context = Some(file.to_owned());
            Ok(())
        }
    }
}

/// `<Dockerfile>.dockerignore`.
fn beside(path: &Path) -> Result<Option<String>> {
    let mut name = path.as_os_str().to_owned();
    name.push(".dockerignore");
    let path = PathBuf::from(name);
    match if_absent(File::open(&path)).at(&path, "cannot open")? {
        Some(file) => limited(file, &path.display().to_string(), IGNORE_MAX).map(Some),
        None => Ok(None),
    }
}

fn limited(input: impl Read, name: &str, limit: usize) -> Result<String> {
    let mut bytes = Vec::new();
    let name = text::clean(name).into_owned();
    input.take(limit as u64 + 1).read_to_end(&mut bytes).context(|| format!("cannot read `{name}`"))?;
    if bytes.len() > limit {
        return Err(Error::invalid(format!("`{name}` is larger than {limit} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| Error::invalid(format!("`{name}` is not UTF-8")))
}

/// An archive, or a Dockerfile without a context.
fn standard_input(engine: &Engine, request: &mut BuildRequest) -> Result<Files> {
    let mut input = io::stdin().lock();
    let mut head = Vec::new();
    Read::by_ref(&mut input).take(512).read_to_end(&mut head).context(|| "cannot read standard input")?;
    if !is_archive(&head) {
        let content = limited(io::Cursor::new(head).chain(input), "standard input", MAX_FILE)?;
        request.dockerfile = Some(("Dockerfile".into(), content));
        request.dockerfile_in_context = None;
        return Ok(Files::None);
    }
    engine.paths.ensure()?;
    let mut file = publish::nameless(&engine.paths.data)?;
    let copied = file
        .write_all(&head)
        .and_then(|()| io::copy(&mut input, &mut file))
        .and_then(|_| file.seek(SeekFrom::Start(0)));
    copied.context(|| "cannot keep the build context of standard input")?;
    Ok(Files::Archive(file))
}

fn is_archive(head: &[u8]) -> bool {
    let compressed: [&[u8]; 4] = [b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"];
    compressed.iter().any(|magic| head.starts_with(magic)) || head.get(257..262) == Some(b"ustar")
}

/// What went wrong, with the lines of the Dockerfile and the last output.
fn explained(context: &Context, failed: BuildError, quiet: bool) -> Error {
    if let Some((step, tail)) = failed.output.map(|output| *output).filter(|(_, tail)| !tail.is_empty() && quiet) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_told_from_dockerfiles() {
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        assert!(is_archive(&tar) && is_archive(b"\x1f\x8b\x08") && !is_archive(b"FROM x\n") && !is_archive(b""));
    }

    #[test]
    fn values_are_read() {
        assert!(tag("a:b").is_ok() && tag(&format!("a@sha256:{}", "0".repeat(64))).is_err() && tag("A").is_err());
        assert_eq!(
            pairs("--label", &["a=b=c".into(), "d".into()]).unwrap(),
            [("a".into(), "b=c".into()), ("d".into(), "".into())]
        );
        assert!(pairs("--label", &["=b".into()]).is_err() && format(Some("x")).is_err());
        assert_eq!(networks(Some("none")), [NetworkRequest::None]);
    }
}
