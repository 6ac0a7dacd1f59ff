//! `exec` and `attach`.

use crate::support::env::alive;
use crate::support::eventually;

#[test]
fn exec_runs_in_the_container() {
    let env = ready!(busybox);
    let id = env.run_detached("--hostname box -e FROM=run -w /etc IMAGE sh -c 'echo x >/root/file; sleep 1000; true'");
    eventually("the file is written", || env.coracle(&format!("exec {id} cat /root/file")).stdout == "x\n");
    env.coracle(&format!("exec {id} hostname")).succeeds().stdout_is("box\n");
    env.coracle(&format!("exec {id} sh -c 'echo $FROM; pwd; cat /proc/1/comm'"))
        .succeeds()
        .stdout_is("run\n/etc\nsh\n");
    for name in ["user", "mnt", "pid", "ipc", "uts", "cgroup", "net"] {
        let output = env
            .coracle(&format!("exec {id} sh -c 'readlink /proc/1/ns/{name}; readlink /proc/self/ns/{name}'"))
            .succeeds();
        let links = output.lines();
        assert!(links.len() == 2 && links[0] == links[1], "{links:?}");
    }
}

#[test]
fn exec_streams_and_exit_codes() {
    let env = ready!(busybox);
    let id = env.run_detached("IMAGE sleep 1000");
    env.coracle(&format!("exec {id} sh -c 'echo out; echo err >&2; exit 9'"))
        .fails_with(9)
        .stdout_is("out\n")
        .stderr_is("err\n");
    env.coracle(&format!("exec {id} sh -c 'kill -9 $$'")).fails_with(137);
    env.command(&format!("exec -i {id} cat")).stdin("typed").run().succeeds().stdout_is("typed");
    env.command(&format!("exec {id} cat")).stdin("typed").run().succeeds().stdout_is("");
    env.coracle(&format!("exec {id} nosuch")).fails_with(127).explains().stderr_has("nosuch");
    env.coracle(&format!("exec {id} /bin/plain.txt")).fails_with(126).explains();
    env.coracle(&format!("exec --nonsense {id} true")).fails().explains().stderr_has("--nonsense");
    let text = "0123456789abcdef".repeat(1 << 16);
    let output = env.command(&format!("exec -i {id} cat")).stdin(text.clone()).run().succeeds();
    assert!(output.stdout == text, "{} bytes came back of {}", output.stdout.len(), text.len());
    // What exec prints is not the container's log.
    env.coracle(&format!("logs {id}")).succeeds().stdout_is("");
}

#[test]
fn exec_options() {
    let env = ready!(busybox);
    let id = env.run_detached("-e KEPT=1 -u 0 IMAGE sleep 1000");
    let file = env.write("env", "FILE=3\n");
    env.command(&format!(
        "exec -e NEW=2 -e HOSTS --env-file {} {id} sh -c 'echo $KEPT $NEW $HOSTS $FILE'",
        file.display()
    ))
    .var("HOSTS", "ours")
    .run()
    .succeeds()
    .stdout_is("1 2 ours 3\n");
    env.coracle(&format!("exec -u user {id} id -un")).succeeds().stdout_is("user\n");
    env.coracle(&format!("exec -u 1000:50 {id} id -g")).succeeds().stdout_is("50\n");
    env.coracle(&format!("exec -u user {id} sh -c 'echo $HOME'")).succeeds().stdout_is("/home/user\n");
    env.coracle(&format!("exec -u nosuch {id} id")).fails().explains().stderr_has("nosuch");
    env.coracle(&format!("exec -w /tmp {id} pwd")).succeeds().stdout_is("/tmp\n");
    env.coracle(&format!("exec -w /no/such {id} pwd")).fails().explains().stderr_has("/no/such");
}

