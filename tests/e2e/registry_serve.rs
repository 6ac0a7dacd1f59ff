//! `registry serve` with other programs as its clients: skopeo, podman, umoci and coracle itself pull and push with the same
//! digests; what is refused; and that nothing is left.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::env::Env;
use crate::support::eventually;
use crate::support::images::{Image, Packing, Tar, digest};
use crate::support::output::{Output, Running};
use crate::support::registry::Registry;

/// An image with gzip, zstd and plain layers, none of which is packed as we would.
fn image() -> Image {
    let tar = |name: &str| Tar::new().directory("srv").file(name, format!("{name}\n")).finish();
    Image::busybox()
        .packed_layer(&tar("srv/gzip"), Packing::Gzip)
        .packed_layer(&tar("srv/zstd"), Packing::Zstd)
        .packed_layer(&tar("srv/plain"), Packing::Plain)
        .set("Cmd", json!(["cat", "/srv/gzip", "/srv/zstd", "/srv/plain"]))
}

const PRINTS: &str = "srv/gzip\nsrv/zstd\nsrv/plain\n";

/// A registry of ours that runs until it is dropped.
struct Serving {
    running: Running,
    place: String,
}

impl Serving {
    #[track_caller]
    fn start(env: &Env, options: &str) -> Self {
        let running = env.command(&format!("registry serve --listen 127.0.0.1:0 {options}")).spawn();
        running.prints("(end it with ^C)");
        let said = running.stdout();
        let place = said.split("://").nth(1).and_then(|rest| rest.split(' ').next()).expect("an address").to_owned();
        Self { running, place }
    }

    /// One request in plain HTTP: status, header and body.
    fn ask(&self, method: &str, path: &str, fields: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
        let mut stream = TcpStream::connect(&self.place).expect("it listens");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n{fields}\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).expect("it reads");
        let mut all = Vec::new();
        stream.read_to_end(&mut all).expect("it answers");
        let end = all.windows(4).position(|four| four == b"\r\n\r\n").expect("a header") + 4;
        let header = String::from_utf8_lossy(&all[..end]).into_owned();
        let status = header.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, header, all[end..].to_vec())
    }

    fn get(&self, path: &str) -> Value {
        let (status, _, body) = self.ask("GET", path, "", b"");
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).expect("JSON")
    }

    /// Uploads a blob in one request.
    fn upload(&self, repository: &str, bytes: &[u8]) -> Value {
        let digest = digest(bytes);
        let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        assert_eq!(self.ask("POST", &path, "", bytes).0, 201);
        json!({ "mediaType": "application/octet-stream", "digest": digest, "size": bytes.len() })
    }
}

fn skopeo(env: &Env, line: &str) -> Output {
    let arguments: Vec<&str> = std::iter::once("--insecure-policy").chain(line.split(' ')).collect();
    env.tool("skopeo", &arguments).run()
}

/// An image in an OCI layout of its own.
fn layout(env: &Env, image: &Image) -> String {
    let path = env.file("layout");
    let _ = fs::remove_dir_all(&path);
    image.write(&path);
    path.display().to_string()
}

