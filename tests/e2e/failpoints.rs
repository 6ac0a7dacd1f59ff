//! Every step of a command may be its last, or fail: the failpoints of `coracle::testing::base::failpoint` are gone through one after
//! the other. Each time the command tells why it failed, and everything is in order afterwards.
//!
//! Which steps a command passes is found out by a run that traces them. A scenario goes through those of its subject; with
//! `CORACLE_TEST_SOAK=1` through all that it passes, each as often as it passes it.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use coracle::testing::base::failpoint::{Effect, FILE, PASSED, POINTS};

use crate::crash::kill_netd;
use crate::support::env::Env;
use crate::support::eventually;
use crate::support::output::Output;
use crate::support::registry::Registry;

/// A command, and what has to be there before it.
struct Scenario {
    /// Commands that succeed. `OWN` stands for a name in a registry that is new each time.
    before: &'static [&'static str],
    /// The command whose steps are gone through.
    line: &'static str,
    /// The failpoints that are its subject, by the beginnings of their names.
    subject: &'static [&'static str],
}

const PULL: Scenario = Scenario {
    before: &["rmi -f IMAGE"],
    line: "pull -q IMAGE",
    subject: &["pull.", "store.layer", "store.image.", "store.tag", "worker.", "publish.directory", "publish.file."],
};

const PUSH: Scenario = Scenario { before: &["tag IMAGE OWN"], line: "push -q OWN", subject: &["push."] };

const CREATE: Scenario = Scenario {
    before: &[],
    line: "create --name one -v data:/data IMAGE sleep 1000",
    subject: &["create.", "container.create.", "lock."],
};

const RUN: Scenario = Scenario {
    before: &["secret create --replace key /etc/passwd"],
    line: "run -d --name one --secret key -v data:/data:O IMAGE sleep 1000",
    subject: &[
        "outer.created",
        "start.",
        "supervisor.exec",
        "supervisor.locked",
        "supervisor.reserved",
        "supervisor.joined",
        "supervisor.placed",
        "supervisor.mounted",
        "supervisor.union.",
        "supervisor.secret.",
        "supervisor.l",
        "supervisor.recorded",
    ],
};

const START: Scenario = Scenario {
    before: &["create --name one IMAGE sleep 1000"],
    line: "start one",
    subject: &["netd.", "runtime.", "overlay.", "fused."],
};

const SECOND: Scenario = Scenario {
    before: &["run -d --name other IMAGE sleep 1000"],
    line: "run -d --name one IMAGE sleep 1000",
    subject: &["outer.joined", "netd.join", "netd.plug"],
};

const STOP: Scenario = Scenario {
    before: &["run -d --name one IMAGE sleep 1000"],
    line: "stop -t 0 one",
    subject: &["stop.", "supervisor.stop_heard", "supervisor.ended", "supervisor.finished"],
};

const REMOVE: Scenario = Scenario {
    before: &["create --name one -v /anonymous IMAGE sleep 1000"],
    line: "rm -v one",
    subject: &["container.remove.", "publish.discard", "volume.remove."],
};

const RENAME: Scenario = Scenario {
    before: &["create --name one IMAGE sleep 1000"],
    line: "rename one two",
    subject: &["container.rename"],
};

const REMOVE_IMAGE: Scenario =
    Scenario { before: &["pull -q IMAGE"], line: "rmi IMAGE", subject: &["store.untagged", "store.removal."] };

const SAVE: Scenario =
    Scenario { before: &["pull -q IMAGE"], line: "save -o files/saved.tar IMAGE", subject: &["save."] };

const LOAD: Scenario = Scenario {
    before: &["pull -q IMAGE", "save -o files/loaded.tar IMAGE", "rmi -f IMAGE"],
    line: "load -q -i files/loaded.tar",
    subject: &["load.", "store.layer", "store.image.", "store.tag"],
};

const IMPORT: Scenario = Scenario {
    before: &["pull -q IMAGE", "save -o files/imported.tar IMAGE", "rmi --ignore imported:1"],
    line: "import -q files/imported.tar imported:1",
    subject: &["store.layer", "store.image.", "store.tag"],
};

const PRUNE_IMAGES: Scenario = Scenario {
    before: &["pull -q IMAGE", "save -o files/pruned.tar IMAGE", "import -q files/pruned.tar"],
    line: "image prune -f",
    subject: &["store.removal."],
};

