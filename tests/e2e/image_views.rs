//! Images as trees, in podman's shape, and those that are in a registry.

use serde_json::{Value, json};

use crate::support::images::{Image, Tar, digest};
use crate::support::registry::Registry;

#[test]
fn images_are_shown_as_a_tree() {
    let env = ready!(busybox);
    env.coracle("tag IMAGE second:name").succeeds();
    env.coracle("create --name user IMAGE true").succeeds();
    let id = env.coracle("images -q IMAGE").succeeds().line().to_owned();
    let output = env.coracle("images --tree").succeeds();
    let lines = output.lines();
    assert!(lines[0].starts_with("IMAGE ") && lines[0].ends_with("DISK USAGE   CONTENT SIZE   EXTRA"), "{lines:?}");
    assert_eq!(lines.len(), 4, "{lines:?}");
    let names: Vec<&str> = lines[1..3].iter().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.contains(&"second:name") && names.contains(&&*env.image()), "{lines:?}");
    assert!(lines[2].contains(&id) && lines[2].ends_with(" U"), "{lines:?}");
    assert!(lines[3].starts_with("└─ linux/") && lines[3].contains(&id), "{lines:?}");
    // Compressed it is smaller; both are told.
    let sizes: Vec<&str> = lines[3].split_whitespace().skip(3).collect();
    assert_eq!(sizes.len(), 2, "{lines:?}");
    assert!(sizes[0] != sizes[1] && sizes.iter().all(|size| size.ends_with('B')), "{sizes:?}");
    env.coracle("images --tree --format json").fails_with(125).explains();
    env.coracle("images --tree nosuch").succeeds().stdout_lacks("second");
}

#[test]
fn podmans_images_have_its_columns_and_json() {
    let env = ready!();
    let registry = Registry::start();
    let image = Image::busybox().set("Labels", json!({"tier": "web"}));
    let name = registry.push(&image, "app:v1");
    let podman = |line: &str| env.called("podman", line).run();
    podman(&format!("pull -q --tls-verify=false {name}")).succeeds();
    podman(&format!("tag {name} quay.io/team/other:v2")).succeeds();
    let id = podman("images -q --no-trunc").succeeds().line().trim_start_matches("sha256:").to_owned();
    let list = podman("images --format json").succeeds().json();
    let rows = list.as_array().expect("one list");
    assert_eq!(rows.len(), 2, "{list}");
    let row = &rows[0];
    assert_eq!(row["Id"], id.as_str());
    let mut names = vec![name.clone(), "quay.io/team/other:v2".into()];
    names.sort();
    assert_eq!(row["Names"], json!(names));
    assert_eq!(row["History"], json!(names));
    assert_eq!(row["Labels"], json!({"tier": "web"}));
    assert_eq!(row["Digest"], digest(&image.manifest_bytes()));
    assert!(row["Size"].is_u64() && row["Created"].is_i64() && row["RepoTags"].is_null(), "{row}");
    assert!(row["CreatedAt"].as_str().is_some_and(|at| at.ends_with('Z')), "{row}");
    let table = podman("images --history --digests").succeeds();
    let header: Vec<&str> = table.lines()[0].split_whitespace().collect();
    assert_eq!(header, ["REPOSITORY", "TAG", "DIGEST", "IMAGE", "ID", "CREATED", "SIZE", "HISTORY"]);
    table.stdout_has(&names.join(", ")).stdout_has(" MB ");
    let template = "{{.Id}} {{.Dangling}} {{.ReadOnly}} {{.Labels.tier}} {{.Os}} {{len .RepoTags}}";
    let shown = podman(&format!("images --format '{template}' quay.io/team/other")).succeeds();
    assert_eq!(shown.line(), format!("{id} false false web linux 2"));
    // One image has one line, however many names.
    assert_eq!(podman("images -q").succeeds().lines().len(), 1);
    // docker's shape is another.
    let docker = env.called("docker", "images --history").run().succeeds();
    docker.stdout_has("HISTORY").stdout_lacks(" MB ");
}

#[test]
fn an_image_in_a_registry_is_inspected_without_a_pull() {
    let env = ready!();
    let registry = Registry::start();
    let image = |architecture: &str| {
        let tar = Tar::new().file("architecture", architecture);
        let image =
            Image::empty().set_top("architecture", json!(architecture)).set("Labels", json!({"for": architecture}));
        image.set("Env", json!(["A=b"])).layer(tar)
    };
    let images = [image("amd64"), image("arm64")];
    let name = registry.push_index(&[&images[0], &images[1]], "multi:v1");
    let remote = format!("docker://{name}");
    let skopeo = |arguments: &[&str]| {
        let mut all = vec!["inspect", "--tls-verify=false"];
        all.extend(arguments);
        env.tool("skopeo", &all).run().succeeds().stdout
    };
    for architecture in ["amd64", "arm64"] {
        let ours = env.coracle(&format!("image inspect --platform linux/{architecture} {remote}")).succeeds().json();
        let theirs = skopeo(&["--override-arch", architecture, &remote]);
        let theirs: Value = serde_json::from_str(&theirs).expect("JSON");
        for key in ["Name", "Digest", "RepoTags", "Labels", "Architecture", "Os", "Layers", "Env"] {
            assert_eq!(ours[0][key], theirs[key], "{key} for {architecture}");
        }
        assert_eq!(ours[0]["Labels"]["for"], architecture);
    }
    let raw = env.coracle(&format!("image inspect --raw {remote}")).succeeds().stdout;
    assert_eq!(raw, skopeo(&["--raw", &remote]));
    env.coracle("images -q").succeeds().stdout_is("");
    let format = env.argv(&["image", "inspect", "-f", "{{.Name}}", &remote]).succeeds();
    assert_eq!(format.line(), name.rsplit_once(':').expect("a tag").0);
    env.coracle(&format!("image inspect --platform linux/s390x {remote}")).fails_with(1).explains();
    env.coracle(&format!("image inspect docker://{}", registry.name("absent"))).fails_with(1).explains();
    // One that is here, as it came; and one for another machine.
    env.coracle(&format!("pull -q --platform linux/amd64 {name}")).succeeds();
    let raw = env.coracle(&format!("image inspect --raw {name}")).succeeds().stdout;
    assert_eq!(digest(raw.as_bytes()), digest(&images[0].manifest_bytes()));
    env.coracle(&format!("image inspect --platform linux/amd64 {name}")).succeeds();
    env.coracle(&format!("image inspect --platform linux/arm64 {name}")).fails_with(1).explains().stderr_has("amd64");
}
