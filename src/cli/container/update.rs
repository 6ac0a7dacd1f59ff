//! `update`: changes settings of containers, running or not.

use clap::Args;

use crate::base::{Error, Result};
use crate::cli::context::{Context, Persona};
use crate::cli::verb::{Codes, Verb, each, typed};
use crate::engine::settings::{Update, update as engine_update};
use crate::spec::restart::RestartPolicy;

/// The command.
pub const VERB: Verb = Verb {
    name: "update",
    about: "Change settings of one or more containers, running or not",
    usage: "CONTAINER [CONTAINER...]",
    arity: (1, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: UpdateArguments::augment_args,
    run: |context, matches| update(context, &typed(matches)?),
};

/// Arguments of `update`.
#[derive(Debug, Clone, Args)]
struct UpdateArguments {
    /// What follows when the container ends: no, on-failure[:COUNT], always or unless-stopped
    #[arg(long, value_name = "POLICY")]
    restart: Option<String>,
    /// Names or IDs
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

impl UpdateArguments {
    fn update(&self) -> Result<Update> {
        let restart = self.restart.as_deref().map(RestartPolicy::parse).transpose()?;
        let update = Update { restart };
        match update == Update::default() {
            true => Err(Error::usage("you must provide one or more flags when using this command")),
            false => Ok(update),
        }
    }
}

fn update(context: &Context, arguments: &UpdateArguments) -> Result<u8> {
    let update = arguments.update()?;
    let engine = context.engine()?;
    each(context, &arguments.containers, |name| {
        let id = engine_update(&engine, name, &update)?;
        match context.persona {
            Persona::Podman => context.ui.line(id.as_str()),
            Persona::Coracle | Persona::Docker => context.ui.line(name),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_must_change() {
        let update = |restart: Option<&str>| {
            UpdateArguments { restart: restart.map(String::from), containers: Vec::new() }.update()
        };
        assert_eq!(update(Some("on-failure:3")).unwrap().restart, Some(RestartPolicy::OnFailure(3)));
        assert_eq!(update(Some("")).unwrap().restart, Some(RestartPolicy::No));
        assert!(update(None).unwrap_err().message().contains("one or more flags"));
        assert!(update(Some("sometimes")).is_err());
    }
}
