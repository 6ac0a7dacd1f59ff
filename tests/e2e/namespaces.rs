//! `--pid`, `--ipc`, `--uts`, `--cgroupns` and `--userns`: what a container shares with the host and with other containers,
//! and what that must not give it.

use std::fs;
use std::process::{Child, Command, Stdio};

use nix::unistd::Pid;

use crate::support::env::{Env, alive};
use crate::support::{eventually, is_root};

/// The namespace of a kind that this process is in.
fn ours(kind: &str) -> String {
    fs::read_link(format!("/proc/self/ns/{kind}")).expect("a namespace").to_string_lossy().into_owned()
}

/// The namespace of a kind that a process of a running container is in.
#[track_caller]
fn theirs(env: &Env, container: &str, kind: &str) -> String {
    env.coracle(&format!("exec {container} readlink /proc/self/ns/{kind}")).succeeds().line().to_owned()
}

/// A process of the user that belongs to no container; ended when dropped.
struct Bystander(Child);

impl Bystander {
    fn start() -> Self {
        let mut sleep = Command::new("sleep");
        Self(sleep.arg("1000").stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("sleep(1)"))
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.0.id() as i32)
    }

    /// Its state in `/proc/PID/stat`.
    fn state(&self) -> String {
        state(self.pid())
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The state of a process, a letter.
fn state(pid: Pid) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat[stat.rfind(')').map_or(0, |end| end + 1)..].split_whitespace().next().unwrap_or("gone").to_owned()
}

/// The processes with this argument, wherever they are.
fn with_argument(argument: &str) -> Vec<Pid> {
    let processes = fs::read_dir("/proc").expect("procfs").flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let has = |pid: &i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|word| word == argument.as_bytes())
    };
    pids.filter(has).map(Pid::from_raw).collect()
}

#[test]
fn the_hosts_namespaces_are_seen() {
    let env = ready!(busybox);
    for (options, kind) in [("--pid host", "pid"), ("--uts host", "uts"), ("--ipc host", "ipc")] {
        let shown = env.coracle(&format!("run --rm {options} IMAGE readlink /proc/self/ns/{kind}")).succeeds();
        assert_eq!(shown.line(), ours(kind), "{options}");
    }
    let me = std::process::id();
    env.coracle(&format!("run --rm --pid host IMAGE cat /proc/{me}/comm")).succeeds();
    env.coracle(&format!("run --rm --pid private IMAGE test -e /proc/{me}/comm")).fails();
    let name = fs::read_to_string("/proc/sys/kernel/hostname").expect("procfs");
    env.coracle("run --rm --uts host IMAGE hostname").succeeds().stdout_is(&name);
    env.coracle("run --rm --uts host IMAGE cat /etc/hostname").succeeds().stdout_is(&name);
    env.coracle("run --rm --uts host -h other IMAGE true").fails_with(125).stderr_has("hostname and the UTS mode");
    // It has no power over the host's name.
    env.coracle("run --rm --uts host --cap-add SYS_ADMIN IMAGE hostname other").fails();
    let shared = format!("/dev/shm/coracle-{me}");
    fs::write(&shared, "of the host").expect("shared memory");
    let seen = env.coracle(&format!("run --rm --ipc host IMAGE cat {shared}"));
    fs::remove_file(&shared).expect("ours");
    seen.succeeds().stdout_is("of the host");
    env.coracle("run --rm --ipc none IMAGE sh -c 'test ! -e /dev/shm && readlink /proc/self/ns/ipc'").succeeds();
    env.coracle("create --pid frob IMAGE").fails_with(125).stderr_has("invalid argument `frob` for `--pid`");
    env.coracle("create --pid host --init IMAGE").fails_with(125).stderr_has("--init and --pid");
    env.coracle("create --pid host --security-opt proc-opts=hidepid=2 IMAGE").fails_with(125).stderr_has("proc-opts");
}

