//! The bundle of a container with hooks: a directory with the `config.json` and the `rootfs` that hooks expect (OCI runtime
//! specification). It is there for as long as the container runs; a killed supervisor's is replaced by the next start.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use serde_json::json;

use crate::base::error::if_absent;
use crate::base::{Paths, Result, ResultExt, trace};
use crate::runtime::hooks::{Hooks, State};
use crate::spec::cdi::Edits;
use crate::spec::container::ContainerConfig;
use crate::spec::hooks::{Hook, HookPoint};

/// How long a hook may take that does not say how long, in seconds: the supervisor does nothing else meanwhile.
const PATIENCE: u32 = 60;

/// The version of the specification that the state of hooks follows.
const VERSION: &str = "1.2.0";

/// Makes the bundle of a container whose devices come with hooks.
pub(super) fn bundle(paths: &Paths, config: &ContainerConfig, edits: &Edits) -> Result<Option<Hooks>> {
    if edits.hooks.is_empty() {
        return Ok(None);
    }
    let directory = directory(paths, config);
    forget(paths, config)?;
    let rootfs = directory.join("rootfs");
    // Root of the container must be able to go through; the runtime directory itself is the user's alone.
    DirBuilder::new().recursive(true).mode(0o711).create(&rootfs).at(&rootfs, "cannot create the directory")?;
    let document = json!({
        "ociVersion": VERSION,
        "hostname": config.identity.hostname,
        "process": { "args": config.process.argv(), "cwd": config.process.cwd, "env": config.process.env },
        "root": { "path": rootfs, "readonly": config.storage.read_only },
        "annotations": config.labels,
    });
    let file = directory.join("config.json");
    fs::write(&file, document.to_string()).at(&file, "cannot write")?;
    let hooks = edits.hooks.iter().map(|hook| Hook { timeout: hook.timeout.or(Some(PATIENCE)), ..hook.clone() });
    let state = State {
        oci_version: VERSION,
        id: config.id.as_str().to_owned(),
        status: "creating",
        pid: 0,
        bundle: directory.display().to_string(),
        annotations: Default::default(),
    };
    Ok(Some(Hooks { hooks: hooks.collect(), rootfs: rootfs.display().to_string(), state }))
}

fn directory(paths: &Paths, config: &ContainerConfig) -> PathBuf {
    paths.runtime.join("bundles").join(config.id.as_str())
}

/// Removes the bundle.
fn forget(paths: &Paths, config: &ContainerConfig) -> Result<()> {
    let directory = directory(paths, config);
    if_absent(fs::remove_dir_all(&directory)).at(&directory, "cannot remove").map(drop)
}

/// A container with hooks has started. One that fails stops nothing, as the specification has it.
pub(super) fn started(hooks: Option<&Hooks>, pid: i32) {
    run(hooks, HookPoint::Poststart, "running", pid);
}

/// It has ended.
pub(super) fn ended(paths: &Paths, config: &ContainerConfig, hooks: Option<&Hooks>) {
    if hooks.is_some() {
        run(hooks, HookPoint::Poststop, "stopped", 0);
        let _ = forget(paths, config);
    }
}

fn run(hooks: Option<&Hooks>, point: HookPoint, status: &'static str, pid: i32) {
    if let Some(Err(error)) = hooks.map(|hooks| hooks.run(point, status, pid)) {
        trace::step(|| error.chain());
    }
}
