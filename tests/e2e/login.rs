//! `login` and `logout`: what is asked, what is checked, and where it is kept.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::support::env::Env;
use crate::support::output::Command;
use crate::support::registry::{CREDENTIALS, Registry};
use crate::support::terminal::Terminal;

/// coracle under another name.
fn called(env: &Env, name: &str, arguments: &[&str]) -> Command {
    let link = env.root().join("bin").join(name);
    if !link.exists() && name != "coracle" {
        std::os::unix::fs::symlink("coracle", &link).expect("our directory");
    }
    env.tool(&link.to_string_lossy(), arguments)
}

fn auths(file: &Path) -> Value {
    let text = fs::read_to_string(file).expect("a file with credentials");
    serde_json::from_str::<Value>(&text).expect("JSON")["auths"].clone()
}

fn mode(file: &Path) -> u32 {
    fs::metadata(file).expect("a file").permissions().mode() & 0o777
}

#[test]
fn credentials_are_checked_and_then_kept_where_the_persona_does() {
    let env = ready!();
    let registry = Registry::start_with_password();
    let (host, (user, password)) = (registry.address(), CREDENTIALS);
    let session = env.root().join("run/containers/auth.json");
    let docker = env.home().join(".docker/config.json");
    for (name, file, words) in [
        ("coracle", &session, "Login Succeeded\n"),
        ("podman", &session, "Login Succeeded!\n"),
        ("docker", &docker, "Login Succeeded\n"),
    ] {
        let with =
            |password: &str| called(&env, name, &["login", "-u", user, "--password-stdin", host]).stdin(password).run();
        let wrong = with("hunter2");
        assert!(!wrong.stderr.contains("hunter2") && wrong.stderr.contains("invalid username/password"));
        wrong.exits_with(if name == "podman" { 125 } else { 1 });
        assert!(!file.exists(), "{name}: what the registry refuses is not kept");
        let right = with(&format!("{password}\n")).succeeds().stdout_is(words);
        assert_eq!(right.stderr.contains("stored unencrypted"), name == "docker", "{}", right.stderr);
        assert_eq!(mode(file), 0o600);
        assert!(auths(file)[host]["auth"].is_string());
        called(&env, name, &["login", "--get-login", host]).run().succeeds().stdout_is(&format!("{user}\n"));
        let again = called(&env, name, &["login", host]).run().succeeds();
        assert!(again.stdout.starts_with("Authenticating with existing credentials"), "{}", again.stdout);
        let gone = called(&env, name, &["logout", host]).run().succeeds();
        let said = if name == "podman" { "Removed" } else { "Removing" };
        gone.stdout_is(&format!("{said} login credentials for {host}\n"));
        assert_eq!(auths(file), serde_json::json!({}));
        let again = called(&env, name, &["logout", host]).run();
        match name {
            "docker" => again.succeeds().stdout_is(&format!("Not logged in to {host}\n")),
            _ => again.fails().stderr_has("not logged into"),
        };
        fs::remove_file(file).expect("our file");
    }
}

