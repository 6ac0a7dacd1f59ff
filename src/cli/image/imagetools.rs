//! `buildx imagetools`: indexes that are made and looked at in a registry.

use clap::{Args, ValueEnum};

use super::manifest::shown;
use crate::base::{Error, Result, ResultExt, text};
use crate::cli::context::Context;
use crate::cli::registry_options::RegistryOptions;
use crate::cli::template::Format;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::lists::tools::{Made, NewIndex, create as engine_create, inspect as engine_inspect};
use crate::oci::index::annotation;
use crate::oci::{Digest, Parsed, Reference};

/// `buildx imagetools create`.
pub const CREATE: Verb = Verb {
    name: "create",
    about: "Make an index of images in a registry",
    usage: "-t NAME[:TAG] SOURCE [SOURCE...]",
    arity: (0, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: CreateArguments::augment_args,
    run: |context, matches| create(context, &typed(matches)?),
};
/// `buildx imagetools inspect`.
pub const INSPECT: Verb = Verb {
    name: "inspect",
    about: "Show what a registry has under a name",
    usage: "NAME",
    arity: (1, Some(1)),
    arguments: InspectArguments::augment_args,
    run: |context, matches| inspect(context, &typed(matches)?),
    ..CREATE
};

/// Arguments of `buildx imagetools create`.
#[derive(Debug, Clone, Args)]
struct CreateArguments {
    #[command(flatten)]
    registry: RegistryOptions,
    /// Add an annotation to the index: [index:]KEY=VALUE
    #[arg(long, value_name = "KEY=VALUE")]
    annotation: Vec<String>,
    /// Begin with what the first name has now
    #[arg(long)]
    append: bool,
    #[command(flatten)]
    builder: BuilderOption,
    /// Show the result, and send nothing
    #[arg(long)]
    dry_run: bool,
    /// Read names of sources from this file, one a line
    #[arg(short, long, value_name = "FILE")]
    file: Vec<String>,
    /// Write what was made to this file, as JSON: its descriptor and its names
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    metadata_file: Option<String>,
    /// Take only images for these platforms
    #[arg(short, long, value_name = "PLATFORM", value_delimiter = ',')]
    platform: Vec<String>,
    /// Make an index even of a single image
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    prefer_index: Option<bool>,
    /// What to print: auto, plain and tty print the names with their digests, quiet nothing
    #[arg(long, value_name = "TYPE", default_value = "auto")]
    progress: Progress,
    /// The name that the result gets
    #[arg(short, long, value_name = "NAME[:TAG]")]
    tag: Vec<String>,
    /// Images and indexes
    #[arg(value_name = "SOURCE")]
    sources: Vec<String>,
}

/// `--builder`: coracle has no builder processes, so that there is one builder, buildx's usual one.
#[derive(Debug, Clone, Args)]
struct BuilderOption {
    /// The builder, of which there is one here: default
    #[arg(long, value_name = "NAME")]
    builder: Option<String>,
}

impl BuilderOption {
    fn check(&self) -> Result<()> {
        match self.builder.as_deref() {
            None | Some("" | "default") => Ok(()),
            Some(name) => Err(Error::not_found(format!("no builder \"{}\" found", text::clean(name)))
                .hint("coracle has one builder, `default`: leave out --builder")),
        }
    }
}

/// `--progress`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Progress {
    /// As is usual
    Auto,
    /// Lines
    Plain,
    /// Nothing
    Quiet,
    /// As is usual on a terminal
    Tty,
}

/// Arguments of `buildx imagetools inspect`.
#[derive(Debug, Clone, Args)]
struct InspectArguments {
    #[command(flatten)]
    registry: RegistryOptions,
    #[command(flatten)]
    builder: BuilderOption,
    /// Format with a Go template over .Name and .Manifest
    #[arg(long, value_name = "TEMPLATE", conflicts_with = "raw")]
    format: Option<String>,
    /// Show the document as it is
    #[arg(long)]
    raw: bool,
    /// The image or index
    #[arg(value_name = "NAME", required = true)]
    name: String,
}

