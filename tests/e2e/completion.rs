//! The completion scripts in the shells they are for, typed on a terminal.

use crate::support::env::Env;
use crate::support::terminal::Terminal;
use crate::support::{missing_tool, skip};

/// Completes names of each kind in a shell that `prepare` brings to its prompt, `SCRIPT` standing for the script, and runs
/// what came out.
fn completes(env: &Env, shell: &str, arguments: &[&str], prepare: &str) {
    let script = env.write(shell, env.coracle(&format!("completion {shell}")).succeeds().stdout);
    let path = format!("{}:/usr/bin:/bin", env.program().parent().unwrap().display());
    let terminal = Terminal::start(env.tool(shell, arguments).var("PATH", path).var("TERM", "xterm"));
    terminal.types(&format!("{}\n", prepare.replace("SCRIPT", &script.display().to_string())));
    terminal.expects("prompt> ");
    for (typed, printed) in [
        ("inspect -f '{{.Name}} is {{.State.Status}}' alph\t", "/alpha is created"),
        ("start alph\t", "alpha\r\n"),
        ("exec bet\techo b''eta runs", "beta runs"),
        ("rm -f gam\t", "gamma\r\n"),
        ("network inspect -f '{{.Name}} is {{.Driver}}' back\t", "backyard is bridge"),
        ("run --rm --network=no\t--pull=never hel\t", "process  pid 1"),
    ] {
        terminal.types(&format!("coracle {typed}\n"));
        terminal.expects(printed);
        terminal.expects("prompt> ");
    }
    // A name with a colon in it, of a registry on a port.
    let image = env.image();
    let half = &image[..image.len() - 3];
    terminal.types(&format!("coracle image inspect -f '{{{{len .RepoTags}}}} name' {half}\t\n"));
    terminal.expects("1 name");
    terminal.types("exit\n");
    terminal.wait().succeeds();
}

/// What there is to be named.
fn world() -> Option<Env> {
    let make = || -> Result<Env, String> {
        let env = Env::with(&["busybox"])?;
        for name in ["alpha", "gamma"] {
            env.coracle(&format!("create --name {name} IMAGE sleep 1000")).succeeds();
        }
        env.run_detached("--name beta IMAGE sleep 1000");
        env.coracle("network create backyard").succeeds();
        env.coracle("run --rm hello").succeeds();
        Ok(env)
    };
    make().map_err(|reason| skip(&reason)).ok()
}

#[test]
fn bash() {
    let Some(env) = world() else { return };
    completes(&env, "bash", &["--norc", "--noprofile", "-i"], "PS1='prom''pt> '; source SCRIPT");
}

#[test]
fn zsh() {
    if let Some(reason) = missing_tool(&["zsh"]) {
        return skip(&reason);
    }
    let Some(env) = world() else { return };
    let prepare = "PS1='prom''pt> '; autoload -U compinit; compinit -u -D; source SCRIPT";
    completes(&env, "zsh", &["-f", "-i"], prepare);
}

#[test]
fn fish() {
    if let Some(reason) = missing_tool(&["fish"]) {
        return skip(&reason);
    }
    let Some(env) = world() else { return };
    completes(&env, "fish", &["--no-config"], "function fish_prompt; echo 'prom''pt> '; end; source SCRIPT");
}

/// Called as docker, the script is for docker: both can be loaded into one shell.
#[test]
fn personas_have_scripts_of_their_own() {
    let env = ready!();
    for (shell, registered) in [
        ("bash", "complete -F _docker_names -o nosort -o bashdefault -o default docker"),
        ("zsh", "#compdef docker"),
        ("fish", "complete -c docker "),
    ] {
        let script = env.called("docker", &format!("completion {shell}")).run().succeeds().stdout;
        assert!(script.contains(registered), "{shell}");
        assert!(!script.contains("_coracle"), "{shell}");
    }
}
