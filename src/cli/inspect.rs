//! `inspect`, and the common part of `container inspect`, `image inspect`, `network inspect` and `volume inspect`: everything
//! about objects, as JSON or through a template, in docker's shape or podman's.

use clap::Args;
use serde::Serialize;

use crate::base::{Error, Kind, Result, text};
use crate::cli::context::{Context, Persona};
use crate::cli::go_names::for_template;
use crate::cli::registry_options::RegistryOptions;
use crate::cli::template::Format;
use crate::cli::ui;
use crate::cli::verb::{Codes, Verb, each, typed};
use crate::engine::lists::tools;
use crate::engine::network::inspect as network;
use crate::engine::{Engine, inspect as engine_inspect, volume};
use crate::oci::Platform;

/// `inspect`.
pub const VERB: Verb = Verb {
    name: "inspect",
    about: "Return low-level information on containers, images, networks and volumes",
    usage: "NAME|ID [NAME|ID...]",
    arity: (1, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: InspectArguments::augment_args,
    run: |context, matches| {
        let arguments: InspectArguments = typed(matches)?;
        let kind = arguments.kind()?;
        common(context, kind, &arguments.common)
    },
};

/// `container inspect`.
pub const CONTAINER: Verb = Verb {
    about: "Display detailed information on one or more containers",
    usage: "CONTAINER [CONTAINER...]",
    arguments: CommonArguments::augment_args,
    run: |context, matches| {
        let arguments: CommonArguments = typed(matches)?;
        common(context, What::Container { size: arguments.size }, &arguments)
    },
    ..VERB
};

/// `image inspect`.
pub const IMAGE: Verb = Verb {
    about: "Display detailed information on one or more images",
    usage: "IMAGE [IMAGE...]",
    arguments: ImageArguments::augment_args,
    run: |context, matches| inspect_images(context, &typed(matches)?),
    ..VERB
};

/// Arguments of `inspect`.
#[derive(Debug, Clone, Args)]
struct InspectArguments {
    /// Only objects of this type: container, image, network or volume
    #[arg(long = "type", value_name = "TYPE")]
    only: Option<String>,
    #[command(flatten)]
    common: CommonArguments,
}

/// Arguments of every `inspect`.
#[derive(Debug, Clone, Args)]
struct CommonArguments {
    /// Format with a Go template, or 'json'
    #[arg(short, long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Display sizes of containers
    #[arg(short, long)]
    size: bool,
    /// Names or IDs
    #[arg(value_name = "NAME|ID", required = true)]
    names: Vec<String>,
}

/// Arguments of `image inspect`. A name that begins with `docker://` is of an image in a registry.
#[derive(Debug, Clone, Args)]
struct ImageArguments {
    #[command(flatten)]
    common: CommonArguments,
    /// Refuse images for another platform: os/architecture[/variant]; of images in registries, choose this one
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// Print manifests as they are
    #[arg(long, conflicts_with_all = ["format", "size"])]
    raw: bool,
    #[command(flatten)]
    registry: RegistryOptions,
}

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A container; with its size or without.
    Container {
        /// `--size`.
        size: bool,
    },
    /// An image.
    Image,
    /// A network.
    Network,
    /// A volume.
    Volume,
    /// The first of these that has the name.
    Any {
        /// `--size`, if it is a container.
        size: bool,
    },
}

impl InspectArguments {
    fn kind(&self) -> Result<What> {
        match self.only.as_deref() {
            None | Some("") => Ok(What::Any { size: self.common.size }),
            Some("container") => Ok(What::Container { size: self.common.size }),
            Some("image") => Ok(What::Image),
            Some("network") => Ok(What::Network),
            Some("volume") => Ok(What::Volume),
            Some(other) => Err(Error::usage(format!("`{}` is not a valid value for `--type`", text::clean(other)))
                .hint("these are: container, image, network, volume")),
        }
    }
}

/// One object, in the shape of the persona.
#[derive(Serialize)]
#[serde(untagged)]
enum Report {
    Container(Box<engine_inspect::ContainerReport>),
    PodmanContainer(Box<engine_inspect::PodmanContainer>),
    Image(Box<engine_inspect::ImageReport>),
    PodmanImage(Box<engine_inspect::PodmanImage>),
    RemoteImage(Box<engine_inspect::RemoteReport>),
    Network(Box<network::Report>),
    PodmanNetwork(Box<network::PodmanReport>),
    Volume(Box<volume::VolumeReport>),
    PodmanVolume(Box<volume::PodmanReport>),
}

impl Report {
    fn render(&self, format: &Format) -> Result<String> {
        match self {
            Self::PodmanNetwork(network) => format.render_value(&for_template(network)?),
            other => format.render_data(other),
        }
    }
}

fn common(context: &Context, what: What, arguments: &CommonArguments) -> Result<u8> {
    inspect(context, what, &arguments.names, arguments.format.as_deref())
}

/// Shows the objects with these names, and says what is wrong with the others.
pub fn inspect(context: &Context, what: What, names: &[String], format: Option<&str>) -> Result<u8> {
    let engine = context.engine()?;
    inspect_by(context, names, format, &|name| find(&engine, what, name, context.persona))
}

