//! `start`: run containers that were created or have ended.

use clap::Args;

use super::chosen;
use super::streams::{Streams, UNREAD, Wanted};
use crate::base::{Error, Result};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, each, typed};
use crate::engine::Engine;
use crate::engine::ps::{self, Query};
use crate::engine::session::End;
use crate::engine::start::start as engine_start;

/// The command.
pub const VERB: Verb = Verb {
    name: "start",
    about: "Start one or more stopped containers",
    usage: "CONTAINER [CONTAINER...]",
    arity: (0, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: StartArguments::augment_args,
    run: |context, matches| start(context, &typed(matches)?),
};

/// Arguments of `start`.
#[derive(Debug, Clone, Args)]
struct StartArguments {
    /// Start all containers that do not run
    #[arg(long)]
    all: bool,
    /// Attach to its output and pass signals on
    #[arg(short, long)]
    attach: bool,
    /// Keys that detach from the container: characters and ctrl-<letter>, separated by commas
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// Start those containers that a filter of `ps` finds and that do not run
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = crate::cli::verb::filter)]
    filter: Vec<String>,
    /// Attach to its standard input
    #[arg(short, long)]
    interactive: bool,
    /// The container that was created last
    #[arg(short, long)]
    latest: bool,
    /// Pass signals on to the process
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true")]
    sig_proxy: bool,
    /// Names or IDs
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl StartArguments {
    /// The containers that are meant without their names, if it is so.
    fn found(&self, engine: &Engine) -> Result<Option<Vec<String>>> {
        if !self.all && self.filter.is_empty() {
            return Ok(None);
        }
        if !self.containers.is_empty() {
            return Err(Error::usage("either the containers are named, or --all or --filter finds them"));
        }
        if self.attach || self.interactive {
            return Err(Error::usage("you cannot start and attach multiple containers at once"));
        }
        let mut query = Query { all: true, ..Query::default() };
        self.filter.iter().try_for_each(|filter| query.filters.add(filter))?;
        let found = ps::list(engine, &query)?.containers.into_iter();
        let found = found.filter(|container| !container.status.is_running());
        // The oldest first: a later one may need it.
        Ok(Some(found.rev().map(|container| container.name.to_string()).collect()))
    }
}

fn start(context: &Context, arguments: &StartArguments) -> Result<u8> {
    let engine = context.engine()?;
    let found = arguments.found(&engine)?;
    if let Some(names) = &found {
        return each(context, names, |name| {
            engine_start(&engine, name, None, &mut |note| context.ui.warning(note))?;
            context.ui.line(name)
        });
    }
    let containers = match arguments.latest {
        true => vec![chosen::only(&engine, true, arguments.containers.first().map(String::as_str))?],
        false => arguments.containers.clone(),
    };
    if containers.is_empty() {
        let program = context.persona.program();
        return Err(Error::usage(format!("'{program} start' requires at least 1 argument"))
            .hint("name the containers, or use --all or --filter"));
    }
    if !arguments.attach && !arguments.interactive {
        return each(context, &containers, |name| {
            engine_start(&engine, name, None, &mut |note| context.ui.warning(note))?;
            context.ui.line(name)
        });
    }
    let [name] = &containers[..] else {
        return Err(Error::usage("you cannot start and attach multiple containers at once"));
    };
    let known = engine.containers();
    let tty = known.config(&known.find(name)?)?.process.tty;
    let streams = Streams::of_process();
    let wanted = Wanted::usual(arguments.interactive);
    let terminal = streams.terminal(wanted, tty, arguments.detach_keys.as_deref(), arguments.sig_proxy)?;
    match engine_start(&engine, name, Some(&terminal), &mut |note| context.ui.warning(note))?.1 {
        Some(End::Exited(code)) => Ok(code as u8),
        Some(End::Detached) | None => Ok(0),
        Some(End::Unread) => Ok(UNREAD),
    }
}
