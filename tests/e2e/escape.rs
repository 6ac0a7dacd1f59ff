//! Attempts of an image, or of a process in a container, to reach the host: one real attempt for each way that worked on a
//! tool of this field, named by its CVE where it has one, and what stops it here.
//!
//! Those about networks are in `tests/netd.rs` (2020-10749 and 2020-13401, rogue router advertisements), about system
//! calls and user ids in `confinement.rs` (2026-31431, 2024-40635). Not here: 2019-14271, 2024-1753, 2024-9407, 2024-9676,
//! 2024-11218, 2024-23651 to 23653 and 2025-9566 are about commands that coracle does not have yet (`cp`, `build`, `kube`).
//!
//! The attacks run as root as well: there a way out means the whole machine.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::env::Env;
use crate::support::images::{Image, Tar};
use crate::support::is_root;
use crate::support::registry::Registry;

/// The descriptors that are tried. coracle's processes have fewer than 30.
const DESCRIPTORS: std::ops::RangeInclusive<u32> = 0..=64;
/// For attempts that take an image or a container each.
const LIKELY: std::ops::RangeInclusive<u32> = 3..=24;

/// What the host has and no container may see.
const SECRET: &str = "HOST-SECRET";
/// The first letters of every name that an attack tries to make on the host.
const PLANTED: &str = "PLANTED";

/// Looks around the working directory for the host, and leaves a mark where it can.
const LOOT: &str = "for up in . .. ../.. ../../.. ../../../.. ../../../../..; do \
    cat $up/secret $up/home/secret 2>/dev/null; echo x >$up/PLANTED-BY-CWD; done; ls -la . ..; true";

fn prepare(env: &Env) {
    std::fs::write(env.home().join("secret"), SECRET).expect("our directory");
    std::fs::write(env.root().join("secret"), SECRET).expect("our directory");
}

/// Checks that nothing was made on the host, apart from what containers keep in their own layers and volumes.
#[track_caller]
fn nothing_planted(env: &Env) {
    // A removed container lies in the trash for a moment.
    let inside = ["containers", "volumes", "store", "trash"].map(|name| env.data().join(name));
    let inside = [inside.as_slice(), &[env.file("shared")]].concat();
    let mut found = Vec::new();
    look_for_planted(env.root(), &inside, &mut found);
    // The directories of containers themselves are the host's; what is below `upper` is theirs.
    for container in std::fs::read_dir(env.data().join("containers")).into_iter().flatten().flatten() {
        look_for_planted(
            &container.path(),
            &[container.path().join("upper"), container.path().join("work")],
            &mut found,
        );
    }
    assert!(found.is_empty(), "made on the host: {found:?}");
}

fn look_for_planted(directory: &Path, skipped: &[PathBuf], found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(PLANTED) {
            found.push(entry.path());
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) && !skipped.contains(&entry.path()) {
            look_for_planted(&entry.path(), skipped, found);
        }
    }
}

/// A busybox with links named `fd3`… to descriptors, and `plant3`… to names on the host beside them.
fn with_links(directory: &str) -> Tar {
    LIKELY.fold(Tar::new(), |tar, fd| {
        tar.symlink(&format!("{directory}fd{fd}"), &format!("/proc/self/fd/{fd}"))
            .symlink(&format!("{directory}plant{fd}"), &format!("/proc/self/fd/{fd}/../../../../../{PLANTED}-{fd}"))
            .symlink(&format!("{directory}near{fd}"), &format!("/proc/self/fd/{fd}/{PLANTED}-{fd}"))
    })
}

/// Declares each attack as a test for a user and, below `as_root`, for root.
macro_rules! attacks {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                let env = ready!(busybox);
                prepare(&env);
                attack::$name(&env);
                nothing_planted(&env);
            }
        )*
        mod as_root {
            $(
                #[test]
                fn $name() {
                    if !super::is_root() {
                        return crate::support::skip("these tests are for root");
                    }
                    let env = ready!(busybox);
                    super::prepare(&env);
                    super::attack::$name(&env);
                    super::nothing_planted(&env);
                }
            )*
        }
    };
}

attacks! {
    cve_2024_21626_working_directories_of_run
    cve_2024_21626_working_directories_of_exec
    cve_2021_30465_links_as_mount_points
    cve_2021_30465_mount_points_exchanged_meanwhile
    cve_2023_28642_proc_sys_and_dev_as_links
    cve_2025_31133_masks_with_a_false_dev_null
    cve_2025_52565_a_false_console
    cve_2025_52881_mounts_in_proc
    programs_behind_descriptors
}

