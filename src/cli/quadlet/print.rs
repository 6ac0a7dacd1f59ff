//! `quadlet print`: the text of a Quadlet file.

use clap::Args;

use super::{directories, unknown};
use crate::base::Result;
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};
use crate::units::sources;

/// The command.
pub const VERB: Verb = Verb {
    name: "print",
    about: "Show the text of a Quadlet file",
    usage: "FILE",
    arity: (1, Some(1)),
    greedy: false,
    codes: Codes::Plain,
    arguments: PrintArguments::augment_args,
    run: |context, matches| print(context, &typed(matches)?),
};

/// Arguments of `print`.
#[derive(Debug, Clone, Args)]
struct PrintArguments {
    /// Its name, as `ls` shows it
    #[arg(value_name = "QUADLET")]
    name: String,
}

fn print(context: &Context, arguments: &PrintArguments) -> Result<u8> {
    let found = sources::find(&directories(context)?);
    let source = found.sources.iter().find(|source| source.name == arguments.name).ok_or_else(|| {
        unknown(&arguments.name, &found.sources.iter().map(|source| source.name.clone()).collect::<Vec<_>>())
    })?;
    context.ui.text(&sources::read_file(&source.path)?).map(|()| 0)
}
