//! Bad input: references, registries and layers that lie. Each gets a clear error, and nothing half-made stays visible.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::support::bad_registry::{BadRegistry, Content, Fault, OCI_MANIFEST, Reply, Request};
use crate::support::env::Env;
use crate::support::images::{Image, Packing, Tar, digest};
use crate::support::registry::Registry;

/// Nothing of an image, and nothing half-made, is there.
#[track_caller]
fn nothing_is_left(env: &Env) {
    env.coracle("images -aq").succeeds().stdout_is("");
    env.coracle("ps -aq").succeeds().stdout_is("");
}

#[test]
fn malformed_references() {
    let env = ready!();
    for reference in
        ["UPPER/case", "a b", "-dash", "name:", "name:-x", "name@sha256:short", "a//b", "../up", "name:t/../x"]
    {
        for command in ["pull", "run --rm"] {
            env.argv(&[&command.split(' ').collect::<Vec<_>>()[..], &[reference]].concat()).fails().explains();
        }
    }
    env.argv(&["run", "--rm", "", "true"]).fails_with(125).explains();
    env.argv(&["pull", &"x".repeat(5000)]).fails().explains();
    nothing_is_left(&env);
}

#[test]
fn unknown_names() {
    let env = ready!(busybox);
    let name = env.image();
    let host = name.split('/').next().expect("a host");
    env.coracle(&format!("pull {host}/nosuch")).fails_with(1).explains().stderr_has("nosuch");
    env.coracle(&format!("pull {host}/busybox:nosuch")).fails_with(1).explains().stderr_has("nosuch");
    env.coracle(&format!("run --rm {host}/nosuch true")).fails_with(125).explains().stderr_has("nosuch");
    env.coracle(&format!("pull {host}/busybox@{}", digest(b"nothing"))).fails_with(1).explains();
    env.coracle("rmi nosuch").fails_with(1).explains().stderr_has("no such image");
    env.coracle("image inspect nosuch").fails_with(1).explains();
}

#[test]
fn nobody_answers() {
    let env = ready!();
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let begun = Instant::now();
    env.coracle(&format!("pull 127.0.0.1:{port}/image")).fails_with(1).explains().stderr_has("refused");
    assert!(begun.elapsed() < Duration::from_secs(30), "gave up after {:?}", begun.elapsed());
    env.coracle("pull name.invalid/image").fails_with(1).explains().stderr_has("name.invalid");
    nothing_is_left(&env);
}

#[test]
fn a_registry_on_another_machine_must_speak_https() {
    let env = ready!();
    // Not loopback: this machine's own address, if it has one.
    let Some(address) = own_address() else { return crate::support::skip("no address but loopback") };
    let listener = TcpListener::bind((address.as_str(), 0)).expect("our own address");
    let name = format!("{address}:{}/image", listener.local_addr().expect("an address").port());
    // The first byte of every connection: that of a TLS handshake, or of a plain `GET`.
    let (sender, first_bytes) = mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut byte = [0];
            if stream.read_exact(&mut byte).is_ok() && sender.send(byte[0]).is_err() {
                return;
            }
        }
    });
    env.coracle(&format!("pull {name}")).fails_with(1).explains();
    let bytes: Vec<u8> = first_bytes.try_iter().collect();
    assert!(!bytes.is_empty() && bytes.iter().all(|&byte| byte == 0x16), "spoke without TLS: {bytes:?}");
    env.coracle(&format!("pull --tls-verify=false {name}")).fails_with(1).explains();
    assert!(first_bytes.try_iter().any(|byte| byte == b'G'), "plain HTTP was not tried although it was allowed");
    // The same by configuration.
    let directory = env.config().join("containers");
    fs::create_dir_all(&directory).expect("our directory");
    let host = name.trim_end_matches("/image");
    fs::write(directory.join("registries.conf"), format!("[[registry]]\nlocation = \"{host}\"\ninsecure = true\n"))
        .expect("our directory");
    env.coracle(&format!("pull {name}")).fails_with(1).explains();
    assert!(first_bytes.try_iter().any(|byte| byte == b'G'), "plain HTTP was not tried although it was configured");
}

