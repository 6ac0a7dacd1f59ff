//! `rmi`, also `image rm`: remove images.

use clap::Args;

use crate::base::{Error, Kind, Result};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, each_removed, typed};
use crate::engine::rmi::{How, Removed, remove as engine_remove, remove_all};

/// The command.
pub const VERB: Verb = Verb {
    name: "rm",
    about: "Remove one or more images",
    usage: "IMAGE [IMAGE...]",
    arity: (0, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: RemoveArguments::augment_args,
    run: |context, matches| remove(context, &typed(matches)?),
};

/// Arguments of `rmi`.
#[derive(Debug, Clone, Args)]
struct RemoveArguments {
    /// Remove all images that no container has
    #[arg(short, long, conflicts_with_all = ["images", "platform"])]
    all: bool,
    /// Remove an image with all its names, and the names of one that stopped containers use
    #[arg(short, long)]
    force: bool,
    /// Do not complain about an image that does not exist
    #[arg(short, long)]
    ignore: bool,
    /// Accepted: there are no images without a name that belong to others, and would go with them
    #[arg(long, hide = true)]
    no_prune: bool,
    /// Refuse images for another platform: os/architecture[/variant]
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// Names or IDs
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
}

fn remove(context: &Context, arguments: &RemoveArguments) -> Result<u8> {
    if !arguments.all && arguments.images.is_empty() {
        let program = context.persona.program();
        let error = Error::usage(format!("'{program} rmi' requires at least 1 argument"));
        return Ok(context.refuse(&error));
    }
    let engine = context.engine()?;
    let platform = arguments.platform.as_deref().map(str::parse).transpose()?;
    let (names, results): (Vec<String>, Vec<Result<Removed>>) = match arguments.all {
        true => remove_all(&engine, arguments.force)?.into_iter().map(|(id, result)| (id.to_string(), result)).unzip(),
        false => {
            let how = How { force: arguments.force, platform };
            (arguments.images.clone(), engine_remove(&engine, &arguments.images, &how)?)
        }
    };
    let mut results = results.into_iter();
    each_removed(context, &names, |_| match results.next() {
        Some(Err(error)) if arguments.ignore && error.kind() == Kind::NotFound => Ok(()),
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
