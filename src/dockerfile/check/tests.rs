//! Each rule by a Dockerfile that violates it and one that does not.

use super::*;
use crate::dockerfile::parse;

fn violations(source: &str, ignore: &str, given: &[(&str, &str)]) -> Vec<String> {
    let file = parse(source).unwrap();
    let build_args = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let builtin = [("TARGETPLATFORM", "linux/amd64"), ("BUILDPLATFORM", "linux/amd64"), ("TARGETARCH", "amd64")];
    let builtin = builtin.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let base = |index: usize| {
        let image = file.stages[index].from.image.raw.as_str();
        let architecture = if image == "foreign" { "arm64" } else { "amd64" };
        (image != "unknown").then(|| Base {
            env: vec!["PATH=/bin".into(), "OF_BASE=1".into()],
            platform: Platform::new("linux", architecture, None),
        })
    };
    let facts = Facts {
        builtin: &builtin,
        contexts: &BTreeSet::new(),
        ignore: &Ignore::parse(ignore).unwrap(),
        base: &base,
        platform: &Platform::new("linux", "amd64", None),
    };
    let settings = settings(&file, &build_args).unwrap();
    let found = check(&file, &settings, &facts);
    found.iter().map(|found| format!("{} {}: {}", found.line, found.rule.name, found.detail)).collect()
}

#[test]
fn each_rule_finds_what_it_is_for() {
    for (source, expected) in [
        ("FROM x AS Base", "1 StageNameCasing: Stage name 'Base' should be lowercase"),
        ("FROM x as base", "1 FromAsCasing: 'as' and 'FROM' keywords' casing do not match"),
        ("FROM x\nRUN a \\\n\n b", "3 NoEmptyContinuation: Empty continuation line"),
        (
            "FROM x\nrun a",
            "2 ConsistentInstructionCasing: Command 'run' should match the case of the command majority (uppercase)",
        ),
        (
            "from x\nrun a\nCopy a /",
            "3 ConsistentInstructionCasing: Command 'Copy' should match the case of the command majority (lowercase)",
        ),
        ("FROM x AS a\nFROM y AS a", "2 DuplicateStageName: Duplicate stage name \"a\", stage names should be unique"),
        (
            "FROM x AS scratch",
            "1 ReservedStageName: Stage name should not use the same name as reserved stage \"scratch\"",
        ),
        (
            "FROM x\nENTRYPOINT a b",
            "2 JSONArgsRecommended: JSON arguments recommended for ENTRYPOINT to prevent unintended behavior related to OS signals",
        ),
        (
            "FROM x\nMAINTAINER me",
            "2 MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label",
        ),
        (
            "ARG VERSION=1\nFROM x:${VERSIO}",
            "2 UndefinedArgInFrom: FROM argument 'VERSIO' is not declared (did you mean VERSION?)",
        ),
        (
            "FROM x\nWORKDIR app\nWORKDIR src",
            "2 WorkdirRelativePath: Relative workdir \"app\" can have unexpected results if the base image changes",
        ),
        ("FROM x\nARG dir=1\nCOPY $di /", "3 UndefinedVar: Usage of undefined variable '$di' (did you mean $dir?)"),
        (
            "FROM x\nCMD [\"a\"]\nCMD [\"b\"]",
            "2 MultipleInstructionsDisallowed: Multiple CMD instructions should not be used in the same stage because only the last one will be used",
        ),
        (
            "FROM x\nENV a b",
            "2 LegacyKeyValueFormat: \"ENV key=value\" should be used instead of legacy \"ENV key value\" format",
        ),
        (
            "FROM --platform=$TARGETPLATFORM x",
            "1 RedundantTargetPlatform: Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
        ),
        (
            "FROM x\nARG GIT_TOKEN",
            "2 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG \"GIT_TOKEN\")",
        ),
        (
            "ARG TAG\nFROM x:${TAG}",
            "2 InvalidDefaultArgInFrom: Default value for ARG x:${TAG} results in empty or invalid base image name",
        ),
        (
            "FROM --platform=linux/amd64 x",
            "1 FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant value \"linux/amd64\"",
        ),
        (
            "FROM x\nCOPY ignored /",
            "2 CopyIgnoredFile: Attempting to COPY file \"ignored\" that is excluded by .dockerignore",
        ),
        (
            "# check=experimental=all\n# about\nFROM x AS base",
            "3 InvalidDefinitionDescription: Comment for FROM should follow the format: `# base <description>`",
        ),
        (
            "FROM x\nEXPOSE 80/TcP",
            "2 ExposeProtoCasing: Defined protocol '80/TcP' in EXPOSE instruction should be lowercase",
        ),
        (
            "FROM x\nEXPOSE 127.0.0.1:80:80",
            "2 ExposeInvalidFormat: EXPOSE instruction should not define an IP address or host-port mapping, found '127.0.0.1:80:80'",
        ),
        (
            "FROM foreign",
            "1 InvalidBaseImagePlatform: Base image foreign was pulled with platform \"linux/arm64\", expected \"linux/amd64\" for current build",
        ),
    ] {
        assert_eq!(violations(source, "ignored", &[]), [expected], "{source}");
    }
}

#[test]
fn what_is_right_violates_nothing() {
    for source in [
        "# check=experimental=all\n# base the base\nFROM x AS base\n# other\n\nFROM base\nWORKDIR /a\nWORKDIR b",
        "from x as base\nrun a\ncmd [\"a\"]",
        "FROM x\nSHELL [\"/bin/bash\", \"-c\"]\nCMD a",
        "FROM x\nENV A=$PATH B=$OF_BASE\nENV C=$A\nARG D\nLABEL d=$D e=${E:-x} f='$F' g=\\$G",
        "FROM unknown\nENV A=$NOBODY_KNOWS",
        "FROM x AS a\nENV A=1\nFROM a\nENV B=$A",
        "ARG TAG=1\nFROM x:$TAG",
        "FROM --platform=$BUILDPLATFORM x",
        "FROM --platform=linux/arm64 x AS build-arm64",
        "FROM x\nENV PUBLIC_KEY=1 KEYBOARD=2",
        "FROM x\nCOPY --from=y ignored /\nCOPY other ignored* /",
        "FROM x\nHEALTHCHECK CMD a",
        "# check=skip=JSONArgsRecommended,stagenamecasing\nFROM x AS Base\nCMD a",
        "# check=skip=all\nFROM x as Base\nCMD a",
    ] {
        assert_eq!(violations(source, "ignored", &[]), Vec::<String>::new(), "{source}");
    }
    assert!(violations("FROM x\nCMD a", "", &[("BUILDKIT_DOCKERFILE_CHECK", "skip=all")]).is_empty());
}

#[test]
fn the_rules_are_documented() {
    let names: BTreeSet<&str> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(names.len(), RULES.len());
    assert_eq!(JSON_ARGS_RECOMMENDED.url(), "https://docs.docker.com/go/dockerfile/rule/json-args-recommended/");
}
