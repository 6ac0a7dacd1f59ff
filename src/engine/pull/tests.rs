//! Pulls from a registry on a loopback port into a store in a temporary directory. Entries of layers belong to whoever
//! runs the tests, so that they pass without privileges.

use std::sync::Mutex;

use crate::registry::bad_registry::{self, BadRegistry, Content, Fault, Reply};

use super::*;
use crate::base::Paths;
use crate::base::publish::Staging;
use crate::engine::progress::Silent;
use crate::registry::{Patience, Settings};

/// A layer with one file.
fn layer(name: &str, contents: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path(name).unwrap();
    header.set_mode(0o644);
    header.set_uid(rustix::process::geteuid().as_raw().into());
    header.set_gid(rustix::process::getegid().as_raw().into());
    header.set_size(contents.len() as u64);
    header.set_cksum();
    let mut archive = header.as_bytes().to_vec();
    archive.extend_from_slice(contents);
    archive.resize(archive.len().next_multiple_of(512) + 1024, 0);
    archive
}

/// As [`pull`] does it, but in this process.
fn pull_here(engine: &Engine, request: PullRequest, progress: &dyn Progress) -> Result<PullReport> {
    match present(engine, &request)?.filter(|_| request.policy != PullPolicy::Always) {
        Some(report) => Ok(report),
        // It needs no worker.
        None if request.policy == PullPolicy::Never => pull(engine, &request, progress),
        None => request.run(engine, Given { progress, descriptor: None }),
    }
}

/// An engine with an empty home.
struct Home {
    scratch: Staging,
    engine: Engine,
}

impl Home {
    fn new() -> Self {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let root = scratch.path().to_owned();
        let paths =
            Paths { data: root.join("data"), runtime: root.join("run"), config: root.join("config"), home: root };
        let registry = Settings {
            registries: Default::default(),
            certificate_dirs: Vec::new(),
            patience: Patience { attempts: 2, backoff: Duration::from_millis(5), ..Patience::default() },
            ..Settings::of(&paths)
        };
        Self { scratch, engine: Engine { paths, registry } }
    }

    fn store(&self) -> Store {
        self.engine.store().unwrap()
    }

    fn pull(&self, registry: &BadRegistry, name: &str) -> Result<PullReport> {
        self.pull_as(registry, name, None, PullPolicy::Always)
    }

    fn pull_as(
        &self,
        registry: &BadRegistry,
        name: &str,
        platform: Option<&str>,
        policy: PullPolicy,
    ) -> Result<PullReport> {
        let request = PullRequest {
            image: format!("{}/{name}", registry.host()),
            platform: platform.map(|platform| platform.parse().unwrap()),
            policy,
        };
        pull_here(&self.engine, request, &Silent)
    }

    /// As from a registry on another machine.
    fn pull_keeping(&self, registry: &BadRegistry, name: &str) -> Result<PullReport> {
        let reference = format!("{}/{name}", registry.host()).parse().unwrap();
        let wanted = Wanted { reference: &reference, platform: None, demands: &[] };
        from_registry((&self.engine, &self.store()), wanted, Some(&self.partials()), &Silent)
    }

    fn partials(&self) -> std::path::PathBuf {
        self.engine.paths.store().join(PARTIAL)
    }

    /// The contents of a file of an image, from the highest layer that has it.
    fn read(&self, image: &ImageRecord, file: &str) -> Vec<u8> {
        let layers = self.store().image_layers(image).unwrap();
        layers.iter().rev().find_map(|layer| std::fs::read(layer.tree.join(file)).ok()).unwrap()
    }

    fn assert_nothing_staged(&self) {
        let staging = self.scratch.path().join("data/store/staging");
        assert_eq!(std::fs::read_dir(staging).unwrap().count(), 0);
    }
}

fn host_architecture() -> String {
    Platform::host().architecture
}

