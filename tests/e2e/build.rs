//! `build`: Dockerfiles to images that run, the cache, hostile contexts, secrets, and what is left of builds that were killed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use nix::sys::signal::Signal;

use crate::support::env::Env;
use crate::support::eventually;
use crate::support::output::Output;

/// A context with a Dockerfile, in which `IMAGE` stands for the busybox image.
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

/// How many steps came from the cache.
fn cached(output: &Output) -> usize {
    output.stderr.lines().filter(|line| line.ends_with(" CACHED")).count()
}

#[test]
fn an_image_is_built_and_runs() {
    let env = ready!(busybox);
    let dir = context(
        &env,
        "c",
        "FROM IMAGE\nARG WHO=world\nENV GREETING=\"hello $WHO\"\nWORKDIR /srv/app\nCOPY a.txt sub ./\nRUN echo \"$GREETING\" > out; id -u > uid\nUSER 1000\nLABEL k=v\nEXPOSE 80\nCMD [\"cat\", \"out\", \"a.txt\"]\n",
    );
    env.write("c/a.txt", "from the context\n");
    env.mkdir("c/sub");
    env.write("c/sub/inner", "inner\n");
    let built = build(&env, &["-t", "app:one", &dir]).succeeds();
    assert!(built.stdout.is_empty(), "{}", built.stdout);
    assert!(built.stderr.contains("] RUN echo"), "{}", built.stderr);
    env.coracle("run --rm app:one").succeeds().stdout_is("hello world\nfrom the context\n");
    assert_eq!(
        sh(&env, "app:one", "pwd; cat inner; cat uid; id -u; stat -c '%u:%g %a' a.txt"),
        "/srv/app\ninner\n0\n1000\n0:0 644\n"
    );
    assert_eq!(
        env.inspect("app:one", "{{.Config.User}} {{index .Config.Labels \"k\"}} {{.Config.WorkingDir}}"),
        "1000 v /srv/app"
    );
    let history = env.coracle("history --no-trunc --format {{.CreatedBy}} app:one").succeeds();
    history
        .stdout_has("CMD [\"cat\" \"out\" \"a.txt\"]\n")
        .stdout_has("COPY a.txt sub ./ # buildkit")
        .stdout_has("RUN |1 WHO=world /bin/sh -c echo");
}

#[test]
fn what_has_not_changed_comes_from_the_cache() {
    let env = ready!(busybox);
    let dir =
        context(&env, "c", "FROM IMAGE\nCOPY a /a\nRUN cat /a > /b; echo run >> /b\nCOPY b /c\nRUN cat /c >> /b\n");
    env.write("c/a", "a\n");
    env.write("c/b", "b\n");
    let id = |output: Output| output.succeeds().line().to_owned();
    let first = id(build(&env, &["-q", &dir]));
    let again = build(&env, &["-t", "x", &dir]).succeeds();
    assert_eq!(cached(&again), 5, "{}", again.stderr);
    assert_eq!(id(build(&env, &["-q", &dir])), first, "the same image");
    // A new time is no change; new content is one, for what follows.
    fs::File::options()
        .write(true)
        .open(env.file("c/a"))
        .unwrap()
        .set_modified(std::time::SystemTime::UNIX_EPOCH)
        .unwrap();
    assert_eq!(cached(&build(&env, &[&dir]).succeeds()), 5);
    env.write("c/b", "changed\n");
    let changed = build(&env, &["-t", "x", &dir]).succeeds();
    assert_eq!(cached(&changed), 3, "{}", changed.stderr);
    assert_eq!(sh(&env, "x", "cat /b"), "a\nrun\nchanged\n");
    assert_eq!(cached(&build(&env, &["--no-cache", &dir]).succeeds()), 1, "the base alone");
}

