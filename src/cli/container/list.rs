//! `ps`, also `container ls`: the containers there are.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use gotmpl::Value;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{list_podman, port};
use crate::base::{Error, Result, text, time};
use crate::cli::context::{Context, Persona};
use crate::cli::template::{Format, Row};
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::Engine;
use crate::engine::ps::{Filters, Query, list as engine_list};
use crate::engine::usage::{self, Sizes};
use crate::spec::container::{Container, ContainerConfig, Status};
use crate::spec::health::HealthStatus;
use crate::spec::storage::{Mount, MountSource};
use crate::spec::units::{ellipsis, human_duration, human_size};

/// The command.
pub const VERB: Verb = Verb {
    name: "ls",
    about: "List containers",
    usage: "",
    arity: (0, Some(0)),
    greedy: false,
    codes: Codes::Plain,
    arguments: ListArguments::augment_args,
    run: |context, matches| list(context, &typed(matches)?),
};

/// docker's old form, a field on each line.
const RAW: &str = "container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\ncreated_at: {{.CreatedAt}}\nstate:{{pad .State 1 0}}\n\
                   status:{{pad .Status 1 0}}\nnames: {{.Names}}\nlabels:{{pad .Labels 1 0}}\nports:{{pad .Ports 1 0}}\n";
/// And with `--size`.
const RAW_SIZE: &str = "size: {{.Size}}\n";
/// docker's default columns.
const DEFAULT: &str = r"table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";

/// docker's headers.
const HEADERS: &[(&str, &str)] = &[
    ("ID", "CONTAINER ID"),
    ("Image", "IMAGE"),
    ("Command", "COMMAND"),
    ("CreatedAt", "CREATED AT"),
    ("RunningFor", "CREATED"),
    ("Ports", "PORTS"),
    ("State", "STATE"),
    ("Status", "STATUS"),
    ("Size", "SIZE"),
    ("Names", "NAMES"),
    ("Labels", "LABELS"),
    ("Mounts", "MOUNTS"),
    ("LocalVolumes", "LOCAL VOLUMES"),
    ("Networks", "NETWORKS"),
];

/// Arguments of `ps`.
#[derive(Debug, Clone, Default, Args)]
struct ListArguments {
    /// Show all containers (default shows just running)
    #[arg(short, long)]
    all: bool,
    /// Filter by id, name, label, exited, status, ancestor, before, since, volume, network, pod, publish, expose, health, restart-policy or should-start-on-boot
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = crate::cli::verb::filter)]
    filter: Vec<String>,
    /// Format with a Go template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'
    #[arg(long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Show the n last created containers, whatever their state
    #[arg(
        short = 'n',
        long,
        value_name = "NUMBER",
        default_value = "-1",
        allow_negative_numbers = true,
        hide_default_value = true
    )]
    last: i64,
    /// Show the latest created container, whatever its state
    #[arg(short, long)]
    latest: bool,
    /// Leave the header line out
    #[arg(long, alias = "no-heading")]
    noheading: bool,
    /// Show the numbers of the namespaces of containers
    #[arg(long, alias = "namespace")]
    ns: bool,
    /// Show the pods that containers are in
    #[arg(short, long)]
    pod: bool,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Only display container IDs
    #[arg(short, long)]
    quiet: bool,
    /// Display sizes: what the container wrote, and with its image
    #[arg(short, long)]
    size: bool,
    /// Sort by command, created, id, image, names, runningfor or status
    #[arg(long, value_name = "FIELD")]
    sort: Option<String>,
    /// Look at the processes of containers as well as at their records: always done
    #[arg(long)]
    sync: bool,
    /// Show the list again after this number of seconds, until you end it
    #[arg(short, long, value_name = "SECONDS")]
    watch: Option<u32>,
}

impl ListArguments {
    fn query(&self) -> Result<Query> {
        let mut filters = Filters::default();
        self.filter.iter().try_for_each(|filter| filters.add(filter))?;
        let last = match self.latest {
            true => Some(1),
            false => usize::try_from(self.last).ok().filter(|last| *last > 0),
        };
        Ok(Query { all: self.all, last, filters })
    }
}

