//! Pods: containers that share namespaces, what is done to all of them, and what podman shows of them.

use crate::support::env::Env;
use crate::support::eventually;

/// The state of a pod.
#[track_caller]
fn state(env: &Env, pod: &str) -> String {
    env.argv(&["pod", "inspect", "-f", "{{.State}}", pod]).succeeds().line().to_owned()
}

/// The namespace of a kind that a running container's programs see.
#[track_caller]
fn namespace(env: &Env, container: &str, kind: &str) -> String {
    env.coracle(&format!("exec {container} readlink /proc/self/ns/{kind}")).succeeds().line().to_owned()
}

#[test]
fn containers_of_a_pod_share_namespaces() {
    let env = ready!(busybox);
    let id = env.coracle("pod create --name shop").succeeds().line().to_owned();
    assert_eq!(id.len(), 64);
    assert_eq!(state(&env, "shop"), "Created");
    env.run_detached("--pod shop --name web IMAGE sh -c 'mkdir /w && echo hello >/w/index.html && httpd -f -h /w'");
    env.run_detached("--pod shop --name db IMAGE sleep 1000");
    assert_eq!(state(&env, "shop"), "Running");
    for kind in ["net", "ipc", "uts", "user"] {
        assert_eq!(namespace(&env, "web", kind), namespace(&env, "db", kind), "{kind}");
    }
    for kind in ["pid", "mnt", "cgroup"] {
        assert_ne!(namespace(&env, "web", kind), namespace(&env, "db", kind), "{kind}");
    }
    // One loopback, one name, one memory.
    eventually("the server listens", || env.coracle("exec db wget -qO- http://127.0.0.1/").code() == 0);
    env.coracle("exec db hostname").succeeds().stdout_is("shop\n");
    env.coracle("exec web sh -c 'echo shared >/dev/shm/x'").succeeds();
    env.coracle("exec db cat /dev/shm/x").succeeds().stdout_is("shared\n");
    // Files are not.
    env.coracle("exec db test -e /w").fails();
    // Root of one may change the pod's network, if it has the capability for that.
    env.coracle("run --rm --pod shop --cap-add NET_ADMIN IMAGE ip link set lo mtu 4321").succeeds();
    env.coracle("exec db cat /sys/class/net/lo/mtu").succeeds().stdout_is("4321\n");
    env.coracle("exec db ip link set lo mtu 4322").fails();
    env.coracle("pod rm shop").fails_with(1).stderr_has("has running containers").explains();
    env.coracle("pod rm -f shop").succeeds().stdout_is(&format!("{id}\n"));
    env.coracle("ps -aq").succeeds().stdout_is("");
    env.coracle("pod exists shop").fails_with(1);
}

#[test]
fn a_pod_publishes_ports_and_has_a_name() {
    let env = ready!(busybox);
    env.coracle("pod create --name shop -h box -p 127.0.0.1::80 --add-host db:192.0.2.7 --dns 192.0.2.53").succeeds();
    env.coracle("run -d --pod shop --name web IMAGE sh -c 'mkdir /w && echo hello >/w/index.html && httpd -f -h /w'")
        .succeeds();
    env.coracle("exec web sh -c 'hostname; grep -c 192.0.2.7 /etc/hosts'").succeeds().stdout_is("box\n1\n");
    let infra = env.argv(&["pod", "inspect", "-f", "{{.InfraContainerID}}", "shop"]).succeeds().line().to_owned();
    let port = env.coracle(&format!("port {infra} 80")).succeeds().line().to_owned();
    eventually("the port answers", || {
        env.tool("busybox", &["wget", "-qO-", &format!("http://{port}/")]).run().stdout == "hello\n"
    });
    for (options, reason) in [
        ("-p 81:81", "must be defined when the pod is created"),
        ("-h other", "cannot set hostname when joining the pod UTS namespace"),
        ("--init-ctr=once", "is running"),
    ] {
        env.coracle(&format!("create --pod shop {options} IMAGE true")).fails_with(125).stderr_has(reason);
    }
    // What it says itself counts.
    env.coracle("run --rm --pod shop --network none IMAGE ls /sys/class/net").succeeds().stdout_is("lo\n");
    env.coracle("pod rm -f shop").succeeds();
    env.coracle("run -d --pod new:one -p 127.0.0.1::80 --name solo -h named IMAGE sleep 1000").succeeds();
    env.coracle("exec solo hostname").succeeds().stdout_is("named\n");
    assert_eq!(state(&env, "one"), "Running");
    env.coracle("run -d --pod new:one IMAGE true").fails_with(125).stderr_has("already in use");
    env.coracle("run -d --pod new:two --name solo IMAGE true").fails_with(125).stderr_has("already in use");
    env.coracle("pod exists two").fails_with(1);
}

