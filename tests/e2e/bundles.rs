//! The OCI runtime's command line: bundles made, started, looked at and taken away, as runc and crun do it, and as podman calls it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::env::Env;
use crate::support::output::Output;
use crate::support::{eventually, is_root, skip, which};

/// A bundle with the files of busybox that runs `args`; `change` changes its document.
fn bundle(env: &Env, name: &str, args: &[&str], change: impl FnOnce(&mut Value)) -> PathBuf {
    let directory = env.mkdir(name);
    let id = env.coracle("create IMAGE").succeeds().line().to_owned();
    let tar = directory.join("rootfs.tar").display().to_string();
    env.argv(&["export", "-o", &tar, &id]).succeeds();
    env.argv(&["rm", &id]).succeeds();
    let rootfs = env.mkdir(&format!("{name}/rootfs")).display().to_string();
    env.tool("tar", &["-x", "--no-same-owner", "--exclude=dev/*", "-f", &tar, "-C", &rootfs]).run().succeeds();
    env.argv(&["runtime", "spec", "--rootless", "--bundle", &directory.display().to_string()]).succeeds();
    let path = directory.join("config.json");
    let mut document: Value = serde_json::from_str(&fs::read_to_string(&path).expect("it is there")).expect("JSON");
    document["process"]["terminal"] = json!(false);
    document["process"]["args"] = json!(args);
    document["root"]["readonly"] = json!(false);
    if is_root() {
        for mapping in ["uidMappings", "gidMappings"] {
            document["linux"][mapping] = json!([{ "containerID": 0, "hostID": 100_000, "size": 1000 }]);
        }
    }
    change(&mut document);
    fs::write(&path, document.to_string()).expect("it is ours");
    directory
}

fn runtime(env: &Env, bundle: &Path, words: &[&str]) -> Output {
    let (verb, rest) = words.split_first().expect("a verb");
    let bundle = bundle.display().to_string();
    env.argv(&[&["runtime", verb, "--bundle", &bundle][..], rest].concat())
}

/// The same for a container that lives on with the streams of the command.
fn leave(env: &Env, bundle: &Path, words: &[&str]) {
    let (verb, rest) = words.split_first().expect("a verb");
    let line = format!(
        "exec {} runtime {verb} --bundle {} {} </dev/null >/dev/null",
        env.program().display(),
        bundle.display(),
        rest.join(" ")
    );
    // Its errors go to a file: a pipe would be held open.
    let errors = env.file("errors");
    let output = env.tool("sh", &["-c", &format!("{line} 2>{}", errors.display())]).run();
    assert_eq!(output.code(), 0, "{}", fs::read_to_string(errors).unwrap_or_default());
}

fn state(env: &Env, id: &str) -> Value {
    env.argv(&["runtime", "state", id]).succeeds().json()
}

#[test]
fn a_container_is_created_started_and_deleted() {
    let env = ready!(busybox);
    let script = "echo begun >/begun; trap 'exit 3' TERM; while :; do sleep 0.1; done";
    let bundle = bundle(&env, "b", &["sh", "-c", script], |document| {
        document["annotations"] = json!({ "org.example.key": "value" });
    });
    let pid_file = env.file("pid").display().to_string();
    leave(&env, &bundle, &["create", "--pid-file", &pid_file, "one"]);
    let created = state(&env, "one");
    assert_eq!((&created["status"], &created["id"]), (&json!("created"), &json!("one")));
    assert_eq!(created["bundle"], json!(fs::canonicalize(&bundle).expect("it is there")));
    assert_eq!(created["annotations"]["org.example.key"], "value");
    assert_eq!(created["pid"].to_string(), fs::read_to_string(&pid_file).expect("it is there"));
    assert!(!bundle.join("rootfs/begun").exists(), "its program waits");
    runtime(&env, &bundle, &["create", "one"]).fails_with(1).explains().stderr_has("already exists");
    env.argv(&["runtime", "start", "one"]).succeeds();
    eventually("the program runs", || bundle.join("rootfs/begun").exists());
    assert_eq!(state(&env, "one")["status"], "running");
    env.argv(&["runtime", "start", "one"])
        .fails_with(1)
        .explains()
        .stderr_has("cannot start a container in the running state");
    env.argv(&["runtime", "delete", "one"]).fails_with(1).explains().stderr_has("is not stopped: running");
    assert_eq!(env.argv(&["runtime", "list", "-q"]).succeeds().stdout, "one\n");
    let pids: Value = env.argv(&["runtime", "ps", "--format", "json", "one"]).succeeds().json();
    assert!(pids.as_array().is_some_and(|pids| pids.contains(&created["pid"])), "{pids}");
    env.argv(&["runtime", "kill", "one"]).succeeds();
    eventually("it ends", || state(&env, "one")["status"] == "stopped");
    assert_eq!(state(&env, "one")["pid"], 0);
    env.argv(&["runtime", "kill", "one"]).fails_with(1).explains().stderr_has("container not running");
    env.argv(&["runtime", "delete", "one"]).succeeds();
    env.argv(&["runtime", "state", "one"]).fails_with(1).explains().stderr_has("container does not exist");
    env.argv(&["runtime", "delete", "--force", "one"]).succeeds();
}

