//! Restart policies: what follows the end of a run, and who ends it for good.

use std::io::{Read, Write};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::support::env::Env;
use crate::support::{eventually, holds_within};

/// Adds a line to `/runs` and fails while there are less than `n` of them; then stays.
fn fails_until(n: u32) -> String {
    format!("sh -c 'echo run >>/runs; [ $(wc -l </runs) -ge {n} ] || exit 7; echo stays; exec sleep 1000'")
}

fn restarts(env: &Env, name: &str) -> u32 {
    env.inspect(name, "{{.RestartCount}}").parse().expect("a number")
}

fn ps(env: &Env, name: &str) -> String {
    env.argv(&["ps", "-a", "--filter", &format!("name=^{name}$"), "--format", "{{.Status}}"])
        .succeeds()
        .line()
        .to_owned()
}

/// The supervisors of this environment.
fn supervisors(env: &Env) -> Vec<Pid> {
    let is_one = |pid: &Pid| {
        std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"coracle-supervise"))
    };
    env.processes().into_iter().filter(is_one).collect()
}

/// Whether a web server, which has no pages, answers at this address.
fn answers(address: &str) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = std::net::TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    ask().is_ok_and(|text| text.contains("404"))
}

#[test]
fn a_container_that_fails_is_started_again_with_its_files_and_its_log() {
    let env = ready!(busybox);
    env.run_detached(&format!("--name web --restart on-failure IMAGE {}", fails_until(3)));
    env.logged("web", "stays");
    assert_eq!((restarts(&env, "web"), env.status("web").as_str()), (2, "running"));
    env.coracle("exec web cat /runs").succeeds().stdout_is("run\nrun\nrun\n");
    let policy = env.argv(&["inspect", "--format", "{{json .HostConfig.RestartPolicy}}", "web"]).succeeds().json();
    assert_eq!(policy, json!({"Name": "on-failure", "MaximumRetryCount": 0}));
    // Somebody who starts it begins to count anew.
    env.coracle("stop -t 0 web").succeeds();
    assert_eq!(env.status("web"), "exited");
    env.coracle("start web").succeeds();
    assert_eq!(restarts(&env, "web"), 0);
}

#[test]
fn on_failure_ends_with_success_and_with_its_count() {
    let env = ready!(busybox);
    env.run_detached("--name good --restart on-failure IMAGE true");
    env.reaches("good", "exited");
    assert_eq!((restarts(&env, "good"), env.inspect("good", "{{.State.ExitCode}}").as_str()), (0, "0"));
    env.run_detached("--name bad --restart on-failure:2 IMAGE sh -c 'echo run; exit 7'");
    env.reaches("bad", "exited");
    assert_eq!((restarts(&env, "bad"), env.inspect("bad", "{{.State.ExitCode}}").as_str()), (2, "7"));
    env.coracle("logs bad").succeeds().stdout_is("run\nrun\nrun\n");
}

#[test]
fn always_starts_what_has_succeeded_and_stop_ends_it() {
    let env = ready!(busybox);
    env.run_detached("--name tick --restart always IMAGE sh -c 'echo run'");
    eventually("it ran several times", || env.coracle("logs tick").succeeds().lines().len() >= 3);
    env.reaches("tick", "restarting");
    let status = ps(&env, "tick");
    assert!(status.starts_with("Restarting (0) ") && status.ends_with(" ago"), "{status}");
    env.argv(&["ps", "--filter", "status=restarting", "--format", "{{.Names}}"]).succeeds().stdout_is("tick\n");
    env.argv(&["ps", "--filter", "restart-policy=always", "--format", "{{.Names}}"]).succeeds().stdout_is("tick\n");
    env.coracle("exec tick true").fails().explains().stderr_has("restarting");
    env.coracle("attach tick").fails().explains();
    env.coracle("rm tick").fails().explains();
    env.coracle("stop tick").succeeds();
    let runs = env.coracle("logs tick").succeeds().lines().len();
    assert_eq!(env.status("tick"), "exited");
    assert!(supervisors(&env).is_empty(), "its supervisor has ended");
    assert_eq!(env.coracle("logs tick").succeeds().lines().len(), runs);
}

