//! What has broken other builders (CVE-2024-23651, 23652, 23653, 9407, 9675, 9676, 11218), tried here.

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::env::Env;
use crate::support::output::Output;

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

/// 2024-23651 and 2024-11218: the source of a mount is swapped for a link to the host while a step begins. Here what is
/// mounted was copied beforehand, through descriptors.
#[test]
fn a_source_that_becomes_a_link_shows_nothing_of_the_host() {
    let env = ready!(busybox);
    let outside = env.mkdir("outside");
    env.write("outside/secret", "of the host\n");
    let lines: String = (0..4)
        .map(|number| {
            format!(
                "FROM IMAGE AS s{number}\nRUN --mount=type=cache,id=shared,target=/c,sharing=shared for i in $(seq 200); do rm -rf /c/dir; ln -s {0} /c/dir; rm -f /c/dir; mkdir /c/dir; done; echo {number} > /done\n",
                outside.display()
            )
        })
        .collect();
    let dir = context(
        &env,
        "c",
        &format!(
            "FROM scratch AS evil\nCOPY link /link\n{lines}FROM IMAGE\nCOPY --from=s0 /done /\nCOPY --from=s1 /done /\nCOPY --from=s2 /done /\nCOPY --from=s3 /done /\nRUN --mount=type=cache,id=shared,target=/c ls -la /c/dir/ > /seen 2>&1; cat /c/dir/secret >> /seen 2>&1 || true\n"
        ),
    );
    symlink(&outside, env.file("c/link")).unwrap();
    build(&env, &["-t", "x", &dir]).succeeds();
    assert!(!sh(&env, "x", "cat /seen").contains("of the host"));
    // A link of a stage as the source of a mount leads into that stage.
    let dir = context(
        &env,
        "d",
        "FROM IMAGE AS evil\nRUN ln -s / /root-link && ln -s /proc/self/root /magic\nFROM IMAGE\nRUN --mount=type=bind,from=evil,source=/root-link,target=/m ls /m > /one\nRUN --mount=type=bind,from=evil,source=/magic,target=/m ls /m > /two\n",
    );
    let built = build(&env, &["-t", "y", &dir]);
    assert!(!format!("{}{}", built.stdout, built.stderr).contains(&outside.display().to_string()));
    assert!(fs::read_to_string(env.file("outside/secret")).is_ok());
}

/// 2024-23652: directories that were made for mounts are removed afterwards; a link in their place must not lead out.
#[test]
fn the_place_of_a_mount_that_becomes_a_link_removes_nothing() {
    let env = ready!(busybox);
    let victim = env.mkdir("victim");
    env.mkdir("victim/empty");
    let dir = context(
        &env,
        "c",
        &format!(
            "FROM IMAGE\nRUN --mount=type=tmpfs,target=/a/b/empty umount /a/b/empty 2>/dev/null; mv /a /kept 2>/dev/null; ln -s {0} /a; mkdir -p /kept; ln -s {0} /kept/b 2>/dev/null; true\nRUN --mount=type=tmpfs,target=/a/empty true || true\n",
            victim.display()
        ),
    );
    let _ = build(&env, &["-t", "x", &dir]);
    assert!(env.file("victim/empty").is_dir(), "a directory of the host was removed");
}

/// 2024-23653: a Dockerfile cannot give itself privileges, whatever the user allows.
#[test]
fn no_step_is_privileged() {
    let env = ready!(busybox);
    let dir = context(&env, "c", "FROM IMAGE\nRUN --security=insecure id\n");
    build(&env, &[&dir]).fails().stderr_has("every step is confined");
    build(&env, &["--allow", "security.insecure", &dir]).fails();
    let dir = context(&env, "d", "FROM IMAGE\nRUN grep -E 'CapEff|Seccomp:|NoNewPrivs' /proc/self/status > /status\n");
    build(&env, &["-t", "x", &dir]).succeeds();
    let status = sh(&env, "x", "cat /status");
    assert!(status.contains("Seccomp:\t2") && !status.contains("CapEff:\t000001ffffffffff"), "{status}");
}

