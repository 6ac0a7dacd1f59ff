//! Devices of vendors (CDI): what their files bring into a container, and the hooks that they have run.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::env::Env;
use crate::support::eventually;

/// A CDI file of the user.
fn describe(env: &Env, name: &str, text: &str) {
    let directory = env.config().join("cdi");
    fs::create_dir_all(&directory).expect("it is ours");
    fs::write(directory.join(name), text).expect("it is ours");
}

/// A program of the host.
fn script(env: &Env, name: &str, text: &str) -> String {
    let path = env.write(name, format!("#!/bin/sh\n{text}"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    path.display().to_string()
}

#[test]
fn a_device_brings_nodes_mounts_variables_and_groups() {
    let env = ready!(busybox);
    let library = env.write("libvendor.so", "the driver");
    let text = format!(
        "cdiVersion: 0.6.0\nkind: vendor.com/gpu\ncontainerEdits:\n  env: [VENDOR=yes]\n  mounts:\n  - hostPath: {}\n    \
         containerPath: /usr/lib/libvendor.so\n    options: [ro, nosuid, nodev, rbind, rprivate]\ndevices:\n- name: '0'\n  \
         containerEdits:\n    deviceNodes: [{{path: /dev/vendor0, hostPath: /dev/zero}}]\n    additionalGids: [77]\n",
        library.display()
    );
    describe(&env, "vendor.yaml", &text);
    let show = "sh -c 'echo $VENDOR; cat /usr/lib/libvendor.so; head -c1 /dev/vendor0 | od -An -tx1; id -G; echo x >/usr/lib/libvendor.so'";
    let output = env.coracle(&format!("run --rm --device vendor.com/gpu=0 IMAGE {show}")).fails();
    assert_eq!(output.stdout, "yes\nthe driver 00\n0 77\n");
    assert!(output.stderr.contains("Read-only"), "{}", output.stderr);
    // What the file says counts at each start, and a user's own mount comes first.
    let id = env.run_detached("--device vendor.com/gpu=0 -e VENDOR=mine IMAGE sleep 1000");
    assert_eq!(env.inspect(&id, "{{(index .HostConfig.DeviceRequests 0).DeviceIDs}}"), "[vendor.com/gpu=0]");
    env.coracle(&format!("exec {id} test -c /dev/vendor0")).succeeds();
    env.coracle(&format!("exec {id} sh -c 'echo $VENDOR; id -G'")).succeeds().stdout_is("yes\n0 77\n");
    describe(&env, "vendor.yaml", &text.replace("/dev/vendor0", "/dev/vendor1"));
    env.coracle(&format!("restart -t 0 {id}")).succeeds();
    env.coracle(&format!("exec {id} test -c /dev/vendor1")).succeeds();
    env.coracle(&format!("exec {id} test -e /dev/vendor0")).fails_with(1);
    describe(&env, "vendor.yaml", "cdiVersion: 0.6.0\nkind: vendor.com/other\n");
    env.coracle(&format!("restart -t 0 {id}"))
        .fails()
        .explains()
        .stderr_has("unresolvable CDI device vendor.com/gpu=0");
}

#[test]
fn gpus_are_those_of_the_vendor_that_is_there() {
    let env = ready!(busybox);
    env.coracle("run --rm --gpus all IMAGE true")
        .fails_with(125)
        .explains()
        .stderr_has("no GPU of this machine is known");
    let device = |name: &str, node: &str| {
        format!(
            "{{\"name\": \"{name}\", \"containerEdits\": {{\"deviceNodes\": [{{\"path\": \"{node}\", \"hostPath\": \"/dev/null\"}}]}}}}"
        )
    };
    let devices = [device("0", "/dev/nvidia0"), device("1", "/dev/nvidia1"), device("all", "/dev/nvidia9")].join(",");
    describe(
        &env,
        "a.json",
        &format!("{{\"cdiVersion\": \"0.5.0\", \"kind\": \"nvidia.com/gpu\", \"devices\": [{devices}]}}"),
    );
    for (gpus, shown) in [
        ("all", "/dev/nvidia9\n"),
        ("2", "/dev/nvidia0\n/dev/nvidia1\n"),
        ("device=1", "/dev/nvidia1\n"),
        ("\"device=0,1\",capabilities=utility", "/dev/nvidia0\n/dev/nvidia1\n"),
    ] {
        let image = env.image();
        env.argv(&["run", "--rm", "--gpus", gpus, &image, "sh", "-c", "ls -1 /dev/nvidia*"])
            .succeeds()
            .stdout_is(shown);
    }
    env.coracle("run --rm --gpus device=7 IMAGE true")
        .fails_with(125)
        .explains()
        .stderr_has("unresolvable CDI device nvidia.com/gpu=7")
        .stderr_has("nvidia.com/gpu=all");
    describe(&env, "b.json", "{\"cdiVersion\": \"0.5.0\", \"kind\": \"nvidia.com/gpu\", \"devices\": [");
    env.coracle("run --rm --device x.com/y=z IMAGE true").fails_with(125).explains().stderr_has("b.json` is left out");
}

#[test]
fn hooks_run_around_a_container_in_their_order() {
    let env = ready!(busybox);
    let log = env.write("log", "");
    let note = format!("cat >>{0}; echo \" $1\" >>{0}", log.display());
    let outside = script(&env, "outside", &note);
    // As the hooks of a vendor do it: the root file system is found by the state and the bundle's config.json.
    let inside = script(
        &env,
        "inside",
        "bundle=$(sed 's/.*\"bundle\":\"\\([^\"]*\\)\".*/\\1/')\n\
         root=$(sed 's/.*\"path\":\"\\([^\"]*\\)\".*/\\1/' \"$bundle/config.json\")\n\
         ls /proc/self/fd | wc -l >\"$root/descriptors\"\nls -d /usr/bin >/dev/null && ln -s libv.so.1 \"$root/lib-link\"\n",
    );
    let hook = |at: &str, path: &str| {
        format!("{{hookName: {at}, path: {path}, args: [hook, {at}], env: ['PATH=/usr/bin:/bin']}}")
    };
    let hooks = [
        hook("createRuntime", &outside),
        hook("createContainer", &inside),
        hook("startContainer", "/bin/mkdir").replace("[hook, startContainer]", "[mkdir, /made-inside]"),
        hook("poststart", &outside),
        hook("poststop", &outside),
    ];
    let file = format!(
        "cdiVersion: 0.6.0\nkind: vendor.com/gpu\ndevices:\n- name: x\n  containerEdits:\n    hooks: [{}]\n",
        hooks.join(", ")
    );
    describe(&env, "vendor.yaml", &file);
    let id = env.run_detached("--device vendor.com/gpu=x -v /made-before IMAGE sleep 1000");
    // ls itself has a fourth descriptor open.
    env.coracle(&format!("exec {id} cat /descriptors")).succeeds().stdout_is("4\n");
    env.coracle(&format!("exec {id} readlink /lib-link")).succeeds().stdout_is("libv.so.1\n");
    env.coracle(&format!("exec {id} test -d /made-inside")).succeeds();
    // The root of the container is its own root: nothing of the host is below or above it.
    env.coracle(&format!("exec {id} ls -d /../usr/sbin/nologin /../home")).fails();
    let pid = env.pid(&id).to_string();
    env.coracle(&format!("stop -t 0 {id}")).succeeds();
    let text = || fs::read_to_string(&log).expect("it is there");
    eventually("the last hook has run", || text().contains(" poststop\n"));
    let lines = text();
    let words: Vec<(&str, bool)> =
        lines.lines().map(|line| (line.rsplit(' ').next().unwrap_or_default(), line.contains(&pid))).collect();
    assert_eq!(words, [("createRuntime", true), ("poststart", true), ("poststop", false)], "{lines}");
    assert!(lines.lines().all(|line| line.contains(&format!("\"id\":\"{id}\""))), "{lines}");
    assert!(!env.runtime().join("bundles").join(&id).exists(), "its bundle is gone");
}

#[test]
fn a_hook_that_fails_stops_the_start_and_says_why() {
    let env = ready!(busybox);
    let fails = script(&env, "fails", "echo no such driver >&2; exit 3\n");
    let sleeps = script(&env, "sleeps", "exec sleep 1000\n");
    for (at, path, timeout, reason) in [
        ("createRuntime", &fails, 5, "no such driver"),
        ("createContainer", &fails, 5, "no such driver"),
        ("createContainer", &sleeps, 1, "longer than 1 s"),
        ("startContainer", &fails, 5, "the startContainer hook"),
    ] {
        let hook = format!("{{hookName: {at}, path: {path}, timeout: {timeout}}}");
        let device = format!("{{name: x, containerEdits: {{hooks: [{hook}]}}}}");
        describe(&env, "vendor.yaml", &format!("{{cdiVersion: 0.6.0, kind: vendor.com/gpu, devices: [{device}]}}"));
        env.coracle("run --rm --device vendor.com/gpu=x IMAGE true").fails_with(125).explains().stderr_has(reason);
        assert_eq!(env.coracle("ps -aq").succeeds().stdout, "");
    }
}
