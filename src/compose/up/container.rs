//! One container of a service: made, replaced, started, stopped, removed.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::PoisonError;

use super::{Made, Making, Up};
use crate::base::id::{Name, random_hex};
use crate::base::{Error, Result, ResultExt, failpoint, publish};
use crate::compose::container::{self as service, Content, Injected, Instance, Other};
use crate::compose::hooks::hooks;
use crate::compose::labels::{self, Identity, Known};
use crate::compose::node::Node;
use crate::compose::plan::temporary;
use crate::compose::report::Event;
use crate::compose::stop::{Stopping, remove_container, stop_container};
use crate::engine::Engine;
use crate::engine::create::create as engine_create;
use crate::engine::files::copy::{How, Ownership, Side, copy};
use crate::engine::start::start as engine_start;
use crate::spec::container::{Container, Status};
use crate::spec::storage::{Mount, MountSource};

/// The largest file that is copied into a container, in bytes.
const FILE_MAX: u64 = 8 << 20;

/// A file of the host that is copied into containers.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path).and_then(|file| file.take(FILE_MAX + 1).read_to_end(&mut content)).at(path, "cannot read")?;
    match content.len() as u64 > FILE_MAX {
        true => Err(Error::invalid(format!("`{}` is larger than {} MiB", path.display(), FILE_MAX >> 20))),
        false => Ok(content),
    }
}

impl Up<'_> {
    /// Makes a container.
    pub(super) fn make(&self, making: &Making<'_>, name: &str, number: u32, container: &str) -> Result<Made> {
        let identity = self.identity(making, name, number, None);
        let event = Event::container(self.report, container);
        let id = match self.dry_run {
            true => {
                event.working("Creating");
                event.done("Created");
                String::new()
            }
            false => event
                .around("Creating", "Created", || self.engine_create(making, name, &identity, container, &[], false))?,
        };
        Ok(Made { id, name: container.to_owned(), runs: false })
    }

    /// Makes a container in the place of another one.
    pub(super) fn replace(
        &self,
        making: &Making<'_>,
        name: &str,
        (old_id, old_name): (&str, &str),
        (number, new_name): (u32, &str),
    ) -> Result<Made> {
        let event = Event::container(self.report, old_name);
        if self.dry_run {
            event.working("Recreate");
            event.done("Recreated");
            return Ok(Made { id: String::new(), name: new_name.to_owned(), runs: false });
        }
        let id = event.around("Recreate", "Recreated", || {
            let identity = self.identity(making, name, number, Some(format!("{name}-{number}")));
            let old = making.existing.iter().find(|container| container.config.id.as_str() == old_id);
            let inherited = match (old, self.wishes.renew_volumes) {
                (Some(old), false) => anonymous_volumes(old),
                _ => Vec::new(),
            };
            let other_name = temporary(old_id, new_name);
            let id = self.engine_create(making, name, &identity, &other_name, &inherited, false)?;
            failpoint::here("compose.replace.created")?;
            let stopping = self.stopping();
            stop_container(&stopping, old_id)?;
            remove_container(self.engine, old_id, self.wishes.renew_volumes)?;
            failpoint::here("compose.replace.removed")?;
            crate::engine::settings::rename(self.engine, &id, new_name)?;
            Ok(id)
        })?;
        Ok(Made { id, name: new_name.to_owned(), runs: false })
    }

    fn identity(&self, making: &Making<'_>, name: &str, number: u32, replaces: Option<String>) -> Identity {
        Identity {
            number: Some(number),
            slug: None,
            image: making.images.get(name).cloned().unwrap_or_default(),
            files: making.files.get(name).cloned().flatten(),
            replaces,
        }
    }

    /// Has the engine make a container. Returns its id.
    fn engine_create(
        &self,
        making: &Making<'_>,
        name: &str,
        identity: &Identity,
        container: &str,
        inherited: &[Mount],
        remove: bool,
    ) -> Result<String> {
        let node = self.service(name)?;
        let others = |other: Other<'_>| self.other(making, other);
        let instance = Instance {
            service: name,
            name: container.parse::<Name>()?,
            labels: labels::of_container(self.project, name, node, identity),
            has_aliases: true,
            remove,
            others: &others,
            inherited,
            volume_names: &|| random_hex()?.parse(),
            profile: &|file| seccomp_profile(&self.project.directory.join(file)),
        };
        let request = service::request(self.project, node, &instance, self.usual)?;
        let progress = self.report.pull();
        let created = engine_create(self.engine, &request, progress.as_ref());
        created.map(|id| id.to_string()).map_err(|error| explained(node, error))
    }

    /// A container that a service refers to.
    pub(super) fn other(&self, making: &Making<'_>, other: Other<'_>) -> Option<Container> {
        let containers = self.engine.containers();
        let load = |id: &str| containers.load(&containers.find(id).ok()?).ok();
        match other {
            Other::Named(name) => load(name),
            Other::Service(name) => {
                let made = making.made.lock().unwrap_or_else(PoisonError::into_inner);
                let first = made.get(name).and_then(|all| all.iter().min_by_key(|(at, _)| *at));
                match first.map(|(_, made)| made.id.clone()) {
                    Some(id) => load(&id),
                    None => first_of(making.existing, name).cloned(),
                }
            }
        }
    }

    /// Starts a container, with what is copied into it before and run in it after.
    pub(super) fn start_one(&self, name: &str, made: &Made) -> Result<()> {
        let event = Event::container(self.report, &made.name);
        if self.dry_run {
            event.working("Starting");
            event.done("Started");
            return Ok(());
        }
        let node = self.service(name)?;
        event.around("Starting", "Started", || {
            start_container(self.engine, &made.id, &service::injected(self.project, node)?, &|note| {
                self.report.warning(&format!("{}: {note}", made.name));
            })?;
            (self.started)(name, made);
            hooks(self.engine, &made.id, node, "post_start")
        })
    }

    /// How containers are stopped here.
    fn stopping(&self) -> Stopping<'_> {
        Stopping { engine: self.engine, project: Some(self.project), timeout: self.wishes.timeout }
    }

    /// Stops a container.
    pub(super) fn stop(&self, id: &str, name: &str) -> Result<()> {
        let event = Event::container(self.report, name);
        match self.dry_run {
            true => {
                event.working("Stopping");
                event.done("Stopped");
                Ok(())
            }
            false => event.around("Stopping", "Stopped", || stop_container(&self.stopping(), id)),
        }
    }

    /// Stops and removes a container.
    pub(super) fn remove(&self, id: &str, name: &str, volumes: bool) -> Result<()> {
        self.stop(id, name)?;
        let event = Event::container(self.report, name);
        match self.dry_run {
            true => {
                event.working("Removing");
                event.done("Removed");
                Ok(())
            }
            false => event.around("Removing", "Removed", || remove_container(self.engine, id, volumes)),
        }
    }
}

