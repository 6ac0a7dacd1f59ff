//! The same Dockerfile built by coracle and by buildah: the same files with the same modes, owners and times, and the same
//! configuration.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::support::env::Env;
use crate::support::missing_tool;
use crate::support::output::Output;
use crate::support::skip;

const DOCKERFILE: &str = "FROM IMAGE AS tool
RUN mkdir -p /out/d && echo tool > /out/d/tool && chmod 2750 /out/d && chown 3:4 /out/d/tool && ln -s tool /out/d/link
FROM IMAGE
ARG NAME=world
ENV GREETING=\"hello ${NAME}\" PATH=/opt/bin:$PATH
LABEL a=1 b=\"two words\"
WORKDIR /srv/app
COPY files ./
COPY --chown=5:6 --chmod=640 files/plain owned/
COPY files/plain files/run.sh /several/
ADD packed.tar.gz /unpacked/
COPY --from=tool /out/ /out/
RUN echo \"$GREETING\" > made && rm /etc/group && mkdir -m 1777 /sticky
EXPOSE 80 53/udp
VOLUME /data
USER 1000:1001
STOPSIGNAL SIGINT
ENTRYPOINT [\"/srv/app/run.sh\"]
CMD [\"a\", \"b\"]
";

fn context(env: &Env) -> String {
    env.mkdir("c");
    env.mkdir("c/files");
    env.mkdir("c/files/sub");
    env.write("c/Dockerfile", DOCKERFILE.replace("IMAGE", &env.image()));
    env.write("c/files/plain", "plain\n");
    env.write("c/files/sub/deep", "deep\n");
    env.write("c/files/run.sh", "#!/bin/sh\n");
    env.write("c/files/ignored.o", "object");
    env.write("c/.dockerignore", "**/*.o\n");
    let run = env.file("c/files/run.sh");
    fs::set_permissions(&run, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("sub/deep", env.file("c/files/link")).unwrap();
    for name in ["c/files/plain", "c/files/sub/deep", "c/files/run.sh"] {
        let file = fs::File::options().write(true).open(env.file(name)).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_234_567_890)).unwrap();
    }
    let archive = env.file("c/packed.tar.gz").display().to_string();
    let inside = env.file("c/files").display().to_string();
    env.tool("tar", &["-C", &inside, "--owner=7", "--group=8", "-czf", &archive, "sub"]).run().succeeds();
    env.file("c").display().to_string()
}

fn buildah(env: &Env, arguments: &[&str]) -> Output {
    let (root, run) = (env.file("peer").display().to_string(), env.file("peer-run").display().to_string());
    let global = ["--root", &root, "--runroot", &run, "--storage-driver", "vfs"];
    env.tool("buildah", &[&global[..], arguments].concat()).run()
}

/// Name, mode, owner and time of each file that the build has made, from a verbose listing of an archive.
fn listed(env: &Env, archive: &str) -> BTreeMap<String, String> {
    let listing = env.tool("tar", &["--numeric-owner", "--full-time", "-tvf", archive]).run().succeeds();
    let mut files = BTreeMap::new();
    for line in listing.stdout.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [mode, owner, size, day, time, name, ..] = words[..] else { continue };
        let name = name.trim_start_matches("./").trim_end_matches('/').to_owned();
        let is_ours = ["srv", "several", "unpacked", "out", "sticky", "data", "etc/group"]
            .iter()
            .any(|top| name.starts_with(top));
        // What a step makes has the time of the step.
        let kept = day == "2009-02-13";
        let size = if mode.starts_with('d') { "" } else { size };
        let target = line.split_once(" -> ").map_or("", |(_, target)| target);
        if is_ours {
            let time = if kept { time } else { "" };
            files.insert(name, format!("{mode} {owner} {size} {time} {target}"));
        }
    }
    files
}

#[test]
fn buildah_makes_the_same_files_and_configuration() {
    let env = ready!(busybox);
    if let Some(missing) = missing_tool(&["buildah"]) {
        return skip(&format!("{missing} is not installed"));
    }
    let dir = context(&env);
    let ours = env.file("ours.tar").display().to_string();
    env.argv(&["build", "-t", "ours", "-o", &format!("type=tar,dest={ours}"), &dir]).succeeds();
    let policy = env.write("policy.json", r#"{"default":[{"type":"insecureAcceptAnything"}]}"#).display().to_string();
    let options = [
        "bud",
        "--isolation",
        "chroot",
        "--tls-verify=false",
        "--signature-policy",
        &policy,
        "-q",
        "-t",
        "theirs",
        &dir,
    ];
    buildah(&env, &options).succeeds();
    let container =
        buildah(&env, &["from", "--pull-never", "--signature-policy", &policy, "theirs"]).succeeds().line().to_owned();
    let theirs = env.file("theirs.tar").display().to_string();
    let (root, run) = (env.file("peer").display().to_string(), env.file("peer-run").display().to_string());
    let script = format!(
        "m=$(buildah --root {root} --runroot {run} --storage-driver vfs mount {container}) && tar -C $m --numeric-owner -cf {theirs} ."
    );
    buildah(&env, &["unshare", "sh", "-c", &script]).succeeds();
    let (left, right) = (listed(&env, &ours), listed(&env, &theirs));
    assert!(left.len() > 15 && left.contains_key("srv/app/sub/deep") && !left.contains_key("etc/group"), "{left:#?}");
    assert_eq!(left, right);
    let ours: Value = serde_json::from_str(&env.inspect("ours", "{{json .Config}}")).unwrap();
    let theirs = buildah(&env, &["inspect", "--type", "image", "theirs"]).succeeds();
    let theirs = theirs.json()["OCIv1"]["config"].clone();
    for key in ["User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "StopSignal"] {
        // buildah puts the search path behind the variables of the file.
        let sorted = |value: &Value| {
            let mut words: Vec<String> = value.as_array().into_iter().flatten().map(Value::to_string).collect();
            words.sort();
            words
        };
        match key {
            "Env" => assert_eq!(sorted(&ours[key]), sorted(&theirs[key]), "{key}"),
            _ => assert_eq!(ours[key], theirs[key], "{key}"),
        }
    }
    for label in ["a", "b"] {
        assert_eq!(ours["Labels"][label], theirs["Labels"][label]);
    }
    let steps = |lines: &str| lines.lines().filter(|line| !line.trim().is_empty()).count();
    let history = env.coracle("history --no-trunc --format {{.CreatedBy}} ours").succeeds();
    assert!(steps(&history.stdout) >= 15, "{}", history.stdout);
}