mod attack {
    use super::*;

    /// Stopped by: descriptors closed before the container's paths are looked at; openat2(2) without magic links.
    pub(super) fn cve_2024_21626_working_directories_of_run(env: &Env) {
        for fd in DESCRIPTORS {
            for directory in [format!("/proc/self/fd/{fd}"), format!("/proc/self/fd/{fd}/..")] {
                env.argv(&["run", "--rm", "--network", "none", "-w", &directory, &env.image(), "sh", "-c", LOOT])
                    .fails()
                    .stdout_lacks(SECRET);
            }
        }
        let registry = Registry::start();
        let name = registry.push(&Image::busybox().layer(with_links("")), "links");
        for fd in LIKELY {
            for user_namespace in ["host", "keep-id"].iter().take(if is_root() { 1 } else { 2 }) {
                let line = format!("run --rm --network none --userns={user_namespace} -w /fd{fd} {name}");
                env.command(&line).arguments(&["sh", "-c", LOOT]).run().fails().stdout_lacks(SECRET);
            }
            let image = Image::busybox().layer(with_links("")).set("WorkingDir", json!(format!("/fd{fd}")));
            let name = registry.push(&image, &format!("workdir{fd}"));
            env.command(&format!("run --rm {name}")).arguments(&["sh", "-c", LOOT]).run().fails().stdout_lacks(SECRET);
        }
    }

    pub(super) fn cve_2024_21626_working_directories_of_exec(env: &Env) {
        let id = env.run_detached("-w /work IMAGE sleep 1000");
        for fd in DESCRIPTORS {
            env.argv(&["exec", "-w", &format!("/proc/self/fd/{fd}"), &id, "sh", "-c", LOOT])
                .fails()
                .stdout_lacks(SECRET);
        }
        // The process inside replaces its working directory by a link, and waits for the user's next exec.
        for fd in LIKELY {
            let script = format!("rm -rf /work; ln -s /proc/self/fd/{fd} /work");
            env.argv(&["exec", "-w", "/", &id, "sh", "-c", &script]).succeeds();
            env.argv(&["exec", &id, "sh", "-c", LOOT]).fails().stdout_lacks(SECRET);
            env.argv(&["exec", "-t", &id, "sh", "-c", LOOT]).fails().stdout_lacks(SECRET);
        }
    }

    /// Stopped by: mount points found and made below the root, by descriptor.
    pub(super) fn cve_2021_30465_links_as_mount_points(env: &Env) {
        let registry = Registry::start();
        let name = registry.push(&Image::busybox().layer(with_links("")), "links");
        let etc = registry.push(
            &Image::busybox().layer(["hosts", "hostname", "resolv.conf"].iter().zip(LIKELY).fold(
                Tar::new().directory("etc"),
                |tar, (file, fd)| {
                    tar.symlink(&format!("etc/{file}"), &format!("/proc/self/fd/{fd}/../../../../../{PLANTED}-ETC"))
                },
            )),
            "etc",
        );
        let _ = env.coracle(&format!("run --rm {etc} true"));
        let shared = env.mkdir("shared");
        let file = env.write("file", "mine");
        for fd in LIKELY {
            for link in ["plant", "near", "fd"] {
                let target = format!("/{link}{fd}");
                for mount in [
                    format!("-v vol{link}{fd}:{target}"),
                    format!("-v {}:{target}", shared.display()),
                    format!("-v {}:{target}", file.display()),
                    format!("--tmpfs {target}"),
                    format!("-v vol{link}{fd}:{target}/deep/er"),
                ] {
                    let run = env.coracle(&format!("run --rm --network none {mount} {name} ls -la {target}"));
                    run.fails().stdout_lacks(SECRET);
                }
            }
            let image = Image::busybox().layer(with_links("")).set("Volumes", json!({format!("/plant{fd}"): {}}));
            let volume = registry.push(&image, &format!("volume{fd}"));
            env.coracle(&format!("run --rm --network none {volume} true")).fails();
            // A link that a container left in a shared volume, at the mount point of another mount.
            let script = format!("ln -sf /proc/self/fd/{fd}/../../../../../{PLANTED}-S{fd} /s/link{fd}");
            env.command("run --rm --network none -v sharedvol:/s IMAGE")
                .arguments(&["sh", "-c", &script])
                .run()
                .succeeds();
            for mount in [format!("-v other:/s/link{fd}"), format!("--tmpfs /s/link{fd}")] {
                let line = format!("run --rm --network none -v sharedvol:/s {mount} IMAGE true");
                env.coracle(&line).fails().stdout_lacks(SECRET);
            }
        }
    }

