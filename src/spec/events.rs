//! Events: what has happened to containers, images, volumes, networks and secrets, as the journal keeps it and as `events` selects it.
//! Each has docker's word and podman's for it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::container::ContainerConfig;
use super::filter::{Any, Filter, Keys, Labels};
use crate::base::Result;

/// The most bytes of labels that go into one event.
const MAX_LABELS: usize = 8 * 1024;

/// The most characters of [`Event::detail`].
const MAX_DETAIL: usize = 1024;

/// What kind of thing it has happened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// A container.
    Container,
    /// An image.
    Image,
    /// A volume.
    Volume,
    /// A network.
    Network,
    /// A secret.
    Secret,
    /// A pod.
    Pod,
}

impl Subject {
    /// Its word, in docker's and podman's output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Image => "image",
            Self::Volume => "volume",
            Self::Network => "network",
            Self::Secret => "secret",
            Self::Pod => "pod",
        }
    }
}

/// What has happened. In the journal each has its name here in snake case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A client is attached to the container's streams.
    Attach,
    /// An image was made of the container.
    Commit,
    /// A container joins a network.
    Connect,
    /// Files of the container were copied.
    Copy,
    /// It was created.
    Create,
    /// It was removed.
    Destroy,
    /// The container's run is over.
    Die,
    /// A container leaves a network.
    Disconnect,
    /// A command is about to be run in the container.
    ExecCreate,
    /// The command has ended.
    ExecDie,
    /// The command runs.
    ExecStart,
    /// The container's files were written into an archive.
    Export,
    /// A health check has changed the container's health.
    HealthStatus,
    /// An image was made of an archive of files.
    Import,
    /// The container's namespaces and mounts are there; its program does not run yet.
    Init,
    /// The container was sent a signal.
    Kill,
    /// An image was read from an archive.
    Load,
    /// A container uses the volume.
    Mount,
    /// The kernel has killed a process of the container because its memory was used up.
    Oom,
    /// The container was frozen.
    Pause,
    /// What is not in use was removed.
    Prune,
    /// The image was fetched from a registry.
    Pull,
    /// The image was sent to a registry.
    Push,
    /// The container has another name.
    Rename,
    /// The container was stopped and started again.
    Restart,
    /// The image was written into an archive.
    Save,
    /// The container runs.
    Start,
    /// The container has ended because somebody wanted it to.
    Stop,
    /// The image has one name more.
    Tag,
    /// A container does not use the volume any more.
    Unmount,
    /// The container goes on.
    Unpause,
    /// The image has one name less.
    Untag,
    /// The container's settings were changed.
    Update,
}

impl Action {
    /// docker's word (moby's `api/types/events`); none for what docker has no event for.
    pub fn docker_word(self, subject: Subject) -> Option<&'static str> {
        Some(match (self, subject) {
            // docker has no pods.
            (_, Subject::Pod) | (Self::Init, _) => return None,
            (Self::Destroy, Subject::Image) => "delete",
            (Self::Destroy, Subject::Secret) => "remove",
            (Self::Attach, _) => "attach",
            (Self::Commit, _) => "commit",
            (Self::Connect, _) => "connect",
            (Self::Copy, _) => "copy",
            (Self::Create, _) => "create",
            (Self::Destroy, _) => "destroy",
            (Self::Die, _) => "die",
            (Self::Disconnect, _) => "disconnect",
            (Self::ExecCreate, _) => "exec_create",
            (Self::ExecDie, _) => "exec_die",
            (Self::ExecStart, _) => "exec_start",
            (Self::Export, _) => "export",
            (Self::HealthStatus, _) => "health_status",
            (Self::Import, _) => "import",
            (Self::Kill, _) => "kill",
            (Self::Load, _) => "load",
            (Self::Mount, _) => "mount",
            (Self::Oom, _) => "oom",
            (Self::Pause, _) => "pause",
            (Self::Prune, _) => "prune",
            (Self::Pull, _) => "pull",
            (Self::Push, _) => "push",
            (Self::Rename, _) => "rename",
            (Self::Restart, _) => "restart",
            (Self::Save, _) => "save",
            (Self::Start, _) => "start",
            (Self::Stop, _) => "stop",
            (Self::Tag, _) => "tag",
            (Self::Unmount, _) => "unmount",
            (Self::Unpause, _) => "unpause",
            (Self::Untag, _) => "untag",
            (Self::Update, _) => "update",
        })
    }

    /// podman's word (podman-events(1)); none for what podman has no event for.
    pub fn podman_word(self, subject: Subject) -> Option<&'static str> {
        // Its words for pods are those for containers.
        let subject = if subject == Subject::Pod { Subject::Container } else { subject };
        match self {
            // podman tells of one when it begins.
            Self::ExecStart => None,
            Self::ExecCreate => Some("exec"),
            Self::ExecDie => Some("exec_died"),
            Self::Die => Some("died"),
            Self::Destroy => Some("remove"),
            Self::Load => Some("loadfromarchive"),
            Self::Init => Some("init"),
            other => other.docker_word(subject),
        }
    }
}

