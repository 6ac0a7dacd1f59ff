//! `manifest` and `buildx imagetools`: lists of images for several platforms, read by skopeo afterwards.

use serde_json::{Value, json};

use crate::support::env::Env;
use crate::support::images::{Image, Tar, digest};
use crate::support::registry::Registry;

/// An image with one small layer of its own.
fn image(architecture: &str) -> Image {
    let tar = Tar::new().file("architecture", architecture);
    Image::empty().set_top("architecture", json!(architecture)).layer(tar)
}

/// Two images in the registry, and the digests of their manifests.
fn two(registry: &Registry) -> [(String, String); 2] {
    ["amd64", "arm64"].map(|architecture| {
        let image = image(architecture);
        (registry.push(&image, &format!("app:{architecture}")), digest(&image.manifest_bytes()))
    })
}

/// What skopeo reads of a reference, with the digest of the bytes.
fn raw(env: &Env, reference: &str) -> (Value, String) {
    let output =
        env.tool("skopeo", &["inspect", "--raw", "--tls-verify=false", &format!("docker://{reference}")]).run();
    let bytes = output.succeeds().stdout;
    (serde_json::from_str(&bytes).expect("JSON"), digest(bytes.as_bytes()))
}

/// Whether skopeo finds all blobs of all images of an index.
fn is_whole(env: &Env, reference: &str) {
    let copy = env.file(&format!("copy-{}", reference.replace(['/', ':'], "-")));
    let to = format!("dir:{}", copy.display());
    let from = format!("docker://{reference}");
    let arguments = ["--insecure-policy", "copy", "--quiet", "--all", "--src-tls-verify=false", &from, &to];
    env.tool("skopeo", &arguments).run().succeeds();
}

#[test]
fn a_list_is_made_changed_and_pushed_with_its_images() {
    let env = ready!();
    let registry = Registry::start();
    let [(amd, amd_digest), (arm, arm_digest)] = two(&registry);
    let list = registry.name("multi");
    env.coracle(&format!("manifest exists {list}")).exits_with(1);
    env.coracle(&format!("manifest create {list} docker://{amd}")).succeeds();
    env.coracle(&format!("manifest create {list}")).fails_with(1).explains();
    env.coracle(&format!("manifest add --variant v8 --annotation kind=test {list} docker://{arm}")).succeeds();
    env.coracle(&format!("manifest exists {list}")).succeeds();
    let shown = env.coracle(&format!("manifest inspect {list}")).succeeds().json();
    assert_eq!(shown["manifests"][0]["digest"], amd_digest.as_str());
    assert_eq!(shown["manifests"][0]["platform"], json!({"architecture": "amd64", "os": "linux"}));
    assert_eq!(shown["manifests"][1]["platform"]["variant"], "v8");
    assert_eq!(shown["manifests"][1]["annotations"]["kind"], "test");
    env.coracle(&format!("manifest annotate --os-version 6.1 {list} {amd_digest}")).succeeds();
    env.coracle(&format!("manifest annotate --os-version 6.1 {list} {}", digest(b"other"))).fails_with(1).explains();
    let pushed = env.coracle(&format!("manifest push --digestfile {} {list}", env.file("digest").display())).succeeds();
    let (index, sent) = raw(&env, &list);
    assert_eq!(pushed.line(), sent);
    assert_eq!(std::fs::read_to_string(env.file("digest")).expect("it was written"), sent);
    assert_eq!(index["manifests"][0]["platform"]["os.version"], "6.1");
    assert_eq!(index["mediaType"], "application/vnd.oci.image.index.v1+json");
    is_whole(&env, &list);
    // What was pushed is what is pulled, for either platform.
    for (platform, expected) in [("linux/amd64", "amd64"), ("linux/arm64", "arm64")] {
        env.coracle(&format!("pull -q --platform {platform} {list}")).succeeds();
        assert_eq!(env.inspect(&list, "{{.Architecture}}"), expected);
    }
    env.coracle(&format!("manifest remove {list} {arm_digest}")).succeeds();
    env.coracle(&format!("manifest remove {list} {arm_digest}")).fails_with(1).explains();
    assert_eq!(
        env.coracle(&format!("manifest inspect {list}")).succeeds().json()["manifests"].as_array().map(Vec::len),
        Some(1)
    );
    env.coracle(&format!("manifest rm {list}")).succeeds();
    env.coracle(&format!("manifest rm {list}")).fails_with(1).explains();
    env.coracle(&format!("manifest rm --ignore {list}")).succeeds();
    // Now it is the registry's.
    assert_eq!(
        env.coracle(&format!("manifest inspect {list}")).succeeds().json()["manifests"].as_array().map(Vec::len),
        Some(2)
    );
    let one = env.coracle(&format!("manifest inspect {list} {list}@{arm_digest}")).succeeds();
    assert_eq!(one.json()["schemaVersion"], 2);
}

