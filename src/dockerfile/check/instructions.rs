//! Rules for single instructions and for how often a stage has them.

use std::collections::BTreeMap;

use super::{
    CONSISTENT_INSTRUCTION_CASING, COPY_IGNORED_FILE, EXPOSE_INVALID_FORMAT, EXPOSE_PROTO_CASING, Facts, Found,
    JSON_ARGS_RECOMMENDED, LEGACY_KEY_VALUE_FORMAT, MAINTAINER_DEPRECATED, MULTIPLE_INSTRUCTIONS_DISALLOWED,
    SECRETS_USED_IN_ARG_OR_ENV, WORKDIR_RELATIVE_PATH,
};
use crate::base::text;
use crate::dockerfile::{Copy, Dockerfile, Form, Instruction, Kind, Position, Source, glob};

/// Parts of names between underscores that say that the value is a secret.
const SECRET: [&str; 10] =
    ["apikey", "auth", "credential", "credentials", "key", "passwd", "password", "pword", "secret", "token"];

/// All instructions are written in capital letters, or all in small ones.
pub(super) fn casing(file: &Dockerfile, found: &mut Found<'_>) {
    let stages = file.stages.iter().flat_map(|stage| std::iter::once(&stage.instruction).chain(&stage.instructions));
    let all: Vec<&Instruction> = file.arguments.iter().chain(stages).collect();
    let is = |line: &&Instruction, wanted: fn(&char) -> bool| line.written.chars().all(|letter| wanted(&letter));
    let upper = all.iter().filter(|line| is(line, char::is_ascii_uppercase)).count();
    let lower = all.iter().filter(|line| is(line, char::is_ascii_lowercase)).count();
    let (wanted, name): (fn(&char) -> bool, _) = match lower > upper {
        true => (char::is_ascii_lowercase, "lowercase"),
        false => (char::is_ascii_uppercase, "uppercase"),
    };
    for line in all.iter().filter(|line| !is(line, wanted)) {
        let detail = format!("Command '{}' should match the case of the command majority ({name})", line.written);
        found.add(&CONSISTENT_INSTRUCTION_CASING, detail, line.at);
    }
}

pub(super) fn check(file: &Dockerfile, facts: &Facts<'_>, found: &mut Found<'_>) {
    file.arguments.iter().for_each(|line| secrets(line, found));
    // Whether a stage has a working directory of its own.
    let mut has_workdir: Vec<bool> = Vec::new();
    for (index, stage) in file.stages.iter().enumerate() {
        let lower = stage.from.image.raw.to_ascii_lowercase();
        let base = file.stages[..index].iter().rposition(|other| other.name.as_deref() == Some(lower.as_str()));
        has_workdir.push(base.is_some_and(|base| has_workdir[base]));
        let has_shell = stage.instructions.iter().any(|line| matches!(line.kind, Kind::Shell(_)));
        let mut last: BTreeMap<&str, Position> = BTreeMap::new();
        for line in &stage.instructions {
            secrets(line, found);
            match &line.kind {
                Kind::Maintainer(_) => {
                    let detail = "Maintainer instruction is deprecated in favor of using label".to_owned();
                    found.add(&MAINTAINER_DEPRECATED, detail, line.at);
                }
                Kind::Cmd(form) => {
                    json("CMD", form, has_shell, line, found);
                    once("CMD", line, &mut last, found);
                }
                Kind::Entrypoint(form) => {
                    json("ENTRYPOINT", form, has_shell, line, found);
                    once("ENTRYPOINT", line, &mut last, found);
                }
                Kind::Healthcheck(_) => once("HEALTHCHECK", line, &mut last, found),
                Kind::Workdir(path) => {
                    if !has_workdir[index] && !path.raw.starts_with(['/', '$']) {
                        let path = text::clean(&path.raw);
                        let detail =
                            format!("Relative workdir {path:?} can have unexpected results if the base image changes");
                        found.add(&WORKDIR_RELATIVE_PATH, detail, line.at);
                    }
                    has_workdir[index] = true;
                }
                Kind::Env(_) => legacy("ENV", line, found),
                Kind::Label(_) => legacy("LABEL", line, found),
                Kind::Copy(copy) => ignored("COPY", copy, line, facts, found),
                Kind::Add(copy) => ignored("ADD", copy, line, facts, found),
                Kind::Expose(ports) => ports.iter().for_each(|port| expose(&port.raw, line, found)),
                _ => {}
            }
        }
    }
}

