//! Options of mounts: owners, overlays, flags, propagation, maps of ids, and the types that `--mount` has besides binds and
//! volumes.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

#[test]
fn what_is_mounted_can_be_given_to_the_containers_user() {
    let env = ready!(busybox);
    let (data, outside) = (env.mkdir("data"), env.write("outside", "mine"));
    fs::create_dir(data.join("sub")).expect("ours");
    fs::write(data.join("sub/file"), "text").expect("ours");
    symlink(&outside, data.join("link")).expect("ours");
    let before = fs::metadata(&outside).expect("ours").uid();
    let data = data.display();
    let look = "touch /d/new; cd /d; stat -c '%u:%g' . sub sub/file link new";
    let owners = env.coracle(&format!("run --rm -u 1000:1001 -v {data}:/d:U IMAGE sh -c '{look}'")).succeeds();
    assert_eq!(owners.lines(), ["1000:1001"; 5]);
    assert_eq!(fs::metadata(&outside).expect("ours").uid(), before, "a link leads nowhere");
    // Back to the user, by podman's spelling of --mount.
    env.coracle(&format!("run --rm --mount type=bind,src={data},dst=/d,chown=true IMAGE true")).succeeds();
    assert_eq!(fs::metadata(env.file("data").join("sub/file")).expect("ours").uid(), before);
    // A volume with what the image has there, an exec, and a user namespace of its own.
    let line = "run --rm --userns=keep-id -u 7:7 -v v:/etc:U IMAGE stat -c %u /etc/passwd";
    env.coracle(line).succeeds().stdout_is("7\n");
    env.coracle("run --rm -u 5 --mount type=tmpfs,dst=/t,U,tmpfs-mode=700 IMAGE touch /t/x").succeeds();
    let home = env.home();
    for kept in [home.display().to_string(), "/etc".into(), "/".into()] {
        env.coracle(&format!("run --rm -v {kept}:/d:U IMAGE true")).fails_with(125).stderr_has("must keep its owner");
    }
}

#[test]
fn an_overlay_keeps_the_source_as_it_is() {
    let env = ready!(busybox);
    let data = env.mkdir("data");
    fs::write(data.join("file"), "host\n").expect("ours");
    let shown = data.display();
    let change = "cat /d/file; ls /d; echo more >>/d/file; touch /d/new; rm -f /d/gone";
    env.coracle(&format!("run --name one -v {shown}:/d:O IMAGE sh -c '{change}'")).succeeds().stdout_is("host\nfile\n");
    assert_eq!(fs::read_to_string(data.join("file")).expect("ours"), "host\n");
    assert!(!data.join("new").exists());
    // The next run sees the source, not what the former one left.
    env.coracle("start -a one").succeeds().stdout_is("host\nfile\n");
    env.coracle("rm one").succeeds();
    env.coracle("run --rm -v v:/d IMAGE sh -c 'echo volume >/d/file'").succeeds();
    env.coracle("run --rm -v v:/d:O IMAGE sh -c 'cat /d/file; rm /d/file; ls /d'").succeeds().stdout_is("volume\n");
    env.coracle("run --rm -v v:/d IMAGE cat /d/file").succeeds().stdout_is("volume\n");
    // The upper directory has its owner and mode from the source.
    env.coracle(&format!("run --rm -u 9:9 -v {shown}:/d:O,U IMAGE sh -c 'stat -c %u /d/file; touch /d/x'"))
        .succeeds()
        .stdout_is("9\n");
    assert_eq!(fs::metadata(data.join("file")).expect("ours").uid(), fs::metadata(&data).expect("ours").uid());
    let (upper, work) = (env.mkdir("upper"), env.mkdir("work"));
    let kept = format!("{shown}:/d:O,upperdir={},workdir={}", upper.display(), work.display());
    env.coracle(&format!("run --rm -v {kept} IMAGE sh -c 'echo kept >/d/new'")).succeeds();
    assert_eq!(fs::read_to_string(upper.join("new")).expect("kept"), "kept\n");
    env.coracle(&format!("run --rm -v {kept} IMAGE cat /d/new")).succeeds().stdout_is("kept\n");
    let file = data.join("file");
    env.coracle(&format!("run --rm -v {}:/f:O IMAGE true", file.display()))
        .fails_with(125)
        .stderr_has("not a directory");
    env.coracle(&format!("run --rm -v {shown}:/d:O,upperdir=/x IMAGE true")).fails_with(125).explains();
}

