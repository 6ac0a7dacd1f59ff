//! `pod ps`: the pods there are.

use std::sync::Arc;

use clap::Args;
use gotmpl::Value;
use jiff::Timestamp;
use serde::Serialize;

use crate::base::time::{self, rfc3339_nanos};
use crate::base::{Error, Result, text};
use crate::cli::container::list::{one_line, pairs};
use crate::cli::container::list_podman::{NAMESPACES, namespace};
use crate::cli::context::Context;
use crate::cli::inspect::indented;
use crate::cli::template::{Format, Row};
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::pod::{self, Filters, PodNow};
use crate::spec::times;
use crate::spec::units::human_duration;

/// The command.
pub const VERB: Verb = Verb {
    name: "ps",
    about: "List pods",
    usage: "",
    arity: (0, Some(0)),
    greedy: false,
    codes: Codes::Plain,
    arguments: ListArguments::augment_args,
    run: |context, matches| list(context, &typed(matches)?),
};

/// podman's headers.
const HEADERS: &[(&str, &str)] = &[
    ("Id", "POD ID"),
    ("ID", "POD ID"),
    ("Name", "NAME"),
    ("Status", "STATUS"),
    ("Created", "CREATED"),
    ("InfraID", "INFRA ID"),
    ("InfraId", "INFRA ID"),
    ("ContainerIds", "IDS"),
    ("ContainerNames", "NAMES"),
    ("ContainerStatuses", "STATUS"),
    ("Cgroup", "CGROUP"),
    ("Namespace", "NAMESPACES"),
    ("NumberOfContainers", "# OF CONTAINERS"),
    ("Labels", "LABELS"),
    ("Networks", "NETWORKS"),
    ("Restarts", "RESTARTS"),
];

/// Arguments of `pod ps`.
#[derive(Debug, Clone, Default, Args)]
struct ListArguments {
    /// Show the IDs of the containers
    #[arg(long)]
    ctr_ids: bool,
    /// Show the names of the containers
    #[arg(long)]
    ctr_names: bool,
    /// Show what the containers do
    #[arg(long)]
    ctr_status: bool,
    /// Filter by id, name, label, status, ctr-ids, ctr-names, ctr-number, ctr-status, network or until
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = crate::cli::verb::filter)]
    filter: Vec<String>,
    /// Format with a Go template: 'table TEMPLATE', 'json' or 'TEMPLATE'
    #[arg(long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Show only the pod that was created last
    #[arg(short, long)]
    latest: bool,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Leave the header line out
    #[arg(short, long)]
    noheading: bool,
    /// Show the numbers of the namespaces that are shared
    #[arg(long)]
    ns: bool,
    /// Only display pod IDs
    #[arg(short, long)]
    quiet: bool,
    /// Sort by created, id, name, number or status
    #[arg(long, value_name = "FIELD", default_value = "created")]
    sort: String,
}

impl ListArguments {
    /// podman's columns for these options.
    fn columns(&self) -> String {
        let shown = [
            (true, r"{{.Id}}\t{{.Name}}\t{{.Status}}\t{{.Created}}\t{{.InfraID}}"),
            (self.ctr_ids, "{{.ContainerIds}}"),
            (self.ctr_names, "{{.ContainerNames}}"),
            (self.ctr_status, "{{.ContainerStatuses}}"),
            (self.ns, r"{{.Cgroup}}\t{{.Namespace}}"),
            (!self.ctr_ids && !self.ctr_names && !self.ctr_status, "{{.NumberOfContainers}}"),
        ];
        let columns: Vec<&str> = shown.into_iter().filter(|(shown, _)| *shown).map(|(_, column)| column).collect();
        format!("table {}", columns.join(r"\t"))
    }
}

/// A pod in podman's JSON.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Report<'a> {
    cgroup: &'a str,
    containers: Vec<Member<'a>>,
    created: String,
    id: &'a str,
    infra_id: &'a str,
    name: &'a str,
    namespace: &'a str,
    networks: Vec<&'a str>,
    status: &'a str,
    labels: &'a std::collections::BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Member<'a> {
    id: &'a str,
    names: &'a str,
    status: &'a str,
    restart_count: u32,
}

