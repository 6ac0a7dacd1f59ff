//! `RUN --mount`: files of the context, a stage or an image; directories that outlive builds; secrets; the agent's socket.
//!
//! Files to bind become a layer of their own, as a `COPY` into nothing would make it, and its tree is mounted read-only:
//! what is mounted is what was hashed, whatever happens to the context meanwhile. Secrets lie in the runtime directory,
//! readable by the user alone, as long as their step runs; they are in no key, record of the cache or layer.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;

use super::cache_mount::{GiveSecret, MakeCache, caches};
use super::interpret::{CopyAction, RunAction};
use crate::base::error::if_absent;
use crate::base::id::random_hex;
use crate::base::paths::private_dir;
use crate::base::{Error, Paths, Result, ResultExt, text};
use crate::dockerfile::{Mount as Wanted, MountType, Sharing};
use crate::engine::{Engine, worker};
use crate::oci::Digest;
use crate::spec::mount_options::Overlay;
use crate::spec::storage::{Mount, MountRequest, MountSource};
use crate::store::MadeLayer;

/// Where mounts come from.
pub struct Sources<'a> {
    /// The store, and the directories of caches and secrets.
    pub engine: &'a Engine,
    /// Secrets by id.
    pub secrets: &'a BTreeMap<String, Vec<u8>>,
    /// Sockets of agents by id.
    pub agents: &'a BTreeMap<String, PathBuf>,
}

/// The layers of the bind mounts, in their order.
pub struct Bound {
    layers: Vec<Option<Digest>>,
    key: String,
}

impl Bound {
    /// What of the mounts is in the key of their step.
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// The mounts of a step that is about to run.
pub struct Mounted {
    /// For its container.
    pub requests: Vec<MountRequest>,
    /// Variables with secrets.
    pub secrets: Vec<String>,
    /// What is to be kept until it has ended.
    pub held: Held,
}

/// Locks of caches, and files of secrets.
#[derive(Default)]
pub struct Held {
    locks: Vec<File>,
    files: Vec<PathBuf>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.locks.clear();
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
    }
}

/// The directory of secrets of running steps.
fn secrets(paths: &Paths) -> PathBuf {
    paths.runtime.join("build-secrets")
}

