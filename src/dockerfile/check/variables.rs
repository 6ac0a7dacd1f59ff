//! The rule that variables are defined before they are used.

use std::collections::BTreeSet;

use super::{Facts, Found, UNDEFINED_VAR};
use crate::base::text;
use crate::dockerfile::{Copy, Dockerfile, Instruction, Kind, Source, nearest};

/// Variables that nobody declares.
const ALWAYS: [&str; 11] = [
    "PATH",
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
];

pub(super) fn check(file: &Dockerfile, facts: &Facts<'_>, found: &mut Found<'_>) {
    // The names that each stage leaves to those that begin with it; none if its base is not known.
    let mut left: Vec<Option<BTreeSet<String>>> = Vec::new();
    for (index, stage) in file.stages.iter().enumerate() {
        let lower = stage.from.image.raw.to_ascii_lowercase();
        let earlier = file.stages[..index].iter().rposition(|other| other.name.as_deref() == Some(lower.as_str()));
        let inherited = match earlier {
            Some(base) => left[base].clone(),
            None if lower == "scratch" => Some(BTreeSet::new()),
            None => (facts.base)(index).map(|base| {
                base.env.iter().filter_map(|variable| Some(variable.split_once('=')?.0.to_owned())).collect()
            }),
        };
        let is_known = inherited.is_some();
        let mut env = inherited.unwrap_or_default();
        let mut arguments: BTreeSet<String> = BTreeSet::new();
        for line in &stage.instructions {
            if is_known {
                undefined(file.directives.escape, line, (&env, &arguments), found);
            }
            match &line.kind {
                Kind::Env(pairs) => env.extend(pairs.iter().map(|pair| pair.name.raw.clone())),
                Kind::Arg(args) => arguments.extend(args.iter().map(|(name, _)| name.raw.clone())),
                _ => {}
            }
        }
        left.push(is_known.then_some(env));
    }
}

fn undefined(
    escape: char,
    line: &Instruction,
    (env, arguments): (&BTreeSet<String>, &BTreeSet<String>),
    found: &mut Found<'_>,
) {
    let is_set = |name: &str| env.contains(name) || arguments.contains(name) || ALWAYS.contains(&name);
    for raw in texts(line) {
        for name in plain_references(raw, escape).iter().filter(|name| !is_set(name)) {
            let meant = nearest(name, env.iter().chain(arguments).map(String::as_str));
            let meant = meant.map(|known| format!(" (did you mean ${known}?)")).unwrap_or_default();
            let detail = format!("Usage of undefined variable '${}'{}", text::clean(name), text::clean(&meant));
            found.add(&UNDEFINED_VAR, detail, line.at);
        }
    }
}

/// The texts of an instruction in which variables are replaced.
fn texts(line: &Instruction) -> Vec<&str> {
    match &line.kind {
        Kind::Add(copy) | Kind::Copy(copy) => of_copy(copy),
        Kind::Arg(args) => args.iter().filter_map(|(_, default)| Some(default.as_ref()?.raw.as_str())).collect(),
        Kind::Env(pairs) | Kind::Label(pairs) => {
            pairs.iter().flat_map(|pair| [pair.name.raw.as_str(), pair.value.raw.as_str()]).collect()
        }
        Kind::Expose(texts) | Kind::Volume(texts) => texts.iter().map(|text| text.raw.as_str()).collect(),
        Kind::Stopsignal(text) | Kind::User(text) | Kind::Workdir(text) => vec![&text.raw],
        Kind::Run(run) => {
            let mounts = run.mounts.iter();
            mounts
                .flat_map(|mount| [&mount.target, &mount.source, &mount.from, &mount.id])
                .flatten()
                .map(String::as_str)
                .collect()
        }
        _ => Vec::new(),
    }
}

fn of_copy(copy: &Copy) -> Vec<&str> {
    let options = [&copy.from, &copy.chown, &copy.chmod, &copy.checksum];
    let options = options.into_iter().flatten().chain(&copy.exclude).chain([&copy.target]);
    let sources = copy.sources.iter().filter_map(|source| match source {
        Source::Path(text) => Some(text.raw.as_str()),
        Source::Inline(doc) => doc.expand.then_some(doc.content.as_str()),
    });
    options.map(|text| text.raw.as_str()).chain(sources).collect()
}

/// The names of `$name` and `${name}` in a text, those in single quotes and escaped ones left out. A variable with a
/// modifier, `${name:-default}`, may be undefined: it is not among them.
pub(super) fn plain_references(text: &str, escape: char) -> Vec<String> {
    let mut names = Vec::new();
    let mut letters = text.chars().peekable();
    let mut in_double = false;
    while let Some(letter) = letters.next() {
        match letter {
            letter if letter == escape => drop(letters.next()),
            '"' => in_double = !in_double,
            '\'' if !in_double => drop(letters.find(|letter| *letter == '\'')),
            '$' => {
                let braced = letters.next_if_eq(&'{').is_some();
                let mut name = String::new();
                while let Some(letter) = letters.next_if(|letter| letter.is_ascii_alphanumeric() || *letter == '_') {
                    name.push(letter);
                }
                let is_plain = !braced || letters.peek() == Some(&'}');
                let is_name = name.chars().next().is_some_and(|first| !first.is_ascii_digit());
                if is_plain && is_name {
                    names.push(name);
                }
            }
            _ => {}
        }
    }
    names
}
