//! Rank 6: the command line. Reads it as docker and podman do, asks the engine, and prints.
//!
//! # Theory of operation
//!
//! [`main`] looks at the first words and builds the definition of that one command only (`verb.rs`, `tree.rs`): clap's
//! whole tree takes longer to build than some commands to run, so that only help, manual pages and completions see it.
//! `--version` is answered before clap, and so are the questions of the shells' completion scripts (`complete.rs`).
//!
//! `argv.rs` reads a command line by the rules of docker's flag library and hands clap a plain one. Each command is one
//! file: its arguments (whose comments are the help), a pure conversion into the engine's request, and a short function
//! that does it. Only `ui.rs` prints, only `environment.rs` reads the environment.

mod argv;
mod build_progress;
mod builder;
mod complete;
mod compose;
mod config;
mod configuration;
mod container;
mod context;
mod elsewhere;
mod environment;
pub mod generate;
mod go_names;
mod image;
mod inspect;
mod login;
mod logout;
mod manual;
mod mount;
mod network;
mod pod;
mod progress;
mod push_progress;
mod quadlet;
mod registry;
mod registry_options;
mod runtime;
mod secret;
mod system;
mod table;
mod template;
mod tree;
mod ui;
mod unshare;
mod verb;
mod volume;

pub use generate::completion as completion_script;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::FromArgMatches;

use crate::base::{Error, Result, fault_log, limits, lock, text, trace};
use context::{Context, Globals, Persona};
use environment::Environment;
use ui::{Level, Ui};
use verb::{Parsed, Verb};

/// The exit code when nobody reads the output any more: what a shell makes of SIGPIPE.
const CLOSED: u8 = 141;

/// Runs the command line `args`, whose first is the program's name.
pub fn main(args: Vec<OsString>) -> ExitCode {
    let name = args.first().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let persona = Persona::called(&name);
    let called = name.rsplit('/').next().unwrap_or_default();
    let is_compose = called == "docker-compose";
    let ui = Ui::new(persona.program(), Level::default());
    limits::ignore_file_size_signal();
    lock::tell_waits(Some(Box::new(move |words| {
        ui::Lines::on_stderr().say(&format!("{}: {words}", persona.program()))
    })));
    let words = words(args).map(|words| match is_compose {
        true => below(&["compose"], words),
        // As other tools call it, and systemd.
        false if called == runtime::LINK => below(&["runtime"], words),
        false if called == quadlet::generate::GENERATOR => below(&["quadlet", "generate"], words),
        false => words,
    });
    let outcome = match words {
        Ok(words) if is_compose && matches!(&words[1..], [only] if only == "--version" || only == "-v") => {
            ui.line(&compose::version_line()).map(|()| 0).map_err(Failure::plain)
        }
        Ok(words) if matches!(words.first().map(String::as_str), Some("--version" | "-v")) && words.len() == 1 => {
            ui.line(&persona.version_line()).map(|()| 0).map_err(Failure::plain)
        }
        Ok(words) if words.first().is_some_and(|word| word == complete::WORD) => {
            complete::complete(persona, &words[1..]).map_err(Failure::plain)
        }
        // As docker and podman exit for faults of their own.
        Ok(words) => fault_log::caught(|| dispatch(persona, &ui, &words))
            .unwrap_or_else(|error| Err(Failure { error, code: 125, see: None })),
        Err(error) => Err(Failure::parsing(error, persona.program())),
    };
    let outcome = outcome.and_then(|code| ui.flush().map(|()| code).map_err(Failure::plain));
    ExitCode::from(outcome.unwrap_or_else(|failure| failure.tell(&ui)))
}

/// What is typed after the name of a link that stands for a command follows the words of that.
fn below(command: &[&str], words: Vec<String>) -> Vec<String> {
    // What completion scripts ask is asked of the whole program.
    match words.first().is_some_and(|word| word == complete::WORD) {
        true => words,
        false => command.iter().map(|word| (*word).to_owned()).chain(words).collect(),
    }
}

