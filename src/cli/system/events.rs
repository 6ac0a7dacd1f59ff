//! `events`, also `system events`: what happens to containers, images, volumes and networks.

use std::collections::BTreeMap;
use std::os::fd::AsFd;

use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::base::{Error, Result, text, time};
use crate::cli::context::{Context, Persona};
use crate::cli::template::{Format, value};
use crate::cli::verb::{Codes, Verb, typed};
use crate::engine::events::{EventRequest, read};
use crate::spec::events::{Action, Event, Filters, Subject};
use crate::spec::times;

/// The command.
pub const VERB: Verb = Verb {
    name: "events",
    about: "Show what happens to containers, images, volumes and networks",
    usage: "",
    arity: (0, Some(0)),
    greedy: false,
    codes: Codes::Plain,
    arguments: EventsArguments::augment_args,
    run: |context, matches| events(context, &typed(matches)?),
};

/// Arguments of `events`.
#[derive(Debug, Clone, Args)]
struct EventsArguments {
    /// Filter by container, event, image, label, network, scope, type or volume
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = crate::cli::verb::filter)]
    filter: Vec<String>,
    /// Format with a Go template, or 'json'
    #[arg(long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Don't truncate IDs
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true")]
    no_trunc: bool,
    /// Show events since a time (2026-11-21T09:30:00) or for a duration (10m)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Go on with what happens, instead of ending with the last event there is
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true")]
    stream: bool,
    /// Show events until a time or for a duration, and end then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

fn events(context: &Context, arguments: &EventsArguments) -> Result<u8> {
    let (now, zone) = (time::now(), context.zone());
    let instant = |given: &Option<String>| {
        let given = given.as_deref().filter(|given| !given.is_empty());
        given.map(|given| times::parse(given, now, &zone).and_then(nanoseconds)).transpose()
    };
    let mut filters = Filters::default();
    arguments.filter.iter().try_for_each(|filter| filters.add(filter))?;
    let (since, until) = (instant(&arguments.since)?, instant(&arguments.until)?);
    if let (Some(since), Some(until)) = (since, until)
        && since > until
    {
        return Err(Error::usage("the time of --since is behind that of --until"));
    }
    let given = arguments.format.as_deref().unwrap_or_default();
    let view = View { persona: context.persona, form: Form::of(given)?, zone, truncate: !arguments.no_trunc };
    let engine = context.engine()?;
    let stdout = std::io::stdout();
    let output = Some(stdout.as_fd());
    let request = EventRequest { since, until, follow: arguments.stream, filters, output };
    read(&engine, &request, &mut |event| match event {
        Some(event) => match view.show(&event)? {
            Some(line) => context.ui.line(&line),
            None => Ok(()),
        },
        // Whoever waits for an event sees it now.
        None => context.ui.flush(),
    })
    .map(|()| 0)
}

fn nanoseconds(time: Timestamp) -> Result<i64> {
    i64::try_from(time.as_nanosecond()).map_err(|_| Error::usage("the time is too far away"))
}

/// What a line looks like.
enum Form {
    /// docker's or podman's text.
    Text,
    /// Their JSON.
    Json,
    Template(Format),
}

impl Form {
    fn of(given: &str) -> Result<Self> {
        let bare: String = given.split_whitespace().collect();
        Ok(match bare.as_str() {
            "" => Self::Text,
            "json" | "{{json.}}" => Self::Json,
            _ => Self::Template(Format::parse(given, "")?),
        })
    }
}

/// How events are shown.
struct View {
    persona: Persona,
    form: Form,
    zone: TimeZone,
    truncate: bool,
}

impl View {
    /// The line of an event; none of one that the persona does not have.
    fn show(&self, event: &Event) -> Result<Option<String>> {
        match self.persona {
            Persona::Podman => match PodmanEvent::of(event) {
                Some(shown) => self.line(&shown, &shown, || podman_text(event, &shown, self)).map(Some),
                None => Ok(None),
            },
            Persona::Coracle | Persona::Docker => match DockerEvent::of(event) {
                Some(shown) => self.line(&shown, &DockerFields::of(&shown), || docker_text(&shown, self)).map(Some),
                None => Ok(None),
            },
        }
    }

    fn line(&self, json: &impl Serialize, fields: &impl Serialize, words: impl FnOnce() -> String) -> Result<String> {
        match &self.form {
            Form::Text => Ok(text::clean(&words()).into_owned()),
            Form::Json => {
                serde_json::to_string(json).map_err(|error| Error::system("cannot show the event").caused_by(error))
            }
            Form::Template(format) => {
                let line = format.render_value(&value(fields)?)?;
                Ok(line.trim_end_matches('\n').to_owned())
            }
        }
    }

