//! `--call` of `build`: checks, outline and targets, printed as BuildKit prints them or as JSON.

use serde_json::{Value, json};

use crate::base::{Error, Result, text};
use crate::cli::context::Context;
use crate::cli::table;
use crate::dockerfile::check::Violation;
use crate::dockerfile::outline::{Outline, Target};
use crate::dockerfile::{Diagnostic, Position};
use crate::engine::build::checked::Checked;

/// What is asked for instead of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Violations of the checks.
    Check,
    /// What a target takes.
    Outline,
    /// The targets.
    Targets,
}

/// `--call`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// What.
    pub asked: Asked,
    /// As JSON.
    pub json: bool,
}

impl Call {
    /// Reads `--call`; none for `build`.
    pub fn parse(given: &str) -> Result<Option<Self>> {
        let wrong = || {
            Error::usage(format!("invalid argument `{}` for `--call`", text::clean(given)))
                .hint("it is build, check, outline or targets, and perhaps ,format=json")
        };
        let mut parts = given.split(',');
        let asked = match parts.next().unwrap_or_default() {
            "build" | "" => None,
            "check" | "lint" => Some(Asked::Check),
            "outline" => Some(Asked::Outline),
            "targets" => Some(Asked::Targets),
            _ => return Err(wrong()),
        };
        let mut json = false;
        for part in parts {
            json = match part {
                "format=json" => true,
                "format=text" | "format=default" => false,
                _ => return Err(wrong()),
            };
        }
        Ok(asked.map(|asked| Self { asked, json }))
    }
}

/// Prints violations. The exit code is 1 when there are some.
pub fn checked(context: &Context, checked: &Checked, as_json: bool) -> Result<u8> {
    let count = checked.violations.len();
    if as_json {
        context.ui.line(&format!("{:#}", described(checked)))?;
        return Ok(u8::from(count > 0));
    }
    match count {
        0 => context.ui.line("Check complete, no warnings found.")?,
        1 => context.ui.line("Check complete, 1 warning has been found!")?,
        count => context.ui.line(&format!("Check complete, {count} warnings have been found!"))?,
    }
    for violation in &checked.violations {
        context.ui.text(&in_full(checked, violation))?;
    }
    if let Err(error) = checked.failure() {
        context.ui.line(&format!("\nERROR: {}", error.chain()))?;
    }
    Ok(u8::from(count > 0))
}

/// A violation with the lines around it.
fn in_full(checked: &Checked, violation: &Violation) -> String {
    let lines = Diagnostic { message: String::new(), position: violation.position(), hint: None };
    format!(
        "\nWARNING: {} - {}\n{}\n{}:{}\n--------------------\n{}--------------------\n",
        violation.rule.name,
        violation.rule.url(),
        violation.detail,
        text::clean(&checked.name),
        violation.line,
        lines.excerpt(&checked.source),
    )
}

/// What a build says of violations when it is done.
pub fn summary(context: &Context, checked: &Checked, in_full: bool) {
    let count = checked.violations.len();
    if count == 0 {
        return;
    }
    let noun = if count == 1 { "warning" } else { "warnings" };
    if in_full {
        context.ui.warning_line(&format!("\n {count} {noun} found:"));
        checked.violations.iter().for_each(|violation| context.ui.warning_line(&self::in_full(checked, violation)));
        return;
    }
    let program = context.persona.program();
    let list = checked.violations.iter();
    let list = list.map(|found| format!("\n - {}: {} (line {})", found.rule.name, found.detail, found.line));
    let list: String = list.collect();
    context.ui.warning_line(&format!("\n {count} {noun} found (use {program} --debug to expand):{list}"));
}

