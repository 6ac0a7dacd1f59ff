//! `rm`: a container goes away.

use super::stop::{How, stop};
use super::{Engine, isolated};
use crate::base::publish::{self, Durability};
use crate::base::{ContainerId, Error, Kind, Result};
use crate::state::durability;
use crate::state::record::MountSource;

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
        let _ = engine.containers().sweep().and_then(|()| isolated::reclaim(&engine.paths));
    }
    results
}

fn remove_one(engine: &Engine, name: &str, removal: Removal) -> Result<ContainerId> {
    let containers = engine.containers();
    let id = containers.find(name)?;
    let container = containers.load(&id)?;
    if container.status.is_running() {
        if !removal.force {
            return Err(Error::conflict(format!("cannot remove container `{}`: it is running", container.name)).hint(
                format!("stop it first with `coracle stop {0}`, or force it with `coracle rm -f {0}`", container.name),
            ));
        }
        stop(engine, name, How { signal: Some(libc::SIGKILL), timeout: Some(0) })?;
    }
    let guard = match wait_for_guard(engine, &id, removal.force) {
        // A `--rm` container has removed itself when it was stopped.
        Err(error) if error.kind() == Kind::NotFound && removal.force => return Ok(id),
        guard => guard?,
    };
    let Some(guard) = guard else {
        return Err(Error::conflict(format!("container `{}` is being changed by another command", container.name))
            .hint("try again in a moment"));
    };
    containers.remove(guard, durability(&container.config))?;
    if removal.volumes {
        for mount in &container.config.mounts {
            if let MountSource::Volume { name, anonymous: true, .. } = &mount.source {
                let volume = engine.paths.volumes().join(name.as_str());
                publish::discard(&volume, &engine.paths.trash(), Durability::Volatile)?;
            }
        }
    }
    Ok(id)
}

/// The container's lock; after a forced stop its supervisor may need a moment to let go of it.
fn wait_for_guard(engine: &Engine, id: &ContainerId, patient: bool) -> Result<Option<crate::state::ContainerGuard>> {
    for _ in 0..if patient { 500 } else { 20 } {
        match engine.containers().guard(id)? {
            Some(guard) => return Ok(Some(guard)),
            None => std::thread::sleep(std::time::Duration::from_millis(5)),
        }
    }
    Ok(None)
}
