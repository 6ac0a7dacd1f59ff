//! How pods and their containers come to be: `pod create`, and what a new container gets from its pod. What is done to pods that
//! exist is [`super::pod`]'s; this is below it, for whoever makes or starts containers.

mod create;
mod join;

pub(super) use create::ensure_infra;
pub use create::{NewPod, create};
pub(super) use join::{Joining, join, share_decided};
