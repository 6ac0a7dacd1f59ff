//! `exec`: another process in a running container.

use clap::Args;

use super::options::Around;
use super::selection::{Among, Found, Selection};
use super::streams::{Streams, UNREAD, Wanted};
use super::variables;
use crate::base::{Error, Result};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::exec::exec as engine_exec;
use crate::engine::request::ExecRequest;
use crate::engine::session::End;
use crate::spec::process::workdir;

/// The command.
pub const VERB: Verb = Verb {
    name: "exec",
    about: "Execute a command in a running container",
    usage: "CONTAINER COMMAND [ARG...]",
    arity: (2, None),
    greedy: true,
    codes: Codes::Exec,
    arguments: ExecArguments::augment_args,
    run: |context, matches| exec(context, &typed(matches)?),
};

/// Arguments of `exec`.
#[derive(Debug, Clone, Default, Args)]
struct ExecArguments {
    /// Run the command in the background
    #[arg(short, long)]
    detach: bool,
    /// Keys that detach from the command: characters and ctrl-<letter>, separated by commas
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// Set an environment variable; a bare NAME is passed on
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// Read environment variables from a file
    #[arg(long, value_name = "FILE")]
    env_file: Vec<String>,
    /// Keep standard input open
    #[arg(short, long)]
    interactive: bool,
    /// Take off the limits on what the command may do within the container's user namespace
    #[arg(long)]
    privileged: bool,
    /// Allocate a pseudo-terminal
    #[arg(short, long)]
    tty: bool,
    /// User name or ID, and optionally group: user[:group]
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,
    /// The working directory inside the container
    #[arg(short, long, value_name = "DIRECTORY")]
    workdir: Option<String>,
    #[command(flatten)]
    found: Found,
    /// Name or ID, then the command to run, and its arguments
    #[arg(value_name = "CONTAINER COMMAND [ARG]", num_args = 1..)]
    words: Vec<String>,
}

impl ExecArguments {
    /// The words that name the container, and those of the command.
    fn split(&self) -> (&[String], &[String]) {
        let is_named = !self.found.latest.latest && self.found.cidfile.is_empty();
        self.words.split_at(usize::from(is_named).min(self.words.len()))
    }

    fn request(&self, around: &Around<'_>) -> Result<ExecRequest> {
        let argv = self.split().1.to_vec();
        if argv.is_empty() {
            return Err(Error::usage("there is no command to execute"));
        }
        Ok(ExecRequest {
            argv,
            env: variables::environment(&self.env_file, &self.env, around.cwd, around.environment)?,
            user: self.user.clone(),
            cwd: self.workdir.as_deref().map(workdir).transpose()?,
            tty: self.tty,
            stdin: self.interactive,
            detach: self.detach,
            privileged: self.privileged,
        })
    }
}

fn exec(context: &Context, arguments: &ExecArguments) -> Result<u8> {
    let request = arguments.request(&context.around())?;
    let engine = context.engine()?;
    let selection = Selection {
        verb: "exec",
        named: arguments.split().0,
        all: false,
        filters: &[],
        found: &arguments.found,
        ignore: false,
        among: Among::All,
    };
    let containers = selection.resolve(context, &engine)?;
    let [container] = &containers[..] else {
        return Err(Error::usage("a command is executed in one container"));
    };
    let streams = Streams::of_process();
    let terminal = match request.detach {
        true => None,
        false => {
            let wanted = Wanted::usual(request.stdin);
            Some(streams.terminal(wanted, request.tty, arguments.detach_keys.as_deref(), true)?)
        }
    };
    match engine_exec(&engine, container, &request, terminal.as_ref())? {
        Some(End::Exited(code)) => Ok(code as u8),
        Some(End::Detached) | None => Ok(0),
        Some(End::Unread) => Ok(UNREAD),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::cli::environment::Environment;

    #[test]
    fn arguments_become_a_request() {
        let environment = Environment::of(&[("LANG", "C")]);
        let around = Around {
            cwd: Path::new("/"),
            environment: &environment,
            driver: Default::default(),
            persona: crate::cli::context::Persona::Coracle,
            docker: "/".into(),
            cgroup_manager: None,
        };
        let arguments = ExecArguments {
            env: vec!["A=1".into(), "LANG".into()],
            interactive: true,
            user: Some("1".into()),
            workdir: Some("/x".into()),
            words: vec!["c".into(), "sh".into(), "-i".into()],
            ..ExecArguments::default()
        };
        let request = arguments.request(&around).unwrap();
        assert_eq!(request.argv, ["sh", "-i"]);
        assert_eq!(request.env, ["A=1", "LANG=C"]);
        assert_eq!((request.user.as_deref(), request.cwd.as_deref()), (Some("1"), Some("/x")));
        assert!(request.stdin && !request.tty && !request.detach && !request.privileged);
        let latest = Found { latest: super::super::selection::Latest { latest: true }, ..Found::default() };
        let latest = ExecArguments { found: latest, ..arguments.clone() };
        assert_eq!(latest.request(&around).unwrap().argv, ["c", "sh", "-i"]);
        let alone = ExecArguments { words: vec!["c".into()], ..arguments.clone() };
        assert!(alone.request(&around).is_err());
        assert!(ExecArguments { workdir: Some("x".into()), ..arguments }.request(&around).is_err());
    }
}
