//! What changes of a container that exists: `rename`, `update`, `pause` and `unpause`.

use std::collections::BTreeSet;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::env::{Env, alive};
use crate::support::eventually;

fn names(env: &Env) -> String {
    env.coracle("ps -a --format '{{.Names}}'").succeeds().stdout
}

#[test]
fn rename_gives_a_container_another_name() {
    let env = ready!(busybox);
    env.coracle("create --name web IMAGE sleep 1000").succeeds();
    env.coracle("create --name db IMAGE sleep 1000").succeeds();
    env.coracle("rename web db").fails_with(1).stderr_has("the container name `db` is already in use");
    env.coracle("rename web web").fails_with(1).stderr_has("same name");
    env.coracle("rename web a/b").fails_with(1).explains();
    env.coracle("rename web ../x").fails_with(1).explains();
    env.coracle("rename nosuch new").fails_with(1).stderr_has("no such container");
    env.coracle("rename web").fails_with(1).stderr_has("requires 2 arguments");
    assert_eq!(names(&env), "db\nweb\n");
    env.coracle("rename web front").succeeds().stdout_is("");
    assert_eq!(names(&env), "db\nfront\n");
    assert_eq!(env.inspect("front", "{{.Name}}"), "/front");
    env.coracle("inspect web").fails();
    // The former name is free, and the container runs under the new one.
    env.coracle("create --name web IMAGE true").succeeds();
    env.coracle("start front").succeeds();
    env.coracle("rename front /other").succeeds();
    env.coracle("exec other true").succeeds();
    env.coracle("rename db front").succeeds();
    env.coracle("stop -t 0 other").succeeds();
    assert_eq!(env.inspect("other", "{{.Name}} {{.State.Status}}"), "/other exited");
    env.coracle("rm other front web").succeeds();
    assert_eq!(names(&env), "");
    let told = env.coracle("events --stream=false --filter event=rename --format '{{.Actor.Attributes.oldName}} {{.Actor.Attributes.name}}'");
    told.succeeds().stdout_is("/web front\n/front other\n/db front\n");
}

#[test]
fn others_find_a_renamed_container_by_its_new_name() {
    let env = ready!(busybox);
    env.run_detached("--name web IMAGE sleep 1000");
    env.run_detached("--name asker IMAGE sleep 1000");
    env.coracle("exec asker nslookup web.").succeeds();
    env.coracle("rename web front").succeeds();
    env.coracle("exec asker nslookup front.").succeeds();
    env.coracle("exec asker nslookup web.").fails();
    // Also after netd was replaced.
    let netd = env
        .processes()
        .into_iter()
        .find(|pid| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"coracle-netd")));
    kill(netd.expect("netd runs"), Signal::SIGKILL).expect("ours");
    eventually("netd is back", || env.coracle("exec asker nslookup front.").code() == 0);
    env.coracle("exec asker nslookup web.").fails();
    env.coracle("restart -t 0 front").succeeds();
    env.coracle("exec asker nslookup front.").succeeds();
}

#[test]
fn update_changes_the_restart_policy() {
    let env = ready!(busybox);
    env.coracle("update IMAGE").fails_with(1).stderr_has("one or more flags");
    env.run_detached("--name web IMAGE sleep 1000");
    env.coracle("update --restart always web").succeeds().stdout_is("web\n");
    assert_eq!(env.inspect("web", "{{.HostConfig.RestartPolicy.Name}}"), "always");
    kill(env.pid("web"), Signal::SIGKILL).expect("ours");
    eventually("it was started again", || env.inspect("web", "{{.RestartCount}}") == "1");
    eventually("it runs", || env.status("web") == "running");
    env.coracle("update --restart no web").succeeds();
    kill(env.pid("web"), Signal::SIGKILL).expect("ours");
    env.reaches("web", "exited");
    env.coracle("update --restart on-failure:4 web").succeeds();
    let policy =
        env.inspect("web", "{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}");
    assert_eq!(policy, "on-failure 4");
    env.run_detached("--rm --name brief IMAGE sleep 1000");
    env.coracle("update --restart always brief").fails_with(1).stderr_has("AutoRemove is enabled");
    env.coracle("update --restart sometimes web").fails().explains();
    env.coracle("update --restart always nosuch").fails_with(1).stderr_has("no such container");
}

/// The processes in the pid namespace of a container's first process.
fn members(init: Pid) -> Vec<Pid> {
    let namespace = |pid: Pid| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let theirs = namespace(init).expect("it runs");
    let all = std::fs::read_dir("/proc").expect("proc is mounted").flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid::from_raw));
    pids.filter(|pid| namespace(*pid).as_ref() == Some(&theirs)).collect()
}

/// `T` for a stopped process.
fn state(pid: Pid) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rfind(')').and_then(|end| stat[end + 1..].split_whitespace().next().map(str::to_owned));
    state.unwrap_or_default()
}

