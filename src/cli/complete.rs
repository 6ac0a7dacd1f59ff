//! `__complete WORD...`: what the last word of a command line can become, one candidate on a line, for the shells' completion
//! scripts. They know the commands and flags; the names of containers, images and networks only the program knows.
//!
//! Which names fit is read from the definitions of the commands: the value name of a flag or of a positional argument says
//! what it takes. Nothing is ever reported: a line that cannot be completed has no candidates.

use clap::{Arg, Command};
use nix::sys::signal::Signal;

use super::context::{Context, Globals, Persona};
use super::environment::Environment;
use super::ui::Level;
use super::{Asked, argv, find, read_globals};
use crate::base::Result;
use crate::engine::{Engine, images, network, ps, secret, volume};
use crate::spec::capabilities::CapSet;
use crate::spec::container::{Container, Status};
use crate::spec::restart;

/// The hidden command.
pub const WORD: &str = "__complete";

/// Stands for the word that is being completed while the line is read. No shell hands over such a word.
const HERE: &str = "\u{1}";

/// What a word names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Containers(Which),
    Images,
    Networks,
    Secrets,
    Volumes,
    /// What `--network` takes.
    Attachments,
    /// Whatever `inspect` finds.
    Anything,
    Signals,
    Capabilities,
    /// Installed Quadlet files.
    Quadlets,
    /// Keys of the configuration.
    Settings,
    Words(&'static [&'static str]),
}

/// Which containers a command is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    Running,
    Stopped,
}

/// What is asked for at the end of a line.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    what: What,
    /// What stands before the value in its own word: `--network=`.
    stem: String,
    /// The value as far as it is written.
    begun: String,
    /// Arguments that are there already and need not be offered again.
    given: Vec<String>,
}

/// Prints the candidates for the last of `words`, which are those behind the program's name.
pub fn complete(persona: Persona, words: &[String]) -> Result<u8> {
    let Some((globals, place)) = place(words) else { return Ok(0) };
    let context = Context::new(persona, Environment::of_process(), globals, Level::Error);
    let names = names(&context, place.what).unwrap_or_default();
    for name in names {
        if name.starts_with(&place.begun) && !place.given.contains(&name) {
            context.ui.line(&format!("{}{name}", place.stem))?;
        }
    }
    context.ui.flush().map(|()| 0)
}

/// Where the last word stands, and the options before the command; none where the shell's script knows better, or the line
/// is wrong.
fn place(words: &[String]) -> Option<(Globals, Place)> {
    let (last, before) = words.split_last()?;
    let (stem, begun) = match last.split_once('=') {
        Some((flag, value)) if flag.starts_with("--") => (format!("{flag}="), value.to_owned()),
        _ if last.starts_with('-') && last != "-" => return None,
        _ => (String::new(), last.clone()),
    };
    let mut line = before.to_vec();
    line.push(format!("{stem}{HERE}"));
    let (globals, rest) = read_globals(Persona::Coracle.program(), &line).ok()?;
    let Ok(Asked::Verb(verb, called_by, arguments)) = find(rest, Persona::Coracle) else { return None };
    let command = verb.command("", &called_by);
    let read = argv::read(&command, verb.greedy, arguments).ok()?;
    let (arg, given) = match read.positionals.iter().position(|positional| positional == HERE) {
        Some(at) => (positional(&command, at)?, read.positionals[..at].to_vec()),
        None => {
            let flag = read.flags.iter().find_map(|flag| flag.strip_suffix(HERE)?.strip_suffix('='))?;
            (command.get_arguments().find(|arg| arg.get_long() == flag.strip_prefix("--"))?, Vec::new())
        }
    };
    let what = what(arg, given.len(), verb.name, called_by.first().copied().unwrap_or_default())?;
    Some((globals?, Place { what, stem, begun, given }))
}

/// The definition of the positional argument at an index: the last one may take several.
fn positional(command: &Command, at: usize) -> Option<&Arg> {
    let all: Vec<&Arg> = command.get_positionals().collect();
    let several = |arg: &&&Arg| arg.get_num_args().is_some_and(|range| range.max_values() > 1);
    all.get(at).or_else(|| all.last().filter(several)).copied()
}

