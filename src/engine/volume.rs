//! `volume create`, `ls`, `inspect`, `rm` and `prune`.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use super::network::list::natural;
use super::remove::{Removal, remove as remove_containers};
use super::{Engine, pull, reclaim, usage};
use crate::base::id::{Name, random_hex};
use crate::base::publish::Durability;
use crate::base::{Error, Kind, Result, ResultExt, text, time};
use crate::spec::filter::{Any, Filter, Keys, Labels};
use crate::spec::pattern::Pattern;
use crate::spec::storage::MountSource;
use crate::spec::volume::{self, DRIVER, Volume};
use crate::state::Volumes;

/// A volume to make.
#[derive(Debug, Clone, Default)]
pub struct CreateRequest {
    /// Its name; one is made up when none is given, as of an anonymous volume.
    pub name: Option<String>,
    /// `--driver`; empty for the only one.
    pub driver: String,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
    /// `--opt`.
    pub options: BTreeMap<String, String>,
}

/// Makes a volume and returns its name, and whether it is new. There may be one of the name already: then its options must be
/// the same.
pub fn create(engine: &Engine, request: &CreateRequest) -> Result<(Name, bool)> {
    if !matches!(request.driver.as_str(), "" | DRIVER) {
        let driver = text::clean(&request.driver);
        return Err(Error::unsupported(format!(
            "error looking up volume plugin {driver}: plugin \"{driver}\" not found"
        ))
        .hint("the only volume driver is local"));
    }
    let device = volume::device(&request.options)?;
    if let Some(device) = &device
        && !device.path.is_dir()
    {
        return Err(Error::not_found(format!(
            "the device `{}` of the volume is not a directory",
            device.path.display()
        ))
        .hint("make it first"));
    }
    let anonymous = request.name.is_none();
    let name: Name = match &request.name {
        Some(name) => name.parse()?,
        None => random_hex()?.parse()?,
    };
    let volume = Volume {
        labels: request.labels.clone(),
        options: request.options.clone(),
        device,
        ..volume::new(name.clone(), anonymous)
    };
    let volumes = Volumes::new(&engine.paths);
    if volumes.create(&volume, Durability::Durable)? {
        return Ok((name, true));
    }
    let there = volumes.find(name.as_str())?;
    match request.options.is_empty() || there.options == request.options {
        true => Ok((name, false)),
        false => Err(Error::conflict(format!("a volume named {name} exists already with other options"))
            .hint(format!("`coracle volume inspect {name}` shows them"))),
    }
}

/// Which volumes are meant, see [`crate::spec::filter`].
#[derive(Debug, Clone, Default)]
pub struct Filters {
    dangling: Option<bool>,
    drivers: Any<String>,
    names: Any<Pattern>,
    labels: Labels,
    options: Labels,
    scopes: Any<String>,
    until: Option<Timestamp>,
    /// `all`, of docker's prune: named volumes, too.
    all: Option<bool>,
}

impl Filters {
    /// The keys of `volume ls`.
    pub const LIST: Keys =
        Keys { known: &["dangling", "driver", "label", "name", "opt", "scope", "until"], excludable: &["label"] };
    /// The keys of `volume prune`.
    pub const PRUNE: Keys = Keys { known: &["all", "label", "until"], excludable: &["label"] };

    /// Adds one `key=value`, whose key must be among `keys`. `time` reads a point in time.
    pub fn add(&mut self, filter: &str, keys: &Keys, time: &dyn Fn(&str) -> Result<Timestamp>) -> Result<()> {
        let filter = Filter::parse(filter, keys)?;
        match filter.key {
            "dangling" => self.dangling = Some(filter.switch()?),
            "driver" => self.drivers.push(filter.value),
            "name" => self.names.push(filter.pattern()?),
            "label" => self.labels.add(&filter),
            "opt" => self.options.add(&filter),
            "scope" => self.scopes.push(filter.value),
            "until" => self.until = Some(time(&filter.value)?),
            "all" => self.all = Some(filter.switch()?),
            _ => return Err(filter.wrong()),
        }
        Ok(())
    }

    fn fit(&self, volume: &Volume, used: &dyn Fn() -> bool) -> bool {
        self.drivers.fits(|driver| driver == DRIVER)
            && self.scopes.fits(|scope| scope == "local")
            && self.names.are_in(volume.name.as_str())
            && self.labels.fit(&volume.labels)
            && self.options.fit(&volume.options)
            && self.until.is_none_or(|until| volume.created < until)
            && self.dangling.is_none_or(|dangling| dangling != used())
    }
}

/// A volume in the shape of docker's `GET /volumes/{name}` (API 1.48).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VolumeReport {
    created_at: String,
    driver: &'static str,
    labels: Option<BTreeMap<String, String>>,
    mountpoint: String,
    /// Its name.
    pub name: String,
    options: Option<BTreeMap<String, String>>,
    scope: &'static str,
}