#[test]
fn pause_freezes_a_container_that_forks_as_fast_as_it_can() {
    let env = ready!(busybox);
    let forks = "sh -c 'for i in 1 2 3 4; do (while :; do (true); done) & done; echo ready; wait'";
    env.run_detached(&format!("--name web IMAGE {forks}"));
    env.logged("web", "ready");
    let exec = env.command("exec web sh -c 'echo added; while :; do (true); done'").spawn();
    exec.prints("added");
    for _ in 0..10 {
        env.coracle("pause web").succeeds().stdout_is("web\n");
        let frozen: BTreeSet<Pid> = members(env.pid("web")).into_iter().collect();
        assert!(frozen.len() >= 6, "the first, four loops and what was added: {frozen:?}");
        for pid in &frozen {
            assert!(matches!(state(*pid).as_str(), "T" | "Z"), "{pid} is {}", state(*pid));
        }
        let again: BTreeSet<Pid> = members(env.pid("web")).into_iter().collect();
        assert_eq!(again, frozen, "nothing comes and nothing goes");
        env.coracle("unpause web").succeeds().stdout_is("web\n");
        eventually("it goes on", || members(env.pid("web")).into_iter().any(|pid| !frozen.contains(&pid)));
    }
    drop(exec);
    env.coracle("rm -f web").succeeds();
}

#[test]
fn a_paused_container_refuses_what_docker_refuses() {
    let env = ready!(busybox);
    env.run_detached("--name web --health-cmd true --health-interval 1s IMAGE sleep 1000");
    env.coracle("unpause web").fails_with(1).stderr_has("is not paused");
    env.coracle("pause web").succeeds();
    assert_eq!(env.inspect("web", "{{.State.Status}} {{.State.Paused}} {{.State.Running}}"), "paused true true");
    let status = env.coracle("ps --format '{{.State}} {{.Status}}'").succeeds();
    assert!(status.line().starts_with("paused Up ") && status.line().ends_with("(Paused)"), "{}", status.stdout);
    env.coracle("ps -q --filter status=paused --filter name=web").succeeds().line();
    env.coracle("ps -q --filter status=running").succeeds().stdout_is("");
    env.coracle("pause web").fails_with(1).stderr_has("is already paused");
    env.coracle("exec web true").fails_with(1).stderr_has("is paused, unpause the container before exec");
    env.coracle("attach web").fails_with(1).stderr_has("cannot attach to a paused container, unpause it first");
    env.coracle("start web").fails_with(1).stderr_has("cannot start a paused container, try unpause instead");
    env.coracle("rm web").fails_with(1).stderr_has("container is paused and must be unpaused first");
    env.coracle("top web").succeeds().stdout_has("sleep 1000");
    env.coracle("rename web front").succeeds();
    env.coracle("unpause --all").succeeds().stdout_is("front\n");
    eventually("checks go on", || env.inspect("front", "{{.State.Health.Status}}") == "healthy");
    env.coracle("stop -t 0 front").succeeds();
    env.coracle("pause front").fails_with(1).stderr_has("is not running");
    env.coracle("pause").fails_with(1).stderr_has("requires at least 1 argument");
    let told = env.coracle("events --stream=false --filter event=pause --filter event=unpause --format '{{.Action}}'");
    told.succeeds().stdout_is("pause\nunpause\n");
}

#[test]
fn a_paused_container_can_be_ended() {
    let env = ready!(busybox);
    let polite = "sh -c 'trap \"echo bye; exit 5\" TERM; echo ready; while :; do sleep 0.1; done'";
    for (name, end, code) in [("stopped", "stop", 5), ("killed", "kill", 137), ("told", "kill -s TERM", 5)] {
        env.run_detached(&format!("--name {name} IMAGE {polite}"));
        env.logged(name, "ready");
        env.coracle(&format!("pause {name}")).succeeds();
        env.coracle(&format!("{end} {name}")).succeeds();
        env.reaches(name, "exited");
        assert_eq!(env.inspect(name, "{{.State.ExitCode}} {{.State.Paused}}"), format!("{code} false"), "{end}");
    }
    for end in ["rm -f one", "restart -t 0 one"] {
        env.run_detached(&format!("--name one IMAGE {polite}"));
        env.logged("one", "ready");
        env.coracle("pause one").succeeds();
        env.coracle(end).succeeds();
    }
    assert_eq!(env.status("one"), "running");
    // Nothing of a container lives on frozen whose supervisor was killed.
    env.coracle("pause one").succeeds();
    let (supervisor, processes) = (env.supervisor("one"), members(env.pid("one")));
    kill(supervisor, Signal::SIGKILL).expect("ours");
    eventually("all are gone", || processes.iter().all(|pid| !alive(*pid)));
    env.coracle("rm one").succeeds();
}
