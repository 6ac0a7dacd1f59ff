//! Rank 4: one verb per file, a typed request in and a report out. Every face asks for the same verbs; none of them
//! prints, reads the environment or looks at the command line.

pub mod pull;
pub mod request;

use crate::base::{Paths, Result};
use crate::registry;
use crate::store::Store;

/// What a face passes in once: where things are and how to reach registries.
#[derive(Debug, Clone)]
pub struct Engine {
    /// Where things are.
    pub paths: Paths,
    /// How registries are reached.
    pub registry: registry::Settings,
}

impl Engine {
    /// The images, in a store that is made on first use.
    pub fn store(&self) -> Result<Store> {
        Store::open(&self.paths.store())
    }
}
