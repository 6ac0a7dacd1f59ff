//! `[defaults.COMMAND]`: flags that a command gets before those of its command line.

use std::path::Path;

use toml::Value;

use super::document::Flags;
use crate::base::{Error, Result, text};
use crate::cli::context::{Context, Persona};
use crate::cli::{Asked, argv, config, find};

/// The arguments that a command gets before its own: of containers.conf for `run`, then of config.toml. `own` is the shortest
/// name of the command.
pub fn of(context: &Context, own: &str) -> Result<Vec<String>> {
    let path = context.environment.configuration()?;
    let config = config::Config::read(&path)?;
    let mut arguments = Vec::new();
    if matches!(own, "run" | "create") && context.persona != Persona::Docker {
        for (file, flags) in super::containers_conf::read(&context.environment)? {
            arguments.extend(self::arguments("run", &flags, &file)?);
        }
    }
    // `create` is `run` without the start.
    let names = if own == "create" { vec!["run", own] } else { vec![own] };
    for name in names {
        if let Some(flags) = config.defaults.get(name) {
            let flags: Flags = match (own, name) {
                ("create", "run") => flags
                    .iter()
                    .filter(|(flag, _)| knows("create", flag))
                    .map(|(k, v)| (k.clone(), v.clone()))
                    .collect(),
                _ => flags.clone(),
            };
            arguments.extend(self::arguments(name, &flags, &path)?);
        }
    }
    Ok(arguments)
}

/// Flags as they are typed.
pub fn arguments(command: &str, flags: &Flags, path: &Path) -> Result<Vec<String>> {
    let mut arguments = Vec::new();
    for (flag, value) in flags {
        if !knows(command, flag) {
            return Err(unknown(command, flag, path));
        }
        let values = match value {
            Value::Array(values) => values.clone(),
            other => vec![other.clone()],
        };
        for value in values {
            let value = match value {
                Value::String(text) => text,
                Value::Boolean(value) => value.to_string(),
                Value::Integer(value) => value.to_string(),
                Value::Float(value) => value.to_string(),
                _ => {
                    let key = text::clean(flag).into_owned();
                    return Err(Error::invalid(format!("`{key}` of [defaults.{command}] is no value of a flag"))
                        .hint("a text, a number, true or false, or a list of these"));
                }
            };
            arguments.push(format!("--{flag}={value}"));
        }
    }
    Ok(arguments)
}

/// The long names of a command's flags.
fn flags_of(command: &str) -> Vec<String> {
    let words: Vec<String> = command.split(' ').map(String::from).collect();
    let Ok(Asked::Verb(verb, called_by, _)) = find(&words, Persona::Podman) else { return Vec::new() };
    let command = verb.command("", &called_by);
    let names = command.get_arguments().filter(|arg| !arg.is_positional()).flat_map(|arg| {
        let more = arg.get_all_aliases().unwrap_or_default();
        arg.get_long().into_iter().chain(more).map(String::from).collect::<Vec<_>>()
    });
    names.collect()
}

fn knows(command: &str, flag: &str) -> bool {
    flags_of(command).iter().any(|known| known == flag)
}

fn unknown(command: &str, flag: &str, path: &Path) -> Error {
    let known = flags_of(command);
    let (shown, path) = (text::clean(flag).into_owned(), path.display());
    if known.is_empty() {
        let command = text::clean(command).into_owned();
        return Error::invalid(format!("[defaults.{command}] in `{path}`: there is no such command"))
            .hint("tables are named after commands: [defaults.run], [defaults.\"network create\"]");
    }
    let error = Error::invalid(format!("[defaults.{command}] in `{path}`: the command has no flag `--{shown}`"));
    match argv::nearest(flag, known.iter().map(String::as_str)) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(format!("`coracle {command} --help` lists the flags")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(command: &str, toml: &str) -> Result<Vec<String>> {
        let table: toml::Table = toml.parse().unwrap();
        arguments(command, &table.into_iter().collect(), Path::new("/c"))
    }

    #[test]
    fn values_become_flags() {
        let flags = read("run", "init = true\nenv = [\"A=1\", \"B=2\"]\npids-limit = 5\nmemory = \"1g\"\n").unwrap();
        assert_eq!(flags, ["--env=A=1", "--env=B=2", "--init=true", "--memory=1g", "--pids-limit=5"]);
        assert_eq!(read("network create", "ipv6 = true").unwrap(), ["--ipv6=true"]);
        let wrong = |command, toml| read(command, toml).unwrap_err();
        assert_eq!(wrong("run", "inti = true").hints(), ["did you mean `init`?"]);
        assert!(wrong("frob", "a = 1").message().contains("no such command"));
        assert!(wrong("run", "env = [[1]]").message().contains("is no value of a flag"));
    }
}
