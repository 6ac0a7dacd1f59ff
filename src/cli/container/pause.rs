//! `pause` and `unpause`: freeze the processes of containers, and let them go on.

use clap::Args;

use crate::base::{Error, Result};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, each, typed};
use crate::engine::Engine;
use crate::engine::ps::{self, Query};
use crate::engine::settings::set_paused;
use crate::spec::container::Status;

/// `pause`.
pub const PAUSE: Verb = Verb {
    name: "pause",
    about: "Pause all processes within one or more containers",
    usage: "CONTAINER [CONTAINER...]",
    arity: (0, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: PauseArguments::augment_args,
    run: |context, matches| pause(context, &typed(matches)?, true),
};

/// `unpause`.
pub const UNPAUSE: Verb = Verb {
    name: "unpause",
    about: "Unpause all processes within one or more containers",
    run: |context, matches| pause(context, &typed(matches)?, false),
    ..PAUSE
};

/// Arguments of both.
#[derive(Debug, Clone, Args)]
struct PauseArguments {
    /// All containers for which it can be done
    #[arg(short, long)]
    all: bool,
    /// Those of them that a filter of `ps` finds
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = crate::cli::verb::filter)]
    filter: Vec<String>,
    /// Names or IDs
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl PauseArguments {
    /// The containers that are meant.
    fn names(&self, engine: &Engine, context: &Context, paused: bool) -> Result<Vec<String>> {
        match (self.all || !self.filter.is_empty(), self.containers.is_empty()) {
            (false, false) => return Ok(self.containers.clone()),
            (false, true) => {
                let (program, word) = (context.persona.program(), if paused { "pause" } else { "unpause" });
                return Err(Error::usage(format!("'{program} {word}' requires at least 1 argument"))
                    .hint("name the containers, or use --all or --filter"));
            }
            (true, false) => {
                return Err(Error::usage("either the containers are named, or --all or --filter finds them"));
            }
            (true, true) => {}
        }
        let mut query = Query { all: true, ..Query::default() };
        self.filter.iter().try_for_each(|filter| query.filters.add(filter))?;
        let fits = |status: &Status| match paused {
            true => matches!(status, Status::Running { .. }),
            false => matches!(status, Status::Paused { .. }),
        };
        let found = ps::list(engine, &query)?.containers.into_iter().filter(|container| fits(&container.status));
        Ok(found.map(|container| container.name.to_string()).collect())
    }
}

fn pause(context: &Context, arguments: &PauseArguments, paused: bool) -> Result<u8> {
    let engine = context.engine()?;
    let names = arguments.names(&engine, context, paused)?;
    each(context, &names, |name| {
        set_paused(&engine, name, paused)?;
        context.ui.line(name)
    })
}
