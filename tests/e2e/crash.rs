//! Any process may be killed at any time: afterwards `ps` tells the truth and the next command works.

use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::{Mode, SFlag, mknod};

use crate::support::env::{Env, alive};
use crate::support::eventually;

/// The store and the list of containers are in order: everything that is listed can be inspected and removed, and a new
/// container runs.
#[track_caller]
fn all_is_well(env: &Env) {
    let list = env.coracle("ps -aq --no-trunc").succeeds();
    for id in list.lines() {
        env.argv(&["inspect", id]).succeeds();
        env.argv(&["rm", "-f", id]).succeeds();
    }
    env.coracle("ps -aq").succeeds().stdout_is("");
    env.coracle("run --rm --name fresh IMAGE echo well").succeeds().stdout_is("well\n");
}

/// Ends netd, which keeps the user's namespace for a few seconds after its last container.
pub(super) fn kill_netd(env: &Env) {
    for pid in env.processes() {
        if std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"coracle-netd")) {
            let _ = kill(pid, Signal::SIGKILL);
        }
    }
    eventually("nothing runs", || env.processes().is_empty());
}

#[test]
fn the_command_line_dies() {
    let env = ready!(busybox);
    let running = env
        .command("run --name one IMAGE sh -c 'echo ready; while [ ! -e /go ]; do sleep 0.05; done; echo end'")
        .spawn();
    running.prints("ready");
    running.signal(Signal::SIGKILL);
    drop(running);
    assert_eq!(env.status("one"), "running");
    env.coracle("exec one touch /go").succeeds();
    env.coracle("wait one").succeeds().stdout_is("0\n");
    env.coracle("logs one").succeeds().stdout_is("ready\nend\n");
    all_is_well(&env);
}

#[test]
fn the_command_line_of_a_container_with_rm_dies() {
    let env = ready!(busybox);
    let running = env.command("run --rm --name one IMAGE sh -c 'echo ready; sleep 0.5'").spawn();
    running.prints("ready");
    running.signal(Signal::SIGKILL);
    drop(running);
    eventually("the container is removed", || env.coracle("ps -aq").succeeds().stdout.is_empty());
    all_is_well(&env);
}

#[test]
fn the_supervisor_dies() {
    let env = ready!(busybox);
    env.run_detached("--name one IMAGE sh -c 'echo ready; sleep 1000'");
    env.logged("one", "ready");
    let (supervisor, process) = (env.supervisor("one"), env.pid("one"));
    kill(supervisor, Signal::SIGKILL).expect("ours");
    // Without its supervisor a container is not managed any more: it must not run on unseen.
    eventually("its process is gone", || !alive(process));
    eventually("ps tells the truth", || env.status("one") == "exited");
    assert_ne!(env.inspect("one", "{{.State.ExitCode}}"), "0");
    env.coracle("ps -q").succeeds().stdout_is("");
    env.coracle("logs one").succeeds().stdout_is("ready\n");
    env.coracle("exec one true").fails_with(1).explains();
    env.coracle("start one").succeeds();
    assert_eq!(env.status("one"), "running");
    all_is_well(&env);
}

#[test]
fn the_supervisor_of_an_attached_container_dies() {
    let env = ready!(busybox);
    let running = env.command("run --name one IMAGE sh -c 'echo ready; sleep 1000'").spawn();
    running.prints("ready");
    kill(env.supervisor("one"), Signal::SIGKILL).expect("ours");
    running.wait().fails().explains();
    eventually("ps tells the truth", || env.status("one") == "exited");
    all_is_well(&env);
}

#[test]
fn the_first_process_is_killed_from_outside() {
    let env = ready!(busybox);
    env.run_detached("--name one IMAGE sleep 1000");
    kill(env.pid("one"), Signal::SIGKILL).expect("ours");
    env.coracle("wait one").succeeds().stdout_is("137\n");
    assert_eq!(env.inspect("one", "{{.State.Status}} {{.State.ExitCode}}"), "exited 137");
    env.coracle("start one").succeeds();
    all_is_well(&env);
}

#[test]
fn everything_dies() {
    let env = ready!(busybox);
    for name in ["one", "two", "three"] {
        env.run_detached(&format!("--name {name} IMAGE sleep 1000"));
    }
    for pid in env.processes() {
        let _ = kill(pid, Signal::SIGKILL);
    }
    eventually("ps tells the truth", || env.coracle("ps -q").succeeds().stdout.is_empty());
    env.argv(&["ps", "-a", "--format", "{{.Names}} {{.State}}"])
        .succeeds()
        .stdout_is("three exited\ntwo exited\none exited\n");
    env.coracle("start one two").succeeds().stdout_is("one\ntwo\n");
    env.coracle("rm three").succeeds();
    all_is_well(&env);
}