fn list(context: &Context, arguments: &ListArguments) -> Result<u8> {
    let query = arguments.query()?;
    if arguments.ns && arguments.size {
        return Err(Error::usage("size and namespace options conflict"));
    }
    let default = match (arguments.ns, arguments.size) {
        (true, _) => list_podman::NAMESPACE_TABLE.to_owned(),
        (false, size) => format!(
            "{DEFAULT}{}{}",
            if size { r"\t{{.Size}}" } else { "" },
            if arguments.pod { r"\t{{.Pod}}\t{{.PodName}}" } else { "" }
        ),
    };
    let given = arguments.format.as_deref().unwrap_or_default();
    let format = match arguments.quiet {
        true => Format::parse("{{.ID}}", "")?,
        false => Format::parse_list(given, &default, &format!("{RAW}{}", if arguments.size { RAW_SIZE } else { "" }))?,
    };
    if arguments.quiet && !given.is_empty() {
        context.ui.warning("Ignoring custom format, because both --format and --quiet are set.");
    }
    let engine = context.engine()?;
    loop {
        show(context, arguments, &engine, &query, &format)?;
        let Some(seconds) = arguments.watch else { return Ok(0) };
        context.ui.flush()?;
        std::thread::sleep(Duration::from_secs(u64::from(seconds.max(1))));
        context.ui.clear_screen()?;
    }
}

/// Shows the list once.
fn show(context: &Context, arguments: &ListArguments, engine: &Engine, query: &Query, format: &Format) -> Result<()> {
    let mut listing = engine_list(engine, query)?;
    let as_podman = context.persona == Persona::Podman;
    list_podman::sort(&mut listing.containers, arguments.sort.as_deref(), as_podman)?;
    for error in &listing.broken {
        context.ui.warning(&format!("a container cannot be shown: {}", error.chain()));
    }
    if as_podman && arguments.format.as_deref() == Some("json") && !arguments.quiet {
        let now = time::now();
        let json =
            list_podman::json(&listing.containers, now, arguments.ns, &|container| status_words(container, now))?;
        return context.ui.text(&json);
    }
    let configs: Vec<&ContainerConfig> = listing.containers.iter().map(|container| &container.config).collect();
    let measured = match !arguments.quiet && (arguments.size || format.names("Size")) {
        true => {
            let measured = |sizes: Result<Sizes>| match sizes {
                Ok(sizes) => Measured::Sizes(sizes),
                Err(error) => {
                    context.ui.warning(&error.chain());
                    Measured::Failed
                }
            };
            usage::sizes(engine, &configs)?.into_iter().map(measured).collect()
        }
        false => vec![Measured::Not; configs.len()],
    };
    // To learn the zone takes a walk through the system's data.
    let zone = if format.shows("CreatedAt") { context.zone() } else { TimeZone::UTC };
    let more = match as_podman {
        true => [list_podman::FIELDS, list_podman::SHARED_FIELDS].concat(),
        false if arguments.pod || arguments.ns => list_podman::SHARED_FIELDS.to_vec(),
        false => Vec::new(),
    };
    let view = View::new(time::now(), zone, !arguments.no_trunc, format, &more);
    let rows = listing.containers.iter().zip(measured).map(|(container, sizes)| view.row(container, sizes)).collect();
    let headers = [HEADERS, list_podman::HEADERS].concat();
    let table = format.render(&headers, rows)?;
    let lines = if arguments.noheading { format.without_header(&table) } else { &table };
    context.ui.text(lines)?;
    // The process ends now: to give back a thousand records one by one would take it longer than to print them.
    std::mem::forget(listing);
    Ok(())
}

/// How rows are shown.
struct View {
    now: Timestamp,
    zone: TimeZone,
    truncate: bool,
    /// The fields that are, and their names as templates know them.
    fields: Vec<(Arc<str>, Field)>,
    /// The same of podman's own fields.
    podmans: Vec<(Arc<str>, list_podman::Field)>,
    /// Whether the template asks for the platform.
    platform: bool,
    /// Whether the template asks for single labels.
    label: bool,
}

/// What is known of a container's sizes.
#[derive(Debug, Clone, Copy)]
enum Measured {
    /// Nobody asked.
    Not,
    Failed,
    Sizes(Sizes),
}

/// Finds out one field.
type Field = fn(&View, &Container, Measured) -> String;

/// docker's fields.
const FIELDS: &[(&str, Field)] = &[
    ("ID", |view, container, _| {
        let id = &container.config.id;
        if view.truncate { id.short().to_owned() } else { id.as_str().to_owned() }
    }),
    ("Image", |view, container, _| view.image(&container.config)),
    ("Command", |view, container, _| view.command(&container.config)),
    ("CreatedAt", |view, container, _| zoned(container.config.created, &view.zone)),
    ("RunningFor", |view, container, _| format!("{} ago", human_duration(container.config.created, view.now))),
    ("Ports", |_, container, _| port::column(container)),
    ("State", |_, container, _| container.status.phase().docker_word().to_owned()),
    ("Status", |view, container, _| status_words(container, view.now)),
    ("Size", |_, _, sizes| size(sizes)),
    ("Names", |_, container, _| container.name.to_string()),
    ("Labels", |_, container, _| pairs(&container.config.labels)),
    ("Mounts", |view, container, _| view.mounts(&container.config.storage.mounts)),
    ("LocalVolumes", |_, container, _| {
        container.config.storage.mounts.iter().filter(|mount| is_volume(mount)).count().to_string()
    }),
    ("Networks", |_, container, _| container.config.namespaces.network.networks().join(",")),
];

