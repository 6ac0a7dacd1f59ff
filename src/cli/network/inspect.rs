//! `network inspect`: everything about networks, as JSON or through a template.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Args;
use gotmpl::Value;
use serde::Serialize;

use crate::base::Result;
use crate::cli::context::{Context, Persona};
use crate::cli::inspect::{compact, indented};
use crate::cli::template::{self, Format};
use crate::cli::ui;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::network::inspect::{PodmanReport, Report as DockerReport};
use crate::engine::network::inspect::{inspect as for_docker, inspect_for_podman};

/// The command.
pub const VERB: Verb = Verb {
    name: "inspect",
    about: "Display detailed information on one or more networks",
    usage: "NETWORK [NETWORK...]",
    arity: (1, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: InspectArguments::augment_args,
    run: |context, matches| inspect(context, &typed(matches)?),
};

/// Arguments of `network inspect`.
#[derive(Debug, Clone, Args)]
struct InspectArguments {
    /// Format with a Go template, or 'json'
    #[arg(short, long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Accepted: everything is shown anyway
    #[arg(short, long, hide = true)]
    verbose: bool,
    /// Names or IDs
    #[arg(value_name = "NETWORK", required = true)]
    networks: Vec<String>,
}

/// Names of podman's fields in templates, beside those that only begin with a capital there.
const GO_NAMES: &[(&str, &str)] = &[
    ("id", "ID"),
    ("network_interface", "NetworkInterface"),
    ("ipv6_enabled", "IPv6Enabled"),
    ("dns_enabled", "DNSEnabled"),
    ("network_dns_servers", "NetworkDNSServers"),
    ("ipam_options", "IPAMOptions"),
    ("lease_range", "LeaseRange"),
    ("start_ip", "StartIP"),
    ("end_ip", "EndIP"),
    ("ipnet", "IPNet"),
    ("mac_address", "MacAddress"),
];

/// Fields whose keys are users' own.
const FREE: &[&str] = &["labels", "options", "ipam_options", "containers", "interfaces"];

/// One network, in the shape of the persona.
#[derive(Serialize)]
#[serde(untagged)]
enum Report {
    Docker(Box<DockerReport>),
    Podman(Box<PodmanReport>),
}

impl Report {
    fn for_template(&self) -> Result<Value> {
        match self {
            Report::Docker(report) => template::value(report),
            Report::Podman(report) => for_template(report),
        }
    }
}

fn inspect(context: &Context, arguments: &InspectArguments) -> Result<u8> {
    let given = arguments.format.as_deref().filter(|format| !format.is_empty());
    let format = given.filter(|format| *format != "json").map(|format| Format::parse(format, "")).transpose()?;
    let engine = context.engine()?;
    let (mut found, mut values, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for name in &arguments.networks {
        let report = match context.persona {
            Persona::Podman => inspect_for_podman(&engine, name).map(|report| Report::Podman(Box::new(report))),
            _ => for_docker(&engine, name).map(|report| Report::Docker(Box::new(report))),
        };
        match report.and_then(|report| Ok((report.for_template()?, report))) {
            Ok((value, report)) => {
                found.push(report);
                values.push(value);
            }
            Err(error) => errors.push(error),
        }
    }
    match &format {
        Some(format) => {
            for value in &values {
                match format.render_value(value) {
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

/// podman's object as its templates see it: Go's names.
pub(super) fn for_template(report: &impl Serialize) -> Result<Value> {
    Ok(with_go_names(template::value(report)?, false))
}

fn with_go_names(value: Value, free: bool) -> Value {
    match value {
        Value::Map(map) => {
            let field = |(key, value): (&Arc<str>, &Value)| {
                let is_free = !free && FREE.contains(&&**key);
                let name: Arc<str> = if free { Arc::clone(key) } else { go_name(key).into() };
                (name, with_go_names(value.clone(), is_free))
            };
            let mut fields: BTreeMap<Arc<str>, Value> = map.iter().map(field).collect();
            if !free && fields.contains_key("ID") {
                // Fields that are left out of JSON when they are empty.
                for (name, empty) in
                    [("Subnets", Value::List(Vec::new().into())), ("Labels", empty_map()), ("Options", empty_map())]
                {
                    fields.entry(Arc::from(name)).or_insert(empty);
                }
            }
            Value::Map(Arc::new(fields))
        }
        Value::List(items) => Value::List(items.iter().map(|item| with_go_names(item.clone(), false)).collect()),
        other => other,
    }
}

fn empty_map() -> Value {
    Value::Map(Arc::new(BTreeMap::new()))
}

fn go_name(key: &str) -> String {
    if let Some((_, name)) = GO_NAMES.iter().find(|(json, _)| *json == key) {
        return (*name).to_owned();
    }
    let mut letters = key.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures;

    #[test]
    fn objects_are_shown_in_either_shape() {
        let (engine, _scratch) = fixtures::engine();
        let docker = for_docker(&engine, "bridge").unwrap();
        let shown = indented(std::slice::from_ref(&docker)).unwrap();
        assert!(shown.starts_with("[\n    {\n        \"Name\": \"bridge\",\n        \"Id\": \""), "{shown}");
        let render = |format: &str, value: &Value| Format::parse(format, "").unwrap().render_value(value).unwrap();
        let value = template::value(&docker).unwrap();
        assert!(render("{{(index .IPAM.Config 0).Subnet}} {{.ID}}", &value).starts_with("172."));
        let podman = for_template(&inspect_for_podman(&engine, "bridge").unwrap()).unwrap();
        let shown = render(
            "{{.Name}} {{.DNSEnabled}} {{.IPv6Enabled}} {{(index .Subnets 0).Gateway}} {{.IPAMOptions.driver}} {{len .Labels}}",
            &podman,
        );
        assert!(shown.starts_with("bridge true true 172.") && shown.ends_with(" host-local 0\n"), "{shown}");
    }
}
