//! `quadlet check`: what is wrong with Quadlet files, before systemd is asked to start what they describe.

use clap::Args;
use serde_json::json;

use super::{OwnCommands, directories, program, shown};
use crate::base::{Error, Result};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};
use crate::units::convert::{Finding, Severity};
use crate::units::{check, output, sources};

/// The command.
pub const VERB: Verb = Verb {
    name: "check",
    about: "Look for mistakes in Quadlet files, and name their lines",
    usage: "[FILE|DIRECTORY...]",
    arity: (0, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: CheckArguments::augment_args,
    run: |context, matches| run(context, &typed(matches)?),
};

/// Arguments of `check`.
#[derive(Debug, Clone, Args)]
struct CheckArguments {
    /// How to show the findings: 'json' for programs
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Files, or directories of them; without any, what systemd reads
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
}

fn run(context: &Context, arguments: &CheckArguments) -> Result<u8> {
    let found = match arguments.paths.is_empty() {
        true => sources::find(&directories(context)?),
        false => {
            let paths: Vec<_> = arguments.paths.iter().map(|path| context.path(path)).collect();
            sources::find_given(&paths)
        }
    };
    let findings = findings(found)?;
    match arguments.format.as_deref() {
        None => findings.iter().try_for_each(|finding| context.ui.line(&shown(finding)))?,
        Some("json") => context.ui.line(&as_json(&findings))?,
        Some(_) => return Err(Error::usage("invalid argument for `--format`: only `json` is known")),
    }
    Ok(u8::from(findings.iter().any(|finding| finding.severity == Severity::Error)))
}

/// What is wrong with files, in the order of files and lines.
pub fn findings(found: sources::Found) -> Result<Vec<Finding>> {
    let (generated, mut findings) = output::generate(found, &program()?);
    findings.extend(check::check(&generated, &OwnCommands));
    findings.sort_by_cached_key(|finding| {
        let place = finding.place.as_ref();
        (place.map_or(finding.file.clone(), |place| place.file.clone()), place.map_or(0, |place| place.line))
    });
    findings.dedup();
    Ok(findings)
}

fn as_json(findings: &[Finding]) -> String {
    let entry = |finding: &Finding| {
        json!({
            "severity": if finding.severity == Severity::Error { "error" } else { "warning" },
            "file": finding.place.as_ref().map_or(&finding.file, |place| &place.file),
            "line": finding.place.as_ref().map(|place| place.line),
            "message": finding.message,
            "hint": finding.hint,
        })
    };
    serde_json::Value::Array(findings.iter().map(entry).collect()).to_string()
}
