//! `cp`: docker's rules for where things go, and containers that would have them go elsewhere.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use crate::support::env::Env;
use crate::support::is_root;

/// A container that runs, and one that does not.
fn containers(env: &Env) -> [&'static str; 2] {
    let made = "mkdir -p /d/sub /empty; echo one >/d/file; echo two >/d/sub/file; ln -s file /d/link; \
                ln -s /nowhere /d/dangling; ln -s /d /dirlink; echo plain >/file; mkfifo /d/fifo; echo ready";
    env.run_detached(&format!("--name runs IMAGE sh -c '{made}; exec sleep 1000'"));
    env.logged("runs", "ready");
    env.coracle(&format!("run --name stopped IMAGE sh -c '{made}'")).succeeds();
    ["runs", "stopped"]
}

/// What is in a container.
fn inside(env: &Env, container: &str, look: &str) -> String {
    if container == "runs" {
        return env.coracle(&format!("exec runs sh -c '{look}'")).succeeds().stdout;
    }
    let image = env.coracle(&format!("commit {container}")).succeeds().line().to_owned();
    env.coracle(&format!("run --rm {image} sh -c '{look}'")).succeeds().stdout
}

#[test]
fn out_of_a_container() {
    let env = ready!(busybox);
    for container in containers(&env) {
        let place = env.mkdir(&format!("out-{container}"));
        let read = |name: &str| fs::read_to_string(place.join(name)).unwrap_or_else(|error| format!("{name}: {error}"));
        let cp = |from: &str, to: &str| env.coracle(&format!("cp {container}:{from} {}/{to}", place.display()));
        cp("/file", "new").succeeds().stdout_is("").stderr_is("");
        cp("file", "").succeeds();
        assert_eq!((read("new"), read("file")), ("plain\n".into(), "plain\n".into()));
        cp("/file", "new/").fails_with(1).explains();
        cp("/file", "absent/").fails_with(1).stderr_has("must exist");
        cp("/file", "absent/x").fails_with(1).stderr_has("does not exist");
        cp("/d", "file").fails_with(1).stderr_has("cannot copy a directory");
        // A directory that is there, one that is not, and what is in one.
        cp("/d", "").succeeds();
        cp("/d", "fresh").succeeds();
        cp("/d/", "slash").succeeds();
        fs::create_dir(place.join("contents")).expect("ours");
        cp("/d/.", "contents").succeeds();
        cp("/d/.", "made").succeeds();
        for directory in ["d", "fresh", "slash", "contents", "made"] {
            assert_eq!(read(&format!("{directory}/sub/file")), "two\n");
            assert_eq!(fs::read_link(place.join(directory).join("link")).expect("a link").to_str(), Some("file"));
        }
        // Links at the end.
        cp("/dirlink", "aslink").succeeds();
        assert!(place.join("aslink").is_symlink());
        env.coracle(&format!("cp -L {container}:/dirlink {}/followed", place.display())).succeeds();
        cp("/dirlink/.", "through").succeeds();
        assert_eq!((read("followed/file"), read("through/file")), ("one\n".into(), "one\n".into()));
        cp("/nosuch", "x").fails_with(1).stderr_has("could not find the file `/nosuch`");
        // Kinds do not replace each other unless they are told to.
        fs::create_dir_all(place.join("mixed/file/in")).expect("ours");
        cp("/file", "mixed").fails_with(1).stderr_has("cannot overwrite directory");
        env.coracle(&format!("cp --overwrite {container}:/file {}/mixed", place.display())).succeeds();
        assert_eq!(read("mixed/file"), "plain\n");
    }
    env.coracle("cp nosuch:/x /tmp").fails_with(1).stderr_has("no such container");
    env.coracle("cp /a /b").fails_with(1).stderr_has("at least one container");
    env.coracle("cp runs:/file").fails_with(1).stderr_has("requires 2 arguments");
}

