//! `network rm` and `network prune`.

use super::{Engine, Filters, Known, all, containers, find};
use crate::base::{Error, Kind, Result};
use crate::engine::remove::{Removal, remove as remove_containers};
use crate::net::networks::Networks;
use crate::spec::events::Action;
use crate::state::Container;

/// The containers that keep a network from being removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holders {
    /// Containers that are on it now: docker's rule.
    Running,
    /// Containers that have it, running or not: podman's.
    All,
    /// Nobody: the containers that have it are removed first (podman's `--force`).
    Removed,
}

/// Removes a network.
pub fn remove(engine: &Engine, asked: &str, holders: Holders) -> Result<()> {
    let known = find(engine, asked)?;
    let Some(network) = known.network.as_ref().filter(|_| !known.is_builtin()) else {
        return Err(Error::new(Kind::Denied, format!("{} is a pre-defined network and cannot be removed", known.name)));
    };
    let users = || -> Result<Vec<Container>> {
        let mut users = containers(engine)?;
        users.retain(|container| known.is_used_by(container) || holders != Holders::Running && known.is_of(container));
        Ok(users)
    };
    if holders == Holders::Removed {
        let ids: Vec<String> = users()?.iter().map(|user| user.config.id.to_string()).collect();
        let removed = remove_containers(engine, &ids, Removal { force: true, volumes: true });
        removed.into_iter().find_map(Result::err).map_or(Ok(()), Err)?;
    }
    let check = || match users()? {
        users if users.is_empty() => Ok(()),
        users => Err(in_use(&known, &users)),
    };
    match Networks::new(&engine.paths).remove(network, check)? {
        true => {
            super::tell(engine, network, Action::Destroy);
            Ok(())
        }
        false => Err(Error::not_found(format!("network `{}` not found", network.name))),
    }
}

/// Removes all networks that users made, no container has and the filters allow. Returns their names.
pub fn prune(engine: &Engine, filters: &Filters) -> Result<Vec<String>> {
    let (known, _) = all(engine)?;
    let networks = Networks::new(&engine.paths);
    let users = |known: &Known| -> Result<Vec<Container>> {
        let mut users = containers(engine)?;
        users.retain(|container| known.is_of(container) || known.is_used_by(container));
        Ok(users)
    };
    let mut removed = Vec::new();
    for known in known.into_iter().filter(|known| !known.is_builtin() && filters.fit(known, || false)) {
        let Some(network) = &known.network else { continue };
        let check = || match users(&known)? {
            users if users.is_empty() => Ok(()),
            users => Err(in_use(&known, &users)),
        };
        match networks.remove(network, check) {
            Ok(true) => {
                super::tell(engine, network, Action::Destroy);
                removed.push(known.name);
            }
            Ok(false) => {}
            Err(error) if error.kind() == Kind::Conflict => {}
            Err(error) => return Err(error),
        }
    }
    Ok(removed)
}

fn in_use(known: &Known, users: &[Container]) -> Error {
    let user = |user: &Container| format!("name:\"{}\" id:\"{}\"", user.name, user.config.id.short());
    let shown = users.iter().take(5).map(user).collect::<Vec<_>>().join(", ");
    Error::conflict(format!("error while removing network: network {} has active endpoints ({shown})", known.name))
        .hint(format!("`coracle network disconnect {} NAME` takes a container away from it", known.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures;
    use crate::net::networks::NewNetwork;

    #[test]
    fn what_users_made_and_nobody_uses_goes() {
        let (engine, _scratch) = fixtures::engine();
        let networks = Networks::new(&engine.paths);
        for name in ["one", "two"] {
            networks.create(&NewNetwork::named(name.parse().unwrap())).unwrap();
        }
        for name in ["bridge", "host", "none"] {
            let error = remove(&engine, name, Holders::Removed).unwrap_err();
            assert_eq!(error.message(), format!("{name} is a pre-defined network and cannot be removed"));
        }
        remove(&engine, "one", Holders::All).unwrap();
        assert_eq!(remove(&engine, "one", Holders::All).unwrap_err().kind(), Kind::NotFound);
        assert_eq!(prune(&engine, &Filters::default()).unwrap(), ["two"]);
        assert!(prune(&engine, &Filters::default()).unwrap().is_empty());
    }

    #[test]
    fn who_is_in_the_way_is_named() {
        let (engine, _scratch) = fixtures::engine();
        let network = Networks::new(&engine.paths).create(&NewNetwork::named("web".parse().unwrap())).unwrap();
        let user = super::super::tests::member("front", &[&network], true);
        let error = in_use(&find(&engine, "web").unwrap(), &[user]);
        let expected =
            "error while removing network: network web has active endpoints (name:\"front\" id:\"66726f6e7400\")";
        assert_eq!((error.message(), error.kind()), (expected, Kind::Conflict));
    }
}
