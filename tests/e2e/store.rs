//! `system check`: what is damaged is found and taken away, and the next pull makes it whole again.

use std::fs;

use serde_json::json;

use crate::support::env::Env;
use crate::support::images::{Image, Tar};
use crate::support::registry::Registry;

/// The directories of the store's layers.
fn layers(env: &Env) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(env.data().join("store/layers")).expect("the store");
    entries.map(|entry| entry.expect("readable").path()).collect()
}

#[test]
fn a_check_finds_damage_and_a_pull_heals_it() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let image = Image::busybox().layer(Tar::new().file("own", "own")).set("Cmd", json!(["cat", "/own"]));
    let name = registry.push(&image, "app");
    env.coracle(&format!("pull -q {name}")).succeeds();
    env.coracle("system check").succeeds().stdout_is("");
    env.coracle("system check --max soon").fails().explains();
    // A file of the layer changes behind our back.
    let layer = layers(&env).into_iter().find(|layer| layer.join("tree/own").exists()).expect("the layer");
    fs::write(layer.join("tree/own"), "evil").expect("our file");
    env.coracle("system check --quick").succeeds().stdout_is("");
    env.coracle("system check").fails_with(1).stdout_has("damage: layer").stderr_has("--repair");
    // A container needs it: nothing happens without --force.
    env.coracle(&format!("create --name user {name}")).succeeds();
    env.coracle("system check --repair").fails_with(1).explains().stderr_has("--force");
    env.coracle("ps -a --format {{.Names}}").succeeds().stdout_is("user\n");
    let repaired = env.coracle("system check --repair --force").succeeds();
    repaired.stdout_has("(removed)").stderr_has(&name);
    env.coracle("ps -aq").succeeds().stdout_is("");
    env.coracle("system check").succeeds().stdout_is("");
    env.coracle(&format!("run --rm {name}")).succeeds().stdout_is("own");
    // Records, documents and names.
    let store = env.data().join("store");
    fs::write(store.join("blobs").join("0".repeat(64)), "nobody's").expect("our directory");
    fs::create_dir(store.join("staging/dead")).expect("our directory");
    let id = env.inspect(&name, "{{.Id}}").replace("sha256:", "");
    fs::write(store.join("images").join(format!("{id}.json")), "{").expect("our directory");
    let found = env.coracle("system check --max 0s").fails_with(1);
    found
        .stdout_has("damage: the record of the image")
        .stdout_has("damage: the name")
        .stdout_has("left over: nothing needs");
    env.coracle("system check --repair --max 0s").succeeds();
    env.coracle("system check --max 0s").succeeds().stdout_is("");
    assert_eq!(fs::read_dir(store.join("staging")).expect("the store").count(), 0);
    env.coracle(&format!("run --rm {name}")).succeeds().stdout_is("own");
    env.coracle("run --rm IMAGE echo well").succeeds().stdout_is("well\n");
}

#[test]
fn layers_that_nobody_needs_are_given_back_when_they_are_old() {
    let env = ready!();
    let registry = Registry::start();
    let name = registry.push(&Image::empty().layer(Tar::new().file("one", vec![b'x'; 100_000])), "app");
    env.coracle(&format!("pull -q {name}")).succeeds();
    // As if its image had never come.
    for directory in ["images", "blobs"] {
        for entry in fs::read_dir(env.data().join("store").join(directory)).expect("the store") {
            fs::remove_file(entry.expect("readable").path()).expect("our file");
        }
    }
    fs::remove_dir_all(env.data().join("store/refs")).expect("our directory");
    fs::create_dir(env.data().join("store/refs")).expect("our directory");
    env.coracle("system check").succeeds().stdout_is("");
    env.coracle("system check --max 0s").fails_with(1).stdout_has("left over: layer").stdout_has("100000 bytes");
    env.coracle("system check --max 0s --repair").succeeds();
    assert_eq!(layers(&env), Vec::<std::path::PathBuf>::new());
}