#[test]
fn exec_uses_the_containers_user_and_limits() {
    let env = ready!(busybox);
    let id = env.run_detached("-u user IMAGE sleep 1000");
    env.coracle(&format!("exec {id} id -un")).succeeds().stdout_is("user\n");
    let output = env.coracle(&format!("exec -u 0 {id} cat /proc/self/status")).succeeds();
    for wanted in ["CapBnd:\t00000000a80425fb", "Seccomp:\t2", "NoNewPrivs:\t0"] {
        assert!(output.stdout.contains(wanted), "{wanted} is not in\n{}", output.stdout);
    }
    env.coracle(&format!("exec -u 0 {id} unshare -U true")).fails().stderr_has("not permitted");
}

#[test]
fn exec_in_the_background() {
    let env = ready!(busybox);
    let id = env.run_detached("IMAGE sleep 1000");
    env.coracle(&format!("exec -d {id} sh -c 'sleep 0.2; echo x >/root/done'")).succeeds().stdout_is("");
    eventually("it has done its work", || env.coracle(&format!("exec {id} cat /root/done")).stdout == "x\n");
    env.coracle(&format!("exec -d {id} nosuch")).fails_with(127).explains();
}

#[test]
fn exec_needs_a_running_container() {
    let env = ready!(busybox);
    env.coracle("run --name over IMAGE true").succeeds();
    env.coracle("exec over true").fails_with(1).explains().stderr_has("is not running");
}

#[test]
fn exec_ends_with_the_container() {
    let env = ready!(busybox);
    let id = env.run_detached("IMAGE sleep 1000");
    let running = env.command(&format!("exec {id} sh -c 'echo ready; sleep 1000'")).spawn();
    running.prints("ready");
    env.coracle(&format!("rm -f {id}")).succeeds();
    running.wait().fails_with(137);
}

#[test]
fn exec_survives_nothing_of_its_command_line() {
    let env = ready!(busybox);
    let id = env.run_detached("IMAGE sleep 1000");
    let running = env.command(&format!("exec {id} sh -c 'echo ready; sleep 1000'")).spawn();
    running.prints("ready");
    let cli = running.pid();
    running.signal(nix::sys::signal::Signal::SIGKILL);
    drop(running);
    eventually("the command line is gone", || !alive(cli));
    assert_eq!(env.status(&id), "running", "the container must not care");
}

#[test]
fn many_at_once() {
    let env = ready!(busybox);
    let id = env.run_detached("IMAGE sleep 1000");
    let running: Vec<_> =
        (0..20).map(|n| env.command(&format!("exec {id} sh -c 'echo {n}; exit {n}'")).spawn()).collect();
    for (n, running) in running.into_iter().enumerate() {
        running.wait().exits_with(i32::try_from(n).expect("small")).stdout_is(&format!("{n}\n"));
    }
}

#[test]
fn exec_processes_show_in_top_and_are_reaped() {
    let env = ready!(busybox);
    let id = env.run_detached("IMAGE sleep 1000");
    env.coracle(&format!("exec -d {id} sleep 1003")).succeeds();
    eventually("it shows", || env.coracle(&format!("top {id}")).succeeds().stdout.contains("sleep 1003"));
    env.coracle(&format!("exec {id} true")).succeeds();
    env.coracle(&format!("exec {id} sh -c 'grep -l \"^State:.Z\" /proc/[0-9]*/status; true'")).succeeds().stdout_is("");
}

#[test]
fn attach_shows_what_comes_and_gives_the_exit_code() {
    let env = ready!(busybox);
    env.run_detached(
        "--name one IMAGE sh -c 'while [ ! -e /go ]; do echo tick; sleep 0.1; done; echo err >&2; exit 6'",
    );
    let attached = env.command("attach one").spawn();
    attached.prints("tick");
    env.coracle("exec one touch /go").succeeds();
    attached.wait().fails_with(6).stderr_has("err");
}

#[test]
fn attach_passes_standard_input() {
    let env = ready!(busybox);
    env.run_detached("-i --name one IMAGE sh -c 'read line; echo got $line; exit 2'");
    env.command("attach one").stdin("words\n").run().fails_with(2).stdout_is("got words\n");
}

