//! `login`: credentials for a registry.
//!
//! Called as docker, it keeps them where docker does: `~/.docker/config.json`, or the credential helper that this file
//! names. Called as podman or by its own name, it keeps them in `${XDG_RUNTIME_DIR}/containers/auth.json`, which is in
//! memory and gone with the session: a password in clear does not stay on the disk unless the user says so, by
//! `--authfile`, `REGISTRY_AUTH_FILE` or `--compat-auth-file ~/.docker/config.json`. All of these are read by every
//! command, whatever the name.

use clap::Args;

use super::context::{Context, Persona};
use super::ui::Answer;
use super::verb::{Codes, Verb, typed};
use crate::base::{Error, Result, text};
use crate::engine::Engine;
use crate::engine::login::{Keep, Kept, Server, Stored, check_kept, kept, log_in};
use crate::engine::reach::Reach;
use crate::oci::reference::DOCKER_HUB;

/// The command.
pub const VERB: Verb = Verb {
    name: "login",
    about: "Log in to a registry",
    usage: "[REGISTRY]",
    arity: (0, Some(1)),
    greedy: false,
    codes: Codes::Plain,
    arguments: LoginArguments::augment_args,
    run: |context, matches| login(context, &typed(matches)?),
};

/// The exit code of a command that ^C ended, as shells count.
const INTERRUPTED: u8 = 130;

/// Where credentials are kept, of `login` and `logout`.
#[derive(Debug, Clone, Args)]
pub struct Place {
    /// Keep the credentials in this file
    #[arg(long, value_name = "FILE", conflicts_with = "compat_auth_file")]
    pub authfile: Option<String>,
    /// Keep the credentials in this file, which has docker's format
    #[arg(long, value_name = "FILE")]
    pub compat_auth_file: Option<String>,
}

impl Place {
    /// See the module.
    pub fn keep(&self, context: &Context) -> Keep {
        match (&self.compat_auth_file, &self.authfile) {
            (Some(file), _) => Keep::Docker(context.path(file)),
            (None, Some(file)) => Keep::Containers(context.path(file)),
            (None, None) if context.persona == Persona::Docker => {
                Keep::Docker(context.docker_directory().join("config.json"))
            }
            (None, None) => match context.environment.path("REGISTRY_AUTH_FILE") {
                Some(file) => Keep::Containers(file),
                None => Keep::Session,
            },
        }
    }

    /// Whether the user has named the file.
    fn is_named(&self, context: &Context) -> bool {
        let named = || context.environment.path("REGISTRY_AUTH_FILE").is_some() && context.persona != Persona::Docker;
        self.compat_auth_file.is_some() || self.authfile.is_some() || named()
    }

    /// The engine that looks for credentials where they are kept.
    pub fn engine(&self, context: &Context, tls_verify: Option<bool>) -> Result<Engine> {
        let mut engine = context.engine_for_registries(tls_verify, None)?;
        if self.is_named(context) {
            engine.seek_only_in(self.keep(context).path(&engine));
        }
        Ok(engine)
    }
}

/// The registry that a command is about: Docker Hub when none is named.
pub fn server(context: &Context, typed: Option<&String>) -> Result<Server> {
    Server::parse(typed.map_or(DOCKER_HUB, String::as_str), context.persona == Persona::Docker)
}

/// Arguments of `login`.
#[derive(Debug, Clone, Args)]
struct LoginArguments {
    #[command(flatten)]
    place: Place,
    /// Directory with certificates for the registry: *.crt, and *.cert with *.key
    #[arg(long, value_name = "DIR")]
    cert_dir: Option<String>,
    /// Print the user name that is logged in
    #[arg(long)]
    get_login: bool,
    /// Password or access token; others can see it here: rather use --password-stdin
    #[arg(short, long, value_name = "PASSWORD")]
    password: Option<String>,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
    /// Require HTTPS and verify certificates
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    tls_verify: Option<bool>,
    /// User name
    #[arg(short, long, value_name = "USER")]
    username: Option<String>,
    /// Say where the credentials are kept
    #[arg(short, long)]
    verbose: bool,
    /// The registry: HOST[:PORT]
    #[arg(value_name = "REGISTRY")]
    server: Option<String>,
}

/// The user that logs in.
enum Who {
    /// With these.
    New(String, String),
    /// With what is kept already, which the registry has accepted.
    Same,
    /// The user has pressed ^C.
    Nobody,
}

