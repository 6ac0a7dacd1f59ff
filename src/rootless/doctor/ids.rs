//! More than one id: newuidmap and newgidmap, /etc/subuid and /etc/subgid, and whether a map can really be written.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Check;
use super::machine::{Machine, Packages, read, shell_path};
use super::probe::unshare_user;
use crate::base::{process, text};
use crate::rootless::accounts::{SubidEntry, accounts, subid_entries, subid_ranges};
use crate::spec::idmap::IdMap;
use crate::sys::process::{Forked, exit_now, fork};

const HELPERS: &str = "id-map helpers";
const RANGES: &str = "subordinate ids";
const MAPS: &str = "id maps";

/// How many ids an image may expect: 0 to 65535 without the user's own, which is 0 already.
const RECOMMENDED: u64 = 65_536;

/// Where distributions begin to give out subordinate ids (`SUB_UID_MIN` of login.defs(5)).
const FIRST_SUBID: u32 = 100_000;

/// All checks of this file. The real root needs none of it.
pub fn all(machine: &Machine) -> Vec<Check> {
    if machine.real_root {
        return [HELPERS, RANGES, MAPS].map(|name| Check::ok(name, "not needed: this is root")).into();
    }
    let helpers = ["newuidmap", "newgidmap"].map(|name| Helper::find(machine, name));
    let (subuid, subgid) = (read("/etc/subuid"), read("/etc/subgid"));
    vec![
        judge_helpers(&helpers, machine.packages, machine.status_field("NoNewPrivs") == Some("1")),
        judge_ranges(machine, &subuid, &subgid, &read("/etc/passwd")),
        try_maps(machine, &subuid, &subgid),
    ]
}

/// What newuidmap or newgidmap is like.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Helper {
    name: &'static str,
    /// `None` when it is not installed.
    path: Option<PathBuf>,
    /// Whether it runs as root (setuid) or with a file capability.
    privileged: bool,
    /// Whether its file system is mounted nosuid, which voids both.
    nosuid: bool,
}

impl Helper {
    fn find(machine: &Machine, name: &'static str) -> Self {
        let path = machine.find_program(name);
        let file = path.as_deref().and_then(|path| fs::metadata(path).ok());
        let setuid = file.is_some_and(|file| file.permissions().mode() & 0o4000 != 0 && file.uid() == 0);
        let capable = |path: &Path| {
            let mut value = [0u8; 64];
            rustix::fs::getxattr(path, "security.capability", &mut value).is_ok_and(|length| length > 0)
        };
        let nosuid = |path: &Path| {
            rustix::fs::statvfs(path).is_ok_and(|system| system.f_flag.contains(rustix::fs::StatVfsMountFlags::NOSUID))
        };
        Self {
            name,
            privileged: setuid || path.as_deref().is_some_and(capable),
            nosuid: path.as_deref().is_some_and(nosuid),
            path,
        }
    }
}

/// Judges both helpers; the first problem is reported.
fn judge_helpers(helpers: &[Helper], packages: Packages, no_new_privileges: bool) -> Check {
    for helper in helpers {
        let Some(path) = &helper.path else {
            return Check::failed(HELPERS, format!("`{}` is not installed", helper.name))
                .fix(packages.install_uidmap());
        };
        let shown = path.display();
        if !helper.privileged {
            return Check::failed(HELPERS, format!("`{shown}` is neither setuid root nor has file capabilities"))
                .fix(format!("sudo chown root {0} && sudo chmod u+s {0}", shell_path(path)));
        }
        if helper.nosuid {
            return Check::failed(HELPERS, format!("`{shown}` has no power: its file system is mounted nosuid"))
                .fix(format!("sudo mount -o remount,suid \"$(df --output=target {} | tail -1)\"", shell_path(path)));
        }
    }
    if no_new_privileges {
        return Check::failed(
            HELPERS,
            "this session has `no_new_privs` set, so setuid programs do not work: start coracle from a login, not from a sandbox or a service with NoNewPrivileges=yes",
        );
    }
    Check::ok(HELPERS, "newuidmap and newgidmap are installed and privileged")
}

