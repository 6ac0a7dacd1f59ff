//! `logout`: forget credentials. Where they are kept, `login` tells.

use clap::Args;

use super::context::{Context, Persona};
use super::login::{Place, server};
use super::verb::{Codes, Verb, typed};
use crate::base::{Error, Result};
use crate::engine::login::{kept, log_out, log_out_everywhere};

/// The command.
pub const VERB: Verb = Verb {
    name: "logout",
    about: "Log out from a registry",
    usage: "[REGISTRY]",
    arity: (0, Some(1)),
    greedy: false,
    codes: Codes::Plain,
    arguments: LogoutArguments::augment_args,
    run: |context, matches| logout(context, &typed(matches)?),
};

/// Arguments of `logout`.
#[derive(Debug, Clone, Args)]
struct LogoutArguments {
    /// Forget all credentials in the file
    #[arg(short, long)]
    all: bool,
    #[command(flatten)]
    place: Place,
    /// The registry: HOST[:PORT]
    #[arg(value_name = "REGISTRY", conflicts_with = "all")]
    server: Option<String>,
}

fn logout(context: &Context, arguments: &LogoutArguments) -> Result<u8> {
    let engine = arguments.place.engine(context, None)?;
    let keep = arguments.place.keep(context);
    if arguments.all {
        let erased = log_out_everywhere(&engine, &keep)?;
        erased.notes.iter().for_each(|note| context.ui.warning(note));
        return context.ui.line("Removed login credentials for all registries").map(|()| 0);
    }
    let server = server(context, arguments.server.as_ref())?;
    let name = server.scope.as_str();
    let erased = log_out(&engine, &keep, &server)?;
    erased.notes.iter().for_each(|note| context.ui.warning(note));
    if erased.servers > 0 {
        context.ui.line(&match context.persona {
            Persona::Podman => format!("Removed login credentials for {name}"),
            _ => format!("Removing login credentials for {name}"),
        })?;
        return Ok(0);
    }
    // Logged in all the same: somewhere else.
    let elsewhere = kept(&engine, &server)?.is_some();
    match context.persona {
        Persona::Docker => context.ui.line(&format!("Not logged in to {name}")).map(|()| 0),
        _ => {
            let error = Error::not_found(format!("not logged into {name}"));
            Err(if elsewhere {
                error.hint(format!(
                    "`{}` has no credentials for it, but another file has: --authfile or --compat-auth-file names it, and docker's is the one of `docker logout`",
                    keep.path(&engine).display()
                ))
            } else {
                error
            })
        }
    }
}
