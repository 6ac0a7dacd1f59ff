//! `ps`: the containers there are, filtered. Reads records only: no lock is taken and nothing is waited for.

use std::path::Path;

use jiff::Timestamp;

use super::{Engine, image_name, network};
use crate::base::{Error, Result};
use crate::spec::container::Phase;
use crate::spec::filter::{Any, Filter, Keys, Labels};
use crate::spec::pattern::Pattern;
use crate::spec::restart;
use crate::spec::storage::{Mount, MountSource};
use crate::state::{Container, Status};

/// Which containers to list.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Those that do not run, too.
    pub all: bool,
    /// Only this number of the newest, running or not.
    pub last: Option<usize>,
    /// Only those that pass.
    pub filters: Filters,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Listing {
    /// Newest first.
    pub containers: Vec<Container>,
    /// Why other containers cannot be shown.
    pub broken: Vec<Error>,
}

/// `--filter`, see [`crate::spec::filter`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters {
    id: Any<Pattern>,
    name: Any<Pattern>,
    label: Labels,
    exited: Any<i32>,
    status: Any<Phase>,
    ancestor: Any<String>,
    before: Any<String>,
    since: Any<String>,
    volume: Any<String>,
    network: Any<String>,
    pod: Any<String>,
    port: Any<String>,
    publish: Any<String>,
    health: Any<String>,
    is_task: Any<bool>,
    restart_policy: Any<String>,
    starts_on_boot: Any<bool>,
}

/// docker's words for what a health check found.
const HEALTHS: [&str; 4] = ["starting", "healthy", "unhealthy", "none"];

/// docker's keys, and podman's about restarts.
const KEYS: Keys = Keys {
    known: &[
        "id",
        "name",
        "label",
        "exited",
        "status",
        "ancestor",
        "before",
        "since",
        "volume",
        "network",
        "pod",
        "publish",
        "expose",
        "health",
        "is-task",
        "restart-policy",
        "should-start-on-boot",
    ],
    excludable: &[],
};

impl Filters {
    /// Adds one `key=value`.
    pub fn add(&mut self, filter: &str) -> Result<()> {
        let filter = Filter::parse(filter, &KEYS)?;
        let value = || filter.value.clone();
        match filter.key {
            "id" => self.id.push(filter.pattern()?),
            "name" => self.name.push(Pattern::parse(&filter.value.replace('/', ""))?),
            "label" => self.label.add(&filter),
            "exited" => self.exited.push(filter.parsed()?),
            "status" => self.status.push(phase(&filter)?),
            "ancestor" => self.ancestor.push(value()),
            "before" => self.before.push(value()),
            "since" => self.since.push(value()),
            "volume" => self.volume.push(value()),
            "network" => self.network.push(value()),
            "pod" => self.pod.push(value()),
            "expose" => self.port.push(value()),
            "publish" => self.publish.push(value()),
            "health" => self.health.push(filter.one_of(&HEALTHS)?),
            "is-task" => self.is_task.push(filter.switch()?),
            "restart-policy" => self.restart_policy.push(filter.one_of(&restart::NAMES)?),
            "should-start-on-boot" => self.starts_on_boot.push(filter.switch()?),
            _ => return Err(filter.wrong()),
        }
        Ok(())
    }
}

/// The phase that `--filter status=` asks for.
fn phase(filter: &Filter) -> Result<Phase> {
    match Phase::parse(&filter.value) {
        Some(phase) => Ok(phase),
        None => Err(filter.wrong()),
    }
}

/// Whether a container is in a phase. One that is being stopped still runs, for docker, which has no word for that.
fn is_in(status: &Status, phase: Phase) -> bool {
    status.phase() == phase || (phase == Phase::Running && status.phase() == Phase::Stopping)
}

/// An image that containers may descend from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ancestor {
    /// As the user wrote it.
    pub name: String,
    /// Its id and layers, if there is such an image.
    pub image: Option<(String, Vec<String>)>,
}

/// What filters name, looked up.
#[derive(Debug, Clone, Default)]
struct Named {
    /// The newest of the containers of `before`: older ones pass.
    before: Option<Timestamp>,
    /// The oldest of the containers of `since`.
    since: Option<Timestamp>,
    ancestors: Vec<Ancestor>,
    /// Names of networks.
    networks: Vec<String>,
}

/// Lists containers.
pub fn list(engine: &Engine, query: &Query) -> Result<Listing> {
    let mut broken = Vec::new();
    let found = engine.containers().list()?.into_iter();
    // Collected in the place where they are.
    let mut containers: Vec<Container> =
        found.filter_map(|found| found.map_err(|error| broken.push(error)).ok()).collect();
    let filters = &query.filters;
    let created = |names: &[String]| {
        let times = names.iter().map(|name| {
            let containers = engine.containers();
            Ok(containers.config(&containers.find(name)?)?.created)
        });
        times.collect::<Result<Vec<Timestamp>>>()
    };
    let ancestor = |name: &String| {
        let image = image_name::lookup(engine, &engine.store()?, name)?;
        let image = image.map(|image| (image.id.to_string(), image.layers.iter().map(ToString::to_string).collect()));
        Ok(Ancestor { name: name.clone(), image })
    };
    // docker: by name or by id. One that there is not any more may still be a container's.
    let network = |asked: &String| network::find(engine, asked).map_or(asked.clone(), |known| known.name);
    let named = Named {
        before: created(filters.before.values())?.into_iter().max(),
        since: created(filters.since.values())?.into_iter().min(),
        ancestors: filters.ancestor.values().iter().map(ancestor).collect::<Result<_>>()?,
        networks: filters.network.values().iter().map(network).collect(),
    };
    select(&mut containers, query, &named);
    Ok(Listing { containers, broken })
}

