//! The engine in a process with threads, as a server of an API is one: every verb is called from the threads of a tokio
//! runtime, by two users of the engine at a time. What needs a process of its own is done by workers, which this program
//! plays itself, as it plays supervisors and netd: it is its own coracle.
//!
//! A test program of its own (no harness) because of these roles. `cargo test --test worker -- NAME` runs those whose name
//! holds NAME. `tests/run` runs it as root and as an unprivileged user, with both storage drivers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "support/bad_registry.rs"]
mod bad_registry;
#[path = "worker/life.rs"]
mod life;
#[path = "worker/stage.rs"]
mod stage;

use std::process::Command;
use std::sync::Mutex;

use bad_registry::Fault;
use coracle::engine::progress::{Progress, Silent};
use coracle::engine::pull::{self, Outcome, PullRequest};
use coracle::engine::{doctor, images, info, rmi};
use coracle::testing::oci::{Digest, Reference};
use coracle::testing::spec::PullPolicy;
use coracle::testing::spec::StorageDriver;
use coracle::testing::sys::{Forked, exit_now, fork, has_one_thread};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, poll};
use stage::{Stage, eventually, pull_request};

/// All tests.
const TESTS: &[(&str, fn())] = &[
    ("every_verb_two_at_a_time", every_verb_two_at_a_time),
    ("progress_comes_in_order", progress_comes_in_order),
    ("errors_keep_their_kind_and_hints", errors_keep_their_kind_and_hints),
    ("a_process_with_threads_is_neither_forked_nor_moved", a_process_with_threads_is_neither_forked_nor_moved),
    ("nothing_of_the_caller_is_held", nothing_of_the_caller_is_held),
    ("a_worker_that_dies_is_named", a_worker_that_dies_is_named),
    ("a_worker_ends_with_its_caller", a_worker_ends_with_its_caller),
];

fn main() {
    let arguments: Vec<_> = std::env::args_os().collect();
    if let Some(status) = coracle::dispatch(&arguments) {
        std::process::exit(status.into());
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [.., "--list"] => {}
        ["one", name] => {
            let (_, test) = TESTS.iter().find(|(known, _)| known == name).expect("a test of this name");
            assert!(has_one_thread());
            test();
        }
        ["pull", root, image] => stage::pull_there(root.as_ref(), image),
        filters => all(filters),
    }
}

/// Each in a process of its own.
fn all(filters: &[&str]) {
    if let Err(reason) = stage::ready() {
        assert!(std::env::var("REQUIRE").as_deref() != Ok("all"), "REQUIRE=all, but this machine cannot: {reason}");
        println!("skipped: {reason}");
        return;
    }
    let wanted = |name: &str| filters.iter().all(|word| word.starts_with('-') || name.contains(word));
    let mut failed = Vec::new();
    for (name, _) in TESTS.iter().filter(|(name, _)| wanted(name)) {
        let status = Command::new(std::env::current_exe().unwrap()).args(["one", name]).status().unwrap();
        println!("test {name} ... {}", if status.success() { "ok" } else { "FAILED" });
        failed.extend((!status.success()).then_some(*name));
    }
    assert!(failed.is_empty(), "failed: {failed:?}");
}

fn every_verb_two_at_a_time() {
    let stage = Stage::new();
    let registry = stage.registry(Fault::None);
    let host = registry.host();
    let image = pull_request(&host, "one").image;
    stage.both(move |scene, user| life::of_a_user(scene, &host, user));
    stage.both(move |scene, user| {
        let image = [image.as_str(), "hello"][user].to_owned();
        let removed = rmi::remove(&scene.engine, &[image], &rmi::How::default()).unwrap().remove(0).unwrap();
        assert_eq!(removed.deleted.len(), 2, "the image and its layer");
    });
    stage.both(|scene, _| {
        let info = info::info(&scene.engine, &info::Client::default(), StorageDriver::Overlay).unwrap();
        assert_eq!((info.containers, info.images), (0, 0));
        let checks = doctor::examine(&scene.engine, "/usr/bin:/bin:/usr/sbin".as_ref()).unwrap();
        assert!(checks.iter().any(|check| check.name == "user namespaces"), "{checks:?}");
        assert!(checks.iter().any(|check| check.name == "container networks"), "{checks:?}");
    });
}

