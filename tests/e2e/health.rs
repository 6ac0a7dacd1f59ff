//! Health checks: what a container says of itself, who hears it, and what a hostile check cannot do.

use std::time::Duration;

use nix::unistd::Pid;
use serde_json::json;

use crate::support::env::Env;
use crate::support::images::Image;
use crate::support::registry::Registry;
use crate::support::{eventually, holds_within};

/// Healthy while `/ok` exists.
const CHECK: &str = "--health-cmd 'echo checked; test -e /ok' --health-interval 100ms --health-retries 2";

fn health(env: &Env, name: &str) -> String {
    env.inspect(name, "{{.State.Health.Status}}")
}

#[track_caller]
fn becomes(env: &Env, name: &str, status: &str) {
    eventually(&format!("{name} is {status}"), || health(env, name) == status);
}

fn ps(env: &Env, name: &str) -> String {
    env.argv(&["ps", "-a", "--filter", &format!("name=^{name}$"), "--format", "{{.Status}}"])
        .succeeds()
        .line()
        .to_owned()
}

/// How many processes of this command line live in a container.
fn count(env: &Env, name: &str, line: &str) -> usize {
    let script = r#"for p in /proc/[0-9]*/cmdline; do tr '\0' ' ' <$p; echo; done 2>/dev/null"#;
    let lines = env.argv(&["exec", name, "sh", "-c", script]).succeeds().stdout;
    lines.lines().filter(|found| found.trim() == line).count()
}

#[test]
fn a_container_is_starting_then_healthy_then_unhealthy() {
    let env = ready!(busybox);
    env.run_detached("--name slow --health-cmd true --health-interval 1h IMAGE sleep 1000");
    assert_eq!(health(&env, "slow"), "starting");
    assert!(ps(&env, "slow").ends_with(" (health: starting)"), "{}", ps(&env, "slow"));
    env.run_detached(&format!("--name web {CHECK} IMAGE sh -c 'touch /ok; exec sleep 1000'"));
    becomes(&env, "web", "healthy");
    assert!(ps(&env, "web").ends_with(" (healthy)"), "{}", ps(&env, "web"));
    for (filter, expected) in [("healthy", "web\n"), ("starting", "slow\n"), ("unhealthy", ""), ("none", "")] {
        let filter = format!("health={filter}");
        env.argv(&["ps", "--filter", &filter, "--format", "{{.Names}}"]).succeeds().stdout_is(expected);
    }
    env.coracle("exec web rm /ok").succeeds();
    becomes(&env, "web", "unhealthy");
    assert!(ps(&env, "web").ends_with(" (unhealthy)"), "{}", ps(&env, "web"));
    env.coracle("exec web touch /ok").succeeds();
    becomes(&env, "web", "healthy");
    let state = env.argv(&["inspect", "--format", "{{json .State.Health}}", "web"]).succeeds().json();
    assert_eq!((&state["FailingStreak"], &state["Log"][0]["Output"]), (&json!(0), &json!("checked\n")));
    eventually("five results are kept", || {
        let state = env.argv(&["inspect", "--format", "{{json .State.Health}}", "web"]).succeeds().json();
        state["Log"].as_array().expect("a list").len() == 5
    });
    env.coracle("stop -t 0 web").succeeds();
    assert_eq!(health(&env, "web"), "unhealthy");
    assert!(ps(&env, "web").starts_with("Exited (137) "));
}

#[test]
fn an_image_brings_its_check_and_options_change_it() {
    let env = ready!(busybox);
    let check = json!({"Test": ["CMD", "test", "-e", "/ok"], "Interval": 100_000_000, "Retries": 1});
    let name = Registry::shared("busybox").push(&Image::busybox().set("Healthcheck", check), "with-check");
    env.argv(&["pull", "-q", "--tls-verify=false", &name]).succeeds();
    env.argv(&["run", "-d", "--name", "bad", &name, "sleep", "1000"]).succeeds();
    becomes(&env, "bad", "unhealthy");
    env.argv(&["run", "-d", "--name", "good", "--health-cmd", "true", &name, "sleep", "1000"]).succeeds();
    becomes(&env, "good", "healthy");
    let check = |name: &str| env.argv(&["inspect", "--format", "{{json .Config.Healthcheck}}", name]).succeeds().json();
    assert_eq!(check("good"), json!({"Test": ["CMD-SHELL", "true"], "Interval": 100_000_000, "Retries": 1}));
    env.argv(&["run", "-d", "--name", "none", "--no-healthcheck", &name, "sleep", "1000"]).succeeds();
    assert_eq!(check("none")["Test"], json!(["NONE"]));
    assert!(env.argv(&["inspect", "--format", "{{json .State}}", "none"]).succeeds().json().get("Health").is_none());
    env.coracle("healthcheck run none").fails_with(125).explains().stderr_has("no defined healthcheck");
}

