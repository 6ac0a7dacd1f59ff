//! Rank 4: one verb per file, a typed request in and a report out. Every face asks for the same verbs; none of them
//! prints, reads the environment or looks at the command line. Any process may call them, from any of its threads: what a
//! process with threads cannot do is done in a [`worker`].

pub mod access;
pub mod archives;
pub mod attach;
mod auto_own;
pub mod build;
pub mod builtin;
pub mod bundle;
mod cdi;
pub mod check;
pub mod clone;
pub mod container_prune;
pub mod create;
mod depot;
mod devices;
pub mod df;
pub mod doctor;
pub mod events;
pub mod exec;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod healthcheck;
pub mod history;
mod image_name;
pub mod image_prune;
pub mod image_tree;
pub mod images;
pub mod info;
pub mod inspect;
pub mod kill;
pub mod lists;
pub mod login;
pub mod logs;
mod names;
mod namespaces;
pub mod network;
pub mod pod;
pub mod pod_setup;
pub mod progress;
pub mod ps;
pub mod pull;
pub mod push;
pub mod reach;
mod reclaim;
pub mod remove;
pub mod renew;
pub mod request;
pub mod resolve;
pub mod rmi;
pub mod run;
pub mod scp;
pub mod search;
pub mod secret;
pub mod serve;
pub mod session;
pub mod settings;
pub mod start;
pub mod stats;
pub mod stop;
mod streams;
pub mod tag;
pub mod top;
pub mod trust;
pub mod unshare;
pub mod usage;
mod userns;
pub mod volume;
pub mod wait;
pub mod worker;

pub use archives::{files, new_image};

use serde::{Deserialize, Serialize};

use crate::base::{Error, Paths, Result};
use crate::registry;
use crate::state::Containers;
use crate::store::Store;

/// What a face passes in once: where things are and how to reach registries.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Engine {
    /// Where things are.
    pub paths: Paths,
    /// How registries are reached.
    pub registry: registry::Settings,
}

impl Engine {
    /// The containers.
    pub fn containers(&self) -> Containers {
        Containers::new(&self.paths)
    }

    /// The images, in a store that is made on first use.
    pub fn store(&self) -> Result<Store> {
        Store::open(&self.paths.store())
    }
}

/// The error of a verb that needs a running container.
fn not_running(name: &str) -> Error {
    Error::conflict(format!("container `{name}` is not running")).hint(format!("start it with `coracle start {name}`"))
}
