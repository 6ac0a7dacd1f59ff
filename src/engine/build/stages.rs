//! Which stages of a Dockerfile a build needs, and on what each of them waits: pure.

// An error is made once in a build, and carries what a person wants to see.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{Error, Result, text};
use crate::dockerfile::expand::expand;
use crate::dockerfile::{Diagnostic, Dockerfile, Kind, MountType, Stage, nearest};
use crate::oci::Platform;

/// Where the files of something come from: a stage, or what is no stage.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The stage with this index.
    Stage(usize),
    /// No files at all.
    Scratch,
    /// A named context (`--build-context`).
    Context(String),
    /// An image, by name.
    Image(String),
}

/// The stages of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The stage that becomes the image.
    pub target: usize,
    /// The needed stages in their order; the others are not built.
    pub needed: Vec<usize>,
    /// What each stage (of all) begins with.
    pub bases: Vec<Origin>,
    /// The platforms that `FROM --platform` asks for.
    pub platforms: Vec<Option<Platform>>,
    /// The values of the `ARG`s before the first stage.
    pub arguments: BTreeMap<String, String>,
}

/// What the user says about stages.
#[derive(Debug, Clone, Default)]
pub struct Wanted<'a> {
    /// `--target`.
    pub target: Option<&'a str>,
    /// `--build-arg`.
    pub build_args: BTreeMap<String, String>,
    /// The platform that is built for.
    pub platform: Option<Platform>,
    /// The names of `--build-context`.
    pub contexts: BTreeSet<String>,
    /// `--from`: the image of the first stage.
    pub first_base: Option<&'a str>,
    /// Stages that the target does not use are needed as well.
    pub all: bool,
}

/// `TARGETPLATFORM`, `BUILDPLATFORM` and their parts.
pub fn platform_arguments(target: &Platform, target_stage: &str) -> BTreeMap<String, String> {
    let mut arguments = BTreeMap::new();
    for (prefix, platform) in [("TARGET", target), ("BUILD", &Platform::host())] {
        arguments.insert(format!("{prefix}PLATFORM"), platform.to_string());
        arguments.insert(format!("{prefix}OS"), platform.os.clone());
        arguments.insert(format!("{prefix}ARCH"), platform.architecture.clone());
        arguments.insert(format!("{prefix}VARIANT"), platform.variant.clone().unwrap_or_default());
    }
    arguments.insert("TARGETSTAGE".into(), target_stage.to_owned());
    arguments
}

/// An error of the plan: with a place in the file, or about what the user asked for.
#[derive(Debug)]
pub enum Wrong {
    /// In the Dockerfile.
    File(Diagnostic),
    /// In the request.
    Request(Error),
}

/// Decides.
pub fn plan(file: &Dockerfile, wanted: &Wanted<'_>) -> Result<Plan, Wrong> {
    let target = target(file, wanted.target).map_err(Wrong::Request)?;
    let stage_name = file.stages[target].name.clone().unwrap_or_else(|| "default".to_owned());
    let platform = wanted.platform.clone().unwrap_or_else(Platform::host);
    let mut arguments = platform_arguments(&platform, &stage_name);
    let builtin: BTreeSet<String> = arguments.keys().cloned().collect();
    for instruction in &file.arguments {
        let Kind::Arg(args) = &instruction.kind else { continue };
        for (name, default) in args {
            let given = wanted.build_args.get(&name.raw).cloned();
            let value = match (given, default) {
                (Some(given), _) => Some(given),
                (None, Some(default)) => Some(
                    expand(&default.raw, file.directives.escape, &|name| arguments.get(name).cloned())
                        .map_err(|why| Wrong::File(Diagnostic { message: why, position: default.at, hint: None }))?,
                ),
                (None, None) => None,
            };
            if let Some(value) = value {
                arguments.insert(name.raw.clone(), value);
            }
        }
    }
    let mut bases = Vec::with_capacity(file.stages.len());
    let mut platforms = Vec::with_capacity(file.stages.len());
    for (index, stage) in file.stages.iter().enumerate() {
        bases.push(base(file, index, stage, &arguments, wanted).map_err(Wrong::File)?);
        platforms.push(stage_platform(file, stage, &arguments).map_err(Wrong::File)?);
    }
    if let Some(image) = wanted.first_base {
        bases[0] = Origin::Image(image.to_owned());
    }
    let mut needed = BTreeSet::new();
    let mut open = if wanted.all { (0..file.stages.len()).collect() } else { vec![target] };
    while let Some(index) = open.pop() {
        if needed.insert(index) {
            open.extend(dependencies(file, index, &bases));
        }
    }
    // What the machine sets is no argument of the file.
    let declared = |name: &String| {
        file.arguments.iter().any(|instruction| match &instruction.kind {
            Kind::Arg(args) => args.iter().any(|(declared, _)| declared.raw == *name),
            _ => false,
        })
    };
    arguments.retain(|name, _| builtin.contains(name) || declared(name));
    Ok(Plan { target, needed: needed.into_iter().collect(), bases, platforms, arguments })
}

