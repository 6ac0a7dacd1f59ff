//! `network ls`: the networks there are.

use std::sync::Arc;

use clap::Args;
use gotmpl::Value;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::base::{Result, time};
use crate::cli::container::list::{one_line, pairs};
use crate::cli::context::{Context, Persona};
use crate::cli::go_names::for_template;
use crate::cli::inspect::indented;
use crate::cli::template::{Format, Row};
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::network::{Filters, Known, inspect, list as engine};
use crate::spec::times;

/// The command.
pub const VERB: Verb = Verb {
    name: "ls",
    about: "List networks",
    usage: "",
    arity: (0, Some(0)),
    greedy: false,
    codes: Codes::Plain,
    arguments: ListArguments::augment_args,
    run: |context, matches| list(context, &typed(matches)?),
};

/// docker's default columns.
const DEFAULT: &str = r"table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}";
/// docker's old form.
const RAW: &str = r"network_id: {{.ID}}\nname: {{.Name}}\ndriver: {{.Driver}}\nscope: {{.Scope}}\n";
/// podman's.
const DEFAULT_PODMAN: &str = r"table {{.ID}}\t{{.Name}}\t{{.Driver}}";

/// docker's headers.
const HEADERS: &[(&str, &str)] = &[
    ("ID", "NETWORK ID"),
    ("Name", "NAME"),
    ("Driver", "DRIVER"),
    ("Scope", "SCOPE"),
    ("IPv4", "IPV4"),
    ("IPv6", "IPV6"),
    ("Internal", "INTERNAL"),
    ("Labels", "LABELS"),
    ("CreatedAt", "CREATED AT"),
];

/// podman's.
const HEADERS_PODMAN: &[(&str, &str)] = &[
    ("ID", "NETWORK ID"),
    ("Name", "NAME"),
    ("Driver", "DRIVER"),
    ("NetworkInterface", "NETWORK INTERFACE"),
    ("Created", "CREATED"),
    ("Subnets", "SUBNETS"),
    ("IPv6Enabled", "IPV6ENABLED"),
    ("Internal", "INTERNAL"),
    ("DNSEnabled", "DNSENABLED"),
    ("Labels", "LABELS"),
    ("Options", "OPTIONS"),
    ("IPAMOptions", "IPAMOPTIONS"),
];

/// Arguments of `network ls`.
#[derive(Debug, Clone, Default, Args)]
struct ListArguments {
    /// Filter by driver, id, name, label, scope, type, dangling or until
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = crate::cli::verb::filter)]
    filter: Vec<String>,
    /// Format with a Go template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'
    #[arg(long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Leave out the headers of a table
    #[arg(short, long)]
    noheading: bool,
    /// Only display network IDs
    #[arg(short, long)]
    quiet: bool,
}

fn list(context: &Context, arguments: &ListArguments) -> Result<u8> {
    let (now, zone) = (time::now(), context.zone());
    let mut filters = Filters::default();
    for filter in &arguments.filter {
        filters.add(filter, &Filters::LIST, &|when| times::parse(when, now, &zone))?;
    }
    let is_podman = context.persona == Persona::Podman;
    let given = arguments.format.as_deref().unwrap_or_default();
    let is_table = given.is_empty() || given == "table";
    let format = match (arguments.quiet && is_table, is_podman) {
        (true, true) => Format::parse("{{.Name}}", "")?,
        (true, false) => Format::parse("{{.ID}}", "")?,
        (false, true) => Format::parse(given, DEFAULT_PODMAN)?,
        (false, false) => Format::parse_list(given, DEFAULT, RAW)?,
    };
    let engine = context.engine()?;
    let (known, broken) = engine::list(&engine, &filters)?;
    for error in broken {
        context.ui.warning(&format!("a network cannot be shown: {}", error.chain()));
    }
    let truncate = !arguments.no_trunc;
    let rendered = match is_podman {
        true => {
            let reports = inspect::for_podman(&engine, &known)?;
            if given == "json" {
                return context.ui.text(&indented(&reports)?).map(|()| 0);
            }
            let rows = reports.iter().map(|report| podman_row(report, truncate)).collect::<Result<_>>()?;
            format.render(HEADERS_PODMAN, rows)?
        }
        false => format.render(HEADERS, known.iter().map(|known| row(known, truncate)).collect())?,
    };
    let has_heading = given.is_empty() && !arguments.quiet || given.starts_with("table");
    let shown = match rendered.split_once('\n') {
        Some((_, rows)) if arguments.noheading && has_heading => rows,
        _ => &rendered,
    };
    context.ui.text(shown).map(|()| 0)
}