/// Judges the ranges of both files.
fn judge_ranges(machine: &Machine, subuid: &str, subgid: &str, passwd: &str) -> Check {
    let count = |text: &str| {
        subid_ranges(text, machine.name.as_deref(), machine.uid).iter().map(|range| u64::from(range.count)).sum::<u64>()
    };
    let (uids, gids) = (count(subuid), count(subgid));
    let user = machine.user();
    let fix = || add_range(machine, subuid, subgid, passwd);
    match uids.min(gids) {
        0 => {
            let files = match (uids, gids) {
                (0, 0) => "/etc/subuid and /etc/subgid give",
                (0, _) => "/etc/subuid gives",
                _ => "/etc/subgid gives",
            };
            let check = Check::failed(RANGES, format!("{files} the user `{}` no ids", text::clean(&user)));
            fix().into_iter().fold(check, Check::fix)
        }
        few if few < RECOMMENDED => {
            let check = Check::warning(
                RANGES,
                format!("only {few} ids: images with files of higher ids cannot be unpacked; {RECOMMENDED} are usual"),
            );
            fix().into_iter().fold(check, Check::fix)
        }
        _ => Check::ok(RANGES, format!("{uids} user ids and {gids} group ids")),
    }
}

/// The command that gives the user a range that nobody has.
fn add_range(machine: &Machine, subuid: &str, subgid: &str, passwd: &str) -> Option<String> {
    let entries: Vec<SubidEntry> = subid_entries(subuid).chain(subid_entries(subgid)).collect();
    let uids: Vec<u32> = accounts(passwd).map(|account| account.uid).collect();
    let start = free_range(&entries, &uids)?;
    let end = u64::from(start) + RECOMMENDED - 1;
    Some(match (&machine.name, machine.packages) {
        // usermod(8) knows local accounts only; Alpine has none by default.
        (Some(name), packages) if packages != Packages::Apk => {
            format!("sudo usermod --add-subuids {start}-{end} --add-subgids {start}-{end} {name}")
        }
        _ => format!("echo {}:{start}:{RECOMMENDED} | sudo tee -a /etc/subuid /etc/subgid", machine.user()),
    })
}

/// The lowest start of [`RECOMMENDED`] ids, in steps of that size from [`FIRST_SUBID`], that touches no range and no
/// account. Distributions give ranges out in the same steps.
fn free_range(entries: &[SubidEntry], uids: &[u32]) -> Option<u32> {
    let taken = |start: u32| {
        let end = u64::from(start) + RECOMMENDED;
        let overlaps = |entry: &SubidEntry| {
            u64::from(entry.range.start) < end
                && u64::from(entry.range.start) + u64::from(entry.range.count) > u64::from(start)
        };
        entries.iter().any(overlaps) || uids.iter().any(|&uid| uid >= start && u64::from(uid) < end)
    };
    // Half of the id space: systemd and others give out the upper half (uid_t is signed in places).
    (FIRST_SUBID..0x7fff_0000).step_by(RECOMMENDED as usize).find(|&start| !taken(start))
}

/// Writes the real maps of the user to a user namespace that ends with the trial.
fn try_maps(machine: &Machine, subuid: &str, subgid: &str) -> Check {
    let name = machine.name.as_deref();
    let uid_map = IdMap::for_user(machine.uid, &subid_ranges(subuid, name, machine.uid));
    let gid_map = IdMap::for_user(machine.gid, &subid_ranges(subgid, name, machine.uid));
    let (Some(newuidmap), Some(newgidmap)) = (machine.find_program("newuidmap"), machine.find_program("newgidmap"))
    else {
        return Check::failed(MAPS, "not tried: needs newuidmap and newgidmap");
    };
    if uid_map.extents.len() < 2 || gid_map.extents.len() < 2 {
        return Check::failed(MAPS, "not tried: needs subordinate ids");
    }
    match with_user_namespace(|pid| {
        run_helper(&newuidmap, pid, &uid_map)?;
        run_helper(&newgidmap, pid, &gid_map)
    }) {
        Ok(Some(Ok(()))) => Check::ok(MAPS, format!("{} user ids can be mapped", uid_map.len())),
        Ok(Some(Err(said))) => Check::failed(MAPS, said),
        Ok(None) => Check::failed(MAPS, "not tried: needs user namespaces"),
        Err(error) => Check::failed(MAPS, format!("cannot start a process to try: {error}")),
    }
}

/// Runs newuidmap or newgidmap on a process; the error is what it said.
fn run_helper(program: &Path, pid: i32, map: &IdMap) -> Result<(), String> {
    let output = Command::new(program)
        .arg(pid.to_string())
        .args(map.to_args())
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run `{}`: {error}", program.display()))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(text::clean(String::from_utf8_lossy(&output.stderr).trim()).into_owned()),
    }
}

