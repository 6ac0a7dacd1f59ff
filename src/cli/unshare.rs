//! `unshare`: run a program of the host in the namespace that owns the files of containers.

use clap::Args;

use super::context::Context;
use super::verb::{Codes, Verb, typed};
use crate::base::Result;
use crate::engine::unshare::unshare as engine_unshare;

/// The command.
pub const VERB: Verb = Verb {
    name: "unshare",
    about: "Run a program of this machine in the user namespace of your containers",
    usage: "[COMMAND [ARG...]]",
    arity: (0, None),
    greedy: true,
    codes: Codes::Exec,
    arguments: UnshareArguments::augment_args,
    run: |context, matches| unshare(context, &typed(matches)?),
};

/// Arguments of `unshare`.
#[derive(Debug, Clone, Args)]
struct UnshareArguments {
    /// The program and its arguments; your shell when none is given
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

fn unshare(context: &Context, arguments: &UnshareArguments) -> Result<u8> {
    let shell = || context.environment.get("SHELL").filter(|shell| !shell.is_empty()).unwrap_or("/bin/sh").to_owned();
    let argv = if arguments.command.is_empty() { vec![shell()] } else { arguments.command.clone() };
    match engine_unshare(&context.engine()?, &argv)? {}
}