#[test]
fn after_a_reboot() {
    let env = ready!(busybox);
    env.run_detached("--name one IMAGE sh -c 'echo x >>/root/starts; cat /root/starts; sleep 1000'");
    env.logged("one", "x\n");
    env.coracle("run --name over IMAGE sh -c 'exit 3'").fails_with(3);
    let process = env.pid("one");
    for pid in env.processes() {
        let _ = kill(pid, Signal::SIGKILL);
    }
    eventually("all is gone", || env.processes().is_empty() && !alive(process));
    std::fs::remove_dir_all(env.runtime()).expect("what a reboot erases");
    env.argv(&["ps", "-a", "--format", "{{.Names}} {{.State}}"]).succeeds().stdout_is("over exited\none exited\n");
    assert_eq!(env.inspect("over", "{{.State.ExitCode}}"), "3");
    env.coracle("start one").succeeds();
    env.logged("one", "x\nx\nx\n");
    all_is_well(&env);
}

#[test]
fn what_the_dead_left_is_cleaned_up() {
    let env = ready!(busybox);
    for _ in 0..3 {
        env.run_detached("--rm IMAGE sleep 1000");
    }
    for pid in env.processes() {
        let _ = kill(pid, Signal::SIGKILL);
    }
    eventually("all is gone", || env.processes().is_empty());
    // Nobody was there to honour --rm: the next commands see to it.
    eventually("they are removed", || {
        env.coracle("run --rm IMAGE true").succeeds();
        env.coracle("ps -aq").succeeds().stdout.is_empty()
    });
    for directory in ["staging", "trash"] {
        eventually("no debris stays", || {
            env.coracle("run --rm IMAGE true").succeeds();
            std::fs::read_dir(env.data().join(directory)).map_or(0, Iterator::count) == 0
        });
    }
}

#[test]
fn the_process_that_serves_a_containers_files_dies() {
    let env = ready!(busybox).with_driver("fuse");
    // Processes that wait for files all the time, and one that waits for none.
    let work = "while :; do echo x >>/root/out; cat /bin/busybox >/dev/null; done";
    env.run_detached(&format!("--name one IMAGE sh -c 'echo ready; ({work}) & ({work}) & sleep 1000'"));
    env.logged("one", "ready");
    let (server, process) = (env.file_server("one"), env.pid("one"));
    kill(server, Signal::SIGKILL).expect("ours");
    env.coracle("wait one").succeeds().stdout_is("137\n");
    eventually("none of its processes hangs", || !alive(process) && !alive(server));
    let why = "the process that served the container's files ended (killed by signal 9)";
    assert_eq!(env.inspect("one", "{{.State.Status}} {{.State.ExitCode}}"), "exited 137");
    assert_eq!(env.inspect("one", "{{.State.Error}}"), why);
    env.coracle("logs one").succeeds().stderr_has(why);
    env.argv(&["ps", "-a", "--format", "{{.Names}} {{.State}}"]).succeeds().stdout_is("one exited\n");
    env.coracle("start one").succeeds();
    env.coracle("exec one test -s /root/out").succeeds();
    all_is_well(&env);
}

#[test]
fn the_files_of_an_attached_container_are_lost() {
    let env = ready!(busybox).with_driver("fuse");
    let running = env.command("run --rm --name one IMAGE sh -c 'echo ready; sleep 1000'").spawn();
    running.prints("ready");
    kill(env.file_server("one"), Signal::SIGKILL).expect("ours");
    // Killed by its supervisor, or before that by SIGBUS, when it needed a page of its program.
    let ended = running.wait().fails().stderr_has("the process that served the container's files ended");
    assert!(matches!(ended.code(), 135 | 137), "{}", ended.code());
    all_is_well(&env);
}