#[test]
fn a_pod_is_stopped_and_started_as_one() {
    let env = ready!(busybox);
    env.coracle("pod create --network none --name shop").succeeds();
    env.coracle("create --pod shop --name web IMAGE sleep 1000").succeeds();
    env.coracle("create --pod shop --name db IMAGE sleep 1000").succeeds();
    env.coracle("pod start shop").succeeds().stdout_is("shop\n");
    assert_eq!(state(&env, "shop"), "Running");
    env.coracle("pod pause shop").succeeds();
    assert_eq!((state(&env, "shop").as_str(), env.status("web").as_str()), ("Paused", "paused"));
    env.coracle("pod unpause shop").succeeds();
    assert_eq!(state(&env, "shop"), "Running");
    env.coracle("kill web").succeeds();
    assert_eq!(state(&env, "shop"), "Degraded");
    let before = env.pid("db");
    env.coracle("pod restart shop").succeeds();
    assert_eq!(state(&env, "shop"), "Running");
    assert_ne!(env.pid("db"), before);
    env.coracle("pod kill -s TERM shop").succeeds();
    env.coracle("pod stop -t 1 shop").succeeds().stdout_is("shop\n");
    assert_eq!(state(&env, "shop"), "Exited");
    // The infra container is started again with any of them.
    env.coracle("start web").succeeds();
    assert_eq!(state(&env, "shop"), "Degraded");
    env.coracle("pod stop -t 0 shop").succeeds();
    // It goes with its pod alone.
    let infra = env.argv(&["pod", "inspect", "-f", "{{.InfraContainerID}}", "shop"]).succeeds().line().to_owned();
    env.coracle(&format!("rm -f {infra}")).fails_with(1).stderr_has("infra container of pod `shop`");
    env.coracle("container prune -f").succeeds();
    env.coracle("ps -aq --no-trunc").succeeds().stdout_is(&format!("{infra}\n"));
    env.coracle("pod prune -f").succeeds();
    env.coracle("pod ps -q").succeeds().stdout_is("");
    env.coracle("pod start shop").fails_with(1).stderr_has("no such pod");
    env.coracle("pod rm -i shop").succeeds();
    env.coracle("pod stop --ignore shop").succeeds();
    let told = env.coracle("events --stream=false --filter type=pod --format '{{json .}}'").succeeds();
    assert_eq!(told.stdout, "", "docker has no pods");
    let told = env
        .persona("podman", "events --stream=false --filter type=pod --format '{{.Type}} {{.Status}} {{.Name}}'")
        .run();
    let told = told.succeeds();
    let words: Vec<&str> = told.lines().iter().map(|line| line.split(' ').nth(1).unwrap_or_default()).collect();
    assert_eq!(
        words,
        ["create", "start", "pause", "unpause", "restart", "kill", "stop", "stop", "remove"],
        "{}",
        told.stdout
    );
}

