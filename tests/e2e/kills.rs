//! Processes of ours are killed at random moments while commands run: afterwards `ps` tells the truth, every command works,
//! and nothing is left. A few rounds each time, and 1,000 with `CORACLE_TEST_SOAK=1`; `CORACLE_TEST_SEED` repeats a run.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};

use crate::support::env::Env;
use crate::support::eventually;

/// Numbers that look random: xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// Commands, some of which fail because of what came before.
const LINES: [&str; 14] = [
    "run -d --name one IMAGE sleep 1000",
    "run -d --name two --restart always IMAGE sleep 1000",
    "run --rm --name three -v data:/d IMAGE true",
    "run -d --name four --secret key --health-cmd true --health-interval 10ms IMAGE sleep 1000",
    "create --name five --init IMAGE true",
    "exec one sh -c 'echo x >/file'",
    "exec four true",
    "stop -t 0 one",
    "start one",
    "restart -t 0 two",
    "rm -f four",
    "rm -f -v one two",
    "volume create data",
    "volume rm data",
];

/// One command, and a process that is killed somewhere on its way.
fn round(env: &Env, random: &mut Random) {
    let line = LINES[random.below(LINES.len())];
    let running = env.command(line).spawn();
    let moment = Instant::now() + Duration::from_micros(random.below(120_000) as u64);
    while Instant::now() < moment {
        std::thread::yield_now();
    }
    let processes = env.processes();
    if !processes.is_empty() {
        let _ = kill(processes[random.below(processes.len())], Signal::SIGKILL);
    }
    let output = running.wait();
    assert!(!output.stderr.contains("panicked"), "{line}: {output:?}");
}

/// What must hold whatever was killed.
fn is_in_order(env: &Env, what: &str) {
    let listed = env.coracle("ps -a --no-trunc --format '{{.ID}} {{.State}}'");
    assert_eq!(listed.code(), 0, "{what}: {listed:?}");
    for line in listed.stdout.lines() {
        let (id, state) = line.split_once(' ').expect("two words");
        let inspected = env.argv(&["inspect", "--format", "{{.State.Pid}}", id]);
        // One with --rm may be gone by now.
        if state == "running" && inspected.code() == 0 {
            let exec = env.argv(&["exec", id, "true"]);
            let gone = ["not running", "no such container", "restarting", "is gone", "just ended", "ended before"];
            let told = gone.iter().any(|words| exec.stderr.to_lowercase().contains(words));
            assert!(exec.code() == 0 || told, "{what}: {exec:?}");
        }
    }
}

#[test]
fn at_random_moments() {
    let env = ready!(busybox);
    let soak = std::env::var_os("CORACLE_TEST_SOAK").is_some();
    let seed = std::env::var("CORACLE_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()) * 2_654_435_761 + 1);
    let mut random = Random(seed);
    env.command("secret create key -").stdin("hush").run().succeeds();
    for number in 0..if soak { 1000 } else { 12 } {
        round(&env, &mut random);
        is_in_order(&env, &format!("seed {seed}, round {number}"));
    }
    for id in env.coracle("ps -aq --no-trunc").succeeds().lines() {
        let removed = env.argv(&["rm", "-f", id]);
        assert!(removed.code() == 0 || removed.stderr.to_lowercase().contains("no such"), "seed {seed}: {removed:?}");
    }
    env.coracle("run --rm --name fresh -v data:/d IMAGE echo well").succeeds().stdout_is("well\n");
    env.coracle("volume rm -f data").succeeds();
    env.coracle("ps -aq").succeeds().stdout_is("");
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("proc is mounted");
    assert!(!mounts.contains(&*env.root().to_string_lossy()), "seed {seed}: a mount is left");
}

/// The directory of sockets goes while containers run: what the end of a login session may do.
#[test]
fn the_runtime_directory_goes() {
    let env = ready!(busybox);
    env.run_detached("--name one IMAGE sleep 1000");
    env.run_detached("--name two IMAGE sleep 1000");
    std::fs::remove_dir_all(env.runtime()).expect("ours");
    env.argv(&["ps", "-a", "--format", "{{.Names}} {{.State}}"]).succeeds().stdout_is("two running\none running\n");
    env.coracle("logs one").succeeds();
    env.coracle("exec one true").fails().explains();
    env.coracle("stop -t 0 one").succeeds();
    env.coracle("rm -f one two").succeeds();
    env.coracle("ps -aq").succeeds().stdout_is("");
    eventually("a new one starts", || env.coracle("run --rm IMAGE echo well").stdout == "well\n");
}