#[test]
fn a_panic_in_a_request_is_an_error_of_it_alone() {
    let env = ready!(busybox).with_driver("fuse");
    if !cfg!(debug_assertions) {
        return crate::support::skip("the trap is only in builds for tests");
    }
    env.run_detached("--name one IMAGE sleep 1000");
    for _ in 0..8 {
        env.coracle("exec one ls /.coracle-test-panic").fails_with(1).stderr_has("Input/output error");
    }
    env.coracle("exec one sh -c 'echo x >/root/y; cat /root/y; ls /'").succeeds();
    let directory = env.data().join("containers").join(env.inspect("one", "{{.Id}}"));
    let log = std::fs::read_to_string(directory.join("fuse.log")).expect("panics are written down");
    assert!(log.lines().count() == 8 && log.contains("fault.rs") && log.contains(".coracle-test-panic"), "{log}");
    all_is_well(&env);
}

#[test]
fn a_container_is_started_again_at_once() {
    let env = ready!(busybox).with_driver("fuse");
    env.run_detached("--name one IMAGE sh -c 'cat /root/n; dd if=/dev/zero of=/root/big bs=1M count=20; sleep 1000'");
    for round in 0..10 {
        env.argv(&["exec", "one", "sh", "-c", &format!("echo {round} >>/root/n")]).succeeds();
        env.coracle("restart -t 0 one").succeeds();
    }
    let all: String = (0..10).map(|round| format!("{round}\n")).collect();
    env.coracle("exec one cat /root/n").succeeds().stdout_is(&all);
    all_is_well(&env);
}

/// Kills the supervisor of a running container, and with it the container.
fn kill_supervisor(env: &Env, name: &str) {
    let process = env.pid(name);
    kill(env.supervisor(name), Signal::SIGKILL).expect("ours");
    eventually("its process is gone", || !alive(process));
}

/// Waits until a process has used no more than a tenth of a processor for a while.
#[track_caller]
pub(super) fn rests(pid: nix::unistd::Pid) {
    let used = || -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
        let fields = stat[stat.rfind(')').expect("a name") + 1..].split_whitespace().skip(11).take(2);
        fields.map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
    };
    eventually("it rests", || {
        // Ticks are hundredths of a second (sysconf(_SC_CLK_TCK)).
        let (before, begun) = (used(), std::time::Instant::now());
        crate::support::holds_within(Duration::from_millis(500), || false);
        u128::from(used() - before) * 10 < begun.elapsed().as_millis() / 10
    });
}

#[test]
fn a_container_with_rm_that_nobody_removed_is_gone_for_the_next_command() {
    let env = ready!(busybox);
    env.coracle("run --name other IMAGE true").succeeds();
    let again = |line: &str| env.coracle(line);
    for check in [
        &(|| drop(again("ps -aq --filter name=one").succeeds().stdout_is(""))) as &dyn Fn(),
        &|| drop(again("start one").fails_with(1).stderr_has("no such container")),
        &|| drop(again("rm one").fails_with(1).stderr_has("no such container")),
        &|| drop(again("rm -f one").succeeds()),
        &|| drop(again("inspect one").fails_with(1).explains()),
        &|| drop(again("logs one").fails_with(1).stderr_has("no such container")),
        &|| drop(again("run --rm --name one IMAGE echo fresh").succeeds().stdout_is("fresh\n")),
        &|| {
            again("create --name one IMAGE true").succeeds();
            again("rm one").succeeds();
        },
        &|| {
            // What a reboot erases.
            for pid in env.processes() {
                let _ = kill(pid, Signal::SIGKILL);
            }
            eventually("all is gone", || env.processes().is_empty());
            std::fs::remove_dir_all(env.runtime()).expect("ours");
            again("ps -aq --filter name=one").succeeds().stdout_is("");
        },
    ] {
        env.run_detached("--rm --name one -v /anonymous IMAGE sleep 1000");
        kill_supervisor(&env, "one");
        check();
        assert_eq!(std::fs::read_dir(env.data().join("names")).expect("ours").count(), 1);
        assert_eq!(std::fs::read_dir(env.data().join("containers")).expect("ours").count(), 1);
        // But for their lock.
        let volumes = std::fs::read_dir(env.data().join("volumes")).expect("ours").flatten();
        assert_eq!(volumes.filter(|volume| volume.file_name() != ".lock").count(), 0);
    }
    env.coracle("ps -aq").succeeds();
    assert_eq!(env.status("other"), "exited");
}

