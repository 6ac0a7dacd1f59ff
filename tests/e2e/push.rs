//! `push`, `tag` and `untag` with a real registry, checked by skopeo: digests, what is sent and what is not, formats,
//! authentication.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::bad_registry::{BadRegistry, Fault, Reply};
use crate::support::env::Env;
use crate::support::eventually;
use crate::support::images::{Image, Packing, Tar};
use crate::support::registry::{CREDENTIALS, Registry};

/// An image with gzip, zstd and plain layers, none of which is packed as we would.
fn image() -> Image {
    let tar = |name: &str| Tar::new().directory("srv").file(name, format!("{name}\n")).finish();
    Image::busybox()
        .packed_layer(&tar("srv/gzip"), Packing::Gzip)
        .packed_layer(&tar("srv/zstd"), Packing::Zstd)
        .packed_layer(&tar("srv/plain"), Packing::Plain)
        .set("Cmd", json!(["cat", "/srv/gzip", "/srv/zstd", "/srv/plain"]))
}

/// Puts it into a registry as it is: skopeo would compress the plain layer.
fn publish(env: &Env, registry: &Registry, repository: &str) -> String {
    let layout = env.file("layout");
    image().write(&layout);
    registry.push_layout(&layout, repository, &["--preserve-digests"])
}

const PRINTS: &str = "srv/gzip\nsrv/zstd\nsrv/plain\n";

