//! What a Dockerfile offers to whoever builds it: its targets, and the arguments, secrets and agents of one of them.
//!
//! Descriptions are comments directly above a definition that begin with its name, as BuildKit reads them.

use std::collections::{BTreeMap, BTreeSet};

use super::expand::expand;
use super::{Dockerfile, Instruction, Kind, MountType, Stage};

/// A stage that can be built.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Target {
    /// Its name; empty for a stage that has none.
    pub name: String,
    /// It is what is built when no target is named.
    pub default: bool,
    /// What its comment says.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The image that it begins with, as it was written.
    pub base: String,
}

/// What a build of one target takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Outline {
    /// The target.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What its comment says.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The build arguments, in the order in which they are declared.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<Argument>,
    /// The ids of secrets, and whether they are required.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<Needed>,
    /// The ids of agents.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ssh: Vec<Needed>,
}

/// A build argument.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// What its comment says.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// A secret or an agent.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Needed {
    /// Its id.
    pub name: String,
    /// The build fails without it.
    pub required: bool,
}

/// The stages, the default one last.
pub fn targets(file: &Dockerfile) -> Vec<Target> {
    let last = file.stages.len() - 1;
    let target = |(index, stage): (usize, &Stage)| Target {
        name: written_name(stage),
        default: index == last,
        description: description(&stage.instruction, &written_name(stage)),
        base: stage.from.image.raw.clone(),
    };
    file.stages.iter().enumerate().map(target).collect()
}

/// What the target takes; `needed` are the stages that it is made of.
pub fn outline(file: &Dockerfile, (target, needed): (usize, &[usize]), given: &BTreeMap<String, String>) -> Outline {
    let name = written_name(&file.stages[target]);
    let description = description(&file.stages[target].instruction, &name);
    let mut outline = Outline { name, description, ..Outline::default() };
    let (mut values, mut seen) = (given.clone(), BTreeSet::new());
    let stages = needed.iter().filter_map(|index| file.stages.get(*index)).flat_map(|stage| &stage.instructions);
    for line in file.arguments.iter().chain(stages) {
        match &line.kind {
            Kind::Arg(args) => {
                for (name, default) in args {
                    let default = default.as_ref().and_then(|text| {
                        expand(&text.raw, file.directives.escape, &|name| values.get(name).cloned()).ok()
                    });
                    let value = given.get(&name.raw).cloned().or(default);
                    if let Some(value) = &value {
                        values.insert(name.raw.clone(), value.clone());
                    }
                    let description = self::description(line, &name.raw);
                    let argument = Argument { name: name.raw.clone(), description, value };
                    if seen.insert(argument.name.clone()) {
                        outline.args.push(argument);
                    } else if let Some(earlier) = outline.args.iter_mut().find(|earlier| earlier.name == argument.name)
                    {
                        complete(earlier, argument);
                    }
                }
            }
            Kind::Run(run) => {
                for mount in &run.mounts {
                    let list = match mount.kind {
                        MountType::Secret => &mut outline.secrets,
                        MountType::Ssh => &mut outline.ssh,
                        _ => continue,
                    };
                    let usual = if mount.kind == MountType::Ssh { Some("default") } else { None };
                    let last = |path: &Option<String>| Some(path.as_deref()?.rsplit('/').next()?.to_owned());
                    let id = mount.id.clone().or_else(|| usual.map(str::to_owned));
                    need(list, id.or_else(|| last(&mount.target)).unwrap_or_default(), mount.required);
                }
            }
            _ => {}
        }
    }
    outline
}

/// A later declaration says what an earlier one does not.
fn complete(earlier: &mut Argument, later: Argument) {
    if earlier.description.is_empty() {
        earlier.description = later.description;
    }
    earlier.value = earlier.value.take().or(later.value);
}

fn need(list: &mut Vec<Needed>, name: String, required: bool) {
    match list.iter_mut().find(|needed| needed.name == name) {
        Some(needed) => needed.required |= required,
        None => list.push(Needed { name, required }),
    }
}

/// A stage's name as it was written.
fn written_name(stage: &Stage) -> String {
    let words = stage.instruction.original.split_whitespace();
    stage.name.as_ref().and_then(|_| words.last()).unwrap_or_default().to_owned()
}

fn description(line: &Instruction, name: &str) -> String {
    let described = line.comments.iter().find_map(|comment| comment.strip_prefix(name)?.strip_prefix(' '));
    described.filter(|_| !name.is_empty()).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::parse;

    const FILE: &str = "# VERSION which one\nARG VERSION=1\n# base what all have\nFROM x:$VERSION AS base\n\
        ARG VERSION\nARG NAME=n$VERSION\nRUN --mount=type=secret,id=s,required=true --mount=type=ssh a\n\
        FROM y AS Other\n# something else\nARG ALONE\nRUN --mount=type=secret,target=/run/secrets/t b\nFROM base\n";

    #[test]
    fn targets_are_described() {
        let targets = targets(&parse(FILE).unwrap());
        let shown: Vec<String> = targets
            .iter()
            .map(|target| format!("{}|{}|{}|{}", target.name, target.default, target.description, target.base))
            .collect();
        assert_eq!(shown, ["base|false|what all have|x:$VERSION", "Other|false||y", "|true||base"]);
    }

    #[test]
    fn an_outline_has_what_its_stages_take() {
        let file = parse(FILE).unwrap();
        let given = [("NAME".to_owned(), "given".to_owned())].into();
        let args = |outline: &Outline| -> Vec<String> {
            let shown = |arg: &Argument| format!("{}={:?} {}", arg.name, arg.value, arg.description);
            outline.args.iter().map(shown).collect()
        };
        let base = outline(&file, (2, &[0, 2]), &given);
        assert_eq!(args(&base), ["VERSION=Some(\"1\") which one", "NAME=Some(\"given\") "]);
        assert_eq!(base.secrets, [Needed { name: "s".into(), required: true }]);
        assert_eq!(base.ssh, [Needed { name: "default".into(), required: false }]);
        assert_eq!(args(&outline(&file, (0, &[0]), &BTreeMap::new()))[1], "NAME=Some(\"n1\") ");
        let other = outline(&file, (1, &[1]), &given);
        assert_eq!(
            (other.name.as_str(), args(&other)),
            ("Other", vec!["VERSION=Some(\"1\") which one".into(), "ALONE=None ".into()])
        );
        assert_eq!(other.secrets, [Needed { name: "t".into(), required: false }]);
    }
}
