//! `save`, `load` and `import`: round trips, archives of other tools, and archives that nobody should trust.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::env::Env;
use crate::support::images::{Image, Packing, Tar, digest};
use crate::support::registry::Registry;

/// An image with three layers of its own.
fn image() -> Image {
    let tar = |name: &str| Tar::new().directory("srv").file(name, format!("{name}\n")).finish();
    Image::busybox()
        .packed_layer(&tar("srv/gzip"), Packing::Gzip)
        .packed_layer(&tar("srv/zstd"), Packing::Zstd)
        .packed_layer(&tar("srv/plain"), Packing::Plain)
        .set("Cmd", json!(["cat", "/srv/gzip", "/srv/zstd", "/srv/plain"]))
}

const PRINTS: &str = "srv/gzip\nsrv/zstd\nsrv/plain\n";

/// Its layout in a directory of the test's own.
fn layout(env: &Env) -> String {
    let layout = env.file("layout");
    image().write(&layout);
    layout.display().to_string()
}

/// A user who has only busybox.
fn other() -> Env {
    Env::with(&["busybox"]).expect("ready before")
}

fn path(env: &Env, name: &str) -> String {
    env.file(name).display().to_string()
}

#[track_caller]
fn skopeo(arguments: &[&str]) {
    let output = Command::new("skopeo").args(["--insecure-policy"]).args(arguments).output().expect("skopeo");
    assert!(output.status.success(), "skopeo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn id(env: &Env, name: &str) -> String {
    env.argv(&["images", "-q", "--no-trunc", name]).succeeds().line().to_owned()
}

/// Loads the test's image under a name of its own and returns its id.
fn with_image(env: &Env) -> String {
    let layout = layout(env);
    env.argv(&["load", "-q", "-i", &layout]).succeeds().stdout_is("Loaded image: localhost/latest:latest\n");
    env.coracle("tag localhost/latest app:v1").succeeds();
    env.coracle("rmi localhost/latest").succeeds();
    id(env, "app:v1")
}

/// What a tar file has, by name.
fn entries(archive: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut archive = tar::Archive::new(fs::File::open(archive).expect("an archive"));
    for entry in archive.entries().expect("a tar file") {
        let mut entry = entry.expect("an entry");
        let name = entry.path().expect("a path").display().to_string();
        let mut bytes = Vec::new();
        std::io::copy(&mut entry, &mut bytes).expect("contents");
        found.push((name, bytes));
    }
    found
}

/// A tar file of these.
fn pack(files: &[(&str, &[u8])]) -> Vec<u8> {
    files.iter().fold(Tar::new(), |tar, (name, bytes)| tar.file(name, bytes)).finish()
}

#[test]
fn every_format_comes_back_with_the_same_id_and_runs() {
    let env = ready!(busybox);
    let image = with_image(&env);
    env.coracle("run --rm app:v1").succeeds().stdout_is(PRINTS);
    for format in ["docker-archive", "oci-archive", "oci-dir", "docker-dir"] {
        let to = path(&env, format);
        env.argv(&["save", "--format", format, "-o", &to, "app:v1"]).succeeds().stdout_is("");
        let other = other();
        let output = other.argv(&["load", "-i", &to]).succeeds();
        let name = match format {
            "docker-dir" => {
                output.stdout_is(&format!("Loaded image ID: {image}\n"));
                image.as_str()
            }
            _ => {
                output.stdout_is("Loaded image: app:v1\n");
                "app:v1"
            }
        };
        other.argv(&["run", "--rm", name]).succeeds().stdout_is(PRINTS);
        assert!(other.coracle("images -q --no-trunc").succeeds().lines().contains(&image.as_str()), "{format}");
    }
    // The same bytes each time, and nothing beside them.
    let again = path(&env, "again");
    env.argv(&["save", "-o", &again, "app:v1"]).succeeds();
    assert!(fs::read(&again).unwrap() == fs::read(env.file("docker-archive")).unwrap());
    let hidden = fs::read_dir(env.root().join("files")).unwrap().flatten();
    assert_eq!(hidden.filter(|entry| entry.file_name().to_string_lossy().starts_with('.')).count(), 0);
}

#[test]
fn archives_go_through_pipes_and_compressors() {
    let env = ready!(busybox);
    let image = with_image(&env);
    let program = env.program().display().to_string();
    for (pack, unpack) in
        [("cat", "cat"), ("gzip", "cat"), ("bzip2", "cat"), ("xz", "cat"), ("cat", "cat >FILE; cat FILE")]
    {
        let other = other();
        let file = path(&env, pack);
        let line = format!("{program} save app:v1 | {pack} > {file}");
        env.tool("sh", &["-ec", &line]).run().succeeds();
        let theirs = other.program().display().to_string();
        let line = format!(
            "{} | {theirs} load",
            unpack.replace("FILE", &path(&env, "x")).replacen("cat", &format!("cat {file}"), 1)
        );
        other.tool("sh", &["-ec", &line]).run().succeeds().stdout_is("Loaded image: app:v1\n");
        assert_eq!(id(&other, "app:v1"), image, "{pack}");
    }
    // Where nobody reads, that is told.
    env.tool("sh", &["-c", &format!("{program} save app:v1 | true; exit 0")]).run().succeeds();
    let terminal = env.terminal("save app:v1");
    let output = terminal.wait();
    assert_ne!(output.code(), 0);
}

#[test]
fn several_images_share_layers_and_keep_their_names() {
    let env = ready!(busybox);
    let app = with_image(&env);
    env.coracle("tag app:v1 app:v2").succeeds();
    env.argv(&["tag", &env.image(), "base"]).succeeds();
    let archive = path(&env, "both.tar");
    env.argv(&["save", "-o", &archive, "app", "base", &app]).succeeds();
    let files = entries(Path::new(&archive));
    let mut names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    names.sort();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count, "nothing is there twice: {names:?}");
    // The base's layer and three more, two configurations, two manifests.
    assert_eq!(
        names.iter().filter(|name| name.starts_with("blobs/sha256/") && name.len() > 13).count(),
        8,
        "{names:?}"
    );
    let (_, manifest) = files.iter().find(|(name, _)| name == "manifest.json").expect("docker's manifest");
    let manifest: Value = serde_json::from_slice(manifest).unwrap();
    assert_eq!(manifest[0]["RepoTags"], json!(["app:v1", "app:v2"]));
    assert_eq!(manifest[1]["RepoTags"], json!(["base:latest"]));
    let other = other();
    other
        .argv(&["load", "-i", &archive])
        .succeeds()
        .stdout_is("Loaded image: app:v1\nLoaded image: app:v2\nLoaded image: base:latest\n");
    // By id there is no name in it; the same name moves.
    let nameless = path(&env, "nameless.tar");
    env.argv(&["save", "-o", &nameless, &app]).succeeds();
    other.argv(&["load", "-i", &nameless]).succeeds().stdout_is(&format!("Loaded image ID: {app}\n"));
    other.argv(&["tag", &other.image(), "app:v1"]).succeeds();
    let v1 = path(&env, "v1.tar");
    env.argv(&["save", "-o", &v1, "app:v1"]).succeeds();
    other
        .argv(&["load", "-i", &v1])
        .succeeds()
        .stdout_has("The image app:v1 already exists, renaming the old one with ID sha256:")
        .stdout_has("Loaded image: app:v1");
    assert_eq!(id(&other, "app:v1"), app);
}

