//! `compose down`, `start`, `stop`, `restart`, `kill`, `rm`, `pause`, `unpause` and `wait`: what is done with containers that are there.

use std::sync::atomic::AtomicBool;

use clap::Args;

use super::work::Work;
use crate::base::{Error, Kind, Result, text};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};
use crate::compose::labels::Known;
use crate::compose::plan::stop_order;
use crate::compose::project::Project;
use crate::compose::stop::{Down, Existing, Images};
use crate::compose::up::{Made, MadeService, Wishes};
use crate::engine::settings::set_paused;
use crate::engine::stop::{How, restart as engine_restart};
use crate::engine::wait::{Condition, wait as engine_wait};
use crate::spec::container::{Container, Phase};
use crate::spec::signal;

macro_rules! verb {
    ($constant:ident, $name:literal, $about:literal, $least:literal, $arguments:ty, $run:path) => {
        #[doc = concat!("`compose ", $name, "`.")]
        pub const $constant: Verb = Verb {
            name: $name,
            about: $about,
            usage: "[SERVICE...]",
            arity: ($least, None),
            greedy: false,
            codes: Codes::Plain,
            arguments: <$arguments>::augment_args,
            run: |context, matches| $run(context, &typed(matches)?),
        };
    };
}

verb!(DOWN, "down", "Stop and remove the containers and networks of a project", 0, DownArguments, down);
verb!(START, "start", "Start the containers of services", 0, StartArguments, start);
verb!(STOP, "stop", "Stop the containers of services", 0, StopArguments, stop);
verb!(RESTART, "restart", "Restart the containers of services", 0, RestartArguments, restart);
verb!(KILL, "kill", "Send a signal to the containers of services", 0, KillArguments, kill);
verb!(REMOVE, "rm", "Remove the stopped containers of services", 0, RemoveArguments, remove);
verb!(PAUSE, "pause", "Freeze the containers of services", 0, Services, pause);
verb!(UNPAUSE, "unpause", "Let frozen containers of services go on", 0, Services, unpause);
verb!(WAIT, "wait", "Wait until the containers of services have ended", 1, WaitArguments, wait);

/// Services alone.
#[derive(Debug, Clone, Default, Args)]
struct Services {
    /// Services; all when none are named
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
}

/// Arguments of `compose down`.
#[derive(Debug, Clone, Default, Args)]
struct DownArguments {
    /// Remove containers of services that the files do not have
    #[arg(long)]
    remove_orphans: bool,
    /// Remove images: local (those without a name of their own) or all
    #[arg(long, value_name = "WHICH")]
    rmi: Option<String>,
    /// Seconds until SIGKILL
    #[arg(short, long, value_name = "SECONDS", allow_negative_numbers = true)]
    timeout: Option<i64>,
    /// Remove the named volumes of the project, and the anonymous ones of its containers
    #[arg(short, long)]
    volumes: bool,
    #[command(flatten)]
    services: Services,
}

fn down(context: &Context, arguments: &DownArguments) -> Result<u8> {
    let images = match arguments.rmi.as_deref() {
        None | Some("") => None,
        Some("local") => Some(Images::Local),
        Some("all") => Some(Images::All),
        Some(other) => return Err(Error::usage(format!("invalid value for --rmi: {:?}", text::clean(other)))),
    };
    let work = Work::new(context)?;
    let (name, project) = work.options.load_or_name(context)?;
    let orphans = context.environment.get("COMPOSE_REMOVE_ORPHANS").is_some_and(|value| matches!(value, "1" | "true"));
    let down = Down {
        services: arguments.services.services.clone(),
        remove_orphans: arguments.remove_orphans || orphans,
        volumes: arguments.volumes,
        images,
    };
    work.existing(&name, project.as_ref(), arguments.timeout).down(&down).map(|()| 0)
}

/// The command with the containers that are meant.
fn on(
    context: &Context,
    services: &[String],
    timeout: Option<i64>,
    act: impl FnOnce(&Work<'_>, &Existing<'_>, Option<&Project>, Vec<Container>) -> Result<u8>,
) -> Result<u8> {
    let work = Work::new(context)?;
    let (name, project) = work.options.load_or_name(context)?;
    let existing = work.existing(&name, project.as_ref(), timeout);
    let containers = existing.containers(services, false)?;
    act(&work, &existing, project.as_ref(), containers)
}

/// Arguments of `compose start`.
#[derive(Debug, Clone, Default, Args)]
struct StartArguments {
    /// Wait until all containers run, and are healthy
    #[arg(long)]
    wait: bool,
    /// Seconds for that
    #[arg(long, value_name = "SECONDS")]
    wait_timeout: Option<u64>,
    #[command(flatten)]
    services: Services,
}

