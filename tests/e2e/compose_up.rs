//! Projects of several containers: what `compose up` makes, in which order, what it leaves alone, and that nothing is left
//! when it goes.

use crate::support::env::Env;
use crate::support::eventually;
use crate::support::output::{Command, Output};

/// Writes the project's file.
fn file(env: &Env, text: &str) {
    std::fs::write(env.root().join("compose.yaml"), text.replace("IMAGE", &env.image())).expect("our directory");
}

/// `coracle compose -p p LINE`, not started yet.
fn command(env: &Env, line: &str) -> Command {
    env.command(&format!("compose -p p {line}"))
}

#[track_caller]
fn compose(env: &Env, line: &str) -> Output {
    command(env, line).run()
}

fn names(env: &Env) -> Vec<String> {
    let listed = env.coracle("ps -a --format '{{.Names}}'").succeeds();
    let mut names: Vec<String> = listed.stdout.lines().map(String::from).collect();
    names.sort();
    names
}

fn nothing_is_left(env: &Env) {
    assert_eq!(names(env), [""; 0]);
    env.coracle("network ls -q --filter type=custom").succeeds().stdout_is("");
    env.coracle("volume ls -q").succeeds().stdout_is("");
}

const SHOP: &str = r#"
services:
  web:
    image: IMAGE
    command: [httpd, -f, -p, "80", -h, /srv]
    depends_on: {db: {condition: service_healthy}, init: {condition: service_completed_successfully}}
    volumes: ["./site:/srv:ro"]
    ports: ["127.0.0.1::80"]
  db:
    image: IMAGE
    command: sh -c 'echo ready >/tmp/ready; exec sleep 1000'
    stop_grace_period: 0s
    healthcheck: {test: [CMD, test, -e, /tmp/ready], interval: 100ms}
    volumes: ["data:/data"]
  init:
    image: IMAGE
    command: sh -c 'echo made >/data/made'
    volumes: ["data:/data"]
volumes: {data: {}}
"#;

#[test]
fn a_project_comes_and_goes() {
    let env = ready!(busybox);
    std::fs::create_dir_all(env.root().join("site")).expect("our directory");
    std::fs::write(env.root().join("site/index.html"), "hello from compose\n").expect("our directory");
    file(&env, SHOP);
    let mut up = compose(&env, "up -d").succeeds().stdout_is("");
    for line in [
        " Network p_default  Creating",
        " Network p_default  Created",
        " Volume p_data  Created",
        " Container p-db-1  Creating",
        " Container p-db-1  Created",
        " Container p-db-1  Started",
        " Container p-db-1  Waiting",
        " Container p-db-1  Healthy",
        " Container p-init-1  Exited",
        " Container p-web-1  Started",
    ] {
        up = up.stderr_has(line);
    }
    assert_eq!(names(&env), ["p-db-1", "p-init-1", "p-web-1"]);
    let end = compose(&env, "port web 80").succeeds().line().to_owned();
    let fetch = format!("run --rm --network host IMAGE wget -qO- http://{end}/");
    env.coracle(&fetch).succeeds().stdout_is("hello from compose\n");
    // Services find each other by their names.
    compose(&env, "exec -T web wget -qO- http://web/").succeeds().stdout_is("hello from compose\n");
    compose(&env, "exec -T db cat /data/made").succeeds().stdout_is("made\n");
    compose(&env, "exec -T db sh -c 'exit 7'").fails_with(7);
    let label =
        |name: &str| env.inspect("p-web-1", &format!("{{{{index .Config.Labels \"com.docker.compose.{name}\"}}}}"));
    assert_eq!(label("project"), "p");
    assert_eq!(label("service"), "web");
    assert_eq!(label("container-number"), "1");
    assert_eq!(label("oneoff"), "False");
    assert_eq!(label("depends_on"), "db:service_healthy:false,init:service_completed_successfully:false");
    assert_eq!(label("project.working_dir"), env.root().display().to_string());
    assert_eq!(label("config-hash").len(), 64);
    assert_eq!(label("image"), env.inspect("p-web-1", "{{.Image}}"));
    let ps = compose(&env, "ps").succeeds().stdout_lacks("p-init-1");
    ps.stdout_has("NAME").stdout_has("SERVICE").stdout_has("p-web-1").stdout_has("->80/tcp").stdout_has("(healthy)");
    compose(&env, "ps -a --format '{{.Name}} {{.Service}} {{.State}} {{.ExitCode}}'")
        .succeeds()
        .stdout_has("p-init-1 init exited 0\n");
    let json = compose(&env, "ps web --format json").succeeds().json();
    assert_eq!((&json["Service"], &json["Publishers"][0]["TargetPort"]), (&"web".into(), &80.into()));
    env.coracle("compose ls").succeeds().stdout_has("running(2)").stdout_has("compose.yaml");
    // A second time there is nothing to do.
    let again = compose(&env, "up -d").succeeds().stderr_has(" Container p-web-1  Running");
    assert!(!again.stderr.contains("Recreate") && !again.stderr.contains("Creating"), "{}", again.stderr);
    let down = compose(&env, "down -t 0 -v").succeeds();
    down.stderr_has(" Container p-web-1  Removed")
        .stderr_has(" Network p_default  Removed")
        .stderr_has(" Volume p_data  Removed");
    nothing_is_left(&env);
}

