//! Pushes to registries that misbehave: each stage breaks, and nothing is lost, shown to the wrong host, or waited for
//! for ever.

use std::fs::File;
use std::io::Write;
use std::net::TcpListener;
use std::sync::Mutex;

use super::*;
use crate::oci::{Digest, media};
use crate::registry::{Destination, Mounted};

/// Text, because the server takes bodies for text.
fn text(size: usize) -> Vec<u8> {
    (0..).flat_map(|n: u32| format!("{n:07}\n").into_bytes()).take(size).collect()
}

fn blob(content: &[u8]) -> Descriptor {
    Descriptor {
        media_type: media::OCI_LAYER.into(),
        digest: Digest::sha256(content),
        size: content.len() as u64,
        platform: None,
        annotations: Default::default(),
    }
}

fn holding(content: &[u8]) -> File {
    let scratch = Staging::new(&std::env::temp_dir()).unwrap();
    let path = scratch.path().join("blob");
    std::fs::write(&path, content).unwrap();
    File::open(path).unwrap()
}

/// What has arrived at a registry that takes one blob.
#[derive(Default)]
struct Uploaded {
    arrived: Mutex<Vec<u8>>,
    complete: Mutex<Vec<u8>>,
}

impl Uploaded {
    /// The answers of a registry that does everything right.
    fn serve(&self, request: &Request) -> Reply {
        let session = "/v2/app/blobs/uploads/one?state=a%2Fb";
        match request.method.as_str() {
            "HEAD" => match self.complete.lock().unwrap().len() {
                0 => Reply::new(404, ""),
                length => Reply::new(200, "").header("content-length", length.to_string()),
            },
            "POST" => {
                self.arrived.lock().unwrap().clear();
                Reply::new(202, "").header("location", session)
            }
            "PATCH" => {
                let mut arrived = self.arrived.lock().unwrap();
                let from = request.header("content-range").split('-').next().unwrap().parse().unwrap_or(0);
                if from != arrived.len() {
                    return Reply::new(416, "");
                }
                arrived.extend_from_slice(request.body.as_bytes());
                // A new URL for each step, as real registries have.
                Reply::new(202, "").header("location", format!("{session}&step=2"))
            }
            "GET" => {
                let last = self.arrived.lock().unwrap().len().saturating_sub(1);
                Reply::new(204, "").header("location", session).header("range", format!("0-{last}"))
            }
            "PUT" => {
                let arrived = self.arrived.lock().unwrap().clone();
                let digest = bad_registry::digest(&arrived);
                if !request.path.contains(&digest.replace(':', "%3A")) {
                    return Reply::error(400, "DIGEST_INVALID", "provided digest did not match");
                }
                *self.complete.lock().unwrap() = arrived;
                Reply::new(201, "").header("docker-content-digest", digest)
            }
            _ => Reply::new(204, ""),
        }
    }
}

/// A registry that takes one blob and whose answers `spoil` changes.
fn registry(
    spoil: impl Fn(&Request, &Uploaded, Reply) -> Reply + Send + Sync + 'static,
) -> (BadRegistry, Arc<Uploaded>) {
    let uploaded = Arc::new(Uploaded::default());
    let theirs = uploaded.clone();
    let registry = BadRegistry::start(move |request| match request.path.as_str() {
        "/v2/" => Reply::new(200, "{}"),
        _ => {
            let reply = theirs.serve(request);
            spoil(request, &theirs, reply)
        }
    });
    (registry, uploaded)
}

fn destination(client: &Client, registry: &BadRegistry) -> Destination {
    client.destination(&reference(registry, "app")).unwrap()
}

fn upload(registry: &BadRegistry, content: &[u8]) -> Result<()> {
    let client = client();
    client.upload(&destination(&client, registry), &blob(content), holding(content), |_| true)
}

fn count(registry: &BadRegistry, method: &str) -> usize {
    registry.requests().iter().filter(|request| request.method == method).count()
}