#[test]
fn what_runs_has_what_the_document_says() {
    let env = ready!(busybox);
    let show = "id; pwd; umask; echo $A; ulimit -n; grep -E 'CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp:' /proc/self/status; \
        hostname; cat /proc/sys/net/ipv4/ip_forward; touch /ro/x; ls /ro; exit 7";
    let bundle = bundle(&env, "b", &["sh", "-c", show], |document| {
        let process = &mut document["process"];
        process["cwd"] = json!("/tmp");
        process["env"] = json!(["PATH=/bin", "A=b"]);
        process["user"] = json!({ "uid": 0, "gid": 0, "umask": 63 });
        process["rlimits"] = json!([{ "type": "RLIMIT_NOFILE", "soft": 77, "hard": 88 }]);
        let sets = json!(["CAP_KILL", "CAP_CHOWN"]);
        process["capabilities"] = json!({ "bounding": sets, "effective": ["CAP_KILL"], "permitted": sets,
            "inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL"] });
        document["hostname"] = json!("bundled");
        document["linux"]["sysctl"] = json!({ "net.ipv4.ip_forward": "1" });
        document["linux"]["seccomp"] = json!({ "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{ "names": ["unlinkat"], "action": "SCMP_ACT_ERRNO" }] });
        let files = json!({ "destination": "/ro", "type": "bind", "source": "mounted", "options": ["rbind", "ro"] });
        document["mounts"].as_array_mut().expect("a list").push(files);
    });
    fs::create_dir(bundle.join("mounted")).expect("it is ours");
    fs::write(bundle.join("mounted/here"), "").expect("it is ours");
    let output = runtime(&env, &bundle, &["run", "one"]).fails_with(7);
    let lines = output.lines();
    assert!(lines[0].starts_with("uid=0(root) gid=0"), "{}", output.stdout);
    assert_eq!(lines[1..5], ["/tmp", "0077", "b", "77"]);
    let status = lines[5..10].join("\n");
    for part in [
        "CapEff:\t0000000000000021",
        "CapBnd:\t0000000000000021",
        "CapAmb:\t0000000000000020",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
    ] {
        assert!(status.contains(part), "{status}");
    }
    assert_eq!(lines[10..], ["bundled", "1", "here"]);
    assert!(output.stderr.contains("Read-only"), "{}", output.stderr);
    assert_eq!(env.argv(&["runtime", "list", "-q"]).succeeds().stdout, "", "run deletes it");
}

#[test]
fn exec_adds_a_process() {
    let env = ready!(busybox);
    let bundle = bundle(&env, "b", &["sleep", "1000"], |_| {});
    leave(&env, &bundle, &["run", "--detach", "one"]);
    let exec = |words: &[&str]| env.argv(&[&["runtime", "exec"][..], words].concat());
    exec(&["one", "sh", "-c", "echo $0; exit 5", "x"]).fails_with(5).stdout_is("x\n");
    exec(&["--cwd", "/tmp", "--env", "B=c", "one", "sh", "-c", "pwd; echo $B; ls /proc | grep -c '^1$'"])
        .succeeds()
        .stdout_is("/tmp\nc\n1\n");
    let process = json!({ "args": ["sh", "-c", "echo from $C"], "cwd": "/", "env": ["PATH=/bin", "C=file"], "user": { "uid": 0, "gid": 0 } });
    let file = env.write("process.json", process.to_string()).display().to_string();
    exec(&["--process", &file, "one"]).succeeds().stdout_is("from file\n");
    exec(&["one", "nothing-of-the-kind"]).fails().stderr_has("nothing-of-the-kind");
    // Nothing of the host leads out.
    for number in 3..12 {
        let path = format!("/proc/self/fd/{number}");
        exec(&["--cwd", &path, "one", "pwd"]).fails();
    }
    env.argv(&["runtime", "delete", "--force", "one"]).succeeds();
    exec(&["one", "true"]).fails_with(1).stderr_has("container does not exist");
}

#[test]
fn hooks_run_in_the_order_of_the_specification() {
    let env = ready!(busybox);
    let log = env.write("log", "").display().to_string();
    let note = |name: &str| json!([{ "path": "/bin/sh", "args": ["sh", "-c", format!("cat >/dev/null; echo {name} >>{log}")], "env": ["PATH=/bin:/usr/bin"] }]);
    let bundle = bundle(&env, "b", &["sh", "-c", "cat /made"], |document| {
        document["hooks"] = json!({
            "prestart": note("prestart"), "createRuntime": note("createRuntime"), "createContainer": note("createContainer"),
            "startContainer": [{ "path": "/bin/sh", "args": ["sh", "-c", "echo inside >/made"] }],
            "poststart": note("poststart"), "poststop": note("poststop"),
        });
    });
    leave(&env, &bundle, &["create", "one"]);
    let text = || fs::read_to_string(&log).expect("it is there");
    assert_eq!(text(), "prestart\ncreateRuntime\ncreateContainer\n");
    env.argv(&["runtime", "start", "one"]).succeeds();
    assert!(text().ends_with("createContainer\npoststart\n"), "{}", text());
    eventually("it ends", || state(&env, "one")["status"] == "stopped");
    assert_eq!(fs::read_to_string(bundle.join("rootfs/made")).expect("it was made"), "inside\n");
    env.argv(&["runtime", "delete", "one"]).succeeds();
    assert!(text().ends_with("poststart\npoststop\n"), "{}", text());
}

#[test]
fn what_cannot_be_done_is_refused_by_name_and_leaves_nothing() {
    let env = ready!(busybox);
    for (pointer, value, reason) in [
        ("/linux/intelRdt", json!({}), "linux.intelRdt"),
        ("/linux/timeOffsets", json!({ "monotonic": { "secs": 1 } }), "linux.timeOffsets"),
        ("/process/apparmorProfile", json!("strict"), "process.apparmorProfile"),
        ("/process/scheduler", json!({ "policy": "SCHED_BATCH" }), "process.scheduler"),
        ("/process/args", json!([]), "`process.args` is empty"),
        ("/process/args", json!(["/absent"]), "cannot run `/absent`"),
        ("/process/cwd", json!("/proc/self/fd/5"), "working directory"),
        ("/process/user", json!({ "uid": 4_294_967_295_u32, "gid": 0 }), "no id"),
        ("/linux/sysctl", json!({ "vm.swappiness": "1" }), "sysctl 'vm.swappiness' is not allowed"),
        ("/linux/seccomp", json!({ "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/x" }), "listenerPath"),
        ("/ociVersion", json!("2.0.0"), "version `2.0.0`"),
        ("/mounts/0", json!({ "destination": "/x", "type": "ext4", "source": "/dev/sda" }), "the type `ext4`"),
        ("/mounts/0", json!({ "destination": "/proc/sys", "type": "tmpfs", "source": "x" }), "inside /proc or /sys"),
    ] {
        let name = format!("b{}", pointer.replace('/', "-"));
        let bundle = bundle(&env, &name, &["true"], |document| {
            let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
            match document.pointer_mut(parent).expect("it is there") {
                Value::Array(items) => items.push(value),
                parent => parent[key] = value,
            }
        });
        runtime(&env, &bundle, &["run", "one"]).fails_with(1).explains().stderr_has(reason);
        assert_eq!(env.argv(&["runtime", "list", "-q"]).succeeds().stdout, "", "{pointer}");
        fs::remove_dir_all(bundle).expect("it is ours");
    }
    let bundle = bundle(&env, "b", &["true"], |_| {});
    for id in ["../x", "a/b", ".", "", "a b"] {
        runtime(&env, &bundle, &["run", id]).fails_with(1).explains().stderr_has("invalid container id");
    }
    let log = env.file("log").display().to_string();
    let bundle = bundle.display().to_string();
    env.argv(&["runtime", "--log", &log, "--log-format", "json", "run", "--no-pivot", "--bundle", &bundle, "one"])
        .fails_with(1);
    let line: Value = serde_json::from_str(&fs::read_to_string(log).expect("it was written")).expect("JSON");
    assert_eq!(line["level"], "error");
    assert!(line["msg"].as_str().is_some_and(|text| text.contains("--no-pivot")), "{line}");
}

#[test]
fn runc_runs_the_same_bundle_alike() {
    let env = ready!(busybox);
    if which("runc").is_none() || is_root() {
        return skip("this machine has no runc, or this is root");
    }
    let show = "id; hostname; pwd; ls /dev /; grep -E '^Cap|NoNewPrivs' /proc/self/status; \
        readlink /dev/fd /dev/ptmx; echo >/proc/sys/kernel/domainname; cat /proc/kcore; exit 9";
    let bundle = bundle(&env, "b", &["sh", "-c", show], |document| {
        // What the oldest of them know.
        document["ociVersion"] = json!("1.0.2");
        document["linux"]["namespaces"].as_array_mut().expect("a list").retain(|it| it["type"] != "cgroup");
    });
    let ours = runtime(&env, &bundle, &["run", "one"]).fails_with(9);
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(String::from).collect();
        lines.sort();
        lines
    };
    let root = env.mkdir("runc-root").display().to_string();
    let theirs = env.tool("runc", &["--root", &root, "run", "--bundle", &bundle.display().to_string(), "one"]).run();
    let theirs = theirs.fails_with(9);
    // coracle's `/dev` has docker's `core`; an entry of the primary group is among the supplementary ones there.
    let usual = |lines: Vec<String>| -> Vec<String> {
        let lines = lines.into_iter().filter(|line| line != "core");
        lines.map(|line| line.replace(" groups=0", "").replace("(root)", "")).collect()
    };
    assert_eq!(usual(sorted(&ours.stdout)), usual(sorted(&theirs.stdout)));
}
