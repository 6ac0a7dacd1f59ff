//! Hooks: programs of the host that are run when a container begins or ends (OCI runtime specification, "POSIX-platform
//! Hooks").

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::base::{Error, Result, text};

/// When a hook is run. The order is that of a container's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HookPoint {
    /// On the host, when the namespaces are there; the older name of the next.
    Prestart,
    /// On the host, when the namespaces and mounts are there.
    CreateRuntime,
    /// In the container's namespaces, with the files of the host still visible.
    CreateContainer,
    /// In the container, before its program.
    StartContainer,
    /// On the host, when the program runs.
    Poststart,
    /// On the host, when the container has ended.
    Poststop,
}

impl HookPoint {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Prestart,
        Self::CreateRuntime,
        Self::CreateContainer,
        Self::StartContainer,
        Self::Poststart,
        Self::Poststop,
    ];

    /// Its name in the specification.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prestart => "prestart",
            Self::CreateRuntime => "createRuntime",
            Self::CreateContainer => "createContainer",
            Self::StartContainer => "startContainer",
            Self::Poststart => "poststart",
            Self::Poststop => "poststop",
        }
    }

    /// The point of a name.
    pub fn parse(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|point| point.name() == name);
        found.ok_or_else(|| Error::invalid(format!("there are no hooks called `{}`", text::clean(name))))
    }
}

/// A hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// When it is run.
    pub at: HookPoint,
    /// The program, absolute.
    pub path: PathBuf,
    /// Its arguments with its own name; none for the path.
    #[serde(default)]
    pub args: Vec<String>,
    /// Its environment, all of it.
    #[serde(default)]
    pub env: Vec<String>,
    /// Seconds after which it is ended, and has failed.
    #[serde(default)]
    pub timeout: Option<u32>,
}

impl Hook {
    /// Fails for what cannot be run.
    pub fn check(&self) -> Result<()> {
        let shown = self.path.display().to_string();
        let shown = text::clean(&shown);
        if !self.path.is_absolute() {
            return Err(Error::invalid(format!("the hook `{shown}` is not an absolute path")));
        }
        let words = self.args.iter().chain(&self.env);
        match words.into_iter().any(|word| word.contains('\0')) || self.timeout == Some(0) {
            true => {
                Err(Error::invalid(format!("the hook `{shown}` has a zero byte in an argument, or a timeout of 0")))
            }
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_specifications() {
        for point in HookPoint::ALL {
            assert_eq!(HookPoint::parse(point.name()).unwrap(), point);
            assert_eq!(serde_json::to_value(point).unwrap(), point.name());
        }
        assert!(HookPoint::parse("createruntime").is_err());
        let hook = |path: &str, timeout| Hook {
            at: HookPoint::Poststop,
            path: path.into(),
            args: vec![],
            env: vec![],
            timeout,
        };
        assert!(hook("/x", Some(1)).check().is_ok() && hook("x", None).check().is_err());
        assert!(hook("/x", Some(0)).check().is_err());
    }
}
