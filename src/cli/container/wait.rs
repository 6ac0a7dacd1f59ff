//! `wait`: until containers have ended, or something else holds of them.

use clap::Args;

use super::selection::{Among, Found, Latest, Selection};
use crate::base::{Kind, Result};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, each, typed};
use crate::engine::wait::{Condition, wait as engine_wait};

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
    /// What to wait for: not-running, next-exit, removed, created, running, healthy or unhealthy
    #[arg(long, value_name = "CONDITION")]
    condition: Option<String>,
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
    let condition = arguments.condition.as_deref().map_or(Ok(Condition::NotRunning), Condition::parse)?;
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
    each(context, &selection.resolve(context, &engine)?, |name| {
        let code = match engine_wait(&engine, name, condition) {
            Err(error) if arguments.ignore && error.kind() == Kind::NotFound => -1,
            code => code?,
        };
        // podman's for what has no exit code.
        context.ui.line(&if condition.has_code() { code } else { -1 }.to_string())
    })
}