#[test]
fn into_a_container() {
    let env = ready!(busybox);
    let source = env.mkdir("src");
    fs::create_dir(source.join("in")).expect("ours");
    fs::write(source.join("in/file"), "new\n").expect("ours");
    fs::write(source.join("tool"), "#!/bin/sh\n").expect("ours");
    fs::set_permissions(source.join("tool"), fs::Permissions::from_mode(0o4755)).expect("ours");
    symlink("tool", source.join("link")).expect("ours");
    let from = source.display();
    for container in containers(&env) {
        let cp = |from: &str, to: &str| env.coracle(&format!("cp {from} {container}:{to}"));
        cp(&format!("{from}/tool"), "/empty").succeeds();
        cp(&format!("{from}/tool"), "/file").succeeds();
        cp(&format!("{from}/tool"), "/empty/x/").fails_with(1).stderr_has("must exist");
        cp(&format!("{from}/tool"), "/nosuch/x").fails_with(1).stderr_has("does not exist");
        cp(&from.to_string(), "/empty").succeeds();
        cp(&from.to_string(), "/fresh").succeeds();
        cp(&format!("{from}/."), "/dirlink").succeeds();
        cp(&from.to_string(), "/file").fails_with(1).stderr_has("cannot copy a directory");
        // A link at the destination is followed.
        cp(&format!("{from}/in/file"), "/d/link").succeeds();
        let look = "stat -c \"%a %u:%g\" /empty/tool /file; cat /empty/src/in/file /fresh/in/file /d/in/file /d/tool; \
                    readlink /fresh/link; readlink /d/link; stat -c %u /d/in";
        let expected = "4755 0:0\n4755 0:0\nnew\nnew\nnew\nnew\ntool\ntool\n0\n";
        assert_eq!(inside(&env, container, look), expected, "{container}");
    }
    let uid = fs::metadata(&source).expect("ours").uid();
    env.coracle(&format!("cp -a {from}/tool runs:/kept")).succeeds();
    env.coracle("exec runs stat -c %u /kept").succeeds().stdout_is(&format!("{uid}\n"));
}

#[test]
fn archives_and_other_containers() {
    let env = ready!(busybox);
    let [runs, stopped] = containers(&env);
    let archive = env.file("d.tar");
    let program = env.program().display().to_string();
    let sh = |script: &str| env.tool("sh", &["-c", &script.replace("CORACLE", &program)]).run();
    sh(&format!("CORACLE cp {runs}:/d - >{}", archive.display())).succeeds();
    let listed = env.tool("tar", &["tf", &archive.display().to_string()]).run().succeeds();
    assert_eq!(listed.stdout, "d/\nd/dangling\nd/fifo\nd/file\nd/link\nd/sub/\nd/sub/file\n");
    for container in [runs, stopped] {
        sh(&format!("CORACLE cp - {container}:/empty <{}", archive.display())).succeeds();
        assert_eq!(inside(&env, container, "cat /empty/d/sub/file; test -p /empty/d/fifo && echo fifo"), "two\nfifo\n");
        sh(&format!("CORACLE cp - {container}:/file <{}", archive.display())).fails().stderr_has("must be a directory");
        sh(&format!("CORACLE cp - {container}:/empty </dev/null")).fails().explains();
    }
    env.coracle(&format!("cp {runs}:/d/sub {stopped}:/other")).succeeds();
    env.coracle(&format!("cp {stopped}:/other {runs}:/other")).succeeds();
    env.coracle(&format!("cp {runs}:/other {runs}:/again")).succeeds();
    assert_eq!(inside(&env, runs, "cat /again/file"), "two\n");
    env.terminal(&format!("cp {runs}:/d -")).wait().exits_with(1).stdout_has("cowardly refusing");
    let said = env.terminal(&format!("cp {runs}:/file {}", env.root().join("said").display())).wait();
    said.exits_with(0).stdout_has("Successfully copied 2.05kB to ").stdout_has("said");
}

