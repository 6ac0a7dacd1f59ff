//! `pull` from a real registry: references, platforms, layer formats, authentication, and a real Debian system.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::support::bad_registry::{BadRegistry, Content};
use crate::support::env::is_id;
use crate::support::eventually;
use crate::support::images::{Image, Packing, Tar, digest};
use crate::support::registry::{CREDENTIALS, Registry};

#[test]
fn pull_says_what_it_got() {
    let env = ready!();
    if let Err(reason) = crate::support::images::can_make("busybox") {
        return crate::support::skip(&reason);
    }
    let name = env.image();
    let output = env.coracle("pull IMAGE").succeeds();
    assert!(output.stdout.contains("Digest: sha256:"), "{}", output.stdout);
    assert!(output.stdout.contains(&format!("Status: Downloaded newer image for {name}\n")), "{}", output.stdout);
    assert_eq!(output.lines().last(), Some(&name.as_str()));
    assert!(!output.stdout.contains('\u{1b}') && !output.stdout.contains('\r'), "not a terminal: {:?}", output.stdout);
    env.coracle("pull IMAGE").succeeds().stdout_has(&format!("Status: Image is up to date for {name}\n"));
    env.coracle("pull -q IMAGE").succeeds().stdout_is(&format!("{name}\n")).stderr_is("");
}

#[test]
fn pull_draws_on_a_terminal() {
    let env = ready!();
    if let Err(reason) = crate::support::images::can_make("busybox") {
        return crate::support::skip(&reason);
    }
    let output = env.terminal("pull IMAGE").wait().succeeds();
    assert!(output.stdout.contains("Pull complete"), "{}", output.stdout);
    assert!(output.stdout.contains("Status: Downloaded newer image"), "{}", output.stdout);
}

#[test]
fn tags_and_digests() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let image = Image::busybox().set("Cmd", json!(["echo", "by digest"]));
    let name = registry.push(&image, "app:v1");
    let repository = name.trim_end_matches(":v1");
    let digest = digest(&image.manifest_bytes());
    // The default tag is `latest`, which is not there.
    env.coracle(&format!("pull {repository}")).fails_with(1).explains().stderr_has("latest");
    env.coracle(&format!("pull -q {repository}@{digest}")).succeeds().stdout_is(&format!("{repository}@{digest}\n"));
    env.coracle(&format!("run --rm {repository}@{digest}")).succeeds().stdout_is("by digest\n");
    env.coracle(&format!("run --rm --pull never {name}")).fails_with(125);
    env.coracle(&format!("pull -q {name}@{digest}")).succeeds();
    env.coracle(&format!("pull -q {name}")).succeeds();
    env.coracle(&format!("run --rm --pull never {name}")).succeeds().stdout_is("by digest\n");
    let wrong = crate::support::images::digest(b"something else");
    env.coracle(&format!("pull {repository}@{wrong}")).fails_with(1).explains();
}

#[test]
fn an_index_is_resolved_for_the_platform() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let ours = Image::busybox().set("Cmd", json!(["echo", "ours"]));
    let other = Image::busybox().set_top("architecture", json!("arm64")).set("Cmd", json!(["echo", "other"]));
    let name = registry.push_index(&[&other, &ours], "many");
    env.coracle(&format!("run --rm {name}")).succeeds().stdout_is("ours\n");
    env.coracle(&format!("pull -q --platform linux/arm64 {name}")).succeeds();
    assert_eq!(env.inspect(&name, "{{.Architecture}}"), "arm64");
    env.coracle(&format!("pull -q --platform linux/amd64 {name}")).succeeds();
    assert_eq!(env.inspect(&name, "{{.Architecture}}"), "amd64");
    env.coracle(&format!("pull --platform linux/s390x {name}")).fails_with(1).explains().stderr_has("linux/s390x");
    env.coracle(&format!("pull --platform nonsense/x/y/z {name}")).fails().explains();
}

#[test]
fn docker_schema_2() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let layout = crate::support::images::layout("busybox");
    let name = registry.push_layout(&layout, "docker", &["--format", "v2s2"]);
    env.coracle(&format!("run --rm {name} echo schema 2")).succeeds().stdout_is("schema 2\n");
}

