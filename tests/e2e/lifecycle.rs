//! Living with containers: ps, logs, stop, kill, restart, wait, start, rm, top.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::env::{Env, alive, is_id};
use crate::support::eventually;
use crate::support::images::Image;
use crate::support::registry::Registry;

/// Answers SIGTERM by ending with 5; says `ready` when it listens.
const POLITE: &str = "sh -c 'trap \"echo bye; exit 5\" TERM; echo ready; while :; do sleep 0.1; done'";

fn polite(env: &Env, name: &str) {
    env.run_detached(&format!("--name {name} IMAGE {POLITE}"));
    env.logged(name, "ready");
}

#[test]
fn ps_shows_what_runs() {
    let env = ready!(busybox);
    env.coracle("ps").succeeds().stdout_is("CONTAINER ID   IMAGE     COMMAND   CREATED   STATUS    PORTS     NAMES\n");
    let id = env.run_detached("--name one IMAGE sleep 1000");
    env.coracle("run --name over IMAGE true").succeeds();
    let output = env.coracle("ps").succeeds();
    let lines = output.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    let fields: Vec<&str> = lines[1].split("   ").map(str::trim).filter(|field| !field.is_empty()).collect();
    assert_eq!(fields[0], &id[..12]);
    assert_eq!(fields[1], env.image());
    assert_eq!(fields[2], "\"sleep 1000\"");
    assert!(fields[3].ends_with(" ago"), "{fields:?}");
    assert!(fields[4].starts_with("Up "), "{fields:?}");
    assert_eq!(fields[5], "one");
    // Columns stand below their headings.
    assert_eq!(lines[0].find("IMAGE"), lines[1].find(&env.image()));
    assert_eq!(lines[0].find("NAMES"), lines[1].find("one"));
}

#[test]
fn ps_a_shows_everything_newest_first() {
    let env = ready!(busybox);
    env.coracle("run --name first IMAGE sh -c 'exit 4'").fails_with(4);
    env.run_detached("--name second IMAGE sleep 1000");
    env.coracle("run --name third IMAGE true").succeeds();
    let names = |options: &str| env.coracle(&format!("ps {options} --format '{{{{.Names}}}}'")).succeeds().stdout;
    assert_eq!(names("-a"), "third\nsecond\nfirst\n");
    assert_eq!(names(""), "second\n");
    assert_eq!(names("-n 2"), "third\nsecond\n");
    assert_eq!(names("-l"), "third\n");
    let status = env.argv(&["ps", "-a", "--filter", "name=first", "--format", "{{.Status}}"]).succeeds();
    assert!(status.line().starts_with("Exited (4) ") && status.line().ends_with(" ago"), "{}", status.stdout);
}

#[test]
fn ps_ids_short_and_long() {
    let env = ready!(busybox);
    let id = env.run_detached("IMAGE sleep 1000");
    env.coracle("ps -q").succeeds().stdout_is(&format!("{}\n", &id[..12]));
    env.coracle("ps -q --no-trunc").succeeds().stdout_is(&format!("{id}\n"));
    env.coracle("ps --no-trunc").succeeds().stdout_has(&id).stdout_has("\"sleep 1000\"");
    // A long command is cut in the middle of the screen, not of the record.
    let long = format!("echo {}", "x".repeat(60));
    env.argv(&["run", "--name", "long", &env.image(), "sh", "-c", &long]).succeeds();
    let cut = env.argv(&["ps", "-l", "--format", "{{.Command}}"]).succeeds();
    assert!(cut.line().chars().count() <= 22 && cut.line().ends_with("…\""), "{}", cut.line());
    env.argv(&["ps", "-l", "--no-trunc", "--format", "{{.Command}}"]).succeeds().stdout_has(&"x".repeat(60));
}

