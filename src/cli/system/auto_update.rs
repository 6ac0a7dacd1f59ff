//! `auto-update`: containers that are services, with the newest image of their name.

use std::sync::Arc;

use clap::Args;
use gotmpl::Value;

use crate::base::{Result, text};
use crate::cli::context::Context;
use crate::cli::progress;
use crate::cli::template::{Format, Row};
use crate::cli::verb::{Codes, Verb, typed};
use crate::units::auto_update::{How, Report, Updated, candidates, update};

/// The command.
pub const VERB: Verb = Verb {
    name: "auto-update",
    about: "Start services of containers again that have a newer image",
    usage: "",
    arity: (0, Some(0)),
    greedy: false,
    codes: Codes::Plain,
    arguments: UpdateArguments::augment_args,
    run: |context, matches| run(context, &typed(matches)?),
};

/// podman's columns.
const DEFAULT: &str = r"table {{.Unit}}\t{{.Container}}\t{{.Image}}\t{{.Policy}}\t{{.Updated}}";

/// podman's headers.
const HEADERS: &[(&str, &str)] = &[
    ("Container", "CONTAINER"),
    ("ContainerID", "CONTAINER ID"),
    ("ContainerName", "CONTAINER NAME"),
    ("Image", "IMAGE"),
    ("Policy", "POLICY"),
    ("Unit", "UNIT"),
    ("Updated", "UPDATED"),
];

/// Arguments of `auto-update`.
#[derive(Debug, Clone, Args)]
struct UpdateArguments {
    /// Take the credentials of registries from this file
    #[arg(long, value_name = "FILE")]
    authfile: Option<String>,
    /// Only say for which containers there is a newer image
    #[arg(long)]
    dry_run: bool,
    /// Format with a Go template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'
    #[arg(long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Go back to the old image if a service does not start with the newer one
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true")]
    rollback: bool,
    /// Demand TLS with a certificate that is trusted
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    tls_verify: Option<bool>,
}

fn run(context: &Context, arguments: &UpdateArguments) -> Result<u8> {
    let format = Format::parse_list(arguments.format.as_deref().unwrap_or_default(), DEFAULT, "")?;
    let engine = context.engine_for_registries(arguments.tls_verify, arguments.authfile.as_deref())?;
    let (candidates, errors) = candidates(&engine)?;
    errors.iter().for_each(|error| context.ui.error(error));
    let mut failed = !errors.is_empty();
    let how = How { dry_run: arguments.dry_run, rollback: arguments.rollback };
    let progress = progress::beside_output(context, false);
    let reports = update(&engine, candidates, how, progress.as_ref(), &mut |error| context.ui.error(error));
    drop(progress);
    failed |= reports.iter().any(|report| matches!(report.updated, Updated::Failed | Updated::RolledBack));
    let rows: Vec<Row> = reports.iter().map(row).collect();
    context.ui.text(&format.render(HEADERS, rows)?)?;
    Ok(if failed { context.persona.failure() } else { 0 })
}

fn row(report: &Report) -> Row {
    let candidate = &report.candidate;
    let short: String = candidate.id.chars().take(12).collect();
    let texts = [
        ("Container", format!("{short} ({})", candidate.name)),
        ("ContainerID", candidate.id.clone()),
        ("ContainerName", candidate.name.clone()),
        ("Image", candidate.image.name.clone()),
        ("Policy", candidate.policy.clone()),
        ("Unit", candidate.unit.clone()),
        ("Updated", report.updated.word().to_owned()),
    ];
    let clean = |text: String| Value::String(text::clean(&text).replace(['\t', '\n'], " ").into());
    texts.into_iter().map(|(name, text)| (Arc::from(name), clean(text))).collect()
}
