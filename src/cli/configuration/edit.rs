//! `config edit`: the user's editor on config.toml. What coracle could not read is not kept without a question.

use std::fs;
use std::process::Command;

use clap::Args;

use super::{check, document, path};
use crate::base::publish::{self, Durability, Staging};
use crate::base::{Error, Result, ResultExt};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};

/// The command.
pub const VERB: Verb = Verb {
    name: "edit",
    about: "Edit the configuration with $VISUAL or $EDITOR",
    usage: "",
    arity: (0, Some(0)),
    greedy: false,
    codes: Codes::Plain,
    arguments: EditArguments::augment_args,
    run: |context, matches| {
        typed::<EditArguments>(matches)?;
        edit(context)
    },
};

/// Arguments of `edit`.
#[derive(Debug, Clone, Args)]
struct EditArguments {}

/// What a file begins with that was not there.
const BEGINNING: &str = "# coracle.toml(5) lists the keys.\n";

fn edit(context: &Context) -> Result<u8> {
    let editor = ["VISUAL", "EDITOR"].into_iter().find_map(|name| context.environment.get(name));
    let editor = editor.filter(|editor| !editor.trim().is_empty()).unwrap_or("vi");
    let path = path(&context.environment)?;
    let directory = path.parent().ok_or_else(|| Error::system("the configuration has no directory"))?;
    fs::create_dir_all(directory).at(directory, "cannot create the directory")?;
    let content = document::read_text(&path)?;
    let scratch = Staging::new(directory)?;
    let copy = scratch.path().join("config.toml");
    fs::write(&copy, if content.is_empty() { BEGINNING } else { &content }).at(&copy, "cannot write")?;
    loop {
        // A shell, because the variable may have options: `code --wait`.
        let status = Command::new("sh").args(["-c", "eval \"$0 \\\"\\$1\\\"\"", editor]).arg(&copy).status();
        let status = status.context(|| "cannot run a shell for the editor")?;
        if !status.success() {
            return Err(Error::system("the editor failed; nothing was changed"));
        }
        let edited = document::read_text(&copy)?;
        if edited == content || (content.is_empty() && edited == BEGINNING) {
            context.ui.note("Nothing was changed.");
            return Ok(0);
        }
        match check(&edited, &path) {
            Ok(()) => {
                publish::file(&path, edited.as_bytes(), Durability::Durable)?;
                return Ok(0);
            }
            Err(error) if context.ui.in_is_terminal() => {
                context.ui.error(&error);
                if !context.confirmed("The file cannot be used like this. Edit it again?")? {
                    return Err(Error::invalid("nothing was changed"));
                }
            }
            Err(error) => return Err(error),
        }
    }
}
