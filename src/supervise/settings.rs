//! Changes of a container's settings: by its supervisor while it runs, by the command otherwise. Both do the same to the
//! records; a supervisor also acts on it.

use super::life::Supervisor;
use super::protocol::Change;
use crate::base::{Error, Result, trace};
use crate::spec::container::ContainerConfig;
use crate::spec::events::{Action, Event};
use crate::spec::settings::Settings;
use crate::state::{ContainerGuard, Containers, durability};

/// Makes a change in the records of a container and in the values that were read of them. Returns what is told of it.
pub fn apply(
    containers: &Containers,
    guard: &ContainerGuard,
    config: &mut ContainerConfig,
    settings: &mut Settings,
    change: &Change,
) -> Result<Event> {
    let mut changed = settings.clone();
    let former = config.name.clone();
    match change {
        Change::Name(name) => {
            containers.rename(guard, name, durability(config))?;
            changed.name = Some(name.clone());
        }
        Change::Restart(policy) if config.lifecycle.remove && !policy.is_no() => {
            return Err(Error::conflict(
                "Restart policy cannot be updated because AutoRemove is enabled for the container",
            )
            .hint(format!("policy `{}` starts a container again that `--rm` would remove", policy.name())));
        }
        Change::Restart(policy) => changed.restart = Some(*policy),
    }
    containers.set_settings(guard, &changed, durability(config))?;
    changed.apply(config);
    *settings = changed;
    Ok(match change {
        Change::Name(_) => Event::of_container(config, Action::Rename).with("oldName", format!("/{former}")),
        Change::Restart(_) => Event::of_container(config, Action::Update),
    })
}

impl Supervisor {
    /// `rename` and `update` of the running container.
    pub(super) fn change_settings(&mut self, change: &Change) -> Result<()> {
        let containers = Containers::new(&self.paths);
        let event = apply(&containers, &self.guard, &mut self.config, &mut self.settings, change)?;
        if let (Change::Name(name), Some(network)) = (change, &mut self.network)
            && let Err(error) = network.rename(name)
        {
            // It has its name; who does not know it yet is another container's resolver.
            trace::step(|| format!("netd does not know the new name: {}", error.chain()));
        }
        self.record(event);
        Ok(())
    }
}
