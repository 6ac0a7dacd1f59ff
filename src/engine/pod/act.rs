//! What is done to whole pods: start, stop, restart, kill, pause, unpause, remove.
//!
//! The infra container is started before the others and stopped after them. The init containers run one after the other, to
//! their end, between the two: only at a start of the pod, not when others of it run already.

use super::{Filters, PodNow, find, list};
use crate::base::{ContainerId, Error, Kind, Result, ResultExt};
use crate::engine::Engine;
use crate::engine::kill::kill;
use crate::engine::remove::{Removal as ContainerRemoval, remove as remove_containers};
use crate::engine::settings::set_paused;
use crate::engine::start::{start, start_infra};
use crate::engine::stop::{How, stop as stop_container};
use crate::engine::wait::wait;
use crate::spec::container::Container;
use crate::spec::events::Action as Told;
use crate::spec::pod::PodStatus;
use crate::spec::pod_member::PodRole;
use crate::state::Pods;

/// How often containers that others add to a pod meanwhile are removed, too.
const ROUNDS: u32 = 16;

/// Something that is done to every container of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// `pod start`.
    Start,
    /// `pod restart`.
    Restart,
    /// `pod kill`, with this signal.
    Kill(i32),
    /// `pod pause`.
    Pause,
    /// `pod unpause`.
    Unpause,
}

/// What became of it.
#[derive(Debug)]
pub struct Outcome {
    /// The pod.
    pub id: ContainerId,
    /// What has failed, of which container.
    pub failures: Vec<Error>,
}

/// How to remove a pod.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removal {
    /// Stop its containers first when they run.
    pub force: bool,
    /// Seconds that they have to end; as each has it when none.
    pub timeout: Option<i64>,
}

/// Does something to a pod. `note` is called with what the user should know of containers that were started.
pub fn act(engine: &Engine, name: &str, action: Action, note: &mut dyn FnMut(&str)) -> Result<Outcome> {
    let now = find(engine, name)?;
    let pods = Pods::new(&engine.paths);
    let (failures, told) = match action {
        Action::Start => (start_all(engine, &now, note)?, Told::Start),
        Action::Restart => {
            let mut failures = stop_all(engine, &now, None);
            failures.extend(start_all(engine, &find(engine, now.pod.id.as_str())?, note)?);
            (failures, Told::Restart)
        }
        Action::Kill(signal) => {
            let running = |container: &&Container| container.status.is_running();
            (each(now.containers.iter().filter(running), |id| kill(engine, id, signal).map(drop)), Told::Kill)
        }
        Action::Pause => {
            let runs = |container: &&Container| container.status.is_running() && !is_paused(container);
            (each(now.containers.iter().filter(runs), |id| set_paused(engine, id, true).map(drop)), Told::Pause)
        }
        Action::Unpause => {
            let paused = now.containers.iter().filter(|container| is_paused(container));
            (each(paused, |id| set_paused(engine, id, false).map(drop)), Told::Unpause)
        }
    };
    pods.tell(told, &now.pod);
    Ok(Outcome { id: now.pod.id, failures })
}

fn is_paused(container: &Container) -> bool {
    container.status.phase() == crate::spec::container::Phase::Paused
}

/// Does the same to containers, and collects what fails.
fn each<'a>(containers: impl Iterator<Item = &'a Container>, mut work: impl FnMut(&str) -> Result<()>) -> Vec<Error> {
    containers.filter_map(|container| failure(container, work(container.config.id.as_str()))).collect()
}

/// What has failed, with the container's name. One that is gone meanwhile needs nothing any more.
fn failure(container: &Container, result: Result<()>) -> Option<Error> {
    match result {
        Err(error) if error.kind() == Kind::NotFound => None,
        result => result.context(|| format!("container `{}`", container.name)).err(),
    }
}

/// Starts what does not run.
fn start_all(engine: &Engine, now: &PodNow, note: &mut dyn FnMut(&str)) -> Result<Vec<Error>> {
    let works = |container: &&Container| container.config.pod_role() == PodRole::Member;
    let fresh = !now.containers.iter().filter(works).any(|container| container.status.is_running());
    start_infra(engine, &now.pod, note)?;
    if fresh {
        for container in now.containers.iter().filter(|container| container.config.pod_role().is_init()) {
            run_to_end(engine, container, note)?;
        }
    }
    let idle = now.containers.iter().filter(works).filter(|container| !container.status.is_running());
    Ok(each(idle, |id| start(engine, id, None, note).map(drop)))
}

