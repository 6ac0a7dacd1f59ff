//! `compose run`, `exec` and `attach`: one container, or one process, of a service.

use std::sync::atomic::AtomicBool;

use clap::Args;

use super::work::Work;
use crate::base::id::random_hex;
use crate::base::{Error, Result};
use crate::cli::container::streams::{Streams, UNREAD, Wanted};
use crate::cli::container::variables as options;
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};
use crate::compose::up::{ImageWishes, OneOff, Up, Wishes, start_container};
use crate::engine::exec::exec as engine_exec;
use crate::engine::request::{CreateRequest, ExecRequest};
use crate::engine::run::run as engine_run;
use crate::engine::session::{End, Terminal};
use crate::spec::mounts::{self, MountHost};
use crate::spec::process::{Attached, workdir};
use crate::spec::restart::RestartPolicy;
use crate::spec::security::Security;
use crate::spec::{ports, variables};

/// `compose run`.
pub const RUN: Verb = Verb {
    name: "run",
    about: "Run a command in a container of its own of a service",
    usage: "SERVICE [COMMAND] [ARG...]",
    arity: (1, None),
    greedy: true,
    codes: Codes::Exec,
    arguments: RunArguments::augment_args,
    run: |context, matches| run(context, &typed(matches)?),
};

/// `compose exec`.
pub const EXEC: Verb = Verb {
    name: "exec",
    about: "Execute a command in a running container of a service",
    usage: "SERVICE COMMAND [ARG...]",
    arity: (2, None),
    greedy: true,
    codes: Codes::Exec,
    arguments: ExecArguments::augment_args,
    run: |context, matches| exec(context, &typed(matches)?),
};

/// `compose attach`.
pub const ATTACH: Verb = Verb {
    name: "attach",
    about: "Attach to the streams of a running container of a service",
    usage: "SERVICE",
    arity: (1, Some(1)),
    greedy: false,
    codes: Codes::Plain,
    arguments: AttachArguments::augment_args,
    run: |context, matches| attach(context, &typed(matches)?),
};

/// Arguments of `compose run`.
#[derive(Debug, Clone, Default, Args)]
struct RunArguments {
    /// Build the image before
    #[arg(long)]
    build: bool,
    /// Add a Linux capability
    #[arg(long, value_name = "CAPABILITY")]
    cap_add: Vec<String>,
    /// Drop a Linux capability
    #[arg(long, value_name = "CAPABILITY")]
    cap_drop: Vec<String>,
    /// Run in the background and print the container's name
    #[arg(short, long)]
    detach: bool,
    /// Another entrypoint
    #[arg(long, value_name = "COMMAND")]
    entrypoint: Option<String>,
    /// Set an environment variable; a bare NAME is passed on
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// Read environment variables from a file
    #[arg(long, value_name = "FILE")]
    env_from_file: Vec<String>,
    /// Keep standard input open
    #[arg(short, long, value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true")]
    interactive: bool,
    /// Set a label on the container
    #[arg(short, long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// Give the container a name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Allocate no pseudo-terminal
    #[arg(short = 'T', long, alias = "no-tty")]
    no_tty: bool,
    /// Accepted: a terminal is allocated where there is one
    #[arg(short, long, hide = true)]
    tty: bool,
    /// Do not start services that this one depends on
    #[arg(long)]
    no_deps: bool,
    /// Publish a port of the container on this machine
    #[arg(short, long, value_name = "[[IP:]PORT:]PORT[/PROTOCOL]")]
    publish: Vec<String>,
    /// Pull the image before: always, missing or never
    #[arg(long, value_name = "POLICY")]
    pull: Option<String>,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
    /// Show no progress of builds
    #[arg(long, hide = true)]
    quiet_build: bool,
    /// Show no progress of pulls
    #[arg(long, hide = true)]
    quiet_pull: bool,
    /// Remove containers of services that the files do not have
    #[arg(long)]
    remove_orphans: bool,
    /// Remove the container when it ends
    #[arg(long)]
    rm: bool,
    /// Publish the ports of the service
    #[arg(short = 'P', long)]
    service_ports: bool,
    /// Let the container be known by the names of the service
    #[arg(long)]
    use_aliases: bool,
    /// User name or ID, and optionally group: user[:group]
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,
    /// Bind mount a path of this machine, or mount a volume
    #[arg(short, long, value_name = "[SOURCE:]TARGET[:OPTIONS]")]
    volume: Vec<String>,
    /// The working directory
    #[arg(short, long, value_name = "DIRECTORY")]
    workdir: Option<String>,
    /// The service, then the command to run, and its arguments
    #[arg(value_name = "SERVICE [COMMAND] [ARG]", num_args = 1..)]
    words: Vec<String>,
}