fn entries(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).map(|entries| entries.flatten().collect::<Vec<_>>()).unwrap_or_default();
    entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_colleague_pulls_what_is_here() {
    let env = ready!(busybox);
    let from = Registry::start();
    let path = layout(&env, &image());
    let source = from.push_layout(Path::new(&path), "team/app", &["--preserve-digests"]);
    env.coracle(&format!("pull -q {source}")).succeeds();
    env.coracle(&format!("tag {source} mine:1")).succeeds();
    let serving = Serving::start(&env, "");
    let said = serving.running.stdout();
    assert!(said.contains("to your own programs on this machine"), "{said}");
    assert!(said.contains(&format!("Pull: coracle pull {}/", serving.place)), "{said}");
    let id = env.inspect("mine:1", "{{.Id}}");
    // By its own name, by the one that it came with, and by docker's short one.
    let other = Env::with(&["busybox"]).expect("ready before");
    let name = format!("{}/mine:1", serving.place);
    let by_registry = format!("{}/{}", serving.place, source.replacen(':', "_", 1));
    for name in [&name, &by_registry, &format!("{}/docker.io/library/mine:1", serving.place)] {
        other.coracle(&format!("pull -q {name}")).succeeds();
        assert_eq!(other.inspect(name, "{{.Id}}"), id, "{name}");
    }
    other.coracle(&format!("run --rm {name}")).succeeds().stdout_is(PRINTS);
    // skopeo verifies all digests; umoci reads what it has written.
    let copy = env.file("copy").display().to_string();
    skopeo(&env, &format!("copy -q --src-tls-verify=false docker://{name} oci:{copy}:one")).succeeds();
    env.tool("umoci", &["stat", "--image", &format!("{copy}:one")]).run().succeeds().stdout_has("LAYER");
    skopeo(&env, &format!("list-tags --tls-verify=false docker://{}/mine", serving.place))
        .succeeds()
        .stdout_has("\"1\"");
    let all = serving.get("/v2/_catalog");
    assert!(all["repositories"].as_array().expect("a list").contains(&json!("mine")), "{all}");
    // A part of a layer, which is not compressed here.
    let manifest = serving.get("/v2/mine/manifests/1");
    let layer = manifest["layers"][1]["digest"].as_str().expect("a digest");
    let (status, _, whole) = serving.ask("GET", &format!("/v2/mine/blobs/{layer}"), "", b"");
    assert_eq!((status, digest(&whole)), (200, layer.to_owned()));
    let (status, header, part) =
        serving.ask("GET", &format!("/v2/mine/blobs/{layer}"), "Range: bytes=600-699\r\n", b"");
    assert_eq!((status, part.as_slice()), (206, &whole[600..700]), "{header}");
    // What has no name is not there, nor is what another repository has.
    let missing = format!("/v2/other/blobs/{layer}");
    assert_eq!(serving.ask("HEAD", &missing, "", b"").0, 404);
    assert_eq!(serving.ask("GET", "/v2/mine/manifests/2", "", b"").0, 404);
    drop(serving);
    eventually("nothing of it runs", || env.processes().is_empty());
}

#[test]
fn what_is_pushed_is_an_image_and_comes_back_with_its_digest() {
    let env = ready!(busybox);
    let serving = Serving::start(&env, "");
    let path = layout(&env, &image());
    let place = &serving.place;
    let push =
        format!("copy -q --preserve-digests --dest-tls-verify=false oci:{path}:latest docker://{place}/team/app:1");
    skopeo(&env, &push).succeeds();
    let wanted = digest(&image().manifest_bytes());
    env.coracle("run --rm localhost/team/app:1").succeeds().stdout_is(PRINTS);
    env.coracle("images --digests").succeeds().stdout_has(&wanted);
    let raw = format!("inspect --tls-verify=false --raw docker://{place}/team/app:1");
    assert_eq!(digest(skopeo(&env, &raw).succeeds().stdout.as_bytes()), wanted);
    let by_digest = format!("{place}/team/app@{wanted}");
    let copy = env.file("copy").display().to_string();
    skopeo(&env, &format!("copy -q --src-tls-verify=false docker://{by_digest} dir:{copy}")).succeeds();
    // Again: everything is there. To another repository: nothing is sent but the manifest.
    skopeo(&env, &push).succeeds();
    let other = Env::with(&["busybox"]).expect("ready before");
    other.coracle(&format!("pull -q {by_digest}")).succeeds();
    let pushed = other.coracle(&format!("push {by_digest} {place}/other:2")).succeeds();
    assert!(pushed.stdout.contains(&wanted) && !pushed.stdout.contains(": Pushed\n"), "{}", pushed.stdout);
    // A name of another registry is not touched.
    let before = env.inspect(&env.image(), "{{.Id}}");
    let hostile = env.image().replacen(':', "_", 1);
    skopeo(&env, &push.replace("team/app:1", &hostile)).succeeds();
    assert_eq!(env.inspect(&env.image(), "{{.Id}}"), before);
    // The image's removal is all it takes.
    env.coracle("rmi -f localhost/team/app:1").succeeds();
    assert_eq!(serving.ask("GET", "/v2/team/app/manifests/1", "", b"").0, 404);
    assert_eq!(serving.ask("GET", &format!("/v2/team/app/manifests/{wanted}"), "", b"").0, 404);
    env.coracle("rmi -f localhost/other:2").succeeds();
    env.coracle(&format!("rmi -f localhost/{hostile}")).succeeds();
    eventually("its blobs are gone", || entries(&env.data().join("registry/blobs")).is_empty());
    assert_eq!(entries(&env.data().join("registry/repositories")), Vec::<String>::new());
}