    /// A process exchanges the mount point of others by a link, over and over, while they start.
    pub(super) fn cve_2021_30465_mount_points_exchanged_meanwhile(env: &Env) {
        let script = "echo ready; while :; do \
            rm -rf /s/d; ln -s /proc/self/fd/4/../../../../../PLANTED-RACE /s/d; rm /s/d; \
            ln -s ../../../../../../../../PLANTED-RACE /s/d; rm /s/d; mkdir /s/d; done";
        env.command("run -d --name swapper --network none -v race:/s IMAGE")
            .arguments(&["sh", "-c", script])
            .run()
            .succeeds();
        env.logged("swapper", "ready");
        let image = env.image();
        for _ in 0..100 {
            let run = ["run", "--rm", "--network", "none", "-v", "race:/s", "-v", "other:/s/d/x", "-w", "/s/d", &image];
            env.command_argv(&run).arguments(&["sh", "-c", LOOT]).run().stdout_lacks(SECRET);
            env.argv(&["exec", "-w", "/s/d", "swapper", "sh", "-c", LOOT]).stdout_lacks(SECRET);
        }
        assert_eq!(env.status("swapper"), "running", "it has exchanged them all the time");
    }

    /// Stopped by: the image's own `/proc`, `/sys` and `/dev` must be directories; 2023-27561 is the same by a volume.
    pub(super) fn cve_2023_28642_proc_sys_and_dev_as_links(env: &Env) {
        let registry = Registry::start();
        for (name, target) in [("proc", "/real/p"), ("sys", "/real/s"), ("dev", "/proc/self/fd/4")] {
            let layer =
                Tar::new().directory("real").directory("real/p").directory("real/s").file(&format!(".wh.{name}"), "");
            let image = Image::busybox().layer(layer).layer(Tar::new().symlink(name, target));
            let image = registry.push(&image.set("Volumes", json!({"/real": {}})), &format!("link{name}"));
            env.coracle(&format!("run --rm {image} true")).fails_with(125).explains().stderr_has(&format!("`/{name}`"));
        }
    }

    /// Stopped by: masks are set on the fresh procfs before anything of the image is mounted, with a verified /dev/null.
    pub(super) fn cve_2025_31133_masks_with_a_false_dev_null(env: &Env) {
        let registry = Registry::start();
        let pattern = "/proc/sys/kernel/core_pattern";
        let before = std::fs::read_to_string(pattern).expect("this kernel's setting");
        let layer = Tar::new().directory("dev").symlink("dev/null", pattern);
        let image = registry.push(&Image::busybox().layer(layer).set("Volumes", json!({"/dev": {}})), "null");
        let script = "cat /proc/keys /proc/timer_list; for f in /proc/keys /proc/sys/kernel/core_pattern; do \
            (echo pwned >$f) 2>/dev/null && echo WRITTEN $f; done; true";
        let run = env.command(&format!("run --name c --network none {image}")).arguments(&["sh", "-c", script]).run();
        run.succeeds().stdout_is("");
        // The volume is the container's now: what it holds at the next start is its choice.
        env.coracle("start -a c").succeeds().stdout_is("");
        assert_eq!(std::fs::read_to_string(pattern).expect("this kernel's setting"), before);
        // The masks themselves are read-only mounts.
        let mounts = env.coracle("run --rm IMAGE cat /proc/mounts").succeeds();
        let mask = mounts.lines().into_iter().find(|line| line.contains(" /proc/keys ")).map(str::to_owned);
        assert!(mask.as_ref().is_some_and(|line| line.contains(" ro,nosuid,noexec")), "{mask:?}");
    }

