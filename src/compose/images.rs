//! The images of a project: which of them are pulled, which are built, and the ids that containers are made of.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::build::{self, Options};
use super::graph::{Task, run};
use super::node::Node;
use super::project::Project;
use super::read::text;
use super::report::{Event, Report};
use crate::base::{Error, Kind, Result, text as clean, time};
use crate::engine::Engine;
use crate::engine::build::{BuildError, build as engine_build};
use crate::engine::create::image as engine_image;
use crate::engine::images::ImageRecord;
use crate::spec::image::{ImageRequest, PullPolicy};
use crate::spec::storage::StorageDriver;
use crate::spec::times;

/// What the user asks of images.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// `--build`: images that can be built are built.
    pub build: bool,
    /// `--no-build`.
    pub no_build: bool,
    /// `--pull`: in place of the services' own policies.
    pub pull: Option<String>,
    /// Of all builds.
    pub options: Options,
}

/// Where an image comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// From a registry, when this policy says so.
    Pull(PullPolicy),
    /// From a registry if it was made longer ago than this number of seconds.
    Older(i64),
    /// It is built if there is none.
    BuildMissing,
    /// It is built.
    Build,
}

/// Decides where the image of a service comes from.
///
/// # Errors
///
/// When a policy is none.
pub fn source(service: &Node, wishes: &Wishes) -> Result<Source> {
    let can_build = service.get("build").is_some() && !wishes.no_build;
    if can_build && wishes.build {
        return Ok(Source::Build);
    }
    let own = text(service, "pull_policy");
    let policy = wishes.pull.as_deref().filter(|policy| !policy.is_empty()).or(own.as_deref());
    let wrong = |policy: &str| Error::usage(format!("invalid pull policy `{}`", clean::clean(policy)));
    Ok(match policy {
        None | Some("missing" | "if_not_present" | "policy") if can_build => Source::BuildMissing,
        None | Some("missing" | "if_not_present" | "policy") => Source::Pull(PullPolicy::Missing),
        Some("always") => Source::Pull(PullPolicy::Always),
        Some("never") if can_build && own.as_deref() != Some("never") => Source::BuildMissing,
        Some("never") => Source::Pull(PullPolicy::Never),
        Some("build") if can_build => Source::Build,
        Some("build") => return Err(wrong("build").hint("the service has no `build`")),
        Some("daily") => Source::Older(24 * 3600),
        Some("weekly") => Source::Older(7 * 24 * 3600),
        Some(policy) => match policy.strip_prefix("every_").and_then(period) {
            Some(seconds) => Source::Older(seconds),
            None => return Err(wrong(policy)),
        },
    })
}

/// `1w2d12h` in seconds.
fn period(given: &str) -> Option<i64> {
    let mut rest = given;
    let mut seconds = 0i64;
    for (unit, length) in [('w', 7 * 24 * 3600), ('d', 24 * 3600)] {
        if let Some((number, after)) = rest.split_once(unit) {
            seconds = seconds.checked_add(number.parse::<i64>().ok()?.checked_mul(length)?)?;
            rest = after;
        }
    }
    match rest {
        "" => Some(seconds),
        rest => seconds.checked_add(i64::try_from(times::duration(rest)?.0.as_secs()).ok()?),
    }
}

/// Makes images be there, and returns their ids by service.
pub struct Ensurer<'a> {
    /// The engine.
    pub engine: &'a Engine,
    /// The project.
    pub project: &'a Project,
    /// Told what happens.
    pub report: &'a dyn Report,
    /// What the user asks.
    pub wishes: &'a Wishes,
    /// The storage driver of builds.
    pub driver: StorageDriver,
    /// The most tasks at a time.
    pub width: usize,
    /// Nothing is done.
    pub dry_run: bool,
}