    fn id<'a>(&self, id: &'a str) -> &'a str {
        match self.truncate {
            true => id.get(..12).unwrap_or(id),
            false => id,
        }
    }

    fn zoned(&self, nanoseconds: i64) -> jiff::Zoned {
        let time = Timestamp::from_nanosecond(i128::from(nanoseconds)).unwrap_or_default();
        jiff::Zoned::new(time, self.zone.clone())
    }
}

/// docker's `events.Message` (API 1.48).
#[derive(Debug, Serialize)]
struct DockerEvent {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(rename = "Type")]
    kind: &'static str,
    #[serde(rename = "Action")]
    action: String,
    #[serde(rename = "Actor")]
    actor: Actor,
    scope: &'static str,
    time: i64,
    #[serde(rename = "timeNano")]
    time_nano: i64,
}

#[derive(Debug, Clone, Serialize)]
struct Actor {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "Attributes")]
    attributes: BTreeMap<String, String>,
}

impl DockerEvent {
    fn of(event: &Event) -> Option<Self> {
        let action = event.docker_action()?;
        // The old fields are those of containers and images.
        let old = matches!(event.subject, Subject::Container | Subject::Image);
        let from = event.attributes.get("image").filter(|_| event.subject == Subject::Container);
        Some(Self {
            status: old.then(|| action.clone()),
            id: old.then(|| event.id.clone()),
            from: from.cloned(),
            kind: event.subject.word(),
            action,
            actor: Actor { id: event.id.clone(), attributes: event.docker_attributes() },
            scope: "local",
            time: event.time / 1_000_000_000,
            time_nano: event.time,
        })
    }
}

/// The same with the names that templates use.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct DockerFields<'a> {
    status: &'a str,
    #[serde(rename = "ID")]
    id: &'a str,
    from: &'a str,
    r#type: &'a str,
    action: &'a str,
    actor: &'a Actor,
    scope: &'a str,
    time: i64,
    time_nano: i64,
}

impl<'a> DockerFields<'a> {
    fn of(event: &'a DockerEvent) -> Self {
        Self {
            status: event.status.as_deref().unwrap_or_default(),
            id: event.id.as_deref().unwrap_or_default(),
            from: event.from.as_deref().unwrap_or_default(),
            r#type: event.kind,
            action: &event.action,
            actor: &event.actor,
            scope: event.scope,
            time: event.time,
            time_nano: event.time_nano,
        }
    }
}

/// `2026-11-21T10:30:00.000000000+01:00 container start 0123… (image=busybox, name=web)`.
fn docker_text(event: &DockerEvent, view: &View) -> String {
    let time = view.zoned(event.time_nano);
    let offset = if time.offset().is_zero() { "Z".to_owned() } else { time.strftime("%:z").to_string() };
    let stamp = time.strftime("%Y-%m-%dT%H:%M:%S%.9f");
    let attributes: Vec<String> = event.actor.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let attributes = if attributes.is_empty() { String::new() } else { format!(" ({})", attributes.join(", ")) };
    format!("{stamp}{offset} {} {} {}{attributes}", event.kind, event.action, view.id(&event.actor.id))
}

/// podman's event (podman 5.8).
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct PodmanEvent {
    #[serde(skip_serializing_if = "Option::is_none")]
    container_exit_code: Option<i32>,
    #[serde(rename = "ID", skip_serializing_if = "String::is_empty")]
    id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    image: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(rename = "network", skip_serializing_if = "String::is_empty")]
    network: String,
    status: &'static str,
    #[serde(rename = "time")]
    time: i64,
    #[serde(rename = "timeNano")]
    time_nano: i64,
    r#type: &'static str,
    #[serde(rename = "health_status", skip_serializing_if = "String::is_empty")]
    health_status: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<String, String>,
}

impl PodmanEvent {
    fn of(event: &Event) -> Option<Self> {
        let status = event.action.podman_word(event.subject)?;
        let fact = |key: &str| event.attributes.get(key).cloned().unwrap_or_default();
        let (id, name, network) = match event.subject {
            Subject::Network => {
                let container = fact("container");
                (if container.is_empty() { event.id.clone() } else { container }, String::new(), fact("name"))
            }
            Subject::Volume => (String::new(), event.id.clone(), String::new()),
            Subject::Container | Subject::Image | Subject::Secret | Subject::Pod => {
                (event.id.clone(), fact("name"), String::new())
            }
        };
        let health = event.action == Action::HealthStatus;
        Some(Self {
            container_exit_code: fact("exitCode").parse().ok(),
            id,
            image: fact("image"),
            name,
            network,
            status,
            time: event.time / 1_000_000_000,
            time_nano: event.time,
            r#type: event.subject.word(),
            health_status: if health { event.detail.clone() } else { String::new() },
            attributes: event.labels.clone(),
        })
    }
}

