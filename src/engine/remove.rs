//! `rm`: a container goes away.

use std::time::Duration;

use super::reclaim::reclaim;
use super::settings::refuse_paused;
use super::stop::{How, stop};
use super::{Engine, pull};
use crate::base::id::Name;
use crate::base::{ContainerId, Error, Kind, Result, lock, trace};
use crate::cgroup;
use crate::state::{Container, ContainerGuard, Pods, durability};

/// How long a container may be changed by somebody else.
const PATIENCE: Duration = Duration::from_millis(2500);

/// How to remove.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removal {
    /// Kill it first when it runs.
    pub force: bool,
    /// Seconds that its processes have to end when they are asked to, before that; none at all when it is none, and
    /// without end when it is negative.
    pub patience: Option<i64>,
    /// Its anonymous volumes, too.
    pub volumes: bool,
    /// The pod that it holds the namespaces of goes, too: alone it does not.
    pub with_pod: bool,
}

/// Removes containers by name or id; goes on after a failure. One result for each name, in order. Space is reclaimed
/// in the background.
pub fn remove(engine: &Engine, names: &[String], removal: Removal) -> Vec<Result<ContainerId>> {
    let results: Vec<Result<ContainerId>> = names.iter().map(|name| remove_one(engine, name, removal)).collect();
    if results.iter().any(Result::is_ok) {
        // What cannot be reclaimed now is reclaimed by the next one.
        let _ = engine.containers().sweep().and_then(|()| reclaim(engine, pull::KEEP_LAYERS));
    }
    results
}

/// These containers after all that use their namespaces, directly or by others: each before what it depends on. Names that
/// no container has are kept.
pub fn with_dependents(engine: &Engine, names: &[String]) -> Result<Vec<String>> {
    let containers = engine.containers();
    let all: Vec<Container> = containers.list()?.into_iter().filter_map(Result::ok).collect();
    let mut order: Vec<String> = Vec::new();
    let mut open: Vec<String> = Vec::new();
    for name in names {
        open.push(match containers.find(name) {
            Ok(id) => id.to_string(),
            Err(error) if error.kind() == Kind::NotFound => name.clone(),
            Err(error) => return Err(error),
        });
    }
    // A container is seen again where it is needed by one that was seen before: then it belongs after that one.
    while let Some(id) = open.pop() {
        order.retain(|seen| *seen != id);
        for container in &all {
            if container.config.namespaces.targets().iter().any(|target| target.as_str() == id) {
                open.push(container.config.id.to_string());
            }
        }
        order.push(id);
    }
    order.reverse();
    Ok(order)
}

fn remove_one(engine: &Engine, name: &str, removal: Removal) -> Result<ContainerId> {
    let containers = engine.containers();
    let id = containers.find(name)?;
    let container = match containers.load(&id) {
        // Somebody else was faster.
        Err(error) if removal.force && error.kind() == Kind::NotFound => return Ok(id),
        container => container?,
    };
    if let (true, false, Some(pod)) = (container.config.is_infra(), removal.with_pod, &container.config.pod)
        && Pods::new(&engine.paths).find(pod.pod.as_str()).is_ok()
    {
        let (name, pod) = (&container.name, &pod.name);
        return Err(Error::conflict(format!(
            "container `{name}` is the infra container of pod `{pod}` and cannot be removed without removing the pod"
        ))
        .hint(format!("remove both with `coracle pod rm {pod}`")));
    }
    trace::step(|| format!("removes container `{}`, {}", container.name, id));
    let Some(guard) = stopped(engine, &container, removal)? else { return Ok(id) };
    if let Some(group) = &container.run.limits.cgroup {
        // Only a supervisor that was killed leaves its container's group behind; nothing runs in it any more.
        cgroup::forget(group, id.as_str());
    }
    let durability = durability(&container.config);
    match removal.volumes {
        true => containers.remove_with_volumes(guard, &container.config, durability)?,
        false => containers.remove(guard, durability)?,
    }
    Ok(id)
}

/// The lock of a container that does not run, stopped first when `force` says so; none when it has gone meanwhile. A
/// container that is just being started is waited for: then it runs.
fn stopped(engine: &Engine, container: &Container, removal: Removal) -> Result<Option<ContainerGuard>> {
    let (containers, id, name) = (engine.containers(), &container.config.id, &container.name);
    let is_running = || Ok::<_, Error>(containers.state(id)?.is_some_and(|state| state.status().is_running()));
    let taken = containers.until(id, PATIENCE, |watch| {
        if is_running()? {
            if !removal.force {
                let paused = "container is paused and must be unpaused first";
                refuse_paused(
                    &container.status,
                    name.as_str(),
                    &format!("cannot remove container `{name}`: {paused}"),
                )?;
                return Err(Error::conflict(format!("cannot remove container `{name}`: it is running")).hint(format!(
                    "stop it first with `coracle stop {name}`, or force it with `coracle rm -f {name}`"
                )));
            }
            let at_once = How { signal: Some(libc::SIGKILL), timeout: Some(0) };
            let how = removal.patience.map_or(at_once, |seconds| How { signal: None, timeout: Some(seconds) });
            stop(engine, id.as_str(), how)?;
        }
        let guard = watch.guard()?;
        Ok(if is_running()? { None } else { guard })
    });
    match taken {
        // A `--rm` container has removed itself when it was stopped.
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        taken => taken?.map_or_else(|| Err(busy(engine, id, name)), |guard| Ok(Some(guard))),
    }
}

fn busy(engine: &Engine, id: &ContainerId, name: &Name) -> Error {
    let error = Error::conflict(format!("container `{name}` is being changed by another command"));
    match lock::holder(&engine.paths.container(id)) {
        Some(holder) => error.hint(format!("it is held by {holder}")),
        None => error.hint("try again in a moment"),
    }
}
