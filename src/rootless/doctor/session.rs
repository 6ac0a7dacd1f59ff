//! What else of a laptop keeps containers from working: the end of the session, names that do not resolve, a wrong clock, a
//! security module, and Windows below.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::Check;
use super::machine::{Machine, read};

const LINGER: &str = "lingering";
const RESOLVER: &str = "resolver";
const CLOCK: &str = "clock";
const SELINUX: &str = "selinux";
const WSL: &str = "windows";

/// A time before which no clock can be right: the first of January 2026.
const BUILT: u64 = 1_767_225_600;

/// All checks of this file.
pub fn all(machine: &Machine) -> Vec<Check> {
    let mut checks = Vec::new();
    if Path::new("/run/systemd/system").is_dir() && !machine.real_root {
        let lingers = fs::symlink_metadata(Path::new("/var/lib/systemd/linger").join(machine.user())).is_ok();
        checks.push(judge_linger(lingers));
    }
    checks.push(judge_resolver(&read("/etc/resolv.conf")));
    checks.push(judge_clock(SystemTime::now()));
    checks.extend(judge_selinux(&read("/sys/fs/selinux/enforce")));
    checks.extend(judge_wsl(&machine.release));
    checks
}

/// Containers end with the session unless the user lingers.
fn judge_linger(lingers: bool) -> Check {
    match lingers {
        true => Check::ok(LINGER, "containers stay when you log out"),
        // Nothing is broken: it is what a laptop has, and what a server should not.
        false => Check::ok(LINGER, "containers end when you log out; `coracle system linger on` keeps them"),
    }
}

fn judge_resolver(resolv_conf: &str) -> Check {
    let servers: Vec<&str> = resolv_conf
        .lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver"))
        .map(str::trim)
        .filter(|server| !server.is_empty())
        .collect();
    match servers.as_slice() {
        [] => Check::warning(RESOLVER, "/etc/resolv.conf names no server: names of registries cannot be looked up"),
        servers => Check::ok(RESOLVER, format!("names are asked of {}", servers.join(", "))),
    }
}

/// A clock that is years behind makes every certificate invalid.
fn judge_clock(now: SystemTime) -> Check {
    match now.duration_since(UNIX_EPOCH).map(|since| since.as_secs()) {
        Ok(seconds) if seconds >= BUILT => Check::ok(CLOCK, "the clock is not behind"),
        _ => Check::warning(CLOCK, "the clock is far behind: certificates of registries are not valid yet")
            .fix("sudo timedatectl set-ntp true"),
    }
}

fn judge_selinux(enforce: &str) -> Option<Check> {
    match enforce.trim() {
        "1" => Some(Check::ok(SELINUX, "enforcing; containers run with your own label, `-v …:z` changes nothing")),
        "0" => Some(Check::ok(SELINUX, "permissive")),
        _ => None,
    }
}

/// The Windows Subsystem for Linux, by the kernel's release.
fn judge_wsl(release: &str) -> Option<Check> {
    let release = release.to_ascii_lowercase();
    if !release.contains("microsoft") {
        return None;
    }
    Some(match release.contains("wsl2") {
        true => Check::ok(WSL, "WSL 2; files below /mnt are slow and have no owners of their own"),
        false => Check::failed(WSL, "WSL 1 has no Linux kernel: containers cannot run")
            .fix("wsl.exe --set-version $WSL_DISTRO_NAME 2"),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::rootless::doctor::Status;

    #[test]
    fn sessions_are_judged() {
        assert_eq!(judge_linger(false).status, Status::Ok);
        assert_eq!(judge_resolver("# x\nsearch a\n").status, Status::Warning);
        assert_eq!(
            judge_resolver("nameserver 127.0.0.53\nnameserver ::1\n").detail,
            "names are asked of 127.0.0.53, ::1"
        );
        let behind = judge_clock(UNIX_EPOCH + Duration::from_secs(1));
        assert!(behind.status == Status::Warning && behind.fix.is_some());
        assert_eq!(judge_clock(UNIX_EPOCH + Duration::from_secs(BUILT + 1)).status, Status::Ok);
        assert_eq!(judge_wsl("6.1.0-13-amd64"), None);
        assert_eq!(judge_wsl("5.15.90.1-microsoft-standard-WSL2").unwrap().status, Status::Ok);
        assert_eq!(judge_wsl("4.4.0-19041-Microsoft").unwrap().status, Status::Failed);
        assert_eq!(judge_selinux(""), None);
        assert!(judge_selinux("1\n").is_some());
    }
}
