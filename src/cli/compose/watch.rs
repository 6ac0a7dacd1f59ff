//! `compose watch`: containers follow the files of the project.

use std::sync::atomic::AtomicBool;

use clap::Args;

use super::work::Work;
use crate::base::{Result, text};
use crate::cli::context::Context;
use crate::cli::verb::{Codes, Verb, typed};
use crate::compose::project::Project;
use crate::compose::up::{ImageWishes, Wishes};
use crate::compose::watch::{Action, Changes, Rule, Waker, compare, nothing, rules, sync};
use crate::engine::exec::exec as engine_exec;
use crate::engine::request::ExecRequest;
use crate::engine::session::Terminal;
use crate::engine::stop::{How, restart as engine_restart};
use crate::spec::container::Container;

/// The command.
pub const VERB: Verb = Verb {
    name: "watch",
    about: "Have containers follow the files of the project",
    usage: "[SERVICE...]",
    arity: (0, None),
    greedy: false,
    codes: Codes::Plain,
    arguments: WatchArguments::augment_args,
    run: |context, matches| watch(context, &typed(matches)?),
};

/// Arguments of `compose watch`.
#[derive(Debug, Clone, Default, Args)]
struct WatchArguments {
    /// Do not build and start services before
    #[arg(long)]
    no_up: bool,
    /// Accepted: images that are not used any more stay
    #[arg(long, hide = true, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    prune: Option<bool>,
    /// Show no progress of builds
    #[arg(long)]
    quiet: bool,
    /// Services; all when none are named
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
}

fn watch(context: &Context, arguments: &WatchArguments) -> Result<u8> {
    let work = Work::with(context, arguments.quiet)?;
    let project = work.project(&arguments.services)?;
    let rules = rules(&project, &arguments.services)?;
    if rules.is_empty() {
        return Err(nothing());
    }
    if !arguments.no_up {
        up(&work, &project, &arguments.services, true)?;
    }
    work.shown.settle();
    let waker = Waker::new();
    let mut seen = Vec::with_capacity(rules.len());
    for rule in &rules {
        let now = rule.look()?;
        waker.add(rule, &now);
        if rule.initial && rule.action.syncs() {
            follow(&work, &project, rule, &rule.all(&now))?;
        }
        seen.push(now);
    }
    context.ui.note("Watch enabled");
    loop {
        waker.wait()?;
        let mut rebuilt: Vec<&str> = Vec::new();
        for (rule, before) in rules.iter().zip(&mut seen) {
            let now = rule.look()?;
            let changes = compare(before, &now);
            if now != *before {
                waker.add(rule, &now);
            }
            *before = now;
            // A new container has what has changed with it.
            if changes.count() == 0 || rebuilt.contains(&rule.service.as_str()) {
                continue;
            }
            if let Err(error) = follow(&work, &project, rule, &changes) {
                context.ui.error(&error);
            }
            if rule.action == Action::Rebuild {
                rebuilt.push(&rule.service);
            }
        }
    }
}

fn up(work: &Work<'_>, project: &Project, services: &[String], build: bool) -> Result<()> {
    let wishes = Wishes {
        images: ImageWishes { build, ..ImageWishes::default() },
        services: services.to_vec(),
        ..Wishes::default()
    };
    let (usual, cancelled) = (work.usual()?, AtomicBool::new(false));
    let up = work.up(project, &usual, &wishes, &cancelled);
    let made = up.create()?;
    up.start(&made)
}

/// Does what a rule says.
fn follow(work: &Work<'_>, project: &Project, rule: &Rule, changes: &Changes) -> Result<()> {
    let (context, service) = (work.context, &rule.service);
    if rule.action == Action::Rebuild {
        context.ui.note(&format!("Rebuilding service(s) [{service:?}] after changes were detected..."));
        up(work, project, std::slice::from_ref(service), true)?;
        work.shown.settle();
        context.ui.note(&format!("service(s) [{service:?}] successfully built"));
        return Ok(());
    }
    let existing = work.existing(&project.name, Some(project), None);
    let mut containers = existing.containers(std::slice::from_ref(service), false)?;
    containers.retain(|container| container.status.is_running());
    if rule.action.syncs() {
        context.ui.note(&format!("Syncing service {service:?} after {} changes were detected", changes.count()));
        for container in &containers {
            sync(&work.engine, container.config.id.as_str(), rule, changes)?;
            let gone: Vec<String> = changes.removed.iter().map(|path| rule.in_container(path)).collect();
            if !gone.is_empty() {
                let argv = ["rm", "-rf", "--"].into_iter().map(str::to_owned).chain(gone).collect();
                run_in(work, container, ExecRequest { argv, user: Some("0".into()), ..ExecRequest::default() })?;
            }
        }
    }
    match rule.action {
        Action::SyncExec => {
            let hook = rule.node.get("exec");
            let argv = hook.map(|hook| crate::compose::texts_of(hook, "command")).unwrap_or_default();
            context.ui.note(&format!("Executing on service {service:?}: {}", text::clean(&argv.join(" "))));
            let of = |key: &str| {
                hook.and_then(|hook| hook.text_of(key)).filter(|value| !value.is_empty()).map(str::to_owned)
            };
            let request = ExecRequest { argv, user: of("user"), cwd: of("working_dir"), ..ExecRequest::default() };
            containers.iter().try_for_each(|container| run_in(work, container, request.clone()))
        }
        Action::Restart | Action::SyncRestart => {
            let engine = &work.engine;
            existing.each(&containers.iter().collect::<Vec<_>>(), ("Restarting", "Started"), &|container| {
                let how = How { signal: None, timeout: None };
                engine_restart(engine, container.config.id.as_str(), how, &mut |_| {}).map(drop)
            })
        }
        Action::Sync | Action::Rebuild => Ok(()),
    }
}

fn run_in(work: &Work<'_>, container: &Container, request: ExecRequest) -> Result<()> {
    let nobody = Terminal { stdin: None, stdout: None, stderr: None, detach_keys: Vec::new(), sig_proxy: false };
    engine_exec(&work.engine, container.config.id.as_str(), &request, Some(&nobody)).map(drop)
}
