//! What a user asks for, as the grammars of options give it: before names are looked up and defaults are decided.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::container::Mount;
use super::network::Wish;

/// One `--network`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkRequest {
    /// Nothing but loopback.
    None,
    /// The user's own network.
    Host,
    /// That of another container, by name or id.
    Container(String),
    /// A network namespace, by its path.
    Path(PathBuf),
    /// A network, by name or id, and what is asked of it.
    Named(String, Wish),
}

/// Whose ids the container's are to be, as it was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum UserNamespaceRequest {
    /// The user's as they are: the container's root is the user.
    #[default]
    Host,
    /// The user keeps its ids, or has these in the container.
    KeepId {
        /// Instead of the user's own.
        uid: Option<u32>,
        /// Instead of the user's own group.
        gid: Option<u32>,
    },
    /// The user is nobody in the container.
    NoMap,
    /// Ids that no other container with this mode has.
    Auto {
        /// How many; by the image's users when none.
        size: Option<u32>,
        /// User ids that must be mapped in this way.
        uids: Vec<MapRequest>,
        /// Group ids that must be.
        gids: Vec<MapRequest>,
    },
    /// Exactly these.
    Maps {
        /// User ids.
        uids: Vec<MapRequest>,
        /// Group ids.
        gids: Vec<MapRequest>,
    },
}

/// Consecutive ids of a container and what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapRequest {
    /// The first in the container.
    pub inside: u32,
    /// What it is.
    pub outside: Outside,
    /// How many.
    pub count: u32,
}

/// An id outside of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    /// Among the user's: 0 is the user, 1 and up are the subordinate ids.
    User(u32),
    /// The host's.
    Host(u32),
}

/// A mount option, and what its short form leaves to the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountRequest {
    /// The mount.
    pub mount: Mount,
    /// `-v` makes a missing bind source as a directory, as docker does; `--mount` refuses it.
    pub create_source: bool,
}

/// When to ask the registry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PullPolicy {
    /// Before every use.
    Always,
    /// When the image is not there.
    #[default]
    Missing,
    /// Not at all.
    Never,
}