fn skopeo(arguments: &[&str]) -> String {
    let output = Command::new("skopeo").args(["--insecure-policy"]).args(arguments).output().expect("skopeo");
    assert!(output.status.success(), "skopeo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// The manifest in the registry; everything it names is fetched and verified.
fn manifest(env: &Env, name: &str) -> (String, Value) {
    let raw = skopeo(&["inspect", "--tls-verify=false", "--raw", &format!("docker://{name}")]);
    let copy = env.file("copy");
    let _ = fs::remove_dir_all(&copy);
    skopeo(&["copy", "-q", "--src-tls-verify=false", &format!("docker://{name}"), &format!("dir:{}", copy.display())]);
    (crate::support::images::digest(raw.as_bytes()), serde_json::from_str(&raw).expect("JSON"))
}

/// How a fresh user sees what is in the registry.
fn runs(name: &str) {
    let other = Env::with(&["busybox"]).expect("ready before");
    other.coracle(&format!("run --rm {name}")).succeeds().stdout_is(PRINTS);
}

#[test]
fn what_was_pulled_is_pushed_with_its_digest() {
    let env = ready!(busybox);
    let (from, to) = (Registry::start(), Registry::start());
    let source = publish(&env, &from, "team/app");
    env.coracle(&format!("pull -q {source}")).succeeds();
    let name = to.name("copy");
    env.coracle(&format!("tag {source} {name}")).succeeds().stdout_is("");
    let output = env.coracle(&format!("push {name} --digestfile {}", env.file("digest").display())).succeeds();
    let (digest, document) = manifest(&env, &name);
    assert_eq!((digest.clone(), document), manifest(&env, &source), "the very same manifest");
    let layers = image().manifest_bytes();
    assert_eq!(digest, crate::support::images::digest(&layers));
    let lines = output.lines();
    assert_eq!(lines[0], format!("The push refers to repository [{}/copy]", to.address()));
    assert_eq!(*lines.last().expect("lines"), format!("latest: digest: {digest} size: {}", layers.len()));
    assert_eq!(output.stdout.matches(": Pushed\n").count(), 4, "{}", output.stdout);
    assert_eq!(fs::read_to_string(env.file("digest")).expect("written"), digest);
    output.stderr_is("");
    env.coracle("images --digests").succeeds().stdout_has(&digest);
    runs(&name);
    // Again: nothing to do.
    let again = env.coracle(&format!("push {name}")).succeeds();
    assert_eq!(again.stdout.matches(": Layer already exists\n").count(), 4, "{}", again.stdout);
    env.coracle(&format!("push -q {name}")).succeeds().stdout_is(&format!("{name}\n"));
    // Another repository of the registry takes the layers from the first.
    let mounted = to.name("other/place");
    let output = env.coracle(&format!("push {source} {mounted}")).succeeds();
    assert_eq!(output.stdout.matches(": Mounted from copy\n").count(), 4, "{}", output.stdout);
    assert_eq!(manifest(&env, &mounted).0, digest);
}

#[test]
fn without_the_source_layers_are_packed_again_always_in_the_same_way() {
    let env = ready!(busybox);
    let (mut from, to) = (Registry::start(), Registry::start());
    let source = publish(&env, &from, "app");
    env.coracle(&format!("pull -q {source}")).succeeds();
    from.stop();
    let name = to.name("copy");
    let output = env.coracle(&format!("push {source} docker://{name}")).succeeds().stderr_has("compressed anew");
    let (digest, document) = manifest(&env, &name);
    assert_ne!(digest, crate::support::images::digest(&image().manifest_bytes()));
    let kinds: Vec<&str> =
        document["layers"].as_array().expect("layers").iter().filter_map(|layer| layer["mediaType"].as_str()).collect();
    assert_eq!(
        kinds[1..],
        [
            "application/vnd.oci.image.layer.v1.tar+gzip",
            "application/vnd.oci.image.layer.v1.tar+zstd",
            "application/vnd.oci.image.layer.v1.tar"
        ]
    );
    assert!(output.stdout.contains(&digest));
    runs(&name);
    let again = env.coracle(&format!("push {source} {name}")).succeeds().stdout_has(&digest);
    assert!(!again.stdout.contains(": Pushed\n"), "{}", again.stdout);
    // The tag is gone there, the layers are known.
    let elsewhere = to.name("elsewhere");
    env.coracle(&format!("push {source} {elsewhere}")).succeeds().stdout_has(&digest);
}

#[test]
fn compression_and_format_are_what_was_asked_for() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let source = publish(&env, &registry, "app");
    env.coracle(&format!("pull -q {source}")).succeeds();
    let kinds = |options: &str, tag: &str| {
        let name = format!("{}/packed:{tag}", registry.address());
        env.coracle(&format!("push {options} {source} {name}")).succeeds().stderr_is("");
        let (_, document) = manifest(&env, &name);
        runs(&name);
        let kind = |layer: &Value| layer["mediaType"].as_str().expect("a type").rsplit('.').next().map(str::to_owned);
        let kinds: Vec<String> = document["layers"].as_array().expect("layers").iter().filter_map(kind).collect();
        (document["mediaType"].as_str().expect("a type").to_owned(), kinds[1..].join(" "))
    };
    let oci = "application/vnd.oci.image.manifest.v1+json".to_owned();
    assert_eq!(kinds("", "as-is"), (oci.clone(), "tar+gzip tar+zstd tar".into()));
    assert_eq!(kinds("--compression-format zstd", "zstd"), (oci.clone(), "tar+zstd tar+zstd tar+zstd".into()));
    assert_eq!(kinds("--compression-level 9", "nine"), (oci.clone(), "tar+gzip tar+gzip tar+gzip".into()));
    assert_eq!(kinds("--force-compression", "force"), (oci, "tar+gzip tar+gzip tar+gzip".into()));
    let docker = "application/vnd.docker.distribution.manifest.v2+json".to_owned();
    assert_eq!(kinds("--format v2s2", "docker"), (docker, "gzip gzip tar".into()));
    for bad in [
        "--format v2s2 --compression-format zstd",
        "--compression-level 10",
        "--compression-format zstd --compression-level 30",
        "--compression-format lzma",
        "--disable-content-trust=false",
        "--platform linux/s390x",
        "--retry-delay soon",
    ] {
        env.coracle(&format!("push {bad} {source} {}", registry.name("bad"))).fails().explains();
    }
}

#[test]
fn a_registry_that_asks_who_we_are() {
    let env = ready!(busybox);
    let registry = Registry::start_with_password();
    let name = registry.name("private");
    env.coracle(&format!("tag IMAGE {name}")).succeeds();
    let refused = env.coracle(&format!("push {name}")).fails_with(1).explains();
    refused.stderr_has(&format!("coracle login {}", registry.address()));
    let (user, password) = CREDENTIALS;
    env.coracle(&format!("push --creds {user}:wrong {name}")).fails_with(1).explains();
    env.coracle(&format!("push --creds {user}:{password} {name}")).succeeds();
    env.coracle(&format!("push {name}")).fails_with(1);
    env.coracle(&format!("login -u {user} -p {password} {}", registry.address())).succeeds();
    env.coracle(&format!("push {name}")).succeeds().stdout_has("Layer already exists");
}

#[test]
fn certificates_are_named_on_the_command_line() {
    let env = ready!(busybox);
    let (key, certificate) = (env.file("domain.key"), env.file("domain.crt"));
    let openssl = Command::new("openssl")
        .args(["req", "-newkey", "rsa:2048", "-nodes", "-sha256", "-x509", "-days", "365", "-subj", "/CN=test"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1", "-keyout"])
        .args([key.as_os_str(), "-out".as_ref(), certificate.as_os_str()])
        .output()
        .expect("openssl");
    assert!(openssl.status.success(), "{}", String::from_utf8_lossy(&openssl.stderr));
    let registry = Registry::start_tls(&certificate, &key);
    let name = registry.name("app");
    env.coracle(&format!("push --tls-verify=true IMAGE {name}")).fails_with(1).explains().stderr_has("certs.d");
    let own = env.mkdir("certificates");
    fs::copy(&certificate, own.join("ca.crt")).expect("our directory");
    let cert_dir = format!("--cert-dir {}", own.display());
    env.coracle(&format!("push --tls-verify=true {cert_dir} IMAGE {name}")).succeeds();
    env.coracle(&format!("push --tls-verify=false IMAGE {name}")).succeeds();
    env.coracle(&format!("pull --tls-verify=true {name}")).fails_with(1);
    env.coracle(&format!("pull --tls-verify=true {cert_dir} {name}")).succeeds();
    env.coracle(&format!("pull --creds user {cert_dir} {name}")).fails().explains();
    env.coracle(&format!("push --cert-dir {}/absent IMAGE {name}", own.display())).fails_with(1).explains();
}

#[test]
fn all_tags_of_a_repository() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let repository = format!("{}/many", registry.address());
    env.coracle(&format!("tag IMAGE {repository}:one {repository}:two {}/other:three", registry.address())).succeeds();
    let output = env.coracle(&format!("push -a {repository}")).succeeds();
    assert!(output.stdout.contains("one: digest: sha256:") && output.stdout.contains("two: digest: sha256:"));
    let tags = skopeo(&["list-tags", "--tls-verify=false", &format!("docker://{repository}")]);
    assert!(tags.contains("\"one\"") && tags.contains("\"two\"") && !tags.contains("three"), "{tags}");
    env.coracle(&format!("push -a {repository}:one")).fails().explains();
    env.coracle(&format!("push -a {}/absent", registry.address())).fails_with(1).explains();
    env.coracle(&format!("push -a {repository} {repository}")).fails().explains();
}

#[test]
fn what_cannot_be_pushed_says_why() {
    let env = ready!(busybox);
    let mut registry = Registry::start();
    let name = registry.name("app");
    env.coracle(&format!("push {name}")).fails_with(1).explains().stderr_has("does not exist locally");
    env.coracle(&format!("push IMAGE oci:{}", env.file("other").display())).fails().explains();
    let digest = crate::support::images::digest(b"x");
    env.coracle(&format!("push IMAGE {name}@{digest}")).fails().explains();
    env.coracle(&format!("push {}/app@{digest}", registry.address())).fails().explains();
    registry.stop();
    env.coracle(&format!("push --retry 0 IMAGE {name}")).fails_with(1).explains().stderr_has("nothing listens there");
}

/// Passes connections on to `to` and cuts the first that has brought `limit` bytes. Counts what all of them bring.
fn cutting_proxy(to: String, limit: usize) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let brought = Arc::new(AtomicUsize::new(0));
    let (count, cut) = (brought.clone(), Arc::new(AtomicBool::new(false)));
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(&to).expect("a registry");
            let (mut answers, mut asker) = (server.try_clone().expect("a copy"), client.try_clone().expect("a copy"));
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut answers, &mut asker);
                let _ = asker.shutdown(Shutdown::Both);
            });
            let (count, cut) = (count.clone(), cut.clone());
            std::thread::spawn(move || {
                let (mut client, mut server) = (client, server);
                let (mut buffer, mut total) = (vec![0; 64 << 10], 0);
                while let Ok(length @ 1..) = client.read(&mut buffer) {
                    total += length;
                    count.fetch_add(length, Ordering::SeqCst);
                    if server.write_all(&buffer[..length]).is_err() {
                        break;
                    }
                    if total > limit && !cut.swap(true, Ordering::SeqCst) {
                        break;
                    }
                }
                let _ = server.shutdown(Shutdown::Write);
                let _ = client.shutdown(Shutdown::Both);
            });
        }
    });
    (address, brought)
}