/// 2024-9407: options of `RUN --mount` that are not the language's own go nowhere.
#[test]
fn mounts_take_no_options_of_the_host() {
    let env = ready!(busybox);
    for option in [
        "bind-propagation=rshared",
        "relabel=shared",
        "z",
        "U",
        "bind-nonrecursive",
        "options=rbind",
        "volume-opt=o=bind",
    ] {
        let dir = context(&env, "c", &format!("FROM IMAGE\nRUN --mount=type=bind,source=.,target=/m,{option} true\n"));
        build(&env, &[&dir]).fails().stderr_has("in mount");
    }
    for kind in ["volume", "devpts", "npipe", "cluster"] {
        let dir = context(&env, "c", &format!("FROM IMAGE\nRUN --mount=type={kind},target=/m true\n"));
        build(&env, &[&dir]).fails().stderr_has("unsupported mount type");
    }
}

/// 2024-9675: the id of a cache is a name and no path.
#[test]
fn ids_and_sources_of_caches_stay_inside() {
    let env = ready!(busybox);
    env.mkdir("outside");
    let escape = format!("../../../../../../../../../..{}", env.file("outside").display());
    let dir = context(
        &env,
        "c",
        &format!(
            "FROM IMAGE\nRUN --mount=type=cache,id={escape},target=/c echo x > /c/written\nRUN --mount=type=cache,target=/d,from=IMAGE,source={escape} ls /d\n"
        ),
    );
    build(&env, &[&dir]).fails().stderr_has("not found");
    assert_eq!(fs::read_dir(env.file("outside")).unwrap().count(), 0);
    let caches: Vec<String> = fs::read_dir(env.data().join("build/mounts"))
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().display().to_string())
        .collect();
    assert!(
        caches.iter().all(|name| name.chars().all(|letter| letter.is_ascii_hexdigit() || ".lock".contains(letter))),
        "{caches:?}"
    );
}

/// 2024-9676: files of an image that are read outside of it may be pipes, links or endless.
#[test]
fn the_accounts_of_an_image_cannot_hang_a_build_or_show_files() {
    let env = ready!(busybox);
    env.write("outside", "root:x:4242:4242::/:\n");
    for make in [
        "rm -f /etc/passwd && mkfifo /etc/passwd".to_owned(),
        format!("ln -sf {} /etc/passwd", env.file("outside").display()),
        "ln -sf /dev/zero /etc/passwd".to_owned(),
        "ln -sf /etc/passwd /etc/passwd".to_owned(),
    ] {
        let dir = context(
            &env,
            "c",
            &format!("FROM IMAGE\nRUN {make}\nCOPY --chown=root a /a\nUSER root\nRUN id -u > /id\n"),
        );
        env.write("c/a", "a");
        let built = build(&env, &["-t", "x", &dir]);
        if built.status.success() {
            assert_eq!(sh(&env, "x", "stat -c %u /a"), "0\n", "{make}");
        }
    }
}

/// A step sees no file descriptor, process or mount of the builder, and not the binary for writing.
#[test]
fn a_step_sees_nothing_of_its_builder() {
    let env = ready!(busybox);
    env.write("token", "a very secret token");
    let dir = context(
        &env,
        "c",
        "FROM IMAGE\nRUN ls -l /proc/self/fd > /fds; ls /proc | grep -c '^[0-9]' > /processes; echo > /proc/1/exe 2>/dev/null && echo writable > /fds; cat /proc/1/environ | tr '\\0' '\\n' > /env; true\n",
    );
    let secret = format!("id=t,src={}", env.file("token").display());
    build(&env, &["-t", "x", "--secret", &secret, &dir]).succeeds();
    let seen = sh(&env, "x", "cat /fds /env; cat /processes");
    assert!(!seen.contains("secret") && !seen.contains("writable") && !seen.contains("XDG_RUNTIME_DIR"), "{seen}");
    assert!(seen.lines().last().is_some_and(|count| count.parse::<u32>().is_ok_and(|count| count < 6)), "{seen}");
}
