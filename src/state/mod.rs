//! Containers on disk: creating, finding, listing and removing them.
//!
//! # Format
//!
//! ```text
//! <data>/names/web -> ../containers/<id>     a symbolic link is the name: symlink(2) makes it unique, and its
//!                                            presence is what makes a container exist
//! <data>/containers/<id>/container.json      what it is; immutable
//!                       /settings.json       what was changed of that later, if anything was: its name, its networks, its
//!                                            restart policy; replaced by the holder of the lock
//!                       /state.json          how its last run went; replaced by its supervisor
//!                       /state.reserve       room for the next one, while it runs
//!                       /upper, /work        overlayfs
//!                       /log                 json-file log of its output
//!                       /hosts, /hostname, /resolv.conf
//!                       /secrets              values that it was created with, see `secrets`
//! <runtime>/containers/<id>                  the supervisor's socket
//! <runtime>/execs/<id>                       processes that were added to it: see `sessions`
//! <runtime>/mounts                           what users have mounted for themselves: see `mounts`
//! <data>/events                              what has happened: see `events`
//! ```
//!
//! The directory itself is the lock (flock(2)): whoever creates, supervises or removes the container holds it.
//!
//! # Life
//!
//! Creating: the directory is staged with everything in it, its lock held, and published under its id; then the name is
//! linked, the commit point. Removing: the lock is taken (so it is not running), the name is unlinked, the commit
//! point; then the directory moves to the trash. A directory without a name, whose lock is free, is garbage of somebody
//! who was killed in between; [`Containers::sweep`] takes it away.
//!
//! A container that is to be removed with its end (`--rm`) is removed by its supervisor. Where that was killed, or never
//! came to be, whoever meets the container next does it: it is never found, listed or in the way of a new one of its name.
//!
//! Readers (`ps`, `inspect`) take no lock at all. Whether a container runs is told by its processes, not by a record:
//! see [`RunState::status`].

pub mod events;
mod formats;
mod listing;
pub mod mounts;
mod pods;
pub mod record;
pub mod secrets;
pub mod sessions;
mod volumes;
mod watch;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use events::Journal;
use sessions::Sessions;

pub use crate::spec::container::{Container, ContainerConfig, LastRun, Status};
pub use pods::Pods;
pub use record::RunState;
pub use volumes::Volumes;

use crate::base::error::if_absent;
use crate::base::id::Name;
use crate::base::lock::{Lock, Mode};
use crate::base::publish::{self, Durability, Reserve, Staging};
use crate::base::{ContainerId, Error, Kind, Paths, Result, ResultExt, failpoint, paths, text};
use crate::spec::events::{Action, Event};
use crate::spec::health::HealthStatus;
use crate::spec::network::Joined;
use crate::spec::secret::Value;
use crate::spec::settings::Settings;
use crate::spec::storage::MountSource;

/// The record of what a container is.
const CONFIG: &str = "container.json";
/// The record of what was changed of that.
const SETTINGS: &str = "settings.json";
/// The record of how its last run went.
const STATE: &str = "state.json";

/// The containers of one user.
#[derive(Debug, Clone)]
pub struct Containers {
    paths: Paths,
}

/// The right to change one container: its lock.
#[derive(Debug)]
pub struct ContainerGuard {
    _lock: Lock,
    /// Which container.
    pub id: ContainerId,
}

impl Containers {
    /// The containers below `paths`.
    pub fn new(paths: &Paths) -> Self {
        Self { paths: paths.clone() }
    }

