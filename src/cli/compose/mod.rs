//! `compose …`: projects of several containers.

mod attached;
pub mod config;
pub mod copy;
pub mod events;
pub mod image;
pub mod life;
mod lines;
pub mod list;
pub mod logs;
pub mod passed;
pub mod project;
pub mod run;
pub mod scale;
mod shown;
pub mod up;
pub mod watch;
mod work;

use crate::compose::labels::COMPOSE_VERSION;

/// docker compose's line of its version.
pub fn version_line() -> String {
    format!("Docker Compose version v{COMPOSE_VERSION}")
}
