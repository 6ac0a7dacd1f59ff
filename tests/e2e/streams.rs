//! Large output, byte by byte: through `run | …`, `exec`, `attach` and `logs`. With `CORACLE_TEST_SOAK=1` a gigabyte each.

use std::io::{Read, Write};
use std::process::{Child, Stdio};

use crate::support::env::Env;
use crate::support::eventually;

/// A line, over and over: 1000 digits and a newline.
const LINE: usize = 1001;

/// A number of bytes that ends within a line.
fn total() -> u64 {
    match std::env::var_os("CORACLE_TEST_SOAK") {
        Some(_) => 1_000_000_007,
        None => 20_000_007,
    }
}

/// The program that prints them, as the words of a shell.
fn prints() -> String {
    format!("'yes $(printf %01000d 7) | head -c {}'", total())
}

fn spawn(env: &Env, line: &str) -> Child {
    let (_, mut command) = env.command(line).into_parts();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("our program")
}

/// Reads everything and compares it.
fn is_exact(what: &str, mut child: Child) {
    let mut expected = [b'0'; LINE];
    (expected[LINE - 2], expected[LINE - 1]) = (b'7', b'\n');
    let mut stdout = child.stdout.take().expect("piped");
    let (mut buffer, mut read) = (vec![0; 1 << 16], 0u64);
    loop {
        let length = stdout.read(&mut buffer).expect("a pipe");
        if length == 0 {
            break;
        }
        for (at, byte) in buffer[..length].iter().enumerate() {
            let place = ((read + at as u64) % LINE as u64) as usize;
            assert_eq!(*byte, expected[place], "{what}: byte {}", read + at as u64);
        }
        read += length as u64;
    }
    assert_eq!(read, total(), "{what}");
    assert!(child.wait().expect("a child").success(), "{what}");
}

#[test]
fn run_and_exec_are_exact() {
    let env = ready!(busybox);
    is_exact("run", spawn(&env, &format!("run --rm --log-driver none IMAGE sh -c {}", prints())));
    env.run_detached("--name one IMAGE sleep 1000");
    is_exact("exec", spawn(&env, &format!("exec one sh -c {}", prints())));
}

#[test]
fn attach_and_logs_are_exact() {
    let env = ready!(busybox);
    for driver in ["json-file", "k8s-file"] {
        let program = format!("read go; yes $(printf %01000d 7) | head -c {}", total());
        let image = env.image();
        env.argv(&["run", "-d", "-i", "--name", driver, "--log-driver", driver, &image, "sh", "-c", &program])
            .succeeds();
        let mut attached = spawn(&env, &format!("attach {driver}"));
        eventually("it is attached", || {
            env.coracle("events --stream=false --filter event=attach").stdout.contains(&env.inspect(driver, "{{.Id}}"))
        });
        attached.stdin.take().expect("piped").write_all(b"go\n").expect("a pipe");
        is_exact(&format!("attach, {driver}"), attached);
        is_exact(&format!("logs, {driver}"), spawn(&env, &format!("logs {driver}")));
        env.coracle(&format!("rm {driver}")).succeeds();
    }
}
