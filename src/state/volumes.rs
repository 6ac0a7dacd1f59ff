//! Volumes on disk: the only writer of their records.
//!
//! # Format
//!
//! ```text
//! <data>/volumes/NAME/volume.json   what it is; immutable
//!                    /_data         what containers see; not used by a volume that is a directory of the host
//! <data>/volumes.lock               shared by who is making a container, alone for who removes
//! ```
//!
//! A directory without a record was made before there were records: it has no labels, and is anonymous if its name is 64
//! hexadecimal digits, as docker has it.
//!
//! # Life
//!
//! A volume is staged with everything in it and published under its name, which makes it unique. It is in use as long as any
//! container's record names it, whether that runs or not. Who makes a container shares the lock from the moment that it has
//! found its volumes until its record is there; who removes a volume looks for its users under the lock alone. So no container
//! ever misses a volume that it was made with.

use std::fs;
use std::path::PathBuf;

use super::Containers;
use super::events::Journal;
use super::record::check_format;
use crate::base::error::if_absent;
use crate::base::id::Name;
use crate::base::lock::{Lock, Mode};
use crate::base::publish::{self, Durability, Staging};
use crate::base::{ContainerId, Error, Paths, Result, ResultExt, failpoint, paths, text};
use crate::spec::events::{Action, Event, Subject};
use crate::spec::storage::MountSource;
use crate::spec::volume::{self, DRIVER, Directory, FORMAT, Volume};

/// The record of a volume.
const RECORD: &str = "volume.json";
/// What containers see.
const DATA: &str = "_data";

/// The volumes of one user.
#[derive(Debug, Clone)]
pub struct Volumes {
    paths: Paths,
}

impl Volumes {
    /// The volumes below `paths`.
    pub fn new(paths: &Paths) -> Self {
        Self { paths: paths.clone() }
    }

    /// Keeps volumes from being removed until the lock is dropped.
    pub fn hold(&self) -> Result<Lock> {
        self.lock(Mode::Shared)
    }

    /// Makes a volume exist. False when there is one of its name already.
    pub fn create(&self, volume: &Volume, durability: Durability) -> Result<bool> {
        self.paths.ensure()?;
        if self.directory(&volume.name).is_dir() {
            return Ok(false);
        }
        let staging = Staging::new(&self.paths.staging())?;
        let data = staging.path().join(DATA);
        fs::create_dir(&data).at(&data, "cannot create the directory")?;
        publish::json(&staging.path().join(RECORD), volume, durability)?;
        failpoint::here("volume.create.staged")?;
        let made = staging.publish(&self.directory(&volume.name), durability)?.is_some();
        if made {
            self.tell(Action::Create, &volume.name);
        }
        failpoint::pass("volume.create.published");
        Ok(made)
    }

    /// One volume; none when there is no such.
    pub fn load(&self, name: &Name) -> Result<Option<Volume>> {
        let directory = self.directory(name);
        let path = directory.join(RECORD);
        match if_absent(fs::read(&path)).at(&path, "cannot read")? {
            Some(bytes) => {
                let volume: Volume = serde_json::from_slice(&bytes).at(&path, "cannot understand the record")?;
                check_format(volume.format, FORMAT, || format!("volume `{name}`"))?;
                Ok(Some(volume))
            }
            None => Ok(if_absent(fs::metadata(&directory)).at(&directory, "cannot examine")?.map(|metadata| Volume {
                format: FORMAT,
                name: name.clone(),
                created: metadata.modified().ok().and_then(|time| time.try_into().ok()).unwrap_or_default(),
                labels: Default::default(),
                options: Default::default(),
                anonymous: name.as_str().len() == 64 && name.as_str().bytes().all(|byte| byte.is_ascii_hexdigit()),
                device: None,
            })),
        }
    }

    /// One volume, which must exist.
    pub fn find(&self, name: &str) -> Result<Volume> {
        let absent = || {
            Error::not_found(format!("no such volume: `{}`", text::clean(name)))
                .hint("`coracle volume ls` lists the volumes there are")
        };
        let Ok(parsed) = name.parse::<Name>() else { return Err(absent()) };
        self.load(&parsed)?.ok_or_else(absent)
    }

    /// All volumes, and what is wrong with those that cannot be read.
    pub fn list(&self) -> Result<(Vec<Volume>, Vec<Error>)> {
        let directory = self.paths.volumes();
        let (mut volumes, mut broken) = (Vec::new(), Vec::new());
        for entry in if_absent(fs::read_dir(&directory)).at(&directory, "cannot list")?.into_iter().flatten().flatten()
        {
            let Some(name) = entry.file_name().to_str().and_then(|name| name.parse::<Name>().ok()) else { continue };
            match self.load(&name) {
                Ok(volume) => volumes.extend(volume),
                Err(error) => broken.push(error),
            }
        }
        Ok((volumes, broken))
    }

    /// Where the files of a volume are, or will be.
    pub fn place(&self, volume: &Volume) -> Directory {
        match &volume.device {
            Some(device) => {
                Directory { path: device.path.clone(), read_only: device.read_only, ours: false, owner: None }
            }
            None => Directory {
                path: self.directory(&volume.name).join(DATA),
                read_only: false,
                ours: true,
                // It was readable when the volume was made.
                owner: volume::owner(&volume.options).unwrap_or_default(),
            },
        }
    }