/// Writes down what it is told.
#[derive(Default)]
struct Diary(Mutex<Vec<String>>);

impl Diary {
    fn add(&self, what: &str) {
        let mut lines = self.0.lock().unwrap();
        if lines.last().is_none_or(|last| last != what) {
            lines.push(what.to_owned());
        }
    }
}

impl Progress for Diary {
    fn resolved(&self, _: &Reference, layers: &[(Digest, u64)]) {
        self.add(&format!("resolved {}", layers.len()));
    }
    fn layer_exists(&self, _: &Digest) {
        self.add("exists");
    }
    fn layer_started(&self, _: &Digest, _: u64) {
        self.add("started");
    }
    fn layer_moved(&self, _: &Digest, _: u64) {
        self.add("received");
    }
    fn layer_extracting(&self, _: &Digest) {
        self.add("extracting");
    }
    fn layer_done(&self, _: &Digest) {
        self.add("done");
    }
    fn storing(&self) {
        self.add("storing");
    }
}

fn progress_comes_in_order() {
    let stage = Stage::new();
    let registry = stage.registry(Fault::None);
    stage.threads();
    let request = pull_request(&registry.host(), "one");
    for (outcome, expected) in [
        (Outcome::Fetched, "resolved 1, started, received, extracting, done, storing"),
        (Outcome::UpToDate, "resolved 1, exists, storing"),
    ] {
        let diary = Diary::default();
        let report = pull::pull(&stage.engine, &request, &diary).unwrap();
        assert_eq!(report.outcome, outcome);
        assert_eq!(diary.0.into_inner().unwrap().join(", "), expected);
    }
    rmi::remove(&stage.engine, &[request.image], &rmi::How { force: true, ..Default::default() }).unwrap();
}

fn errors_keep_their_kind_and_hints() {
    let stage = Stage::new();
    let registry = stage.registry(Fault::None);
    stage.threads();
    let error = pull::pull(&stage.engine, &pull_request(&registry.host(), "absent"), &Silent).unwrap_err();
    assert_eq!(error.kind(), coracle::testing::base::Kind::NotFound);
    assert!(error.message().starts_with("cannot pull `"), "{error:?}");
    let never = PullRequest { policy: PullPolicy::Never, ..pull_request(&registry.host(), "absent") };
    let error = pull::pull(&stage.engine, &never, &Silent).unwrap_err();
    assert!(error.hints().iter().any(|hint| hint.contains("coracle pull")), "{error:?}");
}

fn a_process_with_threads_is_neither_forked_nor_moved() {
    let stage = Stage::new();
    // A thread that has ended is none.
    std::thread::spawn(|| {}).join().unwrap();
    match fork().unwrap() {
        Forked::Child => exit_now(0),
        Forked::Parent(child) => drop(nix::sys::wait::waitpid(Pid::from_raw(child), None).unwrap()),
    }
    stage.threads();
    assert!(!has_one_thread());
    let namespace = || std::fs::read_link("/proc/self/ns/mnt").unwrap();
    let before = namespace();
    let words = match fork() {
        // Without the other threads its destructors would wait for ever.
        Ok(Forked::Child) => exit_now(0),
        forked => forked.unwrap_err().to_string(),
    };
    assert!(words.contains("several threads"), "{words}");
    let error = coracle::testing::rootless::enter(&stage.engine.paths).unwrap_err();
    assert!(error.chain().contains("several threads"), "{error:?}");
    assert_eq!(namespace(), before);
}