#[test]
fn a_blob_goes_where_the_registry_says() {
    let (registry, uploaded) = registry(|_, _, reply| reply);
    let content = text(300_000);
    let mut last = 0;
    let client = client();
    let to = destination(&client, &registry);
    assert!(!client.has_blob(&to, &blob(&content)).unwrap());
    client
        .upload(&to, &blob(&content), holding(&content), |sent| {
            assert!(sent >= last && sent <= 300_000);
            last = sent;
            true
        })
        .unwrap();
    assert!(*uploaded.complete.lock().unwrap() == content);
    let requests = registry.requests();
    let put = requests.iter().find(|request| request.method == "PUT").unwrap();
    assert!(put.path.contains("?state=a%2Fb&step=2&digest=sha256%3A"), "{}", put.path);
    let patch = requests.iter().find(|request| request.method == "PATCH").unwrap();
    assert_eq!((patch.header("content-length"), patch.header("content-range")), ("300000", ""));
    assert!(client.has_blob(&to, &blob(&content)).unwrap());
    // A blob of the same digest and another size is none that we know.
    assert!(!client.has_blob(&to, &Descriptor { size: 5, ..blob(&content) }).unwrap());
}

#[test]
fn an_empty_blob_is_one_too() {
    let (registry, _) = registry(|_, _, reply| reply);
    upload(&registry, b"").unwrap();
    assert_eq!((count(&registry, "PATCH"), count(&registry, "PUT")), (0, 1));
}

#[test]
fn a_broken_connection_goes_on_where_it_broke() {
    let (registry, uploaded) = registry(|request, uploaded, reply| match (request.method.as_str(), request.nth) {
        ("PATCH", 0) => {
            uploaded.arrived.lock().unwrap().truncate(100_000);
            Reply::new(0, "").fault(Fault::ResetAtOnce)
        }
        _ => reply,
    });
    let content = text(250_000);
    upload(&registry, &content).unwrap();
    assert!(*uploaded.complete.lock().unwrap() == content);
    let requests = registry.requests();
    let second = requests.iter().filter(|request| request.method == "PATCH").nth(1).unwrap();
    assert_eq!(second.header("content-range"), "100000-249999");
    assert_eq!(second.body.len(), 150_000);
    assert_eq!(count(&registry, "POST"), 1);
}

#[test]
fn each_stage_may_break_once() {
    for stage in ["HEAD", "POST", "PATCH", "PUT"] {
        for fault in [Fault::ResetAtOnce, Fault::DripHeader] {
            let broken = AtomicBool::new(false);
            let (registry, uploaded) = registry(move |request, _, reply| {
                match request.method == stage && !broken.swap(true, Ordering::SeqCst) {
                    true => reply.fault(fault),
                    false => reply,
                }
            });
            let content = text(100_000);
            let client = client();
            let to = destination(&client, &registry);
            assert!(!client.has_blob(&to, &blob(&content)).unwrap(), "{stage}");
            client
                .upload(&to, &blob(&content), holding(&content), |_| true)
                .unwrap_or_else(|error| panic!("{stage} {fault:?}: {}", error.chain()));
            assert!(*uploaded.complete.lock().unwrap() == content, "{stage}");
        }
    }
}

#[test]
fn a_session_that_is_gone_begins_again() {
    let (registry, uploaded) = registry(|request, _, reply| match (request.method.as_str(), request.nth) {
        ("PATCH", 0) => Reply::error(404, "BLOB_UPLOAD_UNKNOWN", "gone"),
        _ => reply,
    });
    let content = text(10_000);
    upload(&registry, &content).unwrap();
    assert!(*uploaded.complete.lock().unwrap() == content);
    assert_eq!(count(&registry, "POST"), 2);
}

#[test]
fn a_registry_that_fails_for_a_while_is_asked_again() {
    for status in [429, 500, 502, 503] {
        let (registry, uploaded) = registry(move |request, _, reply| match (request.method.as_str(), request.nth) {
            ("POST" | "PATCH" | "PUT", 0 | 1) => Reply::new(status, "").header("retry-after", "0"),
            _ => reply,
        });
        let content = text(1000);
        upload(&registry, &content).unwrap_or_else(|error| panic!("{status}: {}", error.chain()));
        assert!(*uploaded.complete.lock().unwrap() == content);
    }
}

#[test]
fn storms_and_circles_end() {
    for (what, method, reply) in [
        ("429", "POST", Reply::new(429, "")),
        ("an hour", "POST", Reply::new(429, "").header("retry-after", "3600")),
        ("gone", "PUT", Reply::error(404, "BLOB_UPLOAD_UNKNOWN", "gone")),
        ("elsewhere", "PATCH", Reply::new(416, "")),
        ("circles", "PATCH", Reply::new(307, "").header("location", "/v2/app/blobs/uploads/one")),
        ("no session", "POST", Reply::new(202, "")),
        ("refused", "PUT", Reply::error(400, "DIGEST_INVALID", "no")),
        ("too large", "PATCH", Reply::new(413, "")),
    ] {
        let (registry, _) = registry(move |request, uploaded, right| match request.method == method {
            true => {
                uploaded.complete.lock().unwrap().clear();
                uploaded.arrived.lock().unwrap().clear();
                reply.clone()
            }
            false => right,
        });
        let began = Instant::now();
        let error = upload(&registry, &text(2000)).unwrap_err();
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        assert!(registry.requests().len() < 60, "{what}: {} requests", registry.requests().len());
        assert!(!error.chain().is_empty(), "{what}");
    }
}