#[test]
fn stages_that_are_not_needed_are_not_built() {
    let env = ready!(busybox);
    let dir = context(
        &env,
        "c",
        "FROM IMAGE AS tools\nRUN echo tool > /tool && chmod 755 /tool && chown 7:8 /tool\nFROM IMAGE AS broken\nRUN false\n\
         FROM IMAGE AS two\nRUN echo two > /two\nFROM scratch AS data\nCOPY --from=tools /tool /t/\nCOPY --from=two /two /t/two\n\
         FROM IMAGE\nCOPY --from=data / /data/\nCOPY --from=IMAGE /etc/group /other\n",
    );
    build(&env, &["-t", "multi", &dir]).succeeds();
    assert_eq!(
        sh(&env, "multi", "cat /data/t/tool /data/t/two; stat -c '%a %u:%g' /data/t/tool; head -n1 /other"),
        "tool\ntwo\n755 7:8\nroot:x:0:\n"
    );
    build(&env, &["--target", "broken", &dir]).fails().stderr_has("did not complete successfully: exit code: 1");
    build(&env, &["--target", "nothing", &dir]).fails().stderr_has("could not be found");
    build(&env, &["--target", "data", "-t", "data", &dir]).succeeds();
    assert_eq!(env.inspect("data", "{{len .RootFS.Layers}}"), "2");
}

#[test]
fn errors_show_the_place_and_the_output() {
    let env = ready!(busybox);
    let dir = context(&env, "c", "FROM IMAGE\n\nRUN echo before; echo why >&2; exit 3\n");
    let failed = build(&env, &[&dir]).fails();
    for part in [" why\n", "exit code: 3", "Dockerfile:3\n", "   3 | >>> RUN echo before"] {
        assert!(failed.stderr.contains(part), "{part}: {}", failed.stderr);
    }
    let dir = context(&env, "d", "FROM IMAGE\nRNU x\n");
    build(&env, &[&dir]).fails().stderr_has("Dockerfile:2:1: unknown instruction: RNU (did you mean RUN?)");
    let dir = context(&env, "e", "FROM IMAGE\nCOPY nothing /\n");
    build(&env, &[&dir]).fails().stderr_has("\"/nothing\": not found");
    env.mkdir("empty");
    build(&env, &[&env.file("empty").display().to_string()]).fails().stderr_has("failed to read dockerfile");
    env.coracle("ps -aq").succeeds().stdout_is("");
    assert_eq!(leftovers(&env), Vec::<String>::new());
}

/// What is left of steps.
fn leftovers(env: &Env) -> Vec<String> {
    let list = |path: &str| -> Vec<String> {
        let entries = fs::read_dir(env.data().join(path)).into_iter().flatten().flatten();
        entries.map(|entry| format!("{path}/{}", entry.file_name().display())).collect()
    };
    let mut left: Vec<String> =
        ["build/steps/containers", "build/steps/names", "build/steps/staging", "build/contexts", "store/staging"]
            .iter()
            .flat_map(|path| list(path))
            .collect();
    let secrets = fs::read_dir(env.runtime().join("build-secrets")).into_iter().flatten().flatten();
    left.extend(secrets.map(|entry| format!("secret {}", entry.file_name().display())));
    left.retain(|name| !name.ends_with(".lock"));
    left
}

#[test]
fn ignored_files_and_patterns() {
    let env = ready!(busybox);
    let dir = context(&env, "c", "FROM IMAGE\nCOPY . /all/\nCOPY *.txt /texts/\n");
    for (name, text) in [("keep.txt", "k"), ("drop.txt", "d"), (".dockerignore", "drop.*\nnode\n!node/keep\n")] {
        env.write(&format!("c/{name}"), text);
    }
    env.mkdir("c/node");
    env.write("c/node/keep", "k");
    env.write("c/node/drop", "d");
    build(&env, &["-t", "x", &dir]).succeeds();
    assert_eq!(
        sh(&env, "x", "cd /all; find . -type f | sort; ls /texts"),
        "./.dockerignore\n./Dockerfile\n./keep.txt\n./node/keep\nkeep.txt\n"
    );
}

