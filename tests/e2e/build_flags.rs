//! Flags of `build`: checks and outlines, what they change in steps and in the image, and how progress is shown.

use std::fs;

use crate::support::env::Env;
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

#[test]
fn checks_are_told_and_can_fail_a_build() {
    let env = ready!(busybox);
    let dir = context(&env, "c", "FROM IMAGE as base\nCOPY hidden /\nCMD echo $HOME\n");
    env.write("c/.dockerignore", "hidden\n");
    let checked = build(&env, &["--check", &dir]).exits_with(1);
    assert!(checked.stdout.starts_with("Check complete, 3 warnings have been found!\n"), "{}", checked.stdout);
    for part in [
        "WARNING: FromAsCasing - https://docs.docker.com/go/dockerfile/rule/from-as-casing/\n'as' and 'FROM' keywords' casing do not match\nDockerfile:1\n--------------------\n",
        "   2 | >>> COPY hidden /\n",
        "JSONArgsRecommended",
    ] {
        assert!(checked.stdout.contains(part), "{part}: {}", checked.stdout);
    }
    let json = build(&env, &["--call=check,format=json", &dir]).exits_with(1).json();
    assert_eq!(json["warnings"].as_array().map(Vec::len), Some(3));
    assert_eq!(json["warnings"][0]["ruleName"], "FromAsCasing");
    let good = context(&env, "good", "FROM IMAGE\nENV A=$PATH\nCMD [\"true\"]\n");
    build(&env, &["--check", &good]).succeeds().stdout_is("Check complete, no warnings found.\n");
    // A build says it briefly, and does not fail unless the file wants that.
    let built = build(&env, &[&context(&env, "d", "FROM IMAGE\nCMD x\n")]).succeeds();
    let brief = " 1 warning found (use coracle --debug to expand):\n - JSONArgsRecommended: JSON arguments";
    assert!(built.stderr.contains(brief), "{}", built.stderr);
    let strict = context(&env, "e", "# check=error=true\nFROM IMAGE\nRUN echo ran > /x\nCMD x\n");
    let failed = build(&env, &[&strict]).fails().stderr_has("lint violation found for rules: JSONArgsRecommended");
    assert!(!failed.stderr.contains("] RUN echo"), "it fails before anything is run: {}", failed.stderr);
    build(&env, &["--build-arg", "BUILDKIT_DOCKERFILE_CHECK=skip=all", &strict]).succeeds();
}

#[test]
fn targets_and_arguments_are_listed() {
    let env = ready!(busybox);
    let dir = context(
        &env,
        "c",
        "# VERSION which version\nARG VERSION=1\n# base what all stages have\nFROM IMAGE AS base\nARG VERSION\nRUN --mount=type=secret,id=token,required=true true\nFROM base AS last\nARG MODE\n",
    );
    build(&env, &["--call=targets", &dir])
        .succeeds()
        .stdout_is("TARGET           DESCRIPTION\nbase             what all stages have\nlast (default)   \n");
    let outline = build(&env, &["--call=outline", "--build-arg", "MODE=fast", &dir]).succeeds();
    for part in ["TARGET:   last\n", "VERSION     1         which version\n", "MODE        fast", "token     true\n"] {
        assert!(outline.stdout.contains(part), "{part}: {}", outline.stdout);
    }
    build(&env, &["--call=everything", &dir]).fails().stderr_has("check, outline or targets");
}

