//! Rules for `FROM`: names of stages, arguments in names of images, platforms.

use std::collections::BTreeMap;

use super::variables::plain_references;
use super::{
    DUPLICATE_STAGE_NAME, FROM_AS_CASING, FROM_PLATFORM_FLAG_CONST_DISALLOWED, Facts, Found,
    INVALID_BASE_IMAGE_PLATFORM, INVALID_DEFAULT_ARG_IN_FROM, INVALID_DEFINITION_DESCRIPTION,
    REDUNDANT_TARGET_PLATFORM, RESERVED_STAGE_NAME, STAGE_NAME_CASING, UNDEFINED_ARG_IN_FROM,
};
use crate::base::text;
use crate::dockerfile::expand::expand;
use crate::dockerfile::{Dockerfile, Instruction, Kind, Stage, nearest};
use crate::oci::{Platform, Reference};

/// Names that mean something else.
const RESERVED: [&str; 2] = ["context", "scratch"];

pub(super) fn check(file: &Dockerfile, facts: &Facts<'_>, found: &mut Found<'_>) {
    let defaults = defaults(file, facts);
    for (index, stage) in file.stages.iter().enumerate() {
        names(file, index, stage, found);
        image(file, stage, &defaults, facts, found);
        platform(file, (index, stage), facts, found);
    }
    let declared = file.arguments.iter().chain(file.stages.iter().flat_map(|stage| &stage.instructions));
    declared.for_each(|line| argument_description(line, found));
}

fn names(file: &Dockerfile, index: usize, stage: &Stage, found: &mut Found<'_>) {
    let Some(name) = &stage.name else { return };
    let at = stage.instruction.at;
    let words: Vec<&str> = stage.instruction.original.split_whitespace().collect();
    let [.., keyword, written] = words[..] else { return };
    if written.chars().any(|letter| letter.is_ascii_uppercase()) {
        found.add(&STAGE_NAME_CASING, format!("Stage name '{written}' should be lowercase"), at);
    }
    let from = stage.instruction.written.as_str();
    let is_upper = |word: &str| word.chars().all(|letter| letter.is_ascii_uppercase());
    let is_lower = |word: &str| word.chars().all(|letter| letter.is_ascii_lowercase());
    if !(is_upper(from) && is_upper(keyword) || is_lower(from) && is_lower(keyword)) {
        found.add(&FROM_AS_CASING, format!("'{keyword}' and '{from}' keywords' casing do not match"), at);
    }
    if RESERVED.contains(&name.as_str()) {
        let detail = format!("Stage name should not use the same name as reserved stage {name:?}");
        found.add(&RESERVED_STAGE_NAME, detail, at);
    }
    if file.stages[..index].iter().any(|other| other.name.as_deref() == Some(name)) {
        let detail = format!("Duplicate stage name {name:?}, stage names should be unique");
        found.add(&DUPLICATE_STAGE_NAME, detail, at);
    }
    description(&stage.instruction, "FROM", &[written], found);
}

/// The values of the arguments before the first stage when nobody passes any.
fn defaults(file: &Dockerfile, facts: &Facts<'_>) -> BTreeMap<String, String> {
    let mut values = facts.builtin.clone();
    for line in &file.arguments {
        let Kind::Arg(args) = &line.kind else { continue };
        for (name, default) in args {
            let value = default
                .as_ref()
                .and_then(|text| expand(&text.raw, file.directives.escape, &|name| values.get(name).cloned()).ok());
            values.insert(name.raw.clone(), value.unwrap_or_default());
        }
    }
    values
}