impl View {
    fn new(
        now: Timestamp,
        zone: TimeZone,
        truncate: bool,
        format: &Format,
        more: &[(&'static str, list_podman::Field)],
    ) -> Self {
        let shown = FIELDS.iter().filter(|(name, _)| format.shows(name));
        let podmans = more.iter().filter(|(name, _)| format.shows(name));
        let podmans = podmans.map(|(name, field)| (Arc::from(*name), *field)).collect();
        let fields = shown.map(|(name, field)| (Arc::from(*name), *field)).collect();
        Self { now, zone, truncate, fields, podmans, platform: format.shows("Platform"), label: format.shows("Label") }
    }

    fn row(&self, container: &Container, sizes: Measured) -> Row {
        let text = |field: &Field| Value::String(one_line(&field(self, container, sizes)).into());
        let mut row: Row = self.fields.iter().map(|(name, field)| (Arc::clone(name), text(field))).collect();
        for (name, field) in &self.podmans {
            let text = one_line(&field(container, self.truncate));
            row.insert(Arc::clone(name), Value::String(text.into()));
        }
        if self.platform {
            // As docker: what an image store of containerd knows.
            row.insert(Arc::from("Platform"), Value::Nil);
        }
        if self.label {
            row.insert(Arc::from("Label"), label(container.config.labels.clone()));
        }
        row
    }

    /// As the user named it; an id is cut like other ids.
    fn image(&self, config: &ContainerConfig) -> String {
        let name = &config.image.name;
        let digits = name.strip_prefix("sha256:").unwrap_or(name);
        let is_id = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        match self.truncate && is_id {
            true => digits[..12].to_owned(),
            false => name.clone(),
        }
    }

    fn command(&self, config: &ContainerConfig) -> String {
        let mut words = config.process.argv().into_iter();
        let mut command = words.next().unwrap_or_default();
        for word in words {
            let quoted = if word.contains(' ') { format!("'{word}'") } else { word };
            command = format!("{command} {quoted}");
        }
        format!("{:?}", if self.truncate { ellipsis(&command, 20) } else { command })
    }

    fn mounts(&self, mounts: &[Mount]) -> String {
        let names = mounts.iter().filter_map(|mount| match &mount.source {
            MountSource::Bind { path } => Some(path.display().to_string()),
            MountSource::Volume { name, .. } => Some(name.to_string()),
            _ => None,
        });
        let names = names.map(|name| if self.truncate { ellipsis(&name, 15) } else { name });
        names.collect::<Vec<_>>().join(",")
    }
}

fn is_volume(mount: &Mount) -> bool {
    matches!(mount.source, MountSource::Volume { .. })
}

/// docker's words: `Up 3 minutes (healthy)`, `Up 3 minutes (Paused)`, `Restarting (1) 5 seconds ago`, `Exited (0) 2 hours ago`, `Created`.
pub fn status_words(container: &Container, now: Timestamp) -> String {
    match &container.status {
        Status::Created => "Created".into(),
        Status::Removing => "Removal In Progress".into(),
        Status::Paused { started, .. } => format!("Up {} (Paused)", human_duration(*started, now)),
        Status::Running { started, .. } | Status::Stopping { started, .. } => {
            let health = container.run.health.as_ref().map(|health| match health.status {
                HealthStatus::Starting => " (health: starting)",
                HealthStatus::Healthy => " (healthy)",
                HealthStatus::Unhealthy => " (unhealthy)",
            });
            format!("Up {}{}", human_duration(*started, now), health.unwrap_or_default())
        }
        Status::Restarting { code, finished, .. } => {
            format!("Restarting ({code}) {} ago", human_duration(*finished, now))
        }
        Status::Exited { code, finished: Some(finished), .. } => {
            format!("Exited ({code}) {} ago", human_duration(*finished, now))
        }
        Status::Exited { code, finished: None, .. } => format!("Exited ({code})"),
    }
}

fn size(sizes: Measured) -> String {
    match sizes {
        Measured::Sizes(sizes) => format!("{} (virtual {})", human_size(sizes.writable), human_size(sizes.total())),
        Measured::Failed => "unknown".into(),
        Measured::Not => "0B".into(),
    }
}

/// As Go prints a time: `2026-11-21 10:30:00 +0100 CET`.
pub fn zoned(time: Timestamp, zone: &TimeZone) -> String {
    jiff::Zoned::new(time, zone.clone()).strftime("%Y-%m-%d %H:%M:%S %z %Z").to_string()
}

/// `key=value` pairs, separated by commas.
pub fn pairs(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// What a template calls as `.Label "name"`.
pub fn label(labels: BTreeMap<String, String>) -> Value {
    Value::Function(Arc::new(move |args: &[Value]| {
        let key = args.first().and_then(Value::as_str).unwrap_or_default();
        Ok(Value::String(labels.get(key).map_or("", String::as_str).into()))
    }))
}

/// Text that cannot break a table.
pub fn one_line(text: &str) -> String {
    text::clean(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures::container;

    fn view(format: &Format) -> View {
        View::new(Timestamp::from_second(1000).unwrap(), TimeZone::UTC, true, format, &[])
    }

    fn rows(format: &Format) -> Vec<Row> {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut web = container("web", 400, Status::Running { started: at(820), pid: 7 });
        web.config.labels = [("a".to_owned(), "b".to_owned()), ("c".to_owned(), String::new())].into();
        web.config.storage.mounts = ["/a/rather/long/source", "/b"]
            .map(|path| Mount::plain(MountSource::Bind { path: path.into() }, path.into()))
            .to_vec();
        let exited = Status::Exited { code: 3, started: at(100), finished: Some(at(999)), error: String::new() };
        let lost = Status::Exited { code: 255, started: at(100), finished: None, error: String::new() };
        let list = [web, container("db", 0, exited), container("new", 0, Status::Created), container("lost", 0, lost)];
        list.iter().map(|container| view(format).row(container, Measured::Not)).collect()
    }

    fn render(format: &str) -> String {
        let format = Format::parse(format, DEFAULT).unwrap();
        format.render(HEADERS, rows(&format)).unwrap()
    }

    #[test]
    fn the_table_is_dockers() {
        let table = render("");
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(
            lines[0],
            "CONTAINER ID   IMAGE     COMMAND                  CREATED          STATUS                    PORTS     NAMES"
        );
        assert_eq!(
            lines[1],
            "776562000000   busybox   \"sh -c 'sleep 1000 &…\"   10 minutes ago   Up 3 minutes                        web"
        );
        assert!(lines[2].contains("Exited (3) 1 second ago"), "{table}");
        assert!(lines[3].contains("Created"), "{table}");
        assert!(lines[4].contains("Exited (255)  "), "{table}");
    }

    #[test]
    fn every_field_has_its_value() {
        for (format, first) in [
            ("{{.Label \"a\"}}-{{.Label \"x\"}}-{{.Labels}}", "b--a=b,c="),
            ("{{.Mounts}} {{.LocalVolumes}} {{.Networks}}", "/a/rather/long…,/b 0 none"),
            ("{{.CreatedAt}}", "1970-01-01 00:06:40 +0000 UTC"),
            ("{{.State}} {{.Size}} [{{.Ports}}]", "running 0B []"),
        ] {
            assert_eq!(render(format).lines().next(), Some(first), "{format}");
        }
        for (field, header) in HEADERS {
            assert!(render(&format!("table {{{{.{field}}}}}")).starts_with(header), "{field}");
        }
        let sizes = Sizes { writable: 1000, layers: 4_000_000 };
        assert_eq!(size(Measured::Sizes(sizes)), "1kB (virtual 4MB)");
    }

    #[test]
    fn hostile_text_stays_in_its_cell() {
        let mut evil = container("evil", 0, Status::Created);
        evil.config.image.name = "a\tb\x1b[2J".into();
        let format = Format::parse("{{.Image}}", "").unwrap();
        let shown = format.render(HEADERS, vec![view(&format).row(&evil, Measured::Not)]).unwrap();
        assert_eq!(shown, "a\\u{9}b\\u{1b}[2J\n");
    }

    #[test]
    fn options_become_a_query() {
        let query = |latest, last| ListArguments { latest, last, ..ListArguments::default() }.query().unwrap().last;
        assert_eq!(
            [query(true, -1), query(false, 3), query(false, 0), query(false, -1)],
            [Some(1), Some(3), None, None]
        );
        let wrong = ListArguments { filter: vec!["nonsense=1".into()], ..ListArguments::default() };
        assert!(wrong.query().is_err());
    }
}
