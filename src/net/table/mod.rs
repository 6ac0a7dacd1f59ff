//! Networks and their members: addresses and names. Pure: netd reads and changes it; it knows neither sockets nor time.
//!
//! # Life of a member
//!
//! [`Table::join`] reserves addresses; names do not resolve yet. [`Table::plugged`] publishes the member's names: its
//! interfaces exist. [`Table::connect`] and [`Table::disconnect`] change the networks of a plugged member,
//! [`Table::leave`] removes it. Each does all of it or nothing.
//!
//! A new table that starts while containers run ([`Table::awaiting`]) reserves their addresses until they rejoin with
//! what they have, or are given up.

#[cfg(test)]
pub(in crate::net) mod fixtures;
mod names;
mod policy;
mod pool;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

pub use names::Upstream;
pub use policy::{HOST_GATEWAY_V4, HOST_GATEWAY_V6};
use pool::{Pool, Refusal};

use super::handler::Holder;
use super::networks::share_addresses;
use super::protocol::Join;
use crate::base::id::Name;
use crate::base::{ContainerId, Error, Result, text};
use crate::spec::network::{Endpoint, Mac, Network, PublishedPort, Wish};

/// The most networks without members that are remembered, for the order of their addresses.
const UNUSED_MAX: usize = 64;
/// The most names of a member on one network.
const ALIASES_MAX: usize = 128;
/// The longest name of an interface (IFNAMSIZ without its zero byte).
const INTERFACE_MAX: usize = 15;
/// What resolv.conf(5) reads at most (MAXNS).
const RESOLVERS_MAX: usize = 3;

/// Networks and their members.
#[derive(Debug, Default)]
pub struct Table {
    networks: BTreeMap<ContainerId, Bridge>,
    members: BTreeMap<ContainerId, Member>,
    /// The container that has an address, and on which network.
    owners: HashMap<IpAddr, (ContainerId, ContainerId)>,
    host: HostAddresses,
    /// Published ports of the host, by member.
    published: BTreeMap<ContainerId, Vec<PublishedPort>>,
    /// Containers of the former netd that have not rejoined, and their addresses.
    awaited: BTreeMap<ContainerId, Vec<IpAddr>>,
    /// The number of the newest member.
    latest: u64,
}

/// The host's own addresses on all its interfaces.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct HostAddresses {
    /// All addresses.
    pub addresses: HashSet<IpAddr>,
    /// The non-loopback IPv4 address that stands for the host in containers, if it has one.
    pub ipv4: Option<Ipv4Addr>,
    /// The same for IPv6.
    pub ipv6: Option<Ipv6Addr>,
}

/// A network in use.
#[derive(Debug)]
struct Bridge {
    network: Network,
    /// One for each subnet, in the same order.
    pools: Vec<Pool>,
    members: BTreeSet<ContainerId>,
}

/// One container.
#[derive(Debug)]
struct Member {
    holder: Holder,
    name: Name,
    hostname: String,
    dns_servers: Vec<IpAddr>,
    /// Whether it reaches the host's loopback if neither the endpoint nor the network says so.
    host_loopback: bool,
    /// Whether its names resolve.
    plugged: bool,
    /// In the order of its networks.
    endpoints: Vec<Endpoint>,
}

impl Table {
    /// Reserves the addresses of containers that are about to rejoin.
    pub fn awaiting(awaited: BTreeMap<ContainerId, Vec<IpAddr>>) -> Self {
        Self { awaited, ..Self::default() }
    }

    /// Ends the reservations: the containers that have not rejoined by now do not come.
    pub fn give_up_awaited(&mut self) {
        while let Some((container, _)) = self.awaited.first_key_value() {
            let container = container.clone();
            self.arrived(&container);
        }
    }

    fn arrived(&mut self, container: &ContainerId) {
        for address in self.awaited.remove(container).unwrap_or_default() {
            let pools = self.networks.values_mut().flat_map(|bridge| &mut bridge.pools);
            pools.for_each(|pool| pool.release_awaited(address));
        }
    }