#[test]
fn contexts_cannot_lead_out_or_hang() {
    let env = ready!(busybox);
    let secret = env.write("outside", "secret of the host\n");
    let dir = context(&env, "c", "FROM IMAGE\nCOPY files /files\nCOPY through/passwd* /through/\n");
    let files = env.mkdir("c/files");
    symlink(&secret, files.join("link")).unwrap();
    symlink("../../outside", files.join("up")).unwrap();
    symlink("/etc", env.file("c/through")).unwrap();
    nix::unistd::mkfifo(&files.join("fifo"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    env.write("c/files/new\nline", "n");
    env.write("c/files/-rf", "r");
    env.mkdir("c/etc");
    env.write("c/etc/passwd.mine", "of the context\n");
    build(&env, &["-t", "x", &dir]).succeeds();
    assert_eq!(
        sh(
            &env,
            "x",
            "cat /files/link /files/up 2>/dev/null; readlink /files/up; ls /through; cat /through/passwd.mine; ls /files | wc -l; test -p /files/fifo && echo fifo"
        ),
        "../../outside\npasswd.mine\nof the context\n5\nfifo\n"
    );
    for source in ["files/link", "../outside", "through/shadow", "files/up"] {
        let dir = context(&env, "d", &format!("FROM IMAGE\nCOPY {source} /x\n"));
        for link in ["files", "through"] {
            let _ = symlink(env.file("c").join(link), env.file("d").join(link));
        }
        let failed = build(&env, &[&dir]).fails();
        assert!(failed.stderr.contains("not found"), "{source}: {}", failed.stderr);
    }
}

#[test]
fn a_target_inside_a_link_of_the_image_stays_in_the_image() {
    let env = ready!(busybox);
    let outside = env.mkdir("outside");
    let dir = context(
        &env,
        "c",
        &format!(
            "FROM IMAGE\nRUN ln -s {0} /out && ln -s /real /link && mkdir -m 750 /real && chown 3:4 /real\nCOPY a /out/a\nCOPY a /link/\nWORKDIR /link/w\n",
            outside.display()
        ),
    );
    env.write("c/a", "a\n");
    build(&env, &["-t", "x", &dir]).succeeds();
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert_eq!(
        sh(
            &env,
            "x",
            &format!(
                "cat /real/a {0}/a; stat -c '%a %u:%g' /real; test -L /link && test -d /real/w && echo ok",
                outside.display()
            )
        ),
        "a\na\n750 3:4\nok\n"
    );
}

#[test]
fn secrets_and_caches_are_in_no_layer() {
    let env = ready!(busybox);
    let dir = context(
        &env,
        "c",
        "FROM IMAGE\nRUN --mount=type=secret,id=s --mount=type=secret,id=e,env=TOKEN cat /run/secrets/s | md5sum > /sum; printf %s \"$TOKEN\" | md5sum > /token; stat -c %a /run/secrets/s > /mode\n\
         RUN --mount=type=cache,target=/cache,id=../../x echo more >> /cache/file; cat /cache/file > /seen\n\
         RUN --mount=type=tmpfs,target=/tmpfs,size=1m echo x > /tmpfs/x\n\
         RUN --mount=type=bind,source=files,target=/mnt cat /mnt/a > /bound; touch /mnt/b 2>/dev/null || echo readonly >> /bound\n",
    );
    env.write("secret", "the secret value");
    env.mkdir("c/files");
    env.write("c/files/a", "bound\n");
    let secret = format!("id=s,src={}", env.file("secret").display());
    let arguments = ["-t", "x", "--secret", &secret, "--secret", "id=e,env=SECRET_VARIABLE", &dir];
    let command = |no_cache: &[&str]| {
        env.command_argv(&[&["build"], no_cache, &arguments].concat()).var("SECRET_VARIABLE", "tokenvalue").run()
    };
    let built = command(&[]).succeeds();
    assert_eq!(
        sh(
            &env,
            "x",
            "printf %s token''value | md5sum | cmp - /token && cat /mode /seen /bound; ls /run /cache /tmpfs /mnt 2>&1 | grep -v : | wc -w"
        ),
        "400\nmore\nbound\nreadonly\n0\n"
    );
    command(&["--no-cache"]).succeeds();
    assert_eq!(sh(&env, "x", "cat /seen"), "more\nmore\n", "the cache outlives builds");
    assert_eq!(leftovers(&env), Vec::<String>::new());
    let saved = env.file("saved.tar").display().to_string();
    env.argv(&["save", "-o", &saved, "x"]).succeeds();
    for value in ["the secret value", "tokenvalue"] {
        assert!(!built.stderr.contains(value));
        assert!(!contains(Path::new(&saved), value), "{value} is in the image");
        assert!(!holds(&env.data(), value), "{value} is in the data directory");
    }
    build(&env, &[&context(&env, "d", "FROM IMAGE\nRUN --mount=type=secret,id=no,required true\n")])
        .fails()
        .stderr_has("secret no: not found");
}

fn contains(file: &Path, text: &str) -> bool {
    let bytes = fs::read(file).unwrap_or_default();
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Whether a file below a directory contains a text; what cannot be read belongs to nobody's secrets.
fn holds(directory: &Path, text: &str) -> bool {
    fs::read_dir(directory).into_iter().flatten().flatten().any(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => holds(&entry.path(), text),
        Ok(kind) if kind.is_file() => contains(&entry.path(), text),
        _ => false,
    })
}

#[test]
fn a_dockerfile_or_an_archive_on_standard_input() {
    let env = ready!(busybox);
    let dockerfile = format!(
        "FROM {}\nRUN <<EOF\necho one > /x\necho two >> /x\nEOF\nRUN <<S\n#!/bin/sh\necho $0 > /s\nS\nCOPY <<END /y\nthree $PATH\nEND\nCOPY <<'END' /z\n$literal\nEND\n",
        env.image()
    );
    env.command("build -t piped -").stdin(dockerfile).run().succeeds();
    assert_eq!(
        sh(&env, "piped", "cat /x /z /s; grep -c three /y; stat -c '%a %u' /y"),
        "one\ntwo\n$literal\n/dev/pipes/S\n1\n644 0\n"
    );
    let dir = context(&env, "c", "FROM IMAGE\nCOPY a /a\n");
    env.write("c/a", "archived\n");
    let tar = env.tool("tar", &["-C", &dir, "--owner=12345", "--mode=a-w", "-czf", "-", "."]).run().succeeds();
    drop(tar);
    let archive = env.file("context.tar.gz");
    env.tool("tar", &["-C", &dir, "--owner=12345", "-czf", &archive.display().to_string(), "."]).run().succeeds();
    env.command("build -t archived -").stdin(fs::read(&archive).unwrap()).run().succeeds();
    assert_eq!(sh(&env, "archived", "cat /a; stat -c %u /a"), "archived\n0\n");
    assert_eq!(leftovers(&env), Vec::<String>::new());
    let file = env.write("other.Dockerfile", format!("FROM {}\nCOPY a /b\n", env.image()));
    env.write("other.Dockerfile.dockerignore", "a\n");
    build(&env, &["-f", &file.display().to_string(), &dir]).fails().stderr_has("not found");
    env.command("build -f - -t x .").stdin("FROM scratch\n").run().succeeds();
}

#[test]
fn a_killed_builder_leaves_nothing_and_the_next_one_succeeds() {
    let env = ready!(busybox);
    let dir =
        context(&env, "c", "FROM IMAGE\nRUN echo done > /first\nRUN test -e /go || { echo waits; sleep 1000; }\n");
    let running = env.command_argv(&["build", &dir]).spawn();
    eventually("the second step runs", || running.stderr().contains(" waits"));
    env.coracle("ps -aq").succeeds().stdout_is("");
    running.signal(Signal::SIGKILL);
    let _ = running.wait();
    // What it was about to run again.
    env.write("c/Dockerfile", format!("FROM {}\nRUN echo done > /first\nRUN cat /first\n", env.image()));
    let again = build(&env, &["-t", "x", &dir]).succeeds();
    assert_eq!(cached(&again), 2, "{}", again.stderr);
    eventually("the killed builder's step is gone", || {
        build(&env, &["-q", &dir]).succeeds();
        leftovers(&env).is_empty()
    });
}

#[test]
fn an_interrupted_build_ends_its_steps() {
    let env = ready!(busybox);
    let dir = context(&env, "c", "FROM IMAGE\nRUN echo waits; sleep 1000\n");
    let running = env.command_argv(&["build", &dir]).spawn();
    eventually("the step runs", || running.stderr().contains(" waits"));
    running.signal(Signal::SIGTERM);
    running.wait().fails().stderr_has("cancelled");
    eventually("nothing is left", || leftovers(&env).is_empty());
}

#[test]
fn two_builds_do_the_same_step_once() {
    let env = ready!(busybox);
    let dir = context(&env, "c", "FROM IMAGE\nRUN cat /proc/sys/kernel/random/uuid > /id; sleep 1\n");
    let mut builds: Vec<_> =
        ["one", "two", "three"].iter().map(|name| env.command_argv(&["build", "-t", name, &dir]).spawn()).collect();
    for build in builds.drain(..) {
        build.wait().succeeds();
    }
    let ids: Vec<String> = ["one", "two", "three"].iter().map(|name| sh(&env, name, "cat /id")).collect();
    assert!(ids[0] == ids[1] && ids[1] == ids[2], "{ids:?}");
}

#[test]
fn triggers_users_modes_and_times() {
    let env = ready!(busybox);
    let dir = context(
        &env,
        "base",
        "FROM IMAGE\nONBUILD COPY a /from/\nONBUILD RUN echo trigger > /trigger\nENTRYPOINT [\"echo\"]\nHEALTHCHECK --interval=5s CMD true\nSTOPSIGNAL INT\nVOLUME /data\n",
    );
    build(&env, &["-t", "base", &dir]).succeeds();
    env.coracle("run --rm --entrypoint sh base -c 'test ! -e /trigger'").succeeds();
    env.mkdir("c");
    env.write("c/Dockerfile", "FROM base\nCOPY --chown=user:staff --chmod=u=rwX,go=rX a /x/\nCOPY --chown=42 --chmod=4711 a /y\nRUN mkdir -p /data && echo written > /data/w\n");
    env.write("c/a", "a\n");
    let dir = env.file("c").display().to_string();
    let id = |name: &str| {
        build(&env, &["--no-cache", "--source-date-epoch", "1700000000", "-t", name, &dir]).succeeds();
        env.inspect(name, "{{.Id}}")
    };
    assert_eq!(id("one"), id("two"), "the same input, the same image");
    env.argv(&[
        "run",
        "--rm",
        "--entrypoint",
        "sh",
        "one",
        "-c",
        "stat -c '%u:%g %a %n' /x /x/a /y; cat /trigger /from/a; cat /data/w; stat -c %Y /trigger",
    ])
    .succeeds()
    .stdout_is("1000:50 755 /x\n1000:50 644 /x/a\n42:42 4711 /y\ntrigger\na\nwritten\n1700000000\n");
    assert_eq!(
        env.inspect("one", "{{.Config.StopSignal}} {{json .Config.Entrypoint}} {{json .Config.OnBuild}}"),
        "INT [\"echo\"] null"
    );
}

#[test]
fn archives_are_unpacked_and_parents_kept() {
    let env = ready!(busybox);
    let dir = context(
        &env,
        "c",
        "FROM IMAGE\nADD a.tar.gz /t/\nADD --unpack=false a.tar.gz /kept/\nADD plain.gz /t/\nCOPY --parents deep/./x/y/*.c deep/z/z.c /p/\nCOPY --exclude=**/*.c deep /e/\n",
    );
    env.mkdir("in");
    env.mkdir("in/d");
    env.write("in/d/file", "packed\n");
    let archive = env.file("c/a.tar.gz").display().to_string();
    let inside = env.file("in").display().to_string();
    env.tool("tar", &["-C", &inside, "--owner=5", "--group=6", "-czf", &archive, "d"]).run().succeeds();
    env.write("c/plain.gz", b"\x1f\x8bnot really");
    for directory in ["c/deep", "c/deep/x", "c/deep/x/y", "c/deep/z"] {
        env.mkdir(directory);
    }
    for file in ["c/deep/x/y/a.c", "c/deep/x/y/a.h", "c/deep/z/z.c"] {
        env.write(file, "c");
    }
    build(&env, &["-t", "x", &dir]).succeeds();
    assert_eq!(
        sh(&env, "x", "cat /t/d/file; stat -c %u:%g /t/d/file; ls /t /kept; find /p /e -type f | sort"),
        "packed\n5:6\n/kept:\na.tar.gz\n\n/t:\nd\nplain.gz\n/e/x/y/a.h\n/p/deep/z/z.c\n/p/x/y/a.c\n"
    );
}

#[test]
fn results_go_into_archives_and_directories() {
    let env = ready!(busybox);
    let outside = env.mkdir("outside");
    let dir = context(
        &env,
        "c",
        &format!(
            "FROM IMAGE AS make\nRUN mkdir -p /out/d && echo made > /out/d/file && chmod 4750 /out/d/file && ln -s {0} /out/link\nFROM scratch\nCOPY --from=make /out /\nCOPY a /link2/a\n",
            outside.display()
        ),
    );
    env.write("c/a", "a\n");
    let local = env.file("result").display().to_string();
    build(&env, &["-o", &local, &dir]).succeeds();
    assert_eq!(fs::read_to_string(env.file("result/d/file")).unwrap(), "made\n");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(env.file("result/d/file")).unwrap().permissions());
    assert_eq!(mode & 0o7777, 0o750);
    // Once more, over a link that the first time has left.
    let evil = context(&env, "d", "FROM scratch\nCOPY a /link/a\n");
    env.write("d/a", "a\n");
    build(&env, &["-o", &local, &evil]).succeeds();
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "nothing was written through the link");
    let archive = env.file("image.tar").display().to_string();
    build(&env, &["-t", "saved", "-o", &format!("type=oci,dest={archive}"), &dir]).succeeds();
    let id = env.inspect("saved", "{{.Id}}");
    env.coracle("rmi saved").succeeds();
    env.argv(&["load", "-i", &archive]).succeeds().stdout_has("saved");
    assert_eq!(env.inspect("saved", "{{.Id}}"), id);
    let files = env.file("files.tar").display().to_string();
    build(&env, &["-o", &format!("type=tar,dest={files}"), &dir]).succeeds();
    env.tool("tar", &["-tf", &files]).run().succeeds().stdout_has("d/file\n");
    build(&env, &["-o", "type=nothing", &dir]).fails().stderr_has("the types are");
}