#[test]
fn only_what_changed_is_made_anew() {
    let env = ready!(busybox);
    let text = |variable: &str| {
        format!(
            "services:\n  a: {{image: IMAGE, command: sleep 1000, stop_grace_period: 0s, environment: {{V: '{variable}'}}, volumes: [/kept]}}\n  b: {{image: IMAGE, command: sleep 1000, stop_grace_period: 0s}}\n"
        )
    };
    file(&env, &text("one"));
    compose(&env, "up -d").succeeds();
    let id = |name: &str| env.inspect(name, "{{.Id}}");
    let (a, b) = (id("p-a-1"), id("p-b-1"));
    compose(&env, "exec -T a sh -c 'echo kept >/kept/file'").succeeds();
    file(&env, &text("two"));
    compose(&env, "up -d").succeeds().stderr_has(" Container p-a-1  Recreated").stderr_has(" Container p-b-1  Running");
    assert_ne!(id("p-a-1"), a);
    assert_eq!(id("p-b-1"), b);
    // An anonymous volume goes over.
    compose(&env, "exec -T a sh -c 'cat /kept/file; echo $V'").succeeds().stdout_is("kept\ntwo\n");
    compose(&env, "up -d --force-recreate b").succeeds().stderr_has(" Container p-b-1  Recreated");
    assert_ne!(id("p-b-1"), b);
    let b = id("p-b-1");
    file(&env, &text("three"));
    compose(&env, "up -d --no-recreate").succeeds();
    compose(&env, "exec -T a sh -c 'echo $V'").succeeds().stdout_is("two\n");
    // Several of one, and fewer again.
    compose(&env, "up -d --no-recreate --scale b=3").succeeds();
    assert_eq!(names(&env), ["p-a-1", "p-b-1", "p-b-2", "p-b-3"]);
    compose(&env, "up -d --no-recreate").succeeds();
    assert_eq!((names(&env), id("p-b-1")), (vec!["p-a-1".to_owned(), "p-b-1".to_owned()], b));
    // A service that is gone leaves an orphan.
    file(&env, "services: {a: {image: IMAGE, command: sleep 1000, stop_grace_period: 0s}}\n");
    compose(&env, "up -d").succeeds().stderr_has("Found orphan containers ([p-b-1]) for this project");
    compose(&env, "up -d --remove-orphans").succeeds().stderr_has(" Container p-b-1  Removed");
    assert_eq!(names(&env), ["p-a-1"]);
    compose(&env, "down -v").succeeds();
    nothing_is_left(&env);
}

