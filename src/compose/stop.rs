//! `stop`, `restart`, `kill`, `rm`, `down` and the like: what is done with the containers of a project that are there. It is
//! known by the labels of containers, networks and volumes, so that the project's files are not needed; where they are there,
//! hooks of services are run.

use std::sync::Mutex;

use super::graph::Task;
use super::graph::run;
use super::hooks::hooks;
use super::labels::{self, Known};
use super::plan::stop_order;
use super::present::of_project;
use super::project::Project;
use super::report::{Event, Report};
use crate::base::{Error, Kind, Result};
use crate::engine::Engine;
use crate::engine::network::Filters as NetworkFilters;
use crate::engine::network::list::list as list_networks;
use crate::engine::network::remove::{Holders, remove as remove_network};
use crate::engine::remove::{Removal, remove as engine_remove};
use crate::engine::rmi::{How as HowRemoved, remove as remove_images};
use crate::engine::stop::{How, stop as engine_stop};
use crate::engine::volume::{Filters as VolumeFilters, list as list_volumes, remove as remove_volume};
use crate::spec::container::Container;

/// How containers are stopped.
#[derive(Clone, Copy)]
pub struct Stopping<'a> {
    /// The engine.
    pub engine: &'a Engine,
    /// The project, if its files were read.
    pub project: Option<&'a Project>,
    /// Seconds until SIGKILL instead of the containers' own.
    pub timeout: Option<i64>,
}

/// Stops a container, after its hooks. One that is not there any more has stopped.
///
/// # Errors
///
/// When it cannot be stopped, or a hook fails.
pub fn stop_container(stopping: &Stopping<'_>, id: &str) -> Result<()> {
    let Stopping { engine, project, timeout } = *stopping;
    let containers = engine.containers();
    let container = match containers.find(id).and_then(|id| containers.load(&id)) {
        Err(error) if error.kind() == Kind::NotFound => return Ok(()),
        container => container?,
    };
    if !container.status.is_running() {
        return Ok(());
    }
    if let Some(service) = project.and_then(|project| project.service(Known::of(&container).service()))
        && container.status.pid().is_some()
    {
        hooks(engine, id, service, "pre_stop")?;
    }
    match engine_stop(engine, id, How { signal: None, timeout }) {
        Err(error) if error.kind() == Kind::NotFound => Ok(()),
        stopped => stopped.map(drop),
    }
}

