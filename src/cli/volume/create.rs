//! `volume create`.

use clap::Args;

use crate::base::{Error, Result, text};
use crate::cli::context::{Context, Persona};
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::volume::{CreateRequest, create as engine_create};
use crate::spec::variables;

/// The command.
pub const VERB: Verb = Verb {
    name: "create",
    about: "Create a volume",
    usage: "[VOLUME]",
    arity: (0, Some(1)),
    greedy: false,
    codes: Codes::Plain,
    arguments: CreateArguments::augment_args,
    run: |context, matches| create(context, &typed(matches)?),
};

/// Arguments of `volume create`.
#[derive(Debug, Clone, Args)]
struct CreateArguments {
    /// Volume driver: only local exists
    #[arg(short, long, value_name = "DRIVER", default_value = "local", hide_default_value = true)]
    driver: String,
    /// As podman: succeed if the volume exists, as docker's `volume create` always does
    #[arg(long)]
    ignore: bool,
    /// Set metadata on the volume
    #[arg(long, short = 'l', value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// The volume's name, as its argument
    #[arg(long, value_name = "NAME", hide = true)]
    name: Option<String>,
    /// Driver options: type=none, o=bind[,ro] and device=DIRECTORY make a directory of the host a volume; o=uid=UID,gid=GID gives it to a user of containers
    #[arg(short, long, value_name = "KEY=VALUE")]
    opt: Vec<String>,
    /// Its name; one is made up when none is given
    #[arg(value_name = "VOLUME")]
    volume: Option<String>,
}

fn create(context: &Context, arguments: &CreateArguments) -> Result<u8> {
    let name = match (&arguments.volume, &arguments.name) {
        (Some(_), Some(_)) => {
            return Err(Error::usage(
                "conflicting options: cannot specify a volume-name through both --name and as a positional arg",
            ));
        }
        (given, flag) => given.clone().or_else(|| flag.clone()).filter(|name| !name.is_empty()),
    };
    let request = CreateRequest {
        name,
        driver: arguments.driver.clone(),
        labels: variables::labels(&[], &arguments.label)?,
        options: variables::labels(&[], &arguments.opt)?,
    };
    let (name, new) = engine_create(&context.engine()?, &request)?;
    // docker is content with a volume that is there, podman only when told so.
    if !new && context.persona == Persona::Podman && !arguments.ignore {
        return Err(Error::conflict(format!("volume with name {} already exists", text::clean(name.as_str())))
            .hint("`--ignore` is content with it"));
    }
    context.ui.line(name.as_str()).map(|()| 0)
}
