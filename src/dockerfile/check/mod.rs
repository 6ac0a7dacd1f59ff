//! Build checks: BuildKit's published rules for Dockerfiles that build but are probably not what their author means.
//!
//! [`check`] is pure. Names, wording and documentation pages of the rules are BuildKit's
//! (frontend/dockerfile/linter/ruleset.go), so that tools that read its warnings read these as well. What a rule needs to
//! know beside the text, the variables of base images and the ignored files, is passed in [`Facts`]; a rule that lacks a
//! fact says nothing.

mod from;
mod instructions;
mod variables;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::directives::Check;
use super::{Dockerfile, Ignore, Position};
use crate::oci::Platform;

/// A rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, as `# check=skip=` takes it.
    pub name: &'static str,
    /// What it demands.
    pub description: &'static str,
    /// The last part of the address of its documentation.
    page: &'static str,
    /// It is applied only when it is asked for.
    experimental: bool,
}

impl Rule {
    /// The address of its documentation.
    pub fn url(&self) -> String {
        format!("https://docs.docker.com/go/dockerfile/rule/{}/", self.page)
    }
}

const fn rule(name: &'static str, page: &'static str, description: &'static str) -> Rule {
    Rule { name, description, page, experimental: false }
}

/// All rules.
#[cfg(test)]
const RULES: [Rule; 22] = [
    STAGE_NAME_CASING,
    FROM_AS_CASING,
    NO_EMPTY_CONTINUATION,
    CONSISTENT_INSTRUCTION_CASING,
    DUPLICATE_STAGE_NAME,
    RESERVED_STAGE_NAME,
    JSON_ARGS_RECOMMENDED,
    MAINTAINER_DEPRECATED,
    UNDEFINED_ARG_IN_FROM,
    WORKDIR_RELATIVE_PATH,
    UNDEFINED_VAR,
    MULTIPLE_INSTRUCTIONS_DISALLOWED,
    LEGACY_KEY_VALUE_FORMAT,
    REDUNDANT_TARGET_PLATFORM,
    SECRETS_USED_IN_ARG_OR_ENV,
    INVALID_DEFAULT_ARG_IN_FROM,
    FROM_PLATFORM_FLAG_CONST_DISALLOWED,
    COPY_IGNORED_FILE,
    INVALID_DEFINITION_DESCRIPTION,
    EXPOSE_PROTO_CASING,
    EXPOSE_INVALID_FORMAT,
    INVALID_BASE_IMAGE_PLATFORM,
];

const STAGE_NAME_CASING: Rule = rule("StageNameCasing", "stage-name-casing", "Stage names should be lowercase");
const FROM_AS_CASING: Rule =
    rule("FromAsCasing", "from-as-casing", "The 'as' keyword should match the case of the 'from' keyword");
const NO_EMPTY_CONTINUATION: Rule = rule(
    "NoEmptyContinuation",
    "no-empty-continuation",
    "Empty continuation lines will become errors in a future release",
);
const CONSISTENT_INSTRUCTION_CASING: Rule = rule(
    "ConsistentInstructionCasing",
    "consistent-instruction-casing",
    "All commands within the Dockerfile should use the same casing (either upper or lower)",
);
const DUPLICATE_STAGE_NAME: Rule = rule("DuplicateStageName", "duplicate-stage-name", "Stage names should be unique");
const RESERVED_STAGE_NAME: Rule =
    rule("ReservedStageName", "reserved-stage-name", "Reserved words should not be used as stage names");
const JSON_ARGS_RECOMMENDED: Rule = rule(
    "JSONArgsRecommended",
    "json-args-recommended",
    "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals",
);
const MAINTAINER_DEPRECATED: Rule = rule(
    "MaintainerDeprecated",
    "maintainer-deprecated",
    "The MAINTAINER instruction is deprecated, use a label instead to define an image author",
);
const UNDEFINED_ARG_IN_FROM: Rule =
    rule("UndefinedArgInFrom", "undefined-arg-in-from", "FROM command must use declared ARGs");