fn target(file: &Dockerfile, wanted: Option<&str>) -> Result<usize> {
    let Some(wanted) = wanted else { return Ok(file.stages.len() - 1) };
    let name = wanted.to_ascii_lowercase();
    let by_name = file.stages.iter().rposition(|stage| stage.name.as_deref() == Some(name.as_str()));
    let by_index = wanted.parse::<usize>().ok().filter(|index| *index < file.stages.len());
    by_name.or(by_index).ok_or_else(|| {
        let names = file.stages.iter().filter_map(|stage| stage.name.as_deref());
        let error = Error::usage(format!("target stage \"{}\" could not be found", text::clean(wanted)));
        match nearest(&name, names) {
            Some(known) => error.hint(format!("did you mean {known}?")),
            None => error,
        }
    })
}

fn base(
    file: &Dockerfile,
    index: usize,
    stage: &Stage,
    arguments: &BTreeMap<String, String>,
    wanted: &Wanted<'_>,
) -> Result<Origin, Diagnostic> {
    let image = &stage.from.image;
    let wrong = |message: String| Diagnostic { message, position: image.at, hint: None };
    let name = expand(&image.raw, file.directives.escape, &|name| arguments.get(name).cloned()).map_err(wrong)?;
    if name.is_empty() {
        let message = format!("base name ({}) should not be blank", text::clean(&image.raw));
        return Err(Diagnostic {
            hint: Some("give the argument a default before FROM, or --build-arg".into()),
            ..wrong(message)
        });
    }
    let lower = name.to_ascii_lowercase();
    let earlier = file.stages[..index].iter().rposition(|stage| stage.name.as_deref() == Some(lower.as_str()));
    Ok(match earlier {
        Some(stage) => Origin::Stage(stage),
        None if wanted.contexts.contains(&name) => Origin::Context(name),
        None if lower == "scratch" => Origin::Scratch,
        None => Origin::Image(name),
    })
}

fn stage_platform(
    file: &Dockerfile,
    stage: &Stage,
    arguments: &BTreeMap<String, String>,
) -> Result<Option<Platform>, Diagnostic> {
    let Some(asked) = &stage.from.platform else { return Ok(None) };
    let wrong = |message: String| Diagnostic { message, position: asked.at, hint: None };
    let name = expand(&asked.raw, file.directives.escape, &|name| arguments.get(name).cloned()).map_err(wrong)?;
    match name.is_empty() {
        true => Ok(None),
        false => name.parse().map(Some).map_err(|error: Error| wrong(error.chain())),
    }
}

