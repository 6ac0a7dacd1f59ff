//! `builder` and `buildx`: the build cache. There is no builder process to manage.

pub mod cache;
pub mod list;