#[test]
fn what_the_files_say_reaches_the_container() {
    let env = ready!(busybox);
    std::fs::write(env.root().join("key"), "from a file\n").expect("our directory");
    env.command("secret create kept -").stdin("kept here").run().succeeds();
    file(
        &env,
        r#"
services:
  app:
    image: IMAGE
    command: sleep 1000
    stop_grace_period: 0s
    hostname: box
    user: "1000:1000"
    working_dir: /tmp
    environment: {A: "1"}
    extra_hosts: ["elsewhere:192.0.2.7"]
    tmpfs: [/scratch]
    ulimits: {nofile: 100}
    cap_drop: [ALL]
    read_only: false
    secrets: [key, kept, {source: token, uid: "1000", mode: 0400}]
    configs: [{source: conf, target: /etc/app.conf}]
    networks: {default: {aliases: [other-name]}}
    post_start: [{command: [touch, /tmp/hooked]}]
  side:
    image: IMAGE
    command: sleep 1000
    stop_grace_period: 0s
    network_mode: service:app
secrets: {key: {file: ./key}, token: {environment: TOKEN}, kept: {external: true}}
configs: {conf: {content: "token is ${TOKEN}\n"}}
"#,
    );
    command(&env, "up -d").var("TOKEN", "s3cret").run().succeeds();
    let shown = |line: &str| {
        command(&env, &format!("exec -T app sh -c '{line}'")).var("TOKEN", "s3cret").run().succeeds().stdout.clone()
    };
    assert_eq!(shown("hostname; id -u; pwd; echo $A; ulimit -n"), "box\n1000\n/tmp\n1\n100\n");
    assert_eq!(shown("cat /run/secrets/key /run/secrets/token /etc/app.conf"), "from a file\ns3crettoken is s3cret\n");
    assert_eq!(shown("stat -c %a:%u /run/secrets/token; cat /run/secrets/kept"), "400:1000\nkept here");
    assert_eq!(
        shown("ls /tmp/hooked; grep -c scratch /proc/mounts; grep elsewhere /etc/hosts | wc -l"),
        "/tmp/hooked\n1\n1\n"
    );
    assert!(shown("nslookup other-name").contains("172."));
    let of_side = command(&env, "exec -T side hostname").var("TOKEN", "s3cret").run().succeeds();
    of_side.stdout_is("box\n");
    // Another secret is another container.
    command(&env, "up -d").var("TOKEN", "other").run().succeeds().stderr_has("p-app-1  Recreated");
    let token = command(&env, "exec -T app cat /run/secrets/token").var("TOKEN", "other").run().succeeds();
    token.stdout_is("other");
    command(&env, "down").var("TOKEN", "other").run().succeeds();
    nothing_is_left(&env);
}

#[test]
fn what_cannot_be_done_is_refused_before_anything_is_made() {
    let env = ready!(busybox);
    for (keys, named) in [
        ("sysctls: {a: b}", "sysctls"),
        ("logging: {driver: syslog}", "logging.driver: syslog"),
        ("deploy: {resources: {reservations: {devices: [{capabilities: [gpu]}]}}}", "devices"),
    ] {
        file(
            &env,
            &format!("services:\n  first: {{image: IMAGE, command: sleep 9}}\n  web: {{image: IMAGE, {keys}}}\n"),
        );
        compose(&env, "up -d").fails_with(1).stderr_has(named).stderr_has("compose.yaml:3:").explains();
        nothing_is_left(&env);
    }
    file(&env, "services: {web: {image: IMAGE, volumes: ['/var/run/docker.sock:/var/run/docker.sock']}}\n");
    compose(&env, "up -d").fails_with(1).stderr_has("no daemon with a socket");
    file(&env, "services: {web: {image: IMAGE, networks: [n]}}\nnetworks: {n: {external: true}}\n");
    compose(&env, "up -d").fails_with(1).stderr_has("declared as external, but could not be found");
    compose(&env, "down").succeeds();
}

