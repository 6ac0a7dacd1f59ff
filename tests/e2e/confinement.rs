//! Walls that have no option: keyrings, refused sockets, ids, other users' directories and sockets, working directories.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::env::Env;
use crate::support::images::Image;
use crate::support::output::{Command, Output};
use crate::support::registry::Registry;
use crate::support::{eventually, is_root, probe};

/// coracle with these arguments, in a session keyring that holds the key `name`.
fn with_key(env: &Env, probe: &Path, name: &str, arguments: &[&str]) -> Output {
    let program = env.program().to_string_lossy().into_owned();
    let arguments = [&["with-key", name, &program][..], arguments].concat();
    env.tool(&probe.to_string_lossy(), &arguments).run()
}

/// Whether the kernel has a key of this name, as far as we may see it. The first column that is a number of hexadecimal
/// digits is its own, the last its name (proc_keys(5)).
fn key_exists(name: &str) -> bool {
    let keys = fs::read_to_string("/proc/keys").unwrap_or_default();
    keys.lines().any(|line| line.split_ascii_whitespace().any(|word| word.trim_end_matches(':') == name))
}

#[test]
fn keys_of_the_session_stay_with_the_user() {
    let env = ready!(busybox);
    let Some(probe) = probe::build(&env) else { return };
    let (image, mount) = (env.image(), format!("{}:/probe", probe.display()));
    let name = format!("coracle-test-{}", std::process::id());
    let control = env.tool(&probe.to_string_lossy(), &["with-key", &name, &probe.to_string_lossy(), "look", &name]);
    let control = control.run();
    if !control.stdout.starts_with("found") {
        return crate::support::skip("this kernel has no keyrings");
    }
    let run = |options: &[&str]| {
        let fixed = [&["run", "--rm", "-v", &mount][..], options, &[&image, "/probe", "look", &name]].concat();
        with_key(&env, &probe, &name, &fixed).succeeds().stdout.clone()
    };
    for options in [&["--privileged"][..], &["--security-opt", "seccomp=unconfined"], &["--privileged", "--init"]] {
        assert!(run(options).starts_with("absent "), "{options:?}: {}", run(options));
    }
    let fixed = ["run", "-d", "--name", "one", "--privileged", "-v", &mount, &image, "sleep", "1000"];
    with_key(&env, &probe, &name, &fixed).succeeds();
    let exec = || {
        let arguments = ["exec", "--privileged", "one", "/probe", "look", &name];
        let seen = with_key(&env, &probe, &name, &arguments).succeeds().stdout;
        assert!(seen.starts_with("absent "), "{seen}");
        seen
    };
    assert_ne!(exec(), exec(), "each has a keyring of its own");
    // The commands have ended: whoever still held their keyring would keep the key. Supervisor, netd and the server of the
    // file system do not.
    eventually("the key is gone with the session", || !key_exists(&name));
    env.coracle("exec one true").succeeds();
    no_quota_of_keys_stops_containers(&env, &probe);
}

/// All keys that the user may have are in use by the session that starts containers: they start, and do not see it. Part of
/// the test above, whose keys have room in no quota that is full.
fn no_quota_of_keys_stops_containers(env: &Env, probe: &Path) {
    let limit = fs::read_to_string("/proc/sys/kernel/keys/maxkeys").unwrap_or_default();
    let (program, probe) = (env.program().to_string_lossy(), probe.to_string_lossy());
    let limit = limit.trim();
    if is_root() || limit.parse::<u32>().is_ok_and(|limit| limit > 2000) {
        return crate::support::skip("this user may have more keys than a test should make");
    }
    let (image, mount, name) =
        (env.image(), format!("{probe}:/probe"), format!("coracle-quota-{}", std::process::id()));
    for options in [&["--privileged"][..], &["--security-opt", "seccomp=unconfined"]] {
        let run = [&["with-keys", &name, limit, &program, "run", "--rm", "-v", &mount], options].concat();
        let run = [&run[..], &[&image, "/probe", "look", &name]].concat();
        let mut ran = None;
        // Tests beside this one may have taken the room for the session's own keyring: then the probe says so.
        eventually("the session has room for its keyring", || {
            let output = env.tool(&probe, &run).run();
            let room = !output.stderr.starts_with("keyctl: ");
            ran = Some(output);
            room
        });
        let seen = ran.expect("it ran").succeeds().stdout;
        assert!(seen.starts_with("absent "), "{options:?}: {seen}");
        // The kernel gives the room back a moment after the last process of the session.
        let room = || env.tool(&probe, &["with-key", &name, &probe, "look", &name]).run().stdout.starts_with("found");
        eventually("there is room for keys again", room);
    }
}

