//! `pod inspect`.

use clap::Args;

use crate::base::{Error, Result};
use crate::cli::context::Context;
use crate::cli::inspect::{compact, indented};
use crate::cli::template::Format;
use crate::cli::ui;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::pod::{self, PodReport};

/// The command.
pub const VERB: Verb = Verb {
    name: "inspect",
    about: "Display what is known of one or more pods",
    usage: "POD [POD...]",
    arity: (0, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: InspectArguments::augment_args,
    run: |context, matches| inspect(context, &typed(matches)?),
};

/// Arguments of `pod inspect`.
#[derive(Debug, Clone, Args)]
struct InspectArguments {
    /// Format with a Go template, or 'json'
    #[arg(short, long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// The pod that was created last
    #[arg(short, long)]
    latest: bool,
    /// Names or IDs
    #[arg(value_name = "POD")]
    pods: Vec<String>,
}

fn inspect(context: &Context, arguments: &InspectArguments) -> Result<u8> {
    let engine = context.engine()?;
    let names = match (arguments.latest, arguments.pods.is_empty()) {
        (true, true) => vec![super::latest(&engine)?],
        (true, false) => return Err(Error::usage("--latest and pod names cannot be used together")),
        (false, true) => {
            let program = context.persona.program();
            return Err(Error::usage(format!("'{program} pod inspect' requires at least 1 argument")));
        }
        (false, false) => arguments.pods.clone(),
    };
    let given = arguments.format.as_deref().filter(|format| !format.is_empty());
    let format = given.filter(|format| *format != "json").map(|format| Format::parse(format, "")).transpose()?;
    let (mut found, mut errors): (Vec<PodReport>, Vec<Error>) = (Vec::new(), Vec::new());
    for name in &names {
        match pod::find(&engine, name) {
            Ok(now) => found.push(pod::report(&now)),
            Err(error) => errors.push(error),
        }
    }
    match &format {
        Some(format) => {
            for report in &found {
                match format.render_data(report) {
                    Ok(text) => context.ui.text(&text)?,
                    Err(error) if ui::is_closed(&error) => return Err(error),
                    Err(error) => errors.push(error),
                }
            }
        }
        None if given == Some("json") => context.ui.line(&compact(&found)?)?,
        None => context.ui.text(&indented(&found)?)?,
    }
    errors.iter().for_each(|error| context.ui.error(error));
    Ok(if errors.is_empty() { 0 } else { context.persona.failure() })
}
