//! `rm`: remove containers.

use clap::Args;

use super::selection::{Among, Found, Selection};
use crate::base::{Kind, Result};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, each_removed, typed};
use crate::engine::remove::{Removal, remove as engine_remove, with_dependents};

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
    /// Remove all containers
    #[arg(short, long)]
    all: bool,
    /// Remove the containers that use its network, too
    #[arg(long)]
    depend: bool,
    /// Remove those containers that a filter of `ps` finds
    #[arg(long, value_name = "KEY=VALUE", value_parser = crate::cli::verb::filter)]
    filter: Vec<String>,
    #[command(flatten)]
    found: Found,
    /// Kill a running container first
    #[arg(short, long)]
    force: bool,
    /// It does not matter that a container is missing
    #[arg(short, long)]
    ignore: bool,
    /// Ask a running container to end, and kill it after this number of seconds; -1 for never
    #[arg(short, long, alias = "timeout", value_name = "SECONDS", allow_negative_numbers = true, requires = "force")]
    time: Option<i64>,
    /// Remove its anonymous volumes too
    #[arg(short, long)]
    volumes: bool,
    /// Names or IDs
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

fn remove(context: &Context, arguments: &RemoveArguments) -> Result<u8> {
    let engine = context.engine()?;
    let RemoveArguments { all, depend, filter, found, force, ignore, time, volumes, containers } = arguments;
    let selection = Selection {
        verb: "rm",
        named: containers,
        all: *all,
        filters: filter,
        found,
        ignore: *ignore,
        among: Among::All,
    };
    let mut names = selection.resolve(context, &engine)?;
    if *depend {
        names = with_dependents(&engine, &names)?;
    }
    let removal = Removal { force: *force, patience: *time, volumes: *volumes, with_pod: false };
    let mut results = engine_remove(&engine, &names, removal).into_iter();
    each_removed(context, &names, |name| match results.next() {
        Some(Err(error)) if *ignore && error.kind() == Kind::NotFound => Ok(()),
        // docker: what should go is gone.
        Some(Err(error)) if *force && error.kind() == Kind::NotFound => {
            context.ui.note(&error.chain());
            Ok(())
        }
        Some(Err(error)) => Err(error),
        Some(Ok(_)) | None => context.ui.line(name),
    })
}
