//! What a user of the engine does in a day: every verb, once or more.

use std::io::Read;
use std::os::fd::{AsFd, AsRawFd};

use coracle::engine::archives::import::{self, ImportRequest};
use coracle::engine::archives::load::{self, LoadRequest};
use coracle::engine::archives::save::{self, Output, SaveRequest};
use coracle::engine::build::{self, BuildRequest, Files};
use coracle::engine::files::commit::{self, CommitRequest};
use coracle::engine::files::{copy, diff, export};
use coracle::engine::network::{self, Filters, membership};
use coracle::engine::progress::Silent;
use coracle::engine::pull::{self, Outcome};
use coracle::engine::remove::{self as rm, Removal};
use coracle::engine::request::{CreateRequest, ExecRequest};
use coracle::engine::session::{End, Terminal};
use coracle::engine::settings::Update;
use coracle::engine::stop::{self, How};
use coracle::engine::{
    attach, create, df, events, exec, history, images, inspect, kill, logs, ps, rmi, run, settings, start, stats, top,
    usage, wait,
};
use coracle::testing::base::ContainerId;
use coracle::testing::net::NewNetwork;
use coracle::testing::spec::NetworkRequest;
use coracle::testing::spec::Resources;
use coracle::testing::spec::network::Wish;
use coracle::testing::spec::{ImageRequest, PullPolicy};

use crate::stage::{Scene, eventually, pull_request};

/// All of it, but for the images nothing is left.
pub fn of_a_user(scene: &Scene, host: &str, user: usize) {
    let engine = &scene.engine;
    let request = pull_request(host, "one");
    let image = request.image.as_str();
    pull::pull(engine, &request, &Silent).unwrap();
    let again = pull::pull(engine, &request, &Silent).unwrap();
    assert_eq!(again.outcome, Outcome::UpToDate);
    assert_eq!(images::list(engine, &images::Query::default()).unwrap().len(), 1);
    serde_json::to_string(&inspect::image(engine, image).unwrap()).unwrap();

    created_and_started(scene, image, &format!("made{user}"));
    run_at_once(scene, image, &format!("run{user}"));
    changes(scene, image, user);
    networks(scene, image, user);
    the_built_in_image(scene, user);
    archives(scene, image, user);
    built(scene, image, user);
}

struct Unheard;