/// A pipe that somebody left open across exec shows who keeps its end.
fn nothing_of_the_caller_is_held() {
    let stage = Stage::new();
    let good = stage.registry(Fault::None);
    stage.threads();
    let request = pull_request(&good.host(), "one");
    pull::pull(&stage.engine, &request, &Silent).unwrap();
    let left_open = || {
        let (read, write) = std::io::pipe().unwrap();
        rustix::io::fcntl_setfd(&write, rustix::io::FdFlags::empty()).unwrap();
        (read, write)
    };
    let is_closed = |read: std::io::PipeReader| {
        let limit = rustix::event::Timespec { tv_sec: 10, tv_nsec: 0 };
        let mut read = [PollFd::new(&read, PollFlags::IN)];
        assert_eq!(poll(&mut read, Some(&limit)), Ok(1), "somebody keeps the pipe");
        read[0].revents() == PollFlags::HUP
    };

    let (read, write) = left_open();
    let container = life::in_background(&stage, &request.image, "holds");
    drop(write);
    assert!(is_closed(read), "while the container runs");
    life::remove(&stage, container.as_str());
    rmi::remove(&stage.engine, &[request.image], &rmi::How { force: true, ..Default::default() }).unwrap();

    let silent = stage.registry(Fault::StallAfter(1000));
    let (read, write) = left_open();
    std::thread::scope(|scope| {
        let pulling = scope.spawn(|| pull::pull(&stage.engine, &pull_request(&silent.host(), "one"), &Silent));
        let worker = stage.puller(&silent, 1);
        drop(write);
        assert!(is_closed(read), "while the worker works");
        kill(worker, Signal::SIGKILL).unwrap();
        assert!(pulling.join().unwrap().is_err());
    });
}

fn a_worker_that_dies_is_named() {
    let stage = Stage::new();
    let registry = stage.registry(Fault::StallAfter(1000));
    let request = pull_request(&registry.host(), "one");
    for (nth, signal, name) in [(1, Signal::SIGKILL, "SIGKILL"), (2, Signal::SIGTERM, "SIGTERM")] {
        std::thread::scope(|scope| {
            let pulling = scope.spawn(|| pull::pull(&stage.engine, &request, &Silent));
            let worker = stage.puller(&registry, nth);
            kill(worker, signal).unwrap();
            let error = pulling.join().unwrap().unwrap_err();
            let expected = format!("the worker for `pull` (process {worker}) was killed by {name} before it was done");
            assert_eq!(error.message(), expected);
            assert!(!error.hints().is_empty());
        });
    }
    assert!(images::list(&stage.engine, &images::Query::default()).unwrap().is_empty());
}

fn a_worker_ends_with_its_caller() {
    let stage = Stage::new();
    let registry = stage.registry(Fault::StallAfter(1000));
    let image = pull_request(&registry.host(), "one").image;
    for (nth, stopped) in [(1, false), (2, true)] {
        let mut caller =
            Command::new(std::env::current_exe().unwrap()).arg("pull").arg(stage.root()).arg(&image).spawn().unwrap();
        let worker = stage.puller(&registry, nth);
        if stopped {
            kill(worker, Signal::SIGSTOP).unwrap();
        }
        caller.kill().unwrap();
        caller.wait().unwrap();
        eventually("the worker ends", || !stage::is_alive(worker));
    }
    assert!(images::list(&stage.engine, &images::Query::default()).unwrap().is_empty());
    // What the dead left is gone with the next pull.
    let good = stage.registry(Fault::None);
    let request = pull_request(&good.host(), "one");
    pull::pull(&stage.engine, &request, &Silent).unwrap();
    assert_eq!(std::fs::read_dir(stage.engine.paths.store().join("staging")).unwrap().count(), 0);
    rmi::remove(&stage.engine, &[request.image], &rmi::How { force: true, ..Default::default() }).unwrap();
}
