//! Command lines as docker and podman read them (their flag library is Go's pflag), brought into a form that clap reads
//! the same way.
//!
//! Differences that matter to users: `--flag=false` for every switch, switches clustered with the last one taking a value
//! (`-itv/a:/b`), `-e=value`, the last of a repeated flag wins, and for `run` and `exec` everything behind the first
//! positional argument belongs to the container, even what looks like a flag. Errors are worded as docker words them,
//! because scripts and people look for those words.

use clap::{Arg, ArgAction, Command};

use crate::base::{Error, Result, text};

/// A command line with every flag spelled out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// Flags in their order, for clap: `--name=value`, `--switch`.
    pub flags: Vec<String>,
    /// Positional arguments in their order.
    pub positionals: Vec<String>,
    /// `--help` was among the flags.
    pub help: bool,
}

impl Line {
    /// The arguments for clap, which wants the program's name first.
    pub fn for_clap(self) -> Vec<String> {
        let mut arguments = vec![String::new()];
        arguments.extend(self.flags);
        arguments.push("--".into());
        arguments.extend(self.positionals);
        arguments
    }
}

/// Reads `arguments` as a command line of `command`. With `greedy`, the first positional argument ends the flags.
pub fn read(command: &Command, greedy: bool, arguments: &[String]) -> Result<Line> {
    let mut reader = Reader { command, flags: Vec::new(), help: false };
    let mut positionals = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--" {
            positionals.extend(rest.by_ref().cloned());
        } else if let Some(long) = argument.strip_prefix("--") {
            reader.long(argument, long, &mut rest)?;
        } else if let Some(cluster) = argument.strip_prefix('-').filter(|cluster| !cluster.is_empty()) {
            reader.cluster(cluster, &mut rest)?;
        } else {
            positionals.push(argument.clone());
            if greedy {
                positionals.extend(rest.by_ref().cloned());
            }
        }
    }
    let flags = reader.flags.into_iter().map(|(_, flag)| flag).collect();
    Ok(Line { flags, positionals, help: reader.help })
}

struct Reader<'a> {
    command: &'a Command,
    /// Argument id and its spelling for clap.
    flags: Vec<(String, String)>,
    help: bool,
}

impl Reader<'_> {
    fn long<'a>(&mut self, whole: &str, long: &str, rest: &mut impl Iterator<Item = &'a String>) -> Result<()> {
        let (name, value) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (long, None),
        };
        if name.is_empty() || name.starts_with('-') {
            return Err(Error::usage(format!("bad flag syntax: {}", text::clean(whole))));
        }
        let Some(arg) = self.command.get_arguments().find(|arg| has_long(arg, name)) else {
            if name == "help" {
                self.help = true;
                return Ok(());
            }
            return Err(self.unknown(name));
        };
        let spelling = format!("--{name}");
        match (is_switch(arg), value) {
            (true, value) => self.switch(arg, value.unwrap_or("true"), &spelling),
            (false, Some(value)) => self.valued(arg, value),
            (false, None) => match rest.next() {
                Some(value) => self.valued(arg, value),
                None => Err(Error::usage(format!("flag needs an argument: {spelling}"))),
            },
        }
    }

    fn cluster<'a>(&mut self, cluster: &str, rest: &mut impl Iterator<Item = &'a String>) -> Result<()> {
        let mut letters = cluster;
        while let Some(letter) = letters.chars().next() {
            let after = &letters[letter.len_utf8()..];
            let Some(arg) = self.command.get_arguments().find(|arg| arg.get_short() == Some(letter)) else {
                if letter == 'h' {
                    self.help = true;
                    return Ok(());
                }
                return Err(Error::usage(format!(
                    "unknown shorthand flag: '{}' in -{}",
                    text::clean(&letter.to_string()),
                    text::clean(letters)
                )));
            };
            let spelling = format!("-{letter}");
            if is_switch(arg) {
                if let Some(value) = after.strip_prefix('=') {
                    return self.switch(arg, value, &spelling);
                }
                self.switch(arg, "true", &spelling)?;
                letters = after;
                continue;
            }
            if !after.is_empty() {
                return self.valued(arg, after.strip_prefix('=').unwrap_or(after));
            }
            return match rest.next() {
                Some(value) => self.valued(arg, value),
                None => Err(Error::usage(format!("flag needs an argument: '{letter}' in -{}", text::clean(letters)))),
            };
        }
        Ok(())
    }

    /// A switch that is turned off forgets that it was turned on.
    fn switch(&mut self, arg: &Arg, value: &str, spelling: &str) -> Result<()> {
        let on = parse_bool(value).ok_or_else(|| {
            Error::usage(format!(
                "invalid argument \"{}\" for \"{spelling}\" flag: neither true nor false",
                text::clean(value)
            ))
        })?;
        let id = arg.get_id().as_str();
        self.flags.retain(|(other, _)| other != id);
        match arg.get_action() {
            ArgAction::SetTrue if on => self.flags.push((id.into(), for_clap(arg, None))),
            ArgAction::SetTrue => {}
            _ => self.flags.push((id.into(), for_clap(arg, Some(if on { "true" } else { "false" })))),
        }
        Ok(())
    }

    fn valued(&mut self, arg: &Arg, value: &str) -> Result<()> {
        let id = arg.get_id().as_str();
        if !matches!(arg.get_action(), ArgAction::Append) {
            self.flags.retain(|(other, _)| other != id);
        }
        self.flags.push((id.into(), for_clap(arg, Some(value))));
        Ok(())
    }

    fn unknown(&self, name: &str) -> Error {
        let error = Error::usage(format!("unknown flag: --{}", text::clean(name)));
        let known = self.command.get_arguments().filter(|arg| !arg.is_hide_set()).filter_map(Arg::get_long);
        match nearest(name, known) {
            Some(similar) => error.hint(format!("did you mean `--{similar}`?")),
            None => error,
        }
    }
}

