//! `manifest`: lists of images for several platforms. docker's and podman's words, where they differ by the persona.

use clap::{Args, ValueEnum};

use crate::base::{Error, Result, ResultExt, text};
use crate::cli::context::{Context, Persona};
use crate::cli::progress;
use crate::cli::registry_options::RegistryOptions;
use crate::cli::verb::{Codes, Verb, each, typed};
use crate::engine::Engine;
use crate::engine::lists::{
    self, Look, NewList, add as engine_add, annotate as engine_annotate, create as engine_create, inspect_images,
    name_of,
};
use crate::engine::push::list::{SendList, send};
use crate::oci::Digest;
use crate::oci::index::{Change, annotation};

/// `manifest create`.
pub const CREATE: Verb = Verb {
    name: "create",
    about: "Make a list of images for several platforms",
    usage: "LIST [IMAGE...]",
    arity: (1, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: CreateArguments::augment_args,
    run: |context, matches| create(context, &typed(matches)?),
};
/// `manifest add`.
pub const ADD: Verb = Verb {
    name: "add",
    about: "Add an image to a list",
    usage: "LIST IMAGE",
    arity: (2, Some(2)),
    arguments: AddArguments::augment_args,
    run: |context, matches| add(context, &typed(matches)?),
    ..CREATE
};
/// `manifest annotate`.
pub const ANNOTATE: Verb = Verb {
    name: "annotate",
    about: "Change what a list says about one of its images",
    usage: "LIST IMAGE|DIGEST",
    arity: (1, Some(2)),
    arguments: AnnotateArguments::augment_args,
    run: |context, matches| annotate(context, &typed(matches)?),
    ..CREATE
};
/// `manifest exists`.
pub const EXISTS: Verb = Verb {
    name: "exists",
    about: "Tell by the exit code whether there is a list of this name",
    usage: "LIST",
    arity: (1, Some(1)),
    arguments: NameArguments::augment_args,
    run: |context, matches| {
        let arguments: NameArguments = typed(matches)?;
        lists::exists(&context.engine()?, &arguments.list).map(|exists| u8::from(!exists))
    },
    ..CREATE
};
/// `manifest inspect`.
pub const INSPECT: Verb = Verb {
    name: "inspect",
    about: "Show a list, or the manifest that a registry has",
    usage: "[LIST] NAME",
    arity: (1, Some(2)),
    arguments: InspectArguments::augment_args,
    run: |context, matches| inspect(context, &typed(matches)?),
    ..CREATE
};
/// `manifest push`.
pub const PUSH: Verb = Verb {
    name: "push",
    about: "Send a list and its images to a registry",
    usage: "LIST [DESTINATION]",
    arity: (1, Some(2)),
    arguments: PushArguments::augment_args,
    run: |context, matches| push(context, &typed(matches)?),
    ..CREATE
};
/// `manifest remove`.
pub const REMOVE: Verb = Verb {
    name: "remove",
    about: "Take an image out of a list",
    usage: "LIST DIGEST",
    arity: (2, Some(2)),
    arguments: RemoveArguments::augment_args,
    run: |context, matches| {
        let arguments: RemoveArguments = typed(matches)?;
        let digest = lists::remove(&context.engine()?, &arguments.list, &arguments.digest)?;
        context.ui.line(digest.hex()).map(|()| 0)
    },
    ..CREATE
};
/// `manifest rm`.
pub const DELETE: Verb = Verb {
    name: "rm",
    about: "Remove lists; their images stay",
    usage: "LIST [LIST...]",
    arity: (1, None),
    arguments: DeleteArguments::augment_args,
    run: |context, matches| delete(context, &typed(matches)?),
    ..CREATE
};

/// What an entry says about its image.
#[derive(Debug, Clone, Args)]
struct EntryOptions {
    /// Add an annotation: KEY=VALUE
    #[arg(long, value_name = "KEY=VALUE")]
    annotation: Vec<String>,
    /// Set the architecture
    #[arg(long, value_name = "ARCH")]
    arch: Option<String>,
    /// Set the features of the processor that are needed
    #[arg(long, value_name = "FEATURE", value_delimiter = ',')]
    features: Vec<String>,
    /// Set the operating system
    #[arg(long, value_name = "OS")]
    os: Option<String>,
    /// Set the features of the operating system that are needed
    #[arg(long, value_name = "FEATURE", value_delimiter = ',')]
    os_features: Vec<String>,
    /// Set the version of the operating system
    #[arg(long, value_name = "VERSION")]
    os_version: Option<String>,
    /// Set the variant of the architecture
    #[arg(long, value_name = "VARIANT")]
    variant: Option<String>,
}

impl EntryOptions {
    fn change(&self) -> Result<Change> {
        Ok(Change {
            architecture: self.arch.clone(),
            os: self.os.clone(),
            variant: self.variant.clone(),
            os_version: self.os_version.clone(),
            os_features: self.os_features.clone(),
            features: self.features.clone(),
            annotations: self.annotation.iter().map(|given| annotation(given)).collect::<Result<_>>()?,
        })
    }
}

/// Arguments of `manifest create`.
#[derive(Debug, Clone, Args)]
struct CreateArguments {
    #[command(flatten)]
    registry: RegistryOptions,
    /// Add all images of those that are lists, instead of the one for this machine
    #[arg(long)]
    all: bool,
    /// Add to a list that exists
    #[arg(short, long)]
    amend: bool,
    /// Add an annotation to the list: KEY=VALUE
    #[arg(long, value_name = "KEY=VALUE")]
    annotation: Vec<String>,
    /// Allow plain HTTP and any certificate
    #[arg(long)]
    insecure: bool,
    /// The name of the list, and images
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

/// Arguments of `manifest add`.
#[derive(Debug, Clone, Args)]
struct AddArguments {
    #[command(flatten)]
    registry: RegistryOptions,
    #[command(flatten)]
    entry: EntryOptions,
    /// Add all images of one that is a list, instead of the one for this machine
    #[arg(long)]
    all: bool,
    /// The list
    #[arg(value_name = "LIST", required = true)]
    list: String,
    /// The image
    #[arg(value_name = "IMAGE", required = true)]
    image: String,
}

/// Arguments of `manifest annotate`.
#[derive(Debug, Clone, Args)]
struct AnnotateArguments {
    #[command(flatten)]
    entry: EntryOptions,
    /// Add the annotations to the list itself
    #[arg(long)]
    index: bool,
    /// The list
    #[arg(value_name = "LIST", required = true)]
    list: String,
    /// The image, or the digest of its manifest
    #[arg(value_name = "IMAGE")]
    image: Option<String>,
}

/// Arguments of `manifest exists`.
#[derive(Debug, Clone, Args)]
struct NameArguments {
    /// The list
    #[arg(value_name = "LIST", required = true)]
    list: String,
}

/// Arguments of `manifest inspect`.
#[derive(Debug, Clone, Args)]
struct InspectArguments {
    #[command(flatten)]
    registry: RegistryOptions,
    /// Allow plain HTTP and any certificate
    #[arg(long)]
    insecure: bool,
    /// Show the manifest of each image, too
    #[arg(short, long)]
    verbose: bool,
    /// A list, and an image of it, or an image in a registry
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

/// `--format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormatName {
    /// An OCI index
    Oci,
    /// docker's manifest list
    #[value(alias = "docker", alias = "v2")]
    V2s2,
}

/// Arguments of `manifest push`.
#[derive(Debug, Clone, Args)]
struct PushArguments {
    #[command(flatten)]
    registry: RegistryOptions,
    /// Send the images as well; false expects them in the registry
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    all: Option<bool>,
    /// Write the digest of the list to this file
    #[arg(long, value_name = "FILE")]
    digestfile: Option<String>,
    /// The format of the list; what fits its images when not given
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<FormatName>,
    /// Allow plain HTTP and any certificate
    #[arg(long)]
    insecure: bool,
    /// Remove the list here after it was sent
    #[arg(short, long, visible_alias = "rm")]
    purge: bool,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
    /// The list
    #[arg(value_name = "LIST", required = true)]
    list: String,
    /// Where to, if not to where its name says
    #[arg(value_name = "DESTINATION")]
    destination: Option<String>,
}

/// Arguments of `manifest remove`.
#[derive(Debug, Clone, Args)]
struct RemoveArguments {
    /// The list
    #[arg(value_name = "LIST", required = true)]
    list: String,
    /// The digest of the image's manifest
    #[arg(value_name = "DIGEST", required = true)]
    digest: String,
}

/// Arguments of `manifest rm`.
#[derive(Debug, Clone, Args)]
struct DeleteArguments {
    /// Do not fail for lists that do not exist
    #[arg(short, long)]
    ignore: bool,
    /// The lists
    #[arg(value_name = "LIST", required = true)]
    lists: Vec<String>,
}

/// docker asks registries only; podman looks here first.
fn look(context: &Context) -> Look {
    if context.persona == Persona::Docker { Look::Registry } else { Look::Here }
}

fn reached(context: &Context, registry: &RegistryOptions, insecure: bool) -> Result<Engine> {
    let mut engine = registry.engine(context)?;
    if insecure {
        engine.registry.tls_verify = Some(false);
    }
    Ok(engine)
}

fn create(context: &Context, arguments: &CreateArguments) -> Result<u8> {
    let Some((list, images)) = arguments.names.split_first() else { return Err(Error::usage("no list is named")) };
    if images.is_empty() && context.persona == Persona::Docker {
        return Err(Error::usage("\"docker manifest create\" requires at least 2 arguments"));
    }
    let new = NewList {
        images: images.to_vec(),
        all: arguments.all,
        amend: arguments.amend,
        annotations: arguments.annotation.iter().map(|given| annotation(given)).collect::<Result<_>>()?,
    };
    let engine = reached(context, &arguments.registry, arguments.insecure)?;
    let (name, digest) = engine_create(&engine, list, &new, look(context))?;
    match context.persona {
        Persona::Docker => context.ui.line(&format!("Created manifest list {name}")).map(|()| 0),
        _ => context.ui.line(digest.hex()).map(|()| 0),
    }
}

fn add(context: &Context, arguments: &AddArguments) -> Result<u8> {
    let change = arguments.entry.change()?;
    let engine = arguments.registry.engine(context)?;
    let digest = engine_add(&engine, &arguments.list, &arguments.image, arguments.all, &change, look(context))?;
    context.ui.line(digest.hex()).map(|()| 0)
}

fn annotate(context: &Context, arguments: &AnnotateArguments) -> Result<u8> {
    let change = arguments.entry.change()?;
    let engine = context.engine()?;
    let digest = match (&arguments.image, arguments.index) {
        (None, true) if (Change { annotations: Default::default(), ..change.clone() }) == Change::default() => {
            lists::annotate_list(&engine, &arguments.list, &change.annotations)?
        }
        (_, true) => return Err(Error::usage("--index is for annotations of the list alone, without an image")),
        (None, false) => return Err(Error::usage("name the image, or say --index for the list itself")),
        (Some(image), false) => engine_annotate(&engine, &arguments.list, image, &change, look(context))?,
    };
    match context.persona {
        Persona::Docker => Ok(0),
        _ => context.ui.line(digest.hex()).map(|()| 0),
    }
}

fn inspect(context: &Context, arguments: &InspectArguments) -> Result<u8> {
    let engine = reached(context, &arguments.registry, arguments.insecure)?;
    let (name, image) = match arguments.names.as_slice() {
        [list, image] => (list, Some(image)),
        [name, ..] => (name, None),
        [] => return Err(Error::usage("no name is given")),
    };
    if !arguments.verbose && image.is_none() {
        let bytes = lists::inspect(&engine, name)?;
        // What a registry has is JSON that was checked; it is shown as it is.
        return context.ui.line(&shown(&bytes)).map(|()| 0);
    }
    let mut entries = inspect_images(&engine, name)?;
    if let Some(image) = image {
        let wanted = image.rsplit('@').next().and_then(|digest| digest.parse::<Digest>().ok());
        let wanted = wanted.ok_or_else(|| {
            Error::usage(format!("`{}` has no digest", text::clean(image)))
                .hint("an image of a list is named by its digest")
        })?;
        entries.retain(|entry| entry.digest().as_ref() == Some(&wanted));
        if entries.is_empty() {
            return Err(Error::not_found(format!("`{wanted}` is not in the list `{}`", text::clean(name))));
        }
    }
    for entry in &entries {
        let document = match arguments.verbose {
            false => shown(entry.manifest.as_bytes()),
            true => {
                let manifest: serde_json::Value =
                    serde_json::from_str(&entry.manifest).context(|| "the manifest is not valid JSON")?;
                let whole = serde_json::json!({
                    "Ref": text::clean(name),
                    "Descriptor": entry.descriptor,
                    "SchemaV2Manifest": manifest,
                });
                shown(&serde_json::to_vec(&whole).context(|| "cannot show the manifest")?)
            }
        };
        context.ui.line(&document)?;
    }
    Ok(0)
}

/// JSON with docker's indentation; what is none is shown as it is.
pub fn shown(bytes: &[u8]) -> String {
    let parsed: Result<serde_json::Value, _> = serde_json::from_slice(bytes);
    match parsed.and_then(|value| serde_json::to_string_pretty(&value)) {
        Ok(text) => text,
        Err(_) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

fn push(context: &Context, arguments: &PushArguments) -> Result<u8> {
    let engine = reached(context, &arguments.registry, arguments.insecure)?;
    let list = name_of(&arguments.list)?;
    let to = match &arguments.destination {
        Some(to) => name_of(to.strip_prefix("docker://").unwrap_or(to))?,
        None => list.clone(),
    };
    let docker = match (arguments.format, context.persona) {
        (Some(format), _) => Some(format == FormatName::V2s2),
        (None, Persona::Docker) => Some(true),
        (None, _) => None,
    };
    let progress = progress::as_output(context, true);
    let digest = send(&engine, &SendList { list, to, all: arguments.all.unwrap_or(true), docker }, progress.as_ref())?;
    if let Some(file) = &arguments.digestfile {
        let path = context.path(file);
        std::fs::write(&path, digest.as_str()).at(&path, "cannot write the digest to")?;
    }
    if arguments.purge {
        lists::delete(&engine, &arguments.list)?;
    }
    match arguments.quiet {
        true => Ok(0),
        false => context.ui.line(digest.as_str()).map(|()| 0),
    }
}

fn delete(context: &Context, arguments: &DeleteArguments) -> Result<u8> {
    let engine = context.engine()?;
    each(context, &arguments.lists, |list| match lists::delete(&engine, list) {
        Ok(name) if context.persona != Persona::Docker => context.ui.line(&format!("Untagged: {name}")),
        Ok(_) => Ok(()),
        Err(error) if arguments.ignore && error.kind() == crate::base::Kind::NotFound => Ok(()),
        Err(error) => Err(error),
    })
}
