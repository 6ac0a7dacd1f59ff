//! `--systemd`: what systemd as the first process of a container needs (systemd.io, "Container Interface"): memory where it
//! keeps its state, its own control group to divide, a word that it is in a container, and the signal that shuts it down.

use serde::{Deserialize, Serialize};

use super::storage::{Mount, MountRequest, MountSource};
use crate::base::{ContainerId, Error, Result, text};

/// Whether a container is prepared for systemd.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Systemd {
    /// Never.
    #[default]
    False,
    /// If its command is systemd or an init.
    True,
    /// Whatever its command is.
    Always,
}

/// The commands that are taken for systemd, as podman does it.
const INITS: [&str; 4] = ["/sbin/init", "/usr/sbin/init", "/usr/local/sbin/init", "/init"];

/// `SIGRTMIN+3`: systemd powers off.
pub const STOP_SIGNAL: i32 = 37;

/// Where systemd wants memory, and the modes of these directories.
const MEMORY: [(&str, &str); 4] =
    [("/run", "mode=755"), ("/run/lock", "mode=1777"), ("/tmp", "mode=1777"), ("/var/log/journal", "mode=755")];

impl Systemd {
    /// `--systemd`.
    pub fn parse(word: &str) -> Result<Self> {
        match word {
            "true" | "1" => Ok(Self::True),
            "false" | "0" => Ok(Self::False),
            "always" => Ok(Self::Always),
            other => Err(Error::usage(format!("invalid argument `{}` for `--systemd`", text::clean(other)))
                .hint("it is one of: true, false, always")),
        }
    }

    /// Nothing is prepared.
    pub fn is_off(&self) -> bool {
        *self == Self::False
    }

    /// The same with the command known: [`Self::Always`] or [`Self::False`].
    pub fn decided(self, argv: &[String]) -> Self {
        let command = argv.first().map_or("", String::as_str);
        let is_init = INITS.contains(&command) || command.rsplit('/').next() == Some("systemd");
        match self {
            Self::Always => Self::Always,
            Self::True if is_init => Self::Always,
            _ => Self::False,
        }
    }

    /// The mounts that come with it, but for places that were given others.
    pub fn mounts(self, given: &[MountRequest]) -> Vec<MountRequest> {
        if self.is_off() {
            return Vec::new();
        }
        let is_free = |place: &&(&str, &str)| !given.iter().any(|other| other.mount.target == place.0);
        let memory = |(target, mode): &(&str, &str)| {
            let source = MountSource::Tmpfs { options: (*mode).to_owned(), flags: vec!["exec".into()] };
            let mut mount = Mount::plain(source, (*target).to_owned());
            mount.options.copy_up = true;
            MountRequest::plain(mount, false)
        };
        MEMORY.iter().filter(is_free).map(memory).collect()
    }

    /// The variables that come with it.
    pub fn variables(self, id: &ContainerId) -> Vec<String> {
        match self {
            Self::False => Vec::new(),
            _ => vec!["container=oci".into(), format!("container_uuid={}", &id.as_str()[..32])],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_is_known_by_its_command() {
        let decided = |mode: Systemd, command: &str| mode.decided(&[command.to_owned()]);
        for command in ["/sbin/init", "/usr/lib/systemd/systemd", "systemd", "/usr/sbin/init"] {
            assert_eq!(decided(Systemd::True, command), Systemd::Always, "{command}");
            assert_eq!(decided(Systemd::False, command), Systemd::False);
        }
        for command in ["sh", "/bin/init.sh", "init", "/opt/systemd/run"] {
            assert_eq!(decided(Systemd::True, command), Systemd::False, "{command}");
            assert_eq!(decided(Systemd::Always, command), Systemd::Always);
        }
        assert_eq!(Systemd::True.decided(&[]), Systemd::False);
        assert!(Systemd::parse("maybe").is_err());
    }

    #[test]
    fn it_gets_memory_where_nothing_else_is() {
        let tmp = Mount::plain(MountSource::Bind { path: "/x".into() }, "/tmp".into());
        let mounts = Systemd::Always.mounts(&[MountRequest::plain(tmp, false)]);
        let targets: Vec<&str> = mounts.iter().map(|request| request.mount.target.as_str()).collect();
        assert_eq!(targets, ["/run", "/run/lock", "/var/log/journal"]);
        assert!(Systemd::False.mounts(&[]).is_empty());
        let id: ContainerId = "ab".repeat(32).parse().unwrap();
        assert_eq!(Systemd::Always.variables(&id)[1], format!("container_uuid={}", "ab".repeat(16)));
    }
}
