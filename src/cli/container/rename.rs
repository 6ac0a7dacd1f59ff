//! `rename`: gives a container another name.

use clap::Args;

use crate::base::Result;
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::settings::rename as engine_rename;

/// The command.
pub const VERB: Verb = Verb {
    name: "rename",
    about: "Rename a container, running or not",
    usage: "CONTAINER NEW_NAME",
    arity: (2, Some(2)),
    greedy: false,
    codes: Codes::Plain,
    arguments: RenameArguments::augment_args,
    run: |context, matches| rename(context, &typed(matches)?),
};

/// Arguments of `rename`.
#[derive(Debug, Clone, Args)]
struct RenameArguments {
    /// Name or ID
    #[arg(value_name = "CONTAINER", required = true)]
    container: String,
    /// The name that it gets
    #[arg(value_name = "NEW_NAME", required = true)]
    name: String,
}

fn rename(context: &Context, arguments: &RenameArguments) -> Result<u8> {
    engine_rename(&context.engine()?, &arguments.container, &arguments.name).map(|()| 0)
}
