//! `buildx ls` and `buildx inspect`: the only builder, which is this program itself.

use clap::Args;

use crate::base::{Error, Result, text};
use crate::cli::context::Context;
use crate::cli::table;
use crate::cli::verb::{Codes, Verb, typed};
use crate::oci::Platform;

/// `buildx ls`.
pub const LS: Verb = Verb {
    name: "ls",
    about: "List builders: there is one",
    usage: "",
    arity: (0, Some(0)),
    greedy: false,
    codes: Codes::Plain,
    arguments: ListArguments::augment_args,
    run: |context, matches| {
        typed::<ListArguments>(matches)?;
        context.ui.text(&listed()).map(|()| 0)
    },
};

/// `buildx inspect`.
pub const INSPECT: Verb = Verb {
    name: "inspect",
    about: "Show the builder",
    usage: "[NAME]",
    arity: (0, Some(1)),
    arguments: InspectArguments::augment_args,
    run: |context, matches| inspect(context, &typed(matches)?),
    ..LS
};

/// Arguments of `ls`.
#[derive(Debug, Clone, Args)]
struct ListArguments {
    /// Names are never shortened
    #[arg(long)]
    no_trunc: bool,
}

/// Arguments of `inspect`.
#[derive(Debug, Clone, Args)]
struct InspectArguments {
    /// The builder needs no start
    #[arg(long)]
    bootstrap: bool,
    /// The builder
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

const VERSION: &str = concat!("coracle ", env!("CARGO_PKG_VERSION"));

fn listed() -> String {
    let platform = Platform::host();
    table::align(&format!(
        "NAME/NODE\tDRIVER/ENDPOINT\tSTATUS\tBUILDKIT\tPLATFORMS\ndefault*\tcoracle\t\t\t\n \\_ default\t \\_ default\trunning\t{VERSION}\t{platform}\n"
    ))
}

fn inspect(context: &Context, arguments: &InspectArguments) -> Result<u8> {
    if let Some(name) = arguments.name.as_deref().filter(|name| *name != "default") {
        return Err(Error::not_found(format!("no builder \"{}\" found", text::clean(name))));
    }
    let platform = Platform::host();
    context.ui.text(&format!(
        "Name:          default\nDriver:        coracle\n\nNodes:\nName:             default\nEndpoint:         default\nStatus:           running\nBuildKit version: {VERSION}\nPlatforms:        {platform}\n"
    ))?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_builder() {
        assert!(listed().starts_with("NAME/NODE") && listed().contains("default*") && listed().contains(VERSION));
    }
}