#[test]
fn the_hosts_processes_are_out_of_reach() {
    let env = ready!(busybox);
    let bystander = Bystander::start();
    env.run_detached("--name other IMAGE sleep 1000");
    let targets = [bystander.pid(), env.pid("other"), env.supervisor("other"), Pid::this()];
    env.run_detached("--name nosy --pid host IMAGE sleep 1000");
    let keep_id = if is_root() { "" } else { "--userns keep-id -u 0" };
    for target in targets {
        let tries = format!(
            "kill -9 {target}; kill -STOP {target}; kill -0 {target}; \
             for file in environ maps fd/ cwd/ root/ ns/net exe; do ls /proc/{target}/$file; cat /proc/{target}/$file; done; \
             echo x >/proc/{target}/mem; ls /proc/{target}/root/etc; echo 500 >/proc/{target}/oom_score_adj; cat /proc/{target}/comm"
        );
        let name = fs::read_to_string(format!("/proc/{target}/comm")).expect("it lives");
        for line in [
            "run --rm --pid host",
            &format!("run --rm --pid host {keep_id}"),
            "run --rm --pid host --cap-add SYS_PTRACE --cap-add KILL",
        ] {
            let argv: Vec<&str> = line.split_whitespace().collect();
            let image = env.image();
            let output = env.argv(&[&argv[..], &[&image, "sh", "-c", &tries]].concat()).succeeds();
            // That it is there is all that is seen.
            assert_eq!(output.stdout.lines().last(), Some(name.trim()), "{line}: {}", output.stdout);
            let leaked = ["PATH=", "[heap]", "passwd", "net:["];
            assert!(!leaked.iter().any(|word| output.stdout.contains(word)), "{line}: {}", output.stdout);
            let refused = output.stderr.lines().filter(|line| line.starts_with("sh: can't kill pid")).count();
            assert_eq!(refused, 3, "{line} {target}: {}", output.stderr);
        }
        let image = env.argv(&["exec", "nosy", "sh", "-c", &tries]).succeeds();
        assert_eq!(image.stdout.lines().last(), Some(name.trim()));
        assert!(image.stderr.lines().filter(|line| line.starts_with("sh: can't kill pid")).count() == 3);
        let score = fs::read_to_string(format!("/proc/{target}/oom_score_adj")).expect("it lives");
        assert_ne!(score, "500\n", "{target}");
        assert!(alive(target) && !state(target).starts_with('T'), "{target}");
    }
    env.coracle("exec other true").succeeds();
    // That the attempts can succeed: a container with all privileges is not held back.
    env.coracle(&format!("run --rm --pid host --privileged IMAGE kill -0 {}", bystander.pid())).succeeds();
    // What it has made itself hears it.
    env.coracle("run --rm --pid host IMAGE sh -c 'sleep 1000 & kill -9 $!; wait $!; echo $?'")
        .succeeds()
        .stdout_is("137\n");
    // The kernel's files are masked as ever.
    let masked = "cat /proc/keys; echo x >/proc/sysrq-trigger; echo x >/proc/sys/kernel/core_pattern; ls /proc/acpi";
    let output = env.argv(&["run", "--rm", "--pid", "host", &env.image(), "sh", "-c", masked]);
    assert_eq!(output.stdout, "");
}

#[test]
fn all_processes_end_with_the_first() {
    let env = ready!(busybox);
    let bystander = Bystander::start();
    let mark = format!("{}987", std::process::id());
    let line = format!(
        "sh -c '(setsid sh -c \"trap : TERM; sleep {mark}; sleep {mark}\" &); setsid sleep {mark} & exec sleep 1000'"
    );
    for end in ["kill web", "stop -t 0 web", "rm -f web"] {
        env.run_detached(&format!("--name web --pid host IMAGE {line}"));
        eventually("its processes run", || with_argument(&mark).len() >= 2);
        env.coracle("top web -o args").succeeds().stdout_has(&mark).stdout_lacks("coracle");
        env.coracle(end).succeeds();
        let _ = env.coracle("wait web");
        eventually("nothing is left", || with_argument(&mark).is_empty());
        assert!(alive(bystander.pid()));
        env.coracle("rm -f web").succeeds();
    }
}

#[test]
fn only_its_own_processes_stand_still() {
    let env = ready!(busybox);
    let bystander = Bystander::start();
    env.run_detached("--name base IMAGE sh -c 'sleep 1000 & exec sleep 1001'");
    env.run_detached("--name web --pid host IMAGE sh -c 'sleep 1000 & exec sleep 1001'");
    env.run_detached("--name side --pid container:base IMAGE sleep 1001");
    for (name, others) in [("web", ["base", "side"]), ("side", ["base", "web"]), ("base", ["side", "web"])] {
        env.coracle(&format!("pause {name}")).succeeds();
        assert_eq!(env.status(name), "paused");
        assert_eq!(state(env.pid(name)), "T", "{name}");
        for other in others {
            assert_eq!(state(env.pid(other)), "S", "{other} while {name} is paused");
            env.coracle(&format!("exec {other} true")).succeeds();
        }
        assert_eq!((bystander.state().as_str(), state(env.supervisor(name)).as_str()), ("S", "S"));
        env.coracle(&format!("unpause {name}")).succeeds();
        eventually("it goes on", || state(env.pid(name)) == "S");
        env.coracle(&format!("commit {name} copy")).succeeds();
        assert_eq!((bystander.state().as_str(), state(env.pid(name)).as_str()), ("S", "S"));
    }
    // The processes of each are told apart.
    let count = |name: &str| env.coracle(&format!("top {name} -o args")).succeeds().lines().len() - 1;
    assert_eq!((count("base"), count("side"), count("web")), (2, 1, 2));
}

