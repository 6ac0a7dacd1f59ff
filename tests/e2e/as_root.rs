//! Started by root it works too, with every id mapped to itself. `tests/run` runs these as root, the others as a user.

use crate::support::is_root;

#[test]
fn root_runs_containers() {
    if !is_root() {
        return crate::support::skip("these tests are for root");
    }
    let env = ready!(busybox);
    env.coracle("run --rm IMAGE id -u").succeeds().stdout_is("0\n");
    env.coracle("run --rm -u 1000 IMAGE id -u").succeeds().stdout_is("1000\n");
    let id = env.run_detached("--name one IMAGE sh -c 'echo ready; sleep 1000'");
    env.logged("one", "ready");
    env.coracle("exec one hostname").succeeds().stdout_is(&format!("{}\n", &id[..12]));
    env.coracle("stop -t 0 one").succeeds();
    env.coracle("start one").succeeds();
    env.coracle("rm -f one").succeeds();
    env.coracle("run --rm hello").succeeds();
    env.coracle("doctor").succeeds();
    env.coracle("rmi IMAGE").succeeds();
}

#[test]
fn root_keeps_the_owners_of_bind_mounts() {
    if !is_root() {
        return crate::support::skip("these tests are for root");
    }
    let env = ready!(busybox);
    let directory = env.mkdir("shared");
    env.coracle(&format!("run --rm -v {}:/data IMAGE sh -c 'touch /data/x; chown 1234 /data/x'", directory.display()))
        .succeeds();
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(directory.join("x")).expect("written"));
    assert_eq!(owner, 1234);
}

/// Runs coracle in a mount namespace in which there is no /dev/net/tun.
fn without_tun(env: &crate::support::env::Env, line: &str) -> crate::support::output::Output {
    let script = format!("mount -t tmpfs none /dev/net && exec {} {line}", env.program().display());
    env.tool("unshare", &["-m", "sh", "-c", &script]).run()
}

#[test]
fn a_container_without_a_way_out_says_so() {
    if !is_root() {
        return crate::support::skip("only root hides devices");
    }
    let env = ready!(busybox);
    let image = env.image();
    let run = without_tun(&env, &format!("run --rm {image} echo ran")).succeeds().stdout_is("ran\n");
    let run = run.stderr_has("not the outside: cannot make a TUN device").stderr_has("`coracle doctor`");
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    without_tun(&env, &format!("run --rm --network none {image} true")).succeeds().stderr_is("");
    without_tun(&env, "info").succeeds().stderr_has("not the outside");
    let doctor = without_tun(&env, "doctor").succeeds();
    doctor.stdout_has("warn  /dev/net/tun").stdout_has("warn  container networks").stdout_has("fix: sudo modprobe tun");
    assert!(!env.coracle("info").succeeds().stderr.contains("not the outside"));
}

#[test]
fn root_commits_and_exports() {
    if !is_root() {
        return crate::support::skip("these tests are for root");
    }
    let env = ready!(busybox);
    env.run_detached("--name one IMAGE sh -c 'echo text >/file; chown 1234 /file; echo done; exec sleep 1000'");
    env.logged("one", "done");
    for _ in 0..2 {
        let id = env.coracle("commit one").succeeds().line().to_owned();
        env.coracle(&format!("run --rm {id} stat -c %u /file")).succeeds().stdout_is("1234\n");
        env.coracle("diff one").succeeds().stdout_is("A /file\n");
        let archive = env.file("one.tar");
        env.coracle(&format!("export -o {} one", archive.display())).succeeds();
        let listed = env.tool("tar", &["tvf", &archive.display().to_string()]).run().succeeds();
        listed.stdout_has("1234/0").stdout_has("file");
        env.coracle("stop -t 0 one").succeeds();
    }
}

#[test]
fn root_copies() {
    if !is_root() {
        return crate::support::skip("these tests are for root");
    }
    let env = ready!(busybox);
    let file = env.write("file", "text");
    std::os::unix::fs::chown(&file, Some(1234), Some(1234)).expect("root may");
    env.coracle("create --name one IMAGE sh -c 'stat -c %u /plain /kept; exec sleep 1000'").succeeds();
    let from = file.display();
    env.coracle(&format!("cp {from} one:/plain")).succeeds();
    env.coracle(&format!("cp -a {from} one:/kept")).succeeds();
    env.coracle("start one").succeeds();
    env.logged("one", "0\n1234");
    let back = env.file("back");
    env.coracle(&format!("cp one:/kept {}", back.display())).succeeds();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(&back).expect("copied")), 0);
}
