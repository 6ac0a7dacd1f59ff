//! Rank 0: what every other module stands on. Errors that name the thing, ids, XDG paths, atomic publication of files and
//! directories, locks, limits, times, waits, logs of faults, least privilege for our own servers, and text made safe for a terminal. Nothing here knows what a container is.

pub mod error;
pub mod failpoint;
pub mod fault_log;
pub mod id;
pub mod keyring;
pub mod limits;
pub mod lock;
pub mod paths;
pub mod poll;
pub mod private;
pub mod process;
pub mod publish;
pub mod sandbox;
pub mod streams;
pub mod text;
pub mod time;
pub mod trace;

pub use error::{Error, Kind, Result, ResultExt};
pub use id::ContainerId;
pub use paths::Paths;