fn create(context: &Context, arguments: &CreateArguments) -> Result<u8> {
    arguments.builder.check()?;
    let mut sources = arguments.sources.clone();
    for file in &arguments.file {
        let path = context.path(file);
        let text = std::fs::read_to_string(&path).at(&path, "cannot read")?;
        sources.extend(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(String::from));
    }
    let annotations = arguments.annotation.iter().map(|given| match given.split_once(':') {
        Some(("index", rest)) => annotation(rest),
        Some((level, _)) if level.starts_with("manifest") || level.starts_with("index") => Err(Error::unsupported(
            format!("annotations of `{}` are not possible: only of the index", text::clean(level)),
        )),
        _ => annotation(given),
    });
    let new = NewIndex {
        sources,
        tags: arguments.tag.clone(),
        append: arguments.append,
        platforms: arguments.platform.iter().map(|platform| platform.parse()).collect::<Result<_>>()?,
        annotations: annotations.collect::<Result<_>>()?,
        prefer_index: arguments.prefer_index.unwrap_or(true),
    };
    let made = engine_create(&arguments.registry.engine(context)?, &new, arguments.dry_run)?;
    if let Some(file) = &arguments.metadata_file {
        let path = context.path(file);
        std::fs::write(&path, format!("{:#}\n", metadata(&made))).at(&path, "cannot write")?;
    }
    match arguments.dry_run {
        true => context.ui.line(&shown(&made.bytes))?,
        false if arguments.progress == Progress::Quiet => {}
        false => made.names.iter().try_for_each(|(name, digest)| context.ui.line(&format!("{name}@{digest}")))?,
    }
    Ok(0)
}

/// What buildx writes of a result.
fn metadata(made: &Made) -> serde_json::Value {
    let names: Vec<String> = made.names.iter().map(|(name, _)| name.to_string()).collect();
    serde_json::json!({
        "containerimage.descriptor": {
            "mediaType": made.media_type,
            "digest": Digest::sha256(&made.bytes).as_str(),
            "size": made.bytes.len(),
        },
        "image.name": names.join(","),
    })
}

fn inspect(context: &Context, arguments: &InspectArguments) -> Result<u8> {
    arguments.builder.check()?;
    let (name, document) = engine_inspect(&arguments.registry.engine(context)?, &arguments.name)?;
    if arguments.raw {
        return context.ui.text(&String::from_utf8_lossy(&document.bytes)).map(|()| 0);
    }
    if let Some(format) = &arguments.format {
        let manifest: serde_json::Value =
            serde_json::from_slice(&document.bytes).context(|| "the manifest is not valid JSON")?;
        let data = serde_json::json!({ "Name": name.to_string(), "Manifest": capital(manifest, document.digest.as_str(), document.bytes.len()) });
        return context.ui.text(&Format::parse(format, "")?.render_data(&data)?).map(|()| 0);
    }
    context.ui.text(&described(&name, &document.parsed, document.digest.as_str())).map(|()| 0)
}

/// buildx's names of the fields of a descriptor with what it describes.
fn capital(document: serde_json::Value, digest: &str, size: usize) -> serde_json::Value {
    let mut fields = document.as_object().cloned().unwrap_or_default();
    fields.insert("digest".into(), digest.into());
    fields.insert("size".into(), size.into());
    let named = [
        ("schemaVersion", "SchemaVersion"),
        ("mediaType", "MediaType"),
        ("digest", "Digest"),
        ("size", "Size"),
        ("manifests", "Manifests"),
        ("annotations", "Annotations"),
        ("config", "Config"),
        ("layers", "Layers"),
    ];
    named.into_iter().filter_map(|(from, to)| Some((to.to_owned(), fields.remove(from)?))).collect()
}

/// buildx's page.
fn described(name: &Reference, parsed: &Parsed, digest: &str) -> String {
    let mut page = format!("Name:      {name}\nMediaType: {}\nDigest:    {digest}\n", text::clean(parsed.media_type()));
    if let Parsed::Index(index) = parsed {
        page.push_str("\nManifests:\n");
        for entry in &index.manifests {
            page.push_str(&format!(
                "  Name:        {}\n  MediaType:   {}\n",
                name.with_digest(entry.digest.clone()),
                text::clean(&entry.media_type)
            ));
            if let Some(platform) = &entry.platform {
                page.push_str(&format!("  Platform:    {}\n", text::clean(&platform.to_string())));
            }
            for (key, value) in &entry.annotations {
                page.push_str(&format!("  Annotation:  {}: {}\n", text::clean(key), text::clean(value)));
            }
            page.push('\n');
        }
    }
    page
}