#[test]
fn kill_ends_it_between_two_runs_and_in_one() {
    let env = ready!(busybox);
    env.run_detached("--name between --restart always IMAGE false");
    eventually("its pauses are long", || restarts(&env, "between") >= 4);
    env.reaches("between", "restarting");
    env.coracle("kill -s TERM between").succeeds();
    env.reaches("between", "exited");
    assert_eq!(env.inspect("between", "{{.State.ExitCode}}"), "1");
    env.run_detached("--name within --restart always IMAGE sleep 1000");
    env.coracle("kill within").succeeds();
    assert_eq!((env.status("within"), restarts(&env, "within")), ("exited".into(), 0));
    assert_eq!(env.inspect("within", "{{.State.ExitCode}}"), "137");
}

#[test]
fn a_process_that_is_killed_from_inside_is_started_again() {
    let env = ready!(busybox);
    env.run_detached("--name web --restart unless-stopped IMAGE sh -c 'trap \"exit 3\" USR1; echo ready; while :; do sleep 0.1; done'");
    env.logged("web", "ready");
    let before = env.pid("web");
    env.coracle("exec web kill -USR1 1").succeeds();
    eventually("it runs again", || restarts(&env, "web") == 1 && env.status("web") == "running");
    assert_ne!(env.pid("web"), before);
    env.coracle("restart -t 0 web").succeeds();
    assert_eq!((restarts(&env, "web"), env.status("web").as_str()), (0, "running"));
    env.coracle("rm -f web").succeeds();
}

#[test]
fn who_is_attached_leaves_with_the_end_of_the_run() {
    let env = ready!(busybox);
    env.coracle(&format!("run --name web --restart on-failure IMAGE {}", fails_until(2))).fails_with(7).stdout_is("");
    env.logged("web", "stays");
    assert_eq!(restarts(&env, "web"), 1);
    let beats = "sh -c 'trap \"exit 5\" USR1; while :; do echo beat; sleep 0.1; done'";
    env.run_detached(&format!("--name beats --restart always IMAGE {beats}"));
    let attached = env.command("attach --no-stdin beats").spawn();
    attached.prints("beat");
    env.coracle("exec beats kill -USR1 1").succeeds();
    attached.wait().fails_with(5);
    eventually("another run follows", || restarts(&env, "beats") == 1 && env.status("beats") == "running");
}

#[test]
fn wait_hears_of_the_end_of_a_run_that_another_one_follows() {
    let env = ready!(busybox);
    let serve = "sh -c 'trap \"exit 5\" USR1; echo ready; while :; do sleep 0.1; done'";
    env.run_detached(&format!("--name web --restart always IMAGE {serve}"));
    env.logged("web", "ready");
    let waiting = env.command("wait web").spawn();
    // Until it listens, the ends are not heard.
    eventually("the end is heard", || {
        env.coracle("exec web kill -USR1 1").code();
        holds_within(Duration::from_millis(200), || waiting.stdout() == "5\n")
    });
    waiting.wait().succeeds();
    eventually("another run follows", || restarts(&env, "web") >= 1);
}

#[test]
fn a_supervisor_that_was_killed_or_stopped_leaves_no_riddle() {
    let env = ready!(busybox);
    env.run_detached("--name web --restart always IMAGE sh -c 'echo run; exit 4'");
    eventually("its pauses are long", || restarts(&env, "web") >= 4);
    env.reaches("web", "restarting");
    kill(supervisors(&env)[0], Signal::SIGKILL).expect("it lives");
    env.reaches("web", "exited");
    assert!(ps(&env, "web").starts_with("Exited (4) "));
    env.coracle("start web").succeeds();
    eventually("it runs again and again", || restarts(&env, "web") >= 2);
    // As at the end of a login session: nobody has stopped it.
    env.reaches("web", "restarting");
    kill(supervisors(&env)[0], Signal::SIGTERM).expect("it lives");
    env.reaches("web", "exited");
    env.argv(&["ps", "-aq", "--filter", "should-start-on-boot=true"]).succeeds().stdout_has("\n");
}