/// The address that this machine would use to reach others; nothing is sent.
pub(crate) fn own_address() -> Option<String> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip().to_string())
}

#[track_caller]
fn nothing_of(env: &Env, part: &str) {
    env.argv(&["images", "--format", "{{.Repository}}"]).succeeds().stdout_lacks(part);
}

fn content(image: &Image) -> Content {
    let mut content = Content::default();
    content.manifest("latest", OCI_MANIFEST, image.manifest_bytes());
    image.blobs().into_values().for_each(|blob| drop(content.blob(blob)));
    content
}

/// A registry with a good image, whose answers `spoil` may replace.
fn spoiled(image: &Image, spoil: impl Fn(&Request, Reply) -> Reply + Send + Sync + 'static) -> BadRegistry {
    let content = content(image);
    BadRegistry::start(move |request| spoil(request, content.serve(request)))
}

fn layered() -> Image {
    // Not compressible: the layer is as large on the wire.
    let mut state = 1u64;
    let noise: Vec<u8> = (0..300_000)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect();
    Image::empty().layer(Tar::new().file("noise", noise))
}

#[test]
fn error_codes_of_registries() {
    let env = ready!();
    for (status, code, says) in [
        (401, "UNAUTHORIZED", "login"),
        (403, "DENIED", "denied"),
        (404, "NAME_UNKNOWN", "404"),
        (500, "UNKNOWN", "500"),
    ] {
        let registry = spoiled(&layered(), move |request, reply| match request.path.contains("/manifests/") {
            true => Reply::error(status, code, "the registry's own words"),
            false => reply,
        });
        env.coracle(&format!("pull {}/image", registry.host())).fails_with(1).explains().stderr_has(says);
        env.coracle(&format!("run --rm {}/image true", registry.host())).fails_with(125).explains();
    }
    nothing_is_left(&env);
}

#[test]
fn a_busy_registry_is_asked_again() {
    let env = ready!();
    for status in [429, 500, 503] {
        let registry = spoiled(&layered(), move |request, reply| match request.nth {
            0 => Reply::new(status, "").header("retry-after", "1"),
            _ => reply,
        });
        env.coracle(&format!("pull -q {}/image", registry.host())).succeeds();
    }
}

#[test]
fn a_registry_that_stays_busy_is_given_up() {
    let env = ready!();
    let registry = spoiled(&layered(), |_, _| Reply::new(429, "").header("retry-after", "1"));
    env.coracle(&format!("pull {}/image", registry.host())).fails_with(1).explains().stderr_has("429");
    assert!(registry.count("") > 1, "it was not asked again");
    nothing_is_left(&env);
}

#[test]
fn a_broken_download_is_resumed() {
    for fault in [Fault::ResetAfter(100_000), Fault::CloseAfter(200_000)] {
        // Of its own: the second pull would find the layer of the first.
        let env = ready!();
        let image = layered();
        let layer = image.blobs().into_values().map(|blob| blob.len()).max().expect("blobs");
        let registry = spoiled(&image, move |request, reply| match reply.body.len() == layer && request.nth == 0 {
            true => reply.fault(fault),
            false => reply,
        });
        env.coracle(&format!("pull -q {}/image", registry.host())).succeeds();
        let resumed = registry.requests().iter().any(|request| request.from().is_some_and(|from| from > 0));
        assert!(resumed, "{fault:?} was answered by a download from the start");
    }
}

#[test]
fn a_download_that_never_succeeds() {
    let env = ready!();
    let registry = spoiled(&layered(), |request, reply| match request.path.contains("/blobs/") {
        true => reply.fault(Fault::ResetAfter(10)),
        false => reply,
    });
    env.coracle(&format!("pull {}/image", registry.host())).fails_with(1).explains();
    nothing_is_left(&env);
}

