//! `images`, `rmi`, and what is left on disk.

use std::fs;

use serde_json::json;

use crate::support::env::{Env, is_id};
use crate::support::eventually;
use crate::support::images::{Image, Tar};
use crate::support::registry::Registry;

/// The layers in the store.
fn layers(env: &Env) -> usize {
    fn trees(directory: &std::path::Path, depth: u32) -> usize {
        let Ok(entries) = fs::read_dir(directory) else { return 0 };
        entries
            .flatten()
            .map(|entry| match entry.file_name().to_string_lossy().as_ref() {
                "sha256" if depth == 0 => trees(&entry.path(), 1),
                _ => 1,
            })
            .sum()
    }
    trees(&env.data().join("store/layers"), 0)
}

#[test]
fn images_lists_what_was_pulled() {
    let env = ready!();
    env.coracle("images").succeeds().stdout_is("REPOSITORY   TAG       IMAGE ID   CREATED   SIZE\n");
    let env = ready!(busybox);
    let output = env.coracle("images").succeeds();
    let lines = output.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    let fields: Vec<&str> = lines[1].split("  ").map(str::trim).filter(|field| !field.is_empty()).collect();
    assert_eq!(format!("{}:{}", fields[0], fields[1]), env.image());
    assert_eq!(fields[2].len(), 12, "{fields:?}");
    assert!(fields[4].ends_with("MB"), "{fields:?}");
}

#[test]
fn images_formats_and_filters() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let name = registry.push(&Image::busybox().set("Labels", json!({"tier": "web"})), "other:v2");
    env.coracle(&format!("pull -q {name}")).succeeds();
    let short = env.coracle("images -q IMAGE").succeeds().line().to_owned();
    assert_eq!(short.len(), 12);
    let long = env.coracle("images -q --no-trunc IMAGE").succeeds().line().to_owned();
    assert!(long.strip_prefix("sha256:").is_some_and(is_id) && long[7..].starts_with(&short), "{long}");
    let list = |arguments: &[&str]| {
        let mut all = vec!["images", "--format", "{{.Repository}}:{{.Tag}}"];
        all.extend(arguments);
        let output = env.argv(&all).succeeds();
        let mut lines: Vec<String> = output.lines().into_iter().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let mut both = vec![env.image(), name.clone()];
    both.sort();
    assert_eq!(list(&[]), both);
    assert_eq!(list(&["--filter", "label=tier=web"]), [name.as_str()]);
    assert_eq!(list(&["--filter", "reference=*/other"]), [name.as_str()]);
    assert_eq!(list(&["--filter", "reference=*/other:v*"]), [name.as_str()]);
    assert_eq!(list(&["--filter", "dangling=true"]), [""; 0]);
    assert_eq!(list(&[name.rsplit_once(':').expect("a tag").0]), [name.as_str()]);
    let value = env.argv(&["images", "--format", "json", &name]).succeeds().json();
    assert_eq!(value["Tag"], "v2");
    assert_eq!(value["Repository"], name.rsplit_once(':').expect("a tag").0);
    assert!(value["ID"].is_string() && value["Size"].is_string() && value["CreatedSince"].is_string(), "{value}");
    env.coracle("images --digests IMAGE").succeeds().stdout_has("DIGEST").stdout_has("sha256:");
    env.argv(&["images", "--filter", "nonsense=1"]).fails().explains().stderr_has("nonsense");
}

#[test]
fn rmi_removes_the_image_and_its_layers() {
    let env = ready!(busybox);
    assert_eq!(layers(&env), 1);
    let id = env.coracle("images -q --no-trunc").succeeds().line().to_owned();
    let image = env.image();
    env.coracle("rmi IMAGE")
        .succeeds()
        .stdout_has(&format!("Untagged: {image}\n"))
        .stdout_has(&format!("Deleted: {id}\n"));
    env.coracle("images -q").succeeds().stdout_is("");
    assert_eq!(layers(&env), 0, "the layer stays on disk");
    env.coracle("rmi IMAGE").fails_with(1).explains().stderr_has("no such image");
    // And it can come back.
    env.coracle("run --rm IMAGE echo back").succeeds().stdout_is("back\n");
}

#[test]
fn rmi_by_id_and_in_use() {
    let env = ready!(busybox);
    let id = env.coracle("images -q").succeeds().line().to_owned();
    env.coracle("run --name user IMAGE true").succeeds();
    env.coracle(&format!("rmi {id}")).fails_with(1).explains().stderr_has("user");
    env.coracle("images -q").succeeds().line();
    env.coracle("start -a user").succeeds();
    env.coracle("rm user").succeeds();
    env.coracle(&format!("rmi {}", &id[..5])).succeeds();
    env.coracle("images -q").succeeds().stdout_is("");
}