/// The arguments as text, without the program's name.
fn words(args: Vec<OsString>) -> Result<Vec<String>> {
    let text = |argument: OsString| {
        argument.into_string().map_err(|argument| {
            Error::usage(format!("the argument `{}` is not UTF-8", text::clean(&argument.to_string_lossy())))
        })
    };
    args.into_iter().skip(1).map(text).collect()
}

/// An error on its way to the user.
struct Failure {
    error: Error,
    code: u8,
    /// What is said after it: see [`see`].
    see: Option<String>,
}

/// Where the right command line stands: the command `called` has a help page and, if it is one command, a usage line.
fn see(called: &str, usage: Option<&str>) -> Option<String> {
    let usage = usage.map(|usage| format!("\nUsage:  {usage}\n\n")).unwrap_or_default();
    Some(format!("{usage}Run '{called} --help' for more information"))
}

impl Failure {
    fn plain(error: Error) -> Self {
        Self { error, code: 1, see: None }
    }

    /// The command line was wrong.
    fn parsing(error: Error, called: &str) -> Self {
        Self { error, code: 125, see: see(called, None) }
    }

    /// Prints it and returns the exit code.
    fn tell(&self, ui: &Ui) -> u8 {
        if ui::is_closed(&self.error) {
            return CLOSED;
        }
        ui.error(&self.error);
        if let Some(see) = &self.see {
            ui.note(see);
        }
        self.code
    }
}

/// What the first words ask for.
enum Asked<'a> {
    /// A command, called by these words, with the rest as its arguments.
    Verb(&'static Verb, Vec<&'static str>, &'a [String]),
    /// The help of the whole program or of a noun.
    Help(Option<&'static tree::Noun>),
}

fn dispatch(persona: Persona, ui: &Ui, words: &[String]) -> Result<u8, Failure> {
    let program = persona.program();
    let usage = |error| Failure::parsing(error, program);
    let (globals, rest) = read_globals(program, words).map_err(usage)?;
    let Some(globals) = globals else { return help(ui, program, None, false) };
    let level = globals.level().map_err(usage)?;
    if globals.version {
        return ui.line(&persona.version_line()).map(|()| 0).map_err(Failure::plain);
    }
    match find(rest, persona)? {
        Asked::Help(noun) => {
            let missing = rest.len() == usize::from(noun.is_some());
            // As docker prints it. podman says afterwards what is missing.
            let code = help(ui, program, noun, missing && persona != Persona::Podman)?;
            match persona {
                Persona::Podman if missing => {
                    let called = noun.map_or(program.to_owned(), |noun| format!("{program} {}", noun.name));
                    Err(Failure {
                        error: Error::usage(format!("missing command '{called} COMMAND'")),
                        code: 125,
                        see: None,
                    })
                }
                _ => Ok(code),
            }
        }
        Asked::Verb(verb, called_by, arguments) => {
            let command = verb.command(program, &called_by);
            let words_of = called_by.clone();
            let called = std::iter::once(program).chain(called_by).collect::<Vec<_>>().join(" ");
            if level >= Level::Debug {
                let lines = ui::Lines::on_stderr();
                trace::listen(Box::new(move |words| lines.say(&format!("debug: {words}"))));
            }
            let mut context = Context::new(persona, Environment::of_process(), globals, level);
            context.before = before(rest, arguments).to_vec();
            run(verb, command, &called, &words_of, arguments, &context)
        }
    }
}

fn run(
    verb: &Verb,
    command: clap::Command,
    called: &str,
    words: &[&str],
    arguments: &[String],
    context: &Context,
) -> Result<u8, Failure> {
    let failure = |error: Error| Failure { code: verb.codes.of(context.persona, &error), see: None, error };
    let see = || see(called, Some(&verb.usage_line(called)));
    // A configuration that cannot be read must not keep anybody from repairing it, and engines that call the runtime know
    // all that they want.
    let usual = match words.first() {
        Some(&("config" | "runtime")) => Vec::new(),
        _ => {
            let called = words.join(" ");
            configuration::defaults::of(context, manual::shorter(words).unwrap_or(&called)).map_err(failure)?
        }
    };
    let arguments = [&usual, arguments].concat();
    let parsed = verb.parse(&command, called, &arguments);
    match parsed.map_err(|wrong| Failure { code: wrong.code(context.persona), see: see(), error: wrong.error })? {
        Parsed::Help => {
            let mut command = manual::with_prose(command, context.persona.program(), words);
            context.ui.text(&command.render_help().to_string()).map_err(Failure::plain)?;
        }
        Parsed::Arguments(matches) => {
            let code = (verb.run)(context, &matches).map_err(failure)?;
            return context.ui.flush().map(|()| code).map_err(Failure::plain);
        }
    }
    context.ui.flush().map(|()| 0).map_err(Failure::plain)
}

/// The options before the command, and what follows them. None of the first when help is asked for. Most command lines
/// have none, and then clap is not asked.
fn read_globals<'a>(program: &'static str, words: &'a [String]) -> Result<(Option<Globals>, &'a [String])> {
    if words.first().is_some_and(|first| !first.starts_with('-')) {
        return Ok((Some(Globals::none()), words));
    }
    let command = tree::globals(program);
    let line = argv::read(&command, true, words)?;
    let rest = &words[words.len() - line.positionals.len()..];
    if line.help {
        return Ok((None, rest));
    }
    let flags = argv::Line { positionals: Vec::new(), ..line };
    let matches = command.try_get_matches_from(flags.for_clap()).map_err(|error| verb::of_clap(&error))?;
    let globals = Globals::from_arg_matches(&matches).map_err(|error| verb::of_clap(&error))?;
    Ok((Some(globals), rest))
}

