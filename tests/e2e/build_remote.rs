//! Sources of builds that are somewhere else: `ADD` of URLs and repositories, remote contexts, and what hostile ones may not.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command as Program, Stdio};

use crate::support::bad_registry::{BadRegistry, Reply, Request, digest};
use crate::support::env::Env;
use crate::support::eventually;
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

/// A build whose Dockerfile may reach this machine, where the servers of the tests are.
#[track_caller]
fn allowed(env: &Env, arguments: &[&str]) -> Output {
    env.argv(&[&["build", "--allow", "network.host"], arguments].concat())
}

#[track_caller]
fn sh(env: &Env, image: &str, line: &str) -> String {
    env.argv(&["run", "--rm", image, "sh", "-c", line]).succeeds().stdout.clone()
}

/// A server with a few files.
fn files(archive: Vec<u8>) -> BadRegistry {
    BadRegistry::start(move |request: &Request| {
        let path = request.path.split('?').next().unwrap_or_default();
        match path {
            "/file.txt" if request.header("if-none-match") == "\"one\"" => Reply::new(304, ""),
            "/file.txt" => Reply::new(200, "of the server\n")
                .header("ETag", "\"one\"")
                .header("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT"),
            "/named" => {
                Reply::new(200, "named\n").header("Content-Disposition", "attachment; filename=\"../../given\"")
            }
            "/archive.tar" => Reply::new(200, archive.clone()),
            "/Dockerfile" => Reply::new(200, "FROM scratch\nLABEL remote=1\n"),
            "/secret" if request.header("authorization") == "Bearer the-token" => Reply::new(200, "for friends\n"),
            "/secret" => Reply::new(401, ""),
            "/away" => Reply::new(302, "").header("Location", "/file.txt"),
            "/metadata" => Reply::new(302, "").header("Location", "http://169.254.169.254/latest"),
            "/circle" => Reply::new(302, "").header("Location", "/circle"),
            _ => Reply::new(404, ""),
        }
    })
}

fn archive(env: &Env) -> Vec<u8> {
    env.mkdir("packed");
    env.write("packed/Dockerfile", format!("FROM {}\nCOPY inside /inside\n", env.image()));
    env.write("packed/inside", "inside\n");
    let path = env.file("packed.tar").display().to_string();
    let from = env.file("packed").display().to_string();
    env.tool("tar", &["-C", &from, "-cf", &path, "."]).run().succeeds();
    fs::read(path).unwrap()
}

#[test]
fn files_are_added_from_servers() {
    let env = ready!(busybox);
    let server = files(archive(&env));
    let host = server.host();
    let sum = digest(b"of the server\n");
    let dir = context(
        &env,
        "c",
        &format!(
            "FROM IMAGE\nADD http://{host}/file.txt /exact\nADD --checksum={sum} --chmod=644 --chown=7:8 http://{host}/away http://{host}/file.txt /dir/\n"
        )
        .replace(&format!("http://{host}/away http"), "http"),
    );
    allowed(&env, &["-t", "x", &dir]).succeeds();
    assert_eq!(
        sh(&env, "x", "cat /exact; stat -c '%a %u:%g %Y' /exact; stat -c '%a %u:%g' /dir/file.txt"),
        "of the server\n600 0:0 1445412480\n644 7:8\n"
    );
    let asked = server.count("/file.txt");
    let again = allowed(&env, &["-t", "x", &dir]).succeeds();
    assert!(again.stderr.matches(" CACHED").count() >= 3, "{}", again.stderr);
    // One question whether it has changed; what has a checksum is not asked for.
    assert_eq!(server.count("/file.txt"), asked + 1);
    let dir = context(
        &env,
        "d",
        &format!(
            "FROM IMAGE\nADD http://{host}/named http://{host}/away /n/\nADD --unpack=true http://{host}/archive.tar /u/\nADD http://{host}/archive.tar /k/\n"
        ),
    );
    allowed(&env, &["-t", "y", &dir]).succeeds();
    assert_eq!(
        sh(&env, "y", "ls /n /u /k; cat /u/inside"),
        "/k:\narchive.tar\n\n/n:\naway\ngiven\n\n/u:\nDockerfile\ninside\ninside\n"
    );
    env.write("token", "the-token\n");
    let dir = context(&env, "e", &format!("FROM IMAGE\nADD http://{host}/secret /s\n"));
    let secret = format!("id=HTTP_AUTH_TOKEN_{host},src={}", env.file("token").display());
    allowed(&env, &["-t", "z", "--secret", &secret, &dir]).succeeds();
    assert_eq!(sh(&env, "z", "cat /s"), "for friends\n");
    for (line, reason) in [
        (format!("ADD --checksum=sha256:{} http://{host}/file.txt /x", "0".repeat(64)), "digest mismatch"),
        (format!("ADD http://{host}/nothing /x"), "404"),
        (format!("ADD http://{host}/circle /x"), "redirects in circles"),
        (format!("COPY http://{host}/file.txt /x"), "source can't be a URL for COPY"),
    ] {
        let dir = context(&env, "f", &format!("FROM IMAGE\n{line}\n"));
        allowed(&env, &[&dir]).fails().stderr_has(reason);
    }
}

