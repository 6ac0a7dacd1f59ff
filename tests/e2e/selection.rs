//! Containers that a command finds itself: `--all`, `--latest`, `--filter`, `--cidfile`, `--ignore`, `--depend`.

use crate::support::env::Env;

/// The names of all containers, newest first.
fn names(env: &Env) -> String {
    env.coracle("ps -a --format {{.Names}}").succeeds().stdout.clone()
}

#[test]
fn all_of_them_and_those_that_a_filter_finds() {
    let env = ready!(busybox);
    for name in ["one", "two", "three"] {
        env.run_detached(&format!("--name {name} --label n={name} IMAGE sleep 1000"));
    }
    env.coracle("create --name made IMAGE true").succeeds();
    env.coracle("stop -t 0 --filter label=n=two").succeeds().stdout_is("two\n");
    assert_eq!(env.status("one"), "running");
    env.coracle("kill --all").succeeds().stdout_is("three\none\n");
    env.coracle("wait one three").succeeds().stdout_is("137\n137\n");
    env.coracle("stop --all").succeeds().stdout_is("");
    env.coracle("start --filter label=n=two").succeeds().stdout_is("two\n");
    env.coracle("restart -t 0 --running").succeeds().stdout_is("two\n");
    assert_eq!(env.status("made"), "created");
    env.coracle("restart -t 0 --all --filter name=one").succeeds().stdout_is("one\n");
    env.coracle("rm --filter label=n=three").succeeds().stdout_is("three\n");
    env.coracle("rm --all").fails_with(1).stderr_has("is running");
    assert_eq!(names(&env), "two\none\n");
    env.coracle("rm -f --all").succeeds().stdout_is("two\none\n");
    env.coracle("rm --all").succeeds().stdout_is("");
    env.coracle("stop --latest").fails_with(1).stderr_has("there is no container");
}

#[test]
fn the_latest_one() {
    let env = ready!(busybox);
    env.run_detached("--name first -p 127.0.0.1::80 IMAGE sleep 1000");
    env.coracle("port -l").succeeds().stdout_has("80/tcp -> 127.0.0.1:");
    env.run_detached("--name second IMAGE sleep 1000");
    env.coracle("exec -l hostname").succeeds();
    env.coracle("exec -l sh -c 'echo here >/mark'").succeeds();
    env.coracle("exec second cat /mark").succeeds().stdout_is("here\n");
    env.coracle("top -l").succeeds().stdout_has("sleep 1000");
    let id = env.inspect("first", "{{.Id}}");
    let ports = env.coracle("port -a").succeeds().stdout.clone();
    assert!(ports.starts_with(&format!("{}\t80/tcp -> 127.0.0.1:", &id[..12])), "{ports}");
    env.coracle("stop -t 0 -l").succeeds().stdout_is("second\n");
    env.coracle("wait -l").succeeds().stdout_is("137\n");
    env.coracle("start -l").succeeds().stdout_is("second\n");
    env.coracle("kill -l").succeeds().stdout_is("second\n");
    env.coracle("rm -f -l").succeeds().stdout_is("second\n");
    assert_eq!(names(&env), "first\n");
    // A link of docker's that somebody wants to remove is no container.
    env.coracle("rm -l first").fails_with(1).stderr_has("either the containers are named");
    for wrong in ["stop", "kill -s INT", "rm -f", "restart", "wait", "start", "top", "port", "attach", "logs", "exec"] {
        env.coracle(wrong).fails_with(1).stderr_has("requires").stderr_has("argument");
    }
    env.coracle("exec first").fails_with(1).stderr_has("requires at least 2 arguments");
    assert_eq!(env.status("first"), "running");
}

#[test]
fn ids_in_files_and_containers_that_are_missing() {
    let env = ready!(busybox);
    let file = env.file("cid");
    let file = file.to_str().expect("a name");
    env.run_detached(&format!("--name c --cidfile {file} IMAGE sleep 1000"));
    let id = env.inspect("c", "{{.Id}}");
    env.coracle(&format!("exec --cidfile {file} echo in")).succeeds().stdout_is("in\n");
    env.coracle(&format!("kill --cidfile {file}")).succeeds().stdout_is(&format!("{id}\n"));
    env.coracle(&format!("stop --cidfile {file}")).succeeds();
    env.coracle("stop --ignore nosuch c").succeeds().stdout_is("c\n");
    env.coracle("rm --ignore nosuch").succeeds().stdout_is("").stderr_is("");
    env.coracle("rm nosuch").fails_with(1).stderr_has("no such container");
    env.coracle("wait --ignore nosuch c").succeeds().stdout_is("-1\n137\n");
    env.coracle(&format!("rm --cidfile {file}")).succeeds();
    env.coracle(&format!("rm --cidfile {file}.not")).fails_with(1).stderr_has("cannot open");
    env.coracle(&format!("rm --ignore --cidfile {file}.not")).succeeds().stdout_is("");
}

#[test]
fn containers_that_share_its_network_go_first() {
    let env = ready!(busybox);
    env.run_detached("--name base IMAGE sleep 1000");
    env.run_detached("--name rider --network container:base IMAGE sleep 1000");
    env.run_detached("--name other IMAGE sleep 1000");
    let (base, rider) = (env.inspect("base", "{{.Id}}"), env.inspect("rider", "{{.Id}}"));
    env.coracle("rm -f --depend base").succeeds().stdout_is(&format!("{rider}\n{base}\n"));
    assert_eq!(names(&env), "other\n");
}

#[test]
fn a_removed_container_may_be_given_time_to_end() {
    let env = ready!(busybox);
    let volume = env.mkdir("out");
    let volume = volume.to_str().expect("a name");
    let run = |name: &str| {
        env.run_detached(&format!(
            "--name {name} -v {volume}:/out IMAGE sh -c 'trap \"echo asked >/out/{name}; exit\" TERM; echo up; while :; do sleep 0.1; done'"
        ));
        env.logged(name, "up");
    };
    run("polite");
    env.coracle("rm -f -t 60 polite").succeeds();
    assert!(env.file("out/polite").exists());
    run("killed");
    env.coracle("rm -f killed").succeeds();
    assert!(!env.file("out/killed").exists());
}