#[test]
fn layers_are_squashed() {
    let env = ready!(busybox);
    let dir = context(
        &env,
        "c",
        "FROM IMAGE\nRUN mkdir -p /d/gone /keep && echo one > /d/one && echo x > /d/gone/x && echo k > /keep/k\nRUN rm -r /d/gone /etc/group && rm -r /keep && mkdir /keep && echo two > /keep/two && chown 5:6 /keep/two\nENV A=1\n",
    );
    build(&env, &["-t", "plain", &dir]).succeeds();
    let layers = |name: &str| env.inspect(name, "{{len .RootFS.Layers}}").parse::<usize>().unwrap();
    let base = layers("plain") - 2;
    let files =
        "cd /; find d keep etc/group -exec stat -c '%n %a %u:%g %F' {} \\; 2>/dev/null | sort; cat d/one keep/two";
    let expected = sh(&env, "plain", files);
    assert!(expected.contains("keep/two 644 5:6"), "{expected}");
    for (flag, count) in [("--squash", base + 1), ("--squash-all", 1), ("--layers=false", base + 1)] {
        build(&env, &[flag, "-t", "squashed", &dir]).succeeds();
        assert_eq!((layers("squashed"), sh(&env, "squashed", files)), (count, expected.clone()), "{flag}");
        let history = env.coracle("history --no-trunc --format {{.CreatedBy}} squashed").succeeds();
        history.stdout_has("ENV A=1");
    }
}