#[test]
fn a_dockerfile_does_not_reach_this_machine() {
    let env = ready!(busybox);
    let server = files(Vec::new());
    let port = server.port();
    for url in [
        format!("http://127.0.0.1:{port}/file.txt"),
        format!("http://localhost:{port}/file.txt"),
        format!("http://[::ffff:127.0.0.1]:{port}/file.txt"),
        format!("http://2130706433:{port}/file.txt"),
        format!("http://0.0.0.0:{port}/file.txt"),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        format!("git://127.0.0.1:{port}/a"),
        format!("http://127.0.0.1:{port}/a.git"),
        format!("ssh://git@localhost:{port}/a"),
    ] {
        let dir = context(&env, "c", &format!("FROM IMAGE\nADD {url} /x\n"));
        build(&env, &[&dir]).fails().stderr_has("address of this machine or its link");
    }
    assert_eq!(server.requests().len(), 0);
    for url in
        ["git@-oProxyCommand=touch:a", "https://example.invalid/a.git#--upload-pack=touch", "ssh://-oProxyCommand=x/a"]
    {
        let dir = context(&env, "c", &format!("FROM IMAGE\nADD {url} /x\n"));
        allowed(&env, &[&dir]).fails().stderr_has("git repository");
    }
}

/// `git daemon` with one repository; ends with the test.
struct Repositories {
    daemon: Child,
    port: u16,
}

impl Drop for Repositories {
    fn drop(&mut self) {
        // The daemon is a child of `git`.
        let _ = nix::sys::signal::killpg(
            nix::unistd::Pid::from_raw(self.daemon.id() as i32),
            nix::sys::signal::Signal::SIGKILL,
        );
        let _ = self.daemon.wait();
    }
}

fn git(env: &Env, directory: &Path, arguments: &[&str]) -> String {
    let all = [
        &[
            "-C",
            directory.to_str().unwrap(),
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@t",
            "-c",
            "protocol.file.allow=always",
        ],
        arguments,
    ]
    .concat();
    env.tool("git", &all).run().succeeds().stdout.trim().to_owned()
}