#[test]
fn layers_in_every_packing() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let mut image = Image::busybox();
    for (packing, file) in [(Packing::Plain, "plain"), (Packing::Gzip, "gzip"), (Packing::Zstd, "zstd")] {
        image = image.packed_layer(&Tar::new().file(file, format!("{file}\n")).finish(), packing);
    }
    // gzip of several members, and zstd of several frames, as parallel packers write them.
    let tar = Tar::new().file("members", "members\n").finish();
    let (head, tail) = tar.split_at(700);
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, bytes).expect("memory");
        encoder.finish().expect("memory")
    };
    image.add_diff_id(&digest(&tar));
    let image = image.add_blob([gzip(head), gzip(tail)].concat(), "application/vnd.oci.image.layer.v1.tar+gzip");
    let name = registry.push(&image, "packed");
    env.coracle(&format!("run --rm {name} cat plain gzip zstd members"))
        .succeeds()
        .stdout_is("plain\ngzip\nzstd\nmembers\n");
}

/// Keys in any case, nothing that may be left out, an index that tells neither platform nor type: docker, containerd and
/// podman read such documents, because Go does.
#[test]
fn documents_that_only_a_lenient_reader_understands() {
    let env = ready!(busybox);
    let image = Image::busybox().layer(Tar::new().directory("srv").directory("srv/app").file("srv/app/x", "found\n"));
    let read = |bytes: Vec<u8>| serde_json::from_slice::<Value>(&bytes).expect("JSON");
    let (manifest, config) = (read(image.manifest_bytes()), read(image.config_bytes()));
    let config = json!({
        "OS": "linux", "Architecture": config["architecture"], "created": null, "HISTORY": null, "variant": null,
        "Config": {
            "CMD": ["cat", "x"], "entrypoint": [""], "workingdir": "srv/./app", "Volumes": {"data/": null, "": {}},
            "ENV": ["PATH=/bin", null, "", "=x", "novalue"], "Labels": {"a": null}, "exposedPorts": null, "user": null,
        },
        "RootFS": {"type": null, "Diff_IDs": config["rootfs"]["diff_ids"]},
    })
    .to_string();
    let layers: Vec<Value> = manifest["layers"]
        .as_array()
        .expect("layers")
        .iter()
        .map(|layer| json!({"MediaType": null, "Digest": layer["digest"], "SIZE": layer["size"], "urls": null}))
        .collect();
    let mut content = Content { blobs: image.blobs(), ..Content::default() };
    let own = json!({"digest": content.blob(config.as_bytes()), "size": config.len(), "annotations": null});
    let manifest = json!({"Config": own, "LAYERS": layers, "subject": null}).to_string();
    let entry =
        json!({"digest": content.manifest("one", "application/json", manifest.as_bytes()), "size": manifest.len()});
    content.manifest("latest", "application/json", json!({"Manifests": [entry], "config": null}).to_string());
    let registry = BadRegistry::good(content);
    let name = format!("{}/app", registry.host());
    env.coracle(&format!("run --rm {name}")).succeeds().stdout_is("found\n");
    let script = "pwd; test -d /data && grep -c ' /data ' /proc/mounts; env | grep -c -e '^=' -e novalue";
    env.argv(&["run", "--rm", &name, "sh", "-c", script]).fails_with(1).stdout_is("/srv/app\n1\n0\n");
}

/// overlayfs takes no directory twice. The highest occurrence counts: what lies between them is below it.
#[test]
fn a_layer_may_occur_twice() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let twice = || Tar::new().directory("d").file("d/one", "twice").file("f", "twice").file(".wh.hidden", "");
    let between = Tar::new().file(".wh.f", "").file("d/one", "between").file("d/two", "between").file("hidden", "x");
    let image = Image::busybox().layer(Tar::new().file("hidden", "x").file("seen", "x"));
    let image = image.layer(twice()).layer(between).layer(twice()).layer(twice());
    let name = registry.push(&image, "twice");
    env.coracle(&format!("run --rm {name} sh -c 'cat f d/one d/two seen; ls hidden'"))
        .fails_with(1)
        .stdout_is("twicetwicebetweenx");
    assert_eq!(env.inspect(&name, "{{len .RootFS.Layers}}"), "6");
}