const TAG: Scenario =
    Scenario { before: &["pull -q IMAGE", "rmi --ignore given:1"], line: "tag IMAGE given:1", subject: &["store.tag"] };

const PUSH_LIST: Scenario = Scenario {
    before: &["pull -q IMAGE", "manifest rm --ignore many", "manifest create many IMAGE"],
    line: "manifest push -q many OWN",
    subject: &["push.list"],
};

const NETWORK_CREATE: Scenario = Scenario { before: &[], line: "network create front", subject: &["network.define"] };

const NETWORK_REMOVE: Scenario =
    Scenario { before: &["network create front"], line: "network rm front", subject: &["network.remove"] };

const CO23ECT: Scenario = Scenario {
    before: &["network create front", "run -d --name one IMAGE sleep 1000"],
    line: "network connect front one",
    subject: &["network.connected"],
};

const DISCO23ECT: Scenario = Scenario {
    before: &["network create front", "run -d --name one --network front IMAGE sleep 1000"],
    line: "network disconnect front one",
    subject: &["network.disconnected"],
};

const VOLUME_CREATE: Scenario = Scenario { before: &[], line: "volume create data", subject: &["volume.create."] };

const VOLUME_REMOVE: Scenario =
    Scenario { before: &["volume create data"], line: "volume rm data", subject: &["volume.remove."] };

const SECRET_CREATE: Scenario = Scenario {
    before: &["secret create --replace key /etc/passwd"],
    line: "secret create --replace key /etc/group",
    subject: &["secret.create."],
};

const SECRET_REMOVE: Scenario = Scenario {
    before: &["secret create --replace key /etc/passwd"],
    line: "secret rm key",
    subject: &["secret.remove."],
};

const BUILD: Scenario =
    Scenario { before: &["rmi -f made", "builder prune -af"], line: "build -q -t made CONTEXT", subject: &["build."] };

const COMPOSE_UP: Scenario = Scenario {
    before: &["compose -p p -f FIRST-PROJECT up -d"],
    line: "compose -p p -f SECOND-PROJECT up -d",
    subject: &["compose.replace"],
};

const COMPOSE_DOWN: Scenario = Scenario {
    before: &["compose -p p -f FIRST-PROJECT up -d"],
    line: "compose -p p -f FIRST-PROJECT down",
    subject: &["compose.down."],
};

const MOUNT: Scenario = Scenario {
    before: &["create --name one IMAGE sleep 1000"],
    line: "unshare sh -c 'PROGRAM mount one && PROGRAM umount one'",
    subject: &["mount."],
};

const ALL: [&Scenario; 28] = [
    &COMPOSE_UP,
    &COMPOSE_DOWN,
    &MOUNT,
    &BUILD,
    &PULL,
    &PUSH,
    &SAVE,
    &LOAD,
    &IMPORT,
    &PRUNE_IMAGES,
    &TAG,
    &PUSH_LIST,
    &CREATE,
    &RUN,
    &START,
    &SECOND,
    &STOP,
    &REMOVE,
    &RENAME,
    &REMOVE_IMAGE,
    &NETWORK_CREATE,
    &NETWORK_REMOVE,
    &CO23ECT,
    &DISCO23ECT,
    &VOLUME_CREATE,
    &VOLUME_REMOVE,
    &SECRET_CREATE,
    &SECRET_REMOVE,
];

impl Scenario {
    fn is_about(&self, name: &str) -> bool {
        self.subject.iter().any(|beginning| name.starts_with(beginning))
    }
}

/// What one scenario is gone through with.
struct Run<'a> {
    env: &'a Env,
    scenario: &'a Scenario,
    registry: Option<Registry>,
}