#[test]
fn indexes_and_artifacts_and_deletion() {
    let env = ready!(busybox);
    let serving = Serving::start(&env, "");
    let place = &serving.place;
    let from = Registry::start();
    let foreign = Image::empty().set_top("architecture", json!("s390x"));
    let source = from.push_index(&[&image(), &foreign], "many");
    let copy = format!(
        "copy -q --all --src-tls-verify=false --dest-tls-verify=false docker://{source} docker://{place}/many:1"
    );
    skopeo(&env, &copy).succeeds();
    let raw = |name: &str| skopeo(&env, &format!("inspect --tls-verify=false --raw docker://{name}")).succeeds().stdout;
    assert_eq!(raw(&format!("{place}/many:1")), raw(&source));
    env.coracle("run --rm localhost/many:1").succeeds().stdout_is(PRINTS);
    // An artifact about it.
    let subject = digest(raw(&source).as_bytes());
    let (config, layer) = (serving.upload("many", b"{}"), serving.upload("many", b"a report"));
    let about = json!({ "mediaType": "application/vnd.oci.image.index.v1+json", "digest": subject, "size": 1 });
    let artifact = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "artifactType": "text/report",
        "config": config, "layers": [layer], "subject": about, "annotations": { "kind": "test" },
    })
    .to_string();
    let name = digest(artifact.as_bytes());
    let kind = "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n";
    let (status, header, _) = serving.ask("PUT", &format!("/v2/many/manifests/{name}"), kind, artifact.as_bytes());
    assert_eq!(status, 201);
    assert!(header.to_lowercase().contains(&format!("oci-subject: {subject}")), "{header}");
    let referrers = serving.get(&format!("/v2/many/referrers/{subject}"));
    assert_eq!(referrers["manifests"][0]["digest"], json!(name));
    assert_eq!(referrers["manifests"][0]["artifactType"], json!("text/report"));
    assert_eq!(referrers["manifests"][0]["annotations"]["kind"], json!("test"));
    let none = serving.get(&format!("/v2/many/referrers/{subject}?artifactType=other"));
    assert_eq!(none["manifests"], json!([]));
    // What is not there cannot be referred to, and a digest must be right.
    let absent = artifact.replace(layer["digest"].as_str().expect("a digest"), &digest(b"absent"));
    let (status, _, body) = serving.ask("PUT", "/v2/many/manifests/absent", kind, absent.as_bytes());
    assert_eq!(status, 400, "{}", String::from_utf8_lossy(&body));
    let (status, ..) = serving.ask("PUT", &format!("/v2/many/manifests/{subject}"), kind, artifact.as_bytes());
    assert_eq!(status, 400);
    // Deletion.
    skopeo(&env, &format!("delete --tls-verify=false docker://{place}/many:1")).succeeds();
    env.coracle("image exists localhost/many:1").fails_with(1);
    assert_eq!(serving.ask("GET", "/v2/many/tags/list", "", b"").0, 404);
    let kept = env.image().replacen(':', "_", 1).replace(":latest", "");
    let (status, _, body) = serving.ask("DELETE", &format!("/v2/{kept}/manifests/latest"), "", b"");
    assert_eq!(status, 405, "{}", String::from_utf8_lossy(&body));
    env.coracle("image exists IMAGE").succeeds();
}