#[test]
fn ps_filters() {
    let env = ready!(busybox);
    let id = env.run_detached("--name runs --label app=web --label tier IMAGE sleep 1000");
    env.coracle("run --name failed --label app=db IMAGE sh -c 'exit 3'").fails_with(3);
    env.coracle("run --name done IMAGE true").succeeds();
    let image = env.image();
    for (filter, expected) in [
        ("status=running", "runs\n"),
        ("status=exited", "done\nfailed\n"),
        ("exited=3", "failed\n"),
        ("exited=0", "done\n"),
        ("name=fail", "failed\n"),
        ("name=^do", "done\n"),
        ("label=app", "failed\nruns\n"),
        ("label=app=web", "runs\n"),
        ("label=tier", "runs\n"),
        ("label=absent", ""),
        (&format!("id={}", &id[..8]), "runs\n"),
        (&format!("ancestor={image}"), "done\nfailed\nruns\n"),
        ("ancestor=nothing", ""),
        ("before=done", "failed\nruns\n"),
        ("since=runs", "done\nfailed\n"),
    ] {
        let output = env.argv(&["ps", "-a", "--filter", filter, "--format", "{{.Names}}"]).succeeds();
        assert_eq!(output.stdout, expected, "{filter}");
    }
    // Filters of one key are alternatives, of several keys all must hold.
    env.argv(&["ps", "-a", "-f", "name=runs", "-f", "name=done", "--format", "{{.Names}}"])
        .succeeds()
        .stdout_is("done\nruns\n");
    env.argv(&["ps", "-a", "-f", "label=app", "-f", "status=exited", "--format", "{{.Names}}"])
        .succeeds()
        .stdout_is("failed\n");
    env.argv(&["ps", "--filter", "nonsense=1"]).fails().explains().stderr_has("nonsense");
    env.argv(&["ps", "--filter", "status=nonsense"]).fails().explains().stderr_has("nonsense");
}

#[test]
fn ps_formats() {
    let env = ready!(busybox);
    let id = env.run_detached("--name one --label a=b IMAGE sleep 1000");
    let short = &id[..12];
    env.argv(&["ps", "--format", "{{.ID}}: {{.Names}} {{.Image}} {{.State}}"])
        .succeeds()
        .stdout_is(&format!("{short}: one {} running\n", env.image()));
    env.argv(&["ps", "--format", "table {{.Names}}\t{{.State}}"])
        .succeeds()
        .stdout_is("NAMES     STATE\none       running\n");
    env.argv(&["ps", "--format", "{{.Label \"a\"}} {{.Labels}}"]).succeeds().stdout_is("b a=b\n");
    env.argv(&["ps", "--format", "{{upper .Names}} {{json .Names}}"]).succeeds().stdout_is("ONE \"one\"\n");
    for format in ["json", "{{json .}}"] {
        let value = env.argv(&["ps", "--format", format]).succeeds().json();
        assert_eq!(value["ID"], short);
        assert_eq!(value["Names"], "one");
        assert_eq!(value["State"], "running");
        assert_eq!(value["Command"], "\"sleep 1000\"");
        assert_eq!(value["Image"], env.image());
        assert_eq!(value["Labels"], "a=b");
        for key in ["CreatedAt", "RunningFor", "Status", "Ports", "Mounts", "Networks", "Size", "LocalVolumes"] {
            assert!(value.get(key).is_some_and(Value::is_string), "{key} in {value}");
        }
    }
    env.argv(&["ps", "--format", "{{.Nonsense}}"]).fails().explains();
    env.argv(&["ps", "--format", "{{"]).fails().explains();
}

#[test]
fn names_are_invented_when_none_is_given() {
    let env = ready!(busybox);
    env.coracle("run IMAGE true").succeeds();
    let name = env.argv(&["ps", "-a", "--format", "{{.Names}}"]).succeeds().line().to_owned();
    assert!(name.split_once('_').is_some_and(|(left, right)| !left.is_empty() && !right.is_empty()), "{name}");
    env.coracle(&format!("rm {name}")).succeeds().stdout_is(&format!("{name}\n"));
}

#[test]
fn containers_are_found_by_name_id_and_prefix() {
    let env = ready!(busybox);
    let id = env.run_detached("--name one IMAGE sleep 1000");
    for name in ["one", &id, &id[..12], &id[..4]] {
        assert_eq!(env.inspect(name, "{{.Id}}"), id, "{name}");
    }
    for command in ["logs", "stop", "kill", "start", "restart", "wait", "rm", "top", "inspect", "attach"] {
        env.coracle(&format!("{command} nosuch")).fails_with(1).explains().stderr_has("nosuch");
    }
    env.coracle("exec nosuch true").fails_with(1).explains().stderr_has("no such container").stderr_has("nosuch");
}

