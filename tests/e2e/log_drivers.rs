//! Log drivers: where the output of a container is kept, and what `logs` shows of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::env::Env;
use crate::support::eventually;

/// A program that prints the numbers up to this one.
fn counts(to: u32) -> String {
    format!("sh -c 'i=0; while [ $i -lt {to} ]; do echo line $i; i=$((i+1)); done'")
}

fn numbers(from: u32, to: u32) -> String {
    (from..to).map(|number| format!("line {number}\n")).collect()
}

fn log_path(env: &Env, name: &str) -> String {
    env.inspect(name, "{{.LogPath}}")
}

#[test]
fn every_file_driver_keeps_what_was_printed() {
    let env = ready!(busybox);
    for driver in ["json-file", "local", "k8s-file"] {
        let line =
            format!("run --name {driver} --log-driver {driver} IMAGE sh -c 'echo out; echo err >&2; printf part'");
        env.coracle(&line).succeeds().stdout_is("out\npart").stderr_is("err\n");
        env.coracle(&format!("logs {driver}")).succeeds().stdout_is("out\npart").stderr_is("err\n");
        assert_eq!(env.inspect(driver, "{{.HostConfig.LogConfig.Type}}"), driver);
        let mode = fs::metadata(log_path(&env, driver)).expect("a log").permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
    }
    let text = fs::read_to_string(log_path(&env, "k8s-file")).expect("a log");
    assert!(text.lines().any(|line| line.ends_with("Z stdout F out")) && text.contains(" stderr F err\n"), "{text}");
    assert!(text.ends_with(" stdout P part\n"), "{text}");
    env.coracle("run --name none --log-driver none IMAGE echo out").succeeds().stdout_is("out\n");
    env.coracle("logs none").fails_with(1).stderr_has("does not support reading");
    env.argv(&["inspect", "--format", "{{.LogPath}}", "none"]).succeeds().stdout_is("\n");
    for wrong in [
        "--log-driver gelf",
        "--log-driver none --log-opt max-size=1m",
        "--log-opt max-file=0",
        "--log-opt frob=1",
        "--log-opt max-size=lots",
    ] {
        env.coracle(&format!("run --rm {wrong} IMAGE true")).fails_with(125).explains();
    }
}

#[test]
fn a_log_is_put_aside_and_read_whole() {
    let env = ready!(busybox);
    for driver in ["json-file", "k8s-file"] {
        let options = format!("--log-driver {driver} --log-opt max-size=5k --log-opt max-file=4");
        env.coracle(&format!("run -d --name {driver} {options} IMAGE {}", counts(2000))).succeeds();
        env.coracle(&format!("wait {driver}")).succeeds();
        let shown = env.coracle(&format!("logs {driver}")).succeeds().stdout;
        let first: u32 =
            shown.lines().next().and_then(|line| line.strip_prefix("line ")?.parse().ok()).expect("a line");
        assert_eq!(shown, numbers(first, 2000), "{driver}");
        let path = log_path(&env, driver);
        for file in ["", ".1", ".2", ".3"] {
            let size = fs::metadata(format!("{path}{file}")).expect("a file").len();
            assert!(size <= 5000, "{driver}{file} has {size}");
        }
        assert!(fs::metadata(format!("{path}.4")).is_err());
        env.coracle(&format!("logs --tail 150 {driver}")).succeeds().stdout_is(&numbers(1850, 2000));
        env.coracle(&format!("logs --tail 0 {driver}")).succeeds().stdout_is("");
        env.coracle(&format!("logs --since 1h --until 0s {driver}")).succeeds().stdout_is(&shown);
        env.coracle(&format!("logs --since 0s {driver}")).succeeds().stdout_is("");
        env.coracle(&format!("rm {driver}")).succeeds();
        eventually("all files go with it", || fs::metadata(&path).is_err());
    }
}

/// The log is put aside dozens of times while it is followed.
#[test]
fn a_follower_misses_nothing_over_rotations() {
    let env = ready!(busybox);
    let options = "--log-opt max-size=20k --log-opt max-file=1000";
    env.coracle(&format!("create --name one {options} IMAGE {}", counts(5000))).succeeds();
    env.coracle("start one").succeeds();
    let followed = env.coracle("logs -f one").succeeds();
    assert_eq!(followed.stdout, numbers(0, 5000));
    assert!(fs::metadata(log_path(&env, "one") + ".10").is_ok());
}

#[test]
fn a_log_can_be_elsewhere_and_say_whose_it_is() {
    let env = ready!(busybox);
    let path = env.file("my.log");
    let options = format!("--log-driver k8s-file --log-opt path={}", path.display());
    env.coracle(&format!("run --name one {options} IMAGE echo here")).succeeds();
    assert!(fs::read_to_string(&path).expect("a log").ends_with(" stdout F here\n"));
    env.coracle("logs one").succeeds().stdout_is("here\n");
    assert_eq!(log_path(&env, "one"), path.display().to_string());
    env.coracle("run --rm --log-opt path=/nowhere/x IMAGE true").fails_with(125).stderr_has("/nowhere/x");
    let options = "--label tier=db -e ZONE=a --log-opt labels=tier,absent --log-opt env=ZONE --log-opt tag={{.Name}}/{{.ImageName}}";
    env.coracle(&format!("run --name two {options} IMAGE echo hello")).succeeds();
    let tag = format!("tag=two/{}", env.image());
    env.coracle("logs --details two").succeeds().stdout_is(&format!("ZONE=a,{tag},tier=db hello\n"));
    env.coracle("logs two").succeeds().stdout_is("hello\n");
    assert!(fs::read_to_string(log_path(&env, "two")).expect("a log").contains(r#""attrs":{"ZONE":"a","tag":"two/"#));
}

/// The program has the streams of the command itself: nothing in between.
#[test]
fn passthrough_gives_the_streams_away() {
    let env = ready!(busybox);
    let line = "run -i --name one --log-driver passthrough IMAGE sh -c 'cat; echo err >&2'";
    env.command(line).stdin("in\n").run().succeeds().stdout_is("in\n").stderr_is("err\n");
    env.coracle("logs one").fails_with(1).stderr_has("does not support reading");
    env.coracle("run --rm --log-driver passthrough IMAGE sh -c 'exit 3'").fails_with(3);
    env.command("start -a one").stdin("again\n").run().succeeds().stdout_is("again\n").stderr_is("err\n");
}

#[test]
fn a_machine_without_a_journal_says_so() {
    let env = ready!(busybox);
    if std::path::Path::new("/run/systemd/journal/socket").exists() {
        return;
    }
    env.coracle("run --rm --log-driver journald IMAGE true").fails_with(125).stderr_has("journald is not running");
}
