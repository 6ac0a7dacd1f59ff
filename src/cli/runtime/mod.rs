//! `runtime`: the command line of an OCI runtime, with runc's and crun's words, on [`crate::engine::bundle`]. Other tools call it
//! by a link named `coracle-runtime`.

mod options;

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use options::RuntimeOptions;
pub use options::flags;

use crate::base::{Error, Result, ResultExt, text, time};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::bundle::{self, CreateRequest, ExecRequest, Root};

/// The name of the link by which other tools call it.
pub const LINK: &str = "coracle-runtime";

/// What all commands have.
const COMMON: Verb = Verb {
    name: "state",
    about: "Print the state of a container",
    usage: "CONTAINER",
    arity: (1, Some(1)),
    greedy: false,
    codes: Codes::Plain,
    arguments: NamedArguments::augment_args,
    run: |context, matches| act(context, |options| print_state(context, options, &typed(matches)?)),
};

/// `runtime state`.
pub const STATE: Verb = COMMON;

/// `runtime create`.
pub const CREATE: Verb = Verb {
    name: "create",
    about: "Create a container from a bundle; its program waits to be started",
    arguments: CreateArguments::augment_args,
    run: |context, matches| act(context, |options| create(context, options, &typed(matches)?)),
    ..COMMON
};

/// `runtime run`.
pub const RUN: Verb = Verb {
    name: "run",
    about: "Create and start a container from a bundle",
    arguments: RunArguments::augment_args,
    run: |context, matches| act(context, |options| run(context, options, &typed(matches)?)),
    ..COMMON
};

/// `runtime start`.
pub const START: Verb = Verb {
    name: "start",
    about: "Start the program of a container that was created",
    run: |context, matches| {
        act(context, |options| {
            let arguments: NamedArguments = typed(matches)?;
            bundle::start(&options.root(context)?, &arguments.container).map(|()| 0)
        })
    },
    ..COMMON
};

/// `runtime kill`.
pub const KILL: Verb = Verb {
    name: "kill",
    about: "Send a signal to the first process of a container",
    usage: "CONTAINER [SIGNAL]",
    arity: (1, Some(2)),
    arguments: KillArguments::augment_args,
    run: |context, matches| {
        act(context, |options| {
            let arguments: KillArguments = typed(matches)?;
            let signal = arguments.words.get(1).map_or("SIGTERM", String::as_str);
            bundle::kill(&options.root(context)?, &arguments.words[0], signal, arguments.all).map(|()| 0)
        })
    },
    ..COMMON
};

/// `runtime delete`.
pub const DELETE: Verb = Verb {
    name: "delete",
    about: "Delete a container that has ended",
    arguments: DeleteArguments::augment_args,
    run: |context, matches| {
        act(context, |options| {
            let arguments: DeleteArguments = typed(matches)?;
            bundle::delete(&options.root(context)?, &arguments.container, arguments.force).map(|()| 0)
        })
    },
    ..COMMON
};

/// `runtime exec`.
pub const EXEC: Verb = Verb {
    name: "exec",
    about: "Run another process in a container",
    usage: "CONTAINER COMMAND [ARG...]",
    arity: (1, None),
    greedy: true,
    arguments: ExecArguments::augment_args,
    run: |context, matches| act(context, |options| exec(context, options, &typed(matches)?)),
    ..COMMON
};

/// `runtime list`.
pub const LIST: Verb = Verb {
    name: "list",
    about: "List containers",
    usage: "",
    arity: (0, Some(0)),
    arguments: ListArguments::augment_args,
    run: |context, matches| act(context, |options| list(context, options, &typed(matches)?)),
    ..COMMON
};

/// `runtime ps`.
pub const PS: Verb = Verb {
    name: "ps",
    about: "List the processes of a container",
    arguments: PsArguments::augment_args,
    run: |context, matches| act(context, |options| ps(context, options, &typed(matches)?)),
    ..COMMON
};

