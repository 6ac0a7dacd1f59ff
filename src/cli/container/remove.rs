//! `rm`: remove containers.

use clap::Args;

use super::chosen::Chosen;
use crate::base::{Kind, Result};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, each_removed, typed};
use crate::engine::remove::{Removal, remove as engine_remove};

/// The command.
pub const VERB: Verb = Verb {
    name: "rm",
    about: "Remove one or more containers",
    usage: "CONTAINER [CONTAINER...]",
    arity: (1, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: RemoveArguments::augment_args,
    run: |context, matches| remove(context, &typed(matches)?),
};

/// Arguments of `rm`.
#[derive(Debug, Clone, Args)]
struct RemoveArguments {
    /// Kill a running container first
    #[arg(short, long)]
    force: bool,
    /// Remove its anonymous volumes too
    #[arg(short, long)]
    volumes: bool,
    /// Names or IDs
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
    #[command(flatten)]
    chosen: Chosen,
}

fn remove(context: &Context, arguments: &RemoveArguments) -> Result<u8> {
    let engine = context.engine()?;
    let removal = Removal { force: arguments.force, volumes: arguments.volumes };
    let names = arguments.chosen.names(&engine, &arguments.containers, |_| true)?;
    let mut results = engine_remove(&engine, &names, removal).into_iter();
    each_removed(context, &names, |name| match results.next() {
        // docker: what should go is gone.
        Some(Err(error)) if arguments.force && error.kind() == Kind::NotFound => {
            context.ui.note(&error.chain());
            Ok(())
        }
        Some(Err(error)) => Err(error),
        Some(Ok(_)) | None => context.ui.line(name),
    })
}
