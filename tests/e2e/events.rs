//! `events`: the journal of what has happened, in docker's shape and in podman's, and while it happens.

use nix::sys::signal::Signal;
use std::os::unix::fs::PermissionsExt;

use crate::support::env::Env;
use crate::support::eventually;

/// What has happened so far, by template.
fn told(env: &Env, options: &str, template: &str) -> Vec<String> {
    let line = format!("events --stream=false {options} --format '{template}'");
    env.coracle(&line).succeeds().lines().into_iter().map(String::from).collect()
}

#[test]
fn a_life_is_told_in_order() {
    let env = ready!(busybox);
    env.run_detached("--name web --label app=shop -v data:/data IMAGE sleep 1000");
    env.coracle("exec web sh -c 'exit 3'").fails_with(3);
    env.coracle("stop -t 0 web").succeeds();
    env.coracle("start web").succeeds();
    env.coracle("kill web").succeeds();
    env.coracle("rm web").succeeds();
    let actions = told(&env, "--filter type=container", "{{.Action}}");
    assert_eq!(
        actions,
        [
            "create",
            "start",
            "exec_create: sh -c exit 3",
            "exec_start: sh -c exit 3",
            "exec_die",
            "kill",
            "kill",
            "die",
            "stop",
            "start",
            "kill",
            "die",
            "destroy"
        ]
    );
    let die = told(&env, "--filter event=die", "{{.Actor.Attributes.exitCode}} {{.Actor.Attributes.app}} {{.From}}");
    assert_eq!(die, [format!("137 shop {}", env.image()), format!("137 shop {}", env.image())]);
    let exec = told(&env, "--filter event=exec_die", "{{.Actor.Attributes.exitCode}} {{len .Actor.Attributes.execID}}");
    assert_eq!(exec, ["3 64"]);
    assert_eq!(told(&env, "--filter event=kill", "{{.Actor.Attributes.signal}}"), ["15", "9", "9"]);
    let others =
        told(&env, "--filter type=volume --filter type=network", "{{.Type}} {{.Action}} {{.Actor.Attributes.name}}");
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    let (volume, network) = (&others[..1], "network connect bridge");
    assert_eq!(volume, ["volume create <no value>"]);
    assert_eq!(others.iter().filter(|line| **line == network).count(), 2);
    assert_eq!(others.iter().filter(|line| line.starts_with("volume unmount")).count(), 2);
    assert_eq!(
        told(&env, "--filter volume=data --filter event=mount", "{{.Actor.Attributes.destination}}"),
        ["/data"; 2]
    );
    // Nobody else reads what was run.
    for path in ["events", "events/journal"] {
        let mode = std::fs::metadata(env.data().join(path)).expect("a journal").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{path}");
    }
}

/// As docker tells it: what is removed by force is killed, and not stopped.
#[test]
fn removing_by_force_is_no_stop() {
    let env = ready!(busybox);
    env.run_detached("--name web IMAGE sleep 1000");
    env.coracle("rm -f web").succeeds();
    assert_eq!(
        told(&env, "--filter type=container --filter container=web", "{{.Action}}"),
        ["create", "start", "kill", "die", "destroy"]
    );
}

#[test]
fn images_volumes_and_networks_are_told_of() {
    let env = ready!(busybox);
    env.coracle("tag IMAGE other:1").succeeds();
    env.coracle("rmi other:1").succeeds();
    env.coracle("volume create data").succeeds();
    env.coracle("volume rm data").succeeds();
    env.coracle("network create front").succeeds();
    env.coracle("network rm front").succeeds();
    env.coracle("run --name web --rm -d IMAGE sleep 1000").succeeds();
    env.coracle("network create back").succeeds();
    env.coracle("network connect back web").succeeds();
    env.coracle("network disconnect back web").succeeds();
    env.coracle("restart -t 0 web").succeeds();
    env.coracle("stop -t 0 web").succeeds();
    let events = told(&env, "", "{{.Type}} {{.Action}}");
    let has = |event: &str| events.iter().any(|told| told == event);
    for event in [
        "image pull",
        "image tag",
        "image untag",
        "volume create",
        "volume destroy",
        "network create",
        "network destroy",
        "network connect",
        "network disconnect",
        "container restart",
        "container destroy",
    ] {
        assert!(has(event), "{event}: {events:?}");
    }
    assert_eq!(told(&env, "--filter network=back", "{{.Action}}"), ["create", "connect", "disconnect"]);
    assert!(told(&env, "--filter image=other", "{{.Action}}").len() >= 2);
}