fn login(context: &Context, arguments: &LoginArguments) -> Result<u8> {
    let mut engine = arguments.place.engine(context, arguments.tls_verify)?;
    let certificates = arguments.cert_dir.as_deref().map(|directory| context.path(directory));
    engine.reach(Reach { certificates, ..Reach::default() })?;
    let keep = arguments.place.keep(context);
    let shown = keep.path(&engine).display().to_string();
    let server = server(context, arguments.server.as_ref())?;
    if arguments.get_login {
        return get_login(context, &engine, &server);
    }
    let stored = match who(context, arguments, &engine, &server)? {
        Who::Nobody => return Ok(INTERRUPTED),
        Who::New(user, password) => Some(log_in(&engine, &keep, &server, &user, &password)?),
        Who::Same => None,
    };
    if let Some(stored) = &stored {
        tell(context, &shown, stored);
    }
    if arguments.verbose {
        let place = match stored.as_ref().and_then(|stored| stored.helper.as_ref()) {
            Some(helper) => format!("docker-credential-{helper}"),
            None => shown,
        };
        context.ui.line(&format!("Used:  {place}"))?;
    }
    context.ui.line(match context.persona {
        Persona::Podman => "Login Succeeded!",
        _ => "Login Succeeded",
    })?;
    Ok(0)
}

fn get_login(context: &Context, engine: &Engine, server: &Server) -> Result<u8> {
    match kept(engine, server)? {
        Some(kept) => context.ui.line(&text::clean(&kept.user)).map(|()| 0),
        None => Err(Error::not_found(format!("not logged into {}", server.scope))),
    }
}

/// Finds out who logs in: from the options, from what is kept, or from the user.
fn who(context: &Context, arguments: &LoginArguments, engine: &Engine, server: &Server) -> Result<Who> {
    let password = match (&arguments.password, arguments.password_stdin) {
        (Some(_), true) => return Err(Error::usage("--password and --password-stdin are mutually exclusive")),
        (Some(password), false) => {
            context.ui.warning_line("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
            Some(password.clone())
        }
        (None, true) if arguments.username.is_none() => {
            return Err(Error::usage("must provide --username with --password-stdin"));
        }
        (None, true) => Some(context.ui.secret_from_input()?),
        (None, false) => None,
    };
    let known = match (&arguments.username, &password) {
        (None, None) => kept(engine, server)?,
        _ => None,
    };
    if let Some(known) = &known {
        context.ui.line("Authenticating with existing credentials...")?;
        context.ui.flush()?;
        match check_kept(engine, server, known) {
            Ok(()) => return Ok(Who::Same),
            Err(error) => context.ui.note(&format!("The existing credentials do not work: {}", error.chain())),
        }
    }
    if (arguments.username.is_none() || password.is_none()) && !context.ui.in_is_terminal() {
        return Err(Error::usage("cannot perform an interactive login from a non TTY device")
            .hint("give --username and --password-stdin"));
    }
    let user = match &arguments.username {
        Some(user) => user.clone(),
        None => ask_user(context, known.as_ref())?,
    };
    if user.is_empty() {
        return Err(Error::usage("a user name is required"));
    }
    let password = match password {
        Some(password) => password,
        None => match context.ui.ask_secret("Password: ")? {
            Answer::Given(password) => password,
            Answer::Interrupted => return Ok(Who::Nobody),
        },
    };
    match password.is_empty() {
        true => Err(Error::usage("a password is required")),
        false => Ok(Who::New(user, password)),
    }
}

/// The one that is known is the answer when nothing is typed.
fn ask_user(context: &Context, known: Option<&Kept>) -> Result<String> {
    let known = known.map(|known| known.user.clone()).unwrap_or_default();
    let prompt = match known.as_str() {
        "" => "Username: ".to_owned(),
        known => format!("Username ({}): ", text::clean(known)),
    };
    let typed = context.ui.ask(&prompt)?;
    Ok(if typed.is_empty() { known } else { typed })
}

/// What the user should know about where the password is now.
fn tell(context: &Context, file: &str, stored: &Stored) {
    stored.notes.iter().for_each(|note| context.ui.warning(note));
    if stored.helper.is_none() && context.persona == Persona::Docker {
        context.ui.warning_line(&format!(
            "\nWARNING! Your credentials are stored unencrypted in '{file}'.\nConfigure a credential helper to remove this warning. See\nhttps://docs.docker.com/go/credential-store/\n"
        ));
    }
}