    /// Stopped by: /dev/console is made in the fresh /dev, before volumes; the terminal is opened by descriptor.
    pub(super) fn cve_2025_52565_a_false_console(env: &Env) {
        let registry = Registry::start();
        for fd in LIKELY {
            let target = format!("/proc/self/fd/{fd}/../../../../../{PLANTED}-CONSOLE");
            let layer = Tar::new().directory("dev").symlink("dev/console", &target).symlink("dev/pts", &target);
            let image = Image::busybox().layer(layer).set("Volumes", json!({"/dev": {}}));
            let image = registry.push(&image, &format!("console{fd}"));
            let _ = env.coracle(&format!("run --rm -t --network none {image} true"));
            let _ = env.coracle(&format!("run --rm --network none {image} true"));
        }
        // exec opens its terminal in the container's devpts and nowhere else.
        let id = env.run_detached("--cap-add SYS_ADMIN --security-opt seccomp=unconfined IMAGE sleep 1000");
        env.argv(&["exec", "-t", &id, "tty"]).succeeds().stdout_has("/dev/pts/");
        let script = "mount -t tmpfs none /dev/pts && ln -s /proc/self/fd/4 /dev/pts/ptmx";
        env.argv(&["exec", &id, "sh", "-c", script]).succeeds();
        env.argv(&["exec", "-t", &id, "true"]).fails().stderr_has("standard streams");
    }

    /// Stopped by: procfs and sysfs take mounts at known places only.
    pub(super) fn cve_2025_52881_mounts_in_proc(env: &Env) {
        let file = env.write("false", "0");
        let file = file.display();
        let registry = Registry::start();
        for target in ["/proc/self/attr", "/proc/sys", "/proc", "/proc/sys/net", "/sys/firmware", "/sys", "/sys/kernel"]
        {
            env.coracle(&format!("run --rm --tmpfs {target} IMAGE true")).fails_with(125).explains().stderr_has(target);
            let image = registry.push(&Image::busybox().set("Volumes", json!({target: {}})), "procvolume");
            env.coracle(&format!("run --rm --pull always {image} true")).fails_with(125).stderr_has(target);
        }
        for target in
            ["/proc/self/attr/exec", "/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/1/environ"]
        {
            env.coracle(&format!("run --rm -v {file}:{target} IMAGE true"))
                .fails_with(125)
                .explains()
                .stderr_has(target);
        }
        let link = registry.push(&Image::busybox().layer(Tar::new().symlink("data", "/proc/uptime")), "proclink");
        env.coracle(&format!("run --rm -v {file}:/data {link} true")).fails_with(125).stderr_has("/proc or /sys");
        // What lxcfs does, and what images for systemd ask for.
        env.coracle(&format!("run --rm -v {file}:/proc/uptime IMAGE cat /proc/uptime")).succeeds().stdout_is("0");
        env.coracle("run --rm --tmpfs /sys/fs/cgroup IMAGE ls /sys/fs/cgroup").succeeds().stdout_is("");
        // The host's own, which the user may ask for, have masks as well.
        let script = "for f in /proc/keys /proc/timer_list; do [ ! -s $f ] || head -c 9 $f; done; \
            (echo 1 >/proc/sys/vm/swappiness) 2>&1 | grep -q 'ead-only' && echo protected";
        env.argv(&["run", "--rm", "-v", "/proc:/proc", &env.image(), "sh", "-c", script])
            .succeeds()
            .stdout_is("protected\n");
    }

    /// Stopped by: nothing but the standard streams and a socket is open when the program's path is resolved.
    pub(super) fn programs_behind_descriptors(env: &Env) {
        let registry = Registry::start();
        let layer = LIKELY.fold(Tar::new(), |tar, fd| tar.symlink(&format!("run{fd}"), &format!("/proc/self/fd/{fd}")));
        let image = registry.push(&Image::busybox().layer(layer), "programs");
        let id = env.run_detached(&format!("{image} sleep 1000"));
        for fd in LIKELY {
            for init in ["", "--init"] {
                let run = env.coracle(&format!("run --rm --network none {init} {image} /run{fd} --version"));
                run.fails().stdout_lacks("coracle");
            }
            env.coracle(&format!("run --rm --network none IMAGE /proc/self/fd/{fd} --version"))
                .fails()
                .stdout_lacks("coracle");
            env.coracle(&format!("exec {id} /run{fd} --version")).fails().stdout_lacks("coracle");
        }
    }
}

/// CVE-2016-9962: a process of the container catches the one that `exec` adds, before it is the container's own. Stopped by:
/// it cannot be looked into until its exec, and holds nothing by then.
#[test]
fn cve_2016_9962_processes_of_exec_cannot_be_caught() {
    let env = ready!(busybox);
    prepare(&env);
    let script = "echo ready; while :; do for p in /proc/[0-9]*; do [ $p = /proc/1 ] || [ $p = /proc/$$ ] || { \
        ls -l $p/exe $p/cwd/ $p/fd/ 2>/dev/null | grep -e coracle -e secret -e lock; cat $p/cwd/../../secret 2>/dev/null; }; done; done";
    env.command("run -d --name spy --cap-add SYS_PTRACE IMAGE").arguments(&["sh", "-c", script]).run().succeeds();
    env.logged("spy", "ready");
    for _ in 0..60 {
        env.coracle("exec spy true").succeeds();
    }
    env.coracle("logs spy").succeeds().stdout_is("ready\n");
}

