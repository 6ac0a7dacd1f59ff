//! `doctor`: is this machine ready, and if not, what is the exact fix?

use std::ffi::OsStr;

use clap::Args;

use crate::base::{Error, Result};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::doctor::{Check, Status, examine, verdict};

/// The command.
pub const VERB: Verb = Verb {
    name: "doctor",
    about: "Check this machine, and say how to repair what is missing",
    usage: "",
    arity: (0, Some(0)),
    greedy: false,
    codes: Codes::Plain,
    arguments: DoctorArguments::augment_args,
    run: |context, matches| doctor(context, &typed(matches)?),
};

/// Arguments of `doctor`.
#[derive(Debug, Clone, Args)]
struct DoctorArguments {
    /// Offer to run each fix that needs no administrator
    #[arg(long)]
    fix: bool,
    /// How to show the checks: 'json' for programs
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// The same as --format json
    #[arg(long)]
    json: bool,
}

fn doctor(context: &Context, arguments: &DoctorArguments) -> Result<u8> {
    let engine = context.engine()?;
    let search_path = context.environment.get("PATH").unwrap_or("/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
    let checks = examine(&engine, OsStr::new(search_path))?;
    match arguments.format.as_deref().or(arguments.json.then_some("json")) {
        Some("json") => {
            let json = serde_json::to_string(&checks);
            let json = json.map_err(|error| Error::system("cannot show the result").caused_by(error))?;
            context.ui.line(&json)?;
        }
        Some(_) => return Err(Error::usage("invalid argument for `--format`: only `json` is known")),
        None => context.ui.text(&report(&checks))?,
    }
    if arguments.fix {
        return repair(context, &checks);
    }
    Ok(u8::from(verdict(&checks) == Status::Failed))
}

/// Asks for each fix whether to run it, and runs it with a shell. What needs an administrator is only shown: a program
/// that asks for a password on the way invites to be imitated.
fn repair(context: &Context, checks: &[Check]) -> Result<u8> {
    let mut failed = verdict(checks) == Status::Failed;
    for check in checks {
        let Some(fix) = check.fix.as_deref() else { continue };
        if needs_root(fix) {
            context.ui.line(&format!("{}: an administrator must run: {fix}", check.name))?;
            continue;
        }
        if !context.confirmed(&format!("{}: {fix}", check.name))? {
            continue;
        }
        let status = std::process::Command::new("sh").args(["-c", fix]).status();
        match status {
            Ok(status) if status.success() => context.ui.line(&format!("{}: done", check.name))?,
            Ok(_) => {
                context.ui.warning(&format!("{}: the command failed", check.name));
                failed = true;
            }
            Err(error) => return Err(Error::system("cannot run a shell").caused_by(error)),
        }
    }
    Ok(u8::from(failed))
}

/// Whether a fix is an administrator's.
fn needs_root(fix: &str) -> bool {
    fix.split_whitespace().any(|word| matches!(word, "sudo" | "su" | "pkexec" | "doas"))
}

/// A line for each check, its fix below it, and the verdict at the end.
fn report(checks: &[Check]) -> String {
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for check in checks {
        let mark = match check.status {
            Status::Ok => "ok  ",
            Status::Warning => "warn",
            Status::Failed => "FAIL",
        };
        text.push_str(&format!("{mark}  {:width$}  {}\n", check.name, check.detail));
        if let Some(fix) = &check.fix {
            text.push_str(&format!("      {:width$}  fix: {fix}\n", ""));
        }
    }
    text.push_str(match verdict(checks) {
        Status::Ok => "\nThis machine is ready.\n",
        Status::Warning => "\nContainers run on this machine; the warnings say what does not.\n",
        Status::Failed => "\nContainers do not run on this machine before the failures are repaired.\n",
    });
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixes_stand_below_their_checks() {
        let check = |name: &'static str, status, fix: Option<&str>| Check {
            name: name.into(),
            status,
            detail: "what was found".into(),
            fix: fix.map(String::from),
        };
        let checks =
            [check("kernel", Status::Ok, None), check("subordinate ids", Status::Failed, Some("sudo usermod"))];
        assert_eq!(
            report(&checks),
            "ok    kernel           what was found\n\
             FAIL  subordinate ids  what was found\n\
             \u{20}                      fix: sudo usermod\n\
             \nContainers do not run on this machine before the failures are repaired.\n"
        );
        assert!(report(&checks[..1]).ends_with("is ready.\n"));
        assert!(needs_root("sudo usermod x") && needs_root("a | sudo tee b") && !needs_root("mkdir pseudo"));
    }
}
