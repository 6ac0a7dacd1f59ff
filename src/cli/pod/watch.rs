//! `pod logs`, `pod stats` and `pod top`: what the containers of pods say, use and run.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use gotmpl::Value;

use crate::base::{Error, Result};
use crate::cli::container::logs::{LogsArguments, logs as show_logs};
use crate::cli::context::Context;
use crate::cli::table;
use crate::cli::template::{Format, Row};
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::Engine;
use crate::engine::pod::{self, Filters, PodNow};
use crate::engine::stats::{Sample, stats as engine_stats};
use crate::engine::top::{podmans_columns, top as engine_top};
use crate::spec::units::human_size;

/// `pod logs`.
pub const LOGS: Verb = Verb {
    name: "logs",
    about: "Fetch the logs of the containers of a pod",
    usage: "POD",
    arity: (0, Some(1)),
    greedy: false,
    codes: Codes::Plain,
    arguments: PodLogsArguments::augment_args,
    run: |context, matches| pod_logs(context, typed(matches)?),
};

/// `pod stats`.
pub const STATS: Verb = Verb {
    name: "stats",
    about: "Display what the containers of pods use of the machine",
    usage: "[POD...]",
    arity: (0, None),
    arguments: StatsArguments::augment_args,
    run: |context, matches| stats(context, &typed(matches)?),
    ..LOGS
};

/// `pod top`.
pub const TOP: Verb = Verb {
    name: "top",
    about: "Display the running processes of the containers of a pod",
    usage: "POD [ps OPTIONS]",
    arity: (0, None),
    greedy: true,
    arguments: TopArguments::augment_args,
    run: |context, matches| top(context, &typed(matches)?),
    ..LOGS
};

/// Arguments of `pod logs`.
#[derive(Debug, Clone, Args)]
struct PodLogsArguments {
    /// Show the logs of this container of the pod alone
    #[arg(short, long, value_name = "CONTAINER")]
    container: Option<String>,
    #[command(flatten)]
    logs: LogsArguments,
}

fn pod_logs(context: &Context, arguments: PodLogsArguments) -> Result<u8> {
    let engine = context.engine()?;
    let PodLogsArguments { container, mut logs } = arguments;
    let named = std::mem::take(&mut logs.containers);
    let now = one(&engine, "logs", std::mem::take(&mut logs.latest.latest), named.first(), context)?;
    let members = now.containers.iter().filter(|container| !container.config.is_infra());
    logs.containers = match container {
        None => members.map(|container| container.config.id.to_string()).collect(),
        Some(wanted) => {
            let id = engine.containers().find(&wanted)?;
            match now.containers.iter().any(|container| container.config.id == id) {
                true => vec![id.to_string()],
                false => {
                    let (wanted, pod) = (crate::base::text::clean(&wanted), &now.pod.name);
                    return Err(Error::not_found(format!("container `{wanted}` is not in pod `{pod}`")));
                }
            }
        }
    };
    if logs.containers.is_empty() {
        return Ok(0);
    }
    show_logs(context, &logs)
}

/// The pod that a command is about.
fn one(engine: &Engine, verb: &str, latest: bool, named: Option<&String>, context: &Context) -> Result<PodNow> {
    match (latest, named) {
        (true, None) => pod::find(engine, &super::latest(engine)?),
        (false, Some(name)) => pod::find(engine, name),
        (true, Some(_)) => Err(Error::usage("--latest and a pod's name cannot be used together")),
        (false, None) => {
            let program = context.persona.program();
            Err(Error::usage(format!("'{program} pod {verb}' requires at least 1 argument")))
        }
    }
}

/// podman's columns.
const COLUMNS: &str =
    r"table {{.Pod}}\t{{.CID}}\t{{.Name}}\t{{.CPU}}\t{{.MemUsage}}\t{{.Mem}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDS}}";

/// podman's headers.
const HEADERS: &[(&str, &str)] = &[
    ("Pod", "POD"),
    ("CID", "CID"),
    ("Name", "NAME"),
    ("CPU", "CPU %"),
    ("MemUsage", "MEM USAGE/ LIMIT"),
    ("Mem", "MEM %"),
    ("NetIO", "NET IO"),
    ("BlockIO", "BLOCK IO"),
    ("PIDS", "PIDS"),
];

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(5);

/// Arguments of `pod stats`.
#[derive(Debug, Clone, Args)]
struct StatsArguments {
    /// The containers of all pods
    #[arg(short, long)]
    all: bool,
    /// Format with a Go template: 'table TEMPLATE', 'json' or 'TEMPLATE'
    #[arg(long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// The pod that was created last
    #[arg(short, long)]
    latest: bool,
    /// Do not clear the terminal between two looks
    #[arg(long)]
    no_reset: bool,
    /// Look once
    #[arg(long)]
    no_stream: bool,
    /// Names or IDs
    #[arg(value_name = "POD")]
    pods: Vec<String>,
}

