//! Commands about images, one file each.

pub mod list;
pub mod pull;
pub mod remove;