#[test]
fn an_ambiguous_prefix_is_refused() {
    let env = ready!(busybox);
    // Seventeen ids share a first digit at least once.
    for _ in 0..17 {
        env.coracle("run -d IMAGE true").succeeds();
    }
    let output = env.coracle("ps -aq").succeeds();
    let mut firsts: Vec<&str> = output.lines().iter().map(|id| &id[..1]).collect();
    firsts.sort_unstable();
    let twice = firsts.windows(2).find(|pair| pair[0] == pair[1]).expect("17 of 16 digits")[0];
    env.coracle(&format!("inspect --type container {twice}")).fails_with(1).explains();
    env.coracle(&format!("rm -f {twice}")).fails_with(1).explains();
    assert_eq!(env.coracle("ps -aq").succeeds().lines().len(), 17);
}

#[test]
fn logs_keep_the_streams_apart() {
    let env = ready!(busybox);
    env.coracle("run --name one IMAGE sh -c 'echo out; echo err >&2; printf \"no line end\"'").succeeds();
    env.coracle("logs one").succeeds().stdout_is("out\nno line end").stderr_is("err\n");
}

#[test]
fn logs_tail_and_timestamps() {
    let env = ready!(busybox);
    env.coracle("run --name one IMAGE sh -c 'for i in 1 2 3 4 5; do echo line $i; done'").succeeds();
    env.coracle("logs --tail 2 one").succeeds().stdout_is("line 4\nline 5\n");
    env.coracle("logs -n 1 one").succeeds().stdout_is("line 5\n");
    env.coracle("logs -n 0 one").succeeds().stdout_is("");
    env.coracle("logs --tail all one").succeeds().stdout_has("line 1\n").stdout_has("line 5\n");
    let output = env.coracle("logs -t -n 1 one").succeeds();
    let (time, text) = output.line().split_once(' ').expect("a time and a text");
    assert_eq!(text, "line 5");
    assert!(time.parse::<jiff::Timestamp>().is_ok() && time.ends_with('Z'), "{time}");
    assert_eq!(time.len(), "2026-01-02T03:04:05.123456789Z".len(), "{time}");
}

#[test]
fn logs_since_and_until() {
    let env = ready!(busybox);
    env.coracle("run --name one IMAGE sh -c 'echo early; sleep 1.2; echo late'").succeeds();
    let output = env.coracle("logs -t one").succeeds();
    let times: Vec<&str> = output.lines().iter().map(|line| line.split_once(' ').expect("a time").0).collect();
    env.coracle(&format!("logs --since {} one", times[1])).succeeds().stdout_is("late\n");
    env.coracle(&format!("logs --until {} one", times[0])).succeeds().stdout_is("early\n");
    env.coracle("logs --since 1h one").succeeds().stdout_is("early\nlate\n");
    env.coracle("logs --until 1h one").succeeds().stdout_is("");
    env.coracle("logs --since nonsense one").fails().explains().stderr_has("nonsense");
}

#[test]
fn logs_follow_until_the_end() {
    let env = ready!(busybox);
    env.run_detached("--name one IMAGE sh -c 'echo begun; while [ ! -e /go ]; do sleep 0.05; done; echo ended'");
    let following = env.command("logs -f one").spawn();
    following.prints("begun");
    assert!(!following.stdout().contains("ended"));
    env.coracle("exec one touch /go").succeeds();
    following.wait().succeeds().stdout_is("begun\nended\n");
    // Of a container that does not run any more it is all there is.
    env.coracle("logs -f one").succeeds().stdout_is("begun\nended\n");
}

#[test]
fn logs_hold_very_long_lines_and_any_bytes() {
    let env = ready!(busybox);
    env.coracle(
        "run --name one IMAGE sh -c 'head -c 100000 /dev/zero | tr \"\\000\" x; echo; printf \"\\001\\t\\\"\\134\\n\"'",
    )
    .succeeds();
    let output = env.coracle("logs one").succeeds();
    assert_eq!(output.stdout, format!("{}\n\u{1}\t\"\\\n", "x".repeat(100_000)));
}

