//! `top`: the processes of a container.

use clap::Args;

use super::selection::{Latest, one};
use crate::base::Result;
use crate::cli::context::{Context, Persona};
use crate::cli::table;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::top::{podmans_columns, top as engine_top};

/// The command.
pub const VERB: Verb = Verb {
    name: "top",
    about: "Display the running processes of a container",
    usage: "CONTAINER [ps OPTIONS]",
    arity: (1, None),
    greedy: true,
    codes: Codes::Plain,
    arguments: TopArguments::augment_args,
    run: |context, matches| top(context, &typed(matches)?),
};

/// Arguments of `top`.
#[derive(Debug, Clone, Args)]
struct TopArguments {
    #[command(flatten)]
    latest: Latest,
    /// Name or ID, then columns as for ps(1): -ef, aux, or -o pid,ppid,args; or podman's: user pid hpid capeff
    #[arg(value_name = "CONTAINER [ps OPTIONS]", num_args = 0..)]
    words: Vec<String>,
}

/// docker's least width of its columns.
const WIDTH: usize = 20;

fn top(context: &Context, arguments: &TopArguments) -> Result<u8> {
    let (engine, mut words) = (context.engine()?, arguments.words.clone());
    let container = one(context, &engine, "top", &arguments.latest, &mut words)?;
    if words.is_empty() && context.persona == Persona::Podman {
        words = podmans_columns();
    }
    let top = engine_top(&engine, &container, &words, &context.zone())?;
    let mut lines = top.titles.join("\t") + "\n";
    for process in top.processes {
        lines.push_str(&process.iter().map(|cell| cell.replace(['\t', '\n'], " ")).collect::<Vec<_>>().join("\t"));
        lines.push('\n');
    }
    context.ui.text(&table::align_to(&lines, WIDTH)).map(|()| 0)
}