#[test]
fn archives_of_other_tools_are_loaded() {
    let env = ready!(busybox);
    // skopeo's docker formats have no zstd.
    let tar = |name: &str| Tar::new().directory("srv").file(name, format!("{name}\n")).finish();
    let image = Image::busybox()
        .packed_layer(&tar("srv/gzip"), Packing::Gzip)
        .packed_layer(&tar("srv/plain"), Packing::Plain)
        .set("Cmd", json!(["cat", "/srv/gzip", "/srv/plain"]));
    image.write(&env.file("layout"));
    let from = format!("oci:{}:latest", path(&env, "layout"));
    let image = digest(&image.config_bytes());
    for (to, name) in [
        (format!("docker-archive:{}:app:v1", path(&env, "skopeo-docker")), "app:v1"),
        (format!("oci-archive:{}:docker.io/library/app:v1", path(&env, "skopeo-oci")), "app:v1"),
        (format!("dir:{}", path(&env, "skopeo-dir")), ""),
    ] {
        skopeo(&["copy", "-q", &from, &to]);
        let file = to.split(':').nth(1).unwrap().to_owned();
        let other = other();
        let expected = match name {
            "" => format!("Loaded image ID: {image}\n"),
            name => format!("Loaded image: {name}\n"),
        };
        other.argv(&["load", "-i", &file]).succeeds().stdout_is(&expected);
        other.argv(&["run", "--rm", &image]).succeeds().stdout_is("srv/gzip\nsrv/plain\n");
    }
    // A layout with two tags, as umoci keeps it.
    let (busybox, two) = (crate::support::images::layout("busybox"), env.file("umoci"));
    env.tool("cp", &["-r", &busybox.display().to_string(), &two.display().to_string()]).run().succeeds();
    let tags = env.tool("umoci", &["ls", "--layout", &two.display().to_string()]).run().succeeds();
    let tag = tags.line().to_owned();
    env.tool("umoci", &["tag", "--image", &format!("{}:{tag}", two.display()), "v7"]).run().succeeds();
    let other = other();
    other
        .argv(&["load", "-i", &two.display().to_string()])
        .succeeds()
        .stdout_is(&format!("Loaded image: localhost/{tag}:latest\nLoaded image: localhost/v7:latest\n"));
    other.coracle("run --rm localhost/v7 echo hello").succeeds().stdout_is("hello\n");
}