fn has_long(arg: &Arg, name: &str) -> bool {
    arg.get_long() == Some(name) || arg.get_all_aliases().is_some_and(|aliases| aliases.contains(&name))
}

/// Whether the flag stands alone: `--flag` means `--flag=true`.
fn is_switch(arg: &Arg) -> bool {
    match arg.get_action() {
        ArgAction::SetTrue => true,
        _ => arg.get_num_args().is_some_and(|range| range.min_values() == 0),
    }
}

fn for_clap(arg: &Arg, value: Option<&str>) -> String {
    let name = match (arg.get_long(), arg.get_short()) {
        (Some(long), _) => format!("--{long}"),
        (None, Some(short)) => format!("-{short}"),
        (None, None) => String::new(),
    };
    match value {
        Some(value) => format!("{name}={value}"),
        None => name,
    }
}

/// What Go's `strconv.ParseBool` takes.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// The candidate that is a typing error away from `word`: at most a third of its letters are to be changed.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > 64 {
        return None;
    }
    let best = candidates.map(|candidate| (text::distance(word, candidate), candidate)).min()?;
    (best.0 <= word.chars().count().div_ceil(3)).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        Command::new("run").disable_help_flag(true).args([
            Arg::new("interactive").short('i').long("interactive").action(ArgAction::SetTrue),
            Arg::new("tty").short('t').long("tty").action(ArgAction::SetTrue),
            Arg::new("env").short('e').long("env").action(ArgAction::Append),
            Arg::new("name").long("name"),
            Arg::new("network").long("network").alias("net"),
            Arg::new("sig-proxy").long("sig-proxy").num_args(0..=1).require_equals(true),
            Arg::new("image"),
            Arg::new("command").num_args(0..),
        ])
    }

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(String::from).collect()
    }

    #[test]
    fn flags_are_read_as_docker_reads_them() {
        for (line, flags, positionals) in [
            ("-it a b", "--interactive --tty", "a b"),
            ("-ite X=1 a", "--interactive --tty --env=X=1", "a"),
            ("-iteX=1 -e=Y a", "--interactive --tty --env=X=1 --env=Y", "a"),
            ("--env X --name a --name=b c", "--env=X --name=b", "c"),
            ("-it --tty=false a", "--interactive", "a"),
            ("-t=0 -i=1 a", "--interactive", "a"),
            ("--net host a -i --foo", "--network=host", "a -i --foo"),
            ("--sig-proxy=false a", "--sig-proxy=false", "a"),
            ("--sig-proxy a", "--sig-proxy=true", "a"),
            ("-e -i a", "--env=-i", "a"),
            ("-- -i --x", "", "-i --x"),
            ("a -- b", "", "a -- b"),
            ("-", "", "-"),
        ] {
            let read = read(&command(), true, &words(line)).unwrap();
            assert_eq!((read.flags, read.positionals), (words(flags), words(positionals)), "{line}");
        }
        let anywhere = read(&command(), false, &words("a -i b --name c -- -d")).unwrap();
        assert_eq!((anywhere.flags, anywhere.positionals), (words("--interactive --name=c"), words("a b -d")));
        assert!(read(&command(), true, &words("-i --help")).unwrap().help);
        assert!(read(&command(), true, &words("-h")).unwrap().help);
        assert!(!read(&command(), true, &words("a --help")).unwrap().help);
    }

    #[test]
    fn errors_are_worded_as_docker_words_them() {
        for (line, message) in [
            ("--foo a", "unknown flag: --foo"),
            ("--foo=1 a", "unknown flag: --foo"),
            ("-iX a", "unknown shorthand flag: 'X' in -X"),
            ("-iXt a", "unknown shorthand flag: 'X' in -Xt"),
            ("--name", "flag needs an argument: --name"),
            ("-ie", "flag needs an argument: 'e' in -e"),
            ("--tty=maybe a", "invalid argument \"maybe\" for \"--tty\" flag: neither true nor false"),
            ("---x a", "bad flag syntax: ---x"),
            ("--=x a", "bad flag syntax: --=x"),
        ] {
            assert_eq!(read(&command(), true, &words(line)).unwrap_err().message(), message, "{line}");
        }
        let error = read(&command(), true, &words("--interactiv a")).unwrap_err();
        assert_eq!(error.hints(), ["did you mean `--interactive`?"]);
    }

    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        let known = ["images", "inspect", "rm", "rmi"];
        assert_eq!(nearest("imagse", known.into_iter()), Some("images"));
        assert_eq!(nearest("rmx", known.into_iter()), Some("rm"));
        assert_eq!(nearest("frobnicate", known.into_iter()), None);
    }
}