/// Finds the command. `help X` is `X --help`.
fn find(words: &[String], persona: Persona) -> Result<Asked<'_>, Failure> {
    let Some((first, rest)) = words.split_first() else { return Ok(Asked::Help(None)) };
    if first == "help" {
        return match find(rest, persona)? {
            Asked::Verb(verb, called_by, _) => Ok(Asked::Verb(verb, called_by, help_only())),
            help => Ok(help),
        };
    }
    if let Some(entry) = tree::find(tree::TOP, first) {
        return Ok(Asked::Verb(entry.verb, called_by(&[], entry, first), rest));
    }
    let Some((noun, rest)) = tree::noun(words) else {
        let known = tree::TOP.iter().flat_map(|entry| entry.names).copied().chain(tree::NOUNS.iter().map(|n| n.name));
        return Err(unknown(first, None, persona, known));
    };
    let Some(rest) = after_flags(noun.name, rest, persona.program())? else { return Ok(Asked::Help(Some(noun))) };
    match rest.split_first() {
        None => Ok(Asked::Help(Some(noun))),
        Some((word, _)) if word == "--help" || word == "-h" => Ok(Asked::Help(Some(noun))),
        Some((word, rest)) => match tree::find(noun.entries, word) {
            Some(entry) => Ok(Asked::Verb(entry.verb, called_by(&[noun.name], entry, word), rest)),
            None => {
                let known = noun.entries.iter().flat_map(|entry| entry.names).copied();
                Err(unknown(word, Some(noun.name), persona, known))
            }
        },
    }
}

/// The words between a noun and its command: options of a noun that has some.
fn before<'a>(words: &'a [String], arguments: &[String]) -> &'a [String] {
    let is_noun = words.first().is_some_and(|word| tree::flags_of(word).is_some());
    let end = words.len().checked_sub(arguments.len() + 1).filter(|end| is_noun && *end > 0);
    end.map_or(&[], |end| &words[1..end])
}

/// What follows the options of a noun. `None` if its help is asked for.
fn after_flags<'a>(noun: &str, words: &'a [String], program: &str) -> Result<Option<&'a [String]>, Failure> {
    let Some(add) = tree::flags_of(noun) else { return Ok(Some(words)) };
    let command = add(clap::Command::new("").disable_help_flag(true));
    let line =
        argv::read(&command, true, words).map_err(|error| Failure::parsing(error, &format!("{program} {noun}")))?;
    Ok((!line.help).then(|| &words[words.len() - line.positionals.len()..]))
}

