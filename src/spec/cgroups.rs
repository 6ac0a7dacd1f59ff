//! Where a container stands among the control groups, and what makes its own: `--cgroup-manager`, `--cgroups`,
//! `--cgroup-parent` and `--cgroup-conf`.

use serde::{Deserialize, Serialize};

use crate::base::{Error, Result, text};

/// The command that has systemd delegate all controllers to every user.
pub const DELEGATE: &str = "sudo mkdir -p /etc/systemd/system/user@.service.d && printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' | sudo tee /etc/systemd/system/user@.service.d/delegate.conf && sudo systemctl daemon-reload && sudo systemctl restart user@$(id -u).service   # ends your session";

/// The placement of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cgroups {
    /// `--cgroup-manager`; none for the first one that works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manager: Option<Manager>,
    /// `--cgroups`.
    pub mode: Mode,
    /// `--cgroup-parent`: a slice of systemd, or a path from the root of the hierarchy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// `--cgroup-conf`: files of the group and what is written to them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conf: Vec<(String, String)>,
}

/// What makes control groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Manager {
    /// systemd, asked over D-Bus for a scope of the user's manager.
    Systemd,
    /// coracle, in a directory that the user may write to.
    Cgroupfs,
    /// Nobody.
    Disabled,
}

/// `--cgroups`, with podman's words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// A group for the container, where one can be had.
    #[default]
    Enabled,
    /// The same: the supervisor, which is coracle's conmon, has a group of its own at any rate.
    NoConmon,
    /// Below the group of the caller, which is divided into one for the supervisor and one for the container.
    Split,
    /// That of the caller.
    Disabled,
}

impl Manager {
    /// The value of `--cgroup-manager`.
    pub fn parse(word: &str) -> Result<Self> {
        match word {
            "systemd" => Ok(Self::Systemd),
            "cgroupfs" => Ok(Self::Cgroupfs),
            "disabled" => Ok(Self::Disabled),
            other => Err(Error::usage(format!("invalid argument `{}` for `--cgroup-manager`", text::clean(other)))
                .hint("it is one of: systemd, cgroupfs, disabled")),
        }
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Cgroupfs => "cgroupfs",
            Self::Disabled => "disabled",
        }
    }
}

impl Mode {
    /// The value of `--cgroups`.
    pub fn parse(word: &str) -> Result<Self> {
        match word {
            "enabled" => Ok(Self::Enabled),
            "no-conmon" => Ok(Self::NoConmon),
            "split" => Ok(Self::Split),
            "disabled" => Ok(Self::Disabled),
            other => Err(Error::usage(format!("invalid argument `{}` for `--cgroups`", text::clean(other)))
                .hint("it is one of: enabled, disabled, no-conmon, split")),
        }
    }
}

impl Cgroups {
    /// Nothing was said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Whether no group of its own is wanted.
    pub fn is_disabled(&self) -> bool {
        self.mode == Mode::Disabled || self.manager == Some(Manager::Disabled)
    }

    /// Whether somebody has asked for a particular placement, so that another one is an error.
    pub fn is_explicit(&self) -> bool {
        self.manager.is_some_and(|manager| manager != Manager::Disabled)
            || self.mode == Mode::Split
            || self.parent.is_some()
            || !self.conf.is_empty()
    }
}

/// `--cgroup-parent`. It is the user's own word, and joined to the root of the hierarchy.
pub fn parent(value: &str) -> Result<Option<String>> {
    if value.is_empty() {
        return Ok(None);
    }
    let clean = !value.contains('\0') && !value.split('/').any(|part| matches!(part, ".." | "."));
    match clean && value.len() < 1024 {
        true => Ok(Some(value.to_owned())),
        false => Err(Error::usage(format!("invalid control group `{}` for `--cgroup-parent`", text::clean(value)))),
    }
}

/// `--cgroup-conf FILE=VALUE`, such as `memory.high=100M`. Files of the groups' own mechanism are not settings.
pub fn conf(values: &[String]) -> Result<Vec<(String, String)>> {
    let one = |value: &String| {
        let (file, content) = value.split_once('=').ok_or_else(|| {
            Error::usage(format!("invalid argument `{}` for `--cgroup-conf`", text::clean(value)))
                .hint("it is a file of cgroup v2 and what is written to it: --cgroup-conf memory.high=100M")
        })?;
        let named = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_');
        if !file.contains('.') || file.starts_with('.') || file.starts_with("cgroup.") || !file.chars().all(named) {
            return Err(Error::usage(format!("`{}` is no setting of a control group", text::clean(file)))
                .hint("settings are files of a controller, such as memory.high, cpu.idle or io.latency"));
        }
        Ok((file.to_owned(), content.to_owned()))
    };
    values.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_podmans() {
        assert_eq!(Mode::parse("split").unwrap(), Mode::Split);
        assert_eq!(Manager::parse("cgroupfs").unwrap().word(), "cgroupfs");
        assert!(Mode::parse("x").is_err() && Manager::parse("x").is_err());
    }

    #[test]
    fn a_setting_is_a_file_of_a_controller() {
        let one = |value: &str| conf(&[value.to_owned()]);
        assert_eq!(one("memory.high=1M").unwrap(), [("memory.high".to_owned(), "1M".to_owned())]);
        assert_eq!(one("io.max=8:0 rbps=1").unwrap()[0].1, "8:0 rbps=1");
        for bad in ["memory.high", "cgroup.procs=1", "../memory.max=1", "a/b.c=1", "x=1", ".x=1", "memory.\n=1"] {
            assert!(one(bad).is_err(), "{bad}");
        }
        assert!(parent("/a/../b").is_err() && parent("").unwrap().is_none());
        assert_eq!(parent("machine.slice").unwrap().as_deref(), Some("machine.slice"));
    }
}
