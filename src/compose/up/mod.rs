//! `up`, `create` and `run`: makes the networks, volumes and containers of a project as its files say, and starts them.
//!
//! # Theory of operation
//!
//! First everything is made, then everything is started: a mistake in any service is found before any of them runs. Images
//! come first, all at once; then networks and volumes; then the containers, each after those of the services that it depends on
//! (it may share their network or volumes). Containers start in the same order, once their dependencies are as `depends_on`
//! demands. What is to be done is decided in advance ([`super::plan`]); the work is a graph of tasks ([`super::graph`]).
//!
//! A command that is killed leaves some of it done: whatever exists is complete, because the engine makes it so, and the next
//! command goes on from there.

mod container;
mod one_off;
mod resource;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use container::{copy_in as copy_into, start_container};
pub use one_off::OneOff;

pub use super::build::Options as BuildOptions;
use super::container::{self as service, Usual};
pub use super::graph::WIDTH;
use super::graph::{Task, run};
pub use super::images::{Ensurer, Wishes as ImageWishes};
use super::node::Node;
use super::plan::{self, OfService, Recreate, Step, Wanted};
use super::present::of_project;
use super::project::Project;
use super::report::{Event, Report};
use super::wait::{Limits, Until, interrupted, wait};
use super::{hash, labels};
use crate::base::{Error, Result, ResultExt};
use crate::engine::Engine;
use crate::spec::container::Container;

/// What the user asks.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// Of images.
    pub images: ImageWishes,
    /// The services that are named; all when none.
    pub services: Vec<String>,
    /// Services that the named ones depend on are left alone.
    pub no_deps: bool,
    /// A service that is left alone: the one that `run` makes a container of its own of.
    pub except: Option<String>,
    /// When containers of named services are made anew.
    pub recreate: Recreate,
    /// The same for services that these depend on.
    pub recreate_dependencies: Recreate,
    /// `--scale`.
    pub scale: BTreeMap<String, u32>,
    /// Containers of services that the files do not have go.
    pub remove_orphans: bool,
    /// They are not even told of.
    pub ignore_orphans: bool,
    /// Anonymous volumes are made anew.
    pub renew_volumes: bool,
    /// Seconds until SIGKILL for containers that are replaced.
    pub timeout: Option<i64>,
}

/// The work on a project.
pub struct Up<'a> {
    /// The engine.
    pub engine: &'a Engine,
    /// The project.
    pub project: &'a Project,
    /// What is usual for containers.
    pub usual: &'a Usual,
    /// Told what happens.
    pub report: &'a dyn Report,
    /// What is asked.
    pub wishes: &'a Wishes,
    /// The most tasks at a time.
    pub width: usize,
    /// Nothing is done.
    pub dry_run: bool,
    /// Set when the user interrupts it.
    pub cancelled: &'a AtomicBool,
    /// Called with a service and a container of it that runs now.
    pub started: &'a (dyn Fn(&str, &Made) + Sync),
}

/// A container that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Its id; empty where nothing was done.
    pub id: String,
    /// Its name.
    pub name: String,
    /// It ran before, and goes on.
    pub runs: bool,
}

/// The containers of a service, and the services before it that it depends on, by their index.
#[derive(Debug, Clone, Default)]
pub struct MadeService {
    /// The service.
    pub name: String,
    /// Their indexes.
    pub after: Vec<usize>,
    /// In the order of their numbers.
    pub containers: Vec<Made>,
}

/// What is shared by the tasks of a command.
struct Making<'a> {
    /// What was there before.
    existing: &'a [Container],
    images: &'a BTreeMap<String, String>,
    files: &'a BTreeMap<String, Option<String>>,
    /// What is there by now, by service.
    made: Mutex<BTreeMap<String, Vec<(usize, Made)>>>,
}

