//! `run` in the foreground: streams, exit codes, the process's environment, user and directory, mounts.

use std::os::unix::fs::MetadataExt;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::eventually;
use crate::support::images::{Image, Tar};
use crate::support::registry::Registry;

#[test]
fn standard_streams_stay_apart() {
    let env = ready!(busybox);
    env.coracle("run --rm IMAGE sh -c 'echo out; echo err >&2'").succeeds().stdout_is("out\n").stderr_is("err\n");
}

#[test]
fn standard_input_reaches_the_process_only_with_i() {
    let env = ready!(busybox);
    env.command("run --rm -i IMAGE cat").stdin("typed").run().succeeds().stdout_is("typed");
    env.command("run --rm IMAGE cat").stdin("typed").run().succeeds().stdout_is("");
}

#[test]
fn a_conversation_over_pipes() {
    let env = ready!(busybox);
    let mut shell = env.command("run --rm -i IMAGE sh").open_stdin().spawn();
    shell.send("echo first\n");
    shell.prints("first");
    shell.send("echo second; exit 4\n");
    shell.wait().fails_with(4).stdout_is("first\nsecond\n");
}

#[test]
fn the_end_of_input_reaches_the_process() {
    let env = ready!(busybox);
    let mut count = env.command("run --rm -i IMAGE wc -l").open_stdin().spawn();
    count.send("a\nb\n");
    count.close_stdin();
    count.wait().succeeds().stdout_is("2\n");
}

#[test]
fn megabytes_pass_unchanged() {
    let env = ready!(busybox);
    let text = "0123456789abcdef".repeat(4 << 16);
    let output = env.command("run --rm -i IMAGE cat").stdin(text.clone()).run().succeeds();
    assert!(output.stdout == text, "{} bytes came back of {}", output.stdout.len(), text.len());
}

#[test]
fn the_exit_code_is_the_processs() {
    let env = ready!(busybox);
    env.coracle("run --rm IMAGE true").succeeds();
    env.coracle("run --rm IMAGE sh -c 'exit 3'").fails_with(3);
    env.coracle("run --rm IMAGE sh -c 'exit 255'").fails_with(255);
}

#[test]
fn a_death_by_signal_is_128_and_the_signal() {
    let env = ready!(busybox);
    let running = env.command("run --name victim IMAGE sh -c 'echo ready; sleep 1000'").spawn();
    running.prints("ready");
    env.coracle("kill victim").succeeds();
    running.wait().fails_with(137);
    assert_eq!(env.inspect("victim", "{{.State.ExitCode}}"), "137");
}

#[test]
fn our_own_failures_are_125() {
    let env = ready!(busybox);
    env.coracle("run --no-such-flag IMAGE true").fails_with(125).explains().stderr_has("--no-such-flag");
    env.coracle("run").fails_with(1).explains().stderr_has("IMAGE [COMMAND] [ARG...]");
    env.coracle("run --pull never 127.0.0.1:1/none:latest true").fails_with(125).explains();
}

#[test]
fn a_command_that_is_not_executable_is_126() {
    let env = ready!(busybox);
    env.coracle("run --rm IMAGE /bin/plain.txt").fails_with(126).explains().stderr_has("permission denied");
    env.coracle("run --rm IMAGE /etc").fails_with(126).explains();
    env.coracle("ps -aq").succeeds().stdout_is("");
}

#[test]
fn a_command_that_is_not_there_is_127() {
    let env = ready!(busybox);
    env.coracle("run --rm IMAGE nosuch").fails_with(127).explains().stderr_has("nosuch").stderr_has("not found");
    env.coracle("run --rm IMAGE /no/such").fails_with(127).explains().stderr_has("/no/such");
    env.coracle("ps -aq").succeeds().stdout_is("");
}

#[test]
fn signals_to_the_command_line_reach_the_process() {
    let env = ready!(busybox);
    for (signal, name) in [(Signal::SIGTERM, "TERM"), (Signal::SIGINT, "INT"), (Signal::SIGUSR1, "USR1")] {
        let line = format!(
            "run --rm IMAGE sh -c 'trap \"echo caught; exit 5\" {name}; echo ready; while :; do sleep 0.1; done'"
        );
        let running = env.command(&line).spawn();
        running.prints("ready");
        running.signal(signal);
        running.wait().fails_with(5).stdout_is("ready\ncaught\n");
    }
}