#[test]
fn refused_address_families_are_refused_on_every_path() {
    let env = ready!(busybox);
    let Some(probe) = probe::build(&env) else { return };
    let mount = format!("{}:/probe", probe.display());
    let image = env.image();
    let run = |options: &[&str], family: &str| {
        let fixed = [&["run", "--rm", "-v", &mount][..], options, &[&image, "/probe", "sockets", family]].concat();
        env.argv(&fixed).succeeds().stdout
    };
    // AF_ALG and AF_VSOCK, also with all capabilities that an option gives.
    for family in ["38", "40"] {
        for options in [&[][..], &["--cap-add", "ALL"]] {
            for line in run(options, family).lines() {
                let wanted = if line.starts_with("socketcall") { "ENOSYS" } else { "EPERM" };
                assert!(line.ends_with(wanted), "family {family}, {options:?}: {line}");
            }
        }
    }
    let usual = run(&[], "1");
    assert!(usual.starts_with("socket open\nsocketpair open\n"), "{usual}");
    if cfg!(target_arch = "x86_64") {
        assert!(usual.contains("socket32 open\nsocketpair32 open\nsocketcall-socket ENOSYS\n"), "{usual}");
        // What an unconfined container may do is what the kernel has.
        assert!(run(&["--security-opt", "seccomp=unconfined"], "1").contains("socketcall-socket open\n"));
    }
}

#[test]
fn unsharing_what_is_no_namespace_is_allowed() {
    let env = ready!(busybox);
    env.coracle("run --rm IMAGE unshare true").succeeds();
    for flag in ["-U", "-m", "-p", "-n", "-u", "-i"] {
        env.coracle(&format!("run --rm IMAGE unshare {flag} true")).fails().stderr_has("not permitted");
    }
}

#[test]
fn ids_beyond_the_range_start_nothing() {
    let env = ready!(busybox);
    let said = "uids and gids must be in range 0-2147483647";
    for user in ["4294967295", "2147483648", "0:4294967295", "-1", "99999999999999999999"] {
        env.argv(&["run", "--rm", "--user", user, &env.image(), "id"])
            .fails_with(125)
            .explains()
            .stdout_is("")
            .stderr_has(said);
    }
    let registry = Registry::start();
    let image = registry.push(&Image::busybox().set("User", json!("4294967295")), "minus");
    let run = format!("run --rm --tls-verify=false {image} id");
    env.coracle(&run).fails_with(125).explains().stdout_is("").stderr_has(said);
    let id =
        env.run_detached("IMAGE sh -c 'echo minus:x:4294967295:0::/:/bin/sh >>/etc/passwd; echo ready; sleep 1000'");
    env.logged(&id, "ready");
    for user in ["minus", "4294967295", "root:4294967296"] {
        env.argv(&["exec", "-u", user, &id, "id"]).fails().explains().stdout_is("").stderr_has(said);
    }
    env.coracle("run --rm --userns=keep-id:uid=4294967295 IMAGE id").fails().explains().stderr_has(said);
    env.coracle("run --rm --tmpfs /run:uid=4294967295 IMAGE id").fails().explains().stderr_has(said);
}

#[test]
fn a_number_is_an_id_and_no_name() {
    let env = ready!(busybox);
    let script = "echo 1000:x:0:0::/:/bin/sh >/etc/passwd; echo 1000:x:0: >/etc/group; echo ready; sleep 1000";
    let id = env.run_detached(&format!("IMAGE sh -c '{script}'"));
    env.logged(&id, "ready");
    env.argv(&["exec", "-u", "1000:1000", &id, "id", "-u"]).succeeds().stdout_is("1000\n");
    env.argv(&["exec", "-u", "1000:1000", &id, "id", "-g"]).succeeds().stdout_is("1000\n");
}

