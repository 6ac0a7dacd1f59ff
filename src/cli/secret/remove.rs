//! `secret rm` and `secret exists`.

use clap::Args;

use crate::base::{Error, Kind, Result};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, each_removed, typed};
use crate::engine::secret::{self, Filters};

/// `secret rm`.
pub const VERB: Verb = Verb {
    name: "rm",
    about: "Remove one or more secrets; containers that have them keep them",
    usage: "SECRET [SECRET...]",
    arity: (0, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: RemoveArguments::augment_args,
    run: |context, matches| remove(context, &typed(matches)?),
};

/// `secret exists`.
pub const EXISTS: Verb = Verb {
    name: "exists",
    about: "Check whether a secret exists: exit code 0 if it does, 1 if not",
    usage: "SECRET",
    arity: (1, Some(1)),
    arguments: ExistsArguments::augment_args,
    run: |context, matches| exists(context, &typed(matches)?),
    ..VERB
};

/// Arguments of `secret rm`.
#[derive(Debug, Clone, Args)]
struct RemoveArguments {
    /// Remove all secrets
    #[arg(short, long)]
    all: bool,
    /// Do not complain about a secret that does not exist
    #[arg(short, long)]
    ignore: bool,
    /// Names or IDs
    #[arg(value_name = "SECRET")]
    secrets: Vec<String>,
}

/// Arguments of `secret exists`.
#[derive(Debug, Clone, Args)]
struct ExistsArguments {
    /// Name or ID
    #[arg(value_name = "SECRET", required = true)]
    secret: String,
}

fn remove(context: &Context, arguments: &RemoveArguments) -> Result<u8> {
    let program = context.persona.program();
    if arguments.all != arguments.secrets.is_empty() {
        return Err(Error::usage(format!("`{program} secret rm` requires one argument, or the --all flag")));
    }
    let engine = context.engine()?;
    let names = match arguments.all {
        true => secret::list(&engine, &Filters::default())?.0.into_iter().map(|secret| secret.id).collect(),
        false => arguments.secrets.clone(),
    };
    each_removed(context, &names, |name| match secret::remove(&engine, name) {
        Err(error) if error.kind() == Kind::NotFound && (arguments.ignore || arguments.all) => Ok(()),
        removed => context.ui.line(&removed?),
    })
}

fn exists(context: &Context, arguments: &ExistsArguments) -> Result<u8> {
    secret::exists(&context.engine()?, &arguments.secret).map(|exists| u8::from(!exists))
}