#[test]
fn forced_removal_never_breaks_a_running_container() {
    let env = ready!(busybox);
    env.run_detached("--name user IMAGE sleep 1000");
    env.coracle("rmi IMAGE").fails_with(1).explains();
    let _ = env.coracle("rmi -f IMAGE");
    env.coracle("exec user ls /bin/sh").succeeds();
    env.coracle("restart -t 0 user").succeeds();
    env.coracle("exec user ls /bin/sh").succeeds();
}

#[test]
fn one_image_with_two_names() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let image = Image::busybox().set("Labels", json!({"a": "b"}));
    let (first, second) = (registry.push(&image, "app:one"), registry.push(&image, "app:two"));
    env.coracle(&format!("pull -q {first}")).succeeds();
    env.coracle(&format!("pull -q {second}")).succeeds();
    let id = env.inspect(&first, "{{.Id}}");
    assert_eq!(env.inspect(&second, "{{.Id}}"), id);
    env.coracle(&format!("rmi {}", &id[7..19])).fails_with(1).explains();
    env.coracle(&format!("rmi {first}")).succeeds().stdout_is(&format!("Untagged: {first}\n"));
    env.coracle(&format!("run --rm {second} true")).succeeds();
    env.coracle(&format!("rmi {second}")).succeeds().stdout_has(&format!("Deleted: {id}"));
}

#[test]
fn images_share_layers() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let name = registry.push(&Image::busybox().layer(Tar::new().file("extra", "x")), "bigger");
    env.coracle(&format!("pull -q {name}")).succeeds();
    assert_eq!(layers(&env), 2, "the base layer is stored once");
    env.coracle("rmi IMAGE").succeeds();
    assert_eq!(layers(&env), 2, "the base layer is still used");
    env.coracle(&format!("run --rm {name} cat /extra")).succeeds().stdout_is("x");
    env.coracle(&format!("rmi {name}")).succeeds();
    assert_eq!(layers(&env), 0);
}

#[test]
fn a_moved_tag_leaves_a_dangling_image() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let name = registry.push(&Image::busybox().set("Cmd", json!(["echo", "old"])), "moving");
    env.coracle(&format!("pull -q {name}")).succeeds();
    let old = env.inspect(&name, "{{.Id}}");
    registry.push(&Image::busybox().set("Cmd", json!(["echo", "new"])), "moving");
    env.coracle(&format!("pull -q {name}")).succeeds();
    assert_ne!(env.inspect(&name, "{{.Id}}"), old);
    env.argv(&["images", "-q", "--no-trunc", "--filter", "dangling=true"]).succeeds().stdout_is(&format!("{old}\n"));
    env.coracle(&format!("rmi {old}")).succeeds();
    env.coracle(&format!("run --rm {name}")).succeeds().stdout_is("new\n");
}

/// A pull that was killed before its image was there leaves layers for the next try, and not for ever.
#[test]
fn layers_of_a_failed_pull_are_reclaimed() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let name = registry.push(&Image::busybox().layer(Tar::new().file("extra", "x")), "bigger");
    let other = registry.push(&Image::busybox().set("Labels", json!({"a": "b"})), "other");
    let leave = || {
        env.coracle(&format!("pull -q {name}")).succeeds();
        let id = env.inspect(&name, "{{.Id}}");
        let record = format!("{}.json", id.trim_start_matches("sha256:"));
        fs::remove_file(env.data().join("store/images").join(record)).expect("the image's record");
        assert_eq!(layers(&env), 2);
    };
    leave();
    env.coracle("pull -q IMAGE").succeeds();
    assert_eq!(layers(&env), 2, "the next try needs them");
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(2 * 24 * 3600);
    for layer in fs::read_dir(env.data().join("store/layers")).expect("layers").flatten() {
        fs::File::open(layer.path().join("layer.json")).and_then(|file| file.set_modified(old)).expect("ours");
    }
    env.coracle("pull -q IMAGE").succeeds();
    assert_eq!(layers(&env), 1, "it has had its time");
    env.coracle("run --rm IMAGE true").succeeds();
    // Who removes images wants the space now.
    leave();
    env.coracle(&format!("pull -q {other}")).succeeds();
    env.coracle(&format!("rmi {other}")).succeeds();
    eventually("the layer is gone", || layers(&env) == 1);
    env.coracle("run --rm IMAGE true").succeeds();
}