#[test]
fn start_finds_what_is_meant_to_run() {
    let env = ready!(busybox);
    for (name, policy) in [("one", "always"), ("two", "unless-stopped"), ("three", "no")] {
        env.run_detached(&format!("--name {name} --restart {policy} IMAGE sleep 1000"));
        env.coracle(&format!("stop -t 0 {name}")).succeeds();
    }
    let running = || env.argv(&["ps", "--format", "{{.Names}}"]).succeeds().stdout;
    env.coracle("start --all --filter should-start-on-boot=true").succeeds().stdout_is("one\n");
    env.coracle("stop -t 0 one").succeeds();
    env.coracle("start --all --filter restart-policy=always").succeeds().stdout_is("one\n");
    assert_eq!(running(), "one\n");
    env.coracle("start --filter restart-policy=unless-stopped").succeeds().stdout_is("two\n");
    env.coracle("start --all").succeeds().stdout_is("three\n");
    assert_eq!(running(), "three\ntwo\none\n");
    env.coracle("start --all").succeeds().stdout_is("");
    env.coracle("start --all one").fails().explains();
    env.coracle("start").fails().explains().stderr_has("requires at least 1 argument");
}

#[test]
fn addresses_and_ports_stay_while_it_restarts() {
    let env = ready!(busybox);
    let serve = "sh -c 'httpd -p 80; while [ ! -e /go ]; do sleep 0.05; done; rm /go; exit 9'";
    env.run_detached(&format!("--name web --restart always -p 127.0.0.1::80 IMAGE {serve}"));
    let port = || env.coracle("port web 80").succeeds().line().to_owned();
    let address =
        || env.inspect("web", "{{.NetworkSettings.IPAddress}}{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}");
    let before = (port(), address());
    eventually("it answers", || answers(&before.0));
    for run in 1..=2 {
        env.coracle("exec web touch /go").succeeds();
        eventually("it runs again", || restarts(&env, "web") == run && env.status("web") == "running");
        assert_eq!((port(), address()), before);
        eventually("it answers again", || answers(&before.0));
    }
}

#[test]
fn a_netd_that_dies_meanwhile_is_replaced() {
    let env = ready!(busybox);
    let serve = "sh -c 'httpd -p 80; while [ ! -e /go ]; do sleep 0.05; done; exit 9'";
    env.run_detached(&format!("--name web --restart always -p 127.0.0.1::80 IMAGE {serve}"));
    let port = || env.coracle("port web 80").succeeds().line().to_owned();
    let before = port();
    let kill_netd = || {
        let is_netd = |pid: &Pid| {
            std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"coracle-netd"))
        };
        let pid = env.processes().into_iter().find(is_netd).expect("a container with a network has a netd");
        kill(pid, Signal::SIGKILL).expect("it lives");
    };
    eventually("it answers", || answers(&before));
    // Before the end of a run, which the next one then begins with the successor.
    kill_netd();
    eventually("it answers again", || answers(&before));
    env.coracle("exec web touch /go").succeeds();
    // /go stays: it ends again and again, with ever longer pauses.
    eventually("its pauses are long", || restarts(&env, "web") >= 4);
    env.reaches("web", "restarting");
    // Between two runs.
    kill_netd();
    let runs = restarts(&env, "web");
    eventually("it runs again", || restarts(&env, "web") > runs);
    assert_eq!(port(), before);
    env.coracle("stop -t 0 web").succeeds();
    // And at the very end of a pause.
    env.run_detached(&format!("--name late --restart always -p {before}:80 IMAGE sh -c 'httpd -p 80; [ -e /once ] || {{ touch /once; sleep 0.5; exit 9; }}; exec sleep 1000'"));
    eventually("the first run is over", || env.status("late") == "restarting" || restarts(&env, "late") > 0);
    kill_netd();
    eventually("it runs again", || restarts(&env, "late") == 1 && env.status("late") == "running");
    eventually("it answers", || answers(&before));
}

#[test]
fn policies_are_checked() {
    let env = ready!(busybox);
    env.coracle("run --restart sometimes IMAGE true").fails_with(125).explains().stderr_has("sometimes");
    env.coracle("run --rm --restart always IMAGE true").fails_with(125).explains().stderr_has("--restart and --rm");
    env.coracle("run --rm --restart no IMAGE true").succeeds();
}
