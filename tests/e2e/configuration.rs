//! `config`, and what commands make of it.

use std::fs;

#[test]
fn keys_are_set_shown_and_used() {
    let env = ready!(busybox);
    let file = env.config().join("coracle/config.toml");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "# mine\n[network]\nlow_ports = \"remap\"\n").unwrap();
    env.coracle("config get network.low_ports").succeeds().stdout_is("remap\n");
    env.coracle("config get --origin network.low_ports").succeeds().stdout_is(&format!("{}\n", file.display()));
    env.coracle("config get --origin cgroups.limits").succeeds().stdout_is("built in\n");
    env.coracle("config get network.low_prots").fails_with(1).stderr_has("did you mean `network.low_ports`?");
    env.argv(&["config", "set", "defaults.run.env", r#"["FROM=config", "OTHER=1"]"#]).succeeds();
    env.coracle("config set defaults.run.workdir /tmp").succeeds();
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("# mine\n[network]\n"), "{text}");
    let run = env.coracle("run --rm --network none -e OTHER=2 IMAGE sh -c 'pwd; echo $FROM $OTHER'");
    run.succeeds().stdout_is("/tmp\nconfig 2\n");
    env.coracle("run --rm --network none -w / IMAGE pwd").succeeds().stdout_is("/\n");
    // `create` has the defaults of `run`.
    env.coracle("create --name made IMAGE true").succeeds();
    assert_eq!(env.inspect("made", "{{.Config.WorkingDir}}"), "/tmp");
    env.coracle("config show").succeeds().stdout_has("defaults.run.workdir").stdout_has("KEY");
    let shown = env.coracle("config show --format json").succeeds().json();
    assert!(
        shown.as_array().unwrap().iter().any(|entry| entry["key"] == "network.low_ports" && entry["value"] == "remap")
    );
    // Nothing that could not be read afterwards is kept.
    let before = fs::read_to_string(&file).unwrap();
    env.coracle("config set network.low_ports perhaps").fails_with(1).stderr_has("perhaps");
    env.coracle("config set defaults.run.inti true").fails_with(1).stderr_has("did you mean `init`?");
    env.coracle("config set frob.x 1").fails_with(1);
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
    env.coracle("config set --unset defaults.run.workdir").succeeds();
    env.coracle("config get defaults.run.workdir").fails_with(1);
    env.command("config edit").var("EDITOR", "sed -i s/remap/refuse/").run().succeeds();
    env.coracle("config get network.low_ports").succeeds().stdout_is("refuse\n");
    env.command("config edit").var("EDITOR", "sed -i s/refuse/nonsense/").run().fails_with(1);
    env.coracle("config get network.low_ports").succeeds().stdout_is("refuse\n");
}

#[test]
fn containers_conf_counts_where_it_means_the_same() {
    let env = ready!(busybox);
    let file = env.config().join("containers/containers.conf");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "[containers]\nenv = [\"FROM=podman\"]\nlog_driver = \"journald\"\n[engine]\nx = \"y\"\n")
        .unwrap();
    let line = "run --rm --network none IMAGE sh -c 'echo $FROM'";
    env.coracle(line).succeeds().stdout_is("podman\n");
    env.called("docker", line).run().succeeds().stdout_is("\n");
    env.coracle("config get --origin defaults.run.env").succeeds().stdout_has("containers.conf");
    env.coracle("config set defaults.run.env FROM=coracle").succeeds();
    env.coracle(line).succeeds().stdout_is("coracle\n");
    env.coracle("config get defaults.run.env").succeeds().stdout_is("FROM=coracle\n");
}