/// Bytes behind the end of the tar and behind the compressed stream are nobody's.
#[test]
fn what_packers_leave_behind_a_layer() {
    let env = ready!(busybox);
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, bytes).expect("memory");
        encoder.finish().expect("memory")
    };
    let mut image = Image::busybox();
    let followed = [Tar::new().file("followed", "1").finish(), Tar::new().file("lost", "x").finish()].concat();
    image.add_diff_id(&digest(&followed));
    image = image.add_blob(gzip(&followed), "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip");
    let plain = [&Tar::new().file("plain", "2").finish()[..], b"rubbish"].concat();
    image.add_diff_id(&digest(&plain));
    image = image.add_blob(plain, "application/vnd.oci.image.layer.v1.tar");
    let padded = Tar::new().file("padded", "3").finish();
    image.add_diff_id(&digest(&padded));
    image =
        image.add_blob([&gzip(&padded)[..], b"\0\0\0rubbish"].concat(), "application/vnd.oci.image.layer.v1.tar+gzip");
    let mut content = Content { blobs: image.blobs(), ..Content::default() };
    content.manifest("latest", "application/vnd.oci.image.manifest.v1+json", image.manifest_bytes());
    let registry = BadRegistry::good(content);
    env.coracle(&format!("run --rm {}/app sh -c 'cat followed plain padded; ls lost'", registry.host()))
        .fails_with(1)
        .stdout_is("123");
}

/// A layer packed from a private directory has its mode on `./`; every user of the container gets in all the same.
#[test]
fn everybody_may_enter_the_root_of_an_image() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let private = Tar::new().entry("./", tar::EntryType::Directory, 0o700, (0, 0), "", b"").file("x", "entered");
    let name = registry.push(&Image::busybox().layer(private), "private-root");
    env.coracle(&format!("run --rm -u user {name} sh -c 'cat /x && ls / >/dev/null'")).succeeds().stdout_is("entered");
    env.coracle(&format!("run --rm {name} stat -c %a /")).succeeds().stdout_is("755\n");
}

/// `openssl req -x509`, and its certificate in certs.d: the recipe of every guide to a private registry.
#[test]
fn a_registry_with_a_certificate_that_signs_itself() {
    let env = ready!(busybox);
    if let Some(reason) = crate::support::missing_tool(&["openssl"]) {
        return crate::support::skip(&reason);
    }
    let (key, certificate) = (env.file("domain.key"), env.file("domain.crt"));
    let openssl = std::process::Command::new("openssl")
        .args(["req", "-newkey", "rsa:2048", "-nodes", "-sha256", "-x509", "-days", "365", "-subj", "/CN=test"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1", "-keyout"])
        .args([key.as_os_str(), "-out".as_ref(), certificate.as_os_str()])
        .output()
        .expect("openssl");
    assert!(openssl.status.success(), "{}", String::from_utf8_lossy(&openssl.stderr));
    let registry = Registry::start_tls(&certificate, &key);
    let name = registry.push(&Image::busybox().set("Cmd", json!(["echo", "trusted"])), "app");
    env.coracle(&format!("pull --tls-verify=true {name}")).fails_with(1).explains().stderr_has("certs.d");
    let own = env.config().join("containers/certs.d").join(registry.address());
    fs::create_dir_all(&own).expect("our directory");
    fs::copy(&certificate, own.join("ca.crt")).expect("our directory");
    env.coracle(&format!("pull -q --tls-verify=true {name}")).succeeds();
    env.coracle(&format!("run --rm {name}")).succeeds().stdout_is("trusted\n");
}

#[test]
fn whiteouts_hide_what_lies_below() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let image = Image::busybox()
        .layer(
            Tar::new()
                .directory("d")
                .file("d/one", "1")
                .file("d/two", "2")
                .directory("e")
                .file("e/old", "x")
                .file("f", "f"),
        )
        .layer(Tar::new().file("d/.wh.one", "").file("e/.wh..wh..opq", "").file("e/new", "y").file(".wh.f", ""))
        .layer(Tar::new().file("d/one", "again"));
    let name = registry.push(&image, "white");
    env.coracle(&format!("run --rm {name} sh -c 'cat d/one; ls d e; ls -d f'"))
        .fails_with(1)
        .stdout_is("againd:\none\ntwo\n\ne:\nnew\n");
    env.coracle(&format!("run --rm {name} sh -c 'find / -xdev -name \".wh*\"'")).succeeds().stdout_is("");
}

#[test]
fn what_a_tar_can_say_of_a_file() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let long = "n".repeat(120);
    let path = format!("{long}/{long}/{long}");
    let layer = Tar::new()
        .entry("setuid", tar::EntryType::Regular, 0o4755, (0, 0), "", b"x")
        .entry("theirs", tar::EntryType::Regular, 0o640, (1234, 4321), "", b"x")
        .entry("sticky", tar::EntryType::Directory, 0o1777, (0, 0), "", b"")
        .entry("pipe", tar::EntryType::Fifo, 0o600, (0, 0), "", b"")
        .file("target", "linked")
        .hardlink("hard", "target")
        .symlink("soft", "target")
        .symlink("absolute", "/target")
        .pax(&[("path", &path), ("mtime", "981173106.5")])
        .file("ignored", "deep")
        .pax(&[("SCHILY.xattr.user.coracle", "attribute")])
        .file("marked", "x")
        .pax(&[("uid", "60000"), ("gid", "60001")])
        .file("owned", "x")
        .file("dir/made/on/the/way", "x");
    let name = registry.push(&Image::busybox().layer(layer), "kinds");
    let script = "stat -c '%a %u:%g %F %n' setuid theirs sticky pipe target hard owned dir/made; \
                  stat -c %h target hard; \
                  readlink soft; readlink absolute; cat hard soft absolute";
    env.argv(&["run", "--rm", &name, "sh", "-c", script]).succeeds().stdout_is(
        "4755 0:0 regular file setuid\n640 1234:4321 regular file theirs\n1777 0:0 directory sticky\n\
         600 0:0 fifo pipe\n644 0:0 regular file target\n644 0:0 regular file hard\n\
         644 60000:60001 regular file owned\n755 0:0 directory dir/made\n2\n2\ntarget\n/target\nlinkedlinkedlinked",
    );
    let script = format!("cat {path}; stat -c ' %Y' {path}");
    env.argv(&["run", "--rm", &name, "sh", "-c", &script]).succeeds().stdout_is("deep 981173106\n");
}

