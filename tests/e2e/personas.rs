//! What docker's and podman's users rely on when coracle stands in for them: words, exit codes, variables, and that a
//! command for another engine does nothing here.

use crate::support::env::Env;
use crate::support::output::Command;

/// coracle under another name.
fn called(env: &Env, name: &str, line: &str) -> Command {
    env.called(name, line)
}

#[test]
fn commands_for_another_engine_do_nothing_here() {
    let env = ready!(busybox);
    env.run_detached("--name web IMAGE sleep 1000");
    for (name, variable) in [
        ("docker", "DOCKER_HOST"),
        ("docker", "DOCKER_CONTEXT"),
        ("coracle", "DOCKER_HOST"),
        ("podman", "CONTAINER_HOST"),
        ("podman", "CONTAINER_CONNECTION"),
    ] {
        let run = called(&env, name, "rm -f web").var(variable, "tcp://192.0.2.1:2375").run();
        run.fails().stderr_has(variable).stderr_has("192.0.2.1");
        called(&env, name, "rm --help").var(variable, "tcp://192.0.2.1:2375").run().succeeds();
    }
    for flag in ["-H tcp://192.0.2.1:2375", "--context far", "--url tcp://192.0.2.1", "--connection far"] {
        env.coracle(&format!("{flag} rm -f web")).fails_with(125).explains();
    }
    let docker = env.home().join(".docker");
    std::fs::create_dir(&docker).expect("our directory");
    std::fs::write(docker.join("config.json"), r#"{"currentContext": "default"}"#).expect("our directory");
    called(&env, "docker", "ps -q").run().succeeds();
    assert_eq!(env.status("web"), "running");
    called(&env, "docker", "ps -q").var("DOCKER_HOST", "").run().succeeds();
}

#[test]
fn errors_have_the_words_that_tools_look_for() {
    let env = ready!(busybox);
    let docker = called(&env, "docker", "rm nosuch").run().fails_with(1);
    assert_eq!(docker.stderr.lines().next(), Some("Error response from daemon: No such container: nosuch"));
    docker.stderr_has("`docker ps -a`");
    called(&env, "docker", "inspect nosuch").run().fails_with(1).stderr_has("No such object: nosuch");
    called(&env, "docker", "rmi nosuch").run().fails_with(1).stderr_has("No such image: nosuch");
    called(&env, "podman", "rm nosuch").run().fails().stderr_has("Error: ").stderr_has("no such container");
    // podman's 1 is an answer to `exists`.
    called(&env, "podman", "pod exists nosuch").run().exits_with(125).stderr_has("no command `podman pod` yet");
    called(&env, "podman", "frobnicate").run().exits_with(125);
    called(&env, "docker", "frobnicate").run().exits_with(1);
    called(&env, "docker", "rum x").run().fails_with(1).stderr_has("did you mean `docker run`?");
    called(&env, "docker", "swarm x").run().fails_with(1).stderr_has("no command `docker swarm` yet");
}

/// As docker 28.2 and podman 4.3 exit; docker's 125 is for options, 1 for a wrong number of arguments.
#[test]
fn wrong_command_lines_show_the_right_one() {
    let env = ready!(busybox);
    for (line, docker, usage) in [
        ("rm", 1, "Usage:  docker rm [OPTIONS] CONTAINER [CONTAINER...]"),
        ("ps extra", 1, "Usage:  docker ps [OPTIONS]"),
        ("run", 1, "Usage:  docker run [OPTIONS] IMAGE [COMMAND] [ARG...]"),
        ("network connect a", 1, "Usage:  docker network connect [OPTIONS] NETWORK CONTAINER"),
        ("ps --nosuch", 125, "Run 'docker ps --help' for more information"),
        ("ps -n x", 125, "Usage:  docker ps [OPTIONS]"),
        ("run -d -a stdout IMAGE true", 1, "--attach"),
        ("run -it IMAGE true", 1, "not a TTY"),
        ("run --nosuch IMAGE true", 125, "unknown flag"),
        ("run --network nosuch IMAGE true", 125, "nosuch"),
    ] {
        called(&env, "docker", line).run().exits_with(docker).stderr_has(usage);
        // podman only warns that there is no terminal.
        let podman = if line.starts_with("run -it") { 0 } else { 125 };
        called(&env, "podman", line).run().exits_with(podman);
    }
    for (line, said) in
        [("", "missing command 'podman COMMAND'"), ("network", "missing command 'podman network COMMAND'")]
    {
        called(&env, "podman", line).run().exits_with(125).stderr_has(said).stdout_has("Commands:");
    }
    called(&env, "docker", "network").run().succeeds().stderr_has("Commands:");
}

#[test]
fn a_run_that_pulls_says_so_as_docker_does() {
    let env = ready!(busybox);
    env.coracle("rmi -f IMAGE").succeeds();
    let run = called(&env, "docker", "run --rm --tls-verify=false IMAGE echo ran").run().succeeds().stdout_is("ran\n");
    let name = env.image();
    run.stderr_has(&format!("Unable to find image '{name}' locally"))
        .stderr_has("Digest: sha256:")
        .stderr_has(&format!("Status: Downloaded newer image for {name}"));
    called(&env, "docker", "run --rm IMAGE true").run().succeeds().stderr_is("");
}

/// What Portainer, VS Code and compose ask for.
#[test]
fn templates_find_every_key_that_docker_has() {
    let env = ready!(busybox);
    env.run_detached("--name one --tmpfs /scratch IMAGE sleep 1000");
    for (format, expected) in [
        ("{{.HostConfig.Devices}} {{.HostConfig.NanoCpus}} {{.HostConfig.BlkioDeviceReadIOps}}", "[] 0 []"),
        ("{{.Config.ExposedPorts}} {{len .HostConfig.Sysctls}}", "map[] 0"),
        ("{{.NetworkSettings.HairpinMode}} {{len .Mounts}} {{len .HostConfig.Tmpfs}}", "false 0 1"),
        ("{{json .HostConfig.LogConfig}}", r#"{"Config":{},"Type":"json-file"}"#),
        ("{{if .State.Health}}checked{{else}}unchecked{{end}}", "unchecked"),
    ] {
        assert_eq!(env.inspect("one", format), expected, "{format}");
    }
    let whole = env.coracle("inspect --format '{{json .}}' one").succeeds().stdout;
    assert!(whole.starts_with("{\"Id\":\""), "the order of docker's fields: {whole}");
    let of = |line: &str| env.coracle(line).succeeds().line().to_owned();
    assert_eq!(
        of("info -f '{{.Swarm.LocalNodeState}} {{.ClientInfo.Context}} {{.MemoryLimit}}'"),
        "inactive default false"
    );
    assert_eq!(of("version -f '{{(index .Server.Components 0).Details.MinAPIVersion}}'"), "1.24");
    assert_eq!(of("info -f '{{.ID}}'"), of("info -f '{{.ID}}'"));
    assert_eq!(of("ps --format '{{join (split .Names \"\") \"-\"}}'"), "o-n-e");
    env.coracle("ps --format raw").succeeds().stdout_has("\nnames: one\nlabels:\n");
}

#[test]
fn ports_are_found_by_their_end_on_the_host() {
    let env = ready!(busybox);
    env.run_detached("--name web -p 127.0.0.1:0:80 --expose 9000-9001 IMAGE sleep 1000");
    let port = env.coracle("port web 80").succeeds().line().rsplit(':').next().expect("a port").to_owned();
    let listed = |filter: &str| env.coracle(&format!("ps --format {{{{.Names}}}} --filter {filter}")).succeeds().stdout;
    assert_eq!((listed(&format!("publish={port}")), listed("publish=80")), ("web\n".into(), String::new()));
    assert_eq!(
        (listed("expose=80"), listed("expose=9000-9001"), listed("expose=81")),
        ("web\n".into(), "web\n".into(), String::new())
    );
}

#[test]
fn each_port_of_a_range_is_listed_once() {
    let env = ready!(busybox);
    env.run_detached("--name web -P --expose 9000-9001 IMAGE sleep 1000");
    let ports = env.coracle("ps --format {{.Ports}}").succeeds();
    for port in ["9000/tcp", "9001/tcp"] {
        assert_eq!(ports.stdout.matches(&format!("->{port}")).count(), 2, "{}: both families", ports.stdout);
        assert_eq!(ports.stdout.matches(port).count(), 2, "{}", ports.stdout);
    }
    let inspected = env.inspect("web", "{{json .NetworkSettings.Ports}}");
    assert!(!inspected.contains("null") && !inspected.contains("9000-9001"), "{inspected}");
}

#[test]
fn proxies_are_passed_on() {
    let env = ready!(busybox);
    let docker = env.home().join(".docker");
    std::fs::create_dir(&docker).expect("our directory");
    let config = r#"{"proxies": {"default": {"httpsProxy": "http://docker.example:1"}}}"#;
    std::fs::write(docker.join("config.json"), config).expect("our directory");
    let variables = |name: &str, options: &str| {
        let command = called(&env, name, &format!("run --rm {options} IMAGE env"));
        let output =
            command.var("http_proxy", "http://proxy.example:3128").var("NO_PROXY", "localhost").run().succeeds();
        let mut found: Vec<String> = output
            .lines()
            .into_iter()
            .filter(|line| line.to_lowercase().contains("proxy="))
            .map(str::to_owned)
            .collect();
        found.sort();
        found
    };
    let own = ["NO_PROXY=localhost", "http_proxy=http://proxy.example:3128"];
    let dockers = ["HTTPS_PROXY=http://docker.example:1", "https_proxy=http://docker.example:1"];
    assert_eq!(variables("podman", ""), own);
    assert_eq!(variables("docker", ""), dockers);
    assert_eq!(variables("coracle", ""), [dockers[0], own[0], own[1], dockers[1]]);
    assert_eq!(variables("podman", "-e http_proxy=mine"), [own[0], "http_proxy=mine"]);
    assert_eq!(variables("coracle", "--http-proxy=false"), [""; 0]);
}

#[test]
fn a_tmpfs_over_a_directory_has_its_mode_and_a_read_only_root_holds_for_etc() {
    let env = ready!(busybox);
    env.coracle("run --rm --tmpfs /root --tmpfs /new IMAGE stat -c %a /root /new").succeeds().stdout_is("700\n1777\n");
    env.coracle("run --rm --tmpfs /root:mode=0711 IMAGE stat -c %a /root").succeeds().stdout_is("711\n");
    for file in ["hosts", "hostname", "resolv.conf"] {
        env.coracle(&format!("run --rm --read-only IMAGE sh -c 'echo x >/etc/{file}'")).fails().stderr_has("ead-only");
        env.coracle(&format!("run --rm IMAGE sh -c 'echo x >>/etc/{file}'")).succeeds();
    }
}

#[test]
fn a_new_volume_has_all_that_the_image_has_there() {
    let env = ready!(debian);
    // Made by umoci and GNU tar: see `make-image`.
    let script = "cd /srv/data && stat -c '%Y %n' first link owned fifo sparse; \
        stat -c '%F %u:%g %a' fifo owned; stat -c '%s' sparse; test $(stat -c %b sparse) -lt 1000 && echo has holes";
    let plain = env.argv(&["run", "--rm", &env.debian(), "sh", "-c", script]).succeeds().stdout;
    let volume =
        env.argv(&["run", "--rm", "-v", "fresh:/srv/data", &env.debian(), "sh", "-c", script]).succeeds().stdout;
    assert_eq!(volume, plain);
    assert!(plain.contains("has holes") && plain.contains("fifo"), "{plain}");
}

/// Opening `/dev/stdout` by name opens the pipe or terminal behind it anew, for which owner and mode count.
#[test]
fn streams_can_be_opened_by_name_by_any_user() {
    let env = ready!(busybox);
    let script = "echo out >/dev/stdout; echo err >/dev/stderr; cat </dev/stdin";
    for user in ["0", "1000", "nobody"] {
        let run =
            env.command(&format!("run --rm -i -u {user} IMAGE")).arguments(&["sh", "-c", script]).stdin("in\n").run();
        run.succeeds().stdout_is("out\nin\n").stderr_is("err\n");
    }
    let id = env.run_detached("-u 1000 IMAGE sh -c 'echo logged >/dev/stdout; sleep 1000'");
    env.logged(&id, "logged");
    let exec = env.command(&format!("exec -i {id}")).arguments(&["sh", "-c", script]).stdin("in\n").run();
    exec.succeeds().stdout_is("out\nin\n").stderr_is("err\n");
    for line in ["run --rm -t -u 1000 IMAGE".to_owned(), format!("exec -t {id}")] {
        let run = env.command(&line).arguments(&["sh", "-c", "echo tty >/dev/stdout && echo again >$(tty)"]).run();
        run.succeeds().stdout_is("tty\r\nagain\r\n");
    }
    env.coracle(&format!("exec -w /nosuch {id} true")).fails_with(127);
}

/// What podman's users have without asking for it.
#[test]
fn a_container_of_podman_is_as_podman_makes_it() {
    let env = ready!(busybox);
    let podman = |line: &str| called(&env, "podman", line).run();
    podman("run --rm IMAGE sh -c 'echo $container'").succeeds().stdout_is("podman\n");
    env.coracle("run --rm IMAGE sh -c 'echo $container'").succeeds().stdout_is("\n");
    podman("run --rm -e container=mine IMAGE sh -c 'echo $container'").succeeds().stdout_is("mine\n");
    podman("run --rm --read-only IMAGE touch /tmp/x /run/x /var/tmp/x").succeeds();
    podman("run --rm --read-only IMAGE touch /x").fails_with(1);
    podman("run --rm --read-only --read-only-tmpfs=false IMAGE touch /tmp/x").fails_with(1);
    env.coracle("run --rm --read-only IMAGE touch /tmp/x").fails_with(1);
    podman("run --rm --tmpfs /etc IMAGE cat /etc/passwd").succeeds().stdout_has("root:");
    podman("run --rm --tmpfs /etc:notmpcopyup IMAGE cat /etc/passwd").fails_with(1);
    let line = r#"run --rm --entrypoint '["echo","one two"]' IMAGE three"#;
    podman(line).succeeds().stdout_is("one two three\n");
    env.coracle(line).exits_with(127);
    podman("run --rm -it IMAGE echo ran").succeeds().stdout_is("ran\r\n").stderr_has("not a TTY");
    called(&env, "docker", "run --rm -it IMAGE echo ran").run().fails_with(1);
}

/// Programs read these keys; the types are podman's.
#[test]
fn podman_inspects_and_lists_in_its_own_shape() {
    let env = ready!(busybox);
    let podman = |line: &str| called(&env, "podman", line).run();
    env.run_detached("--name web --cap-drop net_raw -v data:/d:noexec IMAGE sleep 1000");
    let inspected = podman("container inspect web").succeeds();
    assert!(inspected.stdout.starts_with("[\n     {\n          \"Id\": \""), "{}", inspected.stdout);
    let web = &inspected.json()[0];
    for (kind, name, key) in [("network", "bridge", "name"), ("volume", "data", "Name")] {
        let any = podman(&format!("inspect {name}")).succeeds();
        assert!(any.stdout.starts_with(&format!("[\n     {{\n          \"{key}\": \"{name}\"")), "{}", any.stdout);
        let same = [format!("inspect --type {kind} {name}"), format!("{kind} inspect {name}")];
        same.iter().for_each(|line| drop(podman(line).succeeds().stdout_is(&any.stdout)));
    }
    podman("inspect -f '{{.DNSEnabled}}' podman").succeeds().stdout_is("true\n");
    let image = podman("image inspect IMAGE").succeeds().json()[0].clone();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    assert_eq!(web["Image"], image["Id"]);
    assert_eq!(text(&image["Id"]).len(), 64);
    assert_eq!(web["ImageDigest"], image["Digest"]);
    assert_eq!(web["Name"], "web");
    assert_eq!(web["HostConfig"]["CapDrop"], serde_json::json!(["CAP_NET_RAW"]));
    assert_eq!(web["Config"]["StopSignal"], "SIGTERM");
    assert_eq!(web["Mounts"][0]["Options"], serde_json::json!(["noexec", "rbind"]));
    for key in
        ["ImageName", "Pod", "EffectiveCaps", "BoundingCaps", "OCIRuntime", "StaticDir", "IsInfra", "Dependencies"]
    {
        assert!(web.get(key).is_some(), "{key}");
    }
    for key in ["VirtualSize", "NamesHistory", "History", "ManifestType", "User", "Annotations"] {
        assert!(image.get(key).is_some(), "{key}");
    }
    podman("inspect -f '{{.Config.Umask}} {{.HostConfig.CgroupMode}} {{.State.OciVersion}}' web").succeeds();
    let docker = called(&env, "docker", "inspect web").run().succeeds().json()[0].clone();
    assert_eq!((text(&docker["Name"]), text(&docker["Image"]).len()), ("/web".into(), 71));
    let listed = podman("ps --format json").succeeds().json();
    assert_eq!(listed[0]["Names"], serde_json::json!(["web"]));
    assert_eq!(listed[0]["Id"], docker["Id"]);
    assert_eq!(listed[0]["Pid"], docker["State"]["Pid"]);
    let pid = podman("ps --format '{{.Pid}} {{.Command}} {{.Restarts}}'").succeeds();
    assert_eq!(pid.line(), format!("{} sleep 1000 0", docker["State"]["Pid"]));
    env.coracle("create --name later IMAGE true").succeeds();
    let names = |line: &str| podman(line).succeeds().stdout.split_whitespace().map(String::from).collect::<Vec<_>>();
    assert_eq!(names("ps -a --format {{.Names}}"), ["web", "later"], "the oldest first");
    assert_eq!(names("ps -a --sort names --format {{.Names}}"), ["later", "web"]);
    let table = podman("ps --noheading").succeeds();
    assert!(table.lines().len() == 1 && table.stdout.contains("web"), "{}", table.stdout);
    podman("ps --sort frob").fails_with(125).explains();
}

#[test]
fn a_command_line_without_a_command_shows_the_help() {
    let env = ready!(busybox);
    for line in ["", "container"] {
        called(&env, "docker", line).run().succeeds().stdout_is("").stderr_has("Usage:");
        called(&env, "podman", line).run().fails_with(125).stdout_has("Usage:").stderr_has("missing command");
        called(&env, "docker", &format!("{line} --help")).run().succeeds().stdout_has("Usage:").stderr_is("");
    }
}
