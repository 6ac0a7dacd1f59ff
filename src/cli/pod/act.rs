//! `pod start`, `stop`, `restart`, `kill`, `pause`, `unpause`, `rm`, `prune` and `exists`.

use clap::Args;

use super::{IdFiles, Selection, told};
use crate::base::{Error, Kind, Result};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::pod::{self, Action, Outcome, Removal};
use crate::spec::signal;

/// `pod start`.
pub const START: Verb = Verb {
    name: "start",
    about: "Start one or more pods",
    usage: "POD [POD...]",
    arity: (0, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: StartArguments::augment_args,
    run: |context, matches| {
        let StartArguments { selection, files } = typed(matches)?;
        act(context, &selection, "start", &files.pod_id_file, Action::Start)
    },
};

/// `pod restart`.
pub const RESTART: Verb = Verb {
    name: "restart",
    about: "Restart one or more pods",
    arguments: Selection::augment_args,
    run: |context, matches| act(context, &typed(matches)?, "restart", &[], Action::Restart),
    ..START
};

/// `pod pause`.
pub const PAUSE: Verb = Verb {
    name: "pause",
    about: "Pause all processes of one or more pods",
    arguments: Selection::augment_args,
    run: |context, matches| act(context, &typed(matches)?, "pause", &[], Action::Pause),
    ..START
};

/// `pod unpause`.
pub const UNPAUSE: Verb = Verb {
    name: "unpause",
    about: "Let all processes of one or more pods go on",
    arguments: Selection::augment_args,
    run: |context, matches| act(context, &typed(matches)?, "unpause", &[], Action::Unpause),
    ..START
};

/// `pod kill`.
pub const KILL: Verb = Verb {
    name: "kill",
    about: "Send a signal to the containers of one or more pods",
    arguments: KillArguments::augment_args,
    run: |context, matches| {
        let KillArguments { selection, signal } = typed(matches)?;
        act(context, &selection, "kill", &[], Action::Kill(signal::parse(&signal)?))
    },
    ..START
};

/// `pod stop`.
pub const STOP: Verb = Verb {
    name: "stop",
    about: "Stop one or more pods",
    arguments: StopArguments::augment_args,
    run: |context, matches| stop(context, &typed(matches)?),
    ..START
};

/// `pod rm`.
pub const REMOVE: Verb = Verb {
    name: "rm",
    about: "Remove one or more pods with their containers",
    arguments: RemoveArguments::augment_args,
    run: |context, matches| remove(context, &typed(matches)?),
    ..START
};

/// `pod prune`.
pub const PRUNE: Verb = Verb {
    name: "prune",
    about: "Remove all pods that do not run, with their containers",
    usage: "",
    arity: (0, Some(0)),
    arguments: PruneArguments::augment_args,
    run: |context, matches| prune(context, &typed(matches)?),
    ..START
};

/// `pod exists`.
pub const EXISTS: Verb = Verb {
    name: "exists",
    about: "Tell by the exit code whether there is a pod",
    usage: "POD",
    arity: (1, Some(1)),
    arguments: ExistsArguments::augment_args,
    run: |context, matches| exists(context, &typed(matches)?),
    ..START
};

/// Arguments of `pod start`.
#[derive(Debug, Clone, Args)]
struct StartArguments {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    files: IdFiles,
}

/// Arguments of `pod kill`.
#[derive(Debug, Clone, Args)]
struct KillArguments {
    #[command(flatten)]
    selection: Selection,
    /// The signal, by name or number
    #[arg(short, long, value_name = "SIGNAL", default_value = "KILL")]
    signal: String,
}

/// Arguments of `pod stop`.
#[derive(Debug, Clone, Args)]
struct StopArguments {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    files: IdFiles,
    /// It does not matter that a pod is missing
    #[arg(short, long)]
    ignore: bool,
    /// Seconds to wait before a container is killed; each container's own when not given
    #[arg(short, long, alias = "timeout", value_name = "SECONDS", allow_negative_numbers = true)]
    time: Option<i64>,
}

/// Arguments of `pod rm`.
#[derive(Debug, Clone, Args)]
struct RemoveArguments {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    files: IdFiles,
    /// Stop the containers first that run
    #[arg(short, long)]
    force: bool,
    /// It does not matter that a pod is missing
    #[arg(short, long)]
    ignore: bool,
    /// Seconds to wait before a container is killed; needs --force
    #[arg(short, long, alias = "timeout", value_name = "SECONDS", allow_negative_numbers = true)]
    time: Option<i64>,
}

/// Arguments of `pod prune`.
#[derive(Debug, Clone, Args)]
struct PruneArguments {
    /// Do not ask first
    #[arg(short, long)]
    force: bool,
}

/// Arguments of `pod exists`.
#[derive(Debug, Clone, Args)]
struct ExistsArguments {
    /// Name or ID
    #[arg(value_name = "POD")]
    pod: String,
}

/// Does the same with every pod; a failure of one does not keep the others from being done.
fn each(context: &Context, names: &[String], mut work: impl FnMut(&str) -> Result<u8>) -> Result<u8> {
    let mut code = 0;
    crate::cli::verb::each(context, names, |name| {
        code = work(name)?.max(code);
        Ok(())
    })
    .map(|failed| failed.max(code))
}

fn act(context: &Context, selection: &Selection, verb: &str, files: &[String], action: Action) -> Result<u8> {
    let engine = context.engine()?;
    each(context, &selection.resolve(context, &engine, verb, files)?, |name| {
        let outcome = pod::act(&engine, name, action, &mut |note| context.ui.warning(note))?;
        // podman shows what was typed of a start, and ids of all others.
        let shown = if action == Action::Start { name } else { outcome.id.as_str() };
        told(context, &outcome, shown)
    })
}

/// A pod that is missing, where that does not matter.
fn or_missing(ignore: bool, result: Result<Outcome>) -> Result<Option<Outcome>> {
    match result {
        Err(error) if ignore && error.kind() == Kind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

fn stop(context: &Context, arguments: &StopArguments) -> Result<u8> {
    let engine = context.engine()?;
    let names = arguments.selection.resolve(context, &engine, "stop", &arguments.files.pod_id_file)?;
    each(context, &names, |name| match or_missing(arguments.ignore, pod::stop(&engine, name, arguments.time))? {
        Some(outcome) => told(context, &outcome, name),
        None => Ok(0),
    })
}

fn remove(context: &Context, arguments: &RemoveArguments) -> Result<u8> {
    if arguments.time.is_some() && !arguments.force {
        return Err(Error::usage("the --force option must be specified to use the --time option"));
    }
    let engine = context.engine()?;
    let names = arguments.selection.resolve(context, &engine, "rm", &arguments.files.pod_id_file)?;
    let removal = Removal { force: arguments.force, timeout: arguments.time };
    let ignore = arguments.ignore || arguments.force;
    each(context, &names, |name| match or_missing(ignore, pod::remove(&engine, name, removal))? {
        Some(outcome) => told(context, &outcome, outcome.id.as_str()),
        None => Ok(0),
    })
}

fn prune(context: &Context, arguments: &PruneArguments) -> Result<u8> {
    if !arguments.force && !context.confirmed("WARNING! This will remove all stopped/exited pods..")? {
        return Ok(0);
    }
    let mut code = 0;
    for removed in pod::prune(&context.engine()?)? {
        match removed {
            Ok(outcome) => code = told(context, &outcome, outcome.id.as_str())?.max(code),
            Err(error) => {
                context.ui.error(&error);
                code = context.persona.failure();
            }
        }
    }
    Ok(code)
}

fn exists(context: &Context, arguments: &ExistsArguments) -> Result<u8> {
    match pod::find(&context.engine()?, &arguments.pod) {
        Ok(_) => Ok(0),
        Err(error) if error.kind() == Kind::NotFound => Ok(1),
        Err(error) => Err(error),
    }
}
