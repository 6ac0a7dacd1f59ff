//! `rmi`, also `image rm`: remove images.

use clap::Args;

use crate::base::{Kind, Result};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, each_removed, typed};
use crate::engine::rmi::remove as engine_remove;

/// The command.
pub const VERB: Verb = Verb {
    name: "rm",
    about: "Remove one or more images",
    usage: "IMAGE [IMAGE...]",
    arity: (1, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: RemoveArguments::augment_args,
    run: |context, matches| remove(context, &typed(matches)?),
};

/// Arguments of `rmi`.
#[derive(Debug, Clone, Args)]
struct RemoveArguments {
    /// Remove an image with all its names, and the names of one that stopped containers use
    #[arg(short, long)]
    force: bool,
    /// Names or IDs
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
}

fn remove(context: &Context, arguments: &RemoveArguments) -> Result<u8> {
    let mut results = engine_remove(&context.engine()?, &arguments.images, arguments.force)?.into_iter();
    each_removed(context, &arguments.images, |_| match results.next() {
        // docker: what should go is gone.
        Some(Err(error)) if arguments.force && error.kind() == Kind::NotFound => {
            context.ui.note(&error.chain());
            Ok(())
        }
        Some(Err(error)) => Err(error),
        Some(Ok(removed)) => {
            removed.untagged.iter().try_for_each(|name| context.ui.line(&format!("Untagged: {name}")))?;
            removed.deleted.iter().try_for_each(|digest| context.ui.line(&format!("Deleted: {digest}")))
        }
        None => Ok(()),
    })
}