/// CVE-2020-15257: abstract unix sockets of the host. Stopped by: a network namespace of its own.
#[test]
fn cve_2020_15257_abstract_sockets_of_the_host_are_out_of_reach() {
    use std::os::linux::net::SocketAddrExt;
    let env = ready!(busybox);
    let name = format!("coracle-test-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).expect("a short name");
    let _listener = std::os::unix::net::UnixListener::bind_addr(&address).expect("a free name");
    assert!(std::fs::read_to_string("/proc/net/unix").expect("proc").contains(&name));
    env.coracle("run --rm IMAGE cat /proc/net/unix").succeeds().stdout_lacks(&name);
    env.coracle("run --rm --network none IMAGE cat /proc/net/unix").succeeds().stdout_lacks(&name);
}

/// CVE-2022-0492: a program named in `release_agent` of a cgroup v1 hierarchy, which the kernel runs as root of the host.
/// Stopped by: no mounts without CAP_SYS_ADMIN; with it, the kernel shows a container its own cgroups only, and takes that
/// setting from the initial user namespace alone (Linux 5.17).
#[test]
fn cve_2022_0492_release_agents_cannot_be_set() {
    let env = ready!(busybox);
    let script = "mkdir /c; for o in rdma memory cpu pids; do mount -t cgroup -o $o cgroup /c 2>/dev/null || continue; \
        echo MOUNTED; (echo /x >/c/release_agent) 2>/dev/null && echo SET; umount /c; done; true";
    let run = |options: &str| env.command(&format!("run --rm {options} IMAGE")).arguments(&["sh", "-c", script]).run();
    run("").succeeds().stdout_is("");
    run("--cap-add SYS_ADMIN").succeeds().stdout_lacks("SET");
    run("--privileged").succeeds().stdout_lacks("SET");
}

/// CVE-2022-24769: inheritable capabilities, which programs with file capabilities pick up. CVE-2022-2989 and 2022-36109: a
/// primary group that is missing from the supplementary ones can be dropped to gain access.
#[test]
fn cve_2022_24769_nothing_is_inheritable_and_2022_2989_groups_are_complete() {
    let env = ready!(busybox);
    let id = env.run_detached("-u 1000:50 IMAGE sleep 1000");
    for line in ["run --rm IMAGE".to_owned(), "run --rm -u 1000 IMAGE".to_owned(), format!("exec {id}")] {
        env.coracle(&format!("{line} grep CapInh /proc/self/status"))
            .succeeds()
            .stdout_is("CapInh:\t0000000000000000\n");
    }
    env.coracle("run --rm -u 1000:50 IMAGE id -G").succeeds().stdout_is("50\n");
    env.coracle(&format!("exec {id} grep Groups /proc/self/status")).succeeds().stdout_has("50");
}

/// What a fault in a server of coracle's own could be used for: little (`base::sandbox`).
#[test]
fn servers_keep_only_what_they_need() {
    let env = ready!(busybox);
    env.run_detached("IMAGE sleep 1000");
    let mut seen = Vec::new();
    for pid in env.processes() {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).expect("a process");
        let role = String::from_utf8_lossy(&line).split('\0').next().unwrap_or_default().to_owned();
        if !matches!(role.as_str(), "coracle-netd" | "coracle-fused") {
            continue;
        }
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
        let value = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).expect("a line of proc_pid_status(5)");
            line.split_whitespace().last().expect("a value").to_owned()
        };
        assert_eq!((value("NoNewPrivs:"), value("Seccomp:")), ("1".into(), "2".into()), "{role}");
        let capabilities = u64::from_str_radix(&value("CapPrm:"), 16).expect("a set");
        // CAP_SYS_PTRACE, CAP_SETUID, CAP_SYS_MODULE, and CAP_SYS_ADMIN but for the namespaces that netd enters.
        let none_of = (1 << 19) | (1 << 7) | (1 << 16) | if role == "coracle-fused" { 1 << 21 } else { 0 };
        assert_eq!(capabilities & none_of, 0, "{role} has {capabilities:x}");
        seen.push(role);
    }
    assert!(seen.iter().any(|role| role == "coracle-netd"), "{seen:?}");
}
