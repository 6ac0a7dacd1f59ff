//! `network create` and `network update`.

use std::net::IpAddr;

use super::Engine;
use crate::base::id::Name;
use crate::base::{Error, Kind, Result, text};
use crate::net::networks::Networks;
pub use crate::net::networks::NewNetwork;
use crate::spec::events::Action;
use crate::spec::network::Network;

/// Resolvers that a network has at most.
const RESOLVERS_MAX: usize = 16;

/// Creates a network. `ignore`: one that is there already is as good.
pub fn create(engine: &Engine, new: &NewNetwork, ignore: bool) -> Result<Network> {
    let networks = Networks::new(&engine.paths);
    refuse_too_many(new.dns_servers.len())?;
    match networks.create(new) {
        Err(error) if ignore && error.kind() == Kind::Conflict => networks.load(&new.name)?.ok_or(error),
        created => created.inspect(|network| super::tell(engine, network, Action::Create)),
    }
}

/// The first name of the form `network1` that is free, for those who do not care.
pub fn free_name(engine: &Engine, stem: &str) -> Result<Name> {
    let networks = Networks::new(&engine.paths);
    for number in 1..=u16::MAX {
        let name: Name = format!("{stem}{number}").parse()?;
        if networks.load(&name)?.is_none() {
            return Ok(name);
        }
    }
    Err(Error::conflict("no name for a network is free").hint("give one"))
}

/// Changes the resolvers of a network.
pub fn update(engine: &Engine, asked: &str, add: &[IpAddr], drop: &[IpAddr]) -> Result<Network> {
    let known = super::find(engine, asked)?;
    let Some(network) = known.network else {
        return Err(Error::usage(format!("network `{}` has no resolvers of its own", text::clean(asked))));
    };
    if !network.dns {
        return Err(Error::conflict(format!("network `{}` answers no questions about names", network.name))
            .hint("it was created with --disable-dns"));
    }
    Networks::new(&engine.paths).update(&network.name, |network| {
        let servers = &mut network.dns_servers;
        if let Some(absent) = drop.iter().find(|server| !servers.contains(server)) {
            return Err(Error::not_found(format!("network `{}` does not have the resolver {absent}", network.name)));
        }
        servers.retain(|server| !drop.contains(server));
        for server in add {
            if !servers.contains(server) {
                servers.push(*server);
            }
        }
        refuse_too_many(servers.len())
    })
}

fn refuse_too_many(resolvers: usize) -> Result<()> {
    match resolvers > RESOLVERS_MAX {
        true => Err(Error::usage(format!("a network has at most {RESOLVERS_MAX} resolvers"))),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixtures;

    #[test]
    fn resolvers_come_and_go() {
        let (engine, _scratch) = fixtures::engine();
        let new = NewNetwork::named("web".parse().unwrap());
        create(&engine, &new, false).unwrap();
        assert!(create(&engine, &new, false).is_err());
        assert_eq!(create(&engine, &new, true).unwrap().name, new.name);
        let server = |text: &str| text.parse::<IpAddr>().unwrap();
        let (a, b) = (server("192.0.2.1"), server("2001:db8::1"));
        assert_eq!(update(&engine, "web", &[a, b, a], &[]).unwrap().dns_servers, [a, b]);
        assert_eq!(update(&engine, "web", &[], &[a]).unwrap().dns_servers, [b]);
        assert_eq!(update(&engine, "web", &[], &[a]).unwrap_err().kind(), Kind::NotFound);
        assert!(update(&engine, "host", &[a], &[]).is_err());
        let many: Vec<IpAddr> = (0..20).map(|n| IpAddr::from([192, 0, 2, n])).collect();
        assert!(update(&engine, "web", &many, &[]).is_err());
        assert_eq!(free_name(&engine, "net").unwrap().as_str(), "net1");
    }
}