#[test]
fn the_environment_is_the_images_and_dockers_own() {
    let env = ready!(busybox);
    let output = env.command("run --rm --hostname box IMAGE env").var("SECRET_OF_THE_HOST", "x").run().succeeds();
    let lines = output.lines();
    for wanted in ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME=box", "HOME=/root"] {
        assert!(lines.contains(&wanted), "{wanted} is not in {lines:?}");
    }
    for leaked in ["XDG_", "SECRET_OF_THE_HOST", "TERM="] {
        assert!(!output.stdout.contains(leaked), "{leaked} is in {lines:?}");
    }
}

#[test]
fn environment_options() {
    let env = ready!(busybox);
    let file = env.write("env", "# comment\nFROM_FILE=one\nBOTH=file\n\nSPACED=a b\nTAKEN\nABSENT\n");
    let line = format!(
        "run --rm -e A=1 --env 'B=x y' -e HOSTS -e NOT_SET -e EMPTY= -e BOTH=flag --env-file {} IMAGE env",
        file.display()
    );
    let output = env.command(&line).var("HOSTS", "ours").var("TAKEN", "too").run().succeeds();
    let lines = output.lines();
    for wanted in ["A=1", "B=x y", "HOSTS=ours", "EMPTY=", "BOTH=flag", "FROM_FILE=one", "SPACED=a b", "TAKEN=too"] {
        assert!(lines.contains(&wanted), "{wanted} is not in {lines:?}");
    }
    for absent in ["NOT_SET", "ABSENT", "comment"] {
        assert!(!output.stdout.contains(absent), "{absent} is in {lines:?}");
    }
    env.coracle("run --rm --env-file /no/such IMAGE env").fails_with(125).explains().stderr_has("/no/such");
}

#[test]
fn the_working_directory_is_made_when_missing() {
    let env = ready!(busybox);
    env.coracle("run --rm IMAGE pwd").succeeds().stdout_is("/\n");
    env.coracle("run --rm -w /etc IMAGE pwd").succeeds().stdout_is("/etc\n");
    env.coracle("run --rm --workdir /new/one IMAGE pwd").succeeds().stdout_is("/new/one\n");
    env.coracle("run --rm -w relative IMAGE pwd").fails_with(125).explains().stderr_has("relative");
}

#[test]
fn users_by_name_and_id() {
    let env = ready!(busybox);
    let id = |user: &str| env.coracle(&format!("run --rm -u {user} IMAGE id")).succeeds().line().to_owned();
    assert_eq!(id("root"), "uid=0(root) gid=0(root) groups=0(root)");
    for user in ["user", "1000"] {
        let text = id(user);
        assert!(text.starts_with("uid=1000(user) gid=1000(user)"), "{text}");
        assert!(text.contains("50(staff)") && text.contains("29(audio)"), "no supplementary groups: {text}");
    }
    for user in ["user:staff", "1000:50", "user:50"] {
        assert_eq!(id(user), "uid=1000(user) gid=50(staff) groups=50(staff)", "{user}");
    }
    assert_eq!(id("4242"), "uid=4242 gid=0(root) groups=0(root)");
    assert_eq!(id("4242:4343"), "uid=4242 gid=4343 groups=4343");
}

#[test]
fn home_follows_the_user() {
    let env = ready!(busybox);
    env.coracle("run --rm -u user IMAGE sh -c 'echo $HOME'").succeeds().stdout_is("/home/user\n");
    env.coracle("run --rm -u 4242 IMAGE sh -c 'echo $HOME'").succeeds().stdout_is("/\n");
    env.coracle("run --rm -u user -e HOME=/tmp IMAGE sh -c 'echo $HOME'").succeeds().stdout_is("/tmp\n");
}