#[test]
fn a_container_joins_another_one() {
    let env = ready!(busybox);
    env.run_detached("--name web -h box --ipc shareable IMAGE sh -c 'echo memory >/dev/shm/x; exec sleep 1000'");
    for kind in ["pid", "ipc", "uts"] {
        let shown =
            env.coracle(&format!("run --rm --{kind} container:web IMAGE readlink /proc/self/ns/{kind}")).succeeds();
        assert_eq!(shown.line(), theirs(&env, "web", kind), "{kind}");
    }
    let cgroup = env.coracle("run --rm --cgroupns container:web IMAGE readlink /proc/self/ns/cgroup").succeeds();
    assert_eq!(cgroup.line(), theirs(&env, "web", "cgroup"));
    env.coracle("run --rm --uts container:web IMAGE hostname").succeeds().stdout_is("box\n");
    env.coracle("run --rm --uts container:web IMAGE cat /etc/hostname").succeeds().stdout_is("box\n");
    env.coracle("run --rm --ipc container:web IMAGE cat /dev/shm/x").succeeds().stdout_is("memory\n");
    env.coracle("run --rm --ipc container:web IMAGE sh -c 'echo y >/dev/shm/y; ls -d /dev/mqueue'").succeeds();
    env.coracle("exec web cat /dev/shm/y").succeeds().stdout_is("y\n");
    // Whoever sees its processes may look into them, and has its ids.
    let looks = "tr '\\0' ' ' </proc/1/cmdline; cat /proc/1/root/dev/shm/x; readlink /proc/self/ns/user";
    let output = env.argv(&["run", "--rm", "--pid", "container:web", &env.image(), "sh", "-c", looks]).succeeds();
    assert_eq!(output.stdout, format!("sleep 1000 memory\n{}\n", theirs(&env, "web", "user")));
    if !is_root() {
        env.argv(&[
            "run",
            "--rm",
            "--pid",
            "container:web",
            "--userns",
            "host",
            &env.image(),
            "cat",
            "/proc/1/root/dev/shm/x",
        ])
        .fails()
        .stderr_has("ermission denied");
    }
    // A user namespace alone.
    let shown = env.coracle("run --rm --userns container:web IMAGE readlink /proc/self/ns/user").succeeds();
    assert_eq!(shown.line(), theirs(&env, "web", "user"));
    // What is added later is in the same ones.
    env.run_detached("--name side --pid container:web --ipc container:web --uts container:web IMAGE sleep 1000");
    for kind in ["pid", "ipc", "uts", "user"] {
        assert_eq!(theirs(&env, "side", kind), theirs(&env, "web", kind), "{kind}");
    }
    for kind in ["mnt", "net"] {
        assert_ne!(theirs(&env, "side", kind), theirs(&env, "web", kind), "{kind}");
    }
    let id = env.inspect("web", "{{.Id}}");
    let modes = env.inspect(
        "side",
        "{{.HostConfig.PidMode}} {{.HostConfig.IpcMode}} {{.HostConfig.UTSMode}} {{.HostConfig.UsernsMode}}",
    );
    assert_eq!(modes, format!("container:{id} container:{id} container:{id} container:{id}"));
    // It ends with the processes that it has joined.
    env.coracle("kill web").succeeds();
    env.reaches("side", "exited");
}

