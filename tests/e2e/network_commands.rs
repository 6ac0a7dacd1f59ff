//! The commands about networks, as docker's and podman's users type them.

use std::os::unix::fs::symlink;

use serde_json::json;

use crate::support::env::{Env, is_id};
use crate::support::output::Output;

/// Runs a line as `docker` or `podman` would be called.
#[track_caller]
fn called(env: &Env, name: &str, line: &str) -> Output {
    let link = env.file(name);
    if std::fs::symlink_metadata(&link).is_err() {
        symlink(env.program(), &link).unwrap();
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    env.tool(link.to_str().unwrap(), &words).run()
}

#[test]
fn a_network_is_made_listed_inspected_and_removed() {
    let env = ready!();
    let made = env
        .coracle("network create --subnet 10.91.0.0/24 --gateway 10.91.0.9 --ip-range 10.91.0.128/25 --label a=b web");
    let id = made.succeeds().line().to_owned();
    assert!(is_id(&id), "{id}");
    let listed = env.coracle("network ls").succeeds();
    let lines = listed.lines();
    assert_eq!(lines[0], "NETWORK ID     NAME      DRIVER    SCOPE");
    assert_eq!(
        lines[1..].iter().map(|line| line.split_whitespace().nth(1).unwrap()).collect::<Vec<_>>(),
        ["bridge", "host", "none", "web"]
    );
    assert_eq!(lines[4], format!("{}   web       bridge    local", &id[..12]));
    env.coracle("network ls -q --no-trunc --filter type=custom").succeeds().stdout_is(&format!("{id}\n"));
    env.coracle("network list --filter label=a=b --format {{.Name}}").succeeds().stdout_is("web\n");
    let json = env.coracle("network inspect web").succeeds().json();
    assert_eq!(json[0]["Id"], json!(id));
    assert_eq!(
        json[0]["IPAM"]["Config"],
        json!([{"Subnet": "10.91.0.0/24", "IPRange": "10.91.0.128/25", "Gateway": "10.91.0.9"}])
    );
    env.coracle("network inspect -f {{.Driver}}-{{.Internal}} web bridge host")
        .succeeds()
        .stdout_is("bridge-false\nbridge-false\nhost-false\n");
    env.coracle("inspect --type network --format {{.Name}} web").succeeds().stdout_is("web\n");
    env.coracle("network exists web").succeeds().stdout_is("");
    env.coracle(&format!("network rm web {}", &id[..12])).fails_with(1).stdout_is("web\n").explains();
    env.coracle("network exists web").exits_with(1).stdout_is("").stderr_is("");
    env.coracle("network rm -f web").succeeds();
}

#[test]
fn mistakes_are_explained_in_dockers_words() {
    let env = ready!();
    env.coracle("network create web").succeeds();
    for (line, said) in [
        ("network create web", "network with name web already exists"),
        ("network create bridge", "operation is not permitted on predefined bridge network"),
        ("network create --subnet 10.91.2.3/24 x", "it should be 10.91.2.0/24"),
        ("network create --gateway 10.91.2.3 x", "every ip-range or gateway must have a corresponding subnet"),
        ("network create --subnet 10.91.0.0/24 --gateway 10.92.0.1 x", "no matching subnet for gateway 10.92.0.1"),
        ("network rm host", "host is a pre-defined network and cannot be removed"),
        ("network rm nobody", "network `nobody` not found"),
        ("network inspect nobody", "network `nobody` not found"),
        ("network connect web nobody", "no such container: `nobody`"),
        ("network ls --filter colour=red", "invalid filter `colour`"),
        ("network update web --dns-drop 192.0.2.1", "does not have the resolver 192.0.2.1"),
    ] {
        env.coracle(line).fails_with(1).explains().stderr_has(said);
    }
    env.coracle("network create").fails().stderr_has("requires 1 argument");
    env.coracle("network create --ignore web").succeeds();
}

#[test]
fn networks_that_nobody_has_are_pruned() {
    let env = ready!(busybox);
    for name in ["used", "spare1", "spare2"] {
        env.coracle(&format!("network create --label of={name} {name}")).succeeds();
    }
    env.coracle("create --name keeper --network used IMAGE true").succeeds();
    env.command("network prune").stdin("n\n").run().succeeds().stdout_has("Are you sure you want to continue? [y/N]");
    env.coracle("network prune -f --filter label!=of=spare1").succeeds().stdout_is("Deleted Networks:\nspare2\n\n");
    env.command("network prune").stdin("y\n").run().succeeds().stdout_has("Deleted Networks:\nspare1\n");
    env.coracle("network prune -f").succeeds().stdout_is("");
    env.coracle("network ls --filter dangling=false --filter type=custom --format {{.Name}}")
        .succeeds()
        .stdout_is("used\n");
}

#[test]
fn as_podman_networks_are_podmans() {
    let env = ready!(busybox);
    called(&env, "podman", "network create").succeeds().stdout_is("podman1\n");
    called(&env, "podman", "network create --subnet 10.93.0.0/24 named").succeeds().stdout_is("named\n");
    called(&env, "podman", "network ls -q").succeeds().stdout_has("podman1\n");
    let json = called(&env, "podman", "network inspect named").succeeds().json();
    assert_eq!(json[0]["subnets"], json!([{"subnet": "10.93.0.0/24", "gateway": "10.93.0.1"}]));
    called(&env, "podman", "network inspect --format {{.DNSEnabled}} podman").succeeds().stdout_is("true\n");
    env.coracle("create --name keeper --network named IMAGE true").succeeds();
    called(&env, "podman", "network rm named").exits_with(2);
    called(&env, "podman", "network rm -f named").succeeds();
    env.coracle("inspect keeper").fails();
    called(&env, "docker", "network ls --format {{.Name}}").succeeds().stdout_is("bridge\nhost\nnone\npodman1\n");
}

#[test]
fn networks_of_a_container_that_does_not_run_change_in_its_record() {
    let env = ready!(busybox);
    env.coracle("network create --subnet 10.94.0.0/24 front").succeeds();
    env.coracle("create --name box IMAGE ip -4 addr show").succeeds();
    env.coracle("network connect --ip 10.95.0.7 front box")
        .fails_with(1)
        .stderr_has("no configured subnet contains IP address 10.95.0.7");
    env.coracle("network connect --ip 10.94.0.7 --alias other front box").succeeds().stdout_is("");
    env.coracle("network connect front box").fails_with(1).stderr_has("already exists in network front");
    let shown = env.coracle("start -a box").succeeds();
    shown.stdout_has("inet 10.94.0.7/24").stdout_has("eth1");
    env.coracle("network disconnect bridge box").succeeds();
    env.coracle("start -a box").succeeds().stdout_has("inet 10.94.0.7/24").stdout_lacks("eth1");
    env.coracle("network disconnect bridge box").fails_with(1).stderr_has("is not connected to network bridge");
    env.coracle("network disconnect -f bridge box").succeeds();
    env.coracle("create --name alone --network none IMAGE true").succeeds();
    env.coracle("network connect front alone").fails_with(1).explains();
}

#[test]
fn networks_of_a_running_container_change_at_once() {
    let env = ready!(busybox);
    env.coracle("network create --subnet 10.96.0.0/24 front").succeeds();
    env.run_detached("--name web IMAGE sleep 1000");
    env.run_detached("--name box IMAGE sleep 1000");
    env.coracle("network rm -f front").succeeds();
    env.coracle("network create --subnet 10.96.0.0/24 front").succeeds();
    env.coracle("network connect --alias www front web").succeeds();
    env.coracle("network connect --ip 10.96.0.77 front box").succeeds();
    env.coracle("exec box ip -4 addr show eth1").succeeds().stdout_has("inet 10.96.0.77/24");
    env.coracle("exec box ping -c 1 -W 5 www").succeeds().stdout_has("10.96.0.");
    let attached =
        env.coracle("network inspect -f '{{range .Containers}}{{.Name}} {{.IPv4Address}} {{end}}' front").succeeds();
    attached.stdout_has("box 10.96.0.77/24").stdout_has("web 10.96.0.2/24");
    env.coracle("network rm front").fails_with(1).stderr_has("network front has active endpoints");
    env.coracle("network connect front box").fails_with(1).explains();
    env.coracle("network disconnect front box").succeeds();
    env.coracle("exec box ip link show eth1").fails();
    env.coracle("network disconnect front web").succeeds();
    env.coracle("network rm front").succeeds();
    // What is true now is true after a restart.
    env.coracle("restart -t 0 box").succeeds();
    env.coracle("exec box ip -4 addr show eth0").succeeds().stdout_has("inet 172.");
}

#[test]
fn a_network_is_not_removed_from_under_a_container_that_starts() {
    let env = ready!(busybox);
    for round in 0..16 {
        env.coracle("network create x").succeeds();
        let starting = env.command("run -d --name c --network x IMAGE sleep 1000").spawn();
        // So that the two meet at all stages of a start.
        std::thread::sleep(std::time::Duration::from_millis(round * 4));
        let removed = env.coracle("network rm x");
        let started = starting.wait();
        match removed.code() {
            0 => {
                started.fails_with(125).explains().stderr_has("network `x` not found");
            }
            _ => {
                removed.fails_with(1).stderr_has("active endpoints");
                started.succeeds();
                env.coracle("network inspect -f '{{range .Containers}}{{.Name}}{{end}}' x").succeeds().stdout_is("c\n");
            }
        }
        let _ = env.coracle("rm -f c");
        env.coracle("network rm -f x").succeeds();
    }
}

#[test]
fn networks_are_apart_and_internal_ones_have_no_way_out() {
    let env = ready!(busybox);
    env.coracle("network create one").succeeds();
    env.coracle("network create two").succeeds();
    env.coracle("network create --internal inner").succeeds();
    env.run_detached("--name a --network one IMAGE sleep 1000");
    env.run_detached("--name b --network two IMAGE sleep 1000");
    let address = env.inspect("b", "{{.NetworkSettings.Networks.two.IPAddress}}");
    env.coracle(&format!("exec a ping -c 1 -W 2 {address}")).fails();
    env.coracle("exec a nslookup b.").fails();
    env.run_detached("--name c --network inner IMAGE sleep 1000");
    env.coracle("exec c ip route").succeeds().stdout_lacks("default");
    env.coracle("run --rm --network inner IMAGE ping -c 1 -W 5 c").succeeds();
}

#[test]
fn a_network_may_answer_no_questions() {
    let env = ready!(busybox);
    env.coracle("network create --disable-dns quiet").succeeds();
    env.run_detached("--name a --network quiet IMAGE sleep 1000");
    env.coracle("run --rm --network quiet IMAGE ping -c 1 -W 2 a").fails();
    env.coracle("network update --dns-add 192.0.2.1 quiet").fails_with(1).explains();
}

#[test]
fn as_podman_failures_have_podmans_codes() {
    let env = ready!(busybox);
    env.coracle("network create taken").succeeds();
    env.coracle("network create --subnet 10.94.0.0/24 ours").succeeds();
    env.coracle("create --name c --network ours IMAGE true").succeeds();
    let failing = [
        "network create taken",
        "network create bad/name",
        "network create --subnet 10.94.0.128/25 overlapping",
        "network create --subnet 10.1.1.0/33 x",
        "network create --driver overlay x",
        "network inspect nosuch",
        "network ls --filter bogus=1",
        "network prune -f --filter bogus=1",
        "network connect taken nosuch",
        "network connect nosuch c",
        "network disconnect taken nosuch",
        "network rm podman",
        "port c 80",
        "port nosuch",
        "inspect nosuch",
        "stop nosuch",
        "start nosuch",
        "exec nosuch true",
    ];
    for line in failing {
        called(&env, "podman", line).exits_with(125);
        called(&env, "docker", line).exits_with(1);
    }
    for (line, podmans) in [("rm nosuch", 1), ("rmi nosuch", 1), ("network rm nosuch", 1), ("network rm ours", 2)] {
        called(&env, "podman", line).exits_with(podmans);
    }
    called(&env, "podman", "network exists nosuch").exits_with(1);
}

#[test]
fn containers_of_a_network_are_listed_by_its_name_or_id() {
    let env = ready!(busybox);
    let front = env.coracle("network create front").succeeds().line().to_owned();
    env.coracle("network create back").succeeds();
    env.coracle("create --name web --network front IMAGE true").succeeds();
    env.coracle("create --name db --network front --network back IMAGE true").succeeds();
    env.coracle("create --name alone --network none IMAGE true").succeeds();
    let listed = |network: &str| {
        let shown = env.coracle(&format!("ps -a --filter network={network} --format '{{{{.Names}}}}'")).succeeds();
        shown.lines().join(" ")
    };
    for network in ["front", &front, &front[..12]] {
        assert_eq!(listed(network), "db web", "{network}");
    }
    assert_eq!((listed("back"), listed("none"), listed("nosuch")), ("db".into(), "alone".into(), String::new()));
    let none = env.coracle("network ls --filter name=none -q").succeeds().line().to_owned();
    assert_eq!(listed(&none), "alone");
    let all = env.coracle("ps -a --filter network=front --filter network=none -q").succeeds();
    assert_eq!(all.lines().len(), 3);
}