fn stats(context: &Context, arguments: &StatsArguments) -> Result<u8> {
    let engine = context.engine()?;
    let format = Format::parse(arguments.format.as_deref().unwrap_or_default(), COLUMNS)?;
    if usize::from(arguments.all) + usize::from(arguments.latest) + usize::from(!arguments.pods.is_empty()) > 1 {
        return Err(Error::usage("--all, --latest and pod names cannot be used together"));
    }
    loop {
        let pods = match (&arguments.pods[..], arguments.latest) {
            ([], true) => vec![pod::find(&engine, &super::latest(&engine)?)?],
            ([], false) => pod::list(&engine, &Filters::default())?.0,
            (names, _) => names.iter().map(|name| pod::find(&engine, name)).collect::<Result<_>>()?,
        };
        let mut rows = Vec::new();
        for now in &pods {
            let ids: Vec<String> = now.containers.iter().map(|container| container.config.id.to_string()).collect();
            if !ids.is_empty() {
                rows.extend(engine_stats(&engine, &ids, true)?.iter().map(|sample| row(now, sample)));
            }
        }
        let table = format.render(HEADERS, rows)?;
        match arguments.no_stream || arguments.no_reset {
            true => context.ui.text(&table).and_then(|()| context.ui.flush())?,
            false => context.ui.screen(&table)?,
        }
        if arguments.no_stream {
            return Ok(0);
        }
        std::thread::sleep(PAUSE);
    }
}

fn row(now: &PodNow, sample: &Sample) -> Row {
    let usage = sample.usage.as_ref();
    let pair = |first: u64, second: u64| format!("{} / {}", human_size(first), human_size(second));
    let shown = |value: Option<String>| value.unwrap_or_else(|| "--".into());
    let both = |value: Option<String>| value.unwrap_or_else(|| "-- / --".into());
    let texts = [
        ("Pod", now.pod.id.short().to_owned()),
        ("CID", sample.id.chars().take(12).collect()),
        ("Name", sample.name.clone()),
        ("CPU", shown(usage.map(|usage| format!("{:.2}%", usage.average_percent())))),
        ("MemUsage", both(usage.map(|usage| pair(usage.memory, usage.memory_limit)))),
        ("Mem", shown(usage.map(|usage| format!("{:.2}%", usage.memory_percent())))),
        ("NetIO", both(usage.map(|usage| pair(usage.received, usage.sent)))),
        ("BlockIO", both(usage.map(|usage| pair(usage.read, usage.written)))),
        ("PIDS", shown(usage.map(|usage| usage.pids.to_string()))),
    ];
    texts.into_iter().map(|(name, text)| (Arc::from(name), Value::String(text.into()))).collect()
}

/// Arguments of `pod top`.
#[derive(Debug, Clone, Args)]
struct TopArguments {
    /// The pod that was created last
    #[arg(short, long)]
    latest: bool,
    /// Name or ID, then columns as for ps(1), or podman's: user pid hpid
    #[arg(value_name = "POD [ps OPTIONS]", num_args = 0..)]
    words: Vec<String>,
}

/// The least width of a column.
const WIDTH: usize = 12;

fn top(context: &Context, arguments: &TopArguments) -> Result<u8> {
    let (engine, mut words) = (context.engine()?, arguments.words.clone());
    let named = if arguments.latest || words.is_empty() { None } else { Some(words.remove(0)) };
    let now = one(&engine, "top", arguments.latest, named.as_ref(), context)?;
    if words.is_empty() {
        words = podmans_columns();
    }
    let mut lines = String::new();
    for container in now.containers.iter().filter(|container| container.status.pid().is_some()) {
        let table = match engine_top(&engine, container.config.id.as_str(), &words, &context.zone()) {
            // It has just ended.
            Err(error) if error.kind() == crate::base::Kind::Conflict => continue,
            table => table?,
        };
        if lines.is_empty() {
            lines = table.titles.join("\t") + "\n";
        }
        for process in table.processes {
            lines.push_str(&process.iter().map(|cell| cell.replace(['\t', '\n'], " ")).collect::<Vec<_>>().join("\t"));
            lines.push('\n');
        }
    }
    if lines.is_empty() {
        return Err(Error::conflict(format!("pod `{}` has no running containers", now.pod.name)));
    }
    context.ui.text(&table::align_to(&lines, WIDTH)).map(|()| 0)
}
