//! `container exists`.

use clap::Args;

use crate::base::{Kind, Result};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};

/// The command.
pub const VERB: Verb = Verb {
    name: "exists",
    about: "Check whether a container exists: exit code 0 if it does, 1 if not",
    usage: "CONTAINER",
    arity: (1, Some(1)),
    greedy: false,
    codes: Codes::Plain,
    arguments: ExistsArguments::augment_args,
    run: |context, matches| exists(context, &typed(matches)?),
};

/// Arguments of `container exists`.
#[derive(Debug, Clone, Args)]
struct ExistsArguments {
    /// Name or ID
    #[arg(value_name = "CONTAINER", required = true)]
    container: String,
}

fn exists(context: &Context, arguments: &ExistsArguments) -> Result<u8> {
    match context.engine()?.containers().find(&arguments.container) {
        Ok(_) => Ok(0),
        Err(error) if error.kind() == Kind::NotFound => Ok(1),
        Err(error) => Err(error),
    }
}