#[test]
fn a_check_has_the_containers_user_environment_and_directory() {
    let env = ready!(busybox);
    env.run_detached("--name web --user 7:8 -e WHO=me -w /tmp --health-interval 1h --health-cmd 'echo $(id -u) $WHO $PWD' IMAGE sleep 1000");
    env.coracle("healthcheck run web").succeeds().stdout_is("");
    let log = env.argv(&["inspect", "--format", "{{json .State.Health.Log}}", "web"]).succeeds().json();
    assert_eq!((&log[0]["ExitCode"], &log[0]["Output"]), (&json!(0), &json!("7 me /tmp\n")));
}

#[test]
fn healthcheck_run_tells_by_its_exit_code() {
    let env = ready!(busybox);
    let check = "--health-interval 1h --health-retries 2 --health-cmd 'test -e /ok'";
    env.run_detached(&format!("--name web {check} IMAGE sleep 1000"));
    env.coracle("healthcheck run web").fails_with(1).stdout_is("starting\n");
    env.coracle("healthcheck run web").fails_with(1).stdout_is("unhealthy\n");
    env.coracle("exec web touch /ok").succeeds();
    env.coracle("healthcheck run web").succeeds().stdout_is("");
    assert_eq!(health(&env, "web"), "healthy");
    env.coracle("stop -t 0 web").succeeds();
    env.coracle("healthcheck run web").fails_with(125).explains().stderr_has("not running");
    env.coracle("healthcheck run absent").fails_with(125).explains();
    env.run_detached("--name plain IMAGE sleep 1000");
    env.coracle("healthcheck run plain").fails_with(125).explains().stderr_has("no defined healthcheck");
    // A program that is not there is a failure of the check.
    env.argv(&[
        "run",
        "-d",
        "--name",
        "lost",
        "--health-interval",
        "1h",
        "--health-cmd",
        r#"["CMD","/absent"]"#,
        &env.image(),
        "sleep",
        "1000",
    ])
    .succeeds();
    env.coracle("healthcheck run lost").fails_with(1);
    assert!(env.inspect("lost", "{{range .State.Health.Log}}{{.ExitCode}} {{.Output}}{{end}}").starts_with("-1 "));
}

#[test]
fn wait_waits_for_health_and_other_things() {
    let env = ready!(busybox);
    let waiting = |condition: &str, name: &str| env.command(&format!("wait --condition={condition} {name}")).spawn();
    env.run_detached(&format!("--name web {CHECK} IMAGE sleep 1000"));
    let healthy = waiting("healthy", "web");
    env.coracle("wait --condition=running web").succeeds().stdout_is("-1\n");
    env.coracle("wait --condition=unhealthy web").succeeds().stdout_is("-1\n");
    env.coracle("exec web touch /ok").succeeds();
    healthy.wait().succeeds().stdout_is("-1\n");
    let (removed, exits) = (waiting("removed", "web"), waiting("next-exit", "web"));
    env.coracle("exec web rm /ok").succeeds();
    env.coracle("wait --condition=unhealthy web").succeeds();
    env.coracle("kill web").succeeds();
    exits.wait().succeeds().stdout_is("137\n");
    env.coracle("wait --condition=healthy web").fails().explains().stderr_has("before it was healthy");
    env.coracle("wait --condition=stopped web").succeeds().stdout_is("137\n");
    env.coracle("rm web").succeeds();
    removed.wait().succeeds().stdout_is("137\n");
    env.coracle("create --name new IMAGE true").succeeds();
    env.coracle("wait new").succeeds().stdout_is("0\n");
    env.coracle("wait --condition=asleep new").fails().explains().stderr_has("asleep");
    env.coracle("wait --condition=healthy new").fails().explains().stderr_has("no defined healthcheck");
}

#[test]
fn the_start_period_forgives_failures() {
    let env = ready!(busybox);
    env.run_detached("--name web --health-cmd 'test -e /ok' --health-interval 1h --health-start-interval 50ms --health-start-period 1h --health-retries 1 IMAGE sleep 1000");
    eventually("checks fail", || env.inspect("web", "{{len .State.Health.Log}}") == "5");
    assert_eq!(env.inspect("web", "{{.State.Health.Status}} {{.State.Health.FailingStreak}}"), "starting 0");
    env.coracle("exec web touch /ok").succeeds();
    becomes(&env, "web", "healthy");
}