fn image(
    file: &Dockerfile,
    stage: &Stage,
    defaults: &BTreeMap<String, String>,
    facts: &Facts<'_>,
    found: &mut Found<'_>,
) {
    let escape = file.directives.escape;
    let at = stage.instruction.at;
    let texts = [Some(&stage.from.image), stage.from.platform.as_ref()];
    let used: Vec<String> = texts.iter().flatten().flat_map(|text| plain_references(&text.raw, escape)).collect();
    let undefined: Vec<&String> = used.iter().filter(|name| !defaults.contains_key(*name)).collect();
    for name in &undefined {
        let meant = nearest(name, defaults.keys().map(String::as_str));
        let meant = meant.map(|known| format!(" (did you mean {known}?)")).unwrap_or_default();
        let detail = format!("FROM argument '{}' is not declared{meant}", text::clean(name));
        found.add(&UNDEFINED_ARG_IN_FROM, detail, at);
    }
    let raw = &stage.from.image.raw;
    if !undefined.is_empty() || (plain_references(raw, escape).is_empty() && !raw.contains("${")) {
        return;
    }
    let name = expand(raw, escape, &|name| defaults.get(name).cloned()).unwrap_or_default();
    let lower = name.to_ascii_lowercase();
    let is_known = facts.contexts.contains(&name)
        || lower == "scratch"
        || file.stages.iter().any(|other| other.name.as_deref() == Some(lower.as_str()));
    if !is_known && name.parse::<Reference>().is_err() {
        let raw = text::clean(raw);
        let detail = format!("Default value for ARG {raw} results in empty or invalid base image name");
        found.add(&INVALID_DEFAULT_ARG_IN_FROM, detail, at);
    }
}

fn platform(file: &Dockerfile, (index, stage): (usize, &Stage), facts: &Facts<'_>, found: &mut Found<'_>) {
    let at = stage.instruction.at;
    let Some(asked) = &stage.from.platform else {
        return base_platform(file, (index, stage), facts.platform, facts, found);
    };
    let raw = asked.raw.trim_matches('"');
    if ["$TARGETPLATFORM", "${TARGETPLATFORM}"].contains(&raw) {
        let detail =
            format!("Setting platform to predefined {raw} in FROM is redundant as this is the default behavior");
        found.add(&REDUNDANT_TARGET_PLATFORM, detail, at);
    }
    if raw.contains('$') {
        return;
    }
    // A stage per platform, chosen by its name, needs a constant.
    let is_chosen = raw.parse::<Platform>().is_ok_and(|platform| {
        let named = |part: &str| stage.name.as_ref().is_some_and(|name| name.contains(part));
        named(&platform.os) || named(&platform.architecture)
    });
    if !is_chosen {
        let detail = format!("FROM --platform flag should not use constant value {:?}", text::clean(raw));
        found.add(&FROM_PLATFORM_FLAG_CONST_DISALLOWED, detail, at);
    }
}

fn base_platform(
    file: &Dockerfile,
    (index, stage): (usize, &Stage),
    expected: &Platform,
    facts: &Facts<'_>,
    found: &mut Found<'_>,
) {
    let is_stage = |name: &str| file.stages[..index].iter().any(|other| other.name.as_deref() == Some(name));
    if is_stage(&stage.from.image.raw.to_ascii_lowercase()) {
        return;
    }
    let Some(base) = (facts.base)(index) else { return };
    let same = base.platform.os == expected.os && base.platform.architecture == expected.architecture;
    if !same {
        let detail = format!(
            "Base image {} was pulled with platform \"{}\", expected \"{expected}\" for current build",
            text::clean(&stage.from.image.raw),
            text::clean(&base.platform.to_string()),
        );
        found.add(&INVALID_BASE_IMAGE_PLATFORM, detail, stage.instruction.at);
    }
}

fn argument_description(line: &Instruction, found: &mut Found<'_>) {
    if let Kind::Arg(args) = &line.kind {
        let names: Vec<&str> = args.iter().map(|(name, _)| name.raw.as_str()).collect();
        description(line, "ARG", &names, found);
    }
}

/// The comment directly above a definition describes it.
fn description(line: &Instruction, instruction: &str, names: &[&str], found: &mut Found<'_>) {
    let Some(comment) = line.comments.last() else { return };
    if comment.split(' ').next().is_none_or(|first| !names.contains(&first)) {
        let name = if let [only] = names { text::clean(only) } else { "<arg_key>".into() };
        let detail = format!("Comment for {instruction} should follow the format: `# {name} <description>`");
        found.add(&INVALID_DEFINITION_DESCRIPTION, detail, line.at);
    }
}