fn described(checked: &Checked) -> Value {
    use base64::Engine;
    let point = |at: Position| json!({ "line": at.line, "character": 0 });
    let warnings = checked.violations.iter().map(|violation| {
        let at = violation.position();
        json!({
            "ruleName": violation.rule.name,
            "description": violation.rule.description,
            "url": violation.rule.url(),
            "detail": violation.detail,
            "location": { "sourceIndex": 0, "ranges": [{ "start": point(at), "end": point(at) }] },
        })
    });
    let warnings: Vec<Value> = warnings.collect();
    let data = base64::engine::general_purpose::STANDARD.encode(&checked.source);
    let mut value = json!({
        "warnings": warnings,
        "sources": [{ "filename": checked.name, "language": "Dockerfile", "data": data }],
    });
    if let Err(error) = checked.failure() {
        value["buildError"] = json!({ "message": error.chain() });
    }
    value
}

/// Prints targets.
pub fn targets(context: &Context, targets: &[Target], as_json: bool) -> Result<u8> {
    if as_json {
        context.ui.line(&format!("{:#}", json!({ "targets": targets })))?;
        return Ok(0);
    }
    let row = |target: &Target| {
        let name = match (target.name.as_str(), target.default) {
            ("", true) => "(default)".to_owned(),
            (name, true) => format!("{name} (default)"),
            (name, false) => name.to_owned(),
        };
        format!("{name}\t{}\n", target.description)
    };
    let named = targets.iter().filter(|target| target.default || !target.name.is_empty());
    let rows: String = named.map(row).collect();
    context.ui.text(&table::align(&format!("TARGET\tDESCRIPTION\n{rows}"))).map(|()| 0)
}

/// Prints what a target takes.
pub fn outline(context: &Context, outline: &Outline, as_json: bool) -> Result<u8> {
    if as_json {
        let value = serde_json::to_value(outline).unwrap_or_default();
        context.ui.line(&format!("{value:#}"))?;
        return Ok(0);
    }
    context.ui.text(&table::align(&outlined(outline))).map(|()| 0)
}

fn outlined(outline: &Outline) -> String {
    let mut shown = String::new();
    if !outline.name.is_empty() {
        shown.push_str(&format!("TARGET:\t{}\n", outline.name));
    }
    if !outline.description.is_empty() {
        shown.push_str(&format!("DESCRIPTION:\t{}\n", outline.description));
    }
    let mut section = |head: &str, rows: Vec<String>| {
        if !rows.is_empty() {
            shown.push_str(if shown.is_empty() { "" } else { "\n" });
            shown.push_str(&format!("{head}\n{}", rows.concat()));
        }
    };
    let args = outline.args.iter();
    let args = args.map(|arg| format!("{}\t{}\t{}\n", arg.name, arg.value.as_deref().unwrap_or(""), arg.description));
    section("BUILD ARG\tVALUE\tDESCRIPTION", args.collect());
    for (head, list) in [("SECRET\tREQUIRED", &outline.secrets), ("SSH\tREQUIRED", &outline.ssh)] {
        let required = |required| if required { "true" } else { "" };
        section(head, list.iter().map(|one| format!("{}\t{}\n", one.name, required(one.required))).collect());
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read() {
        let read = |given: &str| Call::parse(given);
        assert_eq!(read("build").unwrap(), None);
        assert_eq!(read("check,format=json").unwrap(), Some(Call { asked: Asked::Check, json: true }));
        assert_eq!(read("targets").unwrap(), Some(Call { asked: Asked::Targets, json: false }));
        assert!(read("lst").is_err() && read("check,x").is_err());
    }

    #[test]
    fn an_outline_has_a_section_for_each_kind() {
        use crate::dockerfile::outline::{Argument, Needed};
        let argument = Argument { name: "A".into(), description: "a".into(), value: Some("1".into()) };
        let needed = Needed { name: "s".into(), required: true };
        let outline = Outline { name: "t".into(), args: vec![argument], secrets: vec![needed], ..Outline::default() };
        assert_eq!(
            outlined(&outline),
            "TARGET:\tt\n\nBUILD ARG\tVALUE\tDESCRIPTION\nA\t1\ta\n\nSECRET\tREQUIRED\ns\ttrue\n"
        );
    }
}