#[test]
fn top_shows_the_containers_users() {
    let env = ready!(busybox);
    let id = env.run_detached("-u 1000:50 IMAGE sleep 1000");
    env.argv(&["exec", "-d", "-u", "1234:4321", &id, "sleep", "1001"]).succeeds();
    let show = || env.argv(&["top", &id, "-o", "uid,gid,user,group,args"]).succeeds().stdout;
    eventually("both processes show", || show().contains("sleep 1001"));
    let words: Vec<Vec<String>> =
        show().lines().skip(1).map(|line| line.split_whitespace().map(String::from).collect()).collect();
    assert!(words.contains(&["1000", "50", "user", "staff", "sleep", "1000"].map(String::from).to_vec()), "{words:?}");
    assert!(words.contains(&["1234", "4321", "1234", "4321", "sleep", "1001"].map(String::from).to_vec()), "{words:?}");
}

/// Runs a shell line as root of a user namespace with our subordinate ids, where 1000 is another user of the machine.
fn as_other(env: &Env, line: &str) -> Command {
    env.tool("unshare", &["--user", "--map-auto", "--map-root-user", "sh", "-c", line])
}

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
}

#[test]
fn directories_of_others_are_refused() {
    let env = ready!(busybox);
    if is_root() {
        return;
    }
    let directories = |name: &str| (env.mkdir(&format!("{name}/run")), env.mkdir(&format!("{name}/data")));
    for which in ["run", "data"] {
        let name = format!("theirs-{which}");
        let (run, data) = directories(&name);
        let theirs = env.file(&name).join(which).join("coracle");
        as_other(&env, &format!("mkdir {0} && chmod 777 {0} && chown 1000 {0}", theirs.display())).run().succeeds();
        for line in ["ps", "run --rm hello"] {
            let command = env.command(line).var("XDG_RUNTIME_DIR", &run).var("XDG_DATA_HOME", &data);
            command.run().fails().explains().stderr_has("belongs to another user");
        }
        // A link of theirs, and one of ours that leads there.
        as_other(&env, &format!("mv {0} {0}.moved && ln -s {0}.moved {0} && chown -h 1000 {0}", theirs.display()))
            .run()
            .succeeds();
        let refuses = |words: &str| {
            let command = env.command("ps").var("XDG_RUNTIME_DIR", &run).var("XDG_DATA_HOME", &data);
            command.run().fails().explains().stderr_has(words);
        };
        refuses("belongs to another user");
        as_other(&env, &format!("chown -h 0 {}", theirs.display())).run().succeeds();
        refuses("leads to a directory of another user");
    }
    let (run, data) = directories("open");
    let command = |line: &str| env.command(line).var("XDG_RUNTIME_DIR", &run).var("XDG_DATA_HOME", &data).run();
    command("run --rm hello").succeeds();
    for (directory, mode, words) in [
        (run.join("coracle"), 0o770, "is writable by others"),
        (data.join("coracle"), 0o702, "is writable by others"),
        (run.clone(), 0o777, "others may rename"),
    ] {
        allow(&directory, mode);
        command("run --rm hello").fails().explains().stderr_has(words).stderr_has("chmod");
        allow(&directory, 0o700);
    }
    command("run --rm hello").succeeds();
}

