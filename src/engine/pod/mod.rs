//! Pods: groups of containers that share namespaces. One verb per file; here is what all of them need: a pod with its
//! containers as they are now.
//!
//! The namespaces are those of the infra container, which does nothing but hold them. The containers of a pod share its user
//! namespace, too: root of any of them has the same power over the pod's networks, as in podman, and none over anything
//! outside of the pod. Their files, and their processes unless the pod shares those, are out of each other's reach.

mod act;
mod inspect;

use jiff::Timestamp;

pub use act::{Action, Outcome, Removal, act, prune, remove, stop};
pub use inspect::{PodReport, report};

use super::Engine;
use crate::base::{Error, Result};
use crate::spec::container::Container;
use crate::spec::filter::{Any, Filter, Keys, Labels};
use crate::spec::pattern::Pattern;
use crate::spec::pod::{Pod, PodStatus};
use crate::state::Pods;

/// A pod as it is now.
#[derive(Debug, Clone)]
pub struct PodNow {
    /// What it is.
    pub pod: Pod,
    /// Its containers, oldest first.
    pub containers: Vec<Container>,
}

impl PodNow {
    /// What it is doing.
    pub fn status(&self) -> PodStatus {
        PodStatus::of(self.containers.iter().map(|container| (container.config.pod_role(), container.status.phase())))
    }

    /// The container that holds its namespaces.
    pub fn infra(&self) -> Option<&Container> {
        self.containers.iter().find(|container| container.config.is_infra())
    }
}

/// The pod of a name, an id or the beginning of one.
pub fn find(engine: &Engine, name: &str) -> Result<PodNow> {
    let pods = Pods::new(&engine.paths);
    let pod = pods.find(name)?;
    let containers = pods.containers(&pod)?;
    Ok(PodNow { pod, containers })
}

/// All pods that pass, oldest first, and what is wrong with those that cannot be read.
pub fn list(engine: &Engine, filters: &Filters) -> Result<(Vec<PodNow>, Vec<Error>)> {
    let (pods, mut broken) = Pods::new(&engine.paths).list()?;
    let mut found: Vec<PodNow> = pods.into_iter().map(|pod| PodNow { pod, containers: Vec::new() }).collect();
    if found.is_empty() {
        return Ok((found, broken));
    }
    for container in engine.containers().list()? {
        match container {
            Ok(container) => {
                let of = container.config.pod.as_ref().map(|membership| membership.pod.clone());
                if let Some(now) = found.iter_mut().find(|now| of.as_ref() == Some(&now.pod.id)) {
                    now.containers.push(container);
                }
            }
            Err(error) => broken.push(error),
        }
    }
    found.iter_mut().for_each(|now| now.containers.reverse());
    found.retain(|now| filters.fit(now));
    Ok((found, broken))
}

/// `--filter` of `pod ps`, see [`crate::spec::filter`].
#[derive(Debug, Clone, Default)]
pub struct Filters {
    id: Any<Pattern>,
    name: Any<Pattern>,
    label: Labels,
    status: Any<PodStatus>,
    container_id: Any<String>,
    container_name: Any<String>,
    container_number: Any<usize>,
    container_status: Any<String>,
    network: Any<String>,
    until: Option<Timestamp>,
}

/// podman's keys.
const KEYS: Keys = Keys {
    known: &["id", "name", "label", "status", "ctr-ids", "ctr-names", "ctr-number", "ctr-status", "network", "until"],
    excludable: &["label"],
};

impl Filters {
    /// Adds one `key=value`; `time` reads a time.
    pub fn add(&mut self, filter: &str, time: &dyn Fn(&str) -> Result<Timestamp>) -> Result<()> {
        let filter = Filter::parse(filter, &KEYS)?;
        let value = filter.value.clone();
        match filter.key {
            "id" => self.id.push(filter.pattern()?),
            "name" => self.name.push(filter.pattern()?),
            "label" => self.label.add(&filter),
            "status" => self.status.push(PodStatus::parse(&value).ok_or_else(|| filter.wrong())?),
            "ctr-ids" => self.container_id.push(value),
            "ctr-names" => self.container_name.push(value),
            "ctr-number" => self.container_number.push(filter.parsed()?),
            "ctr-status" => self.container_status.push(value),
            "network" => self.network.push(value),
            "until" => self.until = Some(time(&value)?),
            _ => return Err(filter.wrong()),
        }
        Ok(())
    }

    /// Whether a pod passes.
    fn fit(&self, now: &PodNow) -> bool {
        let any = |fits: &dyn Fn(&Container) -> bool| now.containers.iter().any(fits);
        self.id.are_in(now.pod.id.as_str())
            && self.name.are_in(now.pod.name.as_str())
            && self.label.fit(&now.pod.labels)
            && self.status.fits(|status| now.status() == *status)
            && self.container_id.fits(|id| any(&|container| container.config.id.as_str().starts_with(id.as_str())))
            && self.container_name.fits(|name| any(&|container| container.name.as_str() == name))
            && self.container_number.fits(|number| now.containers.len() == *number)
            && self.container_status.fits(|status| any(&|container| container.status.phase().word() == status))
            && self.network.fits(|network| {
                now.infra().is_some_and(|infra| infra.config.namespaces.network.networks().contains(&network.as_str()))
            })
            && self.until.is_none_or(|until| now.pod.created < until)
    }
}
