//! `logs`: what a container printed.

use std::collections::BTreeMap;

use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::selection::{self, Among, Found, Latest};
use crate::base::text::clean;
use crate::base::{ContainerId, Error, Result, text, time};
use crate::cli::context::{Context, Persona};
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::logs::{LogRequest, Source, read};
use crate::spec::logs::{Entry, Selection, Stream};
use crate::spec::times;

/// The command.
pub const VERB: Verb = Verb {
    name: "logs",
    about: "Fetch the logs of one or more containers",
    usage: "CONTAINER [CONTAINER...]",
    arity: (1, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: LogsArguments::augment_args,
    run: |context, matches| logs(context, &typed(matches)?),
};

/// Arguments of `logs`.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct LogsArguments {
    /// Show the container of each line in a color of its own, with several containers
    #[arg(long)]
    color: bool,
    /// Show what the log driver was told to add to each line: the tag, labels and variables
    #[arg(long)]
    details: bool,
    /// Go on with what comes, until the container ends
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    pub(in crate::cli) latest: Latest,
    /// Show the names of several containers instead of their IDs
    #[arg(long)]
    names: bool,
    /// Show logs since a time (2026-11-21T09:30:00Z) or a duration ago (10m)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Number of lines to show from the end
    #[arg(short = 'n', long, value_name = "LINES", default_value = "all")]
    tail: String,
    /// Show the time of each line
    #[arg(short, long)]
    timestamps: bool,
    /// Show logs until a time (2026-11-21T09:30:00Z) or a duration ago (10m)
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Names or IDs
    #[arg(value_name = "CONTAINER")]
    pub(in crate::cli) containers: Vec<String>,
}

impl LogsArguments {
    fn request(&self, now: Timestamp, zone: &TimeZone) -> Result<LogRequest> {
        let time = |when: &Option<String>| {
            when.as_deref().filter(|when| !when.is_empty()).map(|when| times::parse(when, now, zone)).transpose()
        };
        let tail = match self.tail.as_str() {
            "all" | "" => None,
            // docker: any negative number is all.
            number => match number.parse::<i64>() {
                Ok(number) => u64::try_from(number).ok(),
                Err(_) => {
                    let number = text::clean(number);
                    return Err(Error::usage(format!(
                        "invalid argument `{number}` for `--tail`: not a number of lines"
                    )));
                }
            },
        };
        let selection = Selection { tail, since: time(&self.since)?, until: time(&self.until)? };
        Ok(LogRequest { follow: self.follow, selection })
    }
}

/// Shows the logs of containers.
pub(in crate::cli) fn logs(context: &Context, arguments: &LogsArguments) -> Result<u8> {
    let request = arguments.request(time::now(), &context.zone())?;
    if context.persona == Persona::Docker && arguments.containers.len() > 1 {
        return Err(Error::usage("'docker logs' requires 1 argument"));
    }
    let engine = context.engine()?;
    let mut lines: Vec<(ContainerId, Lines)> = Vec::new();
    let selection = selection::Selection {
        verb: "logs",
        named: &arguments.containers,
        all: false,
        filters: &[],
        found: &Found { latest: arguments.latest.clone(), cidfile: Vec::new() },
        ignore: false,
        among: Among::All,
    };
    let containers = selection.resolve(context, &engine)?;
    read(&engine, &containers, &request, &mut |source, entry| {
        let at = lines.iter().position(|(id, _)| *id == source.id).unwrap_or_else(|| {
            lines.push((source.id.clone(), Lines::of(arguments, source, lines.len())));
            lines.len() - 1
        });
        let line = lines[at].1.show(entry.clone());
        context.ui.container_output(entry.stream, line.as_bytes())?;
        match arguments.follow {
            true => context.ui.flush(),
            false => Ok(()),
        }
    })
    .map(|()| 0)
}

/// podman's colors of the containers, in turn.
const COLORS: [&str; 6] = ["31", "32", "33", "34", "35", "36"];

/// What stands before each line of a container, but not in the middle of one that is several entries.
#[derive(Debug, Default)]
struct Lines {
    /// The container, where there are several.
    container: String,
    details: bool,
    timestamps: bool,
    within: [bool; 2],
}

