//! `completion`: the script that teaches a shell coracle's words.

use clap::Args;
use clap_complete::Shell;

use crate::cli::completion_script;
use crate::cli::verb::{Codes, Verb, typed};

/// The command.
pub const VERB: Verb = Verb {
    name: "completion",
    about: "Print the completion script of a shell",
    usage: "bash|zsh|fish",
    arity: (1, Some(1)),
    greedy: false,
    codes: Codes::Plain,
    arguments: CompletionArguments::augment_args,
    run: |context, matches| {
        let arguments: CompletionArguments = typed(matches)?;
        let shell = match arguments.shell {
            Known::Bash => Shell::Bash,
            Known::Zsh => Shell::Zsh,
            Known::Fish => Shell::Fish,
        };
        context.ui.text(&String::from_utf8_lossy(&completion_script(shell, context.persona.program())?)).map(|()| 0)
    },
};

/// Arguments of `completion`.
#[derive(Debug, Clone, Args)]
struct CompletionArguments {
    /// Which shell
    #[arg(value_name = "SHELL")]
    shell: Known,
}

/// The shells whose scripts are tested.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Known {
    Bash,
    Zsh,
    Fish,
}