#[test]
fn an_unknown_user_is_refused() {
    let env = ready!(busybox);
    for user in ["nosuch", "user:nosuch"] {
        env.coracle(&format!("run --rm -u {user} IMAGE id")).fails_with(125).explains().stderr_has("nosuch");
    }
    env.coracle("ps -aq").succeeds().stdout_is("");
}

#[test]
fn the_entry_point_can_be_replaced() {
    let env = ready!(busybox);
    env.coracle("run --rm --entrypoint /bin/echo IMAGE a b").succeeds().stdout_is("a b\n");
    env.coracle("run --rm --entrypoint echo IMAGE").succeeds().stdout_is("\n");
}

#[test]
fn what_the_image_says_is_honoured() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let image = Image::busybox()
        .set("Entrypoint", json!(["/bin/sh", "-c", "echo $0 $@; echo $GREETING; pwd; id -u"]))
        .set("Cmd", json!(["default", "command"]))
        .set("Env", json!(["PATH=/bin", "GREETING=hello"]))
        .set("User", json!("user"))
        .set("WorkingDir", json!("/srv/app"));
    let name = registry.push(&image, "app");
    env.coracle(&format!("run --rm {name}")).succeeds().stdout_is("default command\nhello\n/srv/app\n1000\n");
    env.coracle(&format!("run --rm {name} other")).succeeds().stdout_is("other\nhello\n/srv/app\n1000\n");
    env.coracle(&format!("run --rm -u 0 -w / -e GREETING=bye {name}"))
        .succeeds()
        .stdout_is("default command\nbye\n/\n0\n");
    // Another entry point forgets the image's command.
    env.coracle(&format!("run --rm --entrypoint echo {name}")).succeeds().stdout_is("\n");
    env.coracle(&format!("run --rm --entrypoint '' {name} echo bare")).succeeds().stdout_is("bare\n");
}

#[test]
fn an_image_without_a_command_needs_one() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let name = registry.push(&Image::busybox().set("Cmd", json!(null)), "mute");
    env.coracle(&format!("run --rm {name}")).fails_with(125).explains().stderr_has("command");
    env.coracle(&format!("run --rm {name} echo spoken")).succeeds().stdout_is("spoken\n");
}

#[test]
fn volumes_of_the_image_hold_its_files_and_what_is_written() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let layer = Tar::new().directory("data").file("data/seed", "from the image\n");
    let name = registry.push(&Image::busybox().layer(layer).set("Volumes", json!({"/data": {}})), "volumes");
    let id = env.run_detached(&format!(
        "{name} sh -c 'cat /data/seed; echo more >/data/new; grep -c \" /data \" /proc/mounts'"
    ));
    env.coracle(&format!("wait {id}")).succeeds().stdout_is("0\n");
    env.coracle(&format!("logs {id}")).succeeds().stdout_is("from the image\n1\n");
    assert_eq!(env.inspect(&id, "{{len .Mounts}} {{(index .Mounts 0).Destination}}"), "1 /data");
    env.coracle(&format!("start -a {id}")).succeeds();
}

#[test]
fn bind_mounts_belong_to_the_user_on_both_sides() {
    let env = ready!(busybox);
    let directory = env.mkdir("shared");
    env.write("shared/in", "from the host\n");
    let line = format!("run --rm -v {}:/data IMAGE sh -c 'cat /data/in; echo back >/data/out'", directory.display());
    env.coracle(&line).succeeds().stdout_is("from the host\n");
    let written = env.file("shared/out");
    assert_eq!(std::fs::read_to_string(&written).expect("written"), "back\n");
    let owner = std::fs::metadata(&written).expect("written").uid();
    assert_eq!(owner, nix::unistd::getuid().as_raw(), "the file on the host belongs to somebody else");
}