    /// Reserves addresses on all networks of `join` and returns one endpoint for each, in the same order. What a
    /// container had before is taken over as it is.
    pub fn join(&mut self, join: &Join) -> Result<Vec<Endpoint>> {
        if self.members.contains_key(&join.container) {
            return Err(Error::conflict(format!("container {} is on its networks already", join.container.short()))
                .hint("it is being stopped: try again in a moment"));
        }
        self.latest += 1;
        let member = Member {
            holder: Holder(self.latest),
            name: join.name.clone(),
            hostname: join.hostname.clone(),
            dns_servers: join.dns_servers.clone(),
            host_loopback: join.host_loopback,
            plugged: false,
            endpoints: Vec::new(),
        };
        self.members.insert(join.container.clone(), member);
        self.arrived(&join.container);
        let before = join.before.iter().flat_map(|before| &before.endpoints).collect::<Vec<_>>();
        for (network, wish) in &join.networks {
            let before = before.iter().find(|endpoint| endpoint.network_id == network.id);
            if let Err(error) = self.attach(&join.container, network, wish, before.copied()) {
                self.leave(&join.container);
                return Err(error);
            }
        }
        Ok(self.endpoints(&join.container).to_vec())
    }

    /// The member's interfaces exist: its names resolve from now on.
    pub fn plugged(&mut self, container: &ContainerId) {
        if let Some(member) = self.members.get_mut(container) {
            member.plugged = true;
        }
    }

    /// Adds a network to a member.
    pub fn connect(&mut self, container: &ContainerId, network: &Network, wish: &Wish) -> Result<Endpoint> {
        self.attach(container, network, wish, None)
    }

    /// Removes a network from a member, and returns the endpoint.
    pub fn disconnect(&mut self, container: &ContainerId, network: &Name) -> Result<Endpoint> {
        let absent =
            || Error::not_found(format!("container {} is not connected to network `{network}`", container.short()));
        let member = self.members.get_mut(container).ok_or_else(absent)?;
        let at = member.endpoints.iter().position(|endpoint| endpoint.network == *network).ok_or_else(absent)?;
        let endpoint = member.endpoints.remove(at);
        self.release(container, &endpoint);
        Ok(endpoint)
    }

    /// A member has another name, by which others find it from now on.
    pub fn rename(&mut self, container: &ContainerId, name: &Name) {
        if let Some(member) = self.members.get_mut(container) {
            member.name.clone_from(name);
        }
    }

    /// Removes a member, and returns its endpoints.
    pub fn leave(&mut self, container: &ContainerId) -> Vec<Endpoint> {
        self.published.remove(container);
        let endpoints = self.members.remove(container).map(|member| member.endpoints).unwrap_or_default();
        for endpoint in &endpoints {
            self.release(container, endpoint);
        }
        endpoints
    }

    /// The definition of a network has changed (`network update`). Its subnets never do.
    pub fn update(&mut self, network: &Network) {
        if let Some(bridge) = self.networks.get_mut(&network.id) {
            bridge.network.dns_servers.clone_from(&network.dns_servers);
            bridge.network.labels.clone_from(&network.labels);
        }
    }

    /// Notes the published ports of a member, until it leaves.
    pub fn publish(&mut self, container: &ContainerId, ports: &[PublishedPort]) {
        if !ports.is_empty() {
            self.published.insert(container.clone(), ports.to_vec());
        }
    }

    /// Sets the host's present addresses.
    pub fn set_host_addresses(&mut self, host: HostAddresses) {
        self.host = host;
    }

    /// The endpoints of a member, in the order of its networks.
    pub fn endpoints(&self, container: &ContainerId) -> &[Endpoint] {
        self.members.get(container).map_or(&[], |member| &member.endpoints)
    }

    /// All addresses of a member.
    pub fn addresses(&self, container: &ContainerId) -> Vec<IpAddr> {
        self.endpoints(container).iter().flat_map(addresses).collect()
    }

    /// The container that has an address.
    pub fn owner(&self, address: IpAddr) -> Option<&ContainerId> {
        self.owners.get(&address).map(|(container, _)| container)
    }

    /// A network that has members, by its id.
    pub fn network(&self, id: &ContainerId) -> Option<&Network> {
        self.networks.get(id).filter(|bridge| !bridge.members.is_empty()).map(|bridge| &bridge.network)
    }

    /// All networks that have members.
    pub fn networks(&self) -> impl Iterator<Item = &Network> {
        self.used().map(|bridge| &bridge.network)
    }