#[test]
fn services_share_processes_and_host_names() {
    let env = ready!(busybox);
    file(
        &env,
        "services:\n  first: {image: IMAGE, command: sleep 1234, hostname: box, stop_grace_period: 0s}\n  web: {image: IMAGE, command: sleep 4321, pid: 'service:first', uts: 'service:first', stop_grace_period: 0s, logging: {driver: k8s-file, options: {max-size: 1m}}}\n",
    );
    compose(&env, "up -d").succeeds();
    compose(&env, "exec -T web sh -c 'ps; hostname'").succeeds().stdout_has("sleep 1234").stdout_has("box\n");
    assert_eq!(env.inspect("p-web-1", "{{.HostConfig.LogConfig.Type}}"), "k8s-file");
    // Who shares is made again with whom it shares.
    compose(&env, "up -d --force-recreate first").succeeds().stderr_has("p-first-1  Recreated");
    compose(&env, "up -d").succeeds().stderr_has("p-web-1  Recreated");
    compose(&env, "exec -T web ps").succeeds().stdout_has("sleep 1234");
    compose(&env, "down").succeeds();
    nothing_is_left(&env);
}

#[test]
fn dependencies_that_fail_are_told() {
    let env = ready!(busybox);
    let project = |condition: &str, keys: &str| {
        file(
            &env,
            &format!(
                "services:\n  web: {{image: IMAGE, command: sleep 1000, stop_grace_period: 0s, depends_on: {{db: {{condition: {condition}}}}}}}\n  db: {{image: IMAGE, stop_grace_period: 0s, {keys}}}\n"
            ),
        );
        let up = compose(&env, "up -d");
        compose(&env, "down -t 0").succeeds();
        up
    };
    let unhealthy = "command: sleep 1000, healthcheck: {test: [CMD, 'false'], interval: 50ms, retries: 1}";
    project("service_healthy", unhealthy)
        .fails_with(1)
        .stderr_has("dependency failed to start")
        .stderr_has("is unhealthy");
    project("service_completed_successfully", "command: sh -c 'exit 3'")
        .fails_with(1)
        .stderr_has("service \"db\" didn't complete successfully: exit 3");
    project("service_healthy", "command: sleep 1000").fails_with(1).stderr_has("has no healthcheck configured");
    nothing_is_left(&env);
}

#[test]
fn output_is_shown_in_whole_lines() {
    let env = ready!(busybox);
    file(
        &env,
        "services:\n  a: {image: IMAGE, command: sh -c 'printf one; echo two; echo three >&2'}\n  longer: {image: IMAGE, command: sh -c 'echo four; exit 3'}\n",
    );
    let mut up = compose(&env, "up").succeeds();
    for line in
        ["a-1       | onetwo\n", "longer-1  | four\n", "longer-1 exited with code 3\n", "a-1 exited with code 0\n"]
    {
        up = up.stdout_has(line);
    }
    up.stderr_has("a-1       | three\n").stderr_has("Attaching to a-1, longer-1");
    compose(&env, "logs --no-log-prefix longer").succeeds().stdout_is("four\n");
    compose(&env, "logs a").succeeds().stdout_has("a-1  | onetwo\n");
    compose(&env, "up --abort-on-container-exit longer").fails_with(3).stderr_has("Aborting on container exit...");
    compose(&env, "up --exit-code-from longer").fails_with(3);
    compose(&env, "up --no-attach a").succeeds().stdout_has("longer-1  | four\n");
    compose(&env, "down").succeeds();
    nothing_is_left(&env);
}

