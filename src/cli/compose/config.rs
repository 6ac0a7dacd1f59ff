//! `compose config`.

use std::fmt::Write;
use std::path::Path;

use clap::Args;

use super::project::ProjectOptions;
use crate::base::{Error, Result, ResultExt, text};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};
use crate::compose::project::{Project, Skip};
use crate::compose::{hash, print};

/// The command.
pub const VERB: Verb = Verb {
    name: "config",
    about: "Check compose files and print the project in canonical form",
    usage: "[SERVICE...]",
    arity: (0, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: ConfigArguments::augment_args,
    run: |context, matches| config(context, typed(matches)?),
};

/// Arguments of `compose config`.
#[derive(Debug, Clone, Default, Args)]
struct ConfigArguments {
    /// Print the variables that values are expanded with
    #[arg(long)]
    environment: bool,
    /// Print as yaml or json
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Print the hash of this service's configuration; '*' prints those of all, or name several with commas
    #[arg(long, value_name = "SERVICE")]
    hash: Option<String>,
    /// Print the names of images
    #[arg(long)]
    images: bool,
    /// Print the names of models
    #[arg(long)]
    models: bool,
    /// Print the names of networks
    #[arg(long)]
    networks: bool,
    /// Do not check that what services refer to is there
    #[arg(long)]
    no_consistency: bool,
    /// Do not read the files that env_file and label_file name
    #[arg(long)]
    no_env_resolution: bool,
    /// Do not replace variables
    #[arg(long)]
    no_interpolate: bool,
    /// Do not add what follows from the rest, as default networks and full names
    #[arg(long)]
    no_normalize: bool,
    /// Do not make paths absolute
    #[arg(long)]
    no_path_resolution: bool,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<String>,
    /// Print the names of profiles
    #[arg(long)]
    profiles: bool,
    /// Only check, print nothing
    #[arg(short, long)]
    quiet: bool,
    /// Print the names of services, each after those that it depends on
    #[arg(long)]
    services: bool,
    /// Print the variables that the files name, and their defaults
    #[arg(long)]
    variables: bool,
    /// Print the names of volumes
    #[arg(long)]
    volumes: bool,
    /// Services to print, with what they depend on
    #[arg(value_name = "SERVICE")]
    names: Vec<String>,
}

fn config(context: &Context, arguments: ConfigArguments) -> Result<u8> {
    let is_json = match arguments.format.as_deref() {
        None | Some("yaml") => false,
        Some("json") => true,
        Some(other) => return Err(Error::usage(format!("unsupported format {:?}", text::clean(other)))),
    };
    let skip = Skip {
        interpolation: arguments.no_interpolate,
        normalization: arguments.no_normalize,
        paths: arguments.no_path_resolution,
        consistency: arguments.no_consistency || arguments.no_interpolate,
        // docker compose hashes the names of these files, not what they say.
        environment: arguments.no_env_resolution || arguments.no_interpolate || arguments.hash.is_some(),
        selection: arguments.no_interpolate,
    };
    let project = ProjectOptions::given(context)?.load(context, &arguments.names, skip)?;
    if arguments.quiet {
        return Ok(0);
    }
    let printed = text_of(&arguments, &project, is_json)?;
    match &arguments.output {
        None => context.ui.text(&printed)?,
        Some(file) => {
            let path = context.cwd().join(file);
            std::fs::write(&path, &printed).at(Path::new(file), "cannot write")?;
        }
    }
    Ok(0)
}

/// What is printed.
fn text_of(arguments: &ConfigArguments, project: &Project, is_json: bool) -> Result<String> {
    let lines = |names: &mut dyn Iterator<Item = String>| {
        names.fold(String::new(), |text_of, name| text_of + &text::clean(&name) + "\n")
    };
    let names = |kind: &str| lines(&mut project.model.entries(kind).map(|(name, _)| name.clone()));
    Ok(match arguments {
        ConfigArguments { services: true, .. } => lines(&mut project.ordered_services().into_iter()),
        ConfigArguments { volumes: true, .. } => names("volumes"),
        ConfigArguments { networks: true, .. } => names("networks"),
        ConfigArguments { models: true, .. } => {
            let models = project.model.entries("models").filter_map(|(_, model)| model.text_of("model"));
            lines(&mut models.map(str::to_owned))
        }
        ConfigArguments { hash: Some(wanted), .. } => hashes(project, wanted)?,
        ConfigArguments { profiles: true, .. } => lines(&mut project.profiles.iter().cloned()),
        ConfigArguments { images: true, .. } => {
            lines(&mut project.services().map(|(name, service)| project.image(name, service)))
        }
        ConfigArguments { variables: true, .. } => variables(project, is_json),
        ConfigArguments { environment: true, .. } => {
            lines(&mut project.variables.iter().map(|(name, value)| format!("{name}={value}")))
        }
        _ if is_json => print::json(&project.model, project.is_interpolated),
        _ if project.is_interpolated => print::yaml(&project.model, true),
        _ => print::yaml_by_alphabet(&project.model),
    })
}

fn hashes(project: &Project, wanted: &str) -> Result<String> {
    let wanted: Vec<&str> = match wanted {
        "*" => project.services().map(|(name, _)| name.as_str()).collect(),
        list => list.split(',').collect(),
    };
    let mut out = String::new();
    for name in wanted {
        let service = project.services().find(|(other, _)| *other == name);
        let Some((_, service)) = service else {
            return Err(Error::not_found(format!("no such service: {}", text::clean(name))));
        };
        let _ = writeln!(out, "{name} {}", hash::of_service(service));
    }
    Ok(out)
}

fn variables(project: &Project, is_json: bool) -> String {
    if is_json {
        return print::variables_json(&project.named);
    }
    let header = ["NAME", "REQUIRED", "DEFAULT VALUE", "ALTERNATE VALUE"].map(str::to_owned);
    let rows = project.named.iter().map(|(name, variable)| {
        let cells =
            [name.clone(), variable.is_required.to_string(), variable.default.clone(), variable.alternative.clone()];
        cells.map(|cell| text::clean(&cell).into_owned())
    });
    let rows: Vec<[String; 4]> = std::iter::once(header).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).max(17) + 3;
    let widths = [width(0), width(1), width(2)];
    let mut out = String::new();
    for [name, required, default, alternative] in &rows {
        let [a, b, c] = widths;
        let _ = writeln!(out, "{name:<a$}{required:<b$}{default:<c$}{alternative}");
    }
    out
}