#[test]
fn what_cannot_be_joined_is_refused() {
    let env = ready!(busybox);
    env.run_detached("--name web IMAGE sleep 1000");
    env.coracle("create --name idle --ipc shareable IMAGE sleep 1000").succeeds();
    env.coracle("run --rm --ipc container:web IMAGE true").fails_with(125).stderr_has("non-shareable");
    env.coracle("run --rm --pid container:nobody IMAGE true").fails_with(125).stderr_has("no such container");
    for kind in ["pid", "ipc", "uts", "userns", "cgroupns"] {
        let output = env.coracle(&format!("run --rm --{kind} container:idle IMAGE true"));
        output.fails_with(125).stderr_has("is not running").explains();
    }
    for (option, path) in
        [("uts", "/dev/null"), ("ipc", "/proc/self/ns/uts"), ("pid", "/nonexistent"), ("userns", "/proc/self/ns/uts")]
    {
        env.coracle(&format!("run --rm --{option} ns:{path} IMAGE true")).fails_with(125);
    }
    if !is_root() {
        // The user's own, of which coracle's are made: its root would have power over every container.
        let keeper = env.supervisor("web");
        env.coracle(&format!("run --rm --userns ns:/proc/{keeper}/ns/user IMAGE true")).fails_with(125);
    }
    let pid = env.pid("web");
    for kind in ["pid", "uts", "user"] {
        let option = if kind == "user" { "userns" } else { kind };
        let line = format!("run --rm --{option} ns:/proc/{pid}/ns/{kind} IMAGE readlink /proc/self/ns/{kind}");
        assert_eq!(env.coracle(&line).succeeds().line(), theirs(&env, "web", kind), "{kind}");
    }
    let seen = env
        .coracle(
            "run --rm --pid ns:/proc/self/ns/pid IMAGE sh -c 'kill -9 $PPID; kill -9 1; readlink /proc/self/ns/pid'",
        )
        .succeeds();
    assert_eq!(seen.line(), ours("pid"), "the host's by its path is held back as the host's");
    let refused = seen.stderr.lines().filter(|line| line.contains("Operation not permitted")).count();
    assert_eq!(refused, 2, "{}", seen.stderr);
}

#[test]
fn a_hostile_container_leads_nobody_out() {
    let env = ready!(busybox);
    let name = "bait --ipc shareable --cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt unmask=ALL";
    env.run_detached(&format!("--name {name} IMAGE sleep 1000"));
    for link in ["/proc/self/fd", "/proc/1/root", "/etc", "/../../../../.."] {
        let line = format!("umount /dev/shm; rm -rf /dev/shm; ln -sfn {link} /dev/shm");
        let _ = env.argv(&["exec", "bait", "sh", "-c", &line]);
        let output = env.coracle("run --rm --ipc container:bait IMAGE ls /dev/shm");
        output.fails_with(125).stderr_has("/dev/shm");
    }
}

#[test]
fn the_target_may_have_been_started_again() {
    let env = ready!(busybox);
    env.run_detached("--name web --ipc shareable IMAGE sleep 1000");
    env.run_detached("--name side --uts container:web --ipc container:web IMAGE sleep 1000");
    let before = theirs(&env, "web", "ipc");
    env.coracle("stop -t 0 web").succeeds();
    // What it has joined stays with it.
    assert_eq!(theirs(&env, "side", "ipc"), before);
    env.coracle("restart -t 0 side").fails().stderr_has("is not running").stderr_has("coracle start web");
    env.coracle("start web").succeeds();
    env.coracle("start side").succeeds();
    for kind in ["ipc", "uts"] {
        assert_eq!(theirs(&env, "side", kind), theirs(&env, "web", kind));
    }
    assert_ne!(theirs(&env, "side", "ipc"), before);
    env.coracle("rm -f --depend web").succeeds();
    env.coracle("ps -aq").succeeds().stdout_is("");
}

#[test]
fn docker_and_podman_have_other_words() {
    let env = ready!(busybox);
    let modes = |persona: &str| {
        env.persona(persona, "create --name one IMAGE").run().succeeds();
        let format =
            "{{.HostConfig.PidMode}}|{{.HostConfig.IpcMode}}|{{.HostConfig.UTSMode}}|{{.HostConfig.UsernsMode}}";
        let shown = env.persona(persona, &format!("inspect -f '{format}' one")).run().succeeds().line().to_owned();
        env.coracle("rm one").succeeds();
        shown
    };
    assert_eq!(modes("docker"), "|private||");
    assert_eq!(modes("podman"), "private|shareable|private|");
    env.coracle("create --name one --pid host --ipc none --uts host --cgroupns host IMAGE").succeeds();
    let format = "{{.HostConfig.PidMode}}|{{.HostConfig.IpcMode}}|{{.HostConfig.UTSMode}}|{{.HostConfig.CgroupnsMode}}";
    assert_eq!(env.inspect("one", format), "host|none|host|host");
}
