//! Commands about images, one file each.

pub mod build;
mod build_output;
pub mod exists;
pub mod history;
pub mod imagetools;
pub mod list;
mod list_podman;
mod list_tree;
pub mod load;
pub mod manifest;
pub mod migrate;
pub mod prune;
pub mod pull;
pub mod push;
pub mod remove;
pub mod save;
pub mod scp;
pub mod search;
pub mod tag;
pub mod tree;
pub mod trust;
