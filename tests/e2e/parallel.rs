//! Many commands at once: none fails, none waits for the others.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use crate::support::eventually;
use crate::support::images::Image;
use crate::support::registry::Registry;

#[test]
fn thirty_runs() {
    let env = ready!(busybox);
    let running: Vec<_> =
        (0..30).map(|n| env.command(&format!("run --rm IMAGE sh -c 'echo {n}; exit {n}'")).spawn()).collect();
    for (n, running) in running.into_iter().enumerate() {
        running.wait().exits_with(i32::try_from(n).expect("small")).stdout_is(&format!("{n}\n")).stderr_is("");
    }
    env.coracle("ps -aq").succeeds().stdout_is("");
}

#[test]
fn thirty_containers_live_and_go() {
    let env = ready!(busybox);
    let starting: Vec<_> =
        (0..30).map(|n| env.command(&format!("run -d --name n{n} IMAGE sleep 1000")).spawn()).collect();
    let ids: BTreeSet<String> =
        starting.into_iter().map(|running| running.wait().succeeds().line().to_owned()).collect();
    assert_eq!(ids.len(), 30);
    assert_eq!(env.coracle("ps -q").succeeds().lines().len(), 30);
    let removing: Vec<_> = ids.iter().map(|id| env.command(&format!("rm -f {id}")).spawn()).collect();
    for (id, running) in ids.iter().zip(removing) {
        running.wait().succeeds().stdout_is(&format!("{id}\n"));
    }
    env.coracle("ps -aq").succeeds().stdout_is("");
}

#[test]
fn one_name_has_one_winner() {
    let env = ready!(busybox);
    let running: Vec<_> = (0..10).map(|_| env.command("run -d --name one IMAGE sleep 1000").spawn()).collect();
    let codes: Vec<i32> = running.into_iter().map(|running| running.wait().code()).collect();
    assert_eq!(codes.iter().filter(|&&code| code == 0).count(), 1, "{codes:?}");
    assert!(codes.iter().all(|&code| code == 0 || code == 125), "{codes:?}");
    assert_eq!(env.coracle("ps -aq").succeeds().lines().len(), 1);
}

#[test]
fn one_image_pulled_by_many() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let name = registry.push(&Image::busybox().set("Labels", serde_json::json!({"a": "b"})), "same");
    let running: Vec<_> = (0..8).map(|_| env.command(&format!("run --rm {name} echo pulled")).spawn()).collect();
    for running in running {
        running.wait().succeeds().stdout_is("pulled\n");
    }
    assert_eq!(env.coracle("images -q").succeeds().lines().len(), 2);
}

#[test]
fn one_container_under_many_hands() {
    let env = ready!(busybox);
    env.run_detached("--name one IMAGE sleep 1000");
    let running: Vec<_> = (0..12)
        .map(|n| env.command(["stop -t 0 one", "start one", "restart -t 0 one", "kill one"][n % 4]).spawn())
        .collect();
    for running in running {
        // Some come too late or too early; none may hang or crash.
        let output = running.wait();
        assert!(output.code() <= 1 && !output.stderr.contains("panicked"), "{output:?}");
    }
    let status = env.status("one");
    assert!(status == "running" || status == "exited", "{status}");
    env.coracle("restart -t 0 one").succeeds();
    env.coracle("exec one true").succeeds();
}

/// Whoever joins the user's namespace is known to live in it before anybody may make another one: otherwise the one through
/// which it came could go in between, and containers would be in two worlds that do not find each other.
#[test]
fn who_joins_the_namespace_keeps_others_from_making_one() {
    let env = ready!(busybox);
    env.run_detached("--name one IMAGE sleep 1000");
    // Somebody is about to make one.
    let making = File::open(env.runtime().join("keepers.lock")).unwrap();
    making.lock().unwrap();
    let starting = env.command("run -d --name two IMAGE sleep 1000").spawn();
    let lock = format!(":{} ", making.metadata().unwrap().ino());
    eventually("the start waits", || {
        let locks = std::fs::read_to_string("/proc/locks").unwrap();
        locks.lines().any(|line| line.contains("-> FLOCK") && line.contains(&lock))
    });
    making.unlock().unwrap();
    starting.wait().succeeds();
    let namespace =
        |container| std::fs::metadata(format!("/proc/{}/ns/user", env.supervisor(container))).unwrap().ino();
    assert_eq!(namespace("one"), namespace("two"));
}

#[test]
fn readers_do_not_wait_for_a_pull() {
    let env = ready!(busybox);
    if let Err(reason) = crate::support::images::can_make("debian") {
        return crate::support::skip(&reason);
    }
    let name = Registry::shared("debian").name("debian");
    let pull = env.command(&format!("pull -q {name}")).spawn();
    let staging = env.data().join("store/staging");
    crate::support::eventually("it writes", || {
        std::fs::read_dir(&staging).is_ok_and(|mut entries| entries.next().is_some())
    });
    let begun = Instant::now();
    for _ in 0..5 {
        env.coracle("ps -a").succeeds();
        env.coracle("images").succeeds();
    }
    env.coracle("run --rm IMAGE true").succeeds();
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    pull.wait().succeeds();
}