/// Volumes, directories of the host and memory: through the mounts of one that runs, by the record of one that does not.
#[test]
fn through_mounts() {
    let env = ready!(busybox);
    let host = env.mkdir("host");
    let file = env.write("file", "text\n");
    let mounts = format!("-v vol:/vol -v {}:/host -v {}:/fixed:ro --tmpfs /mem", host.display(), host.display());
    env.run_detached(&format!("--name runs {mounts} IMAGE sleep 1000"));
    env.coracle(&format!("create --name stopped {mounts} IMAGE cat /vol/file /host/file")).succeeds();
    for container in ["runs", "stopped"] {
        for place in ["/vol/file", "/host/file"] {
            env.coracle(&format!("cp {} {container}:{place}", file.display())).succeeds();
        }
        env.coracle(&format!("cp {} {container}:/fixed/x", file.display())).fails_with(1).stderr_has("read-only");
        let back = env.file(&format!("back-{container}"));
        env.coracle(&format!("cp {container}:/vol/file {}", back.display())).succeeds();
        assert_eq!(fs::read_to_string(back).expect("copied"), "text\n");
    }
    assert_eq!(fs::read_to_string(host.join("file")).expect("through the mount"), "text\n");
    env.coracle(&format!("cp {} runs:/mem/file", file.display())).succeeds();
    env.coracle("exec runs cat /mem/file").succeeds().stdout_is("text\n");
    env.coracle("start -a stopped").succeeds().stdout_is("text\ntext\n");
    // A read-only root takes nothing, its volumes do.
    env.coracle("create --name fixed --read-only -v vol2:/vol IMAGE true").succeeds();
    env.coracle(&format!("cp {} fixed:/new", file.display())).fails_with(1).stderr_has("read-only");
    env.coracle(&format!("cp {} fixed:/vol/new", file.display())).succeeds();
    // The kernel's files are not copied with the root.
    let root = env.mkdir("whole");
    env.coracle(&format!("cp runs:/ {}", root.display())).succeeds();
    assert!(
        root.join("bin/busybox").exists() && fs::read_dir(root.join("proc")).expect("a directory").next().is_none()
    );
}

/// What belongs to the host is out of reach, whatever links a container has.
#[test]
fn links_lead_nowhere_else() {
    let env = ready!(busybox);
    let secret = env.write("secret", "secret");
    let victim = env.write("victim", "untouched");
    let (to_secret, to_victim) = (secret.display(), victim.display());
    let root = env.root().display();
    let links = format!(
        "ln -s {to_secret} /secret; ln -s /../../..{to_secret} /dots; ln -s {root} /dir; ln -s {to_victim} /victim; \
         ln -s /proc/self/root /magic; ln -s /proc/1/root{root} /proc1; ln -s /proc/self/fd /fds; echo ready"
    );
    env.run_detached(&format!("--name runs IMAGE sh -c '{links}; exec sleep 1000'"));
    env.logged("runs", "ready");
    env.coracle(&format!("run --name stopped IMAGE sh -c '{links}'")).succeeds();
    let file = env.write("file", "overwritten");
    for container in ["runs", "stopped"] {
        let out = env.mkdir(&format!("out-{container}"));
        for path in ["/secret", "/dots", "/dir/secret", "/magic/etc/hostname", "/fds/0", "/fds/3"] {
            env.coracle(&format!("cp -L {container}:{path} {}", out.display())).fails();
        }
        env.coracle(&format!("cp -L {container}:/proc1/secret {}", out.display())).fails();
        assert_eq!(fs::read_dir(&out).expect("ours").count(), 0);
        for path in ["/victim", "/dir/victim", "/magic/x", "/proc1/victim", "/../../../..", "/fds/3"] {
            let _ = env.coracle(&format!("cp {} {container}:{path}", file.display()));
        }
        assert_eq!(fs::read_to_string(&victim).expect("ours"), "untouched");
    }
    // On this side, links of the destination lead where the user made them, but not those that were just copied.
    env.coracle("exec runs sh -c 'mkdir /evil; ln -s /tmp /evil/d'").succeeds();
    let out = env.mkdir("here");
    env.coracle(&format!("cp runs:/evil {}", out.display())).succeeds();
    env.coracle("exec runs sh -c 'rm /evil/d; mkdir /evil/d; echo x >/evil/d/planted-by-a-container'").succeeds();
    env.coracle(&format!("cp runs:/evil {}", out.display())).fails_with(1).stderr_has("cannot overwrite non-directory");
    assert!(!std::path::Path::new("/tmp/planted-by-a-container").exists());
}

