//! What has to be done so that the containers of a project are as its files say. Pure: what is wanted and what is there go in,
//! steps come out.
//!
//! # Theory of operation
//!
//! A container is up to date when the labels that it was made with say the same as the files do now: the hash of its service,
//! the id of its image, the digest of what was copied into it. One that is not is replaced: the new one is made under another
//! name ([`temporary`]), then the old one is stopped and removed, then the new one gets its name. A command that is killed in
//! between leaves both, or the new one under the other name. The next plan tells them apart by their names: while the old one
//! is there, the new one goes; once it is gone, the new one gets the name.

use std::collections::{BTreeMap, BTreeSet};

use super::labels::Known;
use super::node::Node;
use super::read::text;
use crate::base::Result;
use crate::spec::container::Container;
use crate::spec::namespaces::{NamespaceMode, NetworkMode};

/// When containers are made anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Recreate {
    /// When they are not as the files say.
    #[default]
    Diverged,
    /// Always.
    Force,
    /// Never.
    Never,
}

/// What is wanted of one service.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// Its name.
    pub name: &'a str,
    /// What the files say.
    pub service: &'a Node,
    /// The hash of that.
    pub hash: String,
    /// The id of its image; empty where none is known yet.
    pub image: String,
    /// The digest of what is copied into its containers.
    pub files: Option<String>,
    /// How many containers.
    pub scale: u32,
    /// When they are made anew.
    pub recreate: Recreate,
}

/// Something to do with one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It stays.
    Keep {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
        /// It runs.
        runs: bool,
        /// It is stopped first, because a service that it depends on is made anew.
        restart: bool,
    },
    /// It is made.
    Create {
        /// Its number.
        number: u32,
        /// Its name.
        name: String,
    },
    /// It is replaced.
    Replace {
        /// The id of the present one.
        id: String,
        /// The name of the present one.
        old: String,
        /// Its number.
        number: u32,
        /// The name of the new one.
        name: String,
    },
    /// It gets the name of the one that it has replaced.
    Adopt {
        /// Its id.
        id: String,
        /// Its present name.
        from: String,
        /// The name that it gets.
        name: String,
    },
    /// It goes.
    Remove {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
    },
}

/// The steps of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfService {
    /// Its name.
    pub name: String,
    /// The indexes of the services before it whose containers must be there first.
    pub after: Vec<usize>,
    /// What is done.
    pub steps: Vec<Step>,
}

impl OfService {
    /// Whether one of its containers is made.
    fn is_remade(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Create { .. } | Step::Replace { .. }))
    }
}

/// The name of a container: what the service says, or `project-service-number`.
pub fn container_name(project: &str, name: &str, service: &Node, number: u32) -> String {
    text(service, "container_name").unwrap_or_else(|| format!("{project}-{name}-{number}"))
}

/// The name of a container while the one that it replaces is there.
pub fn temporary(replaced: &str, name: &str) -> String {
    format!("{}_{name}", replaced.get(..12).unwrap_or(replaced))
}