impl Run<'_> {
    /// Puts everything in place for the command, with no process left from before.
    fn prepare(&mut self) {
        // One that has no blob yet.
        self.registry = None;
        for line in self.scenario.before {
            self.coracle(line).succeeds();
        }
        // What they have removed is reclaimed in the background.
        eventually("no worker runs", || processes(self.env, "coracle-worker") == 0);
    }

    fn coracle(&mut self, line: &str) -> Output {
        let mut own = || self.registry.get_or_insert_with(Registry::start).name("own");
        let mut line = if line.contains("OWN") { line.replace("OWN", &own()) } else { line.to_owned() };
        if line.contains("CONTEXT") {
            let directory = self.env.mkdir("context");
            let dockerfile = format!("FROM {}\nCOPY a /a\nRUN cat /a > /b\n", self.env.image());
            fs::write(directory.join("Dockerfile"), dockerfile).expect("our directory");
            fs::write(directory.join("a"), "a").expect("our directory");
            line = line.replace("CONTEXT", &directory.display().to_string());
        }
        if let Some(project) = ["FIRST-PROJECT", "SECOND-PROJECT"].into_iter().find(|project| line.contains(project)) {
            let image = self.env.image();
            let service =
                format!("image: {image}, command: sleep 1000, stop_grace_period: 0s, environment: {{V: {project}}}");
            let path = self.env.write(&format!("{project}.yaml"), format!("services: {{a: {{{service}}}}}\n"));
            return self.env.coracle(&line.replace(project, &path.display().to_string()));
        }
        self.env.coracle(&line.replace("PROGRAM", &self.env.program().display().to_string()))
    }

    /// The failpoints that the command passes, in their order, with all repetitions.
    fn trace(&mut self) -> Vec<String> {
        self.prepare();
        arm(self.env, "*", "trace", 0);
        self.coracle(self.scenario.line).succeeds();
        self.reaches_the_end();
        assert!(disarm(self.env), "nothing takes a trace away");
        let passed = fs::read_to_string(self.env.runtime().join(PASSED)).expect("a trace");
        self.in_order("trace");
        passed.lines().map(str::to_owned).collect()
    }

    /// What goes on after the command: workers that reclaim space, and the supervisor of a container that was stopped.
    fn reaches_the_end(&self) {
        eventually("no worker runs", || processes(self.env, "coracle-worker") == 0);
        if self.scenario.line.starts_with("stop") {
            eventually("the supervisor has ended", || processes(self.env, "coracle-supervise") == 0);
        }
    }

    /// One time, with one process that fails at one step.
    fn fails_at(&mut self, name: &str, effect: Effect, action: &str, skip: u32) {
        let what = format!("`{}` with {action} at {name} ({skip})", self.scenario.line);
        self.prepare();
        arm(self.env, name, action, skip);
        let output = self.coracle(self.scenario.line);
        self.reaches_the_end();
        let reached = !disarm(self.env);
        // Processes work side by side: how often a step is passed, and which of them makes the namespace, may differ.
        let certain = skip == 0 && self.scenario.is_about(name);
        assert!(reached || !certain, "{what}: not reached\n{output:?}");
        let itself = output.status.signal() == Some(9);
        let silent = output.code() != 0 && !itself && output.stderr.trim().is_empty();
        assert!(!silent && !output.stderr.contains("panicked"), "{what}: without a word\n{output:?}");
        // In a soak errors also hit what may be done later, such as sweeping.
        if action == "error" && effect == Effect::Fails && certain {
            let told = ["injected failure", "i/o error"].iter().any(|words| output.stderr.contains(words));
            assert!(output.code() != 0 && told, "{what}: not told\n{output:?}");
        }
        self.in_order(&what);
    }

    /// What is listed can be inspected, run and removed; a command that repeats what failed succeeds; nothing is left of it.
    fn in_order(&mut self, what: &str) {
        let env = self.env;
        let ok = |line: &str| {
            let output = env.coracle(line);
            assert!(output.code() == 0, "after {what}: {output:?}");
            output
        };
        for name in ok("ps -a --format {{.Names}}").lines() {
            ok(&format!("inspect {name}"));
            ok(&format!("start {name}"));
            assert_eq!(env.status(name), "running", "after {what}");
            ok(&format!("rm -f {name}"));
        }
        for id in ok("images -q").lines().into_iter().collect::<BTreeSet<_>>() {
            ok(&format!("image inspect {id}"));
        }
        for name in ok("network ls --format {{.Name}}").lines() {
            ok(&format!("network inspect {name}"));
        }
        ok("network rm -f front");
        for name in ok("secret ls -q").lines() {
            ok(&format!("secret inspect --showsecret {name}"));
            ok(&format!("secret rm {name}"));
        }
        assert_eq!(entries(&env.data().join("secrets")), Vec::<String>::new(), "after {what}: secrets");
        for name in ok("volume ls -q").lines() {
            ok(&format!("volume inspect {name}"));
            ok(&format!("volume rm {name}"));
        }
        let run = ok("run --rm --name one -v data:/data IMAGE echo well");
        assert_eq!(run.stdout, "well\n", "after {what}");
        ok("volume rm data");
        // Nobody lives on but netd, which waits for the next container.
        kill_netd(env);
        eventually("nobody works in the background", || env.processes().is_empty());
        images_are_in_order(env, what);
        no_lock_is_held(&env.data(), what);
        no_lock_is_held(&env.runtime(), what);
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("proc is mounted");
        assert!(!mounts.contains(&*env.root().to_string_lossy()), "after {what}: a mount is left");
        assert_eq!(entries(&env.data().join("names")), Vec::<String>::new(), "after {what}");
    }
}

