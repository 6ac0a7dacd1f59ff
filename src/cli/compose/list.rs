//! `compose ps`, `ls`, `images`, `volumes`, `top`, `port`, `stats`, `version`: what is there of projects.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::work::Work;
use crate::base::{Error, Result, text, time};
use crate::cli::container::list::{one_line, pairs, status_words, zoned};
use crate::cli::container::port::column;
use crate::cli::context::Context;
use crate::cli::table;
use crate::cli::template::{Format, Row, value};
use crate::cli::verb::{Codes, Verb, filter, typed};
use crate::compose::labels::{self, Known};
use crate::engine::inspect::host_addresses;
use crate::engine::top::top as engine_top;
use crate::engine::volume::{Filters as VolumeFilters, list as list_volumes};
use crate::spec::container::{Container, Phase, Status};
use crate::spec::network::Joined;
use crate::spec::storage::MountSource;
use crate::spec::units::{ellipsis, human_duration, human_size};

/// `compose ps`.
pub const PS: Verb = Verb {
    name: "ps",
    about: "List the containers of a project",
    usage: "[SERVICE...]",
    arity: (0, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: PsArguments::augment_args,
    run: |context, matches| ps(context, &typed(matches)?),
};

/// `compose ls`.
pub const LS: Verb = Verb {
    name: "ls",
    about: "List projects",
    usage: "",
    arity: (0, Some(0)),
    greedy: false,
    codes: Codes::Plain,
    arguments: LsArguments::augment_args,
    run: |context, matches| ls(context, &typed(matches)?),
};

/// `compose images`.
pub const IMAGES: Verb = Verb {
    name: "images",
    about: "List the images of the containers of a project",
    usage: "[SERVICE...]",
    arity: (0, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: ListArguments::augment_args,
    run: |context, matches| images(context, &typed(matches)?),
};

/// `compose volumes`.
pub const VOLUMES: Verb = Verb {
    name: "volumes",
    about: "List the volumes of a project",
    usage: "[SERVICE...]",
    arity: (0, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: ListArguments::augment_args,
    run: |context, matches| volumes(context, &typed(matches)?),
};

/// `compose top`.
pub const TOP: Verb = Verb {
    name: "top",
    about: "List the processes of services",
    usage: "[SERVICE...]",
    arity: (0, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: TopArguments::augment_args,
    run: |context, matches| top(context, &typed(matches)?),
};

/// `compose port`.
pub const PORT: Verb = Verb {
    name: "port",
    about: "Print where a port of a service is published",
    usage: "SERVICE PRIVATE_PORT",
    arity: (2, Some(2)),
    greedy: false,
    codes: Codes::Plain,
    arguments: PortArguments::augment_args,
    run: |context, matches| port(context, &typed(matches)?),
};

/// `compose version`.
pub const VERSION: Verb = Verb {
    name: "version",
    about: "Show the version of docker compose whose behaviour this is",
    usage: "",
    arity: (0, Some(0)),
    greedy: false,
    codes: Codes::Plain,
    arguments: VersionArguments::augment_args,
    run: |context, matches| version(context, &typed(matches)?),
};

/// Arguments of `compose ps`.
#[derive(Debug, Clone, Default, Args)]
struct PsArguments {
    /// Show containers that do not run, and those of `compose run`, too
    #[arg(short, long)]
    all: bool,
    /// Only containers with this status: status=STATUS
    #[arg(long, value_name = "KEY=VALUE", value_parser = filter)]
    filter: Option<String>,
    /// Format with a Go template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'
    #[arg(long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Include services that the files do not have
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true")]
    orphans: bool,
    /// Only display IDs
    #[arg(short, long)]
    quiet: bool,
    /// Display the names of services
    #[arg(long)]
    services: bool,
    /// Only containers with this status: paused, restarting, removing, running, dead, created or exited
    #[arg(long, value_name = "STATUS")]
    status: Vec<String>,
    /// Services; all when none are named
    #[arg(value_name = "SERVICE")]
    names: Vec<String>,
}

/// docker compose's columns.
const PS_COLUMNS: &str =
    r"table {{.Name}}\t{{.Image}}\t{{.Command}}\t{{.Service}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}";

/// docker compose's headers.
const PS_HEADERS: &[(&str, &str)] = &[
    ("ID", "CONTAINER ID"),
    ("Name", "NAME"),
    ("Names", "NAMES"),
    ("Project", "PROJECT"),
    ("Service", "SERVICE"),
    ("Image", "IMAGE"),
    ("Command", "COMMAND"),
    ("CreatedAt", "CREATED AT"),
    ("RunningFor", "CREATED"),
    ("Ports", "PORTS"),
    ("State", "STATE"),
    ("Status", "STATUS"),
    ("Size", "SIZE"),
    ("Labels", "LABELS"),
    ("Mounts", "MOUNTS"),
    ("LocalVolumes", "LOCAL VOLUMES"),
    ("Networks", "NETWORKS"),
    ("Health", "HEALTH"),
    ("ExitCode", "EXIT CODE"),
    ("Publishers", "PUBLISHERS"),
];

fn ps(context: &Context, arguments: &PsArguments) -> Result<u8> {
    let mut wanted = arguments.status.clone();
    if let Some(given) = &arguments.filter {
        match given.split_once('=') {
            Some(("status", status)) => wanted.push(status.to_owned()),
            Some(("source", _)) => {}
            _ => return Err(Error::usage("arguments to --filter should be in form KEY=VAL: status=STATUS")),
        }
    }
    let phases: Vec<Phase> = wanted
        .iter()
        .map(|word| Phase::parse(word).ok_or_else(|| Error::usage(format!("unknown status {:?}", text::clean(word)))))
        .collect::<Result<_>>()?;
    let work = Work::new(context)?;
    let (name, project) = work.options.load_or_name(context)?;
    let mut containers = work.existing(&name, project.as_ref(), None).containers(&arguments.names, arguments.all)?;
    containers.retain(|container| {
        let known = project.as_ref().is_none_or(|project| project.known.contains(Known::of(container).service()));
        let shown = match phases.is_empty() {
            true => arguments.all || container.status.is_running(),
            false => phases.contains(&container.status.phase()),
        };
        shown && (arguments.orphans || known)
    });
    if arguments.quiet {
        return containers.iter().try_for_each(|one| context.ui.line(one.config.id.as_str())).map(|()| 0);
    }
    if arguments.services {
        let mut names: Vec<&str> = containers.iter().map(|one| Known::of(one).service()).collect();
        names.dedup();
        return names.into_iter().try_for_each(|name| context.ui.line(&one_line(name))).map(|()| 0);
    }
    let format = Format::parse(arguments.format.as_deref().unwrap_or_default(), PS_COLUMNS)?;
    let zone = if format.shows("CreatedAt") { context.zone() } else { jiff::tz::TimeZone::UTC };
    let rows = containers.iter().map(|container| ps_row(container, !arguments.no_trunc, &zone));
    context.ui.text(&format.render(PS_HEADERS, rows.collect::<Result<_>>()?)?).map(|()| 0)
}

fn ps_row(container: &Container, truncate: bool, zone: &jiff::tz::TimeZone) -> Result<Row> {
    let now = time::now();
    let config = &container.config;
    let known = Known::of(container);
    let command = config.process.argv().join(" ");
    let command = if truncate { ellipsis(&command, 20) } else { command };
    let id = if truncate { config.id.short() } else { config.id.as_str() };
    let health = container.run.health.as_ref().map_or("", |health| health.status.word());
    let code = if let Status::Exited { code, .. } = container.status { code } else { 0 };
    let mounts = config.storage.mounts.iter().filter_map(|mount| match &mount.source {
        MountSource::Bind { path } => Some(path.display().to_string()),
        MountSource::Volume { name, .. } => Some(name.to_string()),
        _ => None,
    });
    let mounts: Vec<String> = mounts.map(|name| if truncate { ellipsis(&name, 15) } else { name }).collect();
    let volumes =
        config.storage.mounts.iter().filter(|mount| matches!(mount.source, MountSource::Volume { .. })).count();
    let fields = json!({
        "ID": id,
        "Name": container.name.as_str(),
        "Names": container.name.as_str(),
        "Project": known.get(labels::PROJECT),
        "Service": known.service(),
        "Image": config.image.name,
        "Command": one_line(&format!("{command:?}")),
        "CreatedAt": zoned(config.created, zone),
        "RunningFor": format!("{} ago", human_duration(config.created, now)),
        "Ports": column(container),
        "State": container.status.phase().docker_word(),
        "Status": status_words(container, now),
        "Size": "0B",
        "Labels": pairs(&config.labels),
        "Mounts": mounts.join(","),
        "LocalVolumes": volumes.to_string(),
        "Networks": config.namespaces.network.networks().join(","),
        "Health": health,
        "ExitCode": code,
        "Publishers": publishers(container),
    });
    let serde_json::Value::Object(fields) = fields else { return Ok(Row::new()) };
    fields.into_iter().map(|(name, field)| Ok((Arc::from(name), value(&field)?))).collect()
}

/// docker compose's list of published ports.
fn publishers(container: &Container) -> Vec<serde_json::Value> {
    let ports = container.joined.iter().flat_map(Joined::reachable_ports);
    let of_port = |port: &crate::spec::network::PublishedPort| {
        let one = |ip: std::net::IpAddr| {
            json!({
                "URL": ip.to_string(),
                "TargetPort": port.container_port,
                "PublishedPort": port.host_port,
                "Protocol": port.protocol.name(),
            })
        };
        host_addresses(port).into_iter().map(one).collect::<Vec<_>>()
    };
    ports.flat_map(of_port).collect()
}

/// Arguments of `compose ls`.
#[derive(Debug, Clone, Default, Args)]
struct LsArguments {
    /// Show projects that do not run, too
    #[arg(short, long)]
    all: bool,
    /// Only projects whose name has this: name=NAME
    #[arg(long, value_name = "KEY=VALUE", value_parser = filter)]
    filter: Vec<String>,
    /// Show as a table or as json
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: String,
    /// Only display names
    #[arg(short, long)]
    quiet: bool,
}

fn ls(context: &Context, arguments: &LsArguments) -> Result<u8> {
    let mut names = Vec::new();
    for given in &arguments.filter {
        match given.split_once('=') {
            Some(("name", pattern)) => names.push(pattern.parse::<String>().unwrap_or_default()),
            _ => return Err(Error::usage(format!("unknown filter {:?}: it is name=NAME", text::clean(given)))),
        }
    }
    let engine = context.engine()?;
    // By project: how many containers are in each state, and the files.
    let mut projects: BTreeMap<String, (BTreeMap<&'static str, u32>, String)> = BTreeMap::new();
    for container in engine.containers().list()?.into_iter().flatten() {
        let known = Known::of(&container);
        let name = known.get(labels::PROJECT);
        let is_meant = names.is_empty() || names.iter().any(|wanted| name.contains(wanted.as_str()));
        if name.is_empty() || !is_meant || !(arguments.all || container.status.is_running()) {
            continue;
        }
        let (states, files) = projects.entry(name.to_owned()).or_default();
        *states.entry(container.status.phase().docker_word()).or_default() += 1;
        if files.is_empty() {
            known.get(labels::CONFIG_FILES).clone_into(files);
        }
    }
    let status = |states: &BTreeMap<&str, u32>| {
        states.iter().map(|(state, number)| format!("{state}({number})")).collect::<Vec<_>>().join(", ")
    };
    if arguments.quiet {
        return projects.keys().try_for_each(|name| context.ui.line(&one_line(name))).map(|()| 0);
    }
    match arguments.format.as_str() {
        "json" => {
            let rows: Vec<_> = projects
                .iter()
                .map(|(name, (states, files))| json!({"Name": name, "Status": status(states), "ConfigFiles": files}))
                .collect();
            context.ui.line(&serde_json::Value::from(rows).to_string())?;
        }
        "table" | "pretty" | "" => {
            let mut rows = String::from("NAME\tSTATUS\tCONFIG FILES\n");
            for (name, (states, files)) in &projects {
                let _ = writeln!(rows, "{}\t{}\t{}", one_line(name), status(states), one_line(files));
            }
            context.ui.text(&table::align_to(&rows, 20))?;
        }
        other => return Err(Error::usage(format!("format value {:?} could not be parsed", text::clean(other)))),
    }
    Ok(0)
}

/// Arguments of lists with few columns.
#[derive(Debug, Clone, Default, Args)]
struct ListArguments {
    /// Show as a table or as json
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: String,
    /// Only display IDs or names
    #[arg(short, long)]
    quiet: bool,
    /// Services; all when none are named
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
}

impl ListArguments {
    fn is_json(&self) -> Result<bool> {
        match self.format.as_str() {
            "json" => Ok(true),
            "table" | "" => Ok(false),
            other => Err(Error::usage(format!("format value {:?} could not be parsed", text::clean(other)))),
        }
    }
}

fn images(context: &Context, arguments: &ListArguments) -> Result<u8> {
    let is_json = arguments.is_json()?;
    let work = Work::new(context)?;
    let (name, project) = work.options.load_or_name(context)?;
    let containers = work.existing(&name, project.as_ref(), None).containers(&arguments.services, false)?;
    let known = crate::engine::images::list(&work.engine, &crate::engine::images::Query::default())?;
    if arguments.quiet {
        let mut ids: Vec<&str> = containers.iter().map(|one| one.config.image.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        return ids.into_iter().try_for_each(|id| context.ui.line(id.trim_start_matches("sha256:"))).map(|()| 0);
    }
    let mut rows = String::from("CONTAINER\tREPOSITORY\tTAG\tPLATFORM\tIMAGE ID\tSIZE\tCREATED\n");
    let mut objects = Vec::new();
    for container in &containers {
        let origin = &container.config.image;
        let image = known.iter().find(|image| image.record.id.to_string() == origin.id);
        let of = |get: &dyn Fn(&crate::engine::images::NamedImage) -> String| image.map(get).unwrap_or_default();
        let repository = of(&|image| image.repository.clone().unwrap_or_else(|| "<none>".into()));
        let tag = of(&|image| image.tag.clone().unwrap_or_else(|| "<none>".into()));
        let platform = of(&|image| image.record.platform.to_string());
        let size = image.map_or(0, |image| image.record.size);
        let created = image.and_then(|image| image.record.created);
        let id = origin.id.trim_start_matches("sha256:");
        let age = created.map_or(String::new(), |made| format!("{} ago", human_duration(made, time::now())));
        let short = id.get(..12).unwrap_or(id);
        let _ =
            writeln!(rows, "{}\t{repository}\t{tag}\t{platform}\t{short}\t{}\t{age}", container.name, human_size(size));
        objects.push(json!({
            "ID": origin.id, "ContainerName": container.name.as_str(), "Repository": repository, "Tag": tag,
            "Platform": platform, "Size": size, "Created": created.map(time::rfc3339),
        }));
    }
    match is_json {
        true => context.ui.line(&serde_json::Value::from(objects).to_string()),
        false => context.ui.text(&table::align_to(&rows, 20)),
    }
    .map(|()| 0)
}

fn volumes(context: &Context, arguments: &ListArguments) -> Result<u8> {
    let is_json = arguments.is_json()?;
    let work = Work::new(context)?;
    let (name, project) = work.options.load_or_name(context)?;
    let mut filters = VolumeFilters::default();
    let never = |_: &str| Err(Error::usage("no time"));
    filters.add(&format!("label={}={name}", labels::PROJECT), &VolumeFilters::LIST, &never)?;
    let (mut listed, _) = list_volumes(&work.engine, &filters)?;
    if !arguments.services.is_empty() {
        let containers = work.existing(&name, project.as_ref(), None).containers(&arguments.services, false)?;
        let mounts = || containers.iter().flat_map(|container| &container.config.storage.mounts);
        listed.retain(|listed| {
            mounts()
                .any(|mount| matches!(&mount.source, MountSource::Volume { name, .. } if *name == listed.volume.name))
        });
    }
    if arguments.quiet {
        return listed.iter().try_for_each(|one| context.ui.line(one.volume.name.as_str())).map(|()| 0);
    }
    let mut rows = String::from("DRIVER\tVOLUME NAME\n");
    let mut lines = String::new();
    for one in &listed {
        let _ = writeln!(rows, "local\t{}", one.volume.name);
        let object = json!({
            "Driver": "local", "Labels": pairs(&one.volume.labels), "Mountpoint": one.mountpoint,
            "Name": one.volume.name.as_str(), "Scope": "local",
        });
        let _ = writeln!(lines, "{object}");
    }
    context.ui.text(&if is_json { lines } else { table::align(&rows) }).map(|()| 0)
}

/// Arguments of `compose top`.
#[derive(Debug, Clone, Default, Args)]
struct TopArguments {
    /// Services; all when none are named
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
}

fn top(context: &Context, arguments: &TopArguments) -> Result<u8> {
    let work = Work::new(context)?;
    let (name, project) = work.options.load_or_name(context)?;
    let containers = work.existing(&name, project.as_ref(), None).containers(&arguments.services, false)?;
    let mut rows = String::new();
    for container in containers.iter().filter(|one| one.status.is_running()) {
        let known = Known::of(container);
        let top = engine_top(&work.engine, container.config.id.as_str(), &[], &context.zone())?;
        if rows.is_empty() {
            let _ = writeln!(rows, "SERVICE\t#\t{}", top.titles.join("\t"));
        }
        for process in &top.processes {
            let cells: Vec<String> = process.iter().map(|cell| one_line(cell)).collect();
            let _ = writeln!(
                rows,
                "{}\t{}\t{}",
                one_line(known.service()),
                one_line(known.get(labels::NUMBER)),
                cells.join("\t")
            );
        }
    }
    context.ui.text(&table::align_to(&rows, 4)).map(|()| 0)
}

/// Arguments of `compose port`.
#[derive(Debug, Clone, Default, Args)]
struct PortArguments {
    /// The number of the container, if the service has several
    #[arg(long, value_name = "NUMBER")]
    index: Option<u32>,
    /// tcp or udp
    #[arg(long, value_name = "PROTOCOL", default_value = "tcp")]
    protocol: String,
    /// The service, and the port of its containers
    #[arg(value_name = "SERVICE PRIVATE_PORT", num_args = 2)]
    words: Vec<String>,
}

fn port(context: &Context, arguments: &PortArguments) -> Result<u8> {
    let [service, wanted] = &arguments.words[..] else { return Err(Error::usage("a service and a port are needed")) };
    let number: u16 = wanted.parse().map_err(|_| Error::usage(format!("invalid port {:?}", text::clean(wanted))))?;
    let work = Work::new(context)?;
    let container = work.container(service, arguments.index)?;
    let mut ports = container.joined.iter().flat_map(Joined::reachable_ports);
    let protocol = arguments.protocol.to_ascii_lowercase();
    let found = ports.find(|port| port.container_port == number && port.protocol.name() == protocol);
    let end = found.and_then(|port| Some((host_addresses(port).first().copied()?, port.host_port)));
    match end {
        Some((address, port)) => context.ui.line(&std::net::SocketAddr::new(address, port).to_string()).map(|()| 0),
        None => Err(Error::not_found(format!(
            "no port {number}/{} for container {}",
            text::clean(&protocol),
            container.name
        ))),
    }
}

/// Arguments of `compose version`.
#[derive(Debug, Clone, Default, Args)]
struct VersionArguments {
    /// pretty or json
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Only the number
    #[arg(long)]
    short: bool,
}

fn version(context: &Context, arguments: &VersionArguments) -> Result<u8> {
    let line = match (arguments.format.as_deref(), arguments.short) {
        (Some("json"), _) => json!({"version": format!("v{}", labels::COMPOSE_VERSION)}).to_string(),
        (None | Some("" | "pretty"), true) => labels::COMPOSE_VERSION.to_owned(),
        (None | Some("" | "pretty"), false) => super::version_line(),
        (Some(other), _) => return Err(Error::usage(format!("unknown format {:?}", text::clean(other)))),
    };
    context.ui.line(&line).map(|()| 0)
}