#[test]
fn bind_mounts_read_only_and_of_files() {
    let env = ready!(busybox);
    let directory = env.mkdir("shared");
    let file = env.write("shared/in", "text\n");
    let (directory, file) = (directory.display(), file.display());
    env.coracle(&format!("run --rm -v {directory}:/data:ro IMAGE touch /data/x"))
        .fails_with(1)
        .stderr_has("read-only file system");
    env.coracle(&format!("run --rm --mount type=bind,source={directory},target=/data,readonly IMAGE touch /data/x"))
        .fails_with(1)
        .stderr_has("read-only file system");
    env.coracle(&format!("run --rm --mount type=bind,src={directory},dst=/data IMAGE cat /data/in"))
        .succeeds()
        .stdout_is("text\n");
    env.coracle(&format!("run --rm -v {file}:/etc/one IMAGE cat /etc/one")).succeeds().stdout_is("text\n");
    // Over a file that the image has.
    env.coracle(&format!("run --rm -v {file}:/etc/passwd:ro IMAGE cat /etc/passwd")).succeeds().stdout_is("text\n");
}

#[test]
fn a_bind_mount_in_the_image_cannot_lead_out_of_it() {
    let env = ready!(busybox);
    let registry = Registry::start();
    // The mount point goes through a link that the image chose; on the host it would be the host's /etc.
    let layer = Tar::new().symlink("escape", "/../../../../../../etc").symlink("data", "/escape/../../../../tmp");
    let name = registry.push(&Image::busybox().layer(layer), "links");
    let directory = env.mkdir("shared");
    env.write("shared/in", "text\n");
    env.coracle(&format!("run --rm -v {}:/escape/mounted {name} cat /etc/mounted/in", directory.display()))
        .succeeds()
        .stdout_is("text\n");
    assert!(!std::path::Path::new("/etc/mounted").exists());
}

#[test]
fn a_missing_bind_source_is_refused() {
    let env = ready!(busybox);
    let missing = env.file("missing");
    let line = format!("run --rm --mount type=bind,source={},target=/data IMAGE true", missing.display());
    env.coracle(&line).fails_with(125).explains().stderr_has("missing");
    assert!(!missing.exists(), "--mount must not make its source");
    env.coracle("ps -aq").succeeds().stdout_is("");
}

#[test]
fn tmpfs_mounts() {
    let env = ready!(busybox);
    let output = env
        .coracle(
            "run --rm --tmpfs /scratch:size=1m,mode=0700 IMAGE sh -c 'grep /scratch /proc/mounts; stat -c %a /scratch'",
        )
        .succeeds();
    for wanted in ["tmpfs /scratch tmpfs", "size=1024k", "nosuid", "nodev", "noexec", "\n700\n"] {
        assert!(output.stdout.contains(wanted), "{wanted} is not in {}", output.stdout);
    }
    env.coracle("run --rm --tmpfs /scratch:size=1m IMAGE dd if=/dev/zero of=/scratch/x bs=1M count=2")
        .fails_with(1)
        .stderr_has("no space left");
    env.coracle("run --rm --mount type=tmpfs,destination=/scratch,tmpfs-size=1048576 IMAGE grep /scratch /proc/mounts")
        .succeeds()
        .stdout_has("size=1024k");
}

#[test]
fn host_names() {
    let env = ready!(busybox);
    env.coracle("run --rm --hostname box IMAGE sh -c 'hostname; cat /etc/hostname; grep -c localhost /etc/hosts'")
        .succeeds()
        .stdout_has("box\nbox\n");
    // By default the short id.
    let id = env.run_detached("IMAGE hostname");
    env.coracle(&format!("wait {id}")).succeeds();
    env.coracle(&format!("logs {id}")).succeeds().stdout_is(&format!("{}\n", &id[..12]));
    assert_ne!(nix::unistd::gethostname().expect("a name"), "box", "the host's name was changed");
}

#[test]
fn a_read_only_root() {
    let env = ready!(busybox);
    env.coracle("run --rm --read-only IMAGE touch /file").fails_with(1).stderr_has("read-only file system");
    env.coracle("run --rm --read-only --tmpfs /scratch IMAGE sh -c 'echo x >/scratch/file; echo y >/dev/shm/file'")
        .succeeds();
    let directory = env.mkdir("shared");
    env.coracle(&format!("run --rm --read-only -v {}:/data IMAGE touch /data/file", directory.display())).succeeds();
}