#[test]
fn stop_asks_and_then_insists() {
    let env = ready!(busybox);
    polite(&env, "polite");
    env.coracle("stop polite").succeeds().stdout_is("polite\n");
    assert_eq!(env.inspect("polite", "{{.State.Status}} {{.State.ExitCode}}"), "exited 5");
    env.coracle("logs polite").succeeds().stdout_is("ready\nbye\n");
    // Process 1 without a handler does not see SIGTERM.
    let id = env.run_detached("--name deaf IMAGE sleep 1000");
    let begun = Instant::now();
    env.coracle("stop -t 1 deaf").succeeds().stdout_is("deaf\n");
    assert!(begun.elapsed() >= Duration::from_secs(1) && begun.elapsed() < Duration::from_secs(9));
    assert_eq!(env.inspect(&id, "{{.State.ExitCode}}"), "137");
    // What is stopped may be stopped.
    env.coracle("stop deaf polite").succeeds().stdout_is("deaf\npolite\n");
}

#[test]
fn stop_uses_the_images_and_the_users_signal() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let name = registry.push(&Image::busybox().set("StopSignal", serde_json::json!("SIGUSR1")), "signal");
    let command = "sh -c 'trap \"exit 21\" USR1; trap \"exit 22\" USR2; echo ready; while :; do sleep 0.1; done'";
    env.run_detached(&format!("--name image {name} {command}"));
    env.run_detached(&format!("--name flag --stop-signal SIGUSR2 {name} {command}"));
    env.run_detached(&format!("--name stop {name} {command}"));
    for container in ["image", "flag", "stop"] {
        env.logged(container, "ready");
    }
    env.coracle("stop -t 30 image flag").succeeds();
    env.coracle("stop -t 30 --signal USR2 stop").succeeds();
    assert_eq!(env.inspect("image", "{{.State.ExitCode}}"), "21");
    assert_eq!(env.inspect("flag", "{{.State.ExitCode}}"), "22");
    assert_eq!(env.inspect("stop", "{{.State.ExitCode}}"), "22");
}

#[test]
fn kill_sends_any_signal() {
    let env = ready!(busybox);
    polite(&env, "one");
    env.coracle("kill -s TERM one").succeeds().stdout_is("one\n");
    env.coracle("wait one").succeeds().stdout_is("5\n");
    env.coracle("kill one").fails_with(1).explains().stderr_has("is not running");
    env.run_detached("--name two IMAGE sleep 1000");
    env.coracle("kill --signal nonsense two").fails_with(1).explains().stderr_has("nonsense");
    assert_eq!(env.status("two"), "running");
    // SIGKILL is waited for, as docker does.
    env.coracle("kill two").succeeds().stdout_is("two\n");
    assert_eq!(env.status("two"), "exited");
    assert_eq!(env.inspect("two", "{{.State.ExitCode}}"), "137");
    env.run_detached("--name three IMAGE sleep 1000");
    env.coracle("kill -s 9 three").succeeds();
    assert_eq!(env.status("three"), "exited");
}

#[test]
fn restart_gives_a_new_process_in_the_same_container() {
    let env = ready!(busybox);
    let id = env.run_detached("--name one IMAGE sh -c 'echo x >>/root/starts; sleep 1000'");
    eventually("it started", || env.coracle("exec one cat /root/starts").stdout == "x\n");
    let first = env.pid("one");
    env.coracle("restart -t 0 one").succeeds().stdout_is("one\n");
    eventually("it started again", || env.coracle("exec one cat /root/starts").stdout == "x\nx\n");
    let second = env.pid("one");
    assert_ne!(first, second);
    assert!(!alive(first));
    assert_eq!(env.inspect("one", "{{.Id}}"), id);
    // A stopped one is started.
    env.coracle("stop -t 0 one").succeeds();
    env.coracle("restart one").succeeds();
    assert_eq!(env.status("one"), "running");
}

#[test]
fn wait_gives_exit_codes() {
    let env = ready!(busybox);
    env.run_detached("--name one IMAGE sh -c 'while [ ! -e /go ]; do sleep 0.05; done; exit 11'");
    env.run_detached("--name two IMAGE sh -c 'exit 12'");
    env.coracle("wait two").succeeds().stdout_is("12\n");
    env.coracle("wait two").succeeds().stdout_is("12\n");
    let waiting = env.command("wait one two").spawn();
    env.coracle("exec one touch /go").succeeds();
    waiting.wait().succeeds().stdout_is("11\n12\n");
}