/// A registry with `app:latest` of two layers.
fn app() -> (Content, Vec<Vec<u8>>) {
    let layers = vec![layer("base", &[b'b'; 5000]), layer("top", b"top")];
    let mut content = Content::default();
    content.image("latest", &host_architecture(), r#"{"Cmd":["/top"]}"#, &layers);
    (content, layers)
}

#[test]
fn an_image_arrives_whole_and_the_second_pull_moves_nothing() {
    let (content, _) = app();
    let digest = content.manifests.keys().find(|key| key.starts_with("sha256:")).unwrap().clone();
    let (home, registry) = (Home::new(), BadRegistry::good(content));
    let report = home.pull(&registry, "app").unwrap();
    assert_eq!(report.outcome, Outcome::Fetched);
    assert_eq!(report.digest.as_ref().unwrap().as_str(), digest);
    assert_eq!(
        (home.read(&report.image, "base"), home.read(&report.image, "top")),
        (vec![b'b'; 5000], b"top".to_vec())
    );
    let listed = home.store().list().unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].references[0].to_string(), format!("{}/app:latest", registry.host()));
    assert_eq!(listed[0].digests[0].to_string(), format!("{}/app@{digest}", registry.host()));
    home.assert_nothing_staged();

    let blobs = registry.count("/blobs/");
    let report = home.pull(&registry, "app").unwrap();
    assert_eq!((report.outcome, registry.count("/blobs/")), (Outcome::UpToDate, blobs));
    let pinned = home.pull(&registry, &format!("app@{digest}")).unwrap();
    assert_eq!((pinned.outcome, registry.count("/blobs/")), (Outcome::UpToDate, blobs));
}

#[test]
fn the_policy_decides_whether_the_registry_is_asked() {
    let (home, registry) = (Home::new(), BadRegistry::good(app().0));
    let error = home.pull_as(&registry, "app", None, PullPolicy::Never).unwrap_err();
    assert_eq!((error.kind(), registry.requests().len()), (Kind::NotFound, 0));
    assert_eq!(home.pull_as(&registry, "app", None, PullPolicy::Missing).unwrap().outcome, Outcome::Fetched);
    let asked = registry.requests().len();
    for policy in [PullPolicy::Missing, PullPolicy::Never] {
        assert_eq!(home.pull_as(&registry, "app", None, policy).unwrap().outcome, Outcome::Present);
    }
    assert_eq!(registry.requests().len(), asked);
}

#[test]
fn layers_that_are_there_are_not_fetched() {
    let (mut content, layers) = app();
    let new = layer("new", b"new");
    content.image("v2", &host_architecture(), "{}", &[layers[0].clone(), new.clone(), layers[0].clone()]);
    let (home, registry) = (Home::new(), BadRegistry::good(content));
    home.pull(&registry, "app").unwrap();
    let report = home.pull(&registry, "app:v2").unwrap();
    assert_eq!(report.image.layers.len(), 3);
    assert_eq!(registry.count(&bad_registry::digest(&layers[0])), 1, "the shared layer");
    assert_eq!(registry.count(&bad_registry::digest(&new)), 1);
    assert_eq!(home.store().list().unwrap().len(), 2);
}

#[test]
fn a_failure_shows_nothing_and_keeps_what_was_complete() {
    let (content, layers) = app();
    let (base, top) = (bad_registry::digest(&layers[0]), bad_registry::digest(&layers[1]));
    let good = content.clone();
    let (for_base, for_top) = (base.clone(), top.clone());
    // The top layer fails for good, but only when the base has surely been unpacked.
    let failing = BadRegistry::start(move |request| match request.path.ends_with(&for_top) {
        true => {
            std::thread::sleep(Duration::from_millis(500));
            Reply::error(404, "BLOB_UNKNOWN", "lost")
        }
        false => content.serve(request),
    });
    let home = Home::new();
    let error = home.pull(&failing, "app").unwrap_err();
    assert!(
        error.chain().contains(&format!("has lost the blob `{for_base}`").replace(&for_base, &top)),
        "{}",
        error.chain()
    );
    assert!(home.store().list().unwrap().is_empty());
    home.assert_nothing_staged();
    let registry = BadRegistry::good(good);
    home.pull(&registry, "app").unwrap();
    assert_eq!((registry.count(&base), registry.count(&top)), (0, 1));
}

#[test]
fn layers_must_be_what_manifest_and_configuration_say() {
    let (content, layers) = app();
    let top = bad_registry::digest(&layers[1]);
    for (name, reply, word) in [
        ("another blob", Reply::new(200, layer("top", b"hot")), "is damaged"),
        ("rubbish", Reply::new(200, vec![7; layers[1].len()]), "is damaged"),
        ("truncated", Reply::new(200, &layers[1][..600]), "wrong size"),
    ] {
        let (content, top) = (content.clone(), top.clone());
        let registry = BadRegistry::start(move |request| match request.path.ends_with(&top) {
            true => reply.clone(),
            false => content.serve(request),
        });
        let home = Home::new();
        let error = home.pull(&registry, "app").unwrap_err();
        assert!(error.chain().contains(word), "{name}: {}", error.chain());
        assert!(home.store().list().unwrap().is_empty(), "{name}");
        home.assert_nothing_staged();
    }
}

