//! Containers as services of a service manager: sd_notify(3), sd_listen_fds(3), files with numbers, limits of time.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::support::env::Env;
use crate::support::{eventually, probe};

/// A service manager's socket.
fn manager(env: &Env) -> (UnixDatagram, String) {
    let path = env.file("manager");
    let _ = fs::remove_file(&path);
    let socket = UnixDatagram::bind(&path).expect("our directory");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    (socket, path.display().to_string())
}

fn hears(manager: &UnixDatagram) -> String {
    let mut buffer = [0; 4096];
    let length = manager.recv(&mut buffer).expect("a message in time");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

fn supervisor_of(env: &Env, main: &str) -> bool {
    let pid = main.strip_prefix("MAINPID=").expect("who it is");
    env.processes().iter().any(|process| process.to_string() == pid)
        && fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"coracle-supervise"))
}

#[test]
fn a_service_manager_is_told() {
    let env = ready!(busybox);
    let (socket, path) = manager(&env);
    let run = |options: &str, command: &str| {
        env.command(&format!("run -d --rm {options} IMAGE {command}")).var("NOTIFY_SOCKET", &path).run().succeeds();
        let main = hears(&socket);
        assert!(supervisor_of(&env, &main), "{main}");
    };
    run("--name one --sdnotify conmon", "sleep 1000");
    assert_eq!(hears(&socket), "READY=1");
    env.coracle("exec one sh -c 'test -z $NOTIFY_SOCKET'").succeeds();
    env.coracle("rm -f -t 0 one").succeeds();
    // The program says when, whoever it runs as, and nothing of other processes.
    if let Some(probe) = probe::build(&env) {
        run(&format!("--name three --user 33 -v {}:/probe", probe.display()), "sleep 1000");
        let say = "exec three sh -c '/probe notify /run/notify/notify.sock MAINPID=1 READY=1 STATUS=well WATCHDOG=1'";
        env.coracle(say).succeeds();
        assert_eq!(hears(&socket), "READY=1\nSTATUS=well\nWATCHDOG=1");
        env.coracle("rm -f -t 0 three").succeeds();
    }
    run("--name two --sdnotify healthy --health-cmd 'test -e /up' --health-interval 20ms", "sleep 1000");
    env.coracle("exec two touch /up").succeeds();
    assert_eq!(hears(&socket), "READY=1");
    env.coracle("rm -f -t 0 two").succeeds();
    let seen = "run --rm --sdnotify ignore IMAGE sh -c 'echo -$NOTIFY_SOCKET-'";
    env.command(seen).var("NOTIFY_SOCKET", &path).run().succeeds().stdout_is("--\n");
    let seen = "run --rm IMAGE sh -c 'echo $NOTIFY_SOCKET $WATCHDOG_USEC; test -S $NOTIFY_SOCKET'";
    let shown = env.command(seen).var("NOTIFY_SOCKET", &path).var("WATCHDOG_USEC", "5000000").run();
    shown.succeeds().stdout_is("/run/notify/notify.sock 5000000\n");
    env.coracle("run --rm IMAGE sh -c 'echo -$NOTIFY_SOCKET-'").succeeds().stdout_is("--\n");
    env.coracle("run --rm --sdnotify maybe IMAGE true").fails_with(125).explains();
    env.coracle("run --rm --sdnotify healthy IMAGE true").fails_with(125).stderr_has("health");
}

