//! `stats`: what containers use of the machine, once or again and again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use gotmpl::Value;

use crate::base::{Error, Result, text};
use crate::cli::context::{Context, Persona};
use crate::cli::template::{Format, Row};
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::stats::{Sample, Usage, stats as engine_stats};
use crate::spec::units::{binary_size, human_size};

/// The command.
pub const VERB: Verb = Verb {
    name: "stats",
    about: "Display what containers use of the machine",
    usage: "[CONTAINER...]",
    arity: (0, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: StatsArguments::augment_args,
    run: |context, matches| stats(context, &typed(matches)?),
};

/// docker's columns.
const DOCKER: &str =
    r"table {{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}";
/// podman's.
const PODMAN: &str = r"table {{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDS}}\t{{.CPUTime}}\t{{.AvgCPU}}";

/// docker's headers.
const HEADERS: &[(&str, &str)] = &[
    ("ID", "CONTAINER ID"),
    ("Container", "CONTAINER"),
    ("Name", "NAME"),
    ("CPUPerc", "CPU %"),
    ("MemUsage", "MEM USAGE / LIMIT"),
    ("MemPerc", "MEM %"),
    ("NetIO", "NET I/O"),
    ("BlockIO", "BLOCK I/O"),
    ("PIDs", "PIDS"),
    ("PIDS", "PIDS"),
    ("CPUTime", "CPU TIME"),
    ("AvgCPU", "AVG CPU %"),
];

/// podman's, where they differ.
const PODMAN_HEADERS: &[(&str, &str)] = &[
    ("ID", "ID"),
    ("Container", "CONTAINER"),
    ("Name", "NAME"),
    ("CPUPerc", "CPU %"),
    ("MemUsage", "MEM USAGE / LIMIT"),
    ("MemPerc", "MEM %"),
    ("NetIO", "NET IO"),
    ("BlockIO", "BLOCK IO"),
    ("PIDs", "PIDS"),
    ("PIDS", "PIDS"),
    ("CPUTime", "CPU TIME"),
    ("AvgCPU", "AVG CPU %"),
];

/// Between docker's samples.
const SECOND: Duration = Duration::from_secs(1);

/// Arguments of `stats`.
#[derive(Debug, Clone, Default, Args)]
struct StatsArguments {
    /// Show all containers (default shows just running)
    #[arg(short, long)]
    all: bool,
    /// Format with a Go template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'
    #[arg(long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Seconds between two looks
    #[arg(short, long, value_name = "SECONDS")]
    interval: Option<String>,
    /// Do not clear the terminal between two looks
    #[arg(long)]
    no_reset: bool,
    /// Look once
    #[arg(long)]
    no_stream: bool,
    /// Do not shorten ids
    #[arg(long, visible_alias = "notruncate")]
    no_trunc: bool,
    /// Names or IDs
    #[arg(value_name = "CONTAINER", num_args = 0..)]
    containers: Vec<String>,
}

impl StatsArguments {
    /// The time between two looks: podman's five seconds, or docker's one.
    fn interval(&self, persona: Persona) -> Result<Duration> {
        let usual = if persona == Persona::Podman { 5 * SECOND } else { SECOND };
        let Some(given) = &self.interval else { return Ok(usual) };
        match given.parse::<u32>() {
            Ok(0) => Err(Error::usage("invalid interval, must be a positive number greater zero")),
            Ok(seconds) => Ok(Duration::from_secs(seconds.into())),
            Err(_) => Err(Error::usage(format!("invalid argument `{}` for `--interval`", text::clean(given)))),
        }
    }
}

fn stats(context: &Context, arguments: &StatsArguments) -> Result<u8> {
    if arguments.all && !arguments.containers.is_empty() {
        return Err(Error::usage("--all and containers cannot be used together"));
    }
    let podman = context.persona == Persona::Podman;
    let interval = arguments.interval(context.persona)?;
    let given = arguments.format.as_deref().unwrap_or_default();
    let format = Format::parse_list(given, if podman { PODMAN } else { DOCKER }, "")?;
    let headers = if podman { PODMAN_HEADERS } else { HEADERS };
    let view = View { truncate: !arguments.no_trunc, podman };
    let engine = context.engine()?;
    let look = || engine_stats(&engine, &arguments.containers, arguments.all);
    let mut before: BTreeMap<String, Usage> = BTreeMap::new();
    let mut samples = look()?;
    // As docker, which shows what was used in the last second; podman shows the whole run at its first look.
    if !podman && samples.iter().any(|sample| sample.usage.is_some()) {
        before = usages(&samples);
        std::thread::sleep(SECOND);
        samples = look()?;
    }
    loop {
        let rows = samples.iter().map(|sample| view.row(sample, before.get(&sample.id))).collect();
        let table = format.render(headers, rows)?;
        match arguments.no_stream || arguments.no_reset {
            true => context.ui.text(&table).and_then(|()| context.ui.flush())?,
            false => context.ui.screen(&table)?,
        }
        if arguments.no_stream {
            return Ok(0);
        }
        before = usages(&samples);
        std::thread::sleep(interval);
        samples = look()?;
    }
}

fn usages(samples: &[Sample]) -> BTreeMap<String, Usage> {
    samples.iter().filter_map(|sample| Some((sample.id.clone(), sample.usage?))).collect()
}

/// How rows are shown.
struct View {
    truncate: bool,
    podman: bool,
}

impl View {
    fn row(&self, sample: &Sample, before: Option<&Usage>) -> Row {
        let shown = |value: Option<String>| value.unwrap_or_else(|| "--".into());
        let usage = sample.usage.as_ref();
        let percent = |usage: &Usage| {
            let recent = before.and_then(|before| usage.percent_since(before));
            recent.unwrap_or_else(|| if self.podman { usage.average_percent() } else { 0.0 })
        };
        let size = |bytes: u64| if self.podman { human_size(bytes) } else { binary_size(bytes) };
        let pair = |first: String, second: String| format!("{first} / {second}");
        let none = || Some(pair("--".into(), "--".into()));
        let pids = shown(usage.map(|usage| usage.pids.to_string()));
        let id = if self.truncate { sample.id[..12].to_owned() } else { sample.id.clone() };
        let cells = [
            ("ID", id.clone()),
            ("Container", id),
            ("Name", sample.name.clone()),
            ("CPUPerc", shown(usage.map(|usage| format!("{:.2}%", percent(usage))))),
            ("MemUsage", shown(usage.map(|usage| pair(size(usage.memory), size(usage.memory_limit))).or_else(none))),
            ("MemPerc", shown(usage.map(|usage| format!("{:.2}%", usage.memory_percent())))),
            ("NetIO", shown(usage.map(|usage| pair(human_size(usage.received), human_size(usage.sent))).or_else(none))),
            (
                "BlockIO",
                shown(usage.map(|usage| pair(human_size(usage.read), human_size(usage.written))).or_else(none)),
            ),
            ("PIDs", pids.clone()),
            ("PIDS", pids),
            ("CPUTime", shown(usage.map(|usage| seconds(usage.cpu)))),
            ("AvgCPU", shown(usage.map(|usage| format!("{:.2}%", usage.average_percent())))),
        ];
        // JSON has the fields of its persona and no others.
        let others: &[&str] = if self.podman { &["PIDs", "Container"] } else { &["PIDS", "CPUTime", "AvgCPU"] };
        let known = cells.into_iter().filter(|(name, _)| !others.contains(name));
        known.map(|(name, value)| (Arc::from(name), Value::String(value.into()))).collect()
    }
}

/// Go's form of durations below a minute, in which podman shows processor time.
fn seconds(time: Duration) -> String {
    let (minutes, rest) = (time.as_secs() / 60, time.as_secs() % 60);
    let fraction = format!("{:06}", time.subsec_micros());
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    match minutes {
        0 if rest == 0 && time.subsec_micros() > 0 => format!("{:.3}ms", time.as_secs_f64() * 1000.0),
        0 => format!("{rest}{point}{fraction}s"),
        1..60 => format!("{minutes}m{rest}{point}{fraction}s"),
        _ => format!("{}h{}m{rest}{point}{fraction}s", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(usage: Option<Usage>) -> Sample {
        Sample { id: "0123456789abcdef".into(), name: "web".into(), usage }
    }

    fn usage() -> Usage {
        Usage {
            at: 4 * SECOND,
            age: 4 * SECOND,
            cpu: 2 * SECOND,
            memory: 3 << 20,
            memory_limit: 64 << 20,
            received: 1500,
            sent: 70,
            read: 0,
            written: 4_096_000,
            pids: 2,
        }
    }

    fn shown(podman: bool, sample: &Sample, before: Option<&Usage>) -> String {
        let format = Format::parse_list("", if podman { PODMAN } else { DOCKER }, "").unwrap();
        let view = View { truncate: true, podman };
        let headers = if podman { PODMAN_HEADERS } else { HEADERS };
        let table = format.render(headers, vec![view.row(sample, before)]).unwrap();
        table
            .lines()
            .map(|line| {
                line.split("  ").filter(|cell| !cell.is_empty()).map(str::trim).collect::<Vec<_>>().join("|") + "\n"
            })
            .collect()
    }

    #[test]
    fn tables_are_dockers_and_podmans() {
        let before = Usage { at: 3 * SECOND, age: 3 * SECOND, cpu: 7 * SECOND / 4, ..usage() };
        assert_eq!(
            shown(false, &sample(Some(usage())), Some(&before)),
            "CONTAINER ID|NAME|CPU %|MEM USAGE / LIMIT|MEM %|NET I/O|BLOCK I/O|PIDS\n\
             0123456789ab|web|25.00%|3MiB / 64MiB|4.69%|1.5kB / 70B|0B / 4.1MB|2\n"
        );
        assert_eq!(
            shown(true, &sample(Some(usage())), None),
            "ID|NAME|CPU %|MEM USAGE / LIMIT|MEM %|NET IO|BLOCK IO|PIDS|CPU TIME|AVG CPU %\n\
             0123456789ab|web|50.00%|3.15MB / 67.1MB|4.69%|1.5kB / 70B|0B / 4.1MB|2|2s|50.00%\n"
        );
        assert!(shown(false, &sample(None), None).ends_with("0123456789ab|web|--|-- / --|--|-- / --|-- / --|--\n"));
        // Another run: nothing is known of its last second.
        let older = Usage { age: 9 * SECOND, cpu: 9 * SECOND, ..before };
        assert!(shown(false, &sample(Some(usage())), Some(&older)).contains("|0.00%|"));
    }

    #[test]
    fn intervals_are_seconds() {
        let of = |interval: Option<&str>, persona| {
            StatsArguments { interval: interval.map(String::from), ..StatsArguments::default() }.interval(persona)
        };
        assert_eq!(of(None, Persona::Docker).unwrap(), SECOND);
        assert_eq!(of(None, Persona::Podman).unwrap(), 5 * SECOND);
        assert_eq!(of(Some("3"), Persona::Podman).unwrap(), 3 * SECOND);
        assert!(of(Some("0"), Persona::Podman).is_err() && of(Some("x"), Persona::Podman).is_err());
    }

    #[test]
    fn processor_time_is_shown_as_go_does() {
        for (time, text) in [
            (Duration::from_micros(1500), "1.500ms"),
            (Duration::from_millis(2500), "2.5s"),
            (Duration::from_secs(61), "1m1s"),
            (Duration::from_secs(3600), "1h0m0s"),
            (Duration::ZERO, "0s"),
        ] {
            assert_eq!(seconds(time), text);
        }
    }
}