/// The words that called an entry, as the entry spells them.
fn called_by(before: &[&'static str], entry: &tree::Entry, word: &str) -> Vec<&'static str> {
    let name = entry.names.iter().find(|name| **name == word).copied();
    before.iter().copied().chain(name).collect()
}

fn help_only() -> &'static [String] {
    static HELP: std::sync::OnceLock<[String; 1]> = std::sync::OnceLock::new();
    HELP.get_or_init(|| ["--help".to_owned()])
}

fn unknown<'a>(word: &str, noun: Option<&str>, persona: Persona, known: impl Iterator<Item = &'a str>) -> Failure {
    let called = [Some(persona.program()), noun].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let shown = text::clean(word);
    let error = match elsewhere::is_known(noun, word) {
        true => Error::unsupported(format!("coracle has no command `{called} {shown}` yet")),
        false => {
            let error = Error::usage(format!("unknown command: {called} {shown}"));
            match argv::nearest(word, known.filter(|name| elsewhere::is_harmless(name))) {
                Some(similar) => error.hint(format!("did you mean `{called} {similar}`?")),
                None => error,
            }
        }
    };
    // podman's 1 is an answer: `podman image exists` says "no" with it.
    Failure { code: persona.failure(), see: see(&called, None), error }
}

/// Shows the help that was asked for, or, as an error, that of a command line without a command.
fn help(ui: &Ui, program: &'static str, noun: Option<&tree::Noun>, as_error: bool) -> Result<u8, Failure> {
    let mut command = match noun {
        Some(noun) => tree::noun_command(program, noun),
        None => manual::overview(program),
    };
    let help = command.render_help().to_string();
    if as_error {
        ui.note(help.trim_end_matches('\n'));
        return Ok(0);
    }
    ui.text(&help).map(|()| 0).map_err(Failure::plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> String {
        let words: Vec<String> = line.split_whitespace().map(String::from).collect();
        match find(&words, Persona::Coracle) {
            Ok(Asked::Verb(_, called_by, rest)) => format!("{} | {}", called_by.join(" "), rest.join(" ")),
            Ok(Asked::Help(noun)) => format!("help of {}", noun.map_or("all", |noun| noun.name)),
            Err(failure) => format!("{} {} {:?}", failure.code, failure.error.message(), failure.error.hints()),
        }
    }

    #[test]
    fn words_lead_to_commands() {
        for (line, expected) in [
            ("", "help of all"),
            ("help", "help of all"),
            ("run -it busybox", "run | -it busybox"),
            ("help run", "run | --help"),
            ("container ls -a", "container ls | -a"),
            ("container ps", "container ps | "),
            ("container", "help of container"),
            ("image --help", "help of image"),
            ("help image", "help of image"),
            ("image rm x", "image rm | x"),
            ("inspcet x", "1 unknown command: coracle inspcet [\"did you mean `coracle inspect`?\"]"),
            ("container foo", "1 unknown command: coracle container foo []"),
            ("rum x", "1 unknown command: coracle rum [\"did you mean `coracle run`?\"]"),
            ("rmm x", "1 unknown command: coracle rmm []"),
            ("swarm x", "1 coracle has no command `coracle swarm` yet []"),
            ("image sign", "1 coracle has no command `coracle image sign` yet []"),
        ] {
            assert_eq!(asked(line), expected, "{line}");
        }
    }

    #[test]
    fn options_before_the_command() {
        let read = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(String::from).collect();
            let (globals, rest) = read_globals("coracle", &words)?;
            Ok::<_, Error>((globals, rest.join(" ")))
        };
        let (globals, rest) = read("-D --config /x --root=/d run --root y").unwrap();
        let globals = globals.unwrap();
        assert_eq!((globals.level().unwrap(), rest.as_str()), (Level::Debug, "run --root y"));
        let (globals, rest) = read("run -D").unwrap();
        assert_eq!((globals.unwrap().level().unwrap(), rest.as_str()), (Level::Warn, "run -D"));
        assert!(read("--help run").unwrap().0.is_none());
        assert!(read("-v").unwrap().0.unwrap().version);
        assert_eq!(read("--frob run").unwrap_err().message(), "unknown flag: --frob");
    }
}
