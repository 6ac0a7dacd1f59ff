//! `config set`.

use std::fs;

use clap::Args;

use super::{check, document, path};
use crate::base::lock::{Lock, Mode};
use crate::base::publish::{self, Durability};
use crate::base::{Error, Result, ResultExt};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};

/// The command.
pub const VERB: Verb = Verb {
    name: "set",
    about: "Set a key of the configuration",
    usage: "KEY [VALUE]",
    arity: (1, Some(2)),
    greedy: false,
    codes: Codes::Plain,
    arguments: SetArguments::augment_args,
    run: |context, matches| set(context, &typed(matches)?),
};

/// Arguments of `set`.
#[derive(Debug, Clone, Args)]
struct SetArguments {
    /// Remove the key
    #[arg(long)]
    unset: bool,
    /// The key, with dots
    #[arg(value_name = "KEY")]
    key: String,
    /// Its value: a text, a number, true, false, or a list like ["a", "b"]
    #[arg(value_name = "VALUE", required = false)]
    value: Option<String>,
}

fn set(context: &Context, arguments: &SetArguments) -> Result<u8> {
    let value = match (&arguments.value, arguments.unset) {
        (Some(value), false) => Some(document::typed(value)),
        (None, true) => None,
        (None, false) => return Err(Error::usage("`config set` needs a value, or --unset")),
        (Some(_), true) => return Err(Error::usage("`config set --unset` takes no value")),
    };
    let path = path(&context.environment)?;
    let directory = path.parent().ok_or_else(|| Error::system("the configuration has no directory"))?;
    fs::create_dir_all(directory).at(directory, "cannot create the directory")?;
    // Two commands that set different keys keep both.
    let _lock = Lock::wait(&directory.join(".config.lock"), Mode::Exclusive)?;
    let content = document::read_text(&path)?;
    let changed = document::changed(&content, &arguments.key, value.as_ref())?;
    check(&changed, &path)?;
    publish::file(&path, changed.as_bytes(), Durability::Durable)?;
    Ok(0)
}
