//! Commands about images are killed at random moments. `CORACLE_TEST_SOAK=1` does 500 rounds, otherwise a few; the seed of a
//! failed run is told, and `CORACLE_TEST_SEED` repeats its choices.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};

use crate::support::env::Env;
use crate::support::images::{Image, Tar};
use crate::support::output::Output;
use crate::support::registry::Registry;
use crate::support::{eventually, holds_within};

/// Numbers that look random (xorshift64*).
struct Choices(u64);

impl Choices {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % most
    }
}

/// Bytes that do not compress.
fn noise(choices: &mut Choices, length: usize) -> Vec<u8> {
    (0..length).map(|_| choices.below(256) as u8).collect()
}

/// A layer of many small files and a large one.
fn layer(choices: &mut Choices, name: &str) -> Tar {
    let mut tar = Tar::new().directory(&format!("{name}/"));
    for at in 0..150 {
        tar = tar.file(&format!("{name}/{at}"), noise(choices, 100));
    }
    tar.file(&format!("{name}/large"), noise(choices, 300_000))
}

struct Soak {
    env: Env,
    choices: Choices,
    registry: Registry,
    /// Images that share layers.
    names: [String; 2],
    archive: String,
    pushed: u32,
}

impl Soak {
    fn begin(seed: u64) -> Option<Self> {
        let env = Env::with(&[]).map_err(|reason| crate::support::skip(&reason)).ok()?;
        let mut choices = Choices(seed);
        let registry = Registry::start();
        let shared = layer(&mut choices, "shared");
        let image = |tars: Vec<Tar>| tars.into_iter().fold(Image::busybox(), Image::layer);
        let names = [
            registry.push(&image(vec![layer(&mut choices, "a")]), "one:v1"),
            registry.push(&image(vec![shared, layer(&mut choices, "b")]), "two:v1"),
        ];
        let archive = env.file("both.tar").display().to_string();
        let soak = Self { env, choices, registry, names, archive, pushed: 0 };
        for name in &soak.names {
            soak.env.coracle(&format!("pull -q {name}")).succeeds();
        }
        soak.env.coracle(&format!("save -o {} {} {}", soak.archive, soak.names[0], soak.names[1])).succeeds();
        Some(soak)
    }

    /// The next command, and what has to hold for it to do something.
    fn next(&mut self) -> (String, Vec<String>) {
        let name = self.names[self.choices.below(2) as usize].clone();
        let present = vec![format!("pull -q {name}")];
        match self.choices.below(8) {
            0 | 1 => (format!("pull -q {name}"), vec![format!("rmi -f --ignore {name}")]),
            2 => (format!("load -q -i {}", self.archive), vec!["rmi -af".into()]),
            3 => {
                self.pushed += 1;
                let to = self.registry.name(&format!("pushed{}", self.pushed));
                (format!("push -q {to}"), [present, vec![format!("tag {name} {to}")]].concat())
            }
            4 => (format!("rmi -f --ignore {name}"), present),
            5 => ("image prune -af".into(), present),
            6 => ("system prune -af".into(), present),
            _ => (format!("tag {name} given:{}", self.choices.below(3)), present),
        }
    }

    /// Kills a command, sometimes with everything that it has started, and looks whether all is as it should be.
    fn round(&mut self, seed: u64, at: u32) {
        let (line, before) = self.next();
        let told = format!("round {at} of seed {seed}: {line}");
        let ok = |env: &Env, line: &str| -> Output {
            let output = env.coracle(line);
            assert!(output.code() == 0, "{told}: {output:?}");
            output
        };
        before.iter().for_each(|line| drop(ok(&self.env, line)));
        // How long it takes, up to any of its instants.
        let moment = Duration::from_micros(self.choices.below(150_000));
        let everything = self.choices.below(2) == 0;
        let running = self.env.command(&line).spawn();
        let begun = Instant::now();
        while begun.elapsed() < moment {
            std::thread::sleep(Duration::from_micros(200));
        }
        if everything {
            for process in self.env.processes() {
                let _ = kill(process, Signal::SIGKILL);
            }
        }
        running.signal(Signal::SIGKILL);
        drop(running.wait());
        // At once, while what it has left may still be dying.
        for row in ok(&self.env, "images --format {{.ID}}").lines() {
            ok(&self.env, &format!("image inspect {row}"));
        }
        ok(&self.env, &line);
        let found = self.env.coracle("system check --quick");
        assert!(!found.stdout.contains("damage"), "{told}: {found:?}");
        if at % 20 == 19 {
            self.is_in_order(&told);
        }
    }

    /// Nothing is damaged, images work, and when all are gone so is the space.
    fn is_in_order(&self, told: &str) {
        let env = &self.env;
        let found = env.coracle("system check");
        assert!(!found.stdout.contains("damage"), "{told}: {found:?}");
        for name in &self.names {
            env.coracle(&format!("pull -q {name}")).succeeds();
            env.coracle(&format!("run --rm --network none {name} true")).succeeds();
        }
        env.coracle("rmi -af").succeeds();
        eventually("the reclaimer has ended", || env.processes().is_empty());
        let left = || {
            let mut left = Vec::new();
            for directory in ["layers", "blobs", "images", "refs", "removing", "staging", "trash", "partial"] {
                let entries = fs::read_dir(env.data().join("store").join(directory)).into_iter().flatten().flatten();
                left.extend(entries.map(|entry| format!("{directory}/{}", entry.file_name().to_string_lossy())));
            }
            left
        };
        // What the dead have left is swept by the next commands.
        let swept = holds_within(Duration::from_secs(20), || {
            env.coracle(&format!("pull -q {}", self.names[0])).succeeds();
            env.coracle("rmi -af").succeeds();
            eventually("the reclaimer has ended", || env.processes().is_empty());
            left().is_empty()
        });
        assert!(swept, "{told}: space is lost: {:?}", left());
        env.coracle("system check").succeeds().stdout_is("");
    }
}

#[test]
fn image_commands_are_killed_at_random() {
    let rounds = if std::env::var_os("CORACLE_TEST_SOAK").is_some() { 500 } else { 10 };
    let given = std::env::var("CORACLE_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| u64::from(std::process::id()) * 0x9e37_79b9 + 1);
    let Some(mut soak) = Soak::begin(seed) else { return };
    (0..rounds).for_each(|at| soak.round(seed, at));
    soak.is_in_order(&format!("the end of seed {seed}"));
}
