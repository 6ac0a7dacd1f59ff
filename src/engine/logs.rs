//! `logs`: what a container printed, and with `follow` what it goes on to print until it ends.

use super::Engine;
use crate::base::{Kind, Result};
use crate::logs::Reader;
use crate::spec::logs::{Entry, Selection};
use crate::state::Status;

/// What to read.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogRequest {
    /// Goes on until the container ends.
    pub follow: bool,
    /// Which entries.
    pub selection: Selection,
}

/// Gives the entries of the container `name` to `sink`, in the order they were written.
pub fn read(
    engine: &Engine,
    name: &str,
    request: &LogRequest,
    sink: &mut dyn FnMut(Entry) -> Result<()>,
) -> Result<()> {
    let containers = engine.containers();
    let id = containers.find(name)?;
    // Says clearly when the record cannot be read.
    containers.config(&id)?;
    let mut reader = Reader::open(&engine.paths.container(&id).join("log"), request.selection)?;
    if !request.follow {
        return reader.read(sink);
    }
    let mut is_over = || match containers.state(&id) {
        Ok(state) => Ok(!state.map_or(Status::Created, |state| state.status()).is_running()),
        // Removed while it was followed.
        Err(error) if error.kind() == Kind::NotFound => Ok(true),
        Err(error) => Err(error),
    };
    reader.follow(&mut is_over, sink)
}
