//! `system migrate --from podman|docker`: images of other programs' stores. skopeo makes a store of podman's; docker's is
//! laid out from the same files.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::env::Env;
use crate::support::images::{Image, Tar, digest};
use crate::support::is_root;
use crate::support::registry::Registry;

fn image() -> Image {
    Image::busybox()
        .layer(
            Tar::new().file("etc/one", "one\n").directory("gone/").file("gone/below", "").symlink("link", "/etc/one"),
        )
        .layer(Tar::new().file("etc/two", "two\n").hardlink("etc/three", "etc/two").file(".wh.gone", ""))
}

/// A store of podman's, with this image of a registry under these names.
fn podmans(env: &Env, name: &str, names: &[&str]) -> PathBuf {
    let root = env.file("podman");
    for to in names {
        let to = format!("containers-storage:[vfs@{}+{}]{to}", root.display(), env.file("podman-run").display());
        let arguments = ["--insecure-policy", "copy", "--src-tls-verify=false", &format!("docker://{name}"), &to];
        env.tool("skopeo", &arguments).run().succeeds();
    }
    root
}

/// Runs something as the owner of all files of that store.
fn owner(env: &Env, script: &str) {
    match is_root() {
        true => env.tool("sh", &["-ec", script]).run(),
        false => env.argv(&["unshare", "sh", "-ec", script]),
    }
    .succeeds();
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn images_of_podman_are_taken_over() {
    let env = ready!();
    let registry = Registry::start();
    let image = image();
    let name = registry.push(&image, "app:v1");
    let store = podmans(&env, &name, &["quay.io/team/app:v1", "quay.io/team/other:v2"]);
    let migrate = format!("system migrate --from podman --path {}", store.display());
    env.coracle(&migrate)
        .succeeds()
        .stdout_has("Migrated: quay.io/team/app:v1\n")
        .stdout_has("Migrated: quay.io/team/other:v2\n");
    env.coracle("run --rm quay.io/team/other:v2 sh -c 'cat /etc/one /etc/three /link; test ! -e /gone'")
        .succeeds()
        .stdout_is("one\ntwo\none\n");
    // It is the same image as the registry's, with the manifest that it came with.
    let id = env.inspect("quay.io/team/app:v1", "{{.Id}}");
    let raw = env.coracle("image inspect --raw quay.io/team/app:v1").succeeds().stdout;
    assert_eq!(digest(raw.as_bytes()), digest(&image.manifest_bytes()));
    env.coracle(&format!("pull -q {name}")).succeeds();
    assert_eq!(env.inspect(&name, "{{.Id}}"), id);
    env.coracle("system check").succeeds().stdout_is("");
    // Once more, and only one of them; by id; and one that is not there.
    env.coracle(&format!("{migrate} app:v1")).succeeds();
    env.coracle("rmi -f quay.io/team/app:v1 quay.io/team/other:v2").succeeds();
    env.coracle(&format!("{migrate} {}", &id[7..19])).succeeds();
    env.coracle(&format!("{migrate} absent")).fails_with(1).explains().stderr_has("there is no image");
    // Without --path: the place that podman has.
    env.coracle("system migrate --from podman").fails_with(1).explains();
    fs::create_dir_all(env.config().join("containers")).expect("ours");
    let conf = format!("[storage]\ndriver = \"vfs\"\ngraphroot = \"{}\"\n", store.display());
    fs::write(env.config().join("containers/storage.conf"), conf).expect("ours");
    if !is_root() {
        env.coracle("system migrate --from podman").succeeds().stdout_has("quay.io/team/app:v1");
    }
    env.coracle("system migrate").succeeds().stdout_is("");
    env.coracle("system migrate app").fails_with(125).explains();
}

#[test]
fn images_of_docker_are_taken_over() {
    let env = ready!();
    let registry = Registry::start();
    let image = image();
    let name = registry.push(&image, "app:v1");
    let podman = podmans(&env, &name, &["quay.io/team/app:v1"]);
    let docker = env.mkdir("docker");
    let config = image.config_bytes();
    let id = digest(&config);
    let base = docker.join("image/vfs");
    fs::create_dir_all(base.join("imagedb/content/sha256")).expect("ours");
    fs::write(base.join("imagedb/content/sha256").join(&id[7..]), &config).expect("ours");
    let names = format!(r#"{{"Repositories":{{"app":{{"app:v1":"{id}","app@{id}":"{id}"}}}}}}"#);
    fs::write(base.join("repositories.json"), names).expect("ours");
    let layers: Value = serde_json::from_slice(&read(&podman.join("vfs-layers/layers.json"))).expect("JSON");
    let parsed: Value = serde_json::from_slice(&config).expect("JSON");
    let mut chain = String::new();
    let mut below = Value::Null;
    for (at, diff_id) in parsed["rootfs"]["diff_ids"].as_array().expect("layers").iter().enumerate() {
        let diff_id = diff_id.as_str().expect("a digest");
        chain = if at == 0 { diff_id.to_owned() } else { digest(format!("{chain} {diff_id}").as_bytes()) };
        let layer = layers.as_array().expect("a list").iter().find(|layer| layer["parent"] == below).expect("a layer");
        below = layer["id"].clone();
        let cache = format!("cache{at}");
        let directory = base.join("layerdb/sha256").join(&chain[7..]);
        fs::create_dir_all(&directory).expect("ours");
        fs::write(directory.join("cache-id"), &cache).expect("ours");
        let layer = below.as_str().expect("an id");
        fs::copy(podman.join(format!("vfs-layers/{layer}.tar-split.gz")), directory.join("tar-split.json.gz"))
            .expect("ours");
        fs::create_dir_all(docker.join("vfs/dir")).expect("ours");
        owner(&env, &format!("cp -a {}/vfs/dir/{layer} {}/vfs/dir/{cache}", podman.display(), docker.display()));
        if at == 0 {
            below =
                layers.as_array().expect("a list").iter().find(|layer| layer["id"] == below).expect("it")["id"].clone();
        }
    }
    let migrate = format!("system migrate -q --from docker --path {}", docker.display());
    env.coracle(&migrate).succeeds().stdout_is("Migrated: app:v1\n");
    assert_eq!(env.inspect("app:v1", "{{.Id}}"), id);
    env.coracle("run --rm app:v1 sh -c 'cat /etc/one /etc/three'").succeeds().stdout_is("one\ntwo\n");
    env.coracle("system check").succeeds().stdout_is("");
    let empty = env.mkdir("empty");
    let none = env.coracle(&format!("system migrate --from docker --path {}", empty.display()));
    none.fails_with(1).explains().stderr_has("docker save IMAGE | coracle load");
}

/// What containers or other programs have changed in a store does not become an image; the others do.
#[test]
fn a_damaged_image_is_left_out() {
    let env = ready!();
    let registry = Registry::start();
    let good = registry.push(&Image::busybox(), "good:v1");
    let other = Image::busybox().layer(Tar::new().file("etc/one", "one\n"));
    let bad = registry.push(&other, "bad:v1");
    let store = podmans(&env, &good, &["quay.io/good:v1"]);
    podmans(&env, &bad, &["quay.io/bad:v1"]);
    let migrate = format!("system migrate --from podman --path {}", store.display());
    let file = format!("$(ls -d {}/vfs/dir/*/etc/one)", store.display());
    for (damage, words) in [
        (format!("echo two >{file}"), "but the image demands"),
        (format!("echo >{file}"), "instead of"),
        (format!("ln -sf /etc/passwd {file}"), "but the image demands"),
        (format!("ln -sf /../../../../etc/hostname {file}"), "cannot open `etc/one`"),
        (format!("f={file}; rm $f; mkfifo $f"), "etc/one"),
        (format!("f={file}; rm $f"), "etc/one"),
    ] {
        owner(&env, &damage);
        let output = env.coracle(&migrate).fails_with(1);
        output
            .stdout_has("Migrated: quay.io/good:v1\n")
            .stdout_lacks("bad")
            .stderr_has("cannot take over")
            .stderr_has("coracle pull")
            .stderr_has(words);
        assert_eq!(env.coracle("images -q").succeeds().lines().len(), 1);
    }
    env.coracle("system check").succeeds();
}
