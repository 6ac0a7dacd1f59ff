//! The defined networks: their records on disk, lookup by name or id, create, change and remove.
//!
//! # Format
//!
//! ```text
//! <data>/networks/bridge.json    one network; its file name is its name
//!                 .lock          held while one is created, changed or removed
//! ```
//!
//! Readers take no lock. Creating takes it, because a subnet is chosen that no other network has. A container that
//! starts shares it until its records say that it runs ([`Networks::hold`]), and removing checks under the lock which
//! containers run. So either removing is refused, or the container does not find the network. A definition changes by
//! `network update` alone; containers on the network have a copy of it (`Join`).
//!
//! The default network is created when it is first asked for.

mod plan;
mod routes;

use std::fs;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::Deserialize;

pub use plan::{NewNetwork, is_predefined, overlap, share_addresses};
pub use routes::of_host as host_routes;

use crate::base::error::if_absent;
use crate::base::id::Name;
use crate::base::lock::{Lock, Mode};
use crate::base::publish::{self, Durability};
use crate::base::{ContainerId, Error, Kind, Paths, Result, ResultExt, paths, text, time};
use crate::spec::network::{DEFAULT, FORMAT, Network};

/// Other names of the default network: docker's in `--network default`, podman's everywhere. A network with exactly
/// such a name takes precedence.
const DEFAULT_ALIASES: [&str; 2] = ["default", "podman"];

/// The networks of one user.
#[derive(Debug, Clone)]
pub struct Networks {
    directory: PathBuf,
    /// Reads the host's routes: [`host_routes`], except in tests.
    routes: fn() -> Vec<IpNet>,
}

/// Reads the version of a record.
#[derive(Deserialize)]
struct Versioned {
    format: u32,
}

impl Networks {
    /// The networks below `paths`.
    pub fn new(paths: &Paths) -> Self {
        Self { directory: Paths::networks_in(&paths.data), routes: host_routes }
    }

    /// The networks below [`Paths::data`], for callers that know only this directory.
    pub fn below(data: &Path) -> Self {
        Self { directory: Paths::networks_in(data), routes: host_routes }
    }

    /// The directory of their definitions.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The network of a name, of an id, or of the unambiguous beginning of one. The default network is made when it does
    /// not exist yet. To be called in the host's network namespace: new networks avoid its routes.
    pub fn find(&self, asked: &str) -> Result<Network> {
        if let Ok(name) = asked.parse::<Name>()
            && let Some(network) = self.load(&name)?
        {
            return Ok(network);
        }
        if asked == DEFAULT || DEFAULT_ALIASES.contains(&asked) {
            return self.default();
        }
        let is_prefix = !asked.is_empty() && asked.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let all = if is_prefix { self.list()? } else { Vec::new() };
        let mut matches: Vec<Network> =
            all.into_iter().flatten().filter(|network| network.id.as_str().starts_with(asked)).collect();
        match (matches.pop(), matches.len()) {
            (Some(network), 0) => Ok(network),
            (Some(_), others) => Err(Error::usage(format!(
                "network {asked} is ambiguous ({} matches found based on ID prefix)",
                others + 1
            ))
            .hint("give more digits, or the name")),
            (None, _) => Err(Error::not_found(format!("network `{}` not found", text::clean(asked)))
                .hint("`coracle network ls` lists the networks there are, `coracle network create` makes one")),
        }
    }

    /// The network of containers that name none, created if it does not exist. Costs one read if it does.
    pub fn default(&self) -> Result<Network> {
        let name: Name = DEFAULT.parse()?;
        if let Some(network) = self.load(&name)? {
            return Ok(network);
        }
        let _lock = self.lock()?;
        match self.load(&name)? {
            Some(network) => Ok(network),
            None => self.define(&NewNetwork { ipv6: true, ..NewNetwork::named(name) }),
        }
    }

    /// Creates a network with addresses that no other has; automatic ones also avoid the host's routes.
    pub fn create(&self, new: &NewNetwork) -> Result<Network> {
        if is_predefined(new.name.as_str()) {
            return Err(Error::new(
                Kind::Denied,
                format!("operation is not permitted on predefined {} network", new.name),
            )
            .hint("choose another name"));
        }
        // The default network first, so that the new one does not take its addresses.
        self.default()?;
        let _lock = self.lock()?;
        if self.load(&new.name)?.is_some() {
            return Err(Error::conflict(format!("network with name {} already exists", new.name))
                .hint(format!("choose another name, or remove it with `coracle network rm {}`", new.name)));
        }
        self.define(new)
    }

