//! Builds for several platforms, caches that travel, and mounts of steps with owners.

use std::fs;

use crate::support::env::Env;
use crate::support::output::Output;
use crate::support::registry::Registry;

fn context(env: &Env, name: &str, dockerfile: &str) -> String {
    env.mkdir(name);
    env.write(&format!("{name}/Dockerfile"), dockerfile.replace("IMAGE", &env.image()));
    env.file(name).display().to_string()
}

#[track_caller]
fn build(env: &Env, arguments: &[&str]) -> Output {
    env.argv(&[&["build"], arguments].concat())
}

#[track_caller]
fn sh(env: &Env, image: &str, line: &str) -> String {
    env.argv(&["run", "--rm", image, "sh", "-c", line]).succeeds().stdout.clone()
}

fn cached(output: &Output) -> usize {
    output.stderr.lines().filter(|line| line.ends_with(" CACHED")).count()
}

/// As on another machine: without images and without a cache.
fn forget(env: &Env) {
    env.coracle("rmi -af").succeeds();
    env.coracle("builder prune -af").succeeds();
}

const STEPS: &str = "FROM IMAGE AS tool\nRUN cat /proc/sys/kernel/random/uuid > /tool\nFROM IMAGE\nCOPY --from=tool /tool /tool\nRUN cat /proc/sys/kernel/random/uuid > /id\n";

#[test]
fn caches_go_to_other_machines() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let dir = context(&env, "c", STEPS);
    let name = registry.name("cache");
    let local = env.file("cache").display().to_string();
    let to = [format!("type=registry,ref={name},mode=max"), format!("type=local,dest={local},mode=max")];
    build(&env, &["-t", "x", "--cache-to", &to[0], "--cache-to", &to[1], &dir]).succeeds();
    let ids = sh(&env, "x", "cat /tool /id");
    for from in [format!("type=registry,ref={name}"), format!("type=local,src={local}"), name.clone()] {
        forget(&env);
        let built = build(&env, &["-t", "x", "--cache-from", &from, &dir]).succeeds();
        assert!(built.stderr.contains("3 steps") && cached(&built) >= 3, "{from}: {}", built.stderr);
        assert_eq!(sh(&env, "x", "cat /tool /id"), ids, "{from}");
        let images = env.coracle("images -aq").succeeds();
        assert_eq!(images.lines().len(), 2, "no image of the cache stays: {}", images.stdout);
    }
    // Once more into the same directory.
    build(&env, &["--no-cache", "--cache-to", &to[1], &dir]).succeeds();
    assert!(
        fs::read_dir(env.root())
            .unwrap()
            .flatten()
            .all(|entry| !entry.file_name().to_string_lossy().starts_with("cache."))
    );
    // Without mode=max, only what is in the image.
    forget(&env);
    build(&env, &["-t", "x", "--cache-to", &format!("type=local,dest={local}"), &dir]).succeeds();
    forget(&env);
    build(&env, &["--cache-from", &format!("type=local,src={local}"), &dir]).succeeds().stderr_has("2 steps");
    // A cache that is not there is no reason to fail.
    let none = format!("type=registry,ref={}", registry.name("nothing"));
    build(&env, &["--cache-from", &none, &dir]).succeeds().stderr_has("importing cache manifest from");
    env.mkdir("full");
    env.write("full/file", "mine");
    let full = format!("type=local,dest={}", env.file("full").display());
    build(&env, &["--cache-to", &full, &dir]).fails().stderr_has("something else than a cache");
    for wrong in ["type=gha", "type=local", "type=s3,bucket=x"] {
        build(&env, &["--cache-to", wrong, &dir]).fails().stderr_has("--cache-to");
    }
}

#[test]
fn an_image_carries_its_cache() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let dir = context(&env, "c", STEPS);
    let name = registry.name("app");
    build(&env, &["-t", &name, "--cache-to", "type=inline", "--push", &dir]).succeeds();
    let ids = sh(&env, &name, "cat /tool /id");
    forget(&env);
    let built = build(&env, &["-t", "x", "--cache-from", &name, &dir]).succeeds();
    assert!(built.stderr.contains("2 steps"), "{}", built.stderr);
    // The copy of another stage is looked at by its content, which only that stage has.
    assert_ne!(sh(&env, "x", "cat /tool"), ids.lines().next().unwrap().to_owned() + "\n");
    let dir = context(&env, "d", "FROM IMAGE\nRUN cat /proc/sys/kernel/random/uuid > /id\n");
    build(&env, &["-t", &name, "--build-arg", "BUILDKIT_INLINE_CACHE=1", "--push", &dir]).succeeds();
    let id = sh(&env, &name, "cat /id");
    forget(&env);
    build(&env, &["-t", "x", "--cache-from", &name, &dir]).succeeds();
    assert_eq!(sh(&env, "x", "cat /id"), id);
}

