//! What a command is to the dispatcher: its words, how many arguments it takes, and the functions that know its flags
//! and do it. Only the command that is called is built: clap's whole tree costs more than a container's start may.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, Command};

use super::argv;
use super::context::{Context, Persona};
use super::ui;
use crate::base::{Error, Kind, Result, text};

/// One command, wherever it stands.
pub struct Verb {
    /// Its own word under a noun: `ls` of `container ls`. Used where none else is given.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    /// What follows the options in its usage line.
    pub usage: &'static str,
    /// The least and the greatest number of arguments; no greatest means any number.
    pub arity: (usize, Option<usize>),
    /// The first argument ends the options: the rest belongs to somebody else.
    pub greedy: bool,
    /// How errors become exit codes.
    pub codes: Codes,
    /// Adds its flags.
    pub arguments: fn(Command) -> Command,
    /// Does it. The number is the exit code.
    pub run: fn(&Context, &ArgMatches) -> Result<u8>,
}

/// How the errors of a command become exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codes {
    /// The persona's own.
    Plain,
    /// docker's codes of `run` and `create`: 125, 126 and 127.
    Container,
    /// Those of `exec`: 126 and 127 when the program is at fault, else as plain.
    Exec,
}

impl Codes {
    /// The exit code of an error of the work itself.
    pub fn of(self, persona: Persona, error: &Error) -> u8 {
        match (self, error.kind()) {
            (Codes::Container | Codes::Exec, Kind::CannotExecute) => 126,
            (Codes::Container | Codes::Exec, Kind::CommandNotFound) => 127,
            (Codes::Container, _) => 125,
            _ => persona.failure(),
        }
    }
}

/// What a command line came to.
pub enum Parsed {
    /// `--help` was asked for.
    Help,
    /// The arguments of the command.
    Arguments(ArgMatches),
}

/// A command line that could not be read.
#[derive(Debug)]
pub struct Wrong {
    /// What is wrong.
    pub error: Error,
    /// Whether it has too many or too few arguments, rather than a wrong option.
    pub arity: bool,
}

impl Wrong {
    fn option(error: Error) -> Self {
        Self { error, arity: false }
    }

    /// The exit code: 125, but docker's 1 for a wrong number of arguments.
    pub fn code(&self, persona: Persona) -> u8 {
        if self.arity { persona.failure() } else { 125 }
    }
}

