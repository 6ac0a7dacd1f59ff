//! `config`: what is set, where, and how to change it.

pub mod containers_conf;
pub mod defaults;
mod document;
pub mod edit;
pub mod set;
pub mod show;

use std::path::{Path, PathBuf};

use super::context::{Context, Persona};
use super::environment::Environment;
use crate::base::{Error, Result, text};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody has set it.
    BuiltIn,
    /// A file.
    File(PathBuf),
}

impl Origin {
    /// For people.
    pub fn shown(&self) -> String {
        match self {
            Origin::BuiltIn => "built in".to_owned(),
            Origin::File(path) => text::clean(&path.display().to_string()).into_owned(),
        }
    }
}

/// A key with its effective value.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// Its name, with dots: `network.low_ports`.
    pub key: String,
    /// Its value, as TOML has it.
    pub value: toml::Value,
    /// Where it comes from.
    pub origin: Origin,
}

/// Keys that always have a value, and what they are when nobody sets them.
const BUILT_IN: &[(&str, &str)] = &[
    ("cgroups.limits", "\"strict\""),
    ("cgroups.manager", "\"\""),
    ("network.host-loopback", "false"),
    ("network.low_ports", "\"refuse\""),
];

/// All keys that have a value, in order of the alphabet.
pub fn settings(context: &Context) -> Result<Vec<Setting>> {
    let path = context.environment.configuration()?;
    // What the file says wrong is told as it is when a command reads it.
    super::config::Config::read(&path)?;
    let mut settings: Vec<Setting> = Vec::new();
    for (key, value) in BUILT_IN {
        let value = document::value(value)?;
        settings.push(Setting { key: (*key).into(), value, origin: Origin::BuiltIn });
    }
    if context.persona != Persona::Docker {
        for (file, flags) in containers_conf::read(&context.environment)? {
            for (flag, value) in flags {
                replace(
                    &mut settings,
                    Setting { key: format!("defaults.run.{flag}"), value, origin: Origin::File(file.clone()) },
                );
            }
        }
    }
    for (key, value) in document::flattened(&document::read(&path)?) {
        let key = if key == "network.host_loopback" { "network.host-loopback".to_owned() } else { key };
        replace(&mut settings, Setting { key, value, origin: Origin::File(path.clone()) });
    }
    settings.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(settings)
}

fn replace(settings: &mut Vec<Setting>, new: Setting) {
    settings.retain(|known| known.key != new.key);
    settings.push(new);
}

/// Reads a configuration for people who change it: the text must be one that coracle understands, with flags that are there.
pub fn check(content: &str, path: &Path) -> Result<()> {
    let config = super::config::Config::parse(content, path)?;
    for (command, flags) in &config.defaults {
        defaults::arguments(command, flags, path)?;
    }
    Ok(())
}

/// coracle's own file.
fn path(environment: &Environment) -> Result<PathBuf> {
    environment.configuration()
}

/// Says that a key has no value.
fn unset(key: &str, settings: &[Setting]) -> Error {
    let error = Error::not_found(format!("`{}` is not set", text::clean(key)));
    match super::argv::nearest(key, settings.iter().map(|setting| setting.key.as_str())) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint("coracle.toml(5) lists the keys"),
    }
}
