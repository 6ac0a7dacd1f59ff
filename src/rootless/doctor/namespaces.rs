//! The kernel: its version, user namespaces, a fresh /proc, and seccomp.

use std::fs;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use super::Check;
use super::machine::{Machine, set_sysctl, sysctl};
use super::probe::{Refusal, errno_of, in_child, map_root, private_mounts, unshare_user};
use crate::base::text;

/// Overlayfs in a user namespace came with 5.11, its fixes and mount_setattr(2) by 5.13.
const OLDEST_KERNEL: (u32, u32) = (5, 11);
const GOOD_KERNEL: (u32, u32) = (5, 13);

const MAKE: &str = "make a user namespace";
const MAP: &str = "map root in a user namespace";
const MOUNT: &str = "mount in a user namespace";

/// The kernel's version.
pub fn kernel(machine: &Machine) -> Check {
    let name = "kernel";
    let release = text::clean(&machine.release);
    let mut numbers = machine.release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        return Check::warning(name, format!("cannot read the version `{release}`; 5.13 or newer is needed"));
    };
    match (major, minor) {
        version if version < OLDEST_KERNEL => Check::failed(
            name,
            format!("Linux {release} is too old: containers of an ordinary user need 5.11, better 5.13 or newer"),
        ),
        version if version < GOOD_KERNEL => Check::warning(
            name,
            format!("Linux {release} works in part: 5.13 or newer has what read-only mounts and overlayfs need"),
        ),
        _ => Check::ok(name, format!("Linux {release}")),
    }
}

/// What decides about user namespaces.
#[derive(Debug, Default)]
struct Settings {
    /// `kernel.unprivileged_userns_clone` of Debian's and Arch's hardened kernels.
    clone: Option<u64>,
    /// `user.max_user_namespaces`
    max: Option<u64>,
    /// `kernel.apparmor_restrict_unprivileged_userns` of Ubuntu 24.04.
    apparmor: Option<u64>,
    /// Whether a seccomp filter is on this process.
    filtered: bool,
    /// Whether the kernel knows user namespaces at all.
    built_in: bool,
    /// This program's file, for an AppArmor profile.
    program: String,
}

/// Tries to make a user namespace and to use it.
pub fn user_namespaces(machine: &Machine) -> Check {
    let (uid, gid) = (machine.uid, machine.gid);
    let refusal = in_child(&[
        (MAKE, &unshare_user),
        (MAP, &|| map_root(uid, gid)),
        (MOUNT, &|| {
            private_mounts()?;
            mount(Some("doctor"), "/proc", Some("tmpfs"), MsFlags::empty(), None::<&str>)
        }),
    ]);
    let settings = Settings {
        clone: sysctl("kernel/unprivileged_userns_clone"),
        max: sysctl("user/max_user_namespaces"),
        apparmor: sysctl("kernel/apparmor_restrict_unprivileged_userns"),
        filtered: machine.status_field("Seccomp") == Some("2"),
        built_in: Path::new("/proc/self/ns/user").exists(),
        program: fs::read_link("/proc/self/exe").map_or_else(|_| String::new(), |path| path.display().to_string()),
    };
    match refusal {
        Ok(refusal) => judge_user_namespaces(refusal, &settings),
        Err(error) => Check::failed("user namespaces", format!("cannot start a process to try: {error}")),
    }
}

/// Tells the causes apart.
fn judge_user_namespaces(refusal: Option<Refusal>, settings: &Settings) -> Check {
    let name = "user namespaces";
    let Some(refusal) = refusal else {
        return Check::ok(name, "can be made, mapped and mounted in");
    };
    let what = refusal.sentence();
    let failed = |why: &str| Check::failed(name, format!("{what}: {why}"));
    let denied = matches!(refusal.errno, Some(Errno::EPERM | Errno::EACCES) | None);
    if !settings.built_in {
        return failed("this kernel was built without them (CONFIG_USER_NS)");
    }
    if settings.clone == Some(0) && denied {
        return failed("switched off for ordinary users by kernel.unprivileged_userns_clone=0")
            .fix(set_sysctl("kernel.unprivileged_userns_clone=1"));
    }
    if settings.max == Some(0) || matches!(refusal.errno, Some(Errno::ENOSPC | Errno::EUSERS)) {
        return failed("user.max_user_namespaces is 0 or reached").fix(set_sysctl("user.max_user_namespaces=28633"));
    }
    if settings.apparmor == Some(1) && denied {
        return failed("AppArmor restricts them to programs with a profile").fix(apparmor_fix(&settings.program));
    }
    if settings.filtered && denied {
        return failed(
            "a system call filter is on this process, as in a container: start that container with `--security-opt seccomp=unconfined`",
        );
    }
    failed("a security module, a chroot or an outer container forbids it")
}

/// Installs an AppArmor profile that only says: this program may make user namespaces.
fn apparmor_fix(program: &str) -> String {
    // In a profile, a quote cannot be escaped, and `*?[]{}^` are patterns.
    let attached = match program.chars().any(|c| "\"'\\*?[]{}^%".contains(c) || c.is_control()) || program.is_empty() {
        true => "/usr/local/bin/coracle",
        false => program,
    };
    format!(
        r#"printf 'abi <abi/4.0>,\ninclude <tunables/global>\nprofile coracle "{attached}" flags=(unconfined) {{\n  userns,\n}}\n' | sudo tee /etc/apparmor.d/coracle && sudo apparmor_parser -r /etc/apparmor.d/coracle"#
    )
}