#[test]
fn shapes_are_those_of_the_persona() {
    let env = ready!(busybox);
    env.coracle("run --name web IMAGE sh -c 'exit 4'").fails_with(4);
    let docker =
        env.called("docker", "events --stream=false --filter event=die --format '{{json .}}'").run().succeeds().json();
    assert_eq!(
        (&docker["status"], &docker["Type"], &docker["scope"]),
        (&"die".into(), &"container".into(), &"local".into())
    );
    assert_eq!(docker["Actor"]["Attributes"]["exitCode"], "4");
    assert_eq!(docker["time"].as_i64(), docker["timeNano"].as_i64().map(|nanos| nanos / 1_000_000_000));
    let podman =
        env.called("podman", "events --stream=false --filter event=died --format json").run().succeeds().json();
    assert_eq!(
        (&podman["Status"], &podman["Name"], &podman["ContainerExitCode"]),
        (&"died".into(), &"web".into(), &4.into())
    );
    env.called("podman", "system events --stream=false --filter type=container")
        .run()
        .succeeds()
        .stdout_has("container init ");
    env.called("docker", "system events --stream=false").run().succeeds().stdout_lacks("container init ");
    env.coracle("events --filter frob=1").fails_with(1).stderr_has("invalid filter");
    env.coracle("events --since 2026-01-02 --until 2026-01-01").fails_with(1).explains();
}

#[test]
fn a_follower_sees_what_happens_and_ends_in_time() {
    let env = ready!(busybox);
    let follower = env.command("events --since 1m --filter event=start --format '{{.Actor.Attributes.name}}'").spawn();
    env.run_detached("--name one IMAGE sleep 1000");
    follower.prints("one\n");
    env.run_detached("--name two IMAGE sleep 1000");
    follower.prints("one\ntwo\n");
    drop(follower);
    // The past is shown at once, and nothing is waited for.
    env.coracle("events --until 0s --filter event=start --format '{{.Actor.Attributes.name}}'")
        .succeeds()
        .stdout_is("one\ntwo\n");
    let ends = env.command("events --until -1s --filter event=rename").spawn();
    ends.wait().succeeds().stdout_is("");
}

#[test]
fn a_follower_dies_with_its_reader() {
    let env = ready!(busybox);
    let script = format!("{} events | true", env.program().display());
    // Nothing happens: the closed pipe alone ends it.
    env.tool("sh", &["-c", &script]).run().succeeds().stderr_is("");
    let follower = env.command("events --since 1m").spawn();
    follower.signal(Signal::SIGINT);
    assert_eq!(follower.wait().stderr_is("").code(), 130);
}

#[test]
fn sessions_of_exec_are_listed_until_they_end() {
    let env = ready!(busybox);
    env.run_detached("--name web IMAGE sleep 1000");
    assert_eq!(env.inspect("web", "{{json .ExecIDs}}"), "null");
    let running = env.command("exec web sh -c 'trap \"exit 5\" TERM; echo ready; while :; do sleep 0.1; done'").spawn();
    running.prints("ready");
    let ids: Vec<String> = serde_json::from_str(&env.inspect("web", "{{json .ExecIDs}}")).expect("a list");
    assert!(ids.len() == 1 && ids[0].len() == 64, "{ids:?}");
    env.coracle("exec web kill -TERM -1").succeeds();
    running.wait().fails_with(5);
    eventually("the session is over", || env.inspect("web", "{{json .ExecIDs}}") == "null");
    // With the container all are over, whatever happens to the supervisor.
    let second = env.command("exec web sh -c 'echo ready; exec sleep 1000'").spawn();
    second.prints("ready");
    nix::sys::signal::kill(env.supervisor("web"), Signal::SIGKILL).expect("it runs");
    eventually("the container has ended", || env.status("web") == "exited");
    assert_eq!(env.inspect("web", "{{json .ExecIDs}}"), "null");
    env.coracle("rm web").succeeds();
    let left = std::fs::read_dir(env.runtime().join("execs")).map_or(0, Iterator::count);
    assert_eq!(left, 0);
}
