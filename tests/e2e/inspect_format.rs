//! `inspect`, `--format` templates, `version`, `info`.

use serde_json::{Value, json};

use crate::support::env::is_id;

#[test]
fn inspect_of_a_container() {
    let env = ready!(busybox);
    let directory = env.mkdir("shared");
    let id = env.run_detached(&format!(
        "--name one --hostname box -e A=1 -w /tmp -u user --label a=b -v {}:/data:ro IMAGE sleep 1000",
        directory.display()
    ));
    let list = env.coracle("inspect one").succeeds().json();
    let one = &list.as_array().expect("an array")[0];
    assert_eq!(list.as_array().map(Vec::len), Some(1));
    assert_eq!(one["Id"], id);
    assert_eq!(one["Name"], "/one");
    assert_eq!(one["Path"], "sleep");
    assert_eq!(one["Args"], json!(["1000"]));
    assert!(one["Created"].as_str().is_some_and(|time| time.parse::<jiff::Timestamp>().is_ok()), "{}", one["Created"]);
    let image = one["Image"].as_str().and_then(|image| image.strip_prefix("sha256:"));
    assert!(image.is_some_and(is_id), "{}", one["Image"]);
    let state = &one["State"];
    assert_eq!(state["Status"], "running");
    assert_eq!(state["Running"], true);
    for key in ["Paused", "Restarting", "OOMKilled", "Dead"] {
        assert_eq!(state[key], false, "{key}");
    }
    assert!(state["Pid"].as_i64().is_some_and(|pid| pid > 1));
    assert_eq!(state["ExitCode"], 0);
    assert_eq!(state["Error"], "");
    assert!(state["StartedAt"].as_str().is_some_and(|time| time.parse::<jiff::Timestamp>().is_ok()));
    assert_eq!(state["FinishedAt"], "0001-01-01T00:00:00Z");
    let config = &one["Config"];
    assert_eq!(config["Hostname"], "box");
    assert_eq!(config["User"], "user");
    assert_eq!(config["WorkingDir"], "/tmp");
    assert_eq!(config["Image"], env.image());
    assert_eq!(config["Cmd"], json!(["sleep", "1000"]));
    assert_eq!(config["Entrypoint"], Value::Null);
    assert_eq!(config["Labels"], json!({"a": "b"}));
    assert_eq!(config["Tty"], false);
    assert_eq!(config["OpenStdin"], false);
    assert!(config["Env"].as_array().is_some_and(|list| list.contains(&json!("A=1"))));
    let mount = &one["Mounts"][0];
    assert_eq!(mount["Type"], "bind");
    assert_eq!(mount["Source"], directory.to_string_lossy().as_ref());
    assert_eq!(mount["Destination"], "/data");
    assert_eq!(mount["RW"], false);
    for key in ["HostConfig", "NetworkSettings"] {
        assert!(one[key].is_object(), "{key}");
    }
    assert_eq!(one["HostConfig"]["AutoRemove"], false);
}

#[test]
fn inspect_after_the_end() {
    let env = ready!(busybox);
    env.coracle("run --name one IMAGE sh -c 'exit 3'").fails_with(3);
    let list = env.coracle("container inspect one").succeeds().json();
    let state = &list[0]["State"];
    assert_eq!(state["Status"], "exited");
    assert_eq!(state["Running"], false);
    assert_eq!(state["Pid"], 0);
    assert_eq!(state["ExitCode"], 3);
    let time = |key: &str| state[key].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok()).expect("a time");
    assert!(time("StartedAt") <= time("FinishedAt"));
}

#[test]
fn inspect_of_an_image() {
    let env = ready!(busybox);
    let list = env.coracle("image inspect IMAGE").succeeds().json();
    let image = &list[0];
    assert!(image["Id"].as_str().and_then(|id| id.strip_prefix("sha256:")).is_some_and(is_id));
    assert_eq!(image["RepoTags"], json!([env.image()]));
    let repository = env.image().trim_end_matches(":latest").to_owned();
    let digest = image["RepoDigests"][0].as_str().expect("a digest");
    assert!(digest.starts_with(&format!("{repository}@sha256:")), "{digest}");
    assert_eq!(image["Os"], "linux");
    assert_eq!(image["Architecture"], "amd64");
    assert_eq!(image["Config"]["Cmd"], json!(["sh"]));
    assert_eq!(image["RootFS"]["Layers"].as_array().map(Vec::len), Some(1));
    assert!(image["Size"].as_u64().is_some_and(|size| size > 1_000_000), "{}", image["Size"]);
}

#[test]
fn inspect_of_several_and_of_nothing() {
    let env = ready!(busybox);
    env.coracle("run --name one IMAGE true").succeeds();
    env.coracle("run --name two IMAGE true").succeeds();
    let list = env.coracle("inspect one two IMAGE").succeeds().json();
    assert_eq!(list.as_array().map(Vec::len), Some(3));
    let output = env.coracle("inspect nosuch").fails_with(1).explains().stderr_has("nosuch");
    assert_eq!(output.json(), json!([]));
    let output = env.coracle("inspect one nosuch").fails_with(1).stderr_has("nosuch");
    assert_eq!(output.json()[0]["Name"], "/one");
    env.coracle("inspect --type image one").fails_with(1).explains();
    env.coracle("inspect --type container IMAGE").fails_with(1).explains();
}