#[test]
fn archives_are_read_by_other_tools() {
    let env = ready!(busybox);
    let image = with_image(&env);
    for (format, transport) in [
        ("docker-archive", "docker-archive"),
        ("oci-archive", "oci-archive"),
        ("oci-dir", "oci"),
        ("docker-dir", "dir"),
    ] {
        let to = path(&env, format);
        env.argv(&["save", "--format", format, "-o", &to, "app:v1"]).succeeds();
        let copy = format!("dir:{}", path(&env, &format!("{format}-copy")));
        // skopeo compares every digest.
        skopeo(&["copy", "-q", &format!("{transport}:{to}"), &copy]);
        let manifest = fs::read(Path::new(&path(&env, &format!("{format}-copy"))).join("manifest.json")).unwrap();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        assert_eq!(manifest["config"]["digest"], image, "{format}");
        assert_eq!(manifest["layers"].as_array().unwrap().len(), 4, "{format}");
    }
    for (options, ending) in [
        (&["--format", "oci-dir"][..], "tar+gzip"),
        (&["--format", "oci-dir", "--uncompressed"], "tar"),
        (&["--format", "docker-dir"], "tar"),
        (&["--format", "docker-dir", "--compress"], "tar.gzip"),
    ] {
        let to = path(&env, &format!("packed{}", options.join("")));
        env.argv(&[&["save", "-o", &to], options, &["app:v1"]].concat()).succeeds();
        let source = if options[1] == "oci-dir" { format!("oci:{to}") } else { format!("dir:{to}") };
        let raw = Command::new("skopeo").args(["inspect", "--raw", &source]).output().unwrap();
        let manifest: Value = serde_json::from_slice(&raw.stdout).unwrap();
        let kind = manifest["layers"][0]["mediaType"].as_str().unwrap();
        assert!(kind.ends_with(ending), "{options:?}: {kind}");
    }
}

#[test]
fn old_archives_with_links_and_any_names_are_loaded() {
    let env = ready!(busybox);
    let layer = Tar::new().file("hello", "world\n").finish();
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/none"]},
        "rootfs": {"type": "layers", "diff_ids": [digest(&layer), digest(&layer)]}
    })
    .to_string();
    let manifest = json!([{
        "Config": "./c.json", "RepoTags": ["old:1", "localhost:5000/old:2"], "Layers": ["one/layer.tar", "two/layer.tar"]
    }])
    .to_string();
    let archive = Tar::new()
        .file("manifest.json", &manifest)
        .symlink("two/layer.tar", "../one/layer.tar")
        .file("one/layer.tar", &layer)
        .file("one/VERSION", "1.0")
        .file("c.json", &config)
        .finish();
    let file = env.write("old.tar", &archive);
    env.argv(&["load", "-i", file.to_str().unwrap()])
        .succeeds()
        .stdout_is("Loaded image: old:1\nLoaded image: localhost:5000/old:2\n");
    assert_eq!(id(&env, "old:1"), digest(config.as_bytes()));
    let again = path(&env, "again.tar");
    env.argv(&["save", "-o", &again, "old:1"]).succeeds();
    assert!(entries(Path::new(&again)).iter().any(|(_, bytes)| *bytes == layer));
}