/// CVE-2018-15664: a directory that is exchanged for a link while it is copied to and from.
#[test]
fn exchanging_a_directory_for_a_link_meanwhile() {
    let env = ready!(busybox);
    let target = env.mkdir("target");
    fs::write(target.join("file"), "secret").expect("ours");
    let exchange = format!(
        "mkdir /w; cd /w; mkdir real; echo inside >real/file; ln -s {} link; echo ready; \
         while :; do mv real x; mv link real; mv real link; mv x real; done",
        target.display()
    );
    env.argv(&["run", "-d", "--name", "one", &env.image(), "sh", "-c", &exchange]).succeeds();
    env.logged("one", "ready");
    let source = env.mkdir("evil");
    fs::write(source.join("planted"), "planted").expect("ours");
    for round in 0..25 {
        let out = env.file(&format!("out{round}"));
        let _ = env.coracle(&format!("cp one:/w/real/file {}", out.display()));
        assert!(fs::read_to_string(&out).map_or(true, |text| text == "inside\n"), "round {round}");
        let tree = env.file(&format!("tree{round}"));
        let _ = env.coracle(&format!("cp one:/w {}", tree.display()));
        let _ = env.coracle(&format!("cp {}/. one:/w/real", source.display()));
        let names: Vec<_> = fs::read_dir(&target).expect("ours").flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(names, ["file"], "round {round}");
    }
    assert_eq!(fs::read_to_string(target.join("file")).expect("ours"), "secret");
}

/// What a container has made is the user's on the host, and cannot run as somebody.
#[test]
fn what_arrives_is_the_users() {
    let env = ready!(busybox);
    env.coracle("run --name one IMAGE sh -c 'echo x >/file; chown 5:6 /file; chmod 6755 /file; chmod 700 /root'")
        .succeeds();
    let out = env.file("file");
    env.coracle(&format!("cp -a one:/file {}", out.display())).succeeds();
    let metadata = fs::metadata(&out).expect("copied");
    assert_eq!((metadata.uid(), metadata.mode() & 0o7777), (fs::metadata(env.root()).expect("ours").uid(), 0o755));
    if !is_root() {
        env.run_detached("--name two --userns keep-id IMAGE sleep 1000");
        env.coracle(&format!("cp {} two:/tmp/in", out.display())).succeeds();
        env.coracle("exec two stat -c %u /tmp/in").succeeds().stdout_is("0\n");
        env.coracle(&format!("cp -a {} two:/tmp/kept", out.display())).succeeds();
        let uid = format!("{}\n", metadata.uid());
        env.coracle("exec two stat -c %u /tmp/kept").succeeds().stdout_is(&uid);
    }
}

/// What a start would show at a mount is what `cp` reaches in a container that does not run: a part of a volume, and no
/// more; and what is discarded with each run is not written to the user's directory.
#[test]
fn mounts_of_a_part_and_mounts_that_are_discarded() {
    let env = ready!(busybox);
    let (here, file) = (env.mkdir("here"), env.write("new", "new"));
    fs::write(here.join("old"), "old").expect("ours");
    env.coracle("run --rm -v data:/d IMAGE sh -c 'mkdir /d/part; ln -s /etc /d/out; echo whole >/d/whole'").succeeds();
    let mount = "--mount type=volume,src=data,dst=/part,volume-subpath=part";
    env.coracle(&format!("create --name one -v {}:/here:O {mount} IMAGE cat /part/new", here.display())).succeeds();
    env.coracle(&format!("cp {} one:/part/new", file.display())).succeeds();
    env.coracle("run --rm -v data:/d IMAGE sh -c 'cat /d/part/new; ls /d'")
        .succeeds()
        .stdout_is("newout\npart\nwhole\n");
    env.coracle("start -a one").succeeds().stdout_is("new");
    let out = env.file("copied");
    env.coracle(&format!("cp one:/here/old {}", out.display())).succeeds();
    assert_eq!(fs::read_to_string(&out).expect("copied"), "old");
    env.coracle(&format!("cp {} one:/here/new", file.display())).fails_with(1).stderr_has("read-only");
    assert!(!here.join("new").exists());
}
