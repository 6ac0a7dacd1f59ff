//! `volume rm`, `volume prune` and `volume exists`.

use clap::Args;

use crate::base::{Error, Kind, Result, time};
use crate::cli::context::{Context, Persona};
use crate::cli::ui;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::volume::{self, Filters};
use crate::spec::times;
use crate::spec::units::human_size;

/// `volume rm`.
pub const VERB: Verb = Verb {
    name: "rm",
    about: "Remove one or more volumes that no container has",
    usage: "VOLUME [VOLUME...]",
    arity: (0, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: RemoveArguments::augment_args,
    run: |context, matches| remove(context, &typed(matches)?),
};

/// `volume prune`.
pub const PRUNE: Verb = Verb {
    name: "prune",
    about: "Remove unused volumes",
    usage: "",
    arity: (0, Some(0)),
    arguments: PruneArguments::augment_args,
    run: |context, matches| prune(context, &typed(matches)?),
    ..VERB
};

/// `volume exists`.
pub const EXISTS: Verb = Verb {
    name: "exists",
    about: "Check whether a volume exists: exit code 0 if it does, 1 if not",
    usage: "VOLUME",
    arity: (1, Some(1)),
    arguments: ExistsArguments::augment_args,
    run: |context, matches| exists(context, &typed(matches)?),
    ..VERB
};

/// Arguments of `volume rm`.
#[derive(Debug, Clone, Args)]
struct RemoveArguments {
    /// Remove all volumes that no container has
    #[arg(short, long, conflicts_with = "volumes")]
    all: bool,
    /// Do not complain about a volume that does not exist (as podman: remove its containers first)
    #[arg(short, long)]
    force: bool,
    /// Accepted: containers that are removed by force are killed at once
    #[arg(short, long, value_name = "SECONDS", hide = true, allow_negative_numbers = true)]
    time: Option<i64>,
    /// Names
    #[arg(value_name = "VOLUME")]
    volumes: Vec<String>,
}

/// Arguments of `volume prune`.
#[derive(Debug, Clone, Args)]
struct PruneArguments {
    /// Remove all unused volumes, not just anonymous ones
    #[arg(short, long)]
    all: bool,
    /// Filter by all, label or until
    #[arg(long, value_name = "KEY=VALUE", value_parser = crate::cli::verb::filter)]
    filter: Vec<String>,
    /// Do not ask first
    #[arg(short, long)]
    force: bool,
}

/// Arguments of `volume exists`.
#[derive(Debug, Clone, Args)]
struct ExistsArguments {
    /// Name
    #[arg(value_name = "VOLUME", required = true)]
    volume: String,
}

fn remove(context: &Context, arguments: &RemoveArguments) -> Result<u8> {
    let engine = context.engine()?;
    let names = match arguments.all {
        true => {
            let mut unused = Filters::default();
            unused.add("dangling=true", &Filters::LIST, &|_| Ok(time::now()))?;
            volume::list(&engine, &unused)?.0.into_iter().map(|listed| listed.volume.name.to_string()).collect()
        }
        false if arguments.volumes.is_empty() => {
            let program = context.persona.program();
            return Err(Error::usage(format!("'{program} volume rm' requires at least 1 argument")));
        }
        false => arguments.volumes.clone(),
    };
    let with_users = arguments.force && context.persona == Persona::Podman;
    let mut code = 0;
    for name in &names {
        match volume::remove(&engine, name, with_users) {
            Ok(()) => context.ui.line(name).and_then(|()| context.ui.flush())?,
            Err(error) if ui::is_closed(&error) => return Err(error),
            // docker names it all the same.
            Err(error) if arguments.force && error.kind() == Kind::NotFound => match context.persona {
                Persona::Podman => {}
                Persona::Coracle | Persona::Docker => context.ui.line(name)?,
            },
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
    let is_podman = context.persona == Persona::Podman;
    let all = arguments.all || is_podman;
    let warning = match all {
        true => "WARNING! This will remove all volumes not used by at least one container.",
        false => "WARNING! This will remove anonymous local volumes not used by at least one container.",
    };
    if !arguments.force && !context.confirmed(warning)? {
        return Ok(0);
    }
    let (removed, freed) = volume::prune(&context.engine()?, &filters, all)?;
    if is_podman {
        return removed.iter().try_for_each(|name| context.ui.line(name.as_str())).map(|()| 0);
    }
    if !removed.is_empty() {
        context.ui.line("Deleted Volumes:")?;
        removed.iter().try_for_each(|name| context.ui.line(name.as_str()))?;
        context.ui.line("")?;
    }
    context.ui.line(&format!("Total reclaimed space: {}", human_size(freed))).map(|()| 0)
}

fn exists(context: &Context, arguments: &ExistsArguments) -> Result<u8> {
    volume::exists(&context.engine()?, &arguments.volume).map(|exists| u8::from(!exists))
}