#[test]
fn capabilities_of_files_give_privileges() {
    let env = ready!(busybox);
    let registry = Registry::start();
    // cap_chown=ep, version 2, as `setcap` writes it.
    let capability = "\u{1}\0\0\u{2}\u{1}\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let busybox = crate::support::which("busybox").expect("ready");
    let layer = Tar::new().pax(&[("SCHILY.xattr.security.capability", capability)]).entry(
        "chown/chown",
        tar::EntryType::Regular,
        0o755,
        (0, 0),
        "",
        &fs::read(busybox).expect("readable"),
    );
    let name = registry.push(&Image::busybox().layer(layer), "capable");
    let script = |program: &str| format!("touch /tmp/x && {program} 4242 /tmp/x && stat -c %u /tmp/x");
    env.argv(&["run", "--rm", "-u", "user", &name, "sh", "-c", &script("/chown/chown")]).succeeds().stdout_is("4242\n");
    env.argv(&["run", "--rm", "-u", "user", &name, "sh", "-c", &script("/bin/chown")]).fails().stderr_has("permitted");
}

#[test]
fn a_password_is_asked_for_and_given() {
    let env = ready!(busybox);
    let registry = Registry::start_with_password();
    let name = registry.push(&Image::busybox().set("Cmd", json!(["echo", "in"])), "private");
    env.coracle(&format!("pull {name}")).fails_with(1).explains().stderr_has("login");
    env.coracle("images -q").succeeds().line();
    let login = |password: &str| {
        let pair = base64(&format!("{}:{password}", CREDENTIALS.0));
        json!({"auths": {registry.address(): {"auth": pair}}}).to_string()
    };
    // docker's file.
    let docker = env.home().join(".docker");
    fs::create_dir(&docker).expect("our home");
    fs::write(docker.join("config.json"), login("wrong")).expect("our home");
    env.coracle(&format!("pull {name}")).fails_with(1).explains();
    fs::write(docker.join("config.json"), login(CREDENTIALS.1)).expect("our home");
    env.coracle(&format!("run --rm {name}")).succeeds().stdout_is("in\n");
    env.coracle(&format!("rmi {name}")).succeeds();
    fs::remove_dir_all(&docker).expect("our home");
    // podman's file.
    let containers = env.root().join("run/containers");
    fs::create_dir(&containers).expect("our directory");
    fs::write(containers.join("auth.json"), login(CREDENTIALS.1)).expect("our directory");
    env.coracle(&format!("run --rm {name}")).succeeds().stdout_is("in\n");
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn layers_that_are_there_are_not_fetched_again() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let name = registry.push(&Image::busybox().layer(Tar::new().file("extra", "x")), "bigger");
    // Take the base layer away from the registry: only who asks for it will notice.
    let layout = crate::support::images::layout("busybox");
    let blobs = registry.storage().join("blobs/sha256");
    let largest = fs::read_dir(layout.join("blobs/sha256"))
        .expect("a layout")
        .flatten()
        .max_by_key(|entry| entry.metadata().expect("a file").len())
        .expect("a blob")
        .file_name();
    let hex = largest.to_string_lossy();
    fs::remove_dir_all(blobs.join(&hex[..2]).join(&*hex)).expect("the layer is in the registry");
    env.coracle(&format!("run --rm {name} cat /extra")).succeeds().stdout_is("x");
}

