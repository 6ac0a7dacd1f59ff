//! What is written by hand about commands and files: prose and examples for `--help` and the manual pages. The rest of
//! them comes from the definitions of the commands.
//!
//! `commands.txt` has a part for each command. The other files are whole manual pages: paragraphs are divided by empty
//! lines, `## WORD` begins a section, a line with an indent of four spaces is shown as it is, and `- TERM` begins an entry of
//! a list whose text follows with an indent of two.

mod roff;

use clap::Command;

pub use roff::{page, sections};

use super::tree::{self, Entry};

/// The parts of all commands.
const COMMANDS: &str = include_str!("commands.txt");

/// Whole manual pages: name, section, what it is about, text.
pub const PAGES: &[(&str, &str, &str, &str)] = &[
    ("coracle.toml", "5", "configuration of coracle", include_str!("coracle.toml.txt")),
    ("coracle-build", "5", "Dockerfiles, contexts and the build cache", include_str!("coracle-build.txt")),
    ("coracle-network", "7", "networks, ports and names of containers", include_str!("coracle-network.txt")),
    ("coracle-quadlet", "5", "containers as services of systemd", include_str!("coracle-quadlet.txt")),
    ("coracle-rootless", "7", "users, ids and what needs no root", include_str!("coracle-rootless.txt")),
    ("coracle-storage", "7", "images, layers, volumes and where they are", include_str!("coracle-storage.txt")),
];

/// What is written about a command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// Paragraphs.
    pub paragraphs: Vec<&'static str>,
    /// Examples: what they do, if it is said, and their lines.
    pub examples: Vec<(Option<&'static str>, Vec<&'static str>)>,
}

/// What is written about the command that these words call, without the program's name.
pub fn about(words: &[&str]) -> Option<About> {
    let wanted = words.join(" ");
    let mut parts = COMMANDS.split("\n= ").skip(1);
    let part = parts.find(|part| part.lines().next() == Some(wanted.as_str()))?;
    let mut about = About::default();
    let mut title = None;
    let mut lines = part.lines().skip(1).peekable();
    while let Some(line) = lines.next() {
        if let Some(example) = line.strip_prefix("    ") {
            let mut example = vec![example];
            // What has a title goes on until the next one; otherwise each line is an example.
            while title.is_some()
                && let Some(more) = lines.next_if(|line| line.starts_with("    "))
            {
                example.push(&more[4..]);
            }
            about.examples.push((title.take(), example));
        } else if line.is_empty() {
            about.paragraphs.extend(title.take());
        } else {
            about.paragraphs.extend(title.replace(line));
        }
    }
    Some(about)
}

/// The words of the same command without a noun: `ls` under `container` is `ps`.
pub fn shorter(words: &[&str]) -> Option<&'static str> {
    let (word, noun) = words.split_last()?;
    let noun = tree::NOUNS.iter().find(|known| known.name == noun.join(" "))?;
    let entry = tree::find(noun.entries, word)?;
    let same = |other: &&Entry| other.verb.about == entry.verb.about && other.verb.usage == entry.verb.usage;
    tree::TOP.iter().find(same).map(|entry| entry.names[0])
}

/// [`about`] of a command or of its shorter spelling.
pub fn about_any(words: &[&str]) -> Option<About> {
    about(words).or_else(|| about(&[shorter(words)?]))
}

/// All spellings of a command, without the program's name, if there are several.
fn spellings(words: &[&str]) -> Vec<String> {
    let shortest = shorter(words).unwrap_or(words.last().copied().unwrap_or_default());
    let verb = match words.split_last() {
        Some((word, [])) => tree::find(tree::TOP, word),
        Some((word, noun)) => tree::NOUNS
            .iter()
            .find(|known| known.name == noun.join(" "))
            .and_then(|noun| tree::find(noun.entries, word)),
        None => None,
    };
    let Some(verb) = verb.map(|entry| entry.verb) else { return Vec::new() };
    let same = |entry: &&Entry| entry.verb.about == verb.about && entry.verb.usage == verb.usage;
    let top = tree::TOP.iter().filter(same).flat_map(|entry| entry.names).map(|name| (*name).to_owned());
    let under = tree::NOUNS.iter().flat_map(|noun| {
        let names = noun.entries.iter().filter(same).flat_map(|entry| entry.names);
        names.map(move |name| format!("{} {name}", noun.name))
    });
    let all: Vec<String> = top.chain(under).collect();
    if all.len() > 1 && !shortest.is_empty() { all } else { Vec::new() }
}