#[test]
fn init_containers_run_first() {
    let env = ready!(busybox);
    env.coracle("pod create --network none --name shop").succeeds();
    env.coracle("create --pod shop --init-ctr=always --name first -v data:/d IMAGE sh -c 'echo 1 >>/d/log'").succeeds();
    env.coracle("create --pod shop --init-ctr=once --name once -v data:/d IMAGE sh -c 'echo 2 >>/d/log'").succeeds();
    env.coracle("create --pod shop --name web -v data:/d IMAGE sh -c 'cat /d/log; exec sleep 1000'").succeeds();
    env.coracle("pod start shop").succeeds();
    env.logged("web", "1\n2\n");
    assert_eq!((env.status("first").as_str(), state(&env, "shop").as_str()), ("exited", "Running"));
    env.coracle("container exists once").fails_with(1);
    env.coracle("pod stop -t 0 shop").succeeds();
    env.coracle("pod start shop").succeeds();
    env.logged("web", "1\n2\n1\n2\n1\n");
    env.coracle("pod stop -t 0 shop").succeeds();
    env.coracle("create --pod shop --init-ctr=always --name bad IMAGE sh -c 'exit 3'").succeeds();
    env.coracle("pod start shop").fails_with(1).stderr_has("init container `bad` exited with code 3");
    assert_eq!(env.status("web"), "exited");
    env.coracle("create --init-ctr=once IMAGE").fails_with(125).stderr_has("must specify pod value with init-ctr");
    env.coracle("create --pod shop --init-ctr=never IMAGE").fails_with(125).stderr_has("'always' or 'once'");
}

#[test]
fn the_last_one_may_turn_off_the_light() {
    let env = ready!(busybox);
    env.coracle("pod create --network none --exit-policy stop --name shop").succeeds();
    env.run_detached("--pod shop --name one IMAGE sleep 1000");
    env.run_detached("--pod shop --name two --rm IMAGE sleep 1000");
    env.coracle("kill one").succeeds();
    assert_eq!(state(&env, "shop"), "Degraded");
    env.coracle("kill two").succeeds();
    eventually("the pod has ended", || state(&env, "shop") == "Exited");
    env.coracle("pod create --network none --name open").succeeds();
    env.coracle("run --rm --pod open IMAGE true").succeeds();
    assert_eq!(state(&env, "open"), "Running");
    env.coracle("pod create --exit-policy never").fails_with(125).stderr_has("invalid pod exit policy");
}

#[test]
fn processes_are_shared_on_request() {
    let env = ready!(busybox);
    env.coracle("pod create --network none --share +pid --name shop").succeeds();
    env.run_detached("--pod shop --name web IMAGE sleep 1001");
    env.run_detached("--pod shop --name db IMAGE sleep 1002");
    assert_eq!(namespace(&env, "web", "pid"), namespace(&env, "db", "pid"));
    env.coracle("exec db sh -c 'ps -o args'").succeeds().stdout_has("sleep 1001").stdout_has("coracle-init");
    // What one leaves behind is reaped by the infra container.
    env.coracle("exec db sh -c 'sleep 0.1 & exit 0'").succeeds();
    eventually("no zombie is left", || !env.coracle("exec db ps -o stat").succeeds().stdout.contains('Z'));
    env.coracle("top web -o args").succeeds().stdout_has("sleep 1001").stdout_lacks("sleep 1002");
    env.coracle("pod top shop").succeeds().stdout_has("sleep 1001").stdout_has("sleep 1002");
    env.coracle("pause web").succeeds();
    env.coracle("exec db true").succeeds();
    env.coracle("unpause web").succeeds();
    env.coracle("pod create --share frob").fails_with(125).stderr_has("invalid kernel namespace to share: frob");
    env.coracle("pod create --share none --name loose").succeeds();
    env.run_detached("--pod loose --network none --name alone IMAGE sleep 1000");
    assert_eq!(
        env.argv(&["pod", "inspect", "-f", "{{.CreateInfra}} {{.NumContainers}} {{.State}}", "loose"])
            .succeeds()
            .line(),
        "false 1 Running"
    );
    env.coracle("pod create --infra=false -p 80:80").fails_with(125).stderr_has("infra container");
    env.coracle("pod create --infra=false --share net").fails_with(125).stderr_has("cannot set share(net)");
}

