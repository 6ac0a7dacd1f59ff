//! `wait`: until containers have ended, or something else holds of them.

use std::sync::Arc;
use std::sync::mpsc::channel;

use clap::Args;

use super::selection::{Among, Found, Latest, Selection};
use crate::base::{Error, Kind, Result, text};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, each, typed};
use crate::engine::Engine;
use crate::engine::wait::{Condition, wait as engine_wait};
use crate::spec::times::duration;

/// The command.
pub const VERB: Verb = Verb {
    name: "wait",
    about: "Block until one or more containers stop, then print their exit codes",
    usage: "CONTAINER [CONTAINER...]",
    arity: (1, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: WaitArguments::augment_args,
    run: |context, matches| wait(context, &typed(matches)?),
};

/// Arguments of `wait`.
#[derive(Debug, Clone, Args)]
struct WaitArguments {
    /// What to wait for: not-running, next-exit, removed, created, running, paused, stopping, removing, healthy or unhealthy.
    /// May be given several times: one of them suffices
    #[arg(long, value_name = "CONDITION")]
    condition: Vec<String>,
    /// End as soon as one of the containers meets a condition
    #[arg(long)]
    exit_first_match: bool,
    /// How often podman looks. Every change is noticed at once here, so the value is checked and makes no difference
    #[arg(short = 'i', long, value_name = "DURATION")]
    interval: Option<String>,
    /// Print -1 for a container that is missing
    #[arg(long)]
    ignore: bool,
    #[command(flatten)]
    latest: Latest,
    /// Names or IDs
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

fn wait(context: &Context, arguments: &WaitArguments) -> Result<u8> {
    let conditions = arguments.condition.iter().map(|word| Condition::parse(word)).collect::<Result<Vec<_>>>()?;
    if let Some(interval) = &arguments.interval {
        check_interval(interval)?;
    }
    let ignore = arguments.ignore;
    let engine = context.engine()?;
    let selection = Selection {
        verb: "wait",
        named: &arguments.containers,
        all: false,
        filters: &[],
        found: &Found { latest: arguments.latest.clone(), cidfile: Vec::new() },
        ignore: false,
        among: Among::All,
    };
    let names = selection.resolve(context, &engine)?;
    let code_of = move |engine: &Engine, name: &str| match engine_wait(engine, name, &conditions) {
        Err(error) if ignore && error.kind() == Kind::NotFound => Ok(-1),
        // podman's for what has no exit code.
        code => Ok(code?.unwrap_or(-1)),
    };
    if arguments.exit_first_match {
        let code = first(engine, names, code_of)?;
        context.ui.line(&code.to_string())?;
        return Ok(0);
    }
    each(context, &names, |name| context.ui.line(&code_of(&engine, name)?.to_string()))
}

/// What is told first of all these containers. The others are waited for until this process ends.
fn first(
    engine: Engine,
    names: Vec<String>,
    code_of: impl Fn(&Engine, &str) -> Result<i32> + Send + Sync + 'static,
) -> Result<i32> {
    let shared = Arc::new((engine, code_of));
    let (told, results) = channel();
    for name in names {
        let (shared, told) = (Arc::clone(&shared), told.clone());
        std::thread::spawn(move || drop(told.send((shared.1)(&shared.0, &name))));
    }
    drop(told);
    results.recv().unwrap_or_else(|_| Err(Error::usage("there is no container to wait for")))
}

/// podman takes milliseconds, and durations with units.
fn check_interval(interval: &str) -> Result<()> {
    if interval.parse::<u64>().is_ok() || duration(interval).is_some() {
        return Ok(());
    }
    Err(Error::usage(format!("`{}` is no interval", text::clean(interval))).hint("250ms or 2s, for example"))
}
