//! `inspect`: everything about one container or image, in docker's shape and in podman's: their names, their order, their
//! zero values. What coracle does not have is at their default, so that programs that read the shape find what they look for.

mod container;
mod image;
mod network;
mod podman;
mod podman_image;
mod remote;
mod resources;

pub use container::{ContainerReport, container};
pub use image::{ImageReport, image, manifest, refuse_platform};
pub use network::host_addresses;
pub use podman::{PodmanContainer, container as container_for_podman};
pub use podman_image::{PodmanImage, image as image_for_podman};
pub use remote::{RemoteReport, SCHEME, remote};
