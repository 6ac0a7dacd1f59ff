//! What the processes of a container may do. Needs no decision against image or machine: the same value is asked for and
//! kept.

use serde::{Deserialize, Serialize};

use super::capabilities::CapSet;
use crate::base::{Error, Result, text};

/// Capabilities, seccomp and the like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Security {
    /// The bounding set: what follows from the next three, see [`Security::new`]. It is kept, so that a container does not
    /// change when a newer coracle has another default.
    pub capabilities: CapSet,
    /// Names given with `--cap-add`, for `inspect`.
    pub cap_add: Vec<String>,
    /// Names given with `--cap-drop`, for `inspect`.
    pub cap_drop: Vec<String>,
    /// No masked or read-only paths, no seccomp, all capabilities of the container's user namespace.
    pub privileged: bool,
    /// Setuid programs and file capabilities give nothing.
    pub no_new_privileges: bool,
    /// Which system calls are filtered.
    pub seccomp: Seccomp,
}

impl Default for Security {
    fn default() -> Self {
        Self {
            capabilities: CapSet::DEFAULT,
            cap_add: Vec::new(),
            cap_drop: Vec::new(),
            privileged: false,
            no_new_privileges: false,
            seccomp: Seccomp::Default,
        }
    }
}

/// What the grammar of `--security-opt` has to know of the machine.
pub struct SecurityHost<'a> {
    /// Reads the seccomp profile in a file.
    pub profile: &'a dyn Fn(&str) -> Result<String>,
    /// Whether SELinux is there.
    pub has_selinux: bool,
}

impl Security {
    /// With the capabilities of `--cap-add`, `--cap-drop` and `--privileged`.
    pub fn new(cap_add: &[String], cap_drop: &[String], privileged: bool) -> Result<Self> {
        let capabilities = match privileged {
            true => CapSet::ALL,
            false => CapSet::DEFAULT.tweaked(cap_add, cap_drop)?,
        };
        Ok(Self { capabilities, cap_add: cap_add.to_vec(), cap_drop: cap_drop.to_vec(), privileged, ..Self::default() })
    }

    /// Applies one `--security-opt`.
    pub fn set(&mut self, option: &str, host: &SecurityHost<'_>) -> Result<()> {
        // `no-new-privileges:true` is docker's old spelling of `=`.
        let (key, value) = match option.split_once('=').or_else(|| option.split_once(':')) {
            Some((key, value)) => (key, Some(value)),
            None => (option, None),
        };
        match (key, value) {
            ("no-new-privileges", None | Some("true")) => self.no_new_privileges = true,
            ("no-new-privileges", Some("false")) => self.no_new_privileges = false,
            ("seccomp", Some("unconfined")) => self.seccomp = Seccomp::Unconfined,
            ("seccomp", Some("builtin")) => self.seccomp = Seccomp::Default,
            ("seccomp", Some(file)) if !file.is_empty() => self.seccomp = Seccomp::Profile((host.profile)(file)?),
            // Containers are never confined by label: asking for that changes nothing.
            ("label", Some("disable")) | ("apparmor", Some("unconfined")) => {}
            ("label", Some(_)) if !host.has_selinux => {}
            ("label" | "apparmor" | "systempaths" | "mask" | "unmask" | "proc-opts", Some(_)) => {
                return Err(Error::unsupported(format!("security option `{}` is not supported", text::clean(option)))
                    .hint("`no-new-privileges`, `seccomp=FILE`, `seccomp=unconfined`, `label=disable` and `apparmor=unconfined` are"));
            }
            _ => return Err(Error::usage(format!("invalid security option: `{}`", text::clean(option)))),
        }
        Ok(())
    }
}

/// The seccomp filter of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seccomp {
    /// docker's default profile.
    #[default]
    Default,
    /// None.
    Unconfined,
    /// The text of a profile file, read when the container was created.
    Profile(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(options: &[&str], has_selinux: bool) -> Result<Security> {
        let host = SecurityHost { profile: &|file| Ok(format!("text of {file}")), has_selinux };
        let mut security = Security::default();
        options.iter().try_for_each(|option| security.set(option, &host))?;
        Ok(security)
    }

    #[test]
    fn capabilities_follow_from_what_was_asked() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).into()).collect::<Vec<String>>();
        assert_eq!(Security::new(&[], &[], false).unwrap(), Security::default());
        let none = Security::new(&[], &names(&["all"]), false).unwrap();
        assert_eq!((none.capabilities, none.cap_drop), (CapSet::EMPTY, names(&["all"])));
        assert_eq!(Security::new(&[], &names(&["all"]), true).unwrap().capabilities, CapSet::ALL);
        assert!(Security::new(&names(&["fly"]), &[], false).is_err());
    }

    #[test]
    fn options_are_dockers() {
        let plain = Security::default();
        let no_new = Security { no_new_privileges: true, ..plain.clone() };
        let with = |seccomp| Security { seccomp, ..Security::default() };
        for (options, expected) in [
            (&["no-new-privileges"][..], &no_new),
            (&["no-new-privileges:true"], &no_new),
            (&["no-new-privileges=true", "no-new-privileges=false"], &plain),
            (&["seccomp=unconfined"], &with(Seccomp::Unconfined)),
            (&["seccomp=unconfined", "seccomp=builtin"], &plain),
            (&["seccomp=p.json"], &with(Seccomp::Profile("text of p.json".into()))),
            (&["label=disable", "apparmor=unconfined"], &plain),
        ] {
            assert_eq!(apply(options, true).unwrap(), *expected, "{options:?}");
        }
        assert!(apply(&["label=type:x"], false).is_ok() && apply(&["label=type:x"], true).is_err());
        for (bad, reason) in [
            ("apparmor=strict", "is not supported"),
            ("frob", "invalid security option: `frob`"),
            ("seccomp=", "invalid security option"),
            ("no-new-privileges=maybe", "invalid security option"),
        ] {
            assert!(apply(&[bad], true).unwrap_err().message().contains(reason), "{bad}");
        }
    }
}