#[test]
fn pods_are_listed_as_podman_does() {
    let env = ready!(busybox);
    let header = env.persona("podman", "pod ps").run().succeeds();
    let columns: Vec<&str> = header.line().split("  ").map(str::trim).filter(|it| !it.is_empty()).collect();
    assert_eq!(columns, ["POD ID", "NAME", "STATUS", "CREATED", "INFRA ID", "# OF CONTAINERS"]);
    let ids = env.mkdir("ids").join("shop");
    let create =
        format!("pod create --network none --label tier=web --infra-name holder --pod-id-file {} shop", ids.display());
    let id = env.coracle(&create).succeeds().line().to_owned();
    env.coracle(&create).fails_with(125).stderr_has("exists already");
    assert_eq!(std::fs::read_to_string(&ids).expect("written"), id);
    env.coracle("pod create --network none shop").fails_with(125).stderr_has("already in use");
    let replaced = env.coracle("pod create --network none --replace shop").succeeds().line().to_owned();
    assert_ne!(replaced, id);
    env.coracle("pod create --network none --label tier=db other").succeeds();
    env.coracle("create --pod shop --name web IMAGE true").succeeds();
    let shown =
        env.argv(&["pod", "ps", "--format", "{{.Name}} {{.Status}} {{.NumberOfContainers}} {{.ContainerNames}}"]);
    let infra = format!("{}-infra", &replaced[..12]);
    let shown = shown.succeeds();
    assert_eq!(shown.lines()[1], format!("shop Created 2 {infra},web"));
    for (filters, names) in [
        ("--filter label=tier=db", "other\n"),
        ("--filter name=sho", "shop\n"),
        ("--filter ctr-names=web", "shop\n"),
        ("--filter ctr-number=1", "other\n"),
        ("--filter status=running", ""),
        ("--sort name", "other\nshop\n"),
        ("--latest", "other\n"),
    ] {
        env.coracle(&format!("pod ps {filters} --format '{{{{.Name}}}}'")).succeeds().stdout_is(names);
    }
    let json = env.coracle("pod ps --filter name=shop --format json").succeeds().json();
    assert_eq!(
        (&json[0]["Name"], &json[0]["Status"], &json[0]["Containers"][1]["Names"]),
        (&"shop".into(), &"Created".into(), &"web".into())
    );
    let ps = env
        .persona("podman", "ps -a --pod --filter pod=shop --format '{{.Names}} {{.PodName}} {{.IsInfra}}'")
        .run()
        .succeeds();
    assert_eq!(ps.stdout, format!("{infra} shop true\nweb shop false\n"));
    let table = env.coracle("ps -a --pod").succeeds();
    assert!(table.lines()[0].ends_with("POD ID         PODNAME"), "{}", table.stdout);
    env.coracle("pod inspect nosuch").fails_with(1).stdout_is("[]\n").stderr_has("no such pod");
    env.coracle("pod start").fails_with(1).stderr_has("requires at least 1 argument");
    env.coracle("create --pod nosuch IMAGE").fails_with(125).stderr_has("no such pod");
    env.coracle("pod frob").fails();
}

#[test]
fn what_a_pod_says_and_uses() {
    let env = ready!(busybox);
    env.coracle("pod create --network none shop").succeeds();
    env.coracle("run --pod shop --name one IMAGE echo from one").succeeds();
    env.coracle("run --pod shop --name two IMAGE echo from two").succeeds();
    let logs = env.coracle("pod logs --names shop").succeeds();
    let mut lines = logs.lines();
    lines.sort_unstable();
    assert_eq!(lines, ["one from one", "two from two"]);
    env.coracle("pod logs -c two shop").succeeds().stdout_is("from two\n");
    env.coracle("run --name stranger IMAGE true").succeeds();
    env.coracle("pod logs -c stranger shop").fails_with(1).stderr_has("is not in pod");
    let stats = env.coracle("pod stats --no-stream --format '{{.Name}} {{.PIDS}}' shop").succeeds();
    assert!(stats.stdout.contains("one --\n") && stats.stdout.contains("-infra 1\n"), "{}", stats.stdout);
}