#[test]
fn interrupted_once_it_stops_twice_it_kills() {
    let env = ready!(busybox);
    let trap = "trap \"echo ends; exit 0\" TERM; echo runs; while :; do sleep 0.1; done";
    file(&env, &format!("services: {{a: {{image: IMAGE, init: true, command: ['sh', '-c', '{trap}']}}}}\n"));
    let up = command(&env, "up").spawn();
    up.prints("a-1  | runs\n");
    up.signal(nix::sys::signal::Signal::SIGINT);
    let up = up.wait();
    up.fails_with(130)
        .stderr_has("Gracefully stopping... (press Ctrl+C again to force)")
        .stderr_has("p-a-1  Stopped")
        .stdout_has("a-1  | ends\n");
    file(&env, "services: {a: {image: IMAGE, command: sh -c 'echo runs; exec sleep 1000', stop_grace_period: 1h}}\n");
    let up = command(&env, "up").spawn();
    up.prints("a-1  | runs\n");
    up.signal(nix::sys::signal::Signal::SIGINT);
    eventually("it is stopped", || up.stderr().contains("p-a-1  Stopping"));
    up.signal(nix::sys::signal::Signal::SIGINT);
    up.wait().fails_with(130).stderr_has("p-a-1  Killed");
    compose(&env, "down").succeeds();
    nothing_is_left(&env);
}

#[test]
fn containers_that_are_there_are_started_stopped_and_removed() {
    let env = ready!(busybox);
    file(
        &env,
        "services:\n  a: {image: IMAGE, command: sleep 1000, stop_grace_period: 0s}\n  b: {image: IMAGE, command: sleep 1000, stop_grace_period: 0s, depends_on: [a]}\n",
    );
    compose(&env, "create").succeeds();
    assert_eq!((env.status("p-a-1"), env.status("p-b-1")), ("created".into(), "created".into()));
    compose(&env, "start").succeeds().stderr_has("p-b-1  Started");
    let copied = env.write("copied", "by cp\n").display().to_string();
    compose(&env, &format!("cp {copied} a:/tmp/copied")).succeeds();
    compose(&env, &format!("cp a:/tmp/copied {copied}.back")).succeeds();
    assert_eq!(std::fs::read_to_string(format!("{copied}.back")).expect("it came back"), "by cp\n");
    compose(&env, "scale a=2").succeeds();
    assert_eq!(names(&env), ["p-a-1", "p-a-2", "p-b-1"]);
    compose(&env, "scale a=1").succeeds();
    compose(&env, "pause a").succeeds().stderr_has("p-a-1  Paused");
    compose(&env, "unpause a").succeeds().stderr_has("p-a-1  Unpaused");
    let pid = env.pid("p-a-1");
    compose(&env, "restart a").succeeds().stderr_has("p-a-1  Restarting").stderr_has("p-a-1  Started");
    assert_ne!(env.pid("p-a-1"), pid);
    compose(&env, "kill b").succeeds().stderr_has("p-b-1  Killed");
    compose(&env, "top a").succeeds().stdout_has("sleep 1000").stdout_has("SERVICE");
    let events = compose(&env, "events --since 1h --until 0s a").succeeds();
    events.stdout_has("container start").stdout_has("name=p-a-1").stdout_lacks("p-b-1");
    compose(&env, "stats --no-stream a").succeeds().stdout_has("p-a-1");
    compose(&env, "export -o exported.tar a").succeeds();
    compose(&env, "commit a committed:1").succeeds();
    env.coracle("rmi committed:1").succeeds();
    compose(&env, "stop").succeeds().stderr_has("p-a-1  Stopped");
    compose(&env, "ps -q").succeeds().stdout_is("");
    assert_eq!(compose(&env, "ps -aq").succeeds().stdout.lines().count(), 2);
    compose(&env, "exec -T a true").fails_with(1).stderr_has("service \"a\" is not running");
    compose(&env, "rm -f b").succeeds().stderr_has("p-b-1  Removed");
    assert_eq!(names(&env), ["p-a-1"]);
    // By the name of the project alone, elsewhere.
    std::fs::remove_file(env.root().join("compose.yaml")).expect("ours");
    compose(&env, "ps -a --format '{{.Name}}'").succeeds().stdout_is("p-a-1\n");
    compose(&env, "down").succeeds().stderr_has("p-a-1  Removed");
    compose(&env, "down").succeeds().stderr_has("No resource found to remove for project \"p\".");
    compose(&env, "stop nosuch").fails_with(1).stderr_has("no such service: nosuch");
    compose(&env, "exec -T a true").fails_with(1).stderr_has("no such service: a");
    nothing_is_left(&env);
}

