//! `compose logs`: what the containers of a project printed.

use clap::Args;

use super::attached::line_names;
use super::lines::{LogLines, Style};
use super::work::Work;
use crate::base::{Error, Result, text, time};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};
use crate::compose::labels::Known;
use crate::engine::logs::{LogRequest, read};
use crate::spec::logs::Selection;
use crate::spec::times;

/// The command.
pub const VERB: Verb = Verb {
    name: "logs",
    about: "Show the output of the containers of a project",
    usage: "[SERVICE...]",
    arity: (0, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: LogsArguments::augment_args,
    run: |context, matches| logs(context, &typed(matches)?),
};

/// Arguments of `compose logs`.
#[derive(Debug, Clone, Default, Args)]
struct LogsArguments {
    /// Go on with what comes, until all containers have ended
    #[arg(short, long)]
    follow: bool,
    /// Only the container with this number of each service
    #[arg(long, value_name = "NUMBER")]
    index: Option<u32>,
    /// Show output without colors
    #[arg(long)]
    no_color: bool,
    /// Do not show which container output is from
    #[arg(long)]
    no_log_prefix: bool,
    /// Show logs since a time (2026-11-21T09:30:00Z) or a duration ago (10m)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Number of lines to show from the end of each container's
    #[arg(short = 'n', long, value_name = "LINES", default_value = "all")]
    tail: String,
    /// Show the time of each line
    #[arg(short, long)]
    timestamps: bool,
    /// Show logs until a time (2026-11-21T09:30:00Z) or a duration ago (10m)
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Services; all when none are named
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
}

fn logs(context: &Context, arguments: &LogsArguments) -> Result<u8> {
    let (now, zone) = (time::now(), context.zone());
    let when = |given: &Option<String>| {
        given.as_deref().filter(|given| !given.is_empty()).map(|given| times::parse(given, now, &zone)).transpose()
    };
    let tail = match arguments.tail.as_str() {
        "all" | "" => None,
        number => match number.parse::<i64>() {
            Ok(number) => u64::try_from(number).ok(),
            Err(_) => {
                let number = text::clean(number);
                return Err(Error::usage(format!("invalid argument `{number}` for `--tail`: not a number of lines")));
            }
        },
    };
    let selection = Selection { tail, since: when(&arguments.since)?, until: when(&arguments.until)? };
    let work = Work::new(context)?;
    let (name, project) = work.options.load_or_name(context)?;
    let mut containers = work.existing(&name, project.as_ref(), None).containers(&arguments.services, false)?;
    if let Some(index) = arguments.index {
        containers.retain(|container| Known::of(container).number() == Some(index));
    }
    let style = Style {
        colors: !arguments.no_color && work.options.has_colors(context, context.ui.out_is_terminal())?,
        prefix: !arguments.no_log_prefix,
        timestamps: arguments.timestamps,
    };
    let mut lines = LogLines::new(style, &line_names(&name, &containers));
    let ids: Vec<String> = containers.iter().map(|container| container.config.id.to_string()).collect();
    read(&work.engine, &ids, &LogRequest { follow: arguments.follow, selection }, &mut |source, entry| {
        let Some(at) = ids.iter().position(|id| id == source.id.as_str()) else { return Ok(()) };
        lines.print(context, at, &entry)?;
        if arguments.follow { context.ui.flush() } else { Ok(()) }
    })?;
    for at in 0..containers.len() {
        context.ui.text(&lines.rest(at))?;
    }
    Ok(0)
}