fn list(context: &Context, arguments: &ListArguments) -> Result<u8> {
    let (now, zone) = (time::now(), context.zone());
    let mut filters = Filters::default();
    for filter in &arguments.filter {
        filters.add(filter, &|when| times::parse(when, now, &zone))?;
    }
    let given = arguments.format.as_deref().unwrap_or_default();
    if arguments.quiet && !given.is_empty() {
        return Err(Error::usage("quiet and format cannot be used together"));
    }
    let format = match arguments.quiet {
        // podman does not cut these.
        true => Format::parse("{{.WholeId}}", "")?,
        false => Format::parse(given, &arguments.columns())?,
    };
    let (mut pods, broken) = pod::list(&context.engine()?, &filters)?;
    for error in broken {
        context.ui.warning(&format!("a pod cannot be shown: {}", error.chain()));
    }
    sort(&mut pods, &arguments.sort)?;
    if arguments.latest {
        pods.sort_by_key(|now| std::cmp::Reverse(now.pod.created));
        pods.truncate(1);
    }
    if given == "json" {
        let reports: Vec<Report<'_>> = pods.iter().map(report).collect();
        return context.ui.text(&indented(&reports)?).map(|()| 0);
    }
    let truncate = !arguments.no_trunc;
    let table = format.render(HEADERS, pods.iter().map(|one| row(one, truncate, now)).collect())?;
    context.ui.text(if arguments.noheading { format.without_header(&table) } else { &table }).map(|()| 0)
}

/// podman's orders: by time the newest first.
fn sort(pods: &mut [PodNow], by: &str) -> Result<()> {
    match by {
        "created" => pods.sort_by_key(|now| std::cmp::Reverse(now.pod.created)),
        "id" => pods.sort_by(|a, b| a.pod.id.as_str().cmp(b.pod.id.as_str())),
        "name" => pods.sort_by(|a, b| a.pod.name.as_str().cmp(b.pod.name.as_str())),
        "number" => pods.sort_by_key(|now| now.containers.len()),
        "status" => pods.sort_by_key(|now| now.status().word()),
        other => {
            return Err(Error::usage(format!("pods cannot be sorted by `{}`", text::clean(other)))
                .hint("created, id, name, number and status are known"));
        }
    }
    Ok(())
}

fn infra_id(now: &PodNow) -> &str {
    now.pod.infra.as_ref().map_or("", |infra| infra.id.as_str())
}

fn networks(now: &PodNow) -> Vec<&str> {
    now.infra().map(|infra| infra.config.namespaces.network.networks()).unwrap_or_default()
}

fn report(now: &PodNow) -> Report<'_> {
    let member =
        |container: &'_ crate::spec::container::Container| (container.run.restarts, container.status.phase().word());
    Report {
        cgroup: "",
        containers: now
            .containers
            .iter()
            .map(|container| Member {
                id: container.config.id.as_str(),
                names: container.name.as_str(),
                status: member(container).1,
                restart_count: member(container).0,
            })
            .collect(),
        created: rfc3339_nanos(now.pod.created),
        id: now.pod.id.as_str(),
        infra_id: infra_id(now),
        name: now.pod.name.as_str(),
        namespace: "",
        networks: networks(now),
        status: now.status().word(),
        labels: &now.pod.labels,
    }
}

fn row(now: &PodNow, truncate: bool, at: Timestamp) -> Row {
    let id = |id: &str| id.chars().take(if truncate { 12 } else { id.len() }).collect::<String>();
    let of_containers = |text: &dyn Fn(&crate::spec::container::Container) -> String| {
        now.containers.iter().map(text).collect::<Vec<_>>().join(",")
    };
    let pid = now.infra().and_then(|infra| infra.status.pid());
    let shared = |(_, kind): &(&str, &str)| now.pod.share.iter().any(|share| share.word() == *kind);
    let namespaces = NAMESPACES.iter().filter(|it| shared(it)).filter_map(|(_, kind)| namespace(pid?, kind));
    let texts = [
        ("Id", id(now.pod.id.as_str())),
        ("ID", id(now.pod.id.as_str())),
        ("WholeId", now.pod.id.to_string()),
        ("Name", now.pod.name.to_string()),
        ("Status", now.status().word().to_owned()),
        ("Created", format!("{} ago", human_duration(now.pod.created, at))),
        ("InfraID", id(infra_id(now))),
        ("InfraId", id(infra_id(now))),
        ("ContainerIds", of_containers(&|container| id(container.config.id.as_str()))),
        ("ContainerNames", of_containers(&|container| container.name.to_string())),
        ("ContainerStatuses", of_containers(&|container| container.status.phase().word().to_owned())),
        ("Cgroup", String::new()),
        ("Namespace", namespaces.collect::<Vec<_>>().join(",")),
        ("NumberOfContainers", now.containers.len().to_string()),
        ("Labels", pairs(&now.pod.labels)),
        ("Networks", networks(now).join(",")),
        ("Restarts", now.containers.iter().map(|container| container.run.restarts).sum::<u32>().to_string()),
    ];
    texts.into_iter().map(|(name, text)| (Arc::from(name), Value::String(one_line(&text).into()))).collect()
}
