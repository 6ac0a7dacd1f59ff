//! `mount` and `umount` of containers and images: their files in the mount namespace of the caller, at a place that
//! [`crate::state::mounts`] keeps.
//!
//! # Theory of operation
//!
//! Only root of the user's namespace can mount: for a user that is a program below `coracle unshare`, whose mount namespace
//! ends with it. The union is made in a mount namespace of its own and brought over as a mount that is attached nowhere, so
//! that a process that is killed meanwhile leaves nothing mounted.
//!
//! Of a running container its own root is shown, as its first process has it. A container that does not run cannot be
//! started while its files are mounted, because both unions would write to the same directory and not see each other. The
//! files of an image cannot be written to, and the image cannot be removed meanwhile.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};

use super::root::{Root, View, attach};
use crate::base::{ContainerId, Error, Kind, Result, ResultExt, failpoint, text};
use crate::engine::{Engine, image_name};
use crate::oci::Reference;
use crate::rootless::outer;
use crate::state::mounts::{Mounted, Mounts};
use crate::store::ImageRecord;
use crate::sys::beneath::BeneathDir;
use crate::union::overlay;

/// Something that is mounted here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountReport {
    /// The digits of the container's or image's id.
    pub id: String,
    /// The container's name, or those of the image.
    pub names: Vec<String>,
    /// The digest of the image's manifest.
    pub digest: Option<String>,
    /// Where.
    pub path: PathBuf,
}

/// Mounts the files of a container, or counts once more where they are mounted already.
pub fn mount_container(engine: &Engine, name: &str) -> Result<MountReport> {
    require_root("mount")?;
    let containers = engine.containers();
    let id = containers.find(name)?;
    let container = containers.load(&id)?;
    let path = keep(engine, &Mounted::Container(id.clone()), || Root::open(engine, &id, View::Own))?;
    Ok(MountReport { id: id.to_string(), names: vec![container.name.to_string()], digest: None, path })
}

/// Mounts the files of an image, read-only.
pub fn mount_image(engine: &Engine, name: &str) -> Result<MountReport> {
    require_root("image mount")?;
    let store = engine.store()?;
    // Until it is mounted nobody removes it.
    let _lock = store.lock_shared()?;
    let image = image_name::lookup(engine, &store, name)?.ok_or_else(|| no_such_image(name))?;
    let of = Mounted::Image(image.id.clone());
    let place = Mounts::new(&engine.paths).place(&of);
    let path = keep(engine, &of, || {
        let layers: Vec<PathBuf> = store.image_layers(&image)?.into_iter().map(|layer| layer.tree).collect();
        overlay::mount_read_only(&layers, &place)
    })?;
    report_image(engine, &image, path)
}

/// The containers whose files are mounted in this mount namespace.
pub fn mounted_containers(engine: &Engine) -> Result<Vec<MountReport>> {
    require_root("mount")?;
    let containers = engine.containers();
    let mut reports = Vec::new();
    for (of, path) in here(engine)? {
        let Mounted::Container(id) = of else { continue };
        let name = containers.load(&id).map(|container| container.name.to_string());
        reports.push(MountReport { id: id.to_string(), names: name.into_iter().collect(), digest: None, path });
    }
    reports.sort_by(|a, b| a.names.cmp(&b.names));
    Ok(reports)
}

/// The images whose files are mounted in this mount namespace.
pub fn mounted_images(engine: &Engine) -> Result<Vec<MountReport>> {
    require_root("image mount")?;
    let store = engine.store()?;
    let mut reports = Vec::new();
    for (of, path) in here(engine)? {
        if let Mounted::Image(id) = of
            && let Some(image) = store.image(&id)?
        {
            reports.push(report_image(engine, &image, path)?);
        }
    }
    reports.sort_by(|a, b| a.names.cmp(&b.names));
    Ok(reports)
}

/// Takes back one mount of a container, or all with `force`. Returns its id.
pub fn unmount_container(engine: &Engine, name: &str, force: bool) -> Result<ContainerId> {
    require_root("umount")?;
    let id = match engine.containers().find(name) {
        // One that was removed since is still mounted.
        Err(error) if error.kind() == Kind::NotFound => removed(engine, name)?.ok_or(error)?,
        found => found?,
    };
    release(engine, &Mounted::Container(id.clone()), name, force).map(|()| id)
}

