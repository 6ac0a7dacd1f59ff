//! The files of a service: volumes, binds, memory, and what it takes from other containers.

use super::files::{self, Placed};
use super::{Instance, Other, Usual, host_path, of};
use crate::base::id::Name;
use crate::base::{Error, Result, text};
use crate::compose::node::Node;
use crate::compose::project::Project;
use crate::compose::read::{integer, pairs, placed, text as text_at, texts};
use crate::spec::mount_words;
use crate::spec::mounts::{self, MountHost};
use crate::spec::storage::{Mount, MountRequest, MountSource, StorageRequest, shm_size};

/// The files of a container.
pub fn storage(project: &Project, service: &Node, instance: &Instance<'_>, usual: &Usual) -> Result<StorageRequest> {
    let default = StorageRequest::default();
    Ok(StorageRequest {
        driver: usual.driver,
        size: None,
        read_only: service.is_true("read_only"),
        shm_size: match super::super::read::number(service, "shm_size") {
            Some(size) => of(service, "shm_size", shm_size(&size))?,
            None => default.shm_size,
        },
        mounts: all(project, service, instance)?,
    })
}

fn all(project: &Project, service: &Node, instance: &Instance<'_>) -> Result<Vec<MountRequest>> {
    let mut all = Vec::new();
    for given in service.get("volumes").map(Node::items).unwrap_or_default() {
        let one = mount(project, given, instance).and_then(|one| mount_words::check(&one.mount).map(|()| one));
        add(&mut all, one.map_err(|error| placed(given, "volumes", &error))?, true);
    }
    let host = MountHost { cwd: &project.directory, glob: &|_| Ok(Vec::new()), tmpfs_copies: false };
    for one in of(service, "tmpfs", mounts::all(&[], &[], &texts(service, "tmpfs"), &host))? {
        add(&mut all, one, true);
    }
    for placed in files::binds(project, service)? {
        let Placed { source, target } = placed;
        let mut mount = Mount::plain(MountSource::Bind { path: source }, target);
        mount.read_only = true;
        add(&mut all, MountRequest::plain(mount, false), false);
    }
    for from in texts(service, "volumes_from") {
        for one in of(service, "volumes_from", taken(&from, instance))? {
            add(&mut all, one, false);
        }
    }
    // Anonymous volumes of the image, as the container before had them.
    for mount in instance.inherited {
        add(&mut all, MountRequest::plain(mount.clone(), false), false);
    }
    Ok(all)
}

/// Adds a mount. `wins`: in the place of one that was there before.
fn add(all: &mut Vec<MountRequest>, one: MountRequest, wins: bool) {
    match all.iter_mut().find(|other| other.mount.target == one.mount.target) {
        Some(other) if wins => *other = one,
        Some(_) => {}
        None => all.push(one),
    }
}

fn mount(project: &Project, given: &Node, instance: &Instance<'_>) -> Result<MountRequest> {
    let target = text_at(given, "target").ok_or_else(|| Error::usage("a mount has no target"))?;
    let source = text_at(given, "source");
    let kind = given.text_of("type").unwrap_or("volume");
    let mut create_source = false;
    let source = match (kind, source) {
        ("bind", Some(path)) => {
            create_source = given.get("bind").is_some_and(|bind| bind.is_true("create_host_path"));
            MountSource::Bind { path: host_path(project, &path) }
        }
        ("bind", None) => return Err(Error::usage("a bind has no source")),
        ("volume", Some(key)) => volume(project, given, &key)?,
        ("volume", None) => return anonymous(given, &target, instance),
        ("tmpfs", _) => memory(given)?,
        ("image", Some(name)) => MountSource::Image { name, id: String::new(), layers: Vec::new() },
        ("image", None) => return Err(Error::usage("a mount of an image has no source")),
        (other, _) => {
            return Err(Error::unsupported(format!("mounts of the type `{}` are not for Linux", text::clean(other))));
        }
    };
    let is_image = matches!(source, MountSource::Image { .. });
    let mut mount = Mount::plain(source, target);
    mount.read_only = given.is_true("read_only") || is_image;
    if let Some(bind) = given.get("bind") {
        if let Some(word) = text_at(bind, "propagation") {
            mount.propagation = mount_words::propagation(&word)?;
        }
        match bind.text_of("recursive") {
            None | Some("" | "enabled" | "readonly") => {}
            Some("disabled") => mount.non_recursive = true,
            Some(other) => {
                return Err(Error::unsupported(format!("bind.recursive: `{}` is not supported", text::clean(other)))
                    .hint("`enabled`, `disabled` and `readonly` are"));
            }
        }
    }
    mount.options.subpath = given.get(kind).and_then(|options| text_at(options, "subpath"));
    let mut request = MountRequest::plain(mount, create_source);
    if let Some(volume) = given.get("volume") {
        request.volume_labels = pairs(volume, "labels");
    }
    Ok(request)
}

