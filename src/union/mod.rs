//! Union mounts: image layers below, one writable directory on top. Drivers share the on-disk format of overlayfs with
//! `user.overlay.*` attributes, so a container can change driver.

pub mod fuse;
pub mod mountpoints;
pub mod overlay;
