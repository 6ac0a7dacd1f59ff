//! Commands about images, one file each.

pub mod list;
pub mod pull;
pub mod push;
pub mod remove;
pub mod tag;