#[test]
fn blobs_that_are_not_what_their_digest_says() {
    let env = ready!();
    for spoil in [
        |mut bytes: Vec<u8>| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            bytes
        },
        |mut bytes: Vec<u8>| {
            bytes.truncate(bytes.len() - 1);
            bytes
        },
        |mut bytes: Vec<u8>| {
            bytes.extend_from_slice(b"more");
            bytes
        },
        |_| Vec::new(),
    ] {
        for large in [true, false] {
            // The layer, then the configuration.
            let registry = spoiled(&layered(), move |request, reply| {
                let is_layer = reply.body.len() > 100_000;
                match request.path.contains("/blobs/") && is_layer == large {
                    true => Reply::new(200, spoil(reply.body)),
                    false => reply,
                }
            });
            env.coracle(&format!("pull {}/image", registry.host())).fails_with(1).explains();
        }
    }
    nothing_is_left(&env);
}

#[test]
fn a_manifest_that_is_not_what_its_digest_says() {
    let env = ready!();
    let image = layered();
    let wanted = digest(&image.manifest_bytes());
    let registry = spoiled(&image, |request, mut reply| {
        if request.path.contains("/manifests/") {
            reply.body.push(b' ');
        }
        reply
    });
    env.coracle(&format!("pull {}/image@{wanted}", registry.host())).fails_with(1).explains().stderr_has("digest");
    nothing_is_left(&env);
}

#[test]
fn a_layer_that_is_not_its_diff_id() {
    let env = ready!();
    let mut image = Image::empty();
    image.add_diff_id(&digest(b"another tar"));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&Tar::new().file("x", "x").finish()).expect("memory");
    let image = image.add_blob(gzip.finish().expect("memory"), "application/vnd.oci.image.layer.v1.tar+gzip");
    let registry = BadRegistry::good(content(&image));
    env.coracle(&format!("pull {}/image", registry.host())).fails_with(1).explains().stderr_has("unpacks to");
    nothing_is_left(&env);
}

#[test]
fn documents_that_are_no_documents() {
    let env = ready!();
    for body in ["", "{", "[]", "null", "{\"schemaVersion\":1}", "<html>", "{\"schemaVersion\":2}"] {
        let registry = spoiled(&layered(), move |request, mut reply| {
            if request.path.contains("/manifests/") {
                reply.body = body.into();
            }
            reply
        });
        env.coracle(&format!("pull {}/image", registry.host())).fails_with(1).explains();
    }
    nothing_is_left(&env);
}

#[test]
fn a_manifest_that_is_too_large() {
    let env = ready!();
    let registry = spoiled(&layered(), |request, mut reply| {
        if request.path.contains("/manifests/") {
            reply.body = [reply.body, vec![b' '; 5 << 20]].concat();
        }
        reply
    });
    env.coracle(&format!("pull {}/image", registry.host())).fails_with(1).explains().stderr_has("larger than");
    nothing_is_left(&env);
}

/// Pulls and runs an image with a hostile layer over busybox. Whatever comes of it, `victim` must be untouched.
#[track_caller]
fn hostile(env: &Env, registry: &Registry, what: &str, layer: Tar) -> crate::support::output::Output {
    let name = registry.push(&Image::busybox().layer(layer), what);
    let output = env.coracle(&format!("pull {name}"));
    let list = env.argv(&["images", "--format", "{{.Repository}}"]).succeeds().stdout;
    assert_eq!(output.code() == 0, list.contains(what), "{what}: an image that failed must not be listed\n{list}");
    output
}

