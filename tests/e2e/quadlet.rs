//! Quadlet files from the user's side: check, install, list, print, remove, and the generator as systemd calls it; and
//! `auto-update`. systemd itself is in the laptop machine (`tests/laptop/services`); here a script stands in for
//! `systemctl`, and writes down what it was asked.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::json;

use crate::support::env::Env;
use crate::support::images::Image;
use crate::support::output::Output;
use crate::support::registry::Registry;

/// Puts a `systemctl` before the others that writes its arguments down and does `script`.
fn systemctl(env: &Env, script: &str) {
    let path = env.mkdir("programs").join("systemctl");
    fs::write(&path, format!("#!/bin/sh\necho \"$*\" >>{}\n{script}\n", env.file("asked").display())).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn asked(env: &Env) -> Vec<String> {
    let asked = fs::read_to_string(env.file("asked")).unwrap_or_default();
    let _ = fs::remove_file(env.file("asked"));
    asked.lines().map(String::from).collect()
}

/// `coracle LINE` with that `systemctl`.
fn coracle(env: &Env, line: &str) -> Output {
    let path = format!("{}:/usr/bin:/bin:/usr/sbin:/sbin", env.file("programs").display());
    env.command(line).var("PATH", path).run()
}

/// Writes a file below the test's own directory.
fn write(env: &Env, name: &str, text: &str) {
    let path = env.file(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// `quadlet install OPTIONS FILES`.
fn install(env: &Env, options: &str, files: &[&str]) -> String {
    let files: Vec<String> = files.iter().map(|file| env.file(file).display().to_string()).collect();
    format!("quadlet install {options} {}", files.join(" "))
}

const WEB: &str = "[Container]\nImage=quay.io/web:1\nVolume=data.volume:/data\n[Install]\nWantedBy=default.target\n";

#[test]
fn mistakes_are_found_before_systemd_sees_them() {
    let env = ready!();
    write(&env, "good/web.container", WEB);
    write(&env, "good/data.volume", "[Volume]\n");
    let good = env.coracle(&format!("quadlet check {}", env.file("good").display())).succeeds();
    // Flags that every service has are no fault of the file.
    let own = |line: &&str| !line.contains("this version of coracle cannot start the service");
    assert_eq!(good.lines().into_iter().filter(own).collect::<Vec<_>>(), [""; 0]);
    write(
        &env,
        "bad/web.container",
        "[Container]\nImage=quay.io/web:1\nPublishPort=80:x\nVolumes=/a:/b\n[Service]\nUser=me\n[Install]\nWantedBy=multi-user.target\n",
    );
    let output = env.coracle(&format!("quadlet check {}", env.file("bad").display())).exits_with(1);
    let bad = env.file("bad/web.container").display().to_string();
    for line in [
        format!("{bad}:3: error: "),
        format!("{bad}:4: error: unknown key `Volumes` in `[Container]`\n    hint: did you mean `Volume`?"),
        format!("{bad}:6: error: the key `User` in `[Service]` is not supported"),
        format!("{bad}:8: warning: `multi-user.target` is no target of a user's manager"),
    ] {
        assert!(output.stdout.contains(&line), "{line} in {}", output.stdout);
    }
    let found = env.coracle(&format!("quadlet check --format json {}", env.file("bad").display())).exits_with(1).json();
    let found = found.as_array().unwrap().iter().find(|found| found["line"] == 4).unwrap();
    assert_eq!(found["hint"], "did you mean `Volume`?");
    write(&env, "odd/\u{1b}[31m.container", "nonsense\n");
    let output = env.coracle(&format!("quadlet check {}", env.file("odd").display())).exits_with(1);
    assert!(!output.stdout.contains('\u{1b}'), "{:?}", output.stdout);
}

#[test]
fn files_are_installed_listed_and_removed() {
    let env = ready!();
    systemctl(&env, "exit 0");
    let directory = env.config().join("containers/systemd");
    let shown = |name: &str| format!("{}\n", directory.join(name).display());
    write(&env, "web.container", WEB);
    write(&env, "nginx.conf", "worker_processes 1;");
    write(&env, "app/data.volume", "[Volume]\n");
    write(&env, "app/front.network", "[Network]\n");
    write(&env, "app/notes.txt", "read me");
    // What it needs is not there yet.
    coracle(&env, &install(&env, "", &["web.container"])).fails_with(1).stderr_has("there is no file `data.volume`");
    assert!(!directory.exists());
    coracle(&env, &install(&env, "", &["app"])).succeeds().stdout_is(&format!(
        "{}{}",
        shown("data.volume"),
        shown("front.network")
    ));
    assert_eq!(asked(&env), ["--user daemon-reload"]);
    coracle(&env, &install(&env, "--reload-systemd=false", &["web.container", "nginx.conf"]))
        .succeeds()
        .stdout_is(&shown("web.container"));
    assert_eq!(asked(&env), [""; 0]);
    coracle(&env, &install(&env, "", &["web.container"])).fails_with(1).stderr_has("is there already");
    coracle(&env, &install(&env, "--replace", &["web.container", "nginx.conf"])).succeeds();
    coracle(&env, "quadlet print web.container").succeeds().stdout_is(WEB);
    coracle(&env, "quadlet print web.containr").fails_with(1).stderr_has("did you mean `web.container`?");
    let list = coracle(&env, "quadlet ls --format {{.Name}}:{{.UnitName}}:{{.App}}").succeeds();
    assert_eq!(
        list.lines(),
        [
            "data.volume:data-volume.service:.app.app",
            "front.network:front-network.service:.app.app",
            "web.container:web.service:"
        ]
    );
    coracle(&env, "quadlet ls --filter name=w*").succeeds().stdout_has("UNIT NAME").stdout_lacks("front");
    // An application goes as a whole, and a file with what only it needs.
    coracle(&env, "quadlet rm front.network").succeeds();
    assert!(!directory.join("data.volume").exists() && !directory.join("notes.txt").exists());
    assert!(directory.join("nginx.conf").exists());
    coracle(&env, "quadlet rm nosuch.volume").fails_with(1);
    coracle(&env, "quadlet rm --ignore nosuch.volume").succeeds();
    coracle(&env, "quadlet rm --all").succeeds().stdout_is("web.container\n");
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 0, "nothing is left");
}

#[test]
fn running_services_are_not_taken_away() {
    let env = ready!();
    systemctl(
        &env,
        "case $* in *show*) printf 'Id=web.service\\nLoadState=loaded\\nActiveState=active\\nSubState=running\\n';; esac",
    );
    write(&env, "web.container", "[Container]\nImage=quay.io/web:1\n");
    coracle(&env, &install(&env, "", &["web.container"])).succeeds();
    coracle(&env, "quadlet ls --format {{.Status}}").succeeds().stdout_is("active/running\n");
    coracle(&env, "quadlet rm web.container").fails_with(1).stderr_has("`web.service` is running");
    asked(&env);
    coracle(&env, "quadlet rm --force web.container").succeeds();
    assert!(asked(&env).contains(&"--user stop -- web.service".to_owned()));
}

#[test]
fn systemd_calls_the_generator_by_its_name() {
    let env = ready!();
    let directory = env.config().join("containers/systemd");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("web.container"), WEB).unwrap();
    fs::write(directory.join("data.volume"), "[Volume]\n").unwrap();
    fs::write(directory.join("wrong.container"), "[Container]\n").unwrap();
    let link = env.file("coracle-user-generator");
    symlink(env.program(), &link).unwrap();
    let units = env.mkdir("units");
    let (early, late) = (env.mkdir("early"), env.mkdir("late"));
    let directories: Vec<String> = [&units, &early, &late].iter().map(|path| path.display().to_string()).collect();
    let words: Vec<&str> = directories.iter().map(String::as_str).collect();
    let output = env.tool(&link.display().to_string(), &words).run().exits_with(1);
    output.stderr_has("wrong.container: error: the key `Image` is missing");
    let unit = fs::read_to_string(units.join("web.service")).unwrap();
    let program = fs::canonicalize(env.program()).unwrap();
    assert!(unit.contains(&format!("\nExecStart={} run --name systemd-%N ", program.display())), "{unit}");
    assert!(units.join("data-volume.service").exists() && !units.join("wrong.service").exists());
    assert_eq!(fs::read_link(units.join("default.target.wants/web.service")).unwrap().to_str(), Some("../web.service"));
    let dry = env.coracle("quadlet generate --dry-run").exits_with(1);
    assert!(dry.stdout.contains("---web.service---\n") && dry.stdout.contains("link default.target.wants/web.service"));
    env.coracle("quadlet generate").fails_with(1).stderr_has("--dry-run");
}

#[test]
fn a_session_without_a_generator_gets_its_units_all_the_same() {
    let env = ready!();
    systemctl(&env, "exit 0");
    let session = env.runtime().parent().unwrap().join("systemd/user");
    let directory = env.config().join("containers/systemd");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("net.network"), "[Network]\n").unwrap();
    coracle(&env, "system service install").succeeds().stdout_has("coracle-restart.service");
    let units = env.config().join("systemd/user");
    assert!(units.join("default.target.wants/coracle-quadlet.service").exists());
    let unit = fs::read_to_string(units.join("coracle-quadlet.service")).unwrap();
    assert!(unit.contains("coracle quadlet generate --session") && !unit.contains("=/usr/bin/coracle"), "{unit}");
    assert_eq!(asked(&env), ["--user daemon-reload", "--user restart coracle-quadlet.service"]);
    coracle(&env, "quadlet generate --session").succeeds();
    assert!(session.join("net-network.service").exists());
    assert_eq!(asked(&env), ["--user daemon-reload", "--user start --no-block default.target"]);
    coracle(&env, "system service remove").succeeds();
    assert!(!session.join("net-network.service").exists() && !units.exists(), "nothing is left");
}