#[test]
fn one_off_containers() {
    let env = ready!(busybox);
    file(
        &env,
        "services:\n  app: {image: IMAGE, command: 'false', environment: {A: '1'}, depends_on: [db], ports: ['127.0.0.1::80']}\n  db: {image: IMAGE, command: sleep 1000, stop_grace_period: 0s}\n",
    );
    let run = compose(&env, "run --rm -T -e B=2 app sh -c 'echo $A$B; exit 5'");
    run.fails_with(5).stdout_is("12\n").stderr_has("p-db-1  Started");
    assert_eq!(names(&env), ["p-db-1"]);
    let name = compose(&env, "run -d --entrypoint 'sleep 1000' app").succeeds().line().to_owned();
    assert!(name.starts_with("p-app-run-"), "{name}");
    assert_eq!(env.inspect(&name, "{{index .Config.Labels \"com.docker.compose.oneoff\"}}"), "True");
    // It is none of the service's, and goes with the project.
    compose(&env, "ps -q app").succeeds().stdout_is("");
    compose(&env, "up -d --no-deps app").succeeds();
    compose(&env, "down -t 0").succeeds().stderr_has(&format!("{name}  Removed"));
    nothing_is_left(&env);
}

#[test]
fn images_are_built() {
    let env = ready!(busybox);
    std::fs::create_dir_all(env.root().join("app")).expect("our directory");
    std::fs::write(env.root().join("app/file"), "one\n").expect("our directory");
    let dockerfile = format!("FROM {}\nARG V=none\nCOPY file /file\nRUN echo $V >/arg\n", env.image());
    std::fs::write(env.root().join("app/Dockerfile"), dockerfile).expect("our directory");
    file(&env, "services: {app: {build: {context: ./app, args: {V: given}}, command: cat /file /arg}}\n");
    compose(&env, "up --no-build --pull never").fails_with(1).stderr_has("no such image");
    compose(&env, "up").succeeds().stdout_has("app-1  | one\napp-1  | given\n").stderr_has(" app  Built");
    std::fs::write(env.root().join("app/file"), "two\n").expect("our directory");
    compose(&env, "up").succeeds().stdout_has("app-1  | one\n");
    compose(&env, "up --build").succeeds().stdout_has("app-1  | two\n").stderr_has("p-app-1  Recreated");
    compose(&env, "build -q").succeeds();
    compose(&env, "images").succeeds().stdout_has("p-app");
    compose(&env, "down --rmi local").succeeds().stderr_has("Image p-app  Removed");
    nothing_is_left(&env);
}

#[test]
fn a_dry_run_does_nothing() {
    let env = ready!(busybox);
    file(&env, SHOP);
    let up = env.coracle("compose -p p --dry-run up -d").succeeds();
    up.stderr_has("DRY-RUN MODE -  Container p-web-1  Created")
        .stderr_has("DRY-RUN MODE -  Network p_default  Created");
    nothing_is_left(&env);
    compose(&env, "create").succeeds();
    env.coracle("compose -p p --dry-run down -v").succeeds().stderr_has("DRY-RUN MODE -  Volume p_data  Removed");
    assert_eq!(names(&env).len(), 3);
    compose(&env, "down -v").succeeds();
    nothing_is_left(&env);
}

#[test]
fn called_docker_compose() {
    let env = ready!(busybox);
    file(&env, "services: {a: {image: IMAGE, command: 'true'}}\n");
    let link = env.root().join("bin/docker-compose");
    std::os::unix::fs::symlink("coracle", &link).expect("our directory");
    let called = |arguments: &[&str]| env.tool(&link.to_string_lossy(), arguments).run().succeeds();
    called(&["--version"]).stdout_has("Docker Compose version v2.");
    called(&["-p", "p", "up"]).stdout_has("a-1 exited with code 0");
    env.called("podman", "compose -p p ps -a --format '{{.Name}}'").run().succeeds().stdout_is("p-a-1\n");
    env.called("docker", "compose version --short").run().succeeds().stdout_is("2.40.3\n");
    called(&["-p", "p", "down"]);
    nothing_is_left(&env);
}