/// The stage that a `--from` names, before the stage `index`.
pub fn stage_of(file: &Dockerfile, index: usize, from: &str) -> Option<usize> {
    let lower = from.to_ascii_lowercase();
    let by_name = file.stages[..index].iter().rposition(|stage| stage.name.as_deref() == Some(lower.as_str()));
    by_name.or_else(|| from.parse::<usize>().ok().filter(|number| *number < index))
}

/// The stages that a stage uses.
fn dependencies(file: &Dockerfile, index: usize, bases: &[Origin]) -> Vec<usize> {
    let mut used = Vec::new();
    if let Origin::Stage(base) = bases[index] {
        used.push(base);
    }
    for instruction in &file.stages[index].instructions {
        match &instruction.kind {
            Kind::Copy(copy) => used.extend(copy.from.as_ref().and_then(|from| stage_of(file, index, &from.raw))),
            Kind::Run(run) => {
                let mounts = run.mounts.iter().filter(|mount| matches!(mount.kind, MountType::Bind | MountType::Cache));
                used.extend(mounts.filter_map(|mount| stage_of(file, index, mount.from.as_deref()?)));
            }
            _ => {}
        }
    }
    used
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::parse;

    fn planned(source: &str, wanted: &Wanted<'_>) -> Result<Plan, Wrong> {
        plan(&parse(source).unwrap(), wanted)
    }

    const STAGES: &str = "ARG V=1\nARG W=$V.2\nFROM img:$W AS a\nRUN x\nFROM scratch AS b\nCOPY --from=a /x /\n\
        FROM other AS c\nFROM b\nRUN --mount=from=0,target=/m x\nFROM ${V}x AS last\n";

    #[test]
    fn only_what_is_needed_is_built() {
        let target = |name| planned(STAGES, &Wanted { target: name, ..Wanted::default() }).unwrap();
        assert_eq!((target(None).target, target(None).needed), (4, vec![4]));
        assert_eq!(target(Some("b")).needed, [0, 1]);
        assert_eq!(target(Some("3")).needed, [0, 1, 3]);
        assert_eq!(target(Some("C")).needed, [2]);
        let plan = target(None);
        assert_eq!(plan.bases[0], Origin::Image("img:1.2".into()));
        assert_eq!(plan.bases[3], Origin::Stage(1));
        assert_eq!(plan.bases[1], Origin::Scratch);
        assert_eq!(plan.arguments["W"], "1.2");
    }

    #[test]
    fn arguments_and_contexts_change_bases() {
        let build_args = [("V".to_owned(), "9".to_owned()), ("Z".to_owned(), "no".to_owned())].into();
        let contexts = ["other".to_owned()].into();
        let plan = planned(STAGES, &Wanted { build_args, contexts, ..Wanted::default() }).unwrap();
        assert_eq!(
            (&plan.bases[0], &plan.bases[2]),
            (&Origin::Image("img:9.2".into()), &Origin::Context("other".into()))
        );
        assert!(!plan.arguments.contains_key("Z"));
        assert_eq!(plan.arguments["BUILDOS"], "linux");
    }

    #[test]
    fn platforms_are_expanded() {
        let platform = Some("linux/arm64".parse().unwrap());
        let plan = planned("FROM --platform=$TARGETPLATFORM x\n", &Wanted { platform, ..Wanted::default() }).unwrap();
        assert_eq!(plan.platforms[0].as_ref().unwrap().to_string(), "linux/arm64");
    }

    #[test]
    fn what_cannot_be_planned_says_why() {
        let wrong = |source: &str, target| match planned(source, &Wanted { target, ..Wanted::default() }) {
            Err(Wrong::File(wrong)) => wrong.message,
            Err(Wrong::Request(error)) => error.chain() + &error.hints().concat(),
            Ok(plan) => panic!("{plan:?}"),
        };
        assert_eq!(wrong("FROM $X", None), "base name ($X) should not be blank");
        assert!(wrong("FROM x AS build", Some("biuld")).contains("did you mean build?"));
    }
}