#[test]
fn a_real_debian() {
    let env = ready!(debian);
    env.coracle("run --rm DEBIAN sh -c 'dpkg-query -W dpkg && dpkg --audit'").succeeds().stdout_has("dpkg");
    env.coracle("run --rm DEBIAN bash -c 'getent passwd root; apt-config dump >/dev/null && perl -e \"print 6*7\"'")
        .succeeds()
        .stdout_is("root:x:0:0:root:/root:/bin/bash\n42");
    let name = Registry::shared("debian").name("debian");
    assert_eq!(env.argv(&["inspect", "-f", "{{len .RootFS.Layers}}", &name]).succeeds().line(), "3");
}

#[test]
fn what_the_upper_layers_of_debian_changed() {
    let env = ready!(debian);
    let script = "set -e; test ! -e /usr/share/doc; test ! -e /etc/motd; test -f /etc/alternatives; \
        test -z \"$(ls -A /var/cache/apt)\"; test ! -e /srv/data/second; \
        stat -c '%a %u:%g' /srv/data/owned /usr/local/bin/setuid-id; stat -c '%h %Y' /srv/data/first; \
        cat /srv/data/link; stat -c %s /srv/data/sparse /srv/pax/sparse; tail -c 3 /srv/data/sparse; tail -c 4 /srv/pax/sparse; \
        test -p /srv/data/fifo; test $(du -k /srv/pax/sparse | cut -f 1) -lt 1024; \
        cat /srv/n*/n*/n*; find /srv -name '.wh*'";
    env.argv(&["run", "--rm", &Registry::shared("debian").name("debian"), "sh", "-c", script])
        .succeeds()
        .stdout_is("640 1234:4321\n4755 0:0\n2 981173106\ncontent\n67108867\n8388612\nendtaildeep\n");
}

#[test]
fn a_killed_pull_leaves_nothing_and_the_next_one_works() {
    let env = ready!();
    if let Err(reason) = crate::support::images::can_make("debian") {
        return crate::support::skip(&reason);
    }
    let name = Registry::shared("debian").name("debian");
    let store = env.data().join("store");
    for attempt in 0..3 {
        let pull = env.command(&format!("pull {name}")).spawn();
        // Kill it at different depths: when it begins to write, and a little later.
        eventually("it writes", || {
            fs::read_dir(store.join("staging")).is_ok_and(|mut entries| entries.next().is_some())
        });
        std::thread::sleep(std::time::Duration::from_millis(150 * attempt));
        pull.signal(nix::sys::signal::Signal::SIGKILL);
        let _ = pull.wait();
        env.coracle("images -aq").succeeds().stdout_is("");
        env.coracle(&format!("run --rm --pull never {name} true")).fails_with(125);
    }
    env.coracle(&format!("run --rm {name} true")).succeeds();
    assert!(is_id(env.inspect(&name, "{{.Id}}").trim_start_matches("sha256:")));
    eventually("nothing half-made is left", || {
        let _ = env.coracle("images -q");
        fs::read_dir(store.join("staging")).is_ok_and(|entries| entries.count() == 0)
    });
}

#[test]
fn the_store_is_the_users_alone() {
    let env = ready!(busybox);
    let mode = fs::metadata(env.data()).expect("made by the pull").permissions().mode() & 0o777;
    assert_eq!(mode & 0o077, 0, "{mode:o}: setuid programs of images must not be reachable by others");
}
