//! `prune` of images, containers and everything, `system df`, and what else is asked about images: `history`, `image tree`,
//! `image exists`, `images` and `rmi` with podman's options.

use serde_json::json;

use crate::support::env::Env;
use crate::support::images::{Image, Tar};

/// Loads busybox with a file on top, so many bytes long, under a name; without one it has none.
fn load(env: &Env, name: Option<&str>, bytes: usize) -> String {
    let label = name.unwrap_or("nameless");
    let image = Image::busybox()
        .layer(Tar::new().file(&format!("{}.data", label.replace([':', '/'], "-")), vec![b'x'; bytes]))
        .set("Labels", json!({ "which": label }))
        .set_top("created", json!("2020-01-02T03:04:05Z"));
    let layout = env.file(&format!("layout-{bytes}"));
    image.write(&layout);
    env.argv(&["load", "-q", "-i", layout.to_str().unwrap()]).succeeds();
    if let Some(name) = name {
        env.argv(&["tag", "localhost/latest", name]).succeeds();
    }
    let id = env.argv(&["images", "-q", "--no-trunc", "localhost/latest"]).succeeds().line().to_owned();
    env.argv(&["untag", "localhost/latest", "localhost/latest"]).succeeds();
    id
}

fn ids(env: &Env, filters: &[&str]) -> Vec<String> {
    let output = env.argv(&[&["images", "-q", "--no-trunc"], filters].concat()).succeeds();
    let mut lines: Vec<String> = output.lines().into_iter().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn image_prune_removes_what_nothing_needs() {
    let env = ready!(busybox);
    let named = load(&env, Some("app:v1"), 1_000_000);
    let used = load(&env, Some("app:v2"), 500_000);
    let dangling = load(&env, None, 2_000_000);
    env.coracle("create --name user app:v2").succeeds();
    env.coracle("untag app:v2").succeeds();
    // Nobody says yes.
    env.command("image prune").stdin("n\n").run().succeeds().stdout_has("all dangling images").stdout_lacks("Deleted");
    env.coracle("image prune -f --filter label=which=other").succeeds().stdout_is("Total reclaimed space: 0B\n");
    env.coracle("image prune -f --filter until=2019-01-01").succeeds().stdout_is("Total reclaimed space: 0B\n");
    env.coracle("image prune -f --filter nonsense=1").fails().explains();
    env.command("image prune")
        .stdin("y\n")
        .run()
        .succeeds()
        .stdout_has(&format!("Deleted Images:\ndeleted: {dangling}\ndeleted: sha256:"))
        .stdout_has("Total reclaimed space: 2MB\n");
    assert!(ids(&env, &[]).contains(&named) && ids(&env, &[]).contains(&used));
    env.coracle("image prune -af --filter label!=which=app:v1")
        .succeeds()
        .stdout_has("untagged: ")
        .stdout_lacks(&named);
    env.coracle("image prune -af")
        .succeeds()
        .stdout_has("untagged: app:v1\n")
        .stdout_has("Total reclaimed space: 1MB\n");
    // What a container has stays, and works.
    assert_eq!(ids(&env, &[]), [used.as_str()]);
    env.coracle("start user").succeeds();
    env.coracle("rm -f user").succeeds();
    env.coracle("image prune -f").succeeds().stdout_has(&used);
    env.coracle("images -q").succeeds().stdout_is("");
}

#[test]
fn system_df_adds_up_and_system_prune_frees_it() {
    let env = ready!(busybox);
    let app = load(&env, Some("app:v1"), 3_000_000);
    env.coracle("run --name done app:v1 dd if=/dev/zero of=/data bs=1000 count=700").succeeds();
    env.run_detached(
        "--name up -v data:/data IMAGE sh -c 'head -c 100000 /dev/zero >/data/file; touch /ready; exec sleep 1000'",
    );
    crate::support::eventually("it has written", || env.coracle("exec up test -e /ready").code() == 0);
    env.coracle("volume create idle").succeeds();
    env.coracle("network create front").succeeds();
    let df = |template: &str| -> Vec<String> {
        let output = env.argv(&["system", "df", "--format", template]).succeeds();
        output.lines().into_iter().map(str::to_owned).collect()
    };
    assert_eq!(
        df("{{.Type}} {{.TotalCount}} {{.Active}}"),
        ["Images 2 2", "Containers 2 1", "Local Volumes 2 1", "Build Cache 0 0"]
    );
    assert_eq!(df("{{.Reclaimable}}")[0], "0B (0%)");
    assert_eq!(df("{{.Size}}")[1], "700kB");
    assert_eq!(df("{{.Reclaimable}}")[1..3], ["700kB (100%)", "0B (0%)"]);
    assert_eq!(df("{{.Size}}")[2], "100kB");
    env.coracle("system df").succeeds().stdout_has("TYPE            TOTAL     ACTIVE    SIZE      RECLAIMABLE\n");
    let verbose = env.coracle("system df -v").succeeds();
    let verbose = verbose.stdout_has("Images space usage:").stdout_has("SHARED SIZE").stdout_has("3MB");
    verbose.stdout_has("data").stdout_has("idle").stdout_has("done");
    let value = env.argv(&["system", "df", "-v", "--format", "{{json .}}"]).succeeds().json();
    assert_eq!(value["Images"].as_array().unwrap().len(), 2);
    let app_row = value["Images"].as_array().unwrap().iter().find(|image| image["Repository"] == "app").unwrap();
    assert_eq!(app_row["UniqueSize"], "3MB", "{value}");

    env.command("system prune")
        .stdin("\n")
        .run()
        .succeeds()
        .stdout_has("all stopped containers")
        .stdout_lacks("Deleted");
    env.coracle("system prune -f --volumes --filter until=1h").fails().stderr_has("until");
    env.coracle("system prune -f --filter label=none").succeeds().stdout_is("Total reclaimed space: 0B\n");
    let done = env.inspect("done", "{{.Id}}");
    env.coracle("system prune -f")
        .succeeds()
        .stdout_has(&format!("Deleted Containers:\n{done}\n"))
        .stdout_has("Deleted Networks:\nfront\n")
        .stdout_has("Total reclaimed space: 700kB\n");
    assert_eq!(df("{{.Reclaimable}}")[0], {
        let size = df("{{.Size}}")[0].clone();
        let whole: f64 = size.trim_end_matches("MB").parse().unwrap();
        format!("3MB ({}%)", (300.0 / whole) as u64)
    });
    env.coracle("system prune -af --volumes")
        .succeeds()
        .stdout_has(&format!("deleted: {app}"))
        .stdout_has("Total reclaimed space: 3MB\n");
    // Volumes with names stay, and so does everything of a container that runs.
    assert_eq!(env.coracle("volume ls -q").succeeds().lines(), ["data", "idle"]);
    env.coracle("exec up cat /ready").succeeds();
    env.coracle("rm -f up").succeeds();
}

#[test]
fn container_prune_removes_what_does_not_run() {
    let env = ready!(busybox);
    for (name, label) in [("one", "a"), ("two", "b")] {
        env.coracle(&format!("create --name {name} --label {label} IMAGE true")).succeeds();
    }
    let up = env.run_detached("--name up IMAGE sleep 1000");
    let one = env.inspect("one", "{{.Id}}");
    env.coracle("container prune -f --filter label=a")
        .succeeds()
        .stdout_is(&format!("Deleted Containers:\n{one}\n\nTotal reclaimed space: 0B\n"));
    env.command("container prune").stdin("y\n").run().succeeds().stdout_has("all stopped containers");
    assert_eq!(env.coracle("ps -aq --no-trunc").succeeds().lines(), [up]);
    env.coracle("rm -f up").succeeds();
}

#[test]
fn history_and_tree_tell_of_layers() {
    let env = ready!(busybox);
    let app = load(&env, Some("app:v1"), 1_000_000);
    let busybox = env.image();
    // The last layer is one that no step tells of.
    let output = env.coracle("history --format '{{.ID}} {{.Size}}' --no-trunc app:v1").succeeds();
    assert_eq!(output.lines()[0], format!("{app} 1MB"));
    assert!(output.lines()[1..].iter().all(|line| line.starts_with("<missing> ")), "{:?}", output.lines());
    env.coracle("history app:v1").succeeds().stdout_has("IMAGE          CREATED").stdout_has("COMMENT");
    env.coracle("history --human=false app:v1").succeeds().stdout_has("1000000");
    env.coracle("history -q app:v1").succeeds().stdout_has(&app[7..19]);
    env.coracle("history absent").fails().stderr_has("no such image");
    env.coracle("image tree app:v1")
        .succeeds()
        .stdout_has("Image Layers\n├── ID: ")
        .stdout_has(&format!("Top Layer of: [{busybox}]"))
        .stdout_has("└── ID: ")
        .stdout_has("1MB Top Layer of: [docker.io/library/app:v1]");
    env.coracle("image tree --whatrequires IMAGE").succeeds().stdout_has("└── ID: ").stdout_has("app:v1]");
    env.coracle("image exists app:v1").succeeds().stdout_is("");
    env.coracle("image exists absent").exits_with(1);
}

#[test]
fn images_and_rmi_have_podmans_options() {
    let env = ready!(busybox);
    let app = load(&env, Some("app:v1"), 1_000_000);
    let small = load(&env, Some("small:v2"), 1);
    env.coracle("create --name user small:v2").succeeds();
    assert_eq!(ids(&env, &["--filter", "containers=true"]), [small.as_str()]);
    assert_eq!(ids(&env, &["--filter", &format!("id={}", &app[7..20])]), [app.as_str()]);
    assert_eq!(ids(&env, &["--filter", "label!=which"]).len(), 1);
    assert_eq!(ids(&env, &["--filter", "intermediate=true"]), [""; 0]);
    assert_eq!(ids(&env, &["--filter", "readonly=false"]).len(), 3);
    let output = env.coracle("images --noheading --sort size").succeeds();
    assert_eq!(output.lines().len(), 3);
    assert!(output.lines()[2].starts_with("app "), "{:?}", output.lines());
    env.coracle("rmi --platform linux/mips app:v1").fails().stderr_has("linux/mips");
    env.coracle("rmi --ignore absent").succeeds().stdout_is("");
    env.coracle("rmi absent").fails();
    env.coracle("rmi").fails().stderr_has("requires at least 1 argument");
    env.coracle("tag app:v1 app:v3").succeeds();
    env.coracle("rmi -a").fails().stdout_has("Untagged: app:v3").stderr_has("user");
    assert_eq!(ids(&env, &[]), [small.as_str()]);
    env.coracle("rmi -a -f").succeeds().stdout_has(&small);
    assert_eq!(ids(&env, &[]), [""; 0]);
    env.coracle("rm user").succeeds();
}

#[test]
fn the_build_cache_is_counted_and_goes() {
    let env = ready!(busybox);
    let dockerfile = format!("FROM {}\nRUN dd if=/dev/zero of=/x bs=1000 count=500 2>/dev/null\n", env.image());
    let context = env.mkdir("context");
    std::fs::write(context.join("Dockerfile"), dockerfile).expect("ours");
    let build = || {
        env.argv(&["build", "-q", "-t", "made", &context.display().to_string()]).succeeds();
        env.coracle("rmi made").succeeds();
    };
    let cache = || {
        let output = env.argv(&["system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Size}} {{.Reclaimable}}"]);
        output.succeeds().lines()[3].to_owned()
    };
    env.argv(&["build", "-q", "-t", "made", &context.display().to_string()]).succeeds();
    assert_eq!(cache(), "Build Cache 1 0B 0B", "the image has the layer, too");
    env.coracle("rmi made").succeeds();
    assert_eq!(cache(), "Build Cache 1 500kB 500kB (100%)");
    let verbose = env.coracle("system df -v").succeeds();
    verbose.stdout_has("Build cache usage:").stdout_has("regular").stdout_has("500kB");
    // What it takes is not podman's to tell, and goes only when it is asked for.
    env.called("podman", "system df").run().succeeds().stdout_lacks("Build Cache");
    env.called("podman", "system prune -f").run().succeeds().stdout_lacks("build cache");
    env.coracle("system prune -f --filter label=a").succeeds().stdout_is("Total reclaimed space: 0B\n");
    env.coracle("system prune -f --filter until=24h").succeeds().stdout_is("Total reclaimed space: 0B\n");
    assert_eq!(cache(), "Build Cache 1 500kB 500kB (100%)");
    env.called("podman", "system prune -f --build").run().succeeds().stdout_has("Total reclaimed space: 500kB\n");
    build();
    env.command("system prune").stdin("\n").run().succeeds().stdout_has("  - unused build cache\n");
    env.coracle("system prune -f").succeeds().stdout_has("build cache objects:\n").stdout_has("space: 500kB\n");
    build();
    env.coracle("image prune -f").succeeds().stdout_is("Total reclaimed space: 0B\n");
    env.coracle("image prune -f --build-cache").succeeds().stdout_is("Total reclaimed space: 500kB\n");
    assert_eq!(cache(), "Build Cache 0 0B 0B");
}