#[test]
fn init_reaps_forwards_and_keeps_the_exit_code() {
    let env = ready!(busybox);
    env.coracle("run --rm --init IMAGE sh -c 'test $$ != 1 && exit 9'").fails_with(9);
    // An orphan's end is collected by the init process.
    env.coracle("run --rm --init IMAGE sh -c '(sleep 0.2 &); sleep 1; grep -l Z /proc/[0-9]*/stat; true'")
        .succeeds()
        .stdout_is("");
    // Without a handler, pid 1 would not see SIGTERM; behind an init process it ends.
    let id = env.run_detached("--init IMAGE sleep 1000");
    let before = std::time::Instant::now();
    env.coracle(&format!("stop -t 50 {id}")).succeeds();
    assert!(before.elapsed().as_secs() < 40, "stop waited for its time-out");
    assert_eq!(env.inspect(&id, "{{.State.ExitCode}}"), "143");
}

#[test]
fn labels_from_the_command_line_and_the_image() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let name = registry.push(&Image::busybox().set("Labels", json!({"kind": "image", "only": "here"})), "labelled");
    let file = env.write("labels", "from=file\n# comment\n");
    let id = env.run_detached(&format!("--label kind=flag -l empty --label-file {} {name} true", file.display()));
    let labels = env.argv(&["inspect", "--format", "{{json .Config.Labels}}", &id]).succeeds().json();
    assert_eq!(labels, json!({"kind": "flag", "only": "here", "empty": "", "from": "file"}));
}

#[test]
fn a_missing_image_is_pulled() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let name = registry.push(&Image::busybox().set("Labels", json!({"a": "b"})), "fresh");
    env.coracle(&format!("run --rm --pull never {name} true")).fails_with(125).explains().stderr_has("no such image");
    env.coracle(&format!("run --rm {name} echo pulled")).succeeds().stdout_is("pulled\n");
    env.coracle(&format!("run --rm --pull never {name} echo kept")).succeeds().stdout_is("kept\n");
}

#[test]
fn pull_policies() {
    let env = ready!(busybox);
    let mut registry = Registry::start();
    let old = Image::busybox().set("Cmd", json!(["echo", "old"]));
    let name = registry.push(&old, "moving");
    env.coracle(&format!("run --rm --pull=missing {name}")).succeeds().stdout_is("old\n");
    registry.push(&Image::busybox().set("Cmd", json!(["echo", "new"])), "moving");
    env.coracle(&format!("run --rm {name}")).succeeds().stdout_is("old\n");
    env.coracle(&format!("run --rm --pull always {name}")).succeeds().stdout_is("new\n");
    registry.stop();
    env.coracle(&format!("run --rm --pull missing {name}")).succeeds().stdout_is("new\n");
    env.coracle(&format!("run --rm --pull always {name}")).fails_with(125).explains();
    env.coracle(&format!("run --rm --pull sometimes {name}")).fails_with(125).explains().stderr_has("sometimes");
}

#[test]
fn containers_write_apart_and_leave_the_image_alone() {
    let env = ready!(busybox);
    let first = env.run_detached("IMAGE sh -c 'echo first >/root/file; rm /etc/group; sleep 1000'");
    let second = env.run_detached("IMAGE sh -c 'echo second >/root/file; sleep 1000'");
    for (id, text) in [(&first, "first\n"), (&second, "second\n")] {
        eventually("the file is written", || env.coracle(&format!("exec {id} cat /root/file")).stdout == text);
    }
    env.coracle(&format!("exec {second} test -e /etc/group")).succeeds();
    env.coracle("run --rm IMAGE test -e /etc/group").succeeds();
    env.coracle("run --rm IMAGE test -e /root/file").fails_with(1);
}

#[test]
fn rm_leaves_nothing() {
    let env = ready!(busybox);
    env.coracle("run --rm --name gone IMAGE sh -c 'echo x >/file; mkdir /root/d; chmod 0 /root/d; exit 3'")
        .fails_with(3);
    env.coracle("ps -aq").succeeds().stdout_is("");
    let containers = env.data().join("containers");
    assert_eq!(std::fs::read_dir(&containers).expect("a directory").count(), 0, "left in {}", containers.display());
    env.coracle("run --rm --name gone IMAGE true").succeeds();
}

