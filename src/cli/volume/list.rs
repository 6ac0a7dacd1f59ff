//! `volume ls`.

use std::sync::Arc;

use clap::Args;
use gotmpl::Value;

use crate::base::{Result, time};
use crate::cli::container::list::{one_line, pairs, zoned};
use crate::cli::context::{Context, Persona};
use crate::cli::inspect::indented;
use crate::cli::template::{Format, Row};
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::volume::{Filters, Listed, inspect_for_podman, list as engine_list};
use crate::engine::{Engine, usage};
use crate::spec::times;
use crate::spec::units::human_size;

/// The command.
pub const VERB: Verb = Verb {
    name: "ls",
    about: "List volumes",
    usage: "",
    arity: (0, Some(0)),
    greedy: false,
    codes: Codes::Plain,
    arguments: ListArguments::augment_args,
    run: |context, matches| list(context, &typed(matches)?),
};

/// docker's default columns.
const DEFAULT: &str = r"table {{.Driver}}\t{{.Name}}";
/// docker's old form.
const RAW: &str = "name: {{.Name}}\ndriver: {{.Driver}}\n";

/// docker's headers.
const HEADERS: &[(&str, &str)] = &[
    ("Availability", "AVAILABILITY"),
    ("CreatedAt", "CREATED AT"),
    ("Driver", "DRIVER"),
    ("Group", "GROUP"),
    ("Labels", "LABELS"),
    ("Links", "LINKS"),
    ("Mountpoint", "MOUNTPOINT"),
    ("Name", "VOLUME NAME"),
    ("Options", "OPTIONS"),
    ("Scope", "SCOPE"),
    ("Size", "SIZE"),
    ("Status", "STATUS"),
];

/// Arguments of `volume ls`.
#[derive(Debug, Clone, Default, Args)]
struct ListArguments {
    /// Filter by dangling, driver, label, name, opt, scope or until
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = crate::cli::verb::filter)]
    filter: Vec<String>,
    /// Format with a Go template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'
    #[arg(long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Leave out the headers of a table
    #[arg(short, long)]
    noheading: bool,
    /// Only display volume names
    #[arg(short, long)]
    quiet: bool,
}

fn list(context: &Context, arguments: &ListArguments) -> Result<u8> {
    let (now, zone) = (time::now(), context.zone());
    let mut filters = Filters::default();
    for filter in &arguments.filter {
        filters.add(filter, &Filters::LIST, &|when| times::parse(when, now, &zone))?;
    }
    let given = arguments.format.as_deref().unwrap_or_default();
    let format = match arguments.quiet {
        true => Format::parse("{{.Name}}", "")?,
        false => Format::parse_list(given, DEFAULT, RAW)?,
    };
    let engine = context.engine()?;
    let (listed, broken) = engine_list(&engine, &filters)?;
    for error in broken {
        context.ui.warning(&format!("a volume cannot be shown: {}", error.chain()));
    }
    if given == "json" && context.persona == Persona::Podman && !arguments.quiet {
        return for_podman(context, &engine, &listed);
    }
    let sizes = match format.names("Size") {
        true => usage::volumes(&engine, listed.iter().map(|listed| listed.volume.name.clone()).collect())?,
        false => Default::default(),
    };
    let rows = listed.iter().map(|listed| -> Row {
        let volume = &listed.volume;
        let none = || "N/A".to_owned();
        let texts = [
            ("Availability", none()),
            ("CreatedAt", zoned(volume.created, &zone)),
            ("Driver", crate::spec::volume::DRIVER.to_owned()),
            ("Group", none()),
            ("Labels", pairs(&volume.labels)),
            ("Links", if format.names("Size") { listed.users.to_string() } else { none() }),
            ("Mountpoint", listed.mountpoint.clone()),
            ("Name", volume.name.to_string()),
            ("Options", pairs(&volume.options)),
            ("Scope", "local".to_owned()),
            ("Size", sizes.get(&volume.name).map_or_else(none, |size| human_size(*size))),
            ("Status", none()),
        ];
        let mut row: Row =
            texts.into_iter().map(|(name, text)| (Arc::from(name), Value::String(one_line(&text).into()))).collect();
        row.insert(Arc::from("Label"), crate::cli::container::list::label(volume.labels.clone()));
        row
    });
    let rendered = format.render(HEADERS, rows.collect())?;
    let shown = match arguments.noheading && !arguments.quiet && (given.is_empty() || given.starts_with("table")) {
        true => rendered.split_once('\n').map_or("", |(_, rest)| rest),
        false => &rendered,
    };
    context.ui.text(shown).map(|()| 0)
}

/// podman's JSON: a list of what `inspect` shows.
fn for_podman(context: &Context, engine: &Engine, listed: &[Listed]) -> Result<u8> {
    let reports: Vec<_> =
        listed.iter().filter_map(|listed| inspect_for_podman(engine, listed.volume.name.as_str()).ok()).collect();
    context.ui.text(&indented(&reports)?).map(|()| 0)
}
