//! `exec`: another process in a running container.

use clap::Args;

use super::chosen;
use super::options::Around;
use super::streams::{Streams, UNREAD, Wanted};
use super::variables;
use crate::base::Result;
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
    /// The container that was created last
    #[arg(short, long)]
    latest: bool,
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
    /// Name or ID
    #[arg(value_name = "CONTAINER", required = true)]
    container: String,
    /// The command to run, and its arguments
    #[arg(value_name = "COMMAND", num_args = 0..)]
    command: Vec<String>,
}

impl ExecArguments {
    fn request(&self, around: &Around<'_>) -> Result<ExecRequest> {
        Ok(ExecRequest {
            argv: self.command.clone(),
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
    let mut request = arguments.request(&context.around())?;
    let engine = context.engine()?;
    let name = match arguments.latest {
        true => {
            request.argv.insert(0, arguments.container.clone());
            chosen::latest(&engine)?
        }
        false => arguments.container.clone(),
    };
    let streams = Streams::of_process();
    let terminal = match request.detach {
        true => None,
        false => {
            let wanted = Wanted::usual(request.stdin);
            Some(streams.terminal(wanted, request.tty, arguments.detach_keys.as_deref(), true)?)
        }
    };
    match engine_exec(&engine, &name, &request, terminal.as_ref())? {
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
        };
        let arguments = ExecArguments {
            env: vec!["A=1".into(), "LANG".into()],
            interactive: true,
            user: Some("1".into()),
            workdir: Some("/x".into()),
            command: vec!["sh".into(), "-i".into()],
            ..ExecArguments::default()
        };
        let request = arguments.request(&around).unwrap();
        assert_eq!(request.argv, ["sh", "-i"]);
        assert_eq!(request.env, ["A=1", "LANG=C"]);
        assert_eq!((request.user.as_deref(), request.cwd.as_deref()), (Some("1"), Some("/x")));
        assert!(request.stdin && !request.tty && !request.detach && !request.privileged);
        assert!(ExecArguments { workdir: Some("x".into()), ..arguments }.request(&around).is_err());
    }
}