fn repositories(env: &Env) -> Repositories {
    let work = env.mkdir("work");
    git(env, &work, &["init", "-q", "-b", "main"]);
    env.mkdir("work/sub");
    env.write("work/Dockerfile", format!("FROM {}\nCOPY . /all\n", env.image()));
    env.write("work/sub/Dockerfile", format!("FROM {}\nCOPY a /sub-a\n", env.image()));
    env.write("work/sub/a", "of main\n");
    std::os::unix::fs::symlink("/etc", env.file("work/out")).unwrap();
    git(env, &work, &["add", "."]);
    git(env, &work, &["commit", "-q", "-m", "one"]);
    git(env, &work, &["tag", "-a", "v1", "-m", "v1"]);
    git(env, &work, &["checkout", "-q", "-b", "other"]);
    env.write("work/sub/a", "of other\n");
    git(env, &work, &["commit", "-q", "-a", "-m", "two"]);
    git(env, &work, &["checkout", "-q", "main"]);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let daemon = Program::new("git")
        .args(["daemon", "--export-all", "--listen=127.0.0.1", &format!("--port={port}"), "--reuseaddr"])
        .arg(format!("--base-path={}", work.parent().unwrap().display()))
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("git");
    eventually("git listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    Repositories { daemon, port }
}

#[test]
fn repositories_are_added_and_are_contexts() {
    let env = ready!(busybox);
    let server = repositories(&env);
    let work = env.file("work");
    let url = format!("git://127.0.0.1:{}/work", server.port);
    let commit = git(&env, &work, &["rev-parse", "other"]);
    let dir = context(
        &env,
        "c",
        &format!(
            "FROM IMAGE\nADD {url}#v1:sub /tag/\nADD --checksum={commit} {url}#other /branch\nADD --keep-git-dir {url}#{commit} /commit\n"
        ),
    );
    allowed(&env, &["-t", "x", &dir]).succeeds();
    assert_eq!(
        sh(
            &env,
            "x",
            "cat /tag/a /branch/sub/a /commit/sub/a; test -d /commit/.git && ! test -e /branch/.git && stat -c '%a %u' /tag/a; readlink /branch/out"
        ),
        "of main\nof other\nof other\n644 0\n/etc\n"
    );
    assert!(allowed(&env, &[&dir]).succeeds().stderr.matches(" CACHED").count() >= 4);
    for (reference, reason) in [("nothing", "does not contain ref nothing"), ("other:../..", "not found")] {
        let dir = context(&env, "d", &format!("FROM IMAGE\nADD {url}#{reference} /x\n"));
        let failed = allowed(&env, &[&dir]);
        assert!(reference.contains("..") || failed.stderr.contains(reason), "{}", failed.stderr);
    }
    let dir = context(&env, "e", &format!("FROM IMAGE\nADD --checksum={} {url}#main /x\n", "a".repeat(40)));
    allowed(&env, &[&dir]).fails().stderr_has("expected checksum to match");
    // As a context; the user may name this machine.
    build(&env, &["-t", "whole", &url]).succeeds();
    assert_eq!(sh(&env, "whole", "cat /all/sub/a; test ! -e /all/.git && echo ok"), "of main\nok\n");
    build(&env, &["-t", "part", &format!("{url}#other:sub")]).succeeds();
    assert_eq!(sh(&env, "part", "cat /sub-a"), "of other\n");
    // A link of the repository leads nowhere else.
    build(&env, &[&format!("{url}#main:out")]).fails().stderr_has("cannot open");
    let named = format!("src={url}#other");
    let dir = context(&env, "f", "FROM IMAGE\nCOPY --from=src sub/a /a\n");
    build(&env, &["-t", "named", "--build-context", &named, &dir]).succeeds();
    assert_eq!(sh(&env, "named", "cat /a"), "of other\n");
    assert_eq!(left(&env), Vec::<String>::new());
}

/// What is left of fetched sources.
fn left(env: &Env) -> Vec<String> {
    let entries = fs::read_dir(env.data().join("build/remote")).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().display().to_string()).filter(|name| !name.ends_with(".lock")).collect()
}

#[test]
fn archives_and_dockerfiles_of_servers_are_contexts() {
    let env = ready!(busybox);
    let server = files(archive(&env));
    let host = server.host();
    build(&env, &["-t", "archive", &format!("http://{host}/archive.tar")]).succeeds();
    assert_eq!(sh(&env, "archive", "cat /inside"), "inside\n");
    build(&env, &["-t", "alone", &format!("http://{host}/Dockerfile")]).succeeds();
    assert_eq!(env.inspect("alone", "{{.Config.Labels.remote}}"), "1");
    let dir = context(&env, "c", "FROM IMAGE\nCOPY --from=far inside /x\n");
    build(&env, &["-t", "far", "--build-context", &format!("far=http://{host}/archive.tar"), &dir]).succeeds();
    assert_eq!(sh(&env, "far", "cat /x"), "inside\n");
    assert_eq!(left(&env), Vec::<String>::new());
}

#[test]
fn images_of_layouts_are_contexts() {
    let env = ready!(busybox);
    let dir = context(&env, "base", "FROM IMAGE\nRUN echo of the layout > /x\n");
    let layout = env.file("layout").display().to_string();
    build(&env, &["-t", "base:one", "-o", &format!("type=oci,tar=false,dest={layout}"), &dir]).succeeds();
    env.coracle("rmi base:one").succeeds();
    let dir = context(&env, "c", "FROM base\nCOPY --from=base /x /y\n");
    build(&env, &["-t", "x", "--build-context", &format!("base=oci-layout://{layout}"), &dir]).succeeds();
    assert_eq!(sh(&env, "x", "cat /x /y"), "of the layout\nof the layout\n");
    env.coracle("image exists base:one").exits_with(1);
    build(&env, &["--build-context", &format!("base=oci-layout://{layout}:nothing"), &dir])
        .fails()
        .stderr_has("no image `nothing`");
}