    /// Where the files of a container's volume are.
    pub fn place_of(&self, name: &Name) -> Result<Directory> {
        let volume = self.load(name)?.ok_or_else(|| {
            Error::not_found(format!("the volume `{name}` of the container is gone"))
                .hint(format!("`coracle volume create {name}` makes an empty one of that name"))
        })?;
        Ok(self.place(&volume))
    }

    /// The containers that have a volume, with their names. One whose record cannot be read may have it: that is an error.
    pub fn users(&self, name: &Name) -> Result<Vec<(Name, ContainerId)>> {
        let mut users = Vec::new();
        for container in Containers::new(&self.paths).list()? {
            let container = container.context(|| format!("cannot tell who uses the volume `{name}`"))?;
            let has = container.config.storage.mounts.iter().any(|mount| match &mount.source {
                MountSource::Volume { name: of, .. } => of == name,
                _ => false,
            });
            if has {
                users.push((container.name, container.config.id));
            }
        }
        Ok(users)
    }

    /// Removes a volume that no container has. Its files go to the trash; those of a directory of the host stay.
    pub fn remove(&self, name: &Name, durability: Durability) -> Result<()> {
        let _lock = self.lock(Mode::Exclusive)?;
        failpoint::here("volume.remove.locked")?;
        let users = self.users(name)?;
        if !users.is_empty() {
            let ids: Vec<&str> = users.iter().map(|(_, id)| id.as_str()).collect();
            let names: Vec<&str> = users.iter().map(|(name, _)| name.as_str()).take(5).collect();
            return Err(Error::conflict(format!("remove {name}: volume is in use - [{}]", ids.join(", ")))
                .hint(format!("remove what uses it first: coracle rm -f {}", names.join(" "))));
        }
        match publish::discard(&self.directory(name), &self.paths.trash(), durability)? {
            true => {
                self.tell(Action::Destroy, name);
                Ok(())
            }
            false => Err(Error::not_found(format!("no such volume: `{name}`"))),
        }
    }

    fn tell(&self, action: Action, name: &Name) {
        Journal::new(&self.paths).record(Event::new(Subject::Volume, action, name).with("driver", DRIVER));
    }

    fn directory(&self, name: &Name) -> PathBuf {
        self.paths.volumes().join(name.as_str())
    }

    fn lock(&self, mode: Mode) -> Result<Lock> {
        paths::private_dir(&self.paths.volumes())?;
        Lock::wait(&self.paths.volumes().with_extension("lock"), mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths() -> (Paths, Staging) {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        let below = |name: &str| scratch.path().join(name);
        let paths = Paths { data: below("d"), runtime: below("r"), config: below("c"), home: below("h") };
        paths.ensure().unwrap();
        (paths, scratch)
    }

    fn volume(name: &str) -> Volume {
        Volume {
            format: FORMAT,
            name: name.parse().unwrap(),
            created: jiff::Timestamp::UNIX_EPOCH,
            labels: [("a".to_owned(), "b".to_owned())].into(),
            options: Default::default(),
            anonymous: false,
            device: None,
        }
    }

    #[test]
    fn a_volume_is_made_once_and_removed_once() {
        let (paths, _scratch) = paths();
        let volumes = Volumes::new(&paths);
        let data = volume("data");
        assert!(volumes.create(&data, Durability::Durable).unwrap());
        assert!(!volumes.create(&data, Durability::Durable).unwrap());
        assert_eq!(volumes.find("data").unwrap(), data);
        let place = volumes.place_of(&data.name).unwrap();
        assert!(place.path.is_dir() && place.ours && !place.read_only);
        volumes.remove(&data.name, Durability::Durable).unwrap();
        assert_eq!(volumes.remove(&data.name, Durability::Durable).unwrap_err().kind(), crate::base::Kind::NotFound);
        assert_eq!(volumes.find("data").unwrap_err().message(), "no such volume: `data`");
        assert_eq!(volumes.find("../etc").unwrap_err().kind(), crate::base::Kind::NotFound);
        assert!(!place.path.exists() && volumes.place_of(&data.name).is_err());
    }

    #[test]
    fn directories_from_before_there_were_records_are_volumes() {
        let (paths, _scratch) = paths();
        let volumes = Volumes::new(&paths);
        let anonymous = "ab".repeat(32);
        for name in ["old", &anonymous] {
            fs::create_dir_all(paths.volumes().join(name).join("_data")).unwrap();
        }
        fs::create_dir_all(paths.volumes().join("broken")).unwrap();
        fs::write(paths.volumes().join("broken").join(RECORD), "{").unwrap();
        drop(volumes.hold().unwrap());
        let (listed, broken) = volumes.list().unwrap();
        let mut found: Vec<(&str, bool)> =
            listed.iter().map(|volume| (volume.name.as_str(), volume.anonymous)).collect();
        found.sort_unstable();
        assert_eq!(found, [(anonymous.as_str(), true), ("old", false)]);
        assert_eq!(broken.len(), 1);
    }
}
