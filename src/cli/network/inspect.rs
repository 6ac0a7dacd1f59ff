//! `network inspect`: everything about networks, as JSON or through a template.

use clap::Args;

use crate::cli::inspect::{What, inspect};
use crate::cli::verb::{Codes, Verb, typed};

/// The command.
pub const VERB: Verb = Verb {
    name: "inspect",
    about: "Display detailed information on one or more networks",
    usage: "NETWORK [NETWORK...]",
    arity: (1, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: InspectArguments::augment_args,
    run: |context, matches| {
        let arguments: InspectArguments = typed(matches)?;
        inspect(context, What::Network, &arguments.networks, arguments.format.as_deref())
    },
};

/// Arguments of `network inspect`.
#[derive(Debug, Clone, Args)]
struct InspectArguments {
    /// Format with a Go template, or 'json'
    #[arg(short, long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Accepted: everything is shown anyway
    #[arg(short, long, hide = true)]
    verbose: bool,
    /// Names or IDs
    #[arg(value_name = "NETWORK", required = true)]
    networks: Vec<String>,
}