#[test]
fn detached_and_removed_when_it_ends() {
    let env = ready!(busybox);
    let id = env.run_detached("--rm IMAGE sleep 0.3");
    eventually("the container is gone", || env.coracle("ps -aq").succeeds().stdout.is_empty());
    env.coracle(&format!("inspect {id}")).fails_with(1);
}

#[test]
fn without_rm_the_container_stays() {
    let env = ready!(busybox);
    env.coracle("run --name stays IMAGE sh -c 'exit 3'").fails_with(3);
    env.argv(&["ps", "-a", "--format", "{{.Names}} {{.State}}"]).succeeds().stdout_is("stays exited\n");
    assert_eq!(env.inspect("stays", "{{.State.Status}} {{.State.ExitCode}} {{.State.Pid}}"), "exited 3 0");
}

#[test]
fn detached_failures_are_told_at_once() {
    let env = ready!(busybox);
    env.coracle("run -d IMAGE nosuch").fails_with(127).explains().stderr_has("nosuch");
    env.coracle("run -d IMAGE /bin/plain.txt").fails_with(126).explains();
}

#[test]
fn names_are_unique_and_well_formed() {
    let env = ready!(busybox);
    env.run_detached("--name one IMAGE sleep 1000");
    env.coracle("run --name one IMAGE true").fails_with(125).explains().stderr_has("one").stderr_has("in use");
    env.coracle("run --name -bad IMAGE true").fails_with(125).explains();
    env.coracle("run --name 'a b' IMAGE true").fails_with(125).explains();
    env.coracle("run --name ../escape IMAGE true").fails_with(125).explains();
    env.coracle("ps -aq").succeeds().line();
    env.coracle("rm -f one").succeeds().stdout_is("one\n");
    env.coracle("run --rm --name one IMAGE true").succeeds();
}

#[test]
fn the_id_can_be_written_to_a_file() {
    let env = ready!(busybox);
    let file = env.file("cid");
    let id = env.run_detached(&format!("--cidfile {} IMAGE true", file.display()));
    assert_eq!(std::fs::read_to_string(&file).expect("written").trim(), id);
    env.coracle(&format!("run --cidfile {} IMAGE true", file.display())).fails_with(125).explains().stderr_has("cid");
}

#[test]
fn the_size_of_a_containers_files_is_limited() {
    let env = ready!(busybox).with_driver("fuse");
    let script = "df -k / | awk 'END {print $2}'; dd if=/dev/zero of=/x bs=1M count=20; rm /x; \
        dd if=/dev/zero of=/y bs=1M count=6 && echo fits; dd if=/dev/zero of=/z bs=1M count=6 || echo full; \
        dd if=/dev/zero of=/y bs=1M count=6 conv=notrunc && echo same";
    let output = env.argv(&["run", "--rm", "--storage-opt", "size=10m", &env.image(), "sh", "-c", script]).succeeds();
    let output = output.stdout_is("10240\nfits\nfull\nsame\n");
    assert_eq!(output.stderr.matches("No space left on device").count(), 2, "{}", output.stderr);
    // What a run has used counts in the next one.
    env.argv(&[
        "run",
        "--name",
        "one",
        "--storage-opt",
        "size=10m",
        &env.image(),
        "sh",
        "-c",
        "cat /bin/busybox >>/all",
    ])
    .succeeds();
    assert_eq!(env.inspect("one", "{{.HostConfig.StorageOpt.size}}"), (10 << 20).to_string());
    for _ in 0..20 {
        env.coracle("start one").succeeds();
        env.coracle("wait one").succeeds();
    }
    assert_eq!(env.inspect("one", "{{.State.ExitCode}}"), "1");
    let overlay = ready!(busybox).with_driver("overlay");
    overlay
        .coracle("run --rm --storage-opt size=10m IMAGE true")
        .fails_with(125)
        .explains()
        .stderr_has("--storage-driver fuse");
}