/// Keeps what the query asks for.
fn select(containers: &mut Vec<Container>, query: &Query, named: &Named) {
    // docker: a filter on the status, or a number of containers, asks for those that do not run, too.
    let stopped_too = query.all || query.last.is_some() || !query.filters.status.is_empty();
    containers
        .retain(|container| (stopped_too || container.status.is_running()) && passes(container, &query.filters, named));
    if let Some(last) = query.last {
        containers.truncate(last);
    }
}

fn passes(container: &Container, filters: &Filters, named: &Named) -> bool {
    let config = &container.config;
    let exited = |code: &i32| matches!(&container.status, Status::Exited { code: actual, .. } if actual == code);
    filters.id.are_in(config.id.as_str())
        && filters.name.are_in(container.name.as_str())
        && filters.label.fit(&config.labels)
        && filters.exited.fits(exited)
        && filters.status.fits(|phase| is_in(&container.status, *phase))
        && (named.ancestors.is_empty() || named.ancestors.iter().any(|ancestor| descends(container, ancestor)))
        && named.before.is_none_or(|before| config.created < before)
        && named.since.is_none_or(|since| config.created > since)
        && filters.volume.fits(|volume| config.storage.mounts.iter().any(|mount| is_volume(mount, volume)))
        && (named.networks.is_empty()
            || config.namespaces.network.networks().iter().any(|on| named.networks.iter().any(|n| n == on)))
        && filters.pod.fits(|wanted| {
            let pod = config.pod.as_ref();
            pod.is_some_and(|pod| {
                pod.name.as_str() == wanted || (!wanted.is_empty() && pod.pod.as_str().starts_with(wanted))
            })
        })
        && fits_ports(filters, container)
        && filters
            .health
            .fits(|health| container.run.health.as_ref().map_or("none", |known| known.status.word()) == health)
        && filters.is_task.fits(|is_task| !is_task)
        && filters.restart_policy.fits(|policy| config.lifecycle.restart.name() == policy)
        && filters
            .starts_on_boot
            .fits(|starts| config.lifecycle.restart.starts_on_boot(container.run.stopped) == *starts)
}

/// `publish` is about ports of the host while the container runs, `expose` about those of the container, published or
/// not. With both, one of them is enough, as with docker (moby's daemon/list.go).
fn fits_ports(filters: &Filters, container: &Container) -> bool {
    let run = container.joined.iter().flat_map(|joined| joined.reachable_ports());
    let (host, inside): (Vec<_>, Vec<_>) =
        run.map(|port| (format!("{}/{}", port.host_port, port.protocol), port.container())).unzip();
    let exposes =
        |wanted: &String| container.config.networking.exposed.iter().chain(&inside).any(|port| is_port(port, wanted));
    let publishes = |wanted: &String| host.iter().any(|port| is_port(port, wanted));
    (filters.port.is_empty() && filters.publish.is_empty())
        || filters.port.values().iter().any(exposes)
        || filters.publish.values().iter().any(publishes)
}

/// Whether the container was made from the image or from one built on it.
fn descends(container: &Container, ancestor: &Ancestor) -> bool {
    let origin = &container.config.image;
    match &ancestor.image {
        Some((id, layers)) => origin.id == *id || (!layers.is_empty() && origin.layers.starts_with(layers)),
        None => origin.name == ancestor.name,
    }
}

fn is_volume(mount: &Mount, wanted: &str) -> bool {
    let source = match &mount.source {
        MountSource::Bind { path } => path == Path::new(wanted),
        MountSource::Volume { name, .. } => name.as_str() == wanted,
        _ => return false,
    };
    source || mount.target == wanted
}

