//! `builder prune` and `buildx du`: what the build cache holds, and how it is emptied.

use std::time::Duration;

use clap::Args;

use crate::base::{Error, Result, text};
use crate::cli::context::Context;
use crate::cli::table;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::build::{Usage, prune as engine_prune, usage};
use crate::spec::times;
use crate::spec::units::{human_duration, human_size, parse_size};

/// `builder prune`.
pub const PRUNE: Verb = Verb {
    name: "prune",
    about: "Empty the build cache",
    usage: "",
    arity: (0, Some(0)),
    greedy: false,
    codes: Codes::Plain,
    arguments: PruneArguments::augment_args,
    run: |context, matches| prune(context, &typed(matches)?),
};

/// `buildx du`.
pub const DU: Verb = Verb {
    name: "du",
    about: "Show what the build cache holds",
    arguments: DuArguments::augment_args,
    run: |context, matches| du(context, &typed(matches)?),
    ..PRUNE
};

/// `buildx version`.
pub const VERSION: Verb = Verb {
    name: "version",
    about: "Show the version of the builder",
    arguments: VersionArguments::augment_args,
    run: |context, matches| {
        typed::<VersionArguments>(matches)?;
        context.ui.line(&format!("coracle {}", env!("CARGO_PKG_VERSION"))).map(|()| 0)
    },
    ..PRUNE
};

/// Arguments of `prune`.
#[derive(Debug, Clone, Args)]
struct PruneArguments {
    /// Remove what images use as well, and the directories of cache mounts
    #[arg(short, long)]
    all: bool,
    /// Filter by until: what was not used for so long
    #[arg(long, value_name = "KEY=VALUE", value_parser = crate::cli::verb::filter)]
    filter: Vec<String>,
    /// Do not ask first
    #[arg(short, long)]
    force: bool,
    /// Keep what was used last, up to this size
    #[arg(long, value_name = "BYTES", visible_aliases = ["reserved-space", "max-used-space"])]
    keep_storage: Option<String>,
}

/// Arguments of `du`.
#[derive(Debug, Clone, Args)]
struct DuArguments {
    /// Show the step of each record, and when it was made
    #[arg(long)]
    verbose: bool,
}

/// Arguments of `version`.
#[derive(Debug, Clone, Args)]
struct VersionArguments {}

fn prune(context: &Context, arguments: &PruneArguments) -> Result<u8> {
    let keep = arguments.keep_storage.as_deref().map(parse_size).transpose()?;
    let mut older = None;
    for filter in &arguments.filter {
        older = Some(until(filter)?);
    }
    let warning = match arguments.all {
        true => "WARNING! This will remove all build cache.",
        false => "WARNING! This will remove all dangling build cache.",
    };
    if !arguments.force && !context.confirmed(warning)? {
        return Ok(0);
    }
    let engine = context.engine()?;
    let known = usage(&engine)?;
    let pruned = engine_prune(&engine, arguments.all, older, keep)?;
    let gone: Vec<&Usage> = known.iter().filter(|usage| pruned.ids.contains(&usage.id)).collect();
    if !gone.is_empty() {
        context.ui.text(&listed(&gone))?;
    }
    context.ui.line(&format!("Total:\t{}", human_size(pruned.freed))).map(|()| 0)
}

fn until(filter: &str) -> Result<Duration> {
    let wrong = || {
        Error::usage(format!("invalid filter `{}`", text::clean(filter))).hint("it is until=DURATION, as in until=24h")
    };
    let value = filter.strip_prefix("until=").or_else(|| filter.strip_prefix("unused-for=")).ok_or_else(wrong)?;
    match times::duration(value) {
        Some((duration, false)) => Ok(duration),
        _ => Err(wrong()),
    }
}

fn du(context: &Context, arguments: &DuArguments) -> Result<u8> {
    let all = usage(&context.engine()?)?;
    let shown: Vec<&Usage> = all.iter().rev().collect();
    match arguments.verbose {
        true => shown.iter().try_for_each(|usage| context.ui.text(&verbose(usage)))?,
        false => context.ui.text(&listed(&shown))?,
    }
    let reclaimable: u64 = all.iter().filter(|usage| !usage.shared).map(|usage| usage.size).sum();
    let shared: u64 = all.iter().filter(|usage| usage.shared).map(|usage| usage.size).sum();
    let lines =
        [("Shared", shared), ("Private", reclaimable), ("Reclaimable", reclaimable), ("Total", shared + reclaimable)];
    let lines: String = lines.iter().map(|(name, size)| format!("{name}:\t{}\n", human_size(*size))).collect();
    context.ui.text(&table::align(&lines)).map(|()| 0)
}

fn verbose(usage: &Usage) -> String {
    format!(
        "ID:\t\t{}\nCreated at:\t{}\nReclaimable:\t{}\nShared:\t\t{}\nSize:\t\t{}\nDescription:\t{}\n\n",
        short(usage),
        text::clean(&usage.created),
        !usage.shared,
        usage.shared,
        human_size(usage.size),
        text::clean(&usage.description),
    )
}

fn short(usage: &Usage) -> &str {
    usage.id.get(..25).unwrap_or(&usage.id)
}

fn listed(all: &[&Usage]) -> String {
    let now = jiff::Timestamp::now();
    let row = |usage: &&Usage| {
        let used =
            jiff::Timestamp::try_from(usage.used).map_or_else(|_| String::new(), |used| human_duration(used, now));
        format!("{}\t{}\t{}\t{used} ago\n", short(usage), !usage.shared, human_size(usage.size))
    };
    let rows: String = all.iter().map(row).collect();
    table::align(&format!("ID\tRECLAIMABLE\tSIZE\tLAST ACCESSED\n{rows}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_durations() {
        assert_eq!(until("until=24h").unwrap(), Duration::from_secs(24 * 3600));
        assert!(until("until=x").is_err() && until("label=x").is_err() && until("until=-1h").is_err());
    }

    #[test]
    fn records_are_listed() {
        let usage = Usage {
            id: "a".repeat(64),
            size: 1000,
            used: std::time::SystemTime::now(),
            created: "then".into(),
            shared: true,
            description: "RUN \u{1b}x".into(),
        };
        let table = listed(&[&usage]);
        assert!(table.contains("aaaaaaaaaaaaaaaaaaaaaaaaa   false") && table.contains("1kB"), "{table}");
        assert!(!verbose(&usage).contains('\u{1b}'));
    }
}
