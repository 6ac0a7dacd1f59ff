//! `system check`: whether images are as they should be.

use clap::Args;

use crate::base::{Error, Result, text};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::check::{CheckRequest, Subject, check as engine_check};
use crate::spec::times;

/// The command.
pub const VERB: Verb = Verb {
    name: "check",
    about: "Verify all images, layers and names, and repair what is damaged",
    usage: "",
    arity: (0, Some(0)),
    greedy: false,
    codes: Codes::Plain,
    arguments: CheckArguments::augment_args,
    run: |context, matches| check(context, &typed(matches)?),
};

/// Arguments of `system check`.
#[derive(Debug, Clone, Args)]
struct CheckArguments {
    /// With --repair: remove containers of damaged images as well
    #[arg(short, long)]
    force: bool,
    /// Layers that no image has are left over when they are older
    #[arg(short, long, value_name = "DURATION", default_value = "24h")]
    max: String,
    /// Do not read the contents of layers
    #[arg(short, long)]
    quick: bool,
    /// Remove what is damaged or left over
    #[arg(short, long)]
    repair: bool,
}

fn check(context: &Context, arguments: &CheckArguments) -> Result<u8> {
    let Some((max, false)) = times::duration(&arguments.max) else {
        return Err(Error::usage(format!("invalid --max `{}`", text::clean(&arguments.max)))
            .hint("give a duration such as `30m` or `24h`"));
    };
    let request = CheckRequest { quick: arguments.quick, repair: arguments.repair, force: arguments.force, max };
    let report = engine_check(&context.engine()?, &request)?;
    let mut left = 0;
    for (problem, mended) in &report.problems {
        let subject = match &problem.subject {
            Subject::Layer(id) => format!("layer {}: ", id.short()),
            Subject::Image(id) => format!("image {}: ", id.short()),
            Subject::File(_) | Subject::Leftovers => String::new(),
        };
        let done = if *mended { " (removed)" } else { "" };
        let kind = if problem.damage { "damage" } else { "left over" };
        context.ui.line(&format!("{kind}: {subject}{}{done}", problem.what))?;
        left += usize::from(!mended);
    }
    if report.unknown > 0 && context.ui.shows_debug() {
        context.ui.warning(&format!("{} layers could not be compared with their digests", report.unknown));
    }
    if !report.lost.is_empty() {
        context.ui.warning(&format!("these images were removed, pull them again: {}", report.lost.join(", ")));
    }
    match (left, arguments.repair, arguments.force) {
        (0, ..) => Ok(0),
        (_, false, _) => Err(Error::conflict(format!("{left} problems were found"))
            .hint("`coracle system check --repair` removes what is damaged or left over")),
        (_, true, false) => Err(Error::conflict(format!("{left} problems are left: containers need what is damaged"))
            .hint("--force removes these containers, too")),
        (_, true, true) => Err(Error::conflict(format!("{left} problems are left"))),
    }
}
