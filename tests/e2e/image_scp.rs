//! `image scp`: images go to other machines and users, and come from there. The machine is a second environment, and ssh a
//! script that runs there what it is told.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::env::Env;
use crate::support::is_root;
use crate::support::output::Command;

/// Makes an `ssh` that leads to `other`, and writes down what it was called with.
fn ssh_to(env: &Env, other: &Env) {
    let root = other.root().display();
    let bin = env.mkdir("ssh");
    let script = format!(
        "#!/bin/sh\n\
         printf '%s\\n' \"$@\" >>{log}\n\
         while [ \"$1\" != -- ]; do shift; done\n\
         shift 2\n\
         export HOME={root}/home XDG_DATA_HOME={root}/data XDG_CONFIG_HOME={root}/config XDG_RUNTIME_DIR={root}/run\n\
         export PATH={root}/bin:$PATH\n\
         exec sh -c \"$*\"\n",
        log = env.file("ssh.log").display()
    );
    let path = bin.join("ssh");
    fs::write(&path, script).expect("our directory");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("ours");
}

fn scp(env: &Env, line: &str) -> Command {
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", env.file("ssh").display());
    env.command(&format!("image scp {line}")).var("PATH", path)
}

#[test]
fn an_image_goes_to_another_machine_and_comes_back() {
    let env = ready!(busybox);
    let other = ready!();
    ssh_to(&env, &other);
    let image = env.image();
    let id = env.inspect(&image, "{{.Id}}");
    scp(&env, "IMAGE me@laptop:2222::").run().succeeds().stdout_has(&format!("Loaded image: {image}\n"));
    assert_eq!(other.inspect(&image, "{{.Id}}"), id);
    let log = fs::read_to_string(env.file("ssh.log")).expect("ssh was called");
    assert_eq!(log.lines().take(5).collect::<Vec<_>>(), ["-p", "2222", "-T", "--", "me@laptop"]);
    // By another name, without a word; the old name does not come along.
    scp(&env, "-q IMAGE laptop::sent:v2").run().succeeds().stdout_is("");
    assert_eq!(other.inspect("sent:v2", "{{.Id}}"), id);
    other.coracle("rmi IMAGE").succeeds();
    // And back, here under a third name.
    env.coracle("rmi IMAGE").succeeds();
    scp(&env, "laptop::sent:v2").run().succeeds().stdout_is("Loaded image: sent:v2\n");
    assert_eq!(env.inspect("sent:v2", "{{.Id}}"), id);
    env.coracle("run --rm sent:v2 echo runs").succeeds().stdout_is("runs\n");
    other.coracle("tag sent:v2 third").succeeds();
    scp(&env, "laptop::third").run().succeeds();
    // From one machine to the next: what is loaded gets the name there.
    scp(&env, "laptop::third other::fourth:v4").run().succeeds();
    assert_eq!(other.inspect("fourth:v4", "{{.Id}}"), id);
}

#[test]
fn what_cannot_be_copied_says_why() {
    let env = ready!(busybox);
    let other = ready!();
    ssh_to(&env, &other);
    scp(&env, "nosuch laptop::").run().fails_with(1).explains().stderr_has("no such image");
    other.coracle("images -q").succeeds().stdout_is("");
    scp(&env, "laptop::nosuch").run().fails_with(1).explains().stderr_has("ssh to `laptop` has failed");
    for (line, words) in [
        ("IMAGE", "same store"),
        ("IMAGE name", "has no `::`"),
        ("-- -oProxyCommand=x::app", "invalid machine"),
        ("me@host/run/podman.sock::app", "it has a path"),
        ("'laptop::a;b'", "not the name of an image"),
        ("IMAGE nobody-of-this-name@localhost::", "there is no user"),
    ] {
        scp(&env, line).run().fails_with(1).explains().stderr_has(words);
    }
    if !is_root() {
        scp(&env, "IMAGE root@localhost::").run().fails_with(1).explains().stderr_has("you are not root");
    }
    // A machine that cannot be reached, and no ssh at all.
    fs::write(env.file("ssh/ssh"), "#!/bin/sh\necho 'no route' >&2\nexit 255\n").expect("ours");
    scp(&env, "IMAGE laptop::").run().fails_with(1).explains().stderr_has("no route").stderr_has("by hand");
    let without = env.command("image scp IMAGE laptop::").var("PATH", "/nonexistent").run();
    without.fails_with(1).explains().stderr_has("there is no `ssh`");
    env.coracle("images -q").succeeds().line();
}

mod as_root {
    use super::*;

    /// The user that `tests/run` made.
    fn user() -> Option<String> {
        let name = std::env::var("CORACLE_TEST_USER").unwrap_or_else(|_| "coracle-test".into());
        let passwd = fs::read_to_string("/etc/passwd").ok()?;
        passwd.lines().any(|line| line.split(':').next() == Some(&name)).then_some(name)
    }

    #[test]
    fn an_image_goes_to_another_user() {
        let (true, Some(user)) = (is_root(), user()) else {
            return crate::support::skip("this test is for root, beside a user with subordinate ids");
        };
        let env = ready!(busybox);
        let name = format!("scp-{}:v1", std::process::id());
        let to = format!("image scp IMAGE {user}@localhost::{name}");
        env.coracle(&to).succeeds().stdout_has(&format!("Loaded image: {name}\n"));
        env.coracle("rmi IMAGE").succeeds();
        env.coracle(&format!("image scp {user}@localhost::{name} root@localhost::back:v2")).succeeds();
        env.coracle("run --rm back:v2 echo runs").succeeds().stdout_is("runs\n");
        env.coracle(&format!("image scp {user}@localhost::{name}")).succeeds();
        let mut remove = env.tool("setpriv", &["--reuid", &user, "--regid", &user, "--init-groups"]);
        remove = remove.arguments(&["env", "-i"]).arguments(&[&format!("HOME=/home/{user}")]);
        let remove = remove.arguments(&[&env.program().display().to_string(), "rmi", &name]);
        remove.run().succeeds();
    }
}
