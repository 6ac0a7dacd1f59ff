//! Limits where no control group is delegated, as in a session that systemd does not know: they are refused with the reason,
//! or replaced with what an ordinary user can do. What control groups do is tested in `tests/laptop`.

use crate::support::is_root;

/// Whether this machine gives the tests' user control groups; the tests here are about those that have none.
fn has_groups() -> bool {
    std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

#[test]
fn a_limit_that_cannot_be_set_is_an_error_that_says_why() {
    let env = ready!(busybox);
    if has_groups() {
        return;
    }
    for option in ["-m 64m", "--cpus 0.5", "--pids-limit 10", "--cpuset-cpus 0", "-c 512", "--memory-reservation 32m"] {
        let output = env.coracle(&format!("run --rm --name limited {option} IMAGE true")).fails_with(125);
        assert!(
            output.stderr.contains("cannot be set: this machine does not use cgroup v2 alone"),
            "{}",
            output.stderr
        );
        assert!(output.stderr.contains("--limits=best-effort"), "{}", output.stderr);
    }
    env.coracle("ps -aq").succeeds().stdout_is("");
    env.coracle("run --rm --cgroup-manager=x IMAGE true").fails_with(125);
    let systemd = env.coracle("--cgroup-manager=systemd run --rm IMAGE true").fails_with(125);
    assert!(systemd.stderr.contains("cgroup v2"), "{}", systemd.stderr);
    let disabled = env.coracle("--cgroup-manager=disabled run --rm -m 64m IMAGE true").fails_with(125);
    assert!(disabled.stderr.contains("`--cgroup-manager` is `disabled`"), "{}", disabled.stderr);
    // Without limits nobody needs a control group.
    env.coracle("run --rm --cgroups=disabled IMAGE true").succeeds();
    env.coracle("run --rm --pids-limit=-1 --cgroups=disabled IMAGE true").fails_with(125);
}

#[test]
fn best_effort_does_what_a_user_can_do_and_inspect_tells_it() {
    let env = ready!(busybox);
    if has_groups() {
        return;
    }
    let limits = "--limits=best-effort -m 64m --cpuset-cpus 0 --cpu-shares 512 --pids-limit 50 --memory-swap=-1";
    let id = env.run_detached(&format!("{limits} IMAGE sleep 1000"));
    let script = "ulimit -d; set -- $(grep processes /proc/self/limits); echo $3; grep Cpus_allowed_list /proc/self/status; set -- $(cat /proc/self/stat); echo ${19}";
    let seen = "65536\n50\nCpus_allowed_list:\t0\n3\n";
    env.coracle(&format!("exec {id} sh -c '{script}'")).succeeds().stdout_is(seen);
    env.coracle(&format!("run --rm {limits} IMAGE sh -c '{script}'"))
        .succeeds()
        .stdout_is(seen)
        .stderr_has("`--memory-swap` is not in force");
    let inspect = env.coracle(&format!("inspect -f '{{{{json .State.Limits}}}}' {id}")).succeeds().stdout;
    for told in
        ["--memory", "RLIMIT_DATA", "--cpuset-cpus", "--cpu-shares", "RLIMIT_NPROC", "\"Missing\":[\"--memory-swap\"]"]
    {
        assert!(inspect.contains(told), "{told}: {inspect}");
    }
    env.coracle(&format!("inspect -f '{{{{.HostConfig.Memory}}}} {{{{.HostConfig.CpusetCpus}}}}' {id}"))
        .succeeds()
        .stdout_is("67108864 0\n");
}

#[test]
fn best_effort_stops_a_hog_and_a_fork_bomb() {
    let env = ready!(busybox);
    if has_groups() || is_root() {
        return;
    }
    // 64 MiB do not fit into 16.
    env.coracle("run --rm --limits=best-effort -m 16m IMAGE sh -c 'dd if=/dev/zero of=/dev/null bs=64M count=1'")
        .fails();
    let output = env
        .coracle("run --rm --limits=best-effort --pids-limit 10 IMAGE sh -c 'for i in $(seq 20); do sleep 1000 & done; echo all'")
        .fails();
    assert!(!output.stdout.contains("all"), "{}", output.stdout);
}

#[test]
fn the_configuration_says_best_effort() {
    let env = ready!(busybox);
    if has_groups() {
        return;
    }
    let directory = env.config().join("coracle");
    std::fs::create_dir_all(&directory).expect("our directory");
    std::fs::write(directory.join("config.toml"), "[cgroups]\nlimits = \"best-effort\"\n").expect("our directory");
    env.coracle("run --rm -m 64m IMAGE sh -c 'ulimit -d'").succeeds().stdout_is("65536\n");
    env.coracle("run --rm -m 64m --limits=strict IMAGE true").fails_with(125);
}

#[test]
fn ulimits_hold_for_every_process() {
    let env = ready!(busybox);
    let id = env.run_detached("--ulimit nofile=100:200 --ulimit core=0 IMAGE sleep 1000");
    let script = "ulimit -Sn; ulimit -Hn; ulimit -c";
    env.coracle(&format!("exec {id} sh -c '{script}'")).succeeds().stdout_is("100\n200\n0\n");
    env.coracle(&format!("run --rm --ulimit nofile=100:200 --ulimit core=0 IMAGE sh -c '{script}'"))
        .succeeds()
        .stdout_is("100\n200\n0\n");
    if !is_root() {
        let output = env.coracle("run --rm --ulimit nofile=999999999 IMAGE true").fails_with(125);
        assert!(output.stderr.contains("an ordinary user cannot raise it"), "{}", output.stderr);
    }
    env.coracle("ps -aq").succeeds();
}

#[test]
fn the_oom_score_is_raised_and_never_lowered() {
    let env = ready!(busybox);
    let id = env.run_detached("--oom-score-adj 500 IMAGE sleep 1000");
    env.coracle(&format!("exec {id} cat /proc/1/oom_score_adj")).succeeds().stdout_is("500\n");
    env.coracle("run --rm --oom-score-adj 500 IMAGE cat /proc/self/oom_score_adj").succeeds().stdout_is("500\n");
    env.coracle(&format!("inspect -f '{{{{.HostConfig.OomScoreAdj}}}}' {id}")).succeeds().stdout_is("500\n");
    if !is_root() {
        let output = env.coracle("run --rm --name low --oom-score-adj=-999 IMAGE true").fails_with(125);
        assert!(output.stderr.contains("an ordinary user can only raise it"), "{}", output.stderr);
    }
}

#[test]
fn a_privileged_container_without_a_group_of_its_own_cannot_write_the_users() {
    let env = ready!(busybox);
    let output = env
        .coracle("run --rm --privileged --cgroups=disabled IMAGE sh -c 'grep cgroup2 /proc/mounts | cut -d\" \" -f4; mkdir /sys/fs/cgroup/x 2>&1; echo $?'")
        .succeeds();
    assert!(output.stdout.ends_with("1\n"), "{}", output.stdout);
    assert!(
        output.stdout.lines().filter(|line| line.contains("relatime")).all(|line| line.starts_with("ro,")),
        "{}",
        output.stdout
    );
}

#[test]
fn the_hosts_control_groups_are_seen_and_not_written() {
    let env = ready!(busybox);
    let id = env.run_detached("--cgroupns=host IMAGE sleep 1000");
    let own = std::fs::read_link("/proc/self/ns/cgroup").expect("a namespace");
    let seen = env.coracle(&format!("exec {id} readlink /proc/self/ns/cgroup")).succeeds();
    assert_eq!(seen.line(), own.to_string_lossy());
    let output =
        env.coracle("run --rm --privileged --cgroupns=host IMAGE sh -c 'mkdir /sys/fs/cgroup/x'").fails_with(1);
    assert!(output.stderr.contains("Read-only file system"), "{}", output.stderr);
    env.coracle(&format!("inspect -f '{{{{.HostConfig.CgroupnsMode}}}}' {id}")).succeeds().stdout_is("host\n");
}

#[test]
fn stats_of_containers_without_a_group_come_from_their_processes() {
    let env = ready!(busybox);
    let id = env.run_detached("--name busy IMAGE sh -c 'sleep 1000 & while :; do :; done'");
    env.coracle("create --name idle IMAGE true").succeeds();
    let line = env.coracle("stats --no-stream --format '{{.Name}} {{.PIDs}} {{.CPUPerc}} {{.MemUsage}}'").succeeds();
    let words: Vec<&str> = line.line().split(' ').collect();
    assert_eq!(words[..2], ["busy", "2"], "{words:?}");
    assert!(words[2].trim_end_matches('%').parse::<f64>().expect("a percentage") > 1.0, "{words:?}");
    assert!(words[3] != "0B" && words[5].ends_with("iB"), "{words:?}");
    let table = env.coracle("stats -a --no-stream").succeeds();
    assert!(table.stdout.starts_with("CONTAINER ID"), "{}", table.stdout);
    let idle = table.lines().into_iter().find(|line| line.contains("idle")).expect("a row").to_owned();
    let cells: Vec<&str> = idle.split_whitespace().skip(1).collect();
    assert_eq!(cells, ["idle", "--", "--", "/", "--", "--", "--", "/", "--", "--", "/", "--", "--"], "{idle}");
    let json = env.coracle(&format!("stats --no-stream --format json {id}")).succeeds().json();
    assert_eq!((&json["ID"], &json["PIDs"], &json["NetIO"]), (&id[..12].into(), &"2".into(), &json["NetIO"]));
    env.coracle("stats --no-stream nobody").fails_with(1);
    env.coracle("stats --interval 0").fails();
    // It goes on until its reader has gone.
    let stream = env.command("stats --format '{{.Name}}' busy").spawn();
    stream.prints("busy\nbusy\n");
}

#[test]
fn limits_are_updated_while_a_container_does_not_run() {
    let env = ready!(busybox);
    if has_groups() {
        return;
    }
    env.coracle("create --name one --limits=best-effort -m 64m IMAGE sh -c 'ulimit -d'").succeeds();
    env.coracle("update -m 32m --memory-swap 64m --pids-limit 9 one").succeeds().stdout_is("one\n");
    assert_eq!(
        env.inspect("one", "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.PidsLimit}}"),
        "33554432 67108864 9"
    );
    env.coracle("start -a one").succeeds().stdout_is("32768\n");
    for (options, reason) in [
        ("-m 128m", "update the memoryswap at the same time"),
        ("-m 1m", "Minimum memory limit"),
        ("--cpus 9999", "range of CPUs"),
        ("", "one or more flags"),
    ] {
        env.coracle(&format!("update {options} one")).fails().stderr_has(reason);
    }
    assert_eq!(env.inspect("one", "{{.HostConfig.Memory}}"), "33554432");
    // Nothing can change what processes have done to themselves.
    let id = env.run_detached("--limits=best-effort -m 64m IMAGE sleep 1000");
    env.coracle(&format!("update -m 32m --memory-swap -1 {id}"))
        .fails()
        .stderr_has("without a control group of its own cannot be changed");
    assert_eq!(env.inspect(&id, "{{.HostConfig.Memory}}"), "67108864");
}
