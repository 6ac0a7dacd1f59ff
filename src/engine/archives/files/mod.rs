//! Verbs that work on the files of containers and images: `diff`, `commit`, `export`, `cp` and those of volumes' contents.
//!
//! # Where a container's files are
//!
//! What a container has changed is in its upper directory, which [`diff`] and [`commit`] read as it is. Everything that it
//! sees is at [`root`]: of one that runs, the root of its pid 1; of one that does not, its union, mounted in the mount
//! namespace of the worker that does the job, and gone with it.
//!
//! A container is hostile, and may change its tree while it is read: everything is opened below a descriptor of its root,
//! and no link leads out of that.

pub mod commit;
pub mod copy;
pub mod diff;
pub mod export;
mod freeze;
pub mod mount;
mod root;
pub mod volume;

use crate::state::ContainerConfig;

/// The places where something is mounted, without the first `/`. What is there in the upper directory are empty files and
/// directories that were made for the mounts.
fn mount_points(config: &ContainerConfig) -> Vec<Vec<u8>> {
    config.storage.mounts.iter().map(|mount| mount.target.trim_start_matches('/').as_bytes().to_vec()).collect()
}