/// A volume's files are a container's: no link of it leads out of the part that is mounted.
#[test]
fn a_part_of_a_volume_is_mounted_and_nothing_else() {
    let env = ready!(busybox);
    let secret = env.write("secret", "of the host\n");
    let make = format!(
        "mkdir -p /d/a/b; echo part >/d/a/b/file; ln -s /etc /d/absolute; ln -s ../../../../../../../../etc /d/up; \
         ln -s {} /d/secret; ln -s a /d/within",
        secret.display()
    );
    env.coracle(&format!("run --rm -v v:/d IMAGE sh -c '{make}'")).succeeds();
    let part = |subpath: &str| {
        env.coracle(&format!("run --rm --mount src=v,dst=/p,volume-subpath={subpath} IMAGE cat /p/file"))
    };
    part("a/b").succeeds().stdout_is("part\n");
    part("within/b").succeeds().stdout_is("part\n");
    for out in ["absolute", "up", "secret", "absent", "a/absent"] {
        part(out).fails_with(125).explains();
    }
    part("../v").fails_with(125).stderr_has("not a path within");
    env.coracle("run --rm --mount src=v,dst=/f,subpath=a/b/file,ro IMAGE cat /f").succeeds().stdout_is("part\n");
    env.coracle("run --rm --mount src=v,dst=/p,subpath=a,U -u 3 IMAGE stat -c %u /p/b/file")
        .succeeds()
        .stdout_is("3\n");
}

#[test]
fn flags_and_propagation_of_binds() {
    let env = ready!(busybox);
    let data = env.mkdir("data");
    env.write("data/script", "#!/bin/sh\necho ran\n");
    let shown = data.display();
    let line = |options: &str| {
        env.coracle(&format!("run --rm -v {shown}:/d:{options} IMAGE grep ' /d ' /proc/self/mountinfo"))
    };
    line("noexec,nosuid,nodev").succeeds().stdout_has("nosuid,nodev,noexec");
    line("exec,suid,dev").succeeds().stdout_lacks("noexec");
    line("shared").succeeds().stdout_has(" shared:");
    line("rshared").succeeds().stdout_has(" shared:");
    line("private").succeeds().stdout_lacks("shared:").stdout_lacks("master:");
    line("slave").succeeds().stdout_lacks("shared:");
    let run = |options: &str| {
        env.coracle(&format!(
            "run --rm -v {shown}:/d:{options} IMAGE sh -c 'cp /d/script /tmp/s; chmod 755 /d/script; /d/script'"
        ))
    };
    run("rw").succeeds().stdout_is("ran\n");
    run("noexec").fails_with(126).stderr_has("Permission denied");
    let data = "run --rm -v data:/d:noexec IMAGE grep ' /d ' /proc/self/mountinfo";
    env.coracle(data).succeeds().stdout_has("noexec");
    // Namespaces that the container makes share its mounts, and the host does not.
    let seen = "mkdir -p /d/m; mount -t tmpfs none /d/m && touch /d/m/inside; ls /d/m";
    env.coracle(&format!(
        "run --rm --cap-add SYS_ADMIN --security-opt seccomp=unconfined -v {shown}:/d:rshared IMAGE sh -c '{seen}'"
    ))
    .succeeds()
    .stdout_is("inside\n");
    assert!(!env.file("data").join("m/inside").exists(), "no mount of a container reaches the host");
}

#[test]
fn ids_of_a_mount_are_mapped_for_root_only() {
    let env = ready!(busybox);
    let data = env.mkdir("data");
    fs::write(data.join("file"), "").expect("ours");
    let line = |options: &str| {
        env.coracle(&format!("run --rm -v {}:/d:{options} IMAGE stat -c %u:%g /d/file", data.display()))
    };
    line("idmap").fails_with(125).stderr_has("only root").explains();
    line("idmap=uids=0-1").fails_with(125).stderr_has("not a map of ids");
}

#[test]
fn an_image_is_mounted_for_reading_or_with_changes_of_the_run() {
    let env = ready!(busybox);
    env.mkdir("small");
    env.write("small/file", "of the image\n");
    let archive = env.file("small.tar");
    let directory = env.file("small");
    env.tool("tar", &["-cf", &archive.to_string_lossy(), "-C", &directory.to_string_lossy(), "."]).run().succeeds();
    env.coracle(&format!("import {} small", archive.display())).succeeds();
    let mount = |more: &str| format!("--mount type=image,src=small,dst=/i{more}");
    env.coracle(&format!("run --rm {} IMAGE sh -c 'cat /i/file && touch /i/x'", mount("")))
        .fails_with(1)
        .stdout_is("of the image\n")
        .stderr_has("Read-only");
    let change = "ls /i/new; touch /i/new && rm /i/file; ls /i/new";
    env.coracle(&format!("run --name one {} IMAGE sh -c '{change}'", mount(",rw=true")))
        .succeeds()
        .stdout_is("/i/new\n");
    env.coracle("start -a one").succeeds().stdout_is("/i/new\n");
    // A container needs the layers of the image as long as it is there.
    env.coracle("rmi -f small").succeeds();
    env.coracle("start -a one").succeeds().stdout_is("/i/new\n");
    assert_eq!(env.inspect("one", "{{range .Mounts}}{{.Type}} {{.Destination}} {{.RW}}{{end}}"), "image /i true");
    env.coracle("rm one").succeeds();
    let own = |more: &str| format!("--mount type=image,src={},dst=/i{more}", env.image());
    env.coracle(&format!("run --rm {} IMAGE cat /i/passwd", own(",image-subpath=etc"))).succeeds().stdout_has("root:");
    env.coracle(&format!("run --rm {} IMAGE cat /i", own(",subpath=/etc/passwd"))).succeeds().stdout_has("root:");
    env.coracle(&format!("run --rm {} IMAGE true", own(",subpath=absent"))).fails_with(125).explains();
    env.coracle(&format!("run --rm --userns=keep-id {} IMAGE stat -c %u /i/bin/busybox", own("")))
        .succeeds()
        .stdout_is("0\n");
    env.coracle("run --rm --mount type=image,src=absent,dst=/i IMAGE true").fails_with(125).stderr_has("pull");
}

