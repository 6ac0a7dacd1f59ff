//! What a supervisor tells the journal of: everything that happens to its container while it runs.

use std::time::Duration;

use super::life::Supervisor;
use crate::spec::container::ContainerConfig;
use crate::spec::events::{Action, Event, Subject};
use crate::spec::storage::MountSource;
use crate::state::events::Journal;

impl Supervisor {
    /// Something has happened to the container.
    pub(super) fn tell(&self, action: Action) {
        self.record(self.event(action));
    }

    /// An event of the container, to be filled.
    pub(super) fn event(&self, action: Action) -> Event {
        Event::of_container(&self.config, action)
    }

    pub(super) fn record(&self, event: Event) {
        Journal::new(&self.paths).record(event);
    }

    /// It was sent a signal.
    pub(super) fn tell_signal(&self, signal: i32) {
        self.record(self.event(Action::Kill).with("signal", signal));
    }

    /// A run has begun.
    pub(super) fn tell_start(&self) {
        self.tell(Action::Init);
        volumes(&self.config, Action::Mount).for_each(|event| self.record(event));
        self.network_events(Action::Connect).into_iter().for_each(|event| self.record(event));
        self.tell(Action::Start);
    }

    /// What the end of a run is told as.
    pub(super) fn end_events(&self, code: i32, ran: Duration) -> Vec<Event> {
        let oom = self.state.oom_killed.then(|| self.event(Action::Oom));
        let die = self.event(Action::Die).with("execDuration", ran.as_secs()).with("exitCode", code);
        oom.into_iter().chain([die]).collect()
    }

    /// What is told when the container is off its networks and uses no volumes any more.
    pub(super) fn release_events(&self) -> Vec<Event> {
        // docker: what is removed by force was killed and not stopped.
        let stop = self.was_stopped.then(|| self.event(Action::Stop));
        let networks = self.network_events(Action::Disconnect);
        networks.into_iter().chain(volumes(&self.config, Action::Unmount)).chain(stop).collect()
    }

    fn network_events(&self, action: Action) -> Vec<Event> {
        let joined = self.state.joined.iter().flat_map(|joined| &joined.endpoints);
        joined.map(|endpoint| self.network_event(action, endpoint.network.as_str())).collect()
    }

    /// It is on a network now, or was until now.
    pub(super) fn network_event(&self, action: Action, network: &str) -> Event {
        let mut endpoints = self.state.joined.iter().flat_map(|joined| &joined.endpoints);
        let id = endpoints.find(|endpoint| endpoint.network.as_str() == network).map(|endpoint| &endpoint.network_id);
        let event = Event::new(Subject::Network, action, id.map_or(network.to_owned(), ToString::to_string));
        event.with("container", &self.config.id).with("name", network).with("type", "bridge")
    }
}

/// An event of each volume of a container.
fn volumes(config: &ContainerConfig, action: Action) -> impl Iterator<Item = Event> {
    config.storage.mounts.iter().filter_map(move |mount| match &mount.source {
        MountSource::Volume { name, .. } => {
            let event = Event::new(Subject::Volume, action, name).with("container", &config.id).with("driver", "local");
            Some(match action {
                Action::Mount => event.with("destination", &mount.target).with("read/write", !mount.read_only),
                _ => event,
            })
        }
        _ => None,
    })
}
