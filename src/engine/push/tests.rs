//! Pushes from a store in a temporary directory to registries on loopback ports that take everything, or refuse.

use std::io::Write;
use std::sync::Arc;

use super::*;
use crate::base::Paths;
use crate::base::publish::Staging;
use crate::engine::progress::Silent;
use crate::engine::pull::PullRequest;
use crate::registry::bad_registry::{self, BadRegistry, Content, Fault, OCI_CONFIG, OCI_MANIFEST, Reply, Request};
use crate::spec::image::PullPolicy;

const FOREIGN: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar";

/// A tar archive with one file.
fn tar(name: &str) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path(name).unwrap();
    header.set_mode(0o644);
    header.set_uid(rustix::process::geteuid().as_raw().into());
    header.set_gid(rustix::process::getegid().as_raw().into());
    header.set_size(0);
    header.set_cksum();
    let mut archive = header.as_bytes().to_vec();
    archive.resize(1536, 0);
    archive
}

/// gzip as nobody packs by default.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A registry's content: `app:latest` of layers with these types; those of `…gzip` are compressed.
fn app(layers: &[(&str, &str)]) -> Content {
    let mut content = Content::default();
    let (mut ids, mut descriptors) = (Vec::new(), Vec::new());
    for (name, media_type) in layers {
        let plain = tar(name);
        ids.push(format!("\"{}\"", bad_registry::digest(&plain)));
        let blob = if media_type.ends_with("gzip") { gzip(&plain) } else { plain };
        descriptors.push(bad_registry::descriptor(media_type, &blob));
        content.blob(blob);
    }
    let config = format!(
        r#"{{"architecture":"{}","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
        Platform::host().architecture,
        ids.join(",")
    );
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{},"layers":[{}]}}"#,
        bad_registry::descriptor(OCI_CONFIG, config.as_bytes()),
        descriptors.join(",")
    );
    content.blob(config);
    content.manifest("latest", OCI_MANIFEST, manifest);
    content
}

struct Home {
    scratch: Staging,
    engine: Engine,
}

impl Home {
    /// With the image `app` of `source` in the store.
    fn with(source: &BadRegistry) -> Self {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let root = scratch.path().to_owned();
        let paths =
            Paths { data: root.join("data"), runtime: root.join("run"), config: root.join("config"), home: root };
        let registry = Settings {
            registries: Default::default(),
            certificate_dirs: Vec::new(),
            patience: Patience {
                attempts: 2,
                backoff: Duration::from_millis(5),
                stall: Duration::from_secs(1),
                ..Patience::default()
            },
            ..Settings::of(&paths)
        };
        let engine = Engine { paths, registry };
        let request =
            PullRequest { image: format!("{}/app", source.host()), platform: None, policy: PullPolicy::Always };
        request.run(&engine, Given { progress: &Silent, descriptor: None }).unwrap();
        Self { scratch, engine }
    }

    fn push(&self, source: &BadRegistry, to: &BadRegistry) -> Result<PushReport> {
        let request = PushRequest {
            image: format!("{}/app", source.host()),
            destination: Some(format!("{}/copy", to.host())),
            ..PushRequest::default()
        };
        let mut reports = push_inside(&self.engine, &request, &Silent)?;
        assert_eq!(std::fs::read_dir(self.scratch.path().join("data/staging")).unwrap().count(), 0);
        Ok(reports.remove(0))
    }
}

/// A registry that has nothing and takes everything that `refuse` lets pass.
fn taking(refuse: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) -> BadRegistry {
    BadRegistry::start(move |request| {
        let session = || format!("/v2/copy/blobs/uploads/{}", request.nth);
        match request.method.as_str() {
            _ if request.path == "/v2/" => Reply::new(200, "{}"),
            _ if refuse(request).is_some() => refuse(request).unwrap(),
            "HEAD" => Reply::new(404, ""),
            "POST" | "PATCH" => Reply::new(202, "").header("location", session()),
            _ => Reply::new(201, ""),
        }
    })
}

fn sent(registry: &BadRegistry, method: &str) -> Vec<Request> {
    registry.requests().into_iter().filter(|request| request.method == method).collect()
}

const GZIP: &str = media::OCI_LAYER_GZIP;

#[test]
fn the_original_is_copied_where_it_can_be_had() {
    let content = app(&[("one", GZIP), ("two", media::OCI_LAYER)]);
    let original = content.manifests["latest"].1.clone();
    let (source, to) = (BadRegistry::good(content), taking(|_| None));
    let home = Home::with(&source);
    let fetched = source.requests().len();
    let report = home.push(&source, &to).unwrap();
    assert_eq!(report.digest, Digest::sha256(&original));
    assert!(report.repacked.is_empty());
    // Only what cannot be made here.
    assert_eq!(source.requests().len() - fetched, 1, "{:?}", source.requests());
    let puts = sent(&to, "PUT");
    assert_eq!(puts.last().unwrap().path, "/v2/copy/manifests/latest", "the manifest comes last");
    assert_eq!(puts.last().unwrap().body.as_bytes(), original);
    assert_eq!(puts.len(), 4);
    let store = home.engine.store().unwrap();
    let name: Reference = format!("{}/copy@{}", to.host(), report.digest).parse().unwrap();
    assert!(store.resolve(&name).unwrap().is_some(), "the store knows where it is now");
}

