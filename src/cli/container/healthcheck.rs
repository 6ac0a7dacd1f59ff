//! `healthcheck run`: whether a container does its work, asked now.

use clap::Args;

use crate::base::Result;
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::healthcheck;

/// The command.
pub const RUN: Verb = Verb {
    name: "run",
    about: "Run the health check of a container",
    usage: "CONTAINER",
    arity: (1, Some(1)),
    greedy: false,
    codes: Codes::Container,
    arguments: RunArguments::augment_args,
    run: |context, matches| run(context, &typed(matches)?),
};

/// Arguments of `healthcheck run`.
#[derive(Debug, Clone, Args)]
struct RunArguments {
    /// Name or ID
    #[arg(value_name = "CONTAINER", required = true)]
    container: String,
}

/// 0 when the check succeeds; 1 when it fails, and then its state is printed.
fn run(context: &Context, arguments: &RunArguments) -> Result<u8> {
    let state = healthcheck::run(&context.engine()?, &arguments.container)?;
    match state.log.last().map(|probe| probe.exit_code) {
        Some(0) => Ok(0),
        _ => context.ui.line(state.status.word()).map(|()| 1),
    }
}