#[test]
fn the_platform_is_chosen_where_there_are_several() {
    let env = ready!(busybox);
    let host = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
    let make = |architecture: &str| Image::busybox().set_top("architecture", json!(architecture));
    let (here, there) = (make(host), make("s390x"));
    let layout = env.file("index");
    crate::support::images::write_index(&layout, &[&there, &here]);
    let layout = layout.display().to_string();
    let loads = |options: &[&str]| {
        let other = other();
        let output = other.argv(&[&["load", "-i", &layout], options].concat());
        (output, other)
    };
    let (output, other) = loads(&[]);
    output.succeeds();
    assert_eq!(id(&other, "localhost/latest"), digest(&here.config_bytes()));
    let (output, other) = loads(&["--platform", "linux/s390x"]);
    output.succeeds();
    assert_eq!(id(&other, "localhost/latest"), digest(&there.config_bytes()));
    other.argv(&["save", "--platform", "linux/mips", "-o", &path(&other, "x"), "localhost/latest"]).fails().explains();
    loads(&["--platform", "linux/mips64"]).0.fails().stderr_has("s390x");
}

#[test]
fn hostile_archives_are_refused_and_leave_nothing() {
    let env = ready!(busybox);
    let layer = Tar::new().file("x", "x").finish();
    let config = |diff_ids: &[String]| {
        json!({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}})
            .to_string()
    };
    let good = config(&[digest(&layer)]);
    let manifest = |config: &str, names: Value, layers: Value| {
        json!([{"Config": config, "RepoTags": names, "Layers": layers}]).to_string()
    };
    let usual = manifest("c", json!(["evil:1"]), json!(["l"]));
    let two = json!([
        {"Config": "c", "RepoTags": ["evil:1"], "Layers": ["l"]},
        {"Config": "absent", "RepoTags": ["evil:2"], "Layers": ["l"]}
    ])
    .to_string();
    let outside = Tar::new().file("../../../escaped", "x").finish();
    let mut cut = pack(&[("manifest.json", usual.as_bytes()), ("c", good.as_bytes()), ("l", &layer)]);
    cut.truncate(cut.len() - 2048);
    let link = Tar::new().file("manifest.json", &usual).file("c", &good).symlink("l", "/etc/passwd").finish();
    let zeros = vec![0u8; 5 << 20];
    for (what, archive, word) in [
        ("empty", Vec::new(), "empty"),
        ("no archive", b"hello, this is no archive".repeat(100), ""),
        ("no manifest", pack(&[("x", b"x")]), "neither `manifest.json` nor"),
        ("a manifest that is none", pack(&[("manifest.json", b"[{]")]), "manifest.json"),
        ("a large manifest", pack(&[("manifest.json", &zeros)]), "larger than"),
        ("a missing layer", pack(&[("manifest.json", usual.as_bytes()), ("c", good.as_bytes())]), "has no file `l`"),
        (
            "names outside",
            pack(&[("manifest.json", manifest("../../etc/passwd", json!([]), json!(["l"])).as_bytes())]),
            "has no file",
        ),
        ("a link outside", link, "has no file `l`"),
        (
            "a wrong diff id",
            pack(&[("manifest.json", usual.as_bytes()), ("c", config(&[digest(b"y")]).as_bytes()), ("l", &layer)]),
            "but the image demands",
        ),
        (
            "too few layers",
            pack(&[("manifest.json", usual.as_bytes()), ("c", config(&[]).as_bytes()), ("l", &layer)]),
            "1 layers",
        ),
        ("cut off", cut, ""),
        (
            "a bad name",
            pack(&[
                ("manifest.json", manifest("c", json!(["../../x:1"]), json!(["l"])).as_bytes()),
                ("c", good.as_bytes()),
                ("l", &layer),
            ]),
            "names an image",
        ),
        (
            "one good image and a bad one",
            pack(&[("manifest.json", two.as_bytes()), ("c", good.as_bytes()), ("l", &layer)]),
            "has no file `absent`",
        ),
        (
            "a layer that climbs out",
            pack(&[
                ("manifest.json", usual.as_bytes()),
                ("c", config(&[digest(&outside)]).as_bytes()),
                ("l", &outside),
            ]),
            "",
        ),
    ] {
        let file = env.write("evil.tar", &archive);
        let output = env.argv(&["load", "-i", file.to_str().unwrap()]);
        if what == "a layer that climbs out" {
            // Such names lead to the layer's own root, as in docker.
            assert!(!env.root().join("escaped").exists() && !env.data().join("escaped").exists());
        } else {
            output.fails().explains().stderr_has(word);
            env.argv(&["image", "exists", "evil:1"]).exits_with(1);
            assert_eq!(env.coracle("images -q").succeeds().lines().len(), 1, "{what}");
        }
    }
    assert_eq!(fs::read_dir(env.data().join("store/staging")).unwrap().count(), 0);
}

