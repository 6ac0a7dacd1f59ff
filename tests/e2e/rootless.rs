//! Set-up that explains itself: `doctor`, and one clear error for each thing that a machine can lack.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use crate::support::env::Env;
use crate::support::is_root;

/// Runs a shell line as our user in a private mount namespace, where `prepare` has changed the machine before.
fn altered(env: &Env, prepare: &str, line: &str) -> crate::support::output::Output {
    let script = format!(
        "set -e; {prepare}; exec setpriv --reuid 1000 --regid 1000 --clear-groups {} {line}",
        env.program().display()
    );
    // Inside, id 1000 is a subordinate id, which is why its directories are others than ours.
    env.tool("unshare", &["--user", "--map-auto", "--map-root-user", "--mount", "sh", "-c", &script])
        .var("XDG_DATA_HOME", env.file("other/data"))
        .var("XDG_RUNTIME_DIR", env.file("other/run"))
        .var("XDG_CONFIG_HOME", env.file("other/config"))
        .var("HOME", env.file("other"))
        .run()
}

/// The preparation that gives the altered user its directories.
fn directories(env: &Env) -> String {
    let other = env.file("other");
    format!("mkdir -p {0}/data {0}/run; chown -R 1000:1000 {0}; chmod 700 {0}/run", other.display())
}

#[test]
fn doctor_finds_a_good_machine_good() {
    let env = ready!(busybox);
    let output = env.coracle("doctor").succeeds();
    for subject in ["user namespace", "subordinate", "newuidmap", "overlay", "cgroup"] {
        assert!(output.stdout.to_lowercase().contains(subject), "{subject} is not in\n{}", output.stdout);
    }
}

#[test]
fn the_id_map_programs_are_missing() {
    let env = ready!();
    if is_root() {
        return;
    }
    let empty = env.mkdir("empty");
    env.command("doctor")
        .var("PATH", &empty)
        .run()
        .fails()
        .explains_on_stdout("newuidmap")
        .explains_on_stdout("uidmap");
    let output = env.command("run --rm hello").var("PATH", &empty).run().fails_with(125).explains();
    assert!(output.stderr.contains("newuidmap") && output.stderr.contains("install"), "{}", output.stderr);
}

#[test]
fn no_subordinate_ids() {
    let env = ready!();
    if is_root() {
        return;
    }
    let prepare =
        format!("{}; mount --bind /dev/null /etc/subuid; mount --bind /dev/null /etc/subgid", directories(&env));
    altered(&env, &prepare, "doctor").fails().explains_on_stdout("/etc/subuid").explains_on_stdout("/etc/subgid");
    // Root alone: what the image has belongs to it, whatever its owners are, and nobody else can be.
    let said = "you have no subordinate ids";
    altered(&env, &prepare, "run --rm hello").succeeds().stderr_has(said);
    // From now on the directories are there, and whoever clears up in the background may be at work in them.
    let prepare = "mount --bind /dev/null /etc/subuid; mount --bind /dev/null /etc/subgid".to_owned();
    let quiet = altered(&env, &prepare, "run --rm hello").succeeds();
    assert!(!quiet.stderr.contains(said), "it is said once: {}", quiet.stderr);
    let image = crate::support::registry::Registry::shared("busybox").name("busybox");
    for driver in ["overlay", "fuse"] {
        let options = format!("--storage-driver {driver} run --rm --pull always --tls-verify=false");
        let script = "id -u; touch /root/x; cat /proc/self/uid_map; chmod 4755 /root/x; stat -c '%u %a' /root/x";
        let output = altered(&env, &prepare, &format!("{options} {image} sh -c \"{script}\"")).succeeds();
        assert!(output.stdout.starts_with("0\n") && output.stdout.ends_with("\n0 4755\n"), "{}", output.stdout);
        altered(&env, &prepare, &format!("{options} -u 33 {image} true")).fails_with(125).explains();
    }
}

