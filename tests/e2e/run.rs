//! `run` in the foreground.

#[test]
fn standard_streams_stay_apart() {
    let env = ready!(busybox);
    env.coracle("run --rm IMAGE sh -c 'echo out; echo err >&2'").succeeds().stdout_is("out\n").stderr_is("err\n");
}

#[test]
fn a_terminal() {
    let env = ready!(busybox);
    let terminal = env.terminal("run --rm -it IMAGE sh");
    terminal.expects("#");
    terminal.types("stty size; exit 7\n");
    terminal.expects("24 80");
    terminal.wait().fails_with(7);
}