/// Calls `act` with the pid of a child that waits in a new user namespace; `None` when it could not make one.
fn with_user_namespace<T>(act: impl FnOnce(i32) -> T) -> io::Result<Option<T>> {
    let (mut ready_out, mut ready_in) = io::pipe()?;
    let (mut end_out, end_in) = io::pipe()?;
    match fork()? {
        Forked::Child => {
            drop(end_in);
            if unshare_user().is_ok() && ready_in.write_all(&[1]).is_ok() {
                let _ = end_out.read(&mut [0]);
            }
            exit_now(0);
        }
        Forked::Parent(child) => {
            drop(ready_in);
            let ready = ready_out.read(&mut [0]);
            let result = match ready {
                Ok(1) => Ok(Some(act(child))),
                Ok(_) => Ok(None),
                Err(error) => Err(error),
            };
            drop(end_in);
            process::wait(child)?;
            result
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::super::machine::tests::someone;
    use super::*;

    fn helper(name: &'static str) -> Helper {
        Helper { name, path: Some(PathBuf::from("/usr/bin").join(name)), privileged: true, nosuid: false }
    }

    #[test]
    fn each_fault_of_a_helper_has_its_fix() {
        let good = [helper("newuidmap"), helper("newgidmap")];
        assert_eq!(judge_helpers(&good, Packages::Apt, false).status, Status::Ok);
        let missing = Helper { path: None, privileged: false, ..helper("newgidmap") };
        let weak = Helper { privileged: false, ..helper("newuidmap") };
        let nosuid = Helper { nosuid: true, ..helper("newuidmap") };
        for (bad, packages, detail, fix) in [
            (missing.clone(), Packages::Apt, "`newgidmap` is not installed", "sudo apt-get install -y uidmap"),
            (missing.clone(), Packages::Dnf, "not installed", "sudo dnf install -y shadow-utils"),
            (missing, Packages::Apk, "not installed", "sudo apk add shadow-uidmap"),
            (
                weak,
                Packages::Apt,
                "neither setuid root",
                "sudo chown root /usr/bin/newuidmap && sudo chmod u+s /usr/bin/newuidmap",
            ),
            (
                nosuid,
                Packages::Apt,
                "nosuid",
                "sudo mount -o remount,suid \"$(df --output=target /usr/bin/newuidmap | tail -1)\"",
            ),
        ] {
            let check = judge_helpers(&[helper("newuidmap"), bad], packages, false);
            assert_eq!((check.status, check.fix.as_deref()), (Status::Failed, Some(fix)));
            assert!(check.detail.contains(detail), "{}", check.detail);
        }
        assert!(judge_helpers(&good, Packages::Apt, true).detail.contains("no_new_privs"));
    }

    #[test]
    fn ranges_are_judged_and_a_free_one_is_found() {
        let me = "me:100000:65536\n";
        let other = "other:100000:65536\nthird:165536:65536\n";
        let judge = |machine: &Machine, subuid: &str, subgid: &str| judge_ranges(machine, subuid, subgid, "");
        assert_eq!(judge(&someone(), me, me).status, Status::Ok);
        let none = judge(&someone(), other, "");
        assert_eq!(none.status, Status::Failed);
        assert_eq!(
            none.fix.as_deref(),
            Some("sudo usermod --add-subuids 231072-296607 --add-subgids 231072-296607 me")
        );
        assert!(judge(&someone(), me, other).detail.starts_with("/etc/subgid gives the user `me` no ids"));
        let few = judge(&someone(), "1000:100000:1000\n", "me:100000:65536\n");
        assert_eq!(few.status, Status::Warning);
        assert!(few.fix.is_some_and(|fix| fix.contains("165536-231071")));
        let directory_user = Machine { name: None, ..someone() };
        let fix = judge(&directory_user, "", "").fix;
        assert_eq!(fix.as_deref(), Some("echo 1000:100000:65536 | sudo tee -a /etc/subuid /etc/subgid"));
        let alpine = Machine { packages: Packages::Apk, ..someone() };
        assert!(judge(&alpine, "", "").fix.is_some_and(|fix| fix.starts_with("echo me:")));
    }

    #[test]
    fn a_free_range_touches_nothing() {
        let entries = |text: &str| subid_entries(text).collect::<Vec<_>>();
        assert_eq!(free_range(&[], &[]), Some(100_000));
        assert_eq!(free_range(&entries("a:0:100001\n"), &[]), Some(165_536));
        assert_eq!(free_range(&entries("a:165535:1\n"), &[]), Some(165_536));
        assert_eq!(free_range(&entries("a:165536:1\n"), &[165_535]), Some(231_072));
        assert_eq!(free_range(&entries("a:100000:4000000000\n"), &[]), None);
    }

    #[test]
    fn a_waiting_child_has_its_own_user_namespace() {
        let own = fs::read_link("/proc/self/ns/user").unwrap();
        let other = with_user_namespace(|pid| fs::read_link(format!("/proc/{pid}/ns/user")).unwrap()).unwrap();
        assert_ne!(other, Some(own));
    }
}
