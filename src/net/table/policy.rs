//! The traffic policy: [`Policy`] as the table decides it.

//!
//! # The host itself
//! `host.docker.internal` and `host.containers.internal` resolve to addresses that no machine has. They stand for a
//! non-loopback address of the host, as with docker's `host-gateway` and podman's `--map-guest-addr`: services that
//! listen on all addresses answer there. Services that listen on loopback only trust every client, so containers do not
//! reach them. Only an endpoint with `host-loopback` does, and even that reaches no port that is published for a
//! container with which it shares no network: a port published on 127.0.0.1 is meant for the host alone. A port
//! published on all addresses is reached by every container through the host's other addresses, as with docker and
//! podman.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Table;
use crate::base::ContainerId;
use crate::net::handler::{Holder, Outside, Policy};
use crate::spec::network::{Network, Protocol, PublishedPort};

/// The address of `host.docker.internal` and `host.containers.internal`. It is in no container network, so containers
/// send packets for it to their gateway (podman uses the same one).
pub const HOST_GATEWAY_V4: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 2);

/// The same for networks without IPv4: a local address (RFC 4193) that is used nowhere else.
pub const HOST_GATEWAY_V6: Ipv6Addr = Ipv6Addr::new(0xfd63, 0x6f72, 0x6163, 0x6c65, 0, 0, 0, 2);

impl Policy for Table {
    fn outside(&self, source: IpAddr, destination: IpAddr, port: Option<(Protocol, u16)>) -> Outside {
        let Some((container, network)) = self.owners.get(&source) else { return Outside::Nothing };
        let Some(network) = self.network(network) else { return Outside::Nothing };
        match () {
            () if source.is_ipv4() != destination.is_ipv4() || goes_nowhere(destination) => Outside::Nothing,
            () if network.internal || is_disguised(destination) => Outside::Prohibited,
            () if is_host_gateway(destination) => self.host_itself(container, network, destination.is_ipv6(), port),
            // Members reach other networks through their bridges, so this is not allowed.
            () if self.is_inside(destination) => Outside::Prohibited,
            () => Outside::To(destination),
        }
    }

    fn stands_for_host(&self, address: IpAddr) -> bool {
        is_host_gateway(address)
    }

    fn holder(&self, address: IpAddr) -> Holder {
        let member = self.owner(address).and_then(|container| self.members.get(container));
        member.map_or(Holder::NOBODY, |member| member.holder)
    }

    fn mtu(&self, member: IpAddr) -> usize {
        let network = self.owners.get(&member).and_then(|(_, network)| self.network(network));
        network.and_then(|network| network.mtu).map_or(1500, |mtu| mtu as usize)
    }

    fn is_on_host(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_loopback() || self.host.addresses.contains(&address)
    }

    fn visible(&self, client: IpAddr, member: IpAddr) -> IpAddr {
        let client = client.to_canonical();
        let answerable = client.is_ipv4() == member.is_ipv4()
            && !self.is_on_host(client)
            && !goes_nowhere(client)
            && !is_disguised(client)
            && !is_host_gateway(client)
            && !self.is_inside(client);
        match answerable {
            true => client,
            false => self.gateway(member).unwrap_or(client),
        }
    }
}

impl Table {
    /// The host's address behind the one that stands for the host.
    fn host_itself(
        &self,
        container: &ContainerId,
        network: &Network,
        v6: bool,
        port: Option<(Protocol, u16)>,
    ) -> Outside {
        let endpoint = self.endpoints(container).iter().find(|endpoint| endpoint.network_id == network.id);
        if !endpoint.is_some_and(|endpoint| endpoint.host_loopback) {
            // The container uses one name for the host, so the family that the host has is used.
            let [v4, other] = [self.host.ipv4.map(IpAddr::V4), self.host.ipv6.map(IpAddr::V6)];
            let own = if v6 { other.or(v4) } else { v4.or(other) };
            return own.map_or(Outside::Unreachable, Outside::To);
        }
        let loopback = if v6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
        match port.is_some_and(|port| self.is_published_to_others(container, loopback, port)) {
            true => Outside::Prohibited,
            false => Outside::To(loopback),
        }
    }

    /// Whether this port of the host is published for a container that shares no network with this one.
    fn is_published_to_others(&self, container: &ContainerId, address: IpAddr, port: (Protocol, u16)) -> bool {
        let is_it = |published: &PublishedPort| {
            (published.protocol, published.host_port) == port
                && published
                    .host_ip
                    .is_none_or(|ip| ip == address || (ip.is_unspecified() && ip.is_ipv4() == address.is_ipv4()))
        };
        let shares_network = |other: &ContainerId| {
            let mine = self.endpoints(container);
            self.endpoints(other).iter().any(|theirs| mine.iter().any(|own| own.network_id == theirs.network_id))
        };
        let mut others = self.published.iter().filter(|(other, _)| *other != container);
        others.any(|(other, ports)| ports.iter().any(is_it) && !shares_network(other))
    }

    /// Whether the address is within a network that is in use.
    fn is_inside(&self, address: IpAddr) -> bool {
        self.used().flat_map(|bridge| &bridge.pools).any(|pool| pool.contains(address))
    }

    /// The gateway of a member's network.
    fn gateway(&self, member: IpAddr) -> Option<IpAddr> {
        let (_, network) = self.owners.get(&member)?;
        let of =
            |network: &Network| network.subnets.iter().find(|subnet| subnet.net.contains(&member)).map(|s| s.gateway);
        self.networks.get(network).and_then(|bridge| of(&bridge.network))
    }
}

fn is_host_gateway(address: IpAddr) -> bool {
    address == IpAddr::V4(HOST_GATEWAY_V4) || address == IpAddr::V6(HOST_GATEWAY_V6)
}

/// Addresses that are never forwarded: unspecified, broadcast, multicast and link-local ones; and loopback, which means
/// the sender itself (RFC 1122, 3.2.1.3; RFC 4291, 2.5).
fn goes_nowhere(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, ..] = address.octets();
            first == 0 || address.is_loopback() || address.is_multicast() || address.is_broadcast()
        }
        IpAddr::V6(address) => {
            address.is_unspecified()
                || address.is_loopback()
                || address.is_multicast()
                || address.is_unicast_link_local()
        }
    }
}

/// IPv6 addresses that embed an IPv4 address or mean loopback, by which the host's sockets would reach other addresses
/// (RFC 4291, 2.5.5).
fn is_disguised(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.to_ipv4().is_some(),
    }
}