#[test]
fn layouts_with_wrong_digests_and_sizes_are_refused() {
    let env = ready!(busybox);
    let break_blob = |which: usize, change: &dyn Fn(&mut Vec<u8>)| {
        let layout = env.file("broken");
        let _ = fs::remove_dir_all(&layout);
        let image = image();
        image.write(&layout);
        let manifest: Value = serde_json::from_slice(&image.manifest_bytes()).unwrap();
        let config = manifest["config"]["digest"].as_str().unwrap().to_owned();
        let layer = manifest["layers"][1]["digest"].as_str().unwrap().to_owned();
        let name = [digest(&image.manifest_bytes()), config, layer][which].replace(':', "/");
        let path = layout.join("blobs").join(name);
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(&path, bytes).unwrap();
        layout.display().to_string()
    };
    for which in 0..3 {
        let flipped = break_blob(which, &|bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        });
        env.argv(&["load", "-i", &flipped]).fails().explains();
        let longer = break_blob(which, &|bytes| bytes.extend(b"more"));
        env.argv(&["load", "-i", &longer]).fails().explains();
    }
    // A link out of the directory leads nowhere.
    let layout = break_blob(2, &|_| {});
    let manifest: Value = serde_json::from_slice(&image().manifest_bytes()).unwrap();
    let blob = manifest["layers"][1]["digest"].as_str().unwrap().replace(':', "/");
    let blob = Path::new(&layout).join("blobs").join(blob);
    let hidden = env.write("hidden", fs::read(&blob).unwrap());
    fs::remove_file(&blob).unwrap();
    std::os::unix::fs::symlink(hidden, &blob).unwrap();
    env.argv(&["load", "-i", &layout]).fails().stderr_has("has no file");
    assert_eq!(env.coracle("images -q").succeeds().lines().len(), 1);
}

#[test]
fn what_is_broken_off_leaves_nothing() {
    let env = ready!(busybox);
    with_image(&env);
    let mut load = env.command_argv(&["load"]).open_stdin().spawn();
    load.send("half of an archive");
    load.signal(nix::sys::signal::Signal::SIGKILL);
    let _ = load.wait();
    let out = env.file("never.tar");
    let full = format!("ulimit -f 1; {} save -o {} app:v1", env.program().display(), out.display());
    env.tool("sh", &["-c", &full]).run().fails();
    assert!(!out.exists());
    env.coracle("save -o /dev/full app:v1").fails().explains();
    env.coracle("save -o /dev/null app:v1").succeeds();
    env.argv(&["save", "--format", "oci-dir", "-o", env.root().to_str().unwrap(), "app:v1"])
        .fails()
        .stderr_has("not empty");
    env.coracle("save -o x absent").fails().stderr_has("no such image: `absent`");
    assert!(!env.root().join("x").exists());
}

#[test]
fn import_makes_an_image_of_files() {
    let env = ready!(busybox);
    let program = env.program().display().to_string();
    let image = env.image();
    let tree = Tar::new().directory("srv").file("srv/hello", "hello\n").finish();
    let file = env.write("tree.tar", &tree);
    let id = env
        .argv(&[
            "import",
            "-m",
            "made here",
            "-c",
            "ENV A=1",
            "-c",
            r#"CMD ["/bin/top"]"#,
            "-c",
            "WORKDIR /srv",
            "--platform",
            "linux/s390x",
            file.to_str().unwrap(),
            "made:v1",
        ])
        .succeeds()
        .line()
        .to_owned();
    assert_eq!(
        env.inspect(
            "made:v1",
            "{{.Id}} {{.Os}}/{{.Architecture}} {{.Config.Env}} {{.Config.Cmd}} {{.Config.WorkingDir}}"
        ),
        format!("{id} linux/s390x [A=1] [/bin/top] /srv")
    );
    env.argv(&["history", "--format", "{{.Comment}}", "made:v1"]).succeeds().stdout_is("made here\n");
    // A whole root, compressed, through a pipe.
    let line = format!("{program} save {image} | tar -xO --wildcards 'blobs/*' > /dev/null");
    env.tool("sh", &["-ec", &line]).run().succeeds();
    let archive = path(&env, "busybox.tar");
    env.argv(&["save", "-o", &archive, &image]).succeeds();
    let layer = entries(Path::new(&archive)).into_iter().map(|(_, bytes)| bytes).max_by_key(Vec::len).unwrap();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&layer).unwrap();
    env.command_argv(&["import", "-", "whole"]).stdin(packed.finish().unwrap()).run().succeeds();
    env.coracle("run --rm whole echo hello").succeeds().stdout_is("hello\n");
    env.coracle("history --format {{.Comment}} whole").succeeds().stdout_is("Imported from -\n");
    for wrong in [
        &["import", "-c", "RUN make", file.to_str().unwrap()][..],
        &["import", file.to_str().unwrap(), "UPPER"],
        &["import", "absent.tar"],
        &["import", "https://example.com/x.tar"],
    ] {
        env.argv(wrong).fails().explains();
    }
    env.command_argv(&["import", "-", "never"]).stdin("no archive at all".repeat(100)).run().fails().explains();
    env.command_argv(&["import", "-", "never"]).stdin("").run().fails().stderr_has("empty");
    env.coracle("image exists never").exits_with(1);
}

