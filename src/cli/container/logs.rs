//! `logs`: what a container printed.

use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::selection::{Latest, one};
use crate::base::{Error, Result, text, time};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::logs::{LogRequest, read};
use crate::spec::logs::{Entry, Selection, Stream};
use crate::spec::times;

/// The command.
pub const VERB: Verb = Verb {
    name: "logs",
    about: "Fetch the logs of a container",
    usage: "CONTAINER",
    arity: (1, Some(1)),
    greedy: false,
    codes: Codes::Plain,
    arguments: LogsArguments::augment_args,
    run: |context, matches| logs(context, &typed(matches)?),
};

/// Arguments of `logs`.
#[derive(Debug, Clone, Default, Args)]
struct LogsArguments {
    /// Go on with what comes, until the container ends
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    latest: Latest,
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
    /// Name or ID
    #[arg(value_name = "CONTAINER", num_args = 0..)]
    container: Vec<String>,
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

fn logs(context: &Context, arguments: &LogsArguments) -> Result<u8> {
    let request = arguments.request(time::now(), &context.zone())?;
    let engine = context.engine()?;
    let mut stamps = Stamps::default();
    let mut show = |entry: Entry| {
        let line = match arguments.timestamps {
            true => stamps.stamp(&entry),
            false => entry.text,
        };
        context.ui.container_output(entry.stream, line.as_bytes())?;
        match arguments.follow {
            true => context.ui.flush(),
            false => Ok(()),
        }
    };
    let mut named = arguments.container.clone();
    let name = one(context, &engine, "logs", &arguments.latest, &mut named)?;
    read(&engine, &name, &request, &mut show).map(|()| 0)
}

/// Puts the time before each line, but not into the middle of one that is several entries.
#[derive(Debug, Default)]
struct Stamps {
    within: [bool; 2],
}

impl Stamps {
    fn stamp(&mut self, entry: &Entry) -> String {
        let within = &mut self.within[usize::from(entry.stream == Stream::Stderr)];
        let continues = std::mem::replace(within, !entry.text.ends_with('\n'));
        match continues {
            true => entry.text.clone(),
            false => format!("{} {}", time::rfc3339_nanos(entry.time), entry.text),
        }
    }
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
        let mut stamps = Stamps::default();
        let mut stamp =
            |stream, text: &str| stamps.stamp(&Entry { time: Timestamp::UNIX_EPOCH, stream, text: text.into() });
        let zero = "1970-01-01T00:00:00.000000000Z";
        assert_eq!(stamp(Stream::Stdout, "a"), format!("{zero} a"));
        assert_eq!(stamp(Stream::Stderr, "x\n"), format!("{zero} x\n"));
        assert_eq!(stamp(Stream::Stdout, "b\n"), "b\n");
        assert_eq!(stamp(Stream::Stdout, "c\n"), format!("{zero} c\n"));
    }
}
