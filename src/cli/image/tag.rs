//! `tag` and `untag`: names of images.

use clap::Args;

use crate::base::Result;
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::tag;

/// `tag`
pub const TAG: Verb = Verb {
    name: "tag",
    about: "Give an image further names",
    usage: "IMAGE TARGET [TARGET...]",
    arity: (2, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: TagArguments::augment_args,
    run: |context, matches| give(context, &typed(matches)?),
};

/// `untag`
pub const UNTAG: Verb = Verb {
    name: "untag",
    about: "Take names away from an image, all if none is given",
    usage: "IMAGE [NAME...]",
    arity: (1, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: UntagArguments::augment_args,
    run: |context, matches| take(context, &typed(matches)?),
};

/// Arguments of `tag`.
#[derive(Debug, Clone, Args)]
struct TagArguments {
    /// The image, then its new names
    #[arg(value_name = "IMAGE", required = true)]
    names: Vec<String>,
}

/// Arguments of `untag`.
#[derive(Debug, Clone, Args)]
struct UntagArguments {
    /// The image, then the names to take away
    #[arg(value_name = "IMAGE", required = true)]
    names: Vec<String>,
}

fn give(context: &Context, arguments: &TagArguments) -> Result<u8> {
    let (image, targets) = arguments.names.split_first().map_or(("", &[][..]), |(image, rest)| (image.as_str(), rest));
    tag::tag(&context.engine()?, image, targets).map(|()| 0)
}

fn take(context: &Context, arguments: &UntagArguments) -> Result<u8> {
    let (image, names) = arguments.names.split_first().map_or(("", &[][..]), |(image, rest)| (image.as_str(), rest));
    tag::untag(&context.engine()?, image, names).map(|_| 0)
}