/// Progress that a registry only claims counts once: it cannot have us send for ever.
#[test]
fn a_registry_that_confirms_and_forgets_is_left() {
    let size = 3 << 20;
    let (registry, _) = registry(move |request, _, reply| match request.method.as_str() {
        "PATCH" => Reply::new(0, "").fault(Fault::ResetAtOnce),
        "GET" => {
            let claimed = if request.nth % 2 == 0 { size - 1 } else { 1 };
            Reply::new(204, "").header("range", format!("0-{claimed}"))
        }
        "PUT" => Reply::error(404, "BLOB_UPLOAD_UNKNOWN", "gone"),
        _ => reply,
    });
    upload(&registry, &text(size)).unwrap_err();
    assert!(registry.requests().len() < 60, "{} requests", registry.requests().len());
}

#[test]
fn a_registry_that_names_another_digest_is_not_believed() {
    let other = bad_registry::digest(b"other");
    let named = other.clone();
    let (registry, _) = registry(move |request, _, reply| match request.method.as_str() {
        "PUT" => Reply::new(201, "").header("docker-content-digest", named.clone()),
        "HEAD" => Reply::new(200, "").header("content-length", "1000").header("docker-content-digest", named.clone()),
        _ => reply,
    });
    let client = client();
    let to = destination(&client, &registry);
    assert!(!client.has_blob(&to, &blob(&text(1000))).unwrap());
    let error = upload(&registry, &text(1000)).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid, "{}", error.chain());
    let error = client.put_manifest(&to, "latest", media::OCI_MANIFEST, b"{}").unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid, "{}", error.chain());
}

/// Whoever we are is for the registry alone, wherever it sends what we upload.
#[test]
fn an_upload_elsewhere_shows_no_credentials() {
    let (elsewhere, uploaded) = registry(|_, _, reply| reply);
    for redirect in [false, true] {
        let there = elsewhere.host();
        let registry = BadRegistry::start(move |request| {
            let moved = format!("http://{there}/v2/app/blobs/uploads/one?state=x");
            match request.method.as_str() {
                _ if request.path == "/v2/" => Reply::new(200, "{}"),
                _ if request.header("authorization").is_empty() => {
                    Reply::new(401, "").header("www-authenticate", "Basic realm=\"x\"")
                }
                "POST" if redirect => Reply::new(202, "").header("location", "/v2/app/blobs/uploads/here"),
                "PATCH" => Reply::new(307, "").header("location", moved),
                "POST" => Reply::new(202, "").header("location", moved),
                "PUT" => Reply::new(201, ""),
                _ => Reply::new(404, ""),
            }
        });
        let credentials = Some(Credentials::Password { user: "u".into(), password: "hunter2".into() });
        let client = Client::new(Settings { credentials, ..settings() }).unwrap();
        let content = text(5000);
        let to = destination(&client, &registry);
        uploaded.arrived.lock().unwrap().clear();
        client.upload(&to, &blob(&content), holding(&content), |_| true).unwrap();
        assert!(registry.requests().iter().any(|request| !request.header("authorization").is_empty()));
    }
    assert!(*uploaded.complete.lock().unwrap() == text(5000), "it did go there");
    assert!(count(&elsewhere, "PATCH") >= 2);
    for request in elsewhere.requests() {
        assert_eq!(request.header("authorization"), "", "{} {}", request.method, request.path);
    }
}

/// A host that asks for them after we were sent there does not get them either.
#[test]
fn a_host_elsewhere_that_asks_for_credentials_gets_none() {
    let thief = BadRegistry::start(|_| Reply::new(401, "").header("www-authenticate", "Basic realm=\"yours\""));
    let there = thief.host();
    let registry = BadRegistry::start(move |request| match request.method.as_str() {
        _ if request.path == "/v2/" => Reply::new(200, "{}"),
        "POST" => Reply::new(202, "").header("location", format!("http://{there}/take")),
        _ => Reply::new(404, ""),
    });
    let credentials = Some(Credentials::Password { user: "u".into(), password: "hunter2".into() });
    let client = Client::new(Settings { credentials, ..settings() }).unwrap();
    let to = destination(&client, &registry);
    let error = client.upload(&to, &blob(b"x"), holding(b"x"), |_| true).unwrap_err();
    assert_eq!(error.kind(), Kind::Denied, "{}", error.chain());
    assert!(thief.requests().iter().all(|request| request.header("authorization").is_empty()));
    assert!(!thief.requests().is_empty());
}