/// The first container of a service.
pub(super) fn first_of<'a>(containers: &'a [Container], service: &str) -> Option<&'a Container> {
    let of_it = containers.iter().filter(|container| {
        let known = Known::of(container);
        known.service() == service && !known.is_one_off()
    });
    of_it.min_by_key(|container| Known::of(container).number())
}

fn anonymous_volumes(container: &Container) -> Vec<Mount> {
    let is_anonymous = |mount: &&Mount| matches!(mount.source, MountSource::Volume { anonymous: true, .. });
    container.config.storage.mounts.iter().filter(is_anonymous).cloned().collect()
}

fn seccomp_profile(path: &Path) -> Result<String> {
    crate::compose::files::Files::read(&crate::compose::files::Machine, path)?
        .ok_or_else(|| Error::not_found(format!("there is no seccomp profile `{}`", path.display())))
}

/// What is said of a container that cannot be made for lack of a daemon's socket.
fn explained(service: &Node, error: Error) -> Error {
    let sources = service.get("volumes").map(Node::items).unwrap_or_default();
    let is_socket = |mount: &Node| {
        mount.text_of("source").is_some_and(|path| path.ends_with("/docker.sock") || path.ends_with("/podman.sock"))
    };
    match sources.iter().any(is_socket) {
        true => {
            error.hint("coracle has no daemon with a socket: a service that manages containers through it cannot work")
        }
        false => error,
    }
}

/// Starts a container. What is copied into it is copied before its first start.
pub fn start_container(engine: &Engine, id: &str, files: &[Injected], note: &dyn Fn(&str)) -> Result<()> {
    if !files.is_empty() {
        let containers = engine.containers();
        let container = containers.load(&containers.find(id)?)?;
        if container.status == Status::Created {
            if container.config.storage.read_only {
                return Err(Error::unsupported(format!(
                    "container `{}` is read-only: only secrets and configs with `file`, and without `uid`, `gid` and `mode`, can be given to it",
                    container.name
                )));
            }
            copy_in(engine, id, files)?;
        }
    }
    engine_start(engine, id, None, &mut |words| note(words)).map(drop)
}

/// Copies files into a container that has never run.
pub fn copy_in(engine: &Engine, id: &str, files: &[Injected]) -> Result<()> {
    engine.paths.ensure()?;
    let archive = publish::nameless(&engine.paths.data)?;
    let mut builder = tar::Builder::new(archive);
    let failed = || "cannot pack secrets and configs".to_owned();
    for file in files {
        let content = match &file.content {
            Content::Text(text) => text.clone().into_bytes(),
            Content::File(path) => read_file(path)?,
        };
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(content.len() as u64);
        header.set_mode(file.mode);
        header.set_uid(u64::from(file.uid));
        header.set_gid(u64::from(file.gid));
        let path = file.target.trim_start_matches('/');
        builder.append_data(&mut header, path, &content[..]).context(failed)?;
    }
    let mut archive = builder.into_inner().context(failed)?;
    archive.seek(SeekFrom::Start(0)).context(failed)?;
    let how = How { follow: false, ownership: Ownership::Kept, overwrite: false };
    copy(engine, Side::Stream(OwnedFd::from(archive)), Side::Container(id.to_owned(), "/".into()), how).map(drop)
}
