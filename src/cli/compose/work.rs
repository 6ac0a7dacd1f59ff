//! What the commands of `compose` have in common: the engine, the project, and how progress is shown.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::project::ProjectOptions;
use super::shown::Shown;
use crate::base::{Error, Result, text};
use crate::cli::config::{Config, LowPorts};
use crate::cli::container::proxies;
use crate::cli::context::{Context, Persona};
use crate::compose::container::Usual;
use crate::compose::labels::Known;
use crate::compose::project::{Project, Skip};
use crate::compose::stop::{Existing, Stopping};
use crate::compose::up::{Up, Wishes};
use crate::engine::Engine;
use crate::spec::cgroups::Manager;
use crate::spec::container::Container;
use crate::spec::variables;

/// One command.
pub struct Work<'a> {
    /// What every command gets.
    pub context: &'a Context,
    /// The options before the command.
    pub options: ProjectOptions,
    /// The engine.
    pub engine: Engine,
    /// Shows what happens.
    pub shown: Shown,
    /// The most things to do at a time.
    pub width: usize,
}

impl<'a> Work<'a> {
    /// For a command.
    pub fn new(context: &'a Context) -> Result<Self> {
        Self::with(context, false)
    }

    /// For a command that may be told to show no progress.
    pub fn with(context: &'a Context, quiet: bool) -> Result<Self> {
        let options = ProjectOptions::given(context)?;
        let way = if quiet { super::project::Way::Quiet } else { options.way(context)? };
        let shown = Shown::new(way, options.dry_run, context.ui.shows_warnings());
        let width = options.width(context)?;
        Ok(Self { context, engine: context.engine()?, options, shown, width })
    }

    /// The project, with these services and what they depend on.
    pub fn project(&self, services: &[String]) -> Result<Project> {
        self.options.load(self.context, services, Skip::default())
    }

    /// What is there of a project.
    pub fn existing<'b>(&'b self, name: &'b str, project: Option<&'b Project>, timeout: Option<i64>) -> Existing<'b> {
        Existing {
            stopping: Stopping { engine: &self.engine, project, timeout },
            name,
            report: &self.shown,
            width: self.width,
            dry_run: self.options.dry_run,
        }
    }

    /// The work that makes a project.
    pub fn up<'b>(
        &'b self,
        project: &'b Project,
        usual: &'b Usual,
        wishes: &'b Wishes,
        cancelled: &'b AtomicBool,
    ) -> Up<'b> {
        Up {
            engine: &self.engine,
            project,
            usual,
            report: &self.shown,
            wishes,
            width: self.width,
            dry_run: self.options.dry_run,
            cancelled,
            started: &|_, _| {},
        }
    }

    /// What is usual for containers of this user.
    pub fn usual(&self) -> Result<Usual> {
        let context = self.context;
        self.context.tell_of_single_id(&self.engine)?;
        let config = Config::read(&context.environment.configuration()?)?;
        let around = context.around();
        let mut own = proxies::variables(context.persona, &context.environment, &around.docker);
        if context.persona == Persona::Podman {
            own = variables::merged(["container=podman".to_owned()], &own);
        }
        Ok(Usual {
            driver: around.driver,
            manager: around.cgroup_manager.map_or(Ok(config.cgroups.manager), |word| Manager::parse(word).map(Some))?,
            enforcement: config.cgroups.limits,
            usual_pids: context.persona != Persona::Docker,
            remap_low_ports: config.network.low_ports == LowPorts::Remap,
            host_loopback: config.network.host_loopback,
            variables: own,
            has_selinux: Path::new("/sys/fs/selinux/enforce").exists(),
            has_apparmor: Path::new("/sys/kernel/security/apparmor/profiles").exists(),
        })
    }

    /// The container of a service with this number, or its first.
    pub fn container(&self, service: &str, index: Option<u32>) -> Result<Container> {
        let (name, project) = self.options.load_or_name(self.context)?;
        let existing = self.existing(&name, project.as_ref(), None);
        let containers = existing.containers(&[service.to_owned()], false)?;
        let shown = text::clean(service);
        let found = match index {
            Some(number) => containers.into_iter().find(|container| Known::of(container).number() == Some(number)),
            None => containers.into_iter().find(|container| container.status.is_running()),
        };
        found.ok_or_else(|| match index {
            Some(number) => Error::not_found(format!("service {service:?} has no container with the number {number}")),
            None => Error::conflict(format!("service {service:?} is not running"))
                .hint(format!("start it: `coracle compose up -d {shown}`")),
        })
    }
}

/// `web-1` for the container `project-web-1`.
pub fn short_name<'a>(project: &str, container: &'a Container) -> &'a str {
    let name = container.name.as_str();
    name.strip_prefix(project).and_then(|rest| rest.strip_prefix('-')).unwrap_or(name)
}