#[test]
fn descriptors_keep_their_numbers() {
    let env = ready!(busybox);
    let path = env.write("given", "given\n");
    let other = env.write("other", "other\n");
    let program = env.program().display().to_string();
    let image = env.image();
    let line = format!(
        "exec 3<{} 4>&- 7<{}; {program} run --rm --preserve-fds 1 --preserve-fd 7 {image} sh -c 'cat <&3; cat <&7; ls /proc/self/fd'",
        path.display(),
        other.display()
    );
    let shown = env.tool("sh", &["-c", &line]).run().succeeds();
    assert!(shown.stdout.starts_with("given\nother\n"), "{shown:?}");
    // And no descriptor of anybody else: ls has one for the directory.
    let numbers: Vec<&str> = shown.stdout.lines().skip(2).collect();
    assert_eq!(numbers.len(), 6, "{shown:?}");
    let missing = format!("exec 3>&-; {program} run --rm --preserve-fds 1 {image} true");
    env.tool("sh", &["-c", &missing]).run().fails_with(125).stderr_has("descriptor 3 is not available");
    // Sockets that a service manager has opened, with and without an init.
    for init in ["", "--init"] {
        let line = format!(
            "exec 3<{}; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web exec {program} run --rm {init} {image} sh -c \
             'echo $LISTEN_FDS $LISTEN_FDNAMES; test $LISTEN_PID = $$ && cat <&3'",
            path.display()
        );
        env.tool("sh", &["-c", &line]).run().succeeds().stdout_is("1 web\ngiven\n");
        let other = line.replace("LISTEN_PID=$$", "LISTEN_PID=1");
        env.tool("sh", &["-c", &other]).run().fails();
    }
}

/// Over the restart of the program, too.
#[test]
fn descriptors_are_there_in_every_run() {
    let env = ready!(busybox);
    let file = env.file("runs");
    let line = format!(
        "exec 3>>{}; {} run -d --name one --restart on-failure:1 --preserve-fds 1 {} sh -c 'echo run >&3; exit 1'",
        file.display(),
        env.program().display(),
        env.image()
    );
    env.tool("sh", &["-c", &line]).run().succeeds();
    eventually("both runs are over", || env.status("one") == "exited");
    assert_eq!(fs::read_to_string(file).expect("a file"), "run\nrun\n");
}

#[test]
fn files_have_the_numbers_and_go() {
    let env = ready!(busybox);
    let file = |name: &str| env.file(name);
    let options = format!(
        "--cidfile {} --pidfile {} --conmon-pidfile {}",
        file("cid").display(),
        file("pid").display(),
        file("conmon").display()
    );
    env.coracle(&format!("run -d --name one --replace {options} IMAGE sleep 1000")).succeeds();
    let id = env.inspect("one", "{{.Id}}");
    let read = |name: &str| fs::read_to_string(file(name)).expect("a file");
    assert_eq!((read("cid"), read("pid")), (id.clone(), env.inspect("one", "{{.State.Pid}}")));
    assert!(supervisor_of(&env, &format!("MAINPID={}", read("conmon"))));
    assert_eq!(env.inspect("one", "{{.HostConfig.ContainerIDFile}}"), file("cid").display().to_string());
    // Another one takes the name and the files.
    env.coracle(&format!("run -d --name one --replace {options} IMAGE sleep 1000")).succeeds();
    let second = env.inspect("one", "{{.Id}}");
    assert!(second != id && read("cid") == second);
    env.coracle("rm -f one").succeeds();
    assert!(!file("cid").exists());
    env.coracle(&format!("run -d --name one {options} IMAGE sleep 1000")).succeeds();
    env.coracle(&format!("run -d --name two {options} IMAGE sleep 1000")).fails_with(125).stderr_has("exists already");
    env.coracle("create --name one IMAGE true").fails_with(125).stderr_has("in use");
    env.coracle("create --replace --name one IMAGE true").succeeds();
    assert_eq!(env.status("one"), "created");
}

#[test]
fn a_run_has_its_time_and_no_more() {
    let env = ready!(busybox);
    env.coracle("run --name one --timeout 1 IMAGE sleep 1000").fails_with(255);
    assert_eq!(env.inspect("one", "{{.State.ExitCode}}"), "255");
    env.coracle("run --rm --timeout 20 IMAGE true").succeeds();
    env.coracle("run -d --name two --timeout 1 --restart on-failure:1 IMAGE sleep 1000").succeeds();
    eventually("both runs are over", || env.status("two") == "exited");
    assert_eq!(env.inspect("two", "{{.RestartCount}}"), "1");
    env.coracle("run --rm --timeout -1 IMAGE true").fails_with(125).explains();
}