/// One event. In the journal it is a line of JSON; the time comes first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, in nanoseconds since 1970. The journal sets it.
    pub time: i64,
    /// What kind of thing it has happened to.
    #[serde(rename = "type")]
    pub subject: Subject,
    /// What has happened.
    pub action: Action,
    /// docker's text after the action and a colon: the command of an exec, what a health check says.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// To which thing: an id, or the name of a volume.
    pub id: String,
    /// The facts of the event: `name`, `image`, `exitCode`, `signal` and so on, with docker's names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// The labels of the thing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl Event {
    /// Something has happened to a thing.
    pub fn new(subject: Subject, action: Action, id: impl ToString) -> Self {
        let (attributes, labels) = (BTreeMap::new(), BTreeMap::new());
        Self { time: 0, subject, action, detail: String::new(), id: id.to_string(), attributes, labels }
    }

    /// Something has happened to a container. Of many labels only the first are told.
    pub fn of_container(container: &ContainerConfig, action: Action) -> Self {
        let mut size = 0;
        let labels = container.labels.iter().take_while(|(key, value)| {
            size += key.len() + value.len();
            size <= MAX_LABELS
        });
        let labels = labels.map(|(key, value)| (key.clone(), value.clone())).collect();
        let event = Self { labels, ..Self::new(Subject::Container, action, &container.id) };
        let event = event.with("image", &container.image.name).with("name", &container.name);
        match &container.pod {
            Some(membership) => event.with("podId", &membership.pod),
            None => event,
        }
    }

    /// With one fact more.
    pub fn with(mut self, key: &str, value: impl ToString) -> Self {
        self.attributes.insert(key.to_owned(), value.to_string());
        self
    }

    /// With docker's text after the action.
    pub fn with_detail(mut self, detail: &str) -> Self {
        self.detail = detail.chars().take(MAX_DETAIL).collect();
        self
    }

    /// docker's `Action`: `start`, `exec_create: ls -l`, `health_status: healthy`.
    pub fn docker_action(&self) -> Option<String> {
        let word = self.action.docker_word(self.subject)?;
        Some(if self.detail.is_empty() { word.to_owned() } else { format!("{word}: {}", self.detail) })
    }

    /// Facts and labels together, as docker tells them.
    pub fn docker_attributes(&self) -> BTreeMap<String, String> {
        let mut all = self.labels.clone();
        all.extend(self.attributes.clone());
        all
    }
}

/// `--filter` of `events`, see [`super::filter`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters {
    containers: Any<String>,
    events: Any<String>,
    images: Any<String>,
    labels: Labels,
    networks: Any<String>,
    pods: Any<String>,
    scopes: Any<String>,
    types: Any<String>,
    volumes: Any<String>,
}

/// docker's keys for what there is here; podman's are among them.
const KEYS: Keys = Keys {
    known: &["container", "event", "image", "label", "network", "pod", "scope", "type", "volume"],
    excludable: &[],
};

impl Filters {
    /// Adds one `key=value`.
    pub fn add(&mut self, filter: &str) -> Result<()> {
        let filter = Filter::parse(filter, &KEYS)?;
        let value = filter.value.clone();
        match filter.key {
            "container" => self.containers.push(value),
            "event" => self.events.push(value),
            "image" => self.images.push(value),
            "label" => self.labels.add(&filter),
            "network" => self.networks.push(value),
            "pod" => self.pods.push(value),
            "scope" => self.scopes.push(value),
            "type" => self.types.push(value),
            "volume" => self.volumes.push(value),
            _ => return Err(filter.wrong()),
        }
        Ok(())
    }

    /// Whether an event passes. As for docker, a thing is meant by the beginning of its id or name.
    pub fn fit(&self, event: &Event) -> bool {
        let name = event.attributes.get("name").map_or("", String::as_str);
        let is = |wanted: &str| event.id.starts_with(wanted) || name.starts_with(wanted);
        let one = |filter: &Any<String>, subject: Subject| {
            filter.is_empty() || (event.subject == subject && filter.fits(|wanted| is(wanted)))
        };
        self.types.fits(|wanted| event.subject.word() == wanted)
            && self.scopes.fits(|wanted| wanted == "local")
            && self.events.fits(|wanted| is_action(event, wanted))
            && self.fits_container(event, &is)
            && one(&self.volumes, Subject::Volume)
            && one(&self.networks, Subject::Network)
            && one(&self.pods, Subject::Pod)
            && self.images.fits(|wanted| is_image(event, name, wanted))
            && (self.labels.is_empty() || self.labels.fit(&event.docker_attributes()))
    }

