//! `diff`, `commit` and `export`: what a container has changed, and nothing else.

use std::path::Path;

/// Changes of every kind.
const CHANGES: &str = "echo new >/new; mkdir -p /d/e; echo x >/d/e/f; ln /new /d/hard; ln -s /new /d/soft; \
     rm /etc/group; chown 12:34 /d/e/f; chmod 4711 /d/e/f; mkfifo /d/fifo; rm -r /bin/../opt 2>/dev/null; \
     dd if=/dev/zero of=/d/sparse bs=1 count=1 seek=10000000 2>/dev/null; printf x >>/etc/passwd";

fn tar_list(archive: &Path) -> String {
    let output = std::process::Command::new("tar").arg("tvf").arg(archive).output().expect("tar");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn diff_shows_what_was_changed_and_no_mounts() {
    let env = ready!(busybox);
    env.coracle(&format!("run --name one -v /mounted -v vol:/vol IMAGE sh -c '{CHANGES}; echo v >/mounted/x'"))
        .succeeds();
    let expected = "A /d\nA /d/e\nA /d/e/f\nA /d/fifo\nA /d/hard\nA /d/soft\nA /d/sparse\nC /etc\nD /etc/group\n\
                    C /etc/passwd\nA /new\n";
    env.coracle("diff one").succeeds().stdout_is(expected);
    env.coracle("container diff one").succeeds().stdout_is(expected);
    let json = env.coracle("diff --format json one").succeeds().json();
    assert_eq!((json["deleted"][0].as_str(), json["added"].as_array().map(Vec::len)), (Some("/etc/group"), Some(8)));
    env.coracle("diff --format yaml one").fails_with(1).stderr_has("only supported value");
    env.coracle("diff nosuch").fails_with(1).stderr_has("no such container");
    // Nothing changed, and one that runs.
    env.run_detached("--name two IMAGE sleep 1000");
    env.coracle("diff two").succeeds().stdout_is("");
    env.coracle("exec two sh -c 'mkdir /tmp/x; touch /tmp/x/y; cat /etc/group >/dev/null'").succeeds();
    env.coracle("diff two").succeeds().stdout_has("A /tmp/x\nA /tmp/x/y\n");
}

#[test]
fn names_of_a_container_do_not_reach_the_terminal() {
    let env = ready!(busybox);
    env.argv(&["run", "--name", "one", &env.image(), "sh", "-c", "touch \"$(printf '/a\\nD b\\033[2J')\""]).succeeds();
    let output = env.coracle("diff one").succeeds();
    assert_eq!(output.lines().len(), 1, "{output:?}");
    assert!(!output.stdout.contains('\u{1b}'));
}

#[test]
fn a_commit_is_an_image_of_what_was_changed() {
    let env = ready!(busybox);
    env.coracle(&format!(
        "run --name one -v /mounted -v vol:/vol -e SET=1 IMAGE sh -c '{CHANGES}; echo v >/mounted/x'"
    ))
    .succeeds();
    let changes = "-a Ann -m words -c 'CMD [\"cat\", \"/new\"]' -c 'ENV MORE=2'";
    let line = format!("commit {changes} --iidfile {} one made:1", env.file("iid").display());
    let id = env.coracle(&line).succeeds().line().to_owned();
    assert_eq!(std::fs::read_to_string(env.file("iid")).expect("written"), id);
    env.coracle("run --rm made:1").succeeds().stdout_is("new\n");
    let look = "stat -c \"%a %u %g\" /d/e/f; stat -c %h /new; readlink /d/soft; test -p /d/fifo && echo fifo; \
                test -e /etc/group || echo gone; test -e /mounted || echo no mount; stat -c %s /d/sparse; echo $SET$MORE";
    env.coracle(&format!("run --rm made:1 sh -c '{look}'"))
        .succeeds()
        .stdout_is("4711 12 34\n2\n/new\nfifo\ngone\nno mount\n10000001\n12\n");
    let inspect =
        |format: &str| env.coracle(&format!("image inspect -f '{format}' made:1")).succeeds().line().to_owned();
    assert_eq!(inspect("{{.Id}} {{.Author}} {{len .RootFS.Layers}}"), format!("{id} Ann 2"));
    env.coracle("history made:1").succeeds().stdout_has("words");
    env.coracle("image diff made:1").succeeds().stdout_has("D /etc/group\n").stdout_has("A /new\n");
    env.coracle("image diff made:1 made:1").succeeds().stdout_is("");
    env.coracle("image diff IMAGE made:1").succeeds().stdout_has("D /new\n").stdout_has("A /etc/group\n");
    // Without a name, in docker's format, as one layer; nothing changed adds no layer.
    let docker = env.coracle("commit -f docker -s one").succeeds().line().to_owned();
    env.coracle(&format!("run --rm {docker} cat /new")).succeeds().stdout_is("new\n");
    assert_eq!(env.inspect(&docker, "{{len .RootFS.Layers}}"), "1");
    env.coracle("create --name same made:1").succeeds();
    let same = env.coracle("commit same").succeeds().line().to_owned();
    assert_eq!(env.inspect(&same, "{{len .RootFS.Layers}}"), "2");
    env.coracle("commit one x@sha256:00").fails().explains();
    env.coracle("commit -c 'RUN x' one").fails().explains();
    env.coracle("commit nosuch").fails_with(1).explains();
}

/// What is committed of a container that runs, and that goes on afterwards.
#[test]
fn a_running_container_is_committed() {
    let env = ready!(busybox);
    env.run_detached("--name one IMAGE sh -c 'i=0; while :; do i=$((i+1)); echo $i >/a; echo $i >/b; done'");
    env.coracle("exec one sh -c 'until test -s /b; do :; done'").succeeds();
    for pause in ["", "--pause=false"] {
        let id = env.coracle(&format!("commit {pause} one")).succeeds().line().to_owned();
        env.coracle(&format!("run --rm {id} sh -c 'test -e /a && test -e /b && echo both'"))
            .succeeds()
            .stdout_is("both\n");
    }
    let squashed = env.coracle("commit -s one").succeeds().line().to_owned();
    env.coracle(&format!("run --rm {squashed} ls /b")).succeeds();
    let count = || env.coracle("exec one cat /a").succeeds().stdout;
    let before = count();
    crate::support::eventually("it goes on", || count() != before);
}

#[test]
fn an_image_cannot_be_made_to_delete() {
    let env = ready!(busybox);
    env.coracle("run --name one IMAGE touch /etc/.wh.passwd").succeeds();
    env.coracle("commit one").fails_with(1).stderr_has("/etc/.wh.passwd");
    env.coracle("commit -s one").fails_with(1).stderr_has("/etc/.wh.passwd");
}

#[test]
fn export_writes_the_files_of_a_container() {
    let env = ready!(busybox);
    env.coracle(&format!("run --name one -v /mounted IMAGE sh -c '{CHANGES}; echo v >/mounted/x'")).succeeds();
    let archive = env.file("one.tar");
    env.coracle(&format!("export -o {} one", archive.display())).succeeds().stdout_is("");
    let listed = tar_list(&archive);
    for line in ["-rws--x--x 12/34", "new link to d/hard", "d/soft -> /new", "prw-r--r--", " bin/busybox", "d/hard"] {
        assert!(listed.contains(line), "{line}: {listed}");
    }
    assert!(!listed.contains("etc/group") && !listed.contains("mounted/x"), "{listed}");
    // One that runs: neither /proc nor a volume. To standard output, and back as an image.
    env.run_detached("--name two -v vol:/vol IMAGE sh -c 'echo in >/vol/secret; echo text >/file; exec sleep 1000'");
    env.coracle("exec two sh -c 'until test -s /file; do :; done'").succeeds();
    let two = env.file("two.tar");
    let script = format!("{} export two >{}", env.program().display(), two.display());
    env.tool("sh", &["-c", &script]).run().succeeds();
    let listed = tar_list(&two);
    assert!(listed.contains(" file") && !listed.contains("vol/secret") && !listed.contains("proc/1"), "{listed}");
    env.coracle(&format!("import {} back", two.display())).succeeds();
    env.coracle("run --rm back cat /file").succeeds().stdout_is("text\n");
    env.coracle("export nosuch").fails_with(1).explains();
    env.coracle(&format!("export -o {} two", env.root().display())).fails().explains();
    let terminal = env.terminal("export two").wait();
    terminal.stdout_has("cowardly refusing").exits_with(1);
}

/// The owners are the container's, whatever the user's ids are.
#[test]
fn owners_are_those_of_the_container() {
    let env = ready!(busybox);
    if crate::support::is_root() {
        return;
    }
    env.run_detached("--name one --userns keep-id IMAGE sh -c 'echo mine >/tmp/mine; exec sleep 1000'");
    env.coracle("exec one sh -c 'until test -s /tmp/mine; do :; done'").succeeds();
    let uid = env.coracle("exec one id -u").succeeds().line().to_owned();
    let archive = env.file("one.tar");
    for _ in 0..2 {
        env.coracle(&format!("export -o {} one", archive.display())).succeeds();
        let listed = tar_list(&archive);
        let mine = listed.lines().find(|line| line.ends_with("tmp/mine")).expect("listed");
        assert!(mine.contains(&format!("{uid}/")), "{mine}");
        let root = listed.lines().find(|line| line.ends_with(" etc/passwd")).expect("listed");
        assert!(root.contains(" 0/0 ") || root.contains("root/root"), "{root}");
        let id = env.coracle("commit one").succeeds().line().to_owned();
        env.coracle(&format!("run --rm {id} stat -c %u /tmp/mine")).succeeds().stdout_is(&format!("{uid}\n"));
        env.coracle("stop -t 0 one").succeeds();
    }
}