fn json(name: &str, form: &Form, has_shell: bool, line: &Instruction, found: &mut Found<'_>) {
    // With a SHELL of its own, the author knows what the shell does.
    if matches!(form, Form::Shell(command) if !command.is_empty()) && !has_shell {
        let detail =
            format!("JSON arguments recommended for {name} to prevent unintended behavior related to OS signals");
        found.add(&JSON_ARGS_RECOMMENDED, detail, line.at);
    }
}

fn once<'n>(name: &'n str, line: &Instruction, last: &mut BTreeMap<&'n str, Position>, found: &mut Found<'_>) {
    if let Some(earlier) = last.insert(name, line.at) {
        let detail = format!(
            "Multiple {name} instructions should not be used in the same stage because only the last one will be used"
        );
        found.add(&MULTIPLE_INSTRUCTIONS_DISALLOWED, detail, earlier);
    }
}

fn legacy(name: &str, line: &Instruction, found: &mut Found<'_>) {
    let first = line.original[name.len()..].split_whitespace().next().unwrap_or_default();
    if !first.contains('=') {
        let detail = format!("\"{name} key=value\" should be used instead of legacy \"{name} key value\" format");
        found.add(&LEGACY_KEY_VALUE_FORMAT, detail, line.at);
    }
}

fn secrets(line: &Instruction, found: &mut Found<'_>) {
    let (instruction, names): (&str, Vec<&str>) = match &line.kind {
        Kind::Arg(args) => ("ARG", args.iter().map(|(name, _)| name.raw.as_str()).collect()),
        Kind::Env(pairs) => ("ENV", pairs.iter().map(|pair| pair.name.raw.as_str()).collect()),
        _ => return,
    };
    for name in names {
        let lower = name.to_ascii_lowercase();
        let parts: Vec<&str> = lower.split('_').collect();
        if parts.iter().any(|part| SECRET.contains(part)) && !parts.contains(&"public") {
            let name = text::clean(name);
            let detail = format!("Do not use ARG or ENV instructions for sensitive data ({instruction} {name:?})");
            found.add(&SECRETS_USED_IN_ARG_OR_ENV, detail, line.at);
        }
    }
}

fn ignored(name: &str, copy: &Copy, line: &Instruction, facts: &Facts<'_>, found: &mut Found<'_>) {
    if copy.from.is_some() || facts.ignore.is_empty() {
        return;
    }
    for source in &copy.sources {
        let Source::Path(path) = source else { continue };
        let clean = crate::oci::config::from_root(&path.raw);
        let below = clean.trim_start_matches('/');
        let is_plain = !below.is_empty() && !below.contains('$') && !glob::is_pattern(below) && !below.contains("://");
        if is_plain && facts.ignore.excludes(below) && !facts.ignore.may_include_below(below) {
            let path = text::clean(&path.raw);
            let detail = format!("Attempting to {name} file {path:?} that is excluded by .dockerignore");
            found.add(&COPY_IGNORED_FILE, detail, line.at);
        }
    }
}

fn expose(port: &str, line: &Instruction, found: &mut Found<'_>) {
    let shown = text::clean(port);
    if port.split_once('/').is_some_and(|(_, protocol)| protocol.chars().any(|letter| letter.is_ascii_uppercase())) {
        let detail = format!("Defined protocol '{shown}' in EXPOSE instruction should be lowercase");
        found.add(&EXPOSE_PROTO_CASING, detail, line.at);
    }
    if !port.contains('$') && port.contains(':') {
        let detail =
            format!("EXPOSE instruction should not define an IP address or host-port mapping, found '{shown}'");
        found.add(&EXPOSE_INVALID_FORMAT, detail, line.at);
    }
}
