//! `secret ls`.

use std::sync::Arc;

use clap::Args;
use gotmpl::Value;

use crate::base::{Result, time};
use crate::cli::container::list::{label, one_line, pairs};
use crate::cli::context::{Context, Persona};
use crate::cli::inspect::indented;
use crate::cli::template::{Format, Row};
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::secret::{Filters, inspect, list as engine_list};
use crate::spec::secret::DRIVER;
use crate::spec::units::human_duration;

/// The command.
pub const VERB: Verb = Verb {
    name: "ls",
    about: "List secrets",
    usage: "",
    arity: (0, Some(0)),
    greedy: false,
    codes: Codes::Plain,
    arguments: ListArguments::augment_args,
    run: |context, matches| list(context, &typed(matches)?),
};

/// The default columns of docker and podman.
const DEFAULT: &str = r"table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.CreatedAt}}\t{{.UpdatedAt}}";

const HEADERS: &[(&str, &str)] = &[
    ("CreatedAt", "CREATED"),
    ("Driver", "DRIVER"),
    ("ID", "ID"),
    ("Labels", "LABELS"),
    ("Name", "NAME"),
    ("UpdatedAt", "UPDATED"),
];

/// Arguments of `secret ls`.
#[derive(Debug, Clone, Default, Args)]
struct ListArguments {
    /// Filter by id, label or name
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = crate::cli::verb::filter)]
    filter: Vec<String>,
    /// Format with a Go template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'
    #[arg(long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Leave out the headers of a table
    #[arg(short, long)]
    noheading: bool,
    /// Only display IDs
    #[arg(short, long)]
    quiet: bool,
}

fn list(context: &Context, arguments: &ListArguments) -> Result<u8> {
    let mut filters = Filters::default();
    arguments.filter.iter().try_for_each(|filter| filters.add(filter))?;
    let given = arguments.format.as_deref().unwrap_or_default();
    let format = match arguments.quiet {
        true => Format::parse("{{.ID}}", "")?,
        false => Format::parse(given, DEFAULT)?,
    };
    let engine = context.engine()?;
    let (listed, broken) = engine_list(&engine, &filters)?;
    for error in broken {
        context.ui.warning(&format!("a secret cannot be shown: {}", error.chain()));
    }
    if given == "json" && context.persona == Persona::Podman && !arguments.quiet {
        let reports: Vec<_> = listed.iter().filter_map(|secret| inspect(&engine, &secret.id, false).ok()).collect();
        return context.ui.text(&indented(&reports)?).map(|()| 0);
    }
    let now = time::now();
    let ago = |then| format!("{} ago", human_duration(then, now));
    let rows = listed.iter().map(|secret| -> Row {
        let texts = [
            ("CreatedAt", ago(secret.created)),
            ("Driver", DRIVER.to_owned()),
            ("ID", secret.id.clone()),
            ("Labels", pairs(&secret.labels)),
            ("Name", secret.name.clone()),
            ("UpdatedAt", ago(secret.updated)),
        ];
        let mut row: Row =
            texts.into_iter().map(|(name, text)| (Arc::from(name), Value::String(one_line(&text).into()))).collect();
        row.insert(Arc::from("Label"), label(secret.labels.clone()));
        row
    });
    let rendered = format.render(HEADERS, rows.collect())?;
    let shown = if arguments.noheading { format.without_header(&rendered) } else { &rendered };
    context.ui.text(shown).map(|()| 0)
}