    /// The nameservers for a member's resolv.conf: gateways of its networks with DNS.
    pub fn resolvers(&self, container: &ContainerId) -> Vec<IpAddr> {
        let networks = self.endpoints(container).iter().filter_map(|endpoint| self.network(&endpoint.network_id));
        let gateways = networks.filter(|network| network.dns).flat_map(|network| &network.subnets);
        gateways.map(|subnet| subnet.gateway).take(RESOLVERS_MAX).collect()
    }

    /// The address of `host.docker.internal` for a member; `None` if all its networks are internal.
    pub fn host_gateway(&self, container: &ContainerId) -> Option<IpAddr> {
        let ways_out = || self.endpoints(container).iter();
        match () {
            () if ways_out().any(|endpoint| endpoint.gateway4.is_some()) => Some(HOST_GATEWAY_V4.into()),
            () if ways_out().any(|endpoint| endpoint.gateway6.is_some()) => Some(HOST_GATEWAY_V6.into()),
            () => None,
        }
    }

    fn used(&self) -> impl Iterator<Item = &Bridge> {
        self.networks.values().filter(|bridge| !bridge.members.is_empty())
    }

    /// Puts a member on a network, or changes nothing.
    fn attach(
        &mut self,
        container: &ContainerId,
        network: &Network,
        wish: &Wish,
        before: Option<&Endpoint>,
    ) -> Result<Endpoint> {
        let interface = self.interface(container, network, wish, before)?;
        if wish.aliases.len() > ALIASES_MAX {
            return Err(Error::usage(format!("more than {ALIASES_MAX} aliases on network `{}`", network.name)));
        }
        let by_default = self.members.get(container).is_some_and(|member| member.host_loopback);
        let host_loopback = wish.host_loopback.or(network.host_loopback).unwrap_or(by_default);
        self.open(network)?;
        let taken_macs: HashSet<Mac> = self.macs(&network.id).collect();
        let bridge = self.networks.get_mut(&network.id).ok_or_else(|| Error::system("the network has vanished"))?;
        let (mut ipv4, mut ipv6) = (None, None);
        let granted = (|| {
            for at in 0..bridge.pools.len() {
                match bridge.grant(at, wish, before)? {
                    IpNet::V4(address) => ipv4 = Some(address),
                    IpNet::V6(address) => ipv6 = Some(address),
                }
            }
            refuse_lost_wishes(network, wish, ipv4.is_some(), ipv6.is_some())?;
            choose_mac(network, container, wish, before, ipv4, &taken_macs)
        })();
        let mac = match granted {
            Ok(mac) => mac,
            Err(error) => {
                bridge.give_back(ipv4, ipv6);
                return Err(error);
            }
        };
        let gateway = |is_family: fn(&IpAddr) -> bool| {
            let gateways = network.subnets.iter().map(|subnet| subnet.gateway);
            gateways.filter(|_| !network.internal).find(is_family)
        };
        let endpoint = Endpoint {
            network: network.name.clone(),
            network_id: network.id.clone(),
            interface,
            mac,
            ipv4,
            ipv6,
            gateway4: gateway(IpAddr::is_ipv4).and_then(|address| match address {
                IpAddr::V4(address) => Some(address),
                IpAddr::V6(_) => None,
            }),
            gateway6: gateway(IpAddr::is_ipv6).and_then(|address| match address {
                IpAddr::V6(address) => Some(address),
                IpAddr::V4(_) => None,
            }),
            aliases: wish.aliases.clone(),
            host_loopback,
        };
        bridge.members.insert(container.clone());
        for address in addresses(&endpoint) {
            self.owners.insert(address, (container.clone(), network.id.clone()));
        }
        if let Some(member) = self.members.get_mut(container) {
            member.endpoints.push(endpoint.clone());
        }
        Ok(endpoint)
    }