/// Bytes that no compression makes smaller.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    next.flatten().take(size).collect()
}

#[test]
fn a_broken_upload_ends_well_at_a_real_registry() {
    const SIZE: usize = 12 << 20;
    let env = ready!(busybox);
    let (from, to) = (Registry::start(), Registry::start());
    let layer = Tar::new().file("noise", noise(SIZE)).finish();
    let source = from.push(&Image::busybox().packed_layer(&layer, Packing::Gzip), "noisy");
    env.coracle(&format!("pull -q {source}")).succeeds();
    let (proxy, brought) = cutting_proxy(to.address().to_owned(), 6 << 20);
    env.coracle(&format!("push {source} {proxy}/noisy")).succeeds();
    let name = to.name("noisy");
    assert_eq!(manifest(&env, &name).0, manifest(&env, &source).0);
    // This registry forgets a session that broke: all is sent again.
    let brought = brought.load(Ordering::SeqCst);
    assert!(brought > SIZE + (6 << 20), "it was not cut: {brought} bytes");
}

#[test]
fn a_push_that_is_killed_leaves_nothing() {
    let env = ready!(busybox);
    let held = Arc::new(AtomicBool::new(false));
    let holding = held.clone();
    let registry = BadRegistry::start(move |request| match request.method.as_str() {
        "PATCH" => {
            holding.store(true, Ordering::SeqCst);
            Reply::new(202, "").fault(Fault::DripHeader)
        }
        "POST" => Reply::new(202, "").header("location", "/v2/app/blobs/uploads/one"),
        "GET" => Reply::new(200, "{}"),
        _ => Reply::new(404, ""),
    });
    let running = env.command(&format!("push IMAGE {}/app", registry.host())).spawn();
    eventually("something is sent", || held.load(Ordering::SeqCst));
    running.signal(nix::sys::signal::Signal::SIGKILL);
    assert_eq!(running.wait().code(), 137);
    for directory in ["staging", "store/staging"] {
        let left = fs::read_dir(env.data().join(directory)).expect("our directory").count();
        assert_eq!(left, 0, "{directory}");
    }
    env.coracle("run --rm IMAGE true").succeeds();
}