#[test]
fn wait_ends_with_the_first_condition_and_the_first_container() {
    let env = ready!(busybox);
    env.run_detached("--name one IMAGE sleep 1000");
    env.run_detached("--name two IMAGE sleep 1000");
    let either = env.command("wait -i 10ms --condition paused --condition exited one").spawn();
    env.coracle("pause one").succeeds();
    either.wait().succeeds().stdout_is("-1\n");
    env.coracle("unpause one").succeeds();
    let first = env.command("wait --exit-first-match one two").spawn();
    env.coracle("kill two").succeeds();
    first.wait().succeeds().stdout_is("137\n");
    assert_eq!(env.status("one"), "running");
    env.coracle("wait --condition next-exit --condition paused one").fails().explains();
    env.coracle("wait -i soon one").fails().explains();
}

#[test]
fn wait_for_one_that_is_removed_when_it_ends() {
    let env = ready!(busybox);
    env.run_detached("--rm --name one IMAGE sh -c 'while [ ! -e /go ]; do sleep 0.05; done; exit 11'");
    let waiting = env.command("wait one").spawn();
    // Its being connected cannot be seen from outside; the answer must be the same when it comes late.
    env.coracle("exec one touch /go").succeeds();
    let output = waiting.wait();
    assert!(output.stdout == "11\n" || output.stderr.to_lowercase().contains("no such container"), "{output:?}");
}

#[test]
fn start_runs_it_again_with_its_files() {
    let env = ready!(busybox);
    env.coracle("run --name one IMAGE sh -c 'echo x >>/root/starts; cat /root/starts; exit 3'").fails_with(3);
    env.coracle("start one").succeeds().stdout_is("one\n");
    env.coracle("wait one").succeeds().stdout_is("3\n");
    env.coracle("start -a one").fails_with(3).stdout_is("x\nx\nx\n");
    env.coracle("logs one").succeeds().stdout_is("x\nx\nx\nx\nx\nx\n");
    env.run_detached("--name two IMAGE sleep 1000");
    let pid = env.pid("two");
    env.coracle("start two").succeeds().stdout_is("two\n");
    assert_eq!(env.pid("two"), pid, "a running container is left alone");
}

#[test]
fn start_with_standard_input() {
    let env = ready!(busybox);
    env.command("run --name one -i IMAGE cat").stdin("first").run().succeeds().stdout_is("first");
    env.command("start -ai one").stdin("second").run().succeeds().stdout_is("second");
}

#[test]
fn rm_refuses_what_runs() {
    let env = ready!(busybox);
    let id = env.run_detached("--name one IMAGE sleep 1000");
    env.coracle("rm one").fails_with(1).explains().stderr_has("running");
    assert_eq!(env.status("one"), "running");
    let (pid, supervisor) = (env.pid("one"), env.supervisor("one"));
    env.coracle("rm -f one").succeeds().stdout_is("one\n");
    env.coracle("ps -aq").succeeds().stdout_is("");
    eventually("its processes are gone", || !alive(pid) && !alive(supervisor));
    env.coracle(&format!("inspect {id}")).fails_with(1);
}

#[test]
fn rm_of_several_goes_on_after_a_failure() {
    let env = ready!(busybox);
    for name in ["one", "two"] {
        env.coracle(&format!("run --name {name} IMAGE true")).succeeds();
    }
    env.coracle("rm one nosuch two").fails_with(1).stdout_is("one\ntwo\n").stderr_has("nosuch");
    env.coracle("ps -aq").succeeds().stdout_is("");
    env.coracle("rm -f nosuch").succeeds().stdout_is("");
}

#[test]
fn top_shows_the_processes() {
    let env = ready!(busybox);
    env.run_detached("--name one IMAGE sh -c 'sleep 1001 & sleep 1002; true'");
    eventually("both run", || env.coracle("top one").succeeds().lines().len() >= 4);
    let output = env.coracle("top one").succeeds();
    let heading = output.lines()[0].split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(heading, "UID PID PPID C STIME TTY TIME CMD");
    assert!(output.stdout.contains("sleep 1001") && output.stdout.contains("sleep 1002"), "{}", output.stdout);
    assert_eq!(output.lines().len(), 4, "{}", output.stdout);
    env.coracle("stop -t 0 one").succeeds();
    env.coracle("top one").fails_with(1).explains().stderr_has("is not running");
}

