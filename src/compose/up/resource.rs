//! The networks and volumes of a project.

use super::Up;
use crate::base::{Error, Kind, Result};
use crate::compose::graph::{Task, run};
use crate::compose::labels;
use crate::compose::node::Node;
use crate::compose::read::text;
use crate::compose::report::Event;
use crate::compose::resources;
use crate::engine::network::create::create as create_network;
use crate::engine::network::remove::{Holders, remove as remove_network};
use crate::engine::network::{Known, find};
use crate::engine::volume::{self, Filters, Listed};
use crate::spec::container::Container;

enum What<'a> {
    Network(&'a str, &'a Node),
    Volume(&'a str, &'a Node),
}

impl Up<'_> {
    /// Makes networks and volumes. True if containers had to be stopped for that.
    pub(super) fn resources(&self, existing: &[Container]) -> Result<bool> {
        let (volumes, _) = match self.project.model.get("volumes") {
            Some(_) => volume::list(self.engine, &Filters::default())?,
            None => Default::default(),
        };
        let entries = |kind: &'static str| self.project.model.entries(kind);
        let networks = entries("networks").map(|(key, network)| What::Network(key, network));
        let all = networks.chain(entries("volumes").map(|(key, volume)| What::Volume(key, volume)));
        let tasks: Vec<Task<What<'_>>> = all.map(|what| Task { after: Vec::new(), what }).collect();
        let stopped = std::sync::atomic::AtomicBool::new(false);
        run(&tasks, self.width, &|what| match what {
            What::Network(key, network) => {
                if self.network(key, network, existing)? {
                    stopped.store(true, std::sync::atomic::Ordering::Relaxed);
                }
                Ok(())
            }
            What::Volume(key, volume) => self.volume(key, volume, &volumes),
        })?;
        Ok(stopped.into_inner())
    }

    fn network(&self, key: &str, network: &Node, existing: &[Container]) -> Result<bool> {
        let project = &self.project.name;
        let name = text(network, "name").unwrap_or_else(|| format!("{project}_{key}"));
        let found = match find(self.engine, &name) {
            // By its name alone: the beginning of an id is not meant.
            Ok(known) => Some(known).filter(|known| known.name == name),
            Err(error) if error.kind() == Kind::NotFound => None,
            Err(error) => return Err(error),
        };
        if network.is_true("external") {
            return match found {
                Some(_) => Ok(false),
                None => Err(Error::not_found(format!("network {name} declared as external, but could not be found"))
                    .hint(format!("make it: `coracle network create {name}`"))),
            };
        }
        let new = resources::network(project, key, network)?;
        let event = Event::of(self.report, format!("Network {name}"));
        let mut stopped = false;
        if let Some(known) = &found {
            match self.is_current(known, &name, &new.labels) {
                true => return Ok(false),
                false => stopped = self.take_down(known, existing)?,
            }
        }
        match self.dry_run {
            true => {
                event.working("Creating");
                event.done("Created");
            }
            false => drop(event.around("Creating", "Created", || create_network(self.engine, &new, true))?),
        }
        Ok(stopped)
    }

    /// Whether a network that is there will do: one that is not the project's does, with a warning.
    fn is_current(&self, known: &Known, name: &str, wanted: &std::collections::BTreeMap<String, String>) -> bool {
        let none = Default::default();
        let theirs = known.network.as_ref().map_or(&none, |network| &network.labels);
        if let Some(warning) = resources::foreign("network", name, &self.project.name, theirs) {
            self.report.warning(&warning);
            return true;
        }
        theirs.get(labels::CONFIG_HASH).is_none_or(|hash| Some(hash) == wanted.get(labels::CONFIG_HASH))
    }

    /// Removes a network that is otherwise than the files say, after the project's containers on it were stopped.
    fn take_down(&self, known: &Known, existing: &[Container]) -> Result<bool> {
        let users: Vec<&Container> = existing.iter().filter(|container| known.is_used_by(container)).collect();
        for user in &users {
            self.stop(user.config.id.as_str(), user.name.as_str())?;
        }
        let event = Event::of(self.report, format!("Network {}", known.name));
        match self.dry_run {
            true => {
                event.working("Removing");
                event.done("Removed");
            }
            false => {
                event.around("Removing", "Removed", || remove_network(self.engine, &known.name, Holders::Running))?
            }
        }
        Ok(!users.is_empty())
    }

    fn volume(&self, key: &str, volume: &Node, listed: &[Listed]) -> Result<()> {
        let project = &self.project.name;
        let request = resources::volume(project, key, volume);
        let name = request.name.clone().unwrap_or_default();
        let found = listed.iter().find(|listed| listed.volume.name.as_str() == name);
        if volume.is_true("external") {
            return match found {
                Some(_) => Ok(()),
                None => Err(Error::not_found(format!("external volume {name:?} not found"))
                    .hint(format!("make it: `coracle volume create {name}`"))),
            };
        }
        if let Some(found) = found {
            if let Some(warning) = resources::foreign("volume", &name, project, &found.volume.labels) {
                self.report.warning(&warning);
            } else if found.volume.options != request.options {
                self.report.warning(&format!(
                    "Volume \"{name}\" exists but doesn't match configuration in compose file: remove it with `coracle volume rm {name}` to have it made anew"
                ));
            }
            return Ok(());
        }
        let event = Event::of(self.report, format!("Volume {name}"));
        match self.dry_run {
            true => {
                event.working("Creating");
                event.done("Created");
                Ok(())
            }
            false => {
                event.around("Creating", "Created", || crate::engine::volume::create(self.engine, &request)).map(drop)
            }
        }
    }
}