    fn fits_container(&self, event: &Event, is: &dyn Fn(&str) -> bool) -> bool {
        self.containers.is_empty() || (event.subject == Subject::Container && self.containers.fits(|wanted| is(wanted)))
    }
}

/// docker's or podman's word, and docker's with its detail.
fn is_action(event: &Event, wanted: &str) -> bool {
    let words = [event.action.docker_word(event.subject), event.action.podman_word(event.subject)];
    words.contains(&Some(wanted)) || event.docker_action().as_deref() == Some(wanted)
}

/// An image by its id, by its name, or by its name without a tag; containers made of it, too.
fn is_image(event: &Event, name: &str, wanted: &str) -> bool {
    let repository = |image: &str| match image.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') => before == wanted,
        _ => false,
    };
    match event.subject {
        Subject::Image => [event.id.as_str(), name].iter().any(|image| *image == wanted || repository(image)),
        Subject::Container => event.attributes.get("image").is_some_and(|image| image == wanted || repository(image)),
        Subject::Volume | Subject::Network | Subject::Secret | Subject::Pod => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(action: Action) -> Event {
        let mut event = Event::new(Subject::Container, action, "ab".repeat(32));
        event.labels = [("app".to_owned(), "shop".to_owned())].into();
        event.with("image", "busybox:1").with("name", "web")
    }

    fn fit(filters: &[&str], event: &Event) -> bool {
        let mut all = Filters::default();
        filters.iter().for_each(|filter| all.add(filter).unwrap());
        all.fit(event)
    }

    #[test]
    fn filters_select_as_in_docker() {
        let start = container(Action::Start);
        let exec = container(Action::ExecCreate).with_detail("ls -l");
        let pull = Event::new(Subject::Image, Action::Pull, "busybox:1").with("name", "busybox:1");
        let volume = Event::new(Subject::Volume, Action::Create, "data");
        for (filters, event, expected) in [
            (&[][..], &start, true),
            (&["type=container"], &start, true),
            (&["type=image", "type=volume"], &start, false),
            (&["event=start"], &start, true),
            (&["event=die", "event=start"], &start, true),
            (&["event=exec_create"], &exec, true),
            (&["event=exec"], &exec, true),
            (&["event=exec_create: ls -l"], &exec, true),
            (&["event=exec_create: ls"], &exec, false),
            (&["container=web"], &start, true),
            (&["container=abab"], &start, true),
            (&["container=db"], &start, false),
            (&["container=data"], &volume, false),
            (&["volume=da"], &volume, true),
            (&["volume=da"], &start, false),
            (&["network=data"], &volume, false),
            (&["image=busybox:1"], &start, true),
            (&["image=busybox"], &start, true),
            (&["image=busybox"], &pull, true),
            (&["image=busy"], &pull, false),
            (&["image=data"], &volume, false),
            (&["label=app"], &start, true),
            (&["label=app=shop", "label=x"], &start, false),
            (&["label=image=busybox:1"], &start, true),
            (&["scope=swarm"], &start, false),
            (&["event=start", "type=image"], &start, false),
        ] {
            assert_eq!(fit(filters, event), expected, "{filters:?} {event:?}");
        }
        assert!(Filters::default().add("frob=1").is_err() && Filters::default().add("event").is_err());
    }

    #[test]
    fn each_tool_has_its_words() {
        let docker = |event: &Event| event.docker_action().unwrap_or_default();
        assert_eq!(docker(&container(Action::ExecCreate).with_detail("ls -l")), "exec_create: ls -l");
        assert_eq!(docker(&container(Action::Init)), "");
        assert_eq!(docker(&Event::new(Subject::Image, Action::Destroy, "x")), "delete");
        for (action, word) in [
            (Action::Die, Some("died")),
            (Action::Destroy, Some("remove")),
            (Action::ExecStart, None),
            (Action::Init, Some("init")),
            (Action::Start, Some("start")),
        ] {
            assert_eq!(action.podman_word(Subject::Container), word);
        }
    }

    #[test]
    fn what_is_long_is_cut() {
        let detail = container(Action::ExecStart).with_detail(&"é".repeat(5000)).detail;
        assert_eq!(detail.chars().count(), MAX_DETAIL);
    }

    #[test]
    fn a_record_of_today_is_read_for_ever() {
        let text = r#"{"time":5,"type":"container","action":"exec_die","id":"ab","attributes":{"exitCode":"3"},"labels":{"a":"b"}}"#;
        let event: Event = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&event).unwrap(), text);
        assert_eq!((event.action, event.time), (Action::ExecDie, 5));
        assert!(serde_json::from_str::<Event>(r#"{"time":5,"type":"machine","action":"create","id":"x"}"#).is_err());
    }
}