    /// The name of the interface, unique within the member.
    fn interface(
        &self,
        container: &ContainerId,
        network: &Network,
        wish: &Wish,
        before: Option<&Endpoint>,
    ) -> Result<String> {
        let member = self.members.get(container);
        let member =
            member.ok_or_else(|| Error::not_found(format!("container {} has no networks", container.short())))?;
        if member.endpoints.iter().any(|endpoint| endpoint.network_id == network.id) {
            return Err(Error::conflict(format!(
                "container `{}` is connected to network `{}` already",
                member.name, network.name
            )));
        }
        let is_taken = |name: &str| member.endpoints.iter().any(|endpoint| endpoint.interface == name);
        let wanted = before.map(|endpoint| &endpoint.interface).or(wish.interface.as_ref());
        match wanted {
            Some(name) if !is_interface_name(name) => {
                Err(Error::usage(format!("invalid name of an interface `{}`", text::clean(name)))
                    .hint("it has at most 15 characters, neither spaces, `/` nor `:`, and is not `lo`"))
            }
            Some(name) if is_taken(name) => {
                Err(Error::conflict(format!("two networks of container `{}` want the interface `{name}`", member.name)))
            }
            Some(name) => Ok(name.clone()),
            None => {
                let mut names = (0..=member.endpoints.len()).map(|number| format!("eth{number}"));
                names.find(|name| !is_taken(name)).ok_or_else(|| Error::system("no name for an interface is left"))
            }
        }
    }

    /// Adds a network, unless its addresses overlap with those of another.
    fn open(&mut self, network: &Network) -> Result<()> {
        if let Some(bridge) = self.networks.get_mut(&network.id) {
            // Its subnets cannot have changed; everything else is updated.
            bridge.network = Network { subnets: bridge.network.subnets.clone(), ..network.clone() };
            return Ok(());
        }
        let families: HashSet<bool> = network.subnets.iter().map(|subnet| subnet.net.addr().is_ipv4()).collect();
        if families.len() != network.subnets.len() {
            return Err(Error::invalid(format!("network `{}` has more than one subnet of a family", network.name)));
        }
        let overlaps = |other: &Bridge| share_addresses(&other.network, network);
        if let Some(other) = self.used().find(|bridge| overlaps(bridge)) {
            return Err(Error::conflict(format!(
                "the addresses of network `{}` are those of network `{}`, which is in use",
                network.name, other.network.name
            ))
            .hint("stop the containers of one of them, or create one with another `--subnet`"));
        }
        self.networks.retain(|_, bridge| !bridge.members.is_empty() || !overlaps(bridge));
        let unused = self.networks.iter().filter(|(_, bridge)| bridge.members.is_empty()).map(|(id, _)| id);
        let (count, oldest) = (unused.clone().count(), unused.clone().next().cloned());
        if let Some(oldest) = oldest.filter(|_| count >= UNUSED_MAX) {
            self.networks.remove(&oldest);
        }
        let awaited = || self.awaited.values().flatten();
        let pools = network.subnets.iter().map(|subnet| Pool::new(subnet, awaited())).collect();
        let bridge = Bridge { network: network.clone(), pools, members: BTreeSet::new() };
        self.networks.insert(network.id.clone(), bridge);
        Ok(())
    }

    fn macs(&self, network: &ContainerId) -> impl Iterator<Item = Mac> {
        let members = self.networks.get(network).into_iter().flat_map(|bridge| &bridge.members);
        let endpoints = members.filter_map(|id| self.members.get(id)).flat_map(|member| &member.endpoints);
        endpoints.filter(move |endpoint| endpoint.network_id == *network).map(|endpoint| endpoint.mac)
    }

    fn release(&mut self, container: &ContainerId, endpoint: &Endpoint) {
        for address in addresses(endpoint) {
            self.owners.remove(&address);
        }
        if let Some(bridge) = self.networks.get_mut(&endpoint.network_id) {
            bridge.give_back(endpoint.ipv4, endpoint.ipv6);
            bridge.members.remove(container);
        }
    }
}

impl Bridge {
    /// Takes an address of the pool at `at`: the former one, the requested one, or the next one.
    fn grant(&mut self, at: usize, wish: &Wish, before: Option<&Endpoint>) -> Result<IpNet> {
        let missing = || Error::system("the network has no such subnet");
        let subnet = self.network.subnets.get(at).ok_or_else(missing)?;
        let pool = self.pools.get_mut(at).ok_or_else(missing)?;
        let (had, wished) = match subnet.net {
            IpNet::V4(_) => (before.and_then(|e| e.ipv4).map(|net| IpAddr::V4(net.addr())), wish.ipv4.map(IpAddr::V4)),
            IpNet::V6(_) => (before.and_then(|e| e.ipv6).map(|net| IpAddr::V6(net.addr())), wish.ipv6.map(IpAddr::V6)),
        };
        let address = match had.or(wished) {
            Some(address) => {
                pool.take(address).map_err(|refusal| refused(&self.network, address, refusal))?;
                address
            }
            None => {
                let error = || {
                    Error::conflict(format!("network `{}` has no free address in {}", self.network.name, subnet.net))
                        .hint("remove containers that are not needed, or create a network with a larger `--subnet`")
                };
                pool.take_next().ok_or_else(error)?
            }
        };
        IpNet::new(address, subnet.net.prefix_len()).map_err(|_| missing())
    }