    /// Where they are.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// Makes a container exist: writes its record and everything in `files` (name and content), then links its name.
    /// Its root directory gets `root_mode`, the image's. `values` are those of its secrets, in their order. The returned
    /// guard still holds its lock.
    pub fn create(
        &self,
        config: &ContainerConfig,
        root_mode: u32,
        files: &[(&str, &[u8])],
        values: &[Value],
    ) -> Result<ContainerGuard> {
        self.paths.ensure()?;
        self.refuse_taken_name(&config.name)?;
        let durability = durability(config);
        let staging = Staging::new(&self.paths.staging())?;
        // Modes are set, not left to the umask: the upper is the container's root, and its users read the files.
        for (name, mode) in [("upper", root_mode), ("work", 0o700)] {
            let path = staging.path().join(name);
            fs::create_dir(&path).at(&path, "cannot create the directory")?;
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).at(&path, "cannot set the mode of")?;
        }
        for (name, content) in files {
            let path = staging.path().join(name);
            fs::write(&path, content).at(&path, "cannot write")?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).at(&path, "cannot set the mode of")?;
        }
        if !values.is_empty() {
            let directory = staging.path().join(secrets::OF_CONTAINER);
            paths::private_dir(&directory)?;
            for (secret, value) in config.secrets.iter().zip(values) {
                publish::file(&directory.join(&secret.id), value.bytes(), durability)?;
            }
        }
        publish::json(&staging.path().join(CONFIG), config, durability)?;
        failpoint::here("container.create.staged")?;
        let directory = self.paths.container(&config.id);
        let lock = staging
            .publish(&directory, durability)?
            .ok_or_else(|| Error::conflict(format!("container {} exists already", config.id)))?;
        let guard = ContainerGuard { _lock: lock, id: config.id.clone() };
        let linked = failpoint::here("container.create.published")
            .and_then(|()| self.link_name(&config.name, &config.id, durability));
        match linked {
            Ok(()) => {
                failpoint::pass("container.create.named");
                Ok(guard)
            }
            Err(error) => {
                publish::discard(&directory, &self.paths.trash(), Durability::Volatile)?;
                Err(error)
            }
        }
    }

    /// The id behind a name, an id or the unambiguous beginning of one. An abandoned container is removed instead.
    pub fn find(&self, text: &str) -> Result<ContainerId> {
        let id = self.look_up(text)?;
        match self.sweep_abandoned(&id)? {
            true => Err(no_such(text)),
            false => Ok(id),
        }
    }

    fn look_up(&self, text: &str) -> Result<ContainerId> {
        if let Ok(name) = text.parse::<Name>()
            && let Some(id) = self.named(&name)?
        {
            return Ok(id);
        }
        let is_prefix = !text.is_empty() && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let mut matches = match is_prefix {
            true => self.names()?.into_iter().filter(|(_, id)| id.as_str().starts_with(text)).collect::<Vec<_>>(),
            false => Vec::new(),
        };
        match (matches.pop(), matches.len()) {
            (Some((_, id)), 0) => Ok(id),
            (Some(_), _) => Err(Error::usage(format!("more than one container id begins with `{text}`"))
                .hint("give more digits, or the name")),
            (None, _) => Err(no_such(text)),
        }
    }

    /// One container with its present status.
    pub fn load(&self, id: &ContainerId) -> Result<Container> {
        let directory = self.paths.container(id);
        let mut config = self.config(id)?;
        let (status, joined, run) = now(self.state(id)?);
        let name = match self.named(&config.name)?.as_ref() == Some(id) {
            true => config.name.clone(),
            false => self
                .names()?
                .into_iter()
                .find(|(_, other)| other == id)
                .map(|(name, _)| name)
                .ok_or_else(|| Error::not_found(format!("`{}` is not a container any more", directory.display())))?,
        };
        // Whoever renamed it may have been killed before the settings had the name.
        config.name.clone_from(&name);
        Ok(Container { config, name, status, joined, run })
    }

    /// What a container is now: as it was created, with its settings applied.
    pub fn config(&self, id: &ContainerId) -> Result<ContainerConfig> {
        let path = self.paths.container(id).join(CONFIG);
        let bytes = if_absent(fs::read(&path)).at(&path, "cannot read")?;
        let bytes = bytes.ok_or_else(|| Error::not_found(format!("no such container: `{}`", id.short())))?;
        let mut config = self.parse_config(id, &bytes)?;
        self.settings(id)?.apply(&mut config);
        Ok(config)
    }

    /// What was changed of a container since it was created. A record that a power cut left empty counts as none.
    pub fn settings(&self, id: &ContainerId) -> Result<Settings> {
        let path = self.paths.container(id).join(SETTINGS);
        match if_absent(fs::read(&path)).at(&path, "cannot read")? {
            Some(bytes) => self.parse_settings(id, &bytes),
            None => Ok(Settings::default()),
        }
    }

    /// How its last run went; `None` when it was never started. A record that a power cut left empty counts as lost.
    pub fn state(&self, id: &ContainerId) -> Result<Option<RunState>> {
        let path = self.paths.container(id).join(STATE);
        match if_absent(fs::read(&path)).at(&path, "cannot read")? {
            Some(bytes) => self.parse_state(id, &bytes),
            None => Ok(None),
        }
    }

    fn parse_config(&self, id: &ContainerId, bytes: &[u8]) -> Result<ContainerConfig> {
        formats::container(bytes, id, &|| self.paths.container(id).join(CONFIG))
    }

    fn parse_settings(&self, id: &ContainerId, bytes: &[u8]) -> Result<Settings> {
        match bytes.is_empty() {
            true => Ok(Settings::default()),
            false => formats::settings(bytes, id, &|| self.paths.container(id).join(SETTINGS)),
        }
    }

    fn parse_state(&self, id: &ContainerId, bytes: &[u8]) -> Result<Option<RunState>> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let path = || self.paths.container(id).join(STATE);
        let state: RunState = serde_json::from_slice(bytes).at(&path(), "cannot understand the record")?;
        record::check_format(state.format, record::FORMAT, || format!("the state of container `{}`", id.short()))?;
        Ok(Some(state))
    }

    /// Replaces the record of the run. Only for the holder of the container's lock.
    pub fn set_state(&self, guard: &ContainerGuard, state: &RunState, durability: Durability) -> Result<()> {
        publish::json(&self.paths.container(&guard.id).join(STATE), state, durability)
    }

    /// Takes room on the disk for the record of a run's end, which must not be lost when the disk is full by then.
    pub fn reserve_state(&self, guard: &ContainerGuard) -> Result<Reserve> {
        Reserve::new(&self.paths.container(&guard.id).join(STATE))
    }

    /// [`Self::set_state`] for the end of a run, in `reserve` when there is no other room.
    pub fn set_last_state(
        &self,
        guard: &ContainerGuard,
        state: &RunState,
        durability: Durability,
        reserve: Option<Reserve>,
    ) -> Result<()> {
        match reserve {
            Some(reserve) => reserve.json(&self.paths.container(&guard.id).join(STATE), state, durability),
            None => self.set_state(guard, state, durability),
        }
    }

    /// Replaces the record of what was changed of a container. Only for the holder of its lock.
    pub fn set_settings(&self, guard: &ContainerGuard, settings: &Settings, durability: Durability) -> Result<()> {
        publish::json(&self.paths.container(&guard.id).join(SETTINGS), settings, durability)
    }

    /// Takes the container's lock; `None` while it is being created, supervised or removed.
    pub fn guard(&self, id: &ContainerId) -> Result<Option<ContainerGuard>> {
        let directory = self.paths.container(id);
        match Lock::attempt_directory(&directory)? {
            None if !directory.is_dir() => Err(Error::not_found(format!("no such container: `{}`", id.short()))),
            lock => Ok(lock.map(|lock| ContainerGuard { _lock: lock, id: id.clone() })),
        }
    }

    /// Removes the container if it was to be removed with its end and nobody is left to do so. Whether it did. Records that
    /// cannot be read are left for others to report.
    fn sweep_abandoned(&self, id: &ContainerId) -> Result<bool> {
        let abandoned = || {
            let config = self.config(id).ok().filter(|config| config.lifecycle.remove)?;
            let state = self.state(id).ok()?;
            record::is_abandoned(&config, state.as_ref()).then_some(config)
        };
        if abandoned().is_none() {
            return Ok(false);
        }
        // The holder of the lock starts it or removes it.
        let guard = match self.guard(id) {
            Ok(Some(guard)) => guard,
            Ok(None) => return Ok(false),
            Err(error) if error.kind() == Kind::NotFound => return Ok(true),
            Err(error) => return Err(error),
        };
        match abandoned() {
            Some(config) => self.remove_with_volumes(guard, &config, Durability::Volatile).map(|()| true),
            None => Ok(false),
        }
    }

    /// [`Self::remove`], and the container's anonymous volumes.
    pub fn remove_with_volumes(
        &self,
        guard: ContainerGuard,
        config: &ContainerConfig,
        durability: Durability,
    ) -> Result<()> {
        self.remove(guard, durability)?;
        for mount in &config.storage.mounts {
            if let MountSource::Volume { name, anonymous: true, .. } = &mount.source {
                // Another container may have it by its name, and then it stays.
                match Volumes::new(&self.paths).remove(name, Durability::Volatile) {
                    Err(error) if !matches!(error.kind(), Kind::Conflict | Kind::NotFound) => return Err(error),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Removes a container that the guard's holder has stopped. Its files go to the trash.
    pub fn remove(&self, guard: ContainerGuard, durability: Durability) -> Result<()> {
        failpoint::here("container.remove.locked")?;
        let config = self.config(&guard.id).ok();
        if let Some(file) = config.as_ref().and_then(|config| config.lifecycle.files.cid.as_ref()) {
            remove_id_file(file, &guard.id);
        }
        let names = match config.as_ref().map(|config| &config.name) {
            Some(name) if self.named(name)?.as_ref() == Some(&guard.id) => vec![(name.clone(), guard.id.clone())],
            _ => self.names()?,
        };
        for (name, _) in names.into_iter().filter(|(_, id)| *id == guard.id) {
            let link = self.paths.names().join(name.as_str());
            if_absent(fs::remove_file(&link)).at(&link, "cannot remove the name")?;
        }
        if durability == Durability::Durable {
            publish::sync_dir(&self.paths.names())?;
        }
        failpoint::here("container.remove.unnamed")?;
        publish::discard(&self.paths.container(&guard.id), &self.paths.trash(), Durability::Volatile)?;
        // A supervisor that was killed has left its socket, and what it knew of processes that were added.
        let _ = fs::remove_file(self.paths.container_socket(&guard.id));
        Sessions::new(&self.paths).forget_all(&guard.id);
        if let Some(config) = &config {
            Journal::new(&self.paths).record(Event::of_container(config, Action::Destroy));
        }
        Ok(())
    }

    /// Gives a container another name: one rename of its link, which keeps names unique. Only for the holder of its lock, who
    /// then puts it into the settings.
    pub fn rename(&self, guard: &ContainerGuard, name: &Name, durability: Durability) -> Result<()> {
        use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
        let former = self.load(&guard.id)?.name;
        if former == *name {
            return Err(Error::usage("renaming a container with the same name as its current name"));
        }
        let (from, to) = (self.paths.names().join(former.as_str()), self.paths.names().join(name.as_str()));
        loop {
            failpoint::here("container.rename")?;
            match renameat2(AT_FDCWD, &from, AT_FDCWD, &to, RenameFlags::RENAME_NOREPLACE) {
                Ok(()) => break,
                Err(nix::errno::Errno::EEXIST) => self.clear_dangling_name(name)?,
                Err(errno) => return Err(errno).at(&to, "cannot link the name"),
            }
        }
        failpoint::here("container.renamed")?;
        match durability {
            Durability::Durable => publish::sync_dir(&self.paths.names()),
            Durability::Volatile => Ok(()),
        }
    }

    /// Takes away what killed processes left: half-made containers and those without a name.
    pub fn sweep(&self) -> Result<()> {
        publish::sweep(&self.paths.staging())?;
        let named: Vec<ContainerId> = self.names()?.into_iter().map(|(_, id)| id).collect();
        let directories =
            if_absent(fs::read_dir(self.paths.containers())).at(&self.paths.containers(), "cannot list")?;
        for entry in directories.into_iter().flatten().flatten() {
            let Ok(id) = entry.file_name().to_string_lossy().parse::<ContainerId>() else { continue };
            // The lock is free only if nobody is about to name it; the name is looked up again under the lock.
            if !named.contains(&id)
                && let Some(_lock) = Lock::attempt_directory(&entry.path())?
                && !self.names()?.iter().any(|(_, other)| *other == id)
            {
                publish::discard(&entry.path(), &self.paths.trash(), Durability::Volatile)?;
            }
        }
        Ok(())
    }

    /// All names with the ids behind them.
    fn names(&self) -> Result<Vec<(Name, ContainerId)>> {
        let links = self.links()?;
        Ok(links.iter().flat_map(|links| links.entries.iter().filter_map(|entry| links.read(entry))).collect())
    }

    /// The directory of names; none when nothing was ever named.
    fn links(&self) -> Result<Option<Links>> {
        let path = self.paths.names();
        let Some(entries) = if_absent(fs::read_dir(&path)).at(&path, "cannot list")? else { return Ok(None) };
        let entries = entries.map(|entry| entry.map(|entry| entry.file_name()));
        let entries = entries.collect::<io::Result<_>>().at(&path, "cannot list")?;
        let directory = fs::File::open(&path).at(&path, "cannot open")?;
        Ok(Some(Links { directory, entries }))
    }

    /// Containers that run on networks, and what these gave them. Those whose records cannot be read are left out.
    pub fn on_networks(&self) -> BTreeMap<ContainerId, Joined> {
        // Only who runs has a socket, and to look at all containers would take time.
        let sockets: Vec<_> =
            fs::read_dir(self.paths.runtime.join("containers")).into_iter().flatten().flatten().collect();
        if sockets.is_empty() {
            return BTreeMap::new();
        }
        let ids = self.names().unwrap_or_default().into_iter().map(|(_, id)| id);
        let has_socket = |id: &ContainerId| {
            let socket = self.paths.container_socket(id);
            sockets.iter().any(|entry| Some(entry.file_name().as_os_str()) == socket.file_name())
        };
        let joined = |id: ContainerId| now(self.state(&id).ok()?).1.map(|joined| (id, joined));
        ids.filter(has_socket).filter_map(joined).collect()
    }

    fn named(&self, name: &Name) -> Result<Option<ContainerId>> {
        let link = self.paths.names().join(name.as_str());
        let target = match fs::read_link(&link) {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => None,
            target => if_absent(target).at(&link, "cannot read the name")?,
        };
        Ok(target.as_deref().and_then(id_of_target))
    }

    fn refuse_taken_name(&self, name: &Name) -> Result<()> {
        match self.named(name)? {
            Some(id) if self.paths.container(&id).is_dir() && !self.sweep_abandoned(&id)? => Err(taken(name, &id)),
            _ => Ok(()),
        }
    }

    /// A name exists: an error when a container has it. A power cut can leave one whose directory is gone; one process at a
    /// time clears it away.
    fn clear_dangling_name(&self, name: &Name) -> Result<()> {
        self.refuse_taken_name(name)?;
        let _lock = Lock::wait(&self.paths.data.join("names.lock"), Mode::Exclusive)?;
        self.refuse_taken_name(name)?;
        let link = self.paths.names().join(name.as_str());
        if_absent(fs::remove_file(&link)).at(&link, "cannot remove the dangling name").map(drop)
    }

    fn link_name(&self, name: &Name, id: &ContainerId, durability: Durability) -> Result<()> {
        let link = self.paths.names().join(name.as_str());
        let target = Path::new("../containers").join(id.as_str());
        loop {
            match symlink(&target, &link) {
                Ok(()) => break,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.clear_dangling_name(name)?,
                Err(error) => return Err(error).at(&link, "cannot link the name"),
            }
        }
        match durability {
            Durability::Durable => publish::sync_dir(&self.paths.names()),
            Durability::Volatile => Ok(()),
        }
    }
}

/// The directory of names. Links are read relative to it: with a thousand of them, looking up the path each time is what
/// takes the time.
struct Links {
    directory: fs::File,
    entries: Vec<OsString>,
}

impl Links {
    /// A name, and the container that it belongs to; none when the entry is something else.
    fn read(&self, entry: &OsStr) -> Option<(Name, ContainerId)> {
        let target = rustix::fs::readlinkat(&self.directory, entry, Vec::new()).ok()?;
        let id = id_of_target(Path::new(target.to_str().ok()?))?;
        Some((entry.to_str()?.parse().ok()?, id))
    }
}

/// A container that goes away with its process need not survive a power cut.
pub fn durability(config: &ContainerConfig) -> Durability {
    match config.lifecycle.remove {
        true => Durability::Volatile,
        false => Durability::Durable,
    }
}

/// Removes the file that a container's id was written to, unless it has become somebody else's.
fn remove_id_file(path: &Path, id: &ContainerId) {
    if fs::read(path).is_ok_and(|content| content == id.as_str().as_bytes()) {
        let _ = fs::remove_file(path);
    }
}

fn no_such(text: &str) -> Error {
    Error::not_found(format!("no such container: `{}`", text::clean(text)))
        .hint("`coracle ps -a` lists the containers there are")
}

fn taken(name: &Name, id: &ContainerId) -> Error {
    Error::conflict(format!("the container name `{name}` is already in use by container {}", id.short()))
        .hint(format!("remove it with `coracle rm {name}`, or choose another name"))
}

fn id_of_target(target: &Path) -> Option<ContainerId> {
    target.file_name()?.to_str()?.parse().ok()
}

/// What the record of a run means now.
fn now(state: Option<RunState>) -> (Status, Option<Joined>, LastRun) {
    let Some(state) = state else { return (Status::Created, None, LastRun::default()) };
    let status = state.status();
    let runs = status.is_running();
    let mut health = state.health;
    // A supervisor that was killed has left what it knew.
    if let Some(health) = health.as_mut().filter(|_| !runs) {
        health.status = HealthStatus::Unhealthy;
    }
    let RunState { restarts, stopped, oom_killed, limits, .. } = state;
    (status, state.joined.filter(|_| runs), LastRun { health, restarts, stopped, oom_killed, limits })
}