/// The command with what is written about it, for `--help`.
pub fn with_prose(command: Command, program: &str, words: &[&str]) -> Command {
    let about = about_any(words).unwrap_or_default();
    let mut after = String::new();
    let spellings = spellings(words);
    if !spellings.is_empty() {
        let shown: Vec<String> = spellings.iter().map(|spelling| format!("{program} {spelling}")).collect();
        after.push_str(&format!("Aliases:\n  {}\n\n", shown.join(", ")));
    }
    if !about.examples.is_empty() {
        after.push_str("Examples:\n");
        for (title, lines) in &about.examples {
            if let Some(title) = title {
                after.push_str(&format!("  {title}:\n"));
            }
            for line in lines {
                after.push_str(&format!("    {}\n", called(line, program)));
            }
        }
    }
    let short = command.get_about().map(ToString::to_string).unwrap_or_default();
    let prose: Vec<String> = about.paragraphs.iter().map(|paragraph| called(paragraph, program)).collect();
    let whole = [vec![short], prose].concat().join("\n\n");
    command.about(whole).after_help(after.trim_end().to_owned())
}

/// A line with the name that the program was called with.
fn called(line: &str, program: &str) -> String {
    match line.strip_prefix("coracle ") {
        Some(rest) => format!("{program} {rest}").replace("| coracle ", &format!("| {program} ")),
        None => line.replace("coracle ", &format!("{program} ")),
    }
}

/// Commands that people use first, in docker's order.
const FIRST: &[&str] =
    &["run", "exec", "ps", "build", "pull", "push", "images", "login", "logout", "search", "version", "info"];

