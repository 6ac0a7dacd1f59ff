//! `compose …`: projects of several containers.

pub mod config;
pub mod project;