/// Removes secrets that a killed builder has left: those whose builder does not live.
pub fn sweep(paths: &Paths) {
    for entry in fs::read_dir(secrets(paths)).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.split('-').next()?.parse::<i32>().ok());
        if pid.is_none_or(|pid| crate::base::process::ProcessIdentity::of(pid).is_none()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Makes the layers of what is to be bound; `make` copies something into a layer of its own.
pub fn bind(run: &RunAction, make: &mut dyn FnMut(&CopyAction) -> Result<MadeLayer>) -> Result<Bound> {
    let (mut layers, mut key) = (Vec::new(), String::new());
    for mount in &run.mounts {
        let layer = match mount.kind {
            MountType::Bind => {
                let source = mount.source.clone().unwrap_or_else(|| "/".into());
                let action = CopyAction { from: mount.from.clone(), ..CopyAction::of(&source, "/bound") };
                Some(make(&action)?.diff_id)
            }
            MountType::Cache if mount.from.is_some() => {
                let source = mount.source.clone().unwrap_or_else(|| "/".into());
                let action = CopyAction { from: mount.from.clone(), ..CopyAction::of(&source, "/bound") };
                Some(make(&action)?.diff_id)
            }
            _ => None,
        };
        // The names of secrets, but nothing of them; of caches, where they are.
        key.push_str(&format!("{:?} {:?} {:?} {:?} {layer:?};", mount.kind, mount.target, mount.id, mount.env));
        layers.push(layer);
    }
    Ok(Bound { layers, key })
}

/// Prepares the mounts.
pub fn mount(from: &Sources<'_>, run: &RunAction, bound: &Bound) -> Result<Mounted> {
    let mut mounted = Mounted { requests: Vec::new(), secrets: Vec::new(), held: Held::default() };
    for (mount, layer) in run.mounts.iter().zip(&bound.layers) {
        match mount.kind {
            MountType::Bind => {
                let layer = layer.as_ref().ok_or_else(|| Error::system("a bind mount has lost its files"))?;
                let layer = from
                    .engine
                    .store()?
                    .layer(layer)?
                    .ok_or_else(|| Error::conflict("the files of a bind mount were removed meanwhile"))?;
                let path = layer.tree.join("bound");
                let is_writable = mount.read_only == Some(false);
                if is_writable && !path.is_dir() {
                    return Err(Error::unsupported("RUN --mount=type=bind,rw of a file is not supported")
                        .hint("bind its directory, or copy the file in the command"));
                }
                add(&mut mounted, MountSource::Bind { path }, mount, "", !is_writable);
                if let (true, Some(last)) = (is_writable, mounted.requests.last_mut()) {
                    // What is written goes with the step, as BuildKit has it.
                    last.mount.options.overlay = Some(Overlay::default());
                }
            }
            MountType::Tmpfs => {
                let options = mount.size.map(|size| format!("size={size}")).unwrap_or_default();
                add(&mut mounted, MountSource::Tmpfs { options, flags: Vec::new() }, mount, "", false);
            }
            MountType::Cache => {
                let path = cache(from, mount, layer.as_ref(), &mut mounted.held)?;
                add(&mut mounted, MountSource::Bind { path }, mount, "", mount.read_only == Some(true));
            }
            MountType::Secret => secret(from, mount, &mut mounted)?,
            MountType::Ssh => ssh(from, mount, &mut mounted)?,
        }
    }
    if let Some((name, content)) = &run.script {
        let content = content.as_bytes();
        let path = hidden_file(from, content, 0o555, &mut mounted.held)?;
        let source = MountSource::Bind { path };
        let mount = Mount { read_only: true, ..Mount::plain(source, format!("/dev/pipes/{name}")) };
        mounted.requests.push(MountRequest::plain(mount, false));
    }
    Ok(mounted)
}

fn add(mounted: &mut Mounted, source: MountSource, wanted: &Wanted, default: &str, read_only: bool) {
    let target = wanted.target.clone().unwrap_or_else(|| default.to_owned());
    let mount = Mount { read_only, ..Mount::plain(source, target) };
    mounted.requests.push(MountRequest::plain(mount, false));
}

fn cache(from: &Sources<'_>, mount: &Wanted, seed: Option<&Digest>, held: &mut Held) -> Result<PathBuf> {
    let id = mount.id.clone().or_else(|| mount.target.clone()).unwrap_or_default();
    // Whatever is in the id, the directory is ours.
    let name = Digest::sha256(id.as_bytes()).hex().to_owned();
    let all = caches(&from.engine.paths);
    private_dir(&all)?;
    let mut directory = all.join(&name);
    let lock = |directory: &PathBuf| {
        let path = directory.with_extension("lock");
        File::options().create(true).truncate(false).write(true).open(&path).at(&path, "cannot open")
    };
    let file = lock(&directory)?;
    match mount.sharing {
        Sharing::Shared => file.lock_shared().at(&directory, "cannot lock the cache")?,
        Sharing::Locked => file.lock().at(&directory, "cannot lock the cache")?,
        Sharing::Private => {
            let mut taken = file.try_lock().is_ok();
            let mut file = file;
            for number in 1..1000 {
                if taken {
                    break;
                }
                directory = all.join(format!("{name}-{number}"));
                file = lock(&directory)?;
                taken = file.try_lock().is_ok();
            }
            if !taken {
                return Err(Error::conflict("a thousand steps use this private cache"));
            }
            held.locks.push(file);
            return made(from, directory, mount, seed);
        }
    }
    held.locks.push(file);
    made(from, directory, mount, seed)
}

/// The directory of a cache, with its mode, owner and first files when it is new.
fn made(from: &Sources<'_>, directory: PathBuf, mount: &Wanted, seed: Option<&Digest>) -> Result<PathBuf> {
    if if_absent(fs::symlink_metadata(&directory)).at(&directory, "cannot examine the cache")?.is_none() {
        let job = MakeCache {
            path: directory.clone(),
            mode: mount.mode.unwrap_or(0o755),
            owner: (mount.uid.unwrap_or(0), mount.gid.unwrap_or(0)),
            seed: seed.cloned(),
        };
        worker::call_silently(from.engine, job)?;
    }
    Ok(directory)
}

/// A file that only the step sees.
fn hidden_file(from: &Sources<'_>, content: &[u8], mode: u32, held: &mut Held) -> Result<PathBuf> {
    let directory = secrets(&from.engine.paths);
    private_dir(&directory)?;
    let path = directory.join(format!("{}-{}", std::process::id(), random_hex()?));
    held.files.push(path.clone());
    let file = File::options().write(true).create_new(true).mode(0o600).open(&path);
    let written = file.and_then(|mut file| {
        file.write_all(content)?;
        file.set_permissions(fs::Permissions::from_mode(mode))
    });
    written.at(&path, "cannot write")?;
    Ok(path)
}

fn secret(from: &Sources<'_>, mount: &Wanted, mounted: &mut Mounted) -> Result<()> {
    let named = |path: &Option<String>| path.as_deref().and_then(|path| path.rsplit('/').next().map(str::to_owned));
    let id = mount.id.clone().or_else(|| named(&mount.source)).or_else(|| named(&mount.target)).unwrap_or_default();
    let Some(value) = from.secrets.get(&id) else {
        return match mount.required {
            true => Err(Error::not_found(format!("secret {}: not found", text::clean(&id)))
                .hint(format!("pass it with --secret id={},src=FILE", text::clean(&id)))),
            false => Ok(()),
        };
    };
    if let Some(name) = &mount.env {
        let value = String::from_utf8(value.clone())
            .map_err(|_| Error::invalid(format!("the secret `{}` is not text", text::clean(&id))))?;
        mounted.secrets.push(format!("{name}={value}"));
    }
    if mount.env.is_none() || mount.target.is_some() {
        let mode = mount.mode.unwrap_or(0o400);
        let path = hidden_file(from, value, mode, &mut mounted.held)?;
        let owner = (mount.uid.unwrap_or(0), mount.gid.unwrap_or(0));
        if owner != (0, 0) {
            worker::call_silently(from.engine, GiveSecret { path: path.clone(), mode, owner })?;
        }
        add(mounted, MountSource::Bind { path }, mount, &format!("/run/secrets/{id}"), true);
    }
    Ok(())
}

fn ssh(from: &Sources<'_>, mount: &Wanted, mounted: &mut Mounted) -> Result<()> {
    if mount.uid.unwrap_or(0) != 0 || mount.gid.unwrap_or(0) != 0 || mount.mode.is_some() {
        return Err(Error::unsupported("RUN --mount=type=ssh with an owner or mode is not supported")
            .hint("the socket belongs to root in the step"));
    }
    let id = mount.id.as_deref().unwrap_or("default");
    let Some(socket) = from.agents.get(id) else {
        return match mount.required {
            true => {
                Err(Error::not_found(format!("unset ssh forward key {}", text::clean(id))).hint("pass it with --ssh"))
            }
            false => Ok(()),
        };
    };
    if_absent(fs::metadata(socket))
        .at(socket, "cannot examine the agent's socket")?
        .ok_or_else(|| Error::not_found(format!("the agent's socket `{}` is not there", socket.display())))?;
    let number = mounted.requests.len();
    let default = format!("/run/buildkit/ssh_agent.{number}");
    mounted.secrets.push(format!("SSH_AUTH_SOCK={}", mount.target.as_deref().unwrap_or(&default)));
    add(mounted, MountSource::Bind { path: socket.clone() }, mount, &default, true);
    Ok(())
}