#[test]
fn a_loaded_image_keeps_the_digest_that_a_registry_knows() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let name = registry.push(&image(), "app:v1");
    env.coracle(&format!("pull -q {name}")).succeeds();
    let digests = env.inspect(&name, "{{.RepoDigests}}");
    let archive = path(&env, "app.tar");
    env.argv(&["save", "-o", &archive, &name]).succeeds();
    env.argv(&["load", "-i", &archive]).succeeds();
    assert_eq!(env.inspect(&name, "{{.RepoDigests}}"), digests);
    env.argv(&["push", "-q", "--tls-verify=false", &name]).succeeds();
}

#[test]
fn a_layer_that_cannot_be_rebuilt_is_fetched_again() {
    let env = ready!(busybox);
    let mut registry = Registry::start();
    // The first of two files of a name is lost when they are unpacked.
    let layer = Tar::new().file("twice", "first\n").file("twice", "second\n").finish();
    let image = Image::busybox().packed_layer(&layer, Packing::Gzip).set("Cmd", json!(["cat", "/twice"]));
    let name = registry.push(&image, "twice:v1");
    env.coracle(&format!("pull -q {name}")).succeeds();
    for format in ["docker-archive", "oci-archive"] {
        let to = path(&env, format);
        env.argv(&["save", "--format", format, "-o", &to, &name]).succeeds();
        let other = other();
        other.argv(&["load", "-i", &to]).succeeds().stdout_is(&format!("Loaded image: {name}\n"));
        other.coracle(&format!("run --rm {name}")).succeeds().stdout_is("second\n");
        // Nobody knows where it came from there.
        other.argv(&["save", "-o", "x", &name]).fails().explains().stderr_has("no registry");
    }
    registry.stop();
    let absent = env.file("absent");
    env.argv(&["save", "-o", absent.to_str().unwrap(), &name]).fails().explains().stderr_has("fetched again");
    assert!(!absent.exists());
}

#[test]
fn podman_reads_and_writes_the_same_archives() {
    let env = ready!(busybox);
    let image = with_image(&env);
    // podman bounds the length of these.
    let [root, run] = ["ps", "pr"].map(|name| env.root().join(name).display().to_string());
    let podman = |arguments: &[&str]| {
        let place = ["--root", &root, "--runroot", &run, "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"];
        env.tool("podman", &[&place, arguments].concat()).run()
    };
    if crate::support::missing_tool(&["podman"]).is_some() {
        return crate::support::skip("`podman` is not installed");
    }
    fs::create_dir_all(env.config().join("containers")).unwrap();
    fs::write(env.config().join("containers/policy.json"), r#"{"default": [{"type": "insecureAcceptAnything"}]}"#)
        .unwrap();
    for format in ["docker-archive", "oci-archive"] {
        let ours = path(&env, format);
        env.argv(&["save", "--format", format, "-o", &ours, "app:v1"]).succeeds();
        podman(&["load", "-q", "-i", &ours]).succeeds().stdout_has("app:v1");
        assert_eq!(podman(&["images", "-q", "--no-trunc"]).succeeds().line(), image, "{format}");
        let theirs = path(&env, &format!("podman-{format}"));
        podman(&["save", "-q", "--format", format, "-o", &theirs, "app:v1"]).succeeds();
        podman(&["rmi", "-f", "app:v1"]).succeeds();
        let other = other();
        other.argv(&["load", "-i", &theirs]).succeeds().stdout_is("Loaded image: app:v1\n");
        assert_eq!(id(&other, "app:v1"), image);
        other.coracle("run --rm app:v1").succeeds().stdout_is(PRINTS);
    }
    podman(&["unshare", "rm", "-rf", &root]).succeeds();
}
