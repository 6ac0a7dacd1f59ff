//! `run`: create a container, start it, and stay with it or not.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use super::handover;
use super::options::CreateOptions;
use super::streams::{Streams, UNREAD, Wanted};
use crate::base::error::if_absent;
use crate::base::{ContainerId, Error, Kind, Result, ResultExt};
use crate::cli::context::{Context, Persona};
use crate::cli::progress;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::Engine;
use crate::engine::remove::{Removal, remove};
use crate::engine::request::CreateRequest;
use crate::engine::run::run_with as engine_run;
use crate::engine::session::End;
use crate::spec::process::Attached;

/// The command.
pub const VERB: Verb = Verb {
    name: "run",
    about: "Create and run a new container from an image",
    usage: "IMAGE [COMMAND] [ARG...]",
    arity: (1, None),
    greedy: true,
    codes: Codes::Container,
    arguments: RunArguments::augment_args,
    run: |context, matches| run(context, typed(matches)?),
};

/// Arguments of `run`.
#[derive(Debug, Clone, Args)]
struct RunArguments {
    /// Attach to STDIN, STDOUT or STDERR only
    #[arg(short, long, value_name = "STREAM")]
    attach: Vec<String>,
    /// Run in the background and print the container's ID
    #[arg(short, long)]
    detach: bool,
    /// Keys that detach from the container: characters and ctrl-<letter>, separated by commas
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
    /// Hand these open descriptors over to the process, under their numbers
    #[arg(long, value_name = "FD,…")]
    preserve_fd: Vec<String>,
    /// Hand this number of open descriptors over to the process: 3 and those that follow
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true)]
    preserve_fds: u32,
    /// Pass signals on to the process
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true")]
    sig_proxy: bool,
    #[command(flatten)]
    options: CreateOptions,
}

fn run(context: &Context, arguments: RunArguments) -> Result<u8> {
    let options = arguments.options;
    let (cidfile, quiet, tls_verify) = (options.cidfile.clone(), options.image.quiet, options.image.tls_verify);
    let replace = options.replace;
    let disable_content_trust = options.image.disable_content_trust;
    let mut request = options.request(&context.around())?;
    // Before anything else is opened.
    let handed = handover::take(
        context,
        &handover::Wanted {
            count: arguments.preserve_fds,
            numbers: &arguments.preserve_fd,
            driver: request.logging.driver,
            sdnotify: request.lifecycle.sdnotify,
        },
    )?;
    // What does not go together here is not docker's 125, which says that a container could not be made.
    if arguments.detach && !arguments.attach.is_empty() {
        let error = Error::usage("conflicting options: cannot specify both --attach and --detach");
        return Ok(context.refuse(&error));
    }
    let mut engine = context.engine_for_registries(tls_verify, None)?;
    if let Some(disable) = disable_content_trust {
        engine.registry.demand_signatures = !disable;
    }
    context.tell_of_single_id(&engine)?;
    let streams = Streams::of_process();
    let mut wanted = Wanted::named(&arguments.attach, request.process.stdin)?;
    // Where the program reads it itself, nobody else does.
    wanted.stdin &= !handed.handover.streams;
    let attached = match arguments.detach {
        true => Attached::default(),
        false => Attached { stdin: wanted.stdin, stdout: wanted.stdout, stderr: wanted.stderr },
    };
    request.process.attached = Some(attached);
    let terminal = match arguments.detach {
        true => None,
        false => {
            match streams.check_terminal(wanted, request.process.tty) {
                // As podman has it.
                Err(_) if context.persona == Persona::Podman => context.ui.warning(
                    "The input device is not a TTY. The --tty and --interactive flags might not work properly",
                ),
                Err(error) => return Ok(context.refuse(&error)),
                Ok(()) => {}
            }
            let keys = arguments.detach_keys.as_deref();
            Some(streams.unchecked(wanted, keys, arguments.sig_proxy)?)
        }
    };
    replace_container(&engine, &request, replace)?;
    let mut cidfile = CidFile::reserve(cidfile.as_deref(), context)?;
    let progress = progress::beside_output(context, quiet);
    let mut created = |id: &ContainerId| cidfile.write(id);
    let mut note = |note: &str| context.ui.warning(note);
    let ran = engine_run(&engine, &request, terminal.as_ref(), progress.as_ref(), &mut created, &mut note, handed)?;
    match ran.end {
        Some(End::Exited(code)) => Ok(code as u8),
        Some(End::Detached) => Ok(0),
        Some(End::Unread) => Ok(UNREAD),
        None => context.ui.line(ran.id.as_str()).map(|()| 0),
    }
}

/// `--replace`: removes the container that has the name, and the file of its id.
pub(super) fn replace_container(engine: &Engine, request: &CreateRequest, replace: bool) -> Result<()> {
    if let Some(file) = request.lifecycle.files.cid.as_ref().filter(|_| replace) {
        if_absent(fs::remove_file(file)).at(file, "cannot remove the container ID file")?;
    }
    let Some(name) = request.name.as_ref().filter(|_| replace) else { return Ok(()) };
    let removal = Removal { force: true, ..Removal::default() };
    match remove(engine, &[name.to_string()], removal).into_iter().find_map(Result::err) {
        Some(error) if error.kind() != Kind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// `--cidfile`: made before anything else happens, so that it is nobody else's, and gone again when nothing was made.
pub(super) struct CidFile {
    open: Option<(PathBuf, File)>,
}

impl CidFile {
    /// Makes the file, which must not exist.
    pub(super) fn reserve(path: Option<&str>, context: &Context) -> Result<Self> {
        let Some(path) = path else { return Ok(Self { open: None }) };
        let path = context.around().cwd.join(path);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => Ok(Self { open: Some((path, file)) }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(Error::conflict(format!("the container ID file `{}` exists already", path.display()))
                    .hint("make sure that no other container uses it, and delete it"))
            }
            Err(error) => Err(error).at(&path, "cannot make the container ID file"),
        }
    }

    /// Writes the id.
    pub(super) fn write(&mut self, id: &ContainerId) -> Result<()> {
        match self.open.take() {
            Some((path, mut file)) => {
                file.write_all(id.as_str().as_bytes()).at(&path, "cannot write the container ID file")
            }
            None => Ok(()),
        }
    }
}

impl Drop for CidFile {
    fn drop(&mut self) {
        if let Some((path, _)) = self.open.take() {
            let _ = fs::remove_file(path);
        }
    }
}
