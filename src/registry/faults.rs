//! Tests of the client against a registry that misbehaves: each failure has its error, its bound and, where the network is
//! to blame, its recovery.

mod login;
mod tls;
mod upload;

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::bad_registry::{self, BadRegistry, Content, Fault, Reply, Request};

use super::settings::{Places, RegistriesFiles};
use super::{Client, Credentials, Patience, RemoteImage, Settings};
use crate::base::publish::Staging;
use crate::base::{Error, Kind, Paths, Result};
use crate::oci::{Descriptor, Platform, Reference};

/// No files of this machine, and little patience.
fn settings() -> Settings {
    let nowhere = std::path::PathBuf::from("/nonexistent");
    let paths = Paths { data: nowhere.clone(), runtime: nowhere.clone(), config: nowhere.clone(), home: nowhere };
    Settings {
        registries: Default::default(),
        certificate_dirs: Vec::new(),
        patience: Patience {
            connect: Duration::from_secs(5),
            stall: Duration::from_secs(2),
            answer: Duration::from_secs(2),
            document: Duration::from_secs(2),
            settle: Duration::from_secs(2),
            exchange: Duration::from_secs(10),
            window: Duration::from_secs(2),
            least: 1000,
            attempts: 3,
            backoff: Duration::from_millis(5),
            longest_wait: Duration::from_secs(2),
            helper: Duration::from_secs(5),
        },
        ..Settings::of(&paths)
    }
}

fn client() -> Client {
    Client::new(settings()).unwrap()
}

fn reference(registry: &BadRegistry, rest: &str) -> Reference {
    format!("{}/{rest}", registry.host()).parse().unwrap()
}

fn amd64() -> Platform {
    "linux/amd64".parse().unwrap()
}

fn resolve(client: &Client, registry: &BadRegistry) -> Result<RemoteImage> {
    client.resolve(&reference(registry, "app"), &amd64())
}

