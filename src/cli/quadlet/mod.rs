//! `quadlet`: containers, volumes, networks and images as files that systemd starts, and the generator that systemd runs.

pub mod check;
pub mod generate;
pub mod install;
pub mod list;
pub mod print;
pub mod remove;
pub mod systemd;

use std::path::PathBuf;

use crate::base::{Error, Result, ResultExt};
use crate::cli::context::{Context, Persona};
use crate::cli::{argv, find, verb};
use crate::units::check::CommandLineCheck;
use crate::units::convert::{Finding, Severity};
use crate::units::sources;

/// Where the user's files are: the search directories, or those of `QUADLET_UNIT_DIRS`, as podman has it.
fn directories(context: &Context) -> Result<Vec<PathBuf>> {
    if let Some(given) = context.environment.get("QUADLET_UNIT_DIRS").filter(|given| !given.is_empty()) {
        return Ok(given.split(':').map(|directory| context.path(directory)).collect());
    }
    let uid = nix::unistd::geteuid().as_raw();
    let runtime = context.environment.path("XDG_RUNTIME_DIR");
    Ok(sources::user_directories(runtime.as_deref(), &context.environment.config_directory()?, uid))
}

/// The names of the files that are there, for completion.
pub fn names(context: &Context) -> Result<Vec<String>> {
    Ok(sources::find(&directories(context)?).sources.into_iter().map(|source| source.name).collect())
}

/// Where `quadlet install` puts files.
fn own_directory(context: &Context) -> Result<PathBuf> {
    Ok(context.environment.config_directory()?.join("containers/systemd"))
}

/// This program's path, for the command lines of services.
fn program() -> Result<PathBuf> {
    std::env::current_exe().context(|| "cannot find out where this program is")
}

/// A finding on lines of its own.
fn shown(finding: &Finding) -> String {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let location = match finding.location() {
        none if none.is_empty() => String::new(),
        location => format!("{location}: "),
    };
    let hint = finding.hint.as_ref().map(|hint| format!("\n    hint: {hint}")).unwrap_or_default();
    format!("{location}{severity}: {}{hint}", finding.message)
}

/// What the commands of coracle know, for the check of files.
struct OwnCommands;

impl CommandLineCheck for OwnCommands {
    fn knows(&self, words: &[&str]) -> bool {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        matches!(find(&words, Persona::Podman), Ok(super::Asked::Verb(..)))
    }

    fn flag(&self, words: &[&str], flag: &[&str]) -> Result<()> {
        let line: Vec<String> = words.iter().chain(flag).map(|word| (*word).to_owned()).collect();
        let Ok(super::Asked::Verb(verb, called_by, arguments)) = find(&line, Persona::Podman) else { return Ok(()) };
        let command = verb.command("coracle", &called_by);
        let read = argv::read(&command, verb.greedy, arguments)?;
        // What the command needs beside flags is in the rest of its line.
        let operand = vec!["operand".to_owned()];
        let line = argv::Line { positionals: if verb.arity.0 > 0 { operand } else { Vec::new() }, ..read };
        let missing = clap::error::ErrorKind::MissingRequiredArgument;
        match command.try_get_matches_from(line.for_clap()) {
            Err(error) if error.kind() != missing => Err(verb::of_clap(&error)),
            Ok(matches) if verb.name == "run" => super::container::options::check(&matches),
            _ => Ok(()),
        }
    }
}

/// Says that a file of this name is not installed.
fn unknown(name: &str, known: &[String]) -> Error {
    let error = Error::not_found(format!("no such Quadlet file: `{}`", crate::base::text::clean(name)));
    match argv::nearest(name, known.iter().map(String::as_str)) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint("`coracle quadlet ls` lists the files there are"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_knows_commands_and_flags() {
        let own = OwnCommands;
        assert!(own.knows(&["run"]) && own.knows(&["volume", "create"]) && !own.knows(&["frobnicate"]));
        let wrong = |words: &[&str]| own.flag(&["run"], words).map_err(|error| error.chain());
        assert_eq!(wrong(&["--name", "a"]), Ok(()));
        assert_eq!(wrong(&["--publish", "8080:80"]), Ok(()));
        assert!(wrong(&["--frob", "a"]).unwrap_err().contains("unknown flag: --frob"));
        assert!(wrong(&["--publish", "x:y"]).is_err());
        assert!(wrong(&["--memory", "lots"]).is_err());
        assert!(wrong(&["--cap-add", "nonsense"]).is_err());
    }
}