/// A volume of the project, which has been made by now.
fn volume(project: &Project, given: &Node, key: &str) -> Result<MountSource> {
    let definition = project.model.get("volumes").and_then(|volumes| volumes.get(key));
    let name = definition.and_then(|volume| text_at(volume, "name")).unwrap_or_else(|| key.to_owned());
    let no_copy = given.get("volume").is_some_and(|volume| volume.is_true("nocopy"));
    Ok(MountSource::Volume { name: name.parse()?, anonymous: false, no_copy })
}

/// A volume without a name: that of the container before, if there is one.
fn anonymous(given: &Node, target: &str, instance: &Instance<'_>) -> Result<MountRequest> {
    let former = instance.inherited.iter().find(|mount| mount.target == target).map(|mount| mount.source.clone());
    let source = match former {
        Some(source) => source,
        None => {
            let name: Name = (instance.volume_names)()?;
            let no_copy = given.get("volume").is_some_and(|volume| volume.is_true("nocopy"));
            MountSource::Volume { name, anonymous: true, no_copy }
        }
    };
    let mut mount = Mount::plain(source, target.to_owned());
    mount.read_only = given.is_true("read_only");
    Ok(MountRequest::plain(mount, false))
}

fn memory(given: &Node) -> Result<MountSource> {
    let mut options = Vec::new();
    if let Some(tmpfs) = given.get("tmpfs") {
        options.extend(integer(tmpfs, "size").filter(|size| *size > 0).map(|size| format!("size={size}")));
        if let Some(mode) = integer(tmpfs, "mode").filter(|mode| *mode > 0) {
            if !(0..=0o7777).contains(&mode) {
                return Err(Error::usage(format!("tmpfs.mode: {mode} is no mode of a directory")));
            }
            options.push(format!("mode={mode:o}"));
        }
    }
    Ok(MountSource::Tmpfs { options: options.join(","), flags: Vec::new() })
}

/// The mounts of another container: `SERVICE[:ro]` or `container:NAME[:ro]`.
fn taken(from: &str, instance: &Instance<'_>) -> Result<Vec<MountRequest>> {
    let parts: Vec<&str> = from.split(':').collect();
    let (other, shown, mode) = match parts[..] {
        ["container", name] => (Other::Named(name), name, "rw"),
        ["container", name, mode] => (Other::Named(name), name, mode),
        [name] => (Other::Service(name), name, "rw"),
        [name, mode] => (Other::Service(name), name, mode),
        _ => return Err(Error::usage(format!("`{}` is not SERVICE[:ro] or container:NAME[:ro]", text::clean(from)))),
    };
    if !matches!(mode, "ro" | "rw") {
        return Err(Error::usage(format!("`{}` is neither ro nor rw", text::clean(mode))));
    }
    let container = (instance.others)(other).ok_or_else(|| {
        Error::not_found(format!("cannot share the volumes of `{}`: it has no container", text::clean(shown)))
    })?;
    let shared = container.config.storage.mounts.into_iter();
    let shared = shared.filter(|mount| matches!(mount.source, MountSource::Bind { .. } | MountSource::Volume { .. }));
    let one = |mut mount: Mount| {
        mount.read_only |= mode == "ro";
        if let MountSource::Volume { anonymous, .. } = &mut mount.source {
            // It goes with the container that it was made for.
            *anonymous = false;
        }
        MountRequest::plain(mount, false)
    };
    Ok(shared.map(one).collect())
}