#[test]
fn an_unhealthy_container_is_killed_stopped_or_restarted() {
    let env = ready!(busybox);
    let fails = "--health-cmd 'test -e /ok' --health-interval 100ms --health-retries 1";
    let run = |name: &str, more: &str, command: &str| {
        env.run_detached(&format!("--name {name} {fails} {more} IMAGE {command}"))
    };
    run("killed", "--health-on-failure kill", "sleep 1000");
    run("stopped", "--health-on-failure stop --restart always --stop-timeout 0", "sleep 1000");
    run(
        "again",
        "--health-on-failure kill --restart on-failure",
        "sh -c 'echo run >>/runs; [ $(wc -l </runs) -lt 2 ] || touch /ok; exec sleep 1000'",
    );
    run(
        "restarted",
        "--health-on-failure restart --stop-timeout 0",
        "sh -c 'echo run >>/runs; [ $(wc -l </runs) -lt 3 ] || touch /ok; exec sleep 1000'",
    );
    for (name, restarts) in [("killed", "0"), ("stopped", "0")] {
        env.reaches(name, "exited");
        assert_eq!(env.inspect(name, "{{.State.ExitCode}} {{.RestartCount}}"), format!("137 {restarts}"), "{name}");
    }
    for (name, restarts) in [("again", "1"), ("restarted", "2")] {
        becomes(&env, name, "healthy");
        assert_eq!(env.inspect(name, "{{.RestartCount}}"), restarts, "{name}");
    }
    env.coracle("run --health-on-failure kill IMAGE true")
        .fails_with(125)
        .explains()
        .stderr_has("needs a health check");
}

#[test]
fn a_check_that_never_ends_is_killed_with_what_it_started() {
    let env = ready!(busybox);
    env.run_detached("--name web --health-cmd 'echo begun; sleep 2000 & sleep 2000' --health-interval 10ms --health-timeout 200ms --health-retries 2 IMAGE sleep 1000");
    becomes(&env, "web", "unhealthy");
    let log = env.argv(&["inspect", "--format", "{{json .State.Health.Log}}", "web"]).succeeds().json();
    assert_eq!(log[0]["ExitCode"], -1);
    assert_eq!(log[0]["Output"], "Health check exceeded timeout (200ms): begun\n");
    eventually("some more have ended", || {
        env.inspect("web", "{{.State.Health.FailingStreak}}").parse::<u32>().is_ok_and(|n| n > 5)
    });
    let left = count(&env, "web", "sleep 2000");
    assert!(left <= 2, "{left}");
    // It holds nothing up.
    env.coracle("stop -t 0 web").succeeds();
}

#[test]
fn a_check_that_floods_or_forks_is_bounded() {
    let env = ready!(busybox);
    env.run_detached("--name flood --health-cmd 'yes | head -c 50000000; exit 3' --health-interval 50ms --health-retries 1 IMAGE sleep 1000");
    becomes(&env, "flood", "unhealthy");
    let log = env.argv(&["inspect", "--format", "{{json .State.Health.Log}}", "flood"]).succeeds().json();
    let output = log[0]["Output"].as_str().expect("text");
    assert!(output.len() == 4096 + 3 && output.ends_with("..."), "{}", output.len());
    assert_eq!(log[0]["ExitCode"], 3);
    env.run_detached(
        "--name fork --health-cmd 'for i in 1 2 3 4 5; do sleep 3000 & done' --health-interval 20ms IMAGE sleep 1000",
    );
    becomes(&env, "fork", "healthy");
    let late = |left: usize| left > 5;
    assert!(!holds_within(Duration::from_millis(500), || late(count(&env, "fork", "sleep 3000"))));
}

#[test]
fn many_who_ask_share_one_check() {
    let env = ready!(busybox);
    env.run_detached("--name web --health-interval 1h --health-cmd 'echo run >>/runs; while [ ! -e /go ]; do sleep 0.05; done' IMAGE sleep 1000");
    let asking: Vec<_> = (0..20).map(|_| env.command("healthcheck run web").spawn()).collect();
    eventually("the check runs", || env.coracle("exec web test -e /runs").code() == 0);
    env.coracle("exec web touch /go").succeeds();
    asking.into_iter().for_each(|one| drop(one.wait().succeeds()));
    let runs = env.coracle("exec web cat /runs").succeeds().lines().len();
    assert!(runs < 20, "{runs} checks");
}

