//! `events`: what has happened, and with `follow` what happens.

use std::os::fd::BorrowedFd;

use super::Engine;
use crate::base::Result;
use crate::spec::container::ContainerConfig;
use crate::spec::events::{Action, Event, Filters, Subject};
use crate::state::events::{Journal, Until, nanoseconds};

/// Which events.
#[derive(Debug, Clone, Default)]
pub struct EventRequest<'a> {
    /// From this time on, in nanoseconds since 1970; from now on when none, unless it ends at once.
    pub since: Option<i64>,
    /// To this time.
    pub until: Option<i64>,
    /// Goes on with what happens, until it is that time or `output` is closed.
    pub follow: bool,
    /// Only those that pass.
    pub filters: Filters,
    /// Where events are shown: a pipe whose other end goes is the end.
    pub output: Option<BorrowedFd<'a>>,
}

/// Gives events to `sink`, in the order in which they were written. `none` stands for the end of what there is now.
pub fn read(
    engine: &Engine,
    request: &EventRequest<'_>,
    sink: &mut dyn FnMut(Option<Event>) -> Result<()>,
) -> Result<()> {
    let since = request.since.unwrap_or(match (request.follow, request.until) {
        (true, None) => nanoseconds(),
        _ => 0,
    });
    let follow = request.follow && request.until.is_none_or(|until| until > nanoseconds());
    let follow = follow.then_some(Until { time: request.until, output: request.output });
    let fits = |event: &Event| request.until.is_none_or(|until| event.time <= until) && request.filters.fit(event);
    engine.journal().read(since, follow, &mut |event| match event {
        Some(event) if !fits(&event) => Ok(()),
        event => sink(event),
    })
}

impl Engine {
    /// The journal of events.
    pub(super) fn journal(&self) -> Journal {
        Journal::new(&self.paths)
    }

    /// Something has happened to a container.
    pub(super) fn tell(&self, container: &ContainerConfig, action: Action) {
        self.journal().record(Event::of_container(container, action));
    }

    /// Something has happened to an image. docker calls it by the id, or by the name where there is none yet.
    pub(super) fn tell_of_image(&self, action: Action, id: &str, name: &str) {
        self.journal().record(Event::new(Subject::Image, action, id).with("name", name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures;

    #[test]
    fn times_and_filters_select() {
        let (engine, _scratch) = fixtures::engine();
        engine.tell_of_image(Action::Pull, "one", "one");
        let middle = nanoseconds();
        engine.tell_of_image(Action::Tag, "two", "two");
        let names = |request: &EventRequest<'_>| {
            let mut names = Vec::new();
            read(&engine, request, &mut |event| {
                names.extend(event.map(|event| event.id));
                Ok(())
            })
            .unwrap();
            names.join(" ")
        };
        let mut tagged = Filters::default();
        tagged.add("event=tag").unwrap();
        for (request, expected) in [
            (EventRequest::default(), "one two"),
            (EventRequest { since: Some(middle), ..EventRequest::default() }, "two"),
            (EventRequest { until: Some(middle), ..EventRequest::default() }, "one"),
            (EventRequest { until: Some(middle), follow: true, ..EventRequest::default() }, "one"),
            (EventRequest { filters: tagged, ..EventRequest::default() }, "two"),
        ] {
            assert_eq!(names(&request), expected, "{request:?}");
        }
    }
}
