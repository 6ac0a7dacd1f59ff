//! `compose events`: what happens to the containers of a project.

use std::collections::BTreeMap;
use std::os::fd::AsFd;

use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use super::work::Work;
use crate::base::{Error, Result, text, time};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};
use crate::compose::labels;
use crate::engine::events::{EventRequest, read};
use crate::spec::events::{Event, Filters};
use crate::spec::times;

/// The command.
pub const VERB: Verb = Verb {
    name: "events",
    about: "Show what happens to the containers of a project",
    usage: "[SERVICE...]",
    arity: (0, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: EventsArguments::augment_args,
    run: |context, matches| events(context, &typed(matches)?),
};

/// Arguments of `compose events`.
#[derive(Debug, Clone, Default, Args)]
struct EventsArguments {
    /// Show each event as an object
    #[arg(long)]
    json: bool,
    /// Show events since a time (2026-11-21T09:30:00Z) or a duration ago (10m)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Show events until a time or a duration ago, and end then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Services; all when none are named
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
}

fn events(context: &Context, arguments: &EventsArguments) -> Result<u8> {
    let (now, zone) = (time::now(), context.zone());
    let instant = |given: &Option<String>| -> Result<Option<i64>> {
        let Some(given) = given.as_deref().filter(|given| !given.is_empty()) else { return Ok(None) };
        let nanoseconds = times::parse(given, now, &zone)?.as_nanosecond();
        i64::try_from(nanoseconds)
            .map(Some)
            .map_err(|_| Error::usage(format!("`{}` is too far away", text::clean(given))))
    };
    let work = Work::new(context)?;
    let (name, _) = work.options.load_or_name(context)?;
    let mut filters = Filters::default();
    filters.add("type=container")?;
    filters.add(&format!("label={}={name}", labels::PROJECT))?;
    let stdout = std::io::stdout();
    let request = EventRequest {
        since: instant(&arguments.since)?,
        until: instant(&arguments.until)?,
        follow: true,
        filters,
        output: Some(stdout.as_fd()),
    };
    read(&work.engine, &request, &mut |event| {
        if let Some(line) = event.as_ref().and_then(|event| shown(event, arguments, &zone)) {
            context.ui.line(&line)?;
        }
        context.ui.flush()
    })?;
    Ok(0)
}

/// docker compose's line of an event; none of what is not asked for.
fn shown(event: &Event, arguments: &EventsArguments, zone: &TimeZone) -> Option<String> {
    let action = event.docker_action()?;
    let service = event.labels.get(labels::SERVICE).cloned().unwrap_or_default();
    if !arguments.services.is_empty() && !arguments.services.contains(&service) {
        return None;
    }
    let of_user = |(name, _): &(String, String)| !name.starts_with("com.docker.compose.");
    let attributes: BTreeMap<String, String> = event.docker_attributes().into_iter().filter(of_user).collect();
    let at = Timestamp::from_nanosecond(i128::from(event.time)).unwrap_or_default();
    if arguments.json {
        let object = json!({
            "time": time::rfc3339_nanos(at), "type": "container", "service": service, "id": event.id, "action": action,
            "attributes": attributes,
        });
        return Some(object.to_string());
    }
    let stamp = at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S%.6f").to_string();
    let pairs: Vec<String> = attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    Some(text::clean(&format!("{stamp} container {action} {} ({})", event.id, pairs.join(", "))).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::events::{Action, Subject};

    #[test]
    fn lines_are_docker_composes() {
        let mut event =
            Event::new(Subject::Container, Action::Start, "0123").with("name", "p-web-1").with("image", "i");
        event.labels.insert(labels::SERVICE.into(), "web".into());
        let line = |arguments: &EventsArguments| shown(&event, arguments, &TimeZone::UTC);
        let plain = EventsArguments::default();
        assert_eq!(line(&plain).unwrap(), "1970-01-01 00:00:00.000000 container start 0123 (image=i, name=p-web-1)");
        let json = EventsArguments { json: true, ..plain.clone() };
        assert!(line(&json).unwrap().contains("\"service\":\"web\""));
        assert_eq!(line(&EventsArguments { services: vec!["db".into()], ..plain }), None);
    }
}
