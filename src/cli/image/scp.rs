//! `image scp`.

use clap::Args;

use super::load::lines;
use crate::base::Result;
use crate::cli::context::Context;
use crate::cli::progress;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::scp::scp as engine_scp;
use crate::spec::scp::parse;

/// The command.
pub const VERB: Verb = Verb {
    name: "scp",
    about: "Copy an image to or from another machine, with ssh, or another user of this one, as root",
    usage: "[[USER@]HOST[:PORT]::]IMAGE [[USER@]HOST[:PORT]::[NAME]]",
    arity: (1, Some(2)),
    greedy: false,
    codes: Codes::Plain,
    arguments: ScpArguments::augment_args,
    run: |context, matches| scp(context, &typed(matches)?),
};

/// Arguments of `image scp`.
#[derive(Debug, Clone, Args)]
struct ScpArguments {
    /// Show no progress, and not what was loaded
    #[arg(short, long)]
    quiet: bool,
    /// The image, after the machine or user that has it; USER@localhost:: is a user of this machine
    #[arg(value_name = "SOURCE", required = true)]
    source: String,
    /// Where it goes, and the name that it gets there; without, into your own images
    #[arg(value_name = "DESTINATION")]
    destination: Option<String>,
}

fn scp(context: &Context, arguments: &ScpArguments) -> Result<u8> {
    let copy = parse(&arguments.source, arguments.destination.as_deref())?;
    let engine = context.engine()?;
    let shown = progress::loading(context, arguments.quiet);
    let loaded = engine_scp(&engine, &copy, arguments.quiet, shown.as_ref())?;
    drop(shown);
    if arguments.quiet {
        return Ok(0);
    }
    loaded.iter().flat_map(|loaded| lines(loaded, context.persona)).try_for_each(|line| context.ui.line(&line))?;
    Ok(0)
}