#[test]
fn debug_tells_the_steps_of_all_processes() {
    let env = ready!(busybox);
    let output = env.coracle("--debug run -d --name one IMAGE sleep 1000").succeeds();
    let id = output.line()[..12].to_owned();
    for words in
        ["data is in ", "the supervisor is process ", "the image is sha256:", "container `one` runs as process "]
    {
        assert!(output.stderr.lines().any(|line| line.starts_with(&format!("debug: {words}"))), "{}", output.stderr);
    }
    let log = |name: &str| std::fs::read_to_string(env.data().join("logs").join(name)).unwrap_or_default();
    let supervisors = log("supervisor.log");
    for words in ["starts container `one`", "netd gave it network `bridge`", "the first process is "] {
        assert!(supervisors.contains(&format!(" {id}: {words}")), "{words}: {supervisors}");
    }
    assert!(log("netd.log").contains(&format!(": container {id} joins 1 networks")), "{}", log("netd.log"));
    // Of a worker.
    env.coracle("--log-level debug pull IMAGE")
        .succeeds()
        .stderr_has("debug: the worker for `pull` is process ")
        .stderr_has(" layers\n");
    env.coracle("--debug stop -t 0 one").succeeds().stderr_has("debug: asked the supervisor of one");
    // And none of those that were not asked.
    let quiet = env.coracle("run -d --name two IMAGE sleep 1000").succeeds().stderr_is("");
    assert!(!log("supervisor.log").contains(&quiet.line()[..12]), "{}", log("supervisor.log"));
}

#[test]
fn a_supervisor_outlives_the_command_line() {
    let env = ready!(busybox);
    let id = env.run_detached("IMAGE sh -c 'sleep 0.5; echo after; exit 7'");
    assert!(is_id(&id));
    env.coracle(&format!("wait {id}")).succeeds().stdout_is("7\n");
    env.coracle(&format!("logs {id}")).succeeds().stdout_is("after\n");
    eventually("nothing runs when nothing runs", || env.processes().is_empty());
}

#[test]
fn descendants_end_with_the_container() {
    let env = ready!(busybox);
    env.run_detached("--name one IMAGE sh -c 'sleep 98765 & sleep 98765 & sleep 0.3'");
    env.coracle("wait one").succeeds().stdout_is("0\n");
    let left = crate::support::env::processes(|pid| {
        std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line == "sleep\u{0}98765\u{0}")
    });
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn logs_of_several_containers_are_merged_by_time() {
    let env = ready!(busybox);
    for (name, line) in [("one", "first"), ("two", "second"), ("three", "third")] {
        env.coracle(&format!("run --name {name} IMAGE echo {line}")).succeeds();
    }
    let id = env.inspect("two", "{{.Id}}");
    env.coracle("logs --names three one two").succeeds().stdout_is("one first\ntwo second\nthree third\n");
    env.coracle("logs two one").succeeds().stdout_has(&format!("{} second\n", &id[..12]));
    env.coracle("logs --details one").succeeds().stdout_is(" first\n");
    env.coracle("logs one nosuch").fails_with(1).stderr_has("no such container").stdout_is("");
    env.called("docker", "logs one two").run().fails_with(1).stderr_has("requires 1 argument");
    let slow = "sh -c 'echo ready; while [ ! -e /go ]; do sleep 0.05; done; echo end'";
    for name in ["four", "five"] {
        env.run_detached(&format!("--name {name} IMAGE {slow}"));
    }
    let follower = env.command("logs -f --names four five").spawn();
    for name in ["four", "five"] {
        follower.prints(&format!("{name} ready"));
        env.coracle(&format!("exec {name} touch /go")).succeeds();
        follower.prints(&format!("{name} end"));
    }
    follower.wait().succeeds();
}

#[test]
fn ps_is_shown_again_and_again() {
    let env = ready!(busybox);
    let watch = env.command("ps --sync --watch 1 --format '{{.Names}} {{.State}}'").spawn();
    env.run_detached("--name web IMAGE sleep 1000");
    watch.prints("web running\n");
    env.coracle("pause web").succeeds();
    watch.prints("web paused\n");
    watch.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(watch.wait().code(), 143);
    env.coracle("container exists web").succeeds();
    env.coracle("container exists nosuch").fails_with(1).stderr_is("");
}