fn failure(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> (Error, BadRegistry) {
    let registry = BadRegistry::start(handler);
    (resolve(&client(), &registry).unwrap_err(), registry)
}

/// Bytes that differ everywhere, so that a shifted or repeated piece cannot go unnoticed.
fn bytes(size: usize) -> Vec<u8> {
    (0..size as u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).take(size).collect()
}

/// An image `app:latest` with one layer of `size` bytes.
fn content(size: usize) -> Content {
    let mut content = Content::default();
    content.image("latest", "amd64", "{}", &[bytes(size)]);
    content
}

/// Fetches the layer of `app` from a registry whose answers for it come from `spoil(request, right answer)`.
fn fetch_layer(
    size: usize,
    spoil: impl Fn(&Request, Reply) -> Reply + Send + Sync + 'static,
) -> (Result<Vec<u8>>, BadRegistry) {
    let content = content(size);
    let layer = bad_registry::digest(&bytes(size));
    let registry = BadRegistry::start(move |request| match request.path.contains(&layer) {
        true => spoil(request, content.serve(request)),
        false => content.serve(request),
    });
    let client = client();
    let image = resolve(&client, &registry).unwrap();
    let fetched = client.blob(&image, &image.manifest.layers[0]).into_bytes();
    (fetched, registry)
}

#[test]
fn an_image_is_found_by_tag_by_digest_and_through_an_index() {
    let mut content = Content::default();
    let arm = content.image("arm", "arm64", "{}", &[bytes(10)]);
    let amd = content.image("amd", "amd64", "{}", &[bytes(20)]);
    let index = content.index("latest", &[("arm64", &arm), ("amd64", &amd)]);
    let registry = BadRegistry::good(content);
    let client = client();
    let get = |rest: &str| client.resolve(&reference(&registry, rest), &amd64()).unwrap();
    let image = get("team/app");
    assert_eq!((image.digest.as_str(), image.manifest_digest.as_str()), (index.as_str(), amd.as_str()));
    assert!(image.chosen);
    assert_eq!(image.manifest.layers[0].size, 20);
    let layer = client.blob(&image, &image.manifest.layers[0]).into_bytes().unwrap();
    assert_eq!(layer, bytes(20));
    let pinned = get(&format!("team/app@{arm}"));
    assert_eq!((pinned.digest.as_str(), pinned.chosen), (arm.as_str(), false));
    assert_eq!(get("team/app:arm").manifest_digest.as_str(), arm);
    let error = client.resolve(&reference(&registry, "team/app"), &"linux/s390x".parse().unwrap()).unwrap_err();
    assert!(error.hints()[0].contains("linux/arm64, linux/amd64"), "{error:?}");
}

/// What is in the documents that only Go reads without a complaint: see `oci::document`.
#[test]
fn indexes_without_platforms_and_types_lead_to_the_image_that_fits() {
    let mut content = Content::default();
    let arm = content.image("arm", "arm64", "{}", &[bytes(10)]);
    let amd = content.image("amd", "amd64", "{}", &[bytes(20)]);
    let chart =
        r#"{"config":{"mediaType":"application/vnd.cncf.helm.config.v1+json","digest":"D","size":2},"layers":[]}"#;
    let chart = chart.replace('D', &bad_registry::digest(b"{}"));
    let chart = content.manifest("chart", bad_registry::OCI_MANIFEST, chart);
    let odd = content.manifest("odd", bad_registry::OCI_MANIFEST, r#"{"neither":"nor"}"#);
    let entry = |content: &Content, digest: &str, rest: &str| {
        format!(r#"{{"Digest":"{digest}","SIZE":{}{rest}}}"#, content.manifests[digest].1.len())
    };
    let index = |content: &mut Content, tag: &str, entries: &[String]| {
        let text = format!(r#"{{"Manifests":[{}],"layers":null}}"#, entries.join(","));
        content.manifest(tag, bad_registry::OCI_INDEX, text)
    };
    let platform = |architecture: &str| format!(r#","Platform":{{"OS":"linux","architecture":"{architecture}"}}"#);
    let bare = [&odd, &chart, &arm, &amd].map(|digest| entry(&content, digest, ""));
    index(&mut content, "bare", &bare);
    let mixed = [entry(&content, &arm, &platform("arm64")), bare[3].clone()];
    let mut inner = index(&mut content, "inner", &mixed);
    for depth in 0..9 {
        let entries = [entry(&content, &inner, r#","platform":null,"mediaType":"""#)];
        inner = index(&mut content, &format!("deep{depth}"), &entries);
    }
    let typed = [entry(&content, &amd, &platform("amd64")), entry(&content, &arm, &platform("arm64"))];
    index(&mut content, "typed", &typed);
    index(&mut content, "nothing", &[]);
    index(&mut content, "foreign", &[bare[2].clone()]);
    index(&mut content, "many", &vec![bare[2].clone(); 100]);
    let registry = BadRegistry::good(content);
    let client = client();
    let get = |tag: &str| client.resolve(&reference(&registry, &format!("app:{tag}")), &amd64());
    for tag in ["bare", "inner", "deep0", "deep6", "typed"] {
        let image = get(tag).unwrap();
        assert_eq!((image.manifest_digest.as_str(), image.chosen), (amd.as_str(), true), "{tag}");
    }
    for (tag, word) in [
        ("deep8", "nested more than 8 deep"),
        ("nothing", "no variant for `linux/amd64`"),
        ("foreign", "no variant for `linux/amd64`"),
        ("many", "more than 64 documents"),
    ] {
        let error = get(tag).unwrap_err();
        assert!(error.chain().contains(word), "{tag}: {}", error.chain());
        assert!(tag != "foreign" || error.hints()[0].contains("linux/arm64"), "{:?}", error.hints());
    }
}

#[test]
fn a_registry_that_is_down_or_unknown_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    drop(listener);
    let error = client().resolve(&format!("{host}/app").parse().unwrap(), &amd64()).unwrap_err();
    assert_eq!(error.kind(), Kind::Network);
    assert_eq!(error.chain(), format!("cannot reach the registry `{host}`: nothing listens there: connection refused"));
    // Whatever this machine's own name server says, or does not say.
    let names = Places { resolv_conf: "/nonexistent".into(), dns_port: 1, ..Places::default() };
    let client = Client::new(Settings { names, ..settings() }).unwrap();
    let error = client.resolve(&"coracle-test.invalid/app".parse().unwrap(), &amd64()).unwrap_err();
    assert_eq!(error.kind(), Kind::Network);
    assert_eq!(error.message(), "cannot find the registry `coracle-test.invalid`: its name does not resolve");
    assert!(error.chain().contains("the name server 127.0.0.1 does not answer"), "{}", error.chain());
}

#[test]
fn localhost_is_this_machine() {
    let registry = BadRegistry::good(content(10));
    let reference: Reference = format!("localhost:{}/app", registry.port()).parse().unwrap();
    assert!(client().resolve(&reference, &amd64()).is_ok());
}

#[test]
fn refusals_say_what_to_do() {
    for (status, code, kind, message, hint) in [
        (401, "UNAUTHORIZED", Kind::Denied, "is denied", "login"),
        (403, "DENIED", Kind::Denied, "is denied", "log in"),
        (404, "NAME_UNKNOWN", Kind::NotFound, "no image `", "spelling"),
        (404, "MANIFEST_UNKNOWN", Kind::NotFound, "/app:latest`", "tag"),
    ] {
        let (error, registry) = failure(move |_| Reply::error(status, code, "because\\u001b[2J"));
        assert_eq!(error.kind(), kind, "{status}");
        assert!(error.message().contains(message), "{}", error.chain());
        assert!(error.hints().join(" ").contains(hint), "{:?}", error.hints());
        assert!(
            status == 401 || error.chain().ends_with(&format!("because\\u{{1b}}[2J ({code})")),
            "{}",
            error.chain()
        );
        assert_eq!(registry.count("manifests"), 1, "{status}");
    }
}

#[test]
fn too_many_requests_are_repeated_after_the_wait_or_told() {
    let content = content(10);
    let registry = BadRegistry::start(move |request| match request.nth {
        0 if request.path.contains("manifests") => {
            Reply::error(429, "TOOMANYREQUESTS", "slow down").header("retry-after", "1")
        }
        _ => content.serve(request),
    });
    let begin = Instant::now();
    assert!(resolve(&client(), &registry).is_ok());
    assert!(begin.elapsed() >= Duration::from_secs(1));

    // Waits that would take longer than all attempts may: the reason is told, not that time ran out.
    let hurried = Patience { exchange: Duration::from_millis(1500), ..settings().patience };
    let client = Client::new(Settings { patience: hurried, ..settings() }).unwrap();
    let registry = BadRegistry::start(|_| Reply::error(429, "TOOMANYREQUESTS", "x").header("retry-after", "1"));
    let error = resolve(&client, &registry).unwrap_err();
    assert!(error.chain().contains("429"), "{}", error.chain());

    let (error, registry) = failure(|_| Reply::error(429, "TOOMANYREQUESTS", "x").header("retry-after", "3600"));
    assert_eq!((error.kind(), registry.count("manifests")), (Kind::Denied, 1));
    assert!(error.hints().join(" ").contains("in 60 minutes"), "{:?}", error.hints());
}

#[test]
fn server_errors_are_retried_a_bounded_number_of_times() {
    let content = content(10);
    let registry = BadRegistry::start(move |request| match request.nth {
        0 => Reply::error(500, "UNKNOWN", "oops"),
        1 => Reply::new(200, "x").fault(Fault::ResetAtOnce),
        _ => content.serve(request),
    });
    assert!(resolve(&client(), &registry).is_ok());

    let (error, registry) = failure(|_| Reply::error(503, "UNAVAILABLE", "maintenance"));
    assert_eq!((error.kind(), registry.count("manifests")), (Kind::Network, 3));
    assert!(error.chain().contains("(503 Service Unavailable): maintenance"), "{}", error.chain());
}

#[test]
fn manifests_are_bounded_and_checked() {
    let image = content(10).manifests["latest"].clone();
    let good = image.1.clone();
    let huge = vec![b' '; (4 << 20) + 1];
    let lying = Reply::new(200, good.clone()).header("docker-content-digest", bad_registry::digest(b"other"));
    for (reply, word) in [
        (Reply::new(200, huge.clone()), "larger than 4096 KiB"),
        (Reply::new(200, huge).chunked(), "larger than 4096 KiB"),
        (lying, "damaged"),
        (Reply::new(200, "<html>sign in</html>"), "not a valid JSON document"),
        (Reply::new(200, good.clone()).header("content-type", bad_registry::OCI_INDEX), "but it calls itself"),
        (Reply::new(200, r#"{"schemaVersion":1,"fsLayers":[]}"#), "schema 1"),
        (Reply::new(302, "").header("location", "http://example.com/x"), "not safe"),
        (Reply::new(302, "").header("location", "/v2/app/manifests/latest"), "in circles"),
    ] {
        let (error, _registry) = failure(move |_| reply.clone());
        assert!(error.chain().contains(word), "{word}: {}", error.chain());
    }
    let registry = BadRegistry::start(move |_| Reply::new(200, good.clone()));
    let pinned = format!("app@{}", bad_registry::digest(b"other"));
    let error = client().resolve(&reference(&registry, &pinned), &amd64()).unwrap_err();
    assert!(error.chain().contains("damaged"), "{}", error.chain());
}

#[test]
fn a_broken_transfer_is_resumed_where_it_broke() {
    const SIZE: usize = 3_000_000;
    for fault in [Fault::ResetAfter(1_000_000), Fault::CloseAfter(1_000_000), Fault::StallAfter(1_000_000)] {
        let (fetched, registry) = fetch_layer(SIZE, move |request, reply| match request.nth {
            0 => reply.fault(fault),
            _ => reply,
        });
        assert_eq!(fetched.unwrap(), bytes(SIZE), "{fault:?}");
        let requests = registry.requests();
        let resumed = requests.last().unwrap().from().unwrap();
        assert!((1..=1_000_000).contains(&resumed), "{fault:?}: resumed at {resumed}");
    }
}

#[test]
fn a_server_without_ranges_is_read_again_and_what_is_known_is_skipped() {
    const SIZE: usize = 2_000_000;
    let (fetched, registry) = fetch_layer(SIZE, |request, _| {
        let whole = Reply::new(200, bytes(SIZE));
        if request.nth == 0 { whole.chunked().fault(Fault::CloseAfter(1_500_000)) } else { whole }
    });
    assert_eq!(fetched.unwrap(), bytes(SIZE));
    assert_eq!(registry.count("blobs"), 2);
}

#[test]
fn a_long_transfer_survives_many_breaks_but_not_without_progress() {
    const SIZE: usize = 12_000_000;
    let (fetched, registry) = fetch_layer(SIZE, |_, reply| reply.fault(Fault::CloseAfter(1_500_000)));
    assert_eq!(fetched.unwrap(), bytes(SIZE));
    assert_eq!(registry.count("blobs"), 8);

    let (fetched, registry) = fetch_layer(SIZE, |_, reply| reply.fault(Fault::CloseAfter(1000)));
    let error = fetched.unwrap_err();
    assert_eq!((error.kind(), registry.count("blobs")), (Kind::Network, 3));
}

#[test]
fn a_registry_that_sends_a_byte_now_and_then_is_left_and_named() {
    let hasty = || {
        let short = Duration::from_millis(400);
        let patience = Patience { answer: short, document: short, window: short, ..settings().patience };
        Client::new(Settings { patience, ..settings() }).unwrap()
    };
    let content = content(300_000);
    let layer = bad_registry::digest(&bytes(300_000));
    for (what, part, fault, times) in [
        ("has not answered within 0.4 s", "/manifests/", Fault::DripHeader, 3),
        ("has not sent the manifest within 0.4 s", "/manifests/", Fault::DripAfter(10), 1),
        ("has not sent the token within 0.4 s", "/token", Fault::DripAfter(3), 1),
        ("has not answered within 0.4 s", "/token", Fault::DripHeader, 3),
        ("sends too slowly: only", &layer, Fault::DripAfter(0), 3),
    ] {
        let (content, part) = (content.clone(), part.to_owned());
        let wanted = part.clone();
        let registry = BadRegistry::start(move |request| {
            let asks = part == "/token" && request.header("authorization").is_empty();
            let reply = match request.path.as_str() {
                path if path.starts_with("/token") => {
                    Reply::new(200, format!(r#"{{"token":"t","pad":"{}"}}"#, "x".repeat(500)))
                }
                path if asks && path != "/v2/" => Reply::error(401, "UNAUTHORIZED", "")
                    .header("www-authenticate", format!(r#"Bearer realm="http://{}/token""#, request.host)),
                _ => content.serve(request),
            };
            if request.path.contains(&part) { reply.fault(fault) } else { reply }
        });
        let begin = Instant::now();
        let client = hasty();
        let fetched =
            resolve(&client, &registry).and_then(|image| client.blob(&image, &image.manifest.layers[0]).into_bytes());
        let error = fetched.map(|bytes| bytes.len()).unwrap_err();
        assert!(begin.elapsed() < Duration::from_secs(8), "{what}: {:?}", begin.elapsed());
        let named = format!("the registry `{}` {what}", registry.host());
        assert!(error.chain().contains(&named), "{named}: {}", error.chain());
        assert_eq!((error.kind(), registry.count(&wanted)), (Kind::Network, times), "{what}");
    }
    // The next connection may be better, and what has come stays.
    let client = hasty();
    let registry = BadRegistry::start(move |request| match (request.path.contains(&layer), request.nth) {
        (true, 0) => content.serve(request).fault(Fault::DripAfter(200_000)),
        _ => content.serve(request),
    });
    let image = resolve(&client, &registry).unwrap();
    let mut reader = client.blob(&image, &image.manifest.layers[0]);
    let mut all = vec![0; 100];
    reader.read_exact(&mut all).unwrap();
    // Nobody is blamed for what the reader does.
    std::thread::sleep(Duration::from_millis(900));
    reader.read_to_end(&mut all).unwrap();
    assert!(all == bytes(300_000));
    let resumed = registry.requests().last().unwrap().from().unwrap();
    assert!(resumed >= 200_000, "{resumed}");
}

#[test]
fn a_refusal_that_never_ends_is_a_refusal() {
    let begin = Instant::now();
    let (error, _registry) = failure(|_| Reply::error(403, "DENIED", &"no ".repeat(10_000)).fault(Fault::DripAfter(9)));
    assert_eq!(error.kind(), Kind::Denied);
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
}

#[test]
fn wrong_blobs_are_refused() {
    const SIZE: usize = 100_000;
    let shorter = || bytes(SIZE)[..SIZE - 1].to_vec();
    let longer = || [bytes(SIZE), vec![0]].concat();
    let other = || [&bytes(SIZE)[..SIZE - 1], b"x"].concat();
    for (name, reply, word) in [
        ("truncated", Reply::new(200, shorter()), "wrong size: 99999 bytes"),
        ("truncated, in chunks", Reply::new(200, shorter()).chunked(), "wrong size: only 99999 bytes"),
        ("longer", Reply::new(200, longer()), "wrong size: 100001 bytes"),
        ("longer, in chunks", Reply::new(200, longer()).chunked(), "wrong size: more bytes"),
        ("empty", Reply::new(200, ""), "wrong size: 0 bytes"),
        ("other content", Reply::new(200, other()), "is damaged"),
        ("other part", Reply::new(206, bytes(SIZE)).header("content-range", "bytes 5-9/10"), "another part"),
        ("lost", Reply::error(404, "BLOB_UNKNOWN", "gone"), "has lost the blob"),
    ] {
        let (fetched, registry) = fetch_layer(SIZE, move |_, _| reply.clone());
        let error = fetched.unwrap_err();
        assert!(error.chain().contains(word), "{name}: {}", error.chain());
        assert!(registry.count("blobs") <= 3, "{name}");
    }
}

#[test]
fn the_end_of_a_damaged_blob_is_never_reported() {
    let content = content(50_000);
    let registry = BadRegistry::start(move |request| match request.path.contains("/blobs/") {
        true => Reply::new(200, vec![7; 50_000]),
        false => content.serve(request),
    });
    let client = client();
    let image = resolve(&client, &registry).unwrap();
    let mut reader = client.blob(&image, &image.manifest.layers[0]);
    let mut all = Vec::new();
    let error = reader.read_to_end(&mut all).unwrap_err().downcast::<Error>().unwrap();
    assert_eq!((all.len(), error.kind()), (50_000, Kind::Invalid));
    assert!(reader.finish().is_err());
}

#[test]
fn a_reader_that_goes_away_stops_the_transfer() {
    let content = content(40_000_000);
    let registry = BadRegistry::good(content);
    let client = client();
    let image = resolve(&client, &registry).unwrap();
    let mut reader = client.blob(&image, &image.manifest.layers[0]);
    let mut beginning = [0; 16];
    reader.read_exact(&mut beginning).unwrap();
    drop(reader);
    // The thread is free for the next one, which would wait forever behind an abandoned transfer on a full window.
    let again = client.blob(&image, &image.manifest.layers[0]).into_bytes().unwrap();
    assert_eq!(again.len(), 40_000_000);
}

/// A registry that wants a token from itself; tokens are `t1`, `t2`, … and `valid` says which are accepted.
fn with_tokens(content: Content, valid: impl Fn(&str) -> bool + Send + Sync + 'static) -> BadRegistry {
    BadRegistry::start(move |request| {
        if request.path.starts_with("/token") {
            return Reply::new(200, format!(r#"{{"token":"t{}"}}"#, request.nth + 1));
        }
        match request.header("authorization").strip_prefix("Bearer ").is_some_and(&valid) || request.path == "/v2/" {
            true => content.serve(request),
            false => Reply::error(401, "UNAUTHORIZED", "authentication required").header(
                "www-authenticate",
                format!(r#"Bearer realm="http://{}/token",service="test",scope="repository:app:pull""#, request.host),
            ),
        }
    })
}

#[test]
fn a_token_is_fetched_once_and_shown_to_every_request() {
    let registry = with_tokens(content(10), |token| token == "t1");
    let client = client();
    let image = resolve(&client, &registry).unwrap();
    client.blob(&image, &image.manifest.layers[0]).into_bytes().unwrap();
    let requests = registry.requests();
    let tokens: Vec<_> = requests.iter().filter(|request| request.path.starts_with("/token")).collect();
    assert_eq!(tokens.len(), 1);
    assert_eq!(tokens[0].path, "/token?service=test&scope=repository%3Aapp%3Apull&client_id=coracle");
    assert_eq!(tokens[0].header("authorization"), "", "anonymous");
    assert_eq!(requests.len(), 4, "401, token, manifest, blob");
}

#[test]
fn an_expired_token_is_renewed_once() {
    let expired = Arc::new(AtomicBool::new(false));
    let for_server = expired.clone();
    let registry = with_tokens(content(10), move |token| token != "t1" || !for_server.load(Ordering::SeqCst));
    let client = client();
    let image = resolve(&client, &registry).unwrap();
    expired.store(true, Ordering::SeqCst);
    client.blob(&image, &image.manifest.layers[0]).into_bytes().unwrap();
    let shown: Vec<_> = registry.requests().iter().map(|request| request.header("authorization").to_owned()).collect();
    assert_eq!(shown.last().unwrap(), "Bearer t2");

    let registry = with_tokens(content(10), |_| false);
    let error = resolve(&client, &registry).unwrap_err();
    assert_eq!(error.kind(), Kind::Denied);
    assert!(registry.requests().len() <= 4, "no endless exchange");
}

#[test]
fn passwords_go_where_they_belong() {
    let content = content(10);
    let cdn = BadRegistry::start({
        let content = content.clone();
        move |request| content.serve(request)
    });
    let location = format!("http://{}", cdn.host());
    let registry = BadRegistry::start(move |request| {
        if request.header("authorization") != "Basic dTpw" {
            return Reply::error(401, "UNAUTHORIZED", "who?").header("www-authenticate", r#"Basic realm="test""#);
        }
        match request.path.contains("/blobs/") {
            true => Reply::new(307, "").header("location", format!("{location}{}", request.path)),
            false => content.serve(request),
        }
    });
    let scratch = Staging::new(&std::env::temp_dir()).unwrap();
    let file = scratch.path().join("auth.json");
    std::fs::write(&file, format!(r#"{{"auths":{{"{}":{{"auth":"dTpw"}}}}}}"#, registry.host())).unwrap();
    let client = Client::new(Settings { auth_files: vec![file.clone()], ..settings() }).unwrap();
    let image = resolve(&client, &registry).unwrap();
    assert_eq!(client.blob(&image, &image.manifest.layers[0]).into_bytes().unwrap(), bytes(10));
    assert_eq!(cdn.requests()[0].header("authorization"), "", "a redirect takes no credentials along");

    let wrong = Credentials::parse("u:wrong").unwrap();
    let client = Client::new(Settings { credentials: Some(wrong), auth_files: vec![file], ..settings() }).unwrap();
    let error = resolve(&client, &registry).unwrap_err();
    assert_eq!(error.kind(), Kind::Denied);
    assert!(error.chain().contains("refuses these credentials"), "{}", error.chain());
    let anonymous = resolve(&self::client(), &registry).unwrap_err();
    assert_eq!(anonymous.kind(), Kind::Denied);
}

#[test]
fn a_helper_that_is_missing_explains_a_refusal() {
    let registry = BadRegistry::start(|_| {
        Reply::error(401, "UNAUTHORIZED", "who?").header("www-authenticate", r#"Basic realm="test""#)
    });
    let scratch = Staging::new(&std::env::temp_dir()).unwrap();
    let file = scratch.path().join("config.json");
    std::fs::write(&file, r#"{"credsStore":"coracle-test-absent"}"#).unwrap();
    let client = Client::new(Settings { auth_files: vec![file], ..settings() }).unwrap();
    let error = resolve(&client, &registry).unwrap_err();
    assert!(error.hints().join(" ").contains("docker-credential-coracle-test-absent"), "{:?}", error.hints());
}

#[test]
fn mirrors_come_first_and_their_failure_is_not_fatal() {
    let origin = BadRegistry::good(content(1000));
    let mirror = BadRegistry::start(|_| Reply::error(404, "MANIFEST_UNKNOWN", "not mirrored"));
    let scratch = Staging::new(&std::env::temp_dir()).unwrap();
    let conf = scratch.path().join("registries.conf");
    std::fs::write(
        &conf,
        format!(
            "[[registry]]\nprefix = 'docker.io'\nlocation = '{}'\n[[registry.mirror]]\nlocation = '{}/hub'\n",
            origin.host(),
            mirror.host()
        ),
    )
    .unwrap();
    let client = Client::new(Settings {
        registries: RegistriesFiles { system: vec![conf], ..Default::default() },
        ..settings()
    })
    .unwrap();
    let image = client.resolve(&"app".parse().unwrap(), &amd64()).unwrap();
    assert_eq!(mirror.count("/v2/hub/library/app/manifests/latest"), 1);
    assert_eq!(origin.count("/v2/library/app/manifests/latest"), 1);
    assert!(client.blob(&image, &image.manifest.layers[0]).into_bytes().is_ok());
    let error = client.resolve(&"app:absent".parse().unwrap(), &amd64()).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(error.hints().iter().any(|hint| hint.starts_with("a mirror failed")), "{:?}", error.hints());
}

#[test]
fn small_blobs_are_bounded_before_they_are_fetched() {
    let registry = BadRegistry::good(content(1000));
    let client = client();
    let image = resolve(&client, &registry).unwrap();
    let descriptor = Descriptor { size: 1 << 40, ..image.manifest.config.clone() };
    assert!(client.small_blob(&image, &descriptor, 1000).is_err());
    assert_eq!(registry.count("blobs"), 0);
    assert!(client.small_blob(&image, &image.manifest.config, 1000).is_ok());
}
