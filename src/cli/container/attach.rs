//! `attach`: this terminal, or these pipes, on a running container's streams.

use clap::Args;

use super::selection::{Latest, one};
use super::streams::{Streams, UNREAD, Wanted};
use crate::base::{Error, Result, text};
use crate::cli::context::{Context, Persona};
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::attach::attach as engine_attach;
use crate::engine::session::End;

/// The command.
pub const VERB: Verb = Verb {
    name: "attach",
    about: "Attach standard input, output and error streams to a running container",
    usage: "CONTAINER",
    arity: (1, Some(1)),
    greedy: false,
    codes: Codes::Plain,
    arguments: AttachArguments::augment_args,
    run: |context, matches| attach(context, &typed(matches)?),
};

/// Arguments of `attach`.
#[derive(Debug, Clone, Args)]
struct AttachArguments {
    /// Keys that detach from the container: characters and ctrl-<letter>, separated by commas
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// Do not attach standard input
    #[arg(long)]
    no_stdin: bool,
    /// Pass signals on to the process
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true")]
    sig_proxy: bool,
    /// Name or ID
    #[arg(value_name = "CONTAINER", num_args = 0..)]
    container: Vec<String>,
    #[command(flatten)]
    latest: Latest,
}

fn attach(context: &Context, arguments: &AttachArguments) -> Result<u8> {
    let engine = context.engine()?;
    let containers = engine.containers();
    let asked = one(context, &engine, "attach", &arguments.latest, &mut arguments.container.clone())?;
    let container = containers.load(&containers.find(&asked)?)?;
    if !container.status.is_running() {
        let name = text::clean(&asked);
        return Err(Error::conflict(format!("cannot attach to the stopped container `{name}`: start it first"))
            .hint(format!("`coracle start -a {name}` starts it and attaches")));
    }
    let process = &container.config.process;
    let streams = Streams::of_process();
    let wanted = Wanted::usual(!arguments.no_stdin && process.stdin);
    let terminal = streams.terminal(wanted, process.tty, arguments.detach_keys.as_deref(), arguments.sig_proxy)?;
    match engine_attach(&engine, &asked, &terminal)? {
        End::Exited(code) => Ok(code as u8),
        // An error in docker since 28; scripts look for its words.
        End::Detached if context.persona == Persona::Docker => {
            context.ui.note("read escape sequence");
            Ok(context.persona.failure())
        }
        End::Detached => Ok(0),
        End::Unread => Ok(UNREAD),
    }
}