#[test]
fn owners_are_kept_until_there_are_subordinate_ids() {
    let env = ready!();
    if is_root() {
        return;
    }
    if let Err(reason) = crate::support::images::can_make("debian") {
        return crate::support::skip(&reason);
    }
    let image = crate::support::registry::Registry::shared("debian").name("debian");
    // As this very user, without subordinate ids.
    let alone = |line: &str| {
        let hide = "mount --bind /dev/null /etc/subuid; mount --bind /dev/null /etc/subgid";
        let (uid, gid) = (nix::unistd::getuid(), nix::unistd::getgid());
        let again = format!("unshare --user --map-user={uid} --map-group={gid}");
        let script = format!("set -e; {hide}; exec {again} {} {line}", env.program().display());
        env.tool("unshare", &["--user", "--map-root-user", "--mount", "sh", "-c", &script]).run()
    };
    let script = "sh -c 'stat -c %u:%g:%a /etc/shadow; cat /etc/shadow >/dev/null; chmod 644 /etc/shadow'";
    let run = format!("run --rm --pull never {image} {script}");
    alone(&format!("pull -q --tls-verify=false {image}")).succeeds();
    alone(&run).succeeds().stdout_is("0:0:640\n");
    // Their time has come: no pull, no chown.
    env.coracle(&run).succeeds().stdout_is("0:42:640\n");
}

#[test]
fn user_namespaces_are_forbidden() {
    let env = ready!();
    if is_root() {
        return;
    }
    let prepare = format!("{}; echo 0 >/proc/sys/user/max_user_namespaces", directories(&env));
    altered(&env, &prepare, "doctor").fails().explains_on_stdout("user.max_user_namespaces");
}

#[test]
fn directories_that_cannot_be_written() {
    let env = ready!();
    if is_root() {
        return;
    }
    let locked = env.mkdir("locked");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o500)).expect("ours");
    for variable in ["XDG_DATA_HOME", "XDG_RUNTIME_DIR"] {
        for line in ["run --rm hello", "pull 127.0.0.1:1/x"] {
            let output = env.command(line).var(variable, &locked).run().fails().explains();
            if line.starts_with("run") || variable == "XDG_DATA_HOME" {
                assert!(output.stderr.contains("locked"), "{variable}: the directory is not named\n{}", output.stderr);
            }
        }
        env.command("doctor").var(variable, &locked).run().fails().explains_on_stdout("locked");
    }
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o700)).expect("ours");
}

#[test]
fn without_a_runtime_directory() {
    let env = ready!(busybox);
    // No session manager made one (su, cron): it works, or says what to set.
    let output = env.command("run --rm IMAGE echo works").without_var("XDG_RUNTIME_DIR").run();
    assert!(
        output.stdout == "works\n" || (output.code() == 125 && output.stderr.contains("XDG_RUNTIME_DIR")),
        "{output:?}"
    );
}

#[test]
fn hello_needs_no_network_and_reports() {
    let env = ready!();
    let output = env.coracle("run --rm hello").succeeds();
    for subject in ["uid", "pid", "host", "mount", "coracle run"] {
        assert!(output.stdout.to_lowercase().contains(subject), "{subject} is not in\n{}", output.stdout);
    }
    env.coracle("ps -aq").succeeds().stdout_is("");
}

#[test]
fn commands_on_metadata_work_before_anything_was_made() {
    let env = ready!();
    for line in ["ps -aq", "images -q"] {
        env.coracle(line).succeeds().stdout_is("");
    }
    for line in ["info", "version", "ps -a", "images"] {
        env.coracle(line).succeeds();
    }
}

/// A directory to put first into PATH, whose `program` is this shell script. The other helper is the machine's own.
fn fake_helper(env: &Env, program: &str, script: &str) -> String {
    let directory = env.mkdir("fake");
    let path = env.write(&format!("fake/{program}"), format!("#!/bin/sh\n{script}\n"));
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("ours");
    format!("{}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", directory.display())
}

#[test]
fn an_id_map_program_is_killed() {
    let env = ready!(busybox);
    if is_root() {
        return;
    }
    let cases = [
        ("kill -9 $$", "`newgidmap` was killed by SIGKILL"),
        // The process that runs both.
        ("kill -9 $PPID", "the id-map helper was killed by SIGKILL"),
        ("exit 3", "`newgidmap` failed with status 3"),
        // It says that it has, and has not.
        ("exit 0", "has 0 group ids instead of 65537"),
    ];
    for (script, said) in cases {
        let path = fake_helper(&env, "newgidmap", script);
        env.command("run --rm IMAGE true").var("PATH", &path).run().fails_with(125).explains().stderr_has(said);
        env.command("run -d --name one IMAGE sleep 1000").var("PATH", &path).run().fails_with(125).stderr_has(said);
        // Nobody meets what is left of it.
        env.coracle("rm one").succeeds();
        env.coracle("run --rm IMAGE id -u").succeeds().stdout_is("0\n");
        super::crash::kill_netd(&env);
    }
}

