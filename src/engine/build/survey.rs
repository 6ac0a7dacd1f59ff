//! `--call`: what a Dockerfile says, without building it: violations of checks, its targets, and what a target takes.

use std::collections::BTreeMap;

use super::checked::Checked;
use super::events::Watcher;
use super::open::{Opened, open};
use super::request::{BuildError, BuildRequest, Files};
use super::stages::{Origin, Plan, platform_arguments};
use crate::base::{Error, Result, text};
use crate::dockerfile::check::{self, Base, Facts};
use crate::dockerfile::outline::{self, Outline, Target};
use crate::dockerfile::{Dockerfile, Ignore};
use crate::engine::Engine;
use crate::oci::Platform;
use crate::store::Store;

/// Checks a Dockerfile (`--check`, `--call check`).
pub fn check(
    engine: &Engine,
    request: &BuildRequest,
    files: Files,
    watcher: &dyn Watcher,
) -> Result<Checked, BuildError> {
    let opened = open(engine, request, files, watcher)?;
    let plan = opened.plan(request)?;
    Ok(checked(&engine.store()?, request, &opened, &plan)?)
}

/// The targets of a Dockerfile (`--call targets`).
pub fn targets(
    engine: &Engine,
    request: &BuildRequest,
    files: Files,
    watcher: &dyn Watcher,
) -> Result<Vec<Target>, BuildError> {
    Ok(outline::targets(&open(engine, request, files, watcher)?.file))
}

/// What a target takes (`--call outline`).
pub fn outline(
    engine: &Engine,
    request: &BuildRequest,
    files: Files,
    watcher: &dyn Watcher,
) -> Result<Outline, BuildError> {
    let opened = open(engine, request, files, watcher)?;
    let plan = opened.plan(request)?;
    Ok(outline::outline(&opened.file, (plan.target, &plan.needed), &request.build_args))
}

/// Applies the rules. Variables and platforms of bases are known as far as the images are here.
pub(super) fn checked(store: &Store, request: &BuildRequest, opened: &Opened, plan: &Plan) -> Result<Checked> {
    let Opened { file, name, source, context, .. } = opened;
    let settings = check::settings(file, &request.build_args).map_err(|part| {
        Error::usage(format!("invalid check option `{}` of BUILDKIT_DOCKERFILE_CHECK", text::clean(&part)))
    })?;
    let platform = request.platforms.first().cloned().unwrap_or_else(Platform::host);
    let bases = bases(store, file, plan);
    let facts = Facts {
        builtin: &platform_arguments(&platform, "default"),
        contexts: &request.contexts.keys().cloned().collect(),
        ignore: &Ignore::parse(&context.ignored).unwrap_or_default(),
        base: &|index| bases.get(&index).cloned(),
        platform: &platform,
    };
    let mut violations = check::check(file, &settings, &facts);
    violations.sort_by_key(|violation| violation.line);
    Ok(Checked { name: name.clone(), source: source.clone(), violations, is_error: settings.error })
}

/// The images that stages begin with, of those that are here.
fn bases(store: &Store, file: &Dockerfile, plan: &Plan) -> BTreeMap<usize, Base> {
    let mut bases = BTreeMap::new();
    for index in 0..file.stages.len() {
        let Some(Origin::Image(name)) = plan.bases.get(index) else { continue };
        let image = store.lookup(name).ok().flatten();
        let config = image.and_then(|image| store.image_config(&image).ok());
        if let Some(config) = config {
            let platform = Platform::new(&config.os, &config.architecture, config.variant.as_deref());
            bases.insert(index, Base { env: config.config.env, platform });
        }
    }
    bases
}