#[test]
fn a_source_that_is_gone_or_lies_is_not_needed() {
    for what in ["gone", "lies", "silent", "denied"] {
        let content = app(&[("one", GZIP), ("two", GZIP)]);
        let original = content.manifests["latest"].1.clone();
        let pulled = Arc::new(AtomicBool::new(false));
        let now = pulled.clone();
        let source = BadRegistry::start(move |request| {
            let reply = content.serve(request);
            match what {
                _ if !now.load(Ordering::SeqCst) || !request.path.contains("/blobs/") => reply,
                "gone" => Reply::new(404, ""),
                "lies" => Reply::new(200, vec![b'x'; reply.body.len()]),
                "denied" => Reply::new(403, ""),
                _ => reply.fault(Fault::StallAfter(10)),
            }
        });
        let home = Home::with(&source);
        pulled.store(true, Ordering::SeqCst);
        let to = taking(|_| None);
        let report = home.push(&source, &to).unwrap_or_else(|error| panic!("{what}: {}", error.chain()));
        assert_eq!(report.repacked.len(), 2, "{what}");
        assert_ne!(report.digest, Digest::sha256(&original));
        let again = home.push(&source, &to).unwrap();
        assert_eq!(again.digest, report.digest, "{what}: the same packing again");
    }
}

#[test]
fn a_push_that_is_refused_shows_nobody_half_of_an_image() {
    let source = BadRegistry::good(app(&[("one", GZIP), ("two", GZIP), ("three", GZIP)]));
    let home = Home::with(&source);
    // Everything: then nothing is packed or fetched for it.
    let to = taking(|request| (request.method == "POST").then(|| Reply::error(403, "DENIED", "no")));
    let fetched = source.requests().len();
    let error = home.push(&source, &to).unwrap_err();
    assert_eq!(error.kind(), Kind::Denied, "{}", error.chain());
    assert_eq!(source.requests().len(), fetched);
    // One layer.
    let layer = bad_registry::digest(&gzip(&tar("two"))).replace(':', "%3A");
    let to =
        taking(move |request| (request.method == "PUT" && request.path.contains(&layer)).then(|| Reply::new(403, "")));
    let error = home.push(&source, &to).unwrap_err();
    assert_eq!(error.kind(), Kind::Denied, "{}", error.chain());
    assert_eq!(to.count("/manifests/"), 0);
    assert!(error.message().contains("cannot push"), "{}", error.chain());
}

#[test]
fn what_is_not_to_be_distributed_stays_where_it_is() {
    let content = app(&[("one", media::OCI_LAYER), ("foreign", FOREIGN)]);
    let original = content.manifests["latest"].1.clone();
    let (source, to) = (BadRegistry::good(content), taking(|_| None));
    let report = Home::with(&source).push(&source, &to).unwrap();
    assert_eq!(report.digest, Digest::sha256(&original));
    assert_eq!(to.count(&bad_registry::digest(&tar("foreign"))), 0);
    assert_eq!(sent(&to, "PATCH").len(), 2, "the configuration and the other layer");
}

#[test]
fn an_image_that_no_registry_has_is_compressed_and_known_afterwards() {
    let source = BadRegistry::good(app(&[("one", media::OCI_LAYER)]));
    let home = Home::with(&source);
    let store = home.engine.store().unwrap();
    let name: Reference = format!("{}/app", source.host()).parse().unwrap();
    let image = store.resolve(&name).unwrap().unwrap();
    for digest in store.names_of(&image.id).unwrap().iter().filter(|name| name.digest().is_some()) {
        store.untag(&store.lock_exclusive().unwrap(), digest).unwrap();
    }
    let to = taking(|_| None);
    let report = home.push(&source, &to).unwrap();
    assert!(report.repacked.is_empty(), "nobody knows another digest");
    let now = store.resolve(&name).unwrap().unwrap();
    assert_eq!(now.manifest, report.digest);
    let text = String::from_utf8(store.image_manifest_bytes(&now).unwrap()).unwrap();
    assert!(text.contains(GZIP), "{text}");
}

#[test]
fn a_layer_that_was_changed_in_the_store_is_not_pushed() {
    let source = BadRegistry::good(app(&[("one", media::OCI_LAYER)]));
    let home = Home::with(&source);
    let store = home.engine.store().unwrap();
    let layer = store.layer(&Digest::sha256(&tar("one"))).unwrap().unwrap();
    std::fs::write(layer.tree.join("one"), "changed").unwrap();
    let to = taking(|_| None);
    let error = home.push(&source, &to).unwrap_err();
    assert!(error.chain().contains("one"), "{}", error.chain());
    assert_eq!(to.count("/manifests/"), 0);
}

#[test]
fn destinations_are_registries() {
    for (typed, expected) in [
        ("docker://h.io/x", Some("h.io/x:latest")),
        ("h.io/x:v1", Some("h.io/x:v1")),
        ("oci:/tmp/x", None),
        ("docker-archive:x.tar", None),
        ("containers-storage:x", None),
        ("dir:/x", None),
        ("", None),
    ] {
        assert_eq!(destination_of(typed).ok().map(|to| to.familiar()).as_deref(), expected, "{typed}");
    }
    assert!(has_suffix("h:5/x:y") && has_suffix("x@sha256:0") && !has_suffix("h:5/x"));
}
