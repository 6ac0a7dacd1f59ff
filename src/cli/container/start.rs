//! `start`: run containers that were created or have ended.

use clap::Args;

use super::handover;
use super::selection::{Among, Found, Latest, Selection};
use super::streams::{Streams, UNREAD, Wanted};
use crate::base::{Error, Result};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, each, typed};
use crate::engine::Engine;
use crate::engine::run::HandedOver;
use crate::engine::session::End;
use crate::engine::start::start_handing as engine_start;

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
    /// Pass signals on to the process
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true")]
    sig_proxy: bool,
    #[command(flatten)]
    latest: Latest,
    /// Names or IDs
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// What this command hands over to the container's program.
fn handed(context: &Context, engine: &Engine, name: &str) -> Result<HandedOver> {
    let containers = engine.containers();
    let config = containers.config(&containers.find(name)?)?;
    let wanted = handover::Wanted {
        driver: config.logging.driver,
        sdnotify: config.lifecycle.sdnotify,
        ..handover::Wanted::default()
    };
    handover::take(context, &wanted)
}

fn start(context: &Context, arguments: &StartArguments) -> Result<u8> {
    let engine = context.engine()?;
    let selection = Selection {
        verb: "start",
        named: &arguments.containers,
        all: arguments.all,
        filters: &arguments.filter,
        found: &Found { latest: arguments.latest.clone(), cidfile: Vec::new() },
        ignore: false,
        among: Among::Stopped,
    };
    let mut names = selection.resolve(context, &engine)?;
    // The oldest of those that were found first: a later one may need it.
    if arguments.containers.is_empty() {
        names.reverse();
    }
    if !arguments.attach && !arguments.interactive {
        return each(context, &names, |name| {
            let handed = handed(context, &engine, name)?;
            engine_start(&engine, name, None, &mut |note| context.ui.warning(note), handed)?;
            context.ui.line(name)
        });
    }
    let ([name], false, true) = (&names[..], arguments.all, arguments.filter.is_empty()) else {
        return Err(Error::usage("you cannot start and attach multiple containers at once"));
    };
    let containers = engine.containers();
    let tty = containers.config(&containers.find(name)?)?.process.tty;
    let streams = Streams::of_process();
    let wanted = Wanted::usual(arguments.interactive);
    let terminal = streams.terminal(wanted, tty, arguments.detach_keys.as_deref(), arguments.sig_proxy)?;
    let handed = handed(context, &engine, name)?;
    match engine_start(&engine, name, Some(&terminal), &mut |note| context.ui.warning(note), handed)?.1 {
        Some(End::Exited(code)) => Ok(code as u8),
        Some(End::Detached) | None => Ok(0),
        Some(End::Unread) => Ok(UNREAD),
    }
}
