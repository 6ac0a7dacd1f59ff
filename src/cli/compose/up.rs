//! `compose up` and `compose create`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::Args;

use super::attached::{self, Attached, Ends};
use super::lines::Style;
use super::work::Work;
use crate::base::{Error, Result, text};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};
use crate::compose::container::attaches;
use crate::compose::plan::Recreate;
use crate::compose::project::Project;
use crate::compose::up::{ImageWishes, Wishes};

/// The command.
pub const VERB: Verb = Verb {
    name: "up",
    about: "Create and start the containers of a project",
    usage: "[SERVICE...]",
    arity: (0, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: UpArguments::augment_args,
    run: |context, matches| up(context, &typed(matches)?),
};

/// `compose create`.
pub const CREATE: Verb = Verb {
    name: "create",
    about: "Create the containers of a project without starting them",
    usage: "[SERVICE...]",
    arity: (0, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: Making::augment_args,
    run: |context, matches| create(context, &typed(matches)?),
};

/// Options of both commands.
#[derive(Debug, Clone, Default, Args)]
struct Making {
    /// Build images before containers are created
    #[arg(long)]
    build: bool,
    /// Recreate containers even if they are as the files say
    #[arg(long)]
    force_recreate: bool,
    /// Do not build an image, even if it is missing
    #[arg(long)]
    no_build: bool,
    /// Keep containers that exist, even if they are not as the files say
    #[arg(long)]
    no_recreate: bool,
    /// Pull images before containers are created: always, missing, never or build
    #[arg(long, value_name = "POLICY")]
    pull: Option<String>,
    /// Show no progress of pulls
    #[arg(long)]
    quiet_pull: bool,
    /// Remove containers of services that the files do not have
    #[arg(long)]
    remove_orphans: bool,
    /// The number of containers of a service: SERVICE=NUMBER
    #[arg(long, value_name = "SERVICE=NUMBER")]
    scale: Vec<String>,
    /// Do what a question would ask: nothing is asked
    #[arg(short = 'y', long, hide = true)]
    yes: bool,
    /// Services, with what they depend on; all when none are named
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
}

impl Making {
    fn wishes(&self, context: &Context) -> Result<Wishes> {
        let recreate = match (self.force_recreate, self.no_recreate) {
            (true, true) => {
                return Err(Error::usage("--force-recreate and --no-recreate are incompatible"));
            }
            (true, false) => Recreate::Force,
            (false, true) => Recreate::Never,
            (false, false) => Recreate::Diverged,
        };
        if self.build && self.no_build {
            return Err(Error::usage("--build and --no-build are incompatible"));
        }
        let is_set = |name: &str| context.environment.get(name).is_some_and(|value| matches!(value, "1" | "true"));
        Ok(Wishes {
            images: ImageWishes {
                build: self.build,
                no_build: self.no_build,
                pull: self.pull.clone(),
                ..ImageWishes::default()
            },
            services: self.services.clone(),
            recreate,
            recreate_dependencies: if self.no_recreate { Recreate::Never } else { Recreate::Diverged },
            scale: scales(&self.scale)?,
            remove_orphans: self.remove_orphans || is_set("COMPOSE_REMOVE_ORPHANS"),
            ignore_orphans: is_set("COMPOSE_IGNORE_ORPHANS"),
            ..Wishes::default()
        })
    }
}

/// `SERVICE=NUMBER`, several times.
pub fn scales(given: &[String]) -> Result<BTreeMap<String, u32>> {
    let one = |given: &String| {
        let wrong = || Error::usage(format!("invalid --scale option {:?}: should be SERVICE=NUM", text::clean(given)));
        let (name, number) = given.split_once('=').ok_or_else(wrong)?;
        Ok((name.to_owned(), number.parse().ok().filter(|number| *number <= 1000).ok_or_else(wrong)?))
    };
    given.iter().map(one).collect()
}

/// Refuses numbers of containers of services that there are not.
pub fn check_scales(project: &Project, scale: &BTreeMap<String, u32>) -> Result<()> {
    match scale.keys().find(|name| project.service(name).is_none()) {
        Some(name) => Err(Error::not_found(format!("no such service: {}", text::clean(name)))),
        None => Ok(()),
    }
}

/// Arguments of `compose up`.
#[derive(Debug, Clone, Default, Args)]
struct UpArguments {
    #[command(flatten)]
    making: Making,
    /// Stop all containers when one has ended
    #[arg(long)]
    abort_on_container_exit: bool,
    /// Stop all containers when one has failed
    #[arg(long)]
    abort_on_container_failure: bool,
    /// Recreate services that the named ones depend on, too
    #[arg(long)]
    always_recreate_deps: bool,
    /// Show the output of this service only
    #[arg(long, value_name = "SERVICE")]
    attach: Vec<String>,
    /// Show the output of services that the named ones depend on, too
    #[arg(long)]
    attach_dependencies: bool,
    /// Run containers in the background
    #[arg(short, long)]
    detach: bool,
    /// Exit as the container of this service does, and stop all others then
    #[arg(long, value_name = "SERVICE")]
    exit_code_from: Option<String>,
    /// Accepted: there is no menu
    #[arg(long, hide = true, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    menu: Option<bool>,
    /// Do not show the output of this service
    #[arg(long, value_name = "SERVICE")]
    no_attach: Vec<String>,
    /// Show output without colors
    #[arg(long)]
    no_color: bool,
    /// Leave services alone that the named ones depend on
    #[arg(long)]
    no_deps: bool,
    /// Do not show which container output is from
    #[arg(long)]
    no_log_prefix: bool,
    /// Create containers and do not start them
    #[arg(long)]
    no_start: bool,
    /// Make anonymous volumes anew instead of keeping those of former containers
    #[arg(short = 'V', long)]
    renew_anon_volumes: bool,
    /// Seconds until SIGKILL when containers are stopped
    #[arg(short, long, value_name = "SECONDS", allow_negative_numbers = true)]
    timeout: Option<i64>,
    /// Show the time of each line
    #[arg(long)]
    timestamps: bool,
    /// Wait until all containers run, and are healthy; in the background
    #[arg(long)]
    wait: bool,
    /// Seconds for that
    #[arg(long, value_name = "SECONDS")]
    wait_timeout: Option<u64>,
}

impl UpArguments {
    fn wishes(&self, context: &Context) -> Result<Wishes> {
        let usual = self.making.wishes(context)?;
        if self.detach && (self.abort_on_container_exit || self.abort_on_container_failure) {
            return Err(Error::usage(
                "--abort-on-container-exit and --abort-on-container-failure cannot be used with --detach",
            ));
        }
        if (self.detach || self.wait) && (!self.attach.is_empty() || self.attach_dependencies) {
            return Err(Error::usage("--attach and --attach-dependencies cannot be used with --detach or --wait"));
        }
        if self.no_start && (self.wait || self.exit_code_from.is_some()) {
            return Err(Error::usage("--no-start cannot be used with --wait or --exit-code-from"));
        }
        let recreate_dependencies = match (self.always_recreate_deps, self.making.no_recreate) {
            (true, true) => return Err(Error::usage("--always-recreate-deps and --no-recreate are incompatible")),
            (true, false) => Recreate::Force,
            // With no service named, all are.
            (false, _) if self.making.services.is_empty() => usual.recreate,
            (false, _) => usual.recreate_dependencies,
        };
        Ok(Wishes {
            recreate_dependencies,
            renew_volumes: self.renew_anon_volumes,
            no_deps: self.no_deps && !self.making.services.is_empty(),
            timeout: self.timeout,
            ..usual
        })
    }

    /// The services whose output is shown.
    fn shown(&self, project: &Project) -> Result<BTreeSet<String>> {
        let names = || project.services().map(|(name, _)| name.clone());
        for name in self.attach.iter().chain(&self.no_attach).chain(&self.exit_code_from) {
            if project.service(name).is_none() {
                return Err(Error::not_found(format!("no such service: {}", text::clean(name))));
            }
        }
        let named = &self.making.services;
        let mut shown: BTreeSet<String> = match (self.attach.is_empty(), named.is_empty() || self.attach_dependencies) {
            (false, _) => self.attach.iter().cloned().collect(),
            (true, true) => names().collect(),
            (true, false) => named.iter().cloned().collect(),
        };
        if self.attach.is_empty() {
            shown.retain(|name| project.service(name).is_some_and(attaches));
        }
        shown.retain(|name| !self.no_attach.contains(name));
        Ok(shown)
    }
}

fn up(context: &Context, arguments: &UpArguments) -> Result<u8> {
    let wishes = arguments.wishes(context)?;
    let work = Work::new(context)?;
    let project = work.project(&arguments.making.services)?;
    let shown = arguments.shown(&project)?;
    check_scales(&project, &wishes.scale)?;
    let usual = work.usual()?;
    let (cancelled, is_dry) = (AtomicBool::new(false), work.options.dry_run);
    if arguments.no_start {
        return work.up(&project, &usual, &wishes, &cancelled).create().map(|_| 0);
    }
    if arguments.detach || arguments.wait || is_dry {
        let up = work.up(&project, &usual, &wishes, &cancelled);
        let made = up.create()?;
        up.start(&made)?;
        if arguments.wait {
            up.wait(&made, arguments.wait_timeout.map(Duration::from_secs))?;
        }
        return Ok(0);
    }
    let colors = !arguments.no_color && work.options.has_colors(context, context.ui.out_is_terminal())?;
    let style = Style { colors, prefix: !arguments.no_log_prefix, timestamps: arguments.timestamps };
    let ends =
        match (&arguments.exit_code_from, arguments.abort_on_container_exit, arguments.abort_on_container_failure) {
            (Some(service), ..) => Ends::From(service.clone()),
            (None, true, _) => Ends::WithFirst,
            (None, false, true) => Ends::WithFailure,
            (None, false, false) => Ends::WithLast,
        };
    let attached = Attached { work: &work, project: &project, usual: &usual, wishes: &wishes, shown, style, ends };
    attached::run(&attached)
}

fn create(context: &Context, arguments: &Making) -> Result<u8> {
    let wishes = arguments.wishes(context)?;
    let work = Work::new(context)?;
    let project = work.project(&arguments.services)?;
    check_scales(&project, &wishes.scale)?;
    let usual = work.usual()?;
    let cancelled = AtomicBool::new(false);
    work.up(&project, &usual, &wishes, &cancelled).create().map(|_| 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_containers() {
        let scale = |given: &[&str]| scales(&given.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>());
        assert_eq!(
            scale(&["web=2", "db=0"]).unwrap().into_iter().collect::<Vec<_>>(),
            [("db".into(), 0), ("web".into(), 2)]
        );
        for wrong in ["web", "web=", "web=x", "web=-1", "web=1000000"] {
            assert!(scale(&[wrong]).is_err(), "{wrong}");
        }
    }
}