#[test]
fn layers_that_reach_out_of_the_image() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let victim = env.mkdir("victim");
    env.write("victim/file", "untouched");
    let outside = victim.to_string_lossy().into_owned();
    let up = format!("{}{outside}", "../".repeat(20));
    let deep = |name: &str| format!("{up}/{name}");
    let check = |what: &str, layer: Tar| {
        let output = hostile(&env, &registry, what, layer);
        let names: Vec<_> = fs::read_dir(&victim).expect("ours").flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(names, ["file"], "{what}: something was written outside");
        assert_eq!(fs::read_to_string(victim.join("file")).expect("ours"), "untouched", "{what}");
        output
    };
    // Names that leave the tree are refused; what a link in the tree says is followed inside the tree at most.
    check("dotdot", Tar::new().file(&deep("new"), "x")).fails_with(1).explains().stderr_has("..");
    check("inner-dotdot", Tar::new().directory("a").file(&format!("a/{}", deep("new")), "x")).fails_with(1).explains();
    check("overwrite", Tar::new().file(&deep("file"), "x")).fails_with(1).explains();
    check("whiteout", Tar::new().file(&deep(".wh.file"), "")).fails_with(1).explains();
    let _ = check("absolute", Tar::new().file(&format!("{outside}/new"), "x"));
    let _ = check("link", Tar::new().symlink("link", &outside).file("link/new", "x"));
    let _ = check("link-up", Tar::new().symlink("link", &up).file("link/new", "x"));
    let _ = check("link-whiteout", Tar::new().symlink("link", &outside).file("link/.wh.file", ""));
    let _ = check("link-opaque", Tar::new().symlink("link", &outside).file("link/.wh..wh..opq", ""));
    let _ = check("link-file", Tar::new().symlink("link", &format!("{outside}/file")).file("link", "x"));
    let _ = check("link-directory", Tar::new().symlink("link", &outside).directory("link").file("link/new", "x"));
    check("hardlink", Tar::new().hardlink("mine", &deep("file"))).fails_with(1).explains();
    let _ = check("hardlink-absolute", Tar::new().hardlink("mine", &format!("{outside}/file")));
    let _ = check("hardlink-link", Tar::new().symlink("link", &outside).hardlink("mine", "link/file"));
    check("hardlink-nothing", Tar::new().hardlink("mine", "nothing")).fails_with(1).explains();
    let _ = check(
        "hardlink-write",
        Tar::new().symlink("link", &format!("{outside}/file")).hardlink("hard", "link").file("hard", "x"),
    );
    let _ = check("whiteout-dotdot", Tar::new().file(".wh...", ""));
    let _ = check("whiteout-dot", Tar::new().file(".wh..", ""));
    let _ = check("whiteout-empty", Tar::new().file(".wh.", ""));
    // The store still works.
    env.coracle("run --rm IMAGE echo well").succeeds().stdout_is("well\n");
}

#[test]
fn a_link_in_one_layer_does_not_lead_the_next_one_out() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let victim = env.mkdir("victim");
    let outside = victim.to_string_lossy().into_owned();
    let image = Image::busybox()
        .layer(Tar::new().symlink("link", &outside))
        .layer(Tar::new().file("link/new", "x").file("link/.wh.other", ""));
    let name = registry.push(&image, "two");
    let _ = env.coracle(&format!("run --rm {name} sh -c 'echo y >/link/newer'"));
    assert_eq!(fs::read_dir(&victim).expect("ours").count(), 0, "something was written outside");
}

#[test]
fn devices_in_layers_are_not_made() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let _ = hostile(&env, &registry, "device", Tar::new().device("sda", 8, 0).device("dev/null2", 1, 3));
    let name = registry.name("device");
    let output = env.coracle(&format!("run --rm {name} sh -c 'test -b /sda || test -c /sda || test -c /dev/null2'"));
    assert_ne!(output.code(), 0, "a device came out of the layer: {output:?}");
}

#[test]
fn broken_archives() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let good = Tar::new().file("file", vec![b'x'; 5000]).finish();
    let mut flipped = good.clone();
    flipped[0] ^= 0xff; // The header's checksum is wrong now.
    for (what, tar) in [("cut", &good[..3000]), ("flipped", &flipped), ("noise", &[b'z'; 4096])] {
        let name = registry.push(&Image::busybox().packed_layer(tar, Packing::Gzip), what);
        env.coracle(&format!("pull {name}")).fails_with(1).explains();
    }
    // The end of the stream is missing.
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&good).expect("memory");
    let mut cut = gzip.finish().expect("memory");
    cut.truncate(cut.len() - 6);
    let mut image = Image::busybox();
    image.add_diff_id(&digest(&good));
    let image = image.add_blob(cut, "application/vnd.oci.image.layer.v1.tar+gzip");
    let registry = BadRegistry::good(content(&image));
    env.coracle(&format!("pull {}/image", registry.host())).fails_with(1).explains();
    nothing_of(&env, &registry.host());
}