impl build::events::Watcher for Unheard {
    fn event(&self, _step: usize, _event: &build::events::Event<'_>) {}
}

fn built(scene: &Scene, image: &str, user: usize) {
    let engine = &scene.engine;
    let dockerfile = format!(
        "FROM {image} AS a\nCOPY <<F /x\nhere\nF\nFROM {image}\nCOPY --from=a /x /y\nWORKDIR /w\nRUN [\"/bin/busybox\", \"cp\", \"/y\", \"z\"]\n"
    );
    let request = BuildRequest {
        dockerfile: Some(("Dockerfile".into(), dockerfile)),
        names: vec![format!("built{user}").parse().unwrap()],
        driver: scene.driver,
        networks: vec![NetworkRequest::None],
        ..BuildRequest::default()
    };
    let report = build::build(engine, &request, Files::None, &Unheard).unwrap();
    assert_eq!(report.image.layers.len(), 4);
    let again = build::build(engine, &request, Files::None, &Unheard).unwrap();
    assert_eq!(again.image.id, report.image.id, "from the cache");
    assert!(build::usage(engine).unwrap().len() >= 4);
    let how = rmi::How::default();
    rmi::remove(engine, &[format!("built{user}")], &how).unwrap().remove(0).unwrap();
}

fn archives(scene: &Scene, image: &str, user: usize) {
    let engine = &scene.engine;
    let path = engine.paths.data.join(format!("archive{user}.tar"));
    let request = SaveRequest { images: vec![image.to_owned()], ..SaveRequest::default() };
    save::save(engine, &request, Output::File(path.clone())).unwrap();
    let open = || std::fs::File::open(&path).unwrap().into();
    let loaded = load::load(engine, &LoadRequest::default(), open(), &Silent).unwrap();
    assert_eq!(loaded.len(), 1);
    assert_eq!(loaded[0].names.iter().map(|name| name.familiar()).collect::<Vec<_>>(), [image]);
    let tree = ImportRequest { name: Some(format!("tree{user}")), ..ImportRequest::default() };
    import::import(engine, &tree, open(), &Silent).unwrap();
    assert_eq!(history::history(engine, &format!("tree{user}"), None).unwrap().len(), 1);
    let usage = df::df(engine).unwrap();
    assert!(usage.image_sum.total >= 2 && usage.image_sum.size > 100_000, "{:?}", usage.image_sum);
    let how = rmi::How::default();
    rmi::remove(engine, &[format!("tree{user}")], &how).unwrap().remove(0).unwrap();
}

fn request(scene: &Scene, image: &str, name: &str, command: &[&str]) -> CreateRequest {
    let mut request = CreateRequest {
        image: ImageRequest { name: image.to_owned(), ..ImageRequest::default() },
        name: Some(name.parse().unwrap()),
        ..CreateRequest::default()
    };
    request.process.command = command.iter().map(|word| (*word).to_owned()).collect();
    request.namespaces.networks = vec![NetworkRequest::None];
    request.storage.driver = scene.driver;
    request
}

/// A script that ends with SIGTERM, with code 3.
const SERVE: [&str; 4] = ["/bin/busybox", "sh", "-c", "trap 'exit 3' TERM; echo ready; while :; do sleep 0.1; done"];

fn created_and_started(scene: &Scene, image: &str, name: &str) {
    let engine = &scene.engine;
    let id = create::create(engine, &request(scene, image, name, &SERVE), &Silent).unwrap();
    let (started, end) = start::start(engine, name, None, &mut |_| ()).unwrap();
    assert_eq!((started, end), (id.clone(), None));
    eventually("it has printed", || printed(scene, name) == "ready\n");

    let (output, end) = attached(|terminal| exec::exec(engine, name, &echo("in exec"), Some(terminal)).unwrap());
    assert_eq!((output.as_str(), end), ("in exec\n", Some(End::Exited(0))));
    exec::exec(engine, name, &echo("nobody hears it"), None).unwrap();

    let listed = ps::list(engine, &ps::Query::default()).unwrap();
    assert!(listed.containers.iter().any(|container| container.config.id == id));
    let report = serde_json::to_string(&inspect::container(engine, name, true).unwrap()).unwrap();
    assert!(report.contains("\"SizeRw\":"), "{report}");
    let config = engine.containers().config(&id).unwrap();
    let sizes = usage::sizes(engine, &[&config]).unwrap().remove(0).unwrap();
    assert!(sizes.layers > 100_000, "{sizes:?}");
    let processes = top::top(engine, name, &["-o".into(), "user,args".into()], &jiff::tz::TimeZone::UTC).unwrap();
    // By the container's own /etc/passwd, unless this process is nobody's user there.
    assert!(processes.processes.iter().any(|row| row[0] == "captain"), "{processes:?}");
    let samples = stats::stats(engine, &[name.to_owned()], false).unwrap();
    assert!(samples[0].usage.is_some_and(|usage| usage.pids > 0), "{samples:?}");
    let limits = Resources { memory_reservation: Some(1), ..Resources::default() };
    let update = Update { limits, ..Update::default() };
    assert!(settings::update(engine, name, &update).unwrap_err().message().contains("Minimum memory reservation"));

    files_of(scene, name);
    stop::stop(engine, name, How::default()).unwrap();
    assert_eq!(wait::wait(engine, name, &[]).unwrap(), Some(3));
    files_of(scene, name);
    stop::restart(engine, name, How::default(), &mut |_| ()).unwrap();
    eventually("it has printed again", || printed(scene, name) == "ready\nready\n");
    let (_, end) = attached(|terminal| {
        kill::kill(engine, name, 15).unwrap();
        // It may have ended before anybody could attach.
        attach::attach(engine, name, terminal).ok()
    });
    assert!(end.is_none_or(|end| end == End::Exited(3)), "{end:?}");
    assert_eq!(wait::wait(engine, name, &[]).unwrap(), Some(3));
    remove(scene, name);
}

/// What works on the files of a container, whether it runs or not.
fn files_of(scene: &Scene, name: &str) {
    let engine = &scene.engine;
    diff::container(engine, name).unwrap();
    let request = CommitRequest { container: name.to_owned(), pause: true, ..CommitRequest::default() };
    let image = commit::commit(engine, &request).unwrap();
    diff::image(engine, &image.id.to_string(), None).unwrap();
    rmi::remove(engine, &[image.id.to_string()], &rmi::How::default()).unwrap().remove(0).unwrap();
    let archive = engine.paths.data.join(format!("{name}.tar"));
    export::export(engine, name, Output::File(archive.clone())).unwrap();
    assert!(std::fs::metadata(&archive).unwrap().len() > 100_000);
    let there = |path: &str| copy::Side::Container(name.to_owned(), path.to_owned());
    copy::copy(engine, copy::Side::Host(archive.clone()), there("/copied"), copy::How::default()).unwrap();
    let back = engine.paths.data.join(format!("{name}.back"));
    copy::copy(engine, there("/copied"), copy::Side::Host(back.clone()), copy::How::default()).unwrap();
    assert_eq!(std::fs::read(&back).unwrap(), std::fs::read(&archive).unwrap());
}

fn run_at_once(scene: &Scene, image: &str, name: &str) {
    let engine = &scene.engine;
    let mut once = request(scene, image, name, &["/bin/busybox", "echo", "hello"]);
    once.lifecycle.remove = true;
    let (output, ran) =
        attached(|terminal| run::run(engine, &once, Some(terminal), &Silent, &mut |_| Ok(()), &mut |_| ()).unwrap());
    assert_eq!((output.as_str(), ran.end), ("hello\n", Some(End::Exited(0))));
    // Pulls first, in the same call.
    let mut fresh = once;
    fresh.image.pull = PullPolicy::Always;
    let (output, _) =
        attached(|terminal| run::run(engine, &fresh, Some(terminal), &Silent, &mut |_| Ok(()), &mut |_| ()).unwrap());
    assert_eq!(output, "hello\n");
    let id = in_background(scene, image, name);
    remove(scene, id.as_str());
}

fn networks(scene: &Scene, image: &str, user: usize) {
    let engine = &scene.engine;
    let (front, back, name) = (format!("front{user}"), format!("back{user}"), format!("net{user}"));
    for network in [&front, &back] {
        network::create::create(engine, &NewNetwork::named(network.parse().unwrap()), false).unwrap();
    }
    let on = NetworkRequest::Named(front.clone(), Wish::default());
    let mut served = request(scene, image, &name, &SERVE);
    served.namespaces.networks = vec![on];
    run::run(engine, &served, None, &Silent, &mut |_| Ok(()), &mut |_| ()).unwrap();
    membership::connect(engine, &back, &name, &Wish::default()).unwrap();
    let interfaces = |expected: usize| {
        let (output, _) = attached(|terminal| {
            let list = ["/bin/busybox", "ls", "/sys/class/net"].map(String::from).to_vec();
            exec::exec(engine, &name, &ExecRequest { argv: list, ..ExecRequest::default() }, Some(terminal)).unwrap()
        });
        assert_eq!(output.lines().filter(|name| name.starts_with("eth")).count(), expected, "{output}");
    };
    interfaces(2);
    serde_json::to_string(&network::inspect::inspect(engine, &back).unwrap()).unwrap();
    membership::disconnect(engine, &back, &name).unwrap();
    interfaces(1);
    let (known, broken) = network::list::list(engine, &Filters::default()).unwrap();
    assert!(known.len() >= 3 && broken.is_empty());
    remove(scene, &name);
    for network in [&front, &back] {
        network::remove::remove(engine, network, network::remove::Holders::All).unwrap();
    }
}

/// What changes of a container that runs.
fn changes(scene: &Scene, image: &str, user: usize) {
    let engine = &scene.engine;
    let (former, name) = (format!("former{user}"), format!("changed{user}"));
    let id = in_background(scene, image, &former);
    settings::rename(engine, &former, &name).unwrap();
    let update = settings::Update {
        restart: Some(coracle::testing::spec::RestartPolicy::Always),
        ..settings::Update::default()
    };
    assert_eq!(settings::update(engine, &name, &update).unwrap(), id);
    settings::set_paused(engine, &name, true).unwrap();
    assert!(exec::exec(engine, &name, &echo("x"), None).is_err());
    settings::set_paused(engine, &name, false).unwrap();
    let mut told = 0;
    let mut sink = |event: Option<coracle::testing::spec::Event>| {
        told += usize::from(event.is_some_and(|event| event.id == id.as_str()));
        Ok(())
    };
    events::read(engine, &events::EventRequest::default(), &mut sink).unwrap();
    assert!(told >= 6, "created, started, renamed, updated, paused, unpaused: {told}");
    remove(scene, &name);
}

/// The program of that image is this very test.
fn the_built_in_image(scene: &Scene, user: usize) {
    let mut hello = request(scene, "hello", &format!("hello{user}"), &[]);
    hello.lifecycle.remove = true;
    let (output, ran) = attached(|terminal| {
        run::run(&scene.engine, &hello, Some(terminal), &Silent, &mut |_| Ok(()), &mut |_| ()).unwrap()
    });
    assert_eq!(ran.end, Some(End::Exited(0)), "{output}");
}

/// Starts a container in the background that serves until it is told to end.
pub fn in_background(scene: &Scene, image: &str, name: &str) -> ContainerId {
    let request = request(scene, image, name, &SERVE);
    let ran = run::run(&scene.engine, &request, None, &Silent, &mut |_| Ok(()), &mut |_| ()).unwrap();
    assert_eq!(ran.end, None);
    ran.id
}

pub fn remove(scene: &Scene, name: &str) {
    let removal = Removal { force: true, volumes: true, ..Removal::default() };
    rm::remove(&scene.engine, &[name.to_owned()], removal).remove(0).unwrap();
}

fn echo(word: &str) -> ExecRequest {
    let argv = ["/bin/busybox", "echo", word].map(String::from).to_vec();
    ExecRequest { argv, ..ExecRequest::default() }
}

fn printed(scene: &Scene, name: &str) -> String {
    let mut text = String::new();
    let mut sink = |_: &logs::Source, entry: coracle::testing::spec::Entry| {
        text.push_str(&entry.text);
        Ok(())
    };
    logs::read(&scene.engine, &[name.to_owned()], &logs::LogRequest::default(), &mut sink).unwrap();
    text
}

/// What a session printed, and what came of it.
fn attached<T>(session: impl FnOnce(&Terminal<'_>) -> T) -> (String, T) {
    let (mut read, write) = std::io::pipe().unwrap();
    assert!(write.as_raw_fd() > 2);
    let fd = write.as_fd();
    let terminal =
        Terminal { stdin: None, stdout: Some(fd), stderr: Some(fd), detach_keys: Vec::new(), sig_proxy: false };
    let result = session(&terminal);
    drop(write);
    let mut output = String::new();
    read.read_to_string(&mut output).unwrap();
    (output, result)
}