#[test]
fn templates_compute() {
    let env = ready!(busybox);
    env.coracle("run --name one -e A=1 --label x=y IMAGE echo a b").succeeds();
    let format = |template: &str| env.argv(&["inspect", "-f", template, "one"]).succeeds().stdout;
    assert_eq!(format("{{.Name}}"), "/one\n");
    assert_eq!(format("{{.State.Status}} {{.State.ExitCode}}"), "exited 0\n");
    assert_eq!(format("{{json .Config.Cmd}}"), "[\"echo\",\"a\",\"b\"]\n");
    assert_eq!(format("{{join .Config.Cmd \" \"}}"), "echo a b\n");
    assert_eq!(format("{{range .Config.Cmd}}<{{.}}>{{end}}"), "<echo><a><b>\n");
    assert_eq!(format("{{range $i, $w := .Config.Cmd}}{{$i}}{{$w}} {{end}}"), "0echo 1a 2b \n");
    assert_eq!(format("{{index .Config.Labels \"x\"}}"), "y\n");
    assert_eq!(format("{{len .Config.Cmd}}"), "3\n");
    assert_eq!(format("{{if .State.Running}}up{{else}}down{{end}}"), "down\n");
    assert_eq!(format("{{.Name | upper | printf \"%q\"}}"), "\"/ONE\"\n");
    assert_eq!(format("{{with .State}}{{.Status}}{{end}}"), "exited\n");
    assert_eq!(format("{{split .Config.Image \":\" | len}}"), "3\n");
    assert_eq!(format("{{.Config.Cmd}}"), "[echo a b]\n");
    assert_eq!(format("{{println .Name}}"), "/one\n\n");
    env.argv(&["inspect", "-f", "{{.NoSuchKey}}", "one"]).fails_with(1).explains();
    env.argv(&["inspect", "-f", "{{.Name", "one"]).fails().explains();
    env.argv(&["inspect", "-f", "{{nosuch .Name}}", "one"]).fails().explains();
}

#[test]
fn version_says_who_we_are() {
    let env = ready!();
    let version = env!("CARGO_PKG_VERSION");
    env.coracle("--version").succeeds().stdout_has("coracle version").stdout_has(version);
    env.coracle("-v").succeeds().stdout_has(version);
    env.coracle("version").succeeds().stdout_has(version);
    env.argv(&["version", "--format", "{{.Client.Version}}"]).succeeds().stdout_is(&format!("{version}\n"));
    let value = env.argv(&["version", "--format", "json"]).succeeds().json();
    assert_eq!(value["Client"]["Version"], version);
    assert_eq!(value["Client"]["Os"], "linux");
}

#[test]
fn info_counts() {
    let env = ready!(busybox);
    env.run_detached("IMAGE sleep 1000");
    env.coracle("run IMAGE true").succeeds();
    env.argv(&["info", "--format", "{{.Containers}} {{.ContainersRunning}} {{.ContainersStopped}} {{.Images}}"])
        .succeeds()
        .stdout_is("2 1 1 1\n");
    let value = env.argv(&["info", "--format", "json"]).succeeds().json();
    assert_eq!(value["OSType"], "linux");
    assert_eq!(value["NCPU"].as_u64(), std::thread::available_parallelism().ok().map(|n| n.get() as u64));
    env.coracle("info").succeeds().stdout_has("Containers: 2");
}

#[test]
fn help_and_unknown_commands() {
    let env = ready!();
    env.coracle("--help").succeeds().stdout_has("run").stdout_has("pull");
    env.coracle("run --help").succeeds().stdout_has("--network").stdout_has("--entrypoint");
    env.coracle("nosuchcommand").fails().explains().stderr_has("nosuchcommand");
    env.coracle("ps --nosuchflag").fails().explains().stderr_has("--nosuchflag");
}

#[test]
fn a_closed_pipe_is_not_an_error_of_ours() {
    let env = ready!(busybox);
    for _ in 0..3 {
        env.coracle("run IMAGE true").succeeds();
    }
    let script = format!("{} inspect $({} ps -aq) | head -n 1", env.program().display(), env.program().display());
    env.tool("sh", &["-c", &script]).run().succeeds().stdout_is("[\n").stderr_is("");
}

/// As docker: only what was attached, and only what somebody has chosen.
#[test]
fn streams_and_stop_options_are_shown_as_they_were_given() {
    let env = ready!(busybox);
    let attached = "{{.Config.AttachStdin}} {{.Config.AttachStdout}} {{.Config.AttachStderr}} {{.Config.StdinOnce}}";
    env.run_detached("--name background -i IMAGE sleep 1000");
    env.coracle("run --name foreground -i IMAGE true").succeeds();
    env.coracle("run --name errors -a stderr IMAGE true").succeeds();
    env.coracle("create --name later IMAGE true").succeeds();
    for (name, expected) in [
        ("background", "false false false false"),
        ("foreground", "true true true true"),
        ("errors", "false false true false"),
        ("later", "false true true false"),
    ] {
        assert_eq!(env.inspect(name, attached), expected, "{name}");
    }
    let stop = |name: &str| env.coracle(&format!("inspect {name}")).succeeds().json()[0]["Config"].clone();
    assert!(stop("later").get("StopSignal").is_none() && stop("later").get("StopTimeout").is_none());
    env.coracle("create --name chosen --stop-signal INT --stop-timeout 3 IMAGE true").succeeds();
    assert_eq!(stop("chosen")["StopSignal"], "SIGINT");
    assert_eq!(stop("chosen")["StopTimeout"], 3);
}