/// `runtime spec`.
pub const SPEC: Verb = Verb {
    name: "spec",
    about: "Write a config.json to begin with",
    usage: "",
    arity: (0, Some(0)),
    arguments: SpecArguments::augment_args,
    run: |context, matches| act(context, |_| spec(context, &typed(matches)?)),
    ..COMMON
};

/// `runtime features`.
pub const FEATURES: Verb = Verb {
    name: "features",
    about: "Print what this runtime supports",
    usage: "",
    arity: (0, Some(0)),
    arguments: |command| command,
    run: |context, _| {
        act(context, |_| {
            let text =
                serde_json::to_string_pretty(&bundle::features()).map_err(|error| Error::system(error.to_string()))?;
            context.ui.line(&text).map(|()| 0)
        })
    },
    ..COMMON
};

#[derive(Debug, Clone, Args)]
struct NamedArguments {
    /// The container's ID
    #[arg(value_name = "CONTAINER")]
    container: String,
}

#[derive(Debug, Clone, Args)]
struct CreateArguments {
    /// The directory of the bundle
    #[arg(short, long, value_name = "DIRECTORY", default_value = ".")]
    bundle: PathBuf,
    /// The socket that receives the terminal
    #[arg(long, value_name = "SOCKET")]
    console_socket: Option<PathBuf>,
    /// Leave the container in the session keyring of the caller
    #[arg(long)]
    no_new_keyring: bool,
    /// Refused: a container's root is always changed with pivot_root
    #[arg(long)]
    no_pivot: bool,
    /// The file that the container's pid is written to
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
    /// How many descriptors from 3 on the program gets
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    preserve_fds: u32,
    /// The container's ID
    #[arg(value_name = "CONTAINER")]
    container: String,
}

#[derive(Debug, Clone, Args)]
struct RunArguments {
    #[command(flatten)]
    create: CreateArguments,
    /// Do not wait for the end of the container
    #[arg(short, long)]
    detach: bool,
    /// Do not delete the container with its end
    #[arg(long)]
    keep: bool,
}

#[derive(Debug, Clone, Args)]
struct KillArguments {
    /// To every process of the container
    #[arg(short, long)]
    all: bool,
    /// The container's ID, and the signal; SIGTERM is usual
    #[arg(value_name = "CONTAINER [SIGNAL]", num_args = 1..=2)]
    words: Vec<String>,
}

#[derive(Debug, Clone, Args)]
struct DeleteArguments {
    /// End it first, with SIGKILL; that there is none is no error
    #[arg(short, long)]
    force: bool,
    /// The container's ID
    #[arg(value_name = "CONTAINER")]
    container: String,
}

#[derive(Debug, Clone, Args)]
struct ExecArguments {
    /// Add a capability
    #[arg(short, long, value_name = "CAPABILITY")]
    cap: Vec<String>,
    /// The socket that receives the terminal
    #[arg(long, value_name = "SOCKET")]
    console_socket: Option<PathBuf>,
    /// The working directory
    #[arg(long, value_name = "DIRECTORY")]
    cwd: Option<String>,
    /// Do not wait for the end of the process
    #[arg(short, long)]
    detach: bool,
    /// Set an environment variable
    #[arg(short, long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// The file that the pid of the process is written to
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
    /// The process as a file, in the form of config.json
    #[arg(short, long, value_name = "FILE")]
    process: Option<PathBuf>,
    /// Allocate a pseudo-terminal
    #[arg(short, long)]
    tty: bool,
    /// The user: UID[:GID]
    #[arg(short, long, value_name = "UID[:GID]")]
    user: Option<String>,
    /// The container's ID, then the command
    #[arg(value_name = "CONTAINER COMMAND [ARG]", num_args = 1..)]
    words: Vec<String>,
}