/// A volume in the shape of podman's `volume inspect`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PodmanReport {
    /// Its name.
    pub name: String,
    driver: &'static str,
    mountpoint: String,
    created_at: String,
    labels: BTreeMap<String, String>,
    scope: &'static str,
    options: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    anonymous: bool,
    /// podman counts the mounts that a volume's driver has made; a directory needs none.
    mount_count: usize,
}

/// A volume that was listed.
#[derive(Debug, Clone)]
pub struct Listed {
    /// What it is.
    pub volume: Volume,
    /// The directory that containers see.
    pub mountpoint: String,
    /// How many containers have it.
    pub users: usize,
}

/// The volumes that fit, by name, and what cannot be read.
pub fn list(engine: &Engine, filters: &Filters) -> Result<(Vec<Listed>, Vec<Error>)> {
    let volumes = Volumes::new(&engine.paths);
    let (mut found, broken) = volumes.list()?;
    found.sort_by(|a, b| natural(a.name.as_str(), b.name.as_str()));
    let users = users(engine)?;
    let count = |volume: &Volume| users.get(&volume.name).copied().unwrap_or(0);
    let fitting = found.into_iter().filter(|volume| filters.fit(volume, &|| count(volume) > 0));
    let listed = fitting.map(|volume| Listed {
        mountpoint: volumes.place(&volume).path.display().to_string(),
        users: count(&volume),
        volume,
    });
    Ok((listed.collect(), broken))
}

/// How many containers have each volume that any has.
fn users(engine: &Engine) -> Result<BTreeMap<Name, usize>> {
    let mut users = BTreeMap::new();
    for container in engine.containers().list()?.into_iter().flatten() {
        let names: HashSet<Name> = container
            .config
            .storage
            .mounts
            .iter()
            .filter_map(|mount| match &mount.source {
                MountSource::Volume { name, .. } => Some(name.clone()),
                _ => None,
            })
            .collect();
        names.into_iter().for_each(|name| *users.entry(name).or_default() += 1);
    }
    Ok(users)
}

/// A volume as docker's `inspect` shows it.
pub fn inspect(engine: &Engine, name: &str) -> Result<VolumeReport> {
    let volumes = Volumes::new(&engine.paths);
    Ok(report(&volumes.find(name)?, &volumes))
}

fn report(volume: &Volume, volumes: &Volumes) -> VolumeReport {
    let mut labels = volume.labels.clone();
    if volume.anonymous {
        labels.insert("com.docker.volume.anonymous".into(), String::new());
    }
    VolumeReport {
        created_at: time::rfc3339_seconds(volume.created),
        driver: DRIVER,
        labels: Some(labels).filter(|labels| !labels.is_empty()),
        mountpoint: volumes.place(volume).path.display().to_string(),
        name: volume.name.to_string(),
        options: Some(volume.options.clone()).filter(|options| !options.is_empty()),
        scope: "local",
    }
}

/// A volume as podman's `inspect` shows it.
pub fn inspect_for_podman(engine: &Engine, name: &str) -> Result<PodmanReport> {
    let volumes = Volumes::new(&engine.paths);
    let volume = volumes.find(name)?;
    Ok(PodmanReport {
        name: volume.name.to_string(),
        driver: DRIVER,
        mountpoint: volumes.place(&volume).path.display().to_string(),
        created_at: time::rfc3339(volume.created),
        labels: volume.labels,
        scope: "local",
        options: volume.options,
        anonymous: volume.anonymous,
        mount_count: 0,
    })
}

/// Removes a volume. `with_users`: the containers that have it go first (podman's `--force`).
pub fn remove(engine: &Engine, name: &str, with_users: bool) -> Result<()> {
    let volumes = Volumes::new(&engine.paths);
    let volume = volumes.find(name)?;
    if with_users {
        let ids: Vec<String> = volumes.users(&volume.name)?.into_iter().map(|(_, id)| id.to_string()).collect();
        let removed = remove_containers(engine, &ids, Removal { force: true, ..Removal::default() });
        removed.into_iter().find_map(Result::err).map_or(Ok(()), Err)?;
    }
    volumes.remove(&volume.name, Durability::Durable)?;
    let _ = reclaim::reclaim(engine, pull::KEEP_LAYERS);
    Ok(())
}