fn inspect_images(context: &Context, arguments: &ImageArguments) -> Result<u8> {
    let platform: Option<Platform> = arguments.platform.as_deref().map(str::parse).transpose()?;
    let engine = arguments.registry.engine(context)?;
    let is_remote = |name: &str| name.starts_with(engine_inspect::SCHEME);
    let refuse = |name: &str| match &platform {
        Some(wanted) if !is_remote(name) => engine_inspect::refuse_platform(&engine, name, wanted),
        _ => Ok(()),
    };
    let CommonArguments { names, format, .. } = &arguments.common;
    if arguments.raw {
        return each(context, names, |name| {
            refuse(name)?;
            let manifest = match is_remote(name) {
                true => tools::inspect(&engine, name)?.1.bytes,
                false => engine_inspect::manifest(&engine, name)?,
            };
            context.ui.text(&String::from_utf8_lossy(&manifest))
        });
    }
    inspect_by(context, names, format.as_deref(), &|name| {
        refuse(name)?;
        match is_remote(name) {
            true => engine_inspect::remote(&engine, name, platform.as_ref())
                .map(|report| Report::RemoteImage(Box::new(report))),
            false => find(&engine, What::Image, name, context.persona),
        }
    })
}

/// Shows what `find` finds for each name.
fn inspect_by(
    context: &Context,
    names: &[String],
    format: Option<&str>,
    find: &dyn Fn(&str) -> Result<Report>,
) -> Result<u8> {
    let given = format.filter(|format| !format.is_empty());
    let format = given.filter(|format| *format != "json").map(|format| Format::parse(format, "")).transpose()?;
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for name in names {
        match find(name) {
            Ok(report) => found.push(report),
            Err(error) => errors.push(error),
        }
    }
    match &format {
        Some(format) => {
            for report in &found {
                match report.render(format) {
                    Ok(text) => context.ui.text(&text)?,
                    Err(error) if ui::is_closed(&error) => return Err(error),
                    Err(error) => errors.push(error),
                }
            }
        }
        None if given == Some("json") => context.ui.line(&compact(&found)?)?,
        None if context.persona == Persona::Podman => context.ui.text(&indented_by(&found, "     ")?)?,
        None => context.ui.text(&indented(&found)?)?,
    }
    errors.iter().for_each(|error| context.ui.error(error));
    Ok(if errors.is_empty() { 0 } else { context.persona.failure() })
}

fn find(engine: &Engine, what: What, name: &str, persona: Persona) -> Result<Report> {
    match (what, persona) {
        (What::Container { size }, Persona::Podman) => engine_inspect::container_for_podman(engine, name, size)
            .map(|report| Report::PodmanContainer(Box::new(report))),
        (What::Container { size }, _) => {
            engine_inspect::container(engine, name, size).map(|report| Report::Container(Box::new(report)))
        }
        (What::Image, Persona::Podman) => {
            engine_inspect::image_for_podman(engine, name).map(|report| Report::PodmanImage(Box::new(report)))
        }
        (What::Image, _) => engine_inspect::image(engine, name).map(|report| Report::Image(Box::new(report))),
        (What::Network, Persona::Podman) => {
            network::inspect_for_podman(engine, name).map(|report| Report::PodmanNetwork(Box::new(report)))
        }
        (What::Network, _) => network::inspect(engine, name).map(|report| Report::Network(Box::new(report))),
        (What::Volume, Persona::Podman) => {
            volume::inspect_for_podman(engine, name).map(|report| Report::PodmanVolume(Box::new(report)))
        }
        (What::Volume, _) => volume::inspect(engine, name).map(|report| Report::Volume(Box::new(report))),
        (What::Any { size }, _) => find_any(engine, name, size, persona),
    }
}

/// In docker's order. A name that cannot be one of an image may be a volume's.
fn find_any(engine: &Engine, name: &str, size: bool, persona: Persona) -> Result<Report> {
    let is_absent = |error: &Error| matches!(error.kind(), Kind::NotFound | Kind::Usage);
    let mut found = find(engine, What::Container { size }, name, persona);
    if found.as_ref().is_err_and(|error| error.kind() != Kind::NotFound) {
        return found;
    }
    for what in [What::Image, What::Network, What::Volume] {
        found = match found {
            Err(error) if is_absent(&error) => find(engine, what, name, persona),
            found => found,
        };
    }
    found.map_err(|error| match is_absent(&error) {
        true => Error::not_found(format!("no such object: `{}`", text::clean(name))),
        false => error,
    })
}

/// A list of reports on one line.
pub fn compact(reports: &[impl Serialize]) -> Result<String> {
    serde_json::to_string(reports).map_err(|error| Error::system("cannot show the result").caused_by(error))
}

/// The same in docker's layout: four spaces for each level.
pub fn indented(reports: &[impl Serialize]) -> Result<String> {
    indented_by(reports, "    ")
}

/// The same with another indentation: podman's has five spaces.
fn indented_by(reports: &[impl Serialize], indent: &str) -> Result<String> {
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(indent.as_bytes());
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    reports.serialize(&mut serializer).map_err(|error| Error::system("cannot show the result").caused_by(error))?;
    out.push(b'\n');
    Ok(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures;

    #[test]
    fn objects_are_found_by_type_and_shown_as_docker_shows_them() {
        let (engine, _scratch) = fixtures::engine();
        fixtures::image(&engine, "x", &["busybox"]);
        let report = find(&engine, What::Any { size: false }, "busybox", Persona::Docker).unwrap();
        let json = indented(&[report]).unwrap();
        assert!(json.starts_with("[\n    {\n        \"Id\": \"sha256:"), "{json}");
        assert!(json.contains("\n        \"RepoTags\": [\n            \"busybox:latest\"\n        ],\n"), "{json}");
        assert!(json.ends_with("\n    }\n]\n"), "{json}");
        assert_eq!(indented(&[] as &[Report]).unwrap(), "[]\n");
        assert!(find(&engine, What::Container { size: false }, "busybox", Persona::Docker).is_err());
        for name in ["absent", "NOT A NAME"] {
            let error = find(&engine, What::Any { size: false }, name, Persona::Docker).err().unwrap();
            assert_eq!(error.message(), format!("no such object: `{name}`"));
        }
    }
}