/// Nothing is damaged, and everything that nobody needs can be given back.
fn images_are_in_order(env: &Env, what: &str) {
    let found = env.coracle("system check --max 0s");
    assert!(!found.stdout.contains("damage"), "after {what}: {found:?}");
    let mended = env.coracle("system check --quick --repair --max 0s");
    assert!(mended.code() == 0 && mended.stderr.is_empty(), "after {what}: {mended:?}");
    let clean = env.coracle("system check --quick --max 0s");
    assert!(clean.code() == 0 && clean.stdout.is_empty(), "after {what}: {clean:?}");
    for directory in ["staging", "store/staging", "store/trash", "store/removing"] {
        assert_eq!(entries(&env.data().join(directory)), Vec::<String>::new(), "after {what}: {directory}");
    }
}

/// Arms a failpoint.
fn arm(env: &Env, name: &str, action: &str, skip: u32) {
    let _ = fs::remove_file(env.runtime().join(PASSED));
    fs::write(env.runtime().join(FILE), format!("{name} {action} {skip:08}\n")).expect("the runtime directory");
}

/// Takes it away; false when it has acted.
fn disarm(env: &Env) -> bool {
    fs::remove_file(env.runtime().join(FILE)).is_ok()
}

/// How many processes of a role there are.
fn processes(env: &Env, role: &str) -> usize {
    let is = |pid: &nix::unistd::Pid| {
        fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(role.as_bytes()))
    };
    env.processes().iter().filter(|pid| is(pid)).count()
}

fn entries(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).map(|entries| entries.flatten().collect::<Vec<_>>()).unwrap_or_default();
    entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// All files outside trees of containers and layers.
fn each_file(directory: &Path, see: &mut dyn FnMut(&Path)) {
    for name in entries(directory) {
        let path = directory.join(&name);
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() && !["tree", "upper", "work", "_data", "trash"].contains(&&*name) => {
                each_file(&path, see);
            }
            Ok(metadata) if metadata.is_file() => see(&path),
            _ => {}
        }
    }
}

fn no_lock_is_held(below: &Path, what: &str) {
    each_file(below, &mut |path| {
        if let Ok(file) = File::open(path) {
            let held = matches!(file.try_lock(), Err(TryLockError::WouldBlock));
            assert!(!held, "after {what}: `{}` is still locked", path.display());
        }
    });
}

/// The next commands sweep what the dead have left.
fn is_swept(env: &Env) {
    let left = || {
        let mut left = Vec::new();
        for directory in ["containers", "staging", "trash", "store/staging", "store/trash", "store/removing"] {
            left.extend(entries(&env.data().join(directory)).into_iter().map(|name| format!("{directory}/{name}")));
        }
        each_file(&env.data(), &mut |path| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if name.starts_with('.') && name.matches('-').count() == 2 {
                left.push(path.display().to_string());
            }
        });
        left
    };
    let swept = crate::support::holds_within(std::time::Duration::from_secs(20), || {
        env.coracle("network create sweeps").succeeds();
        env.coracle("network rm sweeps").succeeds();
        env.coracle("create --name sweeps IMAGE true").succeeds();
        env.coracle("rm sweeps").succeeds();
        eventually("the reclaimer has ended", || env.processes().is_empty());
        left().is_empty()
    });
    assert!(swept, "nobody sweeps {:?}", left());
}

