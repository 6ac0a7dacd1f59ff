//! `quadlet ls`: the Quadlet files of the user, their units, and what systemd says of these.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use clap::Args;
use gotmpl::Value;

use super::{directories, install, program};
use crate::base::{Error, Result, text};
use crate::cli::context::Context;
use crate::cli::template::{Format, Row};
use crate::cli::verb::{Codes, Verb, typed};
use crate::units::output::{self, Generated};
use crate::units::{sources, systemctl};

/// The command.
pub const VERB: Verb = Verb {
    name: "ls",
    about: "List Quadlet files and their units",
    usage: "",
    arity: (0, Some(0)),
    greedy: false,
    codes: Codes::Plain,
    arguments: ListArguments::augment_args,
    run: |context, matches| list(context, &typed(matches)?),
};

/// podman's columns.
const DEFAULT: &str = r"table {{.Name}}\t{{.UnitName}}\t{{.Path}}\t{{.Status}}\t{{.App}}";

/// podman's headers.
const HEADERS: &[(&str, &str)] = &[
    ("App", "APPLICATION"),
    ("Name", "NAME"),
    ("Path", "PATH ON DISK"),
    ("Status", "STATUS"),
    ("UnitName", "UNIT NAME"),
];

/// Arguments of `ls`.
#[derive(Debug, Clone, Args)]
struct ListArguments {
    /// Filter by name, with * and ?
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = crate::cli::verb::filter)]
    filter: Vec<String>,
    /// Format with a Go template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'
    #[arg(long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Leave out the headers of a table
    #[arg(short, long)]
    noheading: bool,
    /// Only display the names of the files
    #[arg(short, long)]
    quiet: bool,
}

fn list(context: &Context, arguments: &ListArguments) -> Result<u8> {
    let mut patterns = Vec::new();
    for filter in &arguments.filter {
        match filter.split_once('=') {
            Some(("name", pattern)) => patterns.push(
                glob::Pattern::new(pattern).map_err(|error| Error::usage("this is no pattern").caused_by(error))?,
            ),
            _ => {
                let key = filter.split('=').next().unwrap_or_default();
                return Err(Error::usage(format!("unknown filter `{}`", text::clean(key))).hint("name is known"));
            }
        }
    }
    let (mut generated, _) = output::generate(sources::find(&directories(context)?), &program()?);
    generated.retain(|unit| patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(&unit.source.name)));
    let units: Vec<String> = generated.iter().map(|unit| unit.converted.service.clone()).collect();
    // Without systemd the files can be listed all the same.
    let states = systemctl::states(&units).ok();
    let rows: Vec<Row> = generated.iter().map(|unit| row(unit, states.as_ref())).collect();
    let given = arguments.format.as_deref().unwrap_or_default();
    let format = match arguments.quiet {
        true => Format::parse("{{.Name}}", "")?,
        false => Format::parse_list(given, DEFAULT, "")?,
    };
    let rendered = format.render(HEADERS, rows)?;
    let shown = match arguments.noheading && !arguments.quiet {
        true => format.without_header(&rendered),
        false => &rendered,
    };
    context.ui.text(shown).map(|()| 0)
}

fn row(unit: &Generated, states: Option<&BTreeMap<String, String>>) -> Row {
    let status = match (unit.converted.failed(), states) {
        (true, _) => "Invalid, see `quadlet check`",
        (false, None) => "Unknown",
        (false, Some(states)) => states.get(&unit.converted.service).map_or("Not loaded", String::as_str),
    };
    let path = &unit.source.path;
    let texts = [
        ("App", application_of(path).unwrap_or_default()),
        ("Name", unit.source.name.clone()),
        ("Path", path.display().to_string()),
        ("Status", status.to_owned()),
        ("UnitName", unit.converted.service.clone()),
    ];
    let clean = |text: &str| Value::String(text::clean(text).replace(['\t', '\n'], " ").into());
    texts.into_iter().map(|(name, text)| (Arc::from(name), clean(&text))).collect()
}

/// The list of the application that a file was installed with.
fn application_of(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    install::applications(path.parent()?)
        .into_iter()
        .find(|(_, files)| files.iter().any(|file| file == name))
        .map(|(list, _)| list)
}