/// Removes the volumes that no container has and the filters allow: anonymous ones, and with `all` those with names, too.
/// Returns their names and how many bytes they took, as far as that could be told.
pub fn prune(engine: &Engine, filters: &Filters, all: bool) -> Result<(Vec<Name>, u64)> {
    let all = filters.all.unwrap_or(all);
    let (listed, _) = list(engine, filters)?;
    let unused: Vec<Listed> =
        listed.into_iter().filter(|listed| listed.users == 0 && (all || listed.volume.anonymous)).collect();
    let ours = unused.iter().filter(|listed| listed.volume.device.is_none());
    let sizes = usage::volumes(engine, ours.map(|listed| listed.volume.name.clone()).collect()).unwrap_or_default();
    let volumes = Volumes::new(&engine.paths);
    let (mut removed, mut freed) = (Vec::new(), 0u64);
    for listed in &unused {
        match volumes.remove(&listed.volume.name, Durability::Durable) {
            Ok(()) => {
                freed = freed.saturating_add(sizes.get(&listed.volume.name).copied().unwrap_or(0));
                removed.push(listed.volume.name.clone());
            }
            // Somebody took it meanwhile, or removed it.
            Err(error) if matches!(error.kind(), Kind::Conflict | Kind::NotFound) => {}
            Err(error) => return Err(error).context(|| "cannot remove all unused volumes"),
        }
    }
    let _ = reclaim::reclaim(engine, pull::KEEP_LAYERS);
    Ok((removed, freed))
}

/// Where the files of a volume are.
pub fn mountpoint(engine: &Engine, name: &str) -> Result<PathBuf> {
    let volumes = Volumes::new(&engine.paths);
    Ok(volumes.place(&volumes.find(name)?).path)
}

/// Whether there is such a volume.
pub fn exists(engine: &Engine, name: &str) -> Result<bool> {
    match Volumes::new(&engine.paths).find(name) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == Kind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures;

    fn new(name: &str) -> CreateRequest {
        CreateRequest { name: Some(name.into()), ..CreateRequest::default() }
    }

    #[test]
    fn making_a_volume_twice_is_fine_unless_it_would_be_another() {
        let (engine, _scratch) = fixtures::engine();
        let bind = |path: &str| CreateRequest {
            options: [("type", "none"), ("o", "bind"), ("device", path)]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            ..new("srv")
        };
        assert!(create(&engine, &new("data")).unwrap().1);
        assert!(!create(&engine, &new("data")).unwrap().1);
        assert!(create(&engine, &bind("/usr")).unwrap().1);
        assert!(!create(&engine, &bind("/usr")).unwrap().1);
        assert_eq!(create(&engine, &bind("/etc")).unwrap_err().kind(), Kind::Conflict);
        assert_eq!(create(&engine, &bind("/absent")).unwrap_err().kind(), Kind::NotFound);
        let other = CreateRequest { driver: "nfs".into(), ..new("x") };
        assert_eq!(create(&engine, &other).unwrap_err().kind(), Kind::Unsupported);
        assert!(create(&engine, &new("../x")).is_err() && create(&engine, &new("")).is_err());
        let value = serde_json::to_value(inspect(&engine, "srv").unwrap()).unwrap();
        assert_eq!((&value["Mountpoint"], &value["Options"]["o"]), (&"/usr".into(), &"bind".into()));
        assert!(exists(&engine, "srv").unwrap() && !exists(&engine, "absent").unwrap());
    }

    #[test]
    fn filters_are_dockers_and_podmans() {
        let (engine, _scratch) = fixtures::engine();
        let labels = [("tier".to_owned(), "db".to_owned())].into();
        create(&engine, &CreateRequest { labels, ..new("data") }).unwrap();
        create(&engine, &new("cache")).unwrap();
        let (anonymous, _) = create(&engine, &CreateRequest::default()).unwrap();
        let names = |filters: &[&str]| -> Result<String> {
            let mut all = Filters::default();
            for filter in filters {
                all.add(filter, &Filters::LIST, &|_| Ok(Timestamp::UNIX_EPOCH))?;
            }
            let (listed, _) = list(&engine, &all)?;
            let named =
                listed.iter().map(|listed| listed.volume.name.as_str()).filter(|name| *name != anonymous.as_str());
            Ok(named.collect::<Vec<_>>().join(" "))
        };
        for (filters, expected) in [
            (&[][..], "cache data"),
            (&["name=at"], "data"),
            (&["label=tier"], "data"),
            (&["label!=tier"], "cache"),
            (&["label=tier=web"], ""),
            (&["driver=local", "dangling=true"], "cache data"),
            (&["dangling=false"], ""),
            (&["until=then"], ""),
        ] {
            assert_eq!(names(filters).unwrap(), expected, "{filters:?}");
        }
        assert!(names(&["frob=1"]).is_err() && names(&["dangling=maybe"]).is_err());
        assert_eq!(prune(&engine, &Filters::default(), false).unwrap().0, std::slice::from_ref(&anonymous));
        assert_eq!(prune(&engine, &Filters::default(), true).unwrap().0.len(), 2);
    }
}
