//! `kill`: send a signal to the main process of containers.

use clap::Args;

use super::chosen::Chosen;
use crate::base::Result;
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, each, typed};
use crate::engine::kill::kill as engine_kill;
use crate::spec::container::Status;
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
    /// The signal, by name or number
    #[arg(short, long, value_name = "SIGNAL", default_value = "KILL")]
    signal: String,
    /// Names or IDs
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
    #[command(flatten)]
    chosen: Chosen,
}

fn kill(context: &Context, arguments: &KillArguments) -> Result<u8> {
    let signal = signal::parse(&arguments.signal)?;
    let engine = context.engine()?;
    let names = arguments.chosen.names(&engine, &arguments.containers, Status::is_running)?;
    each(context, &names, |name| {
        engine_kill(&engine, name, signal)?;
        context.ui.line(name)
    })
}