fn start(context: &Context, arguments: &StartArguments) -> Result<u8> {
    on(context, &arguments.services.services, None, |work, existing, project, containers| {
        let engine = &work.engine;
        let Some(project) = project else {
            for level in stop_order(&containers).into_iter().rev() {
                existing.each(&level, ("Starting", "Started"), &|container| {
                    crate::compose::up::start_container(engine, container.config.id.as_str(), &[], &|_| {})
                })?;
            }
            return Ok(0);
        };
        let made = made(project, &containers);
        let named = &arguments.services.services;
        let is_needed = |name: &String| named.is_empty() || named.contains(name);
        let empty = project.services().map(|(name, _)| name).find(|name| {
            is_needed(name) && !made.iter().any(|service| service.name == **name && !service.containers.is_empty())
        });
        if let Some(name) = empty {
            return Err(Error::not_found(format!("service {name:?} has no container to start"))
                .hint(format!("`coracle compose up -d {name}` makes one")));
        }
        let (usual, wishes, cancelled) = (work.usual()?, Wishes::default(), AtomicBool::new(false));
        let up = work.up(project, &usual, &wishes, &cancelled);
        up.start(&made)?;
        if arguments.wait {
            up.wait(&made, arguments.wait_timeout.map(std::time::Duration::from_secs))?;
        }
        Ok(0)
    })
}

/// Containers that are there as what is to be started, in the order of their services.
fn made(project: &Project, containers: &[Container]) -> Vec<MadeService> {
    let mut services: Vec<MadeService> = Vec::new();
    for name in project.ordered_services() {
        let needs = |other: &String| {
            project
                .service(&name)
                .is_some_and(|service| service.entries("depends_on").any(|(needed, _)| needed == other))
        };
        let after = services.iter().enumerate().filter(|(_, other)| needs(&other.name)).map(|(at, _)| at).collect();
        let own = containers.iter().filter(|container| Known::of(container).service() == name);
        let one = |container: &Container| Made {
            id: container.config.id.to_string(),
            name: container.name.to_string(),
            runs: container.status.is_running(),
        };
        services.push(MadeService { containers: own.map(one).collect(), name, after });
    }
    services
}

/// Arguments of `compose stop`.
#[derive(Debug, Clone, Default, Args)]
struct StopArguments {
    /// Seconds until SIGKILL
    #[arg(short, long, value_name = "SECONDS", allow_negative_numbers = true)]
    timeout: Option<i64>,
    #[command(flatten)]
    services: Services,
}

fn stop(context: &Context, arguments: &StopArguments) -> Result<u8> {
    on(context, &arguments.services.services, arguments.timeout, |_, existing, _, mut containers| {
        containers.retain(|container| container.status.is_running());
        existing.stop(&containers).map(|()| 0)
    })
}

/// Arguments of `compose restart`.
#[derive(Debug, Clone, Default, Args)]
struct RestartArguments {
    /// Do not restart services that depend on the named ones
    #[arg(long)]
    no_deps: bool,
    /// Seconds until SIGKILL
    #[arg(short, long, value_name = "SECONDS", allow_negative_numbers = true)]
    timeout: Option<i64>,
    #[command(flatten)]
    services: Services,
}

fn restart(context: &Context, arguments: &RestartArguments) -> Result<u8> {
    let mut services = arguments.services.services.clone();
    let work = Work::new(context)?;
    let (name, project) = work.options.load_or_name(context)?;
    if let (Some(project), false) = (&project, arguments.no_deps || services.is_empty()) {
        // Those that ask to be restarted with what they depend on.
        let dependents = project.services().filter(|(_, service)| {
            service.entries("depends_on").any(|(needed, how)| how.is_true("restart") && services.contains(needed))
        });
        let dependents: Vec<String> = dependents.map(|(name, _)| name.clone()).collect();
        services.extend(dependents);
    }
    let existing = work.existing(&name, project.as_ref(), arguments.timeout);
    let containers = existing.containers(&services, false)?;
    let (how, engine) = (How { signal: None, timeout: arguments.timeout }, &work.engine);
    for level in stop_order(&containers).into_iter().rev() {
        existing.each(&level, ("Restarting", "Started"), &|container| {
            engine_restart(engine, container.config.id.as_str(), how, &mut |_| {}).map(drop)
        })?;
    }
    Ok(0)
}