#[test]
fn who_may_do_what() {
    let env = ready!(busybox);
    env.coracle("tag IMAGE localhost/mine:1 localhost/secret:1").succeeds();
    // Only one image, and nothing can be pushed.
    let serving = Serving::start(&env, "localhost/mine:1");
    assert!(serving.running.stdout().contains("Serving 1 image "), "{}", serving.running.stdout());
    assert_eq!(serving.get("/v2/_catalog"), json!({ "repositories": ["mine"] }));
    assert_eq!(serving.ask("GET", "/v2/secret/manifests/1", "", b"").0, 404);
    assert_eq!(serving.ask("POST", "/v2/mine/blobs/uploads/", "", b"").0, 403);
    assert_eq!(serving.ask("DELETE", "/v2/mine/manifests/1", "", b"").0, 403);
    // Another user of this machine: one of the subordinate ids.
    let other = |serving: &Serving| {
        let line = format!("inspect --raw --tls-verify=false docker://{}/mine:1", serving.place);
        let skopeo = ["skopeo", "--insecure-policy"].into_iter().chain(line.split(' '));
        let as_other = ["unshare", "setpriv", "--reuid", "5", "--clear-groups"];
        env.argv(&as_other.into_iter().chain(skopeo).collect::<Vec<_>>())
    };
    if !crate::support::is_root() {
        other(&serving).fails().stderr_has("denied");
    }
    drop(serving);
    // With a password.
    let serving = Serving::start(&env, "--auth anna");
    let said = serving.running.stdout();
    let password = said.split("Password of anna: ").nth(1).and_then(|rest| rest.lines().next()).expect("a password");
    let (place, name) = (&serving.place, format!("{}/mine:1", serving.place));
    assert_eq!(serving.ask("GET", "/v2/", "", b"").0, 401);
    skopeo(&env, &format!("inspect --tls-verify=false --creds anna:wrong docker://{name}")).fails();
    skopeo(&env, &format!("inspect --tls-verify=false --creds anna:{password} docker://{name}")).succeeds();
    env.coracle(&format!("login -u anna -p {password} {place}")).succeeds();
    env.coracle(&format!("push IMAGE {place}/pushed:1")).succeeds();
    env.coracle("image exists localhost/pushed:1").succeeds();
    drop(serving);
    let file = env.write("password", "of my own\n");
    let serving = Serving::start(&env, &format!("--auth anna --password-file {}", file.display()));
    assert!(!serving.running.stdout().contains("of my own"));
    env.command_argv(&["login", "-u", "anna", "--password-stdin", &serving.place]).stdin("of my own").run().succeeds();
    drop(serving);
    for bad in [
        "--auth :",
        "--password-file /etc/hostname",
        "--listen example.org:80",
        "--proxy alpine",
        "--tls-cert /absent",
        "absent:1",
        "--upload-limit much",
    ] {
        env.coracle(&format!("registry serve --listen 127.0.0.1:0 {bad}")).fails().explains();
    }
}

#[test]
fn https_with_a_certificate_that_is_made() {
    let env = ready!(busybox);
    env.coracle("tag IMAGE localhost/mine:1").succeeds();
    let serving = Serving::start(&env, "--tls");
    let said = serving.running.stdout();
    let file = said.split("Certificate: ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a file").to_owned();
    let name = format!("{}/mine:1", serving.place);
    skopeo(&env, &format!("inspect docker://{name}")).fails().stderr_has("certificate");
    let directory = env.mkdir("certificates");
    fs::copy(&file, directory.join("ca.crt")).expect("our directory");
    let cert_dir = format!("--cert-dir {}", directory.display());
    skopeo(&env, &format!("inspect {cert_dir} docker://{name}")).succeeds();
    let other = Env::with(&["busybox"]).expect("ready before");
    other.coracle(&format!("pull -q --tls-verify=true {name}")).fails();
    other.coracle(&format!("pull -q --tls-verify=true {cert_dir} {name}")).succeeds();
    let port = serving.place.rsplit(':').next().expect("a port").to_owned();
    drop(serving);
    eventually("nothing of it runs", || env.processes().is_empty());
    // The same certificate the next time: others trust it.
    let before = fs::read_to_string(&file).expect("still there");
    let again = env.command(&format!("registry serve --tls --listen 127.0.0.1:{port}")).spawn();
    again.prints("(end it with ^C)");
    assert_eq!(fs::read_to_string(&file).expect("still there"), before);
    other.coracle(&format!("pull -q --tls-verify=true {cert_dir} {name}")).succeeds();
}

