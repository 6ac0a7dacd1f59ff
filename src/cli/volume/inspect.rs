//! `volume inspect`.

use clap::Args;
use serde::Serialize;

use crate::base::{Error, Result};
use crate::cli::context::{Context, Persona};
use crate::cli::inspect::{compact, indented};
use crate::cli::template::Format;
use crate::cli::ui;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::Engine;
use crate::engine::volume::{self, PodmanReport, VolumeReport};

/// The command.
pub const VERB: Verb = Verb {
    name: "inspect",
    about: "Display detailed information on one or more volumes",
    usage: "VOLUME [VOLUME...]",
    arity: (0, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: InspectArguments::augment_args,
    run: |context, matches| inspect(context, &typed(matches)?),
};

/// Arguments of `volume inspect`.
#[derive(Debug, Clone, Args)]
struct InspectArguments {
    /// Inspect all volumes
    #[arg(short, long)]
    all: bool,
    /// Format with a Go template, or 'json'
    #[arg(short, long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Names
    #[arg(value_name = "VOLUME")]
    volumes: Vec<String>,
}

/// One volume, in the shape of the persona.
#[derive(Serialize)]
#[serde(untagged)]
enum Report {
    Docker(VolumeReport),
    Podman(PodmanReport),
}

fn inspect(context: &Context, arguments: &InspectArguments) -> Result<u8> {
    let given = arguments.format.as_deref().filter(|format| !format.is_empty());
    let format = given.filter(|format| *format != "json").map(|format| Format::parse(format, "")).transpose()?;
    let engine = context.engine()?;
    let names = match arguments.all {
        true => {
            let (listed, _) = volume::list(&engine, &volume::Filters::default())?;
            listed.into_iter().map(|listed| listed.volume.name.to_string()).collect()
        }
        false if arguments.volumes.is_empty() => {
            let program = context.persona.program();
            return Err(Error::usage(format!("'{program} volume inspect' requires at least 1 argument")));
        }
        false => arguments.volumes.clone(),
    };
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for name in &names {
        match report(&engine, name, context.persona) {
            Ok(report) => found.push(report),
            Err(error) => errors.push(error),
        }
    }
    match &format {
        Some(format) => {
            for report in &found {
                match format.render_data(report) {
                    Ok(text) => context.ui.text(&text)?,
                    Err(error) if ui::is_closed(&error) => return Err(error),
                    Err(error) => errors.push(error),
                }
            }
        }
        None if given == Some("json") => context.ui.line(&compact(&found)?)?,
        None => context.ui.text(&indented(&found)?)?,
    }
    errors.iter().for_each(|error| context.ui.error(error));
    Ok(if errors.is_empty() { 0 } else { context.persona.failure() })
}

fn report(engine: &Engine, name: &str, persona: Persona) -> Result<Report> {
    match persona {
        Persona::Podman => volume::inspect_for_podman(engine, name).map(Report::Podman),
        Persona::Coracle | Persona::Docker => volume::inspect(engine, name).map(Report::Docker),
    }
}