#[test]
fn places_that_are_no_registries_are_not_gone_to() {
    for place in ["file:///etc/passwd", "http://192.0.2.1/x", "ftp://127.0.0.1/", "http://", "gopher://x"] {
        let (registry, _) = registry(move |request, _, reply| match request.method.as_str() {
            "POST" => Reply::new(202, "").header("location", place),
            _ => reply,
        });
        let error = upload(&registry, b"content").unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid, "{place}: {}", error.chain());
        assert_eq!(count(&registry, "PATCH"), 0, "{place}");
    }
}

/// A server that takes the header and nothing else.
#[test]
fn a_registry_that_takes_nothing_is_left() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for connection in listener.incoming().flatten() {
            held.push(connection);
        }
    });
    let (registry, _) = registry(move |request, _, reply| match request.method.as_str() {
        "POST" => Reply::new(202, "").header("location", format!("http://{there}/hole")),
        _ => reply,
    });
    let short = Duration::from_millis(200);
    let patience = Patience { stall: short, answer: short, attempts: 2, ..settings().patience };
    let client = Client::new(Settings { patience, ..settings() }).unwrap();
    let content = text(20 << 20);
    let began = Instant::now();
    let error =
        client.upload(&destination(&client, &registry), &blob(&content), holding(&content), |_| true).unwrap_err();
    assert_eq!(error.kind(), Kind::Network);
    assert!(error.chain().contains("has not taken more"), "{}", error.chain());
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

#[test]
fn a_registry_that_never_confirms_is_left() {
    let (registry, _) = registry(|request, _, reply| match request.method.as_str() {
        "PUT" => reply.fault(Fault::DripHeader),
        _ => reply,
    });
    let short = Duration::from_millis(300);
    let patience = Patience { settle: short, attempts: 2, ..settings().patience };
    let client = Client::new(Settings { patience, ..settings() }).unwrap();
    // The registry has it, but for the answer: the next look finds it.
    client.upload(&destination(&client, &registry), &blob(b"tiny"), holding(b"tiny"), |_| true).unwrap();
    assert_eq!(count(&registry, "PUT"), 1);
}

#[test]
fn an_upload_ends_when_nobody_wants_it_any_more() {
    let (registry, _) = registry(|request, _, reply| match request.method.as_str() {
        "PATCH" => reply.fault(Fault::DripHeader),
        _ => reply,
    });
    let client = client();
    let to = destination(&client, &registry);
    let began = Instant::now();
    let error = client.upload(&to, &blob(b"tiny"), holding(b"tiny"), |_| false).unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(2), "{}", error.chain());
}

#[test]
fn a_blob_is_mounted_from_another_repository() {
    let content = text(10);
    for (status, expected) in [(201, Mounted::Yes), (202, Mounted::No), (403, Mounted::No), (500, Mounted::No)] {
        let (registry, _) = registry(move |request, _, reply| match request.method.as_str() {
            "POST" => Reply::new(status, "").header("location", "/v2/app/blobs/uploads/unused"),
            _ => reply,
        });
        let client = client();
        let to = destination(&client, &registry);
        let digest = blob(&content).digest;
        assert_eq!(client.mount(&to, &digest, &reference(&registry, "base/image")).unwrap(), expected, "{status}");
        let asked = registry.requests().into_iter().find(|request| request.method == "POST").unwrap();
        let wanted = format!("?mount={}&from=base%2Fimage", digest.as_str().replace(':', "%3A"));
        assert!(asked.path.ends_with(&wanted), "{}", asked.path);
        assert_eq!(count(&registry, "DELETE"), usize::from(status == 202), "what was begun is ended");
        // Nothing is to be had from itself or from another registry.
        let before = registry.requests().len();
        for other in [reference(&registry, "app"), "other.example/base".parse().unwrap()] {
            assert_eq!(client.mount(&to, &digest, &other).unwrap(), Mounted::No);
        }
        assert_eq!(registry.requests().len(), before);
    }
}

