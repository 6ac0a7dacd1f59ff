//! `start`: runs a created or stopped container again.

use std::os::fd::OwnedFd;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Engine;
use super::cdi;
use super::create::{image_mounts, layer_trees};
use super::kill::orphan;
use super::pod_setup::ensure_infra;
use super::progress::Silent;
use super::run::{HandedOver, launch_request, start_with};
use super::session::{End, Terminal};
use super::settings::refuse_paused;
use super::wait::settled;
use super::worker::{self, Given, Job, Place};
use crate::base::process::ends_within;
use crate::base::{ContainerId, Error, Result};
use crate::oci::Digest;
use crate::spec::container::ContainerConfig;
use crate::spec::pod::Pod;
use crate::state::{Container, Pods};
use crate::supervise::protocol::Launch;
use crate::supervise::{control_pair, spawn};

/// How long the processes of a killed supervisor may take to end.
const LAST_BREATH: Duration = Duration::from_secs(2);

/// Starts a container: attached to `terminal` until it ends, or in the background. Starting a running one is no error,
/// as with docker; attaching to it is done by `attach`.
/// `note` is called with what the user should know once it runs.
pub fn start(
    engine: &Engine,
    name: &str,
    terminal: Option<&Terminal<'_>>,
    note: &mut dyn FnMut(&str),
) -> Result<(ContainerId, Option<End>)> {
    start_handing(engine, name, terminal, note, HandedOver::default())
}

/// [`start`] with what the caller hands over to the container's program.
pub fn start_handing(
    engine: &Engine,
    name: &str,
    terminal: Option<&Terminal<'_>>,
    note: &mut dyn FnMut(&str),
    handed: HandedOver,
) -> Result<(ContainerId, Option<End>)> {
    let id = engine.containers().find(name)?;
    let container = supervised(engine, &id)?;
    refuse_paused(&container.status, name, "cannot start a paused container, try unpause instead")?;
    if container.status.is_running() {
        return match terminal {
            None => Ok((id, None)),
            Some(terminal) => super::attach::attach(engine, name, terminal).map(|end| (id, Some(end))),
        };
    }
    make_ready(engine, &container.config, note)?;
    let edits = cdi::edits(engine, &container.config.security.cdi)?;
    let supervisor = supervisor(engine)?;
    let store = engine.store()?;
    let diff_ids: Vec<Digest> =
        container.config.image.layers.iter().map(|layer| layer.parse()).collect::<Result<_>>()?;
    let layers = layer_trees(&store, &diff_ids, &format!("container `{}`", container.name))?;
    let images = image_mounts(&store, &container.config.storage.mounts)?;
    let launch = launch_request(id.clone(), layers, images, container.config.process.stdin, terminal);
    let launch = Launch { edits, ..launch };
    let end = start_with(&supervisor, (launch, handed), &container.config, terminal, note)?;
    Ok((id, end))
}

/// Before a container of a pod starts: the infra container runs.
pub(super) fn make_ready(engine: &Engine, config: &ContainerConfig, note: &mut dyn FnMut(&str)) -> Result<()> {
    match &config.pod {
        Some(membership) if !config.is_infra() => {
            start_infra(engine, &Pods::new(&engine.paths).find(membership.pod.as_str())?, note)
        }
        _ => Ok(()),
    }
}

/// Starts the infra container of a pod, if it has one that does not run.
pub(super) fn start_infra(engine: &Engine, pod: &Pod, note: &mut dyn FnMut(&str)) -> Result<()> {
    ensure_infra(engine, pod)?;
    match &pod.infra {
        Some(infra) => start(engine, infra.id.as_str(), None, note).map(drop),
        None => Ok(()),
    }
}

/// The container, once what a killed supervisor has left of it has ended: its processes die with it, but not at once.
fn supervised(engine: &Engine, id: &ContainerId) -> Result<Container> {
    let container = settled(engine, id)?;
    let state = engine.containers().state(id)?;
    if !container.status.is_running() || state.is_some_and(|state| state.supervisor.is_alive()) {
        return Ok(container);
    }
    if let Some(init) = orphan(engine, id)? {
        ends_within(init, LAST_BREATH);
    }
    let container = engine.containers().load(id)?;
    let state = engine.containers().state(id)?;
    match !container.status.is_running() || state.is_some_and(|state| state.supervisor.is_alive()) {
        true => Ok(container),
        false => Err(Error::conflict(format!(
            "the supervisor of container `{}` is gone, but its first process lives on",
            id.short()
        ))
        .hint(format!("stop the container with `coracle stop {}` and start it again", id.short()))),
    }
}

/// A supervisor that waits for its `Launch` on the returned socket. Returns before it is ready: what fails in the meantime
/// comes back as `Failed`.
pub(super) fn supervisor(engine: &Engine) -> Result<OwnedFd> {
    let (ours, theirs) = control_pair()?;
    let given = Given { progress: &Silent, descriptor: Some(theirs) };
    worker::call_with(engine, Supervise {}, given).map(|()| ours)
}

/// Forks a supervisor for the socket that goes with it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Supervise {}

impl Job for Supervise {
    const NAME: &'static str = "start";
    const PLACE: Place = Place::Here;
    type Report = ();

    fn run(self, engine: &Engine, given: Given<'_>) -> Result<()> {
        let control = given.descriptor.ok_or_else(|| Error::system("a supervisor was asked for without a socket"))?;
        spawn(&engine.paths, control)
    }
}