#[test]
fn the_image_is_changed_beside_the_dockerfile() {
    let env = ready!(busybox);
    let base = context(&env, "base", "FROM IMAGE\nLABEL of.base=1 other=2\nENV BASE=1\n");
    build(&env, &["-t", "base", &base]).succeeds();
    let dir = context(
        &env,
        "c",
        "ARG IMG=nothing\nFROM $IMG\nENV OWN=1\nLABEL own=3\nRUN echo $FROM_FILE > /x\nARG FROM_FILE\nRUN echo $FROM_FILE >> /x\n",
    );
    let args = env.file("args").display().to_string();
    env.write("args", "# a comment\nFROM_FILE=of the file\n\n");
    let changed = |name: &str, flags: &[&str]| {
        build(&env, &[flags, &["--from", "base", "-t", name, "--build-arg-file", &args, &dir]].concat()).succeeds();
        env.inspect(name, "{{json .Config.Labels}} {{json .Config.Env}}")
    };
    let plain = changed("one", &["--env", "MORE=1", "--unsetenv", "BASE", "--unsetlabel", "other", "--label", "l=4"]);
    assert!(plain.contains(r#"{"l":"4","of.base":"1","own":"3"}"#), "{plain}");
    assert!(plain.contains("OWN=1") && plain.contains("MORE=1") && !plain.contains("BASE"), "{plain}");
    assert_eq!(sh(&env, "one", "cat /x"), "\nof the file\n");
    assert!(changed("two", &["--inherit-labels=false"]).starts_with(r#"{"own":"3"}"#));
    changed("three", &["--omit-history"]);
    // Layers are listed all the same, without what made them.
    assert_eq!(env.coracle("history --format {{.CreatedBy}}{{.Comment}} three").succeeds().stdout.trim(), "");
    // All files of new layers have the time, older ones as well.
    let dir = context(&env, "d", "FROM IMAGE\nCOPY a /a\nRUN echo b > /b\n");
    env.write("d/a", "a");
    let old = fs::File::options().write(true).open(env.file("d/a")).unwrap();
    old.set_modified(std::time::UNIX_EPOCH).unwrap();
    build(&env, &["--timestamp", "1700000000", "-t", "timed", &dir]).succeeds();
    assert_eq!(sh(&env, "timed", "stat -c %Y /a /b"), "1700000000\n1700000000\n");
    assert_eq!(env.inspect("timed", "{{.Created}}"), "2023-11-14T22:13:20Z");
    build(&env, &["--source-date-epoch", "1700000000", "-t", "timed", &dir]).succeeds();
    assert_eq!(sh(&env, "timed", "stat -c %Y /a /b"), "0\n1700000000\n");
}

#[test]
fn steps_get_what_containers_get() {
    let env = ready!(busybox);
    let dir = context(
        &env,
        "c",
        "FROM IMAGE\nRUN ulimit -n > /n; cat /etc/hosts > /hosts; cat /mnt/file > /file; grep CapBnd /proc/self/status > /caps; echo ${http_proxy:-none} > /proxy\n",
    );
    env.mkdir("shared");
    env.write("shared/file", "of the host\n");
    let volume = format!("{}:/mnt:ro", env.file("shared").display());
    let flags = [
        "--ulimit",
        "nofile=77:88",
        "--add-host",
        "far:192.0.2.9",
        "--cap-drop",
        "ALL",
        "-v",
        &volume,
        "-t",
        "x",
        &dir,
    ];
    env.command_argv(&[&["build"], &flags[..]].concat()).var("http_proxy", "http://proxy.invalid").run().succeeds();
    let seen = sh(&env, "x", "cat /n /file /caps /proxy; grep -c 192.0.2.9 /hosts; ls /mnt 2>&1 | wc -l");
    assert_eq!(seen, "77\nof the host\nCapBnd:\t0000000000000000\nhttp://proxy.invalid\n1\n1\n");
    assert!(!env.inspect("x", "{{json .Config.Env}}").contains("proxy"));
    for (flag, reason) in [
        ("--isolation=chroot", "--isolation=chroot is not supported"),
        ("--builder=remote", "no builder \"remote\" found"),
        ("--rm=false", "--rm=false is not supported"),
        ("--allow=security.insecure", "network.host"),
        ("--progress=fancy", "rawjson"),
        ("--os=plan9", "plan9"),
    ] {
        build(&env, &[flag, &dir]).fails().stderr_has(reason);
    }
}

#[test]
fn the_host_network_must_be_allowed() {
    let env = ready!(busybox);
    let dir = context(&env, "c", "FROM IMAGE\nRUN --network=host readlink /proc/self/ns/net > /net\n");
    build(&env, &[&dir]).fails().stderr_has("entitlement network.host is not allowed");
    build(&env, &["--allow", "network.host", "-t", "x", &dir]).succeeds();
    let own = fs::read_link("/proc/self/ns/net").unwrap();
    assert_eq!(sh(&env, "x", "cat /net").trim(), own.display().to_string());
}

#[test]
fn unneeded_stages_and_jobs() {
    let env = ready!(busybox);
    let dir = context(
        &env,
        "c",
        "FROM IMAGE AS unused\nRUN echo was built\nFROM IMAGE AS a\nRUN echo a > /a\nFROM IMAGE\nCOPY --from=a /a /a\n",
    );
    let built = build(&env, &["--jobs", "1", &dir]).succeeds();
    assert!(!built.stderr.contains("was built"));
    build(&env, &["--skip-unused-stages=false", &dir]).succeeds().stderr_has("was built");
}

#[test]
fn progress_on_a_terminal_and_for_programs() {
    let env = ready!(busybox);
    let dir = context(&env, "c", "FROM IMAGE\nRUN printf 'visible\\033[2J\\n'; echo done > /x\n");
    let terminal = env.terminal(&format!("build -t x {dir}"));
    terminal.expects("[+] Building ");
    let shown = terminal.wait().succeeds();
    // A quick build may show nothing but its end.
    for part in ["RUN printf", "FINISHED"] {
        assert!(shown.stdout.contains(part), "{}", shown.stdout.escape_debug());
    }
    assert!(!shown.stdout.contains("\u{1b}[2J"), "{}", shown.stdout.escape_debug());
    assert!(shown.stdout.contains("\u{1b}[34m"), "coloured");
    let plain = crate::support::terminal::Terminal::start(
        env.command(&format!("build --no-cache {dir}")).var("TERM", "xterm").var("NO_COLOR", "1"),
    );
    assert!(!plain.wait().succeeds().stdout.contains("\u{1b}[34m"));
    let raw = build(&env, &["--progress=rawjson", "--no-cache", &dir]).succeeds();
    let lines: Vec<serde_json::Value> = raw.stderr.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert!(
        lines.iter().any(|line| line["vertexes"][0]["name"].as_str().is_some_and(|name| name.contains("RUN printf")))
    );
    assert!(
        lines.iter().any(|line| line["logs"][0]["data"].as_str().is_some_and(|data| data.starts_with("dmlzaWJsZ")))
    );
    build(&env, &["--progress=tty", &dir]).fails().stderr_has("needs a terminal");
}