#[test]
fn attach_forwards_signals() {
    let env = ready!(busybox);
    env.run_detached(
        "--name one IMAGE sh -c 'trap \"echo caught; exit 5\" TERM; while :; do echo tick; sleep 0.1; done'",
    );
    let attached = env.command("attach one").spawn();
    attached.prints("tick");
    attached.signal(nix::sys::signal::Signal::SIGTERM);
    attached.wait().fails_with(5).stdout_has("caught\n");
}

#[test]
fn a_killed_attach_does_not_harm_the_container() {
    let env = ready!(busybox);
    env.run_detached("--name one IMAGE sh -c 'while :; do echo tick; sleep 0.05; done'");
    for _ in 0..3 {
        let attached = env.command("attach one").spawn();
        attached.prints("tick");
        attached.signal(nix::sys::signal::Signal::SIGKILL);
        drop(attached);
    }
    env.command("attach --no-stdin one").spawn().prints("tick");
    assert_eq!(env.status("one"), "running");
}

#[test]
fn attach_needs_a_running_container() {
    let env = ready!(busybox);
    env.coracle("run --name over IMAGE true").succeeds();
    env.coracle("attach over").fails_with(1).explains().stderr_has("stopped container");
}

#[test]
fn megabytes_reach_attach_and_the_log() {
    let env = ready!(busybox);
    let script =
        "echo tick; while [ ! -e /go ]; do sleep 0.05; echo tick; done; head -c 4000000 /dev/zero | tr \"\\000\" x";
    let id = env.argv(&["run", "-d", &env.image(), "sh", "-c", script]).succeeds().line().to_owned();
    let attached = env.command(&format!("attach {id}")).spawn();
    attached.prints("tick");
    env.coracle(&format!("exec {id} touch /go")).succeeds();
    assert_eq!(attached.wait().succeeds().stdout.matches('x').count(), 4_000_000);
    assert_eq!(env.coracle(&format!("logs {id}")).succeeds().stdout.matches('x').count(), 4_000_000);
}

/// Runs `coracle LINE` with its output in a pipe of which somebody reads one line. Its exit code stands on standard error.
fn one_line_of(env: &crate::support::env::Env, line: &str) -> crate::support::output::Output {
    let program = env.program().display();
    let driver =
        std::env::var("CORACLE_TEST_DRIVER").map_or(String::new(), |driver| format!("--storage-driver {driver}"));
    let script = format!("{{ {program} {driver} {line}; echo $? >&2; }} | head -n 1");
    env.tool("sh", &["-c", &script]).run()
}

/// As with docker and podman: a pager that is left must not end a database.
#[test]
fn a_reader_that_has_enough_does_not_end_the_container() {
    let env = ready!(busybox);
    let image = env.image();
    one_line_of(&env, &format!("run --name one {image} yes")).succeeds().stdout_is("y\n").stderr_is("141\n");
    one_line_of(&env, "attach --no-stdin one").succeeds().stdout_is("y\n").stderr_is("141\n");
    one_line_of(&env, "attach one").succeeds().stdout_is("y\n").stderr_is("141\n");
    assert_eq!(env.status("one"), "running");
    let full = env.tool("sh", &["-c", &format!("{} run --name full {image} yes >/dev/full", env.program().display())]);
    full.run().fails().explains().stderr_has("o space left");
    assert_eq!(env.status("full"), "running");
}

