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
    /// How to show the checks: 'json' for programs
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

fn doctor(context: &Context, arguments: &DoctorArguments) -> Result<u8> {
    let engine = context.engine()?;
    let search_path = context.environment.get("PATH").unwrap_or("/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
    let checks = examine(&engine, OsStr::new(search_path))?;
    match arguments.format.as_deref() {
        Some("json") => {
            let json = serde_json::to_string(&checks);
            let json = json.map_err(|error| Error::system("cannot show the result").caused_by(error))?;
            context.ui.line(&json)?;
        }
        Some(_) => return Err(Error::usage("invalid argument for `--format`: only `json` is known")),
        None => context.ui.text(&report(&checks))?,
    }
    Ok(u8::from(verdict(&checks) == Status::Failed))
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
    }
}
