//! What the processes of a container may do. Needs no decision against image or machine: the same value is asked for and
//! kept.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::capabilities::CapSet;
use super::ids::parse_id;
use crate::base::{Error, Result, text};

/// Hidden by docker (moby's `oci/defaults.go`, a published list).
pub const MASKED: &[&str] = &[
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];

/// Read-only in docker (the same source).
pub const READ_ONLY: &[&str] = &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

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
    /// Devices of the host (`--device`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<Device>,
    /// Devices of CDI by their names (`--device VENDOR/CLASS=NAME`, `--gpus`): what they stand for is looked up at each start.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cdi: Vec<String>,
    /// `--device-cgroup-rule`. They allow, and nothing is forbidden here: see [`device_rule`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub device_rules: Vec<String>,
    /// Settings of the kernel in the container's own namespaces, by name with dots (`--sysctl`).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctls: BTreeMap<String, String>,
    /// Files of `/proc` and `/sys` to hide, beyond [`MASKED`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mask: Vec<String>,
    /// Those of [`MASKED`] and [`READ_ONLY`] that are left as they are: `ALL`, paths, or paths that end with `/*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unmask: Vec<String>,
    /// Options of `/proc` (proc(5)), a word each: `hidepid=2`, `subset=pid`, `gid=…`, and flags of its mount.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub proc_options: Vec<String>,
}

/// A device of the host in the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// On the host, absolute: a device, or a directory with devices.
    pub host: PathBuf,
    /// In the container, absolute.
    pub path: String,
}

impl FromStr for Device {
    type Err = Error;

    /// `HOST[:CONTAINER][:PERMISSIONS]`. What a process may do with a device is decided by its owner and mode: an
    /// unprivileged user cannot set the kernel's device filter, so that permissions which take something away are refused.
    fn from_str(given: &str) -> Result<Self> {
        let shown = text::clean(given);
        let is_mode = |part: &&str| !part.is_empty() && part.bytes().all(|byte| b"rwm".contains(&byte));
        let parts: Vec<&str> = given.split(':').collect();
        let (host, path, mode) = match parts.as_slice() {
            [host] => (*host, *host, None),
            [host, mode] if is_mode(mode) => (*host, *host, Some(*mode)),
            [host, path] => (*host, *path, None),
            [host, path, mode] if is_mode(mode) => (*host, *path, Some(*mode)),
            _ => return Err(Error::usage(format!("bad mode specified or bad format of the device: `{shown}`"))),
        };
        if !host.starts_with('/') || !path.starts_with('/') {
            return Err(Error::usage(format!("the device `{shown}` is not an absolute path")));
        }
        if mode.is_some_and(|mode| !(mode.contains('r') && mode.contains('w'))) {
            return Err(Error::unsupported(format!(
                "the permissions of the device `{shown}` cannot be enforced without root"
            ))
            .hint("leave them out: owner and mode of the device decide who may use it"));
        }
        Ok(Self { host: host.into(), path: path.to_owned() })
    }
}

/// One `--device-cgroup-rule`: `TYPE MAJOR:MINOR PERMISSIONS`. Such a rule takes devices off the list of those that docker
/// forbids. An unprivileged user cannot forbid any: the owner and the mode of a device decide, so that what a rule allows is
/// allowed already.
pub fn device_rule(given: &str) -> Result<String> {
    let number = |word: &str| word == "*" || (!word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()));
    let mut words = given.split(' ');
    let (kind, numbers, mode) = (words.next(), words.next().and_then(|it| it.split_once(':')), words.next());
    let sound = matches!(kind, Some("a" | "b" | "c"))
        && numbers.is_some_and(|(major, minor)| number(major) && number(minor))
        && mode.is_some_and(|mode| (1..=3).contains(&mode.len()) && mode.bytes().all(|byte| b"rwm".contains(&byte)))
        && words.next().is_none();
    match sound {
        true => Ok(given.to_owned()),
        false => Err(Error::usage(format!("invalid device cgroup format '{}'", text::clean(given)))
            .hint("such as 'c 189:* rmw': the type a, b or c, the numbers or *, and what is allowed")),
    }
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
            devices: Vec::new(),
            cdi: Vec::new(),
            device_rules: Vec::new(),
            sysctls: BTreeMap::new(),
            mask: Vec::new(),
            unmask: Vec::new(),
            proc_options: Vec::new(),
        }
    }
}