#[test]
fn docker_makes_manifest_lists() {
    let env = ready!();
    let registry = Registry::start();
    let [(amd, _), (arm, _)] = two(&registry);
    let list = registry.name("multi");
    let docker = |line: String| env.persona("docker", &line).run();
    docker(format!("manifest create {list}")).fails_with(1).stderr_has("at least 2 arguments");
    docker(format!("manifest create {list} {amd} {arm}"))
        .succeeds()
        .stdout_is(&format!("Created manifest list {list}\n"));
    docker(format!("manifest create {list} {amd}")).fails_with(1).stderr_has("--amend");
    docker(format!("manifest create --amend {list} {amd}")).succeeds();
    docker(format!("manifest annotate {list} {arm} --arch arm --variant v7")).succeeds().stdout_is("");
    let pushed = docker(format!("manifest push --purge {list}")).succeeds();
    let (index, sent) = raw(&env, &list);
    assert_eq!(pushed.line(), sent);
    assert_eq!(index["mediaType"], "application/vnd.docker.distribution.manifest.list.v2+json");
    assert_eq!(index["manifests"][1]["platform"], json!({"architecture": "arm", "os": "linux", "variant": "v7"}));
    docker(format!("manifest rm {list}")).fails_with(1);
    let verbose = docker(format!("manifest inspect -v {amd}")).succeeds().json();
    assert_eq!(verbose["Descriptor"]["platform"]["architecture"], "amd64");
}

#[test]
fn images_that_are_here_and_of_another_registry_go_along() {
    let env = ready!();
    let (near, far) = (Registry::start(), Registry::start());
    let [(amd, _), (arm, _)] = two(&far);
    env.coracle(&format!("pull -q --platform linux/amd64 {amd}")).succeeds();
    env.coracle(&format!("tag {amd} here:1")).succeeds();
    let list = near.name("team/multi");
    env.coracle("manifest create together here:1").succeeds();
    env.coracle(&format!("manifest add together docker://{arm}")).succeeds();
    let pushed = env.coracle(&format!("manifest push together docker://{list}")).succeeds();
    let (index, sent) = raw(&env, &list);
    assert_eq!((pushed.line(), index["manifests"].as_array().map(Vec::len)), (sent.as_str(), Some(2)));
    is_whole(&env, &list);
    // Without its images the registry refuses it.
    let bare = near.name("bare");
    let refused = env.coracle(&format!("manifest push --all=false together {bare}")).fails_with(1);
    refused.stderr_has("MANIFEST_BLOB_UNKNOWN");
    env.coracle("manifest create nothing").succeeds();
    env.coracle(&format!("manifest push nothing {bare}")).fails().explains();
}

#[test]
fn imagetools_make_an_index_in_the_registry() {
    let env = ready!();
    let (registry, far) = (Registry::start(), Registry::start());
    let [(amd, amd_digest), (_, arm_digest)] = two(&registry);
    let arm = far.push(&image("arm64"), "other/app:arm64");
    let name = registry.name("tools");
    let tools = "buildx imagetools";
    let dry = env.coracle(&format!("{tools} create --dry-run {amd} {arm}")).succeeds().json();
    assert_eq!(dry["manifests"].as_array().map(Vec::len), Some(2));
    env.coracle(&format!("{tools} create {amd}")).fails().explains();
    env.coracle(&format!("{tools} create -t {name} {amd}")).succeeds();
    env.coracle(&format!(
        "{tools} create --append --annotation index:who=me -t {name} -t {} {arm}",
        registry.name("tools2")
    ))
    .succeeds();
    let (index, sent) = raw(&env, &name);
    let digests: Vec<_> =
        index["manifests"].as_array().expect("a list").iter().map(|entry| entry["digest"].clone()).collect();
    assert_eq!(digests, [amd_digest.as_str(), &arm_digest]);
    assert_eq!(index["annotations"]["who"], "me");
    is_whole(&env, &name);
    is_whole(&env, &registry.name("tools2"));
    let page = env.coracle(&format!("{tools} inspect {name}")).succeeds();
    page.stdout_has(&format!("Digest:    {sent}")).stdout_has("Platform:    linux/arm64");
    let shown = env.coracle(&format!("{tools} inspect --raw {name}")).succeeds().stdout;
    assert_eq!(digest(shown.as_bytes()), sent);
    env.coracle(&format!("{tools} inspect --format {{{{.Manifest.Digest}}}} {name}"))
        .succeeds()
        .stdout_is(&format!("{sent}\n"));
    // A copy of an index is the same.
    env.coracle(&format!("{tools} create -t {} {name}", registry.name("copy"))).succeeds();
    assert_eq!(raw(&env, &registry.name("copy")).1, sent);
    env.coracle(&format!("{tools} create --platform linux/arm64 -t {} {name}", registry.name("part"))).succeeds();
    assert_eq!(raw(&env, &registry.name("part")).0["manifests"].as_array().map(Vec::len), Some(1));
}