#[test]
fn newer_images_start_their_services_again() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let image = |version: &str| Image::busybox().set("Labels", json!({ "version": version }));
    let name = registry.push(&image("1"), "app:latest");
    let run = |name: &str, image: &str, policy: &str| {
        let line = format!("run -d --name {name} --label io.containers.autoupdate={policy} {image} sleep 1000");
        env.command(&line).var("PODMAN_SYSTEMD_UNIT", format!("{name}.service")).run().succeeds();
    };
    run("web", &name, "registry");
    // A container whose image says which unit it is: nobody is to believe that.
    let liar = Image::busybox()
        .set("Labels", json!({ "PODMAN_SYSTEMD_UNIT": "other.service", "io.containers.autoupdate": "registry" }));
    let liar = registry.push(&liar, "liar:1");
    env.run_detached(&format!("--name liar {liar} sleep 1000"));
    let format = "--format {{.Unit}}={{.Updated}}";
    systemctl(&env, "exit 0");
    let output = coracle(&env, &format!("auto-update {format}")).fails_with(1);
    assert_eq!(output.stdout, "web.service=false\n");
    output.stderr_has("cannot update `liar`: no unit of systemd runs it");
    env.coracle("rm -f liar").succeeds();
    assert_eq!(asked(&env), [""; 0]);

    let id = env.inspect(&name, "{{.Id}}");
    registry.push(&image("2"), "app:latest");
    coracle(&env, &format!("auto-update --dry-run {format}")).succeeds().stdout_is("web.service=pending\n");
    assert_eq!(env.inspect(&name, "{{.Id}}"), id, "nothing was pulled");
    assert_eq!(asked(&env), [""; 0]);
    // The unit does not start with it, and is started with the old image.
    let state = env.file("failed").display().to_string();
    systemctl(&env, &format!("[ -e {state} ] || {{ touch {state}; echo 'Job for web.service failed.' >&2; exit 1; }}"));
    let output = coracle(&env, &format!("auto-update {format}")).fails_with(1);
    assert_eq!(output.stdout, "web.service=rolled back\n");
    output.stderr_has("Job for web.service failed.").stderr_has("journalctl --user -u web.service");
    assert_eq!(asked(&env), ["--user restart -- web.service", "--user restart -- web.service"]);
    assert_eq!(env.inspect(&name, "{{.Id}}"), id, "the name is the old image's again");
    fs::remove_file(&state).unwrap();
    let output = coracle(&env, &format!("auto-update --rollback=false {format}")).fails_with(1);
    assert_eq!(output.stdout, "web.service=failed\n");
    asked(&env);
    systemctl(&env, "exit 0");
    // What is here already counts for the policy `local`, and a container that was made of the old image gets it.
    coracle(&env, &format!("auto-update {format}")).succeeds().stdout_is("web.service=true\n");
    assert_eq!(asked(&env), ["--user restart -- web.service"]);
    env.coracle("rm -f web").succeeds();
    run("near", &name, "local");
    coracle(&env, &format!("auto-update {format}")).succeeds().stdout_is("near.service=false\n");
    env.coracle(&format!("tag {} {name}", env.image())).succeeds();
    coracle(&env, "auto-update").succeeds().stdout_has("near.service   ").stdout_has("   true");
}