/// `2026-11-21 10:30:00.5 +0100 CET container start 0123… (image=busybox, name=web)`.
fn podman_text(event: &Event, shown: &PodmanEvent, view: &View) -> String {
    let time = view.zoned(shown.time_nano).strftime("%Y-%m-%d %H:%M:%S%.f %z %Z").to_string();
    let (kind, status, id) = (shown.r#type, shown.status, view.id(&shown.id));
    match event.subject {
        Subject::Container => {
            let health = match shown.health_status.as_str() {
                "" => String::new(),
                status => format!(", health_status={status}"),
            };
            let labels: String = shown.attributes.iter().map(|(key, value)| format!(", {key}={value}")).collect();
            format!("{time} {kind} {status} {id} (image={}, name={}{health}{labels})", shown.image, shown.name)
        }
        Subject::Pod => {
            let labels: String = shown.attributes.iter().map(|(key, value)| format!(", {key}={value}")).collect();
            format!("{time} {kind} {status} {id} (image=, name={}{labels})", shown.name)
        }
        Subject::Network => format!("{time} {kind} {status} {id} (container={id}, name={})", shown.network),
        Subject::Image | Subject::Secret => format!("{time} {kind} {status} {id} {}", shown.name),
        Subject::Volume => format!("{time} {kind} {status} {}", shown.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(persona: Persona, format: &str, event: &Event) -> String {
        let view = View { persona, form: Form::of(format).unwrap(), zone: TimeZone::UTC, truncate: false };
        view.show(event).unwrap().unwrap_or_default()
    }

    fn died() -> Event {
        let event = Event::new(Subject::Container, Action::Die, "ab").with("image", "busybox").with("name", "web");
        let mut event = event.with("exitCode", 3);
        event.labels = [("a".to_owned(), "b".to_owned())].into();
        event.time = 1_700_000_000_500_000_000;
        event
    }

    #[test]
    fn dockers_shapes() {
        let shown = show(Persona::Docker, "", &died());
        assert_eq!(shown, "2023-11-14T22:13:20.500000000Z container die ab (a=b, exitCode=3, image=busybox, name=web)");
        for format in ["json", "{{json .}}", "{{ json . }}"] {
            assert_eq!(
                show(Persona::Docker, format, &died()),
                r#"{"status":"die","id":"ab","from":"busybox","Type":"container","Action":"die","Actor":{"ID":"ab","Attributes":{"a":"b","exitCode":"3","image":"busybox","name":"web"}},"scope":"local","time":1700000000,"timeNano":1700000000500000000}"#
            );
        }
        let fields = "{{.Type}} {{.Action}} {{.Status}} {{.ID}} {{.From}} {{.Actor.ID}} {{.Actor.Attributes.name}} {{.Time}} {{.TimeNano}} {{.Scope}}";
        assert_eq!(
            show(Persona::Coracle, fields, &died()),
            "container die die ab busybox ab web 1700000000 1700000000500000000 local"
        );
        let volume = Event::new(Subject::Volume, Action::Create, "data").with("driver", "local");
        assert!(show(Persona::Docker, "json", &volume).starts_with(r#"{"Type":"volume","Action":"create","Actor":"#));
        assert_eq!(show(Persona::Docker, "", &Event { action: Action::Init, ..died() }), "");
    }

    #[test]
    fn podmans_shapes() {
        assert_eq!(
            show(Persona::Podman, "", &died()),
            "2023-11-14 22:13:20.5 +0000 UTC container died ab (image=busybox, name=web, a=b)"
        );
        assert_eq!(
            show(Persona::Podman, "json", &died()),
            r#"{"ContainerExitCode":3,"ID":"ab","Image":"busybox","Name":"web","Status":"died","time":1700000000,"timeNano":1700000000500000000,"Type":"container","Attributes":{"a":"b"}}"#
        );
        let joined = Event::new(Subject::Network, Action::Connect, "id").with("container", "ab").with("name", "front");
        assert!(show(Persona::Podman, "", &joined).ends_with("network connect ab (container=ab, name=front)"));
        let volume = Event::new(Subject::Volume, Action::Destroy, "data");
        assert!(show(Persona::Podman, "", &volume).ends_with(" volume remove data"));
        assert_eq!(show(Persona::Podman, "{{.Status}} {{.Name}}", &died()), "died web");
    }

    #[test]
    fn a_hostile_label_cannot_move_the_cursor() {
        let mut event = died();
        event.labels = [("x".to_owned(), "\u{1b}[2J\nfake".to_owned())].into();
        let shown = show(Persona::Docker, "", &event);
        assert!(!shown.contains('\u{1b}') && !shown.contains('\n'), "{shown:?}");
    }
}
