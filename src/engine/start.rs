//! `start`: runs a created or stopped container again.

use super::Engine;
use super::create::layer_trees;
use super::run::{launch_request, start_with};
use super::session::{End, Terminal};
use super::wait::settled;
use crate::base::{ContainerId, Result};
use crate::oci::Digest;
use crate::supervise::spawn;

/// Starts a container: attached to `terminal` until it ends, or in the background. Starting a running one is no error,
/// as with docker; attaching to it is done by `attach`.
/// `note` is called with what the user should know once it runs.
pub fn start(
    engine: &Engine,
    name: &str,
    terminal: Option<&Terminal<'_>>,
    note: &mut dyn FnMut(&str),
) -> Result<(ContainerId, Option<End>)> {
    let id = engine.containers().find(name)?;
    let container = settled(engine, &id)?;
    if container.status.is_running() {
        return match terminal {
            None => Ok((id, None)),
            Some(terminal) => super::attach::attach(engine, name, terminal).map(|end| (id, Some(end))),
        };
    }
    let supervisor = spawn(&engine.paths)?;
    let store = engine.store()?;
    let diff_ids: Vec<Digest> =
        container.config.image.layers.iter().map(|layer| layer.parse()).collect::<Result<_>>()?;
    let layers = layer_trees(&store, &diff_ids, &format!("container `{}`", container.name))?;
    let launch = launch_request(id.clone(), layers, container.config.process.stdin, terminal);
    let end = start_with(&supervisor, launch, &container.config, terminal, note)?;
    Ok((id, end))
}