impl Up<'_> {
    /// The services that are meant, each after those that it depends on.
    fn services(&self) -> Vec<String> {
        let named = |name: &String| self.wishes.services.is_empty() || self.wishes.services.contains(name);
        let is_meant =
            |name: &String| self.wishes.except.as_ref() != Some(name) && (!self.wishes.no_deps || named(name));
        self.project.ordered_services().into_iter().filter(is_meant).collect()
    }

    fn service(&self, name: &str) -> Result<&Node> {
        self.project.service(name).ok_or_else(|| Error::not_found(format!("no such service: {name}")))
    }

    /// Makes everything that is meant.
    ///
    /// # Errors
    ///
    /// The first thing that could not be made.
    pub fn create(&self) -> Result<Vec<MadeService>> {
        service::refused::check(self.project)?;
        for warning in service::refused::warnings(self.project) {
            self.report.warning(&warning);
        }
        let services = self.services();
        let images = self.images(&services)?;
        let before = self.existing()?;
        let stopped = self.resources(&before)?;
        let existing = if stopped { self.existing()? } else { before };
        self.orphans(&existing)?;
        self.containers(&services, &images, &existing)
    }

    /// The images of services, by service.
    fn images(&self, services: &[String]) -> Result<BTreeMap<String, String>> {
        let Self { engine, project, report, width, dry_run, .. } = *self;
        let ensurer =
            Ensurer { engine, project, report, wishes: &self.wishes.images, driver: self.usual.driver, width, dry_run };
        ensurer.all(services)
    }

    /// The containers of the project.
    fn existing(&self) -> Result<Vec<Container>> {
        of_project(self.engine, &self.project.name)
    }

    fn orphans(&self, existing: &[Container]) -> Result<()> {
        let orphans = plan::orphans(existing, &self.project.known);
        if self.wishes.remove_orphans {
            return orphans.into_iter().try_for_each(|orphan| {
                self.remove(&orphan.config.id.to_string(), orphan.name.as_str(), false).map(drop)
            });
        }
        let services: Vec<&Container> =
            orphans.into_iter().filter(|one| !labels::Known::of(one).is_one_off()).collect();
        if !services.is_empty() && !self.wishes.ignore_orphans {
            let names: Vec<&str> = services.iter().map(|orphan| orphan.name.as_str()).collect();
            self.report.warning(&format!(
                "Found orphan containers ([{}]) for this project. If you removed or renamed this service in your compose file, you can run this command with the --remove-orphans flag to clean it up.",
                names.join(" ")
            ));
        }
        Ok(())
    }

    /// What is wanted of services.
    fn wanted<'b>(
        &'b self,
        services: &'b [String],
        images: &BTreeMap<String, String>,
        files: &BTreeMap<String, Option<String>>,
    ) -> Result<Vec<Wanted<'b>>> {
        let one = |name: &'b String| {
            let service = self.service(name)?;
            let is_named = self.wishes.services.is_empty() || self.wishes.services.contains(name);
            Ok(Wanted {
                name,
                service,
                hash: hash::of_service(service),
                image: images.get(name).cloned().unwrap_or_default(),
                files: files.get(name).cloned().flatten(),
                scale: match self.wishes.scale.get(name) {
                    Some(scale) => *scale,
                    None => service::scale(service)?,
                },
                recreate: if is_named { self.wishes.recreate } else { self.wishes.recreate_dependencies },
            })
        };
        services.iter().map(one).collect()
    }

    fn containers(
        &self,
        services: &[String],
        images: &BTreeMap<String, String>,
        existing: &[Container],
    ) -> Result<Vec<MadeService>> {
        let files = self.digests(services)?;
        let plans = plan::plan(&self.project.name, &self.wanted(services, images, &files)?, existing)?;
        let making = Making { existing, images, files: &files, made: Mutex::default() };
        let mut tasks: Vec<Task<(&OfService, usize, &Step)>> = Vec::new();
        let mut last_of: Vec<Vec<usize>> = Vec::with_capacity(plans.len());
        for plan in &plans {
            let before: Vec<usize> = plan.after.iter().flat_map(|at| last_of[*at].clone()).collect();
            let mut own = Vec::new();
            for (at, step) in plan.steps.iter().enumerate() {
                let mut after = before.clone();
                // What has a name that another one gets goes first, and a container is renamed before it is replaced.
                after.extend(own.last().filter(|_| at > 0 && must_follow(&plan.steps[at - 1])));
                own.push(tasks.len());
                tasks.push(Task { after, what: (plan, at, step) });
            }
            last_of.push(if own.is_empty() { before } else { own });
        }
        run(&tasks, self.width, &|(plan, at, step)| self.carry_out(&making, &plan.name, *at, step))?;
        let mut made = making.made.into_inner().unwrap_or_else(PoisonError::into_inner);
        let of = |plan: &OfService| {
            let mut containers = made.remove(&plan.name).unwrap_or_default();
            containers.sort_by_key(|(at, _)| *at);
            MadeService {
                name: plan.name.clone(),
                after: plan.after.clone(),
                containers: containers.into_iter().map(|(_, made)| made).collect(),
            }
        };
        Ok(plans.iter().map(of).collect())
    }

    /// The digests of what is copied into containers, by service.
    fn digests(&self, services: &[String]) -> Result<BTreeMap<String, Option<String>>> {
        let one = |name: &String| {
            let files = service::injected(self.project, self.service(name)?)?;
            Ok((name.clone(), service::digest(&files, &container::read_file)?))
        };
        services.iter().map(one).collect()
    }

    fn carry_out(&self, making: &Making<'_>, name: &str, at: usize, step: &Step) -> Result<()> {
        let made = match step {
            Step::Keep { id, name: container, runs, restart } => {
                let event = Event::container(self.report, container);
                let runs = match (runs, restart) {
                    (true, true) => {
                        self.stop(id, container)?;
                        false
                    }
                    (true, false) => {
                        event.done("Running");
                        true
                    }
                    (false, _) => {
                        event.done("Created");
                        false
                    }
                };
                Made { id: id.clone(), name: container.clone(), runs }
            }
            Step::Create { number, name: container } => self.make(making, name, *number, container)?,
            Step::Replace { id, old, number, name: new } => self.replace(making, name, (id, old), (*number, new))?,
            Step::Adopt { id, name: container, .. } => {
                if !self.dry_run {
                    crate::engine::settings::rename(self.engine, id, container)?;
                }
                return Ok(());
            }
            Step::Remove { id, name: container } => return self.remove(id, container, false).map(drop),
        };
        let mut all = making.made.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(name.to_owned()).or_default().push((at, made));
        Ok(())
    }

    /// Starts everything that was made, each service once those that it depends on are as it demands.
    ///
    /// # Errors
    ///
    /// The first failure.
    pub fn start(&self, services: &[MadeService]) -> Result<()> {
        enum What<'a> {
            Gate(&'a MadeService),
            Start(&'a MadeService, &'a Made),
        }
        let mut tasks: Vec<Task<What<'_>>> = Vec::new();
        let mut last_of: Vec<Vec<usize>> = Vec::with_capacity(services.len());
        for service in services {
            let before: Vec<usize> = service.after.iter().flat_map(|at| last_of[*at].clone()).collect();
            let gate = tasks.len();
            tasks.push(Task { after: before, what: What::Gate(service) });
            let starts = service.containers.iter().filter(|made| !made.runs);
            let mut own = vec![gate];
            for made in starts {
                own.push(tasks.len());
                tasks.push(Task { after: vec![gate], what: What::Start(service, made) });
            }
            last_of.push(own);
        }
        for service in services {
            service.containers.iter().filter(|made| made.runs).for_each(|made| (self.started)(&service.name, made));
        }
        run(&tasks, self.width, &|what| match what {
            _ if self.cancelled.load(Ordering::Relaxed) => Err(interrupted()),
            What::Gate(_) if self.dry_run => Ok(()),
            What::Gate(service) => self.gate(services, service),
            What::Start(service, made) => self.start_one(&service.name, made),
        })
    }

    /// Waits until the services that a service depends on are as it demands.
    fn gate(&self, services: &[MadeService], service: &MadeService) -> Result<()> {
        match service.containers.iter().all(|made| made.runs) {
            true => Ok(()),
            false => self.await_all(services, service),
        }
    }

    fn await_all(&self, services: &[MadeService], service: &MadeService) -> Result<()> {
        let node = self.service(&service.name)?;
        for (name, dependency) in node.entries("depends_on") {
            let Some(until) = dependency.text_of("condition").and_then(Until::of) else { continue };
            let Some(other) = services.iter().find(|other| other.name == *name) else { continue };
            let is_required = dependency.get("required").is_none() || dependency.is_true("required");
            for made in &other.containers {
                match self.await_one(name, made, until, None) {
                    Err(error) if !is_required => {
                        self.report.warning(&format!("optional dependency {name:?} failed to start: {}", error.chain()))
                    }
                    waited => waited.context(|| "dependency failed to start")?,
                }
            }
        }
        Ok(())
    }

    fn await_one(&self, service: &str, made: &Made, until: Until, limit: Option<Instant>) -> Result<()> {
        let limits = Limits { cancelled: self.cancelled, until: limit };
        Event::container(self.report, &made.name)
            .around("Waiting", until.word(), || wait(self.engine, &made.id, service, until, limits))
    }

    /// Waits until the services that a service depends on are as it demands, for a container that is none of `services`.
    ///
    /// # Errors
    ///
    /// When one of them cannot be any more.
    pub fn await_dependencies(&self, service: &str, services: &[MadeService]) -> Result<()> {
        let alone = MadeService { name: service.to_owned(), ..MadeService::default() };
        match self.dry_run {
            true => Ok(()),
            false => self.await_all(services, &alone),
        }
    }

    /// Waits until all run, and are healthy if they have a health check.
    ///
    /// # Errors
    ///
    /// When one of them does not, or the time is over.
    pub fn wait(&self, services: &[MadeService], timeout: Option<Duration>) -> Result<()> {
        let limit = timeout.map(|timeout| Instant::now() + timeout);
        let all = services.iter().flat_map(|service| service.containers.iter().map(move |made| (service, made)));
        let tasks: Vec<Task<(&MadeService, &Made)>> = all.map(|what| Task { after: Vec::new(), what }).collect();
        if self.dry_run {
            return Ok(());
        }
        run(&tasks, tasks.len(), &|(service, made)| self.await_one(&service.name, made, Until::RunningOrHealthy, limit))
    }
}

/// Whether the step after this one of the same service waits for it.
fn must_follow(step: &Step) -> bool {
    matches!(step, Step::Adopt { .. } | Step::Remove { .. })
}