#[test]
fn a_killed_command_leaves_no_half_pod() {
    let env = ready!(busybox);
    env.coracle("pod create --network none shop").succeeds();
    // As after a crash between the record of the pod and its infra container.
    let infra = env.argv(&["pod", "inspect", "-f", "{{.InfraContainerID}}", "shop"]).succeeds().line().to_owned();
    std::fs::remove_dir_all(env.data().join("containers").join(&infra)).expect("the infra container");
    for name in std::fs::read_dir(env.data().join("names")).expect("names").flatten() {
        std::fs::remove_file(name.path()).expect("a name");
    }
    env.run_detached("--pod shop --name web IMAGE sleep 1000");
    assert_eq!(state(&env, "shop"), "Running");
    // The supervisor of the infra container is killed: its namespaces live on in the others.
    nix::sys::signal::kill(env.supervisor(&infra), nix::sys::signal::Signal::SIGKILL).expect("ours");
    eventually("it is known", || state(&env, "shop") == "Degraded");
    env.coracle("exec web true").succeeds();
    env.coracle("pod restart shop").succeeds();
    assert_eq!(state(&env, "shop"), "Running");
}

#[test]
fn a_container_is_cloned() {
    let env = ready!(busybox);
    env.run_detached(
        "--name web -e A=1 -v kept:/k -v /anonymous IMAGE sh -c 'echo x >/k/f; echo y >/written; exec sleep 1000'",
    );
    let id = env.coracle("container clone --run web").succeeds().line().to_owned();
    assert_eq!(env.inspect("web-clone", "{{.Id}}"), id);
    env.coracle("exec web-clone sh -c 'echo $A; cat /k/f; hostname'")
        .succeeds()
        .stdout_is(&format!("1\nx\n{}\n", &id[..12]));
    let anonymous =
        |name: &str| env.inspect(name, "{{range .Mounts}}{{if eq .Destination \"/anonymous\"}}{{.Name}}{{end}}{{end}}");
    assert_ne!(anonymous("web"), anonymous("web-clone"));
    env.coracle("pod create --network none shop").succeeds();
    env.coracle("container clone --pod shop --name member -m 64m web").succeeds();
    assert_eq!(env.inspect("member", "{{.HostConfig.Memory}}"), "67108864");
    env.coracle("container clone --destroy web other").fails_with(125).stderr_has("is running");
    env.coracle("rm -f other").succeeds();
    env.coracle("container clone --destroy --force web other").succeeds();
    env.coracle("container exists web").fails_with(1);
    env.coracle("container clone nosuch").fails_with(125).stderr_has("no such container");
    env.coracle("container clone other web-clone").fails_with(125).stderr_has("already in use");
    let infra = env.argv(&["pod", "inspect", "-f", "{{.InfraContainerID}}", "shop"]).succeeds().line().to_owned();
    env.coracle(&format!("container clone {infra}")).fails_with(125).stderr_has("infra container");
}

#[test]
fn podmans_descriptors() {
    let env = ready!(busybox);
    env.run_detached("--name web -u 7 IMAGE sleep 1000");
    let pid = env.pid("web").to_string();
    let shown = env.coracle("top web pid hpid ppid user args seccomp capeff").succeeds();
    let words: Vec<&str> = shown.lines()[1].split_whitespace().collect();
    assert_eq!((words[0], words[1], words[2]), ("1", pid.as_str(), "0"), "{}", shown.stdout);
    assert!(shown.stdout.contains("sleep 1000") && shown.lines()[1].ends_with("none"), "{}", shown.stdout);
    env.coracle("top web frob").fails_with(1).stderr_has("unknown descriptor `frob`");
    env.persona("podman", "top web").run().succeeds().stdout_has("ELAPSED");
    let names: Vec<String> = ["CGROUPNS", "NET", "USERNS"].map(String::from).to_vec();
    let table = env.coracle("ps --ns").succeeds();
    assert!(names.iter().all(|name| table.lines()[0].contains(name)), "{}", table.stdout);
    let net = std::fs::read_link(format!("/proc/{pid}/ns/net")).expect("it runs").to_string_lossy().into_owned();
    assert!(table.stdout.contains(net.trim_matches(|c: char| !c.is_ascii_digit())), "{}", table.stdout);
}