fn go_through(scenario: &Scenario) {
    let env = ready!(busybox);
    if !cfg!(debug_assertions) {
        return crate::support::skip("failpoints are only in builds for tests");
    }
    let soak = std::env::var_os("CORACLE_TEST_SOAK").is_some();
    env.run_detached("--name first IMAGE true");
    env.coracle("rm -f first").succeeds();
    kill_netd(&env);
    let mut run = Run { env: &env, scenario, registry: None };
    let passed = run.trace();
    for beginning in scenario.subject {
        let is_other_drivers = matches!(*beginning, "overlay." | "fused.");
        let found = passed.iter().any(|name| name.starts_with(beginning));
        assert!(found || is_other_drivers, "`{}` does not pass {beginning}: {passed:?}", scenario.line);
    }
    for (name, effect) in POINTS {
        let times = passed.iter().filter(|passed| passed == name).count() as u32;
        if times == 0 || !(soak || scenario.is_about(name)) {
            continue;
        }
        for skip in 0..if soak { times } else { 1 } {
            run.fails_at(name, *effect, "kill", skip);
            if *effect != Effect::None {
                run.fails_at(name, *effect, "error", skip);
            }
        }
    }
    is_swept(&env);
}

/// A supervisor that is stopped while it starts netd holds up the others, but not for ever, and they say who it is.
#[test]
fn a_process_that_is_stopped_while_it_starts_netd_is_named() {
    let env = ready!(busybox);
    // Each takes the 20 seconds of its limit.
    if !cfg!(debug_assertions) || std::env::var_os("CORACLE_TEST_SOAK").is_none() {
        return;
    }
    for (step, words) in
        [("netd.locked", "it is held by process "), ("netd.listening", "it is being started by process ")]
    {
        arm(&env, step, "stop", 0);
        let holder = env.command("run -d --name one IMAGE sleep 1000").spawn();
        eventually("it is stopped", || !env.runtime().join(FILE).exists());
        let waiter = env.coracle("run -d --name two IMAGE sleep 1000").fails_with(125);
        waiter.stderr_has(words).stderr_has("`coracle-supervise").stderr_has("which is stopped");
        for pid in env.processes() {
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGCONT);
        }
        holder.wait().succeeds();
        env.coracle("start two").succeeds();
        env.coracle("rm -f one two").succeeds();
        kill_netd(&env);
    }
}

#[test]
fn every_failpoint_is_the_subject_of_a_scenario() {
    for (name, _) in POINTS {
        assert!(ALL.iter().any(|scenario| scenario.is_about(name)), "{name}");
    }
}

#[test]
fn steps_of_pull() {
    go_through(&PULL);
}

#[test]
fn steps_of_build() {
    go_through(&BUILD);
}

#[test]
fn steps_of_push() {
    go_through(&PUSH);
}

#[test]
fn steps_of_save_and_load() {
    go_through(&SAVE);
    go_through(&LOAD);
}

#[test]
fn steps_of_import_and_image_prune() {
    go_through(&IMPORT);
    go_through(&PRUNE_IMAGES);
}

#[test]
fn steps_of_tag_and_of_pushing_a_list() {
    go_through(&TAG);
    go_through(&PUSH_LIST);
}

#[test]
fn steps_of_mount() {
    go_through(&MOUNT);
}

#[test]
fn steps_of_create() {
    go_through(&CREATE);
}

#[test]
fn steps_of_run() {
    go_through(&RUN);
}

#[test]
fn steps_of_start() {
    go_through(&START);
}

#[test]
fn steps_of_a_second_container() {
    go_through(&SECOND);
}

#[test]
fn steps_of_stop() {
    go_through(&STOP);
}

#[test]
fn steps_of_rm() {
    go_through(&REMOVE);
}

#[test]
fn steps_of_rename() {
    go_through(&RENAME);
}

#[test]
fn steps_of_rmi() {
    go_through(&REMOVE_IMAGE);
}

#[test]
fn steps_of_network_commands() {
    go_through(&NETWORK_CREATE);
    go_through(&NETWORK_REMOVE);
}

#[test]
fn steps_of_network_connect_and_disconnect() {
    go_through(&CO23ECT);
    go_through(&DISCO23ECT);
}

#[test]
fn steps_of_volume_commands() {
    go_through(&VOLUME_CREATE);
    go_through(&VOLUME_REMOVE);
}

#[test]
fn projects_survive_every_step() {
    go_through(&COMPOSE_UP);
    go_through(&COMPOSE_DOWN);
}

#[test]
fn steps_of_secret_commands() {
    go_through(&SECRET_CREATE);
    go_through(&SECRET_REMOVE);
}