#[test]
fn a_configuration_that_does_not_fit_its_layers_is_refused() {
    for (name, layers, diff_ids, word) in [
        ("other diff id", vec![layer("a", b"a")], vec![bad_registry::digest(b"b")], "but the image demands"),
        ("too few", vec![layer("a", b"a")], vec![], "has 1 layers, but its configuration 0"),
        (
            "not a layer",
            vec![b"x".repeat(600)],
            vec![bad_registry::digest(&b"x".repeat(600))],
            "cannot unpack the layer",
        ),
    ] {
        let mut content = Content::default();
        content.image("latest", &host_architecture(), "{}", &layers);
        let quoted: Vec<_> = diff_ids.iter().map(|id| format!("\"{id}\"")).collect();
        let config = format!(r#"{{"os":"linux","rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#, quoted.join(","));
        let manifest = format!(
            r#"{{"schemaVersion":2,"config":{},"layers":[{}]}}"#,
            bad_registry::descriptor(bad_registry::OCI_CONFIG, config.as_bytes()),
            bad_registry::descriptor(bad_registry::OCI_LAYER, &layers[0])
        );
        content.blob(config);
        content.manifest("latest", bad_registry::OCI_MANIFEST, manifest);
        let (home, registry) = (Home::new(), BadRegistry::good(content));
        let error = home.pull(&registry, "app").unwrap_err();
        assert!(error.chain().contains(word), "{name}: {}", error.chain());
        assert!(home.store().list().unwrap().is_empty(), "{name}");
    }
}

#[test]
fn other_platforms_and_other_artifacts_are_told_apart() {
    let mut content = Content::default();
    content.image("arm", "s390x", "{}", &[layer("a", b"a")]);
    let chart = format!(
        r#"{{"schemaVersion":2,"config":{},"layers":[]}}"#,
        bad_registry::descriptor("application/vnd.cncf.helm.config.v1+json", b"{}")
    );
    content.manifest("chart", bad_registry::OCI_MANIFEST, chart);
    let (home, registry) = (Home::new(), BadRegistry::good(content));
    let report = home.pull(&registry, "app:arm").unwrap();
    assert_eq!(report.foreign.unwrap().to_string(), "linux/s390x");
    let report = home.pull_as(&registry, "app:arm", Some("linux/s390x"), PullPolicy::Always).unwrap();
    assert_eq!(report.foreign, None);
    let error = home.pull_as(&registry, "app:arm", Some("linux/riscv64"), PullPolicy::Always).unwrap_err();
    assert!(error.chain().contains("for `linux/s390x` only"), "{}", error.chain());
    let error = home.pull(&registry, "app:chart").unwrap_err();
    assert!(error.chain().contains("not a container image"), "{}", error.chain());
}

#[test]
fn pulls_at_the_same_time_do_not_disturb_each_other() {
    let mut content = Content::default();
    let layers: Vec<_> = (0..6u8).map(|n| layer(&format!("file{n}"), &vec![n; 200_000])).collect();
    content.image("latest", &host_architecture(), "{}", &layers);
    let (home, registry) = (Home::new(), BadRegistry::good(content));
    std::thread::scope(|scope| {
        let pulls: Vec<_> = (0..4).map(|_| scope.spawn(|| home.pull(&registry, "app").unwrap().image)).collect();
        let images: Vec<_> = pulls.into_iter().map(|pull| pull.join().unwrap()).collect();
        assert!(images.windows(2).all(|pair| pair[0] == pair[1]));
        assert_eq!(home.read(&images[0], "file5"), vec![5; 200_000]);
    });
    home.assert_nothing_staged();
}

#[test]
fn progress_is_told_in_order() {
    struct Log(Mutex<Vec<String>>);
    impl Log {
        fn say(&self, line: String) {
            self.0.lock().unwrap().push(line);
        }
    }
    impl Progress for Log {
        fn resolved(&self, _: &Reference, layers: &[(Digest, u64)]) {
            self.say(format!("resolved {}", layers.len()));
        }
        fn layer_exists(&self, _: &Digest) {
            self.say("exists".into());
        }
        fn layer_started(&self, _: &Digest, total: u64) {
            self.say(format!("started {total}"));
        }
        fn layer_moved(&self, _: &Digest, bytes: u64) {
            self.say(format!("received {bytes}"));
        }
        fn layer_extracting(&self, _: &Digest) {
            self.say("extracting".into());
        }
        fn layer_done(&self, _: &Digest) {
            self.say("done".into());
        }
        fn storing(&self) {
            self.say("storing".into());
        }
    }
    let only = layer("a", b"a");
    let mut content = Content::default();
    content.image("latest", &host_architecture(), "{}", std::slice::from_ref(&only));
    // A break in the middle is not seen: the bytes go on counting.
    let blob = bad_registry::digest(&only);
    let registry = BadRegistry::start(move |request| {
        let reply = content.serve(request);
        if request.path.ends_with(&blob) && request.nth == 0 { reply.fault(Fault::CloseAfter(1000)) } else { reply }
    });
    let home = Home::new();
    let request =
        PullRequest { image: format!("docker://{}/app", registry.host()), platform: None, policy: PullPolicy::Always };
    for expected in [
        format!("resolved 1,started {0},received {0},extracting,done,storing", only.len()),
        "resolved 1,exists,storing".to_owned(),
    ] {
        let log = Log(Mutex::default());
        pull_here(&home.engine, request.clone(), &log).unwrap();
        let mut said = log.0.into_inner().unwrap();
        // Of the counts only the last is certain.
        said.dedup_by(|later, earlier| {
            let both = later.starts_with("received") && earlier.starts_with("received");
            if both {
                std::mem::swap(later, earlier);
            }
            both
        });
        assert_eq!(said.join(","), expected);
    }
}

/// A layer that is worth keeping in part.
fn large() -> Vec<u8> {
    let contents: Vec<u8> = (0..750_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    layer("large", &contents)
}

#[test]
fn an_interrupted_layer_is_continued_by_the_next_pull() {
    let only = large();
    let blob = bad_registry::digest(&only);
    let mut content = Content::default();
    content.image("latest", &host_architecture(), "{}", std::slice::from_ref(&only));
    let (for_failing, wanted) = (content.clone(), blob.clone());
    // The connection breaks after 2 MB, and then nothing comes any more.
    let failing = BadRegistry::start(move |request| match (request.path.ends_with(&wanted), request.nth) {
        (true, 0) => for_failing.serve(request).fault(Fault::CloseAfter(2_000_000)),
        (true, _) => Reply::error(404, "BLOB_UNKNOWN", "gone").fault(Fault::ResetAtOnce),
        _ => for_failing.serve(request),
    });
    let home = Home::new();
    let error = home.pull_keeping(&failing, "app").unwrap_err();
    assert_eq!(error.kind(), Kind::Network, "{}", error.chain());
    let partials = home.partials();
    let kept = std::fs::read(partials.join(&blob["sha256:".len()..])).unwrap();
    assert!(kept.len() > 1_000_000 && only.starts_with(&kept));

    let registry = BadRegistry::good(content.clone());
    let report = home.pull_keeping(&registry, "app").unwrap();
    assert_eq!(home.read(&report.image, "large"), only[512..512 + 3_000_000]);
    let asked: Vec<_> = registry.requests().iter().filter(|r| r.path.ends_with(&blob)).map(|r| r.from()).collect();
    assert_eq!(asked, [Some(kept.len())]);
    assert_eq!(std::fs::read_dir(&partials).unwrap().count(), 0);

    // The whole blob may be there, or something that only looks like it.
    for (damage, requests) in [(false, 0), (true, 1)] {
        let mut kept = only.clone();
        if damage {
            kept[1_000_000] ^= 1;
        }
        let home = Home::new();
        let partials = home.partials();
        std::fs::create_dir_all(&partials).unwrap();
        std::fs::write(partials.join(&blob["sha256:".len()..]), &kept).unwrap();
        let registry = BadRegistry::good(content.clone());
        let report = home.pull_keeping(&registry, "app").unwrap();
        assert_eq!(home.read(&report.image, "large"), only[512..512 + 3_000_000]);
        assert_eq!(registry.count(&blob), requests);
    }
}