const WORKDIR_RELATIVE_PATH: Rule = rule(
    "WorkdirRelativePath",
    "workdir-relative-path",
    "Relative workdir without an absolute workdir declared within the build can have unexpected results if the base \
     image changes",
);
const UNDEFINED_VAR: Rule = rule("UndefinedVar", "undefined-var", "Variables should be defined before their use");
const MULTIPLE_INSTRUCTIONS_DISALLOWED: Rule = rule(
    "MultipleInstructionsDisallowed",
    "multiple-instructions-disallowed",
    "Multiple instructions of the same type should not be used in the same stage",
);
const LEGACY_KEY_VALUE_FORMAT: Rule = rule(
    "LegacyKeyValueFormat",
    "legacy-key-value-format",
    "Legacy key/value format with whitespace separator should not be used",
);
const REDUNDANT_TARGET_PLATFORM: Rule = rule(
    "RedundantTargetPlatform",
    "redundant-target-platform",
    "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
);
const SECRETS_USED_IN_ARG_OR_ENV: Rule = rule(
    "SecretsUsedInArgOrEnv",
    "secrets-used-in-arg-or-env",
    "Sensitive data should not be used in the ARG or ENV commands",
);
const INVALID_DEFAULT_ARG_IN_FROM: Rule = rule(
    "InvalidDefaultArgInFrom",
    "invalid-default-arg-in-from",
    "Default value for global ARG results in an empty or invalid base image name",
);
const FROM_PLATFORM_FLAG_CONST_DISALLOWED: Rule = rule(
    "FromPlatformFlagConstDisallowed",
    "from-platform-flag-const-disallowed",
    "FROM --platform flag should not use a constant value",
);
const COPY_IGNORED_FILE: Rule =
    rule("CopyIgnoredFile", "copy-ignored-file", "Attempting to Copy file that is excluded by .dockerignore");
const INVALID_DEFINITION_DESCRIPTION: Rule = Rule {
    experimental: true,
    ..rule(
        "InvalidDefinitionDescription",
        "invalid-definition-description",
        "Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is \
         not intended to be a description comment, add an empty line or comment between the instruction and the comment.",
    )
};
const EXPOSE_PROTO_CASING: Rule =
    rule("ExposeProtoCasing", "expose-proto-casing", "Protocol in EXPOSE instruction should be lowercase");
const EXPOSE_INVALID_FORMAT: Rule = rule(
    "ExposeInvalidFormat",
    "expose-invalid-format",
    "IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future \
     release",
);
const INVALID_BASE_IMAGE_PLATFORM: Rule = rule(
    "InvalidBaseImagePlatform",
    "invalid-base-image-platform",
    "Base image platform does not match expected target platform",
);

/// A rule is violated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub rule: &'static Rule,
    /// How, in words.
    pub detail: String,
    /// The first line of the instruction.
    pub line: u32,
}

impl Violation {
    /// Where it is, for an excerpt of the lines around it.
    pub fn position(&self) -> Position {
        Position { line: self.line, column: 0 }
    }
}

/// What is known of the image that a stage begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// Its variables, `NAME=value`.
    pub env: Vec<String>,
    /// What it was made for.
    pub platform: Platform,
}

/// What rules know beside the text.
pub struct Facts<'a> {
    /// The arguments that stages have without declaring them before `FROM`: those of the platform.
    pub builtin: &'a BTreeMap<String, String>,
    /// The names of `--build-context`.
    pub contexts: &'a BTreeSet<String>,
    /// The ignored files of the context.
    pub ignore: &'a Ignore,
    /// The base of a stage, when it is an image that is there.
    pub base: &'a dyn Fn(usize) -> Option<Base>,
    /// The platform that is built for.
    pub platform: &'a Platform,
}

/// Which rules are applied: `BUILDKIT_DOCKERFILE_CHECK` replaces what the file says. The error is the part of the
/// argument that is wrong.
pub fn settings(file: &Dockerfile, build_args: &BTreeMap<String, String>) -> Result<Check, String> {
    match build_args.get("BUILDKIT_DOCKERFILE_CHECK") {
        Some(given) => Check::parse(given),
        None => Ok(file.directives.check.clone()),
    }
}

/// The violations in the order of their lines.
pub fn check(file: &Dockerfile, settings: &Check, facts: &Facts<'_>) -> Vec<Violation> {
    let mut found = Found { settings, violations: Vec::new() };
    for at in &file.empty_continuations {
        found.add(&NO_EMPTY_CONTINUATION, "Empty continuation line".to_owned(), *at);
    }
    instructions::casing(file, &mut found);
    from::check(file, facts, &mut found);
    instructions::check(file, facts, &mut found);
    variables::check(file, facts, &mut found);
    found.violations.sort_by_key(|violation| violation.line);
    found.violations
}

struct Found<'a> {
    settings: &'a Check,
    violations: Vec<Violation>,
}

impl Found<'_> {
    fn add(&mut self, rule: &'static Rule, detail: String, at: Position) {
        let named = |list: &[String]| {
            list.iter().any(|name| name.eq_ignore_ascii_case(rule.name) || name.eq_ignore_ascii_case("all"))
        };
        let applies = match rule.experimental {
            true => named(&self.settings.experimental),
            false => !named(&self.settings.skip),
        };
        let violation = Violation { rule, detail, line: at.line };
        if applies && !self.violations.contains(&violation) {
            self.violations.push(violation);
        }
    }
}
