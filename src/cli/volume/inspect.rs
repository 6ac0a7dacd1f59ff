//! `volume inspect`.

use clap::Args;

use crate::base::{Error, Result};
use crate::cli::context::Context;
use crate::cli::inspect::{What, inspect as show};
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::volume;

/// The command.
pub const VERB: Verb = Verb {
    name: "inspect",
    about: "Display detailed information on one or more volumes",
    usage: "VOLUME [VOLUME...]",
    arity: (0, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: InspectArguments::augment_args,
    run: |context, matches| inspect(context, &typed(matches)?),
};

/// Arguments of `volume inspect`.
#[derive(Debug, Clone, Args)]
struct InspectArguments {
    /// Inspect all volumes
    #[arg(short, long)]
    all: bool,
    /// Format with a Go template, or 'json'
    #[arg(short, long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Names
    #[arg(value_name = "VOLUME")]
    volumes: Vec<String>,
}

fn inspect(context: &Context, arguments: &InspectArguments) -> Result<u8> {
    let names = match arguments.all {
        true => {
            let (listed, _) = volume::list(&context.engine()?, &volume::Filters::default())?;
            listed.into_iter().map(|listed| listed.volume.name.to_string()).collect()
        }
        false if arguments.volumes.is_empty() => {
            let program = context.persona.program();
            return Err(Error::usage(format!("'{program} volume inspect' requires at least 1 argument")));
        }
        false => arguments.volumes.clone(),
    };
    show(context, What::Volume, &names, arguments.format.as_deref())
}
