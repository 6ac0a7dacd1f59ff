//! The OCI runtime: how a container's process is made, what it may do, and in what order it is confined. `plan` decides,
//! `launch` and `child` carry it out from both sides of the clone, `enter` adds a process to a running container.

pub mod capabilities;
pub mod child;
pub mod enter;
pub mod launch;
pub mod loopback;
pub mod plan;
pub mod process;
pub mod seccomp;
pub mod user;