/// `run --rm` that is killed before its container runs, and `create --rm`, which means to start it later.
#[test]
fn a_container_with_rm_that_nobody_will_start() {
    let env = ready!(busybox);
    if crate::support::is_root() {
        return;
    }
    env.coracle("create --rm --name later IMAGE echo ran").succeeds();
    kill_netd(&env);
    // The supervisor cannot get ready as long as this is held.
    let making = std::fs::File::create(env.runtime().join("keepers.lock")).unwrap();
    making.lock().unwrap();
    let starting = env.command("run -d --rm --name one IMAGE sleep 1000").spawn();
    let names = || env.argv(&["ps", "-a", "--format", "{{.Names}}"]).succeeds().stdout;
    eventually("it is created", || names() == "one\nlater\n");
    starting.signal(Signal::SIGKILL);
    drop(starting);
    assert_eq!(names(), "later\n");
    making.unlock().unwrap();
    eventually("its supervisor gives up", || env.processes().is_empty());
    assert_eq!(names(), "later\n");
    env.coracle("start -a later").succeeds().stdout_is("ran\n");
    eventually("it is removed", || names().is_empty());
}

#[test]
fn restart_keeps_a_container_with_rm() {
    let env = ready!(busybox);
    env.run_detached("--rm --name one IMAGE sh -c 'echo x >>/root/n; cat /root/n; trap \"\" TERM; sleep 1000'");
    env.logged("one", "x\n");
    for lines in ["x\nx\nx\n", "x\nx\nx\nx\nx\nx\n"] {
        env.coracle("restart -t 0 one").succeeds().stdout_is("one\n");
        env.logged("one", lines);
        env.coracle("ps -aq").succeeds();
        assert_eq!(env.status("one"), "running");
    }
    // Nobody is left to start it again.
    let restarting = env.command("restart -t 1 one").spawn();
    let process = env.pid("one");
    eventually("it waits", || {
        let caught = std::fs::read_to_string(format!("/proc/{}/wchan", restarting.pid())).unwrap_or_default();
        caught.contains("unix") || caught.contains("skb")
    });
    restarting.signal(Signal::SIGKILL);
    drop(restarting);
    eventually("its process is gone", || !alive(process));
    eventually("it is removed", || env.coracle("ps -aq").succeeds().stdout.is_empty());
    env.run_detached("--rm --name one IMAGE sleep 1000");
    env.coracle("restart -t 0 one").succeeds();
    env.coracle("stop -t 0 one").succeeds();
    eventually("it is removed", || env.coracle("ps -aq").succeeds().stdout.is_empty());
}

#[test]
fn a_supervisor_without_descriptors_rests_and_recovers() {
    let env = ready!(busybox);
    if let Some(missing) = crate::support::missing_tool(&["prlimit"]) {
        return crate::support::skip(&missing);
    }
    env.run_detached("--name one IMAGE sleep 1000");
    let supervisor = env.supervisor("one");
    let limit = |soft: &str| {
        env.tool("prlimit", &["--pid", &supervisor.to_string(), &format!("--nofile={soft}:")]).run().succeeds();
    };
    limit("32");
    // As many clients as it takes, and more that wait to be accepted.
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
    let place = env.runtime().join("containers").join(&env.inspect("one", "{{.Id}}")[..32]);
    let address = UnixAddr::new(&place).expect("a short path");
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let client = || {
        let client = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).expect("a socket");
        connect(client.as_raw_fd(), &address).map(|()| client)
    };
    let mut clients = Vec::new();
    eventually("no more is accepted", || {
        clients.extend(client().ok());
        clients.len() > 32 && client().is_err()
    });
    let exec = env.command("exec one echo well").spawn();
    rests(supervisor);
    drop(clients);
    exec.wait().succeeds().stdout_is("well\n");
    // Room for the connection and not for the streams that come through it.
    limit("8");
    env.coracle("exec one true").fails_with(1).explains().stderr_has("too many open files");
    assert_eq!(env.status("one"), "running");
}

#[test]
fn limits_of_the_caller_are_the_containers_and_not_ours() {
    let env = ready!(busybox);
    let limited = |limits: &str, line: &str| {
        let driver = std::env::var("CORACLE_TEST_DRIVER").unwrap_or_else(|_| "overlay".into());
        let script = format!("{limits}; exec {} --storage-driver {driver} {line}", env.program().display());
        env.tool("sh", &["-c", &script.replace("IMAGE", &env.image())]).run()
    };
    limited("ulimit -Sn 24", "run --name first IMAGE grep SigIgn /proc/self/status")
        .succeeds()
        .stdout_is("SigIgn:\t0000000000000000\n");
    limited("ulimit -Sn 24; ulimit -Sf 1000; ulimit -St 100", "run -d --name one IMAGE sleep 1000").succeeds();
    env.coracle("exec one sh -c 'ulimit -Sn; ulimit -St'").succeeds().stdout_is("24\n100\n");
    for pid in env.processes() {
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).expect("ours");
        for line in
            limits.lines().filter(|line| line.starts_with("Max open files") || line.starts_with("Max file size"))
        {
            let words: Vec<_> = line.split_whitespace().collect();
            assert_eq!(words[3], words[4], "{pid}: {line}");
        }
    }
}