impl Lines {
    fn of(arguments: &LogsArguments, source: &Source, number: usize) -> Self {
        let shown = if arguments.names { source.name.as_str() } else { source.id.short() };
        let container = match (arguments.containers.len() > 1, arguments.color) {
            (false, _) => String::new(),
            (true, false) => format!("{shown} "),
            (true, true) => format!("\u{1b}[{}m{shown}\u{1b}[0m ", COLORS[number % COLORS.len()]),
        };
        // docker: what the driver adds stands before the line, followed by a blank.
        Self { container, details: arguments.details, timestamps: arguments.timestamps, within: [false; 2] }
    }

    fn show(&mut self, entry: Entry) -> String {
        let within = &mut self.within[usize::from(entry.stream == Stream::Stderr)];
        if std::mem::replace(within, !entry.text.ends_with('\n')) {
            return entry.text;
        }
        let time = if self.timestamps { time::rfc3339_nanos(entry.time) + " " } else { String::new() };
        let details = if self.details { details(&entry.attributes) } else { String::new() };
        format!("{}{time}{details}{}", self.container, entry.text)
    }
}

/// `key=value,key=value ` as docker shows them; nothing but the blank without any.
fn details(attributes: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = attributes.iter().map(|(key, value)| format!("{}={}", clean(key), clean(value))).collect();
    pairs.join(",") + " "
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_select() {
        let now: Timestamp = "2026-11-21T09:30:00Z".parse().unwrap();
        let request = |since: &str, until: &str, tail: &str| {
            let arguments = LogsArguments {
                since: Some(since.into()),
                until: Some(until.into()),
                tail: tail.into(),
                ..LogsArguments::default()
            };
            arguments.request(now, &TimeZone::UTC).map(|request| request.selection)
        };
        let selection = request("10m", "2026-11-21T09:25:00Z", "5").unwrap();
        assert_eq!(selection.tail, Some(5));
        assert_eq!(selection.since.unwrap().to_string(), "2026-11-21T09:20:00Z");
        assert_eq!(selection.until.unwrap().to_string(), "2026-11-21T09:25:00Z");
        assert_eq!(request("", "", "all").unwrap(), Selection::default());
        assert_eq!(request("", "", "-1").unwrap().tail, None);
        for (since, tail) in [("nonsense", "1"), ("", "many")] {
            assert!(request(since, "", tail).is_err());
        }
    }

    #[test]
    fn a_line_has_one_time() {
        let mut lines = Lines { timestamps: true, ..Lines::default() };
        let mut stamp = |stream, text: &str| {
            lines.show(Entry { time: Timestamp::UNIX_EPOCH, stream, text: text.into(), attributes: BTreeMap::new() })
        };
        let zero = "1970-01-01T00:00:00.000000000Z";
        assert_eq!(stamp(Stream::Stdout, "a"), format!("{zero} a"));
        assert_eq!(stamp(Stream::Stderr, "x\n"), format!("{zero} x\n"));
        assert_eq!(stamp(Stream::Stdout, "b\n"), "b\n");
        assert_eq!(stamp(Stream::Stdout, "c\n"), format!("{zero} c\n"));
    }

    #[test]
    fn several_containers_are_told_apart() {
        let source = Source { id: "ab".repeat(32).parse().unwrap(), name: "web".parse().unwrap() };
        let two = || vec!["web".to_owned(), "db".to_owned()];
        let show = |arguments: LogsArguments| {
            let attributes = BTreeMap::new();
            let entry = Entry { time: Timestamp::UNIX_EPOCH, stream: Stream::Stdout, text: "x\n".into(), attributes };
            Lines::of(&arguments, &source, 7).show(entry)
        };
        let plain = LogsArguments { containers: two(), ..LogsArguments::default() };
        assert_eq!(show(plain.clone()), "abababababab x\n");
        assert_eq!(show(LogsArguments { names: true, ..plain.clone() }), "web x\n");
        let colored = show(LogsArguments { names: true, color: true, ..plain.clone() });
        assert!(colored.starts_with("\u{1b}[32") && colored.ends_with("mweb\u{1b}[0m x\n"), "{colored:?}");
        let zero = "1970-01-01T00:00:00.000000000Z";
        let all = LogsArguments { names: true, timestamps: true, details: true, ..plain };
        assert_eq!(show(all.clone()), format!("web {zero}  x\n"));
        assert_eq!(show(LogsArguments { containers: vec!["web".into()], ..all }), format!("{zero}  x\n"));
        let one = LogsArguments { containers: vec!["web".into()], names: true, ..LogsArguments::default() };
        assert_eq!(show(one), "x\n");
    }
}
