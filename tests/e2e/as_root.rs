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

#[test]
fn root_maps_the_ids_of_a_mount() {
    if !is_root() {
        return crate::support::skip("these tests are for root");
    }
    let env = ready!(busybox);
    let data = env.mkdir("data");
    std::fs::write(data.join("file"), "").expect("ours");
    let line = |user: &str, options: &str| {
        env.coracle(&format!("run --rm {user} -v {}:/d:{options} IMAGE stat -c %u:%g /d/file", data.display()))
    };
    line("", "idmap=uids=0-1000-1;gids=0-1001-1").succeeds().stdout_is("1000:1001\n");
    line("", "idmap").succeeds().stdout_is("0:0\n");
    let moved = "--uidmap 0:70000:1000 --gidmap 0:80000:1000";
    line(moved, "rw").succeeds().stdout_is("65534:65534\n");
    line(moved, "idmap").succeeds().stdout_is("0:0\n");
    line(moved, "idmap=uids=@0-5-1;gids=@0-6-1").succeeds().stdout_is("5:6\n");
}

/// What is mounted below a source is not what was named.
#[test]
fn giving_a_source_away_leaves_the_mounts_below_it() {
    if !is_root() {
        return crate::support::skip("these tests are for root");
    }
    let env = ready!(busybox);
    let data = env.mkdir("data");
    std::fs::create_dir(data.join("m")).expect("ours");
    let run = format!(
        "{} --storage-driver overlay run --rm -u 9:9 -v {}:/d:U {}",
        env.program().display(),
        data.display(),
        env.image()
    );
    let look = "sh -c 'stat -c %u /d /d/m /d/m/x; touch /d/mine'";
    let script = format!("mount -t tmpfs none {0}/m && touch {0}/m/x && exec {run} {look}", data.display());
    let owners = env.tool("unshare", &["-m", "sh", "-c", &script]).run().succeeds();
    assert_eq!(owners.lines(), ["9", "0", "0"]);
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

/// Runs a script in a mount namespace of its own, in which `small` is a file system with these limits.
fn on_a_small_disk(env: &crate::support::env::Env, limits: &str, script: &str) -> crate::support::output::Output {
    let small = env.mkdir("small");
    let script = format!(
        "set -u; small={}; coracle=\"{} --root $small/data\"; mount -t tmpfs -o {limits} none $small && {script}",
        small.display(),
        env.program().display()
    );
    env.tool("unshare", &["-m", "sh", "-c", &script]).run()
}

/// Wherever the disk becomes full, the command says so, what is there stays whole, and the space is given back.
#[test]
fn a_full_disk_is_told_and_nothing_is_kept_of_what_did_not_fit() {
    if !is_root() {
        return crate::support::skip("only root mounts a small disk");
    }
    let env = ready!(busybox);
    let image = env.image();
    let archive = env.file("busybox.tar");
    env.coracle(&format!("save -o {} IMAGE", archive.display())).succeeds();
    let (mut failed, mut succeeded) = (0, 0);
    let limits = ["size=100k", "size=300k", "size=700k", "size=1100k", "size=1500k", "size=64m"].map(String::from);
    // Few files: the disk is full at another step each time.
    let inodes = (6..60).step_by(4).map(|count| format!("size=64m,nr_inodes={count}"));
    for limit in limits.into_iter().chain(inodes) {
        for command in [format!("pull -q {image}"), format!("load -q -i {}", archive.display())] {
            // Again on a larger disk; with what is left from before it must come to the same.
            let script = format!(
                "if $coracle {command} >/dev/null 2>$small.err; then echo fits; else echo full; fi; cat $small.err >&2; \
                 $coracle images -q --no-trunc | sort -u | wc -l; \
                 $coracle system check --repair --max 0s | grep -c damage; \
                 find $small -type f -size +64k | grep -v /layers/ | wc -l; \
                 mount -o remount,size=64m,nr_inodes=0 $small && $coracle {command} >/dev/null && $coracle system check --max 0s && echo whole"
            );
            let output = on_a_small_disk(&env, &limit, &script);
            let lines = output.lines();
            let told = output.stderr.to_lowercase().contains("no space left on device");
            match lines.first() {
                Some(&"full") => {
                    assert!(told, "{command} on {limit}: {output:?}");
                    assert_eq!(lines[1..], ["0", "0", "0", "whole"], "{command} on {limit}: {output:?}");
                    failed += 1;
                }
                _ => {
                    assert_eq!(lines, ["fits", "1", "0", "0", "whole"], "{command} on {limit}: {output:?}");
                    succeeded += 1;
                }
            }
        }
    }
    assert!(failed > 10 && succeeded > 1, "{failed} did not fit, {succeeded} did");
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
