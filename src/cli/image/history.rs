//! `history`: the steps by which an image was built.

use std::sync::Arc;

use clap::Args;
use gotmpl::Value;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::base::{Result, time};
use crate::cli::container::list::{one_line, zoned};
use crate::cli::context::{Context, Persona};
use crate::cli::inspect::indented;
use crate::cli::template::{Format, Row};
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::history::{Step, history as engine_history};
use crate::oci::{Digest, Platform, Reference};
use crate::spec::units::{ellipsis, human_duration, human_size};

/// The command.
pub const VERB: Verb = Verb {
    name: "history",
    about: "Show the history of an image",
    usage: "IMAGE",
    arity: (1, Some(1)),
    greedy: false,
    codes: Codes::Plain,
    arguments: HistoryArguments::augment_args,
    run: |context, matches| history(context, &typed(matches)?),
};

/// docker's columns.
const DEFAULT: &str = r"table {{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}";
/// Those of `--human=false`.
const PLAIN: &str = r"table {{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}";

/// docker's headers.
const HEADERS: &[(&str, &str)] = &[
    ("ID", "IMAGE"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedBy", "CREATED BY"),
    ("Size", "SIZE"),
    ("Comment", "COMMENT"),
];

/// As many characters of a command are shown.
const COMMAND_WIDTH: usize = 45;

/// Arguments of `history`.
#[derive(Debug, Clone, Args)]
struct HistoryArguments {
    /// Format with a Go template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'
    #[arg(long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Print sizes and dates in human readable format
    #[arg(short = 'H', long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    human: Option<bool>,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// The image must be for this platform: os/architecture[/variant]
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// Only show image IDs
    #[arg(short, long)]
    quiet: bool,
    /// Name or ID
    #[arg(value_name = "IMAGE", required = true)]
    image: String,
}

fn history(context: &Context, arguments: &HistoryArguments) -> Result<u8> {
    let platform: Option<Platform> = arguments.platform.as_deref().map(str::parse).transpose()?;
    let given = arguments.format.as_deref().unwrap_or_default();
    let human = arguments.human.unwrap_or(true);
    let format = match arguments.quiet {
        true => Format::parse("{{.ID}}", "")?,
        false => Format::parse(given, if human { DEFAULT } else { PLAIN })?,
    };
    let steps = engine_history(&context.engine()?, &arguments.image, platform.as_ref())?;
    if given == "json" && context.persona == Persona::Podman && !arguments.quiet {
        let reports: Vec<PodmanStep> = steps.iter().map(PodmanStep::of).collect();
        return context.ui.text(&indented(&reports)?).map(|()| 0);
    }
    let view = View { now: time::now(), zone: context.zone(), truncate: !arguments.no_trunc, human };
    let rows = steps.iter().map(|step| view.row(step)).collect();
    context.ui.text(&format.render(HEADERS, rows)?).map(|()| 0)
}

/// How steps are shown.
struct View {
    now: Timestamp,
    zone: TimeZone,
    truncate: bool,
    human: bool,
}

impl View {
    fn row(&self, step: &Step) -> Row {
        let id = match &step.id {
            Some(id) if self.truncate => id.short().to_owned(),
            Some(id) => id.to_string(),
            None => "<missing>".to_owned(),
        };
        let command = one_line(&step.created_by.replace('\t', " "));
        let since = |created| match self.human {
            true => format!("{} ago", human_duration(created, self.now)),
            false => zoned(created, &self.zone),
        };
        let texts = [
            ("ID", id),
            ("CreatedSince", step.created.map_or_else(|| "N/A".into(), since)),
            ("CreatedAt", step.created.map_or_else(|| "N/A".into(), |created| rfc3339(created, &self.zone))),
            ("CreatedBy", if self.truncate { ellipsis(&command, COMMAND_WIDTH) } else { command }),
            ("Size", if self.human { human_size(step.size) } else { step.size.to_string() }),
            ("Comment", step.comment.clone()),
        ];
        texts.into_iter().map(|(name, text)| (Arc::from(name), Value::String(one_line(&text).into()))).collect()
    }
}

/// `2026-11-21T10:30:00+01:00`.
fn rfc3339(time: Timestamp, zone: &TimeZone) -> String {
    time.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// A step in podman's JSON.
#[derive(Debug, Serialize)]
struct PodmanStep {
    id: String,
    created: String,
    #[serde(rename = "createdBy")]
    created_by: String,
    size: u64,
    comment: String,
    tags: Vec<String>,
}

impl PodmanStep {
    fn of(step: &Step) -> Self {
        Self {
            id: step.id.as_ref().map_or("<missing>", Digest::hex).to_owned(),
            created: step.created.map_or_else(|| time::ZERO.into(), time::rfc3339),
            created_by: step.created_by.clone(),
            size: step.size,
            comment: step.comment.clone(),
            tags: step.names.iter().map(Reference::to_string).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_dockers() {
        let created: Timestamp = "2026-11-21T09:30:00Z".parse().unwrap();
        let view = |truncate, human| View {
            now: created + std::time::Duration::from_secs(3 * 3600),
            zone: TimeZone::UTC,
            truncate,
            human,
        };
        let id = Digest::sha256(b"x");
        let step = |id: Option<&Digest>, size| Step {
            id: id.cloned(),
            names: Vec::new(),
            created: Some(created),
            created_by: "/bin/sh -c #(nop)\tADD file:0123456789 in / and more".into(),
            comment: "buildkit".into(),
            size,
        };
        let render = |view: &View, format: &str| {
            let rows = vec![view.row(&step(Some(&id), 4_420_000)), view.row(&step(None, 0))];
            Format::parse("", format).unwrap().render(HEADERS, rows).unwrap()
        };
        let short = id.short();
        let expected = format!(
            "IMAGE          CREATED       CREATED BY                                      SIZE      COMMENT\n\
             {short}   3 hours ago   /bin/sh -c #(nop) ADD file:0123456789 in / a…   4.42MB    buildkit\n\
             <missing>      3 hours ago   /bin/sh -c #(nop) ADD file:0123456789 in / a…   0B        buildkit\n"
        );
        assert_eq!(render(&view(true, true), DEFAULT), expected);
        let plain = render(&view(false, false), PLAIN);
        assert!(plain.contains("2026-11-21T09:30:00+00:00") && plain.contains("and more   4420000"), "{plain}");
        assert!(plain.contains(&id.to_string()));
    }
}
