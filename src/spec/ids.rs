//! Whose ids a container's are: what is asked for and what its record says about its user namespace.
//!
//! Three worlds of ids meet: the *container's*, as its programs see them; the *user's*, those of the user's outer
//! namespace, where 0 is the user and 1 and up are the subordinate ids (podman calls them intermediate); and the host's.
//! A record speaks of the first two. It says what was asked for rather than a finished map where the map follows from
//! the user's subordinate ids, which an administrator may change. What follows from the machine is decided by the engine.

use serde::{Deserialize, Serialize};

use super::idmap::IdMap;
use crate::base::{Error, Result, text};

/// The highest user or group id that docker and podman take: those above are no ids in programs with 32-bit signed ones,
/// and the kernel takes 4294967295 for "as it is", so that a process would stay root (CVE-2024-40635).
pub const MAX_ID: u32 = 0x7fff_ffff;

/// A user or group id, if `text` is a number: decimal, perhaps with a sign (Go's `strconv.Atoi`). Fails for a number that
/// is no id.
pub fn parse_id(text: &str) -> Result<Option<u32>> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    match digits.parse() {
        Ok(0) => Ok(Some(0)),
        Ok(id @ ..=MAX_ID) if !text.starts_with('-') => Ok(Some(id)),
        _ => Err(Error::usage(format!("`{}` is no id: uids and gids must be in range 0-{MAX_ID}", text::clean(text)))),
    }
}

/// `--userns`, `--uidmap` and `--gidmap`, decided.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "mode")]
pub enum UserNamespace {
    /// The user's ids as they are: the container's root is the user, its other ids are subordinate ones.
    #[default]
    Host,
    /// The user keeps an id of its own; root and all others are subordinate ids.
    KeepId {
        /// What the user is in the container.
        uid: u32,
        /// Its group there.
        gid: u32,
        /// What its entry in the container's `/etc/passwd` is called, if one has to be made.
        name: String,
        /// What its group's entry in the container's `/etc/group` is called, if one has to be made; empty as the number.
        #[serde(default)]
        group: String,
    },
    /// Subordinate ids only: the user is nobody in the container.
    NoMap,
    /// Runs of ids that no other container with `auto` has, or those that were asked for.
    Maps {
        /// From its user ids to the user's.
        uids: IdMap,
        /// From its group ids.
        gids: IdMap,
        /// They were chosen here (`auto`) and belong to this container alone.
        auto: bool,
    },
}

impl UserNamespace {
    /// The word of `inspect`: podman's, which tells no more than whether there is a map.
    pub fn word(&self) -> &'static str {
        match self.shifts() {
            false => "",
            true => "private",
        }
    }

    /// Whether the ids of the image are not those that the container's processes have among the user's: its files then
    /// need other owners than they have on disk.
    pub fn shifts(&self) -> bool {
        *self != UserNamespace::Host
    }
}

/// Whose ids the container's are to be, as it was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum UserNamespaceRequest {
    /// Nothing was said: those of the container whose processes it sees, if it does, else as `Host`.
    #[default]
    Usual,
    /// The user's as they are: the container's root is the user.
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
    /// The user's own where a directory of the user is mounted, for whichever user the container runs as.
    AutoOwn,
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
    /// Those of another container, whose user namespace it joins; its name or id.
    Container(String),
    /// Those of a user namespace that somebody else made, by its path.
    Path(std::path::PathBuf),
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
