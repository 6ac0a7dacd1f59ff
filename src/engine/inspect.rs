//! `inspect`: everything about one container or image, in docker's shape: its names, its order, its zero values. What
//! coracle does not have (limits) is at docker's default, so that programs that read the shape find what they look for.

mod container;
mod image;
mod network;
mod resources;

pub use container::{ContainerReport, container};
pub use image::{ImageReport, image};
pub use network::host_addresses;