#[test]
fn names_are_given_and_taken_away() {
    let env = ready!(busybox);
    let image = env.image();
    env.coracle("tag IMAGE first second:2 registry.example/third").succeeds();
    env.coracle("run --rm --pull never second:2 echo named").succeeds().stdout_is("named\n");
    env.coracle("tag IMAGE bad:tag:").fails().explains();
    env.coracle("tag nosuch x").fails_with(1).explains();
    env.coracle("untag first second:2").succeeds();
    env.coracle("run --rm --pull never second:2").fails();
    env.coracle("untag IMAGE nosuch").fails().explains();
    let id = env.inspect(&image, "{{.Id}}");
    env.coracle("untag IMAGE").succeeds();
    env.coracle("images -q --filter dangling=true --no-trunc").succeeds().stdout_has(id.trim_start_matches("sha256:"));
}

/// podman's users find its words, docker's theirs.
#[test]
fn every_tool_has_its_own_words() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let name = registry.name("app");
    let called = |name: &str, arguments: &[&str]| {
        let link = env.root().join("bin").join(name);
        if !link.exists() {
            std::os::unix::fs::symlink("coracle", &link).expect("our directory");
        }
        env.tool(&link.to_string_lossy(), arguments).run()
    };
    called("docker", &["tag", &env.image(), &name]).succeeds();
    let untagged = name.trim_end_matches(":latest");
    let output = called("docker", &["push", untagged]).succeeds().stderr_is("");
    assert_eq!(output.lines()[0], "Using default tag: latest");
    called("podman", &["push", untagged]).succeeds().stdout_is("").stderr_has("latest: digest: sha256:");
    called("podman", &["push", "-q", untagged]).succeeds().stdout_is("").stderr_is("");
    called("docker", &["image", "push", "-q", untagged]).succeeds().stdout_is(&format!("{name}\n"));
    called("podman", &["push", "absent"]).exits_with(125);
}