/// Tries to mount a fresh /proc, which the kernel refuses where the one around is partly hidden (mount_too_revealing).
pub fn procfs(machine: &Machine) -> Check {
    let (uid, gid) = (machine.uid, machine.gid);
    let inner = || {
        let mount_proc: &dyn Fn() -> Result<(), Errno> =
            &|| mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), None::<&str>);
        match in_child(&[("mount /proc", mount_proc)]).map_err(errno_of)? {
            Some(refusal) => Err(refusal.errno.unwrap_or(Errno::EIO)),
            None => Ok(()),
        }
    };
    let refusal = in_child(&[
        (MAKE, &unshare_user),
        (MAP, &|| map_root(uid, gid)),
        ("make a pid namespace", &|| {
            private_mounts()?;
            unshare(CloneFlags::CLONE_NEWPID)
        }),
        ("mount a fresh /proc", &inner),
    ]);
    match refusal {
        Ok(refusal) => judge_procfs(refusal),
        Err(error) => Check::failed("proc", format!("cannot start a process to try: {error}")),
    }
}

fn judge_procfs(refusal: Option<Refusal>) -> Check {
    match refusal {
        None => Check::ok("proc", "a fresh /proc can be mounted"),
        Some(refusal) if refusal.step == MAKE || refusal.step == MAP => {
            Check::failed("proc", "not tried: needs user namespaces")
        }
        Some(refusal) => Check::failed(
            "proc",
            format!(
                "{}: parts of the /proc here are hidden, as in a container; start that container with `--security-opt systempaths=unconfined` (docker) or `--security-opt unmask=ALL` (podman)",
                refusal.sentence()
            ),
        ),
    }
}

/// Whether the kernel has seccomp filters.
pub fn seccomp() -> Check {
    match fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail") {
        Ok(actions) if actions.split_ascii_whitespace().any(|action| action == "errno") => {
            Check::ok("seccomp", "system call filters are available")
        }
        _ => Check::failed(
            "seccomp",
            "this kernel has no system call filters (CONFIG_SECCOMP_FILTER): containers run only with `--security-opt seccomp=unconfined`",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::super::machine::tests::someone;
    use super::*;

    #[test]
    fn kernel_versions() {
        for (release, status) in [
            ("6.18.44-fc", Status::Ok),
            ("5.13.0", Status::Ok),
            ("5.12", Status::Warning),
            ("5.11.0-rc1", Status::Warning),
            ("5.10.0-8-amd64", Status::Failed),
            ("4.18.0-553.el8_10.x86_64", Status::Failed),
            ("strange", Status::Warning),
        ] {
            assert_eq!(kernel(&Machine { release: release.into(), ..someone() }).status, status, "{release}");
        }
    }

    #[test]
    fn the_causes_of_a_refusal_are_told_apart() {
        let settings = || Settings { built_in: true, program: "/opt/my boat/coracle".into(), ..Settings::default() };
        let refusal = |step, errno| Some(Refusal { step, errno: Some(errno) });
        for (refusal, settings, detail, fix) in [
            (
                refusal(MAKE, Errno::EPERM),
                Settings { clone: Some(0), ..settings() },
                "kernel.unprivileged_userns_clone=0",
                Some("kernel.unprivileged_userns_clone=1"),
            ),
            (
                refusal(MAKE, Errno::ENOSPC),
                Settings { max: Some(0), clone: Some(1), ..settings() },
                "user.max_user_namespaces",
                Some("user.max_user_namespaces=28633"),
            ),
            (
                refusal(MAP, Errno::EPERM),
                Settings { apparmor: Some(1), max: Some(9), ..settings() },
                "AppArmor",
                Some(r#"profile coracle "/opt/my boat/coracle" flags"#),
            ),
            (refusal(MAKE, Errno::EPERM), Settings { filtered: true, ..settings() }, "system call filter", None),
            (refusal(MAKE, Errno::EINVAL), Settings { built_in: false, ..settings() }, "CONFIG_USER_NS", None),
            (refusal(MOUNT, Errno::EACCES), settings(), "a security module, a chroot", None),
        ] {
            let check = judge_user_namespaces(refusal, &settings);
            assert_eq!(check.status, Status::Failed);
            assert!(check.detail.contains(detail), "{}", check.detail);
            match fix {
                Some(part) => assert!(check.fix.unwrap().contains(part)),
                None => assert_eq!(check.fix, None),
            }
        }
        assert_eq!(judge_user_namespaces(None, &settings()).status, Status::Ok);
        assert!(apparmor_fix("/home/o'neill/coracle").contains("\"/usr/local/bin/coracle\""));
    }

    #[test]
    fn a_filter_around_this_process_is_found_out() {
        let instruction = |code: u32, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf, k };
        let filter = [
            instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
            instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, libc::SYS_unshare as u32),
            instruction(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
            instruction(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
        ];
        // The filter goes with its thread.
        let check = std::thread::spawn(move || {
            nix::sys::prctl::set_no_new_privs().unwrap();
            crate::sys::process::set_seccomp_filter(&filter, 0).unwrap();
            user_namespaces(&Machine::read("/usr/bin".as_ref()))
        });
        let check = check.join().unwrap();
        assert_eq!(check.status, Status::Failed);
        let detail = "cannot make a user namespace (operation not permitted): a system call filter";
        assert!(check.detail.starts_with(detail), "{}", check.detail);
    }

    #[test]
    fn a_hidden_proc_is_explained() {
        let refusal = |step| Some(Refusal { step, errno: Some(Errno::EPERM) });
        assert!(judge_procfs(refusal("mount a fresh /proc")).detail.contains("unmask=ALL"));
        assert_eq!(judge_procfs(refusal(MAP)).detail, "not tried: needs user namespaces");
        assert_eq!(judge_procfs(None).status, Status::Ok);
    }
}
