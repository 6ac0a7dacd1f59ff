//! `quadlet rm`: removes installed Quadlet files, and what was installed with them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clap::Args;

use super::{install, own_directory, program, unknown};
use crate::base::error::if_absent;
use crate::base::{Error, Result, ResultExt, text};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, each, typed};
use crate::units::output::{self, Generated};
use crate::units::{sources, systemctl};

/// The command.
pub const VERB: Verb = Verb {
    name: "rm",
    about: "Remove installed Quadlet files",
    usage: "FILE [FILE...]",
    arity: (1, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: RemoveArguments::augment_args,
    run: |context, matches| remove(context, &typed(matches)?),
};

/// Arguments of `rm`.
#[derive(Debug, Clone, Args)]
struct RemoveArguments {
    /// Remove all of the user's files
    #[arg(short, long)]
    all: bool,
    /// Stop services that run, and remove their files
    #[arg(short, long)]
    force: bool,
    /// It does not matter that a file is missing
    #[arg(short, long)]
    ignore: bool,
    /// Have systemd notice that the files are gone
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true")]
    reload_systemd: bool,
    /// Their names, as `ls` shows them
    #[arg(value_name = "QUADLET")]
    names: Vec<String>,
}

fn remove(context: &Context, arguments: &RemoveArguments) -> Result<u8> {
    let directory = own_directory(context)?;
    let (generated, _) = output::generate(sources::find(std::slice::from_ref(&directory)), &program()?);
    let known: Vec<String> = generated.iter().map(|unit| unit.source.name.clone()).collect();
    let names = if arguments.all { known.clone() } else { arguments.names.clone() };
    let mut gone = BTreeSet::new();
    let code = each(context, &names, |name| {
        if gone.contains(name) {
            return Ok(());
        }
        if !known.iter().any(|known| known == name) {
            return if arguments.ignore { Ok(()) } else { Err(unknown(name, &known)) };
        }
        let together = together(&directory, name);
        let units: Vec<&Generated> = generated.iter().filter(|unit| together.contains(&unit.source.name)).collect();
        stop(&units, arguments.force)?;
        for file in &together {
            let path = generated.iter().find(|unit| unit.source.name == *file).map(|unit| unit.source.path.clone());
            let path = path.unwrap_or_else(|| directory.join(file));
            if_absent(fs::remove_file(&path)).at(&path, "cannot remove")?;
            gone.insert(file.clone());
        }
        context.ui.line(&text::clean(name))
    })?;
    if arguments.reload_systemd && !gone.is_empty() {
        install::reload(context);
    }
    Ok(code)
}

/// All files that go with one: those of its application, and those that only it needs. The lists go last.
fn together(directory: &Path, name: &str) -> Vec<String> {
    let mut files = vec![name.to_owned()];
    let mut lists = Vec::new();
    for (list, members) in install::applications(directory) {
        if members.iter().any(|member| member == name) {
            files.extend(members);
            lists.push(list);
        }
    }
    for file in files.clone() {
        let assets = install::assets(directory, &file);
        if !assets.is_empty() {
            files.extend(assets);
            lists.push(format!(".{file}.asset"));
        }
    }
    let mut seen = BTreeSet::new();
    files.into_iter().chain(lists).filter(|file| seen.insert(file.clone())).collect()
}

/// Stops services that run, or refuses to.
fn stop(units: &[&Generated], force: bool) -> Result<()> {
    let services: Vec<String> = units.iter().map(|unit| unit.converted.service.clone()).collect();
    let Ok(states) = systemctl::states(&services) else { return Ok(()) };
    let running: Vec<&String> =
        states.iter().filter(|(_, state)| state.starts_with("active")).map(|(unit, _)| unit).collect();
    match (running.as_slice(), force) {
        ([], _) => Ok(()),
        ([first, ..], false) => Err(Error::conflict(format!("`{first}` is running"))
            .hint(format!("stop it with `systemctl --user stop {first}`, or use --force"))),
        (running, true) => {
            let words = ["stop", "--"].into_iter().chain(running.iter().map(|unit| unit.as_str()));
            systemctl::user(words).map(|_| ())
        }
    }
}