/// What the grammar of `--security-opt` has to know of the machine.
pub struct SecurityHost<'a> {
    /// Reads the seccomp profile in a file.
    pub profile: &'a dyn Fn(&str) -> Result<String>,
    /// Whether SELinux is there.
    pub has_selinux: bool,
    /// Whether AppArmor is there.
    pub has_apparmor: bool,
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
            // Containers are never confined by label or profile: asking for that changes nothing.
            ("label", Some("disable" | "nested")) | ("apparmor", Some("unconfined")) => {}
            ("label", Some(_)) if !host.has_selinux => {}
            ("apparmor", Some(profile)) if !host.has_apparmor => {
                return Err(Error::unsupported(format!(
                    "cannot confine the container by the profile `{}`: this machine has no AppArmor",
                    text::clean(profile)
                ))
                .hint("leave the option out; the container has its seccomp filter and its namespaces all the same"));
            }
            // docker's word for podman's `unmask=ALL`.
            ("systempaths", Some("unconfined")) => self.unmask.push(EVERYTHING.into()),
            ("unmask", Some(paths)) if !paths.is_empty() => self.unmask.extend(paths.split(':').map(String::from)),
            ("mask", Some(paths)) if !paths.is_empty() => {
                for path in paths.split(':') {
                    let below = ["/proc/", "/sys/"].iter().find_map(|root| path.strip_prefix(root));
                    if below.is_none_or(|rest| rest.split('/').any(|part| matches!(part, "" | "." | ".."))) {
                        return Err(Error::unsupported(format!("cannot mask `{}`", text::clean(path)))
                            .hint("paths in /proc and /sys can be masked; a mount hides others: -v /dev/null:PATH"));
                    }
                    self.mask.push(path.to_owned());
                }
            }
            ("proc-opts", Some(words)) if !words.is_empty() => {
                for word in words.split(',') {
                    self.proc_options.push(proc_option(word)?);
                }
            }
            ("label" | "apparmor" | "systempaths", Some(_)) => {
                return Err(Error::unsupported(format!("security option `{}` is not supported", text::clean(option)))
                    .hint("`no-new-privileges`, `seccomp=FILE`, `seccomp=unconfined`, `systempaths=unconfined`, `mask=PATH`, `unmask=PATH`, `proc-opts=OPTIONS`, `label=disable` and `apparmor=unconfined` are"));
            }
            _ => return Err(Error::usage(format!("invalid security option: `{}`", text::clean(option)))),
        }
        Ok(())
    }
}

impl Security {
    /// The files of `/proc` and `/sys` that are hidden.
    pub fn masked(&self) -> Vec<String> {
        let usual = if self.privileged { &[][..] } else { MASKED };
        let usual = usual.iter().filter(|path| !self.unmasks(path)).map(|path| (*path).to_owned());
        usual.chain(self.mask.iter().cloned()).collect()
    }

    /// Those that nobody may write to.
    pub fn read_only(&self) -> Vec<String> {
        let usual = if self.privileged { &[][..] } else { READ_ONLY };
        usual.iter().filter(|path| !self.unmasks(path)).map(|path| (*path).to_owned()).collect()
    }

    fn unmasks(&self, path: &str) -> bool {
        self.unmask.iter().any(|given| match given.strip_suffix("/*") {
            _ if given.eq_ignore_ascii_case(EVERYTHING) => true,
            Some(directory) => path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/')),
            None => given == path,
        })
    }
}

/// One option of `/proc` that the kernel knows (proc(5), since Linux 5.8), or a flag of its mount.
fn proc_option(word: &str) -> Result<String> {
    const HIDEPID: [&str; 8] = ["0", "1", "2", "4", "off", "noaccess", "invisible", "ptraceable"];
    const FLAGS: [&str; 8] = ["exec", "noexec", "suid", "nosuid", "dev", "nodev", "ro", "rw"];
    let known = match word.split_once('=') {
        Some(("hidepid", value)) => HIDEPID.contains(&value),
        Some(("subset", value)) => value == "pid",
        Some(("gid", value)) => parse_id(value)?.is_some() && value.bytes().all(|byte| byte.is_ascii_digit()),
        Some(_) => false,
        None => FLAGS.contains(&word),
    };
    match known {
        true => Ok(word.to_owned()),
        false => Err(Error::usage(format!("unknown option of /proc: `{}`", text::clean(word)))
            .hint("hidepid=0|1|2|4, gid=GID and subset=pid are, and flags of mounts such as noexec")),
    }
}

