//! `coracle/config.toml` in the user's configuration directory: what options are when they are not given.
//!
//! ```toml
//! userns = "auto-own"      # as --userns: of every container that says nothing else
//!
//! [network]
//! low_ports = "remap"     # as --low-ports: "refuse" or "remap"
//! host-loopback = true     # as --network NAME:host-loopback, for all networks that say nothing else
//!
//! [cgroups]
//! manager = "systemd"      # as --cgroup-manager: "systemd", "cgroupfs" or "disabled"
//! limits = "best-effort"   # as --limits: "strict" or "best-effort"
//!
//! [defaults.run]
//! init = true              # a flag that `run` gets before those of its command line
//! ```
//!
//! The file need not exist. What is not known in it is an error that names the line: a misspelt key would be ignored for years.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::base::error::if_absent;
use crate::base::{Error, Result, ResultExt, text};
use crate::spec::cgroups::Manager;
use crate::spec::resources::Enforcement;

/// Largest configuration file, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `--userns`.
    pub userns: Option<String>,
    /// `[network]`
    pub network: NetworkConfig,
    /// `[cgroups]`
    pub cgroups: CgroupsConfig,
    /// `[defaults.COMMAND]`: flags and their values.
    pub defaults: BTreeMap<String, BTreeMap<String, toml::Value>>,
}

/// About control groups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CgroupsConfig {
    /// The manager that makes them; none for the first one that works.
    pub manager: Option<Manager>,
    /// What becomes of limits that cannot be set.
    pub limits: Enforcement,
}

/// About networks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkConfig {
    /// What becomes of host ports that need privileges.
    pub low_ports: LowPorts,
    /// Whether containers reach the host's loopback where neither they nor the network say so.
    #[serde(rename = "host-loopback", alias = "host_loopback")]
    pub host_loopback: bool,
}

/// `--low-ports`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LowPorts {
    /// They are an error.
    #[default]
    Refuse,
    /// They become the same number + 8000.
    Remap,
}

impl Config {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self> {
        let Some(metadata) = if_absent(fs::metadata(path)).at(path, "cannot read")? else { return Ok(Self::default()) };
        if metadata.len() > FILE_MAX {
            return Err(Error::invalid(format!("`{}` is too large for a configuration", path.display())));
        }
        Self::parse(&fs::read_to_string(path).at(path, "cannot read")?, path)
    }

    /// Reads the text of the file.
    pub fn parse(content: &str, path: &Path) -> Result<Self> {
        toml::from_str(content).map_err(|error| {
            let before = error.span().and_then(|span| content.get(..span.start));
            let line = before.map_or(1, |before| before.matches('\n').count() + 1);
            let why = error.message().lines().next().unwrap_or_default();
            Error::invalid(format!("cannot understand line {line} of `{}`", path.display()))
                .caused_by(Error::invalid(text::clean(why)))
                .hint("coracle.toml(5) lists what may be configured")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(content: &str) -> Result<Config> {
        Config::parse(content, Path::new("/c/config.toml"))
    }

    #[test]
    fn what_is_not_said_is_as_usual() {
        for content in ["", "# nothing\n", "[network]\n", "[network]\nlow_ports = \"refuse\"\n"] {
            assert_eq!(parse(content).unwrap(), Config::default(), "{content}");
        }
        assert_eq!(parse("[network]\nlow_ports = \"remap\"").unwrap().network.low_ports, LowPorts::Remap);
        assert!(parse("[network]\nhost-loopback = true").unwrap().network.host_loopback);
        assert!(parse("[network]\nhost_loopback = true").unwrap().network.host_loopback);
        let cgroups = parse("[cgroups]\nmanager = \"cgroupfs\"\nlimits = \"best-effort\"").unwrap().cgroups;
        assert_eq!(cgroups, CgroupsConfig { manager: Some(Manager::Cgroupfs), limits: Enforcement::BestEffort });
        assert_eq!(parse("userns = \"auto-own\"").unwrap().userns.as_deref(), Some("auto-own"));
        assert_eq!(Config::read(Path::new("/nowhere/config.toml")).unwrap(), Config::default());
    }

    #[test]
    fn mistakes_are_named_with_their_lines() {
        for (content, line, why) in [
            ("\n[network]\nlow_port = \"remap\"\n", 3, "unknown field `low_port`"),
            ("[netwerk]\n", 1, "unknown field `netwerk`"),
            ("[network]\nlow_ports = \"perhaps\"\n", 2, "unknown variant `perhaps`"),
            ("[network]\nlow_ports = true\n", 2, ""),
            ("[network]\nhost-loopback = \"yes\"\n", 2, ""),
            ("# x\n[network\n", 2, ""),
        ] {
            let error = parse(content).unwrap_err();
            assert_eq!(error.message(), format!("cannot understand line {line} of `/c/config.toml`"), "{content}");
            assert!(error.chain().contains(why), "{}", error.chain());
        }
    }
}
