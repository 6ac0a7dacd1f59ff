//! `rm`: a container goes away.

use std::time::Duration;

use super::reclaim::reclaim;
use super::settings::refuse_paused;
use super::stop::{How, stop};
use super::{Engine, pull};
use crate::base::id::Name;
use crate::base::{ContainerId, Error, Kind, Result, lock, trace};
use crate::state::{Container, ContainerGuard, durability};

/// How long a container may be changed by somebody else.
const PATIENCE: Duration = Duration::from_millis(2500);

/// How to remove.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removal {
    /// Kill it first when it runs.
    pub force: bool,
    /// Its anonymous volumes, too.
    pub volumes: bool,
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

fn remove_one(engine: &Engine, name: &str, removal: Removal) -> Result<ContainerId> {
    let containers = engine.containers();
    let id = containers.find(name)?;
    let container = match containers.load(&id) {
        // Somebody else was faster.
        Err(error) if removal.force && error.kind() == Kind::NotFound => return Ok(id),
        container => container?,
    };
    trace::step(|| format!("removes container `{}`, {}", container.name, id));
    let Some(guard) = stopped(engine, &container, removal.force)? else { return Ok(id) };
    let durability = durability(&container.config);
    match removal.volumes {
        true => containers.remove_with_volumes(guard, &container.config, durability)?,
        false => containers.remove(guard, durability)?,
    }
    Ok(id)
}

/// The lock of a container that does not run, stopped first when `force` says so; none when it has gone meanwhile. A
/// container that is just being started is waited for: then it runs.
fn stopped(engine: &Engine, container: &Container, force: bool) -> Result<Option<ContainerGuard>> {
    let (containers, id, name) = (engine.containers(), &container.config.id, &container.name);
    let is_running = || Ok::<_, Error>(containers.state(id)?.is_some_and(|state| state.status().is_running()));
    let taken = containers.until(id, PATIENCE, |watch| {
        if is_running()? {
            if !force {
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
            stop(engine, id.as_str(), How { signal: Some(libc::SIGKILL), timeout: Some(0) })?;
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