/// A container that is mounted here, by the beginning of its id.
fn removed(engine: &Engine, name: &str) -> Result<Option<ContainerId>> {
    let mut ids = here(engine)?.into_iter().filter_map(|(of, _)| match of {
        Mounted::Container(id) if id.as_str().starts_with(name) && name.len() >= 12 => Some(id),
        _ => None,
    });
    Ok(ids.next().filter(|_| ids.next().is_none()))
}

/// The same of an image. Returns the digits of its id.
pub fn unmount_image(engine: &Engine, name: &str, force: bool) -> Result<String> {
    require_root("image unmount")?;
    let image = image_name::lookup(engine, &engine.store()?, name)?.ok_or_else(|| no_such_image(name))?;
    release(engine, &Mounted::Image(image.id.clone()), name, force).map(|()| image.id.hex().to_owned())
}

fn require_root(command: &str) -> Result<()> {
    match outer::is_real_root() {
        true => Ok(()),
        false => Err(Error::new(
            Kind::Unsupported,
            format!("cannot {command} outside of your user namespace: nobody but root can mount"),
        )
        .hint(format!("begin a session with `coracle unshare`, and run `coracle {command}` in it"))
        .hint("what is mounted there is seen there, and ends with the session")),
    }
}

fn no_such_image(name: &str) -> Error {
    Error::not_found(format!("no such image: `{}`", text::clean(name)))
        .hint("`coracle images` lists the images there are")
}

fn report_image(engine: &Engine, image: &ImageRecord, path: PathBuf) -> Result<MountReport> {
    let names = engine.store()?.names_of(&image.id)?;
    Ok(MountReport {
        id: image.id.hex().to_owned(),
        names: names.iter().filter(|name| name.digest().is_none()).map(Reference::to_string).collect(),
        digest: Some(image.manifest.to_string()),
        path,
    })
}

fn here(engine: &Engine) -> Result<Vec<(Mounted, PathBuf)>> {
    let mounts = Mounts::new(&engine.paths);
    let _lock = mounts.lock()?;
    mounts.here()
}

/// Mounts what `make` makes, unless it is mounted here already. What `make` returns lives until it is mounted.
fn keep<T: AsFd>(engine: &Engine, of: &Mounted, make: impl FnOnce() -> Result<T>) -> Result<PathBuf> {
    engine.paths.ensure()?;
    let mounts = Mounts::new(&engine.paths);
    let lock = mounts.lock()?;
    let count = mounts.count(of)?;
    if count > 0 {
        return mounts.record(&lock, of, count.saturating_add(1));
    }
    let place = mounts.record(&lock, of, 1)?;
    let mounted = aside(make).and_then(|made| {
        failpoint::here("mount.made")?;
        attach(&made.as_fd(), &BeneathDir::open(&place).at(&place, "cannot open")?.as_fd())
    });
    match mounted {
        Ok(()) => Ok(place),
        Err(error) => {
            mounts.forget(&lock, of)?;
            Err(error)
        }
    }
}

fn release(engine: &Engine, of: &Mounted, name: &str, force: bool) -> Result<()> {
    let mounts = Mounts::new(&engine.paths);
    let lock = mounts.lock()?;
    match mounts.count(of)? {
        0 => Err(Error::conflict(format!("the files of `{}` are not mounted here", text::clean(name))).hint(
            "mounts are seen in one `coracle unshare` alone; without arguments, `mount` and `image mount` list them",
        )),
        count @ 2.. if !force => mounts.record(&lock, of, count - 1).map(drop),
        _ => {
            let place = mounts.place(of);
            // Files that are still open stay so.
            umount2(&place, MntFlags::MNT_DETACH).at(&place, "cannot unmount")?;
            failpoint::here("mount.undone")?;
            mounts.forget(&lock, of)
        }
    }
}

/// Does something in a mount namespace of its own, whose mounts nobody else sees, and comes back.
fn aside<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let back = File::open("/proc/self/ns/mnt").context(|| "cannot keep our mount namespace")?;
    unshare(CloneFlags::CLONE_NEWNS).context(|| "cannot make a mount namespace")?;
    let none: Option<&str> = None;
    let done = mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_SLAVE, none)
        .context(|| "cannot separate the mounts from ours")
        .and_then(|()| work());
    setns(&back, CloneFlags::CLONE_NEWNS).context(|| "cannot go back to our mount namespace")?;
    done
}

impl AsFd for Root {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        let fd: &OwnedFd = &self.fd;
        fd.as_fd()
    }
}