fn row(known: &Known, truncate: bool) -> Row {
    let network = known.network.as_ref();
    let has = |is_family: fn(&std::net::IpAddr) -> bool| {
        network.is_some_and(|network| network.subnets.iter().any(|subnet| is_family(&subnet.gateway)))
    };
    let labels = network.map(|network| network.labels.clone()).unwrap_or_default();
    let texts = [
        ("ID", short(&known.id, truncate).to_owned()),
        ("Name", known.name.clone()),
        ("Driver", known.driver.to_owned()),
        ("Scope", "local".to_owned()),
        ("IPv4", (network.is_none() || has(std::net::IpAddr::is_ipv4)).to_string()),
        ("IPv6", has(std::net::IpAddr::is_ipv6).to_string()),
        ("Internal", network.is_some_and(|network| network.internal).to_string()),
        ("Labels", pairs(&labels)),
        ("CreatedAt", created(known.created)),
    ];
    let mut row: Row =
        texts.into_iter().map(|(name, text)| (Arc::from(name), Value::String(one_line(&text).into()))).collect();
    let label = move |args: &[Value]| {
        let key = args.first().and_then(Value::as_str).unwrap_or_default();
        Ok(Value::String(labels.get(key).map_or("", String::as_str).into()))
    };
    row.insert(Arc::from("Label"), Value::Function(Arc::new(label)));
    row
}

/// podman's fields with the names of Go.
fn podman_row(report: &inspect::PodmanReport, truncate: bool) -> Result<Row> {
    let Value::Map(fields) = for_template(report)? else { return Ok(Row::new()) };
    let mut row = (*fields).clone();
    if let Some(Value::String(id)) = row.get("ID") {
        row.insert(Arc::from("ID"), Value::String(short(id, truncate).into()));
    }
    Ok(row)
}

fn short(id: &str, truncate: bool) -> &str {
    id.get(..12).filter(|_| truncate).unwrap_or(id)
}

/// As Go prints a time.
fn created(time: Timestamp) -> String {
    jiff::Zoned::new(time, TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S%.f %z UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures;
    use crate::engine::network::create::{NewNetwork, create};

    #[test]
    fn the_table_is_dockers() {
        let (engine, _scratch) = fixtures::engine();
        let labels = [("app".into(), "shop".into()), ("tier".into(), "web".into())].into();
        let new = NewNetwork { internal: true, ipv6: true, labels, ..NewNetwork::named("web".parse().unwrap()) };
        let web = create(&engine, &new, false).unwrap();
        let (known, _) = engine::list(&engine, &Filters::default()).unwrap();
        let render = |format: &str, truncate| {
            let rows = known.iter().map(|known| row(known, truncate)).collect();
            Format::parse(format, DEFAULT).unwrap().render(HEADERS, rows).unwrap()
        };
        let table = render("", true);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[0], "NETWORK ID     NAME      DRIVER    SCOPE");
        assert_eq!(lines[4], format!("{}   web       bridge    local", web.id.short()));
        assert!(lines[3].ends_with("   none      null      local") && lines.len() == 5, "{table}");
        assert!(render("", false).contains(web.id.as_str()));
        let rest = render("{{.IPv4}} {{.IPv6}} {{.Internal}} {{.Label \"tier\"}} {{.Labels}}", true);
        assert_eq!(
            rest.lines().collect::<Vec<_>>(),
            ["true true false  ", "true false false  ", "true false false  ", "true true true web app=shop,tier=web"]
        );
        for (field, header) in HEADERS {
            assert!(render(&format!("table {{{{.{field}}}}}"), true).starts_with(header), "{field}");
        }
        let time: Timestamp = "2021-03-09T21:41:29.798999529Z".parse().unwrap();
        assert_eq!(created(time), "2021-03-09 21:41:29.798999529 +0000 UTC");
    }

    #[test]
    fn podmans_fields_have_values() {
        let (engine, _scratch) = fixtures::engine();
        let (known, _) = engine::list(&engine, &Filters::default()).unwrap();
        let reports = inspect::for_podman(&engine, &known).unwrap();
        let rows = || reports.iter().map(|report| podman_row(report, true).unwrap()).collect();
        let render =
            |format: &str| Format::parse(format, DEFAULT_PODMAN).unwrap().render(HEADERS_PODMAN, rows()).unwrap();
        assert!(render("").starts_with("NETWORK ID     NAME      DRIVER\n"));
        let subnets = render("{{.Name}}: {{range .Subnets}}{{.Subnet}} {{end}}");
        assert!(subnets.starts_with("bridge: 172."), "{subnets}");
        for (field, header) in HEADERS_PODMAN {
            assert!(render(&format!("table {{{{.{field}}}}}")).starts_with(header), "{field}");
        }
    }
}