#[test]
fn an_id_map_program_hangs() {
    let env = ready!(busybox);
    if is_root() {
        return;
    }
    let path = fake_helper(&env, "newuidmap", "exec sleep 1000");
    let begun = Instant::now();
    env.command("run --rm IMAGE true")
        .var("PATH", &path)
        .run()
        .fails_with(125)
        .stderr_has("`newuidmap` did not end within 10 seconds")
        .stderr_has("directory service");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    env.coracle("run --rm IMAGE echo well").succeeds().stdout_is("well\n");
}

/// A namespace that lacks a map, as one whose helper was killed, is none to join: another one is made in its place.
#[test]
fn a_namespace_without_a_map_is_replaced() {
    let env = ready!(busybox);
    if is_root() {
        return;
    }
    env.coracle("ps").succeeds();
    env.coracle("run --rm IMAGE true").succeeds();
    super::crash::kill_netd(&env);
    let gid = nix::unistd::getgid().as_raw();
    let uid = nix::unistd::getuid().as_raw();
    let (uid_map, gid_map) =
        (format!("echo 0 {uid} 1 >/proc/$PPID/uid_map"), format!("echo 0 {gid} 1 >/proc/$PPID/gid_map"));
    for map in ["true".to_owned(), uid_map, format!("echo deny >/proc/$PPID/setgroups; {gid_map}")] {
        let keeper = env.tool("unshare", &["--user", "sh", "-c", "echo ready; read line"]).open_stdin().spawn();
        keeper.prints("ready");
        let pid = keeper.pid();
        // From outside, as an unprivileged parent may.
        let written = env.tool("sh", &["-c", &map.replace("$PPID", &pid.to_string())]).run().succeeds();
        drop(written);
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
        let start = stat[stat.rfind(')').expect("a name") + 1..].split_whitespace().nth(19).expect("a start time");
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("Linux has one");
        let record = env.runtime().join("keepers").join(format!("{pid}-{start}-{}", boot.trim()));
        fs::write(&record, "").expect("our directory");
        env.coracle("run --rm IMAGE sh -c 'id -u; id -g'").succeeds().stdout_is("0\n0\n");
        env.run_detached("--name one IMAGE sleep 1000");
        let namespace = |pid: nix::unistd::Pid| fs::read_link(format!("/proc/{pid}/ns/user")).expect("it lives");
        assert_ne!(namespace(env.supervisor("one")), namespace(pid));
        env.coracle("rm -f one").succeeds();
        super::crash::kill_netd(&env);
    }
}

#[test]
fn unshare_runs_a_program_in_the_namespace_of_the_files() {
    let env = ready!(busybox);
    env.coracle("unshare id -u").succeeds().stdout_is("0\n");
    env.coracle("unshare sh -c 'exit 3'").fails_with(3);
    env.coracle("unshare nosuch-program").fails_with(127).stderr_has("cannot run `nosuch-program`");
    env.command("unshare").var("SHELL", "/bin/true").run().succeeds();
    // What only another user of a container may touch can be removed.
    let directory = env.mkdir("made");
    let make = "sh -c 'mkdir /d/x && touch /d/x/file && chown -R 33:33 /d/x && chmod 700 /d/x'";
    env.coracle(&format!("run --rm -v {}:/d IMAGE {make}", directory.display())).succeeds();
    assert!(std::fs::remove_dir_all(directory.join("x")).is_err(), "it is another user's");
    env.coracle(&format!("unshare ls {}", directory.join("x").display())).succeeds().stdout_is("file\n");
    env.coracle(&format!("unshare rm -rf {}", directory.join("x").display())).succeeds();
    assert!(!directory.join("x").exists());
    // While containers run it is the same namespace, and it keeps nothing alive afterwards.
    env.run_detached("--name web IMAGE sleep 1000");
    let theirs = std::fs::read_link(format!("/proc/{}/ns/user", env.supervisor("web"))).expect("it runs");
    env.coracle("unshare readlink /proc/self/ns/user").succeeds().stdout_is(&format!("{}\n", theirs.display()));
}