/// A number of a process's `/proc/PID/FILE`, which stands behind `key`.
fn number(pid: Pid, file: &str, key: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).expect("a process of ours");
    let line = text.lines().find_map(|line| line.strip_prefix(key)).expect("the kernel's words");
    line.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number")
}

#[test]
fn a_supervisor_sleeps_between_two_checks_and_gives_its_memory_back() {
    let env = ready!(busybox);
    env.run_detached("--name plain IMAGE sleep 1000");
    env.run_detached("--name web --health-interval 1h --health-cmd true IMAGE sleep 1000");
    env.coracle("healthcheck run web").succeeds();
    let supervisors = ["plain", "web"].map(|name| env.supervisor(name));
    for pid in supervisors {
        let switches = || number(pid, "status", "voluntary_ctxt_switches:");
        eventually("it sleeps", || {
            let before = switches();
            !holds_within(Duration::from_millis(2500), || switches() != before)
        });
    }
    let [plain, checking] = supervisors.map(|pid| number(pid, "smaps_rollup", "Rss:"));
    assert!(checking <= plain + 1024, "{checking} KiB with a check, {plain} KiB without");
}

/// podman's startup check: the other one begins when it has succeeded, and too many failures start the container anew.
#[test]
fn a_startup_check_comes_first() {
    let env = ready!(busybox);
    let check = "--health-cmd 'test -e /up && echo well' --health-interval 20ms --health-retries 1";
    let startup = "--health-startup-cmd 'test -e /started' --health-startup-interval 20ms --health-startup-success 2";
    env.run_detached(&format!("--name web {check} {startup} IMAGE sleep 1000"));
    eventually("it is checked", || !env.inspect("web", "{{len .State.Health.Log}}").starts_with('0'));
    assert_eq!(health(&env, "web"), "starting");
    env.coracle("exec web touch /up").succeeds();
    let checked = env.inspect("web", "{{(index .State.Health.Log 0).Start}}");
    eventually("it is checked on", || env.inspect("web", "{{(index .State.Health.Log 0).Start}}") != checked);
    assert_eq!(health(&env, "web"), "starting");
    env.coracle("exec web touch /started").succeeds();
    becomes(&env, "web", "healthy");
    let startup = "--health-startup-cmd false --health-startup-interval 20ms --health-startup-retries 2";
    env.run_detached(&format!("--name never --health-cmd true {startup} IMAGE sleep 1000"));
    eventually("it is started anew", || env.inspect("never", "{{.RestartCount}}") != "0");
    env.coracle(&format!("run --rm {startup} IMAGE true")).fails_with(125).stderr_has("needs a health check");
}

#[test]
fn results_are_kept_as_asked() {
    let env = ready!(busybox);
    let directory = env.mkdir("results");
    let options = format!(
        "--health-interval 20ms --health-max-log-count 8 --health-max-log-size 3 --health-log-destination {}",
        directory.display()
    );
    env.run_detached(&format!("--name web --health-cmd 'echo hello' {options} IMAGE sleep 1000"));
    eventually("eight are kept", || env.inspect("web", "{{len .State.Health.Log}}") == "8");
    assert_eq!(env.inspect("web", "{{(index .State.Health.Log 0).Output}}"), "hel...");
    let file = directory.join(format!("{}-healthcheck.log", env.inspect("web", "{{.Id}}")));
    assert!(std::fs::read_to_string(file).expect("a file").contains("\"Output\":\"hel...\""));
    env.run_detached(
        "--name told --health-cmd true --health-interval 20ms --health-log-destination events_logger IMAGE sleep 1000",
    );
    eventually("each is an event", || {
        let told = env.coracle("events --stream=false --filter container=told --filter event=health_status").succeeds();
        told.stdout.lines().count() > 2
    });
}

#[test]
fn options_are_checked() {
    let env = ready!(busybox);
    for (options, why) in [
        ("--health-interval 1us --health-cmd true", "cannot be less than 1ms"),
        ("--health-interval x --health-cmd true", "--health-interval"),
        ("--health-retries=-1 --health-cmd true", "--health-retries cannot be negative"),
        ("--no-healthcheck --health-cmd true", "conflicts with --health-*"),
    ] {
        env.coracle(&format!("run {options} IMAGE true")).fails_with(125).explains().stderr_has(why);
    }
}