#[derive(Debug, Clone, Args)]
struct ListArguments {
    /// table or json
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    format: String,
    /// IDs only
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Debug, Clone, Args)]
struct PsArguments {
    /// table or json
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    format: String,
    /// The container's ID
    #[arg(value_name = "CONTAINER")]
    container: String,
}

#[derive(Debug, Clone, Args)]
struct SpecArguments {
    /// The directory of the bundle
    #[arg(short, long, value_name = "DIRECTORY", default_value = ".")]
    bundle: PathBuf,
    /// For an ordinary user
    #[arg(long)]
    rootless: bool,
}

/// Does the work of a command. An error is printed and logged as runc does it, and the exit code is 1.
fn act(context: &Context, work: impl FnOnce(&RuntimeOptions) -> Result<u8>) -> Result<u8> {
    let options = RuntimeOptions::given(context)?;
    options.check()?;
    work(&options).or_else(|error| {
        if let Some(log) = &options.log {
            note(&context.cwd().join(log), options.log_format.as_deref() == Some("json"), &error)?;
        }
        context.ui.error(&error);
        Ok(1)
    })
}

/// Appends an error to the log, in logrus's forms.
fn note(path: &Path, as_json: bool, error: &Error) -> Result<()> {
    let message = std::iter::once(error.chain()).chain(error.hints().into_iter().map(String::from)).collect::<Vec<_>>();
    let (message, now) = (message.join("; "), time::rfc3339(time::now()));
    let line = match as_json {
        true => json!({ "level": "error", "msg": message, "time": now }).to_string(),
        false => format!("time={:?} level=error msg={:?}", now, text::clean(&message)),
    };
    let mut file = File::options().append(true).create(true).mode(0o600).open(path).at(path, "cannot open the log")?;
    file.write_all(format!("{line}\n").as_bytes()).at(path, "cannot write to the log")
}

fn print_state(context: &Context, options: &RuntimeOptions, arguments: &NamedArguments) -> Result<u8> {
    let report = bundle::state(&options.root(context)?, &arguments.container)?;
    let text = serde_json::to_string_pretty(&report).map_err(|error| Error::system(error.to_string()))?;
    context.ui.line(&text).map(|()| 0)
}