/// The help of the whole program: its commands in groups.
pub fn overview(program: &'static str) -> Command {
    let line = |name: &str, about: &str| format!("  {name:<12} {about}\n");
    let mut groups = String::from("Common Commands:\n");
    for name in FIRST {
        groups.extend(tree::find(tree::TOP, name).map(|entry| line(name, entry.verb.about)));
    }
    groups.push_str("\nManagement Commands:\n");
    let mut nouns: Vec<_> = tree::NOUNS.iter().filter(|noun| !noun.name.contains(' ')).collect();
    nouns.sort_by_key(|noun| noun.name);
    for noun in nouns {
        groups.push_str(&line(noun.name, noun.about));
    }
    groups.push_str("\nCommands:\n");
    let mut rest: Vec<&Entry> = tree::TOP.iter().filter(|entry| !FIRST.contains(&entry.names[0])).collect();
    rest.sort_by_key(|entry| entry.names[0]);
    for entry in rest {
        groups.push_str(&line(entry.names[0], entry.verb.about));
    }
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{}\nGlobal Options:\n{{options}}\n\nRun '{program} COMMAND --help' for more information on a command, and '{program} doctor' where something does not work.\n",
        groups.replace('{', "{{")
    );
    tree::globals(program).help_template(template)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::context::Persona;
    use crate::cli::verb::Parsed;
    use crate::cli::{Asked, find, read_globals};

    /// What people read first.
    const DOCS: &[&str] = &[
        include_str!("../../../README.md"),
        include_str!("../../../docs/network.md"),
        include_str!("../../../docs/security.md"),
        include_str!("../../../docs/storage.md"),
        include_str!("../../../docs/systemd.md"),
        include_str!("../../../docs/troubleshooting.md"),
    ];

    /// The commands of a line of a shell that are coracle's, as words.
    fn commands(line: &str) -> Vec<Vec<String>> {
        let line = line.split([';', '|', '<', '>']).next().into_iter().chain(line.split("| ").skip(1));
        line.flat_map(|part| part.split("||"))
            .flat_map(|part| part.split("&&"))
            .filter_map(|part| part.trim().strip_prefix("coracle "))
            .map(words)
            .collect()
    }

    /// Words of a shell, with quotes; `$(…)` is one word.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut word, mut quote, mut depth) = (Vec::new(), String::new(), None, 0);
        for c in line.chars() {
            if c == '#' && word.is_empty() && quote.is_none() {
                break;
            }
            match c {
                '\'' if depth == 0 => quote = if quote.is_some() { None } else { Some(c) },
                '(' if quote.is_none() => depth += 1,
                ')' if quote.is_none() => depth -= 1,
                ' ' if quote.is_none() && depth == 0 => words.push(std::mem::take(&mut word)),
                other => word.push(other),
            }
        }
        words.push(word);
        words.into_iter().filter(|word| !word.is_empty() && word != "&&").collect()
    }

    #[test]
    fn examples_can_be_typed() {
        let check = |line: &str| {
            for words in commands(line) {
                let read = read_globals("coracle", &words).map_err(|error| error.chain());
                let (_, rest) = read.unwrap_or_else(|error| panic!("{line}: {error}"));
                match find(rest, Persona::Coracle) {
                    Ok(Asked::Verb(verb, called_by, arguments)) => {
                        let command = verb.command("coracle", &called_by);
                        let parsed = verb.parse(&command, "coracle", arguments);
                        assert!(matches!(parsed, Ok(Parsed::Arguments(_))), "{line}: {:?}", parsed.err());
                    }
                    _ => panic!("{line}: no such command"),
                }
            }
        };
        let mut seen = 0;
        let pages = PAGES.iter().map(|(_, _, _, text)| *text);
        for text in [COMMANDS].into_iter().chain(pages).chain(DOCS.iter().copied()) {
            for line in text.lines().filter_map(|line| line.strip_prefix("    ")) {
                check(line.trim());
                seen += usize::from(line.trim().starts_with("coracle "));
            }
        }
        assert!(seen > 150, "{seen}");
    }

    #[test]
    fn every_part_is_of_a_command_and_every_command_has_examples() {
        let mut parts: Vec<&str> = COMMANDS.split("\n= ").skip(1).filter_map(|part| part.lines().next()).collect();
        let top = tree::TOP.iter().map(|entry| entry.names[0].to_owned());
        let under = tree::NOUNS.iter().flat_map(|noun| {
            let long = |entry: &Entry| format!("{} {}", noun.name, entry.names[0]);
            noun.entries.iter().map(long).filter(|words| shorter(&words.split(' ').collect::<Vec<_>>()).is_none())
        });
        for command in top.chain(under) {
            let words: Vec<&str> = command.split(' ').collect();
            let about = about(&words);
            parts.retain(|part| *part != command);
            // Commands that are young may have none yet; those that are here keep theirs.
            let Some(about) = about else { continue };
            assert!(!about.examples.is_empty(), "{command}");
        }
        assert_eq!(parts, [""; 0], "these are no commands");
        for entry in tree::TOP.iter().filter(|entry| FIRST.contains(&entry.names[0])) {
            assert!(about(&[entry.names[0]]).is_some(), "{}", entry.names[0]);
        }
    }

    #[test]
    fn parts_are_understood() {
        let run = about(&["run"]).unwrap();
        assert_eq!(run.paragraphs.len(), 2);
        assert_eq!(run.examples.len(), 5);
        assert_eq!(run.examples[0].0, Some("A shell in a container that is gone afterwards"));
        assert_eq!(about_any(&["container", "ls"]), about(&["ps"]));
        assert_eq!(about_any(&["image", "rm"]), about(&["rmi"]));
        assert!(about_any(&["network", "ls"]).is_some() && about(&["ls"]).is_none());
        assert_eq!(about(&["kill"]).unwrap().examples.len(), 2);
        assert!(spellings(&["ps"]).contains(&"container ls".to_owned()));
    }
}