#[test]
fn a_cache_serves_what_its_registry_no_longer_can() {
    let env = ready!(busybox);
    let mut from = Registry::start();
    let path = layout(&env, &image());
    let source = from.push_layout(Path::new(&path), "team/app", &["--preserve-digests"]);
    let serving = Serving::start(&env, &format!("--proxy {}", from.address()));
    let name = format!("{}/team/app:latest", serving.place);
    // Two at once want the same blobs.
    let (one, two) = (Env::with(&["busybox"]).expect("ready"), Env::with(&["busybox"]).expect("ready"));
    let pulls = [one.command(&format!("pull -q {name}")).spawn(), two.command(&format!("pull -q {name}")).spawn()];
    pulls.into_iter().for_each(|pull| drop(pull.wait().succeeds()));
    assert_eq!(serving.ask("GET", "/v2/team/absent/manifests/latest", "", b"").0, 404);
    from.stop();
    let three = Env::with(&["busybox"]).expect("ready");
    three.coracle(&format!("pull -q {name}")).succeeds();
    three.coracle(&format!("run --rm {name}")).succeeds().stdout_is(PRINTS);
    let raw = skopeo(&env, &format!("inspect --tls-verify=false --raw docker://{name}")).succeeds();
    assert_eq!(digest(raw.stdout.as_bytes()), digest(&image().manifest_bytes()), "{source}");
    let tags = serving.get("/v2/team/app/tags/list");
    assert_eq!(tags["tags"], json!(["latest"]));
    assert_eq!(serving.ask("POST", "/v2/team/app/blobs/uploads/", "", b"").0, 403);
    // What was not asked for before cannot be had now.
    assert_eq!(serving.ask("GET", "/v2/team/app/manifests/other", "", b"").0, 502);
    env.coracle("images -q localhost/team/app").succeeds().stdout_is("");
}

#[test]
fn a_server_that_is_killed_leaves_nothing_half_made() {
    let env = ready!(busybox);
    let serving = Serving::start(&env, "");
    serving.upload("app", &[7; 1 << 20]);
    let (_, header, _) = serving.ask("POST", "/v2/app/blobs/uploads/", "", b"");
    let place = header.lines().find_map(|line| line.to_lowercase().strip_prefix("location: ").map(str::to_owned));
    let mut half = TcpStream::connect(&serving.place).expect("it listens");
    let head = format!(
        "PATCH {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n",
        place.expect("a place").trim()
    );
    half.write_all(head.as_bytes()).and_then(|()| half.write_all(&[1; 1000])).expect("it reads");
    serving.running.signal(Signal::SIGKILL);
    eventually("its worker has ended", || env.processes().is_empty());
    drop(serving);
    assert_eq!(entries(&env.data().join("registry/blobs")), Vec::<String>::new());
    env.coracle("system check --max 0s").succeeds();
    let again = Serving::start(&env, "");
    assert_eq!(again.ask("GET", "/v2/", "", b"").0, 200);
}

#[test]
fn podman_pulls_and_pushes() {
    let env = ready!(busybox);
    // podman bounds the length of these.
    let [root, runroot] = ["ps", "pr"].map(|name| env.root().join(name).display().to_string());
    let podman = |arguments: &[&str]| {
        let place = ["--root", &root, "--runroot", &runroot, "--storage-driver", "vfs", "--events-backend", "file"];
        env.tool("podman", &[&place, arguments].concat()).run()
    };
    if crate::support::missing_tool(&["podman"]).is_some() {
        return crate::support::skip("`podman` is not installed");
    }
    let policy = env.write("policy.json", "{\"default\": [{\"type\": \"insecureAcceptAnything\"}]}");
    let policy = policy.display().to_string();
    env.coracle("tag IMAGE localhost/mine:1").succeeds();
    let serving = Serving::start(&env, "");
    let (from, to) = (format!("{}/mine:1", serving.place), format!("{}/theirs:2", serving.place));
    podman(&["pull", "-q", "--tls-verify=false", "--signature-policy", &policy, &from]).succeeds();
    podman(&["push", "-q", "--tls-verify=false", "--signature-policy", &policy, &from, &to]).succeeds();
    assert_eq!(env.inspect("localhost/theirs:2", "{{.Id}}"), env.inspect("localhost/mine:1", "{{.Id}}"));
    env.coracle("run --rm localhost/theirs:2 echo well").succeeds().stdout_is("well\n");
}