// The limit of a million entries is tested with a smaller one beside the code (archive): reaching it takes a minute.
#[test]
fn a_decompression_bomb() {
    let env = ready!(busybox);
    let registry = Registry::start();
    // A file of 1 TiB by its header, of which the stream has 2 GiB of zeros in 2 MB.
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let mut header = Tar::new().file("bomb", "").finish();
    header.truncate(512);
    header[124..136].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]);
    let sum: u32 =
        header.iter().enumerate().map(|(at, &byte)| if (148..156).contains(&at) { 32 } else { u32::from(byte) }).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    gzip.write_all(&header).expect("memory");
    let zeros = vec![0; 1 << 20];
    for _ in 0..2048 {
        gzip.write_all(&zeros).expect("memory");
    }
    let mut image = Image::busybox();
    image.add_diff_id(&digest(b"never reached"));
    let image = image.add_blob(gzip.finish().expect("memory"), "application/vnd.oci.image.layer.v1.tar+gzip");
    let name = registry.push(&image, "bomb");
    env.coracle(&format!("pull {name}")).fails_with(1).explains().stderr_has("limit");
    nothing_of(&env, "bomb");
    let left = env.tool("du", &["-sk", &env.data().to_string_lossy()]).run();
    let kilobytes: u64 = left.stdout.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0);
    assert!(kilobytes < 100_000, "{kilobytes} KiB stay on disk");
}

#[test]
fn a_full_disk_during_pull() {
    let env = ready!(busybox);
    // A small file system for the data of one command, in a user namespace of ours.
    let script = format!(
        "mount -t tmpfs -o size=1m none {data} && {program} pull {image}; code=$?; {program} images -q; ls -A {data}/coracle/store/staging; exit $code",
        data = env.root().join("data").display(),
        program = env.program().display(),
        image = env.image(),
    );
    let arguments = ["--user", "--map-auto", "--map-root-user", "--mount", "sh", "-c", &script];
    let output = env.tool("unshare", &arguments).run().fails_with(1).explains().stderr_has("space");
    assert_eq!(
        output.lines().iter().filter(|line| line.len() == 12).count(),
        0,
        "an image is listed:\n{}",
        output.stdout
    );
    // What the disk holds is as it was.
    env.coracle("run --rm IMAGE true").succeeds();
}

#[test]
fn control_characters_from_outside_do_not_reach_the_terminal() {
    let env = ready!();
    let registry = spoiled(&layered(), |request, reply| match request.path.contains("/manifests/") {
        true => Reply::error(403, "DENIED", "\\u001b[2J\\u001b]0;owned\\u0007"),
        false => reply,
    });
    let output = env.coracle(&format!("pull {}/image", registry.host())).fails_with(1);
    assert!(!output.stderr.contains('\u{1b}') && !output.stderr.contains('\u{7}'), "{:?}", output.stderr);
}

/// In a container whose filter refuses random numbers, where the libraries below coracle panic.
#[test]
fn without_random_numbers_there_are_errors() {
    let env = ready!(busybox);
    let profile = env.write(
        "norandom.json",
        r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["getrandom"],"action":"SCMP_ACT_ERRNO","errnoRet":5}]}"#,
    );
    let run = |line: &str| {
        let mut arguments = vec!["run", "--rm", "--network", "none", "-e", "HOME=/root", "-e", "XDG_RUNTIME_DIR=/root"];
        let (filter, mount) =
            (format!("seccomp={}", profile.display()), format!("{}:/coracle:ro", env.program().display()));
        let image = env.image();
        arguments.extend(["--security-opt", &filter, "-v", &mount, &image, "/coracle"]);
        arguments.extend(line.split(' '));
        env.argv(&arguments)
    };
    run("ps -a").succeeds();
    for line in ["create hello", "pull 127.0.0.1:1/x", "network create front"] {
        let output = run(line).fails();
        assert!(output.stderr.contains("random") && !output.stderr.contains("thread '"), "{line}: {output:?}");
    }
}