impl Verb {
    /// The command's definition under the words that call it: `["container", "ls"]`.
    pub fn command(&self, program: &str, words: &[&'static str]) -> Command {
        let called = std::iter::once(program).chain(words.iter().copied()).collect::<Vec<_>>().join(" ");
        let name = words.last().copied().unwrap_or(self.name);
        let command = Command::new(name)
            .bin_name(called.clone())
            .override_usage(self.usage_line(&called))
            .disable_help_flag(true)
            .disable_version_flag(true)
            .args_override_self(true)
            // In order of the alphabet, as docker lists them.
            .next_display_order(None);
        (self.arguments)(command).about(self.about).long_about(None)
    }

    /// What a right command line looks like.
    pub fn usage_line(&self, called: &str) -> String {
        match self.usage {
            "" => format!("{called} [OPTIONS]"),
            usage => format!("{called} [OPTIONS] {usage}"),
        }
    }

    /// Reads the command's own arguments.
    pub fn parse(&self, command: &Command, called: &str, arguments: &[String]) -> Result<Parsed, Wrong> {
        let line = argv::read(command, self.greedy, arguments).map_err(Wrong::option)?;
        if line.help {
            return Ok(Parsed::Help);
        }
        // podman's flags in the place of a name. Where one of them is something else, no name is needed.
        let stands_for_name = |flag: &String| {
            let name = flag.split('=').next().unwrap_or_default();
            matches!(name, "--latest" | "--all" | "--filter" | "--cidfile" | "--running")
        };
        let more = usize::from(self.arity.0 > 0 && line.flags.iter().any(stands_for_name));
        self.check_arity(called, line.positionals.len(), more).map_err(|error| Wrong { error, arity: true })?;
        match command.clone().try_get_matches_from(line.for_clap()) {
            Ok(matches) => Ok(Parsed::Arguments(matches)),
            Err(error) => Err(Wrong::option(of_clap(&error))),
        }
    }

    /// `more`: how many of the arguments that are needed may be missing.
    fn check_arity(&self, called: &str, given: usize, more: usize) -> Result<()> {
        let plural = |n: usize| if n == 1 { "argument" } else { "arguments" };
        let (least, greatest) = self.arity;
        if given + more >= least && greatest.is_none_or(|greatest| given <= greatest) {
            return Ok(());
        }
        let rule = match greatest {
            None => format!("requires at least {least} {}", plural(least)),
            Some(0) => "accepts no arguments".into(),
            Some(greatest) if greatest == least => format!("requires {least} {}", plural(least)),
            Some(greatest) if given > greatest => format!("requires at most {greatest} {}", plural(greatest)),
            Some(_) => format!("requires at least {least} {}", plural(least)),
        };
        Err(Error::usage(format!("'{called}' {rule}")))
    }
}

/// The form of a `--filter`: what its key means is the command's to say.
pub fn filter(given: &str) -> Result<String, String> {
    match given.contains('=') {
        true => Ok(given.to_owned()),
        false => Err("bad format of filter (expected name=value)".to_owned()),
    }
}

/// The arguments of a command as its own type.
pub fn typed<T: clap::FromArgMatches>(matches: &ArgMatches) -> Result<T> {
    T::from_arg_matches(matches).map_err(|error| of_clap(&error))
}

/// Does the same with every name; what each prints is visible before the next begins. Failures are told and do not keep
/// the others from being done. The exit code is that of a failed command when there was one.
pub fn each(context: &Context, names: &[String], work: impl FnMut(&str) -> Result<()>) -> Result<u8> {
    each_coded(context, names, |_| context.persona.failure(), work)
}

/// [`each`] of what is to be removed, which has exit codes of its own.
pub fn each_removed(context: &Context, names: &[String], work: impl FnMut(&str) -> Result<()>) -> Result<u8> {
    each_coded(context, names, |error| context.persona.not_removed(error), work)
}

fn each_coded(
    context: &Context,
    names: &[String],
    code_of: impl Fn(&Error) -> u8,
    mut work: impl FnMut(&str) -> Result<()>,
) -> Result<u8> {
    let mut code = 0;
    for name in names {
        match work(name).and_then(|()| context.ui.flush()) {
            Ok(()) => {}
            Err(error) if ui::is_closed(&error) => return Err(error),
            Err(error) => {
                context.ui.error(&error);
                code = code_of(&error).max(code);
            }
        }
    }
    Ok(code)
}

/// A value that clap refused, in docker's words.
pub fn of_clap(error: &clap::Error) -> Error {
    let text_of = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text::clean(text).into_owned(),
        _ => String::new(),
    };
    match error.kind() {
        ErrorKind::ValueValidation | ErrorKind::InvalidValue => {
            let flag = text_of(ContextKind::InvalidArg);
            let flag = flag.split([' ', '[', '=']).next().unwrap_or_default();
            let reason = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
            Error::usage(format!("invalid argument \"{}\" for \"{flag}\"{reason}", text_of(ContextKind::InvalidValue)))
        }
        _ => {
            let rendered = error.to_string();
            let first = rendered.lines().next().unwrap_or_default();
            Error::usage(text::clean(first.trim_start_matches("error: ")).into_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Args;

    use super::*;

    #[derive(Args)]
    struct Sample {
        /// How many
        #[arg(short, long)]
        number: Option<u16>,
        words: Vec<String>,
    }

    fn verb(arity: (usize, Option<usize>)) -> Verb {
        let run = |_: &Context, _: &ArgMatches| Ok(0);
        Verb {
            name: "try",
            about: "Try it",
            usage: "WORD",
            arity,
            greedy: false,
            codes: Codes::Plain,
            arguments: Sample::augment_args,
            run,
        }
    }

    fn message(arity: (usize, Option<usize>), line: &[&str]) -> String {
        let verb = verb(arity);
        let line: Vec<String> = line.iter().map(|word| (*word).into()).collect();
        match verb.parse(&verb.command("coracle", &["try"]), "coracle try", &line) {
            Ok(_) => "fine".into(),
            Err(wrong) => format!("{} ({})", wrong.error.message(), wrong.code(Persona::Docker)),
        }
    }

    #[test]
    fn numbers_of_arguments_are_checked_in_dockers_words() {
        for (arity, line, expected) in [
            ((1, None), &["a"][..], "fine"),
            ((1, None), &[], "'coracle try' requires at least 1 argument (1)"),
            ((2, None), &["a"], "'coracle try' requires at least 2 arguments (1)"),
            ((1, Some(1)), &["a", "b"], "'coracle try' requires 1 argument (1)"),
            ((0, Some(0)), &["a"], "'coracle try' accepts no arguments (1)"),
            ((0, Some(1)), &["a", "b"], "'coracle try' requires at most 1 argument (1)"),
            ((0, None), &["-n", "x"], "invalid argument \"x\" for \"--number\": invalid digit found in string (125)"),
            ((0, None), &["-n5", "--number=7"], "fine"),
        ] {
            assert_eq!(message(arity, line), expected, "{line:?}");
        }
    }

    #[test]
    fn kinds_become_exit_codes() {
        let of = |codes: Codes, kind| codes.of(Persona::Docker, &Error::new(kind, "x"));
        for (codes, kind, code) in [
            (Codes::Container, Kind::NotFound, 125),
            (Codes::Container, Kind::CannotExecute, 126),
            (Codes::Container, Kind::CommandNotFound, 127),
            (Codes::Exec, Kind::CommandNotFound, 127),
            (Codes::Exec, Kind::NotFound, 1),
            (Codes::Plain, Kind::CommandNotFound, 1),
            (Codes::Plain, Kind::Usage, 1),
        ] {
            assert_eq!(of(codes, kind), code, "{codes:?} {kind:?}");
        }
        let podmans = |codes: Codes, kind| codes.of(Persona::Podman, &Error::new(kind, "x"));
        assert_eq!([Codes::Plain, Codes::Exec, Codes::Container].map(|codes| podmans(codes, Kind::NotFound)), [125; 3]);
        assert_eq!(podmans(Codes::Exec, Kind::CommandNotFound), 127);
        let removed = |persona: Persona, kind| persona.not_removed(&Error::new(kind, "x"));
        assert_eq!(
            [Kind::NotFound, Kind::Conflict, Kind::System].map(|kind| removed(Persona::Podman, kind)),
            [1, 2, 125]
        );
        assert_eq!(removed(Persona::Docker, Kind::Conflict), 1);
    }
}