#[test]
fn files_can_be_named_and_keep_what_is_in_them() {
    let env = ready!();
    let registry = Registry::start_with_password();
    let (host, (user, password)) = (registry.address(), CREDENTIALS);
    let login = |options: &str| env.coracle(&format!("login -u {user} -p {password} {options} {host}"));
    let file = env.file("auth.json");
    login(&format!("--authfile {} --verbose", file.display()))
        .succeeds()
        .stdout_has(&format!("Used:  {}\n", file.display()))
        .stderr_has("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
    assert!(auths(&file)[host].is_object());
    let compat = env.write("config.json", "{\n  \"psFormat\": \"x\",\n  \"auths\": {}\n}\n");
    login(&format!("--compat-auth-file {}", compat.display())).succeeds().stderr_has("others could read");
    let text = fs::read_to_string(&compat).expect("ours");
    assert!(text.starts_with("{\n  \"psFormat\": \"x\",\n  \"auths\": {\n    \""), "{text}");
    assert_eq!(mode(&compat), 0o600);
    // By the variable, which need not name a file that is there.
    let named = env.file("named.json");
    let run = |arguments: &[&str]| env.command_argv(arguments).var("REGISTRY_AUTH_FILE", &named).run();
    run(&["login", "-u", user, "-p", password, host]).succeeds();
    run(&["login", "--get-login", host]).succeeds().stdout_is(&format!("{user}\n"));
    env.coracle(&format!("login --get-login {host}")).fails_with(1).stderr_has("not logged into");
    run(&["logout", "--all"]).succeeds().stdout_is("Removed login credentials for all registries\n");
    assert_eq!(auths(&named), serde_json::json!({}));
    // A damaged file is not overwritten.
    let damaged = env.write("damaged.json", "{\"auths\": {");
    login(&format!("--authfile {}", damaged.display())).fails_with(1).explains();
    assert_eq!(fs::read_to_string(&damaged).expect("ours"), "{\"auths\": {");
}

#[test]
fn a_credential_helper_keeps_the_password() {
    let env = ready!();
    let registry = Registry::start_with_password();
    let (host, (user, password)) = (registry.address(), CREDENTIALS);
    let bin = env.mkdir("helpers");
    let kept = env.file("kept");
    let script = format!(
        "#!/bin/sh\nset -e\nkept={}\ncase $1 in\nstore) cat >$kept ;;\nget) [ -s $kept ] || {{ echo credentials not found in native keychain; exit 1; }}; cat $kept ;;\nerase) rm $kept ;;\nesac\n",
        kept.display()
    );
    fs::write(bin.join("docker-credential-test"), script).expect("our directory");
    fs::set_permissions(bin.join("docker-credential-test"), fs::Permissions::from_mode(0o755)).expect("ours");
    let config = env.home().join(".docker/config.json");
    fs::create_dir(env.home().join(".docker")).expect("our home");
    fs::write(&config, r#"{"credsStore": "test"}"#).expect("our home");
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let docker = |arguments: &[&str]| called(&env, "docker", arguments).var("PATH", &path);
    let output = docker(&["login", "-u", user, "--password-stdin", host]).stdin(password).run().succeeds();
    assert!(!output.stderr.contains("unencrypted"), "{}", output.stderr);
    let secret: Value = serde_json::from_str(&fs::read_to_string(&kept).expect("kept")).expect("JSON");
    assert_eq!(secret, serde_json::json!({"ServerURL": host, "Username": user, "Secret": password}));
    let text = fs::read_to_string(&config).expect("ours");
    assert!(!text.contains("auth\":") && text.contains(&format!("\"{host}\": {{}}")), "{text}");
    docker(&["login", host]).run().succeeds().stdout_has("Authenticating with existing credentials");
    docker(&["logout", host]).run().succeeds();
    assert!(!kept.exists());
    docker(&["logout", host]).run().succeeds().stdout_has("Not logged in");
    // A helper that fails is named, and nothing is kept as text instead.
    fs::write(bin.join("docker-credential-test"), "#!/bin/sh\ncat >/dev/null\necho no key ring; exit 1\n")
        .expect("ours");
    docker(&["login", "-u", user, "--password-stdin", host])
        .stdin(password)
        .run()
        .fails_with(1)
        .stderr_has("no key ring")
        .stderr_has("docker-credential-test");
    assert!(!fs::read_to_string(&config).expect("ours").contains("auth\":"));
}

#[test]
fn a_terminal_is_asked_and_shows_no_password() {
    let env = ready!();
    let registry = Registry::start_with_password();
    let (host, (user, password)) = (registry.address(), CREDENTIALS);
    let terminal = env.terminal(&format!("login {host}"));
    terminal.expects("Username: ");
    terminal.types(&format!("{user}\n"));
    terminal.expects("Password: ");
    crate::support::eventually("nothing is echoed", || terminal.is_raw());
    terminal.types(&format!("x\u{7f}{password}\r"));
    let output = terminal.wait().succeeds();
    assert!(output.stdout.contains("Login Succeeded") && !output.stdout.contains(password), "{}", output.stdout);

    // The known user is the default; ^C gives the terminal back as it was.
    fs::remove_file(env.root().join("run/containers/auth.json")).expect("ours");
    let shell = env.tool(
        "/bin/sh",
        &["-c", "\"$0\" login -u me \"$1\"; echo ended $?; stty -a", &env.program().to_string_lossy(), host],
    );
    let terminal = Terminal::start(shell);
    terminal.expects("Password: ");
    crate::support::eventually("nothing is echoed", || terminal.is_raw());
    terminal.types("secr\u{3}");
    let output = terminal.wait();
    assert!(output.stdout.contains("ended 130"), "{}", output.stdout);
    assert!(output.stdout.contains(" echo ") && output.stdout.contains(" icanon"), "{}", output.stdout);
    assert!(!output.stdout.contains("secr"), "{}", output.stdout);
}

#[test]
fn wrong_command_lines_say_why() {
    let env = ready!();
    let registry = Registry::start_with_password();
    let host = registry.address();
    for (line, words) in [
        (format!("login {host}"), "non TTY"),
        (format!("login -u x {host}"), "non TTY"),
        (format!("login --password-stdin {host}"), "--username"),
        (format!("login -u x -p y --password-stdin {host}"), "mutually exclusive"),
        ("login -u x -p y notaregistry".into(), "not a registry"),
        (format!("login -u a:b -p y {host}"), "colon"),
        (format!("login -u x -p y --cert-dir {}/absent {host}", env.home().display()), "cert"),
    ] {
        env.coracle(&line).fails().explains().stderr_has(words);
    }
    drop(registry);
    let plain = Registry::start();
    // Whoever asks for nothing takes everybody.
    env.coracle(&format!("login -u x -p y http://{}/v2/", plain.address())).succeeds();
    env.coracle(&format!("login --get-login {}", plain.address())).succeeds().stdout_is("x\n");
}
