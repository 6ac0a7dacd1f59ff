//! `container prune`.

use clap::Args;

use crate::base::{Result, time};
use crate::cli::context::{Context, Persona};
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::container_prune::{Filters, prune as engine_prune};
use crate::spec::times;
use crate::spec::units::human_size;

/// The command.
pub const VERB: Verb = Verb {
    name: "prune",
    about: "Remove all stopped containers",
    usage: "",
    arity: (0, Some(0)),
    greedy: false,
    codes: Codes::Plain,
    arguments: PruneArguments::augment_args,
    run: |context, matches| prune(context, &typed(matches)?),
};

/// Arguments of `container prune`.
#[derive(Debug, Clone, Args)]
struct PruneArguments {
    /// Filter by label or until
    #[arg(long, value_name = "KEY=VALUE", value_parser = crate::cli::verb::filter)]
    filter: Vec<String>,
    /// Do not ask first
    #[arg(short, long)]
    force: bool,
}

fn prune(context: &Context, arguments: &PruneArguments) -> Result<u8> {
    let (now, zone) = (time::now(), context.zone());
    let mut filters = Filters::default();
    for filter in &arguments.filter {
        filters.add(filter, &|when| times::parse(when, now, &zone))?;
    }
    if !arguments.force && !context.confirmed("WARNING! This will remove all stopped containers.")? {
        return Ok(0);
    }
    let (removed, freed) = engine_prune(&context.engine()?, &filters)?;
    let is_podman = context.persona == Persona::Podman;
    if !removed.is_empty() && !is_podman {
        context.ui.line("Deleted Containers:")?;
    }
    removed.iter().try_for_each(|id| context.ui.line(id.as_str()))?;
    if is_podman {
        return Ok(0);
    }
    if !removed.is_empty() {
        context.ui.line("")?;
    }
    context.ui.line(&format!("Total reclaimed space: {}", human_size(freed))).map(|()| 0)
}