#[test]
fn containers_follow_files() {
    let env = ready!(busybox);
    let write = |name: &str, text: &str| std::fs::write(env.root().join(name), text).expect("our directory");
    std::fs::create_dir_all(env.root().join("src")).expect("our directory");
    write("src/page", "one\n");
    write("Dockerfile", &format!("FROM {}\nCOPY version /version\n", env.image()));
    write("version", "1\n");
    file(
        &env,
        r#"
services:
  app:
    build: .
    command: sleep 1000
    stop_grace_period: 0s
    develop:
      watch:
        - {action: sync, path: ./src, target: /srv, ignore: ["*.log"], initial_sync: true}
        - {action: rebuild, path: ./version}
"#,
    );
    let watch = command(&env, "watch").spawn();
    eventually("it watches", || watch.stderr().contains("Watch enabled"));
    let inside = |path: &str| compose(&env, &format!("exec -T app cat {path}")).stdout;
    assert_eq!(inside("/srv/page"), "one\n");
    write("src/page", "two\n");
    write("src/left.log", "out\n");
    eventually("the page is new", || inside("/srv/page") == "two\n");
    std::fs::create_dir(env.root().join("src/deep")).expect("our directory");
    write("src/deep/file", "deep\n");
    eventually("the file is there", || inside("/srv/deep/file") == "deep\n");
    std::fs::remove_file(env.root().join("src/page")).expect("ours");
    eventually("the page is gone", || compose(&env, "exec -T app test -e /srv/page").code() == 1);
    assert_eq!(inside("/srv/left.log"), "");
    write("version", "2\n");
    eventually("it is built", || inside("/version") == "2\n");
    watch.signal(nix::sys::signal::Signal::SIGTERM);
    let _ = watch.wait();
    compose(&env, "down --rmi local").succeeds();
    nothing_is_left(&env);
}

/// Killed at any step of a replacement or a removal, the next command goes on from there.
#[test]
fn killed_commands_are_gone_on_with() {
    let env = ready!(busybox);
    let text = |value: u32| {
        format!(
            "services: {{a: {{image: IMAGE, command: sleep 1000, stop_grace_period: 0s, environment: {{V: '{value}'}}}}}}\n"
        )
    };
    file(&env, &text(0));
    compose(&env, "up -d").succeeds();
    let points =
        ["compose.replace.created", "compose.replace.removed", "container.create.named", "container.remove.unnamed"];
    for (value, point) in points.into_iter().enumerate() {
        file(&env, &text(value as u32 + 1));
        std::fs::write(env.runtime().join("failpoint"), format!("{point} kill 00000000\n")).expect("our directory");
        let killed = compose(&env, "up -d");
        assert!(!killed.status.success(), "{point}: {}", killed.stderr);
        compose(&env, "up -d").succeeds();
        assert_eq!(names(&env), ["p-a-1"], "{point}");
        compose(&env, "exec -T a sh -c 'echo $V'").succeeds().stdout_is(&format!("{}\n", value + 1));
    }
    for point in ["compose.down.stopped", "compose.down.removed", "network.remove"] {
        std::fs::write(env.runtime().join("failpoint"), format!("{point} kill 00000000\n")).expect("our directory");
        let killed = compose(&env, "down");
        assert!(!killed.status.success(), "{point}: {}", killed.stderr);
        compose(&env, "up -d").succeeds();
        assert_eq!(names(&env), ["p-a-1"], "{point}");
    }
    compose(&env, "down").succeeds();
    eventually("nothing is left", || names(&env).is_empty());
    nothing_is_left(&env);
}
