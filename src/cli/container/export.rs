//! `export`: the files of a container as a tar archive.

use std::os::fd::AsFd;

use clap::Args;

use crate::base::{Error, Result, ResultExt};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::archives::save::Output;
use crate::engine::files::export::export as engine_export;

/// The command.
pub const VERB: Verb = Verb {
    name: "export",
    about: "Export a container's files as a tar archive, without what is mounted in it",
    usage: "CONTAINER",
    arity: (1, Some(1)),
    greedy: false,
    codes: Codes::Plain,
    arguments: ExportArguments::augment_args,
    run: |context, matches| export(context, &typed(matches)?),
};

/// Arguments of `export`.
#[derive(Debug, Clone, Args)]
struct ExportArguments {
    /// Write to a file, instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<String>,
    /// Name or ID
    #[arg(value_name = "CONTAINER", required = true)]
    container: String,
}

fn export(context: &Context, arguments: &ExportArguments) -> Result<u8> {
    let output = archive(context, arguments.output.as_deref())?;
    engine_export(&context.engine()?, &arguments.container, output).map(|()| 0)
}

/// Where an archive goes: a file, or standard output if that is no terminal.
pub fn archive(context: &Context, file: Option<&str>) -> Result<Output> {
    match file {
        Some(path) => Ok(Output::File(context.path(path))),
        None if context.ui.out_is_terminal() => Err(Error::usage("cowardly refusing to save to a terminal")
            .hint("use the -o flag, or send the output to a file or another program")),
        None => {
            let stdout = std::io::stdout();
            Ok(Output::Stream(stdout.as_fd().try_clone_to_owned().context(|| "cannot keep the output open")?))
        }
    }
}
