//! containers.conf, which podman's users have: the keys of `[containers]` that mean what a flag of `run` means.

use std::path::{Path, PathBuf};

use toml::Value;

use super::document::{self, Flags};
use crate::base::Result;
use crate::cli::environment::Environment;

/// Keys, and the flags of `run` that they stand for.
const KEYS: &[(&str, &str)] = &[
    ("annotations", "annotation"),
    ("default_ulimits", "ulimit"),
    ("dns_options", "dns-option"),
    ("dns_searches", "dns-search"),
    ("dns_servers", "dns"),
    ("env", "env"),
    ("init", "init"),
    ("pids_limit", "pids-limit"),
    ("shm_size", "shm-size"),
    ("tz", "tz"),
    ("umask", "umask"),
    ("userns", "userns"),
];

/// The files that are there, the administrator's first, with what they say.
pub fn read(environment: &Environment) -> Result<Vec<(PathBuf, Flags)>> {
    let own = environment.config_directory()?.join("containers/containers.conf");
    let mut found = Vec::new();
    for path in [PathBuf::from("/etc/containers/containers.conf"), own] {
        let flags = of(&document::read_text(&path)?, &path)?;
        if !flags.is_empty() {
            found.push((path, flags));
        }
    }
    Ok(found)
}

/// What a file says. Keys that mean nothing here are podman's own business.
fn of(content: &str, path: &Path) -> Result<Flags> {
    if content.is_empty() {
        return Ok(Flags::new());
    }
    let table = document::parse(content, path)?;
    let containers = table.get("containers").and_then(Value::as_table).cloned().unwrap_or_default();
    let mut flags = Flags::new();
    for (key, flag) in KEYS {
        match containers.get(*key) {
            None => {}
            Some(Value::String(text)) if text.is_empty() => {}
            // podman's words for what is usual.
            Some(Value::String(text)) if *key == "userns" && (text == "host" || text == "private") => {}
            Some(value) => {
                flags.insert((*flag).to_owned(), value.clone());
            }
        }
    }
    Ok(flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_mean_the_same_are_taken() {
        let flags = of(
            "[containers]\ninit = true\nuserns = \"host\"\ndns_servers = [\"9.9.9.9\"]\ntz = \"\"\nlog_driver = \"journald\"\n[engine]\nx = 1\n",
            Path::new("/c"),
        )
        .unwrap();
        assert_eq!(flags.keys().collect::<Vec<_>>(), ["dns", "init"]);
        assert!(of("[containers\n", Path::new("/c")).unwrap_err().message().contains("line 1 of `/c`"));
        assert!(of("", Path::new("/c")).unwrap().is_empty());
    }
}