/// Removes a container that has stopped, or kills it before. One that is not there any more is no error.
///
/// # Errors
///
/// When it cannot be removed.
pub fn remove_container(engine: &Engine, id: &str, volumes: bool) -> Result<()> {
    let removal = Removal { force: true, patience: None, volumes, with_pod: false };
    match engine_remove(engine, &[id.to_owned()], removal).pop() {
        Some(Err(error)) if error.kind() != Kind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Which images `down` removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Images {
    /// Those of services that name none.
    Local,
    /// All.
    All,
}

/// What `down` does.
#[derive(Debug, Clone, Default)]
pub struct Down {
    /// The services that are meant; all when none.
    pub services: Vec<String>,
    /// Containers of services that the files do not have go, too.
    pub remove_orphans: bool,
    /// Named volumes of the project, and anonymous ones of its containers, go.
    pub volumes: bool,
    /// Images that go.
    pub images: Option<Images>,
}

/// The work on what is there of a project.
pub struct Existing<'a> {
    /// How containers are stopped.
    pub stopping: Stopping<'a>,
    /// The name of the project.
    pub name: &'a str,
    /// Told what happens.
    pub report: &'a dyn Report,
    /// The most tasks at a time.
    pub width: usize,
    /// Nothing is done.
    pub dry_run: bool,
}

impl Existing<'_> {
    /// The containers of services, of all when none are named. `one_off`: those of `compose run`, too.
    ///
    /// # Errors
    ///
    /// When a named service is neither in the files nor has a container.
    pub fn containers(&self, services: &[String], one_off: bool) -> Result<Vec<Container>> {
        let mut all = of_project(self.stopping.engine, self.name)?;
        for name in services {
            let is_known = self.stopping.project.is_some_and(|project| project.known.contains(name))
                || all.iter().any(|container| Known::of(container).service() == name);
            if !is_known {
                return Err(Error::not_found(format!("no such service: {}", crate::base::text::clean(name))));
            }
        }
        all.retain(|container| {
            let known = Known::of(container);
            (one_off || !known.is_one_off())
                && (services.is_empty() || services.iter().any(|name| name == known.service()))
        });
        Ok(all)
    }

    /// Does something with every container, at once; told with these words.
    ///
    /// # Errors
    ///
    /// The first failure, once all are done.
    pub fn each(
        &self,
        containers: &[&Container],
        (begin, end): (&str, &str),
        work: &(dyn Fn(&Container) -> Result<()> + Sync),
    ) -> Result<()> {
        let failure = Mutex::new(None);
        let tasks: Vec<Task<&Container>> =
            containers.iter().map(|container| Task { after: Vec::new(), what: *container }).collect();
        run(&tasks, self.width, &|container| {
            let event = Event::container(self.report, container.name.as_str());
            if self.dry_run {
                if !begin.is_empty() {
                    event.working(begin);
                }
                event.done(end);
                return Ok(());
            }
            let done = match begin {
                "" => work(container).inspect(|()| event.done(end)),
                begin => event.around(begin, end, || work(container)),
            };
            // The others are done all the same.
            if let Err(error) = done {
                failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_or_insert(error);
            }
            Ok(())
        })?;
        failure.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// Stops containers, each before those of the services that it depends on.
    ///
    /// # Errors
    ///
    /// The first failure.
    pub fn stop(&self, containers: &[Container]) -> Result<()> {
        for level in stop_order(containers) {
            self.each(&level, ("Stopping", "Stopped"), &|container| {
                stop_container(&self.stopping, container.config.id.as_str())
            })?;
        }
        Ok(())
    }

    /// Kills containers.
    ///
    /// # Errors
    ///
    /// The first failure.
    pub fn kill(&self, containers: &[&Container], signal: i32) -> Result<()> {
        self.each(containers, ("Killing", "Killed"), &|container| {
            match crate::engine::kill::kill(self.stopping.engine, container.config.id.as_str(), signal) {
                // It has ended by itself.
                Err(error) if matches!(error.kind(), Kind::Conflict | Kind::NotFound) => Ok(()),
                killed => killed.map(drop),
            }
        })
    }

    /// Removes containers.
    ///
    /// # Errors
    ///
    /// The first failure.
    pub fn remove(&self, containers: &[&Container], volumes: bool) -> Result<()> {
        self.each(containers, ("Removing", "Removed"), &|container| {
            remove_container(self.stopping.engine, container.config.id.as_str(), volumes)
        })
    }

    /// Stops and removes what there is of the project.
    ///
    /// # Errors
    ///
    /// The first failure.
    pub fn down(&self, down: &Down) -> Result<()> {
        let known = self.stopping.project.map(|project| &project.known);
        let mut containers = self.containers(&down.services, down.services.is_empty())?;
        if let (false, Some(known)) = (down.remove_orphans, known) {
            containers.retain(|container| known.contains(Known::of(container).service()));
        }
        let mut found = !containers.is_empty();
        for level in stop_order(&containers) {
            self.each(&level, ("Stopping", "Stopped"), &|container| {
                stop_container(&self.stopping, container.config.id.as_str())
            })?;
            crate::base::failpoint::here("compose.down.stopped")?;
            self.remove(&level, down.volumes)?;
        }
        crate::base::failpoint::here("compose.down.removed")?;
        if down.services.is_empty() {
            found |= self.remove_networks()?;
            if down.volumes {
                found |= self.remove_volumes()?;
            }
        }
        if let Some(which) = down.images {
            found |= self.remove_images(which, &down.services)?;
        }
        if !found {
            self.report.warning(&format!("No resource found to remove for project \"{}\".", self.name));
        }
        Ok(())
    }

    /// Networks that are still in use stay, with a word.
    fn remove_networks(&self) -> Result<bool> {
        let mut filters = NetworkFilters::default();
        let time = |_: &str| Err(Error::usage("no time"));
        filters.add(&format!("label={}={}", labels::PROJECT, self.name), &NetworkFilters::LIST, &time)?;
        let (networks, _) = list_networks(self.stopping.engine, &filters)?;
        for network in &networks {
            let event = Event::of(self.report, format!("Network {}", network.name));
            event.working("Removing");
            if !self.dry_run {
                match remove_network(self.stopping.engine, &network.name, Holders::Running) {
                    Ok(()) => {}
                    Err(error) if error.kind() == Kind::NotFound => {}
                    Err(error) if error.kind() == Kind::Conflict => {
                        event.warning("Resource is still in use");
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            }
            event.done("Removed");
        }
        Ok(!networks.is_empty())
    }

    fn remove_volumes(&self) -> Result<bool> {
        let mut filters = VolumeFilters::default();
        let time = |_: &str| Err(Error::usage("no time"));
        filters.add(&format!("label={}={}", labels::PROJECT, self.name), &VolumeFilters::LIST, &time)?;
        let (volumes, _) = list_volumes(self.stopping.engine, &filters)?;
        for listed in &volumes {
            let name = listed.volume.name.as_str();
            let event = Event::of(self.report, format!("Volume {name}"));
            event.working("Removing");
            if !self.dry_run {
                match remove_volume(self.stopping.engine, name, false) {
                    Ok(()) => {}
                    Err(error) if error.kind() == Kind::NotFound => {}
                    Err(error) if error.kind() == Kind::Conflict => {
                        event.warning("Resource is still in use");
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            }
            event.done("Removed");
        }
        Ok(!volumes.is_empty())
    }

    fn remove_images(&self, which: Images, services: &[String]) -> Result<bool> {
        let Some(project) = self.stopping.project else {
            return Err(Error::usage("--rmi needs the files of the project, which name its images"));
        };
        let is_meant = |(name, service): &(&String, &super::node::Node)| {
            (services.is_empty() || services.contains(name))
                && (which == Images::All || service.text_of("image").is_none_or(str::is_empty))
        };
        let mut images: Vec<String> =
            project.services().filter(is_meant).map(|(name, service)| project.image(name, service)).collect();
        images.sort();
        images.dedup();
        let mut found = false;
        for image in images {
            if !crate::engine::images::exists(self.stopping.engine, &image)? {
                continue;
            }
            found = true;
            let event = Event::of(self.report, format!("Image {image}"));
            event.working("Removing");
            if !self.dry_run {
                match remove_images(self.stopping.engine, std::slice::from_ref(&image), &HowRemoved::default())?.pop() {
                    Some(Err(error)) if error.kind() == Kind::Conflict => {
                        event.warning("Resource is still in use");
                        continue;
                    }
                    Some(Err(error)) if error.kind() != Kind::NotFound => return Err(error),
                    _ => {}
                }
            }
            event.done("Removed");
        }
        Ok(found)
    }
}