#[test]
fn readers_during_starts_and_removals() {
    let env = ready!(busybox);
    let starting: Vec<_> = (0..10).map(|_| env.command("run --rm IMAGE true").spawn()).collect();
    for _ in 0..30 {
        env.coracle("ps -a").succeeds().stderr_is("");
        env.argv(&["ps", "-a", "--format", "json"]).succeeds().stderr_is("");
    }
    for running in starting {
        running.wait().succeeds();
    }
}

/// Who comes second finds the work done.
#[test]
fn two_commands_end_one_container() {
    let env = ready!(busybox);
    for round in 0..12 {
        let command = ["rm -f one", "stop -t 0 one", "kill one"][round % 3];
        env.run_detached("--name one IMAGE sleep 1000");
        let running: Vec<_> = (0..4).map(|_| env.command(command).spawn()).collect();
        for running in running {
            let output = running.wait();
            // docker's answer to whoever comes after the end.
            let late = command.starts_with("kill") && output.stderr.contains("is not running");
            assert!(output.code() == 0 || late, "{output:?}");
        }
        env.coracle("rm -f one").succeeds();
    }
}

/// Whoever waits says for whom. Here this very test holds the lock.
#[test]
fn who_waits_for_a_lock_says_so() {
    let env = ready!(busybox);
    env.coracle("run --rm IMAGE true").succeeds();
    super::crash::kill_netd(&env);
    let me = format!("waiting for process {}, `", std::process::id());
    let locks = [
        ("store/lock", "rmi IMAGE"),
        ("store/lock", "create IMAGE"),
        ("networks/.lock", "network create front"),
        ("networks/.lock", "run --rm IMAGE true"),
    ];
    let locks = locks.map(|(lock, line)| (env.data().join(lock), line)).into_iter();
    let locks = locks.chain([(env.runtime().join("netd.lock"), "run --rm --network front IMAGE true")]);
    let keepers = (env.runtime().join("keepers.lock"), "run --rm IMAGE true");
    for (path, line) in locks.chain((!crate::support::is_root()).then_some(keepers)) {
        super::crash::kill_netd(&env);
        let held = File::options().write(true).open(&path).unwrap();
        held.lock().unwrap();
        let waiting = env.command(line).spawn();
        eventually("it says so", || waiting.stderr().contains(&me));
        held.unlock().unwrap();
        let output = waiting.wait().succeeds();
        assert_eq!(output.stderr.matches("waiting for").count(), 1, "{output:?}");
        if line.starts_with("rmi") {
            env.argv(&["pull", "-q", "--tls-verify=false", &env.image()]).succeeds();
        }
    }
}

/// Eight pulls of images that share two layers: each layer crosses the network once. The registry sends no layer before
/// all pulls have asked for their images, so that they do meet.
#[test]
fn layers_that_many_pulls_want_are_downloaded_once() {
    use crate::support::bad_registry::{BadRegistry, Content, digest};
    use crate::support::images::Tar;
    use std::sync::atomic::{AtomicUsize, Ordering};
    const PULLS: usize = 8;
    let env = ready!();
    let tar = |name: &str| Tar::new().file(name, vec![b'x'; 100_000]).finish();
    let (base, middle) = (tar("base"), tar("middle"));
    let mut content = Content::default();
    let mut layers = vec![digest(&base), digest(&middle)];
    for n in 0..PULLS {
        let own = tar(&format!("own{n}"));
        let diff_ids = [digest(&base), digest(&middle), digest(&own)];
        layers.push(digest(&own));
        let config = serde_json::json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}});
        content.image(&format!("v{n}"), "amd64", &config.to_string(), &[base.clone(), middle.clone(), own]);
    }
    let (asked, of_layers) = (AtomicUsize::new(0), layers.clone());
    let registry = BadRegistry::start(move |request| {
        if request.path.contains("/manifests/v") {
            asked.fetch_add(1, Ordering::SeqCst);
        }
        if of_layers.iter().any(|layer| request.path.ends_with(layer.as_str())) {
            eventually("all pulls have begun", || asked.load(Ordering::SeqCst) >= PULLS);
        }
        content.serve(request)
    });
    let pull = |n: usize| format!("pull -q --platform linux/amd64 {}/app:v{n}", registry.host());
    let running: Vec<_> = (0..PULLS).map(|n| env.command(&pull(n)).spawn()).collect();
    for running in running {
        running.wait().succeeds();
    }
    for layer in &layers {
        assert_eq!(registry.count(layer), 1, "{layer}");
    }
    env.coracle("system check --max 0s").succeeds().stdout_is("");
    assert_eq!(env.coracle("images -q").succeeds().lines().len(), PULLS);
}