#[test]
fn tokens_allow_what_the_push_needs() {
    let tokens = Arc::new(Mutex::new(Vec::new()));
    let asked = tokens.clone();
    let registry = BadRegistry::start(move |request| {
        if request.path.starts_with("/token") {
            asked.lock().unwrap().push(request.path.clone());
            return Reply::new(200, format!(r#"{{"token":"t{}"}}"#, asked.lock().unwrap().len()));
        }
        let realm = format!("Bearer realm=\"http://{}/token\",service=\"s\"", request.host);
        let scope = match request.path.contains("mount=") {
            true => ",scope=\"repository:app:pull,push repository:base:pull\"",
            false => "",
        };
        // The first token does not allow to mount.
        match request.header("authorization") {
            "" => Reply::new(401, "").header("www-authenticate", realm),
            "Bearer t1" if !scope.is_empty() => {
                Reply::new(401, "").header("www-authenticate", format!("{realm}{scope}"))
            }
            _ if request.method == "POST" => Reply::new(201, ""),
            _ => Reply::new(404, ""),
        }
    });
    let client = client();
    let to = destination(&client, &registry);
    assert!(!client.has_blob(&to, &blob(b"x")).unwrap());
    assert_eq!(client.mount(&to, &blob(b"x").digest, &reference(&registry, "base")).unwrap(), Mounted::Yes);
    let tokens = tokens.lock().unwrap();
    assert_eq!(tokens.len(), 2, "{tokens:?}");
    assert!(tokens[0].contains("scope=repository%3Aapp%3Apull%2Cpush&"), "{}", tokens[0]);
    assert!(tokens[1].contains("scope=repository%3Aapp%3Apull%2Cpush&scope=repository%3Abase%3Apull"), "{}", tokens[1]);
}

#[test]
fn a_denied_push_says_how_to_log_in() {
    let registry = BadRegistry::start(|request| match request.path.as_str() {
        "/v2/" => Reply::new(200, "{}"),
        _ => {
            Reply::error(401, "UNAUTHORIZED", "authentication required").header("www-authenticate", "Basic realm=\"x\"")
        }
    });
    let error = upload(&registry, b"x").unwrap_err();
    assert_eq!(error.kind(), Kind::Denied);
    assert!(error.hints().join(" ").contains("coracle login 127.0.0.1:"), "{:?}", error.hints());
}

#[test]
fn a_manifest_is_bounded_and_sent_under_its_tag() {
    let (registry, _) = registry(|request, _, reply| match request.method.as_str() {
        "PUT" => Reply::new(201, ""),
        _ => reply,
    });
    let client = client();
    let to = destination(&client, &registry);
    assert!(client.put_manifest(&to, "v1", media::OCI_MANIFEST, &vec![b' '; (4 << 20) + 1]).is_err());
    let digest = client.put_manifest(&to, "v1", media::OCI_MANIFEST, b"{ }").unwrap();
    assert_eq!(digest, Digest::sha256(b"{ }"));
    let put = &registry.requests()[0];
    assert_eq!((put.path.as_str(), put.header("content-type")), ("/v2/app/manifests/v1", media::OCI_MANIFEST));
    assert_eq!(put.body, "{ }");
}

/// The certificates of `--cert-dir` are for the registry, not for where it sends us.
#[test]
fn certificates_that_were_named_are_for_the_registry_alone() {
    let there = BadRegistry::start_tls(|_| Reply::new(202, ""));
    let target = format!("https://localhost:{}/v2/x", there.port());
    let registry = BadRegistry::start_tls(move |request| match request.method.as_str() {
        "POST" => Reply::new(307, "").header("location", target.clone()),
        "HEAD" => Reply::new(404, ""),
        _ => Reply::new(200, "{}"),
    });
    let certificates = Staging::new(&std::env::temp_dir()).unwrap();
    let mut authority = File::create(certificates.path().join("ca.crt")).unwrap();
    authority.write_all(bad_registry::TEST_AUTHORITY).unwrap();
    let certificates = Some(certificates.path().to_owned());
    let client = Client::new(Settings { certificates, tls_verify: Some(true), ..settings() }).unwrap();
    let to = destination(&client, &registry);
    assert!(!client.has_blob(&to, &blob(b"x")).unwrap());
    let error = client.upload(&to, &blob(b"x"), holding(b"x"), |_| true).unwrap_err();
    assert!(error.chain().contains("TLS"), "{}", error.chain());
    assert!(there.requests().is_empty());
}
