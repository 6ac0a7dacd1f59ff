//! `-t`: raw terminal, sizes, keys, detaching.

use crate::support::eventually;

#[test]
fn a_shell_on_a_terminal() {
    let env = ready!(busybox);
    let terminal = env.terminal("run --rm -it IMAGE sh");
    terminal.expects("#");
    terminal.types("echo a$((1 + 1))b; tty; echo $TERM\n");
    terminal.expects("a2b");
    terminal.expects("/dev/pts/0");
    terminal.expects("xterm");
    assert!(terminal.is_raw(), "keys must reach the container uninterpreted");
    terminal.types("exit 7\n");
    terminal.wait().fails_with(7);
}

#[test]
fn the_terminal_is_restored() {
    let env = ready!(busybox);
    // The shell around it is on the same terminal, and sees its modes afterwards.
    let script = format!("{} run --rm -it {} true; stty -a", env.program().display(), env.image());
    let terminal = crate::support::terminal::Terminal::start(env.tool("sh", &["-c", &script]));
    let output = terminal.wait().succeeds();
    let modes: Vec<&str> = output.stdout.split_whitespace().collect();
    for mode in ["icanon", "echo", "isig", "opost"] {
        assert!(modes.contains(&mode), "no {mode} in {}", output.stdout);
    }
}

#[test]
fn the_window_size_is_there_from_the_start_and_follows() {
    let env = ready!(busybox);
    let terminal =
        env.terminal("run --rm -it IMAGE sh -c 'trap \"stty size\" WINCH; stty size; while :; do sleep 0.1; done'");
    terminal.expects("24 80");
    terminal.resize(132, 50);
    terminal.expects("50 132");
    terminal.resize(90, 30);
    terminal.expects("30 90");
}

#[test]
fn control_c_interrupts_the_process_and_not_us() {
    let env = ready!(busybox);
    let terminal = env.terminal(
        "run --rm -it IMAGE sh -c 'trap \"echo interrupted; exit 5\" INT; echo ready; while :; do sleep 0.1; done'",
    );
    terminal.expects("ready");
    terminal.types("\x03");
    terminal.expects("interrupted");
    terminal.wait().fails_with(5);
}

#[test]
fn the_detach_keys_leave_it_running() {
    let env = ready!(busybox);
    let terminal = env.terminal("run --name kept -it IMAGE sh");
    terminal.expects("#");
    terminal.types("echo be''fore\n");
    terminal.expects("before");
    terminal.types("\x10\x11");
    terminal.wait().succeeds();
    assert_eq!(env.status("kept"), "running");
    let terminal = env.terminal("attach kept");
    terminal.types("echo af''ter; exit 6\n");
    terminal.expects("after");
    terminal.wait().fails_with(6);
    env.reaches("kept", "exited");
}

#[test]
fn other_detach_keys() {
    let env = ready!(busybox);
    let terminal = env.terminal("run --name kept --detach-keys ctrl-a,d -it IMAGE sh");
    terminal.expects("#");
    terminal.types("\x10\x11echo st''ill\n");
    terminal.expects("still");
    terminal.types("\x01d");
    terminal.wait().succeeds();
    assert_eq!(env.status("kept"), "running");
    env.coracle("run --rm --detach-keys nonsense-key IMAGE true").fails_with(125).explains();
}

#[test]
fn a_terminal_inside_without_one_outside() {
    let env = ready!(busybox);
    env.coracle("run --rm -t IMAGE sh -c 'test -t 1 && echo tty'").succeeds().stdout_is("tty\r\n");
    let id = env.run_detached("-t IMAGE sh -c 'test -t 0 && test -t 2 && echo tty; sleep 1000'");
    env.logged(&id, "tty");
    env.coracle(&format!("logs {id}")).succeeds().stdout_is("tty\r\n");
}

#[test]
fn standard_error_of_a_terminal_is_the_terminal() {
    let env = ready!(busybox);
    env.coracle("run --rm -t IMAGE sh -c 'echo err >&2'").succeeds().stdout_is("err\r\n");
}

#[test]
fn without_a_terminal_there_is_none() {
    let env = ready!(busybox);
    env.coracle("run --rm -i IMAGE sh -c 'test -t 0 || test -t 1 || test -t 2 || echo none'")
        .succeeds()
        .stdout_is("none\n");
}

#[test]
fn a_closed_window_leaves_the_container_running() {
    let env = ready!(busybox);
    let terminal = env.terminal("run --name kept -it IMAGE sh");
    terminal.expects("#");
    let cli = terminal.pid();
    drop(terminal);
    eventually("the command line is gone", || !crate::support::env::alive(cli));
    assert_eq!(env.status("kept"), "running");
}

#[test]
fn exec_on_a_terminal() {
    let env = ready!(busybox);
    let id = env.run_detached("IMAGE sleep 1000");
    let terminal = env.terminal(&format!("exec -it {id} sh"));
    terminal.expects("#");
    terminal.types("stty size; tty\n");
    terminal.expects("24 80");
    terminal.expects("/dev/pts/");
    terminal.resize(100, 40);
    terminal.types("sleep 0.2; stty size; exit 8\n");
    terminal.expects("40 100");
    terminal.wait().fails_with(8);
}

#[test]
fn a_second_terminal_sees_the_same_screen() {
    let env = ready!(busybox);
    let first = env.terminal("run --name both -it IMAGE sh");
    first.expects("#");
    let second = env.terminal("attach both");
    second.types("echo fr''om the second\n");
    second.expects("from the second");
    first.expects("from the second");
    first.types("echo fr''om the first\n");
    second.expects("from the first");
    first.types("exit 3\n");
    first.wait().fails_with(3);
    second.wait().fails_with(3);
}