/// Calls `make` with the request of the arguments.
fn with_request<T>(
    context: &Context,
    options: &RuntimeOptions,
    arguments: &CreateArguments,
    make: impl FnOnce(&CreateRequest<'_>) -> Result<T>,
) -> Result<T> {
    if arguments.no_pivot {
        return Err(Error::unsupported(
            "`--no-pivot` is not supported: a container's root is always changed with pivot_root",
        ));
    }
    let root = options.root(context)?;
    // Root, also of another tool's user namespace, has no use for the user's directories, and may not reach them.
    let engine = if rustix::process::geteuid().is_root() { None } else { Some(context.engine()?) };
    make(&CreateRequest {
        root: &root,
        paths: engine.as_ref().map(|engine| &engine.paths),
        id: &arguments.container,
        bundle: &context.cwd().join(&arguments.bundle),
        console_socket: arguments.console_socket.as_deref(),
        pid_file: arguments.pid_file.as_deref(),
        preserve_fds: arguments.preserve_fds,
        new_keyring: !arguments.no_new_keyring,
    })
}

fn create(context: &Context, options: &RuntimeOptions, arguments: &CreateArguments) -> Result<u8> {
    with_request(context, options, arguments, |request| bundle::create(request).map(|_| 0))
}

fn run(context: &Context, options: &RuntimeOptions, arguments: &RunArguments) -> Result<u8> {
    let code = with_request(context, options, &arguments.create, |request| {
        bundle::run(request, arguments.detach, arguments.keep)
    })?;
    Ok(code as u8)
}

fn exec(context: &Context, options: &RuntimeOptions, arguments: &ExecArguments) -> Result<u8> {
    let user = arguments.user.as_deref().map(user).transpose()?;
    if arguments.process.is_none() && arguments.words.len() < 2 {
        return Err(Error::usage("there is no command to execute"));
    }
    let code = bundle::exec(&ExecRequest {
        root: &options.root(context)?,
        id: &arguments.words[0],
        process: arguments.process.as_deref(),
        args: &arguments.words[1..],
        env: &arguments.env,
        cwd: arguments.cwd.as_deref(),
        user,
        capabilities: &arguments.cap,
        tty: arguments.tty,
        console_socket: arguments.console_socket.as_deref(),
        pid_file: arguments.pid_file.as_deref(),
        detach: arguments.detach,
    })?;
    Ok(code as u8)
}

fn user(given: &str) -> Result<(u32, Option<u32>)> {
    let (uid, gid) = given.split_once(':').map_or((given, None), |(uid, gid)| (uid, Some(gid)));
    let id = |text: &str| {
        crate::spec::ids::parse_id(text)?
            .ok_or_else(|| Error::usage(format!("`{}` is no user: UID[:GID]", text::clean(given))))
    };
    Ok((id(uid)?, gid.map(id).transpose()?))
}

fn list(context: &Context, options: &RuntimeOptions, arguments: &ListArguments) -> Result<u8> {
    let states = bundle::states(&options.root(context)?)?;
    match (arguments.quiet, arguments.format.as_str()) {
        (true, _) => states.iter().try_for_each(|state| context.ui.line(state.id()))?,
        (false, "json") => {
            let text = serde_json::to_string(&states).map_err(|error| Error::system(error.to_string()))?;
            context.ui.line(&text)?;
        }
        (false, "table") => {
            context.ui.line(&format!("{:<24} {:<8} {:<10} {:<32} CREATED", "ID", "PID", "STATUS", "BUNDLE"))?;
            for state in &states {
                let (id, bundle) = (text::clean(state.id()), text::clean(state.bundle()));
                let line =
                    format!("{id:<24} {:<8} {:<10} {bundle:<32} {}", state.pid(), state.status(), state.created());
                context.ui.line(&line)?;
            }
        }
        (false, other) => return Err(Error::usage(format!("invalid format `{}`: table or json", text::clean(other)))),
    }
    Ok(0)
}

fn ps(context: &Context, options: &RuntimeOptions, arguments: &PsArguments) -> Result<u8> {
    let pids = bundle::processes(&options.root(context)?, &arguments.container)?;
    match arguments.format.as_str() {
        "json" => context.ui.line(&serde_json::Value::from(pids).to_string())?,
        "table" => {
            context.ui.line("PID")?;
            pids.iter().try_for_each(|pid| context.ui.line(&pid.to_string()))?;
        }
        other => return Err(Error::usage(format!("invalid format `{}`: table or json", text::clean(other)))),
    }
    Ok(0)
}

fn spec(context: &Context, arguments: &SpecArguments) -> Result<u8> {
    let path = context.cwd().join(&arguments.bundle).join("config.json");
    let ids = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let document = bundle::specification(arguments.rootless.then_some(ids));
    let text = serde_json::to_string_pretty(&document).map_err(|error| Error::system(error.to_string()))?;
    let opened = File::options().write(true).create_new(true).mode(0o644).open(&path);
    let mut file = opened.map_err(|error| {
        let exists = error.kind() == std::io::ErrorKind::AlreadyExists;
        let error = Error::system(format!("cannot create `{}`", path.display())).caused_by(error);
        if exists { error.hint("remove the existing file first") } else { error }
    })?;
    file.write_all(format!("{text}\n").as_bytes()).at(&path, "cannot write").map(|()| 0)
}

impl RuntimeOptions {
    /// The directory of all containers.
    fn root(&self, context: &Context) -> Result<Root> {
        match &self.root {
            Some(root) => Root::open(&context.cwd().join(root)),
            None => {
                let directory = context.environment.get("XDG_RUNTIME_DIR").map_or("/run", |directory| directory);
                Root::open(&Path::new(directory).join(LINK))
            }
        }
    }
}