/// Of `unmask`.
const EVERYTHING: &str = "ALL";

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
        let host =
            SecurityHost { profile: &|file| Ok(format!("text of {file}")), has_selinux, has_apparmor: has_selinux };
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
    fn devices_are_named_as_docker_and_podman_have_it() {
        let device = |host: &str, path: &str| Some(Device { host: host.into(), path: path.into() });
        for (given, expected) in [
            ("/dev/fuse", device("/dev/fuse", "/dev/fuse")),
            ("/dev/fuse:rwm", device("/dev/fuse", "/dev/fuse")),
            ("/dev/sda:/dev/xvda", device("/dev/sda", "/dev/xvda")),
            ("/dev/sda:/dev/xvda:rw", device("/dev/sda", "/dev/xvda")),
            ("/dev/sda:/dev/xvda:r", None),
            ("/dev/sda:m", None),
            ("/dev/sda:xvda", None),
            ("fuse", None),
            ("vendor.com/net=eth0", None),
            ("/dev/snd/pcm*", device("/dev/snd/pcm*", "/dev/snd/pcm*")),
            ("/dev/a:/dev/b:rw:c", None),
            ("", None),
        ] {
            assert_eq!(given.parse::<Device>().ok(), expected, "{given}");
        }
    }

    #[test]
    fn rules_for_devices_are_dockers() {
        for rule in ["c 189:* rmw", "a *:* rwm", "b 8:0 r"] {
            assert_eq!(device_rule(rule).unwrap(), rule);
        }
        for bad in ["", "c 1:2", "d 1:2 r", "c 1 r", "c 1:x r", "c 1:2 x", "c 1:2 r r", "c :1 r", "c 1:2 "] {
            assert!(device_rule(bad).unwrap_err().message().contains("invalid device cgroup format"), "{bad}");
        }
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
        assert!(apply(&["apparmor=strict"], false).unwrap_err().message().contains("no AppArmor"));
        assert!(apply(&["label=type:x"], false).is_ok() && apply(&["label=type:x"], true).is_err());
        let masks = |options: &[&str]| {
            let security = apply(options, true).unwrap();
            (security.masked().len(), security.read_only().len())
        };
        let (hidden, fixed) = (MASKED.len(), READ_ONLY.len());
        assert_eq!(masks(&[]), (hidden, fixed));
        assert_eq!(masks(&["systempaths=unconfined"]), (0, 0));
        assert_eq!(masks(&["unmask=all", "mask=/proc/uptime"]), (1, 0));
        assert_eq!(masks(&["unmask=/proc/kcore:/proc/sys"]), (hidden - 1, fixed - 1));
        assert_eq!(masks(&["unmask=/sys/*"]), (hidden - 2, fixed));
        let opened = apply(&["proc-opts=hidepid=2,subset=pid", "proc-opts=gid=5,exec"], true).unwrap();
        assert_eq!(opened.proc_options, ["hidepid=2", "subset=pid", "gid=5", "exec"]);
        for (bad, reason) in [
            ("mask=/etc/passwd", "cannot mask"),
            ("mask=/proc/../etc", "cannot mask"),
            ("proc-opts=hidepid=3", "unknown option of /proc: `hidepid=3`"),
            ("proc-opts=hidepid=2,frob", "unknown option of /proc: `frob`"),
            ("proc-opts=", "invalid security option"),
            ("apparmor=strict", "is not supported"),
            ("frob", "invalid security option: `frob`"),
            ("seccomp=", "invalid security option"),
            ("no-new-privileges=maybe", "invalid security option"),
        ] {
            assert!(apply(&[bad], true).unwrap_err().message().contains(reason), "{bad}");
        }
    }
}