    fn give_back(&mut self, ipv4: Option<Ipv4Net>, ipv6: Option<Ipv6Net>) {
        let given = ipv4.map(|net| IpAddr::V4(net.addr())).into_iter().chain(ipv6.map(|net| IpAddr::V6(net.addr())));
        for address in given {
            self.pools.iter_mut().filter(|pool| pool.contains(address)).for_each(|pool| pool.give_back(address));
        }
    }
}

/// Explains why a requested address is not available.
fn refused(network: &Network, address: IpAddr, refusal: Refusal) -> Error {
    let subnets = || network.subnets.iter().map(|subnet| subnet.net.to_string()).collect::<Vec<_>>().join(" and ");
    match refusal {
        Refusal::Elsewhere => Error::usage(format!(
            "no configured subnet of network `{}` contains the address {address}: it has {}",
            network.name,
            subnets()
        )),
        Refusal::Reserved => Error::conflict(format!(
            "the address {address} of network `{}` is its gateway's or stands for the network itself",
            network.name
        )),
        Refusal::Taken => {
            Error::conflict(format!("the address {address} is in use already on network `{}`", network.name))
        }
    }
}

/// Refuses a requested address of a family that the network does not have.
fn refuse_lost_wishes(network: &Network, wish: &Wish, has_ipv4: bool, has_ipv6: bool) -> Result<()> {
    let lost4 = wish.ipv4.filter(|_| !has_ipv4).map(IpAddr::V4);
    let lost6 = wish.ipv6.filter(|_| !has_ipv6).map(IpAddr::V6);
    match lost4.or(lost6) {
        Some(address) => {
            let error = Error::usage(format!(
                "no configured subnet of network `{}` contains the address {address}",
                network.name
            ));
            Err(if address.is_ipv6() { error.hint("create the network with `--ipv6`") } else { error })
        }
        None => Ok(()),
    }
}

/// The hardware address: the former one, the requested one, or one derived from the IPv4 address, so that neighbours
/// need not learn a new one when the container comes back.
fn choose_mac(
    network: &Network,
    container: &ContainerId,
    wish: &Wish,
    before: Option<&Endpoint>,
    ipv4: Option<Ipv4Net>,
    taken: &HashSet<Mac>,
) -> Result<Mac> {
    if let Some(mac) = before.map(|endpoint| endpoint.mac).or(wish.mac) {
        return match taken.contains(&mac) {
            false => Ok(mac),
            true => Err(Error::conflict(format!(
                "the hardware address {mac} is in use already on network `{}`",
                network.name
            ))),
        };
    }
    let [a, b, c, d] = match ipv4 {
        Some(net) => net.addr().octets(),
        None => (number_of(container) as u32).to_be_bytes(),
    };
    let mut made = (0..=u8::MAX).map(|n| Mac([0x02, 0x42u8.wrapping_add(n), a, b, c, d]));
    made.find(|mac| !taken.contains(mac)).ok_or_else(|| Error::conflict("no hardware address is free"))
}

/// A number that differs from container to container.
fn number_of(container: &ContainerId) -> u64 {
    let digits = container.as_str().get(..15).unwrap_or_default();
    u64::from_str_radix(digits, 16).unwrap_or_default()
}

fn is_interface_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b':' | b'%');
    !matches!(name, "" | "." | ".." | "lo" | "all" | "default")
        && name.len() <= INTERFACE_MAX
        && name.bytes().all(is_plain)
}

/// The addresses of an endpoint.
pub fn addresses(endpoint: &Endpoint) -> impl Iterator<Item = IpAddr> + use<> {
    let ipv4: Option<Ipv4Addr> = endpoint.ipv4.map(|net| net.addr());
    let ipv6: Option<Ipv6Addr> = endpoint.ipv6.map(|net| net.addr());
    ipv4.map(IpAddr::V4).into_iter().chain(ipv6.map(IpAddr::V6))
}