/// Arguments of `compose kill`.
#[derive(Debug, Clone, Default, Args)]
struct KillArguments {
    /// Kill containers of services that the files do not have, too
    #[arg(long)]
    remove_orphans: bool,
    /// The signal
    #[arg(short, long, value_name = "SIGNAL", default_value = "SIGKILL")]
    signal: String,
    #[command(flatten)]
    services: Services,
}

fn kill(context: &Context, arguments: &KillArguments) -> Result<u8> {
    let signal = signal::parse(&arguments.signal)?;
    on(context, &arguments.services.services, None, |_, existing, project, containers| {
        let is_meant = |container: &&Container| {
            let known = project.is_none_or(|project| project.known.contains(Known::of(container).service()));
            container.status.is_running() && (known || arguments.remove_orphans)
        };
        let running: Vec<&Container> = containers.iter().filter(is_meant).collect();
        existing.kill(&running, signal).map(|()| 0)
    })
}

/// Arguments of `compose rm`.
#[derive(Debug, Clone, Default, Args)]
struct RemoveArguments {
    /// Do not ask
    #[arg(short, long)]
    force: bool,
    /// Stop the containers first
    #[arg(short, long)]
    stop: bool,
    /// Remove their anonymous volumes, too
    #[arg(short, long)]
    volumes: bool,
    #[command(flatten)]
    services: Services,
}

fn remove(context: &Context, arguments: &RemoveArguments) -> Result<u8> {
    let work = Work::new(context)?;
    let (name, project) = work.options.load_or_name(context)?;
    let existing = work.existing(&name, project.as_ref(), None);
    let mut containers = existing.containers(&arguments.services.services, true)?;
    if arguments.stop {
        existing.stop(&containers.iter().filter(|one| one.status.is_running()).cloned().collect::<Vec<_>>())?;
    } else {
        containers.retain(|container| !container.status.is_running());
    }
    if containers.is_empty() {
        context.ui.note("No stopped containers");
        return Ok(0);
    }
    let names: Vec<&str> = containers.iter().map(|container| container.name.as_str()).collect();
    let question = format!("Going to remove {}", names.join(", "));
    if !arguments.force && !work.options.dry_run && !context.confirmed(&question)? {
        return Ok(0);
    }
    existing.remove(&containers.iter().collect::<Vec<_>>(), arguments.volumes).map(|()| 0)
}

fn pause(context: &Context, arguments: &Services) -> Result<u8> {
    set_frozen(context, arguments, true)
}

fn unpause(context: &Context, arguments: &Services) -> Result<u8> {
    set_frozen(context, arguments, false)
}

fn set_frozen(context: &Context, arguments: &Services, frozen: bool) -> Result<u8> {
    on(context, &arguments.services, None, |work, existing, _, containers| {
        let wanted = if frozen { Phase::Running } else { Phase::Paused };
        let meant: Vec<&Container> = containers.iter().filter(|one| one.status.phase() == wanted).collect();
        let engine = &work.engine;
        let word = if frozen { "Paused" } else { "Unpaused" };
        existing.each(&meant, ("", word), &|container| {
            set_paused(engine, container.config.id.as_str(), frozen).map(drop)
        })?;
        Ok(0)
    })
}

/// Arguments of `compose wait`.
#[derive(Debug, Clone, Default, Args)]
struct WaitArguments {
    /// Take the project down when the first container has ended
    #[arg(long)]
    down_project: bool,
    #[command(flatten)]
    services: Services,
}

fn wait(context: &Context, arguments: &WaitArguments) -> Result<u8> {
    on(context, &arguments.services.services, None, |work, existing, _, containers| {
        if containers.is_empty() {
            return Err(Error::not_found("no containers for project").hint("start them: `coracle compose up -d`"));
        }
        let (sender, receiver) = std::sync::mpsc::channel();
        for container in &containers {
            let (engine, id, sender) = (work.engine.clone(), container.config.id.to_string(), sender.clone());
            let waited = move || {
                let _ = sender.send(engine_wait(&engine, &id, &[Condition::NotRunning]));
            };
            std::thread::Builder::new()
                .spawn(waited)
                .map_err(|error| Error::system("cannot wait for several containers").caused_by(error))?;
        }
        drop(sender);
        let mut code = 0;
        for waited in receiver {
            match waited {
                Ok(ended) => code = ended.unwrap_or(0),
                // It was removed meanwhile.
                Err(error) if error.kind() == Kind::NotFound => {}
                Err(error) => return Err(error),
            }
            context.ui.line(&code.to_string())?;
            context.ui.flush()?;
            if arguments.down_project {
                existing.down(&Down::default())?;
                break;
            }
        }
        Ok(code as u8)
    })
}
