//! Control groups: version 2, and which controllers the user may use.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Check;
use super::machine::{Machine, Packages, read};
use crate::spec::cgroups::DELEGATE;

const NAME: &str = "cgroups";
const MOUNT: &str = "/sys/fs/cgroup";

/// `CGROUP2_SUPER_MAGIC`
const CGROUP2: u64 = 0x6367_7270;

/// What docker's limits need: `--cpus`, `--memory`, `--pids-limit`.
const NEEDED: [&str; 3] = ["cpu", "memory", "pids"];

/// The controllers of the other limits, and these limits. Many distributions do not delegate them.
const OTHERS: [(&str, &str); 2] = [("cpuset", "`--cpuset-cpus`"), ("io", "`--device-read-bps` and `--blkio-weight`")];

/// All checks of this file.
pub fn all(machine: &Machine) -> Vec<Check> {
    let version_2 = rustix::fs::statfs(MOUNT).is_ok_and(|system| system.f_type as u64 & 0xffff_ffff == CGROUP2);
    let uid = machine.uid;
    let manager = format!("{MOUNT}/user.slice/user-{uid}.slice/user@{uid}.service");
    let own = own_group(&read("/proc/self/cgroup"));
    vec![judge(&Groups {
        version_2,
        systemd: Path::new("/run/systemd/system").is_dir(),
        manager: controllers(Path::new(&manager)),
        own: own.filter(|group| writable(group)).as_deref().and_then(|group| controllers(Path::new(group))),
        root: machine.real_root,
        packages: machine.packages,
        user: machine.user(),
    })]
}

/// The directory of the control group that `/proc/self/cgroup` names.
fn own_group(text: &str) -> Option<String> {
    let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    (!path.split('/').any(|part| part == "..")).then(|| format!("{MOUNT}{}", path.trim_end_matches('/')))
}

/// Whether the group is this user's to divide.
fn writable(group: &str) -> bool {
    let mine = |path: String| rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok();
    mine(format!("{group}/cgroup.procs"))
        && mine(format!("{group}/cgroup.subtree_control"))
        && fs::metadata(group).is_ok_and(|file| file.uid() == rustix::process::geteuid().as_raw())
}

/// The controllers of a group.
fn controllers(group: &Path) -> Option<Vec<String>> {
    let text = fs::read_to_string(group.join("cgroup.controllers")).ok()?;
    Some(text.split_ascii_whitespace().map(String::from).collect())
}

/// What was found.
struct Groups {
    version_2: bool,
    systemd: bool,
    /// The controllers of systemd's manager of this user, if it runs.
    manager: Option<Vec<String>>,
    /// Those of our own group, if we may divide it.
    own: Option<Vec<String>>,
    root: bool,
    packages: Packages,
    user: String,
}

fn judge(groups: &Groups) -> Check {
    let useless = "`--memory`, `--cpus` and `--pids-limit` do not work";
    if !groups.version_2 {
        let check = Check::warning(NAME, format!("this machine does not use cgroup v2 alone: {useless}"));
        return groups.packages.unified_cgroups(groups.systemd).into_iter().fold(check, Check::fix);
    }
    let Some(available) = groups.manager.as_ref().or(groups.own.as_ref()) else {
        let check = Check::warning(NAME, format!("no control group is delegated to you: {useless}"));
        return match (groups.systemd, groups.root) {
            (true, false) => check.fix(format!(
                "sudo loginctl enable-linger {}   # and log in through the console, a display manager or ssh, not su",
                groups.user
            )),
            _ => check,
        };
    };
    let missing: Vec<&str> =
        NEEDED.into_iter().filter(|needed| !available.iter().any(|controller| controller == needed)).collect();
    if missing.is_empty() {
        let others = OTHERS.iter().filter(|(other, _)| !available.iter().any(|controller| controller == other));
        let lacks: Vec<String> =
            others.map(|(other, options)| format!("; {options} cannot be used: {other} is not")).collect();
        return Check::ok(NAME, format!("v2, delegated: {}{}", available.join(" "), lacks.concat()));
    }
    let options: Vec<&str> = missing
        .iter()
        .map(|controller| match *controller {
            "cpu" => "`--cpus`",
            "memory" => "`--memory`",
            _ => "`--pids-limit`",
        })
        .collect();
    let check =
        Check::warning(NAME, format!("not delegated: {}; {} cannot be used", missing.join(" "), options.join(" and ")));
    match groups.manager.is_some() {
        true => check.fix(DELEGATE),
        false => check,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    fn groups() -> Groups {
        Groups {
            version_2: true,
            systemd: true,
            manager: Some("cpu cpuset io memory pids".split(' ').map(String::from).collect()),
            own: None,
            root: false,
            packages: Packages::Dnf,
            user: "me".into(),
        }
    }

    #[test]
    fn delegation_is_judged() {
        let some = |names: &str| Some(names.split(' ').map(String::from).collect());
        assert_eq!(judge(&groups()).status, Status::Ok);
        let debian = judge(&Groups { manager: None, own: some("cpu memory pids"), ..groups() });
        assert_eq!(debian.status, Status::Ok);
        assert!(debian.detail.contains("`--cpuset-cpus` cannot be used: cpuset is not"), "{}", debian.detail);
        assert_eq!(judge(&groups()).detail, "v2, delegated: cpu cpuset io memory pids");
        for (groups, detail, fix) in [
            (
                Groups { version_2: false, ..groups() },
                "cgroup v2",
                Some("sudo grubby --update-kernel=ALL --args=systemd.unified_cgroup_hierarchy=1"),
            ),
            (
                Groups { manager: None, ..groups() },
                "no control group is delegated",
                Some("sudo loginctl enable-linger me"),
            ),
            (Groups { version_2: false, systemd: false, ..groups() }, "cgroup v2", None),
            (
                Groups { version_2: false, systemd: false, packages: Packages::Apk, ..groups() },
                "cgroup v2",
                Some("echo 'rc_cgroup_mode="),
            ),
            (Groups { manager: None, systemd: false, ..groups() }, "no control group is delegated", None),
            (
                Groups { manager: some("memory pids"), ..groups() },
                "not delegated: cpu; `--cpus` cannot be used",
                Some(
                    "sudo mkdir -p /etc/systemd/system/user@.service.d && printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n'",
                ),
            ),
            (Groups { manager: None, own: some("pids"), ..groups() }, "not delegated: cpu memory", None),
        ] {
            let check = judge(&groups);
            assert_eq!(check.status, Status::Warning);
            assert!(check.detail.contains(detail), "{}", check.detail);
            match fix {
                Some(start) => assert!(check.fix.as_deref().unwrap().starts_with(start), "{check:?}"),
                None => assert_eq!(check.fix, None),
            }
        }
    }

    #[test]
    fn the_own_group() {
        assert_eq!(own_group("0::/user.slice/x\n").as_deref(), Some("/sys/fs/cgroup/user.slice/x"));
        assert_eq!(own_group("12:pids:/a\n0::/\n").as_deref(), Some("/sys/fs/cgroup"));
        assert_eq!(own_group("0::/../x"), None);
        assert_eq!(own_group("12:pids:/a\n"), None);
    }
}