/// What an argument takes, by the name of its value.
fn what(arg: &Arg, at: usize, verb: &str, noun: &str) -> Option<What> {
    let value = arg.get_value_names()?.first()?.as_str();
    // Where a command takes a container and words that belong to it, only the first of them is the container.
    let value = match value.split_once(' ') {
        Some(_) if at > 0 => return None,
        Some((first, _)) => first,
        None => value,
    };
    Some(match value {
        "WHAT" if arg.get_id() == "low_ports" => What::Words(&["refuse", "remap"]),
        "CONTAINER" => What::Containers(match verb {
            "run" if noun == "healthcheck" => Which::Running,
            "exec" | "attach" | "stop" | "kill" | "top" | "port" | "wait" => Which::Running,
            "start" => Which::Stopped,
            _ => Which::All,
        }),
        "IMAGE" | "REPOSITORY[:TAG]" => What::Images,
        "NETWORK" => What::Networks,
        "SECRET" | "SECRET[,OPTION=VALUE…]" => What::Secrets,
        "VOLUME" if verb != "create" => What::Volumes,
        "NETWORK[:OPTIONS]" => What::Attachments,
        "NAME|ID" => match noun {
            "container" => What::Containers(Which::All),
            "image" => What::Images,
            _ => What::Anything,
        },
        "SIGNAL" => What::Signals,
        "CAPABILITY" => What::Capabilities,
        "POLICY" if arg.get_id() == "restart" => What::Words(&restart::NAMES),
        "ACTION" if arg.get_id() == "health_on_failure" => What::Words(&["none", "kill", "restart", "stop"]),
        "CONDITION" => {
            What::Words(&["not-running", "next-exit", "removed", "created", "running", "healthy", "unhealthy"])
        }
        "POLICY" => What::Words(&["always", "missing", "never"]),
        "LEVEL" => What::Words(&["debug", "error", "fatal", "info", "warn"]),
        "FORMAT" if arg.get_id() == "format" => What::Words(&["json"]),
        "TEMPLATE" => What::Words(&["json", "table"]),
        "PLATFORM" => What::Words(&["linux/amd64", "linux/arm64", "linux/arm/v7"]),
        "KEY=VALUE" if arg.get_id() == "filter" => What::Words(filters(verb, noun)?),
        "DRIVER" if noun == "network" => What::Words(&["bridge", "none"]),
        "QUADLET" => What::Quadlets,
        "KEY" if noun == "config" => What::Settings,
        "STREAM" => What::Words(&["stdin", "stdout", "stderr"]),
        "MODE" => What::Words(&["auto", "host", "keep-id", "nomap"]),
        "TYPE" => What::Words(&["container", "image", "network", "volume"]),
        _ => return None,
    })
}

/// The keys of `--filter`, each with the `=` that follows it.
fn filters(verb: &str, noun: &str) -> Option<&'static [&'static str]> {
    Some(match (noun, verb) {
        ("network", "ls") => &["driver=", "id=", "label=", "name=", "scope=", "type="],
        ("volume", "ls") => &["dangling=", "driver=", "label=", "name=", "opt="],
        ("quadlet", "ls") => &["name="],
        ("image", "ls") | ("images", _) => {
            &["before=", "containers=", "dangling=", "id=", "label=", "reference=", "since=", "until="]
        }
        ("ps", _) | ("container", "ls") => &[
            "ancestor=",
            "before=",
            "exited=",
            "expose=",
            "health=",
            "id=",
            "label=",
            "name=",
            "network=",
            "publish=",
            "since=",
            "status=",
            "volume=",
        ],
        _ => return None,
    })
}