    /// Changes a definition. `change` gets the present one.
    pub fn update(&self, name: &Name, change: impl FnOnce(&mut Network) -> Result<()>) -> Result<Network> {
        let _lock = self.lock()?;
        let absent = || Error::not_found(format!("network `{name}` not found"));
        let mut network = self.load(name)?.ok_or_else(absent)?;
        change(&mut network)?;
        publish::json(&self.record(name), &network, Durability::Durable)?;
        Ok(network)
    }

    /// Keeps these networks from being removed or changed until the lock is dropped. An error if one of them is gone
    /// already.
    pub fn hold<'a>(&self, found: impl Iterator<Item = &'a Network>) -> Result<Lock> {
        paths::private_dir(&self.directory)?;
        let lock = Lock::wait(&self.directory.join(".lock"), Mode::Shared)?;
        for network in found {
            if self.load(&network.name)?.is_none_or(|now| now.id != network.id) {
                return Err(Error::not_found(format!("network `{}` not found", network.name))
                    .hint("it has just been removed by another command"));
            }
        }
        Ok(lock)
    }

    /// Removes a definition, if `check` allows it; false if it was gone already. No container starts on the network
    /// while `check` runs.
    pub fn remove(&self, network: &Network, check: impl FnOnce() -> Result<()>) -> Result<bool> {
        let _lock = self.lock()?;
        check()?;
        // Another network of the same name may have been made meanwhile.
        if self.load(&network.name)?.is_none_or(|now| now.id != network.id) {
            return Ok(false);
        }
        let path = self.record(&network.name);
        let removed = if_absent(fs::remove_file(&path)).at(&path, "cannot remove")?;
        publish::sync_dir(&self.directory)?;
        Ok(removed.is_some())
    }

    /// All defined networks, by name. An unreadable one does not hide the others.
    pub fn list(&self) -> Result<Vec<Result<Network>>> {
        let entries = if_absent(fs::read_dir(&self.directory)).at(&self.directory, "cannot list")?;
        let mut names = Vec::new();
        for entry in entries.into_iter().flatten() {
            let file = entry.at(&self.directory, "cannot list")?.file_name();
            let name = file.to_str().and_then(|file| file.strip_suffix(".json"));
            names.extend(name.and_then(|name| name.parse::<Name>().ok()));
        }
        names.sort();
        Ok(names.iter().filter_map(|name| self.load(name).transpose()).collect())
    }

    /// The network of exactly this name; none when it is not defined.
    pub fn load(&self, name: &Name) -> Result<Option<Network>> {
        let path = self.record(name);
        let Some(record) = if_absent(fs::read(&path)).at(&path, "cannot read")? else { return Ok(None) };
        let versioned: Versioned = serde_json::from_slice(&record).at(&path, "cannot understand the record")?;
        if versioned.format > FORMAT {
            return Err(Error::unsupported(format!(
                "network `{name}` was written by a newer version of coracle (record format {}, this version knows {FORMAT})",
                versioned.format
            ))
            .hint("use the newer version"));
        }
        serde_json::from_slice(&record).at(&path, "cannot understand the record").map(Some)
    }

    /// The caller holds the lock.
    fn define(&self, new: &NewNetwork) -> Result<Network> {
        let others: Vec<Network> = self.list()?.into_iter().flatten().collect();
        let network = plan::plan(new, ContainerId::random()?, time::now(), &others, &(self.routes)())?;
        publish::json(&self.record(&network.name), &network, Durability::Durable)?;
        Ok(network)
    }

    fn lock(&self) -> Result<Lock> {
        paths::private_dir(&self.directory)?;
        let lock = Lock::wait(&self.directory.join(".lock"), Mode::Exclusive)?;
        publish::sweep_files(&self.directory)?;
        Ok(lock)
    }

    fn record(&self, name: &Name) -> PathBuf {
        self.directory.join(format!("{name}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::publish::Staging;

    fn networks() -> (Networks, Staging) {
        let scratch = Staging::new(&std::env::temp_dir()).unwrap();
        (Networks { directory: scratch.path().join("networks"), routes: Vec::new }, scratch)
    }

    fn new(name: &str) -> NewNetwork {
        NewNetwork::named(name.parse().unwrap())
    }

    #[test]
    fn the_default_network_is_made_at_first_use_and_stays() {
        let (networks, _scratch) = networks();
        assert!(networks.list().unwrap().is_empty());
        let bridge = networks.default().unwrap();
        assert_eq!((bridge.name.as_str(), bridge.subnets.len()), ("bridge", 2));
        assert_eq!(bridge.subnets[0].net.to_string(), "172.17.0.0/16");
        assert_eq!(networks.default().unwrap(), bridge);
        for name in ["bridge", "default", "podman", bridge.id.as_str(), bridge.id.short()] {
            assert_eq!(networks.find(name).unwrap(), bridge, "{name}");
        }
        assert_eq!(networks.create(&new("podman")).unwrap().name.as_str(), "podman");
        assert_eq!(networks.find("podman").unwrap().name.as_str(), "podman");
    }

    #[test]
    fn networks_are_created_once_found_changed_and_removed() {
        let (networks, _scratch) = networks();
        let web = networks.create(&new("web")).unwrap();
        assert_eq!(web.subnets[0].net.to_string(), "172.18.0.0/16");
        let taken = networks.create(&new("web")).unwrap_err();
        assert_eq!((taken.kind(), taken.message()), (Kind::Conflict, "network with name web already exists"));
        let reserved = networks.create(&new("host")).unwrap_err();
        assert_eq!(reserved.message(), "operation is not permitted on predefined host network");
        let names = |networks: &Networks| {
            networks.list().unwrap().into_iter().map(|n| n.unwrap().name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(&networks), ["bridge", "web"]);
        let changed = networks.update(&web.name, |network| {
            network.dns_servers.push("192.0.2.53".parse().unwrap());
            Ok(())
        });
        assert_eq!(networks.find("web").unwrap(), changed.unwrap());
        assert!(networks.remove(&web, || Err(Error::conflict("used"))).is_err());
        let remove = |network: &Network| networks.remove(network, || Ok(())).unwrap();
        let held = networks.hold([&web].into_iter()).unwrap();
        // Containers that start share the lock with each other, but not with a remover.
        assert!(networks.hold([&web].into_iter()).is_ok());
        assert!(Lock::attempt(&networks.directory.join(".lock"), Mode::Exclusive).unwrap().is_none());
        drop(held);
        assert!(remove(&web) && !remove(&web));
        assert_eq!(networks.hold([&web].into_iter()).unwrap_err().kind(), Kind::NotFound);
        assert_eq!(networks.find("web").unwrap_err().kind(), Kind::NotFound);
        let other = networks.create(&new("web")).unwrap();
        assert!(!remove(&web), "another network has the name now");
        assert_eq!(networks.find(other.id.short()).unwrap(), other);
    }

    #[test]
    fn a_record_of_the_future_or_of_nobody_is_told_and_hides_no_other() {
        let (networks, _scratch) = networks();
        networks.create(&new("web")).unwrap();
        fs::write(networks.directory.join("new.json"), r#"{"format":99}"#).unwrap();
        fs::write(networks.directory.join("torn.json"), "").unwrap();
        let kinds: Vec<Option<Kind>> =
            networks.list().unwrap().into_iter().map(|network| network.err().map(|error| error.kind())).collect();
        assert_eq!(kinds, [None, Some(Kind::Unsupported), Some(Kind::Invalid), None]);
    }

    #[test]
    fn networks_made_at_once_do_not_share_addresses() {
        let (networks, _scratch) = networks();
        let names: Vec<NewNetwork> = (0..12).map(|n| new(&format!("n{n}"))).collect();
        std::thread::scope(|scope| {
            for new in &names {
                scope.spawn(|| networks.create(new).unwrap());
            }
        });
        let all: Vec<Network> = networks.list().unwrap().into_iter().flatten().collect();
        let nets: std::collections::BTreeSet<IpNet> = all.iter().map(|network| network.subnets[0].net).collect();
        assert_eq!((all.len(), nets.len()), (13, 13));
    }
}