#[test]
fn the_cache_is_shown_and_emptied() {
    let env = ready!(busybox);
    let dir = context(&env, "c", "FROM IMAGE\nRUN dd if=/dev/zero of=/x bs=1000 count=500 2>/dev/null\n");
    build(&env, &["-t", "x", &dir]).succeeds();
    env.coracle("buildx du").succeeds().stdout_has("false").stdout_has("Shared:").stdout_has("500kB");
    env.coracle("builder prune -f").succeeds().stdout_is("Total:\t0B\n");
    // The layer stays as long as the cache has it, and goes with it.
    env.coracle("rmi x").succeeds();
    assert_eq!(cached(&build(&env, &["-t", "x", &dir]).succeeds()), 2);
    env.coracle("rmi x").succeeds();
    env.coracle("builder prune -f --filter until=24h").succeeds().stdout_is("Total:\t0B\n");
    env.coracle("builder prune -f").succeeds().stdout_has("true").stdout_has("Total:\t500kB\n");
    assert_eq!(cached(&build(&env, &["-t", "x", &dir]).succeeds()), 1);
    env.coracle("builder prune -af").succeeds();
    env.coracle("run --rm x test -e /x").succeeds();
    env.coracle("buildx version").succeeds().stdout_has("coracle");
}

#[test]
fn named_contexts_and_stages_without_cache() {
    let env = ready!(busybox);
    let dir = context(
        &env,
        "c",
        "FROM tools AS a\nRUN echo a > /a\nFROM IMAGE AS b\nRUN echo b > /b\nFROM a\nCOPY --from=other x /x\nCOPY --from=b /b /b\nRUN --mount=type=bind,from=other,target=/o cat /o/x > /y\n",
    );
    env.mkdir("other");
    env.write("other/x", "other\n");
    env.write("other/.dockerignore", "hidden\n");
    env.write("other/hidden", "hidden\n");
    let other = format!("other={}", env.file("other").display());
    let tools = format!("tools=docker-image://{}", env.image());
    let arguments = ["-t", "x", "--build-context", &other, "--build-context", &tools];
    build(&env, &[&arguments[..], &[&dir]].concat()).succeeds();
    assert_eq!(sh(&env, "x", "cat /x /y /a /b"), "other\nother\na\nb\n");
    let again = build(&env, &[&arguments[..], &["--no-cache-filter", "b", &dir]].concat()).succeeds();
    assert!(again.stderr.contains("[b 2/2] RUN echo b > /b\n") && cached(&again) == 6, "{}", again.stderr);
    build(&env, &["--build-context", "other", &dir]).fails().stderr_has("docker-image://");
}

#[test]
fn a_linked_copy_does_not_depend_on_what_is_below() {
    let env = ready!(busybox);
    let dir =
        context(&env, "c", "FROM IMAGE\nARG N\nRUN echo $N > /n; ln -s /elsewhere /there\nCOPY --link a /there/a\n");
    env.write("c/a", "a\n");
    build(&env, &["-t", "x", "--build-arg", "N=1", &dir]).succeeds();
    assert_eq!(sh(&env, "x", "test -d /there && ! test -L /there && ! test -e /elsewhere && cat /there/a"), "a\n");
    let other = build(&env, &["--build-arg", "N=2", &dir]).succeeds();
    assert!(other.stderr.contains("COPY --link a /there/a\n#4 CACHED"), "{}", other.stderr);
    build(&env, &["--build-arg", "N=1", "--build-arg", "UNUSED=1", &dir])
        .succeeds()
        .stderr_has("[UNUSED] were not consumed");
}