impl RunArguments {
    /// Changes the request of a service as the options say.
    fn apply(&self, context: &Context, request: &mut CreateRequest, tty: bool) -> Result<()> {
        let around = context.around();
        let own = options::environment(&self.env_from_file, &self.env, around.cwd, around.environment)?;
        request.process.env = variables::merged(std::mem::take(&mut request.process.env), &own);
        request.labels.extend(options::labels(&[], &self.label, around.cwd)?);
        if let Some(entrypoint) = &self.entrypoint {
            request.process.entrypoint = Some(crate::compose::words(entrypoint)?);
            request.process.command.clear();
        }
        if self.words.len() > 1 {
            request.process.command = self.words[1..].to_vec();
        }
        if let Some(user) = &self.user {
            request.identity.user = Some(user.clone());
        }
        if let Some(directory) = &self.workdir {
            request.process.cwd = Some(workdir(directory)?);
        }
        if !self.service_ports {
            request.networking.ports.clear();
        }
        request.networking.ports.extend(ports::all(&self.publish)?);
        let host = MountHost { cwd: around.cwd, glob: &|_| Ok(Vec::new()), tmpfs_copies: false };
        for one in mounts::all(&self.volume, &[], &[], &host)? {
            request.storage.mounts.retain(|other| other.mount.target != one.mount.target);
            request.storage.mounts.push(one);
        }
        if !self.cap_add.is_empty() || !self.cap_drop.is_empty() {
            let add = [request.security.cap_add.clone(), self.cap_add.clone()].concat();
            let drop = [request.security.cap_drop.clone(), self.cap_drop.clone()].concat();
            let new = Security::new(&add, &drop, request.security.privileged)?;
            request.security.capabilities = new.capabilities;
            (request.security.cap_add, request.security.cap_drop) = (add, drop);
        }
        request.process.tty = tty;
        request.process.stdin = self.interactive && !self.detach;
        request.lifecycle.remove = self.rm;
        request.lifecycle.restart = RestartPolicy::No;
        Ok(())
    }

    fn wishes(&self) -> Wishes {
        Wishes {
            images: ImageWishes { build: self.build, pull: self.pull.clone(), ..ImageWishes::default() },
            except: self.words.first().cloned(),
            remove_orphans: self.remove_orphans,
            ignore_orphans: !self.remove_orphans,
            ..Wishes::default()
        }
    }
}

fn run(context: &Context, arguments: &RunArguments) -> Result<u8> {
    let work = Work::with(context, arguments.quiet)?;
    let service = arguments.words[0].clone();
    let project = work.project(std::slice::from_ref(&service))?;
    let node = project.service(&service).ok_or_else(|| Error::not_found(format!("no such service: {service}")))?;
    let (usual, wishes, cancelled) = (work.usual()?, arguments.wishes(), AtomicBool::new(false));
    let up = work.up(&project, &usual, &wishes, &cancelled);
    match arguments.no_deps {
        true => up.make_resources()?,
        false => {
            let made = up.create()?;
            up.start(&made)?;
            up.await_dependencies(&service, &made)?;
        }
    }
    let one_off = OneOff {
        service: service.clone(),
        name: arguments.name.clone(),
        remove: arguments.rm,
        use_aliases: arguments.use_aliases,
        slug: random_hex()?,
    };
    let image = up.image_of(&service)?;
    let streams = Streams::of_process();
    let tty = !arguments.no_tty && !arguments.detach && context.ui.in_is_terminal() && context.ui.out_is_terminal();
    let (mut request, files) = up.one_off(node, &one_off, &image)?;
    arguments.apply(context, &mut request, tty)?;
    if work.options.dry_run {
        up.event(request.name.as_ref().map_or("", |name| name.as_str())).done("Created");
        return Ok(0);
    }
    work.shown.settle();
    let wanted = Wanted::usual(request.process.stdin);
    let terminal = match arguments.detach {
        true => None,
        false => Some(streams.terminal(wanted, tty, None, true)?),
    };
    let attached = Attached { stdin: wanted.stdin, stdout: true, stderr: true };
    request.process.attached = Some(if arguments.detach { Attached::default() } else { attached });
    let end = started(context, &up, &request, &files, terminal.as_ref())?;
    match end {
        Some(End::Exited(code)) => Ok(code as u8),
        Some(End::Detached) => Ok(0),
        Some(End::Unread) => Ok(UNREAD),
        None => context.ui.line(request.name.as_ref().map_or("", |name| name.as_str())).map(|()| 0),
    }
}