#[test]
fn what_exec_started_goes_on_without_a_reader() {
    let env = ready!(busybox);
    env.run_detached("--name one IMAGE sleep 1000");
    let script = "'echo $$ >/pid; while echo line; do echo x >>/lines; done'";
    one_line_of(&env, &format!("exec one sh -c {script}")).succeeds().stdout_is("line\n").stderr_is("141\n");
    let lines = || env.coracle("exec one cat /lines").succeeds().stdout.len();
    let before = lines();
    // More than fits into its pipe.
    eventually("it goes on to write", || lines() > before + 100_000);
    env.coracle("exec one sh -c 'kill $(cat /pid)'").succeeds();
    // A client that is killed, and a terminal that is left.
    let client = env.command("exec one sh -c 'echo $$ >/pid; while echo tick; do echo x >>/ticks; done'").spawn();
    client.prints("tick");
    client.signal(nix::sys::signal::Signal::SIGKILL);
    drop(client);
    let ticks = || env.coracle("exec one cat /ticks").succeeds().stdout.len();
    let before = ticks();
    eventually("it goes on to write", || ticks() > before + 100_000);
    env.coracle("exec one sh -c 'kill $(cat /pid)'").succeeds();
    let terminal = env.terminal("exec -it one sh -c 'while echo tock; do echo x >>/tocks; done'");
    terminal.expects("tock");
    terminal.types("\x10\x11");
    terminal.wait().succeeds();
    let tocks = || env.coracle("exec one cat /tocks").succeeds().stdout.len();
    let before = tocks();
    eventually("it goes on to write", || tocks() > before + 10_000);
}

/// Starts to measure: `stop -t 1` of a container that does not want to end takes that second, and not long more.
fn is_stopped_soon(env: &crate::support::env::Env, name: &str) {
    let begun = std::time::Instant::now();
    env.coracle(&format!("stop -t 1 {name}")).succeeds();
    assert!(begun.elapsed() < std::time::Duration::from_secs(8), "it took {:?}", begun.elapsed());
    assert_eq!(env.inspect(name, "{{.State.Status}} {{.State.ExitCode}}"), "exited 137");
}

#[test]
fn a_stopped_reader_does_not_hold_up_the_container() {
    let env = ready!(busybox);
    // More than a client may be behind, and the log goes on. Pid 1 ignores SIGTERM.
    let script = "while [ ! -e /go ]; do echo tick; sleep 0.05; done; \
                  head -c 8000000 /dev/zero | tr \"\\000\" x; echo written; sleep 1000";
    env.argv(&["run", "-d", "--name", "one", &env.image(), "sh", "-c", script]).succeeds();
    let readers: Vec<_> = (0..3).map(|_| env.command("attach --no-stdin one").spawn()).collect();
    for reader in &readers {
        reader.prints("tick");
        reader.signal(nix::sys::signal::Signal::SIGSTOP);
    }
    env.coracle("exec one touch /go").succeeds();
    env.logged("one", "written");
    is_stopped_soon(&env, "one");
    for reader in readers {
        reader.signal(nix::sys::signal::Signal::SIGCONT);
        // It was too far behind.
        reader.wait().fails_with(1).stderr_has("came faster than it was read");
    }
}

#[test]
fn a_stopped_owner_does_not_hold_up_the_end_and_misses_nothing() {
    let env = ready!(busybox);
    let owner = env.command("run --name one IMAGE yes").spawn();
    owner.prints("y\n");
    owner.signal(nix::sys::signal::Signal::SIGSTOP);
    eventually("its socket and the pipe are full", || {
        let wait = std::fs::read_to_string(format!("/proc/{}/wchan", env.pid("one"))).unwrap_or_default();
        wait.contains("pipe_w")
    });
    is_stopped_soon(&env, "one");
    env.coracle("start one").succeeds();
    is_stopped_soon(&env, "one");
    env.coracle("logs --tail 1 one").succeeds().stdout_is("y\n");
    owner.signal(nix::sys::signal::Signal::SIGCONT);
    let output = owner.wait().fails_with(137);
    assert!(output.stdout.len() > 200_000, "{} bytes", output.stdout.len());
}

/// Input that the container does not take must not keep its supervisor busy.
#[test]
fn waiting_input_costs_no_time() {
    let env = ready!(busybox);
    let script = format!("yes | {} run -i --name one {} sleep 1000", env.program().display(), env.image());
    let running = env.tool("sh", &["-c", &script]).spawn();
    eventually("it runs", || {
        let status = env.argv(&["inspect", "--format", "{{.State.Status}}", "one"]);
        status.stdout == "running\n"
    });
    let supervisor = env.supervisor("one");
    super::crash::rests(supervisor);
    env.coracle("kill one").succeeds();
    let _ = running.wait();
}
