//! `image exists`.

use clap::Args;

use crate::base::Result;
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};

/// The command.
pub const VERB: Verb = Verb {
    name: "exists",
    about: "Check whether an image exists: exit code 0 if it does, 1 if not",
    usage: "IMAGE",
    arity: (1, Some(1)),
    greedy: false,
    codes: Codes::Plain,
    arguments: ExistsArguments::augment_args,
    run: |context, matches| exists(context, &typed(matches)?),
};

/// Arguments of `image exists`.
#[derive(Debug, Clone, Args)]
struct ExistsArguments {
    /// Name or ID
    #[arg(value_name = "IMAGE", required = true)]
    image: String,
}

fn exists(context: &Context, arguments: &ExistsArguments) -> Result<u8> {
    crate::engine::images::exists(&context.engine()?, &arguments.image).map(|exists| u8::from(!exists))
}
