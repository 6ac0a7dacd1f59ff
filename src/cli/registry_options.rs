//! Options of all commands that talk to a registry about an image.

use clap::Args;

use super::context::Context;
use super::ui::Answer;
use crate::base::{Error, Result, text};
use crate::engine::Engine;
use crate::engine::reach::Reach;
use crate::spec::times;

/// How the registry is reached.
#[derive(Debug, Clone, Args)]
pub struct RegistryOptions {
    /// File with the registries' credentials
    #[arg(long, value_name = "FILE")]
    authfile: Option<String>,
    /// Directory with certificates for the registry: *.crt, and *.cert with *.key
    #[arg(long, value_name = "DIR")]
    cert_dir: Option<String>,
    /// User name and password for the registry; a password that is not given is asked for
    #[arg(long, value_name = "USER[:PASSWORD]")]
    creds: Option<String>,
    /// Try again this number of times when the network or the registry fails
    #[arg(long, value_name = "N")]
    retry: Option<u32>,
    /// Wait so long before the first of these: 500ms, 2s
    #[arg(long, value_name = "DURATION")]
    retry_delay: Option<String>,
    /// Require HTTPS and verify certificates
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    tls_verify: Option<bool>,
}

impl RegistryOptions {
    /// The engine that reaches it so.
    pub fn engine(&self, context: &Context) -> Result<Engine> {
        let mut engine = context.engine_for_registries(self.tls_verify, self.authfile.as_deref())?;
        engine.reach(Reach {
            login: self.creds.as_deref().map(|creds| login(context, creds)).transpose()?,
            certificates: self.cert_dir.as_deref().map(|directory| context.path(directory)),
            retries: self.retry,
            delay: self.retry_delay.as_deref().map(delay).transpose()?,
        })?;
        Ok(engine)
    }
}

/// `--creds`
fn login(context: &Context, creds: &str) -> Result<(String, String)> {
    let (user, password) = match creds.split_once(':') {
        Some((user, password)) => (user, Some(password.to_owned())),
        None => (creds, None),
    };
    if user.is_empty() {
        return Err(Error::usage("credentials have the form USER[:PASSWORD]"));
    }
    let password = match password {
        Some(password) => password,
        None if !context.ui.in_is_terminal() => {
            return Err(Error::usage("--creds has no password, and there is no terminal to ask for it")
                .hint("say `--creds USER:PASSWORD`, or `coracle login` before"));
        }
        None => match context.ui.ask_secret("Password: ")? {
            Answer::Given(password) => password,
            Answer::Interrupted => return Err(Error::usage("no password was given")),
        },
    };
    Ok((user.to_owned(), password))
}

/// `--retry-delay`
fn delay(typed: &str) -> Result<std::time::Duration> {
    match times::duration(typed) {
        Some((delay, false)) => Ok(delay),
        _ => Err(Error::usage(format!("invalid --retry-delay `{}`", text::clean(typed)))
            .hint("give a duration such as `500ms` or `2s`")),
    }
}
