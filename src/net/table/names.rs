//! Name lookup as members see it: the containers with a name on the client's networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{HOST_GATEWAY_V4, HOST_GATEWAY_V6, Member, Table, addresses};
use crate::base::ContainerId;
use crate::spec::network::Endpoint;

/// Names of the host itself, docker's and podman's.
const HOST_NAMES: [&str; 3] = ["host.docker.internal", "host.containers.internal", "gateway.docker.internal"];

/// The addresses of a name: never empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Addresses of type A.
    pub ipv4: Vec<Ipv4Addr>,
    /// Addresses of type AAAA.
    pub ipv6: Vec<Ipv6Addr>,
}

/// The resolvers for names that are not known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upstream {
    /// The host's own resolvers.
    Host,
    /// These resolvers.
    Servers(Vec<IpAddr>),
    /// None: the client has no way out.
    Nobody,
}

/// The kinds of names, in the order of precedence: a host name cannot take the name of another container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Container names, ids and aliases.
    Given,
    /// Host names.
    Hostname,
}

impl Table {
    /// Resolves `name` (lower case, without a final dot) for the member at `asker`: on its first network that has the
    /// name. Also resolves `name.network`, as docker does.
    pub fn lookup(&self, asker: IpAddr, name: &str) -> Option<Found> {
        let (container, endpoints) = self.asking(asker)?;
        if HOST_NAMES.contains(&name) {
            return self.host_name(container);
        }
        for endpoint in endpoints {
            let qualified = name
                .strip_suffix(endpoint.network.as_str().to_ascii_lowercase().as_str())
                .and_then(|name| name.strip_suffix('.'));
            for name in std::iter::once(name).chain(qualified) {
                let found = self.on_network(&endpoint.network_id, name, Kind::Given);
                if let Some(found) = found.or_else(|| self.on_network(&endpoint.network_id, name, Kind::Hostname)) {
                    return Some(found);
                }
            }
        }
        None
    }

    /// The names of an address, the container's own first, each followed by its network: `web.bridge`.
    pub fn reverse(&self, asker: IpAddr, address: IpAddr) -> Option<Vec<String>> {
        let (_, mut endpoints) = self.asking(asker)?;
        let (owner, network) = self.owners.get(&address)?;
        let member = self.members.get(owner).filter(|member| member.plugged)?;
        let endpoint = member.endpoints.iter().find(|endpoint| endpoint.network_id == *network)?;
        endpoints.any(|mine| mine.network_id == *network).then(|| {
            let own = [member.name.as_str(), owner.short()].map(str::to_ascii_lowercase);
            let aliases = endpoint.aliases.iter().map(|alias| alias.to_ascii_lowercase());
            own.into_iter().chain(aliases).map(|name| format!("{name}.{}", endpoint.network)).collect()
        })
    }

    /// Whether the address is within a network of the client: then no other resolver knows a name for it.
    pub fn is_local(&self, asker: IpAddr, address: IpAddr) -> bool {
        let Some((_, mut endpoints)) = self.asking(asker) else { return false };
        endpoints.any(|endpoint| {
            self.networks
                .get(&endpoint.network_id)
                .is_some_and(|bridge| bridge.pools.iter().any(|p| p.contains(address)))
        })
    }

    /// The resolvers for the member at `asker`: its own, those of its networks, or the host's.
    pub fn upstream(&self, asker: IpAddr) -> Upstream {
        let Some((container, _)) = self.asking(asker) else { return Upstream::Nobody };
        let Some(member) = self.members.get(container) else { return Upstream::Nobody };
        let networks = || member.endpoints.iter().filter_map(|endpoint| self.network(&endpoint.network_id));
        if networks().all(|network| network.internal) {
            return Upstream::Nobody;
        }
        let servers: Vec<IpAddr> = match member.dns_servers.is_empty() {
            false => member.dns_servers.clone(),
            true => networks().filter(|network| network.dns).flat_map(|network| network.dns_servers.clone()).collect(),
        };
        if servers.is_empty() { Upstream::Host } else { Upstream::Servers(servers) }
    }

    /// The client, and its endpoints on networks with DNS.
    fn asking(&self, asker: IpAddr) -> Option<(&ContainerId, impl Iterator<Item = &Endpoint>)> {
        let (container, _) = self.owners.get(&asker)?;
        let member = self.members.get(container)?;
        let has_names = |endpoint: &&Endpoint| self.network(&endpoint.network_id).is_some_and(|network| network.dns);
        Some((container, member.endpoints.iter().filter(has_names)))
    }

    fn host_name(&self, container: &ContainerId) -> Option<Found> {
        let ways_out = self.endpoints(container);
        let ipv4 = ways_out.iter().any(|endpoint| endpoint.gateway4.is_some()).then_some(HOST_GATEWAY_V4);
        let ipv6 = ways_out.iter().any(|endpoint| endpoint.gateway6.is_some()).then_some(HOST_GATEWAY_V6);
        // Only one of both, so that programs do not first try an address on which the host's programs do not listen.
        let ipv6 = ipv6.filter(|_| ipv4.is_none());
        let found = Found { ipv4: ipv4.into_iter().collect(), ipv6: ipv6.into_iter().collect() };
        (found != Found::default()).then_some(found)
    }

    fn on_network(&self, network: &ContainerId, name: &str, kind: Kind) -> Option<Found> {
        let mut found = Found::default();
        for id in &self.networks.get(network)?.members {
            let Some(member) = self.members.get(id).filter(|member| member.plugged) else { continue };
            let Some(endpoint) = member.endpoints.iter().find(|endpoint| endpoint.network_id == *network) else {
                continue;
            };
            if !answers(id, member, endpoint, name, kind) {
                continue;
            }
            for address in addresses(endpoint) {
                match address {
                    IpAddr::V4(address) => found.ipv4.push(address),
                    IpAddr::V6(address) => found.ipv6.push(address),
                }
            }
        }
        (found != Found::default()).then_some(found)
    }
}

fn answers(id: &ContainerId, member: &Member, endpoint: &Endpoint, name: &str, kind: Kind) -> bool {
    match kind {
        Kind::Given => {
            member.name.as_str().eq_ignore_ascii_case(name)
                || id.short() == name
                || id.as_str() == name
                || endpoint.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
        }
        Kind::Hostname => member.hostname.eq_ignore_ascii_case(name),
    }
}
