//! What changes in a container's life: the values that `rename`, `update` and `network connect` put in the place of those
//! that the container was created with. `state` keeps them in `settings.json` beside the immutable `container.json`; a
//! container of which nothing was changed has no such file.
//!
//! A value that is added here later is an `Option` that is left out as long as it is none. What this program does not know
//! is kept as it is: an older coracle that renames a container loses nothing that a newer one has set.

use serde::{Deserialize, Serialize};

use super::container::ContainerConfig;
use super::namespaces::{Member, NetworkMode};
use super::resources::Resources;
use super::restart::RestartPolicy;
use crate::base::id::Name;

/// The newest format of the record that this program reads, and the one it writes.
pub const FORMAT: u32 = 1;

/// What differs from the container's creation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// [`FORMAT`] of the writer.
    pub format: u32,
    /// Its name. The symbolic link is what counts; this tells programs that have the record alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// The networks it is on; none as long as they are those of its creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub networks: Option<Vec<Member>>,
    /// What follows when it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<RestartPolicy>,
    /// What it may take of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// What a newer coracle has set.
    #[serde(flatten)]
    pub unknown: serde_json::Map<String, serde_json::Value>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            format: FORMAT,
            name: None,
            networks: None,
            restart: None,
            resources: None,
            unknown: serde_json::Map::new(),
        }
    }
}

impl Settings {
    /// Puts the values in the place of those that the container was created with.
    pub fn apply(&self, config: &mut ContainerConfig) {
        if let Some(name) = &self.name {
            config.name.clone_from(name);
        }
        if let (Some(networks), NetworkMode::Networks(members)) = (&self.networks, &mut config.namespaces.network) {
            members.clone_from(networks);
        }
        if let Some(restart) = self.restart {
            config.lifecycle.restart = restart;
        }
        if let Some(resources) = &self.resources {
            config.resources.clone_from(resources);
        }
    }
}
