//! `kill`: send a signal to the main process of containers.

use clap::Args;

use super::selection::{Among, Found, Selection};
use crate::base::Result;
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, each, typed};
use crate::engine::kill::kill as engine_kill;
use crate::spec::signal;

/// The command.
pub const VERB: Verb = Verb {
    name: "kill",
    about: "Kill one or more running containers",
    usage: "CONTAINER [CONTAINER...]",
    arity: (1, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: KillArguments::augment_args,
    run: |context, matches| kill(context, &typed(matches)?),
};

/// Arguments of `kill`.
#[derive(Debug, Clone, Args)]
struct KillArguments {
    /// Signal all running containers
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    found: Found,
    /// The signal, by name or number
    #[arg(short, long, value_name = "SIGNAL", default_value = "KILL")]
    signal: String,
    /// Names or IDs
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

fn kill(context: &Context, arguments: &KillArguments) -> Result<u8> {
    let signal = signal::parse(&arguments.signal)?;
    let engine = context.engine()?;
    let selection = Selection {
        verb: "kill",
        named: &arguments.containers,
        all: arguments.all,
        filters: &[],
        found: &arguments.found,
        ignore: false,
        among: Among::Running,
    };
    each(context, &selection.resolve(context, &engine)?, |name| {
        engine_kill(&engine, name, signal)?;
        context.ui.line(name)
    })
}