#[test]
fn memory_terminals_and_patterns_are_types_of_mounts() {
    let env = ready!(busybox);
    let kind = "grep /x /proc/self/mountinfo; touch /x/y";
    env.coracle(&format!("run --rm --mount type=ramfs,dst=/x IMAGE sh -c '{kind}'")).succeeds().stdout_has(" - ramfs ");
    env.coracle("run --rm --mount type=devpts,dst=/x IMAGE grep ' /x ' /proc/self/mountinfo")
        .succeeds()
        .stdout_has(" - devpts ");
    let pts = "run --rm -t --mount type=devpts,dst=/dev/pts,mode=600,max=8 IMAGE sh -c 'tty; grep -c devpts /proc/self/mountinfo; grep devpts /proc/self/mountinfo'";
    let terminal = env.terminal(pts);
    terminal.expects("/dev/pts/0");
    terminal.expects("max=8");
    env.mkdir("lib");
    let (a, b) = (env.write("lib/one.so", "1\n"), env.write("lib/two.so", "2\n"));
    env.write("lib/other", "3\n");
    let directory = a.parent().expect("a directory").display().to_string();
    let glob = |more: &str| format!("--mount type=glob,src={directory}/*.so{more}");
    env.coracle(&format!("run --rm {} IMAGE sh -c 'cat /l/*'", glob(",dst=/l"))).succeeds().stdout_is("1\n2\n");
    env.coracle(&format!("run --rm {} IMAGE cat {}", glob(""), b.display())).succeeds().stdout_is("2\n");
    env.coracle(&format!("run --rm {} IMAGE touch /l/one.so", glob(",dst=/l,ro")))
        .fails_with(1)
        .stderr_has("Read-only");
    env.coracle("run --rm --mount type=glob,src=/absent/*,dst=/l IMAGE true")
        .fails_with(125)
        .stderr_has("no file fits");
    env.coracle("run --rm --mount type=npipe,dst=/l IMAGE true").fails_with(125).explains();
}

#[test]
fn a_tmpfs_can_begin_with_the_images_files() {
    let env = ready!(busybox);
    let look = "cat /etc/passwd >/dev/null && touch /etc/new && stat -c %a /etc/passwd";
    env.coracle(&format!("run --rm --tmpfs /etc:tmpcopyup IMAGE sh -c '{look}'")).succeeds().stdout_is("644\n");
    env.coracle("run --rm --tmpfs /etc IMAGE ls /etc/passwd").fails_with(1);
    env.coracle("run --rm --mount type=tmpfs,dst=/etc,tmpcopyup,ro IMAGE sh -c 'cat /etc/passwd; touch /etc/x'")
        .fails_with(1)
        .stdout_has("root:")
        .stderr_has("Read-only");
}

#[test]
fn a_volume_gets_labels_and_options_with_its_mount() {
    let env = ready!(busybox);
    let device = env.mkdir("shared");
    fs::write(device.join("file"), "host\n").expect("ours");
    let options =
        format!("volume-opt=type=none,volume-opt=o=bind,volume-opt=device={},volume-label=tier=db", device.display());
    env.coracle(&format!("run --rm --mount src=v,dst=/d,{options} IMAGE cat /d/file")).succeeds().stdout_is("host\n");
    env.coracle("volume inspect -f '{{.Labels.tier}} {{.Options.o}}' v").succeeds().stdout_is("db bind\n");
    env.coracle("run --rm --mount src=w,dst=/d,volume-opt=size=1 IMAGE true")
        .fails_with(125)
        .stderr_has("invalid option");
    env.coracle("volume inspect w").fails();
    env.coracle("run --rm --mount src=w,dst=/d,volume-driver=nfs IMAGE true").fails_with(125).stderr_has("nfs");
}

#[test]
fn proc_shows_what_it_is_asked_to() {
    let env = ready!(busybox);
    let proc = |options: &str, command: &str| {
        env.coracle(&format!("run --rm --security-opt proc-opts={options} IMAGE {command}"))
    };
    proc("hidepid=2", "grep ' /proc ' /proc/self/mountinfo").succeeds().stdout_has("hidepid=invisible");
    proc("subset=pid", "ls /proc/meminfo").fails_with(1);
    proc("subset=pid", "ls /proc/self/status").succeeds();
    proc("exec,hidepid=1", "grep ' /proc ' /proc/self/mountinfo").succeeds().stdout_lacks("noexec");
    proc("hidepid=9", "true").fails_with(125).explains();
    // What the container's network needs is set all the same.
    let port = "sh -c 'httpd -p 80 -h / && echo serves'";
    env.coracle(&format!("run --rm -u 1000 --network none --security-opt proc-opts=subset=pid IMAGE {port}"))
        .succeeds()
        .stdout_is("serves\n");
}