/// Runs an init container. What it leaves is as it says itself.
fn run_to_end(engine: &Engine, container: &Container, note: &mut dyn FnMut(&str)) -> Result<()> {
    let (id, name) = (container.config.id.as_str(), &container.name);
    let failed = || format!("init container `{name}`");
    start(engine, id, None, note).context(failed)?;
    match wait(engine, id, &[]).context(failed)?.unwrap_or(0) {
        0 => {}
        code => {
            return Err(Error::conflict(format!("init container `{name}` exited with code {code}")).hint(format!(
                "`coracle logs {name}` shows what it said; the other containers of the pod were not started"
            )));
        }
    }
    match container.config.pod_role() {
        PodRole::InitOnce => {
            let removal = ContainerRemoval { volumes: true, ..ContainerRemoval::default() };
            remove_containers(engine, &[id.to_owned()], removal).pop().map_or(Ok(()), |removed| removed.map(drop))
        }
        _ => Ok(()),
    }
}

/// Stops a pod. Its containers are asked at the same time, the infra container after them.
pub fn stop(engine: &Engine, name: &str, timeout: Option<i64>) -> Result<Outcome> {
    let now = find(engine, name)?;
    let failures = stop_all(engine, &now, timeout);
    Pods::new(&engine.paths).tell(Told::Stop, &now.pod);
    Ok(Outcome { id: now.pod.id, failures })
}

fn stop_all(engine: &Engine, now: &PodNow, timeout: Option<i64>) -> Vec<Error> {
    let stop_one = |container: &Container| {
        let how = How { signal: None, timeout };
        failure(container, stop_container(engine, container.config.id.as_str(), how).map(drop))
    };
    let stop_one = &stop_one;
    let (infra, others): (Vec<&Container>, Vec<&Container>) =
        now.containers.iter().filter(|it| it.status.is_running()).partition(|it| it.config.is_infra());
    let mut failures: Vec<Error> = std::thread::scope(|scope| {
        let stop = |container: &Container| {
            // Where there is no thread to be had, it waits for its turn.
            let container = container.clone();
            std::thread::Builder::new().spawn_scoped(scope, move || stop_one(&container))
        };
        let stopping: Vec<_> = others.iter().map(|container| (*container, stop(container))).collect();
        let ended =
            |(container, thread): (&Container, std::io::Result<std::thread::ScopedJoinHandle<'_, _>>)| match thread {
                Ok(thread) => thread.join().ok().flatten(),
                Err(_) => stop_one(container),
            };
        stopping.into_iter().filter_map(ended).collect()
    });
    failures.extend(infra.into_iter().filter_map(stop_one));
    failures
}

/// Removes a pod with its containers. Without `force`, one that runs is a conflict.
pub fn remove(engine: &Engine, name: &str, removal: Removal) -> Result<Outcome> {
    let mut now = find(engine, name)?;
    let pods = Pods::new(&engine.paths);
    for _ in 0..ROUNDS {
        let mut running = now.containers.iter().filter(|it| it.status.is_running());
        if let (false, Some(one)) = (removal.force, running.find(|it| !it.config.is_infra())) {
            let (pod, container) = (&now.pod.name, &one.name);
            return Err(Error::conflict(format!("pod `{pod}` has running containers, such as `{container}`")).hint(
                format!("stop it first with `coracle pod stop {pod}`, or force it with `coracle pod rm -f {pod}`"),
            ));
        }
        let failures = stop_all(engine, &now, removal.timeout);
        if !failures.is_empty() {
            return Ok(Outcome { id: now.pod.id, failures });
        }
        // Each before what it depends on: the infra container is the last one.
        let mut order: Vec<&Container> = now.containers.iter().collect();
        order.sort_by_key(|container| (container.config.is_infra(), std::cmp::Reverse(container.config.created)));
        let names: Vec<String> = order.iter().map(|container| container.config.id.to_string()).collect();
        let kind = ContainerRemoval { force: removal.force, volumes: true, patience: None, with_pod: true };
        let removed = remove_containers(engine, &names, kind);
        let failures: Vec<Error> =
            order.into_iter().zip(removed).filter_map(|(container, it)| failure(container, it.map(drop))).collect();
        if !failures.is_empty() {
            return Ok(Outcome { id: now.pod.id, failures });
        }
        if pods.remove(&now.pod)? {
            return Ok(Outcome { id: now.pod.id, failures: Vec::new() });
        }
        // Somebody has added a container meanwhile.
        now = find(engine, now.pod.id.as_str())?;
    }
    Err(Error::conflict(format!("containers are added to pod `{}` faster than they can be removed", now.pod.name)))
}

/// Removes the pods that do not run. One result for each.
pub fn prune(engine: &Engine) -> Result<Vec<Result<Outcome>>> {
    let idle = |now: &PodNow| matches!(now.status(), PodStatus::Exited | PodStatus::Stopped | PodStatus::Created);
    let (pods, _) = list(engine, &Filters::default())?;
    let removal = Removal::default();
    Ok(pods.iter().filter(|now| idle(now)).map(|now| remove(engine, now.pod.id.as_str(), removal)).collect())
}