impl Ensurer<'_> {
    /// The images of these services.
    ///
    /// # Errors
    ///
    /// When one cannot be pulled or built.
    pub fn all(&self, services: &[String]) -> Result<BTreeMap<String, String>> {
        let ids = Mutex::new(BTreeMap::new());
        let tasks: Vec<Task<&String>> = services
            .iter()
            .enumerate()
            .map(|(at, name)| {
                let needed = self.project.service(name).map(build::needs).unwrap_or_default();
                let after = services[..at].iter().enumerate().filter(|(_, other)| needed.contains(other));
                Task { after: after.map(|(at, _)| at).collect(), what: name }
            })
            .collect();
        run(&tasks, self.width, &|name| {
            let Some(service) = self.project.service(name) else { return Ok(()) };
            let id = self.one(name, service)?;
            ids.lock().unwrap_or_else(PoisonError::into_inner).insert((*name).clone(), id);
            Ok(())
        })?;
        Ok(ids.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Pulls the images of services, all at once. What could not be pulled is told for each.
    pub fn pull_all(&self, services: &[String], policy: PullPolicy) -> Vec<(String, Error)> {
        let failures = Mutex::new(Vec::new());
        let tasks: Vec<Task<&String>> = services.iter().map(|what| Task { after: Vec::new(), what }).collect();
        let _ = run(&tasks, self.width, &|name| {
            let Some(service) = self.project.service(name) else { return Ok(()) };
            let image = self.project.image(name, service);
            if let Err(error) = self.pull(name, service, &image, policy) {
                failures.lock().unwrap_or_else(PoisonError::into_inner).push(((*name).clone(), error));
            }
            Ok(())
        });
        failures.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn one(&self, name: &str, service: &Node) -> Result<String> {
        let image = self.project.image(name, service);
        match source(service, self.wishes)? {
            Source::Build => self.build(name, service),
            Source::BuildMissing => match self.present(service, &image)? {
                Some(record) => Ok(record.id.to_string()),
                None => self.build(name, service),
            },
            Source::Pull(policy) => self.pull(name, service, &image, policy),
            Source::Older(seconds) => {
                let made = self.present(service, &image)?.and_then(|record| record.created);
                let is_old = made.is_none_or(|made| time::now().duration_since(made).as_secs() > seconds);
                self.pull(name, service, &image, if is_old { PullPolicy::Always } else { PullPolicy::Missing })
            }
        }
    }

    fn present(&self, service: &Node, image: &str) -> Result<Option<ImageRecord>> {
        match self.fetch(service, image, PullPolicy::Never) {
            Ok(record) => Ok(Some(record)),
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn fetch(&self, service: &Node, image: &str, pull: PullPolicy) -> Result<ImageRecord> {
        let platform = text(service, "platform").map(|platform| platform.parse()).transpose()?;
        let request = ImageRequest { name: image.to_owned(), pull, platform };
        engine_image(self.engine, &request, self.report.pull().as_ref())
    }

    /// Pulls the image of a service, as the policy says.
    pub fn pull(&self, name: &str, service: &Node, image: &str, policy: PullPolicy) -> Result<String> {
        if !matches!(policy, PullPolicy::Always | PullPolicy::Newer)
            && let Some(record) = self.present(service, image)?
        {
            return Ok(record.id.to_string());
        }
        if policy == PullPolicy::Never {
            return self.fetch(service, image, policy).map(|record| record.id.to_string());
        }
        let event = Event::of(self.report, name);
        if self.dry_run {
            event.working("Pulling");
            event.done("Pulled");
            return Ok(String::new());
        }
        event.around("Pulling", "Pulled", || self.fetch(service, image, policy)).map(|record| record.id.to_string())
    }

    /// Builds the image of a service.
    pub fn build(&self, name: &str, service: &Node) -> Result<String> {
        let event = Event::of(self.report, name);
        let (request, files) = build::request(self.project, name, service, &self.wishes.options, self.driver)?;
        if self.dry_run {
            event.working("Building");
            event.done("Built");
            return Ok(String::new());
        }
        event.around("Building", "Built", || {
            let watcher = self.report.build();
            let built = engine_build(self.engine, &request, files, watcher.as_ref());
            let report = built.map_err(|failed| self.explained(failed))?;
            report.warnings.iter().for_each(|warning| self.report.warning(warning));
            Ok(report.image.id.to_string())
        })
    }

    fn explained(&self, failed: BuildError) -> Error {
        match failed.excerpt.map(|excerpt| *excerpt) {
            Some((place, lines)) => failed.error.hint(format!("{place}:\n{}", lines.trim_end())),
            None => failed.error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::fixtures::project;

    #[test]
    fn policies_decide() {
        let decided = |keys: &str, wishes: &Wishes| {
            let project = project(&format!("services: {{web: {{{keys}}}}}\n"));
            source(project.service("web").unwrap(), wishes)
        };
        let none = Wishes::default();
        for (keys, expected) in [
            ("image: i", Source::Pull(PullPolicy::Missing)),
            ("image: i, pull_policy: always", Source::Pull(PullPolicy::Always)),
            ("image: i, pull_policy: never", Source::Pull(PullPolicy::Never)),
            ("image: i, pull_policy: daily", Source::Older(86400)),
            ("image: i, pull_policy: every_1d12h", Source::Older(129_600)),
            ("image: i, build: .", Source::BuildMissing),
            ("build: .", Source::BuildMissing),
            ("build: ., pull_policy: build", Source::Build),
        ] {
            assert_eq!(decided(keys, &none).unwrap(), expected, "{keys}");
        }
        let build = Wishes { build: true, ..Wishes::default() };
        assert_eq!(decided("build: .", &build).unwrap(), Source::Build);
        assert_eq!(decided("image: i", &build).unwrap(), Source::Pull(PullPolicy::Missing));
        let no_build = Wishes { build: true, no_build: true, ..Wishes::default() };
        assert_eq!(decided("build: .", &no_build).unwrap(), Source::Pull(PullPolicy::Missing));
        let always = Wishes { pull: Some("always".into()), ..Wishes::default() };
        assert_eq!(decided("image: i, pull_policy: never", &always).unwrap(), Source::Pull(PullPolicy::Always));
        let wrong = Wishes { pull: Some("sometimes".into()), ..Wishes::default() };
        assert!(decided("image: i", &wrong).is_err());
    }
}