#[test]
fn a_hostile_cache_is_only_a_cache() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let name = registry.name("evil");
    let dir = context(&env, "c", "FROM IMAGE\nRUN echo mine > /x\n");
    for label in
        ["no json", "[]", r#"[{"key":"sha256:zz","layer":"x","created":"","step":""}]"#, r#"[{"key":"../../x"}]"#]
    {
        let evil = context(&env, "evil", "FROM IMAGE\nCOPY a /a\n");
        env.write("evil/a", "a");
        let label = format!("io.coracle.build.cache={label}");
        build(&env, &["-t", &name, "--label", &label, "--push", &evil]).succeeds();
        build(&env, &["-t", "x", "--cache-from", &name, &dir]).succeeds();
        assert_eq!(sh(&env, "x", "cat /x"), "mine\n");
    }
}

#[test]
fn several_platforms_make_an_index() {
    let env = ready!(busybox);
    let registry = Registry::start();
    let dir = context(
        &env,
        "c",
        "FROM scratch\nARG TARGETPLATFORM\nARG TARGETARCH\nLABEL for=$TARGETPLATFORM\nCOPY of.$TARGETARCH /arch\n",
    );
    env.write("c/of.amd64", "amd64\n");
    env.write("c/of.arm64", "arm64\n");
    let name = registry.name("multi");
    let metadata = env.file("metadata").display().to_string();
    let built = build(
        &env,
        &["--platform", "linux/amd64,linux/arm64", "-t", &name, "--metadata-file", &metadata, "--push", &dir],
    )
    .succeeds();
    assert!(
        built.stderr.contains("[linux/arm64 1/1]") || built.stderr.contains("[linux/arm64 2/2]"),
        "{}",
        built.stderr
    );
    let index = env.argv(&["manifest", "inspect", &name]).succeeds().json();
    let platforms: Vec<&str> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|entry| entry["platform"]["architecture"].as_str())
        .collect();
    assert_eq!(platforms, ["amd64", "arm64"]);
    let digest: serde_json::Value = serde_json::from_str(&fs::read_to_string(&metadata).unwrap()).unwrap();
    env.coracle("rmi -af").succeeds();
    env.argv(&["manifest", "rm", &name]).succeeds();
    env.argv(&["pull", "--platform", "linux/arm64", &name]).succeeds();
    assert_eq!(env.inspect(&name, "{{.Architecture}} {{index .Config.Labels \"for\"}}"), "arm64 linux/arm64");
    let digests = env.inspect(&name, "{{json .RepoDigests}}");
    assert!(digests.contains(digest["containerimage.digest"].as_str().unwrap()), "{digests}");
    let out = env.file("out").display().to_string();
    build(&env, &["--platform", "linux/amd64", "--platform", "linux/arm64", "-o", &out, &dir]).succeeds();
    assert_eq!(fs::read_to_string(env.file("out/linux_arm64/arch")).unwrap(), "arm64\n");
    assert_eq!(fs::read_to_string(env.file("out/linux_amd64/arch")).unwrap(), "amd64\n");
    build(&env, &["--platform", "linux/amd64", "--manifest", "list", &dir]).succeeds();
    build(&env, &["--platform", "linux/arm64", "--manifest", "list", &dir]).succeeds();
    assert_eq!(env.coracle("manifest inspect list").succeeds().json()["manifests"].as_array().map(Vec::len), Some(2));
}

#[test]
fn mounts_of_steps_have_owners() {
    let env = ready!(busybox);
    let dir = context(
        &env,
        "c",
        "FROM scratch AS seed\nCOPY a /files/a\nFROM IMAGE\nUSER 1000\nWORKDIR /tmp\n\
         RUN --mount=type=cache,id=mine,target=/c,uid=1000,gid=1001,mode=0700 stat -c '%u:%g %a' /c > owner; echo kept >> /c/file; cat /c/file > seen\n\
         RUN --mount=type=cache,id=seeded,target=/s,from=seed,source=/files cat /s/a > seeded\n\
         RUN --mount=type=secret,id=s,uid=1000,mode=0400 cat /run/secrets/s | wc -c > secret\n\
         USER 0\nRUN --mount=type=bind,source=.,target=/b,rw cat /b/a > /bound; echo gone > /b/new; ls /b >> /bound\n\
         RUN --mount=type=bind,source=.,target=/b ls /b/new 2>/dev/null || echo clean >> /bound\n",
    );
    env.write("c/a", "a\n");
    env.write("secret", "12345");
    let secret = format!("id=s,src={}", env.file("secret").display());
    build(&env, &["-t", "x", "--secret", &secret, &dir]).succeeds();
    assert_eq!(
        sh(&env, "x", "cd /tmp; cat owner seen seeded secret /bound"),
        "1000:1001 700\nkept\na\n5\na\nDockerfile\na\nnew\nclean\n"
    );
    build(&env, &["-t", "x", "--no-cache", "--secret", &secret, &dir]).succeeds();
    assert_eq!(sh(&env, "x", "cat /tmp/seen"), "kept\nkept\n");
    env.coracle("builder prune -af").succeeds();
    let caches = fs::read_dir(env.data().join("build/mounts")).unwrap().flatten();
    assert_eq!(caches.filter(|entry| entry.path().is_dir()).count(), 0);
}