/// Whether a name is one of [`temporary`] for this one.
fn is_temporary(given: &str, name: &str) -> bool {
    given
        .strip_suffix(name)
        .and_then(|rest| rest.strip_suffix('_'))
        .is_some_and(|id| id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The steps of all services, in the order of `wanted`, in which each service stands after those that it depends on.
///
/// # Errors
///
/// When a service that has a name for its container is to have several.
pub fn plan(project: &str, wanted: &[Wanted<'_>], containers: &[Container]) -> Result<Vec<OfService>> {
    let mut plans: Vec<OfService> = Vec::with_capacity(wanted.len());
    for service in wanted {
        let remade = |name: &str| plans.iter().any(|plan| plan.name == name && plan.is_remade());
        let mut of_service = of_service(project, service, containers, &remade)?;
        let names: BTreeSet<&String> = service.service.entries("depends_on").map(|(name, _)| name).collect();
        of_service.after =
            plans.iter().enumerate().filter(|(_, plan)| names.contains(&plan.name)).map(|(at, _)| at).collect();
        plans.push(of_service);
    }
    Ok(plans)
}

/// A container of the service, and what its name says of it.
struct Candidate<'a> {
    container: &'a Container,
    number: u32,
    is_current: bool,
    /// The one that it was to replace has gone already.
    adopts: Option<String>,
}

fn of_service(
    project: &str,
    wanted: &Wanted<'_>,
    containers: &[Container],
    remade: &dyn Fn(&str) -> bool,
) -> Result<OfService> {
    let mut steps = Vec::new();
    let of_it = |container: &&Container| {
        let known = Known::of(container);
        known.service() == wanted.name && !known.is_one_off()
    };
    let own: Vec<&Container> = containers.iter().filter(of_it).collect();
    let names: BTreeSet<&str> = own.iter().map(|container| container.name.as_str()).collect();
    if let (2.., Some(name)) = (wanted.scale, text(wanted.service, "container_name")) {
        return Err(super::container::fixed_name(wanted.name, &name));
    }
    let shares: Vec<&str> = shared_with(wanted.service).collect();
    let mut candidates = Vec::new();
    for container in &own {
        let known = Known::of(container);
        let number = known.number().unwrap_or(u32::MAX);
        let name = container_name(project, wanted.name, wanted.service, number);
        let is_temporary = is_temporary(container.name.as_str(), &name);
        if is_temporary && names.contains(name.as_str()) {
            let (id, name) = (container.config.id.to_string(), container.name.to_string());
            steps.push(Step::Remove { id, name });
            continue;
        }
        let has_lost_it = shares.iter().any(|other| remade(other))
            || !shares.is_empty() && shared_container_is_gone(container, containers);
        let is_current = !has_lost_it && is_current(wanted, known);
        candidates.push(Candidate { container, number, is_current, adopts: is_temporary.then_some(name) });
    }
    // The best first: those that are up to date, in the order of their numbers.
    candidates.sort_by_key(|candidate| (!candidate.is_current, candidate.number, candidate.container.config.created));
    let restart =
        wanted.service.entries("depends_on").any(|(name, dependency)| dependency.is_true("restart") && remade(name));
    let mut last = 0;
    for (at, candidate) in candidates.iter().enumerate() {
        let (id, name) = (candidate.container.config.id.to_string(), candidate.container.name.to_string());
        if candidate.number != u32::MAX {
            last = last.max(candidate.number);
        }
        if at >= wanted.scale as usize {
            steps.push(Step::Remove { id, name });
            continue;
        }
        let replaces = match wanted.recreate {
            Recreate::Never => false,
            Recreate::Force => true,
            Recreate::Diverged => !candidate.is_current,
        };
        if let Some(own) = &candidate.adopts {
            steps.push(Step::Adopt { id: id.clone(), from: name.clone(), name: own.clone() });
        }
        let name = candidate.adopts.clone().unwrap_or(name);
        steps.push(match replaces {
            true => {
                let number = if candidate.number == u32::MAX { last + 1 } else { candidate.number };
                last = last.max(number);
                let new = container_name(project, wanted.name, wanted.service, number);
                Step::Replace { id, old: name, number, name: new }
            }
            false => {
                let runs = candidate.container.status.is_running();
                Step::Keep { id, name, runs, restart: restart && runs }
            }
        });
    }
    for _ in candidates.len()..wanted.scale as usize {
        last += 1;
        let name = container_name(project, wanted.name, wanted.service, last);
        steps.push(Step::Create { number: last, name });
    }
    Ok(OfService { name: wanted.name.to_owned(), after: Vec::new(), steps })
}

fn is_current(wanted: &Wanted<'_>, known: Known<'_>) -> bool {
    known.get(super::labels::CONFIG_HASH) == wanted.hash
        && (wanted.image.is_empty() || known.get(super::labels::IMAGE) == wanted.image)
        && known.get(super::labels::FILES_HASH) == wanted.files.as_deref().unwrap_or_default()
}

/// The services whose namespaces a service shares.
pub fn shared_with(service: &Node) -> impl Iterator<Item = &str> {
    let keys = ["network_mode", "pid", "ipc", "uts"].into_iter();
    keys.filter_map(|key| service.text_of(key)?.strip_prefix("service:"))
}

fn shared_container_is_gone(container: &Container, all: &[Container]) -> bool {
    let namespaces = &container.config.namespaces;
    let network = match &namespaces.network {
        NetworkMode::Container(id) => Some(id),
        _ => None,
    };
    let others = [&namespaces.pid, &namespaces.ipc, &namespaces.uts].into_iter().filter_map(|mode| match mode {
        NamespaceMode::Container(id) => Some(id),
        _ => None,
    });
    let mut ids = network.into_iter().chain(others).peekable();
    ids.peek().is_none() || ids.any(|id| !all.iter().any(|other| other.config.id == *id))
}

/// The containers of services that the files do not have, and those of `compose run` that have ended.
pub fn orphans<'a>(containers: &'a [Container], services: &BTreeSet<String>) -> Vec<&'a Container> {
    let is_orphan = |container: &&Container| {
        let known = Known::of(container);
        match known.is_one_off() {
            true => !container.status.is_running(),
            false => !services.contains(known.service()),
        }
    };
    containers.iter().filter(is_orphan).collect()
}

/// Services in the order in which they stop: each before those that it depends on, by the labels of containers. Those in a
/// circle, which only labels that somebody wrote can make, come last.
pub fn stop_order(containers: &[Container]) -> Vec<Vec<&Container>> {
    let mut dependencies: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for container in containers {
        let known = Known::of(container);
        dependencies.entry(known.service()).or_default().extend(known.dependencies());
    }
    let mut left: BTreeSet<&str> = dependencies.keys().copied().collect();
    let mut order = Vec::new();
    while !left.is_empty() {
        let needed = |name: &&str| left.iter().any(|other| other != name && dependencies[other].contains(*name));
        let mut now: BTreeSet<&str> = left.iter().filter(|name| !needed(name)).copied().collect();
        if now.is_empty() {
            now.clone_from(&left);
        }
        left.retain(|name| !now.contains(name));
        order.push(containers.iter().filter(|container| now.contains(Known::of(container).service())).collect());
    }
    order
}

#[cfg(test)]
mod tests;
