//! `image prune`.

use clap::Args;

use crate::base::{Result, time};
use crate::cli::context::{Context, Persona};
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::build;
use crate::engine::image_prune::{Filters, prune as engine_prune};
use crate::engine::rmi::Removed;
use crate::spec::times;
use crate::spec::units::human_size;

/// The command.
pub const VERB: Verb = Verb {
    name: "prune",
    about: "Remove unused images",
    usage: "",
    arity: (0, Some(0)),
    greedy: false,
    codes: Codes::Plain,
    arguments: PruneArguments::augment_args,
    run: |context, matches| prune(context, &typed(matches)?),
};

/// Arguments of `image prune`.
#[derive(Debug, Clone, Args)]
struct PruneArguments {
    /// Remove all unused images, not just dangling ones
    #[arg(short, long)]
    all: bool,
    /// Remove the build cache as well, with the directories of cache mounts
    #[arg(long)]
    build_cache: bool,
    /// Accepted: only podman has containers of other programs in its store
    #[arg(long, hide = true, conflicts_with_all = ["all", "filter"])]
    external: bool,
    /// Filter by dangling, label or until
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
    let warning = match arguments.all {
        true => "WARNING! This will remove all images without at least one container associated to them.",
        false => "WARNING! This will remove all dangling images.",
    };
    if !arguments.force && !context.confirmed(warning)? {
        return Ok(0);
    }
    let engine = context.engine()?;
    let (removed, mut freed) = engine_prune(&engine, &filters, arguments.all)?;
    if arguments.build_cache {
        freed = freed.saturating_add(build::prune(&engine, true, None, None)?.freed);
    }
    if context.persona == Persona::Podman {
        // podman names the images alone.
        let ids = removed.iter().filter_map(|removed| removed.deleted.first());
        return ids.into_iter().try_for_each(|id| context.ui.line(id.hex())).map(|()| 0);
    }
    show(context, &removed)?;
    context.ui.line(&format!("Total reclaimed space: {}", human_size(freed))).map(|()| 0)
}

/// docker's list of what went.
pub fn show(context: &Context, removed: &[Removed]) -> Result<()> {
    if removed.is_empty() {
        return Ok(());
    }
    context.ui.line("Deleted Images:")?;
    for removed in removed {
        removed.untagged.iter().try_for_each(|name| context.ui.line(&format!("untagged: {name}")))?;
        removed.deleted.iter().try_for_each(|digest| context.ui.line(&format!("deleted: {digest}")))?;
    }
    context.ui.line("")
}
