//! `compose scale`: another number of containers of services.

use std::sync::atomic::AtomicBool;

use clap::Args;

use super::up::{check_scales, scales};
use super::work::Work;
use crate::base::Result;
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};
use crate::compose::up::Wishes;

/// The command.
pub const VERB: Verb = Verb {
    name: "scale",
    about: "Set the number of containers of services",
    usage: "SERVICE=NUMBER [SERVICE=NUMBER...]",
    arity: (1, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: ScaleArguments::augment_args,
    run: |context, matches| scale(context, &typed(matches)?),
};

/// Arguments of `compose scale`.
#[derive(Debug, Clone, Default, Args)]
struct ScaleArguments {
    /// Leave services alone that the named ones depend on
    #[arg(long)]
    no_deps: bool,
    /// Services, and how many containers each has
    #[arg(value_name = "SERVICE=NUMBER")]
    scales: Vec<String>,
}

fn scale(context: &Context, arguments: &ScaleArguments) -> Result<u8> {
    let scale = scales(&arguments.scales)?;
    let services: Vec<String> = scale.keys().cloned().collect();
    let work = Work::new(context)?;
    let project = work.project(&services)?;
    check_scales(&project, &scale)?;
    let wishes = Wishes { scale, services, no_deps: arguments.no_deps, ..Wishes::default() };
    let (usual, cancelled) = (work.usual()?, AtomicBool::new(false));
    let up = work.up(&project, &usual, &wishes, &cancelled);
    let made = up.create()?;
    up.start(&made).map(|()| 0)
}