/// Makes the container and starts it.
fn started(
    context: &Context,
    up: &Up<'_>,
    request: &CreateRequest,
    files: &[crate::compose::container::Injected],
    terminal: Option<&Terminal<'_>>,
) -> Result<Option<End>> {
    let mut note = |note: &str| context.ui.warning(note);
    let progress = up.report.pull();
    if files.is_empty() {
        let mut created = |_: &_| Ok(());
        return Ok(engine_run(up.engine, request, terminal, progress.as_ref(), &mut created, &mut note)?.end);
    }
    let id = crate::engine::create::create(up.engine, request, progress.as_ref())?;
    crate::compose::up::copy_into(up.engine, id.as_str(), files)?;
    match terminal {
        None => start_container(up.engine, id.as_str(), &[], &|note| context.ui.warning(note)).map(|()| None),
        Some(_) => crate::engine::start::start(up.engine, id.as_str(), terminal, &mut note).map(|(_, end)| end),
    }
}

/// Arguments of `compose exec`.
#[derive(Debug, Clone, Default, Args)]
struct ExecArguments {
    /// Run the command in the background
    #[arg(short, long)]
    detach: bool,
    /// Set an environment variable; a bare NAME is passed on
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// The number of the container, if the service has several
    #[arg(long, value_name = "NUMBER")]
    index: Option<u32>,
    /// Keep standard input open
    #[arg(short, long, value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", hide = true)]
    interactive: bool,
    /// Allocate no pseudo-terminal
    #[arg(short = 'T', long, alias = "no-tty")]
    no_tty: bool,
    /// Accepted: a terminal is allocated where there is one
    #[arg(short, long, hide = true)]
    tty: bool,
    /// Take off the limits on what the command may do within the container's user namespace
    #[arg(long)]
    privileged: bool,
    /// User name or ID, and optionally group: user[:group]
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,
    /// The working directory inside the container
    #[arg(short, long, value_name = "DIRECTORY")]
    workdir: Option<String>,
    /// The service, then the command to run, and its arguments
    #[arg(value_name = "SERVICE COMMAND [ARG]", num_args = 2..)]
    words: Vec<String>,
}

fn exec(context: &Context, arguments: &ExecArguments) -> Result<u8> {
    let around = context.around();
    let tty = !arguments.no_tty && !arguments.detach && context.ui.in_is_terminal() && context.ui.out_is_terminal();
    let request = ExecRequest {
        argv: arguments.words[1..].to_vec(),
        env: options::environment(&[], &arguments.env, around.cwd, around.environment)?,
        user: arguments.user.clone(),
        cwd: arguments.workdir.as_deref().map(workdir).transpose()?,
        tty,
        stdin: arguments.interactive && !arguments.detach,
        detach: arguments.detach,
        privileged: arguments.privileged,
    };
    let work = Work::new(context)?;
    let container = work.container(&arguments.words[0], arguments.index)?;
    let streams = Streams::of_process();
    let terminal = match arguments.detach {
        true => None,
        false => Some(streams.terminal(Wanted::usual(request.stdin), tty, None, true)?),
    };
    match engine_exec(&work.engine, container.config.id.as_str(), &request, terminal.as_ref())? {
        Some(End::Exited(code)) => Ok(code as u8),
        Some(End::Detached) | None => Ok(0),
        Some(End::Unread) => Ok(UNREAD),
    }
}

/// Arguments of `compose attach`.
#[derive(Debug, Clone, Default, Args)]
struct AttachArguments {
    /// Keys that detach from the container: characters and ctrl-<letter>, separated by commas
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// The number of the container, if the service has several
    #[arg(long, value_name = "NUMBER")]
    index: Option<u32>,
    /// Do not attach standard input
    #[arg(long)]
    no_stdin: bool,
    /// Pass signals on to the process
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true")]
    sig_proxy: bool,
    /// The service
    #[arg(value_name = "SERVICE")]
    service: String,
}

fn attach(context: &Context, arguments: &AttachArguments) -> Result<u8> {
    let work = Work::new(context)?;
    let container = work.container(&arguments.service, arguments.index)?;
    let process = &container.config.process;
    let streams = Streams::of_process();
    let wanted = Wanted::usual(process.stdin && !arguments.no_stdin);
    let keys = arguments.detach_keys.as_deref();
    let terminal = streams.terminal(wanted, process.tty, keys, arguments.sig_proxy)?;
    match crate::engine::attach::attach(&work.engine, container.config.id.as_str(), &terminal)? {
        End::Exited(code) => Ok(code as u8),
        End::Detached => Ok(0),
        End::Unread => Ok(UNREAD),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_is_left_to_run() {
        let arguments = RunArguments { words: vec!["web".into(), "sh".into()], ..RunArguments::default() };
        assert_eq!(arguments.wishes().except.as_deref(), Some("web"));
        assert!(arguments.wishes().ignore_orphans);
    }
}