/// `wanted` is a port or a range of ports, of tcp unless it says otherwise.
fn is_port(exposed: &str, wanted: &str) -> bool {
    let split = |text: &str| {
        let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        Some((first.parse::<u16>().ok()?, last.parse::<u16>().ok()?, protocol.to_owned()))
    };
    match (split(exposed), split(wanted)) {
        (Some((first, last, protocol)), Some((from, to, wanted))) => protocol == wanted && first <= to && from <= last,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures::container;
    use crate::spec::health::{HealthState, HealthStatus};
    use crate::spec::restart::RestartPolicy;

    fn filters(list: &[&str]) -> Filters {
        let mut filters = Filters::default();
        list.iter().for_each(|filter| filters.add(filter).unwrap());
        filters
    }

    /// Newest first: a running `web`, an exited `db`, a created `web2`.
    fn containers() -> Vec<Container> {
        let started = Timestamp::UNIX_EPOCH;
        let mut web = container("web", 30, Status::Running { started, pid: 1 });
        web.config.labels = [("app".into(), "shop".into()), ("tier".into(), "front".into())].into();
        web.config.networking.exposed = vec!["80/tcp".into(), "8000-8010/udp".into()];
        web.config.image.layers = vec!["l1".into(), "l2".into()];
        web.run.health = Some(HealthState { status: HealthStatus::Healthy, ..HealthState::default() });
        web.config.lifecycle.restart = RestartPolicy::UnlessStopped;
        let exited = Status::Exited { code: 3, started, finished: Some(started), error: String::new() };
        let mut db = container("db", 20, exited);
        db.config.labels = [("app".into(), "shop".into())].into();
        let data = MountSource::Volume { name: "data".parse().unwrap(), anonymous: false, no_copy: false };
        db.config.storage.mounts = vec![Mount::plain(data, "/var/lib/db".into())];
        vec![web, db, container("web2", 10, Status::Created)]
    }

    fn names(query: &Query, named: &Named) -> String {
        let mut containers = containers();
        select(&mut containers, query, named);
        containers.iter().map(|container| container.name.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn filters_select_as_in_docker() {
        for (list, all, expected) in [
            (&[][..], false, "web"),
            (&[], true, "web db web2"),
            (&["status=exited"], false, "db"),
            (&["status=exited", "status=created"], false, "db web2"),
            (&["status=paused"], true, ""),
            (&["name=web"], true, "web web2"),
            (&["name=^/web$"], true, "web"),
            (&["name=db", "name=web2"], true, "db web2"),
            (&["label=app"], true, "web db"),
            (&["label=app", "label=tier=front"], true, "web"),
            (&["label=app=other"], true, ""),
            (&["exited=3"], true, "db"),
            (&["exited=3"], false, ""),
            (&["exited=0"], true, ""),
            (&["volume=data"], true, "db"),
            (&["volume=/var/lib/db"], true, "db"),
            (&["expose=80"], true, "web"),
            (&["expose=8005-8020/udp"], true, "web"),
            (&["expose=81"], true, ""),
            (&["health=none", "is-task=false"], true, "db web2"),
            (&["health=healthy"], true, "web"),
            (&["health=starting"], true, ""),
            (&["restart-policy=unless-stopped"], true, "web"),
            (&["restart-policy=no"], true, "db web2"),
            (&["should-start-on-boot=true"], true, "web"),
            (&["should-start-on-boot=false"], true, "db web2"),
            (&["is-task=true"], true, ""),
            (&["name=web", "label=tier"], true, "web"),
        ] {
            let query = Query { all, last: None, filters: filters(list) };
            assert_eq!(names(&query, &Named::default()), expected, "{list:?}");
        }
    }

    #[test]
    fn ids_ages_and_ancestors() {
        let all = Query { all: true, ..Query::default() };
        let id = containers()[1].config.id.short().to_owned();
        let by_id = Query { filters: filters(&[&format!("id={id}")]), ..all.clone() };
        assert_eq!(names(&by_id, &Named::default()), "db");
        let at = |second| Some(Timestamp::from_second(second).unwrap());
        assert_eq!(names(&all, &Named { before: at(30), ..Named::default() }), "db web2");
        assert_eq!(names(&all, &Named { since: at(10), ..Named::default() }), "web db");
        let ancestor = |image: Option<(&str, &[&str])>| Named {
            ancestors: vec![Ancestor {
                name: "busybox".into(),
                image: image.map(|(id, layers)| (id.into(), layers.iter().map(|l| (*l).into()).collect())),
            }],
            ..Named::default()
        };
        assert_eq!(names(&all, &ancestor(None)), "web db web2");
        assert_eq!(names(&all, &ancestor(Some(("sha256:other", &["l1"])))), "web");
        assert_eq!(names(&all, &ancestor(Some(("sha256:other", &["l9"])))), "");
        assert_eq!(names(&all, &ancestor(Some(("sha256:other", &[])))), "");
        let on =
            |networks: &[&str]| Named { networks: networks.iter().map(|n| (*n).into()).collect(), ..Named::default() };
        assert_eq!(names(&all, &on(&["none"])), "web db web2");
        assert_eq!(names(&all, &on(&["host"])), "");
        assert_eq!(names(&all, &on(&["host", "none"])), "web db web2");
        let last = Query { last: Some(2), ..Query::default() };
        assert_eq!(names(&last, &Named::default()), "web db");
    }

    #[test]
    fn wrong_filters_are_refused() {
        for bad in [
            "name",
            "foo=bar",
            "status=sleeping",
            "exited=x",
            "health=ill",
            "is-task=x",
            "name=(a)",
            "restart-policy=x",
        ] {
            assert!(Filters::default().add(bad).is_err(), "{bad}");
        }
    }
}