#[test]
fn a_log_that_may_not_grow_does_not_end_the_container() {
    let env = ready!(busybox);
    // 32 KiB, also for what our own processes write.
    let script = format!(
        "ulimit -f 64; exec {} run --network none --name one {} sh -c 'head -c 200000 /dev/zero | tr \"\\000\" x; echo end'",
        env.program().display(),
        env.image()
    );
    let output = env.tool("sh", &["-c", &script]).run().succeeds();
    assert_eq!(output.stdout.matches('x').count(), 200_000);
    assert!(output.stdout.ends_with("end\n"));
    assert_eq!(env.inspect("one", "{{.State.Status}} {{.State.ExitCode}}"), "exited 0");
}

/// On a file system that is full when the container ends.
#[test]
fn a_full_disk_does_not_lose_the_exit_code() {
    let env = ready!(busybox);
    let data = env.data();
    let program = env.program().display().to_string();
    let script = format!(
        r#"set -e
        mount -t tmpfs -o size=64m,mode=0700 tmpfs {data}
        {program} pull -q --tls-verify=false {image} >/dev/null
        {program} run -d --network none --name one {image} sh -c 'trap "exit 7" TERM; echo ready; while :; do sleep 0.1; done' >/dev/null
        until {program} logs one | grep -q ready; do sleep 0.1; done
        # To the last byte, with a file whose pages are there already.
        dd if=/dev/zero of={data}/fill bs=64k 2>/dev/null || true
        dd if=/dev/zero of={data}/fill2 bs=1k 2>/dev/null || true
        if echo x >{data}/more; then echo 'the disk is not full' >&2; exit 1; fi 2>/dev/null
        {program} stop one
        {program} inspect --format '{{{{.State.Status}}}} {{{{.State.ExitCode}}}}' one
        ls {data}/containers/*/state.reserve 2>/dev/null || true
        rm {data}/fill {data}/fill2
        {program} rm one
        "#,
        data = data.display(),
        image = env.image(),
    );
    env.tool("unshare", &["--user", "--map-root-user", "--mount", "sh", "-c", &script])
        .run()
        .succeeds()
        .stdout_is("one\nexited 7\none\n");
}

#[test]
fn files_that_the_dead_left_are_removed() {
    let env = ready!(busybox);
    env.run_detached("--name one IMAGE sleep 1000");
    for pid in env.processes() {
        let _ = kill(pid, Signal::SIGKILL);
    }
    eventually("all is gone", || env.processes().is_empty());
    let dead = [
        env.data().join("networks/.1-0-abc"),
        env.data().join("store/blobs/.1-0-abc"),
        env.data().join("store/.1-0-abc"),
    ];
    dead.iter().for_each(|file| std::fs::write(file, "").expect("ours"));
    let socket = env.runtime().join("netd/1");
    // Never bound: a listener would live on for a moment in whatever another test is just starting.
    mknod(&socket, SFlag::S_IFSOCK, Mode::S_IRWXU, 0).expect("ours");
    env.coracle("start one").succeeds();
    env.coracle("network create front").succeeds();
    env.coracle("network rm front").succeeds();
    assert!(!socket.exists() && !dead[0].exists());
    env.coracle("rm -f one").succeeds();
    eventually("files are swept", || dead.iter().all(|file| !file.exists()));
    let keepers = || -> Vec<_> {
        let entries = std::fs::read_dir(env.runtime().join("keepers")).expect("ours");
        entries.map(|entry| entry.expect("readable").file_name()).collect()
    };
    // A supervisor and netd, which cannot take their own records away: the next command does. A process that nobody has
    // waited for yet still counts as living.
    env.run_detached("--name two IMAGE sleep 1000");
    let dead = keepers();
    assert!(!dead.is_empty());
    for pid in env.processes() {
        let _ = kill(pid, Signal::SIGKILL);
    }
    eventually("all is gone", || env.processes().is_empty());
    eventually("records of the dead are gone", || {
        env.coracle("run --rm IMAGE true").succeeds();
        kill_netd(&env);
        let left = keepers();
        dead.iter().all(|record| !left.contains(record))
    });
}