fn names(context: &Context, what: What) -> Result<Vec<String>> {
    // These are no business of the engine.
    match what {
        What::Quadlets => return super::quadlet::names(context),
        What::Settings => {
            let settings = super::configuration::settings(context)?;
            return Ok(settings.into_iter().map(|setting| setting.key).collect());
        }
        _ => {}
    }
    let engine = &context.engine()?;
    let mut names = match what {
        What::Quadlets | What::Settings => Vec::new(),
        What::Containers(which) => containers(engine, which)?,
        What::Images => image_names(engine)?,
        What::Networks => networks(engine)?,
        What::Secrets => secrets(engine)?,
        What::Volumes => volumes(engine)?,
        What::Attachments => {
            let shared = containers(engine, Which::Running)?.into_iter().map(|name| format!("container:{name}"));
            networks(engine)?.into_iter().chain(shared).collect()
        }
        What::Anything => {
            [containers(engine, Which::All)?, image_names(engine)?, networks(engine)?, volumes(engine)?].concat()
        }
        What::Signals => Signal::iterator().map(|signal| signal.as_str().trim_start_matches("SIG").into()).collect(),
        What::Capabilities => {
            let short = CapSet::ALL.names().into_iter().map(|name| name.trim_start_matches("CAP_").to_owned());
            short.chain(["ALL".into()]).collect()
        }
        What::Words(words) => words.iter().map(|word| (*word).into()).collect(),
    };
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

fn containers(engine: &Engine, which: Which) -> Result<Vec<String>> {
    let fits = |container: &Container| match which {
        Which::All => true,
        Which::Running => container.status.is_running(),
        Which::Stopped => matches!(container.status, Status::Created | Status::Exited { .. }),
    };
    let listing = ps::list(engine, &ps::Query { all: true, ..ps::Query::default() })?;
    Ok(listing.containers.iter().filter(|container| fits(container)).map(|c| c.name.to_string()).collect())
}

fn image_names(engine: &Engine) -> Result<Vec<String>> {
    let images = images::list(engine, &images::Query::default())?;
    let named = images.into_iter().filter_map(|image| Some(format!("{}:{}", image.repository?, image.tag?)));
    Ok(named.collect())
}

fn networks(engine: &Engine) -> Result<Vec<String>> {
    let (known, _) = network::list::list(engine, &network::Filters::default())?;
    Ok(known.iter().map(|known| known.name.clone()).collect())
}

fn secrets(engine: &Engine) -> Result<Vec<String>> {
    let (listed, _) = secret::list(engine, &secret::Filters::default())?;
    Ok(listed.into_iter().map(|secret| secret.name).collect())
}

fn volumes(engine: &Engine) -> Result<Vec<String>> {
    let (listed, _) = volume::list(engine, &volume::Filters::default())?;
    Ok(listed.iter().map(|listed| listed.volume.name.to_string()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: &str) -> Option<Place> {
        place(&line.split(' ').map(String::from).collect::<Vec<_>>()).map(|(_, place)| place)
    }

    #[test]
    fn the_place_says_what_fits() {
        let all = What::Containers(Which::All);
        for (line, expected) in [
            ("rm ", Some(all)),
            ("rm -f a b", Some(all)),
            ("container rm x", Some(all)),
            ("start x", Some(What::Containers(Which::Stopped))),
            ("exec -it x", Some(What::Containers(Which::Running))),
            ("exec -it x sh", None),
            ("exec x rm ", None),
            ("run ", Some(What::Images)),
            ("-D run --rm -it ", Some(What::Images)),
            ("run --name x ", Some(What::Images)),
            ("run --name ", None),
            ("run alpine ", None),
            ("pull x", Some(What::Images)),
            ("run --network ", Some(What::Attachments)),
            ("run --net=fr", Some(What::Attachments)),
            ("run --cap-add=NET", Some(What::Capabilities)),
            ("run --userns k", Some(What::Words(&["auto", "host", "keep-id", "nomap"]))),
            ("run --restart u", Some(What::Words(&restart::NAMES))),
            ("run --pull m", Some(What::Words(&["always", "missing", "never"]))),
            (
                "wait --condition h",
                Some(What::Words(&[
                    "not-running",
                    "next-exit",
                    "removed",
                    "created",
                    "running",
                    "healthy",
                    "unhealthy",
                ])),
            ),
            ("healthcheck run w", Some(What::Containers(Which::Running))),
            ("run --low-ports r", Some(What::Words(&["refuse", "remap"]))),
            ("kill -s T", Some(What::Signals)),
            ("network rm a", Some(What::Networks)),
            ("network create a", None),
            ("network connect a", Some(What::Networks)),
            ("network connect a b", Some(all)),
            ("network connect a b c", None),
            ("inspect a", Some(What::Anything)),
            ("inspect --type i", Some(What::Words(&["container", "image", "network", "volume"]))),
            ("ps --filter st", Some(What::Words(filters("ls", "ps").unwrap()))),
            ("run --format x", None),
            ("images --format j", Some(What::Words(&["json", "table"]))),
            ("quadlet print w", Some(What::Quadlets)),
            ("config get n", Some(What::Settings)),
            ("volume rm a", Some(What::Volumes)),
            ("volume create a", None),
            ("secret rm a", Some(What::Secrets)),
            ("run --secret a", Some(What::Secrets)),
            ("image inspect a", Some(What::Images)),
            ("container inspect a", Some(all)),
            ("rm -", Some(all)),
            ("rm --fo", None),
            ("rm --frob ", None),
            ("frob ", None),
            ("r", None),
            ("", None),
        ] {
            assert_eq!(at(line).map(|place| place.what), expected, "{line}");
        }
    }

    #[test]
    fn what_is_written_stays() {
        let place = at("run --net=fr").unwrap();
        assert_eq!((place.stem.as_str(), place.begun.as_str()), ("--net=", "fr"));
        let place = at("rm a b c").unwrap();
        assert_eq!((place.stem.as_str(), place.begun.as_str(), place.given), ("", "c", vec!["a".into(), "b".into()]));
    }
}
