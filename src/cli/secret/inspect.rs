//! `secret inspect`.

use clap::Args;

use crate::base::Result;
use crate::base::text::clean;
use crate::cli::context::Context;
use crate::cli::inspect::{compact, indented};
use crate::cli::template::Format;
use crate::cli::ui;
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::secret;
use crate::spec::secret::{DRIVER, Secret};

/// The command.
pub const VERB: Verb = Verb {
    name: "inspect",
    about: "Display detailed information on one or more secrets",
    usage: "SECRET [SECRET...]",
    arity: (1, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: InspectArguments::augment_args,
    run: |context, matches| inspect(context, &typed(matches)?),
};

/// Arguments of `secret inspect`.
#[derive(Debug, Clone, Args)]
struct InspectArguments {
    /// Format with a Go template, or 'json'
    #[arg(short, long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Print it for people to read
    #[arg(long, conflicts_with_all = ["format", "showsecret"])]
    pretty: bool,
    /// Show the value, too
    #[arg(long)]
    showsecret: bool,
    /// Names or IDs
    #[arg(value_name = "SECRET", required = true)]
    secrets: Vec<String>,
}

fn inspect(context: &Context, arguments: &InspectArguments) -> Result<u8> {
    let given = arguments.format.as_deref().filter(|format| !format.is_empty());
    let format = given.filter(|format| *format != "json").map(|format| Format::parse(format, "")).transpose()?;
    let engine = context.engine()?;
    let mut errors = Vec::new();
    if arguments.pretty {
        for name in &arguments.secrets {
            match secret::find(&engine, name) {
                Ok(secret) => context.ui.text(&pretty(&secret))?,
                Err(error) => errors.push(error),
            }
        }
    } else {
        let mut found = Vec::new();
        for name in &arguments.secrets {
            match secret::inspect(&engine, name, arguments.showsecret) {
                Ok(report) => found.push(report),
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
    }
    errors.iter().for_each(|error| context.ui.error(error));
    Ok(if errors.is_empty() { 0 } else { context.persona.failure() })
}

/// podman's `--pretty`.
fn pretty(secret: &Secret) -> String {
    let label = |(key, value): (&String, &String)| match value.as_str() {
        "" => format!(" - {}\n", clean(key)),
        value => format!(" - {}={}\n", clean(key), clean(value)),
    };
    let labels: String = secret.labels.iter().map(label).collect();
    let labels = if labels.is_empty() { labels } else { format!("Labels:\n{labels}") };
    let time = |time: jiff::Timestamp| time.strftime("%Y-%m-%d %H:%M:%S%.f +0000 UTC").to_string();
    format!(
        "ID:              {}\nName:              {}\n{labels}Driver:            {DRIVER}\nCreated at:        {}\nUpdated at:        {}\n",
        secret.id,
        clean(&secret.name),
        time(secret.created),
        time(secret.updated)
    )
}