#[test]
fn sockets_are_the_users_and_ask_who_is_there() {
    let env = ready!(busybox);
    if is_root() {
        return;
    }
    let Some(probe) = probe::build(&env) else { return };
    let id = env.run_detached("--name one IMAGE sleep 1000");
    let mut sockets = Vec::new();
    for directory in ["containers", "netd"] {
        let list = fs::read_dir(env.runtime().join(directory)).expect("a directory of sockets");
        sockets.extend(
            list.map(|entry| entry.expect("an entry")).filter(|it| it.file_type().is_ok_and(|it| it.is_socket())),
        );
    }
    assert_eq!(sockets.len(), 2, "the supervisor's and netd's");
    for socket in &sockets {
        let mode = socket.metadata().expect("its attributes").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", socket.path().display());
    }
    // Were they open to others, whoever connects would be asked who it is. The ways there are opened for this test.
    let runtime = env.runtime();
    for directory in [env.root(), runtime.parent().expect("XDG_RUNTIME_DIR"), &runtime] {
        allow(directory, 0o755);
    }
    for socket in &sockets {
        allow(socket.path().parent().expect("a directory"), 0o755);
        allow(&socket.path(), 0o666);
        let (probe, path) = (probe.display(), socket.path());
        let line = format!("setpriv --reuid 1000 --regid 1000 --clear-groups {probe} connect {}", path.display());
        as_other(&env, &line).run().succeeds().stdout_is("closed\n");
    }
    env.coracle("exec one true").succeeds();
    // Somebody else listens where the supervisor did.
    let area = env.mkdir("area");
    allow(&area, 0o777);
    let fake = area.join("fake");
    let line =
        format!("exec setpriv --reuid 1000 --regid 1000 --clear-groups {} listen {}", probe.display(), fake.display());
    let listener = as_other(&env, &line).spawn();
    listener.prints("ready");
    let real = env.runtime().join("containers").join(&id[..32]);
    let kept = env.file("kept");
    fs::rename(&real, &kept).expect("ours");
    fs::rename(&fake, &real).expect("ours");
    for line in ["exec one true", "stop one", "attach one"] {
        env.coracle(line).fails().explains().stderr_has("another user is at the other end");
    }
    fs::rename(&kept, &real).expect("ours");
    env.coracle("exec one true").succeeds();
    listener.signal(Signal::SIGKILL);
    let _ = listener.wait();
}

#[test]
fn processes_of_ours_stay_in_no_directory() {
    let env = ready!(busybox);
    env.run_detached("--name one IMAGE sleep 1000");
    let mut ours = env.processes();
    ours.push(env.supervisor("one"));
    if env.processes().len() > 2 {
        ours.push(env.file_server("one"));
    }
    assert!(ours.len() > 2, "supervisor and netd at least: {ours:?}");
    for pid in ours {
        let cwd = fs::read_link(format!("/proc/{pid}/cwd")).expect("a process of ours");
        let name = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        assert_eq!(cwd, Path::new("/"), "{name:?}");
    }
}

#[test]
fn one_container_that_cannot_be_measured_hides_no_other() {
    let env = ready!(busybox);
    let Some(probe) = probe::build(&env) else { return };
    let mount = format!("{}:/probe", probe.display());
    let deep = ["run", "--name", "deep", "-v", &mount, &env.image(), "sh", "-c", "echo 12345 >/file; /probe deep 3000"];
    env.argv(&deep).succeeds();
    env.coracle("run --name plain IMAGE sh -c 'echo 1234567 >/file'").succeeds();
    let sizes = || env.argv(&["ps", "-a", "-s", "--format", "{{.Names}} {{.Size}}"]).succeeds();
    let shown = sizes().stderr_is("").stdout;
    assert!(shown.contains("deep 6B (virtual ") && shown.contains("plain 8B (virtual "), "{shown}");
    assert_eq!(env.argv(&["inspect", "-s", "-f", "{{.SizeRw}}", "deep"]).succeeds().line(), "6");
    let id = env.inspect("deep", "{{.Id}}");
    let upper = env.data().join("containers").join(id).join("upper");
    fs::rename(&upper, upper.with_file_name("away")).expect("ours");
    fs::write(&upper, "").expect("ours");
    let shown = sizes().stderr_has("cannot measure the container `deep`").stdout;
    assert!(shown.contains("deep unknown") && shown.contains("plain 8B (virtual "), "{shown}");
    env.coracle("inspect -s deep").fails().explains().stderr_has("cannot measure");
    fs::remove_file(&upper).expect("ours");
    fs::rename(upper.with_file_name("away"), &upper).expect("ours");
}
