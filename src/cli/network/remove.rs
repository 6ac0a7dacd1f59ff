//! `network rm`, `network prune` and `network exists`.

use clap::Args;

use crate::base::{Kind, Result, time};
use crate::cli::context::{Context, Persona};
use crate::cli::ui;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::network::remove::{Holders, prune as engine_prune, remove as engine_remove};
use crate::engine::network::{Filters, find};
use crate::spec::times;

/// `network rm`.
pub const VERB: Verb = Verb {
    name: "rm",
    about: "Remove one or more networks",
    usage: "NETWORK [NETWORK...]",
    arity: (1, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: RemoveArguments::augment_args,
    run: |context, matches| remove(context, &typed(matches)?),
};

/// `network prune`.
pub const PRUNE: Verb = Verb {
    name: "prune",
    about: "Remove all unused networks",
    usage: "",
    arity: (0, Some(0)),
    arguments: PruneArguments::augment_args,
    run: |context, matches| prune(context, &typed(matches)?),
    ..VERB
};

/// `network exists`.
pub const EXISTS: Verb = Verb {
    name: "exists",
    about: "Check whether a network exists: exit code 0 if it does, 1 if not",
    usage: "NETWORK",
    arity: (1, Some(1)),
    arguments: ExistsArguments::augment_args,
    run: |context, matches| exists(context, &typed(matches)?),
    ..VERB
};

/// Arguments of `network rm`.
#[derive(Debug, Clone, Args)]
struct RemoveArguments {
    /// Do not complain about a network that does not exist (as podman: remove its containers first)
    #[arg(short, long)]
    force: bool,
    /// Accepted: containers that are removed by force are killed at once
    #[arg(short, long, value_name = "SECONDS", hide = true, allow_negative_numbers = true)]
    time: Option<i64>,
    /// Names or IDs
    #[arg(value_name = "NETWORK", required = true)]
    networks: Vec<String>,
}

/// Arguments of `network prune`.
#[derive(Debug, Clone, Args)]
struct PruneArguments {
    /// Filter by label or until
    #[arg(long, value_name = "KEY=VALUE", value_parser = crate::cli::verb::filter)]
    filter: Vec<String>,
    /// Do not ask first
    #[arg(short, long)]
    force: bool,
}

/// Arguments of `network exists`.
#[derive(Debug, Clone, Args)]
struct ExistsArguments {
    /// Name or ID
    #[arg(value_name = "NETWORK", required = true)]
    network: String,
}

fn remove(context: &Context, arguments: &RemoveArguments) -> Result<u8> {
    let engine = context.engine()?;
    let is_podman = context.persona == Persona::Podman;
    let holders = match (is_podman, arguments.force) {
        (false, _) => Holders::Running,
        (true, false) => Holders::All,
        (true, true) => Holders::Removed,
    };
    let mut code = 0;
    for name in &arguments.networks {
        match engine_remove(&engine, name, holders) {
            Ok(()) => context.ui.line(name).and_then(|()| context.ui.flush())?,
            Err(error) if ui::is_closed(&error) => return Err(error),
            Err(error) if arguments.force && error.kind() == Kind::NotFound => {}
            Err(error) => {
                context.ui.error(&error);
                code = context.persona.not_removed(&error).max(code);
            }
        }
    }
    Ok(code)
}

fn prune(context: &Context, arguments: &PruneArguments) -> Result<u8> {
    let (now, zone) = (time::now(), context.zone());
    let mut filters = Filters::default();
    for filter in &arguments.filter {
        filters.add(filter, &Filters::PRUNE, &|when| times::parse(when, now, &zone))?;
    }
    let warning = "WARNING! This will remove all custom networks not used by at least one container.";
    if !arguments.force && !context.confirmed(warning)? {
        return Ok(0);
    }
    let removed = engine_prune(&context.engine()?, &filters)?;
    if context.persona != Persona::Podman && !removed.is_empty() {
        context.ui.line("Deleted Networks:")?;
    }
    removed.iter().try_for_each(|name| context.ui.line(name))?;
    if context.persona != Persona::Podman && !removed.is_empty() {
        context.ui.line("")?;
    }
    Ok(0)
}

fn exists(context: &Context, arguments: &ExistsArguments) -> Result<u8> {
    match find(&context.engine()?, &arguments.network) {
        Ok(_) => Ok(0),
        Err(error) if error.kind() == Kind::NotFound => Ok(1),
        Err(error) => Err(error),
    }
}
